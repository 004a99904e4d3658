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
}

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
