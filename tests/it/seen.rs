//! What an operator sees of sources that fail, of the real program, and what nobody sees: their secrets.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use quadrille::config::SourceUri;
use quadrille::feed::{self, Feed, FeedHealth, FeedSpec, FeedStatus, Pace, Reason};
use quadrille::timeline::{Clock, Grid, SystemClock};
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::support::program::{OPERATOR, Program, until, write_config};

/// A server that refuses whatever is asked with `status`.
fn refusing(status: &'static str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 4096]);
            let _ = write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    port
}

fn free_port() -> u16 {
    std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn service_tells_operators_why_and_neither_them_nor_the_log_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let missing = refusing("404 Not Found");
    let shared = format!("http://bob:hunter2@127.0.0.1:{missing}/hunter2hunter2hunter2hunter2/a.m3u8?token=hunter2");
    let games = format!("[[games]]\nid = \"shared\"\ntitle = \"Shared\"\nsources = [{shared:?}]\n");
    let config = write_config(dir.path(), &dir.path().join("data"), "", &games);
    let program = Program::serve(&config);
    let refused = refusing("401 Unauthorized");
    let own = format!("http://127.0.0.1:{refused}/live/a.m3u8?key=hunter2");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let gone = format!("rtmp://bob:hunter2@127.0.0.1:{closed}/live/hunter2");
    let games = "/v1/operator/games";
    for (id, source) in [("own", &own), ("gone", &gone)] {
        let game = json!({ "id": id, "title": id, "sources": [source] });
        let made = program.send(Method::POST, games, OPERATOR, Some(game)).await;
        assert_eq!(made.status(), StatusCode::CREATED);
    }
    for (id, key, reason) in
        [("shared", "shared", "not_found"), ("own", "acme/own", "unauthorized"), ("gone", "acme/gone", "unreachable")]
    {
        let told = until(id, async || {
            let game = program.operator(&format!("{games}/{id}")).await;
            (game["health"]["reconnects"].as_u64() >= Some(2)).then_some(game)
        })
        .await;
        assert_eq!((&told["health"]["status"], &told["health"]["reason"]), (&json!("slate"), &json!(reason)), "{told}");
        assert!(told["health"]["last_error"].as_str().is_some_and(|text| text.len() > 10), "{told}");
        assert!(!told.to_string().contains("hunter2"), "{told}");
        until("its figures", async || {
            let (_, metrics) = program.get("/metrics").await?;
            assert!(!metrics.contains("hunter2"), "{metrics}");
            let of = |name: &str| {
                let line =
                    metrics.lines().find(|l| l.starts_with(&format!("quadrille_game_{name}{{game=\"{key}\"}} ")))?;
                line.rsplit_once(' ')?.1.parse::<u64>().ok()
            };
            (of("slate_seconds")? >= 1 && of("reconnects_total")? >= 2).then_some(())
        })
        .await;
    }
    assert!(program.logged("source lost") >= 3);
    let log = program.whole_log();
    assert!(!log.contains("hunter2") && log.contains("404"), "{log}");

    let gone = program.send(Method::DELETE, "/v1/operator/games/own", OPERATOR, None).await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    let (_, metrics) = program.get("/metrics").await.unwrap();
    assert!(!metrics.contains("game=\"acme/own\""), "a game's figures go with it: {metrics}");
}

/// A process of its own, ended with its owner.
struct Peer(Child);

