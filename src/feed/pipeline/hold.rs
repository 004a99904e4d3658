//! A feed that is delayed: what a pushing source sends is held as it comes, in front of everything.
//!
//! Coded, three seconds of a 1080p source are a few megabytes; decoded they would be half a gigabyte. And whatever comes after
//! sees a source that is as much slower, pictures and sound alike. A source that is pulled needs none of this: it is asked later.

use std::sync::Arc;
use std::sync::LazyLock;
use std::time::Duration;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

use super::stage::Stage;
use crate::timeline::MediaTime;

/// Whoever holds looks this often whether the delay has become another one.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Names when something arrived here, on our time line.
static ARRIVED: LazyLock<gst::Caps> = LazyLock::new(|| gst::Caps::new_empty_simple("timestamp/x-quadrille-arrival"));

/// Has what leaves `queue` wait until the feed's delay has passed since it entered.
pub(super) fn hold(queue: &gst::Element, stage: &Arc<Stage>) -> Result<(), glib::BoolError> {
    let pad = |name| queue.static_pad(name).ok_or_else(|| glib::bool_error!("a queue without a pad"));
    let clock = Arc::clone(&stage.clock);
    pad("sink")?.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let Some(gst::PadProbeData::Buffer(buffer)) = &mut info.data {
            let now = gst::ClockTime::from_nseconds(clock.now().as_nanos());
            gst::ReferenceTimestampMeta::add(buffer.make_mut(), &ARRIVED, now, gst::ClockTime::NONE);
        }
        gst::PadProbeReturn::Ok
    });
    let stage = Arc::downgrade(stage);
    pad("src")?.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
        if let (Some(stage), Some(arrived)) = (stage.upgrade(), info.buffer().and_then(|buffer| arrival(buffer))) {
            loop {
                let left = stage.intake.held_for(arrived, stage.clock.now());
                if left.is_zero() || stage.over_within(left.min(LOOK_AGAIN)) {
                    break;
                }
            }
        }
        gst::PadProbeReturn::Ok
    });
    Ok(())
}

fn arrival(buffer: &gst::BufferRef) -> Option<MediaTime> {
    let mut metas = buffer.iter_meta::<gst::ReferenceTimestampMeta>();
    let own = metas.find(|meta| meta.reference() == ARRIVED.as_ref())?;
    Some(MediaTime::from_nanos(own.timestamp().nseconds()))
}
