//! What is kept of that which goes out to others: how far exports have come, which thresholds were passed and told.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::sqlite::SqliteStore;
use super::writer::{Command, Statement};
use super::{EntryCursor, LedgerReads, Pending, StoreError};

/// Most rows that [`Outbox::untold_thresholds`] gives at once; the rest come when these are told.
const MAX_UNTOLD: u32 = 1000;

/// A threshold that a tenant passed in a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedThreshold {
    pub tenant: String,
    pub month_start_ms: i64,
    /// Names the threshold among the tenant's.
    pub threshold: String,
    pub passed_ms: i64,
    /// The body that its webhook is sent.
    pub event: String,
}

/// The ledger, and what is remembered about telling it to others. All times are milliseconds of Unix time, UTC.
pub trait Outbox: LedgerReads {
    /// The last entry of a tenant that was exported; `None` before the first.
    fn export_cursor<'a>(&'a self, tenant: &'a str) -> Pending<'a, Option<EntryCursor>>;

    /// Remembers that a tenant's entries up to `cursor` were exported. It only ever moves on: an earlier one changes nothing.
    fn keep_export_cursor(&self, tenant: &str, cursor: EntryCursor) -> Pending<'_, ()>;

    /// Remembers that a threshold was passed; false where that was known, and then nothing changes.
    fn pass_threshold(&self, passed: PassedThreshold) -> Pending<'_, bool>;

    /// Thresholds that were passed and whose webhooks have not been told, oldest first, at most a thousand.
    fn untold_thresholds(&self) -> Pending<'_, Vec<PassedThreshold>>;

    /// Remembers that a threshold's webhook was told at `told_ms`.
    fn threshold_told(&self, passed: &PassedThreshold, told_ms: i64) -> Pending<'_, ()>;
}

/// What the writer is asked to do for the outbox: a statement each.
pub(super) enum OutboxWrite {
    Cursor { tenant: String, cursor: EntryCursor },
    Passed(PassedThreshold),
    Told { tenant: String, month_start_ms: i64, threshold: String, told_ms: i64 },
}

impl OutboxWrite {
    pub fn statement(&self) -> Statement {
        match self {
            Self::Cursor { tenant, cursor } => {
                let keep = "INSERT INTO export_cursors (tenant, at_ms, session_id, minute_start_ms, reason) \
                            VALUES (?, ?, ?, ?, ?) ON CONFLICT (tenant) DO UPDATE SET at_ms = excluded.at_ms, \
                            session_id = excluded.session_id, minute_start_ms = excluded.minute_start_ms, \
                            reason = excluded.reason \
                            WHERE (excluded.at_ms, excluded.session_id, excluded.minute_start_ms, excluded.reason) \
                            > (export_cursors.at_ms, export_cursors.session_id, export_cursors.minute_start_ms, \
                            export_cursors.reason)";
                let EntryCursor { at_ms, session_id, minute_start_ms, reason } = cursor.clone();
                let keep = sqlx::query(keep).bind(tenant.clone()).bind(at_ms).bind(session_id);
                keep.bind(minute_start_ms).bind(reason)
            }
            Self::Passed(passed) => {
                let keep = "INSERT INTO passed_thresholds (tenant, month_start_ms, threshold, passed_ms, event) \
                            VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
                let PassedThreshold { tenant, month_start_ms, threshold, passed_ms, event } = passed.clone();
                sqlx::query(keep).bind(tenant).bind(month_start_ms).bind(threshold).bind(passed_ms).bind(event)
            }
            Self::Told { tenant, month_start_ms, threshold, told_ms } => {
                let told = "UPDATE passed_thresholds SET told_ms = ? \
                            WHERE tenant = ? AND month_start_ms = ? AND threshold = ? AND told_ms IS NULL";
                let told = sqlx::query(told).bind(*told_ms).bind(tenant.clone());
                told.bind(*month_start_ms).bind(threshold.clone())
            }
        }
    }
}

impl Outbox for SqliteStore {
    fn export_cursor<'a>(&'a self, tenant: &'a str) -> Pending<'a, Option<EntryCursor>> {
        Box::pin(async move {
            let query = "SELECT at_ms, session_id, minute_start_ms, reason FROM export_cursors WHERE tenant = ?";
            let row = sqlx::query(query).bind(tenant).fetch_optional(&self.readers).await?;
            row.as_ref().map(cursor).transpose()
        })
    }

