//! Who pays by which tariffs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tariff::PriceList;
use crate::store::{PriceListRow, Store, StoreError, UsageReads};

/// The price lists in force, by tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PriceBook(BTreeMap<String, Arc<PriceList>>);

impl PriceBook {
    pub fn new(lists: impl IntoIterator<Item = (String, PriceList)>) -> Self {
        Self(lists.into_iter().map(|(tenant, list)| (tenant, Arc::new(list))).collect())
    }

    /// What a tenant pays by; of one that is not known nothing has a price.
    pub fn of(&self, tenant: &str) -> Arc<PriceList> {
        self.0.get(tenant).cloned().unwrap_or_default()
    }

    /// Records every list, so that closed hours can name theirs and tools beside the service know them. What is not configured any
    /// more (tenants with entries alone) is recorded as having no prices.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn register(&self, store: &dyn Store) -> Result<(), StoreError> {
        let billed = store.billed_tenants().await?;
        let tenants = billed.into_iter().map(|(tenant, _)| tenant).chain(self.0.keys().cloned());
        for tenant in tenants.collect::<std::collections::BTreeSet<_>>() {
            let (id, tariffs) = self.of(&tenant).recorded();
            let known = store.ledger().price_list(&tenant, None).await?;
            if known.as_ref().is_some_and(|known| known.id == id && known.tariffs == tariffs) {
                continue;
            }
            if known.is_some_and(|known| known.id != id) {
                tracing::info!(tenant, "the tariffs have changed: hours that are closed keep their prices");
            }
            store.register_price_list(PriceListRow { tenant, id, tariffs }).await?;
        }
        Ok(())
    }

    /// The list that a ledger has in force for `tenant`.
    ///
    /// # Errors
    /// Those of the store; [`StoreError::Damaged`] where the list was changed after it was recorded.
    pub async fn recorded(ledger: &dyn UsageReads, tenant: &str) -> Result<Self, StoreError> {
        let row = ledger.price_list(tenant, None).await?;
        let list = row.as_ref().map(PriceList::of_record).transpose()?.unwrap_or_default();
        Ok(Self::new([(tenant.to_owned(), list)]))
    }
}
