//! The discipline against a machine whose clocks a test sets and stops.

use super::*;
use proptest::prelude::*;

const SECOND: Duration = Duration::from_secs(1);
const HOUR_S: i64 = 3600;

/// A machine: its clocks, and what its discipline makes of them.
struct Machine {
    reading: Reading,
    discipline: Discipline,
}

impl Machine {
    fn new() -> Self {
        let reading =
            Reading { boot: Duration::from_secs(50), suspended: Duration::ZERO, wall: MediaTime::from_secs(9_000_000) };
        Self { reading, discipline: Discipline::new(reading) }
    }

    fn now(&self) -> MediaTime {
        self.discipline.now(self.reading.boot)
    }

    /// Both clocks go on.
    fn run(&mut self, by: Duration) {
        self.reading.boot += by;
        self.reading.wall = self.reading.wall + by;
    }

    /// `seconds` go by, each with an observation; the last.
    fn observe_for(&mut self, seconds: u64) -> Observed {
        let mut observed = Observed::default();
        for _ in 0..seconds {
            self.run(SECOND);
            observed = self.discipline.observe(self.reading);
        }
        observed
    }

    fn sleep(&mut self, by: Duration) {
        self.run(by);
        self.reading.suspended += by;
    }

    fn set_wall(&mut self, by_ms: i64) {
        let by = Duration::from_millis(by_ms.unsigned_abs());
        self.reading.wall = if by_ms < 0 { self.reading.wall - by } else { self.reading.wall + by };
    }

    fn error_ms(&self) -> i64 {
        signed_difference(self.reading.wall.as_nanos(), self.now().as_nanos()) / 1_000_000
    }

    fn steady_s(&self) -> u64 {
        self.discipline.steady_for(self.reading.boot).as_secs()
    }
}

#[test]
fn a_clock_that_nobody_touches_is_wall_time_for_ever() {
    let mut machine = Machine::new();
    let observed = machine.observe_for(3600);
    assert_eq!(observed, Observed::default());
    assert_eq!(machine.now(), machine.reading.wall);
    assert_eq!(machine.steady_s(), 3600);
}

#[test]
fn a_small_step_is_slewed_away_and_told_once() {
    for by_ms in [1000, -1000] {
        let mut machine = Machine::new();
        machine.set_wall(by_ms);
        let before = machine.now();
        let observed = machine.observe_for(1);
        assert_eq!(observed.stepped_ns, Some(by_ms * 1_000_000));
        assert!(!observed.holds);
        assert_eq!(machine.now(), before + SECOND, "nothing jumps");
        // A second at 500 ppm takes 2000 s.
        assert!(machine.observe_for(1000).stepped_ns.is_none());
        assert_eq!(machine.error_ms(), by_ms / 2);
        machine.observe_for(1001);
        assert_eq!(machine.now(), machine.reading.wall);
        assert_eq!(machine.steady_s(), 2001, "since the step");
    }
}

#[test]
fn an_hour_s_step_is_not_followed_and_makes_no_hour_sure() {
    for by_s in [HOUR_S, -HOUR_S] {
        let mut machine = Machine::new();
        machine.observe_for(600);
        machine.set_wall(by_s * 1000);
        let before = machine.now();
        let observed = machine.observe_for(1);
        assert_eq!((observed.stepped_ns, observed.holds), (Some(by_s * 1_000_000_000), true));
        let observed = machine.observe_for(1800);
        assert_eq!(observed, Observed { error_ns: by_s * 1_000_000_000, holds: true, ..Observed::default() });
        assert_eq!(machine.now(), before + SECOND * 1801, "the machine's clock alone counts");
        assert_eq!(machine.steady_s(), 0);
        // Whoever set it sets it right again.
        machine.set_wall(-by_s * 1000);
        let observed = machine.observe_for(1);
        assert_eq!((observed.error_ns, observed.holds), (0, false));
        machine.observe_for(60);
        assert_eq!(machine.steady_s(), 60);
    }
}

