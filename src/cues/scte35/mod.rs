//! Splice information sections, read (ANSI/SCTE 35 2023, clause 9). Pure: bytes in, values out.
//!
//! Two crates read these, too, and neither was taken (November 2026). `scte35` 0.2 prints to standard error and reads one
//! kind of descriptor. `scte35-reader` 0.16, of January 2025, logs what is wrong instead of saying it, has panics in its
//! reading paths, does not keep the section, and needs another demuxer's types.

mod bits;
mod command;
mod descriptor;
mod names;
mod section;
mod upid;

pub use command::{BreakDuration, Command, Component, Insert, Scheduled, Splice, SpliceMode, When};
pub use descriptor::{AudioChannel, Delivery, Descriptor, Segment, Segmentation, SegmentationComponent};
pub use names::{Role, Side, segmentation_name, segmentation_role};
pub use section::{Encryption, PTS_MODULUS, ScteError, SpliceInfo, crc32};
pub use upid::Upid;

#[cfg(test)]
pub(super) mod encoder;
#[cfg(test)]
mod tests;
