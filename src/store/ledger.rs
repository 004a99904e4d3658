//! Reading the ledger: by the running service, and by tools beside it, on connections that cannot write.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use super::sqlite::{BUSY_TIMEOUT, FILE_NAME};
use super::{ClosedHour, EntryCursor, LedgerEntry, LedgerReads, Pending, StoreError, UsageReads, codec};

/// The ledger in a data directory, whether or not a service runs on it.
#[derive(Clone)]
pub struct SqliteLedger {
    pub(super) readers: SqlitePool,
    /// Slept after each page of entries.
    rest: Duration,
    /// Where the database's marker is looked for.
    pub(super) data_dir: Option<PathBuf>,
}

impl SqliteLedger {
    pub(super) fn new(readers: SqlitePool) -> Self {
        Self { readers, rest: Duration::ZERO, data_dir: None }
    }

    /// Opens the database of `data_dir` for reading alone. A service may run on it meanwhile.
    ///
    /// # Errors
    /// [`StoreError::Failed`] or [`StoreError::Unwritable`] when there is no database, or none that this version reads.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(data_dir.join(FILE_NAME))
            .read_only(true)
            .create_if_missing(false)
            .pragma("cell_size_check", "ON")
            .busy_timeout(BUSY_TIMEOUT);
        let readers = SqlitePoolOptions::new().max_connections(1).connect_with(options).await?;
        let ledger = Self { data_dir: Some(data_dir.to_owned()), ..Self::new(readers) };
        ledger.summed_until().await.map_err(|e| match e {
            StoreError::Failed(said) => StoreError::Failed(format!("there is no ledger of this version: {said}")),
            other => other,
        })?;
        Ok(ledger)
    }

    /// As [`SqliteLedger::open`], for those who read everything and have time: they rest `rest` after each page of entries, so that
    /// a walk through an hour of many lines takes a small share of a processor.
    ///
    /// # Errors
    /// As [`SqliteLedger::open`].
    pub async fn open_at_leisure(data_dir: &Path, rest: Duration) -> Result<Self, StoreError> {
        Ok(Self { rest, ..Self::open(data_dir).await? })
    }

    /// Looks through the small tables and their indexes.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] names the table.
    pub async fn check_small_tables(&self) -> Result<(), StoreError> {
        for table in SMALL_TABLES {
            let query = sqlx::query(AssertSqlSafe(format!("PRAGMA quick_check('{table}')")));
            let said: String = query.fetch_one(&self.readers).await?.try_get(0)?;
            if said != "ok" {
                return Err(StoreError::Damaged(format!("table {table}: {said}")));
            }
        }
        Ok(())
    }

    /// Reads the sessions after `after`, at most `limit`: where the next ones begin, if there may be some.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] or [`StoreError::Failed`] where one cannot be read.
    pub async fn check_sessions(&self, after: &str, limit: u32) -> Result<Option<String>, StoreError> {
        let query = sqlx::query("SELECT * FROM session_rows WHERE id > ? ORDER BY id LIMIT ?").bind(after).bind(limit);
        let rows = query.fetch_all(&self.readers).await?;
        let sessions = rows.iter().map(codec::session).collect::<Result<Vec<_>, _>>()?;
        Ok(sessions.last().filter(|_| sessions.len() == limit as usize).map(|session| session.id.clone()))
    }
}

/// Tables that are looked through in one go: a walk through a large one would hold on to the log for as long.
const SMALL_TABLES: [&str; 12] = [
    "_sqlx_migrations",
    "secrets",
    "games",
    "idempotency",
    "session_meters",
    "ledger_state",
    "closed_hours",
    "month_marks",
    "price_lists",
    "export_cursors",
    "passed_thresholds",
    "deployment",
];

