//! The ledger: when an hour is closed.

use super::reader::Table;

/// What the ledger is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    /// An hour is closed once it is over by this many seconds; what is booked later is a correction.
    pub grace_s: u32,
    /// Who sells the minutes, as invoices and FOCUS rows name it.
    pub provider: String,
}

impl Default for Ledger {
    fn default() -> Self {
        Self { grace_s: 600, provider: "Quadrille".to_owned() }
    }
}

pub(super) fn read(root: &mut Table) -> Ledger {
    let mut ledger = Ledger::default();
    let Some(mut table) = root.table("ledger") else { return ledger };
    // Bookings take up to five seconds, and a store that is slow some more.
    if let Some(grace_s) = table.optional("grace_s").and_then(|v| v.whole(10..=86_400, "seconds")) {
        ledger.grace_s = grace_s;
    }
    let allowed = "a name of 1 to 120 characters is allowed";
    let name =
        |text: &str| if (1..=120).contains(&text.chars().count()) { Ok(text.to_owned()) } else { Err("it is no name") };
    if let Some(provider) = table.optional("provider").and_then(|v| v.parsed(allowed, name)) {
        ledger.provider = provider;
    }
    table.finish();
    ledger
}
