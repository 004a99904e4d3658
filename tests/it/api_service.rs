//! The whole HTTP service over doubles of what lies behind it: mosaics that exist at once, games that never fail.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use bytes::Bytes;
use quadrille::api::{App, Door, Rates, Readiness, Starts, router};
use quadrille::catalogue::{
    AudioTrack, Borders, CatalogueError, GameCatalogue, GameHealth, GameOrigin, GameSpec, GameStatus, GameView,
    RegisteredGame, TextWanted, Tried,
};
use quadrille::config::Config;
use quadrille::cues::track::{BeginBreak, BreakError, CueEvent};
use quadrille::events::Events;
use quadrille::keys::Keys;
use quadrille::ladder::{RenditionSpec, VideoCodec};
use quadrille::layout::{Layout, Layouts};
use quadrille::metrics::Metrics;
use quadrille::mosaic::{
    AdmitError, EngineChoice, EngineKind, GameKey, MosaicId, MosaicSpec, Mosaics, Packaged, Placement, Rate,
};
use quadrille::outbound::{WebhookParts, Webhooks};
use quadrille::session::{GameInfo, Games, SessionSettings, Sessions};
use quadrille::store::{SqliteStore, Store};
use quadrille::timeline::{Clock, Grid, MediaTime, PartNumber, SegmentNumber, SimulatedClock};
use quadrille::track::{Held, Pending, Position, Runs};
use quadrille::usage::Reports;
use sha2::{Digest, Sha256};

pub use crate::api_asking::{Answer, path_of, with_key};

pub const NOW: MediaTime = MediaTime::from_secs(91_000_000);

const CONFIG: &str = r#"
[[tenants]]
id = "acme"
operator_keys = ["op-acme"]
device_keys = ["dev-acme"]
[[tenants.keys]]
key = "dev-free"
market = "de"
max_height = 540
features = []
[[tenants]]
id = "other"
operator_keys = ["op-other"]
device_keys = ["dev-other"]
[[markets]]
tenant = "acme"
id = "de"
title = "Germany"
sound_language = "de"
games = ["a", "b"]
max_height = 720
features = ["dolby"]
[[tariffs]]
tenant = "acme"
currency = "EUR"
free_minutes = 100
[[tariffs.prices]]
per_minute = "0.004"
"#;

/// Mosaics whose segments are all there as soon as they are wanted; a segment's bytes say what it is.
pub struct InstantMosaics {
    renditions: Vec<RenditionSpec>,
    grid: Grid,
    clock: Arc<SimulatedClock>,
    pub full: AtomicBool,
    /// Names given so far.
    names: Mutex<BTreeSet<Arc<str>>>,
}

impl InstantMosaics {
    fn window(&self) -> RangeInclusive<SegmentNumber> {
        let newest = self.grid.segment_at(self.clock.now());
        newest - 10..=newest
    }
}

impl Mosaics for InstantMosaics {
    fn shows(&self, _id: &MosaicId) -> Option<MosaicSpec> {
        None
    }

