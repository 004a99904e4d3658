//! Makes a picture of the canvas of a file: scaled into its place, laid on the background, in limited BT.709 I420 with chroma sited left, as encoders
//! are told.

use fast_image_resize as fir;
use lru::LruCache;
use resvg::{tiny_skia, usvg};

#[cfg(test)]
use super::AssetType;
#[cfg(test)]
use super::check;
use super::check::Read;
use super::{AssetError, AssetId, Piece};
use crate::frame::{Colour, Picture, Rect, fit};

/// Bytes of pictures that are kept.
const KEPT_BYTES: usize = 96 << 20;

/// Asset, size and background.
type Key = (AssetId, (u32, u32), [u8; 3]);

/// Pictures that were made, as many as fit; those that were asked for longest ago go first.
pub(super) struct Conditioned {
    pictures: LruCache<Key, Picture>,
    bytes: usize,
}

impl Default for Conditioned {
    fn default() -> Self {
        Self { pictures: LruCache::unbounded(), bytes: 0 }
    }
}

impl Conditioned {
    pub fn get(&mut self, key: &Key) -> Option<Picture> {
        self.pictures.get(key).cloned()
    }

    pub fn put(&mut self, key: Key, picture: Picture) {
        self.bytes += bytes_of(&picture);
        if let Some(before) = self.pictures.put(key, picture) {
            self.bytes -= bytes_of(&before);
        }
        while self.bytes > KEPT_BYTES {
            let Some((_, oldest)) = self.pictures.pop_lru() else { break };
            self.bytes -= bytes_of(&oldest);
        }
    }
}

fn bytes_of(picture: &Picture) -> usize {
    picture.width as usize * picture.height as usize * 3 / 2
}

/// The picture of a file at `size`, both even.
#[cfg(test)]
pub(super) fn picture(
    kind: AssetType,
    bytes: &[u8],
    size: (u32, u32),
    background: [u8; 3],
) -> Result<Picture, AssetError> {
    let made = std::panic::catch_unwind(|| laid(&check::read(kind, bytes)?, size, background));
    made.unwrap_or_else(|_| Err(AssetError::Unreadable("the decoder failed".to_owned())))
}

/// The picture of what was read at `size`, laid on `background`.
pub(super) fn laid(read: &Read, size: (u32, u32), background: [u8; 3]) -> Result<Picture, AssetError> {
    if let Read::Film(film) = read {
        return film.drawn(size, background);
    }
    let rgb = rgb(read, size, background)?;
    i420(&rgb, size).ok_or_else(|| AssetError::Unreadable(format!("no picture of {}x{}", size.0, size.1)))
}

/// R'G'B' of what was read, in the middle of `size` and laid on `background`.
pub(super) fn rgb(read: &Read, (width, height): (u32, u32), background: [u8; 3]) -> Result<Vec<u8>, AssetError> {
    let (wide, high) = read.size();
    let inside = fit(wide, high, (1, 1), Rect { x: 0, y: 0, width, height });
    let mut out = background.repeat(width as usize * height as usize);
    let scaled = premultiplied(read, inside.width, inside.height)?;
    for (row, line) in scaled.chunks_exact(inside.width as usize * 4).enumerate() {
        let at = ((inside.y as usize + row) * width as usize + inside.x as usize) * 3;
        for (pixel, over) in out[at..].chunks_exact_mut(3).zip(line.chunks_exact(4)) {
            let through = 255 - u32::from(over[3]);
            if through == 0 {
                // Most pixels of most files.
                pixel.copy_from_slice(&over[..3]);
                continue;
            }
            for (under, over) in pixel.iter_mut().zip(over) {
                // Alpha is multiplied in already.
                *under = (u32::from(*over) + (u32::from(*under) * through + 127) / 255).min(255) as u8;
            }
        }
    }
    Ok(out)
}

/// How large what is `source` becomes in `room`.
pub(super) fn fitted_size(source: (u32, u32), room: (u32, u32)) -> (u32, u32) {
    let inside = fit(source.0, source.1, (1, 1), Rect { x: 0, y: 0, width: room.0, height: room.1 });
    (inside.width, inside.height)
}

