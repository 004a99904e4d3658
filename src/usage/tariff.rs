//! Tariffs, as data: what a session minute costs, and from when on.
//!
//! A tenant's tariffs are a list by the instant from which each is valid; a minute is priced by the tariff that was valid when it
//! was watched. Within it, the first price that fits the minute (its tier, engine and number of games) counts. Free minutes
//! and volume steps go by the position of the minute in the tenant's calendar month (UTC), in the order of the ledger.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::money::{Money, PRICE_DECIMALS};
use crate::store::{PriceListRow, StoreError, Watched};

/// Parts of a whole that a discount is told in: percent with two decimals.
const WHOLE: i128 = 10_000;

/// The label that marks minutes of outputs in the ledger; its value says of which: `nyk-bos/red`. No session of a viewer can have it.
pub const OUTPUT_LABEL: &str = "quadrille:output";

/// The label of lines of the ledger that tells the market that their session was made in. Lines of sessions without one, and those that are older than the
/// label, have none.
pub const MARKET_LABEL: &str = "quadrille:market";

/// How seconds become minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Each session's seconds, rounded up to its started minutes.
    StartedMinute,
    /// Seconds of all sessions summed over the month (of each price apart), rounded up once.
    SumThenCeil,
}

/// What becomes of seconds with games off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SlateTerms {
    /// They are billed like others.
    #[default]
    Billed,
    /// Seconds with every game off are free.
    AllOffFree,
    /// Seconds with any game off are free.
    AnyOffFree,
}

/// A price, and the minutes that it is for: those that agree with all that is given here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Price {
    /// Name of the highest rendition that the session was offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// `render` or `stitch`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<String>,
    /// How many games are on the mosaic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub games: Option<u32>,
    /// `true`: of minutes of outputs; `false`: of viewers' sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<bool>,
    /// Of a session minute, at most six decimals.
    #[schema(value_type = String)]
    pub per_minute: Decimal,
}

/// From a number of minutes on, the others of the month cost less.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VolumeStep {
    /// Minutes of the month, free ones included, that come before.
    pub above_minutes: i64,
    /// Taken off every price, in percent with at most two decimals; 0 to 100.
    #[schema(value_type = String)]
    pub percent_off: Decimal,
}

/// One tariff.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tariff {
    /// Milliseconds of Unix time, a whole hour: it prices minutes from then on.
    pub valid_from_ms: i64,
    /// ISO 4217.
    pub currency: String,
    pub rounding: Rounding,
    /// In each calendar month.
    pub free_minutes: i64,
    pub slate: SlateTerms,
    /// The first that fits counts; the last fits everything.
    pub prices: Vec<Price>,
    /// By rising `above_minutes`.
    pub steps: Vec<VolumeStep>,
}

/// What is wrong with a tariff or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TariffError {
    #[error("{given:?} is no currency: three capital letters of ISO 4217 such as \"EUR\" are allowed")]
    Currency { given: String },
    #[error("it has no price: at least one [[tariffs.prices]] with `per_minute` is needed")]
    NoPrice,
    #[error(
        "its last price does not fit every minute: one without `tier`, `engine`, `games` and `output` is needed at the end"
    )]
    LastPrice,
    #[error("a price cannot be {given}: 0 to 1,000,000 with at most six decimals is allowed")]
    PerMinute { given: String },
    #[error("{given} percent cannot be taken off: 0 to 100 with at most two decimals is allowed")]
    PercentOff { given: String },
    #[error("the steps are not in rising order of `above_minutes`")]
    StepOrder,
    #[error("a tariff is valid from a whole hour (UTC)")]
    ValidFrom,
    #[error("two tariffs are valid from the same hour")]
    SameHour,
}

