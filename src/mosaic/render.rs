//! The render engine: the compositor draws a mosaic's whole canvas, and one encoder a rendition encodes it.
//!
//! Lock order: the map of mosaics, then one mosaic, then one rendition's window; none is held while a thread starts, nor while
//! encoding or delivering.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

use super::contract::{EngineKind, MosaicId, MosaicSpec};
use super::encoding::{Encoding, EncodingShared, EncodingSpec, Input, Pack, SegmentWindow, equal_to, in_all};
use super::engine::{Coded, Engine, Tick};
use super::ladder::Rung;
use super::trial::Trial;
use crate::compositor::{Canvas, Draw, Job, canvas_colour, fit};
use crate::encode::{ParameterSets, VideoEncodeError};
use crate::frame::{AccessUnit, Picture};
use crate::hls::runs::Runs;
use crate::layout::Layout;
use crate::stitch::{Format, Pps, Sps, held};
use crate::timeline::{FrameNumber, Grid, PictureKind, SegmentNumber};

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
    /// One a rendition, best first; none while it is stopped.
    encodings: Vec<Arc<Encoding>>,
    /// One a rendition. They outlive a stop: sessions may still list what was finished before it.
    windows: Vec<SegmentWindow<Units>>,
}

impl RenderMosaic {
    fn is_running(&self) -> bool {
        !self.encodings.is_empty()
    }
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

    fn encodings(
        &self,
        id: &MosaicId,
        background: [u8; 3],
        windows: &[SegmentWindow<Units>],
        from: SegmentNumber,
    ) -> Vec<Arc<Encoding>> {
        let encoding = |(rung, window): (&Rung, &SegmentWindow<Units>)| {
            let spec = EncodingSpec {
                kind: "render",
                name: format!("{id}/{}", rung.spec.name),
                label: rung.spec.name.clone(),
                settings: rung.settings.clone(),
                check: equal_to(rung.sets.clone()),
                pack: packer(rung, self.settings.grid, background),
                prepare: None,
                from,
            };
            Arc::new(Encoding::new(spec, window.clone(), &self.settings.shared))
        };
        self.settings.rungs.iter().zip(windows).map(encoding).collect()
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
                let picture = tick.picture(game)?.clone();
                let rect =
                    fit(picture.width, picture.height, picture.pixel_aspect, layout.picture_on(slot, width, height));
                Some(Draw { picture, rect })
            })
            .collect();
        let inputs: Vec<Input> = mosaic.encodings.iter().map(|encoding| encoding.input()).collect();
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

/// Keeps a finished segment whole. What an encoder that failed did not make shows the picture before, and the background where it made
/// nothing: a segment has all its frames.
fn packer(rung: &Rung, grid: Grid, background: [u8; 3]) -> Pack<Units> {
    let format = Sps::parse(&rung.sets.sps).and_then(|sps| Format::new(sps, Pps::parse(&rung.sets.pps)?));
    let name = rung.spec.name.clone();
    Box::new(move |segment, mut units| {
        let gop = grid.gop();
        if units.len() < gop.pictures().len() {
            let format = match &format {
                Ok(format) => format,
                Err(error) => {
                    tracing::error!(segment, rendition = name, %error, "a segment is lost");
                    return None;
                }
            };
            let first = grid.first_frame(segment);
            units.extend(gop.pictures().iter().skip(units.len()).map(|picture| AccessUnit {
                frame: first + u64::from(picture.shown),
                sync: picture.kind == PictureKind::Idr,
                data: held(format, *picture, canvas_colour(background)),
            }));
        }
        Some(units.into())
    })
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
            if known.is_running() {
                return Ok(self.settings.grid.segment_of(known.first_frame));
            }
            known.encodings = self.encodings(id, known.spec.layout.background, &known.windows, from);
            known.first_frame = first_frame;
            return Ok(from);
        }
        let windows: Vec<_> = self.settings.rungs.iter().map(|_| self.settings.shared.window()).collect();
        let mosaic = RenderMosaic {
            spec: spec.clone(),
            first_frame,
            affinity: self.affinities.fetch_add(1, Ordering::Relaxed),
            encodings: self.encodings(id, spec.layout.background, &windows, from),
            windows,
        };
        mosaics.insert(id.clone(), Arc::new(Mutex::new(mosaic)));
        Ok(from)
    }

    fn stop(&self, id: &MosaicId) {
        let mosaic = self.mosaics.read().get(id).cloned();
        if let Some(mosaic) = mosaic {
            let stopped = std::mem::take(&mut mosaic.lock().encodings);
            stopped.iter().for_each(|encoding| encoding.close());
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
                (mosaic.is_running() && tick.frame >= mosaic.first_frame).then(|| self.job(&mosaic, tick)).flatten()
            })
            .collect()
    }

    fn finished(&self, id: &MosaicId) -> Runs {
        let Some(mosaic) = self.mosaics.read().get(id).cloned() else { return Runs::default() };
        let mosaic = mosaic.lock();
        in_all(&mosaic.windows)
    }

    fn segment(&self, id: &MosaicId, rendition: usize, segment: SegmentNumber) -> Option<Coded> {
        let mosaic = self.mosaics.read().get(id).cloned()?;
        let window = mosaic.lock().windows.get(rendition)?.clone();
        let units = window.lock().get(segment).cloned();
        units.map(Coded::Units)
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

    fn frees(&self, id: &MosaicId, instead: &MosaicSpec) -> f64 {
        let Some(mosaic) = self.mosaics.read().get(id).cloned() else { return 0.0 };
        let mosaic = mosaic.lock();
        if mosaic.is_running() && mosaic.spec != *instead { self.cost(&mosaic.spec) } else { 0.0 }
    }

    fn mend(&self) {
        let mosaics: Vec<_> = self.mosaics.read().values().cloned().collect();
        let encodings: Vec<_> = mosaics.iter().flat_map(|mosaic| mosaic.lock().encodings.clone()).collect();
        encodings.iter().for_each(|encoding| encoding.mend());
    }
}
