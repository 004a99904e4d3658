//! Cues: where a game leaves its programme and comes back, as its sources say it (SCTE 35, HLS) or an operator does.
//!
//! Pure: no HTTP, no clock of its own. `scte35` and `daterange` read what sources say, `ts` finds it in transport streams,
//! `track` keeps what holds of it, and `daterange` writes it into our playlists.

pub mod daterange;
pub mod scte35;
pub mod track;
pub mod ts;
