//! Looking for damage in the background: disks flip bits and say nothing. Closed hours are compared with their seals, newest first,
//! because that is what is asked about most; the rest of the store is read and must make sense. It goes round for ever, in slices
//! that are small enough to be in nobody's way.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::chain::{GENESIS, HOUR_MS};
use super::period::rfc_3339;
use super::recount::counted_tenants;
use super::verify::{HourFault, TrustedKeys, fault_of};
use crate::metrics::Metrics;
use crate::store::{LedgerReads, SqliteLedger, StoreError, UsageReads};

/// Rows that are read at once.
const PAGE: u32 = 500;

/// Faults that are remembered: a disk that has this many needs no more.
const MAX_FAULTS: usize = 100;

/// What is looked at in one slice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Everything small.
    Tables,
    /// The sessions after this one.
    Sessions(String),
    /// Lines of hours that are open.
    OpenHours,
    /// A closed hour, by its start.
    Hour(i64),
}

/// What was found so far. Cheap to ask.
#[derive(Default)]
pub struct Integrity(Mutex<BTreeMap<Part, Fault>>);

struct Fault {
    said: String,
    /// The walk that found it last.
    walk: u64,
}

impl Integrity {
    /// Where the database as such is damaged, so that what is written to it may be lost. Names nobody's session: whoever asks may
    /// read it, and the log says more.
    pub fn damage(&self) -> Option<String> {
        let faults = self.0.lock();
        let part = faults.keys().find(|part| !matches!(part, Part::Hour(_)))?;
        let place = if let Part::Sessions(_) = part { "sessions".to_owned() } else { told(part) };
        Some(format!("{place} cannot be read as they were written; the log says more"))
    }

    /// What is wrong with closed hours: reports of them are, and nothing else.
    pub fn broken_hours(&self) -> Option<String> {
        let faults = self.0.lock();
        let mut hours = faults.iter().filter(|(part, _)| matches!(part, Part::Hour(_))).map(|(_, fault)| &fault.said);
        let first = hours.next()?;
        Some(match hours.count() {
            0 => first.clone(),
            more => format!("{first} (and {more} more)"),
        })
    }

    /// Notes what a look at `part` found.
    fn note(&self, walk: u64, part: Part, found: Option<String>) {
        let mut faults = self.0.lock();
        let Some(said) = found else {
            faults.remove(&part);
            return;
        };
        let is_news = faults.get(&part).is_none_or(|known| known.said != said);
        if is_news {
            // Once: it is found again with every walk.
            tracing::error!(fault = said, "the store is not as it was written");
        }
        if faults.len() < MAX_FAULTS || faults.contains_key(&part) {
            faults.insert(part, Fault { said, walk });
        }
    }

    /// A walk is over: pages of sessions begin elsewhere than they did, and those that it did not come by are none any more.
    fn end_walk(&self, walk: u64) {
        self.0.lock().retain(|part, fault| fault.walk == walk || !matches!(part, Part::Sessions(_)));
    }

    fn count(&self) -> usize {
        self.0.lock().len()
    }
}

/// The walk.
pub struct Checking {
    /// On a connection of its own: the service's readers wait for nobody here.
    ledger: SqliteLedger,
    integrity: Arc<Integrity>,
    metrics: Arc<Metrics>,
    next: Part,
    /// How often in a row it could not be read.
    unread: u32,
    walk: u64,
}

/// A slice that could not be read so often in a row is not only busy: damage can be such that the reader itself dies of it.
const UNREAD_AT_MOST: u32 = 3;

impl Checking {
    pub fn new(ledger: SqliteLedger, integrity: Arc<Integrity>, metrics: Arc<Metrics>) -> Self {
        Self { ledger, integrity, metrics, next: Part::Tables, unread: 0, walk: 0 }
    }

    /// Looks at one slice; whether a walk is over with it.
    ///
    /// # Errors
    /// Those of a store that could not be read just now; the same slice comes again, a few times.
    pub async fn step(&mut self) -> Result<bool, StoreError> {
        let part = self.next.clone();
        let (fault, next) = match self.look(&part).await {
            Ok(done) => done,
            Err(error @ (StoreError::Damaged(_) | StoreError::Failed(_))) => {
                let next = self.after_broken(&part).await;
                (Some(format!("{}: {error}", told(&part))), next)
            }
            Err(error) => {
                self.unread += 1;
                if self.unread < UNREAD_AT_MOST {
                    return Err(error);
                }
                let next = self.after_broken(&part).await;
                (Some(format!("{} cannot be read: {error}", told(&part))), next)
            }
        };
        self.unread = 0;
        self.integrity.note(self.walk, part, fault);
        let is_over = next.is_none();
        if is_over {
            self.integrity.end_walk(self.walk);
            self.walk += 1;
            self.metrics.integrity_passes.inc();
        }
        self.metrics.integrity_faults.set(i64::try_from(self.integrity.count()).unwrap_or(i64::MAX));
        self.next = next.unwrap_or(Part::Tables);
        Ok(is_over)
    }

