//! Clients against a scripted server on loopback; what they hand over is recorded.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use url::Url;

use super::super::stamp::{InitInfo, stamp};
use super::super::stretches::WRAP_NANOS;
use super::super::{
    Client, Container, Limit, Outcome, Refused, Said, Setting, Shown, Sink, Stretch, Track, VariantWish, Wishes, open,
    setting,
};
use super::server::{Answer, Server};
use crate::feed::fetch::{FetchProblem, Fetcher, Request};
use crate::feed::playlist::Found;
use crate::reach::Reach;

const SECOND: i64 = 1_000_000_000;
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client handed over.
#[derive(Clone, Debug, PartialEq)]
enum Event {
    Begin(Track, Stretch),
    Data(Track, Bytes),
    End(Track),
    Cue(Said),
}

#[derive(Default)]
struct Recorder {
    events: Mutex<Vec<Event>>,
    changed: Condvar,
}

impl Recorder {
    fn note(&self, event: Event) {
        self.events.lock().push(event);
        self.changed.notify_all();
    }

    fn until(&self, what: &str, wanted: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        let until = Instant::now() + PATIENCE;
        let mut events = self.events.lock();
        while !wanted(&events) {
            assert!(!self.changed.wait_until(&mut events, until).timed_out(), "{what}: {events:?}");
        }
        events.clone()
    }
}

impl Sink for Recorder {
    fn begin(&self, track: Track, stretch: Stretch) -> Result<(), Refused> {
        self.note(Event::Begin(track, stretch));
        Ok(())
    }

    fn data(&self, track: Track, bytes: Bytes) -> Result<(), Refused> {
        self.note(Event::Data(track, bytes));
        Ok(())
    }

    fn end(&self, track: Track) {
        self.note(Event::End(track));
    }

    fn cue(&self, said: Said) {
        self.note(Event::Cue(said));
    }
}

pub(super) fn wishes() -> Wishes {
    Wishes {
        variant: VariantWish::Best,
        language: None,
        beside: 0,
        looped: false,
        limit: Limit { lines: 1080, fps: 30.0, pixels_per_s: f64::INFINITY },
    }
}

pub(super) fn setting_of(fetcher: &Arc<Fetcher>, url: &Url, wishes: &Wishes, shown: Shown) -> Setting {
    let Found::Playlist(found) = open(fetcher, url).unwrap() else { panic!("no playlist") };
    setting(found, url, wishes, shown, &|codec| codec.starts_with("avc1")).unwrap()
}

fn start(url: &Url, wishes: &Wishes, shown: Shown) -> (Client, Arc<Recorder>) {
    let fetcher = Arc::new(Fetcher::new(url, &Reach::of_ones_own()));
    let setting = setting_of(&fetcher, url, wishes, shown);
    let recorder = Arc::new(Recorder::default());
    let sink = Arc::clone(&recorder) as Arc<dyn Sink>;
    (Client::start(fetcher, sink, setting), recorder)
}

