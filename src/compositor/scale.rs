//! The separable scaler of the CPU path: one plane into a rectangle of another, in a single sweep down the source.
//!
//! The horizontal pass writes rows two by two, interleaved as (even row, odd row) pairs of 16-bit values, because that is
//! what the multiply-and-add instruction of the vertical pass eats. A ring keeps only as many pairs as one window spans,
//! so that what is between the passes stays in the first-level cache.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod portable;
mod wide;

use std::collections::HashMap;
use std::sync::Arc;

use super::filter::{FilterBank, MIDDLE_BITS, PairBank, Siting};
use crate::frame::Depth;

/// Scaling plans a scaler keeps; past it, all are forgotten (a plan takes well under a millisecond to make again).
const PLANS_KEPT: usize = 256;

/// Outputs are computed in blocks of this many; rows of the ring are padded to it.
const BLOCK: usize = 32;

/// A plane of a picture: row `r` begins at byte `r * stride`.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub data: &'a [u8],
    pub stride: usize,
    /// In samples.
    pub width: usize,
    pub height: usize,
    pub depth: Depth,
}

impl<'a> Source<'a> {
    /// From the start of row `row` to the end of the plane's memory: whole rows may be read past, never the memory.
    fn rows_from(&self, row: usize) -> &'a [u8] {
        &self.data[row * self.stride..]
    }

    /// Row `row`, without padding.
    fn row(&self, row: usize) -> &'a [u8] {
        &self.rows_from(row)[..self.width * self.depth.bytes()]
    }
}

/// A plane to read: row `r` is `data[r * stride ..][.. width]`.
#[derive(Clone, Copy)]
pub(super) struct PlaneRef<'a, S = u8> {
    pub data: &'a [S],
    pub stride: usize,
    pub width: usize,
    pub height: usize,
}

impl<'a, S> PlaneRef<'a, S> {
    pub(super) fn row(&self, row: usize) -> &'a [S] {
        &self.data[row * self.stride..][..self.width]
    }
}

/// A rectangle of a plane to write: row `r` is `data[r * stride ..][.. width]`.
pub(super) struct PlaneMut<'a, S = u8> {
    pub data: &'a mut [S],
    pub stride: usize,
    pub width: usize,
    pub height: usize,
}

/// What is scaled to.
pub(super) trait Sample: Copy + Default + Into<i32> {
    const DEPTH: Depth;

    fn clamped(value: i32) -> Self;

    #[inline]
    fn value(self) -> i32 {
        self.into()
    }

    /// The same samples, where they are bytes.
    fn bytes(samples: &mut [Self]) -> Option<&mut [u8]>;

    /// The vertical pass, where there are vectors.
    #[cfg(target_arch = "x86_64")]
    fn vertical(ring: &[u32], offsets: &[usize], weights: &[[i16; 2]], out: &mut [Self]);
}

impl Sample for u8 {
    const DEPTH: Depth = Depth::Eight;

    #[inline]
    fn clamped(value: i32) -> Self {
        value.clamp(0, 255) as u8
    }

    fn bytes(samples: &mut [Self]) -> Option<&mut [u8]> {
        Some(samples)
    }

    #[cfg(target_arch = "x86_64")]
    fn vertical(ring: &[u32], offsets: &[usize], weights: &[[i16; 2]], out: &mut [Self]) {
        avx2::vertical(ring, offsets, weights, out);
    }
}

/// Of ten bits.
impl Sample for u16 {
    const DEPTH: Depth = Depth::Ten;

    #[inline]
    fn clamped(value: i32) -> Self {
        value.clamp(0, 1023) as u16
    }

    fn bytes(_: &mut [Self]) -> Option<&mut [u8]> {
        None
    }

    #[cfg(target_arch = "x86_64")]
    fn vertical(ring: &[u32], offsets: &[usize], weights: &[[i16; 2]], out: &mut [Self]) {
        avx2::vertical_wide(ring, offsets, weights, out);
    }
}

