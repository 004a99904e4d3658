//! `quadrille demo`: six synthetic games on whatever machine this is.

mod tournament;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quadrille::config::{Config, Output};
use quadrille::feed::{self, Feed, FeedSpec, Pace};
use quadrille::ladder::{RenditionSpec, VideoCodec};
use quadrille::mosaic::{Trial, process_cpu_time};
use quadrille::service::{self, Options, Service};
use quadrille::timeline::{Clock, Grid, SystemClock};

use crate::Signals;
use crate::cli::DemoOptions;

/// Ladders in order of preference: name, width, height, bits a second.
const LADDERS: [&[(&str, u32, u32, u32)]; 5] = [
    &[
        ("1080p", 1920, 1080, 6_000_000),
        ("720p", 1280, 720, 3_000_000),
        ("540p", 960, 540, 1_600_000),
        ("360p", 640, 360, 800_000),
    ],
    &[("1080p", 1920, 1080, 6_000_000), ("540p", 960, 540, 1_600_000)],
    &[("720p", 1280, 720, 3_500_000), ("360p", 640, 360, 900_000)],
    &[("540p", 960, 540, 1_600_000)],
    &[("360p", 640, 360, 900_000)],
];

/// Mosaics that must run at once: a swap makes the new one while the old one is still listed.
const MOSAICS_AT_ONCE: f64 = 2.0;

/// How long the games are watched alone to see what they take.
const FEED_TRIAL: Duration = Duration::from_millis(1500);

pub async fn run(options: DemoOptions) -> anyhow::Result<ExitCode> {
    if let Some(matches) = options.tournament {
        return run_tournament(matches, options).await;
    }
    let signals = Signals::listen()?;
    let mut config = Config::demo();
    config.listen = options.listen;
    config.data_dir = options.data_dir;
    let begin = options.begin.into();
    feed::init()?;
    println!("Measuring this machine ({} cores) …", service::cores());
    let (renditions, trial) = pick_ladder(&config).await?;
    config.output.renditions = renditions;
    let options =
        Options { clock: Arc::new(SystemClock::new()), lockstep: false, feed_program: None, begin, spans: None };
    let service = Service::start(&config, options, Some(trial)).await?;
    println!("\nSix games are on. Pick one to four of them here:\n");
    println!("page: http://{}/?key=demo-device", service.address);
    println!("operators: http://{}/operator", service.address);
    println!("\ndevice key:   demo-device\noperator key: demo-operator\nend it with Ctrl-C\n");
    Ok(signals.end(service).await)
}

async fn run_tournament(matches: u32, options: DemoOptions) -> anyhow::Result<ExitCode> {
    let signals = Signals::listen()?;
    // Not where the six games have theirs: a ledger belongs to one service.
    let mut config = tournament::config(matches, &options.data_dir.join("tournament-art"))?;
    (config.listen, config.data_dir) = (options.listen, options.data_dir.join("tournament"));
    let begin = options.begin.into();
    let options =
        Options { clock: Arc::new(SystemClock::new()), lockstep: false, feed_program: None, begin, spans: None };
    let service = Service::start(&config, options, None).await?;
    tournament::print(matches, service.address);
    Ok(signals.end(service).await)
}

/// The best ladder that this machine keeps in real time, by measurement, with what was measured.
async fn pick_ladder(config: &Config) -> anyhow::Result<(Vec<RenditionSpec>, Trial)> {
    let grid = config.output.grid;
    let games = feeds_cores(config, grid).await?;
    let compositor = service::start_compositor(config.compositor)?;
    let usable = service::cores() as f64 * f64::from(config.admission.headroom_percent) / 100.0;
    let mut last = None;
    for ladder in LADDERS {
        let renditions: Vec<RenditionSpec> = ladder
            .iter()
            .map(|&(name, width, height, bitrate_bps)| RenditionSpec {
                name: name.into(),
                width,
                height,
                bitrate_bps,
                codec: VideoCodec::H264,
            })
            .collect();
        let output = Output { renditions: renditions.clone(), ..config.output.clone() };
        let trial = service::measure(&output, compositor.clone()).await?;
        let mosaic = trial.mosaic_cores(grid, |_| true);
        let fits = games + MOSAICS_AT_ONCE * mosaic <= usable;
        println!(
            "  {:<12} a mosaic takes {mosaic:.2} cores, the games {games:.2}, {usable:.2} are usable: {}",
            ladder.iter().map(|r| r.0).collect::<Vec<_>>().join(" + "),
            if fits { "taken" } else { "too much for two at once" },
        );
        last = Some((renditions, trial));
        if fits {
            break;
        }
    }
    last.ok_or_else(|| anyhow::anyhow!("there is no ladder to pick from"))
}

/// Cores that the games alone take.
async fn feeds_cores(config: &Config, grid: Grid) -> anyhow::Result<f64> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let feeds: Vec<Arc<Feed>> = config
        .games
        .iter()
        .map(|game| {
            let spec = FeedSpec {
                key: game.id.as_str().into(),
                title: game.title.clone(),
                sources: game.sources.iter().map(|s| s.url().clone()).collect(),
            };
            Feed::start(spec, grid, clock.clone(), Pace::Realtime)
        })
        .collect();
    let cores = tokio::task::spawn_blocking(move || {
        let consume = |until: Instant, mut frame: u64| {
            while Instant::now() < until {
                clock.wait_until(grid.frame_time(frame), FEED_TRIAL);
                for feed in &feeds {
                    feed.picture_at(frame);
                    feed.sound_at(grid.sample_at_frame(frame)..grid.sample_at_frame(frame + 1));
                }
                frame += 1;
            }
            frame
        };
        // Half a second to get going does not count.
        let frame = consume(Instant::now() + FEED_TRIAL / 3, grid.frame_at(clock.now()));
        let (before, began) = (process_cpu_time(), Instant::now());
        consume(began + FEED_TRIAL, frame);
        let cores = process_cpu_time().saturating_sub(before).as_secs_f64() / began.elapsed().as_secs_f64();
        feeds.iter().for_each(|f| f.stop());
        cores
    })
    .await?;
    Ok(cores)
}
