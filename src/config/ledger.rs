//! The ledger: when an hour is closed.

use super::reader::Table;

/// What the ledger is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// An hour is closed once it is over by this many seconds; what is booked later is a correction.
    pub grace_s: u32,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { grace_s: 600 }
    }
}

pub(super) fn read(root: &mut Table) -> Ledger {
    let mut ledger = Ledger::default();
    let Some(mut table) = root.table("ledger") else { return ledger };
    // Bookings take up to five seconds, and a store that is slow some more.
    if let Some(grace_s) = table.optional("grace_s").and_then(|v| v.whole(10..=86_400, "seconds")) {
        ledger.grace_s = grace_s;
    }
    table.finish();
    ledger
}
