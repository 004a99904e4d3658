//! What the service tells others by itself: closed hours of the ledger, as events to a receiver; what happens, to webhooks, through one outbox. And thresholds and
//! caps: a look at the month says who is told that it has come to an amount, and who gets no new sessions.

mod backoff;
mod event;
mod export;
mod http;
mod spans;
mod thresholds;
mod webhooks;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::config::{Config, Tenant};
use crate::metrics::Metrics;
use crate::store::{Outbox, StoreError};
use crate::timeline::Clock;
use crate::usage::{CapBoard, Standings};
pub use backoff::retry_wait_ms;
use export::Exporter;
use http::Http;
pub use http::HttpError;
pub use spans::{SpanExport, SpanTask};
use thresholds::{Watch, Watched};
pub use webhooks::{
    Delivery, MadeWebhook, NewWebhook, ReachOf, RegisteredWebhook, Tested, WebhookError, WebhookParts, WebhookState,
    Webhooks, WebhooksError,
};

/// How often it is asked whether something is due.
const EVERY: Duration = Duration::from_secs(1);

/// How long the end waits for answers to what is under way. What is cut off is sent again after the next start.
const LAST_ANSWER_PATIENCE: Duration = Duration::from_millis(1500);

/// What it stands on.
#[derive(Clone)]
pub struct OutboundParts {
    pub outbox: Arc<dyn Outbox>,
    pub standings: Arc<dyn Standings>,
    /// Where it writes which caps are reached.
    pub caps: Arc<CapBoard>,
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    pub webhooks: Arc<Webhooks>,
}

/// All that goes out by itself. What the configuration does not ask for is not there.
pub struct Outbound {
    exporter: Option<Exporter>,
    watch: Option<Watch>,
    outbox: Arc<dyn Outbox>,
    clock: Arc<dyn Clock>,
    webhooks: Arc<Webhooks>,
    /// Amounts may have been passed that the outbox does not have.
    has_passed: AtomicBool,
}

impl Outbound {
    /// What `config` asks for.
    ///
    /// # Errors
    /// [`HttpError`] when an https address cannot be spoken to at all.
    pub fn new(config: &Config, parts: OutboundParts) -> Result<Self, HttpError> {
        let watched: Vec<Watched> = config.tenants.iter().filter_map(watched).collect();
        let OutboundParts { outbox, standings, caps, clock, metrics, webhooks } = parts;
        let source = config.event_source.clone();
        let exporter = match config.export.clone() {
            None => None,
            Some(settings) => Some(Exporter {
                http: Http::new(settings.url.is_https())?,
                settings,
                source: source.clone(),
                outbox: outbox.clone(),
                clock: clock.clone(),
                metrics,
                state: Default::default(),
                stopping: AtomicBool::new(false),
            }),
        };
        let watch = (!watched.is_empty()).then(|| Watch {
            tenants: watched,
            source,
            standings,
            outbox: outbox.clone(),
            board: caps,
            clock: clock.clone(),
            state: Default::default(),
        });
        // Of the last run.
        let has_passed = AtomicBool::new(true);
        Ok(Self { exporter, watch, outbox, clock, webhooks, has_passed })
    }

    /// Looks where tenants stand, if it is time.
    pub async fn look(&self) {
        if let Some(watch) = &self.watch
            && watch.run().await
        {
            self.has_passed.store(true, Ordering::Release);
        }
    }

    /// Hands amounts that were passed to the outbox.
    async fn hand_over(&self) {
        if !self.has_passed.swap(false, Ordering::AcqRel) {
            return;
        }
        if let Err(error) = self.hand_over_all().await {
            tracing::debug!(%error, "a threshold that was passed could not be handed on; it is tried again");
            self.has_passed.store(true, Ordering::Release);
        }
    }

    async fn hand_over_all(&self) -> Result<(), StoreError> {
        loop {
            let passed = self.outbox.untold_thresholds().await?;
            if passed.is_empty() {
                return Ok(());
            }
            for one in passed {
                self.webhooks.keep_passed(&one).await?;
                self.outbox.threshold_told(&one, self.clock.now().unix_millis()).await?;
            }
        }
    }

    async fn export(&self) {
        if let Some(exporter) = &self.exporter {
            exporter.run().await;
        }
    }

    /// Does all that is due, for those who crank the clock.
    pub async fn run(&self) {
        self.look().await;
        self.hand_over().await;
        self.webhooks.run().await;
        self.export().await;
    }

    /// Keeps what happened until now. For the end, when nothing happens any more.
    pub async fn keep(&self) {
        self.webhooks.keep().await;
    }

    /// Does what is due from now on, each kind by itself: a webhook that hangs holds up neither caps nor the export.
    pub fn start(self: &Arc<Self>) -> OutboundTasks {
        let (end, ending) = watch::channel(false);
        let mut tasks = Vec::new();
        let outbound = self.clone();
        tasks.push(tokio::spawn(every_second(ending.clone(), async move || {
            outbound.look().await;
            outbound.hand_over().await;
        })));
        let webhooks = self.webhooks.clone();
        tasks.push(tokio::spawn(every_second(ending.clone(), async move || webhooks.step().await)));
        if self.exporter.is_some() {
            let outbound = self.clone();
            tasks.push(tokio::spawn(every_second(ending, async move || outbound.export().await)));
        }
        OutboundTasks { outbound: self.clone(), tasks, end }
    }
}

fn watched(tenant: &Tenant) -> Option<Watched> {
    let Tenant { id, thresholds, caps, .. } = tenant;
    let is_watched = !thresholds.is_empty() || !caps.is_empty();
    is_watched.then(|| Watched { tenant: id.clone(), thresholds: thresholds.clone(), caps: caps.clone() })
}

/// Its tasks, in a service whose clock runs.
pub struct OutboundTasks {
    outbound: Arc<Outbound>,
    tasks: Vec<JoinHandle<()>>,
    end: watch::Sender<bool>,
}

impl OutboundTasks {
    /// Begins nothing further and waits a moment for what is under way.
    pub async fn end(self) {
        if let Some(exporter) = &self.outbound.exporter {
            exporter.stopping.store(true, Ordering::Release);
        }
        self.end.send_replace(true);
        let deadline = tokio::time::Instant::now() + LAST_ANSWER_PATIENCE;
        for mut task in self.tasks {
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
            }
        }
        self.outbound.webhooks.end(deadline).await;
    }
}

/// Runs until the end comes, which waits for the run that is under way.
async fn every_second(mut ending: watch::Receiver<bool>, run: impl AsyncFn()) {
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => run().await,
            _ = ending.changed() => return,
        }
    }
}
