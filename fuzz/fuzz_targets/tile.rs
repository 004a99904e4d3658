//! Access units that are indexed, placed and gathered.
#![no_main]

#[allow(dead_code, unused_imports)]
#[path = "../../src/stitch/mod.rs"]
mod stitch;
mod support;
#[allow(dead_code, unused_imports)]
mod timeline;

use libfuzzer_sys::fuzz_target;
use stitch::{Format, Place, Plan, Pps, SliceHeader, Slices, Sps, Stitched, TileBlock, TileShape};

const NOISE: &[u8] = include_bytes!("../../src/stitch/fixtures/noise.264");
const STILL: &[u8] = include_bytes!("../../src/stitch/fixtures/still.264");
const FRAMES: usize = 7;

fn gop() -> timeline::Gop {
    timeline::Grid::new("30".parse().unwrap(), FRAMES as u32).gop()
}

fn rows(width_mbs: u32, height_mbs: u32) -> TileShape {
    TileShape { width_mbs, height_mbs, slices: Slices::PerRow }
}

fuzz_target!(|data: &[u8]| {
    let Some((&[mode, x, y, count], data)) = data.split_first_chunk::<4>() else { return };
    let tile = support::encoded(NOISE);
    let sps = Sps::parse(&tile.sps).unwrap().with_size(208, 96).unwrap();
    let format = Format::new(sps, Pps::parse(&tile.pps).unwrap()).unwrap();
    let still = support::shared(support::encoded(STILL).units);
    let hold = TileBlock::index(&format, rows(6, 1), 1, &still, &gop(), None).unwrap();

    let mut units = Vec::new();
    if mode & 1 == 0 {
        // Access units as they came, each after its length.
        let mut data = data;
        while let Some((&[high, low], rest)) = data.split_first_chunk::<2>() {
            let (unit, rest) = rest.split_at(usize::from(u16::from_be_bytes([high, low])).min(rest.len()));
            units.push(unit.to_vec());
            data = rest;
        }
    } else {
        let mut edits = data.chunks(data.len().div_ceil(FRAMES).max(1).next_multiple_of(3));
        for mut unit in if mode & 4 == 0 { tile.units } else { support::encoded(STILL).units } {
            support::damage(&mut unit, edits.next().unwrap_or_default());
            units.push(unit);
        }
    }
    units.truncate(usize::from(count) % (FRAMES + 2));
    let hold = (mode & 2 != 0).then_some(&hold);
    let shape = rows(6, if mode & 4 == 0 { 3 } else { 1 });
    let Ok(segment) = TileBlock::index(&format, shape, 1, &support::shared(units), &gop(), hold) else { return };
    let repeated = if shape.height_mbs == 1 { 1 + u32::from(mode >> 4) % 3 } else { 3 };
    let place = Place { x_mb: (x % 16).into(), y_mb: (y % 8).into(), width_mbs: 6, height_mbs: repeated };
    let Ok(placed) = segment.placed(place.x_mb, place.y_mb, repeated) else { return };
    let plan = Plan::new(&format, &[place], Slices::PerRow, 60).unwrap();
    let mut inputs = vec![placed];
    for filler in plan.fillers() {
        let filling = TileBlock::index(&format, rows(filler.width_mbs, 1), 1, &still, &gop(), None).unwrap();
        inputs.push(filling.placed(filler.x_mb, filler.y_mb, filler.height_mbs).unwrap());
    }
    let stitched = Stitched::new(&plan, inputs).unwrap();
    let mut out = Vec::new();
    stitched.append_to(&mut out);
    assert_eq!(out.len(), stitched.total());
    let (mut unit_begins, mut slices) = (0, 0);
    for size in stitched.sizes() {
        let unit = &out[unit_begins..unit_begins + size as usize];
        let addresses: Vec<u32> =
            support::nals(unit).into_iter().map(|nal| SliceHeader::parse(&format, nal).unwrap().first_mb).collect();
        slices += addresses.len();
        assert!(addresses.is_sorted_by(|before, after| before < after));
        unit_begins += size as usize;
    }
    assert_eq!(unit_begins, out.len());
    // At least one of those that were merged stands for them.
    let all = plan.slices_per_picture() * stitched.sizes().len();
    assert!(slices <= all && slices + stitched.merged_slices() >= all);
});
