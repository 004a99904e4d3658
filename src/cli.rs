//! The command line and the log.

pub mod audit;
pub mod usage;

use std::fmt::Display;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use quadrille::breaks::check_decision_url;
use quadrille::catalogue::Borders;
use quadrille::config::{Config, Tracing, mask_text};
use quadrille::lint::{LintOptions, SegmentChoice};
use quadrille::reach::Own;
use quadrille::spans::{self, Finished, SpanSettings};
use quadrille::store::Begin;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, registry};

/// Server-side multiview for live sports: up to four games in one ordinary HLS stream.
///
/// A viewer picks up to four live games; the pictures are composited here and come back as one HLS stream that any set-top
/// box plays. Operators integrate over REST (`GET /openapi.json` describes it) and are billed by the session minute.
#[derive(Debug, Parser)]
#[command(version, after_help = AFTER)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

const AFTER: &str = "\
Logs go to standard error: for people on a terminal, as JSON lines otherwise. QUADRILLE_LOG sets what is logged, \
as in QUADRILLE_LOG=debug or QUADRILLE_LOG=quadrille::feed=trace.

`lint` exits with 0 where it found no errors, 1 where it did, 2 where the stream could not be had.

Exit status: 0 after SIGTERM or SIGINT, 1 when the service cannot start or a ledger is broken, 2 when its configuration is wrong.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the service.
    Serve {
        /// The configuration file (TOML).
        #[arg(long, value_name = "FILE", default_value = "quadrille.toml")]
        config: PathBuf,
        #[command(flatten)]
        begin: BeginOptions,
    },
    /// Say what is wrong with a configuration, with lines, keys and what is allowed; or sum it up if nothing is.
    Check {
        /// The configuration file (TOML).
        #[arg(long, value_name = "FILE", default_value = "quadrille.toml")]
        config: PathBuf,
    },
    /// Check any HLS stream, a service's own or another's, against RFC 8216bis and what devices need.
    Lint(LintArguments),
    /// Read the ledger of a service, also while it runs.
    #[command(subcommand)]
    Usage(usage::UsageCommand),
    /// Check what is kept of who did what, also while the service runs.
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Decode one source for the service that started this. Nobody else does.
    #[command(hide = true)]
    FeedChild,
    /// Draw one file of art for the service that started this. Nobody else does.
    #[command(hide = true)]
    ArtChild,
    /// Run six synthetic games and print the address of a page that shows them. Needs no configuration.
    Demo(DemoOptions),
}

