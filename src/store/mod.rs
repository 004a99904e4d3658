//! What must outlive the process: secrets, operators' games, sessions, the meter's lines. SQLite today; everything above
//! sees the [`Store`] trait alone, so that another database can stand behind it.
//!
//! A store that fails (a full disk, say) never stops serving: errors come back typed, callers keep what they wanted
//! written and try again, and [`Store::healthy`] tells the readiness page.

mod audit;
mod beacons;
mod booking;
mod breaks;
mod codec;
mod correcting;
mod data_dir;
mod fill;
mod key_file;
mod keys;
mod ledger;
mod lineups;
mod locks;
mod markets;
mod migrations;
mod outbox;
mod outputs;
mod proving;
mod rows;
mod sqlite;
mod sums;
#[cfg(test)]
pub(crate) mod testing;
mod webhooks;
mod writer;

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

pub use audit::{AuditFilter, AuditReads, AuditRow, AuditRows};
pub use beacons::{BeaconEnd, BeaconRow, BeaconRows};
pub use breaks::BreakRow;
pub use correcting::{Correction, CorrectionError, correct};
pub use data_dir::{Begin, Unfit};
pub use fill::{FillRow, FillRows};
pub use key_file::{ledger_key_file, ledger_seed, read_ledger_seed};
pub use keys::{KeyRow, KeyRows};
pub use ledger::SqliteLedger;
pub use lineups::{LineupRow, LineupRows};
pub use markets::{MarketRow, MarketRows};
pub use outbox::{Outbox, PassedThreshold};
pub use outputs::{OutputRow, OutputRows};
pub use rows::{
    ClockRow, ClosedHour, EntryCursor, Figures, GameRow, GroupSum, HourSum, IdempotencyRow, LedgerEntry, MeterLine,
    PriceListRow, SealMarks, SessionFilter, SessionMeterRow, SessionPart, SessionRow, SessionWrite, SessionsWanted,
    SumKey, SummedTenant, TenantHour, Watched,
};
pub use sqlite::SqliteStore;
pub use sums::UsageReads;
pub use webhooks::{MessageEnd, MessageRow, NewMessage, WebhookRow, WebhookRows};

/// Why the store did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The disk is full or the file cannot be written: worth trying again later.
    #[error("the store cannot write: {0}")]
    Unwritable(String),
    /// Another process works in this data directory.
    #[error("{} is in use by another quadrille process; give each its own", .0.display())]
    InUse(PathBuf),
    /// What is in the data directory does not belong together.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store is closed or its writer is gone: the process is ending.
    #[error("the store is closed")]
    Closed,
    /// The bounded queue in front of the writer stayed full.
    #[error("the store is too busy")]
    Busy,
    /// A row that is there already (a unique key was hit).
    #[error("it exists already")]
    Exists,
    /// The file is not the database that was written: a disk that flips bits, somebody else's hand.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// These sessions' rows or lines are not such as the database takes; all others of the call were written.
    #[error("{} of the sessions cannot be written: {}", .0.len(), first_of(.0))]
    Refused(Vec<RefusedWrite>),
    /// Anything else the database said.
    #[error("the store failed: {0}")]
    Failed(String),
}

/// A session that could not be written, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedWrite {
    pub session_id: String,
    pub error: StoreError,
}

fn first_of(refused: &[RefusedWrite]) -> String {
    refused.first().map(|RefusedWrite { session_id, error }| format!("{session_id}: {error}")).unwrap_or_default()
}

/// A store call under way.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// What can be read of the ledger without a running service. All times are milliseconds of Unix time, UTC.
pub trait LedgerReads: Send + Sync {
    /// Hours that end by then are closed; 0 where none is.
    fn closed_until(&self) -> Pending<'_, i64>;

    /// Seals of the hours that start after `after_ms`, oldest first, at most `limit`.
    fn closed_hours(&self, after_ms: i64, limit: u32) -> Pending<'_, Vec<ClosedHour>>;

    /// The newest seal.
    fn last_closed_hour(&self) -> Pending<'_, Option<ClosedHour>>;

    /// Tenants with entries, in byte order, and the `at_ms` of each one's first entry.
    fn billed_tenants(&self) -> Pending<'_, Vec<(String, i64)>>;

    /// A tenant's entries with `at_ms` in `from_ms..to_ms`, by `at_ms`, session id, minute and reason (bytes compared), after
    /// `after`, at most `limit`.
    fn entries<'a>(
        &'a self,
        tenant: &'a str,
        from_ms: i64,
        to_ms: i64,
        after: Option<EntryCursor>,
        limit: u32,
    ) -> Pending<'a, Vec<LedgerEntry>>;
}

/// Everything the service keeps. All times are milliseconds of Unix time, UTC.
pub trait Store: LedgerReads {
    /// 32 random bytes kept under `name`: made at the first call ever, the same for good after that.
    fn secret<'a>(&'a self, name: &'a str) -> Pending<'a, [u8; 32]>;

