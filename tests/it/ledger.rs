//! The ledger under kills: a process books and closes hours on a clock that it cranks, is killed at random instants, and what is
//! on the disk is recounted by other means.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quadrille::store::{
    LedgerEntry, LedgerReads, MeterLine, SessionRow, SessionWrite, SqliteLedger, SqliteStore, Store, Watched,
    ledger_seed, read_ledger_seed,
};
use quadrille::usage::{Closing, PriceBook, TrustedKeys, verify};

/// 2026-11-22T16:00:00Z
const START_MS: i64 = 1_795_363_200_000;
const MINUTE_MS: i64 = 60_000;
/// The clock between two bookings.
const STEP_MS: i64 = 25_000;
const SESSIONS: usize = 12;
const GRACE: Duration = Duration::from_secs(600);
/// The late session's seconds reach the ledger this long after their hour was closed.
const LATE_MS: i64 = 3 * 3_600_000;

const FOLDER: &str = "QUADRILLE_LEDGER_FOLDER";
const FROM: &str = "QUADRILLE_LEDGER_FROM_MS";

/// Seconds of a minute that were watched by `now_ms`, of a session watched without a pause since the start.
fn watched_seconds(minute_start_ms: i64, now_ms: i64) -> i64 {
    ((now_ms - minute_start_ms) / 1000).clamp(0, 60)
}

fn write(session_id: &str, minute_start_ms: i64, now_ms: i64) -> SessionWrite {
    let seconds = u32::try_from(watched_seconds(minute_start_ms, now_ms)).unwrap();
    let line = MeterLine {
        tenant: "acme".into(),
        session_id: session_id.into(),
        minute_start_ms,
        billable_seconds: seconds,
        slate_seconds: seconds / 3,
        slate_all_seconds: seconds / 5,
        watched: Watched { engine: "stitch".into(), layout: "2EH".into(), ..Watched::default() },
    };
    let session = SessionRow {
        id: session_id.into(),
        tenant: "acme".into(),
        token: format!("token-of-{session_id}"),
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
    SessionWrite { session, lines: vec![line], idempotency: None }
}

/// Everything that is booked when the clock is at `now_ms`: the minute that runs and the one before, of every session; what
/// one session watched hours ago; and, once more, what was booked long since.
fn bookings(now_ms: i64) -> Vec<SessionWrite> {
    let minute_of = |at_ms: i64| at_ms - at_ms.rem_euclid(MINUTE_MS);
    let mut writes = Vec::new();
    let mut book = |session: &str, at_ms: i64, now_ms: i64| {
        let minute = minute_of(at_ms);
        for minute in [minute - MINUTE_MS, minute] {
            if minute >= START_MS {
                writes.push(write(session, minute, now_ms));
            }
        }
    };
    for session in 0..SESSIONS {
        book(&format!("s{session}"), now_ms, now_ms);
    }
    book("late", now_ms - LATE_MS, now_ms - LATE_MS);
    book("s0", now_ms - LATE_MS, now_ms);
    writes
}

/// The process that is killed. It says what it knows to be on the disk.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "it is the child of the test below"]
async fn books_until_it_is_killed() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = Arc::new(SqliteStore::open(Path::new(&folder)).await.unwrap());
    let closing = Closing::new(store.clone(), &ledger_seed(Path::new(&folder)).unwrap(), PriceBook::default(), GRACE);
    let mut now_ms: i64 = std::env::var(FROM).unwrap().parse().unwrap();
    loop {
        let (booked, closed) = tokio::join!(store.write_sessions(bookings(now_ms)), closing.run(now_ms));
        booked.unwrap();
        closed.unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "\nbooked {now_ms}").unwrap();
        out.flush().unwrap();
        now_ms += STEP_MS;
    }
}

