//! The one task that writes. It commits whatever waits in its queue together (a commit costs a flush of the disk, however
//! many rows it carries), so fifty sessions created at once cost two flushes and not fifty.
//!
//! SQLite runs on a thread of its own, and going there and back costs more than rows do where processors are busy: a commit of
//! sessions is one trip.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Connection, Sqlite};
use tokio::sync::{mpsc, oneshot};

use super::outbox::OutboxWrite;
use super::{
    ClockRow, ClosedHour, GameRow, IdempotencyRow, MeterLine, PriceListRow, SessionRow, SessionWrite, StoreError, TenantHour,
    codec, sums,
};

/// Most commands in one commit: bounds how long the first of them waits for the last.
const BATCH: usize = 256;

/// What the writer is asked to do.
pub(super) enum Command {
    Sessions(Vec<SessionWrite>),
    AddGame(GameRow),
    ReplaceGame(GameRow),
    RemoveGame { tenant: String, id: String },
    ForgetIdempotency { before_ms: i64 },
    ForgetEnded { before_ms: i64, limit: u32 },
    KeepClock(ClockRow),
    Secret { name: String, bytes: [u8; 32] },
    CloseHours { until_ms: i64 },
    SealHour(ClosedHour),
    Outbox(OutboxWrite),
    HourSums { hour_start_ms: i64, tenants: Vec<TenantHour> },
    PriceList(PriceListRow),
    Probe,
    Close,
}

impl Command {
    fn may_be_flushed_later(&self) -> bool {
        match self {
            Self::Sessions(writes) => writes.iter().all(|write| write.lines.is_empty()),
            Self::KeepClock(_) => true,
            _ => false,
        }
    }
}

/// A command and where its answer goes: the number of rows it changed.
pub(super) struct Job {
    pub command: Command,
    pub reply: oneshot::Sender<Result<u64, StoreError>>,
}

pub(super) type Statement = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// The writing connection, and what it is set to.
pub(super) struct Writer {
    connection: SqliteConnection,
    /// Whether a commit waits for the disk at present; `None` until the connection was told.
    flushes: Option<bool>,
    /// Bookings of minutes before this are late: their hours are closed.
    closed_until_ms: i64,
    healthy: Arc<AtomicBool>,
    uncarried: Arc<AtomicBool>,
    /// Dropped when the writer ends.
    _end: oneshot::Sender<()>,
}

impl Writer {
    /// A writer that lets go of `end` when it is over.
    pub(super) fn new(
        connection: SqliteConnection,
        closed_until_ms: i64,
        healthy: Arc<AtomicBool>,
        end: oneshot::Sender<()>,
    ) -> Self {
        Self { connection, flushes: None, closed_until_ms, healthy, uncarried: Arc::default(), _end: end }
    }

    /// Set with every commit: there is something in the log to carry into the database.
    pub(super) fn uncarried(&self) -> Arc<AtomicBool> {
        self.uncarried.clone()
    }

