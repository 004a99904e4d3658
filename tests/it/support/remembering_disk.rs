//! A disk under SQLite that remembers, before each single change of a file, what would be left if the process were killed or
//! the power cut just then. One run of what is to be proved gives every such moment; each can be laid out in a folder of its own and
//! opened.
//!
//! It is a VFS (sqlite.org/vfs.html) in front of the system's, and the default one from the first [`RememberingDisk`] on, so
//! that the store runs on it unchanged. Files outside the folder that is watched are left alone.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

use libsqlite3_sys as ffi;

/// One change of a file.
#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Arc<[u8]> },
    Truncate { length: usize },
}

impl Change {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => {
                file.resize(file.len().max(at + bytes.len()), 0);
                file[*at..at + bytes.len()].copy_from_slice(bytes);
            }
            Self::Truncate { length } => file.resize(*length, 0),
        }
    }
}

/// A file as the system has it, and as the disk is sure to.
#[derive(Clone, Debug, Default)]
struct Held {
    synced: Arc<Vec<u8>>,
    /// What came since, in order.
    unsynced: Vec<Change>,
}

impl Held {
    fn with(&self, is_there: impl FnMut(&Change) -> bool) -> Vec<u8> {
        let mut is_there = is_there;
        let mut file = self.synced.to_vec();
        self.unsynced.iter().filter(|change| is_there(change)).for_each(|change| change.apply(&mut file));
        file
    }
}

type Folder = BTreeMap<String, Held>;

/// How a process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Between two calls of the system: what was written is there.
    Killed,
    /// Half of the next write is there.
    Torn,
    /// Of what was not flushed, each write is there or not, as chance has it.
    PowerCut { chance: u64 },
}

/// Files of the folder that SQLite knows nothing of. They are written whole and flushed, so that every end leaves them as they are.
const BESIDE: [&str; 2] = ["secrets/ledger_ed25519", "deployment.json"];

type Beside = BTreeMap<&'static str, Arc<Vec<u8>>>;

/// The instant before a change.
pub struct Moment {
    folder: Folder,
    beside: Beside,
    next: Option<(String, Change)>,
    /// What [`RememberingDisk::tell`] was told last.
    pub told: u64,
}

impl Moment {
    pub fn has_beside(&self, name: &str) -> bool {
        self.beside.contains_key(name)
    }

    /// Lays out in `dir` what `end` leaves behind.
    pub fn lay_out(&self, dir: &Path, end: End) {
        let mut chance = match end {
            End::PowerCut { chance } => chance | 1,
            _ => 1,
        };
        for (name, held) in &self.folder {
            let mut file = held.with(|_| {
                // Xorshift (Marsaglia 2003).
                chance ^= chance << 13;
                chance ^= chance >> 7;
                chance ^= chance << 17;
                !matches!(end, End::PowerCut { .. }) || chance >> 63 == 1
            });
            if let (End::Torn, Some((_, Change::Write { at, bytes }))) =
                (end, self.next.as_ref().filter(|(of, _)| of == name))
            {
                let half = bytes[..bytes.len() / 2].into();
                Change::Write { at: *at, bytes: half }.apply(&mut file);
            }
            std::fs::write(dir.join(name), file).unwrap();
        }
        for (name, file) in &self.beside {
            let path = dir.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, &**file).unwrap();
        }
    }
}

#[derive(Default)]
struct State {
    watched: Option<PathBuf>,
    folder: Folder,
    beside: Beside,
    told: u64,
    moments: Vec<Moment>,
}

impl State {
    /// Reads the files beside; one that is as it was is kept once.
    fn look_beside(&mut self) {
        let Some(watched) = &self.watched else { return };
        for name in BESIDE {
            let Ok(file) = std::fs::read(watched.join(name)) else { continue };
            if self.beside.get(name).is_none_or(|known| **known != file) {
                self.beside.insert(name, Arc::new(file));
            }
        }
    }

    fn remember(&mut self, next: Option<(&str, Change)>) {
        let next = next.map(|(name, change)| (name.to_owned(), change));
        self.look_beside();
        let (folder, beside) = (self.folder.clone(), self.beside.clone());
        self.moments.push(Moment { folder, beside, next, told: self.told });
    }
}

