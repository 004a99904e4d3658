//! What children take, and why they end.

use std::collections::{HashMap, VecDeque};
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::work::{count_child_cpu, cpu_time_of};

/// Why a feed's process ended. The names are stable: programs branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ChildEnded)]
pub enum Ended {
    /// Its source was lost or ended, or the game was changed.
    Source,
    /// It crashed, or was killed by somebody else.
    Died,
    /// It did not say that it lives.
    Hung,
    /// It said what cannot be.
    Lied,
    /// It took more memory than it may.
    Grew,
}

impl Ended {
    pub const ALL: [Ended; 5] = [Ended::Source, Ended::Died, Ended::Hung, Ended::Lied, Ended::Grew];

    /// As in the API and in labels of metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Ended::Source => "source",
            Ended::Died => "died",
            Ended::Hung => "hung",
            Ended::Lied => "lied",
            Ended::Grew => "grew",
        }
    }
}

/// A wall around a feed's process that not every system has. The names are stable: programs branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DecoderWall)]
pub enum Wall {
    /// The kernel bounds its memory and threads, whatever it does (cgroup v2).
    ControlGroup,
    /// It can read no files but libraries and its own source (Landlock).
    Landlock,
    /// Its elements connect in a network where there is nobody else.
    OwnNetwork,
}

/// A feed's process, for operators.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChildHealth {
    /// `None` where none runs.
    pub pid: Option<u32>,
    pub memory_bytes: u64,
    /// Processor time, over the last second, in cores.
    pub cores: f64,
    /// Why the last one before it ended that did not end with its source.
    pub ended: Option<Ended>,
    pub restarts: u64,
    /// What does not protect the service from the one that runs, because the system has it not.
    pub missing: Vec<Wall>,
}

/// What of a processor a process takes of late.
#[derive(Debug)]
pub struct Lately {
    /// When it was looked, and the processor time by then, in seconds; the first is a second ago or the beginning.
    looks: VecDeque<(Duration, f64)>,
}

const LATELY: Duration = Duration::from_secs(1);

impl Lately {
    /// Of a process that begins now.
    pub fn new() -> Self {
        Self { looks: VecDeque::from([(Duration::ZERO, 0.0)]) }
    }

    /// Cores over the last second of a process that has taken `cpu_s` seconds of a processor when it is `age` old.
    pub fn cores(&mut self, age: Duration, cpu_s: f64) -> f64 {
        while self.looks.get(1).is_some_and(|(at, _)| age.saturating_sub(*at) >= LATELY) {
            self.looks.pop_front();
        }
        let (since, before) = self.looks.front().copied().unwrap_or_default();
        self.looks.push_back((age, cpu_s));
        // The first looks come soon after one another, and the system counts in hundredths of a second.
        (cpu_s - before).max(0.0) / age.saturating_sub(since).max(LATELY / 4).as_secs_f64()
    }
}

/// What was seen of a child last.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Seen {
    pub memory_bytes: u64,
    pub cpu_s: f64,
}

/// Pictures by whose way it is told how long it takes: half a minute of one game, seconds of many.
const MOST_HAND_OVERS: usize = 1024;

/// All children of a service.
#[derive(Debug, Default)]
pub struct Watched {
    ended: [AtomicU64; Ended::ALL.len()],
    running: Mutex<HashMap<u32, Seen>>,
    /// Processor time of those that are gone, in microseconds.
    gone_us: AtomicU64,
    /// How long the last pictures were on their way, in microseconds.
    hand_overs: Mutex<VecDeque<u64>>,
}

impl Watched {
    pub fn began(&self, pid: u32) {
        self.running.lock().insert(pid, Seen::default());
    }

    /// Looks what a child takes, of which `shared_bytes` are of the memory that it was given.
    pub fn look(&self, pid: u32, shared_bytes: u64) -> Option<Seen> {
        let seen = seen(pid, shared_bytes)?;
        let before = self.running.lock().insert(pid, seen).unwrap_or_default();
        count_child_cpu(seen.cpu_s - before.cpu_s);
        Some(seen)
    }

    /// A picture is here that was sent at `sent_us`.
    pub fn handed_over(&self, sent_us: u64) {
        let mut last = self.hand_overs.lock();
        if last.len() == MOST_HAND_OVERS {
            last.pop_front();
        }
        last.push_back(now_us().saturating_sub(sent_us));
    }

    /// How long pictures were on their way of late, at most, but for those of the longest `left_out` of one.
    pub fn hand_over(&self, left_out: f64) -> Option<Duration> {
        let mut last: Vec<u64> = self.hand_overs.lock().iter().copied().collect();
        last.sort_unstable();
        let at = (last.len() as f64 * (1.0 - left_out)).ceil() as usize;
        last.get(at.saturating_sub(1)).map(|us| Duration::from_micros(*us))
    }

    pub fn ended_by(&self, pid: u32, why: Ended) {
        if let Some(seen) = self.running.lock().remove(&pid) {
            self.gone_us.fetch_add((seen.cpu_s * 1e6) as u64, Ordering::Relaxed);
        }
        if let Some(at) = Ended::ALL.iter().position(|other| *other == why) {
            self.ended[at].fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn ended(&self) -> Vec<(Ended, u64)> {
        Ended::ALL.into_iter().zip(&self.ended).map(|(why, count)| (why, count.load(Ordering::Relaxed))).collect()
    }

    pub fn load(&self) -> (u64, u64, f64) {
        let running = self.running.lock();
        let memory = running.values().map(|seen| seen.memory_bytes).sum();
        let cpu: f64 = running.values().map(|seen| seen.cpu_s).sum();
        (running.len() as u64, memory, cpu + self.gone_us.load(Ordering::Relaxed) as f64 / 1e6)
    }
}

/// On the clock that all processes of a machine have.
pub fn now_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1000
}

/// What the system says of a process: memory that it has and no file has (proc(5), `status`), and its processor time.
fn seen(pid: u32, shared_bytes: u64) -> Option<Seen> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()
    };
    // What it has written to and does not map any more is still there.
    let shared = (kib("RssShmem:").unwrap_or(0) * 1024).max(shared_bytes);
    let memory_bytes = kib("RssAnon:")? * 1024 + shared;
    Some(Seen { memory_bytes, cpu_s: cpu_time_of(pid)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_those_of_the_last_second() {
        let mut lately = Lately::new();
        let mut cores = |age_ms: u64, cpu_s: f64| (lately.cores(Duration::from_millis(age_ms), cpu_s) * 100.0).round();
        assert_eq!(cores(20, 0.01), 4.0, "as of a quarter of a second");
        // Two cores for as long as it starts, a quarter of one from then on.
        assert_eq!(cores(500, 1.0), 200.0);
        let after: Vec<_> = (6..=20).map(|n| cores(n * 100, 1.0 + 0.025 * (n - 5) as f64)).collect();
        assert_eq!((after[0], after[9], after[14]), (171.0, 25.0, 25.0), "{after:?}");
        assert!(after.is_sorted_by(|a, b| a >= b), "{after:?}");
        // It stops, and its looks are few.
        assert_eq!((cores(5000, 1.375), cores(5100, 1.375)), (0.0, 0.0));
    }
}
