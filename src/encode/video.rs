//! H.264 by libx264, through the C layer in `x264_shim.c`.

use std::ffi::{CString, c_char};
use std::ptr::NonNull;

use bytes::Bytes;

use crate::frame::{AccessUnit, Picture};
use crate::timeline::{FrameNumber, Grid};

/// What decides an encoder's output, and its SPS and PPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoSettings {
    pub width: u32,
    pub height: u32,
    pub grid: Grid,
    /// Average and (VBV, over one second) highest rate.
    pub bitrate_bps: u32,
    /// Name of an x264 preset: `ultrafast` to `placebo`.
    pub preset: String,
    /// `level_idc` to write (ITU-T H.264, A.3), 10 times the level: at least [`lowest_level_idc`].
    pub level_idc: u8,
    /// `None` for a whole canvas.
    pub tile: Option<TileSettings>,
}

/// What makes a picture a tile: one slice for each macroblock row, and a guard that decodes exactly at any rate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TileSettings {
    /// Macroblocks of guard on every side; a tile that is all guard has at least half its size.
    pub guard_mbs: u32,
}

/// Sequence and picture parameter set (ITU-T H.264, 7.3.2.1 and 7.3.2.2), NAL units without start code or length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSets {
    pub sps: Bytes,
    pub pps: Bytes,
}

#[derive(Debug, thiserror::Error)]
pub enum VideoEncodeError {
    #[error("libx264 refuses {width}x{height} at {fps} fps, {bitrate_bps} b/s, preset {preset:?}")]
    Refused { width: u32, height: u32, fps: String, bitrate_bps: u32, preset: String },
    #[error("libx264 gave no parameter sets")]
    NoParameterSets,
    #[error("picture is {got_width}x{got_height}, the encoder is made for {width}x{height}")]
    WrongSize { got_width: u32, got_height: u32, width: u32, height: u32 },
    #[error("libx264 failed on frame {frame}")]
    Failed { frame: FrameNumber },
}

#[repr(C)]
struct RawSettings {
    width: i32,
    height: i32,
    fps_num: u32,
    fps_den: u32,
    bitrate_kbps: i32,
    segment_frames: i32,
    level_idc: i32,
    preset: *const c_char,
    tile: i32,
    guard_mbs: i32,
}

#[repr(C)]
struct RawEncoder {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn quadrille_x264_open(settings: *const RawSettings) -> *mut RawEncoder;
    fn quadrille_x264_close(encoder: *mut RawEncoder);
    fn quadrille_x264_parameter_set(encoder: *mut RawEncoder, kind: i32, out: *mut u8, room: i32) -> i32;
    fn quadrille_x264_encode(
        encoder: *mut RawEncoder,
        planes: *const *const u8,
        strides: *const i32,
        pts: i64,
        idr: i32,
        out: *mut *const u8,
        out_idr: *mut i32,
    ) -> i32;
}

/// One H.264 High encoder: a picture in, its access unit out, nothing held back.
pub struct VideoEncoder {
    raw: NonNull<RawEncoder>,
    settings: VideoSettings,
    parameter_sets: ParameterSets,
    pictures: i64,
}

// SAFETY: an x264 encoder has no ties to the thread that opened it; calls need `&mut self`, so they never overlap.
unsafe impl Send for VideoEncoder {}

impl VideoEncoder {
    pub fn new(settings: &VideoSettings) -> Result<Self, VideoEncodeError> {
        let refused = || VideoEncodeError::Refused {
            width: settings.width,
            height: settings.height,
            fps: settings.grid.fps().to_string(),
            bitrate_bps: settings.bitrate_bps,
            preset: settings.preset.clone(),
        };
        let preset = CString::new(settings.preset.as_str()).map_err(|_| refused())?;
        let raw_settings = RawSettings {
            width: i32::try_from(settings.width).map_err(|_| refused())?,
            height: i32::try_from(settings.height).map_err(|_| refused())?,
            fps_num: settings.grid.fps().num(),
            fps_den: settings.grid.fps().den(),
            bitrate_kbps: i32::try_from(settings.bitrate_bps / 1000).map_err(|_| refused())?,
            segment_frames: i32::try_from(settings.grid.segment_frames()).map_err(|_| refused())?,
            level_idc: settings.level_idc.into(),
            preset: preset.as_ptr(),
            tile: i32::from(settings.tile.is_some()),
            guard_mbs: settings.tile.as_ref().map_or(0, |t| i32::try_from(t.guard_mbs).unwrap_or(i32::MAX)),
        };
        // SAFETY: `raw_settings` and the string it points to outlive the call, which keeps neither.
        let raw = NonNull::new(unsafe { quadrille_x264_open(&raw_settings) }).ok_or_else(refused)?;
        let mut encoder = Self {
            raw,
            settings: settings.clone(),
            parameter_sets: ParameterSets { sps: Bytes::new(), pps: Bytes::new() },
            pictures: 0,
        };
        encoder.parameter_sets = ParameterSets { sps: encoder.parameter_set(7)?, pps: encoder.parameter_set(8)? };
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

    /// Encodes `picture` as grid frame `frame`; `opens_segment` makes it an IDR picture.
    pub fn encode(
        &mut self,
        picture: &Picture,
        frame: FrameNumber,
        opens_segment: bool,
    ) -> Result<AccessUnit, VideoEncodeError> {
        let VideoSettings { width, height, .. } = self.settings;
        if (picture.width, picture.height) != (width, height) {
            return Err(VideoEncodeError::WrongSize {
                got_width: picture.width,
                got_height: picture.height,
                width,
                height,
            });
        }
        let planes = [0, 1, 2].map(|p| picture.plane(p).as_ptr());
        let strides = [0, 1, 2].map(|p| i32::try_from(picture.strides[p]).unwrap_or(i32::MAX));
        let mut out = std::ptr::null();
        let mut idr = 0;
        // SAFETY: `Picture::new` has checked that each plane holds its rows at its stride; the planes outlive the call, and
        // libx264 copies them before it returns. `out` points into the encoder until its next call; it is copied below.
        let size = unsafe {
            quadrille_x264_encode(
                self.raw.as_ptr(),
                planes.as_ptr(),
                strides.as_ptr(),
                self.pictures,
                i32::from(opens_segment),
                &mut out,
                &mut idr,
            )
        };
        self.pictures += 1;
        match usize::try_from(size) {
            Ok(size) if size > 0 => {
                // SAFETY: libx264 lays all NAL units of a picture out in one run of `size` bytes from the first one's payload.
                let data = Bytes::copy_from_slice(unsafe { std::slice::from_raw_parts(out, size) });
                Ok(AccessUnit { frame, sync: idr != 0, data })
            }
            _ => Err(VideoEncodeError::Failed { frame }),
        }
    }
}

impl Drop for VideoEncoder {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `quadrille_x264_open` and is closed only here.
        unsafe { quadrille_x264_close(self.raw.as_ptr()) };
    }
}

