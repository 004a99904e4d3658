//! Creatives on the disk, so that a process that begins in a break has what the one before had: a folder for each address of a tenant, in it the file that was
//! fetched, called by its SHA-256, its sound, and a reel for each tile. Whatever is read is compared with the digest that it was written with; what differs is
//! as if it were not there. Files are written whole or not at all, and are not flushed: one that a power cut took is fetched again.

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use bytes::{Buf, Bytes};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

/// What was fetched longer ago is fetched again: addresses may come to have other files.
const KEPT_MS: i64 = 24 * 3_600_000;

/// So many are kept at most, however small they are.
const MOST_KEPT: usize = 4_096;

const FILM: &str = "film";

/// Bytes of a digest in front of a piece.
const DIGEST: usize = 32;

struct Known {
    bytes: u64,
    used_ms: i64,
}

/// See the module.
pub struct Kept {
    dir: PathBuf,
    most_bytes: u64,
    known: Mutex<BTreeMap<String, Known>>,
}

/// What a creative's folder is called: the tenant and the address of its file, which may have secrets in it, digested.
pub fn name_of(tenant: &str, url: &str) -> String {
    let length = (tenant.len() as u64).to_be_bytes();
    let digest = Sha256::new().chain_update(length).chain_update(tenant).chain_update(url).finalize();
    hex::encode(&digest[..20])
}

impl Kept {
    /// What lies in `dir`, of which at most so many bytes are kept. Whatever there is no creative goes.
    ///
    /// # Errors
    /// When the folder cannot be made, read or cleared.
    pub fn open(dir: PathBuf, most_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let mut known = BTreeMap::new();
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let found = entry.file_name().into_string().ok().filter(|name| is_name(name) && entry.path().is_dir());
            match found.map(|name| Ok::<_, io::Error>((name, cleared(&entry.path())?))).transpose()? {
                Some((name, Some(its))) => _ = known.insert(name, its),
                _ => remove(&entry.path())?,
            }
        }
        let kept = Self { dir, most_bytes, known: Mutex::new(known) };
        kept.trim("");
        Ok(kept)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file that was fetched, and what is in it.
    pub fn film(&self, name: &str, now_ms: i64) -> Option<(PathBuf, Vec<u8>)> {
        if !self.known.lock().contains_key(name) {
            return None;
        }
        let path = film_in(&self.dir.join(name)).ok().flatten()?;
        let read = || {
            let age_ms = now_ms.saturating_sub(unix_ms(fs::metadata(&path)?.modified()?));
            let bytes = fs::read(&path)?;
            let is_whole = path.file_stem().is_some_and(|stem| *stem == *hex::encode(Sha256::digest(&bytes)));
            Ok::<_, io::Error>((bytes, is_whole && (0..KEPT_MS).contains(&age_ms)))
        };
        match read() {
            Ok((bytes, true)) => {
                self.used(name, (0, 0), now_ms);
                Some((path, bytes))
            }
            // Old, or not what was written.
            _ => {
                self.forget(name);
                None
            }
        }
    }

    /// Keeps the file of a creative, in place of all that was kept of it.
    ///
    /// # Errors
    /// When the disk does not take it.
    pub fn keep_film(&self, name: &str, bytes: &[u8], now_ms: i64) -> io::Result<PathBuf> {
        self.forget(name);
        let folder = self.dir.join(name);
        fs::create_dir_all(&folder)?;
        let path = folder.join(hex::encode(Sha256::digest(bytes))).with_extension(FILM);
        write(&path, bytes)?;
        File::open(&path)?.set_times(FileTimes::new().set_modified(system_time(now_ms)))?;
        self.used(name, (bytes.len() as u64, 0), now_ms);
        self.trim(name);
        Ok(path)
    }

    /// Something that was made of it.
    pub fn piece(&self, name: &str, piece: &str) -> Option<Bytes> {
        if !self.known.lock().contains_key(name) {
            return None;
        }
        let path = self.dir.join(name).join(piece);
        let mut bytes = Bytes::from(fs::read(&path).ok()?);
        let is_whole = bytes.len() >= DIGEST && bytes[..DIGEST] == *Sha256::digest(&bytes[DIGEST..]);
        if !is_whole {
            tracing::warn!(file = %path.display(), "what was made of an advertisement is not what was written: it is made again");
            let _ = fs::remove_file(&path);
            return None;
        }
        bytes.advance(DIGEST);
        Some(bytes)
    }

