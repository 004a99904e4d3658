//! HLS: playlists as data, rendered to text.
//!
//! Pure: structs in, text out. No HTTP, no files, no clock.

pub mod playlist;
pub mod texts;

#[cfg(test)]
mod oracle_tests;
