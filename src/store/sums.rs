//! Sums of closed hours: written once, when an hour is closed, and grouped for reports.

use serde::Serialize;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row};

use super::rows::{
    EntryCursor, Figures, GroupSum, HourSum, LedgerEntry, PriceListRow, SealMarks, SumKey, SummedTenant, TenantHour,
};
use super::{LedgerReads, Pending, SqliteLedger, StoreError, codec, proving};

/// What reports read. All times are milliseconds of Unix time, UTC.
pub trait UsageReads: LedgerReads {
    /// Hours that end by then are summed; 0 where none is.
    fn summed_until(&self) -> Pending<'_, i64>;

    /// What `tenant`'s month came to by the end of the last summed hour that starts before `before_ms` and has an entry of the
    /// tenant, and the id of the price list of that hour, with its start.
    fn month_mark<'a>(&'a self, tenant: &'a str, before_ms: i64) -> Pending<'a, Option<(i64, String, String)>>;

    /// Charged seconds of sessions in summed hours that start before `before_ms`; sessions with none are left out.
    fn charged_seconds<'a>(
        &'a self,
        tenant: &'a str,
        before_ms: i64,
        sessions: Vec<String>,
    ) -> Pending<'a, Vec<(String, i64)>>;

    /// The sums of one summed hour.
    fn hour_sums<'a>(&'a self, tenant: &'a str, hour_start_ms: i64) -> Pending<'a, Vec<HourSum>>;

    /// Sums of summed hours that start in `from_ms..to_ms` (whole hours), grouped, by key and currency (bytes compared), at most
    /// `limit`. `after` is the key and currency that a page ended with; for [`SumKey::Session`] alone.
    fn group_sums<'a>(
        &'a self,
        tenant: &'a str,
        hours: (i64, i64),
        key: SumKey,
        after: Option<(String, String)>,
        limit: u32,
    ) -> Pending<'a, Vec<GroupSum>>;

    /// How many sessions other than `known` have sums in summed hours that start in `from_ms..to_ms`.
    fn count_sessions<'a>(&'a self, tenant: &'a str, hours: (i64, i64), known: Vec<String>) -> Pending<'a, u64>;

    /// Sessions with sums in summed hours that start in `from_ms..to_ms`: how many, by the group's key ([`SumKey::Hour`] or
    /// [`SumKey::Day`]).
    fn sessions_by<'a>(&'a self, tenant: &'a str, hours: (i64, i64), key: SumKey) -> Pending<'a, Vec<(String, u64)>>;

    /// How many sessions have each value of `label` (`''` without it) in summed hours that start in `from_ms..to_ms`, without the pairs of a session and a
    /// value that are `known`.
    fn sessions_by_label<'a>(
        &'a self,
        tenant: &'a str,
        hours: (i64, i64),
        label: String,
        known: Vec<(String, String)>,
    ) -> Pending<'a, Vec<(String, u64)>>;

    /// The entries of one session, as [`LedgerReads::entries`] gives those of all.
    fn session_entries<'a>(
        &'a self,
        tenant: &'a str,
        session_id: &'a str,
        period: (i64, i64),
        after: Option<EntryCursor>,
        limit: u32,
    ) -> Pending<'a, Vec<LedgerEntry>>;

    /// A price list that was in force once; without an id the one that is.
    fn price_list<'a>(&'a self, tenant: &'a str, id: Option<String>) -> Pending<'a, Option<PriceListRow>>;

    /// Tenants that something is kept of sums for, in byte order, whether or not they have entries.
    fn summed_tenants(&self) -> Pending<'_, Vec<SummedTenant>>;

    /// How far seals were noted.
    fn seal_marks(&self) -> Pending<'_, SealMarks>;

    /// Compares the ledger's tables with their indexes. Reads all of them once; [`StoreError::Damaged`] names the first that is not whole.
    fn check_ledger_tables(&self) -> Pending<'_, ()>;
}

