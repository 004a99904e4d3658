//! The rows of the store, as plain data. All times are milliseconds of Unix time, UTC.

use std::collections::BTreeMap;

/// A game that an operator registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GameRow {
    pub tenant: String,
    /// Unique within the tenant.
    pub id: String,
    pub title: String,
    /// Source URIs, primary first.
    pub sources: Vec<String>,
    pub labels: BTreeMap<String, String>,
}

/// One viewer's session, as it must survive a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Sorts by time of creation.
    pub id: String,
    pub tenant: String,
    /// The secret in the playback URL; unique.
    pub token: String,
    /// Counts writes of this row; an older one never replaces a newer one.
    pub version: u64,
    /// Counts what the viewer changed; the ETag.
    pub revision: u64,
    pub layout: String,
    /// `auto`, `render` or `stitch`, as asked for.
    pub engine_choice: String,
    /// What makes the current mosaic.
    pub engine: String,
    /// Game ids in slot order.
    pub games: Vec<String>,
    pub audio: String,
    pub labels: BTreeMap<String, String>,
    pub device_id: Option<String>,
    /// The session's splices, as JSON that the session room writes and reads.
    pub splices: String,
    /// The session's meter, as JSON that the usage room writes and reads.
    pub meter: String,
    /// Newest segment that was ever listed to this session.
    pub last_listed: Option<u64>,
    pub effective_segment: u64,
    pub created_ms: i64,
    /// Last playlist request.
    pub last_seen_ms: i64,
    pub ended_ms: Option<i64>,
    pub end_reason: Option<String>,
    pub billable_seconds: u64,
}

/// What a session showed, as its meter lines tell it.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Watched {
    /// `render` or `stitch`.
    pub engine: String,
    pub layout: String,
    /// Name of the highest rendition that was offered; empty in lines older than this figure.
    pub tier: String,
    /// Game ids in slot order.
    pub games: Vec<String>,
    /// The session's labels.
    pub labels: BTreeMap<String, String>,
}

/// One session's seconds within one minute: the line behind every report. Every figure of it only grows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterLine {
    pub tenant: String,
    pub session_id: String,
    /// Start of the minute (a multiple of 60,000).
    pub minute_start_ms: i64,
    /// Whole seconds within this minute so far, 0 to 60; a later booking of the same minute is never smaller.
    pub billable_seconds: u32,
    /// Of them, those with at least one game off.
    pub slate_seconds: u32,
    /// Of those, the ones with every game off.
    pub slate_all_seconds: u32,
    /// What the session showed last within the minute.
    pub watched: Watched,
}

/// What an idempotency key was used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyRow {
    pub key: String,
    /// Digest of the request's body.
    pub digest: [u8; 32],
    pub session_id: String,
    pub created_ms: i64,
}

/// Everything that goes to the disk together for one session.
#[derive(Clone, Debug)]
pub struct SessionWrite {
    pub session: SessionRow,
    pub lines: Vec<MeterLine>,
    pub idempotency: Option<IdempotencyRow>,
}

/// Which sessions to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Only active (`Some(true)`) or only ended (`Some(false)`) ones.
    pub active: Option<bool>,
    /// Only sessions with an id below this one (older ones).
    pub before_id: Option<String>,
    pub limit: u32,
}

/// What the ledger says of a session's minute: its meter line, or a correction of one whose hour was closed already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    pub tenant: String,
    /// Decides which period it is in: the start of the minute, for a correction that of the hour it was booked in.
    pub at_ms: i64,
    pub session_id: String,
    pub minute_start_ms: i64,
    /// Why it corrects; empty for a meter line.
    pub reason: String,
    /// 0 to 60; of a correction, the difference.
    pub billable_seconds: i64,
    pub slate_seconds: i64,
    pub slate_all_seconds: i64,
    pub watched: Watched,
}

/// Where a listing of entries goes on: after this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryCursor {
    pub at_ms: i64,
    pub session_id: String,
    pub minute_start_ms: i64,
    pub reason: String,
}

impl Default for EntryCursor {
    /// Before all entries.
    fn default() -> Self {
        Self { at_ms: i64::MIN, session_id: String::new(), minute_start_ms: i64::MIN, reason: String::new() }
    }
}

impl LedgerEntry {
    pub fn cursor(&self) -> EntryCursor {
        EntryCursor {
            at_ms: self.at_ms,
            session_id: self.session_id.clone(),
            minute_start_ms: self.minute_start_ms,
            reason: self.reason.clone(),
        }
    }
}

/// The seal of an hour whose entries change no more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedHour {
    /// A multiple of 3,600,000.
    pub hour_start_ms: i64,
    /// How many entries the hour has, all tenants together.
    pub entries: u64,
    /// Sum of their billable seconds.
    pub billable_seconds: i64,
    /// SHA-256 over the entries and the digest of the hour before.
    pub digest: [u8; 32],
    /// Of the Ed25519 key that signed.
    pub public_key: [u8; 32],
    pub signature: [u8; 64],
}

/// A session's sum over a period.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageBySession {
    pub session_id: String,
    /// Corrections booked in the period may outweigh its lines.
    pub billable_seconds: i64,
    /// First and last minute of the period in which it was billed.
    pub first_minute_ms: i64,
    pub last_minute_ms: i64,
}

/// A day's sum over all sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageByDay {
    /// `2026-11-22`, UTC.
    pub day: String,
    pub billable_seconds: i64,
    /// Sessions that were billed on that day.
    pub sessions: u64,
}
