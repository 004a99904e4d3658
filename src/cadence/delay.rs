//! How much later a source is shown than its own clock would have it: walked to, so that nobody hears it, or leapt to.

/// Fastest change, in parts per billion. With the slew of a clock that follows its source it stays under a fifth of a
/// semitone.
const WALK_PPB: i64 = 5_000_000;

/// A delay in ns and where it is going. Instants are ns since the media epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    from: i64,
    value: i64,
    target: i64,
}

impl Delay {
    pub const NONE: Self = Self { from: 0, value: 0, target: 0 };

    /// The delay at `at`.
    pub fn at(&self, at: i64) -> i64 {
        let walked = i128::from(at.saturating_sub(self.from).max(0)) * i128::from(WALK_PPB) / 1_000_000_000;
        let walked = walked as i64;
        self.value + (self.target - self.value).clamp(-walked, walked)
    }

    /// Where it is going.
    pub const fn target(&self) -> i64 {
        self.target
    }

    /// From `at` on it goes to `target` as fast as it may.
    pub fn walk_to(&mut self, target: i64, at: i64) {
        *self = Self { from: at, value: self.at(at), target };
    }

    /// From `at` on it is `target`.
    pub fn leap_to(&mut self, target: i64, at: i64) {
        *self = Self { from: at, value: target, target };
    }

    /// The instant that is `own` on the source's own line.
    pub fn instant_of(&self, own: i64) -> i64 {
        // Half a percent a step: the third is off by nanoseconds.
        (0..4).fold(own, |at, _| own.saturating_add(self.at(at)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_delay_is_walked_to_at_half_a_percent_or_leapt_to() {
        let mut delay = Delay::default();
        delay.walk_to(SECOND, 10 * SECOND);
        assert_eq!([10, 110, 210, 1000].map(|s| delay.at(s * SECOND)), [0, SECOND / 2, SECOND, SECOND]);
        delay.walk_to(0, 110 * SECOND);
        assert_eq!([110, 130, 210, 900].map(|s| delay.at(s * SECOND)), [SECOND / 2, 4 * SECOND / 10, 0, 0]);
        delay.leap_to(2 * SECOND, 150 * SECOND);
        assert_eq!((delay.at(150 * SECOND), delay.target()), (2 * SECOND, 2 * SECOND));
    }

    proptest! {
        #[test]
        fn no_instant_is_too_far(from in any::<i64>(), target in 0i64..60_000_000_000, own in any::<i64>()) {
            let mut delay = Delay::default();
            delay.walk_to(target, from);
            prop_assert!(delay.instant_of(own) >= own);
        }

        /// Whatever is asked of it, it never moves faster than it may, and its inverse is one.
        #[test]
        fn a_walk_never_hurries(targets in prop::collection::vec((0i64..10_000, 0i64..100_000), 1..20)) {
            let mut delay = Delay::default();
            let (mut at, mut before) = (0, 0);
            for (target_ms, after_ms) in targets {
                delay.walk_to(target_ms * 1_000_000, at);
                for _ in 0..10 {
                    at += after_ms * 100_000;
                    let now = delay.at(at);
                    prop_assert!((now - before).abs() <= after_ms * 100_000 * 5 / 1000 + 1);
                    before = now;
                    let own = at - now;
                    prop_assert!((delay.instant_of(own) - at).abs() <= 10);
                }
            }
        }
    }
}
