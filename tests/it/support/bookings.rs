//! Bookings of sessions, and what the ledger made of them.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use quadrille::store::{
    LedgerEntry, LedgerReads, MeterLine, SessionMeterRow, SessionPart, SessionRow, SessionWrite, SqliteLedger,
    SqliteStore, Watched, ledger_seed, read_ledger_seed,
};
use quadrille::usage::{
    Closing, Price, PriceBook, PriceList, Rounding, SlateTerms, Tariff, TrustedKeys, Verified, VerifyError, verify,
};

/// 2026-11-22T16:00:00Z
pub const START_MS: i64 = 1_795_363_200_000;
pub const MINUTE_MS: i64 = 60_000;
pub const HOUR_MS: i64 = 3_600_000;

/// An hour is closed when it is over by this.
pub const GRACE: Duration = Duration::from_secs(600);

pub fn minute_of(at_ms: i64) -> i64 {
    at_ms - at_ms.rem_euclid(MINUTE_MS)
}

/// A line of a minute, a third of whose seconds are slate, a fifth with all games off.
pub fn line(tenant: &str, session_id: &str, minute_start_ms: i64, billable_seconds: u32) -> MeterLine {
    MeterLine {
        tenant: tenant.into(),
        session_id: session_id.into(),
        minute_start_ms,
        billable_seconds,
        slate_seconds: billable_seconds / 3,
        slate_all_seconds: billable_seconds / 5,
        watched: Watched { engine: "stitch".into(), layout: "2EH".into(), ..Watched::default() },
    }
}

/// A booking of one session as it is at `now_ms`: its lines, and what its meter moved on.
pub fn booking(lines: Vec<MeterLine>, now_ms: i64) -> SessionWrite {
    let SessionPart::Whole(row, _) = write(Vec::from(&lines[..1]), now_ms).part else { unreachable!("a whole row") };
    let SessionRow { id: session_id, version, meter, last_listed, last_seen_ms, .. } = *row;
    let billable_seconds = lines.iter().map(|line| u64::from(line.billable_seconds)).sum();
    let meter = SessionMeterRow { session_id, version, meter, last_listed, last_seen_ms, billable_seconds };
    SessionWrite::metered(meter, lines)
}

/// The lines of one session with its whole row, as it is at `now_ms`.
pub fn write(lines: Vec<MeterLine>, now_ms: i64) -> SessionWrite {
    let (tenant, session_id) = (lines[0].tenant.clone(), lines[0].session_id.clone());
    let session = SessionRow {
        // Ids are unique among all tenants; what the lines say of the session is their tenant's.
        id: format!("{session_id}-of-{tenant}"),
        token: format!("token-of-{session_id}-of-{tenant}"),
        tenant,
        version: u64::try_from(now_ms).unwrap(),
        revision: 1,
        layout: "2EH".into(),
        engine_choice: "auto".into(),
        engine: "stitch".into(),
        games: vec!["a".into(), "b".into()],
        audio: "a".into(),
        labels: BTreeMap::new(),
        device_id: None,
        splices: "{}".into(),
        meter: "{}".into(),
        last_listed: None,
        effective_segment: 0,
        created_ms: START_MS,
        last_seen_ms: now_ms,
        ended_ms: None,
        end_reason: None,
        billable_seconds: 0,
    };
    SessionWrite::whole(session, lines)
}

/// What the hours are priced by when they are closed: `verify` recounts that too.
fn prices() -> PriceBook {
    let price = Price { tier: None, engine: None, games: None, output: None, per_minute: "0.004".parse().unwrap() };
    let tariff = Tariff {
        valid_from_ms: 0,
        currency: "EUR".into(),
        rounding: Rounding::StartedMinute,
        free_minutes: 30,
        slate: SlateTerms::AllOffFree,
        prices: vec![price],
        steps: vec![],
    };
    PriceBook::new([("acme".to_owned(), PriceList::new(vec![tariff]).unwrap())])
}

/// The store of a folder, and what closes its hours.
pub async fn open(dir: &Path) -> (Arc<SqliteStore>, Closing) {
    let store = Arc::new(SqliteStore::open(dir).await.unwrap());
    let closing = Closing::new(store.clone(), &ledger_seed(dir).unwrap(), prices(), GRACE);
    (store, closing)
}

pub async fn entries(ledger: &dyn LedgerReads, tenant: &str) -> Vec<LedgerEntry> {
    entries_within(ledger, tenant, 0, i64::MAX).await
}

pub async fn entries_within(ledger: &dyn LedgerReads, tenant: &str, from_ms: i64, to_ms: i64) -> Vec<LedgerEntry> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = ledger.entries(tenant, from_ms, to_ms, after, 5000).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(last.cursor());
        all.extend(page);
    }
}

/// Billable, slate and all-slate seconds.
pub type Figures = [i64; 3];

/// Lines and corrections of each session and minute, added up.
pub fn sums(entries: &[LedgerEntry]) -> BTreeMap<(&str, i64), Figures> {
    let mut sums = BTreeMap::<_, Figures>::new();
    for entry in entries {
        let sum = sums.entry((&*entry.session_id, entry.minute_start_ms)).or_default();
        for (sum, figure) in sum.iter_mut().zip([entry.billable_seconds, entry.slate_seconds, entry.slate_all_seconds])
        {
            *sum += figure;
        }
    }
    sums
}

/// Walks the chain of `dir` as the tool does it: beside whoever works there, on a connection that cannot write.
pub async fn verify_folder(dir: &Path) -> Result<Verified, VerifyError> {
    let mut trusted = TrustedKeys::default();
    trusted.add_seed(&read_ledger_seed(dir).unwrap().unwrap());
    verify(&SqliteLedger::open(dir).await.unwrap(), &trusted, None).await
}