    /// Writes until the queue closes or a [`Command::Close`] comes.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut batch = Vec::with_capacity(BATCH);
        while queue.recv_many(&mut batch, BATCH).await > 0 {
            let closing = batch.iter().position(|job| matches!(job.command, Command::Close));
            // What was queued behind a Close is answered by its dropped reply: the store is closed.
            let close = closing.map(|at| batch.split_off(at));
            self.write(&mut batch).await;
            if let Some(close) = close {
                queue.close();
                let closed = self.connection.close().await.map(|()| 0).map_err(StoreError::from);
                if let Some(job) = close.into_iter().next() {
                    let _ = job.reply.send(closed);
                }
                return;
            }
        }
    }

    /// Commits `jobs` together. Where that fails for a reason that may lie in one of them, each is tried alone, so that one
    /// bad row never keeps others from the disk.
    async fn write(&mut self, jobs: &mut Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let together = self.commit(jobs).await;
        note_health(together.as_ref().err(), &self.healthy);
        match together {
            Ok(changed) => {
                for (job, changed) in jobs.drain(..).zip(changed) {
                    let _ = job.reply.send(Ok(changed));
                }
            }
            Err(StoreError::Failed(_)) if jobs.len() > 1 => {
                for job in jobs.drain(..) {
                    let alone = self.commit(std::slice::from_ref(&job)).await;
                    note_health(alone.as_ref().err(), &self.healthy);
                    let _ = job.reply.send(alone.map(|changed| changed.first().copied().unwrap_or(0)));
                }
            }
            Err(error) => {
                for job in jobs.drain(..) {
                    let _ = job.reply.send(Err(error.clone()));
                }
            }
        }
    }

    async fn commit(&mut self, jobs: &[Job]) -> Result<Vec<u64>, StoreError> {
        let done = self.transaction(jobs).await;
        if done.is_err() {
            // SQLite may have rolled back by itself (sqlite.org/lang_transaction.html, 2.3): then this fails, rightly.
            let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
        } else {
            self.uncarried.store(true, Ordering::Relaxed);
            for job in jobs {
                if let Command::CloseHours { until_ms } = job.command {
                    self.closed_until_ms = self.closed_until_ms.max(until_ms);
                }
            }
        }
        done
    }

    /// Commits `jobs`; the rows that each of them changed (0 for sessions, whose rows are written together).
    async fn transaction(&mut self, jobs: &[Job]) -> Result<Vec<u64>, StoreError> {
        // Money and what operators said is flushed to the disk, and outlives a power cut. Of a session's row alone that is not
        // asked: it outlives the process as soon as the system has it, and the first booking, seconds later, flushes it too. A
        // creation that waited for the disk twice (for the batch before it, and for its own) would be felt.
        self.flush(!jobs.iter().all(|job| job.command.may_be_flushed_later())).await?;
        let sessions = SessionBatch::of(jobs, self.closed_until_ms)?;
        if jobs.iter().all(|job| matches!(job.command, Command::Sessions(_))) {
            sessions.bound_to(COMMIT_SESSIONS).execute(&mut self.connection).await?;
            return Ok(vec![0; jobs.len()]);
        }
        sessions.bound_to(BEGIN_SESSIONS).execute(&mut self.connection).await?;
        let mut changed = Vec::with_capacity(jobs.len());
        for job in jobs {
            changed.push(match statement(&job.command)? {
                Some(statement) => statement.execute(&mut self.connection).await?.rows_affected(),
                None => 0,
            });
        }
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        Ok(changed)
    }

    /// Has the next commits wait for the disk, or not.
    async fn flush(&mut self, flushes: bool) -> Result<(), StoreError> {
        if self.flushes != Some(flushes) {
            let level = if flushes { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
            sqlx::query(level).execute(&mut self.connection).await?;
            self.flushes = Some(flushes);
        }
        Ok(())
    }
}

/// Logs once when the store stops or starts working, and not once a write: callers retry every second.
fn note_health(error: Option<&StoreError>, healthy: &AtomicBool) {
    let was = healthy.swap(error.is_none(), Ordering::Relaxed);
    match error {
        Some(error) if was => {
            tracing::error!(%error, "the store does not take writes; serving goes on, bookings are kept")
        }
        None if !was => tracing::info!("the store takes writes again"),
        _ => {}
    }
}

/// The sessions of some jobs with all that is written with them, each kind of row as one JSON array.
struct SessionBatch {
    sessions: String,
    lines: String,
    /// Lines of hours that are closed.
    late: String,
    keys: String,
}

impl SessionBatch {
    fn of(jobs: &[Job], closed_until_ms: i64) -> Result<Self, StoreError> {
        let (mut sessions, mut lines, mut late, mut keys) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for job in jobs {
            let Command::Sessions(writes) = &job.command else { continue };
            for SessionWrite { session, lines: of_session, idempotency } in writes {
                sessions.push(SessionJson::of(session)?);
                for line in of_session {
                    let is_late = line.minute_start_ms < closed_until_ms;
                    (if is_late { &mut late } else { &mut lines }).push(LineJson::of(line)?);
                }
                keys.extend(idempotency.as_ref().map(|key| KeyJson::of(&session.tenant, key)));
            }
        }
        Ok(Self {
            sessions: codec::json(&sessions)?,
            lines: codec::json(&lines)?,
            late: codec::json(&late)?,
            keys: codec::json(&keys)?,
        })
    }

    /// `sql` holds [`put_sessions!`], whose four parameters these are.
    fn bound_to(self, sql: &'static str) -> Statement {
        sqlx::query(sql).bind(self.sessions).bind(self.lines).bind(self.late).bind(self.keys)
    }
}

