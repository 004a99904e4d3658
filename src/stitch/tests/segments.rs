//! Tiles, plans and mosaics.

use std::sync::Arc;

use proptest::prelude::*;

use super::super::{Format, Place, Placed, Plan, StitchError, Stitched};
use super::*;

const fn place(x_mb: u32, y_mb: u32, width_mbs: u32, height_mbs: u32) -> Place {
    Place { x_mb, y_mb, width_mbs, height_mbs }
}

fn at(tile: &TileBlock, place: Place) -> Arc<Placed> {
    tile.placed(place.x_mb, place.y_mb, place.height_mbs).unwrap()
}

/// A slice with another `first_mb_in_slice` and, of an IDR picture, `idr_pic_id` 1, the plain way.
fn plainly_rewritten(nal: &[u8], first_mb: u32) -> Vec<u8> {
    let bits = Bits::of(&unescaped(nal));
    let (_, after_first_mb) = bits.ue_at(8);
    let (slice_type, after_type) = bits.ue_at(after_first_mb);
    let lists = if slice_type % 5 == 1 { 2 } else { 1 };
    // pic_parameter_set_id, then frame_num.
    let mut at = bits.ue_at(after_type).1 + 4;
    let mut made = Bits(bits.0[..8].to_vec()).ue(first_mb);
    made.0.extend(&bits.0[after_first_mb..at]);
    if nal[0] & 31 == 5 {
        made = made.ue(1);
        at = bits.ue_at(at).1;
    }
    let data = header_end(&bits, at, nal[0] & 31 == 5, lists);
    made.0.extend(&bits.0[at..data]);
    let mut made = made.align(true);
    made.0.extend(&bits.0[data.next_multiple_of(8)..]);
    escaped(&made.bytes())
}

/// The bit after the header, of which `at` comes after `frame_num` and `idr_pic_id`, as libx264 writes it.
fn header_end(bits: &Bits, mut at: usize, idr: bool, lists: usize) -> usize {
    let order_bits = Sps::parse(&encoded(NOISE).sps).unwrap().order.lsb_bits() as usize;
    // pic_order_cnt_lsb
    at += order_bits;
    if idr {
        at += 2;
    } else {
        // direct_spatial_mv_pred_flag
        at += usize::from(lists == 2);
        at += 1;
        if bits.0[at - 1] {
            at = (0..lists).fold(at, |at, _| bits.ue_at(at).1);
        }
        assert!(bits.0[at..at + lists].iter().all(|modified| !modified), "libx264 has modified a list");
        // Those flags and, of reference pictures, adaptive_ref_pic_marking_mode_flag, then cabac_init_idc.
        at = bits.ue_at(at + lists + usize::from(lists == 1)).1;
    }
    // slice_qp_delta, disable_deblocking_filter_idc and its two offsets.
    let (_, at) = bits.ue_at(at);
    let (idc, at) = bits.ue_at(at);
    if idc == 1 { at } else { bits.ue_at(bits.ue_at(at).1).1 }
}

/// What the stitched mosaic is made of.
fn bytes(stitched: &Stitched) -> (Vec<u8>, Vec<u32>) {
    let mut out = Vec::with_capacity(1 + stitched.total());
    let room = out.capacity();
    out.push(9);
    stitched.append_to(&mut out);
    assert_eq!(out.capacity(), room, "what is kept takes what it says");
    assert_eq!(out.remove(0), 9);
    assert_eq!(out.len(), stitched.total());
    (out, stitched.sizes().collect())
}

