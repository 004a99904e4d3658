//! From GStreamer's samples to our pictures: planes without a copy, colour as the caps tell it.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::prelude::*;
use gstreamer_video::{
    VideoColorMatrix, VideoColorPrimaries, VideoColorRange, VideoContentLightLevel, VideoFormat,
    VideoMasteringDisplayInfo, VideoTransferFunction,
};

use crate::frame::{Colour, Depth, Matrix, Peak, Picture, PlaneMemory, Primaries, Range8, Transfer};

/// A decoder's buffer, mapped for as long as somebody looks at the picture.
struct MappedFrame(gst_video::VideoFrame<gst_video::video_frame::Readable>);

impl PlaneMemory for MappedFrame {
    fn plane(&self, plane: usize) -> &[u8] {
        self.0.plane_data(plane as u32).unwrap_or_default()
    }
}

/// The picture in `sample`, whose caps are I420 of eight or ten bits, and its nominal frame rate. `None` when they are not, the buffer does not fit
/// them or is smaller than 2x2. The last row or column of an odd size is left out.
pub(super) fn picture_of(sample: &gst::Sample) -> Option<(Picture, Option<(u32, u32)>)> {
    let caps = sample.caps()?;
    let info = gst_video::VideoInfo::from_caps(caps).ok()?;
    let buffer = sample.buffer_owned()?;
    let depth = match info.format() {
        VideoFormat::I420 => Depth::Eight,
        VideoFormat::I42010le => Depth::Ten,
        _ => return None,
    };
    let colour = Colour { depth, ..colour_of(&info, caps) };
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
        VideoTransferFunction::Smpte2084 if tagged => Transfer::Pq(peak_of(caps)),
        VideoTransferFunction::AribStdB67 if tagged => Transfer::Hlg,
        _ => Transfer::Bt709,
    };
    Colour {
        matrix: matrix.unwrap_or(if sd { Matrix::Bt601 } else { Matrix::Bt709 }),
        range,
        primaries: primaries.unwrap_or(if sd { sd_primaries } else { Primaries::Bt709 }),
        transfer,
        depth: Depth::Eight,
    }
}

/// The brightest that PQ pictures of these caps show: what was found in them (CTA-861.3, MaxCLL) says more than what they were graded on
/// (SMPTE ST 2086). Where neither is told, or as zero, it is what most are made for.
fn peak_of(caps: &gst::CapsRef) -> Peak {
    const UNITS: u32 = 10_000;
    let found = VideoContentLightLevel::from_caps(caps).ok().map(|level| u32::from(level.max_content_light_level()));
    let graded_on = VideoMasteringDisplayInfo::from_caps(caps).ok();
    let graded_on = graded_on.map(|display| display.max_display_mastering_luminance().div_ceil(UNITS));
    let told = found.filter(|found| *found > 0).or(graded_on.filter(|graded_on| *graded_on > 0));
    told.map_or(Peak::default(), Peak::over)
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
        let pq = |told: &str| colour(&format!("{raw},width=3840,height=2160,colorimetry=bt2100-pq{told}")).transfer;
        let graded_on = |light: u32| {
            let display = "34000:16000:13250:34500:7500:3000:15635:16450";
            format!(",mastering-display-info=(string)\"{display}:{light}:50\"")
        };
        let found = |light: u32| format!(",content-light-level=(string)\"{light}:100\"");
        assert_eq!(pq(""), Transfer::Pq(Peak::Cd1000));
        assert_eq!(pq(&graded_on(40_000_000)), Transfer::Pq(Peak::Cd4000));
        assert_eq!(pq(&[graded_on(40_000_000), found(1450)].concat()), Transfer::Pq(Peak::Cd2000));
        assert_eq!(pq(&[graded_on(0), found(0)].concat()), Transfer::Pq(Peak::Cd1000), "zero is not told");
        assert_eq!(pq(&[graded_on(u32::MAX), found(0)].concat()), Transfer::Pq(Peak::Cd10000));
    }
}
