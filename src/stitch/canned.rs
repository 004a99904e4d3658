//! CABAC slice data (7.3.4) without an encoder: slices of skipped macroblocks, and I slices of one colour.
//!
//! What is written begins after `cabac_alignment_one_bit` and ends with the RBSP's trailing bits. The slice header
//! before it and the emulation prevention are the caller's. Pictures are progressive frames of 8 bits and 4:2:0,
//! scaling is flat, and one `chroma_qp_index_offset` serves Cb and Cr.

mod cabac;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use cabac::{Context, Decoder, Encoder};

/// Slices in which every macroblock is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skipped {
    P,
    B,
}

/// m and n of `mb_skip_flag`'s first context by `cabac_init_idc`: ctxIdx 11 in P slices (table 9-13), 24 in B slices
/// (table 9-14).
const SKIP_FLAG_P: [(i8, i8); 3] = [(23, 33), (22, 25), (29, 16)];
const SKIP_FLAG_B: [(i8, i8); 3] = [(18, 64), (26, 34), (20, 40)];

/// A slice of `macroblocks` skipped macroblocks, at least one, whether they are one row or many: a neighbour that is
/// skipped counts as little as one that is not there (9.3.3.1.1.1), so that one context serves them all.
pub(super) fn skipped(kind: Skipped, macroblocks: u32, slice_qp: i32, cabac_init_idc: u32) -> Vec<u8> {
    let mut skip_flag = skip_flag(kind, slice_qp, cabac_init_idc);
    let mut cabac = Encoder::new();
    for _ in 1..macroblocks {
        cabac.decision(&mut skip_flag, true);
        cabac.terminate();
    }
    cabac.decision(&mut skip_flag, true);
    cabac.finish()
}

/// `mb_skip_flag`'s context where no neighbour counts.
fn skip_flag(kind: Skipped, slice_qp: i32, cabac_init_idc: u32) -> Context {
    let [first, second, third] = match kind {
        Skipped::P => SKIP_FLAG_P,
        Skipped::B => SKIP_FLAG_B,
    };
    let init = match cabac_init_idc {
        0 => first,
        1 => second,
        _ => third,
    };
    Context::new(init, slice_qp)
}

/// Whether slice data, of which `rbsp` gives the bytes, is `macroblocks` skipped macroblocks and nothing else.
pub(super) fn is_skipped(
    kind: Skipped,
    macroblocks: u32,
    slice_qp: i32,
    cabac_init_idc: u32,
    rbsp: impl Iterator<Item = u8>,
) -> bool {
    let mut skip_flag = skip_flag(kind, slice_qp, cabac_init_idc);
    let mut cabac = Decoder::new(rbsp);
    (1..=macroblocks).all(|n| cabac.decision(&mut skip_flag) && cabac.terminate() == (n == macroblocks))
}

/// `slice_qp` and `cabac_init_idc` of [`kept_skipped`]: any do, since skipped macroblocks have no residual, and edges between them are not
/// filtered.
pub(super) const KEPT_QP: i32 = 26;
pub(super) const KEPT_CABAC_INIT_IDC: u32 = 0;

/// The most macroblocks of [`kept_skipped`]: a picture of 1920x1088.
pub(super) const KEPT_MACROBLOCKS: u32 = 8160;

/// What [`skipped`] makes of 1 to [`KEPT_MACROBLOCKS`] macroblocks, one after the other, and where each ends.
struct Kept {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Kept {
    fn new(kind: Skipped) -> Self {
        let mut kept = Self { bytes: Vec::new(), ends: vec![0] };
        let mut skip_flag = skip_flag(kind, KEPT_QP, KEPT_CABAC_INIT_IDC);
        let mut cabac = Encoder::new();
        for _ in 0..KEPT_MACROBLOCKS {
            cabac.decision(&mut skip_flag, true);
            kept.bytes.extend(cabac.clone().finish());
            // A few hundred thousand.
            kept.ends.push(kept.bytes.len() as u32);
            cabac.terminate();
        }
        kept
    }
}

/// [`skipped`] with [`KEPT_QP`] and [`KEPT_CABAC_INIT_IDC`], made once for all: nothing for more than [`KEPT_MACROBLOCKS`].
pub(super) fn kept_skipped(kind: Skipped, macroblocks: u32) -> &'static [u8] {
    static P: LazyLock<Kept> = LazyLock::new(|| Kept::new(Skipped::P));
    static B: LazyLock<Kept> = LazyLock::new(|| Kept::new(Skipped::B));
    let Kept { bytes, ends } = match kind {
        Skipped::P => &*P,
        Skipped::B => &*B,
    };
    let Some([from, to]) = (macroblocks as usize).checked_sub(1).and_then(|n| ends.get(n..n + 2)) else { return &[] };
    &bytes[*from as usize..*to as usize]
}

/// The highest slice QP at which [`flat`] makes every colour exactly: a level must be worth no more than one sample
/// value, which it is worth at QPY 28 and at QPC 22.
pub(super) fn flat_qp(chroma_qp_index_offset: i32) -> i32 {
    (22 - chroma_qp_index_offset.clamp(-12, 12)).min(28)
}

