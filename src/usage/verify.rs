//! Checking the chain of closed hours: what is in the ledger against what was sealed.

use ed25519_dalek::{SigningKey, VerifyingKey};

use super::chain::{GENESIS, HOUR_MS, hour_of, is_signed_by};
use super::closing::digest_hour;
use super::period::rfc_3339;
use super::recount::{counted_tenants, sums_fault};
use crate::store::{ClosedHour, SealMarks, StoreError, SummedTenant, UsageReads};

/// Seals read at once.
const PAGE: u32 = 1000;

/// What is wrong with an hour. Its text names nobody: [`HourFault::details`] do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HourFault {
    #[error("its entries were changed after it was closed")]
    Changed,
    #[error("{0} of its entries were removed after it was closed")]
    Removed(u64),
    #[error("{0} entries were put into it after it was closed")]
    Inserted(u64),
    #[error("its sums, which reports are made from, are not those of its entries")]
    Sums { differs: String },
    #[error("it was sealed, and its sums, which reports are made from, are gone")]
    Unsummed,
    #[error("it is not priced by the price list that it was sealed with")]
    Prices { differs: String },
    #[error("it has sums, which reports are made from, and is no hour that was closed")]
    SumsOfNoHour { differs: String },
    #[error("its seal bears no signature of a key that is trusted here; it names the public key {}", hex::encode(.0))]
    Signature([u8; 32]),
    #[error("its seal is missing")]
    SealMissing,
    #[error("its seal is not the one that the marker beside the database knows")]
    SealOther,
    #[error("it has entries, and the chain begins after it")]
    BeforeTheChain,
    #[error("the chain that ended with the digest given does not go through it: hours were removed or made anew")]
    HeadMissing,
}

impl HourFault {
    /// Whose figures differ, and which; empty where the fault is one of the whole hour.
    pub fn details(&self) -> String {
        match self {
            Self::Sums { differs } | Self::Prices { differs } | Self::SumsOfNoHour { differs } => {
                format!(" ({differs})")
            }
            _ => String::new(),
        }
    }
}

/// Why a ledger is not what was sealed, or that this cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The first hour that is broken; nothing is said of later ones.
    #[error("the hour of {} is broken: {fault}{}", rfc_3339(*.hour_start_ms), .fault.details())]
    Broken { hour_start_ms: i64, fault: HourFault },
    /// `hour` is what the walk through the hours said, if it found something: of a damaged file that may be a consequence.
    #[error("the file is not whole: {said}{}", .hour.as_ref().map(|hour| format!("; {hour}")).unwrap_or_default())]
    Damaged { said: String, hour: Option<String> },
    #[error("the key {given:?} is not 64 hexadecimal digits of an Ed25519 public key")]
    KeyInvalid { given: String },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A chain that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    pub hours: u64,
    /// Entries of those hours, and the sum of their billable seconds.
    pub entries: u64,
    pub billable_seconds: i64,
    /// The newest hour, whose digest stands for all before it: who keeps a copy of that can tell if the whole chain is
    /// exchanged.
    pub head: Option<ClosedHour>,
    /// Hours that are closed and wait for the service to seal them.
    pub unsealed_hours: u64,
    /// Of `hours`, those whose seals do not cover what they are priced by: a version closed them that did not seal prices. Their sums are
    /// recounted by the price lists that they name.
    pub unpriced_hours: u64,
}

/// Keys whose signatures are trusted.
#[derive(Clone, Debug, Default)]
pub struct TrustedKeys(Vec<VerifyingKey>);

impl TrustedKeys {
    /// Trusts the key made from `seed`.
    pub fn add_seed(&mut self, seed: &[u8; 32]) {
        self.0.push(SigningKey::from_bytes(seed).verifying_key());
    }

    /// Trusts the public key written in hexadecimal.
    ///
    /// # Errors
    /// [`VerifyError::KeyInvalid`].
    pub fn add_hex(&mut self, given: &str) -> Result<(), VerifyError> {
        let mut bytes = [0; 32];
        let decoded = hex::decode_to_slice(given, &mut bytes).ok();
        let key = decoded.and_then(|()| VerifyingKey::from_bytes(&bytes).ok());
        self.0.push(key.ok_or_else(|| VerifyError::KeyInvalid { given: given.chars().take(80).collect() })?);
        Ok(())
    }

    fn signed(&self, hour: &ClosedHour) -> bool {
        self.0.iter().any(|key| is_signed_by(hour, key))
    }
}

