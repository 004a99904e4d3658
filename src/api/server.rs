//! Serving connections: bounded in number, none of them for ever, and a clean end.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, header};
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::Instant;
use tokio_rustls::server::TlsStream;
use tower::{BoxError, ServiceExt};

use super::patient::Patient;
use super::peers::{Entered, Peers};
use super::progress::{Gone, Progress};
use super::tls::{self, Tls};
use crate::config::Network;
use crate::metrics::Metrics;

/// What connections may take.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Open connections; more wait in the kernel's backlog until one closes.
    pub connections: usize,
    /// Of one address; more are refused.
    pub per_address: usize,
    /// Whose connections are not counted by address.
    pub exempt: Arc<[IpNet]>,
    /// A request's head must have arrived this long after its first byte, and a kept-alive connection must ask again this soon.
    pub head_patience: Duration,
    /// A connection on which no byte moves either way for this long is closed.
    pub idle_patience: Duration,
    /// A connection on which an answer gets no further for this long is closed.
    pub write_patience: Duration,
    /// Requests in flight on one HTTP/2 connection.
    pub streams_per_connection: u32,
    /// Once asked to end, how long answers under way may still take.
    pub drain_patience: Duration,
}

impl ServerLimits {
    /// As the configuration has them. What comes from the machine itself is not counted by address: it is a proxy's, or trusted anyway.
    pub fn of(network: &Network) -> Self {
        let connections = network.connections;
        let own = [IpAddr::from([127, 0, 0, 0]), IpAddr::from(std::net::Ipv6Addr::LOCALHOST)];
        let own = own.into_iter().zip([8, 128]).filter_map(|(address, bits)| IpNet::new(address, bits).ok());
        Self {
            connections: connections.max as usize,
            per_address: connections.max_per_address as usize,
            exempt: own.chain(network.trusted_proxies.iter().copied()).collect(),
            head_patience: connections.head_timeout,
            idle_patience: connections.idle_timeout,
            write_patience: connections.write_timeout,
            streams_per_connection: connections.max_streams,
            drain_patience: Duration::from_secs(2),
        }
    }
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self::of(&Network::default())
    }
}

/// Largest head of a request, in bytes (hyper's read buffer).
const HEAD_LIMIT_BYTES: usize = 16 * 1024;

/// Requests that a client of HTTP/2 opened and took back, and that wait to be let go of; one more, and the connection ends (CVE-2023-44487).
const MOST_TAKEN_BACK: usize = 32;

/// Bytes of an answer that HTTP/2 holds in front of a client's window.
const STREAM_BUFFER_BYTES: usize = 256 * 1024;

/// Whoever came over TLS comes over nothing else for a year (RFC 6797).
const FOR_A_YEAR: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// That a request came over TLS; for the addresses in its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secure;

/// The other end of a request's connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub IpAddr);

/// Serves `router` on `listener` until `ended` completes; then answers what is under way and returns. HTTP/1.1 and HTTP/2, over `tls` or, without
/// it, in the clear (HTTP/2 with prior knowledge).
///
/// Errors: none reaches the caller; a connection that fails to be accepted (no file descriptors left) is waited out.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    limits: ServerLimits,
    metrics: Arc<Metrics>,
    ended: impl Future<Output = ()>,
) {
    let (drain, draining) = watch::channel(false);
    // Nothing is sent: it is over when the last connection has let go of its end.
    let (open, mut all_closed) = mpsc::channel::<()>(1);
    let peers = Peers::new(limits.per_address, limits.exempt.clone());
    let room = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    let drain_patience = limits.drain_patience;
    let serving =
        Arc::new(Serving { builder: connection_builder(&limits), router, tls, limits, metrics, peers, draining });
    let looking = tokio::spawn(look_at_files(serving.clone()));
    tokio::pin!(ended);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut ended => break,
            accepted = accept(&listener, &room) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => serving.clone().take(stream, peer, permit, open.clone()),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // EMFILE lasts until something closes; without a pause this loop would spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    looking.abort();
    drop(open);
    // Nobody listens where no connection is left.
    let _ = drain.send(true);
    if tokio::time::timeout(drain_patience, all_closed.recv()).await.is_err() {
        tracing::info!("connections that did not finish in time were cut");
    }
}

/// What all connections share.
struct Serving {
    builder: auto::Builder<TokioExecutor>,
    router: Router,
    tls: Option<Arc<Tls>>,
    limits: ServerLimits,
    metrics: Arc<Metrics>,
    peers: Arc<Peers>,
    draining: watch::Receiver<bool>,
}

/// Certificates change while the service runs.
async fn look_at_files(serving: Arc<Serving>) {
    let Some(tls) = serving.tls.clone() else { return };
    let mut ticks = tokio::time::interval(tls::LOOK_EVERY);
    loop {
        ticks.tick().await;
        let tls = tls.clone();
        // Files may lie on a slow disk. A look that panics has looked.
        let _ = tokio::task::spawn_blocking(move || tls.look()).await;
    }
}

async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let permit = Arc::clone(room).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer, permit))
}

