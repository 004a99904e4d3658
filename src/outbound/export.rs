//! The ledger, as events to one receiver: every entry of closed hours, at least once, in the order of the ledger.
//!
//! A batch is read, sent and, once the receiver has taken it, the cursor behind it is kept in the store. A process that is killed
//! between the last two sends that batch again when it comes back; the ids are the same, so the receiver can tell.
//!
//! The receiver fails as a whole: when it cannot be reached or answers with what may pass, everybody waits, and one batch asks whether
//! it is back. A refusal (400, 413, 422) is about what was sent: the batch is halved down to the one entry that is refused, and the
//! tenant waits there, asking again with growing patience, while the others go on. It is not skipped: an invoice made
//! from the rest would lack a line and nobody would know; the log and two metrics say which receiver has to be put right.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use tokio::sync::Mutex;

use super::backoff::Backoff;
use super::event::{self, BATCH_TYPE};
use super::http::{Answer, Http, Message};
use crate::config::Export;
use crate::metrics::Metrics;
use crate::store::{EntryCursor, LedgerEntry, Outbox, StoreError};
use crate::timeline::Clock;

/// Sends the ledger out.
pub(super) struct Exporter {
    pub settings: Export,
    pub source: String,
    pub outbox: Arc<dyn Outbox>,
    pub http: Http,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    /// Held over a run: there is one at a time.
    pub state: Mutex<State>,
    /// No further batch is begun.
    pub stopping: AtomicBool,
}

#[derive(Default)]
pub(super) struct State {
    /// Hours that end by then were closed when last looked.
    closed_until_ms: Option<i64>,
    tenants: BTreeMap<String, Progress>,
    receiver: Backoff,
}

/// How far a tenant's export has come.
struct Progress {
    cursor: Option<EntryCursor>,
    /// The store does not have `cursor` yet.
    unkept: bool,
    /// Time of an entry that is not older than any that waits; `None` where all of closed hours were taken.
    waiting_since_ms: Option<i64>,
    /// Entries in the next request.
    batch: usize,
    /// Entries of the last batch that was refused as a whole, yet to be sent: until then no batch gets larger.
    suspects: usize,
    /// Of the one entry that is refused.
    refused: Backoff,
}

/// What became of a batch.
enum Sent {
    Taken,
    /// Halved, to be tried again at once.
    Halved,
    /// Nothing to send, or it waits for its own reason.
    Idle,
    /// The receiver is not there for anybody.
    Failed,
}

impl Exporter {
    /// Sends what is due, until all of it is sent, the receiver fails or the end is near. Memory holds one batch.
    pub async fn run(&self) {
        let mut state = self.state.lock().await;
        if let Err(error) = self.send_all(&mut state).await {
            tracing::warn!(%error, "the export could not read the ledger; it tries again");
        }
        self.keep_cursors(&mut state).await;
        self.measure(&state);
    }

    async fn send_all(&self, state: &mut State) -> Result<(), StoreError> {
        self.look(state).await?;
        let State { closed_until_ms, tenants, receiver } = state;
        let until_ms = closed_until_ms.unwrap_or(0);
        // A batch of each in turn: nobody waits for another's backlog.
        loop {
            let mut sent_any = false;
            for (tenant, progress) in tenants.iter_mut() {
                if self.stopping.load(Ordering::Acquire) || !receiver.is_due(self.now_ms()) {
                    return Ok(());
                }
                match self.send_batch(tenant, progress, until_ms, receiver).await? {
                    Sent::Taken | Sent::Halved => sent_any = true,
                    Sent::Idle => {}
                    Sent::Failed => return Ok(()),
                }
            }
            if !sent_any {
                return Ok(());
            }
        }
    }

    /// Finds what was closed since it last looked, and whose it is.
    async fn look(&self, state: &mut State) -> Result<(), StoreError> {
        let closed_until_ms = self.outbox.closed_until().await?;
        if state.closed_until_ms == Some(closed_until_ms) {
            return Ok(());
        }
        for (tenant, _) in self.outbox.billed_tenants().await? {
            if !state.tenants.contains_key(&tenant) {
                let cursor = self.outbox.export_cursor(&tenant).await?;
                state.tenants.insert(tenant.clone(), Progress::new(cursor, self.settings.batch as usize));
            }
        }
        for (tenant, progress) in &mut state.tenants {
            if progress.waiting_since_ms.is_none() {
                let first = self.outbox.entries(tenant, i64::MIN, closed_until_ms, progress.cursor.clone(), 1).await?;
                progress.waiting_since_ms = first.first().map(|entry| entry.at_ms);
            }
        }
        state.closed_until_ms = Some(closed_until_ms);
        Ok(())
    }

    async fn send_batch(
        &self,
        tenant: &str,
        progress: &mut Progress,
        until_ms: i64,
        receiver: &mut Backoff,
    ) -> Result<Sent, StoreError> {
        if progress.waiting_since_ms.is_none() || !progress.refused.is_due(self.now_ms()) {
            return Ok(Sent::Idle);
        }
        let limit = u32::try_from(progress.batch).unwrap_or(u32::MAX);
        let page = self.outbox.entries(tenant, i64::MIN, until_ms, progress.cursor.clone(), limit).await?;
        let Some(last) = page.last() else {
            progress.waiting_since_ms = None;
            return Ok(Sent::Idle);
        };
        progress.waiting_since_ms = page.first().map(|entry| entry.at_ms);
        let body = event::batch(&self.source, tenant, &page).map_err(|e| StoreError::Failed(e.to_string()))?;
        match self.post(body).await {
            Ok(answer) if answer.is_success() => {
                self.taken(tenant, progress, &page, last, receiver).await;
                Ok(Sent::Taken)
            }
            Ok(answer) if matches!(answer.status, 400 | 413 | 422) => {
                // It answers: it is there for the others.
                receiver.clear();
                Ok(self.refused(tenant, progress, &page, &answer))
            }
            Ok(answer) => {
                let asked_ms = answer.retry_after_ms(self.now_ms());
                self.failed(receiver, "answer", &answer.describe(), asked_ms);
                Ok(Sent::Failed)
            }
            Err(why) => {
                self.failed(receiver, "unreachable", &why, None);
                Ok(Sent::Failed)
            }
        }
    }

