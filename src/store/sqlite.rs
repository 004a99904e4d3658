//! The store on SQLite: one file in WAL mode, one connection that writes, a small pool that reads.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::breaks::{self, BreakWrite};
use super::data_dir::{self, Begin, Marker};
use super::key_file;
use super::ledger::SqliteLedger;
use super::locks::Locks;
use super::migrations::migrator;
use super::writer::{Command, Job, Writer};
use super::{
    BreakRow, ClockRow, ClosedHour, EntryCursor, GameRow, IdempotencyRow, LedgerEntry, LedgerReads, Pending,
    PriceListRow, SessionFilter, SessionRow, SessionWrite, SessionsWanted, Store, StoreError, TenantHour, UsageReads,
    codec,
};

/// Name of the database in the data directory.
pub(super) const FILE_NAME: &str = "quadrille.sqlite";

/// Writes that wait for the writer; one more waits up to [`QUEUE_PATIENCE`] and is then [`StoreError::Busy`].
const QUEUE_LENGTH: usize = 4096;

const QUEUE_PATIENCE: Duration = Duration::from_secs(5);

/// How long a statement waits for another connection's lock.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

const READERS: u32 = 4;

/// What was committed is carried from the log into the database at most this often.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(2);

/// Pages of the log at which a commit carries them over itself: bounds the log where the checkpointer cannot keep up.
const LONGEST_LOG_PAGES: &str = "16384";

/// The store in one SQLite file.
pub struct SqliteStore {
    pub(super) readers: SqlitePool,
    ledger: SqliteLedger,
    jobs: mpsc::Sender<Job>,
    healthy: Arc<AtomicBool>,
    checkpointing: Mutex<Option<JoinHandle<()>>>,
    /// Let go when the store is closed, or when the process ends, however it ends.
    locks: Arc<Locks>,
    data_dir: PathBuf,
    /// Held while the marker's file is written: the newest of two writes is the last.
    marker: Arc<Mutex<Marker>>,
}

/// Letting go of the store is letting go of its locks: what it wrote may still be on its way to the disk, in its order.
impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.locks.let_go();
    }
}

