//! Test doubles of what sessions see: mosaics that finish their segments as the clock is cranked, games with sound.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{CreateSession, GameInfo, Games, SessionSettings, Sessions};
use crate::captions::{Kind, TextInfo, TrackInfo};
use crate::cues::track::{Break, CueTrack, RangeLine};
use crate::frame::{SoundRole, SoundTrack};
use crate::ladder::{RenditionSpec, VideoCodec};
use crate::layout::{Layout, Layouts};
use crate::market::GameRights;
use crate::metrics::Metrics;
use crate::mosaic::{
    AdmitError, EngineChoice, EngineKind, GameKey, MosaicId, MosaicSpec, Mosaics, Packaged, Placement, Rate,
};
use crate::store::testing::FullDisk;
use crate::store::{SqliteStore, Store};
use crate::timeline::{Clock, Grid, MediaTime, PartNumber, SegmentNumber, SimulatedClock};
use crate::track::{Held, Pending, Position, Runs};

/// Two-second segments.
pub(crate) fn grid() -> Grid {
    Grid::new("30".parse().unwrap(), 60)
}

/// 2026-11-22T16:00:00Z, where segment [`SEGMENT`] begins.
pub(crate) const START: MediaTime = MediaTime::from_secs(1_795_363_200 - crate::timeline::MEDIA_EPOCH_UNIX_S);
pub(crate) const SEGMENT: SegmentNumber = (1_795_363_200 - crate::timeline::MEDIA_EPOCH_UNIX_S) / 2;

/// Tracks that have come as far as their last whole segment.
fn whole(whole: Runs) -> Held {
    let come_to = whole.newest().map(|newest| Position::end_of(&grid(), newest));
    Held { whole, come_to }
}

/// Mosaics whose segment `n` is finished as soon as the clock has passed its end.
pub(crate) struct CrankedMosaics {
    clock: Arc<SimulatedClock>,
    /// In H.264, and the last one in HDR.
    ladder: Vec<RenditionSpec>,
    /// Whether there is that.
    pub in_hdr: AtomicBool,
    /// First segment of each running mosaic.
    pub running: Mutex<BTreeMap<String, SegmentNumber>>,
    pub wants: Mutex<Vec<String>>,
    /// Mosaics there is room for.
    pub room: Mutex<usize>,
    /// Mosaics that were left for another, and for which.
    pub exchanged: Mutex<Vec<(String, String)>>,
    /// Segments that are kept of each.
    pub kept: Mutex<u64>,
    /// Segments that never come, of any mosaic.
    pub holes: Mutex<HashSet<SegmentNumber>>,
    pub finished: tokio::sync::watch::Sender<u64>,
    /// By rendition.
    pub rates: Mutex<BTreeMap<String, Rate>>,
    /// Goes into every id, as a changed set-up would.
    pub generation: &'static str,
    /// Whether there is a stitch engine, which is then the first choice.
    pub stitches: bool,
    /// Whether segments come part by part, and one may go over from mosaic to mosaic.
    pub bridges: Mutex<bool>,
    /// What those show that were asked for.
    specs: Mutex<BTreeMap<String, MosaicSpec>>,
}

impl CrankedMosaics {
    pub fn new(clock: Arc<SimulatedClock>) -> Self {
        let rung = |name: &str, width, height, bitrate_bps| RenditionSpec {
            name: name.into(),
            width,
            height,
            bitrate_bps,
            codec: VideoCodec::H264,
        };
        Self {
            clock,
            ladder: vec![
                rung("1080p", 1920, 1080, 6_000_000),
                rung("540p", 960, 540, 1_600_000),
                RenditionSpec { codec: VideoCodec::HevcPq, ..rung("light", 960, 540, 1_200_000) },
            ],
            in_hdr: AtomicBool::new(false),
            running: Mutex::default(),
            wants: Mutex::default(),
            room: Mutex::new(100),
            exchanged: Mutex::default(),
            kept: Mutex::new(30),
            holes: Mutex::default(),
            finished: tokio::sync::watch::channel(0).0,
            rates: Mutex::default(),
            generation: "",
            stitches: false,
            bridges: Mutex::default(),
            specs: Mutex::default(),
        }
    }

