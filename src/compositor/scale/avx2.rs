//! The scaler's two passes with 256-bit vectors (AVX2).
//!
//! Safety: the functions compiled for AVX2 are only called by a scaler that found AVX2 at start, and every vector load and
//! store is preceded by a check, once a row, that the whole reach of the pass lies inside its slices.

use std::arch::x86_64::*;
use std::collections::HashMap;

use super::BLOCK;
use crate::compositor::filter::{FilterBank, MIDDLE_BITS, WEIGHT_BITS};

const MIDDLE_SHIFT: i32 = (WEIGHT_BITS - MIDDLE_BITS) as i32;
const FINAL_SHIFT: i32 = (WEIGHT_BITS + MIDDLE_BITS) as i32;

/// Outputs in a group: two lanes of four.
const GROUP: usize = 8;

/// Eight neighbouring outputs: where each lane of four reads, and with which weights.
struct Group {
    base: [u32; 2],
    /// Index of its kernel: groups of a regular ratio repeat, so there are few kernels and they stay in the cache.
    kernel: u32,
}

/// Weights and byte positions of a group, tap pair by tap pair.
#[derive(PartialEq, Eq, Hash, Clone)]
struct Kernel {
    /// For each lane, the bytes (low, zero, high, zero) of the four outputs' current two taps, from the lane's base.
    mask: [u8; 32],
    /// For each tap pair, two weights for each of eight outputs.
    weights: Vec<[i16; 16]>,
}

/// A horizontal filter arranged for vectors.
pub(super) struct Groups {
    groups: Vec<Group>,
    kernels: Vec<Kernel>,
    /// Byte after the last one that group `g` or an earlier one reads.
    reach: Vec<usize>,
}

impl Groups {
    /// `None` when four neighbouring outputs lie too far apart for one vector load (reductions beyond about 4.6 to one) or the
    /// source is narrower than two taps.
    pub(super) fn new(bank: &FilterBank) -> Option<Self> {
        if bank.taps == 1 || bank.taps % 2 == 1 {
            return None;
        }
        let tap_pairs = bank.taps / 2;
        let outputs = bank.starts.len();
        let mut known: HashMap<Kernel, u32> = HashMap::new();
        let mut made = Self { groups: Vec::new(), kernels: Vec::new(), reach: Vec::new() };
        for first in (0..outputs).step_by(GROUP) {
            let mut kernel = Kernel { mask: [0x80; 32], weights: vec![[0; 16]; tap_pairs] };
            let mut base = [0; 2];
            for i in 0..GROUP {
                // Past the last output the weights stay zero; only the address must be one that may be read.
                let output = (first + i).min(outputs - 1);
                let start = bank.starts[output];
                if i % 4 == 0 {
                    base[i / 4] = start;
                }
                let distance = u8::try_from(start - base[i / 4]).ok().filter(|d| *d <= 14)?;
                (kernel.mask[4 * i], kernel.mask[4 * i + 2]) = (distance, distance + 1);
                if first + i < outputs {
                    for (k, weights) in kernel.weights.iter_mut().enumerate() {
                        weights[2 * i..2 * i + 2].copy_from_slice(&bank.window(output)[2 * k..2 * k + 2]);
                    }
                }
            }
            let index = *known.entry(kernel).or_insert_with_key(|kernel| {
                made.kernels.push(kernel.clone());
                made.kernels.len() as u32 - 1
            });
            made.reach.push(base[0].max(base[1]) as usize + 2 * (tap_pairs - 1) + 16);
            made.groups.push(Group { base, kernel: index });
        }
        Some(made)
    }
}

/// Filters two rows into (even, odd) pairs; returns the number of outputs done. Those near the end of the plane's memory,
/// where a vector load would leave it, are left to the plain pass.
pub(super) fn horizontal(groups: &Groups, even: &[u8], odd: &[u8], out: &mut [u32]) -> usize {
    let readable = even.len().min(odd.len());
    let count = groups.reach.partition_point(|reach| *reach <= readable);
    assert!(out.len() >= count * GROUP);
    // SAFETY: AVX2 was found; the first `count` groups read below `readable` and write below `count * GROUP`.
    unsafe { horizontal_avx2(groups, count, even.as_ptr(), odd.as_ptr(), out.as_mut_ptr()) };
    count * GROUP
}

