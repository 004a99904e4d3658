//! The registry: every mosaic there is, which engine makes it, who still asks for it; packaged segments on demand.
//!
//! Lock order: the map of mosaics, then admission, then an engine's own; the load meter's is taken alone. None is held while a
//! thread starts, nor while a segment is packaged, but that segment's lane. The tick takes the load meter's and the engines'.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lru::LruCache;
use parking_lot::{Mutex, MutexGuard};
use tracing::Instrument;

use super::admission::{Admission, LoadMeter, Newcomer};
use super::cache::ByteCache;
use super::contract::{AdmitError, Mosaics, Placement, Rate};
use super::decoding::KnownDecoders;
use super::engine::{Engine, Tick, package_key_picture, package_part, package_segment};
use super::entries::{Entry, KnownMosaics, State};
use super::images::{Image, Images};
use super::known::{Before, Known};
use super::names::{Named, Names};
use super::overload::Overload;
use super::pace::Pace;
use super::rates::Rates;
use super::shares::{KeptBy, Shares, Standing};
use super::spec::{EngineChoice, EngineKind, MosaicId, MosaicSpec};
use super::tenants::Asker;
use crate::compositor::Job;
use crate::ladder::{Codec, ParameterSets, RenditionSpec, Rung};
use crate::layout::Layout;
use crate::metrics::Metrics;
use crate::package::{self, CmafError, HevcTrack, Packaged, VideoTrack};
use crate::spans::span;
use crate::timeline::{Clock, Grid, MediaTime, PartNumber, SegmentNumber};
use crate::track::{Held, Pending, Position, Shelf, Sizes};
use crate::work::whole_cpu_time;

/// What the registry needs to know besides its engines.
pub struct RegistrySettings {
    pub grid: Grid,
    /// The ladder, best first.
    pub rungs: Arc<[Rung]>,
    /// A mosaic nobody asked for in this long is stopped.
    pub mosaic_idle: Duration,
    /// How long a stopped mosaic's segments can still be fetched: as long as a playlist may list them.
    pub linger: Duration,
    /// Bytes of packaged segments kept.
    pub cache_bytes: usize,
    /// How many rendered mosaics tenants may have.
    pub rendered: Shares,
}

/// Why a registry cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("rendition {rendition}: {source}")]
    Init { rendition: String, source: CmafError },
}

/// A mosaic that was left for another, and the other: their room is given once. For so long neither makes room for a third, and
/// the one that was left is not kept warm for those who might come back.
const EXCHANGE: Duration = Duration::from_secs(30);

/// Mosaics that sessions still list are wanted every second; one that was left for another goes after this long without.
const LEFT_IDLE: Duration = Duration::from_secs(3);

/// Mosaics are looked after this often, so that one may run on for so long.
const SWEEP: Duration = Duration::from_secs(1);

/// Names that are kept as read: more than a machine has mosaics that anybody watches.
const READ_KEPT: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();

/// What is packaged of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Piece {
    Whole,
    Part(PartNumber),
    /// The picture that opens it.
    KeyPicture,
}

/// A segment of a mosaic's rendition, by its place on the ladder, or a piece of it.
pub(super) type PackagedKey = (MosaicId, usize, SegmentNumber, Piece);

/// Segments that may be packaged at once, give or take: each is one of so many by chance.
const PACKAGING_LANES: usize = 64;

fn lane(key: &PackagedKey) -> usize {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    BuildHasherDefault::<DefaultHasher>::default().hash_one(key) as usize % PACKAGING_LANES
}

/// See the module.
pub struct MosaicRegistry {
    pub(super) settings: RegistrySettings,
    renditions: Vec<RenditionSpec>,
    pub(super) names: Names,
    pub(super) shelf: Arc<dyn Shelf>,
    /// Mosaics whose names were read lately.
    read: Mutex<LruCache<MosaicId, Arc<Known>>>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) engines: Vec<Arc<dyn Engine>>,
    inits: Vec<Bytes>,
    codecs: Vec<String>,
    pub(super) known: Mutex<KnownMosaics>,
    pub(super) admission: Mutex<Admission>,
    pub(super) load: Mutex<LoadMeter>,
    /// Apart from `admission`, which is held while engines give work up, and which the tick does not wait for.
    pub(super) overload: Mutex<Overload>,
    pace: Pace,
    pub(super) cache: ByteCache<PackagedKey, Packaged>,
    rates: Rates,
    pub(super) images: Images,
    pub(super) decoders: KnownDecoders,
    /// What mosaics take by tenants, for whoever may not wait for `known`. Taken alone.
    pub(super) encoding: Mutex<KeptBy>,
    packaging: Vec<tokio::sync::Mutex<()>>,
}

