//! What belongs together in a data directory: the database, the key that signs its ledger, and a marker that says which database
//! this is and how far its ledger was sealed. A ledger that begins anew without a word is money lost without a word: a
//! directory that was used before and lacks its database is refused, and one that is really fresh just begins.
//!
//! A first start writes the database, then the key, then the marker, each on the disk before the next. So wherever one is killed, what
//! is there needs only what came before it.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Row};

use super::key_file::{self, write_whole};
use super::sqlite::{BUSY_TIMEOUT, FILE_NAME};
use super::{ClosedHour, StoreError};

/// The marker's name.
const MARKER: &str = "deployment.json";

/// What SQLite keeps beside a database.
const BESIDE: [&str; 3] = ["-wal", "-journal", "-shm"];

/// How a start goes about what it finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Begin {
    /// Sets aside what does not belong together, and begins with an empty ledger.
    pub afresh: bool,
    /// Signs with another key from now on where the ledger's is lost.
    pub with_new_ledger_key: bool,
}

/// Why a data directory is not one to go on with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error(
        "{} is missing or empty, and {} shows that this directory was in use: put the backup back, or start with --new, which \
         sets aside what is there and begins with an empty ledger",
        .database.display(), .evidence.display()
    )]
    DatabaseGone { database: PathBuf, evidence: PathBuf },
    #[error(
        "{} is not the database that {} belongs to: put the right one back; or, if this one is to stay, remove {} and start \
         again; or start with --new, which sets both aside",
        .database.display(), .marker.display(), .marker.display()
    )]
    DatabaseOther { database: PathBuf, marker: PathBuf },
    #[error(
        "{} is older than its ledger was: the seal of the hour of {hour} is not in it. Put a newer copy back; or, if what came \
         after is lost for good, remove {} and start again",
        .database.display(), .marker.display()
    )]
    DatabaseOlder { database: PathBuf, marker: PathBuf, hour: String },
    #[error("{} holds something else than what a service wrote there: remove it if the database beside it is the right one", .0.display())]
    Marker(PathBuf),
    #[error("--new begins afresh where something is missing, and in {} nothing is: name another data_dir, or leave --new out", .0.display())]
    NothingMissing(PathBuf),
}

/// Which database a directory holds, in a file of its own beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Marker {
    /// The database's own id, in hexadecimal.
    deployment: String,
    /// The newest seal that is known to be on the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    head: Option<Head>,
    /// The public key that signs from now on, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ledger_key: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    hour_start_ms: i64,
    /// In hexadecimal.
    digest: String,
}

impl Marker {
    pub fn new(deployment: &[u8]) -> Self {
        Self { deployment: hex::encode(deployment), head: None, ledger_key: None }
    }

    /// Notes a seal that is on the disk.
    pub fn note_seal(&mut self, hour: &ClosedHour) {
        if self.head.as_ref().is_none_or(|head| head.hour_start_ms < hour.hour_start_ms) {
            self.head = Some(Head { hour_start_ms: hour.hour_start_ms, digest: hex::encode(hour.digest) });
        }
    }

    /// Keeps it in `data_dir`, whole or not at all.
    pub fn write(&self, data_dir: &Path) -> Result<(), StoreError> {
        let path = data_dir.join(MARKER);
        let text = serde_json::to_string_pretty(self).map_err(|e| StoreError::Failed(e.to_string()))?;
        write_whole(&path, &(text + "\n"), 0o600)
            .map_err(|e| StoreError::Unwritable(format!("{}: {e}", path.display())))
    }

    fn read(data_dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = data_dir.join(MARKER);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|_| Unfit::Marker(path).into()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(StoreError::Failed(format!("{}: {e}", path.display()))),
        }
    }
}

/// The newest seal that the marker of `data_dir` knows: its hour, and its digest in hexadecimal. None where there is no marker, as in a copy
/// of the database alone.
pub(super) fn noted_seal(data_dir: &Path) -> Result<Option<(i64, String)>, StoreError> {
    let head = Marker::read(data_dir)?.and_then(|marker| marker.head);
    Ok(head.map(|head| (head.hour_start_ms, head.digest)))
}

