//! The render engine: the compositor draws a mosaic's whole canvas, and one encoder a rendition encodes it.
//!
//! Lock order: the map of mosaics, then one mosaic, then one rendition's window; none is held while a thread starts, nor while
//! encoding or delivering.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::{Mutex, RwLock};

use super::engine::{Coded, Engine, Tick};
use super::opening::{Canvases, canvases};
use super::spec::{EngineKind, MosaicId, MosaicSpec};
use super::standstill::Standstill;
use super::trial::Trial;
use crate::assets::{Assets, Overlay, Piece, lay_over};
use crate::compositor::{Canvas, Draw, Job, canvas_colour, fit};
use crate::encode::VideoEncodeError;
use crate::frame::{AccessUnit, Picture};
use crate::ladder::{Codec, ParameterSets, Rung};
use crate::layout::Layout;
use crate::stitch::{Format, Pps, Sps, StitchError, held};
use crate::timeline::{FrameNumber, Grid, PictureKind, SegmentNumber};
use crate::track::{
    Block, Encoding, EncodingShared, EncodingSpec, Input, Pack, Position, Runs, Track, TrackName, equal_to, in_all,
};

/// Who starts begins with the segment of this many frames from now: the frames before may already be on their way.
const START_MARGIN_FRAMES: u64 = 2;

/// What all of an engine's encoders share, and its ladder.
pub struct RenderSettings {
    pub grid: Grid,
    pub rungs: Arc<[Rung]>,
    pub shared: Arc<EncodingShared>,
    /// What drawing and encoding were measured to cost at start.
    pub trial: Trial,
    /// What slots of art show.
    pub assets: Arc<Assets>,
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
    tracks: Vec<Arc<Track>>,
    /// What is in its slots of art; `None` before [`Engine::mend`] has fetched it, which takes as long as decoding.
    art: Option<Art>,
}

type Overlays = Arc<[Arc<Overlay>]>;

struct Art {
    /// Pictures of slots beside games, made for the best canvas, and scaled for others.
    beside: Vec<(usize, Picture)>,
    /// Over games, one a rendition.
    over: Vec<Overlays>,
}

impl RenderMosaic {
    fn is_running(&self) -> bool {
        !self.encodings.is_empty()
    }
}

/// See the module.
pub struct RenderEngine {
    settings: RenderSettings,
    /// One a rendition: what stands for pictures that were not made.
    missing: Vec<Missing>,
    canvases: Vec<Canvases>,
    mosaics: RwLock<HashMap<MosaicId, Arc<Mutex<RenderMosaic>>>>,
    /// The frame of the last tick, to know which segments can still be whole.
    last_frame: AtomicU64,
    affinities: AtomicU64,
}

impl RenderEngine {
    /// `next_frame` is the first frame that will tick.
    pub fn new(settings: RenderSettings, next_frame: FrameNumber) -> Self {
        let missing = settings.rungs.iter().map(|rung| Missing::of(rung, &settings.shared)).collect();
        let canvases = canvases(settings.rungs.iter().map(|rung| &rung.spec));
        Self {
            settings,
            missing,
            canvases,
            mosaics: RwLock::default(),
            last_frame: AtomicU64::new(next_frame),
            affinities: AtomicU64::new(0),
        }
    }

    fn track(&self, id: &MosaicId, rung: &Rung) -> Arc<Track> {
        self.settings.shared.shelf.track(&track_name(id, rung))
    }

    /// The segment that runs: what has gone by of it stands still in a mosaic that starts.
    fn running_segment(&self) -> SegmentNumber {
        let grid = self.settings.grid;
        grid.segment_of(self.last_frame.load(Ordering::Acquire) + START_MARGIN_FRAMES)
    }

    fn encodings(
        &self,
        id: &MosaicId,
        background: [u8; 3],
        tracks: &[Arc<Track>],
        from: SegmentNumber,
    ) -> Vec<Arc<Encoding>> {
        let encoding = |((rung, track), missing): ((&Rung, &Arc<Track>), &Missing)| {
            let spec = EncodingSpec {
                kind: "render",
                name: format!("{id}/{}", rung.spec.name),
                label: rung.spec.name.clone(),
                settings: rung.settings.clone(),
                check: equal_to(rung.codec.sets().clone()),
                pack: self.packer(rung, missing.clone(), background),
                from,
            };
            Arc::new(Encoding::new(spec, track.clone(), &self.settings.shared))
        };
        self.settings.rungs.iter().zip(tracks).zip(&self.missing).map(encoding).collect()
    }

