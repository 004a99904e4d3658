//! Test doubles of the store: rows to begin with, and a disk that can be filled up.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// A session's row with nothing special in it.
pub(crate) fn session_row(tenant: &str, id: &str) -> SessionRow {
    SessionRow {
        id: id.into(),
        tenant: tenant.into(),
        token: format!("token-of-{id}"),
        version: 1,
        revision: 1,
        layout: "2EH".into(),
        engine_choice: "auto".into(),
        engine: "render".into(),
        games: vec!["a".into(), "b".into()],
        audio: "a".into(),
        labels: [("box".to_owned(), "x1".to_owned())].into(),
        device_id: Some("device".into()),
        splices: "{}".into(),
        meter: "{}".into(),
        last_listed: None,
        effective_segment: 45_600_000,
        created_ms: 1_795_363_200_000,
        last_seen_ms: 1_795_363_200_000,
        ended_ms: None,
        end_reason: None,
        billable_seconds: 0,
    }
}

/// What a session of two games in `layout` shows.
pub(crate) fn watched(layout: &str) -> Watched {
    Watched {
        engine: "stitch".into(),
        layout: layout.into(),
        tier: "1080p".into(),
        games: vec!["a".into(), "b".into()],
        labels: [("box".to_owned(), "x1".to_owned())].into(),
    }
}

/// A real store whose disk can be full.
pub(crate) struct FullDisk {
    pub store: SqliteStore,
    pub full: AtomicBool,
}

impl FullDisk {
    pub fn new(store: SqliteStore) -> Self {
        Self { store, full: AtomicBool::new(false) }
    }

    fn refuse<T: Send + 'static>(&self) -> Option<Pending<'_, T>> {
        let full = self.full.load(Ordering::SeqCst);
        full.then(|| -> Pending<'_, T> {
            Box::pin(async { Err(StoreError::Unwritable("database or disk is full".into())) })
        })
    }
}

impl LedgerReads for FullDisk {
    fn closed_until(&self) -> Pending<'_, i64> {
        self.store.closed_until()
    }
    fn closed_hours(&self, after_ms: i64, limit: u32) -> Pending<'_, Vec<ClosedHour>> {
        self.store.closed_hours(after_ms, limit)
    }
    fn last_closed_hour(&self) -> Pending<'_, Option<ClosedHour>> {
        self.store.last_closed_hour()
    }
    fn billed_tenants(&self) -> Pending<'_, Vec<(String, i64)>> {
        self.store.billed_tenants()
    }
    fn entries<'a>(
        &'a self,
        tenant: &'a str,
        from_ms: i64,
        to_ms: i64,
        after: Option<EntryCursor>,
        limit: u32,
    ) -> Pending<'a, Vec<LedgerEntry>> {
        self.store.entries(tenant, from_ms, to_ms, after, limit)
    }
}

/// A tenant's meter lines, without corrections.
pub(crate) async fn lines(ledger: &dyn LedgerReads, tenant: &str) -> Vec<MeterLine> {
    let entries = ledger.entries(tenant, 0, i64::MAX, None, 1000).await.unwrap();
    let whole = |seconds: i64| u32::try_from(seconds).unwrap();
    let line = |entry: LedgerEntry| MeterLine {
        tenant: entry.tenant,
        session_id: entry.session_id,
        minute_start_ms: entry.minute_start_ms,
        billable_seconds: whole(entry.billable_seconds),
        slate_seconds: whole(entry.slate_seconds),
        slate_all_seconds: whole(entry.slate_all_seconds),
        watched: entry.watched,
    };
    entries.into_iter().filter(|entry| entry.reason.is_empty()).map(line).collect()
}

