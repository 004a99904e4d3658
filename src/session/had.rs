//! What a session has been given while it was billed: what may be played of it again when it is over.

use std::ops::RangeInclusive;

use crate::timeline::SegmentNumber;
use crate::track::Runs;

/// Holes between what it had, at most: who seeks about for longer loses the oldest.
const MOST_RUNS: usize = 256;

/// Segments that a session listed live, or of which it asked for its own address.
#[derive(Default)]
pub(super) struct Had(Runs);

impl Had {
    pub fn take(&mut self, segments: RangeInclusive<SegmentNumber>) {
        if segments.clone().all(|n| self.0.contains(n)) {
            return;
        }
        self.0 = self.0.or(&Runs::from(segments)).newest_runs(MOST_RUNS);
    }

    pub fn contains(&self, n: SegmentNumber) -> bool {
        self.0.contains(n)
    }

    /// Those of `whole`.
    pub fn of(&self, whole: &Runs) -> Runs {
        whole.and(&self.0)
    }

    pub fn forget_before(&mut self, oldest: SegmentNumber) {
        if self.0.oldest().is_some_and(|first| first < oldest) {
            self.0 = self.0.and(&Runs::from(oldest..=SegmentNumber::MAX));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_had_is_remembered_while_it_is_there() {
        let mut had = Had::default();
        had.take(10..=14);
        had.take(12..=16);
        had.take(30..=30);
        assert_eq!(had.of(&Runs::from(0..=40)), [10, 11, 12, 13, 14, 15, 16, 30].into_iter().collect());
        had.forget_before(13);
        assert!(!had.contains(12) && had.contains(13) && had.contains(30));
        for n in 0..10 * MOST_RUNS as u64 {
            had.take(100 + 2 * n..=100 + 2 * n);
        }
        let newest = 98 + 20 * MOST_RUNS as u64;
        assert!(had.contains(newest) && !had.contains(30), "the oldest go");
        assert_eq!(had.of(&Runs::from(0..=newest)).iter().count(), MOST_RUNS);
    }
}
