//! Signals that wait for a clock.

use super::signals::{FeedSignal, Signalled, Signals};
use crate::cadence::SourceClock;
use crate::cues::track::{Signal, Source};
use crate::timeline::MediaTime;

/// What is done with them.
#[derive(arbitrary::Arbitrary, Debug)]
pub enum Step {
    Anchor(i64),
    Release,
    Observe(i64),
    Clear,
    Take,
}

/// Signals of a feed and its clock.
pub struct Waiting {
    signals: Signals,
    clock: SourceClock,
}

/// Source times as far from zero as any is taken.
pub fn source_time(at: i64) -> i64 {
    at % (1 << 59)
}

impl Waiting {
    pub fn new(live: bool) -> Self {
        let clock = if live { SourceClock::live(std::time::Duration::from_millis(500)) } else { SourceClock::pulled() };
        Self { signals: Signals::default(), clock }
    }

    pub fn push(&mut self, signal: Signal, source: Source, arrived: MediaTime, at: Option<i64>, ends: Option<i64>) {
        let (at, ends) = (at.map(source_time), ends.map(source_time));
        self.signals.push(Signalled { signal, source, arrived, at, ends });
    }

    /// What comes of them, at most as much as is kept.
    pub fn step(&mut self, step: &Step, now: MediaTime) -> Vec<FeedSignal> {
        match step {
            Step::Anchor(at) => self.clock.anchor(source_time(*at), now),
            Step::Release => self.clock.release(),
            Step::Observe(at) => self.clock.observe(source_time(*at), now),
            Step::Clear => self.signals.clear(),
            Step::Take => {
                let taken = self.signals.take(&self.clock, now);
                assert!(taken.len() <= 512 && (taken.is_empty() || self.clock.is_anchored()));
                return taken;
            }
        }
        Vec::new()
    }
}