impl Price {
    fn fits(&self, watched: &Watched) -> bool {
        self.tier.as_ref().is_none_or(|tier| *tier == watched.tier)
            && self.engine.as_ref().is_none_or(|engine| *engine == watched.engine)
            && self.games.is_none_or(|games| games as usize == watched.games.len())
            && self.output.is_none_or(|output| output == watched.labels.contains_key(OUTPUT_LABEL))
    }

    /// Millionths of the currency's unit.
    fn millionths(&self) -> i128 {
        let mut price = self.per_minute;
        price.rescale(PRICE_DECIMALS);
        price.mantissa()
    }
}

impl Tariff {
    /// # Errors
    /// What the configuration's reader says of a tariff that is wrong.
    pub fn check(&self) -> Result<(), TariffError> {
        if self.currency.len() != 3 || !self.currency.bytes().all(|b| b.is_ascii_uppercase()) {
            return Err(TariffError::Currency { given: self.currency.chars().take(16).collect() });
        }
        if self.valid_from_ms % 3_600_000 != 0 {
            return Err(TariffError::ValidFrom);
        }
        let last = self.prices.last().ok_or(TariffError::NoPrice)?;
        if last.tier.is_some() || last.engine.is_some() || last.games.is_some() || last.output.is_some() {
            return Err(TariffError::LastPrice);
        }
        for price in &self.prices {
            let given = price.per_minute.normalize();
            if given.is_sign_negative() || given > Decimal::from(1_000_000) || given.scale() > PRICE_DECIMALS {
                return Err(TariffError::PerMinute { given: given.to_string() });
            }
        }
        for step in &self.steps {
            let given = step.percent_off.normalize();
            if given.is_sign_negative() || given > Decimal::ONE_HUNDRED || given.scale() > 2 {
                return Err(TariffError::PercentOff { given: given.to_string() });
            }
        }
        let rising = self.steps.windows(2).all(|pair| pair[0].above_minutes < pair[1].above_minutes);
        if rising { Ok(()) } else { Err(TariffError::StepOrder) }
    }

    /// Which price is for a minute that showed this: its place in the list.
    pub fn price_of(&self, watched: &Watched) -> Option<usize> {
        self.prices.iter().position(|price| price.fits(watched))
    }

    /// Where a month remembers the seconds of a price that are summed before they are rounded.
    pub(super) fn summed_key(&self, price: usize) -> String {
        format!("{}:{price}", self.valid_from_ms)
    }

    /// What the minutes `from..to` of a month cost at a price, without and with free minutes and steps. Backwards it is what
    /// they cost less.
    pub(super) fn cost(&self, price: usize, from: i64, to: i64) -> Cost {
        let Some(price) = self.prices.get(price).map(Price::millionths) else { return Cost::default() };
        Cost {
            list: Money::from_ten_billionths(price * WHOLE * i128::from(to - from)),
            billed: Money::from_ten_billionths(price * (self.weight(to) - self.weight(from))),
        }
    }

    /// The month's first `minutes`, each by the part of its price that is charged.
    fn weight(&self, minutes: i64) -> i128 {
        let (mut weight, mut from, mut factor) = (0, 0, WHOLE);
        let charged = |from: i64, to: i64| i128::from((to - from.max(self.free_minutes)).max(0));
        for step in self.steps.iter().take_while(|step| step.above_minutes < minutes) {
            weight += factor * charged(from, step.above_minutes);
            let mut percent = step.percent_off;
            percent.rescale(2);
            (from, factor) = (step.above_minutes, WHOLE - percent.mantissa());
        }
        weight + factor * charged(from, minutes)
    }

    /// How many of a month's minutes `from..to` are free.
    pub(super) fn free_of(&self, from: i64, to: i64) -> i64 {
        (to.min(self.free_minutes) - from).max(0)
    }
}

/// What minutes cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// Without free minutes and volume steps.
    pub list: Money,
    pub billed: Money,
}

/// The tariffs of one tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PriceList {
    tariffs: Vec<Tariff>,
}

