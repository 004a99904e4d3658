//! Where the tiles of a layout lie on coded canvases, and where in each its picture is.
//!
//! A tile is whole macroblocks, and a slot's edge rarely is one's. An edge that a slot shares with its neighbour goes to the nearest
//! macroblock; where it is just between two, that row or column is nobody's. A free edge goes outward, unless another slot's does so into the
//! same macroblock: then they share as if they met half-way. A picture is as large as slot and
//! tile allow, in the slot's shape. Then all rungs of the ladder are looked at together, so that no picture jumps when a player goes from one
//! to another. Slots of one size have pictures of one size, which stand at one place in tiles of one size, the middle if they can, where that moves them by hardly
//! anything: so that a game is encoded once for as many slots as can be.

use super::Layout;
use crate::frame::{CodedSize, MACROBLOCK, Rect, fit};

/// Parts of the canvas's height by which an edge of a picture may be further out on one rung than on another.
const APART_AT_MOST: f64 = 0.01;

/// Pixels by which edges may be apart where a hundredth is less. With even pixels four are had at the worst.
const APART_FREELY: f64 = 2.0;

/// What is tried until edges are apart by no more than that: parts of the canvas's height by which pictures may be further out before rounding, and
/// by which they may be moved to stand where others of their size do.
const TRIES: [(f64, f64); 5] = [(0.008, 1.0 / 300.0), (0.008, 0.0), (0.006, 0.0), (0.004, 0.0), (0.002, 0.0)];

/// Pixels by which a picture may be moved on any canvas: rounding to even ones does as much.
const MOVED_FREELY: f64 = 1.5;

/// Rounds in which pictures of all rungs are made to agree; each makes them smaller by less.
const ROUNDS: usize = 6;

/// The least that a picture may have of its slot's area. A layout of which less would be left is rendered, where slots need no macroblocks.
const LEAST_SHARE: f64 = 0.5;

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

impl SlotTile {
    /// Its pixels on the coded canvas.
    pub fn rect(&self) -> Rect {
        let [x, y, width, height] =
            [self.x_mb, self.y_mb, self.size.width_mbs, self.size.height_mbs].map(|mbs| mbs * MACROBLOCK);
        Rect { x, y, width, height }
    }

    /// Where a picture of 16:9 is, in parts of the canvas's height.
    fn edges(&self, rung: CodedSize) -> Edges {
        let Rect { x, y, width, height } = usual(self.size.inside);
        let (left, top) = (self.x_mb * MACROBLOCK + x, self.y_mb * MACROBLOCK + y);
        [left, top, left + width, top + height].map(|at| f64::from(at) / f64::from(rung.height))
    }
}

fn area(rect: Rect) -> u64 {
    u64::from(rect.width) * u64::from(rect.height)
}

/// What two rectangles share.
pub fn meeting(a: Rect, b: Rect) -> Option<Rect> {
    let (x, y) = (a.x.max(b.x), a.y.max(b.y));
    let width = (a.x + a.width).min(b.x + b.width).checked_sub(x).filter(|width| *width > 0)?;
    let height = (a.y + a.height).min(b.y + b.height).checked_sub(y).filter(|height| *height > 0)?;
    Some(Rect { x, y, width, height })
}

/// Edges of a rectangle: left, top, right, bottom.
type Edges = [f64; 4];

/// Macroblocks of a tile on one axis, from and to.
type Mbs = (u32, u32);

impl Layout {
    /// The tiles of this layout's slots on the canvases of a ladder: for each canvas one for each slot, those of games before those of art beside them. Art
    /// over games is on their tiles. `None` where slots overlap otherwise, art lies over more than tiles of games, or macroblocks leave too little of a slot.
    pub fn tiles_on(&self, rungs: &[CodedSize]) -> Option<Vec<Vec<SlotTile>>> {
        if self.overlap {
            let under = self.without_art_over();
            let tiles = if under.overlap { None } else { under.tiles_on(rungs) }?;
            let lies =
                rungs.iter().zip(&tiles).all(|(rung, tiles)| self.art_lies_on(*rung, &tiles[..self.slots.len()]));
            return lies.then_some(tiles);
        }
        let mut all = Layout { art: Vec::new(), ..self.clone() };
        all.slots.extend(self.art.iter().map(|art| art.rect));
        let mut mbs: Vec<Vec<[Mbs; 2]>> = rungs.iter().map(|rung| all.mbs_on(*rung)).collect::<Option<_>>()?;
        let of_art: Vec<Vec<[Mbs; 2]>> = mbs.iter_mut().map(|mbs| mbs.split_off(self.slots.len())).collect();
        let mut tiles = self.games_on(rungs, &mbs)?;
        for (tiles, of_art) in tiles.iter_mut().zip(of_art) {
            tiles.extend(of_art.into_iter().map(filled));
        }
        Some(tiles)
    }