    /// Every operator-registered game, of all tenants, ordered by tenant and id. What cannot be read is left out, here and in lists
    /// of sessions, and named in the log.
    fn games(&self) -> Pending<'_, Vec<GameRow>>;

    /// Adds a game. [`StoreError::Exists`] when the tenant has one of that id.
    fn add_game(&self, game: GameRow) -> Pending<'_, ()>;

    /// Replaces a game; false when there is none of that tenant and id.
    fn replace_game(&self, game: GameRow) -> Pending<'_, bool>;

    /// Removes a game; false when there is none.
    fn remove_game<'a>(&'a self, tenant: &'a str, id: &'a str) -> Pending<'a, bool>;

    /// Every break that was begun by hand and is kept, of all games, the earliest first.
    fn breaks_by_hand(&self) -> Pending<'_, Vec<BreakRow>>;

    /// Keeps a break, in place of what was kept of it.
    fn put_break(&self, one: BreakRow) -> Pending<'_, ()>;

    /// Forgets a break: it never was.
    fn remove_break(&self, one: BreakRow) -> Pending<'_, ()>;

    /// Forgets breaks that began before.
    fn forget_breaks(&self, before_ns: i64) -> Pending<'_, ()>;

    /// Forgets the breaks of a game.
    fn forget_breaks_of(&self, game: &str) -> Pending<'_, ()>;

    /// Writes sessions' rows, their meter lines and, at their creation, their idempotency keys, of each session all or nothing.
    /// Returns when they outlive the process; where there are meter lines, when they outlive a power cut. Concurrent calls share
    /// one commit. Sessions with something in them that the database refuses come back as [`StoreError::Refused`], and all others
    /// are written; after any other error none is. A row older than the one kept ([`SessionRow::version`]) is dropped silently, and of a meter line the larger
    /// figures stay, with what was watched in the booking that had most seconds (of equal ones, the greater text). So bookings
    /// may be repeated, and come in any order: the ledger is the same.
    fn write_sessions(&self, writes: Vec<SessionWrite>) -> Pending<'_, ()>;

    /// Sessions that have not ended.
    fn active_sessions(&self) -> Pending<'_, Vec<SessionRow>>;

    /// One session of a tenant.
    fn session<'a>(&'a self, tenant: &'a str, id: &'a str) -> Pending<'a, Option<SessionRow>>;

    /// A tenant's sessions, newest first, at most `filter.limit`.
    fn sessions<'a>(&'a self, tenant: &'a str, filter: SessionFilter) -> Pending<'a, Vec<SessionRow>>;

    /// The id of the tenant's session that comes `skip` after the newest one, or after the newest one below `before_id`; `None` where there are not so many.
    fn session_after<'a>(
        &'a self,
        tenant: &'a str,
        before_id: Option<String>,
        skip: u32,
    ) -> Pending<'a, Option<String>>;

    /// What a tenant's idempotency key was used for, if that was at or after `since_ms`.
    fn idempotency<'a>(&'a self, tenant: &'a str, key: &'a str, since_ms: i64) -> Pending<'a, Option<IdempotencyRow>>;

    /// Forgets idempotency keys used before `before_ms`; how many they were.
    fn forget_idempotency(&self, before_ms: i64) -> Pending<'_, u64>;

    /// Deletes sessions that ended before `before_ms`, the oldest `limit` of them; how many they were. Those that ended in hours
    /// that are open stay. The ledger keeps its lines, which tell all that reports say of a session.
    fn forget_sessions(&self, before_ms: i64, limit: u32) -> Pending<'_, u64>;

    /// What [`Store::keep_clock`] kept last.
    fn clock(&self) -> Pending<'_, ClockRow>;

    /// Notes what time has come to. Outlives the process, not at once a power cut.
    fn keep_clock(&self, clock: ClockRow) -> Pending<'_, ()>;

    /// The ledger alone, for those who only read it.
    fn ledger(&self) -> Arc<dyn UsageReads>;

    /// Closes the hours that end by `until_ms` (a multiple of 3,600,000): from now on nothing changes in them, and what is booked
    /// late becomes a correction in the first hour that is open. Hours that are closed stay closed.
    fn close_hours(&self, until_ms: i64) -> Pending<'_, ()>;

    /// Keeps the seal of a closed hour; one that is there already stays.
    fn seal_hour(&self, hour: ClosedHour) -> Pending<'_, ()>;

    /// Keeps what a closed hour came to, and that it is summed. Hours are summed in their order; one that is summed stays as it
    /// is.
    fn put_hour_sums(&self, hour_start_ms: i64, tenants: Vec<TenantHour>) -> Pending<'_, ()>;

    /// Keeps a price list, which from now on is the tenant's one in force.
    fn register_price_list(&self, list: PriceListRow) -> Pending<'_, ()>;

    /// Whether the last write succeeded.
    fn healthy(&self) -> bool;

    /// Tries a small write, so that a store that failed is found healthy again once it is.
    fn probe(&self) -> Pending<'_, ()>;

    /// Finishes queued writes and closes the database.
    fn close(&self) -> Pending<'_, ()>;
}
