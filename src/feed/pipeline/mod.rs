//! One run of one source through GStreamer: demux, decode, convert, hand over.
//!
//! The two appsinks never queue: their callbacks push into the intake from GStreamer's own streaming threads and wait
//! there, so that back-pressure reaches the demuxer and nothing is decoded farther ahead than the intake allows.
//!
//! Probes that take something out of the stream say that they have handled it: they own what they are shown, and of what they say is to be dropped
//! GStreamer 1.22 lets go once more, which by then is nothing.
//!
//! A run has a thread of its own, the only one that makes, starts and tears down. The supervisor watches from outside and
//! waits for nothing but messages ([`letting_go`] says why).

mod admitted;
mod beside;
mod branch;
mod by_http;
mod clean_point;
mod cue_tap;
mod doors;
mod entry;
mod hold;
mod letting_go;
mod parts;
mod picture_size;
mod programme;
mod reports;
mod seating;
mod share;
mod shift;
mod stage;
pub(super) mod tables;
mod teletext;
#[cfg(test)]
mod tests;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};
use gstreamer as gst;
use gstreamer::prelude::*;
use parking_lot::Mutex;

use super::delivery::Delivery;
use super::error::SourceError;
use super::facts::Facts;
use super::outlet::Outlet;
use super::room::Decoding;
use super::source::Source;
use super::trouble;
use super::wanted::Wanted;
use crate::timeline::{Clock, Grid};
use crate::work::lower_priority;
#[cfg(test)]
pub(super) use branch::offer_memory;
pub(super) use cue_tap::{Aside, Stamped};
pub(super) use doors::{Doors, Fed, Takes};
use letting_go::Loose;
pub use letting_go::{Abandoned, abandoned};
use stage::{Order, Setting, Stage};
pub(super) use teletext::Page;

/// How often a run gives way to the watchdog. What fails is told at once; each look wakes a thread.
const POLL: Duration = Duration::from_millis(100);
/// How often the run's thread looks after what no event tells.
const LOOK_AFTER: Duration = Duration::from_millis(250);

/// What runs are made with.
pub(super) struct Surroundings<'a> {
    pub grid: &'a Grid,
    pub clock: &'a Arc<dyn Clock>,
    pub intake: Arc<dyn Outlet>,
    /// The intake's number of this run.
    pub run: u64,
    pub facts: &'a Arc<Mutex<Facts>>,
    pub decoding: &'a Decoding,
}

/// What a run is fed by.
pub(super) enum Entry {
    /// With the sockets that it listens at, where they were opened elsewhere.
    Source(Source, Vec<OwnedFd>),
    /// Rust code that fetches by itself. It is called once the pipeline runs and is to return at once; a thread of its own
    /// pushes, and leaves when it finds the run over.
    Fed(Box<dyn FnOnce(Doors) + Send>),
}

/// A source that runs.
pub(super) struct Run {
    stage: Arc<Stage>,
    failures: Receiver<SourceError>,
    /// Why nothing comes, where an element knows.
    warned: Arc<Mutex<Option<SourceError>>>,
    thread: Loose,
}

impl Run {
    /// Begins to run `source`, on a thread of its own.
    ///
    /// # Errors
    /// No thread can be had, or too many pipelines hang.
    pub fn start(entry: Entry, wanted: Wanted, around: &Surroundings) -> Result<Self, SourceError> {
        let mut entry = entry;
        let (looped, live, sockets) = match &mut entry {
            Entry::Source(source, sockets) => (source.is_looped(), source.is_pushed(), std::mem::take(sockets)),
            Entry::Fed(_) => (false, false, Vec::new()),
        };
        let (sender, failures) = unbounded();
        // Above 30 fps both fields of an interlaced picture become pictures: 50i is shown as 50p.
        let fields = if around.grid.fps().num() / around.grid.fps().den() > 31 { "all" } else { "top" };
        let stage = Stage::new(Setting {
            wanted,
            looped,
            live,
            fields,
            sockets,
            facts: Arc::clone(around.facts),
            intake: Arc::clone(&around.intake),
            run: around.run,
            delivery: Arc::new(Delivery::new(Arc::clone(&around.intake), around.run, Arc::clone(around.clock))),
            failures: sender,
            clock: Arc::clone(around.clock),
            decoding: around.decoding.clone(),
        });
        let own = Arc::clone(&stage);
        let warned = Arc::default();
        let told = Arc::clone(&warned);
        let thread = Loose::start("feed-run", move || work(&own, entry, &told))?;
        Ok(Self { stage, failures, warned, thread })
    }

