//! The epoch grid and the clock: where every frame, segment and sample has its place in time, for ever and on every node.
//!
//! Output frame `k` shows the instant `k / fps` since the media epoch, 2024-01-01T00:00:00Z. Segment `n` is frames
//! `n*F .. (n+1)*F`. Everything is exact rational arithmetic on integers: a float would drift.

mod clock;
mod discipline;
mod gop;
mod grid;
#[cfg(test)]
pub(crate) mod testing;

pub use clock::{Clock, LinuxClocks, SimulatedClock, SystemClock, TimeSources};
pub use discipline::{Discipline, Observed, Reading};
pub use gop::{B_PICTURES, Gop, GopPicture, PictureKind};
pub use grid::{
    AAC_FRAME_SAMPLES, Fps, FpsError, FrameNumber, Grid, MEDIA_EPOCH_UNIX_S, MediaTime, PartNumber, SAMPLE_RATE_HZ,
    SegmentNumber,
};
