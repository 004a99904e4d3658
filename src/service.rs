//! The whole service, put together: what `main` runs and what integration tests run with a clock of their own.

mod chores;
mod timekeeper;

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
use crate::config::{CompositorChoice, Config, Keyring, Output};
use crate::encode::{Libraries, VideoEncodeError};
use crate::feed::{self, FeedError, Pace};
use crate::hls::window::capacity_for;
use crate::layout::{Layouts, LayoutsError};
use crate::metrics::Metrics;
use crate::mosaic::{
    Admission, Budget, EncodingShared, Engine, Failing, MosaicRegistry, RegistryError, RegistrySettings, RenderEngine,
    RenderSettings, Rung, Signer, StitchEngine, StitchSettings, StitchUnsafe, Ticker, TickerSettings, Trial,
    TrialError, ladder, self_test, slowest_tile_preset, trial_costs,
};
use crate::outbound::{HttpError, Outbound, OutboundParts, OutboundTasks};
use crate::session::{SessionSettings, Sessions};
use crate::store::{Begin, SqliteLedger, SqliteStore, Store, StoreError};
use crate::timeline::{B_PICTURES, Clock, FrameNumber, Grid};
use crate::usage::{Checking, Closing, Integrity, KeyError, MonthWatch, Reports, ledger_key};
use crate::work::{InHand, SystemThreads};
use chores::{Sweep, start_chores};
use timekeeper::Timekeeper;

/// Games that may run on one machine.
const MAX_GAMES: usize = 256;

/// Bytes of packaged segments kept in memory, besides the windows they are packaged from.
const CACHE_BYTES: usize = 128 << 20;

/// A slice of the store is looked at for damage this often, and after each page of the ledger it rests: about a hundredth of a
/// processor, a month of hours in two hours.
const CHECK_EVERY: Duration = Duration::from_secs(10);
const CHECK_REST: Duration = Duration::from_millis(200);

/// Longest wait for the running segment at the end: everything must be over within five seconds.
const LAST_SEGMENT_PATIENCE: Duration = Duration::from_millis(2500);

/// How long the last segment is served after it is finished: players ask about once a second, not at the end of a segment.
const LAST_SEGMENT_SERVED: Duration = Duration::from_millis(500);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A tick this late means that the service is not making pictures.
const TICK_PATIENCE: Duration = Duration::from_secs(2);

/// How a service runs besides its configuration.
pub struct Options {
    pub clock: Arc<dyn Clock>,
    /// The clock is cranked: feeds wait for their pictures, nothing happens by itself between ticks, and nothing is decided by
    /// how fast this machine is. Whoever cranks waits for [`Service::is_settled`].
    pub lockstep: bool,
    /// How the data directory is taken up.
    pub begin: Begin,
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
    stop_serving: oneshot::Sender<()>,
    serving: JoinHandle<()>,
    timekeeper: Arc<Timekeeper>,
    /// What is done again and again; not where the clock is cranked.
    chores: Vec<JoinHandle<()>>,
    /// As the chores.
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
        let Ground { layouts, metrics, sqlite, store, timekeeper, closing } = Ground::lay(config, &options).await?;
        let integrity = Arc::<Integrity>::default();
        let compositor = start_compositor(config.compositor)?;
        let makers = Makers { config, options: &options, metrics: &metrics, store: &store, timekeeper: &timekeeper };
        let (finished, _) = watch::channel(0);
        let shared = makers.shared(finished);
        let (registry, stitching) = makers.registry(&compositor, &layouts, &shared, trial).await?;
        let catalogue = makers.catalogue(&shared, &registry).await?;
        let grid = config.output.grid;
        let ticker = makers.ticker(&registry, &catalogue, &compositor)?;
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
            readiness: makers.readiness(&ticker, &draining, &integrity, &shared.failing).note("stitch", stitching),
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
        let sweep = Sweep { sessions, registry: registry.clone(), catalogue: catalogue.clone(), store: store.clone() };
        let mut chores = Vec::new();
        if !options.lockstep {
            chores = start_chores(sweep, &timekeeper, &closing);
            chores.push(makers.checking(&integrity).await?);
        }
        let outbound_tasks = (!options.lockstep).then(|| outbound.start());
        Ok(Self {
            app,
            address,
            registry,
            catalogue,
            grid,
            lookahead_frames: config.output.lookahead_frames,
            clock: options.clock,
            store,
            compositor,
            in_hand: shared.in_hand.clone(),
            closing,
            outbound,
            ticker,
            draining,
            stop_serving,
            serving,
            timekeeper,
            chores,
            outbound_tasks,
        })
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
        let (sessions, registry) = (self.app.sessions.clone(), self.registry.clone());
        Sweep { sessions, registry, catalogue: self.catalogue.clone(), store: self.store.clone() }.once().await;
        self.timekeeper.keep(false).await;
        self.timekeeper.close_hours(&self.closing).await;
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
        self.timekeeper.keep(true).await;
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
        let layouts = Arc::new(match &config.layouts_dir {
            Some(dir) => Layouts::load(dir)?,
            None => Layouts::bundled(),
        });
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

/// What the parts are made from.
struct Makers<'a> {
    config: &'a Config,
    options: &'a Options,
    metrics: &'a Arc<Metrics>,
    store: &'a Arc<dyn Store>,
    timekeeper: &'a Arc<Timekeeper>,
}

