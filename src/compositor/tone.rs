//! The way through light, in integers: for pictures whose primaries or transfer are not the canvas's.
//!
//! (Y, U, V) become R'G'B', R'G'B' light, by a curve; light is mapped by a gain that its largest component decides, brought to the canvas's primaries,
//! and made R'G'B' and (Y, U, V) again. Curves are tables, interpolated. Every product fits 32 bits, and shaders/convert.wgsl does the same
//! arithmetic on the same words: both compositors draw the same bytes. What the tables hold [`light`] says.

#[cfg(target_arch = "x86_64")]
mod avx2;

use super::colour::Convert;
use crate::frame::light::{self, Matrix3};
use crate::frame::{Colour, Transfer};

/// R'G'B' of 1.0; there is room for as much above it as limited range has.
pub(super) const RGB_ONE: i32 = 57_344;
pub(super) const RGB_MOST: i32 = 65_535;
/// Fractional bits of the factors that lead to R'G'B'.
pub(super) const RGB_BITS: u32 = 13;
/// R'G'B' between two nodes of the curve, as a power of two.
pub(super) const CURVE_STEP_BITS: u32 = 5;
const CURVE_NODES: usize = (1 << (16 - CURVE_STEP_BITS)) + 1;
/// Bits of a component's light in front of the gain. All of them are 10,000 cd/m2 of PQ, the whole scene of HLG, twice the canvas's white of others.
const LIGHT_BITS: u32 = 24;
/// Fractional bits of the gain.
const GAIN_BITS: u32 = 12;
/// Fractional bits of light in units of the canvas's white.
const MAPPED_BITS: u32 = 18;
pub(super) const MAPPED_MOST: i32 = (1 << 19) - 1;
/// Fractional bits of the canvas's primaries in terms of the picture's.
const PRIMARIES_BITS: u32 = 13;
/// Fractional bits of HLG's system gain.
const SYSTEM_BITS: u32 = 15;
/// Fractional bits of the weights of luminance.
const LUMINANCE_BITS: u32 = 12;
/// Fractional bits of R'G'B' of the canvas, and of the factors that lead from there to (Y, U, V).
const VALUE_BITS: u32 = 13;
const CODE_BITS: u32 = 8;
/// Nodes of a table from one power of two to the next, as a power of two itself.
const OCTAVE_BITS: u32 = 6;

/// A value at a node, and how much more it is at the next one.
pub(super) type Node = [i32; 2];

/// The nodes of all but the last of `values`.
pub(super) fn nodes(values: &[i32]) -> Vec<Node> {
    values.windows(2).map(|pair| [pair[0], pair[1] - pair[0]]).collect()
}

/// A function of light, at nodes that lie the closer the darker it is.
#[derive(Debug)]
struct Table(Vec<Node>);

impl Table {
    /// Of values of up to `bits` bits.
    fn new(bits: u32, of: impl Fn(f64) -> f64) -> Self {
        let last = (bits << OCTAVE_BITS) + 1;
        let at = |node: u32| {
            let (octave, part) = (node >> OCTAVE_BITS, node & ((1 << OCTAVE_BITS) - 1));
            (f64::from(octave)).exp2() * (1.0 + f64::from(part) / f64::from(1 << OCTAVE_BITS)) - 1.0
        };
        Self(nodes(&(0..=last).map(|node| of(at(node)).round() as i32).collect::<Vec<_>>()))
    }

    /// At `value`, which is from 0 on and has no more bits than the table is for. One more is a float without loss, whose bits are its logarithm:
    /// below the exponent those of the node, then how far it is to the next.
    #[inline]
    fn at(&self, value: i32) -> i32 {
        let bits = ((value + 1) as f32).to_bits();
        let node = ((bits >> (23 - OCTAVE_BITS)) - (127 << OCTAVE_BITS)) as usize;
        let part = (bits >> (15 - OCTAVE_BITS) & 255) as i32;
        let [here, more] = self.0[node];
        here + ((more * part) >> 8)
    }
}

/// What leads from a picture's colours to the canvas's.
#[derive(Debug)]
pub(super) struct Light {
    /// Rows of R'G'B': factors of Y, U and V, and what is added, with [`RGB_BITS`].
    to_rgb: [[i32; 4]; 3],
    /// [`LIGHT_BITS`] of light at each node of R'G'B'.
    curve: Vec<Node>,
    /// By the largest component.
    gains: Table,
    /// Of HLG, whose gain depends on the scene's luminance, too.
    system: Option<System>,
    /// Of each component of the canvas, how much the two others differ from it.
    primaries: [[i32; 2]; 3],
    values: Table,
    /// Rows of Y, U and V.
    to_codes: [[i32; 4]; 3],
}

