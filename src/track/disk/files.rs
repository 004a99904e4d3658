//! The files of all tracks: which segments are in which, what they take, which go first.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::RwLock;
use sha2::{Digest as _, Sha256};

use super::file::{Found, Record, blocks_at, is_begun, walk};
use crate::timeline::{Grid, SegmentNumber};
use crate::track::Runs;

/// What one file holds of a track: what goes at once when room is short.
const FILE_LENGTH: Duration = Duration::from_secs(600);

const EXTENSION: &str = "qdvr";

/// A track's folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key([u8; 16]);

impl Key {
    pub fn of(set_up: &str, track: &str) -> Self {
        let digest = Sha256::new().chain_update(set_up).chain_update([0]).chain_update(track).finalize();
        Self(*digest.first_chunk().unwrap_or(&[0; 16]))
    }

    fn read(text: &str) -> Option<Self> {
        let mut key = [0; 16];
        hex::decode_to_slice(text, &mut key).ok()?;
        Some(Self(key))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// Where a segment lies.
#[derive(Clone, Debug)]
pub(super) struct Spot {
    pub path: PathBuf,
    pub record: Record,
}

/// See the module.
pub(super) struct Files {
    dir: PathBuf,
    /// Segments in a file.
    length: u64,
    index: RwLock<Index>,
}

#[derive(Default)]
struct Index {
    tracks: HashMap<Key, Track>,
    bytes: u64,
}

#[derive(Default)]
struct Track {
    /// By their numbers: the segments of file `n` are those from `n` times its length on.
    files: BTreeMap<u64, Kept>,
    whole: Runs,
    /// What was there when this process began.
    had: Runs,
}

struct Kept {
    bytes: u64,
    records: Vec<Record>,
    /// A write failed half-way and could not be taken back: nothing can be written behind it.
    is_broken: bool,
}

impl Files {
    /// Takes up what is in `dir`.
    pub fn open(dir: &Path, grid: &Grid) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let length = (FILE_LENGTH.as_nanos() / grid.segment_duration().as_nanos().max(1)).max(1);
        let files =
            Self { dir: dir.to_owned(), length: u64::try_from(length).unwrap_or(u64::MAX), index: RwLock::default() };
        for folder in fs::read_dir(dir)? {
            let folder = folder?;
            let key = folder.file_name().to_str().and_then(Key::read);
            if let Some(key) = key.filter(|_| folder.path().is_dir()) {
                files.take_up(key, &folder.path())?;
            }
        }
        Ok(files)
    }

    fn take_up(&self, key: Key, folder: &Path) -> io::Result<()> {
        let mut track = Track::default();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
            let Some(number) = number.filter(|_| path.extension().is_some_and(|e| e == EXTENSION)) else { continue };
            match taken_up(&path) {
                Ok(Some(found)) => {
                    let kept = Kept { bytes: found.end, records: found.records, is_broken: false };
                    track.files.insert(number, kept);
                }
                Ok(None) => {
                    tracing::warn!(file = %path.display(), "this is no file of the start-over window, and is left alone")
                }
                Err(error) => {
                    tracing::warn!(file = %path.display(), %error, "a file of the start-over window cannot be taken up, and is left alone");
                }
            }
        }
        track.whole = track.files.values().flat_map(|kept| &kept.records).map(|record| record.segment).collect();
        track.had = track.whole.clone();
        let mut index = self.index.write();
        index.bytes += track.files.values().map(|kept| kept.bytes).sum::<u64>();
        index.tracks.insert(key, track);
        Ok(())
    }

    pub fn bytes(&self) -> u64 {
        self.index.read().bytes
    }

    pub fn runs(&self, key: &Key) -> Runs {
        self.index.read().tracks.get(key).map(|track| track.whole.clone()).unwrap_or_default()
    }

    pub fn had(&self, key: &Key, n: SegmentNumber) -> bool {
        let index = self.index.read();
        index.tracks.get(key).is_some_and(|track| track.had.contains(n) && track.whole.contains(n))
    }

    pub fn find(&self, key: &Key, n: SegmentNumber) -> Option<Spot> {
        let index = self.index.read();
        let number = n / self.length;
        let kept = index.tracks.get(key)?.files.get(&number)?;
        let at = kept.records.binary_search_by_key(&n, |record| record.segment).ok()?;
        Some(Spot { path: self.path(key, number), record: *kept.records.get(at)? })
    }

