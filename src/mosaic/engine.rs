//! What an engine owes: the access units of segment `n`, rendition `r`, of mosaic `m`. Everything after the engines
//! (packaging, playlists, sessions) works on this alone and does not know who made them.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::contract::{EngineKind, GameKey, MosaicId, MosaicSpec};
use crate::compositor::Job;
use crate::encode::{ParameterSets, VideoEncodeError};
use crate::frame::{AccessUnit, Picture};
use crate::layout::Layout;
use crate::timeline::{FrameNumber, SegmentNumber};

/// One output tick: every running game's picture for one grid frame.
pub struct Tick {
    pub frame: FrameNumber,
    pub pictures: HashMap<GameKey, Picture>,
}

/// Makes the access units of mosaics.
pub trait Engine: Send + Sync {
    fn kind(&self) -> EngineKind;

    /// Whether this engine can make pictures of `layout`.
    fn suits(&self, layout: &Layout) -> bool;

    /// Starts making `spec`; returns the first segment that will be whole. Quick: encoders open on their own threads.
    fn start(&self, id: &MosaicId, spec: &MosaicSpec) -> Result<SegmentNumber, VideoEncodeError>;

    /// Stops encoding a mosaic; what is finished stays in its window until [`Engine::forget`].
    fn stop(&self, id: &MosaicId);

    /// Drops a mosaic's window.
    fn forget(&self, id: &MosaicId);

    /// The canvases due at `tick`.
    fn jobs(&self, tick: &Tick) -> Vec<Job>;

    /// The newest unbroken run of segments finished in every rendition.
    fn finished(&self, id: &MosaicId) -> Option<RangeInclusive<SegmentNumber>>;

    /// Access units of one finished segment; `rendition` counts from the best of the ladder.
    fn access_units(&self, id: &MosaicId, rendition: usize, segment: SegmentNumber) -> Option<Arc<[AccessUnit]>>;

    /// SPS and PPS of a rendition, the same for all mosaics.
    fn parameter_sets(&self, rendition: usize) -> Option<&ParameterSets>;

    /// Processor seconds that one mosaic takes per frame, as measured on what runs; `None` before anything ran.
    fn cost_per_frame(&self) -> Option<f64>;
}