impl SqliteStore {
    /// Opens (or makes) the database `quadrille.sqlite` in `data_dir`, makes `data_dir` if need be, and brings the tables up
    /// to date.
    ///
    /// # Errors
    /// As [`SqliteStore::open_as`].
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        Self::open_as(data_dir, Begin::default()).await
    }

    /// Opens the database of `data_dir` as `begin` says.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it open, [`StoreError::Unwritable`] when the folder or the file cannot be
    /// written, [`StoreError::Unfit`] when what is in the folder does not belong together, [`StoreError::Damaged`] or
    /// [`StoreError::Failed`] when the file is not a database of this service or of a newer version of it.
    pub async fn open_as(data_dir: &Path, begin: Begin) -> Result<Self, StoreError> {
        let unwritable = |e: std::io::Error| StoreError::Unwritable(format!("{}: {e}", data_dir.display()));
        if !data_dir.exists() {
            tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).await.map_err(unwritable)?;
        }
        let locks = Locks::of_directory(data_dir)?;
        let file = data_dir.join(FILE_NAME);
        if file.exists() {
            locks.take_database(&file)?;
        }
        let marker = data_dir::look(data_dir, begin).await?;
        let is_fresh = !file.exists();
        if is_fresh {
            locks.take_database(&file)?;
            tracing::info!(data_dir = %data_dir.display(), "nothing was kept here before: an empty ledger begins");
        }
        data_dir::keep_private(data_dir).map_err(unwritable)?;
        data_dir::say_what_is_wider(data_dir);
        // WAL with synchronous=FULL: a commit is on the disk when it returns, so a booking outlives a power cut as well. The
        // writer lowers it where no booking is at stake. A cell that is larger than its page is damage, said at once.
        let options = SqliteConnectOptions::new()
            .filename(&file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(BUSY_TIMEOUT)
            .foreign_keys(true)
            .pragma("wal_autocheckpoint", LONGEST_LOG_PAGES)
            .pragma("cell_size_check", "ON")
            .disable_statement_logging();
        let mut connection = writing(options.clone()).connect().await.map_err(StoreError::from)?;
        migrator().run(&mut connection).await.map_err(|e| StoreError::Failed(format!("{}: {e}", file.display())))?;
        let deployment = data_dir::deployment(&mut connection).await?;
        let checkpointer = options.connect().await.map_err(StoreError::from)?;
        let readers =
            SqlitePoolOptions::new().max_connections(READERS).connect_with(options).await.map_err(StoreError::from)?;
        let (jobs, queue) = mpsc::channel(QUEUE_LENGTH);
        let healthy = Arc::new(AtomicBool::new(true));
        let (end, ended) = oneshot::channel();
        let ledger = SqliteLedger::new(readers.clone());
        let locks = Arc::new(locks);
        let writer = Writer::new(connection, ledger.closed_until().await?, healthy.clone(), (end, locks.clone()));
        let checkpointing = Mutex::new(Some(tokio::spawn(checkpoint(checkpointer, writer.uncarried(), ended))));
        tokio::spawn(writer.run(queue));
        let is_marked = marker.is_some();
        let marker = Arc::new(Mutex::new(marker.unwrap_or_else(|| Marker::new(&deployment))));
        let data_dir = data_dir.to_owned();
        let store = Self { readers, ledger, jobs, healthy, checkpointing, locks, data_dir, marker };
        if !is_marked {
            let last = store.last_closed_hour().await?;
            store.mark(move |marker| last.iter().for_each(|hour| marker.note_seal(hour))).await;
        }
        Ok(store)
    }

    /// Notes something in the marker. What could not be written is written with the next note: until then the marker knows less than
    /// it could, which is never wrong.
    async fn mark(&self, note: impl FnOnce(&mut Marker) + Send + 'static) {
        let (marker, data_dir) = (self.marker.clone(), self.data_dir.clone());
        let written = tokio::task::spawn_blocking(move || {
            let mut marker = marker.lock();
            note(&mut marker);
            marker.write(&data_dir)
        });
        match written.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the data directory's marker was not written"),
            Err(error) => tracing::error!(%error, "the data directory's marker was not written"),
        }
    }

    /// The public key that was last noted as the one that signs from now on.
    pub fn noted_ledger_key(&self) -> Option<[u8; 32]> {
        let marker = self.marker.lock();
        let mut key = [0; 32];
        hex::decode_to_slice(marker.ledger_key.as_ref()?, &mut key).ok().map(|()| key)
    }

    /// Notes which key signs from now on.
    pub async fn note_ledger_key(&self, public_key: [u8; 32]) {
        if self.noted_ledger_key() != Some(public_key) {
            self.mark(move |marker| marker.ledger_key = Some(hex::encode(public_key))).await;
        }
    }

    /// What the kernel does when a process is killed, for tests that put another in its place.
    #[cfg(test)]
    pub(crate) fn let_go(&self) {
        self.locks.let_go();
    }

    /// Hands a command to the writer and waits until it is committed; the number of rows it changed.
    pub(super) async fn submit(&self, command: Command) -> Result<u64, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send_timeout(Job { command, reply }, QUEUE_PATIENCE).await.map_err(|e| match e {
            mpsc::error::SendTimeoutError::Timeout(_) => StoreError::Busy,
            mpsc::error::SendTimeoutError::Closed(_) => StoreError::Closed,
        })?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    async fn read_secret(&self, name: &str) -> Result<Option<[u8; 32]>, StoreError> {
        let row =
            sqlx::query("SELECT bytes FROM secrets WHERE name = ?").bind(name).fetch_optional(&self.readers).await?;
        let Some(row) = row else { return Ok(None) };
        let bytes: Vec<u8> = row.try_get("bytes")?;
        if bytes.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        Ok(Some(bytes.try_into().map_err(|_| StoreError::Failed(format!("secret {name:?} is not 32 bytes")))?))
    }
}

impl LedgerReads for SqliteStore {
    fn closed_until(&self) -> Pending<'_, i64> {
        self.ledger.closed_until()
    }

    fn closed_hours(&self, after_ms: i64, limit: u32) -> Pending<'_, Vec<ClosedHour>> {
        self.ledger.closed_hours(after_ms, limit)
    }

    fn last_closed_hour(&self) -> Pending<'_, Option<ClosedHour>> {
        self.ledger.last_closed_hour()
    }

    fn billed_tenants(&self) -> Pending<'_, Vec<(String, i64)>> {
        self.ledger.billed_tenants()
    }

    fn entries<'a>(
        &'a self,
        tenant: &'a str,
        from_ms: i64,
        to_ms: i64,
        after: Option<EntryCursor>,
        limit: u32,
    ) -> Pending<'a, Vec<LedgerEntry>> {
        self.ledger.entries(tenant, from_ms, to_ms, after, limit)
    }
}

