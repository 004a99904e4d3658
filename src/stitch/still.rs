//! Pictures that no encoder made: of one colour, or the same as the ones before.

use bytes::Bytes;

use super::bits::BitWriter;
use super::canned::{KEPT_CABAC_INIT_IDC, KEPT_QP, Skipped, flat, flat_qp, kept_skipped, skipped};
use super::{Format, nal};
use crate::timeline::{Gop, GopPicture, PictureKind};

/// A segment of a tile of `width_mbs` macroblocks and one row, all of `colour` (Y, Cb, Cr): access units in the order of coding.
pub fn still(format: &Format, gop: &Gop, width_mbs: u32, colour: [u8; 3]) -> Vec<Bytes> {
    gop.pictures().iter().map(|picture| unit(format, *picture, (width_mbs, 1), colour)).collect()
}

/// The picture `picture` of a canvas in one slice: a P picture shows the reference picture before it, a B picture what lies between its two.
/// An IDR picture, which nothing comes before, is all of `colour`.
pub fn held(format: &Format, picture: GopPicture, colour: [u8; 3]) -> Bytes {
    unit(format, picture, (format.width_mbs(), format.height_mbs()), colour)
}

/// An access unit of one slice. `colour` is that of an IDR picture.
fn unit(format: &Format, picture: GopPicture, (width_mbs, height_mbs): (u32, u32), colour: [u8; 3]) -> Bytes {
    let qp = flat_qp(format.pps().chroma_qp_offsets[0]);
    let macroblocks = width_mbs.saturating_mul(height_mbs);
    let data = match picture.kind {
        PictureKind::Idr => flat(width_mbs, height_mbs, colour, qp, format.pps().chroma_qp_offsets[0]),
        PictureKind::P => skipped(Skipped::P, macroblocks, qp, KEPT_CABAC_INIT_IDC),
        PictureKind::B => skipped(Skipped::B, macroblocks, qp, KEPT_CABAC_INIT_IDC),
    };
    let mut rbsp = header(format, picture, 0, qp);
    rbsp.extend_from_slice(&data);
    // The length comes when it is known.
    let mut out = vec![0; 4];
    nal::escape_onto(&mut out, &rbsp);
    // As many bytes as a slice of skipped macroblocks has are far below 2^32.
    let length = (out.len() - 4) as u32;
    out[..4].copy_from_slice(&length.to_be_bytes());
    out.into()
}

/// A NAL unit without its length: one slice of `width_mbs` by `height_mbs` skipped macroblocks. `picture` is a P or B picture.
pub(super) fn skipped_unit(format: &Format, picture: GopPicture, (width_mbs, height_mbs): (u32, u32)) -> Bytes {
    unit(format, picture, (width_mbs, height_mbs), [0; 3]).slice(4..)
}

/// Appends a slice of `macroblocks` skipped macroblocks from `first_mb` on, at most as many as are kept, with its length. `picture` is a P
/// or B picture.
pub(super) fn append_skipped(out: &mut Vec<u8>, format: &Format, picture: GopPicture, first_mb: u32, macroblocks: u32) {
    let kind = if picture.kind == PictureKind::B { Skipped::B } else { Skipped::P };
    let mut rbsp = header(format, picture, first_mb, KEPT_QP);
    rbsp.extend_from_slice(kept_skipped(kind, macroblocks));
    let begin = out.len();
    out.extend_from_slice(&[0; 4]);
    nal::escape_onto(out, &rbsp);
    // Far below 2^32.
    let length = (out.len() - begin - 4) as u32;
    out[begin..begin + 4].copy_from_slice(&length.to_be_bytes());
}

/// NAL unit header and slice header (7.3.3) up to the slice data. The type says nothing of the picture's other slices.
fn header(format: &Format, picture: GopPicture, first_mb: u32, qp: i32) -> Vec<u8> {
    const I: u32 = 2;
    const P: u32 = 0;
    const B: u32 = 1;
    let (nal_header, slice_type, lists) = match picture.kind {
        PictureKind::Idr => (3 << 5 | nal::IDR_SLICE, I, 0),
        PictureKind::P => (2 << 5 | nal::SLICE, P, 1),
        PictureKind::B => (nal::SLICE, B, 2),
    };
    let wrapped = |value: u32, bits: u32| value & ((1 << bits) - 1);
    let mut w = BitWriter::default();
    w.u(8, nal_header.into());
    w.ue(first_mb);
    w.ue(slice_type);
    w.ue(format.pps().id);
    let frame_num_bits = format.sps().frame_num_bits;
    w.u(frame_num_bits, wrapped(picture.references, frame_num_bits));
    if picture.kind == PictureKind::Idr {
        // idr_pic_id
        w.ue(0);
    }
    w.u(format.order_bits(), wrapped(2 * picture.shown, format.order_bits()));
    if picture.kind == PictureKind::B {
        // direct_spatial_mv_pred_flag
        w.flag(true);
    }
    if lists > 0 {
        // num_ref_idx_active_override_flag: one picture a list.
        let overrides = format.pps().default_active_refs.iter().take(lists).any(|refs| *refs != 1);
        w.flag(overrides);
        for _ in 0..if overrides { lists } else { 0 } {
            w.ue(0);
        }
        for _ in 0..lists {
            // ref_pic_list_modification_flag
            w.flag(false);
        }
    }
    match picture.kind {
        // no_output_of_prior_pics_flag and long_term_reference_flag, or adaptive_ref_pic_marking_mode_flag
        PictureKind::Idr => w.u(2, 0),
        PictureKind::P => w.flag(false),
        PictureKind::B => {}
    }
    if lists > 0 {
        w.ue(KEPT_CABAC_INIT_IDC);
    }
    w.se(qp - format.pps().pic_init_qp);
    if format.pps().deblocking_control_present {
        // disable_deblocking_filter_idc: there is nothing to smooth.
        w.ue(1);
    }
    w.align_with_ones();
    w.into_bytes()
}