impl UsageReads for SqliteLedger {
    fn summed_until(&self) -> Pending<'_, i64> {
        Box::pin(async move {
            let row = sqlx::query("SELECT summed_until_ms FROM ledger_state").fetch_one(&self.readers).await?;
            Ok(row.try_get(0)?)
        })
    }

    fn month_mark<'a>(&'a self, tenant: &'a str, before_ms: i64) -> Pending<'a, Option<(i64, String, String)>> {
        Box::pin(async move {
            let query = "SELECT hour_start_ms, mark, price_list FROM month_marks WHERE tenant = ? AND hour_start_ms < ? \
                         ORDER BY hour_start_ms DESC LIMIT 1";
            let row = sqlx::query(query).bind(tenant).bind(before_ms).fetch_optional(&self.readers).await?;
            row.map(|row| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))).transpose()
        })
    }

    fn charged_seconds<'a>(
        &'a self,
        tenant: &'a str,
        before_ms: i64,
        sessions: Vec<String>,
    ) -> Pending<'a, Vec<(String, i64)>> {
        Box::pin(async move {
            // The list drives: one short walk along the index for each session, whatever the tenant's history.
            let query = "SELECT j.value, (SELECT sum(charged_seconds) FROM hour_sums h INDEXED BY hour_sums_of_session \
                         WHERE h.tenant = ?1 AND h.session_id = j.value AND h.hour_start_ms < ?2) AS seconds \
                         FROM json_each(?3) j WHERE seconds IS NOT NULL";
            let query = sqlx::query(query).bind(tenant).bind(before_ms).bind(codec::json(&sessions)?);
            let pair = |row: &SqliteRow| Ok((row.try_get(0)?, row.try_get(1)?));
            query.fetch_all(&self.readers).await?.iter().map(pair).collect()
        })
    }

    fn hour_sums<'a>(&'a self, tenant: &'a str, hour_start_ms: i64) -> Pending<'a, Vec<HourSum>> {
        Box::pin(async move {
            let query = "SELECT * FROM hour_sums WHERE tenant = ? AND hour_start_ms = ? ORDER BY session_id, part";
            let rows = sqlx::query(query).bind(tenant).bind(hour_start_ms).fetch_all(&self.readers).await?;
            // In a file whose order is broken a walk comes by rows of other hours, too: they count there, and not here.
            let of_hour =
                |row: &SqliteRow| match (row.try_get::<&str, _>("tenant")?, row.try_get::<i64, _>("hour_start_ms")?) {
                    place if place == (tenant, hour_start_ms) => hour_sum(row),
                    _ => Err(StoreError::Damaged("sums of another hour lie among those of this one".into())),
                };
            rows.iter().map(of_hour).collect()
        })
    }

    fn group_sums<'a>(
        &'a self,
        tenant: &'a str,
        (from_ms, to_ms): (i64, i64),
        key: SumKey,
        after: Option<(String, String)>,
        limit: u32,
    ) -> Pending<'a, Vec<GroupSum>> {
        Box::pin(async move {
            let label = match &key {
                SumKey::Label(name) => name.clone(),
                _ => String::new(),
            };
            let (after_key, after_currency) = after.unwrap_or_default();
            let query = sqlx::query(AssertSqlSafe(grouping(&key))).bind(tenant).bind(from_ms).bind(to_ms).bind(limit);
            let query = query.bind(label).bind(after_key).bind(after_currency);
            query.fetch_all(&self.readers).await?.iter().map(group_sum).collect()
        })
    }

    fn count_sessions<'a>(
        &'a self,
        tenant: &'a str,
        (from_ms, to_ms): (i64, i64),
        known: Vec<String>,
    ) -> Pending<'a, u64> {
        Box::pin(async move {
            let query = format!(
                "SELECT count(DISTINCT session_id) FROM hour_sums WHERE tenant = ? AND hour_start_ms >= ? \
                 AND hour_start_ms < ? AND {SOMETHING} AND session_id NOT IN (SELECT value FROM json_each(?))"
            );
            let query =
                sqlx::query(AssertSqlSafe(query)).bind(tenant).bind(from_ms).bind(to_ms).bind(codec::json(&known)?);
            count(&query.fetch_one(&self.readers).await?, 0)
        })
    }

    fn sessions_by<'a>(
        &'a self,
        tenant: &'a str,
        (from_ms, to_ms): (i64, i64),
        key: SumKey,
    ) -> Pending<'a, Vec<(String, u64)>> {
        Box::pin(async move {
            // A day's sessions are told apart once per session and day, not once per row.
            let span = match key {
                SumKey::Hour => "hour_start_ms",
                _ => "hour_start_ms / 86400000",
            };
            let query = format!(
                "SELECT CAST({span} AS TEXT), count(DISTINCT session_id) FROM hour_sums \
                 WHERE tenant = ? AND hour_start_ms >= ? AND hour_start_ms < ? AND {SOMETHING} GROUP BY {span}"
            );
            let query = sqlx::query(AssertSqlSafe(query)).bind(tenant).bind(from_ms).bind(to_ms);
            let pair = |row: &SqliteRow| Ok((row.try_get(0)?, count(row, 1)?));
            query.fetch_all(&self.readers).await?.iter().map(pair).collect()
        })
    }

    fn sessions_by_label<'a>(
        &'a self,
        tenant: &'a str,
        (from_ms, to_ms): (i64, i64),
        label: String,
        known: Vec<(String, String)>,
    ) -> Pending<'a, Vec<(String, u64)>> {
        Box::pin(async move {
            let query = format!(
                "SELECT its, count(*) FROM (SELECT DISTINCT session_id, \
                 coalesce((SELECT value FROM json_each(labels) WHERE json_each.key = ?4), '') AS its FROM hour_sums \
                 WHERE tenant = ?1 AND hour_start_ms >= ?2 AND hour_start_ms < ?3 AND {SOMETHING}) \
                 WHERE (session_id, its) NOT IN (SELECT value->>0, value->>1 FROM json_each(?5)) GROUP BY its"
            );
            let query = sqlx::query(AssertSqlSafe(query)).bind(tenant).bind(from_ms).bind(to_ms).bind(label);
            let rows = query.bind(codec::json(&known)?).fetch_all(&self.readers).await?;
            rows.iter().map(|row| Ok((row.try_get(0)?, count(row, 1)?))).collect()
        })
    }

    fn session_entries<'a>(
        &'a self,
        tenant: &'a str,
        session_id: &'a str,
        (from_ms, to_ms): (i64, i64),
        after: Option<EntryCursor>,
        limit: u32,
    ) -> Pending<'a, Vec<LedgerEntry>> {
        Box::pin(async move {
            let after = after.unwrap_or_default();
            let query = sqlx::query(OF_SESSION).bind(tenant).bind(session_id);
            let query = query.bind(from_ms.max(after.at_ms)).bind(to_ms);
            let query = query.bind(after.at_ms).bind(after.minute_start_ms).bind(after.reason).bind(limit);
            query.fetch_all(&self.readers).await?.iter().map(codec::entry).collect()
        })
    }

    fn price_list<'a>(&'a self, tenant: &'a str, id: Option<String>) -> Pending<'a, Option<PriceListRow>> {
        Box::pin(async move {
            let query = "SELECT tenant, id, tariffs FROM price_lists WHERE tenant = ?1 AND (?2 IS NULL OR id = ?2) \
                         ORDER BY registered DESC LIMIT 1";
            let row = sqlx::query(query).bind(tenant).bind(id).fetch_optional(&self.readers).await?;
            row.map(|row| Ok(PriceListRow { tenant: row.try_get(0)?, id: row.try_get(1)?, tariffs: row.try_get(2)? }))
                .transpose()
        })
    }

    fn summed_tenants(&self) -> Pending<'_, Vec<SummedTenant>> {
        Box::pin(proving::summed_tenants(&self.readers))
    }

    fn seal_marks(&self) -> Pending<'_, SealMarks> {
        Box::pin(proving::seal_marks(&self.readers, self.data_dir.as_deref()))
    }

    fn check_ledger_tables(&self) -> Pending<'_, ()> {
        Box::pin(proving::check_ledger_tables(&self.readers))
    }
}

