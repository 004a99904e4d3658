//! The elements that runs are put together from.

use std::os::fd::OwnedFd;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

use super::admitted::is_admitted;
use super::entry::broken;
use crate::cadence::Stream;
use crate::feed::error::SourceError;
use crate::feed::source::Push;
use crate::feed::{sockets, srt};

/// What a pad's caps call for.
pub(super) enum Calls {
    /// A container, to be taken apart by this.
    Container(gst::ElementFactory),
    Stream(Stream),
    /// Not known yet.
    Typefind,
    /// Text, tables, still images: nothing of ours.
    Nothing,
    /// A list of other files. GStreamer's demuxers for those fetch by themselves, and hang when they are torn down.
    List,
}

/// Playlists and manifests, which no container is. HLS over HTTP never gets here: it has a client of its own.
const LISTS: [&str; 3] = ["application/x-hls", "application/dash+xml", "application/vnd.ms-sstr+xml"];

pub(super) fn make(element: &str) -> Result<gst::Element, glib::BoolError> {
    gst::ElementFactory::make(element).build()
}

/// What is to be done with a stream of these caps. A container's caps say video/, too.
pub(super) fn calls_for(caps: &gst::Caps) -> Calls {
    let Some(name) = caps.structure(0).map(|s| s.name().as_str()) else { return Calls::Typefind };
    if name.starts_with("application/octet-stream") {
        return Calls::Typefind;
    }
    if LISTS.contains(&name) {
        return Calls::List;
    }
    let demuxer = gst::ElementFactoryType::DEMUXER;
    if let Some(factory) = factories(demuxer, caps).into_iter().next() {
        return Calls::Container(factory);
    }
    if name.starts_with("video/") {
        Calls::Stream(Stream::Picture)
    } else if name.starts_with("audio/") {
        Calls::Stream(Stream::Sound)
    } else {
        Calls::Nothing
    }
}

/// The factories of a kind that take `caps` and may be used, the best first.
pub(super) fn factories(kind: gst::ElementFactoryType, caps: &gst::Caps) -> Vec<gst::ElementFactory> {
    let all = gst::ElementFactory::factories_with_type(kind, gst::Rank::MARGINAL);
    let mut fit: Vec<_> = all
        .into_iter()
        .filter(|factory| is_admitted(kind, &factory.name()) && factory.can_sink_any_caps(caps))
        .collect();
    fit.sort_by_key(|factory| std::cmp::Reverse(factory.rank()));
    fit
}

/// The decoders for a stream of these caps, the best first.
pub(super) fn decoders(caps: &gst::Caps) -> Vec<gst::ElementFactory> {
    let mut fit = factories(gst::ElementFactoryType::DECODER, caps);
    // Which layer MPEG audio has its parser finds out later: a decoder that takes one alone may be the wrong one.
    if caps.structure(0).is_some_and(|s| s.name() == "audio/mpeg" && s.get::<i32>("mpegversion") == Ok(1)) {
        let layer = |layer: i32| {
            let mut caps = caps.copy();
            caps.make_mut().set("layer", layer);
            caps
        };
        fit.retain(|factory| (1..=3).all(|n| factory.can_sink_any_caps(&layer(n))));
    }
    fit
}

/// Threads in decoders multiply the pictures they hold, and the feeds themselves already fill the cores.
pub(super) fn limit_threads(decoder: &gst::Element) {
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = (cores as i32 / 4).clamp(1, 4);
    let spec = decoder.find_property("max-threads");
    if spec.is_some_and(|s| s.value_type() == i32::static_type()) {
        decoder.set_property("max-threads", threads);
    }
}

/// Between a demuxer and a decoder: a thread for each stream. Coded media of two seconds is more than any container's
/// streams are apart, and few enough bytes that hundreds of files may be open.
pub(super) fn stream_queue(stream: Stream) -> Result<gst::Element, glib::BoolError> {
    let bytes = match stream {
        Stream::Picture => 16u32 << 20,
        Stream::Sound => 2 << 20,
    };
    gst::ElementFactory::make("queue")
        .property("max-size-buffers", 0u32)
        .property("max-size-bytes", bytes)
        .property("max-size-time", 2_000_000_000u64)
        .build()
}

/// The elements in front of the demuxer of a pushing source, which listens at `socket` if it listens.
pub(super) fn head_of(push: &Push, socket: Option<&OwnedFd>) -> Result<Vec<gst::Element>, SourceError> {
    let udp = |caps: gst::Caps| {
        let socket = socket.ok_or_else(|| SourceError::Pipeline("no socket".into()))?;
        sockets::element(socket, &caps)
    };
    // A thread of its own for the socket: a decoder that is busy must not cost datagrams. Here a delayed feed is held, too: ten
    // seconds of 27 Mb/s. Full, it loses the oldest.
    let queue = || {
        gst::ElementFactory::make("queue")
            .property("max-size-buffers", 0u32)
            .property("max-size-bytes", 32u32 << 20)
            .property("max-size-time", 0u64)
            .property_from_str("leaky", "downstream")
            .build()
            .map_err(broken)
    };
    Ok(match push {
        Push::Udp { .. } => vec![udp(transport_stream())?, queue()?],
        Push::Rtp { .. } => {
            let caps = gst::Caps::builder("application/x-rtp")
                .field("media", "video")
                .field("clock-rate", 90_000i32)
                .field("encoding-name", "MP2T")
                .field("payload", 33i32)
                .build();
            let jitter =
                gst::ElementFactory::make("rtpjitterbuffer").property("latency", 200u32).build().map_err(broken)?;
            vec![udp(caps)?, jitter, make("rtpmp2tdepay").map_err(broken)?, queue()?]
        }
        Push::Srt(source) => vec![srt::element(source).map_err(broken)?, queue()?],
        Push::Rtmp { uri } => {
            let made = gst::ElementFactory::make("rtmp2src").property("location", uri.as_str()).build();
            vec![made.map_err(broken)?, queue()?]
        }
    })
}

/// What a pushing source sends.
pub(super) fn caps_of(push: &Push) -> gst::Caps {
    match push {
        Push::Rtmp { .. } => gst::Caps::new_empty_simple("video/x-flv"),
        Push::Udp { .. } | Push::Rtp { .. } | Push::Srt(_) => transport_stream(),
    }
}

fn transport_stream() -> gst::Caps {
    gst::Caps::builder("video/mpegts").field("systemstream", true).build()
}