    /// The pictures of a mosaic's slots of art.
    fn art(&self, spec: &MosaicSpec) -> Art {
        let (layout, assets) = (&spec.layout, &self.settings.assets);
        let piece = |slot: usize, rung: &Rung| {
            let (width, height) = (rung.spec.width, rung.spec.height);
            let (whole, part) = (layout.art_picture_on(slot, width, height), layout.art_on(slot, width, height));
            Some(Piece { asset: spec.art_in(slot)?, whole, part, background: layout.background })
        };
        let draw = |slot: usize| {
            let piece = piece(slot, self.settings.rungs.first()?)?;
            Some((slot, assets.picture(&piece)?))
        };
        let lie_over = |rung: &Rung| {
            let overlay = |slot: usize| piece(slot, rung).and_then(|piece| assets.overlay(&piece, piece.part));
            layout.art_slots(true).filter_map(overlay).collect()
        };
        let over = self.settings.rungs.iter().map(lie_over).collect();
        Art { beside: layout.art_slots(false).filter_map(draw).collect(), over }
    }

    /// The pictures of games and of slots of art on a canvas of `width` x `height`.
    fn draws(mosaic: &RenderMosaic, tick: &Tick, (width, height): (u32, u32)) -> Vec<Draw> {
        let layout = &mosaic.spec.layout;
        let games = mosaic.spec.games.iter().enumerate().filter_map(|(slot, game)| {
            let picture = tick.picture(game)?.clone();
            let rect = fit(picture.width, picture.height, picture.pixel_aspect, layout.picture_on(slot, width, height));
            Some(Draw { picture, rect })
        });
        let beside = mosaic.art.iter().flat_map(|art| &art.beside);
        let beside =
            beside.map(|(slot, picture)| Draw { picture: picture.clone(), rect: layout.art_on(*slot, width, height) });
        games.chain(beside).collect()
    }

    fn job(&self, mosaic: &RenderMosaic, tick: &Tick, canvases: &Canvases) -> Option<Job> {
        let (&(width, height), smaller) = canvases.sizes.split_first()?;
        let over = |rendition: usize| mosaic.art.as_ref().and_then(|art| art.over.get(rendition).cloned());
        let input = |(rendition, size): &(usize, usize)| {
            Some((mosaic.encodings.get(*rendition)?.input(), *size, over(*rendition).unwrap_or_default()))
        };
        let inputs: Vec<(Input, usize, Overlays)> = canvases.takers.iter().filter_map(input).collect();
        let frame = tick.frame;
        let (began, compose_seconds) = (Instant::now(), self.settings.shared.metrics.compose_seconds.clone());
        let is_hdr = canvases.colour.is_hdr_canvas();
        Some(Job {
            affinity: 2 * mosaic.affinity + u64::from(is_hdr),
            colour: canvases.colour,
            canvas: Canvas {
                width,
                height,
                background: mosaic.spec.layout.background,
                draws: Self::draws(mosaic, tick, (width, height)),
            },
            smaller: smaller.to_vec(),
            deliver: Box::new(move |pictures: Vec<Picture>| {
                compose_seconds.observe(began.elapsed().as_secs_f64());
                for (input, size, over) in &inputs {
                    if let Some(picture) = pictures.get(*size) {
                        input.give(frame, lay_over(picture, over));
                    }
                }
            }),
        })
    }
}

fn track_name(id: &MosaicId, rung: &Rung) -> TrackName {
    TrackName::Canvas { mosaic: id.0.clone(), rung: rung.spec.name.as_str().into() }
}

/// What stands for pictures of a rendition that were not made.
#[derive(Clone)]
enum Missing {
    /// Slices that are written, by the format of the rendition.
    H264(Arc<Result<Format, StitchError>>),
    Hevc(Arc<Result<Standstill, String>>),
}