    fn rate<'a>(&'a self, _id: &'a MosaicId, _rendition: &'a str) -> Pending<'a, Option<Rate>> {
        Box::pin(std::future::ready(None))
    }

    fn renditions(&self) -> &[RenditionSpec] {
        &self.renditions
    }

    fn codec(&self, rendition: &str) -> Option<&str> {
        self.renditions.iter().any(|r| r.name == rendition).then_some("avc1.640028")
    }

    fn engines_for(&self, _: &Layout) -> Vec<EngineKind> {
        vec![EngineKind::Render]
    }

    fn signed(&self, id: &str) -> bool {
        self.names.lock().unwrap().contains(id)
    }

    fn name(&self, spec: &MosaicSpec, _: EngineChoice) -> Result<(MosaicId, EngineKind), AdmitError> {
        let name = format!("{} {:?}", spec.layout.id, spec.games);
        Ok((MosaicId(hex::encode(&Sha256::digest(name)[..16]).into()), EngineKind::Render))
    }

    fn want(&self, spec: &MosaicSpec, engine: EngineChoice) -> Result<Placement, AdmitError> {
        if self.full.load(Ordering::Relaxed) {
            return Err(AdmitError::Capacity { detail: "one encoder too many".into(), retry_after_s: 7 });
        }
        if engine == EngineChoice::Only(EngineKind::Stitch) {
            let layout = spec.layout.id.clone();
            return Err(AdmitError::EngineUnsuited { engine: EngineKind::Stitch, layout });
        }
        let name = format!("{} {:?}", spec.layout.id, spec.games);
        let id = MosaicId(hex::encode(&Sha256::digest(name)[..16]).into());
        self.names.lock().unwrap().insert(id.0.clone());
        Ok(Placement { id, engine: EngineKind::Render, first_segment: *self.window().start() })
    }

    fn want_instead(&self, _: &MosaicId, spec: &MosaicSpec, engine: EngineChoice) -> Result<Placement, AdmitError> {
        self.want(spec, engine)
    }

    fn bridge(&self, _: &MosaicId, _: &MosaicId, _: u32) -> Option<MosaicId> {
        None
    }

    fn held<'a>(&'a self, _: &'a MosaicId) -> Pending<'a, Held> {
        let whole = Runs::from(self.window());
        let come_to = Some(Position::end_of(&self.grid, *self.window().end()));
        Box::pin(async move { Held { whole, come_to } })
    }

    fn wait<'a>(&'a self, _: &'a MosaicId, _: Position) -> Pending<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn init_segment(&self, rendition: &str) -> Option<Bytes> {
        self.renditions.iter().any(|r| r.name == rendition).then(|| Bytes::from(format!("init {rendition}")))
    }

    fn segment<'a>(
        &'a self,
        id: &'a MosaicId,
        rendition: &'a str,
        segment: SegmentNumber,
    ) -> Pending<'a, Option<Packaged>> {
        // In pieces, as those of skins are.
        let pieces = || [format!("{id} "), format!("{rendition} {segment}")].map(Bytes::from);
        let file = self.window().contains(&segment).then(|| Packaged::of(pieces()));
        Box::pin(async { file })
    }

    fn part<'a>(&'a self, id: &'a MosaicId, rendition: &'a str, at: Position) -> Pending<'a, Option<Packaged>> {
        let Position { segment, part } = at;
        let is_there = self.window().contains(&segment) && part < 6;
        let bytes = is_there.then(|| Bytes::from(format!("{id} {rendition} {segment}.{part}")).into());
        Box::pin(async { bytes })
    }

    fn key_picture<'a>(
        &'a self,
        id: &'a MosaicId,
        rendition: &'a str,
        segment: SegmentNumber,
    ) -> Pending<'a, Option<Packaged>> {
        let bytes = self.window().contains(&segment).then(|| format!("{id} {rendition} {segment} key"));
        Box::pin(async move { bytes.map(|text| Bytes::from(text).into()) })
    }
}

/// Games `a` to `f` of everybody, and what operators register.
pub struct MemoryCatalogue {
    grid: Grid,
    clock: Arc<SimulatedClock>,
    registered: Mutex<BTreeMap<(String, String), GameSpec>>,
    pub sound_served: AtomicU64,
}

impl MemoryCatalogue {
    fn views(&self, tenant: &str) -> Vec<RegisteredGame> {
        let shared = ["a", "b", "c", "d", "e", "f"].map(|id| RegisteredGame {
            spec: GameSpec {
                id: id.into(),
                title: format!("Game {}", id.to_uppercase()),
                sources: vec!["test://ball".into()],
                labels: BTreeMap::new(),
                break_policy: None,
                offset_ms: 0,
                rights: quadrille::market::GameRights::default(),
            },
            origin: GameOrigin::Config,
            health: health(GameStatus::Live),
        });
        let registered = self.registered.lock().unwrap();
        let own = registered.iter().filter(|((t, _), _)| t == tenant);
        let own = own.map(|(_, spec)| RegisteredGame {
            spec: spec.clone(),
            origin: GameOrigin::Operator,
            health: health(GameStatus::Slate),
        });
        let mut all: Vec<_> = shared.into_iter().chain(own).collect();
        all.sort_by(|x, y| x.spec.id.cmp(&y.spec.id));
        all
    }

