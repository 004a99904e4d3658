//! Secrets, each in a file of its own: who may read a copy of the database may not thereby sign the ledger, nor addresses.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::StoreError;

pub(super) const FOLDER: &str = "secrets";
const FILE: &str = "ledger_ed25519";

/// Where the seed of `data_dir`'s ledger is kept.
pub fn ledger_key_file(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER).join(FILE)
}

/// The seed (RFC 8032, 5.1.5: 32 random bytes) of `data_dir`'s ledger; `None` where none was made yet.
///
/// # Errors
/// [`StoreError::Failed`] when the file cannot be read or holds something else.
pub fn read_ledger_seed(data_dir: &Path) -> Result<Option<[u8; 32]>, StoreError> {
    read_secret(&ledger_key_file(data_dir))
}

fn read_secret(path: &Path) -> Result<Option<[u8; 32]>, StoreError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StoreError::Failed(format!("{}: {e}", path.display()))),
    };
    let mut seed = [0; 32];
    hex::decode_to_slice(text.trim_end(), &mut seed)
        .map_err(|_| StoreError::Failed(format!("{} does not hold 64 hexadecimal digits", path.display())))?;
    Ok(Some(seed))
}

/// The seed of `data_dir`'s ledger, made at the first call ever: `secrets/ledger_ed25519`, which its owner alone may read.
///
/// # Errors
/// [`StoreError::Unwritable`] when it cannot be written; else those of [`read_ledger_seed`].
pub fn ledger_seed(data_dir: &Path) -> Result<[u8; 32], StoreError> {
    if let Some(seed) = read_ledger_seed(data_dir)? {
        return Ok(seed);
    }
    make_secret(&ledger_key_file(data_dir), None)
}

/// The secret `name` of `data_dir`, made at the first call ever, or of `given`: a secret that was kept elsewhere until now.
///
/// # Errors
/// As [`ledger_seed`].
pub(super) fn secret(data_dir: &Path, name: &str, given: Option<[u8; 32]>) -> Result<[u8; 32], StoreError> {
    let path = data_dir.join(FOLDER).join(name);
    match read_secret(&path)? {
        Some(secret) => Ok(secret),
        None => make_secret(&path, given),
    }
}

fn make_secret(path: &Path, given: Option<[u8; 32]>) -> Result<[u8; 32], StoreError> {
    let mut seed = given.unwrap_or_default();
    if given.is_none() {
        getrandom::fill(&mut seed).map_err(|e| StoreError::Failed(format!("no random bytes: {e}")))?;
    }
    write_seed(path, &seed).map_err(|e| StoreError::Unwritable(format!("{}: {e}", path.display())))?;
    Ok(seed)
}

/// On the disk before the first hour is signed with it: a key lost in a power cut would leave signatures that nobody can check.
fn write_seed(path: &Path, seed: &[u8; 32]) -> std::io::Result<()> {
    let Some(folder) = path.parent() else { return Err(ErrorKind::InvalidInput.into()) };
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    write_whole(path, &format!("{}\n", hex::encode(seed)), 0o600)
}

/// Writes a file whole or not at all; it is on the disk when this returns.
pub(super) fn write_whole(path: &Path, text: &str, mode: u32) -> std::io::Result<()> {
    let Some(folder) = path.parent() else { return Err(ErrorKind::InvalidInput.into()) };
    let fresh = path.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).mode(mode).open(&fresh)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_seed_is_made_once_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_ledger_seed(dir.path()), Ok(None));
        // A start that was killed half-way leaves this.
        fs::create_dir(dir.path().join(FOLDER)).unwrap();
        fs::write(ledger_key_file(dir.path()).with_extension("new"), "half").unwrap();
        let seed = ledger_seed(dir.path()).unwrap();
        assert_eq!(ledger_seed(dir.path()), Ok(seed));
        let mode = fs::metadata(ledger_key_file(dir.path())).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(ledger_key_file(dir.path()), "no key").unwrap();
        assert!(matches!(ledger_seed(dir.path()), Err(StoreError::Failed(_))), "never replaced");
    }
}