    /// Whether all that there is of art over games lies on their tiles.
    fn art_lies_on(&self, rung: CodedSize, tiles: &[SlotTile]) -> bool {
        self.art_slots(true).all(|slot| {
            let art = self.art_on(slot, rung.width, rung.height);
            // Tiles do not overlap.
            let covered: u64 = tiles.iter().filter_map(|tile| meeting(art, tile.rect())).map(area).sum();
            covered == area(art)
        })
    }

    /// The tiles of games, of which `mbs` are the macroblocks on each rung.
    fn games_on(&self, rungs: &[CodedSize], mbs: &[Vec<[Mbs; 2]>]) -> Option<Vec<Vec<SlotTile>>> {
        let largest: Vec<Vec<Edges>> =
            rungs.iter().zip(mbs).map(|(rung, mbs)| self.largest_pictures(*rung, mbs)).collect();
        let lines = f64::from(rungs.iter().map(|rung| rung.height).min()?);
        let allowed = APART_AT_MOST.max(APART_FREELY / lines) + EPSILON;
        let mut found: Option<(f64, Vec<Vec<SlotTile>>)> = None;
        for (apart, moved) in TRIES {
            let mut pictures = largest.clone();
            self.agree(rungs, &mut pictures, apart);
            let placed = rungs.iter().zip(mbs).zip(&pictures);
            let tiles: Vec<Vec<SlotTile>> =
                placed.map(|((rung, mbs), pictures)| place(*rung, mbs, pictures, moved)).collect::<Option<_>>()?;
            let apart = edges_apart(rungs, &tiles);
            if found.as_ref().is_none_or(|(least, _)| apart < *least) {
                found = Some((apart, tiles));
            }
            if apart <= allowed {
                break;
            }
        }
        found
            .map(|(_, tiles)| tiles)
            .filter(|tiles| rungs.iter().zip(tiles).all(|(rung, tiles)| self.fills(*rung, tiles)))
    }

    /// Whether enough of each slot is picture.
    fn fills(&self, rung: CodedSize, tiles: &[SlotTile]) -> bool {
        let fills = |(slot, tile): (&Rect, &SlotTile)| {
            let Rect { width, height, .. } = tile.size.inside;
            let slot = [self.scaled_x(rung, slot.width.into()), self.scaled_y(rung, slot.height.into())];
            f64::from(width) * f64::from(height) >= LEAST_SHARE * slot[0] * slot[1]
        };
        self.slots.iter().zip(tiles).all(fills)
    }

    /// The macroblocks of each slot's tile, across and down.
    fn mbs_on(&self, rung: CodedSize) -> Option<Vec<[Mbs; 2]>> {
        let mut tiles: Vec<[Mbs; 2]> = {
            let across = self.outward(0, rung);
            across.into_iter().zip(self.outward(1, rung)).map(|(x, y)| [x, y]).collect()
        };
        for n in 0..tiles.len() {
            for m in 0..n {
                if meet(tiles[n], tiles[m]) {
                    self.part(rung, &mut tiles, n, m);
                }
            }
        }
        let apart = tiles.iter().enumerate().all(|(n, a)| tiles[..n].iter().all(|b| !meet(*a, *b)));
        let has_room = |tile: &[Mbs; 2]| tile.iter().all(|(from, to)| from < to);
        (apart && tiles.iter().all(has_room)).then_some(tiles)
    }

