//! Many requests at one instant, from a client that costs next to nothing: it stands for fifty devices, none of which takes its
//! processor time from the service's machine. Connections are open beforehand, requests are bytes already, one thread carries
//! them all.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// Open, kept-alive connections that each send the same request.
pub struct Burst {
    idle: Vec<TcpStream>,
    request: &'static [u8],
}

impl Burst {
    /// `count` connections to `address` (`host:port`).
    pub async fn open(address: &str, count: usize, method_and_path: &str, key: &str, body: &str) -> Self {
        let mut idle = Vec::new();
        for _ in 0..count {
            let stream = TcpStream::connect(address).await.expect("the service accepts connections");
            stream.set_nodelay(true).expect("a socket takes its options");
            idle.push(stream);
        }
        let request = format!(
            "{method_and_path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        // One request for the whole run: it may as well stay.
        Self { idle, request: request.leak().as_bytes() }
    }

    /// Sends the request on every connection at once; how long each waited, from its request to the last byte of its answer.
    pub async fn fire(&mut self, status: u16) -> Vec<Duration> {
        let mut asked = JoinSet::new();
        for mut stream in self.idle.drain(..) {
            let request = self.request;
            asked.spawn(async move {
                let began = Instant::now();
                stream.write_all(request).await.expect("the service reads");
                let answer = read_answer(&mut stream).await;
                let took = began.elapsed();
                assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
                (took, stream)
            });
        }
        let mut times = Vec::new();
        for (took, stream) in asked.join_all().await {
            times.push(took);
            self.idle.push(stream);
        }
        times
    }
}

/// A whole answer with a `Content-Length`.
async fn read_answer(stream: &mut TcpStream) -> String {
    let mut answer = Vec::with_capacity(4096);
    while !is_whole(&answer) {
        let read = stream.read_buf(&mut answer).await.expect("the service answers");
        assert!(read > 0, "the service closed the connection");
    }
    String::from_utf8(answer).expect("text")
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.and_then(|n| n.parse().ok()).expect("a Content-Length")
}
