//! Checking the chain of closed hours: what is in the ledger against what was sealed.

use ed25519_dalek::{SigningKey, VerifyingKey};

use super::chain::{GENESIS, HOUR_MS, hour_of, is_signed_by};
use super::closing::digest_hour;
use super::period::rfc_3339;
use super::summing::is_hour_summed_right;
use crate::store::{ClosedHour, StoreError, UsageReads};

/// Seals read at once.
const PAGE: u32 = 1000;

/// What is wrong with an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HourFault {
    #[error("its entries were changed after it was closed")]
    Changed,
    #[error("{0} of its entries were removed after it was closed")]
    Removed(u64),
    #[error("{0} entries were put into it after it was closed")]
    Inserted(u64),
    #[error("its sums, which reports are made from, are not those of its entries")]
    Sums,
    #[error("its seal bears no signature of a key that is trusted here; it names the public key {}", hex::encode(.0))]
    Signature([u8; 32]),
    #[error("its seal is missing")]
    SealMissing,
    #[error("it has entries, and the chain begins after it")]
    BeforeTheChain,
    #[error("the chain that ended with the digest given does not go through it: hours were removed or made anew")]
    HeadMissing,
}

/// Why a ledger is not what was sealed, or that this cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The first hour that is broken; nothing is said of later ones.
    #[error("the hour of {} is broken: {fault}", rfc_3339(*.hour_start_ms))]
    Broken { hour_start_ms: i64, fault: HourFault },
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

/// Walks the whole chain and compares it with the ledger. `known_head` is a digest noted earlier that the chain must go through.
/// Memory does not grow with the ledger; a service may run on it meanwhile.
///
/// # Errors
/// [`VerifyError::Broken`] with the first hour that is not what was sealed.
pub async fn verify(
    ledger: &dyn UsageReads,
    trusted: &TrustedKeys,
    known_head: Option<[u8; 32]>,
) -> Result<Verified, VerifyError> {
    let broken = |hour_start_ms, fault| Err(VerifyError::Broken { hour_start_ms, fault });
    // Hours closed later than this are none of this walk's business.
    let closed_until_ms = ledger.closed_until().await?;
    let summed_until_ms = ledger.summed_until().await?;
    let tenants = ledger.billed_tenants().await?;
    let first_entry = tenants.iter().map(|(_, first_ms)| hour_of(*first_ms)).min().filter(|h| *h < closed_until_ms);
    let mut walk = Verified { hours: 0, entries: 0, billable_seconds: 0, head: None, unsealed_hours: 0 };
    let mut head_found = known_head.is_none();
    loop {
        let after_ms = walk.head.as_ref().map_or(i64::MIN, |head| head.hour_start_ms);
        let page = ledger.closed_hours(after_ms, PAGE).await?;
        let is_last = page.len() < PAGE as usize;
        for hour in page {
            let start_ms = hour.hour_start_ms;
            match &walk.head {
                None => {
                    if let Some(earlier) = first_entry.filter(|first| *first < start_ms) {
                        return broken(earlier, HourFault::BeforeTheChain);
                    }
                }
                Some(head) if head.hour_start_ms + HOUR_MS != start_ms => {
                    return broken(head.hour_start_ms + HOUR_MS, HourFault::SealMissing);
                }
                Some(_) => {}
            }
            let previous = walk.head.as_ref().map_or(GENESIS, |head| head.digest);
            if let Some(fault) = fault_of(ledger, &tenants, &hour, &previous, summed_until_ms, trusted).await? {
                return broken(start_ms, fault);
            }
            head_found |= known_head == Some(hour.digest);
            walk.hours += 1;
            walk.entries += hour.entries;
            walk.billable_seconds += hour.billable_seconds;
            walk.head = Some(hour);
        }
        if is_last {
            break;
        }
    }
    let sealed_until = walk.head.as_ref().map(|head| head.hour_start_ms + HOUR_MS).or(first_entry);
    if !head_found {
        return broken(sealed_until.unwrap_or(closed_until_ms), HourFault::HeadMissing);
    }
    let waiting_ms = closed_until_ms - sealed_until.unwrap_or(closed_until_ms);
    walk.unsealed_hours = u64::try_from(waiting_ms / HOUR_MS).unwrap_or(0);
    Ok(walk)
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
    let start_ms = hour.hour_start_ms;
    let digest = digest_hour(ledger, tenants, previous, start_ms).await?;
    if let Some(fault) = compare(hour, digest.finish(), trusted) {
        return Ok(Some(fault));
    }
    let is_right = start_ms >= summed_until_ms || is_hour_summed_right(ledger, tenants, start_ms).await?;
    Ok((!is_right).then_some(HourFault::Sums))
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
