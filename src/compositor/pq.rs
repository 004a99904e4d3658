//! Canvases in HDR: PQ or HLG of BT.2020 in ten bits ([`Colour::PQ_CANVAS`], [`Colour::HLG_CANVAS`]).
//!
//! HDR pictures keep their light: those that are what the canvas is are scaled and nothing else; HLG is on a PQ canvas as on its nominal display of
//! 1000 cd/m2, and PQ on an HLG canvas as on such a display, to which it is tone-mapped where it is brighter. Standard pictures are placed by
//! ITU-R BT.2408: as on their reference display (ITU-R BT.1886), with white at 203 cd/m2, which is 75 % HLG.
//!
//! All come to ten bits as they are scaled, and go through light ([`super::into_hdr`]) where they are something else.

use std::sync::Arc;

use super::colour::{narrow, read, widen};
use super::cpu::{half_size, plane_of, siting_of};
use super::into_hdr::IntoHdr;
use super::scale::{PlaneMut, PlaneRef, Scaler};
use super::{Canvas, Draw};
use crate::frame::{Colour, Picture, PlaneMemory, Rect, Transfer};

/// What one worker draws HDR canvases with.
pub(super) struct HdrPainter {
    scaler: Scaler,
    /// Planes of a picture on its way to other colours, of ten bits.
    scratch: [Vec<u16>; 3],
}

/// Planes of a canvas in the making.
struct Planes {
    colour: Colour,
    width: u32,
    height: u32,
    samples: [Vec<u16>; 3],
}

impl Planes {
    fn of(colour: Colour, width: u32, height: u32, codes: [u16; 3]) -> Self {
        let luma = width as usize * height as usize;
        Self {
            colour,
            width,
            height,
            samples: [vec![codes[0]; luma], vec![codes[1]; luma / 4], vec![codes[2]; luma / 4]],
        }
    }

    fn stride(&self, plane: usize) -> usize {
        self.width as usize >> usize::from(plane > 0)
    }

    /// Where row `row` of `rect` begins in a plane.
    fn row_mut(&mut self, plane: usize, rect: Rect, row: usize) -> &mut [u16] {
        let (width, _) = half_size(rect, plane);
        let half = u32::from(plane > 0);
        let at = ((rect.y >> half) as usize + row) * self.stride(plane) + (rect.x >> half) as usize;
        &mut self.samples[plane][at..at + width]
    }

    fn freeze(mut self) -> Option<Picture> {
        // The low byte comes first, whatever the machine's order.
        self.samples.iter_mut().flatten().for_each(|sample| *sample = sample.to_le());
        let strides = [0, 1, 2].map(|plane| 2 * self.stride(plane));
        let Self { colour, width, height, samples } = self;
        Picture::new(width, height, strides, colour, (1, 1), Arc::new(Wide(samples)))
    }
}

struct Wide([Vec<u16>; 3]);

impl PlaneMemory for Wide {
    fn plane(&self, plane: usize) -> &[u8] {
        bytemuck::cast_slice(&self.0[plane])
    }
}

impl HdrPainter {
    pub fn new() -> Self {
        Self { scaler: Scaler::new(), scratch: Default::default() }
    }

    /// Draws a canvas in `colour`, and its smaller renditions.
    pub fn paint(&mut self, colour: Colour, canvas: &Canvas, smaller: &[(u32, u32)]) -> Vec<Picture> {
        let background = background_codes(colour, canvas.background);
        let mut planes = Planes::of(colour, canvas.width, canvas.height, background);
        for draw in &canvas.draws {
            self.draw(draw, &mut planes);
        }
        let Some(finished) = planes.freeze() else { return Vec::new() };
        let mut pictures = vec![finished];
        for &(width, height) in smaller {
            let mut planes = Planes::of(colour, width, height, [0; 3]);
            let rect = Rect { x: 0, y: 0, width, height };
            self.draw(&Draw { picture: pictures[0].clone(), rect }, &mut planes);
            pictures.extend(planes.freeze());
        }
        pictures
    }

    fn draw(&mut self, draw: &Draw, planes: &mut Planes) {
        let sizes = [0, 1, 2].map(|plane| half_size(draw.rect, plane));
        for (plane, (width, height)) in sizes.into_iter().enumerate() {
            self.scratch[plane].resize(width * height, 0);
            let mut target = PlaneMut { data: &mut self.scratch[plane][..], stride: width, width, height };
            self.scaler.scale(plane_of(&draw.picture, plane), &mut target, siting_of(plane));
        }
        let [y, u, v] = [0, 1, 2].map(|plane| {
            let (width, height) = sizes[plane];
            PlaneRef { data: &self.scratch[plane][..], stride: width, width, height }
        });
        if is_as_canvas(draw.picture.colour, planes.colour) {
            for (plane, scaled) in [y, u, v].into_iter().enumerate() {
                for row in 0..scaled.height {
                    planes.row_mut(plane, draw.rect, row).copy_from_slice(scaled.row(row));
                }
            }
            return;
        }
        convert(&IntoHdr::from(draw.picture.colour, planes.colour), [y, u, v], draw.rect, planes);
    }
}

/// Whether samples mean what those of the canvas do: the peak that a source tells changes nothing of that, and depth is brought along.
pub(super) fn is_as_canvas(colour: Colour, canvas: Colour) -> bool {
    let is_of_its_kind = match canvas.transfer {
        Transfer::Pq(_) => matches!(colour.transfer, Transfer::Pq(_)),
        transfer => colour.transfer == transfer,
    };
    let Colour { transfer, depth, .. } = canvas;
    is_of_its_kind && Colour { transfer, depth, ..colour } == canvas
}

/// Y, Cb and Cr of an HDR canvas's background: the light that it has on a standard canvas.
pub(super) fn background_codes(colour: Colour, rgb: [u8; 3]) -> [u16; 3] {
    let into = IntoHdr::from(Colour::CANVAS, colour);
    let value = into.value(IntoHdr::rgb_of(rgb));
    [0, 1, 2].map(|plane| into.code(plane, value))
}

/// As [`super::colour::convert`], into planes of ten bits.
fn convert(by: &IntoHdr, [y, u, v]: [PlaneRef<'_, u16>; 3], rect: Rect, planes: &mut Planes) {
    let [mut luma, mut wide_u, mut wide_v] = [0, 1, 2].map(|_| vec![0; y.width]);
    for row in 0..y.height {
        let near = row / 2;
        let far = if row % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(u.height - 1) };
        read(y.row(row), &mut luma);
        widen(u, near, far, &mut wide_u);
        widen(v, near, far, &mut wide_v);
        let out = planes.row_mut(0, rect, row);
        for (x, out) in out.iter_mut().enumerate() {
            *out = by.code(0, by.value(by.rgb([luma[x], wide_u[x], wide_v[x]])));
        }
    }
    let [luma, us, vs] = [&mut luma, &mut wide_u, &mut wide_v].map(|row| &mut row[..u.width]);
    let mut values = vec![[0; 3]; u.width];
    for row in 0..u.height {
        narrow(y.row(2 * row), y.row(2 * row + 1), luma);
        read(u.row(row), us);
        read(v.row(row), vs);
        for (x, value) in values.iter_mut().enumerate() {
            *value = by.value(by.rgb([luma[x], us[x], vs[x]]));
        }
        for plane in [1, 2] {
            let out = planes.row_mut(plane, rect, row);
            out.iter_mut().zip(&values).for_each(|(out, value)| *out = by.code(plane, *value));
        }
    }
}
