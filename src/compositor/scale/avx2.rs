//! The scaler's two passes with 256-bit vectors (AVX2).
//!
//! Safety: the functions compiled for AVX2 are only called by a scaler that found AVX2 at start, and every vector load and
//! store is preceded by a check, once a row, that the whole reach of the pass lies inside its slices. Addresses are reckoned
//! with wrapping sums because the checked ones cost more than the filter itself in builds that check them.

use std::arch::x86_64::*;
use std::collections::HashMap;

use super::BLOCK;
use super::wide::{self, TAPS, WideBank};
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

/// What a group does with its samples, tap pair by tap pair.
type Kernel = Vec<TapPair>;

/// Two taps of eight outputs.
#[derive(PartialEq, Eq, Hash, Clone)]
struct TapPair {
    /// For each lane, the bytes (low, zero, high, zero) of its four outputs' two taps, from where the stretch was loaded.
    mask: [u8; 32],
    weights: [i16; 16],
}

/// A horizontal filter arranged for vectors.
pub(super) struct Groups {
    groups: Vec<Group>,
    kernels: Vec<Kernel>,
    /// Tap pairs that one load of sixteen bytes a lane serves.
    stretch: usize,
    /// Byte after the last one that group `g` or an earlier one reads.
    reach: Vec<usize>,
}

impl Groups {
    /// `None` when four neighbouring outputs lie too far apart for one vector load (reductions beyond about 4.6 to one) or the
    /// source has an odd number of samples, fewer than the window wants.
    pub(super) fn new(bank: &FilterBank) -> Option<Self> {
        if bank.taps % 2 == 1 {
            return None;
        }
        let tap_pairs = bank.taps / 2;
        let last = bank.starts.len() - 1;
        // Past the last output the weights stay zero; only the address must be one that may be read.
        let start_of = |output: usize| bank.starts[output.min(last)];
        let spread = (0..=last).step_by(4).map(|first| start_of(first + 3) - start_of(first)).max()?;
        let stretch = 16usize.checked_sub(spread as usize)? / 2;
        if stretch == 0 {
            return None;
        }
        let mut known: HashMap<Kernel, u32> = HashMap::new();
        let mut made = Self { groups: Vec::new(), kernels: Vec::new(), stretch, reach: Vec::new() };
        for first in (0..=last).step_by(GROUP) {
            let base = [start_of(first), start_of(first + 4)];
            let kernel: Kernel =
                (0..tap_pairs).map(|k| tap_pair(bank, first, base, k, 2 * (k % stretch) as u32)).collect();
            let index = *known.entry(kernel).or_insert_with_key(|kernel| {
                made.kernels.push(kernel.clone());
                made.kernels.len() as u32 - 1
            });
            let last_load = (tap_pairs - 1) / stretch * stretch * 2;
            made.reach.push(base[1] as usize + last_load + 16);
            made.groups.push(Group { base, kernel: index });
        }
        Some(made)
    }
}

