//! What breaks came to, by tenant, market and hour.

use std::collections::BTreeMap;

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::sqlite::SqliteStore;
use super::writer::{Command, Statement};
use super::{Pending, StoreError, codec};

/// Sums of an hour, or what is to be added to them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FillRow {
    pub tenant: String,
    pub market: String,
    /// When the hour begins, milliseconds of Unix time.
    pub hour_ms: i64,
    pub decisions: u64,
    pub decided: u64,
    pub ad_segments: u64,
    pub slate_segments: u64,
    pub play_outs: u64,
    pub completes: u64,
    /// By VAST's code.
    pub errors: BTreeMap<u16, u64>,
}

/// The sums that are kept.
pub trait FillRows: Send + Sync {
    /// Adds `more` to its hour.
    fn add_fill(&self, more: FillRow) -> Pending<'_, ()>;

    /// A tenant's sums of the hours that begin in `from_ms..to_ms`, by market and hour.
    fn fills<'a>(&'a self, tenant: &'a str, from_ms: i64, to_ms: i64) -> Pending<'a, Vec<FillRow>>;
}

/// What is counted of an hour: one line for each kind.
const KINDS: [&str; 6] = ["decisions", "decided", "ad_segments", "slate_segments", "play_outs", "completes"];

/// What errors are called in front of their codes.
const ERROR: &str = "error ";

/// A count that is added to a line.
pub(super) struct FillWrite {
    tenant: String,
    market: String,
    hour_ms: i64,
    kind: String,
    count: u64,
}

impl FillWrite {
    pub fn statement(&self) -> Statement {
        let add = "INSERT INTO break_fill (tenant, market, hour_ms, kind, count) VALUES (?, ?, ?, ?, ?) \
                   ON CONFLICT (tenant, market, hour_ms, kind) DO UPDATE SET count = count + excluded.count";
        sqlx::query(add)
            .bind(self.tenant.clone())
            .bind(self.market.clone())
            .bind(self.hour_ms)
            .bind(self.kind.clone())
            .bind(i64::try_from(self.count).unwrap_or(i64::MAX))
    }
}

impl FillRow {
    fn counts(&self) -> Vec<(String, u64)> {
        let its = [self.decisions, self.decided, self.ad_segments, self.slate_segments, self.play_outs, self.completes];
        let kinds = KINDS.iter().map(|kind| (*kind).to_owned()).zip(its);
        let errors = self.errors.iter().map(|(code, count)| (format!("{ERROR}{code}"), *count));
        kinds.chain(errors).filter(|(_, count)| *count > 0).collect()
    }

    fn put(&mut self, kind: &str, count: u64) {
        let place = match kind {
            "decisions" => &mut self.decisions,
            "decided" => &mut self.decided,
            "ad_segments" => &mut self.ad_segments,
            "slate_segments" => &mut self.slate_segments,
            "play_outs" => &mut self.play_outs,
            "completes" => &mut self.completes,
            other => match other.strip_prefix(ERROR).and_then(|code| code.parse().ok()) {
                Some(code) => self.errors.entry(code).or_default(),
                // Of a later version.
                None => return,
            },
        };
        *place += count;
    }
}

impl FillRows for SqliteStore {
    fn add_fill(&self, more: FillRow) -> Pending<'_, ()> {
        Box::pin(async move {
            for (kind, count) in more.counts() {
                let FillRow { tenant, market, hour_ms, .. } = more.clone();
                let write = FillWrite { tenant, market, hour_ms, kind, count };
                self.submit(Command::Fill(write)).await?;
            }
            Ok(())
        })
    }

    fn fills<'a>(&'a self, tenant: &'a str, from_ms: i64, to_ms: i64) -> Pending<'a, Vec<FillRow>> {
        Box::pin(async move {
            let query = "SELECT tenant, market, hour_ms, kind, count FROM break_fill \
                         WHERE tenant = ? AND hour_ms >= ? AND hour_ms < ? ORDER BY market, hour_ms, kind";
            let found = sqlx::query(query).bind(tenant).bind(from_ms).bind(to_ms).fetch_all(&self.readers).await?;
            let mut rows: Vec<FillRow> = Vec::new();
            for (row, kind, count) in codec::readable("fill", &found, line) {
                let is_its = |last: &FillRow| last.market == row.market && last.hour_ms == row.hour_ms;
                if !rows.last().is_some_and(is_its) {
                    rows.push(row);
                }
                if let Some(last) = rows.last_mut() {
                    last.put(&kind, count);
                }
            }
            Ok(rows)
        })
    }
}

fn line(row: &SqliteRow) -> Result<(FillRow, String, u64), StoreError> {
    let its = FillRow {
        tenant: row.try_get("tenant")?,
        market: row.try_get("market")?,
        hour_ms: row.try_get("hour_ms")?,
        ..FillRow::default()
    };
    let count: i64 = row.try_get("count")?;
    Ok((its, row.try_get("kind")?, u64::try_from(count).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store as _;

    #[tokio::test]
    async fn what_is_added_up_is_there_after_a_restart_and_is_its_tenants_alone() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path()).await.unwrap();
        let row = |market: &str, hour_ms, play_outs, errors: &[(u16, u64)]| FillRow {
            tenant: "acme".into(),
            market: market.into(),
            hour_ms,
            decisions: 1,
            play_outs,
            errors: errors.iter().copied().collect(),
            ..FillRow::default()
        };
        store.add_fill(row("de", 0, 3, &[(303, 1)])).await.unwrap();
        store.add_fill(row("de", 0, 4, &[(303, 2), (900, 1)])).await.unwrap();
        store.add_fill(row("de", 3_600_000, 5, &[])).await.unwrap();
        store.add_fill(row("fr", 0, 6, &[])).await.unwrap();
        store.add_fill(FillRow { tenant: "other".into(), ..row("de", 0, 7, &[]) }).await.unwrap();
        store.close().await.unwrap();
        drop(store);
        let store = SqliteStore::open(dir.path()).await.unwrap();
        let twice = FillRow { decisions: 2, ..row("de", 0, 7, &[(303, 3), (900, 1)]) };
        let hour = |to_ms| store.fills("acme", 0, to_ms);
        assert_eq!(hour(3_600_000).await.unwrap(), [twice.clone(), row("fr", 0, 6, &[])]);
        assert_eq!(hour(7_200_000).await.unwrap(), [twice, row("de", 3_600_000, 5, &[]), row("fr", 0, 6, &[])]);
        assert_eq!(store.fills("nobody", 0, i64::MAX).await.unwrap(), []);
    }
}
