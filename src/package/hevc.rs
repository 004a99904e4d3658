//! What init segments and playlists say of HEVC. Clauses are of ITU-T H.265 unless another is named.

use bytes::Bytes;
use mp4_atom::{Colr, Hvc1, HvcCArray, Hvcc, Pasp, Visual};

use super::CmafError;
use super::init::picture_header;
use crate::frame::Colour;
use crate::timeline::Grid;

/// What decides the init segment of a rendition in HEVC.
#[derive(Clone, Copy, Debug)]
pub struct HevcTrack<'a> {
    /// Picture size in pixels.
    pub width: u32,
    pub height: u32,
    pub grid: Grid,
    /// One video, sequence and picture parameter set: NAL units without start code or length (7.3.2).
    pub vps: &'a [u8],
    pub sps: &'a [u8],
    pub pps: &'a [u8],
    pub colour: Colour,
}

const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;

/// The header of an HEVC track (ISO/IEC 23000-19, B.3), of pictures as those of [`video_init`](super::video_init). Sample entry `hvc1`: parameter
/// sets live here and nowhere else.
pub fn hevc_init(track: &HevcTrack) -> Result<Bytes, CmafError> {
    let sets = [
        ("video parameter set", VPS, track.vps),
        ("sequence parameter set", SPS, track.sps),
        ("picture parameter set", PPS, track.pps),
    ];
    for (name, kind, set) in sets {
        if !is_kind(set, kind) {
            return Err(CmafError::ParameterSet(name));
        }
        // hvcC counts their bytes in 16 bits (ISO/IEC 14496-15, 8.3.2.1.2).
        if set.len() > usize::from(u16::MAX) {
            return Err(CmafError::TooLarge("parameter set"));
        }
    }
    let told = Told::of(track.sps)?;
    let width = u16::try_from(track.width).map_err(|_| CmafError::TooLarge("picture width"))?;
    let height = u16::try_from(track.height).map_err(|_| CmafError::TooLarge("picture height"))?;
    let array = |(_, nal_unit_type, set): (&str, u8, &[u8])| HvcCArray {
        // All there are of the kind are here.
        completeness: true,
        nal_unit_type,
        nalus: vec![set.to_vec()],
    };
    let entry = Hvc1 {
        visual: Visual { data_reference_index: 1, width, height, ..Visual::default() },
        hvcc: Hvcc {
            configuration_version: 1,
            general_profile_space: told.profile_space,
            general_tier_flag: told.high_tier,
            general_profile_idc: told.profile,
            general_profile_compatibility_flags: told.compatible.to_be_bytes(),
            general_constraint_indicator_flags: told.constraints,
            general_level_idc: told.level,
            min_spatial_segmentation_idc: 0,
            parallelism_type: 0,
            chroma_format_idc: told.chroma_format,
            bit_depth_luma_minus8: told.luma_bits - 8,
            bit_depth_chroma_minus8: told.chroma_bits - 8,
            avg_frame_rate: 0,
            constant_frame_rate: 0,
            num_temporal_layers: told.layers,
            temporal_id_nested: told.nested,
            length_size_minus_one: 3,
            arrays: sets.map(array).to_vec(),
        },
        colr: Some(nclx(track.colour)),
        pasp: Some(Pasp { h_spacing: 1, v_spacing: 1 }),
        ..Hvc1::default()
    };
    picture_header((width, height), track.grid, entry.into()).write()
}

/// What a canvas is made in, as ITU-T H.273 counts.
fn nclx(colour: Colour) -> Colr {
    // BT.709 in all; or BT.2020, ST 2084 or ARIB STD-B67, BT.2020 of non-constant luminance.
    let [primaries, transfer, matrix] = match colour {
        Colour::PQ_CANVAS => [9, 16, 9],
        Colour::HLG_CANVAS => [9, 18, 9],
        _ => [1, 1, 1],
    };
    Colr::Nclx {
        colour_primaries: primaries,
        transfer_characteristics: transfer,
        matrix_coefficients: matrix,
        full_range_flag: false,
    }
}

/// RFC 6381 codec string of an HEVC stream (ISO/IEC 14496-15, E.3), `hvc1.1.6.L120.90`, from its sequence parameter set (a NAL unit without start
/// code or length).
pub fn hevc_codec(sps: &[u8]) -> Result<String, CmafError> {
    let told = Told::of(sps)?;
    let space = ["", "A", "B", "C"][usize::from(told.profile_space & 3)];
    let tier = if told.high_tier { 'H' } else { 'L' };
    let mut codec = format!("hvc1.{space}{}.{:X}.{tier}{}", told.profile, told.compatible.reverse_bits(), told.level);
    // Zeros at the end are left out.
    let said = told.constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    told.constraints[..said].iter().for_each(|byte| codec.push_str(&format!(".{byte:X}")));
    Ok(codec)
}

/// Whether a NAL unit is of `kind` (7.3.1.2), and has more than its header.
fn is_kind(nal: &[u8], kind: u8) -> bool {
    nal.len() > 2 && nal[0] >> 1 & 0x3f == kind
}