/// A page of sessions. Lists and maps are looked into where they are any: one row that cannot be read must not end the list.
const SESSIONS: &str = "SELECT * FROM session_rows AS one WHERE tenant = ?1 AND (?2 IS NULL OR id < ?2) \
    AND (?3 IS NULL OR (ended_ms IS NULL) = ?3) AND (?5 IS NULL OR id >= ?5) AND (?6 IS NULL OR device_id = ?6) \
    AND (?7 IS NULL OR CASE WHEN json_valid(games) THEN EXISTS (SELECT 1 FROM json_each(one.games) AS g WHERE g.value = ?7) END) \
    AND (?8 IS NULL OR CASE WHEN json_valid(labels) THEN EXISTS \
        (SELECT 1 FROM json_each(one.labels) AS l WHERE l.key = ?8 AND (?9 IS NULL OR l.value = ?9)) END) \
    AND (?10 IS NULL OR ended_ms IS NULL OR ended_ms >= ?10) AND (?11 IS NULL OR created_ms < ?11) \
    AND (?12 IS NULL OR instr(lower(id), ?12) OR instr(lower(coalesce(device_id, '')), ?12)) ORDER BY id DESC LIMIT ?4";

impl Store for SqliteStore {
    fn secret<'a>(&'a self, name: &'a str) -> Pending<'a, [u8; 32]> {
        Box::pin(async move {
            if self.jobs.is_closed() {
                return Err(StoreError::Closed);
            }
            // Before version 0.2 secrets were rows: who had a copy of the database could make addresses.
            let in_row = self.read_secret(name).await?;
            let (data_dir, file) = (self.data_dir.clone(), name.to_owned());
            let kept = tokio::task::spawn_blocking(move || key_file::secret(&data_dir, &file, in_row));
            let secret = kept.await.map_err(|error| StoreError::Failed(error.to_string()))??;
            if in_row.is_some() {
                self.submit(Command::BlankSecret { name: name.to_owned() }).await?;
            }
            Ok(secret)
        })
    }

