//! A player that costs next to nothing: one kept connection, two requests a segment, and a buffer that is only counted.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::buffer::{Buffer, Playing, START_SEGMENTS};

/// 2024-01-01T00:00:00Z, where segments are counted from.
const MEDIA_EPOCH_UNIX_S: u64 = 1_704_067_200;

/// Latencies are counted in steps of this, up to [`STEPS`] of them.
const STEP: Duration = Duration::from_micros(250);
const STEPS: usize = 40_000;

/// When segments are due.
#[derive(Clone, Copy)]
pub struct Clock {
    segment: Duration,
}

impl Clock {
    pub fn new(segment: Duration) -> Self {
        Self { segment }
    }

    /// The newest segment that ended `ago` or longer ago.
    fn ended(self, ago: Duration) -> u64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
        let since = now - Duration::from_secs(MEDIA_EPOCH_UNIX_S) - ago;
        (since.as_nanos() / self.segment.as_nanos()) as u64 - 1
    }
}

/// What one or more players saw.
pub struct Seen {
    pub segments: u64,
    /// Polls that found a segment not listed that had ended more than a segment duration before.
    pub late: u64,
    /// Numbers that a playlist left out.
    pub missing: u64,
    /// Answers other than 200, and connections that broke.
    pub errors: u64,
    pub bytes: u64,
    /// Players whose buffer ran dry at least once.
    pub stalled_players: u64,
    /// Players that never had enough to begin.
    pub never_began: u64,
    /// All players together; the least is that of the worst.
    pub playing: Playing,
    latencies: Vec<u32>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            segments: 0,
            late: 0,
            missing: 0,
            errors: 0,
            bytes: 0,
            stalled_players: 0,
            never_began: 0,
            playing: Playing::default(),
            latencies: vec![0; STEPS],
        }
    }
}

impl Seen {
    pub fn add(&mut self, player: PlayerSeen) {
        self.segments += player.latencies.len() as u64;
        self.late += player.late;
        self.missing += player.missing;
        self.errors += player.errors;
        self.bytes += player.bytes;
        let Playing { stalls, stalled, least } = player.playing;
        self.stalled_players += u64::from(stalls > 0);
        self.never_began += u64::from(least.is_none());
        self.playing.stalls += stalls;
        self.playing.stalled += stalled;
        self.playing.least = [self.playing.least, least].into_iter().flatten().min();
        for latency in player.latencies {
            let step = latency.as_nanos() / STEP.as_nanos();
            self.latencies[usize::try_from(step).unwrap_or(usize::MAX).min(STEPS - 1)] += 1;
        }
    }

    /// Milliseconds within which `percent` of the segment requests were answered whole.
    pub fn percentile_ms(&self, percent: u64) -> f64 {
        let wanted = self.segments * percent / 100;
        let mut below = 0;
        let at = self.latencies.iter().position(|count| {
            below += u64::from(*count);
            below > wanted
        });
        (at.unwrap_or(STEPS) + 1) as f64 * STEP.as_secs_f64() * 1000.0
    }
}

#[derive(Default)]
pub struct PlayerSeen {
    late: u64,
    missing: u64,
    errors: u64,
    bytes: u64,
    playing: Playing,
    latencies: Vec<Duration>,
}

pub struct Player {
    authority: String,
    playlist: String,
    stream: Option<TcpStream>,
    newest: Option<u64>,
    seen: PlayerSeen,
}

thread_local! {
    /// What is read and thrown away goes here; large, so that a segment takes few reads.
    static SINK: RefCell<Vec<u8>> = RefCell::new(vec![0; 1 << 20]);
}

impl Player {
    pub fn new(playback_url: &str, rendition: &str) -> Self {
        let rest = playback_url.strip_prefix("http://").expect("an http URL");
        let (authority, path) = rest.split_once('/').expect("a path");
        // The public name may be one that resolves to another address first; the port is the service's.
        let port = authority.rsplit(':').next().expect("a port");
        Self {
            authority: format!("127.0.0.1:{port}"),
            playlist: format!("/{path}").replace("index.m3u8", &format!("video/{rendition}.m3u8")),
            stream: None,
            newest: None,
            seen: PlayerSeen::default(),
        }
    }

