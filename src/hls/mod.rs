//! HLS: CMAF boxes, playlists, the splice of a session's picture, and windows of finished segments.
//!
//! Pure: bytes and structs in, bytes and strings out. No HTTP, no files, no clock. Everything is numbered on the epoch
//! grid, so a segment's bytes follow from its number and its access units alone, on every machine.

pub mod cmaf;
pub mod playlist;
pub mod runs;
pub mod splice;
pub mod window;

#[cfg(test)]
mod oracle_tests;
