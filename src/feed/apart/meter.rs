//! How much a child may say in a second: what is said without being asked for is bounded, too.

use std::time::{Duration, Instant};

use super::message::Lie;

/// More than a file that is read as fast as can be has, while its first seconds are decoded.
const MOST_MESSAGES: u32 = 20_000;
const MOST_BYTES_PER_S: u64 = 64 << 20;

/// Messages of a second, of which there may be so many.
pub struct Meter {
    since: Instant,
    messages: u32,
    bytes: u64,
}

impl Meter {
    pub fn new() -> Self {
        Self { since: Instant::now(), messages: 0, bytes: 0 }
    }

    /// # Errors
    /// [`Lie::Flood`].
    pub fn take(&mut self, bytes: usize) -> Result<(), Lie> {
        if self.since.elapsed() >= Duration::from_secs(1) {
            *self = Self::new();
        }
        self.messages += 1;
        self.bytes += bytes as u64;
        let is_within = self.messages <= MOST_MESSAGES && self.bytes <= MOST_BYTES_PER_S;
        is_within.then_some(()).ok_or(Lie::Flood("messages"))
    }
}
