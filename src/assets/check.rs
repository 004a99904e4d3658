//! Files that nobody vouches for: what they are and how large, before anything is allocated for them.

use std::io::Cursor;
use std::time::Duration;

use image::codecs::jpeg::JpegDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{DynamicImage, ImageDecoder, Limits, RgbaImage};
use resvg::usvg;

use super::draws::Begins;
use super::film::{self, FilmPicture};
use super::moving;
use super::svg;
use super::{AssetError, AssetType};
use crate::work::thread_cpu_time;

/// Most pixels of a side, and of a picture: those of a canvas of 4096 x 2160.
pub(super) const MOST_SIDE: u32 = 4096;
pub(super) const MOST_PIXELS: u64 = 4096 * 2160;

/// Bytes that a decoder may take: 16-bit R, G, B and alpha of that many pixels, and what it needs besides.
const MOST_DECODED: u64 = MOST_PIXELS * 8 + (16 << 20);

/// An SVG that takes longer to draw is no picture for a slot. Processor time: waiting for others does not count.
const MOST_DRAWING_S: f64 = 3.0;

/// Sizes at which it is drawn to find out, and how much of that time each may take. The small one ends soon where the large one would not.
const DRAWN_AT: [((u32, u32), f64); 2] = [((480, 270), 0.15), ((1920, 1080), 1.0)];

/// A file that was read.
pub enum Read {
    Pixels(RgbaImage),
    Drawing(Box<usvg::Tree>),
    Film(FilmPicture),
    /// As it was drawn elsewhere, as large as fits where it goes: R'G'B'A with alpha multiplied in, of a file that is as large as `source`.
    Fitted {
        source: (u32, u32),
        size: (u32, u32),
        pixels: Vec<u8>,
    },
}

impl Read {
    /// In pixels.
    pub fn size(&self) -> (u32, u32) {
        match self {
            Self::Fitted { source, .. } => *source,
            Self::Pixels(pixels) => pixels.dimensions(),
            // Checked when it was read.
            Self::Drawing(tree) => (tree.size().width().ceil() as u32, tree.size().height().ceil() as u32),
            Self::Film(picture) => picture.size(),
        }
    }
}

/// What kind of file it is, by its first bytes.
pub(super) fn kind_of(bytes: &[u8]) -> Result<AssetType, AssetError> {
    if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Ok(AssetType::Png);
    }
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) {
        return Ok(AssetType::Jpeg);
    }
    if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        return Ok(AssetType::WebP);
    }
    if let Some(clip) = film::kind_of(bytes) {
        return Ok(clip);
    }
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if text.trim_ascii_start().starts_with(b"<") { Ok(AssetType::Svg) } else { Err(AssetError::Type) }
}

/// Reads a whole file.
pub(super) fn read(kind: AssetType, bytes: &[u8]) -> Result<Read, AssetError> {
    match kind {
        AssetType::Png => {
            // Its size stands at a fixed place (PNG, 11.2.1): no decoder is needed to refuse it.
            let side = |at: usize| bytes.get(at..at + 4).and_then(|side| side.try_into().ok()).map(u32::from_be_bytes);
            if let (Some(width), Some(height)) = (side(16), side(20)) {
                check_size(width.into(), height.into())?;
            }
            match moving::first(kind, bytes)? {
                Some(first) => Ok(first),
                None => pixels(PngDecoder::with_limits(Cursor::new(bytes), limits()).map_err(unreadable)?),
            }
        }
        AssetType::WebP => match moving::first(kind, bytes)? {
            Some(first) => Ok(first),
            None => pixels(WebPDecoder::new(Cursor::new(bytes)).map_err(unreadable)?),
        },
        AssetType::Jpeg => pixels(JpegDecoder::new(Cursor::new(bytes)).map_err(unreadable)?),
        AssetType::Svg => {
            let tree = svg::read(bytes)?;
            let (width, height) = (f64::from(tree.size().width()), f64::from(tree.size().height()));
            check_size(width.ceil() as u64, height.ceil() as u64)?;
            Ok(Read::Drawing(Box::new(tree)))
        }
        // They are read where nothing else is.
        AssetType::Mp4 | AssetType::WebM | AssetType::Ts => Err(AssetError::Type),
    }
}

/// Draws an SVG once: how long that takes can be told in no other way.
pub(super) fn draws_in_time(read: &Read, begins: Begins<'_>) -> Result<(), AssetError> {
    for ((width, height), share) in DRAWN_AT {
        let most = MOST_DRAWING_S * share;
        begins(Some((width, height)), Duration::from_secs_f64(most));
        let before = thread_cpu_time();
        super::condition::fitted(read, (width, height))?;
        let took = thread_cpu_time().saturating_sub(before).as_secs_f64();
        if took > most {
            let why = format!("takes {took:.1} s to draw at {width}x{height}; {most:.1} s are allowed");
            return Err(AssetError::Svg(why));
        }
    }
    Ok(())
}

/// Processor time that a file may take to be drawn so large: what is larger than what was tried takes longer.
pub(super) fn most_drawing((width, height): (u32, u32)) -> Duration {
    let times = f64::from(width) * f64::from(height) / f64::from(1920 * 1080);
    Duration::from_secs_f64(MOST_DRAWING_S * times.max(1.0))
}

pub(super) fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_SIDE);
    limits.max_image_height = Some(MOST_SIDE);
    limits.max_alloc = Some(MOST_DECODED);
    limits
}

pub(super) fn check_size(width: u64, height: u64) -> Result<(), AssetError> {
    let side = |length: u64| (1..=u64::from(MOST_SIDE)).contains(&length);
    if side(width) && side(height) && width.saturating_mul(height) <= MOST_PIXELS {
        return Ok(());
    }
    Err(too_large(width, height))
}

pub(super) fn too_large(width: u64, height: u64) -> AssetError {
    AssetError::Pixels { width, height, most: MOST_SIDE, pixels: MOST_PIXELS }
}

fn pixels(mut decoder: impl ImageDecoder) -> Result<Read, AssetError> {
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into())?;
    decoder.set_limits(limits()).map_err(unreadable)?;
    // A camera that was held upright says so instead of turning its picture.
    let orientation = decoder.orientation().ok();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    if let Some(orientation) = orientation {
        picture.apply_orientation(orientation);
    }
    Ok(Read::Pixels(picture.into_rgba8()))
}

pub(super) fn unreadable(error: image::ImageError) -> AssetError {
    AssetError::Unreadable(error.to_string().chars().take(200).collect())
}
