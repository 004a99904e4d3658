//! Parameter sets, agreement and levels.

use proptest::prelude::*;

use super::super::level::{self, Pictures};
use super::super::sps::PictureOrder;
use super::super::{BitstreamRestriction, Colours, Crop, Format, Pps, Sps, StitchError, Timing, VideoSignal, Vui};
use super::*;

#[test]
fn what_x264_wrote_is_read_and_written_back() {
    for (stream, width_mbs, height_mbs) in [(NOISE, 6, 3), (BARS, 6, 3), (STILL, 6, 1)] {
        let tile = encoded(stream);
        let sps = Sps::parse(&tile.sps).unwrap();
        assert_eq!(sps.write(), tile.sps);
        assert_eq!((sps.width_mbs, sps.height_mbs), (width_mbs, height_mbs));
        assert!(matches!(sps.order, PictureOrder::Sent { .. }));
        assert_eq!((sps.profile_idc, sps.max_num_ref_frames, sps.frame_num_bits), (100, 2, 4));
        let vui = sps.vui.unwrap();
        assert_eq!(
            vui.timing,
            Some(Timing {
                num_units_in_tick: 1,
                time_scale: 60,
                fixed_frame_rate: vui.timing.unwrap().fixed_frame_rate
            })
        );
        let pps = Pps::parse(&tile.pps).unwrap();
        assert!(pps.cabac && pps.transform_8x8 && pps.deblocking_control_present && !pps.weighted_pred);
        assert_eq!(pps.default_active_refs, [2, 1]);
    }
}

#[test]
fn another_size_is_cropped_to_the_pixel() {
    let sps = Sps::parse(&encoded(NOISE).sps).unwrap();
    let canvas = sps.with_size(1920, 1080).unwrap();
    assert_eq!((canvas.width_mbs, canvas.height_mbs), (120, 68));
    assert_eq!(canvas.crop, Some(Crop { bottom: 4, ..Crop::default() }));
    assert_eq!(canvas.vui, sps.vui);
    assert_eq!(Sps::parse(&canvas.write()).unwrap(), canvas);
    assert_eq!(sps.with_size(96, 48).unwrap(), sps);
    for (width, height) in [(0, 48), (96, 47), (1055 * 16 + 2, 48), (96, u32::MAX - 1)] {
        assert!(matches!(sps.with_size(width, height), Err(StitchError::OutOfRange { .. })), "{width}x{height}");
    }
}

#[test]
fn a_tile_may_differ_in_size_level_and_vui_only() {
    let format = canvas(192, 96);
    let tile = encoded(STILL);
    let (sps, pps) = (Sps::parse(&tile.sps).unwrap(), Pps::parse(&tile.pps).unwrap());
    assert_eq!(format.accepts(&sps, &pps), Ok(()));
    assert_eq!(format.accepts(&Sps { level_idc: 51, vui: None, ..sps.clone() }, &pps), Ok(()));
    let refused = |sps: &Sps, pps: &Pps| format.accepts(sps, pps).unwrap_err();
    assert_eq!(
        refused(&Sps { max_num_ref_frames: 3, ..sps.clone() }, &pps),
        StitchError::Disagrees { field: "max_num_ref_frames", canvas: 2, tile: 3 }
    );
    assert_eq!(
        refused(&Sps { frame_num_bits: 5, ..sps.clone() }, &pps).to_string(),
        "log2_max_frame_num is 5 in the tile and 4 in the canvas"
    );
    assert_eq!(
        refused(&sps, &Pps { chroma_qp_offsets: [0, -2], ..pps.clone() }),
        StitchError::Disagrees { field: "second_chroma_qp_index_offset", canvas: 0, tile: -2 }
    );
    assert_eq!(
        refused(&sps, &Pps { transform_8x8: false, ..pps.clone() }),
        StitchError::Disagrees { field: "transform_8x8_mode_flag", canvas: 1, tile: 0 }
    );
}

