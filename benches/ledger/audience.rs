//! Sessions as the service has them, without pictures: each has a meter that is polled and advanced, and a row and lines that are
//! booked when they are due, in batches as large as the service's sweeps make them.

use std::collections::BTreeMap;

use quadrille::store::{
    LedgerReads, MeterLine, SessionMeterRow, SessionRow, SessionWrite, SqliteStore, Store, Watched,
};
use quadrille::usage::{Booking, Meter, MeterTerms};

/// 2026-11-22T16:00:00Z
const START_MS: i64 = 1_795_363_200_000;

/// Two-second segments, as configured by default.
const TERMS: MeterTerms = MeterTerms { grace_ms: 2_000, pause_ms: 4_000 };
const WINDOW_MS: i64 = 12_000;

/// As in `session/keep.rs`.
const BOOK_EVERY_MS: i64 = 3_500;
const BOOK_BATCH: usize = 500;

const TENANT: &str = "bench";

struct Viewer {
    meter: Meter,
    /// What of the row does not change.
    row: SessionRow,
    watched: Watched,
}

impl Viewer {
    fn new(n: usize) -> Self {
        // As the service makes them: 12 digits of time, 20 of chance.
        let chance = (n as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let id = format!("{:012x}{chance:016x}{n:04x}", START_MS + n as i64);
        let games: Vec<String> = (0..4).map(|slot| format!("game-{}", (n >> slot) % 6)).collect();
        let mosaic = format!("{:032x}", u128::from(chance));
        let picks: Vec<String> = games.iter().map(|game| format!("{{\"id\":\"{game}\",\"key\":\"{game}\"}}")).collect();
        let splices = format!(
            "{{\"splices\":{{\"entries\":[{{\"from\":45681600,\"mosaic\":\"{mosaic}\"}}]}},\"games\":[{}],\"map_mosaic\":\"{mosaic}\"}}",
            picks.join(",")
        );
        let labels: BTreeMap<String, String> = [("box".to_owned(), format!("x{n}"))].into();
        let watched = Watched {
            engine: "stitch".into(),
            layout: "4E".into(),
            tier: "1080p".into(),
            games: games.clone(),
            labels: labels.clone(),
        };
        let row = SessionRow {
            token: format!("{:032x}", u128::from(chance) << 32),
            id,
            tenant: TENANT.into(),
            version: 0,
            revision: 1,
            layout: "4E".into(),
            engine_choice: "auto".into(),
            engine: "stitch".into(),
            audio: games[0].clone(),
            games,
            labels,
            device_id: Some(format!("device-{n}")),
            splices,
            meter: String::new(),
            last_listed: Some(45_681_600),
            effective_segment: 45_681_600,
            created_ms: START_MS,
            last_seen_ms: START_MS,
            ended_ms: None,
            end_reason: None,
            billable_seconds: 0,
        };
        Self { meter: Meter::default(), row, watched }
    }

    /// What there is to write at `now_ms`, and what it covers: the whole row once, and then what the meter moved on.
    fn due(&mut self, now_ms: i64) -> Option<(SessionWrite, Booking)> {
        let booking = self.meter.unbooked()?;
        self.row.version += 1;
        let meter = serde_json::to_string(&self.meter).expect("a meter is JSON");
        let billable_seconds = self.meter.billable_seconds();
        let line = |minute: &quadrille::usage::MinuteSeconds| MeterLine {
            tenant: TENANT.into(),
            session_id: self.row.id.clone(),
            minute_start_ms: minute.minute_start_ms,
            billable_seconds: minute.seconds,
            slate_seconds: minute.slate_seconds,
            slate_all_seconds: minute.slate_all_seconds,
            watched: self.watched.clone(),
        };
        let lines = booking.minutes.iter().map(line).collect();
        let write = if self.row.version == 1 {
            let row = SessionRow { meter, last_seen_ms: now_ms, billable_seconds, ..self.row.clone() };
            SessionWrite::whole(row, lines)
        } else {
            let (session_id, version, last_listed) = (self.row.id.clone(), self.row.version, self.row.last_listed);
            let last_seen_ms = now_ms;
            let row = SessionMeterRow { session_id, version, meter, last_listed, last_seen_ms, billable_seconds };
            SessionWrite::metered(row, lines)
        };
        Some((write, booking))
    }
}

/// The next viewers with what their bookings cover, and what is to be written.
fn next_batch<'a>(
    viewers: &mut impl Iterator<Item = &'a mut Viewer>,
    now_ms: i64,
) -> (Vec<(&'a mut Viewer, Booking)>, Vec<SessionWrite>) {
    let (mut due, mut writes) = (Vec::new(), Vec::new());
    for viewer in viewers {
        if let Some((write, booking)) = viewer.due(now_ms) {
            writes.push(write);
            due.push((viewer, booking));
        }
        if due.len() == BOOK_BATCH {
            break;
        }
    }
    (due, writes)
}

/// Viewers who all watch all the time, and their clock.
pub struct Audience {
    viewers: Vec<Viewer>,
    now_ms: i64,
    booked_ms: i64,
}

impl Audience {
    pub fn new(viewers: usize) -> Self {
        Self { viewers: (0..viewers).map(Viewer::new).collect(), now_ms: START_MS, booked_ms: START_MS }
    }

    /// A second passes: who polls in it is listed something, and all are booked when it is time. How many lines are on the disk by
    /// then.
    pub async fn pass_second(&mut self, store: &SqliteStore) -> u64 {
        self.now_ms += 1000;
        let now_ms = self.now_ms;
        for (n, viewer) in self.viewers.iter_mut().enumerate() {
            if (now_ms / 1000 + n as i64) % 2 == 0 {
                viewer.meter.listed(now_ms, WINDOW_MS, TERMS);
            }
            viewer.meter.advance(now_ms, TERMS);
        }
        if now_ms - self.booked_ms < BOOK_EVERY_MS { 0 } else { self.book(store).await }
    }

    /// Books everybody; how many lines were written.
    pub async fn book(&mut self, store: &SqliteStore) -> u64 {
        self.booked_ms = self.now_ms;
        let now_ms = self.now_ms;
        let mut viewers = self.viewers.iter_mut();
        let (mut due, mut writes) = next_batch(&mut viewers, now_ms);
        let mut lines = 0;
        while !due.is_empty() {
            lines += writes.iter().map(|write| write.lines.len() as u64).sum::<u64>();
            // The next batch is made while the disk takes this one.
            let next = async { next_batch(&mut viewers, now_ms) };
            let (written, next) = tokio::join!(biased; store.write_sessions(writes), next);
            written.expect("the store takes bookings");
            due.into_iter().for_each(|(viewer, booking)| viewer.meter.booked(&booking));
            (due, writes) = next;
        }
        lines
    }

    /// Seconds metered so far.
    pub fn billable_seconds(&self) -> u64 {
        self.viewers.iter().map(|viewer| viewer.meter.billable_seconds()).sum()
    }
}

/// Billable seconds of the whole ledger.
pub async fn ledger_seconds(ledger: &dyn LedgerReads) -> i64 {
    let (mut seconds, mut after) = (0, None);
    loop {
        let page = ledger.entries(TENANT, 0, i64::MAX, after, 5000).await.expect("the ledger is read");
        let Some(last) = page.last() else { return seconds };
        after = Some(last.cursor());
        seconds += page.iter().map(|entry| entry.billable_seconds).sum::<i64>();
    }
}
