//! The store on SQLite.

use std::path::Path;

use super::StoreError;

/// The store in one SQLite file.
pub struct SqliteStore {}

impl SqliteStore {
    /// Opens (or makes) the database `quadrille.sqlite` in `data_dir` and brings it up to date.
    pub async fn open(data_dir: &Path) -> Result<Self, StoreError> {
        let _ = data_dir;
        todo!()
    }
}
