//! How the service's time follows wall time: slewed, never stepped. Pure: readings in, a line over the machine's own clock out.
//!
//! The machine's own clock is the one that counts from boot and through suspension. Nobody can set it, so the grid stands on it.
//! Wall time is what people and certificates go by; it can be set, an hour to and fro. So the grid's time is
//! led towards wall time, by 500 parts in a million at most, and where wall time has left by more than can be made up so, it
//! is not followed: the error is reported, and the next start takes wall time up as it then is.

use std::time::Duration;

use super::MediaTime;

/// A second of ours is at most one 2000th longer or shorter than the machine's: 500 ppm, what NTP allows itself too.
const SLEW_DIVISOR: u64 = 2000;

/// A larger error is not slewed away: it would take longer than the five and a half hours that this one does.
pub(super) const MAX_SLEWED: Duration = Duration::from_secs(10);

/// Wall time that moves this much against the machine's clock between two readings was set. What adjusts it gradually adjusts
/// both alike; the readings themselves lie within a millisecond of each other.
const STEP: Duration = Duration::from_millis(100);

/// A machine that slept less than this is taken for one that did not.
const NAP: Duration = Duration::from_secs(1);

/// The clocks of the machine, read together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Since boot, suspension counted in. Never goes back.
    pub boot: Duration,
    /// Of it, the time that the machine was suspended.
    pub suspended: Duration,
    pub wall: MediaTime,
}

/// What an observation found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Wall time less ours, in nanoseconds.
    pub error_ns: i64,
    /// Wall time was set by so much since the last observation.
    pub stepped_ns: Option<i64>,
    /// The machine slept so long since the last observation.
    pub slept: Option<Duration>,
    /// The error is too large to be slewed away.
    pub holds: bool,
}

/// Whether wall time is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The error is being slewed away.
    Following,
    /// The error is too large: the machine's clock alone counts.
    Holding,
}

/// How far wall time is from ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Distance {
    Near,
    Far,
}

impl State {
    const fn step(self, distance: Distance) -> Self {
        match (self, distance) {
            (Self::Following | Self::Holding, Distance::Near) => Self::Following,
            (Self::Following | Self::Holding, Distance::Far) => Self::Holding,
        }
    }
}

/// Our time over boot time: a line that is bent until an error is worked off, and then runs with the machine's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    from_boot_ns: u64,
    at_ns: u64,
    /// To be worked off from here on.
    error_ns: i64,
}

impl Line {
    fn at_ns(&self, boot_ns: u64) -> u64 {
        let elapsed = boot_ns.saturating_sub(self.from_boot_ns);
        let most = i64::try_from(elapsed / SLEW_DIVISOR).unwrap_or(i64::MAX);
        self.at_ns.saturating_add(elapsed).saturating_add_signed(self.error_ns.clamp(-most, most))
    }

    pub(super) fn at(&self, boot: Duration) -> MediaTime {
        MediaTime::from_nanos(self.at_ns(nanos(boot)))
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Discipline {
    line: Line,
    state: State,
    last: Reading,
    /// Boot time since when nothing was set, slept through or out of reach.
    steady_from: Duration,
}

impl Discipline {
    /// Takes wall time up as it is.
    pub fn new(first: Reading) -> Self {
        let line = Line { from_boot_ns: nanos(first.boot), at_ns: first.wall.as_nanos(), error_ns: 0 };
        Self { line, state: State::Following, last: first, steady_from: first.boot }
    }

    /// Moves our time on to `at`, if that is later by no more than can be slewed away again: what an earlier process gave
    /// out is then not given out anew. For the start, before anybody has asked for the time; false where it stays.
    pub fn begin_at(&mut self, at: MediaTime, boot: Duration) -> bool {
        let now = self.now(boot);
        if at <= now || at.since(now) > MAX_SLEWED {
            return false;
        }
        let error_ns = self.line.error_ns.saturating_sub_unsigned(nanos(at.since(now)));
        self.line = Line { from_boot_ns: nanos(boot), at_ns: at.as_nanos(), error_ns };
        true
    }

    /// Our time at `boot`, which is not before the last observation.
    pub fn now(&self, boot: Duration) -> MediaTime {
        self.line.at(boot)
    }

    pub(super) const fn line(&self) -> Line {
        self.line
    }

    /// How long wall time has been beyond doubt; nothing while it is out of reach.
    pub fn steady_for(&self, boot: Duration) -> Duration {
        match self.state {
            State::Following => boot.saturating_sub(self.steady_from),
            State::Holding => Duration::ZERO,
        }
    }

    /// Compares our time with wall time and bends the line. Call about once a second.
    pub fn observe(&mut self, reading: Reading) -> Observed {
        let boot_ns = nanos(reading.boot);
        let now_ns = self.line.at_ns(boot_ns);
        let error_ns = signed_difference(reading.wall.as_nanos(), now_ns);
        let moved = signed_difference(reading.wall.as_nanos(), self.last.wall.as_nanos());
        let ran = signed_difference(boot_ns, nanos(self.last.boot));
        let stepped_ns = Some(moved.saturating_sub(ran)).filter(|by| by.unsigned_abs() >= nanos(STEP));
        let slept = Some(reading.suspended.saturating_sub(self.last.suspended)).filter(|slept| *slept >= NAP);
        let distance = if error_ns.unsigned_abs() <= nanos(MAX_SLEWED) { Distance::Near } else { Distance::Far };
        let state = self.state.step(distance);
        if stepped_ns.is_some() || slept.is_some() || state != self.state {
            self.steady_from = reading.boot;
        }
        let followed = if state == State::Following { error_ns } else { 0 };
        self.line = Line { from_boot_ns: boot_ns, at_ns: now_ns, error_ns: followed };
        self.state = state;
        self.last = reading;
        Observed { error_ns, stepped_ns, slept, holds: state == State::Holding }
    }
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

fn signed_difference(a: u64, b: u64) -> i64 {
    i64::try_from(i128::from(a) - i128::from(b)).unwrap_or(if a > b { i64::MAX } else { i64::MIN })
}

#[cfg(test)]
#[path = "discipline_tests.rs"]
mod tests;
