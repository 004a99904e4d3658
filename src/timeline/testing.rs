//! A machine's clocks, set and stopped by a test.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{MediaTime, Reading, TimeSources};

/// Clones are the same machine.
#[derive(Clone)]
pub(crate) struct SetClocks(Arc<Mutex<Reading>>);

impl SetClocks {
    /// A machine that was just booted.
    pub fn new(wall: MediaTime) -> Self {
        Self(Arc::new(Mutex::new(Reading { boot: Duration::ZERO, suspended: Duration::ZERO, wall })))
    }

    /// All clocks go on.
    pub fn run(&self, by: Duration) {
        let mut reading = self.0.lock();
        reading.boot += by;
        reading.wall = reading.wall + by;
    }

    /// The machine is suspended.
    pub fn sleep(&self, by: Duration) {
        self.run(by);
        self.0.lock().suspended += by;
    }

    /// Somebody sets wall time.
    pub fn set_wall(&self, wall: MediaTime) {
        self.0.lock().wall = wall;
    }
}

impl TimeSources for SetClocks {
    fn boot(&self) -> Duration {
        self.0.lock().boot
    }

    fn read(&self) -> Reading {
        *self.0.lock()
    }
}
