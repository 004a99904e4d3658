//! What-if: what sessions would cost.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::money::Money;
use super::period::{UsageError, instant, rfc_3339, timestamp};
use super::pricing::{MonthMark, minutes_up};
use super::reports::Reports;
use super::tariff::{Cost, OUTPUT_LABEL, PriceList, Rounding, Tariff};
use crate::store::Watched;
use crate::timeline::MediaTime;

/// Most items of a quote.
const MAX_ITEMS: usize = 1000;
/// Most sessions of an item, and most seconds of each (a month).
const MAX_SESSIONS: u32 = 1_000_000_000;
const MAX_SECONDS: u32 = 31 * 86_400;

/// What makes mosaics.
const ENGINES: [&str; 2] = ["stitch", "render"];
/// Characters of a wrong name that a refusal repeats.
const REPEATED: usize = 40;

/// Sessions that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuoteItem {
    /// 1 to 1,000,000,000.
    pub sessions: u32,
    /// 1 to 2,678,400 (31 days), none of them with a game off.
    pub seconds_per_session: u32,
    /// Highest rendition offered, as `1080p`: one that there is, or one that the tariff has a price for.
    pub tier: String,
    /// `stitch` when absent, or `render`.
    #[serde(default = "stitch")]
    pub engine: String,
    /// Games on the mosaic, 1 to 4; 4 when absent.
    #[serde(default = "four")]
    pub games: u32,
    /// Whether they are outputs; `games` is 1 then.
    #[serde(default)]
    pub output: bool,
}

fn stitch() -> String {
    "stitch".to_owned()
}

const fn four() -> u32 {
    4
}

/// What the month has behind it when the quoted sessions begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum MonthToDate {
    /// Nothing.
    #[default]
    None,
    /// What the tenant has used in this month so far: free minutes may be used up, volume steps reached.
    Actual,
}

/// What to price.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(examples(json!({ "items": [{ "sessions": 1000, "seconds_per_session": 5400, "tier": "1080p" }] })))]
pub struct QuoteRequest {
    /// 1 to 1000, priced in this order.
    pub items: Vec<QuoteItem>,
    /// When (RFC 3339 or day): decides the tariff. Now when absent.
    pub at: Option<String>,
    #[serde(default)]
    pub month_to_date: MonthToDate,
}

/// An item with its price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct QuoteLine {
    pub sessions: u32,
    pub seconds_per_session: u32,
    pub tier: String,
    pub engine: String,
    pub games: u32,
    /// A decimal number as text.
    #[schema(value_type = String)]
    pub price_per_minute: rust_decimal::Decimal,
    /// By the contract's rounding, free ones included.
    pub billed_minutes: i64,
    pub free_minutes: i64,
    /// A decimal number as text, as all amounts.
    #[schema(value_type = String)]
    pub cost: Money,
}

/// A priced what-if. It binds nobody: what is billed is what is in the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Quote {
    /// ISO 4217.
    pub currency: String,
    pub rounding: Rounding,
    /// From when on the tariff is valid (RFC 3339).
    pub tariff_valid_from: String,
    /// Minutes of the month that came before.
    pub minutes_before: i64,
    pub lines: Vec<QuoteLine>,
    pub billed_minutes: i64,
    pub free_minutes: i64,
    #[schema(value_type = String)]
    pub cost: Money,
    /// Without free minutes and volume steps.
    #[schema(value_type = String)]
    pub list_cost: Money,
}

impl QuoteRequest {
    fn check(&self) -> Result<(), UsageError> {
        if self.items.is_empty() || self.items.len() > MAX_ITEMS {
            let detail = format!("there are {} items; 1 to {MAX_ITEMS} are allowed", self.items.len());
            return Err(UsageError::QuoteInvalid { field: "items".into(), detail, allowed: Vec::new() });
        }
        for (n, item) in self.items.iter().enumerate() {
            let invalid = |field: &str, detail: String, allowed: &[&str]| {
                let allowed = allowed.iter().map(|&name| name.to_owned()).collect();
                Err(UsageError::QuoteInvalid { field: format!("items[{n}].{field}"), detail, allowed })
            };
            let (sessions, seconds, games) = (item.sessions, item.seconds_per_session, item.games);
            if !(1..=MAX_SESSIONS).contains(&sessions) {
                let detail = format!("there are {sessions} sessions; 1 to {MAX_SESSIONS} are allowed");
                return invalid("sessions", detail, &[]);
            }
            if !(1..=MAX_SECONDS).contains(&seconds) {
                let detail = format!("a session has {seconds} seconds; 1 to {MAX_SECONDS} are allowed");
                return invalid("seconds_per_session", detail, &[]);
            }
            if !(1..=4).contains(&games) {
                return invalid("games", format!("there are {games} games; 1 to 4 are allowed"), &[]);
            }
            if !ENGINES.contains(&&*item.engine) {
                let given: String = item.engine.chars().take(REPEATED).collect();
                return invalid(
                    "engine",
                    format!("there is no engine {given:?}; it is one of {}", ENGINES.join(", ")),
                    &ENGINES,
                );
            }
        }
        Ok(())
    }

