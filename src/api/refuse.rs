//! The one mapping from the rooms' errors to refusals.

use super::problem::{Code, Problem};
use super::words;
use crate::assets::AssetError;
use crate::catalogue::CatalogueError;
use crate::clips::ClipError;
use crate::cues::track::BreakError;
use crate::events::EventKind;
use crate::keys::KeyError;
use crate::market::MarketError;
use crate::outbound::WebhookError;
use crate::outputs::OutputError;
use crate::session::SessionError;
use crate::usage::UsageError;

/// How long a client should wait for a store that cannot write now.
const STORE_RETRY_S: u32 = 5;

/// How long a client should wait for a clip.
const CLIP_RETRY_S: u32 = 2;

fn not_ready(detail: String, retry_after_s: u32) -> Problem {
    Problem::new(Code::NotReady, detail).retry_after_s(retry_after_s)
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        use SessionError as E;
        let detail = sentence(&error);
        match error {
            E::GamesCount { .. } => Problem::new(Code::GamesCount, detail).with("field", "games"),
            E::GameUnknown { id } => Problem::new(Code::GameUnknown, detail).with("game", id),
            E::MarketUnknown { there, .. } => {
                Problem::new(Code::MarketUnknown, detail).with("field", "market").with("allowed", there)
            }
            E::MarketForbidden { own, .. } => {
                Problem::new(Code::Forbidden, detail).with("field", "market").with("allowed", vec![own])
            }
            E::GameRestricted { id, why, market, allowed } => {
                let problem = Problem::new(Code::GameRestricted, detail).with("game", id);
                let problem = problem.with("reason", why.name()).with("market", market);
                if allowed.is_empty() { problem } else { problem.with("allowed", allowed) }
            }
            E::RegionRestricted { region, market, allowed } => {
                let reason = if region.is_some() { "not_in_market" } else { "region_missing" };
                let problem =
                    Problem::new(Code::RegionRestricted, detail).with("field", "region").with("region", region);
                problem.with("market", market).with("reason", reason).with("allowed", allowed)
            }
            E::LayoutUnknown { id, fitting, .. } => {
                let problem = Problem::new(Code::LayoutUnknown, detail).with("field", "layout");
                problem.with("layout", id).with("allowed", fitting)
            }
            E::LayoutMismatch { slots, games, fitting, .. } => {
                let problem =
                    Problem::new(Code::LayoutMismatch, detail).with("field", "layout").with("allowed", fitting);
                problem.with("slots", slots).with("games", games)
            }
            E::EngineUnsuited { engine, .. } => {
                let problem = Problem::new(Code::EngineUnsuited, detail).with("field", "engine");
                let others = ["auto", "render", "stitch"].into_iter().filter(|name| *name != engine.name());
                problem.with("engine", engine.name()).with("allowed", others.collect::<Vec<_>>())
            }
            E::AudioUnknown { there, .. } => {
                Problem::new(Code::AudioUnknown, detail).with("field", "audio").with("allowed", there)
            }
            E::Capacity { reason, retry_after_s, .. } => {
                Problem::new(Code::Capacity, detail).with("reason", reason).retry_after_s(retry_after_s)
            }
            E::CapReached(reached) => Problem::new(Code::CapReached, detail)
                .with("unit", reached.cap.unit())
                .with("cap", reached.cap.number().to_string())
                .with("billed", reached.figure.to_string())
                .with("frees_at", reached.month.end()),
            E::SessionUnknown => Problem::new(Code::SessionUnknown, detail),
            E::TokenExpired => Problem::new(Code::TokenExpired, detail),
            E::PlayedElsewhere { most } => Problem::new(Code::PlayedElsewhere, detail).with("limit", most),
            E::SessionEnded => Problem::new(Code::SessionEnded, detail),
            E::RevisionStale { current } => {
                let problem = Problem::new(Code::RevisionStale, detail).with("revision", current);
                problem.header(axum::http::header::ETAG, super::etag::of_number(current))
            }
            E::IdempotencyConflict => {
                Problem::new(Code::IdempotencyConflict, detail).with("parameter", "Idempotency-Key")
            }
            E::SoundUnknown { .. } => Problem::new(Code::SoundUnknown, detail),
            E::TextUnknown { .. } => Problem::new(Code::TextUnknown, detail),
            E::HeightTooLow { least, .. } => Problem::field("max_height", detail).with("least", least),
            E::RenditionUnknown { .. } => Problem::new(Code::RenditionUnknown, detail),
            E::ReloadTooFar { newest, .. } => {
                Problem::new(Code::ReloadInvalid, detail).with("parameter", "_HLS_msn").with("newest", newest)
            }
            E::CursorInvalid => Problem::new(Code::CursorInvalid, detail).with("parameter", "cursor"),
            E::NotReady { retry_after_s } | E::Ahead { retry_after_s } => not_ready(detail, retry_after_s),
            E::Store(cause) => store_unavailable(&cause),
        }
    }
}

