//! One game's sound: encoded once on the grid, for all sessions, in segments of whole AAC frames, on a thread of its own.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::Receiver;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::encode::{AudioEncodeError, SoundEncoder, SoundEncoders};
use crate::frame::{Sound, SoundUnit};
use crate::hls::cmaf;
use crate::hls::runs::Runs;
use crate::hls::window::Window;
use crate::metrics::Metrics;
use crate::mosaic::{FailedAt, Failing, Watched};
use crate::timeline::{AAC_FRAME_SAMPLES, Clock, Grid, MediaTime, SAMPLE_RATE_HZ, SegmentNumber};
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
    /// Segments kept.
    pub window_segments: usize,
    /// Counts up whenever a segment is finished anywhere.
    pub finished: watch::Sender<u64>,
    /// Where encoders that fail are told.
    pub failing: Arc<Failing>,
    /// Sound that waits for an encoder or is with one.
    pub in_hand: InHand,
    pub encoders: Arc<dyn SoundEncoders>,
    pub threads: Arc<dyn Threads>,
}

/// See the module.
pub struct SoundTrack {
    worker: Worker<Sound>,
    settings: Arc<SoundSettings>,
    window: Arc<Mutex<Window<Bytes>>>,
    watched: Arc<Watched>,
}

impl SoundTrack {
    /// Sound of `game` from segment `from` on, encoded once [`SoundTrack::mend`] has found a thread.
    pub fn new(settings: Arc<SoundSettings>, game: &str, from: SegmentNumber) -> Self {
        let window = Arc::new(Mutex::new(Window::new(settings.window_segments)));
        let watched = Arc::new(settings.failing.watch("audio", format!("{game}/sound")));
        let (its, kept, watched_too) = (settings.clone(), window.clone(), watched.clone());
        let run = move |sounds: &Receiver<Piece<Sound>>| {
            let work = Work {
                settings: its.clone(),
                window: kept.clone(),
                watched: watched_too.clone(),
                encoder: None,
                retry: Retry::default(),
                segment: from,
                units: Vec::new(),
            };
            work.run(sounds);
        };
        let worker = Worker::new("sound", QUEUE_TICKS, settings.in_hand.clone(), Arc::new(run));
        Self { worker, settings, window, watched }
    }

    /// Segments that can be fetched.
    pub fn finished(&self) -> Runs {
        self.window.lock().runs()
    }

    pub fn segment(&self, segment: SegmentNumber) -> Option<Bytes> {
        self.window.lock().get(segment).cloned()
    }

    /// Where they lie, for those who may still ask when the track is gone.
    pub fn window(&self) -> Arc<Mutex<Window<Bytes>>> {
        self.window.clone()
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
    window: Arc<Mutex<Window<Bytes>>>,
    watched: Arc<Watched>,
    /// `None` until the segment to begin with is reached, and after a failure until a later one.
    encoder: Option<Box<dyn SoundEncoder>>,
    retry: Retry,
    /// The segment being filled, or to begin with.
    segment: SegmentNumber,
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

    /// The next segment whose first sample is `sample` or later is the one to begin with.
    fn begin_anew(&mut self, sample: u64) {
        let grid = self.settings.grid;
        self.encoder = None;
        self.units.clear();
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
            while unit.aac_frame >= self.settings.grid.first_aac_frame(self.segment + 1) {
                self.finish();
            }
            self.units.push(unit);
        }
        Ok(())
    }

    /// What of `sound` is to be encoded: all of it, or, where no encoder is at work yet, what comes after the boundary at which
    /// one begins.
    fn begun<'a>(&mut self, sound: &'a Sound) -> Result<Option<Cow<'a, Sound>>, Failure> {
        if self.encoder.is_some() {
            return Ok(Some(Cow::Borrowed(sound)));
        }
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

    fn finish(&mut self) {
        let units = std::mem::take(&mut self.units);
        match cmaf::audio_segment(&self.settings.grid, self.segment, &units) {
            Ok(bytes) => {
                self.window.lock().push(self.segment, bytes);
                self.retry.clear();
                self.watched.well();
                self.settings.finished.send_modify(|count| *count += 1);
            }
            Err(e) => tracing::error!(segment = self.segment, error = %e, "cannot package a sound segment"),
        }
        self.segment += 1;
    }
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