    /// Keeps something that was made of a creative whose file is kept. What the disk does not take is made again next time.
    pub fn keep_piece(&self, name: &str, piece: &str, bytes: &[u8], now_ms: i64) {
        if !self.known.lock().contains_key(name) {
            return;
        }
        let (path, whole) = (self.dir.join(name).join(piece), [&Sha256::digest(bytes)[..], bytes].concat());
        let before = fs::metadata(&path).map_or(0, |its| its.len());
        match write(&path, &whole) {
            Ok(()) => {
                self.used(name, (whole.len() as u64, before), now_ms);
                self.trim(name);
            }
            Err(error) => tracing::warn!(%error, "what was made of an advertisement is not kept"),
        }
    }

    /// Forgets a creative and all that was made of it.
    pub fn forget(&self, name: &str) {
        if self.known.lock().remove(name).is_some()
            && let Err(error) = remove(&self.dir.join(name))
        {
            tracing::warn!(%error, "a creative is left on the disk until the next start");
        }
    }

    /// It was used, and has so many bytes more and so many less.
    fn used(&self, name: &str, (more, less): (u64, u64), now_ms: i64) {
        let mut known = self.known.lock();
        let its = known.entry(name.to_owned()).or_insert(Known { bytes: 0, used_ms: now_ms });
        its.bytes = (its.bytes + more).saturating_sub(less);
        its.used_ms = its.used_ms.max(now_ms);
        drop(known);
        // The next process goes by it. One that is lost makes a creative seem older.
        let stamped = File::open(self.dir.join(name))
            .and_then(|folder| folder.set_times(FileTimes::new().set_modified(system_time(now_ms))));
        if let Err(error) = stamped {
            tracing::debug!(%error, "a creative's last use is not noted");
        }
    }

    /// Those used longest ago go until the rest has room; but `except`, which is being made.
    fn trim(&self, except: &str) {
        loop {
            let oldest = {
                let known = self.known.lock();
                let bytes: u64 = known.values().map(|its| its.bytes).sum();
                if bytes <= self.most_bytes && known.len() <= MOST_KEPT {
                    return;
                }
                let others = known.iter().filter(|(name, _)| *name != except);
                others.min_by_key(|(_, its)| its.used_ms).map(|(name, _)| name.clone())
            };
            let Some(oldest) = oldest else { return };
            self.forget(&oldest);
        }
    }
}

fn is_name(name: &str) -> bool {
    name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The film in a creative's folder.
fn film_in(folder: &Path) -> io::Result<Option<PathBuf>> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|its| its == FILM) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// What is known of a creative's folder; `None` where it has no film. Files that were not written to their end go.
fn cleared(folder: &Path) -> io::Result<Option<Known>> {
    let used_ms = unix_ms(fs::metadata(folder)?.modified()?);
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        match entry.path().extension().is_some_and(|its| its == "new") {
            true => remove(&entry.path())?,
            false => bytes += entry.metadata()?.len(),
        }
    }
    Ok(film_in(folder)?.map(|_| Known { bytes, used_ms }))
}

fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_added_extension("new");
    fs::write(&new, bytes)?;
    fs::rename(&new, path)
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn system_time(unix_ms: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(unix_ms.max(0).unsigned_abs())
}

