//! Pictures that are hard on an encoder, and on everything that must stay within a tile.

use quadrille::compositor::solid;
use quadrille::frame::{Colour, Picture};
use quadrille::mosaic::TilePicture;

/// What a tile shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Other noise in every frame.
    Noise,
    /// Coarse detail that moves by so many pixels a frame, right and down.
    Pan(i64, i64),
    /// Another picture every seven frames.
    Cuts,
    /// From black to white and back.
    Fade,
    /// A picture that never changes.
    Still,
}

impl Content {
    pub const ALL: [Content; 13] = [
        Content::Noise,
        Content::Pan(26, 0),
        Content::Pan(-26, 0),
        Content::Pan(0, 26),
        Content::Cuts,
        Content::Pan(0, -26),
        Content::Fade,
        Content::Pan(17, 17),
        Content::Pan(-19, 18),
        Content::Still,
        Content::Pan(18, -19),
        Content::Pan(-17, -17),
        Content::Pan(3, 1),
    ];

    /// Draws it inside the guard, which has the guard's colour.
    pub fn draw(self, tile: TilePicture) -> Picture {
        let TilePicture { width, height, inside, frame, .. } = tile;
        let ground = solid(width, height, tile.colour).expect("an even size");
        let (seed, dx, dy, gain) = match self {
            Content::Noise => (frame, 0, 0, 256),
            Content::Pan(dx, dy) => (7, dx, dy, 256),
            Content::Cuts => (frame / 7, 1, 0, 256),
            Content::Fade => (3, 0, 0, (frame as i64 * 9 % 512 - 256).abs()),
            Content::Still => (5, 0, 0, 256),
        };
        let cell = if self == Content::Noise { 1 } else { 4 };
        let planes = [0, 1, 2].map(|plane| {
            let halves = if plane == 0 { 1 } else { 2 };
            let (w, h) = ground.plane_size(plane);
            let mut samples = ground.plane(plane).to_vec();
            let y_end = (((inside.y + inside.height) / halves) as usize).min(h);
            for y in (inside.y / halves) as usize..y_end {
                let sy = (y as i64 * i64::from(halves) - dy * frame as i64).div_euclid(cell);
                for x in (inside.x / halves) as usize..((inside.x + inside.width) / halves) as usize {
                    let sx = (x as i64 * i64::from(halves) - dx * frame as i64).div_euclid(cell);
                    samples[y * w + x] = (value(sx, sy, seed, plane as u64) * gain / 256) as u8;
                }
            }
            samples
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
