//! CMAF tracks (ISO/IEC 23000-19): init segments, media segments and fragments, one track a file.
//!
//! Nothing here depends on a clock, a machine or a mosaic: equal input gives equal bytes. That is what lets a session be
//! spliced from segments of different mosaics under one init segment.

mod coded;
mod fragment;
mod hevc;
mod init;
mod length;
mod movie;
mod packaged;

#[cfg(test)]
mod coded_tests;
#[cfg(test)]
mod tests;

pub use coded::coded_init;
pub use fragment::{
    UnitHead, audio_fragment, audio_segment, coded_segment, video_fragment, video_fragment_of, video_key_picture,
    video_segment, video_segment_of,
};
pub use hevc::{HevcTrack, hevc_codec, hevc_init};
pub use init::{VideoTrack, audio_init, video_codec, video_init};
pub use length::Length;
pub use movie::Movie;
pub use packaged::Packaged;

use crate::timeline::SAMPLE_RATE_HZ;

/// RFC 6381 codec string of every audio track: AAC-LC (ISO/IEC 14496-3, audio object type 2).
pub const AUDIO_CODEC: &str = "mp4a.40.2";

/// Ticks per second of every audio track: one tick is one sample.
pub const AUDIO_TIMESCALE: u32 = SAMPLE_RATE_HZ;

/// The only track of a file is track 1.
const TRACK_ID: u32 = 1;

/// Why a track's boxes cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum CmafError {
    #[error("there is no access unit to wrap")]
    Empty,
    #[error("these are no bytes of a track")]
    NoTrack,
    #[error("the first access unit is number {got}, but {expected} opens the segment or fragment")]
    WrongStart { expected: u64, got: u64 },
    #[error("the first access unit of a segment is not an IDR picture")]
    NotSync,
    #[error("access unit {got} follows {before}")]
    Disordered { before: u64, got: u64 },
    #[error("access unit {got} lies beyond the end of the segment or fragment, {end}")]
    BeyondEnd { end: u64, got: u64 },
    #[error("{got} access units, {expected} are decoded in that time")]
    WrongCount { got: usize, expected: u64 },
    #[error("access unit {got} is none of the segment's {frames:?}")]
    Elsewhere { frames: std::ops::Range<u64>, got: u64 },
    #[error("access unit {0} comes twice")]
    Twice(u64),
    #[error("access unit {0} has no bytes")]
    NoBytes(u64),
    #[error("sound ends at AAC frame {got}, but the segment or fragment ends at {end}")]
    Incomplete { end: u64, got: u64 },
    #[error("access units have {got} bytes, {expected} were announced")]
    WrongLength { expected: usize, got: usize },
    #[error("{0} is too large for its field")]
    TooLarge(&'static str),
    #[error("not a {0}")]
    ParameterSet(&'static str),
    #[error("box not written: {0}")]
    Box(#[from] mp4_atom::Error),
}
