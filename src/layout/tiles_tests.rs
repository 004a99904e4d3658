use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::layout::Layouts;

/// Left, top, right and bottom of a slot's picture where it is seen, in parts of the canvas's height.
fn seen(tile: SlotTile, rung: CodedSize) -> [f64; 4] {
    let Rect { x, y, width, height } = usual(tile.size.inside);
    let (left, top) = (f64::from(tile.x_mb * MACROBLOCK + x), f64::from(tile.y_mb * MACROBLOCK + y));
    let (bottom, rows) = (top + f64::from(height), f64::from(rung.height));
    [left, top.max(0.0), left + f64::from(width), bottom.min(rows)].map(|at| at / rows)
}

const LADDER: [(u32, u32); 4] = [(1920, 1080), (1280, 720), (960, 540), (640, 360)];

fn ladder(sizes: &[(u32, u32)]) -> Vec<CodedSize> {
    sizes.iter().map(|(width, height)| CodedSize::of(*width, *height)).collect()
}

/// How much of each slot of 4E is picture on each rung, in percent.
fn area_of_four(sizes: &[(u32, u32)]) -> Vec<f64> {
    let rungs = ladder(sizes);
    let tiles = Layouts::bundled().get("4E").unwrap().tiles_on(&rungs).unwrap();
    let least = |(tiles, rung): (Vec<SlotTile>, CodedSize)| {
        let areas = tiles.into_iter().map(|tile| {
            let [left, top, right, bottom] = seen(tile, rung);
            let slot = f64::from(rung.width) / f64::from(rung.height) / 4.0;
            100.0 * (right - left) * (bottom - top) / slot
        });
        areas.fold(f64::INFINITY, f64::min)
    };
    tiles.into_iter().zip(rungs).map(least).collect()
}

#[test]
fn coded_canvases_are_whole_macroblocks() {
    let coded = |width, height| {
        let CodedSize { width_mbs, height_mbs, .. } = CodedSize::of(width, height);
        (width_mbs, height_mbs)
    };
    assert_eq!(coded(1920, 1080), (120, 68));
    assert_eq!(coded(1280, 720), (80, 45));
    assert_eq!(coded(640, 360), (40, 23));
    assert_eq!(coded(854, 480), (54, 30));
}

#[test]
fn the_four_pictures_fill_their_slots() {
    for (area, least) in area_of_four(&[(1920, 1080), (960, 540)]).into_iter().zip([98.0, 98.0]) {
        assert!(area >= least, "{area}");
    }
    // 720p has an odd number of macroblock rows, so that a row stays free between the pictures; the others follow it.
    for (area, least) in area_of_four(&LADDER).into_iter().zip([97.5, 95.0, 96.5, 95.0]) {
        assert!(area >= least, "{area}");
    }
}

#[test]
fn a_game_is_encoded_once_for_all_slots_of_the_usual_canvases() {
    for size in [(1920, 1080), (1280, 720), (960, 540)] {
        let tiles = Layouts::bundled().get("4E").unwrap().tiles_on(&ladder(&[size])).unwrap();
        let sizes: BTreeSet<TileSize> = tiles[0].iter().map(|tile| tile.size).collect();
        assert_eq!(sizes.len(), 1, "{size:?}: {sizes:?}");
    }
    // Half of 360 is no whole macroblocks, and upper and lower pictures lie apart in their tiles.
    let tiles = Layouts::bundled().get("4E").unwrap().tiles_on(&ladder(&[(640, 360)])).unwrap();
    assert_eq!(tiles[0].iter().map(|tile| tile.size).collect::<BTreeSet<_>>().len(), 2);
}

