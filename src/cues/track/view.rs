//! What others see of a track.

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::super::scte35::Role;
use super::CueTrack;
use super::event::{EndedBy, Event, Source, State};
use super::lines::range_id;
use crate::timeline::MediaTime;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CueKind)]
pub enum Kind {
    Break,
    Overlay,
    Programme,
    Chapter,
    Network,
    Other,
}

/// Whether it leads out of the programme, back into it, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = CueDirection)]
pub enum Direction {
    Out,
    In,
    None,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CueState {
    Pending,
    Announced,
    Open,
    Ended,
}

/// An event as `GET /v1/games/{id}/cues` tells it.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct CueEvent {
    pub id: String,
    pub kind: Kind,
    /// segmentation_type_id (ANSI/SCTE 35 2023, table 23).
    pub type_id: Option<u8>,
    pub type_name: &'static str,
    pub direction: Direction,
    pub state: CueState,
    /// RFC 3339.
    pub starts_at: String,
    /// Where it ended, or will as was said.
    pub ends_at: Option<String>,
    pub planned_duration_s: Option<f64>,
    pub duration_s: Option<f64>,
    pub ended_by: Option<EndedBy>,
    pub upid: Option<String>,
    pub source: Source,
    /// The section that began it, in hex.
    #[schema(value_type = Option<String>)]
    pub scte35: Option<Arc<str>>,
    /// The section that ended it.
    #[schema(value_type = Option<String>)]
    pub scte35_in: Option<Arc<str>>,
}

/// The break a game is in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InBreak {
    /// The event's id: the outermost, where one lies within another.
    pub id: String,
    pub since: MediaTime,
    /// When the game is back, where that is known.
    pub until: Option<MediaTime>,
}

/// A break of a game, from the beginning of its first event to the end of its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Break {
    /// The id of the event that it begins with.
    pub id: String,
    pub starts_at: MediaTime,
    /// When the game is back, where that is known.
    pub ends_at: Option<MediaTime>,
}

/// An EXT-X-DATERANGE line, without its end of line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeLine {
    /// The range's ID.
    pub id: String,
    /// Its START-DATE.
    pub starts_at: MediaTime,
    pub text: String,
}

impl CueTrack {
    /// The events that lie, or lie in part, in `span`, by their beginning.
    pub fn events(&self, span: Range<MediaTime>) -> Vec<CueEvent> {
        let mut list: Vec<&Event> = self.events.iter().filter(|event| overlaps(event, &span)).collect();
        list.sort_by_key(|event| event.starts_at);
        list.into_iter().map(|event| self.view(event)).collect()
    }

    /// Whether the game is in a break at `at`, as far as is known. Of an end that nobody says this is learnt `overrun` late.
    pub fn in_break(&self, at: MediaTime) -> Option<InBreak> {
        let breaks = self.events.iter().filter(|event| event.role == Role::Break && !event.instant);
        let mut running: Vec<&Event> = breaks.filter(|event| self.lies_in(event, at)).collect();
        running.sort_by_key(|event| event.starts_at);
        let outermost = running.first()?;
        // It lasts as long as the longest; where one has no known end, so has the whole.
        let until = running.iter().map(|event| event.expected_end(self.now.max(at), &self.policy));
        let until = until.collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
        Some(InBreak { id: outermost.id.clone(), since: outermost.starts_at, until })
    }

    /// Whether a break is to be kept from viewers at `at`, where policy wants that. It ends where it was said to, but no later
    /// than planned, whoever is late with its end, and where nothing was planned no later than by policy.
    pub fn is_off_air(&self, at: MediaTime) -> bool {
        self.was_off_air(at, at)
    }

    /// Whether it was so at any time from `from` to `to`.
    pub fn was_off_air(&self, from: MediaTime, to: MediaTime) -> bool {
        let mut breaks = self.events.iter().filter(|event| event.role == Role::Break && !event.instant);
        breaks.any(|event| {
            let said = match event.state {
                State::Cancelled => return false,
                State::Ended { at, .. } => Some(at),
                State::Pending | State::Announced | State::Open => event.ends.map(|(at, _)| at),
            };
            let cap = self.policy.cap(event.role);
            let planned = event.planned.filter(|planned| !planned.is_zero()).map_or(cap, |planned| planned.min(cap));
            let planned_end = self.policy.on_grid(event.starts_at + planned);
            event.starts_at <= to && from < said.map_or(planned_end, |said| said.min(planned_end))
        })
    }

