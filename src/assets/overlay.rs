//! Art that lies over games: what of it is seen, and how much of what is under it. It is laid on pictures of the canvas that were drawn, whoever drew them.

use std::sync::Arc;

use super::check::Read;
use super::condition::{codes, premultiplied};
use super::draws::Stop;
use super::{AssetError, Assets, Piece};
use crate::frame::{Depth, Picture, Rect, fit};

/// What a plane shows of it: samples times 255, and how much of 255 is seen of what is under them.
struct Layer {
    add: Vec<u16>,
    through: Vec<u8>,
}

/// A piece of art over a picture.
pub struct Overlay {
    /// Where on the picture; even.
    rect: Rect,
    layers: [Layer; 3],
}

impl Assets {
    /// What of `piece` is to be seen in `to` of a picture; as large as its part, and even. `None` where there is no such asset. Takes as long as decoding.
    pub fn overlay(&self, piece: &Piece, to: Rect) -> Option<Arc<Overlay>> {
        let _turn = self.turn.lock();
        let read = self.drawn(&piece.asset, (piece.whole.width, piece.whole.height), &Stop::default()).ok()?;
        let report = |error: &AssetError| tracing::error!(asset = %piece.asset, %error, "an asset cannot be shown");
        let layers = layers(&read, piece).inspect_err(report).ok()?;
        Some(Arc::new(Overlay { rect: to, layers }))
    }
}

/// `picture` with `overlays` on it, in their order.
pub fn lay_over(picture: &Picture, overlays: &[Arc<Overlay>]) -> Picture {
    if overlays.is_empty() || picture.colour.depth != Depth::Eight {
        return picture.clone();
    }
    let mut planes = [0, 1, 2].map(|plane| {
        let (width, height) = picture.plane_size(plane);
        let mut samples = Vec::with_capacity(width * height);
        (0..height).for_each(|row| samples.extend_from_slice(picture.row(plane, row)));
        samples
    });
    overlays.iter().for_each(|overlay| overlay.lay(picture, &mut planes));
    Picture::from_planes(picture.width, picture.height, picture.colour, planes).unwrap_or_else(|| picture.clone())
}

impl Overlay {
    fn lay(&self, picture: &Picture, planes: &mut [Vec<u8>; 3]) {
        let Rect { x, y, width, height } = self.rect;
        // Whoever placed it knows the picture's size.
        if x + width > picture.width || y + height > picture.height {
            return;
        }
        for (plane, (samples, layer)) in planes.iter_mut().zip(&self.layers).enumerate() {
            let halves = if plane == 0 { 1 } else { 2 };
            let stride = picture.width as usize / halves;
            let (x, y, wide) = (x as usize / halves, y as usize / halves, width as usize / halves);
            let rows = layer.add.chunks_exact(wide.max(1)).zip(layer.through.chunks_exact(wide.max(1)));
            for (row, (add, through)) in rows.enumerate() {
                let at = (y + row) * stride + x;
                for ((sample, add), through) in samples[at..at + wide].iter_mut().zip(add).zip(through) {
                    let mixed = (u32::from(*add) + u32::from(*sample) * u32::from(*through) + 127) / 255;
                    *sample = mixed.min(255) as u8;
                }
            }
        }
    }
}

/// A pixel of a part: R'G'B' with alpha multiplied in, and alpha.
type Pixel = [u8; 4];

/// Planes of what was read, as far as it lies in the piece's part. Chroma is sited as that of pictures of art.
fn layers(read: &Read, piece: &Piece) -> Result<[Layer; 3], AssetError> {
    let Piece { whole, part, .. } = piece;
    let (wide, high) = read.size();
    let inside = fit(wide, high, (1, 1), *whole);
    let pixels = premultiplied(read, inside.width, inside.height)?;
    let (width, height) = (part.width as usize, part.height as usize);
    let pixel = |x: usize, y: usize| -> Pixel {
        let (x, y) = (
            (part.x as usize + x).wrapping_sub(inside.x as usize),
            (part.y as usize + y).wrapping_sub(inside.y as usize),
        );
        let is_inside = x < inside.width as usize && y < inside.height as usize;
        let at = if is_inside { (y * inside.width as usize + x) * 4 } else { usize::MAX };
        pixels.get(at..at.saturating_add(4)).and_then(|pixel| pixel.try_into().ok()).unwrap_or_default()
    };
    let mut luma = Layer { add: Vec::with_capacity(width * height), through: Vec::with_capacity(width * height) };
    for y in 0..height {
        for x in 0..width {
            let (code, alpha) = mixed(&[(pixel(x, y), 1.0)]);
            luma.push(code[0], alpha);
        }
    }
    let [mut blue, mut red] = [0, 1].map(|_| Layer { add: Vec::new(), through: Vec::new() });
    for y in (0..height).step_by(2) {
        for x in (0..width).step_by(2) {
            let columns = [(x.saturating_sub(1), 1.0), (x, 2.0), ((x + 1).min(width - 1), 1.0)];
            let rows = [y, (y + 1).min(height - 1)];
            let taps = rows.map(|row| columns.map(|(column, weight)| (pixel(column, row), weight / 8.0)));
            let (code, alpha) = mixed(taps.as_flattened());
            blue.push(code[1], alpha);
            red.push(code[2], alpha);
        }
    }
    Ok([luma, blue, red])
}

