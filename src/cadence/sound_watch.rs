//! Is there sound to the picture, and does it fit? Judged by what was shown and heard, not by what was meant to be.
//!
//! Sound that is lost is told and not cured by starting the source again. That would cost the picture, which is well, for
//! seconds, and mostly in vain: sound stops because the source sends none, or because its decoder failed, which is tried
//! again by itself. Sound that arrives and is put where nobody hears it is the one fault of our own making, and is cured
//! without a restart: it is placed anew ([`SoundWatch::is_hopeless`]).

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::SourceNanos;
use crate::timeline::{MediaTime, SAMPLE_RATE_HZ};

/// Without sound for so long while pictures go on, sound is lost: longer than a splice or a burst of packet loss.
const LOST_AFTER: Duration = Duration::from_secs(3);
/// Sound that arrives and is not heard for so long never will be where it was put.
const HOPELESS_AFTER: Duration = Duration::from_secs(4);
/// So much of it must have arrived meanwhile: two seconds.
const ARRIVED_ENOUGH: u64 = 2 * SAMPLE_RATE_HZ as u64;
/// A picture shown this recently goes on.
const PICTURE_GOES_ON: Duration = Duration::from_secs(1);
/// Sound this far off its picture is trouble: ITU-R BT.1359 has -125 ms to +45 ms noticed, -185 ms to +90 ms not accepted.
const OFF_MILLIS: f64 = 100.0;
/// Trouble that comes and goes at the edge is told once.
const IN_STEP_MILLIS: f64 = 80.0;
/// Measurements of which the median is taken: four seconds at 30 a second. A splice, over which picture and sound belong to
/// different stretches for up to a second, then does not show.
const MEASUREMENTS: usize = 120;
const ENOUGH_MEASUREMENTS: usize = 30;
/// A measurement older than this says nothing of the present.
const STALE: Duration = Duration::from_secs(5);

/// What is wrong with a feed's sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoundTrouble {
    /// The source had sound, and there has been none for so long though pictures go on.
    Silent { seconds: u64 },
    /// Sound and picture are not heard and seen as far apart as the source stamped them. Positive: sound is late.
    OffPicture { ms: i64 },
}

impl fmt::Display for SoundTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SoundTrouble::Silent { seconds } => write!(f, "no sound for {seconds} s"),
            SoundTrouble::OffPicture { ms } => write!(f, "sound is {ms} ms off the picture"),
        }
    }
}

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoundNews {
    Trouble(SoundTrouble),
    /// It is over.
    Well,
}

/// What one look at the latest shown and heard came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Well,
    Silent,
    OffPicture,
}

/// Follows a run of a source: every fresh picture, every stretch of sound that was read, and how much arrives.
#[derive(Clone, Debug)]
pub struct SoundWatch {
    /// The latest fresh picture's tick, and its stamp less that tick.
    shown: Option<(MediaTime, i64)>,
    read_until: Option<MediaTime>,
    /// Anything has arrived since the run began.
    has_sound: bool,
    arrived: u64,
    silent_for: Duration,
    offsets: VecDeque<i64>,
    measured_at: Option<MediaTime>,
    losses: u64,
    told: Told,
}

impl Default for SoundWatch {
    fn default() -> Self {
        Self {
            shown: None,
            read_until: None,
            has_sound: false,
            arrived: 0,
            silent_for: Duration::ZERO,
            offsets: VecDeque::with_capacity(MEASUREMENTS),
            measured_at: None,
            losses: 0,
            told: Told::Well,
        }
    }
}

fn since_epoch(at: MediaTime) -> i64 {
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)
}

impl SoundWatch {
    pub fn new() -> Self {
        Self::default()
    }

    /// A new run of the source: whether it has sound is to be seen.
    pub fn restart(&mut self) {
        *self = Self { losses: self.losses, read_until: self.read_until, told: self.told, ..Self::default() };
    }

    /// A picture stamped `raw` is shown for the first time at `tick`.
    pub fn shown(&mut self, tick: MediaTime, raw: i64) {
        self.shown = Some((tick, raw - since_epoch(tick)));
    }

