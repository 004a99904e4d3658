//! Time in which nobody could ask, because the service stood still.

use std::time::Duration;

use super::{booked_seconds, play, video};
use crate::session::testing::{House, asking_for};
use crate::session::{SessionView, ViewState};

async fn twenty(house: &House) -> Vec<SessionView> {
    let mut sessions = Vec::new();
    for _ in 0..20 {
        sessions.push(house.sessions.create("acme", asking_for("a")).await.unwrap().0);
    }
    house.pass(8).await;
    for session in &sessions {
        video(house, session).await;
    }
    sessions
}

async fn active(house: &House, sessions: &[SessionView]) -> usize {
    let mut active = 0;
    for session in sessions {
        active += usize::from(house.sessions.get("acme", &session.id).await.unwrap().state == ViewState::Active);
    }
    active
}

#[tokio::test]
async fn a_service_that_stood_still_ends_nobody_and_bills_what_was_fetched() {
    let house = House::new().await;
    let sessions = twenty(&house).await;
    // Stopped for an hour. The sweep runs before any of the polls that waited.
    house.clock.advance(Duration::from_secs(3600));
    house.sessions.sweep().await;
    assert_eq!(active(&house, &sessions).await, 20);
    for session in &sessions {
        video(&house, session).await;
    }
    house.pass(2).await;
    for session in &sessions {
        let view = house.sessions.get("acme", &session.id).await.unwrap();
        // A target duration after the last poll before, and two seconds since the first one after.
        assert_eq!((view.state, view.billable_seconds), (ViewState::Active, 4));
    }
    house.pass(5).await;
    assert_eq!(booked_seconds(&house, &sessions[0]).await, 4);
    // Who asks no more ends like anybody.
    house.pass(23).await;
    assert_eq!(active(&house, &sessions).await, 20);
    house.pass(1).await;
    assert_eq!(active(&house, &sessions).await, 0);
}

#[tokio::test]
async fn what_was_idle_before_a_standstill_counts_after_it() {
    let house = House::new().await;
    let sessions = twenty(&house).await;
    house.pass(20).await;
    for _ in 0..3 {
        house.clock.advance(Duration::from_secs(100));
        house.sessions.sweep().await;
    }
    // Twenty seconds, and two for each of the three sweeps that came late.
    assert_eq!(active(&house, &sessions).await, 20);
    house.pass(4).await;
    assert_eq!(active(&house, &sessions).await, 20);
    house.pass(1).await;
    assert_eq!(active(&house, &sessions).await, 0);
}

#[tokio::test]
async fn one_who_asks_through_standstills_plays_on() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    play(&house, &session, 10).await;
    for _ in 0..10 {
        house.clock.advance(Duration::from_secs(120));
        house.sessions.sweep().await;
        play(&house, &session, 10).await;
    }
    let view = house.sessions.get("acme", &session.id).await.unwrap();
    assert_eq!(view.state, ViewState::Active);
    // Four of the first ten, ten of each later stretch; of each standstill a target duration at most.
    assert!((104..=124).contains(&view.billable_seconds), "{view:?}");
}
