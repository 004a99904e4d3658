//! Idle, ended, restarted, metered: the clock is cranked.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{NOW, booked_seconds, lines, play, token};
use crate::session::state::EndReason;
use crate::session::testing::{House, SEGMENT, asking_for};
use crate::session::{ChangeSession, CreateSession, EndedBy, SessionError, SessionView, ViewState};
use crate::store::{SessionPart, SessionWrite, Store, testing};
use crate::timeline::Clock;
use crate::usage::MeterTerms;

#[tokio::test]
async fn an_idle_session_ends_and_is_billed_to_its_last_poll() {
    let house = House::new().await;
    let (never_polled, _) = house.sessions.create("acme", asking_for("c")).await.unwrap();
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    // First segment listed at 6 s, last poll at 18 s.
    play(&house, &session, 20).await;
    house.pass(28).await;
    let view = house.sessions.get("acme", &session.id).await.unwrap();
    assert_eq!(view.state, ViewState::Active, "thirty seconds are not over");
    assert_eq!(house.sessions.get("acme", &never_polled.id).await.unwrap().state, ViewState::Ended);
    house.pass(1).await;
    let view = house.sessions.get("acme", &session.id).await.unwrap();
    assert_eq!((view.state, view.billable_seconds), (ViewState::Ended, 14));
    assert_eq!(booked_seconds(&house, &session).await, 14);
    assert_eq!(house.metrics.sessions.get(), 0);
    assert_eq!(house.metrics.booked_seconds.get(), 14);

    house.mosaics.wants.lock().clear();
    house.pass(40).await;
    assert!(house.mosaics.wants.lock().is_empty(), "nobody wants its mosaic any more");
    let kept = house.sessions.get("acme", &session.id).await.unwrap();
    assert_eq!(kept, view, "the store knows it still");
}

#[tokio::test]
async fn the_meter_runs_from_the_first_listed_segment_to_the_end() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    house.sessions.multivariant(token(&session), crate::session::Sounds::Own, false, None).await.unwrap();
    play(&house, &session, 6).await;
    assert_eq!(house.sessions.get("acme", &session.id).await.unwrap().billable_seconds, 0, "nothing is listed yet");
    play(&house, &session, 31).await;
    house.clock.advance(Duration::from_millis(700));
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    house.pass(10).await;
    house.sessions.end("acme", &session.id, EndedBy::Operator).await.unwrap();
    let view = house.sessions.get("acme", &session.id).await.unwrap();
    // The last playlist, at 36 s, is good for two.
    assert_eq!((view.state, view.billable_seconds), (ViewState::Ended, 32));
    assert_eq!(booked_seconds(&house, &session).await, 32);
    let change = ChangeSession { audio: Some("a".into()), ..Default::default() };
    assert_eq!(house.sessions.change("acme", &session.id, change).await, Err(SessionError::SessionEnded));
}

#[tokio::test]
async fn lines_tell_what_was_shown_minute_by_minute() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    play(&house, &session, 70).await;
    let swap = ChangeSession { games: Some(vec!["a".into(), "c".into()]), ..Default::default() };
    house.sessions.change("acme", &session.id, swap).await.unwrap();
    play(&house, &session, 20).await;
    let got: Vec<_> =
        lines(&house).await.into_iter().map(|l| (l.billable_seconds, l.watched.games.join(","))).collect();
    // Listed from 16:00:06 on; the last booking is at most five seconds old.
    assert_eq!(got[0], (54, "a,b".to_owned()));
    assert!((25..=30).contains(&got[1].0) && got[1].1 == "a,c", "{got:?}");
}

#[tokio::test]
async fn a_line_tells_engine_tier_labels_and_slate() {
    let house = House::new().await;
    let labels: std::collections::BTreeMap<_, _> = [("box".to_owned(), "x1".to_owned())].into();
    let request = CreateSession { labels: labels.clone(), ..asking_for("a,b") };
    let (session, _) = house.sessions.create("acme", request).await.unwrap();
    // Billed from 16:00:06.
    play(&house, &session, 16).await;
    house.off.lock().insert("a".into());
    play(&house, &session, 10).await;
    house.off.lock().insert("b".into());
    play(&house, &session, 5).await;
    house.off.lock().clear();
    play(&house, &session, 10).await;
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    let got = lines(&house).await;
    assert_eq!(got.len(), 1);
    let line = &got[0];
    assert_eq!((line.billable_seconds, line.slate_seconds, line.slate_all_seconds), (35, 15, 5));
    let watched = &line.watched;
    assert_eq!((&*watched.engine, &*watched.layout, &*watched.tier), ("render", "2EH", "1080p"));
    assert_eq!(watched.labels, labels);
}