impl PriceList {
    /// # Errors
    /// [`TariffError`] of the first tariff that is wrong, or where two are valid from the same hour.
    pub fn new(mut tariffs: Vec<Tariff>) -> Result<Self, TariffError> {
        tariffs.iter().try_for_each(Tariff::check)?;
        tariffs.sort_by_key(|tariff| tariff.valid_from_ms);
        if tariffs.windows(2).any(|pair| pair[0].valid_from_ms == pair[1].valid_from_ms) {
            return Err(TariffError::SameHour);
        }
        Ok(Self { tariffs })
    }

    pub fn is_empty(&self) -> bool {
        self.tariffs.is_empty()
    }

    /// The tariffs, by the instant from which they are valid.
    pub fn tariffs(&self) -> &[Tariff] {
        &self.tariffs
    }

    /// The tariff that prices a minute watched at `at_ms`.
    pub fn at(&self, at_ms: i64) -> Option<&Tariff> {
        self.tariffs.iter().rfind(|tariff| tariff.valid_from_ms <= at_ms)
    }

    /// As text, and its SHA-256 in hexadecimal: by that a closed hour names the list it was priced by.
    pub(super) fn recorded(&self) -> (String, String) {
        // Plain texts and numbers: this cannot fail.
        let text = serde_json::to_string(self).unwrap_or_default();
        (hex::encode(Sha256::digest(text.as_bytes())), text)
    }

