//! The whole service, put together: what `main` runs and what integration tests run with a clock of their own.

mod art;
mod breaks;
mod capacity;
mod chores;
mod doors;
mod films;
mod fitting;
mod makers;
mod tenants;
mod timekeeper;
mod webhooks;

pub use fitting::{misfits, remarks};

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::api::{App, TlsError};
use crate::catalogue::{self, Catalogue};
use crate::compositor::{self, Compositor, CompositorError};
use crate::config::{CompositorChoice, Config, Output};
use crate::encode::VideoEncodeError;
use crate::feed::{self, FeedError};
use crate::ladder::Rung;
use crate::layout::{Layouts, LayoutsError};
use crate::metrics::Metrics;
use crate::mosaic::{MosaicRegistry, RegistryError, Ticker, Trial, TrialError, trial_costs};
use crate::outbound::{HttpError, Outbound, OutboundTasks, SpanExport, SpanTask, WebhooksError};
use crate::spans::Finished;
use crate::store::{Begin, SqliteStore, Store, StoreError};
use crate::timeline::{Clock, FrameNumber, Grid};
use crate::usage::{Closing, Integrity, KeyError, ledger_key};
use crate::work::InHand;
use chores::{Sweep, start_chores};
use doors::{Doors, Serving};
use makers::Makers;
use timekeeper::Timekeeper;

/// Longest wait for the running segment at the end: everything must be over within five seconds.
const LAST_SEGMENT_PATIENCE: Duration = Duration::from_millis(2500);

/// How long the last segment is served after it is finished: players ask about once a second, not at the end of a segment.
const LAST_SEGMENT_SERVED: Duration = Duration::from_millis(500);

/// How a service runs besides its configuration.
pub struct Options {
    pub clock: Arc<dyn Clock>,
    /// The clock is cranked: feeds wait for their pictures, nothing happens by itself between ticks, and nothing is decided by
    /// how fast this machine is. Whoever cranks waits for [`Service::is_settled`].
    pub lockstep: bool,
    /// The program that decodes apart, where the configuration wants that; `None`: the one that runs.
    pub feed_program: Option<PathBuf>,
    /// How the data directory is taken up.
    pub begin: Begin,
    /// Spans that are over, where the program's subscriber listens to them and the configuration names a collector.
    pub spans: Option<Finished>,
}