impl MosaicRegistry {
    /// `engines` in order of preference.
    pub fn new(
        settings: RegistrySettings,
        names: Names,
        shelf: Arc<dyn Shelf>,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        engines: Vec<Arc<dyn Engine>>,
        admission: Admission,
    ) -> Result<Self, RegistryError> {
        let mut inits = Vec::new();
        let mut codecs = Vec::new();
        for Rung { spec: RenditionSpec { name, width, height, codec: form, .. }, codec, .. } in &*settings.rungs {
            let (width, height, grid) = (*width, *height, settings.grid);
            let (init, codec) = match codec {
                Codec::H264(sets) => {
                    let track = VideoTrack { width, height, grid, sps: &sets.sps, pps: &sets.pps };
                    (package::video_init(&track), package::video_codec(&sets.sps))
                }
                Codec::Hevc(sets) | Codec::HevcPq(sets) | Codec::HevcHlg(sets) => {
                    let (colour, ParameterSets { vps, sps, pps }) = (form.canvas(), sets);
                    let track = HevcTrack { width, height, grid, vps, sps, pps, colour };
                    (package::hevc_init(&track), package::hevc_codec(&sets.sps))
                }
            };
            let failed = |source| RegistryError::Init { rendition: name.clone(), source };
            inits.push(init.map_err(failed)?);
            codecs.push(codec.map_err(failed)?);
        }
        let cache = ByteCache::new(settings.cache_bytes);
        let rates = Rates::new(settings.grid, settings.rungs.len());
        let pace = Pace::new(settings.grid, &settings.rungs);
        let renditions = settings.rungs.iter().map(|rung| rung.spec.clone()).collect();
        Ok(Self {
            settings,
            renditions,
            names,
            shelf,
            read: Mutex::new(LruCache::new(READ_KEPT)),
            clock,
            metrics,
            engines,
            inits,
            codecs,
            known: Mutex::default(),
            admission: Mutex::new(admission),
            load: Mutex::default(),
            overload: Mutex::default(),
            pace,
            cache,
            rates,
            images: Images::default(),
            decoders: KnownDecoders::default(),
            encoding: Mutex::default(),
            packaging: (0..PACKAGING_LANES).map(|_| tokio::sync::Mutex::default()).collect(),
        })
    }

    pub(super) fn engine(&self, kind: EngineKind) -> Option<&Arc<dyn Engine>> {
        self.engines.iter().find(|e| e.kind() == kind)
    }