impl Missing {
    fn of(rung: &Rung, shared: &EncodingShared) -> Self {
        let format = |sets: &ParameterSets| -> Result<Format, StitchError> {
            Format::new(Sps::parse(&sets.sps)?, Pps::parse(&sets.pps)?)
        };
        match &rung.codec {
            Codec::H264(sets) => Self::H264(Arc::new(format(sets))),
            Codec::Hevc(sets) | Codec::HevcPq(sets) | Codec::HevcHlg(sets) => {
                Self::Hevc(Arc::new(Standstill::new(shared.encoders(), &rung.settings, sets)))
            }
        }
    }

    /// Appends the pictures of a part that `units` lacks.
    fn fill(
        &self,
        shared: &EncodingShared,
        (grid, at): (&Grid, Position),
        background: [u8; 3],
        units: &mut Vec<AccessUnit>,
    ) -> Result<(), String> {
        let format = match self {
            Self::H264(format) => (**format).as_ref().map_err(ToString::to_string)?,
            Self::Hevc(standstill) => {
                let standstill = (**standstill).as_ref().map_err(Clone::clone)?;
                return standstill.fill(shared.encoders(), (grid, at.segment, at.part), background, units);
            }
        };
        let (gop, first) = (grid.part_gop(at.part), grid.first_frame(at.segment));
        units.extend(gop.pictures().iter().skip(units.len()).map(|picture| AccessUnit {
            frame: first + u64::from(picture.shown),
            sync: picture.kind == PictureKind::Idr,
            data: held(format, *picture, canvas_colour(background)),
        }));
        Ok(())
    }
}

impl RenderEngine {
    /// Keeps parts whole. What an encoder that failed did not make shows the picture before, and the background where it made
    /// nothing: a segment has all its frames.
    fn packer(&self, rung: &Rung, missing: Missing, background: [u8; 3]) -> Pack {
        let (grid, shared, name) = (self.settings.grid, self.settings.shared.clone(), rung.spec.name.clone());
        Box::new(move |at, units| {
            let mut units = units.to_vec();
            if units.len() < grid.part_pictures(at.part).len()
                && let Err(error) = missing.fill(&shared, (&grid, at), background, &mut units)
            {
                tracing::error!(segment = at.segment, rendition = name, error, "the rest of a segment is lost");
                return None;
            }
            Some(Block::Pictures(units.into()))
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
        let from = self.running_segment();
        let first_frame = self.settings.grid.first_frame(from);
        if let Some(known) = mosaics.get(id) {
            let mut known = known.lock();
            if known.is_running() {
                return Ok(self.settings.grid.segment_of(known.first_frame));
            }
            known.encodings = self.encodings(id, known.spec.layout.background, &known.tracks, from);
            known.first_frame = first_frame;
            return Ok(from);
        }
        let tracks: Vec<_> = self.settings.rungs.iter().map(|rung| self.track(id, rung)).collect();
        let mosaic = RenderMosaic {
            spec: spec.clone(),
            first_frame,
            affinity: self.affinities.fetch_add(1, Ordering::Relaxed),
            encodings: self.encodings(id, spec.layout.background, &tracks, from),
            tracks,
            art: None,
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
            .flat_map(|mosaic| {
                let mosaic = mosaic.lock();
                let is_due = mosaic.is_running() && tick.frame >= mosaic.first_frame;
                let due = if is_due { &self.canvases[..] } else { &[] };
                due.iter().filter_map(|canvases| self.job(&mosaic, tick, canvases)).collect::<Vec<_>>()
            })
            .collect()
    }

    fn finished(&self, id: &MosaicId) -> Runs {
        let Some(mosaic) = self.mosaics.read().get(id).cloned() else { return Runs::default() };
        let mosaic = mosaic.lock();
        in_all(&mosaic.tracks)
    }

    fn tracks(&self, id: &MosaicId, _spec: &MosaicSpec, rendition: usize) -> Vec<TrackName> {
        let rung = self.settings.rungs.get(rendition);
        rung.iter().map(|rung| track_name(id, rung)).collect()
    }

    fn gather(&self, _spec: &MosaicSpec, _rendition: usize, _at: Position, blocks: &[Block]) -> Option<Coded> {
        match blocks {
            [Block::Pictures(units)] => Some(Coded::Units(units.clone())),
            _ => None,
        }
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
        for mosaic in mosaics {
            let spec = mosaic.lock().spec.clone();
            if mosaic.lock().art.is_none() {
                let art = self.art(&spec);
                mosaic.lock().art = Some(art);
            }
        }
    }
}
