//! What one stand-in shows, segment by segment, and how far its tracks are put down. A slate where there is nothing better: no segment is ever missing.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::creative::Creative;
use crate::decisions::ChosenAd;
use crate::frame::{Picture, SoundUnit};
use crate::mosaic::{ReelMaker, StillReel};
use crate::timeline::{Grid, SegmentNumber};
use crate::track::{Block, LEAD_IN_SEGMENTS, LayeredShelf, Position, Runs, TileName, TrackName};

/// Segments after the one that runs that are put down: a sweep that comes late is no hole.
pub const LAID_AHEAD: u64 = 2;

/// An advertisement in its place.
#[derive(Clone)]
pub struct Placed {
    pub from: SegmentNumber,
    pub segments: u64,
    pub creative: Arc<Creative>,
    pub ad: Arc<ChosenAd>,
    /// Which of the decision's it is.
    pub nth: usize,
}

impl Placed {
    pub fn until(&self) -> SegmentNumber {
        self.from + self.segments
    }

    pub fn span(&self) -> Range<SegmentNumber> {
        self.from..self.until()
    }
}

/// A tile's track.
#[derive(Default)]
struct Laying {
    still: Option<StillReel>,
    /// The first segment that was put down, and the next one to be.
    first: Option<SegmentNumber>,
    next: SegmentNumber,
    /// In which segments each advertisement is seen in it, by its place in `placed`.
    seen: HashMap<usize, Runs>,
}

/// From which segment on an advertisement is seen in a tile, as another process put it down: the tile's track by its name, and the place in `placed`.
pub type SeenFrom = HashMap<(String, usize), SegmentNumber>;

/// See the module.
pub struct StandIn {
    pub tenant: Arc<str>,
    pub market: Arc<str>,
    /// What is shown where there is nothing else.
    pub face: Picture,
    /// The break that it is for: its first segment, and where it ends as far as that is known.
    pub from: SegmentNumber,
    pub until: Option<SegmentNumber>,
    placed: Vec<Placed>,
    tracks: HashMap<TileName, Laying>,
    /// What another process put down.
    seen_before: SeenFrom,
    /// Which advertisements were listed from their beginning on without a break, by session and place, and the segment that is to come next.
    begun: HashMap<(Arc<str>, usize), SegmentNumber>,
    pub asked_ms: i64,
}

impl StandIn {
    pub fn new((tenant, market): (&str, &str), face: Picture, from: SegmentNumber, now_ms: i64) -> Self {
        Self {
            tenant: tenant.into(),
            market: market.into(),
            face,
            from,
            until: None,
            placed: Vec::new(),
            tracks: HashMap::new(),
            seen_before: SeenFrom::new(),
            begun: HashMap::new(),
            asked_ms: now_ms,
        }
    }

    /// It will be shown in `tiles`. The first segment from which on all of them have it, once they do; and those of which the slate is yet to be made.
    pub fn used_in(&mut self, tiles: &[TileName], shelf: &LayeredShelf) -> (Option<SegmentNumber>, Vec<TileName>) {
        let mut fresh = Vec::new();
        for tile in tiles {
            if !self.tracks.contains_key(tile) {
                let seen = self.seen_before(&TrackName::Tile(tile.clone()), shelf);
                self.tracks.insert(tile.clone(), Laying { seen, ..Laying::default() });
                fresh.push(tile.clone());
            }
        }
        let firsts: Option<Vec<_>> = tiles.iter().map(|tile| self.tracks.get(tile)?.first).collect();
        let from = firsts.and_then(|firsts| firsts.into_iter().max());
        (from, fresh)
    }

    /// Where another process left each advertisement on `shelf`, and it is seen there.
    fn seen_before(&self, track: &TrackName, shelf: &LayeredShelf) -> HashMap<usize, Runs> {
        let name = track.to_string();
        let seen = |(nth, placed): (usize, &Placed)| {
            let from = *self.seen_before.get(&(name.clone(), nth))?;
            Some((nth, (from..placed.until()).filter(|n| shelf.had(track, *n)).collect::<Runs>()))
        };
        self.placed.iter().enumerate().filter_map(seen).filter(|(_, seen)| !seen.is_empty()).collect()
    }

