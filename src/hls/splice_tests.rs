use std::collections::HashMap;

use super::*;
use proptest::prelude::*;

type Finished = HashMap<&'static str, RangeInclusive<u64>>;

/// What is listed after `last` was, or at first; `!` marks gaps.
fn listed(splices: &Splices, last: Option<u64>, window: usize, finished: &Finished) -> Vec<(u64, String)> {
    let said = last.map_or_else(Said::default, |last| Said { listed: Some(0..=last), gaps: Vec::new() });
    named(&splices.listed(&said, window, |m| finished.get(m).cloned().map(Runs::from).unwrap_or_default()))
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
    assert_eq!(
        listed(&splices, Some(102), 15, &finished),
        entries(&[(100, "a"), (101, "a"), (102, "a"), (103, "b"), (104, "b")])
    );
    assert_eq!(listed(&splices, Some(102), 3, &finished), entries(&[(102, "a"), (103, "b"), (104, "b")]));
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
    assert_eq!(listed(&splices, Some(101), 15, &late), entries(&[(100, "a"), (101, "a")]));
    // a died: once b has 104, nobody waits for 102 any more, and what was listed before the hole stays.
    let dead = Finished::from([("a", 98..=101), ("b", 103..=104)]);
    let with_gap = [(100, "a"), (101, "a"), (102, "a!"), (103, "b"), (104, "b")];
    assert_eq!(listed(&splices, Some(101), 15, &dead), entries(&with_gap));
    // Who has listed nothing yet begins after the hole.
    assert_eq!(listed(&splices, None, 15, &dead), entries(&with_gap[3..]));
    // a was let go altogether.
    let gone = Finished::from([("b", 103..=104)]);
    assert_eq!(listed(&splices, Some(101), 15, &gone), entries(&[(103, "b"), (104, "b")]));
}

#[test]
fn a_hole_is_listed_as_a_gap_until_it_leaves_at_the_front() {
    let splices = swapped(100, &[]);
    let mut said = Said::default();
    let mut playlist = |finished: &Runs| {
        let listing = splices.listed(&said, 4, |_| finished.clone());
        said.note(&listing);
        named(&listing)
    };
    assert_eq!(playlist(&runs(&[100, 101])), entries(&[(100, "a"), (101, "a")]));
    // 102 never came.
    assert_eq!(playlist(&runs(&[100, 101, 103])), entries(&[(100, "a"), (101, "a"), (102, "a!"), (103, "a")]));
    let later = playlist(&runs(&[100, 101, 103, 104, 105]));
    assert_eq!(later, entries(&[(103, "a"), (104, "a"), (105, "a")]), "no playlist begins with a gap");
    // Longer than any playlist: it goes on after the hole, under the grid's numbers.
    assert_eq!(playlist(&runs(&[103, 104, 105, 200])), entries(&[(200, "a")]));
}

#[test]
fn a_gap_that_was_listed_stays_one_though_its_segment_comes_after_all() {
    let splices = swapped(100, &[(103, "b")]);
    let mut said = Said::default();
    let mut playlist = |a: &[u64], b: &[u64]| {
        let listing = splices.listed(&said, 15, |m| runs(if m == "a" { a } else { b }));
        said.note(&listing);
        named(&listing)
    };
    playlist(&[100, 101], &[]);
    let gap = playlist(&[100, 101], &[103, 104]);
    assert_eq!(gap, entries(&[(100, "a"), (101, "a"), (102, "a!"), (103, "b"), (104, "b")]));
    assert_eq!(playlist(&[100, 101, 102], &[103, 104]), gap);
}

#[test]
fn the_sound_beside_a_picture_has_gaps_of_its_own_and_waits_for_what_may_come() {
    let splices = swapped(100, &[]);
    let said = Said { listed: Some(100..=104), gaps: Vec::new() };
    let picture = splices.listed(&said, 15, |_| runs(&[100, 101, 103, 104]));
    assert_eq!(named(&picture)[2], (102, "a!".to_owned()));
    let sound = beside(picture.clone(), &runs(&[95, 101, 102, 104]));
    assert_eq!(named(&sound), entries(&[(101, "a"), (102, "a"), (103, "a!"), (104, "a")]));
    assert_eq!(named(&beside(picture.clone(), &runs(&[100, 101]))), entries(&[(100, "a"), (101, "a")]));
    assert_eq!(beside(picture, &Runs::default()), []);
}

