//! The way through light onto canvases in HDR, in integers.
//!
//! (Y, U, V) of ten bits become R'G'B', and R'G'B' light, by a curve. The scene's light becomes a display's, where a picture tells the scene's, and is
//! mapped to less, where the canvas shows less. It is brought to BT.2020's primaries, is the scene's again where the canvas's is, and becomes R'G'B' and
//! (Y, U, V). Curves are tables, interpolated. Light has 32 bits: one of 10,000 cd/m2 is a sixth of PQ's first step of ten bits. Products of it have 64,
//! which shaders/convert_hdr.wgsl puts together from halves: both compositors draw the same bytes.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use super::tone::{self, CURVE_STEP_BITS, Node, RGB_BITS, RGB_MOST, RGB_ONE, nodes, summing_to};
use crate::frame::light::{self, Matrix3};
use crate::frame::{Colour, Depth, Transfer};

/// The most light there is: one more has 32 bits still.
const LIGHT_MOST: u32 = u32::MAX - 1;
/// The scene's light of an HLG canvas that all of its bits are: of a saturated colour one component may be brighter than all of white's.
const SCENE_MOST: f64 = 4.0;
/// Fractional bits of what light is multiplied by.
const GAIN_BITS: u32 = 24;
/// Fractional bits of factors that light is summed up by, which add up to one.
const SUM_BITS: u32 = 16;
/// Fractional bits of R'G'B' of the canvas, and of the factors that lead from there to (Y, U, V).
const VALUE_BITS: u32 = 15;
const CODE_BITS: u32 = 5;
/// Nodes of a table from one power of two to the next, as a power of two itself.
const OCTAVE_BITS: u32 = 6;
const TABLE_NODES: usize = 32 << OCTAVE_BITS;
const CURVE_NODES: usize = 1 << (16 - CURVE_STEP_BITS);
/// Codes that are for pictures (ITU-R BT.2100, table 9).
const LEAST_CODE: i32 = 4;
const MOST_CODE: i32 = 1019;

/// A function of light, at nodes that lie the closer the darker it is.
struct Table(Vec<Node>);

impl Table {
    fn new(of: impl Fn(f64) -> f64) -> Self {
        let at = |node: usize| {
            let (octave, part) = (node >> OCTAVE_BITS, node & ((1 << OCTAVE_BITS) - 1));
            (octave as f64).exp2() * (1.0 + part as f64 / f64::from(1 << OCTAVE_BITS)) - 1.0
        };
        Self(nodes(&(0..=TABLE_NODES).map(|node| of(at(node)).round() as i32).collect::<Vec<_>>()))
    }

    /// One more than light has its highest bit where its octave is; below that are the bits of the node, then how far it is to the next.
    #[inline]
    fn at(&self, light: u32) -> i32 {
        let above = light + 1;
        let zeros = above.leading_zeros();
        let bits = above << zeros;
        let node = ((31 - zeros) << OCTAVE_BITS) + (bits >> (31 - OCTAVE_BITS) & ((1 << OCTAVE_BITS) - 1));
        let part = (bits >> (23 - OCTAVE_BITS) & 255) as i32;
        let [here, more] = self.0[node as usize];
        here + ((more * part) >> 8)
    }
}

/// What leads from a picture's colours to those of an HDR canvas.
pub(super) struct IntoHdr {
    /// Rows of R'G'B': factors of Y, U and V of ten bits, and what is added, with [`RGB_BITS`].
    to_rgb: [[i32; 4]; 3],
    /// Light at each node of R'G'B', and how much more it is at the next one.
    curve: Vec<[u32; 2]>,
    /// Of HLG, by the scene's luminance: how much of it a display shows.
    system: Option<Table>,
    /// Of PQ that is brighter than an HLG canvas, by the largest of R'G'B': how much of it the canvas's display shows.
    tone: Option<Vec<Node>>,
    /// Rows of the canvas's linear RGB.
    primaries: [[u32; 3]; 3],
    luminance: [u32; 3],
    /// Of HLG canvases, by the display's luminance: how much light of the scene makes it.
    scene: Option<Table>,
    values: Table,
    /// Rows of Y, U and V.
    to_codes: [[i32; 4]; 3],
}