/// What was read, as large as fits into `room`.
pub(super) fn fitted(read: &Read, room: (u32, u32)) -> Result<Read, AssetError> {
    let source = read.size();
    let size = fitted_size(source, room);
    Ok(Read::Fitted { source, size, pixels: premultiplied(read, size.0, size.1)? })
}

/// R'G'B'A of what was read with alpha multiplied in, at that size.
pub(super) fn premultiplied(read: &Read, width: u32, height: u32) -> Result<Vec<u8>, AssetError> {
    match read {
        Read::Pixels(pixels) => scaled(pixels, width, height),
        Read::Drawing(tree) => drawn(tree, width, height),
        Read::Film(film) => Ok(rgba(&film.drawn((width, height), [0; 3])?)),
        Read::Fitted { size, pixels, .. } if *size == (width, height) => Ok(pixels.clone()),
        Read::Fitted { .. } => Err(AssetError::Unreadable(format!("no picture of {width}x{height}"))),
    }
}

fn scaled(pixels: &image::RgbaImage, width: u32, height: u32) -> Result<Vec<u8>, AssetError> {
    let unreadable = |why: String| AssetError::Unreadable(why);
    let (wide, high) = pixels.dimensions();
    let source = fir::images::ImageRef::new(wide, high, pixels.as_raw(), fir::PixelType::U8x4)
        .map_err(|error| unreadable(error.to_string()))?;
    let mut premultiplied = fir::images::Image::new(wide, high, fir::PixelType::U8x4);
    let multiplies = fir::MulDiv::new();
    multiplies.multiply_alpha(&source, &mut premultiplied).map_err(|error| unreadable(error.to_string()))?;
    if (wide, high) == (width, height) {
        return Ok(premultiplied.into_vec());
    }
    let mut scaled = fir::images::Image::new(width, height, fir::PixelType::U8x4);
    let algorithm = fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3);
    // What alpha hides must not shine through at edges, which is why it is multiplied in before.
    let options = fir::ResizeOptions::new().resize_alg(algorithm).use_alpha(false);
    fir::Resizer::new().resize(&premultiplied, &mut scaled, &options).map_err(|error| unreadable(error.to_string()))?;
    let mut scaled = scaled.into_vec();
    // Lanczos overshoots: no colour is brighter than its alpha.
    for pixel in scaled.chunks_exact_mut(4) {
        for at in 0..3 {
            pixel[at] = pixel[at].min(pixel[3]);
        }
    }
    Ok(scaled)
}

fn drawn(tree: &usvg::Tree, width: u32, height: u32) -> Result<Vec<u8>, AssetError> {
    let mut pixmap = tiny_skia::Pixmap::new(width, height)
        .ok_or_else(|| AssetError::Unreadable(format!("no picture of {width}x{height}")))?;
    let (across, down) = (width as f32 / tree.size().width(), height as f32 / tree.size().height());
    resvg::render(tree, tiny_skia::Transform::from_scale(across, down), &mut pixmap.as_mut());
    Ok(pixmap.take())
}

/// BT.709's.
const KR: f32 = 0.2126;
const KB: f32 = 0.0722;

/// Eighths of a value of eight bits, of the largest one: divisions take long, and there are as many as a picture has samples.
static OF_255: [f32; 8 * 255 + 1] = {
    let mut shares = [0.0; 8 * 255 + 1];
    let mut eighths = 0;
    while eighths < shares.len() {
        shares[eighths] = eighths as f32 / 8.0 / 255.0;
        eighths += 1;
    }
    shares
};

/// Y'CbCr of R'G'B', not rounded (ITU-T H.273, 8.3, with BT.709's K_R and K_B, limited range).
pub(super) fn codes(rgb: [f32; 3]) -> [f32; 3] {
    codes_of_shares(rgb.map(|v| v / 255.0))
}

/// The same of R'G'B' from 0 to 1.
fn codes_of_shares([r, g, b]: [f32; 3]) -> [f32; 3] {
    let luma = KR * r + (1.0 - KR - KB) * g + KB * b;
    let blue = (b - luma) / (2.0 * (1.0 - KB));
    let red = (r - luma) / (2.0 * (1.0 - KR));
    [16.0 + 219.0 * luma, 128.0 + 224.0 * blue, 128.0 + 224.0 * red]
}

