//! How far games are delayed so that those of one clock are in step.

use std::time::Duration;

use super::reader::Table;

/// The longest that a live source's data are held in memory.
const LONGEST_MS: u32 = 10_000;

/// What keeping games in step is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InStep {
    /// No game is delayed by more; zero: none is.
    pub most_delay: Duration,
}

impl Default for InStep {
    fn default() -> Self {
        // A player of HLS begins with a segment: two of one origin are up to a segment apart, and segments of six seconds are
        // what Apple recommends.
        Self { most_delay: Duration::from_secs(6) }
    }
}

pub(super) fn read(root: &mut Table) -> InStep {
    let mut in_step = InStep::default();
    let Some(mut table) = root.table("sync") else { return in_step };
    if let Some(ms) = table.optional("most_delay_ms").and_then(|v| v.whole(0..=LONGEST_MS, "milliseconds")) {
        in_step.most_delay = Duration::from_millis(ms.into());
    }
    table.finish();
    in_step
}
