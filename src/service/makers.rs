//! Makes the service's parts of its configuration.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::breaks::check_decision_urls;
use super::timekeeper::Timekeeper;
use super::{Options, StartError, cores, measure, tenants};
use crate::api::{App, Door, Rates, Readiness, Starts};
use crate::assets::Assets;
use crate::audit::Audit;
use crate::breaks::Fills;
use crate::catalogue::{Borders, Catalogue, CatalogueSettings};
use crate::clips::{ClipSettings, Clips};
use crate::compositor::Compositor;
use crate::config::{Config, Feeds, Output};
use crate::encode::{Libraries, VideoEncodeError};
use crate::feed::{Apart, Pace};
use crate::keys::Keys;
use crate::ladder::Rung;
use crate::layout::Layouts;
use crate::metrics::Metrics;
use crate::mosaic::{
    Admission, Budget, Engine, MosaicRegistry, Names, ReelMaker, RegistrySettings, RenderEngine, RenderSettings,
    StitchEngine, StitchSettings, StitchUnsafe, Ticker, TickerSettings, Trial, of_h264, open_ladder, self_test,
    slowest_tile_preset,
};
use crate::outbound::{HttpError, Outbound, OutboundParts, Webhooks};
use crate::reach::Own;
use crate::session::{SessionSettings, Sessions, StartOverRight};
use crate::stitch::{Format, Pps, Sps};
use crate::store::{SqliteLedger, SqliteStore, Store, StoreError};
use crate::timeline::{B_PICTURES, FrameNumber};
use crate::track::{
    DiskSettings, DiskShelf, EncodingShared, Failing, LayeredShelf, MemoryShelf, SoundSettings, capacity_for,
};
use crate::usage::{Checking, Integrity, MonthWatch, Reports};
use crate::work::{InHand, SystemThreads};

/// Games that may run on one machine.
const MAX_GAMES: usize = 256;

/// Bytes of packaged segments kept in memory, besides the windows they are packaged from.
const CACHE_BYTES: usize = 128 << 20;

/// A slice of the store is looked at for damage this often, and after each page of the ledger it rests: about a hundredth of a
/// processor, a month of hours in two hours.
const CHECK_EVERY: Duration = Duration::from_secs(10);
const CHECK_REST: Duration = Duration::from_millis(200);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A tick this late means that the service is not making pictures.
const TICK_PATIENCE: Duration = Duration::from_secs(2);

/// Segments that engines and sound keep: what playlists list, and as much again for those who read one a moment ago.
fn kept_segments(config: &Config) -> u32 {
    let segment_ms = config.output.grid.segment_duration().as_millis().max(1);
    let listed = (u128::from(config.output.window_s) * 1000).div_ceil(segment_ms);
    u32::try_from(capacity_for(usize::try_from(listed).unwrap_or(usize::MAX))).unwrap_or(u32::MAX)
}

/// Segments that viewers may go back; none where nothing is kept.
fn start_over_segments(config: &Config) -> u64 {
    let window_s = config.start_over.as_ref().map_or(0, |start_over| start_over.window_s);
    let segment_ms = config.output.grid.segment_duration().as_millis().max(1);
    u64::try_from((u128::from(window_s) * 1000).div_ceil(segment_ms)).unwrap_or(u64::MAX)
}

/// The canvases that tiles of each rung stand on.
fn formats(rungs: &[Rung]) -> HashMap<Arc<str>, Format> {
    let format = |rung: &Rung| {
        let sets = rung.codec.h264()?;
        let format = Format::new(Sps::parse(&sets.sps).ok()?, Pps::parse(&sets.pps).ok()?).ok()?;
        Some((rung.spec.name.as_str().into(), format))
    };
    // A rung whose sets are not understood is not stitched, and has no tiles.
    rungs.iter().filter_map(format).collect()
}

/// Of all parameter sets: what was coded under others is read by them alone.
fn sets_digest(rungs: &[Rung]) -> String {
    let mut digest = Sha256::new();
    for Rung { spec, codec, .. } in rungs {
        for bytes in [spec.name.as_bytes()].into_iter().chain(codec.sets().each().map(|set| &**set)) {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        }
    }
    hex::encode(digest.finalize())
}

/// What the parts are made from.
pub(super) struct Makers<'a> {
    pub config: &'a Config,
    pub options: &'a Options,
    pub metrics: &'a Arc<Metrics>,
    pub store: &'a Arc<dyn Store>,
    pub timekeeper: &'a Arc<Timekeeper>,
}

