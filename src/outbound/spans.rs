//! Spans on their way to a collector: OTLP over HTTP, in batches, each sent once. A collector that is down, slow or refuses costs the spans and nothing else.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::trace::SpanData;
use prost::Message as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::http::{Http, HttpError, Message};
use crate::config::Tracing;
use crate::metrics::Metrics;
use crate::spans::Finished;

/// Spans in a request.
const BATCH: usize = 512;

/// How long the first of a batch waits for others.
const GATHERING: Duration = Duration::from_secs(1);

/// How long a collector is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long the end waits for what is yet to be sent.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

const PROTOBUF: &str = "application/x-protobuf";

/// What sends spans to a collector.
pub struct SpanExport {
    collector: Collector,
    finished: Finished,
    metrics: Arc<Metrics>,
    /// It took none of the last batch.
    is_down: bool,
}

/// Where spans are posted to.
struct Collector {
    http: Http,
    tracing: Tracing,
    resource: ResourceAttributesWithSchema,
}

impl Collector {
    /// Posts a batch; how many of it the collector refused.
    async fn post(&self, batch: Vec<SpanData>) -> Result<usize, String> {
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = Bytes::from(ExportTraceServiceRequest { resource_spans }.encode_to_vec());
        let Tracing { otlp_endpoint, headers, .. } = &self.tracing;
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.reveal().to_owned())).collect();
        let answer = self.http.post(Message { to: otlp_endpoint, content_type: PROTOBUF, headers, body }).await?;
        if !answer.is_success() {
            return Err(format!("status {}", answer.status));
        }
        // What is no answer of that kind says nothing of a refusal (OTLP 1.0, "partial success").
        let said = ExportTraceServiceResponse::decode(answer.body).unwrap_or_default();
        Ok(said.partial_success.map_or(0, |part| usize::try_from(part.rejected_spans).unwrap_or(0)))
    }
}

impl SpanExport {
    /// # Errors
    /// Where an https address cannot be spoken to at all.
    pub fn new(tracing: &Tracing, finished: Finished, metrics: Arc<Metrics>) -> Result<Self, HttpError> {
        let http = Http::new(tracing.otlp_endpoint.is_https())?;
        let collector = Collector { http, tracing: tracing.clone(), resource: (&finished.resource).into() };
        finished.count_lost(metrics.spans.with_label_values(&["lost"]));
        Ok(Self { collector, finished, metrics, is_down: false })
    }

    /// Sends what comes, until the end.
    pub fn start(self) -> SpanTask {
        let (end, ending) = watch::channel(None);
        SpanTask { task: tokio::spawn(self.run(ending)), end }
    }

    async fn run(mut self, mut ending: watch::Receiver<Option<Instant>>) {
        let mut batch = Vec::new();
        loop {
            let is_over = tokio::select! {
                biased;
                _ = ending.wait_for(Option::is_some) => true,
                () = gather(&mut self.finished, &mut batch) => false,
            };
            if is_over {
                self.finished.close();
                self.finished.take_now(&mut batch, BATCH);
            }
            if !batch.is_empty() {
                self.send(std::mem::take(&mut batch), &mut ending).await;
            } else if is_over {
                return;
            }
            if is_over && ending.borrow().is_some_and(|deadline| deadline <= Instant::now()) {
                self.count("lost", self.finished.waiting());
                return;
            }
        }
    }

    async fn send(&mut self, batch: Vec<SpanData>, ending: &mut watch::Receiver<Option<Instant>>) {
        let many = batch.len();
        let answer = tokio::select! {
            answer = self.collector.post(batch) => answer,
            () = tokio::time::sleep(PATIENCE) => Err(format!("no answer in {} s", PATIENCE.as_secs())),
            () = overdue(ending) => Err("the service ended".to_owned()),
        };
        let refused = answer.as_ref().map_or(many, |refused| many.min(*refused));
        self.count("lost", refused);
        self.count("exported", many - refused);
        let was_down = std::mem::replace(&mut self.is_down, answer.is_err());
        match answer {
            Ok(_) if was_down => tracing::info!("the collector takes spans again"),
            Err(why) if !was_down => tracing::warn!(why, "the collector takes no spans; they are lost"),
            Ok(_) | Err(_) => {}
        }
    }

    fn count(&self, outcome: &str, many: usize) {
        self.metrics.spans.with_label_values(&[outcome]).inc_by(many as u64);
    }
}

/// Waits for a span and, for a moment, for others.
async fn gather(finished: &mut Finished, batch: &mut Vec<SpanData>) {
    // Nothing comes any more once the log is gone, which is when the process is.
    if batch.is_empty() && finished.take(batch, BATCH).await == 0 {
        std::future::pending::<()>().await;
    }
    let until = Instant::now() + GATHERING;
    while batch.len() < BATCH {
        match tokio::time::timeout_at(until, finished.take(batch, BATCH - batch.len())).await {
            Ok(many) if many > 0 => {}
            _ => return,
        }
    }
}

/// Waits until the end's patience is over.
async fn overdue(ending: &mut watch::Receiver<Option<Instant>>) {
    let deadline = ending.wait_for(Option::is_some).await.ok().and_then(|deadline| *deadline);
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}

/// The export, under way.
pub struct SpanTask {
    task: JoinHandle<()>,
    end: watch::Sender<Option<Instant>>,
}

impl SpanTask {
    /// Sends what waits, as far as a second lets it; the rest is lost.
    pub async fn end(self) {
        self.end.send_replace(Some(Instant::now() + LAST_PATIENCE));
        // A panic there is in the log.
        let _ = self.task.await;
    }
}
