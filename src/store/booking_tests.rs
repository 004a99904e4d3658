use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};

use super::*;
use crate::store::sqlite::FILE_NAME;
use crate::store::testing::{lines, session_row, watched};
use crate::store::{ClosedHour, SqliteStore, Store};

const HOUR_MS: i64 = 3_600_000;

fn line(session_id: &str, minute_start_ms: i64, billable_seconds: u32) -> MeterLine {
    MeterLine {
        tenant: "acme".into(),
        session_id: session_id.into(),
        minute_start_ms,
        billable_seconds,
        slate_seconds: 0,
        slate_all_seconds: 0,
        watched: watched("2EH"),
    }
}

/// What a meter came to with version `n`.
fn meter(session_id: &str, n: u64) -> SessionMeterRow {
    SessionMeterRow {
        session_id: session_id.into(),
        version: n,
        meter: format!("{{\"n\":{n}}}"),
        last_listed: Some(1000 + n),
        last_seen_ms: 2000 + i64::try_from(n).unwrap(),
        billable_seconds: 3000 + n,
    }
}

/// `row` as it is once `meter` was written.
fn moved(row: SessionRow, meter: SessionMeterRow) -> SessionRow {
    let SessionMeterRow { version, meter, last_listed, last_seen_ms, billable_seconds, .. } = meter;
    SessionRow { version, meter, last_listed, last_seen_ms, billable_seconds, ..row }
}

/// What a query answers with, beside the store.
async fn number(dir: &Path, query: &'static str) -> i64 {
    let options = SqliteConnectOptions::new().filename(dir.join(FILE_NAME)).read_only(true);
    let mut connection = options.connect().await.unwrap();
    let number = sqlx::query(query).fetch_one(&mut connection).await.unwrap().get(0);
    connection.close().await.unwrap();
    number
}

#[tokio::test]
async fn a_booking_writes_its_line_and_a_small_row() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let row = session_row("acme", "s");
    store.write_sessions(vec![SessionWrite::whole(row.clone(), Vec::new())]).await.unwrap();
    store.write_sessions(vec![SessionWrite::metered(meter("s", 2), vec![line("s", 0, 4)])]).await.unwrap();
    let now = moved(row, meter("s", 2));
    assert_eq!(store.session("acme", "s").await.unwrap().as_ref(), Some(&now));
    assert_eq!(store.active_sessions().await.unwrap(), std::slice::from_ref(&now));
    assert_eq!(number(dir.path(), "SELECT version FROM sessions").await, 1, "the large row stays as it was");
    // A change writes all of it, and its end leaves no small row behind.
    let ended = SessionRow { version: 3, layout: "1".into(), ended_ms: Some(9), ..now };
    store.write_sessions(vec![SessionWrite::whole(ended.clone(), Vec::new())]).await.unwrap();
    assert_eq!(number(dir.path(), "SELECT count(*) FROM session_meters").await, 0);
    store.close().await.unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    assert_eq!(store.session("acme", "s").await.unwrap(), Some(ended));
    assert_eq!(lines(&store, "acme").await, [line("s", 0, 4)]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn whole_rows_and_meters_may_come_in_any_order(
        (kinds, order) in prop::collection::vec(any::<bool>(), 1..12)
            .prop_flat_map(|kinds| { let n = kinds.len(); (Just(kinds), Just((0..n).collect::<Vec<_>>()).prop_shuffle()) })
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let dir = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(dir.path()).await.unwrap();
            let whole = |n: u64| SessionRow { revision: n, ..moved(session_row("acme", "s"), meter("s", n)) };
            store.write_sessions(vec![SessionWrite::whole(whole(1), Vec::new())]).await.unwrap();
            let version = |at: usize| at as u64 + 2;
            for at in order {
                let write = if kinds[at] {
                    SessionWrite::whole(whole(version(at)), Vec::new())
                } else {
                    SessionWrite::metered(meter("s", version(at)), Vec::new())
                };
                store.write_sessions(vec![write]).await.unwrap();
            }
            let newest_whole = kinds.iter().rposition(|is_whole| *is_whole).map_or(1, version);
            let expected = moved(whole(newest_whole), meter("s", version(kinds.len() - 1)));
            assert_eq!(store.active_sessions().await.unwrap(), [expected]);
        });
    }
}

/// What may be wrong with a session's write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Good,
    GoodBooking,
    /// A line that the table refuses.
    NoMinute,
    /// A number that fits no column.
    TooLarge,
    /// Another session's token.
    TokenTaken,
    /// A booking of a session that is not there.
    Unknown,
}

impl Kind {
    fn is_good(self) -> bool {
        matches!(self, Self::Good | Self::GoodBooking)
    }

