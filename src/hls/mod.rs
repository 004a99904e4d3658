//! HLS: playlists as data, rendered to text.
//!
//! Pure: structs in, text out. No HTTP, no files, no clock.

pub mod images;
pub mod playlist;

#[cfg(test)]
mod oracle_tests;
