//! The stitch engine: every game is encoded once at each slot size, and a mosaic is slices of those tiles put side by side.
//! A mosaic costs no encoder, only a copy of bytes when somebody asks for a segment.
//!
//! Lock order: mosaics, tiles, one tile's state; none is held while a thread starts, nor while encoding, drawing or gathering. What is gathered
//! for several ([`commons`]) has a lock each, which is held meanwhile, and before those of stills and places.

mod art;
mod bridge;
mod card;
mod commons;
mod loops;
mod over;
mod plans;
mod pool;
mod preset;
mod reel;
mod self_test;
mod stills;
mod tile;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use self::art::{ArtKey, ArtTiles};
use self::bridge::Bridges;
use self::commons::Commons;
pub use self::plans::levels_for;
use self::plans::{LayoutPlan, Plans, SlicedRung};
use self::pool::{Pool, START_MARGIN_FRAMES};
pub use self::preset::slowest_tile_preset;
pub use self::reel::{Reel, ReelError, ReelMaker, ReelWriter, StillReel};
pub use self::self_test::{Proof, SelfTestError, TilePicture, prove, self_test};
use self::stills::Stills;
use self::tile::{Tile, TileKey};
use super::engine::{Coded, Common, Crossing, Engine, Tick};
use super::spec::{EngineKind, GameKey, MosaicId, MosaicSpec};
use super::trial::Trial;
use crate::assets::Assets;
use crate::compositor::Job;
use crate::encode::VideoEncodeError;
use crate::ladder::Rung;
use crate::layout::{Layout, Layouts};
use crate::stitch::{Place, Placed, StitchError, Stitched, TileBlock};
use crate::timeline::{FrameNumber, Grid, SegmentNumber};
use crate::track::{Block, EncodingShared, Position, Runs, TrackName, in_all};

/// Games that are kept warm where the operator did not say.
const WARM_GAMES: usize = 8;

/// What a stitch engine needs to know.
pub struct StitchSettings {
    pub grid: Grid,
    pub rungs: Arc<[Rung]>,
    /// x264 preset of tiles.
    pub tile_preset: String,
    pub shared: Arc<EncodingShared>,
    pub trial: Trial,
    pub layouts: Arc<Layouts>,
    /// Whether tiles run that no mosaic wants yet, so that a new mosaic has a full window at once; `None`: up to
    /// eight games.
    pub keep_warm: Option<bool>,
    /// Layouts whose tiles run for every game, whoever watches: so that each of their mosaics has a past.
    pub recorded: Vec<String>,
    /// What slots of art show.
    pub assets: Arc<Assets>,
    /// Games that have tiles with a skin's art over them at once.
    pub max_skinned_tiles: usize,
}

