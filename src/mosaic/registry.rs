//! The registry: every mosaic there is, which engine makes it, who still asks for it; packaged segments on demand.
//!
//! Lock order: the map of mosaics, then admission, then an engine's own. None is held while a segment is packaged, but that
//! segment's lane.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::admission::{Admission, LoadMeter, Newcomer, process_cpu_time};
use super::cache::ByteCache;
use super::contract::{AdmitError, EngineChoice, EngineKind, MosaicId, MosaicSpec, Mosaics, Placement, RenditionSpec};
use super::engine::{Engine, Tick};
use super::identity::Signer;
use crate::compositor::Job;
use crate::hls::cmaf::{self, CmafError, VideoTrack};
use crate::layout::Layout;
use crate::metrics::Metrics;
use crate::timeline::{Clock, Grid, MediaTime, SegmentNumber};

/// What the registry needs to know besides its engines.
pub struct RegistrySettings {
    pub grid: Grid,
    /// The ladder, best first.
    pub renditions: Vec<RenditionSpec>,
    /// A mosaic nobody asked for in this long is stopped.
    pub mosaic_idle: Duration,
    /// How long a stopped mosaic's segments can still be fetched: as long as a playlist may list them.
    pub linger: Duration,
    /// Bytes of packaged segments kept.
    pub cache_bytes: usize,
}

/// Why a registry cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("rendition {rendition}: {source}")]
    Init { rendition: String, source: CmafError },
    #[error("engine {engine} has no parameter sets for rendition {rendition}")]
    NoParameterSets { engine: &'static str, rendition: String },
}

struct Entry {
    engine: EngineKind,
    state: State,
    last_wanted: MediaTime,
}

/// Running, or stopped with segments that may still be fetched until the instant given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Running { first_segment: SegmentNumber },
    Lingering { until: MediaTime },
}

/// A segment of a mosaic's rendition, by its place on the ladder.
type SegmentKey = (MosaicId, usize, SegmentNumber);

/// Segments that may be packaged at once, give or take: each is one of so many by chance.
const PACKAGING_LANES: usize = 64;

fn lane(key: &SegmentKey) -> usize {
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
    BuildHasherDefault::<DefaultHasher>::default().hash_one(key) as usize % PACKAGING_LANES
}

/// See the module.
pub struct MosaicRegistry {
    settings: RegistrySettings,
    signer: Signer,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    engines: Vec<Arc<dyn Engine>>,
    inits: Vec<Bytes>,
    codecs: Vec<String>,
    mosaics: Mutex<HashMap<MosaicId, Entry>>,
    admission: Mutex<(Admission, LoadMeter)>,
    packaged: ByteCache<SegmentKey>,
    packaging: Vec<Mutex<()>>,
    finished: watch::Receiver<u64>,
}

impl MosaicRegistry {
    /// `engines` in order of preference.
    pub fn new(
        settings: RegistrySettings,
        signer: Signer,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        engines: Vec<Arc<dyn Engine>>,
        admission: Admission,
        finished: watch::Receiver<u64>,
    ) -> Result<Self, RegistryError> {
        let mut inits = Vec::new();
        let mut codecs = Vec::new();
        for (at, rendition) in settings.renditions.iter().enumerate() {
            let name = || rendition.name.clone();
            let engine = engines.first().map_or("none", |e| e.kind().name());
            let sets = engines
                .first()
                .and_then(|e| e.parameter_sets(at))
                .ok_or_else(|| RegistryError::NoParameterSets { engine, rendition: name() })?;
            let track = VideoTrack {
                width: rendition.width,
                height: rendition.height,
                grid: settings.grid,
                sps: &sets.sps,
                pps: &sets.pps,
            };
            let failed = |source| RegistryError::Init { rendition: name(), source };
            inits.push(cmaf::video_init(&track).map_err(failed)?);
            codecs.push(cmaf::video_codec(&sets.sps).map_err(failed)?);
        }
        let packaged = ByteCache::new(settings.cache_bytes);
        let admission = Mutex::new((admission, LoadMeter::default()));
        Ok(Self {
            settings,
            signer,
            clock,
            metrics,
            engines,
            inits,
            codecs,
            mosaics: Mutex::default(),
            admission,
            packaged,
            packaging: (0..PACKAGING_LANES).map(|_| Mutex::default()).collect(),
            finished,
        })
    }