    /// Admission, which knows when pictures were last late.
    pub(super) fn admission(&self) -> MutexGuard<'_, Admission> {
        let mut admission = self.admission.lock();
        if let Some(late_at) = self.overload.lock().late_at() {
            admission.late(late_at);
        }
        admission
    }

    /// Asks admission for one more mosaic: until when the one counts that is given up for it, if it took that. Where only work that nobody wants yet is in the way, that is given up first.
    fn admit(
        &self,
        engine: &Arc<dyn Engine>,
        spec: &MosaicSpec,
        asker: Asker<'_>,
        known: &mut KnownMosaics,
    ) -> Result<Option<MediaTime>, AdmitError> {
        let now = self.clock.now();
        let newcomer = self.newcomer(engine, spec, &known.mosaics, now);
        match engine.kind() {
            EngineKind::Render => self.allow_rendered(asker, &newcomer, known, now)?,
            EngineKind::Stitch => {
                // Whoever leaves a mosaic for it gives up as much, or nearly.
                if let Asker { tenant: Some(tenant), left: None } = asker {
                    self.allow_tiles(tenant, &newcomer, known, now)?;
                }
            }
        }
        let mut admission = self.admission();
        let Err(refused) = admission.admit(now, newcomer) else { return Ok(None) };
        let freed: f64 = if refused.short > 0.0 {
            self.engines.iter().map(|engine| engine.give_up(refused.short)).sum()
        } else {
            0.0
        };
        // What was given up may have been work of the newcomer's own: its cost is asked for anew.
        let newcomer = Newcomer { cost: engine.cost(spec), ..newcomer };
        if freed > 0.0 {
            admission.freed(now, freed);
            if admission.admit(now, newcomer).is_ok() {
                return Ok(None);
            }
        }
        if let Some(left) = asker.left.and_then(|id| Some((id, known.mosaics.get_mut(id)?))) {
            let (id, entry) = left;
            let is_rendered = entry.engine == EngineKind::Render;
            let newcomer =
                Newcomer { rendered: newcomer.rendered.map(|n| n - u32::from(is_rendered).min(n)), ..newcomer };
            let frees = self.engine(entry.engine).map_or(0.0, |engine| engine.frees(id, spec));
            let free = entry.is_running() && entry.exchanged_until.is_none();
            if free && admission.exchange(now, newcomer, frees) {
                entry.exchanged_until = Some(now + EXCHANGE);
                return Ok(entry.exchanged_until);
            }
        }
        drop(admission);
        if self.feeds_give_way(asker, newcomer, refused.short, now) {
            return Ok(None);
        }
        if let Some(tenant) = asker.tenant.filter(|_| refused.short > 0.0) {
            known.wants(tenant, newcomer.cost, now);
            self.note_encoding(known, now);
        }
        self.metrics.admission_refused.with_label_values(&["capacity"]).inc();
        Err(refused.error)
    }

    fn newcomer(
        &self,
        engine: &Arc<dyn Engine>,
        spec: &MosaicSpec,
        mosaics: &HashMap<MosaicId, Entry>,
        now: MediaTime,
    ) -> Newcomer {
        let running = || mosaics.values().filter(|m| m.is_running());
        let rendered = running().filter(|m| m.engine == EngineKind::Render).count();
        let idle = self.settings.mosaic_idle;
        // Those in use were wanted a second ago, and go when their viewers do: at the soonest, all are left now.
        let room_in = running().map(|m| (m.last_wanted + self.idle_of(m)).since(now)).min().unwrap_or(idle);
        Newcomer {
            cost: engine.cost(spec),
            process_load: self.load.lock().cores(),
            running: running().count(),
            rendered: (engine.kind() == EngineKind::Render).then(|| u32::try_from(rendered).unwrap_or(u32::MAX)),
            room_in: room_in + SWEEP,
        }
    }

    pub(super) fn idle_of(&self, entry: &Entry) -> Duration {
        match entry.exchanged_until {
            // The segment in which it was left may be its own to the end.
            Some(_) => self.settings.mosaic_idle.min(LEFT_IDLE.max(self.settings.grid.segment_duration() + SWEEP)),
            None => self.settings.mosaic_idle,
        }
    }

    fn want_of(&self, spec: &MosaicSpec, choice: EngineChoice, asker: Asker<'_>) -> Result<Placement, AdmitError> {
        let now = self.clock.now();
        let mut known = self.known.lock();
        let engine = self.engine_for(spec, choice, |id| known.is_running(id))?;
        let kind = engine.kind();
        let id = self.names.name(spec, kind);
        if let Some(entry) = known.mosaics.get_mut(&id)
            && let State::Running { first_segment } = entry.state
        {
            entry.last_wanted = now;
            return Ok(Placement { id, engine: kind, first_segment });
        }
        let exchanged_until = self.admit(engine, spec, asker, &mut known).inspect_err(|refusal| {
            if known.refusals.refused(&id, now) {
                tracing::warn!(mosaic = %id, layout = spec.layout.id, games = ?spec.games, %refusal, "mosaic refused");
            }
        })?;
        let cost = engine.takes(spec);
        if let Some(tenant) = asker.tenant {
            known.has(tenant);
        }
        let first_segment =
            engine.start(&id, spec).map_err(|e| AdmitError::Capacity { detail: e.to_string(), retry_after_s: 60 })?;
        let state = State::Running { first_segment };
        let (by, cost) = (asker.tenant.map(Arc::from), cost.max(0.0));
        let entry = Entry { engine: kind, state, last_wanted: now, exchanged_until, by, cost };
        known.mosaics.insert(id.clone(), entry);
        let refused_before = known.refusals.taken(&id);
        self.count(&known.mosaics);
        self.note_encoding(&known, now);
        drop(known);
        engine.mend();
        tracing::info!(mosaic = %id, layout = spec.layout.id, games = ?spec.games, engine = kind.name(), first_segment, refused_before, "mosaic started");
        Ok(Placement { id, engine: kind, first_segment })
    }

    /// The canvases of all engines due at `tick`. Takes the load, too.
    pub fn jobs(&self, tick: &Tick) -> Vec<Job> {
        self.pace.ticked(tick.frame);
        self.load.lock().sample(self.clock.now(), whole_cpu_time);
        self.engines.iter().flat_map(|e| e.jobs(tick)).collect()
    }

    /// What the name `id` says, if it is one of this deployment's.
    pub(super) fn read(&self, id: &MosaicId) -> Option<Arc<Known>> {
        if let Some(known) = self.read.lock().get(id) {
            return Some(known.clone());
        }
        let known = Arc::new(self.read_anew(id)?);
        self.read.lock().put(id.clone(), known.clone());
        Some(known)
    }

    fn read_anew(&self, id: &MosaicId) -> Option<Known> {
        let Some(Named { engine, spec }) = self.names.read(&id.0) else {
            // Of mosaics alone: there is no bridge of bridges.
            let (from, to, begins) = self.names.read_bridge(&id.0)?;
            let (mosaic, bridges) = (Arc::new(self.read_anew(&from)?), self.engine(EngineKind::Stitch)?.clone());
            return Some(Known { before: Some(Before { mosaic, begins, bridges }), ..self.read_anew(&to)? });
        };
        let engine = self.engine(engine)?.clone();
        let tracks = (0..self.renditions.len()).map(|rendition| engine.tracks(id, &spec, rendition)).collect();
        Some(Known { engine, spec, tracks, before: None })
    }

    /// A segment or a part, as it was put together before, or put together now.
    async fn bytes(&self, key: PackagedKey) -> Option<Packaged> {
        if let Some(bytes) = self.cache.get(&key) {
            return Some(bytes);
        }
        // Whoever comes second for what is being packaged waits for the first and finds it done.
        let _packaging = self.packaging[lane(&key)].lock().await;
        if let Some(bytes) = self.cache.get(&key) {
            return Some(bytes);
        }
        let bytes = self.packaged(&key).await?;
        self.cache.put(key, bytes.clone());
        Some(bytes)
    }

    /// Puts a segment or a part together of what lies on the shelf.
    async fn packaged(&self, key: &PackagedKey) -> Option<Packaged> {
        let (id, rendition, segment, piece) = key;
        let known = self.read(id)?;
        // A mosaic's id opens its segments: it is not told.
        let span = span!(
            "segment.gather",
            quadrille.engine = known.engine.kind().name(),
            quadrille.rendition = self.renditions.get(*rendition).map(|rendition| rendition.name.as_str()),
            quadrille.segment = *segment,
            quadrille.piece = ?piece,
        );
        self.gathered(key, known).instrument(span).await
    }

    async fn gathered(&self, (id, rendition, segment, piece): &PackagedKey, known: Arc<Known>) -> Option<Packaged> {
        let (grid, rendition, segment, piece) = (self.settings.grid, *rendition, *segment, *piece);
        let part = match piece {
            Piece::Whole => None,
            Piece::Part(part) => Some(part),
            Piece::KeyPicture => Some(0),
        };
        let lying = known.lying(&*self.shelf, rendition, segment, part).await?;
        // What was measured of a mosaic's own segments.
        let (measured, stills) = (lying.coded_bytes(), known.clone());
        let is_measured = piece == Piece::Whole && known.before.is_none();
        let packaging = tokio::task::spawn_blocking(move || {
            let packaged = match piece {
                Piece::Part(part) => package_part(&grid, Position { segment, part }, &known.gather(&lying, part)?),
                Piece::Whole => package_segment(&grid, segment, &known.gather_all(&grid, &lying)?),
                Piece::KeyPicture => package_key_picture(&grid, segment, &known.gather(&lying, 0)?),
            };
            Some(packaged)
        });
        match packaging.await {
            Ok(made) => {
                let packaged = made?
                    .inspect_err(|error| tracing::error!(mosaic = %id, segment, %error, "cannot package a segment"));
                if let (Ok(bytes), true) = (&packaged, is_measured) {
                    self.rates.packaged(rendition, measured + stills.still_bytes(rendition), bytes.len());
                }
                packaged.ok()
            }
            Err(error) => {
                tracing::error!(mosaic = %id, segment, %error, "cannot put a segment together");
                None
            }
        }
    }

    /// What the tracks of a mosaic's rendition came to, segment by segment.
    async fn sizes(&self, known: &Known, rendition: usize) -> Vec<(SegmentNumber, u64)> {
        let mut sizes = Vec::new();
        for track in known.tracks.get(rendition).into_iter().flatten() {
            sizes.push(self.shelf.sizes(track).await);
        }
        known.with_stills(rendition, Sizes::together(&sizes))
    }

    fn rendition_index(&self, rendition: &str) -> Option<usize> {
        self.renditions.iter().position(|r| r.name == rendition)
    }
}

