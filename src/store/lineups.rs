//! What was decided for breaks.

use sqlx::Row;

use super::sqlite::SqliteStore;
use super::writer::{Command, Statement};
use super::{Pending, StoreError};

/// What one break is filled with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineupRow {
    /// Of what stands in for the game.
    pub name: String,
    /// Unix time.
    pub decided_ms: i64,
    /// In words of whoever keeps it.
    pub lineup: String,
}

/// The lineups that are kept.
pub trait LineupRows: Send + Sync {
    /// Keeps one, in place of what was kept under its name.
    fn put_lineup(&self, row: LineupRow) -> Pending<'_, ()>;

    fn lineups(&self) -> Pending<'_, Vec<LineupRow>>;

    /// Forgets those that were decided before `before_ms`; how many they were.
    fn forget_lineups(&self, before_ms: i64) -> Pending<'_, u64>;
}

/// What the writer is asked to do for lineups: a statement each.
pub(super) enum LineupWrite {
    Put(LineupRow),
    Forget { before_ms: i64 },
}

impl LineupWrite {
    pub fn statement(&self) -> Statement {
        match self {
            Self::Put(LineupRow { name, decided_ms, lineup }) => {
                let put = "INSERT INTO lineups (name, decided_ms, lineup) VALUES (?, ?, ?) \
                           ON CONFLICT (name) DO UPDATE SET decided_ms = excluded.decided_ms, lineup = excluded.lineup";
                sqlx::query(put).bind(name.clone()).bind(*decided_ms).bind(lineup.clone())
            }
            Self::Forget { before_ms } => sqlx::query("DELETE FROM lineups WHERE decided_ms < ?").bind(*before_ms),
        }
    }
}

impl LineupRows for SqliteStore {
    fn put_lineup(&self, row: LineupRow) -> Pending<'_, ()> {
        Box::pin(async move { self.submit(Command::Lineup(LineupWrite::Put(row))).await.map(drop) })
    }

    fn lineups(&self) -> Pending<'_, Vec<LineupRow>> {
        Box::pin(async move {
            let rows = sqlx::query("SELECT * FROM lineups ORDER BY name").fetch_all(&self.readers).await?;
            let lineup = |row: &sqlx::sqlite::SqliteRow| -> Result<LineupRow, StoreError> {
                Ok(LineupRow {
                    name: row.try_get("name")?,
                    decided_ms: row.try_get("decided_ms")?,
                    lineup: row.try_get("lineup")?,
                })
            };
            rows.iter().map(lineup).collect()
        })
    }

    fn forget_lineups(&self, before_ms: i64) -> Pending<'_, u64> {
        Box::pin(self.submit(Command::Lineup(LineupWrite::Forget { before_ms })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[tokio::test]
    async fn lineups_are_kept_under_their_names_until_they_are_old() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path()).await.unwrap();
        let row =
            |name: &str, decided_ms, lineup: &str| LineupRow { name: name.into(), decided_ms, lineup: lineup.into() };
        for its in [row("a", 1_000, "{}"), row("b", 2_000, "{}"), row("a", 1_500, "{\"x\":1}")] {
            store.put_lineup(its).await.unwrap();
        }
        store.close().await.unwrap();
        let store = SqliteStore::open(dir.path()).await.unwrap();
        assert_eq!(store.lineups().await.unwrap(), [row("a", 1_500, "{\"x\":1}"), row("b", 2_000, "{}")]);
        assert_eq!(store.forget_lineups(2_000).await.unwrap(), 1);
        assert_eq!(store.lineups().await.unwrap(), [row("b", 2_000, "{}")]);
    }
}
