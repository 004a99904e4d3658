//! Tracks: runs of coded media on the grid, and the shelves they lie on.
//!
//! A [`Block`] is a track's units of one part; a segment is its blocks in order. Who makes them appends to a [`Track`] and waits for nobody.
//! Who wants them takes them from a [`Shelf`], which is memory ([`MemoryShelf`]) and,
//! for start-over, a disk ([`DiskShelf`]), both as one ([`LayeredShelf`]); it may be another machine. What stands still is on none ([`Standing`]).

mod block;
mod disk;
mod encoding;
mod failing;
mod held;
mod layered;
mod memory;
mod name;
mod passed;
mod position;
mod runs;
mod shelf;
mod sizes;
mod sound;
mod standing;

pub use block::{Block, BlockError};
pub use disk::{DiskSettings, DiskShelf};
pub use encoding::{CheckSets, Encoding, EncodingShared, EncodingSpec, Input, Pack, equal_to, in_all};
pub use failing::{FailedAt, Failing, Watched};
pub use held::Held;
pub use layered::LayeredShelf;
pub use memory::{Appended, Keeper, MemoryShelf, Track};
pub use name::{
    SoundKey, TileName, TrackName, is_rights_card, is_stand_in, rights_card, sound_key, split_sound_key, stand_in,
};
pub use passed::{PassedSound, Silences};
pub use position::Position;
pub use runs::Runs;
pub use shelf::{Pending, Shelf};
pub use sizes::Sizes;
pub use sound::{SoundEncoding, SoundSettings, silent_unit};
pub use standing::{Standing, StandingBlock};

/// Segments that stand still before the first one of a track that is begun, so that whoever begins with it has a playlist's worth at once: the three
/// target durations that a player begins from (RFC 8216, 6.3.3), and one for those that come late.
pub const LEAD_IN_SEGMENTS: u64 = 4;

/// Segments to hold where playlists list `listed_segments`: one that leaves a playlist must be there for its own length and
/// the length of the longest playlist it was in (RFC 8216, 6.2.2), so a playlist's worth and one more come on top.
pub const fn capacity_for(listed_segments: usize) -> usize {
    2 * listed_segments + 1
}
