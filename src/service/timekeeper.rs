//! The service's clock, looked after: what it does is told, what time has come to is noted for the next process, and hours
//! are closed only on its word when that is worth something.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::Mutex;

use crate::metrics::Metrics;
use crate::store::{ClockRow, Store, StoreError};
use crate::timeline::{Clock, MEDIA_EPOCH_UNIX_S, MediaTime, Observed};
use crate::usage::{ClockDoubt, Closing};

/// What time has come to is noted this often: so much a killed process may have been ahead of what the next one knows.
const NOTE_EVERY_MS: i64 = 5_000;

/// See the module.
pub struct Timekeeper {
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    metrics: Arc<Metrics>,
    doubt: ClockDoubt,
    era: u64,
    /// The last instant that the clock was beyond doubt at.
    sure_ms: AtomicI64,
    noted_ms: AtomicI64,
    holds: AtomicBool,
    note: Mutex<String>,
}

impl Timekeeper {
    /// Begins with what the process before noted. Nothing may be timed or named before this: where time has gone back a
    /// little, the clock begins where it was; where it has gone back far, a new era begins.
    ///
    /// # Errors
    /// Those of the store: without a new era on the disk, names that mean something already would be given again.
    pub async fn start(
        clock: Arc<dyn Clock>,
        store: Arc<dyn Store>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, StoreError> {
        let known = store.clock().await?;
        if clock.begin_at(media_time(known.known_ms)) {
            tracing::warn!(
                known = %media_time(known.known_ms),
                "wall time is behind what it was: the clock goes on from there and comes back slowly"
            );
        }
        let now_ms = clock.now().unix_millis();
        let went_back = now_ms < known.known_ms;
        let era = known.era + u64::from(went_back);
        let sure_ms = known.sure_ms.min(now_ms);
        if went_back {
            tracing::error!(
                known = %media_time(known.known_ms),
                now = %clock.now(),
                era,
                "TIME HAS GONE BACK since the last run: sessions go on behind a discontinuity, and their minutes are billed \
                 once. Set the machine's clock right if it is wrong now"
            );
            store.keep_clock(ClockRow { known_ms: now_ms, sure_ms, era }).await?;
        }
        let doubt = ClockDoubt::new((known.sure_ms > 0).then_some(known.sure_ms), now_ms);
        Ok(Self {
            clock,
            store,
            metrics,
            doubt,
            era,
            sure_ms: AtomicI64::new(sure_ms),
            noted_ms: AtomicI64::new(i64::MIN),
            holds: AtomicBool::new(false),
            note: Mutex::new("ok".to_owned()),
        })
    }

    /// How often time has gone back.
    pub const fn era(&self) -> u64 {
        self.era
    }

    /// For `/readyz`: `ok`, or how wrong the clock is.
    pub fn note(&self) -> String {
        self.note.lock().clone()
    }

    /// Why no hour of the ledger is closed yet, where that is the clock's doing.
    pub fn hours_wait(&self) -> Option<String> {
        let left = self.doubt.left(self.clock.steady_for())?;
        let minutes = left.as_secs().div_ceil(60);
        Some(format!("hours are closed once the clock has run steadily for {minutes} min more"))
    }

    /// Has the clock compare itself with wall time, and tells what it found. Call about once a second.
    pub fn observe(&self) {
        let observed = self.clock.observe();
        let Observed { error_ns, stepped_ns, slept, holds } = observed;
        let error_s = seconds(error_ns);
        self.metrics.clock_error_seconds.set(error_s);
        if let Some(stepped_ns) = stepped_ns {
            self.metrics.clock_doubts.with_label_values(&["step"]).inc();
            tracing::warn!(by_s = seconds(stepped_ns), error_s, "wall time was set; ours does not jump");
        }
        if let Some(slept) = slept {
            self.metrics.clock_doubts.with_label_values(&["sleep"]).inc();
            tracing::warn!(slept_s = slept.as_secs_f64(), "the machine slept; playlists go on at the present");
        }
        let held = self.holds.swap(holds, Ordering::Relaxed);
        if holds && !held {
            tracing::error!(
                error_s,
                "WALL TIME IS TOO FAR AWAY TO BE FOLLOWED: the service keeps its own, and closes no hour of the ledger. Set the \
                 machine's clock right, or restart the service to take wall time up"
            );
        } else if held && !holds {
            tracing::info!(error_s, "wall time is near again and followed");
        }
        *self.note.lock() = if holds {
            format!("wall time differs by {error_s:.1} s and is not followed; no hour of the ledger is closed")
        } else {
            "ok".to_owned()
        };
    }

    /// Notes what time has come to, now and then or (`at_once`) in any case. A store that fails is found out by others.
    pub async fn keep(&self, at_once: bool) {
        let now_ms = self.clock.now().unix_millis();
        let since_ms = now_ms.saturating_sub(self.noted_ms.load(Ordering::Relaxed));
        if since_ms < NOTE_EVERY_MS && !at_once {
            return;
        }
        if self.doubt.is_over(self.clock.steady_for()) {
            self.sure_ms.store(now_ms, Ordering::Relaxed);
        }
        let row = ClockRow { known_ms: now_ms, sure_ms: self.sure_ms.load(Ordering::Relaxed), era: self.era };
        if self.store.keep_clock(row).await.is_ok() {
            self.noted_ms.store(now_ms, Ordering::Relaxed);
        }
    }

    /// Closes the hours of the ledger that are due, unless the clock is in doubt. An hour that could not be closed is closed
    /// with the next run.
    pub async fn close_hours(&self, closing: &Closing) {
        if !self.doubt.is_over(self.clock.steady_for()) {
            return;
        }
        match closing.run(self.clock.now().unix_millis()).await {
            Ok(0) => {}
            Ok(sealed) => tracing::info!(sealed, "hours of the ledger closed"),
            Err(error) => tracing::warn!(%error, "hours of the ledger stay open"),
        }
    }
}

fn seconds(ns: i64) -> f64 {
    ns as f64 / 1e9
}

fn media_time(unix_ms: i64) -> MediaTime {
    let media_ms = unix_ms.saturating_sub_unsigned(MEDIA_EPOCH_UNIX_S * 1000);
    MediaTime::from_millis(u64::try_from(media_ms).unwrap_or(0))
}

#[cfg(test)]
#[path = "timekeeper_tests.rs"]
mod tests;
