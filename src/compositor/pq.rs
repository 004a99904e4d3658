//! Canvases in HDR: PQ of BT.2020 in ten bits ([`Colour::HDR_CANVAS`]).
//!
//! HDR pictures keep their light: those in PQ are scaled and nothing else, those in HLG are shown as on its nominal display of 1000 cd/m2. Standard
//! pictures are placed by ITU-R BT.2408: as on their reference display (ITU-R BT.1886), with white at 203 cd/m2.
//!
//! There is no twin on the GPU, so nothing has to be counted in integers: the way through light goes in floating point.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use super::colour::{narrow, read, to_codes, to_rgb, widen};
use super::cpu::{half_size, plane_of, siting_of};
use super::scale::{PlaneMut, PlaneRef, Scaler};
use super::{Canvas, Draw};
use crate::frame::light::{self, Matrix3};
use crate::frame::{Colour, Depth, Picture, PlaneMemory, Rect, Transfer};

/// R'G'B' that tables of light end at: limited range has room above 1.
const MOST_VALUE: f32 = 1.25;
const CURVE_STEPS: usize = 5120;

/// What one worker draws HDR canvases with.
pub(super) struct HdrPainter {
    scaler: Scaler,
    /// Planes of a picture on its way to other colours, of ten bits.
    scratch: [Vec<u16>; 3],
}

/// Planes of a canvas in the making.
struct Planes {
    width: u32,
    height: u32,
    samples: [Vec<u16>; 3],
}