fn connection_builder(limits: &ServerLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head_patience).max_buf_size(HEAD_LIMIT_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection)
        .max_pending_accept_reset_streams(MOST_TAKEN_BACK)
        .max_local_error_reset_streams(MOST_TAKEN_BACK)
        .max_header_list_size(HEAD_LIMIT_BYTES as u32)
        .max_send_buf_size(STREAM_BUFFER_BYTES)
        .keep_alive_interval(limits.idle_patience / 2)
        .keep_alive_timeout(limits.idle_patience / 2);
    builder
}

/// What a connection holds as long as it is open.
struct Held {
    serving: Arc<Serving>,
    _entered: Entered,
    _permit: OwnedSemaphorePermit,
    _open: mpsc::Sender<()>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.serving.metrics.connections.dec();
    }
}

impl Serving {
    /// Takes a connection in, or sends it away where its address has as many as it may.
    fn take(
        self: Arc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        permit: OwnedSemaphorePermit,
        open: mpsc::Sender<()>,
    ) {
        let Some(entered) = self.peers.enter(peer.ip()) else {
            self.dropped("address");
            // At once, and without a trace in the kernel: it asks for nothing better.
            let _ = stream.set_zero_linger();
            return;
        };
        // Playlists are small and awaited: Nagle's algorithm would hold them back for an acknowledgement.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%peer, %error, "TCP_NODELAY was refused");
        }
        // What the kernel has taken of an answer it would offer for many minutes to who reads nothing, also when we have let go.
        let patience_ms = u32::try_from(self.limits.write_patience.as_millis()).unwrap_or(u32::MAX);
        if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&stream, patience_ms) {
            tracing::debug!(%peer, %error, "TCP_USER_TIMEOUT was refused");
        }
        self.metrics.connections.inc();
        let held = Held { serving: self, _entered: entered, _permit: permit, _open: open };
        tokio::spawn(async move {
            let progress = Progress::new();
            let served = held.serving.connection(stream, peer, &progress).await;
            if let Err(error) = served {
                tracing::debug!(%peer, %error, "a connection broke off");
            }
            if let Some(gone) = progress.gone() {
                held.serving.dropped(gone.name());
            }
        });
    }

    fn dropped(&self, reason: &str) {
        self.metrics.connections_dropped.with_label_values(&[reason]).inc();
    }

    async fn connection(&self, stream: TcpStream, peer: SocketAddr, progress: &Arc<Progress>) -> Result<(), BoxError> {
        let ServerLimits { idle_patience, write_patience, .. } = self.limits;
        let stream = Patient::new(stream, idle_patience, write_patience, progress.clone());
        match &self.tls {
            None => self.serve(stream, peer, false, progress).await,
            Some(tls) => match shaken(tls, stream, self.limits.head_patience).await {
                Ok(stream) => self.serve(stream, peer, true, progress).await,
                Err(error) => {
                    progress.note(Gone::Handshake);
                    Err(error.into())
                }
            },
        }
    }

    async fn serve<S>(
        &self,
        stream: S,
        peer: SocketAddr,
        is_secure: bool,
        progress: &Arc<Progress>,
    ) -> Result<(), BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (peer, noted) = (Peer(peer.ip().to_canonical()), progress.clone());
        let router = self.router.clone();
        let service = tower::service_fn(move |mut request: Request<Incoming>| {
            let in_work = noted.begin();
            request.extensions_mut().insert(peer);
            if is_secure {
                request.extensions_mut().insert(Secure);
            }
            let answer = router.clone().oneshot(request.map(Body::new));
            async move {
                let mut answer = answer.await?;
                if is_secure {
                    answer.headers_mut().insert(header::STRICT_TRANSPORT_SECURITY, FOR_A_YEAR);
                }
                Ok::<_, Infallible>(answer.map(|body| in_work.answered(body)))
            }
        });
        let connection = self.builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
        let mut connection = pin!(connection);
        let mut draining = self.draining.clone();
        let (mut is_ending, mut gone) = (false, None);
        loop {
            let drain = async {
                // Whoever told it is gone with the listener, which is an end as well.
                let _ = draining.wait_for(|drain| *drain).await;
            };
            let look = tokio::time::sleep(self.limits.idle_patience.min(self.limits.write_patience) / 4);
            tokio::select! {
                served = connection.as_mut() => {
                    if served.as_ref().is_err_and(|error| is_late_head(&**error)) {
                        progress.note(progress.without_head());
                    }
                    if let Some(gone) = gone {
                        progress.note(gone);
                    }
                    return served;
                }
                () = drain, if !is_ending => {
                    is_ending = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = look => match (progress.verdict(Instant::now(), self.limits.idle_patience, self.limits.write_patience), gone) {
                    (None, _) => {}
                    // HTTP/2 has a farewell, so that no request is lost that is on its way.
                    (Some(Gone::Idle), None) => {
                        gone = Some(Gone::Idle);
                        connection.as_mut().graceful_shutdown();
                    }
                    (Some(reason), _) => {
                        progress.note(reason);
                        return Err(io::Error::from(io::ErrorKind::TimedOut).into());
                    }
                },
            }
        }
    }
}

/// Whether a connection ended because a head did not come in time.
fn is_late_head(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_timeout)
}

/// The stream once both sides have agreed on keys, which may take as long as a request's head.
async fn shaken(
    tls: &Tls,
    stream: Patient<TcpStream>,
    patience: Duration,
) -> io::Result<TlsStream<Patient<TcpStream>>> {
    let shaken = tokio::time::timeout(patience, tls.acceptor().accept(stream)).await;
    shaken.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