/// Y'CbCr of weighted pixels times their alpha, and the alpha, of 255.
fn mixed(taps: &[(Pixel, f32)]) -> ([f32; 3], f32) {
    let sum = |channel: usize| taps.iter().map(|(pixel, weight)| f32::from(pixel[channel]) * weight).sum::<f32>();
    let alpha = sum(3) / 255.0;
    let black = codes([0.0; 3]);
    let colour = codes([sum(0), sum(1), sum(2)]);
    // Codes are linear but for where black is: that is seen as much as the rest.
    let code = [0, 1, 2].map(|n| colour[n] - black[n] + black[n] * alpha);
    (code, alpha)
}

impl Layer {
    fn push(&mut self, code: f32, alpha: f32) {
        self.add.push((code * 255.0).round().clamp(0.0, 65_025.0) as u16);
        self.through.push(255 - (alpha * 255.0).round().clamp(0.0, 255.0) as u8);
    }
}

#[cfg(test)]
mod tests {
    use image::{ExtendedColorType, ImageEncoder, codecs::png::PngEncoder};

    use super::*;
    use crate::assets::AssetLimits;
    use crate::frame::Colour;

    /// A PNG of `pixel`, R, G, B and alpha.
    fn png(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 4]) -> Vec<u8> {
        let pixels: Vec<u8> =
            (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y)).collect();
        let mut out = Vec::new();
        PngEncoder::new(&mut out).write_image(&pixels, width, height, ExtendedColorType::Rgba8).unwrap();
        out
    }

    fn grey(width: u32, height: u32, luma: u8) -> Picture {
        let samples = (width * height) as usize;
        let planes = [vec![luma; samples], vec![100; samples / 4], vec![160; samples / 4]];
        Picture::from_planes(width, height, Colour::CANVAS, planes).unwrap()
    }

    #[test]
    fn what_is_clear_shows_the_game_what_is_solid_hides_it_and_what_is_half_is_half() {
        let dir = tempfile::tempdir().unwrap();
        let assets = Assets::open(dir.path().to_owned(), AssetLimits::default()).unwrap();
        // Stripes of 16 pixels: solid white, half white, clear.
        let stripe = |x: u32, _| [255, 255, 255, [255, 128, 0][(x / 16) as usize % 3]];
        let asset = assets.add("acme", &png(48, 32, stripe), None).unwrap().0.id;
        let whole = Rect { x: 100, y: 40, width: 48, height: 32 };
        let piece = |part| Piece { asset, whole, part, background: [0; 3] };
        let to = Rect { x: 8, y: 4, width: 48, height: 32 };
        let overlay = assets.overlay(&piece(whole), to).unwrap();
        let under = grey(64, 48, 60);
        let over = lay_over(&under, &[overlay]);
        let middle = |plane: usize, x: usize| over.row(plane, [16, 8][plane.min(1)])[x];
        let half = |solid: u32, under: u32| ((solid * 128 + under * 127 + 127) / 255) as u8;
        assert_eq!([12, 28, 44].map(|x| middle(0, x)), [235, half(235, 60), 60]);
        // White has no colour: at half of it half of the game's is left.
        assert_eq!([6, 14, 22].map(|x| middle(1, x)), [128, half(128, 100), 100]);
        assert_eq!([6, 14, 22].map(|x| middle(2, x)), [128, half(128, 160), 160]);
        // Around it nothing is another.
        let inside = |x: usize, y: usize| (8..56).contains(&x) && (4..36).contains(&y);
        for y in 0..48 {
            for x in 0..64 {
                assert!(inside(x, y) || over.row(0, y)[x] == 60, "{x} {y}");
            }
        }
        // A piece of it is that piece, and what of a part lies beyond the picture is clear.
        let part = Rect { x: 132, y: 40, width: 32, height: 32 };
        let overlay = assets.overlay(&piece(part), Rect { x: 0, y: 0, width: 32, height: 32 }).unwrap();
        let over = lay_over(&under, &[overlay]);
        assert!(over.row(0, 8).iter().all(|sample| *sample == 60), "{:?}", over.row(0, 8));
        let gone = Piece { asset: crate::assets::AssetId([7; 32]), ..piece(whole) };
        assert!(assets.overlay(&gone, to).is_none());
        assert!(lay_over(&under, &[]).same_memory(&under), "nothing is copied for nothing");
    }
}
