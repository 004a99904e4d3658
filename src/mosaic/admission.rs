//! Admission: whether this machine can make one more mosaic in real time, by measurement.
//!
//! A newcomer's cost is what mosaics have been measured to cost here (at start on a trial encode, later on what runs); the
//! load is the processor time this process really used, as it mostly was of late: feeds that fill their queues, at start above
//! all, take every core for a moment and say nothing about what a mosaic will find. What was admitted a moment ago does not show
//! in the load yet, so its cost is reserved until it does.

use std::collections::VecDeque;
use std::time::Duration;

use super::contract::AdmitError;
use crate::timeline::MediaTime;

/// How long a newcomer's cost is reserved: until the load, taken over [`LOAD_SPANS`], shows it whole.
const RESERVATION: Duration = Duration::from_secs(6);

/// Span over which the process's processor time is averaged: a few ticks, so that it is never a single picture's.
const LOAD_SPAN: Duration = Duration::from_millis(250);

/// Spans whose middle is the load: two seconds of them.
const LOAD_SPANS: usize = 8;

/// Spans without which nothing is known of the load.
const FEWEST_SPANS: usize = 4;

/// A span in which pictures came late counts against newcomers for this long.
const LATE_MEMORY: Duration = Duration::from_secs(5);

/// Where giving up work ahead of demand did not make room for a source, it is not tried again for this long.
const VAIN_MEMORY: Duration = Duration::from_secs(60);

/// Costs are sums of measurements: two that differ by less are the same.
const SAME_CORES: f64 = 1e-6;

/// What this machine may spend.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Processor cores this process may use.
    pub cores: f64,
    /// Share of them, in percent, that may be spoken for.
    pub headroom_percent: u32,
    /// Hard limit on running mosaics, if the operator set one.
    pub max_mosaics: Option<u32>,
}

/// The decision and what it rests on. Pure: load, costs and time are handed in.
#[derive(Debug)]
pub struct Admission {
    budget: Budget,
    reserved: VecDeque<(MediaTime, f64)>,
    /// What decoding was granted, likewise.
    decoding: VecDeque<(MediaTime, f64)>,
    late_at: Option<MediaTime>,
    /// When work ahead of demand was given up for a source, and was not enough.
    in_vain_at: Option<MediaTime>,
}

impl Admission {
    pub fn new(budget: Budget) -> Self {
        Self { budget, reserved: VecDeque::new(), decoding: VecDeque::new(), late_at: None, in_vain_at: None }
    }

    /// Takes note that pictures were late or dropped at `now`: the machine is at its end, whatever the load says.
    pub fn late(&mut self, now: MediaTime) {
        self.late_at = Some(now);
    }

    /// Cores in use and spoken for.
    fn load(&mut self, now: MediaTime, process_load: f64) -> f64 {
        while self.reserved.front().is_some_and(|(at, _)| now.since(*at) > RESERVATION) {
            self.reserved.pop_front();
        }
        process_load + self.reserved.iter().map(|(_, cost)| cost).sum::<f64>()
    }

    /// How long pictures that were late still count against newcomers; zero when they do not.
    fn late_for(&self, now: MediaTime) -> Duration {
        self.late_at.map_or(Duration::ZERO, |at| LATE_MEMORY.saturating_sub(now.since(at)))
    }

    /// Cores that may be used.
    pub fn allowed(&self) -> f64 {
        self.budget.cores * f64::from(self.budget.headroom_percent) / 100.0
    }

    /// Most rendered mosaics, if the operator set a number.
    pub fn most_rendered(&self) -> Option<u32> {
        self.budget.max_mosaics
    }

    /// Cores that rendered mosaics may use, those that they use (`rendering`) among them.
    pub fn left_for_rendering(&mut self, now: MediaTime, process_load: f64, rendering: f64) -> f64 {
        let others = (self.load(now, process_load) - rendering).max(0.0);
        (self.allowed() - others).max(0.0)
    }