    /// The breaks that lie, or lie in part, in `span`, by their beginning: those that overlap or follow each other without a pause are one. One ends where it was
    /// said to, sooner or later than planned, where nothing was said as planned, and in any case no later than by policy.
    pub fn breaks(&self, span: Range<MediaTime>) -> Vec<Break> {
        let mut events: Vec<&Event> = self.events.iter().filter(|event| event.role == Role::Break).collect();
        events.retain(|event| !event.instant && event.state != State::Cancelled);
        events.sort_by_key(|event| event.starts_at);
        let mut breaks: Vec<Break> = Vec::new();
        for event in events {
            let Event { starts_at, .. } = *event;
            let ends_at = self.break_end(event);
            match breaks.last_mut().filter(|last| last.ends_at.is_none_or(|end| starts_at <= end)) {
                // One that goes on for nobody knows how long ends with the last of them.
                Some(last) => last.ends_at = last.ends_at.zip(ends_at).map(|(one, other)| one.max(other)),
                None => breaks.push(Break { id: event.id.clone(), starts_at, ends_at }),
            }
        }
        let is_over = |its: &Break| its.ends_at.is_some_and(|end| end <= span.start || end <= its.starts_at);
        breaks.retain(|its| its.starts_at < span.end && !is_over(its));
        breaks
    }

    fn break_end(&self, event: &Event) -> Option<MediaTime> {
        let said = match event.state {
            State::Ended { at, .. } => Some(at),
            _ => event.ends.map(|(at, _)| at),
        };
        let cap = self.policy.cap(event.role);
        let planned = event.planned.filter(|planned| !planned.is_zero()).map(|planned| planned.min(cap));
        let planned = planned.map(|planned| self.policy.on_grid(event.starts_at + planned));
        let by_policy = self.policy.on_grid(event.starts_at + cap);
        said.map(|said| said.min(by_policy)).or(planned).or((self.now >= by_policy).then_some(by_policy))
    }

    fn lies_in(&self, event: &Event, at: MediaTime) -> bool {
        // What ends by itself ends there, though that is still to come.
        let planned = event.planned.filter(|_| event.auto_return && event.is_live() && !event.end_is_said());
        let ends = planned.map(|planned| self.policy.on_grid(event.starts_at + planned));
        event.covers(at) && ends.is_none_or(|end| at < end)
    }

    /// The lines for a playlist whose segments are of `window`: every range that lies in it in part, its first line and, once
    /// it has ended, its second. A line that was given stays the same for ever; it goes with its range alone.
    pub fn date_ranges(&self, window: Range<MediaTime>) -> Vec<RangeLine> {
        let mut list: Vec<&Event> = self.events.iter().filter(|event| overlaps(event, &window)).collect();
        list.sort_by_key(|event| event.starts_at);
        let lines = list.into_iter().flat_map(|event| {
            let texts = [&event.opening, &event.closing].into_iter().flatten();
            texts.map(|text| RangeLine { id: range_id(event), starts_at: event.starts_at, text: text.clone() })
        });
        lines.collect()
    }

    pub(super) fn view(&self, event: &Event) -> CueEvent {
        let planned =
            event.planned.filter(|_| event.is_live()).map(|planned| self.policy.on_grid(event.starts_at + planned));
        let ends_at = event.ended_at().or(event.ends.map(|(at, _)| at)).or(planned);
        let state = match event.state {
            State::Pending => CueState::Pending,
            State::Announced => CueState::Announced,
            State::Open => CueState::Open,
            State::Ended { .. } | State::Cancelled => CueState::Ended,
        };
        CueEvent {
            id: event.id.clone(),
            kind: kind(event.role),
            type_id: event.type_id,
            type_name: event.name,
            direction: direction(event),
            state,
            starts_at: event.starts_at.to_string(),
            ends_at: ends_at.map(|at| at.to_string()),
            planned_duration_s: event.planned.map(|planned| planned.as_secs_f64()),
            duration_s: ends_at.map(|at| at.since(event.starts_at).as_secs_f64()),
            ended_by: match event.state {
                State::Ended { by, .. } => Some(by),
                State::Cancelled => Some(EndedBy::Cancelled),
                State::Pending | State::Announced | State::Open => None,
            },
            upid: event.upid.clone(),
            source: event.source,
            scte35: event.hex.clone(),
            scte35_in: event.end_hex.clone(),
        }
    }
}

fn overlaps(event: &Event, span: &Range<MediaTime>) -> bool {
    if event.state == State::Cancelled || event.starts_at >= span.end {
        return false;
    }
    let end = event.ended_at().or(event.instant.then_some(event.starts_at));
    // An instant lies in a span that begins with it.
    end.is_none_or(|end| end > span.start || (end == event.starts_at && end == span.start))
}

fn direction(event: &Event) -> Direction {
    match (event.role, event.orphan, event.instant) {
        (Role::Break, true, _) => Direction::In,
        (Role::Break, false, false) => Direction::Out,
        _ => Direction::None,
    }
}

fn kind(role: Role) -> Kind {
    match role {
        Role::Break => Kind::Break,
        Role::Overlay => Kind::Overlay,
        Role::Programme => Kind::Programme,
        Role::Chapter => Kind::Chapter,
        Role::Network => Kind::Network,
        Role::Other => Kind::Other,
    }
}
