//! Memory of finished canvases, used again when the last who reads a picture lets go of it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use super::scale::PlaneMut;
use crate::frame::{Colour, Picture, PlaneMemory, Rect};

/// Canvases of one size that wait to be used again, and sizes that are remembered; what comes back beyond is freed.
const IDLE_KEPT: usize = 16;
const SIZES_KEPT: usize = 16;

/// Memory of canvases of one size.
type Idle = Vec<Vec<u8>>;

/// Where canvas memory comes from and goes back to.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<HashMap<(u32, u32), Idle>>,
}

impl Pool {
    /// Planes for a canvas of even size; what they hold is left over from another.
    pub(super) fn take(self: &Arc<Self>, width: u32, height: u32) -> Planes {
        let luma = width as usize * height as usize;
        let mut idle = self.idle.lock().unwrap_or_else(|e| e.into_inner());
        let bytes = idle.get_mut(&(width, height)).and_then(Vec::pop);
        drop(idle);
        let bytes = bytes.unwrap_or_else(|| vec![0; luma + luma / 2]);
        Planes { size: (width, height), bytes, pool: Arc::clone(self) }
    }

    fn give_back(&self, size: (u32, u32), bytes: Vec<u8>) {
        let mut idle = self.idle.lock().unwrap_or_else(|e| e.into_inner());
        if idle.len() >= SIZES_KEPT && !idle.contains_key(&size) {
            idle.clear();
        }
        let same = idle.entry(size).or_default();
        if same.len() < IDLE_KEPT {
            same.push(bytes);
        }
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
        self.pool.give_back(self.size, std::mem::take(&mut self.bytes));
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
        for _ in 0..3 * IDLE_KEPT {
            let many: Vec<_> = (0..IDLE_KEPT + 5).map(|_| pool.take(32, 16)).collect();
            drop(many);
        }
        assert!(pool.idle.lock().unwrap().values().all(|v| v.len() <= IDLE_KEPT));
    }
}
