//! Recounting what closed hours were summed up to: reports are made of sums, and seals cover lines.

use std::collections::BTreeMap;

use super::chain::HOUR_MS;
use super::money::Money;
use super::summing::sealed_prices;
use super::verify::HourFault;
use super::walk::{HourSums, Walk};
use crate::store::{HourSum, StoreError, SummedTenant, UsageReads};

/// Tenants whose hours are recounted, in byte order, and from when: those with entries, and those that have sums without any.
pub(super) fn counted_tenants(billed: Vec<(String, i64)>, summed: &[SummedTenant]) -> Vec<(String, i64)> {
    let mut tenants: BTreeMap<String, i64> = billed.into_iter().collect();
    for SummedTenant { tenant, first_ms, .. } in summed {
        let first = tenants.entry(tenant.clone()).or_insert(*first_ms);
        *first = (*first).min(*first_ms);
    }
    tenants.into_iter().collect()
}

/// What is wrong with the sums of a summed hour. `price_lists` is what its seal says of prices; `None` where it says nothing.
pub(super) async fn sums_fault(
    ledger: &dyn UsageReads,
    tenants: &[(String, i64)],
    hour_start_ms: i64,
    price_lists: Option<&str>,
) -> Result<Option<HourFault>, StoreError> {
    let sealed = price_lists.map(sealed_prices).transpose()?;
    for (tenant, _) in tenants.iter().filter(|(_, first_ms)| *first_ms < hour_start_ms + HOUR_MS) {
        let recounted = recount(ledger, tenant, hour_start_ms).await;
        let differs = match recounted {
            // Rows that cannot be as they were written are a fault of this hour, and not of the walk.
            Err(StoreError::Damaged(said)) => Some(said),
            Err(error) => return Err(error),
            Ok(Recounted { price_list, differs }) => {
                let pinned = sealed.as_ref().map(|sealed| sealed.get(tenant));
                let is_other = pinned.is_some_and(|pinned| pinned != price_list.as_ref());
                // Without its mark an hour names no list: that it is gone is the fault then.
                if is_other && (price_list.is_some() || differs.is_none()) {
                    let named = |id: Option<&String>| id.map_or("none", |id| id).to_owned();
                    let (by, sealed_by) = (named(price_list.as_ref()), named(pinned.flatten()));
                    let differs = format!("tenant {tenant}: by price list {by}, and sealed with {sealed_by}");
                    return Ok(Some(HourFault::Prices { differs }));
                }
                differs
            }
        };
        if let Some(differs) = differs {
            return Ok(Some(HourFault::Sums { differs: format!("tenant {tenant}: {differs}") }));
        }
    }
    Ok(None)
}

struct Recounted {
    /// The list that the hour says it was priced by.
    price_list: Option<String>,
    differs: Option<String>,
}

/// Sums a tenant's hour anew, by the list that its mark names, and compares.
async fn recount(ledger: &dyn UsageReads, tenant: &str, hour_start_ms: i64) -> Result<Recounted, StoreError> {
    let end_ms = hour_start_ms + HOUR_MS;
    // No hour of these is walked with a list other than the one it was summed with.
    let none = Default::default();
    let stored = ledger.hour_sums(tenant, hour_start_ms).await?;
    let mut walk = Walk::new(ledger, tenant, &none, (hour_start_ms, end_ms), end_ms);
    let mut sums = HourSums::default();
    while let Some(page) = walk.next_page().await? {
        page.iter().for_each(|charged| sums.add(charged));
    }
    let own = ledger.month_mark(tenant, end_ms).await?.filter(|(hour, ..)| *hour == hour_start_ms);
    let marked = match &own {
        Some(_) if sums.is_empty() => Some("a mark of its month and no entries"),
        Some((_, mark, _)) => {
            let holds = serde_json::to_string(&walk.pricer.mark).is_ok_and(|recounted| recounted == *mark);
            (!holds).then_some("what its month came to by then")
        }
        // Without a mark the walk saw nothing: then there must be nothing.
        None => {
            let is_empty = ledger.entries(tenant, hour_start_ms, end_ms, None, 1).await?.is_empty();
            (!is_empty).then_some("entries and no mark of its month")
        }
    };
    let differs = difference(&stored, &sums.into_sums()).or_else(|| marked.map(str::to_owned));
    Ok(Recounted { price_list: own.map(|(_, _, price_list)| price_list), differs })
}

/// The first difference, in words.
fn difference(stored: &[HourSum], recounted: &[HourSum]) -> Option<String> {
    let at = (0..stored.len().max(recounted.len())).find(|at| stored.get(*at) != recounted.get(*at))?;
    Some(match (stored.get(at), recounted.get(at)) {
        (Some(is), Some(would)) if is.session_id == would.session_id => {
            format!("session {}: {}", is.session_id, figure_that_differs(is, would))
        }
        (Some(is), would) if would.is_none_or(|would| is.session_id < would.session_id) => {
            format!("session {}: a sum that no entry makes", is.session_id)
        }
        (_, would) => format!("session {}: entries without a sum", would.map_or("", |would| &would.session_id)),
    })
}

fn figure_that_differs(is: &HourSum, would: &HourSum) -> String {
    let figures = |sum: &HourSum| {
        let money = |amount: i128| Money::from_ten_billionths(amount).to_string();
        [
            ("billable_seconds", sum.figures.billable_seconds.to_string()),
            ("slate_seconds", sum.figures.slate_seconds.to_string()),
            ("slate_all_seconds", sum.figures.slate_all_seconds.to_string()),
            ("charged_seconds", sum.charged_seconds.to_string()),
            ("billed_minutes", sum.figures.billed_minutes.to_string()),
            ("currency", sum.currency.clone()),
            ("cost", money(sum.figures.cost)),
            ("list_cost", money(sum.figures.list_cost)),
        ]
    };
    let differs = figures(is).into_iter().zip(figures(would)).find(|(is, would)| is != would);
    differs.map_or_else(
        || "what it showed, or when".to_owned(),
        |((name, is), (_, would))| format!("{name} is {is:?} and would be {would:?}"),
    )
}
