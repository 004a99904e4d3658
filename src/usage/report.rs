//! What a report says: its rows and totals, as data.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::ToSchema;

use super::money::Money;
use super::period::rfc_3339;
use super::tariff::{MARKET_LABEL, OUTPUT_LABEL};
use crate::store::{Figures, SumKey};

/// What a report's rows stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupBy {
    Session,
    Day,
    Hour,
    /// The lines of the ledger, each with its price.
    Minute,
    Game,
    Layout,
    Tier,
    /// Outputs, by what they show; all sessions of viewers together have the empty key.
    Output,
    /// The markets that sessions were made in; those in none have the empty key.
    Market,
    /// The value that sessions have for this label.
    Label(String),
}

impl GroupBy {
    /// What can be asked for. `rendition` is another name of `tier`.
    pub const OFFERED: [&str; 11] =
        ["session", "day", "hour", "minute", "game", "layout", "tier", "rendition", "output", "market", "label:NAME"];

    /// From the query's text.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "session" => Self::Session,
            "day" => Self::Day,
            "hour" => Self::Hour,
            "minute" => Self::Minute,
            "game" => Self::Game,
            "layout" => Self::Layout,
            "tier" | "rendition" => Self::Tier,
            "output" => Self::Output,
            "market" => Self::Market,
            _ => Self::Label(text.strip_prefix("label:").filter(|name| !name.is_empty())?.to_owned()),
        })
    }

    /// As the answer names it.
    pub fn name(&self) -> String {
        match self {
            Self::Label(name) => format!("label:{name}"),
            named => named.key_name().to_owned(),
        }
    }

    /// The word for it: the grouping's name without a label's.
    pub(super) const fn key_name(&self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Minute => "minute",
            Self::Game => "game",
            Self::Layout => "layout",
            Self::Tier => "tier",
            Self::Output => "output",
            Self::Market => "market",
            Self::Label(_) => "label",
        }
    }

    /// How sums are asked for; minutes are not sums.
    pub(super) fn sum_key(&self) -> Option<SumKey> {
        Some(match self {
            Self::Minute => return None,
            Self::Session => SumKey::Session,
            Self::Day => SumKey::Day,
            Self::Hour => SumKey::Hour,
            Self::Game => SumKey::Game,
            Self::Layout => SumKey::Layout,
            Self::Tier => SumKey::Tier,
            Self::Output => SumKey::Label(OUTPUT_LABEL.to_owned()),
            Self::Market => SumKey::Label(MARKET_LABEL.to_owned()),
            Self::Label(name) => SumKey::Label(name.clone()),
        })
    }
}

/// Whether figures may still change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ReportState {
    /// An hour of it is open.
    Draft,
    /// All its hours are closed: it will say the same for good.
    Final,
}

/// One row of a report. It has the one field that the report is grouped by.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct UsageRow {
    /// By session and by minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub session_id: Option<String>,
    /// `2026-11-22`, UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub day: Option<String>,
    /// Its start (RFC 3339, UTC).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub hour: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub game: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub layout: Option<String>,
    /// Highest rendition that was offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tier: Option<String>,
    /// An output, as `nyk-bos/red`, or with its market `de/nyk-bos/red`; empty: the sessions of viewers.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub output: Option<String>,
    /// The market that its sessions were made in; empty: in none, or before lines told it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub market: Option<String>,
    /// The label's value, empty for sessions without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub label: Option<String>,
    /// What was watched; by minute.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = MinuteRow)]
    pub minute: Option<MinuteRow>,
    pub state: ReportState,
    /// Sessions billed in it; by day, by hour and by market.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sessions: Option<u64>,
    /// First and last billed minute (RFC 3339); by session.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub first_minute: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_minute: Option<String>,
    /// Corrections of earlier periods may outweigh what was watched in this one. By game, a session's seconds count for each of
    /// its games.
    pub billable_seconds: i64,
    /// Of them, those with at least one of the games off.
    pub slate_seconds: i64,
    /// Of those, the ones with every game off.
    pub slate_all_seconds: i64,
    /// Minutes by the contract's rounding, free ones included. By game, they and the cost are shared out among the slots.
    pub billed_minutes: i64,
    /// A decimal number as text. Absent where no tariff was valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub cost: Option<Money>,
    /// ISO 4217.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub currency: Option<String>,
    /// The stretch of time that the row is for, and what it would cost without free minutes and volume steps.
    #[serde(skip)]
    pub(super) charged: Charged,
}

