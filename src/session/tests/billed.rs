//! What is seen and what is billed: for clients that ask as seldom as they can.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{NOW, booked_seconds, play, token, video};
use crate::session::testing::{House, SEGMENT, asking_for, grid};
use crate::session::{ChangeSession, EndedBy, Reload, SessionView};
use crate::timeline::{Clock, SegmentNumber};

/// Length of a segment, and the target duration.
const SEGMENT_S: u64 = 2;

/// The segments that a playlist has addresses of.
fn listed(playlist: &str) -> BTreeSet<SegmentNumber> {
    let names = playlist.lines().filter_map(|line| line.strip_suffix(".m4s")?.rsplit('/').next());
    names.filter_map(|name| name.parse().ok()).collect()
}

async fn billed(house: &House, session: &SessionView) -> u64 {
    house.sessions.get("acme", &session.id).await.unwrap().billable_seconds
}

/// Asks after each of `gaps_s`, as long as there is an answer; the segments that it had addresses of.
async fn seen(house: &House, session: &SessionView, gaps_s: &[u64]) -> BTreeSet<SegmentNumber> {
    let mut seen = BTreeSet::new();
    for gap_s in gaps_s {
        house.pass(*gap_s).await;
        if let Ok(playlist) = house.sessions.video_playlist(token(session), "1080p", NOW).await {
            seen.extend(listed(&playlist));
        }
    }
    seen
}

/// What nobody is billed of a session: the segments that a player begins with, and a pause that is none yet.
const BEYOND_S: u64 = 3 * SEGMENT_S + 2 * SEGMENT_S;

fn window_s(house: &House) -> u64 {
    house.sessions.settings.window_segments as u64 * SEGMENT_S
}

#[tokio::test]
async fn who_asks_once_a_window_is_billed_for_what_was_listed() {
    let house = House::new().await;
    let window_s = window_s(&house);
    for gap_s in [5, window_s - 3, window_s - 1, window_s] {
        let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
        house.pass(8).await;
        video(&house, &session).await;
        let gaps = vec![gap_s; usize::try_from(120 / gap_s).unwrap()];
        let seen = seen(&house, &session, &gaps).await.len() as u64 * SEGMENT_S;
        let billed = billed(&house, &session).await;
        assert!(seen > 80 && seen <= billed + BEYOND_S, "each {gap_s} s: {billed} s of {seen} s");
        house.pass(5).await;
        assert_eq!(booked_seconds(&house, &session).await, billed + SEGMENT_S, "each {gap_s} s");
    }
}

#[tokio::test]
async fn who_comes_back_to_a_session_that_went_idle_is_told_what_it_was_billed_for() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    house.pass(10).await;
    let before = listed(&video(&house, &session).await);
    house.pass(34).await;
    assert_eq!(house.sessions.get("acme", &session.id).await.unwrap().end_reason.as_deref(), Some("idle"));
    let after = video(&house, &session).await;
    assert!(after.contains("#EXT-X-ENDLIST"), "{after}");
    let beyond = listed(&after).difference(&before).count() as u64 * SEGMENT_S;
    assert!(beyond <= billed(&house, &session).await, "{after}");
}

#[tokio::test]
async fn who_counts_on_from_a_segment_s_number_learns_no_address() {
    let house = House::new().await;
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    house.pass(8).await;
    let playlist = video(&house, &session).await;
    let newest = playlist.lines().rfind(|line| line.ends_with(".m4s")).unwrap();
    let [mosaic, element, file] =
        *newest.rsplitn(4, '/').take(3).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>()
    else {
        panic!("{newest}")
    };
    let number: SegmentNumber = file.strip_suffix(".m4s").unwrap().parse().unwrap();
    assert!(number > SEGMENT);
    let opens = |n| house.sessions.rendition_of(mosaic, element, Some(n), None).is_some();
    assert!(opens(number));
    house.pass(20).await;
    assert!((number - 9..number + 9).filter(|n| *n != number).all(|n| !opens(n)));
}

/// A session of `house`, polled after each of `gaps_s`, then perhaps ended and asked once more: what it had addresses of, and what it was billed.
async fn visit(house: &House, gaps_s: &[u64], ends: bool) -> (BTreeSet<SegmentNumber>, u64) {
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    let mut all = seen(house, &session, gaps_s).await;
    if ends {
        house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
        all.extend(seen(house, &session, &[0]).await);
    }
    (all, billed(house, &session).await)
}

#[tokio::test]
async fn who_makes_one_session_after_the_other_sees_what_a_player_begins_with_and_is_billed_for_each() {
    let house = House::new().await;
    house.sessions.create("acme", asking_for("a")).await.unwrap();
    house.pass(60).await;
    for _ in 0..4 {
        let running = grid().segment_at(house.clock.now());
        let (had, billed) = visit(&house, &[0], true).await;
        assert_eq!(had, (running - 3..running).collect(), "no fresh window");
        assert_eq!(billed, SEGMENT_S, "a target duration");
        house.pass(28).await;
    }
    // Nor is it one for who waits before the first playlist.
    for (waits_s, segments) in [(4, 5), (5, 3), (28, 3)] {
        let (had, billed) = visit(&house, &[waits_s], true).await;
        assert_eq!((had.len(), billed), (segments, SEGMENT_S), "after {waits_s} s");
    }
    // Who asks for nothing before the end is told nothing after it.
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    house.pass(28).await;
    house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
    let after = video(&house, &session).await;
    assert!(listed(&after).is_empty() && after.ends_with("#EXT-X-ENDLIST\n"), "{after}");
}