impl Mosaics for MosaicRegistry {
    fn renditions(&self) -> &[RenditionSpec] {
        &self.renditions
    }

    fn codec(&self, rendition: &str) -> Option<&str> {
        self.codecs.get(self.rendition_index(rendition)?).map(String::as_str)
    }

    fn engines_for(&self, layout: &Layout) -> Vec<EngineKind> {
        self.engines.iter().filter(|e| e.suits(layout)).map(|e| e.kind()).collect()
    }

    fn name(&self, spec: &MosaicSpec, choice: EngineChoice) -> Result<(MosaicId, EngineKind), AdmitError> {
        let kind = self.engine_for(spec, choice, |id| self.known.lock().is_running(id))?.kind();
        Ok((self.names.name(spec, kind), kind))
    }

    fn want(&self, spec: &MosaicSpec, choice: EngineChoice) -> Result<Placement, AdmitError> {
        self.want_of(spec, choice, Asker::default())
    }

    fn want_instead(&self, left: &MosaicId, spec: &MosaicSpec, choice: EngineChoice) -> Result<Placement, AdmitError> {
        self.want_of(spec, choice, Asker { tenant: None, left: Some(left) })
    }

    fn want_for(
        &self,
        tenant: &str,
        left: Option<&MosaicId>,
        spec: &MosaicSpec,
        choice: EngineChoice,
    ) -> Result<Placement, AdmitError> {
        self.want_of(spec, choice, Asker { tenant: Some(tenant), left })
    }