/// Waits for the outcome of a client.
pub(super) fn outcome(client: &Client) -> Outcome {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(outcome) = client.outcome() {
            return outcome;
        }
        assert!(Instant::now() < until, "no outcome; {:?}", client.problem());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One packet of a transport stream that begins a PES packet.
fn packet(pid: u16, kind: u8, pts: u64, pcr: Option<u64>) -> Vec<u8> {
    let mut packet = vec![0x47, 0x40 | (pid >> 8) as u8, pid as u8, 0x30];
    let mut adaptation = vec![0u8];
    if let Some(base) = pcr {
        adaptation[0] = 0x10;
        adaptation.extend(((base >> 1) as u32).to_be_bytes());
        adaptation.extend([(base as u8 & 1) << 7 | 0x7e, 0]);
    }
    let stamp = [
        0x21 | ((pts >> 30 & 7) as u8) << 1,
        (pts >> 22) as u8,
        ((pts >> 15) as u8) << 1 | 1,
        (pts >> 7) as u8,
        (pts as u8) << 1 | 1,
    ];
    let pes = [&[0, 0, 1, kind, 0, 0, 0x80, 0x80, 5][..], &stamp, &[0xab; 8]].concat();
    adaptation.resize(188 - 5 - pes.len(), 0xff);
    packet.push(adaptation.len() as u8);
    packet.extend(adaptation);
    packet.extend(pes);
    assert_eq!(packet.len(), 188);
    packet
}

/// Two seconds of two pictures a second; the clock is half a second ahead of the first.
pub(super) fn segment(begins_ms: u64) -> Vec<u8> {
    let ticks = |ms: u64| ms * 90;
    let mut bytes = packet(0x101, 0xc0, ticks(begins_ms + 20), None);
    for picture in 0..4 {
        let at = ticks(begins_ms + picture * 500);
        bytes.extend(packet(0x100, 0xe0, at, (picture == 0).then(|| at - ticks(500))));
    }
    bytes
}

fn data(events: &[Event], track: Track) -> Vec<u8> {
    let of = |event: &Event| match event {
        Event::Data(of, bytes) if *of == track => Some(bytes.to_vec()),
        _ => None,
    };
    events.iter().filter_map(of).flatten().collect()
}

/// When the first picture of each stretch is due: the demuxer counts from its clock.
fn stretches(events: &[Event], track: Track) -> Vec<i64> {
    let of = |event: &Event| match event {
        Event::Begin(of, stretch) if *of == track => Some(stretch.zero_at[usize::from(track == Track::Sound)]),
        _ => None,
    };
    events.iter().filter_map(of).collect()
}

pub(super) fn list(segments: &[&str], tags: &str) -> String {
    let body: String = segments.iter().map(|name| format!("#EXTINF:2,\n{name}\n")).collect();
    format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{body}{tags}")
}

#[test]
fn a_transport_streams_clock_and_pictures_are_read_across_a_wrap() {
    let last = (1u64 << 33) - 90 * 700;
    let mut bytes = packet(0x100, 0xe0, last, Some(last - 45_000));
    bytes.extend(packet(0x101, 0xc0, 5, None));
    bytes.extend(packet(0x100, 0xe0, last - 9000, None));
    bytes.extend(packet(0x100, 0xe0, (last + 90_000) & ((1 << 33) - 1), None));
    let stamp = stamp(&bytes, None).unwrap();
    assert_eq!(stamp.container, Container::TransportStream);
    // The earliest picture, not the first in the file, and not the sound.
    assert_eq!(stamp.first, Some(WRAP_NANOS - 800_000_000));
    assert_eq!(stamp.zero, Some([WRAP_NANOS - 1_200_000_000; 2]));
    assert_eq!(stamp.measured, Some(1_100_000_000 * 3 / 2));
}

#[test]
fn packed_sound_tells_its_time_in_an_id3_tag() {
    let owner = b"com.apple.streaming.transportStreamTimestamp\0";
    let frame =
        [b"PRIV".as_slice(), &[0, 0, 0, (owner.len() + 8) as u8, 0, 0], owner, &900_000u64.to_be_bytes()].concat();
    let tag = [b"ID3\x04\0\0\0\0\0".as_slice(), &[frame.len() as u8], &frame].concat();
    let bytes = [tag.as_slice(), &[0xff, 0xf1, 0x50, 0x80, 0, 0, 0]].concat();
    let stamp = stamp(&bytes, None).unwrap();
    assert_eq!((stamp.container, stamp.first, stamp.skip), (Container::PackedAudio, Some(10 * SECOND), tag.len()));
    assert_eq!(super::super::stamp::stamp(b"<html>login</html>", None), None);
}

#[test]
fn a_presentation_is_handed_over_whole_and_ends() {
    let server = Server::start();
    server.text("/vod.m3u8", &list(&["0.ts", "1.ts?token=a%20b"], "#EXT-X-ENDLIST"));
    server.on("/0.ts", [Answer::Body(segment(900_000))]);
    server.on("/1.ts", [Answer::Body(segment(902_000))]);
    let (client, recorder) = start(&server.url("/vod.m3u8?key=1"), &wishes(), Shown::default());
    assert_eq!(outcome(&client), Outcome::Ended);
    let events = recorder.events.lock().clone();
    assert_eq!(data(&events, Track::Picture), [segment(900_000), segment(902_000)].concat());
    // The first picture is due at 0, half a second after the demuxer's zero; the second segment goes on.
    assert_eq!(stretches(&events, Track::Picture), [-SECOND / 2]);
    assert_eq!(events.last(), Some(&Event::End(Track::Picture)));
    // The playlist was asked for once; queries are as they were written.
    assert_eq!(server.targets(), ["/vod.m3u8?key=1", "/0.ts", "/1.ts?token=a%20b"]);
    // A second run finds it ended.
    let (again, recorder) = start(&server.url("/vod.m3u8?key=2"), &wishes(), client.shown());
    assert_eq!(outcome(&again), Outcome::Ended);
    assert!(data(&recorder.events.lock(), Track::Picture).is_empty());
}

#[test]
fn a_loop_is_laid_lap_after_lap_without_a_hole() {
    let server = Server::start();
    server.text("/vod.m3u8", &list(&["0.ts", "1.ts"], "#EXT-X-ENDLIST"));
    server.on("/0.ts", [Answer::Body(segment(900_000))]);
    server.on("/1.ts", [Answer::Body(segment(902_000))]);
    let looped = Wishes { looped: true, ..wishes() };
    let (_client, recorder) = start(&server.url("/vod.m3u8"), &looped, Shown::default());
    let events = recorder.until("three laps", |events| stretches(events, Track::Picture).len() >= 3);
    assert_eq!(stretches(&events, Track::Picture)[..3], [-SECOND / 2, 7 * SECOND / 2, 15 * SECOND / 2]);
}

#[test]
fn discontinuities_begin_where_the_last_stretch_ended() {
    let server = Server::start();
    let text = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n0.ts\n#EXT-X-DISCONTINUITY\n#EXTINF:2,\nad.ts\n\
                #EXT-X-DISCONTINUITY\n#EXTINF:2,\n1.ts\n#EXT-X-ENDLIST";
    server.text("/vod.m3u8", text);
    server.on("/0.ts", [Answer::Body(segment(900_000))]);
    server.on("/ad.ts", [Answer::Body(segment(3000))]);
    server.on("/1.ts", [Answer::Body(segment(902_000))]);
    let (client, recorder) = start(&server.url("/vod.m3u8"), &wishes(), Shown::default());
    assert_eq!(outcome(&client), Outcome::Ended);
    let at = stretches(&recorder.events.lock(), Track::Picture);
    assert_eq!(at, [-SECOND / 2, 3 * SECOND / 2, 7 * SECOND / 2]);
}

#[test]
fn segments_that_fail_for_a_moment_are_had_and_one_that_stays_away_is_a_hole() {
    let server = Server::start();
    server.text("/vod.m3u8", &list(&["0.ts", "1.ts", "2.ts", "3.ts"], "#EXT-X-ENDLIST"));
    let cut = || Answer::Cut(segment(900_000)[..300].to_vec(), 500);
    server.on("/0.ts", [Answer::With(503, String::new(), Vec::new()), cut(), Answer::Body(segment(900_000))]);
    let page = Answer::Body(b"<html>please wait</html>".to_vec());
    server.on("/1.ts", [page, Answer::Body(segment(902_000))]);
    server.on("/3.ts", [Answer::Body(segment(906_000))]);
    let (client, recorder) = start(&server.url("/vod.m3u8"), &wishes(), Shown::default());
    assert_eq!(outcome(&client), Outcome::Ended);
    let events = recorder.events.lock().clone();
    let expected = [segment(900_000), segment(902_000), segment(906_000)].concat();
    assert_eq!(data(&events, Track::Picture), expected);
    assert_eq!(stretches(&events, Track::Picture), [-SECOND / 2, 11 * SECOND / 2]);
    assert!(client.problem().unwrap().contains("status 404 (http://127.0.0.1:"), "{:?}", client.problem());
}

#[test]
fn a_variant_that_fails_gives_way_to_the_next_best() {
    let server = Server::start();
    let variant =
        |height: u32, url: &str| format!("#EXT-X-STREAM-INF:BANDWIDTH={height},RESOLUTION=2x{height}\n{url}\n");
    let ladder = [variant(1080, "hd/index.m3u8"), variant(720, "/garbage.m3u8"), variant(540, "/sd.m3u8")].concat();
    server.text("/master.m3u8", &format!("#EXTM3U\n{}", ladder.replace("2x", "999x")));
    server.text("/garbage.m3u8", "<html>");
    server.text("/sd.m3u8", &list(&["0.ts"], "#EXT-X-ENDLIST"));
    server.on("/0.ts", [Answer::Body(segment(900_000))]);
    let (client, recorder) = start(&server.url("/master.m3u8"), &wishes(), Shown::default());
    assert_eq!(outcome(&client), Outcome::Ended);
    assert_eq!(data(&recorder.events.lock(), Track::Picture), segment(900_000));
    assert_eq!(client.choice().unwrap().picture.path(), "/sd.m3u8");
    assert_eq!(server.targets(), ["/master.m3u8", "/hd/index.m3u8", "/garbage.m3u8", "/sd.m3u8", "/0.ts"]);
}

#[test]
fn when_no_variant_is_left_the_reason_names_what_failed_and_no_secret() {
    let server = Server::start();
    server.text("/master.m3u8", "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv.m3u8?token=secret\n");
    let mut url = server.url("/master.m3u8");
    url.set_username("user").unwrap();
    url.set_password(Some("pass")).unwrap();
    let (client, _) = start(&url, &wishes(), Shown::default());
    let Outcome::Lost(reason) = outcome(&client) else { panic!("{:?}", client.outcome()) };
    assert!(reason.contains("404") && reason.contains("/v.m3u8"), "{reason}");
    assert!(!["secret", "user", "pass"].iter().any(|word| reason.contains(word)), "{reason}");
}

#[test]
fn sound_of_its_own_playlist_lies_with_its_picture() {
    let server = Server::start();
    server.text(
        "/master.m3u8",
        "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",DEFAULT=YES,URI=\"sound.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=1,RESOLUTION=2x2,AUDIO=\"a\"\npicture.m3u8\n",
    );
    let two = |a: &str, b: &str| {
        format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{a}\n#EXT-X-DISCONTINUITY\n#EXTINF:2,\n{b}\n#EXT-X-ENDLIST"
        )
    };
    server.text("/picture.m3u8", &two("p0.ts", "p1.ts"));
    server.text("/sound.m3u8", &two("s0.ts", "s1.ts"));
    let sound =
        |ms: u64| [packet(0x101, 0xc0, ms * 90, Some(ms * 90)), packet(0x101, 0xc0, ms * 90 + 2000, None)].concat();
    server.on("/p0.ts", [Answer::Body(segment(900_000))]);
    server.on("/p1.ts", [Answer::Body(segment(50_000))]);
    server.on("/s0.ts", [Answer::Body(sound(899_980))]);
    server.on("/s1.ts", [Answer::Body(sound(50_015))]);
    let (_client, recorder) = start(&server.url("/master.m3u8"), &wishes(), Shown::default());
    let events = recorder.until("both ends", |events| {
        events.contains(&Event::End(Track::Picture)) && events.contains(&Event::End(Track::Sound))
    });
    assert_eq!(stretches(&events, Track::Picture), [-SECOND / 2, 3 * SECOND / 2]);
    assert_eq!(stretches(&events, Track::Sound), [-20_000_000, 2 * SECOND + 15_000_000]);
    assert_eq!(data(&events, Track::Sound), [sound(899_980), sound(50_015)].concat());
}

