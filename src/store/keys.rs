//! The keys that operators made over the API: digests, and what they may do.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::sqlite::SqliteStore;
use super::writer::{Command, Statement};
use super::{Pending, StoreError, codec};

/// A key of a tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    pub tenant: String,
    pub id: String,
    /// SHA-256 of the key.
    pub digest: [u8; 32],
    /// What it says, as JSON.
    pub body: String,
}

/// The keys that are kept.
pub trait KeyRows: Send + Sync {
    /// Those of all tenants, ordered by tenant and id. What cannot be read is left out, and named in the log.
    fn keys(&self) -> Pending<'_, Vec<KeyRow>>;

    /// Keeps a new key.
    fn put_key(&self, key: KeyRow) -> Pending<'_, ()>;

    /// Forgets one; false when there is none.
    fn remove_key(&self, tenant: &str, id: &str) -> Pending<'_, bool>;
}

/// What the writer is asked to do for keys: a statement each.
pub(super) enum KeyWrite {
    Put(KeyRow),
    Remove { tenant: String, id: String },
}

impl KeyWrite {
    pub fn statement(&self) -> Statement {
        match self {
            Self::Put(KeyRow { tenant, id, digest, body }) => {
                let put = sqlx::query("INSERT INTO api_keys (tenant, id, digest, body) VALUES (?, ?, ?, ?)");
                put.bind(tenant.clone()).bind(id.clone()).bind(digest.to_vec()).bind(body.clone())
            }
            Self::Remove { tenant, id } => {
                let remove = "DELETE FROM api_keys WHERE tenant = ? AND id = ?";
                sqlx::query(remove).bind(tenant.clone()).bind(id.clone())
            }
        }
    }
}

impl KeyRows for SqliteStore {
    fn keys(&self) -> Pending<'_, Vec<KeyRow>> {
        Box::pin(async move {
            let query = "SELECT tenant, id, digest, body FROM api_keys ORDER BY tenant, id";
            let rows = sqlx::query(query).fetch_all(&self.readers).await?;
            Ok(codec::readable("key", &rows, key))
        })
    }

    fn put_key(&self, key: KeyRow) -> Pending<'_, ()> {
        Box::pin(async move { self.submit(Command::Key(KeyWrite::Put(key))).await.map(drop) })
    }

    fn remove_key(&self, tenant: &str, id: &str) -> Pending<'_, bool> {
        let write = KeyWrite::Remove { tenant: tenant.to_owned(), id: id.to_owned() };
        Box::pin(async move { Ok(self.submit(Command::Key(write)).await? > 0) })
    }
}

fn key(row: &SqliteRow) -> Result<KeyRow, StoreError> {
    let digest: Vec<u8> = row.try_get("digest")?;
    let digest = digest.try_into().map_err(|_| StoreError::Failed("a digest has 32 bytes".to_owned()))?;
    Ok(KeyRow { tenant: row.try_get("tenant")?, id: row.try_get("id")?, digest, body: row.try_get("body")? })
}
