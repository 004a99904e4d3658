//! The live ways in, in real time: a sender on loopback, a feed, and what the feed says at every tick. Everything a feed is
//! asked here it is asked the way the service asks it.
//!
//! RTMP is tried elsewhere (`feed/apart/net_tests.rs`, with a server of its own): it takes a server to play from, GStreamer has none, and FFmpeg's (`-listen 1`) sends its media in message
//! stream 0 after it has announced stream 1, which GStreamer's client rightly ignores.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use quadrille::feed::{self, Feed, FeedSpec, FeedStatus, Outcome, Pace};
use quadrille::frame::{Rect, Sound};
use quadrille::timeline::{Clock, FrameNumber, Grid, MediaTime, SimulatedClock, SystemClock};
use url::Url;

use crate::support::barcode::{self, Barcode, Clip, ClipSound};

const WIDTH: u32 = 320;
const HEIGHT: u32 = 180;
const CLIP_NUMBER: u8 = 5;
/// How far a flash and its beep may be apart at a feed's output.
const LIP_SYNC: Duration = Duration::from_millis(40);
/// Past silence of this many samples (a quarter of a second), a loud one begins a beep.
const SILENCE: u64 = 12_000;
const LOUD: u16 = 2000;

/// A process of its own, ended with its owner.
struct Sender(Child);

impl Sender {
    /// FFmpeg sends `clip` at its own pace, as it is, with `output` saying how and where to.
    fn start(clip: &Path, output: &[&str]) -> Self {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-re", "-i"]).arg(clip).args(["-c", "copy"]).args(output);
        Self(command.stdin(Stdio::null()).spawn().expect("ffmpeg starts"))
    }

    fn udp(clip: &Path, port: u16) -> Self {
        Self::start(clip, &["-f", "mpegts", &format!("udp://127.0.0.1:{port}?pkt_size=1316")])
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves the files of a folder, one connection and one request at a time per thread, until the test's process ends.
pub fn serve(folder: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let folder = folder.clone();
            std::thread::spawn(move || answer(stream, &folder));
        }
    });
    port
}

/// Answers one request. Who hangs up early is of no concern.
fn answer(mut stream: std::net::TcpStream, folder: &Path) {
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
    let Some(request) = lines.next() else { return };
    lines.take_while(|line| !line.is_empty()).for_each(drop);
    let path = request.split(' ').nth(1).unwrap_or_default();
    let name = path.trim_start_matches('/').split('?').next().unwrap_or_default();
    let (status, body) = match std::fs::read(folder.join(name)) {
        Ok(body) => ("200 OK", body),
        Err(_) => ("404 Not Found", Vec::new()),
    };
    let kind = if name.ends_with("m3u8") { "application/vnd.apple.mpegurl" } else { "video/mp2t" };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\nCache-Control: no-cache\r\n\
         Connection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}

/// What a tick got.
#[derive(Clone, Copy, Debug)]
struct Tick {
    at: MediaTime,
    outcome: Outcome,
    code: Option<Barcode>,
    /// When a beep began in this tick's sound.
    beep: Option<MediaTime>,
}

/// A feed and the loop that ticks it.
struct Bench {
    feed: Arc<Feed>,
    clock: Arc<dyn Clock>,
    grid: Grid,
    frame: FrameNumber,
    quiet_samples: u64,
}

impl Bench {
    fn new(source: &str) -> Self {
        feed::init().unwrap();
        let grid = Grid::new("30".parse().unwrap(), 60);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let spec =
            FeedSpec { key: "live".into(), title: "Ants at Bees".into(), sources: vec![Url::parse(source).unwrap()] };
        let feed = Feed::start(spec, grid, Arc::clone(&clock), Pace::Realtime);
        let frame = grid.frame_at(clock.now()) + 1;
        Self { feed, clock, grid, frame, quiet_samples: 0 }
    }

    fn tick(&mut self) -> Tick {
        let at = self.grid.frame_time(self.frame);
        self.clock.wait_until(at, Duration::from_secs(1));
        let pick = self.feed.picture_at(self.frame);
        let samples = self.grid.sample_at_frame(self.frame)..self.grid.sample_at_frame(self.frame + 1);
        let sound = self.feed.sound_at(samples.clone());
        assert_eq!(sound.interleaved.len() as u64, 2 * (samples.end - samples.start));
        self.frame += 1;
        let picture = &pick.picture;
        let whole = Rect { x: 0, y: 0, width: picture.width, height: picture.height };
        let live = pick.outcome != Outcome::Slate;
        let code = live.then(|| barcode::read(picture.plane(0), picture.strides[0], whole)).flatten();
        Tick { at, outcome: pick.outcome, code, beep: self.beep_in(&sound) }
    }