/// Lines lie by minute, and a session has one in few of them: its hours are known where they are summed, and are those that are
/// not; each of their minutes is one look.
const OF_SESSION: &str = "WITH RECURSIVE \
     minutes (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM minutes WHERE n < 59), \
     open (hour, last) AS (SELECT \
     max(summed_until_ms, (SELECT min(minute_start_ms) FROM meter_lines WHERE tenant = ?1) / 3600000 * 3600000), \
     (SELECT max(minute_start_ms) FROM meter_lines WHERE tenant = ?1) FROM ledger_state \
     UNION ALL SELECT hour + 3600000, last FROM open WHERE hour + 3600000 <= last), \
     hours (hour) AS (SELECT hour_start_ms FROM hour_sums INDEXED BY hour_sums_of_session \
     WHERE tenant = ?1 AND session_id = ?2 UNION SELECT hour FROM open) \
     SELECT tenant, minute_start_ms AS at_ms, session_id, minute_start_ms, '' AS reason, \
     billable_seconds, slate_seconds, slate_all_seconds, engine, layout, tier, games, labels \
     FROM hours CROSS JOIN minutes CROSS JOIN meter_lines ON tenant = ?1 AND session_id = ?2 \
     AND minute_start_ms = hour + n * 60000 \
     WHERE minute_start_ms >= ?3 AND minute_start_ms < ?4 AND (minute_start_ms, minute_start_ms, '') > (?5, ?6, ?7) \
     UNION ALL \
     SELECT tenant, hour_start_ms AS at_ms, session_id, minute_start_ms, reason, \
     billable_seconds, slate_seconds, slate_all_seconds, engine, layout, tier, games, labels \
     FROM corrections WHERE session_id = ?2 AND tenant = ?1 AND hour_start_ms >= ?3 AND hour_start_ms < ?4 \
     AND (hour_start_ms, minute_start_ms, reason) > (?5, ?6, ?7) \
     ORDER BY 2, 4, 5 LIMIT ?8";

