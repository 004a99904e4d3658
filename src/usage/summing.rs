//! Summing hours that are closed, and recounting what was summed.

use super::chain::{HOUR_MS, hour_of};
use super::prices::PriceBook;
use super::walk::{HourSums, Walk};
use crate::store::{PriceListRow, Store, StoreError, TenantHour, UsageReads};

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
    let first = tenants.iter().map(|(_, first_ms)| hour_of(*first_ms)).min().unwrap_or(closed_until_ms);
    let (mut hour_start_ms, mut summed) = (summed_until_ms.max(first), 0);
    while hour_start_ms < closed_until_ms {
        let end_ms = hour_start_ms + HOUR_MS;
        let mut of_hour = Vec::new();
        for (tenant, _) in tenants.iter().filter(|(_, first_ms)| *first_ms < end_ms) {
            let list = prices.of(tenant);
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

/// Whether the sums of a summed hour are those of its entries.
pub(super) async fn is_hour_summed_right(
    ledger: &dyn UsageReads,
    tenants: &[(String, i64)],
    hour_start_ms: i64,
) -> Result<bool, StoreError> {
    let end_ms = hour_start_ms + HOUR_MS;
    // No hour of these is walked with a list other than the one it was summed with.
    let none = Default::default();
    for (tenant, _) in tenants.iter().filter(|(_, first_ms)| *first_ms < end_ms) {
        let stored = ledger.hour_sums(tenant, hour_start_ms).await?;
        let mut walk = Walk::new(ledger, tenant, &none, (hour_start_ms, end_ms), end_ms);
        let mut sums = HourSums::default();
        while let Some(page) = walk.next_page().await? {
            page.iter().for_each(|charged| sums.add(charged));
        }
        let own = ledger.month_mark(tenant, end_ms).await?.filter(|(hour, ..)| *hour == hour_start_ms);
        let mark_holds = match own {
            Some((_, mark, _)) => serde_json::to_string(&walk.pricer.mark).is_ok_and(|recounted| recounted == mark),
            // Without a mark the walk saw nothing: then there must be nothing.
            None => ledger.entries(tenant, hour_start_ms, end_ms, None, 1).await?.is_empty(),
        };
        if !mark_holds || sums.into_sums() != stored {
            return Ok(false);
        }
    }
    Ok(true)
}