    /// Appends the record of a segment newer than all of its track. A write that fails leaves nothing.
    pub fn append(&self, key: &Key, n: SegmentNumber, head: &[u8], record: &[u8]) -> io::Result<()> {
        let number = n / self.length;
        let path = self.path(key, number);
        let known = self.index.read().tracks.get(key).and_then(|track| {
            let kept = track.files.get(&number)?;
            Some((kept.bytes, kept.is_broken))
        });
        let opened = match known {
            Some((_, true)) => return Err(io::Error::other("an earlier write to its file failed")),
            Some((at, false)) => ours().append(true).open(&path).map(|file| (file, at)),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        let (mut file, at) = match opened {
            // Not there yet, or somebody removed it, and what was in it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                if known.is_some() {
                    self.drop_file(key, number);
                }
                path.parent().map_or(Ok(()), fs::create_dir_all)?;
                (begun(&path)?, 0)
            }
            opened => opened?,
        };
        let written = write_at(&mut file, at, if at == 0 { head } else { &[] }, record);
        let mut index = self.index.write();
        let Index { tracks, bytes } = &mut *index;
        let track = tracks.entry(*key).or_default();
        match written {
            Ok(begins) => {
                let new = Kept { bytes: 0, records: Vec::new(), is_broken: false };
                let kept = track.files.entry(number).or_insert(new);
                let length = record.len() as u64;
                *bytes += begins + length - kept.bytes;
                kept.bytes = begins + length;
                let offset = blocks_at(begins);
                kept.records.push(Record { segment: n, offset, bytes: (kept.bytes - offset) as u32 });
                track.whole.push(n);
                Ok(())
            }
            Err(error) => {
                if at == 0 {
                    // Half of a head would be in the way of the next one.
                    drop(file);
                    let _ = fs::remove_file(&path);
                } else if file.set_len(at).is_err()
                    && let Some(kept) = track.files.get_mut(&number)
                {
                    kept.is_broken = true;
                }
                Err(error)
            }
        }
    }

    /// Lets the oldest file go, but none as new as that of segment `n`, which is to be written; whether one went.
    pub fn drop_oldest(&self, n: SegmentNumber) -> bool {
        let newest = n / self.length;
        let oldest = {
            let index = self.index.read();
            let all =
                index.tracks.iter().flat_map(|(key, track)| track.files.keys().map(move |number| (*number, *key)));
            all.filter(|(number, _)| *number < newest).min()
        };
        oldest.is_some_and(|(number, key)| self.drop_file(&key, number))
    }

    /// Lets files go that hold nothing from `oldest` on, and those of segments that have yet to run: of a clock that went back.
    pub fn forget(&self, oldest: SegmentNumber, now: SegmentNumber) {
        let gone: Vec<(Key, u64)> = {
            let index = self.index.read();
            let is_over = |number: u64| (number + 1) * self.length <= oldest || number > now / self.length + 1;
            let all =
                index.tracks.iter().flat_map(|(key, track)| track.files.keys().map(move |number| (*key, *number)));
            all.filter(|(_, number)| is_over(*number)).collect()
        };
        gone.iter().for_each(|(key, number)| {
            self.drop_file(key, *number);
        });
    }

    fn drop_file(&self, key: &Key, number: u64) -> bool {
        let path = self.path(key, number);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::error!(file = %path.display(), %error, "a file of the start-over window cannot be removed");
                return false;
            }
            Ok(()) | Err(_) => {}
        }
        let mut index = self.index.write();
        let Index { tracks, bytes } = &mut *index;
        let Some(track) = tracks.get_mut(key) else { return false };
        let Some(kept) = track.files.remove(&number) else { return false };
        *bytes -= kept.bytes;
        track.whole = track.whole.without(&(number * self.length..=(number + 1) * self.length - 1));
        if track.files.is_empty() {
            tracks.remove(key);
            // Whatever else lies in it keeps it.
            let _ = fs::remove_dir(self.dir.join(key.to_string()));
        }
        true
    }

    /// Takes a segment out that cannot be read; false where it has gone by itself.
    pub fn remove(&self, key: &Key, n: SegmentNumber, spot: &Spot) -> bool {
        let mut index = self.index.write();
        let Some(track) = index.tracks.get_mut(key) else { return false };
        let Some(kept) = track.files.get_mut(&(n / self.length)) else { return false };
        let before = kept.records.len();
        kept.records.retain(|record| *record != spot.record);
        track.whole = track.whole.without(&(n..=n));
        before > kept.records.len()
    }

    fn path(&self, key: &Key, number: u64) -> PathBuf {
        self.dir.join(key.to_string()).join(format!("{number}.{EXTENSION}"))
    }
}

/// Writes behind `at`; where the record begins.
fn write_at(file: &mut File, at: u64, head: &[u8], record: &[u8]) -> io::Result<u64> {
    // Somebody else's bytes would push all that follows from its place.
    if file.metadata()?.len() != at {
        file.set_len(at)?;
    }
    file.write_all(head)?;
    file.write_all(record)?;
    Ok(at + head.len() as u64)
}

/// How files are opened: none through a link, which could lead to anything.
fn ours() -> OpenOptions {
    let mut options = File::options();
    options.custom_flags(libc::O_NOFOLLOW);
    options
}

/// A file for a track to begin with. One in which a process that was killed put down nothing yet, or a piece of a head, is taken; what somebody else put
/// there is not.
fn begun(path: &Path) -> io::Result<File> {
    match ours().append(true).create_new(true).open(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        opened => return opened,
    }
    let file = ours().read(true).append(true).open(path)?;
    if !file.metadata()?.is_file() || !is_begun(&file)? {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something else is in its place"));
    }
    file.set_len(0)?;
    Ok(file)
}

/// A file of the window, for reading.
pub(super) fn opened(path: &Path) -> io::Result<File> {
    ours().read(true).open(path)
}

/// What a file holds; what is no record at its end is cut off. `None` for what is none of ours.
fn taken_up(path: &Path) -> io::Result<Option<Found>> {
    if !fs::symlink_metadata(path)?.is_file() {
        return Ok(None);
    }
    let file = ours().read(true).write(true).open(path)?;
    let found = walk(&file)?;
    if found.records.is_empty() {
        return Ok(None);
    }
    if file.metadata()?.len() > found.end {
        file.set_len(found.end)?;
        tracing::info!(file = %path.display(), "half a segment at the end of a file of the start-over window is cut off");
    }
    if found.is_damaged {
        tracing::warn!(file = %path.display(), "a file of the start-over window is damaged: what can be read of it is kept");
    }
    Ok(Some(found))
}
