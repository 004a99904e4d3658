//! H.264 by our libx264 (`x264/tiles.patch`), through the C layer in `x264_shim.c`.

use std::ffi::{CString, c_char};
use std::ptr::NonNull;
use std::time::Duration;

use bytes::Bytes;

use super::intake::Intake;
use crate::frame::{AccessUnit, Picture};
use crate::ladder::{ParameterSets, VideoSettings};
use crate::timeline::{B_PICTURES, FrameNumber};

#[derive(Debug, thiserror::Error)]
pub enum VideoEncodeError {
    #[error("{library} refuses {width}x{height} at {fps} fps, {bitrate_bps} b/s, preset {preset:?}")]
    Refused { library: &'static str, width: u32, height: u32, fps: String, bitrate_bps: u32, preset: String },
    #[error("a picture of {got} bits a sample, the encoder is made for {expected}")]
    WrongDepth { got: u32, expected: u32 },
    #[error("an encoder gave no parameter sets")]
    NoParameterSets,
    #[error("picture is {got_width}x{got_height}, the encoder is made for {width}x{height}")]
    WrongSize { got_width: u32, got_height: u32, width: u32, height: u32 },
    #[error("the encoder failed on frame {frame}")]
    Failed { frame: FrameNumber },
    #[error(
        "frame {frame} follows {before}: only the first frame of a segment may follow another than the one before it"
    )]
    Disordered { before: FrameNumber, frame: FrameNumber },
}

impl VideoEncodeError {
    pub(super) fn refused(settings: &VideoSettings) -> Self {
        Self::Refused {
            library: settings.codec.library(),
            width: settings.width,
            height: settings.height,
            fps: settings.grid.fps().to_string(),
            bitrate_bps: settings.bitrate_bps,
            preset: settings.preset.clone(),
        }
    }
}

#[repr(C)]
struct RawSettings {
    width: i32,
    height: i32,
    fps_num: u32,
    fps_den: u32,
    bitrate_kbps: i32,
    segment_frames: i32,
    b_pictures: i32,
    lookahead_frames: i32,
    level_idc: i32,
    preset: *const c_char,
    tile: i32,
    threads: i32,
}

#[repr(C)]
struct RawEncoder {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn quadrille_x264_open(settings: *const RawSettings) -> *mut RawEncoder;
    fn quadrille_x264_close(encoder: *mut RawEncoder);
    fn quadrille_x264_threads_cpu(encoder: *mut RawEncoder) -> i64;
    fn quadrille_x264_parameter_set(encoder: *mut RawEncoder, kind: i32, out: *mut u8, room: i32) -> i32;
    fn quadrille_x264_encode(
        encoder: *mut RawEncoder,
        planes: *const *const u8,
        strides: *const i32,
        pts: i64,
        kind: i32,
        out: *mut *const u8,
        out_pts: *mut i64,
        out_idr: *mut i32,
    ) -> i32;
    fn quadrille_x264_drain(encoder: *mut RawEncoder, out: *mut *const u8, out_pts: *mut i64, out_idr: *mut i32)
    -> i32;
}

/// One H.264 High encoder: pictures in, their access units out in the order of coding, some pictures later.
pub struct VideoEncoder {
    raw: NonNull<RawEncoder>,
    settings: VideoSettings,
    parameter_sets: ParameterSets,
    intake: Intake,
}

// SAFETY: an x264 encoder has no ties to the thread that opened it; calls need `&mut self`, so they never overlap.
unsafe impl Send for VideoEncoder {}

impl VideoEncoder {
    pub fn new(settings: &VideoSettings) -> Result<Self, VideoEncodeError> {
        Self::open(settings, settings.threads())
    }

    /// Like [`VideoEncoder::new`], but what it costs is the calling thread's alone, and nothing goes on between calls.
    pub fn on_one_thread(settings: &VideoSettings) -> Result<Self, VideoEncodeError> {
        Self::open(settings, 1)
    }

