//! Memory of finished canvases, used again when the last who reads a picture lets go of it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use super::scale::PlaneMut;
use crate::frame::{Colour, Picture, PlaneMemory, Rect};

/// What waits to be used again takes at most so much: 85 canvases of 1080p.
const IDLE_BYTES: usize = 256 << 20;

/// What nobody has wanted for so long is freed: memory follows the mosaics that run, not the most that ever ran.
const IDLE_FOR: Duration = Duration::from_secs(5);

/// Where canvas memory comes from and goes back to.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Idle>,
}

/// Canvases that wait, those that have waited longest first.
#[derive(Default)]
struct Idle {
    canvases: VecDeque<Waiting>,
    bytes: usize,
}

struct Waiting {
    size: (u32, u32),
    bytes: Vec<u8>,
    since: Instant,
}

impl Idle {
    /// The canvas of that size that was used last: of a number that is more than is needed, some are never taken, and go.
    fn take(&mut self, size: (u32, u32)) -> Option<Vec<u8>> {
        let at = self.canvases.iter().rposition(|waiting| waiting.size == size)?;
        let bytes = self.canvases.remove(at)?.bytes;
        self.bytes -= bytes.len();
        Some(bytes)
    }

    fn put(&mut self, size: (u32, u32), bytes: Vec<u8>, now: Instant) {
        self.bytes += bytes.len();
        self.canvases.push_back(Waiting { size, bytes, since: now });
        while let Some(oldest) = self.canvases.front() {
            if self.bytes <= IDLE_BYTES && now.saturating_duration_since(oldest.since) <= IDLE_FOR {
                break;
            }
            self.bytes -= self.canvases.pop_front().map_or(0, |waiting| waiting.bytes.len());
        }
    }
}

impl Pool {
    /// Planes for a canvas of even size; what they hold is left over from another.
    pub(super) fn take(self: &Arc<Self>, width: u32, height: u32) -> Planes {
        let luma = width as usize * height as usize;
        let bytes = self.idle().take((width, height));
        let bytes = bytes.unwrap_or_else(|| vec![0; luma + luma / 2]);
        Planes { size: (width, height), bytes, pool: Arc::clone(self) }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// A canvas's three planes, tightly packed: written by one worker, then frozen into a [`Picture`].
pub(super) struct Planes {
    size: (u32, u32),
    bytes: Vec<u8>,
    pool: Arc<Pool>,
}

impl Planes {
    fn span(&self, plane: usize) -> std::ops::Range<usize> {
        let luma = self.size.0 as usize * self.size.1 as usize;
        match plane {
            0 => 0..luma,
            1 => luma..luma + luma / 4,
            _ => luma + luma / 4..luma + luma / 2,
        }
    }

    /// The part of plane `plane` under `rect`, which is even and inside.
    pub(super) fn part(&mut self, plane: usize, rect: Rect) -> PlaneMut<'_> {
        let span = self.span(plane);
        part_of(&mut self.bytes[span], plane, self.size.0, rect)
    }

    /// The parts of all three planes under `rect`.
    pub(super) fn parts(&mut self, rect: Rect) -> [PlaneMut<'_>; 3] {
        let luma = self.span(0).end;
        let (y, chroma) = self.bytes.split_at_mut(luma);
        let (u, v) = chroma.split_at_mut(luma / 4);
        [part_of(y, 0, self.size.0, rect), part_of(u, 1, self.size.0, rect), part_of(v, 2, self.size.0, rect)]
    }

    /// The finished picture. `None` cannot happen for an even size.
    pub(super) fn freeze(self) -> Option<Picture> {
        let (width, height) = self.size;
        let (luma, chroma) = (width as usize, width as usize / 2);
        Picture::new(width, height, [luma, chroma, chroma], Colour::CANVAS, (1, 1), Arc::new(self))
    }
}

fn part_of(bytes: &mut [u8], plane: usize, width: u32, rect: Rect) -> PlaneMut<'_> {
    let half = u32::from(plane > 0);
    let stride = (width >> half) as usize;
    let (x, y) = ((rect.x >> half) as usize, (rect.y >> half) as usize);
    PlaneMut {
        data: &mut bytes[y * stride + x..],
        stride,
        width: (rect.width >> half) as usize,
        height: (rect.height >> half) as usize,
    }
}

impl PlaneMemory for Planes {
    fn plane(&self, plane: usize) -> &[u8] {
        &self.bytes[self.span(plane)]
    }
}

impl Drop for Planes {
    fn drop(&mut self) {
        self.pool.idle().put(self.size, std::mem::take(&mut self.bytes), Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_comes_back_when_the_last_reader_lets_go() {
        let pool = Arc::new(Pool::default());
        let picture = pool.take(32, 16).freeze().expect("even");
        let copy = picture.clone();
        let address = picture.plane(0).as_ptr();
        drop(picture);
        assert_ne!(pool.take(32, 16).bytes.as_ptr(), address, "still read");
        drop(copy);
        let again: Vec<_> = (0..3).map(|_| pool.take(32, 16)).collect();
        assert!(again.iter().any(|p| p.bytes.as_ptr() == address));
    }

    #[test]
    fn what_waits_is_bounded_and_what_nobody_wants_is_freed() {
        const QUARTER: usize = IDLE_BYTES / 4;
        let (mut idle, began) = (Idle::default(), Instant::now());
        for _ in 0..5 {
            idle.put((2, 2), vec![0; QUARTER], began);
        }
        assert_eq!((idle.canvases.len(), idle.bytes), (4, 4 * QUARTER));
        // Of four only one is used any more.
        for n in 0..10 {
            let bytes = idle.take((2, 2)).expect("four wait");
            idle.put((2, 2), bytes, began + IDLE_FOR.mul_f64(f64::from(n) / 8.0));
        }
        assert_eq!((idle.canvases.len(), idle.bytes), (1, QUARTER));
        assert!(idle.take((4, 2)).is_none() && idle.take((2, 2)).is_some());
        assert_eq!(idle.bytes, 0);
    }
}
