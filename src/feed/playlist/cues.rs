//! What a playlist says of breaks, put on the time of its pictures (pure).
//!
//! Dates are the source's: what ties one to the pictures is the date of a segment (EXT-X-PROGRAM-DATE-TIME) and where that segment's
//! first picture lies, so only differences count. A date is certain once the segment that it lies in has its place; before that it
//! is reckoned from the last one that has. Tags of older kinds have no date: they are about the segment they stand before.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::follower::Era;
use super::media::{MediaPlaylist, Segment};
use super::ranges::MAX_RANGES;
use crate::cadence::SourceNanos;
use crate::cues::daterange::{OlderTag, SourceRange};

/// Segments with a place that are remembered.
const PLACED: usize = 64;
/// Tags of segments that were left out and are told with the next; the oldest go.
const LEFT_OUT: usize = 8;
/// What is further ahead than this waits until it is nearer.
const AHEAD_US: i64 = 3_600_000_000;

/// What a playlist says of a cue, in the source time of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Range {
        range: Box<SourceRange>,
        start: Option<SourceNanos>,
        end: Option<SourceNanos>,
    },
    /// Of the picture that is due at `at`.
    Tag {
        tag: OlderTag,
        at: SourceNanos,
    },
}

/// What is known of a source's ranges, from one run to the next: nothing is said twice.
pub type Known = Arc<Mutex<VecDeque<Range>>>;

#[derive(Debug)]
pub struct Range {
    range: SourceRange,
    said: Telling,
    /// It stands in the playlist that was read last.
    listed: bool,
}

/// How much of a range was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Telling {
    /// Nothing, or it has changed since.
    Due,
    /// By times that are not certain.
    Reckoned,
    Certain,
}

/// A segment that has its place.
#[derive(Clone, Copy, Debug)]
struct Anchor {
    from_us: i64,
    to_us: i64,
    at: SourceNanos,
}

/// A segment of the playlist that was read last.
#[derive(Debug)]
struct Listed {
    sequence: u64,
    dates_us: Option<(i64, i64)>,
    cues: Vec<OlderTag>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spot {
    Certain(SourceNanos),
    Reckoned(SourceNanos),
    /// The segment that it lies in is about to get its place.
    Soon,
    Far,
}

pub struct PlaylistCues {
    known: Known,
    anchors: VecDeque<Anchor>,
    /// The date of the first picture of this run or lap.
    first_us: Option<i64>,
    listed: Vec<Listed>,
    era: Era,
    /// The last segment that was placed in this numbering.
    placed: Option<u64>,
}

impl PlaylistCues {
    pub fn new(known: Known) -> Self {
        let (anchors, listed) = (VecDeque::new(), Vec::new());
        Self { known, anchors, first_us: None, listed, era: Era::default(), placed: None }
    }

    /// The playlist was read (again).
    pub fn loaded(&mut self, playlist: &MediaPlaylist) -> Vec<Said> {
        let listed = |segment: &Segment| Listed {
            sequence: segment.sequence,
            dates_us: dates(segment),
            cues: segment.cues.clone(),
        };
        self.listed = playlist.segments.iter().map(listed).collect();
        let known = Arc::clone(&self.known);
        let mut known = known.lock();
        // All of them first: what is listed gives way to nothing.
        for entry in known.iter_mut() {
            entry.listed = playlist.ranges.iter().any(|range| range.id == entry.range.id);
        }
        for range in &playlist.ranges {
            take_in(&mut known, range);
        }
        self.say(&mut known)
    }

    /// A segment has got its place: its first picture is due at `at`.
    pub fn placed(&mut self, segment: &Segment, era: Era, at: SourceNanos) -> Vec<Said> {
        let known = Arc::clone(&self.known);
        let mut known = known.lock();
        if era.laps != self.era.laps {
            // What was said was of the lap before.
            self.anchors.clear();
            self.first_us = None;
            known.iter_mut().for_each(|entry| entry.said = Telling::Due);
        }
        if (era.laps, era.restarts) != (self.era.laps, self.era.restarts) {
            self.placed = None;
        }
        self.era = era;
        let mut said = self.tags(segment, at);
        self.placed = Some(segment.sequence);
        if let Some((from_us, to_us)) = dates(segment) {
            if self.first_us.is_none() {
                self.first_us = Some(from_us);
                // Said in another run for pictures that are only coming now.
                for entry in known.iter_mut().filter(|entry| entry.range.start_us.is_some_and(|us| us >= from_us)) {
                    entry.said = Telling::Due;
                }
            }
            if self.anchors.len() == PLACED {
                self.anchors.pop_front();
            }
            self.anchors.push_back(Anchor { from_us, to_us, at });
        }
        said.extend(self.say(&mut known));
        said
    }

