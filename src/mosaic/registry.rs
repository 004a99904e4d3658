//! The registry: every mosaic there is, which engine makes it, who still asks for it; packaged segments on demand.
//!
//! Lock order: the map of mosaics, then admission. Neither is held while a segment is packaged.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::admission::{Admission, LoadMeter, process_cpu_time};
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
    packaged: ByteCache<(MosaicId, usize, SegmentNumber)>,
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
        let wanted = match choice {
            EngineChoice::Auto => EngineKind::Render,
            EngineChoice::Only(kind) => kind,
        };
        self.engines
            .iter()
            .find(fits)
            .ok_or_else(|| AdmitError::EngineUnsuited { engine: wanted, layout: layout.id.clone() })
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
        let cost = self.engines.first().and_then(|e| e.cost_per_frame());
        let mut admission = self.admission.lock();
        let fps = self.settings.grid.fps();
        if let Some(per_frame) = cost {
            admission.0.measured(per_frame * f64::from(fps.num()) / f64::from(fps.den()));
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
        {
            let running = mosaics.values().filter(|m| matches!(m.state, State::Running { .. })).count();
            let mut admission = self.admission.lock();
            let (admission, load) = &mut *admission;
            if let Err(refused) = admission.admit(now, load.cores(), running) {
                self.metrics.admission_refused.with_label_values(&["capacity"]).inc();
                return Err(refused);
            }
        }
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
        let units = self.engine(engine)?.access_units(id, at, segment)?;
        match cmaf::video_segment(&self.settings.grid, segment, &units) {
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
