//! Stitching: any mosaic from tiles encoded once, by rewriting slice headers and gathering slices (ITU-T H.264).
//!
//! A tile is encoded with one slice a macroblock row, so a mosaic's access unit is its tiles' slices in address order, each with
//! another `first_mb_in_slice`. Slice data is copied as it is. Pure: bytes in, bytes out; of other rooms it knows the pattern of
//! pictures within a segment alone.
//!
//! 1. [`Format`]: the canvas's SPS and PPS, and whether a tile's agree ([`Format::accepts`]).
//! 2. [`TileBlock`]: some of a tile's access units, checked and indexed once; [`TileBlock::placed`] keeps the headers of a position.
//! 3. [`Plan`]: which place has which rows; what no place covers is for still tiles.
//! 4. [`Stitched`]: a mosaic's pictures, their sizes and their bytes.
//! 5. [`still`] and [`held`]: pictures without an encoder, of one colour or as the ones before.
//!
//! What it takes on trust, since slice data is never decoded: that a tile was encoded so that nothing reaches beyond its edges, and
//! that a slice holds the macroblocks up to the next slice's first.

mod bits;
mod canned;
mod error;
mod format;
mod gather;
pub mod level;
mod nal;
mod plan;
mod pps;
mod slice;
mod sps;
mod still;
mod tile;
mod vui;

pub use error::StitchError;
pub use format::Format;
pub use gather::Stitched;
pub use plan::{Place, Plan};
pub use pps::Pps;
pub use slice::{SliceHeader, SliceKind};
pub use sps::{Crop, PictureOrder, Sps};
pub use still::{held, still};
pub use tile::{Placed, Slices, TileBlock, TileShape};
pub use vui::{BitstreamRestriction, Colours, Timing, VideoSignal, Vui};

#[cfg(test)]
mod tests;
