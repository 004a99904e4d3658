//! Still tiles of one colour, written without an encoder: what fills a canvas where no tile lies, and what stands in for pictures that an
//! encoder did not make.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;

use super::plans::SlicedRung;
use crate::compositor::canvas_colour;
use crate::stitch::{Slices, StitchError, TileBlock, TileShape, held, still};
use crate::timeline::{Grid, SegmentNumber};
use crate::track::Position;

/// The value that tells neighbouring IDR pictures apart (ITU-T H.264, 7.4.3): all slices of a picture have the same one.
pub(super) fn idr_pic_id(segment: SegmentNumber) -> u16 {
    (segment % 2) as u16
}

/// Rendition, width in macroblocks (`None`: the whole canvas in one slice a picture) and colour of a still.
type Key = (usize, Option<u32>, [u8; 3]);

/// The blocks of a segment, by the parity of its number.
type Parts = [Vec<Arc<TileBlock>>; 2];

/// One macroblock row of each width and colour that was asked for, a segment long, of which any number of rows are made; and whole canvases.
pub(super) struct Stills {
    grid: Grid,
    known: Mutex<HashMap<Key, Parts>>,
}

impl Stills {
    pub fn new(grid: Grid) -> Self {
        Self { grid, known: Mutex::default() }
    }

    /// The still of `width_mbs` for the part `at`. The first of a kind is written here.
    pub fn of(
        &self,
        rungs: &[SlicedRung],
        rendition: usize,
        width_mbs: u32,
        colour: [u8; 3],
        at: Position,
    ) -> Result<Arc<TileBlock>, StitchError> {
        self.known((rendition, Some(width_mbs), colour), rungs, at)
    }

    /// The still of a whole canvas for the part `at`, in one slice a picture.
    pub fn whole(
        &self,
        rungs: &[SlicedRung],
        rendition: usize,
        colour: [u8; 3],
        at: Position,
    ) -> Result<Arc<TileBlock>, StitchError> {
        self.known((rendition, None, colour), rungs, at)
    }

    fn known(&self, key: Key, rungs: &[SlicedRung], at: Position) -> Result<Arc<TileBlock>, StitchError> {
        let mut known = self.known.lock();
        let parts = match known.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert(self.write(&rungs[key.0], key.1, key.2)?),
        };
        let expected = self.grid.parts() as usize;
        let block = parts[usize::from(idr_pic_id(at.segment))].get(at.part as usize).cloned();
        block.ok_or(StitchError::UnitCount { got: at.part as usize, expected })
    }

    fn write(&self, rung: &SlicedRung, width_mbs: Option<u32>, colour: [u8; 3]) -> Result<Parts, StitchError> {
        let (format, colour, gop) = (&rung.format, canvas_colour(colour), self.grid.gop());
        let (units, shape) = match width_mbs {
            Some(width_mbs) => {
                let shape = TileShape { width_mbs, height_mbs: 1, slices: Slices::PerRow };
                (still(format, &gop, width_mbs, colour), shape)
            }
            None => {
                let (width_mbs, height_mbs) = (format.width_mbs(), format.height_mbs());
                let units = gop.pictures().iter().map(|picture| held(format, *picture, colour)).collect();
                (units, TileShape { width_mbs, height_mbs, slices: Slices::Whole })
            }
        };
        let index = |id, part| {
            let units = &units[self.grid.part_pictures(part)];
            TileBlock::index(format, shape, id, units, &self.grid.part_gop(part), None).map(Arc::new)
        };
        let parts = |id| (0..self.grid.parts()).map(|part| index(id, part)).collect::<Result<Vec<_>, _>>();
        Ok([parts(0)?, parts(1)?])
    }
}
