//! What a running source turned out to be, and why something of it is missing: for operators.

use std::sync::Arc;

use gstreamer as gst;
use serde::{Deserialize, Serialize};

use super::texts::TextOrigin;
use crate::captions::cea::{Described, Service};

/// What is known of the source that runs; everything is `None` before it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// As `mpeg-ts`, `mp4`, `matroska`.
    pub container: Option<String>,
    pub video: Option<VideoFacts>,
    pub audio: Option<AudioFacts>,
    /// What the sound's tags say is spoken (RFC 5646): `de`, or `und` where they say that they don't know.
    pub language: Option<String>,
    /// What its playlist says is spoken in the main sound (RFC 5646).
    pub listed_language: Option<String>,
    /// What the source's tables say of its captions.
    pub captions: Vec<Described>,
    /// Media comes, and no picture yet from which on it decodes whole: nothing is shown.
    pub awaits_clean_point: bool,
    /// Why there are no pictures, where the pipeline knows.
    pub dark_because: Option<String>,
    /// What is wrong with a transport stream's tables: no such programme, no picture in any.
    pub stream_trouble: Option<String>,
    /// Of a playlist with several: the variant that was chosen.
    pub variant: Option<String>,
    /// What was not to be fetched lately.
    pub fetch_trouble: Option<String>,
    /// Pictures may be missing for a while: a segment is left out, or the playlist is about to go on.
    pub pauses: bool,
    /// Its playlist had not ended when it was read first: the game goes on, whatever is done here.
    pub lives: bool,
    /// Texts that its playlist lists, of which there is something to be had.
    #[serde(skip)]
    pub texts: Vec<Arc<TextOrigin>>,
    /// Why none of the pictures is decoded though they could be.
    pub no_room: Option<String>,
    /// Why some of the pictures are left out, where that is not for the source's own sake.
    pub thinned_because: Option<String>,
    /// Bits per second of what is decoded, lately.
    pub bitrate_bps: Option<u64>,
    /// What is to be said of the sound that is heard.
    pub sound_note: Option<String>,
    /// Why there is no sound though the source may have some.
    pub silent_because: Option<String>,
}

impl Facts {
    /// What a service of captions is written in (RFC 5646), where the source's tables say so.
    pub fn caption_language(&self, service: Service) -> Option<String> {
        let described = self.captions.iter().find(|described| described.service == service)?;
        Some(described.language.clone())
    }

    /// What is wrong at present, the worst first.
    pub fn trouble(&self) -> Option<&str> {
        let all = [
            &self.no_room,
            &self.dark_because,
            &self.stream_trouble,
            &self.silent_because,
            &self.thinned_because,
            &self.sound_note,
            &self.fetch_trouble,
        ];
        all.into_iter().flatten().map(String::as_str).next()
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoFacts {
    /// As `h264`, `hevc`, `mpeg2`; a media type where it has no short name.
    pub codec: String,
    pub profile: Option<String>,
    /// Coded size in pixels, 0 before it is known.
    pub width: u32,
    pub height: u32,
    /// Pictures a second as a fraction, where the source tells.
    pub fps: Option<(u32, u32)>,
    pub interlaced: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudioFacts {
    /// As `aac`, `ac3`, `mp2`; a media type where it has no short name.
    pub codec: String,
    /// 0 before it is known.
    pub channels: u32,
    pub sample_rate_hz: u32,
}

/// Media types and what people call them.
const NAMES: [(&str, &str); 28] = [
    ("video/mpegts", "mpeg-ts"),
    ("video/quicktime", "mp4"),
    ("video/x-matroska", "matroska"),
    ("audio/x-matroska", "matroska"),
    ("video/webm", "webm"),
    ("video/x-flv", "flv"),
    ("application/x-hls", "hls"),
    ("application/ogg", "ogg"),
    ("video/x-msvideo", "avi"),
    ("application/mxf", "mxf"),
    ("video/x-h264", "h264"),
    ("video/x-h265", "hevc"),
    ("video/x-av1", "av1"),
    ("video/x-vp8", "vp8"),
    ("video/x-vp9", "vp9"),
    ("video/x-raw", "raw"),
    ("image/jpeg", "mjpeg"),
    ("image/x-jpc", "jpeg2000"),
    ("audio/x-ac3", "ac3"),
    ("audio/x-eac3", "eac3"),
    ("audio/ac3", "ac3"),
    ("audio/x-dts", "dts"),
    ("audio/x-opus", "opus"),
    ("audio/x-vorbis", "vorbis"),
    ("audio/x-flac", "flac"),
    ("audio/x-raw", "pcm"),
    ("audio/x-smpte-302m", "smpte302m"),
    ("audio/x-private1-lpcm", "lpcm"),
];

/// The short name of what `caps` describe.
pub(super) fn name_of(caps: &gst::CapsRef) -> String {
    let Some(structure) = caps.structure(0) else { return "unknown".into() };
    let media = structure.name().as_str();
    let number = |field| structure.get::<i32>(field).ok();
    match (media, number("mpegversion"), number("layer")) {
        ("video/mpeg", Some(4), _) => "mpeg4".into(),
        ("video/mpeg", Some(version), _) => {
            if structure.get::<bool>("systemstream") == Ok(true) {
                "mpeg-ps".into()
            } else {
                format!("mpeg{version}")
            }
        }
        ("audio/mpeg", Some(2 | 4), _) => "aac".into(),
        ("audio/mpeg", Some(1), Some(layer)) => format!("mp{layer}"),
        ("audio/mpeg", Some(1), None) => "mpeg-audio".into(),
        _ => NAMES.iter().find(|(from, _)| *from == media).map_or(media, |(_, to)| to).to_owned(),
    }
}

impl VideoFacts {
    pub(super) fn of(caps: &gst::CapsRef) -> Self {
        let structure = caps.structure(0);
        let number = |field: &str| structure.and_then(|s| s.get::<i32>(field).ok());
        let text = |field: &str| structure.and_then(|s| s.get::<String>(field).ok());
        let fps = structure.and_then(|s| s.get::<gst::Fraction>("framerate").ok()).and_then(|f| {
            let (num, den) = (u32::try_from(f.numer()).ok()?, u32::try_from(f.denom()).ok()?);
            (num > 0 && den > 0).then_some((num, den))
        });
        Self {
            codec: name_of(caps),
            profile: text("profile"),
            width: number("width").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            height: number("height").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            fps,
            interlaced: text("interlace-mode").is_some_and(|mode| mode != "progressive"),
        }
    }
}

impl AudioFacts {
    pub(super) fn of(caps: &gst::CapsRef) -> Self {
        let number = |field: &str| caps.structure(0).and_then(|s| s.get::<i32>(field).ok());
        Self {
            codec: name_of(caps),
            channels: number("channels").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            sample_rate_hz: number("rate").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
        }
    }
}
