//! Rows of the database to plain data, and the values that need a word to get there.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::proving::newer_column;
use super::{ClockRow, ClosedHour, GameRow, IdempotencyRow, LedgerEntry, SessionRow, StoreError, Watched};

pub(super) fn json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|e| StoreError::Failed(e.to_string()))
}

fn from_json<T: DeserializeOwned>(row: &SqliteRow, column: &str) -> Result<T, StoreError> {
    let text: String = row.try_get(column)?;
    serde_json::from_str(&text).map_err(|e| StoreError::Failed(format!("column {column}: {e}")))
}

/// SQLite's integers are signed.
pub(super) fn to_i64(value: u64) -> Result<i64, StoreError> {
    i64::try_from(value).map_err(|_| StoreError::Failed(format!("{value} does not fit the database")))
}

fn to_u64(row: &SqliteRow, column: &str) -> Result<u64, StoreError> {
    let value: i64 = row.try_get(column)?;
    u64::try_from(value).map_err(|_| StoreError::Failed(format!("column {column}: {value} is negative")))
}

/// The rows that can be read. One that cannot must not keep all others from their viewers and operators: it is left out and named in
/// the log, and stays in the database as it is.
pub(super) fn readable<T>(
    what: &str,
    rows: &[SqliteRow],
    read: impl Fn(&SqliteRow) -> Result<T, StoreError>,
) -> Vec<T> {
    let read = |row: &SqliteRow| {
        read(row)
            .map_err(|error| {
                let id: String = row.try_get("id").unwrap_or_default();
                tracing::error!(what, id, %error, "A ROW CANNOT BE READ and is left out");
            })
            .ok()
    };
    rows.iter().filter_map(read).collect()
}

pub(super) fn game(row: &SqliteRow) -> Result<GameRow, StoreError> {
    Ok(GameRow {
        tenant: row.try_get("tenant")?,
        id: row.try_get("id")?,
        title: row.try_get("title")?,
        sources: from_json(row, "sources")?,
        labels: from_json(row, "labels")?,
        break_policy: row.try_get("break_policy")?,
        offset_ms: row.try_get("offset_ms")?,
        rights: row.try_get("rights")?,
    })
}

pub(super) fn clock(row: &SqliteRow) -> Result<ClockRow, StoreError> {
    let (known_ms, sure_ms) = (row.try_get("known_ms")?, row.try_get("sure_ms")?);
    Ok(ClockRow { known_ms, sure_ms, era: to_u64(row, "era")? })
}

pub(super) fn session(row: &SqliteRow) -> Result<SessionRow, StoreError> {
    let last_listed: Option<i64> = row.try_get("last_listed")?;
    Ok(SessionRow {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        token: row.try_get("token")?,
        version: to_u64(row, "version")?,
        revision: to_u64(row, "revision")?,
        layout: row.try_get("layout")?,
        engine_choice: row.try_get("engine_choice")?,
        engine: row.try_get("engine")?,
        games: from_json(row, "games")?,
        audio: row.try_get("audio")?,
        labels: from_json(row, "labels")?,
        device_id: row.try_get("device_id")?,
        splices: row.try_get("splices")?,
        meter: row.try_get("meter")?,
        last_listed: last_listed.and_then(|n| u64::try_from(n).ok()),
        effective_segment: to_u64(row, "effective_segment")?,
        created_ms: row.try_get("created_ms")?,
        last_seen_ms: row.try_get("last_seen_ms")?,
        ended_ms: row.try_get("ended_ms")?,
        end_reason: row.try_get("end_reason")?,
        billable_seconds: to_u64(row, "billable_seconds")?,
    })
}

pub(super) fn idempotency(row: &SqliteRow) -> Result<IdempotencyRow, StoreError> {
    Ok(IdempotencyRow {
        key: row.try_get("key")?,
        digest: bytes(row, "digest")?,
        session_id: row.try_get("session_id")?,
        created_ms: row.try_get("created_ms")?,
    })
}

pub(super) fn entry(row: &SqliteRow) -> Result<LedgerEntry, StoreError> {
    Ok(LedgerEntry {
        tenant: row.try_get("tenant")?,
        at_ms: row.try_get("at_ms")?,
        session_id: row.try_get("session_id")?,
        minute_start_ms: row.try_get("minute_start_ms")?,
        reason: row.try_get("reason")?,
        billable_seconds: row.try_get("billable_seconds")?,
        slate_seconds: row.try_get("slate_seconds")?,
        slate_all_seconds: row.try_get("slate_all_seconds")?,
        watched: watched(row)?,
    })
}

pub(super) fn closed_hour(row: &SqliteRow) -> Result<ClosedHour, StoreError> {
    Ok(ClosedHour {
        hour_start_ms: row.try_get("hour_start_ms")?,
        entries: to_u64(row, "entries")?,
        billable_seconds: row.try_get("billable_seconds")?,
        digest: bytes(row, "digest")?,
        public_key: bytes(row, "public_key")?,
        signature: bytes(row, "signature")?,
        price_lists: newer_column(row, "price_lists")?,
    })
}

fn bytes<const LENGTH: usize>(row: &SqliteRow, column: &str) -> Result<[u8; LENGTH], StoreError> {
    let bytes: Vec<u8> = row.try_get(column)?;
    bytes.try_into().map_err(|_| StoreError::Failed(format!("column {column} has not {LENGTH} bytes")))
}

pub(super) fn watched(row: &SqliteRow) -> Result<Watched, StoreError> {
    Ok(Watched {
        engine: row.try_get("engine")?,
        layout: row.try_get("layout")?,
        tier: row.try_get("tier")?,
        games: from_json(row, "games")?,
        labels: from_json(row, "labels")?,
    })
}
