//! The keys that operators made: kept as digests, found by them.
//!
//! Lock order: `changing` (one change at a time, held over the store), then `keys`, which is never held over an await.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Principal, Scopes, Unknown};
use crate::config::{KeyHolder, KeyRole};
use crate::market::{KeyTerms, Tier};
use crate::store::{KeyRow, KeyRows, StoreError};

/// Most keys of a tenant.
const MAX_KEYS: usize = 1000;

/// Stands before every key that is made here, so that scanners of source code and logs can find one that got there.
const PREFIX: &str = "qk_";

const SECRET_BYTES: usize = 32;

type Digest = [u8; 32];

/// Where a key is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyOrigin {
    /// The configuration file: read-only over the API.
    Config,
    /// Made over the API.
    Operator,
}

/// What a key is to be. Times are milliseconds of Unix time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewKey {
    /// For people.
    pub name: String,
    pub role: KeyRole,
    /// Of an operator's key; a device's has none.
    pub scopes: Scopes,
    pub terms: KeyTerms,
    pub expires_ms: Option<i64>,
}

/// A key as its tenant sees it: not what opens anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisteredKey {
    pub id: String,
    pub name: String,
    pub role: KeyRole,
    pub scopes: Scopes,
    pub terms: KeyTerms,
    pub origin: KeyOrigin,
    pub created_ms: Option<i64>,
    pub expires_ms: Option<i64>,
    /// Since this process began.
    pub last_used_ms: Option<i64>,
}

impl RegisteredKey {
    pub(super) fn configured(holder: &KeyHolder, last_used_ms: Option<i64>) -> Self {
        Self {
            id: holder.name.to_string(),
            name: String::new(),
            role: holder.role,
            scopes: Scopes::all(),
            terms: (*holder.terms).clone(),
            origin: KeyOrigin::Config,
            created_ms: None,
            expires_ms: None,
            last_used_ms,
        }
    }
}

/// A key that was just made.
#[derive(Clone, PartialEq, Eq)]
pub struct MadeKey {
    pub registered: RegisteredKey,
    /// What is presented. It is told this once, and kept nowhere.
    pub key: String,
}

impl std::fmt::Debug for MadeKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MadeKey").field("registered", &self.registered).finish_non_exhaustive()
    }
}

/// Why keys are not changed so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    #[error("there is no key {0:?}")]
    Unknown(String),
    #[error("key {0:?} is defined in the configuration file, which only its owner edits")]
    ReadOnly(String),
    #[error("the key that asks may not do so much itself")]
    Beyond,
    #[error("a key that expires does so in the future")]
    Past,
    #[error("no room for another key: a tenant has at most {limit}")]
    Full { limit: usize },
    /// Nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What of a key is kept beside its digest.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    name: String,
    is_operator: bool,
    scopes: Scopes,
    market: Option<String>,
    tier: Tier,
    created_ms: i64,
    expires_ms: Option<i64>,
}

struct Known {
    tenant: Arc<str>,
    id: Arc<str>,
    kept: Kept,
    terms: Arc<KeyTerms>,
    /// 0 where it was not used.
    last_used_ms: AtomicI64,
}

impl Known {
    fn new(tenant: Arc<str>, id: Arc<str>, kept: Kept) -> Self {
        let terms = Arc::new(KeyTerms { market: kept.market.clone(), tier: kept.tier.clone() });
        Self { tenant, id, kept, terms, last_used_ms: AtomicI64::new(0) }
    }

    fn role(&self) -> KeyRole {
        if self.kept.is_operator { KeyRole::Operator } else { KeyRole::Device }
    }

    fn principal(&self) -> Principal {
        Principal {
            tenant: self.tenant.clone(),
            name: self.id.clone(),
            role: self.role(),
            scopes: self.kept.scopes.clone(),
            terms: self.terms.clone(),
        }
    }

    fn told(&self) -> RegisteredKey {
        let used_ms = self.last_used_ms.load(Ordering::Relaxed);
        RegisteredKey {
            id: self.id.to_string(),
            name: self.kept.name.clone(),
            role: self.role(),
            scopes: self.kept.scopes.clone(),
            terms: (*self.terms).clone(),
            origin: KeyOrigin::Operator,
            created_ms: Some(self.kept.created_ms),
            expires_ms: self.kept.expires_ms,
            last_used_ms: (used_ms > 0).then_some(used_ms),
        }
    }
}

/// See the module.
#[derive(Default)]
pub(super) struct Book {
    keys: RwLock<HashMap<Digest, Known>>,
    store: OnceLock<Arc<dyn KeyRows>>,
    changing: tokio::sync::Mutex<()>,
}

