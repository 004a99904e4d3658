//! Tariffs: what tenants pay.

use rust_decimal::Decimal;

use super::Tenant;
use super::reader::{Table, Value};
use crate::usage::{Price, PriceBook, PriceList, Rounding, SlateTerms, Tariff, VolumeStep};

const HOUR_MS: i64 = 3_600_000;

const VALID_FROM: &str =
    "a day or a whole hour (RFC 3339, UTC) is allowed, as in \"2026-12-01\" or \"2026-12-01T06:00:00Z\"";
const CURRENCY: &str = "three capital letters of ISO 4217 are allowed, as in \"EUR\"";
const ROUNDING: &str = "\"started_minute\" (each session's started minutes) or \"sum_then_ceil\" (seconds of all sessions summed \
                        over the month and rounded up once) is allowed";
const SLATE: &str =
    "\"billed\", \"all_off_free\" (seconds with every game off are free) or \"any_off_free\" is allowed";
const AMOUNT: &str = "a decimal number in quotes is allowed, as in \"0.004\"";

/// Every tenant's tariffs: those that name it, or, where none does, those that name nobody.
pub(super) fn read_all(root: &mut Table, tenants: &[Tenant]) -> PriceBook {
    let items = root.items("tariffs", "write each as [[tariffs]]");
    let mut read: Vec<(Option<String>, Tariff)> = Vec::new();
    for item in items {
        let Some((tenant, tariff)) = read_one(&item, tenants) else { continue };
        let is_there =
            |(of, other): &&(Option<String>, Tariff)| *of == tenant && other.valid_from_ms == tariff.valid_from_ms;
        if read.iter().find(is_there).is_some() {
            item.refuse("another tariff is valid from the same hour", "one from each hour is allowed for a tenant");
            continue;
        }
        match tariff.check() {
            Ok(()) => read.push((tenant, tariff)),
            Err(error) => item.refuse(error.to_string(), "see [[tariffs]] in docs/configuration.md"),
        }
    }
    let of = |tenant: Option<&str>| -> Vec<Tariff> {
        let own = read.iter().filter(|(of, _)| of.as_deref() == tenant);
        own.map(|(_, tariff)| tariff.clone()).collect()
    };
    PriceBook::new(tenants.iter().map(|tenant| {
        let own = of(Some(&tenant.id));
        let list = if own.is_empty() { of(None) } else { own };
        // Each was checked, and none is valid from the hour of another.
        (tenant.id.clone(), PriceList::new(list).unwrap_or_default())
    }))
}

fn read_one(item: &Value, tenants: &[Tenant]) -> Option<(Option<String>, Tariff)> {
    let mut table = item.table()?;
    let tenant = table.optional("tenant").and_then(|v| {
        let known = tenants.iter().map(|t| t.id.as_str()).collect::<Vec<_>>().join(", ");
        v.parsed(&format!("one of the tenants is allowed: {known}"), |text| {
            let found = tenants.iter().find(|t| t.id == text).map(|t| t.id.clone());
            found.ok_or_else(|| format!("there is no tenant {text:?}"))
        })
    });
    let valid_from_ms = table.optional("valid_from").and_then(|v| v.parsed(VALID_FROM, hour));
    let currency = table.required("currency", CURRENCY).and_then(|v| v.text(CURRENCY));
    let rounding = table.optional("rounding").and_then(|v| v.parsed(ROUNDING, rounding));
    let free_minutes = table.optional("free_minutes").and_then(|v| v.whole(0..=u32::MAX, "minutes a month"));
    let slate = table.optional("slate").and_then(|v| v.parsed(SLATE, slate));
    let prices = table.items("prices", "write each as [[tariffs.prices]]");
    let prices = prices.iter().map(read_price).collect::<Vec<_>>();
    let steps = table.items("steps", "write each as [[tariffs.steps]]");
    let steps = steps.iter().map(read_step).collect::<Vec<_>>();
    table.finish();
    let tariff = Tariff {
        valid_from_ms: valid_from_ms.unwrap_or(0),
        currency: currency?.to_owned(),
        rounding: rounding.unwrap_or(Rounding::StartedMinute),
        free_minutes: free_minutes.unwrap_or(0).into(),
        slate: slate.unwrap_or_default(),
        // A mistake is noted where it was made; what is left of a list then says nothing of the rest.
        prices: prices.into_iter().collect::<Option<_>>()?,
        steps: steps.into_iter().collect::<Option<_>>()?,
    };
    Some((tenant, tariff))
}

fn read_price(item: &Value) -> Option<Price> {
    let mut table = item.table()?;
    let tier = table.optional("tier").and_then(|v| v.text("the name of a rendition is allowed"));
    let engine = table.optional("engine").and_then(|v| {
        v.parsed("\"stitch\" or \"render\" is allowed", |text| match text {
            "stitch" | "render" => Ok(text.to_owned()),
            _ => Err(format!("there is no engine {text:?}")),
        })
    });
    let games = table.optional("games").and_then(|v| v.whole(1..=4, "games"));
    let output = table.optional("output").and_then(|v| v.boolean());
    let per_minute = table.required("per_minute", AMOUNT).and_then(|v| v.parsed(AMOUNT, Decimal::from_str_exact));
    table.finish();
    Some(Price { tier: tier.map(str::to_owned), engine, games, output, per_minute: per_minute? })
}

fn read_step(item: &Value) -> Option<VolumeStep> {
    let mut table = item.table()?;
    let allowed = "how many minutes of the month come before is needed";
    let above = table.required("above_minutes", allowed).and_then(|v| v.whole(1..=u32::MAX, "minutes"));
    let percent_off = table.required("percent_off", AMOUNT).and_then(|v| v.parsed(AMOUNT, Decimal::from_str_exact));
    table.finish();
    Some(VolumeStep { above_minutes: above?.into(), percent_off: percent_off? })
}

fn hour(text: &str) -> Result<i64, String> {
    let day = || {
        let day: jiff::civil::Date = text.parse().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let instant: Option<jiff::Timestamp> = text.parse().ok();
    let at_ms = instant.or_else(|| day().filter(|_| text.len() == 10)).map(jiff::Timestamp::as_millisecond);
    match at_ms {
        None => Err(format!("{text:?} is not a time")),
        Some(at_ms) if at_ms % HOUR_MS != 0 => Err(format!("{text:?} is not a whole hour")),
        Some(at_ms) => Ok(at_ms),
    }
}

fn rounding(text: &str) -> Result<Rounding, String> {
    match text {
        "started_minute" => Ok(Rounding::StartedMinute),
        "sum_then_ceil" => Ok(Rounding::SumThenCeil),
        _ => Err(format!("there is no rounding {text:?}")),
    }
}

fn slate(text: &str) -> Result<SlateTerms, String> {
    match text {
        "billed" => Ok(SlateTerms::Billed),
        "all_off_free" => Ok(SlateTerms::AllOffFree),
        "any_off_free" => Ok(SlateTerms::AnyOffFree),
        _ => Err(format!("there are no terms {text:?}")),
    }
}
