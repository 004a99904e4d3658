//! The render engine: the compositor draws a mosaic's whole canvas, and one encoder a rendition encodes it.
//!
//! Lock order: the map of mosaics, then one rendition's window; neither is held while encoding or delivering.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

use super::contract::{EngineKind, MosaicId, MosaicSpec};
use super::encoding::{Encoding, EncodingShared, EncodingSpec, Input, SegmentWindow, as_units, equal_to};
use super::engine::{Coded, Engine, Tick};
use super::ladder::Rung;
use super::trial::Trial;
use crate::compositor::{Canvas, Draw, Job, fit};
use crate::encode::{ParameterSets, VideoEncodeError};
use crate::frame::{AccessUnit, Picture};
use crate::layout::Layout;
use crate::timeline::{FrameNumber, Grid, SegmentNumber};

/// A segment that begins sooner than this many frames from now is left out: its first frame may already be on its way.
const START_MARGIN_FRAMES: u64 = 2;

/// A finished segment of one rendition.
type Units = Arc<[AccessUnit]>;

/// What all of an engine's encoders share, and its ladder.
pub struct RenderSettings {
    pub grid: Grid,
    pub rungs: Arc<[Rung]>,
    pub shared: Arc<EncodingShared>,
    /// What drawing and encoding were measured to cost at start.
    pub trial: Trial,
}

/// One mosaic being made, or lingering after it was stopped so that its listed segments can still be fetched.
struct RenderMosaic {
    spec: MosaicSpec,
    /// Frames before this one are not encoded.
    first_frame: FrameNumber,
    affinity: u64,
    encodings: Vec<Encoding<Units>>,
    /// Windows from before the last restart, best rendition first: sessions may still list their segments.
    earlier: Vec<SegmentWindow<Units>>,
    running: bool,
}

/// See the module.
pub struct RenderEngine {
    settings: RenderSettings,
    mosaics: RwLock<HashMap<MosaicId, Arc<Mutex<RenderMosaic>>>>,
    /// The frame of the last tick, to know which segments can still be whole.
    last_frame: AtomicU64,
    affinities: AtomicU64,
}

impl RenderEngine {
    /// `next_frame` is the first frame that will tick.
    pub fn new(settings: RenderSettings, next_frame: FrameNumber) -> Self {
        Self {
            settings,
            mosaics: RwLock::default(),
            last_frame: AtomicU64::new(next_frame),
            affinities: AtomicU64::new(0),
        }
    }

    fn next_whole_segment(&self) -> SegmentNumber {
        let grid = self.settings.grid;
        grid.segment_of(self.last_frame.load(Ordering::Acquire) + START_MARGIN_FRAMES) + 1
    }

    fn open_encodings(&self, id: &MosaicId, from: SegmentNumber) -> Vec<Encoding<Units>> {
        let open = |rung: &Rung| {
            let spec = EncodingSpec {
                kind: "render",
                name: format!("{id}/{}", rung.spec.name),
                label: rung.spec.name.clone(),
                settings: rung.settings.clone(),
                check: equal_to(rung.sets.clone()),
                pack: Box::new(as_units),
                every_frame: false,
                from,
            };
            Encoding::open(spec, &self.settings.shared)
        };
        self.settings.rungs.iter().map(open).collect()
    }

    fn job(&self, mosaic: &RenderMosaic, tick: &Tick) -> Option<Job> {
        let best = self.settings.rungs.first()?;
        let (width, height) = (best.spec.width, best.spec.height);
        let layout = &mosaic.spec.layout;
        let draws = mosaic
            .spec
            .games
            .iter()
            .enumerate()
            .filter_map(|(slot, game)| {
                let picture = tick.pictures.get(game)?.clone();
                let rect =
                    fit(picture.width, picture.height, picture.pixel_aspect, layout.slot_on(slot, width, height));
                Some(Draw { picture, rect })
            })
            .collect();
        let inputs: Vec<Input> = mosaic.encodings.iter().map(Encoding::input).collect();
        let frame = tick.frame;
        let (began, compose_seconds) = (Instant::now(), self.settings.shared.metrics.compose_seconds.clone());
        Some(Job {
            affinity: mosaic.affinity,
            canvas: Canvas { width, height, background: layout.background, draws },
            smaller: self.settings.rungs[1..].iter().map(|r| (r.spec.width, r.spec.height)).collect(),
            deliver: Box::new(move |pictures: Vec<Picture>| {
                compose_seconds.observe(began.elapsed().as_secs_f64());
                for (input, picture) in inputs.iter().zip(pictures) {
                    input.give(frame, picture);
                }
            }),
        })
    }
}