#[test]
fn two_tiles_and_fillers_are_what_the_plain_way_gives() {
    let format = canvas(224, 80);
    let places = [place(1, 0, 6, 3), place(8, 2, 6, 3)];
    let plan = Plan::new(&format, &places, Slices::PerRow, 60).unwrap();
    let fillers = [place(0, 0, 1, 3), place(7, 0, 7, 2), place(7, 2, 1, 1), place(0, 3, 8, 2)];
    assert_eq!(plan.fillers(), fillers);
    // No still tile has these widths; the fixtures' one stands for all of them, since nothing is decoded here.
    let (noise, bars) = (segment(&format, NOISE, 3), segment(&format, BARS, 3));
    let mut inputs = vec![at(&noise, places[0]), at(&bars, places[1])];
    let stills: Vec<TileBlock> = fillers
        .iter()
        .map(|f| TileBlock::index(&format, rows(f.width_mbs, 1), 1, &encoded(STILL).units, &gop(FRAMES), None).unwrap())
        .collect();
    inputs.extend(stills.iter().zip(fillers).map(|(still, place)| at(still, place)));
    let (made, sizes) = bytes(&Stitched::new(&plan, inputs).unwrap());

    let streams = [NOISE, BARS, STILL].map(encoded);
    let mut from = 0;
    for (unit, size) in sizes.into_iter().enumerate() {
        let mut expected: Vec<(u32, Vec<u8>)> = Vec::new();
        for (input, place) in plan.inputs().iter().enumerate() {
            let tile = nals(&streams[input.min(2)].units[unit]);
            for row in 0..place.height_mbs {
                let first_mb = (place.y_mb + row) * 14 + place.x_mb;
                let nal = tile[if input < 2 { row as usize } else { 0 }];
                expected.push((first_mb, with_length(&plainly_rewritten(nal, first_mb))));
            }
        }
        expected.sort();
        let expected: Vec<u8> = expected.into_iter().flat_map(|(_, nal)| nal).collect();
        let to = from + size as usize;
        assert!(made[from..to] == expected, "access unit {unit}");
        from = to;
    }
    assert_eq!(from, made.len());
}

/// A mosaic's pictures in runs, joined, and all at once: bytes, sizes, and slices that others stand in for.
fn in_runs(plan: &Plan, inputs: &[Arc<Placed>], ends: &[usize]) -> [(Vec<u8>, Vec<u32>, usize); 2] {
    let mut joined = (Vec::new(), Vec::new(), 0);
    let mut from = 0;
    for to in ends {
        let run = Stitched::run(plan, inputs.to_vec(), from..*to).unwrap();
        let (made, sizes) = bytes(&run);
        joined.0.extend(made);
        joined.1.extend(sizes);
        joined.2 += run.merged_slices();
        from = *to;
    }
    let whole = Stitched::new(plan, inputs.to_vec()).unwrap();
    let (made, sizes) = bytes(&whole);
    [joined, (made, sizes, whole.merged_slices())]
}

#[test]
fn pictures_are_the_same_in_runs_as_all_at_once() {
    // A tile in the middle of which some pictures are held, and background on all sides.
    let (format, pattern) = (canvas(192, 96), gop(FRAMES));
    let plan = Plan::new(&format, &[place(3, 2, 6, 3)], Slices::PerRow, 60).unwrap();
    let hold = segment(&format, STILL, 1);
    let tile = TileBlock::index(&format, rows(6, 3), 1, &encoded(NOISE).units[..5], &pattern, Some(&hold)).unwrap();
    let mut inputs = vec![at(&tile, place(3, 2, 6, 3))];
    for filler in plan.fillers() {
        let units = super::super::still(&format, &pattern, filler.width_mbs, [16, 128, 128]);
        let still = TileBlock::index(&format, rows(filler.width_mbs, 1), 1, &units, &pattern, None).unwrap();
        inputs.push(at(&still, *filler));
    }
    for ends in [&[1, FRAMES][..], &[2, 3, 6, FRAMES + 9], &[0, 1, 1, 4, FRAMES]] {
        let [joined, whole] = in_runs(&plan, &inputs, ends);
        assert!(joined == whole, "{ends:?}");
        assert!(whole.2 > 0, "slices are merged in it");
    }
    // One tile alone goes another way.
    let alone = canvas(96, 48);
    let plan = Plan::new(&alone, &[place(0, 0, 6, 3)], Slices::PerRow, 60).unwrap();
    let noise = [at(&segment(&alone, NOISE, 3), place(0, 0, 6, 3))];
    let [joined, whole] = in_runs(&plan, &noise, &[1, 3, FRAMES]);
    assert!(joined == whole);
}

/// `first_mb_in_slice` of the NAL units of an access unit.
fn first_mbs(unit: &[u8]) -> Vec<u32> {
    nals(unit).iter().map(|nal| Bits::of(&unescaped(nal)).ue_at(8).0).collect()
}

