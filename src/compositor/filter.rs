//! Lanczos filter banks: for each output sample, where its window starts in the source and the weights of its taps.
//!
//! Weights are integers with [`WEIGHT_BITS`] fractional bits and every window's weights sum to exactly one, so that both
//! compositors do the same integer arithmetic and draw the same bytes, and a flat area stays flat.

use std::f64::consts::PI;

/// Fractional bits of a weight: 1.0 is `1 << WEIGHT_BITS`.
pub(super) const WEIGHT_BITS: u32 = 14;

/// Fractional bits of a sample between the horizontal and the vertical pass. A window's weights add up to less than 2 in
/// absolute value, so a sample stays within 255 * 2 * 64 < 2^15.
pub(super) const MIDDLE_BITS: u32 = 6;

/// Lobes of the Lanczos kernel on each side.
const LOBES: f64 = 3.0;

/// Where samples lie relative to the picture's edge (ITU-T H.273, figure 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Siting {
    /// In the middle of the area they stand for: luma, and 4:2:0 chroma vertically.
    Centred,
    /// On the left luma sample of each pair: 4:2:0 chroma horizontally (chroma sample location type 0).
    Left,
}

/// One direction of a separable filter from `source` samples to `starts.len()` samples.
#[derive(Debug)]
pub(super) struct FilterBank {
    /// Weights per output sample; even, unless the source itself has an odd, smaller number of samples.
    pub taps: usize,
    /// First source sample of each output's window; `starts[i] + taps` is never past the source, and starts never fall.
    pub starts: Vec<u32>,
    /// `taps` weights for each output.
    pub weights: Vec<i16>,
}

impl FilterBank {
    /// Lanczos with three lobes, stretched by the reduction when the picture shrinks, so that nothing aliases. Samples past
    /// an edge are the edge's sample. Both lengths must be at least one.
    pub(super) fn lanczos(source: usize, outputs: usize, siting: Siting) -> Self {
        if source == outputs {
            let starts = (0..outputs as u32).collect();
            return Self { taps: 1, starts, weights: vec![1 << WEIGHT_BITS; outputs] };
        }
        let step = source as f64 / outputs as f64;
        let stretch = step.max(1.0);
        let radius = LOBES * stretch;
        // A hair less, so that a radius that is whole but for rounding needs no extra taps.
        let wide = 2 * (radius - 1e-9).ceil() as usize;
        let taps = wide.min(source);
        let mut bank = Self { taps, starts: Vec::with_capacity(outputs), weights: Vec::with_capacity(outputs * taps) };
        let mut window = vec![0.0; taps];
        for output in 0..outputs {
            let centre = match siting {
                Siting::Centred => (output as f64 + 0.5) * step - 0.5,
                // A chroma sample stands at a quarter of its own width.
                Siting::Left => (output as f64 + 0.25) * step - 0.25,
            };
            let first = (centre - radius).floor() as i64 + 1;
            let start = first.clamp(0, (source - taps) as i64);
            window.fill(0.0);
            for at in first..first + wide as i64 {
                let folded = at.clamp(0, source as i64 - 1).clamp(start, start + taps as i64 - 1);
                window[(folded - start) as usize] += kernel((at as f64 - centre) / stretch);
            }
            bank.starts.push(start as u32);
            quantise(&window, &mut bank.weights);
        }
        bank
    }

    /// The weights of output `output`.
    pub(super) fn window(&self, output: usize) -> &[i16] {
        &self.weights[output * self.taps..(output + 1) * self.taps]
    }
}

/// A vertical filter whose windows are laid on pairs of rows (0, 1), (2, 3), …
#[derive(Debug)]
pub(super) struct PairBank {
    /// Pairs the widest window spans.
    pub pairs: usize,
    /// First pair and number of pairs of each output row.
    pub spans: Vec<(u32, u32)>,
    /// `pairs` weights (even row, odd row) for each output row; those past its span are zero.
    pub weights: Vec<[i16; 2]>,
}