/// Why this machine cannot stitch.
#[derive(Debug, thiserror::Error)]
pub enum StitchUnsafe {
    #[error(transparent)]
    Stitch(#[from] StitchError),
    #[error("self-test: {0}")]
    SelfTest(#[from] SelfTestError),
    #[error("self-test: {0}")]
    Panicked(String),
}

/// A mosaic that runs, or lingers so that its listed segments can still be fetched.
struct StitchMosaic {
    /// By rendition, one for each slot.
    tiles: Vec<Vec<Arc<Tile>>>,
    running: Mutex<bool>,
}

impl StitchMosaic {
    fn each_tile(&self) -> impl Iterator<Item = &Arc<Tile>> {
        self.tiles.iter().flatten()
    }
}

/// See the module.
pub struct StitchEngine {
    grid: Grid,
    /// Frames that encoders hold back.
    delay_frames: u32,
    rungs: Arc<Vec<SlicedRung>>,
    plans: Plans,
    stills: Arc<Stills>,
    art: Arc<ArtTiles>,
    commons: Commons,
    pool: Pool,
    layouts: Arc<Layouts>,
    keep_warm: Option<bool>,
    recorded: Vec<String>,
    max_skinned_tiles: usize,
    mosaics: RwLock<HashMap<MosaicId, Arc<StitchMosaic>>>,
    /// The games that ran at the last tick, in order of their names.
    games: Mutex<Vec<GameKey>>,
    /// Its frame, to know which segments can still be whole.
    last_frame: AtomicU64,
}

/// Has made what skins show that moves, before anybody asks for it.
fn make_ahead(assets: &Assets, art: &Arc<ArtTiles>, layouts: &Arc<Layouts>, rungs: &Arc<Vec<SlicedRung>>) {
    // Assets live longer than an engine may.
    let (art, layouts, rungs, plans) = (Arc::downgrade(art), layouts.clone(), rungs.clone(), Plans::new());
    assets.follow_skins(move |skin| {
        let Some(art) = art.upgrade() else { return };
        for layout in layouts.iter().filter(|layout| art.moves(skin, layout)) {
            if let Some(plans) = plans.of(layout, &rungs) {
                art.ahead(skin, layout, &plans);
            }
        }
    });
}

impl StitchEngine {
    /// `next_frame` is the first frame that will tick. Run [`self_test`] before.
    pub fn new(settings: StitchSettings, next_frame: FrameNumber) -> Result<Self, StitchUnsafe> {
        let grid = settings.grid;
        let rungs = settings.rungs.iter().map(SlicedRung::new).collect::<Result<Vec<_>, _>>()?;
        let (rungs, stills) = (Arc::new(rungs), Arc::new(Stills::new(grid)));
        let art = Arc::new(ArtTiles::new(
            (grid, settings.tile_preset.clone()),
            settings.assets.clone(),
            rungs.clone(),
            stills.clone(),
            settings.shared.clone(),
        ));
        make_ahead(&settings.assets, &art, &settings.layouts, &rungs);
        let pool = Pool::new(
            grid,
            rungs.clone(),
            stills.clone(),
            settings.tile_preset,
            settings.shared,
            (settings.trial, settings.assets),
        );
        Ok(Self {
            grid,
            delay_frames: rungs.iter().map(|rung| rung.settings.delay_frames()).max().unwrap_or(0),
            rungs,
            plans: Plans::new(),
            stills,
            art,
            commons: Commons::default(),
            pool,
            layouts: settings.layouts,
            keep_warm: settings.keep_warm,
            recorded: settings.recorded,
            max_skinned_tiles: settings.max_skinned_tiles,
            mosaics: RwLock::default(),
            games: Mutex::default(),
            last_frame: AtomicU64::new(next_frame),
        })
    }

    /// The tiles of `spec`, by rendition and slot.
    fn keys<'a>(&'a self, plans: &'a [LayoutPlan], spec: &'a MosaicSpec) -> impl Iterator<Item = Vec<TileKey>> + 'a {
        let of_rungs = plans.iter().zip(&*self.rungs).enumerate();
        of_rungs.map(move |(rendition, (plan, rung))| over::keys(spec, rendition, plan, rung))
    }

    /// A part of a mosaic, of its games' blocks in the order of slots; the rest is there already.
    fn coded(
        &self,
        plan: &LayoutPlan,
        spec: &MosaicSpec,
        rendition: usize,
        at: Position,
        blocks: &[Block],
    ) -> Result<Coded, StitchError> {
        // Others are none of a tile's, and miss in the count.
        let tiles = blocks.iter().filter_map(|block| if let Block::Tile(tile) = block { Some(tile) } else { None });
        let games: Vec<&Arc<TileBlock>> = tiles.collect();
        let art = self.art.keys(spec, rendition, plan);
        let moving = art.iter().map(|(key, _)| self.art.moving(key, at)).collect::<Result<Vec<_>, _>>()?;
        let of_art = |block: &dyn Fn(&ArtKey) -> Result<Arc<TileBlock>, StitchError>| -> Result<Vec<_>, StitchError> {
            art.iter().map(|(key, _)| block(key)).collect()
        };
        let inputs = |art: &[Arc<TileBlock>]| self.inputs(plan, spec, rendition, at, games.iter().copied().chain(art));
        if art.is_empty() || moving.iter().any(Option::is_some) {
            let each =
                art.iter().zip(moving).map(|((key, _), moves)| moves.map_or_else(|| self.art.still(key, at), Ok));
            let art = each.collect::<Result<Vec<_>, _>>()?;
            return Ok(Coded::Stitched(Arc::new(Stitched::new(&plan.plan, inputs(&art)?)?)));
        }
        let opens = usize::from(at.part == 0);
        let common = self.commons.of(&plan.plan, at, &games, || {
            let rows = of_art(&|key| self.art.row(key, at))?;
            Ok(Common::of(&Stitched::run(&plan.plan, inputs(&rows)?, opens..usize::MAX)?))
        })?;
        let opening = || {
            let stills = of_art(&|key| self.art.still(key, at))?;
            Stitched::run(&plan.plan, inputs(&stills)?, 0..1).map(Arc::new)
        };
        Ok(Coded::Shared { opening: (opens > 0).then(opening).transpose()?, common })
    }