/// The lowest level that allows the size, rate and bit rate (ITU-T H.264, table A-1; High profile rates are 1.25 times the
/// table's). From these alone, so that every encoder of a rendition writes the same SPS.
pub fn lowest_level_idc(width: u32, height: u32, grid: Grid, bitrate_bps: u32) -> u8 {
    // (level_idc, macroblocks a second, macroblocks a frame, kb/s)
    const LEVELS: [(u8, u64, u64, u64); 10] = [
        (30, 40_500, 1_620, 10_000),
        (31, 108_000, 3_600, 14_000),
        (32, 216_000, 5_120, 20_000),
        (40, 245_760, 8_192, 20_000),
        (41, 245_760, 8_192, 50_000),
        (42, 522_240, 8_704, 50_000),
        (50, 589_824, 22_080, 135_000),
        (51, 983_040, 36_864, 240_000),
        (52, 2_073_600, 36_864, 240_000),
        (62, 16_711_680, 139_264, 800_000),
    ];
    let frame = u64::from(width.div_ceil(16)) * u64::from(height.div_ceil(16));
    let fps = grid.fps();
    let second = (frame * u64::from(fps.num())).div_ceil(u64::from(fps.den()));
    let kbps = u64::from(bitrate_bps / 1000);
    LEVELS
        .iter()
        .find(|(_, per_second, per_frame, rate)| second <= *per_second && frame <= *per_frame && kbps * 4 <= rate * 5)
        .map_or(62, |level| level.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Colour;

    fn settings() -> VideoSettings {
        let grid = Grid::new("30".parse().unwrap(), 10);
        VideoSettings {
            width: 320,
            height: 192,
            grid,
            bitrate_bps: 400_000,
            preset: "veryfast".into(),
            level_idc: 30,
            tile: None,
        }
    }

    fn picture(seed: u64) -> Picture {
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
        Picture::from_planes(320, 192, Colour::CANVAS, [noise(320 * 192), noise(160 * 96), noise(160 * 96)]).unwrap()
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
    fn idr_pictures_come_at_segment_starts_and_at_no_other_time() {
        let mut encoder = VideoEncoder::new(&settings()).unwrap();
        for frame in 1000..1035u64 {
            let au = encoder.encode(&picture(frame), frame, frame % 10 == 0 || frame == 1000).unwrap();
            assert_eq!(au.sync, frame % 10 == 0, "frame {frame}");
            assert_eq!(nal_types(&au.data), vec![if au.sync { 5 } else { 1 }]);
            assert_eq!(au.frame, frame);
        }
    }

    #[test]
    fn parameter_sets_are_the_same_bytes_whatever_was_encoded() {
        let mut a = VideoEncoder::new(&settings()).unwrap();
        for frame in 0..25 {
            a.encode(&picture(frame), frame, frame % 10 == 0).unwrap();
        }
        let b = VideoEncoder::new(&settings()).unwrap();
        assert_eq!(a.parameter_sets(), b.parameter_sets());
        assert_eq!(a.parameter_sets().sps[0] & 31, 7);
        assert_eq!(a.parameter_sets().sps[1], 100, "High profile");
    }

    #[test]
    fn the_rate_stays_bound_on_noise() {
        let mut encoder = VideoEncoder::new(&settings()).unwrap();
        let bytes: usize = (0..150).map(|f| encoder.encode(&picture(f), f, f % 10 == 0).unwrap().data.len()).sum();
        // Five seconds at 400 kb/s, and one second of VBV.
        assert!(bytes * 8 <= 400_000 * 6, "{} bits", bytes * 8);
    }

    #[test]
    fn a_picture_of_another_size_is_refused() {
        let mut encoder = VideoEncoder::new(&settings()).unwrap();
        let small = Picture::from_planes(16, 16, Colour::CANVAS, [vec![0; 256], vec![0; 64], vec![0; 64]]).unwrap();
        assert!(matches!(encoder.encode(&small, 0, true), Err(VideoEncodeError::WrongSize { .. })));
    }

    #[test]
    fn levels_follow_the_table() {
        let level =
            |width, height, fps: &str| lowest_level_idc(width, height, Grid::new(fps.parse().unwrap(), 60), 6_000_000);
        assert_eq!(level(1920, 1080, "30"), 40);
        assert_eq!(level(1920, 1080, "60"), 42);
        assert_eq!(level(960, 540, "30"), 31);
    }
}
