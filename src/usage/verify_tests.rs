use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::store::testing::{session_row, tamper, watched};
use crate::store::{EntryCursor, LedgerEntry, LedgerReads, MeterLine, SessionWrite, SqliteLedger, SqliteStore, Store};
use crate::usage::{Closing, PriceBook};

/// 2026-11-22T16:00:00Z
const START_MS: i64 = 1_795_363_200_000;
const MINUTE_MS: i64 = 60_000;
const GRACE: Duration = Duration::from_secs(600);
const SEED: [u8; 32] = [7; 32];

struct House {
    dir: tempfile::TempDir,
    store: Arc<SqliteStore>,
    closing: Closing,
}

impl House {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (store, closing) = open(dir.path()).await;
        Self { dir, store, closing }
    }

    /// kill -9 and another process.
    async fn crash(&mut self) {
        self.store.let_go();
        (self.store, self.closing) = open(self.dir.path()).await;
    }

    async fn book(&self, tenant: &str, session_id: &str, minute: i64, billable_seconds: u32) {
        let line = MeterLine {
            tenant: tenant.into(),
            session_id: session_id.into(),
            minute_start_ms: START_MS + minute * MINUTE_MS,
            billable_seconds,
            slate_seconds: billable_seconds / 2,
            slate_all_seconds: billable_seconds / 3,
            watched: watched("2EH"),
        };
        let session = session_row(tenant, session_id);
        self.store.write_sessions(vec![SessionWrite::whole(session, vec![line])]).await.unwrap();
    }

    /// Three hours: two tenants in the first, none in the second, one in the third.
    async fn booked() -> Self {
        let house = Self::new().await;
        for minute in [0, 1, 59] {
            house.book("acme", "s1", minute, 60).await;
            house.book("other", "s2", minute, 30).await;
        }
        house.book("acme", "s1", 125, 9).await;
        house
    }

    async fn close_at(&self, minute: i64) -> u64 {
        self.closing.run(START_MS + minute * MINUTE_MS).await.unwrap()
    }

    async fn verify(&self) -> Result<Verified, VerifyError> {
        verify_dir(self.dir.path(), None).await
    }

    async fn entries(&self, tenant: &str) -> Vec<LedgerEntry> {
        self.store.entries(tenant, 0, i64::MAX, None, 100).await.unwrap()
    }

    async fn total(&self, tenant: &str) -> i64 {
        self.entries(tenant).await.iter().map(|entry| entry.billable_seconds).sum()
    }
}

fn public_key(seed: &[u8; 32]) -> [u8; 32] {
    SigningKey::from_bytes(seed).verifying_key().to_bytes()
}

async fn open(dir: &Path) -> (Arc<SqliteStore>, Closing) {
    let store = Arc::new(SqliteStore::open(dir).await.unwrap());
    (store.clone(), Closing::new(store, &SEED, PriceBook::default(), GRACE))
}

/// As the tool does it: beside the service, on a connection of its own.
async fn verify_dir(dir: &Path, head: Option<[u8; 32]>) -> Result<Verified, VerifyError> {
    let mut trusted = TrustedKeys::default();
    trusted.add_seed(&SEED);
    verify(&SqliteLedger::open(dir).await.unwrap(), &trusted, head).await
}

fn broken(hour: i64, fault: HourFault) -> Result<Verified, VerifyError> {
    Err(VerifyError::Broken { hour_start_ms: START_MS + hour * HOUR_MS, fault })
}

