//! How often a key may ask.

use super::reader::Table;

/// What one key may ask of the API. Playback is not counted: it needs no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requests {
    /// In the long run, a second; 0: as often as it likes.
    pub per_key_per_s: u32,
    /// At once, where it has not asked for a while.
    pub burst: u32,
}

impl Default for Requests {
    fn default() -> Self {
        // All boxes of an operator may have one key, and they come together when a game begins. A session costs the service a quarter of a millisecond.
        Self { per_key_per_s: 1_000, burst: 2_000 }
    }
}

pub(super) fn read(root: &mut Table) -> Requests {
    let mut requests = Requests::default();
    let Some(mut table) = root.table("requests") else { return requests };
    if let Some(rate) = table.optional("per_key_per_s").and_then(|v| v.whole(0..=1_000_000, "requests a second")) {
        requests.per_key_per_s = rate;
    }
    if let Some(burst) = table.optional("burst").and_then(|v| v.whole(1..=1_000_000, "requests")) {
        requests.burst = burst;
    }
    table.finish();
    requests
}
