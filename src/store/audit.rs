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

    /// A tenant's entries, at most `filter.limit`.
    fn audit<'a>(&'a self, tenant: &'a str, filter: AuditFilter) -> Pending<'a, Vec<AuditRow>>;
}

/// Which entries to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFilter {
    /// Only those with a number in `after + 1..before`.
    pub after: u64,
    pub before: u64,
    /// Only those with `at_ms` in `from_ms..to_ms`.
    pub from_ms: i64,
    pub to_ms: i64,
    /// Only what one did.
    pub who: Option<String>,
    /// Only what was done at paths that begin so.
    pub path: Option<String>,
    /// Only what was refused, or what was not.
    pub refused: Option<bool>,
    /// The other way round, the oldest first.
    pub newest_first: bool,
    pub limit: u32,
}

impl AuditFilter {
    /// All of them, oldest first.
    pub const fn all(limit: u32) -> Self {
        Self {
            after: 0,
            before: i64::MAX as u64,
            from_ms: i64::MIN,
            to_ms: i64::MAX,
            who: None,
            path: None,
            refused: None,
            newest_first: false,
            limit,
        }
    }
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

    fn audit<'a>(&'a self, tenant: &'a str, filter: AuditFilter) -> Pending<'a, Vec<AuditRow>> {
        entries(&self.readers, tenant, filter)
    }
}

impl AuditReads for SqliteLedger {
    fn audit_heads(&self) -> Pending<'_, Vec<AuditRow>> {
        heads(&self.readers)
    }

    fn audit<'a>(&'a self, tenant: &'a str, filter: AuditFilter) -> Pending<'a, Vec<AuditRow>> {
        entries(&self.readers, tenant, filter)
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

fn entries<'a>(readers: &'a SqlitePool, tenant: &'a str, filter: AuditFilter) -> Pending<'a, Vec<AuditRow>> {
    // A page is read along the key in one direction or the other.
    const OLDEST: &str = "SELECT * FROM audit WHERE tenant = ?1 AND seq > ?2 AND seq < ?3 AND at_ms >= ?4 AND at_ms < ?5 \
        AND (?6 IS NULL OR who = ?6) AND (?7 IS NULL OR substr(path, 1, length(?7)) = ?7) \
        AND (?8 IS NULL OR (status >= 400) = ?8) ORDER BY seq LIMIT ?9";
    const NEWEST: &str = "SELECT * FROM audit WHERE tenant = ?1 AND seq > ?2 AND seq < ?3 AND at_ms >= ?4 AND at_ms < ?5 \
        AND (?6 IS NULL OR who = ?6) AND (?7 IS NULL OR substr(path, 1, length(?7)) = ?7) \
        AND (?8 IS NULL OR (status >= 400) = ?8) ORDER BY seq DESC LIMIT ?9";
    Box::pin(async move {
        let AuditFilter { after, before, from_ms, to_ms, who, path, refused, newest_first, limit } = filter;
        let number = |seq: u64| i64::try_from(seq).unwrap_or(i64::MAX);
        let query = sqlx::query(if newest_first { NEWEST } else { OLDEST }).bind(tenant);
        let query = query.bind(number(after)).bind(number(before)).bind(from_ms).bind(to_ms);
        let rows = query.bind(who).bind(path).bind(refused).bind(limit).fetch_all(readers).await?;
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