/// What a command other than [`Command::Sessions`] does.
fn statement(command: &Command) -> Result<Option<Statement>, StoreError> {
    Ok(Some(match command {
        Command::Sessions(_) | Command::Close => return Ok(None),
        Command::AddGame(game) => put_game(
            "INSERT INTO games (title, sources, labels, tenant, id) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            game,
        )?,
        Command::ReplaceGame(game) => {
            put_game("UPDATE games SET title = ?, sources = ?, labels = ? WHERE tenant = ? AND id = ?", game)?
        }
        Command::RemoveGame { tenant, id } => {
            let remove = sqlx::query("DELETE FROM games WHERE tenant = ? AND id = ?");
            remove.bind(tenant.clone()).bind(id.clone())
        }
        Command::ForgetIdempotency { before_ms } => {
            sqlx::query("DELETE FROM idempotency WHERE created_ms < ?").bind(*before_ms)
        }
        Command::ForgetEnded { before_ms, limit } => {
            let oldest = "DELETE FROM sessions WHERE id IN \
                          (SELECT id FROM sessions WHERE ended_ms < ? ORDER BY ended_ms LIMIT ?)";
            sqlx::query(oldest).bind(*before_ms).bind(*limit)
        }
        Command::KeepClock(ClockRow { known_ms, sure_ms, era }) => {
            let keep = sqlx::query("UPDATE clock_state SET known_ms = ?, sure_ms = ?, era = ?");
            keep.bind(*known_ms).bind(*sure_ms).bind(codec::to_i64(*era)?)
        }
        Command::Secret { name, bytes } => {
            let keep = sqlx::query("INSERT INTO secrets (name, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING");
            keep.bind(name.clone()).bind(bytes.to_vec())
        }
        Command::CloseHours { until_ms } => {
            sqlx::query("UPDATE ledger_state SET closed_until_ms = max(closed_until_ms, ?)").bind(*until_ms)
        }
        Command::SealHour(hour) => {
            let seal = "INSERT INTO closed_hours (hour_start_ms, entries, billable_seconds, digest, public_key, signature) \
                        VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
            let seal = sqlx::query(seal).bind(hour.hour_start_ms).bind(codec::to_i64(hour.entries)?);
            let seal = seal.bind(hour.billable_seconds).bind(hour.digest.to_vec());
            seal.bind(hour.public_key.to_vec()).bind(hour.signature.to_vec())
        }
        Command::Outbox(write) => write.statement(),
        Command::HourSums { hour_start_ms, tenants } => sums::put_hour(*hour_start_ms, tenants)?,
        Command::PriceList(list) => sums::put_price_list(list),
        // A write that changes nothing but must reach the disk: SQLite stores the header's user version anew.
        Command::Probe => sqlx::query("PRAGMA user_version = 1"),
    }))
}

fn put_game(statement: &'static str, game: &GameRow) -> Result<Statement, StoreError> {
    let statement = sqlx::query(statement).bind(game.title.clone()).bind(codec::json(&game.sources)?);
    Ok(statement.bind(codec::json(&game.labels)?).bind(game.tenant.clone()).bind(game.id.clone()))
}

/// Whether a booking decides what was watched: it has more seconds, or as many and the greater text.
macro_rules! weighs_more {
    () => {
        "((excluded.billable_seconds, excluded.engine, excluded.layout, excluded.tier, excluded.games, excluded.labels) \
         > (billable_seconds, engine, layout, tier, games, labels))"
    };
}

/// What a booking does to a line that is there.
macro_rules! raise_figures {
    () => {
        concat!(
            "billable_seconds = max(billable_seconds, excluded.billable_seconds), \
         slate_seconds = max(slate_seconds, excluded.slate_seconds), \
         slate_all_seconds = max(slate_all_seconds, excluded.slate_all_seconds), \
         engine = iif(",
            weighs_more!(),
            ", excluded.engine, engine), layout = iif(",
            weighs_more!(),
            ", excluded.layout, layout), tier = iif(",
            weighs_more!(),
            ", excluded.tier, tier), games = iif(",
            weighs_more!(),
            ", excluded.games, games), labels = iif(",
            weighs_more!(),
            ", excluded.labels, labels) \
         WHERE ",
            weighs_more!(),
            " OR excluded.slate_seconds > slate_seconds OR excluded.slate_all_seconds > slate_all_seconds;"
        )
    };
}