    /// What another process put down, `seen_from` being as [`StandIn::seen_from`] was then.
    pub fn take_up(&mut self, seen_from: SeenFrom) {
        self.seen_before = seen_from;
    }

    /// From which segment on each advertisement is seen in each tile.
    pub fn seen_from(&self) -> SeenFrom {
        let of = |(tile, laying): (&TileName, &Laying)| {
            let name = TrackName::Tile(tile.clone()).to_string();
            let first = |(nth, seen): (&usize, &Runs)| Some(((name.clone(), *nth), seen.oldest()?));
            laying.seen.iter().filter_map(first).collect::<Vec<_>>()
        };
        self.tracks.iter().flat_map(of).collect()
    }

    /// The slate of a tile is made; `None`: it could not be, and is asked for again.
    pub fn still_made(&mut self, tile: &TileName, still: Option<StillReel>) {
        match still {
            Some(still) => {
                if let Some(laying) = self.tracks.get_mut(tile) {
                    laying.still = Some(still);
                }
            }
            None => _ = self.tracks.remove(tile),
        }
    }

    /// The tiles that it is shown in.
    pub fn tiles(&self) -> Vec<TileName> {
        self.tracks.keys().cloned().collect()
    }

    pub fn placed(&self) -> &[Placed] {
        &self.placed
    }

    pub fn place(&mut self, placed: Placed) {
        self.placed.push(placed);
    }

    /// Whether the advertisement `nth` of the decision, which would have been due with segment `turn`, was to come when the break had ended; `is_done`: it got a
    /// place or will have none.
    pub fn is_cut_off(&self, nth: usize, is_done: bool, turn: SegmentNumber) -> bool {
        let Some(until) = self.until else { return false };
        match self.placed.iter().find(|placed| placed.nth == nth) {
            Some(placed) => until <= placed.from,
            None => !is_done && until <= turn,
        }
    }

    /// The first segment that nothing is put down of in any track.
    pub fn free_from(&self, running: SegmentNumber) -> SegmentNumber {
        let next = self.tracks.values().filter(|laying| laying.first.is_some()).map(|laying| laying.next).max();
        next.unwrap_or(0).max(running + LAID_AHEAD + 1)
    }

    /// Puts down what is due when segment `running` runs; whether an advertisement is seen in a tile in which it was not before.
    pub fn lay(&mut self, maker: &ReelMaker, shelf: &LayeredShelf, running: SegmentNumber) -> bool {
        let (grid, mut is_new) = (maker.grid(), false);
        let due = running + LAID_AHEAD + 1;
        for (tile, laying) in &mut self.tracks {
            if laying.still.is_none() {
                continue;
            }
            let first = laying.next.max(running.saturating_sub(LEAD_IN_SEGMENTS));
            let name = TrackName::Tile(tile.clone());
            let track = shelf.memory().track(&name);
            for segment in first..due {
                let (mut bytes, mut seen) = (0, None);
                for part in 0..grid.parts() {
                    let Some(block) =
                        block(&self.placed, (laying, &mut seen), maker, tile, Position::new(segment, part))
                    else {
                        break;
                    };
                    bytes += block.coded_bytes();
                    track.append(Position::new(segment, part), block);
                }
                // What another process put down counts, and is known.
                if let Some(nth) = seen.filter(|_| !shelf.had(&name, segment)) {
                    is_new |= !laying.seen.contains_key(&nth);
                    laying.seen.entry(nth).or_default().push(segment);
                }
                track.measured(segment, bytes);
                laying.first.get_or_insert(segment);
            }
            laying.next = laying.next.max(due);
        }
        if let Some(tile) = self.tracks.keys().next() {
            let sound = shelf.memory().track(&TrackName::sound(&tile.game));
            let come_to = sound.position().map_or(0, |come_to| come_to.segment + 1);
            for segment in come_to.max(running)..due {
                let Some(placed) = self.placed.iter().find(|placed| placed.span().contains(&segment)) else { continue };
                let Some(units) = placed.creative.coded(&grid, placed.from) else { continue };
                lay_sound(&grid, &sound, segment, placed.from, &units);
            }
        }
        is_new
    }

