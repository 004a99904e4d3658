//! Hundreds of connections that are slow on purpose, while players play: those are ended one by one, and no player misses a segment.

use std::sync::Arc;

use reqwest::{Method, StatusCode};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use crate::support::player::Player;
use crate::support::program::{DEVICE, OPERATOR, Program, until, write_config};

/// Pictures of a segment, as [`write_config`] has them.
const PICTURES: u64 = 30;

/// Impatient, so that a test need not be patient. A player asks twice a second.
const IMPATIENT: &str = "[connections]\nhead_timeout_s = 5\nidle_timeout_s = 5\nwrite_timeout_s = 5\n";

#[derive(Clone, Copy, Debug)]
enum Slow {
    /// Says nothing.
    Silent,
    /// Says its head byte by byte, and never all of it.
    Head,
    /// Says a body byte by byte.
    Body,
    /// Asks again and again and reads nothing.
    Reader,
    /// Asks once for what is large, over HTTP/2, and opens no window.
    Window,
}

/// The preface, settings with windows of no bytes, and a request for `path` (RFC 9113; its header block spells all out, RFC 7541, 6.2.2).
fn over_http_2(path: &str, host: &str) -> Vec<u8> {
    let mut block = vec![0x82, 0x86];
    // :path and :authority are 4 and 1 of the static table.
    for (name, value) in [(0x04_u8, path), (0x01, host)] {
        block.push(name);
        block.push(u8::try_from(value.len()).unwrap());
        block.extend_from_slice(value.as_bytes());
    }
    let mut said = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    said.extend_from_slice(&[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0]);
    said.extend_from_slice(&[0, 0, u8::try_from(block.len()).unwrap(), 1, 5, 0, 0, 0, 1]);
    said.extend(block);
    said
}

/// Acknowledges what is to be acknowledged, so that nobody thinks it is gone, until it is ended.
async fn answer_pings(stream: &mut TcpStream) {
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let mut payload = vec![0; usize::from(head[1]) << 8 | usize::from(head[2])];
        if stream.read_exact(&mut payload).await.is_err() {
            return;
        }
        let (kind, is_acknowledged) = (head[3], head[4] & 1 == 1);
        if is_acknowledged || ![SETTINGS, PING].contains(&kind) {
            continue;
        }
        head[4] = 1;
        if kind == SETTINGS {
            (head[1], head[2]) = (0, 0);
            payload.clear();
        }
        if stream.write_all(&[&head[..], &payload].concat()).await.is_err() {
            return;
        }
    }
}

/// Does it until the service ends it. Whatever it reads, it reads late.
async fn slow(how: Slow, address: String, page: String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let Ok(mut stream) = socket.connect(address.parse().unwrap()).await else { return };
    let drip = async |stream: &mut TcpStream, said: &str| {
        let _ = stream.write_all(said.as_bytes()).await;
        // An answer, if only an end, is the end of it.
        let mut byte = [0; 1];
        loop {
            tokio::select! {
                read = stream.read(&mut byte) => if !matches!(read, Ok(1..)) { return },
                () = tokio::time::sleep(std::time::Duration::from_millis(200)) => {
                    if stream.write_all(b"x").await.is_err() {
                        return;
                    }
                }
            }
        }
    };
    match how {
        Slow::Silent => drop(stream.read(&mut [0; 1]).await),
        Slow::Head => drip(&mut stream, "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ").await,
        Slow::Body => {
            let head = format!(
                "POST /v1/sessions HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {DEVICE}\r\nContent-Type: application/json\r\n\
                 Content-Length: 60000\r\n\r\n{{"
            );
            drip(&mut stream, &head).await;
        }
        Slow::Reader => {
            let asked = format!("GET {page} HTTP/1.1\r\nHost: a\r\n\r\n");
            // It is let go of when it can say no more.
            while stream.write_all(asked.as_bytes()).await.is_ok() {
                tokio::task::yield_now().await;
            }
        }
        Slow::Window => {
            let _ = stream.write_all(&over_http_2(&page, "a")).await;
            answer_pings(&mut stream).await;
        }
    }
}

async fn slow_ones_beside_players(each: usize, viewers: usize) {
    let files = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: files.maximum, ..files }).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let program = Arc::new(Program::serve(&write_config(dir.path(), &dir.path().join("data"), "", IMPATIENT)));
    let mut players = Vec::new();
    for n in 0..viewers {
        let games = if n % 2 == 0 { ["a", "b"] } else { ["b", "a"] };
        let session =
            program.device(Method::POST, "/v1/sessions", Some(json!({ "games": games })), StatusCode::CREATED);
        players.push(Player::start(&program, &session.await, PICTURES).await);
    }
    until("players", async || players.iter().all(Player::plays).then_some(())).await;
    let page = "/openapi.json".to_owned();
    let kinds = [Slow::Silent, Slow::Head, Slow::Body, Slow::Reader, Slow::Window];
    let attack: Vec<_> = kinds
        .into_iter()
        .flat_map(|how| std::iter::repeat_n(how, each))
        .map(|how| tokio::spawn(slow(how, program.address.clone(), page.clone())))
        .collect();
    let began = players.iter().map(Player::newest).max().unwrap();
    for (n, one) in attack.into_iter().enumerate() {
        one.await.unwrap_or_else(|e| panic!("{n}: {e}"));
    }
    // All were ended, and it was not the players: they play what came meanwhile, and go on.
    until("segments after it", async || players.iter().all(|player| player.newest() >= began + 6).then_some(())).await;
    let dropped = async |reason: &str| {
        program.metric(&format!("quadrille_connections_dropped_total{{reason=\"{reason}\"}}")).await
    };
    assert!(dropped("reader").await >= 2.0 * each as f64, "those that read nothing");
    assert!(
        dropped("head").await + dropped("idle").await >= 2.0 * each as f64,
        "those that say nothing, or half of it"
    );
    assert_eq!(dropped("address").await, 0.0);
    let mut wrong = Vec::new();
    for player in players {
        wrong.extend(player.leave(&program).await);
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let games = program.send(Method::GET, "/v1/operator/games", OPERATOR, None).await;
    assert_eq!(games.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn hundreds_of_slow_connections_are_ended_and_no_player_misses_a_segment() {
    slow_ones_beside_players(60, 4).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: 2,000 connections and fifty players"]
async fn two_thousand_slow_connections_are_ended_and_fifty_players_miss_no_segment() {
    slow_ones_beside_players(400, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_http_is_answered_with_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let program = Program::serve(&write_config(dir.path(), &dir.path().join("data"), "", IMPATIENT));
    let long = format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(100_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(5_000));
    let said: [&[u8]; 10] = [
        b"GET /\xff\xfe HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\0\0\0\0\0\0\0\0",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
        b"POST /v1/sessions HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        long.as_bytes(),
        many.as_bytes(),
    ];
    for said in said {
        let mut stream = TcpStream::connect(&program.address).await.unwrap();
        // It may have heard enough before it is all said.
        let _ = stream.write_all(said).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{}: {answer}", said.escape_ascii());
    }
    assert_eq!(program.get("/healthz").await.unwrap().0, StatusCode::OK);
}
