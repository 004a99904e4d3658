//! Whatever a feed gets by HTTP comes through here: one client a run, with a time and a size for everything, whose requests
//! end at once when the run does.

pub(super) mod budget;

use std::io::Read as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use ureq::config::RedirectAuthHeaders;
use ureq::http::{StatusCode, Uri};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, ResponseExt as _};
use url::Url;

use self::budget::{Account, Budget, Full, Held};
use super::error::SourceError;
use super::health::Reason;
use crate::config::masked;
use crate::reach::{Denied, Pass, Reach};

const RESOLVE_PATIENCE: Duration = Duration::from_secs(4);
const CONNECT_PATIENCE: Duration = Duration::from_secs(4);
const MAX_REDIRECTS: u32 = 5;
const IDLE_CONNECTIONS: usize = 4;
const CHUNK_BYTES: usize = 64 << 10;

/// What went wrong, and where; the address masked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} ({url})")]
pub(super) struct FetchError {
    pub url: String,
    pub problem: FetchProblem,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum FetchProblem {
    #[error("the server answers with status {0}")]
    Status(u16),
    #[error("the server does not answer in time")]
    Time,
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error(transparent)]
    Full(Full),
    #[error("the answer ends before it is whole")]
    Truncated,
    #[error("the server did not send the part of the file that was asked for")]
    Range,
    #[error("the server's name is not known")]
    Name,
    #[error("too many redirects")]
    Redirects,
    #[error("no secure connection: {0}")]
    Tls(String),
    #[error("{0}")]
    Connection(String),
    #[error(transparent)]
    Denied(Denied),
    #[error("the feed was stopped")]
    Stopped,
}

impl FetchError {
    /// An answer that ends before it should.
    pub fn truncated(url: &Url) -> Self {
        failed(url, FetchProblem::Truncated)
    }

    /// The source's error, when this is why it cannot be had.
    pub fn source_error(&self) -> SourceError {
        let reason = match &self.problem {
            FetchProblem::Denied(denied) => return SourceError::Denied(denied.clone()),
            FetchProblem::TooLarge { .. } | FetchProblem::Full(_) => return SourceError::TooLarge(self.to_string()),
            FetchProblem::Status(401 | 403 | 407) => Reason::Unauthorized,
            FetchProblem::Status(404 | 410) => Reason::NotFound,
            FetchProblem::Status(500..=599)
            | FetchProblem::Time
            | FetchProblem::Name
            | FetchProblem::Tls(_)
            | FetchProblem::Truncated
            | FetchProblem::Connection(_) => Reason::Unreachable,
            FetchProblem::Status(_) | FetchProblem::Range | FetchProblem::Redirects | FetchProblem::Stopped => {
                Reason::Failed
            }
        };
        SourceError::Element { reason, text: self.to_string() }
    }
}

impl FetchProblem {
    /// Whether the server has decided: the same request will fail again.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Status(status) => matches!(status, 400..=499) && !matches!(status, 408 | 425 | 429),
            Self::Denied(Denied::Name { .. }) => false,
            Self::Denied(_) | Self::TooLarge { .. } | Self::Range | Self::Redirects | Self::Tls(_) | Self::Stopped => {
                true
            }
            // Of what is full, something is given back.
            Self::Time | Self::Full(_) | Self::Truncated | Self::Name | Self::Connection(_) => false,
        }
    }

    pub const fn is_status(&self) -> bool {
        matches!(self, Self::Status(_))
    }
}

/// What is wanted, and how long and large it may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request<'a> {
    pub url: &'a Url,
    /// Offset and length; a length of `u64::MAX` is all the rest.
    pub range: Option<(u64, u64)>,
    pub limit: usize,
    /// For all of it, redirects included.
    pub time: Duration,
    /// Without another byte.
    pub silence: Duration,
}

#[derive(Clone, Debug)]
pub(super) struct Fetched {
    /// Where it was found, after redirects: what relative addresses inside are relative to.
    pub url: Url,
    pub bytes: Bytes,
}

/// A body that grows takes this part of its length more, so that it is not moved with each piece.
const SPARE: usize = 8;

/// A body that comes in, and what of it was accounted for.
pub(super) struct Body {
    bytes: Vec<u8>,
    held: Held,
    stopped: Arc<AtomicBool>,
}