    /// The tags of this segment, and of those left out before it.
    fn tags(&self, segment: &Segment, at: SourceNanos) -> Vec<Said> {
        let left_out = self.placed.map_or(segment.sequence, |placed| placed.saturating_add(1))..segment.sequence;
        let before = self.listed.iter().filter(|listed| left_out.contains(&listed.sequence));
        let mut tags: Vec<&OlderTag> = before.flat_map(|listed| &listed.cues).collect();
        tags.drain(..tags.len().saturating_sub(LEFT_OUT));
        tags.extend(&segment.cues);
        tags.into_iter().map(|tag| Said::Tag { tag: tag.clone(), at }).collect()
    }

    fn say(&self, known: &mut VecDeque<Range>) -> Vec<Said> {
        let Some(first_us) = self.first_us else { return Vec::new() };
        let mut list = Vec::new();
        for entry in known.iter_mut().filter(|entry| entry.said != Telling::Certain) {
            if entry.said == Telling::Due && is_over(&entry.range, first_us) {
                // None of its pictures is shown.
                entry.said = Telling::Certain;
                continue;
            }
            let (start, end) = (entry.range.start_us, entry.range.ends_us());
            let (start, end) = (start.map(|us| self.spot(us)), end.map(|us| self.spot(us)));
            if let Some(Spot::Soon | Spot::Far) = start.or(end) {
                continue;
            }
            let certain = |spot: Option<Spot>| spot.is_none_or(|spot| matches!(spot, Spot::Certain(_)));
            let telling = if certain(start) && certain(end) { Telling::Certain } else { Telling::Reckoned };
            if telling == entry.said {
                continue;
            }
            entry.said = telling;
            let at = |spot: Option<Spot>, us: Option<i64>| match spot? {
                Spot::Certain(at) | Spot::Reckoned(at) => Some(at),
                Spot::Soon | Spot::Far => self.reckoned(us?),
            };
            let (start, end) = (at(start, entry.range.start_us), at(end, entry.range.ends_us()));
            list.push(Said::Range { range: Box::new(entry.range.clone()), start, end });
        }
        list
    }

    /// Where a date lies; there is an anchor.
    fn spot(&self, us: i64) -> Spot {
        let within = self.anchors.iter().rev().find(|anchor| (anchor.from_us..anchor.to_us).contains(&us));
        if let Some(anchor) = within {
            return Spot::Certain(anchor.at.saturating_add(nanos(us - anchor.from_us)));
        }
        let is_coming = |listed: &Listed| {
            let unplaced = self.placed.is_none_or(|placed| listed.sequence > placed);
            unplaced && listed.dates_us.is_some_and(|(from, to)| (from..to).contains(&us))
        };
        if self.listed.iter().any(is_coming) {
            return Spot::Soon;
        }
        let Some(newest) = self.anchors.back() else { return Spot::Far };
        match self.reckoned(us) {
            // Between two that were placed, or before the first.
            Some(at) if us < newest.from_us => Spot::Certain(at),
            Some(at) if us - newest.to_us <= AHEAD_US => Spot::Reckoned(at),
            _ => Spot::Far,
        }
    }

    /// Where a date lies by the segment before it; of what was left out, the next picture stands for it.
    fn reckoned(&self, us: i64) -> Option<SourceNanos> {
        let Some(before) = self.anchors.iter().rposition(|anchor| anchor.from_us <= us) else {
            let first = self.anchors.front()?;
            return Some(first.at.saturating_sub(nanos(first.from_us.saturating_sub(us))));
        };
        let anchor = &self.anchors[before];
        let at = anchor.at.saturating_add(nanos(us.saturating_sub(anchor.from_us)));
        Some(self.anchors.get(before + 1).map_or(at, |next| at.min(next.at)))
    }
}

/// What a reading says of a range, beside what readings before it said.
fn take_in(known: &mut VecDeque<Range>, range: &SourceRange) {
    if let Some(entry) = known.iter_mut().find(|entry| entry.range.id == range.id) {
        let now = range.clone().or(&entry.range);
        if now != entry.range {
            entry.range = now;
            entry.said = Telling::Due;
        }
        return;
    }
    if known.len() >= MAX_RANGES {
        // As many are listed at most, so that one of these is not.
        let Some(gone) = known.iter().position(|entry| !entry.listed) else { return };
        known.remove(gone);
    }
    known.push_back(Range { range: range.clone(), said: Telling::Due, listed: true });
}

/// Whether a range has ended, as it says itself, before a date.
fn is_over(range: &SourceRange, us: i64) -> bool {
    let planned = range.start_us.zip(range.planned_duration);
    let planned = planned.and_then(|(start, planned)| start.checked_add(i64::try_from(planned.as_micros()).ok()?));
    range.ends_us().or(planned).is_some_and(|end| end < us)
}

fn dates(segment: &Segment) -> Option<(i64, i64)> {
    let from = segment.programme_us?;
    Some((from, from.saturating_add(i64::try_from(segment.duration.as_micros()).ok()?)))
}

fn nanos(us: i64) -> i64 {
    us.saturating_mul(1000)
}
