//! One unbroken source time out of timestamps that start anew at every lap and jump at every splice.

use super::SourceNanos;

/// A step of more than this between a stream's timestamps is a jump in the source, not a pause in the game.
const JUMP_NANOS: i64 = 1_000_000_000;

/// Which of a source's two streams a timestamp belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Picture,
    Sound,
}

#[derive(Clone, Copy, Debug, Default)]
struct Track {
    correction: i64,
    /// End of what came last, in unbroken time.
    next: Option<SourceNanos>,
}

/// Joins laps of a looped file and jumps of a stream's timestamps. A correction found by one stream is the other's too, as
/// long as it fits: picture and sound stay together over a jump.
#[derive(Clone, Debug, Default)]
pub struct Continuity {
    tracks: [Track; 2],
    first_picture: Option<i64>,
    /// Where the next lap's first picture belongs.
    lap_start: Option<SourceNanos>,
}

impl Continuity {
    pub fn new() -> Self {
        Self::default()
    }

    /// The unbroken time of something stamped `raw` and lasting `duration` (both ns), and whether a jump was mended here.
    pub fn place(&mut self, stream: Stream, raw: i64, duration: i64) -> (SourceNanos, bool) {
        let (mine, other) = match stream {
            Stream::Picture => (0, 1),
            Stream::Sound => (1, 0),
        };
        if stream == Stream::Picture {
            self.first_picture.get_or_insert(raw);
            if let Some(start) = self.lap_start.take() {
                self.tracks[mine].correction = start - raw;
                self.tracks[mine].next = None;
            }
        }
        let mut jumped = false;
        let mut at = raw + self.tracks[mine].correction;
        if let Some(next) = self.tracks[mine].next
            && (at - next).abs() > JUMP_NANOS
        {
            let by_other = raw + self.tracks[other].correction;
            let fits = (by_other - next).abs() <= JUMP_NANOS;
            at = if fits { by_other } else { next };
            self.tracks[mine].correction = at - raw;
            jumped = true;
        }
        self.tracks[mine].next = Some(at + duration.max(0));
        (at, jumped)
    }

    /// The source starts again from its beginning: its first picture follows the last one without a hole. The lap is as
    /// long as its pictures: sound past the last picture gives way to the next lap's.
    pub fn begin_lap(&mut self) {
        let start = self.tracks[0].next.or(self.tracks[1].next).unwrap_or(0);
        let correction = start - self.first_picture.unwrap_or(0);
        self.lap_start = self.first_picture.map(|_| start);
        self.tracks = [Track { correction, next: None }; 2];
    }
}