    pub fn id(&self, spec: &MosaicSpec, engine: EngineKind) -> String {
        let games: Vec<&str> = spec.games.iter().map(|g| &**g).collect();
        let of_engine = if engine == EngineKind::Stitch { "-of-tiles" } else { "" };
        format!("{}{}-{}{of_engine}", self.generation, spec.layout.id, games.join("-"))
    }

    fn newest(&self) -> SegmentNumber {
        grid().segment_at(self.clock.now()) - 1
    }

    fn finished_of(&self, id: &MosaicId) -> Runs {
        let Some(first) = self.running.lock().get(&*id.0).copied() else { return Runs::default() };
        let newest = self.newest();
        let holes = self.holes.lock();
        (first.max(newest.saturating_sub(*self.kept.lock()))..=newest).filter(|n| !holes.contains(n)).collect()
    }
}

impl CrankedMosaics {
    /// With its running segment's parts, where mosaics have any.
    fn held_of(&self, id: &MosaicId) -> Held {
        let held = whole(self.finished_of(id));
        let (grid, now) = (grid(), self.clock.now());
        let running = grid.segment_at(now);
        let parts = (grid.frame_at(now) - grid.first_frame(running)) / u64::from(grid.part_frames());
        let newest = Position::new(running, u32::try_from(parts).unwrap().saturating_sub(1));
        let is_made = *self.bridges.lock() && parts > 0 && held.whole.newest() == Some(running - 1);
        Held { come_to: if is_made { Some(newest) } else { held.come_to }, ..held }
    }
}

impl Mosaics for CrankedMosaics {
    fn shows(&self, id: &MosaicId) -> Option<MosaicSpec> {
        self.specs.lock().get(&*id.0).cloned()
    }

    fn rate<'a>(&'a self, _id: &'a MosaicId, rendition: &'a str) -> Pending<'a, Option<Rate>> {
        Box::pin(async move { self.rates.lock().get(rendition).copied() })
    }

    fn renditions(&self) -> &[RenditionSpec] {
        let end = if self.in_hdr.load(Ordering::Relaxed) { 3 } else { 2 };
        &self.ladder[..end]
    }

    fn name(&self, spec: &MosaicSpec, choice: EngineChoice) -> Result<(MosaicId, EngineKind), AdmitError> {
        let engine = match choice {
            EngineChoice::Only(engine) => engine,
            EngineChoice::Auto if self.stitches => EngineKind::Stitch,
            EngineChoice::Auto => EngineKind::Render,
        };
        Ok((MosaicId(self.id(spec, engine).into()), engine))
    }

    fn want(&self, spec: &MosaicSpec, engine: EngineChoice) -> Result<Placement, AdmitError> {
        let engine = match engine {
            EngineChoice::Auto if self.stitches => EngineKind::Stitch,
            EngineChoice::Auto => EngineKind::Render,
            EngineChoice::Only(EngineKind::Stitch) if !self.stitches => {
                return Err(AdmitError::EngineUnsuited { engine: EngineKind::Stitch, layout: spec.layout.id.clone() });
            }
            EngineChoice::Only(engine) => engine,
        };
        let id = self.id(spec, engine);
        self.wants.lock().push(id.clone());
        self.specs.lock().insert(id.clone(), spec.clone());
        let mut running = self.running.lock();
        if !running.contains_key(&id) && running.len() >= *self.room.lock() {
            return Err(AdmitError::Capacity { detail: "all encoders are busy".into(), retry_after_s: 7 });
        }
        // A new mosaic begins with the next segment but one.
        let first_segment = *running.entry(id.clone()).or_insert(self.newest() + 3);
        Ok(Placement { id: MosaicId(id.into()), engine, first_segment })
    }

    fn want_instead(&self, left: &MosaicId, spec: &MosaicSpec, engine: EngineChoice) -> Result<Placement, AdmitError> {
        let placement = self.want(spec, engine);
        let id = self.id(spec, placement.as_ref().map_or(EngineKind::Render, |placed| placed.engine));
        self.exchanged.lock().push((left.0.to_string(), id));
        placement
    }

    fn bridge(&self, from: &MosaicId, to: &MosaicId, begins: PartNumber) -> Option<MosaicId> {
        let is_bridge = |id: &MosaicId| id.0.contains('_');
        let bridges = *self.bridges.lock() && !is_bridge(from) && !is_bridge(to);
        bridges.then(|| MosaicId(format!("{from}_{begins}_{to}").into()))
    }

    fn held<'a>(&'a self, id: &'a MosaicId) -> Pending<'a, Held> {
        Box::pin(async {
            match id.0.split('_').collect::<Vec<_>>()[..] {
                [from, _, to] => self.held_of(&MosaicId(from.into())).and(&self.held_of(&MosaicId(to.into()))),
                _ => self.held_of(id),
            }
        })
    }

    fn wait<'a>(&'a self, id: &'a MosaicId, at: Position) -> Pending<'a, ()> {
        Box::pin(async move {
            let mut finished = self.finished.subscribe();
            while self.held(id).await.come_to < Some(at) {
                finished.changed().await.unwrap();
            }
        })
    }

    fn init_segment(&self, rendition: &str) -> Option<Bytes> {
        self.ladder.iter().any(|r| r.name == rendition).then(|| Bytes::from_static(b"init"))
    }

    fn codec(&self, rendition: &str) -> Option<&str> {
        let known = self.renditions().iter().find(|r| r.name == rendition)?;
        Some(if known.is_hdr() { "hvc1.2.4.L93.90" } else { "avc1.640028" })
    }

    fn engines_for(&self, _: &Layout) -> Vec<EngineKind> {
        vec![EngineKind::Render]
    }

    fn signed(&self, _: &str) -> bool {
        true
    }

    fn segment<'a>(&'a self, _: &'a MosaicId, _: &'a str, _: SegmentNumber) -> Pending<'a, Option<Packaged>> {
        Box::pin(async { None })
    }

    fn part<'a>(&'a self, _: &'a MosaicId, _: &'a str, _: Position) -> Pending<'a, Option<Packaged>> {
        Box::pin(async { None })
    }

    fn key_picture<'a>(&'a self, _: &'a MosaicId, _: &'a str, _: SegmentNumber) -> Pending<'a, Option<Packaged>> {
        Box::pin(async { None })
    }
}