    /// Tiles on one axis, whose edges go outward where they are not shared.
    fn outward(&self, axis: usize, rung: CodedSize) -> Vec<Mbs> {
        let spans: Vec<(u32, u32)> = self.slots.iter().map(|slot| span(slot, axis)).collect();
        let (canvas, mbs) = [(self.canvas.0, rung.width_mbs), (self.canvas.1, rung.height_mbs)][axis];
        let at = |edge: u32| self.scaled(axis, rung, edge.into()) / f64::from(MACROBLOCK);
        let from = |edge: u32| match edge {
            0 => 0,
            _ if spans.iter().any(|other| other.1 == edge) => after(at(edge)),
            _ => (at(edge) + EPSILON).floor() as u32,
        };
        let to = |edge: u32| match edge {
            _ if edge == canvas => mbs,
            _ if spans.iter().any(|other| other.0 == edge) => before(at(edge)),
            _ => (at(edge) - EPSILON).ceil() as u32,
        };
        spans.iter().map(|span| (from(span.0), to(span.1))).collect()
    }

    /// Lets two tiles that overlap meet half-way between their slots, on the axis on which that takes less.
    fn part(&self, rung: CodedSize, tiles: &mut [[Mbs; 2]], n: usize, m: usize) {
        let shared = |axis: usize| {
            let (a, b) = (tiles[n][axis], tiles[m][axis]);
            a.1.min(b.1).saturating_sub(a.0.max(b.0))
        };
        let is_apart = |axis: &usize| {
            let (a, b) = (span(&self.slots[n], *axis), span(&self.slots[m], *axis));
            a.1 <= b.0 || b.1 <= a.0
        };
        let Some(axis) = [0, 1].into_iter().filter(is_apart).min_by_key(|axis| shared(*axis)) else { return };
        let ordered = span(&self.slots[n], axis).1 <= span(&self.slots[m], axis).0;
        let (first, second) = if ordered { (n, m) } else { (m, n) };
        let ends = f64::from(span(&self.slots[first], axis).1) + f64::from(span(&self.slots[second], axis).0);
        let half_way = self.scaled(axis, rung, ends / 2.0) / f64::from(MACROBLOCK);
        tiles[first][axis].1 = tiles[first][axis].1.min(before(half_way));
        tiles[second][axis].0 = tiles[second][axis].0.max(after(half_way));
    }

    /// Pixels of the layout's canvas as those of a rung's, across (0) or down (1).
    fn scaled(&self, axis: usize, rung: CodedSize, at: f64) -> f64 {
        if axis == 0 { self.scaled_x(rung, at) } else { self.scaled_y(rung, at) }
    }

    fn scaled_x(&self, rung: CodedSize, x: f64) -> f64 {
        x * f64::from(rung.width) / f64::from(self.canvas.0)
    }

    fn scaled_y(&self, rung: CodedSize, y: f64) -> f64 {
        y * f64::from(rung.height) / f64::from(self.canvas.1)
    }

    /// A slot's width over its height on a rung, which may be of another shape than the layout's canvas.
    fn shape(&self, rung: CodedSize, slot: &Rect) -> f64 {
        self.scaled_x(rung, slot.width.into()) / self.scaled_y(rung, slot.height.into())
    }

    /// The largest picture of each slot's shape that fits into slot and tile, in parts of the canvas's height.
    fn largest_pictures(&self, rung: CodedSize, mbs: &[[Mbs; 2]]) -> Vec<Edges> {
        let pixels = |mb: u32| f64::from(mb * MACROBLOCK);
        let gap = self.scaled_y(rung, self.gap.into());
        let picture = |(slot, [across, down]): (&Rect, &[Mbs; 2])| {
            let edges = [
                self.scaled_x(rung, slot.x.into()).max(pixels(across.0)),
                self.scaled_y(rung, slot.y.into()).max(pixels(down.0)),
                self.scaled_x(rung, (slot.x + slot.width).into()).min(pixels(across.1)),
                self.scaled_y(rung, (slot.y + slot.height).into()).min(pixels(down.1)),
            ];
            let most = [self.scaled_x(rung, slot.width.into()), self.scaled_y(rung, slot.height.into())]
                .map(|side| (side - gap).max(0.0));
            shaped(edges, self.shape(rung, slot), most).map(|at| at / f64::from(rung.height))
        };
        self.slots.iter().zip(mbs).map(picture).collect()
    }

