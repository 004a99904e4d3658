//! Somebody who asks for a playlist, and reads no more than that.

use std::io::{Error, ErrorKind, Result};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub struct Asking {
    address: String,
    path: String,
    stream: Option<TcpStream>,
}

impl Asking {
    pub fn new(address: &str, path: &str) -> Self {
        Self { address: address.to_owned(), path: path.to_owned(), stream: None }
    }

    pub async fn connect(&mut self) -> Result<()> {
        self.stream = Some(TcpStream::connect(&self.address).await?);
        Ok(())
    }

    /// Asks again and again from `start` on until `end`; how long each answer took.
    pub async fn every(mut self, interval: Duration, start: Instant, end: Instant) -> Vec<Duration> {
        let mut latencies = Vec::new();
        tokio::time::sleep_until(start.into()).await;
        self.connect().await.expect("it takes connections");
        let mut due = start;
        while due < end {
            tokio::time::sleep_until(due.into()).await;
            let began = Instant::now();
            self.get("").await.expect("it answers");
            latencies.push(began.elapsed());
            due += interval;
        }
        latencies
    }

    /// Asks for one of `paths` after the other until `end`, whatever the answers; how many there were.
    pub async fn hurrying(mut self, paths: Vec<String>, end: Instant) -> u64 {
        self.connect().await.expect("it takes connections");
        let mut asked = 0;
        for path in paths.iter().cycle() {
            if Instant::now() >= end {
                break;
            }
            self.path.clone_from(path);
            let _ = self.get("").await;
            asked += 1;
        }
        asked
    }

    /// The media sequence number of the newest segment.
    pub async fn newest(&mut self) -> Result<u64> {
        let playlist = self.get("").await?;
        let first = playlist.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:")?.parse::<u64>().ok());
        let segments = playlist.lines().filter(|line| line.starts_with("#EXTINF")).count() as u64;
        first.map(|first| first + segments - 1).ok_or_else(|| Error::from(ErrorKind::InvalidData))
    }

    /// Waits until `segment` is listed.
    pub async fn wait_for(mut self, segment: u64) -> Result<()> {
        self.get(&format!("&_HLS_msn={segment}")).await.map(|_| ())
    }

    async fn get(&mut self, query: &str) -> Result<String> {
        let stream = self.stream.as_mut().ok_or(ErrorKind::NotConnected)?;
        let request = format!("GET {}{query} HTTP/1.1\r\nhost: {}\r\n\r\n", self.path, self.address);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        loop {
            if stream.read_buf(&mut answer).await? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let text = String::from_utf8_lossy(&answer);
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head
                .lines()
                .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
            if length.is_none_or(|length: usize| body.len() < length) {
                continue;
            }
            if !head.starts_with("HTTP/1.1 200") {
                return Err(Error::other(text.into_owned()));
            }
            return Ok(body.to_owned());
        }
    }
}
