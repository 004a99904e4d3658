//! What can be wrong with a feed's surroundings or its source.

use super::health::Reason;
use super::on_hold::OnHold;
use crate::reach::Denied;

/// Why feeds cannot run on this machine at all. Shown at start, once.
#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("GStreamer does not start: {0}")]
    GStreamer(#[from] gstreamer::glib::Error),
    #[error("GStreamer element {element} is missing: install the Debian package {package}")]
    ElementMissing { element: &'static str, package: &'static str },
}

/// Why a source URI is refused or a source does not run. The text is for operators: it ends up in a feed's health.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, thiserror::Error)]
pub enum SourceError {
    #[error("scheme {scheme:?} is not one of file, http, https, srt, udp, rtp, rtmp, test")]
    Scheme { scheme: String },
    #[error("{uri}: {problem}")]
    Uri { uri: String, problem: String },
    #[error("the source ended")]
    Ended,
    #[error("no picture for {seconds} s")]
    Stalled { seconds: u64 },
    #[error("the source has no picture that can be decoded")]
    NoPicture,
    #[error("the game has no sources")]
    NoSource,
    #[error("on hold: {0}")]
    OnHold(OnHold),
    /// What comes could be decoded, and the machine has no room for it.
    #[error("{0}")]
    NoRoom(String),
    #[error("the process that decodes it hangs")]
    Hangs,
    #[error("wrong passphrase: the two ends of the SRT connection have different ones")]
    WrongPassphrase,
    #[error(
        "one end of the SRT connection encrypts and the other does not: a passphrase is missing, or none is expected"
    )]
    OneSidedEncryption,
    #[error("the SRT caller was turned away: it names another stream id")]
    OtherStreamId,
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Larger, faster or more than is decoded here.
    #[error("{0}")]
    TooLarge(String),
    /// Media of a kind that is not decoded here.
    #[error("{0}")]
    Unsupported(String),
    /// What an element of the pipeline has to say.
    #[error("{text}")]
    Element { reason: Reason, text: String },
    #[error("{0}")]
    Pipeline(String),
}

impl SourceError {
    /// Why there is a slate, when this is why there is no source.
    pub(super) fn reason(&self) -> Reason {
        match self {
            SourceError::Ended => Reason::Ended,
            SourceError::Stalled { .. } => Reason::Stalled,
            SourceError::NoPicture => Reason::NoPicture,
            SourceError::NoSource => Reason::NoSource,
            SourceError::OnHold(_) => Reason::OnHold,
            SourceError::NoRoom(_) => Reason::NoRoom,
            SourceError::WrongPassphrase | SourceError::OneSidedEncryption | SourceError::OtherStreamId => {
                Reason::Unauthorized
            }
            SourceError::Element { reason, .. } => *reason,
            SourceError::Denied(Denied::Name { .. }) => Reason::Unreachable,
            SourceError::Denied(Denied::Unreadable(_) | Denied::NoFile) => Reason::Failed,
            SourceError::Denied(_) => Reason::Forbidden,
            SourceError::TooLarge(_) => Reason::TooLarge,
            SourceError::Unsupported(_) => Reason::Unsupported,
            SourceError::Scheme { .. } | SourceError::Uri { .. } | SourceError::Pipeline(_) | SourceError::Hangs => {
                Reason::Failed
            }
        }
    }
}