impl From<AssetError> for Problem {
    fn from(error: AssetError) -> Self {
        use AssetError as E;
        let detail = sentence(&error);
        match error {
            E::Type
            | E::OtherType { .. }
            | E::Pixels { .. }
            | E::Animation { .. }
            | E::Unreadable(_)
            | E::Svg(_)
            | E::Clip(_) => Problem::new(Code::AssetInvalid, detail),
            E::TooLarge { limit, .. } => Problem::new(Code::BodyTooLarge, detail).with("limit_bytes", limit),
            E::Busy | E::NoProcess | E::NotNow(_) => {
                Problem::new(Code::Capacity, detail).with("reason", "art").retry_after_s(STORE_RETRY_S)
            }
            // As a body that breaks off; nobody reads it but the audit.
            E::Gone => Problem::new(Code::BodyInvalid, detail),
            E::Unknown(_) => Problem::new(Code::AssetUnknown, detail),
            E::InUse(_) => Problem::new(Code::AssetInUse, detail),
            E::SkinUnknown(id) => Problem::new(Code::SkinUnknown, detail).with("skin", id),
            E::SkinReadOnly(_) => Problem::new(Code::SkinReadOnly, detail),
            E::Count { limit, .. } => Problem::new(Code::LimitReached, detail).with("limit", limit),
            E::Full { limit, .. } => Problem::new(Code::LimitReached, detail).with("limit_bytes", limit),
            E::Disk(cause) => store_unavailable(&cause),
        }
    }
}

impl From<MarketError> for Problem {
    fn from(error: MarketError) -> Self {
        use MarketError as E;
        let detail = sentence(&error);
        match error {
            E::Exists(_) => Problem::new(Code::MarketExists, detail),
            E::Unknown(_) => Problem::new(Code::MarketUnknown, detail),
            E::ReadOnly(_) => Problem::new(Code::MarketReadOnly, detail),
            E::Full { limit } => Problem::new(Code::LimitReached, detail).with("limit", limit),
            E::Store(cause) => store_unavailable(&cause),
        }
    }
}

impl From<KeyError> for Problem {
    fn from(error: KeyError) -> Self {
        use KeyError as E;
        let detail = sentence(&error);
        match error {
            E::Unknown(_) => Problem::new(Code::KeyUnknown, detail),
            E::ReadOnly(_) => Problem::new(Code::KeyReadOnly, detail),
            E::Beyond => Problem::new(Code::Forbidden, detail),
            E::Past => Problem::field("expires_at", detail),
            E::Full { limit } => Problem::new(Code::LimitReached, detail).with("limit", limit),
            E::Store(cause) => store_unavailable(&cause),
        }
    }
}

impl From<OutputError> for Problem {
    fn from(error: OutputError) -> Self {
        use OutputError as E;
        let detail = sentence(&error);
        match error {
            E::Unknown(_) => Problem::new(Code::OutputUnknown, detail),
            E::ReadOnly(_) => Problem::new(Code::OutputReadOnly, detail),
            E::Full { limit } => Problem::new(Code::LimitReached, detail).with("limit", limit),
            E::Store(cause) => store_unavailable(&cause),
        }
    }
}

impl From<WebhookError> for Problem {
    fn from(error: WebhookError) -> Self {
        use WebhookError as E;
        let detail = sentence(&error);
        match error {
            E::Unknown(_) => Problem::new(Code::WebhookUnknown, detail),
            E::Url(_) => Problem::field("url", detail),
            E::Forbidden(_) => Problem::new(Code::WebhookForbidden, detail).with("field", "url"),
            E::NoEvents => {
                let names: Vec<_> = EventKind::ALL.into_iter().map(EventKind::name).collect();
                Problem::field("events", detail).with("allowed", names)
            }
            E::Full { limit } => Problem::new(Code::LimitReached, detail).with("limit", limit),
            E::Store(cause) => store_unavailable(&cause),
        }
    }
}

