//! The sound of a game that is gone: silence, made when it is asked for. It costs no encoder, so it goes on for as long as
//! anybody may ask, over restarts too. A player whose sound playlist fails or stands still stops the picture as well.

use bytes::Bytes;

use crate::package::{self, CmafError};
use crate::timeline::{Grid, SegmentNumber};
use crate::track::{Position, silent_unit};

/// One part of a segment of silence.
pub fn silent_part(grid: &Grid, at: Position) -> Result<Bytes, CmafError> {
    let frames = grid.part_aac_frames(at.segment, at.part);
    let units: Vec<_> = frames.clone().map(silent_unit).collect();
    package::audio_fragment(at.segment, frames, &units)
}

/// Segment `n` of silence.
pub fn silent_segment(grid: &Grid, n: SegmentNumber) -> Result<Bytes, CmafError> {
    let units: Vec<_> = (grid.first_aac_frame(n)..grid.first_aac_frame(n + 1)).map(silent_unit).collect();
    package::audio_segment(grid, n, &units)
}
