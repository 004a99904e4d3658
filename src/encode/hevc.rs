//! HEVC by libx265, through the C layer in `x265_shim.c`.

use std::ffi::{CString, c_char};
use std::ptr::NonNull;
use std::time::Duration;

use bytes::Bytes;

use super::VideoEncodeError;
use super::intake::Intake;
use crate::frame::{AccessUnit, Picture};
use crate::ladder::{LEAST_HEVC_LOOKAHEAD, ParameterSets, VideoCodec, VideoSettings};
use crate::timeline::{B_PICTURES, FrameNumber};

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
    tree: i32,
    preset: *const c_char,
    threads: i32,
    light: i32,
}

#[repr(C)]
struct RawEncoder {
    _private: [u8; 0],
}

unsafe extern "C" {
    fn quadrille_x265_open(settings: *const RawSettings) -> *mut RawEncoder;
    fn quadrille_x265_close(encoder: *mut RawEncoder);
    fn quadrille_x265_threads_cpu(encoder: *mut RawEncoder) -> i64;
    fn quadrille_x265_parameter_set(encoder: *mut RawEncoder, kind: i32, out: *mut u8, room: i32) -> i32;
    fn quadrille_x265_encode(
        encoder: *mut RawEncoder,
        planes: *const *const u8,
        strides: *const i32,
        pts: i64,
        kind: i32,
        out: *mut *const u8,
        out_pts: *mut i64,
        out_idr: *mut i32,
    ) -> i32;
    fn quadrille_x265_drain(encoder: *mut RawEncoder, out: *mut *const u8, out_pts: *mut i64, out_idr: *mut i32)
    -> i32;
}

/// Room for a parameter set.
const SET_BYTES: usize = 512;

/// One HEVC encoder, of Main profile, or Main 10 in HDR: pictures in, their access units out in the order of coding, some pictures later.
pub struct HevcEncoder {
    raw: NonNull<RawEncoder>,
    settings: VideoSettings,
    parameter_sets: ParameterSets,
    intake: Intake,
    /// What its threads had taken when the last call ended: they go on between calls, and that is the next one's.
    threads_cpu: Duration,
}

// SAFETY: an x265 encoder has no ties to the thread that opened it; calls need `&mut self`, so they never overlap.
unsafe impl Send for HevcEncoder {}

impl HevcEncoder {
    pub fn new(settings: &VideoSettings) -> Result<Self, VideoEncodeError> {
        let refused = || VideoEncodeError::refused(settings);
        let preset = CString::new(settings.preset.as_str()).map_err(|_| refused())?;
        let lookahead_frames = settings.lookahead_frames.max(LEAST_HEVC_LOOKAHEAD);
        let number = |n: u32| i32::try_from(n).map_err(|_| refused());
        let raw_settings = RawSettings {
            width: number(settings.width)?,
            height: number(settings.height)?,
            fps_num: settings.grid.fps().num(),
            fps_den: settings.grid.fps().den(),
            bitrate_kbps: number(settings.bitrate_bps / 1000)?,
            segment_frames: number(settings.grid.segment_frames())?,
            b_pictures: number(B_PICTURES)?,
            lookahead_frames: number(lookahead_frames)?,
            tree: i32::from(settings.lookahead_frames > 0),
            preset: preset.as_ptr(),
            threads: number(settings.threads())?,
            light: match settings.codec {
                VideoCodec::H264 | VideoCodec::Hevc => 0,
                VideoCodec::HevcPq => 1,
                VideoCodec::HevcHlg => 2,
            },
        };
        // SAFETY: `raw_settings` and the string it points to outlive the call, which keeps neither.
        let raw = NonNull::new(unsafe { quadrille_x265_open(&raw_settings) }).ok_or_else(refused)?;
        let none = Bytes::new;
        let mut encoder = Self {
            raw,
            settings: settings.clone(),
            parameter_sets: ParameterSets { vps: none(), sps: none(), pps: none() },
            intake: Intake::default(),
            threads_cpu: Duration::ZERO,
        };
        // ITU-T H.265, table 7-1.
        let [vps, sps, pps] = [32, 33, 34].map(|kind| encoder.parameter_set(kind));
        encoder.parameter_sets = ParameterSets { vps: vps?, sps: sps?, pps: pps? };
        Ok(encoder)
    }

    fn parameter_set(&mut self, kind: i32) -> Result<Bytes, VideoEncodeError> {
        let mut out = [0u8; SET_BYTES];
        // SAFETY: the encoder is open, and `out` has as many writable bytes as the call is told of.
        let size = unsafe { quadrille_x265_parameter_set(self.raw.as_ptr(), kind, out.as_mut_ptr(), SET_BYTES as i32) };
        match usize::try_from(size) {
            Ok(size) if size > 0 && size <= out.len() => Ok(Bytes::copy_from_slice(&out[..size])),
            _ => Err(VideoEncodeError::NoParameterSets),
        }
    }

    pub fn parameter_sets(&self) -> &ParameterSets {
        &self.parameter_sets
    }

    /// Processor time that threads of its own had taken when the last call ended.
    pub const fn threads_cpu_time(&self) -> Duration {
        self.threads_cpu
    }

    /// As [`VideoEncoder::encode`](super::VideoEncoder::encode).
    pub fn encode(&mut self, picture: &Picture, frame: FrameNumber) -> Result<Option<AccessUnit>, VideoEncodeError> {
        let taken = self.intake.take(&self.settings, picture, frame)?;
        let mut out = Out::default();
        // SAFETY: `Picture::new` has checked that each plane holds its rows at its stride; the planes outlive the call, and
        // libx265 copies them before it returns.
        let size = unsafe {
            quadrille_x265_encode(
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

    /// As [`VideoEncoder::drain`](super::VideoEncoder::drain).
    pub fn drain(&mut self) -> Result<Option<AccessUnit>, VideoEncodeError> {
        let mut out = Out::default();
        // SAFETY: the encoder is open.
        let size = unsafe { quadrille_x265_drain(self.raw.as_ptr(), &mut out.data, &mut out.pts, &mut out.idr) };
        self.unit(size, &out).ok_or(VideoEncodeError::Failed { frame: self.intake.last() })
    }

    /// What a call of libx265 gave: nothing yet or an access unit; `None` for a failure.
    fn unit(&mut self, size: i32, out: &Out) -> Option<Option<AccessUnit>> {
        // SAFETY: the encoder is open.
        let taken = unsafe { quadrille_x265_threads_cpu(self.raw.as_ptr()) };
        self.threads_cpu = Duration::from_nanos(u64::try_from(taken).unwrap_or(0));
        let size = usize::try_from(size).ok()?;
        if size == 0 {
            return Some(None);
        }
        let frame = self.intake.came(out.pts)?;
        // SAFETY: the C file has seen that the NAL units of a picture are one run of `size` bytes from the first one's payload, which stays
        // until its next call.
        let data = Bytes::copy_from_slice(unsafe { std::slice::from_raw_parts(out.data, size) });
        Some(Some(AccessUnit { frame, sync: out.idr != 0, data }))
    }
}

/// Where a call of libx265 puts what it says of an access unit.
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

impl Drop for HevcEncoder {
    fn drop(&mut self) {
        // SAFETY: the pointer came from `quadrille_x265_open` and is closed only here.
        unsafe { quadrille_x265_close(self.raw.as_ptr()) };
    }
}

#[cfg(test)]
#[path = "hevc_tests.rs"]
mod tests;