fn count(row: &SqliteRow, column: usize) -> Result<u64, StoreError> {
    let count: i64 = row.try_get(column)?;
    u64::try_from(count).map_err(|_| StoreError::Failed("a count is negative".into()))
}

/// Sums of figures, each as it stands in its row or as the share of one slot. `has_seconds` tells whether a row's seconds count.
/// Costs are summed in two parts: a sum of 64-bit numbers could overflow, and SQLite has no longer ones.
fn figures(has_seconds: &str, share: fn(&str) -> String) -> String {
    let seconds = |figure: &str| format!("sum(iif({has_seconds}, {figure}, 0))");
    let (minutes, cost, list_cost) = (share("billed_minutes"), share("cost"), share("list_cost"));
    format!(
        "min(first_minute_ms) AS first_ms, max(last_minute_ms) AS last_ms, {} AS billable, {} AS slate, {} AS slate_all, \
         sum({minutes}) AS minutes, sum({cost} / 1000000) AS cost_high, sum({cost} % 1000000) AS cost_low, \
         sum({list_cost} / 1000000) AS list_high, sum({list_cost} % 1000000) AS list_low",
        seconds("billable_seconds"),
        seconds("slate_seconds"),
        seconds("slate_all_seconds"),
    )
}

fn whole(figure: &str) -> String {
    figure.to_owned()
}

/// A slot's share: what cannot be divided goes to the first slots, one each.
fn of_slot(figure: &str) -> String {
    format!(
        "({figure} / json_array_length(games) + iif(slot.key < abs({figure} % json_array_length(games)), \
         iif({figure} < 0, -1, 1), 0))"
    )
}

/// What one of the rows has that a group has a row for.
const SOMETHING: &str = "(billable_seconds <> 0 OR billed_minutes <> 0)";
const NOT_NOTHING: &str = "HAVING billable <> 0 OR minutes <> 0 OR cost_high <> 0 OR cost_low <> 0";

/// The statement that groups by `key`, with the parameters of [`UsageReads::group_sums`]. No text of a caller is in it.
fn grouping(key: &SumKey) -> String {
    let (group, from, has_seconds, share): (_, _, _, fn(&str) -> String) = match key {
        SumKey::Session => return by_session(),
        SumKey::Hour => ("CAST(hour_start_ms AS TEXT)", "hour_sums", "true", whole),
        SumKey::Day => ("CAST(hour_start_ms / 86400000 AS TEXT)", "hour_sums", "true", whole),
        SumKey::Layout => ("layout", "hour_sums", "true", whole),
        SumKey::Tier => ("tier", "hour_sums", "true", whole),
        SumKey::Label(_) => {
            let value = "coalesce((SELECT value FROM json_each(labels) WHERE json_each.key = ?5), '')";
            (value, "hour_sums", "true", whole)
        }
        // A game that is there twice has the session's seconds once, and the shares of both its slots.
        SumKey::Game => {
            let is_first = "slot.key = (SELECT min(s.key) FROM json_each(games) s WHERE s.value = slot.value)";
            ("slot.value", "hour_sums, json_each(games) slot", is_first, of_slot)
        }
    };
    let figures = figures(has_seconds, share);
    format!(
        "SELECT {group} AS group_key, currency, {figures} FROM {from} \
         WHERE tenant = ?1 AND hour_start_ms >= ?2 AND hour_start_ms < ?3 \
         GROUP BY group_key, currency {NOT_NOTHING} ORDER BY group_key, currency LIMIT ?4"
    )
}

