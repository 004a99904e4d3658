//! AAC-LC by FFmpeg's encoder, through GStreamer.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use crate::frame::{Sound, SoundUnit};
use crate::timeline::{AAC_FRAME_SAMPLES, SAMPLE_RATE_HZ};

/// The encoder's first access unit holds nothing but the run-up into the first samples (its priming, 1024 samples).
const PRIMING_UNITS: u64 = 1;

#[derive(Debug, thiserror::Error)]
pub enum AudioEncodeError {
    #[error("cannot make the AAC encoder: {0}")]
    Unavailable(String),
    #[error("sound starts at sample {got}, expected {expected}")]
    NotContiguous { got: u64, expected: u64 },
    #[error("the AAC encoder stopped: {0}")]
    Stopped(String),
}

/// One AAC-LC encoder: stereo, 48 kHz. Sound goes in contiguously; access units come out a few frames later.
pub struct AudioEncoder {
    pipeline: gst::Pipeline,
    source: gst_app::AppSrc,
    sink: gst_app::AppSink,
    /// The sample that must come next.
    next_sample: u64,
    pending: VecDeque<i16>,
    first_aac_frame: u64,
    units_out: u64,
    units_in: u64,
}

impl AudioEncoder {
    /// An encoder whose first access unit is `first_aac_frame`: sound must start at its first sample.
    pub fn new(first_aac_frame: u64, bitrate_bps: u32) -> Result<Self, AudioEncodeError> {
        let unavailable = |e: gst::glib::Error| AudioEncodeError::Unavailable(e.to_string());
        gst::init().map_err(unavailable)?;
        // The queues are bounded by what is pushed and pulled in turn; appsink never drops.
        let text = format!(
            "appsrc name=source format=time caps=audio/x-raw,format=S16LE,layout=interleaved,channels=2,rate={SAMPLE_RATE_HZ} \
             ! audioconvert ! avenc_aac bitrate={bitrate_bps} \
             ! appsink name=sink sync=false max-buffers=0 caps=audio/mpeg,mpegversion=4,stream-format=raw"
        );
        let pipeline = gst::parse::launch(&text)
            .map_err(unavailable)?
            .downcast::<gst::Pipeline>()
            .map_err(|_| AudioEncodeError::Unavailable("not a pipeline".into()))?;
        let missing = || AudioEncodeError::Unavailable("an element of the pipeline is missing".into());
        let source = pipeline.by_name("source").and_then(|e| e.downcast().ok()).ok_or_else(missing)?;
        let sink = pipeline.by_name("sink").and_then(|e| e.downcast().ok()).ok_or_else(missing)?;
        pipeline.set_state(gst::State::Playing).map_err(|e| AudioEncodeError::Unavailable(e.to_string()))?;
        let next_sample = first_aac_frame * AAC_FRAME_SAMPLES;
        Ok(Self {
            pipeline,
            source,
            sink,
            next_sample,
            pending: VecDeque::new(),
            first_aac_frame,
            units_out: 0,
            units_in: 0,
        })
    }

    /// The sample that the next sound must start with.
    pub fn next_sample(&self) -> u64 {
        self.next_sample
    }

    /// Takes `sound` in and hands out what is ready. With `patience`, waits that long for each access unit that the sound
    /// so far must give (the encoder keeps two back); without, takes only what is there.
    pub fn push(&mut self, sound: &Sound, patience: Duration) -> Result<Vec<SoundUnit>, AudioEncodeError> {
        if sound.samples.start != self.next_sample {
            return Err(AudioEncodeError::NotContiguous { got: sound.samples.start, expected: self.next_sample });
        }
        self.next_sample = sound.samples.end;
        self.pending.extend(&sound.interleaved);
        let values = AAC_FRAME_SAMPLES as usize * 2;
        while self.pending.len() >= values {
            let bytes: Vec<u8> = self.pending.drain(..values).flat_map(i16::to_le_bytes).collect();
            let mut buffer = gst::Buffer::from_mut_slice(bytes);
            if let Some(buffer) = buffer.get_mut() {
                let at = |n: u64| {
                    gst::ClockTime::from_nseconds(n * AAC_FRAME_SAMPLES * 1_000_000_000 / u64::from(SAMPLE_RATE_HZ))
                };
                buffer.set_pts(at(self.units_in));
                buffer.set_duration(at(1));
            }
            self.source.push_buffer(buffer).map_err(|e| AudioEncodeError::Stopped(e.to_string()))?;
            self.units_in += 1;
        }
        self.pull(patience)
    }

    fn pull(&mut self, patience: Duration) -> Result<Vec<SoundUnit>, AudioEncodeError> {
        let mut units = Vec::new();
        loop {
            let owed = self.units_out + 2 < self.units_in;
            let wait = if owed { patience } else { Duration::ZERO };
            let wait = gst::ClockTime::from_nseconds(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
            let Some(sample) = self.sink.try_pull_sample(wait) else { break };
            let data = sample
                .buffer()
                .and_then(|b| b.map_readable().ok())
                .map(|map| Bytes::copy_from_slice(map.as_slice()))
                .ok_or_else(|| AudioEncodeError::Stopped("a buffer without data".into()))?;
            let number = self.units_out;
            self.units_out += 1;
            if let Some(after_priming) = number.checked_sub(PRIMING_UNITS) {
                units.push(SoundUnit { aac_frame: self.first_aac_frame + after_priming, data });
            }
        }
        self.error().map_or(Ok(units), Err)
    }

    fn error(&self) -> Option<AudioEncodeError> {
        let message = self.pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
        match message.view() {
            gst::MessageView::Error(e) => Some(AudioEncodeError::Stopped(e.error().to_string())),
            _ => None,
        }
    }
}

impl Drop for AudioEncoder {
    fn drop(&mut self) {
        // A pipeline that is not stopped before it goes leaks its threads; the result changes nothing here.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(samples: std::ops::Range<u64>) -> Sound {
        let interleaved = samples
            .clone()
            .flat_map(|s| {
                let v = ((s as f64 * 997.0 * std::f64::consts::TAU / 48_000.0).sin() * 9000.0) as i16;
                [v, v]
            })
            .collect();
        Sound { samples, interleaved }
    }

    #[test]
    fn access_units_come_out_numbered_on_the_grid_with_none_missing() {
        let mut encoder = AudioEncoder::new(5_000_000, 128_000).unwrap();
        let start = 5_000_000 * AAC_FRAME_SAMPLES;
        let mut units = Vec::new();
        for tick in 0..100 {
            let sound = tone(start + tick * 1600..start + (tick + 1) * 1600);
            units.extend(encoder.push(&sound, Duration::from_secs(5)).unwrap());
        }
        let numbers: Vec<u64> = units.iter().map(|u| u.aac_frame).collect();
        let expected: Vec<u64> = (5_000_000..5_000_000 + numbers.len() as u64).collect();
        assert_eq!(numbers, expected);
        // 160,000 samples are 156 frames; the encoder keeps two back at most, and the first it made was priming.
        assert!(numbers.len() >= 153, "{}", numbers.len());
        assert!(units.iter().all(|u| u.data.len() > 100 && u.data.len() < 1500));
    }

    #[test]
    fn sound_that_skips_is_refused() {
        let mut encoder = AudioEncoder::new(10, 128_000).unwrap();
        let gap = tone(10 * AAC_FRAME_SAMPLES + 1..11 * AAC_FRAME_SAMPLES);
        assert!(matches!(encoder.push(&gap, Duration::ZERO), Err(AudioEncodeError::NotContiguous { .. })));
    }
}
