//! From many claims to one instant: when what is shown was captured.

use std::collections::VecDeque;

use super::claim::Claim;
use crate::cadence::SourceNanos;

/// Claims of which the median is taken: about two seconds.
const CLAIMS: usize = 61;
/// Fewer tell nothing.
const ENOUGH: usize = 5;
/// A claim older than this, in the source's time, says nothing of what is shown now.
const STALE: i64 = 3_000_000_000;

/// Follows what a source claims of the pictures that are shown, in its unbroken time.
///
/// What a claim is off by jitter or by mistake, the median leaves out; where the claims of a source jump and stay there, the
/// median jumps after a second.
#[derive(Clone, Debug, Default)]
pub struct Estimator {
    /// By how much captured instants are later than source time, the newest last.
    offsets: VecDeque<i64>,
    newest: Option<(SourceNanos, Claim)>,
}

impl Estimator {
    pub fn new() -> Self {
        Self::default()
    }

    /// What comes has nothing to do with what came: another run, a jump of the source.
    pub fn restart(&mut self) {
        *self = Self::default();
    }

    /// The picture at `at` is shown, and this is claimed of it.
    pub fn observe(&mut self, at: SourceNanos, claim: Claim) {
        if self.newest.is_some_and(|(_, newest)| newest.clock != claim.clock) {
            self.restart();
        }
        if self.offsets.len() == CLAIMS {
            self.offsets.pop_front();
        }
        self.offsets.push_back(claim.captured.saturating_sub(at));
        self.newest = Some((at, claim));
    }

    /// When what is shown at source time `at` was captured; `None` where nothing tells, or nothing has told for a while.
    pub fn captured(&self, at: SourceNanos) -> Option<Claim> {
        let (newest_at, newest) = self.newest?;
        if self.offsets.len() < ENOUGH || (at - newest_at).abs() > STALE {
            return None;
        }
        let mut offsets: Vec<i64> = self.offsets.iter().copied().collect();
        let middle = offsets.len() / 2;
        let (_, median, _) = offsets.select_nth_unstable(middle);
        Some(Claim { captured: at.saturating_add(*median), ..newest })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::claim::ClockKind;
    use super::*;

    const MILLI: i64 = 1_000_000;

    fn claim(captured: i64) -> Claim {
        Claim { clock: ClockKind::Pdt, captured }
    }

    #[test]
    fn few_claims_and_old_ones_tell_nothing() {
        let mut estimator = Estimator::new();
        for n in 0..5 {
            assert_eq!(estimator.captured(n * 40 * MILLI), None);
            estimator.observe(n * 40 * MILLI, claim(n * 40 * MILLI + 7));
        }
        assert_eq!(estimator.captured(200 * MILLI), Some(claim(200 * MILLI + 7)));
        assert_eq!(estimator.captured(3_200 * MILLI), None);
        estimator.restart();
        assert_eq!(estimator.captured(200 * MILLI), None);
    }

    #[test]
    fn another_clock_begins_anew_and_claims_that_jump_are_followed() {
        let mut estimator = Estimator::new();
        for n in 0..61 {
            estimator.observe(n * 40 * MILLI, claim(n * 40 * MILLI));
        }
        for n in 61..93 {
            estimator.observe(n * 40 * MILLI, claim(n * 40 * MILLI + 1700 * MILLI));
        }
        assert_eq!(estimator.captured(0).map(|claim| claim.captured), None);
        assert_eq!(estimator.captured(92 * 40 * MILLI), Some(claim(92 * 40 * MILLI + 1700 * MILLI)));
        estimator.observe(93 * 40 * MILLI, Claim { clock: ClockKind::Sei, captured: 0 });
        assert_eq!(estimator.captured(93 * 40 * MILLI), None);
    }

    proptest! {
        /// Jitter of a picture's length and a third of wild claims: what comes out is within the jitter.
        #[test]
        fn jitter_and_wild_claims_do_not_move_it(
            offset in -1_000_000_000_000i64..1_000_000_000_000,
            jitters in prop::collection::vec((-20i64..20, 0u8..10, any::<i64>()), 61),
        ) {
            let mut estimator = Estimator::new();
            for (n, (jitter, wild, anything)) in jitters.into_iter().enumerate() {
                let at = n as i64 * 40 * MILLI;
                let wild = wild < 3 && n % 3 == 0;
                estimator.observe(at, claim(if wild { anything } else { at + offset + jitter * MILLI }));
            }
            let at = 61 * 40 * MILLI;
            let captured = estimator.captured(at).unwrap().captured;
            prop_assert!((captured - at - offset).abs() <= 20 * MILLI, "{}", captured - at - offset);
        }
    }
}
