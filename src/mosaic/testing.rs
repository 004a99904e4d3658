//! Mosaics without pixels: encoders that answer at once with tiny access units, or fail, or stand still when told to; a
//! compositor that delivers or drops; threads that can run out; and a clock that is cranked.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};

use super::engine::{Engine, gather_segment};
use super::shares::Shares;
use super::{
    Admission, AdmitError, Budget, EngineChoice, EngineKind, MosaicId, MosaicRegistry, MosaicSpec, Mosaics, Names,
    Placement, RegistrySettings, RenderEngine, RenderSettings, StitchEngine, StitchSettings, Tick, Trial, open_ladder,
};
use crate::assets::Assets;
use crate::compositor::{Compositor, Job, Kind, solid};
use crate::encode::{PictureEncoder, PictureEncoders, VideoEncodeError, VideoEncoder};
use crate::frame::{AccessUnit, Colour, Picture};
use crate::ladder::{ParameterSets, RenditionSpec, Rung, VideoCodec, VideoSettings};
use crate::layout::Layouts;
use crate::metrics::Metrics;
use crate::timeline::{Clock, FrameNumber, Grid, MediaTime, SegmentNumber, SimulatedClock};
use crate::track::{EncodingShared, MemoryShelf, Runs};
use crate::work::{SystemThreads, Threads};

/// Frames of a segment: a fifth of a second.
pub const FRAMES: u64 = 6;

/// The segment in which every test begins.
pub const FIRST: SegmentNumber = 10_000;

/// Real time that anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// What encoders are told to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    #[default]
    Work,
    /// Not to open.
    RefuseToOpen,
    /// To stand still when they open.
    StandStillAtOpen,
    /// To fail with the next picture.
    Fail,
    /// To die with it.
    Panic,
}

/// Parameter sets, and the access units of a segment.
type Segment = (ParameterSets, Arc<Vec<Bytes>>);

/// Encoders without effort. What they make is valid: a still picture that libx264 has encoded once.
#[derive(Default)]
pub struct CannedEncoders {
    order: Mutex<Order>,
    ordered: Condvar,
    pub opened: AtomicUsize,
    canned: Mutex<HashMap<String, Segment>>,
    /// What whole canvases of the best rendition showed, by frame: the first byte of their luma.
    shown: Mutex<HashMap<FrameNumber, u8>>,
}

impl CannedEncoders {
    pub fn order(&self, order: Order) {
        *self.order.lock() = order;
        self.ordered.notify_all();
    }

    pub fn shown(&self, frame: FrameNumber) -> Option<u8> {
        self.shown.lock().get(&frame).copied()
    }

    fn canned(&self, settings: &VideoSettings) -> Segment {
        let mut canned = self.canned.lock();
        let encode = || {
            let mut encoder = VideoEncoder::new(settings).unwrap();
            let picture = solid(settings.width, settings.height, [90, 90, 90]).unwrap();
            let mut units: Vec<Bytes> = Vec::new();
            for n in 0..FRAMES {
                units.extend(encoder.encode(&picture, n).unwrap().map(|unit| unit.data));
            }
            units.extend(std::iter::from_fn(|| encoder.drain().unwrap()).map(|unit| unit.data));
            (encoder.parameter_sets().clone(), Arc::new(units))
        };
        canned.entry(format!("{settings:?}")).or_insert_with(encode).clone()
    }
}

struct CannedEncoder {
    house: Arc<CannedEncoders>,
    sets: ParameterSets,
    units: Arc<Vec<Bytes>>,
    grid: Grid,
    is_shown: bool,
}

/// A handle that opens encoders.
pub struct Canned(pub Arc<CannedEncoders>);

impl PictureEncoders for Canned {
    fn open(&self, settings: &VideoSettings) -> Result<Box<dyn PictureEncoder>, VideoEncodeError> {
        let mut order = self.0.order.lock();
        while *order == Order::StandStillAtOpen {
            self.0.ordered.wait(&mut order);
        }
        if *order == Order::RefuseToOpen {
            return Err(VideoEncodeError::NoParameterSets);
        }
        drop(order);
        self.0.opened.fetch_add(1, Ordering::Relaxed);
        let (sets, units) = self.0.canned(settings);
        let is_shown = !settings.is_tile && settings.width == renditions()[0].width;
        Ok(Box::new(CannedEncoder { house: self.0.clone(), sets, units, grid: settings.grid, is_shown }))
    }
}

