//! What holds of a game's cues: every message is taken in once, whoever sends it, however often, in whatever order.
//!
//! Pure: every call is told the time. Two processes that are fed the same messages at the same times hold the same track.

#[cfg(test)]
mod any_tests;
mod budget;
mod event;
mod lines;
mod message;
mod operator;
mod policy;
mod room;
#[cfg(test)]
mod room_tests;
mod take;
#[cfg(test)]
mod tests;
mod view;

use std::collections::VecDeque;
use std::sync::Arc;

use crate::timeline::MediaTime;

pub use budget::Troubles;
pub use event::{EndedBy, Outcome, Source};
pub use message::Signal;
pub use operator::{BeginBreak, BreakError, ByHand};
pub use policy::Policy;
pub use view::{Break, CueEvent, CueState, Direction, InBreak, Kind, RangeLine};

use budget::Budget;
use event::{Event, Key, State, Trigger};

/// Immediate messages that are remembered to know their echoes.
const MAX_ECHOES: usize = 64;

/// The cues of one game.
#[derive(Clone, Debug)]
pub struct CueTrack {
    game: Arc<str>,
    policy: Policy,
    /// In the order in which they became known. At most `policy.max_events`.
    events: Vec<Event>,
    /// Messages without a time, and when they last came.
    echoes: VecDeque<Echo>,
    now: MediaTime,
    /// What sources may say yet.
    budget: Budget,
    /// The latest beginning of an event that made room for another.
    forgotten: MediaTime,
    /// The latest time in the id of one that did, and how many did: such an id is not given again.
    last_id: MediaTime,
    removed: u64,
}

#[derive(Clone, Debug)]
struct Echo {
    key: Key,
    hex: Arc<str>,
    seen: MediaTime,
}

impl CueTrack {
    /// The track of the game whose id is `game`.
    pub fn new(game: &str, policy: Policy) -> Self {
        let (now, forgotten, last_id) = (MediaTime::ZERO, MediaTime::ZERO, MediaTime::ZERO);
        let (events, echoes, budget) = (Vec::new(), VecDeque::new(), Budget::default());
        Self { game: game.into(), policy, events, echoes, now, budget, forgotten, last_id, removed: 0 }
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Takes in what a source said. It arrived at `arrival` and is about `at`, or about its arrival. Time never goes back: an
    /// earlier `arrival` is taken for the latest.
    pub fn feed(&mut self, arrival: MediaTime, at: Option<MediaTime>, signal: &Signal, source: Source) -> Outcome {
        // What was due before is settled first: what was listed by then stays, whatever this says.
        self.advance(arrival);
        let messages = message::messages(signal, at);
        let outcome = messages.into_iter().map(|message| self.take(message, source)).max();
        self.settle();
        self.trim();
        outcome.unwrap_or(Outcome::Ignored)
    }

    /// It is `now`: what is due begins and ends. Call at least once a segment, before a playlist is written.
    pub fn advance(&mut self, now: MediaTime) {
        self.now = now.max(self.now);
        self.settle();
        let oldest = self.now.saturating_sub(self.policy.history);
        self.events.retain(|event| match event.state {
            State::Ended { at, .. } => at.max(event.first_said) >= oldest,
            State::Cancelled => event.starts_at.max(event.first_said) >= oldest,
            State::Pending | State::Announced | State::Open => true,
        });
        let patience = self.policy.repeat_within;
        self.echoes.retain(|echo| echo.seen + patience >= self.now);
    }

    /// Brings every event to where it is now, and writes the lines that are due.
    fn settle(&mut self) {
        for event in &mut self.events {
            // Four states lie in a row; each tick moves one on.
            while event.on(Trigger::Tick, self.now, &self.policy) == Outcome::Changed {
                lines::write(event, &self.game);
            }
            lines::write(event, &self.game);
        }
    }
}
