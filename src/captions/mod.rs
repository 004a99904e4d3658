//! Text of games: read from what sources carry (CTA-608-E and CTA-708-E in pictures, teletext, WebVTT, TTML), kept on the grid, written as WebVTT.
//!
//! Everything comes to one form, the [`Cue`]. Sources that tell whole cues give them as such; those that tell what a screen shows now give
//! [`Screen`]s, of which a [`TextTrack`] makes cues. Pure: bytes and instants in, text out; no clock, no disk, no network.

mod block;
mod bytes;
pub mod cea;
mod cue;
mod memory;
mod placement;
pub mod teletext;
mod track;
pub mod ttml;
pub mod webvtt;

pub use bytes::{TextBlock, TextBlockError};
pub use cue::{
    Align, Cue, Kind, Line, LineAlign, LinePosition, Percent, Placement, PositionAlign, Rgba, Screen, Span, Style,
    Text, TextInfo, Told, TrackInfo, Writing,
};
pub use placement::{InSlot, SlotOnCanvas, mosaic_text, place};
pub use track::{Limits, Piece, TextTrack};
