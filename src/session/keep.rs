//! What happens to sessions by themselves: they go idle, their seconds are booked, their mosaics are kept alive.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::model::{Receipt, Wanted, choice_name};
use super::registry::{Entry, Sessions};
use super::state::{EndReason, Trigger};
use crate::mosaic::{AdmitError, EngineChoice};
use crate::store::{RefusedWrite, SessionWrite, StoreError};

/// Seconds are written this often, of all sessions in the same sweep: rows that lie side by side in the database are then written
/// with one page. With sweeps a second apart, none waits for five seconds: that is what a crash may cost.
const BOOK_EVERY_MS: i64 = 3_500;

/// Segments before the one that runs of which something may still be made: what encoders hold back, and what is late.
const UNFINISHED_SEGMENTS: u64 = 2;

/// A sweep that comes later than this found the service standing still (the machine slept, the process was stopped, the disk
/// took its time): what is beyond it is nobody's idleness, since nobody could ask.
const LONGEST_SWEEP_MS: i64 = 2_000;

/// Sessions in one write: bounds how long a creation waits behind a sweep's booking. The flush that ends it takes a disk about as
/// long as the processor takes for these.
const BOOK_BATCH: usize = 500;

/// Old idempotency keys are forgotten this often.
const FORGET_EVERY_MS: i64 = 3_600_000;

/// Ended sessions that are forgotten at once: bounds how long a creation waits behind them.
const FORGET_BATCH: u32 = 500;

/// What is old enough to go is not forgotten on the word of a clock that was in doubt a moment ago.
const FORGET_STEADY: Duration = Duration::from_secs(3600);

/// An idempotency key is kept this long, a little more than is promised.
const FORGET_AFTER_MS: i64 = 25 * 3_600_000;

type Due = (Arc<Entry>, SessionWrite, Receipt);

/// A mosaic, and the sessions that want it.
type Wanting = (Wanted, Vec<Arc<Entry>>);

impl Sessions {
    /// Called every second: ends idle sessions, books the meter, keeps wanted mosaics alive. Whatever the store refuses
    /// stays in the sessions and is tried again.
    pub async fn sweep(&self) {
        let entries = self.entries();
        self.end_idle(&entries);
        self.direct_all(&entries);
        self.keep_wanted();
        self.note_slates(&entries);
        self.book(&entries, false).await;
        self.count_unbooked(&entries);
        self.forget_ended(&entries);
        self.forget_old().await;
        if !self.store.healthy() {
            // Found healthy again even when nothing else writes. Failing is no news: the store has logged it.
            let _ = self.store.probe().await;
        }
        self.count();
    }

    /// Books everything and ends nothing: sessions go on after a restart.
    pub async fn shutdown(&self) {
        let entries = self.entries();
        for entry in &entries {
            let mut session = entry.session.lock();
            session.advance_meter(self.now_ms(), self.terms());
            // Every state takes it: nothing ends because the process does.
            let _ = session.step(Trigger::Shutdown);
        }
        self.book(&entries, true).await;
    }

    fn note_slates(&self, entries: &[Arc<Entry>]) {
        let (now_ms, live) = (self.now_ms(), Arc::new(self.games.live()));
        *self.live.write() = live.clone();
        for entry in entries {
            entry.session.lock().note_slate(now_ms, &live);
        }
    }

