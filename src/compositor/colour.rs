//! From a picture's colours to the canvas's ([`Colour::CANVAS`]).
//!
//! Where only matrix and range differ, one affine map of (Y, U, V) does it. Where primaries or transfer differ, the way leads through
//! light ([`super::tone`]). Both are integer arithmetic on the same numbers in both compositors.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use super::scale::{PlaneMut, PlaneRef, Sample};
use super::tone::Light;
use crate::frame::{Colour, Matrix, Range8};

/// Fractional bits of an affine map's factors for samples of eight bits. Those of ten are four times as large, and lose two more bits.
pub(super) const AFFINE_BITS: u32 = 14;

/// How a picture's samples become canvas samples.
#[derive(Debug)]
pub(super) enum Conversion {
    /// They are canvas samples, of as many bits or more.
    None,
    Affine(Affine),
    Light(Light),
}

/// `out[i] = (sum(factors[i][j] * in[j]) + offsets[i]) >> shift`, clamped to a byte; the offsets round.
#[derive(Debug)]
pub(super) struct Affine {
    pub factors: [[i32; 3]; 3],
    pub offsets: [i32; 3],
    shift: u32,
}

static KNOWN: LazyLock<Mutex<HashMap<Colour, Arc<Conversion>>>> = LazyLock::new(Mutex::default);

impl Conversion {
    /// The conversion from `colour`. Made once per colour; there are fewer than four hundred, of at most 50 KiB each.
    pub(super) fn from_colour(colour: Colour) -> Arc<Conversion> {
        let mut known = KNOWN.lock().unwrap_or_else(|e| e.into_inner());
        Arc::clone(known.entry(colour).or_insert_with(|| Arc::new(Self::make(colour))))
    }

    fn make(colour: Colour) -> Self {
        if colour.is_canvas() {
            Conversion::None
        } else if colour.primaries == Colour::CANVAS.primaries && colour.transfer == Colour::CANVAS.transfer {
            Conversion::Affine(Affine::new(colour))
        } else {
            Conversion::Light(Light::new(colour))
        }
    }
}

/// What converts rows of samples: (Y, U, V) on the luma grid to luma, and on the chroma grid to chroma. All are equally long.
pub(super) trait Convert {
    fn luma(&self, yuv: [&[i32]; 3], out: &mut [u8]);
    fn chroma(&self, yuv: [&[i32]; 3], out: [&mut [u8]; 2]);
}

impl Affine {
    fn new(colour: Colour) -> Self {
        // An affine map is known from its values at the origin and one step along each axis.
        let at = |yuv: [f64; 3]| to_codes(to_rgb(yuv, colour), Colour::CANVAS);
        let origin = at([0.0; 3]);
        let wider = colour.depth.bits() - 8;
        let mut made = Self { factors: [[0; 3]; 3], offsets: [0; 3], shift: AFFINE_BITS + wider };
        for axis in 0..3 {
            let mut step = [0.0; 3];
            step[axis] = 1.0;
            let value = at(step);
            for out in 0..3 {
                made.factors[out][axis] = ((value[out] - origin[out]) * f64::from(1 << AFFINE_BITS)).round() as i32;
            }
        }
        // Rounded factors are made good at mid grey, so that neutral stays neutral.
        let (grey, one) = (at([128.0; 3]), f64::from(1 << made.shift));
        for ((offset, factors), grey) in made.offsets.iter_mut().zip(made.factors).zip(grey) {
            let linear: i32 = factors.iter().map(|f| f * (128 << wider)).sum();
            *offset = (grey * one + one / 2.0).round() as i32 - linear;
        }
        made
    }

    fn plane(&self, plane: usize, [y, u, v]: [&[i32]; 3], out: &mut [u8]) {
        let (f, add) = (self.factors[plane], self.offsets[plane]);
        for (((out, y), u), v) in out.iter_mut().zip(y).zip(u).zip(v) {
            *out = ((f[0] * y + f[1] * u + f[2] * v + add) >> self.shift).clamp(0, 255) as u8;
        }
    }
}

impl Convert for Affine {
    fn luma(&self, yuv: [&[i32]; 3], out: &mut [u8]) {
        self.plane(0, yuv, out);
    }