#[derive(Debug, Args)]
pub struct LintArguments {
    /// http://, https:// or a file: a multivariant or a media playlist.
    #[arg(value_name = "URL")]
    pub url: String,
    /// How long a live stream is watched, as in 60s or 2m; four target durations when absent.
    #[arg(long, value_name = "TIME", value_parser = watch_time)]
    pub watch: Option<Duration>,
    /// Which segments are loaded.
    #[arg(long, value_enum, default_value = "some")]
    pub segments: Segments,
    /// A header for the stream's own server; may come more than once.
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<(String, String)>,
    /// Output for programs.
    #[arg(long)]
    pub json: bool,
    /// Warnings fail, too.
    #[arg(long)]
    pub strict: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub enum Segments {
    All,
    /// The first two, the last one, and those that come.
    Some,
    None,
}

/// The longest watch: a match with all that comes after it.
const MOST_WATCHED: Duration = Duration::from_secs(24 * 3600);

fn watch_time(text: &str) -> Result<Duration, String> {
    let time = text.parse::<jiff::SignedDuration>().ok().and_then(|time| Duration::try_from(time).ok());
    time.filter(|time| *time <= MOST_WATCHED).ok_or_else(|| "0s to 24h is allowed, as 60s or 2m".to_owned())
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("NAME: VALUE is allowed, as in 'Authorization: Bearer x'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

impl From<LintArguments> for LintOptions {
    fn from(asked: LintArguments) -> Self {
        let segments = match asked.segments {
            Segments::All => SegmentChoice::All,
            Segments::Some => SegmentChoice::Some,
            Segments::None => SegmentChoice::None,
        };
        let LintArguments { url, watch, headers, json, strict, .. } = asked;
        Self { url, watch, segments, headers, json, strict, ..Self::default() }
    }
}

#[derive(Debug, Args)]
pub struct DemoOptions {
    /// Address to listen on; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Where sessions and minutes are kept.
    #[arg(long, value_name = "DIR", default_value = "data/demo")]
    pub data_dir: PathBuf,
    /// So many matches in 25 skins, three languages and two tiers instead, each at an address that stays; 8 when no number is given.
    #[arg(long, value_name = "MATCHES", num_args = 0..=1, default_missing_value = "8", value_parser = clap::value_parser!(u32).range(1..=250))]
    pub tournament: Option<u32>,
    #[command(flatten)]
    pub begin: BeginOptions,
}

#[derive(Clone, Copy, Debug, Args)]
pub struct BeginOptions {
    /// Begin with an empty ledger where what is in the data directory does not belong together.
    ///
    /// What is there is set aside, in a folder within it. A directory where nothing is missing is refused.
    #[arg(long)]
    new: bool,
    /// Sign the ledger with a new key from now on, where the one that signed it is lost.
    ///
    /// Hours that are sealed stay as they are: `usage verify` then needs both public keys.
    #[arg(long)]
    new_ledger_key: bool,
}

impl From<BeginOptions> for Begin {
    fn from(options: BeginOptions) -> Self {
        Self { afresh: options.new, with_new_ledger_key: options.new_ledger_key }
    }
}

/// Sends events to standard error: human on a terminal, JSON otherwise. Where `tracing` names a collector it also listens to spans, which come out of what it
/// answers when they are over.
pub fn start_log(tracing: Option<&Tracing>) -> Option<Finished> {
    let wanted = std::env::var("QUADRILLE_LOG").ok().and_then(|text| text.parse().ok());
    let filter: Targets = wanted.unwrap_or_else(|| {
        let quieter = [
            ("sqlx", LevelFilter::WARN),
            ("wgpu_core", LevelFilter::WARN),
            ("wgpu_hal", LevelFilter::ERROR),
            ("naga", LevelFilter::WARN),
        ];
        Targets::new().with_default(LevelFilter::INFO).with_targets(quieter)
    });
    // Spans for a collector are none of the log's, whatever that is to show.
    let filter = filter.with_target(spans::TARGET, LevelFilter::OFF);
    let log = fmt::layer().with_writer(std::io::stderr);
    let log: Box<dyn Layer<Registry> + Send + Sync> = if std::io::stderr().is_terminal() {
        log.with_target(false).compact().boxed()
    } else {
        log.json().flatten_event(true).with_span_list(false).boxed()
    };
    let Some(Tracing { sample_one_in, service_name, .. }) = tracing else {
        registry().with(log).with(filter).init();
        return None;
    };
    let (listening, finished) =
        spans::open(&SpanSettings { service: service_name.clone(), sample_one_in: *sample_one_in });
    let only = Targets::new().with_target(spans::TARGET, LevelFilter::INFO);
    registry().with(log.with_filter(filter)).with(listening.with_filter(only)).init();
    Some(finished)
}

/// Whether the feeds take what the games' sources say to them, and markets ask where they may: all that is not so.
pub fn misled(config: &Config) -> Vec<String> {
    let borders = Borders::new(config, Own::default());
    let mut wrong = Vec::new();
    for game in &config.games {
        for (index, source) in game.sources.iter().enumerate() {
            let told =
                |e: &dyn Display| format!("game {:?}, source {}: {}", game.id, index + 1, mask_text(&e.to_string()));
            if let Err(e) = quadrille::feed::check_source(source.url()) {
                wrong.push(told(&e));
            } else if let Err(e) = borders.of(None).check(source.url()) {
                wrong.push(told(&e));
            }
        }
    }
    for (tenant, market) in &config.markets {
        if let Err(why) = check_decision_url(market, borders.of(Some(tenant))) {
            wrong.push(format!("market {:?}, `breaks.decision_url`: {why}", market.id));
        }
    }
    wrong
}

/// What a configuration that is right says, in a few lines.
pub fn summary(config: &Config) -> String {
    let grid = config.output.grid;
    let ladder: Vec<String> = config
        .output
        .renditions
        .iter()
        .map(|r| format!("{} {}x{} at {:.1} Mb/s", r.name, r.width, r.height, f64::from(r.bitrate_bps) / 1e6))
        .collect();
    format!(
        "The configuration is right.\n  listen      {}\n  data_dir    {}\n  tenants     {}\n  games       {}\n  \
         output      {} frames a second, segments of {} frames\n  renditions  {}",
        config.listen,
        config.data_dir.display(),
        config.tenants.iter().map(|t| t.id.as_str()).collect::<Vec<_>>().join(", "),
        config.games.iter().map(|g| g.id.as_str()).collect::<Vec<_>>().join(", "),
        grid.fps(),
        grid.segment_frames(),
        ladder.join(", "),
    )
}