/// Bits by which samples of `depth` are shifted to be as large as they are between the passes.
const fn room_above(depth: Depth) -> u32 {
    8 + MIDDLE_BITS - depth.bits()
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct PlanKey {
    source: (usize, usize),
    outputs: (usize, usize),
    siting: Siting,
    depth: Depth,
}

/// Everything about one scaling that does not depend on the pixels.
struct Plan {
    horizontal: FilterBank,
    vertical: PairBank,
    /// Of ten bits.
    wide: Option<wide::WideBank>,
    #[cfg(target_arch = "x86_64")]
    groups: Option<avx2::Groups>,
}

impl Plan {
    fn new(key: PlanKey) -> Self {
        let horizontal = FilterBank::lanczos(key.source.0, key.outputs.0, key.siting);
        let vertical = PairBank::new(&FilterBank::lanczos(key.source.1, key.outputs.1, Siting::Centred));
        let is_wide = key.depth == Depth::Ten;
        Self {
            wide: is_wide.then(|| wide::WideBank::new(&horizontal)),
            #[cfg(target_arch = "x86_64")]
            groups: if is_wide { None } else { avx2::Groups::new(&horizontal) },
            horizontal,
            vertical,
        }
    }
}

/// Scales planes; keeps plans and scratch memory, so each worker has its own.
pub(super) struct Scaler {
    plans: HashMap<PlanKey, Arc<Plan>>,
    /// The ring: `pairs` rows of (even, odd) values, low half the even row.
    ring: Vec<u32>,
    /// Where in the ring the pairs of the current window begin.
    offsets: Vec<usize>,
    /// The two rows that are filtered, where their samples are of ten bits.
    wide: [Vec<i16>; 2],
    vector: bool,
}

impl Scaler {
    pub(super) fn new() -> Self {
        #[cfg(target_arch = "x86_64")]
        let vector = std::arch::is_x86_feature_detected!("avx2");
        #[cfg(not(target_arch = "x86_64"))]
        let vector = false;
        Self { plans: HashMap::new(), ring: Vec::new(), offsets: Vec::new(), wide: Default::default(), vector }
    }

    /// What it computes with, for people.
    pub(super) fn describe(&self) -> &'static str {
        if self.vector { "AVX2" } else { "plain Rust" }
    }

    /// A scaler that uses no vector instructions of its own: the plain twin of the other.
    #[cfg(test)]
    pub(super) fn portable() -> Self {
        Self { vector: false, ..Self::new() }
    }

    /// Scales all of `source` into all of `target`. Equal sizes are copied.
    pub(super) fn scale<S: Sample>(&mut self, source: Source<'_>, target: &mut PlaneMut<'_, S>, siting: Siting) {
        let (width, height) = (target.width, target.height);
        if (source.width, source.height) == (width, height) {
            for row in 0..height {
                copy_row(source.depth, source.row(row), &mut target.data[row * target.stride..][..width]);
            }
            return;
        }
        let plan = self.plan(PlanKey {
            source: (source.width, source.height),
            outputs: (width, height),
            siting,
            depth: source.depth,
        });
        let ring_stride = width.next_multiple_of(BLOCK);
        let ring_pairs = plan.vertical.pairs;
        self.ring.clear();
        self.ring.resize(ring_stride * ring_pairs, 0);
        let mut next = 0;
        for row in 0..height {
            let (first, count) = plan.vertical.spans[row];
            let (first, count) = (first as usize, count as usize);
            next = next.max(first);
            while next < first + count {
                let at = (next % ring_pairs) * ring_stride;
                self.horizontal(&plan, source, next, at..at + ring_stride);
                next += 1;
            }
            self.offsets.clear();
            self.offsets.extend((first..first + count).map(|pair| (pair % ring_pairs) * ring_stride));
            let weights = &plan.vertical.weights[row * ring_pairs..][..count];
            let out = &mut target.data[row * target.stride..][..width];
            self.vertical(weights, out);
        }
    }

    fn plan(&mut self, key: PlanKey) -> Arc<Plan> {
        if self.plans.len() >= PLANS_KEPT && !self.plans.contains_key(&key) {
            self.plans.clear();
        }
        Arc::clone(self.plans.entry(key).or_insert_with(|| Arc::new(Plan::new(key))))
    }

    /// Filters source rows `2 * pair` and `2 * pair + 1` into the ring; past an odd height the last row stands in, unweighted.
    fn horizontal(&mut self, plan: &Plan, source: Source<'_>, pair: usize, at: std::ops::Range<usize>) {
        let rows = [2 * pair, 2 * pair + 1].map(|row| row.min(source.height - 1));
        let out = &mut self.ring[at];
        if let Some(bank) = &plan.wide {
            let [even, odd] = &mut self.wide;
            wide::unpack(source.row(rows[0]), even);
            wide::unpack(source.row(rows[1]), odd);
            #[cfg(target_arch = "x86_64")]
            if self.vector {
                let done = avx2::horizontal_wide(bank, even, odd, out);
                wide::horizontal(bank, even, odd, done, out);
                return;
            }
            wide::horizontal(bank, even, odd, 0, out);
            return;
        }
        let [even, odd] = rows.map(|row| source.rows_from(row));
        #[cfg(target_arch = "x86_64")]
        if let (true, Some(groups)) = (self.vector, &plan.groups) {
            let done = avx2::horizontal(groups, even, odd, out);
            portable::horizontal(&plan.horizontal, even, odd, done, out);
            return;
        }
        portable::horizontal(&plan.horizontal, even, odd, 0, out);
    }

    fn vertical<S: Sample>(&mut self, weights: &[[i16; 2]], out: &mut [S]) {
        #[cfg(target_arch = "x86_64")]
        if self.vector {
            S::vertical(&self.ring, &self.offsets, weights, out);
            return;
        }
        portable::vertical(&self.ring, &self.offsets, weights, out);
    }
}