    fn change(
        &self,
        tenant: &str,
        mut spec: GameSpec,
        replace: bool,
    ) -> Result<(RegisteredGame, bool), CatalogueError> {
        let before = self.registered_game(tenant, &spec.id);
        if let Some(before) = &before
            && replace
        {
            spec.keep_masked(&before.spec)?;
        }
        spec.checked_sources()?;
        match before {
            Some(game) if game.origin == GameOrigin::Config && replace => {
                return Err(CatalogueError::ReadOnly(spec.id));
            }
            Some(_) if !replace => return Err(CatalogueError::Exists(spec.id)),
            _ => {}
        }
        let key = (tenant.to_owned(), spec.id.clone());
        let new = self.registered.lock().unwrap().insert(key, spec.clone()).is_none();
        Ok((RegisteredGame { spec, origin: GameOrigin::Operator, health: health(GameStatus::Slate) }, new))
    }
}

/// Of a feed of which nothing is known but this.
fn health(status: GameStatus) -> GameHealth {
    GameHealth {
        status,
        reason: (status == GameStatus::Slate).then_some(quadrille::feed::Reason::Connecting),
        since: "2026-11-19T06:53:20Z".into(),
        source_index: 0,
        reconnects: 0,
        last_error: None,
        container: None,
        video: None,
        audio: None,
        bitrate_bps: None,
        av_offset_ms: None,
        clock: None,
        latency_ms: None,
        delay_ms: 0,
        decoder: None,
    }
}

impl GameCatalogue for MemoryCatalogue {
    fn games(&self, tenant: &str) -> Vec<GameView> {
        let view = |game: RegisteredGame| GameView {
            audio: vec![AudioTrack {
                id: game.spec.id.clone(),
                language: "en".into(),
                label: game.spec.title.clone(),
                default: true,
                characteristics: Vec::new(),
            }],
            texts: Vec::new(),
            thumbnail: (game.health.status == GameStatus::Live).then(|| format!("thumb-{}", game.spec.id)),
            id: game.spec.id,
            title: game.spec.title,
            status: game.health.status,
        };
        self.views(tenant).into_iter().map(view).collect()
    }

    fn registered(&self, tenant: &str) -> Vec<RegisteredGame> {
        self.views(tenant)
    }

    fn create<'a>(&'a self, tenant: &'a str, spec: GameSpec) -> Pending<'a, Result<RegisteredGame, CatalogueError>> {
        Box::pin(async move { self.change(tenant, spec, false).map(|(game, _)| game) })
    }

    fn replace<'a>(
        &'a self,
        tenant: &'a str,
        spec: GameSpec,
    ) -> Pending<'a, Result<(RegisteredGame, bool), CatalogueError>> {
        Box::pin(async move { self.change(tenant, spec, true) })
    }

    fn delete<'a>(&'a self, tenant: &'a str, id: &'a str) -> Pending<'a, Result<(), CatalogueError>> {
        Box::pin(async move {
            match self.registered_game(tenant, id).map(|g| g.origin) {
                None => Err(CatalogueError::Unknown(id.into())),
                Some(GameOrigin::Config) => Err(CatalogueError::ReadOnly(id.into())),
                Some(GameOrigin::Operator) => {
                    self.registered.lock().unwrap().remove(&(tenant.to_owned(), id.to_owned()));
                    Ok(())
                }
            }
        })
    }

    /// Another source is being tried whenever one is to be.
    fn try_source<'a>(
        &'a self,
        tenant: &'a str,
        source: String,
        game: Option<&'a str>,
    ) -> Pending<'a, Result<Tried, CatalogueError>> {
        Box::pin(async move {
            if let Some(id) = game.filter(|id| self.registered_game(tenant, id).is_none()) {
                return Err(CatalogueError::Unknown(id.into()));
            }
            GameSpec { sources: vec![source], ..GameSpec::default() }.checked_sources()?;
            Err(CatalogueError::Trying)
        })
    }

    fn cues(&self, tenant: &str, id: &str, _: Range<MediaTime>) -> Option<Vec<CueEvent>> {
        self.registered_game(tenant, id).map(|_| Vec::new())
    }

    fn begin_break<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        _: &'a BeginBreak,
    ) -> Pending<'a, Option<Result<CueEvent, BreakError>>> {
        Box::pin(async { None })
    }

    fn end_break<'a>(
        &'a self,
        _: &'a str,
        _: &'a str,
        of: &'a str,
    ) -> Pending<'a, Option<Result<CueEvent, BreakError>>> {
        Box::pin(async move { Some(Err(BreakError::Unknown { id: of.to_owned() })) })
    }

    fn thumbnail(&self, element: &str) -> Option<Bytes> {
        element.starts_with("thumb-").then(|| Bytes::from_static(b"\xff\xd8jpeg"))
    }

    fn sound_init(&self, _: &GameKey) -> Option<Bytes> {
        Some(Bytes::from_static(b"sound init"))
    }

    fn sound_segment<'a>(&'a self, game: &'a GameKey, segment: SegmentNumber) -> Pending<'a, Option<Bytes>> {
        Box::pin(async move {
            let found = self.sound_held(game).whole.contains(segment);
            self.sound_served.fetch_add(u64::from(found), Ordering::Relaxed);
            found.then(|| Bytes::from(format!("sound {game} {segment}")))
        })
    }

    fn sound_part<'a>(&'a self, game: &'a GameKey, at: Position) -> Pending<'a, Option<Bytes>> {
        Box::pin(async move {
            let found = self.sound_held(game).whole.contains(at.segment);
            found.then(|| Bytes::from(format!("sound {game} {}.{}", at.segment, at.part)))
        })
    }

    fn text_segment<'a>(
        &'a self,
        _: &'a TextWanted,
        _: SegmentNumber,
        _: Option<PartNumber>,
    ) -> Pending<'a, Option<Bytes>> {
        Box::pin(async { None })
    }

    fn sound_comes<'a>(&'a self, _: &'a GameKey, _: Position) -> Pending<'a, ()> {
        Box::pin(async {})
    }
}

