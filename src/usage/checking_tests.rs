use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::store::testing::tamper;
use crate::store::{LedgerEntry, SessionFilter, SessionRow, SqliteStore, Store};
use crate::usage::testing::{GRACE, START_MS, book, line};
use crate::usage::{Closing, PriceBook};

/// A folder with closed hours of a few sessions and an open one, everything carried into the database's file.
async fn made(dir: &Path) {
    let store = Arc::new(SqliteStore::open(dir).await.unwrap());
    for hour in 0..4 {
        for session in ["s1", "s2", "s3"] {
            let minutes = (0..20).map(|minute| line(session, 60 * hour + minute, 60));
            book(&store, minutes.collect()).await;
        }
    }
    let closing = Closing::new(store.clone(), &[7; 32], PriceBook::default(), GRACE);
    assert_eq!(closing.run(START_MS + 3 * HOUR_MS + 700_000).await.unwrap(), 3);
    store.close().await.unwrap();
}

/// One walk through the store of `dir`.
async fn walked(dir: &Path) -> (Arc<Integrity>, Arc<Metrics>) {
    let (integrity, metrics) = (Arc::<Integrity>::default(), Arc::new(Metrics::new().unwrap()));
    let Ok(ledger) = SqliteLedger::open(dir).await else {
        integrity.note(0, Part::Tables, Some("it cannot be opened".to_owned()));
        return (integrity, metrics);
    };
    let mut checking = Checking::new(ledger, integrity.clone(), metrics.clone());
    let mut errors = 0;
    for _ in 0..100 {
        match checking.step().await {
            Ok(false) => {}
            Ok(true) => return (integrity, metrics),
            // The service tries again; what goes on is a fault by then.
            Err(_) => errors += 1,
        }
        if errors + 1 >= UNREAD_AT_MOST && integrity.damage().is_some() {
            return (integrity, metrics);
        }
    }
    panic!("the walk does not end");
}

#[tokio::test]
async fn a_store_that_is_as_it_was_written_is_walked_through_and_found_so() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path()).await;
    let (integrity, metrics) = walked(dir.path()).await;
    assert_eq!((integrity.damage(), integrity.broken_hours()), (None, None));
    assert_eq!((metrics.integrity_passes.get(), metrics.integrity_faults.get()), (1, 0));
}

#[tokio::test]
async fn a_walk_goes_from_the_newest_hour_to_the_first_beside_a_running_store() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path()).await;
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let ledger = SqliteLedger::open(dir.path()).await.unwrap();
    let mut checking = Checking::new(ledger, Arc::default(), Arc::new(Metrics::new().unwrap()));
    let mut parts = Vec::new();
    loop {
        parts.push(checking.next.clone());
        book(&store, vec![line("s4", 200, 7)]).await;
        if checking.step().await.unwrap() {
            break;
        }
    }
    let hours = [2, 1, 0].map(|hour| Part::Hour(START_MS + hour * HOUR_MS));
    let before = [Part::Tables, Part::Sessions(String::new()), Part::OpenHours];
    assert_eq!(parts, before.into_iter().chain(hours).collect::<Vec<_>>());
    assert_eq!(checking.next, Part::Tables);
}

#[tokio::test]
async fn a_changed_hour_is_named_and_is_no_longer_once_it_is_right_again() {
    let dir = tempfile::tempdir().unwrap();
    made(dir.path()).await;
    let change = |seconds: u32| {
        let minute = START_MS + HOUR_MS;
        format!(
            "UPDATE meter_lines SET billable_seconds = {seconds} WHERE session_id = 's2' AND minute_start_ms = {minute}"
        )
    };
    tamper(dir.path(), &change(59)).await;
    let (integrity, metrics) = (Arc::<Integrity>::default(), Arc::new(Metrics::new().unwrap()));
    let ledger = SqliteLedger::open(dir.path()).await.unwrap();
    let mut checking = Checking::new(ledger, integrity.clone(), metrics.clone());
    while !checking.step().await.unwrap() {}
    let said = integrity.broken_hours().unwrap();
    assert_eq!(said, format!("the hour of {}: {}", rfc_3339(START_MS + HOUR_MS), HourFault::Changed));
    assert_eq!((integrity.damage(), metrics.integrity_faults.get()), (None, 1));
    tamper(dir.path(), &change(60)).await;
    while !checking.step().await.unwrap() {}
    assert_eq!((integrity.broken_hours(), metrics.integrity_faults.get()), (None, 0));
}

/// Entries of closed hours, and sessions.
type Told = (Vec<LedgerEntry>, Vec<SessionRow>);

async fn told_of(dir: &Path) -> Option<Told> {
    let store = SqliteStore::open(dir).await.ok()?;
    let entries = store.entries("acme", 0, START_MS + 3 * HOUR_MS, None, 5000).await.ok()?;
    let sessions = store.sessions("acme", SessionFilter { limit: 100, ..SessionFilter::default() }).await.ok()?;
    store.close().await.ok()?;
    Some((entries, sessions))
}

async fn flipped(whole: &[u8], told: &Told, flips: Vec<(usize, u8)>) -> Result<(), TestCaseError> {
    let mut noticed = 0;
    for (at, bit) in flips {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = whole.to_vec();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        std::fs::write(dir.path().join("quadrille.sqlite"), bytes).unwrap();
        let (integrity, _) = walked(dir.path()).await;
        if integrity.damage().is_some() || integrity.broken_hours().is_some() {
            noticed += 1;
            continue;
        }
        // What the next start refuses is noticed as well.
        let Some((entries, _)) = told_of(dir.path()).await else { continue };
        // Of closed hours alone every bit is vouched for.
        prop_assert_eq!(&entries, &told.0, "bit {} of byte {} was not noticed", bit, at);
    }
    // Much of a file is empty pages, and yet some are hit.
    prop_assert!(noticed > 5, "{} were noticed", noticed);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1))]
    #[test]
    fn a_flipped_bit_is_noticed_or_changes_nothing_that_closed_hours_say(
        flips in prop::collection::vec((any::<usize>(), 0..8u8), 150)
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let dir = tempfile::tempdir().unwrap();
            made(dir.path()).await;
            let whole = std::fs::read(dir.path().join("quadrille.sqlite")).unwrap();
            let told = told_of(dir.path()).await.unwrap();
            flipped(&whole, &told, flips).await
        })?;
    }
}