impl LedgerReads for SqliteLedger {
    fn closed_until(&self) -> Pending<'_, i64> {
        Box::pin(async move {
            let row = sqlx::query("SELECT closed_until_ms FROM ledger_state").fetch_one(&self.readers).await?;
            Ok(row.try_get(0)?)
        })
    }

    fn closed_hours(&self, after_ms: i64, limit: u32) -> Pending<'_, Vec<ClosedHour>> {
        Box::pin(async move {
            let query = "SELECT * FROM closed_hours WHERE hour_start_ms > ? ORDER BY hour_start_ms LIMIT ?";
            let rows = sqlx::query(query).bind(after_ms).bind(limit).fetch_all(&self.readers).await?;
            rows.iter().map(codec::closed_hour).collect()
        })
    }

    fn last_closed_hour(&self) -> Pending<'_, Option<ClosedHour>> {
        Box::pin(async move {
            let query = "SELECT * FROM closed_hours ORDER BY hour_start_ms DESC LIMIT 1";
            let row = sqlx::query(query).fetch_optional(&self.readers).await?;
            row.as_ref().map(codec::closed_hour).transpose()
        })
    }

    fn billed_tenants(&self) -> Pending<'_, Vec<(String, i64)>> {
        Box::pin(async move {
            // From one tenant straight to the next along each primary key: no walk over their lines.
            let query = "WITH RECURSIVE \
                 of_lines (tenant) AS (SELECT min(tenant) FROM meter_lines UNION ALL \
                 SELECT (SELECT min(tenant) FROM meter_lines m WHERE m.tenant > t.tenant) FROM of_lines t \
                 WHERE t.tenant IS NOT NULL), \
                 of_corrections (tenant) AS (SELECT min(tenant) FROM corrections UNION ALL \
                 SELECT (SELECT min(tenant) FROM corrections c WHERE c.tenant > t.tenant) FROM of_corrections t \
                 WHERE t.tenant IS NOT NULL) \
                 SELECT tenant, min(coalesce((SELECT min(minute_start_ms) FROM meter_lines m WHERE m.tenant = t.tenant), \
                 9223372036854775807), \
                 coalesce((SELECT min(hour_start_ms) FROM corrections c WHERE c.tenant = t.tenant), \
                 9223372036854775807)) AS first_ms \
                 FROM (SELECT tenant FROM of_lines UNION SELECT tenant FROM of_corrections) t \
                 WHERE tenant IS NOT NULL ORDER BY tenant";
            let rows = sqlx::query(query).fetch_all(&self.readers).await?;
            let tenant = |row: &SqliteRow| Ok((row.try_get("tenant")?, row.try_get("first_ms")?));
            rows.iter().map(tenant).collect()
        })
    }

    fn entries<'a>(
        &'a self,
        tenant: &'a str,
        from_ms: i64,
        to_ms: i64,
        after: Option<EntryCursor>,
        limit: u32,
    ) -> Pending<'a, Vec<LedgerEntry>> {
        Box::pin(async move {
            // Row values compare left to right, as the primary keys sort: the listing is a walk along both, merged. (Of the view,
            // every page would sort all that is left of the period.) The order names columns by number: by name, `minute_start_ms` would
            // be the first column that says so, `at_ms`, and of a session with a line and a correction at the same instant pages
            // would repeat one or leave it out.
            let query = "SELECT tenant, minute_start_ms AS at_ms, session_id, minute_start_ms, '' AS reason, \
                 billable_seconds, slate_seconds, slate_all_seconds, engine, layout, tier, games, labels \
                 FROM meter_lines WHERE tenant = ?1 AND minute_start_ms >= ?2 AND minute_start_ms < ?3 \
                 AND (minute_start_ms, session_id, minute_start_ms, '') > (?4, ?5, ?6, ?7) \
                 UNION ALL \
                 SELECT tenant, hour_start_ms AS at_ms, session_id, minute_start_ms, reason, \
                 billable_seconds, slate_seconds, slate_all_seconds, engine, layout, tier, games, labels \
                 FROM corrections WHERE tenant = ?1 AND hour_start_ms >= ?2 AND hour_start_ms < ?3 \
                 AND (hour_start_ms, session_id, minute_start_ms, reason) > (?4, ?5, ?6, ?7) \
                 ORDER BY 2, 3, 4, 5 LIMIT ?8";
            let after = after.unwrap_or_default();
            let query = sqlx::query(query)
                .bind(tenant)
                .bind(from_ms.max(after.at_ms))
                .bind(to_ms)
                .bind(after.at_ms)
                .bind(after.session_id)
                .bind(after.minute_start_ms)
                .bind(after.reason)
                .bind(limit);
            let entries = query.fetch_all(&self.readers).await?.iter().map(codec::entry).collect();
            if !self.rest.is_zero() {
                tokio::time::sleep(self.rest).await;
            }
            entries
        })
    }
}
