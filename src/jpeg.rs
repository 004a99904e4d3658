//! Small pictures as JPEG: thumbnails, and sheets of them.

use bytes::Bytes;
use fast_image_resize as fir;
use jpeg_encoder::{ColorType, Encoder};

use crate::frame::{Colour, Matrix, Picture, Range8, Transfer, light};

const MAX_WIDTH: u32 = 320;
const QUALITY: u8 = 75;

/// A JPEG of `picture` with square pixels; `None` when it cannot be made (a picture of some absurd shape).
pub fn thumbnail(picture: &Picture) -> Option<Bytes> {
    let (num, den) = picture.pixel_aspect;
    let display_width = (u64::from(picture.width) * u64::from(num) / u64::from(den)).max(1);
    let width = u32::try_from(display_width).ok()?.min(MAX_WIDTH);
    let height = u64::from(width) * u64::from(picture.height) / display_width;
    let height = u32::try_from(height).ok()?.clamp(2, 1024);
    encoded(&scaled(picture, width, height)?, width, height)
}

/// The size of a thumbnail of pictures of `width` x `height` square pixels.
pub fn thumbnail_size(width: u32, height: u32) -> (u32, u32) {
    let small = width.clamp(1, MAX_WIDTH);
    let high = u64::from(small) * u64::from(height) / u64::from(width.max(1));
    (small, u32::try_from(high).unwrap_or(1024).clamp(2, 1024))
}

/// A JPEG of tiles of `width` x `height`, `columns` in a row, in reading order: `pictures` scaled, black where there is none, and behind the last one
/// black until `rows` are full. `None` when it cannot be made.
pub fn sheet(pictures: &[Option<Picture>], (width, height): (u32, u32), columns: usize, rows: usize) -> Option<Bytes> {
    let (tile_bytes, tile_height) = (width as usize * 3, height as usize);
    let row_bytes = tile_bytes * columns;
    let mut rgb = vec![0; row_bytes * tile_height * rows];
    for (at, picture) in pictures.iter().enumerate().take(columns * rows) {
        let Some(picture) = picture else { continue };
        let tile = scaled(picture, width, height)?;
        let corner = (at / columns) * tile_height * row_bytes + (at % columns) * tile_bytes;
        for (row, line) in tile.chunks_exact(tile_bytes).enumerate() {
            rgb[corner + row * row_bytes..][..tile_bytes].copy_from_slice(line);
        }
    }
    encoded(&rgb, width * u32::try_from(columns).ok()?, height * u32::try_from(rows).ok()?)
}

/// R'G'B' of `picture` at that size.
fn scaled(picture: &Picture, width: u32, height: u32) -> Option<Vec<u8>> {
    let mut resizer = fir::Resizer::new();
    let mut planes = [0, 1, 2].map(|_| fir::images::Image::new(width, height, fir::PixelType::U8));
    let options = fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Box));
    for (p, scaled) in planes.iter_mut().enumerate() {
        let (w, h) = picture.plane_size(p);
        // Eight bits are enough for what is as small as this.
        let beyond = picture.colour.depth.bits() - 8;
        let samples = (0..h).flat_map(|row| picture.samples(p, row));
        let packed: Vec<u8> = samples.map(|sample| (sample >> beyond) as u8).collect();
        let source =
            fir::images::ImageRef::new(u32::try_from(w).ok()?, u32::try_from(h).ok()?, &packed, fir::PixelType::U8)
                .ok()?;
        resizer.resize(&source, scaled, &options).ok()?;
    }
    let [luma, blue, red] = planes;
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for ((y, cb), cr) in luma.buffer().iter().zip(blue.buffer()).zip(red.buffer()) {
        rgb.extend(rgb_of(*y, *cb, *cr, picture.colour));
    }
    Some(rgb)
}

fn encoded(rgb: &[u8], width: u32, height: u32) -> Option<Bytes> {
    let mut jpeg = Vec::new();
    let (width, height) = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
    Encoder::new(&mut jpeg, QUALITY).encode(rgb, width, height, ColorType::Rgb).ok()?;
    Some(jpeg.into())
}

