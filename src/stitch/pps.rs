//! Picture parameter sets (7.3.2.2).

use super::StitchError;
use super::bits::BitReader;
use super::nal;
use super::sps::{header_byte, only};

/// A picture parameter set without slice groups (FMO) and scaling matrices, which are refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pps {
    pub id: u32,
    pub sps_id: u32,
    /// `entropy_coding_mode_flag`.
    pub cabac: bool,
    pub bottom_field_order_present: bool,
    /// Pictures in list 0 and 1 unless a slice says otherwise, 1 to 32.
    pub default_active_refs: [u32; 2],
    pub weighted_pred: bool,
    pub weighted_bipred_idc: u32,
    pub pic_init_qp: i32,
    pub pic_init_qs: i32,
    /// For Cb and for Cr.
    pub chroma_qp_offsets: [i32; 2],
    pub deblocking_control_present: bool,
    pub constrained_intra_pred: bool,
    pub redundant_pic_cnt_present: bool,
    pub transform_8x8: bool,
}

impl Pps {
    /// Reads a NAL unit without start code or length.
    ///
    /// # Errors
    /// What cannot be read, and what is out of a [`Pps`]'s scope.
    pub fn parse(nal: &[u8]) -> Result<Self, StitchError> {
        let mut r = BitReader::new(nal);
        header_byte(&mut r, nal::PPS, "PPS")?;
        let mut pps = Self {
            id: r.ue(255, "pic_parameter_set_id")?,
            sps_id: r.ue(31, "seq_parameter_set_id")?,
            cabac: r.flag("entropy_coding_mode_flag")?,
            bottom_field_order_present: r.flag("bottom_field_pic_order_in_frame_present_flag")?,
            default_active_refs: {
                only(0, r.ue(7, "num_slice_groups_minus1")?, "num_slice_groups_minus1")?;
                let list_0 = 1 + r.ue(31, "num_ref_idx_l0_default_active_minus1")?;
                [list_0, 1 + r.ue(31, "num_ref_idx_l1_default_active_minus1")?]
            },
            weighted_pred: r.flag("weighted_pred_flag")?,
            weighted_bipred_idc: r.u(2, "weighted_bipred_idc")?,
            pic_init_qp: 26 + r.se(-26, 25, "pic_init_qp_minus26")?,
            pic_init_qs: 26 + r.se(-26, 25, "pic_init_qs_minus26")?,
            chroma_qp_offsets: [r.se(-12, 12, "chroma_qp_index_offset")?; 2],
            deblocking_control_present: r.flag("deblocking_filter_control_present_flag")?,
            constrained_intra_pred: r.flag("constrained_intra_pred_flag")?,
            redundant_pic_cnt_present: r.flag("redundant_pic_cnt_present_flag")?,
            transform_8x8: false,
        };
        if r.more_data() {
            pps.transform_8x8 = r.flag("transform_8x8_mode_flag")?;
            const MATRICES: &str = "pic_scaling_matrix_present_flag";
            only(0, r.u(1, MATRICES)?, MATRICES)?;
            pps.chroma_qp_offsets[1] = r.se(-12, 12, "second_chroma_qp_index_offset")?;
        }
        r.trailing("PPS")?;
        Ok(pps)
    }
}