impl Makers<'_> {
    /// What all encoders share, those of sound included.
    fn shared(&self, finished: watch::Sender<u64>) -> Arc<EncodingShared> {
        let (clock, metrics) = (self.options.clock.clone(), self.metrics.clone());
        Arc::new(EncodingShared::new(clock, metrics, finished, kept_segments(self.config) as usize))
    }

    /// The mosaics' registry with its engines, and a word on whether this machine stitches.
    async fn registry(
        &self,
        compositor: &Arc<dyn Compositor>,
        layouts: &Arc<Layouts>,
        shared: &Arc<EncodingShared>,
        trial: Option<Trial>,
    ) -> Result<(Arc<MosaicRegistry>, String), StartError> {
        let Config { output, admission, sessions, stitch, .. } = self.config;
        let (grid, preset, lookahead_frames) = (output.grid, output.preset.name(), output.lookahead_frames);
        let trial = match trial {
            Some(trial) => trial,
            None => measure(output, compositor.clone()).await?,
        };
        let cost = trial.mosaic_cores(grid, |_| true);
        tracing::info!(
            mosaic_cores = format!("{cost:.3}"),
            cores = cores(),
            "trial: what one rendered mosaic takes here"
        );
        let next = grid.frame_at(self.options.clock.now()) + 1;
        let stitched = stitch.enabled.then_some(&**layouts);
        let rungs: Arc<[Rung]> = ladder(grid, &output.renditions, preset, lookahead_frames, stitched)?.into();
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
        engines.push(Arc::new(RenderEngine::new(RenderSettings { grid, rungs, shared: shared.clone(), trial }, next)));
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
            linger: grid.segment_duration() * kept_segments(self.config),
            cache_bytes: CACHE_BYTES,
        };
        let mut presets = format!("{preset}+{tile_preset}+{B_PICTURES}b{lookahead_frames}");
        // Segment numbers that come again must not have names that caches know already.
        if self.timekeeper.era() > 0 {
            presets += &format!("@{}", self.timekeeper.era());
        }
        let signer = Signer::new(self.store.secret("mosaics").await?, grid, &output.renditions, &presets);
        let registry = MosaicRegistry::new(
            settings,
            signer,
            self.options.clock.clone(),
            self.metrics.clone(),
            engines,
            Admission::new(budget),
            shared.finished.subscribe(),
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

    async fn catalogue(
        &self,
        shared: &Arc<EncodingShared>,
        registry: &Arc<MosaicRegistry>,
    ) -> Result<Arc<Catalogue>, StartError> {
        let sound = SoundSettings {
            grid: self.config.output.grid,
            clock: self.options.clock.clone(),
            metrics: self.metrics.clone(),
            bitrate_bps: self.config.output.audio_bitrate_bps,
            window_segments: kept_segments(self.config) as usize,
            finished: shared.finished.clone(),
            failing: shared.failing.clone(),
            in_hand: shared.in_hand.clone(),
            encoders: Arc::new(Libraries),
            threads: Arc::new(SystemThreads),
        };
        let settings = CatalogueSettings {
            clock: self.options.clock.clone(),
            metrics: self.metrics.clone(),
            store: self.store.clone(),
            sound: Arc::new(sound),
            registry: registry.clone(),
            pace: if self.options.lockstep { Pace::Lockstep } else { Pace::Realtime },
            secret: self.store.secret("thumbnails").await?,
            max_games: MAX_GAMES,
        };
        Ok(Catalogue::open(settings, self.config.games.clone()).await?)
    }

    /// Ticks from the next frame on.
    fn ticker(
        &self,
        registry: &Arc<MosaicRegistry>,
        catalogue: &Arc<Catalogue>,
        compositor: &Arc<dyn Compositor>,
    ) -> Result<Ticker, StartError> {
        let grid = self.config.output.grid;
        let settings = TickerSettings {
            grid,
            clock: self.options.clock.clone(),
            metrics: self.metrics.clone(),
            games: catalogue.clone(),
            registry: registry.clone(),
            compositor: compositor.clone(),
        };
        Ticker::start(settings, grid.frame_at(self.options.clock.now()) + 1).map_err(StartError::Tick)
    }

    async fn sessions(
        &self,
        registry: &Arc<MosaicRegistry>,
        catalogue: &Arc<Catalogue>,
        layouts: &Arc<Layouts>,
    ) -> Result<Arc<Sessions>, StartError> {
        let limits = self.config.sessions;
        let mut settings = SessionSettings::new(
            &self.config.output.grid,
            Duration::from_secs(limits.idle_s.into()),
            Duration::from_secs(self.config.output.window_s.into()),
            limits.max_sessions as usize,
        );
        settings.keep_ended = DAY * limits.keep_ended_days;
        settings.era = self.timekeeper.era();
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

    /// Looks for damage in what is stored, as long as the service runs.
    async fn checking(&self, integrity: &Arc<Integrity>) -> Result<JoinHandle<()>, StoreError> {
        let ledger = SqliteLedger::open_at_leisure(&self.config.data_dir, CHECK_REST).await?;
        let mut checking = Checking::new(ledger, integrity.clone(), self.metrics.clone());
        Ok(tokio::spawn(async move {
            loop {
                tokio::time::sleep(CHECK_EVERY).await;
                if let Err(error) = checking.step().await {
                    tracing::debug!(%error, "nothing was checked");
                }
            }
        }))
    }

    fn readiness(
        &self,
        ticker: &Ticker,
        draining: &Arc<AtomicBool>,
        integrity: &Arc<Integrity>,
        failing: &Arc<Failing>,
    ) -> Readiness {
        let (store, draining, failing) = (self.store.clone(), draining.clone(), failing.clone());
        let (database, hours) = (integrity.clone(), integrity.clone());
        let (clock, grid, position) = (self.options.clock.clone(), self.config.output.grid, ticker.watch());
        let (timekeeper, waits) = (self.timekeeper.clone(), self.timekeeper.clone());
        Readiness::new()
            .told("clock", move || timekeeper.note())
            .check("store", move || {
                if store.healthy() { Ok(()) } else { Err("it cannot be written: is the disk full?".into()) }
            })
            .check("database", move || database.damage().map_or(Ok(()), Err))
            // A broken hour is a matter for people with a backup. It makes nobody unready.
            .told("ledger", move || hours.broken_hours().or_else(|| waits.hours_wait()).unwrap_or_else(|| "ok".into()))
            .check("tick", move || {
                let behind = clock.now().since(grid.frame_time(position.load(Ordering::Acquire)));
                if behind < TICK_PATIENCE { Ok(()) } else { Err(format!("{behind:.1?} behind")) }
            })
            // New viewers would see holes: they are better off elsewhere until it works again.
            .check("encoders", move || failing.report())
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

/// A trial of `output`'s renditions off the async threads.
pub async fn measure(output: &Output, compositor: Arc<dyn Compositor>) -> Result<Trial, TrialError> {
    let Output { grid, renditions, preset, lookahead_frames, .. } = output.clone();
    tokio::task::spawn_blocking(move || trial_costs(grid, &renditions, preset.name(), lookahead_frames, &compositor))
        .await
        .unwrap_or(Err(TrialError::Picture))
}