impl From<ClipError> for Problem {
    fn from(error: ClipError) -> Self {
        use ClipError as E;
        let detail = sentence(&error);
        match error {
            E::Unknown(_) => Problem::new(Code::ClipUnknown, detail),
            E::NotReady(_) => Problem::new(Code::ClipNotReady, detail).retry_after_s(CLIP_RETRY_S),
            E::Missing { missing, until } => {
                Problem::new(Code::ClipMissing, detail).with("missing_from", missing).with("missing_to", until)
            }
            E::Busy { .. } | E::Full { .. } => Problem::new(Code::Capacity, detail).retry_after_s(STORE_RETRY_S),
            E::Disk(cause) => store_unavailable(&cause),
        }
    }
}

impl From<BreakError> for Problem {
    fn from(error: BreakError) -> Self {
        use BreakError as E;
        let detail = sentence(&error);
        match error {
            E::Id => Problem::field("id", detail),
            E::Duration { .. } => Problem::field("duration_s", detail),
            E::StartsIn { .. } => Problem::field("starts_in_s", detail),
            E::Running { .. } => Problem::new(Code::BreakRunning, detail),
            E::Unknown { .. } => Problem::new(Code::BreakUnknown, detail),
            E::Ended { .. } => Problem::new(Code::BreakEnded, detail),
            E::Full => Problem::new(Code::Capacity, detail).retry_after_s(STORE_RETRY_S),
            E::Shared { .. } => Problem::new(Code::GameReadOnly, detail),
        }
    }
}

impl From<UsageError> for Problem {
    fn from(error: UsageError) -> Self {
        use UsageError as E;
        let detail = sentence(&error);
        match error {
            E::TimeInvalid { of, .. } => {
                // A quote alone says a time in its body.
                let place = if of == "at" { "field" } else { "parameter" };
                Problem::new(Code::TimeInvalid, detail).with(place, of)
            }
            E::PeriodInvalid => Problem::new(Code::PeriodInvalid, detail).with("parameter", "to"),
            E::CursorInvalid => Problem::new(Code::CursorInvalid, detail).with("parameter", "cursor"),
            E::TooLarge { limit } => Problem::new(Code::ReportTooLarge, detail).with("limit", limit),
            E::TariffMissing => Problem::new(Code::TariffMissing, detail),
            E::QuoteInvalid { field, allowed, .. } => {
                let problem = Problem::new(Code::QuoteInvalid, detail).with("field", field);
                if allowed.is_empty() { problem } else { problem.with("allowed", allowed) }
            }
            E::Store(cause) => store_unavailable(&cause),
        }
    }
}

impl From<CatalogueError> for Problem {
    fn from(error: CatalogueError) -> Self {
        use CatalogueError as E;
        let detail = sentence(&error);
        match error {
            E::Exists(_) => Problem::new(Code::GameExists, detail),
            E::Unknown(_) => Problem::new(Code::GameUnknown, detail),
            E::ReadOnly(_) => Problem::new(Code::GameReadOnly, detail),
            E::SourceInvalid { index, allowed, .. } => {
                let problem = Problem::new(Code::SourceInvalid, detail).with("field", format!("sources[{index}]"));
                if allowed.is_empty() { problem } else { problem.with("allowed", allowed) }
            }
            E::SourceForbidden { index, .. } => {
                Problem::new(Code::SourceForbidden, detail).with("field", format!("sources[{index}]"))
            }
            E::SourceInUse { index, .. } => {
                Problem::new(Code::SourceInUse, detail).with("field", format!("sources[{index}]"))
            }
            E::Capacity { limit } => {
                let problem = Problem::new(Code::Capacity, detail).with("reason", "games");
                problem.with("limit", limit).retry_after_s(STORE_RETRY_S)
            }
            E::Tenant { reason, .. } => {
                Problem::new(Code::Capacity, detail).with("reason", reason).retry_after_s(STORE_RETRY_S)
            }
            E::Trying => Problem::new(Code::Capacity, detail).retry_after_s(STORE_RETRY_S),
            E::Store(cause) => store_unavailable(&cause),
        }
    }
}

pub(super) fn store_unavailable(cause: &dyn std::fmt::Display) -> Problem {
    tracing::warn!(%cause, "a request was refused because the store could not serve it");
    Problem::new(Code::StoreUnavailable, "Nothing was changed: the store cannot be used now; try again.")
        .retry_after_s(STORE_RETRY_S)
}

fn sentence(error: &dyn std::fmt::Display) -> String {
    words::sentence(&error.to_string())
}
