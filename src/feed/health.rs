//! How a feed is, for operators: what it shows and why, what its source is made of.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::FeedStatus;
use super::apart::ChildHealth;
use super::facts::Facts;
use crate::frame::Colour;
use crate::timeline::MediaTime;

/// Why a feed shows its slate, or is not as it should be. The names are stable: programs branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = HealthReason)]
pub enum Reason {
    /// A source is being tried and nothing has failed yet.
    Connecting,
    /// Other sources are being started: it waits for its turn.
    Waiting,
    /// There is no source that could be tried.
    NoSource,
    /// The source wants another user, password, token or passphrase.
    Unauthorized,
    /// The source's server knows nothing of it.
    NotFound,
    /// The source's host does not answer.
    Unreachable,
    /// The source said that it is over.
    Ended,
    /// The source is silent.
    Stalled,
    /// What comes has no picture that can be decoded.
    NoPicture,
    /// The source leads, or is led, where it may not.
    Forbidden,
    /// The source's pictures, streams or lists are larger or more than is taken.
    TooLarge,
    /// What comes is of a kind that is not decoded here.
    Unsupported,
    /// The machine has no room to decode what comes.
    NoRoom,
    /// The machine is short, and of the games of the tenant that is most above its share this one was added last: nothing of it is decoded for a while.
    OnHold,
    /// Pictures are shown, and some of them are left out because the machine has no room for all.
    Thinned,
    /// Anything else; `last_error` says what.
    Failed,
    /// Pictures are shown, and the source's sound is lost.
    NoSound,
    /// Pictures are shown, and their sound is heard too early or too late.
    SoundOffPicture,
}

/// How a feed is.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedHealth {
    pub status: FeedStatus,
    /// Why the slate is shown, or what is wrong with the sound; `None` while all is well.
    pub reason: Option<Reason>,
    /// Since when the status is what it is.
    pub since: MediaTime,
    /// Which of the game's sources runs or is tried.
    pub source_index: usize,
    /// Why a source was lost last, without anything secret. It stays when pictures come again.
    pub last_error: Option<String>,
    /// How often a source was lost or could not be reached since the start.
    pub reconnects: u64,
    /// Size of the source's pictures in pixels, 0 before the first.
    pub width: u32,
    pub height: u32,
    /// The source's nominal frame rate, as a fraction, where it tells one.
    pub fps: Option<(u32, u32)>,
    /// Of the last picture that was shown.
    pub colour: Option<Colour>,
    /// How much later than its picture sound is heard.
    pub av_offset_ms: Option<f64>,
    /// The process that decodes it, where one of its own does.
    pub child: Option<ChildHealth>,
    /// What the source that runs turned out to be.
    pub facts: Facts,
}
