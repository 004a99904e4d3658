use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::*;
use crate::frame::{Matrix, Range8};
use crate::timeline::{Fps, SimulatedClock, SystemClock};

const START: MediaTime = MediaTime::from_secs(91_000_000);

pub(super) fn grid(fps: &str) -> Grid {
    Grid::new(fps.parse::<Fps>().unwrap(), 60)
}

/// A feed in lockstep with a cranked clock, and the ticks and samples asked for so far.
pub(super) struct Bench {
    pub feed: Arc<Feed>,
    pub clock: Arc<SimulatedClock>,
    pub grid: Grid,
    pub frame: FrameNumber,
}

impl Bench {
    pub fn new(fps: &str, sources: &[&str]) -> Self {
        init().unwrap();
        let grid = grid(fps);
        let clock = Arc::new(SimulatedClock::new(START));
        let sources = sources.iter().map(|s| Url::parse(s).unwrap()).collect();
        let spec = FeedSpec { key: "a".into(), title: "Ants at Bees".into(), sources };
        let feed = Feed::start(spec, grid, Arc::clone(&clock) as Arc<dyn Clock>, Pace::Lockstep);
        Self { feed, clock, grid, frame: grid.frame_at(START) }
    }

    pub fn tick(&mut self) -> (Pick, Sound) {
        self.clock.advance_to(self.grid.frame_time(self.frame));
        let pick = self.feed.picture_at(self.frame);
        let samples = self.grid.sample_at_frame(self.frame)..self.grid.sample_at_frame(self.frame + 1);
        let sound = self.feed.sound_at(samples.clone());
        assert_eq!(sound.samples, samples);
        assert_eq!(sound.interleaved.len() as u64, 2 * (samples.end - samples.start));
        self.frame += 1;
        (pick, sound)
    }

    /// Ticks until a live picture comes, with a little real time for reconnecting between; panics after `limit` ticks.
    pub fn until_live(&mut self, limit: usize) -> Pick {
        for _ in 0..limit {
            let (pick, _) = self.tick();
            if pick.outcome == Outcome::OnTime {
                return pick;
            }
            self.feed.intake.stopped_within(Duration::from_millis(5));
        }
        panic!("no picture: {:?}", self.feed.health());
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.feed.stop();
    }
}

/// The luma in the middle, in eight bits.
pub(super) fn middle(picture: &Picture) -> u8 {
    let sample = picture.samples(0, picture.height as usize / 2).nth(picture.width as usize / 2).unwrap();
    u8::try_from(sample >> (picture.colour.depth.bits() - 8)).unwrap()
}

pub(super) fn loudness(sound: &Sound) -> i32 {
    sound.interleaved.iter().map(|v| i32::from(*v).abs()).max().unwrap_or(0)
}

/// A clip made by FFmpeg from flat grey frames (frame `n` has luma `luma(n)`) and a sine.
pub(super) struct Clip<'a> {
    pub name: &'a str,
    pub size: (u32, u32),
    pub fps: &'a str,
    pub frames: usize,
    pub luma: fn(usize) -> u8,
    pub video: &'a str,
    /// Sound input and encoder arguments; empty for none.
    pub sound: (&'a str, &'a str),
}

pub(super) const CLIP: Clip<'static> = Clip {
    name: "clip.mp4",
    size: (160, 96),
    fps: "30",
    frames: 30,
    luma: |n| 40 + 5 * n as u8,
    video: "-c:v libx264 -preset ultrafast -qp 8 -bf 2 -pix_fmt yuv420p",
    sound: ("sine=frequency=1000:sample_rate=48000", "-c:a aac -b:a 96k"),
};

