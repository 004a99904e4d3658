//! Breaks that were begun by hand.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::StoreError;
use super::writer::Statement;

/// One of them. Times are nanoseconds of Unix time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BreakRow {
    /// The key of its game.
    pub game: String,
    pub name: String,
    pub starts_ns: i64,
    pub planned_ns: Option<i64>,
    /// Where it was ended by hand.
    pub ends_ns: Option<i64>,
}

/// What the writer is asked to do for them: a statement each.
pub(super) enum BreakWrite {
    Put(BreakRow),
    /// It never was.
    Remove(BreakRow),
    /// Those that began before.
    Forget {
        before_ns: i64,
    },
    ForgetGame {
        game: String,
    },
    /// But the newest [`MOST`] of it.
    Thin {
        game: String,
    },
}

/// Breaks of a game that are kept: as many as a game's cues.
pub(super) const MOST: i64 = 4096;

impl BreakWrite {
    pub fn statement(&self) -> Statement {
        match self {
            Self::Put(BreakRow { game, name, starts_ns, planned_ns, ends_ns }) => {
                let put = "INSERT INTO breaks_by_hand (game, name, starts_ns, planned_ns, ends_ns) VALUES (?, ?, ?, ?, ?) \
                           ON CONFLICT (game, name, starts_ns) DO UPDATE SET planned_ns = excluded.planned_ns, ends_ns = excluded.ends_ns";
                sqlx::query(put).bind(game.clone()).bind(name.clone()).bind(*starts_ns).bind(*planned_ns).bind(*ends_ns)
            }
            Self::Remove(BreakRow { game, name, starts_ns, .. }) => {
                let remove = "DELETE FROM breaks_by_hand WHERE game = ? AND name = ? AND starts_ns = ?";
                sqlx::query(remove).bind(game.clone()).bind(name.clone()).bind(*starts_ns)
            }
            Self::Forget { before_ns } => {
                sqlx::query("DELETE FROM breaks_by_hand WHERE starts_ns < ?").bind(*before_ns)
            }
            Self::Thin { game } => {
                let thin = "DELETE FROM breaks_by_hand WHERE game = ?1 AND starts_ns <= \
                            (SELECT starts_ns FROM breaks_by_hand WHERE game = ?1 ORDER BY starts_ns DESC LIMIT 1 OFFSET ?2)";
                sqlx::query(thin).bind(game.clone()).bind(MOST)
            }
            Self::ForgetGame { game } => sqlx::query("DELETE FROM breaks_by_hand WHERE game = ?").bind(game.clone()),
        }
    }
}

/// In the order in which they begin.
pub(super) const BREAKS: &str = "SELECT * FROM breaks_by_hand ORDER BY starts_ns, game, name";

pub(super) fn row(row: &SqliteRow) -> Result<BreakRow, StoreError> {
    Ok(BreakRow {
        game: row.try_get("game")?,
        name: row.try_get("name")?,
        starts_ns: row.try_get("starts_ns")?,
        planned_ns: row.try_get("planned_ns")?,
        ends_ns: row.try_get("ends_ns")?,
    })
}

#[cfg(test)]
mod tests {
    use crate::store::testing::tamper;
    use crate::store::{BreakRow, SqliteStore, Store};

    fn one(game: &str, name: &str, starts_ns: i64) -> BreakRow {
        BreakRow { game: game.into(), name: name.into(), starts_ns, planned_ns: Some(30_000_000_000), ends_ns: None }
    }

    #[tokio::test]
    async fn breaks_are_kept_as_they_are_known_and_no_more_of_a_game_than_its_cues_hold() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path()).await.unwrap();
        let (first, second) = (one("acme/a", "x", 1_000), one("b", "x", 2_000));
        // A name is used again.
        let again = one("acme/a", "x", 3_000);
        for its in [&first, &second, &again] {
            store.put_break(its.clone()).await.unwrap();
        }
        let ended = BreakRow { ends_ns: Some(4_000), planned_ns: None, ..again };
        store.put_break(ended.clone()).await.unwrap();
        assert_eq!(store.breaks_by_hand().await.unwrap(), [first.clone(), second.clone(), ended.clone()]);
        store.close().await.unwrap();
        let store = SqliteStore::open(dir.path()).await.unwrap();
        store.remove_break(ended).await.unwrap();
        assert_eq!(store.breaks_by_hand().await.unwrap(), [first, second.clone()]);
        store.forget_breaks(1_001).await.unwrap();
        assert_eq!(store.breaks_by_hand().await.unwrap(), [second]);
        let many = format!(
            "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {} + 8) \
             INSERT INTO breaks_by_hand SELECT 'c', 'many', i, NULL, NULL FROM n",
            super::MOST
        );
        tamper(dir.path(), &many).await;
        store.put_break(one("c", "many", super::MOST + 9)).await.unwrap();
        let kept = store.breaks_by_hand().await.unwrap();
        assert_eq!(kept.iter().filter(|its| its.game == "c").map(|its| its.starts_ns).min(), Some(10));
        assert_eq!(kept.len() as i64, super::MOST + 1, "another game's is left alone");
        store.forget_breaks_of("c").await.unwrap();
        assert_eq!(store.breaks_by_hand().await.unwrap().len(), 1);
    }
}