    fn write(self, id: &str) -> SessionWrite {
        let row = session_row("acme", id);
        let lines = vec![line(id, 60_000, 7)];
        match self {
            Self::Good => SessionWrite::whole(row, lines),
            Self::NoMinute => SessionWrite::whole(row, vec![line(id, 60_000, 7), line(id, 60_001, 7)]),
            Self::TooLarge => SessionWrite::whole(SessionRow { version: u64::MAX, ..row }, lines),
            Self::TokenTaken => SessionWrite::whole(SessionRow { token: "token-of-first".into(), ..row }, lines),
            Self::GoodBooking | Self::Unknown => SessionWrite::metered(meter(id, 2), lines),
        }
    }
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        6 => Just(Kind::Good),
        6 => Just(Kind::GoodBooking),
        1 => Just(Kind::NoMinute),
        1 => Just(Kind::TooLarge),
        1 => Just(Kind::TokenTaken),
        1 => Just(Kind::Unknown),
    ]
}

/// Writes `calls` at once, among other commands; good ones are booked, bad ones are named, each with its error.
async fn books_the_good(calls: Vec<Vec<Kind>>) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let id = |call: usize, n: usize| format!("s{call}-{n}");
    let mut known = vec![SessionWrite::whole(session_row("acme", "first"), Vec::new())];
    let mut expected = BTreeMap::new();
    for (call, kinds) in calls.iter().enumerate() {
        for (n, kind) in kinds.iter().enumerate() {
            if *kind == Kind::GoodBooking {
                known.push(SessionWrite::whole(session_row("acme", &id(call, n)), Vec::new()));
            }
            if kind.is_good() {
                expected.insert(id(call, n), 7);
            }
        }
    }
    store.write_sessions(known).await.unwrap();
    let of_call = |(call, kinds): (usize, &Vec<Kind>)| {
        let writes = kinds.iter().enumerate().map(|(n, kind)| kind.write(&id(call, n))).collect();
        store.write_sessions(writes)
    };
    let closing = async { store.close_hours(0).await };
    let (closed, answers) = tokio::join!(closing, futures_in_order(calls.iter().enumerate().map(of_call).collect()));
    closed.unwrap();
    for (call, (answer, kinds)) in answers.into_iter().zip(&calls).enumerate() {
        let bad = kinds.iter().enumerate().filter(|(_, kind)| !kind.is_good()).map(|(n, _)| id(call, n));
        let bad: Vec<String> = bad.collect();
        match answer {
            Ok(()) => assert_eq!(bad, [""; 0]),
            Err(StoreError::Refused(refused)) => {
                assert_eq!(
                    refused.iter().map(|write| &write.session_id).collect::<Vec<_>>(),
                    bad.iter().collect::<Vec<_>>()
                );
                assert!(refused.iter().all(|write| matches!(write.error, StoreError::Failed(_))), "{refused:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    let booked = lines(&store, "acme").await.into_iter().map(|line| (line.session_id, line.billable_seconds));
    assert_eq!(booked.collect::<BTreeMap<_, _>>(), expected);
    let sessions = store.active_sessions().await.unwrap().into_iter().map(|row| row.id).filter(|id| id != "first");
    assert_eq!(sessions.collect::<Vec<_>>(), expected.into_keys().collect::<Vec<_>>());
    assert!(store.healthy());
}

/// All of them at once, so that they share a commit.
async fn futures_in_order(calls: Vec<crate::store::Pending<'_, ()>>) -> Vec<Result<(), StoreError>> {
    let mut calls: Vec<_> = calls.into_iter().map(|call| (call, None)).collect();
    std::future::poll_fn(move |context| {
        for (call, answer) in &mut calls {
            if answer.is_none()
                && let std::task::Poll::Ready(done) = call.as_mut().poll(context)
            {
                *answer = Some(done);
            }
        }
        if calls.iter().any(|(_, answer)| answer.is_none()) {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(calls.iter_mut().filter_map(|(_, answer)| answer.take()).collect())
    })
    .await
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whatever_is_bad_among_them_good_sessions_are_always_booked(
        calls in prop::collection::vec(prop::collection::vec(kind(), 1..40), 1..4)
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(books_the_good(calls));
    }
}

#[tokio::test]
async fn one_bad_session_among_five_hundred_is_found_and_named() {
    let mut kinds = vec![Kind::Good; 500];
    kinds[321] = Kind::NoMinute;
    books_the_good(vec![kinds]).await;
}

fn seal(hour: i64) -> ClosedHour {
    ClosedHour {
        hour_start_ms: hour * HOUR_MS,
        entries: 0,
        billable_seconds: 0,
        digest: [1; 32],
        public_key: [1; 32],
        signature: [2; 64],
        price_lists: None,
    }
}

#[tokio::test]
async fn sessions_that_ended_long_ago_go_in_batches_and_the_ledger_keeps_their_lines() {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    let ended = |id: &str, ended_ms: Option<i64>| SessionRow { ended_ms, ..session_row("acme", id) };
    let minute = |n: i64| n * 60_000;
    let writes = [("a", Some(minute(10))), ("b", Some(minute(20))), ("c", Some(minute(30))), ("d", Some(minute(70)))]
        .map(|(id, ended_ms)| SessionWrite::whole(ended(id, ended_ms), vec![line(id, minute(5), 30)]));
    store.write_sessions(writes.to_vec()).await.unwrap();
    store.write_sessions(vec![SessionWrite::whole(ended("on", None), vec![line("on", minute(5), 30)])]).await.unwrap();
    store.write_sessions(vec![SessionWrite::metered(meter("on", 2), Vec::new())]).await.unwrap();
    // A booking that the end has overtaken.
    store.write_sessions(vec![SessionWrite::metered(meter("a", 1), Vec::new())]).await.unwrap();
    let before = lines(&store, "acme").await;
    let left =
        async || store.sessions("acme", crate::store::SessionFilter { limit: 10, ..Default::default() }).await.unwrap();

    assert_eq!(store.forget_sessions(i64::MAX, 10).await.unwrap(), 0, "no hour is closed yet");
    store.close_hours(HOUR_MS).await.unwrap();
    store.seal_hour(seal(0)).await.unwrap();
    assert_eq!(store.forget_sessions(minute(25), 1).await.unwrap(), 1, "the oldest");
    assert_eq!(store.session("acme", "a").await.unwrap(), None);
    assert_eq!(store.forget_sessions(minute(25), 10).await.unwrap(), 1);
    assert_eq!(store.forget_sessions(i64::MAX, 10).await.unwrap(), 1, "d ended in an hour that is open");
    assert_eq!(left().await.into_iter().map(|row| row.id).collect::<Vec<_>>(), ["on", "d"]);
    assert_eq!(number(dir.path(), "SELECT count(*) FROM session_meters").await, 1, "of those that are there");

    assert_eq!(lines(&store, "acme").await, before);
    let entries = store.ledger().session_entries("acme", "a", (0, HOUR_MS), None, 10).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.billable_seconds).collect::<Vec<_>>(), [30]);
    // A booking that comes late for one that is gone is a correction like any other.
    let late = SessionWrite::whole(ended("a", Some(minute(10))), vec![line("a", minute(5), 40)]);
    store.write_sessions(vec![late]).await.unwrap();
    let entries = store.ledger().session_entries("acme", "a", (0, i64::MAX), None, 10).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.billable_seconds).sum::<i64>(), 40);
}

