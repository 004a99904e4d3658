//! How often a tenant may start sessions, where its configuration says so: all its keys together.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use governor::clock::{Clock, MonotonicClock};
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::App;
use super::problem::{Code, Problem};
use crate::config::Tenant;

type Bucket<C> = RateLimiter<NotKeyed, InMemoryState, C, NoOpMiddleware<<C as Clock>::Instant>>;

/// A bucket for each tenant that has a limit.
pub struct Starts<C: Clock = MonotonicClock> {
    buckets: HashMap<Arc<str>, (NonZeroU32, Bucket<C>)>,
    clock: C,
}

impl Default for Starts {
    fn default() -> Self {
        Self { buckets: HashMap::new(), clock: MonotonicClock }
    }
}

impl Starts {
    pub fn new(tenants: &[Tenant]) -> Self {
        let limits = tenants.iter().map(|tenant| (&*tenant.id, tenant.limits.session_starts_per_s));
        Self::on(limits, MonotonicClock)
    }
}

impl<C: Clock + Clone> Starts<C> {
    fn on<'a>(limits: impl Iterator<Item = (&'a str, Option<u32>)>, clock: C) -> Self {
        let bucket = |(tenant, limit): (&'a str, Option<u32>)| {
            let per_s = limit.and_then(NonZeroU32::new)?;
            let bucket = RateLimiter::direct_with_clock(Quota::per_second(per_s), clock.clone());
            Some((Arc::from(tenant), (per_s, bucket)))
        };
        Self { buckets: limits.filter_map(bucket).collect(), clock }
    }

    /// One start of `tenant`'s.
    ///
    /// # Errors
    /// How many it may have a second, and how long it is to wait, in seconds.
    fn ask(&self, tenant: &str) -> Result<(), (NonZeroU32, u32)> {
        let Some((per_s, bucket)) = self.buckets.get(tenant) else { return Ok(()) };
        bucket.check().map_err(|not_yet| {
            let wait = not_yet.wait_time_from(self.clock.now());
            (*per_s, u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1))
        })
    }
}

impl App {
    /// Whether `tenant` may start a session now.
    ///
    /// # Errors
    /// `429 rate_limited`.
    pub(super) fn may_start(&self, tenant: &str) -> Result<(), Problem> {
        self.starts.ask(tenant).map_err(|(per_s, wait_s)| {
            self.metrics.admission_refused.with_label_values(&["starts"]).inc();
            let detail = format!("This tenant may start {per_s} sessions a second.");
            Problem::new(Code::RateLimited, detail).with("reason", "starts").retry_after_s(wait_s)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use governor::clock::FakeRelativeClock;
    use std::time::Duration;

    #[test]
    fn a_tenant_starts_so_many_a_second_and_another_as_it_likes() {
        let clock = FakeRelativeClock::default();
        let starts = Starts::on([("acme", Some(2)), ("other", None)].into_iter(), clock.clone());
        assert_eq!((starts.ask("acme"), starts.ask("acme")), (Ok(()), Ok(())));
        assert_eq!(starts.ask("acme"), Err((NonZeroU32::new(2).unwrap(), 1)));
        assert!((0..1000).all(|_| starts.ask("other").is_ok()));
        clock.advance(Duration::from_millis(500));
        assert_eq!(starts.ask("acme"), Ok(()));
        assert!(starts.ask("acme").is_err());
    }
}
