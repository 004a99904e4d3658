//! Layouts: slots on a canvas, as data in `layouts/`.

mod file;
mod pick;
mod set;
mod tiles;

pub use file::{LayoutError, LayoutProblem};
pub use pick::Misfit;
pub use set::{Layouts, LayoutsError};
pub use tiles::{SlotTile, TileSize, meeting};

use crate::frame::Rect;

/// Slots on a canvas. Made only by this module, so every value is checked: slots inside the canvas, even coordinates, no
/// overlap unless the file says so, one to four slots of games in reading order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// As in the file's name and in the API: `4E`.
    pub id: String,
    /// For people: `Four equal`.
    pub name: String,
    /// Canvas size in pixels: 1920x1080 for all bundled layouts.
    pub canvas: (u32, u32),
    /// Slots of games, in drawing order: a later slot lies over an earlier one where they overlap.
    pub slots: Vec<Rect>,
    /// Slots of art, in drawing order, all of them over those of games.
    pub art: Vec<ArtSlot>,
    /// Whether slots overlap (the file must say `overlap = true`), those of art over games among them.
    pub overlap: bool,
    /// Colour of what no picture covers, 8-bit R, G, B.
    pub background: [u8; 3],
    /// Pixels of the canvas that are left free between the pictures of neighbouring slots: half of them at each slot's edges.
    pub gap: u32,
}

/// A slot that shows art instead of a game. Slots of one name are pieces of one picture, which lies over the rectangle around all of them: the four
/// sides of a frame, the two legs of an L.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArtSlot {
    /// What skins call it: `frame`.
    pub name: String,
    pub rect: Rect,
}

impl Layout {
    /// Most slots of games in a layout: one viewer watches at most four.
    pub const MAX_SLOTS: usize = 4;

    /// Most slots of art, and most names that they have.
    pub const MAX_ART: usize = 8;
    pub const MAX_ART_NAMES: usize = 4;

    /// Whether its only slot is the whole canvas: what art it has lies over that.
    pub fn is_whole(&self) -> bool {
        let whole = Rect { x: 0, y: 0, width: self.canvas.0, height: self.canvas.1 };
        self.slots == [whole]
    }

    /// Whether a market may squeeze a game back into it: one game, and art beside it.
    pub fn is_for_breaks(&self) -> bool {
        self.slots.len() == 1 && !self.art.is_empty()
    }

    /// Whether slot `slot` of art lies over a game, wholly or in part: it is laid on the game's pictures, and what it lets through is the game.
    ///
    /// # Panics
    /// When the layout has no such slot.
    pub fn is_over(&self, slot: usize) -> bool {
        self.slots.iter().any(|game| file::overlaps(*game, self.art[slot].rect))
    }

    /// The slots of art that lie over games, or those that lie beside them.
    pub fn art_slots(&self, over: bool) -> impl Iterator<Item = usize> {
        (0..self.art.len()).filter(move |slot| self.is_over(*slot) == over)
    }

    /// The layout without its art over games.
    pub(crate) fn without_art_over(&self) -> Self {
        let art: Vec<ArtSlot> = self.art_slots(false).map(|slot| self.art[slot].clone()).collect();
        let all: Vec<Rect> = self.slots.iter().copied().chain(art.iter().map(|art| art.rect)).collect();
        let overlap = all.iter().enumerate().any(|(n, a)| all[..n].iter().any(|b| file::overlaps(*a, *b)));
        Self { art, overlap, ..self.clone() }
    }

    /// Whether slots lie over each other in another way than art over games: no tiles can be put together to that.
    pub fn is_only_rendered(&self) -> bool {
        self.overlap && self.without_art_over().overlap
    }

    /// The names of its art, each once, in the order of their first slots.
    pub fn art_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for slot in &self.art {
            if !names.contains(&slot.name.as_str()) {
                names.push(&slot.name);
            }
        }
        names
    }

    /// Where the slot of art `slot` is on a canvas of `width` x `height` pixels.
    ///
    /// # Panics
    /// When the layout has no such slot.
    pub fn art_on(&self, slot: usize, width: u32, height: u32) -> Rect {
        self.rect_on(self.art[slot].rect, width, height)
    }

    /// Where the whole picture lies of which slot of art `slot` shows a piece.
    ///
    /// # Panics
    /// When the layout has no such slot.
    pub fn art_picture_on(&self, slot: usize, width: u32, height: u32) -> Rect {
        let name = &self.art[slot].name;
        let pieces = || self.art.iter().filter(|piece| piece.name == *name).map(|piece| piece.rect);
        let (left, top) = (pieces().map(|r| r.x).min(), pieces().map(|r| r.y).min());
        let (right, bottom) = (pieces().map(|r| r.x + r.width).max(), pieces().map(|r| r.y + r.height).max());
        // There is one at least: the slot itself.
        let (x, y) = (left.unwrap_or(0), top.unwrap_or(0));
        let (right, bottom) = (right.unwrap_or(self.canvas.0), bottom.unwrap_or(self.canvas.1));
        self.rect_on(Rect { x, y, width: right - x, height: bottom - y }, width, height)
    }

    /// Where the picture of slot `slot` may be on a canvas of `width` x `height` pixels: [`Layout::slot_on`] without its share of the gap.
    ///
    /// # Panics
    /// When the layout has no such slot.
    pub fn picture_on(&self, slot: usize, width: u32, height: u32) -> Rect {
        let slot = self.slot_on(slot, width, height);
        // Pixels of the canvas are square, so one scale does for both sides.
        let halves = 4 * u64::from(self.canvas.1);
        // The nearest even number, but a gap is seen.
        let half = ((u64::from(self.gap) * u64::from(height) + halves / 2) / halves) as u32 * 2;
        let half = if self.gap > 0 { half.max(2) } else { 0 };
        let inner = |length: u32| length.saturating_sub(2 * half).max(2);
        Rect { x: slot.x + half, y: slot.y + half, width: inner(slot.width), height: inner(slot.height) }
    }

    /// Rectangle of slot `slot` on a canvas of `width` x `height` pixels: edges scaled and rounded to even pixels, so that
    /// slots that touch on the layout's canvas still touch.
    ///
    /// On canvases too small for that (under 32 pixels a side) a slot keeps two pixels, and may then overlap its neighbour.
    ///
    /// # Panics
    /// When the layout has no such slot.
    pub fn slot_on(&self, slot: usize, width: u32, height: u32) -> Rect {
        self.rect_on(self.slots[slot], width, height)
    }

    fn rect_on(&self, rect: Rect, width: u32, height: u32) -> Rect {
        let (left, right) = scaled_span(rect.x, rect.width, self.canvas.0, width);
        let (top, bottom) = scaled_span(rect.y, rect.height, self.canvas.1, height);
        Rect { x: left, y: top, width: right - left, height: bottom - top }
    }
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
    fn half_size_is_exactly_half() {
        let layouts = Layouts::bundled();
        let layout = layouts.get("4PL").unwrap();
        assert_eq!(layout.slot_on(0, 960, 540), Rect { x: 0, y: 90, width: 640, height: 360 });
        assert_eq!(layout.slot_on(3, 960, 540), Rect { x: 640, y: 360, width: 320, height: 180 });
        assert_eq!(layout.slot_on(3, 1920, 1080), layout.slots[3]);
    }
}
