//! The whole service, put together: what `main` runs and what integration tests run with a clock of their own.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::api::{self, App, Keys, Readiness, ServerLimits};
use crate::catalogue::{self, Catalogue, CatalogueSettings, SoundSettings};
use crate::compositor::{self, Compositor, CompositorError};
use crate::config::{CompositorChoice, Config, Keyring};
use crate::encode::VideoEncodeError;
use crate::feed::{self, FeedError};
use crate::hls::window::capacity_for;
use crate::layout::{Layouts, LayoutsError};
use crate::metrics::Metrics;
use crate::mosaic::{
    Admission, Budget, EncodingShared, Engine, MosaicRegistry, RegistryError, RegistrySettings, RenderEngine,
    RenderSettings, Rung, Signer, StitchEngine, StitchSettings, StitchUnsafe, Ticker, TickerSettings, Trial,
    TrialError, ladder, self_test, slowest_tile_preset, trial_costs,
};
use crate::outbound::{HttpError, Outbound, OutboundParts, OutboundTasks};
use crate::session::{SessionSettings, Sessions};
use crate::store::{SqliteStore, Store, StoreError, ledger_seed};
use crate::timeline::{Clock, FrameNumber, Grid};
use crate::usage::{Closing, MonthWatch, Reports};

/// Games that may run on one machine.
const MAX_GAMES: usize = 256;

/// Bytes of packaged segments kept in memory, besides the windows they are packaged from.
const CACHE_BYTES: usize = 128 << 20;

/// How often sessions, mosaics and meters are looked after.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// How often the ledger is asked whether an hour is due.
const CLOSE_EVERY: Duration = Duration::from_secs(10);

/// Longest wait for the running segment at the end: everything must be over within five seconds.
const LAST_SEGMENT_PATIENCE: Duration = Duration::from_millis(2500);

/// How long the last segment is served after it is finished: players ask about once a second, not at the end of a segment.
const LAST_SEGMENT_SERVED: Duration = Duration::from_millis(500);

/// A tick this late means that the service is not making pictures.
const TICK_PATIENCE: Duration = Duration::from_secs(2);

/// How a service runs besides its configuration.
pub struct Options {
    pub clock: Arc<dyn Clock>,
    /// Everything waits for everything and nothing is dropped: for a clock that is cranked.
    pub lockstep: bool,
}

