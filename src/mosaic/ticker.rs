//! The tick: once per output frame, takes every game's picture, hands all canvases due to the compositor in one go.
//!
//! The thread never waits for anything but the clock: compositor, encoders and feeds have bounded queues of their own, and no
//! lock that it takes is held while anybody starts a thread, opens an encoder or reads a file.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::engine::Tick;
use super::registry::MosaicRegistry;
use super::spec::GameKey;
use crate::compositor::Compositor;
use crate::frame::Picture;
use crate::metrics::Metrics;
use crate::timeline::{Clock, FrameNumber, Grid};

/// How long the thread waits for the clock before it looks whether it should stop.
const PATIENCE: Duration = Duration::from_millis(50);

/// Frames the tick may fall behind before it gives up on them and goes on with the present: catching up on more would hold
/// everything up for longer than the hole does.
const CATCH_UP_FRAMES: u64 = 60;

/// Every game's picture for one frame.
#[derive(Default)]
pub struct GamePictures {
    pub running: HashMap<GameKey, Picture>,
    /// Slates of games that were removed.
    pub removed: HashMap<GameKey, Picture>,
    /// Of those that run, what stands for one whose pictures cannot be shown.
    pub cards: HashMap<GameKey, Picture>,
}

/// The games, as the tick sees them.
pub trait Games: Send + Sync {
    /// Every game's picture for `frame`; a running game's sound up to the next one goes where it is encoded. Called with
    /// ascending frames. It does not wait.
    fn tick(&self, frame: FrameNumber) -> GamePictures;
}

/// What the tick works with.
pub struct TickerSettings {
    pub grid: Grid,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub games: Arc<dyn Games>,
    pub registry: Arc<MosaicRegistry>,
    pub compositor: Arc<dyn Compositor>,
}

/// Ends the process when its thread panics. Without the tick nobody is shown anything any more, and a process that lives is not started anew.
struct Vital;

impl Drop for Vital {
    fn drop(&mut self) {
        if thread::panicking() {
            tracing::error!("the tick's thread panicked, and nothing can be shown without it: the process ends");
            std::process::abort();
        }
    }
}

/// The tick's thread. Stops when dropped.
pub struct Ticker {
    stop: Arc<AtomicBool>,
    next: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts ticking with `first`.
    pub fn start(settings: TickerSettings, first: FrameNumber) -> std::io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let next = Arc::new(AtomicU64::new(first));
        let (stopping, position) = (stop.clone(), next.clone());
        let work = move || {
            let _vital = Vital;
            run(&settings, first, &stopping, &position);
        };
        let thread = thread::Builder::new().name("tick".into()).spawn(work)?;
        Ok(Self { stop, next, thread: Some(thread) })
    }

    /// The next frame that will tick; every earlier one has been handed to the compositor.
    pub fn position(&self) -> FrameNumber {
        self.next.load(Ordering::Acquire)
    }

    /// [`Ticker::position`], for those who outlive a borrow.
    pub fn watch(&self) -> Arc<AtomicU64> {
        self.next.clone()
    }

    pub fn stop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            // Had it panicked, nobody would be here.
            let _ = thread.join();
        }
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop();
    }
}

fn run(settings: &TickerSettings, first: FrameNumber, stop: &AtomicBool, position: &AtomicU64) {
    let TickerSettings { grid, clock, .. } = settings;
    let mut frame = first;
    while !stop.load(Ordering::Acquire) {
        if !clock.wait_until(grid.frame_time(frame), PATIENCE) {
            continue;
        }
        let due = grid.frame_at(clock.now());
        if due > frame + CATCH_UP_FRAMES {
            let lost = due - frame;
            tracing::warn!(lost, "the tick was held up; frames are lost");
            settings.metrics.frames.with_label_values(&["dropped"]).inc_by(lost);
            settings.registry.late();
            frame = due;
        }
        one(settings, frame, due);
        frame += 1;
        position.store(frame, Ordering::Release);
    }
}

fn one(settings: &TickerSettings, frame: FrameNumber, due: FrameNumber) {
    if due > frame + 1 {
        settings.metrics.frames.with_label_values(&["late"]).inc();
        // One late tick is noise (a page fault, a neighbour); a tick three frames behind is a machine at its end.
        if due > frame + 3 {
            settings.registry.late();
        }
    }
    let GamePictures { running, removed, cards } = settings.games.tick(frame);
    let jobs = settings.registry.jobs(&Tick { frame, pictures: running, removed, cards });
    if jobs.is_empty() {
        return;
    }
    let dropped = settings.compositor.submit(jobs).len();
    if dropped > 0 {
        settings.metrics.frames.with_label_values(&["dropped"]).inc_by(dropped as u64);
        settings.registry.late();
    }
}
