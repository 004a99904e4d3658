//! Canvases in HDR: PQ or HLG of BT.2020 in ten bits ([`Colour::PQ_CANVAS`], [`Colour::HLG_CANVAS`]).
//!
//! HDR pictures keep their light: those that are what the canvas is are scaled and nothing else; HLG is on a PQ canvas as on its nominal display of
//! 1000 cd/m2, and PQ on an HLG canvas as on such a display, to which it is tone-mapped where it is brighter. Standard pictures are placed by
//! ITU-R BT.2408: as on their reference display (ITU-R BT.1886), with white at 203 cd/m2, which is 75 % HLG.
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
fn is_as_canvas(colour: Colour, canvas: Colour) -> bool {
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
    let value = into.value(rgb.map(|c| f32::from(c) / 255.0));
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
    let mut values = vec![[0.0; 3]; u.width];
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

/// What leads from a picture's colours to those of an HDR canvas.
struct IntoHdr {
    /// Rows of R'G'B': factors of Y, U and V of ten bits, and what is added.
    to_rgb: [[f32; 4]; 3],
    /// Light at each node of R'G'B': in cd/m2, of HLG the scene's.
    curve: Vec<f32>,
    /// Of PQ that is brighter than an HLG canvas: light on its display for each cd/m2, at each node of the largest of R'G'B'.
    tone: Option<Vec<f32>>,
    is_hlg: bool,
    into_hlg: bool,
    /// Linear RGB of the picture to that of BT.2020.
    primaries: [[f32; 3]; 3],
    /// Rows of Y, U and V of ten bits.
    to_codes: [[f32; 4]; 3],
}

/// By the picture's colours and the canvas's.
type Made = HashMap<(Colour, Colour), Arc<IntoHdr>>;

static KNOWN: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);

impl IntoHdr {
    /// Made once per colour and kind of canvas; there are fewer than eight hundred, of 40 KiB each at most.
    fn from(colour: Colour, canvas: Colour) -> Arc<Self> {
        // They come scaled to ten bits.
        let colour = Colour { depth: Depth::Ten, ..colour };
        let mut known = KNOWN.lock().unwrap_or_else(|e| e.into_inner());
        Arc::clone(known.entry((colour, canvas)).or_insert_with(|| Arc::new(Self::new(colour, canvas))))
    }

    fn new(colour: Colour, canvas: Colour) -> Self {
        let unit = match colour.transfer {
            Transfer::Bt709 | Transfer::Srgb => light::WHITE_CD_M2,
            Transfer::Pq(_) | Transfer::Hlg => 1.0,
        };
        let value_at = |at: usize| f64::from(MOST_VALUE) * at as f64 / CURVE_STEPS as f64;
        let node = |at: usize| (light::component(value_at(at), colour.transfer) * unit) as f32;
        let into_hlg = canvas.transfer == Transfer::Hlg;
        let display = f64::from(light::HLG_PEAK.cd_m2());
        let tone = match colour.transfer {
            Transfer::Pq(peak) if into_hlg && f64::from(peak.cd_m2()) > display => {
                let gain =
                    |at: usize| light::display_gain(light::component(value_at(at), colour.transfer), peak, display);
                Some((0..=CURVE_STEPS + 1).map(|at| gain(at) as f32).collect())
            }
            _ => None,
        };
        Self {
            to_rgb: rows(|codes| to_rgb(codes.map(|code| code / 4.0), colour)),
            curve: (0..=CURVE_STEPS + 1).map(node).collect(),
            tone,
            is_hlg: colour.transfer == Transfer::Hlg,
            into_hlg,
            primaries: single(light::into_bt2020(colour.primaries)),
            to_codes: rows(|rgb| to_codes(rgb, canvas).map(|code| 4.0 * code)),
        }
    }

    #[inline]
    fn rgb(&self, yuv: [i32; 3]) -> [f32; 3] {
        let [y, u, v] = yuv.map(|code| code as f32);
        self.to_rgb.map(|row| row[0] * y + row[1] * u + row[2] * v + row[3])
    }

