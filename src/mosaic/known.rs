//! What the name of a mosaic says, as it is needed to put its parts together: its engine, what it shows, its tracks. Of a bridge, those of both
//! its mosaics.

use std::sync::Arc;

use super::engine::{Coded, Crossing, Engine, Side, gather_part};
use super::spec::MosaicSpec;
use crate::timeline::{Grid, PartNumber, SegmentNumber};
use crate::track::{Block, Position, Shelf, TrackName};

pub(super) struct Known {
    pub engine: Arc<dyn Engine>,
    pub spec: MosaicSpec,
    /// Of each rendition, those that it is made of.
    pub tracks: Vec<Vec<TrackName>>,
    /// Of a bridge, what it was before.
    pub before: Option<Before>,
}

/// What a bridge shows before it goes over to its mosaic in part `begins`.
pub(super) struct Before {
    pub mosaic: Arc<Known>,
    pub begins: PartNumber,
    /// What makes bridges.
    pub bridges: Arc<dyn Engine>,
}

/// What there is on the shelf of a segment, or of some of its parts.
pub(super) struct Lying {
    segment: SegmentNumber,
    rendition: usize,
    /// The part of the first block of each track.
    first: PartNumber,
    own: Vec<Vec<Block>>,
    /// Of what a bridge was before.
    before: Vec<Vec<Block>>,
}

impl Known {
    /// Of all renditions.
    pub fn each_track(&self) -> impl Iterator<Item = &TrackName> {
        let before = self.before.iter().flat_map(|before| before.mosaic.tracks.iter().flatten());
        self.tracks.iter().flatten().chain(before)
    }

    /// Whether nothing in it is encoded as it is shown, so that its tracks run ahead of what is.
    pub fn is_put_down_ahead(&self) -> bool {
        self.each_track().all(TrackName::is_put_down_ahead)
    }

    /// Whether it is made in rendition `rendition`.
    pub fn has(&self, rendition: usize) -> bool {
        let has = |known: &Self| known.tracks.get(rendition).is_some_and(|tracks| !tracks.is_empty());
        has(self) && self.before.as_ref().is_none_or(|before| has(&before.mosaic))
    }

    /// What lies on `shelf` of a segment, or what its part `part` is made of.
    pub async fn lying(
        &self,
        shelf: &dyn Shelf,
        rendition: usize,
        segment: SegmentNumber,
        part: Option<PartNumber>,
    ) -> Option<Lying> {
        // Whoever comes in on a bridge plays from the beginning.
        let first = part.filter(|_| self.before.is_none()).unwrap_or(0);
        let parts = part.map(|part| first..=part);
        let own = blocks(shelf, self.tracks.get(rendition)?, segment, parts.clone()).await?;
        let before = match &self.before {
            Some(before) => blocks(shelf, before.mosaic.tracks.get(rendition)?, segment, parts).await?,
            None => Vec::new(),
        };
        Some(Lying { segment, rendition, first, own, before })
    }

    /// The pictures of part `part`, of which `lying` has the blocks. May take milliseconds.
    pub fn gather(&self, lying: &Lying, part: PartNumber) -> Option<Coded> {
        let Lying { segment, rendition, first, own, before } = lying;
        let at = Position::new(*segment, part);
        let alone = |known: &Known, tracks: &[Vec<Block>]| {
            gather_part(&*known.engine, &known.spec, *rendition, at, (*first, tracks))
        };
        let Some(Before { mosaic, begins, bridges }) = &self.before else { return alone(self, own) };
        if part < *begins {
            return alone(mosaic, before);
        }
        let from = Side { engine: mosaic.engine.kind(), spec: &mosaic.spec, blocks: before };
        let to = Side { engine: self.engine.kind(), spec: &self.spec, blocks: own };
        let crossing = Crossing { begins: *begins, from, to };
        // Where the two do not fit, what was before goes on until the segment ends.
        bridges.bridge(*rendition, at, &crossing).or_else(|| alone(mosaic, before))
    }

    /// Bytes of a segment that no track has: of what stands still.
    pub fn still_bytes(&self, rendition: usize) -> usize {
        self.engine.still_bytes(&self.spec, rendition)
    }

    /// `sizes` of the tracks of segments, as the whole segments are.
    pub fn with_stills(&self, rendition: usize, sizes: Vec<(SegmentNumber, u64)>) -> Vec<(SegmentNumber, u64)> {
        let still = self.still_bytes(rendition) as u64;
        sizes.into_iter().map(|(segment, bytes)| (segment, bytes + still)).collect()
    }

    /// [`Known::gather`] for all parts of a segment.
    pub fn gather_all(&self, grid: &Grid, lying: &Lying) -> Option<Vec<Coded>> {
        (0..grid.parts()).map(|part| self.gather(lying, part)).collect()
    }
}

impl Lying {
    /// Bytes of its own pictures.
    pub fn coded_bytes(&self) -> usize {
        self.own.iter().flatten().map(Block::coded_bytes).sum()
    }
}

/// Of each of `tracks`, the blocks of `parts`, or of the whole segment.
async fn blocks(
    shelf: &dyn Shelf,
    tracks: &[TrackName],
    segment: SegmentNumber,
    parts: Option<std::ops::RangeInclusive<PartNumber>>,
) -> Option<Vec<Vec<Block>>> {
    let mut all = Vec::with_capacity(tracks.len());
    for track in tracks {
        let Some(parts) = parts.clone() else {
            all.push(shelf.segment(track, segment).await?);
            continue;
        };
        let mut blocks = Vec::new();
        for part in parts {
            blocks.push(shelf.get(track, Position::new(segment, part)).await?);
        }
        all.push(blocks);
    }
    Some(all)
}
