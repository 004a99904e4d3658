//! Breaks that an operator begins and ends by hand.

use std::time::Duration;

use super::super::scte35::Role;
use super::CueTrack;
use super::event::{EndedBy, Event, Key, Outcome, Source, State, Trigger};
use super::message::{Message, What};
use super::view::CueEvent;
use crate::timeline::MediaTime;

const MAX_ID_BYTES: usize = 64;

/// A break is announced this long before it begins at most.
const MOST_AHEAD: Duration = Duration::from_secs(600);

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = BreakRequest, examples(json!({ "duration_s": 90, "starts_in_s": 10, "id": "break-1" })))]
pub struct BeginBreak {
    /// It ends by itself after so many seconds.
    pub duration_s: Option<f64>,
    /// It begins in so many seconds, up to 600, so that whoever fills it has the time; now when absent.
    pub starts_in_s: Option<f64>,
    /// A name of the operator's own; else one is made.
    pub id: Option<String>,
}

/// A break that was begun by hand, as it is kept: sources say theirs again, and nobody says these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ByHand {
    pub name: String,
    pub starts_at: MediaTime,
    pub planned: Option<Duration>,
    /// Where it was ended by hand.
    pub ends_at: Option<MediaTime>,
    /// It was called off before it began.
    pub is_cancelled: bool,
}

/// Why a break is neither begun nor ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BreakError {
    #[error("an `id` has 1 to 64 letters, digits, dots, hyphens or underscores")]
    Id,
    #[error("`duration_s` must be more than 0 and at most {max_s}")]
    Duration { max_s: u64 },
    #[error("`starts_in_s` must be at least 0 and at most {max_s}")]
    StartsIn { max_s: u64 },
    #[error("break {id:?} is running")]
    Running { id: String },
    #[error("there is no break {id:?}")]
    Unknown { id: String },
    #[error("break {id:?} has ended")]
    Ended { id: String },
    #[error("the game has too many cues")]
    Full,
    #[error("game {game:?} is also other tenants': its breaks are those that its source says")]
    Shared { game: String },
}

impl CueTrack {
    /// Begins a break now.
    ///
    /// # Errors
    /// [`BreakError`].
    pub fn begin_break(&mut self, now: MediaTime, asked: &BeginBreak) -> Result<CueEvent, BreakError> {
        self.advance(now);
        let planned = asked.duration_s.map(|seconds| self.duration(seconds)).transpose()?;
        let ahead = Duration::try_from_secs_f64(asked.starts_in_s.unwrap_or(0.0)).ok();
        let ahead = ahead.filter(|ahead| *ahead <= MOST_AHEAD);
        let ahead = ahead.ok_or(BreakError::StartsIn { max_s: MOST_AHEAD.as_secs() })?;
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let id = match &asked.id {
            Some(id) if id.is_empty() || id.len() > MAX_ID_BYTES || !id.bytes().all(good) => {
                return Err(BreakError::Id);
            }
            Some(id) => id.clone(),
            None => format!("break-{}", self.now.unix_millis()),
        };
        let key = Key::Operator(id.as_str().into());
        if self.events.iter().any(|event| event.key == key && event.is_live()) {
            return Err(BreakError::Running { id });
        }
        let what = What::Start { planned, auto_return: planned.is_some() };
        let message = Message::new(key.clone(), what, None, Role::Break, "Operator Break");
        // Now is never before the last one's end, but the frame nearest to now may be.
        let at = self.policy.on_grid(self.now + ahead);
        let last = self.events.iter().filter(|e| e.key == key).filter_map(Event::ended_at).max();
        if self.create(message, last.map_or(at, |end| end.max(at)), Source::Operator, false) != Outcome::New {
            return Err(BreakError::Full);
        }
        self.settle();
        self.events.last().map(|event| self.view(event)).ok_or(BreakError::Full)
    }

    /// Ends a break now: an operator's by the id it was begun with, any by its event's id.
    ///
    /// # Errors
    /// [`BreakError`].
    pub fn end_break(&mut self, now: MediaTime, id: &str) -> Result<CueEvent, BreakError> {
        self.advance(now);
        let is_meant = |event: &Event| {
            let by_name = matches!(&event.key, Key::Operator(name) if **name == *id);
            (by_name || event.id == id) && event.role == Role::Break && !event.orphan
        };
        let Some(i) = self.events.iter().rposition(is_meant) else {
            return Err(BreakError::Unknown { id: id.chars().take(MAX_ID_BYTES).collect() });
        };
        let (policy, now) = (self.policy, self.now);
        let event = &mut self.events[i];
        // The frame nearest to now may lie before the one that it began with.
        let at = policy.on_grid(now).max(event.starts_at);
        let cancel = Trigger::Cancel { by: EndedBy::Cancelled };
        let trigger = if event.starts_at > now { cancel } else { Trigger::End { at, by: EndedBy::Signal } };
        if event.on(trigger, now, &policy) == Outcome::Repeated {
            return Err(BreakError::Ended { id: id.to_owned() });
        }
        self.settle();
        Ok(self.view(&self.events[i]))
    }

    /// What is to be kept of a break that was begun by hand, by its event's id; `None` where it was not, or is not known.
    pub fn by_hand(&self, id: &str) -> Option<ByHand> {
        let event = self.events.iter().rfind(|event| event.id == id)?;
        let Key::Operator(name) = &event.key else { return None };
        Some(ByHand {
            name: name.to_string(),
            starts_at: event.starts_at,
            planned: event.planned,
            ends_at: event.ends.map(|(at, _)| at),
            is_cancelled: event.state == State::Cancelled,
        })
    }

    /// Goes on with a break that another process began by hand: it has the same id and the same lines as there. One that is over by `now` ended when it
    /// was to. The earliest first.
    pub fn resume(&mut self, now: MediaTime, kept: &ByHand) {
        self.advance(now);
        let what = What::Start { planned: kept.planned, auto_return: kept.planned.is_some() };
        let key = Key::Operator(kept.name.as_str().into());
        let message = Message::new(key, what, None, Role::Break, "Operator Break");
        if kept.is_cancelled
            || self.create(message, self.policy.on_grid(kept.starts_at), Source::Operator, false) != Outcome::New
        {
            return;
        }
        let (policy, now) = (self.policy, self.now);
        // It was listed before anybody ended it.
        self.now = now.min(policy.on_grid(kept.starts_at));
        self.settle();
        if let (Some(event), Some(at)) = (self.events.last_mut(), kept.ends_at) {
            event.on(Trigger::End { at, by: EndedBy::Signal }, self.now, &policy);
        }
        self.advance(now);
    }

    fn duration(&self, seconds: f64) -> Result<Duration, BreakError> {
        let max = self.policy.max_break;
        let error = BreakError::Duration { max_s: max.as_secs() };
        Duration::try_from_secs_f64(seconds).ok().filter(|d| !d.is_zero() && *d <= max).ok_or(error)
    }
}
