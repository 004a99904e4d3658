//! The compositor on the CPU: worker threads that scale planes straight into the canvas's planes.
//!
//! Lock order: `routes` before nothing; no lock is held while a job is drawn or delivered.

use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use crossbeam_channel::{Receiver, Sender, TrySendError};

use super::colour::{self, Conversion};
use super::filter::Siting;
use super::pool::{Planes, Pool};
use super::pq::HdrPainter;
use super::scale::{PlaneMut, PlaneRef, Sample, Scaler, Source};
use super::uncovered::{overlap, uncovered};
use super::{Canvas, Compositor, CompositorError, Draw, Job, Kind, refuse_undrawable};
use crate::frame::{Depth, Picture, Rect};

/// Jobs that wait for one worker; a job takes a few milliseconds, so a longer queue could only be late.
const QUEUE_JOBS: usize = 64;

/// Drawn tiles a worker remembers, to copy instead of scaling them again; each from this tick or the one before.
const TILES_REMEMBERED: usize = 64;

/// Draws with the CPU. Dropping it finishes what is queued.
pub struct CpuCompositor {
    queues: Vec<Sender<Queued>>,
    ticks: AtomicU64,
    state: Arc<State>,
    threads: Vec<std::thread::JoinHandle<()>>,
}

/// A job and the number of its tick.
struct Queued {
    tick: u64,
    job: Job,
}

struct State {
    /// Worker and number of jobs there, for each affinity that has any: it stays with one worker while it has.
    routes: Mutex<HashMap<u64, (usize, usize)>>,
    /// Jobs at each worker.
    loads: Vec<AtomicUsize>,
    pool: Arc<Pool>,
}

impl CpuCompositor {
    /// A compositor of `workers` threads, at least one.
    pub fn new(workers: usize) -> Result<Self, CompositorError> {
        let workers = workers.max(1);
        let state = Arc::new(State {
            routes: Mutex::default(),
            loads: (0..workers).map(|_| AtomicUsize::new(0)).collect(),
            pool: Arc::default(),
        });
        let mut made = Self { queues: Vec::new(), ticks: AtomicU64::new(0), state, threads: Vec::new() };
        for index in 0..workers {
            let (queue, jobs) = crossbeam_channel::bounded(QUEUE_JOBS);
            let state = Arc::clone(&made.state);
            let thread = std::thread::Builder::new()
                .name(format!("compose-{index}"))
                .spawn(move || {
                    crate::work::lower_priority();
                    work(index, &state, &jobs);
                })
                .map_err(|e| CompositorError::Thread(e.to_string()))?;
            made.queues.push(queue);
            made.threads.push(thread);
        }
        Ok(made)
    }
}

impl Compositor for CpuCompositor {
    fn submit(&self, tick: Vec<Job>) -> Vec<Job> {
        let (jobs, mut refused) = refuse_undrawable(tick);
        let tick = self.ticks.fetch_add(1, Ordering::Relaxed);
        let mut routes = self.state.routes.lock().unwrap_or_else(|e| e.into_inner());
        for job in jobs {
            let affinity = job.affinity;
            let worker = routes.get(&affinity).map_or_else(|| self.state.least_loaded(), |route| route.0);
            match self.queues[worker].try_send(Queued { tick, job }) {
                Ok(()) => {
                    routes.entry(affinity).or_insert((worker, 0)).1 += 1;
                    self.state.loads[worker].fetch_add(1, Ordering::Relaxed);
                }
                Err(TrySendError::Full(queued) | TrySendError::Disconnected(queued)) => refused.push(queued.job),
            }
        }
        refused
    }

    fn kind(&self) -> Kind {
        Kind::Cpu
    }

    fn describe(&self) -> String {
        format!("{} threads, {}", self.threads.len(), Scaler::new().describe())
    }

    fn queued(&self) -> usize {
        self.state.loads.iter().map(|load| load.load(Ordering::Relaxed)).sum()
    }
}

impl Drop for CpuCompositor {
    fn drop(&mut self) {
        self.queues.clear();
        let here = std::thread::current().id();
        // The last handle may be let go of by a delivery, that is, by a worker itself.
        for thread in self.threads.drain(..).filter(|thread| thread.thread().id() != here) {
            if thread.join().is_err() {
                tracing::error!("a compositor thread had panicked");
            }
        }
    }
}

