//! The service's server as a child process: its router, its connections, its registry and cache of segments. Feeds, ticks and
//! encoders are left out.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use quadrille::api::{self, App, Door, Readiness, ServerLimits, Starts};
use quadrille::assets::Assets;
use quadrille::audit::Audit;
use quadrille::breaks::Fills;
use quadrille::catalogue::{Borders, Catalogue, CatalogueSettings};
use quadrille::config::{BreakPolicy, Config};
use quadrille::encode::Libraries;
use quadrille::feed::Pace;
use quadrille::keys::Keys;
use quadrille::ladder::{RenditionSpec, VideoCodec};
use quadrille::layout::Layouts;
use quadrille::metrics::Metrics;
use quadrille::mosaic::{
    Admission, Budget, EngineChoice, MosaicRegistry, MosaicSpec, Mosaics, Names, RegistrySettings, Shares, open_ladder,
};
use quadrille::outbound::{WebhookParts, Webhooks};
use quadrille::reach::Reach;
use quadrille::session::{SessionSettings, Sessions};
use quadrille::store::{SqliteStore, Store};
use quadrille::timeline::{Clock, Grid, SystemClock};
use quadrille::track::{Failing, LayeredShelf, MemoryShelf, SoundSettings};
use quadrille::usage::{PriceBook, Reports};
use quadrille::work::{InHand, SystemThreads};
use tokio::net::TcpListener;

use super::client::{self, Target};
use super::held::{HeldEngine, SEGMENT};
use super::{SIZES, process};

/// The argument that makes this program the server.
pub const CHILD: &str = "--server";

pub struct Server {
    process: Child,
    address: String,
    /// Of the segment in each rendition.
    paths: Vec<String>,
}

impl Server {
    pub fn start() -> Self {
        let mut process = Command::new(std::env::current_exe().expect("this program has a path"))
            .arg(CHILD)
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server starts");
        let mut line = String::new();
        BufReader::new(process.stdout.take().expect("it is piped"))
            .read_line(&mut line)
            .expect("the server says where");
        let (address, paths) = line.trim().split_once(' ').expect("an address and paths");
        Self { address: address.to_owned(), paths: paths.split(' ').map(str::to_owned).collect(), process }
    }

    /// The segment of every rendition.
    pub fn bodies(&self) -> Vec<(String, Vec<u8>)> {
        SIZES.iter().map(|(name, _)| ((*name).to_owned(), client::body(&self.named(name, 0)))).collect()
    }

    pub fn target(&self, rendition: &str) -> Target {
        let length = client::body(&self.named(rendition, 0)).len();
        self.named(rendition, length)
    }

    fn named(&self, rendition: &str, length: usize) -> Target {
        let at = SIZES.iter().position(|(name, _)| *name == rendition).expect("it is a rendition");
        let path = self.paths[at].clone();
        Target { address: self.address.clone(), path, length }
    }

    pub fn processes(&self) -> Vec<u32> {
        let mut all = process::children(self.process.id());
        all.push(self.process.id());
        all
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Serves until it is killed; says where on standard output.
pub fn serve() {
    // As the program itself does.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let dir = tempfile::tempdir().expect("a folder");
        let (app, paths) = app(dir.path()).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("{} {}", listener.local_addr().expect("it has an address"), paths.join(" "));
        let limits = ServerLimits::default();
        api::serve(listener, api::router(app.clone()), None, limits, app.metrics.clone(), std::future::pending()).await;
    });
}

/// Nobody is told anything.
async fn webhooks(rows: &Arc<SqliteStore>, clock: &Arc<dyn Clock>, metrics: &Arc<Metrics>) -> Arc<Webhooks> {
    let parts = WebhookParts {
        rows: rows.clone(),
        events: Arc::default(),
        clock: clock.clone(),
        metrics: metrics.clone(),
        reach_of: Arc::new(|_| Reach::of_ones_own()),
        root: [1; 32],
    };
    Webhooks::open(&Config::demo(), parts).await.expect("webhooks")
}

