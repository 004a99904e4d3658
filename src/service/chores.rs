//! What is done again and again while the service runs.

use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::task::JoinHandle;

use super::capacity::{CapacityWatch, Room};
use super::timekeeper::Timekeeper;
use crate::breaks::Breaks;
use crate::catalogue::Catalogue;
use crate::events::{CapacityLow, EventKind, Events};
use crate::metrics::Metrics;
use crate::mosaic::MosaicRegistry;
use crate::session::Sessions;
use crate::store::Store;
use crate::timeline::{Clock, Grid};
use crate::track::LayeredShelf;
use crate::usage::Closing;

/// How often sessions, mosaics and meters are looked after.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How often the clock is compared with wall time.
const OBSERVE_EVERY: Duration = Duration::from_secs(1);

/// How often the ledger is asked whether an hour is due.
const CLOSE_EVERY: Duration = Duration::from_secs(10);

/// What is looked after every second.
#[derive(Clone)]
pub struct Sweep {
    pub sessions: Arc<Sessions>,
    pub registry: Arc<MosaicRegistry>,
    pub catalogue: Arc<Catalogue>,
    pub store: Arc<dyn Store>,
    pub shelf: LayeredShelf,
    /// Where stitching is.
    pub breaks: Option<Arc<Breaks>>,
    pub clock: Arc<dyn Clock>,
    pub grid: Grid,
    pub events: Arc<Events>,
    pub metrics: Arc<Metrics>,
    pub max_sessions: u64,
    pub capacity: Arc<Mutex<CapacityWatch>>,
}

impl Sweep {
    pub async fn once(&self) {
        // What sessions plan is put down before they list it.
        if let Some(breaks) = self.breaks.clone() {
            // It indexes what it puts down. One that panics is tried again.
            let _ = tokio::task::spawn_blocking(move || breaks.step()).await;
        }
        self.sessions.sweep().await;
        self.registry.sweep();
        self.catalogue.keep_in_step(&self.sessions.shown_together());
        self.catalogue.give_way();
        self.catalogue.sweep();
        self.catalogue.tell();
        self.look_at_room();
        let running = self.grid.segment_at(self.clock.now());
        self.shelf.memory().forget(running);
        if let Some(disk) = self.shelf.disk() {
            disk.mend();
            disk.forget(running);
        }
        if !self.store.healthy()
            && let Err(e) = self.store.probe().await
        {
            tracing::debug!(error = %e, "the store still cannot be written; seconds wait in memory");
        }
    }
}

impl Sweep {
    /// Tells tenants when there comes to be little room.
    fn look_at_room(&self) {
        let now = self.clock.now();
        let refused = |reason| self.metrics.admission_refused.with_label_values(&[reason]).get();
        let (cores, cores_left) = self.registry.room();
        let room = Room {
            cores,
            cores_left,
            sessions: u64::try_from(self.metrics.sessions.get()).unwrap_or(0),
            max_sessions: self.max_sessions,
            refused: refused("capacity") + refused("sessions"),
        };
        let low = self.capacity.lock().look(now, room);
        if let Some(reason) = low {
            let told = || CapacityLow { reason };
            self.events.tell_all(|_| true, EventKind::CapacityLow, now.unix_millis(), told);
        }
    }

    /// Writes down what advertisement servers are to be told, and what breaks came to.
    pub async fn keep_breaks(&self) {
        if let Some(breaks) = &self.breaks {
            breaks.keep().await;
        }
    }

    /// Tells advertisement servers what was served. They may take their time.
    pub async fn tell(&self) {
        if let Some(breaks) = &self.breaks {
            breaks.tell().await;
        }
    }
}

/// Has `work` done every `period`, beginning now: never twice at once, and what was missed is not made up for.
fn again<W: Future<Output = ()> + Send + 'static>(
    period: Duration,
    mut work: impl FnMut() -> W + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut due = tokio::time::interval(period);
        due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            due.tick().await;
            work().await;
        }
    })
}

/// What is done again and again. The clock has a task of its own: a store that takes its time must not keep it from being
/// compared.
pub fn start_chores(sweep: Sweep, timekeeper: &Arc<Timekeeper>, closing: &Arc<Closing>) -> Vec<JoinHandle<()>> {
    let sweep = Arc::new(sweep);
    let (kept, told) = (sweep.clone(), sweep.clone());
    let (keeper, observer, closer) = (timekeeper.clone(), timekeeper.clone(), timekeeper.clone());
    let closing = closing.clone();
    vec![
        again(SWEEP_EVERY, move || {
            let (sweep, keeper) = (sweep.clone(), keeper.clone());
            async move {
                sweep.once().await;
                keeper.keep(false).await;
            }
        }),
        again(SWEEP_EVERY, move || {
            let sweep = kept.clone();
            async move { sweep.keep_breaks().await }
        }),
        again(SWEEP_EVERY, move || {
            let sweep = told.clone();
            async move { sweep.tell().await }
        }),
        again(OBSERVE_EVERY, move || {
            observer.observe();
            std::future::ready(())
        }),
        again(CLOSE_EVERY, move || {
            let (keeper, closing) = (closer.clone(), closing.clone());
            async move { keeper.close_hours(&closing).await }
        }),
    ]
}