#[test]
fn skipped_slices_that_follow_each_other_become_one() {
    // A tile in the middle, and background on all sides.
    let format = canvas(192, 96);
    let tile_place = place(3, 2, 6, 3);
    let plan = Plan::new(&format, &[tile_place], Slices::PerRow, 60).unwrap();
    let pattern = gop(FRAMES);
    let stills: Vec<TileBlock> = plan
        .fillers()
        .iter()
        .map(|f| {
            let units = super::super::still(&format, &pattern, f.width_mbs, [16, 128, 128]);
            TileBlock::index(&format, rows(f.width_mbs, 1), 1, &units, &pattern, None).unwrap()
        })
        .collect();
    let noise = encoded(NOISE).units;
    let stitched = |own: usize| {
        let hold = segment(&format, STILL, 1);
        let tile = TileBlock::index(&format, rows(6, 3), 1, &noise[..own], &pattern, Some(&hold)).unwrap();
        let mut inputs = vec![at(&tile, tile_place)];
        inputs.extend(stills.iter().zip(plan.fillers()).map(|(still, place)| at(still, *place)));
        Stitched::new(&plan, inputs).unwrap()
    };
    let made = stitched(FRAMES);
    let (all, sizes) = bytes(&made);
    let mut begin = 0;
    for (unit, size) in sizes.iter().enumerate() {
        let unit_bytes = &all[begin..begin + *size as usize];
        begin += *size as usize;
        let apart = [0, 12, 24, 27, 33, 36, 39, 45, 48, 51, 57, 60];
        let together = [0, 27, 33, 39, 45, 51, 57];
        let expected: &[u32] = if unit == 0 { &apart } else { &together };
        assert_eq!(first_mbs(unit_bytes), expected, "access unit {unit}");
        // The tile's own slices are what they were.
        for (row, nal) in nals(&noise[unit]).into_iter().enumerate() {
            let first_mb = 27 + 12 * row as u32;
            assert!(nals(unit_bytes).contains(&&*plainly_rewritten(nal, first_mb)), "access unit {unit}, row {row}");
        }
    }
    // Three, two, two and two slices a picture.
    assert_eq!(made.merged_slices(), (3 + 2 + 2 + 2) * (FRAMES - 1));
    // All of a picture that is held is one slice.
    let (held, sizes) = bytes(&stitched(1));
    let second = &held[sizes[0] as usize..][..sizes[1] as usize];
    assert_eq!(first_mbs(second), [0]);
}

#[test]
fn a_tile_that_is_the_canvas_stays_what_it_was_but_for_its_idr_pic_id() {
    let format = canvas(96, 48);
    let plan = Plan::new(&format, &[place(0, 0, 6, 3)], Slices::PerRow, 3).unwrap();
    let tile = encoded(BARS);
    let segment = TileBlock::index(&format, rows(6, 3), 0, &tile.units, &gop(FRAMES), None).unwrap();
    let (made, sizes) = bytes(&Stitched::new(&plan, vec![at(&segment, place(0, 0, 6, 3))]).unwrap());
    assert_eq!(made, tile.units.concat());
    assert_eq!(sizes, tile.units.iter().map(|unit| unit.len() as u32).collect::<Vec<_>>());
}

#[test]
fn one_slice_a_picture_is_for_the_canvas_and_may_be_held() {
    let format = canvas(96, 16);
    let whole = TileShape { width_mbs: 6, height_mbs: 1, slices: Slices::Whole };
    let still = segment(&format, STILL, 1);
    let units = encoded(STILL).units;
    let tile = TileBlock::index(&format, whole, 1, &units[..2], &gop(FRAMES), Some(&still)).unwrap();
    assert_eq!((tile.frames(), tile.held_frames()), (7, 5));
    let canvas_place = place(0, 0, 6, 1);
    let plan = Plan::new(&format, &[canvas_place], Slices::Whole, 1).unwrap();
    assert_eq!(
        bytes(&Stitched::new(&plan, vec![at(&tile, canvas_place)]).unwrap()),
        bytes(&Stitched::new(&plan, vec![at(&still, canvas_place)]).unwrap())
    );
    let larger = canvas(96, 48);
    let refused = TileBlock::index(&larger, whole, 1, &units, &gop(FRAMES), None);
    assert_eq!(refused.unwrap_err(), StitchError::WholeIsNotCanvas);
    assert_eq!(Plan::new(&larger, &[canvas_place], Slices::Whole, 9), Err(StitchError::WholeIsNotCanvas));
    // Three rows in one slice, of which the rest are held in three.
    let one = TileShape { width_mbs: 6, height_mbs: 3, slices: Slices::Whole };
    let held = TileBlock::index(&larger, one, 1, &units[..1], &gop(FRAMES), Some(&segment(&larger, STILL, 1))).unwrap();
    let plan = Plan::new(&larger, &[place(0, 0, 6, 3)], Slices::Whole, 1).unwrap();
    let (made, sizes) = bytes(&Stitched::new(&plan, vec![at(&held, place(0, 0, 6, 3))]).unwrap());
    let types: Vec<u8> = nals(&made).iter().map(|nal| nal[0] & 31).collect();
    assert_eq!(types, [&[5][..], &[1; 18]].concat());
    assert_eq!(sizes.len(), FRAMES);
}

