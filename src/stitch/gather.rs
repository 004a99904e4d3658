//! A mosaic's segment: the slices of its inputs in the order of macroblock addresses.

use std::sync::Arc;

use super::StitchError;
use super::plan::Plan;
use super::tile::{HEADER_CHUNK, Placed, in_u32};

/// A mosaic's segment before its bytes are written.
#[derive(Clone, Debug)]
pub struct Stitched {
    inputs: Vec<Arc<Placed>>,
    /// Of each slice of a picture, its input; empty if there is one input, whose slices come as they are.
    order: Vec<u16>,
    sizes: Vec<u32>,
    total: usize,
}

impl Stitched {
    /// The segment of `plan` that shows `inputs`, one for each of [`Plan::inputs`], all of the same format, length and `idr_pic_id`.
    ///
    /// # Errors
    /// Names the input that differs, and in what.
    pub fn new(plan: &Plan, inputs: Vec<Arc<Placed>>) -> Result<Self, StitchError> {
        if inputs.len() != plan.inputs().len() {
            return Err(StitchError::InputCount { got: inputs.len(), expected: plan.inputs().len() });
        }
        let Some(first) = inputs.first() else {
            return Err(StitchError::InputCount { got: 0, expected: 1 });
        };
        for (input, (placed, place)) in inputs.iter().zip(plan.inputs()).enumerate() {
            let canvas = (placed.format.width_mbs(), placed.format.height_mbs());
            let field = if placed.place != *place {
                "place"
            } else if canvas != (plan.canvas_width_mbs(), plan.canvas_height_mbs()) {
                "canvas"
            } else if placed.format != first.format {
                "format"
            } else if placed.unit_bytes.len() != first.unit_bytes.len() {
                "frames"
            } else if placed.idr_pic_id != first.idr_pic_id {
                "idr_pic_id"
            } else {
                continue;
            };
            return Err(StitchError::InputDiffers { input, field });
        }
        let mut sizes = Vec::with_capacity(first.unit_bytes.len());
        for unit in 0..first.unit_bytes.len() {
            let bytes = inputs.iter().map(|input| u64::from(input.unit_bytes[unit])).sum();
            sizes.push(in_u32("an access unit", bytes)?);
        }
        let total = sizes.iter().map(|size| *size as usize).sum();
        let order = if inputs.len() > 1 { plan.order().to_vec() } else { Vec::new() };
        Ok(Self { inputs, order, sizes, total })
    }

    /// Bytes of each access unit.
    pub fn sizes(&self) -> impl ExactSizeIterator<Item = u32> {
        self.sizes.iter().copied()
    }

    /// Bytes of all access units.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Appends all access units, one after the other: NAL units with four-byte lengths (ISO/IEC 14496-15, 5.3.3).
    pub fn append_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.total);
        let mut cursors: Vec<Cursor<'_>> =
            self.inputs.iter().map(|input| Cursor { heads: &input.heads, rests: &input.rests }).collect();
        for unit in 0..self.sizes.len() {
            if let [only] = cursors.as_mut_slice() {
                for _ in 0..self.inputs[0].unit_slices[unit] {
                    only.append_slice(out);
                }
            }
            for &input in &self.order {
                cursors[usize::from(input)].append_slice(out);
            }
        }
    }
}

/// The next slices of an input.
struct Cursor<'a> {
    heads: &'a [u8],
    rests: &'a [u8],
}

impl Cursor<'_> {
    /// Appends the next slice. [`Stitched::new`] has made sure that there is one.
    #[inline]
    fn append_slice(&mut self, out: &mut Vec<u8>) {
        let Some((&[head_bytes, a, b, c, d], _)) = self.heads.split_first_chunk::<5>() else { return };
        let head_bytes = usize::from(head_bytes);
        let slice_bytes = 4 + u32::from_be_bytes([a, b, c, d]) as usize;
        if head_bytes <= HEADER_CHUNK && out.capacity() - out.len() >= HEADER_CHUNK {
            // A copy of constant size is a few instructions; what is too much is cut off again. Not at the very end: a byte more than
            // was reserved, and the vector would double, with a segment that is kept.
            let end = out.len() + head_bytes;
            out.extend_from_slice(&self.heads[1..1 + HEADER_CHUNK]);
            out.truncate(end);
        } else {
            out.extend_from_slice(&self.heads[1..1 + head_bytes]);
        }
        self.heads = &self.heads[1 + head_bytes..];
        let (rest, later) = self.rests.split_at(slice_bytes - head_bytes);
        out.extend_from_slice(rest);
        self.rests = later;
    }
}