/// R'G'B' of one sample (ITU-T H.273, 8.3, equations 38 ff., with K_R and K_B of the matrix). HDR is tone-mapped, as on the canvas; other colours are
/// left as they are.
fn rgb_of(y: u8, cb: u8, cr: u8, colour: Colour) -> [u8; 3] {
    let (kr, kb) = match colour.matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Bt2020 => (0.2627, 0.0593),
    };
    let (y, c) = match colour.range {
        Range8::Limited => ((f32::from(y) - 16.0) / 219.0, 224.0),
        Range8::Full => (f32::from(y) / 255.0, 255.0),
    };
    let (cb, cr) = ((f32::from(cb) - 128.0) / c, (f32::from(cr) - 128.0) / c);
    let r = y + 2.0 * (1.0 - kr) * cr;
    let b = y + 2.0 * (1.0 - kb) * cb;
    let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
    let rgb = match colour.transfer {
        Transfer::Bt709 | Transfer::Srgb => [r, g, b],
        Transfer::Pq(_) | Transfer::Hlg => {
            light::to_canvas([r, g, b].map(f64::from), colour.primaries, colour.transfer).map(|value| value as f32)
        }
    };
    // The cast saturates.
    rgb.map(|v| (v * 255.0).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Colour;

    fn red(width: u32, height: u32) -> Picture {
        let samples = width as usize * height as usize;
        let planes = [vec![63; samples], vec![102; samples / 4], vec![240; samples / 4]];
        Picture::from_planes(width, height, Colour::CANVAS, planes).unwrap()
    }

    fn decoded(jpeg: &[u8]) -> (Vec<u8>, (usize, usize)) {
        let mut decoder = zune_jpeg::JpegDecoder::new(zune_jpeg::zune_core::bytestream::ZCursor::new(jpeg));
        let rgb = decoder.decode().unwrap();
        (rgb, decoder.dimensions().unwrap())
    }

    #[test]
    fn a_thumbnail_is_a_jpeg_of_the_right_size_and_colour() {
        let (rgb, size) = decoded(&thumbnail(&red(1280, 720)).unwrap());
        assert_eq!(size, (320, 180));
        let middle = 3 * (90 * 320 + 160);
        let [r, g, b] = [rgb[middle], rgb[middle + 1], rgb[middle + 2]];
        assert!(r > 245 && g < 12 && b < 12, "{r} {g} {b}");
    }

    #[test]
    fn pixels_of_an_absurd_shape_do_no_harm() {
        let memory = std::sync::Arc::new(Flat);
        for aspect in [(1, 0), (0, 1), (0, 0), (u32::MAX, 1), (1, u32::MAX)] {
            let picture = Picture::new(16, 16, [16, 8, 8], Colour::CANVAS, aspect, memory.clone()).unwrap();
            assert!(picture.pixel_aspect.0 > 0 && picture.pixel_aspect.1 > 0);
            let _ = thumbnail(&picture);
        }
    }

    struct Flat;

    impl crate::frame::PlaneMemory for Flat {
        fn plane(&self, _: usize) -> &[u8] {
            &[128; 256]
        }
    }

    #[test]
    fn a_sheet_has_its_tiles_in_reading_order_and_is_black_where_there_is_none() {
        let size = thumbnail_size(480, 270);
        assert_eq!((size, thumbnail_size(1920, 1080), thumbnail_size(96, 54)), ((320, 180), (320, 180), (96, 54)));
        let jpeg = sheet(&[None, Some(red(480, 270)), None, Some(red(480, 270))], size, 3, 2).unwrap();
        let (rgb, size) = decoded(&jpeg);
        assert_eq!(size, (960, 360));
        let is_red = |column: usize, row: usize| rgb[3 * ((row * 180 + 90) * 960 + column * 320 + 160)] > 200;
        let all: Vec<bool> = (0..6).map(|at| is_red(at % 3, at / 3)).collect();
        assert_eq!(all, [false, true, false, true, false, false]);
        // Not a picture that any decoder takes.
        assert!(sheet(&[], (320, 180), 300, 1).is_none());
    }
}
