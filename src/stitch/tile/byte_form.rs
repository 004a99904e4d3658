//! A tile's block as bytes: what it was indexed to, so that nobody has to index it again.

use bytes::Bytes;

use super::{Index, SliceSize, Slices, TileBlock, TileShape};
use crate::stitch::slice::CutSlice;
use crate::stitch::{Format, StitchError, level};
use crate::timeline::Gop;

/// Of [`SliceSize::rest`], which is far shorter: whether all macroblocks of the slice are skipped.
const SKIPPED: u32 = 1 << 31;

/// Bytes of what is said before the slices, and of each slice.
const HEAD_BYTES: usize = 2 + 2 + 1 + 2 + 2 + 4;
const SLICE_BYTES: usize = 2 + 4;

impl TileBlock {
    /// Appends it, so that [`TileBlock::read`] makes it again. Numbers are big-endian: width and height in macroblocks (16 bits each), 1 where a
    /// picture is one slice (8), `idr_pic_id` (16), access units that are the tile's own (16), slices (32); for each slice the bytes of
    /// its head (16) and of its rest (32, the highest bit set where all is skipped); all heads, all rests.
    pub fn write_onto(&self, out: &mut Vec<u8>) {
        let TileShape { width_mbs, height_mbs, slices } = self.shape;
        out.reserve(HEAD_BYTES + self.slices.len() * SLICE_BYTES + self.heads.len() + self.rests.len());
        // A picture has at most 139,264 macroblocks, a segment far fewer pictures than 16 bits hold; wider tiles were refused.
        out.extend_from_slice(&(width_mbs as u16).to_be_bytes());
        out.extend_from_slice(&(height_mbs as u16).to_be_bytes());
        out.push(u8::from(slices == Slices::Whole));
        out.extend_from_slice(&self.idr_pic_id.to_be_bytes());
        out.extend_from_slice(&(self.own_units as u16).to_be_bytes());
        out.extend_from_slice(&(self.slices.len() as u32).to_be_bytes());
        for SliceSize { head, is_skipped, rest } in &self.slices {
            out.extend_from_slice(&head.to_be_bytes());
            out.extend_from_slice(&(rest | if *is_skipped { SKIPPED } else { 0 }).to_be_bytes());
        }
        out.extend_from_slice(&self.heads);
        out.extend_from_slice(&self.rests);
    }

    /// The block that [`TileBlock::write_onto`] wrote, of the pictures `gop` on a canvas of `format`. Slice headers are checked as they are when a
    /// tile is indexed; slice data is shared with `bytes`.
    ///
    /// # Errors
    /// [`StitchError::Ended`] or [`StitchError::Trailing`] where `bytes` are cut or go on, and what indexing refuses.
    pub fn read(format: &Format, gop: &Gop, bytes: &Bytes) -> Result<Self, StitchError> {
        let mut fields = Fields(bytes);
        let (width_mbs, height_mbs) = (u32::from(fields.u16()?), u32::from(fields.u16()?));
        let slices = if fields.u8()? == 0 { Slices::PerRow } else { Slices::Whole };
        let shape = TileShape { width_mbs, height_mbs, slices };
        shape.check(format)?;
        let (idr_pic_id, own_units, count) = (fields.u16()?, usize::from(fields.u16()?), fields.u32()?);
        let pictures = gop.pictures();
        let per_picture = |at: usize| if at < own_units { shape.slices_per_picture() } else { height_mbs };
        let expected: u64 = (0..pictures.len()).map(|at| u64::from(per_picture(at))).sum();
        if pictures.is_empty() || own_units > pictures.len() || u64::from(count) != expected {
            return Err(StitchError::UnitCount { got: own_units, expected: pictures.len() });
        }
        let table = fields.take(count as usize * SLICE_BYTES)?;
        let sizes: Vec<SliceSize> = table.chunks_exact(SLICE_BYTES).map(size).collect();
        let heads = fields.take(sizes.iter().map(|size| usize::from(size.head)).sum())?.to_vec();
        let rest_bytes: usize = sizes.iter().map(|size| size.rest as usize).sum();
        if fields.0.len() != rest_bytes {
            let field = "a tile's slice data";
            return Err(if fields.0.len() < rest_bytes {
                StitchError::Ended { field }
            } else {
                StitchError::Trailing { what: field }
            });
        }
        let mut unit_slices = Vec::with_capacity(pictures.len());
        let (mut at, mut sizes_left) = (0, &sizes[..]);
        let index = Index::new(format, shape, 0);
        for (unit, picture) in pictures.iter().enumerate() {
            let (its, later) = sizes_left.split_at(per_picture(unit) as usize);
            for (slice, size) in its.iter().enumerate() {
                let head = &heads[at..at + usize::from(size.head)];
                at += head.len();
                let header = CutSlice::read(format, head)?.header;
                // What is held stands in any row.
                if unit < own_units {
                    index.check(&header, unit, slice, *picture)?;
                }
            }
            unit_slices.push(its.len() as u32);
            sizes_left = later;
        }
        Ok(Self {
            format: format.clone(),
            shape,
            idr_pic_id,
            heads,
            rests: bytes.slice(bytes.len() - rest_bytes..),
            slices: sizes,
            unit_slices: unit_slices.into(),
            gop: gop.clone(),
            own_units,
            placed: std::sync::Mutex::default(),
        })
    }
}

fn size(entry: &[u8]) -> SliceSize {
    let head = u16::from_be_bytes([entry[0], entry[1]]);
    let rest = u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]);
    SliceSize { head, is_skipped: rest & SKIPPED != 0, rest: rest & !SKIPPED }
}

impl TileShape {
    /// Whether a tile of this shape can stand on a canvas of `format`.
    pub(super) fn check(self, format: &Format) -> Result<(), StitchError> {
        let Self { width_mbs, height_mbs, slices } = self;
        let mbs = u64::from(width_mbs) * u64::from(height_mbs);
        if mbs == 0 || mbs > u64::from(level::MAX_PICTURE_MBS) || width_mbs.max(height_mbs) > u32::from(u16::MAX) {
            return Err(StitchError::Shape { width_mbs, height_mbs });
        }
        if slices == Slices::Whole && (width_mbs, height_mbs) != (format.width_mbs(), format.height_mbs()) {
            return Err(StitchError::WholeIsNotCanvas);
        }
        Ok(())
    }
}

/// Fields of a block, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], StitchError> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(StitchError::Ended { field: "a tile's block" })?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StitchError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(StitchError::Ended { field: "a tile's block" })?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, StitchError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn u16(&mut self) -> Result<u16, StitchError> {
        self.array().map(u16::from_be_bytes)
    }

    fn u32(&mut self) -> Result<u32, StitchError> {
        self.array().map(u32::from_be_bytes)
    }
}