/// Sessions come a page at a time along their index. Ids sort by time of creation, so that those of the period lie together,
/// whatever the tenant's history.
fn by_session() -> String {
    let figures = figures("true", whole);
    let of_period = "tenant = ?1 AND hour_start_ms >= ?2 AND hour_start_ms < ?3";
    format!(
        "SELECT session_id AS group_key, currency, {figures} FROM hour_sums INDEXED BY hour_sums_of_session \
         WHERE {of_period} AND session_id >= max(?6, (SELECT min(session_id) FROM hour_sums WHERE {of_period})) \
         AND session_id <= (SELECT max(session_id) FROM hour_sums WHERE {of_period}) \
         AND (session_id, currency) > (?6, ?7) \
         GROUP BY session_id, currency {NOT_NOTHING} ORDER BY session_id, currency LIMIT ?4"
    )
}

fn group_sum(row: &SqliteRow) -> Result<GroupSum, StoreError> {
    let whole = |high: &str, low: &str| -> Result<i128, StoreError> {
        let (high, low): (i64, i64) = (row.try_get(high)?, row.try_get(low)?);
        Ok(i128::from(high) * 1_000_000 + i128::from(low))
    };
    Ok(GroupSum {
        key: row.try_get("group_key")?,
        currency: row.try_get("currency")?,
        first_minute_ms: row.try_get("first_ms")?,
        last_minute_ms: row.try_get("last_ms")?,
        figures: Figures {
            billable_seconds: row.try_get("billable")?,
            slate_seconds: row.try_get("slate")?,
            slate_all_seconds: row.try_get("slate_all")?,
            billed_minutes: row.try_get("minutes")?,
            cost: whole("cost_high", "cost_low")?,
            list_cost: whole("list_high", "list_low")?,
        },
    })
}

fn hour_sum(row: &SqliteRow) -> Result<HourSum, StoreError> {
    let (cost, list_cost): (i64, i64) = (row.try_get("cost")?, row.try_get("list_cost")?);
    Ok(HourSum {
        session_id: row.try_get("session_id")?,
        watched: codec::watched(row)?,
        first_minute_ms: row.try_get("first_minute_ms")?,
        last_minute_ms: row.try_get("last_minute_ms")?,
        figures: Figures {
            billable_seconds: row.try_get("billable_seconds")?,
            slate_seconds: row.try_get("slate_seconds")?,
            slate_all_seconds: row.try_get("slate_all_seconds")?,
            billed_minutes: row.try_get("billed_minutes")?,
            cost: cost.into(),
            list_cost: list_cost.into(),
        },
        charged_seconds: row.try_get("charged_seconds")?,
        currency: row.try_get("currency")?,
    })
}

/// A row of `hour_sums` as JSON, for one statement that writes an hour's rows.
#[derive(Serialize)]
struct SumJson<'a> {
    tenant: &'a str,
    session_id: &'a str,
    part: usize,
    engine: &'a str,
    layout: &'a str,
    tier: &'a str,
    games: String,
    labels: String,
    first_minute_ms: i64,
    last_minute_ms: i64,
    billable_seconds: i64,
    slate_seconds: i64,
    slate_all_seconds: i64,
    charged_seconds: i64,
    billed_minutes: i64,
    currency: &'a str,
    list_cost: i64,
    cost: i64,
}

#[derive(Serialize)]
struct MarkJson<'a> {
    tenant: &'a str,
    mark: &'a str,
    price_list: &'a str,
    tariffs: &'a str,
}

