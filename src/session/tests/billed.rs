//! What is seen and what is billed: for clients that ask as seldom as they can.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{NOW, booked_seconds, token, video};
use crate::session::testing::{House, SEGMENT, asking_for};
use crate::session::{EndedBy, SessionView};
use crate::timeline::SegmentNumber;

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
        assert!(seen > 80 && seen <= billed + window_s + SEGMENT_S, "each {gap_s} s: {billed} s of {seen} s");
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

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, ..ProptestConfig::default() })]

    /// Whatever the pattern, and whether the session was ended on the way.
    #[test]
    fn nobody_sees_more_than_a_window_and_a_target_duration_beyond_what_is_billed(
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
            let most = billed_s + window_s(&house) + SEGMENT_S;
            prop_assert!(seen_s <= most, "{} s seen, {} s billed", seen_s, billed_s);
            let passed_s: u64 = gaps.iter().sum();
            prop_assert!(billed_s <= passed_s + SEGMENT_S, "{} s billed of {} s", billed_s, passed_s);
            Ok(())
        })?;
    }
}
