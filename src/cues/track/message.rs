//! What sources say, brought to one form: which event, what of it, and when.

use std::sync::Arc;
use std::time::Duration;

use super::super::daterange::{OlderTag, SourceRange};
use super::super::scte35::{
    Command, Insert, Role, Segmentation, Side, SpliceInfo, segmentation_name, segmentation_role,
};
use super::event::Key;
use crate::timeline::MediaTime;

/// What a source said.
#[derive(Clone, Debug, PartialEq)]
pub enum Signal {
    Section(SpliceInfo),
    /// A date range. The caller brings the source's dates to the grid: it knows how its clock stands to ours.
    Range {
        range: Box<SourceRange>,
        start: Option<MediaTime>,
        end: Option<MediaTime>,
    },
    Older(OlderTag),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Start {
        planned: Option<Duration>,
        auto_return: bool,
    },
    End,
    Cancel,
    /// Something of no length.
    Mark,
}

/// One thing that was said of one event.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub key: Key,
    pub what: What,
    /// `None`: now.
    pub at: Option<MediaTime>,
    pub role: Role,
    pub type_id: Option<u8>,
    pub name: &'static str,
    pub upid: Option<String>,
    pub hex: Option<Arc<str>>,
    pub class: Option<Arc<str>>,
    pub ends_on_next: bool,
}

impl Message {
    pub fn new(key: Key, what: What, at: Option<MediaTime>, role: Role, name: &'static str) -> Self {
        let (type_id, upid, hex, class) = (None, None, None, None);
        Self { key, what, at, role, type_id, name, upid, hex, class, ends_on_next: false }
    }
}

/// Ticks of 90 kHz as time.
pub fn ticks(ticks: u64) -> Duration {
    // 40 bits of ticks are 1.1e16 nanoseconds: far from 64 bits, but not before the division.
    Duration::from_nanos((u128::from(ticks) * 100_000 / 9) as u64)
}

/// What a signal says, in the order of its text. `at` is when what carried it is shown.
pub fn messages(signal: &Signal, at: Option<MediaTime>) -> Vec<Message> {
    match signal {
        Signal::Section(info) => of_section(info, at),
        Signal::Range { range, start, end } => of_range(range, *start, *end),
        Signal::Older(OlderTag::Section(info)) => of_section(info, at),
        Signal::Older(OlderTag::Out { duration }) => {
            vec![cue(What::Start { planned: *duration, auto_return: false }, at)]
        }
        Signal::Older(OlderTag::Continues { elapsed, duration }) => {
            let began = at.zip(*elapsed).map(|(at, elapsed)| at - elapsed).or(at);
            vec![cue(What::Start { planned: *duration, auto_return: false }, began)]
        }
        Signal::Older(OlderTag::In) => vec![cue(What::End, at)],
    }
}

fn cue(what: What, at: Option<MediaTime>) -> Message {
    Message::new(Key::Cue, what, at, Role::Break, "Break")
}

/// A section's command, and its segmentation descriptors where the command takes them to a point (9.7.4).
fn of_section(info: &SpliceInfo, at: Option<MediaTime>) -> Vec<Message> {
    let mut list = Vec::new();
    let other = |key, name| Message::new(key, What::Mark, at, Role::Other, name);
    match &info.command {
        Command::Insert(insert) => list.push(of_insert(insert, at)),
        Command::TimeSignal(_) if info.segmentations().next().is_none() => {
            list.push(other(Key::TimeSignal, "Time Signal"));
        }
        Command::TimeSignal(_) => {}
        Command::Schedule(_) => list.push(other(Key::Schedule, "Splice Schedule")),
        Command::Private { identifier, .. } => list.push(other(Key::Private(*identifier), "Private Command")),
        // Heartbeats and padding say nothing. What is encrypted or of a later edition cannot be told.
        Command::Null | Command::BandwidthReservation | Command::Encrypted | Command::Reserved { .. } => {}
    }
    if matches!(info.command, Command::Insert(_) | Command::TimeSignal(_)) {
        list.extend(info.segmentations().map(|segmentation| of_segmentation(segmentation, at)));
    }
    let hex: Arc<str> = info.hex().into();
    list.into_iter().map(|message| Message { hex: Some(hex.clone()), ..message }).collect()
}

