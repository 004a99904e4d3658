//! Video usability information (E.1.1).

use super::StitchError;
use super::bits::{BitReader, BitWriter};

/// `aspect_ratio_idc` that is followed by a width and a height (table E-1).
const EXTENDED_SAR: u8 = 255;

/// What an SPS says about showing the pictures. HRD parameters are refused.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vui {
    /// `aspect_ratio_idc`, and the width and height of a sample if it is 255.
    pub aspect_ratio: Option<(u8, u16, u16)>,
    /// `overscan_appropriate_flag`.
    pub overscan: Option<bool>,
    pub video_signal: Option<VideoSignal>,
    /// `chroma_sample_loc_type` of the top and the bottom field.
    pub chroma_location: Option<(u8, u8)>,
    pub timing: Option<Timing>,
    pub pic_struct_present: bool,
    pub restriction: Option<BitstreamRestriction>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VideoSignal {
    /// `video_format` (table E-2).
    pub format: u8,
    pub full_range: bool,
    pub colours: Option<Colours>,
}

/// Colour description (tables E-3 to E-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colours {
    pub primaries: u8,
    pub transfer: u8,
    pub matrix: u8,
}

/// A field lasts `num_units_in_tick / time_scale` seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    pub num_units_in_tick: u32,
    pub time_scale: u32,
    pub fixed_frame_rate: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitstreamRestriction {
    pub motion_vectors_over_pic_boundaries: bool,
    pub max_bytes_per_pic_denom: u32,
    pub max_bits_per_mb_denom: u32,
    pub log2_max_mv_length_horizontal: u32,
    pub log2_max_mv_length_vertical: u32,
    pub max_num_reorder_frames: u32,
    pub max_dec_frame_buffering: u32,
}

impl Vui {
    pub(super) fn read(r: &mut BitReader<'_>) -> Result<Self, StitchError> {
        let mut vui = Self::default();
        if r.flag("aspect_ratio_info_present_flag")? {
            let idc = r.u(8, "aspect_ratio_idc")? as u8;
            let mut size = (0, 0);
            if idc == EXTENDED_SAR {
                size = (r.u(16, "sar_width")? as u16, r.u(16, "sar_height")? as u16);
            }
            vui.aspect_ratio = Some((idc, size.0, size.1));
        }
        if r.flag("overscan_info_present_flag")? {
            vui.overscan = Some(r.flag("overscan_appropriate_flag")?);
        }
        if r.flag("video_signal_type_present_flag")? {
            vui.video_signal = Some(VideoSignal::read(r)?);
        }
        if r.flag("chroma_loc_info_present_flag")? {
            let top = r.ue(5, "chroma_sample_loc_type_top_field")? as u8;
            vui.chroma_location = Some((top, r.ue(5, "chroma_sample_loc_type_bottom_field")? as u8));
        }
        if r.flag("timing_info_present_flag")? {
            vui.timing = Some(Timing {
                num_units_in_tick: r.u(32, "num_units_in_tick")?,
                time_scale: r.u(32, "time_scale")?,
                fixed_frame_rate: r.flag("fixed_frame_rate_flag")?,
            });
        }
        for field in ["nal_hrd_parameters_present_flag", "vcl_hrd_parameters_present_flag"] {
            if r.flag(field)? {
                return Err(StitchError::Unsupported { field, value: 1 });
            }
        }
        vui.pic_struct_present = r.flag("pic_struct_present_flag")?;
        if r.flag("bitstream_restriction_flag")? {
            vui.restriction = Some(BitstreamRestriction::read(r)?);
        }
        Ok(vui)
    }

    pub(super) fn write(&self, w: &mut BitWriter) {
        w.flag(self.aspect_ratio.is_some());
        if let Some((idc, width, height)) = self.aspect_ratio {
            w.u(8, idc.into());
            if idc == EXTENDED_SAR {
                w.u(16, width.into());
                w.u(16, height.into());
            }
        }
        w.flag(self.overscan.is_some());
        if let Some(appropriate) = self.overscan {
            w.flag(appropriate);
        }
        w.flag(self.video_signal.is_some());
        if let Some(signal) = self.video_signal {
            signal.write(w);
        }
        w.flag(self.chroma_location.is_some());
        if let Some((top, bottom)) = self.chroma_location {
            w.ue(top.into());
            w.ue(bottom.into());
        }
        w.flag(self.timing.is_some());
        if let Some(timing) = self.timing {
            w.u(32, timing.num_units_in_tick);
            w.u(32, timing.time_scale);
            w.flag(timing.fixed_frame_rate);
        }
        // Neither NAL nor VCL HRD parameters.
        w.u(2, 0);
        w.flag(self.pic_struct_present);
        w.flag(self.restriction.is_some());
        if let Some(restriction) = self.restriction {
            restriction.write(w);
        }
    }
}

impl VideoSignal {
    fn read(r: &mut BitReader<'_>) -> Result<Self, StitchError> {
        let format = r.u(3, "video_format")? as u8;
        let full_range = r.flag("video_full_range_flag")?;
        let mut colours = None;
        if r.flag("colour_description_present_flag")? {
            colours = Some(Colours {
                primaries: r.u(8, "colour_primaries")? as u8,
                transfer: r.u(8, "transfer_characteristics")? as u8,
                matrix: r.u(8, "matrix_coefficients")? as u8,
            });
        }
        Ok(Self { format, full_range, colours })
    }

    fn write(self, w: &mut BitWriter) {
        w.u(3, u32::from(self.format & 7));
        w.flag(self.full_range);
        w.flag(self.colours.is_some());
        if let Some(colours) = self.colours {
            w.u(8, colours.primaries.into());
            w.u(8, colours.transfer.into());
            w.u(8, colours.matrix.into());
        }
    }
}

impl BitstreamRestriction {
    fn read(r: &mut BitReader<'_>) -> Result<Self, StitchError> {
        Ok(Self {
            motion_vectors_over_pic_boundaries: r.flag("motion_vectors_over_pic_boundaries_flag")?,
            max_bytes_per_pic_denom: r.ue(16, "max_bytes_per_pic_denom")?,
            max_bits_per_mb_denom: r.ue(16, "max_bits_per_mb_denom")?,
            log2_max_mv_length_horizontal: r.ue(16, "log2_max_mv_length_horizontal")?,
            log2_max_mv_length_vertical: r.ue(16, "log2_max_mv_length_vertical")?,
            max_num_reorder_frames: r.ue(16, "max_num_reorder_frames")?,
            max_dec_frame_buffering: r.ue(16, "max_dec_frame_buffering")?,
        })
    }

    fn write(self, w: &mut BitWriter) {
        w.flag(self.motion_vectors_over_pic_boundaries);
        for value in [
            self.max_bytes_per_pic_denom,
            self.max_bits_per_mb_denom,
            self.log2_max_mv_length_horizontal,
            self.log2_max_mv_length_vertical,
            self.max_num_reorder_frames,
            self.max_dec_frame_buffering,
        ] {
            w.ue(value);
        }
    }
}