impl Clip<'_> {
    pub fn make(&self, folder: &Path) -> PathBuf {
        let path = folder.join(self.name);
        let (w, h) = self.size;
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "yuv420p"]);
        command.args(["-s", &format!("{w}x{h}"), "-r", self.fps, "-i", "-"]);
        let seconds = self.frames as f64 / fraction(self.fps);
        if !self.sound.0.is_empty() {
            command.args(["-f", "lavfi", "-t", &seconds.to_string(), "-i", self.sound.0]);
        }
        command.args(self.video.split_whitespace()).args(self.sound.1.split_whitespace());
        command.args(["-threads", "1"]).arg(&path).stdin(Stdio::piped());
        let mut child = command.spawn().expect("ffmpeg is installed");
        let mut input = child.stdin.take().unwrap();
        let (luma, chroma) = ((w * h) as usize, (w.div_ceil(2) * h.div_ceil(2)) as usize);
        for n in 0..self.frames {
            let mut frame = vec![(self.luma)(n); luma];
            frame.resize(luma + 2 * chroma, 128);
            std::io::Write::write_all(&mut input, &frame).unwrap();
        }
        drop(input);
        assert!(child.wait().unwrap().success(), "{}", self.name);
        path
    }
}

fn fraction(fps: &str) -> f64 {
    let (num, den) = fps.split_once('/').unwrap_or((fps, "1"));
    num.parse::<f64>().unwrap() / den.parse::<f64>().unwrap()
}

pub(super) fn url_of(path: &Path) -> String {
    Url::from_file_path(path).unwrap().into()
}

#[test]
fn a_synthetic_game_is_exact_on_the_grid() {
    let mut bench = Bench::new("30", &["test://ball?size=320x180&flash=1&tone=1000"]);
    let mut flashes = Vec::new();
    for _ in 0..90 {
        let frame = bench.frame;
        let (pick, sound) = bench.tick();
        assert_eq!(pick.outcome, Outcome::OnTime, "{:?}", bench.feed.health());
        assert_eq!(pick.dropped, 0);
        let flash = pick.picture.row(0, 4)[300] == 235;
        // The first sound fades in.
        assert_eq!(flash, loudness(&sound) > 1000, "frame {frame}");
        if flash {
            flashes.push(frame % 30);
        }
    }
    assert_eq!(flashes, [0, 1, 0, 1, 0, 1]);
    assert_eq!(bench.feed.status(), FeedStatus::Live);
    assert!(bench.feed.thumbnail().is_some());
    bench.feed.stop();
    assert_eq!(bench.feed.status(), FeedStatus::Off);
    assert_eq!(bench.feed.picture_at(bench.frame + 1000).outcome, Outcome::Slate);
}

#[test]
fn every_pattern_draws_and_bad_uris_say_what_is_allowed() {
    for pattern in ["ball", "smpte", "snow", "zone-plate", "pinwheel", "black"] {
        let mut bench = Bench::new("25", &[&format!("test://{pattern}?size=64x36&fps=25&barcode=1&label=x")]);
        let (first, _) = bench.tick();
        let (second, _) = bench.tick();
        assert!(first.picture.plane(0) != second.picture.plane(0), "{pattern} stands still");
    }
    for (uri, says) in [
        ("test://plaid", "zone-plate"),
        ("test://ball?size=3x3", "even"),
        ("test://ball?colour=1", "tone"),
        ("gopher://x", "rtmp"),
        ("udp://239.0.0.1", "port"),
        ("test://ball?fps=0/0", "fraction"),
    ] {
        let error = check_source(&Url::parse(uri).unwrap()).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    assert_eq!(check_source(&Url::parse("udp://239.1.1.1:5000?interface=lo").unwrap()), Ok(()));
}

#[test]
fn a_file_loops_without_a_hole() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["loop.mp4", "loop.mkv", "loop.ts"] {
        let path = Clip { name, ..CLIP }.make(folder.path());
        let mut bench = Bench::new("30", &[&url_of(&path)]);
        let mut quiet = 0;
        for k in 0..150usize {
            let (pick, sound) = bench.tick();
            assert_eq!(
                (pick.outcome, pick.dropped),
                (Outcome::OnTime, 0),
                "{name} tick {k}: {:?}",
                bench.feed.health()
            );
            let expected = 40 + 5 * (k % 30) as i32;
            let got = i32::from(middle(&pick.picture));
            assert!((got - expected).abs() <= 2, "{name} tick {k}: {got} is not {expected}");
            quiet += usize::from(loudness(&sound) < 1000);
        }
        // The encoder's first frames of sound are silent, in every lap.
        assert!(quiet <= 12, "{name}: {quiet} silent ticks");
        assert_eq!(bench.feed.health().reconnects, 0, "{name}");
    }
}

