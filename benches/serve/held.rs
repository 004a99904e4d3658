//! An engine whose mosaics are made already: what serving costs is measured without what making costs.

use std::sync::Arc;

use bytes::Bytes;
use quadrille::compositor::Job;
use quadrille::encode::{ParameterSets, VideoEncodeError};
use quadrille::frame::AccessUnit;
use quadrille::hls::runs::Runs;
use quadrille::layout::Layout;
use quadrille::mosaic::{Coded, Engine, EngineKind, MosaicId, MosaicSpec, RenditionSpec, Tick, ladder};
use quadrille::timeline::{Grid, SegmentNumber};

/// The one segment there is.
pub const SEGMENT: SegmentNumber = 46_000_000;

pub struct HeldEngine {
    sets: Vec<ParameterSets>,
    units: Vec<Arc<[AccessUnit]>>,
}

impl HeldEngine {
    /// Segments of `lengths` bytes, one a rendition.
    pub fn new(grid: Grid, renditions: &[RenditionSpec], lengths: &[usize]) -> Self {
        let rungs = ladder(grid, renditions, "veryfast", 10, None).expect("x264 opens");
        let sets = rungs.into_iter().map(|rung| rung.sets).collect();
        Self { sets, units: lengths.iter().map(|length| units(grid, *length)).collect() }
    }
}

/// A segment's access units with `length` bytes in all, the first as large as ten others.
fn units(grid: Grid, length: usize) -> Arc<[AccessUnit]> {
    let frames = u64::from(grid.segment_frames());
    let share = length / (frames as usize + 9);
    let first = grid.first_frame(SEGMENT);
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let mut byte = || {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        (noise >> 56) as u8
    };
    let unit = |n: u64| {
        let length = if n == 0 { share * 10 } else { share };
        let data: Bytes = (0..length).map(|_| byte()).collect();
        AccessUnit { frame: first + n, sync: n == 0, data }
    };
    (0..frames).map(unit).collect()
}

impl Engine for HeldEngine {
    fn kind(&self) -> EngineKind {
        EngineKind::Render
    }

    fn suits(&self, _: &Layout) -> bool {
        true
    }

    fn start(&self, _: &MosaicId, _: &MosaicSpec) -> Result<SegmentNumber, VideoEncodeError> {
        Ok(SEGMENT)
    }

    fn stop(&self, _: &MosaicId) {}

    fn forget(&self, _: &MosaicId) {}

    fn jobs(&self, _: &Tick) -> Vec<Job> {
        Vec::new()
    }

    fn finished(&self, _: &MosaicId) -> Runs {
        Runs::from(SEGMENT..=SEGMENT)
    }

    fn segment(&self, _: &MosaicId, rendition: usize, segment: SegmentNumber) -> Option<Coded> {
        self.units.get(rendition).filter(|_| segment == SEGMENT).cloned().map(Coded::Units)
    }

    fn parameter_sets(&self, rendition: usize) -> Option<&ParameterSets> {
        self.sets.get(rendition)
    }

    fn cost(&self, _: &MosaicSpec) -> f64 {
        0.0
    }

    fn frees(&self, _: &MosaicId, _: &MosaicSpec) -> f64 {
        0.0
    }

    fn mend(&self) {}
}