impl Book {
    pub async fn fill(&self, store: Arc<dyn KeyRows>) -> Result<(), StoreError> {
        for KeyRow { tenant, id, digest, body } in store.keys().await? {
            match serde_json::from_str::<Kept>(&body) {
                Ok(kept) => {
                    let known = Known::new(tenant.as_str().into(), id.as_str().into(), kept);
                    self.keys.write().insert(digest, known);
                }
                // It opens nothing, which is better than one that opens more than it should.
                Err(error) => tracing::error!(tenant, key = id, %error, "a key cannot be read and is left out"),
            }
        }
        // Filled once: a second store is no store of these keys.
        let _ = self.store.set(store);
        Ok(())
    }

    /// Whose key `presented` is, or that it is one no more; `None` where there is no such key.
    ///
    /// A digest is looked for, and not a key: what the time tells of a digest helps nobody to find the 256 random bits behind it.
    pub fn principal(&self, presented: &str, now_ms: i64) -> Option<Result<Principal, Unknown>> {
        let digest: Digest = Sha256::digest(presented.as_bytes()).into();
        let keys = self.keys.read();
        let known = keys.get(&digest)?;
        if known.kept.expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
            return Some(Err(Unknown::Expired));
        }
        known.last_used_ms.store(now_ms, Ordering::Relaxed);
        Some(Ok(known.principal()))
    }

    pub fn all(&self, tenant: &str) -> Vec<RegisteredKey> {
        let keys = self.keys.read();
        let mut all: Vec<_> = keys.values().filter(|known| &*known.tenant == tenant).map(Known::told).collect();
        all.sort_by(|a, b| (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id)));
        all
    }

    pub async fn make(&self, by: &Principal, new: NewKey, now_ms: i64) -> Result<MadeKey, KeyError> {
        let NewKey { name, role, scopes, terms, expires_ms } = new;
        if !by.scopes.cover(&reach(role, &scopes)) {
            return Err(KeyError::Beyond);
        }
        if expires_ms.is_some_and(|expires_ms| expires_ms <= now_ms) {
            return Err(KeyError::Past);
        }
        let _one_at_a_time = self.changing.lock().await;
        if self.all(&by.tenant).len() >= MAX_KEYS {
            return Err(KeyError::Full { limit: MAX_KEYS });
        }
        let mut chance = [0; 8 + SECRET_BYTES];
        getrandom::fill(&mut chance).map_err(|e| StoreError::Failed(format!("no random bytes: {e}")))?;
        let (id, secret) = chance.split_at(8);
        let id: Arc<str> = hex::encode(id).into();
        let key = format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret));
        let is_operator = role == KeyRole::Operator;
        let kept =
            Kept { name, is_operator, scopes, market: terms.market, tier: terms.tier, created_ms: now_ms, expires_ms };
        let digest: Digest = Sha256::digest(key.as_bytes()).into();
        let body = serde_json::to_string(&kept).map_err(|e| StoreError::Failed(e.to_string()))?;
        self.rows()?.put_key(KeyRow { tenant: by.tenant.to_string(), id: id.to_string(), digest, body }).await?;
        let known = Known::new(by.tenant.clone(), id, kept);
        let registered = known.told();
        self.keys.write().insert(digest, known);
        Ok(MadeKey { registered, key })
    }

    pub async fn revoke(&self, by: &Principal, id: &str) -> Result<(), KeyError> {
        let _one_at_a_time = self.changing.lock().await;
        {
            let keys = self.keys.read();
            let known = keys.values().find(|known| *known.tenant == *by.tenant && &*known.id == id);
            let known = known.ok_or_else(|| KeyError::Unknown(id.to_owned()))?;
            if !by.scopes.cover(&reach(known.role(), &known.kept.scopes)) {
                return Err(KeyError::Beyond);
            }
        }
        self.rows()?.remove_key(&by.tenant, id).await?;
        self.keys.write().retain(|_, known| !(*known.tenant == *by.tenant && &*known.id == id));
        Ok(())
    }

    fn rows(&self) -> Result<&Arc<dyn KeyRows>, StoreError> {
        self.store.get().ok_or(StoreError::Closed)
    }
}

