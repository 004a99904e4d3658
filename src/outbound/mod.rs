//! What the service tells others by itself: closed hours of the ledger, as events to a receiver; thresholds that a tenant's month
//! has passed, to webhooks. And caps: the same look at the month says who gets no new sessions.

mod backoff;
mod event;
mod export;
mod http;
mod thresholds;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::config::{Config, Tenant};
use crate::metrics::Metrics;
use crate::store::Outbox;
use crate::timeline::Clock;
use crate::usage::{CapBoard, Standings};
pub use backoff::retry_wait_ms;
use export::Exporter;
use http::Http;
pub use http::HttpError;
use thresholds::{Teller, Watch, Watched};

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
}

/// All that goes out by itself. What the configuration does not ask for is not there.
pub struct Outbound {
    exporter: Option<Exporter>,
    watch: Option<Watch>,
    teller: Option<Teller>,
}

impl Outbound {
    /// What `config` asks for.
    ///
    /// # Errors
    /// [`HttpError`] when an https address cannot be spoken to at all.
    pub fn new(config: &Config, parts: OutboundParts) -> Result<Self, HttpError> {
        let watched: Vec<Watched> = config.tenants.iter().filter_map(watched).collect();
        let webhooks = || watched.iter().flat_map(|tenant| &tenant.thresholds).map(|threshold| &threshold.webhook);
        let receivers: Vec<_> = config.export.iter().map(|export| &export.url).chain(webhooks()).collect();
        let http = match receivers.is_empty() {
            true => None,
            false => Some(Http::new(receivers.iter().any(|receiver| receiver.is_https()))?),
        };
        let tells = webhooks().next().is_some();
        let OutboundParts { outbox, standings, caps, clock, metrics } = parts;
        let source = config.event_source.clone();
        let exporter = config.export.clone().zip(http.clone()).map(|(settings, http)| Exporter {
            settings,
            source: source.clone(),
            outbox: outbox.clone(),
            http,
            clock: clock.clone(),
            metrics: metrics.clone(),
            state: Default::default(),
            stopping: AtomicBool::new(false),
        });
        let teller = http.filter(|_| tells).map(|http| Teller {
            tenants: watched.clone(),
            outbox: outbox.clone(),
            http,
            clock: clock.clone(),
            metrics,
            // Of the last run.
            news: AtomicBool::new(true),
            state: Default::default(),
        });
        let watch = (!watched.is_empty()).then(|| Watch {
            tenants: watched,
            source,
            standings,
            outbox,
            board: caps,
            clock,
            state: Default::default(),
        });
        Ok(Self { exporter, watch, teller })
    }

    /// Looks where tenants stand, if it is time.
    pub async fn look(&self) {
        if let Some(watch) = &self.watch
            && watch.run().await
            && let Some(teller) = &self.teller
        {
            teller.news.store(true, Ordering::Release);
        }
    }

    async fn tell(&self) {
        if let Some(teller) = &self.teller {
            teller.run().await;
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
        self.tell().await;
        self.export().await;
    }

    /// Does what is due from now on, each kind by itself: a webhook that hangs holds up neither caps nor the export.
    pub fn start(self: &Arc<Self>) -> OutboundTasks {
        let (end, ending) = watch::channel(false);
        let mut tasks = Vec::new();
        if self.watch.is_some() {
            let outbound = self.clone();
            tasks.push(tokio::spawn(every_second(ending.clone(), async move || outbound.look().await)));
        }
        if self.teller.is_some() {
            let outbound = self.clone();
            tasks.push(tokio::spawn(every_second(ending.clone(), async move || outbound.tell().await)));
        }
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
