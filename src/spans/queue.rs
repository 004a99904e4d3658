//! Where spans wait to be exported. Who ends one waits for nothing: where there is no room it is lost, and counted.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Span, SpanData, SpanProcessor};
use prometheus::IntCounter;
use tokio::sync::mpsc;

/// Spans that wait, about a kilobyte each.
pub(super) const MOST_WAITING: usize = 4_096;

/// Takes spans that are over.
#[derive(Debug)]
pub(super) struct Enqueue {
    queue: mpsc::Sender<SpanData>,
    /// What is lost is counted from when the service has a counter.
    lost: Arc<OnceLock<IntCounter>>,
}

/// Spans that are over, in the order in which they ended.
pub struct Finished {
    /// Whose they are.
    pub resource: Resource,
    queue: mpsc::Receiver<SpanData>,
    lost: Arc<OnceLock<IntCounter>>,
}

pub(super) fn open(resource: Resource) -> (Enqueue, Finished) {
    let (sender, queue) = mpsc::channel(MOST_WAITING);
    let lost = Arc::<OnceLock<IntCounter>>::default();
    (Enqueue { queue: sender, lost: lost.clone() }, Finished { resource, queue, lost })
}

impl Finished {
    /// Counts in `counter` what is lost for lack of room, from now on.
    pub fn count_lost(&self, counter: IntCounter) {
        // Whoever sets it first counts.
        let _ = self.lost.set(counter);
    }

    /// Waits for spans and puts up to `most` behind those in `batch`; how many. What is cancelled takes none.
    pub async fn take(&mut self, batch: &mut Vec<SpanData>, most: usize) -> usize {
        self.queue.recv_many(batch, most).await
    }

    /// Puts those that wait behind those in `batch`, until it has `most`.
    pub fn take_now(&mut self, batch: &mut Vec<SpanData>, most: usize) {
        while batch.len() < most
            && let Ok(span) = self.queue.try_recv()
        {
            batch.push(span);
        }
    }

    /// Takes no further ones: they are lost.
    pub fn close(&mut self) {
        self.queue.close();
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    #[cfg(test)]
    pub(super) fn drain(mut self) -> Vec<SpanData> {
        let mut all = Vec::new();
        self.take_now(&mut all, usize::MAX);
        all
    }
}

impl SpanProcessor for Enqueue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if self.queue.try_send(span).is_err()
            && let Some(lost) = self.lost.get()
        {
            lost.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