/// R'G'B'A of a picture in the canvas's colours: of its chroma each sample stands for its four pixels.
fn rgba(picture: &Picture) -> Vec<u8> {
    let mut out = Vec::with_capacity(picture.width as usize * picture.height as usize * 4);
    for y in 0..picture.height as usize {
        let [luma, blue, red] = [(0, y), (1, y / 2), (2, y / 2)].map(|(plane, row)| picture.row(plane, row));
        for (x, luma) in luma.iter().enumerate() {
            let y = (f32::from(*luma) - 16.0) / 219.0;
            let [cb, cr] = [blue[x / 2], red[x / 2]].map(|code| (f32::from(code) - 128.0) / 224.0);
            let (r, b) = (y + 2.0 * (1.0 - KR) * cr, y + 2.0 * (1.0 - KB) * cb);
            let g = (y - KR * r - KB * b) / (1.0 - KR - KB);
            out.extend([r, g, b].map(|v| rounded(v * 255.0)));
            out.push(255);
        }
    }
    out
}

/// To the nearest code there is. `f32::round` is a call on processors that we may not expect more of.
fn rounded(code: f32) -> u8 {
    // What lies outside becomes the nearest there is.
    (code + 0.5) as u8
}

/// Luma of each pixel; chroma of each second one, of it and its neighbours to both sides, in two rows.
fn i420(rgb: &[u8], (width, height): (u32, u32)) -> Option<Picture> {
    let (w, h) = (width as usize, height as usize);
    let luma_of = |pixel: &[u8]| {
        let [luma, ..] = codes_of_shares([0, 1, 2].map(|n| OF_255[8 * usize::from(pixel[n])]));
        rounded(luma)
    };
    let luma = rgb.chunks_exact(3).map(luma_of).collect();
    let (mut blue, mut red) = (Vec::with_capacity(w * h / 4), Vec::with_capacity(w * h / 4));
    for y in (0..h).step_by(2) {
        let rows = [y, (y + 1).min(h - 1)].map(|row| &rgb[row * w * 3..(row + 1) * w * 3]);
        for x in (0..w).step_by(2) {
            let (before, at, after) = (x.saturating_sub(1) * 3, x * 3, (x + 1).min(w - 1) * 3);
            let sum = |n: usize| {
                let of = |row: &[u8]| {
                    usize::from(row[before + n]) + 2 * usize::from(row[at + n]) + usize::from(row[after + n])
                };
                of(rows[0]) + of(rows[1])
            };
            let [_, b, r] = codes_of_shares([0, 1, 2].map(|n| OF_255[sum(n)]));
            blue.push(rounded(b));
            red.push(rounded(r));
        }
    }
    Picture::from_planes(width, height, Colour::CANVAS, [luma, blue, red])
}

/// What `piece` wants of the whole picture. `None` for a size that is odd or empty.
pub(super) fn cut(whole: &Picture, piece: &Piece) -> Option<Picture> {
    let Piece { whole: lies, part, background, .. } = piece;
    let [luma, blue, red] = codes(background.map(f32::from)).map(rounded);
    let plane = |plane: usize, code: u8| {
        let halves = if plane == 0 { 1 } else { 2 };
        let (width, height) = (part.width as usize / halves, part.height as usize / halves);
        let mut out = vec![code; width * height];
        let (high, wide) = (whole.plane_size(plane).1 as i64, whole.plane_size(plane).0 as i64);
        // Where the part begins, from the whole's corner.
        let (across, down) = (
            (i64::from(part.x) - i64::from(lies.x)) / halves as i64,
            (i64::from(part.y) - i64::from(lies.y)) / halves as i64,
        );
        let (from, to) = (across.max(0), (across + width as i64).min(wide));
        for (row, line) in out.chunks_exact_mut(width.max(1)).enumerate() {
            let y = down + row as i64;
            if (0..high).contains(&y) && from < to {
                let source = &whole.row(plane, y as usize)[from as usize..to as usize];
                line[(from - across) as usize..(to - across) as usize].copy_from_slice(source);
            }
        }
        out
    };
    Picture::from_planes(part.width, part.height, Colour::CANVAS, [plane(0, luma), plane(1, blue), plane(2, red)])
}

