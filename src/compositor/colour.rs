//! From a picture's colours to the canvas's ([`Colour::CANVAS`]).
//!
//! Where only matrix and range differ, one affine map of (Y, U, V) does it. Where primaries or transfer differ, light has
//! to be computed, and a cube of precomputed values is interpolated instead. Both are integer arithmetic on the same
//! tables in both compositors.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use super::light;
use super::scale::{PlaneMut, PlaneRef};
use crate::frame::{Colour, Matrix, Range8};

/// Fractional bits of an affine map's factors.
pub(super) const AFFINE_BITS: u32 = 14;
/// Code values between two nodes of a cube, as a power of two.
pub(super) const CUBE_STEP_BITS: u32 = 3;
/// Nodes along an edge of a cube: code values 0, 8, … 256.
pub(super) const CUBE_NODES: usize = (256 >> CUBE_STEP_BITS) + 1;
/// Fractional bits of a cube's values.
pub(super) const CUBE_VALUE_BITS: u32 = 6;

/// How a picture's samples become canvas samples.
#[derive(Debug)]
pub(super) enum Conversion {
    /// They are canvas samples.
    None,
    Affine(Affine),
    Cube(Cube),
}

/// `out[i] = (sum(factors[i][j] * in[j]) + offsets[i]) >> AFFINE_BITS`, clamped to a byte; the offsets round.
#[derive(Debug)]
pub(super) struct Affine {
    pub factors: [[i32; 3]; 3],
    pub offsets: [i32; 3],
}

/// Canvas values at each node of a grid over (Y, U, V), V running fastest, with [`CUBE_VALUE_BITS`] fractional bits.
#[derive(Debug)]
pub(super) struct Cube {
    pub nodes: Vec<[u16; 3]>,
}

static KNOWN: LazyLock<Mutex<HashMap<Colour, Arc<Conversion>>>> = LazyLock::new(Mutex::default);

impl Conversion {
    /// The conversion from `colour`. Made once per colour; there are fewer than a hundred.
    pub(super) fn from_colour(colour: Colour) -> Arc<Conversion> {
        let mut known = KNOWN.lock().unwrap_or_else(|e| e.into_inner());
        Arc::clone(known.entry(colour).or_insert_with(|| Arc::new(Self::make(colour))))
    }

    fn make(colour: Colour) -> Self {
        if colour == Colour::CANVAS {
            Conversion::None
        } else if colour.primaries == Colour::CANVAS.primaries && colour.transfer == Colour::CANVAS.transfer {
            Conversion::Affine(Affine::new(colour))
        } else {
            Conversion::Cube(Cube::new(colour))
        }
    }
}

impl Affine {
    fn new(colour: Colour) -> Self {
        // An affine map is known from its values at the origin and one step along each axis.
        let at = |yuv: [f64; 3]| to_codes(to_rgb(yuv, colour), Colour::CANVAS);
        let origin = at([0.0; 3]);
        let one = f64::from(1 << AFFINE_BITS);
        let mut made = Self { factors: [[0; 3]; 3], offsets: [0; 3] };
        for axis in 0..3 {
            let mut step = [0.0; 3];
            step[axis] = 1.0;
            let value = at(step);
            for out in 0..3 {
                made.factors[out][axis] = ((value[out] - origin[out]) * one).round() as i32;
            }
        }
        // Rounded factors are made good at mid grey, so that neutral stays neutral.
        let grey = at([128.0; 3]);
        for ((offset, factors), grey) in made.offsets.iter_mut().zip(made.factors).zip(grey) {
            let linear: i32 = factors.iter().map(|f| f * 128).sum();
            *offset = (grey * one + one / 2.0).round() as i32 - linear;
        }
        made
    }

    #[inline]
    fn map(&self, out: usize, yuv: [u8; 3]) -> u8 {
        let f = &self.factors[out];
        let sum = f[0] * i32::from(yuv[0]) + f[1] * i32::from(yuv[1]) + f[2] * i32::from(yuv[2]) + self.offsets[out];
        (sum >> AFFINE_BITS).clamp(0, 255) as u8
    }
}

