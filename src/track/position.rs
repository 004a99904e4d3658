//! A place on a track.

use crate::timeline::{Grid, PartNumber, SegmentNumber};

/// One block of a track, or how far a track has come: to the end of this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub segment: SegmentNumber,
    pub part: PartNumber,
}

impl Position {
    pub const fn new(segment: SegmentNumber, part: PartNumber) -> Self {
        Self { segment, part }
    }

    /// The last one of `segment`.
    pub const fn end_of(grid: &Grid, segment: SegmentNumber) -> Self {
        Self { segment, part: grid.parts() - 1 }
    }

    /// The one after it.
    pub const fn next(self, grid: &Grid) -> Self {
        if self.part + 1 < grid.parts() {
            Self { segment: self.segment, part: self.part + 1 }
        } else {
            Self { segment: self.segment + 1, part: 0 }
        }
    }
}
