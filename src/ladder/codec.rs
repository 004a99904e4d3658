//! What a decoder must know before it sees a picture.

use bytes::Bytes;

/// How a rung's pictures are coded: 8 bits a sample, 4:2:0, BT.709 limited, square pixels in all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Codec {
    /// ITU-T H.264, High profile.
    H264(ParameterSets),
}

/// Sequence and picture parameter set (ITU-T H.264, 7.3.2.1 and 7.3.2.2), NAL units without start code or length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSets {
    pub sps: Bytes,
    pub pps: Bytes,
}