impl Cube {
    fn new(colour: Colour) -> Self {
        let mut nodes = Vec::with_capacity(CUBE_NODES.pow(3));
        let code = |i: usize| (i << CUBE_STEP_BITS) as f64;
        for y in 0..CUBE_NODES {
            for u in 0..CUBE_NODES {
                for v in 0..CUBE_NODES {
                    let rgb = to_rgb([code(y), code(u), code(v)], colour);
                    let canvas = to_codes(light::to_canvas(rgb, colour.primaries, colour.transfer), Colour::CANVAS);
                    nodes.push(canvas.map(|c| (c.clamp(0.0, 255.0) * f64::from(1 << CUBE_VALUE_BITS)).round() as u16));
                }
            }
        }
        Self { nodes }
    }

    #[inline]
    fn map(&self, out: usize, yuv: [u8; 3]) -> u8 {
        const STEP: i32 = 1 << CUBE_STEP_BITS;
        const SHIFT: u32 = 3 * CUBE_STEP_BITS + CUBE_VALUE_BITS;
        let node = yuv.map(|c| usize::from(c >> CUBE_STEP_BITS));
        let part = yuv.map(|c| i32::from(c) & (STEP - 1));
        let corner = (node[0] * CUBE_NODES + node[1]) * CUBE_NODES + node[2];
        let at = |dy: usize, du: usize, dv: usize| {
            i32::from(self.nodes[corner + (dy * CUBE_NODES + du) * CUBE_NODES + dv][out])
        };
        let edge = |dy, du| at(dy, du, 0) * (STEP - part[2]) + at(dy, du, 1) * part[2];
        let side = |dy| edge(dy, 0) * (STEP - part[1]) + edge(dy, 1) * part[1];
        let sum = side(0) * (STEP - part[0]) + side(1) * part[0];
        ((sum + (1 << (SHIFT - 1))) >> SHIFT).clamp(0, 255) as u8
    }
}

/// Luma coefficients KR, KB (ITU-T H.273, table 4).
fn luma_coefficients(matrix: Matrix) -> (f64, f64) {
    match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Bt2020 => (0.2627, 0.0593),
    }
}

/// Black's code value, luma's span and chroma's span (ITU-T H.273, equations 20 to 25, eight bits).
fn spans(range: Range8) -> (f64, f64, f64) {
    match range {
        Range8::Limited => (16.0, 219.0, 224.0),
        Range8::Full => (0.0, 255.0, 255.0),
    }
}

/// Code values to non-linear R'G'B', nominally 0 to 1.
fn to_rgb(yuv: [f64; 3], colour: Colour) -> [f64; 3] {
    let (kr, kb) = luma_coefficients(colour.matrix);
    let (black, luma, chroma) = spans(colour.range);
    let (y, pb, pr) = ((yuv[0] - black) / luma, (yuv[1] - 128.0) / chroma, (yuv[2] - 128.0) / chroma);
    let (r, b) = (y + 2.0 * (1.0 - kr) * pr, y + 2.0 * (1.0 - kb) * pb);
    [r, (y - kr * r - kb * b) / (1.0 - kr - kb), b]
}

/// Non-linear R'G'B' to code values.
fn to_codes(rgb: [f64; 3], colour: Colour) -> [f64; 3] {
    let (kr, kb) = luma_coefficients(colour.matrix);
    let (black, luma, chroma) = spans(colour.range);
    let y = kr * rgb[0] + (1.0 - kr - kb) * rgb[1] + kb * rgb[2];
    let (pb, pr) = ((rgb[2] - y) / (2.0 * (1.0 - kb)), (rgb[0] - y) / (2.0 * (1.0 - kr)));
    [black + luma * y, 128.0 + chroma * pb, 128.0 + chroma * pr]
}

/// Canvas samples (Y, U, V) of an R'G'B' colour given in bytes.
pub(super) fn canvas_codes(rgb: [u8; 3]) -> [u8; 3] {
    to_codes(rgb.map(|c| f64::from(c) / 255.0), Colour::CANVAS).map(|c| c.round().clamp(0.0, 255.0) as u8)
}