impl PairBank {
    pub(super) fn new(bank: &FilterBank) -> Self {
        let pairs = bank.taps / 2 + 1;
        let mut weights = vec![[0; 2]; pairs * bank.starts.len()];
        let mut spans = Vec::with_capacity(bank.starts.len());
        for (output, &start) in bank.starts.iter().enumerate() {
            let odd = start as usize % 2;
            for (tap, &weight) in bank.window(output).iter().enumerate() {
                weights[output * pairs + (odd + tap) / 2][(odd + tap) % 2] = weight;
            }
            spans.push((start / 2, (odd + bank.taps).div_ceil(2) as u32));
        }
        Self { pairs, spans, weights }
    }
}

fn kernel(x: f64) -> f64 {
    if x.abs() < 1e-9 {
        1.0
    } else if x.abs() >= LOBES {
        0.0
    } else {
        LOBES * (PI * x).sin() * (PI * x / LOBES).sin() / (PI * PI * x * x)
    }
}

/// Appends `window` scaled to sum to one; what rounding leaves over goes to the largest tap, where it shows least.
fn quantise(window: &[f64], weights: &mut Vec<i16>) {
    let one = 1i32 << WEIGHT_BITS;
    let sum: f64 = window.iter().sum();
    let at = weights.len();
    weights.extend(window.iter().map(|w| (w / sum * f64::from(one)).round() as i16));
    let rest = one - weights[at..].iter().map(|&w| i32::from(w)).sum::<i32>();
    if let Some(largest) = weights[at..].iter_mut().max_by_key(|w| **w) {
        *largest += rest as i16;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_window_sums_to_one_stays_inside_and_cannot_overflow_the_middle() {
        for source in [1usize, 2, 3, 7, 9, 16, 180, 360, 480, 540, 576, 720, 960, 1080, 1280, 1920, 3840] {
            for outputs in [1usize, 2, 5, 90, 135, 180, 240, 270, 320, 360, 480, 540, 640, 720, 960, 1080, 1920] {
                for siting in [Siting::Centred, Siting::Left] {
                    let bank = FilterBank::lanczos(source, outputs, siting);
                    assert_eq!(bank.weights.len(), outputs * bank.taps);
                    assert!(bank.starts.is_sorted());
                    for output in 0..outputs {
                        let window = bank.window(output);
                        assert!(bank.starts[output] as usize + bank.taps <= source);
                        assert_eq!(window.iter().map(|&w| i32::from(w)).sum::<i32>(), 1 << WEIGHT_BITS);
                        let absolute: i32 = window.iter().map(|&w| i32::from(w).abs()).sum();
                        assert!(absolute < 2 << WEIGHT_BITS, "{source} -> {outputs}: {absolute}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_common_reductions_have_short_windows() {
        assert_eq!(FilterBank::lanczos(1280, 960, Siting::Centred).taps, 8);
        assert_eq!(FilterBank::lanczos(1920, 960, Siting::Centred).taps, 12);
        assert_eq!(FilterBank::lanczos(640, 480, Siting::Left).taps, 8);
    }

    #[test]
    fn left_sited_chroma_keeps_its_place_on_the_luma_grid() {
        // Half size: chroma sample j stands on luma sample 2j of the new picture, whose centre is at 4j + 0.5 of the old
        // luma, which is 2j + 0.25 in old chroma samples: symmetric windows would put it at 2j + 0.5.
        let bank = FilterBank::lanczos(400, 200, Siting::Left);
        let output = 100;
        let centre: f64 = bank
            .window(output)
            .iter()
            .enumerate()
            .map(|(k, &w)| (f64::from(bank.starts[output]) + k as f64) * f64::from(w) / f64::from(1 << WEIGHT_BITS))
            .sum();
        assert!((centre - 200.25).abs() < 0.02, "{centre}");
    }
}