#[test]
fn a_restart_goes_on_after_the_hole_under_the_same_numbers() {
    let splices = swapped(100, &[]);
    assert_eq!(listed(&splices, Some(120), 15, &Finished::new()), entries(&[]));
    let finished = Finished::from([("a", 125..=125)]);
    assert_eq!(listed(&splices, Some(120), 15, &finished), entries(&[(125, "a")]));
}

#[test]
fn a_listed_end_is_never_taken_back() {
    let splices = swapped(100, &[]);
    let behind = Finished::from([("a", 98..=103)]);
    assert_eq!(listed(&splices, Some(104), 15, &behind), entries(&[]));
    // The new mosaic is planned for later; nothing of it shows yet.
    let splices = swapped(100, &[(110, "b")]);
    let finished = Finished::from([("a", 98..=104), ("b", 104..=104)]);
    assert_eq!(listed(&splices, Some(104), 3, &finished).last(), Some(&(104, "a".to_owned())));
}

#[test]
fn the_first_segment_that_may_change_is_the_first_not_listed() {
    assert_eq!(next_unlisted(None, 100), 100);
    assert_eq!(next_unlisted(Some(104), 100), 105);
    assert_eq!(next_unlisted(Some(90), 100), 100);
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
    /// A service is played out: mosaics finish segments (sometimes late, sometimes not at all, sometimes letting all go), the
    /// viewer swaps at random, and every playlist a player could have seen is checked against the one before.
    #[test]
    fn whatever_happens_playlists_only_go_forward(
        steps in prop::collection::vec((0u8..7, 0usize..3, 0u64..3), 1..200),
        window in 1usize..8,
    ) {
        let mut splices = Splices::new(100, "a".into());
        let mut finished: HashMap<&str, Vec<u64>> = HashMap::new();
        let mut said = Said::default();
        let mut seen: HashMap<u64, Listed> = HashMap::new();
        let mut now = 100;
        for (step, which, late) in steps {
            let name = NAMES[which];
            match step {
                // Time goes on: every mosaic but one finishes, that one is `late` behind or (3) makes nothing.
                0..=3 => {
                    now += 1;
                    for mosaic in NAMES {
                        let newest = if mosaic == name { now - late } else { now };
                        let held = finished.entry(mosaic).or_default();
                        if (mosaic != name || step != 3) && held.last().is_none_or(|last| *last < newest) {
                            held.push(newest);
                        }
                        held.retain(|n| n + 9 >= newest);
                    }
                }
                4 => { finished.remove(name); }
                5 => { finished.insert(name, vec![now]); }
                _ => splices.push(next_unlisted(said.last(), 100) + late, name.into()),
            }
            let list = splices.listed(&said, window, |m| runs(finished.get(m).map_or(&[], Vec::as_slice)));
            prop_assert!(list.len() <= window);
            prop_assert!(list.windows(2).all(|p| p[0].number + 1 == p[1].number), "hole in {:?}", list);
            prop_assert!(!list.first().is_some_and(|l| l.gap), "begins with a gap: {:?}", list);
            for entry in &list {
                let there = finished.get(&*entry.mosaic).is_some_and(|held| held.contains(&entry.number));
                prop_assert!(entry.gap || there, "{:?} is not finished", entry);
                // What a number stood for once, it stands for always; only bytes may go, which is then said.
                let before = seen.entry(entry.number).or_insert_with(|| entry.clone());
                prop_assert_eq!(&before.mosaic, &entry.mosaic);
                prop_assert!(!before.gap || entry.gap, "{:?} was a gap", entry);
            }
            if let (Some(first), Some(last)) = (list.first(), list.last()) {
                prop_assert!(said.first().is_none_or(|before| first.number >= before));
                prop_assert!(said.last().is_none_or(|before| last.number >= before));
                splices.prune(first.number);
                said.note(&list);
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
