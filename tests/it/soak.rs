//! An hour of change on the real program: viewers swap, games are registered and removed, sources are lost, hang and come back.
//! What the process takes of the machine must stop growing.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::barcode::Clip;
use crate::support::program::{DEVICE, Footprint, OPERATOR, Program, Viewer, until, write_config};

/// How many viewers of each engine watch at once.
const VIEWERS: [(&str, usize); 2] = [("stitch", 26), ("render", 4)];
/// Games that are watched, of the configuration and registered.
const WATCHED: [&str; 8] = ["a", "b", "file-1", "file-2", "lost", "ball", "bars", "wheel"];
const SAMPLE_EVERY: Duration = Duration::from_secs(10);
/// What an hour's second half may take beyond its second quarter: what malloc's free lists come to differ by.
const ALLOWED_PERCENT: u64 = 5;

fn minutes() -> u64 {
    std::env::var("QUADRILLE_SOAK_MINUTES").map_or(60, |minutes| minutes.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes an hour, or QUADRILLE_SOAK_MINUTES: part of `make test-long`"]
async fn service_soak_takes_no_more_in_the_end_than_in_the_second_quarter() {
    let dir = tempfile::tempdir().unwrap();
    let config = write_config(dir.path(), &dir.path().join("data"), "", "[sessions]\nmax_sessions = 100\n");
    let program = Arc::new(Program::serve(&config));
    for (id, source) in sources(dir.path()) {
        assert_eq!(register(&program, &id, &source).await, StatusCode::CREATED, "{id}");
    }
    until("a few games are live", async || {
        (program.metric("quadrille_feeds{status=\"live\"}").await >= 5.0).then_some(())
    })
    .await;
    let before = program.footprint();

    let end = Instant::now() + Duration::from_secs(60 * minutes());
    let mut work = vec![tokio::spawn(come_and_go(program.clone(), end, hanging()))];
    for (engine, count) in VIEWERS {
        work.extend((0..count).map(|n| tokio::spawn(watch(program.clone(), engine, n, end))));
    }
    let mut samples = Vec::new();
    while Instant::now() < end {
        tokio::time::sleep(SAMPLE_EVERY).await;
        samples.push(program.footprint());
        println!("{:?}", samples.last().unwrap());
    }
    let mut done = 0;
    for piece in work {
        done += piece.await.unwrap();
    }
    println!("before {before:?}, {done} swaps and games");
    assert!(done as u64 > 100 * minutes(), "only {done} swaps and games");

    let quarter = samples.len() / 4;
    let (second, last) = (&samples[quarter..2 * quarter], &samples[3 * quarter..]);
    let median = |samples: &[Footprint], of: fn(&Footprint) -> u64| {
        let mut values: Vec<u64> = samples.iter().map(of).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    for (what, of) in FIGURES {
        let (then, now) = (median(second, of), median(last, of));
        assert!(
            100 * now <= (100 + ALLOWED_PERCENT) * then + 200,
            "{what}: {then} in the second quarter, {now} in the last"
        );
    }

    // What came with the viewers goes with them: only the eight games are left, and what idle memory is kept.
    let settled = until("all that was started has ended", async || {
        let now = program.footprint();
        (now.threads <= before.threads + 4 && now.descriptors <= before.descriptors + 8).then_some(now)
    })
    .await;
    println!("after {settled:?}");
}

type Figure = fn(&Footprint) -> u64;
const FIGURES: [(&str, Figure); 3] = [
    ("memory in MiB", |footprint| footprint.memory_mib),
    ("threads", |footprint| footprint.threads),
    ("descriptors", |footprint| footprint.descriptors),
];

/// Files in a loop, synthetic pictures, and one that breaks off every few seconds.
fn sources(dir: &Path) -> Vec<(String, String)> {
    let clip = |number: u8, name: &str| {
        let path = dir.join(name);
        Clip { width: 320, height: 180, ..Clip::new(number, 240, 400 + 100 * u32::from(number)) }.write(&path);
        path
    };
    let mut sources: Vec<(String, String)> = (1..=2u8)
        .map(|n| (format!("file-{n}"), format!("file://{}?loop=1", clip(n, &format!("{n}.mp4")).display())))
        .collect();
    sources.push(("lost".into(), breaking_off(std::fs::read(clip(3, "3.ts")).unwrap())));
    for (id, source) in [("ball", "ball?tone=700"), ("bars", "smpte?tone=800"), ("wheel", "pinwheel?tone=900")] {
        sources.push((id.into(), format!("test://{source}&size=320x180")));
    }
    sources
}

/// Sends the whole of it at once, without saying how much there is, and hangs up.
fn breaking_off(stream: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            let mut request = [0; 4096];
            // Who hangs up early is of no concern.
            let _ = client.read(&mut request);
            let _ = client
                .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                .and_then(|()| client.write_all(&stream));
        }
    });
    format!("http://{address}/live.ts")
}

