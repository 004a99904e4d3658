//! The main sound as its source codes it, beside its decoded form: frames are taken where they leave the parser, and put in their places by the clock
//! that pictures and decoded sound go by.

use std::ops::Range;

use bytes::Bytes;
use gstreamer as gst;
use parking_lot::Mutex;

use super::intake::Intake;
use crate::cadence::{CodedQueue, SourceNanos};
use crate::frame::{CodedFrame, CodedSound};
use crate::timeline::{MediaTime, SAMPLE_RATE_HZ};

/// What there is of it, under the intake's lock.
#[derive(Default)]
pub(super) struct AsCame {
    form: Option<CodedSound>,
    queue: CodedQueue,
}

impl AsCame {
    /// Another run of the source, which may have another form.
    pub fn restart(&mut self) {
        self.queue.restart();
    }
}

impl Intake {
    /// Takes a frame in that begins at `at`. It never waits.
    pub fn push_coded(&self, run: u64, form: CodedSound, at: SourceNanos, data: Bytes) {
        let mut state = self.state.lock();
        if state.run != run {
            return;
        }
        if state.as_came.form.replace(form) != Some(form) {
            state.as_came.queue.restart();
        }
        state.as_came.queue.push(at, data);
    }

    /// The form that came last.
    pub fn coded_form(&self) -> Option<CodedSound> {
        self.state.lock().as_came.form
    }

    /// The frames of `form` that begin within `samples`, by their numbers since the media epoch; none where there is nothing for a place.
    pub fn coded(&self, form: CodedSound, samples: &Range<u64>) -> Vec<(u64, Option<Bytes>)> {
        let length = form.frame_samples();
        let nanos = i64::try_from(length * 1_000_000_000 / u64::from(SAMPLE_RATE_HZ)).unwrap_or(i64::MAX);
        let mut state = self.state.lock();
        let is_it = state.as_came.form == Some(form);
        let mut frame = |number: u64| {
            let due = state.clock.source_at(MediaTime::of_sample(number * length)).filter(|_| is_it)?;
            state.as_came.queue.take(due, nanos)
        };
        let numbers = samples.start.div_ceil(length)..samples.end.div_ceil(length);
        numbers.map(|number| (number, frame(number))).collect()
    }
}

/// What is known of the stream that a head decodes: rate in hertz and channels, of its core and of what a decoder makes of it.
#[derive(Debug, Default)]
pub(super) struct Tap {
    core: Option<(u32, u32)>,
    decoded: Option<(u32, u32)>,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Kind {
    #[default]
    Other,
    A52,
    Aac,
}

impl Tap {
    /// The parser tells what comes.
    pub fn parsed(&mut self, caps: &gst::CapsRef) {
        let name = caps.structure(0).map_or("", |s| s.name().as_str());
        let text = |field: &str| caps.structure(0).and_then(|s| s.get::<String>(field).ok());
        self.kind = match name {
            "audio/x-ac3" | "audio/x-eac3" => Kind::A52,
            // LATM has its configuration among its frames.
            "audio/mpeg" if matches!(text("stream-format").as_deref(), Some("adts" | "raw")) => Kind::Aac,
            _ => Kind::Other,
        };
        self.core = shape(caps);
    }

    /// The decoder tells what it makes of it.
    pub fn decodes(&mut self, caps: &gst::CapsRef) {
        self.decoded = shape(caps);
    }

    /// A frame that can be handed on as it is.
    pub fn frame<'a>(&self, bytes: &'a [u8]) -> Option<CodedFrame<'a>> {
        match self.kind {
            Kind::Other => None,
            Kind::A52 => CodedSound::a52_frame(bytes),
            Kind::Aac => CodedSound::aac_frame(bytes, self.core?, self.decoded?),
        }
    }
}

fn shape(caps: &gst::CapsRef) -> Option<(u32, u32)> {
    let number = |field| caps.structure(0)?.get::<i32>(field).ok().and_then(|n| u32::try_from(n).ok());
    number("rate").zip(number("channels"))
}

/// Shared by the probes of a head.
pub(super) type SharedTap = std::sync::Arc<Mutex<Tap>>;