/// By the picture's colours and the canvas's.
type Made = HashMap<(Colour, Colour), Arc<IntoHdr>>;

static KNOWN: LazyLock<Mutex<Made>> = LazyLock::new(Mutex::default);

impl IntoHdr {
    /// Made once per colour and kind of canvas; there are fewer than eight hundred, of 80 KiB each at most.
    pub(super) fn from(colour: Colour, canvas: Colour) -> Arc<Self> {
        // They come scaled to ten bits.
        let colour = Colour { depth: Depth::Ten, ..colour };
        let mut known = KNOWN.lock().unwrap_or_else(|e| e.into_inner());
        Arc::clone(known.entry((colour, canvas)).or_insert_with(|| Arc::new(Self::new(colour, canvas))))
    }

    fn new(colour: Colour, canvas: Colour) -> Self {
        let transfer = colour.transfer;
        let light = |value: f64| light::component(value, transfer);
        let hlg_shows = f64::from(light::HLG_PEAK.cd_m2());
        // All of the bits: in units of the curve's light, and on the display in cd/m2.
        let brightest = light(f64::from(RGB_MOST) / f64::from(RGB_ONE));
        let (whole, shown) = match transfer {
            Transfer::Bt709 | Transfer::Srgb => (brightest, brightest * light::WHITE_CD_M2),
            Transfer::Pq(_) => (brightest, brightest),
            Transfer::Hlg => (brightest, hlg_shows),
        };
        let all = f64::from(LIGHT_MOST);
        let one = f64::from(1 << GAIN_BITS);
        let into_hlg = canvas.transfer == Transfer::Hlg;
        let values = move |value: f64| value * f64::from(1 << VALUE_BITS);
        Self {
            to_rgb: tone::rgb_rows(colour),
            curve: curve(|value| light(value) / whole * all),
            system: (transfer == Transfer::Hlg)
                .then(|| Table::new(|luminance| light::system_gain(luminance / all) / hlg_shows * one)),
            tone: match transfer {
                Transfer::Pq(peak) if into_hlg && f64::from(peak.cd_m2()) > hlg_shows => {
                    let gain = |at: usize| (light::display_gain(light(value_at(at)), peak, hlg_shows) * one) as i32;
                    Some(nodes(&(0..=CURVE_NODES).map(gain).collect::<Vec<_>>()))
                }
                _ => None,
            },
            primaries: shares(light::into_bt2020(colour.primaries)),
            luminance: shares([light::LUMINANCE; 3])[0],
            // What is darker than the least light is black whatever it is multiplied by.
            scene: into_hlg.then(|| {
                Table::new(|luminance| light::scene_gain(luminance.max(1.0) / all * shown) * shown / SCENE_MOST * one)
            }),
            values: match into_hlg {
                true => Table::new(|light| values(light::hlg_value(light / all * SCENE_MOST))),
                false => Table::new(|light| values(light::pq_value(light / all * shown))),
            },
            to_codes: tone::code_rows(canvas, VALUE_BITS, CODE_BITS),
        }
    }

    /// R'G'B' of (Y, U, V).
    #[inline]
    pub(super) fn rgb(&self, yuv: [i32; 3]) -> [i32; 3] {
        let [y, u, v] = yuv;
        self.to_rgb.map(|row| ((row[0] * y + row[1] * u + row[2] * v + row[3]) >> RGB_BITS).clamp(0, RGB_MOST))
    }

    /// R'G'B' of a colour in bytes.
    pub(super) fn rgb_of(bytes: [u8; 3]) -> [i32; 3] {
        bytes.map(|byte| (i32::from(byte) * RGB_ONE + 127) / 255)
    }

