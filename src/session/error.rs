//! Why a session request was refused, with the stable codes of the HTTP contract.

use crate::market::Restriction;
use crate::mosaic::{AdmitError, EngineKind};
use crate::store::StoreError;
use crate::usage::CapReached;

/// A refusal. The message is for people; [`SessionError::code`] is for programs and never changes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    #[error("a session shows one to four games, not {given}")]
    GamesCount { given: usize },
    #[error("there is no game {id:?}")]
    GameUnknown { id: String },
    #[error("there is no market {id:?}; the tenant has {}", listed(.there))]
    MarketUnknown { id: String, there: Vec<String> },
    #[error("this key's sessions are made in market {own:?}, not in {id:?}")]
    MarketForbidden { id: String, own: String },
    /// `allowed`: of what it is limited to.
    #[error("{}", restricted(.id, *.why, .market.as_deref(), .allowed))]
    GameRestricted { id: String, why: Restriction, market: Option<String>, allowed: Vec<String> },
    #[error("{}", outside(.region.as_deref(), .market, .allowed))]
    RegionRestricted { region: Option<String>, market: String, allowed: Vec<String> },
    #[error("there is no layout {id:?}; of {games} games there are {}", .fitting.join(", "))]
    LayoutUnknown { id: String, games: usize, fitting: Vec<String> },
    #[error("layout {layout} has {slots} slots, but {games} games were given; of {games} there are {}", .fitting.join(", "))]
    LayoutMismatch { layout: String, slots: usize, games: usize, fitting: Vec<String> },
    #[error("engine {} cannot make layout {layout}", .engine.name())]
    EngineUnsuited { engine: EngineKind, layout: String },
    #[error("the sound of {id:?} cannot be chosen; the session has {}", .there.join(", "))]
    AudioUnknown { id: String, there: Vec<String> },
    #[error("no room: {detail}")]
    Capacity { detail: String, reason: &'static str, retry_after_s: u32 },
    /// The tenant's month has come to its cap.
    #[error(transparent)]
    CapReached(#[from] CapReached),
    /// Also another tenant's session, and an ended one whose playlists are no longer kept.
    #[error("there is no such session")]
    SessionUnknown,
    #[error("the session has ended")]
    SessionEnded,
    #[error("this playback URL is too old, or was taken back: the session's JSON has a fresh one")]
    TokenExpired,
    #[error("the session is played elsewhere: no more than {most} may play it at once, and the newest do")]
    PlayedElsewhere { most: usize },
    #[error("the session has changed since: its revision is {current}")]
    RevisionStale { current: u64 },
    #[error("this Idempotency-Key was used with another body")]
    IdempotencyConflict,
    #[error("no rendition is {given} pixels high or less: the lowest has {least}")]
    HeightTooLow { given: u32, least: u32 },
    #[error("there is no rendition {name:?}")]
    RenditionUnknown { name: String },
    #[error("a session has the sounds main and 0 to 3, by slot, not {name:?}")]
    SoundUnknown { name: String },
    #[error("texts are named as the multivariant playlist has them, main-en, all-en or 0-en, not {name:?}")]
    TextUnknown { name: String },
    /// No segment is finished yet, even after waiting.
    #[error("no segment is ready yet")]
    NotReady { retry_after_s: u32 },
    /// It is handed no more of its past than is billed, and some more.
    #[error("the past is handed out no faster than at twice its speed, after the first ten minutes")]
    Ahead { retry_after_s: u32 },
    #[error("segment {asked} is more than two after the newest, {newest}")]
    ReloadTooFar { asked: u64, newest: u64 },
    #[error("the cursor is not one that this listing gave")]
    CursorInvalid,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl SessionError {
    /// The stable code of this refusal.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::GamesCount { .. } => "games_count",
            Self::GameUnknown { .. } => "game_unknown",
            Self::MarketUnknown { .. } => "market_unknown",
            Self::MarketForbidden { .. } => "forbidden",
            Self::GameRestricted { .. } => "game_restricted",
            Self::RegionRestricted { .. } => "region_restricted",
            Self::LayoutUnknown { .. } => "layout_unknown",
            Self::LayoutMismatch { .. } => "layout_mismatch",
            Self::EngineUnsuited { .. } => "engine_unsuited",
            Self::AudioUnknown { .. } => "audio_unknown",
            Self::Capacity { .. } => "capacity",
            Self::CapReached(_) => "cap_reached",
            Self::SessionUnknown => "session_unknown",
            Self::SessionEnded => "session_ended",
            Self::TokenExpired => "token_expired",
            Self::PlayedElsewhere { .. } => "played_elsewhere",
            Self::RevisionStale { .. } => "revision_stale",
            Self::IdempotencyConflict => "idempotency_conflict",
            Self::HeightTooLow { .. } => "field_invalid",
            Self::RenditionUnknown { .. } => "rendition_unknown",
            Self::SoundUnknown { .. } => "sound_unknown",
            Self::TextUnknown { .. } => "text_unknown",
            Self::NotReady { .. } | Self::Ahead { .. } => "not_ready",
            Self::ReloadTooFar { .. } => "reload_invalid",
            Self::CursorInvalid => "cursor_invalid",
            Self::Store(_) => "store_unavailable",
        }
    }

    /// The HTTP status that belongs to the code.
    pub const fn status(&self) -> u16 {
        match self {
            Self::GamesCount { .. }
            | Self::HeightTooLow { .. }
            | Self::LayoutMismatch { .. }
            | Self::EngineUnsuited { .. }
            | Self::AudioUnknown { .. }
            | Self::CursorInvalid
            | Self::IdempotencyConflict => 422,
            Self::GameUnknown { .. }
            | Self::LayoutUnknown { .. }
            | Self::MarketUnknown { .. }
            | Self::SessionUnknown
            | Self::RenditionUnknown { .. }
            | Self::SoundUnknown { .. }
            | Self::TextUnknown { .. } => 404,
            Self::ReloadTooFar { .. } => 400,
            Self::CapReached(_) => 402,
            Self::TokenExpired => 401,
            Self::PlayedElsewhere { .. }
            | Self::MarketForbidden { .. }
            | Self::GameRestricted { .. }
            | Self::RegionRestricted { .. } => 403,
            Self::SessionEnded => 409,
            Self::RevisionStale { .. } => 412,
            Self::Capacity { .. } | Self::NotReady { .. } | Self::Ahead { .. } | Self::Store(_) => 503,
        }
    }

    /// For `Retry-After`, in seconds, where waiting helps.
    pub const fn retry_after_s(&self) -> Option<u32> {
        match self {
            Self::Capacity { retry_after_s, .. } | Self::NotReady { retry_after_s } | Self::Ahead { retry_after_s } => {
                Some(*retry_after_s)
            }
            Self::Store(_) => Some(5),
            _ => None,
        }
    }
}

