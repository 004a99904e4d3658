use std::time::Duration;

use proptest::prelude::*;

use super::super::follower::Era;
use super::super::stretches::{Stamped, Stretches, Track, WRAP_NANOS};

const SECOND: i64 = 1_000_000_000;

fn stamped(discontinuity: u64, first: i64) -> Stamped {
    Stamped {
        era: Era::default(),
        discontinuity,
        first: Some(first),
        wraps: true,
        measured: None,
        duration: Duration::from_secs(2),
        hole: Duration::ZERO,
        takes_over: false,
    }
}

#[test]
fn segments_of_one_clock_lie_where_their_timestamps_say() {
    let mut stretches = Stretches::default();
    let mut place = |first| stretches.place(Track::Picture, &stamped(0, first)).unwrap();
    let begun = place(900 * SECOND);
    assert_eq!((begun.at, begun.fresh), (0, true));
    let next = place(902 * SECOND + 40_000_000);
    assert_eq!((next.at, next.fresh), (2 * SECOND + 40_000_000, false));
}

#[test]
fn timestamps_and_holes_beyond_all_measure_are_none() {
    let mut stretches = Stretches::default();
    for (n, first) in [0, i64::MAX, i64::MIN, i64::MIN + 1, i64::MAX - 1, 7 * SECOND].into_iter().enumerate() {
        for (discontinuity, hole) in [(n as u64, Duration::ZERO), (n as u64 + 1, Duration::MAX)] {
            let segment = Stamped { wraps: false, hole, ..stamped(discontinuity, first) };
            let place = stretches.place(Track::Picture, &segment).unwrap();
            assert!(place.at >= 0 && place.at < i64::MAX / 2, "{place:?}");
        }
    }
}

#[test]
fn an_advertisement_begins_where_the_game_stopped_and_the_game_where_it_ends() {
    let mut stretches = Stretches::default();
    let mut place = |discontinuity, first| stretches.place(Track::Picture, &stamped(discontinuity, first)).unwrap();
    place(0, 900 * SECOND);
    let advertisement = place(1, 10 * SECOND);
    assert_eq!((advertisement.at, advertisement.fresh), (2 * SECOND, true));
    assert_eq!(place(1, 12 * SECOND).at, 4 * SECOND);
    // The game's clock ran on meanwhile.
    let game = place(2, 906 * SECOND);
    assert_eq!((game.at, game.fresh), (6 * SECOND, true));
}

#[test]
fn sound_of_its_own_jumps_with_the_picture() {
    let mut stretches = Stretches::default();
    stretches.place(Track::Picture, &stamped(0, 900 * SECOND));
    let sound = stretches.place(Track::Sound, &stamped(0, 900 * SECOND - 20_000_000)).unwrap();
    assert_eq!(sound.at, -20_000_000);
    stretches.place(Track::Picture, &stamped(1, 10 * SECOND));
    assert!(stretches.knows(Era::default(), 1) && !stretches.knows(Era::default(), 2));
    let sound = stretches.place(Track::Sound, &stamped(1, 10 * SECOND + 7_000_000)).unwrap();
    assert_eq!((sound.at, sound.fresh), (2 * SECOND + 7_000_000, true));
}

#[test]
fn a_clock_that_jumps_without_a_word_is_joined_and_the_other_track_follows() {
    let mut stretches = Stretches::default();
    stretches.place(Track::Picture, &stamped(0, 900 * SECOND));
    stretches.place(Track::Sound, &stamped(0, 900 * SECOND));
    let picture = stretches.place(Track::Picture, &stamped(0, 5 * SECOND)).unwrap();
    assert_eq!((picture.at, picture.fresh), (2 * SECOND, true));
    let sound = stretches.place(Track::Sound, &stamped(0, 5 * SECOND + 30_000_000)).unwrap();
    assert_eq!((sound.at, sound.fresh), (2 * SECOND + 30_000_000, true));
    let next = stretches.place(Track::Picture, &stamped(0, 7 * SECOND)).unwrap();
    assert_eq!((next.at, next.fresh), (4 * SECOND, false));
}

