//! Pictures that are hard on an encoder, and on everything that must stay within a tile.

use quadrille::frame::{Colour, Picture};
use quadrille::mosaic::TilePicture;

/// What a tile shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Other noise in every frame.
    Noise,
    /// Coarse detail that moves by so many pixels a frame, right and down.
    Pan(i64, i64),
    /// One picture over all tiles that moves so, so that what comes over an edge is what the neighbour shows.
    Neighbours(i64, i64),
    /// Coarse detail that grows or shrinks by so many thousandths a frame.
    Zoom(i64),
    /// Another picture every seven frames.
    Cuts,
    /// From black to white and back.
    Fade,
    /// A picture that never changes.
    Still,
}

impl Content {
    pub const ALL: [Content; 17] = [
        Content::Noise,
        Content::Pan(26, 0),
        Content::Pan(-64, 0),
        Content::Pan(0, 64),
        Content::Cuts,
        Content::Pan(0, -26),
        Content::Fade,
        Content::Pan(17, 17),
        Content::Pan(-19, 18),
        Content::Still,
        Content::Zoom(40),
        Content::Pan(18, -64),
        Content::Pan(-17, -17),
        Content::Neighbours(9, -5),
        Content::Zoom(-25),
        Content::Pan(3, 1),
        Content::Neighbours(-2, 1),
    ];

    pub fn draw(self, tile: TilePicture) -> Picture {
        let TilePicture { tile: slot, width, height, frame, .. } = tile;
        let n = frame as i64;
        let (seed, dx, dy, gain) = match self {
            Content::Noise => (frame, 0, 0, 256),
            Content::Pan(dx, dy) => (7 + slot as u64, dx, dy, 256),
            Content::Neighbours(dx, dy) => (11, dx, dy, 256),
            Content::Zoom(_) => (13, 0, 0, 256),
            Content::Cuts => (frame / 7, 1, 0, 256),
            Content::Fade => (3, 0, 0, (n * 9 % 512 - 256).abs()),
            Content::Still => (5, 0, 0, 256),
        };
        let cell = if self == Content::Noise { 1 } else { 4 };
        // Where the tile is in a picture that goes on from one to the next.
        let origin = match self {
            Content::Neighbours(..) => ((slot as i64 % 2) * i64::from(width), (slot as i64 / 2) * i64::from(height)),
            _ => (0, 0),
        };
        // Thousandths of the picture's size, around its middle.
        let scale = match self {
            Content::Zoom(by) => 1000 + (n * by).rem_euclid(1000),
            _ => 1000,
        };
        let middle = (i64::from(width) / 2, i64::from(height) / 2);
        let planes = [0u32, 1, 2].map(|plane| {
            let halves = if plane == 0 { 1 } else { 2 };
            let (w, h) = (width / halves, height / halves);
            let halves = i64::from(halves);
            let at = |at: u32, middle: i64, origin: i64, d: i64| {
                let zoomed = middle + (i64::from(at) * halves - middle) * scale / 1000;
                (zoomed + origin - d * n).div_euclid(cell)
            };
            let row = |y: u32| {
                let sy = at(y, middle.1, origin.1, dy);
                let sample =
                    move |x: u32| (value(at(x, middle.0, origin.0, dx), sy, seed, u64::from(plane)) * gain / 256) as u8;
                (0..w).map(sample).collect::<Vec<_>>()
            };
            (0..h).flat_map(row).collect()
        });
        Picture::from_planes(width, height, Colour::CANVAS, planes).expect("planes of their size")
    }
}

/// 0 to 255, by chance but always the same.
fn value(x: i64, y: i64, seed: u64, plane: u64) -> i64 {
    let mut mixed = (x as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (y as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f);
    mixed ^= (seed * 4 + plane).wrapping_mul(0x1656_67b1_9e37_79f9);
    mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 56) as i64
}
