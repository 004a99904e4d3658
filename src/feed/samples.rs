//! From GStreamer's samples to our pictures: planes without a copy, colour as the caps tell it.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use gstreamer_video::{VideoColorMatrix, VideoColorPrimaries, VideoColorRange, VideoTransferFunction};

use crate::frame::{Colour, Matrix, Picture, PlaneMemory, Primaries, Range8, Transfer};

/// A decoder's buffer, mapped for as long as somebody looks at the picture.
struct MappedFrame(gst_video::VideoFrame<gst_video::video_frame::Readable>);

impl PlaneMemory for MappedFrame {
    fn plane(&self, plane: usize) -> &[u8] {
        self.0.plane_data(plane as u32).unwrap_or_default()
    }
}

/// The picture in `sample`, whose caps are I420, and its nominal frame rate. `None` when the buffer does not fit its caps or
/// is smaller than 2x2. The last row or column of an odd size is left out.
pub(super) fn picture_of(sample: &gst::Sample) -> Option<(Picture, Option<(u32, u32)>)> {
    let caps = sample.caps()?;
    let info = gst_video::VideoInfo::from_caps(caps).ok()?;
    let buffer = sample.buffer_owned()?;
    let colour = colour_of(&info, caps);
    let frame = gst_video::VideoFrame::from_buffer_readable(buffer, &info).ok()?;
    let strides = frame.plane_stride();
    let strides = [0, 1, 2].map(|p| strides.get(p).and_then(|s| usize::try_from(*s).ok()).unwrap_or(0));
    let par = info.par();
    let pixel_aspect = match (u32::try_from(par.numer()), u32::try_from(par.denom())) {
        (Ok(n), Ok(d)) if n > 0 && d > 0 => (n, d),
        _ => (1, 1),
    };
    let fps = info.fps();
    let fps = match (u32::try_from(fps.numer()), u32::try_from(fps.denom())) {
        (Ok(n), Ok(d)) if n > 0 && d > 0 => Some((n, d)),
        _ => None,
    };
    let (width, height) = (info.width() & !1, info.height() & !1);
    let picture = Picture::new(width, height, strides, colour, pixel_aspect, Arc::new(MappedFrame(frame)))?;
    Some((picture, fps))
}

/// What the caps say of colour. Where they say nothing: BT.601 up to 576 lines (the 625-line variant at 576), else BT.709,
/// limited range. GStreamer's own default would take untagged UHD for BT.2020.
fn colour_of(info: &gst_video::VideoInfo, caps: &gst::CapsRef) -> Colour {
    let sd = info.height() <= 576;
    let sd_primaries = if info.height() > 480 { Primaries::Bt601_625 } else { Primaries::Bt601_525 };
    let tagged = caps.structure(0).is_some_and(|s| s.has_field("colorimetry"));
    let c = info.colorimetry();
    let (matrix, primaries) = if tagged {
        let matrix = match c.matrix() {
            VideoColorMatrix::Bt601 | VideoColorMatrix::Fcc => Some(Matrix::Bt601),
            VideoColorMatrix::Bt709 | VideoColorMatrix::Smpte240m => Some(Matrix::Bt709),
            VideoColorMatrix::Bt2020 => Some(Matrix::Bt2020),
            _ => None,
        };
        let primaries = match c.primaries() {
            VideoColorPrimaries::Bt709 => Some(Primaries::Bt709),
            VideoColorPrimaries::Bt470bg => Some(Primaries::Bt601_625),
            VideoColorPrimaries::Smpte170m | VideoColorPrimaries::Smpte240m | VideoColorPrimaries::Bt470m => {
                Some(Primaries::Bt601_525)
            }
            VideoColorPrimaries::Bt2020 => Some(Primaries::Bt2020),
            _ => None,
        };
        (matrix, primaries)
    } else {
        (None, None)
    };
    let range = if tagged && c.range() == VideoColorRange::Range0_255 { Range8::Full } else { Range8::Limited };
    let transfer = match c.transfer() {
        VideoTransferFunction::Srgb if tagged => Transfer::Srgb,
        VideoTransferFunction::Smpte2084 if tagged => Transfer::Pq,
        VideoTransferFunction::AribStdB67 if tagged => Transfer::Hlg,
        _ => Transfer::Bt709,
    };
    Colour {
        matrix: matrix.unwrap_or(if sd { Matrix::Bt601 } else { Matrix::Bt709 }),
        range,
        primaries: primaries.unwrap_or(if sd { sd_primaries } else { Primaries::Bt709 }),
        transfer,
    }
}

