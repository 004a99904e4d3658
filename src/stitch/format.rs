//! What a canvas's parameter sets say, and whether a tile's say the same.

use super::sps::PictureOrder;
use super::{Pps, Sps, StitchError, level};

/// The parameters that all slices of a canvas share: those of a rendition, whatever the layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    sps: Sps,
    pps: Pps,
    /// Bits of `pic_order_cnt_lsb`.
    order_bits: u32,
}

impl Format {
    /// A canvas with the parameter sets `sps` and `pps`.
    ///
    /// # Errors
    /// [`StitchError::Unsupported`] unless they are ones that stitch: CABAC, so that slice data is whole bytes; the order of showing sent
    /// with every slice; no explicit weighted prediction, whose tables are per slice; no gaps in `frame_num`; no redundant pictures;
    /// one chroma QP offset; at most 16 reference pictures, as frames have (7.4.3).
    pub fn new(sps: Sps, pps: Pps) -> Result<Self, StitchError> {
        let unsupported = |field, value: i64| Err(StitchError::Unsupported { field, value });
        if !pps.cabac {
            return unsupported("entropy_coding_mode_flag", 0);
        }
        let PictureOrder::Sent { lsb_bits } = sps.order else {
            return unsupported("pic_order_cnt_type", sps.order.type_number());
        };
        if pps.bottom_field_order_present {
            return unsupported("bottom_field_pic_order_in_frame_present_flag", 1);
        }
        if pps.weighted_bipred_idc == 1 {
            return unsupported("weighted_bipred_idc", 1);
        }
        let [cb, cr] = pps.chroma_qp_offsets;
        if cb != cr {
            return unsupported("second_chroma_qp_index_offset", cr.into());
        }
        if sps.gaps_in_frame_num_allowed {
            return unsupported("gaps_in_frame_num_value_allowed_flag", 1);
        }
        if pps.weighted_pred {
            return unsupported("weighted_pred_flag", 1);
        }
        if pps.redundant_pic_cnt_present {
            return unsupported("redundant_pic_cnt_present_flag", 1);
        }
        const ACTIVE: [&str; 2] = ["num_ref_idx_l0_default_active_minus1", "num_ref_idx_l1_default_active_minus1"];
        if let Some((field, active)) = ACTIVE.iter().zip(pps.default_active_refs).find(|(_, active)| *active > 16) {
            return unsupported(field, i64::from(active) - 1);
        }
        if pps.sps_id != sps.id {
            return Err(StitchError::OutOfRange {
                field: "the PPS's seq_parameter_set_id",
                value: pps.sps_id.into(),
                min: sps.id.into(),
                max: sps.id.into(),
            });
        }
        if sps.width_mbs * sps.height_mbs > level::MAX_PICTURE_MBS {
            return unsupported("PicSizeInMbs", i64::from(sps.width_mbs * sps.height_mbs));
        }
        Ok(Self { sps, pps, order_bits: lsb_bits })
    }

    /// Whether slices of a tile with these parameter sets mean the same on the canvas: they must be equal in everything but
    /// size, cropping, level and VUI.
    ///
    /// # Errors
    /// [`StitchError::Disagrees`] names the first field that differs, with both values.
    pub fn accepts(&self, sps: &Sps, pps: &Pps) -> Result<(), StitchError> {
        type SpsField = (&'static str, fn(&Sps) -> i64);
        type PpsField = (&'static str, fn(&Pps) -> i64);
        const SPS: &[SpsField] = &[
            ("profile_idc", |s| s.profile_idc.into()),
            ("constraint_set_flags", |s| s.constraints.into()),
            ("seq_parameter_set_id", |s| s.id.into()),
            ("log2_max_frame_num", |s| s.frame_num_bits.into()),
            ("pic_order_cnt_type", |s| s.order.type_number()),
            ("log2_max_pic_order_cnt_lsb", |s| s.order.lsb_bits().into()),
            ("max_num_ref_frames", |s| s.max_num_ref_frames.into()),
            ("gaps_in_frame_num_value_allowed_flag", |s| s.gaps_in_frame_num_allowed.into()),
            ("direct_8x8_inference_flag", |s| s.direct_8x8_inference.into()),
        ];
        const PPS: &[PpsField] = &[
            ("pic_parameter_set_id", |p| p.id.into()),
            ("the PPS's seq_parameter_set_id", |p| p.sps_id.into()),
            ("entropy_coding_mode_flag", |p| p.cabac.into()),
            ("bottom_field_pic_order_in_frame_present_flag", |p| p.bottom_field_order_present.into()),
            ("num_ref_idx_l0_default_active", |p| p.default_active_refs[0].into()),
            ("num_ref_idx_l1_default_active", |p| p.default_active_refs[1].into()),
            ("weighted_pred_flag", |p| p.weighted_pred.into()),
            ("weighted_bipred_idc", |p| p.weighted_bipred_idc.into()),
            ("pic_init_qp", |p| p.pic_init_qp.into()),
            ("pic_init_qs", |p| p.pic_init_qs.into()),
            ("chroma_qp_index_offset", |p| p.chroma_qp_offsets[0].into()),
            ("second_chroma_qp_index_offset", |p| p.chroma_qp_offsets[1].into()),
            ("deblocking_filter_control_present_flag", |p| p.deblocking_control_present.into()),
            ("constrained_intra_pred_flag", |p| p.constrained_intra_pred.into()),
            ("redundant_pic_cnt_present_flag", |p| p.redundant_pic_cnt_present.into()),
            ("transform_8x8_mode_flag", |p| p.transform_8x8.into()),
        ];
        let of_sps = SPS.iter().map(|(field, of)| (*field, of(&self.sps), of(sps)));
        let of_pps = PPS.iter().map(|(field, of)| (*field, of(&self.pps), of(pps)));
        match of_sps.chain(of_pps).find(|(_, canvas, tile)| canvas != tile) {
            Some((field, canvas, tile)) => Err(StitchError::Disagrees { field, canvas, tile }),
            None => Ok(()),
        }
    }

    pub fn sps(&self) -> &Sps {
        &self.sps
    }

    pub fn pps(&self) -> &Pps {
        &self.pps
    }

    /// Bits of `pic_order_cnt_lsb` in slice headers.
    pub(super) fn order_bits(&self) -> u32 {
        self.order_bits
    }

    /// Coded width of the canvas in macroblocks.
    pub fn width_mbs(&self) -> u32 {
        self.sps.width_mbs
    }

    /// Coded height of the canvas in macroblocks.
    pub fn height_mbs(&self) -> u32 {
        self.sps.height_mbs
    }
}
