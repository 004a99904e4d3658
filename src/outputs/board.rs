//! The sets of outputs of all tenants: those of the configuration, which stay as they are, and those that operators made over the API.
//!
//! Lock order: `changing` (one change at a time, held over the store), then `sets`, which is never held over an await.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Access, OutputSet};
use crate::store::{OutputRow, OutputRows, StoreError};

/// Most sets of a tenant: one has as many games and skins as it likes.
const MAX_SETS: usize = 100;

/// Where a set is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputOrigin {
    /// The configuration file: read-only over the API.
    Config,
    /// The operator part of the API.
    Operator,
}

/// A set of outputs, as its operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RegisteredOutputSet {
    #[serde(flatten)]
    pub set: OutputSet,
    /// `config`: from the configuration file, read-only here; `operator`: made here.
    pub origin: OutputOrigin,
}

/// Why a set cannot be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutputError {
    #[error("there is no set of outputs {0:?}")]
    Unknown(String),
    #[error("the outputs {0:?} are defined in the configuration file, which only its owner edits")]
    ReadOnly(String),
    #[error("no room for another set of outputs: a tenant has at most {limit}")]
    Full { limit: usize },
    /// Nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Clone)]
struct Known {
    set: Arc<OutputSet>,
    origin: OutputOrigin,
}

impl Known {
    fn told(&self) -> RegisteredOutputSet {
        RegisteredOutputSet { set: (*self.set).clone(), origin: self.origin }
    }
}

/// A tenant's id, and a set's.
type SetKey = (String, String);

/// See the module. Empty until it is filled.
#[derive(Default)]
pub struct Outputs {
    sets: RwLock<BTreeMap<SetKey, Known>>,
    store: OnceLock<Arc<dyn OutputRows>>,
    changing: tokio::sync::Mutex<()>,
}