impl Body {
    /// # Errors
    /// There is no room for so much of what is fetched.
    pub fn push(&mut self, url: &Url, bytes: &[u8]) -> Result<(), FetchError> {
        let grown = self.held.grow(bytes.len(), &|| self.stopped.load(Ordering::Relaxed));
        grown.map_err(|full| match full {
            Full::Stopped => failed(url, FetchProblem::Stopped),
            full => failed(url, FetchProblem::Full(full)),
        })?;
        // A vector left to itself takes twice what is in it, of which the account knows half.
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            self.bytes.reserve_exact(bytes.len().max(self.bytes.len() / SPARE));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// To be changed in place, and not to grow.
    pub fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// It is accounted for as long as any part of the bytes is held anywhere.
    pub fn into_bytes(self) -> Bytes {
        Bytes::from_owner(self)
    }
}

impl AsRef<[u8]> for Body {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// What a feed has fetched since it was asked last, and what it holds of it.
#[derive(Debug)]
pub struct FetchCounts {
    requests: AtomicU64,
    failures: AtomicU64,
    bytes: AtomicU64,
    account: Arc<Account>,
}

impl Default for FetchCounts {
    fn default() -> Self {
        Self::within(&Budget::ours())
    }
}

impl FetchCounts {
    pub(super) fn within(budget: &Arc<Budget>) -> Self {
        let account = budget.account();
        Self { requests: AtomicU64::new(0), failures: AtomicU64::new(0), bytes: AtomicU64::new(0), account }
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.account.held()
    }

    /// Requests, those of them that failed, and bytes; begins anew.
    pub fn take(&self) -> [u64; 3] {
        [&self.requests, &self.failures, &self.bytes].map(|count| count.swap(0, Ordering::Relaxed))
    }
}

/// An answer whose body is still to be read.
pub(super) struct Opened {
    pub url: Url,
    /// What tells one version of a file from another, where the server says so; `None` of what has no end.
    pub version: Option<String>,
    /// Of the whole, in bytes, where the server says so.
    pub length: Option<u64>,
    /// Whether the server sends parts.
    pub ranged: bool,
    /// `Content-Type` as it came.
    pub media_type: Option<String>,
    body: ureq::BodyReader<'static>,
    stopped: Arc<AtomicBool>,
    counts: Arc<FetchCounts>,
}

impl Opened {
    /// The next bytes; `None` at the end.
    pub fn read(&mut self, limit: usize) -> Result<Option<Bytes>, FetchError> {
        let mut buffer = vec![0; limit.min(CHUNK_BYTES)];
        match self.body.read(&mut buffer) {
            Ok(0) if self.stopped.load(Ordering::Relaxed) => Err(failed(&self.url, FetchProblem::Stopped)),
            Ok(0) => Ok(None),
            Ok(count) => {
                buffer.truncate(count);
                self.counts.bytes.fetch_add(count as u64, Ordering::Relaxed);
                Ok(Some(buffer.into()))
            }
            Err(error) => Err(failed(&self.url, in_body(error, &self.stopped))),
        }
    }
}

/// User and password of the source's URL, for the server that it names and no other.
#[derive(Clone)]
struct Credentials {
    origin: url::Origin,
    header: String,
}

pub(super) struct Fetcher {
    agent: Agent,
    credentials: Option<Credentials>,
    stopped: Arc<AtomicBool>,
    counts: Arc<FetchCounts>,
}

impl Fetcher {
    /// A client for the source at `url`, which goes nowhere but where `reach` lets it.
    pub fn new(url: &Url, reach: &Reach) -> Self {
        Self::resolving(url, Judged { pass: reach.of(url), lookup: DefaultResolver::default() }, roots())
    }

    fn resolving<R: Resolver>(url: &Url, resolver: Judged<R>, roots: RootCerts) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(provider).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // A proxy would look names up by itself, and what it found would be nobody's to judge.
            .proxy(None)
            .max_redirects(MAX_REDIRECTS)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            .timeout_resolve(Some(RESOLVE_PATIENCE))
            .timeout_connect(Some(CONNECT_PATIENCE))
            .max_idle_connections(IDLE_CONNECTIONS)
            .user_agent(concat!("quadrille/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        let credentials = basic(url).map(|header| Credentials { origin: url.origin(), header });
        let agent = Agent::with_parts(config, DefaultConnector::default(), resolver);
        Self { agent, credentials, stopped: Arc::new(AtomicBool::new(false)), counts: Arc::default() }
    }

    /// Counts there.
    pub fn counting(self, counts: Arc<FetchCounts>) -> Self {
        Self { counts, ..self }
    }

    /// Ends what is under way and refuses what is to come.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        self.agent.clone().shutdown();
    }

