//! One event of a game, from the first word of it to its end: a pure state machine.

use std::sync::Arc;
use std::time::Duration;

use super::super::scte35::Role;
use super::Policy;
use crate::timeline::MediaTime;

/// What messages name an event by, whoever sends them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// splice_insert, by splice_event_id.
    Splice(u32),
    /// Segmentation, by segmentation_event_id and the type that begins it.
    Segment { event_id: u32, type_id: u8 },
    /// time_signal without a descriptor.
    TimeSignal,
    /// splice_schedule.
    Schedule,
    /// private_command, by whose it is.
    Private(u32),
    /// A source's date range without a section, by its ID.
    Range(Arc<str>),
    /// A break of the tags before date ranges, which have no name.
    Cue,
    /// An operator's, by the id that was asked for or given.
    Operator(Arc<str>),
}

/// Who said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = CueSource)]
pub enum Source {
    Ts,
    Hls,
    Operator,
}

/// Why an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CueEndedBy)]
pub enum EndedBy {
    /// It was said so.
    Signal,
    /// By itself, as it was said at its beginning.
    AutoReturn,
    /// It was as long as planned, and nobody said a word.
    PlannedEnd,
    /// Policy ended it: nobody said a word for so long, there was no more room for it, or its game got another source.
    Cap,
    /// It was cancelled after it had begun.
    Cancelled,
    /// Another of its name began.
    Replaced,
    /// It stands for an instant.
    Instant,
}

/// Where an event is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Known, not listed; everything about it may change.
    Pending,
    /// Near enough to be listed: what is listed of it stays as it is.
    Announced,
    /// It has begun.
    Open,
    Ended {
        at: MediaTime,
        by: EndedBy,
    },
    /// It never was.
    Cancelled,
}

/// What happens to an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// It was said (again) that it begins at `at`.
    Start { at: MediaTime, planned: Option<Duration>, auto_return: bool },
    /// It was said that it ends at `at`.
    End { at: MediaTime, by: EndedBy },
    /// It is not to be, by what was said or by policy.
    Cancel { by: EndedBy },
    /// Time has passed.
    Tick,
}

/// What came of a trigger; the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It comes too late, or is about nothing that is known.
    Ignored,
    /// It would cost more than its game may have listed.
    Refused,
    /// It was known.
    Repeated,
    /// Something changed.
    Changed,
    /// Something is known that was not.
    New,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Unique in the game for ever: it has its first start in it.
    pub id: String,
    pub key: Key,
    pub role: Role,
    pub type_id: Option<u8>,
    pub name: &'static str,
    pub source: Source,
    /// It has no length.
    pub instant: bool,
    /// A way back into the programme that nothing led out of.
    pub orphan: bool,
    pub upid: Option<String>,
    /// The sections that began and ended it, as hexadecimal-sequences.
    pub hex: Option<Arc<str>>,
    pub end_hex: Option<Arc<str>>,
    /// It ends where the next range of this class begins (END-ON-NEXT).
    pub ends_on_next_of: Option<Arc<str>>,
    pub starts_at: MediaTime,
    /// Where it was first said to begin: its id has that in it.
    pub first_said: MediaTime,
    pub planned: Option<Duration>,
    pub auto_return: bool,
    /// An end that was said, with why.
    pub ends: Option<(MediaTime, EndedBy)>,
    pub state: State,
    /// How often it was moved after it had been listed: a listed START-DATE cannot change, so the range gets another ID.
    pub moves: u32,
    /// Its date range's line as it was first listed.
    pub opening: Option<String>,
    /// The line that was added at its end.
    pub closing: Option<String>,
}

impl Event {
    pub fn on(&mut self, trigger: Trigger, now: MediaTime, policy: &Policy) -> Outcome {
        match (self.state, trigger) {
            (State::Pending | State::Announced, Trigger::Start { at, planned, auto_return }) => {
                self.said_again(at, planned, auto_return, policy)
            }
            (State::Open, Trigger::Start { planned, auto_return, .. }) => self.replan(planned, auto_return),
            // What ended stays ended; another of its name is another event.
            (State::Ended { .. } | State::Cancelled, Trigger::Start { .. }) => Outcome::Repeated,
            // An end before the beginning is an older event's.
            (State::Pending | State::Announced | State::Open, Trigger::End { at, .. }) if at < self.starts_at => {
                Outcome::Ignored
            }
            (State::Pending | State::Announced | State::Open, Trigger::End { at, by }) => self.set_end(at, by, policy),
            (State::Ended { .. } | State::Cancelled, Trigger::End { .. }) => Outcome::Repeated,
            // Before its time it never was; RFC 8216bis 4.4.5.1.1: "A canceled splice SHOULD NOT appear in the Playlist".
            (State::Pending | State::Announced, Trigger::Cancel { .. }) => {
                self.state = State::Cancelled;
                self.opening = None;
                Outcome::Changed
            }
            (State::Open, Trigger::Cancel { by }) => {
                let at = policy.on_grid(now).max(self.starts_at);
                self.state = State::Ended { at, by };
                Outcome::Changed
            }
            (State::Ended { .. } | State::Cancelled, Trigger::Cancel { .. }) => Outcome::Repeated,
            (State::Pending, Trigger::Tick) if now + policy.announce_lead >= self.starts_at => {
                self.state = State::Announced;
                Outcome::Changed
            }
            (State::Announced, Trigger::Tick) if now >= self.starts_at => {
                self.state = State::Open;
                Outcome::Changed
            }
            (State::Open, Trigger::Tick) => self.end_if_due(now, policy),
            (State::Pending | State::Announced | State::Ended { .. } | State::Cancelled, Trigger::Tick) => {
                Outcome::Ignored
            }
        }
    }

