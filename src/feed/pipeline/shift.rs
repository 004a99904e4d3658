//! What a demuxer stamps, put on the time of whoever feeds it.

use gstreamer as gst;
use gstreamer::prelude::*;

/// From now on what comes through `pad` is stamped later by `zero` ns, and its running time is its timestamp.
///
/// Demuxers begin their segments at whatever comes first, of all streams or of one, and cut off what is before: by how much
/// would have to be known to undo it.
pub(super) fn shift(pad: &gst::Pad, zero: i64) {
    let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(mask, move |_, info| {
        match &mut info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => move_buffer(buffer.make_mut(), zero),
            Some(gst::PadProbeData::BufferList(list)) => {
                list.make_mut().foreach_mut(|mut buffer, _| {
                    move_buffer(buffer.make_mut(), zero);
                    std::ops::ControlFlow::Continue(Some(buffer))
                });
            }
            Some(gst::PadProbeData::Event(event)) => match event.view() {
                gst::EventView::Segment(segment) => {
                    let whole = gst::FormattedSegment::<gst::ClockTime>::new();
                    *event = gst::event::Segment::builder(&whole).seqnum(segment.seqnum()).build();
                }
                // Its time is the demuxer's, and nobody behind here needs it.
                gst::EventView::Gap(_) => return gst::PadProbeReturn::Handled,
                _ => {}
            },
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

fn move_buffer(buffer: &mut gst::BufferRef, zero: i64) {
    let moved = |at: gst::ClockTime| {
        let at = i64::try_from(at.nseconds()).unwrap_or(i64::MAX).saturating_add(zero);
        gst::ClockTime::from_nseconds(at.max(0).unsigned_abs())
    };
    buffer.set_pts(buffer.pts().map(moved));
    buffer.set_dts(buffer.dts().map(moved));
}
