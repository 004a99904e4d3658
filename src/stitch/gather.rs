//! A mosaic's segment: the slices of its inputs in the order of macroblock addresses.
//!
//! Slices of skipped macroblocks that follow each other become one. A slice a row of each tile takes some fifteen bytes even where nothing
//! moves, which at low rates is what most rows of B pictures are. What is skipped in a row of its own has vectors of zero: no neighbour
//! is there to say otherwise. In one slice the neighbours are there, and theirs are zero (8.4.1.1, 8.4.1.2.2), so it decodes to the same.

use std::ops::Range;
use std::sync::Arc;

use super::StitchError;
use super::canned::KEPT_MACROBLOCKS;
use super::plan::Plan;
use super::still::append_skipped;
use super::tile::{HEADER_CHUNK, Placed, in_u32};

/// Pictures of a mosaic before their bytes are written.
#[derive(Clone, Debug)]
pub struct Stitched {
    inputs: Vec<Arc<Placed>>,
    /// Of each slice of a picture, its input; empty if there is one input, whose slices come as they are.
    order: Vec<u16>,
    merged: Merged,
    /// The first of its pictures, counted in those of its inputs.
    first: usize,
    sizes: Vec<u32>,
    total: usize,
}

impl Stitched {
    /// The pictures of `plan` that show `inputs`, one for each of [`Plan::inputs`], all of the same format, pictures and `idr_pic_id`.
    ///
    /// # Errors
    /// Names the input that differs, and in what.
    pub fn new(plan: &Plan, inputs: Vec<Arc<Placed>>) -> Result<Self, StitchError> {
        Self::run(plan, inputs, 0..usize::MAX)
    }

    /// As [`Stitched::new`], of those pictures alone that are in `run`, in the order of coding.
    ///
    /// # Errors
    /// As there.
    pub fn run(plan: &Plan, inputs: Vec<Arc<Placed>>, run: Range<usize>) -> Result<Self, StitchError> {
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
            } else if placed.gop != first.gop {
                "pictures"
            } else if placed.idr_pic_id != first.idr_pic_id {
                "idr_pic_id"
            } else {
                continue;
            };
            return Err(StitchError::InputDiffers { input, field });
        }
        let order = if inputs.len() > 1 { plan.order() } else { &[] };
        let widths = inputs.iter().map(|input| input.place.width_mbs).collect();
        let mut merging = Merging { inputs: &inputs, order, widths, next: Vec::new(), merged: Merged::default() };
        let units = run.start..run.end.min(first.unit_bytes.len());
        let mut sizes = Vec::with_capacity(units.len());
        for unit in units {
            let bytes: u64 = inputs.iter().map(|input| u64::from(input.unit_bytes[unit])).sum();
            sizes.push(in_u32("an access unit", bytes - merging.unit(unit))?);
        }
        let merged = merging.merged;
        let total = sizes.iter().map(|size| *size as usize).sum();
        Ok(Self { order: order.to_vec(), inputs, merged, first: run.start, sizes, total })
    }

    /// Bytes of each access unit.
    pub fn sizes(&self) -> impl ExactSizeIterator<Item = u32> {
        self.sizes.iter().copied()
    }

    /// Bytes of all access units.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Slices that one of several skipped ones stands in for.
    pub fn merged_slices(&self) -> usize {
        self.merged.runs.iter().map(|run| usize::from(run.replaced)).sum()
    }

    /// Appends all access units, one after the other: NAL units with four-byte lengths (ISO/IEC 14496-15, 5.3.3).
    pub fn append_to(&self, out: &mut Vec<u8>) {
        out.reserve(self.total);
        let mut cursors: Vec<Cursor<'_>> = self.inputs.iter().map(|input| Cursor::at(input, self.first)).collect();
        if let [only] = cursors.as_mut_slice() {
            let units = self.inputs[0].unit_slices.iter().skip(self.first).take(self.sizes.len());
            units.for_each(|slices| (0..*slices).for_each(|_| only.append_slice(out)));
            return;
        }
        let mut runs = self.merged.runs.iter();
        let mut bytes = &self.merged.bytes[..];
        for _ in 0..self.sizes.len() {
            let mut order = &self.order[..];
            while !order.is_empty() {
                // The last one of a picture has the rest of its slices.
                let Some(run) = runs.next() else { return };
                let (copied, later) = order.split_at(run.copied.into());
                for &input in copied {
                    cursors[usize::from(input)].append_slice(out);
                }
                let (replaced, later) = later.split_at(run.replaced.into());
                for &input in replaced {
                    cursors[usize::from(input)].pass_slice();
                }
                let (instead, later_bytes) = bytes.split_at(run.bytes.into());
                out.extend_from_slice(instead);
                (order, bytes) = (later, later_bytes);
            }
        }
    }
}

