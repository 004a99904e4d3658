//! Layouts: slots on a canvas, as data in `layouts/`.

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
}

impl Layout {
    /// Rectangle of slot `slot` on a canvas of `width` x `height` pixels: edges scaled and rounded to even pixels, so that
    /// slots that touch on the layout's canvas still touch.
    pub fn slot_on(&self, slot: usize, width: u32, height: u32) -> Rect {
        let _ = (slot, width, height);
        todo!()
    }
}
