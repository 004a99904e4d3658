//! Decoding what was encoded, to see what a player will see: the service checks itself with it before it trusts its encoder.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;

use crate::frame::{Colour, Picture, PlaneMemory};
use crate::ladder::ParameterSets;
use crate::work::lower_priority;

/// Longest wait for one decoded picture.
const PATIENCE: Duration = Duration::from_secs(20);

/// An independent decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoder {
    /// FFmpeg's of H.264 (GStreamer element `avdec_h264`).
    Ffmpeg,
    /// Cisco's of H.264 (GStreamer element `openh264dec`).
    OpenH264,
    /// FFmpeg's of HEVC (GStreamer element `avdec_h265`).
    FfmpegHevc,
}

impl Decoder {
    const fn element(self) -> &'static str {
        match self {
            // One thread: pictures come out one by one, and a few decoders can run side by side.
            Decoder::Ffmpeg => "avdec_h264 max-threads=1",
            Decoder::OpenH264 => "openh264dec",
            Decoder::FfmpegHevc => "avdec_h265 max-threads=1",
        }
    }

    /// Formats of samples that come out.
    const fn samples(self) -> &'static str {
        match self {
            Decoder::Ffmpeg | Decoder::OpenH264 => "I420",
            Decoder::FfmpegHevc => "{I420,I420_10LE}",
        }
    }

    const fn format(self) -> &'static str {
        match self {
            Decoder::Ffmpeg | Decoder::OpenH264 => "h264",
            Decoder::FfmpegHevc => "h265",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("cannot make the decoder: {0}")]
    Unavailable(String),
    #[error("the decoder stopped: {0}")]
    Stopped(String),
    #[error("the decoder gave {got} pictures of {expected}")]
    Missing { got: usize, expected: usize },
    #[error("access unit {0} is no run of NAL units with four-byte lengths")]
    Malformed(usize),
}

/// The pictures of `units` (NAL units with four-byte lengths, the first an IDR picture), one for each, as `decoder` decodes
/// them. `sets` go in front of the first one.
pub fn decode(decoder: Decoder, sets: &ParameterSets, units: &[Bytes]) -> Result<Vec<Picture>, DecodeError> {
    let unavailable = |e: gst::glib::Error| DecodeError::Unavailable(e.to_string());
    gst::init().map_err(unavailable)?;
    let format = decoder.format();
    let text = format!(
        "appsrc name=source format=time max-bytes=0 caps=video/x-{format},stream-format=byte-stream,alignment=au \
         ! {format}parse ! {} ! appsink name=sink sync=false max-buffers=0 caps=video/x-raw,format={}",
        decoder.element(),
        decoder.samples()
    );
    let element = gst::parse::launch(&text).map_err(unavailable)?;
    let running = Running(element);
    let bin = running.0.dynamic_cast_ref::<gst::Bin>();
    let missing = || DecodeError::Unavailable("an element of the pipeline is missing".into());
    let source = bin.and_then(|b| b.by_name("source")).and_then(|e| e.downcast::<gst_app::AppSrc>().ok());
    let sink = bin.and_then(|b| b.by_name("sink")).and_then(|e| e.downcast::<gst_app::AppSink>().ok());
    let (source, sink) = source.zip(sink).ok_or_else(missing)?;
    if let Some(bus) = running.0.bus() {
        // Posted by the thread that decodes: it stands back behind what answers requests.
        bus.set_sync_handler(|_, message| {
            if matches!(message.view(), gst::MessageView::StreamStatus(status) if status.type_() == gst::StreamStatusType::Enter)
            {
                lower_priority();
            }
            gst::BusSyncReply::Pass
        });
    }
    running.0.set_state(gst::State::Playing).map_err(|e| DecodeError::Unavailable(e.to_string()))?;
    for (at, unit) in units.iter().enumerate() {
        let bytes = byte_stream(if at == 0 { Some(sets) } else { None }, unit).ok_or(DecodeError::Malformed(at))?;
        let mut buffer = gst::Buffer::from_slice(bytes);
        if let Some(buffer) = buffer.get_mut() {
            // Any rate will do: nothing waits for a clock.
            buffer.set_pts(gst::ClockTime::from_mseconds(at as u64 * 40));
        }
        source.push_buffer(buffer).map_err(|e| DecodeError::Stopped(e.to_string()))?;
    }
    source.end_of_stream().map_err(|e| DecodeError::Stopped(e.to_string()))?;
    let mut pictures = Vec::with_capacity(units.len());
    let patience = gst::ClockTime::from_seconds(PATIENCE.as_secs());
    while let Some(sample) = sink.try_pull_sample(patience) {
        pictures.push(picture(&sample).ok_or_else(|| DecodeError::Stopped("a picture without planes".into()))?);
    }
    if pictures.len() == units.len() {
        return Ok(pictures);
    }
    let stopped = running.0.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
    match stopped.as_ref().map(|message| message.view()) {
        Some(gst::MessageView::Error(e)) => Err(DecodeError::Stopped(e.error().to_string())),
        _ => Err(DecodeError::Missing { got: pictures.len(), expected: units.len() }),
    }
}

/// A pipeline that is stopped when it goes: one that is not leaks its threads.
struct Running(gst::Element);

impl Drop for Running {
    fn drop(&mut self) {
        // Nothing is left to be done about a pipeline that does not stop.
        let _ = self.0.set_state(gst::State::Null);
    }
}

/// Start codes instead of lengths (annex B of ITU-T H.264 and H.265).
fn byte_stream(sets: Option<&ParameterSets>, unit: &[u8]) -> Option<Bytes> {
    let mut out = BytesMut::with_capacity(unit.len() + 1024);
    let mut put = |nal: &[u8]| {
        out.put_slice(&[0, 0, 0, 1]);
        out.put_slice(nal);
    };
    if let Some(sets) = sets {
        sets.each().for_each(|set| put(set));
    }
    let mut rest = unit;
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>()?;
        let (nal, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        put(nal);
        rest = after;
    }
    Some(out.freeze())
}

fn picture(sample: &gst::Sample) -> Option<Picture> {
    let info = gst_video::VideoInfo::from_caps(sample.caps()?).ok()?;
    let frame = gst_video::VideoFrame::from_buffer_readable(sample.buffer_owned()?, &info).ok()?;
    let strides = [0, 1, 2].map(|p| usize::try_from(frame.plane_stride()[p]).unwrap_or(0));
    let planes = Planes(frame);
    let is_deep = info.format() == gst_video::VideoFormat::I42010le;
    let colour = if is_deep { Colour::PQ_CANVAS } else { Colour::CANVAS };
    Picture::new(info.width(), info.height(), strides, colour, (1, 1), Arc::new(planes))
}

struct Planes(gst_video::VideoFrame<gst_video::video_frame::Readable>);

impl PlaneMemory for Planes {
    fn plane(&self, plane: usize) -> &[u8] {
        self.0.plane_data(plane as u32).unwrap_or(&[])
    }
}