impl Store for FullDisk {
    fn secret<'a>(&'a self, name: &'a str) -> Pending<'a, [u8; 32]> {
        self.store.secret(name)
    }
    fn games(&self) -> Pending<'_, Vec<GameRow>> {
        self.store.games()
    }
    fn add_game(&self, game: GameRow) -> Pending<'_, ()> {
        self.refuse().unwrap_or_else(|| self.store.add_game(game))
    }
    fn replace_game(&self, game: GameRow) -> Pending<'_, bool> {
        self.refuse().unwrap_or_else(|| self.store.replace_game(game))
    }
    fn remove_game<'a>(&'a self, tenant: &'a str, id: &'a str) -> Pending<'a, bool> {
        self.refuse().unwrap_or_else(|| self.store.remove_game(tenant, id))
    }
    fn breaks_by_hand(&self) -> Pending<'_, Vec<BreakRow>> {
        self.store.breaks_by_hand()
    }
    fn put_break(&self, one: BreakRow) -> Pending<'_, ()> {
        self.refuse().unwrap_or_else(|| self.store.put_break(one))
    }
    fn remove_break(&self, one: BreakRow) -> Pending<'_, ()> {
        self.refuse().unwrap_or_else(|| self.store.remove_break(one))
    }
    fn forget_breaks(&self, before_ns: i64) -> Pending<'_, ()> {
        self.refuse().unwrap_or_else(|| self.store.forget_breaks(before_ns))
    }
    fn forget_breaks_of(&self, game: &str) -> Pending<'_, ()> {
        self.refuse().unwrap_or_else(|| self.store.forget_breaks_of(game))
    }
    fn write_sessions(&self, writes: Vec<SessionWrite>) -> Pending<'_, ()> {
        self.refuse().unwrap_or_else(|| self.store.write_sessions(writes))
    }
    fn active_sessions(&self) -> Pending<'_, Vec<SessionRow>> {
        self.store.active_sessions()
    }
    fn session<'a>(&'a self, tenant: &'a str, id: &'a str) -> Pending<'a, Option<SessionRow>> {
        self.store.session(tenant, id)
    }
    fn sessions<'a>(&'a self, tenant: &'a str, filter: SessionFilter) -> Pending<'a, Vec<SessionRow>> {
        self.store.sessions(tenant, filter)
    }
    fn session_after<'a>(
        &'a self,
        tenant: &'a str,
        before_id: Option<String>,
        skip: u32,
    ) -> Pending<'a, Option<String>> {
        self.store.session_after(tenant, before_id, skip)
    }
    fn idempotency<'a>(&'a self, tenant: &'a str, key: &'a str, since_ms: i64) -> Pending<'a, Option<IdempotencyRow>> {
        self.store.idempotency(tenant, key, since_ms)
    }
    fn forget_idempotency(&self, before_ms: i64) -> Pending<'_, u64> {
        self.refuse().unwrap_or_else(|| self.store.forget_idempotency(before_ms))
    }
    fn forget_sessions(&self, before_ms: i64, limit: u32) -> Pending<'_, u64> {
        self.refuse().unwrap_or_else(|| self.store.forget_sessions(before_ms, limit))
    }
    fn clock(&self) -> Pending<'_, ClockRow> {
        self.store.clock()
    }
    fn keep_clock(&self, clock: ClockRow) -> Pending<'_, ()> {
        self.refuse().unwrap_or_else(|| self.store.keep_clock(clock))
    }
    fn ledger(&self) -> Arc<dyn UsageReads> {
        self.store.ledger()
    }
    fn close_hours(&self, until_ms: i64) -> Pending<'_, ()> {
        self.refuse().unwrap_or_else(|| self.store.close_hours(until_ms))
    }
    fn seal_hour(&self, hour: ClosedHour) -> Pending<'_, ()> {
        self.refuse().unwrap_or_else(|| self.store.seal_hour(hour))
    }
    fn put_hour_sums(&self, hour_start_ms: i64, tenants: Vec<TenantHour>) -> Pending<'_, ()> {
        self.refuse().unwrap_or_else(|| self.store.put_hour_sums(hour_start_ms, tenants))
    }
    fn register_price_list(&self, list: PriceListRow) -> Pending<'_, ()> {
        self.refuse().unwrap_or_else(|| self.store.register_price_list(list))
    }
    fn healthy(&self) -> bool {
        !self.full.load(Ordering::SeqCst) && self.store.healthy()
    }
    fn probe(&self) -> Pending<'_, ()> {
        self.refuse().unwrap_or_else(|| self.store.probe())
    }
    fn close(&self) -> Pending<'_, ()> {
        self.store.close()
    }
}

/// Runs `sql` as somebody would who can write the file and knows what stands in the way.
pub(crate) async fn tamper(data_dir: &std::path::Path, sql: &str) {
    use sqlx::{ConnectOptions, Row};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(data_dir.join(sqlite::FILE_NAME));
    let mut connection = options.connect().await.unwrap();
    let guards = sqlx::query("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetch_all(&mut connection).await;
    for guard in guards.unwrap() {
        let drop = format!("DROP TRIGGER {}", guard.get::<String, _>(0));
        sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
    }
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned())).execute(&mut connection).await.unwrap();
}

/// Flips bits of one byte in the page of a small table or index, the `change`-th of the first `at` in it. Nobody has the database open.
pub(crate) async fn flip(data_dir: &std::path::Path, place: &str, at: &[u8], change: usize, bits: u8) {
    use sqlx::{ConnectOptions, Connection, Row};
    let file = data_dir.join(sqlite::FILE_NAME);
    let mut connection = sqlx::sqlite::SqliteConnectOptions::new().filename(&file).connect().await.unwrap();
    let root = "SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = ?";
    let row = sqlx::query(root).bind(place).fetch_one(&mut connection).await.unwrap();
    let (page, size) = (row.get::<i64, _>(0), row.get::<i64, _>(1));
    connection.close().await.unwrap();
    let (begin, size) = (usize::try_from((page - 1) * size).unwrap(), usize::try_from(size).unwrap());
    let mut bytes = std::fs::read(&file).unwrap();
    let page = &mut bytes[begin..begin + size];
    let found = page.windows(at.len()).position(|window| window == at).unwrap();
    page[found + change] ^= bits;
    std::fs::write(&file, bytes).unwrap();
}
