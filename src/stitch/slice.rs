//! Slice headers (7.3.3): read, and written again for another place in a picture.

use super::bits::{BitReader, BitWriter};
use super::canned::{Skipped, is_skipped};
use super::sps::only;
use super::{Format, StitchError, level, nal};
use crate::timeline::{GopPicture, PictureKind};

/// Zero bytes that slice data may begin with: a slice of skipped macroblocks alone is hardly anything else, about one for every
/// 210 of them. The largest picture, of 139,264 macroblocks, begins with 660.
const MAX_LEADING_ZEROS: usize = 800;

/// What the macroblocks of a slice may be (`slice_type`, table 7-6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SliceKind {
    I,
    P,
    B,
}

impl SliceKind {
    /// Other kinds, of the Extended profile, are refused.
    const fn of(slice_type: u8) -> Option<Self> {
        match slice_type {
            0 | 5 => Some(Self::P),
            1 | 6 => Some(Self::B),
            2 | 7 => Some(Self::I),
            _ => None,
        }
    }
}

/// What a slice header says, as far as tiles of one [`Format`] can differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceHeader {
    /// `nal_ref_idc`; 0 in B slices and in no others.
    pub ref_idc: u8,
    pub first_mb: u32,
    /// `slice_type` (table 7-6).
    pub slice_type: u8,
    pub kind: SliceKind,
    pub frame_num: u32,
    /// Of an IDR picture, and of no other.
    pub idr_pic_id: Option<u16>,
    /// `pic_order_cnt_lsb`.
    pub order_lsb: u32,
    /// Pictures in reference lists 0 and 1; 0 where there is no list.
    pub active_refs: [u32; 2],
    /// Whether a reference list is not in its initial order (8.2.4.3).
    pub list_modified: bool,
    pub qp: i32,
    /// `disable_deblocking_filter_idc`, 0 when not sent.
    pub deblocking_idc: u8,
    /// 0 in I slices, which have none.
    pub cabac_init_idc: u8,
}

impl SliceHeader {
    /// Reads the slice header of a NAL unit (without length) of type 1 or 5.
    ///
    /// # Errors
    /// What cannot be read, and slices that cannot be stitched: B slices of reference pictures or of temporal direct prediction, other
    /// pictures that are no reference, reference pictures that are marked otherwise than by the sliding window, long-term ones,
    /// another PPS than the format's.
    pub fn parse(format: &Format, nal: &[u8]) -> Result<Self, StitchError> {
        CutSlice::read(format, nal).map(|cut| cut.header)
    }

    /// The NAL unit with another `first_mb_in_slice` and, if it is of an IDR picture, another `idr_pic_id`. Nothing else changes.
    ///
    /// # Errors
    /// Those of [`SliceHeader::parse`], and `first_mb` beyond the largest picture.
    pub fn replace(format: &Format, nal: &[u8], first_mb: u32, idr_pic_id: u16) -> Result<Vec<u8>, StitchError> {
        let cut = CutSlice::read(format, nal)?;
        let max = level::MAX_PICTURE_MBS - 1;
        if first_mb > max {
            let (value, max) = (first_mb.into(), max.into());
            return Err(StitchError::OutOfRange { field: "first_mb_in_slice", value, min: 0, max });
        }
        let mut replaced = Vec::with_capacity(nal.len() + 8);
        cut.write_onto(&mut replaced, &mut Vec::new(), nal[0], first_mb, idr_pic_id)?;
        replaced.extend_from_slice(&nal[cut.rest..]);
        Ok(replaced)
    }
}

/// A slice as it is cut for another header: what must be written anew, and the slice data that stays as it is.
#[derive(Clone, Debug)]
pub(super) struct CutSlice<'a> {
    pub(super) header: SliceHeader,
    /// Just after `first_mb_in_slice`.
    after_first_mb: BitReader<'a>,
    /// RBSP bits from there to `idr_pic_id`, or to the header's end where there is none.
    bits_before_id: u64,
    /// RBSP bits after `idr_pic_id` to the header's end.
    bits_after_id: u64,
    /// At the slice data.
    data: BitReader<'a>,
    /// The slice data's first bytes up to the first that is not zero: how many are zero, and the one that is not. Whether one of them needs an emulation-prevention byte hangs
    /// on the header before them; after a byte that is not zero nothing does.
    lead: (usize, u8),
    /// Where in the NAL unit the bytes begin that are copied as they are.
    pub(super) rest: usize,
}