/// Walks the whole chain and compares it with the ledger, and the sums that reports are made of with both. `known_head` is a digest noted
/// earlier that the chain must go through. Memory does not grow with the ledger; a service may run on it meanwhile.
///
/// # Errors
/// [`VerifyError::Broken`] with the first hour that is not what was sealed, [`VerifyError::Damaged`] where tables and their indexes do
/// not agree.
pub async fn verify(
    ledger: &dyn UsageReads,
    trusted: &TrustedKeys,
    known_head: Option<[u8; 32]>,
) -> Result<Verified, VerifyError> {
    let whole = ledger.check_ledger_tables().await;
    let walked = walk_chain(ledger, trusted, known_head).await;
    match whole {
        Ok(()) => walked,
        Err(StoreError::Damaged(said)) => {
            Err(VerifyError::Damaged { said, hour: walked.err().map(|error| error.to_string()) })
        }
        Err(error) => Err(error.into()),
    }
}

/// What a ledger said of itself before the walk.
struct Extent {
    marks: SealMarks,
    summed: Vec<SummedTenant>,
    summed_until_ms: i64,
    closed_until_ms: i64,
    tenants: Vec<(String, i64)>,
    /// The hour of the first entry, if that is closed.
    first_entry_ms: Option<i64>,
}

impl Extent {
    /// Each of these only grows, and what is asked for later is written earlier: a service that goes on meanwhile cannot make one of them
    /// look behind another.
    async fn read(ledger: &dyn UsageReads) -> Result<Self, StoreError> {
        let marks = ledger.seal_marks().await?;
        let summed = ledger.summed_tenants().await?;
        let summed_until_ms = ledger.summed_until().await?;
        let closed_until_ms = ledger.closed_until().await?;
        let billed = ledger.billed_tenants().await?;
        let first = billed.iter().map(|(_, first_ms)| hour_of(*first_ms)).min();
        let first_entry_ms = first.filter(|hour| *hour < closed_until_ms);
        let tenants = counted_tenants(billed, &summed);
        Ok(Self { marks, summed, summed_until_ms, closed_until_ms, tenants, first_entry_ms })
    }

    /// Sums of hours before the chain, which begins at `begin_ms`, or after all that is summed.
    fn sums_of_no_hour(&self, begin_ms: i64) -> Option<(i64, HourFault)> {
        let first = self.summed.iter().map(|tenant| (tenant.first_ms, tenant)).filter(|(hour, _)| *hour < begin_ms);
        let last = self.summed.iter().map(|tenant| (tenant.last_ms, tenant));
        let last = last.filter(|(hour, _)| *hour >= self.summed_until_ms);
        let (hour, SummedTenant { tenant, .. }) = first.chain(last).min_by_key(|(hour, _)| *hour)?;
        Some((hour, HourFault::SumsOfNoHour { differs: format!("tenant {tenant}") }))
    }
}

fn broken(hour_start_ms: i64, fault: HourFault) -> VerifyError {
    VerifyError::Broken { hour_start_ms, fault }
}

async fn walk_chain(
    ledger: &dyn UsageReads,
    trusted: &TrustedKeys,
    known_head: Option<[u8; 32]>,
) -> Result<Verified, VerifyError> {
    let extent = Extent::read(ledger).await?;
    let mut walk =
        Verified { hours: 0, entries: 0, billable_seconds: 0, head: None, unsealed_hours: 0, unpriced_hours: 0 };
    let (mut head_found, mut noted_found) = (known_head.is_none(), extent.marks.noted.is_none());
    loop {
        let after_ms = walk.head.as_ref().map_or(i64::MIN, |head| head.hour_start_ms);
        let page = ledger.closed_hours(after_ms, PAGE).await?;
        // After the seals: an hour is summed before it is sealed.
        let summed_until_ms = ledger.summed_until().await?;
        let is_last = page.len() < PAGE as usize;
        for hour in page {
            let start_ms = hour.hour_start_ms;
            fits(&extent, walk.head.as_ref(), start_ms)?;
            let previous = walk.head.as_ref().map_or(GENESIS, |head| head.digest);
            if let Some(fault) = fault_of(ledger, &extent.tenants, &hour, &previous, summed_until_ms, trusted).await? {
                return Err(broken(start_ms, fault));
            }
            head_found |= known_head == Some(hour.digest);
            if let Some((_, digest)) = extent.marks.noted.as_ref().filter(|(noted_ms, _)| *noted_ms == start_ms) {
                if *digest != hex::encode(hour.digest) {
                    return Err(broken(start_ms, HourFault::SealOther));
                }
                noted_found = true;
            }
            walk.hours += 1;
            walk.entries += hour.entries;
            walk.billable_seconds += hour.billable_seconds;
            walk.unpriced_hours += u64::from(hour.price_lists.is_none());
            walk.head = Some(hour);
        }
        if is_last {
            break;
        }
    }
    walk.unsealed_hours = end_of_chain(ledger, &extent, walk.head.as_ref(), noted_found, head_found).await?;
    Ok(walk)
}

