//! One run of one source through GStreamer: demux, decode, convert, hand over.
//!
//! The two appsinks never queue: their callbacks push into the intake from GStreamer's own streaming threads and wait
//! there, so that back-pressure reaches the demuxer and nothing is decoded farther ahead than the intake allows.

use std::sync::Arc;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use parking_lot::Mutex;

use super::delivery::Delivery;
use super::downmix;
use super::error::SourceError;
use super::intake::Intake;
use super::source::{Push, Source};
use super::{srt, trouble};
use crate::cadence::Stream;
use crate::timeline::{Clock, Grid};

/// How often the bus gives way to the watchdog.
const POLL: Duration = Duration::from_millis(50);

/// A source's pipeline; dropping it tears it down.
struct Running {
    pipeline: gst::Pipeline,
}

impl Drop for Running {
    fn drop(&mut self) {
        // An element that refuses to go to Null has said why on the bus, which nobody reads any more.
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Runs `source` until it fails or ends, or until `check` (called every 50 ms or so) says why to give up.
pub(super) fn run(
    source: &Source,
    grid: &Grid,
    intake: &Arc<Intake>,
    run: u64,
    clock: &Arc<dyn Clock>,
    check: &mut dyn FnMut() -> Option<SourceError>,
) -> SourceError {
    let delivery = Arc::new(Delivery::new(Arc::clone(intake), run, Arc::clone(clock)));
    let looped = matches!(source, Source::Pulled { looped: true, .. });
    let running = match build(source, grid, &delivery) {
        Ok(pipeline) => Running { pipeline },
        Err(error) => return SourceError::Pipeline(error.to_string()),
    };
    let Some(bus) = running.pipeline.bus() else { return SourceError::Pipeline("no bus".into()) };
    // Why nothing comes, where an element knows.
    let mut warned = None;
    let mut started = running.pipeline.set_state(gst::State::Playing).is_ok();
    loop {
        let message = bus.timed_pop(gst::ClockTime::from_mseconds(POLL.as_millis() as u64));
        match message.as_ref().map(|m| m.view()) {
            Some(gst::MessageView::Error(error)) => break trouble::of_error(error),
            Some(gst::MessageView::Warning(warning)) => warned = trouble::after_warning(warning, warned.take()),
            Some(gst::MessageView::Eos(_)) if looped => {
                if let Err(error) = begin_lap(&running.pipeline, &delivery) {
                    break error;
                }
            }
            Some(gst::MessageView::Eos(_)) => break SourceError::Ended,
            // The error that explains a failed start is on the bus before the state change returns.
            None if !started => break SourceError::Pipeline("the pipeline does not start".into()),
            _ => {}
        }
        if let Some(reason) = check() {
            break warned.filter(|_| matches!(reason, SourceError::Stalled { .. })).unwrap_or(reason);
        }
        started = started || running.pipeline.current_state() == gst::State::Playing;
    }
}

/// Back to the beginning; what is decoded ahead covers the seek.
fn begin_lap(pipeline: &gst::Pipeline, delivery: &Delivery) -> Result<(), SourceError> {
    if delivery.pictures() == 0 {
        return Err(SourceError::NoPicture);
    }
    delivery.begin_lap();
    pipeline
        .seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, gst::ClockTime::ZERO)
        .map_err(|_| SourceError::Pipeline("the file cannot be played from its beginning again".into()))
}

fn build(source: &Source, grid: &Grid, delivery: &Arc<Delivery>) -> Result<gst::Pipeline, glib::BoolError> {
    let pipeline = gst::Pipeline::new();
    let decoder = match source {
        Source::Pulled { uri, .. } => {
            let decoder = gst::ElementFactory::make("uridecodebin").property("uri", uri.as_str()).build()?;
            pipeline.add(&decoder)?;
            decoder
        }
        Source::Pushed(push) => {
            let decoder = gst::ElementFactory::make("decodebin").build()?;
            let head = head_of(push)?;
            pipeline.add_many(head.iter().chain([&decoder]))?;
            gst::Element::link_many(&head)?;
            if let Some(last) = head.last() {
                last.link(&decoder)?;
            }
            decoder
        }
        Source::Synthetic(_) => return Err(glib::bool_error!("synthetic sources need no pipeline")),
    };
    connect_selection(&decoder);
    connect_decoders(&pipeline);
    connect_pads(&decoder, &pipeline, grid, delivery);
    Ok(pipeline)
}

/// The elements in front of the demuxer of a pushing source.
fn head_of(push: &Push) -> Result<Vec<gst::Element>, glib::BoolError> {
    let udp = |address: &str, port: u16, interface: &Option<String>, caps: gst::Caps| {
        let mut make = gst::ElementFactory::make("udpsrc")
            .property("address", address)
            .property("port", i32::from(port))
            .property("auto-multicast", true)
            .property("buffer-size", 2 << 20)
            .property("caps", caps);
        if let Some(interface) = interface {
            make = make.property("multicast-iface", interface.as_str());
        }
        make.build()
    };
    let transport_stream = || gst::Caps::builder("video/mpegts").field("systemstream", true).build();
    // A thread of its own for the socket: a decoder that is busy must not cost datagrams. Full, it loses the oldest.
    let queue = || {
        gst::ElementFactory::make("queue")
            .property("max-size-buffers", 0u32)
            .property("max-size-bytes", 8u32 << 20)
            .property("max-size-time", 0u64)
            .property_from_str("leaky", "downstream")
            .build()
    };
    Ok(match push {
        Push::Udp { address, port, interface } => vec![udp(address, *port, interface, transport_stream())?, queue()?],
        Push::Rtp { address, port, interface } => {
            let caps = gst::Caps::builder("application/x-rtp")
                .field("media", "video")
                .field("clock-rate", 90_000i32)
                .field("encoding-name", "MP2T")
                .field("payload", 33i32)
                .build();
            let jitter = gst::ElementFactory::make("rtpjitterbuffer").property("latency", 200u32).build()?;
            let depay = gst::ElementFactory::make("rtpmp2tdepay").build()?;
            vec![udp(address, *port, interface, caps)?, jitter, depay, queue()?]
        }
        Push::Srt(source) => vec![srt::element(source)?, queue()?],
        Push::Rtmp { uri } => {
            vec![gst::ElementFactory::make("rtmp2src").property("location", uri.as_str()).build()?, queue()?]
        }
    })
}

/// Only the first picture stream and the first sound stream are decoded: every other one is left as it came, and nobody
/// takes it.
fn connect_selection(decoder: &gst::Element) {
    let containers = gst::ElementFactory::factories_with_type(gst::ElementFactoryType::DEMUXER, gst::Rank::MARGINAL);
    let chosen: Mutex<[Option<glib::GString>; 2]> = Mutex::new([None, None]);
    decoder.connect("autoplug-continue", false, move |values| {
        let pad = values.get(1)?.get::<gst::Pad>().ok()?;
        let caps = values.get(2)?.get::<gst::Caps>().ok()?;
        let name = caps.structure(0)?.name();
        let kind = if name.starts_with("video/") || name.starts_with("image/") {
            0
        } else if name.starts_with("audio/") {
            1
        } else {
            return Some(!name.starts_with("text/") && !name.starts_with("subpicture/")).map(|go_on| go_on.to_value());
        };
        // A container's caps say video/, too; what is inside is asked about later.
        if containers.iter().any(|factory| factory.can_sink_any_caps(&caps)) {
            return Some(true.to_value());
        }
        let id = pad.stream_id();
        let mut chosen = chosen.lock();
        let first = chosen[kind].get_or_insert_with(|| id.clone().unwrap_or_default());
        Some((id.as_ref() == Some(first) || id.is_none()).to_value())
    });
}

/// Threads in decoders multiply the pictures they hold, and the feeds themselves already fill the cores.
fn connect_decoders(pipeline: &gst::Pipeline) {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = (cores as i32 / 4).clamp(1, 4);
    pipeline.connect_deep_element_added(move |_, _, element| {
        let is_decoder = element.factory().is_some_and(|f| f.has_type(gst::ElementFactoryType::DECODER));
        let spec = element.find_property("max-threads");
        if is_decoder && spec.is_some_and(|s| s.value_type() == i32::static_type()) {
            element.set_property("max-threads", threads);
        }
    });
}

fn connect_pads(decoder: &gst::Element, pipeline: &gst::Pipeline, grid: &Grid, delivery: &Arc<Delivery>) {
    let sinks: Mutex<[Option<gst::Pad>; 2]> = Mutex::new([None, None]);
    let pipeline = pipeline.downgrade();
    let delivery = Arc::clone(delivery);
    // Above 30 fps both fields of an interlaced picture become pictures: 50i is shown as 50p.
    let fields = if grid.fps().num() / grid.fps().den() > 31 { "all" } else { "top" };
    decoder.connect_pad_added(move |_, pad| {
        let Some(pipeline) = pipeline.upgrade() else { return };
        let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
        let stream = match caps.structure(0).map(|s| s.name().as_str()) {
            Some("video/x-raw") => Stream::Picture,
            Some("audio/x-raw") => Stream::Sound,
            _ => return,
        };
        if stream == Stream::Sound {
            delivery.expect_sound();
        }
        let mut sinks = sinks.lock();
        let sink = &mut sinks[usize::from(stream == Stream::Sound)];
        let made = match sink.take() {
            Some(sink) => Ok(sink),
            None => add_branch(&pipeline, stream, fields, &delivery),
        };
        match made {
            Ok(target) => {
                // A stream that replaces another (a new programme table) takes over its branch.
                if !target.is_linked()
                    && let Err(error) = pad.link(&target)
                {
                    tracing::debug!(%error, "a decoded stream could not be linked");
                }
                *sink = Some(target);
            }
            Err(error) => {
                gst::element_error!(pipeline, gst::CoreError::Failed, ("{}", error));
            }
        }
    });
}

/// Adds what brings a decoded stream into our form; returns its sink pad.
fn add_branch(
    pipeline: &gst::Pipeline,
    stream: Stream,
    fields: &str,
    delivery: &Arc<Delivery>,
) -> Result<gst::Pad, glib::Error> {
    let sink = "appsink name=sink sync=false async=false qos=false max-buffers=1 enable-last-sample=false";
    let description = match stream {
        Stream::Picture => format!(
            "videoconvert n-threads=1 ! video/x-raw,format=I420 ! deinterlace mode=auto fields={fields} method=linear \
             ! video/x-raw,format=I420,interlace-mode=progressive ! {sink}"
        ),
        Stream::Sound => format!("audioconvert ! audioresample ! {} ! {sink}", downmix::CAPS),
    };
    let bin = gst::parse::bin_from_description(&description, true)?;
    let failed = |what: &str| glib::Error::new(gst::CoreError::Failed, what);
    let app: gst_app::AppSink =
        bin.by_name("sink").and_then(|e| e.downcast().ok()).ok_or_else(|| failed("no appsink"))?;
    let delivery = Arc::clone(delivery);
    app.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |app| {
                let sample = app.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                delivery.deliver(stream, sample)
            })
            .build(),
    );
    pipeline.add(&bin).map_err(|e| failed(&e.to_string()))?;
    bin.sync_state_with_parent().map_err(|e| failed(&e.to_string()))?;
    bin.static_pad("sink").ok_or_else(|| failed("no sink pad"))
}
