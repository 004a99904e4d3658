use proptest::prelude::*;

use super::*;
use crate::store::testing::watched;
use crate::store::{MeterLine, Watched};
use crate::timeline::MediaTime;
use crate::usage::testing::*;
use crate::usage::{Format, MonthWatch, PriceList, QuoteItem, QuoteRequest, Rounding, SlateTerms, Standings};

#[tokio::test]
async fn a_report_sums_by_session_and_by_day_and_shows_no_other_tenant() {
    let foreign = MeterLine { tenant: "other".into(), session_id: "x".into(), ..line("x", 0, 60) };
    let lines =
        vec![line("s1", 0, 30), line("s1", 1, 60), line("s2", 1, 5), line("s1", 8 * 60, 7), foreign, line("s3", 2, 0)];
    let house = House::with(list(vec![tariff(0, Rounding::StartedMinute, "0.004")]), lines).await;
    assert_eq!(
        house.text("2026-11-22", "2026-11-24", "session", Format::Csv).await,
        "session_id,first_minute,last_minute,state,billable_seconds,slate_seconds,slate_all_seconds,billed_minutes,cost,\
         currency\r\n\
         s1,2026-11-22T16:00:00Z,2026-11-23T00:00:00Z,draft,97,48,23,2,0.008,EUR\r\n\
         s2,2026-11-22T16:01:00Z,2026-11-22T16:01:00Z,draft,5,2,1,1,0.004,EUR\r\n"
    );
    house.close(2 * 60).await;
    assert_eq!(
        house.json("2026-11-22", "2026-11-24", "day").await,
        serde_json::json!({
            "from": "2026-11-22T00:00:00Z", "to": "2026-11-24T00:00:00Z", "group_by": "day", "state": "draft",
            "closed_until": "2026-11-22T17:00:00Z",
            "rows": [
                {"day": "2026-11-22", "state": "draft", "sessions": 2, "billable_seconds": 95, "slate_seconds": 47,
                    "slate_all_seconds": 23, "billed_minutes": 3, "cost": "0.012", "currency": "EUR"},
                {"day": "2026-11-23", "state": "draft", "sessions": 1, "billable_seconds": 7, "slate_seconds": 3,
                    "slate_all_seconds": 1, "billed_minutes": 0, "cost": "0", "currency": "EUR"},
            ],
            "total_billable_seconds": 102, "total_billed_minutes": 3,
            "costs": [{"currency": "EUR", "cost": "0.012"}],
        })
    );
    house.close(20 * 60).await;
    assert_eq!(
        house.text("2026-11-22", "2026-11-24", "day", Format::Csv).await,
        "day,sessions,state,billable_seconds,slate_seconds,slate_all_seconds,billed_minutes,cost,currency\r\n\
         2026-11-22,2,final,95,47,23,3,0.012,EUR\r\n2026-11-23,1,draft,7,3,1,0,0,EUR\r\n"
    );
    assert_eq!(house.json("2026-11-22", "2026-11-23T01:00:00Z", "hour").await["state"], "final");
    assert_eq!(
        house.json("2026-11-25", "2026-11-26", "session").await["rows"],
        serde_json::json!([]),
        "an empty period has no rows"
    );
}

const GROUPS: [&str; 9] = ["session", "day", "hour", "minute", "game", "layout", "tier", "market", "label:box"];