    /// What an alarm watches: it stays within a few seconds a session while the store takes bookings.
    fn count_unbooked(&self, entries: &[Arc<Entry>]) {
        let waiting: u64 = entries.iter().map(|entry| entry.session.lock().unbooked_seconds()).sum();
        self.metrics.unbooked_seconds.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    fn end_idle(&self, entries: &[Arc<Entry>]) {
        let now_ms = self.now_ms();
        let swept_ms = self.swept_ms.swap(now_ms, Ordering::Relaxed);
        let since_ms = swept_ms.max(now_ms - LONGEST_SWEEP_MS);
        if since_ms > swept_ms {
            self.up_since_ms.store(now_ms, Ordering::Relaxed);
        }
        let idle_ms = self.idle_ms();
        // Nobody pauses an output.
        let output_idle_ms = i64::try_from(self.settings.idle.as_millis()).unwrap_or(i64::MAX);
        for entry in entries {
            let idle_ms = if entry.place.is_output { output_idle_ms } else { idle_ms };
            let is_idle = entry.session.lock().is_idle(since_ms, now_ms, idle_ms);
            if is_idle && self.end_entry(entry, EndReason::Idle).is_ok() {
                tracing::debug!(session = %entry.id, "a session went idle");
            }
        }
    }

    /// For how long the service has run by `now_ms` without standing still, in milliseconds.
    pub(super) fn up_ms(&self, now_ms: i64) -> i64 {
        // A poll may come before the sweep that finds out.
        let is_late = now_ms - self.swept_ms.load(Ordering::Relaxed) > LONGEST_SWEEP_MS;
        if is_late { 0 } else { now_ms - self.up_since_ms.load(Ordering::Relaxed) }
    }

    /// Wants every mosaic that has a segment to make yet for an active session, each once.
    pub(super) fn keep_wanted(&self) {
        let now_ms = self.now_ms();
        let running = self.segment_at(now_ms);
        let listed = self.reach();
        // By mosaic and what was asked for: in another set-up, those who asked for an engine and those who did not may part.
        let mut wanted: BTreeMap<(Arc<str>, &str), Wanting> = BTreeMap::new();
        for entry in self.entries() {
            let mut session = entry.session.lock();
            if !session.state.is_active() {
                continue;
            }
            session.forget_before(running.saturating_sub(listed));
            for want in session.wanted(running.saturating_sub(UNFINISHED_SEGMENTS)) {
                let key = (want.mosaic.clone(), choice_name(want.engine));
                let (_, who) = wanted.entry(key).or_insert_with(|| (want.clone(), Vec::new()));
                who.push(entry.clone());
            }
        }
        for ((mosaic, _), (want, who)) in wanted {
            // An engine that a session asked for may be gone since (stitching was switched off): better another than none.
            let tenant = who.first().map_or("", |entry| &entry.tenant);
            let placed =
                self.mosaics.want_for(tenant, None, &want.spec, want.engine).or_else(|refusal| match refusal {
                    AdmitError::EngineUnsuited { .. } => {
                        self.mosaics.want_for(tenant, None, &want.spec, EngineChoice::Auto)
                    }
                    other => Err(other),
                });
            match placed {
                Ok(placement) if placement.id.0 != mosaic => {
                    for entry in who {
                        let time_ms = |n| self.grid.segment_time(n).unix_millis();
                        entry.session.lock().rename(&mosaic, &placement, running, time_ms);
                    }
                }
                Ok(_) => {}
                // After a restart on a busier machine, say. Asked again next second; the registry has told the first refusal.
                Err(refusal) => tracing::debug!(%mosaic, %refusal, sessions = who.len(), "a mosaic in use is refused"),
            }
        }
    }

    /// Writes what the store should know: what is unsaved at once, what was metered every [`BOOK_EVERY_MS`], `all` now. While
    /// the disk takes one batch, the next is made.
    async fn book(&self, entries: &[Arc<Entry>], all: bool) {
        let now_ms = self.now_ms();
        let since_ms = now_ms - self.booked_ms.load(Ordering::Relaxed);
        let metered = all || !(0..BOOK_EVERY_MS).contains(&since_ms);
        if metered {
            self.booked_ms.store(now_ms, Ordering::Relaxed);
        }
        let mut entries: Vec<_> = entries.iter().collect();
        entries.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        let mut entries = entries.into_iter();
        let mut due = self.due(&mut entries, metered, all);
        while !due.is_empty() {
            let (written, next) = tokio::join!(biased; self.write(due), async { self.due(&mut entries, metered, all) });
            if let Err(StoreError::Unwritable(_) | StoreError::Damaged(_) | StoreError::Closed | StoreError::Busy) =
                written
            {
                // The rest would fare no better; it is tried again with the next sweep.
                self.booked_ms.store(i64::MIN / 2, Ordering::Relaxed);
                return;
            }
            due = next;
        }
    }

    /// Snapshots of the next `entries` that are unsaved, or (`metered`) have something to book, at most [`BOOK_BATCH`]. What the
    /// store refused lately waits, unless it is `all` that is written.
    fn due<'a>(&self, entries: &mut impl Iterator<Item = &'a Arc<Entry>>, metered: bool, all: bool) -> Vec<Due> {
        let (now_ms, terms) = (self.now_ms(), self.terms());
        let mut due = Vec::new();
        for entry in entries {
            let mut session = entry.session.lock();
            session.advance_meter(now_ms, terms);
            let is_due = session.is_unsaved() || metered && session.has_news();
            if !is_due || session.is_put_off(now_ms) && !all {
                continue;
            }
            match session.snapshot() {
                Ok((write, receipt)) => due.push((entry.clone(), write, receipt)),
                Err(error) => tracing::error!(session = %entry.id, %error, "a session cannot be written down"),
            }
            if due.len() == BOOK_BATCH {
                break;
            }
        }
        due
    }

