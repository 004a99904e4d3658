//! One tile: a game at one size in one rendition, encoded once for every mosaic that holds it.

use std::ops::RangeInclusive;
use std::sync::Arc;

use parking_lot::Mutex;

use super::card::Card;
use super::over::{self, Over};
use super::plans::TileSize;
use crate::assets::{Assets, Overlay, lay_over};
use crate::compositor::{Canvas, Draw, Job, fit};
use crate::frame::Colour;
use crate::mosaic::engine::Tick;
use crate::mosaic::spec::GameKey;
use crate::timeline::{FrameNumber, Grid, SegmentNumber};
use crate::track::{Encoding, LEAD_IN_SEGMENTS, Position, TileName, Track, TrackName};

/// What a tile shows, and how large.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct TileKey {
    pub game: GameKey,
    pub rendition: usize,
    pub size: TileSize,
    pub colour: [u8; 3],
    /// Art that lies over the game.
    pub over: Over,
}

impl TileKey {
    /// What its track is called; `rung` is the name of its rendition.
    pub fn track_name(&self, rung: &str) -> TrackName {
        let TileSize { width_mbs, height_mbs, inside, whole } = self.size;
        let (game, rung, colour) = (self.game.clone(), rung.into(), self.colour);
        let over = over::digest_of(&self.over).into();
        TrackName::Tile(TileName { game, rung, width_mbs, height_mbs, inside, whole, colour, over })
    }
}

/// See the module. It is kept for as long as a mosaic refers to it.
pub(super) struct Tile {
    pub key: TileKey,
    affinity: u64,
    /// Pixels of its canvas.
    canvas: (u32, u32),
    /// It outlives a stop: sessions may still list what was finished before it.
    track: Arc<Track>,
    /// What it shows where nothing was encoded.
    pub card: Arc<Card>,
    /// What is laid on its pictures; `None` before [`Tile::dress`] has made it, which takes as long as decoding.
    overlays: Mutex<Option<Arc<[Arc<Overlay>]>>>,
    state: Mutex<State>,
}

struct State {
    /// `None` while nobody wants it.
    running: Option<Running>,
    /// Slots of running mosaics that hold it.
    users: usize,
}

struct Running {
    encoding: Arc<Encoding>,
    from: SegmentNumber,
    first_frame: FrameNumber,
    /// Frames that were drawn one after the other, to the last.
    drawn: Option<RangeInclusive<FrameNumber>>,
}

impl Tile {
    pub fn new(key: TileKey, affinity: u64, canvas: (u32, u32), track: Arc<Track>) -> Self {
        let state = Mutex::new(State { running: None, users: 0 });
        Self { key, affinity, canvas, track, card: Arc::default(), overlays: Mutex::default(), state }
    }

    /// Makes it run with what `make` makes for its track, unless it does; `first_frame` opens segment `from`.
    pub fn run(&self, from: SegmentNumber, first_frame: FrameNumber, make: impl FnOnce(Arc<Track>) -> Encoding) {
        let mut state = self.state.lock();
        if state.running.is_none() {
            let encoding = Arc::new(make(self.track.clone()));
            state.running = Some(Running { encoding, from, first_frame, drawn: None });
        }
    }

    /// Makes what lies over its game, unless it was made.
    pub fn dress(&self, assets: &Assets) {
        let Some(over) = &self.key.over else { return };
        if self.is_running() && self.overlays.lock().is_none() {
            let made = over.iter().filter_map(|over| assets.overlay(&over.piece, over.to)).collect();
            *self.overlays.lock() = Some(made);
        }
    }

    /// See [`Encoding::mend`].
    pub fn mend(&self) {
        let encoding = self.state.lock().running.as_ref().map(|running| running.encoding.clone());
        if let Some(encoding) = encoding {
            encoding.mend();
        }
    }

    pub fn is_running(&self) -> bool {
        self.state.lock().running.is_some()
    }

    pub fn hold(&self) {
        self.state.lock().users += 1;
    }

    /// One mosaic less holds it; how many still do.
    pub fn release(&self) -> usize {
        let mut state = self.state.lock();
        state.users = state.users.saturating_sub(1);
        state.users
    }

    /// Slots of running mosaics that hold it.
    pub fn users(&self) -> usize {
        self.state.lock().users
    }

    /// Runs though no mosaic wants it.
    pub fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.running.is_some() && state.users == 0
    }

    /// Stops it unless a mosaic holds it; whether it did.
    pub fn stop_if_idle(&self) -> bool {
        let mut state = self.state.lock();
        if state.users > 0 {
            return false;
        }
        let Some(Running { encoding, .. }) = state.running.take() else { return false };
        encoding.close();
        true
    }

    /// The first segment that is or will be there and shows more than a still, and from which on none is missing.
    pub fn first_segment(&self) -> Option<SegmentNumber> {
        let from = self.state.lock().running.as_ref()?.from;
        let newest = self.track.runs().newest_run();
        let run = newest.filter(|run| *run.end() >= from);
        // Where nothing but stills stands before `from`, it is the first that moves.
        Some(run.map_or(from, |run| {
            if *run.start() + LEAD_IN_SEGMENTS >= from { from.max(*run.start()) } else { *run.start() }
        }))
    }

    /// Whether it should have `segment` by now, and has not: all its frames were drawn, but for those that had gone by when it began.
    pub fn owes(&self, grid: &Grid, segment: SegmentNumber) -> bool {
        let first_frame = grid.first_frame(segment);
        let drawn = |running: &Running| {
            let begins =
                if running.from == segment { first_frame + u64::from(grid.segment_frames()) } else { first_frame };
            running.drawn.as_ref().is_some_and(|drawn| *drawn.start() <= begins)
        };
        let state = self.state.lock();
        let owes = state.running.as_ref().is_some_and(|running| running.from <= segment && drawn(running));
        drop(state);
        owes && self.track.position() < Some(Position::end_of(grid, segment))
    }

    pub fn track(&self) -> &Arc<Track> {
        &self.track
    }

    /// What is to be drawn at `tick`: the game's picture on the layout's background, or the background alone where there is none.
    pub fn job(&self, tick: &Tick) -> Option<Job> {
        let (frame, picture) = (tick.frame, tick.picture(&self.key.game));
        if let Some(card) = tick.card(&self.key.game) {
            self.card.show(card);
        }
        let input = {
            let mut state = self.state.lock();
            let running = state.running.as_mut()?;
            if frame < running.first_frame {
                return None;
            }
            let begun = running.drawn.as_ref().filter(|drawn| *drawn.end() + 1 == frame).map(|drawn| *drawn.start());
            running.drawn = Some(begun.unwrap_or(frame)..=frame);
            running.encoding.input()
        };
        let (width, height) = self.canvas;
        let inside = self.key.size.inside;
        let draws = picture.map(|picture| Draw {
            picture: picture.clone(),
            rect: fit(picture.width, picture.height, picture.pixel_aspect, inside),
        });
        let overlays = self.overlays.lock().clone();
        Some(Job {
            affinity: self.affinity,
            colour: Colour::CANVAS,
            canvas: Canvas { width, height, background: self.key.colour, draws: draws.into_iter().collect() },
            smaller: Vec::new(),
            deliver: Box::new(move |pictures| {
                for picture in pictures {
                    let picture = match &overlays {
                        Some(overlays) => lay_over(&picture, overlays),
                        None => picture,
                    };
                    input.give(frame, picture);
                }
            }),
        })
    }
}
