//! Where the tiles of a layout lie on coded canvases, and where in each its picture is.
//!
//! A tile is whole macroblocks, and a slot's edge rarely is one's. An edge that a slot shares with its neighbour goes to the nearest
//! macroblock; where it is just between two, that row or column is nobody's. A free edge goes outward. A picture is as large as slot and
//! tile allow, in the slot's shape. Then all rungs of the ladder are looked at together, so that no picture jumps when a player goes from one
//! to another. Slots of one size have pictures of one size, and a picture stands in the middle of its tile where that moves it by hardly
//! anything: so that a game is encoded once for as many slots as can be.

use super::Layout;
use crate::frame::{CodedSize, MACROBLOCK, Rect};

/// Parts of the canvas's height by which an edge of a picture may be further out on one rung than on another. Rounding to even pixels
/// comes on top: together they stay below a hundredth.
const EDGES_APART: f64 = 0.008;

/// Parts of the canvas's height by which a picture may be moved to stand where others of its size do.
const MOVED_AT_MOST: f64 = 1.0 / 300.0;

/// Pixels by which a picture may be moved on any canvas: rounding to even ones does as much.
const MOVED_FREELY: f64 = 1.5;

/// Rounds in which pictures of all rungs are made to agree; each makes them smaller by less.
const ROUNDS: usize = 6;

/// What rounding leaves of a whole number.
const EPSILON: f64 = 1e-6;

/// What makes tiles interchangeable: their size, and where in them the picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TileSize {
    pub width_mbs: u32,
    pub height_mbs: u32,
    /// In pixels of the tile: where its picture may be, for one of any shape to be fitted into.
    pub inside: Rect,
}

/// A slot's tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotTile {
    pub size: TileSize,
    /// Its top left macroblock on the coded canvas.
    pub x_mb: u32,
    pub y_mb: u32,
}

/// Edges of a rectangle: left, top, right, bottom.
type Edges = [f64; 4];

/// Macroblocks of a tile on one axis, from and to.
type Mbs = (u32, u32);

impl Layout {
    /// The tiles of this layout's slots on the canvases of a ladder: for each canvas one for each slot. `None` where slots overlap or have
    /// no room for a macroblock.
    pub fn tiles_on(&self, rungs: &[CodedSize]) -> Option<Vec<Vec<SlotTile>>> {
        if self.overlap {
            return None;
        }
        let mbs: Vec<Vec<(Mbs, Mbs)>> = rungs.iter().map(|rung| self.mbs_on(*rung)).collect::<Option<_>>()?;
        let mut pictures: Vec<Vec<Edges>> =
            rungs.iter().zip(&mbs).map(|(rung, mbs)| self.largest_pictures(*rung, mbs)).collect();
        self.agree(&mut pictures);
        let tile = |(((across, down), picture), rung): (((Mbs, Mbs), Edges), CodedSize)| {
            // Back from parts of the height that is seen to coded pixels.
            let [left, top, right, bottom] = picture.map(|at| at * f64::from(rung.height));
            let above = f64::from(rung.rows_above);
            let most = (f64::from(rung.height) * MOVED_AT_MOST).max(MOVED_FREELY);
            let (x, width) = placed((left, right), across, most)?;
            let (y, height) = placed((top + above, bottom + above), down, most)?;
            let size = TileSize {
                width_mbs: across.1 - across.0,
                height_mbs: down.1 - down.0,
                inside: Rect { x, y, width, height },
            };
            Some(SlotTile { size, x_mb: across.0, y_mb: down.0 })
        };
        let tiles = rungs.iter().zip(mbs).zip(pictures);
        tiles
            .map(|((rung, mbs), pictures)| mbs.into_iter().zip(pictures).map(|of| tile((of, *rung))).collect())
            .collect()
    }

    /// The macroblocks of each slot's tile, across and down.
    fn mbs_on(&self, rung: CodedSize) -> Option<Vec<(Mbs, Mbs)>> {
        let spans = |inward| -> Vec<(Mbs, Mbs)> {
            let xs: Vec<_> = self.slots.iter().map(|slot| (slot.x, slot.x + slot.width)).collect();
            let ys: Vec<_> = self.slots.iter().map(|slot| (slot.y, slot.y + slot.height)).collect();
            let across = self.axis(&xs, self.canvas.0, |x| self.coded_x(rung, x), rung.width_mbs, inward);
            let down = self.axis(&ys, self.canvas.1, |y| self.coded_y(rung, y), rung.height_mbs, inward);
            across.into_iter().zip(down).collect()
        };
        let mut slots = spans(false);
        if overlap(&slots) {
            slots = spans(true);
        }
        let has_room = |span: Mbs| span.0 < span.1;
        (!overlap(&slots) && slots.iter().all(|(x, y)| has_room(*x) && has_room(*y))).then_some(slots)
    }

    fn coded_x(&self, rung: CodedSize, x: u32) -> f64 {
        f64::from(x) * f64::from(rung.width) / f64::from(self.canvas.0)
    }

    fn coded_y(&self, rung: CodedSize, y: u32) -> f64 {
        f64::from(rung.rows_above) + f64::from(y) * f64::from(rung.height) / f64::from(self.canvas.1)
    }

