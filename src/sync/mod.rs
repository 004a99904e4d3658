//! Sync between games: what sources say of when their pictures were taken, how old a game's picture is, how far games are
//! apart, and by how much which of them is to be delayed. Pure: no clock, no threads, no GStreamer.
//!
//! A source *claims* that a picture was captured at an instant ([`Claim`]); an [`Estimator`] makes of many claims when what is
//! shown was captured; its [`Latency`] is how long ago that is. Latencies by the same kind of clock are compared ([`skews`]),
//! and an [`Aligner`] says how much later each game is to be shown so that they are equal.

mod align;
mod claim;
mod estimate;

pub use align::{Aligner, Reading, skews};
pub use claim::{Claim, ClockKind, Latency, millis};
pub use estimate::Estimator;