/// An I slice of `width` by `height` macroblocks, at least one, that all are of one colour (Y, Cb, Cr): exactly if
/// `slice_qp` is [`flat_qp`] or less, else as nearly as it can. A slice of more than one row must be as wide as the
/// picture.
///
/// The first macroblock is predicted as 128, having no neighbours in the slice (8.3.3.3, 8.3.4), and its DC
/// coefficients say what is missing; the others are predicted from neighbours that already are of the colour.
pub(super) fn flat(width: u32, height: u32, colour: [u8; 3], slice_qp: i32, chroma_qp_index_offset: i32) -> Vec<u8> {
    let qp = slice_qp.clamp(0, 51);
    let qp_c = chroma_qp(qp, chroma_qp_index_offset);
    let [y, cb, cr] = colour;
    let luma = nearest_level(y, |level| luma_sample(level, qp));
    let chroma = [cb, cr].map(|wanted| nearest_level(wanted, |level| chroma_sample(level, qp_c)));
    let mut slice = FlatSlice::new(qp);
    slice.macroblock(Neighbour::Unavailable, Neighbour::Unavailable, luma, chroma);
    let first = if luma == 0 { Neighbour::Plain } else { Neighbour::Coded };
    for row in 0..height {
        for column in u32::from(row == 0)..width {
            slice.cabac.terminate();
            let a = match (row, column) {
                (_, 0) => Neighbour::Unavailable,
                (0, 1) => first,
                _ => Neighbour::Plain,
            };
            let b = match (row, column) {
                (0, _) => Neighbour::Unavailable,
                (1, 0) => first,
                _ => Neighbour::Plain,
            };
            slice.macroblock(a, b, 0, [0; 2]);
        }
    }
    slice.cabac.finish()
}

/// What contexts depend on in the macroblock to the left (A) or above (B).
#[derive(Clone, Copy)]
enum Neighbour {
    /// In another slice, or in none.
    Unavailable,
    /// Its luma DC block has no coefficients.
    Plain,
    /// Its luma DC block has one.
    Coded,
}

impl Neighbour {
    /// `condTermFlagN` of `mb_type` in an I slice (9.3.3.1.1.3); all macroblocks are `Intra_16x16`.
    fn is_available(self) -> bool {
        !matches!(self, Self::Unavailable)
    }

    /// `condTermFlagN` of `coded_block_flag` in an intra macroblock (9.3.3.1.1.9): what is not there counts as coded.
    fn counts_as_coded(self) -> bool {
        !matches!(self, Self::Plain)
    }
}

/// The contexts of a block's first coefficient, the only one that can be other than 0.
struct FirstCoefficient {
    significant_coeff_flag: Context,
    last_significant_coeff_flag: Context,
    /// The first bin of `coeff_abs_level_minus1`, and those after it.
    coeff_abs_level_minus1: [Context; 2],
}

/// An I slice of `Intra_16x16` macroblocks without AC coefficients.
struct FlatSlice {
    cabac: Encoder,
    mb_type: [Context; 8],
    mb_qp_delta: Context,
    intra_chroma_pred_mode: Context,
    /// `coded_block_flag` of luma DC by `condTermFlagA` + 2 * `condTermFlagB`.
    luma_coded: [Context; 4],
    luma_dc: FirstCoefficient,
    /// `coded_block_flag` of chroma DC, which only the first macroblock has: both neighbours are unavailable.
    chroma_coded: Context,
    chroma_dc: FirstCoefficient,
}

impl FlatSlice {
    /// m and n are those of I slices (tables 9-12 and 9-17 to 9-21, those for frames).
    fn new(slice_qp: i32) -> Self {
        let context = |m, n| Context::new((m, n), slice_qp);
        Self {
            cabac: Encoder::new(),
            // ctxIdx 3 to 10.
            mb_type: [
                context(20, -15),
                context(2, 54),
                context(3, 74),
                context(-28, 127),
                context(-23, 104),
                context(-6, 53),
                context(-1, 54),
                context(7, 51),
            ],
            // ctxIdx 60: no macroblock before has one other than 0 (9.3.3.1.1.5).
            mb_qp_delta: context(0, 41),
            // ctxIdx 64: no neighbour has one other than 0 (9.3.3.1.1.8).
            intra_chroma_pred_mode: context(-9, 83),
            // ctxBlockCat 0: ctxIdx 85 to 88, 105, 166, 228 and 232.
            luma_coded: [context(-17, 123), context(-12, 115), context(-16, 122), context(-11, 115)],
            luma_dc: FirstCoefficient {
                significant_coeff_flag: context(-7, 93),
                last_significant_coeff_flag: context(24, 0),
                coeff_abs_level_minus1: [context(-6, 42), context(0, 58)],
            },
            // ctxBlockCat 3: ctxIdx 100, 149, 210, 258 and 262.
            chroma_coded: context(-20, 127),
            chroma_dc: FirstCoefficient {
                significant_coeff_flag: context(-8, 102),
                last_significant_coeff_flag: context(30, -6),
                coeff_abs_level_minus1: [context(-20, 84), context(-13, 86)],
            },
        }
    }