#[test]
fn a_hole_keeps_its_length_and_a_wrap_is_no_jump() {
    let mut stretches = Stretches::default();
    let last = WRAP_NANOS - SECOND;
    stretches.place(Track::Picture, &stamped(0, last));
    let wrapped = stretches.place(Track::Picture, &stamped(0, SECOND)).unwrap();
    assert_eq!((wrapped.at, wrapped.fresh), (2 * SECOND, false));
    let behind = Stamped { hole: Duration::from_secs(4), ..stamped(0, 7 * SECOND) };
    let behind = stretches.place(Track::Picture, &behind).unwrap();
    assert_eq!((behind.at, behind.fresh), (8 * SECOND, true));
}

#[test]
fn what_was_measured_rules_over_a_rounded_duration() {
    let mut stretches = Stretches::default();
    stretches.place(Track::Picture, &Stamped { measured: Some(1_960_000_000), ..stamped(0, 0) });
    assert_eq!(stretches.place(Track::Picture, &stamped(1, 50 * SECOND)).unwrap().at, 1_960_000_000);
    // Timestamps that jump within a segment measure nothing.
    stretches.place(Track::Picture, &Stamped { measured: Some(900 * SECOND), ..stamped(1, 52 * SECOND) });
    assert_eq!(stretches.place(Track::Picture, &stamped(2, 0)).unwrap().at, 5_960_000_000);
}

#[test]
fn a_variant_that_takes_over_does_not_show_anything_twice() {
    let mut stretches = Stretches::default();
    stretches.place(Track::Picture, &stamped(0, 900 * SECOND));
    stretches.place(Track::Picture, &stamped(0, 902 * SECOND));
    let other = |first| Stamped { takes_over: true, ..stamped(0, first) };
    assert_eq!(stretches.place(Track::Picture, &other(902 * SECOND)), None);
    let half = stretches.place(Track::Picture, &other(903 * SECOND + SECOND / 2)).unwrap();
    assert_eq!((half.at, half.from), (3 * SECOND + SECOND / 2, 4 * SECOND));
}

#[test]
fn laps_and_leaps_are_joined_without_a_hole() {
    let mut stretches = Stretches::default();
    stretches.place(Track::Picture, &stamped(0, 0));
    let lap = Stamped { era: Era { laps: 1, ..Era::default() }, ..stamped(0, 0) };
    assert_eq!(stretches.place(Track::Picture, &lap).unwrap().at, 2 * SECOND);
    let leap = Stamped { era: Era { laps: 1, leaps: 1, restarts: 0 }, ..stamped(0, 600 * SECOND) };
    assert_eq!(stretches.place(Track::Picture, &leap).unwrap().at, 4 * SECOND);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the timestamps do: no segment begins before the one before it ended, and none leaves a hole but the told ones.
    #[test]
    fn time_goes_on(
        steps in prop::collection::vec((0i64..WRAP_NANOS, 0u8..4, 0u64..3), 1..60),
    ) {
        let mut stretches = Stretches::default();
        let (mut clock, mut discontinuity, mut end) = (0i64, 0, None::<i64>);
        for (jump, what, hole) in steps {
            match what {
                0 => {
                    clock = jump;
                    discontinuity += 1;
                }
                1 => clock = jump,
                _ => clock = (clock + 2 * SECOND + hole as i64 * 2 * SECOND).rem_euclid(WRAP_NANOS),
            }
            let hole = if what > 1 { Duration::from_secs(2 * hole) } else { Duration::ZERO };
            let segment = Stamped { hole, ..stamped(discontinuity, clock) };
            if let Some(place) = stretches.place(Track::Picture, &segment) {
                if let Some(end) = end {
                    let gap = place.at - end - hole.as_nanos() as i64;
                    prop_assert!(gap.abs() <= SECOND, "{gap}");
                }
                end = Some(place.at + 2 * SECOND);
            }
        }
    }
}
