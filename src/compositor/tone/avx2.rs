//! The way through light for eight samples at once (AVX2).
//!
//! Safety: the functions compiled for AVX2 are only called where it was found. Every place in a table is bounded before it is read.

use std::arch::x86_64::*;

use super::{
    CODE_BITS, CURVE_STEP_BITS, GAIN_BITS, LIGHT_BITS, LUMINANCE_BITS, Light, MAPPED_BITS, MAPPED_MOST, Node,
    OCTAVE_BITS, PRIMARIES_BITS, RGB_BITS, RGB_MOST, SYSTEM_BITS, System, Table, VALUE_BITS,
};

const LANES: usize = 8;

/// The canvas's samples of `PLANES` planes from `first` on, of as many as go eight by eight; returns how many. Rows are equally long.
pub(super) fn codes<const PLANES: usize>(
    light: &Light,
    first: usize,
    yuv: [&[i32]; 3],
    out: &mut [&mut [u8]; PLANES],
) -> usize {
    if !std::arch::is_x86_feature_detected!("avx2") {
        return 0;
    }
    let count = yuv[0].len() / LANES;
    assert!(yuv.iter().all(|row| row.len() >= count * LANES) && out.iter().all(|row| row.len() >= count * LANES));
    // SAFETY: AVX2 was found, and every row has so many samples.
    unsafe { codes_avx2(light, first, yuv, out, count) };
    count * LANES
}