impl Games for MemoryCatalogue {
    fn find(&self, tenant: &str, id: &str) -> Option<GameInfo> {
        self.all(tenant).into_iter().find(|g| g.id == id)
    }

    fn all(&self, tenant: &str) -> Vec<GameInfo> {
        let info = |game: RegisteredGame| GameInfo {
            key: match game.origin {
                GameOrigin::Config => game.spec.id.as_str().into(),
                GameOrigin::Operator => format!("{tenant}/{}", game.spec.id).into(),
            },
            id: game.spec.id,
            title: game.spec.title,
            language: None,
            texts: Vec::new(),
            sounds: Vec::new(),
            as_came: None,
        };
        self.views(tenant).into_iter().map(info).collect()
    }

    fn wait<'a>(&'a self, _: &'a GameKey, _: Position) -> Pending<'a, ()> {
        Box::pin(std::future::pending())
    }

    fn sound_held(&self, _: &GameKey) -> Held {
        let newest = self.grid.segment_at(self.clock.now());
        let come_to = Some(Position::end_of(&self.grid, newest));
        Held { whole: Runs::from(newest - 10..=newest), come_to }
    }

    fn sound_bitrate_bps(&self) -> u32 {
        320_000
    }

    fn live(&self) -> HashSet<GameKey> {
        self.all("acme").into_iter().map(|game| game.key).collect()
    }
}

pub struct Service {
    pub router: Router,
    pub metrics: Arc<Metrics>,
    pub mosaics: Arc<InstantMosaics>,
    pub clock: Arc<SimulatedClock>,
    pub sessions: Arc<Sessions>,
    pub webhooks: Arc<Webhooks>,
    pub ready: Arc<AtomicBool>,
    pub catalogue: Arc<MemoryCatalogue>,
    _data: tempfile::TempDir,
}

/// Mosaics and games that never fail.
fn doubles(grid: Grid, clock: &Arc<SimulatedClock>) -> (Arc<InstantMosaics>, Arc<MemoryCatalogue>) {
    let rung = |name: &str, width, height| RenditionSpec {
        name: name.into(),
        width,
        height,
        bitrate_bps: 1_000_000,
        codec: VideoCodec::H264,
    };
    let mosaics = InstantMosaics {
        renditions: vec![rung("1080p", 1920, 1080), rung("540p", 960, 540)],
        grid,
        clock: Arc::clone(clock),
        full: AtomicBool::new(false),
        names: Mutex::default(),
    };
    let catalogue = MemoryCatalogue {
        grid,
        clock: Arc::clone(clock),
        registered: Mutex::default(),
        sound_served: AtomicU64::new(0),
    };
    (Arc::new(mosaics), Arc::new(catalogue))
}

