use std::collections::HashMap;
use std::ops::RangeInclusive;

use super::*;
use crate::track::{Position, Runs};
use proptest::prelude::*;

type Finished = HashMap<&'static str, RangeInclusive<u64>>;

/// Parts of a segment.
const PARTS: u32 = 3;

fn whole(whole: Runs) -> Held {
    let come_to = whole.newest().map(|newest| Position::new(newest, PARTS - 1));
    Held { whole, come_to }
}

/// What is listed; `!` marks gaps.
fn listed(splices: &Splices, window: usize, finished: &Finished) -> Vec<(u64, String)> {
    let held = |m: &str| whole(finished.get(m).cloned().map(Runs::from).unwrap_or_default());
    named(&splices.listing(Window::Newest(window), held).segments)
}

fn named(listing: &[Listed]) -> Vec<(u64, String)> {
    listing.iter().map(|l| (l.number, format!("{}{}", l.mosaic, if l.gap { "!" } else { "" }))).collect()
}

fn entries(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|(n, m)| (*n, (*m).to_owned())).collect()
}

fn runs(numbers: &[u64]) -> Runs {
    numbers.iter().copied().collect()
}

fn swapped(first: u64, swaps: &[(u64, &str)]) -> Splices {
    let mut splices = Splices::new(first, "a".into());
    for (from, mosaic) in swaps {
        splices.push(*from, (*mosaic).into());
    }
    splices
}

#[test]
fn a_swap_shows_from_its_segment_on() {
    let splices = swapped(100, &[(103, "b")]);
    let finished = Finished::from([("a", 98..=104), ("b", 103..=104)]);
    assert_eq!(listed(&splices, 15, &finished), entries(&[(100, "a"), (101, "a"), (102, "a"), (103, "b"), (104, "b")]));
    assert_eq!(listed(&splices, 3, &finished), entries(&[(102, "a"), (103, "b"), (104, "b")]));
    assert_eq!(splices.mosaic_at(99), None);
    assert_eq!(splices.mosaic_at(102).map(AsRef::as_ref), Some("a"));
    assert_eq!(splices.mosaic_at(103).map(AsRef::as_ref), Some("b"));
}

#[test]
fn a_later_change_of_mind_wins() {
    let mut splices = swapped(100, &[(105, "b"), (105, "c")]);
    assert_eq!(splices.mosaic_at(105).map(AsRef::as_ref), Some("c"));
    // Back to what runs, before the other ever showed: the planned splice is forgotten.
    splices.push(104, "a".into());
    assert_eq!(splices.entries(), Splices::new(100, "a".into()).entries());
    // Before the session's first segment was listed, all of it may be replaced.
    splices.push(90, "d".into());
    assert_eq!((splices.entries().len(), splices.newest().as_ref()), (1, "d"));
}

#[test]
fn the_end_waits_for_a_late_segment_but_not_for_ever() {
    let splices = swapped(100, &[(103, "b")]);
    // b has 103 before a has its 102.
    let late = Finished::from([("a", 98..=101), ("b", 103..=103)]);
    assert_eq!(listed(&splices, 15, &late), entries(&[(100, "a"), (101, "a")]));
    // a died: once b has 104, nobody waits for 102 any more, and what was listed before the hole stays.
    let dead = Finished::from([("a", 98..=101), ("b", 103..=104)]);
    let with_gap = [(100, "a"), (101, "a"), (102, "a!"), (103, "b"), (104, "b")];
    assert_eq!(listed(&splices, 15, &dead), entries(&with_gap));
    // a was let go altogether.
    let gone = Finished::from([("b", 103..=104)]);
    assert_eq!(listed(&splices, 15, &gone), entries(&[(103, "b"), (104, "b")]));
}

#[test]
fn a_hole_is_listed_as_a_gap_until_it_leaves_at_the_front() {
    let splices = swapped(100, &[]);
    let playlist = |finished: &Runs| named(&splices.listing(Window::Newest(4), |_| whole(finished.clone())).segments);
    assert_eq!(playlist(&runs(&[100, 101])), entries(&[(100, "a"), (101, "a")]));
    // 102 never came.
    assert_eq!(playlist(&runs(&[100, 101, 103])), entries(&[(100, "a"), (101, "a"), (102, "a!"), (103, "a")]));
    let later = playlist(&runs(&[100, 101, 103, 104, 105]));
    assert_eq!(later, entries(&[(103, "a"), (104, "a"), (105, "a")]), "no playlist begins with a gap");
    // Longer than any playlist: it goes on after the hole, under the grid's numbers.
    assert_eq!(playlist(&runs(&[103, 104, 105, 200])), entries(&[(200, "a")]));
}

