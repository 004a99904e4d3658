//! Usage reports: the meter's lines summed up by session or by day, as JSON or CSV, and the lines themselves.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::{EntryCursor, LedgerEntry, Store, StoreError, UsageByDay, UsageBySession};
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
    /// Corrections of earlier periods may outweigh what was watched in this one.
    pub billable_seconds: i64,
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
    pub total_billable_seconds: i64,
}

/// A line of the ledger: a session's seconds within a minute, or a correction of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsageRecord {
    pub session_id: String,
    /// RFC 3339, UTC.
    pub minute_start: String,
    /// 0 to 60; of a correction, the difference.
    pub billable_seconds: i64,
    /// Of them, those with at least one of the games off: their slots showed a slate.
    pub slate_seconds: i64,
    /// Of those, the ones with every game off.
    pub slate_all_seconds: i64,
    /// Present when the minute's hour was closed already: this is a difference that counts in a later hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correction: Option<UsageCorrection>,
    /// What the session showed last within the minute: what made it, `render` or `stitch`, …
    pub engine: String,
    pub layout: String,
    /// … the highest rendition it was offered (empty in lines older than this figure) …
    pub tier: String,
    pub game_count: usize,
    /// … and its games, in slot order.
    pub games: Vec<String>,
    /// The session's labels.
    pub labels: BTreeMap<String, String>,
}

/// What makes a line of the ledger a correction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct UsageCorrection {
    /// `late_booking` where the seconds reached the ledger after their hour was closed.
    pub reason: String,
    /// Start of the hour whose reports have it (RFC 3339, UTC).
    pub hour_start: String,
}

/// A page of the ledger's lines, by the minute (of a correction, the hour) that they count in, and session.
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

/// Most rows of a report: bounds its memory; a longer one is asked for in shorter periods.
pub const MAX_ROWS: u32 = 100_000;

/// Most lines of a page of records.
pub const MAX_RECORDS: u32 = 1000;

const DEFAULT_PERIOD_DAYS: i64 = 30;

impl Period {
    /// From the query's texts: RFC 3339 or days (`2026-11-22` is its start in UTC). Without `to` it is `now`; without `from`
    /// it is 30 days before the end.
    pub fn parse(from: Option<&str>, to: Option<&str>, now: MediaTime) -> Result<Self, UsageError> {
        let to = match to {
            Some(text) => instant(text)?,
            None => timestamp(now.unix_millis()),
        };
        let from = match from {
            Some(text) => instant(text)?,
            None => to
                .checked_sub(jiff::SignedDuration::from_hours(24 * DEFAULT_PERIOD_DAYS))
                .map_err(|_| UsageError::PeriodInvalid)?,
        };
        if from > to { Err(UsageError::PeriodInvalid) } else { Ok(Self { from, to }) }
    }
}

fn instant(text: &str) -> Result<jiff::Timestamp, UsageError> {
    let day = |text: &str| {
        let day: jiff::civil::Date = text.parse().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    // A date and time without an offset would be read in somebody's zone: it is refused.
    text.parse()
        .ok()
        .or_else(|| day(text).filter(|_| text.len() == 10))
        .ok_or_else(|| UsageError::TimeInvalid { given: text.chars().take(64).collect() })
}

fn timestamp(unix_ms: i64) -> jiff::Timestamp {
    jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(jiff::Timestamp::MAX)
}

/// RFC 3339, to the second.
pub(super) fn rfc_3339(unix_ms: i64) -> String {
    format!("{:.0}", timestamp(unix_ms))
}

/// To three decimals.
fn minutes(seconds: i64) -> f64 {
    (seconds as f64 / 60.0 * 1000.0).round() / 1000.0
}

impl Reports {
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store }
    }

    /// Sums a tenant's lines. At most [`MAX_ROWS`] rows.
    pub async fn report(&self, tenant: &str, period: Period, group_by: GroupBy) -> Result<UsageReport, UsageError> {
        let (from_ms, to_ms) = (period.from.as_millisecond(), period.to.as_millisecond());
        let rows: Vec<UsageRow> = match group_by {
            GroupBy::Session => {
                let rows = self.store.usage_by_session(tenant, from_ms, to_ms, MAX_ROWS + 1).await?;
                rows.into_iter().map(UsageRow::from).collect()
            }
            GroupBy::Day => {
                let rows = self.store.usage_by_day(tenant, from_ms, to_ms, MAX_ROWS + 1).await?;
                rows.into_iter().map(UsageRow::from).collect()
            }
        };
        if rows.len() > MAX_ROWS as usize {
            return Err(UsageError::TooLarge { limit: MAX_ROWS });
        }
        let total_billable_seconds = rows.iter().map(|row| row.billable_seconds).sum();
        let (from, to) = (period.from.to_string(), period.to.to_string());
        Ok(UsageReport { from, to, group_by, rows, total_billable_seconds })
    }

    /// The lines themselves, `limit` a page (1 to [`MAX_RECORDS`]).
    pub async fn records(
        &self,
        tenant: &str,
        period: Period,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<RecordPage, UsageError> {
        let limit = limit.clamp(1, MAX_RECORDS);
        let after = cursor.map(parse_cursor).transpose()?;
        let (from_ms, to_ms) = (period.from.as_millisecond(), period.to.as_millisecond());
        // One more than asked for tells whether there is a next page.
        let mut lines = self.store.entries(tenant, from_ms, to_ms, after, limit + 1).await?;
        let more = lines.len() > limit as usize;
        lines.truncate(limit as usize);
        let next_cursor = lines.last().filter(|_| more).map(write_cursor);
        Ok(RecordPage { records: lines.into_iter().map(UsageRecord::from).collect(), next_cursor })
    }
}

