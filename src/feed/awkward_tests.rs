//! Sources as they are: tables that change, streams that come and go, joins in the middle, sound that is none.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use super::tests::{Bench, CLIP, Clip, loudness, middle, url_of};
use super::*;
use crate::timeline::SimulatedClock;

const TS_PACKET: usize = 188;

fn ffmpeg(arguments: &str, path: &Path) {
    let made = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments.split_whitespace()).arg(path).status();
    assert!(made.unwrap().success(), "{arguments}");
}

/// The clips one after the other in one file.
fn joined(folder: &Path, clips: &[Clip]) -> String {
    let bytes: Vec<u8> = clips.iter().flat_map(|clip| std::fs::read(clip.make(folder)).unwrap()).collect();
    let path = folder.join("joined.ts");
    std::fs::write(&path, bytes).unwrap();
    url_of(&path)
}

/// A second of transport stream with its own identifiers.
fn stretch<'a>(name: &'a str, video: &'a str, luma: fn(usize) -> u8) -> Clip<'a> {
    Clip { name, luma, video, ..CLIP }
}

const H264: &str = "-c:v libx264 -preset ultrafast -qp 8 -bf 2 -pix_fmt yuv420p";
const H264_ELSEWHERE: &str = "-c:v libx264 -preset ultrafast -qp 8 -bf 2 -pix_fmt yuv420p -mpegts_start_pid 0x300 \
     -mpegts_pmt_start_pid 0x1200 -mpegts_service_id 9";
const MPEG2_ELSEWHERE: &str = "-c:v mpeg2video -qscale:v 2 -pix_fmt yuv420p -mpegts_start_pid 0x400";
const HEVC: &str = "-c:v libx265 -preset ultrafast -x265-params log-level=none:qp=8 -pix_fmt yuv420p";

/// Ticks of a source whose pictures are told by their luma: all fresh, none missing.
fn assert_every_picture(bench: &mut Bench, lumas: &[u8], laps: usize) {
    for k in 0..lumas.len() * laps {
        let (pick, _) = bench.tick();
        let health = bench.feed.health();
        assert_eq!((pick.outcome, pick.dropped), (Outcome::OnTime, 0), "tick {k}: {health:?}");
        let (got, expected) = (middle(&pick.picture), lumas[k % lumas.len()]);
        assert!(got.abs_diff(expected) <= 3, "tick {k}: {got} is not {expected}");
    }
    assert_eq!(bench.feed.health().reconnects, 0);
}

#[test]
fn awkward_tables_that_move_every_stream_are_seamless() {
    let folder = tempfile::tempdir().unwrap();
    let up: fn(usize) -> u8 = |n| 40 + 5 * n as u8;
    let down: fn(usize) -> u8 = |n| 220 - 5 * n as u8;
    let first = stretch("first.ts", H264, up);
    let url = joined(folder.path(), &[first, stretch("second.ts", H264_ELSEWHERE, down)]);
    let lumas: Vec<u8> = (0..30).map(up).chain((0..30).map(down)).collect();
    let mut bench = Bench::new("30", &[&url]);
    assert_every_picture(&mut bench, &lumas, 2);
}

#[test]
fn awkward_a_picture_may_change_its_codec_in_mid_stream() {
    let folder = tempfile::tempdir().unwrap();
    let luma: [fn(usize) -> u8; 3] = [|n| 40 + 2 * n as u8, |n| 110 + 2 * n as u8, |n| 180 + 2 * n as u8];
    let clips = [
        stretch("first.ts", H264, luma[0]),
        stretch("second.ts", MPEG2_ELSEWHERE, luma[1]),
        stretch("third.ts", HEVC, luma[2]),
    ];
    let url = joined(folder.path(), &clips);
    let lumas: Vec<u8> = luma.iter().flat_map(|luma| (0..30).map(luma)).collect();
    let mut bench = Bench::new("30", &[&url]);
    assert_every_picture(&mut bench, &lumas, 2);
}

