//! Pictures from a process to its parent: memory that both have and the parent made, in places of one size.
//!
//! A child's decoder writes its pictures there ([`super::places`]), and who shows them reads them there: nothing is copied on the way.
//! The parent maps the memory to be read only, and it can be made neither smaller nor larger, so that nothing which the parent reads goes away. What a child says of
//! a picture is checked against it before anything is read. A child that changes a picture while it is shown tears its own slot: pixels are added and
//! multiplied, and nothing is looked up by one that could be too large.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

use super::message::{Lie, PictureHead, colour_of};
use crate::frame::{Colour, Depth, Picture, PlaneMemory};

/// Pictures that there is room for: those that a decoder works on and refers to, those on their way, and those that are lent to the parent.
pub const PLACES: usize = 96;
/// Bytes of a place: a picture of 4096x2304 of ten bits with what decoders want around it. Those that nobody writes to take no memory.
pub const PLACE_BYTES: usize = 32 << 20;
/// Pictures that the parent keeps where they are. Of more than that it keeps copies: a child that has no place left decodes no further.
pub const MOST_LENT: usize = 32;

const BYTES: usize = PLACES * PLACE_BYTES;

/// The memory, where it lies in this process.
pub(super) struct Map {
    base: NonNull<u8>,
}

// SAFETY: it is memory and nothing else; who writes to which part of it, `Places` sees to.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    pub(super) fn new(memory: BorrowedFd<'_>, rights: ProtFlags) -> io::Result<Self> {
        // SAFETY: the kernel chooses a place where nothing is.
        let base = unsafe { rustix::mm::mmap(ptr::null_mut(), BYTES, rights, MapFlags::SHARED, memory, 0)? };
        NonNull::new(base.cast()).map(|base| Self { base }).ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// Where in it `bytes` lie, if they do.
    pub(super) fn place_of(&self, bytes: &[u8]) -> Option<usize> {
        let at = (bytes.as_ptr() as usize).checked_sub(self.base.as_ptr() as usize)?;
        (at + bytes.len() <= BYTES).then_some(at)
    }

    pub(super) fn at(&self, at: usize) -> *mut u8 {
        self.base.as_ptr().wrapping_add(at)
    }

    fn bytes(&self, at: usize, len: usize) -> &[u8] {
        if at.checked_add(len).is_none_or(|end| end > BYTES) {
            return &[];
        }
        // SAFETY: within the mapping, which lives as long as `self` and which nobody can make smaller. Another process may write to it meanwhile; the
        // bytes are pixels, of which every value is one.
        unsafe { std::slice::from_raw_parts(self.at(at), len) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: nobody has anything of it any more: views and places hold it.
        let _ = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), BYTES) };
    }
}

/// The memory of one child, for its parent.
pub struct Shared {
    memory: OwnedFd,
    map: Arc<Map>,
    /// Pictures that were taken.
    taken: u64,
    lent: Lent,
}

/// What a child need not keep any more, by number.
#[derive(Clone, Default)]
pub struct Lent(Arc<Mutex<(usize, Vec<u64>)>>);

impl Lent {
    /// Pictures that nobody has had since the last call.
    pub fn returned(&self) -> Vec<u64> {
        std::mem::take(&mut self.0.lock().1)
    }

    fn lend(&self) -> bool {
        let mut lent = self.0.lock();
        let may = lent.0 < MOST_LENT;
        lent.0 += usize::from(may);
        may
    }

    fn give_back(&self, number: u64, was_lent: bool) {
        let mut lent = self.0.lock();
        lent.0 -= usize::from(was_lent);
        lent.1.push(number);
    }
}

impl Shared {
    /// # Errors
    /// No such memory is to be had.
    pub fn new() -> io::Result<Self> {
        let memory = rustix::fs::memfd_create("feed-pictures", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&memory, BYTES as u64)?;
        rustix::fs::fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let map = Arc::new(Map::new(memory.as_fd(), ProtFlags::READ)?);
        Ok(Self { memory, map, taken: 0, lent: Lent::default() })
    }

    /// For the child.
    pub fn memory(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    pub fn lent(&self) -> Lent {
        self.lent.clone()
    }

    /// Takes the next picture.
    ///
    /// # Errors
    /// [`Lie`]: it is not the next one, or no picture.
    pub fn take(&mut self, head: &PictureHead) -> Result<Picture, Lie> {
        if head.number != self.taken {
            return Err(Lie::Turn);
        }
        let colour = colour_of(head.colour)?;
        let planes = planes_of(head, colour.depth).ok_or(Lie::Value("a picture's size or place"))?;
        let strides = head.planes.map(|(_, stride)| stride as usize);
        let is_lent = self.lent.lend();
        let (number, lent) = (head.number, self.lent.clone());
        let view = View { map: Arc::clone(&self.map), planes, number, lent, is_lent };
        self.taken += 1;
        let Some(picture) = view.into_picture(head, strides, colour) else {
            return Err(Lie::Value("a picture"));
        };
        // What is too much to be lent is given back at once.
        Ok(if is_lent { picture } else { copy_of(&picture) })
    }
}

/// Where a picture's planes lie, and how long each is. `None` where one would not lie within the memory.
fn planes_of(head: &PictureHead, depth: Depth) -> Option<[(usize, usize); 3]> {
    let even = |side: u32| side >= 2 && side.is_multiple_of(2);
    if !even(head.width) || !even(head.height) {
        return None;
    }
    let (width, height) = ((head.width as usize).checked_mul(depth.bytes())?, head.height as usize);
    let mut planes = [(0, 0); 3];
    for (plane, (at, stride)) in head.planes.into_iter().enumerate() {
        let (width, rows) = if plane == 0 { (width, height) } else { (width / 2, height / 2) };
        let (at, stride) = (usize::try_from(at).ok()?, stride as usize);
        let len = stride.checked_mul(rows - 1)?.checked_add(width)?;
        if stride < width || at.checked_add(len)? > BYTES {
            return None;
        }
        planes[plane] = (at, len);
    }
    // No picture is larger than its place.
    (planes.iter().map(|(_, len)| len).sum::<usize>() <= PLACE_BYTES).then_some(planes)
}

/// Three planes of the memory that are lent.
struct View {
    map: Arc<Map>,
    planes: [(usize, usize); 3],
    number: u64,
    lent: Lent,
    is_lent: bool,
}

impl View {
    fn into_picture(self, head: &PictureHead, strides: [usize; 3], colour: Colour) -> Option<Picture> {
        Picture::new(head.width, head.height, strides, colour, head.pixel_aspect, Arc::new(self))
    }
}

impl PlaneMemory for View {
    fn plane(&self, plane: usize) -> &[u8] {
        let (at, len) = self.planes[plane];
        self.map.bytes(at, len)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        self.lent.give_back(self.number, self.is_lent);
    }
}

struct Copied([Vec<u8>; 3]);

impl PlaneMemory for Copied {
    fn plane(&self, plane: usize) -> &[u8] {
        &self.0[plane]
    }
}

fn copy_of(picture: &Picture) -> Picture {
    let planes = [0, 1, 2].map(|plane| picture.plane(plane).to_vec());
    let Picture { width, height, strides, colour, pixel_aspect, .. } = *picture;
    // It is as large as what it is a copy of.
    Picture::new(width, height, strides, colour, pixel_aspect, Arc::new(Copied(planes)))
        .unwrap_or_else(|| picture.clone())
}