    fn keep_export_cursor(&self, tenant: &str, cursor: EntryCursor) -> Pending<'_, ()> {
        let write = OutboxWrite::Cursor { tenant: tenant.to_owned(), cursor };
        Box::pin(async move { self.submit(Command::Outbox(write)).await.map(drop) })
    }

    fn pass_threshold(&self, passed: PassedThreshold) -> Pending<'_, bool> {
        let write = OutboxWrite::Passed(passed);
        Box::pin(async move { Ok(self.submit(Command::Outbox(write)).await? > 0) })
    }

    fn untold_thresholds(&self) -> Pending<'_, Vec<PassedThreshold>> {
        Box::pin(async move {
            let query = "SELECT tenant, month_start_ms, threshold, passed_ms, event FROM passed_thresholds \
                         WHERE told_ms IS NULL ORDER BY passed_ms LIMIT ?";
            let rows = sqlx::query(query).bind(MAX_UNTOLD).fetch_all(&self.readers).await?;
            rows.iter().map(passed_threshold).collect()
        })
    }

    fn threshold_told(&self, passed: &PassedThreshold, told_ms: i64) -> Pending<'_, ()> {
        let PassedThreshold { tenant, month_start_ms, threshold, .. } = passed.clone();
        let write = OutboxWrite::Told { tenant, month_start_ms, threshold, told_ms };
        Box::pin(async move { self.submit(Command::Outbox(write)).await.map(drop) })
    }
}

fn cursor(row: &SqliteRow) -> Result<EntryCursor, StoreError> {
    Ok(EntryCursor {
        at_ms: row.try_get("at_ms")?,
        session_id: row.try_get("session_id")?,
        minute_start_ms: row.try_get("minute_start_ms")?,
        reason: row.try_get("reason")?,
    })
}

fn passed_threshold(row: &SqliteRow) -> Result<PassedThreshold, StoreError> {
    Ok(PassedThreshold {
        tenant: row.try_get("tenant")?,
        month_start_ms: row.try_get("month_start_ms")?,
        threshold: row.try_get("threshold")?,
        passed_ms: row.try_get("passed_ms")?,
        event: row.try_get("event")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn an_export_only_moves_on_and_outlives_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path()).await.unwrap();
        assert_eq!(store.export_cursor("acme").await.unwrap(), None);
        let at = |at_ms: i64, session: &str| EntryCursor {
            at_ms,
            session_id: session.into(),
            minute_start_ms: at_ms,
            reason: String::new(),
        };
        store.keep_export_cursor("acme", at(120_000, "b")).await.unwrap();
        for earlier in [at(60_000, "z"), at(120_000, "a")] {
            store.keep_export_cursor("acme", earlier).await.unwrap();
        }
        assert_eq!(store.export_cursor("other").await.unwrap(), None);
        store.close().await.unwrap();
        let store = SqliteStore::open(dir.path()).await.unwrap();
        assert_eq!(store.export_cursor("acme").await.unwrap(), Some(at(120_000, "b")));
    }

    #[tokio::test]
    async fn a_threshold_is_passed_once_a_month_and_untold_until_told() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path()).await.unwrap();
        let passed = |month_start_ms: i64, event: &str| PassedThreshold {
            tenant: "acme".into(),
            month_start_ms,
            threshold: "minutes-10".into(),
            passed_ms: month_start_ms + 5,
            event: event.into(),
        };
        assert!(store.pass_threshold(passed(0, "first")).await.unwrap());
        assert!(!store.pass_threshold(passed(0, "again")).await.unwrap());
        assert!(store.pass_threshold(passed(100, "next")).await.unwrap());
        let untold = store.untold_thresholds().await.unwrap();
        assert_eq!(untold, [passed(0, "first"), passed(100, "next")]);
        store.threshold_told(&untold[0], 77).await.unwrap();
        assert_eq!(store.untold_thresholds().await.unwrap(), [passed(100, "next")]);
        assert!(!store.pass_threshold(passed(0, "a third time")).await.unwrap());
    }
}