/// Why a service cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address}: {source}")]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error(transparent)]
    Feed(#[from] FeedError),
    #[error(transparent)]
    Layouts(#[from] LayoutsError),
    #[error("data_dir: {0}")]
    Store(#[from] StoreError),
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
    #[error("what goes out: {0}")]
    Outbound(#[from] HttpError),
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
    clock: Arc<dyn Clock>,
    store: Arc<dyn Store>,
    closing: Arc<Closing>,
    outbound: Arc<Outbound>,
    ticker: Ticker,
    draining: Arc<AtomicBool>,
    stop_serving: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    sweeping: Option<JoinHandle<()>>,
    /// Closes hours of the ledger; not where the clock is cranked.
    hours: Option<JoinHandle<()>>,
    /// As the hours.
    outbound_tasks: Option<OutboundTasks>,
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

/// Segments that engines and sound keep: what playlists list, and as much again for those who read one a moment ago.
fn kept_segments(config: &Config) -> u32 {
    let segment_ms = config.output.grid.segment_duration().as_millis().max(1);
    let listed = (u128::from(config.output.window_s) * 1000).div_ceil(segment_ms);
    u32::try_from(capacity_for(usize::try_from(listed).unwrap_or(usize::MAX))).unwrap_or(u32::MAX)
}

impl Service {
    /// Starts everything. `trial` is a measurement already made; without one the service makes its own.
    ///
    /// In a box: the program and each binary of tests and benches would compile the whole service anew otherwise.
    pub fn start(config: &Config, options: Options, trial: Option<Trial>) -> Boxed<'_, Result<Self, StartError>> {
        Box::pin(Self::start_parts(config, options, trial))
    }

    async fn start_parts(config: &Config, options: Options, trial: Option<Trial>) -> Result<Self, StartError> {
        let listener = TcpListener::bind(config.listen)
            .await
            .map_err(|source| StartError::Listen { address: config.listen, source })?;
        let address = listener.local_addr().map_err(|source| StartError::Listen { address: config.listen, source })?;
        feed::init()?;
        let layouts = Arc::new(match &config.layouts_dir {
            Some(dir) => Layouts::load(dir)?,
            None => Layouts::bundled(),
        });
        let metrics = Arc::new(Metrics::new()?);
        let sqlite = Arc::new(SqliteStore::open(&config.data_dir).await?);
        let store: Arc<dyn Store> = sqlite.clone();
        config.prices.register(&*store).await?;
        let grace = Duration::from_secs(config.ledger.grace_s.into());
        let closing =
            Arc::new(Closing::new(store.clone(), &ledger_seed(&config.data_dir)?, config.prices.clone(), grace));
        let compositor = start_compositor(config.compositor)?;
        let makers = Makers { config, options: &options, metrics: &metrics, store: &store };
        let (finished, _) = watch::channel(0);
        let (registry, stitching) = makers.registry(&compositor, &layouts, finished.clone(), trial).await?;
        let catalogue = makers.catalogue(finished).await?;
        let grid = config.output.grid;
        let first = grid.frame_at(options.clock.now()) + 1;
        let ticker = Ticker::start(
            TickerSettings {
                grid,
                clock: options.clock.clone(),
                metrics: metrics.clone(),
                games: catalogue.clone(),
                registry: registry.clone(),
                compositor: compositor.clone(),
                lockstep: options.lockstep,
            },
            first,
        )
        .map_err(StartError::Tick)?;
        let sessions = makers.sessions(&registry, &catalogue, &layouts).await?;
        let draining = Arc::new(AtomicBool::new(false));
        let app = Arc::new(App {
            sessions: sessions.clone(),
            mosaics: registry.clone(),
            catalogue: catalogue.clone(),
            layouts,
            reports: Reports::new(store.ledger(), config.prices.clone(), config.ledger.provider.clone()),
            keys: Keys::new(Keyring::new(&config.tenants)),
            metrics: metrics.clone(),
            clock: options.clock.clone(),
            readiness: makers.readiness(&ticker, &draining).note("stitch", stitching),
            public_base: None,
        });
        let outbound = makers.outbound(sqlite, &sessions).await?;
        let (stop_serving, stopped) = oneshot::channel::<()>();
        let limits = ServerLimits { drain_patience: Duration::from_millis(500), ..ServerLimits::default() };
        let router = api::router(app.clone());
        let serving = tokio::spawn(api::serve(listener, router, limits, async {
            // An error means that the sender is gone, which ends serving just the same.
            let _ = stopped.await;
        }));
        let sweeping = (!options.lockstep)
            .then(|| tokio::spawn(sweep_for_ever(sessions, registry.clone(), catalogue.clone(), store.clone())));
        let hours =
            (!options.lockstep).then(|| tokio::spawn(close_hours_for_ever(closing.clone(), options.clock.clone())));
        let outbound_tasks = (!options.lockstep).then(|| outbound.start());
        Ok(Self {
            app,
            address,
            registry,
            catalogue,
            grid,
            clock: options.clock,
            store,
            closing,
            outbound,
            ticker,
            draining,
            stop_serving,
            serving,
            sweeping,
            hours,
            outbound_tasks,
        })
    }

    /// The next frame that will tick.
    pub fn position(&self) -> FrameNumber {
        self.ticker.position()
    }

    /// What is done every second, for those who crank the clock.
    pub async fn sweep(&self) {
        sweep(&self.app.sessions, &self.registry, &self.catalogue, &self.store).await;
        close_hours(&self.closing, &*self.clock).await;
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
        if self.sweeping.is_some() {
            let last = self.grid.first_frame(self.grid.segment_of(self.position()) + 1);
            let due = self.grid.frame_time(last + 3);
            tokio::time::sleep(due.since(self.clock.now()).min(LAST_SEGMENT_PATIENCE) + LAST_SEGMENT_SERVED).await;
        }
        for task in [self.sweeping.take(), self.hours.take()].into_iter().flatten() {
            task.abort();
        }
        // Long over: it had the time of the last segment.
        if let Some(ended) = outbound_ended
            && let Err(e) = ended.await
        {
            tracing::error!(error = %e, "what goes out did not end well");
        }
        self.app.sessions.shutdown().await;
        // The server may be gone already; then there is nothing to stop.
        let _ = self.stop_serving.send(());
        if let Err(e) = self.serving.await {
            tracing::error!(error = %e, "the server's task failed");
        }
        let catalogue = self.catalogue.clone();
        let mut ticker = self.ticker;
        let stopped = tokio::task::spawn_blocking(move || {
            ticker.stop();
            catalogue.stop();
        });
        if tokio::time::timeout(Duration::from_millis(1000), stopped).await.is_err() {
            tracing::warn!("feeds did not stop in time and are left behind");
        }
        if let Err(e) = self.store.close().await {
            tracing::error!(error = %e, "the store did not close");
        }
    }
}

/// What the parts are made from.
struct Makers<'a> {
    config: &'a Config,
    options: &'a Options,
    metrics: &'a Arc<Metrics>,
    store: &'a Arc<dyn Store>,
}

impl Makers<'_> {
    /// The mosaics' registry with its engines, and a word on whether this machine stitches.
    async fn registry(
        &self,
        compositor: &Arc<dyn Compositor>,
        layouts: &Arc<Layouts>,
        finished: watch::Sender<u64>,
        trial: Option<Trial>,
    ) -> Result<(Arc<MosaicRegistry>, String), StartError> {
        let Config { output, admission, sessions, stitch, .. } = self.config;
        let (grid, preset) = (output.grid, output.preset.name());
        let trial = match trial {
            Some(trial) => trial,
            None => measure(grid, output.renditions.clone(), preset, compositor.clone()).await?,
        };
        let cost = trial.mosaic_cores(grid, |_| true);
        tracing::info!(
            mosaic_cores = format!("{cost:.3}"),
            cores = cores(),
            "trial: what one rendered mosaic takes here"
        );
        let kept = kept_segments(self.config);
        let shared = Arc::new(EncodingShared::new(
            self.options.clock.clone(),
            self.metrics.clone(),
            finished.clone(),
            kept as usize,
            self.options.lockstep,
        ));
        let next = grid.frame_at(self.options.clock.now()) + 1;
        let stitched = stitch.enabled.then_some(&**layouts);
        let rungs: Arc<[Rung]> = ladder(grid, &output.renditions, preset, stitched)?.into();
        let tile_preset = self.tile_preset(&rungs, layouts).await?;
        let (mut engines, mut stitching): (Vec<Arc<dyn Engine>>, _) =
            (Vec::new(), "off: the configuration says so".into());
        if stitch.enabled {
            let settings = StitchSettings {
                grid,
                rungs: rungs.clone(),
                tile_preset: tile_preset.to_owned(),
                shared: shared.clone(),
                trial: trial.clone(),
                layouts: layouts.clone(),
                keep_warm: stitch.keep_warm,
            };
            match stitch_engine(settings, next).await {
                Ok(engine) => {
                    engines.push(Arc::new(engine));
                    self.metrics.stitch_safe.set(1);
                    stitching = "ok".to_owned();
                }
                Err(error) => {
                    tracing::error!(%error, "THIS MACHINE'S ENCODER IS NOT FIT FOR STITCHING: every mosaic is rendered");
                    stitching = format!("off: {error}");
                }
            }
        }
        engines.push(Arc::new(RenderEngine::new(RenderSettings { grid, rungs, shared, trial }, next)));
        let budget = Budget {
            // A cranked clock has no real time to keep: only the configured limit counts.
            cores: if self.options.lockstep { f64::INFINITY } else { cores() as f64 },
            headroom_percent: admission.headroom_percent,
            max_mosaics: admission.max_mosaics,
        };
        let settings = RegistrySettings {
            grid,
            renditions: output.renditions.clone(),
            mosaic_idle: Duration::from_secs(sessions.mosaic_idle_s.into()),
            linger: grid.segment_duration() * kept,
            cache_bytes: CACHE_BYTES,
        };
        let presets = format!("{preset}+{tile_preset}");
        let signer = Signer::new(self.store.secret("mosaics").await?, grid, &output.renditions, &presets);
        let registry = MosaicRegistry::new(
            settings,
            signer,
            self.options.clock.clone(),
            self.metrics.clone(),
            engines,
            Admission::new(budget),
            finished.subscribe(),
        )?;
        Ok((Arc::new(registry), stitching))
    }

    /// The tiles' preset: the configured one, or the slowest that all games' tiles leave room for.
    async fn tile_preset(&self, rungs: &Arc<[Rung]>, layouts: &Arc<Layouts>) -> Result<&'static str, VideoEncodeError> {
        let Config { output, admission, stitch, games, .. } = self.config;
        // A cranked clock has no real time that a measurement could speak of.
        if stitch.tile_preset.is_some() || !stitch.enabled || self.options.lockstep {
            return Ok(stitch.tile_preset.unwrap_or(output.preset).name());
        }
        let (rungs, layouts, games) = (rungs.clone(), layouts.clone(), games.len().max(1));
        let usable = cores() as f64 * f64::from(admission.headroom_percent) / 100.0;
        let measured = tokio::task::spawn_blocking(move || slowest_tile_preset(&rungs, &layouts, games, usable));
        let (preset, tiles_cores) = measured.await.unwrap_or(Ok((output.preset.name(), 0.0)))?;
        tracing::info!(preset, tiles_cores = format!("{tiles_cores:.2}"), "tile preset chosen");
        Ok(preset)
    }

    async fn catalogue(&self, finished: watch::Sender<u64>) -> Result<Arc<Catalogue>, StartError> {
        let settings = CatalogueSettings {
            clock: self.options.clock.clone(),
            metrics: self.metrics.clone(),
            store: self.store.clone(),
            sound: SoundSettings {
                grid: self.config.output.grid,
                bitrate_bps: self.config.output.audio_bitrate_bps,
                window_segments: kept_segments(self.config) as usize,
                lockstep: self.options.lockstep,
                finished,
            },
            secret: self.store.secret("thumbnails").await?,
            max_games: MAX_GAMES,
        };
        Ok(Catalogue::open(settings, self.config.games.clone()).await?)
    }

    async fn sessions(
        &self,
        registry: &Arc<MosaicRegistry>,
        catalogue: &Arc<Catalogue>,
        layouts: &Arc<Layouts>,
    ) -> Result<Arc<Sessions>, StartError> {
        let limits = self.config.sessions;
        let settings = SessionSettings::new(
            &self.config.output.grid,
            Duration::from_secs(limits.idle_s.into()),
            Duration::from_secs(self.config.output.window_s.into()),
            limits.max_sessions as usize,
        );
        Sessions::open(
            self.store.clone(),
            registry.clone(),
            catalogue.clone(),
            layouts.clone(),
            self.options.clock.clone(),
            self.config.output.grid,
            settings,
            self.metrics.clone(),
        )
        .await
        .map_err(|e| StartError::Sessions(e.to_string()))
    }

    /// What goes out by itself. It has looked at caps already: a restart is no way around them.
    async fn outbound(&self, outbox: Arc<SqliteStore>, sessions: &Sessions) -> Result<Arc<Outbound>, HttpError> {
        let Config { prices, ledger, .. } = self.config;
        let parts = OutboundParts {
            outbox,
            standings: Arc::new(MonthWatch::new(Reports::new(
                self.store.ledger(),
                prices.clone(),
                ledger.provider.clone(),
            ))),
            caps: sessions.caps(),
            clock: self.options.clock.clone(),
            metrics: self.metrics.clone(),
        };
        let outbound = Arc::new(Outbound::new(self.config, parts)?);
        outbound.look().await;
        Ok(outbound)
    }

    fn readiness(&self, ticker: &Ticker, draining: &Arc<AtomicBool>) -> Readiness {
        let (store, draining) = (self.store.clone(), draining.clone());
        let (clock, grid, position) = (self.options.clock.clone(), self.config.output.grid, ticker.watch());
        Readiness::new()
            .check("store", move || {
                if store.healthy() { Ok(()) } else { Err("it cannot be written: is the disk full?".into()) }
            })
            .check("tick", move || {
                let behind = clock.now().since(grid.frame_time(position.load(Ordering::Acquire)));
                if behind < TICK_PATIENCE { Ok(()) } else { Err(format!("{behind:.1?} behind")) }
            })
            .check("draining", move || {
                if draining.load(Ordering::Acquire) { Err("the service is ending".into()) } else { Ok(()) }
            })
    }
}

