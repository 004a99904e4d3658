//! The sound of a game that is gone: silence, made when it is asked for. It costs no encoder, so it goes on for as long as
//! anybody may ask, over restarts too. A player whose sound playlist fails or stands still stops the picture as well.

use bytes::Bytes;

use crate::frame::SoundUnit;
use crate::hls::cmaf::{self, CmafError};
use crate::timeline::{Grid, SegmentNumber};

/// An access unit of silence, AAC-LC, stereo (ISO/IEC 14496-3, 4.4.2.1): one channel pair with a common long window and no
/// scale factor band (`max_sfb` 0), so that there is nothing to decode; then the end.
const SILENT_UNIT: [u8; 6] = [0b0010_0001, 0, 0, 0, 0, 0b0001_1100];

/// Segment `n` of silence.
pub fn silent_segment(grid: &Grid, n: SegmentNumber) -> Result<Bytes, CmafError> {
    let silent = |aac_frame| SoundUnit { aac_frame, data: Bytes::from_static(&SILENT_UNIT) };
    let units: Vec<_> = (grid.first_aac_frame(n)..grid.first_aac_frame(n + 1)).map(silent).collect();
    cmaf::audio_segment(grid, n, &units)
}
