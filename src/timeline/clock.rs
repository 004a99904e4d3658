//! Where "now" comes from: the system's clocks in service, a cranked one in tests.
//!
//! Lock order of [`SystemClock`]: `discipline`, then `line`.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::{Condvar, Mutex, RwLock};
use rustix::time::{ClockId, clock_gettime};

use super::MediaTime;
use super::discipline::{Discipline, Line, Observed, Reading};

/// Now, and waiting for later. Everything that needs the time is handed one of these.
pub trait Clock: Send + Sync {
    fn now(&self) -> MediaTime;

    /// Blocks the calling thread until `at`, but no longer than `patience` of real time; true when `at` is reached.
    fn wait_until(&self, at: MediaTime, patience: Duration) -> bool;

    /// Compares itself with wall time and follows it; what it found. Call about once a second.
    fn observe(&self) -> Observed {
        Observed::default()
    }

    /// How long it has been beyond doubt: since the start, a step or a sleep, whichever was last.
    fn steady_for(&self) -> Duration {
        Duration::MAX
    }

    /// Begins at `at` where that is a little later than wall time says, and comes back by and by. For the start, before
    /// anything is timed; false where it begins with wall time.
    fn begin_at(&self, _at: MediaTime) -> bool {
        false
    }
}

/// The clocks that [`SystemClock`] reads: the system's, or a test's.
pub trait TimeSources: Send + Sync {
    /// Time since boot, suspension counted in.
    fn boot(&self) -> Duration;

    /// All of them, read as close together as can be.
    fn read(&self) -> Reading;
}

/// The clocks of Linux.
#[derive(Clone, Copy, Debug)]
pub struct LinuxClocks;

/// Readings are made anew until they lie this close together, but not for ever.
const CLOSE_TOGETHER: Duration = Duration::from_micros(100);
const READING_ATTEMPTS: usize = 5;

fn since_boot(clock: ClockId) -> Duration {
    // Both parts are positive for clocks that count from boot.
    let at = clock_gettime(clock);
    Duration::new(u64::try_from(at.tv_sec).unwrap_or(0), u32::try_from(at.tv_nsec).unwrap_or(0))
}

impl TimeSources for LinuxClocks {
    fn boot(&self) -> Duration {
        since_boot(ClockId::Boottime)
    }

    fn read(&self) -> Reading {
        let mut closest: Option<(Duration, Reading)> = None;
        for _ in 0..READING_ATTEMPTS {
            let before = self.boot();
            let running = since_boot(ClockId::Monotonic);
            let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let boot = self.boot();
            // The thread may have been put aside between the two: then wall time would look as if it had been set.
            let apart = boot.saturating_sub(before);
            let reading = Reading {
                boot,
                suspended: before.saturating_sub(running),
                wall: MediaTime::from_unix_nanos(wall.as_nanos()),
            };
            if closest.is_none_or(|(least, _)| apart < least) {
                closest = Some((apart, reading));
            }
            if apart <= CLOSE_TOGETHER {
                break;
            }
        }
        closest.map_or(Reading { boot: self.boot(), suspended: Duration::ZERO, wall: MediaTime::ZERO }, |(_, r)| r)
    }
}

/// Time on the machine's own clock, led towards wall time: see [`Discipline`].
pub struct SystemClock<S = LinuxClocks> {
    sources: S,
    discipline: Mutex<Discipline>,
    /// The discipline's line. Everybody reads it all the time; it is written once a second, in one move.
    line: RwLock<Line>,
}