#[test]
fn awkward_sound_that_vanishes_comes_back_in_another_codec_and_the_picture_does_not_notice() {
    let folder = tempfile::tempdir().unwrap();
    let sine = CLIP.sound.0;
    let clips = [
        Clip { name: "aac.ts", luma: |n| 40 + 2 * n as u8, ..CLIP },
        Clip { name: "none.ts", luma: |n| 100 + 2 * n as u8, sound: ("", ""), ..CLIP },
        Clip { name: "ac3.ts", luma: |n| 160 + 2 * n as u8, sound: (sine, "-c:a ac3"), ..CLIP },
    ];
    let url = joined(folder.path(), &clips);
    let mut bench = Bench::new("30", &[&url]);
    let mut loud = [0; 3];
    for k in 0..90 {
        let (pick, sound) = bench.tick();
        assert_eq!((pick.outcome, pick.dropped), (Outcome::OnTime, 0), "tick {k}: {:?}", bench.feed.health());
        let expected = 40 + 60 * (k as u8 / 30) + 2 * (k as u8 % 30);
        assert!(middle(&pick.picture).abs_diff(expected) <= 3, "tick {k}: {} is not {expected}", middle(&pick.picture));
        loud[k / 30] += usize::from(loudness(&sound) > 1000);
    }
    assert!(loud[0] >= 24 && loud[1] <= 5 && loud[2] >= 20, "{loud:?}");
    assert_eq!(bench.feed.health().reconnects, 0);
}

/// Three programmes: radio, and two pictures of different sizes.
fn many_programmes(folder: &Path) -> String {
    let path = folder.join("many.ts");
    ffmpeg(
        "-f lavfi -t 2 -i sine=frequency=300:sample_rate=48000 -f lavfi -t 2 -i color=gray:s=160x96:r=30 \
         -f lavfi -t 2 -i color=white:s=320x176:r=30 -map 0:a -map 1:v -map 2:v -c:a mp2 -c:v libx264 -preset ultrafast \
         -pix_fmt yuv420p -g 30 -program program_num=1:st=0 -program program_num=2:st=1 -program program_num=5:st=2 -f mpegts",
        &path,
    );
    url_of(&path)
}

#[test]
fn awkward_of_many_programmes_the_first_with_a_picture_is_shown_or_the_one_that_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let url = many_programmes(folder.path());
    for (query, width) in [("", 160), ("?program=2", 160), ("?program=5", 320), ("#program=5", 320)] {
        let mut bench = Bench::new("30", &[&format!("{url}{query}")]);
        for k in 0..80 {
            let (pick, _) = bench.tick();
            assert_eq!(
                (pick.outcome, pick.picture.width),
                (Outcome::OnTime, width),
                "{query} {k}: {:?}",
                bench.feed.health()
            );
        }
    }
    let mut bench = Bench::new("30", &[&format!("{url}?program=7")]);
    for _ in 0..20 {
        assert_eq!(bench.tick().0.outcome, Outcome::Slate);
        bench.feed.intake.stopped_within(Duration::from_millis(5));
    }
    let error = bench.feed.health().last_error.unwrap_or_default();
    assert!(error.contains("no programme 7: there are 1, 2, 5"), "{error}");
}

#[test]
fn awkward_a_sound_track_is_named_in_whatever_container() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["two.mkv", "two.mp4", "two.ts"] {
        let path = folder.path().join(name);
        ffmpeg(
            "-f lavfi -t 2 -i color=gray:s=160x96:r=30 -f lavfi -t 2 -i sine=frequency=1000:sample_rate=48000 -f lavfi -t 2 \
             -i sine=frequency=4000:sample_rate=48000 -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -pix_fmt yuv420p \
             -c:a aac -metadata:s:a:0 language=eng -metadata:s:a:1 language=ger",
            &path,
        );
        for (query, hz) in [("", 1000), ("?audio=2", 4000), ("?audio=de", 4000), ("?audio=eng", 1000)] {
            let mut bench = Bench::new("30", &[&format!("{}{query}", url_of(&path))]);
            let mut crossings = 0;
            for k in 0..45 {
                let (pick, sound) = bench.tick();
                assert_eq!(pick.outcome, Outcome::OnTime);
                if k >= 15 {
                    let left: Vec<_> = sound.interleaved.iter().step_by(2).collect();
                    crossings += left.windows(2).filter(|w| (*w[0] < 0) != (*w[1] < 0)).count();
                }
            }
            assert!((2 * hz * 9 / 10..2 * hz * 11 / 10).contains(&crossings), "{name}{query}: {crossings} crossings");
        }
    }
}

/// The luma planes of a clean decode, by what they look like.
fn clean_pictures(path: &Path, size: usize) -> HashMap<Vec<u8>, usize> {
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-i"]).arg(path).args("-f rawvideo -pix_fmt yuv420p -".split(' '));
    let raw = command.output().unwrap().stdout;
    raw.chunks_exact(size * 3 / 2).enumerate().map(|(n, picture)| (picture[..size].to_vec(), n)).collect()
}

fn luma_of(picture: &Picture) -> Vec<u8> {
    (0..picture.height as usize).flat_map(|y| picture.row(0, y)[..picture.width as usize].to_vec()).collect()
}

