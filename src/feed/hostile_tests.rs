//! Sources that mean no good: each costs its own slot, for a reason that is told.

use std::io::Write as _;
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::AtomicUsize;

use gstreamer::glib;

use super::fetch::tests::{head, reach, served};
use super::tests::{Bench, CLIP, Clip, grid, middle, url_of};
use super::*;
use crate::config::PictureLimits;
use crate::timeline::SimulatedClock;

const START: MediaTime = MediaTime::from_secs(91_000_000);

/// A feed of `source` that decodes within bounds.
pub(super) fn bench(source: &str, decoding: Decoding) -> Bench {
    init().unwrap();
    let grid = grid("30");
    let clock = Arc::new(SimulatedClock::new(START));
    let spec = FeedSpec { key: "h".into(), title: "H".into(), sources: vec![Url::parse(source).unwrap()] };
    let feed = Feed::start_within(spec, grid, Arc::clone(&clock) as Arc<dyn Clock>, Pace::Lockstep, decoding);
    Bench { feed, clock, grid, frame: grid.frame_at(START) }
}

/// Why the slate of `source` is shown, once that is known, and its code.
pub(super) fn refused(source: &str, decoding: Decoding) -> (Reason, String) {
    let mut bench = bench(source, decoding);
    let until = Instant::now() + Duration::from_secs(30);
    while bench.feed.health().last_error.is_none() && Instant::now() < until {
        assert_eq!(bench.tick().0.outcome, Outcome::Slate);
        bench.feed.intake.stopped_within(Duration::from_millis(5));
    }
    let health = bench.feed.health();
    let note = health.reason.and_then(slate::refusal);
    if let Some(card) = note.and_then(|note| slate::draw("H", note)) {
        let (shown, _) = bench.tick();
        assert_eq!(shown.picture.row(0, 420), card.row(0, 420), "the slate says why");
    }
    (health.reason.unwrap(), health.last_error.unwrap_or_default())
}

fn open() -> Decoding {
    Decoding::unlimited()
}

fn limited(limits: PictureLimits) -> Decoding {
    Decoding { limits, ..open() }
}

#[test]
fn hostile_pictures_that_are_too_large_or_too_many_are_not_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let usual = PictureLimits::default();
    for (name, video) in [
        ("a.mp4", CLIP.video),
        ("a.ts", CLIP.video),
        ("b.ts", "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p"),
        ("c.ts", "-c:v mpeg2video"),
        ("d.webm", "-c:v libvpx -deadline realtime -c:a libopus"),
    ] {
        let sound = if name.ends_with("webm") { ("", "") } else { CLIP.sound };
        let path = Clip { name, video, sound, ..CLIP }.make(folder.path());
        let (reason, text) = refused(&url_of(&path), limited(PictureLimits { width: 159, ..usual }));
        assert_eq!(reason, Reason::TooLarge, "{name}: {text}");
        assert!(text.contains("160x96"), "{name}: {text}");
        let mut shown = bench(&url_of(&path), limited(PictureLimits { width: 160, height: 96, ..usual }));
        shown.until_live(3000);
    }
    let path = Clip { name: "fast.ts", fps: "120", frames: 120, luma: |_| 100, ..CLIP }.make(folder.path());
    // As many as a second may have are shown.
    let mut fast = bench(&url_of(&path), limited(PictureLimits { fps: 50, ..usual }));
    let until = Instant::now() + Duration::from_secs(30);
    while fast.feed.health().last_error.is_none() && Instant::now() < until {
        fast.tick();
    }
    let text = fast.feed.health().last_error.unwrap_or_default();
    assert!(text.contains("more than 50 pictures"), "{text}");
    let (reason, text) = refused(&url_of(&folder.path().join("a.mp4")), limited(PictureLimits { streams: 1, ..usual }));
    assert!(reason == Reason::TooLarge && text.contains("more than 1 streams"), "{text}");
    let (reason, text) = refused(&url_of(&folder.path().join("a.ts")), limited(PictureLimits { streams: 1, ..usual }));
    assert!(reason == Reason::TooLarge && text.contains("more than 1 streams"), "{text}");
}