    async fn post(&self, body: Vec<u8>) -> Result<Answer, String> {
        let bearer = self.settings.token.as_ref().map(|token| ("authorization", format!("Bearer {}", token.reveal())));
        let headers = bearer.into_iter().collect();
        let message = Message { to: &self.settings.url, content_type: BATCH_TYPE, headers, body: Bytes::from(body) };
        self.http.post(message).await
    }

    async fn taken(
        &self,
        tenant: &str,
        progress: &mut Progress,
        page: &[LedgerEntry],
        last: &LedgerEntry,
        receiver: &mut Backoff,
    ) {
        self.metrics.export_events.inc_by(page.len() as u64);
        if receiver.clear() {
            tracing::info!(receiver = %self.settings.url, "the export's receiver takes events again");
        }
        if progress.refused.clear() {
            tracing::info!(tenant, "the entry that was refused is taken; the export of this tenant goes on");
        }
        let was_full = page.len() >= progress.batch;
        progress.waiting_since_ms = Some(last.at_ms).filter(|_| was_full);
        progress.grow(page.len(), self.settings.batch as usize);
        progress.cursor = Some(last.cursor());
        progress.unkept = true;
        self.keep_cursor(tenant, progress).await;
    }

    fn refused(&self, tenant: &str, progress: &mut Progress, page: &[LedgerEntry], answer: &Answer) -> Sent {
        self.metrics.export_failures.with_label_values(&["refused"]).inc();
        if page.len() > 1 {
            progress.suspects = progress.suspects.max(page.len());
            progress.batch = page.len() / 2;
            return Sent::Halved;
        }
        if progress.refused.failures == 0 {
            let entry = page.first();
            tracing::error!(
                tenant,
                session = entry.map(|e| &*e.session_id),
                minute_start_ms = entry.map(|e| e.minute_start_ms),
                answer = answer.describe(),
                receiver = %self.settings.url,
                "THE EXPORT'S RECEIVER REFUSES AN ENTRY: the export of this tenant waits until it is taken"
            );
        }
        let now_ms = self.now_ms();
        progress.refused.fail(now_ms, answer.retry_after_ms(now_ms));
        Sent::Idle
    }

    fn failed(&self, receiver: &mut Backoff, reason: &str, why: &str, asked_ms: Option<i64>) {
        self.metrics.export_failures.with_label_values(&[reason]).inc();
        if receiver.failures == 0 {
            tracing::warn!(why, receiver = %self.settings.url, "the export's receiver takes nothing; it is asked again");
        }
        receiver.fail(self.now_ms(), asked_ms);
    }

    /// What a store that failed did not keep is tried again with every run.
    async fn keep_cursors(&self, state: &mut State) {
        for (tenant, progress) in &mut state.tenants {
            self.keep_cursor(tenant, progress).await;
        }
    }

    async fn keep_cursor(&self, tenant: &str, progress: &mut Progress) {
        let Some(cursor) = progress.cursor.clone().filter(|_| progress.unkept) else { return };
        match self.outbox.keep_export_cursor(tenant, cursor).await {
            Ok(()) => progress.unkept = false,
            // Sending goes on: all that is at stake is that entries are sent twice after a restart.
            Err(error) => tracing::debug!(tenant, %error, "how far the export has come could not be kept"),
        }
    }

    fn measure(&self, state: &State) {
        let oldest_ms = state.tenants.values().filter_map(|progress| progress.waiting_since_ms).min();
        let lag_ms = oldest_ms.map_or(0, |oldest_ms| self.now_ms().saturating_sub(oldest_ms).max(0));
        self.metrics.export_lag_seconds.set(lag_ms / 1000);
        let waiting = state.tenants.values().filter(|progress| progress.refused.failures > 0).count();
        self.metrics.export_waiting_tenants.set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    fn now_ms(&self) -> i64 {
        self.clock.now().unix_millis()
    }
}

impl Progress {
    fn new(cursor: Option<EntryCursor>, batch: usize) -> Self {
        Self { cursor, unkept: false, waiting_since_ms: None, batch, suspects: 0, refused: Backoff::default() }
    }

    /// After `sent` entries were taken. A receiver that takes only so much is not asked for more each time, so batches grow
    /// slowly again; and not before what was refused together is through, or the search for the one to blame would begin anew.
    fn grow(&mut self, sent: usize, largest: usize) {
        self.suspects = self.suspects.saturating_sub(sent);
        if self.suspects == 0 {
            self.batch = (self.batch + (self.batch / 8).max(1)).min(largest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_grow_slowly_and_not_among_suspects() {
        let mut progress = Progress { suspects: 100, ..Progress::new(None, 50) };
        progress.grow(50, 100);
        assert_eq!((progress.batch, progress.suspects), (50, 50));
        progress.grow(50, 100);
        assert_eq!(progress.batch, 56);
        for _ in 0..20 {
            progress.grow(56, 100);
        }
        assert_eq!(progress.batch, 100);
        let mut single = Progress::new(None, 1);
        single.grow(1, 100);
        assert_eq!(single.batch, 2);
    }
}