#[test]
fn what_broadcasters_send_decodes() {
    let folder = tempfile::tempdir().unwrap();
    let sine = CLIP.sound.0;
    let x264 = CLIP.video;
    let mpeg2 = "-c:v mpeg2video -qscale:v 2 -pix_fmt yuv420p";
    let hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=none:qp=10";
    let cases = [
        ("hevc.mp4", (320, 180), "25", format!("{hevc} -pix_fmt yuv420p"), "-c:a ac3 -metadata:s:a:0 language=deu"),
        (
            "ten-bit.mkv",
            (320, 180),
            "50",
            format!("{hevc} -pix_fmt yuv420p10le"),
            "-c:a aac -ac 1 -metadata:s:a:0 language=ger",
        ),
        ("mpeg2.ts", (720, 576), "25", format!("{mpeg2} -aspect 16:9"), "-c:a mp2 -metadata:s:a:0 language=deu"),
        ("interlaced.ts", (720, 480), "30000/1001", format!("{mpeg2} -flags +ildct+ilme -top 1"), "-c:a ac3 -ac 6"),
        ("h264-422.mkv", (320, 180), "60000/1001", x264.replace("yuv420p", "yuv422p"), "-c:a aac -ac 6"),
        ("slow.mp4", (320, 180), "10", x264.to_owned(), "-c:a aac -ar 44100"),
        ("film.ts", (320, 180), "24000/1001", format!("{x264} -f mpegts"), "-c:a aac"),
        (
            "full.mp4",
            (320, 180),
            "30",
            x264.replace("yuv420p", "yuvj420p -color_range pc -colorspace smpte170m -vf scale=out_range=full"),
            "",
        ),
        ("odd.mkv", (161, 97), "30", "-c:v libvpx -qmin 0 -qmax 4 -b:v 2M -pix_fmt yuv420p".to_owned(), ""),
    ];
    for (name, size, fps, video, sound) in cases {
        let input = if sound.is_empty() { "" } else { sine };
        let luma = |_: usize| 120;
        let path = Clip { name, size, fps, frames: 20, luma, video: &video, sound: (input, sound) }.make(folder.path());
        let mut bench = Bench::new("30", &[&url_of(&path)]);
        let (mut outcomes, mut loud) = (Vec::new(), 0);
        for _ in 0..30 {
            let (pick, heard) = bench.tick();
            outcomes.push(pick.outcome);
            loud += usize::from(loudness(&heard) > 800);
            if pick.outcome == Outcome::Slate {
                continue;
            }
            let picture = &pick.picture;
            assert_eq!((picture.width, picture.height), (size.0 & !1, size.1 & !1), "{name}");
            let full = picture.colour.range == Range8::Full;
            assert_eq!(full, name == "full.mp4", "{name}: {:?}", picture.colour);
            let expected = if full { 121 } else { 120 };
            assert!(middle(picture).abs_diff(expected) <= 3, "{name}: {}", middle(picture));
            let matrix = if size.1 <= 576 { Matrix::Bt601 } else { Matrix::Bt709 };
            assert_eq!(picture.colour.matrix, matrix, "{name}");
        }
        let health = bench.feed.health();
        assert!(!outcomes.contains(&Outcome::Slate), "{name}: {outcomes:?} {health:?}");
        assert_eq!(health.last_error, None, "{name}");
        assert_eq!(loud > 20, !sound.is_empty(), "{name}: {loud} ticks of sound");
        let spoken = bench.feed.language().filter(|code| code != "und" && code != "en");
        assert_eq!(spoken.as_deref(), sound.contains("language").then_some("de"), "{name}");
        if name == "mpeg2.ts" {
            let (pick, _) = bench.tick();
            assert_eq!(pick.picture.pixel_aspect, (64, 45));
        }
    }
}

