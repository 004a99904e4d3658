//! What an engine owes: the access units of segment `n`, rendition `r`, of mosaic `m`. Everything after the engines
//! (packaging, playlists, sessions) works on this alone and does not know who made them.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::spec::{EngineKind, GameKey, MosaicId, MosaicSpec};
use crate::compositor::Job;
use crate::encode::VideoEncodeError;
use crate::frame::{AccessUnit, Picture};
use crate::layout::Layout;
use crate::package::{self, CmafError, UnitHead};
use crate::stitch::Stitched;
use crate::timeline::{FrameNumber, GopPicture, Grid, PartNumber, SegmentNumber};
use crate::track::{Block, Position, Runs, TrackName};

/// One output tick: every game's picture for one grid frame.
pub struct Tick {
    pub frame: FrameNumber,
    /// Of the games that run.
    pub pictures: HashMap<GameKey, Picture>,
    /// Slates of games that were removed, for the mosaics that still show them.
    pub removed: HashMap<GameKey, Picture>,
    /// Of the games that run, for where nothing was encoded of their pictures.
    pub cards: HashMap<GameKey, Picture>,
}

impl Tick {
    pub fn card(&self, game: &GameKey) -> Option<&Picture> {
        self.cards.get(game).or_else(|| self.removed.get(game))
    }

    pub fn picture(&self, game: &GameKey) -> Option<&Picture> {
        self.pictures.get(game).or_else(|| self.removed.get(game))
    }
}

/// Makes the access units of mosaics.
pub trait Engine: Send + Sync {
    fn kind(&self) -> EngineKind;

    /// Whether this engine can make pictures of `layout`.
    fn suits(&self, layout: &Layout) -> bool;

    /// Whether there is room for what is made for `spec` alone, beside that which admission counts.
    fn has_room(&self, _spec: &MosaicSpec) -> bool {
        true
    }

    /// Starts making `spec`; returns the first segment that shows more than a still: as a rule the one that runs. Quick: encoders open on
    /// threads of their own, which [`Engine::mend`] starts.
    fn start(&self, id: &MosaicId, spec: &MosaicSpec) -> Result<SegmentNumber, VideoEncodeError>;

    /// Stops encoding a mosaic; what is finished stays in its window until [`Engine::forget`].
    fn stop(&self, id: &MosaicId);

    /// Drops a mosaic's window.
    fn forget(&self, id: &MosaicId);

    /// The canvases due at `tick`. Called by the tick's thread: no lock that this takes is held anywhere while a thread, an
    /// encoder or a file is waited for.
    fn jobs(&self, tick: &Tick) -> Vec<Job>;

    /// The segments finished in every rendition.
    fn finished(&self, id: &MosaicId) -> Runs;

    /// The tracks that a mosaic's rendition is made of, in the order in which [`Engine::gather`] takes their blocks; `rendition` counts from
    /// the best of the ladder. From the names alone: the mosaic need not run.
    fn tracks(&self, id: &MosaicId, spec: &MosaicSpec, rendition: usize) -> Vec<TrackName>;

    /// The pictures of one part, of the blocks that its tracks have there. May take milliseconds.
    fn gather(&self, spec: &MosaicSpec, rendition: usize, at: Position, blocks: &[Block]) -> Option<Coded>;

    /// Bytes of a segment that are on none of its tracks, as far as they are known.
    fn still_bytes(&self, _spec: &MosaicSpec, _rendition: usize) -> usize {
        0
    }

    /// The pictures of part `at` of a bridge, which is none before the one that it goes over in. `None` where this engine makes none, or cannot.
    fn bridge(&self, _rendition: usize, _at: Position, _crossing: &Crossing<'_>) -> Option<Coded> {
        None
    }

    /// Cores that making `spec` would take on top of what runs: measured on what runs, or by the trial before anything did.
    fn cost(&self, spec: &MosaicSpec) -> f64;

    /// Cores that `spec` takes that no mosaic that runs shares with it, whether they are spent ahead of demand already or not.
    fn takes(&self, spec: &MosaicSpec) -> f64 {
        self.cost(spec)
    }

    /// Cores that are free once `id` runs no more, if `instead` runs: what nobody else shares with it.
    fn frees(&self, id: &MosaicId, instead: &MosaicSpec) -> f64;

    /// Starts the threads that are missing: those of what was just started, and those that could not be had before or died. Called
    /// about once a second and after [`Engine::start`], never by the tick: it waits for the system.
    fn mend(&self);

    /// Called about once a second: an engine may begin work ahead of demand, asking `admit` for the cores of each piece and
    /// going without what is not admitted.
    fn tend(&self, _admit: &mut dyn FnMut(f64) -> bool) {}

    /// Gives up work that nobody wants yet, until about `cores` are free; how many were.
    fn give_up(&self, _cores: f64) -> f64 {
        0.0
    }
}

