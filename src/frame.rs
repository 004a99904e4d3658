//! Pictures and sound as they travel inside the service: planes, colour description, aspect.
//!
//! Every picture is 4:2:0 in three planes of 8 or 10 bits (I420); feeds convert anything else once, on the way in. Canvases are of 8 bits, those in HDR of 10.

mod coded_sound;
mod colour;
pub mod light;
mod sound_track;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

pub use coded_sound::{Aac, AacObject, Ac3, CodedFrame, CodedSound, Eac3, NoCodedSound};
pub use colour::{Colour, Depth, Matrix, Peak, Primaries, Range8, Transfer};
pub use sound_track::{SoundRole, SoundTrack};

/// Pixels of a macroblock's side (ITU-T H.264, 3.85).
pub const MACROBLOCK: u32 = 16;

/// A canvas as it is coded: in whole macroblocks, of which a decoder crops what is too much (ITU-T H.264, 7.4.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CodedSize {
    /// What is seen, in pixels; both even.
    pub width: u32,
    pub height: u32,
    /// What is coded, in macroblocks.
    pub width_mbs: u32,
    pub height_mbs: u32,
}

impl CodedSize {
    /// Of a canvas of `width` x `height`. What is coded beyond it is cropped at the right and below: there are decoders, Chromium's among
    /// them, that do not heed what is to be cropped above.
    pub const fn of(width: u32, height: u32) -> Self {
        Self { width, height, width_mbs: width.div_ceil(MACROBLOCK), height_mbs: height.div_ceil(MACROBLOCK) }
    }
}

/// The largest rectangle in `slot` that shows a picture of `width` x `height` pixels of shape `pixel_aspect` (width over
/// height) undistorted: centred, all numbers even if the slot's are, at least 2x2. A zero in the aspect means square pixels.
pub fn fit(width: u32, height: u32, pixel_aspect: (u32, u32), slot: Rect) -> Rect {
    let (across, down) = if pixel_aspect.0 == 0 || pixel_aspect.1 == 0 { (1, 1) } else { pixel_aspect };
    // Shape of the picture on the screen. 32-bit factors: their products and the slot's sides stay below 2^96.
    let (wide, high) = (u128::from(width.max(1)) * u128::from(across), u128::from(height.max(1)) * u128::from(down));
    let (slot_wide, slot_high) = (u128::from(slot.width), u128::from(slot.height));
    let (fitted_width, fitted_height) = if wide * slot_high >= high * slot_wide {
        (slot.width, nearest_even(slot_wide * high, wide, slot.height))
    } else {
        (nearest_even(slot_high * wide, high, slot.width), slot.height)
    };
    Rect {
        x: slot.x + (slot.width - fitted_width) / 2 / 2 * 2,
        y: slot.y + (slot.height - fitted_height) / 2 / 2 * 2,
        width: fitted_width,
        height: fitted_height,
    }
}

/// `num / den` rounded to an even number from 2 to `most`.
fn nearest_even(num: u128, den: u128, most: u32) -> u32 {
    let halves = (num + den) / (2 * den);
    u32::try_from(halves * 2).unwrap_or(u32::MAX).clamp(2.min(most), most)
}

/// Memory that holds a picture's three planes (Y, U, V), wherever it came from.
pub trait PlaneMemory: Send + Sync {
    /// Bytes of plane `plane` (0 Y, 1 U, 2 V), at least `stride * rows` less the last row's padding. A sample of 10 bits is two of them, the low one first.
    fn plane(&self, plane: usize) -> &[u8];
}

/// One decoded picture, 4:2:0. Cheap to clone: the planes are shared and immutable.
#[derive(Clone)]
pub struct Picture {
    /// Luma size in pixels; both even.
    pub width: u32,
    pub height: u32,
    /// Bytes from one row to the next, per plane.
    pub strides: [usize; 3],
    /// Its depth is that of the memory.
    pub colour: Colour,
    /// Pixel (sample) aspect ratio, width over height.
    pub pixel_aspect: (u32, u32),
    memory: Arc<dyn PlaneMemory>,
}

impl Picture {
    /// A picture over `memory`. `None` when a plane is too small for its stride and rows, or the size is odd or zero. A zero in the aspect means
    /// square pixels: nobody has to ask before dividing by it.
    pub fn new(
        width: u32,
        height: u32,
        strides: [usize; 3],
        colour: Colour,
        pixel_aspect: (u32, u32),
        memory: Arc<dyn PlaneMemory>,
    ) -> Option<Self> {
        let pixel_aspect = if pixel_aspect.0 == 0 || pixel_aspect.1 == 0 { (1, 1) } else { pixel_aspect };
        let picture = Self { width, height, strides, colour, pixel_aspect, memory };
        let sound = (0..3).all(|p| {
            let (w, h) = (picture.row_bytes(p), picture.plane_size(p).1);
            strides[p] >= w && h > 0 && picture.memory.plane(p).len() >= strides[p] * (h - 1) + w
        });
        (width > 0 && height > 0 && width.is_multiple_of(2) && height.is_multiple_of(2) && sound).then_some(picture)
    }

