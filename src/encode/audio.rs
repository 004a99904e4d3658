//! AAC-LC by FFmpeg's encoder, through GStreamer's element of it.
//!
//! The element is pushed by the caller's thread and answers on it: no pipeline, no queue, no thread of GStreamer's own. So an
//! encoder can be had wherever there is memory, and what comes out follows from what went in alone.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use parking_lot::Mutex;

use crate::frame::{Sound, SoundUnit};
use crate::timeline::{AAC_FRAME_SAMPLES, SAMPLE_RATE_HZ};

/// The encoder's first access unit holds nothing but the run-up into the first samples (its priming, 1024 samples).
const PRIMING_UNITS: u64 = 1;

/// How the encoder looks for what may be left out. The element's own choice, `twoloop`, takes twice the time, and its sound is
/// further from what went in, at any bitrate that may be configured but the very lowest: docs/sound.md has the figures.
const CODER: &str = "fast";

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
    elements: Vec<gst::Element>,
    input: gst::Pad,
    output: gst::Pad,
    bus: gst::Bus,
    coded: Arc<Mutex<VecDeque<Bytes>>>,
    /// The sample that must come next.
    next_sample: u64,
    pending: VecDeque<i16>,
    first_aac_frame: u64,
    units_out: u64,
    units_in: u64,
}

fn unavailable(what: impl ToString) -> AudioEncodeError {
    AudioEncodeError::Unavailable(what.to_string())
}

fn element(name: &str, bus: &gst::Bus) -> Result<gst::Element, AudioEncodeError> {
    let element = gst::ElementFactory::make(name).build().map_err(unavailable)?;
    element.set_bus(Some(bus));
    Ok(element)
}

/// A pad that collects what comes in.
fn collector(coded: &Arc<Mutex<VecDeque<Bytes>>>) -> gst::Pad {
    let coded = coded.clone();
    gst::Pad::builder(gst::PadDirection::Sink)
        .chain_function(move |_, _, buffer| {
            let map = buffer.map_readable().map_err(|_| gst::FlowError::Error)?;
            coded.lock().push_back(Bytes::copy_from_slice(map.as_slice()));
            Ok(gst::FlowSuccess::Ok)
        })
        .event_function(|_, _, _| true)
        .build()
}

impl AudioEncoder {
    /// An encoder whose first access unit is `first_aac_frame`: sound must start at its first sample.
    pub fn new(first_aac_frame: u64, bitrate_bps: u32) -> Result<Self, AudioEncodeError> {
        gst::init().map_err(unavailable)?;
        let bus = gst::Bus::new();
        let (convert, encode) = (element("audioconvert", &bus)?, element("avenc_aac", &bus)?);
        encode.set_property_from_str("bitrate", &bitrate_bps.to_string());
        encode.set_property_from_str("aac-coder", CODER);
        let coded = Arc::default();
        let input = gst::Pad::builder(gst::PadDirection::Src).build();
        let mut encoder = Self {
            elements: vec![convert, encode],
            input,
            output: collector(&coded),
            bus,
            coded,
            next_sample: first_aac_frame * AAC_FRAME_SAMPLES,
            pending: VecDeque::new(),
            first_aac_frame,
            units_out: 0,
            units_in: 0,
        };
        encoder.connect()?;
        Ok(encoder)
    }

    /// Links everything in a row and says what will be pushed.
    fn connect(&mut self) -> Result<(), AudioEncodeError> {
        let mut before = self.input.clone();
        for element in &self.elements {
            let pad = |name| element.static_pad(name).ok_or_else(|| unavailable("an element has no pads"));
            before.link(&pad("sink")?).map_err(unavailable)?;
            before = pad("src")?;
        }
        before.link(&self.output).map_err(unavailable)?;
        self.output.set_active(true).map_err(unavailable)?;
        for element in self.elements.iter().rev() {
            element.set_state(gst::State::Playing).map_err(unavailable)?;
        }
        self.input.set_active(true).map_err(unavailable)?;
        let caps = gst::Caps::builder("audio/x-raw")
            .field("format", "S16LE")
            .field("layout", "interleaved")
            .field("channels", 2i32)
            .field("rate", SAMPLE_RATE_HZ as i32)
            .build();
        let segment = gst::FormattedSegment::<gst::ClockTime>::new();
        let taken = self.input.push_event(gst::event::StreamStart::new("sound"))
            && self.input.push_event(gst::event::Caps::new(&caps))
            && self.input.push_event(gst::event::Segment::new(&segment));
        if taken { Ok(()) } else { Err(self.error().unwrap_or_else(|| unavailable("it does not take the format"))) }
    }

    /// The sample that the next sound must start with.
    pub fn next_sample(&self) -> u64 {
        self.next_sample
    }

    /// Takes `sound` in and hands out what is ready: the encoder keeps two access units back.
    pub fn push(&mut self, sound: &Sound) -> Result<Vec<SoundUnit>, AudioEncodeError> {
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
            self.units_in += 1;
            if let Err(flow) = self.input.push(buffer) {
                return Err(self.error().unwrap_or_else(|| AudioEncodeError::Stopped(flow.to_string())));
            }
        }
        // What elements say about themselves is of no interest; left there it would pile up.
        self.error().map_or_else(|| Ok(self.take()), Err)
    }

    fn take(&mut self) -> Vec<SoundUnit> {
        let mut units = Vec::new();
        for data in self.coded.lock().drain(..) {
            let number = self.units_out;
            self.units_out += 1;
            if let Some(after_priming) = number.checked_sub(PRIMING_UNITS) {
                units.push(SoundUnit { aac_frame: self.first_aac_frame + after_priming, data });
            }
        }
        units
    }

    /// The last error that was posted, all other messages being let go.
    fn error(&self) -> Option<AudioEncodeError> {
        let mut found = None;
        while let Some(message) = self.bus.pop() {
            if let gst::MessageView::Error(e) = message.view() {
                found = Some(AudioEncodeError::Stopped(e.error().to_string()));
            }
        }
        found
    }
}

impl Drop for AudioEncoder {
    fn drop(&mut self) {
        // Elements that are not stopped before they go complain; the results change nothing here.
        let _ = self.input.set_active(false);
        for element in &self.elements {
            let _ = element.set_state(gst::State::Null);
            element.set_bus(None);
        }
        let _ = self.output.set_active(false);
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
            units.extend(encoder.push(&sound).unwrap());
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
        assert!(matches!(encoder.push(&gap), Err(AudioEncodeError::NotContiguous { .. })));
    }
}