fn of_insert(insert: &Insert, at: Option<MediaTime>) -> Message {
    let what = match &insert.splice {
        None => What::Cancel,
        Some(splice) if splice.out_of_network => What::Start {
            planned: splice.duration.map(|duration| ticks(duration.ticks)),
            auto_return: splice.duration.is_some_and(|duration| duration.auto_return),
        },
        Some(_) => What::End,
    };
    let immediate = insert.splice.as_ref().is_some_and(|splice| splice.immediate);
    let at = if immediate { None } else { at };
    Message::new(Key::Splice(insert.event_id), what, at, Role::Break, "Splice Insert")
}

fn of_segmentation(segmentation: &Segmentation, at: Option<MediaTime>) -> Message {
    let event_id = segmentation.event_id;
    let Some(segment) = &segmentation.segment else {
        // It names no type: every segment of this event.
        return Message::new(Key::Segment { event_id, type_id: 0 }, What::Cancel, at, Role::Other, "Cancellation");
    };
    let (role, side) = segmentation_role(segment.type_id);
    let planned = segment.duration_ticks.filter(|ticks| *ticks > 0).map(ticks);
    let (what, type_id) = match side {
        // However a programme begins, it ends as one.
        Side::Start { end: 0x11 } => (What::Start { planned, auto_return: false }, 0x10),
        Side::Start { .. } => (What::Start { planned, auto_return: false }, segment.type_id),
        Side::End { start } => (What::End, start),
        Side::Mark => (What::Mark, segment.type_id),
    };
    let key = Key::Segment { event_id, type_id };
    let upid = Some(segment.upid.to_string()).filter(|text| !text.is_empty());
    let type_id = Some(segment.type_id);
    Message { type_id, upid, ..Message::new(key, what, at, role, segmentation_name(segment.type_id)) }
}

/// A range, by the sections in it, or by itself where none can be read.
fn of_range(range: &SourceRange, start: Option<MediaTime>, end: Option<MediaTime>) -> Vec<Message> {
    let read = |carried: &Option<super::super::daterange::Carried>, at: Option<MediaTime>| {
        // Without a date it would be taken for now.
        let info = carried.as_ref().and_then(|carried| carried.info.as_ref()).filter(|_| at.is_some());
        info.map_or_else(Vec::new, |info| of_section(info, at))
    };
    // Some say the way back as a range of its own, whose date is that of the way back.
    let only_back = range.back_in.is_some() && range.out.is_none() && range.cmd.is_none();
    let end = end.or(start.filter(|_| only_back));
    // What is immediate in a section happened at the range's date.
    let dated = |list: Vec<Message>, at| list.into_iter().map(move |message| Message { at, ..message });
    let mut list: Vec<Message> = dated(read(&range.out, start), start).collect();
    list.extend(dated(read(&range.cmd, start), start));
    for message in &mut list {
        if let What::Start { planned, .. } = &mut message.what {
            *planned = planned.or(range.planned_duration);
            (message.class, message.ends_on_next) = (range.class.as_deref().map(Arc::from), range.end_on_next);
        }
    }
    let ends: Vec<Message> = dated(read(&range.back_in, end), end).collect();
    if list.is_empty() && ends.is_empty() {
        return of_plain_range(range, start, end);
    }
    // The range's own end holds where no section says it.
    let unsaid = list.iter().filter(|m| matches!(m.what, What::Start { .. }) && end.is_some());
    let unsaid = unsaid.filter(|m| !ends.iter().any(|e| e.key == m.key));
    let own: Vec<Message> = unsaid.map(|m| Message { what: What::End, at: end, hex: None, ..m.clone() }).collect();
    list.extend(own);
    list.extend(ends);
    list
}

fn of_plain_range(range: &SourceRange, start: Option<MediaTime>, end: Option<MediaTime>) -> Vec<Message> {
    let key = Key::Range(range.id.as_str().into());
    let class = range.class.as_deref().map(Arc::from);
    let role = if range.out.is_some() || range.back_in.is_some() { Role::Break } else { Role::Other };
    let hex = |carried: &Option<super::super::daterange::Carried>| {
        carried.as_ref().map(|carried| Arc::from(format!("0x{}", hex::encode_upper(&carried.bytes))))
    };
    let said = |what, at| Message::new(key.clone(), what, Some(at), role, "Date Range");
    let mut list = Vec::new();
    if let Some(start) = start {
        let what = match end {
            Some(end) if end == start => What::Mark,
            _ => What::Start { planned: range.planned_duration, auto_return: false },
        };
        let opening = hex(&range.out).or(hex(&range.cmd));
        list.push(Message { hex: opening, class, ends_on_next: range.end_on_next, ..said(what, start) });
    }
    if let Some(end) = end.filter(|end| start != Some(*end)) {
        list.push(Message { hex: hex(&range.back_in), ..said(What::End, end) });
    }
    list
}