    /// Of the advertisements that are not over when segment `running` runs, where `tiles` show the slate all the same: their sound is heard there, and must not
    /// be. In order.
    pub fn unseen_in(&self, tiles: &[TileName], running: SegmentNumber) -> Vec<Range<SegmentNumber>> {
        // What was put down, and what will be.
        let seen_in = |tile: &TileName, nth: usize, placed: &Placed| -> Option<Runs> {
            let laying = self.tracks.get(tile)?;
            let seen = laying.seen.get(&nth).cloned().unwrap_or_default();
            let is_to_come = placed.creative.is_reeled(tile) && laying.next < placed.until();
            let to_come = is_to_come.then(|| Runs::from(laying.next.max(placed.from)..=placed.until() - 1));
            Some(seen.or(&to_come.unwrap_or_default()))
        };
        // What may be planned reaches back a little.
        let lasts = self.placed.iter().enumerate().filter(|(_, placed)| placed.until() + 2 > running);
        let unseen = lasts.flat_map(|(nth, placed)| {
            let all = Runs::from(placed.from..=placed.until().saturating_sub(1));
            let seen = tiles.iter().map(|tile| seen_in(tile, nth, placed).unwrap_or_default());
            let seen = seen.reduce(|one, other| one.and(&other)).unwrap_or_else(|| all.clone());
            let unseen = seen.ranges().fold(all, |left, range| left.without(&range));
            unseen.ranges().map(|range| *range.start()..range.end() + 1).collect::<Vec<_>>()
        });
        unseen.collect()
    }

    /// Segment `n` of an advertisement was listed to `session`; whether all before it was, too, so that it is told of.
    pub fn follows(&mut self, session: &str, nth: usize, n: SegmentNumber) -> bool {
        let of = (session.into(), nth);
        let begins = self.placed.get(nth).is_some_and(|placed| placed.from == n);
        let follows = begins || self.begun.get(&of) == Some(&n);
        if follows {
            self.begun.insert(of, n + 1);
        } else {
            self.begun.remove(&of);
        }
        follows
    }

    /// Whether who was listed `tiles` saw the advertisement in segment `n` that has the place `nth` here: all of them showed it.
    pub fn was_seen(&self, tiles: &[TileName], nth: usize, n: SegmentNumber) -> bool {
        let seen = |tile: &TileName| self.tracks.get(tile)?.seen.get(&nth);
        !tiles.is_empty() && tiles.iter().all(|tile| seen(tile).is_some_and(|seen| seen.contains(n)))
    }
}

/// What a track has at `at`: an advertisement's, where there is one and it is made for this tile, and else the slate's. `seen` is which one its segment opens with.
fn block(
    placed: &[Placed],
    (laying, seen): (&Laying, &mut Option<usize>),
    maker: &ReelMaker,
    tile: &TileName,
    at: Position,
) -> Option<Block> {
    let found = placed.iter().enumerate().find(|(_, placed)| placed.span().contains(&at.segment));
    if let Some((nth, placed)) = found {
        // Within a segment an advertisement neither begins nor breaks off.
        let begins = at.part == 0 || *seen == Some(nth);
        match placed.creative.block(maker, tile, at.segment - placed.from, at) {
            Ok(Some(block)) if begins => {
                *seen = Some(nth);
                return Some(block);
            }
            Ok(_) => {}
            Err(error) => {
                tracing::error!(tile = ?tile.rung, segment = at.segment, %error, "an advertisement cannot be put down")
            }
        }
    }
    let still = maker.still_block(tile, laying.still.as_ref()?, at);
    still
        .inspect_err(
            |error| tracing::error!(tile = ?tile.rung, segment = at.segment, %error, "a slate cannot be put down"),
        )
        .ok()
}

/// Puts down the sound of one segment, of AAC frames that begin with that of segment `from`.
fn lay_sound(
    grid: &Grid,
    track: &crate::track::Track,
    segment: SegmentNumber,
    from: SegmentNumber,
    units: &[bytes::Bytes],
) {
    let base = grid.first_aac_frame(from);
    for part in 0..grid.parts() {
        let unit = |aac_frame: u64| {
            let nth = usize::try_from(aac_frame - base).unwrap_or(usize::MAX);
            units.get(nth).map(|data| SoundUnit { aac_frame, data: data.clone() })
        };
        let block: Option<Vec<SoundUnit>> = grid.part_aac_frames(segment, part).map(unit).collect();
        let Some(block) = block else { return };
        track.append(Position::new(segment, part), Block::Sound(block.into()));
    }
}
