use std::collections::HashMap;

use super::*;
use proptest::prelude::*;

type Finished = HashMap<&'static str, RangeInclusive<u64>>;

fn listed(splices: &Splices, last: Option<u64>, window: usize, finished: &Finished) -> Vec<(u64, String)> {
    splices.listed(last, window, |m| finished.get(m).cloned()).into_iter().map(|(n, m)| (n, m.to_string())).collect()
}

fn entries(expected: &[(u64, &str)]) -> Vec<(u64, String)> {
    expected.iter().map(|(n, m)| (*n, (*m).to_owned())).collect()
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
    // a died: once b has 104, nobody waits for 102 any more, and what is before the hole is cut.
    let dead = Finished::from([("a", 98..=101), ("b", 103..=104)]);
    assert_eq!(listed(&splices, Some(101), 15, &dead), entries(&[(103, "b"), (104, "b")]));
    // a was let go altogether.
    let gone = Finished::from([("b", 103..=104)]);
    assert_eq!(listed(&splices, Some(101), 15, &gone), entries(&[(103, "b"), (104, "b")]));
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
    /// A service is played out: mosaics finish segments (sometimes late, sometimes restarting), the viewer swaps at random,
    /// and every playlist a player could have seen is checked against the one before.
    #[test]
    fn whatever_happens_playlists_only_go_forward(
        steps in prop::collection::vec((0u8..6, 0usize..3, 0u64..3), 1..200),
        window in 1usize..8,
    ) {
        let mut splices = Splices::new(100, "a".into());
        let mut finished = Finished::new();
        let mut last = None;
        let mut seen: HashMap<u64, String> = HashMap::new();
        let mut now = 100;
        for (step, which, late) in steps {
            let name = NAMES[which];
            match step {
                // Time goes on: every mosaic but one finishes, that one stays `late` behind.
                0..=2 => {
                    now += 1;
                    for mosaic in NAMES {
                        let newest = if mosaic == name { now - late } else { now };
                        let start = finished.get(mosaic).map_or(newest, |f| *f.start()).max(newest.saturating_sub(9));
                        let newest = finished.get(mosaic).map_or(newest, |f| newest.max(*f.end()));
                        finished.insert(mosaic, start..=newest);
                    }
                }
                3 => { finished.remove(name); }
                4 => { finished.insert(name, now..=now); }
                _ => splices.push(next_unlisted(last, 100) + late, name.into()),
            }
            let list = listed(&splices, last, window, &finished);
            prop_assert!(list.len() <= window);
            prop_assert!(list.windows(2).all(|p| p[0].0 + 1 == p[1].0), "hole in {:?}", list);
            for (n, mosaic) in &list {
                prop_assert!(finished[mosaic.as_str()].contains(n), "{} of {} is not finished", n, mosaic);
                // What a number stood for once, it stands for always.
                prop_assert_eq!(seen.entry(*n).or_insert_with(|| mosaic.clone()), mosaic);
            }
            if let Some((end, _)) = list.last() {
                prop_assert!(last.is_none_or(|last| *end >= last));
                last = Some(*end);
                splices.prune(list[0].0);
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
