//! Letting go of pipelines. GStreamer may block in a state change for ever (a source that holds a lock while it posts its
//! error, a socket that does not close), so nobody whom others wait for ever waits for one.
//!
//! Every pipeline lives on a thread of its own, which builds it, starts it and tears it down. A supervisor gives that thread a
//! few seconds to finish; then the thread is abandoned with its pipeline, counted and logged, and a fresh one is begun. One that
//! comes back after all is no longer counted as hanging.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use gstreamer as gst;
use gstreamer::prelude::*;

use super::SourceError;

/// So many hanging pipelines are put up with in the whole process: each holds threads, sockets and memory. Past that no
/// further one is started until one comes back, and the feeds that want one show their slates.
const MOST_HANGING: u64 = 32;
/// A pipeline that is told to leave is given so long.
const PATIENCE: Duration = Duration::from_secs(3);

static HANGING: AtomicU64 = AtomicU64::new(0);
static ABANDONED: AtomicU64 = AtomicU64::new(0);

/// What did not let itself be torn down in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Abandoned {
    /// Since the process started.
    pub total: u64,
    /// Those of them that still hang.
    pub hanging: u64,
}

/// How many pipelines (and decoders that were replaced) hung in their tear-down.
pub fn abandoned() -> Abandoned {
    Abandoned { total: ABANDONED.load(Ordering::Relaxed), hanging: HANGING.load(Ordering::Relaxed) }
}

const AT_WORK: u8 = 0;
const GIVEN_UP: u8 = 1;
const GONE: u8 = 2;

/// A thread that may block for ever.
pub(super) struct Loose {
    state: Arc<AtomicU8>,
    finished: Receiver<()>,
}

/// Held by the thread; dropped when it ends, however it ends.
struct Ending {
    state: Arc<AtomicU8>,
    finished: Sender<()>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        if self.state.swap(GONE, Ordering::AcqRel) == GIVEN_UP {
            HANGING.fetch_sub(1, Ordering::Relaxed);
        }
        // Nobody may be waiting any more.
        let _ = self.finished.try_send(());
    }
}

impl Loose {
    /// Runs `work` on a thread that nobody has to wait for.
    pub fn start(name: &str, work: impl FnOnce() + Send + 'static) -> Result<Self, SourceError> {
        let hanging = HANGING.load(Ordering::Relaxed);
        if hanging >= MOST_HANGING {
            return Err(SourceError::Pipeline(format!("{hanging} pipelines hang: no other is started until one ends")));
        }
        let state = Arc::new(AtomicU8::new(AT_WORK));
        let (sender, finished) = bounded(1);
        let ending = Ending { state: Arc::clone(&state), finished: sender };
        let spawned = std::thread::Builder::new().name(name.chars().take(15).collect()).spawn(move || {
            let _ending = ending;
            work();
        });
        spawned.map_err(|error| SourceError::Pipeline(format!("no thread: {error}")))?;
        Ok(Self { state, finished })
    }

    pub fn has_ended(&self) -> bool {
        self.state.load(Ordering::Acquire) == GONE
    }

    /// Waits for the thread, a few seconds at most; true when it has ended. Else it is abandoned.
    pub fn finish(self) -> bool {
        self.finish_within(PATIENCE)
    }

    fn finish_within(self, patience: Duration) -> bool {
        if self.finished.recv_timeout(patience).is_ok() {
            return true;
        }
        // Counted before the state tells the thread to take itself off again.
        HANGING.fetch_add(1, Ordering::Relaxed);
        let given_up = self.state.compare_exchange(AT_WORK, GIVEN_UP, Ordering::AcqRel, Ordering::Acquire).is_ok();
        if given_up {
            ABANDONED.fetch_add(1, Ordering::Relaxed);
        } else {
            HANGING.fetch_sub(1, Ordering::Relaxed);
        }
        !given_up
    }
}

/// Sets elements that were taken out of their pipeline to Null, upstream first, without waiting for it.
pub(super) fn bury(elements: Vec<gst::Element>) -> Option<Loose> {
    let work = move || {
        for element in elements {
            // Why an element does not go to Null it says on its bus, which it has no more.
            let _ = element.set_state(gst::State::Null);
        }
    };
    match Loose::start("feed-burial", work) {
        Ok(loose) => Some(loose),
        Err(error) => {
            tracing::warn!(%error, "a part of a pipeline stays as it is");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_abandoned_and_counted_until_it_comes_back() {
        let before = abandoned();
        let (release, held) = bounded::<()>(0);
        let (tell, told) = bounded::<()>(1);
        let hangs = Loose::start("hangs", move || {
            let _ = held.recv();
            let _ = tell.send(());
        });
        assert!(!hangs.unwrap().finish_within(Duration::from_millis(1)));
        assert_eq!(abandoned(), Abandoned { total: before.total + 1, hanging: before.hanging + 1 });
        drop(release);
        told.recv().unwrap();
        while abandoned().hanging > before.hanging {
            std::thread::yield_now();
        }
        assert!(Loose::start("ends", || ()).unwrap().finish());
        assert_eq!(abandoned().total, before.total + 1);
    }
}