#[test]
fn encrypted_segments_come_out_in_the_clear_with_any_key() {
    use aes::Aes128;
    use cbc::cipher::block_padding::Pkcs7;
    use cbc::cipher::{BlockModeEncrypt as _, KeyIvInit as _};
    let encrypt = |bytes: &[u8], key: [u8; 16], iv: [u8; 16]| {
        cbc::Encryptor::<Aes128>::new(&key.into(), &iv.into()).encrypt_padded_vec::<Pkcs7>(bytes)
    };
    let server = Server::start();
    server.text(
        "/vod.m3u8",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:5\n#EXT-X-KEY:METHOD=AES-128,URI=\"k1\"\n\
         #EXTINF:2,\n5.ts\n#EXT-X-KEY:METHOD=AES-128,URI=\"k2\",IV=0x00000000000000000000000000000009\n#EXTINF:2,\n6.ts\n\
         #EXT-X-KEY:METHOD=NONE\n#EXTINF:2,\n7.ts\n#EXT-X-ENDLIST",
    );
    server.on("/k1", [Answer::Body(vec![1; 16])]);
    // Wrong at first: the segment does not fit, and the key is asked for again.
    server.on("/k2", [Answer::Body(vec![9; 16]), Answer::Body(vec![2; 16])]);
    server.on("/5.ts", [Answer::Body(encrypt(&segment(900_000), [1; 16], 5u128.to_be_bytes()))]);
    server.on("/6.ts", [Answer::Body(encrypt(&segment(902_000), [2; 16], 9u128.to_be_bytes()))]);
    server.on("/7.ts", [Answer::Body(segment(904_000))]);
    let (client, recorder) = start(&server.url("/vod.m3u8"), &wishes(), Shown::default());
    assert_eq!(outcome(&client), Outcome::Ended);
    let expected = [segment(900_000), segment(902_000), segment(904_000)].concat();
    assert_eq!(data(&recorder.events.lock(), Track::Picture), expected);
    assert_eq!(stretches(&recorder.events.lock(), Track::Picture), [-SECOND / 2]);
}

