//! Corrections by people: lines of their own, with a reason, in the hour that is open. Written beside a running service, on a
//! connection of their own.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row};

use super::sqlite::{BUSY_TIMEOUT, FILE_NAME};
use super::{LedgerEntry, StoreError, codec};

/// The reason of corrections that the service makes itself.
pub(super) const LATE_BOOKING: &str = "late_booking";

/// A difference to what the ledger says of a session's minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Correction {
    pub tenant: String,
    pub session_id: String,
    /// A multiple of 60,000: milliseconds of Unix time.
    pub minute_start_ms: i64,
    /// Added to the minute's billable seconds, or taken off them.
    pub billable_seconds: i64,
    pub reason: String,
}

/// Why a correction is not made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CorrectionError {
    #[error("the ledger has no line of that session and minute; a line that is not there cannot be corrected")]
    NoSuchLine,
    #[error("the minute would have {would_be} billable seconds, of {is} it has; 0 to 60 are allowed")]
    OutOfMinute { is: i64, would_be: i64 },
    #[error("a correction changes something: its seconds cannot be 0")]
    Nothing,
    #[error("a reason of 1 to 200 characters is needed, other than {LATE_BOOKING:?}, which the service uses")]
    Reason,
    #[error("that minute was corrected for the same reason within this hour; give another reason")]
    Repeated,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes a correction in the ledger of `data_dir`; it counts in the hour of `now_ms` (Unix time), or in the first that is open.
///
/// # Errors
/// What is wrong with it; the ledger is then as it was.
pub async fn correct(data_dir: &Path, correction: &Correction, now_ms: i64) -> Result<LedgerEntry, CorrectionError> {
    let reason = correction.reason.trim();
    if reason.is_empty() || reason.chars().count() > 200 || reason == LATE_BOOKING {
        return Err(CorrectionError::Reason);
    }
    if correction.billable_seconds == 0 {
        return Err(CorrectionError::Nothing);
    }
    let options = SqliteConnectOptions::new()
        .filename(data_dir.join(FILE_NAME))
        .create_if_missing(false)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    let mut connection = options.connect().await.map_err(StoreError::from)?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connection).await.map_err(StoreError::from)?;
    let made = within(&mut connection, correction, reason, now_ms).await;
    let end = if made.is_ok() { "COMMIT" } else { "ROLLBACK" };
    sqlx::query(end).execute(&mut connection).await.map_err(StoreError::from)?;
    // What was committed stays so, however this ends.
    let _ = connection.close().await;
    made
}

async fn within(
    connection: &mut SqliteConnection,
    correction: &Correction,
    reason: &str,
    now_ms: i64,
) -> Result<LedgerEntry, CorrectionError> {
    let Correction { tenant, session_id, minute_start_ms, billable_seconds, .. } = correction;
    let known =
        "SELECT * FROM ledger_entries WHERE tenant = ? AND session_id = ? AND minute_start_ms = ? ORDER BY reason";
    let query = sqlx::query(known).bind(tenant).bind(session_id).bind(minute_start_ms);
    let rows = query.fetch_all(&mut *connection).await.map_err(StoreError::from)?;
    let known = rows.iter().map(codec::entry).collect::<Result<Vec<_>, _>>()?;
    let line = known.first().cloned().ok_or(CorrectionError::NoSuchLine)?;
    let is: i64 = known.iter().map(|entry| entry.billable_seconds).sum();
    let would_be = is + billable_seconds;
    if !(0..=60).contains(&would_be) {
        return Err(CorrectionError::OutOfMinute { is, would_be });
    }
    let state = sqlx::query("SELECT closed_until_ms FROM ledger_state").fetch_one(&mut *connection).await;
    let closed_until_ms: i64 = state.and_then(|row| row.try_get(0)).map_err(StoreError::from)?;
    let hour_start_ms = (now_ms - now_ms.rem_euclid(3_600_000)).max(closed_until_ms);
    let entry = LedgerEntry {
        at_ms: hour_start_ms,
        billable_seconds: *billable_seconds,
        slate_seconds: 0,
        slate_all_seconds: 0,
        reason: reason.to_owned(),
        ..line
    };
    let insert = "INSERT INTO corrections (tenant, hour_start_ms, session_id, minute_start_ms, reason, billable_seconds, \
                  slate_seconds, slate_all_seconds, engine, layout, tier, games, labels) \
                  VALUES (?, ?, ?, ?, ?, ?, 0, 0, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
    let insert =
        sqlx::query(insert).bind(&entry.tenant).bind(entry.at_ms).bind(&entry.session_id).bind(entry.minute_start_ms);
    let insert = insert.bind(&entry.reason).bind(entry.billable_seconds).bind(&entry.watched.engine);
    let insert = insert.bind(&entry.watched.layout).bind(&entry.watched.tier);
    let insert = insert.bind(codec::json(&entry.watched.games)?).bind(codec::json(&entry.watched.labels)?);
    let inserted = insert.execute(&mut *connection).await.map_err(StoreError::from)?.rows_affected();
    if inserted == 0 { Err(CorrectionError::Repeated) } else { Ok(entry) }
}