    fn open(settings: &VideoSettings, threads: u32) -> Result<Self, VideoEncodeError> {
        let refused = || VideoEncodeError::refused(settings);
        let preset = CString::new(settings.preset.as_str()).map_err(|_| refused())?;
        let raw_settings = RawSettings {
            width: i32::try_from(settings.width).map_err(|_| refused())?,
            height: i32::try_from(settings.height).map_err(|_| refused())?,
            fps_num: settings.grid.fps().num(),
            fps_den: settings.grid.fps().den(),
            bitrate_kbps: i32::try_from(settings.bitrate_bps / 1000).map_err(|_| refused())?,
            segment_frames: i32::try_from(settings.grid.segment_frames()).map_err(|_| refused())?,
            b_pictures: i32::try_from(B_PICTURES).map_err(|_| refused())?,
            lookahead_frames: i32::try_from(settings.lookahead_frames).map_err(|_| refused())?,
            level_idc: settings.level_idc.into(),
            preset: preset.as_ptr(),
            tile: i32::from(settings.is_tile),
            threads: i32::try_from(threads).map_err(|_| refused())?,
        };
        // SAFETY: `raw_settings` and the string it points to outlive the call, which keeps neither.
        let raw = NonNull::new(unsafe { quadrille_x264_open(&raw_settings) }).ok_or_else(refused)?;
        let mut encoder = Self {
            raw,
            settings: settings.clone(),
            parameter_sets: ParameterSets { vps: Bytes::new(), sps: Bytes::new(), pps: Bytes::new() },
            intake: Intake::default(),
        };
        let (sps, pps) = (encoder.parameter_set(7)?, encoder.parameter_set(8)?);
        encoder.parameter_sets = ParameterSets { vps: Bytes::new(), sps, pps };
        Ok(encoder)
    }

    fn parameter_set(&mut self, kind: i32) -> Result<Bytes, VideoEncodeError> {
        let mut out = [0u8; 256];
        // SAFETY: the encoder is open, and `out` has the 256 writable bytes the call is told of.
        let size = unsafe { quadrille_x264_parameter_set(self.raw.as_ptr(), kind, out.as_mut_ptr(), 256) };
        match usize::try_from(size) {
            Ok(size) if size > 0 && size <= out.len() => Ok(Bytes::copy_from_slice(&out[..size])),
            _ => Err(VideoEncodeError::NoParameterSets),
        }
    }

    pub fn parameter_sets(&self) -> &ParameterSets {
        &self.parameter_sets
    }

    /// Processor time that threads of its own have taken so far; what it takes of callers' threads is not in it.
    pub fn threads_cpu_time(&self) -> Duration {
        // SAFETY: the encoder is open.
        Duration::from_nanos(u64::try_from(unsafe { quadrille_x264_threads_cpu(self.raw.as_ptr()) }).unwrap_or(0))
    }

    /// Takes `picture` in as grid frame `frame`, whose place in its segment decides what it is coded from. Frames of a segment come one
    /// after the other, from its first. An access unit that is ready comes out: after [`VideoSettings::delay_frames`] there is one
    /// for every picture.
    pub fn encode(&mut self, picture: &Picture, frame: FrameNumber) -> Result<Option<AccessUnit>, VideoEncodeError> {
        let taken = self.intake.take(&self.settings, picture, frame)?;
        let mut out = Out::default();
        // SAFETY: `Picture::new` has checked that each plane holds its rows at its stride; the planes outlive the call, and
        // libx264 copies them before it returns.
        let size = unsafe {
            quadrille_x264_encode(
                self.raw.as_ptr(),
                taken.planes.as_ptr(),
                taken.strides.as_ptr(),
                taken.pts,
                taken.kind,
                &mut out.data,
                &mut out.pts,
                &mut out.idr,
            )
        };
        self.unit(size, &out).ok_or(VideoEncodeError::Failed { frame })
    }

