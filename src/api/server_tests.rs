use super::*;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// More than the kernel takes of an answer that nobody reads.
const LARGE: usize = 64 << 20;

struct Server {
    address: SocketAddr,
    metrics: Arc<Metrics>,
    end: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Server {
    async fn start(limits: ServerLimits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let large = Bytes::from(vec![7; LARGE]);
        let router = Router::new().route("/", get(|| async { "here" })).route("/large", get(|| async { large }));
        let router = router.route("/never", get(std::future::pending::<&'static str>));
        let metrics = Arc::new(Metrics::new().unwrap());
        let serving = serve(listener, router, None, limits, metrics.clone(), async {
            let _ = ended.await;
        });
        Self { address, metrics, end, serving: tokio::spawn(serving) }
    }

    fn dropped(&self, reason: &str) -> u64 {
        self.metrics.connections_dropped.with_label_values(&[reason]).get()
    }

    /// Waits until no connection is open.
    async fn deserted(&self) {
        while self.metrics.connections.get() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn end(self) {
        self.end.send(()).unwrap();
        self.serving.await.unwrap();
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn all_it_says(&self, said: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(said).await.unwrap();
        let mut answer = Vec::new();
        // A reset is an end as well.
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }
}

fn impatient() -> ServerLimits {
    let short = Duration::from_millis(50);
    ServerLimits {
        head_patience: short,
        idle_patience: short,
        write_patience: short,
        drain_patience: short,
        ..ServerLimits::default()
    }
}

const WHOLE: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

#[tokio::test]
async fn a_client_that_says_nothing_or_half_a_head_is_let_go() {
    let server = Server::start(impatient()).await;
    for said in [&b""[..], b"P", b"PRI * HTTP/2.0\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nX-Slow: "] {
        let answer = server.all_it_says(said).await;
        assert!(!answer.contains("here"), "{answer}");
    }
    server.deserted().await;
    assert_eq!(server.dropped("idle") + server.dropped("head"), 4);
    server.end().await;
}

#[tokio::test]
async fn a_whole_request_is_answered_and_the_end_is_clean() {
    let server = Server::start(ServerLimits::default()).await;
    let answer = server.all_it_says(WHOLE).await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("here"), "{answer}");
    assert!(!answer.contains("strict-transport-security"), "{answer}");
    // A kept-alive, idle connection does not hold the end up.
    let (_idle, address) = (server.connect().await, server.address);
    server.end().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn one_connection_too_many_waits_for_room() {
    let server = Server::start(ServerLimits { connections: 1, ..impatient() }).await;
    let _first = server.connect().await;
    let answer = server.all_it_says(WHOLE).await;
    assert!(answer.ends_with("here"), "{answer}");
    server.end().await;
}

#[tokio::test]
async fn an_address_that_has_as_many_as_it_may_is_sent_away_at_once() {
    let limits = ServerLimits { per_address: 2, exempt: [].into(), ..ServerLimits::default() };
    let server = Server::start(limits).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        let mut begun = [0; 12];
        stream.read_exact(&mut begun).await.unwrap();
        held.push(stream);
    }
    let mut third = server.connect().await;
    // The other side may have gone already.
    let _ = third.write_all(WHOLE).await;
    let mut answer = Vec::new();
    let _ = third.read_to_end(&mut answer).await;
    assert_eq!((answer.len(), server.dropped("address")), (0, 1));
    drop(held);
    server.deserted().await;
    assert!(server.all_it_says(WHOLE).await.ends_with("here"));
    server.end().await;
}

#[tokio::test]
async fn who_reads_nothing_is_let_go_also_while_it_goes_on_asking() {
    let server = Server::start(impatient()).await;
    let mut held = Vec::new();
    for _ in 0..20 {
        let mut stream = server.connect().await;
        stream.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        held.push(stream);
    }
    let (reading, mut writing) = held.pop().unwrap().into_split();
    let asks = tokio::spawn(async move {
        // As long as somebody is there.
        while writing.write_all(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    server.deserted().await;
    assert_eq!(server.dropped("reader"), 20);
    asks.await.unwrap();
    drop((reading, held));
    server.end().await;
}

#[tokio::test]
async fn who_opens_no_window_of_http_2_is_let_go_and_who_does_is_served() {
    // Longer than a machine that does much else takes to read on, or to answer a ping.
    let patience = Duration::from_millis(600);
    let limits = ServerLimits { idle_patience: patience, write_patience: patience, ..impatient() };
    let server = Server::start(limits).await;
    let open = async || {
        let io = TokioIo::new(server.connect().await);
        let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let (sender, connection) = builder.handshake::<_, Empty<Bytes>>(io).await.unwrap();
        // It answers pings all the while.
        (sender, tokio::spawn(connection))
    };
    let ask = || Request::builder().uri("http://a/large").body(Empty::new()).unwrap();
    let (mut sender, connection) = open().await;
    let whole = sender.send_request(ask()).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(whole.len(), LARGE);
    let unread = sender.send_request(ask()).await.unwrap();
    server.deserted().await;
    assert_eq!(server.dropped("reader"), 1);
    drop((unread, sender));
    let _ = connection.await.unwrap();
    server.end().await;
}

#[tokio::test]
async fn what_takes_the_service_long_ends_no_connection_and_one_of_http_2_that_asks_nothing_ends() {
    // Longer than a machine that does much else takes to answer a ping.
    let idle_patience = Duration::from_millis(600);
    let server = Server::start(ServerLimits { idle_patience, ..impatient() }).await;
    let io = TokioIo::new(server.connect().await);
    let builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
    let (mut sender, connection) = builder.handshake::<_, Empty<Bytes>>(io).await.unwrap();
    let connection = tokio::spawn(connection);
    let ask = |path: &str| Request::builder().uri(format!("http://a{path}")).body(Empty::<Bytes>::new()).unwrap();
    let waiting = sender.send_request(ask("/never"));
    // Some times its patience.
    let answered = tokio::time::timeout(idle_patience * 3, waiting).await;
    assert!(answered.is_err(), "it is still waited for");
    // That one was taken back; now there is none.
    server.deserted().await;
    assert_eq!(server.dropped("idle"), 1);
    assert!(sender.send_request(ask("/")).await.is_err());
    let _ = connection.await.unwrap();
    server.end().await;
}