#[derive(Debug)]
struct System {
    luminance: [i32; 3],
    gains: Table,
}

fn scaled(value: f64, bits: u32) -> i32 {
    (value * f64::from(1u32 << bits)).round() as i32
}

impl Light {
    pub(super) fn new(colour: Colour) -> Self {
        let Colour { transfer, primaries, .. } = colour;
        // Of 10,000 cd/m2, the whole scene, or twice the white: how much all of the bits are.
        let (whole, gain): (f64, Box<dyn Fn(f64) -> f64>) = match transfer {
            Transfer::Bt709 | Transfer::Srgb => (2.0, Box::new(|_| 1.0)),
            Transfer::Pq(peak) => (10_000.0, Box::new(move |largest| light::tone_gain(largest, peak))),
            Transfer::Hlg => {
                let most = light::system_gain(1.0);
                (1.0, Box::new(move |largest| most * light::tone_gain(most * largest, light::HLG_PEAK)))
            }
        };
        let all = f64::from((1 << LIGHT_BITS) - 1);
        let node = |at: usize| {
            let value = f64::from((at as u32) << CURVE_STEP_BITS) / f64::from(RGB_ONE);
            ((light::component(value, transfer) / whole).min(1.0) * all).round() as i32
        };
        let system = (transfer == Transfer::Hlg).then(|| System {
            luminance: summing_to(light::LUMINANCE.map(|weight| scaled(weight, LUMINANCE_BITS)), 1 << LUMINANCE_BITS),
            gains: Table::new(LIGHT_BITS, |luminance| {
                let of_most = light::system_gain(luminance / all) / light::system_gain(1.0);
                (of_most * f64::from(1 << SYSTEM_BITS)).min(f64::from((1 << SYSTEM_BITS) - 1))
            }),
        });
        Self {
            to_rgb: rgb_rows(colour),
            curve: nodes(&(0..=CURVE_NODES).map(node).collect::<Vec<_>>()),
            gains: Table::new(LIGHT_BITS, |largest| gain(largest / all * whole) * whole * f64::from(1 << GAIN_BITS)),
            system,
            primaries: differences(light::into_bt709(primaries)),
            values: Table::new(MAPPED_BITS + 1, |mapped| {
                light::value(mapped / f64::from(1 << MAPPED_BITS), transfer) * f64::from(1 << VALUE_BITS)
            }),
            to_codes: code_rows(Colour::CANVAS, VALUE_BITS, CODE_BITS),
        }
    }

    /// R'G'B' of the canvas, with [`VALUE_BITS`].
    #[inline]
    fn rgb(&self, yuv: [i32; 3]) -> [i32; 3] {
        let light = self.to_rgb.map(|[y, u, v, add]| {
            let value = ((y * yuv[0] + u * yuv[1] + v * yuv[2] + add) >> RGB_BITS).clamp(0, RGB_MOST);
            let [here, more] = self.curve[(value >> CURVE_STEP_BITS) as usize];
            here + ((more * (value & ((1 << CURVE_STEP_BITS) - 1))) >> CURVE_STEP_BITS)
        });
        let largest = light[0].max(light[1]).max(light[2]);
        let gain = match &self.system {
            None => self.gains.at(largest),
            Some(System { luminance, gains }) => {
                let sum: i32 = luminance.iter().zip(light).map(|(weight, light)| times(light, *weight)).sum();
                let system = gains.at(sum >> (LUMINANCE_BITS - 8));
                (self.gains.at(times(largest, system) >> (SYSTEM_BITS - 8)) * system) >> SYSTEM_BITS
            }
        };
        let mapped = light.map(|light| times(light, gain) >> (LIGHT_BITS + GAIN_BITS - 8 - MAPPED_BITS));
        let half = 1 << (PRIMARIES_BITS - 1);
        [0, 1, 2].map(|c| {
            let [a, b] = self.primaries[c];
            let differing = a * (mapped[(c + 1) % 3] - mapped[c]) + b * (mapped[(c + 2) % 3] - mapped[c]);
            self.values.at((mapped[c] + ((differing + half) >> PRIMARIES_BITS)).clamp(0, MAPPED_MOST))
        })
    }

