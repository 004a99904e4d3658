//! Tracks of what stands still: nothing is put down in them. Each of their blocks follows from its place alone, so there is one wherever somebody looks, however long
//! ago that was.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::RwLock;

use super::{Block, Held, Position, Runs, TrackName};
use crate::timeline::{PartNumber, SegmentNumber};

/// Where such tracks end: beyond all that may be asked for, and what is reckoned from it is a number yet.
const END: SegmentNumber = SegmentNumber::MAX >> 8;

/// A track's block at a place. Quick.
pub type StandingBlock = dyn Fn(Position) -> Option<Block> + Send + Sync;

/// See the module.
pub struct Standing {
    last_part: PartNumber,
    tracks: RwLock<HashMap<TrackName, Arc<StandingBlock>>>,
}

impl Standing {
    /// None yet; segments end with part `last_part`.
    pub fn new(last_part: PartNumber) -> Self {
        Self { last_part, tracks: RwLock::default() }
    }

    pub fn put(&self, track: TrackName, block: Arc<StandingBlock>) {
        self.tracks.write().insert(track, block);
    }

    /// Keeps those of which `is_kept` says so.
    pub fn retain(&self, is_kept: impl Fn(&TrackName) -> bool) {
        self.tracks.write().retain(|track, _| is_kept(track));
    }

    pub fn has(&self, track: &TrackName) -> bool {
        self.tracks.read().contains_key(track)
    }

    /// All that there could be.
    pub fn held(&self, track: &TrackName) -> Option<Held> {
        let all = || Held { whole: Runs::from(0..=END), come_to: Some(Position::new(END, self.last_part)) };
        self.has(track).then(all)
    }

    pub fn get(&self, track: &TrackName, at: Position) -> Option<Block> {
        let block = self.tracks.read().get(track).cloned()?;
        block(at)
    }

    pub fn segment(&self, track: &TrackName, segment: SegmentNumber) -> Option<Vec<Block>> {
        let block = self.tracks.read().get(track).cloned()?;
        (0..=self.last_part).map(|part| block(Position::new(segment, part))).collect()
    }
}