    /// What lies on the canvas, in the order of the plan: `tiles` of games and of art, and background.
    fn inputs<'a>(
        &self,
        plan: &LayoutPlan,
        spec: &MosaicSpec,
        rendition: usize,
        at: Position,
        tiles: impl Iterator<Item = &'a Arc<TileBlock>>,
    ) -> Result<Vec<Arc<Placed>>, StitchError> {
        let place = |block: &TileBlock, to: &Place| block.placed(to.x_mb, to.y_mb, to.height_mbs);
        let mut inputs = Vec::with_capacity(plan.plan.inputs().len());
        for (tile, (_, to)) in tiles.zip(&plan.tiles) {
            inputs.push(place(tile, to)?);
        }
        for to in plan.plan.fillers() {
            let still = self.stills.of(&self.rungs, rendition, to.width_mbs, spec.layout.background, at)?;
            inputs.push(place(&still, to)?);
        }
        Ok(inputs)
    }

    fn warms(&self, games: usize) -> bool {
        self.keep_warm.unwrap_or(games <= WARM_GAMES)
    }

    /// Every tile worth keeping warm, the most useful ones first.
    fn warm_keys(&self) -> Vec<TileKey> {
        let games = self.games.lock().clone();
        if !self.warms(games.len()) {
            return Vec::new();
        }
        self.keys_of(&games, self.layouts.iter().filter(|layout| layout.art.is_empty()).map(|layout| &**layout))
    }

    /// Every tile that is recorded, whoever watches.
    fn recorded_keys(&self) -> Vec<TileKey> {
        let games = self.games.lock().clone();
        let is_recorded = |layout: &&Arc<Layout>| self.recorded.contains(&layout.id);
        self.keys_of(&games, self.layouts.iter().filter(is_recorded).map(|layout| &**layout))
    }

    /// The tiles of `games` in `layouts`, the most useful ones first: by how many slots have their size, small ones before large.
    fn keys_of<'a>(&self, games: &[GameKey], layouts: impl Iterator<Item = &'a Layout>) -> Vec<TileKey> {
        let mut classes: Vec<(Vec<plans::TileSize>, [u8; 3], usize)> = Vec::new();
        for layout in layouts {
            let Some(plans) = self.plans.of(layout, &self.rungs) else { continue };
            for slot in 0..layout.slots.len() {
                let sizes: Vec<_> = plans.iter().map(|plan| plan.tiles[slot].0).collect();
                match classes.iter_mut().find(|(known, colour, _)| *known == sizes && *colour == layout.background) {
                    Some((_, _, uses)) => *uses += 1,
                    None => classes.push((sizes, layout.background, 1)),
                }
            }
        }
        let area = |sizes: &[plans::TileSize]| sizes.iter().map(|s| s.width_mbs * s.height_mbs).sum::<u32>();
        classes.sort_by_key(|(sizes, _, uses)| (std::cmp::Reverse(*uses), area(sizes)));
        let mut keys = Vec::new();
        for (sizes, colour, _) in classes {
            for game in games {
                let of_rendition = |(rendition, size): (usize, &plans::TileSize)| TileKey {
                    game: game.clone(),
                    rendition,
                    size: *size,
                    colour,
                    over: None,
                };
                keys.extend(sizes.iter().enumerate().map(of_rendition));
            }
        }
        keys
    }
}

