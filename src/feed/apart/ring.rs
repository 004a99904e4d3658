//! Pictures from a process to its parent: memory that both have, in places of one size, which the parent made.
//!
//! Nobody maps it. The child writes a picture into a place and says its size; the parent works out where that must lie, and copies
//! it out by a system call. So there is no memory that another process changes while somebody here reads it, and no length or
//! offset of the child's is ever used. What a child changes while it is copied tears its own picture.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use parking_lot::Mutex;
use rustix::fs::{MemfdFlags, SealFlags};

use super::message::{Lie, PictureHead, colour_of};
use crate::frame::{Picture, PlaneMemory};

/// Places of a ring: one is written, one is read, one waits.
pub const PLACES: u64 = 3;
/// Bytes of a place: a picture of 4096x2304. Those that nobody writes to take no memory.
pub const PLACE_BYTES: u64 = 4096 * 2304 * 3 / 2;
/// Copies that are kept to be written over: as many as a feed holds at most before it holds fewer larger ones.
const MOST_KEPT: usize = 16;
/// Slices that one call writes (POSIX: at least 16; Linux: 1024).
const SLICES: usize = 1024;

/// A ring, for whoever made it.
pub struct Ring {
    memory: OwnedFd,
    /// Pictures that were taken out.
    taken: u64,
    copies: Arc<Copies>,
}

impl Ring {
    /// # Errors
    /// No such memory is to be had.
    pub fn new() -> io::Result<Self> {
        let memory = rustix::fs::memfd_create("feed-pictures", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        rustix::fs::ftruncate(&memory, PLACES * PLACE_BYTES)?;
        rustix::fs::fcntl_add_seals(&memory, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self { memory, taken: 0, copies: Arc::default() })
    }

    /// For the child.
    pub fn memory(&self) -> BorrowedFd<'_> {
        self.memory.as_fd()
    }

    /// Takes the next picture out.
    ///
    /// # Errors
    /// [`Lie`]: it is not the next one, or no picture.
    pub fn take(&mut self, head: &PictureHead) -> Result<Picture, Lie> {
        if head.number != self.taken {
            return Err(Lie::Turn);
        }
        let colour = colour_of(head.colour)?;
        let PictureHead { width, height, pixel_aspect, .. } = *head;
        // The product of two sides that may be anything may be too large for any number.
        let size = u64::from(width).checked_mul(u64::from(height)).and_then(|luma| luma.checked_mul(3)).map(|n| n / 2);
        let even = width >= 2 && height >= 2 && width.is_multiple_of(2) && height.is_multiple_of(2);
        let Some(size) = size.filter(|size| even && *size <= PLACE_BYTES) else {
            return Err(Lie::Value("a picture's size"));
        };
        let mut bytes = self.copies.take(size as usize);
        let mut filled = 0;
        while filled < bytes.len() {
            let at = place_of(head.number) + filled as u64;
            match rustix::io::pread(&self.memory, &mut bytes[filled..], at) {
                Ok(0) => return Err(Lie::Value("a ring")),
                Ok(count) => filled += count,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Err(Lie::Value("a ring")),
            }
        }
        self.taken += 1;
        let (w, luma) = (width as usize, width as usize * height as usize);
        let memory = Arc::new(Copied { bytes, luma, copies: Arc::clone(&self.copies) });
        Picture::new(width, height, [w, w / 2, w / 2], colour, pixel_aspect, memory).ok_or(Lie::Value("a picture"))
    }
}

/// Where the picture of that number lies.
const fn place_of(number: u64) -> u64 {
    (number % PLACES) * PLACE_BYTES
}

/// A ring, for the child.
pub struct Writer {
    memory: OwnedFd,
    written: u64,
}

impl Writer {
    pub fn new(memory: OwnedFd) -> Self {
        Self { memory, written: 0 }
    }

    /// Writes a picture down where it is its turn; returns its number.
    ///
    /// # Errors
    /// It does not fit.
    pub fn write(&mut self, picture: &Picture) -> io::Result<u64> {
        let size = u64::from(picture.width) * u64::from(picture.height) * 3 / 2;
        if size > PLACE_BYTES {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a picture of more than 4096x2304"));
        }
        let mut at = place_of(self.written);
        for plane in 0..3 {
            let (width, rows) = picture.plane_size(plane);
            if picture.strides[plane] == width {
                let whole = [IoSlice::new(&picture.plane(plane)[..width * rows])];
                at += self.write_all(&whole, at)?;
                continue;
            }
            let rows: Vec<_> = (0..rows).map(|row| IoSlice::new(picture.row(plane, row))).collect();
            for some in rows.chunks(SLICES) {
                at += self.write_all(some, at)?;
            }
        }
        self.written += 1;
        Ok(self.written - 1)
    }

    /// Memory takes everything at once, or has no room.
    fn write_all(&self, slices: &[IoSlice<'_>], at: u64) -> io::Result<u64> {
        let size: usize = slices.iter().map(|slice| slice.len()).sum();
        let written = rustix::io::pwritev(&self.memory, slices, at)?;
        if written == size { Ok(size as u64) } else { Err(io::ErrorKind::WriteZero.into()) }
    }
}

/// A picture that was copied out; its memory is used again.
struct Copied {
    bytes: Vec<u8>,
    luma: usize,
    copies: Arc<Copies>,
}

impl PlaneMemory for Copied {
    fn plane(&self, plane: usize) -> &[u8] {
        let (luma, chroma) = (self.luma, self.luma / 4);
        match plane {
            0 => &self.bytes[..luma],
            1 => &self.bytes[luma..luma + chroma],
            _ => &self.bytes[luma + chroma..],
        }
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        self.copies.give_back(std::mem::take(&mut self.bytes));
    }
}

/// Memory of pictures that nobody shows any more. Fresh memory for every picture would cost as much as copying it.
#[derive(Default)]
struct Copies(Mutex<Vec<Vec<u8>>>);

impl Copies {
    fn take(&self, size: usize) -> Vec<u8> {
        let mut kept = self.0.lock();
        // Of another size than before: none of what is kept fits.
        if kept.last().is_some_and(|bytes| bytes.len() != size) {
            kept.clear();
        }
        let bytes = kept.pop();
        drop(kept);
        bytes.unwrap_or_else(|| vec![0; size])
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let mut kept = self.0.lock();
        if kept.len() < MOST_KEPT {
            kept.push(bytes);
        }
    }
}
