//! Stitching: any mosaic from tiles encoded once, by rewriting slice headers and gathering slices (ITU-T H.264).
//!
//! A tile is encoded with one slice a macroblock row, so a mosaic's access unit is its tiles' slices in address order, each with
//! another `first_mb_in_slice`. Slice data is copied as it is. Pure: bytes in, bytes out; it knows no other room.
//!
//! 1. [`Format`]: the canvas's SPS and PPS, and whether a tile's agree ([`Format::accepts`]).
//! 2. [`TileSegment`]: a tile's access units, checked and indexed once; [`TileSegment::placed`] keeps the headers of a position.
//! 3. [`Plan`]: which place has which rows; what no place covers is for still tiles.
//! 4. [`Stitched`]: a mosaic's segment, its sizes and its bytes.
//!
//! What it takes on trust, since slice data is never decoded: that a tile was encoded so that nothing reaches beyond its guard,
//! that a slice holds the macroblocks up to the next slice's first, and that a still tile's P rows are all `P_Skip`.

mod bits;
mod error;
mod format;
mod gather;
pub mod level;
mod nal;
mod plan;
mod pps;
mod slice;
mod sps;
mod tile;
mod vui;

pub use error::StitchError;
pub use format::Format;
pub use gather::Stitched;
pub use plan::{Place, Plan};
pub use pps::Pps;
pub use slice::SliceHeader;
pub use sps::{Crop, Sps};
pub use tile::{Placed, Slices, TileSegment, TileShape};
pub use vui::{BitstreamRestriction, Colours, Timing, VideoSignal, Vui};

#[cfg(test)]
mod tests;