#[tokio::test]
async fn a_minute_is_told_by_what_was_shown_last_within_it_whenever_it_is_booked() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    play(&house, &session, 50).await;
    // Nothing is booked any more until long after the swap, which shows in the next minute.
    house.disk.full.store(true, Ordering::SeqCst);
    play(&house, &session, 12).await;
    let swap = ChangeSession { games: Some(vec!["a".into(), "c".into()]), ..Default::default() };
    house.sessions.change("acme", &session.id, swap).await.unwrap();
    play(&house, &session, 30).await;
    assert!(house.metrics.unbooked_seconds.get() > 30);
    house.disk.full.store(false, Ordering::SeqCst);
    play(&house, &session, 5).await;
    let got: Vec<_> =
        lines(&house).await.into_iter().map(|l| (l.billable_seconds, l.watched.games.join(","))).collect();
    assert_eq!(got[0], (54, "a,b".to_owned()));
    assert_eq!(got[1].1, "a,c");
    assert!(house.metrics.unbooked_seconds.get() <= 5);
}

#[tokio::test]
async fn a_killed_process_loses_at_most_five_seconds_and_no_session() {
    let mut house = House::new().await;
    let labels = [("box".to_owned(), "x1".to_owned())].into();
    let request = CreateSession { labels, device_id: Some("d1".into()), ..asking_for("own,b") };
    let (session, _) = house.sessions.create("acme", request).await.unwrap();
    play(&house, &session, 20).await;
    let swap = ChangeSession { games: Some(vec!["own".into(), "c".into()]), ..Default::default() };
    let swapped = house.sessions.change("acme", &session.id, swap).await.unwrap();
    play(&house, &session, 23).await;
    let before = house.sessions.get("acme", &session.id).await.unwrap();
    let last = house.sessions.video_playlist(token(&session), "1080p", NOW).await.unwrap();

    house.crash(Duration::from_secs(4)).await;
    let after = house.sessions.get("acme", &session.id).await.unwrap();
    assert!(before.billable_seconds - after.billable_seconds <= 5, "{before:?} {after:?}");
    assert_eq!(
        SessionView { billable_seconds: 0, ..after.clone() },
        SessionView { billable_seconds: 0, ..before.clone() }
    );
    assert_eq!(*house.mosaics.wants.lock(), ["2EH-acme/own-c".to_owned()], "its mosaic is wanted before anyone asks");
    assert_eq!(house.metrics.sessions.get(), 1);

    house.pass(8).await;
    let playlist = house.sessions.video_playlist(token(&session), "1080p", NOW).await.unwrap();
    let sequence = |playlist: &str| -> u64 {
        playlist.lines().find_map(|l| l.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")).unwrap().parse().unwrap()
    };
    assert!(sequence(&playlist) > sequence(&last) && sequence(&playlist) > swapped.effective_segment);
    let map = |playlist: &str| playlist.lines().find(|l| l.starts_with("#EXT-X-MAP")).unwrap().to_owned();
    assert_eq!(map(&playlist), map(&last), "the same playlist goes on");
    play(&house, &session, 6).await;
    let went_on = house.sessions.get("acme", &session.id).await.unwrap();
    // 37 s until the kill, of which up to 5 are lost, a target duration after the last poll, what was listed when it asked again, and 6 s more.
    assert!((46..=53).contains(&went_on.billable_seconds), "{went_on:?}");
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    assert_eq!(booked_seconds(&house, &session).await, went_on.billable_seconds);
}

#[tokio::test]
async fn an_outage_longer_than_idle_neither_ends_nor_bills_a_session() {
    let mut house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    play(&house, &session, 16).await;
    house.sessions.shutdown().await;
    house.crash(Duration::from_secs(600)).await;
    house.pass(20).await;
    assert_eq!(house.sessions.get("acme", &session.id).await.unwrap().state, ViewState::Active);
    play(&house, &session, 10).await;
    let view = house.sessions.get("acme", &session.id).await.unwrap();
    // Ten seconds before, ten after, and what was listed when it asked again.
    assert_eq!(view.billable_seconds, 36);
    house.sessions.shutdown().await;
    assert_eq!(booked_seconds(&house, &session).await, 36);
}

#[tokio::test]
async fn a_restart_into_another_setup_takes_the_new_mosaic() {
    let mut house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    play(&house, &session, 16).await;
    house.crash_into(Duration::from_secs(2), "v2-").await;
    house.pass(8).await;
    let playlist = house.sessions.video_playlist(token(&session), "1080p", NOW).await.unwrap();
    assert!(playlist.contains("/v1/media/v2-1-a/1080p~"), "{playlist}");
}

#[tokio::test]
async fn a_full_disk_stops_neither_viewers_nor_the_meter() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    play(&house, &session, 16).await;
    house.disk.full.store(true, Ordering::SeqCst);
    let keyed = CreateSession { idempotency: Some(("k".into(), [1; 32])), ..asking_for("a") };
    let (new, _) = house.sessions.create("acme", keyed.clone()).await.expect("a viewer is served all the same");
    let (again, created) = house.sessions.create("acme", keyed.clone()).await.unwrap();
    assert!(!created && again.id == new.id);
    for _ in 0..30 {
        house.sessions.video_playlist(token(&new), "1080p", NOW).await.unwrap();
        play(&house, &session, 2).await;
    }
    assert!(booked_seconds(&house, &session).await <= 10);
    assert!(house.metrics.booking_failures.get() > 0);
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    house.pass(60).await;
    let held = house.sessions.get("acme", &session.id).await.unwrap();
    assert_eq!(
        (held.state, held.billable_seconds),
        (ViewState::Ended, 70),
        "kept as long as the disk does not know it"
    );

    house.disk.full.store(false, Ordering::SeqCst);
    house.pass(1).await;
    assert_eq!(booked_seconds(&house, &session).await, 70);
    assert_eq!(house.disk.session("acme", &new.id).await.unwrap().map(|row| row.id), Some(new.id.clone()));
    let kept = house.disk.idempotency("acme", "k", 0).await.unwrap().map(|row| row.session_id);
    assert_eq!(kept, Some(new.id));
}