    fn games(&self) -> Pending<'_, Vec<GameRow>> {
        Box::pin(async move {
            let rows = sqlx::query("SELECT * FROM games ORDER BY tenant, id").fetch_all(&self.readers).await?;
            Ok(codec::readable("game", &rows, codec::game))
        })
    }

    fn add_game(&self, game: GameRow) -> Pending<'_, ()> {
        Box::pin(async move {
            let added = self.submit(Command::AddGame(game)).await?;
            if added == 0 { Err(StoreError::Exists) } else { Ok(()) }
        })
    }

    fn replace_game(&self, game: GameRow) -> Pending<'_, bool> {
        Box::pin(async move { Ok(self.submit(Command::ReplaceGame(game)).await? > 0) })
    }

    fn remove_game<'a>(&'a self, tenant: &'a str, id: &'a str) -> Pending<'a, bool> {
        let command = Command::RemoveGame { tenant: tenant.to_owned(), id: id.to_owned() };
        Box::pin(async move { Ok(self.submit(command).await? > 0) })
    }

    fn breaks_by_hand(&self) -> Pending<'_, Vec<BreakRow>> {
        Box::pin(async move {
            let rows = sqlx::query(breaks::BREAKS).fetch_all(&self.readers).await?;
            Ok(codec::readable("break", &rows, breaks::row))
        })
    }

    fn put_break(&self, one: BreakRow) -> Pending<'_, ()> {
        Box::pin(async move {
            let game = one.game.clone();
            self.submit(Command::Break(BreakWrite::Put(one))).await?;
            self.submit(Command::Break(BreakWrite::Thin { game })).await.map(drop)
        })
    }

    fn remove_break(&self, one: BreakRow) -> Pending<'_, ()> {
        Box::pin(async move { self.submit(Command::Break(BreakWrite::Remove(one))).await.map(drop) })
    }

    fn forget_breaks(&self, before_ns: i64) -> Pending<'_, ()> {
        Box::pin(async move { self.submit(Command::Break(BreakWrite::Forget { before_ns })).await.map(drop) })
    }

    fn forget_breaks_of(&self, game: &str) -> Pending<'_, ()> {
        let write = BreakWrite::ForgetGame { game: game.to_owned() };
        Box::pin(async move { self.submit(Command::Break(write)).await.map(drop) })
    }

    fn write_sessions(&self, writes: Vec<SessionWrite>) -> Pending<'_, ()> {
        Box::pin(async move { self.submit(Command::Sessions(writes)).await.map(drop) })
    }

    fn active_sessions(&self) -> Pending<'_, Vec<SessionRow>> {
        Box::pin(async move {
            let query = "SELECT * FROM session_rows WHERE ended_ms IS NULL ORDER BY id";
            let rows = sqlx::query(query).fetch_all(&self.readers).await?;
            Ok(codec::readable("session", &rows, codec::session))
        })
    }

    fn session<'a>(&'a self, tenant: &'a str, id: &'a str) -> Pending<'a, Option<SessionRow>> {
        Box::pin(async move {
            let query = "SELECT * FROM session_rows WHERE id = ? AND tenant = ?";
            let row = sqlx::query(query).bind(id).bind(tenant).fetch_optional(&self.readers).await?;
            row.as_ref().map(codec::session).transpose()
        })
    }

    fn sessions<'a>(&'a self, tenant: &'a str, filter: SessionFilter) -> Pending<'a, Vec<SessionRow>> {
        Box::pin(async move {
            let SessionsWanted { text, device_id, game, label, from_ms, to_ms } = filter.wanted;
            let text = text.map(|text| text.to_ascii_lowercase());
            let (label, value) = label.map_or((None, None), |(label, value)| (Some(label), value));
            let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
            let (mut found, mut before_id) = (Vec::new(), filter.before_id);
            // A page that is shorter than asked for is the last one: what cannot be read must not end the list.
            while found.len() < limit {
                let asked = limit - found.len();
                let rows = sqlx::query(SESSIONS)
                    .bind(tenant)
                    .bind(&before_id)
                    .bind(filter.active)
                    .bind(i64::try_from(asked).unwrap_or(i64::MAX))
                    .bind(&filter.from_id)
                    .bind(&device_id)
                    .bind(&game)
                    .bind(&label)
                    .bind(&value)
                    .bind(from_ms)
                    .bind(to_ms)
                    .bind(&text)
                    .fetch_all(&self.readers)
                    .await?;
                found.extend(codec::readable("session", &rows, codec::session));
                match rows.last() {
                    Some(last) if rows.len() == asked => before_id = Some(last.try_get("id")?),
                    _ => break,
                }
            }
            Ok(found)
        })
    }

    fn session_after<'a>(
        &'a self,
        tenant: &'a str,
        before_id: Option<String>,
        skip: u32,
    ) -> Pending<'a, Option<String>> {
        Box::pin(async move {
            // Of the index alone: rows are large.
            let query = "SELECT id FROM sessions WHERE tenant = ?1 AND (?2 IS NULL OR id < ?2) ORDER BY id DESC LIMIT 1 OFFSET ?3";
            let query = sqlx::query_scalar(query).bind(tenant).bind(before_id).bind(skip);
            Ok(query.fetch_optional(&self.readers).await?)
        })
    }

    fn idempotency<'a>(&'a self, tenant: &'a str, key: &'a str, since_ms: i64) -> Pending<'a, Option<IdempotencyRow>> {
        Box::pin(async move {
            let query = "SELECT * FROM idempotency WHERE tenant = ? AND key = ? AND created_ms >= ?";
            let row = sqlx::query(query).bind(tenant).bind(key).bind(since_ms).fetch_optional(&self.readers).await?;
            row.as_ref().map(codec::idempotency).transpose()
        })
    }

    fn forget_idempotency(&self, before_ms: i64) -> Pending<'_, u64> {
        Box::pin(self.submit(Command::ForgetIdempotency { before_ms }))
    }

    fn forget_sessions(&self, before_ms: i64, limit: u32) -> Pending<'_, u64> {
        Box::pin(self.submit(Command::ForgetSessions { before_ms, limit }))
    }

    fn clock(&self) -> Pending<'_, ClockRow> {
        Box::pin(async move {
            let row = sqlx::query("SELECT * FROM clock_state").fetch_one(&self.readers).await?;
            codec::clock(&row)
        })
    }

    fn keep_clock(&self, clock: ClockRow) -> Pending<'_, ()> {
        Box::pin(async move { self.submit(Command::KeepClock(clock)).await.map(drop) })
    }

    fn ledger(&self) -> Arc<dyn UsageReads> {
        Arc::new(self.ledger.clone())
    }

    fn close_hours(&self, until_ms: i64) -> Pending<'_, ()> {
        Box::pin(async move { self.submit(Command::CloseHours { until_ms }).await.map(drop) })
    }

    fn seal_hour(&self, hour: ClosedHour) -> Pending<'_, ()> {
        Box::pin(async move {
            self.submit(Command::SealHour(hour.clone())).await?;
            // On the disk by now: the marker never knows of a seal that a power cut took.
            self.mark(move |marker| marker.note_seal(&hour)).await;
            Ok(())
        })
    }

    fn put_hour_sums(&self, hour_start_ms: i64, tenants: Vec<TenantHour>) -> Pending<'_, ()> {
        Box::pin(async move { self.submit(Command::HourSums { hour_start_ms, tenants }).await.map(drop) })
    }

    fn register_price_list(&self, list: PriceListRow) -> Pending<'_, ()> {
        Box::pin(async move { self.submit(Command::PriceList(list)).await.map(drop) })
    }

    fn healthy(&self) -> bool {
        self.healthy.load(Ordering::Relaxed)
    }

    fn probe(&self) -> Pending<'_, ()> {
        Box::pin(async move { self.submit(Command::Probe).await.map(drop) })
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            self.submit(Command::Close).await?;
            // It ends with the writer.
            let checkpointing = self.checkpointing.lock().take();
            if let Some(checkpointing) = checkpointing
                && let Err(error) = checkpointing.await
            {
                tracing::error!(%error, "the checkpointer failed");
            }
            self.readers.close().await;
            self.locks.close();
            Ok(())
        })
    }
}

