//! The rows of the store, as plain data. All times are milliseconds of Unix time, UTC.

use std::collections::BTreeMap;
use std::fmt;

/// A game that an operator registered. Its sources may hold passwords: `Debug` tells how many they are.
#[derive(Clone, PartialEq, Eq)]
pub struct GameRow {
    pub tenant: String,
    /// Unique within the tenant.
    pub id: String,
    pub title: String,
    /// Source URIs, primary first.
    pub sources: Vec<String>,
    pub labels: BTreeMap<String, String>,
    /// What its slot shows while a break runs; `None`: as all games do.
    pub break_policy: Option<String>,
    /// How much later than its source claims its pictures are captured.
    pub offset_ms: i32,
    /// Where and when it may be shown, as JSON; `None`: without limits.
    pub rights: Option<String>,
}

impl fmt::Debug for GameRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tenant, id, title, sources, labels, break_policy, offset_ms, rights } = self;
        let sources = sources.len();
        write!(
            f,
            "GameRow {{ {tenant}/{id}, {title:?}, {sources} sources, {labels:?}, {break_policy:?}, {offset_ms} ms, {rights:?} }}"
        )
    }
}

/// What time had come to when a process last noted it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClockRow {
    /// 0 where none ever did.
    pub known_ms: i64,
    /// The last of them that the clock was beyond doubt at.
    pub sure_ms: i64,
    /// How often time has gone back.
    pub era: u64,
}

/// One viewer's session, as it must survive a restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRow {
    /// Sorts by time of creation.
    pub id: String,
    pub tenant: String,
    /// The secret in the playback URL; unique.
    pub token: String,
    /// Counts writes of this session; an older one never replaces a newer one.
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

/// What every booking moves on in a session's row, kept in a row of its own: a small one, because it is written every few seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionMeterRow {
    pub session_id: String,
    /// Counts with [`SessionRow::version`]: the newer of the two rows is right.
    pub version: u64,
    /// As in [`SessionRow`], and so are the rest.
    pub meter: String,
    pub last_listed: Option<u64>,
    pub last_seen_ms: i64,
    pub billable_seconds: u64,
}

/// What is written of a session.
#[derive(Clone, Debug)]
pub enum SessionPart {
    /// All of it; at its creation with the idempotency key that made it.
    Whole(Box<SessionRow>, Option<IdempotencyRow>),
    /// What its meter moved on: the session itself is in the store.
    Meter(SessionMeterRow),
}

/// Everything that goes to the disk together for one session.
#[derive(Clone, Debug)]
pub struct SessionWrite {
    pub part: SessionPart,
    pub lines: Vec<MeterLine>,
}

impl SessionWrite {
    /// A whole row with its lines.
    pub fn whole(row: SessionRow, lines: Vec<MeterLine>) -> Self {
        Self { part: SessionPart::Whole(Box::new(row), None), lines }
    }

    /// What a booking changes.
    pub fn metered(row: SessionMeterRow, lines: Vec<MeterLine>) -> Self {
        Self { part: SessionPart::Meter(row), lines }
    }

    pub fn session_id(&self) -> &str {
        match &self.part {
            SessionPart::Whole(row, _) => &row.id,
            SessionPart::Meter(row) => &row.session_id,
        }
    }
}

/// Which sessions to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionFilter {
    /// Only active (`Some(true)`) or only ended (`Some(false)`) ones.
    pub active: Option<bool>,
    /// Only sessions with an id below this one (older ones).
    pub before_id: Option<String>,
    /// Only sessions with this id or one above it.
    pub from_id: Option<String>,
    pub limit: u32,
    pub wanted: SessionsWanted,
}

/// What sessions are looked for; an empty one is every session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionsWanted {
    /// Stands in the session's id or its device's, whatever the case of ASCII letters.
    pub text: Option<String>,
    pub device_id: Option<String>,
    /// In one of its slots, at its end or now.
    pub game: Option<String>,
    /// A label's name, and its value where not any will do.
    pub label: Option<(String, Option<String>)>,
    /// Not over before then.
    pub from_ms: Option<i64>,
    /// Begun before then.
    pub to_ms: Option<i64>,
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
    /// SHA-256 over the entries, what they are priced by and the digest of the hour before.
    pub digest: [u8; 32],
    /// Of the Ed25519 key that signed.
    pub public_key: [u8; 32],
    pub signature: [u8; 64],
    /// Ids of the price lists that its entries are priced by, by tenant, as JSON; `None` where a version sealed it that did not seal
    /// prices.
    pub price_lists: Option<String>,
}

/// How far seals were noted, beside the seals themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SealMarks {
    /// Hours that end by then were sealed (milliseconds of Unix time); 0 where none was, or none since this is noted.
    pub sealed_until_ms: i64,
    /// The newest seal that the data directory's marker knows: its hour, and its digest in hexadecimal.
    pub noted: Option<(i64, String)>,
}

/// The first and the last hour (their starts, milliseconds of Unix time) that something is kept of a tenant's sums for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SummedTenant {
    pub tenant: String,
    pub first_ms: i64,
    pub last_ms: i64,
}

/// What a session came to in a closed hour, as long as it showed the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HourSum {
    pub session_id: String,
    pub watched: Watched,
    /// First and last minute (their starts) that are in it.
    pub first_minute_ms: i64,
    pub last_minute_ms: i64,
    pub figures: Figures,
    /// Billable seconds without what the contract leaves out.
    pub charged_seconds: i64,
    /// ISO 4217; empty where no tariff was valid.
    pub currency: String,
}

/// Sums of the ledger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub billable_seconds: i64,
    pub slate_seconds: i64,
    pub slate_all_seconds: i64,
    /// Minutes by the contract's rounding.
    pub billed_minutes: i64,
    /// What they cost, in ten-billionths of the currency's unit, …
    pub cost: i128,
    /// … and what they would without free minutes and volume steps.
    pub list_cost: i128,
}

impl Figures {
    /// What no report has a row for.
    pub fn is_nothing(&self) -> bool {
        self.billable_seconds == 0 && self.billed_minutes == 0 && self.cost == 0
    }
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.billable_seconds += other.billable_seconds;
        self.slate_seconds += other.slate_seconds;
        self.slate_all_seconds += other.slate_all_seconds;
        self.billed_minutes += other.billed_minutes;
        self.cost += other.cost;
        self.list_cost += other.list_cost;
    }
}

/// One tenant's part of a closed hour.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TenantHour {
    pub tenant: String,
    /// By session id, of one session by first appearance.
    pub sums: Vec<HourSum>,
    /// What the tenant's month came to by the end of the hour, as the usage room writes and reads it.
    pub mark: String,
    /// The price list that the hour was priced by.
    pub price_list: PriceListRow,
}

/// A price list, as the usage room writes and reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceListRow {
    pub tenant: String,
    /// SHA-256 of the text, in hexadecimal.
    pub id: String,
    pub tariffs: String,
}

/// What sums are grouped by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SumKey {
    Session,
    /// Start of the hour, as text: milliseconds of Unix time.
    Hour,
    /// Days of Unix time (UTC), as text.
    Day,
    /// Each game that a session shows has all its seconds; minutes and costs are shared out among the slots.
    Game,
    Layout,
    Tier,
    /// The value of a label, empty where a session does not have it.
    Label(String),
}

/// The sum of a group in one currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSum {
    pub key: String,
    /// ISO 4217; empty where no tariff was valid.
    pub currency: String,
    pub first_minute_ms: i64,
    pub last_minute_ms: i64,
    pub figures: Figures,
}
