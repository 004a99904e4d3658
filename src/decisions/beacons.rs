//! What is told of what was served. A beacon is kept before it is sent and struck off when it was taken, so that it is told at least once whatever ends the process; twice
//! only where that ended between the two. One of an id that is known is not taken in again.
//!
//! Ids are `{of}/{event}/{n}`. Of one advertisement that one session saw events are told one after the other, in their order: some servers take a `complete` for nothing
//! that comes before its `start`. Where one is not taken, those that are due with it wait, too.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};

use url::Url;

use super::Event;
use crate::config::masked;
use crate::feed::{VisitError, tell};
use crate::outbound::retry_wait_ms;
use crate::reach::Reach;
use crate::store::{BeaconEnd, BeaconRow, BeaconRows, StoreError};

/// Beacons that wait, of all tenants.
const MAX_WAITING: u32 = 200_000;

/// Those that one step sends; and steps that are taken at once where more is due.
const AT_ONCE: u32 = 32;
const MOST_STEPS: u32 = 64;

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
    /// For all of one advertisement in one step: whoever answers slowly is not to keep others waiting.
    line_patience: Duration,
}

impl Beacons {
    pub fn new(store: Arc<dyn BeaconRows>, reach_of: Arc<ReachOf>) -> Self {
        Self { store, reach_of, most_waiting: MAX_WAITING, line_patience: PATIENCE }
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
                due_ms: now_ms - ahead_ms(id),
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
        let (mut all, mut waiting) = (Stepped::default(), HashMap::new());
        for _ in 0..MOST_STEPS {
            let (due, stepped) = self.step_once(now_ms, &mut waiting).await?;
            all.told += stepped.told;
            all.failed += stepped.failed;
            all.given_up += stepped.given_up;
            if due < AT_ONCE as usize {
                break;
            }
        }
        Ok(all)
    }

    /// How many were due, and what became of them. `waiting`: until when those of an advertisement wait.
    async fn step_once(&self, now_ms: i64, waiting: &mut HashMap<String, i64>) -> Result<(usize, Stepped), StoreError> {
        let due = self.store.due_beacons(now_ms, AT_ONCE).await?;
        let count = due.len();
        let mut lines: BTreeMap<String, Vec<BeaconRow>> = BTreeMap::new();
        for row in due {
            lines.entry(of(&row.id).to_owned()).or_default().push(row);
        }
        let send = |(of, line): (String, Vec<BeaconRow>)| {
            let (reach_of, patience) = (self.reach_of.clone(), self.line_patience);
            let waits_until = waiting.get(&of).copied();
            tokio::task::spawn_blocking(move || sent_in_order(line, &*reach_of, (now_ms, patience), waits_until))
        };
        let sending: Vec<_> = lines.into_iter().map(send).collect();
        let mut stepped = Stepped::default();
        for line in sending {
            for (row, became) in line.await.map_err(|error| StoreError::Failed(error.to_string()))? {
                match became {
                    Became::Told => {
                        self.store.end_beacon(&row.id, now_ms, BeaconEnd::Told).await?;
                        stepped.told += 1;
                    }
                    Became::GivenUp => {
                        self.store.end_beacon(&row.id, now_ms, BeaconEnd::GivenUp).await?;
                        stepped.given_up += 1;
                    }
                    Became::PutOff(due_ms) => {
                        waiting.insert(of(&row.id).to_owned(), due_ms);
                        self.store.put_off_beacon(&row.id, due_ms - ahead_ms(&row.id)).await?;
                        stepped.failed += 1;
                    }
                }
            }
        }
        Ok((count, stepped))
    }

    /// Forgets what was told long ago.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn forget(&self, now_ms: i64) -> Result<u64, StoreError> {
        self.store.forget_beacons(now_ms - KNOWN_FOR_MS).await
    }
}

/// What became of one.
enum Became {
    Told,
    GivenUp,
    /// Until then.
    PutOff(i64),
}

/// Sends those of one advertisement, one after the other, until one is not taken or `patience` is over. Takes its time.
fn sent_in_order(
    line: Vec<BeaconRow>,
    reach_of: &ReachOf,
    (now_ms, patience): (i64, Duration),
    mut waits_until: Option<i64>,
) -> Vec<(BeaconRow, Became)> {
    let begun = Instant::now();
    let became = |row: &BeaconRow| {
        let is_old = now_ms - row.created_ms >= GIVEN_UP_AFTER_MS;
        if let Some(due_ms) = waits_until.filter(|_| !is_old) {
            return Became::PutOff(due_ms);
        }
        let sent = match Url::parse(&row.url) {
            Ok(url) => tell(&url, &reach_of(&row.tenant), PATIENCE),
            Err(error) => Err(VisitError::Denied(error.to_string())),
        };
        match sent {
            Ok(()) => {
                waits_until = (begun.elapsed() >= patience).then(|| now_ms.saturating_add(retry_wait_ms(0)));
                Became::Told
            }
            Err(error) if error.is_final() || is_old => {
                tracing::warn!(tenant = row.tenant, url = masked(&row.url), %error, "a beacon is given up");
                Became::GivenUp
            }
            Err(error) => {
                tracing::debug!(tenant = row.tenant, url = masked(&row.url), %error, "a beacon waits");
                let due_ms = now_ms.saturating_add(retry_wait_ms(row.attempts));
                waits_until = Some(due_ms);
                Became::PutOff(due_ms)
            }
        }
    };
    let became: Vec<Became> = line.iter().map(became).collect();
    line.into_iter().zip(became).collect()
}

/// Whose the beacon `id` is: what stands before its event.
fn of(id: &str) -> &str {
    id.rsplitn(3, '/').nth(2).unwrap_or(id)
}

/// By how much it is due before others of the same instant, so that of those that are kept together the first is due first.
fn ahead_ms(id: &str) -> i64 {
    let event = id.rsplit('/').nth(1).unwrap_or_default();
    let behind = Event::ALL.iter().rev().position(|known| known.name() == event);
    behind.and_then(|behind| i64::try_from(behind).ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests;