impl Engine for StitchEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Stitch
    }

    fn suits(&self, layout: &Layout) -> bool {
        self.plans.of(layout, &self.rungs).is_some()
    }

    fn has_room(&self, spec: &MosaicSpec) -> bool {
        let Some(plans) = self.plans.of(&spec.layout, &self.rungs) else { return false };
        let wanted = over::skinned(self.keys(&plans, spec).flatten());
        wanted.is_empty() || self.pool.skinned().union(&wanted).count() <= self.max_skinned_tiles
    }

    fn start(&self, id: &MosaicId, spec: &MosaicSpec) -> Result<SegmentNumber, VideoEncodeError> {
        let frame = self.last_frame.load(Ordering::Acquire);
        let mut mosaics = self.mosaics.write();
        let mosaic = match mosaics.get(id) {
            Some(known) => known.clone(),
            None => {
                // Asked only for layouts that it suits; one without plans has no tiles and never a segment.
                let plans = self.plans.of(&spec.layout, &self.rungs).unwrap_or_else(|| Arc::from([]));
                let tiles = self
                    .keys(&plans, spec)
                    .map(|keys| keys.into_iter().map(|key| self.pool.tile(key)).collect())
                    .collect();
                let mosaic = Arc::new(StitchMosaic { tiles, running: Mutex::new(false) });
                mosaics.insert(id.clone(), mosaic.clone());
                mosaic
            }
        };
        let mut running = mosaic.running.lock();
        if !*running {
            *running = true;
            for tile in mosaic.each_tile() {
                tile.hold();
                self.pool.run(tile, frame);
            }
        }
        let first = mosaic.each_tile().filter_map(|tile| tile.first_segment()).max();
        Ok(first.unwrap_or_else(|| self.grid.segment_of(frame + START_MARGIN_FRAMES)))
    }

    fn stop(&self, id: &MosaicId) {
        let Some(mosaic) = self.mosaics.read().get(id).cloned() else { return };
        let mut running = mosaic.running.lock();
        if !std::mem::replace(&mut *running, false) {
            return;
        }
        let games = self.games.lock().clone();
        for tile in mosaic.each_tile() {
            // A game that is no longer there has nothing to be kept warm. What is not worth it goes with the next look at all tiles.
            let warm = (self.warms(games.len()) || !self.recorded.is_empty()) && games.contains(&tile.key.game);
            if tile.release() == 0 && !warm {
                tile.stop_if_idle();
            }
        }
    }

    fn forget(&self, id: &MosaicId) {
        self.mosaics.write().remove(id);
        self.pool.forget_unused();
    }

    fn jobs(&self, tick: &Tick) -> Vec<Job> {
        self.last_frame.store(tick.frame, Ordering::Release);
        {
            let mut games = self.games.lock();
            if games.len() != tick.pictures.len() || !games.iter().all(|game| tick.pictures.contains_key(game)) {
                *games = tick.pictures.keys().cloned().collect();
                games.sort();
            }
        }
        // Frames after a segment's end. An encoder that is behind loses frames rather than time, so that by then all tiles have it unless one
        // stands still.
        let patience = u64::from(self.grid.segment_frames() + self.delay_frames);
        if let Some(ended) = tick.frame.checked_sub(patience).filter(|frame| self.grid.opens_segment(*frame)) {
            self.pool.stand_in(self.grid.segment_of(ended).saturating_sub(1));
        }
        self.pool.jobs(tick)
    }

    fn finished(&self, id: &MosaicId) -> Runs {
        let Some(mosaic) = self.mosaics.read().get(id).cloned() else { return Runs::default() };
        in_all(mosaic.each_tile().map(|tile| tile.track()))
    }

    fn tracks(&self, _id: &MosaicId, spec: &MosaicSpec, rendition: usize) -> Vec<TrackName> {
        let (Some(plans), Some(rung)) = (self.plans.of(&spec.layout, &self.rungs), self.rungs.get(rendition)) else {
            return Vec::new();
        };
        let keys = self.keys(&plans, spec).nth(rendition).unwrap_or_default();
        keys.iter().map(|key| key.track_name(&rung.spec.name)).collect()
    }

    fn gather(&self, spec: &MosaicSpec, rendition: usize, at: Position, blocks: &[Block]) -> Option<Coded> {
        let plans = self.plans.of(&spec.layout, &self.rungs)?;
        let coded = self.coded(plans.get(rendition)?, spec, rendition, at, blocks);
        coded
            .inspect_err(
                |error| tracing::error!(segment = at.segment, part = at.part, %error, "tiles cannot be stitched"),
            )
            .ok()
    }

    fn still_bytes(&self, spec: &MosaicSpec, rendition: usize) -> usize {
        if spec.art.is_empty() {
            return 0;
        }
        let plans = self.plans.of(&spec.layout, &self.rungs);
        plans.and_then(|plans| Some(self.art.bytes(spec, rendition, plans.get(rendition)?))).unwrap_or(0)
    }

    fn bridge(&self, rendition: usize, at: Position, crossing: &Crossing<'_>) -> Option<Coded> {
        let (grid, rungs) = (self.grid, &self.rungs);
        let bridges = Bridges { grid, rungs, plans: &self.plans, stills: &self.stills, art: &self.art };
        let bridged = bridges.bridged(rendition, at, crossing);
        let tell = |error: &StitchError| tracing::error!(segment = at.segment, part = at.part, %error, "no bridge");
        bridged.inspect_err(tell).ok()
    }

    fn cost(&self, spec: &MosaicSpec) -> f64 {
        let Some(plans) = self.plans.of(&spec.layout, &self.rungs) else { return 0.0 };
        // A game that comes twice is encoded once.
        let keys: HashSet<TileKey> = self.keys(&plans, spec).flatten().collect();
        keys.iter().filter(|key| !self.pool.is_running(key)).map(|key| self.pool.cost(key)).sum()
    }

    fn takes(&self, spec: &MosaicSpec) -> f64 {
        let Some(plans) = self.plans.of(&spec.layout, &self.rungs) else { return 0.0 };
        let keys: HashSet<TileKey> = self.keys(&plans, spec).flatten().collect();
        keys.iter().filter(|key| !self.pool.is_wanted(key)).map(|key| self.pool.cost(key)).sum()
    }

    fn frees(&self, id: &MosaicId, instead: &MosaicSpec) -> f64 {
        let Some(mosaic) = self.mosaics.read().get(id).cloned() else { return 0.0 };
        let plans = self.plans.of(&instead.layout, &self.rungs);
        let kept: HashSet<TileKey> =
            plans.iter().flat_map(|plans| self.keys(plans, instead).flatten().collect::<Vec<_>>()).collect();
        let mut held: HashMap<&TileKey, usize> = HashMap::new();
        for tile in mosaic.each_tile() {
            *held.entry(&tile.key).or_default() += 1;
        }
        // A tile counts its users by slots.
        let freed = held.into_iter().filter(|(key, slots)| !kept.contains(key) && self.pool.is_held_by(key, *slots));
        freed.map(|(key, _)| self.pool.cost(key)).sum()
    }

    fn mend(&self) {
        self.pool.mend();
    }

    fn tend(&self, admit: &mut dyn FnMut(f64) -> bool) {
        let frame = self.last_frame.load(Ordering::Acquire);
        let mut keys = self.recorded_keys();
        keys.extend(self.warm_keys());
        self.pool.stop_idle_but(|key| keys.contains(key));
        for key in keys {
            if self.pool.is_running(&key) {
                continue;
            }
            if !admit(self.pool.cost(&key)) {
                return;
            }
            let tile = self.pool.tile(key);
            self.pool.run_ahead(&tile, frame);
        }
    }

    fn give_up(&self, cores: f64) -> f64 {
        let mut freed = 0.0;
        let recorded: HashSet<TileKey> = self.recorded_keys().into_iter().collect();
        for key in self.warm_keys().iter().rev() {
            if freed >= cores {
                break;
            }
            if !recorded.contains(key) && self.pool.stop(key) {
                freed += self.pool.cost(key);
            }
        }
        freed
    }
}
