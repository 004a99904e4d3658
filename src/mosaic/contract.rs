//! What everything after the engines sees of a mosaic: its identity, its placement on an engine, its finished segments.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::hls::runs::Runs;
use crate::layout::Layout;
use crate::timeline::SegmentNumber;

/// Name of a game inside the service, unique over all tenants (a tenant's own game is `tenant/id`, a shared one `id`).
pub type GameKey = Arc<str>;

/// A layout with a game in each slot: the identity of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MosaicSpec {
    pub layout: Arc<Layout>,
    /// One game for each slot of the layout, in slot order; a game may come twice.
    pub games: Vec<GameKey>,
}

/// A mosaic's name in URLs: lower-case hex, a keyed digest of everything that decides its bytes. Stable over restarts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MosaicId(pub Arc<str>);

impl fmt::Display for MosaicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What makes a mosaic's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum EngineKind {
    Render,
    Stitch,
}

impl EngineKind {
    pub const fn name(self) -> &'static str {
        match self {
            EngineKind::Render => "render",
            EngineKind::Stitch => "stitch",
        }
    }
}

/// What a session asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EngineChoice {
    #[default]
    Auto,
    Only(EngineKind),
}

/// One rung of the ladder.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RenditionSpec {
    /// As in URLs and reports: `1080p`.
    pub name: String,
    pub width: u32,
    pub height: u32,
    pub bitrate_bps: u32,
}

/// Where a wanted mosaic is made, and from when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    pub id: MosaicId,
    pub engine: EngineKind,
    /// The first segment that is or will be there in every rendition.
    pub first_segment: SegmentNumber,
}

/// Why a mosaic is not to be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AdmitError {
    #[error("this machine has no room for another mosaic: {detail}")]
    Capacity { detail: String, retry_after_s: u32 },
    #[error("engine {} cannot make layout {layout}", .engine.name())]
    EngineUnsuited { engine: EngineKind, layout: String },
}

/// The mosaics of this machine, whichever engine makes them. Implemented by the registry; sessions know no more.
pub trait Mosaics: Send + Sync {
    /// The ladder, best first.
    fn renditions(&self) -> &[RenditionSpec];

    /// Codec string (RFC 6381) of a rendition: `avc1.640028`.
    fn codec(&self, rendition: &str) -> Option<&str>;

    /// The engines of this machine that can make `layout`, the preferred one first.
    fn engines_for(&self, layout: &Layout) -> Vec<EngineKind>;

    /// Wants `spec`: starts it if nobody did, keeps it alive for another 20 s if it runs. Idempotent and quick.
    fn want(&self, spec: &MosaicSpec, engine: EngineChoice) -> Result<Placement, AdmitError>;

    /// [`Mosaics::want`] for the one session that still watches `left` and leaves it for `spec`: what takes no more than that gives
    /// up is taken in however full the machine is.
    fn want_instead(&self, left: &MosaicId, spec: &MosaicSpec, engine: EngineChoice) -> Result<Placement, AdmitError>;

    /// The segments of a mosaic that are finished in every rendition and still in the window.
    fn segments(&self, id: &MosaicId) -> Runs;

    /// Bytes of the init segment of a rendition: the same for every mosaic.
    fn init_segment(&self, rendition: &str) -> Option<Bytes>;

    /// Whether `id` is a name this deployment gave, of a mosaic running or not.
    fn signed(&self, id: &str) -> bool;

    /// Whether [`Mosaics::segment`] would answer at once, without packaging.
    fn is_hot(&self, id: &MosaicId, rendition: &str, segment: SegmentNumber) -> bool;

    /// Bytes of segment `segment` of rendition `rendition` of a mosaic, if it is in the window. May take milliseconds: call
    /// it off the async threads if it is not [`Mosaics::is_hot`].
    fn segment(&self, id: &MosaicId, rendition: &str, segment: SegmentNumber) -> Option<Bytes>;

    /// Waits for the next change in any mosaic's or game's finished segments: a receiver whose value is a counter.
    fn finished(&self) -> tokio::sync::watch::Receiver<u64>;
}
