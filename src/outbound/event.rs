//! CloudEvents 1.0 in structured mode: what is told to others.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::store::LedgerEntry;
use crate::usage::UsageRecord;

/// A list of events (CloudEvents 1.0, JSON batch format).
pub(super) const BATCH_TYPE: &str = "application/cloudevents-batch+json";

/// One event (CloudEvents 1.0, JSON event format).
pub(super) const EVENT_TYPE: &str = "application/cloudevents+json";

const SESSION_MINUTE: &str = "com.quadrille.session-minute";

/// What ids of entries begin to be digested with, so that they can be taken for nothing else.
const ID_DOMAIN: &[u8] = b"quadrille ledger entry 1";

/// An event.
#[derive(Debug, Serialize)]
pub(super) struct CloudEvent<'a, T> {
    pub specversion: &'static str,
    pub id: String,
    pub source: &'a str,
    #[serde(rename = "type")]
    pub kind: &'static str,
    pub subject: &'a str,
    /// RFC 3339.
    pub time: String,
    pub datacontenttype: &'static str,
    pub data: T,
}

impl<'a, T> CloudEvent<'a, T> {
    pub fn new(kind: &'static str, id: String, source: &'a str, subject: &'a str, time: String, data: T) -> Self {
        Self { specversion: "1.0", id, source, kind, subject, time, datacontenttype: "application/json", data }
    }
}

/// The entries of one page, as one request's body.
pub(super) fn batch(source: &str, tenant: &str, entries: &[LedgerEntry]) -> Result<Vec<u8>, serde_json::Error> {
    let events: Vec<_> = entries.iter().map(|entry| session_minute(source, tenant, entry)).collect();
    serde_json::to_vec(&events)
}

/// An entry of the ledger. Its time decides its period with the receiver as it does here: the start of the minute, of a
/// correction that of the hour it counts in (`data.minute_start` says what it corrects). So sums over closed periods stay equal.
fn session_minute<'a>(source: &'a str, tenant: &'a str, entry: &LedgerEntry) -> CloudEvent<'a, UsageRecord> {
    let record = UsageRecord::from(entry.clone());
    let time = match &record.correction {
        Some(correction) => correction.hour_start.clone(),
        None => record.minute_start.clone(),
    };
    CloudEvent::new(SESSION_MINUTE, entry_id(entry), source, tenant, time, record)
}

/// The same for the same entry, whenever and by whichever process it is sent: a digest of the entry's key.
fn entry_id(entry: &LedgerEntry) -> String {
    let LedgerEntry { tenant, at_ms, session_id, minute_start_ms, reason, .. } = entry;
    let mut hash = Sha256::new();
    hash.update(ID_DOMAIN);
    for text in [tenant, session_id, reason] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.update(at_ms.to_be_bytes());
    hash.update(minute_start_ms.to_be_bytes());
    // Half of it is as unique as anybody needs (RFC 9562 has 122 bits).
    hex::encode(&hash.finalize()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing::watched;

    fn entry(reason: &str) -> LedgerEntry {
        LedgerEntry {
            tenant: "acme".into(),
            at_ms: 1_795_363_200_000,
            session_id: "s1".into(),
            minute_start_ms: 1_795_363_200_000,
            reason: reason.into(),
            billable_seconds: 42,
            slate_seconds: 10,
            slate_all_seconds: 3,
            watched: watched("2EH"),
        }
    }

    #[test]
    fn an_entry_is_an_event_with_numbers() {
        let body: serde_json::Value =
            serde_json::from_slice(&batch("quadrille", "acme", &[entry("")]).unwrap()).unwrap();
        let expected = serde_json::json!([{
            "specversion": "1.0", "id": "f", "source": "quadrille", "type": "com.quadrille.session-minute",
            "subject": "acme", "time": "2026-11-22T16:00:00Z", "datacontenttype": "application/json",
            "data": {
                "session_id": "s1", "minute_start": "2026-11-22T16:00:00Z", "billable_seconds": 42,
                "slate_seconds": 10, "slate_all_seconds": 3, "engine": "stitch", "layout": "2EH", "tier": "1080p",
                "game_count": 2, "games": ["a", "b"], "labels": {"box": "x1"},
            },
        }]);
        let mut shown = body.clone();
        shown[0]["id"] = "f".into();
        assert_eq!(shown, expected);
        assert_eq!(body[0]["id"].as_str().unwrap().len(), 32);
    }

    #[test]
    fn a_correction_counts_when_it_was_booked_and_says_what_it_corrects() {
        let late = LedgerEntry { at_ms: 1_795_366_800_000, ..entry("late_booking") };
        let body: serde_json::Value = serde_json::from_slice(&batch("q", "acme", &[late]).unwrap()).unwrap();
        assert_eq!(body[0]["time"], "2026-11-22T17:00:00Z");
        assert_eq!(body[0]["data"]["minute_start"], "2026-11-22T16:00:00Z");
        assert_eq!(
            body[0]["data"]["correction"],
            serde_json::json!({"reason": "late_booking", "hour_start": "2026-11-22T17:00:00Z"})
        );
    }

    #[test]
    fn every_part_of_an_entrys_key_makes_another_id_and_nothing_else_does() {
        let ids = [
            entry(""),
            entry("late_booking"),
            LedgerEntry { tenant: "acmes".into(), session_id: "1".into(), ..entry("") },
            LedgerEntry { at_ms: 0, ..entry("") },
            LedgerEntry { minute_start_ms: 0, ..entry("") },
        ]
        .map(|entry| entry_id(&entry));
        assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
        // Kept by receivers: it must never change.
        assert_eq!(ids[0], "b862f828f4b518239897ea3edbe13b98");
        assert_eq!(ids[0], entry_id(&LedgerEntry { billable_seconds: 60, watched: watched("4E"), ..entry("") }));
    }
}