    /// Admits one more mosaic and reserves its cost, or says why not and when to ask again.
    pub fn admit(&mut self, now: MediaTime, newcomer: Newcomer) -> Result<(), Refusal> {
        let refuse = |detail: String, short: f64, until: Duration| {
            Err(Refusal { error: AdmitError::Capacity { detail, retry_after_s: whole_seconds(until) }, short })
        };
        if let Some(max) = self.budget.max_mosaics
            && newcomer.rendered >= Some(max)
        {
            let detail = format!("{max} rendered mosaics run, which is the configured limit");
            return refuse(detail, 0.0, newcomer.room_in);
        }
        // What costs nothing harms nobody.
        if newcomer.cost <= 0.0 {
            return Ok(());
        }
        let late = self.late_for(now);
        if newcomer.running > 0 && !late.is_zero() {
            return refuse("pictures have been late in the last 5 s".into(), 0.0, late);
        }
        let (load, allowed) = (self.load(now, newcomer.process_load), self.allowed());
        if load + newcomer.cost > allowed {
            let detail = format!(
                "{load:.2} of {allowed:.2} usable cores are in use and this mosaic takes {:.2} more",
                newcomer.cost
            );
            // Where only reservations are in the way, the load will have told by their end what is really used.
            let reserved_for = self.reserved.front().map(|(at, _)| RESERVATION.saturating_sub(now.since(*at)));
            let until = match reserved_for {
                Some(reserved_for) if newcomer.process_load + newcomer.cost <= allowed => reserved_for,
                _ => newcomer.room_in,
            };
            return refuse(detail, load + newcomer.cost - allowed, until);
        }
        self.reserved.push_back((now, newcomer.cost));
        Ok(())
    }

    /// Takes in what [`Admission::admit`] refused, if it costs no more than the mosaic that is left for it `frees`. Of
    /// `newcomer.rendered`, that one does not count. Both run for a moment; then there is less to do than before.
    pub fn exchange(&mut self, now: MediaTime, newcomer: Newcomer, frees: f64) -> bool {
        let limited = self.budget.max_mosaics.is_some_and(|max| newcomer.rendered >= Some(max));
        let taken = !limited && newcomer.cost <= frees + SAME_CORES;
        if taken {
            self.reserved.push_back((now, newcomer.cost));
        }
        taken
    }

    /// Whether decoding a source may take `cost` cores more. Mosaics do not see what is reserved for it: feeds that fill, at start
    /// above all, would keep viewers out.
    pub fn admit_decoding(&mut self, now: MediaTime, process_load: f64, cost: f64) -> bool {
        let admitted = cost <= self.left_for_decoding(now, process_load);
        if admitted {
            self.decoding.push_back((now, cost));
        }
        admitted
    }

    /// Whether work that nobody wants yet may be given up for a source of `cores`: not for one that would not fit into an empty machine, and not again and again
    /// for one that does not fit all the same.
    pub fn may_give_way(&self, now: MediaTime, cores: f64) -> bool {
        cores <= self.allowed() && self.in_vain_at.is_none_or(|at| now.since(at) > VAIN_MEMORY)
    }

    /// It was given up, and was not enough.
    pub fn gave_way_in_vain(&mut self, now: MediaTime) {
        self.in_vain_at = Some(now);
    }

    /// Cores that decoding may still take.
    pub fn left_for_decoding(&mut self, now: MediaTime, process_load: f64) -> f64 {
        while self.decoding.front().is_some_and(|(at, _)| now.since(*at) > RESERVATION) {
            self.decoding.pop_front();
        }
        let decoding = self.decoding.iter().map(|(_, cost)| cost).sum::<f64>();
        self.allowed() - self.load(now, process_load) - decoding
    }

    /// Whether work ahead of demand may take `cost` cores: only while the machine has room to spare for newcomers.
    pub fn admit_ahead(&mut self, now: MediaTime, process_load: f64, cost: f64) -> bool {
        let spared = self.allowed() * (1.0 - AHEAD_PERCENT / 100.0);
        let fits = cost + spared <= self.left_for_decoding(now, process_load);
        let admitted = self.late_for(now).is_zero() && fits;
        if admitted {
            self.reserved.push_back((now, cost));
        }
        admitted
    }

    /// Takes note that `cores` were given up, which the measured load does not show yet.
    pub fn freed(&mut self, now: MediaTime, cores: f64) {
        self.reserved.push_back((now, -cores));
    }
}

/// Share of the usable cores, in percent, up to which work ahead of demand may load the machine.
const AHEAD_PERCENT: f64 = 70.0;

/// A mosaic that asks to be made.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer {
    /// Cores that it takes on top of what runs.
    pub cost: f64,
    /// What this process uses now, in cores.
    pub process_load: f64,
    /// Mosaics that run.
    pub running: usize,
    /// Rendered mosaics that run, where the newcomer is to be rendered too.
    pub rendered: Option<u32>,
    /// When the first mosaic that nobody wants will have stopped.
    pub room_in: Duration,
}

/// For `Retry-After`, which knows whole seconds: never sooner than it is true.
pub fn whole_seconds(until: Duration) -> u32 {
    u32::try_from(until.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
}

/// Why a newcomer is not taken in.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub error: AdmitError,
    /// Cores that would have to be given up for it; 0 where that would not help.
    pub short: f64,
}

/// Processor time of this process in cores: the median of its last [`LOAD_SPANS`] spans. A burst that is shorter than half of
/// them does not show, a load that stays does.
#[derive(Debug, Default)]
pub struct LoadMeter {
    last: Option<(MediaTime, Duration)>,
    spans: VecDeque<f64>,
}