    fn engine(&self, kind: EngineKind) -> Option<&Arc<dyn Engine>> {
        self.engines.iter().find(|e| e.kind() == kind)
    }

    fn engine_for(&self, layout: &Layout, choice: EngineChoice) -> Result<&Arc<dyn Engine>, AdmitError> {
        let fits = |e: &&Arc<dyn Engine>| match choice {
            EngineChoice::Auto => e.suits(layout),
            EngineChoice::Only(kind) => e.kind() == kind && e.suits(layout),
        };
        self.engines.iter().find(fits).ok_or_else(|| {
            let engine = match choice {
                EngineChoice::Auto => EngineKind::Render,
                EngineChoice::Only(kind) => kind,
            };
            AdmitError::EngineUnsuited { engine, layout: layout.id.clone() }
        })
    }

    /// Asks admission for one more mosaic; where only work that nobody wants yet is in the way, that is given up.
    fn admit(
        &self,
        engine: &Arc<dyn Engine>,
        spec: &MosaicSpec,
        mosaics: &HashMap<MosaicId, Entry>,
    ) -> Result<(), AdmitError> {
        let running = |kind: Option<EngineKind>| {
            let counts = |m: &&Entry| kind.is_none_or(|k| m.engine == k) && matches!(m.state, State::Running { .. });
            mosaics.values().filter(counts).count()
        };
        let rendered = (engine.kind() == EngineKind::Render)
            .then(|| u32::try_from(running(Some(EngineKind::Render))).unwrap_or(u32::MAX));
        let now = self.clock.now();
        let mut admission = self.admission.lock();
        let (admission, load) = &mut *admission;
        let newcomer =
            Newcomer { cost: engine.cost(spec), process_load: load.cores(), running: running(None), rendered };
        let Err(refused) = admission.admit(now, newcomer) else { return Ok(()) };
        let freed: f64 = if refused.short > 0.0 {
            self.engines.iter().map(|engine| engine.give_up(refused.short)).sum()
        } else {
            0.0
        };
        if freed > 0.0 {
            admission.freed(now, freed);
            // What was given up may have been work of the newcomer's own: its cost is asked for anew.
            let newcomer = Newcomer { cost: engine.cost(spec), ..newcomer };
            if admission.admit(now, newcomer).is_ok() {
                return Ok(());
            }
        }
        self.metrics.admission_refused.with_label_values(&["capacity"]).inc();
        Err(refused.error)
    }

    /// The canvases of all engines due at `tick`. Takes the load, too.
    pub fn jobs(&self, tick: &Tick) -> Vec<Job> {
        self.admission.lock().1.sample(self.clock.now(), process_cpu_time);
        self.engines.iter().flat_map(|e| e.jobs(tick)).collect()
    }

    /// Takes note that pictures came late: no newcomer is taken in for a while.
    pub fn late(&self) {
        self.admission.lock().0.late(self.clock.now());
    }

    /// Stops what nobody wants, lets go what nobody can list any more, takes in what mosaics cost. Call about once a second.
    pub fn sweep(&self) {
        let now = self.clock.now();
        let mut mosaics = self.mosaics.lock();
        let mut gone = Vec::new();
        for (id, entry) in mosaics.iter_mut() {
            let Some(engine) = self.engine(entry.engine) else { continue };
            match entry.state {
                State::Running { .. } if now.since(entry.last_wanted) > self.settings.mosaic_idle => {
                    engine.stop(id);
                    entry.state = State::Lingering { until: now + self.settings.linger };
                    tracing::info!(mosaic = %id, "mosaic stopped: nobody asked for it");
                }
                State::Lingering { until } if now > until => gone.push(id.clone()),
                State::Running { .. } | State::Lingering { .. } => {}
            }
        }
        for id in gone {
            if let Some(entry) = mosaics.remove(&id)
                && let Some(engine) = self.engine(entry.engine)
            {
                engine.forget(&id);
            }
        }
        self.count(&mosaics);
        drop(mosaics);
        let mut admission = self.admission.lock();
        let (admission, load) = &mut *admission;
        let cores = load.cores();
        for engine in &self.engines {
            engine.tend(&mut |cost| admission.admit_ahead(now, cores, cost));
        }
    }

