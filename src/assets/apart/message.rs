//! What goes over the pipe of a process that draws: JSON behind its length, and bytes behind that where it says so.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::assets::{AssetError, AssetType, moving};

/// Bytes of a message; a refusal says as much as a person reads.
const MOST_BYTES: usize = 4096;
const MOST_TEXT: usize = 400;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
    Check,
    Still {
        size: (u32, u32),
    },
    /// Over and over, each picture at each of them.
    Moving {
        sizes: Vec<(u32, u32)>,
    },
}

/// The one thing that is asked of a process. The file comes behind it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    pub kind: AssetType,
    pub job: Job,
    pub bytes: u64,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Said {
    /// A step, and the processor time that it may take.
    Begins {
        size: Option<(u32, u32)>,
        most_ms: u64,
    },
    Checked {
        size: (u32, u32),
        lasts_ns: u64,
    },
    /// Its pixels come behind it.
    Picture {
        source: (u32, u32),
        lasts_ns: u64,
        is_last: bool,
        bytes: u64,
    },
    Refused(Refusal),
    /// It has nothing to do with the file.
    Broken(String),
}

/// What may be wrong with a file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    Pixels { width: u64, height: u64 },
    Animation,
    Unreadable(String),
    Svg(String),
}

/// As it may stand in an answer and in a log, whoever said it.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MOST_TEXT).collect()
}

impl From<AssetError> for Refusal {
    fn from(error: AssetError) -> Self {
        match error {
            AssetError::Pixels { width, height, .. } => Self::Pixels { width, height },
            AssetError::Animation { .. } => Self::Animation,
            AssetError::Svg(why) => Self::Svg(plain(&why)),
            AssetError::Unreadable(why) => Self::Unreadable(plain(&why)),
            other => Self::Unreadable(plain(&other.to_string())),
        }
    }
}

impl From<Refusal> for AssetError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Pixels { width, height } => crate::assets::check::too_large(width, height),
            Refusal::Animation => moving::too_long(),
            Refusal::Unreadable(why) => Self::Unreadable(plain(&why)),
            Refusal::Svg(why) => Self::Svg(plain(&why)),
        }
    }
}

/// # Errors
/// The pipe's.
pub fn send(pipe: &mut impl Write, message: &impl Serialize) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let length = u32::try_from(text.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    pipe.write_all(&[&length.to_le_bytes()[..], &text].concat())
}

/// The length of a message that may be one.
pub fn length(bytes: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes)).ok().filter(|length| *length <= MOST_BYTES)
}