impl LoadMeter {
    /// Takes a sample at `now`, if one is due, of the processor time `used` since the process began. Call at every tick.
    pub fn sample(&mut self, now: MediaTime, used: impl FnOnce() -> Duration) {
        if self.last.is_some_and(|(at, _)| now.since(at) < LOAD_SPAN) {
            return;
        }
        let used = used();
        if let Some((at, used_before)) = self.last.replace((now, used)) {
            self.spans.push_back(used.saturating_sub(used_before).as_secs_f64() / now.since(at).as_secs_f64());
        }
        if self.spans.len() > LOAD_SPANS {
            self.spans.pop_front();
        }
    }

    /// Cores in use; 0 in the first second, when nothing is known: newcomers are then weighed against each other alone.
    pub fn cores(&self) -> f64 {
        if self.spans.len() < FEWEST_SPANS {
            return 0.0;
        }
        let mut sorted: Vec<f64> = self.spans.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        // Of an even number the lower one: at start, half of the spans may be the feeds'.
        sorted[(sorted.len() - 1) / 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> MediaTime {
        MediaTime::from_millis(ms)
    }

    fn budget(max_mosaics: Option<u32>) -> Budget {
        Budget { cores: 2.0, headroom_percent: 85, max_mosaics }
    }

    fn newcomer(cost: f64, process_load: f64, running: usize) -> Newcomer {
        let room_in = Duration::from_secs(20);
        Newcomer { cost, process_load, running, rendered: u32::try_from(running).ok(), room_in }
    }

    #[test]
    fn newcomers_fit_until_the_measured_cost_no_longer_does() {
        let mut admission = Admission::new(budget(None));
        assert_eq!(admission.admit(at(0), newcomer(0.6, 0.4, 0)), Ok(()));
        // The first one's 0.6 is reserved though the load does not show it yet: 0.4 + 0.6 + 0.6 is still within 1.7.
        assert_eq!(admission.admit(at(100), newcomer(0.6, 0.4, 1)), Ok(()));
        let refused = admission.admit(at(200), newcomer(0.6, 0.4, 2)).unwrap_err();
        assert!((refused.short - 0.5).abs() < 1e-9, "{refused:?}");
        let error = refused.error;
        assert!(
            matches!(&error, AdmitError::Capacity { retry_after_s: 6, detail } if detail.contains("1.70")),
            "by then it shows what the two before it really take: {error:?}"
        );
        // What was given up makes room at once.
        admission.freed(at(300), 0.55);
        assert_eq!(admission.admit(at(300), newcomer(0.6, 0.4, 2)), Ok(()));
        // Cheaper than feared, once measured: the load shows all, nothing is reserved any more.
        assert_eq!(admission.admit(at(10_000), newcomer(0.3, 1.0, 2)), Ok(()));
    }

    #[test]
    fn a_machine_that_is_late_takes_nobody_in_who_costs_anything() {
        let mut admission = Admission::new(budget(None));
        admission.late(at(1000));
        assert!(admission.admit(at(2000), newcomer(0.1, 0.2, 1)).is_err());
        assert!(admission.admit(at(2000), newcomer(0.0, 0.2, 1)).is_ok(), "all its tiles run already");
        assert!(admission.admit(at(2000), newcomer(0.1, 0.2, 0)).is_ok(), "nothing runs that could be harmed");
        assert!(admission.admit(at(6001), newcomer(0.1, 0.2, 1)).is_ok());
    }

    #[test]
    fn a_refusal_says_when_its_reason_is_over() {
        let retry_after_s = |refused: Result<(), Refusal>| match refused.unwrap_err().error {
            AdmitError::Capacity { retry_after_s, .. } => retry_after_s,
            other => panic!("{other}"),
        };
        let mut admission = Admission::new(budget(Some(3)));
        admission.late(at(1000));
        assert_eq!(retry_after_s(admission.admit(at(1000), newcomer(0.1, 0.2, 1))), 5);
        assert_eq!(retry_after_s(admission.admit(at(4500), newcomer(0.1, 0.2, 1))), 2);
        assert_eq!(retry_after_s(admission.admit(at(5999), newcomer(0.1, 0.2, 1))), 1);
        assert!(admission.admit(at(6000), newcomer(0.1, 0.2, 1)).is_ok());
        // Full, and full by the operator's word: until the next mosaic that nobody wants has stopped.
        let soon = |newcomer: Newcomer| Newcomer { room_in: Duration::from_millis(6_200), ..newcomer };
        assert_eq!(retry_after_s(admission.admit(at(20_000), soon(newcomer(0.1, 1.65, 1)))), 7);
        assert_eq!(retry_after_s(admission.admit(at(20_000), soon(newcomer(0.0, 0.1, 3)))), 7);
    }

    #[test]
    fn what_gives_up_as_much_as_it_takes_is_let_in_however_full_the_machine_is() {
        let mut admission = Admission::new(budget(Some(2)));
        admission.late(at(1000));
        let asks = newcomer(0.3, 1.7, 2);
        assert!(admission.admit(at(1000), asks).is_err());
        assert!(!admission.exchange(at(1000), asks, 0.3), "two are the limit, and none of them is left");
        let leaves = Newcomer { rendered: Some(1), ..asks };
        assert!(!admission.exchange(at(1000), leaves, 0.29));
        assert!(admission.exchange(at(1000), leaves, 0.3));
        assert!((admission.load(at(1000), 1.7) - 2.0).abs() < 1e-9, "for a moment both run");
    }

    #[test]
    fn the_configured_limit_holds_whatever_the_load_and_counts_what_is_rendered() {
        let mut admission = Admission::new(budget(Some(1)));
        assert!(admission.admit(at(0), newcomer(0.01, 0.0, 0)).is_ok());
        assert!(admission.admit(at(0), newcomer(0.01, 0.0, 1)).is_err());
        let stitched = Newcomer { rendered: None, ..newcomer(0.01, 0.0, 1) };
        assert!(admission.admit(at(0), stitched).is_ok());
    }

    #[test]
    fn decoding_takes_what_is_left_and_keeps_no_viewer_out() {
        let mut admission = Admission::new(budget(None));
        assert!(admission.admit_decoding(at(0), 0.0, 1.2));
        assert!(
            !admission.admit_decoding(at(100), 0.0, 0.6),
            "1.2 is spoken for, though the load does not show it yet"
        );
        assert!((admission.left_for_decoding(at(100), 0.0) - 0.5).abs() < 1e-9);
        assert!(!admission.admit_ahead(at(100), 0.0, 0.1), "nor does work ahead of demand take it");
        assert!(admission.admit(at(200), newcomer(0.4, 1.2, 0)).is_ok(), "counted once, by the load");
        assert!(!admission.admit_decoding(at(300), 1.2, 0.2), "what a mosaic was granted is not left");
        assert!(admission.admit_decoding(at(10_000), 1.4, 0.2), "by then the load shows all");
    }

    #[test]
    fn work_ahead_of_demand_leaves_room() {
        let mut admission = Admission::new(budget(None));
        assert!(admission.admit_ahead(at(0), 0.8, 0.3));
        assert!(!admission.admit_ahead(at(0), 0.8, 0.3), "1.4 of 1.7 is more than 70 %");
        assert!(admission.admit(at(0), newcomer(0.3, 0.8, 1)).is_ok());
    }

    /// The load after quarters of a second in which so many cores were in use.
    fn load_after(quarters: &[f64]) -> f64 {
        let mut meter = LoadMeter::default();
        let mut used = Duration::from_secs(1);
        meter.sample(at(0), || used);
        for (n, cores) in (1u64..).zip(quarters) {
            used += Duration::from_secs_f64(cores / 4.0);
            // Ticks in between take no sample.
            meter.sample(at(n * 250 - 33), || panic!("no sample is due"));
            meter.sample(at(n * 250), || used);
        }
        meter.cores()
    }

    fn admits(load: f64) -> bool {
        Admission::new(budget(None)).admit(at(60_000), newcomer(1.0, load, 0)).is_ok()
    }

    #[test]
    fn feeds_that_fill_at_start_take_no_room_from_mosaics() {
        // As measured: four files fill their queues on two cores; then they are decoded as they are shown.
        let start = [1.76, 0.64, 0.40, 0.36, 0.48, 0.40, 0.56, 0.44, 0.52];
        for so_far in 0..=start.len() {
            let load = load_after(&start[..so_far]);
            assert!(load <= 0.6 && admits(load), "after {so_far} quarters: {load}");
        }
        assert!((load_after(&start) - 0.44).abs() < 1e-9, "all is known by then");
    }

    #[test]
    fn a_load_that_stays_refuses_and_a_burst_does_not() {
        let busy = load_after(&[1.5; 4]);
        assert!((busy - 1.5).abs() < 1e-9 && !admits(busy), "from the first second on: {busy}");
        let grown = load_after(&[0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 1.5, 1.5, 1.5, 1.5, 1.5]);
        assert!(!admits(grown), "a little more than a second after it began: {grown}");
        // A game that is registered, or comes back, while all else goes on.
        assert!(admits(load_after(&[0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4, 2.0, 2.0, 1.2])));
        assert!(!admits(load_after(&[1.5, 1.5, 0.2, 1.5, 1.4, 1.5, 0.2, 1.5])), "nor does a lull make room");
    }
}