/// Converts a whole 4:2:0 picture. Chroma is brought to the luma grid for luma's sake (bilinear from its left-sited places),
/// luma to the chroma grid for chroma's.
pub(super) fn convert(conversion: &Conversion, source: [PlaneRef<'_>; 3], mut target: [PlaneMut<'_>; 3]) {
    match conversion {
        Conversion::None => {
            for (from, to) in source.into_iter().zip(&mut target) {
                for row in 0..to.height {
                    to.data[row * to.stride..][..to.width].copy_from_slice(&from.data[row * from.stride..][..to.width]);
                }
            }
        }
        Conversion::Affine(affine) => convert_with(|out, yuv| affine.map(out, yuv), source, target),
        Conversion::Cube(cube) => convert_with(|out, yuv| cube.map(out, yuv), source, target),
    }
}

fn convert_with(map: impl Fn(usize, [u8; 3]) -> u8, source: [PlaneRef<'_>; 3], mut target: [PlaneMut<'_>; 3]) {
    let [y, u, v] = source;
    let row_of = |plane: PlaneRef<'_>, row: usize| plane.data[row * plane.stride..][..plane.width].to_vec();
    let (mut wide_u, mut wide_v) = (vec![0; y.width], vec![0; y.width]);
    for row in 0..y.height {
        let near = row / 2;
        let far = if row % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(u.height - 1) };
        widen(u, near, far, &mut wide_u);
        widen(v, near, far, &mut wide_v);
        let luma = &y.data[row * y.stride..][..y.width];
        let out = &mut target[0].data[row * target[0].stride..][..y.width];
        for (((out, &y), &u), &v) in out.iter_mut().zip(luma).zip(&wide_u).zip(&wide_v) {
            *out = map(0, [y, u, v]);
        }
    }
    for row in 0..u.height {
        let (above, below) = (row_of(y, 2 * row), row_of(y, 2 * row + 1));
        for x in 0..u.width {
            let left = (2 * x).saturating_sub(1);
            let sum = |r: &[u8]| u32::from(r[left]) + 2 * u32::from(r[2 * x]) + u32::from(r[2 * x + 1]);
            let luma = ((sum(&above) + sum(&below) + 4) >> 3) as u8;
            let yuv = [luma, u.data[row * u.stride + x], v.data[row * v.stride + x]];
            for (plane, out) in target.iter_mut().enumerate().skip(1) {
                out.data[row * out.stride + x] = map(plane, yuv);
            }
        }
    }
}

