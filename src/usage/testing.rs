//! A ledger with prices for tests, whose hours are closed by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::store::testing::{session_row, watched};
use crate::store::{MeterLine, SessionWrite, SqliteStore, Store, Watched};
use crate::timeline::MediaTime;
use crate::usage::chain::HOUR_MS;

/// 2026-11-22T16:00:00Z
pub(super) const START_MS: i64 = 1_795_363_200_000;
pub(super) const GRACE: std::time::Duration = std::time::Duration::from_secs(600);

pub(super) fn line(session_id: &str, minute: i64, billable_seconds: u32) -> MeterLine {
    MeterLine {
        tenant: "acme".into(),
        session_id: session_id.into(),
        minute_start_ms: START_MS + minute * 60_000,
        billable_seconds,
        slate_seconds: billable_seconds / 2,
        slate_all_seconds: billable_seconds / 4,
        watched: watched("2EH"),
    }
}

pub(super) async fn book(store: &SqliteStore, lines: Vec<MeterLine>) {
    let writes = lines.into_iter().map(|line| {
        let session = session_row(&line.tenant, &line.session_id);
        SessionWrite::whole(session, vec![line])
    });
    store.write_sessions(writes.collect()).await.unwrap();
}

/// A ledger with prices, whose hours are closed by hand.
pub(super) struct House {
    pub dir: tempfile::TempDir,
    pub store: Arc<SqliteStore>,
    pub reports: Reports,
}

impl House {
    pub async fn new(list: PriceList) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(dir.path()).await.unwrap());
        let mut house = Self { dir, store: store.clone(), reports: reports(&store, PriceList::default()) };
        house.change_prices(list).await;
        house
    }

    pub async fn with(list: PriceList, lines: Vec<MeterLine>) -> Self {
        let house = Self::new(list).await;
        book(&house.store, lines).await;
        house
    }

    pub async fn change_prices(&mut self, list: PriceList) {
        self.reports = reports(&self.store, list);
        self.reports.prices.register(&*self.store).await.unwrap();
    }

    /// Closes what is over when `minute` minutes have passed since the start.
    pub async fn close(&self, minute: i64) {
        let closing = Closing::new(self.store.clone(), &[7; 32], self.reports.prices.clone(), GRACE);
        closing.run(START_MS + minute * 60_000).await.unwrap();
    }

    pub async fn text(&self, from: &str, to: &str, group_by: &str, format: Format) -> String {
        let question =
            Question { tenant: "acme".into(), period: period(from, to), group_by: GroupBy::parse(group_by).unwrap() };
        let mut chunks = self.reports.write(question, format);
        let mut text = Vec::new();
        while let Some(chunk) = chunks.recv().await {
            text.extend_from_slice(&chunk.unwrap());
        }
        String::from_utf8(text).unwrap()
    }

    pub async fn json(&self, from: &str, to: &str, group_by: &str) -> serde_json::Value {
        serde_json::from_str(&self.text(from, to, group_by, Format::Json).await).unwrap()
    }

    /// A report without what closing may change: whether it is final.
    pub async fn figures(&self, from: &str, to: &str, group_by: &str) -> serde_json::Value {
        let mut report = self.json(from, to, group_by).await;
        for row in report["rows"].as_array_mut().unwrap() {
            row.as_object_mut().unwrap().remove("state");
        }
        let report = report.as_object_mut().unwrap();
        report.remove("state");
        report.remove("closed_until");
        report.clone().into()
    }
}

pub(super) fn reports(store: &SqliteStore, list: PriceList) -> Reports {
    Reports::new(store.ledger(), PriceBook::new([("acme".to_owned(), list)]), "Mosaic Ltd".into())
}

pub(super) fn period(from: &str, to: &str) -> Period {
    Period::parse(Some(from), Some(to), MediaTime::ZERO).unwrap()
}

pub(super) fn tariff(valid_from_ms: i64, rounding: Rounding, per_minute: &str) -> Tariff {
    Tariff {
        valid_from_ms,
        currency: "EUR".into(),
        rounding,
        free_minutes: 0,
        slate: SlateTerms::Billed,
        prices: vec![Price {
            tier: None,
            engine: None,
            games: None,
            output: None,
            per_minute: per_minute.parse().unwrap(),
        }],
        steps: vec![],
    }
}

pub(super) fn list(tariffs: Vec<Tariff>) -> PriceList {
    PriceList::new(tariffs).unwrap()
}

fn labels(number: i64, market: &str) -> BTreeMap<String, String> {
    [("box".to_owned(), number.to_string()), (MARKET_LABEL.to_owned(), market.to_owned())].into()
}

/// One evening: four sessions that change what they watch, in several hours.
pub(super) fn evening() -> Vec<MeterLine> {
    let mut lines = Vec::new();
    for minute in 0..200i64 {
        for (session, offset) in [("s1", 0), ("s2", 7), ("s3", 59), ("s4", 130)] {
            if minute < offset || (session == "s2" && (60..120).contains(&minute)) {
                continue;
            }
            let games: &[&str] = match (minute + offset) / 45 % 3 {
                0 => &["a", "b"],
                1 => &["a", "b", "c"],
                _ => &["d", "d", "a", "b"],
            };
            let watched = Watched {
                layout: format!("{}E", games.len()),
                tier: if session == "s3" { "540p" } else { "1080p" }.into(),
                engine: if minute % 50 < 25 { "stitch" } else { "render" }.into(),
                games: games.iter().map(|game| (*game).to_owned()).collect(),
                labels: match session {
                    "s4" => [].into(),
                    "s2" => labels(offset, "fr"),
                    _ => labels(offset, "de"),
                },
            };
            let seconds = u32::try_from((minute * 7 + offset) % 61).unwrap();
            lines.push(MeterLine { watched, ..line(session, minute, seconds) });
        }
    }
    lines
}

pub(super) fn contract(rounding: Rounding) -> PriceList {
    let price = |tier: Option<&str>, engine: Option<&str>, games, per_minute: &str| Price {
        tier: tier.map(str::to_owned),
        engine: engine.map(str::to_owned),
        games,
        output: None,
        per_minute: per_minute.parse().unwrap(),
    };
    let first = Tariff {
        free_minutes: 50,
        slate: SlateTerms::AllOffFree,
        prices: vec![
            price(Some("1080p"), Some("stitch"), Some(3), "0.004321"),
            price(Some("1080p"), None, None, "0.01"),
            price(None, None, None, "0.000007"),
        ],
        steps: vec![
            VolumeStep { above_minutes: 120, percent_off: "12.34".parse().unwrap() },
            VolumeStep { above_minutes: 300, percent_off: "50".parse().unwrap() },
        ],
        ..tariff(0, rounding, "1")
    };
    let later = Tariff { currency: "USD".into(), ..tariff(START_MS + 2 * HOUR_MS, rounding, "0.5") };
    list(vec![first, later])
}