#[test]
fn the_running_segment_is_that_of_the_mosaic_that_shows_in_it() {
    let splices = swapped(100, &[(103, "b")]);
    let held = |a: (u64, u32), b: (u64, u32)| {
        move |m: &str| {
            let (segment, part) = if m == "a" { a } else { b };
            let end = if part == PARTS - 1 { segment } else { segment - 1 };
            Held { whole: Runs::from(98..=end), come_to: Some(Position { segment, part }) }
        }
    };
    let running = |a, b| {
        splices.listing(Window::Newest(15), held(a, b)).running.map(|r| (r.number, r.mosaic.to_string(), r.parts))
    };
    assert_eq!(running((102, 0), (102, 1)), Some((102, "a".into(), 1)));
    assert_eq!(running((102, 2), (102, 2)), None, "nothing of 103 is there");
    assert_eq!(running((102, 2), (103, 1)), Some((103, "b".into(), 2)));
    assert_eq!(running((102, 1), (103, 1)), Some((102, "a".into(), 2)), "103 comes after it");
}

#[test]
fn the_sound_beside_a_picture_has_gaps_of_its_own_and_waits_for_what_may_come() {
    let splices = swapped(100, &[]);
    let picture = || splices.listing(Window::Newest(15), |_| whole(runs(&[100, 101, 103, 104])));
    assert_eq!(named(&picture().segments)[2], (102, "a!".to_owned()));
    let sound = picture().beside(|_| whole(runs(&[95, 101, 102, 104])));
    assert_eq!(named(&sound.segments), entries(&[(101, "a"), (102, "a"), (103, "a!"), (104, "a")]));
    let behind = picture().beside(|_| whole(runs(&[100, 101])));
    assert_eq!(named(&behind.segments), entries(&[(100, "a"), (101, "a")]));
    assert_eq!(picture().beside(|_| Held::default()), Listing::default());
    // Of a segment that runs, as much as both have of it.
    let come_to = |part| Held { whole: Runs::from(100..=104), come_to: Some(Position::new(105, part)) };
    let parts = |picture, sound| {
        splices.listing(Window::Newest(15), |_| come_to(picture)).beside(|_| come_to(sound)).running.map(|r| r.parts)
    };
    assert_eq!([parts(1, 0), parts(0, 1)], [Some(1), Some(1)]);
    assert_eq!(
        splices.listing(Window::Newest(15), |_| come_to(1)).beside(|_| whole(Runs::from(100..=104))).running,
        None
    );
}

#[test]
fn a_sound_that_changes_lists_of_each_what_is_there_of_it() {
    let picture = swapped(100, &[]).listing(Window::Newest(15), |_| whole(Runs::from(100..=105)));
    // From 103 on it is another game's, which came later than the first and is behind.
    let there = |n: u64| whole(if n < 103 { Runs::from(90..=200) } else { Runs::from(102..=104) });
    let sound = picture.beside(there);
    assert_eq!(
        sound.segments.iter().map(|l| (l.number, l.gap)).collect::<Vec<_>>(),
        (100..=104).map(|n| (n, false)).collect::<Vec<_>>()
    );
}

#[test]
fn an_ended_session_lists_what_was_whole_when_it_ended() {
    let splices = swapped(100, &[]);
    let until = |newest, last| splices.listing(Window::Newest(15), |_| whole(Runs::from(98..=newest))).until(last);
    let (listing, ended) = until(103, 102);
    assert_eq!((listing.segments.last().map(|last| last.number), ended), (Some(102), true));
    let (listing, ended) = until(101, 102);
    assert_eq!(
        (listing.segments.last().map(|last| last.number), ended),
        (Some(101), false),
        "the last one is on its way"
    );
    assert_eq!(splices.listing(Window::Newest(15), |_| Held::default()).until(102), (Listing::default(), true));
}

#[test]
fn a_restart_goes_on_after_the_hole_under_the_same_numbers() {
    let splices = swapped(100, &[]);
    assert_eq!(listed(&splices, 15, &Finished::new()), entries(&[]));
    let finished = Finished::from([("a", 125..=125)]);
    assert_eq!(listed(&splices, 15, &finished), entries(&[(125, "a")]));
    assert_eq!(splices.first_from(110, |_| whole(Runs::from(125..=130))), Some(125));
    assert_eq!(splices.first_from(127, |_| whole(Runs::from(125..=130))), Some(127));
    assert_eq!(splices.first_from(131, |_| whole(Runs::from(125..=130))), None);
}

#[test]
fn nothing_of_a_mosaic_shows_before_its_time() {
    let splices = swapped(100, &[(110, "b")]);
    let finished = Finished::from([("a", 98..=104), ("b", 104..=107)]);
    assert_eq!(listed(&splices, 3, &finished).last(), Some(&(104, "a".to_owned())));
}

#[test]
fn pruning_keeps_what_may_still_be_listed() {
    let mut splices = swapped(100, &[(103, "b"), (106, "a"), (109, "c")]);
    assert_eq!(splices.mosaics_since(104).iter().map(AsRef::as_ref).collect::<Vec<_>>(), ["b", "a", "c"]);
    splices.prune(106);
    assert_eq!(splices.entries().iter().map(|s| s.from).collect::<Vec<_>>(), [106, 109]);
    splices.prune(500);
    assert_eq!(splices.newest().as_ref(), "c");
    assert_eq!(splices.entries().len(), 1);
}

