//! Still tiles of the guard's colour: what fills a canvas where no tile lies, and what stands in for pictures that an encoder
//! did not make.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::plans::Rung;
use crate::compositor::solid;
use crate::encode::{TileSettings, VideoEncodeError, VideoEncoder, VideoSettings};
use crate::layout::MACROBLOCK;
use crate::stitch::{Slices, StitchError, TileSegment, TileShape};
use crate::timeline::{Grid, SegmentNumber};

/// Why there is no still tile.
#[derive(Debug, thiserror::Error)]
pub enum StillError {
    #[error(transparent)]
    Encode(#[from] VideoEncodeError),
    #[error(transparent)]
    Stitch(#[from] StitchError),
    #[error("a still of {width_mbs} macroblocks cannot be drawn")]
    Size { width_mbs: u32 },
}

/// The value that tells neighbouring IDR pictures apart (ITU-T H.264, 7.4.3): all slices of a picture have the same one.
pub(super) fn idr_pic_id(segment: SegmentNumber) -> u16 {
    (segment % 2) as u16
}

/// Rendition, width in macroblocks and colour of a still.
type Key = (usize, u32, [u8; 3]);

/// One macroblock row of each width and colour that was asked for, a segment long; any number of rows are made of it.
pub(super) struct Stills {
    grid: Grid,
    /// By the parity of the segment.
    known: Mutex<HashMap<Key, [Arc<TileSegment>; 2]>>,
}

impl Stills {
    pub fn new(grid: Grid) -> Self {
        Self { grid, known: Mutex::default() }
    }

    /// The still of `width_mbs` for `segment`. The first of a kind is encoded here, which takes milliseconds.
    pub fn of(
        &self,
        rungs: &[Rung],
        rendition: usize,
        width_mbs: u32,
        colour: [u8; 3],
        segment: SegmentNumber,
    ) -> Result<Arc<TileSegment>, StillError> {
        let key = (rendition, width_mbs, colour);
        let parity = usize::from(idr_pic_id(segment));
        let mut known = self.known.lock();
        if let Some(pair) = known.get(&key) {
            return Ok(pair[parity].clone());
        }
        let pair = encode(&rungs[rendition], self.grid, width_mbs, colour)?;
        let still = pair[parity].clone();
        known.insert(key, pair);
        Ok(still)
    }
}

fn encode(rung: &Rung, grid: Grid, width_mbs: u32, colour: [u8; 3]) -> Result<[Arc<TileSegment>; 2], StillError> {
    let (width, height) = (width_mbs * MACROBLOCK, MACROBLOCK);
    let picture = solid(width, height, colour).ok_or(StillError::Size { width_mbs })?;
    let mut encoder = VideoEncoder::new(&VideoSettings {
        width,
        height,
        grid,
        bitrate_bps: rung.spec.bitrate_bps,
        // It is encoded once; a slower preset could not make it smaller.
        preset: "veryfast".into(),
        level_idc: rung.settings.level_idc,
        tile: Some(TileSettings { guard_mbs: width_mbs }),
    })?;
    rung.accepts(encoder.parameter_sets())?;
    let frames = u64::from(grid.segment_frames());
    let units = (0..frames)
        .map(|frame| Ok(encoder.encode(&picture, frame, frame == 0)?.data))
        .collect::<Result<Vec<Bytes>, VideoEncodeError>>()?;
    let shape = TileShape { width_mbs, height_mbs: 1, slices: Slices::PerRow };
    let index = |id| TileSegment::index(&rung.format, shape, id, &units, units.len(), None).map(Arc::new);
    Ok([index(0)?, index(1)?])
}
