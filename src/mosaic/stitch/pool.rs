//! All tiles of the machine.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::RwLock;

use super::card::{Card, CardMaker};
use super::plans::{Rung, TileSize};
use super::stills::{Stills, idr_pic_id};
use super::tile::{Segment, Tile, TileKey};
use crate::compositor::Job;
use crate::frame::{AccessUnit, MACROBLOCK};
use crate::mosaic::encoding::{Encoding, EncodingShared, EncodingSpec, SegmentWindow};
use crate::mosaic::engine::Tick;
use crate::mosaic::trial::Trial;
use crate::stitch::{StitchError, TileSegment};
use crate::timeline::{FrameNumber, Grid, SegmentNumber};

/// A segment that begins sooner than this many frames from now is left out: its first frame may already be on its way.
const START_MARGIN_FRAMES: u64 = 2;

/// What a tile costs more than its share of a canvas: a slice a row, and drawing that is not shared between slots.
const TILE_SURCHARGE: f64 = 1.15;

/// See the module.
pub(super) struct Pool {
    grid: Grid,
    rungs: Arc<Vec<Rung>>,
    stills: Arc<Stills>,
    preset: String,
    shared: Arc<EncodingShared>,
    trial: Trial,
    tiles: RwLock<HashMap<TileKey, Arc<Tile>>>,
    affinities: AtomicU64,
}

impl Pool {
    pub fn new(
        grid: Grid,
        rungs: Arc<Vec<Rung>>,
        stills: Arc<Stills>,
        preset: String,
        shared: Arc<EncodingShared>,
        trial: Trial,
    ) -> Self {
        Self { grid, rungs, stills, preset, shared, trial, tiles: RwLock::default(), affinities: AtomicU64::new(0) }
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
        let tile = Arc::new(Tile::new(key.clone(), affinity, canvas, self.shared.window()));
        tiles.insert(key, tile.clone());
        tile
    }

    fn known(&self, key: &TileKey) -> Option<Arc<Tile>> {
        self.tiles.read().get(key).cloned()
    }

    pub fn is_running(&self, key: &TileKey) -> bool {
        self.known(key).is_some_and(|tile| tile.is_running())
    }

    /// Makes `tile` run from the first segment that can be whole, `frame` being the last that ticked. Its thread comes with
    /// [`Pool::mend`].
    pub fn run(&self, tile: &Arc<Tile>, frame: FrameNumber) {
        let from = self.grid.segment_of(frame + START_MARGIN_FRAMES) + 1;
        tile.run(from, self.grid.first_frame(from), |window| self.encoding(tile, window, from));
    }

    /// See [`Encoding::mend`].
    pub fn mend(&self) {
        let tiles: Vec<_> = self.tiles.read().values().cloned().collect();
        tiles.iter().for_each(|tile| tile.mend());
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

    fn encoding(&self, tile: &Tile, window: SegmentWindow<Segment>, from: SegmentNumber) -> Encoding {
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
            prepare: Some(Box::new(self.card_maker(tile))),
            from,
        };
        Encoding::new(spec, window, &self.shared)
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

    /// Indexes a finished segment. What an encoder that failed did not make is held; where it made nothing, see [`TileStills`].
    fn packer(&self, tile: &Tile) -> crate::mosaic::encoding::Pack<Segment> {
        let (rungs, grid, stills, window) =
            (self.rungs.clone(), self.grid, self.stills_of(tile), tile.window().clone());
        let (key, make_card) = (tile.key.clone(), self.card_maker(tile));
        Box::new(move |segment, units: Vec<AccessUnit>| {
            // The game may have another title by now.
            make_card();
            let format = &rungs[key.rendition].format;
            let gop = grid.gop();
            let data: Vec<Bytes> = units.into_iter().map(|unit| unit.data).collect();
            let index = |hold: Option<&TileSegment>| {
                TileSegment::index(format, key.size.shape(), idr_pic_id(segment), &data, &gop, hold)
            };
            if data.len() == gop.pictures().len() {
                return report(&key, segment, index(None).map(Arc::new));
            }
            if data.is_empty() {
                return report(&key, segment, stills.of(&window, segment));
            }
            match stills.row(segment) {
                Ok(row) => report(&key, segment, index(Some(&row)).map(Arc::new)),
                Err(error) => report(&key, segment, Err(error)),
            }
        })
    }

    /// Fills `segment` of the tiles that still owe it: no mosaic waits for one tile. What comes later for it is let go, so that what was
    /// listed once stays as it is.
    pub fn stand_in(&self, segment: SegmentNumber) {
        let first_frame = self.grid.first_frame(segment);
        let tiles: Vec<_> = self.tiles.read().values().cloned().collect();
        for tile in tiles.into_iter().filter(|tile| tile.owes(segment, first_frame)) {
            let still = self.stills_of(&tile).of(tile.window(), segment);
            let Some(still) = report(&tile.key, segment, still) else { continue };
            if tile.stand_in(segment, still) {
                tracing::warn!(game = %tile.key.game, segment, "a tile is late: its segment is a still");
                self.shared.metrics.late_segments.inc();
                self.shared.finished.send_modify(|count| *count += 1);
            }
        }
    }
}

/// What stands for a tile's segment of which nothing was encoded: the first picture of the segment before it; where nothing was before, the
/// tile's card; without one, the background's colour.
pub(super) struct TileStills {
    pub key: TileKey,
    pub card: Arc<Card>,
    pub rungs: Arc<Vec<Rung>>,
    pub stills: Arc<Stills>,
}

impl TileStills {
    pub fn of(&self, window: &SegmentWindow<Segment>, segment: SegmentNumber) -> Result<Segment, StitchError> {
        let before = segment.checked_sub(1).and_then(|before| window.lock().get(before).cloned());
        if let Some(before) = before {
            return Ok(Arc::new(before.frozen(idr_pic_id(segment), &*self.row(segment)?)?));
        }
        if let Some(card) = self.card.of(segment) {
            return Ok(card);
        }
        let TileKey { rendition, size, colour, .. } = &self.key;
        if size.whole {
            return self.stills.whole(&self.rungs, *rendition, *colour, segment);
        }
        // One row can stand anywhere and at any height.
        self.row(segment)
    }

    /// A row of its width that is held.
    fn row(&self, segment: SegmentNumber) -> Result<Segment, StitchError> {
        let TileKey { rendition, size, colour, .. } = &self.key;
        self.stills.of(&self.rungs, *rendition, size.width_mbs, *colour, segment)
    }
}

fn report(key: &TileKey, segment: SegmentNumber, made: Result<Segment, StitchError>) -> Option<Segment> {
    made.inspect_err(|error| tracing::error!(game = %key.game, segment, %error, "a tile's segment cannot be stitched"))
        .ok()
}

fn pixels(width: u32, height: u32) -> f64 {
    f64::from(width) * f64::from(height)
}

/// What a tile is called in metrics and measurements: `1080p/960x544`.
fn label(rung: &Rung, size: TileSize) -> String {
    format!("{}/{}x{}", rung.spec.name, size.width_mbs * MACROBLOCK, size.height_mbs * MACROBLOCK)
}