    /// Makes pictures smaller until those of slots of one size are of one size on every rung, and none is further out on a rung than by
    /// `apart`. `pictures` has a list for each rung, with one for each slot.
    fn agree(&self, rungs: &[CodedSize], pictures: &mut [Vec<Edges>], apart: f64) {
        for _ in 0..ROUNDS {
            for (of_rung, rung) in pictures.iter_mut().zip(rungs) {
                let width = |edges: &Edges| edges[2] - edges[0];
                let smallest = |slot: &Rect| {
                    let alike = self.slots.iter().zip(&*of_rung);
                    let alike = alike.filter(|(other, _)| (other.width, other.height) == (slot.width, slot.height));
                    alike.map(|(_, edges)| width(edges)).fold(f64::INFINITY, f64::min)
                };
                let widths: Vec<f64> = self.slots.iter().map(smallest).collect();
                for ((edges, slot), width) in of_rung.iter_mut().zip(&self.slots).zip(widths) {
                    *edges = shaped(*edges, self.shape(*rung, slot), [width, f64::INFINITY]);
                }
            }
            for (n, slot) in self.slots.iter().enumerate() {
                let innermost = |edge: usize| {
                    let edges = pictures.iter().map(|of_rung| of_rung[n][edge]);
                    if edge < 2 { edges.fold(f64::NEG_INFINITY, f64::max) } else { edges.fold(f64::INFINITY, f64::min) }
                };
                let [left, top, right, bottom] = [0, 1, 2, 3].map(innermost);
                for (of_rung, rung) in pictures.iter_mut().zip(rungs) {
                    let edges = [
                        of_rung[n][0].max(left - apart),
                        of_rung[n][1].max(top - apart),
                        of_rung[n][2].min(right + apart),
                        of_rung[n][3].min(bottom + apart),
                    ];
                    of_rung[n] = shaped(edges, self.shape(*rung, slot), [f64::INFINITY; 2]);
                }
            }
        }
    }
}

/// A tile of art, which is seen from edge to edge: pictures of games are fitted into theirs, pieces of art are cut out of what lies there.
fn filled([across, down]: [Mbs; 2]) -> SlotTile {
    let (width_mbs, height_mbs) = (across.1 - across.0, down.1 - down.0);
    let inside = Rect { x: 0, y: 0, width: width_mbs * MACROBLOCK, height: height_mbs * MACROBLOCK };
    SlotTile { size: TileSize { width_mbs, height_mbs, inside }, x_mb: across.0, y_mb: down.0 }
}

/// What a picture of 16:9 gets of `inside`.
fn usual(inside: Rect) -> Rect {
    fit(16, 9, (1, 1), inside)
}

/// Where a slot is on an axis.
fn span(slot: &Rect, axis: usize) -> (u32, u32) {
    if axis == 0 { (slot.x, slot.x + slot.width) } else { (slot.y, slot.y + slot.height) }
}

/// Where the tile before an edge at `at` macroblocks ends that another begins at.
fn before(at: f64) -> u32 {
    (at - 0.5 - EPSILON).ceil().max(0.0) as u32
}

/// Where the tile after it begins.
fn after(at: f64) -> u32 {
    (at + 0.5 + EPSILON).floor() as u32
}

fn meet(a: [Mbs; 2], b: [Mbs; 2]) -> bool {
    (0..2).all(|axis| a[axis].0 < b[axis].1 && b[axis].0 < a[axis].1)
}

/// By how much, in parts of the canvas's height, an edge is further out on one rung than on another.
fn edges_apart(rungs: &[CodedSize], tiles: &[Vec<SlotTile>]) -> f64 {
    let slots = tiles.first().map_or(0, Vec::len);
    let apart = |(slot, edge): (usize, usize)| {
        let at = || rungs.iter().zip(tiles).map(|(rung, tiles)| tiles[slot].edges(*rung)[edge]);
        at().fold(f64::NEG_INFINITY, f64::max) - at().fold(f64::INFINITY, f64::min)
    };
    (0..slots).flat_map(|slot| (0..4).map(move |edge| (slot, edge))).map(apart).fold(0.0, f64::max)
}

/// The largest rectangle of `shape` within `edges`, around the same middle, that is no larger than `most` (width, height).
fn shaped([left, top, right, bottom]: Edges, shape: f64, most: [f64; 2]) -> Edges {
    let (width, height) = ((right - left).min(most[0]), (bottom - top).min(most[1]));
    let (width, height) = if width > height * shape { (height * shape, height) } else { (width, width / shape) };
    let (x, y) = ((left + right) / 2.0, (top + bottom) / 2.0);
    [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0]
}

