//! What events say: `data`, of each type. What is not known is `null`. Members may be added; none is renamed or taken out.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

/// `session.started`: a viewer's session was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionStarted {
    pub session_id: String,
    pub games: Vec<String>,
    pub layout: String,
    pub market: Option<String>,
    pub region: Option<String>,
    pub device_id: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// RFC 3339.
    pub created_at: String,
}

/// `session.ended`: a viewer's session is over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct SessionEnded {
    pub session_id: String,
    /// `device`, `operator`, `idle`, or `unrestorable`: it could not be taken up again after a restart.
    pub reason: String,
    pub market: Option<String>,
    pub device_id: Option<String>,
    pub labels: BTreeMap<String, String>,
    /// RFC 3339.
    pub created_at: String,
    pub ended_at: String,
    pub billable_seconds: u64,
}

/// `game.live`: a game has pictures. `game.slate`: it has none, and its slot shows a slate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GameTold {
    pub game: String,
    pub title: String,
    /// `live`, `slate` or `off`, as in its health.
    pub status: String,
    /// As in its health; `null` while all is well.
    pub reason: Option<String>,
    /// RFC 3339.
    pub since: String,
}

/// `game.restricted`: a game may not be shown to some viewers any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct GameRestricted {
    pub game: String,
    pub title: String,
    /// As in the refusal `game_restricted`.
    pub reason: String,
    /// Where it is restricted; `null` where it is so everywhere.
    pub market: Option<String>,
    /// RFC 3339.
    pub since: String,
}

/// `break.started`, `break.ended`: a game is in a break, or out of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BreakTold {
    pub game: String,
    pub title: String,
    /// Id of the event in the game's cues; of breaks within each other, the outermost.
    #[serde(rename = "break")]
    pub break_id: String,
    /// RFC 3339.
    pub starts_at: String,
    /// When it is over as far as is known, or was; of one that was called off, when that was found.
    pub ends_at: Option<String>,
}

/// An amount of minutes, or of money in a currency. Money is a text: numbers of JSON are floats to many readers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsageAmount {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub minutes: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cost: Option<String>,
    /// ISO 4217.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub currency: Option<String>,
}

/// What a month came to in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = MonthCost)]
pub struct Cost {
    /// ISO 4217.
    pub currency: String,
    pub cost: String,
}

/// `usage.threshold`: the tenant's month has come to an amount of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct ThresholdPassed {
    /// `2026-11`.
    pub month: String,
    pub threshold: UsageAmount,
    pub billable_seconds: i64,
    pub billed_minutes: i64,
    pub costs: Vec<Cost>,
}

/// `usage.cap`: the tenant's month has come to a cap, and it gets no new sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CapReachedTold {
    /// `2026-11`.
    pub month: String,
    pub cap: UsageAmount,
    pub billable_seconds: i64,
    pub billed_minutes: i64,
    pub costs: Vec<Cost>,
    /// When the month is over; RFC 3339.
    pub frees_at: String,
}

/// Why there is little room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LowReason {
    /// Less than a tenth of the processors that may be used is left.
    Cores,
    /// Nine tenths of `max_sessions` are active.
    Sessions,
    /// Somebody was refused for lack of room.
    Refused,
}

/// `capacity.low`: the machine has little room for more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CapacityLow {
    pub reason: LowReason,
}
