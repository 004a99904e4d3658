//! One unbroken source time out of timestamps that start anew at every lap, jump at every splice and have holes.

use super::SourceNanos;
use crate::timeline::MediaTime;

/// Timestamps within this of where their stream's last sample ended are not asked about. Streams are interleaved to within
/// this, too, and pictures and sound of one splice jump within it of each other.
const TOLERANCE_NANOS: i64 = 1_000_000_000;
/// A pulled source has no arrival times to tell a hole by; what it leaves out is taken for a hole up to this length.
const LONGEST_HOLE_NANOS: i64 = 300_000_000_000;
/// The 33 bits of an MPEG timestamp, at 90 kHz (ISO/IEC 13818-1, 2.4.3.7): 26.5 hours.
const WRAP_NANOS: i64 = ((1i64 << 33) * 100_000).div_euclid(9);

/// Which of a source's two streams a timestamp belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Picture,
    Sound,
}

impl Stream {
    const fn index(self) -> usize {
        match self {
            Stream::Picture => 0,
            Stream::Sound => 1,
        }
    }
}

/// How a sample stands to what came before it in its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Where its predecessor ended, or nearly.
    Follows,
    /// After a hole that began at this unbroken time.
    Hole(SourceNanos),
    /// The source's timestamps jumped, or its stretch or lap is a new one: where it stands was decided anew.
    Jump,
}

/// Where a sample belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// In unbroken time.
    pub at: SourceNanos,
    /// As the source stamped it.
    pub raw: i64,
    pub step: Step,
}