/// A picture in its tile on one axis, in pixels.
#[derive(Clone, Copy)]
struct Stand {
    mbs: u32,
    /// Even, as chroma needs it.
    length: u32,
    /// Where it best begins.
    best: f64,
    /// Where it may begin: even numbers, from and to.
    may: (u32, u32),
}

impl Stand {
    /// For a picture from..to of the canvas, of which `seen` is seen, in a tile of `mbs`; it may be moved by `most`.
    fn new((from, to): (f64, f64), mbs: Mbs, seen: u32, most: f64) -> Option<Self> {
        let origin = mbs.0 * MACROBLOCK;
        let room = ((mbs.1 - mbs.0) * MACROBLOCK).min(seen.saturating_sub(origin));
        // The nearest even number, the lower one of two.
        let length = (((to - from + 1.0 - EPSILON) / 2.0).floor().max(0.0) as u32 * 2).min(room);
        let last = f64::from(room - length);
        let best = ((from + to - f64::from(length)) / 2.0 - f64::from(origin)).clamp(0.0, last);
        let may = [(best - most).max(0.0) - EPSILON, (best + most).min(last) + EPSILON];
        let may = ((may[0] / 2.0).ceil().max(0.0) as u32 * 2, (may[1] / 2.0).floor() as u32 * 2);
        (length > 0).then_some(Self { mbs: mbs.1 - mbs.0, length, best, may })
    }

    /// Whether one place may do for both.
    fn joined(self, other: Self) -> Option<Self> {
        let may = (self.may.0.max(other.may.0), self.may.1.min(other.may.1));
        let alike = (self.mbs, self.length) == (other.mbs, other.length) && may.0 <= may.1;
        alike.then_some(Self { may, ..self })
    }

    /// The middle of the tile, if it may stand there: tiles of other layouts do, too. Else the nearest to where it best does.
    fn at(self) -> u32 {
        let middle = (self.mbs * MACROBLOCK).saturating_sub(self.length) / 4 * 2;
        if (self.may.0..=self.may.1).contains(&middle) {
            return middle;
        }
        let nearest = ((self.best + 1.0 - 3.0 * EPSILON) / 2.0).floor().max(0.0) as u32 * 2;
        nearest.clamp(self.may.0, self.may.1)
    }
}

/// The tiles of a rung, whose pictures (in parts of its height) may be moved by `moved` of it. Those that can be alike are.
fn place(rung: CodedSize, mbs: &[[Mbs; 2]], pictures: &[Edges], moved: f64) -> Option<Vec<SlotTile>> {
    let most = (f64::from(rung.height) * moved).max(MOVED_FREELY);
    let stands = mbs.iter().zip(pictures).map(|([across, down], picture)| {
        let [left, top, right, bottom] = picture.map(|at| at * f64::from(rung.height));
        let across = Stand::new((left, right), *across, rung.width, most)?;
        Some([across, Stand::new((top, bottom), *down, rung.height, most)?])
    });
    let stands: Vec<[Stand; 2]> = stands.collect::<Option<_>>()?;
    // Of each kind of tile what its slots have in common, and the kind of each slot.
    let mut kinds: Vec<[Stand; 2]> = Vec::new();
    let mut kind_of = Vec::with_capacity(stands.len());
    for [x, y] in stands {
        let joined = kinds.iter().enumerate().find_map(|(n, kind)| Some((n, [kind[0].joined(x)?, kind[1].joined(y)?])));
        let n = match joined {
            Some((n, kind)) => {
                kinds[n] = kind;
                n
            }
            None => {
                kinds.push([x, y]);
                kinds.len() - 1
            }
        };
        kind_of.push(n);
    }
    let tile = |([across, down], kind): (&[Mbs; 2], usize)| {
        let [x, y] = kinds[kind];
        let inside = Rect { x: x.at(), y: y.at(), width: x.length, height: y.length };
        SlotTile { size: TileSize { width_mbs: x.mbs, height_mbs: y.mbs, inside }, x_mb: across.0, y_mb: down.0 }
    };
    Some(mbs.iter().zip(kind_of).map(tile).collect())
}

#[cfg(test)]
#[path = "tiles_tests.rs"]
mod tests;