/// Lets nobody but the service's own user read the database: sources in it have passwords, sessions have tokens. SQLite makes its log after
/// the database's likeness.
pub(super) fn keep_private(data_dir: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let file = data_dir.join(format!("{FILE_NAME}{suffix}"));
        match fs::metadata(&file) {
            Ok(known) if known.permissions().mode() & 0o077 != 0 => {
                fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Things in a data directory that are looked at; a start-over window has many files.
const MOST_LOOKED_AT: usize = 10_000;

/// What in `data_dir` others than its owner may read or write, the directory itself first: how many things, and the first with its mode. They are not ours to
/// narrow: somebody may have let a backup in.
pub(super) fn wider(data_dir: &Path) -> std::io::Result<Option<(usize, PathBuf, u32)>> {
    let (mut count, mut first, mut looked_at) = (0, None, 0);
    let mut waiting = vec![data_dir.to_owned()];
    while let Some(path) = waiting.pop() {
        looked_at += 1;
        if looked_at > MOST_LOOKED_AT {
            break;
        }
        // Links are not followed: what they lead to is not ours.
        let about = fs::symlink_metadata(&path)?;
        if about.is_symlink() {
            continue;
        }
        let mode = about.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            count += 1;
            first.get_or_insert((path.clone(), mode));
        }
        if about.is_dir() {
            waiting.extend(fs::read_dir(&path)?.filter_map(|entry| Some(entry.ok()?.path())));
        }
    }
    Ok(first.map(|(path, mode)| (count, path, mode)))
}

/// Says what [`wider`] found.
pub(super) fn say_what_is_wider(data_dir: &Path) {
    match wider(data_dir) {
        Ok(None) => {}
        Ok(Some((things, first, mode))) => tracing::warn!(
            data_dir = %data_dir.display(),
            things,
            first = %first.display(),
            mode = format!("{mode:04o}"),
            "the data directory holds passwords and tokens, and others may read or change what is in it: chmod -R go= closes it"
        ),
        // A file that went while it was looked at, say.
        Err(error) => tracing::debug!(%error, "the data directory's modes could not be looked at"),
    }
}

/// Looks whether what is in `data_dir` belongs together; the marker, where there is one. Where it does not, and `begin` says so, it
/// is set aside. The directory's lock is held meanwhile.
pub(super) async fn look(data_dir: &Path, begin: Begin) -> Result<Option<Marker>, StoreError> {
    let found = fitting(data_dir).await;
    match found {
        Err(fault @ (StoreError::Unfit(_) | StoreError::Damaged(_))) if begin.afresh => {
            let aside =
                set_aside(data_dir).map_err(|e| StoreError::Unwritable(format!("{}: {e}", data_dir.display())))?;
            tracing::warn!(%fault, aside = %aside.display(), "what was kept here is set aside; an empty ledger begins");
            Ok(None)
        }
        Ok(_) if begin.afresh && length(&data_dir.join(FILE_NAME))? > 0 => {
            Err(Unfit::NothingMissing(data_dir.to_owned()).into())
        }
        found => found,
    }
}

async fn fitting(data_dir: &Path) -> Result<Option<Marker>, StoreError> {
    let (database, marker_path) = (data_dir.join(FILE_NAME), data_dir.join(MARKER));
    let marker = Marker::read(data_dir)?;
    let known = if length(&database)? > 0 { read_known(&database, marker.as_ref()).await? } else { None };
    let Some(known) = known else {
        // A log without its database is thrown away by SQLite, and with it whatever was not carried over.
        let log = data_dir.join(format!("{FILE_NAME}-wal"));
        let has_log = length(&log)? > 0 && length(&database)? == 0;
        let key = key_file::ledger_key_file(data_dir);
        let evidence = [(marker.is_some(), &marker_path), (key.exists(), &key), (has_log, &log)];
        return match evidence.into_iter().find(|(is_there, _)| *is_there) {
            Some((_, evidence)) => Err(Unfit::DatabaseGone { database, evidence: evidence.clone() }.into()),
            None => Ok(None),
        };
    };
    let Some(marker) = marker else { return Ok(None) };
    if known.deployment.as_deref().map(hex::encode).as_ref() != Some(&marker.deployment) {
        return Err(Unfit::DatabaseOther { database, marker: marker_path }.into());
    }
    if let Some(head) = marker.head.as_ref().filter(|_| !known.has_head) {
        let hour = jiff::Timestamp::from_millisecond(head.hour_start_ms).unwrap_or(jiff::Timestamp::MIN).to_string();
        return Err(Unfit::DatabaseOlder { database, marker: marker_path, hour }.into());
    }
    Ok(Some(marker))
}

/// What a database says of itself.
struct Known {
    /// None in one that was made before there were markers.
    deployment: Option<Vec<u8>>,
    /// Whether it has the seal that the marker knows.
    has_head: bool,
}

/// Reads from a database that may be of an older version, and changes nothing that it says. (A connection that cannot write could not
/// open what a first start left that was killed half-way: SQLite rolls it back first.) `None` where a first start made no tables yet.
async fn read_known(database: &Path, marker: Option<&Marker>) -> Result<Option<Known>, StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .create_if_missing(false)
        .busy_timeout(BUSY_TIMEOUT)
        .disable_statement_logging();
    let of_file = |e: sqlx::Error| match StoreError::from(e) {
        StoreError::Damaged(said) => StoreError::Damaged(format!("{}: {said}", database.display())),
        other => other,
    };
    let mut connection = options.connect().await.map_err(of_file)?;
    let known = read_known_on(&mut connection, marker).await.map_err(of_file);
    // Nothing was asked to be written: there is nothing to lose.
    let _ = connection.close().await;
    known
}

async fn read_known_on(
    connection: &mut SqliteConnection,
    marker: Option<&Marker>,
) -> Result<Option<Known>, sqlx::Error> {
    let tables =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name IN ('sessions', 'deployment', 'closed_hours')";
    let rows = sqlx::query(tables).fetch_all(&mut *connection).await?;
    let tables = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
    let has = |name: &str| tables.iter().any(|table| table == name);
    if !has("sessions") {
        return Ok(None);
    }
    let mut known = Known { deployment: None, has_head: false };
    if has("deployment") {
        let row = sqlx::query("SELECT id FROM deployment").fetch_optional(&mut *connection).await?;
        known.deployment = row.map(|row| row.try_get(0)).transpose()?;
    }
    if has("closed_hours")
        && let Some(head) = marker.and_then(|marker| marker.head.as_ref())
    {
        let seal = sqlx::query("SELECT 1 FROM closed_hours WHERE hour_start_ms = ? AND lower(hex(digest)) = ?");
        let seal = seal.bind(head.hour_start_ms).bind(&head.digest);
        known.has_head = seal.fetch_optional(&mut *connection).await?.is_some();
    }
    Ok(Some(known))
}

/// The database's id, made at the first start ever.
pub(super) async fn deployment(connection: &mut SqliteConnection) -> Result<Vec<u8>, StoreError> {
    let mut fresh = [0u8; 16];
    getrandom::fill(&mut fresh).map_err(|e| StoreError::Failed(format!("no random bytes: {e}")))?;
    let keep = sqlx::query("INSERT INTO deployment (one, id) VALUES (1, ?) ON CONFLICT DO NOTHING");
    keep.bind(fresh.to_vec()).execute(&mut *connection).await?;
    let row = sqlx::query("SELECT id FROM deployment").fetch_one(&mut *connection).await?;
    Ok(row.try_get(0)?)
}

/// Length of a file; 0 where there is none.
fn length(path: &Path) -> Result<u64, StoreError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(0),
        Err(e) => Err(StoreError::Failed(format!("{}: {e}", path.display()))),
    }
}

/// Moves what belongs to a ledger into a folder of its own; which.
fn set_aside(data_dir: &Path) -> std::io::Result<PathBuf> {
    let aside = (1..).map(|n| data_dir.join(format!("set-aside-{n}"))).find(|path| !path.exists());
    let aside = aside.ok_or(ErrorKind::AlreadyExists)?;
    fs::create_dir(&aside)?;
    let beside = BESIDE.map(|end| format!("{FILE_NAME}{end}"));
    let names = [FILE_NAME, key_file::FOLDER, MARKER].into_iter().chain(beside.iter().map(String::as_str));
    for name in names {
        match fs::rename(data_dir.join(name), aside.join(name)) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    File::open(data_dir)?.sync_all()?;
    Ok(aside)
}

#[cfg(test)]
#[path = "data_dir_tests.rs"]
mod tests;