impl SystemClock {
    pub fn new() -> Self {
        Self::on(LinuxClocks)
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: TimeSources> SystemClock<S> {
    /// A clock that begins with the wall time of `sources`.
    pub fn on(sources: S) -> Self {
        let discipline = Discipline::new(sources.read());
        let line = RwLock::new(discipline.line());
        Self { sources, discipline: Mutex::new(discipline), line }
    }
}

impl<S: TimeSources> Clock for SystemClock<S> {
    fn now(&self) -> MediaTime {
        // The clock is read under the lock: a reading from before a bend, put on the line after it, could go back.
        let line = self.line.read();
        line.at(self.sources.boot())
    }

    fn wait_until(&self, at: MediaTime, patience: Duration) -> bool {
        let until = Instant::now() + patience;
        loop {
            let wait = at.since(self.now());
            if wait.is_zero() {
                return true;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            std::thread::sleep(wait.min(left));
        }
    }

    fn observe(&self) -> Observed {
        let mut discipline = self.discipline.lock();
        let mut line = self.line.write();
        let observed = discipline.observe(self.sources.read());
        *line = discipline.line();
        observed
    }

    fn steady_for(&self) -> Duration {
        self.discipline.lock().steady_for(self.sources.boot())
    }

    fn begin_at(&self, at: MediaTime) -> bool {
        let mut discipline = self.discipline.lock();
        let mut line = self.line.write();
        let moved = discipline.begin_at(at, self.sources.boot());
        *line = discipline.line();
        moved
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
        let mut now = self.now.lock();
        *now = *now + by;
        self.moved.notify_all();
    }

    /// Moves to `at`; a clock never goes back.
    pub fn advance_to(&self, at: MediaTime) {
        let mut now = self.now.lock();
        *now = at.max(*now);
        self.moved.notify_all();
    }
}

impl Clock for SimulatedClock {
    fn now(&self) -> MediaTime {
        *self.now.lock()
    }

    fn wait_until(&self, at: MediaTime, patience: Duration) -> bool {
        let mut now = self.now.lock();
        self.moved.wait_while_for(&mut now, |now| *now < at, patience);
        *now >= at
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::timeline::testing::SetClocks;

    #[test]
    fn a_simulated_clock_moves_only_when_cranked_and_never_back() {
        let clock = SimulatedClock::new(MediaTime::from_secs(100));
        assert!(!clock.wait_until(MediaTime::from_secs(101), Duration::ZERO));
        clock.advance(Duration::from_secs(2));
        assert!(clock.wait_until(MediaTime::from_secs(101), Duration::ZERO));
        clock.advance_to(MediaTime::from_secs(50));
        assert_eq!(clock.now(), MediaTime::from_secs(102));
    }

    #[test]
    fn wall_time_that_is_set_moves_no_frame() {
        let wall = MediaTime::from_secs(5_000_000);
        let clocks = SetClocks::new(wall);
        let clock = SystemClock::on(clocks.clone());
        assert_eq!(clock.now(), wall);
        clocks.set_wall(wall + Duration::from_secs(3600));
        assert!(clock.observe().holds);
        assert_eq!((clock.now(), clock.steady_for()), (wall, Duration::ZERO));
        clocks.run(Duration::from_secs(1));
        assert_eq!(clock.now(), wall + Duration::from_secs(1));
        assert!(clock.wait_until(wall + Duration::from_secs(1), Duration::ZERO));
        assert!(!clock.wait_until(wall + Duration::from_secs(2), Duration::ZERO));
    }

    #[test]
    fn the_system_s_clock_is_wall_time_and_goes_on_while_it_is_observed() {
        let clock = Arc::new(SystemClock::new());
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let apart = clock.now().unix_millis() - i64::try_from(wall.as_millis()).unwrap();
        assert!(apart.abs() < 5000, "{apart} ms");
        let stop = Arc::new(AtomicBool::new(false));
        let observing = {
            let (clock, stop) = (clock.clone(), stop.clone());
            std::thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    clock.observe();
                }
            })
        };
        let mut before = clock.now();
        for _ in 0..20_000 {
            let now = clock.now();
            assert!(now >= before, "{now} after {before}");
            before = now;
        }
        stop.store(true, Ordering::Relaxed);
        observing.join().unwrap();
    }
}