/// What a key may do, as an operator's scopes say it.
fn reach(role: KeyRole, scopes: &Scopes) -> Scopes {
    if role == KeyRole::Device { Scopes::of_devices() } else { scopes.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Scope;
    use crate::store::{SqliteStore, Store};

    fn operator(tenant: &str, scopes: Scopes) -> Principal {
        let terms = Arc::default();
        Principal { tenant: tenant.into(), name: "root".into(), role: KeyRole::Operator, scopes, terms }
    }

    fn key(name: &str, role: KeyRole, scopes: Scopes) -> NewKey {
        NewKey { name: name.into(), role, scopes, terms: KeyTerms::default(), expires_ms: None }
    }

    async fn open(dir: &std::path::Path) -> (Book, Arc<SqliteStore>) {
        let (book, store) = (Book::default(), Arc::new(SqliteStore::open(dir).await.unwrap()));
        book.fill(store.clone()).await.unwrap();
        (book, store)
    }

    #[tokio::test]
    async fn a_key_opens_until_it_is_revoked_or_expires_and_outlives_the_process() {
        let dir = tempfile::tempdir().unwrap();
        let (book, store) = open(dir.path()).await;
        let root = operator("acme", Scopes::all());
        let games = Scopes::of(["games:write".parse::<Scope>().unwrap()]);
        let made = book.make(&root, key("ci", KeyRole::Operator, games.clone()), 1_000).await.unwrap();
        let brief = NewKey { expires_ms: Some(2_000), ..key("box", KeyRole::Device, Scopes::all()) };
        let brief = book.make(&root, brief, 1_001).await.unwrap();
        assert!(!format!("{made:?}").contains(&made.key));
        store.close().await.unwrap();

        let (book, store) = open(dir.path()).await;
        let found = book.principal(&made.key, 1_500).unwrap().unwrap();
        assert_eq!((&*found.tenant, found.role, found.scopes), ("acme", KeyRole::Operator, games));
        assert_eq!(book.principal(&brief.key, 1_999).unwrap().unwrap().role, KeyRole::Device);
        assert_eq!(book.principal(&brief.key, 2_000), Some(Err(Unknown::Expired)));
        assert_eq!(book.principal(&made.key[..made.key.len() - 1], 1_500), None);
        let told = book.all("acme");
        assert_eq!(told.iter().map(|key| &*key.name).collect::<Vec<_>>(), ["ci", "box"]);
        assert_eq!(told[0].last_used_ms, Some(1_500));
        assert_eq!(book.all("other"), []);

        let other = operator("other", Scopes::all());
        let unknown = Err(KeyError::Unknown(made.registered.id.clone()));
        assert_eq!(book.revoke(&other, &made.registered.id).await, unknown);
        book.revoke(&root, &made.registered.id).await.unwrap();
        assert_eq!(book.revoke(&root, &made.registered.id).await, unknown);
        assert_eq!(book.principal(&made.key, 1_500), None);
        store.close().await.unwrap();
        assert_eq!(open(dir.path()).await.0.principal(&made.key, 1_500), None);
    }

    #[tokio::test]
    async fn nobody_makes_or_revokes_a_key_that_may_do_more() {
        let dir = tempfile::tempdir().unwrap();
        let (book, _store) = open(dir.path()).await;
        let of = |names: &[&str]| Scopes::of(names.iter().map(|name| name.parse::<Scope>().unwrap()));
        let root = operator("acme", Scopes::all());
        let clerk = operator("acme", of(&["keys:write", "usage:read"]));
        for scopes in [Scopes::all(), of(&["usage:write"]), of(&["games:read"])] {
            let made = book.make(&clerk, key("more", KeyRole::Operator, scopes), 1_000).await;
            assert_eq!(made, Err(KeyError::Beyond));
        }
        book.make(&clerk, key("same", KeyRole::Operator, of(&["usage:read"])), 1_000).await.unwrap();
        let more = book.make(&root, key("root", KeyRole::Operator, Scopes::all()), 1_000).await.unwrap();
        assert_eq!(book.revoke(&clerk, &more.registered.id).await, Err(KeyError::Beyond));
        // A device's key makes sessions, and finds those of others.
        let made = book.make(&clerk, key("box", KeyRole::Device, Scopes::all()), 1_000).await;
        assert_eq!(made, Err(KeyError::Beyond));
        let device = book.make(&root, key("box", KeyRole::Device, Scopes::all()), 1_000).await.unwrap();
        assert_eq!(book.revoke(&clerk, &device.registered.id).await, Err(KeyError::Beyond));
        let installer = operator("acme", of(&["keys:write", "sessions:write", "games:read"]));
        book.make(&installer, key("box", KeyRole::Device, Scopes::all()), 1_000).await.unwrap();
        book.revoke(&installer, &device.registered.id).await.unwrap();
        let past = NewKey { expires_ms: Some(1_000), ..key("past", KeyRole::Device, Scopes::all()) };
        assert_eq!(book.make(&root, past, 1_000).await, Err(KeyError::Past));
    }
}
