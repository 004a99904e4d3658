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
use crate::package::{self, CmafError, Packaged, UnitHead};
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
    /// As other mosaics have them, but for the picture that opens a segment, where the part begins with it.
    Shared { opening: Option<Arc<Stitched>>, common: Arc<Common> },
}

/// Pictures that mosaics have in common, and that are written once for all of them.
#[derive(Debug)]
pub struct Common {
    sizes: Vec<u32>,
    bytes: Vec<u8>,
}

impl Common {
    pub(super) fn of(stitched: &Stitched) -> Self {
        let mut bytes = Vec::new();
        stitched.append_to(&mut bytes);
        Self { sizes: stitched.sizes().collect(), bytes }
    }

    /// Their bytes where they lie. They are [`Common`] for as long as anybody has them.
    fn lent(self: &Arc<Self>) -> Bytes {
        struct Lent(Arc<Common>);
        impl AsRef<[u8]> for Lent {
            fn as_ref(&self) -> &[u8] {
                &self.0.bytes
            }
        }
        Bytes::from_owner(Lent(self.clone()))
    }
}

impl Coded {
    /// Bytes of its access units.
    fn sizes(&self) -> Vec<usize> {
        let stitched = |stitched: &Stitched| stitched.sizes().map(|size| size as usize).collect::<Vec<_>>();
        match self {
            Coded::Units(units) => units.iter().map(|unit| unit.data.len()).collect(),
            Coded::Stitched(all) => stitched(all),
            Coded::Shared { opening, common } => {
                let opening = opening.iter().flat_map(|opening| stitched(opening));
                opening.chain(common.sizes.iter().map(|size| *size as usize)).collect()
            }
        }
    }

    /// What boxes say of its access units; `at` is its place.
    fn heads(&self, grid: &Grid, at: Position) -> Vec<UnitHead> {
        if let Coded::Units(units) = self {
            return units.iter().map(UnitHead::from).collect();
        }
        let first = grid.first_frame(at.segment);
        let head = |(picture, bytes): (&GopPicture, usize)| {
            let frame = first + u64::from(picture.shown);
            UnitHead { frame, sync: picture.shown == 0, bytes }
        };
        grid.part_gop(at.part).pictures().iter().zip(self.sizes()).map(head).collect()
    }

    /// Its access units, each by itself.
    pub fn units(&self) -> Vec<Bytes> {
        if let Coded::Units(units) = self {
            return units.iter().map(|unit| unit.data.clone()).collect();
        }
        let mut all = Vec::new();
        self.append_to(&mut all);
        let mut all = Bytes::from(all);
        self.sizes().into_iter().map(|size| all.split_to(size)).collect()
    }

    fn append_to(&self, out: &mut Vec<u8>) {
        match self {
            Coded::Units(units) => units.iter().for_each(|unit| out.extend_from_slice(&unit.data)),
            Coded::Stitched(stitched) => stitched.append_to(out),
            Coded::Shared { opening, common } => {
                opening.iter().for_each(|opening| opening.append_to(out));
                out.extend_from_slice(&common.bytes);
            }
        }
    }

    /// Appends the picture that opens a segment, of which it is the first part.
    fn append_opening_to(&self, out: &mut Vec<u8>) {
        match self {
            Coded::Units(units) => units.iter().take(1).for_each(|unit| out.extend_from_slice(&unit.data)),
            Coded::Stitched(stitched) => {
                let end = out.len() + stitched.sizes().next().unwrap_or(0) as usize;
                stitched.append_to(out);
                out.truncate(end);
            }
            Coded::Shared { opening, .. } => opening.iter().for_each(|opening| opening.append_to(out)),
        }
    }
}

/// The pieces that parts which follow each other have in common with other mosaics, where that is all of them but a picture that comes first.
fn common_pieces(parts: &[Coded]) -> Vec<Bytes> {
    let piece = |(n, coded): (usize, &Coded)| match coded {
        Coded::Shared { opening, common } if n == 0 || opening.is_none() => Some(common.lent()),
        Coded::Shared { .. } | Coded::Units(_) | Coded::Stitched(_) => None,
    };
    parts.iter().enumerate().map(piece).collect::<Option<_>>().unwrap_or_default()
}

/// What is packaged of `parts`: `write` is given how many bytes are in `common`, and what appends the others.
fn packaged(
    parts: &[Coded],
    write: impl FnOnce(usize, &dyn Fn(&mut Vec<u8>)) -> Result<Bytes, CmafError>,
) -> Result<Packaged, CmafError> {
    let common = common_pieces(parts);
    let elsewhere = common.iter().map(Bytes::len).sum();
    let own = write(elsewhere, &|out| match parts.first() {
        Some(first) if !common.is_empty() => first.append_opening_to(out),
        _ => parts.iter().for_each(|coded| coded.append_to(out)),
    })?;
    Ok(Packaged::of(std::iter::once(own).chain(common)))
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
pub fn package_part(grid: &Grid, at: Position, coded: &Coded) -> Result<Packaged, CmafError> {
    let first = grid.first_frame(at.segment);
    let pictures = grid.part_pictures(at.part);
    let frames = first + pictures.start as u64..first + pictures.end as u64;
    packaged(std::slice::from_ref(coded), |elsewhere, append| {
        package::video_fragment_of(grid, at.segment, frames, &coded.heads(grid, at), elsewhere, append)
    })
}

/// The picture that opens segment `n`, of which `coded` is the first part, by itself.
pub fn package_key_picture(grid: &Grid, n: SegmentNumber, coded: &Coded) -> Result<Packaged, CmafError> {
    let bytes = coded.heads(grid, Position::new(n, 0)).first().map_or(0, |first| first.bytes);
    package::video_key_picture(grid, n, bytes, |out| coded.append_opening_to(out)).map(Packaged::from)
}

/// The access unit of the picture that opens a segment, of which `coded` is the first part.
pub(super) fn opening_unit(coded: &Coded) -> Bytes {
    let mut out = Vec::new();
    coded.append_opening_to(&mut out);
    out.into()
}

/// The CMAF segment that `parts` are the parts of. Copies every byte of its own once: milliseconds for large ones.
pub fn package_segment(grid: &Grid, n: SegmentNumber, parts: &[Coded]) -> Result<Packaged, CmafError> {
    let heads: Vec<UnitHead> =
        (0..).zip(parts).flat_map(|(part, coded)| coded.heads(grid, Position::new(n, part))).collect();
    packaged(parts, |elsewhere, append| package::video_segment_of(grid, n, &heads, elsewhere, append))
}
