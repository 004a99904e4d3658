//! Layouts: slots on a canvas, as data in `layouts/`.

mod file;
mod set;

pub use file::{LayoutError, LayoutProblem};
pub use set::{Layouts, LayoutsError};

use crate::frame::Rect;

/// Slots on a canvas. Made only by this module, so every value is checked: slots inside the canvas, even coordinates, no
/// overlap unless the file says so, one to four slots in reading order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// As in the file's name and in the API: `4E`.
    pub id: String,
    /// For people: `Four equal`.
    pub name: String,
    /// Canvas size in pixels: 1920x1080 for all bundled layouts.
    pub canvas: (u32, u32),
    /// In drawing order: a later slot lies over an earlier one where they overlap.
    pub slots: Vec<Rect>,
    /// Whether slots overlap (the file must say `overlap = true`).
    pub overlap: bool,
    /// Colour of what no picture covers, 8-bit R, G, B.
    pub background: [u8; 3],
    /// Colour around the pictures of stitched mosaics and of what no tile covers: the background, unless the file has a
    /// `guard_colour`. Tiles are encoded once for each colour, so layouts with one colour share them.
    pub guard_colour: [u8; 3],
}

/// Pixels of a macroblock's side (ITU-T H.264, 3.85).
pub const MACROBLOCK: u32 = 16;

impl Layout {
    /// Most slots of a layout: one viewer watches at most four games.
    pub const MAX_SLOTS: usize = 4;

    /// Whether its only slot is the whole canvas.
    pub fn is_whole(&self) -> bool {
        let whole = Rect { x: 0, y: 0, width: self.canvas.0, height: self.canvas.1 };
        self.slots == [whole]
    }

    /// Rectangle, in macroblocks, of slot `slot`'s tile on a coded canvas of `width_mbs` x `height_mbs` macroblocks: as large as
    /// fits into the slot and around the same middle. Slots of one size have tiles of one size wherever they lie, and tiles of
    /// slots that do not overlap do not either: both starts are rounded alike, and sizes are rounded down.
    ///
    /// # Panics
    /// When the layout has no such slot.
    pub fn tile_on(&self, slot: usize, width_mbs: u32, height_mbs: u32) -> Rect {
        let rect = self.slots[slot];
        let size = |length: u32, from: u32, to: u32| (u64::from(length) * u64::from(to) / u64::from(from)) as u32;
        let width = size(rect.width, self.canvas.0, width_mbs).max(1);
        let height = size(rect.height, self.canvas.1, height_mbs).max(1);
        Rect {
            x: tile_start(rect.x, rect.width, self.canvas.0, width_mbs, width),
            y: tile_start(rect.y, rect.height, self.canvas.1, height_mbs, height),
            width,
            height,
        }
    }

    /// Rectangle of slot `slot` on a canvas of `width` x `height` pixels: edges scaled and rounded to even pixels, so that
    /// slots that touch on the layout's canvas still touch.
    ///
    /// On canvases too small for that (under 32 pixels a side) a slot keeps two pixels, and may then overlap its neighbour.
    ///
    /// # Panics
    /// When the layout has no such slot.
    pub fn slot_on(&self, slot: usize, width: u32, height: u32) -> Rect {
        let rect = self.slots[slot];
        let (left, right) = scaled_span(rect.x, rect.width, self.canvas.0, width);
        let (top, bottom) = scaled_span(rect.y, rect.height, self.canvas.1, height);
        Rect { x: left, y: top, width: right - left, height: bottom - top }
    }
}

/// Where a tile of `size` macroblocks goes that stands for `start .. start + length` on an axis of `from` pixels, on one of
/// `to` macroblocks: around the same middle, to the nearest macroblock.
fn tile_start(start: u32, length: u32, from: u32, to: u32, size: u32) -> u32 {
    // In half pixels of the axis of `from`, so that everything is whole: the middle is 2 * start + length.
    let middle = u64::from(2 * start + length) * u64::from(to);
    let half = u64::from(size) * u64::from(from);
    let (near, unit) = (middle.saturating_sub(half), 2 * u64::from(from));
    (((near + unit / 2) / unit) as u32).min(to.saturating_sub(size))
}

