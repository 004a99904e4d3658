//! A branch is the way of one kind of stream, picture or sound, from a demuxer's pad to the feed.
//!
//! Its tail (conversion and appsink) lives as long as the run. Its head (queue, parser, decoder) serves one codec and is
//! replaced with it. Pads come and go in front of the head: a new programme table, another lap, an advertisement. No end of
//! stream and no flush reaches the appsink, which would refuse everything after it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video::{VideoInfo, VideoMeta};
use parking_lot::Mutex;

use super::clean_point::{Coding, Gate};
use super::parts::{decoders, factories, limit_threads, make, stream_queue};
use crate::cadence::Stream;
use crate::feed::downmix;
use crate::feed::facts::name_of;

/// A sound branch that failed is tried again after so long, then after twice as long, up to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(2);
const LONGEST_RETRY: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// No pad has come yet.
    Empty,
    /// A pad is being given its head.
    Linking,
    Flowing,
    /// Its pad is gone or being replaced; what is decoded still comes.
    Draining,
    /// Everything was handed over; the next pad may come.
    Drained,
    /// An element failed: nothing comes until `retry_at`.
    Failed {
        retry_at: Instant,
        wait: Duration,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    Claimed,
    Linked,
    PadGone,
    EndReached,
    Broke(Instant),
}

impl Life {
    /// The life after `trigger`; `None` where it changes nothing.
    pub fn after(self, trigger: Trigger) -> Option<Life> {
        let failed = |at: Instant, wait: Duration| Some(Life::Failed { retry_at: at + wait, wait });
        match (self, trigger) {
            (Life::Empty | Life::Drained | Life::Failed { .. }, Trigger::Claimed) => Some(Life::Linking),
            (Life::Linking | Life::Flowing | Life::Draining, Trigger::Claimed) => None,
            (Life::Linking, Trigger::Linked) => Some(Life::Flowing),
            // It broke while it was linked: that stays so.
            (Life::Empty | Life::Flowing | Life::Draining | Life::Drained | Life::Failed { .. }, Trigger::Linked) => {
                None
            }
            (Life::Linking | Life::Flowing, Trigger::PadGone) => Some(Life::Draining),
            (Life::Failed { .. }, Trigger::PadGone) => Some(Life::Drained),
            (Life::Empty | Life::Draining | Life::Drained, Trigger::PadGone) => None,
            (Life::Linking | Life::Flowing | Life::Draining, Trigger::EndReached) => Some(Life::Drained),
            (Life::Empty | Life::Drained | Life::Failed { .. }, Trigger::EndReached) => None,
            (Life::Linking | Life::Flowing, Trigger::Broke(at)) => failed(at, FIRST_RETRY),
            (Life::Draining, Trigger::Broke(_)) => Some(Life::Drained),
            (Life::Failed { .. } | Life::Empty | Life::Drained, Trigger::Broke(_)) => None,
        }
    }

    /// Whether something is on its way to the appsink.
    pub fn is_under_way(self) -> bool {
        matches!(self, Life::Linking | Life::Flowing | Life::Draining)
    }
}

/// The wait after the one that was of no use.
pub(super) fn next_wait(wait: Duration) -> Duration {
    (wait * 2).min(LONGEST_RETRY)
}

/// What is in front of the tail, for one codec.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub bin: gst::Bin,
    pub sink: gst::Pad,
    pub src: gst::Pad,
    /// The codec's short name; a pad of the same codec may take the head over.
    pub codec: String,
    /// Where the parser's caps are seen; the head's own sink where it has no parser.
    pub parsed: gst::Pad,
    pub gate: Arc<Mutex<Gate>>,
    decoder: Arc<Mutex<Decoder>>,
}

#[derive(Debug, Default)]
struct Decoder {
    element: Option<gst::Element>,
    /// Whether it decodes several pictures at once.
    by_frames: bool,
}

impl Head {
    /// Puts a fresh decoder into its place that decodes two pictures at once. libav's for H.264 (5.1) under GStreamer (1.22)
    /// loses a first picture that is no IDR, and with it what refers to it, unless it does: the frames it makes up for the gap
    /// in front of it want a buffer each, and it is refused the second one.
    pub fn decode_by_frames(&self) -> Result<(), glib::BoolError> {
        let mut decoder = self.decoder.lock();
        let Some(old) = decoder.element.clone().filter(|_| !decoder.by_frames) else { return Ok(()) };
        let Some(factory) = old.factory().filter(|factory| factory.name() == "avdec_h264") else { return Ok(()) };
        let new = factory.create().property("max-threads", 2i32).property_from_str("thread-type", "frame").build()?;
        let missing = || glib::bool_error!("an element lost its pad");
        let (sink, src) = (new.static_pad("sink").ok_or_else(missing)?, new.static_pad("src").ok_or_else(missing)?);
        self.bin.add(&new)?;
        // It holds nothing: whoever is to begin has drained it before.
        self.bin.remove(&old)?;
        old.set_state(gst::State::Null).map_err(|_| glib::bool_error!("a decoder does not stop"))?;
        let ghost = self.src.downcast_ref::<gst::GhostPad>().ok_or_else(missing)?;
        ghost.set_target(Some(&src))?;
        self.parsed.link(&sink).map_err(|error| glib::bool_error!("{error}"))?;
        *decoder = Decoder { element: Some(new.clone()), by_frames: true };
        new.sync_state_with_parent()
    }
}

