//! Where segments lie on the one source time of a run, whatever their timestamps do (pure).
//!
//! A *stretch* is what one clock has stamped: it ends at a discontinuity, an encoder's restart, a leap to the live edge or a
//! lap. Its first segment begins where the last stretch ended, told by the playlist's durations, and fixes by how much the
//! stretch's timestamps are off. Picture and sound of their own playlists share that: they jump together.

use std::collections::VecDeque;
use std::time::Duration;

use super::follower::Era;
use super::stamp::Stamp;
use crate::cadence::SourceNanos;

/// A segment this far from where it should begin is another clock's. Durations are rounded to whole seconds at times.
const TOLERANCE_NANOS: i64 = 1_000_000_000;
/// Picture and sound are cut at different places, by up to a segment.
const ACROSS_TRACKS_NANOS: i64 = 30_000_000_000;
/// MPEG timestamps have 33 bits at 90 kHz.
pub const WRAP_NANOS: i64 = ((1i128 << 33) * 1_000_000_000 / 90_000) as i64;
/// A segment that ends no later than this after the one before it brings nothing new.
const OVERLAP_NANOS: i64 = 50_000_000;
const STRETCHES_KEPT: usize = 8;
/// Timestamps farther from zero tell nothing: eighteen years. Sums of nearer ones stay far from the ends of 64 bits.
const FARTHEST_NANOS: i64 = 1 << 59;
/// Nobody waits out a longer hole, a week.
const LONGEST_HOLE_NANOS: i64 = 604_800_000_000_000;

/// What is played on its own timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Track {
    /// Pictures, and the sound that comes with them.
    Picture,
    /// Sound from a playlist of its own.
    Sound,
    /// A sound beside the main one, from a playlist of its own: counted from 0.
    Beside(u8),
}

impl Track {
    /// Sounds beside the main one that are followed at most.
    pub const MOST_BESIDE: usize = 7;
    /// Tracks there may be.
    pub const MOST: usize = 2 + Self::MOST_BESIDE;

    pub fn index(self) -> usize {
        match self {
            Self::Picture => 0,
            Self::Sound => 1,
            Self::Beside(n) => 2 + usize::from(n).min(Self::MOST_BESIDE - 1),
        }
    }
}

/// A segment's place among its playlist's and what its bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamped {
    pub era: Era,
    pub discontinuity: u64,
    /// The first timestamp, in ns; `None` where nothing tells it.
    pub first: Option<i64>,
    /// Whether the timestamps start again from 0 after [`WRAP_NANOS`].
    pub wraps: bool,
    /// From the first timestamp to the end, if it could be measured.
    pub measured: Option<i64>,
    /// As the playlist says.
    pub duration: Duration,
    pub hole: Duration,
    /// The first segment of a playlist, which may take over from another variant's: both are stamped alike, but the place
    /// may be off.
    pub takes_over: bool,
}

/// Where a segment lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// When its first timestamp is due.
    pub at: SourceNanos,
    /// What to add to a timestamp of this segment, in ns; timestamps that have wrapped count on.
    pub offset: i64,
    /// It does not go on where the track's last segment ended, or by the same clock: a demuxer has to begin anew.
    pub fresh: bool,
    /// What comes before this was shown already.
    pub from: SourceNanos,
}

