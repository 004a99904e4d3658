//! What a child was given of the processors: one that is silent because it had none does not hang.

use std::collections::VecDeque;
use std::fs;
use std::time::Duration;

use crate::work::cpu_time_of;

/// Over so long it is judged.
const LATELY: Duration = Duration::from_millis(1500);
/// Less tells nothing.
const LEAST: Duration = Duration::from_millis(500);

/// Of a process, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Given {
    /// Processor time of all its threads, in seconds.
    ran_s: f64,
    /// How long its first thread, which says that it lives, was ready to run and did not; told when it runs next. Zero where the system does not count it.
    waited: Duration,
    /// It is ready to run.
    wants: bool,
}

impl Given {
    /// It is ready to run, and never did.
    #[cfg(test)]
    pub fn ready() -> Self {
        Self { wants: true, ..Self::default() }
    }

    /// As of now.
    pub fn to(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // As in `cpu_time_of`: the state is the field after the name.
        let wants = stat.rsplit_once(')')?.1.trim_start().starts_with('R');
        // Nanoseconds that it ran, nanoseconds that it waited, turns (Documentation/scheduler/sched-stats.rst).
        let counted = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
        let waited = counted.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok()).unwrap_or(0);
        Some(Self { ran_s: cpu_time_of(pid)?, waited: Duration::from_nanos(waited), wants })
    }
}

/// Looks at that, the first of them the last that is so long ago.
#[derive(Debug, Default)]
pub struct Lately(VecDeque<(Duration, Given)>);

impl Lately {
    /// When the process was `age` old.
    pub fn look(&mut self, age: Duration, given: Given) {
        while self.0.get(1).is_some_and(|(at, _)| age.saturating_sub(*at) >= LATELY) {
            self.0.pop_front();
        }
        self.0.push_back((age, given));
    }

    fn span(&self) -> Option<Duration> {
        let ((since, _), (until, _)) = self.0.front().zip(self.0.back())?;
        Some(until.saturating_sub(*since)).filter(|span| *span >= LEAST)
    }

    /// Whether it was looked at for long enough.
    pub fn is_known(&self) -> bool {
        self.span().is_some()
    }

    /// Whether it had next to nothing though it wanted some: it waited for most of the time, or was ready whenever it was looked and never ran.
    pub fn is_short(&self) -> bool {
        let Some(((_, first), (_, last))) = self.0.front().zip(self.0.back()) else { return false };
        let Some(span) = self.span() else { return false };
        let waited = last.waited.saturating_sub(first.waited) >= span / 2;
        waited || (last.ran_s <= first.ran_s && self.0.iter().all(|(_, given)| given.wants))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks every 200 ms, each with seconds that it ran and waited until then, and whether it is ready.
    fn after(looks: &[(f64, f64, bool)]) -> bool {
        let mut lately = Lately::default();
        for (n, (ran_s, waited_s, wants)) in looks.iter().enumerate() {
            let given = Given { ran_s: *ran_s, waited: Duration::from_secs_f64(*waited_s), wants: *wants };
            lately.look(Duration::from_millis(200 * n as u64), given);
        }
        lately.is_short()
    }

    #[test]
    fn who_waited_for_most_of_the_time_was_short_and_who_sleeps_or_runs_was_not() {
        let ten = |f: fn(f64) -> (f64, f64, bool)| (0..10).map(|n| f(f64::from(n) * 0.2)).collect::<Vec<_>>();
        assert!(after(&ten(|s| (s * 0.1, s * 0.8, true))));
        assert!(after(&ten(|_| (0.3, 0.0, true))), "it was never let run, and so its waiting is not counted yet");
        assert!(!after(&ten(|_| (0.3, 0.0, false))), "it is stopped, or waits for something else");
        assert!(!after(&ten(|s| (s, 0.0, true))), "it goes round in circles");
        assert!(!after(&ten(|s| (s * 0.5, s * 0.3, false))));
        assert!(!after(&[(0.0, 0.0, true), (0.0, 0.2, true)]), "too early to say");
    }

    #[test]
    fn only_the_last_moments_count() {
        let looks = (0..20).map(|n| (f64::from(n) * 0.1, f64::from(n.min(10)) * 0.2, false)).collect::<Vec<_>>();
        assert!(after(&looks[..11]));
        assert!(!after(&looks));
    }

    #[test]
    fn the_system_tells_what_a_process_was_given() {
        let given = Given::to(std::process::id()).unwrap();
        assert!(given.ran_s >= 0.0);
        let status = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
        assert!(status.is_empty() || status.split_whitespace().count() == 3, "{status}");
        assert_eq!(Given::to(u32::MAX), None);
    }
}
