//! Closing hours: once an hour is over by the grace, nothing changes in it, and its seal is chained to the one before.
//!
//! Writes in this order: the hours are closed (from then on late bookings are corrections elsewhere), each is summed and priced,
//! each is digested and sealed. A process that is killed between them has hours that are closed and not summed, or not
//! sealed; the next run finds exactly those, unchanged, and goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use ed25519_dalek::SigningKey;

use super::chain::{GENESIS, HOUR_MS, HourDigest, hour_of};
use super::prices::PriceBook;
use super::summing::{priced_by, sum_hours};
use crate::store::{LedgerReads, Store, StoreError};

/// No hour is closed before the clock has been beyond doubt this long: what sets it sets it within the first minutes of a
/// machine, and once more after a sleep.
const STEADY: Duration = Duration::from_secs(5 * 60);

/// And this long where it says that nothing was heard for longer than [`LIKELY_OUTAGE_MS`]: that is more often a clock that
/// is ahead than an outage, and hours that are closed stay closed.
const LONG_STEADY: Duration = Duration::from_secs(3600);

const LIKELY_OUTAGE_MS: i64 = 6 * HOUR_MS;

/// Entries read at once: bounds the memory, whatever an hour holds.
const PAGE: u32 = 2000;

/// How much a clock must have proved before an hour is closed on its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockDoubt {
    needed: Duration,
}

impl ClockDoubt {
    /// Of a clock that said `start_ms` at the start, `known_ms` being the last that an earlier process heard; `None` where
    /// there was none.
    pub fn new(known_ms: Option<i64>, start_ms: i64) -> Self {
        let is_likely = known_ms.is_some_and(|known_ms| start_ms.saturating_sub(known_ms) <= LIKELY_OUTAGE_MS);
        Self { needed: if is_likely { STEADY } else { LONG_STEADY } }
    }

    /// Whether it is over, `steady` being how long the clock was neither set nor slept through.
    pub fn is_over(self, steady: Duration) -> bool {
        self.left(steady).is_none()
    }

    /// For how much longer it must run so, `steady` being how long it has; `None` where it need not.
    pub fn left(self, steady: Duration) -> Option<Duration> {
        self.needed.checked_sub(steady).filter(|left| !left.is_zero())
    }
}

/// Closes the hours of a store's ledger.
pub struct Closing {
    store: Arc<dyn Store>,
    key: SigningKey,
    prices: PriceBook,
    grace_ms: i64,
    /// Hours that end by then are known to be sealed: most runs have nothing to do and ask nobody.
    sealed_until_ms: AtomicI64,
}

impl Closing {
    /// `seed` is that of the key that signs (RFC 8032, 5.1.5); an hour stays open for `grace` after it is over, and
    /// is then priced by `prices`.
    pub fn new(store: Arc<dyn Store>, seed: &[u8; 32], prices: PriceBook, grace: Duration) -> Self {
        let grace_ms = i64::try_from(grace.as_millis()).unwrap_or(i64::MAX);
        Self { store, key: SigningKey::from_bytes(seed), prices, grace_ms, sealed_until_ms: AtomicI64::new(i64::MIN) }
    }

    /// Closes and seals every hour that is due at `now_ms` (Unix time); how many were sealed. One run at a time.
    ///
    /// # Errors
    /// Those of the store. What was sealed stays so, and the next run goes on from there.
    pub async fn run(&self, now_ms: i64) -> Result<u64, StoreError> {
        let due_ms = hour_of(now_ms.saturating_sub(self.grace_ms)).max(0);
        if due_ms <= self.sealed_until_ms.load(Ordering::Relaxed) {
            return Ok(0);
        }
        let mut closed_until_ms = self.store.closed_until().await?;
        if due_ms > closed_until_ms {
            self.store.close_hours(due_ms).await?;
            closed_until_ms = due_ms;
        }
        let sealed = self.seal_until(closed_until_ms).await?;
        self.sealed_until_ms.store(closed_until_ms, Ordering::Relaxed);
        Ok(sealed)
    }

    async fn seal_until(&self, closed_until_ms: i64) -> Result<u64, StoreError> {
        let tenants = self.store.billed_tenants().await?;
        sum_hours(&*self.store, &self.prices, &tenants, closed_until_ms).await?;
        let last = self.store.last_closed_hour().await?;
        // The chain begins with the first hour that has an entry, and has every hour from there on.
        let first = || tenants.iter().map(|(_, first_ms)| hour_of(*first_ms)).min();
        let next = last.as_ref().map(|hour| hour.hour_start_ms + HOUR_MS).or_else(first);
        let mut previous = last.map_or(GENESIS, |hour| hour.digest);
        let mut hour_start_ms = next.unwrap_or(closed_until_ms);
        let mut sealed = 0;
        while hour_start_ms < closed_until_ms {
            // It is summed by now: what it was priced by is known, and from now on stays.
            let price_lists = priced_by(&*self.store.ledger(), &tenants, hour_start_ms).await?;
            let digest = digest_hour(&*self.store, &tenants, &previous, hour_start_ms, Some(&price_lists)).await?;
            let hour = digest.seal(&self.key);
            previous = hour.digest;
            self.store.seal_hour(hour).await?;
            sealed += 1;
            hour_start_ms += HOUR_MS;
        }
        Ok(sealed)
    }
}

/// Digests the entries of one hour as the ledger has them now, with the price lists that a seal names.
pub(super) async fn digest_hour(
    ledger: &dyn LedgerReads,
    tenants: &[(String, i64)],
    previous: &[u8; 32],
    hour_start_ms: i64,
    price_lists: Option<&str>,
) -> Result<HourDigest, StoreError> {
    let mut digest = HourDigest::new(previous, hour_start_ms, price_lists);
    let end_ms = hour_start_ms + HOUR_MS;
    for (tenant, _) in tenants.iter().filter(|(_, first_ms)| *first_ms < end_ms) {
        let mut after = None;
        loop {
            let page = ledger.entries(tenant, hour_start_ms, end_ms, after, PAGE).await?;
            page.iter().for_each(|entry| digest.add(entry));
            match page.last().filter(|_| page.len() == PAGE as usize) {
                Some(last) => after = Some(last.cursor()),
                None => break,
            }
        }
    }
    Ok(digest)
}