    fn beep_in(&mut self, sound: &Sound) -> Option<MediaTime> {
        let mut beep = None;
        for (i, pair) in sound.interleaved.chunks_exact(2).enumerate() {
            if pair[0].unsigned_abs() > LOUD {
                if self.quiet_samples > SILENCE {
                    beep = Some(MediaTime::of_sample(sound.samples.start + i as u64));
                }
                self.quiet_samples = 0;
            } else {
                self.quiet_samples += 1;
            }
        }
        beep
    }

    /// Ticks until one is as `wanted`; panics after `patience`.
    fn until(&mut self, what: &str, patience: Duration, wanted: impl Fn(&Tick) -> bool) -> Vec<Tick> {
        let mut ticks = Vec::new();
        let until = self.clock.now() + patience;
        while self.clock.now() < until {
            ticks.push(self.tick());
            if ticks.last().is_some_and(&wanted) {
                return ticks;
            }
        }
        panic!("{what}: not within {patience:?}; {:?}, last {:?}", self.feed.health(), ticks.last());
    }

    fn until_live(&mut self, patience: Duration) {
        self.until("live", patience, |tick| tick.outcome == Outcome::OnTime);
        assert_eq!(self.feed.status(), FeedStatus::Live);
    }

    fn for_seconds(&mut self, seconds: u64) -> Vec<Tick> {
        (0..seconds * 30).map(|_| self.tick()).collect()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.feed.stop();
    }
}

/// Twenty seconds, numbered, with a flash and a beep every second; longer than any test listens.
fn clip(folder: &Path) -> PathBuf {
    let path = folder.join("clip.mp4");
    let sound = ClipSound::FlashAndBeep(1000);
    Clip { number: CLIP_NUMBER, width: WIDTH, height: HEIGHT, fps: "30", frames: 600, sound }.write(&path);
    path
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// `ticks` of a source that runs: hardly a slate, every picture the clip's, in order, nearly all of them.
fn assert_runs(ticks: &[Tick], bench: &Bench) {
    let health = bench.feed.health();
    let count = |outcome| ticks.iter().filter(|tick| tick.outcome == outcome).count();
    let (fresh, slates) = (count(Outcome::OnTime), count(Outcome::Slate));
    assert!(slates * 20 <= ticks.len(), "{slates} slates in {} ticks: {health:?}", ticks.len());
    assert!(fresh * 10 >= ticks.len() * 8, "{fresh} fresh pictures in {} ticks: {health:?}", ticks.len());
    assert_eq!((health.width, health.height), (WIDTH, HEIGHT));
    let mut last = None;
    for tick in ticks.iter().filter(|tick| tick.outcome != Outcome::Slate) {
        let code = tick.code.unwrap_or_else(|| panic!("no number to be read: {tick:?}"));
        assert_eq!(code.clip, CLIP_NUMBER);
        let ascends = last.is_none_or(|last| match tick.outcome {
            Outcome::OnTime => code.frame > last,
            _ => code.frame == last,
        });
        assert!(ascends, "{} after {last:?}: {tick:?}", code.frame);
        last = Some(code.frame);
    }
    // Nothing is left out for good: as many numbers go by as there is time, give or take the jitter of the start.
    let first = ticks.iter().find_map(|tick| tick.code).unwrap().frame;
    let passed = last.unwrap() - first;
    assert!(passed.abs_diff(ticks.len() as u32) <= 15, "{passed} numbers in {} ticks", ticks.len());
}

/// Every flash but the first and the last has its beep.
fn assert_lip_sync(ticks: &[Tick]) {
    let flash = |tick: &Tick| tick.code.is_some_and(|code| code.flash);
    let flashes: Vec<_> = ticks.windows(2).filter(|w| !flash(&w[0]) && flash(&w[1])).map(|w| w[1].at).collect();
    let beeps: Vec<_> = ticks.iter().filter_map(|tick| tick.beep).collect();
    assert!(flashes.len() >= 4, "{flashes:?}");
    let apart = |flash: &MediaTime| beeps.iter().map(|beep| flash.since(*beep).max(beep.since(*flash))).min();
    let inner = &flashes[1..flashes.len() - 1];
    let worst = inner.iter().map(|flash| apart(flash).unwrap_or(Duration::MAX)).max().unwrap_or(Duration::MAX);
    println!("sound and picture are at most {worst:?} apart");
    assert!(worst <= LIP_SYNC, "{worst:?}: flashes {flashes:?}, beeps {beeps:?}");
}

#[test]
fn service_live_transport_stream_over_udp() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, port) = (clip(folder.path()), free_port());
    let mut bench = Bench::new(&format!("udp://127.0.0.1:{port}"));
    bench.for_seconds(1);
    assert_eq!(bench.feed.status(), FeedStatus::Slate);
    let connecting = feed::slate("Ants at Bees", "Connecting").unwrap();
    assert!(bench.feed.picture_at(bench.frame).picture.plane(0) == connecting.plane(0), "not the slate of a start");
    let _sender = Sender::udp(&clip, port);
    bench.until_live(Duration::from_secs(8));
    let ticks = bench.for_seconds(7);
    assert_runs(&ticks, &bench);
    assert_lip_sync(&ticks);
    assert_eq!(bench.feed.health().reconnects, 0);
}

