//! The markets that operators made over the API.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::sqlite::SqliteStore;
use super::writer::{Command, Statement};
use super::{Pending, StoreError, codec};

/// A market of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarketRow {
    pub tenant: String,
    pub id: String,
    /// What it says, as JSON.
    pub body: String,
}

/// The markets that are kept.
pub trait MarketRows: Send + Sync {
    /// Those of all tenants, ordered by tenant and id. What cannot be read is left out, and named in the log.
    fn markets(&self) -> Pending<'_, Vec<MarketRow>>;

    /// Keeps a market, in place of one of that tenant and id.
    fn put_market(&self, market: MarketRow) -> Pending<'_, ()>;

    /// Forgets one; false when there is none.
    fn remove_market(&self, tenant: &str, id: &str) -> Pending<'_, bool>;
}

/// What the writer is asked to do for markets: a statement each.
pub(super) enum MarketWrite {
    Put(MarketRow),
    Remove { tenant: String, id: String },
}

impl MarketWrite {
    pub fn statement(&self) -> Statement {
        match self {
            Self::Put(MarketRow { tenant, id, body }) => {
                let put = "INSERT INTO markets (tenant, id, body) VALUES (?, ?, ?) \
                           ON CONFLICT (tenant, id) DO UPDATE SET body = excluded.body";
                sqlx::query(put).bind(tenant.clone()).bind(id.clone()).bind(body.clone())
            }
            Self::Remove { tenant, id } => {
                let remove = "DELETE FROM markets WHERE tenant = ? AND id = ?";
                sqlx::query(remove).bind(tenant.clone()).bind(id.clone())
            }
        }
    }
}

impl MarketRows for SqliteStore {
    fn markets(&self) -> Pending<'_, Vec<MarketRow>> {
        Box::pin(async move {
            let query = "SELECT tenant, id, body FROM markets ORDER BY tenant, id";
            let rows = sqlx::query(query).fetch_all(&self.readers).await?;
            Ok(codec::readable("market", &rows, market))
        })
    }

    fn put_market(&self, market: MarketRow) -> Pending<'_, ()> {
        Box::pin(async move { self.submit(Command::Market(MarketWrite::Put(market))).await.map(drop) })
    }

    fn remove_market(&self, tenant: &str, id: &str) -> Pending<'_, bool> {
        let write = MarketWrite::Remove { tenant: tenant.to_owned(), id: id.to_owned() };
        Box::pin(async move { Ok(self.submit(Command::Market(write)).await? > 0) })
    }
}

fn market(row: &SqliteRow) -> Result<MarketRow, StoreError> {
    Ok(MarketRow { tenant: row.try_get("tenant")?, id: row.try_get("id")?, body: row.try_get("body")? })
}
