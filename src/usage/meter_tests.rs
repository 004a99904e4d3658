use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::testing::lines;
use crate::store::{MeterLine, SqliteStore};
use crate::usage::testing::{START_MS, book, line};

const TERMS: MeterTerms = MeterTerms { grace_ms: 2_000, pause_ms: 4_000 };

/// What a playlist lists: six segments.
const WINDOW_MS: i64 = 12_000;

/// 2026-11-22T16:00:30.500Z: half a second past, so that rounding shows.
const T0: i64 = 1_795_363_230_500;

/// The disk: the largest figures of every minute stay.
#[derive(Default)]
struct Disk(BTreeMap<i64, MinuteSeconds>);

impl Disk {
    fn book(&mut self, meter: &mut Meter) {
        if let Some(booking) = meter.unbooked() {
            self.write(&booking);
            meter.booked(&booking);
        }
    }

    fn write(&mut self, booking: &Booking) {
        for line in &booking.minutes {
            let kept = self.0.entry(line.minute_start_ms).or_default();
            kept.seconds = kept.seconds.max(line.seconds);
            kept.slate_seconds = kept.slate_seconds.max(line.slate_seconds);
            kept.slate_all_seconds = kept.slate_all_seconds.max(line.slate_all_seconds);
        }
    }

    fn total(&self) -> u64 {
        self.0.values().map(|line| u64::from(line.seconds)).sum()
    }

    fn slate_total(&self) -> (u64, u64) {
        let lines = self.0.values();
        lines.fold((0, 0), |(some, all), l| (some + u64::from(l.slate_seconds), all + u64::from(l.slate_all_seconds)))
    }
}

#[test]
fn nothing_is_billed_before_a_playlist_lists_a_segment() {
    let mut meter = Meter::default();
    meter.advance(T0 + 10_000, TERMS);
    assert_eq!(meter.billable_seconds(), 0);
    assert_eq!(meter.unbooked(), None);
    meter.listed(T0 + 10_000, WINDOW_MS, TERMS);
    assert_eq!(meter.billable_seconds(), 0);
    meter.advance(T0 + 11_999, TERMS);
    assert_eq!(meter.billable_seconds(), 1);
}

#[test]
fn an_ended_session_is_billed_until_it_ends() {
    let mut meter = Meter::default();
    for poll in 0..=5 {
        meter.listed(T0 + poll * 2_000, WINDOW_MS, TERMS);
    }
    meter.stop(T0 + 12_000, TERMS);
    assert_eq!(meter.billable_seconds(), 12, "the device said itself that it watched until then");
    meter.listed(T0 + 14_000, WINDOW_MS, TERMS);
    meter.advance(T0 + 99_000, TERMS);
    meter.stop(T0 + 99_000, TERMS);
    assert_eq!(meter.billable_seconds(), 12, "and nothing is billed after the end");
}

#[test]
fn a_session_that_ends_at_once_is_billed_a_target_duration_after_its_last_poll() {
    for after_ms in [0, 300, 1_999, 2_000] {
        let (mut meter, mut disk) = (Meter::default(), Disk::default());
        meter.listed(T0, WINDOW_MS, TERMS);
        meter.stop(T0 + after_ms, TERMS);
        assert_eq!(meter.billable_seconds(), 2, "after {after_ms} ms");
        disk.book(&mut meter);
        assert_eq!(disk.total(), 2);
    }
    let mut meter = Meter::default();
    meter.stop(T0, TERMS);
    assert_eq!(meter.billable_seconds(), 0, "nothing was listed");
}

#[test]
fn an_idle_session_is_billed_until_a_target_duration_after_its_last_poll() {
    let mut meter = Meter::default();
    for poll in 0..=3 {
        meter.listed(T0 + poll * 2_000, WINDOW_MS, TERMS);
    }
    meter.advance(T0 + 20_000, TERMS);
    assert_eq!(meter.billable_seconds(), 8, "no more than the grace is billed while nobody polls");
    meter.stop_idle(TERMS);
    assert_eq!(meter.billable_seconds(), 8);
}