#[test]
fn sleep_is_time_that_went_by_and_puts_the_clock_in_doubt() {
    let mut machine = Machine::new();
    machine.observe_for(600);
    machine.sleep(Duration::from_secs(7200));
    let observed = machine.observe_for(1);
    assert_eq!((observed.slept, observed.stepped_ns), (Some(Duration::from_secs(7200)), None));
    assert_eq!(observed.error_ns, 0);
    assert_eq!(machine.now(), machine.reading.wall, "nobody watched: live goes on at present");
    machine.observe_for(30);
    assert_eq!(machine.steady_s(), 30);
}

#[test]
fn a_start_a_little_in_the_past_goes_on_from_where_the_last_process_was() {
    let mut machine = Machine::new();
    let known = machine.now() + Duration::from_secs(4);
    assert!(machine.discipline.begin_at(known, machine.reading.boot));
    assert_eq!(machine.now(), known);
    let observed = machine.observe_for(1);
    assert_eq!((observed.stepped_ns, observed.holds), (None, false));
    machine.observe_for(8000);
    assert_eq!(machine.error_ms(), 0, "and comes back");
    // Neither into the past, nor further ahead than can be made up for.
    let now = machine.now();
    assert!(!machine.discipline.begin_at(now - SECOND, machine.reading.boot));
    assert!(!machine.discipline.begin_at(now + SECOND * 11, machine.reading.boot));
    assert_eq!(machine.now(), now);
}

/// What may happen to a machine within a second or so.
#[derive(Clone, Debug)]
enum Event {
    Run(u64),
    Sleep(u64),
    SetWall(i64),
    Observe,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        (0u64..5_000_000_000).prop_map(Event::Run),
        (0u64..100_000_000_000).prop_map(Event::Sleep),
        (-15_000i64..15_000).prop_map(Event::SetWall),
        (-10_000_000i64..10_000_000).prop_map(Event::SetWall),
        Just(Event::Observe),
    ];
    proptest::collection::vec(event, 1..200)
}

proptest! {
    #[test]
    fn our_time_never_goes_back_and_never_runs_500_ppm_off(events in events()) {
        let mut machine = Machine::new();
        for event in events {
            let (boot, now) = (nanos(machine.reading.boot), machine.now().as_nanos());
            match event {
                Event::Run(by) => machine.run(Duration::from_nanos(by)),
                Event::Sleep(by) => machine.sleep(Duration::from_nanos(by)),
                Event::SetWall(by_ms) => machine.set_wall(by_ms),
                Event::Observe => { machine.discipline.observe(machine.reading); }
            }
            let (ran, came) = (nanos(machine.reading.boot) - boot, machine.now().as_nanos().checked_sub(now));
            prop_assert!(came.is_some(), "it went back");
            // A nanosecond for where the line's divisions round.
            prop_assert!(came.unwrap_or(0).abs_diff(ran) <= ran / 2000 + 1);
        }
    }

    #[test]
    fn an_error_within_reach_is_gone_in_2000_times_its_length(
        by_ms in -10_000i64..=10_000,
        every in 1u64..20,
        earlier in events(),
    ) {
        let mut machine = Machine::new();
        for event in earlier {
            if let Event::Run(by) = event {
                machine.run(Duration::from_nanos(by));
            }
        }
        machine.set_wall(by_ms);
        let seconds = by_ms.unsigned_abs() * 2 + every + 1;
        for _ in 0..seconds.div_ceil(every) {
            machine.run(SECOND * u32::try_from(every).unwrap());
            prop_assert!(!machine.discipline.observe(machine.reading).holds);
        }
        prop_assert_eq!(machine.now(), machine.reading.wall);
    }

    #[test]
    fn steady_is_the_time_since_the_last_step_or_sleep(events in events()) {
        let mut machine = Machine::new();
        let mut undoubted = 0;
        for event in events {
            match event {
                Event::Run(by) => {
                    machine.run(Duration::from_nanos(by));
                    undoubted += by;
                }
                Event::Sleep(by) => {
                    machine.sleep(Duration::from_nanos(by));
                    undoubted += by;
                }
                Event::SetWall(by_ms) => machine.set_wall(by_ms),
                Event::Observe => {}
            }
            let observed = machine.discipline.observe(machine.reading);
            if observed.stepped_ns.is_some() || observed.slept.is_some() || observed.holds {
                undoubted = 0;
            }
            prop_assert_eq!(nanos(machine.discipline.steady_for(machine.reading.boot)), undoubted);
        }
    }
}