#[test]
fn service_live_transport_stream_over_rtp() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, port) = (clip(folder.path()), free_port());
    let mut bench = Bench::new(&format!("rtp://127.0.0.1:{port}"));
    let _sender = Sender::start(&clip, &["-f", "rtp_mpegts", &format!("rtp://127.0.0.1:{port}?pkt_size=1328")]);
    bench.until_live(Duration::from_secs(8));
    let ticks = bench.for_seconds(6);
    assert_runs(&ticks, &bench);
    assert_lip_sync(&ticks);
}

#[test]
fn service_live_srt_calls_a_sender_that_listens() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, port) = (clip(folder.path()), free_port());
    let _sender = Sender::start(&clip, &["-f", "mpegts", &format!("srt://127.0.0.1:{port}?mode=listener")]);
    let mut bench = Bench::new(&format!("srt://127.0.0.1:{port}"));
    bench.until_live(Duration::from_secs(8));
    let ticks = bench.for_seconds(7);
    assert_runs(&ticks, &bench);
    assert_lip_sync(&ticks);
}

#[test]
fn service_live_srt_listens_to_a_sender_that_calls() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, port) = (clip(folder.path()), free_port());
    let mut bench = Bench::new(&format!("srt://127.0.0.1:{port}?mode=listener"));
    // The caller knocks for some seconds before it gives up.
    let _sender = Sender::start(&clip, &["-f", "mpegts", &format!("srt://127.0.0.1:{port}?mode=caller")]);
    bench.until_live(Duration::from_secs(8));
    let ticks = bench.for_seconds(5);
    assert_runs(&ticks, &bench);
    assert_lip_sync(&ticks);
}

#[test]
fn service_live_hls_over_http() {
    let folder = tempfile::tempdir().unwrap();
    let clip = clip(folder.path());
    let live = folder.path().join("live");
    std::fs::create_dir(&live).unwrap();
    let port = serve(live.clone());
    let playlist = live.join("live.m3u8");
    let how = ["-f", "hls", "-hls_time", "1", "-hls_list_size", "6", "-hls_flags", "delete_segments+temp_file"];
    let _sender = Sender::start(&clip, &[&how[..], &[playlist.to_str().unwrap()]].concat());
    // The playlist is not there yet: the first attempts fail, as they would before a match.
    let mut bench = Bench::new(&format!("http://127.0.0.1:{port}/live.m3u8"));
    bench.until_live(Duration::from_secs(12));
    let ticks = bench.for_seconds(6);
    assert_runs(&ticks, &bench);
    assert_lip_sync(&ticks);
}

/// By how much later than their number says pictures show, in frames.
fn lateness(ticks: &[Tick], grid: &Grid) -> i64 {
    let last = ticks.iter().rfind(|tick| tick.outcome == Outcome::OnTime).unwrap();
    grid.frame_at(last.at) as i64 - i64::from(last.code.unwrap().frame)
}

#[test]
fn service_live_transport_stream_that_is_delayed_is_held_as_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, port) = (clip(folder.path()), free_port());
    let mut bench = Bench::new(&format!("udp://127.0.0.1:{port}"));
    let _sender = Sender::udp(&clip, port);
    bench.until_live(Duration::from_secs(8));
    let before = lateness(&bench.for_seconds(2), &bench.grid);
    bench.feed.delay_to(4_000_000_000, true);
    let held = bench.for_seconds(4);
    assert!(held.iter().all(|tick| tick.outcome != Outcome::Slate), "{:?}", bench.feed.health());
    let ticks = bench.for_seconds(5);
    assert_runs(&ticks, &bench);
    assert_lip_sync(&ticks);
    let later = lateness(&ticks, &bench.grid) - before;
    assert!((118..=122).contains(&later), "{later} frames");
    assert_eq!(bench.feed.health().reconnects, 0);
    // Back at once: what was held is shown without a slate.
    bench.feed.delay_to(0, true);
    let ticks = bench.for_seconds(3);
    assert!(ticks.iter().all(|tick| tick.outcome != Outcome::Slate), "{:?}", bench.feed.health());
    let later = lateness(&ticks, &bench.grid) - before;
    assert!(later.abs() <= 2, "{later} frames");
}