    /// So many samples came from the source.
    pub fn arrived(&mut self, samples: usize) {
        self.has_sound |= samples > 0;
        self.arrived += samples as u64;
    }

    /// Sound was read up to `until`; `stamp` is the source's stamp of that instant, `None` where there was nothing to read.
    pub fn read(&mut self, until: MediaTime, stamp: Option<SourceNanos>) -> Option<SoundNews> {
        let passed = self.read_until.map_or(Duration::ZERO, |last| until.since(last));
        // Whoever did not listen cannot say that there was nothing to hear.
        let passed = if passed > PICTURE_GOES_ON { Duration::ZERO } else { passed };
        self.read_until = Some(until);
        let shown = self.shown.filter(|(tick, _)| until.since(*tick) <= PICTURE_GOES_ON);
        match (stamp, shown) {
            (Some(stamp), shown) => {
                self.silent_for = Duration::ZERO;
                self.arrived = 0;
                if let Some((_, picture)) = shown {
                    if self.offsets.len() == MEASUREMENTS {
                        self.offsets.pop_front();
                    }
                    self.offsets.push_back(picture - (stamp - since_epoch(until)));
                    self.measured_at = Some(until);
                }
            }
            (None, Some(_)) if self.has_sound => self.silent_for += passed,
            // Nothing is shown either: that is the feed's trouble, not the sound's.
            (None, _) => self.silent_for = Duration::ZERO,
        }
        self.news()
    }

    fn news(&mut self) -> Option<SoundNews> {
        let offset = self.offset_ms();
        let trouble = self.trouble();
        let now = match trouble {
            Some(SoundTrouble::Silent { .. }) => Told::Silent,
            Some(SoundTrouble::OffPicture { .. }) => Told::OffPicture,
            // Nothing heard yet, or hardly better, is no news.
            None if self.told == Told::Silent && self.silent_for > Duration::ZERO => Told::Silent,
            None if self.told == Told::OffPicture && offset.is_none_or(|ms| ms.abs() > IN_STEP_MILLIS) => {
                Told::OffPicture
            }
            None => Told::Well,
        };
        if now == std::mem::replace(&mut self.told, now) {
            return None;
        }
        self.losses += u64::from(now == Told::Silent);
        Some(trouble.map_or(SoundNews::Well, SoundNews::Trouble))
    }

    /// How much later than its picture sound is heard, by the source's stamps, in ms: the median of the last seconds. Half
    /// a tick of it may be the grid's rounding. `None` while there is not both.
    pub fn offset_ms(&self) -> Option<f64> {
        let fresh = self.measured_at.zip(self.read_until).is_some_and(|(at, now)| now.since(at) <= STALE);
        if !fresh || self.offsets.len() < ENOUGH_MEASUREMENTS {
            return None;
        }
        let mut sorted: Vec<i64> = self.offsets.iter().copied().collect();
        let middle = sorted.len() / 2;
        let (_, median, _) = sorted.select_nth_unstable(middle);
        Some(*median as f64 / 1e6)
    }

    pub fn trouble(&self) -> Option<SoundTrouble> {
        if self.silent_for >= LOST_AFTER {
            return Some(SoundTrouble::Silent { seconds: self.silent_for.as_secs() });
        }
        let off = self.offset_ms().filter(|ms| ms.abs() > OFF_MILLIS)?;
        Some(SoundTrouble::OffPicture { ms: off.round() as i64 })
    }

    /// How often sound was lost.
    pub fn losses(&self) -> u64 {
        self.losses
    }

    /// Whether sound arrives that is never heard. `ahead` says that what arrived is still to come: a hole, then. Asked once,
    /// it waits for as much again.
    pub fn is_hopeless(&mut self, ahead: bool) -> bool {
        let hopeless = !ahead && self.silent_for >= HOPELESS_AFTER && self.arrived >= ARRIVED_ENOUGH;
        if hopeless {
            self.arrived = 0;
        }
        hopeless
    }
}