#[test]
fn splices_survive_a_store_and_nonsense_is_refused() {
    let splices = swapped(100, &[(103, "b")]);
    let json = serde_json::to_string(&splices).unwrap();
    assert_eq!(json, r#"[{"from":100,"mosaic":"a"},{"from":103,"mosaic":"b"}]"#);
    assert_eq!(serde_json::from_str::<Splices>(&json).unwrap(), splices);
    assert!(serde_json::from_str::<Splices>("[]").is_err());
    let backwards = r#"[{"from":103,"mosaic":"a"},{"from":100,"mosaic":"b"}]"#;
    assert!(serde_json::from_str::<Splices>(backwards).unwrap_err().to_string().contains("100"));
}

const NAMES: [&str; 3] = ["a", "b", "c"];

proptest! {
    /// A service is played out: mosaics finish segments (sometimes late, sometimes not at all), the viewer swaps at random, and every
    /// playlist a player could have seen is checked against the one before.
    #[test]
    fn whatever_happens_playlists_only_go_forward(
        steps in prop::collection::vec((0u8..6, 0usize..3, 0u64..3, 0u32..PARTS), 1..200),
        window in 1usize..8,
    ) {
        let mut splices = Splices::new(100, "a".into());
        // What runs now is `now`; all before is finished, or late.
        let mut finished: HashMap<&str, Vec<u64>> = HashMap::new();
        let mut seen: HashMap<u64, Listed> = HashMap::new();
        let mut before: Option<(u64, u64)> = None;
        let mut now = 100;
        for (step, which, late, part) in steps {
            let name = NAMES[which];
            match step {
                // Time goes on: every mosaic but one finishes, that one is `late` behind or (3) makes nothing.
                0..=3 => {
                    for mosaic in NAMES {
                        let newest = if mosaic == name { now - late } else { now };
                        let held = finished.entry(mosaic).or_default();
                        if (mosaic != name || step != 3) && held.last().is_none_or(|last| *last < newest) {
                            held.push(newest);
                        }
                        held.retain(|n| n + 17 >= newest);
                    }
                    now += 1;
                }
                // It can show from the next segment on, which nobody can have seen anything of.
                _ => splices.push(now + 1 + late, name.into()),
            }
            let held = |m: &str| {
                let whole = runs(finished.get(m).map_or(&[], Vec::as_slice));
                let runs_now = whole.newest() == Some(now - 1) && part > 0;
                let come_to = if runs_now { Some(Position::new(now, part - 1)) } else { self::whole(whole.clone()).come_to };
                Held { whole, come_to }
            };
            let Listing { segments: list, running } = splices.listing(Window::Newest(window), held);
            prop_assert!(list.len() <= window);
            prop_assert!(list.windows(2).all(|p| p[0].number + 1 == p[1].number), "hole in {:?}", list);
            prop_assert!(!list.first().is_some_and(|l| l.gap), "begins with a gap: {:?}", list);
            // Here it may break off, which is no matter of playlists.
            let running = running.map(|r| Listed { number: r.number, mosaic: r.mosaic, bridge: r.bridge, gap: true });
            prop_assert!(running.iter().all(|r| r.number == now && list.last().is_none_or(|l| l.number + 1 == now)));
            for entry in list.iter().chain(&running) {
                let there = finished.get(&*entry.mosaic).is_some_and(|held| held.contains(&entry.number));
                prop_assert!(entry.gap || there || entry.number == now, "{:?} is not finished", entry);
                // What a number stood for once, it stands for always.
                let first_said = seen.entry(entry.number).or_insert_with(|| entry.clone());
                prop_assert_eq!(&first_said.mosaic, &entry.mosaic);
                prop_assert!(first_said.gap || !entry.gap, "{:?} was there", entry);
            }
            if let (Some(first), Some(last)) = (list.first(), list.last()) {
                prop_assert!(before.is_none_or(|(first_before, last_before)| {
                    first.number >= first_before && last.number >= last_before
                }), "{:?} after {:?}", list, before);
                before = Some((first.number, last.number));
                splices.prune(now.saturating_sub(2 * window as u64));
            }
        }
    }

    #[test]
    fn entries_stay_ordered_and_without_repetition(pushes in prop::collection::vec((90u64..120, 0usize..3), 0..30)) {
        let mut splices = Splices::new(100, "a".into());
        for (from, which) in pushes {
            splices.push(from, NAMES[which].into());
            prop_assert_eq!(splices.mosaic_at(from).map(AsRef::as_ref), Some(NAMES[which]));
            prop_assert_eq!(splices.newest().as_ref(), NAMES[which]);
            for pair in splices.entries().windows(2) {
                prop_assert!(pair[0].from < pair[1].from && pair[0].mosaic != pair[1].mosaic);
            }
        }
    }
}
