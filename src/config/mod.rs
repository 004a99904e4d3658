//! The configuration: one struct per topic, validated once; a mistake names its line, its key and what is allowed.

mod breaks;
mod feeds;
mod game;
mod in_step;
mod issuers;
mod key;
mod ledger;
mod limits;
mod markets;
mod mistake;
mod names;
mod network;
mod outbound;
mod output;
mod outputs;
mod reader;
mod requests;
mod rights;
mod skins;
mod source;
mod sources;
mod start_over;
mod stitch;
mod tariff;
mod tenant;
#[cfg(test)]
mod tests;
mod tls;
mod tracing;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub use breaks::{BreakPolicy, BreakPolicyError};
pub use feeds::{Feeds, FeedsError};
pub use game::{Game, MAX_OFFSET_MS, MAX_SOURCES};
pub use in_step::InStep;
pub use issuers::{JwksFrom, TokenIssuer};
pub use key::{ApiKey, ApiKeyError, KeyHolder, KeyRole, Keyring};
pub use ledger::Ledger;
pub use limits::{Admission, CompositorChoice, CompositorChoiceError, SessionLimits};
pub use markets::{MAX_HEIGHT, MAX_MARKET_GAMES, MarketMistake, check_market};
pub use mistake::{ConfigError, ConfigErrors, Mistake};
pub use names::{MAX_LABELS, NameError, check_id, check_labels, check_language, check_region, check_title};
pub use network::{Connections, CorsOrigins, Network};
pub use outbound::{DEFAULT_SOURCE, Endpoint, EndpointError, Export, Secret, SecretError, Threshold};
pub use output::{MAX_RENDITIONS, Output, Preset, PresetError};
pub use outputs::{MAX_OUTPUT_NAMES, OutputMistake, check_outputs};
pub use requests::Requests;
pub use rights::{RightsMistake, check_rights};
pub use skins::{Art, SkinFiles};
pub use source::mask::{MASK, mask_text, mask_text_about, masked};
pub use source::srt::{SrtMode, SrtSource};
pub use source::{SourceError, SourceKind, SourceUri, TEST_PATTERNS};
pub use sources::{PictureLimits, Sources};
pub use start_over::StartOver;
pub use stitch::Stitch;
pub use tenant::{Tenant, TenantLimits};
pub use tls::Tls;
pub use tracing::Tracing;

use crate::market::Market;
use crate::outputs::OutputSet;
use crate::usage::PriceBook;

/// Everything the service is told at start. Every value is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    pub listen: SocketAddr,
    /// HTTPS instead of HTTP.
    pub tls: Option<Tls>,
    /// How it meets those who ask it.
    pub network: Network,
    /// Where the database and everything that survives a restart is kept; relative to the working directory.
    pub data_dir: PathBuf,
    /// A folder of layouts of one's own, beside the bundled ones.
    pub layouts_dir: Option<PathBuf>,
    /// At least one.
    pub tenants: Vec<Tenant>,
    pub games: Vec<Game>,
    /// Each with its tenant. Others are made over the API.
    pub markets: Vec<(String, Market)>,
    /// Where sources may lead.
    pub sources: Sources,
    /// Of every game that says nothing of its own.
    pub break_policy: BreakPolicy,
    /// Where sources are decoded.
    pub feeds: Feeds,
    pub output: Output,
    pub compositor: CompositorChoice,
    pub sessions: SessionLimits,
    /// How often a key may ask.
    pub requests: Requests,
    pub admission: Admission,
    pub stitch: Stitch,
    /// How games of one clock are kept in step.
    pub in_step: InStep,
    /// What viewers may go back to; `None`: nothing is kept.
    pub start_over: Option<StartOver>,
    /// How much art there may be.
    pub art: Art,
    pub skins: Vec<SkinFiles>,
    /// Each with its tenant. Others are made over the API.
    pub outputs: Vec<(String, OutputSet)>,
    pub ledger: Ledger,
    pub export: Option<Export>,
    /// Where spans go; `None`: nowhere.
    pub tracing: Option<Tracing>,
    /// What all events name as their source.
    pub event_source: String,
    /// What each tenant pays.
    pub prices: PriceBook,
}

