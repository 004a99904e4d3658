//! All tiles of the machine.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;

use super::card::{Card, CardMaker};
use super::over::{Skinned, skinned};
use super::plans::{SlicedRung, TileSize};
use super::stills::{Stills, idr_pic_id};
use super::tile::{Tile, TileKey};
use crate::assets::Assets;
use crate::compositor::Job;
use crate::frame::{AccessUnit, MACROBLOCK};
use crate::mosaic::engine::Tick;
use crate::mosaic::trial::Trial;
use crate::stitch::{StitchError, TileBlock};
use crate::timeline::{FrameNumber, Grid, SegmentNumber};
use crate::track::{Appended, Block, Encoding, EncodingShared, EncodingSpec, Pack, Position, Track, is_stand_in};

/// Who starts begins with the segment of this many frames from now: the frames before may already be on their way.
pub(super) const START_MARGIN_FRAMES: u64 = 2;

/// What a tile costs more than its share of a canvas: a slice a row, and drawing that is not shared between slots.
const TILE_SURCHARGE: f64 = 1.15;

/// See the module.
pub(super) struct Pool {
    grid: Grid,
    rungs: Arc<Vec<SlicedRung>>,
    stills: Arc<Stills>,
    preset: String,
    shared: Arc<EncodingShared>,
    trial: Trial,
    assets: Arc<Assets>,
    tiles: RwLock<HashMap<TileKey, Arc<Tile>>>,
    affinities: AtomicU64,
}

impl Pool {
    pub fn new(
        grid: Grid,
        rungs: Arc<Vec<SlicedRung>>,
        stills: Arc<Stills>,
        preset: String,
        shared: Arc<EncodingShared>,
        (trial, assets): (Trial, Arc<Assets>),
    ) -> Self {
        let (tiles, affinities) = (RwLock::default(), AtomicU64::new(0));
        Self { grid, rungs, stills, preset, shared, trial, assets, tiles, affinities }
    }

    /// The tile of `key`, running or not.
    pub fn tile(&self, key: TileKey) -> Arc<Tile> {
        let mut tiles = self.tiles.write();
        if let Some(tile) = tiles.get(&key) {
            return tile.clone();
        }
        let rung = &self.rungs[key.rendition];
        let canvas = if key.size.whole {
            (rung.spec.width, rung.spec.height)
        } else {
            (key.size.width_mbs * MACROBLOCK, key.size.height_mbs * MACROBLOCK)
        };
        let affinity = self.affinities.fetch_add(1, Ordering::Relaxed);
        let track = self.shared.shelf.track(&key.track_name(&rung.spec.name));
        let tile = Arc::new(Tile::new(key.clone(), affinity, canvas, track));
        tiles.insert(key, tile.clone());
        tile
    }

    fn known(&self, key: &TileKey) -> Option<Arc<Tile>> {
        self.tiles.read().get(key).cloned()
    }

    pub fn is_running(&self, key: &TileKey) -> bool {
        self.known(key).is_some_and(|tile| tile.is_running())
    }

    /// Makes `tile` run from the segment that runs, `frame` being the last that ticked; what has gone by of it stands still. Its thread comes
    /// with [`Pool::mend`].
    pub fn run(&self, tile: &Arc<Tile>, frame: FrameNumber) {
        self.run_from(tile, self.grid.segment_of(frame + START_MARGIN_FRAMES));
    }

    /// [`Pool::run`] where nobody waits: from the next segment on, so that there is no segment's worth of pictures to encode at once.
    pub fn run_ahead(&self, tile: &Arc<Tile>, frame: FrameNumber) {
        self.run_from(tile, self.grid.segment_of(frame + START_MARGIN_FRAMES) + 1);
    }

    fn run_from(&self, tile: &Arc<Tile>, from: SegmentNumber) {
        if is_stand_in(&tile.key.game) {
            return;
        }
        tile.run(from, self.grid.first_frame(from), |track| self.encoding(tile, track, from));
    }

    /// See [`Encoding::mend`].
    pub fn mend(&self) {
        let tiles: Vec<_> = self.tiles.read().values().cloned().collect();
        tiles.iter().for_each(|tile| tile.dress(&self.assets));
        tiles.iter().for_each(|tile| tile.mend());
    }