    #[inline]
    fn code(&self, plane: usize, rgb: [i32; 3]) -> u8 {
        let [r, g, b, add] = self.to_codes[plane];
        ((r * rgb[0] + g * rgb[1] + b * rgb[2] + add) >> (VALUE_BITS + CODE_BITS)).clamp(0, 255) as u8
    }

    /// The canvas's samples of `PLANES` planes from `first` on.
    fn codes<const PLANES: usize>(&self, first: usize, yuv: [&[i32]; 3], mut out: [&mut [u8]; PLANES]) {
        let done = self.codes_of_eights(first, yuv, &mut out);
        for x in done..yuv[0].len() {
            let rgb = self.rgb(yuv.map(|row| row[x]));
            for (plane, out) in out.iter_mut().enumerate() {
                out[x] = self.code(first + plane, rgb);
            }
        }
    }

    /// The same of as many samples as go eight by eight; returns how many.
    #[cfg(target_arch = "x86_64")]
    fn codes_of_eights<const PLANES: usize>(
        &self,
        first: usize,
        yuv: [&[i32]; 3],
        out: &mut [&mut [u8]; PLANES],
    ) -> usize {
        avx2::codes(self, first, yuv, out)
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn codes_of_eights<const PLANES: usize>(&self, _: usize, _: [&[i32]; 3], _: &mut [&mut [u8]; PLANES]) -> usize {
        0
    }

    /// All of it for the shader, which knows where each part begins.
    pub(super) fn words(&self) -> Vec<u32> {
        let mut words = Vec::with_capacity(WORDS);
        let mut put = |at: usize, values: &[i32]| {
            words.resize(at, 0);
            words.extend(values.iter().map(|value| *value as u32));
        };
        put(TO_RGB_AT, self.to_rgb.as_flattened());
        put(TO_CODES_AT, self.to_codes.as_flattened());
        put(PRIMARIES_AT, self.primaries.as_flattened());
        if let Some(System { luminance, .. }) = &self.system {
            put(LUMINANCE_AT, luminance);
        }
        put(CURVE_AT, self.curve.as_flattened());
        put(GAINS_AT, self.gains.0.as_flattened());
        put(VALUES_AT, self.values.0.as_flattened());
        put(SYSTEM_AT, self.system.as_ref().map_or(&[][..], |system| system.gains.0.as_flattened()));
        words
    }
}

impl Convert for Light {
    fn luma(&self, yuv: [&[i32]; 3], out: &mut [u8]) {
        self.codes(0, yuv, [out]);
    }

    fn chroma(&self, yuv: [&[i32]; 3], out: [&mut [u8]; 2]) {
        self.codes(1, yuv, out);
    }
}

/// Where the parts lie for the shader. Weights of luminance are zero but for HLG.
const TO_RGB_AT: usize = 0;
const TO_CODES_AT: usize = 12;
const PRIMARIES_AT: usize = 24;
const LUMINANCE_AT: usize = 30;
const CURVE_AT: usize = 36;
const GAINS_AT: usize = CURVE_AT + 2 * CURVE_NODES;
const VALUES_AT: usize = GAINS_AT + table_words(LIGHT_BITS);
const SYSTEM_AT: usize = VALUES_AT + table_words(MAPPED_BITS + 1);
const WORDS: usize = SYSTEM_AT + table_words(LIGHT_BITS);

const fn table_words(bits: u32) -> usize {
    2 * ((bits as usize) << OCTAVE_BITS) + 2
}

/// The product, less its eight lowest bits: it has more than 32.
#[inline]
fn times(light: i32, gain: i32) -> i32 {
    (light >> 8) * gain + (((light & 255) * gain) >> 8)
}

/// `values` with what rounding left over of `sum` given to the largest.
pub(super) fn summing_to(mut values: [i32; 3], sum: i32) -> [i32; 3] {
    let rest = sum - values.iter().sum::<i32>();
    if let Some(largest) = values.iter_mut().max_by_key(|value| value.abs()) {
        *largest += rest;
    }
    values
}

/// Rows of R'G'B' of a picture. Greys are exactly grey.
pub(super) fn rgb_rows(colour: Colour) -> [[i32; 4]; 3] {
    let one = f64::from(RGB_ONE) * f64::from(1 << RGB_BITS);
    let wider = colour.depth.bits() - 8;
    let codes = f64::from(1 << wider);
    // A linear map is known from its values at the origin and one step along each axis.
    let at = |yuv: [f64; 3]| super::colour::to_rgb(yuv.map(|code| code / codes), colour);
    let origin = at([0.0; 3]);
    let steps = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(at);
    let middle = 128 << wider;
    let black = at([0.0, f64::from(middle), f64::from(middle)]);
    [0, 1, 2].map(|c| {
        let [y, u, v] = steps.map(|step| ((step[c] - origin[c]) * one).round() as i32);
        let add = (black[c] * one).round() as i32 + (1 << (RGB_BITS - 1)) - (u + v) * middle;
        [y, u, v, add]
    })
}

/// Rows of a canvas's codes, for R'G'B' with so many fractional bits, of factors with so many. Greys have no colour.
pub(super) fn code_rows(canvas: Colour, value_bits: u32, code_bits: u32) -> [[i32; 4]; 3] {
    let codes = f64::from(1 << (canvas.depth.bits() - 8));
    let at = |rgb: [f64; 3]| super::colour::to_codes(rgb, canvas).map(|code| code * codes);
    let origin = at([0.0; 3]);
    let steps = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]].map(at);
    [0, 1, 2].map(|plane| {
        let factors = steps.map(|step| scaled(step[plane] - origin[plane], code_bits));
        let white = at([1.0; 3])[plane] - origin[plane];
        let [r, g, b] = summing_to(factors, scaled(white, code_bits));
        let bits = value_bits + code_bits;
        [r, g, b, scaled(origin[plane], bits) + (1 << (bits - 1))]
    })
}