/// A chroma row on the luma grid: three quarters of the near row and one of the far, then halfway between neighbours.
fn widen(chroma: PlaneRef<'_>, near: usize, far: usize, out: &mut [u8]) {
    let (near, far) = (&chroma.data[near * chroma.stride..], &chroma.data[far * chroma.stride..]);
    let blend = |x: usize| (3 * u32::from(near[x]) + u32::from(far[x]) + 2) >> 2;
    let mut here = blend(0);
    for x in 0..chroma.width {
        let next = blend((x + 1).min(chroma.width - 1));
        out[2 * x] = here as u8;
        out[2 * x + 1] = ((here + next + 1) >> 1) as u8;
        here = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Primaries, Transfer};

    fn flat(yuv: [u8; 3], colour: Colour) -> [u8; 3] {
        let planes = [vec![yuv[0]; 64], vec![yuv[1]; 16], vec![yuv[2]; 16]];
        let mut out = [vec![0; 64], vec![0; 16], vec![0; 16]];
        let size = |p: usize| if p == 0 { 8 } else { 4 };
        let source = [0, 1, 2].map(|p| PlaneRef { data: &planes[p], stride: size(p), width: size(p), height: size(p) });
        let mut at = 0;
        let target = out.each_mut().map(|data| {
            let side = size(at);
            at += 1;
            PlaneMut { data, stride: side, width: side, height: side }
        });
        convert(&Conversion::from_colour(colour), source, target);
        for plane in &out {
            assert!(plane.iter().all(|v| *v == plane[0]), "a flat picture must stay flat");
        }
        [out[0][0], out[1][0], out[2][0]]
    }

    fn assert_near(got: [u8; 3], want: [i32; 3], tolerance: i32, what: &str) {
        for i in 0..3 {
            assert!((i32::from(got[i]) - want[i]).abs() <= tolerance, "{what}: {got:?}, want {want:?}");
        }
    }

    #[test]
    fn colour_bars_in_601_become_the_published_709_values() {
        // 100 % bars: their BT.601 and BT.709 limited-range codes, as in every test signal generator's manual.
        let bars = [
            ([235, 128, 128], [235, 128, 128]),
            ([210, 16, 146], [219, 16, 138]),
            ([170, 166, 16], [188, 154, 16]),
            ([145, 54, 34], [173, 42, 26]),
            ([106, 202, 222], [78, 214, 230]),
            ([81, 90, 240], [63, 102, 240]),
            ([41, 240, 110], [32, 240, 118]),
            ([16, 128, 128], [16, 128, 128]),
        ];
        let colour = Colour { matrix: Matrix::Bt601, ..Colour::CANVAS };
        for (from, to) in bars {
            assert_near(flat(from, colour), to, 1, "601 bar");
        }
    }

    #[test]
    fn full_range_is_squeezed_into_limited() {
        let colour = Colour { range: Range8::Full, ..Colour::CANVAS };
        assert_eq!(flat([0, 128, 128], colour), [16, 128, 128]);
        assert_eq!(flat([255, 128, 128], colour), [235, 128, 128]);
        assert_near(flat([128, 0, 255], colour), [126, 16, 240], 1, "full");
    }

    #[test]
    fn the_affine_map_follows_exact_arithmetic_everywhere() {
        for matrix in [Matrix::Bt601, Matrix::Bt2020, Matrix::Bt709] {
            let colour = Colour { matrix, range: Range8::Full, ..Colour::CANVAS };
            for y in (0..=255).step_by(15) {
                for u in (0..=255).step_by(51) {
                    for v in (0..=255).step_by(51) {
                        let yuv = [y as u8, u as u8, v as u8];
                        let want = to_codes(to_rgb(yuv.map(f64::from), colour), Colour::CANVAS);
                        assert_near(flat(yuv, colour), want.map(|c| c.clamp(0.0, 255.0).round() as i32), 1, "affine");
                    }
                }
            }
        }
    }

    #[test]
    fn neutral_greys_of_standard_transfer_stay_neutral_and_in_place() {
        for primaries in [Primaries::Bt601_525, Primaries::Bt601_625, Primaries::Bt2020] {
            let colour = Colour { primaries, ..Colour::CANVAS };
            for y in (16..=235).step_by(3) {
                assert_near(flat([y, 128, 128], colour), [i32::from(y), 128, 128], 1, "grey");
            }
        }
    }

    #[test]
    fn hdr_black_white_and_highlights_land_where_they_should() {
        for transfer in [Transfer::Pq, Transfer::Hlg] {
            let colour = Colour { matrix: Matrix::Bt2020, primaries: Primaries::Bt2020, transfer, ..Colour::CANVAS };
            assert_near(flat([16, 128, 128], colour), [16, 128, 128], 1, "black");
            // Reference white, 203 cd/m2 (ITU-R BT.2408): 58 % PQ, 75 % HLG.
            let white = if transfer == Transfer::Pq { 16.0 + 219.0 * 0.58 } else { 16.0 + 219.0 * 0.75 };
            let got = flat([white as u8, 128, 128], colour);
            assert!((200..=222).contains(&got[0]), "{transfer:?} reference white became {got:?}");
            let mut last = 0;
            for y in (16..=235).step_by(4) {
                let got = flat([y, 128, 128], colour);
                assert!(got[0] >= last && got[0] <= 236, "{transfer:?}: {y} became {got:?} after {last}");
                assert_near([128, got[1], got[2]], [128; 3], 1, "grey");
                last = got[0];
            }
            assert!(last >= 233, "{transfer:?} peak became {last}");
        }
    }
}