    /// The games with art over them that mosaics show.
    pub fn skinned(&self) -> HashSet<Skinned> {
        let tiles = self.tiles.read();
        skinned(tiles.values().filter(|tile| tile.users() > 0).map(|tile| tile.key.clone()))
    }

    /// Whether a mosaic that runs holds the tile.
    pub fn is_wanted(&self, key: &TileKey) -> bool {
        self.known(key).is_some_and(|tile| tile.is_running() && tile.users() > 0)
    }

    /// Whether the tile runs and no more than `slots` of running mosaics hold it.
    pub fn is_held_by(&self, key: &TileKey, slots: usize) -> bool {
        self.known(key).is_some_and(|tile| tile.is_running() && tile.users() <= slots)
    }

    /// Stops a tile that no mosaic wants; whether it did.
    pub fn stop(&self, key: &TileKey) -> bool {
        self.known(key).is_some_and(|tile| tile.stop_if_idle())
    }

    /// Stops all tiles that no mosaic wants and `keep` does not either.
    pub fn stop_idle_but(&self, keep: impl Fn(&TileKey) -> bool) {
        let tiles: Vec<_> = self.tiles.read().values().cloned().collect();
        for tile in tiles.into_iter().filter(|tile| tile.is_idle() && !keep(&tile.key)) {
            tile.stop_if_idle();
        }
        self.forget_unused();
    }

    /// Lets go of stopped tiles that no mosaic refers to.
    pub fn forget_unused(&self) {
        self.tiles.write().retain(|_, tile| Arc::strong_count(tile) > 1 || tile.is_running());
    }

    pub fn jobs(&self, tick: &Tick) -> Vec<Job> {
        let tiles: Vec<_> = self.tiles.read().values().cloned().collect();
        tiles.iter().filter_map(|tile| tile.job(tick)).collect()
    }

    /// Cores that the tile takes: as encoding it was measured, or its share of what the trial said of a canvas.
    pub fn cost(&self, key: &TileKey) -> f64 {
        if is_stand_in(&key.game) {
            return 0.0;
        }
        let ladder: f64 = self.rungs.iter().map(|rung| pixels(rung.spec.width, rung.spec.height)).sum();
        let rung = &self.rungs[key.rendition];
        let tile = pixels(key.size.width_mbs * MACROBLOCK, key.size.height_mbs * MACROBLOCK);
        let trial = self.trial.encode.get(key.rendition).copied().unwrap_or(0.0);
        let measured = self.shared.cost_per_frame(&label(rung, key.size));
        let encode = measured.unwrap_or(trial * tile / pixels(rung.spec.width, rung.spec.height) * TILE_SURCHARGE);
        let draw = self.trial.compose * tile / ladder * TILE_SURCHARGE;
        let fps = self.grid.fps();
        (encode + draw) * f64::from(fps.num()) / f64::from(fps.den())
    }

    fn encoding(&self, tile: &Tile, track: Arc<Track>, from: SegmentNumber) -> Encoding {
        let key = &tile.key;
        let rung = &self.rungs[key.rendition];
        let (rungs, rendition) = (self.rungs.clone(), key.rendition);
        let spec = EncodingSpec {
            kind: "tile",
            name: format!("{}/{}", key.game, label(rung, key.size)),
            label: label(rung, key.size),
            settings: rung.tile_settings(key.size, self.grid, &self.preset),
            check: Box::new(move |sets| rungs[rendition].accepts(sets).map_err(|e| e.to_string())),
            pack: self.packer(tile),
            from,
        };
        Encoding::new(spec, track, &self.shared)
    }

