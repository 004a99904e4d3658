//! The horizontal pass for samples of ten bits. Rows are unpacked first; windows are as long as whole vectors, so that one load serves eight taps at any
//! ratio.

use super::room_above;
use crate::compositor::filter::{FilterBank, WEIGHT_BITS};
use crate::frame::Depth;

/// Taps of a vector.
pub(super) const TAPS: usize = 8;
pub(super) const SHIFT: u32 = WEIGHT_BITS - room_above(Depth::Ten);

/// A horizontal filter whose windows are padded with weights of zero.
pub(super) struct WideBank {
    pub starts: Vec<u32>,
    /// Vectors of a window.
    pub vectors: usize,
    /// So many for each output.
    pub weights: Vec<[i16; TAPS]>,
}

impl WideBank {
    pub(super) fn new(bank: &FilterBank) -> Self {
        let vectors = bank.taps.div_ceil(TAPS);
        let mut weights = Vec::with_capacity(bank.starts.len() * vectors);
        for output in 0..bank.starts.len() {
            weights.extend(bank.window(output).chunks(TAPS).map(|taps| {
                let mut padded = [0; TAPS];
                padded[..taps.len()].copy_from_slice(taps);
                padded
            }));
        }
        Self { starts: bank.starts.clone(), vectors, weights }
    }

    /// The sample after the last one that is read, weighted or not.
    pub(super) fn reach(&self) -> usize {
        self.starts.last().map_or(0, |start| *start as usize + self.vectors * TAPS)
    }
}

/// Unpacks a row, with zeros behind it for what padded windows read there.
pub(super) fn unpack(row: &[u8], out: &mut Vec<i16>) {
    const MOST: u16 = (1 << 10) - 1;
    out.clear();
    out.extend(row.as_chunks::<2>().0.iter().map(|bytes| u16::from_le_bytes(*bytes).min(MOST) as i16));
    out.extend([0; TAPS]);
}

/// Filters two unpacked rows from output `first` on into (even, odd) pairs.
pub(super) fn horizontal(bank: &WideBank, even: &[i16], odd: &[i16], first: usize, out: &mut [u32]) {
    for (output, (&start, pair)) in bank.starts.iter().zip(out).enumerate().skip(first) {
        let window = bank.weights[output * bank.vectors..][..bank.vectors].as_flattened();
        let filtered = |row: &[i16]| {
            let samples = &row[start as usize..][..window.len()];
            let sum: i32 = samples.iter().zip(window).map(|(&s, &w)| i32::from(s) * i32::from(w)).sum();
            ((sum + (1 << (SHIFT - 1))) >> SHIFT) as i16 as u16
        };
        *pair = u32::from(filtered(even)) | u32::from(filtered(odd)) << 16;
    }
}
