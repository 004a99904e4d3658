//! One encoder of sound at work: a game's sound, encoded once on the grid for all sessions, in blocks of whole AAC frames, on a thread of
//! its own.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::Receiver;

use super::failing::{FailedAt, Failing, Watched};
use super::{Block, LEAD_IN_SEGMENTS, MemoryShelf, Position, Track, TrackName};
use crate::encode::{AudioEncodeError, SoundEncoder, SoundEncoders};
use crate::frame::{Sound, SoundUnit};
use crate::metrics::Metrics;
use crate::timeline::{AAC_FRAME_SAMPLES, Clock, Grid, MediaTime, PartNumber, SAMPLE_RATE_HZ, SegmentNumber};
use crate::work::{InHand, Mended, Piece, Retry, Threads, Worker};

/// Ticks whose sound may wait for a game's encoder: two seconds at the fastest rate. At this bound the newest is dropped, which
/// is silence.
const QUEUE_TICKS: usize = 120;

/// Ticks that were lost are silent up to this long; after a longer loss the sound begins anew at a segment boundary.
const MOST_SILENCE: Duration = Duration::from_secs(30);

/// What all games' sound shares.
pub struct SoundSettings {
    pub grid: Grid,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub bitrate_bps: u32,
    /// Where blocks are put down.
    pub shelf: Arc<MemoryShelf>,
    /// Where encoders that fail are told.
    pub failing: Arc<Failing>,
    /// Sound that waits for an encoder or is with one.
    pub in_hand: InHand,
    pub encoders: Arc<dyn SoundEncoders>,
    pub threads: Arc<dyn Threads>,
}

/// See the module.
pub struct SoundEncoding {
    worker: Worker<Sound>,
    settings: Arc<SoundSettings>,
    track: Arc<Track>,
    watched: Arc<Watched>,
}

impl SoundEncoding {
    /// The sound `key` from segment `from` on, encoded once [`SoundEncoding::mend`] has found a thread.
    pub fn new(settings: Arc<SoundSettings>, key: &str, from: SegmentNumber) -> Self {
        let track = settings.shelf.track(&TrackName::sound(key));
        let watched = Arc::new(settings.failing.watch("audio", format!("{key}/sound")));
        let (its, kept, watched_too) = (settings.clone(), track.clone(), watched.clone());
        let run = move |sounds: &Receiver<Piece<Sound>>| {
            let work = Work {
                settings: its.clone(),
                track: kept.clone(),
                watched: watched_too.clone(),
                encoder: None,
                retry: Retry::default(),
                segment: from,
                part: 0,
                units: Vec::new(),
            };
            work.run(sounds);
        };
        let worker = Worker::new("sound", QUEUE_TICKS, settings.in_hand.clone(), Arc::new(run));
        Self { worker, settings, track, watched }
    }

    /// What it writes.
    pub fn track(&self) -> &Arc<Track> {
        &self.track
    }

    /// Takes in the sound of one tick. It never waits: what does not fit in the queue is dropped and silent.
    pub fn push(&self, sound: Sound) {
        if let Some(input) = self.worker.input()
            && input.give(sound).is_err()
        {
            self.settings.metrics.frames.with_label_values(&["dropped"]).inc();
        }
    }

    /// Sees to it that there is a thread that encodes. Waits for the system: not for the tick.
    pub fn mend(&self) {
        match self.worker.mend(&*self.settings.threads, self.settings.clock.now()) {
            Mended::Nothing | Mended::Started => {}
            Mended::Replaced => self.watched.failed(FailedAt::Thread, "its thread died"),
            Mended::Failed(error) => self.watched.failed(FailedAt::Thread, &error.to_string()),
        }
    }
}

/// What an encoder failed at, and why.
type Failure = (FailedAt, String);

/// What a sound's thread does.
struct Work {
    settings: Arc<SoundSettings>,
    track: Arc<Track>,
    watched: Arc<Watched>,
    /// `None` until the segment to begin with is reached, and after a failure until a later one.
    encoder: Option<Box<dyn SoundEncoder>>,
    retry: Retry,
    /// The segment being filled, or to begin with, and its part.
    segment: SegmentNumber,
    part: PartNumber,
    units: Vec<SoundUnit>,
}

impl Work {
    fn run(mut self, sounds: &Receiver<Piece<Sound>>) {
        for sound in sounds {
            self.take(&sound.work);
        }
    }

    /// Ticks follow each other; what is missing between them is silent. An encoder that fails is replaced at a later segment's
    /// boundary.
    fn take(&mut self, sound: &Sound) {
        let encoded = self.encode(sound);
        if let Err((at, error)) = encoded {
            self.begin_anew(sound.samples.end);
            self.retry.fail(self.settings.clock.now());
            self.watched.failed(at, &error);
        }
    }

    /// The next segment whose first sample is `sample` or later is the one to begin with. One that was begun goes on in silence to its end.
    fn begin_anew(&mut self, sample: u64) {
        let grid = self.settings.grid;
        self.encoder = None;
        let begun = self.units.last().map(|unit| unit.aac_frame + 1);
        let begun = begun.or((self.part > 0).then(|| grid.part_aac_frames(self.segment, self.part).start));
        if let Some(next) = begun {
            let end = grid.first_aac_frame(self.segment + 1);
            (next..end).for_each(|aac_frame| self.came(silent_unit(aac_frame)));
        }
        let near = grid.segment_at(MediaTime::of_sample(sample)).max(self.segment);
        self.segment = (near..).find(|n| self.first_sample(*n) >= sample).unwrap_or(near);
    }