    /// `macroblock_layer()` (7.3.5). Only the first macroblock of a slice may have levels of chroma.
    fn macroblock(&mut self, a: Neighbour, b: Neighbour, luma: i32, chroma: [i32; 2]) {
        let has_chroma = chroma != [0; 2];
        self.mb_type(a, b, has_chroma);
        // The first bin says DC prediction.
        self.cabac.decision(&mut self.intra_chroma_pred_mode, false);
        self.cabac.decision(&mut self.mb_qp_delta, false);
        let [neither, only_a, only_b, both] = &mut self.luma_coded;
        let coded = match (a.counts_as_coded(), b.counts_as_coded()) {
            (false, false) => neither,
            (true, false) => only_a,
            (false, true) => only_b,
            (true, true) => both,
        };
        self.luma_dc.write(&mut self.cabac, coded, luma);
        if has_chroma {
            for level in chroma {
                self.chroma_dc.write(&mut self.cabac, &mut self.chroma_coded, level);
            }
        }
    }

    /// `mb_type` `I_16x16_2_0_0` or, with chroma DC, `I_16x16_2_1_0` (tables 9-36 and 9-39).
    fn mb_type(&mut self, a: Neighbour, b: Neighbour, has_chroma: bool) {
        let [neither, one, both, luma, chroma, chroma_ac, mode_high, mode_low] = &mut self.mb_type;
        let cabac = &mut self.cabac;
        let not_4x4 = match (a.is_available(), b.is_available()) {
            (false, false) => neither,
            (true, true) => both,
            _ => one,
        };
        cabac.decision(not_4x4, true);
        // Not I_PCM.
        cabac.terminate();
        cabac.decision(luma, false);
        cabac.decision(chroma, has_chroma);
        // The bins that remain move one context up when the one about chroma AC comes between (9.3.3.1.2).
        if has_chroma {
            cabac.decision(chroma_ac, false);
        }
        // Intra16x16PredMode 2.
        cabac.decision(mode_high, true);
        cabac.decision(mode_low, false);
    }
}

impl FirstCoefficient {
    /// `residual_block_cabac()` (7.3.5.3.3), with `coded_block_flag`'s context.
    fn write(&mut self, cabac: &mut Encoder, coded: &mut Context, level: i32) {
        cabac.decision(coded, level != 0);
        if level == 0 {
            return;
        }
        cabac.decision(&mut self.significant_coeff_flag, true);
        cabac.decision(&mut self.last_significant_coeff_flag, true);
        let [first, others] = &mut self.coeff_abs_level_minus1;
        cabac.level(first, others, level.unsigned_abs() - 1);
        cabac.bypass(level < 0);
    }
}

/// QPC for QPY (8.5.8, table 8-15).
fn chroma_qp(qp: i32, chroma_qp_index_offset: i32) -> i32 {
    let index = (qp + chroma_qp_index_offset.clamp(-12, 12)).clamp(0, 51);
    match index {
        ..30 => index,
        30 => 29,
        31 => 30,
        32 => 31,
        33 | 34 => 32,
        35 => 33,
        36 | 37 => 34,
        38 | 39 => 35,
        40 | 41 => 36,
        42..=44 => 37,
        45..=47 => 38,
        _ => 39,
    }
}

/// LevelScale4x4(qP % 6, 0, 0) with flat scaling (8.5.9).
fn level_scale(qp: i32) -> i32 {
    16 * match qp % 6 {
        0 => 10,
        1 => 11,
        2 => 13,
        3 => 14,
        4 => 16,
        _ => 18,
    }
}

/// What all luma samples of an `Intra_16x16` macroblock predicted as 128 become when its first DC coefficient is
/// `level` and all others are 0: the transform of DC (8.5.10) makes all sixteen equal, that of each block (8.5.12.2)
/// spreads it.
fn luma_sample(level: i32, qp: i32) -> i32 {
    let scaled = level * level_scale(qp);
    let dc = if qp >= 36 { scaled << (qp / 6 - 6) } else { (scaled + (1 << (5 - qp / 6))) >> (6 - qp / 6) };
    (128 + ((dc + 32) >> 6)).clamp(0, 255)
}

/// The same of chroma samples, at QPC (8.5.11).
fn chroma_sample(level: i32, qp: i32) -> i32 {
    let dc = ((level * level_scale(qp)) << (qp / 6)) >> 5;
    (128 + ((dc + 32) >> 6)).clamp(0, 255)
}

/// The level nearest to 0 of those whose sample is `wanted`, or comes nearest to it.
fn nearest_level(wanted: u8, sample: impl Fn(i32) -> i32) -> i32 {
    // At QP 0 a level is worth 160 of 4096 parts of a sample value, so that 3277 of them make 128.
    const MOST: i32 = 3277;
    let wanted = i32::from(wanted);
    let sign = (wanted - 128).signum();
    (0..=MOST).map(|level| sign * level).min_by_key(|level| sample(*level).abs_diff(wanted)).unwrap_or_default()
}
