//! Serving connections: bounded in number, none of them for ever, and a clean end.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;
use tower::{BoxError, ServiceExt};

use super::tls::{self, Tls};

/// What connections may take.
#[derive(Clone, Copy, Debug)]
pub struct ServerLimits {
    /// Open connections; more wait in the kernel's backlog until one closes.
    pub connections: usize,
    /// A request's head must have arrived this long after its first byte, and a kept-alive connection must ask again this soon.
    pub head_patience: Duration,
    /// A connection on which no byte moves either way for this long is closed.
    pub idle_patience: Duration,
    /// Requests in flight on one HTTP/2 connection.
    pub streams_per_connection: u32,
    /// Once asked to end, how long answers under way may still take.
    pub drain_patience: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            // Players ask at least once a target duration (10 s at most); idle ones may be closed.
            head_patience: Duration::from_secs(20),
            idle_patience: Duration::from_secs(30),
            streams_per_connection: 64,
            drain_patience: Duration::from_secs(2),
        }
    }
}

/// Largest head of a request, in bytes (hyper's read buffer).
const HEAD_LIMIT_BYTES: usize = 16 * 1024;

/// That a request came over TLS; for the addresses in its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Secure;

/// Serves `router` on `listener` until `ended` completes; then answers what is under way and returns. HTTP/1.1 and HTTP/2, over `tls` or, without
/// it, in the clear (HTTP/2 with prior knowledge).
///
/// Errors: none reaches the caller; a connection that fails to be accepted (no file descriptors left) is waited out.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    tls: Option<Arc<Tls>>,
    limits: ServerLimits,
    ended: impl Future<Output = ()>,
) {
    let serving = Arc::new(Serving { builder: connection_builder(limits), router, tls, limits });
    let looking = tokio::spawn(look_at_files(serving.clone()));
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(limits.connections.min(Semaphore::MAX_PERMITS)));
    tokio::pin!(ended);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut ended => break,
            accepted = accept(&listener, &room) => accepted,
        };
        match accepted {
            Ok((stream, peer, permit)) => {
                spawn_connection(stream, peer, permit, &serving, &graceful);
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                // EMFILE lasts until something closes; without a pause this loop would spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    looking.abort();
    if tokio::time::timeout(limits.drain_patience, graceful.shutdown()).await.is_err() {
        tracing::info!("connections that did not finish in time were cut");
    }
}

/// What all connections share.
struct Serving {
    builder: auto::Builder<TokioExecutor>,
    router: Router,
    tls: Option<Arc<Tls>>,
    limits: ServerLimits,
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

fn connection_builder(limits: ServerLimits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(limits.head_patience).max_buf_size(HEAD_LIMIT_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection)
        .max_header_list_size(HEAD_LIMIT_BYTES as u32)
        .keep_alive_interval(limits.idle_patience / 2)
        .keep_alive_timeout(limits.idle_patience / 2);
    builder
}

fn spawn_connection(
    stream: TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
    serving: &Arc<Serving>,
    graceful: &GracefulShutdown,
) {
    // Playlists are small and awaited: Nagle's algorithm would hold them back for an acknowledgement.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%peer, %error, "TCP_NODELAY was refused");
    }
    let serving = serving.clone();
    let watcher = graceful.watcher();
    tokio::spawn(async move {
        let stream = Patient::new(stream, serving.limits.idle_patience);
        let served = match &serving.tls {
            None => serving.serve(stream, false, watcher).await,
            Some(tls) => match shaken(tls, stream, serving.limits.head_patience).await {
                Ok(stream) => serving.serve(stream, true, watcher).await,
                Err(error) => Err(error.into()),
            },
        };
        if let Err(error) = served {
            tracing::debug!(%peer, %error, "a connection broke off");
        }
        drop(permit);
    });
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

impl Serving {
    async fn serve<S>(&self, stream: S, is_secure: bool, watcher: Watcher) -> Result<(), BoxError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = self.router.clone().map_request(move |mut request: Request<Incoming>| {
            if is_secure {
                request.extensions_mut().insert(Secure);
            }
            request.map(Body::new)
        });
        let service = TowerToHyperService::new(service);
        let connection = self.builder.serve_connection(TokioIo::new(stream), service).into_owned();
        watcher.watch(connection).await
    }
}

/// A stream that fails with `TimedOut` once no byte has moved either way for `patience`.
///
/// hyper's own timer starts with a request's head, after the protocol's version is known: without this, a client that
/// connects and says nothing, or never reads its answer, would hold its connection for ever.
struct Patient<S> {
    stream: S,
    patience: Duration,
    deadline: Pin<Box<Sleep>>,
}

impl<S> Patient<S> {
    fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, deadline: Box::pin(tokio::time::sleep(patience)) }
    }

    fn moved(&mut self) {
        let deadline = Instant::now() + self.patience;
        self.deadline.as_mut().reset(deadline);
    }

    fn waited<T>(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        match self.deadline.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }

    fn settle<T>(&mut self, cx: &mut Context<'_>, poll: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if poll.is_pending() {
            return self.waited(cx);
        }
        self.moved();
        poll
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        self.settle(cx, poll)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.settle(cx, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.settle(cx, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    async fn start(limits: ServerLimits) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let router = Router::new().route("/", get(|| async { "here" }));
        let serving = serve(listener, router, None, limits, async {
            let _ = ended.await;
        });
        (address, end, tokio::spawn(serving))
    }

    fn impatient() -> ServerLimits {
        let short = Duration::from_millis(50);
        ServerLimits { head_patience: short, idle_patience: short, drain_patience: short, ..ServerLimits::default() }
    }

    async fn all_it_says(address: SocketAddr, said: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end as well.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_or_half_a_head_is_let_go() {
        let (address, end, serving) = start(impatient()).await;
        for said in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
            let answer = all_it_says(address, said).await;
            assert!(!answer.contains("here"), "{answer}");
        }
        end.send(()).unwrap();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn a_whole_request_is_answered_and_the_end_is_clean() {
        let (address, end, serving) = start(ServerLimits::default()).await;
        let answer = all_it_says(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
        // A kept-alive, idle connection does not hold the end up.
        let _idle = TcpStream::connect(address).await.unwrap();
        end.send(()).unwrap();
        serving.await.unwrap();
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn one_connection_too_many_waits_for_room() {
        let (address, end, serving) = start(ServerLimits { connections: 1, ..impatient() }).await;
        let _first = TcpStream::connect(address).await.unwrap();
        let answer = all_it_says(address, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
        assert!(answer.ends_with("here"), "{answer}");
        end.send(()).unwrap();
        serving.await.unwrap();
    }
}