#[tokio::test]
async fn a_search_for_old_sessions_looks_at_no_others() {
    let dir = tempfile::tempdir().unwrap();
    SqliteStore::open(dir.path()).await.unwrap().close().await.unwrap();
    let options = SqliteConnectOptions::new().filename(dir.path().join(FILE_NAME)).read_only(true);
    let mut connection = options.connect().await.unwrap();
    let plan = "EXPLAIN QUERY PLAN SELECT id FROM sessions WHERE ended_ms IS NOT NULL AND ended_ms < 5 ORDER BY ended_ms LIMIT 3";
    let rows = sqlx::query(plan).fetch_all(&mut connection).await.unwrap();
    let steps: Vec<String> = rows.iter().map(|row| row.get("detail")).collect();
    assert!(steps.len() == 1 && steps[0].contains("INDEX sessions_ended"), "{steps:?}");
}

#[tokio::test]
async fn a_database_of_before_the_small_rows_keeps_its_sessions() {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new().filename(dir.path().join(FILE_NAME)).create_if_missing(true);
    let mut old = options.connect().await.unwrap();
    let mut before = crate::store::migrations::migrator();
    before.migrations.to_mut().retain(|migration| migration.version < 7);
    before.run(&mut old).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO sessions VALUES ('on', 'acme', 't', 5, 2, '2EH', 'auto', 'stitch', '[\"a\",\"b\"]', 'a', \
         '{\"box\":\"x1\"}', NULL, '{\"s\":1}', '{\"m\":1}', 77, 1, 0, 4000, NULL, NULL, 47), \
         ('over', 'acme', 'u', 9, 1, '1', 'auto', 'render', '[\"a\"]', 'a', '{}', 'box', '{}', '{\"m\":2}', NULL, 1, 0, 60, \
         5000, 'idle', 12); \
         INSERT INTO meter_lines VALUES ('acme', 60000, 'on', 47, '2EH', '[\"a\",\"b\"]', 0, 0, 'stitch', '1080p', '{}')",
    )
    .execute(&mut old)
    .await
    .unwrap();
    old.close().await.unwrap();

    let store = SqliteStore::open(dir.path()).await.unwrap();
    let on = store.session("acme", "on").await.unwrap().unwrap();
    assert_eq!((on.version, on.last_listed, on.last_seen_ms, on.billable_seconds), (5, Some(77), 4000, 47));
    assert_eq!((on.splices.as_str(), on.meter.as_str()), ("{\"s\":1}", "{\"m\":1}"));
    assert_eq!(store.active_sessions().await.unwrap(), std::slice::from_ref(&on));
    let over = store.session("acme", "over").await.unwrap().unwrap();
    assert_eq!((over.ended_ms, over.billable_seconds, over.meter.as_str()), (Some(5000), 12, "{\"m\":2}"));
    // It goes on with small rows.
    let booking = SessionWrite::metered(meter("on", 6), vec![line("on", 60_000, 51)]);
    store.write_sessions(vec![booking]).await.unwrap();
    store.close().await.unwrap();
    let store = SqliteStore::open(dir.path()).await.unwrap();
    assert_eq!(store.active_sessions().await.unwrap(), [moved(on, meter("on", 6))]);
    assert_eq!(lines(&store, "acme").await[0].billable_seconds, 51);
}