/// Writes an hour's sums and that it is summed, if it is the next one to be. All or nothing: a transaction is around it. What is there
/// of an hour that is not summed is written over: it is somebody else's, and no reason never to close an hour again.
const PUT_HOUR: &str = "\
    INSERT OR REPLACE INTO hour_sums (tenant, hour_start_ms, session_id, part, engine, layout, tier, games, labels, first_minute_ms, \
    last_minute_ms, billable_seconds, slate_seconds, slate_all_seconds, charged_seconds, billed_minutes, currency, list_cost, \
    cost) SELECT value->>'tenant', ?1, value->>'session_id', value->>'part', value->>'engine', value->>'layout', \
    value->>'tier', value->>'games', value->>'labels', value->>'first_minute_ms', value->>'last_minute_ms', \
    value->>'billable_seconds', value->>'slate_seconds', value->>'slate_all_seconds', value->>'charged_seconds', \
    value->>'billed_minutes', value->>'currency', value->>'list_cost', value->>'cost' FROM jsonb_each(?2), ledger_state \
    WHERE summed_until_ms <= ?1; \
    INSERT OR REPLACE INTO month_marks (tenant, hour_start_ms, mark, price_list) \
    SELECT value->>'tenant', ?1, value->>'mark', value->>'price_list' FROM jsonb_each(?3), ledger_state \
    WHERE summed_until_ms <= ?1; \
    INSERT INTO price_lists (tenant, id, tariffs, registered) \
    SELECT value->>'tenant', value->>'price_list', value->>'tariffs', 0 FROM jsonb_each(?3) WHERE true \
    ON CONFLICT DO NOTHING; \
    UPDATE ledger_state SET summed_until_ms = max(summed_until_ms, ?1 + 3600000);";

pub(super) fn put_hour(
    hour_start_ms: i64,
    tenants: &[TenantHour],
) -> Result<sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments>, StoreError> {
    let (mut sums, mut marks) = (Vec::new(), Vec::new());
    for TenantHour { tenant, sums: of_tenant, mark, price_list } in tenants {
        marks.push(MarkJson { tenant, mark, price_list: &price_list.id, tariffs: &price_list.tariffs });
        let mut part = 0;
        for (at, sum) in of_tenant.iter().enumerate() {
            part = if at > 0 && of_tenant[at - 1].session_id == sum.session_id { part + 1 } else { 0 };
            sums.push(sum_json(tenant, part, sum)?);
        }
    }
    Ok(sqlx::query(PUT_HOUR).bind(hour_start_ms).bind(codec::json(&sums)?).bind(codec::json(&marks)?))
}

fn sum_json<'a>(tenant: &'a str, part: usize, sum: &'a HourSum) -> Result<SumJson<'a>, StoreError> {
    let money = |amount: i128| {
        i64::try_from(amount).map_err(|_| StoreError::Failed(format!("a cost of {amount} does not fit the database")))
    };
    Ok(SumJson {
        tenant,
        session_id: &sum.session_id,
        part,
        engine: &sum.watched.engine,
        layout: &sum.watched.layout,
        tier: &sum.watched.tier,
        games: codec::json(&sum.watched.games)?,
        labels: codec::json(&sum.watched.labels)?,
        first_minute_ms: sum.first_minute_ms,
        last_minute_ms: sum.last_minute_ms,
        billable_seconds: sum.figures.billable_seconds,
        slate_seconds: sum.figures.slate_seconds,
        slate_all_seconds: sum.figures.slate_all_seconds,
        charged_seconds: sum.charged_seconds,
        billed_minutes: sum.figures.billed_minutes,
        currency: &sum.currency,
        list_cost: money(sum.figures.list_cost)?,
        cost: money(sum.figures.cost)?,
    })
}

/// Registers a price list; one that was in force before is in force again, with the text that its id is the digest of.
pub(super) fn put_price_list(row: &PriceListRow) -> sqlx::query::Query<'static, sqlx::Sqlite, SqliteArguments> {
    let query = "INSERT INTO price_lists (tenant, id, tariffs, registered) \
                 SELECT ?1, ?2, ?3, coalesce(max(registered), 0) + 1 FROM price_lists WHERE true \
                 ON CONFLICT (tenant, id) DO UPDATE SET registered = excluded.registered, tariffs = excluded.tariffs";
    sqlx::query(query).bind(row.tenant.clone()).bind(row.id.clone()).bind(row.tariffs.clone())
}