#[tokio::test]
async fn closing_an_hour_changes_no_figure_however_it_is_grouped() {
    for rounding in [Rounding::StartedMinute, Rounding::SumThenCeil] {
        let house = House::with(contract(rounding), evening()).await;
        let windows = [("2026-11-22", "2026-11-23"), ("2026-11-22T16:00:00Z", "2026-11-22T19:00:00Z")];
        let mut before = Vec::new();
        for group_by in GROUPS {
            for (from, to) in windows {
                before.push(house.figures(from, to, group_by).await);
            }
        }
        for minute in [75, 140, 1000] {
            house.close(minute).await;
            let mut known = before.iter();
            for group_by in GROUPS {
                for (from, to) in windows {
                    assert_eq!(
                        house.figures(from, to, group_by).await,
                        *known.next().unwrap(),
                        "{group_by} at {minute}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn a_market_has_its_sessions_whichever_of_its_hours_are_closed() {
    let mut lines = evening();
    // Begun by a version whose lines told no market, and gone on with by this one.
    // And one that watched nothing, which is in no row and in no count.
    lines.extend([line("s6", 3, 0), line("s5", 3, 10), line("s5", 70, 20)]);
    if let Some(last) = lines.last_mut() {
        last.watched.labels.insert(MARKET_LABEL.to_owned(), "fr".to_owned());
    }
    let house = House::with(PriceList::default(), lines).await;
    let period = period("2026-11-22", "2026-11-23");
    for minute in [0, 75, 140, 1000] {
        house.close(minute).await;
        let question = Question { tenant: "acme".into(), period, group_by: GroupBy::Market };
        let report = house.reports.gathered(question).await.unwrap();
        let told: Vec<_> = report.rows.iter().map(|row| (row.market.as_deref(), row.sessions)).collect();
        let expected = [(Some(""), Some(2)), (Some("de"), Some(2)), (Some("fr"), Some(2))];
        assert_eq!(told, expected, "closed at {minute}");
        let seconds: i64 = report.rows.iter().map(|row| row.billable_seconds).sum();
        assert_eq!((seconds, report.group_by.as_str()), (report.total_billable_seconds, "market"));
        let csv = house.text("2026-11-22", "2026-11-23", "market", Format::Csv).await;
        assert!(csv.starts_with("market,sessions,state,billable_seconds"), "{csv}");
    }
}

#[tokio::test]
async fn a_devices_label_is_no_formula_in_any_table() {
    let formula = "=HYPERLINK(\"http://x\",\"y\")";
    let mut odd = line("s1", 0, 30);
    odd.watched.labels.insert("box".to_owned(), formula.to_owned());
    odd.watched.layout = "+1+1".to_owned();
    let house = House::with(list(vec![tariff(0, Rounding::StartedMinute, "0.004")]), vec![odd]).await;
    for closed in [false, true] {
        for group_by in GROUPS {
            for format in [Format::Csv, Format::Focus] {
                let text = house.text("2026-11-22", "2026-11-23", group_by, format).await;
                let mut table = csv::Reader::from_reader(text.as_bytes());
                for cell in
                    table.records().flat_map(|record| record.unwrap().iter().map(str::to_owned).collect::<Vec<_>>())
                {
                    assert!(!cell.starts_with(['=', '+']), "{group_by}, closed: {closed}: {cell}");
                }
                let is_there = text.contains("'=HYPERLINK") || group_by != "label:box";
                assert!(is_there && (text.contains("'+1+1") || group_by != "layout"), "{text}");
            }
        }
        house.close(2 * 60).await;
    }
    let told = house.json("2026-11-22", "2026-11-23", "label:box").await;
    assert_eq!(told["rows"][0]["label"], formula, "JSON tells texts as they are");
}

fn decimal(value: &serde_json::Value) -> rust_decimal::Decimal {
    value.as_str().unwrap().parse().unwrap()
}

/// What a report's rows come to: minutes, and cost by currency.
fn sums(report: &serde_json::Value) -> (i64, BTreeMap<String, rust_decimal::Decimal>) {
    let (mut minutes, mut costs) = (0, BTreeMap::new());
    for row in report["rows"].as_array().unwrap() {
        minutes += row["billed_minutes"].as_i64().unwrap();
        if let Some(currency) = row["currency"].as_str() {
            *costs.entry(currency.to_owned()).or_default() += decimal(&row["cost"]);
        }
    }
    (minutes, without_nothing(costs))
}

/// Minutes that cost nothing have a currency or no row at all.
fn without_nothing(mut costs: BTreeMap<String, rust_decimal::Decimal>) -> BTreeMap<String, rust_decimal::Decimal> {
    costs.retain(|_, cost| !cost.is_zero());
    costs
}

fn totals(report: &serde_json::Value) -> (i64, BTreeMap<String, rust_decimal::Decimal>) {
    let cost = |cost: &serde_json::Value| (cost["currency"].as_str().unwrap().to_owned(), decimal(&cost["cost"]));
    let costs = report["costs"].as_array().unwrap().iter().map(cost);
    (report["total_billed_minutes"].as_i64().unwrap(), without_nothing(costs.collect()))
}

#[tokio::test]
async fn rows_add_up_to_the_total_to_the_last_digit_however_they_are_grouped() {
    let house = House::with(contract(Rounding::StartedMinute), evening()).await;
    house.close(140).await;
    let whole = totals(&house.json("2026-11-22", "2026-11-23", "day").await);
    assert!(whole.0 > 200 && whole.1.len() == 2, "{whole:?}");
    for group_by in GROUPS {
        let report = house.json("2026-11-22", "2026-11-23", group_by).await;
        assert_eq!(sums(&report), whole, "{group_by}");
        assert_eq!(totals(&report), whole, "{group_by}");
    }
    let by_game = house.json("2026-11-22", "2026-11-23", "game").await;
    let seconds: i64 =
        by_game["rows"].as_array().unwrap().iter().map(|r| r["billable_seconds"].as_i64().unwrap()).sum();
    assert!(seconds > by_game["total_billable_seconds"].as_i64().unwrap(), "each game has the seconds of its sessions");
    let focus = house.text("2026-11-22", "2026-11-23", "minute", Format::Focus).await;
    let mut csv = csv::Reader::from_reader(focus.as_bytes());
    let mut billed: BTreeMap<String, rust_decimal::Decimal> = BTreeMap::new();
    for record in csv.records() {
        let record = record.unwrap();
        *billed.entry(record[3].to_owned()).or_default() += record[0].parse::<rust_decimal::Decimal>().unwrap();
    }
    assert_eq!(billed, whole.1);
}

/// Prices by the words of the contract alone: every session's seconds in their order, each minute of the month in its.
fn recount(mut lines: Vec<MeterLine>, list: &PriceList) -> (i64, BTreeMap<String, rust_decimal::Decimal>) {
    lines.sort_by_key(|line| (line.minute_start_ms, line.session_id.clone()));
    let (mut minutes, mut costs) = (0, BTreeMap::new());
    let mut sessions: BTreeMap<String, u32> = BTreeMap::new();
    for line in lines {
        let tariff = list.at(line.minute_start_ms).unwrap();
        let price = &tariff.prices[tariff.price_of(&line.watched).unwrap()];
        let sum = costs.entry(tariff.currency.clone()).or_default();
        let free = if tariff.slate == SlateTerms::AllOffFree { line.slate_all_seconds } else { 0 };
        for _ in free..line.billable_seconds {
            let seconds = sessions.entry(line.session_id.clone()).or_default();
            *seconds += 1;
            if *seconds % 60 != 1 {
                continue;
            }
            // This second starts a minute.
            minutes += 1;
            if minutes <= tariff.free_minutes {
                continue;
            }
            let step = tariff.steps.iter().rfind(|step| step.above_minutes < minutes);
            let off = step.map_or(rust_decimal::Decimal::ZERO, |step| step.percent_off);
            *sum += price.per_minute * (rust_decimal::Decimal::ONE_HUNDRED - off) / rust_decimal::Decimal::ONE_HUNDRED;
        }
    }
    (minutes, costs)
}

#[tokio::test]
async fn prices_are_those_of_an_independent_recount() {
    let list = contract(Rounding::StartedMinute);
    let house = House::with(list.clone(), evening()).await;
    house.close(75).await;
    let report = house.json("2026-11-22", "2026-11-23", "session").await;
    assert_eq!(totals(&report), recount(evening(), &list));
}

#[tokio::test]
async fn seconds_summed_over_the_month_are_rounded_up_once() {
    let lines: Vec<_> = (0..10).map(|n| line(&format!("s{n}"), n * 30, 25)).collect();
    let house = House::with(list(vec![tariff(0, Rounding::SumThenCeil, "1")]), lines.clone()).await;
    house.close(200).await;
    // 250 s in ten sessions.
    assert_eq!(house.json("2026-11-22", "2026-11-23", "day").await["total_billed_minutes"], 5);
    let house = House::with(list(vec![tariff(0, Rounding::StartedMinute, "1")]), lines).await;
    assert_eq!(house.json("2026-11-22", "2026-11-23", "day").await["total_billed_minutes"], 10);
}

#[tokio::test]
async fn a_session_that_runs_through_the_clock_minute_is_billed_its_own_minutes() {
    // Sixty seconds in two clock minutes, and in two hours: one minute.
    let house =
        House::with(list(vec![tariff(0, Rounding::StartedMinute, "1")]), vec![line("s", 59, 30), line("s", 60, 30)]);
    let house = house.await;
    for closed_at in [0, 71, 1000] {
        house.close(closed_at).await;
        assert_eq!(house.json("2026-11-22", "2026-11-23", "day").await["total_billed_minutes"], 1, "{closed_at}");
    }
}

#[tokio::test]
async fn a_tariff_change_never_touches_a_closed_period() {
    let mut house = House::with(list(vec![tariff(0, Rounding::StartedMinute, "1")]), evening()).await;
    house.close(140).await;
    let closed = ("2026-11-22T16:00:00Z", "2026-11-22T18:00:00Z");
    let before = house.figures(closed.0, closed.1, "minute").await;
    let open_before = house.json("2026-11-22T18:00:00Z", "2026-11-23", "day").await;
    assert_eq!(house.json(closed.0, closed.1, "minute").await["state"], "final");
    house.change_prices(list(vec![tariff(0, Rounding::SumThenCeil, "1000")])).await;
    assert_eq!(house.figures(closed.0, closed.1, "minute").await, before);
    // Not whole hours either.
    let part = house.json("2026-11-22T16:10:00Z", "2026-11-22T17:20:00Z", "session").await;
    assert!(part["rows"][0]["cost"].as_str().unwrap().parse::<i64>().unwrap() < 100, "{part}");
    let open = house.json("2026-11-22T18:00:00Z", "2026-11-23", "day").await;
    assert!(
        decimal(&open["costs"][0]["cost"])
            > decimal(&open_before["costs"][0]["cost"]) * rust_decimal::Decimal::from(500)
    );
    house.close(1000).await;
    assert_eq!(house.figures(closed.0, closed.1, "minute").await, before);
}

#[tokio::test]
async fn where_no_tariff_is_valid_there_are_minutes_and_no_cost() {
    let house = House::with(PriceList::default(), vec![line("s", 0, 30)]).await;
    let report = house.json("2026-11-22", "2026-11-23", "day").await;
    assert_eq!(report["rows"][0]["billed_minutes"], 1);
    assert_eq!((report["rows"][0].get("cost"), &report["costs"]), (None, &serde_json::json!([])));
    let focus = house.text("2026-11-22", "2026-11-23", "day", Format::Focus).await;
    assert!(focus.contains("\r\n0,acme,acme,XXX,2026-12-01T00:00:00Z,2026-11-01T00:00:00Z,Usage,"), "{focus}");
    let refused = house.reports.quote("acme", &question(1, 60), None, MediaTime::ZERO).await;
    assert_eq!(refused, Err(UsageError::TariffMissing));
}

#[tokio::test]
async fn focus_rows_have_the_mandatory_columns_and_one_billing_period_each() {
    // The last minute of November and the first of December.
    let in_days = (8 * 24 + 8) * 60;
    let lines = vec![line("s", in_days - 1, 60), line("s", in_days, 30)];
    let house = House::with(list(vec![tariff(0, Rounding::StartedMinute, "0.25")]), lines).await;
    let focus = house.text("2026-11-22", "2027-01-01", "session", Format::Focus).await;
    let mut lines = focus.split("\r\n");
    let mandatory = "BilledCost,BillingAccountId,BillingAccountName,BillingCurrency,BillingPeriodEnd,BillingPeriodStart,\
                     ChargeCategory,ChargeClass,ChargeDescription,ChargePeriodEnd,ChargePeriodStart,ContractedCost,\
                     EffectiveCost,InvoiceIssuerName,ListCost,PricingQuantity,PricingUnit,ProviderName,PublisherName,\
                     ServiceCategory,ServiceName,";
    assert!(lines.next().unwrap().starts_with(mandatory));
    let november = "0.25,acme,acme,EUR,2026-12-01T00:00:00Z,2026-11-01T00:00:00Z,Usage,,\
                    Multiview session minutes by session: s,2026-12-01T00:00:00Z,2026-11-22T00:00:00Z,0.25,0.25,Mosaic Ltd,\
                    0.25,1,Minutes,Mosaic Ltd,Mosaic Ltd,Media,Multiview,60,";
    assert!(lines.next().unwrap().starts_with(november), "{focus}");
    let december = lines.next().unwrap();
    assert!(december.starts_with("0.25,acme,acme,EUR,2027-01-01T00:00:00Z,2026-12-01T00:00:00Z,Usage,"), "{december}");
    assert_eq!((lines.next(), lines.next()), (Some(""), None));
    // A period of any length has the months with entries, and an empty one its header.
    let ages = house.text("0001-01-01", "9000-01-01", "session", Format::Focus).await;
    assert_eq!(ages.split("\r\n").count(), 4, "{ages}");
    let empty = house.text("2020-01-01", "2020-01-02", "session", Format::Focus).await;
    assert!(empty.starts_with(mandatory) && empty.split("\r\n").count() == 2, "{empty}");
}

fn question(sessions: u32, seconds_per_session: u32) -> QuoteRequest {
    let item = |tier: &str| QuoteItem {
        sessions,
        seconds_per_session,
        tier: tier.into(),
        engine: "stitch".into(),
        games: 3,
        output: false,
    };
    QuoteRequest {
        items: vec![item("1080p"), item("540p")],
        at: Some("2026-11-22".into()),
        month_to_date: crate::usage::MonthToDate::None,
    }
}

#[tokio::test]
async fn a_late_booking_is_charged_in_the_month_it_was_booked_in() {
    let in_december = (8 * 24 + 20) * 60;
    let house = House::with(list(vec![tariff(0, Rounding::StartedMinute, "0.25")]), vec![line("s", 0, 60)]).await;
    house.close(in_december).await;
    book(&house.store, vec![line("late", 5, 40)]).await;
    for closed_at in [in_december, in_december + 200] {
        house.close(closed_at).await;
        let focus = house.text("2026-11-01", "2027-01-01", "minute", Format::Focus).await;
        let late = focus.split("\r\n").find(|row| row.contains(",late,")).unwrap();
        let charged = "0.25,acme,acme,EUR,2027-01-01T00:00:00Z,2026-12-01T00:00:00Z,Usage,Correction,";
        assert!(late.starts_with(charged), "{late}");
        assert!(late.contains(",2026-11-22T16:06:00Z,2026-11-22T16:05:00Z,"), "{late}");
    }
}

#[tokio::test]
async fn a_quote_is_what_the_same_sessions_are_billed() {
    for rounding in [Rounding::StartedMinute, Rounding::SumThenCeil] {
        let house = House::new(contract(rounding)).await;
        let quote = house.reports.quote("acme", &question(3, 5000), None, MediaTime::ZERO).await.unwrap();
        let mut lines = Vec::new();
        for (session, tier) in
            ["a1", "a2", "a3", "b1", "b2", "b3"].into_iter().zip(["1080p"; 3].into_iter().chain(["540p"; 3]))
        {
            // One after the other, as they are quoted: 5,000 s are 83 minutes and 20 s. All before the second tariff.
            let start = -600 + 100 * i64::try_from(lines.len() / 84).unwrap();
            lines.extend((0..84).map(|minute| {
                let watched = Watched { tier: tier.into(), games: vec!["a".into(); 3], ..watched("3EL") };
                let seconds = if minute == 83 { 20 } else { 60 };
                MeterLine { watched, slate_seconds: 0, slate_all_seconds: 0, ..line(session, start + minute, seconds) }
            }));
        }
        book(&house.store, lines).await;
        let report = house.json("2026-11-22", "2026-11-23", "session").await;
        assert_eq!(
            (quote.billed_minutes, quote.cost.to_string()),
            (report["total_billed_minutes"].as_i64().unwrap(), report["costs"][0]["cost"].as_str().unwrap().to_owned(),)
        );
        assert_eq!(quote.free_minutes, 50);
        let actual = QuoteRequest { month_to_date: crate::usage::MonthToDate::Actual, ..question(1, 60) };
        let now = MediaTime::from_unix_nanos((START_MS as u128) * 1_000_000);
        let later = house.reports.quote("acme", &actual, None, now).await.unwrap();
        assert_eq!((later.minutes_before, later.free_minutes), (quote.billed_minutes, 0));
        let watch = MonthWatch::new(house.reports.clone());
        let standing = watch.standing("acme", START_MS).await.unwrap();
        assert_eq!(standing.billed_minutes, quote.billed_minutes);
        assert_eq!(standing.costs, [("EUR".to_owned(), quote.cost.to_decimal())]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    /// Windows that do not overlap add up to the whole, wherever they are cut and whatever of it is closed.
    #[test]
    fn windows_add_up(cuts in proptest::collection::btree_set(1..210i64, 1..5), closed_at in 0..300i64, sums_up in any::<bool>()) {
        let rounding = if sums_up { Rounding::SumThenCeil } else { Rounding::StartedMinute };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::with(contract(rounding), evening()).await;
            house.close(closed_at).await;
            let at = |minute: i64| rfc_3339(START_MS + minute * 60_000);
            let whole = totals(&house.json(&at(0), &at(210), "tier").await);
            let bounds: Vec<i64> = std::iter::once(0).chain(cuts).chain([210]).collect();
            for group_by in ["session", "day", "game", "minute"] {
                let (mut minutes, mut costs) = (0, BTreeMap::<String, rust_decimal::Decimal>::new());
                for pair in bounds.windows(2) {
                    let report = house.json(&at(pair[0]), &at(pair[1]), group_by).await;
                    let part = totals(&report);
                    assert_eq!(sums(&report), part);
                    minutes += part.0;
                    part.1.into_iter().for_each(|(currency, cost)| *costs.entry(currency).or_default() += cost);
                }
                assert_eq!((minutes, &costs), (whole.0, &whole.1), "{group_by} cut at {bounds:?}");
            }
        });
    }
}

#[tokio::test]
async fn a_report_of_many_sessions_is_paged_through_and_merged_with_what_is_open() {
    let session = |n: usize| format!("session-{n:06}");
    let mut lines: Vec<_> = (0..6000).map(|n| line(&session(n), 0, 60)).collect();
    lines.extend((0..6000).step_by(7).map(|n| line(&session(n), 60, 60)));
    lines.push(line("session-zzz", 60, 60));
    lines.push(line("session-000000a", 60, 60));
    let house = House::with(PriceList::default(), lines).await;
    house.close(80).await;
    let report = house.json("2026-11-22", "2026-11-23", "session").await;
    let rows = report["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &report["total_billable_seconds"]), (6002, &serde_json::json!(60 * (6000 + 858 + 2))));
    let ids: Vec<&str> = rows.iter().map(|row| row["session_id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted());
    assert_eq!((&rows[0]["billable_seconds"], &rows[1]["session_id"]), (&120.into(), &"session-000000a".into()));
}

#[tokio::test]
async fn the_records_of_one_session_are_found_whether_its_hours_are_closed_or_open() {
    let lines: Vec<_> = (0..130).flat_map(|minute| ["s1", "s2", "s3"].map(|s| line(s, minute, 60))).collect();
    let house = House::with(PriceList::default(), lines).await;
    for closed_at in [0, 75, 500] {
        house.close(closed_at).await;
        // Booked late where the hour is closed: a correction.
        book(&house.store, vec![line("s2", -30, u32::try_from(closed_at / 10).unwrap())]).await;
        let (mut seen, mut cursor) = (Vec::new(), None::<String>);
        loop {
            let all = period("2026-11-22", "2026-11-23");
            let page = house.reports.records("acme", all, Some("s2"), cursor.as_deref(), 50).await.unwrap();
            seen.extend(page.records);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
        assert!(seen.iter().all(|record| record.session_id == "s2"));
        let own: Vec<_> =
            seen.iter().filter(|r| r.correction.is_none() && r.minute_start.as_str() >= "2026-11-22T16").collect();
        assert_eq!(own.len(), 130, "closed at {closed_at}");
        assert!(own.is_sorted_by_key(|record| &record.minute_start));
    }
}

#[tokio::test]
async fn a_line_belongs_to_a_period_by_the_start_of_its_minute() {
    let house = House::with(PriceList::default(), vec![line("s", 0, 10), line("s", 1, 20), line("s", 2, 40)]).await;
    let total = |from: &'static str, to: &'static str| {
        let house = &house;
        async move { house.json(from, to, "day").await["total_billable_seconds"].clone() }
    };
    assert_eq!(total("2026-11-22T16:01:00Z", "2026-11-22T16:02:00Z").await, 20);
    assert_eq!(total("2026-11-22T16:00:30Z", "2026-11-22T17:00:00Z").await, 60);
    assert_eq!(total("2026-11-22T18:00:00+02:00", "2026-11-22T16:01:00Z").await, 10, "any offset will do");
}

#[tokio::test]
async fn records_are_walked_page_by_page_without_a_gap_or_a_repetition() {
    let lines: Vec<_> = (0..7).flat_map(|minute| ["s1", "s2", "s3"].map(|s| line(s, minute, 60))).collect();
    let House { reports, .. } = &House::with(PriceList::default(), lines.clone()).await;
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page =
            reports.records("acme", period("2026-11-22", "2026-11-23"), None, cursor.as_deref(), 4).await.unwrap();
        seen.extend(page.records);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<_> = lines.iter().map(|l| (l.session_id.clone(), rfc_3339(l.minute_start_ms), 60)).collect();
    let seen: Vec<_> = seen.into_iter().map(|r| (r.session_id, r.minute_start, r.billable_seconds)).collect();
    assert_eq!(seen, expected);
    let refused = reports.records("acme", period("2026-11-22", "2026-11-23"), None, Some("nonsense"), 4).await;
    assert_eq!(refused, Err(UsageError::CursorInvalid));
}
