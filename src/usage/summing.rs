//! Summing hours that are closed, by the prices that they keep.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::chain::{HOUR_MS, hour_of};
use super::period::rfc_3339;
use super::prices::PriceBook;
use super::tariff::PriceList;
use super::walk::{HourSums, Walk};
use crate::store::{PriceListRow, Store, StoreError, TenantHour, UsageReads};

/// Ids of price lists by tenant, as a seal names them.
pub(super) type SealedPrices = BTreeMap<String, String>;

/// Sums every closed hour that is not summed, in order; how many they were. Each is one write, so that a process killed between
/// two goes on where it was.
pub(super) async fn sum_hours(
    store: &dyn Store,
    prices: &PriceBook,
    tenants: &[(String, i64)],
    closed_until_ms: i64,
) -> Result<u64, StoreError> {
    let ledger = store.ledger();
    let summed_until_ms = ledger.summed_until().await?;
    let sealed_until_ms = ledger.last_closed_hour().await?.map_or(i64::MIN, |last| last.hour_start_ms + HOUR_MS);
    let first = tenants.iter().map(|(_, first_ms)| hour_of(*first_ms)).min().unwrap_or(closed_until_ms);
    let (mut hour_start_ms, mut summed) = (summed_until_ms.max(first), 0);
    if hour_start_ms < sealed_until_ms {
        tracing::error!(
            from = rfc_3339(hour_start_ms),
            "SUMS OF SEALED HOURS ARE GONE and are made anew of their lines"
        );
    }
    while hour_start_ms < closed_until_ms {
        let end_ms = hour_start_ms + HOUR_MS;
        let is_sealed = hour_start_ms < sealed_until_ms;
        let mut of_hour = Vec::new();
        for (tenant, _) in tenants.iter().filter(|(_, first_ms)| *first_ms < end_ms) {
            let in_force = prices.of(tenant);
            let list = if is_sealed { kept_list(&*ledger, tenant, &in_force, hour_start_ms).await? } else { in_force };
            let mut walk = Walk::new(&*ledger, tenant, &list, (hour_start_ms, end_ms), hour_start_ms);
            let mut sums = HourSums::default();
            while let Some(page) = walk.next_page().await? {
                page.iter().for_each(|charged| sums.add(charged));
            }
            if sums.is_empty() {
                continue;
            }
            let mark = serde_json::to_string(&walk.pricer.mark).map_err(|e| StoreError::Failed(e.to_string()))?;
            let (id, tariffs) = list.recorded();
            let price_list = PriceListRow { tenant: tenant.clone(), id, tariffs };
            of_hour.push(TenantHour { tenant: tenant.clone(), sums: sums.into_sums(), mark, price_list });
        }
        store.put_hour_sums(hour_start_ms, of_hour).await?;
        (hour_start_ms, summed) = (end_ms, summed + 1);
    }
    Ok(summed)
}

/// What a sealed hour whose sums are gone was priced by: as its seal says, or, of one that seals no prices, what is left of its mark. Only
/// where neither says it is it the list in force.
async fn kept_list(
    ledger: &dyn UsageReads,
    tenant: &str,
    in_force: &Arc<PriceList>,
    hour_start_ms: i64,
) -> Result<Arc<PriceList>, StoreError> {
    let seal = ledger.closed_hours(hour_start_ms - 1, 1).await?;
    let price_lists =
        seal.first().filter(|hour| hour.hour_start_ms == hour_start_ms).and_then(|hour| hour.price_lists.as_ref());
    let id = match price_lists {
        Some(sealed) => sealed_prices(sealed)?.remove(tenant),
        None => list_of_mark(ledger, tenant, hour_start_ms).await?,
    };
    let Some(id) = id.filter(|id| in_force.recorded().0 != *id) else { return Ok(in_force.clone()) };
    let row = ledger.price_list(tenant, Some(id.clone())).await?;
    let gone =
        || StoreError::Damaged(format!("the price list {id}, which sealed hours were priced by, is not in the ledger"));
    Ok(Arc::new(PriceList::of_record(&row.ok_or_else(gone)?)?))
}

/// The price list that the mark of a tenant's hour names, if it has one.
pub(super) async fn list_of_mark(
    ledger: &dyn UsageReads,
    tenant: &str,
    hour_start_ms: i64,
) -> Result<Option<String>, StoreError> {
    let own = ledger.month_mark(tenant, hour_start_ms + 1).await?;
    Ok(own.filter(|(hour, ..)| *hour == hour_start_ms).map(|(_, _, price_list)| price_list))
}

/// What a summed hour was priced by, as a seal names it.
pub(super) async fn priced_by(
    ledger: &dyn UsageReads,
    tenants: &[(String, i64)],
    hour_start_ms: i64,
) -> Result<String, StoreError> {
    let mut lists = SealedPrices::new();
    for (tenant, _) in tenants.iter().filter(|(_, first_ms)| *first_ms < hour_start_ms + HOUR_MS) {
        if let Some(id) = list_of_mark(ledger, tenant, hour_start_ms).await? {
            lists.insert(tenant.clone(), id);
        }
    }
    serde_json::to_string(&lists).map_err(|e| StoreError::Failed(e.to_string()))
}

pub(super) fn sealed_prices(text: &str) -> Result<SealedPrices, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Damaged(format!("what a seal says of prices: {e}")))
}