    fn chroma(&self, yuv: [&[i32]; 3], [u, v]: [&mut [u8]; 2]) {
        self.plane(1, yuv, u);
        self.plane(2, yuv, v);
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

/// Code values of eight bits to non-linear R'G'B', nominally 0 to 1.
pub(super) fn to_rgb(yuv: [f64; 3], colour: Colour) -> [f64; 3] {
    let (kr, kb) = luma_coefficients(colour.matrix);
    let (black, luma, chroma) = spans(colour.range);
    let (y, pb, pr) = ((yuv[0] - black) / luma, (yuv[1] - 128.0) / chroma, (yuv[2] - 128.0) / chroma);
    let (r, b) = (y + 2.0 * (1.0 - kr) * pr, y + 2.0 * (1.0 - kb) * pb);
    [r, (y - kr * r - kb * b) / (1.0 - kr - kb), b]
}

/// Non-linear R'G'B' to code values of eight bits.
pub(super) fn to_codes(rgb: [f64; 3], colour: Colour) -> [f64; 3] {
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

/// Converts a whole 4:2:0 picture that takes converting. Chroma is brought to the luma grid for luma's sake (bilinear from its left-sited places),
/// luma to the chroma grid for chroma's.
pub(super) fn convert<S: Sample>(conversion: &Conversion, source: [PlaneRef<'_, S>; 3], target: [PlaneMut<'_>; 3]) {
    match conversion {
        Conversion::None => {}
        Conversion::Affine(affine) => convert_with(affine, source, target),
        Conversion::Light(light) => convert_with(light, source, target),
    }
}

fn convert_with<S: Sample>(by: &impl Convert, source: [PlaneRef<'_, S>; 3], target: [PlaneMut<'_>; 3]) {
    let ([y, u, v], [luma_out, u_out, v_out]) = (source, target);
    let [mut luma, mut wide_u, mut wide_v] = [0, 1, 2].map(|_| vec![0; y.width]);
    for row in 0..y.height {
        let near = row / 2;
        let far = if row % 2 == 0 { near.saturating_sub(1) } else { (near + 1).min(u.height - 1) };
        read(y.row(row), &mut luma);
        widen(u, near, far, &mut wide_u);
        widen(v, near, far, &mut wide_v);
        by.luma([&luma, &wide_u, &wide_v], &mut luma_out.data[row * luma_out.stride..][..y.width]);
    }
    let [luma, wide_u, wide_v] = [&mut luma, &mut wide_u, &mut wide_v].map(|row| &mut row[..u.width]);
    for row in 0..u.height {
        narrow(y.row(2 * row), y.row(2 * row + 1), luma);
        read(u.row(row), wide_u);
        read(v.row(row), wide_v);
        let u_out = &mut u_out.data[row * u_out.stride..][..u.width];
        let v_out = &mut v_out.data[row * v_out.stride..][..u.width];
        by.chroma([&*luma, &*wide_u, &*wide_v], [u_out, v_out]);
    }
}

pub(super) fn read<S: Sample>(row: &[S], out: &mut [i32]) {
    for (out, sample) in out.iter_mut().zip(row) {
        *out = sample.value();
    }
}

/// Two rows of luma on the chroma grid, which is sited on their left samples.
pub(super) fn narrow<S: Sample>(above: &[S], below: &[S], out: &mut [i32]) {
    for (x, out) in out.iter_mut().enumerate() {
        let left = (2 * x).saturating_sub(1);
        let sum = |row: &[S]| row[left].value() + 2 * row[2 * x].value() + row[2 * x + 1].value();
        *out = (sum(above) + sum(below) + 4) >> 3;
    }
}

/// A chroma row on the luma grid: three quarters of the near row and one of the far, then halfway between neighbours.
pub(super) fn widen<S: Sample>(chroma: PlaneRef<'_, S>, near: usize, far: usize, out: &mut [i32]) {
    let (near, far) = (chroma.row(near), chroma.row(far));
    let blend = |x: usize| (3 * near[x].value() + far[x].value() + 2) >> 2;
    let mut here = blend(0);
    for x in 0..chroma.width {
        let next = blend((x + 1).min(chroma.width - 1));
        out[2 * x] = here;
        out[2 * x + 1] = (here + next + 1) >> 1;
        here = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Depth, Peak, Primaries, Transfer, light};

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
        same_everywhere(&out)
    }

    /// The same of ten bits.
    fn flat_wide(yuv: [u16; 3], colour: Colour) -> [u8; 3] {
        let colour = Colour { depth: Depth::Ten, ..colour };
        let planes = [vec![yuv[0]; 64], vec![yuv[1]; 16], vec![yuv[2]; 16]];
        let mut out = [vec![0; 64], vec![0; 16], vec![0; 16]];
        let size = |p: usize| if p == 0 { 8 } else { 4 };
        let source = [0, 1, 2].map(|p| PlaneRef { data: &planes[p], stride: size(p), width: size(p), height: size(p) });
        let [y, u, v] = &mut out;
        let target =
            [(y, 8), (u, 4), (v, 4)].map(|(data, side)| PlaneMut { data, stride: side, width: side, height: side });
        convert(&Conversion::from_colour(colour), source, target);
        same_everywhere(&out)
    }

    fn same_everywhere(out: &[Vec<u8>; 3]) -> [u8; 3] {
        for plane in out {
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
        for transfer in [Transfer::Pq(Peak::Cd1000), Transfer::Hlg] {
            let colour = Colour { matrix: Matrix::Bt2020, primaries: Primaries::Bt2020, transfer, ..Colour::CANVAS };
            assert_near(flat([16, 128, 128], colour), [16, 128, 128], 1, "black");
            // Reference white, 203 cd/m2 (ITU-R BT.2408): 58 % PQ, 75 % HLG.
            let white = if transfer != Transfer::Hlg { 16.0 + 219.0 * 0.58 } else { 16.0 + 219.0 * 0.75 };
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

    #[test]
    fn ten_bits_are_converted_as_exactly_as_eight() {
        let deep = Colour { range: Range8::Full, matrix: Matrix::Bt601, ..Colour::CANVAS };
        for y in (0..1024).step_by(31) {
            let yuv = [y, 1023 - y, y / 2 + 300];
            let want = to_codes(to_rgb(yuv.map(|code| f64::from(code) / 4.0), deep), Colour::CANVAS);
            assert_near(flat_wide(yuv, deep), want.map(|c| c.clamp(0.0, 255.0).round() as i32), 1, "affine");
        }
    }

    /// The way through light in integers, against exact arithmetic: differences in steps of eight bits.
    #[test]
    fn light_in_integers_follows_exact_arithmetic() {
        let transfers = [Transfer::Bt709, Transfer::Srgb, Transfer::Hlg].into_iter();
        let transfers = transfers.chain(Peak::ALL.map(Transfer::Pq));
        for (transfer, primaries) in transfers.flat_map(|t| [(t, Primaries::Bt2020), (t, Primaries::Bt601_525)]) {
            let colour = Colour { matrix: Matrix::Bt2020, primaries, transfer, ..Colour::CANVAS };
            let (mut sum, mut most, mut count) = (0.0, 0.0f64, 0.0);
            // Colours of R'G'B' that there are, in codes of ten bits.
            for n in 0..1331u32 {
                let rgb = [n % 11, n / 11 % 11, n / 121].map(|step| f64::from(step) / 10.0);
                let yuv = to_codes(rgb, colour).map(|code| (code * 4.0).round() as u16);
                let exact = to_rgb(yuv.map(|code| f64::from(code) / 4.0), colour);
                let want = to_codes(light::to_canvas(exact, primaries, transfer), Colour::CANVAS);
                let got = flat_wide(yuv, colour);
                for plane in 0..3 {
                    let apart = (f64::from(got[plane]) - want[plane].clamp(0.0, 255.0)).abs();
                    (sum, most, count) = (sum + apart, most.max(apart), count + 1.0);
                }
            }
            println!("{transfer:?} {primaries:?}: mean {:.2}, largest {most:.2}", sum / count);
            assert!(sum / count < 0.3 && most < 1.5, "{transfer:?} {primaries:?}: {} and {most}", sum / count);
        }
    }
}