/// Both ends of `start .. start + length` on an axis of `from` pixels, carried to one of `to` pixels. Each end depends on
/// its own coordinate alone: that is what keeps touching slots touching.
fn scaled_span(start: u32, length: u32, from: u32, to: u32) -> (u32, u32) {
    let to = to & !1;
    let scaled = |at: u32| {
        let (at, from, to) = (u64::from(at), u64::from(from), u64::from(to));
        // The nearest even number to at * to / from.
        (2 * ((at * to + from) / (2 * from))).min(to) as u32
    };
    let (near, far) = (scaled(start), scaled(start + length));
    if far > near { (near, far) } else { (near.min(to.saturating_sub(2)), (near + 2).min(to)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn overlaps(a: Rect, b: Rect) -> bool {
        a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
    }

    proptest! {
        #[test]
        fn slots_stay_inside_even_and_touching_on_any_canvas(half_width in 16u32..2048, half_height in 16u32..2048) {
            let (width, height) = (half_width * 2, half_height * 2);
            for layout in Layouts::bundled().iter() {
                let on: Vec<Rect> = (0..layout.slots.len()).map(|s| layout.slot_on(s, width, height)).collect();
                for (at, rect) in on.iter().enumerate() {
                    prop_assert!(rect.width >= 2 && rect.height >= 2, "{} slot {at}: {rect:?}", layout.id);
                    prop_assert!(rect.x + rect.width <= width && rect.y + rect.height <= height);
                    prop_assert!([rect.x, rect.y, rect.width, rect.height].iter().all(|v| v % 2 == 0));
                    for (other, second) in on.iter().enumerate().skip(at + 1) {
                        let (was, then) = (layout.slots[at], layout.slots[other]);
                        prop_assert_eq!(was.x + was.width == then.x, rect.x + rect.width == second.x);
                        prop_assert_eq!(was.y + was.height == then.y, rect.y + rect.height == second.y);
                        prop_assert_eq!(overlaps(was, then), overlaps(*rect, *second), "{} {}x{}", layout.id, width, height);
                    }
                    if layout.slots[at].width == layout.canvas.0 {
                        prop_assert_eq!(rect.width, width);
                    }
                }
            }
        }

        #[test]
        fn tiles_lie_inside_and_apart_on_any_canvas(width_mbs in 16u32..256, height_mbs in 16u32..256) {
            for layout in Layouts::bundled().iter().filter(|l| !l.overlap) {
                let on: Vec<Rect> = (0..layout.slots.len()).map(|s| layout.tile_on(s, width_mbs, height_mbs)).collect();
                for (at, tile) in on.iter().enumerate() {
                    prop_assert!(tile.x + tile.width <= width_mbs && tile.y + tile.height <= height_mbs, "{tile:?}");
                    for (other, second) in on.iter().enumerate().skip(at + 1) {
                        prop_assert!(!overlaps(*tile, *second), "{} {width_mbs}x{height_mbs}", layout.id);
                        let (was, then) = (layout.slots[at], layout.slots[other]);
                        if (was.width, was.height) == (then.width, then.height) {
                            prop_assert_eq!((tile.width, tile.height), (second.width, second.height));
                        }
                    }
                }
            }
        }

        #[test]
        fn tiny_canvases_give_slots_that_can_be_drawn(half_width in 1u32..16, half_height in 1u32..16) {
            for layout in Layouts::bundled().iter() {
                for slot in 0..layout.slots.len() {
                    let rect = layout.slot_on(slot, half_width * 2, half_height * 2);
                    prop_assert!(rect.width >= 2 && rect.x + rect.width <= half_width * 2);
                    prop_assert!(rect.height >= 2 && rect.y + rect.height <= half_height * 2);
                }
            }
        }
    }

    #[test]
    fn tiles_of_the_usual_renditions() {
        let layouts = Layouts::bundled();
        let tile = |id: &str, slot, width, height| layouts.get(id).unwrap().tile_on(slot, width, height);
        // 1920x1080 is coded as 120 x 68 macroblocks.
        assert_eq!(tile("4E", 3, 120, 68), Rect { x: 60, y: 34, width: 60, height: 34 });
        assert_eq!(tile("2EH", 1, 120, 68), Rect { x: 60, y: 17, width: 60, height: 34 });
        assert_eq!(tile("4PL", 0, 120, 68), Rect { x: 0, y: 12, width: 80, height: 45 });
        let column: Vec<_> = (1..4).map(|slot| tile("4PL", slot, 120, 68)).collect();
        assert_eq!(
            column.iter().map(|t| (t.x, t.y, t.width, t.height)).collect::<Vec<_>>(),
            [(80, 0, 40, 22), (80, 23, 40, 22), (80, 46, 40, 22)]
        );
        assert_eq!(tile("1", 0, 120, 68), Rect { x: 0, y: 0, width: 120, height: 68 });
        assert!(layouts.get("1").unwrap().is_whole() && !layouts.get("pip").unwrap().is_whole());
        // 1280x720 has 45 rows: two halves of 22 and one row of the guard's colour between them.
        assert_eq!(tile("4E", 0, 80, 45), Rect { x: 0, y: 0, width: 40, height: 22 });
        assert_eq!(tile("4E", 2, 80, 45), Rect { x: 0, y: 23, width: 40, height: 22 });
    }

    #[test]
    fn half_size_is_exactly_half() {
        let layouts = Layouts::bundled();
        let layout = layouts.get("4PL").unwrap();
        assert_eq!(layout.slot_on(0, 960, 540), Rect { x: 0, y: 90, width: 640, height: 360 });
        assert_eq!(layout.slot_on(3, 960, 540), Rect { x: 640, y: 360, width: 320, height: 180 });
        assert_eq!(layout.slot_on(3, 1920, 1080), layout.slots[3]);
    }
}