#[target_feature(enable = "avx2")]
unsafe fn codes_avx2<const PLANES: usize>(
    light: &Light,
    first: usize,
    yuv: [&[i32]; 3],
    out: &mut [&mut [u8]; PLANES],
    count: usize,
) {
    for at in (0..count * LANES).step_by(LANES) {
        let mut here = [_mm256_setzero_si256(); 3];
        for (here, row) in here.iter_mut().zip(yuv) {
            // SAFETY: the caller checked that eight more samples are there.
            *here = unsafe { _mm256_loadu_si256(row.as_ptr().wrapping_add(at).cast()) };
        }
        let rgb = rgb(light, here);
        for (plane, row) in out.iter_mut().enumerate() {
            let sum = summed(&light.to_codes[first + plane], rgb);
            let code = _mm256_srai_epi32::<{ (VALUE_BITS + CODE_BITS) as i32 }>(sum);
            // Saturated to bytes, of which four are in each lane.
            let words = _mm256_packs_epi32(code, code);
            let bytes = _mm256_packus_epi16(words, words);
            let low = _mm256_castsi256_si128(bytes);
            let eight = _mm_unpacklo_epi32(low, _mm256_extracti128_si256::<1>(bytes));
            // SAFETY: the caller checked that there is room for eight more bytes.
            unsafe { _mm_storel_epi64(row.as_mut_ptr().wrapping_add(at).cast(), eight) };
        }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn rgb(it: &Light, yuv: [__m256i; 3]) -> [__m256i; 3] {
    let mut light = yuv;
    for (light, row) in light.iter_mut().zip(&it.to_rgb) {
        let value = clamped(_mm256_srai_epi32::<{ RGB_BITS as i32 }>(summed(row, yuv)), RGB_MOST);
        let part = _mm256_and_si256(value, all((1 << CURVE_STEP_BITS) - 1));
        let node = _mm256_srli_epi32::<{ CURVE_STEP_BITS as i32 }>(value);
        let (here, step) = node_of(&it.curve, node);
        let more = _mm256_srai_epi32::<{ CURVE_STEP_BITS as i32 }>(_mm256_mullo_epi32(step, part));
        *light = _mm256_add_epi32(here, more);
    }
    let largest = _mm256_max_epi32(_mm256_max_epi32(light[0], light[1]), light[2]);
    let gain = match &it.system {
        None => at(&it.gains, largest),
        Some(System { luminance, gains }) => {
            let mut sum = times(light[0], all(luminance[0]));
            sum = _mm256_add_epi32(sum, times(light[1], all(luminance[1])));
            sum = _mm256_add_epi32(sum, times(light[2], all(luminance[2])));
            let system = at(gains, _mm256_srli_epi32::<{ LUMINANCE_BITS as i32 - 8 }>(sum));
            let shown = _mm256_srai_epi32::<{ SYSTEM_BITS as i32 - 8 }>(times(largest, system));
            _mm256_srai_epi32::<{ SYSTEM_BITS as i32 }>(_mm256_mullo_epi32(at(&it.gains, shown), system))
        }
    };
    const SHIFT: i32 = (LIGHT_BITS + GAIN_BITS - 8 - MAPPED_BITS) as i32;
    let mut mapped = light;
    for mapped in &mut mapped {
        *mapped = _mm256_srai_epi32::<SHIFT>(times(*mapped, gain));
    }
    let half = all(1 << (PRIMARIES_BITS - 1));
    let mut rgb = mapped;
    for (c, rgb) in rgb.iter_mut().enumerate() {
        let [a, b] = it.primaries[c];
        let (next, last) = (mapped[(c + 1) % 3], mapped[(c + 2) % 3]);
        let a = _mm256_mullo_epi32(all(a), _mm256_sub_epi32(next, mapped[c]));
        let b = _mm256_mullo_epi32(all(b), _mm256_sub_epi32(last, mapped[c]));
        let sum = _mm256_add_epi32(_mm256_add_epi32(a, b), half);
        let own = _mm256_add_epi32(mapped[c], _mm256_srai_epi32::<{ PRIMARIES_BITS as i32 }>(sum));
        *rgb = at(&it.values, clamped(own, MAPPED_MOST));
    }
    rgb
}

#[inline]
#[target_feature(enable = "avx2")]
fn all(value: i32) -> __m256i {
    _mm256_set1_epi32(value)
}

#[inline]
#[target_feature(enable = "avx2")]
fn clamped(value: __m256i, most: i32) -> __m256i {
    _mm256_min_epi32(_mm256_max_epi32(value, _mm256_setzero_si256()), all(most))
}

#[inline]
#[target_feature(enable = "avx2")]
fn summed(row: &[i32; 4], values: [__m256i; 3]) -> __m256i {
    let a = _mm256_mullo_epi32(all(row[0]), values[0]);
    let b = _mm256_mullo_epi32(all(row[1]), values[1]);
    let c = _mm256_mullo_epi32(all(row[2]), values[2]);
    _mm256_add_epi32(_mm256_add_epi32(a, b), _mm256_add_epi32(c, all(row[3])))
}

#[inline]
#[target_feature(enable = "avx2")]
fn times(light: __m256i, gain: __m256i) -> __m256i {
    let low = _mm256_mullo_epi32(_mm256_and_si256(light, all(255)), gain);
    _mm256_add_epi32(_mm256_mullo_epi32(_mm256_srli_epi32::<8>(light), gain), _mm256_srai_epi32::<8>(low))
}

#[inline]
#[target_feature(enable = "avx2")]
fn at(table: &Table, value: __m256i) -> __m256i {
    let bits = _mm256_castps_si256(_mm256_cvtepi32_ps(_mm256_add_epi32(value, all(1))));
    let node = _mm256_srli_epi32::<{ 23 - OCTAVE_BITS as i32 }>(bits);
    let node = _mm256_sub_epi32(node, all(127 << OCTAVE_BITS));
    let part = _mm256_and_si256(_mm256_srli_epi32::<{ 15 - OCTAVE_BITS as i32 }>(bits), all(255));
    let (here, step) = node_of(&table.0, node);
    _mm256_add_epi32(here, _mm256_srai_epi32::<8>(_mm256_mullo_epi32(step, part)))
}

/// What is at these nodes, and how much more is at the next ones. Gathers take several times as long on processors whose microcode guards them.
#[inline]
#[target_feature(enable = "avx2")]
fn node_of(table: &[Node], node: __m256i) -> (__m256i, __m256i) {
    // There is one node at least, and far fewer than an `i32` counts.
    let node = _mm256_min_epu32(node, all(table.len() as i32 - 1));
    let mut places = [0u32; LANES];
    // SAFETY: an array of 32 bytes.
    unsafe { _mm256_storeu_si256(places.as_mut_ptr().cast(), node) };
    let first: *const f64 = table.as_ptr().cast();
    // SAFETY: a node is as large as an `f64`, and none of the places is beyond the last one.
    let two = |low: usize, high: usize| unsafe {
        let low = _mm_load_sd(first.add(places[low] as usize));
        _mm_castpd_ps(_mm_loadh_pd(low, first.add(places[high] as usize)))
    };
    let (a, b, c, d) = (two(0, 1), two(2, 3), two(4, 5), two(6, 7));
    let (a, b) = (_mm256_set_m128(c, a), _mm256_set_m128(d, b));
    let here = _mm256_shuffle_ps::<0b10_00_10_00>(a, b);
    let more = _mm256_shuffle_ps::<0b11_01_11_01>(a, b);
    (_mm256_castps_si256(here), _mm256_castps_si256(more))
}