/// The `cc_data()` (ATSC A/53 part 4, 6.2.3.1) of the picture in `sample`. Decoders hand its triples on, without the head that counts them.
pub(super) fn captions_of(sample: &gst::Sample) -> Vec<Vec<u8>> {
    // process_cc_data_flag and cc_count; em_data.
    const PROCESS: u8 = 0x40;
    const MOST_TRIPLES: usize = 31;
    const TRIPLE: usize = 3;
    let Some(buffer) = sample.buffer() else { return Vec::new() };
    let metas = buffer.iter_meta::<gst_video::VideoCaptionMeta>();
    let raw = metas.filter(|meta| meta.caption_type() == gst_video::VideoCaptionType::Cea708Raw);
    let with_head = |meta: gst::MetaRef<'_, gst_video::VideoCaptionMeta>| {
        let triples = &meta.data()[..meta.data().len().min(MOST_TRIPLES * TRIPLE)];
        [&[PROCESS | (triples.len() / TRIPLE) as u8, 0xff], triples].concat()
    };
    raw.map(with_head).collect()
}

/// Running time in `segment` of what `sample` holds, and its duration, both in ns. `None` for a sample without a timestamp.
pub(super) fn timing_of(sample: &gst::Sample, segment: Option<&gst::Segment>) -> Option<(i64, i64)> {
    let buffer = sample.buffer()?;
    let pts = buffer.pts().or(buffer.dts())?;
    let segment = segment?.downcast_ref::<gst::ClockTime>()?;
    let running = match segment.to_running_time_full(pts)? {
        gst::Signed::Positive(t) => i64::try_from(t.nseconds()).ok()?,
        gst::Signed::Negative(t) => -i64::try_from(t.nseconds()).ok()?,
    };
    let duration = buffer.duration().and_then(|d| i64::try_from(d.nseconds()).ok());
    Some((running, duration.unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colour(caps: &str) -> Colour {
        gst::init().unwrap();
        let caps: gst::Caps = caps.parse().unwrap();
        colour_of(&gst_video::VideoInfo::from_caps(&caps).unwrap(), &caps)
    }

    #[test]
    fn colour_is_as_tagged_or_as_the_size_suggests() {
        let raw = "video/x-raw,format=I420,framerate=25/1";
        let sd = colour(&format!("{raw},width=720,height=576"));
        assert_eq!((sd.matrix, sd.primaries, sd.range), (Matrix::Bt601, Primaries::Bt601_625, Range8::Limited));
        assert_eq!(colour(&format!("{raw},width=640,height=480")).primaries, Primaries::Bt601_525);
        assert_eq!(colour(&format!("{raw},width=1280,height=720")), Colour::CANVAS);
        assert_eq!(colour(&format!("{raw},width=3840,height=2160")), Colour::CANVAS);
        assert_eq!(colour(&format!("{raw},width=640,height=360,colorimetry=bt709")), Colour::CANVAS);
        let full = colour(&format!("{raw},width=1280,height=720,colorimetry=1:4:5:4"));
        assert_eq!((full.matrix, full.range), (Matrix::Bt601, Range8::Full));
        let hlg = colour(&format!("{raw},width=3840,height=2160,colorimetry=bt2100-hlg"));
        assert_eq!((hlg.matrix, hlg.transfer), (Matrix::Bt2020, Transfer::Hlg));
    }
}