impl State {
    fn least_loaded(&self) -> usize {
        let load = |worker: &usize| self.loads[*worker].load(Ordering::Relaxed);
        (0..self.loads.len()).min_by_key(load).unwrap_or(0)
    }

    fn done(&self, worker: usize, affinity: u64) {
        let mut routes = self.routes.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(route) = routes.get_mut(&affinity) {
            route.1 -= 1;
            if route.1 == 0 {
                routes.remove(&affinity);
            }
        }
        drop(routes);
        self.loads[worker].fetch_sub(1, Ordering::Relaxed);
    }
}

/// Draws one canvas, which [`Job::check`] must allow, here and now: for whoever needs a picture once.
pub fn draw_now(canvas: &Canvas) -> Option<Picture> {
    Painter::new(Arc::default()).paint(canvas, &[]).pop()
}

fn work(index: usize, state: &State, jobs: &Receiver<Queued>) {
    let mut painter = Painter::new(Arc::clone(&state.pool));
    let mut hdr = HdrPainter::new();
    for Queued { tick, job } in jobs {
        let Job { affinity, colour, canvas, smaller, deliver } = job;
        painter.begin(tick);
        // One mosaic's mishap, or its encoder's, must not end the drawing of all others.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let pictures = match colour.is_hdr_canvas() {
                true => hdr.paint(colour, &canvas, &smaller),
                false => painter.paint(&canvas, &smaller),
            };
            if pictures.len() == 1 + smaller.len() {
                deliver(pictures);
            }
        }));
        if outcome.is_err() {
            tracing::error!(affinity, "drawing or delivering a canvas panicked; the job is lost");
            painter = Painter::new(Arc::clone(&state.pool));
        }
        state.done(index, affinity);
    }
}

/// A tile that was drawn: `rect` of `canvas` shows `picture` and nothing over it.
struct Drawn {
    picture: Picture,
    canvas: Picture,
    rect: Rect,
    /// When it was last shown.
    tick: u64,
}

/// What one worker draws with.
pub(super) struct Painter {
    scaler: Scaler,
    pool: Arc<Pool>,
    drawn: VecDeque<Drawn>,
    tick: u64,
    /// Planes of a tile on its way to other colours, of 8 bits or of 10.
    scratch: [Vec<u8>; 3],
    wide_scratch: [Vec<u16>; 3],
}

impl Painter {
    pub(super) fn new(pool: Arc<Pool>) -> Self {
        Self {
            scaler: Scaler::new(),
            pool,
            drawn: VecDeque::new(),
            tick: 0,
            scratch: Default::default(),
            wide_scratch: Default::default(),
        }
    }

    /// Forgets what was not shown in this tick or the one before, so that no picture or canvas is kept for nothing.
    fn begin(&mut self, tick: u64) {
        self.tick = tick;
        self.drawn.retain(|drawn| drawn.tick + 1 >= tick);
    }

    /// Draws a canvas and its smaller renditions.
    fn paint(&mut self, canvas: &Canvas, smaller: &[(u32, u32)]) -> Vec<Picture> {
        let mut planes = self.pool.take(canvas.width, canvas.height);
        let background = colour::canvas_codes(canvas.background);
        for rect in uncovered(canvas.width, canvas.height, canvas.draws.iter().map(|draw| draw.rect)) {
            fill(&mut planes, rect, background);
        }
        for draw in &canvas.draws {
            if !self.copy_drawn(draw, &mut planes) {
                self.draw(draw, &mut planes);
            }
        }
        let Some(finished) = planes.freeze() else { return Vec::new() };
        self.remember(canvas, &finished);
        let mut pictures = vec![finished];
        for &(width, height) in smaller {
            let mut planes = self.pool.take(width, height);
            let rect = Rect { x: 0, y: 0, width, height };
            self.draw(&Draw { picture: pictures[0].clone(), rect }, &mut planes);
            pictures.extend(planes.freeze());
        }
        pictures
    }

