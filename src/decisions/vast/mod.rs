//! VAST 4 (IAB Tech Lab, Digital Video Ad Serving Template 4.0 to 4.3) as far as a server needs that puts an advertisement into a stream: linear creatives, their media
//! files, and what is to be told (pure).

mod read;
#[cfg(test)]
mod tests;

pub use read::read;
use serde::{Deserialize, Serialize};

/// What is told of an advertisement, in the order in which it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Event {
    Impression,
    Start,
    FirstQuartile,
    Midpoint,
    ThirdQuartile,
    Complete,
    /// It was not shown, and will not be: nothing else is told of it.
    NotUsed,
    /// With a code, in place of its `[ERRORCODE]`.
    Error,
}

impl Event {
    /// Those that `Tracking` elements name; the two others have elements of their own.
    /// All, in their order.
    pub const ALL: [Self; 8] = [
        Self::Impression,
        Self::Start,
        Self::FirstQuartile,
        Self::Midpoint,
        Self::ThirdQuartile,
        Self::Complete,
        Self::NotUsed,
        Self::Error,
    ];

    const TRACKED: [Self; 6] =
        [Self::Start, Self::FirstQuartile, Self::Midpoint, Self::ThirdQuartile, Self::Complete, Self::NotUsed];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Impression => "impression",
            Self::Start => "start",
            Self::FirstQuartile => "firstQuartile",
            Self::Midpoint => "midpoint",
            Self::ThirdQuartile => "thirdQuartile",
            Self::Complete => "complete",
            Self::NotUsed => "notUsed",
            Self::Error => "error",
        }
    }

    /// How far into an advertisement of `duration_ms` it happens; `None` of what is not shown.
    pub const fn at_ms(self, duration_ms: u64) -> Option<u64> {
        match self {
            Self::Impression | Self::Start => Some(0),
            Self::FirstQuartile => Some(duration_ms / 4),
            Self::Midpoint => Some(duration_ms / 2),
            Self::ThirdQuartile => Some(duration_ms / 4 * 3 + duration_ms % 4 * 3 / 4),
            Self::Complete => Some(duration_ms),
            Self::NotUsed | Self::Error => None,
        }
    }
}

/// A place that is told of an event. The address may have macros in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tracking {
    pub event: Event,
    pub url: String,
}

/// A file of a creative.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaFile {
    pub url: String,
    /// In lower case: `video/mp4`.
    pub media_type: String,
    pub width: u32,
    pub height: u32,
    /// Kilobits a second; 0 where it is not said.
    pub bitrate_kbps: u32,
    /// RFC 6381, where it is said.
    pub codec: Option<String>,
}

/// A creative that plays by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linear {
    pub duration_ms: u64,
    pub media: Vec<MediaFile>,
}

/// What an advertisement is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AdKind {
    InLine(Option<Linear>),
    /// What is at another address.
    Wrapper {
        url: String,
        /// Whether that may lead on to a third.
        follows: bool,
    },
}

/// An advertisement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ad {
    pub id: Option<String>,
    /// Its place in a pod; `None` of one that stands alone.
    pub sequence: Option<u32>,
    pub kind: AdKind,
    pub tracking: Vec<Tracking>,
}

/// A whole response. Without ads it is one that has none to show, and `errors` are told of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vast {
    pub ads: Vec<Ad>,
    pub errors: Vec<String>,
}

/// Why something is no response. The code is VAST's own (4.2, 2.3.6.3).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VastError {
    #[error("no XML: {0}")]
    Xml(String),
    #[error("an XML document whose root is {0}, not VAST")]
    Root(String),
    #[error("VAST {0}; 2.0 to 4.x can be read")]
    Version(String),
}

impl VastError {
    pub const fn code(&self) -> u16 {
        match self {
            Self::Xml(_) => 100,
            Self::Root(_) => 101,
            Self::Version(_) => 102,
        }
    }
}