impl<'a> CutSlice<'a> {
    /// Reads the header of a NAL unit (without length) of type 1 or 5.
    pub(super) fn read(format: &Format, nal: &'a [u8]) -> Result<Self, StitchError> {
        let mut r = BitReader::new(nal);
        let byte = r.u(8, "nal_unit_header")? as u8;
        let (ref_idc, nal_type) = (byte >> 5 & 3, byte & 31);
        if byte & 0x80 != 0 || !matches!(nal_type, nal::SLICE | nal::IDR_SLICE) {
            return Err(StitchError::WrongNal { what: "slice", byte });
        }
        let idr = nal_type == nal::IDR_SLICE;
        let first_mb = r.ue(level::MAX_PICTURE_MBS - 1, "first_mb_in_slice")?;
        let after_first_mb = r;
        let slice_type = r.ue(9, "slice_type")? as u8;
        let kind = SliceKind::of(slice_type).filter(|kind| !idr || *kind == SliceKind::I);
        let Some(kind) = kind else {
            return Err(StitchError::Unsupported { field: "slice_type", value: slice_type.into() });
        };
        if (ref_idc == 0) != (kind == SliceKind::B) {
            return Err(StitchError::Unsupported { field: "nal_ref_idc", value: ref_idc.into() });
        }
        only(format.pps().id, r.ue(255, "pic_parameter_set_id")?, "pic_parameter_set_id")?;
        let frame_num = r.u(format.sps().frame_num_bits, "frame_num")?;
        let bits_before_id = r.position() - after_first_mb.position();
        let idr_pic_id = if idr { Some(r.ue(u16::MAX.into(), "idr_pic_id")? as u16) } else { None };
        let after_id = r.position();
        let order_lsb = r.u(format.order_bits(), "pic_order_cnt_lsb")?;
        if kind == SliceKind::B {
            const DIRECT: &str = "direct_spatial_mv_pred_flag";
            only(1, r.u(1, DIRECT)?, DIRECT)?;
        }
        let (active_refs, list_modified) = read_references(format, &mut r, kind)?;
        if ref_idc > 0 {
            read_marking(&mut r, idr)?;
        }
        let cabac_init_idc = if kind == SliceKind::I { 0 } else { r.ue(2, "cabac_init_idc")? as u8 };
        let init = format.pps().pic_init_qp;
        let qp = init + r.se(-init, 51 - init, "slice_qp_delta")?;
        let deblocking_idc = if format.pps().deblocking_control_present { read_deblocking(&mut r)? } else { 0 };
        let bits_after_id = r.position() - after_id;
        r.align_with_ones()?;
        let data = r;
        let lead = read_lead(&mut r)?;
        let header = SliceHeader {
            ref_idc,
            first_mb,
            slice_type,
            kind,
            frame_num,
            idr_pic_id,
            order_lsb,
            active_refs,
            list_modified,
            qp,
            deblocking_idc,
            cabac_init_idc,
        };
        Ok(Self { header, after_first_mb, bits_before_id, bits_after_id, data, lead, rest: r.raw_position() })
    }

    /// Whether it is `macroblocks` skipped macroblocks and nothing else, which show the first pictures of the initial lists.
    pub(super) fn is_skipped(&self, macroblocks: u32) -> bool {
        let SliceHeader { kind, list_modified, qp, cabac_init_idc, .. } = self.header;
        let kind = match kind {
            SliceKind::I => return false,
            SliceKind::P => Skipped::P,
            SliceKind::B => Skipped::B,
        };
        let mut data = self.data;
        let rbsp = std::iter::from_fn(|| Some(data.u(8, "slice_data").ok()? as u8));
        !list_modified && is_skipped(kind, macroblocks, qp, cabac_init_idc.into(), rbsp)
    }

    /// The NAL unit up to [`CutSlice::rest`] as a slice of `picture`, which is no IDR picture: its place among reference pictures and in the order of
    /// showing. An I slice of an IDR picture becomes one of a reference picture like others; the type says nothing of the picture's other slices.
    pub(super) fn head_in(&self, format: &Format, picture: GopPicture) -> Result<Vec<u8>, StitchError> {
        const FIELD: &str = "slice_header";
        let (frame_num_bits, order_bits) = (format.sps().frame_num_bits, format.order_bits());
        let wrapped = |value: u32, bits: u32| value & ((1 << bits) - 1);
        let nal_header = if picture.kind == PictureKind::B { nal::SLICE } else { 2 << 5 | nal::SLICE };
        let mut r = self.after_first_mb;
        let slice_type = r.ue(9, FIELD)?;
        let pps_id = r.ue(255, FIELD)?;
        r.u(frame_num_bits, FIELD)?;
        let mut left = self.bits_after_id.saturating_sub(order_bits.into());
        let is_idr = self.header.idr_pic_id.is_some();
        if is_idr {
            r.ue(u16::MAX.into(), FIELD)?;
        }
        r.u(order_bits, FIELD)?;
        let mut w = BitWriter::default();
        w.u(8, nal_header.into());
        w.ue(self.header.first_mb);
        w.ue(slice_type % 5);
        w.ue(pps_id);
        w.u(frame_num_bits, wrapped(picture.references, frame_num_bits));
        w.u(order_bits, wrapped(2 * picture.shown, order_bits));
        if is_idr {
            // no_output_of_prior_pics_flag and long_term_reference_flag, for which adaptive_ref_pic_marking_mode_flag comes.
            r.u(2, FIELD)?;
            left = left.saturating_sub(2);
            w.flag(false);
        }
        w.copy(&mut r, left, FIELD)?;
        w.align_with_ones();
        Ok(self.escaped_with_lead(w.into_bytes()))
    }