    fn draw(&mut self, draw: &Draw, planes: &mut Planes) {
        let conversion = Conversion::from_colour(draw.picture.colour);
        if matches!(*conversion, Conversion::None) {
            for plane in 0..3 {
                self.scaler.scale(plane_of(&draw.picture, plane), &mut planes.part(plane, draw.rect), siting_of(plane));
            }
            return;
        }
        match draw.picture.colour.depth {
            Depth::Eight => convert_scaled(&mut self.scaler, &mut self.scratch, draw, &conversion, planes),
            Depth::Ten => convert_scaled(&mut self.scaler, &mut self.wide_scratch, draw, &conversion, planes),
        }
    }

    /// Copies the tile from a canvas on which it was drawn at the same size: another mosaic's of this tick, or the one before
    /// if the feed's picture is held.
    fn copy_drawn(&self, draw: &Draw, planes: &mut Planes) -> bool {
        let same = |d: &&Drawn| {
            d.picture.same_memory(&draw.picture)
                && d.picture.colour == draw.picture.colour
                && (d.picture.width, d.picture.height) == (draw.picture.width, draw.picture.height)
                && (d.rect.width, d.rect.height) == (draw.rect.width, draw.rect.height)
        };
        let Some(found) = self.drawn.iter().rev().find(same) else { return false };
        for plane in 0..3 {
            let (x, y) = ((found.rect.x >> u32::from(plane > 0)) as usize, found.rect.y >> u32::from(plane > 0));
            let target = planes.part(plane, draw.rect);
            for row in 0..target.height {
                let from = &found.canvas.row(plane, y as usize + row)[x..x + target.width];
                target.data[row * target.stride..][..target.width].copy_from_slice(from);
            }
        }
        true
    }

    fn remember(&mut self, canvas: &Canvas, finished: &Picture) {
        for (i, draw) in canvas.draws.iter().enumerate() {
            if canvas.draws[i + 1..].iter().any(|over| overlap(over.rect, draw.rect)) {
                continue;
            }
            // The newest canvas that shows it, so that no older canvas is kept for its sake.
            self.drawn.retain(|d| {
                !(d.picture.same_memory(&draw.picture)
                    && (d.rect.width, d.rect.height) == (draw.rect.width, draw.rect.height))
            });
            if self.drawn.len() == TILES_REMEMBERED {
                self.drawn.pop_front();
            }
            self.drawn.push_back(Drawn {
                picture: draw.picture.clone(),
                canvas: finished.clone(),
                rect: draw.rect,
                tick: self.tick,
            });
        }
    }
}

/// Scales to the size of the rectangle, then converts.
fn convert_scaled<S: Sample>(
    scaler: &mut Scaler,
    scratch: &mut [Vec<S>; 3],
    draw: &Draw,
    conversion: &Conversion,
    planes: &mut Planes,
) {
    let sizes = [0, 1, 2].map(|p| half_size(draw.rect, p));
    for (plane, (width, height)) in sizes.into_iter().enumerate() {
        scratch[plane].resize(width * height, S::default());
        let mut target = PlaneMut { data: &mut scratch[plane][..], stride: width, width, height };
        scaler.scale(plane_of(&draw.picture, plane), &mut target, siting_of(plane));
    }
    let scaled = [0, 1, 2].map(|p| {
        let (width, height) = sizes[p];
        PlaneRef { data: &scratch[p][..], stride: width, width, height }
    });
    colour::convert(conversion, scaled, planes.parts(draw.rect));
}

pub(super) fn half_size(rect: Rect, plane: usize) -> (usize, usize) {
    let half = u32::from(plane > 0);
    ((rect.width >> half) as usize, (rect.height >> half) as usize)
}

pub(super) fn plane_of(picture: &Picture, plane: usize) -> Source<'_> {
    let (width, height) = picture.plane_size(plane);
    let depth = picture.colour.depth;
    Source { data: picture.plane(plane), stride: picture.strides[plane], width, height, depth }
}

pub(super) fn siting_of(plane: usize) -> Siting {
    if plane == 0 { Siting::Centred } else { Siting::Left }
}

fn fill(planes: &mut Planes, rect: Rect, codes: [u8; 3]) {
    for (plane, code) in codes.into_iter().enumerate() {
        let part = planes.part(plane, rect);
        for row in 0..part.height {
            part.data[row * part.stride..][..part.width].fill(code);
        }
    }
}
