use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const TERMS: MeterTerms = MeterTerms { grace_ms: 2_000, idle_ms: 30_000 };

/// 2026-11-22T16:00:30.500Z: half a second past, so that rounding shows.
const T0: i64 = 1_795_363_230_500;

/// The disk: the largest figure of every minute stays.
#[derive(Default)]
struct Disk(BTreeMap<i64, u32>);

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
            *kept = (*kept).max(line.seconds);
        }
    }

    fn total(&self) -> u64 {
        self.0.values().map(|s| u64::from(*s)).sum()
    }
}

#[test]
fn nothing_is_billed_before_a_playlist_lists_a_segment() {
    let mut meter = Meter::default();
    meter.advance(T0 + 10_000, TERMS);
    assert_eq!(meter.billable_seconds(), 0);
    assert_eq!(meter.unbooked(), None);
    meter.listed(T0 + 10_000, TERMS);
    assert_eq!(meter.billable_seconds(), 0);
    meter.advance(T0 + 11_999, TERMS);
    assert_eq!(meter.billable_seconds(), 1);
}

#[test]
fn an_ended_session_is_billed_until_it_ends() {
    let mut meter = Meter::default();
    meter.listed(T0, TERMS);
    meter.stop(T0 + 12_000, TERMS);
    assert_eq!(meter.billable_seconds(), 12, "the device said itself that it watched until then");
    meter.listed(T0 + 14_000, TERMS);
    meter.advance(T0 + 99_000, TERMS);
    meter.stop(T0 + 99_000, TERMS);
    assert_eq!(meter.billable_seconds(), 12, "and nothing is billed after the end");
}

#[test]
fn an_idle_session_is_billed_until_a_target_duration_after_its_last_poll() {
    let mut meter = Meter::default();
    meter.listed(T0, TERMS);
    meter.listed(T0 + 6_000, TERMS);
    meter.advance(T0 + 20_000, TERMS);
    assert_eq!(meter.billable_seconds(), 8, "no more than the grace is billed while nobody polls");
    meter.stop_idle(T0 + 36_000, TERMS);
    assert_eq!(meter.billable_seconds(), 8);
}

#[test]
fn a_slow_poll_makes_the_whole_stretch_certain() {
    let mut meter = Meter::default();
    meter.listed(T0, TERMS);
    meter.advance(T0 + 25_000, TERMS);
    assert_eq!(meter.billable_seconds(), 2);
    meter.listed(T0 + 25_000, TERMS);
    assert_eq!(meter.billable_seconds(), 25);
}

#[test]
fn lines_fall_into_their_minutes_and_add_up_to_the_total() {
    let (mut meter, mut disk) = (Meter::default(), Disk::default());
    for poll in 0..50 {
        meter.listed(T0 + poll * 1_900, TERMS);
    }
    meter.stop(T0 + 95_300, TERMS);
    disk.book(&mut meter);
    // 29.5 s are left of the first minute: 29 whole seconds by its end; then a whole minute; then the rest.
    assert_eq!(disk.0.values().copied().collect::<Vec<_>>(), [29, 60, 6]);
    assert_eq!(disk.total(), meter.billable_seconds());
    assert_eq!(meter.unbooked(), None, "all is booked");
}

#[test]
fn an_outage_longer_than_idle_is_not_billed_and_a_short_one_is_watched_through() {
    for (outage_ms, expected) in [(3_000, 13), (300_000, 12)] {
        let (mut meter, mut disk) = (Meter::default(), Disk::default());
        for poll in 0..=5 {
            meter.listed(T0 + poll * 2_000, TERMS);
        }
        disk.book(&mut meter);
        let kept = serde_json::to_string(&meter).unwrap();
        let mut meter = serde_json::from_str::<Meter>(&kept).unwrap().restored();
        meter.listed(T0 + 10_000 + outage_ms, TERMS);
        disk.book(&mut meter);
        assert_eq!(meter.billable_seconds(), expected);
        assert_eq!(disk.total(), expected);
    }
}

#[derive(Clone, Debug)]
enum Event {
    Poll,
    Tick,
    Book,
    FailedBook,
    /// kill -9 and a restart: only what was written with the last booking is left.
    Crash,
}

fn events() -> impl Strategy<Value = Vec<(i64, Event)>> {
    let event = prop_oneof![
        4 => Just(Event::Poll),
        2 => Just(Event::Tick),
        3 => Just(Event::Book),
        1 => Just(Event::FailedBook),
        1 => Just(Event::Crash),
    ];
    // Every so often a step longer than idle: only a crash can leave such a gap behind, but the meter must bear it.
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
                    meter.listed(now, TERMS);
                    first_poll.get_or_insert(now);
                }
                Event::Tick => meter.advance(now, TERMS),
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
            prop_assert!(disk.0.values().all(|s| *s <= 60));
        }
        meter.stop(now, TERMS);
        disk.book(&mut meter);
        prop_assert_eq!(disk.total(), meter.billable_seconds());
        let longest = first_poll.map_or(0, |first| now - first + TERMS.grace_ms);
        prop_assert!(meter.billable_seconds() <= seconds(longest));
    }
}
