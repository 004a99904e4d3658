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
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
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

fn statements(command: &Command) -> Result<Vec<Statement>, StoreError> {
    Ok(match command {
        Command::Sessions(writes) => {
            let mut all = Vec::with_capacity(writes.len() * 2);
            for write in writes {
                all.push(put_session(&write.session)?);
                all.extend(write.idempotency.iter().map(|key| put_idempotency(&write.session.tenant, key)));
                for line in &write.lines {
                    all.push(put_line(line)?);
                }
            }
            all
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

fn put_session(row: &SessionRow) -> Result<Statement, StoreError> {
    // Snapshots of one session may arrive out of order; `version` keeps an older one from undoing a newer one.
    let statement = sqlx::query(
        "INSERT INTO sessions (id, tenant, token, version, revision, layout, engine_choice, engine, games, audio, labels, \
         device_id, splices, meter, last_listed, effective_segment, created_ms, last_seen_ms, ended_ms, end_reason, \
         billable_seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) \
         ON CONFLICT (id) DO UPDATE SET version = excluded.version, revision = excluded.revision, \
         layout = excluded.layout, engine_choice = excluded.engine_choice, engine = excluded.engine, \
         games = excluded.games, audio = excluded.audio, splices = excluded.splices, meter = excluded.meter, \
         last_listed = excluded.last_listed, effective_segment = excluded.effective_segment, \
         last_seen_ms = excluded.last_seen_ms, ended_ms = excluded.ended_ms, end_reason = excluded.end_reason, \
         billable_seconds = excluded.billable_seconds WHERE excluded.version > sessions.version",
    );
    Ok(statement
        .bind(row.id.clone())
        .bind(row.tenant.clone())
        .bind(row.token.clone())
        .bind(codec::to_i64(row.version)?)
        .bind(codec::to_i64(row.revision)?)
        .bind(row.layout.clone())
        .bind(row.engine_choice.clone())
        .bind(row.engine.clone())
        .bind(codec::json(&row.games)?)
        .bind(row.audio.clone())
        .bind(codec::json(&row.labels)?)
        .bind(row.device_id.clone())
        .bind(row.splices.clone())
        .bind(row.meter.clone())
        .bind(row.last_listed.map(codec::to_i64).transpose()?)
        .bind(codec::to_i64(row.effective_segment)?)
        .bind(row.created_ms)
        .bind(row.last_seen_ms)
        .bind(row.ended_ms)
        .bind(row.end_reason.clone())
        .bind(codec::to_i64(row.billable_seconds)?))
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

fn put_line(line: &MeterLine) -> Result<Statement, StoreError> {
    // A replay, or a booking that comes late, never counts twice and never takes back: the larger figure stays.
    let statement = sqlx::query(
        "INSERT INTO meter_lines (tenant, minute_start_ms, session_id, billable_seconds, layout, games) \
         VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (tenant, minute_start_ms, session_id) DO UPDATE SET \
         billable_seconds = excluded.billable_seconds, layout = excluded.layout, games = excluded.games \
         WHERE excluded.billable_seconds > meter_lines.billable_seconds",
    );
    Ok(statement
        .bind(line.tenant.clone())
        .bind(line.minute_start_ms)
        .bind(line.session_id.clone())
        .bind(line.billable_seconds)
        .bind(line.layout.clone())
        .bind(codec::json(&line.games)?))
}
