//! The ladder: which renditions there are, and how the pictures of each are coded. Who encodes, stitches, packages or lists stands on
//! it; it stands on nothing but the grid and sizes of pictures.

mod codec;
mod settings;

pub use codec::{Codec, ParameterSets, VideoCodec};
pub use settings::{LEAST_HEVC_LOOKAHEAD, VideoSettings, lowest_level_idc};

/// One rung of the ladder, as configured.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RenditionSpec {
    /// As in URLs and reports: `1080p`.
    pub name: String,
    pub width: u32,
    pub height: u32,
    pub bitrate_bps: u32,
    pub codec: VideoCodec,
}

impl RenditionSpec {
    pub fn is_hdr(&self) -> bool {
        self.codec.is_hdr()
    }

    /// Whether every player can be expected to play it, so that it may be the only one.
    pub fn plays_everywhere(&self) -> bool {
        self.codec == VideoCodec::H264
    }
}

/// The place of the smallest rendition of those that everything plays, in a ladder that has H.264 before HEVC, each best first.
pub fn smallest(renditions: &[RenditionSpec]) -> Option<usize> {
    renditions.iter().rposition(RenditionSpec::plays_everywhere)
}

/// One rung, and what all encoders of it share, whoever runs them: so a player can go from one mosaic to the next under one init segment.
#[derive(Clone, Debug)]
pub struct Rung {
    pub spec: RenditionSpec,
    /// For whole canvases.
    pub settings: VideoSettings,
    /// The same for all mosaics.
    pub codec: Codec,
}
