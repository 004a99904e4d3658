use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;

fn listed(numbers: impl IntoIterator<Item = SegmentNumber>, gaps: &[SegmentNumber]) -> Vec<Listed> {
    let mosaic: Arc<str> = "m".into();
    let one = |number| Listed { number, mosaic: mosaic.clone(), bridge: None, gap: gaps.contains(&number) };
    numbers.into_iter().map(one).collect()
}

/// First segment, segments, whether it is a gap.
fn plain(sprites: &[Sprite]) -> Vec<(SegmentNumber, u64, bool)> {
    sprites.iter().map(|sprite| (sprite.first, sprite.segments, sprite.gap)).collect()
}

#[test]
fn whole_runs_are_listed_and_three_at_least() {
    assert_eq!(sprites_of(&[], (10, 0), false), []);
    // Nothing is whole yet: what stands there is black, and no gap.
    assert_eq!(
        plain(&sprites_of(&listed(103..109, &[]), (10, 0), false)),
        [(70, 10, false), (80, 10, false), (90, 10, false)]
    );
    // The first run has less than the others.
    let begun = sprites_of(&listed(103..=109, &[]), (10, 0), false);
    assert_eq!(plain(&begun), [(80, 10, false), (90, 10, false), (100, 10, false)]);
    let later = sprites_of(&listed(103..145, &[]), (10, 0), false);
    assert_eq!(plain(&later), [(100, 10, false), (110, 10, false), (120, 10, false), (130, 10, false)]);
    // An ended one has all.
    let ended = sprites_of(&listed(103..=133, &[]), (10, 0), true);
    assert_eq!(plain(&ended)[2..], [(120, 10, false), (130, 4, false)]);
    assert_eq!(sprites_of(&listed(103..=129, &[]), (10, 0), true), sprites_of(&listed(103..=129, &[]), (10, 0), false));
}

#[test]
fn nothing_is_listed_from_before_what_may_be_seen() {
    let of = |lit: u64, until: u64, ended| {
        let sprites = sprites_of(&listed(lit..until, &[]), (lit / 10, lit), ended);
        let numbers: Vec<u64> = sprites.iter().map(|sprite| sprite.run).collect();
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{sprites:?}");
        plain(&sprites)
    };
    // By itself, until its run is whole, and where the next one is.
    for until in [104, 109] {
        assert_eq!(of(103, until, false), [(103, 1, false)]);
    }
    assert_eq!(of(103, 110, false), [(103, 1, false), (104, 6, false)]);
    assert_eq!(of(103, 125, false), [(103, 1, false), (104, 6, false), (110, 10, false)]);
    assert_eq!(of(100, 110, false), [(100, 1, false), (101, 9, false)]);
    assert_eq!(of(109, 115, false), [(109, 1, false)]);
    assert_eq!(of(109, 120, false), [(109, 1, false), (110, 10, false)]);
    // An ended one has all that it has.
    assert_eq!(of(103, 106, true), [(103, 1, false), (104, 2, false)]);
    assert_eq!(of(103, 104, true), [(103, 1, false)]);
    assert_eq!(of(109, 112, true), [(109, 1, false), (110, 2, false)]);
    // Who asks for later has whole runs, and where only later ones are kept black ones stand before those.
    let later = sprites_of(&listed(103..145, &[]), (12, 103), false);
    assert_eq!(plain(&later), [(110, 10, false), (120, 10, false), (130, 10, false)]);
    let kept_later = sprites_of(&listed(121..128, &[]), (10, 103), false);
    assert_eq!(plain(&kept_later), [(103, 1, false), (104, 6, false), (110, 10, false)]);
}

#[test]
fn a_run_of_which_nothing_was_kept_is_a_gap_but_before_all_others() {
    let gaps: Vec<u64> = (119..135).collect();
    let sprites = sprites_of(&listed(103..165, &gaps), (10, 0), false);
    let is_gap: Vec<_> = sprites.iter().map(|sprite| (sprite.first, sprite.gap)).collect();
    assert_eq!(is_gap, [(100, false), (110, false), (120, true), (130, false), (140, false), (150, false)]);
}

proptest! {
    #[test]
    fn what_was_listed_once_stays_as_it_is_until_it_leaves_at_the_front(
        since in 0u64..40,
        holes in proptest::collection::btree_set(200u64..500, 0..200),
        begins in 200u64..260,
        lost in 0u64..60,
        is_limited: bool,
    ) {
        let since = 20 + since / 10;
        let gaps: Vec<u64> = holes.into_iter().collect();
        let mut before: BTreeMap<SegmentNumber, Sprite> = BTreeMap::new();
        for end in begins..500 {
            if gaps.contains(&end) {
                // A playlist's end is no gap.
                continue;
            }
            // The oldest goes, when the window is long.
            let oldest = begins.max(end.saturating_sub(150)).saturating_sub(lost);
            let numbers = (oldest.max(begins)..=end).skip_while(|n| gaps.contains(n));
            let now: BTreeMap<_, _> = sprites_of(&listed(numbers, &gaps), (since, if is_limited { begins } else { 0 }), false)
                .into_iter()
                .map(|sprite| (sprite.first, sprite))
                .collect();
            let sprites: Vec<Sprite> = now.values().copied().collect();
            let follows = |pair: &[Sprite]| (pair[0].first + pair[0].segments, pair[0].run + 1) == (pair[1].first, pair[1].run);
            prop_assert!(sprites.windows(2).all(follows), "{sprites:?}");
            match is_limited {
                true => prop_assert!(!sprites.is_empty() && sprites[0].first >= begins, "{sprites:?}"),
                false => prop_assert!(sprites.len() >= 3 && sprites.iter().all(|sprite| sprite.segments == 10), "{sprites:?}"),
            }
            let ends = sprites.last().map_or(0, |last| last.first + last.segments);
            prop_assert!(ends <= end + 1 && now.keys().next_back() >= before.keys().next_back());
            prop_assert!(now.keys().next() >= before.keys().next(), "the front goes back");
            for (first, sprite) in &now {
                prop_assert!(before.get(first).is_none_or(|was| was == sprite), "{:?} became {sprite:?}", before.get(first));
            }
            before = now;
        }
    }
}
