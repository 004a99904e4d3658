//! An engine whose mosaics are made already: what serving costs is measured without what making costs.

use std::sync::Arc;

use bytes::Bytes;
use quadrille::compositor::Job;
use quadrille::encode::VideoEncodeError;
use quadrille::frame::AccessUnit;
use quadrille::layout::Layout;
use quadrille::mosaic::{Coded, Engine, EngineKind, MosaicId, MosaicSpec, Tick};
use quadrille::timeline::{Grid, SegmentNumber};
use quadrille::track::{Block, MemoryShelf, Position, Runs, TrackName};

/// The one segment there is.
pub const SEGMENT: SegmentNumber = 46_000_000;

pub struct HeldEngine {
    renditions: Vec<Arc<str>>,
}

impl HeldEngine {
    /// Segments of so many bytes for each rendition, put down on `shelf` where anybody asks for mosaic `id`.
    pub fn new(renditions: &[(&str, usize)]) -> Self {
        Self { renditions: renditions.iter().map(|(name, _)| (*name).into()).collect() }
    }

    pub fn put_down(grid: Grid, shelf: &MemoryShelf, id: &MosaicId, renditions: &[(&str, usize)]) {
        for (rung, length) in renditions {
            let track = shelf.track(&TrackName::Canvas { mosaic: id.0.clone(), rung: (*rung).into() });
            let units = units(grid, *length);
            for part in 0..grid.parts() {
                let block = Block::Pictures(units[grid.part_pictures(part)].into());
                track.append(Position::new(SEGMENT, part), block);
            }
        }
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

    fn tracks(&self, id: &MosaicId, _: &MosaicSpec, rendition: usize) -> Vec<TrackName> {
        vec![TrackName::Canvas { mosaic: id.0.clone(), rung: self.renditions[rendition].clone() }]
    }

    fn gather(&self, _: &MosaicSpec, _: usize, _: Position, blocks: &[Block]) -> Option<Coded> {
        let [Block::Pictures(units)] = blocks else { return None };
        Some(Coded::Units(units.clone()))
    }

    fn cost(&self, _: &MosaicSpec) -> f64 {
        0.0
    }

    fn frees(&self, _: &MosaicId, _: &MosaicSpec) -> f64 {
        0.0
    }

    fn mend(&self) {}
}
