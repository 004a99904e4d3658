//! What a decoder must know before it sees a picture.

use std::str::FromStr;

use bytes::Bytes;

/// What a rendition's pictures are coded in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// ITU-T H.264: what everything plays, and what mosaics can be stitched of.
    #[default]
    H264,
    /// ITU-T H.265: half the bits on boxes that can, and an encoder for each mosaic.
    Hevc,
}

impl VideoCodec {
    pub const ALL: [Self; 2] = [Self::H264, Self::Hevc];

    /// As in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
        }
    }

    /// The library that encodes it.
    pub const fn library(self) -> &'static str {
        match self {
            Self::H264 => "libx264",
            Self::Hevc => "libx265",
        }
    }
}

/// A text that names no codec.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no codec of a rendition")]
pub struct VideoCodecError(String);

impl FromStr for VideoCodec {
    type Err = VideoCodecError;

    fn from_str(text: &str) -> Result<Self, VideoCodecError> {
        let named = Self::ALL.into_iter().find(|codec| codec.name() == text);
        named.ok_or_else(|| VideoCodecError(text.chars().take(40).collect()))
    }
}

/// How a rung's pictures are coded: 8 bits a sample, 4:2:0, BT.709 limited, square pixels in all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    /// ITU-T H.264, High profile.
    H264(ParameterSets),
    /// ITU-T H.265, Main profile.
    Hevc(ParameterSets),
}

impl Codec {
    pub const fn sets(&self) -> &ParameterSets {
        let (Self::H264(sets) | Self::Hevc(sets)) = self;
        sets
    }

    /// Those of H.264, which stitching reads.
    pub const fn h264(&self) -> Option<&ParameterSets> {
        match self {
            Self::H264(sets) => Some(sets),
            Self::Hevc(_) => None,
        }
    }
}

/// Sequence and picture parameter set (ITU-T H.264, 7.3.2.1 and 7.3.2.2; H.265, 7.3.2.2 and 7.3.2.3), NAL units without start code or length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSets {
    /// HEVC's video parameter set (H.265, 7.3.2.1); empty for H.264, which has none.
    pub vps: Bytes,
    pub sps: Bytes,
    pub pps: Bytes,
}

impl ParameterSets {
    /// In the order in which a stream has them.
    pub fn each(&self) -> impl Iterator<Item = &Bytes> {
        [&self.vps, &self.sps, &self.pps].into_iter().filter(|set| !set.is_empty())
    }
}
