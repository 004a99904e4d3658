//! The chain of closed hours: each hour's digest covers its entries and the digest of the hour before, and is signed.
//! So whoever changes, removes or adds an entry later has to make anew, and sign, every hour from there on.

use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

use crate::store::{ClosedHour, LedgerEntry};

pub(super) const HOUR_MS: i64 = 3_600_000;

/// The digest before the first hour.
pub(super) const GENESIS: [u8; 32] = [0; 32];

/// What the digests and signatures of this layout begin with, so that neither can be taken for something else. Of digests there are two:
/// the second covers what an hour is priced by as well.
const DIGEST_DOMAIN: &[u8] = b"quadrille ledger hour 1";
const PRICED_DIGEST_DOMAIN: &[u8] = b"quadrille ledger hour 2";
const SIGNATURE_DOMAIN: &[u8] = b"quadrille ledger seal 1";

/// The start of the hour that `at_ms` lies in.
pub(super) const fn hour_of(at_ms: i64) -> i64 {
    at_ms - at_ms.rem_euclid(HOUR_MS)
}

/// An hour being digested: its entries come tenant by tenant (byte order), each tenant's in the order of the ledger.
pub(super) struct HourDigest {
    hash: Sha256,
    hour_start_ms: i64,
    price_lists: Option<String>,
    entries: u64,
    billable_seconds: i64,
}

impl HourDigest {
    /// `price_lists` names what its entries are priced by, as [`ClosedHour::price_lists`] does.
    pub fn new(previous: &[u8; 32], hour_start_ms: i64, price_lists: Option<&str>) -> Self {
        let mut hash = Sha256::new();
        hash.update(if price_lists.is_some() { PRICED_DIGEST_DOMAIN } else { DIGEST_DOMAIN });
        hash.update(previous);
        hash.update(hour_start_ms.to_be_bytes());
        let price_lists = price_lists.map(str::to_owned);
        let mut digest = Self { hash, hour_start_ms, price_lists: None, entries: 0, billable_seconds: 0 };
        if let Some(price_lists) = &price_lists {
            digest.text(price_lists);
        }
        Self { price_lists, ..digest }
    }

    /// Every field, texts with their lengths before them: two different entries never digest alike.
    pub fn add(&mut self, entry: &LedgerEntry) {
        let LedgerEntry { tenant, at_ms, session_id, minute_start_ms, reason, watched, .. } = entry;
        for text in [tenant, session_id, reason, &watched.engine, &watched.layout, &watched.tier] {
            self.text(text);
        }
        let figures = [entry.billable_seconds, entry.slate_seconds, entry.slate_all_seconds];
        for number in [*at_ms, *minute_start_ms].into_iter().chain(figures) {
            self.hash.update(number.to_be_bytes());
        }
        self.count(watched.games.len());
        for game in &watched.games {
            self.text(game);
        }
        self.count(watched.labels.len());
        for (name, value) in &watched.labels {
            self.text(name);
            self.text(value);
        }
        self.entries += 1;
        self.billable_seconds = self.billable_seconds.saturating_add(entry.billable_seconds);
    }

    fn text(&mut self, text: &str) {
        self.count(text.len());
        self.hash.update(text.as_bytes());
    }

    fn count(&mut self, count: usize) {
        self.hash.update((count as u64).to_be_bytes());
    }

    /// The hour's entries, the sum of their billable seconds, and the digest.
    pub fn finish(mut self) -> (u64, i64, [u8; 32]) {
        self.hash.update(self.entries.to_be_bytes());
        (self.entries, self.billable_seconds, self.hash.finalize().into())
    }

    /// The hour, sealed with `key`.
    pub fn seal(mut self, key: &SigningKey) -> ClosedHour {
        let (hour_start_ms, price_lists) = (self.hour_start_ms, self.price_lists.take());
        let (entries, billable_seconds, digest) = self.finish();
        let signature = key.sign(&signed_text(hour_start_ms, &digest)).to_bytes();
        let public_key = key.verifying_key().to_bytes();
        ClosedHour { hour_start_ms, entries, billable_seconds, digest, public_key, signature, price_lists }
    }
}

/// Whether `hour` bears the signature of `key`.
pub(super) fn is_signed_by(hour: &ClosedHour, key: &VerifyingKey) -> bool {
    let signature = Signature::from_bytes(&hour.signature);
    key.verify_strict(&signed_text(hour.hour_start_ms, &hour.digest), &signature).is_ok()
}

fn signed_text(hour_start_ms: i64, digest: &[u8; 32]) -> Vec<u8> {
    [SIGNATURE_DOMAIN, &hour_start_ms.to_be_bytes(), digest].concat()
}
