//! Rows in the columns of FOCUS 1.2, the FinOps Open Cost and Usage Specification (focus.finops.org): the 21 that are mandatory,
//! in alphabetical order, and our own with the prefix that it reserves for them.

use super::formats::json;
use super::money::Money;
use super::period::rfc_3339;
use super::pricing::{month_start, next_month};
use super::report::{ReportState, UsageRow};
use super::reports::Question;

/// ISO 4217's code where no currency is involved: of minutes that no tariff prices.
const NO_CURRENCY: &str = "XXX";

pub(super) const COLUMNS: [&str; 33] = [
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "ContractedCost",
    "EffectiveCost",
    "InvoiceIssuerName",
    "ListCost",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "x_BillableSeconds",
    "x_Engine",
    "x_Games",
    "x_GroupBy",
    "x_GroupKey",
    "x_Labels",
    "x_Layout",
    "x_SessionId",
    "x_SlateAllSeconds",
    "x_SlateSeconds",
    "x_State",
    "x_Tier",
];

pub(super) fn fields(question: &Question, provider: &str, row: &UsageRow) -> [String; COLUMNS.len()] {
    let charged = row.charged;
    // A line that corrects one of an earlier month is charged in the month it was booked in, which the question is of.
    let billing_ms = question.period.from.as_millisecond();
    let billing_ms = if charged.corrects_earlier_month { billing_ms } else { charged.from_ms };
    let cost = row.cost.unwrap_or(Money::ZERO).to_string();
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let minute = row.minute.as_ref();
    let group_by = question.group_by.name();
    [
        cost.clone(),
        question.tenant.clone(),
        question.tenant.clone(),
        row.currency.clone().unwrap_or_else(|| NO_CURRENCY.to_owned()),
        rfc_3339(next_month(billing_ms)),
        rfc_3339(month_start(billing_ms)),
        "Usage".to_owned(),
        if charged.corrects_earlier_month { "Correction" } else { "" }.to_owned(),
        format!("Multiview session minutes by {group_by}: {}", row.key()),
        rfc_3339(charged.to_ms),
        rfc_3339(charged.from_ms),
        // What was agreed on: free minutes and volume steps are in it, and nothing else is.
        cost.clone(),
        cost,
        provider.to_owned(),
        charged.list_cost.to_string(),
        row.billed_minutes.to_string(),
        "Minutes".to_owned(),
        provider.to_owned(),
        provider.to_owned(),
        "Media".to_owned(),
        "Multiview".to_owned(),
        row.billable_seconds.to_string(),
        minute.map(|minute| minute.engine.clone()).unwrap_or_default(),
        minute
            .map(|minute| json(&minute.games))
            .or_else(|| row.game.as_ref().map(|game| json(&[game])))
            .unwrap_or_default(),
        group_by,
        row.key().to_owned(),
        minute.map(|minute| json(&minute.labels)).unwrap_or_default(),
        minute.map(|minute| minute.layout.clone()).unwrap_or_else(|| text(&row.layout)),
        text(&row.session_id),
        row.slate_all_seconds.to_string(),
        row.slate_seconds.to_string(),
        if row.state == ReportState::Final { "final" } else { "draft" }.to_owned(),
        minute.map(|minute| minute.tier.clone()).unwrap_or_else(|| text(&row.tier)),
    ]
}