/// What turns decoded media into our form and hands it over.
#[derive(Clone, Debug)]
pub(super) struct Tail {
    pub bin: gst::Bin,
    pub sink: gst::Pad,
    pub end: gst::Pad,
}

fn chained(bin: &gst::Bin, elements: &[gst::Element]) -> Result<(), glib::BoolError> {
    bin.add_many(elements)?;
    gst::Element::link_many(elements)
}

/// Builds the head for a stream of these caps: the parser, then the best decoder that takes it.
pub(super) fn head(stream: Stream, caps: &gst::Caps) -> Result<Head, glib::BoolError> {
    let (bin, codec) = (gst::Bin::new(), name_of(caps));
    let mut elements = Vec::new();
    if stream == Stream::Sound {
        // Sound that fails must not stop the demuxer, and the picture with it.
        let ignore = gst::ElementFactory::make("errorignore").property_from_str("convert-to", "ok").build()?;
        elements.push(ignore);
    }
    elements.push(stream_queue(stream)?);
    chained(&bin, &elements)?;
    let mut last = elements[elements.len() - 1].clone();
    let raw = caps.structure(0).is_some_and(|s| s.name().ends_with("/x-raw"));
    let (mut parsed, mut decoder) = (None, Decoder::default());
    if !raw {
        let parsers = factories(gst::ElementFactoryType::PARSER, caps);
        if let Some(parser) = parsers.first() {
            let parser = parser.create().build()?;
            bin.add(&parser)?;
            last.link(&parser)?;
            last = parser;
        }
        if let Some(caps) = whole_units(&codec) {
            let filter = form(caps)?;
            bin.add(&filter)?;
            last.link(&filter)?;
            last = filter;
        }
        parsed = last.static_pad("src");
        let made = make_decoder(&bin, &last, caps)?;
        decoder.element = Some(made.clone());
        last = made;
    }
    let ghost = |element: &gst::Element, name: &str| {
        let pad = element.static_pad(name).ok_or_else(|| glib::bool_error!("{} has no pad {name}", element.name()))?;
        let ghost = gst::GhostPad::with_target(&pad)?;
        ghost.set_active(true)?;
        bin.add_pad(&ghost)?;
        Ok::<gst::Pad, glib::BoolError>(ghost.upcast())
    };
    let (sink, src) = (ghost(&elements[0], "sink")?, ghost(&last, "src")?);
    let gate = Arc::new(Mutex::new(Gate::new(coding_of(&codec))));
    Ok(Head {
        parsed: parsed.unwrap_or_else(|| sink.clone()),
        bin,
        sink,
        src,
        codec,
        gate,
        decoder: Arc::new(Mutex::new(decoder)),
    })
}

/// The form in which clean points are looked for.
fn whole_units(codec: &str) -> Option<&'static str> {
    match codec {
        "h264" => Some("video/x-h264,stream-format=byte-stream,alignment=au"),
        "hevc" => Some("video/x-h265,stream-format=byte-stream,alignment=au"),
        _ => None,
    }
}

fn coding_of(codec: &str) -> Coding {
    match codec {
        "h264" => Coding::H264,
        "hevc" => Coding::Hevc,
        "mpeg1" | "mpeg2" => Coding::Mpeg12,
        _ => Coding::Flagged,
    }
}

fn make_decoder(bin: &gst::Bin, last: &gst::Element, caps: &gst::Caps) -> Result<gst::Element, glib::BoolError> {
    for factory in decoders(caps) {
        let Ok(decoder) = factory.create().build() else { continue };
        if decoder.static_pad("src").is_none() || bin.add(&decoder).is_err() {
            continue;
        }
        if last.link(&decoder).is_ok() {
            limit_threads(&decoder);
            return Ok(decoder);
        }
        // It stays in the bin unlinked otherwise, and the bin would wait for it.
        let _ = bin.remove(&decoder);
    }
    Err(glib::bool_error!("no decoder for {}", name_of(caps)))
}

