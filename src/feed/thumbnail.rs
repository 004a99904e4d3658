//! Thumbnails: a feed's picture, at most 320 wide, as JPEG.

use bytes::Bytes;
use fast_image_resize as fir;
use jpeg_encoder::{ColorType, Encoder};

use crate::frame::{Matrix, Picture, Range8};

const MAX_WIDTH: u32 = 320;
const QUALITY: u8 = 75;

/// A JPEG of `picture` with square pixels; `None` when it cannot be made (a picture of some absurd shape).
pub fn jpeg_of(picture: &Picture) -> Option<Bytes> {
    let (num, den) = picture.pixel_aspect;
    let display_width = (u64::from(picture.width) * u64::from(num) / u64::from(den)).max(1);
    let width = u32::try_from(display_width).ok()?.min(MAX_WIDTH);
    let height = u64::from(width) * u64::from(picture.height) / display_width;
    let height = u32::try_from(height).ok()?.clamp(2, 1024);
    let mut resizer = fir::Resizer::new();
    let mut planes = [0, 1, 2].map(|_| fir::images::Image::new(width, height, fir::PixelType::U8));
    let options = fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Box));
    for (p, scaled) in planes.iter_mut().enumerate() {
        let (w, h) = picture.plane_size(p);
        let packed: Vec<u8> = (0..h).flat_map(|row| picture.row(p, row)).copied().collect();
        let source =
            fir::images::ImageRef::new(u32::try_from(w).ok()?, u32::try_from(h).ok()?, &packed, fir::PixelType::U8)
                .ok()?;
        resizer.resize(&source, scaled, &options).ok()?;
    }
    let [luma, blue, red] = planes;
    let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
    for ((y, cb), cr) in luma.buffer().iter().zip(blue.buffer()).zip(red.buffer()) {
        rgb.extend(rgb_of(*y, *cb, *cr, picture.colour.matrix, picture.colour.range));
    }
    let mut jpeg = Vec::new();
    let (width, height) = (u16::try_from(width).ok()?, u16::try_from(height).ok()?);
    Encoder::new(&mut jpeg, QUALITY).encode(&rgb, width, height, ColorType::Rgb).ok()?;
    Some(jpeg.into())
}

/// R'G'B' of one sample (ITU-T H.273, 8.3, equations 38 ff., with K_R and K_B of the matrix).
fn rgb_of(y: u8, cb: u8, cr: u8, matrix: Matrix, range: Range8) -> [u8; 3] {
    let (kr, kb) = match matrix {
        Matrix::Bt601 => (0.299, 0.114),
        Matrix::Bt709 => (0.2126, 0.0722),
        Matrix::Bt2020 => (0.2627, 0.0593),
    };
    let (y, c) = match range {
        Range8::Limited => ((f32::from(y) - 16.0) / 219.0, 224.0),
        Range8::Full => (f32::from(y) / 255.0, 255.0),
    };
    let (cb, cr) = ((f32::from(cb) - 128.0) / c, (f32::from(cr) - 128.0) / c);
    let r = y + 2.0 * (1.0 - kr) * cr;
    let b = y + 2.0 * (1.0 - kb) * cb;
    let g = (y - kr * r - kb * b) / (1.0 - kr - kb);
    // The cast saturates.
    [r, g, b].map(|v| (v * 255.0).round() as u8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Colour;

    #[test]
    fn a_thumbnail_is_a_jpeg_of_the_right_size_and_colour() {
        let red = Picture::from_planes(
            1280,
            720,
            Colour::CANVAS,
            [vec![63; 1280 * 720], vec![102; 640 * 360], vec![240; 640 * 360]],
        );
        let jpeg = jpeg_of(&red.unwrap()).unwrap();
        let mut decoder = zune_jpeg::JpegDecoder::new(zune_jpeg::zune_core::bytestream::ZCursor::new(&jpeg));
        let rgb = decoder.decode().unwrap();
        assert_eq!(decoder.dimensions(), Some((320, 180)));
        let middle = 3 * (90 * 320 + 160);
        let [r, g, b] = [rgb[middle], rgb[middle + 1], rgb[middle + 2]];
        assert!(r > 245 && g < 12 && b < 12, "{r} {g} {b}");
    }
}
