//! What was done on operators' routes.

use sqlx::Row;
use sqlx::sqlite::{SqlitePool, SqliteRow};

use super::ledger::SqliteLedger;
use super::sqlite::SqliteStore;
use super::writer::{Command, Statement};
use super::{Pending, StoreError};

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditRow {
    pub tenant: String,
    /// From 1 on, without a hole.
    pub seq: u64,
    /// Milliseconds of Unix time.
    pub at_ms: i64,
    pub who: String,
    pub method: String,
    pub path: String,
    pub status: u16,
    pub digest: [u8; 32],
}

/// What is read of the entries that are kept.
pub trait AuditReads: Send + Sync {
    /// The newest entry of each tenant.
    fn audit_heads(&self) -> Pending<'_, Vec<AuditRow>>;

    /// A tenant's entries after `after`, with `at_ms` in `from_ms..to_ms`, oldest first, at most `limit`.
    fn audit<'a>(
        &'a self,
        tenant: &'a str,
        after: u64,
        from_ms: i64,
        to_ms: i64,
        limit: u32,
    ) -> Pending<'a, Vec<AuditRow>>;
}

/// The entries that are kept.
pub trait AuditRows: AuditReads {
    /// Adds an entry.
    fn add_audit(&self, row: AuditRow) -> Pending<'_, ()>;
}

/// An entry to add.
pub(super) struct AuditWrite(AuditRow);

impl AuditWrite {
    pub fn statement(&self) -> Statement {
        let AuditRow { tenant, seq, at_ms, who, method, path, status, digest } = self.0.clone();
        let add =
            "INSERT INTO audit (tenant, seq, at_ms, who, method, path, status, digest) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
        let add = sqlx::query(add).bind(tenant).bind(i64::try_from(seq).unwrap_or(i64::MAX)).bind(at_ms);
        add.bind(who).bind(method).bind(path).bind(i64::from(status)).bind(digest.to_vec())
    }
}

impl AuditReads for SqliteStore {
    fn audit_heads(&self) -> Pending<'_, Vec<AuditRow>> {
        heads(&self.readers)
    }

    fn audit<'a>(
        &'a self,
        tenant: &'a str,
        after: u64,
        from_ms: i64,
        to_ms: i64,
        limit: u32,
    ) -> Pending<'a, Vec<AuditRow>> {
        entries(&self.readers, tenant, after, [from_ms, to_ms], limit)
    }
}

impl AuditReads for SqliteLedger {
    fn audit_heads(&self) -> Pending<'_, Vec<AuditRow>> {
        heads(&self.readers)
    }

    fn audit<'a>(
        &'a self,
        tenant: &'a str,
        after: u64,
        from_ms: i64,
        to_ms: i64,
        limit: u32,
    ) -> Pending<'a, Vec<AuditRow>> {
        entries(&self.readers, tenant, after, [from_ms, to_ms], limit)
    }
}

impl AuditRows for SqliteStore {
    fn add_audit(&self, row: AuditRow) -> Pending<'_, ()> {
        Box::pin(async move { self.submit(Command::Audit(AuditWrite(row))).await.map(drop) })
    }
}

fn heads(readers: &SqlitePool) -> Pending<'_, Vec<AuditRow>> {
    Box::pin(async move {
        let query = "SELECT * FROM audit AS one WHERE seq = (SELECT max(seq) FROM audit WHERE tenant = one.tenant)";
        sqlx::query(query).fetch_all(readers).await?.iter().map(entry).collect()
    })
}

fn entries<'a>(
    readers: &'a SqlitePool,
    tenant: &'a str,
    after: u64,
    [from_ms, to_ms]: [i64; 2],
    limit: u32,
) -> Pending<'a, Vec<AuditRow>> {
    Box::pin(async move {
        let query =
            "SELECT * FROM audit WHERE tenant = ? AND seq > ? AND at_ms >= ? AND at_ms < ? ORDER BY seq LIMIT ?";
        let query = sqlx::query(query).bind(tenant).bind(i64::try_from(after).unwrap_or(i64::MAX));
        let rows = query.bind(from_ms).bind(to_ms).bind(limit).fetch_all(readers).await?;
        rows.iter().map(entry).collect()
    })
}

fn entry(row: &SqliteRow) -> Result<AuditRow, StoreError> {
    let number = |name: &str| row.try_get::<i64, _>(name);
    let digest: Vec<u8> = row.try_get("digest")?;
    Ok(AuditRow {
        tenant: row.try_get("tenant")?,
        seq: u64::try_from(number("seq")?).unwrap_or(0),
        at_ms: number("at_ms")?,
        who: row.try_get("who")?,
        method: row.try_get("method")?,
        path: row.try_get("path")?,
        status: u16::try_from(number("status")?).unwrap_or(0),
        digest: digest.try_into().map_err(|_| StoreError::Failed("a digest has 32 bytes".to_owned()))?,
    })
}
