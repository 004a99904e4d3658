//! The markets of all tenants: those of the configuration, which stay as they are, and those that operators made over the API.
//!
//! Lock order: `changing` (one change at a time, held over the store), then `markets`, which is never held over an await.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Market;
use crate::store::{MarketRow, MarketRows, StoreError};

/// Most markets of a tenant: there are some 250 countries.
const MAX_MARKETS: usize = 500;

/// Where a market is defined.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarketOrigin {
    /// The configuration file: read-only over the API.
    Config,
    /// The operator part of the API.
    Operator,
}

/// A market, as its operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct RegisteredMarket {
    #[serde(flatten)]
    pub market: Market,
    /// `config`: from the configuration file, read-only here; `operator`: made here.
    pub origin: MarketOrigin,
}

/// Why a market cannot be read or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarketError {
    #[error("there is already a market {0:?}")]
    Exists(String),
    #[error("there is no market {0:?}")]
    Unknown(String),
    #[error("market {0:?} is defined in the configuration file, which only its owner edits")]
    ReadOnly(String),
    #[error("no room for another market: a tenant has at most {limit}")]
    Full { limit: usize },
    /// Nothing was changed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Clone)]
struct Known {
    market: Arc<Market>,
    origin: MarketOrigin,
}

impl Known {
    fn told(&self) -> RegisteredMarket {
        RegisteredMarket { market: (*self.market).clone(), origin: self.origin }
    }
}

/// A tenant's id, and a market's.
type MarketKey = (String, String);

/// See the module. Empty until it is filled.
#[derive(Default)]
pub struct Markets {
    markets: RwLock<BTreeMap<MarketKey, Known>>,
    store: OnceLock<Arc<dyn MarketRows>>,
    changing: tokio::sync::Mutex<()>,
}