    fn encoding(&self, tenant: &str) -> Standing {
        self.encoding_of(tenant)
    }

    fn bridge(&self, from: &MosaicId, to: &MosaicId, begins: PartNumber) -> Option<MosaicId> {
        self.engine(EngineKind::Stitch)?;
        self.settings.grid.anchor_of(begins)?;
        self.names.bridge(from, to, begins)
    }

    fn shows(&self, id: &MosaicId) -> Option<MosaicSpec> {
        Some(self.read(id)?.spec.clone())
    }

    fn held<'a>(&'a self, id: &'a MosaicId) -> Pending<'a, Held> {
        Box::pin(async move {
            let Some(known) = self.read(id) else { return Held::default() };
            let mut all: Option<Held> = None;
            for track in known.each_track() {
                let its = self.shelf.held(track).await;
                all = Some(all.map_or_else(|| its.clone(), |all| all.and(&its)));
            }
            let all = all.unwrap_or_default();
            if known.is_put_down_ahead() { all.up_to(&self.settings.grid, self.pace.come_to()) } else { all }
        })
    }

    fn has(&self, id: &MosaicId, rendition: &str) -> bool {
        let Some((known, rendition)) = self.read(id).zip(self.rendition_index(rendition)) else { return false };
        known.has(rendition)
    }

    fn rate<'a>(&'a self, id: &'a MosaicId, rendition: &'a str) -> Pending<'a, Option<Rate>> {
        Box::pin(async move {
            let rendition = self.rendition_index(rendition)?;
            let known = self.read(id)?;
            let sizes = self.sizes(&known, rendition).await;
            self.rates.rate(rendition, &sizes)
        })
    }

    fn wait<'a>(&'a self, id: &'a MosaicId, at: Position) -> Pending<'a, ()> {
        Box::pin(async move {
            let Some(known) = self.read(id) else { return std::future::pending().await };
            for track in known.each_track() {
                self.shelf.wait(track, at).await;
            }
            if known.is_put_down_ahead() {
                self.pace.comes_to(at).await;
            }
        })
    }

    fn init_segment(&self, rendition: &str) -> Option<Bytes> {
        self.inits.get(self.rendition_index(rendition)?).cloned()
    }

    fn signed(&self, id: &str) -> bool {
        self.names.gave(id)
    }

    fn segment<'a>(
        &'a self,
        id: &'a MosaicId,
        rendition: &'a str,
        segment: SegmentNumber,
    ) -> Pending<'a, Option<Packaged>> {
        Box::pin(async move { self.bytes((id.clone(), self.rendition_index(rendition)?, segment, Piece::Whole)).await })
    }

    fn part<'a>(&'a self, id: &'a MosaicId, rendition: &'a str, at: Position) -> Pending<'a, Option<Packaged>> {
        let piece = Piece::Part(at.part);
        Box::pin(async move { self.bytes((id.clone(), self.rendition_index(rendition)?, at.segment, piece)).await })
    }

    fn key_picture<'a>(
        &'a self,
        id: &'a MosaicId,
        rendition: &'a str,
        segment: SegmentNumber,
    ) -> Pending<'a, Option<Packaged>> {
        let piece = Piece::KeyPicture;
        Box::pin(async move { self.bytes((id.clone(), self.rendition_index(rendition)?, segment, piece)).await })
    }

    fn image<'a>(&'a self, image: &'a Image) -> Pending<'a, Option<Bytes>> {
        Box::pin(self.image_of(image))
    }
}
