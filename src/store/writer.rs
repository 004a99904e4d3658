//! The one task that writes. It commits whatever waits in its queue together (a commit costs a flush of the disk, however
//! many rows it carries), so fifty sessions created at once cost two flushes and not fifty.
//!
//! SQLite runs on a thread of its own, and going there and back costs more than rows do where processors are busy: a commit of
//! sessions is one trip.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{Connection, Sqlite};
use tokio::sync::{mpsc, oneshot};

use super::audit::AuditWrite;
use super::beacons::BeaconWrite;
use super::booking::{BEGIN_SESSIONS, COMMIT_SESSIONS, PUT_SESSIONS, SessionBatch};
use super::breaks::BreakWrite;
use super::fill::FillWrite;
use super::keys::KeyWrite;
use super::lineups::LineupWrite;
use super::locks::Locks;
use super::markets::MarketWrite;
use super::outbox::OutboxWrite;
use super::outputs::OutputWrite;
use super::webhooks::WebhookWrite;
use super::{
    ClockRow, ClosedHour, GameRow, PriceListRow, RefusedWrite, SessionWrite, StoreError, TenantHour, codec, sums,
};

/// Most commands in one commit: bounds how long the first of them waits for the last.
const BATCH: usize = 256;

/// How long no commit must have failed.
const STEADY: Duration = Duration::from_secs(5);

/// What the writer is asked to do.
pub(super) enum Command {
    Sessions(Vec<SessionWrite>),
    AddGame(GameRow),
    ReplaceGame(GameRow),
    RemoveGame {
        tenant: String,
        id: String,
    },
    ForgetIdempotency {
        before_ms: i64,
    },
    ForgetSessions {
        before_ms: i64,
        limit: u32,
    },
    KeepClock(ClockRow),
    /// A secret that is kept in a file from now on.
    BlankSecret {
        name: String,
    },
    CloseHours {
        until_ms: i64,
    },
    SealHour(ClosedHour),
    Audit(AuditWrite),
    Break(BreakWrite),
    Key(KeyWrite),
    Market(MarketWrite),
    Fill(FillWrite),
    Beacon(BeaconWrite),
    Lineup(LineupWrite),
    Outbox(OutboxWrite),
    Outputs(OutputWrite),
    HourSums {
        hour_start_ms: i64,
        tenants: Vec<TenantHour>,
    },
    Webhook(WebhookWrite),
    PriceList(PriceListRow),
    Probe,
    Close,
}

/// How many rows a command changed.
type Answer = Result<u64, StoreError>;

impl Command {
    fn may_be_flushed_later(&self) -> bool {
        match self {
            Self::Sessions(writes) => writes.iter().all(|write| write.lines.is_empty()),
            Self::KeepClock(_) => true,
            Self::Webhook(write) => write.may_be_flushed_later(),
            _ => false,
        }
    }

    /// Whether a commit in which this was answered so reached the disk.
    fn wrote(&self, answer: &Answer) -> bool {
        match self {
            Self::Sessions(writes) => !writes.is_empty(),
            Self::Probe => true,
            _ => answer.as_ref().is_ok_and(|rows| *rows > 0),
        }
    }
}

/// A command and where its answer goes: the number of rows it changed.
pub(super) struct Job {
    pub command: Command,
    pub reply: oneshot::Sender<Result<u64, StoreError>>,
}

impl Job {
    fn sessions(&self) -> impl Iterator<Item = &SessionWrite> {
        let writes: &[SessionWrite] = if let Command::Sessions(writes) = &self.command { writes } else { &[] };
        writes.iter()
    }
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
    /// When a commit failed last.
    failed: Option<Instant>,
    uncarried: Arc<AtomicBool>,
    /// Dropped when the writer ends.
    _end: (oneshot::Sender<()>, Arc<Locks>),
}

