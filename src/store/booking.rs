//! The statements that write sessions: their rows, meter lines, corrections for late ones and idempotency keys, each kind of row as one
//! JSON array, so that a batch of hundreds is one trip to SQLite's thread.

use serde::Serialize;

use super::writer::Statement;
use super::{IdempotencyRow, MeterLine, SessionMeterRow, SessionPart, SessionRow, SessionWrite, StoreError, codec};

/// Sessions with all that is written with them.
pub(super) struct SessionBatch {
    sessions: String,
    meters: String,
    lines: String,
    /// Lines of hours that are closed.
    late: String,
    keys: String,
}

impl SessionBatch {
    pub fn of<'a>(
        writes: impl IntoIterator<Item = &'a SessionWrite>,
        closed_until_ms: i64,
    ) -> Result<Self, StoreError> {
        let (mut sessions, mut meters, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        let (mut lines, mut late) = (Vec::new(), Vec::new());
        for SessionWrite { part, lines: of_session } in writes {
            match part {
                SessionPart::Whole(session, key) => {
                    sessions.push(SessionJson::of(session)?);
                    keys.extend(key.as_ref().map(|key| KeyJson::of(&session.tenant, key)));
                }
                SessionPart::Meter(meter) => meters.push(meter_values(meter)?),
            }
            for line in of_session {
                let is_late = line.minute_start_ms < closed_until_ms;
                (if is_late { &mut late } else { &mut lines }).push(line_values(line)?);
            }
        }
        Ok(Self {
            sessions: codec::json(&sessions)?,
            meters: codec::json(&meters)?,
            lines: codec::json(&lines)?,
            late: codec::json(&late)?,
            keys: codec::json(&keys)?,
        })
    }

    /// `sql` holds [`put_sessions!`], whose five parameters these are.
    pub fn bound_to(self, sql: &'static str) -> Statement {
        let Self { sessions, meters, lines, late, keys } = self;
        sqlx::query(sql).bind(sessions).bind(meters).bind(lines).bind(late).bind(keys)
    }
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
            " FROM meter_lines m WHERE m.tenant = value->>0 AND m.minute_start_ms = value->>1 \
             AND m.session_id = value->>2), 0) + coalesce((SELECT sum(",
            $figure,
            ") FROM corrections c WHERE c.session_id = value->>2 \
             AND c.minute_start_ms = value->>1 AND c.tenant = value->>0 \
             AND c.hour_start_ms < closed_until_ms AND c.reason = 'late_booking'), 0))"
        )
    };
}

/// Statements that write sessions, what their meters moved on, meter lines, corrections for late ones and idempotency keys, each kind
/// from the rows of one JSON array, in its order (an empty one writes nothing).
///
/// Snapshots of one session may arrive out of order, whole or not; `version` keeps an older one from undoing a newer one. Bookings of a
/// meter line may be repeated, late or of two writers: the larger figures stay, and what was watched goes with the most seconds,
/// of equal ones the greater text, so that the order of bookings decides nothing. Of a late line, what the ledger does not know
/// yet is a correction in the first open hour, and that is raised in the same way. (`WHERE true` tells
/// the parser that ON CONFLICT is no join: sqlite.org/lang_upsert.html, 2.2. `jsonb_each` hands each row on in its parsed form;
/// from `json_each` it would be text again, parsed once more for every column. Rows that are written every few seconds are arrays
/// and not objects: half the text, and nothing to look up.)
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
         INSERT INTO session_meters (session_id, version, meter, last_listed, last_seen_ms, billable_seconds) \
         SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5 FROM jsonb_each(?) WHERE true \
         ON CONFLICT (session_id) DO UPDATE SET version = excluded.version, meter = excluded.meter, \
         last_listed = excluded.last_listed, last_seen_ms = excluded.last_seen_ms, \
         billable_seconds = excluded.billable_seconds WHERE excluded.version > session_meters.version; \
         INSERT INTO meter_lines (tenant, minute_start_ms, session_id, billable_seconds, slate_seconds, \
         slate_all_seconds, engine, layout, tier, games, labels) \
         SELECT value->>0, value->>1, value->>2, value->>3, \
         value->>4, value->>5, value->>6, value->>7, value->>8, \
         value->>9, value->>10 FROM jsonb_each(?) WHERE true \
         ON CONFLICT (tenant, minute_start_ms, session_id) DO UPDATE SET \
",
            raise_figures!(),
            " \
         INSERT INTO corrections (tenant, hour_start_ms, session_id, minute_start_ms, reason, billable_seconds, \
         slate_seconds, slate_all_seconds, engine, layout, tier, games, labels) \
         SELECT tenant, closed_until_ms, session_id, minute_start_ms, 'late_booking', max(billable - known_billable, 0), \
         max(slate - known_slate, 0), max(slate_all - known_slate_all, 0), engine, layout, tier, games, labels \
         FROM (SELECT value->>0 AS tenant, closed_until_ms, value->>2 AS session_id, \
         value->>1 AS minute_start_ms, value->>3 AS billable, \
         value->>4 AS slate, value->>5 AS slate_all, value->>6 AS engine, \
         value->>7 AS layout, value->>8 AS tier, value->>9 AS games, value->>10 AS labels, ",
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
pub(super) const COMMIT_SESSIONS: &str = concat!("BEGIN IMMEDIATE; ", put_sessions!(), " COMMIT");

/// Sessions, and a transaction left open for the rest.
pub(super) const BEGIN_SESSIONS: &str = concat!("BEGIN IMMEDIATE; ", put_sessions!());

/// Sessions within a transaction.
pub(super) const PUT_SESSIONS: &str = put_sessions!();

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

/// A small row for [`put_sessions!`].
fn meter_values(row: &SessionMeterRow) -> Result<impl Serialize, StoreError> {
    let last_listed = row.last_listed.map(codec::to_i64).transpose()?;
    let (version, billable_seconds) = (codec::to_i64(row.version)?, codec::to_i64(row.billable_seconds)?);
    Ok((&row.session_id, version, &row.meter, last_listed, row.last_seen_ms, billable_seconds))
}

/// A meter line for [`put_sessions!`].
fn line_values(line: &MeterLine) -> Result<impl Serialize, StoreError> {
    let MeterLine { tenant, session_id, minute_start_ms, billable_seconds, slate_seconds, slate_all_seconds, watched } =
        line;
    let figures = (billable_seconds, slate_seconds, slate_all_seconds);
    let (games, labels) = (codec::json(&watched.games)?, codec::json(&watched.labels)?);
    Ok((
        tenant,
        minute_start_ms,
        session_id,
        figures.0,
        figures.1,
        figures.2,
        &watched.engine,
        &watched.layout,
        &watched.tier,
        games,
        labels,
    ))
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

#[cfg(test)]
#[path = "booking_tests.rs"]
mod tests;