    /// R'G'B' of the canvas, with [`VALUE_BITS`].
    #[inline]
    pub(super) fn value(&self, rgb: [i32; 3]) -> [i32; 3] {
        let mut light = rgb.map(|value| {
            let [here, more] = self.curve[(value >> CURVE_STEP_BITS) as usize];
            here + ((more * part_of(value)) >> CURVE_STEP_BITS)
        });
        if let Some(system) = &self.system {
            light = times(light, system.at(sum(&self.luminance, light)));
        }
        if let Some(tone) = &self.tone {
            let largest = rgb[0].max(rgb[1]).max(rgb[2]);
            let [here, more] = tone[(largest >> CURVE_STEP_BITS) as usize];
            light = times(light, here + ((more * part_of(largest) as i32) >> CURVE_STEP_BITS));
        }
        light = self.primaries.map(|row| sum(&row, light));
        if let Some(scene) = &self.scene {
            light = times(light, scene.at(sum(&self.luminance, light)));
        }
        light.map(|light| self.values.at(light))
    }

    #[inline]
    pub(super) fn code(&self, plane: usize, rgb: [i32; 3]) -> u16 {
        let [r, g, b, add] = self.to_codes[plane];
        let sum = r * rgb[0] + g * rgb[1] + b * rgb[2] + add;
        (sum >> (VALUE_BITS + CODE_BITS)).clamp(LEAST_CODE, MOST_CODE) as u16
    }

    /// All of it for the shader, which knows where each part begins.
    pub(super) fn words(&self) -> Vec<u32> {
        let mut words = Vec::with_capacity(WORDS);
        let mut put = |at: usize, values: &mut dyn Iterator<Item = u32>| {
            words.resize(at, 0);
            words.extend(values);
        };
        let of_table = |table: &Option<Table>| of_nodes(table.as_ref().map_or(&[], |table| &table.0));
        put(TO_RGB_AT, &mut self.to_rgb.as_flattened().iter().map(|factor| *factor as u32));
        put(TO_CODES_AT, &mut self.to_codes.as_flattened().iter().map(|factor| *factor as u32));
        put(PRIMARIES_AT, &mut self.primaries.as_flattened().iter().copied());
        put(LUMINANCE_AT, &mut self.luminance.into_iter());
        let has = [self.system.is_some(), self.tone.is_some(), self.scene.is_some()];
        put(HAS_AT, &mut has.into_iter().map(u32::from));
        put(CURVE_AT, &mut self.curve.as_flattened().iter().copied());
        put(VALUES_AT, &mut of_nodes(&self.values.0).into_iter());
        put(SYSTEM_AT, &mut of_table(&self.system).into_iter());
        put(TONE_AT, &mut of_nodes(self.tone.as_deref().unwrap_or_default()).into_iter());
        put(SCENE_AT, &mut of_table(&self.scene).into_iter());
        words
    }
}

/// Where the parts lie for the shader, and whether there are those that not all have.
const TO_RGB_AT: usize = 0;
const TO_CODES_AT: usize = 12;
const PRIMARIES_AT: usize = 24;
const LUMINANCE_AT: usize = 33;
const HAS_AT: usize = 36;
const CURVE_AT: usize = 40;
const VALUES_AT: usize = CURVE_AT + 2 * CURVE_NODES;
const SYSTEM_AT: usize = VALUES_AT + 2 * TABLE_NODES;
const TONE_AT: usize = SYSTEM_AT + 2 * TABLE_NODES;
const SCENE_AT: usize = TONE_AT + 2 * CURVE_NODES;
const WORDS: usize = SCENE_AT + 2 * TABLE_NODES;

fn of_nodes(nodes: &[Node]) -> Vec<u32> {
    nodes.as_flattened().iter().map(|word| *word as u32).collect()
}

/// R'G'B' at a node of the curve.
fn value_at(node: usize) -> f64 {
    (node << CURVE_STEP_BITS) as f64 / f64::from(RGB_ONE)
}

/// How far R'G'B' is from one node of the curve to the next.
#[inline]
fn part_of(value: i32) -> u32 {
    (value & ((1 << CURVE_STEP_BITS) - 1)) as u32
}