/// Runs the child from `from_ms` on and kills it `after`; the last instant it said was booked.
fn booked_until_killed(folder: &Path, from_ms: i64, after: Duration) -> i64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "ledger::books_until_it_is_killed", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(FROM, from_ms.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let (mut booked, mut first) = (from_ms - STEP_MS, None::<Instant>);
    let pid = rustix::process::Pid::from_child(&child);
    std::thread::scope(|scope| {
        let (begun, begins) = std::sync::mpsc::channel();
        // From its first booking on, so that every kill comes while it works.
        scope.spawn(move || {
            let _ = begins.recv_timeout(Duration::from_secs(30));
            std::thread::sleep(after);
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        });
        for line in lines {
            if let Some(at) = line.strip_prefix("booked ") {
                booked = at.parse().unwrap();
                if first.is_none() {
                    first = Some(Instant::now());
                    begun.send(()).unwrap();
                }
            }
        }
    });
    child.wait().unwrap();
    assert!(first.is_some(), "it booked nothing in half a minute");
    booked
}

async fn entries(ledger: &SqliteLedger) -> Vec<LedgerEntry> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = ledger.entries("acme", 0, i64::MAX, after, 5000).await.unwrap();
        let Some(last) = page.last() else { return all };
        after = Some(last.cursor());
        all.extend(page);
    }
}

/// Kills the booking process `rounds` times, and recounts after each.
async fn survive(rounds: u32) {
    let dir = tempfile::tempdir().unwrap();
    let (mut booked, mut chance) = (START_MS - STEP_MS, 0x2545_f491_4f6c_dd1du64);
    for round in 0..rounds {
        // Xorshift (Marsaglia 2003): the instants differ, and a failure comes again.
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        booked = booked_until_killed(dir.path(), booked + STEP_MS, Duration::from_micros(chance % 60_000));
        let ledger = SqliteLedger::open(dir.path()).await.unwrap();
        let mut trusted = TrustedKeys::default();
        trusted.add_seed(&read_ledger_seed(dir.path()).unwrap().unwrap());
        if let Err(broken) = verify(&ledger, &trusted, None).await {
            panic!("round {round}: {broken}");
        }
        if round % 10 == 9 || round + 1 == rounds {
            recount(&entries(&ledger).await, booked);
        }
    }
    let mut trusted = TrustedKeys::default();
    trusted.add_seed(&read_ledger_seed(dir.path()).unwrap().unwrap());
    let whole = verify(&SqliteLedger::open(dir.path()).await.unwrap(), &trusted, None).await.unwrap();
    eprintln!("{rounds} kills: {} closed hours, {} entries, all as they should be", whole.hours, whole.entries);
}

/// What was said to be booked is there; the booking that a kill cut off is there whole or not at all; nothing else is.
fn recount(entries: &[LedgerEntry], booked_ms: i64) {
    let mut ledger: BTreeMap<(&str, i64), i64> = BTreeMap::new();
    for entry in entries {
        assert!(entry.billable_seconds >= 0 && entry.slate_all_seconds <= entry.slate_seconds, "{entry:?}");
        *ledger.entry((&entry.session_id, entry.minute_start_ms)).or_default() += entry.billable_seconds;
    }
    for ((session, minute), seconds) in &ledger {
        let late_ms = if *session == "late" { LATE_MS } else { 0 };
        let sent = watched_seconds(*minute, booked_ms + STEP_MS - late_ms);
        assert!(*seconds <= sent, "{session} at {minute}: {seconds} s of {sent}");
    }
    let names = (0..SESSIONS).map(|n| (format!("s{n}"), 0)).chain([("late".to_owned(), LATE_MS)]);
    for (session, late_ms) in names {
        let mut minute = START_MS;
        while minute < booked_ms - late_ms {
            let seconds = ledger.get(&(&*session, minute)).copied().unwrap_or(0);
            let expected = watched_seconds(minute, booked_ms - late_ms);
            assert!(seconds >= expected, "{session} at {minute}: {seconds} s of {expected}");
            minute += MINUTE_MS;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_killed_again_and_again_loses_nothing_and_bills_nothing_twice() {
    survive(12).await;
}

/// Figures of the README.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn a_ledger_survives_five_hundred_kills() {
    survive(500).await;
}