impl Planes {
    fn of(width: u32, height: u32, codes: [u16; 3]) -> Self {
        let luma = width as usize * height as usize;
        Self { width, height, samples: [vec![codes[0]; luma], vec![codes[1]; luma / 4], vec![codes[2]; luma / 4]] }
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
        let (width, height) = (self.width, self.height);
        Picture::new(width, height, strides, Colour::HDR_CANVAS, (1, 1), Arc::new(Wide(self.samples)))
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

    /// Draws a canvas and its smaller renditions.
    pub fn paint(&mut self, canvas: &Canvas, smaller: &[(u32, u32)]) -> Vec<Picture> {
        let mut planes = Planes::of(canvas.width, canvas.height, background_codes(canvas.background));
        for draw in &canvas.draws {
            self.draw(draw, &mut planes);
        }
        let Some(finished) = planes.freeze() else { return Vec::new() };
        let mut pictures = vec![finished];
        for &(width, height) in smaller {
            let mut planes = Planes::of(width, height, [0; 3]);
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
        if is_hdr_canvas(draw.picture.colour) {
            for (plane, scaled) in [y, u, v].into_iter().enumerate() {
                for row in 0..scaled.height {
                    planes.row_mut(plane, draw.rect, row).copy_from_slice(scaled.row(row));
                }
            }
            return;
        }
        convert(&IntoPq::from(draw.picture.colour), [y, u, v], draw.rect, planes);
    }
}

/// Whether samples mean what those of an HDR canvas do: the peak that a source tells changes nothing of that, and depth is brought along.
fn is_hdr_canvas(colour: Colour) -> bool {
    let is_pq = matches!(colour.transfer, Transfer::Pq(_));
    let Colour { transfer, depth, .. } = Colour::HDR_CANVAS;
    is_pq && Colour { transfer, depth, ..colour } == Colour::HDR_CANVAS
}

/// Y, Cb and Cr of an HDR canvas's background: the light that it has on a standard canvas.
pub(super) fn background_codes(rgb: [u8; 3]) -> [u16; 3] {
    let into = IntoPq::from(Colour::CANVAS);
    let value = into.pq(rgb.map(|c| f32::from(c) / 255.0));
    [0, 1, 2].map(|plane| into.code(plane, value))
}

/// As [`super::colour::convert`], into planes of ten bits.
fn convert(by: &IntoPq, [y, u, v]: [PlaneRef<'_, u16>; 3], rect: Rect, planes: &mut Planes) {
    let [mut luma, mut wide_u, mut wide_v] = [0, 1, 2].map(|_| vec![0; y.width]);
    for row in 0..y.height {
        let near = row / 2;
        let far = if row % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(u.height - 1) };
        read(y.row(row), &mut luma);
        widen(u, near, far, &mut wide_u);
        widen(v, near, far, &mut wide_v);
        let out = planes.row_mut(0, rect, row);
        for (x, out) in out.iter_mut().enumerate() {
            *out = by.code(0, by.pq(by.rgb([luma[x], wide_u[x], wide_v[x]])));
        }
    }
    let [luma, us, vs] = [&mut luma, &mut wide_u, &mut wide_v].map(|row| &mut row[..u.width]);
    let mut values = vec![[0.0; 3]; u.width];
    for row in 0..u.height {
        narrow(y.row(2 * row), y.row(2 * row + 1), luma);
        read(u.row(row), us);
        read(v.row(row), vs);
        for (x, value) in values.iter_mut().enumerate() {
            *value = by.pq(by.rgb([luma[x], us[x], vs[x]]));
        }
        for plane in [1, 2] {
            let out = planes.row_mut(plane, rect, row);
            out.iter_mut().zip(&values).for_each(|(out, value)| *out = by.code(plane, *value));
        }
    }
}

/// What leads from a picture's colours to those of an HDR canvas.
struct IntoPq {
    /// Rows of R'G'B': factors of Y, U and V of ten bits, and what is added.
    to_rgb: [[f32; 4]; 3],
    /// Light at each node of R'G'B': in cd/m2, of HLG the scene's.
    curve: Vec<f32>,
    is_hlg: bool,
    /// Linear RGB of the picture to that of BT.2020.
    primaries: [[f32; 3]; 3],
    /// Rows of Y, U and V of ten bits.
    to_codes: [[f32; 4]; 3],
}

static KNOWN: LazyLock<Mutex<HashMap<Colour, Arc<IntoPq>>>> = LazyLock::new(Mutex::default);

impl IntoPq {
    /// Made once per colour; there are fewer than four hundred, of 20 KiB each.
    fn from(colour: Colour) -> Arc<Self> {
        // They come scaled to ten bits.
        let colour = Colour { depth: Depth::Ten, ..colour };
        let mut known = KNOWN.lock().unwrap_or_else(|e| e.into_inner());
        Arc::clone(known.entry(colour).or_insert_with(|| Arc::new(Self::new(colour))))
    }

    fn new(colour: Colour) -> Self {
        let unit = match colour.transfer {
            Transfer::Bt709 | Transfer::Srgb => light::WHITE_CD_M2,
            Transfer::Pq(_) | Transfer::Hlg => 1.0,
        };
        let node = |at: usize| {
            let value = f64::from(MOST_VALUE) * at as f64 / CURVE_STEPS as f64;
            (light::component(value, colour.transfer) * unit) as f32
        };
        Self {
            to_rgb: rows(|codes| to_rgb(codes.map(|code| code / 4.0), colour)),
            curve: (0..=CURVE_STEPS + 1).map(node).collect(),
            is_hlg: colour.transfer == Transfer::Hlg,
            primaries: single(light::into_bt2020(colour.primaries)),
            to_codes: rows(|rgb| to_codes(rgb, Colour::HDR_CANVAS).map(|code| 4.0 * code)),
        }
    }

    #[inline]
    fn rgb(&self, yuv: [i32; 3]) -> [f32; 3] {
        let [y, u, v] = yuv.map(|code| code as f32);
        self.to_rgb.map(|row| row[0] * y + row[1] * u + row[2] * v + row[3])
    }

    /// R'G'B' of the canvas.
    #[inline]
    fn pq(&self, rgb: [f32; 3]) -> [f32; 3] {
        let mut light = rgb.map(|value| {
            let at = value.clamp(0.0, MOST_VALUE) * (CURVE_STEPS as f32 / MOST_VALUE);
            let node = at as usize;
            let here = self.curve[node];
            here + (self.curve[node + 1] - here) * (at - node as f32)
        });
        if self.is_hlg {
            let weights = light::LUMINANCE.map(|weight| weight as f32);
            let luminance = weights[0] * light[0] + weights[1] * light[1] + weights[2] * light[2];
            let system = light::system_gain(f64::from(luminance)) as f32;
            light = light.map(|scene| scene * system);
        }
        self.primaries.map(|row| pq_value(row[0] * light[0] + row[1] * light[1] + row[2] * light[2]))
    }

    #[inline]
    fn code(&self, plane: usize, rgb: [f32; 3]) -> u16 {
        let [r, g, b, add] = self.to_codes[plane];
        // What is beyond is not to be used for pictures (ITU-R BT.2100, table 9).
        (r * rgb[0] + g * rgb[1] + b * rgb[2] + add + 0.5).clamp(4.0, 1019.0) as u16
    }
}

/// The rows of a map that is affine: it is known from its values at the origin and one step along each axis.
fn rows(of: impl Fn([f64; 3]) -> [f64; 3]) -> [[f32; 4]; 3] {
    let origin = of([0.0; 3]);
    let steps = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(of);
    [0, 1, 2].map(|out| {
        let [a, b, c] = steps.map(|step| (step[out] - origin[out]) as f32);
        [a, b, c, origin[out] as f32]
    })
}

fn single(matrix: Matrix3) -> [[f32; 3]; 3] {
    matrix.map(|row| row.map(|factor| factor as f32))
}

/// Octaves of light below 10,000 cd/m2 that the table of PQ values spans: what is darker is black.
const OCTAVES: u32 = 40;
/// Nodes of an octave, as a power of two, which are bits of a float's fraction.
const OCTAVE_BITS: u32 = 6;
/// The bits of the least light that is none of black.
const LEAST: u32 = (127 - OCTAVES) << 23;

static PQ: LazyLock<Vec<f32>> = LazyLock::new(|| {
    let node = |at: u32| f32::from_bits(LEAST + (at << (23 - OCTAVE_BITS)));
    (0..=(OCTAVES << OCTAVE_BITS) + 1).map(|at| light::pq_value(10_000.0 * f64::from(node(at))) as f32).collect()
});

/// PQ value of light in cd/m2, 0 to 1. The bits of a float are its logarithm: the exponent and what follows it say the node, the rest how far it is to the next.
#[inline]
fn pq_value(light: f32) -> f32 {
    let bits = (light / 10_000.0).clamp(0.0, 1.0).to_bits();
    let Some(above) = bits.checked_sub(LEAST) else { return 0.0 };
    let node = (above >> (23 - OCTAVE_BITS)) as usize;
    let part = (above & ((1 << (23 - OCTAVE_BITS)) - 1)) as f32 / (1 << (23 - OCTAVE_BITS)) as f32;
    let here = PQ[node];
    here + (PQ[node + 1] - here) * part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_pq_is_the_curve() {
        for cd_m2 in [0.0, 1e-9, 1e-5, 0.001, 0.005, 0.1, 1.0, 26.0, 203.0, 999.0, 9999.0, 10_000.0, 20_000.0] {
            let want = light::pq_value(f64::min(cd_m2, 10_000.0));
            let got = f64::from(pq_value(cd_m2 as f32));
            assert!((got - want).abs() < 2e-4, "{cd_m2} cd/m2 is {want}, not {got}");
        }
    }
}
