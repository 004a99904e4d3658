//! Reading and drawing files of art, wherever that is done. Whoever wrote their bytes chose them, and chose how long they take too.

use std::collections::VecDeque;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::check::{self, Read};
use super::{AssetError, AssetId, AssetType, Assets, condition, moving};

/// Processor time that reading a file may take, and each picture of one that moves.
const MOST_READING: Duration = Duration::from_secs(10);

/// A file that could not be drawn at a size is not tried again at that size for so long; so many of them are known.
const REFUSED_FOR: Duration = Duration::from_secs(60);
const MOST_REFUSED: usize = 256;

/// A file.
#[derive(Clone, Copy)]
pub struct Art<'a> {
    pub kind: AssetType,
    pub bytes: &'a [u8],
}

/// What a file is that can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    pub size: (u32, u32),
    /// Nothing for a still.
    pub lasts: Duration,
}

/// A picture of what moves.
pub struct Moment {
    /// At each of the sizes that were asked for, in their order.
    pub reads: Vec<Read>,
    pub lasts: Duration,
    /// The first one comes after it.
    pub is_last: bool,
}

/// Who draws.
pub trait Draws: Send + Sync {
    /// Reads a whole file, and draws it where how long that takes can be told in no other way.
    ///
    /// # Errors
    /// What is wrong with it; [`AssetError::Gone`] once `stop` says so.
    fn check(&self, art: Art<'_>, stop: &Stop) -> Result<Checked, AssetError>;

    /// A file as large as fits into `size`; the first picture of what moves.
    ///
    /// # Errors
    /// As [`Draws::check`].
    fn still(&self, art: Art<'_>, size: (u32, u32), stop: &Stop) -> Result<Read, AssetError>;

    /// Shows `each` the pictures of what moves, as large as fits into each of `sizes`, over and over, for as long as it says that it wants more.
    ///
    /// # Errors
    /// As [`Draws::check`].
    fn moving(&self, art: Art<'_>, sizes: &[(u32, u32)], each: Each<'_>) -> Result<(), AssetError>;
}

/// Whether it wants more.
pub type Each<'a> = &'a mut dyn FnMut(Moment) -> bool;

/// Told before each step: the size that is drawn, if any, and the processor time that the step may take.
pub type Begins<'a> = &'a mut dyn FnMut(Option<(u32, u32)>, Duration);

/// Ends what is drawn for somebody who waits for it no more.
#[derive(Clone, Default)]
pub struct Stop(Arc<Stopped>);

#[derive(Default)]
struct Stopped {
    is_stopped: AtomicBool,
    /// To whoever draws.
    pipe: Mutex<Option<UnixStream>>,
}

impl Stop {
    pub fn stop(&self) {
        self.0.is_stopped.store(true, Ordering::Release);
        if let Some(pipe) = &*self.0.pipe.lock() {
            // It fails where it has ended.
            let _ = pipe.shutdown(Shutdown::Both);
        }
    }

    pub fn is_stopped(&self) -> bool {
        self.0.is_stopped.load(Ordering::Acquire)
    }

    /// What is said over `pipe` ends once there is a stop.
    pub(super) fn ends(&self, pipe: UnixStream) {
        *self.0.pipe.lock() = Some(pipe);
        if self.is_stopped() {
            self.stop();
        }
    }

    /// Stops when it goes out of scope.
    pub fn on_drop(&self) -> StopOnDrop {
        StopOnDrop(self.clone())
    }
}

/// See [`Stop::on_drop`].
pub struct StopOnDrop(Stop);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// Draws in this process: in the one that is there for it, and where the files are one's own.
pub struct Inside;

impl Draws for Inside {
    fn check(&self, art: Art<'_>, _: &Stop) -> Result<Checked, AssetError> {
        whole(|| checked(art, &mut |_, _| ()))
    }

    fn still(&self, art: Art<'_>, size: (u32, u32), _: &Stop) -> Result<Read, AssetError> {
        whole(|| still(art, size, &mut |_, _| ()))
    }

    fn moving(&self, art: Art<'_>, sizes: &[(u32, u32)], each: Each<'_>) -> Result<(), AssetError> {
        whole(|| moving::shown(art, sizes, &mut |_, _| (), each))
    }
}

/// A decoder that fails does not take its caller with it.
fn whole<T>(work: impl FnOnce() -> Result<T, AssetError>) -> Result<T, AssetError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| Err(failed()))
}

pub(super) fn failed() -> AssetError {
    AssetError::Unreadable("the decoder failed".to_owned())
}

pub(super) fn checked(art: Art<'_>, begins: Begins<'_>) -> Result<Checked, AssetError> {
    let read = read(art, begins)?;
    if art.kind == AssetType::Svg {
        check::draws_in_time(&read, begins)?;
    }
    begins(None, MOST_READING);
    Ok(Checked { size: read.size(), lasts: moving::length(art.kind, art.bytes)? })
}

pub(super) fn still(art: Art<'_>, size: (u32, u32), begins: Begins<'_>) -> Result<Read, AssetError> {
    let read = read(art, begins)?;
    begins(Some(size), check::most_drawing(size));
    condition::fitted(&read, size)
}

fn read(art: Art<'_>, begins: Begins<'_>) -> Result<Read, AssetError> {
    begins(None, if art.kind == AssetType::Svg { check::most_drawing((0, 0)) } else { MOST_READING });
    check::read(art.kind, art.bytes)
}

/// Before a picture of what moves.
pub(super) fn next_moment(begins: Begins<'_>) {
    begins(None, MOST_READING);
}

/// What could not be drawn of late.
#[derive(Default)]
pub(super) struct Refused(VecDeque<NotDrawn>);

struct NotDrawn {
    asset: AssetId,
    size: (u32, u32),
    at: Instant,
    why: AssetError,
}

impl Refused {
    fn why(&mut self, asset: &AssetId, size: (u32, u32)) -> Option<AssetError> {
        while self.0.front().is_some_and(|its| its.at.elapsed() > REFUSED_FOR) || self.0.len() > MOST_REFUSED {
            self.0.pop_front();
        }
        self.0.iter().find(|its| (&its.asset, its.size) == (asset, size)).map(|its| its.why.clone())
    }
}

impl Assets {
    /// An asset as large as fits into `size`, and of a clip its first picture.
    ///
    /// # Errors
    /// [`AssetError::Unknown`], [`AssetError::Gone`]; where it cannot be shown, which the log says, too.
    pub(super) fn drawn(&self, asset: &AssetId, size: (u32, u32), stop: &Stop) -> Result<Read, AssetError> {
        if let Some(why) = self.refused.lock().why(asset, size) {
            return Err(why);
        }
        let (tenant, kind) = self.holder(asset).ok_or(AssetError::Unknown(*asset))?;
        let read = match kind.is_clip() {
            true => self.first_of_clip(&tenant, asset, stop),
            false => {
                let bytes = self.folder().and_then(|folder| Ok(folder.read(&tenant, asset)?));
                bytes.and_then(|bytes| self.draws.still(Art { kind, bytes: &bytes }, size, stop))
            }
        };
        let why = match read {
            Ok(_) | Err(AssetError::Gone) => return read,
            Err(why) => why,
        };
        tracing::error!(%asset, error = %why, "an asset cannot be shown");
        // What has to do with this moment alone may be otherwise in the next.
        if !why.may_pass() {
            let refused = NotDrawn { asset: *asset, size, at: Instant::now(), why: why.clone() };
            self.refused.lock().0.push_back(refused);
        }
        Err(why)
    }
}
