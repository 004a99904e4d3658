//! A mosaic's segment: the slices of its inputs in the order of macroblock addresses.

use std::sync::Arc;

use super::StitchError;
use super::plan::Plan;
use super::tile::{HEADER_CHUNK, Placed, SliceAt, in_u32};

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
            } else if placed.units.len() != first.units.len() {
                "frames"
            } else if placed.idr_pic_id != first.idr_pic_id {
                "idr_pic_id"
            } else {
                continue;
            };
            return Err(StitchError::InputDiffers { input, field });
        }
        let mut sizes = Vec::with_capacity(first.units.len());
        for unit in 0..first.units.len() {
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
        // Headers are copied by the chunk, and may reach that far beyond the end for a moment.
        out.reserve(self.total + HEADER_CHUNK);
        let mut cursors: Vec<Cursor<'_>> = self.inputs.iter().map(|input| Cursor::new(input)).collect();
        for unit in 0..self.sizes.len() {
            for cursor in &mut cursors {
                cursor.unit = &cursor.placed.units[unit];
            }
            if let [only] = cursors.as_mut_slice() {
                for _ in 0..only.placed.unit_slices[unit] {
                    only.append_slice(out);
                }
            }
            for &input in &self.order {
                cursors[usize::from(input)].append_slice(out);
            }
        }
    }
}

/// The next slice of an input.
struct Cursor<'a> {
    placed: &'a Placed,
    unit: &'a [u8],
    slices: std::iter::Zip<std::slice::Iter<'a, SliceAt>, std::slice::Iter<'a, u8>>,
    headers: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn new(placed: &'a Placed) -> Self {
        let slices = placed.slices.iter().zip(&*placed.header_bytes);
        Self { placed, unit: &[], slices, headers: &placed.headers }
    }

    #[inline]
    fn append_slice(&mut self, out: &mut Vec<u8>) {
        let Some((slice, &header_bytes)) = self.slices.next() else { return };
        let header_bytes = usize::from(header_bytes);
        if header_bytes <= HEADER_CHUNK {
            // A copy of constant size is a few instructions; what is too much is cut off again.
            let end = out.len() + header_bytes;
            out.extend_from_slice(&self.headers[..HEADER_CHUNK]);
            out.truncate(end);
        } else {
            out.extend_from_slice(&self.headers[..header_bytes]);
        }
        self.headers = &self.headers[header_bytes..];
        let rest = slice.rest as usize;
        out.extend_from_slice(&self.unit[rest..rest + slice.rest_bytes as usize]);
    }
}
