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

    /// Whether a playlist breaks before segment `n`.
    pub(super) fn breaks_at(&self, n: SegmentNumber) -> bool {
        self.newest_break == Some(n)
    }

    /// The discontinuity sequence number of a playlist that begins with segment `first`: the breaks before it (4.3.3.3).
    pub(super) fn breaks_before(&self, first: SegmentNumber) -> u64 {
        self.breaks_before + u64::from(self.newest_break.is_some_and(|at| at < first))
    }

    /// A playlist begins with segment `first`, `last_listed` being the newest that was listed before. The break shows where
    /// listing goes on, which may be later than it could have: not every player counts breaks, but all see them.
    pub(super) fn settle(&mut self, first: SegmentNumber, last_listed: Option<SegmentNumber>) {
        if let Some(at) = &mut self.newest_break
            && last_listed.is_none_or(|last| last < *at)
        {
            *at = first.max(*at);
        }
    }

    /// From segment `from` on, what is listed does not go on from what was: its decoder's set-up or its timestamps differ.
    /// `last_listed` is the newest listed one.
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
        assert_eq!((numbering.sequence(77), numbering.breaks_before(77)), (77, 0));
        numbering.break_at(80, Some(78));
        assert_eq!(numbering.sequence(80), 80);
        assert_eq!([79, 80, 81].map(|n| numbering.breaks_at(n)), [false, true, false]);
        assert_eq!([78, 80, 81].map(|n| numbering.breaks_before(n)), [0, 0, 1]);
        // The playlist goes on later than it could have.
        numbering.settle(81, Some(78));
        assert!(numbering.breaks_at(81) && numbering.breaks_before(81) == 0);
        numbering.settle(82, Some(81));
        assert!(numbering.breaks_at(81));
        numbering.break_at(80, Some(78));
        // Moved before anything was listed after it, then another.
        numbering.break_at(82, Some(78));
        assert_eq!((numbering.breaks_before(82), numbering.breaks_before(83)), (0, 1));
        numbering.break_at(90, Some(85));
        assert_eq!((numbering.breaks_before(90), numbering.breaks_before(91)), (1, 2));
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
                    let next = (numbering.sequence(n), numbering.breaks_before(n) + u64::from(numbering.breaks_at(n)));
                    prop_assert!(given.is_none_or(|(number, breaks)| next.0 > number && next.1 >= breaks));
                    given = Some(next);
                    last = Some(n);
                }
            }
        }
    }
}