/// Instants (ns from the first tick) at which flashes and beeps begin at the feed's output.
pub(super) fn flashes_and_beeps(bench: &mut Bench, ticks: usize) -> (Vec<i64>, Vec<i64>) {
    let (mut flashes, mut beeps) = (Vec::new(), Vec::new());
    let (mut bright, mut quiet_samples) = (false, 0u64);
    let start = bench.grid.frame_time(bench.frame).as_nanos() as i64;
    for _ in 0..ticks {
        let at = bench.grid.frame_time(bench.frame).as_nanos() as i64 - start;
        let (pick, sound) = bench.tick();
        let flash = pick.outcome != Outcome::Slate && middle(&pick.picture) > 180;
        if flash && !bright {
            flashes.push(at);
        }
        bright = flash;
        for (i, pair) in sound.interleaved.chunks_exact(2).enumerate() {
            if pair[0].unsigned_abs() > 2000 {
                if quiet_samples > 24_000 {
                    beeps.push(MediaTime::of_sample(sound.samples.start + i as u64).as_nanos() as i64 - start);
                }
                quiet_samples = 0;
            } else {
                quiet_samples += 1;
            }
        }
    }
    (flashes, beeps)
}

#[test]
fn sound_stays_within_40_ms_of_its_picture() {
    let folder = tempfile::tempdir().unwrap();
    let beep = "aevalsrc=if(lt(mod(t\\,1)\\,0.06)\\,0.5*sin(6283*t)\\,0):s=48000";
    for (name, audio, fps) in
        [("av.mp4", "-c:a aac", "30"), ("av.ts", "-c:a mp2", "25"), ("av.mkv", "-c:a ac3", "30000/1001")]
    {
        let luma: fn(usize) -> u8 = match fps {
            "25" => |n| if n % 25 < 2 { 230 } else { 30 },
            _ => |n| if n % 30 < 2 { 230 } else { 30 },
        };
        let frames = if fps == "25" { 75 } else { 90 };
        let path = Clip { name, fps, frames, luma, sound: (beep, audio), ..CLIP }.make(folder.path());
        let mut bench = Bench::new("30", &[&url_of(&path)]);
        // Three laps: an error that adds up from lap to lap would show.
        let (flashes, beeps) = flashes_and_beeps(&mut bench, 9 * 30 - 5);
        assert!(flashes.len() >= 8, "{name}: {flashes:?}");
        for flash in &flashes[1..] {
            let off = beeps.iter().map(|beep| (beep - flash).abs()).min().unwrap_or(i64::MAX);
            assert!(off < 40_000_000, "{name}: {off} ns; flashes {flashes:?}, beeps {beeps:?}");
        }
    }
}

#[test]
fn what_cannot_be_played_shows_a_slate_and_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("garbage.mp4");
    let noise: Vec<u8> = (0..200_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    std::fs::write(&garbage, &noise).unwrap();
    let cut = Clip { name: "cut.ts", ..CLIP }.make(folder.path());
    let mut bytes = std::fs::read(&cut).unwrap();
    bytes.truncate(400);
    std::fs::write(&cut, bytes).unwrap();
    let silent_only = folder.path().join("sound.mp4");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-t", "1", "-i", "sine", "-c:a", "aac"])
        .arg(&silent_only)
        .status();
    assert!(made.unwrap().success());
    let missing = folder.path().join("missing.mp4");
    for path in [&garbage, &cut, &silent_only, &missing] {
        let mut bench = Bench::new("30", &[&url_of(path)]);
        for _ in 0..60 {
            let (pick, sound) = bench.tick();
            assert_eq!((pick.outcome, loudness(&sound)), (Outcome::Slate, 0), "{}", path.display());
        }
        assert_eq!(bench.feed.status(), FeedStatus::Slate);
        let health = bench.feed.health();
        assert!(health.last_error.is_some() && health.reconnects > 0, "{}: {health:?}", path.display());
        if path == &missing {
            // It turns up: the feed finds it by itself.
            Clip { name: "missing.mp4", ..CLIP }.make(folder.path());
            bench.until_live(3000);
            assert_eq!(bench.feed.status(), FeedStatus::Live);
        }
    }
}

