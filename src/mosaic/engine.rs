//! What an engine owes: the access units of segment `n`, rendition `r`, of mosaic `m`. Everything after the engines
//! (packaging, playlists, sessions) works on this alone and does not know who made them.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;

use super::contract::{EngineKind, GameKey, MosaicId, MosaicSpec};
use crate::compositor::Job;
use crate::encode::{ParameterSets, VideoEncodeError};
use crate::frame::{AccessUnit, Picture};
use crate::hls::cmaf::{self, CmafError, UnitHead};
use crate::hls::runs::Runs;
use crate::layout::Layout;
use crate::stitch::Stitched;
use crate::timeline::{FrameNumber, GopPicture, Grid, SegmentNumber};

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

    /// Starts making `spec`; returns the first segment that will be whole. Quick: encoders open on threads of their own, which
    /// [`Engine::mend`] starts.
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

    /// The access units of one finished segment; `rendition` counts from the best of the ladder.
    fn segment(&self, id: &MosaicId, rendition: usize, segment: SegmentNumber) -> Option<Coded>;

    /// SPS and PPS of a rendition, the same for all mosaics.
    fn parameter_sets(&self, rendition: usize) -> Option<&ParameterSets>;

    /// Cores that making `spec` would take on top of what runs: measured on what runs, or by the trial before anything did.
    fn cost(&self, spec: &MosaicSpec) -> f64;

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

/// A segment's access units, as an engine keeps them.
#[derive(Clone)]
pub enum Coded {
    /// One run of bytes a picture.
    Units(Arc<[AccessUnit]>),
    /// Slices of tiles, to be gathered; one picture for every frame of the segment, in the order of its [`Gop`](crate::timeline::Gop).
    Stitched(Arc<Stitched>),
}

impl Coded {
    /// The CMAF segment. Copies every byte once: milliseconds for large ones.
    pub fn package(&self, grid: &Grid, segment: SegmentNumber) -> Result<Bytes, CmafError> {
        match self {
            Coded::Units(units) => cmaf::video_segment(grid, segment, units),
            Coded::Stitched(stitched) => {
                let first = grid.first_frame(segment);
                let head = |(picture, bytes): (&GopPicture, u32)| {
                    let frame = first + u64::from(picture.shown);
                    UnitHead { frame, sync: picture.shown == 0, bytes: bytes as usize }
                };
                let gop = grid.gop();
                let heads: Vec<UnitHead> = gop.pictures().iter().zip(stitched.sizes()).map(head).collect();
                cmaf::video_segment_of(grid, segment, &heads, |out| stitched.append_to(out))
            }
        }
    }
}
