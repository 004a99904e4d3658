//! Where a tenant stands in its billing period, the calendar month (UTC): what thresholds and caps are compared with.

use rust_decimal::Decimal;

use crate::store::Pending;

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