/// A canvas on which pieces are laid one after the other.
pub(super) struct Sheet {
    width: u32,
    height: u32,
    planes: [Vec<u8>; 3],
}

impl Sheet {
    /// Both even.
    pub fn new(width: u32, height: u32, background: [u8; 3]) -> Self {
        let [luma, blue, red] = codes(background.map(f32::from)).map(rounded);
        let samples = width as usize * height as usize;
        Self { width, height, planes: [vec![luma; samples], vec![blue; samples / 4], vec![red; samples / 4]] }
    }

    /// Lays `picture`, which is as large as `rect`, into `rect`, which is inside.
    pub fn put(&mut self, picture: &Picture, rect: Rect) {
        for (plane, to) in self.planes.iter_mut().enumerate() {
            let halves = if plane == 0 { 1 } else { 2 };
            let (stride, x, y) = (self.width as usize / halves, rect.x as usize / halves, rect.y as usize / halves);
            let (wide, high) = picture.plane_size(plane);
            for row in 0..high {
                to[(y + row) * stride + x..][..wide].copy_from_slice(picture.row(plane, row));
            }
        }
    }

    pub fn picture(self) -> Option<Picture> {
        Picture::from_planes(self.width, self.height, Colour::CANVAS, self.planes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As [`i420`] says it, in so many words.
    fn plainly(rgb: &[u8], (width, height): (u32, u32)) -> [Vec<u8>; 3] {
        let rounded = |code: f32| code.round().clamp(0.0, 255.0) as u8;
        let at = |x: u32, y: u32| {
            let at = ((y * width + x) * 3) as usize;
            [rgb[at], rgb[at + 1], rgb[at + 2]].map(f32::from)
        };
        let (mut luma, mut blue, mut red) = (Vec::new(), Vec::new(), Vec::new());
        for y in 0..height {
            for x in 0..width {
                luma.push(rounded(codes(at(x, y))[0]));
                if x % 2 == 0 && y % 2 == 0 {
                    let mut sum = [0.0; 3];
                    for row in [y, y + 1] {
                        for (column, weight) in [(x.saturating_sub(1), 1.0), (x, 2.0), (x + 1, 1.0)] {
                            (0..3).for_each(|n| sum[n] += at(column, row)[n] * weight / 8.0);
                        }
                    }
                    let [_, b, r] = codes(sum);
                    blue.push(rounded(b));
                    red.push(rounded(r));
                }
            }
        }
        [luma, blue, red]
    }

    #[test]
    fn pictures_are_what_their_formula_says_to_the_last_sample() {
        // All sorts of colours side by side, then each grey and the corners of the cube.
        let mixed = |n: u32| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8;
        let mut rgb: Vec<u8> = (0..256 * 190 * 3).map(mixed).collect();
        rgb.extend((0..=255u8).flat_map(|grey| [grey; 3]));
        rgb.extend((0..256u32).flat_map(|n| [n, n >> 1, n >> 2].map(|bit| if bit & 1 > 0 { 255 } else { 0 })));
        let size = (256, 192);
        let picture = i420(&rgb, size).unwrap();
        for (plane, wanted) in plainly(&rgb, size).into_iter().enumerate() {
            let (_, rows) = picture.plane_size(plane);
            let seen: Vec<u8> = (0..rows).flat_map(|row| picture.row(plane, row).to_vec()).collect();
            assert!(seen == wanted, "plane {plane}");
        }
    }

    /// Alpha of each kind, on a background.
    #[test]
    fn what_covers_hides_and_what_does_not_shines_through() {
        let pixels = [[200, 100, 50, 255], [100, 50, 25, 128], [0, 0, 0, 0], [9, 9, 9, 255]].concat();
        let read = Read::Fitted { source: (4, 1), size: (4, 1), pixels };
        let made = rgb(&read, (4, 1), [40, 80, 120]).unwrap();
        let half = [100 + (40 * 127 + 127) / 255, 50 + (80 * 127 + 127) / 255, 25 + (120 * 127 + 127) / 255];
        let half = half.map(|value: u32| value as u8);
        assert_eq!(made, [[200, 100, 50], half, [40, 80, 120], [9, 9, 9]].concat());
    }
}