    /// The next of the access units that are held back; `None` when all are out. Only more of them can be asked for after this.
    pub fn drain(&mut self) -> Result<Option<AccessUnit>, VideoEncodeError> {
        let mut out = Out::default();
        // SAFETY: the encoder is open.
        let size = unsafe { quadrille_x264_drain(self.raw.as_ptr(), &mut out.data, &mut out.pts, &mut out.idr) };
        self.unit(size, &out).ok_or(VideoEncodeError::Failed { frame: self.intake.last() })
    }

    /// What a call of libx264 gave: nothing yet or an access unit; `None` for a failure.
    fn unit(&mut self, size: i32, out: &Out) -> Option<Option<AccessUnit>> {
        let size = usize::try_from(size).ok()?;
        if size == 0 {
            return Some(None);
        }
        let frame = self.intake.came(out.pts)?;
        // SAFETY: libx264 lays all NAL units of a picture out in one run of `size` bytes from the first one's payload, which stays until
        // its next call.
        let data = Bytes::copy_from_slice(unsafe { std::slice::from_raw_parts(out.data, size) });
        Some(Some(AccessUnit { frame, sync: out.idr != 0, data }))
    }
}

/// Where a call of libx264 puts what it says of an access unit.
struct Out {
    data: *const u8,
    pts: i64,
    idr: i32,
}

impl Default for Out {
    fn default() -> Self {
        Self { data: std::ptr::null(), pts: 0, idr: 0 }
    }
}