fn unix_ms(at: SystemTime) -> i64 {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: u64 = 1000;
    const SOUND: &str = "15.sound";

    fn kept(dir: &Path) -> Kept {
        Kept::open(dir.join("creatives"), ROOM).unwrap()
    }

    fn names(kept: &Kept) -> Vec<String> {
        let entries = fs::read_dir(kept.dir()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_was_kept_is_there_for_the_next_process_and_is_its_tenants_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (name, other) = (name_of("acme", "http://a/1.mp4"), name_of("other", "http://a/1.mp4"));
        assert!(name != other && name != name_of("acmeh", "ttp://a/1.mp4") && is_name(&name));
        let before = kept(dir.path());
        before.keep_piece(&name, SOUND, b"early", 5);
        assert!(before.piece(&name, SOUND).is_none(), "of what is not there nothing is kept");
        before.keep_film(&name, b"film", 10).unwrap();
        before.keep_piece(&name, SOUND, b"sound", 20);
        drop(before);
        // What a process left half written, and what an older version kept otherwise.
        fs::write(dir.path().join("creatives").join(&name).join("x.reel.new"), b"half").unwrap();
        fs::write(dir.path().join("creatives/0123"), b"a film of before").unwrap();
        fs::create_dir(dir.path().join("creatives").join(&other)).unwrap();
        let kept = kept(dir.path());
        assert_eq!(names(&kept), std::slice::from_ref(&name));
        let (path, film) = kept.film(&name, 30).unwrap();
        assert_eq!((film.as_slice(), fs::read(path).unwrap().as_slice()), (&b"film"[..], &b"film"[..]));
        assert_eq!(kept.piece(&name, SOUND).unwrap(), &b"sound"[..]);
        assert!(kept.film(&other, 30).is_none() && kept.piece(&name, "other.reel").is_none());
        // Another file at the address is another creative: what was made of the first one is gone.
        kept.keep_film(&name, b"another", 40).unwrap();
        assert_eq!((kept.film(&name, 50).unwrap().1.as_slice(), kept.piece(&name, SOUND)), (&b"another"[..], None));
        // A day later it is asked for again, and so it is if time went back.
        kept.keep_film(&other, b"film", 40).unwrap();
        assert!(kept.film(&name, 40 + KEPT_MS).is_none() && kept.film(&other, 39).is_none());
        assert!(names(&kept).is_empty());
    }

    #[test]
    fn what_is_not_as_it_was_written_is_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let kept = kept(dir.path());
        let name = name_of("acme", "u");
        let path = kept.keep_film(&name, b"film", 0).unwrap();
        kept.keep_piece(&name, SOUND, b"sound", 0);
        for damaged in [&b""[..], &[0; 31], &[0; 40]] {
            let piece = kept.dir().join(&name).join("a.reel");
            kept.keep_piece(&name, "a.reel", b"reel", 0);
            assert_eq!(kept.piece(&name, "a.reel").unwrap(), &b"reel"[..]);
            fs::write(&piece, damaged).unwrap();
            assert!(kept.piece(&name, "a.reel").is_none() && !piece.exists());
        }
        assert!(kept.piece(&name, SOUND).is_some());
        fs::write(path, b"fill").unwrap();
        assert!(kept.film(&name, 1).is_none());
        assert!(kept.piece(&name, SOUND).is_none() && names(&kept).is_empty(), "what was made of it goes with it");
    }

    #[test]
    fn what_was_used_longest_ago_makes_room() {
        let dir = tempfile::tempdir().unwrap();
        let name = |n: i64| name_of("acme", &n.to_string());
        let there = |kept: &Kept| (0..6).filter(|n| names(kept).contains(&name(*n))).collect::<Vec<_>>();
        let before = kept(dir.path());
        for n in 0..3 {
            before.keep_film(&name(n), &[0; 300], 10 * n).unwrap();
        }
        assert_eq!(there(&before), [0, 1, 2]);
        before.film(&name(0), 100).unwrap();
        before.keep_film(&name(3), &[0; 300], 110).unwrap();
        assert_eq!(there(&before), [0, 2, 3]);
        drop(before);
        // When each was used outlives the process, whatever touched its folder since.
        let kept = kept(dir.path());
        kept.keep_piece(&name(3), SOUND, &[0; 200], 120);
        assert_eq!(there(&kept), [0, 3]);
        kept.keep_film(&name(4), &[0; 5000], 130).unwrap();
        assert_eq!(there(&kept), [4], "one that is larger than all the room has it to itself");
        kept.keep_film(&name(5), &[0; 10], 140).unwrap();
        assert_eq!(there(&kept), [5]);
    }
}
