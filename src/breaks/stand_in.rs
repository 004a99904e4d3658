//! What one stand-in shows, segment by segment, and how far its tracks are put down. A slate where there is nothing better: no segment is ever missing.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::creative::Creative;
use crate::decisions::ChosenAd;
use crate::frame::{Picture, SoundUnit};
use crate::mosaic::{ReelMaker, StillReel};
use crate::timeline::{Grid, SegmentNumber};
use crate::track::{Block, LEAD_IN_SEGMENTS, MemoryShelf, Position, TileName, TrackName};

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
    /// From which segment on each advertisement is seen in it, by its place in `placed`.
    seen_from: HashMap<usize, SegmentNumber>,
}

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
    /// Which advertisements were listed from their beginning, by session and place.
    begun: HashSet<(Arc<str>, usize)>,
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
            begun: HashSet::new(),
            asked_ms: now_ms,
        }
    }

    /// It will be shown in `tiles`. The first segment from which on all of them have it, once they do; and those of which the slate is yet to be made.
    pub fn used_in(&mut self, tiles: &[TileName]) -> (Option<SegmentNumber>, Vec<TileName>) {
        let mut fresh = Vec::new();
        for tile in tiles {
            if !self.tracks.contains_key(tile) {
                self.tracks.insert(tile.clone(), Laying::default());
                fresh.push(tile.clone());
            }
        }
        let firsts: Option<Vec<_>> = tiles.iter().map(|tile| self.tracks.get(tile)?.first).collect();
        let from = firsts.and_then(|firsts| firsts.into_iter().max());
        (from, fresh)
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

    /// Puts down what is due when segment `running` runs.
    pub fn lay(&mut self, maker: &ReelMaker, shelf: &MemoryShelf, running: SegmentNumber) {
        let grid = maker.grid();
        let due = running + LAID_AHEAD + 1;
        for (tile, laying) in &mut self.tracks {
            if laying.still.is_none() {
                continue;
            }
            let first = laying.next.max(running.saturating_sub(LEAD_IN_SEGMENTS));
            let track = shelf.track(&TrackName::Tile(tile.clone()));
            for segment in first..due {
                let mut bytes = 0;
                for part in 0..grid.parts() {
                    let Some(block) = block(&self.placed, laying, maker, tile, Position::new(segment, part)) else {
                        break;
                    };
                    bytes += block.coded_bytes();
                    track.append(Position::new(segment, part), block);
                }
                track.measured(segment, bytes);
                laying.first.get_or_insert(segment);
            }
            laying.next = laying.next.max(due);
        }
        if let Some(tile) = self.tracks.keys().next() {
            let sound = shelf.track(&TrackName::sound(&tile.game));
            let come_to = sound.position().map_or(0, |come_to| come_to.segment + 1);
            for segment in come_to.max(running)..due {
                let Some(placed) = self.placed.iter().find(|placed| placed.span().contains(&segment)) else { continue };
                let Some(units) = placed.creative.coded(&grid, placed.from) else { continue };
                lay_sound(&grid, &sound, segment, placed.from, &units);
            }
        }
    }

    /// Of the advertisements that are not over when segment `running` runs, where `tiles` show the slate all the same: their sound is heard there, and must not
    /// be. In order.
    pub fn unseen_in(&self, tiles: &[TileName], running: SegmentNumber) -> Vec<Range<SegmentNumber>> {
        let seen_from = |tile: &TileName, nth: usize, placed: &Placed| {
            let laying = self.tracks.get(tile)?;
            let to_be_laid = || placed.creative.is_reeled(tile).then(|| laying.next.max(placed.from));
            laying.seen_from.get(&nth).copied().or_else(to_be_laid)
        };
        // What may be planned reaches back a little.
        let lasts = self.placed.iter().enumerate().filter(|(_, placed)| placed.until() + 2 > running);
        let unseen = lasts.map(|(nth, placed)| {
            let from = tiles.iter().map(|tile| seen_from(tile, nth, placed).unwrap_or(SegmentNumber::MAX)).max();
            placed.from..from.unwrap_or(placed.from).min(placed.until())
        });
        unseen.filter(|its| !its.is_empty()).collect()
    }

    /// An advertisement was listed to `session` from its beginning.
    pub fn begin(&mut self, session: &str, nth: usize) {
        self.begun.insert((session.into(), nth));
    }

    pub fn began(&self, session: &str, nth: usize) -> bool {
        self.begun.contains(&(session.into(), nth))
    }

    /// Whether who was listed `tiles` saw the advertisement in segment `n` that has the place `nth` here: all of them showed it.
    pub fn was_seen(&self, tiles: &[TileName], nth: usize, n: SegmentNumber) -> bool {
        let seen = |tile: &TileName| self.tracks.get(tile)?.seen_from.get(&nth).copied();
        !tiles.is_empty() && tiles.iter().all(|tile| seen(tile).is_some_and(|from| from <= n))
    }
}

/// What a track has at `at`: an advertisement's, where there is one and it is made for this tile, and else the slate's.
fn block(placed: &[Placed], laying: &mut Laying, maker: &ReelMaker, tile: &TileName, at: Position) -> Option<Block> {
    let found = placed.iter().enumerate().find(|(_, placed)| placed.span().contains(&at.segment));
    if let Some((nth, placed)) = found {
        // Within a segment an advertisement neither begins nor breaks off.
        let begins = at.part == 0 || laying.seen_from.get(&nth).is_some_and(|from| *from <= at.segment);
        match placed.creative.block(maker, tile, at.segment - placed.from, at) {
            Ok(Some(block)) if begins => {
                laying.seen_from.entry(nth).or_insert(at.segment);
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
