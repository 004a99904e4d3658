//! Encoders: pictures and sound in, access units out. Parameters are identical everywhere, so that what two encoders make is
//! interchangeable at every segment boundary.

mod audio;
mod decode;
mod video;

pub use audio::{AudioEncodeError, AudioEncoder};
pub use decode::{DecodeError, Decoder, decode};
pub use video::{ParameterSets, TileSettings, VideoEncodeError, VideoEncoder, VideoSettings, lowest_level_idc};
