//! Whether a source delivers, and for how long it has not.

use std::time::{Duration, Instant};

use super::{Intake, Phase, State, Timing};
use crate::cadence::{SourceNanos, Step};
use crate::timeline::MediaTime;

/// For how long ticks have passed in which no picture was new though the source brought some: their times may be such that none is ever due, or that each comes
/// before the one that is shown.
#[derive(Debug, Default)]
pub(super) struct Unseen {
    since: Option<Instant>,
    ticked: Duration,
}

impl Unseen {
    pub fn passes(&mut self, time: Duration) {
        self.since.get_or_insert_with(Instant::now);
        self.ticked += time;
    }
}

impl State {
    /// Whether a pulled source's pictures have a hole at `want` in which its sound plays: they come in their place.
    pub(super) fn is_in_a_hole(&self, want: SourceNanos) -> bool {
        let is_hole = self.pictures.peek().is_some_and(|(_, next)| matches!(next.step, Step::Hole(_)));
        self.timing == Timing::Pulled && is_hole && self.sound_plays(want)
    }
}

impl Intake {
    /// Real time and our time since a picture arrived or, if later, since the given start; zero while the source waits
    /// for us.
    pub fn idle_since(&self, started: (Instant, MediaTime), now: MediaTime) -> (Duration, Duration) {
        let state = self.state.lock();
        if !state.clock.is_live() && (state.pictures.is_full() || state.sound_has_to_wait()) {
            return (Duration::ZERO, Duration::ZERO);
        }
        let (real, media) = state.last_arrival.unwrap_or(started);
        (real.max(started.0).elapsed(), now.since(media.max(started.1)))
    }

    /// Real time and our time for which a source that brings pictures has shown no new one, beyond what they are early by and the game is late by.
    pub fn unseen_for(&self, now: MediaTime) -> (Duration, Duration) {
        let state = self.state.lock();
        let lead = match state.timing {
            Timing::Live(lead) => lead,
            Timing::OnGrid | Timing::Pulled => Duration::ZERO,
        };
        let delay = Duration::from_nanos(state.clock.delay_at(now).max(0).unsigned_abs());
        let real = state.unseen.since.map_or(Duration::ZERO, |since| since.elapsed());
        (real, state.unseen.ticked.saturating_sub(lead + delay))
    }

    /// Whether a picture arrived within `recently` before `now`, or waits for somebody to look.
    pub fn is_fed(&self, now: MediaTime, recently: Duration) -> bool {
        let state = self.state.lock();
        state.phase != Phase::Stopped
            && (!state.pictures.is_empty() || state.last_arrival.is_some_and(|(_, at)| now.since(at) <= recently))
    }

    /// Whether the source that runs brought a picture within `recently` before `now`.
    pub fn has_lately(&self, now: MediaTime, recently: Duration) -> bool {
        let state = self.state.lock();
        state.phase == Phase::Running && state.last_arrival.is_some_and(|(_, at)| now.since(at) <= recently)
    }
}

#[cfg(test)]
#[path = "idle_tests.rs"]
mod tests;