    /// A list that was recorded.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where its text is not what its id is the digest of.
    pub(super) fn of_record(row: &PriceListRow) -> Result<Self, StoreError> {
        let PriceListRow { tenant, id, tariffs } = row;
        if hex::encode(Sha256::digest(tariffs.as_bytes())) != *id {
            return Err(StoreError::Damaged(format!(
                "the price list {id} of {tenant} was changed after it was recorded"
            )));
        }
        serde_json::from_str(tariffs).map_err(|e| StoreError::Failed(format!("the price list {id} of {tenant}: {e}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tariff(free_minutes: i64, steps: &[(i64, &str)]) -> Tariff {
        let steps = steps.iter().map(|(above_minutes, off)| VolumeStep {
            above_minutes: *above_minutes,
            percent_off: off.parse().unwrap(),
        });
        Tariff {
            valid_from_ms: 0,
            currency: "EUR".into(),
            rounding: Rounding::StartedMinute,
            free_minutes,
            slate: SlateTerms::Billed,
            prices: vec![Price {
                tier: None,
                engine: None,
                games: None,
                output: None,
                per_minute: "0.004".parse().unwrap(),
            }],
            steps: steps.collect(),
        }
    }

    fn cost(tariff: &Tariff, from: i64, to: i64) -> String {
        tariff.cost(0, from, to).billed.to_string()
    }

    #[test]
    fn free_minutes_come_first_and_steps_apply_to_what_is_above_them() {
        let plain = tariff(0, &[]);
        assert_eq!(cost(&plain, 0, 1000), "4");
        let free = tariff(100, &[]);
        assert_eq!(cost(&free, 0, 100), "0");
        assert_eq!(cost(&free, 50, 150), "0.2");
        let steps = tariff(100, &[(1000, "10"), (2000, "33.33")]);
        // 900 at 0.004, 1000 at 0.0036, 1000 at 0.0026668
        assert_eq!(cost(&steps, 0, 3000), "9.8668");
        assert_eq!(steps.cost(0, 0, 3000).list.to_string(), "12");
        // A step below the free minutes.
        assert_eq!(cost(&tariff(1000, &[(500, "50")]), 0, 1100), "0.2");
        assert_eq!((free.free_of(50, 150), free.free_of(100, 150)), (50, 0));
    }

    #[test]
    fn parts_of_a_month_add_up_to_the_whole() {
        let tariff = tariff(37, &[(100, "12.5"), (250, "100")]);
        for cut in 0..300 {
            let parts = tariff.cost(0, 0, cut).billed + tariff.cost(0, cut, 300).billed;
            assert_eq!(parts, tariff.cost(0, 0, 300).billed);
        }
    }

    #[test]
    fn the_first_price_that_fits_counts() {
        let price = |tier: Option<&str>, games, per_minute: &str| Price {
            tier: tier.map(str::to_owned),
            engine: None,
            games,
            output: None,
            per_minute: per_minute.parse().unwrap(),
        };
        let prices = vec![price(Some("1080p"), Some(4), "3"), price(Some("1080p"), None, "2"), price(None, None, "1")];
        let tariff = Tariff { prices, ..tariff(0, &[]) };
        let watched = |tier: &str, games: usize| Watched {
            tier: tier.into(),
            games: vec!["a".into(); games],
            ..Watched::default()
        };
        assert_eq!(tariff.price_of(&watched("1080p", 4)), Some(0));
        assert_eq!(tariff.price_of(&watched("1080p", 2)), Some(1));
        assert_eq!(tariff.price_of(&watched("540p", 4)), Some(2));
    }

    #[test]
    fn outputs_may_have_a_price_of_their_own() {
        let price = |output, per_minute: &str| Price {
            tier: None,
            engine: None,
            games: None,
            output,
            per_minute: per_minute.parse().unwrap(),
        };
        let labels = [(OUTPUT_LABEL.to_owned(), "a/red".to_owned())].into();
        let (output, viewer) = (Watched { labels, ..Watched::default() }, Watched::default());
        let of = |prices: Vec<Price>| {
            let tariff = Tariff { prices, ..tariff(0, &[]) };
            (tariff.price_of(&output), tariff.price_of(&viewer))
        };
        assert_eq!(of(vec![price(Some(true), "9"), price(None, "1")]), (Some(0), Some(1)));
        assert_eq!(of(vec![price(Some(false), "9"), price(None, "1")]), (Some(1), Some(0)));
        assert_eq!(of(vec![price(None, "1")]), (Some(0), Some(0)), "without one they cost what sessions cost");
        let last = Tariff { prices: vec![price(Some(true), "9")], ..tariff(0, &[]) };
        assert_eq!(last.check(), Err(TariffError::LastPrice));
        let written = serde_json::to_string(&price(None, "1")).unwrap();
        assert!(!written.contains("output"), "lists of before are recorded as they were: {written}");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let wrong = |change: fn(&mut Tariff)| {
            let mut wrong = tariff(0, &[(10, "1"), (20, "2")]);
            change(&mut wrong);
            PriceList::new(vec![wrong]).unwrap_err().to_string()
        };
        assert!(wrong(|t| t.currency = "euro".into()).contains("ISO 4217"));
        assert!(wrong(|t| t.prices.clear()).contains("no price"));
        assert!(wrong(|t| t.prices[0].games = Some(4)).contains("last price"));
        assert!(wrong(|t| t.prices[0].per_minute = "0.0000001".parse().unwrap()).contains("six decimals"));
        assert!(wrong(|t| t.prices[0].per_minute = "-1".parse().unwrap()).contains("-1"));
        assert!(wrong(|t| t.steps[0].percent_off = "101".parse().unwrap()).contains("101"));
        assert!(wrong(|t| t.steps[1].above_minutes = 10).contains("rising"));
        assert!(wrong(|t| t.valid_from_ms = 1).contains("whole hour"));
        assert_eq!(PriceList::new(vec![tariff(0, &[]), tariff(1, &[])]), Err(TariffError::SameHour));
    }

    #[test]
    fn a_list_is_recorded_by_its_content() {
        let list = PriceList::new(vec![tariff(5, &[(10, "1.50")])]).unwrap();
        let (id, text) = list.recorded();
        assert_eq!(serde_json::from_str::<PriceList>(&text).unwrap(), list);
        assert_eq!(list.recorded().0, id);
        assert_ne!(PriceList::default().recorded().0, id);
    }
}