#[test]
fn a_canvas_that_cannot_be_stitched_is_refused_by_the_field() {
    let tile = encoded(NOISE);
    let (sps, pps) = (Sps::parse(&tile.sps).unwrap(), Pps::parse(&tile.pps).unwrap());
    let of = |sps: Sps, pps: Pps| match Format::new(sps, pps).unwrap_err() {
        StitchError::Unsupported { field, value } => (field, value),
        other => panic!("{other}"),
    };
    assert_eq!(of(sps.clone(), Pps { cabac: false, ..pps.clone() }), ("entropy_coding_mode_flag", 0));
    assert_eq!(of(sps.clone(), Pps { weighted_pred: true, ..pps.clone() }), ("weighted_pred_flag", 1));
    let unsent = Sps { order: PictureOrder::OfDecoding, ..sps.clone() };
    assert_eq!(of(unsent, pps.clone()), ("pic_order_cnt_type", 2));
    let fields = Pps { bottom_field_order_present: true, ..pps.clone() };
    assert_eq!(of(sps.clone(), fields), ("bottom_field_pic_order_in_frame_present_flag", 1));
    let explicit = Pps { weighted_bipred_idc: 1, ..pps.clone() };
    assert_eq!(of(sps.clone(), explicit), ("weighted_bipred_idc", 1));
    let two_offsets = Pps { chroma_qp_offsets: [0, 3], ..pps.clone() };
    assert_eq!(of(sps.clone(), two_offsets), ("second_chroma_qp_index_offset", 3));
    let long_list = Pps { default_active_refs: [1, 17], ..pps.clone() };
    assert_eq!(of(sps.clone(), long_list), ("num_ref_idx_l1_default_active_minus1", 16));
    let huge = Sps { width_mbs: 1055, height_mbs: 1055, ..sps.clone() };
    assert_eq!(of(huge, pps.clone()), ("PicSizeInMbs", 1055 * 1055));
    let stranger = Pps { sps_id: 1, ..pps };
    assert!(matches!(Format::new(sps, stranger), Err(StitchError::OutOfRange { value: 1, .. })));
}

#[test]
fn interlace_and_other_profiles_are_refused() {
    let high = |chroma: u32, frame_mbs_only: u64| {
        let bits = Bits::default().u(8, 0x67).u(8, 100).u(8, 0).u(8, 40).ue(0).ue(chroma).ue(0).ue(0).u(2, 0);
        let bits = bits.ue(0).ue(2).ue(2).u(1, 0).ue(119).ue(67).u(1, frame_mbs_only).u(1, 1).u(2, 0).u(1, 1);
        Sps::parse(&escaped(&bits.bytes()))
    };
    assert_eq!(high(1, 1).unwrap().width_mbs, 120);
    assert_eq!(high(2, 1), Err(StitchError::Unsupported { field: "chroma_format_idc", value: 2 }));
    assert_eq!(high(1, 0), Err(StitchError::Unsupported { field: "frame_mbs_only_flag", value: 0 }));
    let baseline = Sps::parse(&[0x67, 66, 0, 40, 0x80]);
    assert_eq!(baseline, Err(StitchError::Unsupported { field: "profile_idc", value: 66 }));
    assert_eq!(Sps::parse(&[0x68, 100]), Err(StitchError::WrongNal { what: "SPS", byte: 0x68 }));
    assert_eq!(Sps::parse(&[]), Err(StitchError::Ended { field: "nal_unit_header" }));
    let mut longer = encoded(NOISE).sps;
    longer.push(1);
    assert_eq!(Sps::parse(&longer), Err(StitchError::Trailing { what: "SPS" }));
}

#[test]
fn a_level_bounds_the_slices() {
    assert_eq!(level::max_slices(40, 30, 1), Some(136));
    assert_eq!(level::max_slices(41, 30, 1), Some(341));
    assert_eq!(level::max_slices(31, 30, 1), Some(60));
    assert_eq!(level::max_slices(40, 30_000, 1001), Some(136));
    assert_eq!(level::max_slices(43, 30, 1), None);
    let pictures = |width_mbs, height_mbs, fps_num| Pictures { width_mbs, height_mbs, fps_num, fps_den: 1 };
    // Two tiles across: 1080p fits its level as it is, 720p and 540p do not.
    assert_eq!(level::at_least(31, pictures(120, 68, 30), 136), Ok(40));
    assert_eq!(level::at_least(31, pictures(120, 68, 30), 204), Ok(41));
    assert_eq!(level::at_least(31, pictures(80, 46, 30), 92), Ok(32));
    assert_eq!(level::at_least(31, pictures(60, 34, 30), 68), Ok(32));
    assert_eq!(level::at_least(10, pictures(60, 34, 30), 34), Ok(31));
    assert_eq!(level::at_least(40, pictures(120, 68, 60), 136), Ok(42));
    let endless = level::at_least(40, pictures(120, 68, 30), 1 << 20);
    assert_eq!(endless, Err(StitchError::NoLevel { level_idc: 62, what: "the number of slices" }));
    assert!(level::at_least(40, pictures(u32::MAX, u32::MAX, u32::MAX), u32::MAX).is_err());
}