/// The last line of the page, opaque to callers.
fn write_cursor(entry: &LedgerEntry) -> String {
    let EntryCursor { at_ms, session_id, minute_start_ms, reason } = entry.cursor();
    URL_SAFE_NO_PAD.encode(format!("{at_ms} {session_id} {minute_start_ms} {reason}"))
}

fn parse_cursor(cursor: &str) -> Result<EntryCursor, UsageError> {
    let parse = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
        let mut fields = text.splitn(4, ' ');
        let mut field = || fields.next();
        Some(EntryCursor {
            at_ms: field()?.parse().ok()?,
            session_id: field()?.to_owned(),
            minute_start_ms: field()?.parse().ok()?,
            reason: field()?.to_owned(),
        })
    };
    parse().ok_or(UsageError::CursorInvalid)
}

impl From<UsageBySession> for UsageRow {
    fn from(row: UsageBySession) -> Self {
        Self {
            session_id: Some(row.session_id),
            day: None,
            sessions: None,
            first_minute: Some(rfc_3339(row.first_minute_ms)),
            last_minute: Some(rfc_3339(row.last_minute_ms)),
            billable_seconds: row.billable_seconds,
            billable_minutes: minutes(row.billable_seconds),
        }
    }
}

impl From<UsageByDay> for UsageRow {
    fn from(row: UsageByDay) -> Self {
        Self {
            session_id: None,
            day: Some(row.day),
            sessions: Some(row.sessions),
            first_minute: None,
            last_minute: None,
            billable_seconds: row.billable_seconds,
            billable_minutes: minutes(row.billable_seconds),
        }
    }
}

impl From<LedgerEntry> for UsageRecord {
    fn from(line: LedgerEntry) -> Self {
        let hour_start = rfc_3339(line.at_ms);
        let correction = Some(UsageCorrection { reason: line.reason, hour_start });
        Self {
            session_id: line.session_id,
            minute_start: rfc_3339(line.minute_start_ms),
            billable_seconds: line.billable_seconds,
            slate_seconds: line.slate_seconds,
            slate_all_seconds: line.slate_all_seconds,
            correction: correction.filter(|correction| !correction.reason.is_empty()),
            engine: line.watched.engine,
            layout: line.watched.layout,
            tier: line.watched.tier,
            game_count: line.watched.games.len(),
            games: line.watched.games,
            labels: line.watched.labels,
        }
    }
}

impl UsageReport {
    /// As CSV (RFC 4180: a header line, CRLF, quotes where needed). The total is left to the reader: a sum among the rows
    /// would be counted twice.
    pub fn to_csv(&self) -> String {
        let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        let header: &[&str] = match self.group_by {
            GroupBy::Session => &["session_id", "first_minute", "last_minute", "billable_seconds", "billable_minutes"],
            GroupBy::Day => &["day", "sessions", "billable_seconds", "billable_minutes"],
        };
        // Writing to memory cannot fail, and every row has as many fields as the header.
        let _ = csv.write_record(header);
        for row in &self.rows {
            let text = |field: &Option<String>| field.clone().unwrap_or_default();
            let mut fields = match self.group_by {
                GroupBy::Session => vec![text(&row.session_id), text(&row.first_minute), text(&row.last_minute)],
                GroupBy::Day => vec![text(&row.day), row.sessions.unwrap_or(0).to_string()],
            };
            fields.extend([row.billable_seconds.to_string(), format!("{:.3}", row.billable_minutes)]);
            let _ = csv.write_record(&fields);
        }
        String::from_utf8(csv.into_inner().unwrap_or_default()).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