#[test]
fn of_a_pause_no_more_is_billed_than_a_target_duration_and_what_is_listed_after_it() {
    let mut meter = Meter::default();
    meter.listed(T0, WINDOW_MS, TERMS);
    meter.listed(T0 + 2_000, WINDOW_MS, TERMS);
    meter.advance(T0 + 22_000, TERMS);
    assert_eq!(meter.billable_seconds(), 4);
    meter.listed(T0 + 22_000, WINDOW_MS, TERMS);
    assert_eq!(meter.billable_seconds(), 16, "a playlist that comes back lists twelve seconds");
    meter.advance(T0 + 23_000, TERMS);
    assert_eq!(meter.billable_seconds(), 17);
    meter.stop(T0 + 40_000, TERMS);
    assert_eq!(meter.billable_seconds(), 18, "nor is a pause that the end of the session ends");
}

#[test]
fn a_client_that_asks_seldom_and_fetches_all_that_is_listed_is_billed_for_it() {
    for (gap_ms, expected) in [(5_000, 300), (10_000, 300), (12_000, 300), (14_000, 294), (15_000, 280), (30_000, 140)]
    {
        let mut meter = Meter::default();
        for poll in 0..=300_000 / gap_ms {
            meter.listed(T0 + poll * gap_ms, WINDOW_MS, TERMS);
        }
        assert_eq!(meter.billable_seconds(), expected, "a playlist each {gap_ms} ms");
    }
}

#[test]
fn a_poll_that_is_late_once_makes_the_whole_stretch_certain() {
    let mut meter = Meter::default();
    meter.listed(T0, WINDOW_MS, TERMS);
    meter.advance(T0 + 4_000, TERMS);
    assert_eq!(meter.billable_seconds(), 2);
    meter.listed(T0 + 4_000, WINDOW_MS, TERMS);
    assert_eq!(meter.billable_seconds(), 4);
}

#[test]
fn slate_seconds_are_counted_apart_and_are_billable_ones() {
    let (mut meter, mut disk) = (Meter::default(), Disk::default());
    // Before anything is billed, nothing is slate seconds either.
    meter.note_slate(T0 - 5_000, Slate::All);
    for second in 0..60 {
        let now = T0 + second * 1_000;
        meter.listed(now, WINDOW_MS, TERMS);
        match second {
            10 => meter.note_slate(now, Slate::Part),
            40 => meter.note_slate(now, Slate::Nothing),
            _ => {}
        }
        if second % 7 == 0 {
            disk.book(&mut meter);
        }
    }
    // The last playlist was a second ago, and is good for two.
    meter.stop(T0 + 60_000, TERMS);
    disk.book(&mut meter);
    assert_eq!((disk.total(), disk.slate_total()), (61, (40, 10)));
    // The minute begins 29.5 s after the first second: whole seconds fall where they are completed.
    let lines: Vec<_> = disk.0.values().map(|l| (l.seconds, l.slate_seconds, l.slate_all_seconds)).collect();
    assert_eq!(lines, [(29, 29, 10), (32, 11, 0)]);
}

#[test]
fn a_clock_that_steps_either_way_bills_no_second_twice_and_none_that_was_not_watched() {
    for step_ms in [-7_200_000, -90_000, -1_000, 3_000, 90_000, 7_200_000] {
        let (mut meter, mut disk) = (Meter::default(), Disk::default());
        let (mut now, mut watched_s) = (T0, 0);
        for second in 0..600 {
            // The grid's clock does not step within a process; after a restart it is the wall clock, wherever that went.
            if second == 200 {
                disk.book(&mut meter);
                let kept = serde_json::to_string(&meter).unwrap();
                meter = serde_json::from_str::<Meter>(&kept).unwrap().restored();
                now += step_ms;
            }
            // A service that has just begun lists nothing of what was before.
            meter.listed(now, if second == 200 { 0 } else { WINDOW_MS }, TERMS);
            if second % 4 == 0 {
                disk.book(&mut meter);
            }
            now += 1_000;
            watched_s += 1;
        }
        meter.stop(now, TERMS);
        disk.book(&mut meter);
        assert_eq!(disk.total(), meter.billable_seconds());
        assert!(disk.0.values().all(|line| line.seconds <= 60));
        // A late poll makes up to a pause certain; that is the most a step can add.
        let slack = u64::try_from(TERMS.pause_ms / 1000).unwrap();
        assert!(disk.total() <= watched_s + slack, "{step_ms} ms: {} of {watched_s} s", disk.total());
        if step_ms >= 0 {
            assert!(disk.total() + slack >= watched_s, "{step_ms} ms: {} of {watched_s} s", disk.total());
        }
    }
}