/// Four shared games `a` to `d`, and `own`, which is acme's alone; tenant `tv` has two that speak more. Their sound is as new as the clock says.
pub(crate) struct FourGames {
    clock: Arc<SimulatedClock>,
    /// Segments of sound that are kept.
    kept: u64,
    newer_sound: NewerSound,
    /// Keys of games that show a slate.
    off: Arc<Mutex<HashSet<GameKey>>>,
    breaks: KnownBreaks,
    cues: Cues,
    limits: Limits,
}

/// What was signalled of games: their breaks are known, too.
pub(crate) type Cues = Arc<Mutex<HashMap<GameKey, CueTrack>>>;

/// To whom games may be shown.
pub(crate) type Limits = Arc<Mutex<HashMap<GameKey, Arc<GameRights>>>>;

/// Since when games have sound that came lately.
pub(crate) type NewerSound = Arc<Mutex<HashMap<GameKey, SegmentNumber>>>;

/// The breaks that are known, and of which game each is.
pub(crate) type KnownBreaks = Arc<Mutex<Vec<(GameKey, Break)>>>;

impl Games for FourGames {
    fn rights(&self, key: &GameKey) -> Option<Arc<GameRights>> {
        self.limits.lock().get(key).cloned()
    }

    fn limited(&self) -> HashMap<GameKey, Arc<GameRights>> {
        self.limits.lock().clone()
    }

    fn breaks(&self, key: &GameKey, span: Range<MediaTime>) -> Vec<Break> {
        let lies_in = |its: &Break| its.starts_at < span.end && its.ends_at.is_none_or(|end| end > span.start);
        let breaks = self.breaks.lock();
        let known = breaks.iter().filter(|(game, its)| game == key && lies_in(its)).map(|(_, its)| its.clone());
        let signalled = self.cues.lock().get_mut(key).map(|cues| {
            cues.advance(self.clock.now());
            cues.breaks(span.clone())
        });
        known.chain(signalled.into_iter().flatten()).collect()
    }

