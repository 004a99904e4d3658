//! What holds of the ledger whatever is booked, in whatever order, by however many, and whenever its hours are closed.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use quadrille::store::{MeterLine, SqliteStore, Store};
use quadrille::timeline::MediaTime;
use quadrille::usage::{Format, GroupBy, Period, PriceBook, Question, Reports};

use crate::support::bookings::{
    Figures, HOUR_MS, MINUTE_MS, START_MS, entries, entries_within, line, open, sums, verify_folder, write,
};

const TENANTS: [&str; 2] = ["acme", "other"];

#[derive(Clone, Debug)]
enum Step {
    Book(MeterLine),
    /// Closes the hours that are due so many hours after the start.
    Close(i64),
}

/// A booking of one of a few minutes in three hours: of two tenants that call their sessions alike.
fn booking() -> impl Strategy<Value = MeterLine> {
    let seconds = (0..=60u32)
        .prop_flat_map(|all| (Just(all), 0..=all))
        .prop_flat_map(|(all, slate)| (Just(all), Just(slate), 0..=slate));
    let minute = prop::sample::select(vec![0i64, 1, 59, 60, 125]);
    (0..2usize, prop::sample::select(vec!["s", "t"]), minute, seconds).prop_map(
        |(tenant, session, minute, (all, slate, slate_all))| MeterLine {
            slate_seconds: slate,
            slate_all_seconds: slate_all,
            ..line(TENANTS[tenant], session, START_MS + minute * MINUTE_MS, all)
        },
    )
}

/// Bookings once, and the same two or three times in any order with hours closed in between.
fn histories() -> impl Strategy<Value = (Vec<MeterLine>, Vec<Step>)> {
    prop::collection::vec(booking(), 1..10).prop_flat_map(|once| {
        let mut steps: Vec<Step> =
            [&once[..], &once, &once[..once.len() / 2]].concat().into_iter().map(Step::Book).collect();
        steps.extend([1, 2, 3].map(Step::Close));
        (Just(once), Just(steps).prop_shuffle())
    })
}

/// The largest figures of each tenant's session and minute.
fn largest<'a>(lines: &'a [MeterLine], tenant: &str) -> BTreeMap<(&'a str, i64), Figures> {
    let mut largest = BTreeMap::new();
    for line in lines.iter().filter(|line| line.tenant == tenant) {
        let kept: &mut Figures = largest.entry((&*line.session_id, line.minute_start_ms)).or_default();
        let figures = [line.billable_seconds, line.slate_seconds, line.slate_all_seconds].map(i64::from);
        kept.iter_mut().zip(figures).for_each(|(kept, figure)| *kept = figure.max(*kept));
    }
    largest
}

/// What reports say of a period.
async fn reported(store: &Arc<SqliteStore>, tenant: &str, from_ms: i64, to_ms: i64) -> i64 {
    let instant = |ms: i64| jiff::Timestamp::from_millisecond(ms).unwrap().to_string();
    let period = Period::parse(Some(&instant(from_ms)), Some(&instant(to_ms)), MediaTime::ZERO).unwrap();
    let reports = Reports::new(store.ledger(), PriceBook::default(), String::new());
    let question = Question { tenant: tenant.to_owned(), period, group_by: GroupBy::Session };
    let (mut chunks, mut text) = (reports.write(question, Format::Json), Vec::new());
    while let Some(chunk) = chunks.recv().await {
        text.extend_from_slice(&chunk.unwrap());
    }
    let report: serde_json::Value = serde_json::from_slice(&text).unwrap();
    report["total_billable_seconds"].as_i64().unwrap()
}

async fn holds(once: Vec<MeterLine>, steps: Vec<Step>, cuts: Vec<i64>) {
    let dir = tempfile::tempdir().unwrap();
    let (store, closing) = open(dir.path()).await;
    let mut sealed = Vec::new();
    for (n, step) in steps.into_iter().enumerate() {
        match step {
            Step::Book(line) => store.write_sessions(vec![write(vec![line], n as i64)]).await.unwrap(),
            Step::Close(hours) => {
                closing.run(START_MS + hours * HOUR_MS + 15 * MINUTE_MS).await.unwrap();
                let closed_until_ms = START_MS + hours * HOUR_MS;
                for tenant in TENANTS {
                    let entries = entries_within(&*store, tenant, 0, closed_until_ms).await;
                    sealed.push((tenant, closed_until_ms, entries));
                }
            }
        }
    }
    for (tenant, closed_until_ms, then) in sealed {
        assert_eq!(entries_within(&*store, tenant, 0, closed_until_ms).await, then, "closed hours stay as they were");
    }
    for tenant in TENANTS {
        let all = entries(&*store, tenant).await;
        assert!(all.iter().all(|entry| entry.tenant == tenant), "another tenant's: {all:?}");
        // A booking of nothing leaves a line in an open hour and no correction: both say the same.
        let some = |sums: BTreeMap<(&str, i64), Figures>| -> BTreeMap<(String, i64), Figures> {
            let some = sums.into_iter().filter(|(_, figures)| *figures != [0; 3]);
            some.map(|((session, minute), figures)| ((session.to_owned(), minute), figures)).collect()
        };
        assert_eq!(some(sums(&all)), some(largest(&once, tenant)));
        // Windows without a gap or an overlap add up to the whole.
        let mut edges: Vec<i64> = cuts.iter().map(|minute| START_MS + minute * MINUTE_MS).collect();
        edges.extend([START_MS - HOUR_MS, START_MS + 6 * HOUR_MS]);
        edges.sort_unstable();
        let mut parts = (Vec::new(), 0);
        for window in edges.windows(2).filter(|window| window[0] < window[1]) {
            parts.0.extend(entries_within(&*store, tenant, window[0], window[1]).await);
            parts.1 += reported(&store, tenant, window[0], window[1]).await;
        }
        assert_eq!(parts.0, all);
        assert_eq!(parts.1, reported(&store, tenant, edges[0], edges[edges.len() - 1]).await);
        assert_eq!(parts.1, all.iter().map(|entry| entry.billable_seconds).sum::<i64>());
    }
    closing.run(START_MS + 6 * HOUR_MS).await.unwrap();
    verify_folder(dir.path()).await.unwrap();
}

proptest! {
    // Each case is a database on the disk.
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn whatever_order_bookings_come_in_and_whenever_hours_are_closed_sums_agree(
        (once, steps) in histories(),
        cuts in prop::collection::vec(-30..330i64, 0..5),
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(holds(once, steps, cuts));
    }
}