/// Why a service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error(transparent)]
    Layouts(#[from] LayoutsError),
    #[error("data_dir: {0}")]
    Store(#[from] StoreError),
    #[error("data_dir: {0}")]
    Key(#[from] KeyError),
    #[error(transparent)]
    Compositor(#[from] CompositorError),
    #[error(transparent)]
    Encode(#[from] VideoEncodeError),
    #[error("trial encode: {0}")]
    Trial(#[from] TrialError),
    #[error(transparent)]
    Registry(#[from] RegistryError),
    #[error(transparent)]
    Catalogue(#[from] catalogue::OpenError),
    #[error("sessions: {0}")]
    Sessions(String),
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
    #[error("start_over: {}: {source}", .dir.display())]
    StartOver { dir: PathBuf, source: std::io::Error },
    #[error("start_over.layouts: there is no layout {0:?}; these are: {1}")]
    StartOverLayout(String, String),
    #[error("assets: {}: {source}", .dir.display())]
    Assets { dir: PathBuf, source: std::io::Error },
    #[error("breaks: {}: {source}", .dir.display())]
    Breaks { dir: PathBuf, source: std::io::Error },
    #[error("skins: {tenant:?} {skin:?}: {problem}")]
    Skin { tenant: String, skin: String, problem: String },
    #[error("outputs: {id:?}: there is no layout {layout:?} with one game; these are: {allowed}")]
    OutputLayout { id: String, layout: String, allowed: String },
    #[error(
        "markets: {id:?}: `breaks.layout`: there is no layout {layout:?} with one game and art; these are: {allowed}"
    )]
    MarketLayout { id: String, layout: String, allowed: String },
    #[error(
        "markets: {id:?}: `breaks.decision_url`: {why}; what `[sources]` and `[tenants.sources]` allow is, as in `networks`"
    )]
    MarketDecisions { id: String, why: String },
    #[error("what goes out: {0}")]
    Outbound(#[from] HttpError),
    #[error("webhooks: {0}")]
    Webhooks(#[from] WebhooksError),
    #[error("cannot start the tick: {0}")]
    Tick(std::io::Error),
}

/// What is compiled once, whoever waits for it.
type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// A running service.
pub struct Service {
    pub app: Arc<App>,
    pub address: SocketAddr,
    pub registry: Arc<MosaicRegistry>,
    pub catalogue: Arc<Catalogue>,
    grid: Grid,
    /// Frames that encoders hold back.
    lookahead_frames: u32,
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    compositor: Arc<dyn Compositor>,
    /// Canvases and sound that are with encoders.
    in_hand: InHand,
    closing: Arc<Closing>,
    outbound: Arc<Outbound>,
    ticker: Ticker,
    draining: Arc<AtomicBool>,
    serving: Serving,
    timekeeper: Arc<Timekeeper>,
    sweep: Sweep,
    /// What is done again and again; not where the clock is cranked.
    chores: Vec<JoinHandle<()>>,
    /// As the chores.
    outbound_tasks: Option<OutboundTasks>,
    span_task: Option<SpanTask>,
}

/// The compositor that `choice` names, or the faster one, and what was measured.
pub fn start_compositor(choice: CompositorChoice) -> Result<Arc<dyn Compositor>, CompositorError> {
    let choice = match choice {
        CompositorChoice::Auto => compositor::Choice::Auto,
        CompositorChoice::Gpu => compositor::Choice::Gpu,
        CompositorChoice::Cpu => compositor::Choice::Cpu,
    };
    let chosen = compositor::new(choice, cores())?;
    tracing::info!(compositor = chosen.compositor.describe(), measured = %chosen.report, "compositor chosen");
    Ok(chosen.compositor)
}

/// Processor cores this process may use (control groups respected).
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

impl Service {
    /// Starts everything. `trial` is a measurement already made; without one the service makes its own.
    ///
    /// In a box: the program and each binary of tests and benches would compile the whole service anew otherwise.
    pub fn start(config: &Config, options: Options, trial: Option<Trial>) -> Boxed<'_, Result<Self, StartError>> {
        Box::pin(Self::start_parts(config, options, trial))
    }

    async fn start_parts(config: &Config, mut options: Options, trial: Option<Trial>) -> Result<Self, StartError> {
        let doors = Doors::open(config)?;
        let (address, own) = (doors.address, doors.own());
        let Ground { layouts, metrics, sqlite, store, timekeeper, closing } = Ground::lay(config, &options).await?;
        let span_task = start_spans(config, options.spans.take(), &metrics)?;
        let integrity = Arc::<Integrity>::default();
        let compositor = start_compositor(config.compositor)?;
        let makers = Makers { config, options: &options, metrics: &metrics, store: &store, timekeeper: &timekeeper };
        let rungs = makers.rungs(&layouts)?;
        let assets = makers.assets().await?;
        let (shared, shelf) = makers.shared(&rungs).await?;
        let (registry, maker, stitching) =
            makers.registry(&compositor, (&layouts, &assets), &rungs, (&shared, &shelf), trial).await?;
        let catalogue = makers.catalogue((&shared, &shelf), &registry, own).await?;
        let ticker = makers.ticker(&registry, &catalogue, &compositor)?;
        let sessions = makers.sessions(&registry, &catalogue, &layouts).await?;
        let parts = (&sessions, &registry, &catalogue);
        let (fills, breaks) = makers.breaks(maker, parts, (&assets, &shelf), (&sqlite, own))?;
        makers.rules_and_breaks(&sessions, (sqlite.clone(), own), breaks.as_ref()).await?;
        let (events, webhooks) = makers.webhooks(&sqlite, (&sessions, &catalogue), own).await?;
        let outbound = makers.outbound(sqlite.clone(), &sessions, &webhooks).await?;
        let draining = Arc::new(AtomicBool::new(false));
        let readiness = makers.readiness(&ticker, &draining, &integrity, &shared.failing, &shelf);
        let readiness = (readiness.note("stitch", stitching), own);
        let app = makers.app(parts, (layouts, assets), (&fills, webhooks), makers.keys(sqlite).await?, readiness)?;
        let in_hand = shared.in_hand.clone();
        let serving = doors.serve(&app);
        let sweep = Sweep {
            sessions,
            registry: registry.clone(),
            catalogue: catalogue.clone(),
            store: store.clone(),
            shelf,
            breaks,
            clock: options.clock.clone(),
            grid: config.output.grid,
            events,
            metrics: metrics.clone(),
            max_sessions: config.sessions.max_sessions.into(),
            capacity: Arc::default(),
        };
        let mut chores = Vec::new();
        if !options.lockstep {
            chores = start_chores(sweep.clone(), &timekeeper, &closing);
            chores.push(makers.checking(&integrity).await?);
        }
        let outbound_tasks = (!options.lockstep).then(|| outbound.start());
        Ok(Self {
            app,
            address,
            registry,
            catalogue,
            grid: config.output.grid,
            lookahead_frames: delay_frames(&rungs),
            clock: options.clock,
            store,
            compositor,
            in_hand,
            closing,
            outbound,
            ticker,
            draining,
            serving,
            timekeeper,
            sweep,
            chores,
            outbound_tasks,
            span_task,
        })
    }

    /// Where metrics and health are, if they have a listener of their own.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.serving.admin_address
    }

    /// The next frame that will tick.
    pub fn position(&self) -> FrameNumber {
        self.ticker.position()
    }

    /// Whether everything that ticked so far is drawn and encoded.
    pub fn is_settled(&self) -> bool {
        // In the order in which canvases go on: one that leaves the first is with the second before it is asked.
        self.compositor.queued() == 0 && self.in_hand.count() == 0
    }

    /// What is done every second, for those who crank the clock.
    pub async fn sweep(&self) {
        self.timekeeper.observe();
        self.sweep.once().await;
        self.timekeeper.keep(false).await;
        self.timekeeper.close_hours(&self.closing).await;
        self.sweep.keep_breaks().await;
        self.sweep.tell().await;
        self.outbound.run().await;
    }

    /// Ends the service: the running segment is finished and served, seconds are booked, sessions stay as they are for the
    /// next start.
    pub fn drain(self) -> Boxed<'static, ()> {
        Box::pin(self.drain_parts())
    }

    async fn drain_parts(mut self) {
        self.draining.store(true, Ordering::Release);
        let outbound_ended = self.outbound_tasks.take().map(|tasks| tokio::spawn(tasks.end()));
        if !self.chores.is_empty() {
            let last = self.grid.first_frame(self.grid.segment_of(self.position()) + 1);
            // It comes out of the encoders some frames later.
            let due = self.grid.frame_time(last + 3 + u64::from(self.lookahead_frames));
            tokio::time::sleep(due.since(self.clock.now()).min(LAST_SEGMENT_PATIENCE) + LAST_SEGMENT_SERVED).await;
        }
        for chore in self.chores.drain(..) {
            chore.abort();
        }
        // Long over: it had the time of the last segment.
        if let Some(ended) = outbound_ended
            && let Err(e) = ended.await
        {
            tracing::error!(error = %e, "what goes out did not end well");
        }
        self.app.sessions.shutdown().await;
        self.sweep.keep_breaks().await;
        self.outbound.keep().await;
        self.timekeeper.keep(true).await;
        self.serving.end().await;
        let spans_ended = self.span_task.take().map(|task| tokio::spawn(task.end()));
        let catalogue = self.catalogue.clone();
        let mut ticker = self.ticker;
        let stopped = tokio::task::spawn_blocking(move || {
            ticker.stop();
            catalogue.stop();
        });
        if tokio::time::timeout(Duration::from_millis(1000), stopped).await.is_err() {
            tracing::warn!("feeds did not stop in time and are left behind");
        }
        if let Some(ended) = spans_ended {
            // A panic there is in the log.
            let _ = ended.await;
        }
        if let Err(e) = self.store.close().await {
            tracing::error!(error = %e, "the store did not close");
        }
    }
}

/// Begins to export spans, where somebody wants them.
fn start_spans(
    config: &Config,
    spans: Option<Finished>,
    metrics: &Arc<Metrics>,
) -> Result<Option<SpanTask>, HttpError> {
    let (Some(tracing), Some(spans)) = (&config.tracing, spans) else { return Ok(None) };
    Ok(Some(SpanExport::new(tracing, spans, metrics.clone())?.start()))
}

/// What everything else stands on: layouts, the store, the clock's keeper, the ledger's hours.
struct Ground {
    layouts: Arc<Layouts>,
    metrics: Arc<Metrics>,
    sqlite: Arc<SqliteStore>,
    store: Arc<dyn Store>,
    timekeeper: Arc<Timekeeper>,
    closing: Arc<Closing>,
}

impl Ground {
    async fn lay(config: &Config, options: &Options) -> Result<Self, StartError> {
        feed::init()?;
        let layouts = Arc::new(fitting::layouts(config)?);
        if let Some(misfit) = fitting::misfits_of(config, &layouts).into_iter().next() {
            return Err(misfit);
        }
        let metrics = Arc::new(Metrics::new()?);
        let sqlite = Arc::new(SqliteStore::open_as(&config.data_dir, options.begin).await?);
        let seed = ledger_key(&sqlite, &config.data_dir, options.begin.with_new_ledger_key).await?;
        let store: Arc<dyn Store> = sqlite.clone();
        let timekeeper = Arc::new(Timekeeper::start(options.clock.clone(), store.clone(), metrics.clone()).await?);
        config.prices.register(&*store).await?;
        let grace = Duration::from_secs(config.ledger.grace_s.into());
        let closing = Arc::new(Closing::new(store.clone(), &seed, config.prices.clone(), grace));
        Ok(Self { layouts, metrics, sqlite, store, timekeeper, closing })
    }
}

/// What the slowest of the encoders holds back.
fn delay_frames(rungs: &[Rung]) -> u32 {
    rungs.iter().map(|rung| rung.settings.delay_frames()).max().unwrap_or(0)
}

/// A trial of `output`'s renditions off the async threads.
pub async fn measure(output: &Output, compositor: Arc<dyn Compositor>) -> Result<Trial, TrialError> {
    let Output { grid, renditions, preset, lookahead_frames, .. } = output.clone();
    tokio::task::spawn_blocking(move || trial_costs(grid, &renditions, preset.name(), lookahead_frames, &compositor))
        .await
        .unwrap_or(Err(TrialError::Picture))
}
