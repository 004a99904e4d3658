//! The render engine: the compositor draws a mosaic's whole canvas, and one encoder a rendition encodes it.
//!
//! Lock order: the map of mosaics, then one rendition's window; neither is held while encoding or delivering.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

use super::contract::{EngineKind, MosaicId, MosaicSpec, RenditionSpec};
use super::encoding::{Encoding, EncodingShared, Input, SegmentWindow};
use super::engine::{Engine, Tick};
use crate::compositor::{Canvas, Draw, Job, fit};
use crate::encode::{ParameterSets, VideoEncodeError, VideoEncoder, VideoSettings};
use crate::frame::{AccessUnit, Picture};
use crate::layout::Layout;
use crate::timeline::{FrameNumber, Grid, SegmentNumber};

/// A segment that begins sooner than this many frames from now is left out: its first frame may already be on its way.
const START_MARGIN_FRAMES: u64 = 2;

/// What all of an engine's encoders share, and its ladder.
pub struct RenderSettings {
    pub grid: Grid,
    pub renditions: Vec<RenditionSpec>,
    /// x264 preset.
    pub preset: String,
    pub shared: Arc<EncodingShared>,
}

/// One mosaic being made, or lingering after it was stopped so that its listed segments can still be fetched.
struct RenderMosaic {
    spec: MosaicSpec,
    /// Frames before this one are not encoded.
    first_frame: FrameNumber,
    affinity: u64,
    encodings: Vec<Encoding>,
    /// Windows from before the last restart, best rendition first: sessions may still list their segments.
    earlier: Vec<SegmentWindow>,
    running: bool,
}

/// See the module.
pub struct RenderEngine {
    settings: RenderSettings,
    parameter_sets: Vec<ParameterSets>,
    mosaics: RwLock<HashMap<MosaicId, Arc<Mutex<RenderMosaic>>>>,
    /// The frame of the last tick, to know which segments can still be whole.
    last_frame: AtomicU64,
    affinities: AtomicU64,
}

impl RenderEngine {
    /// Opens one encoder a rendition to learn the parameter sets. `next_frame` is the first frame that will tick.
    pub fn new(settings: RenderSettings, next_frame: FrameNumber) -> Result<Self, VideoEncodeError> {
        let parameter_sets = settings
            .renditions
            .iter()
            .map(|r| Ok(VideoEncoder::new(&video_settings(&settings, r))?.parameter_sets().clone()))
            .collect::<Result<_, VideoEncodeError>>()?;
        Ok(Self {
            settings,
            parameter_sets,
            mosaics: RwLock::default(),
            last_frame: AtomicU64::new(next_frame),
            affinities: AtomicU64::new(0),
        })
    }

    fn next_whole_segment(&self) -> SegmentNumber {
        let grid = self.settings.grid;
        grid.segment_of(self.last_frame.load(Ordering::Acquire) + START_MARGIN_FRAMES) + 1
    }

    fn open_encodings(&self, id: &MosaicId, from: SegmentNumber) -> Vec<Encoding> {
        let ladder = self.settings.renditions.iter().zip(&self.parameter_sets);
        ladder
            .map(|(rendition, sets)| {
                let settings = video_settings(&self.settings, rendition);
                Encoding::open(id, &rendition.name, settings, sets.clone(), from, &self.settings.shared)
            })
            .collect()
    }

    fn job(&self, mosaic: &RenderMosaic, tick: &Tick) -> Option<Job> {
        let best = self.settings.renditions.first()?;
        let (width, height) = (best.width, best.height);
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
            smaller: self.settings.renditions[1..].iter().map(|r| (r.width, r.height)).collect(),
            deliver: Box::new(move |pictures: Vec<Picture>| {
                compose_seconds.observe(began.elapsed().as_secs_f64());
                for (input, picture) in inputs.iter().zip(pictures) {
                    input.give(frame, picture);
                }
            }),
        })
    }
}

fn video_settings(settings: &RenderSettings, rendition: &RenditionSpec) -> VideoSettings {
    VideoSettings {
        width: rendition.width,
        height: rendition.height,
        grid: settings.grid,
        bitrate_bps: rendition.bitrate_bps,
        preset: settings.preset.clone(),
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

    fn access_units(&self, id: &MosaicId, rendition: usize, segment: SegmentNumber) -> Option<Arc<[AccessUnit]>> {
        let mosaic = self.mosaics.read().get(id).cloned()?;
        let mosaic = mosaic.lock();
        let now = mosaic.encodings.get(rendition)?.segment(segment);
        now.or_else(|| mosaic.earlier.get(rendition)?.lock().get(segment).cloned())
    }

    fn parameter_sets(&self, rendition: usize) -> Option<&ParameterSets> {
        self.parameter_sets.get(rendition)
    }

    fn cost_per_frame(&self) -> Option<f64> {
        self.settings.shared.cost_per_frame(self.settings.renditions.iter().map(|r| r.name.as_str()))
    }
}