/// What the ledger's closed hours have already of the minute of a late booking.
macro_rules! known {
    ($figure:literal) => {
        concat!(
            "(coalesce((SELECT ",
            $figure,
            " FROM meter_lines m WHERE m.tenant = value->>'tenant' AND m.minute_start_ms = value->>'minute_start_ms' \
             AND m.session_id = value->>'session_id'), 0) + coalesce((SELECT sum(",
            $figure,
            ") FROM corrections c WHERE c.session_id = value->>'session_id' \
             AND c.minute_start_ms = value->>'minute_start_ms' AND c.tenant = value->>'tenant' \
             AND c.hour_start_ms < closed_until_ms AND c.reason = 'late_booking'), 0))"
        )
    };
}

/// Statements that write sessions, meter lines, corrections for late ones and idempotency keys, each kind from the rows of one
/// JSON array, in its order (an empty one writes nothing).
///
/// Snapshots of one session may arrive out of order; `version` keeps an older one from undoing a newer one. Bookings of a
/// meter line may be repeated, late or of two writers: the larger figures stay, and what was watched goes with the most seconds,
/// of equal ones the greater text, so that the order of bookings decides nothing. Of a late line, what the ledger does not know
/// yet is a correction in the first open hour, and that is raised in the same way. (`WHERE true` tells
/// the parser that ON CONFLICT is no join: sqlite.org/lang_upsert.html, 2.2. `jsonb_each` hands each row on in its parsed form;
/// from `json_each` it would be text again, parsed once more for every column.)
macro_rules! put_sessions {
    () => {
        concat!(
            "INSERT INTO sessions (id, tenant, token, version, revision, layout, engine_choice, engine, games, audio, labels, \
         device_id, splices, meter, last_listed, effective_segment, created_ms, last_seen_ms, ended_ms, end_reason, \
         billable_seconds) \
         SELECT value->>'id', value->>'tenant', value->>'token', value->>'version', value->>'revision', value->>'layout', \
         value->>'engine_choice', value->>'engine', value->>'games', value->>'audio', value->>'labels', \
         value->>'device_id', value->>'splices', value->>'meter', value->>'last_listed', value->>'effective_segment', \
         value->>'created_ms', value->>'last_seen_ms', value->>'ended_ms', value->>'end_reason', \
         value->>'billable_seconds' FROM jsonb_each(?) WHERE true \
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, revision = excluded.revision, \
         layout = excluded.layout, engine_choice = excluded.engine_choice, engine = excluded.engine, \
         games = excluded.games, audio = excluded.audio, splices = excluded.splices, meter = excluded.meter, \
         last_listed = excluded.last_listed, effective_segment = excluded.effective_segment, \
         last_seen_ms = excluded.last_seen_ms, ended_ms = excluded.ended_ms, end_reason = excluded.end_reason, \
         billable_seconds = excluded.billable_seconds WHERE excluded.version > sessions.version; \
         INSERT INTO meter_lines (tenant, minute_start_ms, session_id, billable_seconds, slate_seconds, \
         slate_all_seconds, engine, layout, tier, games, labels) \
         SELECT value->>'tenant', value->>'minute_start_ms', value->>'session_id', value->>'billable_seconds', \
         value->>'slate_seconds', value->>'slate_all_seconds', value->>'engine', value->>'layout', value->>'tier', \
         value->>'games', value->>'labels' FROM jsonb_each(?) WHERE true \
         ON CONFLICT (tenant, minute_start_ms, session_id) DO UPDATE SET \
",
            raise_figures!(),
            " \
         INSERT INTO corrections (tenant, hour_start_ms, session_id, minute_start_ms, reason, billable_seconds, \
         slate_seconds, slate_all_seconds, engine, layout, tier, games, labels) \
         SELECT tenant, closed_until_ms, session_id, minute_start_ms, 'late_booking', max(billable - known_billable, 0), \
         max(slate - known_slate, 0), max(slate_all - known_slate_all, 0), engine, layout, tier, games, labels \
         FROM (SELECT value->>'tenant' AS tenant, closed_until_ms, value->>'session_id' AS session_id, \
         value->>'minute_start_ms' AS minute_start_ms, value->>'billable_seconds' AS billable, \
         value->>'slate_seconds' AS slate, value->>'slate_all_seconds' AS slate_all, value->>'engine' AS engine, \
         value->>'layout' AS layout, value->>'tier' AS tier, value->>'games' AS games, value->>'labels' AS labels, ",
            known!("billable_seconds"),
            " AS known_billable, ",
            known!("slate_seconds"),
            " AS known_slate, ",
            known!("slate_all_seconds"),
            " AS known_slate_all FROM jsonb_each(?), ledger_state) \
         WHERE billable > known_billable OR slate > known_slate OR slate_all > known_slate_all \
         ON CONFLICT (tenant, hour_start_ms, session_id, minute_start_ms, reason) DO UPDATE SET \
",
            raise_figures!(),
            " \
         INSERT OR REPLACE INTO idempotency (tenant, key, digest, session_id, created_ms) \
         SELECT value->>'tenant', value->>'key', unhex(value->>'digest'), value->>'session_id', value->>'created_ms' \
         FROM jsonb_each(?);"
        )
    };
}

