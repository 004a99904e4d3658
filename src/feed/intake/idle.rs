//! Whether a source delivers, and for how long it has not.

use std::time::{Duration, Instant};

use super::{Intake, Phase};
use crate::timeline::MediaTime;

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