    fn said_again(&mut self, at: MediaTime, planned: Option<Duration>, auto_return: bool, policy: &Policy) -> Outcome {
        let replanned = self.replan(planned, auto_return);
        if policy.is_same(at, self.starts_at) {
            return replanned;
        }
        self.starts_at = at;
        if self.ends.is_some_and(|(end, _)| end < at) {
            self.ends = None;
        }
        if self.state == State::Announced {
            self.state = State::Pending;
            self.moves += 1;
            self.opening = None;
        }
        Outcome::Changed
    }

    /// A repeat without a duration takes none away.
    fn replan(&mut self, planned: Option<Duration>, auto_return: bool) -> Outcome {
        if planned.is_none() || (self.planned, self.auto_return) == (planned, auto_return) {
            return Outcome::Repeated;
        }
        (self.planned, self.auto_return) = (planned, auto_return);
        Outcome::Changed
    }

    fn set_end(&mut self, at: MediaTime, by: EndedBy, policy: &Policy) -> Outcome {
        match self.ends {
            Some((known, was)) if was == by && policy.is_same(known, at) => Outcome::Repeated,
            _ => {
                self.ends = Some((at, by));
                Outcome::Changed
            }
        }
    }

    fn end_if_due(&mut self, now: MediaTime, policy: &Policy) -> Outcome {
        let (decided_at, at, by) = self.due(policy);
        if now < decided_at {
            return Outcome::Ignored;
        }
        self.state = State::Ended { at, by };
        Outcome::Changed
    }

    /// When its end is decided if nothing more is said, where the end then is, and why.
    fn due(&self, policy: &Policy) -> (MediaTime, MediaTime, EndedBy) {
        if self.instant {
            return (self.starts_at, self.starts_at, EndedBy::Instant);
        }
        let cap = self.starts_at + policy.cap(self.role);
        let planned_end = self.planned.map(|planned| policy.on_grid(self.starts_at + planned));
        let by_plan = match planned_end {
            Some(end) if self.auto_return => Some((end, end, EndedBy::AutoReturn)),
            // Many senders never send the end of what has a duration. It gets a moment, as ends come a little late. But
            // a splice without auto_return waits for its way back (9.8.2), and programmes and chapters run over.
            Some(end) if self.ends_as_planned() => Some((end + policy.overrun, end, EndedBy::PlannedEnd)),
            _ => None,
        };
        let unsaid = by_plan.filter(|(_, end, _)| *end <= cap).unwrap_or((cap, cap, EndedBy::Cap));
        match self.ends {
            // It may have ended long before the next one came.
            Some((at, EndedBy::Replaced)) if unsaid.1 <= at => unsaid,
            Some((at, by)) => (at, at, by),
            None => unsaid,
        }
    }

    fn ends_as_planned(&self) -> bool {
        matches!(self.role, Role::Break | Role::Overlay) && !matches!(self.key, Key::Splice(_))
    }

    /// Where it ends as far as is known; `None` where only policy would end it, or where it runs over.
    pub fn expected_end(&self, now: MediaTime, policy: &Policy) -> Option<MediaTime> {
        match self.state {
            State::Ended { at, .. } => Some(at),
            State::Cancelled => Some(self.starts_at),
            State::Pending | State::Announced | State::Open => {
                let said = self.ends.map(|(at, _)| at).or(self.instant.then_some(self.starts_at));
                let planned = self.planned.map(|planned| policy.on_grid(self.starts_at + planned));
                said.or(planned.filter(|end| self.auto_return || *end > now))
            }
        }
    }

    /// Whether `at` lies within it, as far as is known.
    pub fn covers(&self, at: MediaTime) -> bool {
        let end = match self.state {
            State::Cancelled => return false,
            State::Ended { at, .. } => Some(at),
            State::Pending | State::Announced | State::Open => self.ends.map(|(at, _)| at),
        };
        self.starts_at <= at && end.is_none_or(|end| at < end)
    }

    /// Whether its own end was said, not just another's beginning.
    pub fn end_is_said(&self) -> bool {
        self.ends.is_some_and(|(_, by)| by != EndedBy::Replaced)
    }

    /// Whether it is over by `at`, or can be.
    pub fn ends_for(&self, at: MediaTime) -> bool {
        match (self.state, self.ends) {
            (State::Ended { at: end, .. }, _) | (State::Open, Some((end, EndedBy::Signal))) => end <= at,
            (State::Pending | State::Announced | State::Open, _) => self.starts_at < at,
            (State::Cancelled, _) => true,
        }
    }

    pub fn ended_at(&self) -> Option<MediaTime> {
        match self.state {
            State::Ended { at, .. } => Some(at),
            State::Pending | State::Announced | State::Open | State::Cancelled => None,
        }
    }

    /// It has begun or will, and has not ended.
    pub fn is_live(&self) -> bool {
        matches!(self.state, State::Pending | State::Announced | State::Open)
    }
}
