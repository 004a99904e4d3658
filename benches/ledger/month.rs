//! A month of ten million lines, and reports of it. The ledger is made once, through the store and with every hour closed as the
//! service closes them, and kept for the next run; only reading it is measured.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quadrille::store::{LedgerReads, MeterLine, SessionRow, SessionWrite, SqliteLedger, SqliteStore, Store, Watched};
use quadrille::timeline::MediaTime;
use quadrille::usage::{
    Closing, Format, GroupBy, Period, Price, PriceBook, PriceList, Question, Reports, Rounding, SlateTerms, Tariff,
    VolumeStep,
};

/// 2026-11-01T00:00:00Z
const MONTH_MS: i64 = 1_793_491_200_000;
const MINUTE_MS: i64 = 60_000;
const MINUTES: i64 = 30 * 24 * 60;
const LINES: u64 = 10_000_000;
/// Minutes of a session.
const LONG: i64 = 96;
const TENANT: &str = "bench";

fn prices() -> PriceBook {
    let price = |tier: Option<&str>, per_minute: &str| Price {
        tier: tier.map(str::to_owned),
        engine: None,
        games: None,
        output: None,
        per_minute: per_minute.parse().expect("a decimal number"),
    };
    let tariff = Tariff {
        valid_from_ms: 0,
        currency: "EUR".into(),
        rounding: Rounding::StartedMinute,
        free_minutes: 100_000,
        slate: SlateTerms::Billed,
        prices: vec![price(Some("1080p"), "0.0060"), price(None, "0.0040")],
        steps: vec![VolumeStep { above_minutes: 1_000_000, percent_off: "10".parse().expect("a decimal number") }],
    };
    PriceBook::new([(TENANT.to_owned(), PriceList::new(vec![tariff]).expect("a tariff that is right"))])
}

/// One session's row and all its lines.
fn session(n: u64, sessions: u64) -> SessionWrite {
    let spread = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let start = MINUTES as u64 * n / sessions;
    let start_ms = MONTH_MS + (start as i64).min(MINUTES - LONG) * MINUTE_MS;
    let id = format!("{start_ms:012x}{spread:016x}{:04x}", n % 65_536);
    let slots = spread % 4 + 1;
    let watched = Watched {
        engine: if spread.is_multiple_of(10) { "render" } else { "stitch" }.into(),
        layout: ["1", "2EH", "3EL", "4E"][(slots - 1) as usize].into(),
        tier: if spread.is_multiple_of(3) { "540p" } else { "1080p" }.into(),
        games: (0..slots).map(|slot| format!("game-{}", (spread >> (8 * slot)) % 12)).collect(),
        labels: [("box".to_owned(), format!("model-{}", spread % 5))].into(),
    };
    let line = |minute: i64| MeterLine {
        tenant: TENANT.into(),
        session_id: id.clone(),
        minute_start_ms: start_ms + minute * MINUTE_MS,
        billable_seconds: if minute == LONG - 1 { 17 } else { 60 },
        slate_seconds: 0,
        slate_all_seconds: 0,
        watched: watched.clone(),
    };
    let lines = (0..LONG).map(line).collect();
    let session = SessionRow {
        token: format!("{spread:016x}{n:016x}"),
        tenant: TENANT.into(),
        version: 1,
        revision: 1,
        layout: watched.layout.clone(),
        engine_choice: "auto".into(),
        engine: watched.engine.clone(),
        audio: watched.games[0].clone(),
        games: watched.games.clone(),
        labels: BTreeMap::new(),
        device_id: None,
        splices: "{}".into(),
        meter: "{}".into(),
        last_listed: None,
        effective_segment: 0,
        created_ms: start_ms,
        last_seen_ms: start_ms,
        ended_ms: Some(start_ms + LONG * MINUTE_MS),
        end_reason: Some("ended".into()),
        billable_seconds: LONG as u64 * 60 - 43,
        id,
    };
    SessionWrite::whole(session, lines)
}

/// Makes the ledger if it is not there.
async fn made(dir: &Path, lines: u64) {
    let mark = dir.join("whole");
    if mark.exists() {
        return;
    }
    // There may be a part of one from before.
    let _ = std::fs::remove_dir_all(dir);
    let store = Arc::new(SqliteStore::open(dir).await.expect("a store"));
    let sessions = lines.div_ceil(LONG as u64);
    eprintln!("Making a month of {lines} lines (once; some minutes) …");
    let began = Instant::now();
    let numbers: Vec<u64> = (0..sessions).collect();
    for batch in numbers.chunks(200) {
        let writes = batch.iter().map(|n| session(*n, sessions)).collect();
        store.write_sessions(writes).await.expect("sessions are written");
    }
    eprintln!("… booked in {:.0} s; closing its hours …", began.elapsed().as_secs_f64());
    let closing = Closing::new(store.clone(), &[7; 32], prices(), Duration::from_secs(600));
    closing.run(MONTH_MS + MINUTES * MINUTE_MS + 24 * 60 * MINUTE_MS).await.expect("hours are closed");
    prices().register(&*store).await.expect("prices are registered");
    store.close().await.expect("the store is closed");
    std::fs::write(mark, "").expect("a file is written");
    eprintln!("… done after {:.0} s.", began.elapsed().as_secs_f64());
}

/// Reads one report to its end; how long it took and how many bytes it had.
async fn read(reports: &Reports, group_by: &str, format: Format) -> (Duration, usize) {
    let period = Period::parse(Some("2026-11-01"), Some("2026-12-01"), MediaTime::ZERO).expect("a month");
    let group_by = GroupBy::parse(group_by).expect("a grouping");
    let began = Instant::now();
    let mut chunks = reports.write(Question { tenant: TENANT.into(), period, group_by }, format);
    let mut bytes = 0;
    while let Some(chunk) = chunks.recv().await {
        bytes += chunk.expect("the report goes on to its end").len();
    }
    (began.elapsed(), bytes)
}

pub async fn measure(dir: &Path) {
    let lines = std::env::args().find_map(|arg| arg.strip_prefix("--month-lines=")?.parse().ok()).unwrap_or(LINES);
    let dir = dir.join(format!("month-{lines}"));
    made(&dir, lines).await;
    let ledger = SqliteLedger::open(&dir).await.expect("the ledger");
    let tenants = ledger.billed_tenants().await.expect("the ledger's tenants");
    assert_eq!(tenants.len(), 1, "{tenants:?}");
    let reports = Reports::new(Arc::new(ledger), prices(), "Quadrille".into());
    println!("report_month_lines {lines} lines");
    let (took, _) = read(&reports, "day", Format::Json).await;
    println!("report_month_s {:.2} s", took.as_secs_f64());
    let (took, bytes) = read(&reports, "session", Format::Csv).await;
    println!("report_month_by_session_s {:.2} s", took.as_secs_f64());
    assert!(bytes as u64 > lines / 2, "a row a session");
    let (took, _) = read(&reports, "game", Format::Focus).await;
    println!("report_month_by_game_s {:.2} s", took.as_secs_f64());
}
