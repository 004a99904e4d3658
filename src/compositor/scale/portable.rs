//! The scaler's two passes in plain Rust: what every machine can run, and what the vector passes must equal bit for bit.

use super::{BLOCK, Sample, room_above};
use crate::compositor::filter::{FilterBank, MIDDLE_BITS, WEIGHT_BITS};

const MIDDLE_SHIFT: u32 = WEIGHT_BITS - MIDDLE_BITS;

/// Filters two rows from output `first` on into (even, odd) pairs.
pub(super) fn horizontal(bank: &FilterBank, even: &[u8], odd: &[u8], first: usize, out: &mut [u32]) {
    for (output, (&start, pair)) in bank.starts.iter().zip(out).enumerate().skip(first) {
        let start = start as usize;
        let window = bank.window(output);
        let sum = |row: &[u8]| {
            let samples = &row[start..start + window.len()];
            let sum: i32 = samples.iter().zip(window).map(|(&s, &w)| i32::from(s) * i32::from(w)).sum();
            ((sum + (1 << (MIDDLE_SHIFT - 1))) >> MIDDLE_SHIFT) as i16 as u16
        };
        *pair = u32::from(sum(even)) | u32::from(sum(odd)) << 16;
    }
}

/// Adds up the pairs that begin at `offsets` of `ring`, whose rows are padded to whole blocks, into one row of samples.
pub(super) fn vertical<S: Sample>(ring: &[u32], offsets: &[usize], weights: &[[i16; 2]], out: &mut [S]) {
    let shift = WEIGHT_BITS + room_above(S::DEPTH);
    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
        let mut sums = [1i32 << (shift - 1); BLOCK];
        for (&offset, &[even, odd]) in offsets.iter().zip(weights) {
            let (even, odd) = (i32::from(even), i32::from(odd));
            for (sum, &pair) in sums.iter_mut().zip(&ring[offset + block * BLOCK..][..BLOCK]) {
                *sum += i32::from(pair as u16 as i16) * even + i32::from((pair >> 16) as i16) * odd;
            }
        }
        for (sample, sum) in out.iter_mut().zip(sums) {
            *sample = S::clamped(sum >> shift);
        }
    }
}