    /// Asks once a segment duration from `start` on, for `length`; after half of one where nothing was new (RFC 8216, 6.3.4).
    pub async fn watch(mut self, clock: Clock, start: Instant, length: Duration) -> PlayerSeen {
        let mut due = start;
        let mut buffer = Buffer::new(clock.segment);
        while due < start + length {
            tokio::time::sleep_until(due.into()).await;
            let before = self.newest;
            if self.poll(clock, &mut buffer).await.is_err() {
                self.seen.errors += 1;
                self.stream = None;
            }
            due += if self.newest == before { clock.segment / 2 } else { clock.segment };
        }
        self.seen.playing = buffer.end(Instant::now());
        self.seen
    }

    async fn poll(&mut self, clock: Clock, buffer: &mut Buffer) -> std::io::Result<()> {
        let path = self.playlist.clone();
        let (playlist, _) = self.get(&path, true).await?;
        let text = String::from_utf8_lossy(&playlist);
        let mut listed: Vec<(u64, &str)> = text.lines().filter_map(|l| Some((number(l)?, l))).collect();
        if let Some(newest) = self.newest {
            listed.retain(|(n, _)| *n > newest);
        } else {
            listed.drain(..listed.len().saturating_sub(START_SEGMENTS as usize));
        }
        let expected = clock.ended(clock.segment);
        if listed.last().map(|l| l.0).or(self.newest).is_none_or(|newest| newest < expected) {
            self.seen.late += 1;
        }
        let uris: Vec<(u64, String)> = listed.into_iter().map(|(n, uri)| (n, uri.to_owned())).collect();
        for (n, uri) in uris {
            if let Some(before) = self.newest {
                self.seen.missing += n - before - 1;
            }
            self.newest = Some(n);
            let began = Instant::now();
            let (_, bytes) = self.get(&uri, false).await?;
            buffer.fetched(Instant::now());
            self.seen.latencies.push(began.elapsed());
            self.seen.bytes += bytes as u64;
        }
        Ok(())
    }

    /// The body of an answer, if it is to be kept, and its length.
    async fn get(&mut self, path: &str, keep: bool) -> std::io::Result<(Vec<u8>, usize)> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            none => none.insert(TcpStream::connect(&self.authority).await?),
        };
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.authority);
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Answer { head: Vec::new(), body: Vec::new(), keep, left: None, bytes: 0 };
        while answer.left != Some(0) {
            stream.readable().await?;
            let read = SINK.with_borrow_mut(|sink| match stream.try_read(sink) {
                Ok(0) => Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => answer.take(&sink[..read]),
                Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(()),
                Err(e) => Err(e),
            });
            read?;
        }
        Ok((answer.body, answer.bytes))
    }
}

struct Answer {
    head: Vec<u8>,
    body: Vec<u8>,
    keep: bool,
    /// Bytes of the body to come, once the head is read.
    left: Option<usize>,
    bytes: usize,
}

impl Answer {
    fn take(&mut self, read: &[u8]) -> std::io::Result<()> {
        let body = match self.left {
            Some(_) => read,
            None => {
                let before = self.head.len();
                self.head.extend_from_slice(read);
                let Some(end) = self.head.windows(4).position(|w| w == b"\r\n\r\n") else { return Ok(()) };
                self.bytes = content_length(&self.head[..end]).ok_or(ErrorKind::InvalidData)?;
                self.left = Some(self.bytes);
                &read[end + 4 - before..]
            }
        };
        let left = self.left.unwrap_or(0);
        self.left = Some(left.checked_sub(body.len()).ok_or(ErrorKind::InvalidData)?);
        if self.keep {
            self.body.extend_from_slice(body);
        }
        Ok(())
    }
}

/// The length of the body of an answer with status 200.
fn content_length(head: &[u8]) -> Option<usize> {
    let head = std::str::from_utf8(head).ok()?;
    let mut lines = head.lines();
    lines.next()?.contains(" 200 ").then_some(())?;
    lines.find_map(|l| {
        let (name, value) = l.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    })
}

fn number(line: &str) -> Option<u64> {
    line.strip_suffix(".m4s")?.rsplit('/').next()?.parse().ok()
}