impl From<SourceNanos> for Placed {
    /// Of a source whose time never breaks.
    fn from(at: SourceNanos) -> Self {
        Self { at, raw: at, step: Step::Follows }
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Track {
    correction: i64,
    /// End of what came last, in unbroken time.
    next: Option<SourceNanos>,
    arrived: Option<MediaTime>,
    /// The number that the source gave the present stretch.
    stretch: u64,
    /// The next sample is the first of its stretch.
    opens: bool,
}

/// Puts pictures and sound on one mapping of the source's raw time, and keeps them there.
///
/// A stream that goes on later than it ended has a *hole*: the mapping stays, and what comes after the hole is in place
/// again. A *jump* of the raw time moves both streams by one correction. Which of the two it is, one stream cannot tell:
///
/// - of a live source, a hole takes as long to arrive as it is long, and a jump does not;
/// - a stream that steps to where the other one already is had a hole;
/// - whatever else steps goes on without a hole, by a correction of its own, until the other stream steps and that
///   correction fits it as well: then both stand on it. Either may be first.
///
/// A stream that jumps alone, for good, so keeps its own correction: it is heard or seen as it arrives, and what that makes
/// of lips and voice is measured ([`SoundWatch`](super::SoundWatch)) and told.
#[derive(Clone, Debug, Default)]
pub struct Continuity {
    tracks: [Track; 2],
    /// Of further sounds, each beside the picture.
    beside: Vec<Track>,
    first_picture: Option<i64>,
    /// Where the next lap's first picture belongs.
    lap_start: Option<SourceNanos>,
}

impl Continuity {
    pub fn new() -> Self {
        Self::default()
    }

    /// The place of something stamped `raw` and lasting `duration` (both ns). `arrived` is when it came, for a source that
    /// sends by its own clock; `None` for one that is pulled.
    pub fn place(&mut self, stream: Stream, raw: i64, duration: i64, arrived: Option<MediaTime>) -> Placed {
        let mine = stream.index();
        if stream == Stream::Picture {
            self.first_picture.get_or_insert(raw);
            if let Some(start) = self.lap_start.take() {
                self.tracks[mine].correction = start - raw;
                self.tracks[mine].next = Some(start);
            }
        }
        let (correction, step) = if std::mem::take(&mut self.tracks[mine].opens) {
            (self.opening(mine, raw), Step::Jump)
        } else {
            judge(&self.tracks[mine], &self.tracks[1 - mine], raw, arrived)
        };
        self.tracks[mine].put(correction, step, raw, duration, arrived)
    }

    /// The same for sound number `beside` of those beside the main one: it goes by the picture. They are few.
    pub fn place_beside(&mut self, beside: usize, raw: i64, duration: i64, arrived: Option<MediaTime>) -> Placed {
        if self.beside.len() <= beside {
            self.beside.resize(beside + 1, Track::default());
        }
        let (correction, step) = judge(&self.beside[beside], &self.tracks[0], raw, arrived);
        self.beside[beside].put(correction, step, raw, duration, arrived)
    }

    /// Where something stamped `raw` belongs by what came last of its stream.
    pub fn settled(&self, stream: Stream, raw: i64) -> SourceNanos {
        let (track, other) = (&self.tracks[stream.index()], &self.tracks[1 - stream.index()]);
        raw + if track.next.is_some() { track.correction } else { other.correction }
    }

    /// The correction for the first sample of an announced stretch: the other stream's, if it is there already.
    fn opening(&self, mine: usize, raw: i64) -> i64 {
        let (track, other) = (&self.tracks[mine], &self.tracks[1 - mine]);
        if other.stretch == track.stretch && !other.opens && other.next.is_some() {
            other.correction
        } else {
            track.next.or(other.next).unwrap_or(raw) - raw
        }
    }

    /// The source says that the raw time of `stream` is a new one from its next sample on, the same for every stream whose
    /// stretch has this `number`. To be called for each stream, at its own place; whichever comes first decides where the
    /// stretch begins, and the other goes by it.
    pub fn begin_stretch(&mut self, stream: Stream, number: u64) {
        let track = &mut self.tracks[stream.index()];
        track.opens |= track.stretch != number;
        track.stretch = number;
    }

    /// Gives up what is known of where `stream` belongs: its next sample is taken to be as new as the other stream's
    /// newest. The last resort for sound that arrives and is never heard.
    pub fn resettle(&mut self, stream: Stream, raw: i64) {
        let other = self.tracks[1 - stream.index()];
        let track = &mut self.tracks[stream.index()];
        if let Some(next) = other.next {
            track.correction = next - raw;
            track.next = Some(next);
        }
    }

    /// The source starts again from its beginning: its first picture follows the last one without a hole. The lap is as
    /// long as its pictures: sound past the last picture gives way to the next lap's.
    pub fn begin_lap(&mut self) {
        let start = self.tracks[0].next.or(self.tracks[1].next).unwrap_or(0);
        let correction = start - self.first_picture.unwrap_or(0);
        self.lap_start = self.first_picture.map(|_| start);
        for track in self.tracks.iter_mut().chain(&mut self.beside) {
            *track = Track { correction, stretch: track.stretch, ..Track::default() };
        }
    }
}

impl Track {
    fn put(&mut self, correction: i64, step: Step, raw: i64, duration: i64, arrived: Option<MediaTime>) -> Placed {
        let at = raw + correction;
        self.correction = correction;
        self.next = Some(at + duration.max(0));
        self.arrived = arrived;
        Placed { at, raw, step }
    }
}

/// The correction for a sample of `track` and what its step is, by the rules of [`Continuity`].
fn judge(track: &Track, other: &Track, raw: i64, arrived: Option<MediaTime>) -> (i64, Step) {
    let Some(next) = track.next else { return (other.correction, Step::Follows) };
    let fits = |correction: i64| (raw + correction - next).abs() <= TOLERANCE_NANOS;
    if fits(track.correction) {
        return (track.correction, Step::Follows);
    }
    let took = arrived.zip(track.arrived).map(|(now, last)| nanos(now) - nanos(last));
    let hole = |correction: i64| {
        let at = raw + correction;
        let length = at - next;
        let by_other =
            other.correction == correction && other.next.is_some_and(|other| (at - other).abs() <= TOLERANCE_NANOS);
        let by_itself = match took {
            Some(took) => (length - took).abs() <= TOLERANCE_NANOS,
            None => length <= LONGEST_HOLE_NANOS,
        };
        length > 0 && (by_other || by_itself)
    };
    let wrapped = [WRAP_NANOS, -WRAP_NANOS].map(|wrap| track.correction + wrap);
    if hole(track.correction) {
        (track.correction, Step::Hole(next))
    } else if (raw + other.correction - next).abs() <= 2 * TOLERANCE_NANOS {
        // Both ends of a splice may be off by as much as the streams are.
        (other.correction, Step::Jump)
    } else if hole(other.correction) {
        // The other stream jumped while this one was silent.
        (other.correction, Step::Hole(next))
    } else if let Some(correction) = wrapped.into_iter().find(|c| fits(*c)) {
        (correction, Step::Jump)
    } else {
        (next - raw, Step::Jump)
    }
}

fn nanos(at: MediaTime) -> i64 {
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)
}
