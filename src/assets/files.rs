//! Assets on the disk: a folder for each tenant, in it each file under its SHA-256, what it is beside it (JSON), a folder of skins, and one of what was made of assets. Whatever is
//! written is there whole or not at all; a file that nothing is said of is left from a process that was ended, and goes.

use std::fs::{self, File, FileTimes};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::AssetId;

/// Where skins lie in a tenant's folder.
const SKINS: &str = "skins";

/// Where lies what was made of assets, in a folder for each.
const MADE: &str = "made";

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

    /// The whole path of an asset's file.
    pub fn path(&self, tenant: &str, id: &AssetId) -> io::Result<PathBuf> {
        std::path::absolute(self.file(tenant, id))
    }

    /// Has a file to look at, before it is kept.
    pub fn trial(&self, tenant: &str, id: &AssetId, bytes: &[u8]) -> io::Result<Trial> {
        let path = std::path::absolute(self.file(tenant, id).with_extension("trial.new"))?;
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let trial = Trial(path);
        fs::write(&trial.0, bytes)?;
        Ok(trial)
    }

    /// The folder of what was made of an asset.
    fn made(&self, tenant: &str, id: &AssetId) -> PathBuf {
        self.0.join(tenant).join(MADE).join(id.to_string())
    }

    /// Something that was made of an asset. That it is asked for is noted by its date.
    pub fn read_made(&self, tenant: &str, id: &AssetId, name: &str) -> io::Result<Vec<u8>> {
        let path = self.made(tenant, id).join(name);
        let bytes = fs::read(&path)?;
        let now = FileTimes::new().set_modified(SystemTime::now());
        File::open(path).and_then(|file| file.set_times(now))?;
        Ok(bytes)
    }

    /// Keeps something that was made of an asset; of all that was made those asked for longest ago go that have no room in `most` bytes. It is not flushed:
    /// what a power cut takes is made again.
    pub fn write_made(&self, tenant: &str, id: &AssetId, name: &str, bytes: &[u8], most: u64) -> io::Result<()> {
        let folder = self.made(tenant, id);
        fs::create_dir_all(&folder)?;
        let (path, new) = (folder.join(name), folder.join(format!("{name}.new")));
        fs::write(&new, bytes)?;
        fs::rename(new, &path)?;
        let mut all = Vec::new();
        for tenant in self.tenants()? {
            for of in folders(&self.0.join(tenant).join(MADE))? {
                for file in files(&of)? {
                    let its = fs::metadata(&file)?;
                    all.push((its.modified()?, its.len(), file));
                }
            }
        }
        all.sort();
        let mut taken: u64 = all.iter().map(|(_, bytes, _)| bytes).sum();
        for (_, bytes, file) in all.iter().filter(|(_, _, file)| *file != path) {
            if taken <= most {
                break;
            }
            remove(file)?;
            taken -= bytes;
        }
        Ok(())
    }

    /// Lets go of all that was made of an asset.
    pub fn remove_made(&self, tenant: &str, id: &AssetId) -> io::Result<()> {
        match fs::remove_dir_all(self.made(tenant, id)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
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

/// A file that is there for as long as this is.
pub(super) struct Trial(PathBuf);

impl Trial {
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // One that stays goes with the next start.
        let _ = fs::remove_file(&self.0);
    }
}

/// The folders in a folder; none where there is none.
fn folders(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut folders: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    folders.retain(|path| path.is_dir());
    Ok(folders)
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