#[test]
fn awkward_a_join_in_the_middle_of_an_open_group_shows_nothing_that_is_not_clean() {
    let folder = tempfile::tempdir().unwrap();
    let picture = "-f lavfi -i testsrc2=s=160x96:r=30:d=5 -pix_fmt yuv420p";
    let cases = [
        (
            "h264.ts",
            "-c:v libx264 -preset veryfast -x264-params open-gop=1:keyint=50:min-keyint=50:bframes=3:scenecut=0",
        ),
        ("refresh.ts", "-c:v libx264 -preset veryfast -x264-params intra-refresh=1:keyint=30:bframes=0:scenecut=0"),
        (
            "hevc.ts",
            "-c:v libx265 -preset veryfast -x265-params log-level=none:open-gop=1:keyint=50:min-keyint=50:bframes=3",
        ),
        ("mpeg2.ts", "-c:v mpeg2video -qscale:v 4 -g 50 -bf 2"),
    ];
    for (name, video) in cases {
        let path = folder.path().join(name);
        ffmpeg(&format!("{picture} {video}"), &path);
        let clean = clean_pictures(&path, 160 * 96);
        let bytes = std::fs::read(&path).unwrap();
        let packets = bytes.len() / TS_PACKET;
        let cut = folder.path().join(format!("cut-{name}"));
        std::fs::write(&cut, &bytes[packets / 8 * TS_PACKET..]).unwrap();
        let mut bench = Bench::new("30", &[&url_of(&cut)]);
        let mut numbers = Vec::new();
        for k in 0..160 {
            let (pick, _) = bench.tick();
            if pick.outcome == Outcome::OnTime {
                let number = clean.get(&luma_of(&pick.picture));
                numbers.push(*number.unwrap_or_else(|| panic!("{name}, tick {k} after {numbers:?}: it is not whole")));
            }
        }
        assert!(numbers.len() >= 155, "{name}: {} pictures, {:?}", numbers.len(), bench.feed.health());
        assert!(numbers[0] > 10 && numbers[0] <= 75, "{name}: it begins with {}", numbers[0]);
        // The same again in the next lap, with a decoder that has seen one.
        let follows = |w: &[usize]| w[1] == w[0] + 1 || (w[0] == 149 && w[1] == numbers[0]);
        assert!(numbers.windows(2).all(follows), "{name}: {numbers:?}");
    }
}

#[test]
fn awkward_sound_that_cannot_be_decoded_is_silence_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = Clip { name: "noise.ts", frames: 150, luma: |n| 40 + n as u8, ..CLIP }.make(folder.path());
    let mut bytes = std::fs::read(&path).unwrap();
    // FFmpeg's first sound is 0x101: everything behind the heads of its packets becomes noise.
    for (n, packet) in bytes.chunks_exact_mut(TS_PACKET).enumerate() {
        if packet[1..3] == [0x01, 0x01] {
            packet[32..].iter_mut().enumerate().for_each(|(i, b)| *b = ((n * 31 + i) * 97 % 251) as u8);
        }
    }
    std::fs::write(&path, bytes).unwrap();
    let mut bench = Bench::new("30", &[&url_of(&path)]);
    for k in 0..150 {
        let (pick, _) = bench.tick();
        assert_eq!(pick.outcome, Outcome::OnTime, "tick {k}: {:?}", bench.feed.health());
    }
    assert_eq!(bench.feed.health().reconnects, 0);
    let facts = bench.feed.facts();
    assert!(facts.silent_because.is_some_and(|reason| reason.contains("aac")), "{:?}", bench.feed.facts());
}

#[test]
fn awkward_a_pipe_that_nobody_writes_to_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe.ts");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), Path::new("/dev/zero"), folder.path()] {
        let mut bench = Bench::new("30", &[&url_of(path)]);
        let until = Instant::now() + Duration::from_secs(20);
        while bench.feed.health().last_error.is_none() && Instant::now() < until {
            assert_eq!(bench.tick().0.outcome, Outcome::Slate);
            bench.feed.intake.stopped_within(Duration::from_millis(5));
        }
        let error = bench.feed.health().last_error.unwrap_or_default();
        assert!(error.contains("no regular file"), "{}: {error}", path.display());
        assert_eq!(abandoned().total, 0);
    }
}

/// Serves one file to whoever asks; tells what was asked for.
fn serve(path: &Path) -> (u16, crossbeam_channel::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let body = std::fs::read(path).unwrap();
    let (asked, asks) = crossbeam_channel::unbounded();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let Some(request) = lines.next() else { continue };
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let _ = asked.send(request);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
        }
    });
    (port, asks)
}