#[test]
fn what_an_encoder_did_not_make_is_held() {
    let format = canvas(192, 96);
    let still = segment(&format, STILL, 1);
    let (noise, stills) = (encoded(NOISE).units, encoded(STILL).units);
    for own in 1..FRAMES {
        let tile = TileBlock::index(&format, rows(6, 3), 1, &noise[..own], &gop(FRAMES), Some(&still)).unwrap();
        assert_eq!((tile.frames(), tile.held_frames()), (FRAMES, FRAMES - own));
        let (x_mb, y_mb) = (6, 2);
        let placed = tile.placed(x_mb, y_mb, 3).unwrap();
        let plan = Plan::new(&format, &[placed.place()], Slices::PerRow, 60).unwrap();
        let mut inputs = vec![placed];
        for f in plan.fillers().to_vec() {
            let units = &encoded(STILL).units;
            inputs.push(at(&TileBlock::index(&format, rows(f.width_mbs, 1), 1, units, &gop(FRAMES), None).unwrap(), f));
        }
        let (made, sizes) = bytes(&Stitched::new(&plan, inputs).unwrap());
        let mut begin = 0;
        for (unit, size) in sizes.iter().enumerate() {
            let made = &made[begin..begin + *size as usize];
            begin += *size as usize;
            if unit >= own {
                // What is held is skipped as what is beside it is. Stills of the canvas's width are not: nothing has their data here.
                assert_eq!(first_mbs(made), [0, 12, 24, 60], "unit {unit}");
                continue;
            }
            for (row, nal) in nals(&noise[unit]).into_iter().enumerate() {
                let first_mb = (y_mb + row as u32) * 12 + x_mb;
                assert!(nals(made).contains(&&*plainly_rewritten(nal, first_mb)), "unit {unit}, row {row}");
            }
        }
        // By itself it is as many slices as the tile has rows.
        let canvas = canvas(96, 48);
        let still = segment(&canvas, STILL, 1);
        let tile = TileBlock::index(&canvas, rows(6, 3), 1, &noise[..own], &gop(FRAMES), Some(&still)).unwrap();
        let plan = Plan::new(&canvas, &[place(0, 0, 6, 3)], Slices::PerRow, 60).unwrap();
        let made = bytes(&Stitched::new(&plan, vec![at(&tile, place(0, 0, 6, 3))]).unwrap()).0;
        let made = nals(&made);
        assert_eq!(made.len(), 3 * FRAMES);
        for (k, nal) in made.iter().enumerate() {
            let (unit, row) = (k / 3, k % 3);
            let source = if unit < own { nals(&noise[unit])[row] } else { nals(&stills[unit])[0] };
            assert_eq!(*nal, plainly_rewritten(source, row as u32 * 6), "unit {unit}, row {row}");
        }
    }
    let index =
        |units: &[Bytes], hold| TileBlock::index(&format, rows(6, 3), 1, units, &gop(FRAMES), hold).unwrap_err();
    assert_eq!(index(&noise[..2], None), StitchError::UnitCount { got: 2, expected: 7 });
    assert_eq!(index(&[], None), StitchError::UnitCount { got: 0, expected: 7 });
    let tall = segment(&format, NOISE, 3);
    let why = "it is not of the same width and one row high";
    assert_eq!(index(&noise[..2], Some(&tall)), StitchError::Hold { why });
    let short = TileBlock::index(&format, rows(6, 1), 1, &stills[..1], &gop(1), None).unwrap();
    assert_eq!(index(&noise[..2], Some(&short)), StitchError::Hold { why: "it has other pictures" });
    let other = segment(&canvas(192, 192), STILL, 1);
    assert_eq!(index(&noise[..2], Some(&other)), StitchError::Hold { why: "it is made for another canvas" });
}

