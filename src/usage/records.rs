//! The lines of the ledger, a page at a time: what is behind every figure of a report.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::period::{Period, UsageError, rfc_3339};
use super::reports::Reports;
use crate::store::LedgerEntry;

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
    #[schema(nullable = false)]
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
    /// For the next page; `null` on the last one.
    pub next_cursor: Option<String>,
}

/// Most lines of a page of records.
pub const MAX_RECORDS: u32 = 1000;

impl Reports {
    /// The lines themselves, all or those of one session, `limit` a page (1 to [`MAX_RECORDS`]).
    pub async fn records(
        &self,
        tenant: &str,
        period: Period,
        session_id: Option<&str>,
        cursor: Option<&str>,
        limit: u32,
    ) -> Result<RecordPage, UsageError> {
        let limit = limit.clamp(1, MAX_RECORDS);
        let after = cursor.map(super::cursor::read).transpose()?;
        let (from_ms, to_ms) = (period.from.as_millisecond(), period.to.as_millisecond());
        // One more than asked for tells whether there is a next page.
        let mut lines = match session_id {
            None => self.ledger.entries(tenant, from_ms, to_ms, after, limit + 1).await?,
            Some(session) => self.ledger.session_entries(tenant, session, (from_ms, to_ms), after, limit + 1).await?,
        };
        let more = lines.len() > limit as usize;
        lines.truncate(limit as usize);
        let next_cursor = lines.last().filter(|_| more).map(|line| super::cursor::write(&line.cursor()));
        Ok(RecordPage { records: lines.into_iter().map(UsageRecord::from).collect(), next_cursor })
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
