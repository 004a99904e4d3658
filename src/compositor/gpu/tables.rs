//! Tables that do not change from tick to tick, on the device: filter banks, and the curves of light.

use std::collections::HashMap;
use std::rc::Rc;

use super::device::{Device, Slab};
use super::way::Way;
use crate::compositor::filter::{FilterBank, PairBank, Siting};
use crate::frame::Colour;

/// Scalings that are remembered; past it, all are forgotten.
const SCALINGS_KEPT: usize = 256;

/// From (width, height) of a picture to those of a rectangle.
type Scaling = ((u32, u32), (u32, u32));

/// A horizontal filter in the tables: word offsets, and source words a window spans.
#[derive(Clone, Copy, Default)]
pub(super) struct HorizontalTable {
    pub firsts: u32,
    pub weights: u32,
    pub window_words: u32,
}

/// A vertical filter in the tables: word offsets, and row pairs a window spans.
#[derive(Clone, Copy, Default)]
pub(super) struct VerticalTable {
    pub spans: u32,
    pub weights: u32,
    pub span_pairs: u32,
}

/// The filters of one scaling, luma's and chroma's.
pub(super) struct ScalingTables {
    pub slab: Slab,
    pub horizontal: [HorizontalTable; 2],
    pub vertical: [VerticalTable; 2],
}

/// All tables in use. Belongs to the drawing thread.
pub(super) struct Tables {
    scalings: HashMap<Scaling, Rc<ScalingTables>>,
    /// By the picture's colours and the canvas's.
    lights: HashMap<(Colour, Colour), Rc<Slab>>,
    /// For shaders that read no table.
    pub empty: Slab,
}

impl Tables {
    pub(super) fn new(device: &Device) -> Self {
        Self { scalings: HashMap::new(), lights: HashMap::new(), empty: device.slab("no table", 16) }
    }

    pub(super) fn scaling(&mut self, device: &Device, from: (u32, u32), to: (u32, u32)) -> Rc<ScalingTables> {
        if self.scalings.len() >= SCALINGS_KEPT && !self.scalings.contains_key(&(from, to)) {
            self.scalings.clear();
        }
        let made = self.scalings.entry((from, to)).or_insert_with(|| Rc::new(ScalingTables::new(device, from, to)));
        Rc::clone(made)
    }

    /// What the shader of `way` reads, which leads from the first of `colours` to the second. There are as many as colours to convert from.
    pub(super) fn light(&mut self, device: &Device, colours: (Colour, Colour), way: &Way) -> wgpu::BindGroup {
        if let Some(known) = self.lights.get(&colours) {
            return known.read.clone();
        }
        let Some(words) = way.words() else { return self.empty.read.clone() };
        let made = device.table("light", &words);
        self.lights.entry(colours).or_insert(Rc::new(made)).read.clone()
    }
}

impl ScalingTables {
    fn new(device: &Device, from: (u32, u32), to: (u32, u32)) -> Self {
        let mut words = Vec::new();
        let mut horizontal = [HorizontalTable::default(); 2];
        let mut vertical = [VerticalTable::default(); 2];
        for (chroma, siting) in [Siting::Centred, Siting::Left].into_iter().enumerate() {
            let half = |length: u32| (length >> chroma) as usize;
            horizontal[chroma] = put_horizontal(&FilterBank::lanczos(half(from.0), half(to.0), siting), &mut words);
            let rows = FilterBank::lanczos(half(from.1), half(to.1), Siting::Centred);
            vertical[chroma] = put_vertical(&PairBank::new(&rows), &mut words);
        }
        Self { slab: device.table("filters", &words), horizontal, vertical }
    }
}

/// Lays windows on whole words of four source samples, so that the shader reads words.
fn put_horizontal(bank: &FilterBank, words: &mut Vec<u32>) -> HorizontalTable {
    let window_words = (bank.taps + 3).div_ceil(4);
    let firsts = words.len() as u32;
    words.extend(bank.starts.iter().map(|start| start / 4));
    let weights = words.len() as u32;
    let mut aligned = vec![0i16; 4 * window_words];
    for (output, start) in bank.starts.iter().enumerate() {
        aligned.fill(0);
        let skew = *start as usize % 4;
        aligned[skew..skew + bank.taps].copy_from_slice(bank.window(output));
        words.extend(aligned.chunks(2).map(|pair| pair_word(pair[0], pair[1])));
    }
    HorizontalTable { firsts, weights, window_words: window_words as u32 }
}

fn put_vertical(bank: &PairBank, words: &mut Vec<u32>) -> VerticalTable {
    let spans = words.len() as u32;
    words.extend(bank.spans.iter().map(|span| span.0));
    let weights = words.len() as u32;
    words.extend(bank.weights.iter().map(|&[even, odd]| pair_word(even, odd)));
    VerticalTable { spans, weights, span_pairs: bank.pairs as u32 }
}

fn pair_word(low: i16, high: i16) -> u32 {
    u32::from(low as u16) | u32::from(high as u16) << 16
}