#[test]
fn a_tile_out_of_step_is_refused() {
    let format = canvas(192, 96);
    let units = encoded(NOISE).units;
    let still = segment(&format, STILL, 1);
    let index = |units: &[Bytes]| TileBlock::index(&format, rows(6, 3), 0, units, &gop(units.len()), None).unwrap_err();
    let in_order = |order: &[usize]| {
        let units: Vec<Bytes> = order.iter().map(|k| units[*k].clone()).collect();
        TileBlock::index(&format, rows(6, 3), 0, &units, &gop(FRAMES), Some(&still))
    };
    for (order, field, got, expected) in [
        (&[1][..], "whether it is of an IDR picture", 0, 1),
        (&[0, 0], "whether it is of an IDR picture", 1, 0),
        // The P picture after next, and a B picture in place of a P picture.
        (&[0, 4], "frame_num", 2, 1),
        (&[0, 2], "frame_num", 2, 1),
        (&[0, 1, 4], "whether it is a P slice", 1, 0),
        (&[0, 1, 3], "pic_order_cnt_lsb", 4, 2),
    ] {
        let unit = order.len() - 1;
        let error = in_order(order).unwrap_err();
        assert_eq!(error, StitchError::Slice { unit, slice: 0, field, got, expected }, "{order:?}");
    }
    let slices = nals(&units[0]);
    let unit = |order: &[usize]| Bytes::from(order.iter().flat_map(|k| with_length(slices[*k])).collect::<Vec<_>>());
    assert_eq!(index(&[unit(&[0, 1])]), StitchError::SliceCount { unit: 0, got: 2, expected: 3 });
    assert_eq!(index(&[unit(&[0, 1, 2, 2])]), StitchError::SliceCount { unit: 0, got: 4, expected: 3 });
    let field = "first_mb_in_slice";
    assert_eq!(index(&[unit(&[0, 2, 1])]), StitchError::Slice { unit: 0, slice: 1, field, got: 12, expected: 6 });
    let with = |nal: &[u8]| Bytes::from([with_length(nal), units[0].to_vec()].concat());
    assert!(TileBlock::index(&format, rows(6, 3), 0, &[with(&[6, 5, 0x80])], &gop(1), None).is_ok());
    assert_eq!(index(&[with(&encoded(NOISE).pps)]), StitchError::UnexpectedNal { unit: 0, nal_type: 8 });
    let cut = units[0].slice(..units[0].len() - 1);
    let bytes = cut.len();
    assert_eq!(index(&[cut]), StitchError::BadLengths { unit: 0, bytes });
    let shape = |shape| TileBlock::index(&format, shape, 0, &units, &gop(FRAMES), None).unwrap_err();
    assert_eq!(shape(rows(0, 3)), StitchError::Shape { width_mbs: 0, height_mbs: 3 });
    assert!(matches!(shape(rows(u32::MAX, u32::MAX)), StitchError::Shape { .. }));
}

