//! The sets of outputs that operators made over the API.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::sqlite::SqliteStore;
use super::writer::{Command, Statement};
use super::{Pending, StoreError, codec};

/// A set of outputs of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputRow {
    pub tenant: String,
    pub id: String,
    /// What it says, as JSON.
    pub body: String,
}

/// The sets that are kept.
pub trait OutputRows: Send + Sync {
    /// Those of all tenants, ordered by tenant and id. What cannot be read is left out, and named in the log.
    fn outputs(&self) -> Pending<'_, Vec<OutputRow>>;

    /// Keeps a set, in place of one of that tenant and id.
    fn put_outputs(&self, set: OutputRow) -> Pending<'_, ()>;

    /// Forgets one; false when there is none.
    fn remove_outputs(&self, tenant: &str, id: &str) -> Pending<'_, bool>;
}

/// What the writer is asked to do for sets of outputs: a statement each.
pub(super) enum OutputWrite {
    Put(OutputRow),
    Remove { tenant: String, id: String },
}

impl OutputWrite {
    pub fn statement(&self) -> Statement {
        match self {
            Self::Put(OutputRow { tenant, id, body }) => {
                let put = "INSERT INTO outputs (tenant, id, body) VALUES (?, ?, ?) \
                           ON CONFLICT (tenant, id) DO UPDATE SET body = excluded.body";
                sqlx::query(put).bind(tenant.clone()).bind(id.clone()).bind(body.clone())
            }
            Self::Remove { tenant, id } => {
                let remove = "DELETE FROM outputs WHERE tenant = ? AND id = ?";
                sqlx::query(remove).bind(tenant.clone()).bind(id.clone())
            }
        }
    }
}

impl OutputRows for SqliteStore {
    fn outputs(&self) -> Pending<'_, Vec<OutputRow>> {
        Box::pin(async move {
            let query = "SELECT tenant, id, body FROM outputs ORDER BY tenant, id";
            let rows = sqlx::query(query).fetch_all(&self.readers).await?;
            Ok(codec::readable("set of outputs", &rows, set))
        })
    }

    fn put_outputs(&self, set: OutputRow) -> Pending<'_, ()> {
        Box::pin(async move { self.submit(Command::Outputs(OutputWrite::Put(set))).await.map(drop) })
    }

    fn remove_outputs(&self, tenant: &str, id: &str) -> Pending<'_, bool> {
        let write = OutputWrite::Remove { tenant: tenant.to_owned(), id: id.to_owned() };
        Box::pin(async move { Ok(self.submit(Command::Outputs(write)).await? > 0) })
    }
}

fn set(row: &SqliteRow) -> Result<OutputRow, StoreError> {
    Ok(OutputRow { tenant: row.try_get("tenant")?, id: row.try_get("id")?, body: row.try_get("body")? })
}