#[test]
fn what_waits_for_the_store_is_bounded() {
    let mut meter = Meter::default();
    // Two days of watching ten seconds in every minute, none of it booked.
    for poll in 0..2 * 24 * 60 {
        meter.listed(T0 + poll * 60_000, WINDOW_MS, TERMS);
        meter.listed(T0 + poll * 60_000 + 4_000, WINDOW_MS, TERMS);
    }
    let waiting = meter.unbooked().unwrap().minutes.len();
    assert!((MAX_OWED..=MAX_OWED + 2).contains(&waiting), "{waiting}");
}

#[test]
fn lines_fall_into_their_minutes_and_add_up_to_the_total() {
    let (mut meter, mut disk) = (Meter::default(), Disk::default());
    for poll in 0..50 {
        meter.listed(T0 + poll * 1_900, WINDOW_MS, TERMS);
    }
    meter.stop(T0 + 95_300, TERMS);
    disk.book(&mut meter);
    // 29.5 s are left of the first minute: 29 whole seconds by its end; then a whole minute; then the rest.
    assert_eq!(disk.0.values().map(|line| line.seconds).collect::<Vec<_>>(), [29, 60, 6]);
    assert_eq!(disk.total(), meter.billable_seconds());
    assert_eq!(meter.unbooked(), None, "all is booked");
}

#[test]
fn of_an_outage_longer_than_a_pause_only_what_is_listed_after_it_is_billed_and_a_short_one_is_watched_through() {
    // What a service lists that has just come back could not be fetched before.
    for (outage_ms, lists_ms, expected) in [(3_000, 0, 13), (300_000, 0, 12), (300_000, 5_000, 17)] {
        let (mut meter, mut disk) = (Meter::default(), Disk::default());
        for poll in 0..=5 {
            meter.listed(T0 + poll * 2_000, WINDOW_MS, TERMS);
        }
        disk.book(&mut meter);
        let kept = serde_json::to_string(&meter).unwrap();
        let mut meter = serde_json::from_str::<Meter>(&kept).unwrap().restored();
        meter.listed(T0 + 10_000 + outage_ms, lists_ms, TERMS);
        disk.book(&mut meter);
        assert_eq!(meter.billable_seconds(), expected);
        assert_eq!(disk.total(), expected);
    }
}

#[derive(Clone, Debug)]
enum Event {
    Poll,
    Tick,
    Slate(Slate),
    Book,
    FailedBook,
    /// kill -9 and a restart: only what was written with the last booking is left.
    Crash,
}

fn events() -> impl Strategy<Value = Vec<(i64, Event)>> {
    let event = prop_oneof![
        4 => Just(Event::Poll),
        2 => Just(Event::Tick),
        2 => prop::sample::select(vec![Slate::Nothing, Slate::Part, Slate::All]).prop_map(Event::Slate),
        3 => Just(Event::Book),
        1 => Just(Event::FailedBook),
        1 => Just(Event::Crash),
    ];
    // Some steps are pauses.
    prop::collection::vec((prop_oneof![9 => 0i64..7_000, 1 => 20_000i64..90_000], event), 1..120)
}