    /// A body of which nothing has come yet.
    pub fn body(&self) -> Body {
        Body { bytes: Vec::new(), held: self.counts.account.body(), stopped: Arc::clone(&self.stopped) }
    }

    /// Waits until what was fetched before leaves room for `bytes` more, `patience` at most.
    pub fn await_room(&self, bytes: usize, patience: Duration) {
        self.counts.account.await_room(bytes, patience, &|| self.stopped.load(Ordering::Relaxed));
    }

    /// Whether what was fetched and is not handed over yet is to be given up for others.
    pub fn gives_way(&self) -> bool {
        self.counts.account.gives_way()
    }

    /// The whole of what is wanted.
    pub fn get(&self, request: &Request) -> Result<Fetched, FetchError> {
        self.whole(request).map(|(url, body)| Fetched { url, bytes: body.into_bytes() })
    }

    /// The same, to be changed; and where it was found.
    pub fn whole(&self, request: &Request) -> Result<(Url, Body), FetchError> {
        let mut opened = self.open(request)?;
        // A server that knows no ranges sends everything: what comes before is read over.
        let (mut skip, wanted) = match (request.range, opened.partial) {
            (Some((offset, length)), false) => (offset, length),
            (Some((_, length)), true) => (0, length),
            (None, _) => (0, u64::MAX),
        };
        let wanted = usize::try_from(wanted).unwrap_or(usize::MAX);
        let too_large = || failed(request.url, FetchProblem::TooLarge { limit: request.limit });
        if request.range.is_some() && wanted > request.limit {
            return Err(too_large());
        }
        let mut body = self.body();
        while body.bytes.len() < wanted {
            let read = opened.answer.read(CHUNK_BYTES).inspect_err(|error| {
                if error.problem != FetchProblem::Stopped {
                    body.held.came_to_nothing();
                }
            });
            let Some(chunk) = read? else { break };
            let over = usize::try_from(skip).unwrap_or(usize::MAX).min(chunk.len());
            skip -= over as u64;
            let more = (chunk.len() - over).min(wanted - body.bytes.len());
            if body.bytes.len() + more > request.limit {
                body.held.came_to_nothing();
                return Err(too_large());
            }
            body.push(request.url, &chunk[over..over + more])?;
        }
        if request.range.is_some() && body.bytes.len() < wanted {
            return Err(failed(request.url, FetchProblem::Truncated));
        }
        Ok((opened.answer.url, body))
    }

    /// Asks, and leaves the body to the caller; `time` is for all of it, too.
    pub fn stream(&self, request: &Request) -> Result<Opened, FetchError> {
        self.open(request).map(|answer| answer.answer)
    }

    fn open(&self, request: &Request) -> Result<Answer, FetchError> {
        let mut url = request.url.clone();
        let own = basic(&url);
        // Neither has a place in a request line; the address may come from a playlist.
        if url.set_username("").and_then(|()| url.set_password(None)).is_err() {
            return Err(failed(request.url, FetchProblem::Connection("not an address".into())));
        }
        url.set_fragment(None);
        let theirs = self.credentials.as_ref().filter(|known| known.origin == url.origin()).map(|known| &known.header);
        let mut call = self.agent.get(url.as_str());
        if let Some(header) = own.as_ref().or(theirs) {
            call = call.header("Authorization", header);
        }
        if let Some((offset, length)) = request.range {
            let last = match length {
                u64::MAX => String::new(),
                length => (offset.saturating_add(length.max(1)) - 1).to_string(),
            };
            call = call.header("Range", format!("bytes={offset}-{last}")).header("Accept-Encoding", "identity");
        }
        let call = call.config().timeout_global(Some(request.time)).timeout_per_read(Some(request.silence)).build();
        self.counts.requests.fetch_add(1, Ordering::Relaxed);
        let fails = |problem| {
            self.counts.failures.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(url = masked(url.as_str()), %problem, "not fetched");
            failed(&url, problem)
        };
        let response = call.call().map_err(|error| fails(self.problem(error)))?;
        let partial = response.status() == StatusCode::PARTIAL_CONTENT;
        if !response.status().is_success() || response.status() == StatusCode::NO_CONTENT {
            return Err(fails(FetchProblem::Status(response.status().as_u16())));
        }
        let text = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        if let (true, Some((offset, _)), Some(range)) = (partial, request.range, text("content-range")) {
            let begins = range.trim_start_matches("bytes").trim().split('-').next().and_then(|n| n.parse().ok());
            if begins != Some(offset) {
                return Err(fails(FetchProblem::Range));
            }
        }
        let found = Url::parse(&response.get_uri().to_string()).unwrap_or(url);
        let version = text("content-length")
            .map(|length| [Some(length), text("etag"), text("last-modified")].map(Option::unwrap_or_default).join(" "));
        let total = |range: String| range.rsplit('/').next().and_then(|total| total.parse().ok());
        let length = match partial {
            true => text("content-range").and_then(total),
            false => text("content-length").and_then(|length| length.parse().ok()),
        };
        // What was packed has another length.
        let length = length.filter(|_| text("content-encoding").is_none());
        tracing::debug!(url = masked(found.as_str()), status = response.status().as_u16(), length, "fetched");
        let media_type = text("content-type");
        let stopped = Arc::clone(&self.stopped);
        let body = response.into_body().into_reader();
        Ok(Answer {
            answer: Opened {
                url: found,
                version,
                length,
                ranged: partial,
                media_type,
                body,
                stopped,
                counts: Arc::clone(&self.counts),
            },
            partial,
        })
    }