#[tokio::test]
async fn a_session_grows_to_the_whole_window_whatever_it_changes_to() {
    let house = House::new().await;
    for games in ["a", "b"] {
        house.sessions.create("acme", asking_for(games)).await.unwrap();
    }
    house.pass(60).await;
    let made_in = grid().segment_at(house.clock.now());
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    let to_b = ChangeSession { games: Some(vec!["b".into()]), ..ChangeSession::default() };
    // Before the first playlist, too.
    house.sessions.change("acme", &session.id, to_b).await.unwrap();
    assert_eq!(listed(&video(&house, &session).await), (made_in - 3..made_in).collect());
    play(&house, &session, 8).await;
    let to_a = ChangeSession { games: Some(vec!["a".into()]), ..ChangeSession::default() };
    house.sessions.change("acme", &session.id, to_a).await.unwrap();
    assert_eq!(listed(&video(&house, &session).await), (made_in - 3..made_in + 4).collect());
    play(&house, &session, 40).await;
    let all = listed(&video(&house, &session).await);
    assert_eq!(all, (made_in + 24 - 15..made_in + 24).collect());
}

/// A warm mosaic of game `a`, and a session of it that was made `ago_s` before.
async fn made(house: &House, ago_s: u64) -> SessionView {
    house.sessions.create("acme", asking_for("a")).await.unwrap();
    house.pass(60).await;
    let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
    house.pass(ago_s).await;
    session
}

#[tokio::test]
async fn a_first_playlist_that_is_waited_for_begins_when_it_comes() {
    let house = House::new().await;
    let session = made(&house, 3).await;
    let running = grid().segment_at(house.clock.now());
    let ahead = Reload { msn: Some(running), ..NOW };
    let asked = house.sessions.video_playlist(token(&session), "1080p", ahead);
    let (playlist, ()) = tokio::join!(asked, house.pass(4));
    assert_eq!(listed(&playlist.unwrap()).len(), 3);
}

#[tokio::test]
async fn who_changes_to_what_is_not_there_and_back_before_the_first_playlist_begins_then() {
    let house = House::new().await;
    let session = made(&house, 20).await;
    let change = async |games: &str| {
        let games = Some(asking_for(games).games);
        house.sessions.change("acme", &session.id, ChangeSession { games, ..Default::default() }).await.unwrap();
    };
    change("c").await;
    let far = Reload { msn: Some(1 << 40), ..NOW };
    house.sessions.video_playlist(token(&session), "1080p", far).await.unwrap_err();
    house.pass(3).await;
    change("a").await;
    assert_eq!(listed(&video(&house, &session).await).len(), 3);
}

#[tokio::test]
async fn a_pause_is_billed_by_what_any_track_lists_then() {
    let house = House::new().await;
    let session = made(&house, 0).await;
    let mut all = seen(&house, &session, &[0, 2]).await;
    house.pass(28).await;
    let lately = grid().segment_at(house.clock.now()) - 2;
    house.newer_sound.lock().insert("a".into(), lately);
    let sound = house.sessions.audio_playlist(token(&session), "a", NOW).await.unwrap();
    assert_eq!(listed(&sound).len(), 2);
    all.extend(seen(&house, &session, &[0]).await);
    let (seen_s, billed_s) = (all.len() as u64 * SEGMENT_S, billed(&house, &session).await);
    assert!(seen_s > 30 && seen_s <= billed_s + BEYOND_S, "{billed_s} s of {seen_s} s");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    /// Whatever the pattern, and whether the session was ended on the way.
    #[test]
    fn nobody_sees_more_than_a_player_begins_with_and_two_target_durations_beyond_what_is_billed(
        gaps in prop::collection::vec(prop_oneof![4 => 0u64..6, 2 => 6u64..34, 1 => 34u64..60], 1..12),
        ends_after in 0usize..20,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::new().await;
            let (session, _) = house.sessions.create("acme", asking_for("a")).await.unwrap();
            let (before, after) = gaps.split_at(ends_after.min(gaps.len()));
            let mut all = seen(&house, &session, before).await;
            if !after.is_empty() {
                house.sessions.end("acme", &session.id, EndedBy::Device).await.unwrap();
            }
            all.extend(seen(&house, &session, after).await);
            house.pass(10).await;
            let (seen_s, billed_s) = (all.len() as u64 * SEGMENT_S, billed(&house, &session).await);
            prop_assert!(seen_s <= billed_s + BEYOND_S, "{} s seen, {} s billed", seen_s, billed_s);
            let passed_s: u64 = gaps.iter().sum();
            prop_assert!(billed_s <= passed_s + SEGMENT_S, "{} s billed of {} s", billed_s, passed_s);
            Ok(())
        })?;
    }

    /// One viewer, however many sessions it makes, one after the other.
    #[test]
    fn nobody_sees_more_than_that_with_each_of_many_short_sessions(
        visits in prop::collection::vec((
            prop::collection::vec(prop_oneof![4 => 0u64..6, 1 => 6u64..34], 0..4),
            any::<bool>(),
            prop_oneof![2 => Just(0u64), 2 => 1u64..40],
        ), 1..12),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::new().await;
            let (mut all, mut billed_s) = (BTreeSet::new(), 0);
            for (gaps_s, ends, away_s) in &visits {
                let (seen, billed) = visit(&house, gaps_s, *ends).await;
                all.extend(seen);
                billed_s += billed;
                house.pass(*away_s).await;
            }
            let (seen_s, most) = (all.len() as u64 * SEGMENT_S, billed_s + visits.len() as u64 * BEYOND_S);
            prop_assert!(seen_s <= most, "{} s seen, {} s billed, {} sessions", seen_s, billed_s, visits.len());
            Ok(())
        })?;
    }
}
