//! A session's media sequence numbers. They are the grid's, as long as time goes forward; and where it went back, they go on
//! all the same.
//!
//! A playlist's media sequence number never decreases (RFC 8216, 6.2.1). A player that is given a lower one waits until the
//! old one comes again (hls.js, AVPlayer) or gives up (ExoPlayer: "playlist reset"). When a process starts in what the one
//! before took for the past, the session's segments are numbered on from where it was, behind a discontinuity, since their
//! timestamps are those of the grid.

use serde::{Deserialize, Serialize};

use crate::timeline::SegmentNumber;

/// How a session's numbers stand to the grid's, and where its playlists break (4.3.2.3).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Numbering {
    /// Added to the number that a segment has on the grid.
    ahead: u64,
    /// Breaks before the newest one.
    breaks_before: u64,
    /// The first segment after the newest break, by its number on the grid. Older breaks need no place: what was listed
    /// before a break went with the process that listed it.
    newest_break: Option<SegmentNumber>,
}

impl Numbering {
    /// The media sequence number of segment `n`.
    pub(super) const fn sequence(&self, n: SegmentNumber) -> u64 {
        n + self.ahead
    }

    /// The segment whose media sequence number is `sequence`.
    pub(super) const fn segment(&self, sequence: u64) -> Option<SegmentNumber> {
        sequence.checked_sub(self.ahead)
    }

    /// The first segment, by its number on the grid, that does not go on from what was listed before it. Listing goes on with the first
    /// one from there on that is there, which is where the break shows: not every player counts breaks, but all see them.
    pub(super) fn newest_break(&self) -> Option<SegmentNumber> {
        self.newest_break
    }

    /// The discontinuity sequence number of a playlist that begins with segment `first`: the breaks before it (4.3.3.3), `resumed`
    /// being where listing went on after the newest one.
    pub(super) fn breaks_before(&self, first: SegmentNumber, resumed: Option<SegmentNumber>) -> u64 {
        self.breaks_before + u64::from(resumed.is_some_and(|at| at < first))
    }

    /// From segment `from` on, what is listed does not go on from what was: its decoder's set-up or its timestamps differ.
    /// None newer than `last_listed` was listed.
    pub(super) fn break_at(&mut self, from: SegmentNumber, last_listed: Option<SegmentNumber>) {
        // A break that nothing was listed after is the same one, moved.
        let was_seen = self.newest_break.is_some_and(|at| last_listed.is_some_and(|last| last >= at));
        self.breaks_before += u64::from(was_seen);
        self.newest_break = Some(from);
    }

    /// The last number of the grid that counts as listed where none was since the newest break.
    pub(super) fn before_newest_break(&self) -> Option<SegmentNumber> {
        self.newest_break?.checked_sub(1)
    }

    /// Time has gone back: segments from `first` on come again, and are numbered from behind `last_listed`, with room for
    /// `unknown` numbers that may have been given out since that was written down.
    pub(super) fn go_on_from(&mut self, first: SegmentNumber, last_listed: SegmentNumber, unknown: u64) {
        self.break_at(first, Some(last_listed));
        self.ahead = (self.sequence(last_listed) + 1 + unknown).saturating_sub(first);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_the_grid_s_while_time_goes_forward() {
        let mut numbering = Numbering::default();
        assert_eq!((numbering.sequence(77), numbering.breaks_before(77, None)), (77, 0));
        numbering.break_at(80, Some(78));
        assert_eq!((numbering.sequence(80), numbering.newest_break()), (80, Some(80)));
        // The playlist goes on later than it could have.
        assert_eq!([78, 80, 81, 82].map(|n| numbering.breaks_before(n, Some(81))), [0, 0, 0, 1]);
        // Moved before anything was listed after it, then another.
        numbering.break_at(82, Some(78));
        assert_eq!([82, 83].map(|n| numbering.breaks_before(n, Some(82))), [0, 1]);
        numbering.break_at(90, Some(85));
        assert_eq!([90, 91].map(|n| numbering.breaks_before(n, Some(90))), [1, 2]);
    }

    #[test]
    fn a_row_from_before_there_were_breaks_has_none() {
        assert_eq!(serde_json::from_str::<Numbering>("{}").unwrap(), Numbering::default());
    }

    proptest! {
        #[test]
        fn however_time_goes_numbers_and_breaks_only_rise(
            starts in proptest::collection::vec((1u64..1_000_000, 0u64..100), 1..20),
        ) {
            let mut numbering = Numbering::default();
            let mut last: Option<SegmentNumber> = None;
            let mut given: Option<(u64, u64)> = None;
            for (first, listed) in starts {
                if let Some(newest) = last.filter(|last| *last >= first) {
                    numbering.go_on_from(first, newest, 5);
                    last = numbering.before_newest_break();
                }
                for n in first..first + listed {
                    let at = numbering.newest_break();
                    let next = (numbering.sequence(n), numbering.breaks_before(n, at) + u64::from(at == Some(n)));
                    prop_assert!(given.is_none_or(|(number, breaks)| next.0 > number && next.1 >= breaks));
                    given = Some(next);
                    last = Some(n);
                }
            }
        }
    }
}
