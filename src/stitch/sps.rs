//! Sequence parameter sets (7.3.2.1).

use super::StitchError;
use super::bits::{BitReader, BitWriter};
use super::nal;
use super::vui::Vui;

const MAIN_PROFILE: u8 = 77;
const HIGH_PROFILE: u8 = 100;
/// Sides of a picture in macroblocks: the square root of eight times `MaxFS` of level 6.2 (A.3.1).
const MAX_SIDE_MBS: u32 = 1055;

/// A sequence parameter set of the Main or High profile: 8-bit 4:2:0, progressive, flat scaling, no HRD. Others are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sps {
    /// `nal_ref_idc`, 1 to 3.
    pub ref_idc: u8,
    /// `profile_idc`: 77 or 100.
    pub profile_idc: u8,
    /// `constraint_set0_flag` (highest bit) to `constraint_set5_flag`, and two reserved bits.
    pub constraints: u8,
    pub level_idc: u8,
    pub id: u32,
    /// Bits of `frame_num` in slice headers, 4 to 16.
    pub frame_num_bits: u32,
    pub order: PictureOrder,
    pub max_num_ref_frames: u32,
    pub gaps_in_frame_num_allowed: bool,
    /// Coded size in macroblocks.
    pub width_mbs: u32,
    pub height_mbs: u32,
    pub direct_8x8_inference: bool,
    pub crop: Option<Crop>,
    pub vui: Option<Vui>,
}

/// `pic_order_cnt_type` (7.4.2.1.1); type 1 is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureOrder {
    /// Type 0: slice headers carry `pic_order_cnt_lsb` of `lsb_bits` bits.
    Sent { lsb_bits: u32 },
    /// Type 2: pictures are shown in the order of decoding.
    OfDecoding,
}

impl PictureOrder {
    pub(super) const fn type_number(self) -> i64 {
        match self {
            Self::Sent { .. } => 0,
            Self::OfDecoding => 2,
        }
    }

    /// 0 where no order is sent.
    pub(super) const fn lsb_bits(self) -> u32 {
        match self {
            Self::Sent { lsb_bits } => lsb_bits,
            Self::OfDecoding => 0,
        }
    }
}

/// Frame cropping offsets in units of two pixels (4:2:0 frames, equations 7-19 to 7-22).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Crop {
    pub left: u32,
    pub right: u32,
    pub top: u32,
    pub bottom: u32,
}

impl Sps {
    /// Reads a NAL unit without start code or length.
    ///
    /// # Errors
    /// What cannot be read, and what is out of an [`Sps`]'s scope.
    pub fn parse(nal: &[u8]) -> Result<Self, StitchError> {
        let mut r = BitReader::new(nal);
        let ref_idc = header_byte(&mut r, nal::SPS, "SPS")?;
        let profile_idc = r.u(8, "profile_idc")? as u8;
        if profile_idc != MAIN_PROFILE && profile_idc != HIGH_PROFILE {
            return Err(StitchError::Unsupported { field: "profile_idc", value: profile_idc.into() });
        }
        let constraints = r.u(8, "constraint_set_flags")? as u8;
        let level_idc = r.u(8, "level_idc")? as u8;
        let id = r.ue(31, "seq_parameter_set_id")?;
        if profile_idc == HIGH_PROFILE {
            only(1, r.ue(3, "chroma_format_idc")?, "chroma_format_idc")?;
            only(0, r.ue(6, "bit_depth_luma_minus8")?, "bit_depth_luma_minus8")?;
            only(0, r.ue(6, "bit_depth_chroma_minus8")?, "bit_depth_chroma_minus8")?;
            for field in ["qpprime_y_zero_transform_bypass_flag", "seq_scaling_matrix_present_flag"] {
                only(0, r.u(1, field)?, field)?;
            }
        }
        let frame_num_bits = 4 + r.ue(12, "log2_max_frame_num_minus4")?;
        let order = match r.ue(2, "pic_order_cnt_type")? {
            0 => PictureOrder::Sent { lsb_bits: 4 + r.ue(12, "log2_max_pic_order_cnt_lsb_minus4")? },
            2 => PictureOrder::OfDecoding,
            other => return Err(StitchError::Unsupported { field: "pic_order_cnt_type", value: other.into() }),
        };
        let max_num_ref_frames = r.ue(16, "max_num_ref_frames")?;
        let gaps_in_frame_num_allowed = r.flag("gaps_in_frame_num_value_allowed_flag")?;
        let width_mbs = 1 + r.ue(MAX_SIDE_MBS - 1, "pic_width_in_mbs_minus1")?;
        let height_mbs = 1 + r.ue(MAX_SIDE_MBS - 1, "pic_height_in_map_units_minus1")?;
        only(1, r.u(1, "frame_mbs_only_flag")?, "frame_mbs_only_flag")?;
        let direct_8x8_inference = r.flag("direct_8x8_inference_flag")?;
        let crop = if r.flag("frame_cropping_flag")? { Some(Crop::read(&mut r, width_mbs, height_mbs)?) } else { None };
        let vui = if r.flag("vui_parameters_present_flag")? { Some(Vui::read(&mut r)?) } else { None };
        r.trailing("SPS")?;
        Ok(Self {
            ref_idc,
            profile_idc,
            constraints,
            level_idc,
            id,
            frame_num_bits,
            order,
            max_num_ref_frames,
            gaps_in_frame_num_allowed,
            width_mbs,
            height_mbs,
            direct_8x8_inference,
            crop,
            vui,
        })
    }

