//! A session whose rows the store refuses, among others; and ended ones, which are forgotten at last.

use std::time::Duration;

use super::{NOW, booked_seconds, play, token};
use crate::session::testing::{House, asking_for};
use crate::session::{EndedBy, SessionError, SessionView, ViewState};
use crate::store::{Store, testing};
use crate::timeline::Clock;

/// Two seconds of thirty sessions, each of which plays.
async fn two_seconds(house: &House, sessions: &[SessionView]) {
    for session in sessions {
        let _ = house.sessions.video_playlist(token(session), "1080p", NOW).await;
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
    let bad = &sessions[17];
    let refuse = format!(
        "CREATE TRIGGER bad BEFORE UPDATE ON meter_lines WHEN NEW.session_id = '{}' BEGIN SELECT RAISE(ABORT, 'bad'); END",
        bad.id
    );
    testing::tamper(house.dir.path(), &refuse).await;
    let before = booked_seconds(&house, bad).await;
    for _ in 0..20 {
        two_seconds(&house, &sessions).await;
    }
    for session in &sessions {
        let billed = house.sessions.get("acme", &session.id).await.unwrap().billable_seconds;
        let booked = booked_seconds(&house, session).await;
        if session.id == bad.id {
            assert_eq!(booked, before, "it alone stays behind");
        } else {
            assert!(billed - booked <= 5, "{booked} of {billed} s");
        }
    }
    assert!((1..=3).contains(&house.metrics.booking_failures.get()), "it alone is counted, and not every second");
    assert!(house.sessions.get("acme", &bad.id).await.unwrap().billable_seconds > before + 30, "its meter runs");

    // Whatever was wrong is put right: what waited is booked.
    testing::tamper(house.dir.path(), "SELECT 1").await;
    for _ in 0..40 {
        two_seconds(&house, &sessions).await;
    }
    let billed = house.sessions.get("acme", &bad.id).await.unwrap().billable_seconds;
    assert!(billed - booked_seconds(&house, bad).await <= 5);
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
    assert_eq!(known(&billed.id).await, Ok(ViewState::Ended), "its hour is open");
    house.disk.close_hours(house.clock.now().unix_millis() / 3_600_000 * 3_600_000).await.unwrap();
    house.clock.advance(Duration::from_secs(3600));
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