/// Tap pair `k` of outputs `first..first + 8`, read `skip` bytes after a stretch's start in each lane.
fn tap_pair(bank: &FilterBank, first: usize, base: [u32; 2], k: usize, skip: u32) -> TapPair {
    let mut made = TapPair { mask: [0x80; 32], weights: [0; 16] };
    for i in 0..GROUP.min(bank.starts.len() - first) {
        // Below sixteen, by the choice of the stretch.
        let byte = (bank.starts[first + i] - base[i / 4] + skip) as u8;
        (made.mask[4 * i], made.mask[4 * i + 2]) = (byte, byte + 1);
        made.weights[2 * i..2 * i + 2].copy_from_slice(&bank.window(first + i)[2 * k..2 * k + 2]);
    }
    made
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
        let base = (group.base[0] as usize, group.base[1] as usize);
        let (mut sum_even, mut sum_odd) = (half, half);
        // SAFETY: the caller checked that the group's reach lies inside both rows and that group `g` lies inside `out`; masks
        // and weights are arrays of 32 bytes.
        unsafe {
            for (c, taps) in kernel.chunks(groups.stretch).enumerate() {
                let (low, high) = (base.0 + c * groups.stretch * 2, base.1 + c * groups.stretch * 2);
                let samples_even = load_lanes(even.wrapping_add(low), even.wrapping_add(high));
                let samples_odd = load_lanes(odd.wrapping_add(low), odd.wrapping_add(high));
                for tap in taps {
                    let mask = _mm256_loadu_si256(tap.mask.as_ptr().cast());
                    let weights = _mm256_loadu_si256(tap.weights.as_ptr().cast());
                    let two = _mm256_shuffle_epi8(samples_even, mask);
                    sum_even = _mm256_add_epi32(sum_even, _mm256_madd_epi16(two, weights));
                    let two = _mm256_shuffle_epi8(samples_odd, mask);
                    sum_odd = _mm256_add_epi32(sum_odd, _mm256_madd_epi16(two, weights));
                }
            }
            let sum_even = _mm256_srai_epi32::<MIDDLE_SHIFT>(sum_even);
            let sum_odd = _mm256_slli_epi32::<16>(_mm256_srai_epi32::<MIDDLE_SHIFT>(sum_odd));
            let pairs = _mm256_blend_epi16::<0b1010_1010>(sum_even, sum_odd);
            _mm256_storeu_si256(out.wrapping_add(g * GROUP).cast(), pairs);
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

/// Filters two unpacked rows into (even, odd) pairs; returns the number of outputs done, which are all but the last few.
pub(super) fn horizontal_wide(bank: &WideBank, even: &[i16], odd: &[i16], out: &mut [u32]) -> usize {
    const FOUR: usize = 4;
    let count = bank.starts.len() / FOUR;
    assert!(bank.reach() <= even.len().min(odd.len()) && out.len() >= count * FOUR);
    assert!(bank.weights.len() >= bank.starts.len() * bank.vectors && bank.starts.is_sorted());
    // SAFETY: AVX2 was found; windows start in order, and the last one ends within both rows.
    unsafe { horizontal_wide_avx2(bank, count, even.as_ptr(), odd.as_ptr(), out.as_mut_ptr()) };
    count * FOUR
}

#[target_feature(enable = "avx2")]
unsafe fn horizontal_wide_avx2(bank: &WideBank, count: usize, even: *const i16, odd: *const i16, out: *mut u32) {
    let half = _mm256_set1_epi32(1 << (wide::SHIFT - 1));
    for four in 0..count {
        let mut sums = [_mm256_setzero_si256(); 4];
        for (output, sum) in sums.iter_mut().enumerate() {
            let output = 4 * four + output;
            let start = bank.starts[output] as usize;
            for (at, weights) in bank.weights[output * bank.vectors..][..bank.vectors].iter().enumerate() {
                let (low, high) = (even.wrapping_add(start + at * TAPS), odd.wrapping_add(start + at * TAPS));
                // SAFETY: the caller checked that the window lies inside both rows; weights are an array of 16 bytes.
                let (samples, weights) =
                    unsafe { (load_lanes(low.cast(), high.cast()), _mm_loadu_si128(weights.as_ptr().cast())) };
                *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(samples, _mm256_broadcastsi128_si256(weights)));
            }
        }
        let [a, b, c, d] = sums;
        // In each lane the four outputs, of the even row in the low one.
        let sum = _mm256_hadd_epi32(_mm256_hadd_epi32(a, b), _mm256_hadd_epi32(c, d));
        let sum = _mm256_srai_epi32::<{ wide::SHIFT as i32 }>(_mm256_add_epi32(sum, half));
        let odd_row = _mm_slli_epi32::<16>(_mm256_extracti128_si256::<1>(sum));
        let pairs = _mm_blend_epi16::<0b1010_1010>(_mm256_castsi256_si128(sum), odd_row);
        // SAFETY: the caller checked that four more outputs lie inside `out`.
        unsafe { _mm_storeu_si128(out.wrapping_add(4 * four).cast(), pairs) };
    }
}

/// Whether a whole block beyond the last output may be read at every offset.
fn assert_padded(ring: &[u32], offsets: &[usize], outputs: usize) {
    let padded = outputs.next_multiple_of(BLOCK);
    assert!(offsets.iter().all(|offset| offset + padded <= ring.len()));
}

/// Adds up the pairs that begin at `offsets` of `ring`, whose rows are padded to whole blocks, into one row of samples.
pub(super) fn vertical(ring: &[u32], offsets: &[usize], weights: &[[i16; 2]], out: &mut [u8]) {
    assert_padded(ring, offsets, out.len());
    // SAFETY: AVX2 was found; reads lie below `offset + padded`, checked above.
    unsafe { vertical_avx2(ring, offsets, weights, out) }
}

/// The same of ten bits.
pub(super) fn vertical_wide(ring: &[u32], offsets: &[usize], weights: &[[i16; 2]], out: &mut [u16]) {
    assert_padded(ring, offsets, out.len());
    // SAFETY: as above.
    unsafe { vertical_wide_avx2(ring, offsets, weights, out) }
}

/// Sums of a block, in four vectors, each begun with `half`.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn sums_of(ring: &[u32], offsets: &[usize], weights: &[[i16; 2]], block: usize, half: i32) -> [__m256i; 4] {
    let half = _mm256_set1_epi32(half);
    let (mut a, mut b, mut c, mut d) = (half, half, half, half);
    let start = ring.as_ptr().wrapping_add(block * BLOCK);
    for (&offset, &[even, odd]) in offsets.iter().zip(weights) {
        let weight = _mm256_set1_epi32(i32::from(even as u16) | i32::from(odd) << 16);
        let at: *const __m256i = start.wrapping_add(offset).cast();
        // SAFETY: the caller checked that a whole block, four vectors, lies inside the ring at every offset.
        unsafe {
            a = _mm256_add_epi32(a, _mm256_madd_epi16(_mm256_loadu_si256(at), weight));
            b = _mm256_add_epi32(b, _mm256_madd_epi16(_mm256_loadu_si256(at.wrapping_add(1)), weight));
            c = _mm256_add_epi32(c, _mm256_madd_epi16(_mm256_loadu_si256(at.wrapping_add(2)), weight));
            d = _mm256_add_epi32(d, _mm256_madd_epi16(_mm256_loadu_si256(at.wrapping_add(3)), weight));
        }
    }
    [a, b, c, d]
}