/// The stitch engine, once its tiles are proved to be fit for it.
async fn stitch_engine(settings: StitchSettings, next_frame: FrameNumber) -> Result<StitchEngine, StitchUnsafe> {
    let proved = tokio::task::spawn_blocking(move || {
        self_test(&settings.rungs, settings.grid, &settings.tile_preset)?;
        StitchEngine::new(settings, next_frame)
    });
    proved.await.unwrap_or_else(|panic| Err(StitchUnsafe::Panicked(panic.to_string())))
}

/// A trial of `renditions` off the async threads.
pub async fn measure(
    grid: Grid,
    renditions: Vec<crate::mosaic::RenditionSpec>,
    preset: &'static str,
    compositor: Arc<dyn Compositor>,
) -> Result<Trial, TrialError> {
    tokio::task::spawn_blocking(move || trial_costs(grid, &renditions, preset, &compositor))
        .await
        .unwrap_or(Err(TrialError::Picture))
}

async fn sweep(
    sessions: &Arc<Sessions>,
    registry: &Arc<MosaicRegistry>,
    catalogue: &Arc<Catalogue>,
    store: &Arc<dyn Store>,
) {
    sessions.sweep().await;
    registry.sweep();
    catalogue.sweep();
    if !store.healthy()
        && let Err(e) = store.probe().await
    {
        tracing::warn!(error = %e, "the store still cannot be written; seconds wait in memory");
    }
}

async fn sweep_for_ever(
    sessions: Arc<Sessions>,
    registry: Arc<MosaicRegistry>,
    catalogue: Arc<Catalogue>,
    store: Arc<dyn Store>,
) {
    let mut every = tokio::time::interval(SWEEP_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        sweep(&sessions, &registry, &catalogue, &store).await;
    }
}

async fn close_hours_for_ever(closing: Arc<Closing>, clock: Arc<dyn Clock>) {
    let mut every = tokio::time::interval(CLOSE_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        close_hours(&closing, &*clock).await;
    }
}

/// Closes what is due. An hour that could not be closed is closed with the next run.
async fn close_hours(closing: &Closing, clock: &dyn Clock) {
    match closing.run(clock.now().unix_millis()).await {
        Ok(0) => {}
        Ok(sealed) => tracing::info!(sealed, "hours of the ledger closed"),
        Err(error) => tracing::warn!(%error, "hours of the ledger stay open"),
    }
}