impl PictureEncoder for CannedEncoder {
    fn parameter_sets(&self) -> &ParameterSets {
        &self.sets
    }

    fn encode(&mut self, picture: &Picture, frame: FrameNumber) -> Result<Option<AccessUnit>, VideoEncodeError> {
        let order = *self.house.order.lock();
        match order {
            Order::Fail => return Err(VideoEncodeError::Failed { frame }),
            Order::Panic => panic!("an encoder that was told to die"),
            Order::Work | Order::RefuseToOpen | Order::StandStillAtOpen => {}
        }
        if self.is_shown {
            self.house.shown.lock().insert(frame, picture.plane(0)[0]);
        }
        // What was encoded before can come out at once, in the order of coding, whatever it is coded from.
        let at = frame % FRAMES;
        let shown = self.grid.gop().pictures()[at as usize].shown;
        let data = self.units[at as usize].clone();
        Ok(Some(AccessUnit { frame: frame - at + u64::from(shown), sync: at == 0, data }))
    }

    fn drain(&mut self) -> Result<Option<AccessUnit>, VideoEncodeError> {
        Ok(None)
    }
}

/// A compositor that delivers at once, or refuses what comes while it is full.
#[derive(Default)]
pub struct Floor {
    /// What pictures show: every byte of their luma.
    luma: AtomicU64,
    pub is_full: AtomicBool,
    pub delivered: AtomicUsize,
}

impl Compositor for Floor {
    fn submit(&self, tick: Vec<Job>) -> Vec<Job> {
        if self.is_full.load(Ordering::Relaxed) {
            return tick;
        }
        let luma = self.luma.load(Ordering::Relaxed) as u8;
        for job in tick {
            let sizes = std::iter::once((job.canvas.width, job.canvas.height)).chain(job.smaller);
            let picture = |(width, height): (u32, u32)| {
                let samples = (width * height) as usize;
                let planes = [vec![luma; samples], vec![128; samples / 4], vec![128; samples / 4]];
                Picture::from_planes(width, height, Colour::CANVAS, planes).unwrap()
            };
            (job.deliver)(sizes.map(picture).collect());
            self.delivered.fetch_add(1, Ordering::Relaxed);
        }
        Vec::new()
    }

    fn kind(&self) -> Kind {
        Kind::Cpu
    }

    fn describe(&self) -> String {
        "a floor".into()
    }

    fn queued(&self) -> usize {
        0
    }
}

/// The system's threads, as many as there are left, once the system is done with what it is stuck in.
pub struct FewThreads {
    pub left: AtomicUsize,
    pub is_stuck: AtomicBool,
    /// Those that wait for a thread at present.
    pub waiting: AtomicUsize,
}

impl Threads for FewThreads {
    fn start(&self, name: &str, work: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
        self.waiting.fetch_add(1, Ordering::AcqRel);
        while self.is_stuck.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        match self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)) {
            Ok(_) => SystemThreads.start(name, work),
            Err(_) => Err(io::Error::other("no more threads")),
        }
    }
}

pub fn renditions() -> Vec<RenditionSpec> {
    let rung = |name: &str, width, height| RenditionSpec {
        name: name.into(),
        width,
        height,
        bitrate_bps: 300_000,
        codec: VideoCodec::H264,
    };
    vec![rung("big", 1024, 576), rung("small", 512, 288)]
}

/// How a house is set up.
pub struct Plan {
    pub cores: f64,
    pub max_mosaics: Option<u32>,
    pub keep_warm: Option<bool>,
    /// Cores that a rendered mosaic takes, by the trial.
    pub mosaic_cores: f64,
    pub tenants: Shares,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            cores: f64::INFINITY,
            max_mosaics: None,
            keep_warm: Some(false),
            mosaic_cores: 0.0,
            tenants: Shares::default(),
        }
    }
}

/// Both engines and their registry, ticked by hand.
pub struct House {
    pub clock: Arc<SimulatedClock>,
    pub grid: Grid,
    pub metrics: Arc<Metrics>,
    pub shared: Arc<EncodingShared>,
    pub encoders: Arc<CannedEncoders>,
    pub threads: Arc<FewThreads>,
    pub floor: Arc<Floor>,
    pub stitch: Arc<StitchEngine>,
    pub render: Arc<RenderEngine>,
    pub registry: Arc<MosaicRegistry>,
    layouts: Arc<Layouts>,
    games: Mutex<(HashSet<String>, HashSet<String>)>,
    /// The games' card.
    pub card: Mutex<Option<Picture>>,
    next: AtomicU64,
}

