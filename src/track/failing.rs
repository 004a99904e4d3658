//! Encoders that fail: counted, logged once for each failure, and told to whoever asks whether this machine is well.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::metrics::Metrics;

/// Failures in a row after which the machine is not well: what the next attempt mends is no reason to send viewers elsewhere.
const UNWELL_AFTER: u32 = 2;

/// What an encoder fails at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailedAt {
    /// To have a thread.
    Thread,
    /// To open.
    Open,
    /// To encode.
    Encode,
}

impl FailedAt {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Thread => "thread",
            Self::Open => "open",
            Self::Encode => "encode",
        }
    }
}

/// All encoders of the machine that fail at present.
pub struct Failing {
    metrics: Arc<Metrics>,
    /// By name.
    failing: Mutex<BTreeMap<String, Failure>>,
}

struct Failure {
    in_a_row: u32,
    error: String,
}

impl Failing {
    pub fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { metrics, failing: Mutex::default() })
    }

    /// Where the encoder `name` tells how it fares. `kind` is what it is counted as: `render`, `tile`, `audio`.
    pub fn watch(self: &Arc<Self>, kind: &'static str, name: String) -> Watched {
        Watched { failing: self.clone(), kind, name }
    }

    /// Whether all encoders do their work; else one that does not, and how many others there are.
    pub fn report(&self) -> Result<(), String> {
        let failing = self.failing.lock();
        let mut unwell = failing.iter().filter(|(_, failure)| failure.in_a_row >= UNWELL_AFTER);
        let Some((name, Failure { in_a_row, error })) = unwell.next() else { return Ok(()) };
        let others = unwell.count();
        Err(format!("{name} failed {in_a_row} times in a row ({error}); so did {others} others"))
    }
}

/// One encoder's word to [`Failing`]; forgotten with it.
pub struct Watched {
    failing: Arc<Failing>,
    kind: &'static str,
    name: String,
}

impl Watched {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn failed(&self, at: FailedAt, error: &str) {
        self.failing.metrics.encoder_failures.with_label_values(&[self.kind, at.name()]).inc();
        let mut failing = self.failing.failing.lock();
        let failure = failing.entry(self.name.clone()).or_insert(Failure { in_a_row: 0, error: String::new() });
        failure.in_a_row = failure.in_a_row.saturating_add(1);
        error.clone_into(&mut failure.error);
        let in_a_row = failure.in_a_row;
        drop(failing);
        tracing::error!(encoder = self.name, at = at.name(), in_a_row, error, "an encoder failed; it is tried again");
    }

    /// It did its work again.
    pub fn well(&self) {
        let was = self.failing.failing.lock().remove(&self.name);
        if let Some(Failure { in_a_row, .. }) = was {
            tracing::info!(encoder = self.name, failures = in_a_row, "an encoder works again");
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.failing.failing.lock().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failure_is_counted_and_a_second_in_a_row_is_told() {
        let metrics = Arc::new(Metrics::new().unwrap());
        let failing = Failing::new(metrics.clone());
        let (a, b) = (failing.watch("tile", "a".into()), failing.watch("audio", "b".into()));
        a.failed(FailedAt::Open, "no memory");
        assert_eq!(failing.report(), Ok(()));
        a.failed(FailedAt::Open, "no memory");
        let told = failing.report().unwrap_err();
        assert!(told.contains("a failed 2 times") && told.contains("no memory") && told.contains("0 others"), "{told}");
        b.failed(FailedAt::Encode, "stopped");
        b.failed(FailedAt::Thread, "none");
        a.well();
        assert!(failing.report().unwrap_err().contains("b failed 2 times"));
        drop(b);
        assert_eq!(failing.report(), Ok(()));
        let count = |kind, at| metrics.encoder_failures.with_label_values(&[kind, at]).get();
        assert_eq!((count("tile", "open"), count("audio", "encode"), count("audio", "thread")), (2, 1, 1));
    }
}