/// Markets that there are, for people.
fn listed(ids: &[String]) -> String {
    if ids.is_empty() { "none".to_owned() } else { ids.join(", ") }
}

fn restricted(game: &str, why: Restriction, market: Option<&str>, allowed: &[String]) -> String {
    let market = market.unwrap_or("none");
    let limit = if allowed.is_empty() { String::new() } else { format!("; it is limited to {}", allowed.join(", ")) };
    match why {
        Restriction::MarketGone => {
            format!("the session's market {market:?} is gone, so it can be given no other games such as {game:?}")
        }
        Restriction::NotInMarket => format!("game {game:?} is not among the games of market {market:?}{limit}"),
        Restriction::NotInRegion => format!("game {game:?} may not be shown in the session's region{limit}"),
        Restriction::RegionMissing => {
            format!("game {game:?} may not be shown to a session that does not say where it is{limit}")
        }
        Restriction::NotOnDeviceClass => {
            format!("game {game:?} may not be shown on the session's class of device{limit}")
        }
        Restriction::DeviceClassMissing => {
            format!("game {game:?} may not be shown to a session that does not say its class of device{limit}")
        }
        Restriction::NotYet => format!("game {game:?} may not be shown yet"),
        Restriction::NoLonger => format!("game {game:?} may no longer be shown"),
    }
}

fn outside(region: Option<&str>, market: &str, allowed: &[String]) -> String {
    let allowed = allowed.join(", ");
    match region {
        Some(region) => format!("market {market:?} has no sessions in {region:?}; its regions are {allowed}"),
        None => format!("a session in market {market:?} says where it is; its regions are {allowed}"),
    }
}

impl From<AdmitError> for SessionError {
    fn from(refusal: AdmitError) -> Self {
        match refusal {
            AdmitError::Capacity { detail, retry_after_s } => {
                Self::Capacity { detail, reason: "machine", retry_after_s }
            }
            AdmitError::Tenant { detail, reason, retry_after_s } => Self::Capacity { detail, reason, retry_after_s },
            AdmitError::EngineUnsuited { engine, layout } => Self::EngineUnsuited { engine, layout },
        }
    }
}
