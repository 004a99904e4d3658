//! Usage reports: the meter's lines summed up by session or by day, as JSON or CSV, and the lines themselves.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use crate::store::{Store, StoreError};
use crate::timeline::MediaTime;

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    #[error("{given:?} is not a time: RFC 3339 (2026-11-22T16:00:00Z) or a day (2026-11-22) is allowed")]
    TimeInvalid { given: String },
    #[error("the period ends before it begins")]
    PeriodInvalid,
    #[error("the cursor is not one that this listing gave")]
    CursorInvalid,
    #[error("the report would have more than {limit} rows: ask for a shorter period")]
    TooLarge { limit: u32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl UsageError {
    /// The stable code of this refusal.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TimeInvalid { .. } => "time_invalid",
            Self::PeriodInvalid => "period_invalid",
            Self::CursorInvalid => "cursor_invalid",
            Self::TooLarge { .. } => "report_too_large",
            Self::Store(_) => "store_unavailable",
        }
    }

    /// The HTTP status that belongs to the code.
    pub const fn status(&self) -> u16 {
        match self {
            Self::TimeInvalid { .. } | Self::PeriodInvalid | Self::CursorInvalid | Self::TooLarge { .. } => 422,
            Self::Store(_) => 503,
        }
    }
}

/// A stretch of time, `from` included and `to` not. A meter line belongs to it by the start of its minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub from: jiff::Timestamp,
    pub to: jiff::Timestamp,
}

/// What a report's rows stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum GroupBy {
    Session,
    Day,
}

/// One row of a report.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct UsageRow {
    /// Present when grouped by session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<String>,
    /// `2026-11-22`, UTC. Present when grouped by day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub day: Option<String>,
    /// Sessions billed on that day. Present when grouped by day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sessions: Option<u64>,
    /// First and last billed minute (RFC 3339). Present when grouped by session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_minute: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_minute: Option<String>,
    pub billable_seconds: u64,
    /// The seconds divided by 60, to three decimals.
    pub billable_minutes: f64,
}

/// A usage report.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct UsageReport {
    pub from: String,
    pub to: String,
    pub group_by: GroupBy,
    pub rows: Vec<UsageRow>,
    pub total_billable_seconds: u64,
}

/// One line of the meter: a session's seconds within a minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsageRecord {
    pub session_id: String,
    /// RFC 3339, UTC.
    pub minute_start: String,
    /// 0 to 60.
    pub billable_seconds: u32,
    /// What the session showed when the line was last booked.
    pub layout: String,
    pub games: Vec<String>,
}

/// A page of meter lines, by minute and session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RecordPage {
    pub records: Vec<UsageRecord>,
    /// For the next page; absent on the last one.
    pub next_cursor: Option<String>,
}

/// Makes reports from the store.
pub struct Reports {
    store: Arc<dyn Store>,
}

impl Period {
    /// From the query's texts: RFC 3339 or days (`2026-11-22` is its start in UTC). Without `to` it is `now`; without `from`
    /// it is 30 days before the end.
    pub fn parse(from: Option<&str>, to: Option<&str>, now: MediaTime) -> Result<Self, UsageError> {
        let _ = (from, to, now);
        todo!()
    }
}

impl Reports {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Sums a tenant's lines. At most 100,000 rows.
    pub async fn report(&self, tenant: &str, period: Period, group_by: GroupBy) -> Result<UsageReport, UsageError> {
        let _ = (tenant, period, group_by, &self.store);
        todo!()
    }

    /// The lines themselves, `limit` a page.
    pub async fn records(
        &self,
        tenant: &str,
        period: Period,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<RecordPage, UsageError> {
        let _ = (tenant, period, cursor, limit);
        todo!()
    }
}

impl UsageReport {
    /// As CSV (RFC 4180: CRLF, quotes where needed, a header line).
    pub fn to_csv(&self) -> String {
        todo!()
    }
}