#[test]
fn byte_ranges_and_init_sections_are_fetched_as_parts() {
    let server = Server::start();
    server.text(
        "/vod.m3u8",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MAP:URI=\"all\",BYTERANGE=\"24@0\"\n#EXTINF:2,\n#EXT-X-BYTERANGE:16@24\nall\n\
         #EXTINF:2,\n#EXT-X-BYTERANGE:20\nall\n#EXT-X-ENDLIST",
    );
    let init = [&24u32.to_be_bytes()[..], b"ftyp", &[7; 16]].concat();
    let first = [&16u32.to_be_bytes()[..], b"moof", &[1; 8]].concat();
    let second = [&20u32.to_be_bytes()[..], b"moof", &[2; 12]].concat();
    server.on("/all", [Answer::Body([init.clone(), first.clone(), second.clone()].concat())]);
    let (client, recorder) = start(&server.url("/vod.m3u8"), &wishes(), Shown::default());
    assert_eq!(outcome(&client), Outcome::Ended);
    let events = recorder.events.lock().clone();
    let Event::Begin(Track::Picture, stretch) = &events[0] else { panic!("{events:?}") };
    assert_eq!((stretch.container, stretch.init.as_deref()), (Container::FragmentedMp4, Some(&init[..])));
    assert_eq!(data(&events, Track::Picture), [first, second].concat());
}