/// Of each component the factors of the two that follow it, in a circle: rows add up to one, so what is left is its own.
fn differences(matrix: Matrix3) -> [[i32; 2]; 3] {
    [0, 1, 2].map(|c| [(c + 1) % 3, (c + 2) % 3].map(|other| scaled(matrix[c][other], PRIMARIES_BITS)))
}

/// What the shader must have alike.
#[cfg(test)]
pub(super) const CONSTANTS: [(&str, u32); 15] = [
    ("RGB_BITS", RGB_BITS),
    ("CURVE_STEP_BITS", CURVE_STEP_BITS),
    ("LIGHT_SHIFT", LIGHT_BITS + GAIN_BITS - 8 - MAPPED_BITS),
    ("PRIMARIES_BITS", PRIMARIES_BITS),
    ("SYSTEM_BITS", SYSTEM_BITS),
    ("LUMINANCE_BITS", LUMINANCE_BITS),
    ("CODE_SHIFT", VALUE_BITS + CODE_BITS),
    ("OCTAVE_BITS", OCTAVE_BITS),
    ("TO_CODES_AT", TO_CODES_AT as u32),
    ("PRIMARIES_AT", PRIMARIES_AT as u32),
    ("LUMINANCE_AT", LUMINANCE_AT as u32),
    ("CURVE_AT", CURVE_AT as u32),
    ("GAINS_AT", GAINS_AT as u32),
    ("VALUES_AT", VALUES_AT as u32),
    ("SYSTEM_AT", SYSTEM_AT as u32),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Depth, Matrix, Peak, Primaries};

    #[test]
    fn samples_by_eights_are_those_one_by_one() {
        for transfer in
            [Transfer::Pq(Peak::Cd600), Transfer::Pq(Peak::Cd10000), Transfer::Hlg, Transfer::Bt709, Transfer::Srgb]
        {
            for depth in [Depth::Eight, Depth::Ten] {
                let (matrix, primaries) = (Matrix::Bt2020, Primaries::Bt2020);
                let it = Light::new(Colour { matrix, primaries, transfer, depth, ..Colour::CANVAS });
                // All corners of the codes there are, and what is between.
                let most = (1usize << depth.bits()) - 1;
                let row = |factor: usize| {
                    (0..5003).map(move |i| if i % 9 == 0 { most * (i / 9 / factor % 2) } else { i * factor * 7919 % (most + 1) } as i32)
                };
                let [y, u, v]: [Vec<i32>; 3] = [1, 2, 4].map(|factor| row(factor).collect());
                let (mut luma, mut chroma) = (vec![0; y.len()], [vec![0; y.len()], vec![0; y.len()]]);
                it.luma([&y, &u, &v], &mut luma);
                let [us, vs] = &mut chroma;
                it.chroma([&y, &u, &v], [us, vs]);
                for x in 0..y.len() {
                    let rgb = it.rgb([y[x], u[x], v[x]]);
                    let got = [luma[x], chroma[0][x], chroma[1][x]];
                    assert_eq!(got, [0, 1, 2].map(|plane| it.code(plane, rgb)), "{transfer:?} {depth:?}: {x}");
                }
            }
        }
    }
}
