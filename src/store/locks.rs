//! One process a database. Two would both take up the same sessions and bill them, each by what it has seen itself.
//!
//! There are two locks, both the kernel's: they go with the process, so that one which was killed leaves none behind. That of the file
//! `lock` keeps a directory from the moment it is looked at. It can be removed, or the database reached through
//! another directory (a link, a mount); so the database is locked as well, by what it is and not by what it is called. Readers and
//! corrections beside a service take SQLite's own locks, which are of another kind (flock and fcntl know nothing of each other).

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use parking_lot::Mutex;

use super::StoreError;

/// Name of the file that says that a process works in the data directory.
const LOCK_NAME: &str = "lock";

/// The locks of a store.
pub(super) struct Locks(Mutex<Vec<File>>);

impl Locks {
    /// Takes the directory's.
    pub fn of_directory(data_dir: &Path) -> Result<Self, StoreError> {
        Ok(Self(Mutex::new(vec![take(&data_dir.join(LOCK_NAME), data_dir)?])))
    }

    /// Takes the database's, before SQLite opens it. An empty file is made where there is none.
    pub fn take_database(&self, path: &Path) -> Result<(), StoreError> {
        let file = take(path, path)?;
        // Whoever waited for nothing here may hold a file that another process has just put aside.
        let is_the_one = fs::metadata(path)
            .and_then(|named| file.metadata().map(|held| (named.dev(), named.ino()) == (held.dev(), held.ino())));
        if !is_the_one.map_err(|e| StoreError::Unwritable(format!("{}: {e}", path.display())))? {
            return Err(StoreError::InUse(path.to_owned()));
        }
        self.0.lock().push(file);
        Ok(())
    }

    /// Lets go of them while SQLite may still have the database open. The files stay open: to close one would undo SQLite's own
    /// locks, which are of the process and not of a file that it opened (sqlite.org/howtocorrupt.html, 2.2).
    pub fn let_go(&self) {
        for file in &*self.0.lock() {
            if let Err(error) = file.unlock() {
                tracing::error!(%error, "a lock was not released");
            }
        }
    }

    /// Lets go of them once SQLite has closed the database.
    pub fn close(&self) {
        self.0.lock().clear();
    }
}

fn take(path: &Path, named: &Path) -> Result<File, StoreError> {
    let unwritable = |e: std::io::Error| StoreError::Unwritable(format!("{}: {e}", path.display()));
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(unwritable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse(named.to_owned())),
        Err(TryLockError::Error(e)) => Err(unwritable(e)),
    }
}
