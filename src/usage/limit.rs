//! Amounts that a tenant's month is compared with (thresholds, caps), and the board that says which caps are reached.

use std::collections::HashMap;
use std::fmt;

use parking_lot::RwLock;
use rust_decimal::Decimal;

use super::Standing;
use super::period::rfc_3339;
use super::pricing::{month_start, next_month};

/// A calendar month, UTC, in milliseconds of Unix time: `start_ms` included, `end_ms` not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Month {
    pub start_ms: i64,
    pub end_ms: i64,
}

impl Month {
    /// The month that `at_ms` lies in.
    pub fn of(at_ms: i64) -> Self {
        Self { start_ms: month_start(at_ms), end_ms: next_month(at_ms) }
    }

    pub fn contains(&self, at_ms: i64) -> bool {
        (self.start_ms..self.end_ms).contains(&at_ms)
    }

    /// The instant it is over, RFC 3339.
    pub fn end(&self) -> String {
        rfc_3339(self.end_ms)
    }

    /// `2026-11`.
    pub fn name(&self) -> String {
        rfc_3339(self.start_ms).chars().take(7).collect()
    }
}

/// So many minutes, or so much money, of a month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Minutes as they are billed, free ones included.
    Minutes(i64),
    /// `currency` is ISO 4217.
    Cost { amount: Decimal, currency: String },
}

impl Amount {
    /// What `standing` has of it: minutes, or the cost in this amount's currency.
    pub fn figure_in(&self, standing: &Standing) -> Decimal {
        match self {
            Self::Minutes(_) => standing.billed_minutes.into(),
            Self::Cost { currency, .. } => {
                let of_currency = standing.costs.iter().filter(|(of, _)| of == currency);
                of_currency.fold(Decimal::ZERO, |sum, (_, cost)| sum.saturating_add(*cost))
            }
        }
    }

    /// Whether `standing` has as much, or more.
    pub fn is_reached_by(&self, standing: &Standing) -> bool {
        self.figure_in(standing) >= self.number()
    }

    /// The number alone.
    pub fn number(&self) -> Decimal {
        match self {
            Self::Minutes(minutes) => (*minutes).into(),
            Self::Cost { amount, .. } => amount.normalize(),
        }
    }

    /// `minutes`, or the currency.
    pub fn unit(&self) -> &str {
        match self {
            Self::Minutes(_) => "minutes",
            Self::Cost { currency, .. } => currency,
        }
    }

    /// Names the amount: equal ones alike, however they were written.
    pub fn key(&self) -> String {
        format!("{}-{}", self.unit(), self.number())
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.number(), self.unit())
    }
}

/// A cap that a tenant has reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the cap of {cap} a month is reached: {figure} {} are billed; new sessions start again at {}", .cap.unit(), .month.end())]
pub struct CapReached {
    pub cap: Amount,
    /// What is billed of it, in its unit.
    pub figure: Decimal,
    /// The month it counts in; the next one frees.
    pub month: Month,
}

/// Which tenants have reached a cap, as far as was last looked: in memory, so that who asks waits for nothing.
#[derive(Debug, Default)]
pub struct CapBoard {
    reached: RwLock<HashMap<String, CapReached>>,
}

impl CapBoard {
    /// What was found when `tenant` was looked at.
    pub fn note(&self, tenant: &str, reached: Option<CapReached>) {
        let mut board = self.reached.write();
        match reached {
            Some(reached) => drop(board.insert(tenant.to_owned(), reached)),
            None => drop(board.remove(tenant)),
        }
    }

    /// The cap that `tenant` has reached in the month of `now_ms`.
    pub fn reached(&self, tenant: &str, now_ms: i64) -> Option<CapReached> {
        self.reached.read().get(tenant).filter(|reached| reached.month.contains(now_ms)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T16:00:00Z
    const NOW_MS: i64 = 1_795_363_200_000;

    fn standing() -> Standing {
        let euros = Decimal::new(1250, 2);
        Standing { billed_minutes: 100, costs: vec![("EUR".into(), euros)], ..Standing::default() }
    }

    fn cost(amount: &str, currency: &str) -> Amount {
        Amount::Cost { amount: amount.parse().unwrap(), currency: currency.into() }
    }

    #[test]
    fn months_are_the_calendars_in_utc() {
        let month = Month::of(NOW_MS);
        assert_eq!(
            (rfc_3339(month.start_ms), month.end()),
            ("2026-11-01T00:00:00Z".into(), "2026-12-01T00:00:00Z".into())
        );
        assert_eq!(month.name(), "2026-11");
        assert!(month.contains(month.start_ms) && !month.contains(month.end_ms));
        assert_eq!(Month::of(month.end_ms).start_ms, month.end_ms);
        assert_eq!(Month::of(month.end_ms - 1), month);
        let february = Month::of(1_709_200_000_000);
        assert_eq!((february.end_ms - february.start_ms) / 86_400_000, 29, "2024");
    }

    #[test]
    fn an_amount_is_reached_to_the_last_digit_and_in_its_own_currency() {
        assert!(Amount::Minutes(100).is_reached_by(&standing()) && !Amount::Minutes(101).is_reached_by(&standing()));
        assert!(cost("12.5", "EUR").is_reached_by(&standing()));
        assert!(!cost("12.5000000001", "EUR").is_reached_by(&standing()));
        assert!(!cost("0.01", "USD").is_reached_by(&standing()));
        assert_eq!(cost("12.50", "EUR").key(), cost("12.5", "EUR").key());
        assert_ne!(cost("12.5", "EUR").key(), cost("12.5", "USD").key());
    }

    #[test]
    fn the_board_frees_with_the_month() {
        let board = CapBoard::default();
        assert_eq!(board.reached("acme", NOW_MS), None);
        let month = Month::of(NOW_MS);
        let reached = CapReached { cap: Amount::Minutes(100), figure: 103.into(), month };
        assert_eq!(
            reached.to_string(),
            "the cap of 100 minutes a month is reached: 103 minutes are billed; new sessions start again at 2026-12-01T00:00:00Z"
        );
        board.note("acme", Some(reached.clone()));
        assert_eq!(board.reached("acme", NOW_MS), Some(reached));
        assert_eq!(board.reached("other", NOW_MS), None);
        assert_eq!(board.reached("acme", month.end_ms), None);
        board.note("acme", None);
        assert_eq!(board.reached("acme", NOW_MS), None);
    }
}