#[tokio::test]
async fn an_hour_is_closed_when_it_is_over_by_the_grace_and_the_chain_holds() {
    let house = House::booked().await;
    assert_eq!(house.close_at(69).await, 0, "nine minutes over");
    assert_eq!(house.close_at(70).await, 1);
    assert_eq!(house.close_at(70).await, 0);
    let first = house.verify().await.unwrap();
    assert_eq!((first.hours, first.entries, first.billable_seconds, first.unsealed_hours), (1, 6, 270, 0));
    assert_eq!(house.close_at(250).await, 3, "hours without entries are in the chain too");
    let all = house.verify().await.unwrap();
    assert_eq!((all.hours, all.entries, all.billable_seconds), (4, 7, 279));
    let head = first.head.map(|head| head.digest);
    assert!(verify_dir(house.dir.path(), head).await.is_ok(), "a head noted earlier is still part of the chain");
    assert_eq!(verify_dir(house.dir.path(), Some([1; 32])).await, broken(4, HourFault::HeadMissing));
}

#[tokio::test]
async fn a_ledger_without_entries_has_no_chain_yet() {
    let house = House::new().await;
    assert_eq!(house.close_at(200).await, 0);
    let empty = house.verify().await.unwrap();
    assert_eq!((empty.hours, empty.head), (0, None));
    // What comes late for those hours is the chain's beginning.
    house.book("acme", "s1", 10, 5).await;
    house.close_at(250).await;
    assert_eq!(house.verify().await.unwrap().billable_seconds, 5);
}

#[tokio::test]
async fn a_late_booking_of_a_closed_hour_is_a_correction_and_is_counted_once() {
    let mut house = House::booked().await;
    house.close_at(70).await;
    let sealed = house.entries("other").await;
    // A raise in steps, repeated, out of order; one that is known already; a line nobody knew.
    for (minute, seconds) in [(1, 40), (1, 55), (1, 55), (1, 20), (0, 30), (5, 12)] {
        house.book("other", "s2", minute, seconds).await;
    }
    assert_eq!(house.entries("other").await[..3], sealed, "the closed hour is as it was");
    assert_eq!(house.total("other").await, 90 + 25 + 12);
    let corrections = house.entries("other").await.split_off(3);
    let told: Vec<_> = corrections.iter().map(|c| (c.at_ms - START_MS, c.billable_seconds, &*c.reason)).collect();
    assert_eq!(told, [(HOUR_MS, 25, "late_booking"), (HOUR_MS, 12, "late_booking")], "in the first open hour");
    assert_eq!(corrections[0].slate_seconds, 27 - 15);

    // Once that hour is closed as well, what comes still later goes to the next; and a restart forgets nothing of it.
    house.crash().await;
    house.close_at(130).await;
    for seconds in [60, 55, 60] {
        house.book("other", "s2", 1, seconds).await;
    }
    assert_eq!(house.total("other").await, 90 + 30 + 12);
    house.close_at(250).await;
    let all = house.verify().await.unwrap();
    assert_eq!((all.entries, all.billable_seconds), (7 + 3, 279 + 42));
    let cursor = EntryCursor { at_ms: START_MS + HOUR_MS, ..house.entries("other").await[3].cursor() };
    let rest = house.store.entries("other", 0, i64::MAX, Some(cursor), 100).await.unwrap();
    assert_eq!(rest.len(), 2, "corrections are walked like lines");
}

#[tokio::test]
async fn a_process_killed_between_closing_and_sealing_is_made_good_by_the_next() {
    let mut house = House::booked().await;
    house.store.close_hours(START_MS + 2 * HOUR_MS).await.unwrap();
    house.crash().await;
    assert_eq!(house.verify().await.unwrap().unsealed_hours, 2);
    // Already nothing changes in them.
    house.book("other", "s2", 1, 60).await;
    assert_eq!(house.close_at(2 * 60 + 5).await, 2);
    let whole = house.verify().await.unwrap();
    assert_eq!((whole.hours, whole.billable_seconds, whole.unsealed_hours), (2, 270, 0));
    assert_eq!(house.total("other").await, 120);
}

