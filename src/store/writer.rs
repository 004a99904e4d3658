//! The one task that writes. It commits whatever waits in its queue together (a commit costs a flush of the disk, however
//! many rows it carries), so fifty sessions created at once cost two flushes and not fifty.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Connection, Sqlite};
use tokio::sync::{mpsc, oneshot};

use super::{GameRow, IdempotencyRow, MeterLine, SessionRow, SessionWrite, StoreError, codec};

/// Most commands in one commit: bounds how long the first of them waits for the last.
const BATCH: usize = 256;

/// What the writer is asked to do.
pub(super) enum Command {
    Sessions(Vec<SessionWrite>),
    AddGame(GameRow),
    ReplaceGame(GameRow),
    RemoveGame { tenant: String, id: String },
    ForgetIdempotency { before_ms: i64 },
    Secret { name: String, bytes: [u8; 32] },
    Probe,
    Close,
}

impl Command {
    fn may_be_flushed_later(&self) -> bool {
        matches!(self, Self::Sessions(writes) if writes.iter().all(|write| write.lines.is_empty()))
    }
}

/// A command and where its answer goes: the number of rows it changed.
pub(super) struct Job {
    pub command: Command,
    pub reply: oneshot::Sender<Result<u64, StoreError>>,
}

type Statement = sqlx::query::Query<'static, Sqlite, SqliteArguments>;

/// Writes until the queue closes or a [`Command::Close`] comes.
pub(super) async fn run(mut connection: SqliteConnection, mut queue: mpsc::Receiver<Job>, healthy: Arc<AtomicBool>) {
    let mut batch = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut batch, BATCH).await > 0 {
        let closing = batch.iter().position(|job| matches!(job.command, Command::Close));
        // What was queued behind a Close is answered by its dropped reply: the store is closed.
        let close = closing.map(|at| batch.split_off(at));
        write(&mut connection, &mut batch, &healthy).await;
        if let Some(close) = close {
            queue.close();
            let closed = connection.close().await.map(|()| 0).map_err(StoreError::from);
            if let Some(job) = close.into_iter().next() {
                let _ = job.reply.send(closed);
            }
            return;
        }
    }
}