    /// Tiles on one axis of slots that are from..to each; `inward` leaves macroblocks that are shared to nobody.
    fn axis(&self, slots: &[(u32, u32)], canvas: u32, coded: impl Fn(u32) -> f64, mbs: u32, inward: bool) -> Vec<Mbs> {
        let at = |edge: u32| coded(edge) / f64::from(MACROBLOCK);
        let from = |edge: u32| match edge {
            0 => 0.0,
            _ if inward => (at(edge) - EPSILON).ceil(),
            _ if slots.iter().any(|other| other.1 == edge) => (at(edge) + 0.5 + EPSILON).floor(),
            _ => (at(edge) + EPSILON).floor(),
        };
        let to = |edge: u32| match edge {
            _ if edge == canvas => f64::from(mbs),
            _ if inward => (at(edge) + EPSILON).floor(),
            _ if slots.iter().any(|other| other.0 == edge) => (at(edge) - 0.5 - EPSILON).ceil(),
            _ => (at(edge) - EPSILON).ceil(),
        };
        slots.iter().map(|slot| (from(slot.0) as u32, to(slot.1) as u32)).collect()
    }

    /// The largest picture of each slot's shape that fits into slot and tile, in parts of the height that is seen.
    fn largest_pictures(&self, rung: CodedSize, mbs: &[(Mbs, Mbs)]) -> Vec<Edges> {
        let scale = f64::from(rung.height) / f64::from(self.canvas.1);
        let pixels = |mb: u32| f64::from(mb * MACROBLOCK);
        let above = f64::from(rung.rows_above);
        let picture = |(slot, (across, down)): (&Rect, &(Mbs, Mbs))| {
            let edges = [
                self.coded_x(rung, slot.x).max(pixels(across.0)),
                self.coded_y(rung, slot.y).max(pixels(down.0)) - above,
                self.coded_x(rung, slot.x + slot.width).min(pixels(across.1)),
                self.coded_y(rung, slot.y + slot.height).min(pixels(down.1)) - above,
            ];
            let most = [slot.width, slot.height].map(|side| f64::from(side.saturating_sub(self.gap)) * scale);
            shaped(edges, shape(*slot), most).map(|at| at / f64::from(rung.height))
        };
        self.slots.iter().zip(mbs).map(picture).collect()
    }

    /// Makes pictures smaller until those of slots of one size are of one size on every rung, and none is further out on a rung than
    /// [`EDGES_APART`] allows. `pictures` has a list for each rung, with one for each slot.
    fn agree(&self, pictures: &mut [Vec<Edges>]) {
        for _ in 0..ROUNDS {
            for of_rung in pictures.iter_mut() {
                let width = |edges: &Edges| edges[2] - edges[0];
                let smallest = |slot: &Rect| {
                    let alike = self.slots.iter().zip(&*of_rung);
                    let alike = alike.filter(|(other, _)| (other.width, other.height) == (slot.width, slot.height));
                    alike.map(|(_, edges)| width(edges)).fold(f64::INFINITY, f64::min)
                };
                let widths: Vec<f64> = self.slots.iter().map(smallest).collect();
                for ((edges, slot), width) in of_rung.iter_mut().zip(&self.slots).zip(widths) {
                    *edges = shaped(*edges, shape(*slot), [width, f64::INFINITY]);
                }
            }
            for (n, slot) in self.slots.iter().enumerate() {
                let innermost = |edge: usize| {
                    let edges = pictures.iter().map(|of_rung| of_rung[n][edge]);
                    if edge < 2 { edges.fold(f64::NEG_INFINITY, f64::max) } else { edges.fold(f64::INFINITY, f64::min) }
                };
                let [left, top, right, bottom] = [0, 1, 2, 3].map(innermost);
                for of_rung in pictures.iter_mut() {
                    let edges = [
                        of_rung[n][0].max(left - EDGES_APART),
                        of_rung[n][1].max(top - EDGES_APART),
                        of_rung[n][2].min(right + EDGES_APART),
                        of_rung[n][3].min(bottom + EDGES_APART),
                    ];
                    of_rung[n] = shaped(edges, shape(*slot), [f64::INFINITY; 2]);
                }
            }
        }
    }
}

/// Width over height.
fn shape(slot: Rect) -> f64 {
    f64::from(slot.width) / f64::from(slot.height)
}

/// The largest rectangle of `shape` within `edges`, around the same middle, that is no larger than `most` (width, height).
fn shaped([left, top, right, bottom]: Edges, shape: f64, most: [f64; 2]) -> Edges {
    let (width, height) = ((right - left).min(most[0]), (bottom - top).min(most[1]));
    let (width, height) = if width > height * shape { (height * shape, height) } else { (width, width / shape) };
    let (x, y) = ((left + right) / 2.0, (top + bottom) / 2.0);
    [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0]
}

/// Where in its tile of `mbs` a picture from..to (coded pixels) begins, and how long it is. Even, as chroma needs it.
fn placed((from, to): (f64, f64), mbs: Mbs, most: f64) -> Option<(u32, u32)> {
    let even = |at: f64| ((at + EPSILON) / 2.0).floor().max(0.0) as u32 * 2;
    let whole = (mbs.1 - mbs.0) * MACROBLOCK;
    let length = even(to - from).min(whole);
    let best = (from + to - f64::from(length)) / 2.0 - f64::from(mbs.0 * MACROBLOCK);
    let middle = (whole - length) / 4 * 2;
    let is_near = (f64::from(middle) - best).abs() <= most;
    // The nearest even pixel, the lower one of two.
    let at = if is_near { middle } else { even(best + 1.0 - 3.0 * EPSILON).min(whole - length) };
    (length > 0).then_some((at, length))
}

fn overlap(slots: &[(Mbs, Mbs)]) -> bool {
    let meet = |a: Mbs, b: Mbs| a.0 < b.1 && b.0 < a.1;
    let mut pairs = slots.iter().enumerate().flat_map(|(n, a)| slots[..n].iter().map(move |b| (a, b)));
    pairs.any(|(a, b)| meet(a.0, b.0) && meet(a.1, b.1))
}

#[cfg(test)]
#[path = "tiles_tests.rs"]
mod tests;