/// A whole commit of sessions.
const COMMIT_SESSIONS: &str = concat!("BEGIN IMMEDIATE; ", put_sessions!(), " COMMIT");

/// Sessions, and a transaction left open for the rest.
const BEGIN_SESSIONS: &str = concat!("BEGIN IMMEDIATE; ", put_sessions!());

/// A session's row for [`put_sessions!`]: lists and maps are text already, as their columns hold them.
#[derive(Serialize)]
struct SessionJson<'a> {
    id: &'a str,
    tenant: &'a str,
    token: &'a str,
    version: i64,
    revision: i64,
    layout: &'a str,
    engine_choice: &'a str,
    engine: &'a str,
    games: String,
    audio: &'a str,
    labels: String,
    device_id: Option<&'a str>,
    splices: &'a str,
    meter: &'a str,
    last_listed: Option<i64>,
    effective_segment: i64,
    created_ms: i64,
    last_seen_ms: i64,
    ended_ms: Option<i64>,
    end_reason: Option<&'a str>,
    billable_seconds: i64,
}

impl<'a> SessionJson<'a> {
    fn of(row: &'a SessionRow) -> Result<Self, StoreError> {
        Ok(Self {
            id: &row.id,
            tenant: &row.tenant,
            token: &row.token,
            version: codec::to_i64(row.version)?,
            revision: codec::to_i64(row.revision)?,
            layout: &row.layout,
            engine_choice: &row.engine_choice,
            engine: &row.engine,
            games: codec::json(&row.games)?,
            audio: &row.audio,
            labels: codec::json(&row.labels)?,
            device_id: row.device_id.as_deref(),
            splices: &row.splices,
            meter: &row.meter,
            last_listed: row.last_listed.map(codec::to_i64).transpose()?,
            effective_segment: codec::to_i64(row.effective_segment)?,
            created_ms: row.created_ms,
            last_seen_ms: row.last_seen_ms,
            ended_ms: row.ended_ms,
            end_reason: row.end_reason.as_deref(),
            billable_seconds: codec::to_i64(row.billable_seconds)?,
        })
    }
}

/// A meter line for [`put_sessions!`].
#[derive(Serialize)]
struct LineJson<'a> {
    tenant: &'a str,
    minute_start_ms: i64,
    session_id: &'a str,
    billable_seconds: u32,
    slate_seconds: u32,
    slate_all_seconds: u32,
    engine: &'a str,
    layout: &'a str,
    tier: &'a str,
    games: String,
    labels: String,
}

impl<'a> LineJson<'a> {
    fn of(line: &'a MeterLine) -> Result<Self, StoreError> {
        Ok(Self {
            tenant: &line.tenant,
            minute_start_ms: line.minute_start_ms,
            session_id: &line.session_id,
            billable_seconds: line.billable_seconds,
            slate_seconds: line.slate_seconds,
            slate_all_seconds: line.slate_all_seconds,
            engine: &line.watched.engine,
            layout: &line.watched.layout,
            tier: &line.watched.tier,
            games: codec::json(&line.watched.games)?,
            labels: codec::json(&line.watched.labels)?,
        })
    }
}

/// An idempotency key for [`put_sessions!`].
#[derive(Serialize)]
struct KeyJson<'a> {
    tenant: &'a str,
    key: &'a str,
    digest: String,
    session_id: &'a str,
    created_ms: i64,
}

impl<'a> KeyJson<'a> {
    fn of(tenant: &'a str, row: &'a IdempotencyRow) -> Self {
        let IdempotencyRow { key, digest, session_id, created_ms } = row;
        Self { tenant, key, digest: hex::encode(digest), session_id, created_ms: *created_ms }
    }
}