#[tokio::test]
async fn a_session_that_the_store_refuses_keeps_no_other_from_being_booked() {
    let house = House::new().await;
    let (good, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    let (bad, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    // Somebody's hand took its row: the small one that a booking writes has nothing to belong to.
    testing::tamper(house.dir.path(), &format!("DELETE FROM sessions WHERE id = '{}'", bad.id)).await;
    let watch = async |seconds: u64| {
        for _ in 0..seconds / 2 {
            let _ = house.sessions.video_playlist(token(&bad), "1080p", NOW).await;
            play(&house, &good, 2).await;
        }
    };
    watch(40).await;
    assert!(booked_seconds(&house, &good).await > 20);
    assert_eq!(booked_seconds(&house, &bad).await, 0);
    assert_eq!(house.metrics.booking_failures.get(), 1, "it is not offered again with every sweep");
    watch(50).await;
    assert_eq!(house.metrics.booking_failures.get(), 2, "but now and then it is");
    // A change writes its row as a whole, and with it whatever waited.
    let request = ChangeSession { games: Some(asking_for("c,d").games), ..Default::default() };
    house.sessions.change("acme", &bad.id, request).await.unwrap();
    assert!(booked_seconds(&house, &bad).await > 50);
    assert_eq!(house.disk.session("acme", &bad.id).await.unwrap().map(|row| row.revision), Some(2));
}

#[tokio::test]
async fn a_booking_writes_no_whole_row_and_a_change_does() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    play(&house, &session, 20).await;
    let entry = house.sessions.entries().into_iter().next().unwrap();
    let is_whole = |write: SessionWrite| matches!(write.part, SessionPart::Whole(..));
    let (booking, under_way) = entry.session.lock().snapshot().unwrap();
    assert!(!is_whole(booking));
    // The end comes while the booking is on its way, whose answer must not speak for it.
    let (now_ms, terms) = (house.clock.now().unix_millis(), MeterTerms { grace_ms: 2_000, pause_ms: 4_000 });
    entry.session.lock().end(EndReason::Device, now_ms, |_| SEGMENT, terms).unwrap();
    entry.session.lock().saved(&under_way);
    assert!(entry.session.lock().is_unsaved());
    // Nor is it written with a request that went away half-way.
    assert!(is_whole(entry.session.lock().snapshot().unwrap().0));
    let (end, receipt) = entry.session.lock().snapshot().unwrap();
    assert!(is_whole(end));
    entry.session.lock().saved(&receipt);
    assert!(!entry.session.lock().has_news());
}

#[tokio::test]
async fn equal_sessions_want_their_mosaic_once() {
    let house = House::new().await;
    for _ in 0..10 {
        house.sessions.create("acme", asking_for("a,b,c,d")).await.unwrap();
    }
    house.mosaics.wants.lock().clear();
    house.pass(1).await;
    assert_eq!(*house.mosaics.wants.lock(), ["4E-a-b-c-d".to_owned()]);
}

#[tokio::test]
async fn changes_that_race_all_count_or_are_refused() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a,b")).await.unwrap();
    let house = Arc::new(house);
    let tasks: Vec<_> = ["c,b", "a,c", "d,c", "c,d"]
        .iter()
        .enumerate()
        .map(|(at, games)| {
            let (house, id) = (house.clone(), session.id.clone());
            let if_match = (at % 2 == 0).then(|| vec![1]);
            let request = ChangeSession { games: Some(asking_for(games).games), if_match, ..Default::default() };
            tokio::spawn(async move { house.sessions.change("acme", &id, request).await })
        })
        .collect();
    let mut changed = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => changed += 1,
            Err(refused) => assert_eq!(refused.code(), "revision_stale"),
        }
    }
    let view = house.sessions.get("acme", &session.id).await.unwrap();
    assert_eq!(view.revision, 1 + changed);
    let row = house.disk.session("acme", &session.id).await.unwrap().unwrap();
    assert_eq!((row.revision, row.games), (view.revision, view.games), "the disk has the last one");
}