/// What is written in place of slices of skipped macroblocks.
#[derive(Clone, Debug, Default)]
struct Merged {
    /// All access units, one after the other, run by run.
    runs: Vec<Run>,
    /// What is written for the runs, one after the other.
    bytes: Vec<u8>,
}

/// Slices of a picture that follow each other: so many that are copied, so many that others stand in for, and these bytes of [`Merged::bytes`] for them.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    copied: u16,
    replaced: u16,
    bytes: u16,
}

/// [`Merged`] in the making.
struct Merging<'a> {
    inputs: &'a [Arc<Placed>],
    order: &'a [u16],
    /// Of each input, in macroblocks.
    widths: Vec<u32>,
    /// Of each input, what [`Placed::skipped`] says of the picture's slices that are yet to come.
    next: Vec<&'a [u8]>,
    merged: Merged,
}

/// Skipped slices that follow each other.
#[derive(Clone, Copy, Default)]
struct Skips {
    first_mb: u32,
    macroblocks: u32,
    slices: u16,
    bytes: u32,
}

impl Merging<'_> {
    /// Goes through the slices of access unit `unit`, and gives how many bytes less there are of it.
    fn unit(&mut self, unit: usize) -> u64 {
        let few = self.inputs.iter().map(|input| u32::from(input.unit_skipped[unit])).sum::<u32>() < 2;
        if few {
            // As many as a plan has slices, whose numbers are 16 bits.
            self.merged.runs.push(Run { copied: self.order.len() as u16, ..Run::default() });
            return 0;
        }
        let (mut saved, mut run, mut skips, mut at_mb) = (0, Run::default(), Skips::default(), 0);
        self.next.clear();
        self.next.extend(self.inputs.iter().map(|input| {
            let rows = input.place.height_mbs as usize;
            input.skipped.get(unit * rows..(unit + 1) * rows).unwrap_or(&[])
        }));
        for &input in self.order {
            let macroblocks = self.widths[usize::from(input)];
            let bytes = match self.next[usize::from(input)].split_first() {
                Some((bytes, rest)) => {
                    self.next[usize::from(input)] = rest;
                    *bytes
                }
                None => 0,
            };
            if bytes == 0 && skips.slices == 0 {
                // Most slices are coded ones after coded ones.
                run.copied += 1;
                at_mb += macroblocks;
                continue;
            }
            if bytes == 0 || skips.macroblocks + macroblocks > KEPT_MACROBLOCKS {
                saved += self.merge(unit, &mut run, std::mem::take(&mut skips));
            }
            if bytes == 0 {
                run.copied += 1;
            } else {
                if skips.slices == 0 {
                    skips.first_mb = at_mb;
                }
                skips.macroblocks += macroblocks;
                skips.slices += 1;
                skips.bytes += u32::from(bytes);
            }
            at_mb += macroblocks;
        }
        saved += self.merge(unit, &mut run, skips);
        if run.copied > 0 {
            self.merged.runs.push(run);
        }
        saved
    }

    /// Lets one slice stand in for `skips`, if they are more than one, and ends the run with it. Gives how many bytes less it has.
    fn merge(&mut self, unit: usize, run: &mut Run, skips: Skips) -> u64 {
        let Skips { first_mb, macroblocks, slices, bytes } = skips;
        let placed = &self.inputs[0];
        let Some(picture) = placed.gop.pictures().get(unit).filter(|_| slices > 1) else {
            run.copied += slices;
            return 0;
        };
        let begin = self.merged.bytes.len();
        append_skipped(&mut self.merged.bytes, &placed.format, *picture, first_mb, macroblocks);
        let instead = self.merged.bytes.len() - begin;
        // A header, and a byte for every 210 macroblocks.
        run.bytes = instead as u16;
        run.replaced = slices;
        self.merged.runs.push(std::mem::take(run));
        // Two headers at least are more than one.
        u64::from(bytes).saturating_sub(instead as u64)
    }
}

/// The next slices of an input.
struct Cursor<'a> {
    heads: &'a [u8],
    rests: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// In front of the slices of picture `first`.
    fn at(input: &'a Placed, first: usize) -> Self {
        let mut cursor = Cursor { heads: &input.heads, rests: &input.rests };
        input.unit_slices.iter().take(first).for_each(|slices| (0..*slices).for_each(|_| cursor.pass_slice()));
        cursor
    }

    /// Leaves the next slice out.
    fn pass_slice(&mut self) {
        let Some((&[head_bytes, a, b, c, d], _)) = self.heads.split_first_chunk::<5>() else { return };
        let slice_bytes = 4 + u32::from_be_bytes([a, b, c, d]) as usize;
        self.heads = &self.heads[1 + usize::from(head_bytes)..];
        self.rests = &self.rests[slice_bytes - usize::from(head_bytes)..];
    }

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