/// The webhooks of `config`, kept in `rows`.
async fn webhooks_of(
    config: &Config,
    rows: &Arc<SqliteStore>,
    sessions: &Sessions,
    (clock, metrics): (&Arc<SimulatedClock>, &Arc<Metrics>),
) -> Arc<Webhooks> {
    let events = Arc::<Events>::default();
    sessions.set_events(Arc::clone(&events));
    let borders = Borders::new(config, [None; 2]);
    let parts = WebhookParts {
        rows: rows.clone(),
        events,
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        metrics: Arc::clone(metrics),
        reach_of: Arc::new(move |tenant| borders.of(Some(tenant)).clone()),
        root: [7; 32],
    };
    Webhooks::open(config, parts).await.unwrap()
}

impl Service {
    pub async fn start() -> Self {
        Self::start_with("").await
    }

    /// With more configuration.
    pub async fn start_with(more: &str) -> Self {
        Self::start_of(&format!("{CONFIG}{more}")).await
    }

    /// With more at the configuration's top.
    pub async fn start_said(top: &str) -> Self {
        Self::start_of(&format!("{top}\n{CONFIG}")).await
    }

    /// With limits of the first tenant.
    pub async fn start_of_limits(limits: &str) -> Self {
        Self::start_of(&CONFIG.replacen(
            "[[tenants.keys]]",
            &format!("[tenants.limits]\n{limits}\n[[tenants.keys]]"),
            1,
        ))
        .await
    }

    async fn start_of(text: &str) -> Self {
        Self::start_configured(Config::parse(text, Path::new("test.toml")).unwrap()).await
    }

    async fn start_configured(config: Config) -> Self {
        let data = tempfile::tempdir().unwrap();
        let grid = Grid::new("30".parse().unwrap(), 60);
        let clock = Arc::new(SimulatedClock::new(NOW));
        let metrics = Arc::new(Metrics::new().unwrap());
        let (mosaics, catalogue) = doubles(grid, &clock);
        let layouts = Arc::new(Layouts::bundled());
        let sqlite = Arc::new(SqliteStore::open(data.path()).await.unwrap());
        let store: Arc<dyn Store> = sqlite.clone();
        let settings = SessionSettings::new(&grid, Duration::from_secs(30), Duration::from_secs(12), 100);
        let sessions = Sessions::open(
            Arc::clone(&store),
            Arc::clone(&mosaics) as Arc<dyn Mosaics>,
            Arc::clone(&catalogue) as Arc<dyn Games>,
            Arc::clone(&layouts),
            Arc::clone(&clock) as Arc<dyn Clock>,
            grid,
            settings,
            Arc::clone(&metrics),
        );
        let sessions = sessions.await.unwrap();
        sessions.markets().fill(&config.markets, sqlite.clone()).await.unwrap();
        sessions.outputs().fill(&config.outputs, sqlite.clone()).await.unwrap();
        let keys = Keys::new(&config.tenants);
        keys.fill(sqlite.clone()).await.unwrap();
        let audit = quadrille::audit::Audit::open(sqlite.clone()).await.unwrap();
        let webhooks = webhooks_of(&config, &sqlite, &sessions, (&clock, &metrics)).await;
        let fills = sqlite;
        let ready = Arc::new(AtomicBool::new(true));
        let asked = Arc::clone(&ready);
        let readiness = Readiness::new().check("store", move || {
            if asked.load(Ordering::Relaxed) { Ok(()) } else { Err("the disk is full".into()) }
        });
        let app = App {
            sessions: Arc::clone(&sessions),
            mosaics: Arc::clone(&mosaics) as Arc<dyn Mosaics>,
            catalogue: Arc::clone(&catalogue) as Arc<dyn GameCatalogue>,
            layouts,
            assets: quadrille::assets::Assets::open(data.path().join("assets"), Default::default()).unwrap(),
            reports: Reports::new(store.ledger(), config.prices.clone(), "Quadrille".into()),
            fills: Arc::new(quadrille::breaks::Fills::new(fills, grid)),
            keys,
            audit,
            webhooks: Arc::clone(&webhooks),
            rates: Rates::new(config.requests),
            starts: Starts::new(&config.tenants),
            metrics: Arc::clone(&metrics),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            readiness,
            clips: None,
            door: Door::new(&config.network),
            borders: Borders::new(&config, [None; 2]),
        };
        Self {
            router: router(Arc::new(app)),
            webhooks,
            metrics,
            mosaics,
            clock,
            sessions,
            ready,
            catalogue,
            _data: data,
        }
    }
}