    /// Whether each item is of a tier that sessions are offered, or that `tariff` has a price of its own for: a contract may be of what another machine offers.
    fn check_tiers(&self, tariff: &Tariff, offered: &[&str]) -> Result<(), UsageError> {
        let mut allowed: Vec<&str> = offered.to_vec();
        let priced = tariff.prices.iter().filter_map(|price| price.tier.as_deref());
        for tier in priced {
            if !allowed.contains(&tier) {
                allowed.push(tier);
            }
        }
        let Some(n) = self.items.iter().position(|item| !allowed.contains(&&*item.tier)) else { return Ok(()) };
        let given: String = self.items[n].tier.chars().take(REPEATED).collect();
        Err(UsageError::QuoteInvalid {
            field: format!("items[{n}].tier"),
            detail: format!("there is no tier {given:?}; there are {}", allowed.join(", ")),
            allowed: allowed.into_iter().map(str::to_owned).collect(),
        })
    }
}

impl Reports {
    /// Prices a what-if for a tenant; `offered` are the tiers that its sessions may have, `None` where nobody knows: beside the service.
    ///
    /// # Errors
    /// [`UsageError::QuoteInvalid`], [`UsageError::TimeInvalid`], [`UsageError::TariffMissing`], or the store's.
    pub async fn quote(
        &self,
        tenant: &str,
        request: &QuoteRequest,
        offered: Option<&[&str]>,
        now: MediaTime,
    ) -> Result<Quote, UsageError> {
        request.check()?;
        let at = match &request.at {
            Some(text) => instant("at", text)?,
            None => timestamp(now.unix_millis()),
        };
        let list = self.prices.of(tenant);
        let tariff = list.at(at.as_millisecond()).ok_or(UsageError::TariffMissing)?;
        offered.map_or(Ok(()), |offered| request.check_tiers(tariff, offered))?;
        let mark = match request.month_to_date {
            MonthToDate::None => MonthMark::default(),
            MonthToDate::Actual => self.month_mark(tenant, now.unix_millis()).await?,
        };
        price(&list, request, at.as_millisecond(), mark)
    }
}

fn price(list: &PriceList, request: &QuoteRequest, at_ms: i64, mark: MonthMark) -> Result<Quote, UsageError> {
    let tariff = list.at(at_ms).ok_or(UsageError::TariffMissing)?;
    let minutes_before = mark.billed_minutes;
    let (mut position, mut summed) = (minutes_before, mark.summed_seconds);
    let mut total = Cost::default();
    let mut lines = Vec::with_capacity(request.items.len());
    for item in &request.items {
        let watched = Watched {
            tier: item.tier.clone(),
            engine: item.engine.clone(),
            games: vec![String::new(); item.games as usize],
            labels: item.output.then(|| (OUTPUT_LABEL.to_owned(), String::new())).into_iter().collect(),
            ..Watched::default()
        };
        let price = tariff.price_of(&watched).ok_or(UsageError::TariffMissing)?;
        let seconds = i64::from(item.seconds_per_session);
        let billed_minutes = match tariff.rounding {
            Rounding::StartedMinute => i64::from(item.sessions) * minutes_up(seconds),
            Rounding::SumThenCeil => {
                let of_price = summed.entry(tariff.summed_key(price)).or_default();
                let before = *of_price;
                *of_price += i64::from(item.sessions) * seconds;
                minutes_up(*of_price) - minutes_up(before)
            }
        };
        let from = position;
        position += billed_minutes;
        let cost = tariff.cost(price, from, position);
        total.list += cost.list;
        total.billed += cost.billed;
        lines.push(QuoteLine {
            sessions: item.sessions,
            seconds_per_session: item.seconds_per_session,
            tier: item.tier.clone(),
            engine: item.engine.clone(),
            games: item.games,
            price_per_minute: tariff.prices[price].per_minute.normalize(),
            billed_minutes,
            free_minutes: tariff.free_of(from, position),
            cost: cost.billed,
        });
    }
    Ok(Quote {
        currency: tariff.currency.clone(),
        rounding: tariff.rounding,
        tariff_valid_from: rfc_3339(tariff.valid_from_ms),
        minutes_before,
        billed_minutes: position - minutes_before,
        free_minutes: lines.iter().map(|line| line.free_minutes).sum(),
        cost: total.billed,
        list_cost: total.list,
        lines,
    })
}