/// What a sequence parameter set says that boxes repeat (7.3.2.2.1, 7.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    profile_space: u8,
    high_tier: bool,
    profile: u8,
    /// general_profile_compatibility_flag[0] is the highest bit.
    compatible: u32,
    constraints: [u8; 6],
    level: u8,
    /// Temporal ones.
    layers: u8,
    nested: bool,
    chroma_format: u8,
    luma_bits: u8,
    chroma_bits: u8,
}

impl Told {
    fn of(sps: &[u8]) -> Result<Self, CmafError> {
        if !is_kind(sps, SPS) {
            return Err(CmafError::ParameterSet("sequence parameter set"));
        }
        Self::read(&mut Bits::of(&sps[2..])).ok_or(CmafError::ParameterSet("sequence parameter set"))
    }

    fn read(bits: &mut Bits) -> Option<Self> {
        bits.take(4)?;
        let layers = bits.take(3)? as u8 + 1;
        let nested = bits.take(1)? == 1;
        let (profile_space, high_tier, profile) = (bits.take(2)? as u8, bits.take(1)? == 1, bits.take(5)? as u8);
        let compatible = bits.take(32)? as u32;
        let mut constraints = [0; 6];
        for byte in &mut constraints {
            *byte = bits.take(8)? as u8;
        }
        let level = bits.take(8)? as u8;
        // Encoders here make one layer. What stands of more is not read.
        if layers > 1 {
            return None;
        }
        bits.exp_golomb()?;
        let chroma_format = u8::try_from(bits.exp_golomb()?).ok().filter(|format| *format < 3)?;
        let (_width, _height) = (bits.exp_golomb()?, bits.exp_golomb()?);
        if bits.take(1)? == 1 {
            for _ in 0..4 {
                bits.exp_golomb()?;
            }
        }
        let mut depth = || Some(8 + u8::try_from(bits.exp_golomb()?).ok().filter(|more| *more <= 8)?);
        let (luma_bits, chroma_bits) = (depth()?, depth()?);
        Some(Self {
            profile_space,
            high_tier,
            profile,
            compatible,
            constraints,
            level,
            layers,
            nested,
            chroma_format,
            luma_bits,
            chroma_bits,
        })
    }
}

/// The bits of a NAL unit's payload, without the bytes that keep start codes out of it (7.3.1.1).
struct Bits {
    bytes: Vec<u8>,
    at: usize,
}

impl Bits {
    fn of(payload: &[u8]) -> Self {
        let mut bytes: Vec<u8> = Vec::with_capacity(payload.len());
        let mut zeros = 0;
        for byte in payload {
            if zeros >= 2 && *byte == 3 {
                zeros = 0;
                continue;
            }
            zeros = if *byte == 0 { zeros + 1 } else { 0 };
            bytes.push(*byte);
        }
        Self { bytes, at: 0 }
    }

    /// The next `count` bits as a number, 64 at most; `None` beyond the end.
    fn take(&mut self, count: usize) -> Option<u64> {
        let mut value = 0;
        for _ in 0..count {
            let byte = *self.bytes.get(self.at / 8)?;
            value = value << 1 | u64::from(byte >> (7 - self.at % 8) & 1);
            self.at += 1;
        }
        Some(value)
    }

    /// ue(v) of 9.2, of 32 bits at most.
    fn exp_golomb(&mut self) -> Option<u64> {
        let mut zeros = 0;
        while self.take(1)? == 0 {
            zeros += 1;
            if zeros > 32 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.take(zeros)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What libx265 writes for 960x540 at 30 frames a second: level 3.1 (93), with bytes against start codes in it.
    const NAL: &[u8] = &[
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x5d,
        0xa0, 0x07, 0x82, 0x00, 0x88, 0x7d, 0xe5,
    ];

    #[test]
    fn what_a_sequence_parameter_set_says_stands_in_the_codec() {
        assert_eq!(hevc_codec(NAL).unwrap(), "hvc1.1.6.L93.90");
        // Main 10, high tier.
        let mut main10 = NAL.to_vec();
        (main10[3], main10[4]) = (0x22, 0x20);
        assert_eq!(hevc_codec(&main10).unwrap(), "hvc1.2.4.H93.90");
    }

    #[test]
    fn what_is_no_parameter_set_is_refused() {
        assert!(matches!(hevc_codec(&[]), Err(CmafError::ParameterSet(_))));
        for length in 0..18 {
            assert!(matches!(hevc_codec(&NAL[..length]), Err(CmafError::ParameterSet(_))), "{length}");
        }
        let grid = Grid::new("30".parse().unwrap(), 60);
        let track = HevcTrack {
            width: 960,
            height: 540,
            grid,
            vps: &[0x40, 1, 0],
            sps: NAL,
            pps: &[0x44, 1, 0],
            colour: Colour::CANVAS,
        };
        assert!(hevc_init(&track).is_ok());
        assert!(matches!(hevc_init(&HevcTrack { pps: &[0x44, 1], ..track }), Err(CmafError::ParameterSet(_))));
        assert!(matches!(hevc_init(&HevcTrack { vps: track.pps, ..track }), Err(CmafError::ParameterSet(_))));
        assert!(matches!(hevc_init(&HevcTrack { width: 70_000, ..track }), Err(CmafError::TooLarge(_))));
    }
}