/// A bridge: a segment that begins as `from`'s and is `to`'s from the first reference picture of part `begins` on.
pub struct Crossing<'a> {
    pub begins: PartNumber,
    pub from: Side<'a>,
    pub to: Side<'a>,
}

/// One of the two mosaics of a bridge.
pub struct Side<'a> {
    pub engine: EngineKind,
    pub spec: &'a MosaicSpec,
    /// Of each of its tracks, the blocks of the segment from part 0 on, as many as are needed.
    pub blocks: &'a [Vec<Block>],
}

/// The access units of one part of a segment.
#[derive(Clone)]
pub enum Coded {
    /// One run of bytes a picture.
    Units(Arc<[AccessUnit]>),
    /// Slices of tiles, to be written one after the other: the part's pictures in the order of its [`Gop`](crate::timeline::Gop).
    Stitched(Arc<Stitched>),
}

impl Coded {
    /// What boxes say of its access units; `at` is its place.
    fn heads(&self, grid: &Grid, at: Position) -> Vec<UnitHead> {
        match self {
            Coded::Units(units) => units.iter().map(UnitHead::from).collect(),
            Coded::Stitched(stitched) => {
                let first = grid.first_frame(at.segment);
                let head = |(picture, bytes): (&GopPicture, u32)| {
                    let frame = first + u64::from(picture.shown);
                    UnitHead { frame, sync: picture.shown == 0, bytes: bytes as usize }
                };
                grid.part_gop(at.part).pictures().iter().zip(stitched.sizes()).map(head).collect()
            }
        }
    }

    fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Coded::Units(units) => units.iter().for_each(|unit| out.extend_from_slice(&unit.data)),
            Coded::Stitched(stitched) => stitched.append_to(out),
        }
    }
}

/// The parts of segment `n`, of the blocks that each of its tracks has of it.
pub fn gather_segment(
    engine: &dyn Engine,
    spec: &MosaicSpec,
    rendition: usize,
    grid: &Grid,
    n: SegmentNumber,
    tracks: &[Vec<Block>],
) -> Option<Vec<Coded>> {
    (0..grid.parts()).map(|part| gather_part(engine, spec, rendition, Position::new(n, part), (0, tracks))).collect()
}

/// Part `at`, of the blocks that each of its tracks has from part `first` on.
pub(super) fn gather_part(
    engine: &dyn Engine,
    spec: &MosaicSpec,
    rendition: usize,
    at: Position,
    (first, tracks): (PartNumber, &[Vec<Block>]),
) -> Option<Coded> {
    let nth = at.part.checked_sub(first)? as usize;
    let blocks: Option<Vec<Block>> = tracks.iter().map(|blocks| blocks.get(nth).cloned()).collect();
    engine.gather(spec, rendition, at, &blocks?)
}

/// The CMAF chunk of one part.
pub fn package_part(grid: &Grid, at: Position, coded: &Coded) -> Result<Bytes, CmafError> {
    let first = grid.first_frame(at.segment);
    let pictures = grid.part_pictures(at.part);
    let frames = first + pictures.start as u64..first + pictures.end as u64;
    package::video_fragment_of(grid, at.segment, frames, &coded.heads(grid, at), |out| coded.append_to(out))
}

/// The picture that opens segment `n`, of which `coded` is the first part, by itself.
pub fn package_key_picture(grid: &Grid, n: SegmentNumber, coded: &Coded) -> Result<Bytes, CmafError> {
    let bytes = coded.heads(grid, Position::new(n, 0)).first().map_or(0, |first| first.bytes);
    package::video_key_picture(grid, n, bytes, |out| {
        let end = out.len() + bytes;
        coded.append_to(out);
        out.truncate(end);
    })
}

/// The access unit of the picture that opens a segment, of which `coded` is the first part.
pub(super) fn opening_unit(coded: &Coded) -> Bytes {
    match coded {
        Coded::Units(units) => units.first().map(|unit| unit.data.clone()).unwrap_or_default(),
        Coded::Stitched(stitched) => {
            let mut out = Vec::new();
            stitched.append_to(&mut out);
            out.truncate(stitched.sizes().next().unwrap_or(0) as usize);
            out.into()
        }
    }
}

/// The CMAF segment that `parts` are the parts of. Copies every byte once: milliseconds for large ones.
pub fn package_segment(grid: &Grid, n: SegmentNumber, parts: &[Coded]) -> Result<Bytes, CmafError> {
    let heads: Vec<UnitHead> =
        (0..).zip(parts).flat_map(|(part, coded)| coded.heads(grid, Position::new(n, part))).collect();
    package::video_segment_of(grid, n, &heads, |out| parts.iter().for_each(|coded| coded.append_to(out)))
}