impl Peer {
    /// Sends a small picture over SRT: `uri` says to whom or on which port, the rest is for the sink.
    fn start(uri: &str, sink: &[&str]) -> Self {
        let picture = "videotestsrc is-live=true ! video/x-raw,width=160,height=90,framerate=15/1 ! x264enc \
                       tune=zerolatency key-int-max=15 ! mpegtsmux ! srtsink wait-for-connection=false";
        let mut command = Command::new("gst-launch-1.0");
        command.args(["-q"]).args(picture.split_whitespace()).arg(format!("uri={uri}")).args(sink);
        Self(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("GStreamer's tools"),
        )
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Watched {
    feed: Arc<Feed>,
    grid: Grid,
    clock: Arc<dyn Clock>,
}

impl Watched {
    fn new(source: &str) -> Self {
        feed::init().unwrap();
        let grid = Grid::new("30".parse().unwrap(), 60);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let url = source.parse::<SourceUri>().unwrap().url().clone();
        let spec = FeedSpec { key: "srt".into(), title: "Ants at Bees".into(), sources: vec![url] };
        Self { feed: Feed::start(spec, grid, Arc::clone(&clock), Pace::Realtime), grid, clock }
    }

    /// Ticks until `ready`, and says how the feed is then.
    fn until(&self, what: &str, ready: impl Fn(&FeedHealth) -> bool) -> FeedHealth {
        let began = Instant::now();
        loop {
            self.feed.picture_at(self.grid.frame_at(self.clock.now()));
            let health = self.feed.health();
            if ready(&health) {
                return health;
            }
            assert!(began.elapsed() < Duration::from_secs(45), "{what}: {health:?}");
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    fn until_live(&self) -> FeedHealth {
        self.until("live", |health| health.status == FeedStatus::Live)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        // A source that still runs when the process ends finds libsrt's memory gone.
        self.feed.stop();
    }
}

#[test]
fn service_srt_a_callers_wrong_passphrase_is_named_and_tried_with_patience() {
    let port = free_port();
    let peer = format!("srt://127.0.0.1:{port}?mode=listener");
    let _peer = Peer::start(&peer, &["passphrase=correct-horse-1", "pbkeylen=32"]);
    let wrong = Watched::new(&format!("srt://127.0.0.1:{port}?passphrase=wrong-horse-22"));
    // Until the listener is up, nobody answers.
    let told = wrong.until("refused", |health| health.reason == Some(Reason::Unauthorized));
    assert!(
        told.last_error.as_ref().is_some_and(|e| e.contains("wrong passphrase") && !e.contains("horse")),
        "{told:?}"
    );
    let began = Instant::now();
    let tried = wrong.until("three seconds", |_| began.elapsed() > Duration::from_secs(3)).reconnects - told.reconnects;
    assert!((1..=6).contains(&tried), "{tried} attempts in three seconds: the back-off is ours");
    drop(wrong);
    let none = Watched::new(&format!("srt://127.0.0.1:{port}"));
    let told = none.until("refused", |health| health.reason == Some(Reason::Unauthorized));
    assert!(told.last_error.as_ref().is_some_and(|e| e.contains("a passphrase is missing")), "{told:?}");
    drop(none);
    let right = Watched::new(&format!(
        "srt://127.0.0.1:{port}?latency=80&passphrase=correct-horse-1&streamid=#!::r=live/a,m=request"
    ));
    let health = right.until_live();
    assert_eq!((health.width, health.height, health.reason), (160, 90, None));
}

#[test]
fn service_srt_a_listener_says_that_a_caller_has_another_passphrase() {
    let port = free_port();
    let listening = Watched::new(&format!("srt://:{port}?passphrase=correct-horse-1"));
    {
        let _caller = Peer::start(&format!("srt://127.0.0.1:{port}"), &["passphrase=wrong-horse-22"]);
        let told = listening.until("refused", |health| health.reason == Some(Reason::Unauthorized));
        assert!(told.last_error.as_ref().is_some_and(|e| e.contains("wrong passphrase")), "{told:?}");
    }
    let _caller = Peer::start(&format!("srt://127.0.0.1:{port}"), &["passphrase=correct-horse-1"]);
    assert_eq!(listening.until_live().reason, None);
}

#[test]
fn service_srt_a_stream_id_reaches_the_other_end_whole() {
    let port = free_port();
    let id = "#!::r=live/a,m=publish";
    let listening = Watched::new(&format!("srt://:{port}?streamid={id}&passphrase=correct-horse-1&latency=120"));
    {
        let _stranger =
            Peer::start(&format!("srt://127.0.0.1:{port}"), &["passphrase=correct-horse-1", "streamid=#!::r=live/b"]);
        let told = listening.until("refused", |health| health.reason == Some(Reason::Unauthorized));
        assert!(told.last_error.as_ref().is_some_and(|e| e.contains("another stream id")), "{told:?}");
    }
    let _caller =
        Peer::start(&format!("srt://127.0.0.1:{port}"), &["passphrase=correct-horse-1", &format!("streamid={id}")]);
    listening.until_live();
}
