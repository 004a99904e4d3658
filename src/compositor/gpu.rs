//! The compositor on a Vulkan device: a thread that draws ticks and a thread that waits for them.
//!
//! A tick is handed to the drawing thread by a bounded queue; it uploads, submits and goes on to the next. The waiting thread
//! delivers what the device has finished. A device that is lost is opened again; if that does not work, or it is lost
//! time and again, the CPU takes over. Lock order: none is held while another is taken.

mod device;
mod gpu_data;
mod layout;
mod readback;
mod tables;
mod tick;
mod way;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError};

use self::device::Device;
use self::readback::Ring;
use self::tick::{Batch, Engine, Pending};
use super::{Compositor, CompositorError, CpuCompositor, Job, Kind, refuse_undrawable};

/// Ticks that wait to be drawn.
const QUEUE_TICKS: usize = 4;
/// Ticks that are drawn and wait for the device; the drawing thread, not the tick, waits at this bound.
const TICKS_IN_FLIGHT: usize = 3;
/// A submission that takes longer than this counts as a lost device.
const DEVICE_PATIENCE: Duration = Duration::from_secs(10);
/// Devices lost in a row, without a tick delivered between, after which the CPU takes over.
const LOSSES_BORNE: usize = 3;

/// Draws with a GPU, real or in software. Dropping it finishes what is queued.
pub struct GpuCompositor {
    ticks: Option<Sender<Vec<Job>>>,
    state: Arc<State>,
    thread: Option<std::thread::JoinHandle<()>>,
}

struct State {
    adapter: Mutex<String>,
    queued: AtomicUsize,
    read_back: AtomicBool,
    losses: AtomicUsize,
    /// Set when the GPU is given up.
    fallback: OnceLock<CpuCompositor>,
    workers: usize,
    /// How many times more the device is to be lost.
    #[cfg(test)]
    to_lose: AtomicUsize,
}

thread_local! {
    /// Whether this is a thread that delivers.
    static DELIVERING: Cell<bool> = const { Cell::new(false) };
}

/// What the waiting thread gets: a submitted tick, and the device and ring it is on.
struct Submitted {
    batch: Batch,
    /// Jobs of the tick as it was taken.
    taken: usize,
    device: wgpu::Device,
    broken: Arc<AtomicBool>,
    ring: Arc<Ring>,
}

impl GpuCompositor {
    /// Opens the best Vulkan adapter. `workers` threads draw if it is lost for good.
    pub fn new(workers: usize) -> Result<Self, CompositorError> {
        let device = Device::open()?;
        let state = Arc::new(State {
            adapter: Mutex::new(device.adapter.clone()),
            queued: AtomicUsize::new(0),
            read_back: AtomicBool::new(true),
            losses: AtomicUsize::new(0),
            fallback: OnceLock::new(),
            workers,
            #[cfg(test)]
            to_lose: AtomicUsize::new(0),
        });
        let (ticks, queue) = crossbeam_channel::bounded(QUEUE_TICKS);
        let shared = Arc::clone(&state);
        let thread = std::thread::Builder::new()
            .name("compose-gpu".into())
            .spawn(move || {
                crate::work::lower_priority();
                draw_ticks(device, &shared, &queue);
            })
            .map_err(|e| CompositorError::Thread(e.to_string()))?;
        Ok(Self { ticks: Some(ticks), state, thread: Some(thread) })
    }

    /// Name, kind and driver of the adapter.
    pub fn adapter(&self) -> String {
        self.state.adapter.lock().unwrap_or_else(|e| e.into_inner()).clone()
    }

    /// Loses the device, and the next ones opened, `times` times.
    #[cfg(test)]
    pub(super) fn lose_device(&self, times: usize) {
        self.state.to_lose.store(times, Ordering::Release);
    }

    /// Whether canvases are read back. For measuring the shading alone: without, jobs are delivered empty.
    #[doc(hidden)]
    pub fn read_back(&self, on: bool) {
        self.state.read_back.store(on, Ordering::Relaxed);
    }
}

impl Compositor for GpuCompositor {
    fn submit(&self, tick: Vec<Job>) -> Vec<Job> {
        let (jobs, mut refused) = refuse_undrawable(tick);
        let count = jobs.len();
        let Some(ticks) = self.ticks.as_ref().filter(|_| count > 0) else { return refused };
        self.state.queued.fetch_add(count, Ordering::AcqRel);
        if let Err(TrySendError::Full(jobs) | TrySendError::Disconnected(jobs)) = ticks.try_send(jobs) {
            self.state.queued.fetch_sub(count, Ordering::AcqRel);
            refused.extend(jobs);
        }
        refused
    }

    fn kind(&self) -> Kind {
        if self.state.fallback.get().is_some() { Kind::Cpu } else { Kind::Gpu }
    }

    fn describe(&self) -> String {
        match self.state.fallback.get() {
            Some(cpu) => format!("{}, after the GPU was lost", cpu.describe()),
            None => self.adapter(),
        }
    }

    fn queued(&self) -> usize {
        let after_loss = self.state.fallback.get().map_or(0, Compositor::queued);
        self.state.queued.load(Ordering::Acquire) + after_loss
    }
}

