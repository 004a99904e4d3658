//! A session whose rows the store refuses, among others; and ended ones, which are forgotten at last.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::{booked_seconds, play, token};
use crate::session::testing::{House, asking_for};
use crate::session::{EndedBy, SessionError, SessionView, ViewState};

/// Two seconds of thirty sessions, each of which plays.
async fn two_seconds(house: &House, sessions: &[SessionView]) {
    for session in sessions {
        let _ = house.sessions.video_playlist(token(session), "1080p").await;
    }
    house.pass(2).await;
}

#[tokio::test]
async fn one_row_that_the_store_refuses_keeps_nobody_else_from_the_disk() {
    let house = House::new().await;
    let mut sessions = Vec::new();
    for _ in 0..30 {
        sessions.push(house.sessions.create("acme", asking_for("a")).await.unwrap().0);
    }
    for _ in 0..6 {
        two_seconds(&house, &sessions).await;
    }
    *house.disk.refused.lock() = Some(sessions[17].id.clone());
    let before = booked_seconds(&house, &sessions[17]).await;
    for _ in 0..5 {
        two_seconds(&house, &sessions).await;
    }
    for (at, session) in sessions.iter().enumerate() {
        let (booked, billed) = (
            booked_seconds(&house, session).await,
            house.sessions.get("acme", &session.id).await.unwrap().billable_seconds,
        );
        if at == 17 {
            assert_eq!(booked, before, "it alone stays behind");
        } else {
            assert!(billed - booked <= 5, "session {at}: {booked} of {billed} s");
        }
    }
    // Found once, it is tried by itself: a booking every four seconds, and its own every ten.
    let (writes, failures) = (house.disk.writes.load(Ordering::SeqCst), house.metrics.booking_failures.get());
    for _ in 0..20 {
        two_seconds(&house, &sessions).await;
    }
    let writes = house.disk.writes.load(Ordering::SeqCst) - writes;
    assert!(writes <= 10 + 4 + 1, "{writes} writes in 40 s");
    let failures = house.metrics.booking_failures.get() - failures;
    assert!((3..=5).contains(&failures), "only it is counted: {failures}");

    *house.disk.refused.lock() = None;
    for _ in 0..8 {
        two_seconds(&house, &sessions).await;
    }
    let billed = house.sessions.get("acme", &sessions[17].id).await.unwrap().billable_seconds;
    assert!(billed - booked_seconds(&house, &sessions[17]).await <= 5, "nothing of it was lost");
    assert!(house.metrics.unbooked_seconds.get() <= 30 * 5);
}

#[tokio::test]
async fn ended_sessions_are_forgotten_after_their_time_a_batch_a_sweep_and_their_lines_stay() {
    let mut settings = House::new().await.settings;
    settings.keep_ended = Duration::from_secs(7200);
    settings.max_sessions = 2000;
    let house = House::with(settings).await;
    let (billed, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    play(&house, &billed, 20).await;
    let mut ended = vec![billed.clone()];
    for _ in 0..599 {
        ended.push(house.sessions.create("acme", asking_for("a")).await.unwrap().0);
    }
    for session in &ended {
        house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    }
    let seconds = booked_seconds(&house, &billed).await;
    assert!(seconds > 0);
    house.pass(40).await;
    house.clock.advance(Duration::from_secs(7000));
    house.sessions.sweep().await;
    let known = async |id: &str| house.sessions.get("acme", id).await.map(|view| view.state);
    assert_eq!(known(&billed.id).await, Ok(ViewState::Ended), "two hours are not over");
    house.clock.advance(Duration::from_secs(3601));
    house.sessions.sweep().await;
    let mut left = 0;
    for session in &ended {
        left += usize::from(known(&session.id).await.is_ok());
    }
    assert_eq!(left, 100, "500 at once");
    house.pass(1).await;
    for session in &ended {
        assert_eq!(known(&session.id).await, Err(SessionError::SessionUnknown));
    }
    assert_eq!(booked_seconds(&house, &billed).await, seconds, "what was billed is billed");
}
