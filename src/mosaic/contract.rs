//! What everything after the engines sees of a mosaic: its placement on an engine, its finished segments.

use bytes::Bytes;

use super::images::Image;
use super::shares::Standing;
use super::spec::{EngineChoice, EngineKind, MosaicId, MosaicSpec};
use crate::ladder::RenditionSpec;
use crate::layout::Layout;
use crate::package::Packaged;
use crate::timeline::{PartNumber, SegmentNumber};
use crate::track::{Held, Pending, Position};

/// Where a wanted mosaic is made, and from when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    pub id: MosaicId,
    pub engine: EngineKind,
    /// The first segment that is or will be there in every rendition. Where the mosaic was begun for the asker, it is the one that runs, and
    /// [`LEAD_IN_SEGMENTS`](crate::track::LEAD_IN_SEGMENTS) before it stand still.
    pub first_segment: SegmentNumber,
}

/// What segments took, in bits per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// The segment that took most.
    pub peak_bps: u32,
    pub average_bps: u32,
}

/// Why a mosaic is not to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    #[error("this machine has no room for another mosaic: {detail}")]
    Capacity { detail: String, retry_after_s: u32 },
    /// `reason` is a stable name of which of the tenant's bounds it is.
    #[error("this tenant gets no further mosaic: {detail}")]
    Tenant { detail: String, reason: &'static str, retry_after_s: u32 },
    #[error("engine {} cannot make layout {layout}", .engine.name())]
    EngineUnsuited { engine: EngineKind, layout: String },
}

/// The mosaics of this machine, whichever engine makes them. Implemented by the registry; sessions know no more.
pub trait Mosaics: Send + Sync {
    /// The ladder: H.264 before HEVC, each best first.
    fn renditions(&self) -> &[RenditionSpec];

    /// Codec string (RFC 6381) of a rendition: `avc1.640028`, `hvc1.1.6.L120.90`.
    fn codec(&self, rendition: &str) -> Option<&str>;

    /// The engines of this machine that can make `layout`, the preferred one first.
    fn engines_for(&self, layout: &Layout) -> Vec<EngineKind>;

    /// The name of a mosaic, whether it runs or not, and the engine that it is made by.
    fn name(&self, spec: &MosaicSpec, engine: EngineChoice) -> Result<(MosaicId, EngineKind), AdmitError>;

    /// Wants `spec`: starts it if nobody did, keeps it alive for another 20 s if it runs. Idempotent and quick.
    fn want(&self, spec: &MosaicSpec, engine: EngineChoice) -> Result<Placement, AdmitError>;

    /// [`Mosaics::want`] for the one session that still watches `left` and leaves it for `spec`: what takes no more than that gives
    /// up is taken in however full the machine is.
    fn want_instead(&self, left: &MosaicId, spec: &MosaicSpec, engine: EngineChoice) -> Result<Placement, AdmitError>;

    /// [`Mosaics::want`], or with what is `left` [`Mosaics::want_instead`], for `tenant`, whose share of the machine it is.
    fn want_for(
        &self,
        _tenant: &str,
        left: Option<&MosaicId>,
        spec: &MosaicSpec,
        engine: EngineChoice,
    ) -> Result<Placement, AdmitError> {
        match left {
            None => self.want(spec, engine),
            Some(left) => self.want_instead(left, spec, engine),
        }
    }

    /// What `tenant`'s mosaics have of the processors.
    fn encoding(&self, _tenant: &str) -> Standing {
        Standing::default()
    }

    /// The name of a segment that begins as `from`'s and is `to`'s from part `begins` on, whichever engines make them: a mosaic to all that follow.
    /// `None` where there is none.
    fn bridge(&self, from: &MosaicId, to: &MosaicId, begins: PartNumber) -> Option<MosaicId>;

    /// What a name says that it shows; of a bridge, what it goes over to. `None` for no name of this deployment.
    fn shows(&self, id: &MosaicId) -> Option<MosaicSpec>;

    /// Whether a mosaic is made in a rendition: one that is put together of tiles is not in HEVC.
    fn has(&self, _id: &MosaicId, _rendition: &str) -> bool {
        true
    }

    /// What there is of a mosaic in every rendition. What is put down ahead of time counts once it would be there if it were encoded as it is shown.
    fn held<'a>(&'a self, id: &'a MosaicId) -> Pending<'a, Held>;

    /// What a rendition of a mosaic took in the last minutes, sound apart; `None` where too little of it was made.
    fn rate<'a>(&'a self, id: &'a MosaicId, rendition: &'a str) -> Pending<'a, Option<Rate>>;

    /// Waits until a mosaic has come to `at` in every rendition, for as long as it takes; woken by its own tracks alone.
    fn wait<'a>(&'a self, id: &'a MosaicId, at: Position) -> Pending<'a, ()>;

    /// Bytes of the init segment of a rendition: the same for every mosaic.
    fn init_segment(&self, rendition: &str) -> Option<Bytes>;

    /// Whether `id` is a name this deployment gave, of a mosaic running or not.
    fn signed(&self, id: &str) -> bool;

    /// Segment `segment` of rendition `rendition` of a mosaic, if it is there. It is put together off the async threads.
    fn segment<'a>(
        &'a self,
        id: &'a MosaicId,
        rendition: &'a str,
        segment: SegmentNumber,
    ) -> Pending<'a, Option<Packaged>>;

    /// One part of a segment, as [`Mosaics::segment`].
    fn part<'a>(&'a self, id: &'a MosaicId, rendition: &'a str, at: Position) -> Pending<'a, Option<Packaged>>;

    /// The picture that opens segment `segment`, alone, as [`Mosaics::segment`].
    fn key_picture<'a>(
        &'a self,
        id: &'a MosaicId,
        rendition: &'a str,
        segment: SegmentNumber,
    ) -> Pending<'a, Option<Packaged>>;

    /// A JPEG for scrubbing, made of pictures of the smallest rendition. `None` where the one picture that it shows is not there.
    fn image<'a>(&'a self, _image: &'a Image) -> Pending<'a, Option<Bytes>> {
        Box::pin(async { None })
    }
}
