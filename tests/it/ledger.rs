//! The ledger under kills: a process books and closes hours on a clock that it cranks, is killed at random instants, and what is
//! on the disk is recounted by other means.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use quadrille::store::{LedgerEntry, SessionWrite, SqliteLedger, Store};

use crate::support::bookings::{
    HOUR_MS, MINUTE_MS, START_MS, booking, entries, line, minute_of, open, sums, verify_folder, write,
};

/// The clock between two bookings.
const STEP_MS: i64 = 25_000;
const SESSIONS: usize = 12;
/// The late session's seconds reach the ledger this long after their hour was closed.
const LATE_MS: i64 = 3 * HOUR_MS;

const FOLDER: &str = "QUADRILLE_LEDGER_FOLDER";
const FROM: &str = "QUADRILLE_LEDGER_FROM_MS";

/// The child books within this, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Seconds of a minute that were watched by `now_ms`, of a session watched without a pause since the start.
fn watched_seconds(minute_start_ms: i64, now_ms: i64) -> i64 {
    ((now_ms - minute_start_ms) / 1000).clamp(0, 60)
}

/// Everything that is booked when the clock is at `now_ms`: the minute that runs and the one before, of every session; what
/// one session watched hours ago; and, once more, what was booked long since.
/// The first that a process writes of a session is its whole row.
fn bookings(now_ms: i64, is_first: bool) -> Vec<SessionWrite> {
    let mut writes = Vec::new();
    let of_session = if is_first { write } else { booking };
    let mut book = |session: &str, at_ms: i64, now_ms: i64| {
        let minute = minute_of(at_ms);
        for minute in [minute - MINUTE_MS, minute] {
            if minute >= START_MS {
                let seconds = u32::try_from(watched_seconds(minute, now_ms)).unwrap();
                writes.push(of_session(vec![line("acme", session, minute, seconds)], now_ms));
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
    let folder = std::env::var(FOLDER).expect("only the test below starts this one");
    let (store, closing) = open(Path::new(&folder)).await;
    let mut now_ms: i64 = std::env::var(FROM).unwrap().parse().unwrap();
    let mut is_first = true;
    loop {
        let (booked, closed) = tokio::join!(store.write_sessions(bookings(now_ms, is_first)), closing.run(now_ms));
        is_first = false;
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
    let said = tempfile::NamedTempFile::new().unwrap();
    // By this link it is the program that runs, whatever was built in its place since.
    let mut child = Command::new("/proc/self/exe")
        .args(["--exact", "ledger::books_until_it_is_killed", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(FROM, from_ms.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(File::create(said.path()).unwrap())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut booked = None;
    let pid = rustix::process::Pid::from_child(&child);
    std::thread::scope(|scope| {
        let (begun, begins) = std::sync::mpsc::channel();
        // From its first booking on, so that every kill comes while it works.
        scope.spawn(move || {
            let _ = begins.recv_timeout(PATIENCE);
            std::thread::sleep(after);
            // Not waited for yet, so it is there even if it has ended.
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
        });
        for line in lines {
            if let Some(at) = line.strip_prefix("booked ") {
                booked = Some(at.parse().unwrap());
                // Nobody listens for a second one.
                let _ = begun.send(());
            }
        }
    });
    let ended = child.wait().unwrap();
    let said = std::fs::read_to_string(said.path()).unwrap();
    // It ends by the kill alone.
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&ended), Some(9), "{ended}: {said}");
    booked.unwrap_or_else(|| panic!("it booked nothing in {PATIENCE:?}: {said}"))
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
        if let Err(broken) = verify_folder(dir.path()).await {
            panic!("round {round}: {broken}");
        }
        if round % 10 == 9 || round + 1 == rounds {
            let ledger = SqliteLedger::open(dir.path()).await.unwrap();
            recount(&entries(&ledger, "acme").await, booked);
        }
    }
    let whole = verify_folder(dir.path()).await.unwrap();
    eprintln!("{rounds} kills: {} closed hours, {} entries, all as they should be", whole.hours, whole.entries);
}

/// What was said to be booked is there; the booking that a kill cut off is there whole or not at all; nothing else is.
fn recount(entries: &[LedgerEntry], booked_ms: i64) {
    for entry in entries {
        assert!(entry.billable_seconds >= 0 && entry.slate_all_seconds <= entry.slate_seconds, "{entry:?}");
    }
    let ledger: BTreeMap<_, i64> = sums(entries).into_iter().map(|(line, figures)| (line, figures[0])).collect();
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

/// Figures of docs/billing.md.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn a_ledger_survives_five_hundred_kills() {
    survive(500).await;
}
