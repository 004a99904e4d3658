//! What is asked of a ledger whose hours are checked: whether its file is whole, which hours have sums, and how far seals were noted.

use std::path::Path;

use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use super::{SealMarks, StoreError, SummedTenant, data_dir};

/// All that bills are made of.
const LEDGER_TABLES: [&str; 7] =
    ["ledger_state", "meter_lines", "corrections", "closed_hours", "hour_sums", "month_marks", "price_lists"];

/// Compares the ledger's tables with their indexes, their order and their rules.
pub(super) async fn check_ledger_tables(readers: &SqlitePool) -> Result<(), StoreError> {
    for table in LEDGER_TABLES {
        let query = sqlx::query(AssertSqlSafe(format!("PRAGMA integrity_check('{table}')")));
        let said: String = query.fetch_one(readers).await?.try_get(0)?;
        if said != "ok" {
            return Err(StoreError::Damaged(format!("table {table}: {said}")));
        }
    }
    Ok(())
}

/// Tenants with sums or marks, in byte order.
pub(super) async fn summed_tenants(readers: &SqlitePool) -> Result<Vec<SummedTenant>, StoreError> {
    // From one tenant straight to the next along each primary key, as `billed_tenants` goes.
    let query = "WITH RECURSIVE \
         of_sums (tenant) AS (SELECT min(tenant) FROM hour_sums UNION ALL \
         SELECT (SELECT min(tenant) FROM hour_sums h WHERE h.tenant > t.tenant) FROM of_sums t \
         WHERE t.tenant IS NOT NULL), \
         of_marks (tenant) AS (SELECT min(tenant) FROM month_marks UNION ALL \
         SELECT (SELECT min(tenant) FROM month_marks m WHERE m.tenant > t.tenant) FROM of_marks t \
         WHERE t.tenant IS NOT NULL) \
         SELECT tenant, \
         min(coalesce((SELECT min(hour_start_ms) FROM hour_sums h WHERE h.tenant = t.tenant), 9223372036854775807), \
         coalesce((SELECT min(hour_start_ms) FROM month_marks m WHERE m.tenant = t.tenant), 9223372036854775807)) \
         AS first_ms, \
         max(coalesce((SELECT max(hour_start_ms) FROM hour_sums h WHERE h.tenant = t.tenant), -9223372036854775808), \
         coalesce((SELECT max(hour_start_ms) FROM month_marks m WHERE m.tenant = t.tenant), -9223372036854775808)) \
         AS last_ms \
         FROM (SELECT tenant FROM of_sums UNION SELECT tenant FROM of_marks) t WHERE tenant IS NOT NULL ORDER BY tenant";
    let rows = sqlx::query(query).fetch_all(readers).await?;
    let tenant = |row: &SqliteRow| {
        let (first_ms, last_ms) = (row.try_get("first_ms")?, row.try_get("last_ms")?);
        Ok(SummedTenant { tenant: row.try_get("tenant")?, first_ms, last_ms })
    };
    rows.iter().map(tenant).collect()
}

/// How far seals were noted: by the database, and by the marker in `data_dir` beside it.
pub(super) async fn seal_marks(readers: &SqlitePool, data_dir: Option<&Path>) -> Result<SealMarks, StoreError> {
    let noted = data_dir.map_or(Ok(None), data_dir::noted_seal)?;
    let row = sqlx::query("SELECT * FROM ledger_state").fetch_one(readers).await?;
    Ok(SealMarks { sealed_until_ms: newer_column(&row, "sealed_until_ms")?.unwrap_or(0), noted })
}

/// What a column says that a database lacks which no newer service has opened yet: tools read those as well.
pub(super) fn newer_column<'r, T>(row: &'r SqliteRow, column: &str) -> Result<Option<T>, StoreError>
where
    Option<T>: sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    match row.try_get::<Option<T>, _>(column) {
        Err(sqlx::Error::ColumnNotFound(_)) => Ok(None),
        said => Ok(said?),
    }
}