/// What pictures are converted to: those of more than eight bits keep ten, but for interlaced ones, of which `deinterlace` takes eight alone.
const TAKEN: &str = "video/x-raw,format=I420_10LE,interlace-mode=progressive;video/x-raw,format=I420";
const HANDED_OVER: &str = "video/x-raw,format={I420,I420_10LE},interlace-mode=progressive";

/// Builds the tail of a branch, which hands what comes to `deliver`. `fields` are deinterlace's.
pub(super) fn tail(
    stream: Stream,
    fields: &str,
    deliver: impl Fn(gst::Sample) -> Result<gst::FlowSuccess, gst::FlowError> + Send + Sync + 'static,
) -> Result<Tail, glib::BoolError> {
    let convert = match stream {
        Stream::Picture => vec![
            gst::ElementFactory::make("videoconvert").property("n-threads", 1u32).build()?,
            form(TAKEN)?,
            gst::ElementFactory::make("deinterlace")
                .property_from_str("mode", "auto")
                .property_from_str("fields", fields)
                .property_from_str("method", "linear")
                .build()?,
            form(HANDED_OVER)?,
        ],
        Stream::Sound => vec![make("audioconvert")?, make("audioresample")?, form(downmix::CAPS)?],
    };
    let app = gst_app::AppSink::builder()
        .sync(false)
        .async_(false)
        .qos(false)
        .max_buffers(1)
        .enable_last_sample(false)
        .build();
    app.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |app| {
                let sample = app.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                deliver(sample)
            })
            .build(),
    );
    let bin = gst::Bin::new();
    let elements: Vec<_> = convert.into_iter().chain([app.clone().upcast()]).collect();
    chained(&bin, &elements)?;
    let missing = || glib::bool_error!("an element lost its pad");
    let sink = gst::GhostPad::with_target(&elements[0].static_pad("sink").ok_or_else(missing)?)?;
    sink.set_active(true)?;
    bin.add_pad(&sink)?;
    Ok(Tail { bin, sink: sink.upcast(), end: app.static_pad("sink").ok_or_else(missing)? })
}

/// Says to whoever makes the pictures that rows may lie apart, as decoders want them, and offers the memory that they are best put into. Who is not
/// told so copies each of them once more.
pub(in crate::feed) fn offer_memory(
    end: &gst::Pad,
    pool: impl Fn() -> Option<gst::BufferPool> + Send + Sync + 'static,
) {
    end.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, move |_, info| {
        let Some(gst::QueryViewMut::Allocation(query)) = info.query_mut().map(gst::QueryRef::view_mut) else {
            return gst::PadProbeReturn::Ok;
        };
        let (caps, _) = query.get_owned();
        let size =
            caps.and_then(|caps| VideoInfo::from_caps(&caps).ok()).and_then(|info| u32::try_from(info.size()).ok());
        if let (Some(pool), Some(size)) = (pool(), size) {
            query.add_allocation_pool(Some(&pool), size, 0, 0);
        }
        query.add_allocation_meta::<VideoMeta>(None);
        gst::PadProbeReturn::Handled
    });
}

fn form(caps: &str) -> Result<gst::Element, glib::BoolError> {
    let caps: gst::Caps = caps.parse()?;
    gst::ElementFactory::make("capsfilter").property("caps", caps).build()
}

/// Takes the end of stream off everything from `pad` to the appsink, where a probe stops it.
pub(super) fn reopen(pad: &gst::Pad) {
    pad.send_event(gst::event::FlushStart::new());
    pad.send_event(gst::event::FlushStop::new(false));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_life_answers_every_trigger() {
        let now = Instant::now();
        let failed = |wait| Life::Failed { retry_at: now + wait, wait };
        let lives = [Life::Empty, Life::Linking, Life::Flowing, Life::Draining, Life::Drained, failed(FIRST_RETRY)];
        let after = |trigger| lives.map(|life| life.after(trigger));
        let (linking, drained) = (Some(Life::Linking), Some(Life::Drained));
        assert_eq!(after(Trigger::Claimed), [linking, None, None, None, linking, linking]);
        assert_eq!(after(Trigger::Linked), [None, Some(Life::Flowing), None, None, None, None]);
        let draining = Some(Life::Draining);
        assert_eq!(after(Trigger::PadGone), [None, draining, draining, None, None, drained]);
        assert_eq!(after(Trigger::EndReached), [None, drained, drained, drained, None, None]);
        let broke = Some(failed(FIRST_RETRY));
        assert_eq!(after(Trigger::Broke(now)), [None, broke, broke, drained, None, None]);
        assert_eq!(next_wait(Duration::from_secs(40)), LONGEST_RETRY);
    }
}
