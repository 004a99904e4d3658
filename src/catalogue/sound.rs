//! One game's sound: encoded once on the grid, for all sessions, in segments of whole AAC frames.

use std::ops::{Range, RangeInclusive};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::encode::{AudioEncodeError, AudioEncoder};
use crate::frame::{Sound, SoundUnit};
use crate::hls::cmaf;
use crate::hls::window::Window;
use crate::timeline::{AAC_FRAME_SAMPLES, Grid, MediaTime, SAMPLE_RATE_HZ, SegmentNumber};

/// How long the tick waits for the encoder when everything runs in lockstep with a cranked clock.
const LOCKSTEP_PATIENCE: Duration = Duration::from_secs(10);

/// Ticks that were lost are silent up to this long; after a longer loss the sound begins anew at a segment boundary.
const MOST_SILENCE_SAMPLES: u64 = 30 * SAMPLE_RATE_HZ as u64;

/// What all games' sound shares.
pub struct SoundSettings {
    pub grid: Grid,
    pub bitrate_bps: u32,
    /// Segments kept.
    pub window_segments: usize,
    pub lockstep: bool,
    /// Counts up whenever a segment is finished anywhere.
    pub finished: watch::Sender<u64>,
}

/// See the module. Lock order: `work`, then `window`.
pub struct SoundTrack {
    settings: Arc<SoundSettings>,
    work: Mutex<Work>,
    window: Mutex<Window<Bytes>>,
}

struct Work {
    /// `None` until the segment to begin with is reached, and after the encoder failed until the next one.
    encoder: Option<AudioEncoder>,
    /// The segment being filled.
    segment: SegmentNumber,
    units: Vec<SoundUnit>,
}

impl SoundTrack {
    /// Sound from segment `from` on.
    pub fn new(settings: Arc<SoundSettings>, from: SegmentNumber) -> Self {
        let window = Mutex::new(Window::new(settings.window_segments));
        Self { settings, work: Mutex::new(Work { encoder: None, segment: from, units: Vec::new() }), window }
    }

    /// Segments that can be fetched.
    pub fn finished(&self) -> Option<RangeInclusive<SegmentNumber>> {
        self.window.lock().range()
    }

    pub fn segment(&self, segment: SegmentNumber) -> Option<Bytes> {
        self.window.lock().get(segment).cloned()
    }

    /// Takes in the sound of one tick; ticks follow each other without a gap. An encoder that fails is replaced at the next
    /// segment boundary.
    pub fn push(&self, sound: Sound) {
        let mut work = self.work.lock();
        // The first segment that this sound cannot be late for.
        let next = self.settings.grid.segment_at(MediaTime::of_sample(sound.samples.end)) + 2;
        if let Err(e) = self.encode(&mut work, sound) {
            tracing::error!(error = %e, "sound encoder failed; a new one starts with the next segment");
            work.encoder = None;
            work.units.clear();
            work.segment = (work.segment + 1).max(next);
        }
    }

    fn encode(&self, work: &mut Work, sound: Sound) -> Result<(), AudioEncodeError> {
        let grid = self.settings.grid;
        let sound = match &work.encoder {
            Some(_) => sound,
            None => {
                let first = grid.first_aac_frame(work.segment);
                let Some(sound) = after(sound, first * AAC_FRAME_SAMPLES) else { return Ok(()) };
                if sound.samples.start != first * AAC_FRAME_SAMPLES {
                    // The boundary has gone by already (the tick lost frames): the next one will do.
                    work.segment += 1;
                    return Ok(());
                }
                work.encoder = Some(AudioEncoder::new(first, self.settings.bitrate_bps)?);
                sound
            }
        };
        let Some(encoder) = &mut work.encoder else { return Ok(()) };
        let patience = if self.settings.lockstep { LOCKSTEP_PATIENCE } else { Duration::ZERO };
        let lost = encoder.next_sample()..sound.samples.start;
        let mut units = Vec::new();
        if !lost.is_empty() && lost.end - lost.start <= MOST_SILENCE_SAMPLES {
            units = encoder.push(&silence(lost), patience)?;
        }
        units.extend(encoder.push(&sound, patience)?);
        for unit in units {
            while unit.aac_frame >= grid.first_aac_frame(work.segment + 1) {
                self.finish(work);
            }
            work.units.push(unit);
        }
        Ok(())
    }

    fn finish(&self, work: &mut Work) {
        let units = std::mem::take(&mut work.units);
        match cmaf::audio_segment(&self.settings.grid, work.segment, &units) {
            Ok(bytes) => {
                self.window.lock().push(work.segment, bytes);
                self.settings.finished.send_modify(|count| *count += 1);
            }
            Err(e) => tracing::error!(segment = work.segment, error = %e, "cannot package a sound segment"),
        }
        work.segment += 1;
    }
}

/// The part of `sound` from sample `from` on; `None` when it ends before.
fn after(mut sound: Sound, from: u64) -> Option<Sound> {
    if sound.samples.end <= from {
        return None;
    }
    if sound.samples.start < from {
        let skipped = usize::try_from(from - sound.samples.start).unwrap_or(usize::MAX).saturating_mul(2);
        sound.interleaved.drain(..skipped.min(sound.interleaved.len()));
        sound.samples.start = from;
    }
    Some(sound)
}

fn silence(samples: Range<u64>) -> Sound {
    let values = usize::try_from(samples.end - samples.start).unwrap_or(0) * 2;
    Sound { samples, interleaved: vec![0; values] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(from: SegmentNumber) -> SoundTrack {
        let settings = SoundSettings {
            grid: Grid::new("30".parse().unwrap(), 30),
            bitrate_bps: 128_000,
            window_segments: 4,
            lockstep: true,
            finished: watch::Sender::new(0),
        };
        SoundTrack::new(Arc::new(settings), from)
    }

    #[test]
    fn segments_come_whole_from_the_first_boundary_on() {
        let track = track(1000);
        let grid = track.settings.grid;
        // Ticks begin in the middle of segment 999.
        for frame in 29_985..30_130 {
            track.push(silence(grid.sample_at_frame(frame)..grid.sample_at_frame(frame + 1)));
        }
        assert_eq!(track.finished(), Some(1000..=1003));
        assert!(track.segment(1001).unwrap().len() > 500);
        assert_eq!(*track.settings.finished.borrow(), 4);
    }

    #[test]
    fn lost_ticks_are_silent_and_cost_no_segment() {
        let track = track(1000);
        let grid = track.settings.grid;
        let tick = |frame| track.push(silence(grid.sample_at_frame(frame)..grid.sample_at_frame(frame + 1)));
        (30_000..30_040).for_each(tick);
        // Two seconds are lost.
        (30_100..30_130).for_each(tick);
        assert_eq!(track.finished(), Some(1000..=1003));
    }

    #[test]
    fn after_a_long_loss_the_sound_begins_anew_where_its_segment_does() {
        let track = track(1000);
        let grid = track.settings.grid;
        let tick = |frame| track.push(silence(grid.sample_at_frame(frame)..grid.sample_at_frame(frame + 1)));
        (30_000..30_040).for_each(tick);
        // A hundred seconds are lost.
        (33_040..33_200).for_each(tick);
        let finished = track.finished().unwrap();
        assert!(*finished.start() > 1100 && *finished.end() >= 1105, "{finished:?}");
    }
}