/// What a minute's row says of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct MinuteRow {
    /// RFC 3339, UTC.
    #[schema(required = false)]
    pub minute_start: String,
    #[schema(required = false)]
    pub engine: String,
    #[schema(required = false)]
    pub layout: String,
    #[schema(required = false)]
    pub tier: String,
    #[schema(required = false)]
    pub games: Vec<String>,
    #[schema(required = false)]
    pub labels: BTreeMap<String, String>,
    /// Why it corrects an earlier line, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub correction: Option<String>,
}

/// What FOCUS asks beside a row's own columns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Charged {
    /// Milliseconds of Unix time; the end is not included.
    pub from_ms: i64,
    pub to_ms: i64,
    pub list_cost: Money,
    /// It corrects a line of an earlier month.
    pub corrects_earlier_month: bool,
}

/// A sum of money in one currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct CurrencyCost {
    /// ISO 4217.
    pub currency: String,
    /// A decimal number as text.
    #[schema(value_type = String)]
    pub cost: Money,
}

/// A usage report.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct UsageReport {
    pub from: String,
    pub to: String,
    /// As it was asked for.
    pub group_by: String,
    pub state: ReportState,
    /// Hours that end by then are closed; absent while none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub closed_until: Option<String>,
    pub rows: Vec<UsageRow>,
    pub total_billable_seconds: i64,
    pub total_billed_minutes: i64,
    /// By currency; empty where nothing has a price.
    pub costs: Vec<CurrencyCost>,
}

/// What was billed of a session so far.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = SessionBill)]
pub struct Billed {
    /// `draft` while it may still grow.
    pub state: ReportState,
    pub billable_seconds: i64,
    /// By the contract's rounding, free ones included.
    pub minutes: i64,
    /// By currency; empty where nothing has a price.
    pub costs: Vec<CurrencyCost>,
}

/// What comes before a report's rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Head {
    pub from: String,
    pub to: String,
    pub group_by: String,
    pub state: ReportState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub closed_until: Option<String>,
}

/// What comes after them: sums of the period, each session counted once however it is grouped.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Totals {
    pub billable_seconds: i64,
    pub billed_minutes: i64,
    pub costs: BTreeMap<String, Money>,
}

impl Totals {
    pub fn add(&mut self, currency: &str, figures: &Figures) {
        self.billable_seconds += figures.billable_seconds;
        self.billed_minutes += figures.billed_minutes;
        if !currency.is_empty() {
            *self.costs.entry(currency.to_owned()).or_default() += Money::from_ten_billionths(figures.cost);
        }
    }

    pub fn costs(&self) -> Vec<CurrencyCost> {
        let cost = |(currency, cost): (&String, &Money)| CurrencyCost { currency: currency.clone(), cost: *cost };
        self.costs.iter().map(cost).collect()
    }
}

impl UsageRow {
    /// A row with its figures, and none of the fields that say what it stands for.
    pub(super) fn of(figures: &Figures, currency: &str, state: ReportState, (from_ms, to_ms): (i64, i64)) -> Self {
        let cost = Money::from_ten_billionths(figures.cost);
        let list_cost = Money::from_ten_billionths(figures.list_cost);
        Self {
            session_id: None,
            day: None,
            hour: None,
            game: None,
            layout: None,
            tier: None,
            output: None,
            market: None,
            label: None,
            minute: None,
            state,
            sessions: None,
            first_minute: None,
            last_minute: None,
            billable_seconds: figures.billable_seconds,
            slate_seconds: figures.slate_seconds,
            slate_all_seconds: figures.slate_all_seconds,
            billed_minutes: figures.billed_minutes,
            cost: (!currency.is_empty()).then_some(cost),
            currency: (!currency.is_empty()).then(|| currency.to_owned()),
            charged: Charged { from_ms, to_ms, list_cost, corrects_earlier_month: false },
        }
    }

    /// The text of the field that the report is grouped by; of minutes, their start.
    pub(super) fn key(&self) -> &str {
        let Self { session_id, day, hour, game, layout, tier, output, market, label, .. } = self;
        let keys = [session_id, day, hour, game, layout, tier, output, market, label];
        let minute = self.minute.as_ref().map(|minute| minute.minute_start.as_str());
        minute.or_else(|| keys.into_iter().flatten().map(String::as_str).next()).unwrap_or_default()
    }
}

/// `2026-11-22`, from days of Unix time.
pub(super) fn day_text(days: i64) -> String {
    rfc_3339(days * 86_400_000).chars().take(10).collect()
}