#[test]
fn redirects_cookies_passwords_and_gzip_are_understood() {
    let server = Server::start();
    server.on("/live", [Answer::With(302, "Location: /deep/a/index.m3u8?session=7\r\n".into(), Vec::new())]);
    let text = list(&["../0.ts"], "#EXT-X-ENDLIST");
    // Made by `gzip`, from the text.
    let zipped = gzip(text.as_bytes());
    let more = "Content-Encoding: gzip\r\nSet-Cookie: ticket=42; Path=/\r\nContent-Type: text/html\r\n";
    server.on("/deep/a/index.m3u8", [Answer::With(200, more.into(), zipped)]);
    server.on("/deep/0.ts", [Answer::Body(segment(900_000))]);
    let mut url = server.url("/live");
    url.set_username("us%20er").unwrap();
    url.set_password(Some("p:w")).unwrap();
    let (client, recorder) = start(&url, &wishes(), Shown::default());
    assert_eq!(outcome(&client), Outcome::Ended);
    assert_eq!(data(&recorder.events.lock(), Track::Picture), segment(900_000));
    let script = server.script.lock();
    let asked = script.asked.last().unwrap();
    assert_eq!(asked.target, "/deep/0.ts");
    assert_eq!(asked.headers.get("cookie").map(String::as_str), Some("ticket=42"));
    // "us er:p:w", in every request to this server.
    assert!(
        script.asked.iter().all(|asked| asked.headers.get("authorization").is_some_and(|v| v == "Basic dXMgZXI6cDp3"))
    );
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut child = std::process::Command::new("gzip")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    child.wait_with_output().unwrap().stdout
}

