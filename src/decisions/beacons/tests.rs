//! Beacons through kills, refusals and full stores.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use super::*;
use crate::decisions::testing::{Server, reach};
use crate::store::{SqliteStore, Store};

const NOW_MS: i64 = 1_795_363_200_000;

/// A server that answers with the status that is set.
fn server() -> (Server, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(204));
    let its = status.clone();
    let server = Server::start(move |_, _, stream| {
        let status = its.load(Ordering::SeqCst);
        stream.write_all(format!("HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes())
    });
    (server, status)
}

fn beacons(store: &Arc<SqliteStore>) -> Beacons {
    Beacons::new(store.clone(), Arc::new(|_: &str| reach()))
}

async fn open(dir: &std::path::Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(dir).await.unwrap())
}

fn of(server: &Server, names: &[&str]) -> Vec<(String, String)> {
    names.iter().map(|name| (format!("s1/{name}/0"), format!("{}/{name}", server.base))).collect()
}

fn asked(server: &Server) -> Vec<String> {
    let mut asked = std::mem::take(&mut *server.asked.lock());
    asked.sort();
    asked
}

#[tokio::test]
async fn a_beacon_is_told_once_however_often_it_is_offered() {
    let (dir, (server, _)) = (tempfile::tempdir().unwrap(), server());
    let store = open(dir.path()).await;
    let beacons = beacons(&store);
    let offered = beacons.offer("acme", &of(&server, &["impression", "start"]), NOW_MS).await.unwrap();
    assert_eq!(offered, Offered { kept: 2, known: 0, refused: 0 });
    let again = beacons.offer("acme", &of(&server, &["start", "complete"]), NOW_MS).await.unwrap();
    assert_eq!(again, Offered { kept: 1, known: 1, refused: 0 });
    assert_eq!(beacons.step(NOW_MS).await.unwrap(), Stepped { told: 3, ..Stepped::default() });
    assert_eq!(asked(&server), ["/complete", "/impression", "/start"]);
    // It is known after it was told, too, and over a restart.
    store.close().await.unwrap();
    drop((beacons, store));
    let store = open(dir.path()).await;
    let beacons = Beacons::new(store.clone(), Arc::new(|_: &str| reach()));
    let later = beacons.offer("acme", &of(&server, &["start"]), NOW_MS + 60_000).await.unwrap();
    assert_eq!(later, Offered { known: 1, ..Offered::default() });
    assert_eq!(beacons.step(NOW_MS + 60_000).await.unwrap(), Stepped::default());
    assert_eq!(asked(&server), [] as [&str; 0]);
    assert_eq!(beacons.forget(NOW_MS + 60_000).await.unwrap(), 0);
    assert_eq!(beacons.forget(NOW_MS + KNOWN_FOR_MS + 1).await.unwrap(), 3);
}

#[tokio::test]
async fn what_a_process_kept_and_did_not_send_the_next_one_sends() {
    let (dir, (server, _)) = (tempfile::tempdir().unwrap(), server());
    let store = open(dir.path()).await;
    beacons(&store).offer("acme", &of(&server, &["impression"]), NOW_MS).await.unwrap();
    // Killed before anything was sent.
    store.let_go();
    let store = open(dir.path()).await;
    assert_eq!(beacons(&store).step(NOW_MS + 1).await.unwrap().told, 1);
    assert_eq!(asked(&server), ["/impression"]);
}

#[tokio::test]
async fn a_server_that_fails_is_asked_again_ever_later_and_not_for_ever() {
    let (dir, (server, status)) = (tempfile::tempdir().unwrap(), server());
    let store = open(dir.path()).await;
    let beacons = beacons(&store);
    status.store(503, Ordering::SeqCst);
    beacons.offer("acme", &of(&server, &["impression"]), NOW_MS).await.unwrap();
    let (mut now_ms, mut tries) = (NOW_MS, 0);
    while now_ms < NOW_MS + GIVEN_UP_AFTER_MS {
        let stepped = beacons.step(now_ms).await.unwrap();
        tries += stepped.failed;
        assert_eq!((stepped.told, stepped.given_up), (0, 0));
        // As long as it waits at most by now.
        now_ms += if tries < 9 { 1_000 << tries } else { 300_000 };
    }
    assert!((60..100).contains(&tries), "{tries}");
    assert_eq!(beacons.step(now_ms).await.unwrap(), Stepped { given_up: 1, ..Stepped::default() });
    assert_eq!(beacons.step(now_ms + 3_600_000).await.unwrap(), Stepped::default());

    // One that comes back is told, and one that says no is not asked again.
    beacons.offer("acme", &of(&server, &["start"]), now_ms).await.unwrap();
    assert_eq!(beacons.step(now_ms).await.unwrap().failed, 1);
    assert_eq!(beacons.step(now_ms + 1).await.unwrap(), Stepped::default(), "not at once");
    status.store(200, Ordering::SeqCst);
    assert_eq!(beacons.step(now_ms + 1_000).await.unwrap().told, 1);
    status.store(410, Ordering::SeqCst);
    beacons.offer("acme", &of(&server, &["complete"]), now_ms).await.unwrap();
    assert_eq!(beacons.step(now_ms).await.unwrap().given_up, 1);
}