impl Place {
    /// Where a demuxer that begins with the segment counts from, of pictures and of sound.
    pub fn zero_at(&self, stamp: &Stamp) -> [i64; 2] {
        let (Some(first), Some(zero)) = (stamp.first, stamp.zero) else { return [self.at; 2] };
        zero.map(|zero| {
            if !stamp.container.wraps() {
                return zero.saturating_add(self.offset);
            }
            // The clock's last wrap may lie between the two.
            self.at + (zero - first + WRAP_NANOS / 2).rem_euclid(WRAP_NANOS) - WRAP_NANOS / 2
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    era: Era,
    discontinuity: u64,
    /// Jumps that no tag tells, within the same discontinuity.
    untold: u32,
}

#[derive(Clone, Copy, Debug)]
struct Stretch {
    key: Key,
    offset: i64,
    /// The last timestamp placed, so that wraps are seen.
    near: i64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Line {
    key: Option<Key>,
    end: Option<SourceNanos>,
}

#[derive(Default)]
pub struct Stretches {
    known: VecDeque<Stretch>,
    lines: [Line; Track::MOST],
    untold: u32,
}

impl Stretches {
    /// Whether the stretch this belongs to has its place already.
    pub fn knows(&self, era: Era, discontinuity: u64) -> bool {
        self.known.iter().any(|stretch| (stretch.key.era, stretch.key.discontinuity) == (era, discontinuity))
    }

    /// Where `track` ends so far.
    pub fn come_to(&self, track: Track) -> Option<SourceNanos> {
        self.lines[usize::from(track == Track::Sound)].end
    }

    /// Whether any picture has its place.
    pub fn has_begun(&self) -> bool {
        !self.known.is_empty()
    }

    /// Where what the clock of a stretch says lies, whatever it has wrapped to. Playlists of text forget discontinuities: where there is no such
    /// stretch the newest is meant.
    pub fn source_of(&self, era: Era, discontinuity: u64, stamp: i64) -> Option<SourceNanos> {
        let said = |stretch: &&Stretch| (stretch.key.era, stretch.key.discontinuity) == (era, discontinuity);
        let stretch = self.known.iter().rev().find(said).or(self.known.back())?;
        let within = stamp.rem_euclid(WRAP_NANOS) - stretch.near.rem_euclid(WRAP_NANOS);
        let apart = (within + WRAP_NANOS / 2).rem_euclid(WRAP_NANOS) - WRAP_NANOS / 2;
        Some(stretch.near + apart + stretch.offset)
    }

    /// Where the next segment of `track` lies; segments are to come in order. `None` for one that was there already, as
    /// where another variant takes over.
    pub fn place(&mut self, track: Track, segment: &Stamped) -> Option<Place> {
        let index = track.index();
        let line = self.lines[index];
        let hole = nanos(segment.hole).min(LONGEST_HOLE_NANOS);
        let expected = line.end.map(|end| end + hole);
        let near = segment.first.filter(|first| first.unsigned_abs() <= FARTHEST_NANOS.unsigned_abs());
        let first = near.unwrap_or_else(|| {
            // Without a timestamp, a segment follows the one before it by the same clock.
            let stretch = self.known.iter().rev().find(|stretch| Some(stretch.key) == line.key);
            expected.unwrap_or(0) - stretch.map_or(0, |stretch| stretch.offset)
        });
        let told = line.key.is_none_or(|key| (key.era, key.discontinuity) != (segment.era, segment.discontinuity));
        let fitting = self.fitting(segment, first, expected, line.key, told);
        let (key, at, offset) = match fitting {
            Some(found) => found,
            None => self.begin(segment, first, expected.unwrap_or(0), told),
        };
        let fresh = told || segment.takes_over || line.key != Some(key) || hole > 0;
        let length = nanos(segment.duration);
        let measured = segment
            .measured
            .filter(|measured| *measured > 0 && (measured - length).abs() <= TOLERANCE_NANOS.max(length / 2));
        let end = at + measured.unwrap_or(length);
        if expected.is_some_and(|expected| end <= expected + OVERLAP_NANOS) {
            return None;
        }
        self.lines[index] = Line { key: Some(key), end: Some(end) };
        Some(Place { at, offset, fresh, from: expected.filter(|expected| *expected > at).unwrap_or(at) })
    }

    /// The stretch whose clock stamped this segment: the one it is said to belong to, the track's own, or another's newest.
    fn fitting(
        &mut self,
        segment: &Stamped,
        first: i64,
        expected: Option<SourceNanos>,
        own: Option<Key>,
        told: bool,
    ) -> Option<(Key, SourceNanos, i64)> {
        let said = |key: Key| (key.era, key.discontinuity) == (segment.era, segment.discontinuity);
        for stretch in self.known.iter_mut().rev() {
            let tolerance = match (Some(stretch.key) == own, said(stretch.key)) {
                // After a tag the old clock is not looked at: by chance it might fit, and the next segment not.
                (true, _) if told => continue,
                (true, _) if segment.takes_over => ACROSS_TRACKS_NANOS,
                (true, _) => TOLERANCE_NANOS,
                (false, true) if told => ACROSS_TRACKS_NANOS,
                (false, _) if stretch.key.era == segment.era && !told => TOLERANCE_NANOS,
                (false, _) => continue,
            };
            let (offset, stamp) = unwrapped(stretch, first, segment.wraps);
            let at = stamp + stretch.offset;
            if expected.is_none_or(|expected| (at - expected).abs() <= tolerance) {
                stretch.near = stamp;
                return Some((stretch.key, at, offset));
            }
        }
        None
    }

    fn begin(&mut self, segment: &Stamped, first: i64, at: SourceNanos, told: bool) -> (Key, SourceNanos, i64) {
        if !told {
            self.untold += 1;
        }
        let key =
            Key { era: segment.era, discontinuity: segment.discontinuity, untold: if told { 0 } else { self.untold } };
        if self.known.len() >= STRETCHES_KEPT {
            self.known.pop_front();
        }
        self.known.push_back(Stretch { key, offset: at - first, near: first });
        (key, at, at - first)
    }
}

/// `first` as the timestamp nearest to the stretch's last one, and what to add to a bare timestamp then.
fn unwrapped(stretch: &Stretch, first: i64, wraps: bool) -> (i64, i64) {
    if !wraps {
        return (stretch.offset, first);
    }
    let mut stamp = first + (stretch.near - first).div_euclid(WRAP_NANOS) * WRAP_NANOS;
    if stretch.near - stamp > WRAP_NANOS / 2 {
        stamp += WRAP_NANOS;
    }
    (stretch.offset + (stamp - first), stamp)
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}