#[target_feature(enable = "avx2")]
unsafe fn vertical_avx2(ring: &[u32], offsets: &[usize], weights: &[[i16; 2]], out: &mut [u8]) {
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
        // SAFETY: as the caller says.
        let [a, b, c, d] = unsafe { sums_of(ring, offsets, weights, block, 1 << (FINAL_SHIFT - 1)) };
        let (a, b) = (_mm256_srai_epi32::<FINAL_SHIFT>(a), _mm256_srai_epi32::<FINAL_SHIFT>(b));
        let (c, d) = (_mm256_srai_epi32::<FINAL_SHIFT>(c), _mm256_srai_epi32::<FINAL_SHIFT>(d));
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

#[target_feature(enable = "avx2")]
unsafe fn vertical_wide_avx2(ring: &[u32], offsets: &[usize], weights: &[[i16; 2]], out: &mut [u16]) {
    const SHIFT: i32 = FINAL_SHIFT - 2;
    let most = _mm256_set1_epi16((1 << 10) - 1);
    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
        // SAFETY: as the caller says.
        let [a, b, c, d] = unsafe { sums_of(ring, offsets, weights, block, 1 << (SHIFT - 1)) };
        let mut samples = [0u16; BLOCK];
        for (half, (a, b)) in [(a, b), (c, d)].into_iter().enumerate() {
            let packed = _mm256_packus_epi32(_mm256_srai_epi32::<SHIFT>(a), _mm256_srai_epi32::<SHIFT>(b));
            // Lanes of four from each in turn.
            let packed = _mm256_min_epu16(_mm256_permute4x64_epi64::<0b11_01_10_00>(packed), most);
            // SAFETY: half a block is 32 bytes.
            unsafe { _mm256_storeu_si256(samples.as_mut_ptr().wrapping_add(half * BLOCK / 2).cast(), packed) };
        }
        out.copy_from_slice(&samples[..out.len()]);
    }
}
