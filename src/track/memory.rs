//! The shelf in this process's memory.
//!
//! Lock order: the map of tracks, then one track, its blocks or its sizes; none is held while somebody waits.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use super::{Block, Held, Pending, Position, Runs, Shelf, Sizes, TrackName};
use crate::timeline::{Grid, PartNumber, SegmentNumber};

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appended {
    /// It is there.
    Taken,
    /// It is not newer than what is held, or does not follow it within its segment, and was let go: what is there never changes, and a hole
    /// is never filled.
    Refused,
}

/// Where whole segments go on to.
pub trait Keeper: Send + Sync {
    /// Takes the blocks of a segment that has just become whole. Never waits.
    fn keep(&self, track: &TrackName, segment: SegmentNumber, blocks: &[Block]);
}

/// What a track's segments are kept by, and as whose.
struct KeptBy {
    keeper: Arc<dyn Keeper>,
    name: TrackName,
}

/// One track's newest blocks. A segment that never came is a hole and nothing more: what was finished before it stays for its time.
pub struct Track {
    parts: usize,
    /// Segments from the newest on that are held at most.
    capacity: u64,
    held: Mutex<Segments>,
    sizes: Mutex<Sizes>,
    come_to: watch::Sender<Option<Position>>,
    kept_by: Option<KeptBy>,
}

#[derive(Default)]
struct Segments {
    /// Ascending; the blocks of each from part 0 on.
    segments: VecDeque<(SegmentNumber, Vec<Block>)>,
}

impl Track {
    /// `capacity` in segments, at least 1.
    pub fn new(grid: Grid, capacity: usize) -> Self {
        let (come_to, _) = watch::channel(None);
        Self {
            parts: grid.parts() as usize,
            capacity: capacity.max(1) as u64,
            held: Mutex::default(),
            sizes: Mutex::default(),
            come_to,
            kept_by: None,
        }
    }

    /// Gives its segments on to `keeper`.
    fn kept_by(self, keeper: Arc<dyn Keeper>, name: TrackName) -> Self {
        Self { kept_by: Some(KeptBy { keeper, name }), ..self }
    }

    pub fn append(&self, at: Position, block: Block) -> Appended {
        let mut held = self.held.lock();
        match held.segments.back_mut() {
            Some((newest, blocks)) if at.segment == *newest => {
                if at.part as usize != blocks.len() || blocks.len() >= self.parts {
                    return Appended::Refused;
                }
                blocks.push(block);
            }
            Some((newest, _)) if at.segment < *newest => return Appended::Refused,
            Some(_) | None if at.part > 0 => return Appended::Refused,
            Some(_) | None => {
                let mut blocks = Vec::with_capacity(self.parts);
                blocks.push(block);
                held.segments.push_back((at.segment, blocks));
            }
        }
        let oldest = (at.segment + 1).saturating_sub(self.capacity);
        held.forget_before(oldest);
        // With the lock held: of two who append, the later one is told last, and who reads both sees them agree.
        self.come_to.send_replace(Some(at));
        if let Some(KeptBy { keeper, name }) = &self.kept_by
            && at.part as usize + 1 == self.parts
        {
            let blocks = held.blocks(at.segment).cloned().unwrap_or_default();
            drop(held);
            keeper.keep(name, at.segment, &blocks);
        }
        Appended::Taken
    }

    /// Notes what a segment came to that an encoder made from end to end.
    pub fn measured(&self, n: SegmentNumber, bytes: usize) {
        self.sizes.lock().note(n, bytes);
    }

    pub fn sizes(&self) -> Sizes {
        self.sizes.lock().clone()
    }

    pub fn get(&self, at: Position) -> Option<Block> {
        self.held.lock().blocks(at.segment)?.get(at.part as usize).cloned()
    }

    /// The blocks of a segment, if all of them are there.
    pub fn segment(&self, n: SegmentNumber) -> Option<Vec<Block>> {
        self.held.lock().blocks(n).filter(|blocks| blocks.len() == self.parts).cloned()
    }