    /// The NAL unit, without start code or length. What [`Sps::parse`] read is written back byte for byte.
    pub fn write(&self) -> Vec<u8> {
        let mut w = BitWriter::default();
        w.u(8, u32::from(self.ref_idc & 3) << 5 | u32::from(nal::SPS));
        w.u(8, self.profile_idc.into());
        w.u(8, self.constraints.into());
        w.u(8, self.level_idc.into());
        w.ue(self.id);
        if self.profile_idc == HIGH_PROFILE {
            // 4:2:0, 8 bits for luma and for chroma.
            w.ue(1);
            w.ue(0);
            w.ue(0);
            // Neither lossless nor with scaling matrices.
            w.u(2, 0);
        }
        w.ue(self.frame_num_bits.saturating_sub(4));
        match self.order {
            PictureOrder::Sent { lsb_bits } => {
                w.ue(0);
                w.ue(lsb_bits.saturating_sub(4));
            }
            PictureOrder::OfDecoding => w.ue(2),
        }
        w.ue(self.max_num_ref_frames);
        w.flag(self.gaps_in_frame_num_allowed);
        w.ue(self.width_mbs.saturating_sub(1));
        w.ue(self.height_mbs.saturating_sub(1));
        w.flag(true);
        w.flag(self.direct_8x8_inference);
        w.flag(self.crop.is_some());
        if let Some(crop) = self.crop {
            for offset in [crop.left, crop.right, crop.top, crop.bottom] {
                w.ue(offset);
            }
        }
        w.flag(self.vui.is_some());
        if let Some(vui) = &self.vui {
            vui.write(&mut w);
        }
        w.trailing();
        let mut nal = Vec::with_capacity(64);
        nal::escape_onto(&mut nal, &w.into_bytes());
        nal
    }

    /// The same sequence with pictures of `width` x `height` pixels, both even, cropped on the right and at the bottom where they
    /// are no whole macroblocks. The level is kept (see [`super::level`]).
    ///
    /// # Errors
    /// [`StitchError::OutOfRange`] for an odd or impossible size.
    pub fn with_size(&self, width: u32, height: u32) -> Result<Self, StitchError> {
        let side = |field, pixels: u32| {
            let mbs = pixels.div_ceil(16);
            if pixels == 0 || mbs > MAX_SIDE_MBS || !pixels.is_multiple_of(2) {
                let max = i64::from(MAX_SIDE_MBS) * 16;
                return Err(StitchError::OutOfRange { field, value: pixels.into(), min: 2, max });
            }
            Ok((mbs, (mbs * 16 - pixels) / 2))
        };
        let (width_mbs, right) = side("width", width)?;
        let (height_mbs, bottom) = side("height", height)?;
        let crop = Crop { right, bottom, ..Crop::default() };
        Ok(Self { width_mbs, height_mbs, crop: (crop != Crop::default()).then_some(crop), ..self.clone() })
    }
}

impl Crop {
    fn read(r: &mut BitReader<'_>, width_mbs: u32, height_mbs: u32) -> Result<Self, StitchError> {
        // At least one pixel must stay, so at most a picture's size less one unit goes on each side.
        let left = r.ue(width_mbs * 8 - 1, "frame_crop_left_offset")?;
        let right = r.ue(width_mbs * 8 - 1 - left, "frame_crop_right_offset")?;
        let top = r.ue(height_mbs * 8 - 1, "frame_crop_top_offset")?;
        let bottom = r.ue(height_mbs * 8 - 1 - top, "frame_crop_bottom_offset")?;
        Ok(Self { left, right, top, bottom })
    }
}

/// Reads a parameter set's header byte (7.3.1); gives `nal_ref_idc`, which must not be 0 for it.
pub(super) fn header_byte(r: &mut BitReader<'_>, nal_type: u8, what: &'static str) -> Result<u8, StitchError> {
    let byte = r.u(8, "nal_unit_header")? as u8;
    // The highest bit is forbidden_zero_bit.
    if byte & 0x9f != nal_type || byte >> 5 == 0 {
        return Err(StitchError::WrongNal { what, byte });
    }
    Ok(byte >> 5)
}

pub(super) fn only(wanted: u32, value: u32, field: &'static str) -> Result<(), StitchError> {
    if value == wanted { Ok(()) } else { Err(StitchError::Unsupported { field, value: value.into() }) }
}