fn some_vui() -> impl Strategy<Value = Vui> {
    let signal = (0u8..8, any::<bool>(), prop::option::of(any::<[u8; 3]>()));
    let restriction = (any::<bool>(), [0u32..17, 0u32..17, 0u32..17, 0u32..17, 0u32..17, 0u32..17]);
    (
        prop::option::of((any::<u8>(), any::<u16>(), any::<u16>())),
        prop::option::of(any::<bool>()),
        prop::option::of(signal),
        prop::option::of((0u8..6, 0u8..6)),
        prop::option::of((any::<u32>(), any::<u32>(), any::<bool>())),
        any::<bool>(),
        prop::option::of(restriction),
    )
        .prop_map(|(aspect, overscan, signal, chroma_location, timing, pic_struct_present, restriction)| Vui {
            aspect_ratio: aspect.map(|(idc, w, h)| if idc == 255 { (idc, w, h) } else { (idc, 0, 0) }),
            overscan,
            video_signal: signal.map(|(format, full_range, colours)| VideoSignal {
                format,
                full_range,
                colours: colours.map(|[primaries, transfer, matrix]| Colours { primaries, transfer, matrix }),
            }),
            chroma_location,
            timing: timing.map(|(num_units_in_tick, time_scale, fixed_frame_rate)| Timing {
                num_units_in_tick,
                time_scale,
                fixed_frame_rate,
            }),
            pic_struct_present,
            restriction: restriction.map(|(over, values)| BitstreamRestriction {
                motion_vectors_over_pic_boundaries: over,
                max_bytes_per_pic_denom: values[0],
                max_bits_per_mb_denom: values[1],
                log2_max_mv_length_horizontal: values[2],
                log2_max_mv_length_vertical: values[3],
                max_num_reorder_frames: values[4],
                max_dec_frame_buffering: values[5],
            }),
        })
}

fn some_sps() -> impl Strategy<Value = Sps> {
    let order =
        prop_oneof![Just(PictureOrder::OfDecoding), (4u32..17).prop_map(|lsb_bits| PictureOrder::Sent { lsb_bits })];
    let crop = prop::option::of((0u32..8, 0u32..8, 0u32..8, 0u32..7));
    (
        (1u8..4, prop::sample::select(vec![77u8, 100]), any::<u8>(), any::<u8>(), 0u32..32),
        (4u32..17, order, 0u32..17, any::<bool>(), 2u32..1056, 2u32..1056, any::<bool>()),
        (crop, prop::option::of(some_vui())),
    )
        .prop_map(|(ids, sizes, (crop, vui))| Sps {
            ref_idc: ids.0,
            profile_idc: ids.1,
            constraints: ids.2,
            level_idc: ids.3,
            id: ids.4,
            frame_num_bits: sizes.0,
            order: sizes.1,
            max_num_ref_frames: sizes.2,
            gaps_in_frame_num_allowed: sizes.3,
            width_mbs: sizes.4,
            height_mbs: sizes.5,
            direct_8x8_inference: sizes.6,
            crop: crop.map(|(left, right, top, bottom)| Crop { left, right, top, bottom }),
            vui,
        })
}

proptest! {
    #[test]
    fn every_sps_is_read_as_it_was_written(sps in some_sps()) {
        let nal = sps.write();
        prop_assert_eq!(&escaped(&unescaped(&nal)), &nal);
        prop_assert_eq!(Sps::parse(&nal), Ok(sps));
    }
}