#[test]
fn a_password_is_for_its_own_server_alone() {
    let (mine, other) = (Server::start(), Server::start());
    let foreign = other.url("/0.ts");
    mine.text("/live.m3u8", &list(&[foreign.as_str()], "#EXT-X-ENDLIST"));
    other.on("/0.ts", [Answer::Body(segment(900_000))]);
    let mut url = mine.url("/live.m3u8");
    url.set_username("u").unwrap();
    let (client, _) = start(&url, &wishes(), Shown::default());
    assert_eq!(outcome(&client), Outcome::Ended);
    assert!(mine.script.lock().asked[0].headers.contains_key("authorization"));
    assert!(!other.script.lock().asked[0].headers.contains_key("authorization"));
}

#[test]
fn what_is_fetched_has_a_size_a_time_and_an_end() {
    let server = Server::start();
    let url = server.url("/x?token=secret");
    let fetcher = Arc::new(Fetcher::new(&url, &Reach::of_ones_own()));
    let get = |limit: usize, range: Option<(u64, u64)>, time: Duration| {
        let request = Request { url: &url, range, limit, time, silence: time };
        fetcher.get(&request).map(|fetched| fetched.bytes.to_vec()).map_err(|error| error.problem)
    };
    let long = Duration::from_secs(10);
    server.on("/x", [Answer::Body(vec![5; 1000])]);
    assert_eq!(get(1000, None, long).unwrap().len(), 1000);
    assert_eq!(get(999, None, long), Err(FetchProblem::TooLarge { limit: 999 }));
    assert_eq!(get(99, Some((0, 100)), long), Err(FetchProblem::TooLarge { limit: 99 }));
    assert_eq!(get(1000, Some((990, 10)), long).unwrap().len(), 10);
    assert_eq!(get(1000, Some((990, 20)), long), Err(FetchProblem::Truncated));
    // A server that knows no ranges.
    server.on("/x", [Answer::With(200, String::new(), (0..100).collect())]);
    assert_eq!(get(10, Some((40, 3)), long).unwrap(), [40, 41, 42]);
    server.on("/x", [Answer::With(206, "Content-Range: bytes 7-9/100\r\n".into(), vec![1; 3])]);
    assert_eq!(get(10, Some((40, 3)), long), Err(FetchProblem::Range));
    server.on("/x", [Answer::Cut(vec![5; 10], 10)]);
    assert_eq!(get(1000, None, long), Err(FetchProblem::Truncated));
    server.on("/x", [Answer::With(302, "Location: /x\r\n".into(), Vec::new())]);
    assert_eq!(get(1000, None, long), Err(FetchProblem::Redirects));
    server.on("/x", [Answer::Stall(vec![5; 10])]);
    assert_eq!(get(1000, None, Duration::from_millis(200)), Err(FetchProblem::Time));
    // A stop ends what waits, long before its time.
    let waiting = Arc::clone(&fetcher);
    let stalled = url.clone();
    let asked = server.targets().len();
    let waiter = std::thread::spawn(move || {
        let minutes = Duration::from_secs(600);
        let request = Request { url: &stalled, range: None, limit: 1000, time: minutes, silence: minutes };
        waiting.get(&request).map(|_| ()).map_err(|error| (error.problem.clone(), error.to_string()))
    });
    while server.targets().len() == asked {
        std::thread::yield_now();
    }
    fetcher.stop();
    let (problem, text) = waiter.join().unwrap().unwrap_err();
    assert_eq!(problem, FetchProblem::Stopped);
    assert!(!text.contains("secret"), "{text}");
    assert_eq!(get(1000, None, long), Err(FetchProblem::Stopped));
}