    /// Writes one session now.
    pub(super) async fn persist(&self, entry: &Arc<Entry>) -> Result<(), StoreError> {
        let (write, receipt) = entry.session.lock().snapshot()?;
        self.write(vec![(entry.clone(), write, receipt)]).await
    }

    async fn write(&self, due: Vec<Due>) -> Result<(), StoreError> {
        let (written, writes): (Vec<_>, Vec<_>) =
            due.into_iter().map(|(entry, write, receipt)| ((entry, receipt), write)).unzip();
        let outcome = self.store.write_sessions(writes).await;
        let refused: &[RefusedWrite] = match &outcome {
            Ok(()) => &[],
            Err(StoreError::Refused(refused)) => refused,
            Err(_) => {
                self.metrics.booking_failures.inc_by(written.len() as u64);
                return outcome;
            }
        };
        if let Some(first) = refused.first() {
            let RefusedWrite { session_id, error } = first;
            tracing::error!(session = session_id, %error, sessions = refused.len(), "rows that the store refuses wait");
        }
        let is_refused: HashSet<&str> = refused.iter().map(|write| &*write.session_id).collect();
        for (entry, receipt) in written {
            if is_refused.contains(&*entry.id) {
                self.metrics.booking_failures.inc();
                entry.session.lock().put_off(self.now_ms());
                continue;
            }
            let fresh_seconds = entry.session.lock().saved(&receipt);
            self.metrics.booked_seconds.inc_by(fresh_seconds);
        }
        outcome
    }

    /// Ended playlists are served as long as a playlist is, so that a player can play out what it knows; with a start-over right for longer, but those
    /// that ended first go as soon as they are many.
    fn forget_ended(&self, entries: &[Arc<Entry>]) {
        let now_ms = self.now_ms();
        let window = self.grid.segment_duration() * u32::try_from(self.settings.window_segments).unwrap_or(u32::MAX);
        let in_ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let least_ms = now_ms - in_ms(window);
        let right = self.settings.start_over;
        let mut over_before_ms = right.map_or(least_ms, |right| least_ms.min(now_ms - in_ms(right.linger)));
        if right.is_some() {
            let mut ended: Vec<i64> = entries.iter().filter_map(|entry| entry.session.lock().ended_ms).collect();
            ended.sort_unstable();
            let most = self.settings.max_sessions.div_ceil(2);
            if let Some(newest_gone_ms) = ended.len().checked_sub(most + 1).and_then(|at| ended.get(at)) {
                over_before_ms = over_before_ms.max((newest_gone_ms + 1).min(least_ms));
            }
        }
        let over = |entry: &&Arc<Entry>| {
            let mut session = entry.session.lock();
            let is_over = session.ended_ms.is_some_and(|ended_ms| ended_ms < over_before_ms);
            // What the store does not have yet must not go.
            is_over && !session.has_news() && session.step(Trigger::LingerOver).is_ok()
        };
        let gone: Vec<_> = entries.iter().filter(over).cloned().collect();
        self.forget(&gone);
    }

    /// Old idempotency keys and sessions that ended long ago; the latter a batch a second until none is left.
    async fn forget_old(&self) {
        if self.clock.steady_for() < FORGET_STEADY {
            return;
        }
        let now_ms = self.now_ms();
        let is_due = |swept_ms: &AtomicI64| now_ms - swept_ms.load(Ordering::Relaxed) >= FORGET_EVERY_MS;
        if is_due(&self.idempotency_swept_ms) && self.store.forget_idempotency(now_ms - FORGET_AFTER_MS).await.is_ok() {
            self.idempotency_swept_ms.store(now_ms, Ordering::Relaxed);
        }
        let keep_ms = i64::try_from(self.settings.keep_ended.as_millis()).unwrap_or(i64::MAX);
        if is_due(&self.ended_swept_ms)
            && let Ok(forgotten) = self.store.forget_sessions(now_ms.saturating_sub(keep_ms), FORGET_BATCH).await
            && forgotten < u64::from(FORGET_BATCH)
        {
            self.ended_swept_ms.store(now_ms, Ordering::Relaxed);
        }
    }
}