#[tokio::test]
async fn there_is_an_end_to_what_waits_and_nothing_goes_where_the_rules_do_not() {
    let (dir, (server, status)) = (tempfile::tempdir().unwrap(), server());
    let store = open(dir.path()).await;
    let beacons = Beacons { most_waiting: 2, ..beacons(&store) };
    let many = of(&server, &["a", "b", "c"]);
    assert_eq!(beacons.offer("acme", &many, NOW_MS).await.unwrap(), Offered { kept: 2, known: 0, refused: 1 });
    status.store(200, Ordering::SeqCst);
    assert_eq!(beacons.step(NOW_MS).await.unwrap().told, 2);
    let again = beacons.offer("acme", &many, NOW_MS).await.unwrap();
    assert_eq!(again, Offered { kept: 1, known: 2, refused: 0 }, "there is room again");
    let long = format!("http://a/{}", "x".repeat(9000));
    let strange: Vec<_> = ["", "nonsense", "file:///etc/passwd", &long]
        .into_iter()
        .map(|url| (format!("x{}", url.len()), url.to_owned()))
        .collect();
    assert_eq!(beacons.offer("acme", &strange, NOW_MS).await.unwrap().refused, 4);
    beacons.step(NOW_MS).await.unwrap();
    let inner = Server::start_at(crate::decisions::testing::INNER, |_, _, _| Ok(()));
    let denied = [("i".to_owned(), format!("{}/x", inner.base))];
    beacons.offer("acme", &denied, NOW_MS).await.unwrap();
    assert_eq!(beacons.step(NOW_MS).await.unwrap(), Stepped { given_up: 1, ..Stepped::default() });
    assert_eq!(*inner.asked.lock(), [] as [String; 0]);
}

#[tokio::test]
async fn events_of_an_advertisement_are_told_in_their_order_and_all_that_is_due_at_once() {
    let (dir, (server, status)) = (tempfile::tempdir().unwrap(), server());
    let store = open(dir.path()).await;
    let beacons = beacons(&store);
    let names = ["complete", "thirdQuartile", "midpoint", "firstQuartile", "start", "impression"];
    let of_session = |session: usize| {
        let beacon = |name: &&str| (format!("b/s{session}/0/{name}/0"), format!("{}/{session}/{name}", server.base));
        names.iter().map(beacon).collect::<Vec<_>>()
    };
    for session in 0..20 {
        beacons.offer("acme", &of_session(session), NOW_MS).await.unwrap();
    }
    status.store(503, Ordering::SeqCst);
    assert_eq!(beacons.step(NOW_MS).await.unwrap().failed, 120);
    // Of each advertisement one alone was asked for, more than once only where they were not all due together.
    let asked: Vec<String> = std::mem::take(&mut *server.asked.lock());
    assert!(asked.iter().all(|path| !path.ends_with("/complete")), "{asked:?}");
    status.store(200, Ordering::SeqCst);
    assert_eq!(beacons.step(NOW_MS + 1_000).await.unwrap().told, 120);
    let asked: Vec<String> = std::mem::take(&mut *server.asked.lock());
    for session in 0..20 {
        let its: Vec<&str> = asked.iter().filter_map(|path| path.strip_prefix(&format!("/{session}/"))).collect();
        assert!(its.iter().eq(names.iter().rev()), "{its:?}");
    }
}

#[tokio::test]
async fn a_server_that_takes_its_time_has_the_rest_of_it_wait() {
    let (dir, (server, _)) = (tempfile::tempdir().unwrap(), server());
    let store = open(dir.path()).await;
    let beacons = Beacons { line_patience: Duration::ZERO, ..beacons(&store) };
    beacons.offer("acme", &of(&server, &["midpoint", "start", "impression"]), NOW_MS).await.unwrap();
    let mut each = Vec::new();
    for step in 0..3 {
        let stepped = beacons.step(NOW_MS + 10_000 * step).await.unwrap();
        each.push((asked(&server), stepped.told, stepped.failed));
    }
    let one = |name: &str, failed| (vec![format!("/{name}")], 1, failed);
    assert_eq!(each, [one("impression", 2), one("start", 1), one("midpoint", 0)]);
}
