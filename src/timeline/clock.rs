//! Where "now" comes from: the system's clock in service, a cranked one in tests.

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::MediaTime;

/// Now, and waiting for later. Everything that needs the time is handed one of these.
pub trait Clock: Send + Sync {
    fn now(&self) -> MediaTime;

    /// Blocks the calling thread until `at`, but no longer than `patience` of real time; true when `at` is reached.
    fn wait_until(&self, at: MediaTime, patience: Duration) -> bool;
}

/// Wall-clock time read once, carried on by the monotonic clock, so that a step of the wall clock never tears the grid.
#[derive(Debug)]
pub struct SystemClock {
    anchor_media: MediaTime,
    anchor: Instant,
}

impl SystemClock {
    pub fn new() -> Self {
        let since_unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { anchor_media: MediaTime::from_unix_nanos(since_unix.as_nanos()), anchor: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> MediaTime {
        self.anchor_media + self.anchor.elapsed()
    }

    fn wait_until(&self, at: MediaTime, patience: Duration) -> bool {
        let wait = at.since(self.now());
        std::thread::sleep(wait.min(patience));
        wait <= patience
    }
}

/// A clock that stands still until a test cranks it.
#[derive(Debug)]
pub struct SimulatedClock {
    now: Mutex<MediaTime>,
    moved: Condvar,
}

impl SimulatedClock {
    pub fn new(start: MediaTime) -> Self {
        Self { now: Mutex::new(start), moved: Condvar::new() }
    }

    pub fn advance(&self, by: Duration) {
        let mut now = self.now.lock().unwrap_or_else(|e| e.into_inner());
        *now = *now + by;
        self.moved.notify_all();
    }

    /// Moves to `at`; a clock never goes back.
    pub fn advance_to(&self, at: MediaTime) {
        let mut now = self.now.lock().unwrap_or_else(|e| e.into_inner());
        *now = at.max(*now);
        self.moved.notify_all();
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> MediaTime {
        *self.now.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn wait_until(&self, at: MediaTime, patience: Duration) -> bool {
        let now = self.now.lock().unwrap_or_else(|e| e.into_inner());
        let (now, _) = self.moved.wait_timeout_while(now, patience, |now| *now < at).unwrap_or_else(|e| e.into_inner());
        *now >= at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_clock_moves_only_when_cranked_and_never_back() {
        let clock = SimulatedClock::new(MediaTime::from_secs(100));
        assert!(!clock.wait_until(MediaTime::from_secs(101), Duration::ZERO));
        clock.advance(Duration::from_secs(2));
        assert!(clock.wait_until(MediaTime::from_secs(101), Duration::ZERO));
        clock.advance_to(MediaTime::from_secs(50));
        assert_eq!(clock.now(), MediaTime::from_secs(102));
    }
}
