//! Assets on the disk: a folder for each tenant, in it each file under its SHA-256, what it is beside it (JSON), and a folder of skins. Whatever is
//! written is there whole or not at all; a file that nothing is said of is left from a process that was ended, and goes.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AssetId;

/// Where skins lie in a tenant's folder.
const SKINS: &str = "skins";

pub(super) struct Folder(PathBuf);

impl Folder {
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        Ok(Self(dir))
    }

    /// The tenants that have a folder.
    pub fn tenants(&self) -> io::Result<Vec<String>> {
        let mut tenants = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                tenants.extend(entry.file_name().into_string());
            }
        }
        Ok(tenants)
    }

    fn file(&self, tenant: &str, id: &AssetId) -> PathBuf {
        self.0.join(tenant).join(id.to_string())
    }

    fn skin(&self, tenant: &str, id: &str) -> PathBuf {
        self.0.join(tenant).join(SKINS).join(format!("{id}.json"))
    }

    pub fn read(&self, tenant: &str, id: &AssetId) -> io::Result<Vec<u8>> {
        fs::read(self.file(tenant, id))
    }

    /// Keeps a file, and then what is said of it.
    pub fn write(&self, tenant: &str, id: &AssetId, bytes: &[u8], said: &impl Serialize) -> io::Result<()> {
        let file = self.file(tenant, id);
        write_whole(&file, bytes)?;
        write_whole(&file.with_extension("json"), &serde_json::to_vec(said)?)
    }

    /// First what is said of it: a file alone goes with the next start.
    pub fn remove(&self, tenant: &str, id: &AssetId) -> io::Result<()> {
        let file = self.file(tenant, id);
        remove(&file.with_extension("json"))?;
        remove(&file)
    }

    pub fn write_skin(&self, tenant: &str, id: &str, said: &impl Serialize) -> io::Result<()> {
        write_whole(&self.skin(tenant, id), &serde_json::to_vec(said)?)
    }

    pub fn remove_skin(&self, tenant: &str, id: &str) -> io::Result<()> {
        remove(&self.skin(tenant, id))
    }

    /// What is said of a tenant's assets. Files that nothing is said of are removed.
    pub fn assets<T: DeserializeOwned>(&self, tenant: &str) -> io::Result<Vec<T>> {
        let folder = self.0.join(tenant);
        for path in files(&folder)? {
            if path.extension().is_none() && !path.with_extension("json").is_file()
                || path.extension().is_some_and(|e| e == "new")
            {
                remove(&path)?;
            }
        }
        said(&folder, |path| path.with_extension("").is_file())
    }

    pub fn skins<T: DeserializeOwned>(&self, tenant: &str) -> io::Result<Vec<T>> {
        said(&self.0.join(tenant).join(SKINS), |_| true)
    }
}

/// The files in a folder, in order; none where there is no folder.
fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}

/// What the JSON files in a folder say that `is_whole` takes.
fn said<T: DeserializeOwned>(folder: &Path, is_whole: impl Fn(&Path) -> bool) -> io::Result<Vec<T>> {
    let mut all = Vec::new();
    for path in files(folder)?.iter().filter(|path| path.extension().is_some_and(|e| e == "json")) {
        match serde_json::from_slice(&fs::read(path)?) {
            Ok(said) if is_whole(path) => all.push(said),
            _ => tracing::warn!(file = %path.display(), "an asset or a skin cannot be read and is left out"),
        }
    }
    Ok(all)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Writes a file whole or not at all; it is on the disk when this returns.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let Some(folder) = path.parent() else { return Err(ErrorKind::InvalidInput.into()) };
    fs::create_dir_all(folder)?;
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let mut file = File::create(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}