/// What both passes do to a row of the right size.
fn copy_row<S: Sample>(depth: Depth, from: &[u8], to: &mut [S]) {
    if depth == Depth::Eight
        && let Some(to) = S::bytes(to)
    {
        to.copy_from_slice(from);
        return;
    }
    let (up, down) = (room_above(depth), room_above(S::DEPTH));
    for (to, bytes) in to.iter_mut().zip(from.chunks_exact(depth.bytes())) {
        let middle = i32::from(depth.sample(bytes)) << up;
        *to = S::clamped((middle + (1 << (down - 1))) >> down);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(len: usize) -> Vec<u8> {
        let mut state = 0x9e37_79b9_u32;
        (0..len)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                if state.is_multiple_of(3) { 255 } else { (state >> 8) as u8 & (state >> 3) as u8 }
            })
            .collect()
    }

    fn scaled(scaler: &mut Scaler, source: &[u8], from: (usize, usize), to: (usize, usize), siting: Siting) -> Vec<u8> {
        let stride = to.0 + 5;
        let mut out = vec![7; stride * to.1];
        let source = Source { data: source, stride: from.0, width: from.0, height: from.1, depth: Depth::Eight };
        scaler.scale(source, &mut PlaneMut { data: &mut out, stride, width: to.0, height: to.1 }, siting);
        for row in out.chunks(stride) {
            assert!(row[to.0..].iter().all(|&v| v == 7), "wrote past the rectangle");
        }
        out
    }

    #[test]
    fn vector_and_plain_scalers_agree_to_the_bit() {
        let (mut vector, mut plain) = (Scaler::new(), Scaler::portable());
        let sizes = [(128, 72), (96, 54), (61, 33), (16, 8), (1, 1), (3, 2), (640, 16), (37, 300), (33, 31)];
        for from in sizes {
            let source = noise(from.0 * from.1);
            for to in sizes {
                for siting in [Siting::Centred, Siting::Left] {
                    let a = scaled(&mut vector, &source, from, to, siting);
                    let b = scaled(&mut plain, &source, from, to, siting);
                    assert!(a == b, "{from:?} -> {to:?} {siting:?}");
                }
            }
        }
    }

    #[test]
    fn a_flat_plane_stays_flat_at_any_size() {
        let mut scaler = Scaler::new();
        for value in [0, 16, 77, 128, 235, 255] {
            let source = vec![value; 200 * 100];
            for to in [(150, 75), (100, 50), (67, 31), (400, 300)] {
                let out = scaled(&mut scaler, &source, (200, 100), to, Siting::Left);
                assert!(out.chunks(to.0 + 5).all(|row| row[..to.0].iter().all(|&v| v == value)), "{value} {to:?}");
            }
        }
    }

    #[test]
    fn the_integer_scaler_follows_the_filter_in_exact_arithmetic() {
        let (from, to) = ((64, 48), (48, 36));
        let source = noise(from.0 * from.1);
        let out = scaled(&mut Scaler::new(), &source, from, to, Siting::Centred);
        let (h, v) =
            (FilterBank::lanczos(from.0, to.0, Siting::Centred), FilterBank::lanczos(from.1, to.1, Siting::Centred));
        for y in 0..to.1 {
            for x in 0..to.0 {
                let mut sum = 0.0;
                for (j, &wv) in v.window(y).iter().enumerate() {
                    for (i, &wh) in h.window(x).iter().enumerate() {
                        let sample = source[(v.starts[y] as usize + j) * from.0 + h.starts[x] as usize + i];
                        sum += f64::from(sample) * f64::from(wv) * f64::from(wh) / f64::from(1 << 28);
                    }
                }
                let got = f64::from(out[y * (to.0 + 5) + x]);
                assert!((got - sum.clamp(0.0, 255.0)).abs() < 0.53, "{x},{y}: {got} for {sum}");
            }
        }
    }

    /// `source` with four times the value in each sample.
    fn widened(source: &[u8]) -> Vec<u8> {
        source.iter().flat_map(|&value| (u16::from(value) * 4).to_le_bytes()).collect()
    }

    fn scaled_wide<S: Sample>(source: &[u8], from: (usize, usize), to: (usize, usize), siting: Siting) -> Vec<S> {
        let vector = scaled_wide_by(&mut Scaler::new(), source, from, to, siting);
        let plain: Vec<S> = scaled_wide_by(&mut Scaler::portable(), source, from, to, siting);
        let same = vector.iter().zip(&plain).all(|(a, b): (&S, &S)| a.value() == b.value());
        assert!(same, "vectors differ: {from:?} -> {to:?}");
        plain
    }

    fn scaled_wide_by<S: Sample>(
        scaler: &mut Scaler,
        source: &[u8],
        from: (usize, usize),
        to: (usize, usize),
        siting: Siting,
    ) -> Vec<S> {
        let mut out = vec![S::default(); to.0 * to.1];
        let source = Source { data: source, stride: 2 * from.0, width: from.0, height: from.1, depth: Depth::Ten };
        let mut target = PlaneMut { data: &mut out, stride: to.0, width: to.0, height: to.1 };
        scaler.scale(source, &mut target, siting);
        out
    }

    #[test]
    fn ten_bits_of_the_same_picture_are_scaled_alike() {
        for (from, to) in [
            ((64, 48), (48, 36)),
            ((64, 48), (64, 48)),
            ((61, 33), (128, 70)),
            ((90, 62), (30, 20)),
            ((37, 90), (5, 3)),
        ] {
            let source = noise(from.0 * from.1);
            let wide = widened(&source);
            for siting in [Siting::Centred, Siting::Left] {
                let narrow = scaled(&mut Scaler::new(), &source, from, to, siting);
                let narrow: Vec<u8> = narrow.chunks(to.0 + 5).flat_map(|row| &row[..to.0]).copied().collect();
                assert!(scaled_wide::<u8>(&wide, from, to, siting) == narrow, "{from:?} -> {to:?}");
                let fine = scaled_wide::<u16>(&wide, from, to, siting);
                let near = |(fine, narrow): (&u16, &u8)| fine.abs_diff(u16::from(*narrow) * 4) <= 2 || *narrow == 255;
                assert!(fine.iter().zip(&narrow).all(near), "{from:?} -> {to:?}");
            }
        }
    }

    #[test]
    fn samples_that_claim_more_than_ten_bits_are_the_largest() {
        let hostile = vec![0xff; 2 * 40 * 30];
        for to in [(40, 30), (20, 15), (77, 31)] {
            assert!(scaled_wide::<u16>(&hostile, (40, 30), to, Siting::Left).iter().all(|value| *value == 1023));
            assert!(scaled_wide::<u8>(&hostile, (40, 30), to, Siting::Left).iter().all(|value| *value == 255));
        }
    }
}
