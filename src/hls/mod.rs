//! HLS: playlists as data, rendered to text.
//!
//! Pure: structs in, text out. No HTTP, no files, no clock.

mod as_came;
pub mod images;
pub mod playlist;
pub mod texts;
mod variant;

#[cfg(test)]
mod oracle_tests;
