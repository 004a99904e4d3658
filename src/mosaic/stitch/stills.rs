//! Still tiles of one colour, written without an encoder: what fills a canvas where no tile lies, and what stands in for pictures that an
//! encoder did not make.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::plans::Rung;
use crate::compositor::canvas_colour;
use crate::stitch::{Slices, StitchError, TileSegment, TileShape, held, still};
use crate::timeline::{Gop, Grid, SegmentNumber};

/// The value that tells neighbouring IDR pictures apart (ITU-T H.264, 7.4.3): all slices of a picture have the same one.
pub(super) fn idr_pic_id(segment: SegmentNumber) -> u16 {
    (segment % 2) as u16
}

/// Rendition, width in macroblocks (`None`: the whole canvas in one slice a picture) and colour of a still.
type Key = (usize, Option<u32>, [u8; 3]);

/// One macroblock row of each width and colour that was asked for, a segment long, of which any number of rows are made; and whole canvases.
pub(super) struct Stills {
    gop: Gop,
    /// By the parity of the segment.
    known: Mutex<HashMap<Key, [Arc<TileSegment>; 2]>>,
}

impl Stills {
    pub fn new(grid: Grid) -> Self {
        Self { gop: grid.gop(), known: Mutex::default() }
    }

    /// The still of `width_mbs` for `segment`. The first of a kind is written here.
    pub fn of(
        &self,
        rungs: &[Rung],
        rendition: usize,
        width_mbs: u32,
        colour: [u8; 3],
        segment: SegmentNumber,
    ) -> Result<Arc<TileSegment>, StitchError> {
        self.known((rendition, Some(width_mbs), colour), rungs, segment)
    }

    /// The still of a whole canvas for `segment`, in one slice a picture.
    pub fn whole(
        &self,
        rungs: &[Rung],
        rendition: usize,
        colour: [u8; 3],
        segment: SegmentNumber,
    ) -> Result<Arc<TileSegment>, StitchError> {
        self.known((rendition, None, colour), rungs, segment)
    }

    fn known(&self, key: Key, rungs: &[Rung], segment: SegmentNumber) -> Result<Arc<TileSegment>, StitchError> {
        let parity = usize::from(idr_pic_id(segment));
        let mut known = self.known.lock();
        if let Some(pair) = known.get(&key) {
            return Ok(pair[parity].clone());
        }
        let pair = self.write(&rungs[key.0], key.1, key.2)?;
        let still = pair[parity].clone();
        known.insert(key, pair);
        Ok(still)
    }

    fn write(
        &self,
        rung: &Rung,
        width_mbs: Option<u32>,
        colour: [u8; 3],
    ) -> Result<[Arc<TileSegment>; 2], StitchError> {
        let (format, colour) = (&rung.format, canvas_colour(colour));
        let (units, shape) = match width_mbs {
            Some(width_mbs) => {
                let shape = TileShape { width_mbs, height_mbs: 1, slices: Slices::PerRow };
                (still(format, &self.gop, width_mbs, colour), shape)
            }
            None => {
                let (width_mbs, height_mbs) = (format.width_mbs(), format.height_mbs());
                let units = self.gop.pictures().iter().map(|picture| held(format, *picture, colour)).collect();
                (units, TileShape { width_mbs, height_mbs, slices: Slices::Whole })
            }
        };
        let index = |id| TileSegment::index(format, shape, id, &units, &self.gop, None).map(Arc::new);
        Ok([index(0)?, index(1)?])
    }
}