/// A sender dies and another takes its place: as soon as the slate shows, or (`away`) after the feed has given it up.
fn dies_and_comes_back(away: Duration) {
    let folder = tempfile::tempdir().unwrap();
    let (clip, port) = (clip(folder.path()), free_port());
    let mut bench = Bench::new(&format!("udp://127.0.0.1:{port}"));
    let sender = Sender::udp(&clip, port);
    bench.until_live(Duration::from_secs(8));
    bench.for_seconds(2);
    drop(sender);
    let ticks = bench.until("a slate", Duration::from_secs(4), |tick| tick.outcome == Outcome::Slate);
    let (slate, good) = (ticks.last().unwrap(), ticks.iter().rfind(|tick| tick.outcome == Outcome::OnTime).unwrap());
    let last_number = good.code.unwrap().frame;
    let held = slate.at.since(good.at);
    assert!(held <= Duration::from_secs(1), "the last picture stood for {held:?}");
    assert_eq!(bench.feed.status(), FeedStatus::Slate);
    let lost = feed::slate("Ants at Bees", "Signal lost – reconnecting").unwrap();
    assert!(bench.feed.picture_at(bench.frame).picture.plane(0) == lost.plane(0), "not the slate of a loss");
    let until = bench.clock.now() + away;
    while bench.clock.now() < until {
        let tick = bench.tick();
        assert_eq!((tick.outcome, tick.beep), (Outcome::Slate, None));
    }
    let _sender = Sender::udp(&clip, port);
    // The new packets may first push out what demuxer and decoder still had of the old sender.
    let anew = |tick: &Tick| tick.outcome == Outcome::OnTime && tick.code.is_some_and(|code| code.frame < last_number);
    bench.until("live again", Duration::from_secs(8), anew);
    assert_eq!(bench.feed.status(), FeedStatus::Live);
    let ticks = bench.for_seconds(5);
    assert_runs(&ticks, &bench);
    assert_lip_sync(&ticks);
    let health = bench.feed.health();
    // Replaced at once, it was never given up; given up, why stays to be read.
    assert_eq!((health.reason, health.last_error.is_some()), (None, !away.is_zero()), "{health:?}");
}

#[test]
fn service_live_a_sender_that_dies_and_is_replaced_at_once() {
    dies_and_comes_back(Duration::ZERO);
}

#[test]
fn service_live_a_sender_that_dies_and_comes_back_after_it_was_given_up() {
    dies_and_comes_back(Duration::from_secs(4));
}

/// The real clip, 1280x720 at 25 frames a second, on a grid of 30: twelve seconds, so that it is played more than twice.
#[test]
fn service_live_the_real_clip_fills_every_tick() {
    let path = std::env::var_os("QUADRILLE_CLIP").expect("the real clip's path: `make test` fetches it");
    let path = std::fs::canonicalize(&path).unwrap_or_else(|e| panic!("QUADRILLE_CLIP={}: {e}", path.display()));
    feed::init().unwrap();
    let grid = Grid::new("30".parse().unwrap(), 60);
    let clock = Arc::new(SimulatedClock::new(MediaTime::from_secs(91_000_000)));
    let sources = vec![Url::from_file_path(&path).unwrap()];
    let spec = FeedSpec { key: "real".into(), title: "Big Buck Bunny".into(), sources };
    let feed = Feed::start(spec, grid, Arc::clone(&clock) as Arc<dyn Clock>, Pace::Lockstep);
    let first = grid.frame_at(clock.now());
    let (mut held, mut loud) = (Vec::new(), 0);
    for frame in first..first + 360 {
        clock.advance_to(grid.frame_time(frame));
        let pick = feed.picture_at(frame);
        let sound = feed.sound_at(grid.sample_at_frame(frame)..grid.sample_at_frame(frame + 1));
        assert_eq!((pick.picture.width, pick.picture.height), (1280, 720), "{:?}", feed.health());
        assert_eq!(pick.dropped, 0, "tick {}", frame - first);
        match pick.outcome {
            Outcome::OnTime => {}
            Outcome::Held => held.push(frame - first),
            Outcome::Slate => panic!("a slate at tick {}: {:?}", frame - first, feed.health()),
        }
        loud += usize::from(sound.interleaved.iter().any(|v| v.unsigned_abs() > 100));
    }
    let health = feed.health();
    assert_eq!((health.reconnects, health.fps), (0, Some((25, 1))));
    // Five pictures in six ticks: one of every six is held, also where the clip begins anew.
    assert!((59..=61).contains(&held.len()), "{held:?}");
    assert!(held.windows(2).all(|w| w[1] - w[0] == 6), "{held:?}");
    assert!(loud >= 300, "sound in {loud} of 360 ticks");
    feed.stop();
}