fn state() -> MutexGuard<'static, State> {
    static STATE: Mutex<State> =
        Mutex::new(State { watched: None, folder: Folder::new(), beside: Beside::new(), told: 0, moments: Vec::new() });
    STATE.lock().unwrap()
}

/// One folder that is watched, as long as this lives. One at a time.
pub struct RememberingDisk(());

impl RememberingDisk {
    pub fn watch(dir: &Path) -> Self {
        install();
        let mut state = state();
        assert!(state.watched.is_none(), "one folder at a time");
        *state = State { watched: Some(dir.canonicalize().unwrap()), ..State::default() };
        Self(())
    }

    /// `told` was promised to somebody.
    pub fn tell(&self, told: u64) {
        state().told = told;
    }

    /// All moments so far.
    pub fn moments(self) -> Vec<Moment> {
        std::mem::take(&mut state().moments)
    }
}

impl Drop for RememberingDisk {
    fn drop(&mut self) {
        *state() = State::default();
    }
}

/// What SQLite sees as an open file. The system's own file lies behind it in the same allocation.
#[repr(C)]
struct File {
    base: ffi::sqlite3_file,
    /// Its name in the folder that is watched.
    watched: Option<String>,
}

fn real_vfs() -> *mut ffi::sqlite3_vfs {
    static REAL: OnceLock<usize> = OnceLock::new();
    // SAFETY: a null name asks for the default VFS, which is never unregistered; at the first call that is the system's.
    *REAL.get_or_init(|| unsafe { ffi::sqlite3_vfs_find(std::ptr::null()) } as usize) as *mut ffi::sqlite3_vfs
}

fn install() {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let real = real_vfs();
        // SAFETY: SQLite keeps its VFS for as long as the process lives, and so is the copy kept. All methods but two stay the
        // system's; they take from the VFS they are called with only what was copied.
        unsafe {
            let mut vfs = *real;
            vfs.zName = c"remembering".as_ptr();
            vfs.szOsFile += c_int::try_from(size_of::<File>()).unwrap();
            vfs.xOpen = Some(open);
            vfs.xDelete = Some(delete);
            assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 1), ffi::SQLITE_OK);
        }
    });
}

/// The name of `path` in the folder that is watched.
fn watched(path: *const c_char) -> Option<String> {
    if path.is_null() {
        return None;
    }
    // SAFETY: SQLite gives a text that ends with a zero and lives at least as long as this call.
    let path = Path::new(unsafe { CStr::from_ptr(path) }.to_str().ok()?);
    (Some(path.parent()?) == state().watched.as_deref()).then(|| path.file_name()?.to_str().map(str::to_owned))?
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    path: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let name = watched(path);
    // SAFETY: `file` has room for `szOsFile` bytes, that is, for a `File` and the system's file behind it.
    unsafe {
        let real = real_vfs();
        let rc = (*real).xOpen.unwrap()(real, path, inner(file), flags, out);
        if rc != ffi::SQLITE_OK {
            (*file).pMethods = std::ptr::null();
            return rc;
        }
        if let Some(name) = &name {
            let whole = std::fs::read(CStr::from_ptr(path).to_str().unwrap()).unwrap();
            let held = || Held { synced: Arc::new(whole), unsynced: Vec::new() };
            state().folder.entry(name.clone()).or_insert_with(held);
        }
        file.cast::<File>().write(File { base: ffi::sqlite3_file { pMethods: &METHODS }, watched: name });
    }
    ffi::SQLITE_OK
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, path: *const c_char, sync_folder: c_int) -> c_int {
    let name = watched(path);
    let mut state = state();
    if let Some(name) = name {
        state.remember(None);
        state.folder.remove(&name);
    }
    let real = real_vfs();
    // SAFETY: what SQLite called this with goes on to the system's VFS.
    unsafe { (*real).xDelete.unwrap()(real, path, sync_folder) }
}

/// The system's file behind ours.
///
/// # Safety
/// `file` was opened, or is being opened, by [`open`].
unsafe fn inner(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: it begins where ours ends; both are aligned to pointers.
    unsafe { file.cast::<u8>().add(size_of::<File>()).cast() }
}

