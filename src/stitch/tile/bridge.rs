//! A tile's pieces of a bridge: a segment that begins as one mosaic's and goes on as another's.
//!
//! Where the picture changes stands a reference picture, the anchor. In it the newcomer shows the I picture that its own segment opened with, and
//! from there on it plays that segment as far as it goes: every tile's segments have the same pattern of pictures, so each of its pictures
//! finds one of its own kind there, as far after the anchor as it was after the first. Nothing is encoded: a slice's header is written again for
//! another picture, and what it is coded from has the same place in its lists, counted from the picture itself (ITU-T H.264, 8.2.4.2). B pictures that
//! are coded after the anchor and shown before it are skipped, which makes them fade from what was before to what comes.

use std::ops::Range;
use std::sync::Arc;

use super::{Index, Slices, TileBlock, TileShape};
use crate::stitch::slice::CutSlice;
use crate::stitch::still::skipped_unit;
use crate::stitch::{Format, StitchError};
use crate::timeline::{Gop, GopPicture, PictureKind};

/// Head and rest of a slice, and whether it is skipped.
type Slice<'a> = (&'a [u8], &'a [u8], bool);

impl TileBlock {
    /// Pictures `run` of this block. With `beside_others` slices of another type may stand beside those of the first of them.
    ///
    /// # Errors
    /// If it has no such pictures.
    pub fn cut(&self, run: Range<usize>, beside_others: bool) -> Result<Self, StitchError> {
        let (pictures, gop) = (self.pictures(), self.gop.run(run.clone()));
        let Some(wanted) = pictures.get(run.clone()).filter(|wanted| !wanted.is_empty()) else {
            return Err(StitchError::UnitCount { got: run.end, expected: pictures.len() });
        };
        let mut index = Index::new(&self.format, self.shape, 0);
        for (k, (slices, picture)) in wanted.iter().zip(gop.pictures()).enumerate() {
            for slice in slices {
                if k == 0 && beside_others && picture.kind != PictureKind::Idr {
                    index.add_in(slice, *picture)?;
                } else {
                    index.add(slice.0, slice.1, slice.2)?;
                }
            }
            index.unit_slices.push(in_count(slices.len()));
        }
        let own_units = self.own_units.saturating_sub(run.start).min(wanted.len());
        Ok(index.finish(self.idr_pic_id, &gop, own_units))
    }

    /// What a tile of `shape` shows in the pictures `run` of a segment, counted in the order of coding: from picture `anchor` on, its own segment
    /// from the beginning, of which `parts` are the blocks. Where the pattern ends otherwise than it goes on, the picture before stays.
    ///
    /// # Errors
    /// If `anchor` is no reference picture or `run` begins before it, and if `parts` end too soon or are of another shape.
    pub fn bridged(
        segment: &Gop,
        run: Range<usize>,
        anchor: usize,
        shape: TileShape,
        parts: &[Arc<TileBlock>],
    ) -> Result<Self, StitchError> {
        let refused = |why| Err(StitchError::Hold { why });
        let (Some(first), Some(at)) = (parts.first(), segment.pictures().get(anchor)) else {
            return refused("it has no beginning");
        };
        if at.kind != PictureKind::P || run.start < anchor || run.is_empty() {
            return refused("it does not begin with a reference picture");
        }
        let own: Vec<Vec<Slice<'_>>> = parts.iter().flat_map(|part| part.pictures()).collect();
        let mut index = Index::new(&first.format, shape, 0);
        for target in run.clone() {
            let Some(picture) = segment.pictures().get(target) else { return refused("the segment ends before it") };
            match own_picture(segment, anchor, target) {
                Some(source) => {
                    let Some(slices) = own.get(source) else { return refused("its segment has not come so far") };
                    index.add_picture(slices, *picture)?;
                }
                None => index.add_skipped(&first.format, *picture)?,
            }
        }
        Ok(index.finish(first.idr_pic_id, &segment.run(run.clone()), run.len()))
    }

    /// The slices of each picture.
    fn pictures(&self) -> Vec<Vec<Slice<'_>>> {
        let mut slices = self.slices();
        self.unit_slices.iter().map(|count| slices.by_ref().take(*count as usize).collect()).collect()
    }
}

/// The picture of the newcomer's segment that stands at `target` of the segment where it comes in at `anchor`, both counted in the order of
/// coding; `None` where the picture before stays.
fn own_picture(segment: &Gop, anchor: usize, target: usize) -> Option<usize> {
    let pictures = segment.pictures();
    let reference_before = |at: usize| pictures[..=at].iter().rposition(|picture| picture.kind != PictureKind::B);
    let late_by = pictures[anchor].shown;
    let (reference, between) = (reference_before(target)?, target - reference_before(target)?);
    if reference == anchor {
        // What comes between it and the one before it is coded from both, and the newcomer has nothing there.
        return (between == 0).then_some(0);
    }
    let same =
        |picture: &&GopPicture| picture.kind != PictureKind::B && picture.shown + late_by == pictures[reference].shown;
    let source = pictures.iter().position(|picture| same(&picture))? + between;
    pictures.get(source).filter(|picture| picture.kind == pictures[target].kind).map(|_| source)
}

impl Index<'_> {
    /// Adds a slice as one of `picture`, which is no IDR picture.
    fn add_in(&mut self, (head, rest, is_skipped): &Slice<'_>, picture: GopPicture) -> Result<(), StitchError> {
        let moved = CutSlice::read(self.format, head)?.head_in(self.format, picture)?;
        self.add(&moved, rest, *is_skipped)
    }

    /// Adds a picture's slices as those of `picture`; a tile of one row is repeated downwards.
    fn add_picture(&mut self, slices: &[Slice<'_>], picture: GopPicture) -> Result<(), StitchError> {
        let expected = self.shape.slices_per_picture() as usize;
        match slices {
            [row] if expected > 1 => (0..expected).try_for_each(|_| self.add_in(row, picture))?,
            _ if slices.len() == expected => slices.iter().try_for_each(|slice| self.add_in(slice, picture))?,
            _ => return Err(StitchError::Hold { why: "it is of another shape" }),
        }
        self.unit_slices.push(in_count(expected));
        Ok(())
    }

    /// Adds a picture in which all is skipped.
    fn add_skipped(&mut self, format: &Format, picture: GopPicture) -> Result<(), StitchError> {
        let TileShape { width_mbs, height_mbs, slices } = self.shape;
        let (rows, is_row) = if slices == Slices::Whole { (height_mbs, false) } else { (1, true) };
        let nal = skipped_unit(format, picture, (width_mbs, rows));
        let rest = CutSlice::read(format, &nal)?.rest;
        let expected = self.shape.slices_per_picture();
        (0..expected).try_for_each(|_| self.add(&nal[..rest], &nal[rest..], is_row))?;
        self.unit_slices.push(expected);
        Ok(())
    }
}

/// Slices of a picture, of which no canvas has as many as 32 bits count.
fn in_count(slices: usize) -> u32 {
    u32::try_from(slices).unwrap_or(u32::MAX)
}
