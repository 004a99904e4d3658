//! Amounts of money, exact: no floats anywhere.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

/// Decimals of an amount: six of a price per minute and four of a discount's factor, so that nothing is ever rounded.
pub(super) const SCALE: u32 = 10;
/// Decimals that a price per minute may have.
pub(super) const PRICE_DECIMALS: u32 = 6;

/// An amount in some currency, in ten-billionths of its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money(i128);

impl Money {
    pub const ZERO: Self = Self(0);

    pub const fn from_ten_billionths(amount: i128) -> Self {
        Self(amount)
    }

    pub const fn ten_billionths(self) -> i128 {
        self.0
    }

    /// As a decimal number, without trailing zeros. Saturates at what a decimal number can hold (over 10^18).
    pub fn to_decimal(self) -> Decimal {
        let decimal = Decimal::try_from_i128_with_scale(self.0, SCALE);
        decimal.unwrap_or(if self.0 < 0 { Decimal::MIN } else { Decimal::MAX }).normalize()
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_decimal().fmt(f)
    }
}

impl Add for Money {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Sub for Money {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0 - other.0)
    }
}

impl AddAssign for Money {
    fn add_assign(&mut self, other: Self) {
        self.0 += other.0;
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// As a text: numbers of JSON are floats to many readers.
impl Serialize for Money {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut decimal = <Decimal as Deserialize>::deserialize(deserializer)?;
        decimal.rescale(SCALE);
        Ok(Self(decimal.mantissa()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_and_read_to_the_last_digit() {
        for (amount, text) in [(0, "0"), (1, "0.0000000001"), (-25_000_000_000, "-2.5"), (40_000_000, "0.004")] {
            let money = Money::from_ten_billionths(amount);
            assert_eq!(money.to_string(), text);
            let json = serde_json::to_string(&money).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<Money>(&json).unwrap(), money);
        }
    }
}
