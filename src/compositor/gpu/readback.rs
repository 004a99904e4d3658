//! The ring of readback buffers: canvases are copied into them, mapped when the device is done, and read in place by whoever
//! holds the picture; a buffer comes back when the last reader lets go.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use super::layout::PlaneLayout;
use crate::frame::{Colour, Picture, PlaneMemory};

/// Bytes of all readback buffers together, in use and idle. At the bound canvases are dropped, not waited for.
const RING_BYTES: u64 = 1 << 30;

/// Idle buffers kept per size.
const IDLE_KEPT: usize = 64;

/// Readback buffers of one device.
#[derive(Default)]
pub(super) struct Ring {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    idle: Vec<wgpu::Buffer>,
    bytes: u64,
}

impl Ring {
    /// A buffer of `words` words, not mapped; `None` when readers hold too many.
    pub(super) fn take(&self, device: &wgpu::Device, words: u32) -> Option<wgpu::Buffer> {
        let size = u64::from(words) * 4;
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(found) = state.idle.iter().position(|buffer| buffer.size() == size) {
            return Some(state.idle.swap_remove(found));
        }
        if state.bytes + size > RING_BYTES {
            let idle: u64 = state.idle.drain(..).map(|buffer| buffer.size()).sum();
            state.bytes -= idle;
            if state.bytes + size > RING_BYTES {
                return None;
            }
        }
        state.bytes += size;
        drop(state);
        Some(device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("readback"),
            size,
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        }))
    }

    /// Takes back a buffer that is not mapped.
    pub(super) fn give_back(&self, buffer: wgpu::Buffer) {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        if state.idle.iter().filter(|idle| idle.size() == buffer.size()).count() < IDLE_KEPT {
            state.idle.push(buffer);
        } else {
            state.bytes -= buffer.size();
        }
    }
}

/// How far the mapping of a tick's readback buffers has come.
#[derive(Default)]
pub(super) struct Mapping {
    /// Buffers that were mapped, and whether one failed to be.
    state: Mutex<(usize, bool)>,
    changed: Condvar,
}

impl Mapping {
    /// Notes that a buffer was mapped, or that it could not be.
    pub(super) fn note(&self, mapped: bool) {
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        *state = (state.0 + 1, state.1 | !mapped);
        self.changed.notify_all();
    }

    /// Whether `buffers` were all mapped within `patience`. A finished device is not enough to know: whichever thread sees
    /// it finish first, by polling or by submitting the next tick, calls back, and others may return from their poll before.
    pub(super) fn is_whole(&self, buffers: usize, patience: Duration) -> bool {
        let state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        let waited = self.changed.wait_timeout_while(state, patience, |(done, failed)| *done < buffers && !*failed);
        let (state, _) = waited.unwrap_or_else(|e| e.into_inner());
        state.0 >= buffers && !state.1
    }
}

/// A mapped readback buffer as a picture's memory.
struct Mapped {
    layout: PlaneLayout,
    /// Always there until dropped; the view must go before the buffer is unmapped.
    view: Option<wgpu::BufferView>,
    buffer: Option<wgpu::Buffer>,
    ring: Arc<Ring>,
}

impl PlaneMemory for Mapped {
    fn plane(&self, plane: usize) -> &[u8] {
        self.view.as_ref().map_or(&[], |view| &view[self.layout.bytes(plane)])
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        self.view = None;
        if let Some(buffer) = self.buffer.take() {
            buffer.unmap();
            self.ring.give_back(buffer);
        }
    }
}

/// The picture in a buffer that has been mapped. `None` when it was not.
pub(super) fn picture(ring: &Arc<Ring>, buffer: wgpu::Buffer, layout: PlaneLayout, colour: Colour) -> Option<Picture> {
    let view = buffer.get_mapped_range(..).ok()?;
    let strides = layout.strides.map(|words| words as usize * 4);
    let memory = Mapped { layout, view: Some(view), buffer: Some(buffer), ring: Arc::clone(ring) };
    Picture::new(layout.width, layout.height, strides, colour, (1, 1), Arc::new(memory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_whole_when_the_last_buffer_was_called_back() {
        let mapping = Arc::new(Mapping::default());
        assert!(mapping.is_whole(0, Duration::ZERO));
        mapping.note(true);
        assert!(!mapping.is_whole(2, Duration::ZERO), "patience ended before the second buffer");
        let (begun, waits) = std::sync::mpsc::channel();
        let waiting = std::thread::spawn({
            let mapping = Arc::clone(&mapping);
            move || {
                begun.send(()).expect("test listens");
                mapping.is_whole(2, Duration::from_secs(60))
            }
        });
        waits.recv().expect("the thread began");
        mapping.note(true);
        assert!(waiting.join().expect("the thread ended"), "a callback that comes late is waited for");
    }

    #[test]
    fn a_buffer_that_cannot_be_mapped_fails_the_mapping_at_once() {
        let mapping = Mapping::default();
        mapping.note(false);
        assert!(!mapping.is_whole(2, Duration::from_secs(60)));
    }
}