/// Commits `jobs` together. Where that fails for a reason that may lie in one of them, each is tried alone, so that one
/// bad row never keeps others from the disk.
async fn write(connection: &mut SqliteConnection, jobs: &mut Vec<Job>, healthy: &AtomicBool) {
    if jobs.is_empty() {
        return;
    }
    let together = commit(connection, jobs).await;
    note_health(together.as_ref().err(), healthy);
    match together {
        Ok(changed) => {
            for (job, changed) in jobs.drain(..).zip(changed) {
                let _ = job.reply.send(Ok(changed));
            }
        }
        Err(StoreError::Failed(_)) if jobs.len() > 1 => {
            for job in jobs.drain(..) {
                let alone = commit(connection, std::slice::from_ref(&job)).await;
                note_health(alone.as_ref().err(), healthy);
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

async fn commit(connection: &mut SqliteConnection, jobs: &[Job]) -> Result<Vec<u64>, StoreError> {
    let done = transaction(connection, jobs).await;
    if done.is_err() {
        // SQLite may have rolled back by itself (sqlite.org/lang_transaction.html, 2.3): then this fails, rightly.
        let _ = sqlx::query("ROLLBACK").execute(&mut *connection).await;
    }
    done
}

async fn transaction(connection: &mut SqliteConnection, jobs: &[Job]) -> Result<Vec<u64>, StoreError> {
    // Money and what operators said is flushed to the disk, and outlives a power cut. Of a session's row alone that is not
    // asked: it outlives the process as soon as the system has it, and the first booking, seconds later, flushes it too. A
    // creation that waited for the disk twice (for the batch before it, and for its own) would be felt.
    let level = if jobs.iter().all(|job| job.command.may_be_flushed_later()) {
        "PRAGMA synchronous = NORMAL"
    } else {
        "PRAGMA synchronous = FULL"
    };
    sqlx::query(level).execute(&mut *connection).await?;
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    for statement in session_statements(jobs)? {
        statement.execute(&mut *connection).await?;
    }
    let mut changed = Vec::with_capacity(jobs.len());
    for job in jobs {
        let mut rows = 0;
        for statement in statements(&job.command)? {
            rows = statement.execute(&mut *connection).await?.rows_affected();
        }
        changed.push(rows);
    }
    sqlx::query("COMMIT").execute(&mut *connection).await?;
    Ok(changed)
}

/// The sessions of all jobs in one statement and their lines in another: SQLite runs on a thread of its own, and going
/// there and back costs more than a row does.
fn session_statements(jobs: &[Job]) -> Result<Vec<Statement>, StoreError> {
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for job in jobs {
        if let Command::Sessions(writes) = &job.command {
            for write in writes {
                rows.push(session_json(&write.session)?);
                for line in &write.lines {
                    lines.push(line_json(line)?);
                }
            }
        }
    }
    let mut all = Vec::new();
    if !rows.is_empty() {
        all.push(sqlx::query(PUT_SESSIONS).bind(codec::json(&rows)?));
    }
    if !lines.is_empty() {
        all.push(sqlx::query(PUT_LINES).bind(codec::json(&lines)?));
    }
    Ok(all)
}

fn statements(command: &Command) -> Result<Vec<Statement>, StoreError> {
    Ok(match command {
        // Their rows and lines are in `session_statements`.
        Command::Sessions(writes) => {
            let key = |write: &SessionWrite| {
                write.idempotency.as_ref().map(|key| put_idempotency(&write.session.tenant, key))
            };
            writes.iter().filter_map(key).collect()
        }
        Command::AddGame(game) => vec![put_game(
            "INSERT INTO games (title, sources, labels, tenant, id) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            game,
        )?],
        Command::ReplaceGame(game) => {
            vec![put_game("UPDATE games SET title = ?, sources = ?, labels = ? WHERE tenant = ? AND id = ?", game)?]
        }
        Command::RemoveGame { tenant, id } => {
            let remove = sqlx::query("DELETE FROM games WHERE tenant = ? AND id = ?");
            vec![remove.bind(tenant.clone()).bind(id.clone())]
        }
        Command::ForgetIdempotency { before_ms } => {
            vec![sqlx::query("DELETE FROM idempotency WHERE created_ms < ?").bind(*before_ms)]
        }
        Command::Secret { name, bytes } => {
            let keep = sqlx::query("INSERT INTO secrets (name, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING");
            vec![keep.bind(name.clone()).bind(bytes.to_vec())]
        }
        // A write that changes nothing but must reach the disk: SQLite stores the header's user version anew.
        Command::Probe => vec![sqlx::query("PRAGMA user_version = 1")],
        Command::Close => Vec::new(),
    })
}

fn put_game(statement: &'static str, game: &GameRow) -> Result<Statement, StoreError> {
    let statement = sqlx::query(statement).bind(game.title.clone()).bind(codec::json(&game.sources)?);
    Ok(statement.bind(codec::json(&game.labels)?).bind(game.tenant.clone()).bind(game.id.clone()))
}

/// Rows of a JSON array, in its order. Snapshots of one session may arrive out of order; `version` keeps an older one from
/// undoing a newer one. (`WHERE true` tells the parser that ON CONFLICT is no join: sqlite.org/lang_upsert.html, 2.2.)
const PUT_SESSIONS: &str = "\
    INSERT INTO sessions (id, tenant, token, version, revision, layout, engine_choice, engine, games, audio, labels, \
    device_id, splices, meter, last_listed, effective_segment, created_ms, last_seen_ms, ended_ms, end_reason, \
    billable_seconds) \
    SELECT value->>'id', value->>'tenant', value->>'token', value->>'version', value->>'revision', value->>'layout', \
    value->>'engine_choice', value->>'engine', value->>'games', value->>'audio', value->>'labels', value->>'device_id', \
    value->>'splices', value->>'meter', value->>'last_listed', value->>'effective_segment', value->>'created_ms', \
    value->>'last_seen_ms', value->>'ended_ms', value->>'end_reason', value->>'billable_seconds' \
    FROM json_each(?) WHERE true \
    ON CONFLICT (id) DO UPDATE SET version = excluded.version, revision = excluded.revision, \
    layout = excluded.layout, engine_choice = excluded.engine_choice, engine = excluded.engine, \
    games = excluded.games, audio = excluded.audio, splices = excluded.splices, meter = excluded.meter, \
    last_listed = excluded.last_listed, effective_segment = excluded.effective_segment, \
    last_seen_ms = excluded.last_seen_ms, ended_ms = excluded.ended_ms, end_reason = excluded.end_reason, \
    billable_seconds = excluded.billable_seconds WHERE excluded.version > sessions.version";

/// A replay, or a booking that comes late, never counts twice and never takes back: the larger figure stays.
const PUT_LINES: &str = "\
    INSERT INTO meter_lines (tenant, minute_start_ms, session_id, billable_seconds, layout, games) \
    SELECT value->>'tenant', value->>'minute_start_ms', value->>'session_id', value->>'billable_seconds', \
    value->>'layout', value->>'games' FROM json_each(?) WHERE true \
    ON CONFLICT (tenant, minute_start_ms, session_id) DO UPDATE SET \
    billable_seconds = excluded.billable_seconds, layout = excluded.layout, games = excluded.games \
    WHERE excluded.billable_seconds > meter_lines.billable_seconds";

/// A session's row for [`PUT_SESSIONS`]: lists and maps are text already, as their columns hold them.
fn session_json(row: &SessionRow) -> Result<serde_json::Value, StoreError> {
    Ok(serde_json::json!({
        "id": row.id,
        "tenant": row.tenant,
        "token": row.token,
        "version": codec::to_i64(row.version)?,
        "revision": codec::to_i64(row.revision)?,
        "layout": row.layout,
        "engine_choice": row.engine_choice,
        "engine": row.engine,
        "games": codec::json(&row.games)?,
        "audio": row.audio,
        "labels": codec::json(&row.labels)?,
        "device_id": row.device_id,
        "splices": row.splices,
        "meter": row.meter,
        "last_listed": row.last_listed.map(codec::to_i64).transpose()?,
        "effective_segment": codec::to_i64(row.effective_segment)?,
        "created_ms": row.created_ms,
        "last_seen_ms": row.last_seen_ms,
        "ended_ms": row.ended_ms,
        "end_reason": row.end_reason,
        "billable_seconds": codec::to_i64(row.billable_seconds)?,
    }))
}

/// A line for [`PUT_LINES`].
fn line_json(line: &MeterLine) -> Result<serde_json::Value, StoreError> {
    Ok(serde_json::json!({
        "tenant": line.tenant,
        "minute_start_ms": line.minute_start_ms,
        "session_id": line.session_id,
        "billable_seconds": line.billable_seconds,
        "layout": line.layout,
        "games": codec::json(&line.games)?,
    }))
}

fn put_idempotency(tenant: &str, row: &IdempotencyRow) -> Statement {
    sqlx::query(
        "INSERT OR REPLACE INTO idempotency (tenant, key, digest, session_id, created_ms) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(tenant.to_owned())
    .bind(row.key.clone())
    .bind(row.digest.to_vec())
    .bind(row.session_id.clone())
    .bind(row.created_ms)
}