    fn problem(&self, error: ureq::Error) -> FetchProblem {
        if self.stopped.load(Ordering::Relaxed) {
            return FetchProblem::Stopped;
        }
        match error {
            ureq::Error::StatusCode(status) => FetchProblem::Status(status),
            ureq::Error::Timeout(_) => FetchProblem::Time,
            ureq::Error::HostNotFound => FetchProblem::Name,
            ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => FetchProblem::Redirects,
            ureq::Error::Rustls(error) => FetchProblem::Tls(error.to_string()),
            ureq::Error::Tls(what) => FetchProblem::Tls(what.to_owned()),
            // rustls' own errors come wrapped when a handshake fails.
            ureq::Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
                FetchProblem::Tls(error.to_string())
            }
            ureq::Error::Io(error) => FetchProblem::Connection(error.to_string()),
            ureq::Error::Other(error) => match error.downcast::<Denied>() {
                Ok(denied) => FetchProblem::Denied(*denied),
                Err(_) => FetchProblem::Connection("no connection".into()),
            },
            // The text of the others may hold the address.
            _ => FetchProblem::Connection("the server's answer is not HTTP".into()),
        }
    }
}

/// A resolver that gives no address which may not be connected to. Every connection, after a redirect too, goes to one that it gave.
#[derive(Debug)]
struct Judged<R> {
    pass: Pass,
    lookup: R,
}

impl<R: Resolver> Resolver for Judged<R> {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let denied = |denied: Denied| ureq::Error::Other(Box::new(denied));
        let scheme = uri.scheme_str().unwrap_or_default();
        let host = uri.host().unwrap_or_default();
        let port = uri.port_u16().unwrap_or(if scheme == "https" { 443 } else { 80 });
        self.pass.scheme(scheme).and_then(|()| self.pass.host(host, port)).map_err(denied)?;
        let found = self.lookup.resolve(uri, config, timeout)?;
        let mut allowed = self.empty();
        self.pass.allowed(host, found.iter().copied()).map_err(denied)?.into_iter().for_each(|at| allowed.push(at));
        Ok(allowed)
    }
}

struct Answer {
    answer: Opened,
    partial: bool,
}

fn failed(url: &Url, problem: FetchProblem) -> FetchError {
    FetchError { url: masked(url.as_str()), problem }
}

fn in_body(error: std::io::Error, stopped: &AtomicBool) -> FetchProblem {
    if stopped.load(Ordering::Relaxed) {
        return FetchProblem::Stopped;
    }
    match error.kind() {
        std::io::ErrorKind::TimedOut | std::io::ErrorKind::WouldBlock => FetchProblem::Time,
        _ => match error.downcast::<ureq::Error>() {
            Ok(ureq::Error::Timeout(_)) => FetchProblem::Time,
            _ => FetchProblem::Truncated,
        },
    }
}

/// What Basic authentication (RFC 7617) sends for the user and password in `url`.
fn basic(url: &Url) -> Option<String> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let plain = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [plain(url.username()), b":".to_vec(), plain(url.password().unwrap_or_default())].concat();
    Some(format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair)))
}

/// The system's certificates, read once.
fn roots() -> RootCerts {
    static ROOTS: OnceLock<Arc<Vec<Certificate<'static>>>> = OnceLock::new();
    let certificates = ROOTS.get_or_init(|| {
        let found = rustls_native_certs::load_native_certs();
        Arc::new(found.certs.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect())
    });
    RootCerts::Specific(Arc::clone(certificates))
}

#[cfg(test)]
pub(super) mod tests;