#[test]
fn no_picture_moves_when_a_player_changes_rungs() {
    for layout in Layouts::bundled().iter().filter(|layout| !layout.overlap) {
        for sizes in [&LADDER[..], &[LADDER[0], LADDER[2]], &LADDER[1..], &[LADDER[1], LADDER[3]]] {
            let rungs = ladder(sizes);
            let tiles = layout.tiles_on(&rungs).unwrap();
            for slot in 0..layout.slots.len() {
                let places: Vec<[f64; 4]> =
                    rungs.iter().zip(&tiles).map(|(rung, tiles)| seen(tiles[slot], *rung)).collect();
                for edge in 0..4 {
                    let at = || places.iter().map(|place| place[edge]);
                    let apart = at().fold(0.0, f64::max) - at().fold(f64::INFINITY, f64::min);
                    assert!(apart <= 0.01, "{} slot {slot} edge {edge}: {apart} {sizes:?}", layout.id);
                }
            }
        }
    }
}

#[test]
fn the_edges_of_bundled_art_lie_on_macroblocks_of_every_usual_canvas() {
    for layout in Layouts::bundled().iter().filter(|layout| !layout.art.is_empty()) {
        let rungs = ladder(&LADDER);
        let tiles = layout.tiles_on(&rungs).unwrap();
        assert_eq!(tiles[0].len(), layout.slots.len() + layout.art.len());
        for (rung, tiles) in rungs.iter().zip(tiles) {
            for (slot, tile) in tiles[layout.slots.len()..].iter().enumerate() {
                let rect = layout.art_on(slot, rung.width, rung.height);
                let (left, top) = (tile.x_mb * MACROBLOCK, tile.y_mb * MACROBLOCK);
                let (right, bottom) =
                    (left + tile.size.width_mbs * MACROBLOCK, top + tile.size.height_mbs * MACROBLOCK);
                assert_eq!((left, top, right), (rect.x, rect.y, rect.x + rect.width), "{} on {rung:?}", layout.id);
                // What is coded beyond the canvas is not seen.
                assert_eq!(bottom.min(rung.height), rect.y + rect.height, "{} on {rung:?}", layout.id);
            }
        }
    }
}

#[test]
fn nothing_falls_off_at_the_edge() {
    for layout in Layouts::bundled().iter().filter(|layout| !layout.overlap) {
        let rungs = ladder(&LADDER);
        for (tiles, rung) in layout.tiles_on(&rungs).unwrap().into_iter().zip(rungs) {
            for tile in &tiles[..layout.slots.len()] {
                let [left, top, right, bottom] = tile.edges(rung);
                let wide = f64::from(rung.width) / f64::from(rung.height);
                assert!(left >= 0.0 && top >= 0.0 && right <= wide && bottom <= 1.0, "{} on {rung:?}", layout.id);
            }
        }
    }
}

/// A layout of a canvas of this size.
fn layout(canvas: (u32, u32), gap: u32, slots: &[(u32, u32, u32, u32)]) -> Layout {
    let slots = slots.iter().map(|&(x, y, width, height)| Rect { x, y, width, height }).collect();
    Layout { canvas, gap, slots, ..(*Layouts::bundled().get("4E").unwrap()).clone() }
}

/// How much of each slot's area is its picture, on the rung where it is least.
fn least_shares(layout: &Layout, rungs: &[CodedSize]) -> Vec<f64> {
    let tiles = layout.tiles_on(rungs).unwrap();
    let share = |slot: usize| {
        let on = |(rung, tiles): (&CodedSize, &Vec<SlotTile>)| {
            let (inside, slot) = (tiles[slot].size.inside, layout.slot_on(slot, rung.width, rung.height));
            f64::from(inside.width * inside.height) / f64::from(slot.width * slot.height)
        };
        rungs.iter().zip(&tiles).map(on).fold(f64::INFINITY, f64::min)
    };
    (0..layout.slots.len()).map(share).collect()
}

#[test]
fn a_canvas_of_another_shape_than_the_ladders_fills_its_slots_too() {
    let square =
        layout((1000, 1000), 0, &[(0, 0, 500, 500), (500, 0, 500, 500), (0, 500, 500, 500), (500, 500, 500, 500)]);
    for share in least_shares(&square, &ladder(&LADDER)) {
        assert!(share > 0.9, "{share}");
    }
    let sizes = ladder(&[(640, 480), (320, 240)]);
    for share in least_shares(&Layouts::bundled().get("4PL").unwrap(), &sizes) {
        assert!(share > 0.75, "{share}");
    }
}

