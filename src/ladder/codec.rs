//! What a decoder must know before it sees a picture.

use bytes::Bytes;

use crate::frame::Colour;

/// What a rendition's pictures are coded in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum VideoCodec {
    /// ITU-T H.264: what everything plays, and what mosaics can be stitched of.
    #[default]
    H264,
    /// ITU-T H.265: fewer bits on boxes that can, and an encoder for each mosaic.
    Hevc,
    /// The same in HDR: ten bits of PQ.
    HevcPq,
    /// Likewise, of HLG.
    HevcHlg,
}

impl VideoCodec {
    pub const ALL: [Self; 4] = [Self::H264, Self::Hevc, Self::HevcPq, Self::HevcHlg];

    /// In what ladders are told apart by.
    pub const fn name(self) -> &'static str {
        match self {
            Self::H264 => "h264",
            Self::Hevc => "hevc",
            Self::HevcPq => "hevc-pq",
            Self::HevcHlg => "hevc-hlg",
        }
    }

    /// The library that encodes it.
    pub const fn library(self) -> &'static str {
        match self {
            Self::H264 => "libx264",
            Self::Hevc | Self::HevcPq | Self::HevcHlg => "libx265",
        }
    }

    pub const fn is_hdr(self) -> bool {
        matches!(self, Self::HevcPq | Self::HevcHlg)
    }

    /// What its canvases are made in.
    pub const fn canvas(self) -> Colour {
        match self {
            Self::H264 | Self::Hevc => Colour::CANVAS,
            Self::HevcPq => Colour::PQ_CANVAS,
            Self::HevcHlg => Colour::HLG_CANVAS,
        }
    }
}

/// How a rung's pictures are coded: 4:2:0 and square pixels in all of them; 8 bits of BT.709 limited, but for those in HDR.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    /// ITU-T H.264, High profile.
    H264(ParameterSets),
    /// ITU-T H.265, Main profile.
    Hevc(ParameterSets),
    /// ITU-T H.265, Main 10 profile: ten bits of [`Colour::PQ_CANVAS`].
    HevcPq(ParameterSets),
    /// Likewise, of [`Colour::HLG_CANVAS`].
    HevcHlg(ParameterSets),
}

impl Codec {
    pub const fn sets(&self) -> &ParameterSets {
        let (Self::H264(sets) | Self::Hevc(sets) | Self::HevcPq(sets) | Self::HevcHlg(sets)) = self;
        sets
    }

    /// Those of H.264, which stitching reads.
    pub const fn h264(&self) -> Option<&ParameterSets> {
        match self {
            Self::H264(sets) => Some(sets),
            Self::Hevc(_) | Self::HevcPq(_) | Self::HevcHlg(_) => None,
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