#[test]
fn what_is_refused_is_let_go_once() {
    init().unwrap();
    let said = Arc::<Mutex<Vec<String>>>::default();
    let its = said.clone();
    glib::log_set_handler(Some("GStreamer"), glib::LogLevels::LEVEL_CRITICAL, false, false, move |_, _, text| {
        its.lock().push(text.to_owned());
    });
    let folder = tempfile::tempdir().unwrap();
    let (video, sound) = (CLIP.video, ("", ""));
    let usual = PictureLimits::default();
    for (name, limits, why) in [
        ("a.mp4", PictureLimits { width: 159, ..usual }, "160x96"),
        ("b.mp4", PictureLimits { fps: 10, ..usual }, "more than 10 pictures"),
        ("c.ts", PictureLimits { streams: 0, ..usual }, "more than 0 streams"),
    ] {
        let path = Clip { name, video, sound, ..CLIP }.make(folder.path());
        let mut bench = bench(&url_of(&path), limited(limits));
        let until = Instant::now() + Duration::from_secs(30);
        while bench.feed.health().last_error.is_none() && Instant::now() < until {
            bench.tick();
        }
        let told = bench.feed.health().last_error.unwrap_or_default();
        assert!(told.contains(why), "{name}: {told}");
        bench.feed.stop();
        assert_eq!(*said.lock(), [""; 0], "{name}");
    }
}

/// A PNG of nothing that says that it is so large.
fn png(folder: &Path, side: u32) -> String {
    let mut header = b"IHDR".to_vec();
    header.extend(side.to_be_bytes());
    header.extend(side.to_be_bytes());
    header.extend([8, 2, 0, 0, 0]);
    let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    bytes.extend(&header);
    bytes.extend(crc32fast::hash(&header).to_be_bytes());
    bytes.extend([0; 4096]);
    let path = folder.join("a.png");
    std::fs::write(&path, bytes).unwrap();
    url_of(&path)
}

#[test]
fn hostile_still_images_are_not_decoded() {
    let folder = tempfile::tempdir().unwrap();
    let (reason, text) = refused(&png(folder.path(), 30_000), open());
    assert!(reason == Reason::Unsupported && text.contains("png"), "{reason:?} {text}");
    assert_eq!(slate::refusal(Reason::Unreachable), None, "who may be back is waited for");
}

/// Answers with `body`, or with the part of it that is asked for where `ranged`.
pub(super) fn file_server(body: Vec<u8>, ranged: bool) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let body = body.clone();
            std::thread::spawn(move || answer(stream, &body, ranged));
        }
    });
    format!("http://{address}/a.mp4")
}

fn answer(mut stream: TcpStream, body: &[u8], ranged: bool) {
    let lines = std::io::BufRead::lines(std::io::BufReader::new(stream.try_clone().unwrap()));
    let lines = lines.map_while(Result::ok).take_while(|line| !line.is_empty());
    let range = lines.fold(None, |found, line| {
        let line = line.to_ascii_lowercase();
        found.or(line.strip_prefix("range: bytes=").and_then(|r| r.split('-').next()?.parse::<usize>().ok()))
    });
    let (status, from, more) = match range.filter(|_| ranged) {
        Some(from) => (206, from, format!("Content-Range: bytes {from}-{}/{}\r\n", body.len() - 1, body.len())),
        None => (200, 0, String::new()),
    };
    let head = head(status, &format!("{more}Content-Length: {}\r\n", body.len() - from));
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body[from..]));
}

#[test]
fn a_file_on_http_is_played_wherever_its_index_stands() {
    let folder = tempfile::tempdir().unwrap();
    let judged = || Decoding { reach: reach(&["127.0.0.2/32"]), ..open() };
    let end = Clip { name: "end.mp4", ..CLIP };
    let begin = Clip { name: "begin.mp4", sound: (CLIP.sound.0, "-c:a aac -movflags +faststart"), ..CLIP };
    for (clip, ranged) in [(end, true), (begin, true), (begin_again(), false)] {
        let body = std::fs::read(clip.make(folder.path())).unwrap();
        let mut bench = bench(&file_server(body, ranged), judged());
        let first = bench.until_live(3000);
        assert!(middle(&first.picture).abs_diff(40) <= 3, "{}", clip.name);
        for n in 1..30 {
            let (pick, _) = bench.tick();
            let expected = 40 + 5 * n;
            assert!(middle(&pick.picture).abs_diff(expected) <= 3, "{} {n}: {:?}", clip.name, bench.feed.health());
        }
    }
}

fn begin_again() -> Clip<'static> {
    Clip { name: "again.mp4", sound: (CLIP.sound.0, "-c:a aac -movflags +faststart"), ..CLIP }
}

