//! Where a tenant stands in its billing period, the calendar month (UTC): what thresholds and caps are compared with.

use std::collections::HashMap;

use parking_lot::Mutex;
use rust_decimal::Decimal;

use super::pricing::{MonthMark, Pricer, month_start};
use super::reports::Reports;
use super::walk::Walk;
use crate::store::{Pending, StoreError};

/// Minutes older than this are taken for booked: bookings take seconds.
const SETTLED_AFTER_MS: i64 = 120_000;

/// A tenant's month so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Start of the month, milliseconds of Unix time.
    pub month_start_ms: i64,
    pub billable_seconds: i64,
    /// Minutes by the contract's rounding, free ones included.
    pub billed_minutes: i64,
    /// What they cost in each currency (ISO 4217) that a tariff of the month is in; empty where nothing has a price.
    pub costs: Vec<(String, Decimal)>,
}

/// Who knows where tenants stand.
pub trait Standings: Send + Sync {
    /// The standing of `tenant` in the month that `now_ms` (Unix time) lies in, with what was booked by now.
    ///
    /// # Errors
    /// Those of the store.
    fn standing<'a>(&'a self, tenant: &'a str, now_ms: i64) -> Pending<'a, Standing>;
}

/// Looks at where tenants stand, again and again: what has settled is walked once, so that a look costs the last minutes and not
/// the open hours. What is booked later than two minutes after its minute shows when its hour is closed.
pub struct MonthWatch {
    reports: Reports,
    settled: Mutex<HashMap<String, Settled>>,
}

/// How far a tenant's ledger was walked, and what pricing knows there.
#[derive(Clone, Default)]
struct Settled {
    summed_until_ms: i64,
    until_ms: i64,
    pricer: Pricer,
}

impl MonthWatch {
    pub fn new(reports: Reports) -> Self {
        Self { reports, settled: Mutex::default() }
    }

    async fn mark(&self, tenant: &str, now_ms: i64) -> Result<MonthMark, StoreError> {
        let summed_until_ms = self.reports.ledger.summed_until().await?;
        let known = self.settled.lock().get(tenant).cloned();
        // Sums of closed hours are the last word: from them on it begins anew. So it does where the clock was set back.
        let known = known.filter(|known| known.summed_until_ms == summed_until_ms && known.until_ms <= now_ms);
        let settle_ms = (now_ms - SETTLED_AFTER_MS).div_euclid(60_000) * 60_000;
        let mut settled = known.unwrap_or(Settled { summed_until_ms, until_ms: i64::MIN, pricer: Pricer::default() });
        if settled.until_ms < settle_ms {
            self.walk(tenant, &mut settled, settle_ms).await?;
            self.settled.lock().insert(tenant.to_owned(), settled.clone());
        }
        self.walk(tenant, &mut settled, now_ms + 1).await?;
        Ok(settled.pricer.mark)
    }

    /// Goes on to `to_ms`.
    async fn walk(&self, tenant: &str, settled: &mut Settled, to_ms: i64) -> Result<(), StoreError> {
        let Settled { summed_until_ms, until_ms, pricer } = settled;
        let list = self.reports.prices.of(tenant);
        let from_ms = (*until_ms).max(*summed_until_ms);
        if from_ms >= to_ms && *until_ms != i64::MIN {
            return Ok(());
        }
        let ledger = &*self.reports.ledger;
        let period = (from_ms, to_ms.max(from_ms + 1));
        let mut walk = match *until_ms {
            i64::MIN => Walk::new(ledger, tenant, &list, period, *summed_until_ms),
            _ => Walk::going_on(ledger, tenant, &list, period, *summed_until_ms, std::mem::take(pricer)),
        };
        while walk.next_page().await?.is_some() {}
        *pricer = walk.pricer;
        *until_ms = period.1;
        Ok(())
    }
}

impl Standings for MonthWatch {
    fn standing<'a>(&'a self, tenant: &'a str, now_ms: i64) -> Pending<'a, Standing> {
        Box::pin(async move { Ok(Standing::of(self.mark(tenant, now_ms).await?, now_ms)) })
    }
}

impl Standing {
    fn of(mark: MonthMark, now_ms: i64) -> Self {
        let month_start_ms = month_start(now_ms);
        if mark.month_start_ms != month_start_ms {
            return Self { month_start_ms, ..Self::default() };
        }
        let MonthMark { billable_seconds, billed_minutes, costs, .. } = mark;
        let costs = costs.into_iter().map(|(currency, cost)| (currency, cost.to_decimal())).collect();
        Self { month_start_ms, billable_seconds, billed_minutes, costs }
    }
}

#[cfg(test)]
#[path = "standing_tests.rs"]
mod tests;