    /// Makes the tile's card, unless it is made.
    fn card_maker(&self, tile: &Tile) -> impl Fn() + Send + Sync + 'static {
        let (rungs, stills, shared) = (self.rungs.clone(), self.stills.clone(), self.shared.clone());
        let (key, card, grid, preset) = (tile.key.clone(), tile.card.clone(), self.grid, self.preset.clone());
        move || {
            let maker =
                CardMaker { grid, rungs: &rungs, stills: &stills, encoders: shared.encoders(), preset: &preset };
            card.make(&key, &maker);
        }
    }

    fn stills_of(&self, tile: &Tile) -> TileStills {
        let (rungs, stills) = (self.rungs.clone(), self.stills.clone());
        TileStills { key: tile.key.clone(), card: tile.card.clone(), rungs, stills }
    }

    /// Indexes what came of a part. What an encoder that failed did not make is held; where it made nothing, see [`TileStills`].
    fn packer(&self, tile: &Tile) -> Pack {
        let (rungs, grid, stills, track) = (self.rungs.clone(), self.grid, self.stills_of(tile), tile.track().clone());
        let (key, make_card) = (tile.key.clone(), self.card_maker(tile));
        Box::new(move |at, units: &[AccessUnit]| {
            if at.part == 0 {
                // The game may have another title by now.
                make_card();
            }
            let format = &rungs[key.rendition].format;
            let gop = grid.part_gop(at.part);
            let data: Vec<Bytes> = units.iter().map(|unit| unit.data.clone()).collect();
            let index = |hold: Option<&TileBlock>| {
                TileBlock::index(format, key.size.shape(), idr_pic_id(at.segment), &data, &gop, hold).map(Arc::new)
            };
            let made = if data.len() == gop.pictures().len() {
                index(None)
            } else if data.is_empty() {
                stills.of(&track, at)
            } else {
                stills.row(at).and_then(|row| index(Some(&row)))
            };
            report(&key, at, made).map(Block::Tile)
        })
    }

    /// Fills what is missing of `segment` in the tiles that still owe it: no mosaic waits for one tile. What comes later for it is let go, so
    /// that what was listed once stays as it is.
    pub fn stand_in(&self, segment: SegmentNumber) {
        let tiles: Vec<_> = self.tiles.read().values().cloned().collect();
        for tile in tiles.into_iter().filter(|tile| tile.owes(&self.grid, segment)) {
            let (stills, track) = (self.stills_of(&tile), tile.track());
            let stands_in = |part| {
                let at = Position::new(segment, part);
                let still = report(&tile.key, at, stills.of(track, at));
                still.is_some_and(|still| track.append(at, Block::Tile(still)) == Appended::Taken)
            };
            if (track.parts_of(segment)..self.grid.parts()).all(stands_in) {
                tracing::warn!(game = %tile.key.game, segment, "a tile is late: what is missing of its segment stands still");
                self.shared.metrics.late_segments.inc();
            }
        }
    }
}

/// What stands for a tile's part of which nothing was encoded. Where a segment begins that is the first picture of the segment before it;
/// where nothing was before, the tile's card; without one, the background's colour. Within a segment the picture before stays.
pub(super) struct TileStills {
    pub key: TileKey,
    pub card: Arc<Card>,
    pub rungs: Arc<Vec<SlicedRung>>,
    pub stills: Arc<Stills>,
}

impl TileStills {
    pub fn of(&self, track: &Track, at: Position) -> Result<Arc<TileBlock>, StitchError> {
        if at.part == 0 {
            let before = at.segment.checked_sub(1).and_then(|before| track.get(Position::new(before, 0)));
            if let Some(Block::Tile(before)) = before {
                return Ok(Arc::new(before.frozen(idr_pic_id(at.segment), &*self.row(at)?)?));
            }
            if let Some(card) = self.card.of(at.segment) {
                return Ok(card);
            }
        }
        let TileKey { rendition, size, colour, .. } = &self.key;
        if size.whole {
            return self.stills.whole(&self.rungs, *rendition, *colour, at);
        }
        // One row can stand anywhere and at any height.
        self.row(at)
    }

    /// A row of its width that is held.
    fn row(&self, at: Position) -> Result<Arc<TileBlock>, StitchError> {
        let TileKey { rendition, size, colour, .. } = &self.key;
        self.stills.of(&self.rungs, *rendition, size.width_mbs, *colour, at)
    }
}

fn report<T>(key: &TileKey, at: Position, made: Result<T, StitchError>) -> Option<T> {
    made.inspect_err(|error| {
        tracing::error!(game = %key.game, segment = at.segment, part = at.part, %error, "a tile's part cannot be stitched")
    })
    .ok()
}

fn pixels(width: u32, height: u32) -> f64 {
    f64::from(width) * f64::from(height)
}

/// What a tile is called in metrics and measurements: `1080p/960x544`.
fn label(rung: &SlicedRung, size: TileSize) -> String {
    format!("{}/{}x{}", rung.spec.name, size.width_mbs * MACROBLOCK, size.height_mbs * MACROBLOCK)
}
