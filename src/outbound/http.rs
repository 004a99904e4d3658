//! Posting to others over HTTP/1.1, with TLS where the address says so. Redirects are not followed: what goes out names sessions
//! and carries a token or a signature, and is for nobody but whom the configuration or an operator names.

use std::error::Error;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, header};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use rustls::RootCertStore;
use tower::Service;

use crate::config::Endpoint;
use crate::reach::Pass;

const CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// From the beginning of a request to the head of its answer.
const ANSWER_PATIENCE: Duration = Duration::from_secs(20);

/// What an answer says is for the log alone.
const SAID_BYTES: usize = 2048;
const SAID_CHARS: usize = 300;
const SAID_PATIENCE: Duration = Duration::from_secs(2);

/// Connections to a host that are kept for the next request.
const IDLE_CONNECTIONS: usize = 2;
const IDLE: Duration = Duration::from_secs(30);

/// Why nothing can be sent at all.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("no root certificate was found that an https address could be checked with; install ca-certificates{0}")]
    NoRoots(String),
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: u16,
    /// `Retry-After` as it came.
    pub retry_after: Option<String>,
    /// The beginning of the body, where the status is no success.
    pub said: String,
    /// The body, where the status is a success and it is short.
    pub body: Bytes,
}

impl Answer {
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// How long to wait from `now_ms` (Unix time) on (RFC 9110, 10.2.3: seconds, or a date).
    pub fn retry_after_ms(&self, now_ms: i64) -> Option<i64> {
        let text = self.retry_after.as_deref()?.trim();
        if let Ok(seconds) = text.parse::<u32>() {
            return Some(i64::from(seconds) * 1000);
        }
        let at = jiff::fmt::rfc2822::parse(text).ok()?;
        Some(at.timestamp().as_millisecond().saturating_sub(now_ms).max(0))
    }

    /// For a log.
    pub fn describe(&self) -> String {
        format!("status {}{}{}", self.status, if self.said.is_empty() { "" } else { ": " }, self.said)
    }
}

/// What is posted.
pub(super) struct Message<'a> {
    pub to: &'a Endpoint,
    pub content_type: &'static str,
    /// Further headers; values that cannot stand in a header are left out.
    pub headers: Vec<(&'a str, String)>,
    pub body: Bytes,
}

/// Looks names up, and gives the addresses that may be connected to. An address that stands there itself is not asked about here.
#[derive(Clone)]
struct Resolver {
    /// What may be reached; `None`: whatever the machine's owner named.
    pass: Option<Pass>,
    port: u16,
}

type Resolved = Result<std::vec::IntoIter<SocketAddr>, Box<dyn Error + Send + Sync>>;

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Box<dyn Error + Send + Sync>;
    type Future = Pin<Box<dyn Future<Output = Resolved> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { pass, port } = self.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), port)).await?.collect();
            let allowed = match pass {
                // What is connected to is what was judged, whatever the name means a moment later.
                Some(pass) => pass.allowed(name.as_str(), found.into_iter())?,
                None => found,
            };
            Ok(allowed.into_iter())
        })
    }
}

/// The system's certificates, read once. Waits for the disk.
fn roots() -> Result<Arc<RootCertStore>, HttpError> {
    static ROOTS: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = ROOTS.get() {
        return Ok(roots.clone());
    }
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let why = found.errors.first().map_or_else(String::new, |e| format!(" ({e})"));
        return Err(HttpError::NoRoots(why));
    }
    Ok(ROOTS.get_or_init(|| Arc::new(roots)).clone())
}

/// A client. Clones share their connections.
#[derive(Clone)]
pub(super) struct Http {
    client: Arc<Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>>,
}

impl Http {
    /// For whom the machine's owner named. `with_roots`: whether there will be https addresses, whose servers are checked with the system's
    /// certificates.
    pub fn new(with_roots: bool) -> Result<Self, HttpError> {
        Self::to(Resolver { pass: None, port: 0 }, with_roots)
    }

    /// For one address, whose name may lead where `pass` says. Of an address without a name it must have been asked before each request.
    pub fn within(pass: Pass, endpoint: &Endpoint) -> Result<Self, HttpError> {
        let port = endpoint.url().port_or_known_default().unwrap_or(0);
        Self::to(Resolver { pass: Some(pass), port }, endpoint.is_https())
    }

    fn to(resolver: Resolver, with_roots: bool) -> Result<Self, HttpError> {
        let roots = if with_roots { roots()? } else { Arc::new(RootCertStore::empty()) };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new_with_resolver(resolver);
        tcp.set_connect_timeout(Some(CONNECT_PATIENCE));
        tcp.set_nodelay(true);
        tcp.enforce_http(false);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(IDLE)
            .pool_timer(hyper_util::rt::TokioTimer::new())
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(connector);
        Ok(Self { client: Arc::new(client) })
    }

    /// Posts and waits for the answer.
    ///
    /// # Errors
    /// Why there is none, for a log.
    pub async fn post(&self, message: Message<'_>) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(message.to.url().as_str())
            .header(header::CONTENT_TYPE, message.content_type)
            .header(header::USER_AGENT, concat!("quadrille/", env!("CARGO_PKG_VERSION")));
        for (name, value) in message.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::new(message.body)).map_err(|e| format!("it cannot be asked: {e}"))?;
        let answer = tokio::time::timeout(ANSWER_PATIENCE, self.client.request(request));
        match answer.await {
            Err(_) => Err(format!("no answer in {} s", ANSWER_PATIENCE.as_secs())),
            Ok(Err(error)) => Err(causes(&error)),
            Ok(Ok(response)) => Ok(read(response).await),
        }
    }
}

async fn read(response: Response<Incoming>) -> Answer {
    let status = response.status().as_u16();
    let retry_after = response.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()).map(str::to_owned);
    // A success is one by its head. Its body is read too, as far as it is short, so that the connection can be used again.
    let body = Limited::new(response.into_body(), SAID_BYTES).collect();
    let body = match tokio::time::timeout(SAID_PATIENCE, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        _ => Bytes::new(),
    };
    if (200..300).contains(&status) {
        return Answer { status, retry_after, said: String::new(), body };
    }
    let text = String::from_utf8_lossy(&body).into_owned();
    let said = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID_CHARS).collect();
    Answer { status, retry_after, said, body: Bytes::new() }
}

/// An error with what lies behind it: "client error (Connect)" alone helps nobody.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let answer = |text: &str| Answer {
            status: 429,
            retry_after: Some(text.to_owned()),
            said: String::new(),
            body: Bytes::new(),
        };
        // 2026-11-22T16:00:00Z
        let now_ms = 1_795_363_200_000;
        for (text, wait_ms) in [
            ("120", Some(120_000)),
            (" 0", Some(0)),
            ("Sun, 22 Nov 2026 16:01:30 GMT", Some(90_000)),
            ("Sun, 22 Nov 2026 15:00:00 GMT", Some(0)),
            ("soon", None),
            ("-5", None),
        ] {
            assert_eq!(answer(text).retry_after_ms(now_ms), wait_ms, "{text}");
        }
        let silent = Answer { status: 200, retry_after: None, said: String::new(), body: Bytes::new() };
        assert_eq!(silent.retry_after_ms(now_ms), None);
    }
}