    /// R'G'B' of the canvas.
    #[inline]
    fn value(&self, rgb: [f32; 3]) -> [f32; 3] {
        let mut light = rgb.map(|value| read_at(&self.curve, value));
        if self.is_hlg {
            let system = light::system_gain(f64::from(luminance(light))) as f32;
            light = light.map(|scene| scene * system);
        }
        if let Some(tone) = &self.tone {
            let gain = read_at(tone, rgb[0].max(rgb[1]).max(rgb[2]));
            light = light.map(|light| light * gain);
        }
        let light = self.primaries.map(|row| row[0] * light[0] + row[1] * light[1] + row[2] * light[2]);
        if self.into_hlg {
            let light = light.map(|light| light.max(0.0));
            let scene = light::scene_gain(f64::from(luminance(light))) as f32;
            return light.map(|light| HLG.read(light * scene));
        }
        light.map(|light| PQ.read(light))
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

/// What a table of [`MOST_VALUE`] in [`CURVE_STEPS`] says at `value`.
#[inline]
fn read_at(table: &[f32], value: f32) -> f32 {
    let at = value.clamp(0.0, MOST_VALUE) * (CURVE_STEPS as f32 / MOST_VALUE);
    let node = at as usize;
    let here = table[node];
    here + (table[node + 1] - here) * (at - node as f32)
}

#[inline]
fn luminance(light: [f32; 3]) -> f32 {
    let weights = light::LUMINANCE.map(|weight| weight as f32);
    weights[0] * light[0] + weights[1] * light[1] + weights[2] * light[2]
}

/// Octaves of light below the most that a table of values spans: what is darker is black.
const OCTAVES: u32 = 40;
/// Nodes of an octave, as a power of two, which are bits of a float's fraction.
const OCTAVE_BITS: u32 = 6;
/// The bits of the least light that is none of black.
const LEAST: u32 = (127 - OCTAVES) << 23;

/// Values by the logarithm of light.
struct Values {
    most: f32,
    nodes: Vec<f32>,
}

/// Of light in cd/m2.
static PQ: LazyLock<Values> = LazyLock::new(|| Values::of(10_000.0, light::pq_value));
/// Of the scene's light: of a saturated colour one component may be brighter than all of white's.
static HLG: LazyLock<Values> = LazyLock::new(|| Values::of(4.0, light::hlg_value));

impl Values {
    fn of(most: f32, value: impl Fn(f64) -> f64) -> Self {
        let node = |at: u32| f64::from(most) * f64::from(f32::from_bits(LEAST + (at << (23 - OCTAVE_BITS))));
        Self { most, nodes: (0..=(OCTAVES << OCTAVE_BITS) + 1).map(|at| value(node(at)) as f32).collect() }
    }

    /// The bits of a float are its logarithm: the exponent and what follows it say the node, the rest how far it is to the next.
    #[inline]
    fn read(&self, light: f32) -> f32 {
        let bits = (light / self.most).clamp(0.0, 1.0).to_bits();
        let Some(above) = bits.checked_sub(LEAST) else { return 0.0 };
        let node = (above >> (23 - OCTAVE_BITS)) as usize;
        let part = (above & ((1 << (23 - OCTAVE_BITS)) - 1)) as f32 / (1 << (23 - OCTAVE_BITS)) as f32;
        let here = self.nodes[node];
        here + (self.nodes[node + 1] - here) * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_their_curves() {
        for cd_m2 in [0.0, 1e-9, 1e-5, 0.001, 0.005, 0.1, 1.0, 26.0, 203.0, 999.0, 9999.0, 10_000.0, 20_000.0] {
            let want = light::pq_value(f64::min(cd_m2, 10_000.0));
            let got = f64::from(PQ.read(cd_m2 as f32));
            assert!((got - want).abs() < 2e-4, "{cd_m2} cd/m2 is {want}, not {got}");
        }
        for scene in [0.0, 1e-9, 1e-6, 0.001, 0.0833, 0.0834, 0.2646, 0.5, 1.0, 1.9, 4.0, 5.0] {
            let want = light::hlg_value(f64::min(scene, 4.0));
            let got = f64::from(HLG.read(scene as f32));
            assert!((got - want).abs() < 2e-4, "{scene} of the scene is {want}, not {got}");
        }
    }
}