#[test]
fn a_backup_is_taken_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let good = url_of(&Clip { name: "good.mp4", ..CLIP }.make(folder.path()));
    let missing = url_of(&folder.path().join("missing.mp4"));
    let mut bench = Bench::new("30", &[&missing, &good]);
    bench.until_live(30);
    let health = bench.feed.health();
    assert_eq!((health.source_index, health.reconnects, health.width, health.height), (1, 1, 160, 96));
}

#[test]
fn size_and_rate_may_change_on_the_way() {
    let folder = tempfile::tempdir().unwrap();
    let first = Clip { name: "first.ts", ..CLIP }.make(folder.path());
    let second = Clip { name: "second.ts", size: (320, 180), fps: "50", frames: 50, luma: |_| 90, ..CLIP };
    let mut bytes = std::fs::read(first).unwrap();
    bytes.extend(std::fs::read(second.make(folder.path())).unwrap());
    let both = folder.path().join("both.ts");
    std::fs::write(&both, bytes).unwrap();
    let mut bench = Bench::new("30", &[&url_of(&both)]);
    let mut sizes = Vec::new();
    for _ in 0..120 {
        let (pick, _) = bench.tick();
        assert_ne!(pick.outcome, Outcome::Slate, "{:?}", bench.feed.health());
        sizes.push(pick.picture.width);
    }
    sizes.dedup();
    assert!(sizes.starts_with(&[160, 320, 160]), "{sizes:?}");
    assert_eq!(bench.feed.health().reconnects, 0);
}

#[test]
fn only_the_first_picture_and_the_first_sound_are_taken() {
    let folder = tempfile::tempdir().unwrap();
    let video = "-map 0:v -map 0:v -map 1:a -map 2:a -c:v libx264 -preset ultrafast -pix_fmt yuv420p";
    let sound = ("sine=frequency=1000:sample_rate=48000", "-c:a aac");
    // The second sound track is an input of its own, far louder in pitch: counted by its zero crossings.
    let path = folder.path().join("many.mkv");
    let made = Command::new("ffmpeg")
        .args("-v error -f lavfi -t 1 -i color=gray:s=160x96:r=30 -f lavfi -t 1 -i".split_whitespace())
        .arg(sound.0)
        .args("-f lavfi -t 1 -i sine=frequency=8000:sample_rate=48000".split_whitespace())
        .args(video.split_whitespace())
        .args(sound.1.split_whitespace())
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    let mut bench = Bench::new("30", &[&url_of(&path)]);
    let mut crossings = 0;
    for k in 0..20 {
        let (pick, heard) = bench.tick();
        assert_eq!(pick.outcome, Outcome::OnTime);
        if k >= 10 {
            let left: Vec<_> = heard.interleaved.iter().step_by(2).collect();
            crossings += left.windows(2).filter(|w| (*w[0] < 0) != (*w[1] < 0)).count();
        }
    }
    assert!((640..700).contains(&crossings), "{crossings} in a third of a second of 1 kHz");
}

