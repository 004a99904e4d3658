//! The shelves of this machine as one: memory for what is played now, the disk, where there is one, for what was, and what needs neither.

use std::sync::Arc;

use super::{Block, DiskShelf, Held, MemoryShelf, Pending, Position, Shelf, Sizes, Standing, TrackName};
use crate::timeline::SegmentNumber;

/// See the module. What the disk had when the process began is what counts of those segments: the first ones that are made anew after a restart
/// stand still, and somebody may have seen the others.
#[derive(Clone)]
pub struct LayeredShelf {
    memory: Arc<MemoryShelf>,
    disk: Option<Arc<DiskShelf>>,
    standing: Arc<Standing>,
}

impl LayeredShelf {
    pub fn new(memory: Arc<MemoryShelf>, disk: Option<Arc<DiskShelf>>) -> Self {
        let standing = Arc::new(Standing::new(memory.last_part()));
        Self { memory, disk, standing }
    }

    pub fn memory(&self) -> &Arc<MemoryShelf> {
        &self.memory
    }

    pub fn disk(&self) -> Option<&Arc<DiskShelf>> {
        self.disk.as_ref()
    }

    pub fn standing(&self) -> &Arc<Standing> {
        &self.standing
    }

    /// Segments that each track keeps.
    pub fn capacity(&self) -> u64 {
        self.disk.as_ref().map_or(0, |disk| disk.capacity()).max(self.memory.capacity() as u64)
    }

    /// What there is of a track now.
    pub fn held_now(&self, track: &TrackName) -> Held {
        if let Some(held) = self.standing.held(track) {
            return held;
        }
        let held = self.memory.find(track).map(|track| track.held()).unwrap_or_default();
        let Some(disk) = &self.disk else { return held };
        let kept = disk.runs(track);
        if kept.is_empty() {
            return held;
        }
        // A track that nobody makes at present has come to where it broke off.
        let come_to = held.come_to.or_else(|| Some(Position::new(kept.newest()?, self.memory.last_part())));
        Held { whole: held.whole.or(&kept), come_to }
    }

    async fn found(&self, track: &TrackName, segment: SegmentNumber) -> Option<Vec<Block>> {
        let disk = self.disk.as_ref()?;
        disk.segment(track, segment).await
    }

    /// Whether segment `segment` was on the disk when this process began: no other bytes of it count.
    pub fn had(&self, track: &TrackName, segment: SegmentNumber) -> bool {
        self.disk.as_ref().is_some_and(|disk| disk.had(track, segment))
    }
}

impl Shelf for LayeredShelf {
    fn append<'a>(&'a self, track: &'a TrackName, at: Position, block: Block) -> Pending<'a, bool> {
        self.memory.append(track, at, block)
    }

    fn get<'a>(&'a self, track: &'a TrackName, at: Position) -> Pending<'a, Option<Block>> {
        Box::pin(async move {
            if !self.had(track, at.segment)
                && let Some(block) = self.memory.find(track).and_then(|track| track.get(at))
            {
                return Some(block);
            }
            if self.standing.has(track) {
                return self.standing.get(track, at);
            }
            self.found(track, at.segment).await?.get(at.part as usize).cloned()
        })
    }

    fn segment<'a>(&'a self, track: &'a TrackName, segment: SegmentNumber) -> Pending<'a, Option<Vec<Block>>> {
        Box::pin(async move {
            if !self.had(track, segment)
                && let Some(blocks) = self.memory.find(track).and_then(|track| track.segment(segment))
            {
                return Some(blocks);
            }
            if self.standing.has(track) {
                return self.standing.segment(track, segment);
            }
            self.found(track, segment).await
        })
    }

    fn held<'a>(&'a self, track: &'a TrackName) -> Pending<'a, Held> {
        Box::pin(async move { self.held_now(track) })
    }

    fn sizes<'a>(&'a self, track: &'a TrackName) -> Pending<'a, Sizes> {
        self.memory.sizes(track)
    }

    fn wait<'a>(&'a self, track: &'a TrackName, at: Position) -> Pending<'a, ()> {
        if self.standing.has(track) { Box::pin(async {}) } else { self.memory.wait(track, at) }
    }
}