impl House {
    pub fn new(plan: &Plan) -> Self {
        let grid = Grid::new("30".parse().unwrap(), FRAMES as u32).with_part_frames(4);
        let clock = Arc::new(SimulatedClock::new(grid.segment_time(FIRST)));
        let metrics = Arc::new(Metrics::new().unwrap());
        let encoders = Arc::new(CannedEncoders::default());
        let left = AtomicUsize::new(1000);
        let threads = Arc::new(FewThreads { left, is_stuck: AtomicBool::new(false), waiting: AtomicUsize::new(0) });
        let shared = EncodingShared::new(clock.clone(), metrics.clone(), Arc::new(MemoryShelf::new(grid, 40)));
        let shared = Arc::new(shared.made_of(Arc::new(Canned(encoders.clone())), threads.clone()));
        let layouts = Arc::new(Layouts::bundled());
        let rungs: Arc<[Rung]> = open_ladder(grid, &renditions(), "ultrafast", 0, Some(&layouts)).unwrap().into();
        let per_frame = plan.mosaic_cores / 30.0 / renditions().len() as f64;
        let trial = Trial { compose: 0.0, encode: vec![per_frame; renditions().len()] };
        let next = grid.first_frame(FIRST);
        let settings = StitchSettings {
            grid,
            rungs: rungs.clone(),
            tile_preset: "ultrafast".into(),
            shared: shared.clone(),
            trial: trial.clone(),
            layouts: layouts.clone(),
            keep_warm: plan.keep_warm,
            max_skinned_tiles: 8,
            recorded: Vec::new(),
            assets: Assets::none(),
        };
        let stitch = Arc::new(StitchEngine::new(settings, next).unwrap());
        let settings =
            RenderSettings { grid, rungs: rungs.clone(), shared: shared.clone(), trial, assets: Assets::none() };
        let render = Arc::new(RenderEngine::new(settings, next));
        let settings = RegistrySettings {
            grid,
            rungs: rungs.clone(),
            mosaic_idle: Duration::from_secs(20),
            linger: Duration::from_secs(20),
            rendered: plan.tenants.clone(),
            cache_bytes: 1 << 20,
        };
        let budget = Budget { cores: plan.cores, headroom_percent: 100, max_mosaics: plan.max_mosaics };
        let registry = MosaicRegistry::new(
            settings,
            Names::new([1; 32], grid, &renditions(), "ultrafast", &layouts),
            shared.shelf.clone(),
            clock.clone(),
            metrics.clone(),
            vec![stitch.clone(), render.clone()],
            Admission::new(budget),
        );
        Self {
            clock,
            grid,
            metrics,
            shared,
            encoders,
            threads,
            floor: Arc::default(),
            stitch,
            render,
            registry: Arc::new(registry.unwrap()),
            layouts,
            games: Mutex::default(),
            card: Mutex::default(),
            next: AtomicU64::new(next),
        }
    }

    pub fn spec(&self, layout: &str, games: &[&str]) -> MosaicSpec {
        let layout = self.layouts.get(layout).unwrap();
        MosaicSpec { layout, games: games.iter().map(|game| (*game).into()).collect(), art: Vec::new() }
    }

    pub fn want(&self, engine: EngineKind, layout: &str, games: &[&str]) -> Result<Placement, AdmitError> {
        self.registry.want(&self.spec(layout, games), EngineChoice::Only(engine))
    }

    /// A four-game mosaic of each engine.
    pub fn one_of_each(&self) -> [MosaicId; 2] {
        let games = ["a", "b", "c", "d"];
        games.iter().for_each(|game| self.register(game));
        [EngineKind::Render, EngineKind::Stitch].map(|engine| self.want(engine, "4E", &games).unwrap().id)
    }

    pub fn register(&self, game: &str) {
        let (running, removed) = &mut *self.games.lock();
        running.insert(game.to_owned());
        removed.remove(game);
    }

    pub fn remove(&self, game: &str) {
        let (running, removed) = &mut *self.games.lock();
        running.remove(game);
        removed.insert(game.to_owned());
    }