#[test]
fn headers_of_a_place_are_made_once() {
    let format = canvas(192, 96);
    let tile = segment(&format, NOISE, 3);
    let before = tile.bytes();
    let both: Vec<Arc<Placed>> = std::thread::scope(|scope| {
        let ask = || tile.placed(3, 2, 3).unwrap();
        let threads = [scope.spawn(ask), scope.spawn(ask)];
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(Arc::ptr_eq(&both[0], &both[1]));
    assert!(!Arc::ptr_eq(&both[0], &tile.placed(2, 2, 3).unwrap()));
    assert!(tile.bytes() > before);
    // However many places are asked for, only so many are kept.
    for (x_mb, y_mb) in (0..7).flat_map(|x| (0..4).map(move |y| (x, y))) {
        tile.placed(x_mb, y_mb, 3).unwrap();
    }
    let full = segment(&canvas(1920, 1088), NOISE, 3);
    for x_mb in 0..100 {
        full.placed(x_mb, 0, 3).unwrap();
    }
    let kept = full.bytes();
    full.placed(100, 0, 3).unwrap();
    assert_eq!(full.bytes(), kept);
    assert_eq!(tile.placed(0, 0, 4).unwrap_err(), StitchError::Rows { height_mbs: 3, rows: 4 });
    assert!(matches!(tile.placed(7, 0, 3), Err(StitchError::Outside { .. })));
    assert!(matches!(tile.placed(u32::MAX, u32::MAX, 3), Err(StitchError::Outside { .. })));
}

#[test]
fn inputs_must_be_the_plan_s() {
    let format = canvas(192, 48);
    let places = [place(0, 0, 6, 3), place(6, 0, 6, 3)];
    let plan = Plan::new(&format, &places, Slices::PerRow, 60).unwrap();
    let (noise, bars) = (segment(&format, NOISE, 3), segment(&format, BARS, 3));
    let stitched = |inputs| Stitched::new(&plan, inputs).map(|stitched| stitched.total());
    assert!(stitched(vec![at(&noise, places[0]), at(&bars, places[1])]).is_ok());
    let error = stitched(vec![at(&noise, places[0])]);
    assert_eq!(error, Err(StitchError::InputCount { got: 1, expected: 2 }));
    let error = stitched(vec![at(&noise, places[1]), at(&bars, places[0])]);
    assert_eq!(error, Err(StitchError::InputDiffers { input: 0, field: "place" }));
    let other_id = TileBlock::index(&format, rows(6, 3), 0, &encoded(BARS).units, &gop(FRAMES), None).unwrap();
    let error = stitched(vec![at(&noise, places[0]), at(&other_id, places[1])]);
    assert_eq!(error, Err(StitchError::InputDiffers { input: 1, field: "idr_pic_id" }));
    let shorter = TileBlock::index(&format, rows(6, 3), 1, &encoded(BARS).units[..1], &gop(1), None).unwrap();
    let error = stitched(vec![at(&noise, places[0]), at(&shorter, places[1])]);
    assert_eq!(error, Err(StitchError::InputDiffers { input: 1, field: "pictures" }));
    let elsewhere = segment(&canvas(192, 96), BARS, 3);
    let error = stitched(vec![at(&noise, places[0]), at(&elsewhere, places[1])]);
    assert_eq!(error, Err(StitchError::InputDiffers { input: 1, field: "canvas" }));
}

#[test]
fn the_plans_of_known_layouts() {
    let format = canvas(1920, 1080);
    let four: Vec<Place> = (0..4).map(|k| place(k % 2 * 60, k / 2 * 34, 60, 34)).collect();
    let plan = Plan::new(&format, &four, Slices::PerRow, 136).unwrap();
    assert_eq!((plan.fillers().len(), plan.slices_per_picture()), (0, 136));
    assert_eq!(
        Plan::new(&format, &four, Slices::PerRow, 135).unwrap_err(),
        StitchError::TooManySlices { slices: 136, max: 135 }
    );
    let larger_first = [place(0, 11, 80, 46), place(80, 11, 40, 23), place(80, 34, 40, 23)];
    let plan = Plan::new(&format, &larger_first, Slices::PerRow, 136).unwrap();
    assert_eq!(plan.fillers(), [place(0, 0, 120, 11), place(0, 57, 120, 11)]);
    assert_eq!(plan.slices_per_picture(), 22 + 92);
    let none = Plan::new(&format, &[], Slices::PerRow, 136).unwrap();
    assert_eq!(none.fillers(), [place(0, 0, 120, 68)]);
}

proptest! {
    #[test]
    fn a_plan_covers_the_canvas_once_in_address_order(
        corners in prop::collection::vec((0u32..12, 0u32..9, 1u32..8, 1u32..6), 0..6)
    ) {
        let format: Format = canvas(192, 128);
        let places: Vec<Place> = corners.into_iter().map(|(x, y, w, h)| place(x, y, w, h)).collect();
        let covers = |p: &Place, x: u32, y: u32| {
            (p.x_mb..p.x_mb + p.width_mbs).contains(&x) && (p.y_mb..p.y_mb + p.height_mbs).contains(&y)
        };
        let all = || (0..8).flat_map(|y| (0..12).map(move |x| (x, y)));
        match Plan::new(&format, &places, Slices::PerRow, 1000) {
            Ok(plan) => {
                prop_assert!(all().all(|(x, y)| plan.inputs().iter().filter(|p| covers(p, x, y)).count() == 1));
                let mut rows_taken = vec![0; plan.inputs().len()];
                let mut address = 0;
                for input in plan.order().iter().map(|input| usize::from(*input)) {
                    let p = plan.inputs()[input];
                    prop_assert_eq!((p.y_mb + rows_taken[input]) * 12 + p.x_mb, address);
                    rows_taken[input] += 1;
                    address += p.width_mbs;
                }
                prop_assert_eq!(address, 12 * 8);
            }
            Err(StitchError::Overlap { first, second }) => {
                prop_assert!(all().any(|(x, y)| covers(&places[first], x, y) && covers(&places[second], x, y)));
            }
            Err(StitchError::Outside { .. }) => {
                prop_assert!(places.iter().any(|p| p.x_mb + p.width_mbs > 12 || p.y_mb + p.height_mbs > 8));
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn parts_that_are_gathered_one_by_one_are_the_segment() {
    let format = canvas(224, 80);
    let places = [place(1, 0, 6, 3), place(8, 2, 6, 3)];
    let plan = Plan::new(&format, &places, Slices::PerRow, 60).unwrap();
    let pattern = gop(FRAMES);
    // The pictures `run` of the segment; of the first tile the encoder made `own` and no more.
    let stitched = |run: std::ops::Range<usize>, own: usize| {
        let its = pattern.run(run.clone());
        let still = |width_mbs: u32| {
            let units = super::super::still(&format, &pattern, width_mbs, [16, 128, 128]);
            TileBlock::index(&format, rows(width_mbs, 1), 1, &units[run.clone()], &its, None).unwrap()
        };
        let tile = |stream: &[u8], own: usize| {
            let units = &encoded(stream).units[run.start.min(own)..run.end.min(own)];
            TileBlock::index(&format, rows(6, 3), 1, units, &its, Some(&still(6))).unwrap()
        };
        let mut inputs = vec![at(&tile(NOISE, own), places[0]), at(&tile(BARS, FRAMES), places[1])];
        inputs.extend(plan.fillers().iter().map(|place| at(&still(place.width_mbs), *place)));
        bytes(&Stitched::new(&plan, inputs).unwrap())
    };
    for own in [FRAMES, 4, 1] {
        let (whole, sizes) = stitched(0..FRAMES, own);
        let parts = [0..3, 3..6, 6..7].map(|run| stitched(run, own));
        assert!(parts.iter().flat_map(|(bytes, _)| bytes).eq(&whole), "{own}");
        assert!(parts.iter().flat_map(|(_, sizes)| sizes).eq(&sizes));
    }
}

#[test]
fn a_block_is_read_back_from_its_bytes_and_whatever_is_cut_or_changed_is_no_panic() {
    let format = canvas(192, 96);
    let still = segment(&format, STILL, 1);
    let written = |block: &TileBlock| {
        let mut bytes = Vec::new();
        block.write_onto(&mut bytes);
        Bytes::from(bytes)
    };
    let whole = canvas(96, 48);
    for (format, block) in [
        (&format, segment(&format, NOISE, 3)),
        (
            &format,
            TileBlock::index(&format, rows(6, 3), 1, &encoded(BARS).units[..3], &gop(FRAMES), Some(&still)).unwrap(),
        ),
        (&whole, {
            let units: Vec<Bytes> =
                gop(FRAMES).pictures().iter().map(|p| super::super::held(&whole, *p, [16, 128, 128])).collect();
            let shape = TileShape { width_mbs: 6, height_mbs: 3, slices: Slices::Whole };
            TileBlock::index(&whole, shape, 1, &units, &gop(FRAMES), None).unwrap()
        }),
    ] {
        let bytes = written(&block);
        let read = TileBlock::read(format, &gop(FRAMES), &bytes).unwrap();
        assert_eq!(written(&read), bytes);
        assert_eq!((read.shape(), read.held_frames()), (block.shape(), block.held_frames()));
        let stand = |block: &TileBlock| {
            let placed = block.placed(0, 0, 3).unwrap();
            (placed.heads.clone(), placed.rests.clone(), placed.unit_bytes.clone(), placed.skipped.clone())
        };
        assert_eq!(stand(&read), stand(&block));
        for cut in 0..bytes.len() {
            assert!(TileBlock::read(format, &gop(FRAMES), &bytes.slice(..cut)).is_err(), "{cut}");
        }
        let more = Bytes::from([&bytes[..], &[0]].concat());
        assert!(matches!(TileBlock::read(format, &gop(FRAMES), &more), Err(StitchError::Trailing { .. })));
        assert!(TileBlock::read(format, &gop(FRAMES - 1), &bytes).is_err(), "a block of other pictures");
        for at in 0..bytes.len().min(400) {
            for bit in [0, 3, 7] {
                let mut other = bytes.to_vec();
                other[at] ^= 1 << bit;
                if let Ok(read) = TileBlock::read(format, &gop(FRAMES), &other.into()) {
                    let _ = read.placed(0, 0, read.shape().height_mbs);
                }
            }
        }
    }
}