#[test]
fn awkward_what_ends_has_ended_unless_it_is_asked_to_loop() {
    let folder = tempfile::tempdir().unwrap();
    let path = Clip { name: "end.ts", ..CLIP }.make(folder.path());
    let (port, asks) = serve(&path);
    let mut bench = Bench::new("30", &[&format!("http://127.0.0.1:{port}/end.ts?token=a%2Fb&program=x")]);
    bench.until_live(3000);
    let until = Instant::now() + Duration::from_secs(20);
    while bench.feed.health().last_error.is_none() && Instant::now() < until {
        bench.tick();
    }
    assert_eq!(bench.feed.health().last_error.as_deref(), Some("the source ended"));
    assert_eq!(asks.recv().unwrap(), "GET /end.ts?token=a%2Fb&program=x HTTP/1.1");
    drop(bench);
    let (port, asks) = serve(&path);
    let mut bench = Bench::new("30", &[&format!("http://127.0.0.1:{port}/end.ts?loop=1&token=b")]);
    bench.until_live(3000);
    for k in 0..90 {
        assert_eq!(bench.tick().0.outcome, Outcome::OnTime, "tick {k}: {:?}", bench.feed.health());
    }
    assert_eq!(bench.feed.health().reconnects, 0);
    assert_eq!(asks.recv().unwrap(), "GET /end.ts?token=b HTTP/1.1");
}

#[test]
fn awkward_a_picture_that_cannot_be_decoded_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = Clip { name: "unknown.ts", ..CLIP }.make(folder.path());
    // H.264 becomes H.266 in every programme table (its type and the table's checksum).
    let mut bytes = std::fs::read(&path).unwrap();
    for packet in bytes.chunks_exact_mut(TS_PACKET).filter(|p| p[1..3] == [0x50, 0x00]) {
        let end = 5 + 3 + usize::from(packet[7]);
        assert_eq!(packet[17], 0x1b);
        packet[17] = 0x33;
        let crc = pipeline::tables::crc32(&packet[5..end - 4]);
        packet[end - 4..end].copy_from_slice(&crc.to_be_bytes());
    }
    std::fs::write(&path, bytes).unwrap();
    let error = refused(&path);
    assert!(error.contains("H.266"), "{error}");
}

/// What is said of a file that cannot be shown, while its slate is.
fn refused(path: &Path) -> String {
    let mut bench = Bench::new("30", &[&url_of(path)]);
    let until = Instant::now() + Duration::from_secs(20);
    while bench.feed.health().last_error.is_none() && Instant::now() < until {
        assert_eq!(bench.tick().0.outcome, Outcome::Slate);
        bench.feed.intake.stopped_within(Duration::from_millis(5));
    }
    bench.feed.health().last_error.unwrap_or_default()
}

/// Sends a transport stream by its own clock references, as an encoder would.
fn send_paced(bytes: &[u8], socket: &std::net::UdpSocket, begun: Instant, after: Duration) -> Duration {
    let mut first = None;
    let mut at = after;
    for datagram in bytes.chunks(7 * TS_PACKET) {
        for packet in datagram.chunks_exact(TS_PACKET) {
            if packet[3] & 0x20 != 0 && packet[4] >= 7 && packet[5] & 0x10 != 0 {
                let base = packet[6..10].iter().fold(0u64, |base, byte| base << 8 | u64::from(*byte)) * 2;
                let since = base - *first.get_or_insert(base);
                at = after + Duration::from_nanos(since * 1_000_000_000 / 90_000);
            }
        }
        std::thread::sleep(at.saturating_sub(begun.elapsed()));
        socket.send(datagram).unwrap();
    }
    at + Duration::from_millis(33)
}