#[tokio::test]
async fn any_later_edit_shows_and_the_first_broken_hour_is_named() {
    let edits = [
        ("UPDATE meter_lines SET billable_seconds = 59 WHERE minute_start_ms = 1795363260000", 0),
        ("UPDATE meter_lines SET slate_seconds = 29 WHERE minute_start_ms = 1795363260000 AND tenant = 'acme'", 0),
        ("UPDATE meter_lines SET tier = '540p' WHERE minute_start_ms = 1795370700000", 2),
        ("UPDATE meter_lines SET labels = '{}' WHERE minute_start_ms = 1795370700000", 2),
        ("UPDATE meter_lines SET games = '[\"a\",\"c\"]' WHERE minute_start_ms = 1795370700000", 2),
        ("UPDATE meter_lines SET session_id = 's9' WHERE minute_start_ms = 1795370700000", 2),
        ("UPDATE corrections SET reason = 'goodwill'", 3),
    ];
    for (edit, hour) in edits {
        assert_eq!(edited(edit).await, broken(hour, HourFault::Changed), "{edit}");
    }
    let inserted = "INSERT INTO meter_lines SELECT tenant, minute_start_ms + 60000, session_id, billable_seconds, layout, games, \
                    slate_seconds, slate_all_seconds, engine, tier, labels FROM meter_lines WHERE session_id = 's1' \
                    AND minute_start_ms = 1795370700000";
    assert_eq!(edited(inserted).await, broken(2, HourFault::Inserted(1)));
    let into_nothing = inserted.replace("minute_start_ms + 60000", "minute_start_ms - 3600000");
    assert_eq!(edited(&into_nothing).await, broken(1, HourFault::Inserted(1)));
    let before = inserted.replace("minute_start_ms + 60000", "minute_start_ms - 36000000");
    assert_eq!(edited(&before).await, broken(-8, HourFault::BeforeTheChain));
    assert_eq!(edited("DELETE FROM meter_lines WHERE tenant = 'other'").await, broken(0, HourFault::Removed(3)));
    assert_eq!(edited("DELETE FROM corrections").await, broken(3, HourFault::Removed(1)));
    let unsealed = edited("DELETE FROM closed_hours WHERE hour_start_ms = 1795366800000").await;
    assert_eq!(unsealed, broken(1, HourFault::SealMissing));
    let forged = edited("UPDATE closed_hours SET digest = zeroblob(32) WHERE hour_start_ms = 1795366800000").await;
    assert_eq!(forged, broken(1, HourFault::Signature(public_key(&SEED))));
    // Moving an end of the chain to where the edit is leaves the hours after it unsigned for what came before.
    let cut = edited("DELETE FROM closed_hours WHERE hour_start_ms = 1795363200000").await;
    assert_eq!(cut, broken(0, HourFault::BeforeTheChain));
}

/// What `verify` says of a closed ledger after an edit by somebody who can write the file.
async fn edited(edit: &str) -> Result<Verified, VerifyError> {
    let house = House::booked().await;
    house.close_at(190).await;
    house.book("other", "s2", 1, 60).await;
    house.close_at(250).await;
    house.verify().await.unwrap();
    tamper(house.dir.path(), edit).await;
    house.verify().await
}

#[tokio::test]
async fn a_chain_made_anew_with_another_key_is_not_believed() {
    let house = House::booked().await;
    house.close_at(190).await;
    let without = ["meter_lines", "hour_sums", "month_marks"]
        .map(|table| format!("DELETE FROM {table} WHERE tenant = 'other'; "));
    tamper(house.dir.path(), &format!("DELETE FROM closed_hours; {}", without.concat())).await;
    let forger = Closing::new(house.store.clone(), &[8; 32], PriceBook::default(), GRACE);
    forger.run(START_MS + 190 * MINUTE_MS).await.unwrap();
    assert_eq!(house.verify().await, broken(0, HourFault::Signature(public_key(&[8; 32]))));
    let mut trusted = TrustedKeys::default();
    assert!(trusted.add_hex("no key").is_err());
    trusted.add_hex(&hex::encode(public_key(&[8; 32]))).unwrap();
    assert!(verify(&*house.store.ledger(), &trusted, None).await.is_ok(), "who trusts that key believes it");
}

