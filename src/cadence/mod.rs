//! Cadence: exactly one picture per feed per output tick, and sound that follows the same clock. Pure: no GStreamer, no
//! threads, no clock of its own.
//!
//! A source speaks its own time (nanoseconds, counted from wherever it likes). [`Continuity`] makes one unbroken source
//! time out of its laps and jumps, [`SourceClock`] maps our instants to source time, and [`PictureQueue`] and
//! [`SoundBuffer`] are asked for what is due at a source time. Pictures and sound go through the same mapping, so lips and
//! voice cannot drift apart; [`SoundWatch`] measures what came of it. A [`Delay`] makes the whole mapping later: so games are
//! held in step.

mod coded_queue;
mod continuity;
#[cfg(test)]
mod continuity_tests;
mod delay;
mod picture_queue;
mod sound_buffer;
mod sound_watch;
#[cfg(test)]
mod sound_watch_tests;
mod source_clock;
#[cfg(test)]
mod tests;

pub use coded_queue::CodedQueue;
pub use continuity::{Continuity, Placed, Step, Stream};
pub use delay::Delay;
pub use picture_queue::{PickedPicture, PictureQueue};
pub use sound_buffer::SoundBuffer;
pub use sound_watch::{SoundNews, SoundTrouble, SoundWatch};
pub use source_clock::{MAX_SLEW_PPB, SourceClock};

/// An instant in a source's own, unbroken time: nanoseconds since an origin that only its run knows. May be negative.
pub type SourceNanos = i64;