#[test]
fn slots_that_nearly_touch_share_what_is_between_them() {
    let near = layout((1920, 1080), 4, &[(24, 256, 576, 324), (622, 218, 448, 252)]);
    for share in least_shares(&near, &ladder(&LADDER)) {
        assert!(share > 0.8, "{share}");
    }
}

#[test]
fn where_macroblocks_leave_too_little_it_is_rendered() {
    let narrow = layout((1280, 720), 0, &[(0, 0, 1280, 360), (0, 368, 1280, 46)]);
    assert!(narrow.tiles_on(&ladder(&[(1280, 720)])).is_some());
    assert_eq!(narrow.tiles_on(&ladder(&[(160, 90)])), None);
}

proptest! {
    #[test]
    fn tiles_lie_inside_and_apart_on_any_canvas(half_width in 64u32..1024, half_height in 64u32..1024) {
        let rung = CodedSize::of(2 * half_width, 2 * half_height);
        for layout in Layouts::bundled().iter().filter(|l| !l.overlap) {
            let Some(tiles) = layout.tiles_on(&[rung]) else { continue };
            let art = layout.art.iter().map(|art| art.rect);
            let (tiles, slots) = (&tiles[0], layout.slots.iter().copied().chain(art).collect::<Vec<_>>());
            for (at, tile) in tiles.iter().enumerate() {
                let TileSize { width_mbs, height_mbs, inside } = tile.size;
                prop_assert!(tile.x_mb + width_mbs <= rung.width_mbs && tile.y_mb + height_mbs <= rung.height_mbs);
                prop_assert!(inside.x + inside.width <= width_mbs * 16 && inside.y + inside.height <= height_mbs * 16);
                prop_assert!([inside.x, inside.y, inside.width, inside.height].iter().all(|v| v % 2 == 0));
                for (other, second) in tiles.iter().enumerate().skip(at + 1) {
                    let apart = |a: u32, length: u32, b: u32, other: u32| a + length <= b || b + other <= a;
                    prop_assert!(
                        apart(tile.x_mb, width_mbs, second.x_mb, second.size.width_mbs)
                            || apart(tile.y_mb, height_mbs, second.y_mb, second.size.height_mbs)
                    );
                    let games = layout.slots.len();
                    if other < games && (slots[at].width, slots[at].height) == (slots[other].width, slots[other].height) {
                        let size = |tile: &SlotTile| (tile.size.inside.width, tile.size.inside.height);
                        prop_assert_eq!(size(tile), size(second));
                    }
                }
            }
        }
    }

    #[test]
    fn no_edge_moves_in_any_layout_either(
        corners in prop::collection::vec((0u32..40, 0u32..22, 8u32..40, 5u32..22), 1..5),
        gap in prop::sample::select(vec![0u32, 4, 16]),
        offset in 0u32..24,
    ) {
        let slots: Vec<_> = corners
            .into_iter()
            .map(|(x, y, w, h)| (x * 40 + offset * 2, y * 40 + offset, w * 40, h * 40))
            .filter(|(x, y, w, h)| x + w <= 1920 && y + h <= 1080)
            .collect();
        prop_assume!(!slots.is_empty());
        let layout = layout((1920, 1080), gap, &slots);
        let rungs = ladder(&LADDER);
        if let Some(tiles) = layout.tiles_on(&rungs) {
            // Four pixels of 360 lines.
            prop_assert!(edges_apart(&rungs, &tiles) <= 0.0112, "{}", edges_apart(&rungs, &tiles));
            for (rung, tiles) in rungs.iter().zip(&tiles) {
                for (n, tile) in tiles.iter().enumerate() {
                    let [left, top, right, bottom] = tile.edges(*rung);
                    let wide = f64::from(rung.width) / f64::from(rung.height);
                    prop_assert!(left >= 0.0 && top >= 0.0 && right <= wide && bottom <= 1.0, "slot {n}");
                }
            }
        }
    }
}