impl Writer {
    /// A writer that lets go of `end` when it is over.
    pub(super) fn new(
        connection: SqliteConnection,
        closed_until_ms: i64,
        healthy: Arc<AtomicBool>,
        end: (oneshot::Sender<()>, Arc<Locks>),
    ) -> Self {
        Self { connection, flushes: None, closed_until_ms, healthy, failed: None, uncarried: Arc::default(), _end: end }
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

    /// Commits `jobs` together. Where that fails for a reason that may lie in a row of one of them, all others are committed without
    /// it, so that one bad row never keeps others from the disk.
    async fn write(&mut self, jobs: &mut Vec<Job>) {
        if jobs.is_empty() {
            return;
        }
        let together = self.commit(jobs).await;
        let done = match together {
            Ok(changed) => Ok(changed.into_iter().map(Ok).collect()),
            Err(StoreError::Failed(_)) => self.commit_what_can_be(jobs).await,
            Err(error) => Err(error),
        };
        // A row that is refused says nothing of the store, and neither does a commit that had nothing to write: a full disk takes it.
        let wrote = |answers: &Vec<Answer>| jobs.iter().zip(answers).any(|(job, answer)| job.command.wrote(answer));
        if done.as_ref().map_or(true, wrote) {
            self.note_health(done.as_ref().err());
        }
        let answers: Vec<Answer> = done.unwrap_or_else(|error| vec![Err(error); jobs.len()]);
        for (job, answer) in jobs.drain(..).zip(answers) {
            let _ = job.reply.send(answer);
        }
    }

    async fn commit(&mut self, jobs: &[Job]) -> Result<Vec<u64>, StoreError> {
        let done = self.transaction(jobs).await;
        self.end(jobs, done.is_ok()).await;
        done
    }

    async fn commit_what_can_be(&mut self, jobs: &[Job]) -> Result<Vec<Answer>, StoreError> {
        let done = self.picking_transaction(jobs).await;
        self.end(jobs, done.is_ok()).await;
        done
    }

    /// A transaction of `jobs` was committed, or failed.
    async fn end(&mut self, jobs: &[Job], is_committed: bool) {
        if !is_committed {
            // SQLite may have rolled back by itself (sqlite.org/lang_transaction.html, 2.3): then this fails, rightly.
            let _ = sqlx::query("ROLLBACK").execute(&mut self.connection).await;
            return;
        }
        self.uncarried.store(true, Ordering::Relaxed);
        for job in jobs {
            if let Command::CloseHours { until_ms } = job.command {
                self.closed_until_ms = self.closed_until_ms.max(until_ms);
            }
        }
    }

    /// Commits `jobs`; the rows that each of them changed (0 for sessions, whose rows are written together).
    async fn transaction(&mut self, jobs: &[Job]) -> Result<Vec<u64>, StoreError> {
        // Money and what operators said is flushed to the disk, and outlives a power cut. Of a session's row alone that is not
        // asked: it outlives the process as soon as the system has it, and the first booking, seconds later, flushes it too. A
        // creation that waited for the disk twice (for the batch before it, and for its own) would be felt.
        self.flush(!jobs.iter().all(|job| job.command.may_be_flushed_later())).await?;
        let sessions = SessionBatch::of(jobs.iter().flat_map(Job::sessions), self.closed_until_ms)?;
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

    /// Commits of `jobs` what SQLite takes: each job's answer. One commit, so that finding a bad row costs no flush of the disk more
    /// than the good ones need.
    async fn picking_transaction(&mut self, jobs: &[Job]) -> Result<Vec<Answer>, StoreError> {
        self.flush(true).await?;
        sqlx::query("BEGIN IMMEDIATE").execute(&mut self.connection).await?;
        let writes: Vec<(usize, &SessionWrite)> =
            jobs.iter().enumerate().flat_map(|(n, job)| job.sessions().map(move |write| (n, write))).collect();
        let mut refused: Vec<Vec<RefusedWrite>> = jobs.iter().map(|_| Vec::new()).collect();
        for (at, error) in self.put_all_but_bad(&writes).await? {
            let (job, write) = writes[at];
            refused[job].push(RefusedWrite { session_id: write.session_id().to_owned(), error });
        }
        let mut answers = Vec::with_capacity(jobs.len());
        for (job, refused) in jobs.iter().zip(refused) {
            answers.push(match statement(&job.command) {
                Ok(Some(statement)) => self.tried(statement).await?,
                Ok(None) if refused.is_empty() => Ok(0),
                Ok(None) => Err(StoreError::Refused(refused)),
                Err(error) => Err(error),
            });
        }
        sqlx::query("COMMIT").execute(&mut self.connection).await?;
        Ok(answers)
    }

    /// Writes `writes`, but for those that are refused: which, and why. By halves, so that one bad among 500 costs twenty tries.
    async fn put_all_but_bad(
        &mut self,
        writes: &[(usize, &SessionWrite)],
    ) -> Result<Vec<(usize, StoreError)>, StoreError> {
        let mut bad = Vec::new();
        // The first is on top: they are written in their order.
        let mut ranges: Vec<_> = std::iter::once(0..writes.len()).collect();
        while let Some(range) = ranges.pop().filter(|range| !range.is_empty()) {
            let of_range = writes[range.clone()].iter().map(|(_, write)| *write);
            let done = match SessionBatch::of(of_range, self.closed_until_ms) {
                Ok(batch) => self.tried(batch.bound_to(PUT_SESSIONS)).await?,
                Err(error) => Err(error),
            };
            match done {
                Ok(_) => {}
                Err(error) if range.len() == 1 => bad.push((range.start, error)),
                Err(_) => {
                    let middle = range.start + range.len() / 2;
                    ranges.extend([middle..range.end, range.start..middle]);
                }
            }
        }
        Ok(bad)
    }

    /// Runs `statement` within a transaction. What it did is taken back where what it writes is refused; an error of another kind
    /// ends the transaction.
    async fn tried(&mut self, statement: Statement) -> Result<Answer, StoreError> {
        sqlx::query("SAVEPOINT tried").execute(&mut self.connection).await?;
        let done = statement.execute(&mut self.connection).await.map_err(StoreError::from);
        let end = if done.is_ok() { "RELEASE tried" } else { "ROLLBACK TO tried; RELEASE tried" };
        match done {
            Ok(_) | Err(StoreError::Failed(_)) => sqlx::raw_sql(end).execute(&mut self.connection).await?,
            Err(error) => return Err(error),
        };
        Ok(done.map(|done| done.rows_affected()))
    }

    /// Logs once when the store stops or starts working, and not once a write: callers retry every second. A disk that is full takes small writes now
    /// and then, so one that failed works again when none has failed for a while.
    fn note_health(&mut self, error: Option<&StoreError>) {
        let now = Instant::now();
        if let Some(error) = error {
            self.failed = Some(now);
            if self.healthy.swap(false, Ordering::Relaxed) {
                tracing::error!(%error, "the store does not take writes; serving goes on, bookings are kept");
            }
        } else if self.failed.is_none_or(|failed| now.duration_since(failed) >= STEADY)
            && !self.healthy.swap(true, Ordering::Relaxed)
        {
            tracing::info!("the store takes writes again");
        }
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

/// What a command other than [`Command::Sessions`] does.
fn statement(command: &Command) -> Result<Option<Statement>, StoreError> {
    Ok(Some(match command {
        Command::Sessions(_) | Command::Close => return Ok(None),
        Command::AddGame(game) => put_game(
            "INSERT INTO games (title, sources, labels, break_policy, offset_ms, rights, tenant, id) VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
            game,
        )?,
        Command::ReplaceGame(game) => put_game(
            "UPDATE games SET title = ?, sources = ?, labels = ?, break_policy = ?, offset_ms = ?, rights = ? WHERE tenant = ? AND id = ?",
            game,
        )?,
        Command::RemoveGame { tenant, id } => {
            let remove = sqlx::query("DELETE FROM games WHERE tenant = ? AND id = ?");
            remove.bind(tenant.clone()).bind(id.clone())
        }
        Command::ForgetIdempotency { before_ms } => {
            sqlx::query("DELETE FROM idempotency WHERE created_ms < ?").bind(*before_ms)
        }
        Command::ForgetSessions { before_ms, limit } => {
            // Hours that are open may yet be asked about, by people and by bookings.
            let forget = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ended_ms IS NOT NULL \
                           AND ended_ms < min(?, (SELECT closed_until_ms FROM ledger_state)) ORDER BY ended_ms LIMIT ?)";
            sqlx::query(forget).bind(*before_ms).bind(*limit)
        }
        Command::KeepClock(ClockRow { known_ms, sure_ms, era }) => {
            let keep = sqlx::query("UPDATE clock_state SET known_ms = ?, sure_ms = ?, era = ?");
            keep.bind(*known_ms).bind(*sure_ms).bind(codec::to_i64(*era)?)
        }
        // Written over rather than deleted: what is deleted lies in the file until its place is needed.
        Command::BlankSecret { name } => {
            sqlx::query("UPDATE secrets SET bytes = zeroblob(32) WHERE name = ?").bind(name.clone())
        }
        Command::CloseHours { until_ms } => {
            sqlx::query("UPDATE ledger_state SET closed_until_ms = max(closed_until_ms, ?)").bind(*until_ms)
        }
        Command::SealHour(hour) => {
            let seal = "INSERT INTO closed_hours (hour_start_ms, entries, billable_seconds, digest, public_key, signature, \
                        price_lists) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING; \
                        UPDATE ledger_state SET sealed_until_ms = max(sealed_until_ms, ?1 + 3600000);";
            let seal = sqlx::query(seal).bind(hour.hour_start_ms).bind(codec::to_i64(hour.entries)?);
            let seal = seal.bind(hour.billable_seconds).bind(hour.digest.to_vec());
            seal.bind(hour.public_key.to_vec()).bind(hour.signature.to_vec()).bind(hour.price_lists.clone())
        }
        Command::Audit(write) => write.statement(),
        Command::Key(write) => write.statement(),
        Command::Market(write) => write.statement(),
        Command::Fill(write) => write.statement(),
        Command::Beacon(write) => write.statement(),
        Command::Lineup(write) => write.statement(),
        Command::Outbox(write) => write.statement(),
        Command::Outputs(write) => write.statement(),
        Command::Break(write) => write.statement(),
        Command::Webhook(write) => write.statement(),
        Command::HourSums { hour_start_ms, tenants } => sums::put_hour(*hour_start_ms, tenants)?,
        Command::PriceList(list) => sums::put_price_list(list),
        // A write that changes nothing but must reach the disk: SQLite stores the header's user version anew.
        Command::Probe => sqlx::query("PRAGMA user_version = 1"),
    }))
}

fn put_game(statement: &'static str, game: &GameRow) -> Result<Statement, StoreError> {
    let statement = sqlx::query(statement).bind(game.title.clone()).bind(codec::json(&game.sources)?);
    Ok(statement
        .bind(codec::json(&game.labels)?)
        .bind(game.break_policy.clone())
        .bind(game.offset_ms)
        .bind(game.rights.clone())
        .bind(game.tenant.clone())
        .bind(game.id.clone()))
}
