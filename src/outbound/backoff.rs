//! When to try again: a second later at first, twice as long each time up to five minutes, never all at the same instant.

const FIRST_MS: i64 = 1_000;
const LONGEST_MS: i64 = 300_000;

/// A receiver may ask for more patience than that, but not for ever.
const LONGEST_ASKED_MS: i64 = 3_600_000;

/// What is known of something that fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backoff {
    /// Failures in a row.
    pub failures: u32,
    due_ms: i64,
}

impl Backoff {
    /// Whether the next attempt is due at `now_ms`.
    pub fn is_due(&self, now_ms: i64) -> bool {
        now_ms >= self.due_ms
    }

    /// When the next attempt is due at the earliest.
    pub const fn due_ms(&self) -> i64 {
        self.due_ms
    }

    /// It failed at `now_ms`; `asked_ms` is how long the receiver wants to be left alone.
    pub fn fail(&mut self, now_ms: i64, asked_ms: Option<i64>) {
        let wait_ms = retry_wait_ms(self.failures).max(asked_ms.unwrap_or(0).min(LONGEST_ASKED_MS));
        self.failures = self.failures.saturating_add(1);
        self.due_ms = now_ms.saturating_add(wait_ms);
    }

    /// It worked; whether it had failed before.
    pub fn clear(&mut self) -> bool {
        std::mem::take(self).failures > 0
    }
}

/// How long to wait after `failures` earlier attempts, milliseconds.
pub fn retry_wait_ms(failures: u32) -> i64 {
    wait_ms(failures, chance())
}

/// The wait after `failures` earlier ones. `chance` takes up to a quarter off it, so that many who failed together do not come
/// back together.
fn wait_ms(failures: u32, chance: u8) -> i64 {
    let whole = FIRST_MS.saturating_mul(1 << failures.min(20)).min(LONGEST_MS);
    whole - whole / 4 * i64::from(chance) / 255
}

fn chance() -> u8 {
    let mut byte = [0u8];
    // Without chance the wait is a whole one, which is no harm.
    let _ = getrandom::fill(&mut byte);
    byte[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_from_a_second_to_five_minutes() {
        let whole: Vec<i64> = (0..11).map(|failures| wait_ms(failures, 0) / 1000).collect();
        assert_eq!(whole, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(wait_ms(u32::MAX, 0), 300_000);
        for failures in 0..40 {
            assert!(wait_ms(failures, 255) * 4 >= wait_ms(failures, 0) * 3);
            assert!(wait_ms(failures, 128) < wait_ms(failures, 0));
        }
    }

    #[test]
    fn a_receiver_is_left_alone_as_long_as_it_asks_within_reason() {
        let mut backoff = Backoff::default();
        assert!(backoff.is_due(0));
        backoff.fail(1_000, Some(30_000));
        assert!(!backoff.is_due(30_999) && backoff.is_due(31_000));
        backoff.fail(31_000, Some(i64::MAX));
        assert!(backoff.is_due(31_000 + 3_600_000));
        backoff.fail(0, Some(1));
        assert!(!backoff.is_due(2_999) && backoff.is_due(4_000), "asking for less changes nothing");
        assert!(backoff.clear() && !backoff.clear() && backoff.is_due(0));
    }
}