impl Engine for RenderEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Render
    }

    fn suits(&self, _layout: &Layout) -> bool {
        true
    }

    fn start(&self, id: &MosaicId, spec: &MosaicSpec) -> Result<SegmentNumber, VideoEncodeError> {
        let mut mosaics = self.mosaics.write();
        let from = self.next_whole_segment();
        let first_frame = self.settings.grid.first_frame(from);
        if let Some(known) = mosaics.get(id) {
            let mut known = known.lock();
            if known.running {
                return Ok(self.settings.grid.segment_of(known.first_frame));
            }
            let before = std::mem::replace(&mut known.encodings, self.open_encodings(id, from));
            known.earlier = before.into_iter().map(Encoding::into_window).collect();
            known.first_frame = first_frame;
            known.running = true;
            return Ok(from);
        }
        let mosaic = RenderMosaic {
            spec: spec.clone(),
            first_frame,
            affinity: self.affinities.fetch_add(1, Ordering::Relaxed),
            encodings: self.open_encodings(id, from),
            earlier: Vec::new(),
            running: true,
        };
        mosaics.insert(id.clone(), Arc::new(Mutex::new(mosaic)));
        Ok(from)
    }

    fn stop(&self, id: &MosaicId) {
        let mosaic = self.mosaics.read().get(id).cloned();
        if let Some(mosaic) = mosaic {
            let mut mosaic = mosaic.lock();
            mosaic.running = false;
            mosaic.encodings.iter_mut().for_each(Encoding::close);
        }
    }

    fn forget(&self, id: &MosaicId) {
        self.mosaics.write().remove(id);
    }

    fn jobs(&self, tick: &Tick) -> Vec<Job> {
        self.last_frame.store(tick.frame, Ordering::Release);
        let mosaics: Vec<_> = self.mosaics.read().values().cloned().collect();
        mosaics
            .iter()
            .filter_map(|mosaic| {
                let mosaic = mosaic.lock();
                (mosaic.running && tick.frame >= mosaic.first_frame).then(|| self.job(&mosaic, tick)).flatten()
            })
            .collect()
    }

    fn finished(&self, id: &MosaicId) -> Option<RangeInclusive<SegmentNumber>> {
        let mosaic = self.mosaics.read().get(id).cloned()?;
        let mosaic = mosaic.lock();
        let mut all: Option<RangeInclusive<SegmentNumber>> = None;
        for encoding in &mosaic.encodings {
            let own = encoding.finished()?;
            all = Some(match all {
                None => own,
                Some(all) => *all.start().max(own.start())..=*all.end().min(own.end()),
            });
        }
        all.filter(|range| !range.is_empty())
    }

    fn segment(&self, id: &MosaicId, rendition: usize, segment: SegmentNumber) -> Option<Coded> {
        let mosaic = self.mosaics.read().get(id).cloned()?;
        let mosaic = mosaic.lock();
        let now = mosaic.encodings.get(rendition)?.segment(segment);
        now.or_else(|| mosaic.earlier.get(rendition)?.lock().get(segment).cloned()).map(Coded::Units)
    }

    fn parameter_sets(&self, rendition: usize) -> Option<&ParameterSets> {
        self.settings.rungs.get(rendition).map(|rung| &rung.sets)
    }

    fn cost(&self, _spec: &MosaicSpec) -> f64 {
        let Trial { compose, encode } = &self.settings.trial;
        let ladder = self.settings.rungs.iter().zip(encode);
        let measured = |name: &str| self.settings.shared.cost_per_frame(name);
        let per_frame: f64 = ladder.map(|(rung, trial)| measured(&rung.spec.name).unwrap_or(*trial)).sum();
        let fps = self.settings.grid.fps();
        (per_frame + compose) * f64::from(fps.num()) / f64::from(fps.den())
    }
}