    /// The bytes of a header, with the first bytes of slice data behind it.
    fn escaped_with_lead(&self, mut rbsp: Vec<u8>) -> Vec<u8> {
        let (zeros, byte) = self.lead;
        rbsp.resize(rbsp.len() + zeros, 0);
        rbsp.push(byte);
        let mut escaped = Vec::with_capacity(rbsp.len() + 2);
        nal::escape_onto(&mut escaped, &rbsp);
        escaped
    }

    /// Appends the NAL unit up to [`CutSlice::rest`] with another `first_mb_in_slice` and, in an IDR picture, another `idr_pic_id`.
    /// `nal_header` is the NAL unit's first byte.
    pub(super) fn write_onto(
        &self,
        out: &mut Vec<u8>,
        scratch: &mut Vec<u8>,
        nal_header: u8,
        first_mb: u32,
        idr_pic_id: u16,
    ) -> Result<(), StitchError> {
        const FIELD: &str = "slice_header";
        let mut w = BitWriter::reusing(std::mem::take(scratch));
        w.u(8, nal_header.into());
        w.ue(first_mb);
        let mut r = self.after_first_mb;
        w.copy(&mut r, self.bits_before_id, FIELD)?;
        if self.header.idr_pic_id.is_some() {
            r.ue(u16::MAX.into(), FIELD)?;
            w.ue(idr_pic_id.into());
        }
        w.copy(&mut r, self.bits_after_id, FIELD)?;
        w.align_with_ones();
        *scratch = w.into_bytes();
        let (zeros, byte) = self.lead;
        scratch.resize(scratch.len() + zeros, 0);
        scratch.push(byte);
        nal::escape_onto(out, scratch);
        Ok(())
    }
}

/// From `num_ref_idx_active_override_flag` through `ref_pic_list_modification()` (7.3.3.1) of a slice that has lists: how many pictures
/// each has, and whether one is modified.
fn read_references(format: &Format, r: &mut BitReader<'_>, kind: SliceKind) -> Result<([u32; 2], bool), StitchError> {
    const ACTIVE: [&str; 2] = ["num_ref_idx_l0_active_minus1", "num_ref_idx_l1_active_minus1"];
    const MODIFIED: [&str; 2] = ["ref_pic_list_modification_flag_l0", "ref_pic_list_modification_flag_l1"];
    let lists = match kind {
        SliceKind::I => return Ok(([0; 2], false)),
        SliceKind::P => 1,
        SliceKind::B => 2,
    };
    let overridden = r.flag("num_ref_idx_active_override_flag")?;
    let mut active_refs = [0; 2];
    for ((active, default), field) in
        active_refs.iter_mut().zip(format.pps().default_active_refs).zip(ACTIVE).take(lists)
    {
        *active = if overridden { 1 + r.ue(15, field)? } else { default };
    }
    let mut list_modified = false;
    for (active, field) in active_refs.into_iter().zip(MODIFIED).take(lists) {
        if r.flag(field)? {
            list_modified = true;
            read_modifications(format, r, active)?;
        }
    }
    Ok((active_refs, list_modified))
}

fn read_modifications(format: &Format, r: &mut BitReader<'_>, active: u32) -> Result<(), StitchError> {
    const IDC: &str = "modification_of_pic_nums_idc";
    let max_difference = (1 << format.sps().frame_num_bits) - 1;
    for changes in 0.. {
        match r.ue(3, IDC)? {
            3 => break,
            2 => return Err(StitchError::Unsupported { field: IDC, value: 2 }),
            _ if changes == active => {
                return Err(StitchError::OutOfRange { field: IDC, value: 0, min: 3, max: 3 });
            }
            _ => _ = r.ue(max_difference, "abs_diff_pic_num_minus1")?,
        }
    }
    Ok(())
}

/// `dec_ref_pic_marking()` (7.3.3.3). It must be the same in all slices of a picture, so only the sliding window stitches.
fn read_marking(r: &mut BitReader<'_>, idr: bool) -> Result<(), StitchError> {
    const OF_IDR: &[&str] = &["no_output_of_prior_pics_flag", "long_term_reference_flag"];
    const OF_OTHERS: &[&str] = &["adaptive_ref_pic_marking_mode_flag"];
    for &field in if idr { OF_IDR } else { OF_OTHERS } {
        only(0, r.u(1, field)?, field)?;
    }
    Ok(())
}

fn read_deblocking(r: &mut BitReader<'_>) -> Result<u8, StitchError> {
    let idc = r.ue(2, "disable_deblocking_filter_idc")? as u8;
    if idc != 1 {
        r.se(-6, 6, "slice_alpha_c0_offset_div2")?;
        r.se(-6, 6, "slice_beta_offset_div2")?;
    }
    Ok(idc)
}

fn read_lead(r: &mut BitReader<'_>) -> Result<(usize, u8), StitchError> {
    for zeros in 0..=MAX_LEADING_ZEROS {
        let byte = r.u(8, "slice_data")? as u8;
        if byte != 0 {
            return Ok((zeros, byte));
        }
    }
    Err(StitchError::ZeroRun { max: MAX_LEADING_ZEROS })
}