#[test]
fn other_things_than_playlists_are_left_to_others_and_too_large_ones_refused() {
    let server = Server::start();
    server.on("/film.mp4", [Answer::Body(vec![0; 5000])]);
    let large = list(&["0.ts"], &"#\n".repeat(600_000));
    server.text("/large.m3u8", &large);
    let is_playlist = |path: &str| {
        let url = server.url(path);
        open(&Arc::new(Fetcher::new(&url, &Reach::of_ones_own())), &url)
            .map(|found| matches!(found, Found::Playlist(_)))
            .map_err(|e| e.to_string())
    };
    assert_eq!(is_playlist("/film.mp4"), Ok(false));
    assert!(is_playlist("/large.m3u8").unwrap_err().contains("larger than 1048576 bytes"));
    assert!(is_playlist("/missing").unwrap_err().contains("404"));
}

/// What FFmpeg writes: the same as what a demuxer reads of it.
#[test]
fn fragments_tell_where_they_begin_and_how_long_they_last() {
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("ffmpeg")
        .args(
            "-v error -f lavfi -i testsrc=s=64x36:r=25:d=4 -f lavfi -i sine=d=4 -c:v libx264 -preset ultrafast -g 50"
                .split(' '),
        )
        .args(
            "-bf 0 -c:a aac -f hls -hls_time 2 -hls_segment_type fmp4 -hls_list_size 0 -hls_playlist_type vod v.m3u8"
                .split(' '),
        )
        .current_dir(folder.path())
        .status();
    assert!(made.unwrap().success());
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let init = InitInfo::read(&read("init.mp4"));
    let second = stamp(&read("v1.m4s"), Some(&init)).unwrap();
    // The edit lists of FFmpeg 5.1: pictures as they are decoded, sound later by its priming.
    let [picture, sound] = second.zero.unwrap();
    assert_eq!((second.container, second.first), (Container::FragmentedMp4, Some(2 * SECOND + picture)));
    assert_eq!(second.measured, Some(2 * SECOND));
    let starts = |stream: &str| {
        let probe = format!("-v error -select_streams {stream} -show_entries packet=pts_time -of csv=p=0 v.m3u8");
        let told =
            std::process::Command::new("ffprobe").args(probe.split(' ')).current_dir(folder.path()).output().unwrap();
        let text = String::from_utf8(told.stdout).unwrap();
        let first: f64 = text.lines().next().unwrap().trim_end_matches(',').parse().unwrap();
        (first * 1e9) as i64
    };
    // Both tracks are decoded from 0 on: what FFmpeg shows later is the shift.
    assert!((picture - starts("v")).abs() < 1_000_000, "{picture}, {}", starts("v"));
    assert!((sound - starts("a")).abs() < 1_000_000, "{sound}, {}", starts("a"));
}

#[test]
fn cues_are_handed_over_with_the_place_of_their_pictures_and_before_them() {
    let server = Server::start();
    let dated = "#EXT-X-PROGRAM-DATE-TIME:2030-01-01T00:00:00Z\n#EXTINF:2,\n0.ts\n#EXT-X-CUE-OUT\n#EXTINF:2,\n1.ts\n";
    let range = "#EXT-X-DATERANGE:ID=\"ad\",START-DATE=\"2030-01-01T01:00:03.5+01:00\"\n";
    server.text("/vod.m3u8", &format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{range}{dated}#EXT-X-ENDLIST"));
    server.on("/0.ts", [Answer::Body(segment(900_000))]);
    server.on("/1.ts", [Answer::Body(segment(902_000))]);
    let (client, recorder) = start(&server.url("/vod.m3u8"), &wishes(), Shown::default());
    assert_eq!(outcome(&client), Outcome::Ended);
    let events = recorder.events.lock().clone();
    let said: Vec<&Said> =
        events.iter().filter_map(|e| if let Event::Cue(said) = e { Some(said) } else { None }).collect();
    // The second segment's first picture is due at 2 s.
    let [Said::Tag { at, .. }, Said::Range { range, start, end: None }] = said[..] else { panic!("{said:?}") };
    assert_eq!((*at, &*range.id, *start), (2 * SECOND, "ad", Some(2 * SECOND + 3 * SECOND / 2)));
    let place = |wanted: &Event| events.iter().position(|event| event == wanted);
    let last = Event::Data(Track::Picture, segment(902_000).into());
    assert!(place(&Event::Cue(said[1].clone())) < place(&last) && place(&last).is_some());
}
