//! What is told of what was served. A beacon is kept before it is sent and struck off when it was taken, so that it is told at least once whatever ends the process; twice
//! only where that ended between the two. One of an id that is known is not taken in again.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use crate::config::masked;
use crate::feed::{VisitError, tell};
use crate::outbound::retry_wait_ms;
use crate::reach::Reach;
use crate::store::{BeaconEnd, BeaconRow, BeaconRows, StoreError};

/// Beacons that wait, of all tenants.
const MAX_WAITING: u32 = 200_000;

/// Those that are sent at once.
const AT_ONCE: u32 = 32;

/// For an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Who has not taken it by then is not interested in it any more.
const GIVEN_UP_AFTER_MS: i64 = 6 * 3600 * 1000;

/// So long it is known what was told: longer than anything is told again.
const KNOWN_FOR_MS: i64 = 48 * 3600 * 1000;

/// Longest address.
const MAX_URL: usize = 8192;

/// What became of beacons that were offered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offered {
    pub kept: u32,
    /// Their ids were known.
    pub known: u32,
    /// There was no room, or they have no address.
    pub refused: u32,
}

/// What became of beacons that were due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stepped {
    pub told: u32,
    /// They are tried again.
    pub failed: u32,
    pub given_up: u32,
}

/// Where the beacons of a tenant may go.
type ReachOf = dyn Fn(&str) -> Reach + Send + Sync;

/// See the module.
pub struct Beacons {
    store: Arc<dyn BeaconRows>,
    reach_of: Arc<ReachOf>,
    most_waiting: u32,
}

impl Beacons {
    pub fn new(store: Arc<dyn BeaconRows>, reach_of: Arc<ReachOf>) -> Self {
        Self { store, reach_of, most_waiting: MAX_WAITING }
    }

    /// Keeps a tenant's beacons: an id and an address each, whose macros are filled in.
    ///
    /// # Errors
    /// When the store does not keep them. Those before are kept: the same call again changes nothing for them.
    pub async fn offer(&self, tenant: &str, beacons: &[(String, String)], now_ms: i64) -> Result<Offered, StoreError> {
        let mut offered = Offered::default();
        for (id, url) in beacons {
            let is_address =
                url.len() <= MAX_URL && Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
            if !is_address {
                tracing::warn!(tenant, id, "a beacon without an address is left out");
                offered.refused += 1;
                continue;
            }
            let row = BeaconRow {
                id: id.clone(),
                tenant: tenant.to_owned(),
                url: url.clone(),
                due_ms: now_ms,
                created_ms: now_ms,
                attempts: 0,
            };
            if self.store.put_beacon(row, self.most_waiting).await? {
                offered.kept += 1;
            } else if self.store.knows_beacon(id).await? {
                offered.known += 1;
            } else {
                tracing::warn!(tenant, id, most = self.most_waiting, "no room for another beacon");
                offered.refused += 1;
            }
        }
        Ok(offered)
    }

    /// Sends what is due, and notes what became of it. Call it about once a second; calls that overlap would send twice.
    ///
    /// # Errors
    /// When the store cannot be asked. What was sent and could not be noted is sent again.
    pub async fn step(&self, now_ms: i64) -> Result<Stepped, StoreError> {
        let due = self.store.due_beacons(now_ms, AT_ONCE).await?;
        let send = |row: BeaconRow| {
            let reach = (self.reach_of)(&row.tenant);
            tokio::task::spawn_blocking(move || {
                let sent = match Url::parse(&row.url) {
                    Ok(url) => tell(&url, &reach, PATIENCE),
                    Err(error) => Err(VisitError::Denied(error.to_string())),
                };
                (row, sent)
            })
        };
        let sending: Vec<_> = due.into_iter().map(send).collect();
        let mut stepped = Stepped::default();
        for sent in sending {
            let (row, sent) = sent.await.map_err(|error| StoreError::Failed(error.to_string()))?;
            match sent {
                Ok(()) => {
                    self.store.end_beacon(&row.id, now_ms, BeaconEnd::Told).await?;
                    stepped.told += 1;
                }
                Err(error) if error.is_final() || now_ms - row.created_ms >= GIVEN_UP_AFTER_MS => {
                    tracing::warn!(tenant = row.tenant, url = masked(&row.url), %error, "a beacon is given up");
                    self.store.end_beacon(&row.id, now_ms, BeaconEnd::GivenUp).await?;
                    stepped.given_up += 1;
                }
                Err(error) => {
                    tracing::debug!(tenant = row.tenant, url = masked(&row.url), %error, "a beacon waits");
                    let due_ms = now_ms.saturating_add(retry_wait_ms(row.attempts));
                    self.store.put_off_beacon(&row.id, due_ms).await?;
                    stepped.failed += 1;
                }
            }
        }
        Ok(stepped)
    }

    /// Forgets what was told long ago.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn forget(&self, now_ms: i64) -> Result<u64, StoreError> {
        self.store.forget_beacons(now_ms - KNOWN_FOR_MS).await
    }
}

#[cfg(test)]
mod tests;