fn curve(light: impl Fn(f64) -> f64) -> Vec<[u32; 2]> {
    let at = |node: usize| light(value_at(node)).round().min(f64::from(LIGHT_MOST)) as u32;
    (0..CURVE_NODES).map(|node| [at(node), at(node + 1) - at(node)]).collect()
}

/// Rows of factors with [`SUM_BITS`], which add up to one. All gamuts lie within BT.2020's: none is negative.
fn shares(matrix: Matrix3) -> [[u32; 3]; 3] {
    let one = f64::from(1 << SUM_BITS);
    matrix
        .map(|row| summing_to(row.map(|share| (share * one).round().max(0.0) as i32), 1 << SUM_BITS))
        .map(|row| row.map(|share| share as u32))
}

/// The sum of light by factors that add up to one.
#[inline]
fn sum(factors: &[u32; 3], light: [u32; 3]) -> u32 {
    let sum: u64 = factors.iter().zip(light).map(|(factor, light)| u64::from(*factor) * u64::from(light)).sum();
    ((sum + (1 << (SUM_BITS - 1))) >> SUM_BITS) as u32
}

#[inline]
fn times(light: [u32; 3], gain: i32) -> [u32; 3] {
    light.map(|light| ((u64::from(light) * u64::from(gain as u32)) >> GAIN_BITS).min(u64::from(LIGHT_MOST)) as u32)
}

