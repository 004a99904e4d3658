//! Pricing the ledger, entry by entry in its order: seconds become minutes by the contract's rounding, and minutes cost by
//! their position in the month. Whatever is summed up later is a sum of these, so windows that do not overlap always add up.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::money::Money;
use super::tariff::{Cost, PriceList, Rounding, SlateTerms, Tariff};
use crate::store::LedgerEntry;

/// What a tenant's month came to so far, and all that pricing must remember of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MonthMark {
    /// Milliseconds of Unix time.
    pub month_start_ms: i64,
    pub billable_seconds: i64,
    pub billed_minutes: i64,
    /// Cost by currency.
    pub costs: BTreeMap<String, Money>,
    /// Where seconds are summed before they are rounded: seconds of each price, by the tariff's first instant and the price's
    /// place in it.
    pub summed_seconds: BTreeMap<String, i64>,
}

/// What one entry is charged with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Charge {
    /// Billable seconds without those that the contract leaves out.
    pub seconds: i64,
    pub minutes: i64,
    /// Absent where no tariff was valid.
    pub price: Option<(String, Cost)>,
}

/// Prices entries. Sessions' earlier seconds must be made known before their first entry.
#[derive(Clone, Debug, Default)]
pub(super) struct Pricer {
    pub mark: MonthMark,
    /// Charged seconds of each session so far: its next minute starts where they fill the last one.
    sessions: HashMap<String, i64>,
}

impl Pricer {
    pub fn knows(&self, session_id: &str) -> bool {
        self.sessions.contains_key(session_id)
    }

    /// A session's charged seconds before all entries that are to come.
    pub fn learn(&mut self, session_id: String, seconds: i64) {
        self.sessions.insert(session_id, seconds);
    }

    pub fn forget_sessions(&mut self) {
        self.sessions.clear();
    }

    /// Charges an entry, by a list of tariffs.
    pub fn charge(&mut self, entry: &LedgerEntry, list: &PriceList) -> Charge {
        let month_start_ms = month_start(entry.at_ms);
        if month_start_ms != self.mark.month_start_ms {
            self.mark = MonthMark { month_start_ms, ..MonthMark::default() };
        }
        // Of a correction, the tariff is that of the minute it corrects; its place in the month is where it was booked.
        let tariff = list.at(entry.minute_start_ms);
        let seconds = match tariff.map(|tariff| tariff.slate).unwrap_or_default() {
            SlateTerms::Billed => entry.billable_seconds,
            SlateTerms::AllOffFree => entry.billable_seconds - entry.slate_all_seconds,
            SlateTerms::AnyOffFree => entry.billable_seconds - entry.slate_seconds,
        };
        let of_session = self.sessions.entry(entry.session_id.clone()).or_default();
        let started = (*of_session, *of_session + seconds);
        *of_session = started.1;
        let price = tariff.and_then(|tariff| Some((tariff, tariff.price_of(&entry.watched)?)));
        let minutes = match price {
            Some((tariff, price)) if tariff.rounding == Rounding::SumThenCeil => {
                let summed = self.mark.summed_seconds.entry(tariff.summed_key(price)).or_default();
                let before = *summed;
                *summed += seconds;
                minutes_up(*summed) - minutes_up(before)
            }
            _ => minutes_up(started.1) - minutes_up(started.0),
        };
        let from = self.mark.billed_minutes;
        self.mark.billed_minutes += minutes;
        self.mark.billable_seconds += entry.billable_seconds;
        let price = price.map(|(tariff, price)| {
            let cost = tariff.cost(price, from, self.mark.billed_minutes);
            add_cost(&mut self.mark.costs, tariff, cost);
            (tariff.currency.clone(), cost)
        });
        Charge { seconds, minutes, price }
    }
}

fn add_cost(costs: &mut BTreeMap<String, Money>, tariff: &Tariff, cost: Cost) {
    match costs.get_mut(&tariff.currency) {
        Some(sum) => *sum += cost.billed,
        None => {
            costs.insert(tariff.currency.clone(), cost.billed);
        }
    }
}

/// Started minutes. Of less than nothing there are none, or minutes given back.
pub(super) fn minutes_up(seconds: i64) -> i64 {
    seconds.div_euclid(60) + i64::from(seconds.rem_euclid(60) > 0)
}

/// Start of the calendar month (UTC) that `at_ms` lies in.
pub(super) fn month_start(at_ms: i64) -> i64 {
    month_of(at_ms, 0)
}

/// Start of the calendar month after that.
pub(super) fn next_month(at_ms: i64) -> i64 {
    month_of(at_ms, 1)
}

fn month_of(at_ms: i64, months_on: i32) -> i64 {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let first = at.to_zoned(jiff::tz::TimeZone::UTC).date().first_of_month();
    let first = first.saturating_add(jiff::Span::new().months(months_on));
    first.to_zoned(jiff::tz::TimeZone::UTC).map_or(at_ms, |zoned| zoned.timestamp().as_millisecond())
}
