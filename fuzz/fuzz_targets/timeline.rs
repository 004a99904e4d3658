//! Of the room `timeline`, what the room `stitch` stands on.

#[path = "../../src/timeline/gop.rs"]
mod gop;
#[path = "../../src/timeline/grid.rs"]
mod grid;

pub use gop::{Gop, GopPicture, PictureKind};
pub use grid::{Grid, PartNumber, SegmentNumber};
