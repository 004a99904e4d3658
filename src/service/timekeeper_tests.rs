//! A machine whose clocks are set, stopped and booted wrong, and the ledger that lives through it.

use std::time::Duration;

use super::*;
use crate::store::testing::{session_row, watched};
use crate::store::{LedgerReads, MeterLine, SessionWrite, SqliteStore};
use crate::timeline::SystemClock;
use crate::timeline::testing::SetClocks;
use crate::usage::PriceBook;

/// 2026-11-22T16:00:00Z
const START_MS: i64 = 1_795_363_200_000;
const HOUR_MS: i64 = 3_600_000;
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A machine, its disk, and the process that runs on it.
struct Machine {
    _dir: tempfile::TempDir,
    store: Arc<SqliteStore>,
    closing: Closing,
    metrics: Arc<Metrics>,
    clocks: SetClocks,
    clock: Arc<SystemClock<SetClocks>>,
    keeper: Timekeeper,
}

async fn start(clock: &Arc<SystemClock<SetClocks>>, store: &Arc<SqliteStore>, metrics: &Arc<Metrics>) -> Timekeeper {
    Timekeeper::start(clock.clone(), store.clone(), metrics.clone()).await.unwrap()
}

impl Machine {
    /// A service that has run for long, with a minute booked in the hour that begins at [`START_MS`].
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(dir.path()).await.unwrap());
        let closing = Closing::new(store.clone(), &[7; 32], PriceBook::default(), MINUTE * 10);
        let clocks = SetClocks::new(media_time(START_MS));
        let clock = Arc::new(SystemClock::on(clocks.clone()));
        let metrics = Arc::new(Metrics::new().unwrap());
        store.keep_clock(ClockRow { known_ms: START_MS, sure_ms: START_MS, era: 0 }).await.unwrap();
        let keeper = start(&clock, &store, &metrics).await;
        let line = MeterLine {
            tenant: "acme".into(),
            session_id: "s".into(),
            minute_start_ms: START_MS,
            billable_seconds: 60,
            slate_seconds: 0,
            slate_all_seconds: 0,
            watched: watched("2EH"),
        };
        let write = SessionWrite::whole(session_row("acme", "s"), vec![line]);
        store.write_sessions(vec![write]).await.unwrap();
        Self { _dir: dir, store, closing, metrics, clocks, clock, keeper }
    }

    /// Everything that the service does in `time`.
    async fn run(&self, time: Duration) {
        for _ in 0..time.as_secs() / 10 {
            self.clocks.run(Duration::from_secs(10));
            self.chores().await;
        }
    }

    async fn chores(&self) {
        self.keeper.observe();
        self.keeper.keep(false).await;
        self.keeper.close_hours(&self.closing).await;
    }

    /// kill -9; the next process finds `wall`.
    async fn restart_at(&mut self, wall: MediaTime) {
        self.clocks.set_wall(wall);
        self.clock = Arc::new(SystemClock::on(self.clocks.clone()));
        self.keeper = start(&self.clock, &self.store, &self.metrics).await;
    }

    async fn closed_hours(&self) -> i64 {
        (self.store.closed_until().await.unwrap() - START_MS) / HOUR_MS
    }

    fn doubts(&self, kind: &str) -> u64 {
        self.metrics.clock_doubts.with_label_values(&[kind]).get()
    }
}

#[tokio::test]
async fn an_hour_is_closed_by_a_clock_that_nobody_touched() {
    let machine = Machine::new().await;
    machine.run(HOUR + MINUTE * 9).await;
    assert!(machine.closed_hours().await < 1, "none yet");
    machine.run(MINUTE * 2).await;
    assert_eq!(machine.closed_hours().await, 1);
    assert_eq!(machine.keeper.note(), "ok");
}

#[tokio::test]
async fn no_hour_is_closed_on_the_word_of_wall_time_that_was_set_ahead() {
    let machine = Machine::new().await;
    machine.run(MINUTE * 30).await;
    machine.clocks.set_wall(machine.clock.now() + HOUR * 24);
    machine.run(MINUTE * 20).await;
    assert!(machine.closed_hours().await < 1);
    assert!(machine.keeper.note().contains("86400.0 s"), "{}", machine.keeper.note());
    assert_eq!((machine.doubts("step"), machine.metrics.clock_error_seconds.get()), (1, 86_400.0));
    // Nor is the hour closed that is over by our own time, until it is clear whose time is right.
    machine.run(HOUR).await;
    assert!(machine.closed_hours().await < 1);
    machine.clocks.set_wall(machine.clock.now());
    machine.run(MINUTE * 4).await;
    assert_eq!((machine.closed_hours().await < 1, &*machine.keeper.note()), (true, "ok"));
    machine.run(MINUTE * 2).await;
    assert_eq!(machine.closed_hours().await, 1);
}

#[tokio::test]
async fn a_machine_that_wakes_waits_a_while_before_it_closes_what_it_slept_through() {
    let machine = Machine::new().await;
    machine.run(MINUTE * 30).await;
    machine.clocks.sleep(HOUR * 3);
    machine.run(MINUTE * 4).await;
    assert!(machine.closed_hours().await < 1);
    assert_eq!((machine.doubts("sleep"), machine.doubts("step")), (1, 0));
    machine.run(MINUTE * 2).await;
    assert_eq!(machine.closed_hours().await, 3);
}

#[tokio::test]
async fn a_boot_with_a_clock_ahead_closes_nothing_before_somebody_can_have_set_it() {
    let mut machine = Machine::new().await;
    machine.run(MINUTE * 30).await;
    let right = machine.clock.now();
    machine.restart_at(right + HOUR * 48).await;
    machine.run(MINUTE * 50).await;
    assert!(machine.closed_hours().await < 1);
    // Killed and started again: what the clock said meanwhile proves nothing.
    machine.restart_at(machine.clock.now() + MINUTE).await;
    machine.run(MINUTE * 50).await;
    assert!(machine.closed_hours().await < 1);
    // It is set right, and the service restarted.
    machine.restart_at(right + MINUTE * 101).await;
    assert_eq!(machine.keeper.era(), 1);
    machine.run(MINUTE * 4).await;
    assert!(machine.closed_hours().await < 1);
    machine.run(MINUTE * 2).await;
    assert_eq!(machine.closed_hours().await, 2);
}

#[tokio::test]
async fn a_long_outage_is_believed_after_an_hour() {
    let mut machine = Machine::new().await;
    machine.run(MINUTE * 30).await;
    machine.restart_at(machine.clock.now() + HOUR * 48).await;
    machine.run(MINUTE * 59).await;
    assert!(machine.closed_hours().await < 1);
    machine.run(MINUTE * 2).await;
    assert_eq!(machine.closed_hours().await, 49);
}

#[tokio::test]
async fn a_start_in_the_past_begins_an_era_and_one_a_little_in_the_past_goes_on() {
    let mut machine = Machine::new().await;
    machine.run(MINUTE * 30).await;
    let before = machine.clock.now();
    machine.restart_at(before - Duration::from_secs(8)).await;
    assert_eq!((machine.keeper.era(), machine.clock.now()), (0, before));
    machine.run(HOUR * 5).await;
    assert_eq!(machine.metrics.clock_error_seconds.get(), 0.0, "it came back");
    machine.restart_at(machine.clock.now() - HOUR).await;
    assert_eq!(machine.keeper.era(), 1);
    machine.restart_at(machine.clock.now() + MINUTE).await;
    assert_eq!(machine.keeper.era(), 1, "counted once");
    machine.restart_at(machine.clock.now() - HOUR).await;
    assert_eq!(machine.keeper.era(), 2);
}