    fn count(&self, mosaics: &HashMap<MosaicId, Entry>) {
        for engine in &self.engines {
            let kind = engine.kind();
            let running =
                mosaics.values().filter(|m| m.engine == kind && matches!(m.state, State::Running { .. })).count();
            self.metrics.mosaics.with_label_values(&[kind.name()]).set(i64::try_from(running).unwrap_or(i64::MAX));
        }
    }

    fn rendition_index(&self, rendition: &str) -> Option<usize> {
        self.settings.renditions.iter().position(|r| r.name == rendition)
    }
}

impl Mosaics for MosaicRegistry {
    fn renditions(&self) -> &[RenditionSpec] {
        &self.settings.renditions
    }

    fn codec(&self, rendition: &str) -> Option<&str> {
        self.codecs.get(self.rendition_index(rendition)?).map(String::as_str)
    }

    fn engines_for(&self, layout: &Layout) -> Vec<EngineKind> {
        self.engines.iter().filter(|e| e.suits(layout)).map(|e| e.kind()).collect()
    }

    fn want(&self, spec: &MosaicSpec, choice: EngineChoice) -> Result<Placement, AdmitError> {
        let engine = self.engine_for(&spec.layout, choice)?;
        let kind = engine.kind();
        let id = self.signer.name(spec, kind);
        let now = self.clock.now();
        let mut mosaics = self.mosaics.lock();
        if let Some(entry) = mosaics.get_mut(&id)
            && let State::Running { first_segment } = entry.state
        {
            entry.last_wanted = now;
            return Ok(Placement { id, engine: kind, first_segment });
        }
        self.admit(engine, spec, &mosaics)?;
        let first_segment =
            engine.start(&id, spec).map_err(|e| AdmitError::Capacity { detail: e.to_string(), retry_after_s: 60 })?;
        let entry = Entry { engine: kind, state: State::Running { first_segment }, last_wanted: now };
        mosaics.insert(id.clone(), entry);
        self.count(&mosaics);
        tracing::info!(mosaic = %id, layout = spec.layout.id, games = ?spec.games, engine = kind.name(), first_segment, "mosaic started");
        Ok(Placement { id, engine: kind, first_segment })
    }

    fn segments(&self, id: &MosaicId) -> Option<RangeInclusive<SegmentNumber>> {
        let engine = self.mosaics.lock().get(id)?.engine;
        self.engine(engine)?.finished(id)
    }

    fn init_segment(&self, rendition: &str) -> Option<Bytes> {
        self.inits.get(self.rendition_index(rendition)?).cloned()
    }

    fn signed(&self, id: &str) -> bool {
        self.signer.gave(id)
    }

    fn is_hot(&self, id: &MosaicId, rendition: &str, segment: SegmentNumber) -> bool {
        self.rendition_index(rendition).is_some_and(|r| self.packaged.get(&(id.clone(), r, segment)).is_some())
    }

    fn segment(&self, id: &MosaicId, rendition: &str, segment: SegmentNumber) -> Option<Bytes> {
        let at = self.rendition_index(rendition)?;
        let key = (id.clone(), at, segment);
        if let Some(bytes) = self.packaged.get(&key) {
            return Some(bytes);
        }
        let engine = self.mosaics.lock().get(id)?.engine;
        // Whoever comes second for a segment that is being packaged waits for the first and finds it done.
        let _packaging = self.packaging[lane(&key)].lock();
        if let Some(bytes) = self.packaged.get(&key) {
            return Some(bytes);
        }
        let coded = self.engine(engine)?.segment(id, at, segment)?;
        match coded.package(&self.settings.grid, segment) {
            Ok(bytes) => {
                self.packaged.put(key, bytes.clone());
                Some(bytes)
            }
            Err(e) => {
                tracing::error!(mosaic = %id, rendition, segment, error = %e, "cannot package a segment");
                None
            }
        }
    }

    fn finished(&self) -> watch::Receiver<u64> {
        self.finished.clone()
    }
}