    /// What is wrong with `part`, and what comes after it.
    async fn look(&self, part: &Part) -> Result<(Option<String>, Option<Part>), StoreError> {
        Ok(match part {
            Part::Tables => {
                self.ledger.check_small_tables().await?;
                (None, Some(Part::Sessions(String::new())))
            }
            Part::Sessions(after) => {
                let next = self.ledger.check_sessions(after, PAGE).await?;
                (None, Some(next.map_or(Part::OpenHours, Part::Sessions)))
            }
            Part::OpenHours => {
                self.read_open_hours().await?;
                (None, self.ledger.last_closed_hour().await?.map(|hour| Part::Hour(hour.hour_start_ms)))
            }
            Part::Hour(start_ms) => {
                let fault = self.look_at_hour(*start_ms).await?;
                (fault.map(|fault| format!("{}: {fault}", told(part))), self.hour_before(*start_ms).await?)
            }
        })
    }

    /// What comes after a part that cannot be read.
    async fn after_broken(&self, part: &Part) -> Option<Part> {
        match part {
            Part::Tables => Some(Part::Sessions(String::new())),
            Part::Sessions(_) => Some(Part::OpenHours),
            Part::OpenHours => self.ledger.last_closed_hour().await.ok()?.map(|hour| Part::Hour(hour.hour_start_ms)),
            Part::Hour(start_ms) => self.hour_before(*start_ms).await.ok()?,
        }
    }

    /// Nothing is known of them but that they can be read.
    async fn read_open_hours(&self) -> Result<(), StoreError> {
        let from_ms = self.ledger.closed_until().await?;
        for (tenant, _) in self.ledger.billed_tenants().await? {
            let mut after = None;
            loop {
                let page = self.ledger.entries(&tenant, from_ms, i64::MAX, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some(last.cursor());
            }
        }
        Ok(())
    }

    async fn look_at_hour(&self, start_ms: i64) -> Result<Option<HourFault>, StoreError> {
        // The seal, and the one that it goes on from.
        let seals = self.ledger.closed_hours(start_ms - HOUR_MS - 1, 2).await?;
        let Some(hour) = seals.iter().find(|hour| hour.hour_start_ms == start_ms) else {
            return Ok(Some(HourFault::SealMissing));
        };
        let before = seals.first().filter(|hour| hour.hour_start_ms < start_ms);
        let previous = match before {
            Some(before) => before.digest,
            None if self.hour_before(start_ms).await?.is_some() => return Ok(Some(HourFault::SealMissing)),
            None => GENESIS,
        };
        let summed_until_ms = self.ledger.summed_until().await?;
        let tenants = counted_tenants(self.ledger.billed_tenants().await?, &self.ledger.summed_tenants().await?);
        // Whether the key is the right one is `verify`'s business, and a person's: here it is whether bits were flipped.
        let mut named = TrustedKeys::default();
        if named.add_hex(&hex::encode(hour.public_key)).is_err() {
            return Ok(Some(HourFault::Signature(hour.public_key)));
        }
        fault_of(&self.ledger, &tenants, hour, &previous, summed_until_ms, &named).await
    }

    /// The closed hour before; `None` where the chain begins.
    async fn hour_before(&self, start_ms: i64) -> Result<Option<Part>, StoreError> {
        let first = self.ledger.closed_hours(i64::MIN, 1).await?;
        let before_ms = start_ms - HOUR_MS;
        Ok(first.first().filter(|hour| hour.hour_start_ms <= before_ms).map(|_| Part::Hour(before_ms)))
    }
}

fn told(part: &Part) -> String {
    match part {
        Part::Tables => "the small tables".to_owned(),
        Part::Sessions(after) if after.is_empty() => "the first sessions".to_owned(),
        Part::Sessions(after) => format!("sessions after {after}"),
        Part::OpenHours => "hours that are open".to_owned(),
        Part::Hour(start_ms) => format!("the hour of {}", rfc_3339(*start_ms)),
    }
}

#[cfg(test)]
#[path = "checking_tests.rs"]
mod tests;