    fn first_sample(&self, segment: SegmentNumber) -> u64 {
        self.settings.grid.first_aac_frame(segment) * AAC_FRAME_SAMPLES
    }

    fn encode(&mut self, sound: &Sound) -> Result<(), Failure> {
        if let Some(encoder) = &self.encoder {
            let lost = encoder.next_sample()..sound.samples.start;
            if lost.end.saturating_sub(lost.start) > MOST_SILENCE.as_secs() * u64::from(SAMPLE_RATE_HZ) {
                self.begin_anew(sound.samples.start);
            }
        }
        let Some(sound) = self.begun(sound)? else { return Ok(()) };
        let Some(encoder) = &mut self.encoder else { return Ok(()) };
        let failed = |e: AudioEncodeError| (FailedAt::Encode, e.to_string());
        let lost = encoder.next_sample()..sound.samples.start;
        let mut units = Vec::new();
        if !lost.is_empty() {
            units = encoder.push(&silence(lost)).map_err(failed)?;
        }
        units.extend(encoder.push(&sound).map_err(failed)?);
        for unit in units {
            self.came(unit);
        }
        Ok(())
    }

    /// What of `sound` is to be encoded: all of it, or, where no encoder is at work yet, what comes after the boundary at which
    /// one begins.
    fn begun<'a>(&mut self, sound: &'a Sound) -> Result<Option<Cow<'a, Sound>>, Failure> {
        if self.encoder.is_some() {
            return Ok(Some(Cow::Borrowed(sound)));
        }
        self.lead_in(sound.samples.start);
        if self.first_sample(self.segment) < sound.samples.start {
            // The boundary has gone by already (ticks were lost): a later one will do.
            self.begin_anew(sound.samples.start);
        }
        let Some(sound) = after(sound, self.first_sample(self.segment)) else { return Ok(None) };
        if !self.retry.is_due(self.settings.clock.now()) {
            self.begin_anew(sound.samples.end);
            return Ok(None);
        }
        let first = self.settings.grid.first_aac_frame(self.segment);
        let opened = self.settings.encoders.open(first, self.settings.bitrate_bps);
        self.encoder = Some(opened.map_err(|e| (FailedAt::Open, e.to_string()))?);
        Ok(Some(Cow::Owned(sound)))
    }

    /// The last segments before the one to begin with are silent, so that who comes now has enough to begin with: see [`LEAD_IN_SEGMENTS`].
    fn lead_in(&self, sample: u64) {
        let grid = self.settings.grid;
        let running = grid.segment_at(MediaTime::of_sample(sample)).min(self.segment);
        let next = self.track.position().map_or(0, |come_to| come_to.segment + 1);
        for segment in next.max(running.saturating_sub(LEAD_IN_SEGMENTS))..self.segment {
            for part in 0..grid.parts() {
                let units = grid.part_aac_frames(segment, part).map(silent_unit);
                self.track.append(Position::new(segment, part), Block::Sound(units.collect()));
            }
        }
    }

    fn came(&mut self, unit: SoundUnit) {
        let next = unit.aac_frame + 1;
        self.units.push(unit);
        if next >= self.settings.grid.part_aac_frames(self.segment, self.part).end {
            self.finish();
        }
    }

    /// The part being filled has all its AAC frames.
    fn finish(&mut self) {
        let units = std::mem::take(&mut self.units);
        // What is refused was there before: another run of this game's sound wrote it.
        self.track.append(Position::new(self.segment, self.part), Block::Sound(units.into()));
        self.part += 1;
        if self.part == self.settings.grid.parts() {
            self.part = 0;
            self.segment += 1;
            self.retry.clear();
            self.watched.well();
        }
    }
}

/// An access unit of silence, AAC-LC, stereo (ISO/IEC 14496-3, 4.4.2.1): one channel pair with a common long window and no
/// scale factor band (`max_sfb` 0), so that there is nothing to decode; then the end.
const SILENT_UNIT: [u8; 6] = [0b0010_0001, 0, 0, 0, 0, 0b0001_1100];

/// AAC frame `aac_frame` of silence, which costs no encoder.
pub fn silent_unit(aac_frame: u64) -> SoundUnit {
    SoundUnit { aac_frame, data: Bytes::from_static(&SILENT_UNIT) }
}

/// The part of `sound` from sample `from` on; `None` when it ends before.
fn after(sound: &Sound, from: u64) -> Option<Sound> {
    if sound.samples.end <= from {
        return None;
    }
    let skipped = from.saturating_sub(sound.samples.start);
    let values = usize::try_from(skipped * 2).unwrap_or(usize::MAX).min(sound.interleaved.len());
    let samples = sound.samples.start + skipped..sound.samples.end;
    Some(Sound { samples, interleaved: sound.interleaved[values..].to_vec() })
}

fn silence(samples: Range<u64>) -> Sound {
    let values = usize::try_from(samples.end - samples.start).unwrap_or(0) * 2;
    Sound { samples, interleaved: vec![0; values] }
}

#[cfg(test)]
#[path = "sound_tests.rs"]
mod tests;