    fn date_ranges(&self, key: &GameKey, span: Range<MediaTime>) -> Vec<RangeLine> {
        let mut cues = self.cues.lock();
        let Some(cues) = cues.get_mut(key) else { return Vec::new() };
        cues.advance(self.clock.now());
        cues.date_ranges(span)
    }

    fn find(&self, tenant: &str, id: &str) -> Option<GameInfo> {
        self.all(tenant).into_iter().find(|g| g.id == id)
    }

    fn all(&self, tenant: &str) -> Vec<GameInfo> {
        let shared = ["a", "b", "c", "d"].map(|id| GameInfo {
            key: id.into(),
            id: id.into(),
            title: format!("Game {}", id.to_uppercase()),
            language: None,
            texts: Vec::new(),
            sounds: Vec::new(),
            as_came: None,
        });
        let own = GameInfo {
            key: "acme/own".into(),
            id: "own".into(),
            title: "Own game".into(),
            language: Some("de".into()),
            texts: Vec::new(),
            sounds: Vec::new(),
            as_came: None,
        };
        let of_tv = if tenant == "tv" { spoken().to_vec() } else { Vec::new() };
        shared.into_iter().chain((tenant == "acme").then_some(own)).chain(of_tv).collect()
    }

    fn sound_bitrate_bps(&self) -> u32 {
        128_000
    }

    fn wait<'a>(&'a self, _: &'a GameKey, _: Position) -> Pending<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn sound_held(&self, key: &GameKey) -> Held {
        let newest = grid().segment_at(self.clock.now()) - 1;
        let since = self.newer_sound.lock().get(key).copied().unwrap_or(0);
        whole(Runs::from((newest + 1 - self.kept).max(since)..=newest))
    }

    fn live(&self) -> HashSet<GameKey> {
        let off = self.off.lock();
        ["a", "b", "c", "d", "acme/own"].map(GameKey::from).into_iter().filter(|key| !off.contains(key)).collect()
    }
}

/// `y` is German; `z` is English, with a description and German beside it, texts in both, and its main sound is E-AC-3.
fn spoken() -> [GameInfo; 2] {
    let sound = |code: &str, language: &str, role| SoundTrack::new(Some(code), Some(language.into()), role, 1, None);
    let text = |language: &str| TextInfo {
        id: language.into(),
        track: TrackInfo { language: language.into(), kind: Kind::Subtitles },
    };
    let y = GameInfo {
        key: "tv/y".into(),
        id: "y".into(),
        title: "Game Y".into(),
        language: Some("de-AT".into()),
        texts: Vec::new(),
        sounds: Vec::new(),
        as_came: None,
    };
    let z = GameInfo {
        key: "tv/z".into(),
        id: "z".into(),
        title: "Game Z".into(),
        language: Some("en".into()),
        texts: vec![text("en"), text("de")],
        sounds: vec![sound("eng", "en", SoundRole::Description), sound("deu", "de", SoundRole::Programme)],
        as_came: Some("came-eac3-01c080f00".parse().unwrap()),
    };
    [y, z]
}

/// One deployment on a cranked clock: its disk outlives restarts.
pub(crate) struct House {
    pub dir: tempfile::TempDir,
    pub clock: Arc<SimulatedClock>,
    pub mosaics: Arc<CrankedMosaics>,
    /// Keys of games that show a slate.
    pub off: Arc<Mutex<HashSet<GameKey>>>,
    pub breaks: KnownBreaks,
    pub cues: Cues,
    pub limits: Limits,
    pub newer_sound: NewerSound,
    pub disk: Arc<FullDisk>,
    pub metrics: Arc<Metrics>,
    pub settings: SessionSettings,
    pub sessions: Arc<Sessions>,
}

impl House {
    pub async fn new() -> Self {
        let idle = Duration::from_secs(30);
        let mut settings = SessionSettings::new(&grid(), idle, Duration::from_secs(30), 1000);
        // Tests crank the clock before they ask: nothing comes by waiting.
        settings.first_segment_wait = Duration::ZERO;
        settings.change_wait = Duration::ZERO;
        Self::with(settings).await
    }

    pub async fn with(settings: SessionSettings) -> Self {
        Self::begin(settings, false).await
    }