#[test]
fn hostile_addresses_are_refused_at_connect_with_their_reason() {
    let (inner, asked) = served("127.0.0.1", |_, mut stream| _ = stream.write_all(head(200, "").as_bytes()));
    let judged = || Decoding { reach: reach(&["127.0.0.2/32"]), ..open() };
    let location = format!("Location: http://{inner}/film.mp4\r\n");
    let (redirecting, _) =
        served("127.0.0.2", move |_, mut stream| _ = stream.write_all(head(302, &location).as_bytes()));
    for source in [
        format!("http://{inner}/a.m3u8"),
        format!("http://localhost:{}/a.mp4", inner.port()),
        format!("http://{redirecting}/a.mp4"),
        format!("rtmp://localhost:{}/live/a", inner.port()),
        format!("rtmp://2130706433:{}/live/a", inner.port()),
        format!("srt://localhost:{}", inner.port()),
        "udp://127.0.0.1:5000".into(),
        "rtp://239.255.77.1:5000".into(),
        "udp://0.0.0.0:5000".into(),
        "file:///etc/hostname".into(),
    ] {
        let (reason, text) = refused(&source, judged());
        assert_eq!(reason, Reason::Forbidden, "{source}: {text}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn hostile_playlists_reach_neither_files_nor_what_is_inside() {
    let folder = tempfile::tempdir().unwrap();
    let clip = Clip { name: "secret.ts", ..CLIP }.make(folder.path());
    let (inner, asked) = served("127.0.0.1", |_, mut stream| _ = stream.write_all(head(200, "").as_bytes()));
    let secret = url_of(&clip);
    let listed = |lines: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{lines}\n#EXT-X-ENDLIST\n");
    let inside = format!("http://{inner}/x");
    for body in [
        listed(&format!("#EXTINF:1,\n{secret}")),
        listed(&format!("#EXTINF:1,\n{inside}")),
        listed(&format!("#EXT-X-MAP:URI=\"{secret}\"\n#EXTINF:1,\n{inside}")),
        listed(&format!("#EXT-X-MAP:URI=\"{inside}\"\n#EXTINF:1,\na.ts")),
        listed(&format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{secret}\"\n#EXTINF:1,\na.ts")),
        listed(&format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{inside}\"\n#EXTINF:1,\na.ts")),
        format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{secret}\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{inside}\n"),
        format!(
            "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",URI=\"{inside}\"\n\
                 #EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"a\"\n{secret}\n"
        ),
    ] {
        let told = body.clone();
        let media = std::fs::read(&clip).unwrap();
        let (outer, _) = served("127.0.0.2", move |target, mut stream| {
            let body = if target == "/live.m3u8" { told.as_bytes() } else { &media };
            let _ = stream.write_all(head(200, &format!("Content-Length: {}\r\n", body.len())).as_bytes());
            let _ = stream.write_all(body);
        });
        let decoding = Decoding { reach: reach(&["127.0.0.2/32"]), ..open() };
        let (_, text) = refused(&format!("http://{outer}/live.m3u8"), decoding);
        assert!(!text.is_empty(), "{body}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[test]
fn hostile_streams_without_an_end_or_a_kind_take_no_memory() {
    let sent = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&sent);
    let (address, _) = served("127.0.0.2", move |target, mut stream| {
        let _ = stream.write_all(head(200, "").as_bytes());
        let line = match target {
            // A film whose media come before their index, for ever.
            "/film.mp4" => {
                let _ = stream.write_all(b"\0\0\0\x14ftypisom\0\0\x02\0isom\0\0\0\x01mdat\x7f\0\0\0\0\0\0\0");
                vec![7; 64 << 10]
            }
            _ => b"#EXTINF:1,\na.ts\n".repeat(4096),
        };
        while stream.write_all(&line).is_ok() {
            counted.fetch_add(line.len(), Ordering::SeqCst);
        }
    });
    for path in ["/film.mp4", "/lines"] {
        sent.store(0, Ordering::SeqCst);
        let decoding = Decoding { reach: reach(&["127.0.0.2/32"]), ..open() };
        let (_, text) = refused(&format!("http://{address}{path}"), decoding);
        let sent = sent.load(Ordering::SeqCst);
        assert!(sent < 256 << 20, "{path}: {sent} bytes were taken: {text}");
    }
}
