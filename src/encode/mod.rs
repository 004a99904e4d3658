//! Encoders: pictures and sound in, access units out. Parameters are identical everywhere, so that what two encoders make is
//! interchangeable at every segment boundary.

mod audio;
mod video;

pub use audio::{AudioEncodeError, AudioEncoder};
pub use video::{ParameterSets, VideoEncodeError, VideoEncoder, VideoSettings};