/// What the shader must have alike.
#[cfg(test)]
pub(super) const CONSTANTS: [(&str, u32); 19] = [
    ("RGB_BITS", RGB_BITS),
    ("CURVE_STEP_BITS", CURVE_STEP_BITS),
    ("LIGHT_MOST", LIGHT_MOST),
    ("GAIN_BITS", GAIN_BITS),
    ("SUM_BITS", SUM_BITS),
    ("CODE_SHIFT", VALUE_BITS + CODE_BITS),
    ("OCTAVE_BITS", OCTAVE_BITS),
    ("LEAST_CODE", LEAST_CODE as u32),
    ("MOST_CODE", MOST_CODE as u32),
    ("TO_RGB_AT", TO_RGB_AT as u32),
    ("TO_CODES_AT", TO_CODES_AT as u32),
    ("PRIMARIES_AT", PRIMARIES_AT as u32),
    ("LUMINANCE_AT", LUMINANCE_AT as u32),
    ("HAS_AT", HAS_AT as u32),
    ("CURVE_AT", CURVE_AT as u32),
    ("VALUES_AT", VALUES_AT as u32),
    ("SYSTEM_AT", SYSTEM_AT as u32),
    ("TONE_AT", TONE_AT as u32),
    ("SCENE_AT", SCENE_AT as u32),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compositor::colour::{to_codes, to_rgb};
    use crate::frame::{Matrix, Peak, Primaries};

    fn luminance(light: [f64; 3]) -> f64 {
        light::LUMINANCE.iter().zip(light).map(|(weight, light)| weight * light).sum()
    }

    /// The same in exact arithmetic: codes of ten bits for R'G'B' of a picture.
    fn exact(rgb: [f64; 3], colour: Colour, canvas: Colour) -> [f64; 3] {
        let mut light = rgb.map(|value| light::component(value, colour.transfer));
        match colour.transfer {
            Transfer::Bt709 | Transfer::Srgb => light = light.map(|light| light * light::WHITE_CD_M2),
            Transfer::Hlg => light = light.map(|one| one * light::system_gain(luminance(light))),
            Transfer::Pq(peak) if canvas.transfer == Transfer::Hlg => {
                let largest = light[0].max(light[1]).max(light[2]);
                light = light.map(|light| light * light::display_gain(largest, peak, 1000.0));
            }
            Transfer::Pq(_) => {}
        }
        let matrix = light::into_bt2020(colour.primaries);
        let light = matrix.map(|row| row.iter().zip(light).map(|(factor, light)| factor * light).sum::<f64>().max(0.0));
        let value = match canvas.transfer {
            Transfer::Hlg => {
                light.map(|one| light::hlg_value((one * light::scene_gain(luminance(light))).min(SCENE_MOST)))
            }
            _ => light.map(light::pq_value),
        };
        to_codes(value, canvas).map(|code| (4.0 * code).clamp(4.0, 1019.0))
    }

    #[test]
    fn integers_follow_exact_arithmetic() {
        let transfers = [Transfer::Bt709, Transfer::Srgb, Transfer::Hlg].into_iter();
        let transfers: Vec<_> = transfers.chain(Peak::ALL.map(Transfer::Pq)).collect();
        let gamuts = [
            (Matrix::Bt2020, Primaries::Bt2020),
            (Matrix::Bt709, Primaries::Bt709),
            (Matrix::Bt601, Primaries::Bt601_525),
            (Matrix::Bt601, Primaries::Bt601_625),
        ];
        for canvas in [Colour::PQ_CANVAS, Colour::HLG_CANVAS] {
            for (transfer, (matrix, primaries)) in transfers.iter().flat_map(|t| gamuts.map(|gamut| (*t, gamut))) {
                let colour = Colour { matrix, primaries, transfer, depth: Depth::Ten, ..Colour::CANVAS };
                let it = IntoHdr::new(colour, canvas);
                let (mut sum, mut most, mut count) = (0.0, 0.0f64, 0.0);
                // Colours of R'G'B' that there are, more of them dark, in codes of ten bits.
                for n in 0..1331u32 {
                    let rgb = [n % 11, n / 11 % 11, n / 121].map(|step| (f64::from(step) / 10.0).powi(2));
                    let yuv = to_codes(rgb, colour).map(|code| (code * 4.0).round() as i32);
                    let read = to_rgb(yuv.map(|code| f64::from(code) / 4.0), colour).map(|value| value.max(0.0));
                    let want = exact(read, colour, canvas);
                    let value = it.value(it.rgb(yuv));
                    for (plane, want) in want.into_iter().enumerate() {
                        let apart = (f64::from(it.code(plane, value)) - want).abs();
                        (sum, most, count) = (sum + apart, most.max(apart), count + 1.0);
                    }
                }
                println!(
                    "{transfer:?} {primaries:?} on {:?}: mean {:.3}, largest {most:.2}",
                    canvas.transfer,
                    sum / count
                );
                // Rounding alone takes a quarter on the average, and a half at most. What is more is of sRGB, which is not as dark where it is
                // darkest: there a step of R'G'B' is one of PQ.
                assert!(sum / count < 0.27 && most < 1.3, "{colour:?} on {canvas:?}: {} and {most}", sum / count);
            }
        }
    }

    #[test]
    fn light_as_bright_as_can_be_goes_through() {
        for canvas in [Colour::PQ_CANVAS, Colour::HLG_CANVAS] {
            for transfer in [Transfer::Pq(Peak::Cd600), Transfer::Pq(Peak::Cd10000), Transfer::Hlg, Transfer::Bt709] {
                let it = IntoHdr::new(Colour { transfer, ..Colour::PQ_CANVAS }, canvas);
                for corner in 0..8 {
                    let yuv = [0, 1, 2].map(|axis| if corner >> axis & 1 == 1 { 1023 } else { 0 });
                    let value = it.value(it.rgb(yuv));
                    assert!([0, 1, 2].iter().all(|plane| (4..=1019).contains(&it.code(*plane, value))));
                }
            }
        }
    }

    #[test]
    fn there_are_as_many_words_as_the_shader_may_read() {
        let hlg = Colour { primaries: Primaries::Bt709, ..Colour::HLG_CANVAS };
        assert_eq!(IntoHdr::new(hlg, Colour::HLG_CANVAS).words().len(), WORDS);
        assert!(IntoHdr::new(Colour::CANVAS, Colour::PQ_CANVAS).words().len() <= WORDS);
    }
}