impl Drop for GpuCompositor {
    fn drop(&mut self) {
        self.ticks = None;
        // The last handle may be let go of by a delivery; the delivering thread cannot wait for itself.
        if DELIVERING.get() {
            return;
        }
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the compositor's drawing thread had panicked");
        }
    }
}

/// The drawing thread.
fn draw_ticks(device: Device, state: &Arc<State>, queue: &Receiver<Vec<Job>>) {
    let (sender, submitted) = crossbeam_channel::bounded::<Submitted>(TICKS_IN_FLIGHT);
    let shared = Arc::clone(state);
    let waiter = std::thread::Builder::new().name("compose-wait".into()).spawn(move || {
        DELIVERING.set(true);
        submitted.iter().for_each(|submitted| finish(submitted, &shared));
    });
    let Ok(waiter) = waiter.inspect_err(|error| tracing::error!(%error, "no thread to wait for the GPU")) else {
        return give_up(state, queue, Vec::new());
    };
    let mut engine = Engine::new(device);
    for jobs in queue {
        match usable(engine, state) {
            Some(usable) => engine = usable,
            None => {
                give_up(state, queue, jobs);
                break;
            }
        }
        let taken = jobs.len();
        let batch = engine.draw(jobs, state.read_back.load(Ordering::Relaxed));
        let submitted = Submitted {
            batch,
            taken,
            device: engine.device.device.clone(),
            broken: Arc::clone(&engine.device.broken),
            ring: Arc::clone(&engine.ring),
        };
        if sender.send(submitted).is_err() {
            break;
        }
    }
    drop(sender);
    if waiter.join().is_err() {
        tracing::error!("the compositor's waiting thread had panicked");
    }
}

/// The engine, on a new device if the old one is broken; `None` when there is no device to be had.
fn usable(mut engine: Engine, state: &State) -> Option<Engine> {
    loop {
        #[cfg(test)]
        if state.to_lose.fetch_update(Ordering::AcqRel, Ordering::Acquire, |n| n.checked_sub(1)).is_ok() {
            engine.device.device.destroy();
        }
        if !engine.device.is_broken() {
            return Some(engine);
        }
        engine = Engine::new(reopen(state)?);
    }
}

/// Opens the device again, unless that was tried too often in vain.
fn reopen(state: &State) -> Option<Device> {
    if state.losses.fetch_add(1, Ordering::AcqRel) >= LOSSES_BORNE {
        tracing::error!("the GPU was lost {LOSSES_BORNE} times in a row");
        return None;
    }
    match Device::open() {
        Ok(device) => {
            tracing::warn!(adapter = device.adapter, "the GPU was opened again");
            *state.adapter.lock().unwrap_or_else(|e| e.into_inner()) = device.adapter.clone();
            Some(device)
        }
        Err(error) => {
            tracing::error!(%error, "the GPU cannot be opened again");
            None
        }
    }
}

/// From here on the CPU draws: `jobs` and what comes by the queue, so that the order is kept.
fn give_up(state: &Arc<State>, queue: &Receiver<Vec<Job>>, jobs: Vec<Job>) {
    tracing::error!("canvases are drawn by the CPU from now on");
    let cpu = CpuCompositor::new(state.workers).inspect_err(|error| tracing::error!(%error, "nor can the CPU draw"));
    let cpu = cpu.ok().map(|cpu| state.fallback.get_or_init(|| cpu));
    for jobs in std::iter::once(jobs).chain(queue) {
        let count = jobs.len();
        let lost = cpu.map_or(count, |cpu| cpu.submit(jobs).len());
        state.queued.fetch_sub(count, Ordering::AcqRel);
        if lost > 0 {
            tracing::warn!(lost, "canvases dropped");
        }
    }
}

/// Waits until the device has finished a tick and delivers its canvases; those of a lost device are lost, which is logged.
fn finish(submitted: Submitted, state: &State) {
    let Submitted { batch, taken, device, broken, ring } = submitted;
    let Batch { submission, jobs, mapped, buffers } = batch;
    let wait = wgpu::PollType::Wait { submission_index: Some(submission), timeout: Some(DEVICE_PATIENCE) };
    let waited = device.poll(wait);
    let whole = waited.is_ok() && mapped.is_whole(buffers, DEVICE_PATIENCE);
    if !whole || broken.load(Ordering::Acquire) {
        broken.store(true, Ordering::Release);
        tracing::error!(canvases = jobs.len(), error = ?waited.err(), "the GPU did not finish a tick; it is lost");
    } else {
        state.losses.store(0, Ordering::Release);
        jobs.into_iter().for_each(|job| deliver(job, &ring));
    }
    state.queued.fetch_sub(taken, Ordering::AcqRel);
}

fn deliver(job: Pending, ring: &Arc<Ring>) {
    let Pending { affinity, colour, pictures, deliver } = job;
    let expected = pictures.len();
    let pictures: Vec<_> =
        pictures.into_iter().filter_map(|(buffer, layout)| readback::picture(ring, buffer, layout, colour)).collect();
    if pictures.len() < expected {
        tracing::error!(affinity, "a finished canvas cannot be read; it is lost");
    } else if catch_unwind(AssertUnwindSafe(|| deliver(pictures))).is_err() {
        tracing::error!(affinity, "delivering a canvas panicked");
    }
}