impl Markets {
    /// Takes up the markets of the configuration, by tenant, and those that operators made before. One of the configuration hides one of the same id.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn fill(&self, configured: &[(String, Market)], store: Arc<dyn MarketRows>) -> Result<(), StoreError> {
        let rows = store.markets().await?;
        for MarketRow { tenant, id, body } in rows {
            match serde_json::from_str::<Market>(&body) {
                Ok(market) => self.put(&tenant, market, MarketOrigin::Operator),
                // Sessions of it are refused, which is better than a market without its rules.
                Err(error) => tracing::error!(tenant, market = id, %error, "a market cannot be read and is left out"),
            }
        }
        self.configure(configured);
        // Filled once: a second store is no store of these markets.
        let _ = self.store.set(store);
        Ok(())
    }

    /// Takes up markets that stay as they are.
    pub fn configure(&self, configured: &[(String, Market)]) {
        configured.iter().for_each(|(tenant, market)| self.put(tenant, market.clone(), MarketOrigin::Config));
    }

    fn put(&self, tenant: &str, market: Market, origin: MarketOrigin) {
        let key = (tenant.to_owned(), market.id.clone());
        self.markets.write().insert(key, Known { market: Arc::new(market), origin });
    }

    /// The market that `tenant` calls `id`.
    pub fn find(&self, tenant: &str, id: &str) -> Option<Arc<Market>> {
        self.known(tenant, id).map(|known| known.market)
    }

    fn known(&self, tenant: &str, id: &str) -> Option<Known> {
        self.markets.read().get(&(tenant.to_owned(), id.to_owned())).cloned()
    }

    /// A tenant's markets, ordered by id.
    pub fn all(&self, tenant: &str) -> Vec<RegisteredMarket> {
        let markets = self.markets.read();
        markets.iter().filter(|((owner, _), _)| owner == tenant).map(|(_, known)| known.told()).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`MarketError::Unknown`].
    pub fn get(&self, tenant: &str, id: &str) -> Result<RegisteredMarket, MarketError> {
        self.known(tenant, id).map(|known| known.told()).ok_or_else(|| MarketError::Unknown(id.to_owned()))
    }

    /// Makes a new market; kept over restarts.
    ///
    /// # Errors
    /// When there is one of that id, when there is no room, or when the store does not keep it.
    pub async fn create(&self, tenant: &str, market: Market) -> Result<RegisteredMarket, MarketError> {
        let _one_at_a_time = self.changing.lock().await;
        if self.known(tenant, &market.id).is_some() {
            return Err(MarketError::Exists(market.id));
        }
        self.keep(tenant, market).await
    }

    /// Makes the market `market.id` be `market`, making it if there is none; true when it is new. Sessions keep the tier that they were made with; what else
    /// it says holds for those that run, too.
    ///
    /// # Errors
    /// As [`Markets::create`], and [`MarketError::ReadOnly`].
    pub async fn replace(&self, tenant: &str, market: Market) -> Result<(RegisteredMarket, bool), MarketError> {
        let _one_at_a_time = self.changing.lock().await;
        let before = self.known(tenant, &market.id);
        if before.as_ref().is_some_and(|before| before.origin == MarketOrigin::Config) {
            return Err(MarketError::ReadOnly(market.id));
        }
        Ok((self.keep(tenant, market).await?, before.is_none()))
    }

    async fn keep(&self, tenant: &str, market: Market) -> Result<RegisteredMarket, MarketError> {
        let is_new = self.known(tenant, &market.id).is_none();
        if is_new && self.all(tenant).len() >= MAX_MARKETS {
            return Err(MarketError::Full { limit: MAX_MARKETS });
        }
        let body = serde_json::to_string(&market).map_err(|e| StoreError::Failed(e.to_string()))?;
        let row = MarketRow { tenant: tenant.to_owned(), id: market.id.clone(), body };
        self.rows()?.put_market(row).await?;
        self.put(tenant, market.clone(), MarketOrigin::Operator);
        Ok(RegisteredMarket { market, origin: MarketOrigin::Operator })
    }

    /// Forgets a market. Its sessions go on with what they show, and can be changed to no other games.
    ///
    /// # Errors
    /// [`MarketError::Unknown`], [`MarketError::ReadOnly`], or when the store does not forget it.
    pub async fn remove(&self, tenant: &str, id: &str) -> Result<(), MarketError> {
        let _one_at_a_time = self.changing.lock().await;
        match self.known(tenant, id).map(|known| known.origin) {
            None => return Err(MarketError::Unknown(id.to_owned())),
            Some(MarketOrigin::Config) => return Err(MarketError::ReadOnly(id.to_owned())),
            Some(MarketOrigin::Operator) => {}
        }
        self.rows()?.remove_market(tenant, id).await?;
        self.markets.write().remove(&(tenant.to_owned(), id.to_owned()));
        Ok(())
    }

    fn rows(&self) -> Result<&Arc<dyn MarketRows>, StoreError> {
        self.store.get().ok_or(StoreError::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{SqliteStore, Store};

    fn market(id: &str, title: &str) -> Market {
        Market { id: id.into(), title: title.into(), ..Market::default() }
    }

    async fn open(dir: &std::path::Path) -> (Markets, Arc<SqliteStore>) {
        let (markets, store) = (Markets::default(), Arc::new(SqliteStore::open(dir).await.unwrap()));
        markets.fill(&[("acme".into(), market("de", "Germany"))], store.clone()).await.unwrap();
        (markets, store)
    }

    #[tokio::test]
    async fn what_operators_made_outlives_the_process_and_what_is_configured_stays_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let (markets, store) = open(dir.path()).await;
        let unknown = |id: &str| MarketError::Unknown(id.into());
        markets.create("acme", market("fr", "France")).await.unwrap();
        assert_eq!(markets.create("acme", market("fr", "again")).await, Err(MarketError::Exists("fr".into())));
        assert_eq!(markets.create("acme", market("de", "again")).await, Err(MarketError::Exists("de".into())));
        assert_eq!(markets.replace("acme", market("de", "x")).await, Err(MarketError::ReadOnly("de".into())));
        assert_eq!(markets.remove("acme", "de").await, Err(MarketError::ReadOnly("de".into())));
        let (changed, is_new) = markets.replace("acme", market("fr", "La France")).await.unwrap();
        assert_eq!(
            (changed.market.title.as_str(), changed.origin, is_new),
            ("La France", MarketOrigin::Operator, false)
        );
        assert!(markets.replace("acme", market("it", "Italy")).await.unwrap().1);
        markets.remove("acme", "it").await.unwrap();
        assert_eq!(markets.remove("acme", "it").await, Err(unknown("it")));
        // Another tenant has none of them.
        assert_eq!(markets.get("other", "fr"), Err(unknown("fr")));
        assert!(markets.find("other", "de").is_none() && markets.all("other").is_empty());

        store.close().await.unwrap();
        drop(store);
        let (markets, _store) = open(dir.path()).await;
        let titles: Vec<_> = markets.all("acme").into_iter().map(|its| its.market.title).collect();
        assert_eq!(titles, ["Germany", "La France"]);
    }
}