    /// Watches until the source fails or ends, or until `check` (called every 100 ms or so) says why to give up.
    pub fn watch(&self, check: &mut dyn FnMut() -> Option<SourceError>) -> SourceError {
        loop {
            match self.failures.recv_timeout(POLL) {
                Ok(error) => return error,
                Err(RecvTimeoutError::Timeout) => {}
                // Its stage lives here, and with it a sender.
                Err(RecvTimeoutError::Disconnected) => return SourceError::Ended,
            }
            if let Some(reason) = check() {
                let known = self.warned.lock().take().filter(|_| matches!(reason, SourceError::Stalled { .. }));
                return known.unwrap_or(reason);
            }
        }
    }

    /// Why nothing comes, where an element knows.
    pub fn warned(&self) -> Option<SourceError> {
        self.warned.lock().clone()
    }

    /// Tears the run down, in bounded time. The intake must have ended it: what waits there for room is freed by that.
    pub fn let_go(self, feed: &str) {
        self.stage.leave();
        let hangs = !self.thread.finish();
        if hangs {
            let abandoned = abandoned();
            tracing::error!(
                feed,
                total = abandoned.total,
                hanging = abandoned.hanging,
                "a pipeline hangs and is abandoned"
            );
        }
    }
}

/// The run's thread.
fn work(stage: &Arc<Stage>, entry: Entry, warned: &Arc<Mutex<Option<SourceError>>>) {
    listen(stage, warned);
    let source = match begin(stage, entry) {
        Ok(source) => source,
        Err(error) => {
            stage.fail(error);
            None
        }
    };
    loop {
        match (stage.order_within(LOOK_AFTER), &source) {
            (Some(Order::Leave), _) => break,
            (Some(Order::Lap), Some(source)) => {
                stage.close();
                stage.begin_lap();
                if let Err(error) = stage.open(source) {
                    stage.fail(error);
                }
            }
            _ => stage.look_after(),
        }
    }
    // An element that refuses to go to Null has said why on the bus, which nobody reads any more.
    let _ = stage.pipeline.set_state(gst::State::Null);
    for burial in stage.take_burials() {
        burial.finish();
    }
}

/// Starts the pipeline; returns the source that may have to be opened again.
fn begin(stage: &Arc<Stage>, entry: Entry) -> Result<Option<Source>, SourceError> {
    let (source, feeder) = match entry {
        Entry::Source(source, _) => (Some(source), None),
        Entry::Fed(feeder) => (None, Some(feeder)),
    };
    if let Some(source) = &source {
        stage.open(source)?;
    }
    // The error that explains a failed start was posted before the state change returned.
    let started = stage.pipeline.set_state(gst::State::Playing);
    started.map_err(|_| SourceError::Pipeline("the pipeline does not start".into()))?;
    if let Some(feeder) = feeder {
        feeder(Doors::new(Arc::clone(stage)));
    }
    Ok(source)
}

/// Errors are taken where they are posted; nothing is left on the bus. A warning may be all that an element says of why nothing
/// comes: it is kept for when nothing has come for too long.
fn listen(stage: &Arc<Stage>, warned: &Arc<Mutex<Option<SourceError>>>) {
    let Some(bus) = stage.pipeline.bus() else { return };
    let (stage, warned) = (Arc::downgrade(stage), Arc::clone(warned));
    bus.set_sync_handler(move |_, message| {
        match (stage.upgrade(), message.view()) {
            (Some(stage), gst::MessageView::Error(error)) => stage.broke(error.src(), trouble::of_error(error)),
            (Some(_), gst::MessageView::Warning(warning)) => {
                let mut warned = warned.lock();
                *warned = trouble::after_warning(warning, warned.take());
            }
            // Posted by the thread itself: what decodes stands back behind what answers requests.
            (_, gst::MessageView::StreamStatus(status)) if status.type_() == gst::StreamStatusType::Enter => {
                lower_priority();
            }
            _ => {}
        }
        gst::BusSyncReply::Drop
    });
}
