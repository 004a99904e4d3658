//! Who asks, and what they may do: keys of the configuration, keys that operators made, and bearer tokens that others signed. No HTTP: whoever asks is
//! told the [`Principal`]. No key and no token is ever logged, echoed or kept as it was given.

mod book;
mod issuers;
mod principal;
mod scope;
mod token;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

pub use book::{KeyError, KeyOrigin, MadeKey, NewKey, RegisteredKey};
pub use principal::Principal;
pub use scope::{Access, Area, Scope, ScopeError, Scopes};
pub use token::TokenError;

use crate::config::{KeyHolder, Keyring, Tenant};
use crate::store::{KeyRows, StoreError};
use book::Book;
use issuers::Issuers;

/// Why somebody is nobody.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unknown {
    #[error("the key is not known")]
    Key,
    #[error("the key has expired")]
    Expired,
    #[error("the token is refused: {0}")]
    Token(#[from] TokenError),
}

/// All keys and issuers.
pub struct Keys {
    /// Whoever is none of them has no keys, whatever was made before.
    tenants: HashSet<String>,
    configured: Keyring,
    /// When those of the configuration were last used, milliseconds of Unix time, by their names.
    used: HashMap<Arc<str>, AtomicI64>,
    book: Book,
    issuers: Issuers,
}

impl Keys {
    /// Of the configuration alone, until [`Keys::fill`].
    pub fn new(tenants: &[Tenant]) -> Self {
        let issuers = tenants.iter().flat_map(|tenant| tenant.issuers.iter().cloned()).collect();
        let configured = Keyring::new(tenants);
        Self {
            tenants: tenants.iter().map(|tenant| tenant.id.clone()).collect(),
            used: configured.all().map(|holder| (holder.name.clone(), AtomicI64::default())).collect(),
            configured,
            book: Book::default(),
            issuers: Issuers::new(issuers),
        }
    }

    /// Takes up the keys that operators made before.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn fill(&self, store: Arc<dyn KeyRows>) -> Result<(), StoreError> {
        self.book.fill(store).await
    }

    /// Who presents `presented` at `now_ms`, milliseconds of Unix time.
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn principal(&self, presented: &str, now_ms: i64) -> Result<Principal, Unknown> {
        if let Some(KeyHolder { tenant, role, terms, name }) = self.configured.find(presented) {
            if let Some(used) = self.used.get(name) {
                used.store(now_ms, Ordering::Relaxed);
            }
            let (tenant, name, terms) = (tenant.clone(), name.clone(), terms.clone());
            return Ok(Principal { tenant, name, role: *role, scopes: Scopes::all(), terms });
        }
        if let Some(found) = self.book.principal(presented, now_ms) {
            let is_tenant_s = |principal: &Principal| self.tenants.contains(&*principal.tenant);
            return found.and_then(|principal| Some(principal).filter(is_tenant_s).ok_or(Unknown::Key));
        }
        if token::is_token(presented) {
            return Ok(self.issuers.principal(presented, now_ms).await?);
        }
        Err(Unknown::Key)
    }

    /// A tenant's keys: those of the configuration first, then made ones, the oldest first.
    pub fn all(&self, tenant: &str) -> Vec<RegisteredKey> {
        let configured = self.configured.of_tenant(tenant);
        let used_ms = |holder: &KeyHolder| self.used.get(&holder.name).map(|used| used.load(Ordering::Relaxed));
        let told = |holder| RegisteredKey::configured(holder, used_ms(holder).filter(|used_ms| *used_ms > 0));
        let mut all: Vec<_> = configured.map(told).collect();
        all.extend(self.book.all(tenant));
        all
    }

    /// One of them.
    ///
    /// # Errors
    /// [`KeyError::Unknown`].
    pub fn get(&self, tenant: &str, id: &str) -> Result<RegisteredKey, KeyError> {
        self.all(tenant).into_iter().find(|key| key.id == id).ok_or_else(|| KeyError::Unknown(id.to_owned()))
    }

    /// Makes a key for `by`'s tenant, kept over restarts; what it may do is no more than what `by` may.
    ///
    /// # Errors
    /// [`KeyError`].
    pub async fn make(&self, by: &Principal, new: NewKey, now_ms: i64) -> Result<MadeKey, KeyError> {
        self.book.make(by, new, now_ms).await
    }

    /// Revokes a key: from now on it opens nothing.
    ///
    /// # Errors
    /// [`KeyError::Unknown`], [`KeyError::ReadOnly`], [`KeyError::Beyond`], or when the store does not forget it.
    pub async fn revoke(&self, by: &Principal, id: &str) -> Result<(), KeyError> {
        if self.configured.of_tenant(&by.tenant).any(|key| &*key.name == id) {
            return Err(KeyError::ReadOnly(id.to_owned()));
        }
        self.book.revoke(by, id).await
    }
}