/// What suits a connection that writes batch after batch. The pages of all sessions' rows stay in memory (`cache_size` in KiB, taken
/// as needed): with SQLite's 2 MiB, pages that the same commit needs again are written to the log early and read back. And what a
/// statement needs to be undone alone, which is void at a crash anyway, is no file that is made and removed with every booking.
fn writing(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options.pragma("cache_size", "-65536").pragma("temp_store", "MEMORY")
}

/// Carries commits from the log into the database until the writer ends. Left to itself, SQLite has every so-and-so-many-th commit
/// do that, with two flushes of the disk, while whoever is being written waits; on a connection of its own it holds up nobody
/// (sqlite.org/wal.html, 3.2: a passive checkpoint works beside readers and the writer).
async fn checkpoint(mut connection: SqliteConnection, uncarried: Arc<AtomicBool>, mut ended: oneshot::Receiver<()>) {
    while tokio::time::timeout(CHECKPOINT_EVERY, &mut ended).await.is_err() {
        if !uncarried.swap(false, Ordering::Relaxed) {
            continue;
        }
        // What is not carried over now (a reader is in the way, the disk is full) stays in the log, as safe as before.
        if let Err(error) = carry_over(&mut connection).await {
            tracing::debug!(%error, "no checkpoint was made");
        }
    }
    // The connection that is closed last makes a checkpoint of its own; nothing is lost by one that does not close cleanly.
    let _ = connection.close().await;
}

async fn carry_over(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(connection).await?;
    Ok(())
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => Self::Closed,
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::Io(_) => Self::Unwritable(error.to_string()),
            sqlx::Error::Database(said) => {
                // SQLite's primary result code is the low byte of the extended one (sqlite.org/rescode.html).
                let code = said.code().and_then(|c| c.parse::<u32>().ok()).map(|c| c & 0xff);
                match code {
                    // BUSY, LOCKED
                    Some(5 | 6) => Self::Busy,
                    // CORRUPT, NOTADB
                    Some(11 | 26) => Self::Damaged(said.message().to_owned()),
                    // NOMEM, READONLY, IOERR, FULL, CANTOPEN
                    Some(7 | 8 | 10 | 13 | 14) => Self::Unwritable(said.message().to_owned()),
                    _ => Self::Failed(said.message().to_owned()),
                }
            }
            _ => Self::Failed(error.to_string()),
        }
    }
}

#[cfg(test)]
#[path = "sqlite_tests.rs"]
mod tests;
