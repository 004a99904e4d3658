//! Beacons: what advertisement servers are to be told, until they were.

use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use super::sqlite::SqliteStore;
use super::writer::{Command, Statement};
use super::{Pending, StoreError};

/// One that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BeaconRow {
    /// The same for the same thing told, whoever tells it.
    pub id: String,
    pub tenant: String,
    pub url: String,
    /// Not before.
    pub due_ms: i64,
    pub created_ms: i64,
    /// That failed.
    pub attempts: u32,
}

/// How a beacon ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BeaconEnd {
    Told,
    GivenUp,
}

impl BeaconEnd {
    const fn name(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::GivenUp => "given_up",
        }
    }
}

/// The beacons that are kept. All times are milliseconds of Unix time, UTC.
pub trait BeaconRows: Send + Sync {
    /// Keeps a beacon; false where its id is known, or where `most` wait already.
    fn put_beacon(&self, beacon: BeaconRow, most: u32) -> Pending<'_, bool>;

    /// Whether there is or was one of this id.
    fn knows_beacon<'a>(&'a self, id: &'a str) -> Pending<'a, bool>;

    /// Those that are due at `now_ms`, the oldest `limit`.
    fn due_beacons(&self, now_ms: i64, limit: u32) -> Pending<'_, Vec<BeaconRow>>;

    /// It failed, and is due again at `due_ms`.
    fn put_off_beacon(&self, id: &str, due_ms: i64) -> Pending<'_, ()>;

    /// It waits no more. Its id stays known.
    fn end_beacon(&self, id: &str, at_ms: i64, end: BeaconEnd) -> Pending<'_, ()>;

    /// Forgets those that ended before `before_ms`; how many they were.
    fn forget_beacons(&self, before_ms: i64) -> Pending<'_, u64>;
}

/// What the writer is asked to do for beacons: a statement each.
pub(super) enum BeaconWrite {
    Put { beacon: BeaconRow, most: u32 },
    PutOff { id: String, due_ms: i64 },
    End { id: String, at_ms: i64, end: BeaconEnd },
    Forget { before_ms: i64 },
}

impl BeaconWrite {
    pub fn statement(&self) -> Statement {
        match self {
            Self::Put { beacon, most } => {
                let put = "INSERT INTO beacons (id, tenant, url, due_ms, created_ms, attempts) SELECT ?, ?, ?, ?, ?, ? \
                           WHERE (SELECT count(*) FROM beacons WHERE ended_ms IS NULL) < ? ON CONFLICT DO NOTHING";
                let BeaconRow { id, tenant, url, due_ms, created_ms, attempts } = beacon.clone();
                let put = sqlx::query(put).bind(id).bind(tenant).bind(url).bind(due_ms).bind(created_ms);
                put.bind(attempts).bind(*most)
            }
            Self::PutOff { id, due_ms } => {
                let put_off =
                    "UPDATE beacons SET due_ms = ?, attempts = attempts + 1 WHERE id = ? AND ended_ms IS NULL";
                sqlx::query(put_off).bind(*due_ms).bind(id.clone())
            }
            Self::End { id, at_ms, end } => {
                let end_it = "UPDATE beacons SET ended_ms = ?, outcome = ? WHERE id = ? AND ended_ms IS NULL";
                sqlx::query(end_it).bind(*at_ms).bind(end.name()).bind(id.clone())
            }
            Self::Forget { before_ms } => sqlx::query("DELETE FROM beacons WHERE ended_ms < ?").bind(*before_ms),
        }
    }
}

impl BeaconRows for SqliteStore {
    fn put_beacon(&self, beacon: BeaconRow, most: u32) -> Pending<'_, bool> {
        let write = BeaconWrite::Put { beacon, most };
        Box::pin(async move { Ok(self.submit(Command::Beacon(write)).await? > 0) })
    }

    fn knows_beacon<'a>(&'a self, id: &'a str) -> Pending<'a, bool> {
        Box::pin(async move {
            let query = "SELECT 1 FROM beacons WHERE id = ?";
            Ok(sqlx::query(query).bind(id).fetch_optional(&self.readers).await?.is_some())
        })
    }

    fn due_beacons(&self, now_ms: i64, limit: u32) -> Pending<'_, Vec<BeaconRow>> {
        Box::pin(async move {
            let query = "SELECT * FROM beacons WHERE ended_ms IS NULL AND due_ms <= ? ORDER BY due_ms, id LIMIT ?";
            let rows = sqlx::query(query).bind(now_ms).bind(limit).fetch_all(&self.readers).await?;
            rows.iter().map(beacon).collect()
        })
    }

    fn put_off_beacon(&self, id: &str, due_ms: i64) -> Pending<'_, ()> {
        let write = BeaconWrite::PutOff { id: id.to_owned(), due_ms };
        Box::pin(async move { self.submit(Command::Beacon(write)).await.map(drop) })
    }

    fn end_beacon(&self, id: &str, at_ms: i64, end: BeaconEnd) -> Pending<'_, ()> {
        let write = BeaconWrite::End { id: id.to_owned(), at_ms, end };
        Box::pin(async move { self.submit(Command::Beacon(write)).await.map(drop) })
    }

    fn forget_beacons(&self, before_ms: i64) -> Pending<'_, u64> {
        Box::pin(self.submit(Command::Beacon(BeaconWrite::Forget { before_ms })))
    }
}

fn beacon(row: &SqliteRow) -> Result<BeaconRow, StoreError> {
    Ok(BeaconRow {
        id: row.try_get("id")?,
        tenant: row.try_get("tenant")?,
        url: row.try_get("url")?,
        due_ms: row.try_get("due_ms")?,
        created_ms: row.try_get("created_ms")?,
        attempts: row.try_get("attempts")?,
    })
}