#[tokio::test]
async fn a_clock_that_steps_both_ways_loses_and_doubles_nothing() {
    let house = House::booked().await;
    // An hour ahead by mistake: everything so far is closed, and what is watched after it was put right is late.
    house.close_at(4 * 60).await;
    assert_eq!(house.closing.run(START_MS - 10 * HOUR_MS).await, Ok(0), "closed hours stay closed");
    for _ in 0..2 {
        house.book("acme", "s1", 126, 60).await;
        house.book("acme", "s1", 127, 10).await;
    }
    assert_eq!(house.total("acme").await, 189 + 70);
    house.close_at(6 * 60).await;
    assert_eq!(house.verify().await.unwrap().billable_seconds, 279 + 70);
}

#[tokio::test]
async fn sums_that_are_not_those_of_their_lines_are_found() {
    for tampering in [
        "UPDATE hour_sums SET billed_minutes = billed_minutes - 1",
        "UPDATE hour_sums SET cost = 0, currency = 'EUR'",
        "DELETE FROM hour_sums",
        "UPDATE month_marks SET mark = replace(mark, '\"billed_minutes\":', '\"billed_minutes\":1')",
        "DELETE FROM month_marks",
    ] {
        let house = House::booked().await;
        house.close_at(250).await;
        assert!(house.verify().await.is_ok());
        tamper(house.dir.path(), tampering).await;
        let broken = house.verify().await.unwrap_err();
        assert!(matches!(broken, VerifyError::Broken { fault: HourFault::Sums { .. }, .. }), "{tampering}: {broken:?}");
    }
}

#[tokio::test]
async fn a_correction_is_a_line_of_its_own_and_leaves_closed_hours_alone() {
    use crate::store::{Correction, CorrectionError, correct};
    let house = House::booked().await;
    house.close_at(250).await;
    let sealed = house.verify().await.unwrap();
    let correction = |minute: i64, billable_seconds, reason: &str| Correction {
        tenant: "other".into(),
        session_id: "s2".into(),
        minute_start_ms: START_MS + minute * MINUTE_MS,
        billable_seconds,
        reason: reason.into(),
    };
    let dir = house.dir.path().to_owned();
    let make = async |given: Correction, minute: i64| correct(&dir, &given, START_MS + minute * MINUTE_MS).await;
    for (given, said) in [
        (correction(1, -31, "outage"), CorrectionError::OutOfMinute { is: 30, would_be: -1 }),
        (correction(1, 31, "outage"), CorrectionError::OutOfMinute { is: 30, would_be: 61 }),
        (correction(2, -1, "outage"), CorrectionError::NoSuchLine),
        (correction(1, 0, "outage"), CorrectionError::Nothing),
        (correction(1, -1, " "), CorrectionError::Reason),
        (correction(1, -1, "late_booking"), CorrectionError::Reason),
    ] {
        assert_eq!(make(given, 260).await, Err(said));
    }
    let made = make(correction(1, -30, "outage"), 260).await.unwrap();
    assert_eq!((made.at_ms, made.billable_seconds), (START_MS + 4 * HOUR_MS, -30));
    assert_eq!(make(correction(1, 5, "outage"), 260).await, Err(CorrectionError::Repeated));
    // What comes late is no answer to it.
    house.book("other", "s2", 1, 30).await;
    assert_eq!(house.total("other").await, 60);
    // A clock that is behind does not lead into a closed hour.
    assert_eq!(make(correction(0, -1, "again"), 0).await.unwrap().at_ms, START_MS + 4 * HOUR_MS);
    house.close_at(400).await;
    let verified = house.verify().await.unwrap();
    assert_eq!(verified.billable_seconds, sealed.billable_seconds - 31);
    assert!(verify_dir(house.dir.path(), sealed.head.map(|head| head.digest)).await.is_ok());
}
