//! Encoders: pictures and sound in, access units out. Parameters are identical everywhere, so that what two encoders make is
//! interchangeable at every segment boundary.

mod audio;
mod decode;
mod hevc;
mod intake;
mod silence;
mod video;

pub use audio::{AudioEncodeError, AudioEncoder};
pub use decode::{DecodeError, Decoder, decode};
pub use hevc::HevcEncoder;
pub use silence::silent_frame;
pub use video::{VideoEncodeError, VideoEncoder};

use std::time::Duration;

use crate::frame::{AccessUnit, Picture, Sound, SoundUnit};
use crate::ladder::{ParameterSets, VideoCodec, VideoSettings};
use crate::timeline::FrameNumber;

/// One encoder of pictures at work.
pub trait PictureEncoder: Send {
    fn parameter_sets(&self) -> &ParameterSets;

    /// Takes `picture` in as grid frame `frame`: frames of a segment one after the other, from its first. The access unit that is ready
    /// comes out, in the order of coding.
    fn encode(&mut self, picture: &Picture, frame: FrameNumber) -> Result<Option<AccessUnit>, VideoEncodeError>;

    /// Processor time that threads of its own have taken so far.
    fn threads_cpu_time(&self) -> Duration {
        Duration::ZERO
    }

    /// The next of the access units that are held back, when no picture comes any more.
    fn drain(&mut self) -> Result<Option<AccessUnit>, VideoEncodeError>;
}

/// Where encoders of pictures come from. Tests have others, which fail when told to.
pub trait PictureEncoders: Send + Sync {
    fn open(&self, settings: &VideoSettings) -> Result<Box<dyn PictureEncoder>, VideoEncodeError>;
}

/// `picture` by itself, from an encoder of its own whose parameter sets `check` takes.
///
/// # Errors
/// Why there is none, in words: no encoder, other parameter sets, or nothing came.
pub fn encode_still(
    encoders: &dyn PictureEncoders,
    settings: &VideoSettings,
    check: impl FnOnce(&ParameterSets) -> Result<(), String>,
    picture: &Picture,
) -> Result<AccessUnit, String> {
    // One picture needs no look ahead, which is no part of what decoders are told.
    let settings = VideoSettings { lookahead_frames: 0, ..settings.clone() };
    let mut encoder = encoders.open(&settings).map_err(|e| e.to_string())?;
    check(encoder.parameter_sets())?;
    let unit = match encoder.encode(picture, 0).map_err(|e| e.to_string())? {
        Some(unit) => Some(unit),
        None => encoder.drain().map_err(|e| e.to_string())?,
    };
    unit.ok_or_else(|| "its encoder made nothing".to_owned())
}

/// One encoder of sound at work.
pub trait SoundEncoder: Send {
    /// The sample that the next sound must start with.
    fn next_sample(&self) -> u64;

    /// Takes `sound` in and hands out what is ready.
    fn push(&mut self, sound: &Sound) -> Result<Vec<SoundUnit>, AudioEncodeError>;
}

/// Where encoders of sound come from.
pub trait SoundEncoders: Send + Sync {
    /// An encoder whose first access unit is `first_aac_frame`: sound must start at its first sample.
    fn open(&self, first_aac_frame: u64, bitrate_bps: u32) -> Result<Box<dyn SoundEncoder>, AudioEncodeError>;
}

/// The encoders of the service: libx264's and libx265's for pictures, FFmpeg's AAC for sound.
pub struct Libraries;

impl PictureEncoders for Libraries {
    fn open(&self, settings: &VideoSettings) -> Result<Box<dyn PictureEncoder>, VideoEncodeError> {
        Ok(match settings.codec {
            VideoCodec::H264 => Box::new(VideoEncoder::new(settings)?),
            VideoCodec::Hevc | VideoCodec::HevcPq | VideoCodec::HevcHlg => Box::new(HevcEncoder::new(settings)?),
        })
    }
}

impl SoundEncoders for Libraries {
    fn open(&self, first_aac_frame: u64, bitrate_bps: u32) -> Result<Box<dyn SoundEncoder>, AudioEncodeError> {
        Ok(Box::new(AudioEncoder::new(first_aac_frame, bitrate_bps)?))
    }
}

impl PictureEncoder for VideoEncoder {
    fn parameter_sets(&self) -> &ParameterSets {
        self.parameter_sets()
    }

    fn encode(&mut self, picture: &Picture, frame: FrameNumber) -> Result<Option<AccessUnit>, VideoEncodeError> {
        self.encode(picture, frame)
    }

    fn threads_cpu_time(&self) -> Duration {
        self.threads_cpu_time()
    }

    fn drain(&mut self) -> Result<Option<AccessUnit>, VideoEncodeError> {
        self.drain()
    }
}

impl PictureEncoder for HevcEncoder {
    fn parameter_sets(&self) -> &ParameterSets {
        self.parameter_sets()
    }

    fn encode(&mut self, picture: &Picture, frame: FrameNumber) -> Result<Option<AccessUnit>, VideoEncodeError> {
        self.encode(picture, frame)
    }

    fn threads_cpu_time(&self) -> Duration {
        self.threads_cpu_time()
    }

    fn drain(&mut self) -> Result<Option<AccessUnit>, VideoEncodeError> {
        self.drain()
    }
}

impl SoundEncoder for AudioEncoder {
    fn next_sample(&self) -> u64 {
        self.next_sample()
    }

    fn push(&mut self, sound: &Sound) -> Result<Vec<SoundUnit>, AudioEncodeError> {
        self.push(sound)
    }
}