    /// Parts of a segment that are there.
    pub fn parts_of(&self, n: SegmentNumber) -> u32 {
        // As many as a segment has frames at most.
        self.held.lock().blocks(n).map_or(0, |blocks| blocks.len() as u32)
    }

    /// The segments that are there from end to end.
    pub fn runs(&self) -> Runs {
        self.held.lock().whole(self.parts)
    }

    /// What there is of it, at one moment: a segment that is made whole meanwhile must not be missing in both.
    pub fn held(&self) -> Held {
        let held = self.held.lock();
        Held { whole: held.whole(self.parts), come_to: self.position() }
    }

    /// How far it has come.
    pub fn position(&self) -> Option<Position> {
        *self.come_to.borrow()
    }

    /// Changes whenever the track comes further.
    pub fn watch(&self) -> watch::Receiver<Option<Position>> {
        self.come_to.subscribe()
    }

    /// Lets go what is older than `oldest`; whether anything is left.
    fn forget_before(&self, oldest: SegmentNumber) -> bool {
        let mut held = self.held.lock();
        held.forget_before(oldest);
        !held.segments.is_empty()
    }
}

impl Segments {
    fn whole(&self, parts: usize) -> Runs {
        self.segments.iter().filter(|(_, blocks)| blocks.len() == parts).map(|(n, _)| *n).collect()
    }

    fn blocks(&self, n: SegmentNumber) -> Option<&Vec<Block>> {
        let at = self.segments.binary_search_by_key(&n, |(held, _)| *held).ok()?;
        self.segments.get(at).map(|(_, blocks)| blocks)
    }

    fn forget_before(&mut self, oldest: SegmentNumber) {
        while self.segments.front().is_some_and(|(held, _)| *held < oldest) {
            self.segments.pop_front();
        }
    }
}

/// All tracks of this process. A track is made when somebody first asks for it to write to, and goes when its last block is too old and nobody has it.
pub struct MemoryShelf {
    grid: Grid,
    capacity: usize,
    keeper: Option<Arc<dyn Keeper>>,
    tracks: RwLock<HashMap<TrackName, Arc<Track>>>,
}

impl MemoryShelf {
    /// Each track keeps its newest `capacity` segments.
    pub fn new(grid: Grid, capacity: usize) -> Self {
        Self { grid, capacity, keeper: None, tracks: RwLock::default() }
    }

    /// Gives segments on to `keeper` as they become whole.
    pub fn kept_by(self, keeper: Arc<dyn Keeper>) -> Self {
        Self { keeper: Some(keeper), ..self }
    }

    /// The last part of every segment.
    pub fn last_part(&self) -> PartNumber {
        self.grid.parts() - 1
    }

    /// Segments that each track keeps.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// The track to write `name`'s blocks to.
    pub fn track(&self, name: &TrackName) -> Arc<Track> {
        if let Some(track) = self.tracks.read().get(name) {
            return track.clone();
        }
        let mut tracks = self.tracks.write();
        let made = || {
            let track = Track::new(self.grid, self.capacity);
            Arc::new(match &self.keeper {
                Some(keeper) => track.kept_by(keeper.clone(), name.clone()),
                None => track,
            })
        };
        tracks.entry(name.clone()).or_insert_with(made).clone()
    }

    /// The track `name`, if there is one.
    pub fn find(&self, name: &TrackName) -> Option<Arc<Track>> {
        self.tracks.read().get(name).cloned()
    }

    /// Lets go what nobody may ask for any more when segment `now` runs: blocks of tracks that have stopped, and tracks without any.
    pub fn forget(&self, now: SegmentNumber) {
        let oldest = (now + 1).saturating_sub(self.capacity as u64);
        let mut tracks = self.tracks.write();
        tracks.retain(|_, track| track.forget_before(oldest) || Arc::strong_count(track) > 1);
    }

