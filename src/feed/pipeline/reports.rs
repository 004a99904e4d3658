//! RTCP sender reports of an RTP source (RFC 3550, 6.4.1): what time its packets were sent by the sender's own clock.
//!
//! The jitter buffer reads them and marks each packet; behind the depayloader nothing is left of the mark, so that it is carried
//! over what comes out of it, in the same call. Which pictures that dates, the programme's clock references tell.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

use super::entry::broken;
use super::stage::Stage;
use crate::feed::error::SourceError;
use crate::feed::sockets;

/// As the jitter buffer marks packets: ns since 1900.
static NTP: LazyLock<gst::Caps> = LazyLock::new(|| gst::Caps::new_empty_simple("timestamp/x-ntp"));
/// From 1900 to 1970, in seconds.
const NTP_EPOCH_S: i64 = 2_208_988_800;

/// Listens to the reports of a source on the port after its own, where `elements` are those of an RTP source.
pub(super) fn listen(
    stage: &Arc<Stage>,
    socket: &OwnedFd,
    elements: &[gst::Element],
    joint: usize,
) -> Result<(), SourceError> {
    let [_, jitter, .., queue] = elements else { return Ok(()) };
    let reports = sockets::element(socket, &gst::Caps::new_empty_simple("application/x-rtcp"))?;
    link(stage, &reports, jitter, queue, joint).map_err(broken)
}

fn link(
    stage: &Arc<Stage>,
    reports: &gst::Element,
    jitter: &gst::Element,
    queue: &gst::Element,
    joint: usize,
) -> Result<(), glib::BoolError> {
    stage.add(reports, joint)?;
    jitter.set_property("add-reference-timestamp-meta", true);
    reports.link_pads(Some("src"), jitter, Some("sink_rtcp"))?;
    let pad = |element: &gst::Element, name| {
        element.static_pad(name).ok_or_else(|| glib::bool_error!("{} has no pad {name}", element.name()))
    };
    let marked = Arc::new(AtomicU64::new(0));
    let mark = Arc::clone(&marked);
    pad(jitter, "src")?.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |_, info| {
        let ntp = match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => ntp_of(buffer),
            Some(gst::PadProbeData::BufferList(list)) => list.get(0).and_then(ntp_of),
            _ => None,
        };
        mark.store(ntp.unwrap_or(0), Ordering::Relaxed);
        gst::PadProbeReturn::Ok
    });
    pad(queue, "sink")?.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        let ntp = marked.load(Ordering::Relaxed);
        if let (Some(gst::PadProbeData::Buffer(buffer)), 1..) = (&mut info.data, ntp) {
            let ntp = gst::ClockTime::from_nseconds(ntp);
            gst::ReferenceTimestampMeta::add(buffer.make_mut(), &NTP, ntp, gst::ClockTime::NONE);
        }
        gst::PadProbeReturn::Ok
    });
    reports.sync_state_with_parent()
}

fn ntp_of(buffer: &gst::BufferRef) -> Option<u64> {
    let mut metas = buffer.iter_meta::<gst::ReferenceTimestampMeta>();
    metas.find(|meta| meta.reference() == NTP.as_ref()).map(|meta| meta.timestamp().nseconds())
}

/// When the first byte of what `buffer` holds was sent, in microseconds since 1970, where reports tell.
pub(super) fn sent_us(buffer: &gst::BufferRef) -> Option<i64> {
    let ntp_us = i64::try_from(ntp_of(buffer)? / 1000).ok()?;
    ntp_us.checked_sub(NTP_EPOCH_S * 1_000_000)
}