impl Drop for VideoEncoder {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `quadrille_x264_open` and is closed only here.
        unsafe { quadrille_x264_close(self.raw.as_ptr()) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Colour;
    use crate::ladder::VideoCodec;
    use crate::timeline::{Grid, PictureKind};

    fn settings() -> VideoSettings {
        let grid = Grid::new("30".parse().unwrap(), 10);
        VideoSettings {
            codec: VideoCodec::H264,
            width: 320,
            height: 192,
            grid,
            bitrate_bps: 400_000,
            preset: "veryfast".into(),
            level_idc: 30,
            lookahead_frames: 4,
            is_tile: false,
        }
    }

    /// All access units of frames `frames`.
    fn coded(encoder: &mut VideoEncoder, frames: std::ops::Range<u64>) -> Vec<AccessUnit> {
        let mut units: Vec<_> = frames.filter_map(|n| encoder.encode(&picture(n), n).unwrap()).collect();
        units.extend(std::iter::from_fn(|| encoder.drain().unwrap()));
        units
    }

    fn picture(seed: u64) -> Picture {
        noise(seed, 320, 192)
    }

    fn noise(seed: u64, width: u32, height: u32) -> Picture {
        // Noise that moves: the rate control has to work for it.
        let mut x = seed * 2 + 1;
        let mut noise = |n: usize| {
            (0..n)
                .map(|_| {
                    x ^= x << 13;
                    x ^= x >> 7;
                    x ^= x << 17;
                    (x >> 56) as u8
                })
                .collect::<Vec<_>>()
        };
        let luma = (width * height) as usize;
        Picture::from_planes(width, height, Colour::CANVAS, [luma, luma / 4, luma / 4].map(&mut noise)).unwrap()
    }

    fn nal_types(data: &[u8]) -> Vec<u8> {
        let mut types = Vec::new();
        let mut rest = data;
        while rest.len() > 4 {
            let size = u32::from_be_bytes(rest[..4].try_into().unwrap()) as usize;
            types.push(rest[4] & 31);
            rest = &rest[4 + size..];
        }
        assert!(rest.is_empty());
        types
    }

    #[test]
    fn pictures_come_in_the_pattern_of_their_segments() {
        let mut encoder = VideoEncoder::new(&settings()).unwrap();
        let units = coded(&mut encoder, 1000..1035);
        let gop = settings().grid.gop();
        let expected: Vec<u64> = (100..103)
            .flat_map(|n| gop.pictures().iter().map(move |p| n * 10 + u64::from(p.shown)))
            .chain([1030, 1033, 1031, 1032, 1034])
            .collect();
        assert_eq!(units.iter().map(|unit| unit.frame).collect::<Vec<_>>(), expected);
        for unit in units {
            assert_eq!(unit.sync, unit.frame % 10 == 0, "frame {}", unit.frame);
            assert_eq!(nal_types(&unit.data), vec![if unit.sync { 5 } else { 1 }]);
            let kind = settings().grid.kind_of(unit.frame);
            // The last one has nothing after it to be a B picture of.
            if unit.frame < 1034 {
                assert_eq!(unit.data[4] >> 5 == 0, kind == PictureKind::B, "only B pictures are no reference");
            }
        }
    }

    #[test]
    fn what_is_given_comes_out_after_the_delay() {
        let mut encoder = VideoEncoder::new(&settings()).unwrap();
        for n in 0..30 {
            let out = encoder.encode(&picture(n), n).unwrap();
            assert_eq!(out.is_some(), n >= u64::from(settings().delay_frames()), "frame {n}");
        }
    }

    #[test]
    fn large_pictures_are_coded_some_at_a_time_and_come_out_the_same() {
        let grid = Grid::new("60".parse().unwrap(), 10);
        let large =
            VideoSettings { width: 1280, height: 720, grid, bitrate_bps: 3_000_000, level_idc: 42, ..settings() };
        assert_eq!([settings().threads(), large.threads()], [1, 2]);
        let run = || {
            let mut encoder = VideoEncoder::new(&large).unwrap();
            let mut units = Vec::new();
            for n in 0..12 {
                let out = encoder.encode(&noise(n, 1280, 720), n).unwrap();
                assert_eq!(out.is_some(), n >= u64::from(large.delay_frames()), "frame {n}");
                units.extend(out);
            }
            units.extend(std::iter::from_fn(|| encoder.drain().unwrap()));
            assert!(encoder.threads_cpu_time() > Duration::ZERO);
            (
                units.into_iter().map(|unit| (unit.frame, unit.data)).collect::<Vec<_>>(),
                encoder.parameter_sets().clone(),
            )
        };
        let (units, sets) = run();
        assert_eq!(units.len(), 12);
        assert!(run() == (units, sets.clone()), "another run comes to other bytes");
        assert_eq!(*VideoEncoder::on_one_thread(&large).unwrap().parameter_sets(), sets);
    }

    #[test]
    fn a_frame_that_is_left_out_is_refused() {
        let mut encoder = VideoEncoder::new(&settings()).unwrap();
        assert!(matches!(encoder.encode(&picture(1), 1), Err(VideoEncodeError::Disordered { .. })), "not the first");
        encoder.encode(&picture(0), 0).unwrap();
        assert!(matches!(encoder.encode(&picture(2), 2), Err(VideoEncodeError::Disordered { before: 0, frame: 2 })));
        encoder.encode(&picture(50), 50).unwrap();
    }

    #[test]
    fn parameter_sets_are_the_same_bytes_whatever_was_encoded() {
        let mut a = VideoEncoder::new(&settings()).unwrap();
        coded(&mut a, 0..25);
        let b = VideoEncoder::new(&settings()).unwrap();
        assert_eq!(a.parameter_sets(), b.parameter_sets());
        assert_eq!(a.parameter_sets().sps[0] & 31, 7);
        assert_eq!(a.parameter_sets().sps[1], 100, "High profile");
    }

    #[test]
    fn the_rate_stays_bound_on_noise() {
        let mut encoder = VideoEncoder::new(&settings()).unwrap();
        let bytes: usize = coded(&mut encoder, 0..150).iter().map(|unit| unit.data.len()).sum();
        // Five seconds at 400 kb/s, and one second of VBV.
        assert!(bytes * 8 <= 400_000 * 6, "{} bits", bytes * 8);
    }

    #[test]
    fn a_picture_of_another_size_is_refused() {
        let mut encoder = VideoEncoder::new(&settings()).unwrap();
        let small = Picture::from_planes(16, 16, Colour::CANVAS, [vec![0; 256], vec![0; 64], vec![0; 64]]).unwrap();
        assert!(matches!(encoder.encode(&small, 0), Err(VideoEncodeError::WrongSize { .. })));
    }
}