impl Outputs {
    /// Takes up the sets of the configuration, by tenant, and those that operators made before. One of the configuration hides one of the same id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn fill(&self, configured: &[(String, OutputSet)], store: Arc<dyn OutputRows>) -> Result<(), StoreError> {
        for OutputRow { tenant, id, body } in store.outputs().await? {
            match serde_json::from_str::<OutputSet>(&body) {
                Ok(set) => self.put(&tenant, set, OutputOrigin::Operator),
                // Nobody sees them, which is better than everybody.
                Err(error) => tracing::error!(tenant, outputs = id, %error, "a set of outputs cannot be read"),
            }
        }
        configured.iter().for_each(|(tenant, set)| self.put(tenant, set.clone(), OutputOrigin::Config));
        // Filled once: a second store is no store of these sets.
        let _ = self.store.set(store);
        Ok(())
    }

    fn put(&self, tenant: &str, set: OutputSet, origin: OutputOrigin) {
        let key = (tenant.to_owned(), set.id.clone());
        self.sets.write().insert(key, Known { set: Arc::new(set), origin });
    }

    fn known(&self, tenant: &str, id: &str) -> Option<Known> {
        self.sets.read().get(&(tenant.to_owned(), id.to_owned())).cloned()
    }

    /// The set that `tenant` calls `id`.
    pub fn find(&self, tenant: &str, id: &str) -> Option<Arc<OutputSet>> {
        self.known(tenant, id).map(|known| known.set)
    }

    /// A tenant's sets, ordered by id.
    pub fn all(&self, tenant: &str) -> Vec<RegisteredOutputSet> {
        let sets = self.sets.read();
        sets.iter().filter(|((owner, _), _)| owner == tenant).map(|(_, known)| known.told()).collect()
    }

    /// Those of `tenant` that may be seen: with a key of its all, without one those that are public.
    pub fn seen(&self, tenant: &str, with_key: bool) -> Vec<Arc<OutputSet>> {
        let sets = self.sets.read();
        let of = sets.iter().filter(|((owner, _), _)| owner == tenant).map(|(_, known)| &known.set);
        of.filter(|set| with_key || set.access == Access::Public).cloned().collect()
    }

    /// The tenants that have outputs for everybody, ordered by id.
    pub fn public_tenants(&self) -> Vec<String> {
        let sets = self.sets.read();
        let public = sets.iter().filter(|(_, known)| known.set.access == Access::Public);
        let mut tenants: Vec<String> = public.map(|((tenant, _), _)| tenant.clone()).collect();
        tenants.dedup();
        tenants
    }

    /// One of a tenant's sets.
    ///
    /// # Errors
    /// [`OutputError::Unknown`].
    pub fn get(&self, tenant: &str, id: &str) -> Result<RegisteredOutputSet, OutputError> {
        self.known(tenant, id).map(|known| known.told()).ok_or_else(|| OutputError::Unknown(id.to_owned()))
    }

    /// Makes the set `set.id` be `set`, making it if there is none; true when it is new. Kept over restarts.
    ///
    /// # Errors
    /// When it is the configuration's, when there is no room, or when the store does not keep it.
    pub async fn replace(&self, tenant: &str, set: OutputSet) -> Result<(RegisteredOutputSet, bool), OutputError> {
        let _one_at_a_time = self.changing.lock().await;
        let before = self.known(tenant, &set.id);
        if before.as_ref().is_some_and(|before| before.origin == OutputOrigin::Config) {
            return Err(OutputError::ReadOnly(set.id));
        }
        if before.is_none() && self.all(tenant).len() >= MAX_SETS {
            return Err(OutputError::Full { limit: MAX_SETS });
        }
        let body = serde_json::to_string(&set).map_err(|e| StoreError::Failed(e.to_string()))?;
        self.rows()?.put_outputs(OutputRow { tenant: tenant.to_owned(), id: set.id.clone(), body }).await?;
        self.put(tenant, set.clone(), OutputOrigin::Operator);
        Ok((RegisteredOutputSet { set, origin: OutputOrigin::Operator }, before.is_none()))
    }

    /// Forgets a set: whoever plays one of its outputs is refused from then on.
    ///
    /// # Errors
    /// [`OutputError::Unknown`], [`OutputError::ReadOnly`], or when the store does not forget it.
    pub async fn remove(&self, tenant: &str, id: &str) -> Result<(), OutputError> {
        let _one_at_a_time = self.changing.lock().await;
        match self.known(tenant, id).map(|known| known.origin) {
            None => return Err(OutputError::Unknown(id.to_owned())),
            Some(OutputOrigin::Config) => return Err(OutputError::ReadOnly(id.to_owned())),
            Some(OutputOrigin::Operator) => {}
        }
        self.rows()?.remove_outputs(tenant, id).await?;
        self.sets.write().remove(&(tenant.to_owned(), id.to_owned()));
        Ok(())
    }

    fn rows(&self) -> Result<&Arc<dyn OutputRows>, StoreError> {
        self.store.get().ok_or(StoreError::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{SqliteStore, Store};

    fn set(id: &str, access: Access) -> OutputSet {
        OutputSet { id: id.into(), layout: "1F".into(), access, ..OutputSet::default() }
    }

    async fn open(dir: &std::path::Path) -> (Outputs, Arc<SqliteStore>) {
        let (outputs, store) = (Outputs::default(), Arc::new(SqliteStore::open(dir).await.unwrap()));
        outputs.fill(&[("acme".into(), set("house", Access::Key))], store.clone()).await.unwrap();
        (outputs, store)
    }

    #[tokio::test]
    async fn what_operators_made_outlives_the_process_and_who_has_no_key_sees_what_is_public() {
        let dir = tempfile::tempdir().unwrap();
        let (outputs, store) = open(dir.path()).await;
        assert!(outputs.replace("acme", set("free", Access::Public)).await.unwrap().1);
        assert!(!outputs.replace("acme", set("free", Access::Public)).await.unwrap().1);
        let read_only = OutputError::ReadOnly("house".into());
        assert_eq!(outputs.replace("acme", set("house", Access::Public)).await, Err(read_only.clone()));
        assert_eq!(outputs.remove("acme", "house").await, Err(read_only));
        outputs.replace("acme", set("gone", Access::Public)).await.unwrap();
        outputs.remove("acme", "gone").await.unwrap();
        assert_eq!(outputs.remove("acme", "gone").await, Err(OutputError::Unknown("gone".into())));
        assert!(outputs.all("other").is_empty() && outputs.find("other", "free").is_none());

        store.close().await.unwrap();
        drop(store);
        let (outputs, _store) = open(dir.path()).await;
        let ids = |sets: Vec<Arc<OutputSet>>| sets.iter().map(|set| set.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(outputs.seen("acme", true)), ["free", "house"]);
        assert_eq!(ids(outputs.seen("acme", false)), ["free"]);
        assert_eq!(outputs.public_tenants(), ["acme"]);
    }
}