    /// Tracks that are held.
    pub fn tracks(&self) -> usize {
        self.tracks.read().len()
    }
}

impl Shelf for MemoryShelf {
    fn append<'a>(&'a self, track: &'a TrackName, at: Position, block: Block) -> Pending<'a, bool> {
        Box::pin(async move { self.track(track).append(at, block) == Appended::Taken })
    }

    fn get<'a>(&'a self, track: &'a TrackName, at: Position) -> Pending<'a, Option<Block>> {
        Box::pin(async move { self.find(track)?.get(at) })
    }

    fn segment<'a>(&'a self, track: &'a TrackName, segment: SegmentNumber) -> Pending<'a, Option<Vec<Block>>> {
        Box::pin(async move { self.find(track)?.segment(segment) })
    }

    fn held<'a>(&'a self, track: &'a TrackName) -> Pending<'a, Held> {
        Box::pin(async move { self.find(track).map(|track| track.held()).unwrap_or_default() })
    }

    fn sizes<'a>(&'a self, track: &'a TrackName) -> Pending<'a, Sizes> {
        Box::pin(async move { self.find(track).map(|track| track.sizes()).unwrap_or_default() })
    }

    fn wait<'a>(&'a self, track: &'a TrackName, at: Position) -> Pending<'a, ()> {
        Box::pin(async move {
            // One that nobody writes yet may come to be. It does not go while somebody waits.
            let track = self.track(track);
            // The other end lives as long as the track.
            let _ = track.watch().wait_for(|now| now.is_some_and(|now| now >= at)).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::SoundUnit;
    use proptest::prelude::*;

    /// Three parts a segment.
    fn grid() -> Grid {
        Grid::new("30".parse().unwrap(), 30)
    }

    fn block(n: u64) -> Block {
        Block::Sound([SoundUnit { aac_frame: n, data: bytes::Bytes::from_static(b"a") }].into())
    }

    fn whole(track: &Track, n: SegmentNumber) {
        for part in 0..3 {
            assert_eq!(track.append(Position::new(n, part), block(n)), Appended::Taken, "{n}/{part}");
        }
    }

    #[test]
    fn a_segment_is_there_when_its_last_part_is() {
        let track = Track::new(grid(), 4);
        assert_eq!((track.position(), track.runs()), (None, Runs::default()));
        assert_eq!(track.append(Position::new(7, 1), block(7)), Appended::Refused, "it begins with its first part");
        for part in 0..3 {
            assert_eq!(track.segment(7), None);
            assert_eq!(track.append(Position::new(7, part), block(7)), Appended::Taken);
            assert_eq!(track.append(Position::new(7, part), block(8)), Appended::Refused, "what is there stays");
            assert_eq!(track.position(), Some(Position::new(7, part)));
            assert_eq!(track.get(Position::new(7, part)), Some(block(7)));
        }
        assert_eq!((track.segment(7), track.runs()), (Some(vec![block(7); 3]), Runs::from(7..=7)));
        assert_eq!(track.append(Position::new(7, 3), block(7)), Appended::Refused, "it has three");
    }

    #[test]
    fn a_hole_takes_nothing_away_and_what_is_older_goes_in_its_own_time() {
        let track = Track::new(grid(), 4);
        whole(&track, 7);
        // One that broke off.
        track.append(Position::new(9, 0), block(9));
        whole(&track, 10);
        assert_eq!(track.append(Position::new(9, 1), block(9)), Appended::Refused);
        assert_eq!(
            track.append(Position::new(8, 0), block(8)),
            Appended::Refused,
            "a playlist may have said that there is none"
        );
        assert_eq!(track.runs().iter().collect::<Vec<_>>(), [7, 10]);
        assert!(track.get(Position::new(9, 0)).is_some() && track.get(Position::new(9, 1)).is_none());
        whole(&track, 11);
        assert_eq!(track.runs().oldest(), Some(10), "8 to 11 are four numbers");
        whole(&track, 100);
        assert_eq!(track.runs(), Runs::from(100..=100));
    }

    #[test]
    fn tracks_that_have_stopped_go_when_nobody_may_ask_for_them() {
        let shelf = MemoryShelf::new(grid(), 4);
        let [a, b] = ["a", "b"].map(TrackName::sound);
        let held = shelf.track(&a);
        whole(&held, 7);
        whole(&shelf.track(&b), 7);
        shelf.forget(10);
        assert!(pollster::block_on(shelf.segment(&b, 7)).is_some());
        shelf.forget(11);
        assert_eq!(shelf.tracks(), 1, "somebody has the other, and may write it");
        assert!(held.runs().is_empty() && shelf.find(&b).is_none());
        drop(held);
        shelf.forget(11);
        assert_eq!(shelf.tracks(), 0);
    }

    /// What was listed once may not be taken back for the moment in which a segment becomes whole.
    #[test]
    fn what_is_there_never_goes_back_while_somebody_appends() {
        let track = Track::new(grid(), 4);
        let come_to = |held: &Held| {
            let whole = held.whole.newest().map(|newest| Position::new(newest, 2));
            let running = held.come_to.filter(|at| whole.is_none_or(|whole| at.segment == whole.segment + 1));
            running.max(whole)
        };
        std::thread::scope(|scope| {
            scope.spawn(|| (0..3000).for_each(|n| whole(&track, n)));
            let mut before = None;
            while before < Some(Position::new(2999, 2)) {
                let now = come_to(&track.held());
                assert!(now >= before, "{now:?} after {before:?}");
                before = now;
            }
        });
    }

    #[tokio::test]
    async fn who_waits_is_woken_by_the_position_of_its_own_track() {
        use futures_task_poll::poll;
        let shelf = MemoryShelf::new(grid(), 4);
        let [a, b] = ["a", "b"].map(TrackName::sound);
        let mut waiting = shelf.wait(&a, Position::new(7, 1));
        assert!(!poll(&mut waiting));
        whole(&shelf.track(&b), 7);
        shelf.track(&a).append(Position::new(7, 0), block(7));
        assert!(!poll(&mut waiting));
        assert!(shelf.append(&a, Position::new(7, 1), block(7)).await);
        assert!(!shelf.append(&a, Position::new(7, 1), block(8)).await && poll(&mut waiting));
        shelf.wait(&a, Position::new(7, 0)).await;
    }

    mod futures_task_poll {
        use std::future::Future;
        use std::pin::Pin;
        use std::task::{Context, Poll, Waker};

        /// Whether `future` is done, asked once.
        pub fn poll(future: &mut Pin<Box<dyn Future<Output = ()> + Send + '_>>) -> bool {
            matches!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(()))
        }
    }

    proptest! {
        #[test]
        fn it_spans_its_capacity_and_loses_nothing_within(
            capacity in 1usize..6,
            appends in prop::collection::vec((0u64..12, 0u32..4), 0..120),
        ) {
            let track = Track::new(grid(), capacity);
            let mut taken: Vec<Position> = Vec::new();
            for (segment, part) in appends {
                let at = Position::new(segment, part);
                let before = taken.last().copied();
                let follows = part < 3 && match before {
                    Some(last) if last.segment == segment => part == last.part + 1,
                    Some(last) => part == 0 && segment > last.segment,
                    None => part == 0,
                };
                prop_assert_eq!(track.append(at, block(segment)) == Appended::Taken, follows);
                if follows {
                    taken.push(at);
                }
                let newest = taken.last().map(|last| last.segment);
                for n in 0..12 {
                    let is_kept = newest.is_some_and(|newest| n + capacity as u64 > newest);
                    let parts = taken.iter().filter(|p| p.segment == n).count();
                    prop_assert_eq!(track.parts_of(n) as usize, if is_kept { parts } else { 0 });
                    prop_assert_eq!(track.runs().contains(n), is_kept && parts == 3);
                }
            }
        }
    }
}