impl Config {
    /// Reads and checks the file at `path`.
    ///
    /// # Errors
    /// When the file cannot be read, or with every mistake in it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        Ok(Self::parse(&text, path)?)
    }

    /// Checks the text of a configuration file; `path` stands in the messages.
    ///
    /// # Errors
    /// Every mistake in it, in the order of the lines, each with its line, its key and what is allowed.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigErrors> {
        let failed = |mistakes| ConfigErrors { path: path.to_owned(), mistakes };
        let (document, table) = reader::Document::parse(text).map_err(failed)?;
        let config = Self::read(document.root(&table));
        let mistakes = document.into_mistakes();
        if mistakes.is_empty() { Ok(config) } else { Err(failed(mistakes)) }
    }

    /// What `quadrille demo` runs: six synthetic games, tenant `demo`, keys `demo-operator` and `demo-device`.
    pub fn demo() -> Self {
        match Self::parse(include_str!("demo.toml"), Path::new("demo.toml")) {
            Ok(config) => config,
            // Compiled in and covered by a test: a mistake here is one in the program.
            Err(mistakes) => unreachable!("{mistakes}"),
        }
    }

    /// Reads the whole document. Where something is wrong it is noted there, and a default stands in so that the rest is
    /// checked too.
    fn read(mut root: reader::Table) -> Self {
        let listen = root
            .optional("listen")
            .and_then(|v| v.parsed("ADDRESS:PORT is allowed, as in \"127.0.0.1:8080\" or \"[::]:8080\"", str::parse));
        let tls = tls::read(&mut root);
        let network = network::read(&mut root);
        let data_dir = read_path(&mut root, "data_dir");
        let layouts_dir = read_path(&mut root, "layouts_dir");
        let compositor = limits::read_compositor(&mut root);
        let sources = sources::read(&mut root);
        let tenants = tenant::read_all(&mut root, &sources.rules);
        let break_policy = breaks::read(&mut root).unwrap_or_default();
        let games = game::read_all(&mut root, &tenants);
        let feeds = feeds::read(&mut root);
        let output = output::read(&mut root);
        let markets = markets::read_all(&mut root, &tenants, &output);
        let sessions = limits::read_sessions(&mut root);
        let requests = requests::read(&mut root);
        let admission = limits::read_admission(&mut root);
        let stitch = stitch::read(&mut root);
        let in_step = in_step::read(&mut root);
        let start_over = start_over::read(&mut root);
        let art = skins::read(&mut root);
        let skins = skins::read_skins(&mut root, &tenants);
        let outputs = outputs::read_all(&mut root, &tenants);
        let ledger = ledger::read(&mut root);
        let (export, event_source) = outbound::read_export(&mut root);
        let tracing = tracing::read(&mut root);
        let prices = tariff::read_all(&mut root, &tenants);
        root.finish();
        Self {
            listen: listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 8080))),
            tls,
            network,
            data_dir: data_dir.unwrap_or_else(|| PathBuf::from("data")),
            layouts_dir,
            tenants,
            break_policy,
            sources,
            games,
            markets,
            feeds,
            output,
            compositor,
            sessions,
            requests,
            admission,
            stitch,
            in_step,
            start_over,
            art,
            skins,
            outputs,
            ledger,
            export,
            tracing,
            event_source,
            prices,
        }
    }
}

fn read_path(root: &mut reader::Table, key: &'static str) -> Option<PathBuf> {
    let value = root.optional(key)?;
    let text = value.text("a path is allowed")?;
    if text.is_empty() || text.contains('\0') {
        value.refuse("it is no path", "a path is allowed");
        return None;
    }
    Some(PathBuf::from(text))
}
