use super::*;
use crate::store::testing::{session_row, watched};
use crate::store::{MeterLine, SessionWrite, SqliteStore};

/// 2026-11-22T16:00:00Z
const HOUR_MS: i64 = 1_795_363_200_000;

fn line(session_id: &str, minute: i64, billable_seconds: u32) -> MeterLine {
    MeterLine {
        tenant: "acme".into(),
        session_id: session_id.into(),
        minute_start_ms: HOUR_MS + minute * 60_000,
        billable_seconds,
        slate_seconds: billable_seconds / 2,
        slate_all_seconds: billable_seconds / 4,
        watched: watched("2EH"),
    }
}

async fn book(store: &SqliteStore, lines: Vec<MeterLine>) {
    let writes = lines.into_iter().map(|line| {
        let session = session_row(&line.tenant, &line.session_id);
        SessionWrite { session, lines: vec![line], idempotency: None }
    });
    store.write_sessions(writes.collect()).await.unwrap();
}

async fn reports(lines: Vec<MeterLine>) -> (tempfile::TempDir, Reports) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    book(&store, lines).await;
    (dir, Reports::new(Arc::new(store)))
}

fn period(from: &str, to: &str) -> Period {
    Period::parse(Some(from), Some(to), MediaTime::ZERO).unwrap()
}

#[tokio::test]
async fn a_report_sums_by_session_and_by_day_and_shows_no_other_tenant() {
    let foreign = MeterLine { tenant: "other".into(), session_id: "x".into(), ..line("x", 0, 60) };
    let lines = vec![line("s1", 0, 30), line("s1", 1, 60), line("s2", 1, 5), line("s1", 8 * 60, 7), foreign];
    let (_dir, reports) = reports(lines).await;
    let all = period("2026-11-22", "2026-11-24");

    let by_session = reports.report("acme", all, GroupBy::Session).await.unwrap();
    assert_eq!(by_session.total_billable_seconds, 102);
    assert_eq!(
        by_session.to_csv(),
        "session_id,first_minute,last_minute,billable_seconds,billable_minutes\r\n\
         s1,2026-11-22T16:00:00Z,2026-11-23T00:00:00Z,97,1.617\r\n\
         s2,2026-11-22T16:01:00Z,2026-11-22T16:01:00Z,5,0.083\r\n"
    );

    let by_day = reports.report("acme", all, GroupBy::Day).await.unwrap();
    assert_eq!(
        serde_json::to_value(&by_day).unwrap(),
        serde_json::json!({
            "from": "2026-11-22T00:00:00Z", "to": "2026-11-24T00:00:00Z", "group_by": "day",
            "rows": [
                {"day": "2026-11-22", "sessions": 2, "billable_seconds": 95, "billable_minutes": 1.583},
                {"day": "2026-11-23", "sessions": 1, "billable_seconds": 7, "billable_minutes": 0.117},
            ],
            "total_billable_seconds": 102,
        })
    );
    assert_eq!(
        by_day.to_csv(),
        "day,sessions,billable_seconds,billable_minutes\r\n2026-11-22,2,95,1.583\r\n2026-11-23,1,7,0.117\r\n"
    );
}

#[tokio::test]
async fn a_line_belongs_to_a_period_by_the_start_of_its_minute() {
    let (_dir, reports) = reports(vec![line("s", 0, 10), line("s", 1, 20), line("s", 2, 40)]).await;
    let total = |from: &'static str, to: &'static str| {
        let reports = &reports;
        async move { reports.report("acme", period(from, to), GroupBy::Day).await.unwrap().total_billable_seconds }
    };
    assert_eq!(total("2026-11-22T16:01:00Z", "2026-11-22T16:02:00Z").await, 20);
    assert_eq!(total("2026-11-22T16:00:30Z", "2026-11-22T17:00:00Z").await, 60);
    assert_eq!(total("2026-11-22T18:00:00+02:00", "2026-11-22T16:01:00Z").await, 10, "any offset will do");
}

#[tokio::test]
async fn records_are_walked_page_by_page_without_a_gap_or_a_repetition() {
    let lines: Vec<_> = (0..7).flat_map(|minute| ["s1", "s2", "s3"].map(|s| line(s, minute, 60))).collect();
    let (_dir, reports) = reports(lines.clone()).await;
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let page = reports.records("acme", period("2026-11-22", "2026-11-23"), cursor.as_deref(), 4).await.unwrap();
        seen.extend(page.records);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let expected: Vec<_> = lines.iter().map(|l| (l.session_id.clone(), rfc_3339(l.minute_start_ms), 60)).collect();
    let seen: Vec<_> = seen.into_iter().map(|r| (r.session_id, r.minute_start, r.billable_seconds)).collect();
    assert_eq!(seen, expected);
    let refused = reports.records("acme", period("2026-11-22", "2026-11-23"), Some("nonsense"), 4).await;
    assert_eq!(refused, Err(UsageError::CursorInvalid));
}

#[tokio::test]
async fn a_replayed_or_late_booking_never_counts_twice_nor_takes_back() {
    let (_dir, reports) = reports(vec![line("s", 0, 10)]).await;
    for seconds in [20, 20, 15, 60, 3] {
        let writes = vec![SessionWrite {
            session: session_row("acme", "s"),
            lines: vec![line("s", 0, seconds)],
            idempotency: None,
        }];
        reports.store.write_sessions(writes).await.unwrap();
    }
    let report = reports.report("acme", period("2026-11-22", "2026-11-23"), GroupBy::Session).await.unwrap();
    assert_eq!(report.total_billable_seconds, 60);
}

#[test]
fn a_period_is_read_strictly_and_has_defaults() {
    let now = MediaTime::from_unix_nanos(HOUR_MS as u128 * 1_000_000);
    let default = Period::parse(None, None, now).unwrap();
    assert_eq!(default.to.to_string(), "2026-11-22T16:00:00Z");
    assert_eq!(default.from.to_string(), "2026-10-23T16:00:00Z");
    for bad in ["", "yesterday", "2026-13-01", "2026-11-22T16:00:00", "1795363200"] {
        let refused = Period::parse(Some(bad), None, now).unwrap_err();
        assert_eq!(refused, UsageError::TimeInvalid { given: bad.into() });
        assert!(refused.to_string().contains("2026-11-22T16:00:00Z"), "{refused}");
    }
    assert_eq!(Period::parse(Some("2026-11-23"), Some("2026-11-22"), now), Err(UsageError::PeriodInvalid));
    // The earliest time there is, less thirty days, is before time begins.
    assert!(Period::parse(None, Some("-009999-01-02T01:59:59Z"), now).is_err());
}