impl Makers<'_> {
    /// The ladder, with the parameter sets of its encoders.
    pub fn rungs(&self, layouts: &Layouts) -> Result<Arc<[Rung]>, VideoEncodeError> {
        let Config { output, stitch, .. } = self.config;
        let stitched = stitch.enabled.then_some(layouts);
        let preset = output.preset.name();
        Ok(open_ladder(output.grid, &output.renditions, preset, output.lookahead_frames, stitched)?.into())
    }

    /// What all encoders share, those of sound included, and the shelves that their blocks lie on.
    pub async fn shared(&self, rungs: &Arc<[Rung]>) -> Result<(Arc<EncodingShared>, LayeredShelf), StartError> {
        let (clock, metrics) = (self.options.clock.clone(), self.metrics.clone());
        let in_hand = InHand::default();
        let disk = self.disk(rungs, &in_hand).await?;
        let memory = MemoryShelf::new(self.config.output.grid, kept_segments(self.config) as usize);
        let memory = Arc::new(match &disk {
            Some(disk) => memory.kept_by(disk.clone()),
            None => memory,
        });
        let shelf = LayeredShelf::new(memory.clone(), disk);
        Ok((Arc::new(EncodingShared::new(clock, metrics, memory).counted_in(in_hand)), shelf))
    }

    /// The start-over window, where the configuration has one.
    async fn disk(&self, rungs: &Arc<[Rung]>, in_hand: &InHand) -> Result<Option<Arc<DiskShelf>>, StartError> {
        let Some(start_over) = &self.config.start_over else { return Ok(None) };
        let grid = self.config.output.grid;
        let settings = DiskSettings {
            dir: start_over.dir.clone().unwrap_or_else(|| self.config.data_dir.join("start-over")),
            grid,
            set_up: format!("{}/{}", self.set_up(), sets_digest(rungs)),
            formats: formats(rungs),
            segments: start_over_segments(self.config),
            bytes: start_over.bytes,
        };
        let (clock, metrics, in_hand) = (self.options.clock.clone(), self.metrics.clone(), in_hand.clone());
        let dir = settings.dir.clone();
        let opened = tokio::task::spawn_blocking(move || DiskShelf::open(settings, clock, metrics, in_hand)).await;
        let opened = opened.unwrap_or_else(|panic| Err(std::io::Error::other(panic.to_string())));
        opened.map(Some).map_err(|source| StartError::StartOver { dir, source })
    }

    /// What encoders are told, on all machines alike.
    fn set_up(&self) -> String {
        let Output { preset, lookahead_frames, .. } = &self.config.output;
        // Not the tiles' preset, which a machine may choose by the room it has.
        let mut set_up = format!("{}+{B_PICTURES}b{lookahead_frames}", preset.name());
        // Segment numbers that come again must not have names that caches know already.
        if self.timekeeper.era() > 0 {
            set_up += &format!("@{}", self.timekeeper.era());
        }
        set_up
    }

    /// The mosaics' registry with its engines, and a word on whether this machine stitches.
    pub async fn registry(
        &self,
        compositor: &Arc<dyn Compositor>,
        (layouts, assets): (&Arc<Layouts>, &Arc<Assets>),
        rungs: &Arc<[Rung]>,
        (shared, shelf): (&Arc<EncodingShared>, &LayeredShelf),
        trial: Option<Trial>,
    ) -> Result<(Arc<MosaicRegistry>, Option<Arc<ReelMaker>>, String), StartError> {
        let Config { output, admission, sessions, stitch, start_over, .. } = self.config;
        let grid = output.grid;
        let trial = match trial {
            Some(trial) => trial,
            None => measure(output, compositor.clone()).await?,
        };
        let mosaic_cores = format!("{:.3}", trial.mosaic_cores(grid, |_| true));
        tracing::info!(mosaic_cores, cores = cores(), "trial: what one rendered mosaic takes here");
        let next = grid.frame_at(self.options.clock.now()) + 1;
        let tile_preset = self.tile_preset(rungs, layouts).await?;
        let (mut engines, mut maker, mut stitching): (Vec<Arc<dyn Engine>>, _, _) =
            (Vec::new(), None, "off: the configuration says so".into());
        if stitch.enabled {
            let settings = StitchSettings {
                grid,
                rungs: of_h264(rungs).into(),
                tile_preset: tile_preset.to_owned(),
                shared: shared.clone(),
                trial: trial.clone(),
                layouts: layouts.clone(),
                keep_warm: stitch.keep_warm,
                max_skinned_tiles: stitch.max_skinned_tiles as usize,
                recorded: start_over.as_ref().map(|start_over| start_over.layouts.clone()).unwrap_or_default(),
                assets: assets.clone(),
            };
            match stitch_engine(settings, next).await {
                Ok((engine, reels)) => {
                    engines.push(Arc::new(engine));
                    maker = Some(Arc::new(reels));
                    self.metrics.stitch_safe.set(1);
                    stitching = "ok".to_owned();
                }
                Err(error) => {
                    tracing::error!(%error, "THIS MACHINE'S ENCODER IS NOT FIT FOR STITCHING: every mosaic is rendered");
                    stitching = format!("off: {error}");
                }
            }
        }
        engines.push(Arc::new(RenderEngine::new(
            RenderSettings { grid, rungs: rungs.clone(), shared: shared.clone(), trial, assets: assets.clone() },
            next,
        )));
        let budget = Budget {
            // A cranked clock has no real time to keep: only the configured limit counts.
            cores: if self.options.lockstep { f64::INFINITY } else { cores() as f64 },
            headroom_percent: admission.headroom_percent,
            max_mosaics: admission.max_mosaics,
        };
        let settings = RegistrySettings {
            grid,
            rungs: rungs.clone(),
            mosaic_idle: Duration::from_secs(sessions.mosaic_idle_s.into()),
            linger: grid.segment_duration() * kept_segments(self.config),
            cache_bytes: CACHE_BYTES,
            rendered: tenants::shares(&self.config.tenants, |limits| limits.max_mosaics),
        };
        let names = self.names(layouts).await?;
        let registry = MosaicRegistry::new(
            settings,
            names,
            Arc::new(shelf.clone()),
            self.options.clock.clone(),
            self.metrics.clone(),
            engines,
            Admission::new(budget),
        )?;
        Ok((Arc::new(registry), maker, stitching))
    }

    /// What names mosaics.
    pub async fn names(&self, layouts: &Layouts) -> Result<Names, StartError> {
        let Output { grid, renditions, .. } = &self.config.output;
        Ok(Names::new(self.store.secret("mosaics").await?, *grid, renditions, &self.set_up(), layouts))
    }

    /// The tiles' preset: the configured one, or the slowest that all games' tiles leave room for.
    pub async fn tile_preset(
        &self,
        rungs: &Arc<[Rung]>,
        layouts: &Arc<Layouts>,
    ) -> Result<&'static str, VideoEncodeError> {
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

    pub async fn catalogue(
        &self,
        (shared, shelf): (&Arc<EncodingShared>, &LayeredShelf),
        registry: &Arc<MosaicRegistry>,
        own: Own,
    ) -> Result<Arc<Catalogue>, StartError> {
        let sound = SoundSettings {
            grid: self.config.output.grid,
            clock: self.options.clock.clone(),
            metrics: self.metrics.clone(),
            bitrate_bps: self.config.output.audio_bitrate_bps,
            shelf: shared.shelf.clone(),
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
            shelf: shelf.clone(),
            registry: registry.clone(),
            pace: if self.options.lockstep { Pace::Lockstep } else { Pace::Realtime },
            secret: self.store.secret("thumbnails").await?,
            max_games: MAX_GAMES,
            shares: tenants::shares(&self.config.tenants, |limits| limits.max_games),
            decoding_limits: tenants::of_decoding(&self.config.tenants),
            break_policy: self.config.break_policy,
            most_delay: self.config.in_step.most_delay,
            max_sounds: self.config.output.max_sounds,
            borders: Borders::new(self.config, own),
            apart: self.apart(),
        };
        Ok(Catalogue::open(settings, self.config.games.clone()).await?)
    }

    /// How feeds are decoded in processes of their own, where they are.
    pub fn apart(&self) -> Option<Arc<Apart>> {
        if self.config.feeds == Feeds::Inside {
            return None;
        }
        Some(Arc::new(Apart::new(self.program(), vec!["feed-child".into()]).grouped()))
    }

    /// This program. Not by its name: that may be another version's by now.
    pub fn program(&self) -> PathBuf {
        self.options.feed_program.clone().unwrap_or_else(|| "/proc/self/exe".into())
    }

    /// Ticks from the next frame on.
    pub fn ticker(
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

    pub async fn sessions(
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
        settings.max_outputs = limits.max_outputs as usize;
        settings.keep_ended = DAY * limits.keep_ended_days;
        settings.era = self.timekeeper.era();
        settings.url_valid = Some(Duration::from_secs(limits.url_valid_s.into())).filter(|valid| !valid.is_zero());
        settings.max_players = NonZeroUsize::new(limits.max_players as usize);
        if let Some(start_over) = &self.config.start_over {
            settings.start_over = Some(StartOverRight {
                segments: start_over_segments(self.config),
                pause: Duration::from_secs(start_over.pause_s.max(limits.idle_s).into()),
                linger: Duration::from_secs(start_over.linger_s.into()),
            });
        }
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

    /// Takes up markets and sets of outputs.
    pub async fn rules(&self, sessions: &Sessions, (store, own): (Arc<SqliteStore>, Own)) -> Result<(), StartError> {
        sessions.share_among(&tenants::of_sessions(&self.config.tenants));
        check_decision_urls(self.config, &Borders::new(self.config, own))?;
        sessions.markets().fill(&self.config.markets, store.clone()).await?;
        Ok(sessions.outputs().fill(&self.config.outputs, store).await?)
    }

    /// What requests are answered from.
    pub fn app(
        &self,
        (sessions, registry, catalogue): (&Arc<Sessions>, &Arc<MosaicRegistry>, &Arc<Catalogue>),
        (layouts, assets): (Arc<Layouts>, Arc<Assets>),
        (fills, webhooks): (&Arc<Fills>, Arc<Webhooks>),
        (keys, audit): (Keys, Audit),
        (readiness, own): (Readiness, Own),
    ) -> Result<Arc<App>, StartError> {
        let Config { prices, ledger, .. } = self.config;
        Ok(Arc::new(App {
            sessions: sessions.clone(),
            mosaics: registry.clone(),
            catalogue: catalogue.clone(),
            layouts,
            assets,
            reports: Reports::new(self.store.ledger(), prices.clone(), ledger.provider.clone()),
            fills: fills.clone(),
            keys,
            audit,
            webhooks,
            rates: Rates::new(self.config.requests),
            starts: Starts::new(&self.config.tenants),
            metrics: self.metrics.clone(),
            clock: self.options.clock.clone(),
            readiness,
            clips: self.clips(registry, catalogue)?,
            door: Door::new(&self.config.network),
            borders: Borders::new(self.config, own),
        }))
    }

    /// The keys of the configuration, and those that operators made before; and what is done with them.
    pub async fn keys(&self, store: Arc<SqliteStore>) -> Result<(Keys, Audit), StartError> {
        let keys = Keys::new(&self.config.tenants);
        keys.fill(store.clone()).await?;
        Ok((keys, Audit::open(store).await?))
    }

    /// Clips, where there is something to make them of.
    pub fn clips(
        &self,
        registry: &Arc<MosaicRegistry>,
        catalogue: &Arc<Catalogue>,
    ) -> Result<Option<Arc<Clips>>, StartError> {
        let Some(start_over) = &self.config.start_over else { return Ok(None) };
        let dir = self.config.data_dir.join("clips");
        let settings = ClipSettings { dir: dir.clone(), bytes: start_over.clip_bytes, grid: self.config.output.grid };
        let clips =
            Clips::open(settings, registry.clone(), catalogue.clone(), catalogue.clone(), self.options.clock.clone());
        clips.map(Some).map_err(|source| StartError::StartOver { dir, source })
    }

    /// What goes out by itself. It has looked at caps already: a restart is no way around them.
    pub async fn outbound(
        &self,
        outbox: Arc<SqliteStore>,
        sessions: &Sessions,
        webhooks: &Arc<Webhooks>,
    ) -> Result<Arc<Outbound>, HttpError> {
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
            webhooks: webhooks.clone(),
        };
        let outbound = Arc::new(Outbound::new(self.config, parts)?);
        outbound.look().await;
        Ok(outbound)
    }

    /// Looks for damage in what is stored, as long as the service runs.
    pub async fn checking(&self, integrity: &Arc<Integrity>) -> Result<JoinHandle<()>, StoreError> {
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

    pub fn readiness(
        &self,
        ticker: &Ticker,
        draining: &Arc<AtomicBool>,
        integrity: &Arc<Integrity>,
        failing: &Arc<Failing>,
        shelf: &LayeredShelf,
    ) -> Readiness {
        let disk = shelf.disk().cloned();
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
            // Live viewers lose nothing by it.
            .told("start_over", move || match &disk {
                Some(disk) => disk.trouble().unwrap_or_else(|| "ok".into()),
                None => "off".into(),
            })
            // New viewers would see holes: they are better off elsewhere until it works again.
            .check("encoders", move || failing.report())
            .check("draining", move || {
                if draining.load(Ordering::Acquire) { Err("the service is ending".into()) } else { Ok(()) }
            })
    }
}

/// The stitch engine, once its tiles are proved to be fit for it, and what makes tiles beforehand.
async fn stitch_engine(
    settings: StitchSettings,
    next_frame: FrameNumber,
) -> Result<(StitchEngine, ReelMaker), StitchUnsafe> {
    let proved = tokio::task::spawn_blocking(move || {
        self_test(&settings.rungs, settings.grid, &settings.tile_preset)?;
        let reels = ReelMaker::new(&settings)?;
        Ok((StitchEngine::new(settings, next_frame)?, reels))
    });
    proved.await.unwrap_or_else(|panic| Err(StitchUnsafe::Panicked(panic.to_string())))
}