/// Pictures of a live source that stalls and comes back, without a network: pushed by hand, the clock cranked.
#[test]
fn a_stalled_source_is_held_briefly_then_a_slate_and_recovers() {
    init().unwrap();
    let free = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut bench = Bench::new("30", &[&format!("udp://127.0.0.1:{free}")]);
    let intake = Arc::clone(&bench.feed.intake);
    // The supervisor's own run begins first; nothing is ever sent to it.
    intake.stopped_within(Duration::from_millis(200));
    let lead = Duration::from_millis(400);
    let run = intake.begin(intake::Timing::Live(lead));
    let grey = |luma: u8| {
        Picture::from_planes(16, 16, Colour::CANVAS, [vec![luma; 256], vec![128; 64], vec![128; 64]]).unwrap()
    };
    let mut pushed = 0i64;
    let mut outcomes = Vec::new();
    for k in 0..240i64 {
        let sending = !(60..180).contains(&k);
        if sending {
            let at = pushed * 1_000_000_000 / 30;
            intake.push_picture(run, at, grey(100), None, bench.clock.now()).unwrap();
            pushed += 1;
        }
        let (pick, _) = bench.tick();
        outcomes.push(pick.outcome);
    }
    let firsts = outcomes.iter().take_while(|o| **o == Outcome::Slate).count();
    assert!((10..=14).contains(&firsts), "the lead is 12 frames, not {firsts}");
    let lost = outcomes.iter().skip(60).position(|o| *o == Outcome::Slate).unwrap();
    // What was under way (12 frames), then 0.7 s of hold.
    assert!((30..=36).contains(&lost), "{lost} frames until the slate");
    assert!(outcomes[60 + lost..180].iter().all(|o| *o == Outcome::Slate));
    let back = outcomes.iter().skip(180).position(|o| *o == Outcome::OnTime).unwrap();
    assert!(back <= 15, "{back} frames until it is back");
    assert!(outcomes[180 + back..].iter().filter(|o| **o == Outcome::OnTime).count() + 4 >= 60 - back);
}

#[test]
fn a_transport_stream_over_udp_plays_and_comes_back_after_a_pause() {
    plays_over_udp(None);
}

/// Its process is handed the socket, and may open none.
#[test]
fn a_transport_stream_over_udp_plays_apart() {
    plays_over_udp(Some(apart::apart()));
}

fn plays_over_udp(apart: Option<Arc<Apart>>) {
    init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let luma: fn(usize) -> u8 = |n| 40 + (n % 32) as u8 * 5;
    let path = Clip { name: "live.ts", frames: 240, luma, ..CLIP }.make(folder.path());
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let send = || {
        Command::new("ffmpeg")
            .args(["-v", "error", "-re", "-i"])
            .arg(&path)
            .args(["-c", "copy", "-f", "mpegts", &format!("udp://127.0.0.1:{port}?pkt_size=1316")])
            .stdin(Stdio::null())
            .spawn()
            .unwrap()
    };
    let grid = grid("30");
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let spec = FeedSpec {
        key: "u".into(),
        title: "Udp".into(),
        sources: vec![Url::parse(&format!("udp://127.0.0.1:{port}")).unwrap()],
    };
    let decoding = Decoding { apart, ..Decoding::unlimited() };
    let feed = Feed::start_within(spec, grid, Arc::clone(&clock), Pace::Realtime, decoding);
    let mut frame = grid.frame_at(clock.now());
    let mut until = |seconds: u64, wanted: &dyn Fn(&Pick, &Sound) -> bool| {
        for _ in 0..seconds * 30 {
            clock.wait_until(grid.frame_time(frame), Duration::from_secs(1));
            let pick = feed.picture_at(frame);
            let sound = feed.sound_at(grid.sample_at_frame(frame)..grid.sample_at_frame(frame + 1));
            frame += 1;
            if wanted(&pick, &sound) {
                return true;
            }
        }
        false
    };
    let mut sender = send();
    let live = |pick: &Pick, sound: &Sound| pick.outcome == Outcome::OnTime && loudness(sound) > 800;
    assert!(until(20, &live), "{:?}", feed.health());
    sender.kill().unwrap();
    sender.wait().unwrap();
    assert!(until(20, &|pick, _| pick.outcome == Outcome::Slate));
    let mut sender = send();
    assert!(until(30, &live), "{:?}", feed.health());
    sender.kill().unwrap();
    sender.wait().unwrap();
    feed.stop();
}