#[target_feature(enable = "avx2")]
unsafe fn horizontal_avx2(groups: &Groups, count: usize, even: *const u8, odd: *const u8, out: *mut u32) {
    let half = _mm256_set1_epi32(1 << (MIDDLE_SHIFT - 1));
    for (g, group) in groups.groups[..count].iter().enumerate() {
        let kernel = &groups.kernels[group.kernel as usize];
        let (low, high) = (group.base[0] as usize, group.base[1] as usize);
        let (mut sum_even, mut sum_odd) = (half, half);
        // SAFETY: the caller checked that `base + 2 * (tap_pairs - 1) + 16` lies inside both rows and that group `g` lies
        // inside `out`; masks and weights are arrays of 32 bytes.
        unsafe {
            let mask = _mm256_loadu_si256(kernel.mask.as_ptr().cast());
            for (k, weights) in kernel.weights.iter().enumerate() {
                let weights = _mm256_loadu_si256(weights.as_ptr().cast());
                let samples = _mm256_shuffle_epi8(load_lanes(even.add(low + 2 * k), even.add(high + 2 * k)), mask);
                sum_even = _mm256_add_epi32(sum_even, _mm256_madd_epi16(samples, weights));
                let samples = _mm256_shuffle_epi8(load_lanes(odd.add(low + 2 * k), odd.add(high + 2 * k)), mask);
                sum_odd = _mm256_add_epi32(sum_odd, _mm256_madd_epi16(samples, weights));
            }
            let sum_even = _mm256_srai_epi32::<MIDDLE_SHIFT>(sum_even);
            let sum_odd = _mm256_slli_epi32::<16>(_mm256_srai_epi32::<MIDDLE_SHIFT>(sum_odd));
            let pairs = _mm256_blend_epi16::<0b1010_1010>(sum_even, sum_odd);
            _mm256_storeu_si256(out.add(g * GROUP).cast(), pairs);
        }
    }
}

/// Sixteen bytes from each address, one in each lane.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load_lanes(low: *const u8, high: *const u8) -> __m256i {
    // SAFETY: the caller vouches for sixteen bytes at both addresses.
    unsafe {
        _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(_mm_loadu_si128(low.cast())), _mm_loadu_si128(high.cast()))
    }
}

/// Adds up the pairs that begin at `offsets` of `ring`, whose rows are padded to whole blocks, into one row of samples.
pub(super) fn vertical(ring: &[u32], offsets: &[usize], weights: &[[i16; 2]], out: &mut [u8]) {
    let padded = out.len().next_multiple_of(BLOCK);
    assert!(offsets.iter().all(|offset| offset + padded <= ring.len()));
    // SAFETY: AVX2 was found; reads lie below `offset + padded`, checked above.
    unsafe { vertical_avx2(ring, offsets, weights, out) }
}

#[target_feature(enable = "avx2")]
unsafe fn vertical_avx2(ring: &[u32], offsets: &[usize], weights: &[[i16; 2]], out: &mut [u8]) {
    let half = _mm256_set1_epi32(1 << (FINAL_SHIFT - 1));
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
        let mut sums = [half; 4];
        for (&offset, &[even, odd]) in offsets.iter().zip(weights) {
            let weight = _mm256_set1_epi32(i32::from(even as u16) | i32::from(odd) << 16);
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: the caller checked that a whole block lies inside the ring at every offset.
                let pairs = unsafe { _mm256_loadu_si256(ring.as_ptr().add(offset + block * BLOCK + 8 * i).cast()) };
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, weight));
            }
        }
        let [a, b, c, d] = sums.map(|sum| _mm256_srai_epi32::<FINAL_SHIFT>(sum));
        let bytes = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
        let bytes = _mm256_permutevar8x32_epi32(bytes, order);
        if out.len() == BLOCK {
            // SAFETY: `out` is a block of 32 bytes.
            unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), bytes) };
        } else {
            let mut last = [0u8; BLOCK];
            // SAFETY: `last` is a block of 32 bytes.
            unsafe { _mm256_storeu_si256(last.as_mut_ptr().cast(), bytes) };
            out.copy_from_slice(&last[..out.len()]);
        }
    }
}