    /// A tightly packed picture that owns its planes. `None` when a plane's length is not exactly its size.
    pub fn from_planes(width: u32, height: u32, colour: Colour, planes: [Vec<u8>; 3]) -> Option<Self> {
        let (w, h) = (width as usize * colour.depth.bytes(), height as usize);
        let exact = planes[0].len() == w * h && planes[1].len() == w * h / 4 && planes[2].len() == w * h / 4;
        if !exact {
            return None;
        }
        Self::new(width, height, [w, w / 2, w / 2], colour, (1, 1), Arc::new(OwnedPlanes(planes)))
    }

    /// Width and height of plane `plane` in samples.
    pub fn plane_size(&self, plane: usize) -> (usize, usize) {
        let (w, h) = (self.width as usize, self.height as usize);
        if plane == 0 { (w, h) } else { (w / 2, h / 2) }
    }

    /// Bytes of a row of plane `plane`, without padding.
    pub fn row_bytes(&self, plane: usize) -> usize {
        self.plane_size(plane).0 * self.colour.depth.bytes()
    }

    /// Bytes of all its samples.
    pub fn bytes(&self) -> usize {
        (0..3).map(|plane| self.row_bytes(plane) * self.plane_size(plane).1).sum()
    }

    /// Bytes of plane `plane`; row `r` starts at `r * strides[plane]`.
    pub fn plane(&self, plane: usize) -> &[u8] {
        self.memory.plane(plane)
    }

    /// The bytes of row `row` of plane `plane`, without padding.
    pub fn row(&self, plane: usize, row: usize) -> &[u8] {
        let at = row * self.strides[plane];
        &self.memory.plane(plane)[at..at + self.row_bytes(plane)]
    }

    /// The samples of row `row` of plane `plane`, none larger than their depth has room for.
    pub fn samples(&self, plane: usize, row: usize) -> impl Iterator<Item = u16> {
        let depth = self.colour.depth;
        self.row(plane, row).chunks_exact(depth.bytes()).map(move |bytes| depth.sample(bytes))
    }

    /// Whether two handles share one picture's memory (the same picture, held for another tick).
    pub fn same_memory(&self, other: &Picture) -> bool {
        Arc::ptr_eq(&self.memory, &other.memory)
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Picture({}x{}, {:?})", self.width, self.height, self.colour)
    }
}

struct OwnedPlanes([Vec<u8>; 3]);

impl PlaneMemory for OwnedPlanes {
    fn plane(&self, plane: usize) -> &[u8] {
        &self.0[plane]
    }
}

/// Stereo sound on the grid: interleaved 16-bit samples at 48 kHz, `samples` numbered since the media epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sound {
    pub samples: Range<u64>,
    /// `2 * (samples.end - samples.start)` values, left first.
    pub interleaved: Vec<i16>,
}

/// One encoded picture: H.264 NAL units with four-byte lengths (ISO/IEC 14496-15, 5.3.3), without AUD, SPS or PPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessUnit {
    /// The first grid frame it shows; it is shown until the next access unit's.
    pub frame: u64,
    /// Whether it is an IDR picture.
    pub sync: bool,
    pub data: bytes::Bytes,
}

/// One access unit of sound at 48 kHz: of AAC-LC stereo (raw, no ADTS) samples `aac_frame * 1024 ..` since the media epoch. Of another coded sound its
/// frames are counted in the same way, each as long as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoundUnit {
    pub aac_frame: u64,
    pub data: bytes::Bytes,
}

/// A rectangle in pixels; `x`, `y` is its top left corner.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema, PartialOrd, Ord,
)]
pub struct Rect {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rect(x: u32, y: u32, width: u32, height: u32) -> Rect {
        Rect { x, y, width, height }
    }

    #[test]
    fn pictures_keep_their_aspect() {
        let slot = rect(960, 540, 960, 540);
        assert_eq!(fit(1280, 720, (1, 1), slot), slot);
        assert_eq!(fit(640, 480, (1, 1), slot), rect(1080, 540, 720, 540), "4:3 between pillars");
        assert_eq!(fit(720, 576, (64, 45), slot), slot, "anamorphic SD fills");
        assert_eq!(fit(720, 576, (16, 15), slot), rect(1080, 540, 720, 540));
        assert_eq!(fit(1920, 800, (1, 1), slot), rect(960, 610, 960, 400), "scope between bars");
        assert_eq!(fit(1366, 768, (1, 1), slot), slot, "a third of a pixel is no bar");
        assert_eq!(fit(4000, 2, (1, 1), rect(0, 0, 100, 100)), rect(0, 48, 100, 2));
        assert_eq!(fit(2, 4000, (0, 0), rect(0, 0, 100, 100)), rect(48, 0, 2, 100));
    }

    proptest! {
        #[test]
        fn a_fitted_rectangle_is_even_and_inside(
            w in 1u32..8000, h in 1u32..8000, a in 0u32..100_000, b in 0u32..100_000,
            x in 0u32..500, y in 0u32..500, sw in 1u32..1000, sh in 1u32..1000,
        ) {
            let slot = rect(2 * x, 2 * y, 2 * sw, 2 * sh);
            let got = fit(w, h, (a, b), slot);
            prop_assert!([got.x, got.y, got.width, got.height].iter().all(|n| n % 2 == 0));
            prop_assert!(got.width >= 2 && got.height >= 2 && got.x >= slot.x && got.y >= slot.y);
            prop_assert!(got.x + got.width <= slot.x + slot.width && got.y + got.height <= slot.y + slot.height);
            prop_assert!(got.width == slot.width || got.height == slot.height);
        }
    }
}