    /// The next frame that ticks.
    pub fn next(&self) -> FrameNumber {
        self.next.load(Ordering::Relaxed)
    }

    /// What the canvases of `frame` show.
    pub fn luma(frame: FrameNumber) -> u8 {
        16 + (frame % 200) as u8
    }

    /// One tick; whatever waits is not waited for.
    pub fn tick_only(&self) {
        let frame = self.next.fetch_add(1, Ordering::Relaxed);
        self.clock.advance_to(self.grid.frame_time(frame));
        self.floor.luma.store(Self::luma(frame).into(), Ordering::Relaxed);
        let picture = solid(64, 64, [1, 2, 3]).unwrap();
        let pictures = |games: &HashSet<String>| {
            games.iter().map(|game| (game.as_str().into(), picture.clone())).collect::<HashMap<_, _>>()
        };
        let tick = {
            let (running, removed) = &*self.games.lock();
            let cards = self.card.lock().as_ref().map_or_else(HashMap::new, |card| {
                running.iter().map(|game| (game.as_str().into(), card.clone())).collect()
            });
            Tick { frame, pictures: pictures(running), removed: pictures(removed), cards }
        };
        let refused = self.floor.submit(self.registry.jobs(&tick));
        if !refused.is_empty() {
            self.registry.late();
        }
    }

    /// So many ticks, each with all that it leads to.
    pub fn tick(&self, frames: u64) {
        for _ in 0..frames {
            self.tick_only();
            self.settle();
        }
    }

    /// Ticks to the end of so many segments, the running one included, with a sweep after each.
    pub fn finish(&self, segments: u64) {
        for _ in 0..segments {
            let end = self.grid.first_frame(self.grid.segment_of(self.next()) + 1);
            self.tick(end - self.next());
            self.registry.sweep();
        }
    }

    /// Frames that nobody ticks.
    pub fn lose(&self, frames: u64) {
        self.next.fetch_add(frames, Ordering::Relaxed);
    }

    pub fn settle(&self) {
        self.until("encoders have done their work", || self.shared.in_hand.count() == 0);
    }

    pub fn until(&self, what: &str, is_so: impl Fn() -> bool) {
        let began = Instant::now();
        while !is_so() {
            assert!(began.elapsed() < PATIENCE, "not so: {what}");
            std::thread::yield_now();
        }
    }

    /// Access units of a finished segment in the best rendition.
    pub fn units(&self, engine: EngineKind, id: &MosaicId, segment: SegmentNumber) -> Option<usize> {
        let bytes = self.segment(id, segment);
        let units = self.sizes(engine, id, segment).map(|sizes| sizes.len());
        assert_eq!(units.is_some(), bytes.is_some(), "what is finished can be packaged");
        units
    }

    /// Bytes of each access unit of a finished segment in the best rendition.
    pub fn sizes(&self, engine: EngineKind, id: &MosaicId, segment: SegmentNumber) -> Option<Vec<usize>> {
        let named = self.names().read(&id.0)?;
        assert_eq!(named.engine, engine);
        let engine: &dyn Engine = match engine {
            EngineKind::Render => &*self.render,
            EngineKind::Stitch => &*self.stitch,
        };
        let tracks = engine.tracks(id, &named.spec, 0);
        let blocks: Option<Vec<_>> = tracks.iter().map(|name| self.shared.shelf.find(name)?.segment(segment)).collect();
        let mut sizes = Vec::new();
        for coded in gather_segment(engine, &named.spec, 0, &self.grid, segment, &blocks?)? {
            sizes.extend(coded.units().iter().map(Bytes::len));
        }
        Some(sizes)
    }

    fn names(&self) -> Names {
        Names::new([1; 32], self.grid, &renditions(), "ultrafast", &self.layouts)
    }

    /// The segments of a mosaic that are there in all renditions.
    pub fn segments(&self, id: &MosaicId) -> Runs {
        pollster::block_on(self.registry.held(id)).whole
    }

    /// A packaged segment in the best rendition.
    pub fn segment(&self, id: &MosaicId, segment: SegmentNumber) -> Option<Bytes> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.registry.segment(id, "big", segment)).map(|segment| segment.whole())
    }

    pub fn now(&self) -> MediaTime {
        self.clock.now()
    }
}
