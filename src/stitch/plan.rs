//! Which place of a canvas has which of its slices, in the order of macroblock addresses.

use super::{Format, Slices, StitchError};

/// A rectangle of the canvas, in macroblocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    pub x_mb: u32,
    pub y_mb: u32,
    pub width_mbs: u32,
    pub height_mbs: u32,
}

impl Place {
    pub(super) fn check_within(self, canvas_width_mbs: u32, canvas_height_mbs: u32) -> Result<(), StitchError> {
        let Self { x_mb, y_mb, width_mbs, height_mbs } = self;
        let within = |at: u32, length: u32, side: u32| length > 0 && at.checked_add(length).is_some_and(|e| e <= side);
        if within(x_mb, width_mbs, canvas_width_mbs) && within(y_mb, height_mbs, canvas_height_mbs) {
            return Ok(());
        }
        Err(StitchError::Outside { x_mb, y_mb, width_mbs, height_mbs, canvas_width_mbs, canvas_height_mbs })
    }
}

/// How a layout's mosaic is put together on one canvas. Its inputs are the layout's places in their order, then the fillers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    canvas_width_mbs: u32,
    canvas_height_mbs: u32,
    inputs: Vec<Place>,
    fillers_from: usize,
    /// Of each slice of a picture, the input it comes from; an input's slices come in their own order.
    order: Vec<u16>,
}

impl Plan {
    /// A plan for `places`, all of tiles cut into `slices`. What they leave uncovered becomes fillers, for still tiles of one
    /// row: gaps of equal position and width in consecutive rows are one filler. `max_slices` a picture are allowed
    /// ([`level::max_slices`]).
    ///
    /// # Errors
    /// Places that leave the canvas or overlap, a canvas beyond every level, too many slices, and [`Slices::Whole`] for anything but one
    /// place that is the canvas.
    pub fn new(format: &Format, places: &[Place], slices: Slices, max_slices: u32) -> Result<Self, StitchError> {
        let (width, height) = (format.width_mbs(), format.height_mbs());
        for place in places {
            place.check_within(width, height)?;
        }
        if slices == Slices::Whole {
            let canvas = Place { x_mb: 0, y_mb: 0, width_mbs: width, height_mbs: height };
            if places != [canvas] {
                return Err(StitchError::WholeIsNotCanvas);
            }
        }
        let mut plan = Self {
            canvas_width_mbs: width,
            canvas_height_mbs: height,
            inputs: places.to_vec(),
            fillers_from: places.len(),
            order: Vec::new(),
        };
        // A still tile may stand in for a whole picture of one slice, with one a row; such a picture is rare, and not counted.
        let max = max_slices.min(u16::MAX.into());
        for row in 0..height {
            plan.add_row(row, places)?;
            let got = if slices == Slices::Whole { 1 } else { plan.order.len() };
            if got > max as usize {
                return Err(StitchError::TooManySlices { slices: got, max });
            }
        }
        Ok(plan)
    }

    /// Adds the slices of canvas row `row`, from left to right.
    fn add_row(&mut self, row: u32, places: &[Place]) -> Result<(), StitchError> {
        let mut across: Vec<(usize, Place)> = places
            .iter()
            .copied()
            .enumerate()
            .filter(|(_, place)| (place.y_mb..place.y_mb + place.height_mbs).contains(&row))
            .collect();
        across.sort_by_key(|(_, place)| place.x_mb);
        let mut x_mb = 0;
        let mut before = 0;
        for (input, place) in across {
            if place.x_mb < x_mb {
                return Err(StitchError::Overlap { first: before, second: input });
            }
            self.add_gap(row, x_mb, place.x_mb);
            self.add_slice(input);
            x_mb = place.x_mb + place.width_mbs;
            before = input;
        }
        self.add_gap(row, x_mb, self.canvas_width_mbs);
        Ok(())
    }

    fn add_gap(&mut self, row: u32, from: u32, to: u32) {
        if from == to {
            return;
        }
        let width_mbs = to - from;
        let above = self.inputs[self.fillers_from..]
            .iter()
            .position(|f| (f.x_mb, f.width_mbs, f.y_mb + f.height_mbs) == (from, width_mbs, row));
        let input = match above {
            Some(above) => {
                let input = self.fillers_from + above;
                self.inputs[input].height_mbs += 1;
                input
            }
            None => {
                self.inputs.push(Place { x_mb: from, y_mb: row, width_mbs, height_mbs: 1 });
                self.inputs.len() - 1
            }
        };
        self.add_slice(input);
    }

    fn add_slice(&mut self, input: usize) {
        // A number that does not fit is one of too many slices, which the caller refuses at the end of the row.
        self.order.push(u16::try_from(input).unwrap_or(u16::MAX));
    }

    pub fn canvas_width_mbs(&self) -> u32 {
        self.canvas_width_mbs
    }

    pub fn canvas_height_mbs(&self) -> u32 {
        self.canvas_height_mbs
    }

    /// All inputs: the places given, then the fillers.
    pub fn inputs(&self) -> &[Place] {
        &self.inputs
    }

    /// What no place covers. The inputs for it come after those of the places.
    pub fn fillers(&self) -> &[Place] {
        &self.inputs[self.fillers_from..]
    }

    /// Slices of a picture, unless it is in one slice for the whole.
    pub fn slices_per_picture(&self) -> usize {
        self.order.len()
    }

    pub(super) fn order(&self) -> &[u16] {
        &self.order
    }
}