    /// One with a stitch engine.
    pub async fn stitching() -> Self {
        Self::stitching_with(Self::new().await.settings).await
    }

    pub async fn stitching_with(settings: SessionSettings) -> Self {
        Self::begin(settings, true).await
    }

    async fn begin(settings: SessionSettings, stitches: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SimulatedClock::new(START));
        let mosaics = Arc::new(CrankedMosaics { stitches, ..CrankedMosaics::new(clock.clone()) });
        let disk = Arc::new(FullDisk::new(SqliteStore::open(dir.path()).await.unwrap()));
        let metrics = Arc::new(Metrics::new().unwrap());
        let (off, breaks, limits) = (Arc::default(), KnownBreaks::default(), Limits::default());
        let (cues, newer_sound) = (Cues::default(), NewerSound::default());
        let games = (&off, &breaks, &cues, &limits, &newer_sound);
        let sessions = open(&disk, &mosaics, games, &clock, settings, &metrics).await;
        Self { dir, clock, mosaics, off, breaks, cues, limits, newer_sound, disk, metrics, settings, sessions }
    }

    /// kill -9 after `outage`: another process opens the same disk; no mosaic runs.
    pub async fn crash(&mut self, outage: Duration) {
        let generation = self.mosaics.generation;
        self.crash_into(outage, generation).await;
    }

    pub async fn crash_into(&mut self, outage: Duration, generation: &'static str) {
        self.clock.advance(outage);
        let stitches = self.mosaics.stitches;
        self.open_again(CrankedMosaics { generation, stitches, ..CrankedMosaics::new(self.clock.clone()) }).await;
    }

    /// kill -9; the next process has a stitch engine, or has none.
    pub async fn crash_into_engines(&mut self, stitches: bool) {
        self.clock.advance(Duration::from_secs(2));
        self.open_again(CrankedMosaics { stitches, ..CrankedMosaics::new(self.clock.clone()) }).await;
    }

    /// kill -9; the next process finds another time.
    pub async fn crash_to(&mut self, at: MediaTime) {
        self.clock = Arc::new(SimulatedClock::new(at));
        self.open_again(CrankedMosaics::new(self.clock.clone())).await;
    }

    async fn open_again(&mut self, mosaics: CrankedMosaics) {
        self.mosaics = Arc::new(mosaics);
        self.disk.store.let_go();
        self.disk = Arc::new(FullDisk::new(SqliteStore::open(self.dir.path()).await.unwrap()));
        self.metrics = Arc::new(Metrics::new().unwrap());
        let games = (&self.off, &self.breaks, &self.cues, &self.limits, &self.newer_sound);
        self.sessions = open(&self.disk, &self.mosaics, games, &self.clock, self.settings, &self.metrics).await;
    }

    /// Lets `seconds` pass one by one, with a sweep each.
    pub async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            self.sessions.sweep().await;
        }
    }
}

async fn open(
    disk: &Arc<FullDisk>,
    mosaics: &Arc<CrankedMosaics>,
    (off, breaks, cues, limits, newer_sound): (
        &Arc<Mutex<HashSet<GameKey>>>,
        &KnownBreaks,
        &Cues,
        &Limits,
        &NewerSound,
    ),
    clock: &Arc<SimulatedClock>,
    settings: SessionSettings,
    metrics: &Arc<Metrics>,
) -> Arc<Sessions> {
    let store: Arc<dyn Store> = disk.clone();
    let kept = settings.start_over.map_or(15, |right| right.segments);
    *mosaics.kept.lock() = kept.max(30);
    let games = Arc::new(FourGames {
        clock: clock.clone(),
        kept,
        off: off.clone(),
        breaks: breaks.clone(),
        cues: cues.clone(),
        limits: limits.clone(),
        newer_sound: newer_sound.clone(),
    });
    let layouts = Arc::new(Layouts::bundled());
    Sessions::open(store, mosaics.clone(), games, layouts, clock.clone(), grid(), settings, metrics.clone())
        .await
        .unwrap()
}

/// A request for `games`, given as `a,b`.
pub(crate) fn asking_for(games: &str) -> CreateSession {
    CreateSession { games: games.split(',').map(str::to_owned).collect(), ..Default::default() }
}