/// Whether an hour is the one that comes after `before`, or the one that the chain begins with.
fn fits(extent: &Extent, before: Option<&ClosedHour>, start_ms: i64) -> Result<(), VerifyError> {
    match before {
        None => {
            if let Some(earlier) = extent.first_entry_ms.filter(|first| *first < start_ms) {
                return Err(broken(earlier, HourFault::BeforeTheChain));
            }
            extent.sums_of_no_hour(start_ms).map_or(Ok(()), |(hour, fault)| Err(broken(hour, fault)))
        }
        Some(before) if before.hour_start_ms + HOUR_MS != start_ms => {
            Err(broken(before.hour_start_ms + HOUR_MS, HourFault::SealMissing))
        }
        Some(_) => Ok(()),
    }
}

/// Looks at what comes after the last seal; how many hours wait for theirs.
async fn end_of_chain(
    ledger: &dyn UsageReads,
    extent: &Extent,
    head: Option<&ClosedHour>,
    noted_found: bool,
    head_found: bool,
) -> Result<u64, VerifyError> {
    let sealed_until_ms = head.map(|head| head.hour_start_ms + HOUR_MS);
    let next_ms = sealed_until_ms.or(extent.first_entry_ms);
    // Where nothing is left of the chain and of the ledger, the marks alone tell an hour.
    let noted_ms = extent.marks.noted.as_ref().map(|(hour_start_ms, _)| *hour_start_ms);
    if !noted_found || extent.marks.sealed_until_ms > sealed_until_ms.unwrap_or(0) {
        let last_ms = noted_ms.unwrap_or(extent.marks.sealed_until_ms - HOUR_MS);
        return Err(broken(next_ms.unwrap_or(last_ms), HourFault::SealMissing));
    }
    if !head_found {
        return Err(broken(next_ms.unwrap_or(extent.closed_until_ms), HourFault::HeadMissing));
    }
    if head.is_none()
        && let Some((hour, fault)) = extent.sums_of_no_hour(extent.first_entry_ms.unwrap_or(i64::MAX))
    {
        return Err(broken(hour, fault));
    }
    let Some(next_ms) = next_ms else { return Ok(0) };
    let mut hour_start_ms = next_ms;
    // Summed and not sealed yet: a process was killed between the two.
    while hour_start_ms < extent.summed_until_ms {
        if let Some(fault) = sums_fault(ledger, &extent.tenants, hour_start_ms, None).await? {
            return Err(broken(hour_start_ms, fault));
        }
        hour_start_ms += HOUR_MS;
    }
    Ok(u64::try_from((extent.closed_until_ms - next_ms) / HOUR_MS).unwrap_or(0))
}

/// What is wrong with one hour, whose digest goes on from `previous`.
pub(super) async fn fault_of(
    ledger: &dyn UsageReads,
    tenants: &[(String, i64)],
    hour: &ClosedHour,
    previous: &[u8; 32],
    summed_until_ms: i64,
    trusted: &TrustedKeys,
) -> Result<Option<HourFault>, StoreError> {
    let (start_ms, price_lists) = (hour.hour_start_ms, hour.price_lists.as_deref());
    let digest = digest_hour(ledger, tenants, previous, start_ms, price_lists).await?;
    if let Some(fault) = compare(hour, digest.finish(), trusted) {
        return Ok(Some(fault));
    }
    if start_ms >= summed_until_ms {
        return Ok(Some(HourFault::Unsummed));
    }
    sums_fault(ledger, tenants, start_ms, price_lists).await
}

fn compare(hour: &ClosedHour, now: (u64, i64, [u8; 32]), trusted: &TrustedKeys) -> Option<HourFault> {
    let (entries, billable_seconds, digest) = now;
    // The signature first: of an hour made anew by somebody else nothing needs to be believed.
    if !trusted.signed(hour) {
        return Some(HourFault::Signature(hour.public_key));
    }
    if entries > hour.entries {
        return Some(HourFault::Inserted(entries - hour.entries));
    }
    if entries < hour.entries {
        return Some(HourFault::Removed(hour.entries - entries));
    }
    (digest != hour.digest || billable_seconds != hour.billable_seconds).then_some(HourFault::Changed)
}

#[cfg(test)]
#[path = "verify_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "verify_sums_tests.rs"]
mod sums_tests;