/// The application with one mosaic made, and the paths of its renditions' segments.
async fn app(dir: &std::path::Path) -> (Arc<App>, Vec<String>) {
    let grid = Grid::new("30".parse().expect("a frame rate"), 60);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let metrics = Arc::new(Metrics::new().expect("metrics"));
    let sqlite = Arc::new(SqliteStore::open(dir).await.expect("a store"));
    let store: Arc<dyn Store> = sqlite.clone();
    let layouts = Arc::new(Layouts::bundled());
    let shelf = Arc::new(MemoryShelf::new(grid, 31));
    let registry = Arc::new(registry(grid, &clock, &metrics, &layouts, shelf.clone()));
    let settings = CatalogueSettings {
        registry: registry.clone(),
        clock: clock.clone(),
        metrics: metrics.clone(),
        store: store.clone(),
        sound: Arc::new(sound(grid, &clock, &metrics, &shelf)),
        shelf: LayeredShelf::new(shelf.clone(), None),
        pace: Pace::Realtime,
        secret: [1; 32],
        max_games: 1,
        shares: Shares::default(),
        decoding_limits: Shares::default(),
        break_policy: BreakPolicy::Show,
        most_delay: Duration::ZERO,
        max_sounds: 1,
        borders: Borders::none(),
        apart: None,
    };
    let catalogue = Catalogue::open(settings, Vec::new()).await.expect("a catalogue");
    let layout = layouts.get("1").expect("it is bundled");
    let shown = MosaicSpec { layout, games: vec!["g".into()], art: Vec::new() };
    let placement = registry.want(&shown, EngineChoice::Auto).expect("room");
    HeldEngine::put_down(grid, &shelf, &placement.id, &SIZES);
    let settings = SessionSettings::new(&grid, Duration::from_secs(30), Duration::from_secs(30), 100);
    let (mosaics, games) = (registry.clone(), catalogue.clone());
    let sessions =
        Sessions::open(store.clone(), mosaics, games, layouts.clone(), clock.clone(), grid, settings, metrics.clone());
    let app = App {
        sessions: sessions.await.expect("sessions"),
        mosaics: registry,
        catalogue,
        layouts,
        assets: Assets::none(),
        reports: Reports::new(store.ledger(), PriceBook::default(), "Quadrille".into()),
        audit: Audit::open(sqlite.clone()).await.expect("an audit"),
        webhooks: webhooks(&sqlite, &clock, &metrics).await,
        fills: Arc::new(Fills::new(sqlite, grid)),
        keys: Keys::new(&[]),
        rates: None,
        starts: Starts::default(),
        metrics,
        clock,
        readiness: Readiness::new(),
        clips: None,
        door: Door::default(),
        borders: Borders::none(),
    };
    let path = |(name, _): &(&str, usize)| app.sessions.segment_address(&placement.id.0, name, SEGMENT);
    let paths = SIZES.iter().map(path).collect();
    (Arc::new(app), paths)
}

fn sound(grid: Grid, clock: &Arc<dyn Clock>, metrics: &Arc<Metrics>, shelf: &Arc<MemoryShelf>) -> SoundSettings {
    SoundSettings {
        grid,
        clock: clock.clone(),
        metrics: metrics.clone(),
        bitrate_bps: 128_000,
        shelf: shelf.clone(),
        failing: Failing::new(metrics.clone()),
        in_hand: InHand::default(),
        encoders: Arc::new(Libraries),
        threads: Arc::new(SystemThreads),
    }
}

fn registry(
    grid: Grid,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
    layouts: &Layouts,
    shelf: Arc<MemoryShelf>,
) -> MosaicRegistry {
    let rung = |name: &str, width, height, bitrate_bps| RenditionSpec {
        name: name.into(),
        width,
        height,
        bitrate_bps,
        codec: VideoCodec::H264,
    };
    let renditions = vec![rung(SIZES[0].0, 1920, 1080, 6_000_000), rung(SIZES[1].0, 960, 540, 1_600_000)];
    let engine = HeldEngine::new(&SIZES);
    let names = Names::new([2; 32], grid, &renditions, "veryfast", layouts);
    let settings = RegistrySettings {
        grid,
        rungs: open_ladder(grid, &renditions, "veryfast", 10, None).expect("x264 opens").into(),
        mosaic_idle: Duration::from_secs(3600),
        linger: Duration::from_secs(3600),
        rendered: Shares::default(),
        cache_bytes: 128 << 20,
    };
    let budget = Budget { cores: f64::INFINITY, headroom_percent: 100, max_mosaics: None };
    let admission = Admission::new(budget);
    let engines: Vec<Arc<dyn quadrille::mosaic::Engine>> = vec![Arc::new(engine)];
    MosaicRegistry::new(settings, names, shelf, clock.clone(), metrics.clone(), engines, admission).expect("a registry")
}
