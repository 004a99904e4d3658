//! The ledger ended at every point there is: a short history of bookings, closed hours and late bookings is written once on a disk that
//! remembers every moment between two changes of a file (and before each flush). What a kill, a torn write or a power cut leaves
//! behind at that moment is laid out, opened, gone on with, and recounted. What lies between two such moments changes no file,
//! so these are all the points there are, in the store, in SQLite under it, and between the two writes that close an hour.

use std::collections::BTreeMap;
use std::path::Path;

use quadrille::store::{Store, ledger_seed};

use crate::support::bookings::{
    Figures, HOUR_MS, MINUTE_MS, START_MS, booking, entries, line, open, sums, verify_folder, write,
};
use crate::support::remembering_disk::{End, Moment, RememberingDisk};

/// Steps of the history, and the clock between two of them: two hours are closed on the way.
const STEPS: u64 = 5;
const STEP_MS: i64 = 38 * MINUTE_MS;

/// The late session's minutes are booked this long after, in closed hours.
const LATE_MS: i64 = 2 * HOUR_MS;

fn now_ms(step: u64) -> i64 {
    START_MS + i64::try_from(step).unwrap() * STEP_MS
}

/// What step `step` books: of session `on` two whole minutes and the one that runs; of session `late` the same of two hours ago.
fn bookings(step: u64) -> Vec<(&'static str, i64, u32)> {
    let of = |session, now_ms: i64| {
        [(session, now_ms - 2 * MINUTE_MS, 60), (session, now_ms - MINUTE_MS, 60), (session, now_ms, 20)]
    };
    let mut all = of("on", now_ms(step)).to_vec();
    if step > 0 {
        // The minute that ran is over by now.
        all.push(("on", now_ms(step - 1), 55));
        all.extend(of("late", now_ms(step) - LATE_MS));
    }
    if step > 1 {
        // And its last seconds come when its hour may be closed.
        all.push(("on", now_ms(step - 2), 60));
    }
    all
}

/// What the ledger has once `steps` were booked.
fn expected(steps: u64) -> BTreeMap<(&'static str, i64), Figures> {
    let mut ledger = BTreeMap::new();
    for (session, minute, seconds) in (0..steps).flat_map(bookings) {
        let line = line("acme", session, minute, seconds);
        let sum: &mut Figures = ledger.entry((session, minute)).or_default();
        let figures = [line.billable_seconds, line.slate_seconds, line.slate_all_seconds].map(i64::from);
        sum.iter_mut().zip(figures).for_each(|(sum, figure)| *sum = figure.max(*sum));
    }
    ledger
}

async fn book(store: &dyn Store, step: u64) {
    let mut lines = BTreeMap::<_, Vec<_>>::new();
    for (session, minute, seconds) in bookings(step) {
        lines.entry(session).or_default().push(line("acme", session, minute, seconds));
    }
    let writes = lines.into_iter().map(|(session, lines)| {
        // A session is made with its first booking; later ones move its meter alone.
        let is_new = step == if session == "on" { 0 } else { 1 };
        (if is_new { write } else { booking })(lines, now_ms(step))
    });
    store.write_sessions(writes.collect()).await.unwrap();
}

/// When each session was seen last, once `steps` were booked.
async fn seen_last(store: &dyn Store) -> BTreeMap<String, i64> {
    store.active_sessions().await.unwrap().into_iter().map(|row| (row.id, row.last_seen_ms)).collect()
}

fn expected_last(steps: u64) -> BTreeMap<String, i64> {
    let sessions = [("on-of-acme", 1), ("late-of-acme", 2)].into_iter().filter(|(_, made)| *made <= steps);
    sessions.map(|(session, _)| (session.to_owned(), now_ms(steps - 1))).collect()
}

/// Writes the history on a disk that remembers it.
async fn history(dir: &Path) -> Vec<Moment> {
    let disk = RememberingDisk::watch(dir);
    let (store, closing) = open(dir).await;
    for step in 0..STEPS {
        book(&*store, step).await;
        disk.tell(step + 1);
        closing.run(now_ms(step)).await.unwrap();
    }
    store.close().await.unwrap();
    disk.moments()
}

/// Opens what is left at `moment` and goes on with the step that was under way.
async fn survives(moment: &Moment, end: End, original: &Path) {
    let dir = tempfile::tempdir().unwrap();
    moment.lay_out(dir.path(), end);

    let (store, closing) = open(dir.path()).await;
    if moment.has_beside("secrets/ledger_ed25519") {
        assert_eq!(ledger_seed(dir.path()), ledger_seed(original), "never another");
    }
    let told = moment.told;
    let found = entries(&*store, "acme").await;
    // The booking that was cut off is there whole or not at all, and all that was promised is there.
    let found = sums(&found);
    let next = (told + 1).min(STEPS);
    assert!(found == expected(told) || found == expected(next), "{found:?}");
    // And what each meter had come to goes with it.
    let steps = if found == expected(told) { told } else { next };
    assert_eq!(seen_last(&*store).await, expected_last(steps));
    verify_folder(dir.path()).await.unwrap();

    let step = told.min(STEPS - 1);
    book(&*store, step).await;
    closing.run(now_ms(step)).await.unwrap();
    let after = entries(&*store, "acme").await;
    assert_eq!(sums(&after), expected(step + 1));
    assert_eq!(seen_last(&*store).await, expected_last(step + 1));
    let whole = verify_folder(dir.path()).await.unwrap();
    assert_eq!(whole.unsealed_hours, 0);
    store.close().await.unwrap();
}

/// Ends the history at each moment that `which` takes, in the ways it says.
async fn ends(which: impl Fn(usize) -> Vec<End>) {
    let dir = tempfile::tempdir().unwrap();
    let moments = history(dir.path()).await;
    let mut tried = 0;
    for (n, moment) in moments.iter().enumerate() {
        for end in which(n) {
            tried += 1;
            eprintln!("moment {n} of {}, {} steps told, {end:?}", moments.len(), moment.told);
            survives(moment, end, dir.path()).await;
        }
    }
    assert!(moments.len() > 100 && tried > 50, "the disk remembers {} moments, {tried} tried", moments.len());
}

/// Every moment, each with one of the ends in turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_ends_between_any_two_writes_is_whole_after_the_next_start() {
    ends(|n| match n % 4 {
        0 => vec![End::Killed],
        1 => vec![End::Torn],
        _ => vec![End::PowerCut { chance: 0x9e37_79b9_7f4a_7c15u64.wrapping_mul(n as u64) }],
    })
    .await;
}

/// Every moment with every end, and power cuts by more than one chance.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes"]
async fn a_ledger_that_ends_in_every_way_between_any_two_writes_is_whole_after_the_next_start() {
    let cut = |n: usize, m: u64| End::PowerCut { chance: (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15 ^ m) };
    ends(|n| [End::Killed, End::Torn].into_iter().chain((0..6).map(|m| cut(n, m))).collect()).await;
}
