//! Draws feeds' pictures into rectangles of canvases: many canvases a tick, on the GPU or with the CPU's vector units.
//!
//! Both ways do the same integer arithmetic on the same tables, so they draw the same bytes. Planes go in and planes come
//! out; where a picture's colours are the canvas's there is no detour through RGB.

mod choose;
mod colour;
mod cpu;
mod filter;
mod gpu;
mod into_hdr;
mod pool;
mod pq;
mod scale;
mod tone;
mod uncovered;

use std::fmt;
use std::sync::Arc;

use crate::frame::{Colour, Picture, Rect};

pub use crate::frame::fit;
pub use choose::{Choice, Chosen, Report, new};
pub use cpu::{CpuCompositor, draw_now};
pub use gpu::GpuCompositor;

/// Largest width or height of a canvas or rendition, in pixels.
pub const LARGEST_SIDE: u32 = 4096;

/// A picture and where the whole of it is drawn.
#[derive(Clone, Debug)]
pub struct Draw {
    pub picture: Picture,
    /// Destination in pixels of the canvas; all four numbers even. See [`fit`] for one that keeps the picture's aspect.
    pub rect: Rect,
}

/// What is to be drawn: later draws lie over earlier ones, the background shows where there is none.
#[derive(Clone, Debug)]
pub struct Canvas {
    /// Size in pixels; both even, at most [`LARGEST_SIDE`].
    pub width: u32,
    pub height: u32,
    /// R'G'B', full range.
    pub background: [u8; 3],
    pub draws: Vec<Draw>,
}

/// One canvas of one tick, and what becomes of it.
pub struct Job {
    /// Jobs with the same value are delivered in the order they were submitted.
    pub affinity: u64,
    /// What the pictures are to be in: [`Colour::CANVAS`], [`Colour::PQ_CANVAS`] or [`Colour::HLG_CANVAS`].
    pub colour: Colour,
    pub canvas: Canvas,
    /// Sizes of further renditions, each scaled from the canvas; even, at most [`LARGEST_SIDE`].
    pub smaller: Vec<(u32, u32)>,
    /// Called once with the canvas and its further renditions, in the order of `smaller`, all in
    /// `colour`. Runs on a compositor's thread and must be quick. Not called when the
    /// job is refused by [`Compositor::submit`], or when drawing failed (which is logged).
    pub deliver: Deliver,
}

/// Takes a job's finished pictures.
pub type Deliver = Box<dyn FnOnce(Vec<Picture>) + Send>;

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Job")
            .field("affinity", &self.affinity)
            .field("canvas", &self.canvas)
            .field("smaller", &self.smaller)
            .finish_non_exhaustive()
    }
}

/// Draws canvases on threads of its own.
pub trait Compositor: Send + Sync {
    /// Takes all canvases of a tick and returns at once. Queues are bounded: jobs there is no room for, and jobs that no
    /// compositor could draw (see [`Job::check`]), come back, for the caller to count and to go without.
    #[must_use = "refused jobs must be counted"]
    fn submit(&self, tick: Vec<Job>) -> Vec<Job>;

    fn kind(&self) -> Kind;

    /// What it runs on, for people: the adapter's name, or the vector instructions and the number of threads.
    fn describe(&self) -> String;

    /// Jobs taken and not yet delivered.
    fn queued(&self) -> usize;
}

/// What a compositor draws with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    Gpu,
    Cpu,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Gpu => "gpu",
            Kind::Cpu => "cpu",
        }
    }
}

/// Why there is no compositor, or why a job cannot be drawn.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompositorError {
    #[error("no usable Vulkan adapter: {0}")]
    NoAdapter(String),
    #[error("cannot start a compositor thread: {0}")]
    Thread(String),
    #[error("a canvas or rendition of {width}x{height} is not even-sized between 2 and {LARGEST_SIDE}")]
    Size { width: u32, height: u32 },
    #[error("rectangle {rect:?} is odd, empty or outside a canvas of {width}x{height}")]
    Rect { rect: Rect, width: u32, height: u32 },
}

impl Job {
    /// Whether the job can be drawn at all.
    pub fn check(&self) -> Result<(), CompositorError> {
        let (width, height) = (self.canvas.width, self.canvas.height);
        for (width, height) in std::iter::once((width, height)).chain(self.smaller.iter().copied()) {
            let good = |side: u32| (2..=LARGEST_SIDE).contains(&side) && side.is_multiple_of(2);
            if !(good(width) && good(height)) {
                return Err(CompositorError::Size { width, height });
            }
        }
        for Draw { rect, .. } in &self.canvas.draws {
            let even = [rect.x, rect.y, rect.width, rect.height].iter().all(|n| n.is_multiple_of(2));
            let inside = u64::from(rect.x) + u64::from(rect.width) <= u64::from(width)
                && u64::from(rect.y) + u64::from(rect.height) <= u64::from(height);
            if !(even && inside && rect.width > 0 && rect.height > 0) {
                return Err(CompositorError::Rect { rect: *rect, width, height });
            }
        }
        Ok(())
    }
}

/// Splits off the jobs that cannot be drawn, saying so in the log.
fn refuse_undrawable(tick: Vec<Job>) -> (Vec<Job>, Vec<Job>) {
    tick.into_iter().partition(|job| match job.check() {
        Ok(()) => true,
        Err(error) => {
            tracing::error!(affinity = job.affinity, %error, "job refused");
            false
        }
    })
}

/// Y, Cb and Cr of a canvas's background.
pub fn canvas_colour(rgb: [u8; 3]) -> [u8; 3] {
    colour::canvas_codes(rgb)
}

/// A picture all of one colour, the same that a canvas with this background and nothing on it has. `None` for an odd or empty
/// size.
pub fn solid(width: u32, height: u32, rgb: [u8; 3]) -> Option<Picture> {
    let codes = colour::canvas_codes(rgb);
    let (w, h) = (width as usize, height as usize);
    let plane = |code: u8, samples: usize| vec![code; samples];
    Picture::from_planes(
        width,
        height,
        Colour::CANVAS,
        [plane(codes[0], w * h), plane(codes[1], w * h / 4), plane(codes[2], w * h / 4)],
    )
}

/// The same in `colour`, which is that of a canvas.
pub fn solid_in(colour: Colour, width: u32, height: u32, rgb: [u8; 3]) -> Option<Picture> {
    if !colour.is_hdr_canvas() {
        return solid(width, height, rgb);
    }
    let codes = pq::background_codes(colour, rgb);
    let luma = width as usize * height as usize;
    let plane = |code: u16, samples: usize| code.to_le_bytes().repeat(samples);
    let planes = [plane(codes[0], luma), plane(codes[1], luma / 4), plane(codes[2], luma / 4)];
    Picture::from_planes(width, height, colour, planes)
}

/// A compositor that is shared by all who draw.
pub type Shared = Arc<dyn Compositor>;

#[cfg(test)]
mod tests;