/// # Safety
/// `file` was opened by [`open`].
unsafe fn name_of<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a str> {
    // SAFETY: `open` wrote a whole `File` there, which stays until `close`.
    unsafe { (*file.cast::<File>()).watched.as_deref() }
}

/// Methods that the system's file answers alone.
macro_rules! forward {
    ($($name:ident = $method:ident($($argument:ident: $type:ty),*) $(-> $answer:ty)?;)*) => {
        $(unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $type)*) $(-> $answer)? {
            // SAFETY: what SQLite called this with goes on to the system's file, which `open` opened.
            unsafe {
                let inner = inner(file);
                (*(*inner).pMethods).$method.unwrap()(inner $(, $argument)*)
            }
        })*
    };
}

forward! {
    real_close = xClose() -> c_int;
    read = xRead(bytes: *mut c_void, length: c_int, at: i64) -> c_int;
    real_write = xWrite(bytes: *const c_void, length: c_int, at: i64) -> c_int;
    real_truncate = xTruncate(length: i64) -> c_int;
    real_sync = xSync(flags: c_int) -> c_int;
    file_size = xFileSize(length: *mut i64) -> c_int;
    lock = xLock(level: c_int) -> c_int;
    unlock = xUnlock(level: c_int) -> c_int;
    check_reserved_lock = xCheckReservedLock(held: *mut c_int) -> c_int;
    file_control = xFileControl(what: c_int, with: *mut c_void) -> c_int;
    sector_size = xSectorSize() -> c_int;
    device_characteristics = xDeviceCharacteristics() -> c_int;
    shm_map = xShmMap(region: c_int, length: c_int, extend: c_int, map: *mut *mut c_void) -> c_int;
    shm_lock = xShmLock(offset: c_int, count: c_int, flags: c_int) -> c_int;
    shm_barrier = xShmBarrier();
    shm_unmap = xShmUnmap(remove: c_int) -> c_int;
    fetch = xFetch(at: i64, length: c_int, map: *mut *mut c_void) -> c_int;
    unfetch = xUnfetch(at: i64, map: *mut c_void) -> c_int;
}

static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 3,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(device_characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: Some(fetch),
    xUnfetch: Some(unfetch),
};

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes a file once, and uses it no more.
    unsafe {
        let rc = real_close(file);
        file.cast::<File>().drop_in_place();
        rc
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, bytes: *const c_void, length: c_int, at: i64) -> c_int {
    // SAFETY: SQLite gives `length` bytes to be written.
    let (name, data) =
        unsafe { (name_of(file), std::slice::from_raw_parts(bytes.cast::<u8>(), usize::try_from(length).unwrap())) };
    let change = || Change::Write { at: usize::try_from(at).unwrap(), bytes: data.into() };
    // SAFETY: as for all forwarded methods.
    changed(name, change, || unsafe { real_write(file, bytes, length, at) })
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: SQLite calls this with files that it opened.
    let name = unsafe { name_of(file) };
    let change = || Change::Truncate { length: usize::try_from(length).unwrap() };
    // SAFETY: as for all forwarded methods.
    changed(name, change, || unsafe { real_truncate(file, length) })
}

/// Remembers the moment, then makes the change with `make`. The lock is held meanwhile, so that changes have one order.
fn changed(name: Option<&str>, change: impl FnOnce() -> Change, make: impl FnOnce() -> c_int) -> c_int {
    let Some(name) = name else { return make() };
    let (mut state, change) = (state(), change());
    state.remember(Some((name, change.clone())));
    let rc = make();
    if let Some(held) = state.folder.get_mut(name).filter(|_| rc == ffi::SQLITE_OK) {
        held.unsynced.push(change);
    }
    rc
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: SQLite calls this with files that it opened.
    let Some(name) = (unsafe { name_of(file) }) else {
        // SAFETY: as for all forwarded methods.
        return unsafe { real_sync(file, flags) };
    };
    let mut state = state();
    state.remember(None);
    // SAFETY: as for all forwarded methods.
    let rc = unsafe { real_sync(file, flags) };
    if let Some(held) = state.folder.get_mut(name).filter(|_| rc == ffi::SQLITE_OK) {
        held.synced = Arc::new(held.with(|_| true));
        held.unsynced.clear();
    }
    rc
}