proptest! {
    #[test]
    fn whatever_happens_lines_equal_the_total_and_never_shrink(events in events(), replay in any::<bool>()) {
        let (mut meter, mut disk) = (Meter::default(), Disk::default());
        let mut kept = serde_json::to_string(&meter).unwrap();
        let mut now = T0;
        let mut first_poll = None;
        for (step, event) in events {
            now += step;
            let before = (meter.billable_seconds(), disk.total());
            match event {
                Event::Poll => {
                    meter.listed(now, WINDOW_MS, TERMS);
                    first_poll.get_or_insert(now);
                }
                Event::Tick => meter.advance(now, TERMS),
                Event::Slate(slate) => meter.note_slate(now, slate),
                Event::Book => {
                    meter.advance(now, TERMS);
                    let booking = meter.unbooked();
                    disk.book(&mut meter);
                    if let Some(booking) = booking.filter(|_| replay) {
                        disk.write(&booking);
                    }
                    kept = serde_json::to_string(&meter).unwrap();
                    prop_assert_eq!(disk.total(), meter.billable_seconds());
                }
                Event::FailedBook => drop(meter.unbooked()),
                Event::Crash => meter = serde_json::from_str::<Meter>(&kept).unwrap().restored(),
            }
            let crashed = matches!(event, Event::Crash);
            prop_assert!(crashed || meter.billable_seconds() >= before.0);
            prop_assert!(disk.total() >= before.1);
            prop_assert!(disk.0.values().all(|l| l.seconds <= 60));
            let nested = |l: &MinuteSeconds| l.slate_all_seconds <= l.slate_seconds && l.slate_seconds <= l.seconds;
            prop_assert!(disk.0.values().all(nested));
        }
        meter.stop(now, TERMS);
        disk.book(&mut meter);
        prop_assert_eq!(disk.total(), meter.billable_seconds());
        let longest = first_poll.map_or(0, |first| now - first + TERMS.grace_ms);
        prop_assert!(meter.billable_seconds() <= seconds(longest));
    }
}

/// One of two replicas that a player is sent to in turn: it hears of every other stretch, and books what it heard.
async fn replica(store: &SqliteStore, which: i64) -> Vec<MeterLine> {
    let (mut meter, mut lines) = (Meter::default(), Vec::new());
    for second in 0..400 {
        let now_ms = START_MS + second * 1000 + which * 300;
        // Each hears for 20 s of every 30: they overlap.
        if (second + which * 15) % 30 < 20 {
            meter.listed(now_ms, WINDOW_MS, TERMS);
        } else {
            meter.advance(now_ms, TERMS);
        }
        if second % 4 != 0 {
            continue;
        }
        let Some(booking) = meter.unbooked() else { continue };
        let of_minute = |minute: &MinuteSeconds| MeterLine {
            minute_start_ms: minute.minute_start_ms,
            ..line("s", 0, minute.seconds)
        };
        let booked: Vec<MeterLine> = booking.minutes.iter().map(of_minute).collect();
        book(store, booked.clone()).await;
        meter.booked(&booking);
        lines.extend(booked);
    }
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_that_book_one_session_make_no_more_than_a_minute_of_a_minute() {
    let dir = tempfile::tempdir().unwrap();
    let one = SqliteStore::open(dir.path()).await.unwrap();
    // Locks are what keeps a second process away. On a disk that knows none, they would not.
    one.let_go();
    let two = SqliteStore::open(dir.path()).await.unwrap();
    let (by_one, by_two) = tokio::join!(replica(&one, 0), replica(&two, 1));
    let mut largest = BTreeMap::new();
    for line in by_one.iter().chain(&by_two) {
        let kept: &mut u32 = largest.entry(line.minute_start_ms).or_default();
        *kept = line.billable_seconds.max(*kept);
    }
    let ledger: Vec<_> = lines(&one, "acme").await;
    let booked: BTreeMap<_, _> = ledger.iter().map(|line| (line.minute_start_ms, line.billable_seconds)).collect();
    assert_eq!(booked, largest, "of every minute the larger of the two");
    assert_eq!(ledger.len(), 7, "one line a minute");
    assert!(ledger.iter().all(|line| line.billable_seconds <= 60), "{ledger:?}");
}
