//! Getting things, and time. Both behind traits: tests script the answers and crank the clock.

use std::io::Read as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, ResponseExt as _};
use url::Url;

const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
const MAX_REDIRECTS: u32 = 5;
const CHUNK_BYTES: usize = 64 << 10;

/// What is wanted, and how long and large it may be.
#[derive(Clone, Debug)]
pub struct Request {
    pub url: Url,
    /// Offset and length.
    pub range: Option<(u64, u64)>,
    /// Bytes of the body, unpacked.
    pub limit: usize,
    /// For all of it, redirects included.
    pub time: Duration,
}

/// What came, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Where it was found, after redirects.
    pub url: Url,
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// The body ended before it was whole.
    pub truncated: bool,
    /// The body goes on past the limit.
    pub too_large: bool,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub fn is_success(&self) -> bool {
        matches!(self.status, 200 | 206)
    }

    /// A file has no headers to look at.
    pub fn is_http(&self) -> bool {
        self.url.scheme() != "file"
    }
}

/// Why nothing came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FetchError {
    #[error("the server's name is not known")]
    Name,
    #[error("no answer in time")]
    Time,
    #[error("more than {MAX_REDIRECTS} redirects, or one that leads nowhere")]
    Redirects,
    #[error("no secure connection: {0}")]
    Tls(String),
    #[error("{0}")]
    Connection(String),
    #[error("{0} addresses are not followed")]
    Scheme(String),
}

pub trait Fetch {
    /// # Errors
    /// [`FetchError`], when there is no answer at all.
    fn fetch(&mut self, request: &Request) -> Result<Answer, FetchError>;
}

pub trait Clock {
    /// Time that never goes back, from any beginning.
    fn now(&self) -> Duration;
    fn sleep(&self, time: Duration);
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock {
    began: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self { began: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.began.elapsed()
    }

    fn sleep(&self, time: Duration) {
        std::thread::sleep(time);
    }
}

/// HTTP, and files.
pub struct HttpFetch {
    agent: Agent,
    headers: Vec<(String, String)>,
    /// The server that the headers are for: a token is nobody else's.
    origin: url::Origin,
}

impl HttpFetch {
    /// A client for the stream at `url`; `headers` go to its server alone.
    pub fn new(url: &Url, headers: Vec<(String, String)>) -> Self {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let found = if url.scheme() == "file" { Vec::new() } else { rustls_native_certs::load_native_certs().certs };
        let roots: Vec<Certificate> = found.iter().map(|der| Certificate::from_der(der.as_ref()).to_owned()).collect();
        let roots = RootCerts::Specific(Arc::new(roots));
        let tls = TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(provider).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(MAX_REDIRECTS)
            .timeout_connect(Some(CONNECT_PATIENCE))
            .user_agent(concat!("quadrille-lint/", env!("CARGO_PKG_VERSION")))
            .tls_config(tls)
            .build();
        Self { agent: config.new_agent(), headers, origin: url.origin() }
    }

    fn problem(error: ureq::Error) -> FetchError {
        match error {
            ureq::Error::Timeout(_) => FetchError::Time,
            ureq::Error::HostNotFound => FetchError::Name,
            ureq::Error::TooManyRedirects | ureq::Error::RedirectFailed => FetchError::Redirects,
            ureq::Error::Rustls(error) => FetchError::Tls(error.to_string()),
            ureq::Error::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
                FetchError::Tls(error.to_string())
            }
            error => FetchError::Connection(error.to_string()),
        }
    }
}

impl Fetch for HttpFetch {
    fn fetch(&mut self, request: &Request) -> Result<Answer, FetchError> {
        match request.url.scheme() {
            "http" | "https" => {}
            "file" => return file(request),
            other => return Err(FetchError::Scheme(other.to_owned())),
        }
        let mut url = request.url.clone();
        url.set_fragment(None);
        let mut call = self.agent.get(url.as_str());
        if url.origin() == self.origin {
            for (name, value) in &self.headers {
                call = call.header(name, value);
            }
        }
        if let Some((offset, length)) = request.range {
            let last = offset.saturating_add(length.max(1)).saturating_sub(1);
            call = call.header("Range", format!("bytes={offset}-{last}")).header("Accept-Encoding", "identity");
        }
        let call = call.config().timeout_global(Some(request.time)).build();
        let response = call.call().map_err(Self::problem)?;
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| {
            (name.as_str().to_ascii_lowercase(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        });
        let headers = headers.collect();
        let found = Url::parse(&response.get_uri().to_string()).unwrap_or(url);
        let status = response.status().as_u16();
        let (body, truncated, too_large) = bounded(response.into_body().into_reader(), request.limit);
        Ok(Answer { url: found, status, headers, body, truncated, too_large })
    }
}

/// The body as far as it may go; whether it broke off, whether it goes on.
fn bounded(mut reader: impl std::io::Read, limit: usize) -> (Bytes, bool, bool) {
    let mut body = Vec::new();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return (body.into(), false, false),
            Ok(count) => {
                let room = limit.saturating_sub(body.len());
                body.extend_from_slice(&chunk[..count.min(room)]);
                if count > room {
                    return (body.into(), false, true);
                }
            }
            Err(_) => return (body.into(), true, false),
        }
    }
}

fn file(request: &Request) -> Result<Answer, FetchError> {
    let path = request.url.to_file_path().map_err(|()| FetchError::Connection("not a path".into()))?;
    let answer = |status, body, too_large| Answer {
        url: request.url.clone(),
        status,
        headers: Vec::new(),
        body,
        truncated: false,
        too_large,
    };
    let Ok(opened) = std::fs::File::open(path) else { return Ok(answer(404, Bytes::new(), false)) };
    // What is no file, a pipe or a device, may have no end and no bytes.
    if !opened.metadata().is_ok_and(|data| data.is_file()) {
        return Ok(answer(404, Bytes::new(), false));
    }
    let mut opened = opened;
    if let Some((offset, length)) = request.range {
        use std::io::Seek as _;
        let seeks = opened.seek(std::io::SeekFrom::Start(offset));
        seeks.map_err(|error| FetchError::Connection(error.to_string()))?;
        let (body, _, too_large) = bounded(opened.take(length), request.limit);
        return Ok(answer(206, body, too_large));
    }
    let (body, _, too_large) = bounded(opened, request.limit);
    Ok(answer(200, body, too_large))
}