#[test]
fn awkward_tables_that_move_every_stream_of_a_live_source_cost_less_than_half_a_second() {
    init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let luma: fn(usize) -> u8 = |n| 40 + (n % 64) as u8 * 3;
    let clips = [("first.ts", H264), ("second.ts", H264_ELSEWHERE), ("third.ts", MPEG2_ELSEWHERE), ("fourth.ts", H264)];
    // A picture to begin with every half a second: a lost datagram is not what is tested.
    let clips = clips.map(|(name, video)| (name, format!("{video} -g 15")));
    let clips = clips.map(|(name, video)| Clip { frames: 75, ..stretch(name, &video, luma) }.make(folder.path()));
    let clips = clips.map(|path| std::fs::read(path).unwrap());
    let port = std::net::UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let grid = Grid::new("30".parse().unwrap(), 60);
    let clock: Arc<dyn Clock> = Arc::new(crate::timeline::SystemClock::new());
    let sources = vec![Url::parse(&format!("udp://127.0.0.1:{port}")).unwrap()];
    let spec = FeedSpec { key: "ads".into(), title: "Ads".into(), sources };
    let feed = Feed::start(spec, grid, Arc::clone(&clock), Pace::Realtime);
    let sender = std::thread::spawn(move || {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(("127.0.0.1", port)).unwrap();
        // It listens in a moment.
        std::thread::sleep(Duration::from_millis(500));
        let begun = Instant::now();
        clips.iter().fold(Duration::ZERO, |after, clip| send_paced(clip, &socket, begun, after));
    });
    let first = grid.frame_at(clock.now()) + 1;
    let mut outcomes = Vec::new();
    for frame in first.. {
        clock.wait_until(grid.frame_time(frame), Duration::from_secs(1));
        outcomes.push(feed.picture_at(frame).outcome);
        feed.sound_at(grid.sample_at_frame(frame)..grid.sample_at_frame(frame + 1));
        if sender.is_finished() {
            break;
        }
    }
    let live = outcomes.iter().position(|outcome| *outcome == Outcome::OnTime).expect("it is never live");
    let shown = &outcomes[live..];
    let still = shown.split(|outcome| *outcome == Outcome::OnTime).map(<[_]>::len).max().unwrap_or(0);
    let fresh = shown.iter().filter(|outcome| **outcome == Outcome::OnTime).count();
    assert!(still <= 15, "a still of {still} ticks: {:?} {:?}", feed.health(), feed.facts());
    assert!(fresh * 10 >= shown.len() * 8 && shown.len() > 200, "{fresh} of {}", shown.len());
    assert_eq!(feed.health().reconnects, 0);
    feed.stop();
}

#[test]
fn awkward_a_file_that_is_no_media_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let list = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n0.ts\n#EXT-X-ENDLIST\n";
    let page = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body><p>Sign in</p></body></html>\n";
    for (name, text, said) in [("list.m3u8", list, ["playlist", "https://"]), ("0.ts", page, ["html", "no picture"])] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let error = refused(&path);
        assert!(said.iter().all(|words| error.contains(words)), "{name}: {error}");
    }
}

/// A machine with so many cores left, of which nothing is taken: what is asked for is the whole each time.
struct Left(Mutex<f64>);

impl DecodeRoom for Left {
    fn admit(&self, cores: f64) -> Result<(), Refused> {
        let left = *self.0.lock();
        if cores <= left { Ok(()) } else { Err(Refused::Left(left)) }
    }

    fn left(&self) -> f64 {
        *self.0.lock()
    }
}

#[test]
fn awkward_a_source_that_is_too_large_for_the_machine_says_so_and_is_shown_as_room_comes() {
    init().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = Clip { name: "large.mp4", ..CLIP }.make(folder.path());
    let grid = Grid::new("30".parse().unwrap(), 60);
    let start = MediaTime::from_secs(91_000_000);
    let clock = Arc::new(SimulatedClock::new(start));
    let room = Arc::new(Left(Mutex::new(0.000_001)));
    let spec = FeedSpec { key: "a".into(), title: "A".into(), sources: vec![Url::parse(&url_of(&path)).unwrap()] };
    let decoding = Decoding { room: room.clone(), ..Decoding::unlimited() };
    let feed = Feed::start_within(spec, grid, clock.clone(), Pace::Realtime, decoding);
    let first = grid.frame_at(start);
    // Cranked as fast as the feed's threads come along.
    let until = |from: u64, what: &str, reached: &dyn Fn(&FeedHealth) -> bool| {
        let begun = Instant::now();
        for frame in from.. {
            clock.advance_to(grid.frame_time(frame));
            feed.picture_at(frame);
            let health = feed.health();
            if reached(&health) {
                return frame;
            }
            assert!(begun.elapsed() < Duration::from_secs(30), "{what}: {health:?}");
            feed.intake.stopped_within(Duration::from_millis(2));
        }
        unreachable!("frames have no end")
    };
    let frame = until(first, "no room", &|health| health.reason == Some(Reason::NoRoom));
    let said = feed.health().last_error.unwrap_or_default();
    assert!(said.starts_with("no room: 160x96 at 30 takes about"), "{said}");
    *room.0.lock() = 1.0;
    until(frame, "room", &|health| health.status == FeedStatus::Live && health.reason.is_none());
    assert!(feed.facts().no_room.is_none() && feed.facts().thinned_because.is_none(), "{:?}", feed.facts());
    feed.stop();
}