/// Takes connections and never says a word.
fn hanging() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let mut clients = std::collections::VecDeque::new();
        for client in listener.incoming().flatten() {
            clients.push_back(client);
            // Not more than this process may hold.
            if clients.len() > 100 {
                clients.pop_front();
            }
        }
    });
    format!("http://{address}/never.ts")
}

async fn register(program: &Program, id: &str, source: &str) -> StatusCode {
    let game = json!({"id": id, "title": id, "sources": [source]});
    program.send(Method::POST, "/v1/operator/games", OPERATOR, Some(game)).await.status()
}

/// Registers games and removes them, by turns one that is shown and one that never answers.
async fn come_and_go(program: Arc<Program>, end: Instant, hanging: String) -> usize {
    let mut n = 0;
    while Instant::now() < end {
        let id = format!("come-and-go-{n}");
        let source = if n % 2 == 0 { "test://ball?size=320x180&tone=400" } else { hanging.as_str() };
        assert_eq!(register(&program, &id, source).await, StatusCode::CREATED);
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let path = format!("/v1/operator/games/{id}");
        assert_eq!(program.send(Method::DELETE, &path, OPERATOR, None).await.status(), StatusCode::NO_CONTENT);
        n += 1;
    }
    n
}

/// One viewer after another in the same seat, each watching for some twenty to sixty seconds and swapping as they please. A machine
/// that is too busy for a mosaic says so, and they ask again.
async fn watch(program: Arc<Program>, engine: &str, seat: usize, end: Instant) -> usize {
    let (mut turn, mut swaps) = (seat, 0);
    let mut four = || {
        turn += 1;
        // Four different ones, other combinations each time: steps of an odd number go round all eight.
        let step = [1, 3, 5, 7][turn % 4];
        (0..4).map(|n| WATCHED[(seat + turn / 4 + n * step) % WATCHED.len()]).collect::<Vec<_>>()
    };
    while Instant::now() < end {
        let body = json!({"games": four(), "layout": "4E", "engine": engine});
        let answer = program.send(Method::POST, "/v1/sessions", DEVICE, Some(body)).await;
        if answer.status() != StatusCode::CREATED {
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text().await.unwrap());
            tokio::time::sleep(Duration::from_secs(2)).await;
            continue;
        }
        let viewer = Viewer::new(&answer.json().await.unwrap());
        let patience = if engine == "stitch" { 3 } else { 8 };
        for second in 0..20 + 7 * (seat as u64 % 6) {
            if Instant::now() >= end {
                break;
            }
            if let Some(listed) = viewer.poll(&program).await {
                viewer.fetch(&program, &listed).await;
            }
            if second % patience == patience - 1 {
                let body = json!({"games": four(), "layout": "4E"});
                let answer = program.send(Method::PATCH, &viewer.path, DEVICE, Some(body)).await;
                assert!(
                    [StatusCode::OK, StatusCode::SERVICE_UNAVAILABLE].contains(&answer.status()),
                    "{}",
                    answer.status()
                );
                swaps += usize::from(answer.status() == StatusCode::OK);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let ended = program.send(Method::DELETE, &viewer.path, DEVICE, None).await;
        assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    }
    swaps
}
