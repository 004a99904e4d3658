//! Playlists as they are found outside, on real small streams: what a feed shows and plays is read back.
//!
//! Whole presentations run in lockstep with a cranked clock. What only happens to a playlist that lives runs in real time
//! against a server that is scripted by the time since its start.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use quadrille::feed::{self, Feed, FeedSpec, Outcome, Pace};
use quadrille::frame::{Rect, Sound};
use quadrille::timeline::{Clock, FrameNumber, Grid, MediaTime, SimulatedClock, SystemClock};
use url::Url;

use crate::support::barcode::{self, Barcode, Clip, ClipSound};
use crate::support::hls_source::{Files, read_folder, segmented, serve, serve_files};

const LIP_SYNC: Duration = Duration::from_millis(40);
/// Past silence of this many samples (a quarter of a second), a loud one begins a beep.
const SILENCE: u64 = 12_000;
const LOUD: u16 = 2000;

fn clip(number: u8, size: (u32, u32), frames: u32) -> Clip {
    let sound = ClipSound::FlashAndBeep(1000);
    Clip { number, width: size.0, height: size.1, fps: "30", frames, sound }
}

/// What a tick got.
#[derive(Clone, Copy, Debug)]
struct Tick {
    at: MediaTime,
    outcome: Outcome,
    code: Option<Barcode>,
    width: u32,
    /// When a beep began in this tick's sound.
    beep: Option<MediaTime>,
}

/// A feed and the loop that ticks it; a cranked clock makes it run in lockstep.
struct Bench {
    feed: Arc<Feed>,
    clock: Arc<dyn Clock>,
    cranked: Option<Arc<SimulatedClock>>,
    grid: Grid,
    frame: FrameNumber,
    quiet_samples: u64,
}

impl Bench {
    fn new(sources: &[String], real_time: bool) -> Self {
        feed::init().unwrap();
        let grid = Grid::new("30".parse().unwrap(), 60);
        let cranked = (!real_time).then(|| Arc::new(SimulatedClock::new(MediaTime::from_secs(91_000_000))));
        let clock: Arc<dyn Clock> = match &cranked {
            Some(clock) => Arc::clone(clock) as Arc<dyn Clock>,
            None => Arc::new(SystemClock::new()),
        };
        let sources = sources.iter().map(|source| Url::parse(source).unwrap()).collect();
        let spec = FeedSpec { key: "hls".into(), title: "Ants at Bees".into(), sources };
        let pace = if real_time { Pace::Realtime } else { Pace::Lockstep };
        let feed = Feed::start(spec, grid, Arc::clone(&clock), pace);
        let frame = grid.frame_at(clock.now()) + 1;
        Self { feed, clock, cranked, grid, frame, quiet_samples: 0 }
    }

    fn lockstep(source: &str) -> Self {
        Self::new(&[source.to_owned()], false)
    }

    fn live(source: &str) -> Self {
        Self::new(&[source.to_owned()], true)
    }

    fn tick(&mut self) -> Tick {
        let at = self.grid.frame_time(self.frame);
        match &self.cranked {
            Some(clock) => clock.advance_to(at),
            None => {
                self.clock.wait_until(at, Duration::from_secs(1));
            }
        }
        let pick = self.feed.picture_at(self.frame);
        let samples = self.grid.sample_at_frame(self.frame)..self.grid.sample_at_frame(self.frame + 1);
        let sound = self.feed.sound_at(samples);
        self.frame += 1;
        let picture = &pick.picture;
        let whole = Rect { x: 0, y: 0, width: picture.width, height: picture.height };
        let live = pick.outcome != Outcome::Slate;
        let code = live.then(|| barcode::read(picture.plane(0), picture.strides[0], whole)).flatten();
        Tick { at, outcome: pick.outcome, code, width: picture.width, beep: self.beep_in(&sound) }
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

    fn ticks(&mut self, seconds: u64) -> Vec<Tick> {
        (0..seconds * 30).map(|_| self.tick()).collect()
    }

    /// Ticks until a picture is shown; in lockstep with real time between, which fetching takes.
    fn until(&mut self, what: &str, patience: Duration, wanted: impl Fn(&Tick) -> bool) -> Vec<Tick> {
        let begun = Instant::now();
        let mut ticks = Vec::new();
        while begun.elapsed() < patience {
            ticks.push(self.tick());
            if ticks.last().is_some_and(&wanted) {
                return ticks;
            }
            if self.cranked.is_some() {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        panic!("{what}: not within {patience:?}; {:?}, last {:?}", self.feed.health(), ticks.last());
    }

    fn until_live(&mut self) -> Tick {
        let shown = |tick: &Tick| tick.outcome == Outcome::OnTime;
        *self.until("live", Duration::from_secs(30), shown).last().unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.feed.stop();
    }
}

/// Every flash but the first and the last has its beep.
fn assert_lip_sync(ticks: &[Tick], at_least: usize) {
    let flash = |tick: &Tick| tick.code.is_some_and(|code| code.flash);
    let flashes: Vec<_> = ticks.windows(2).filter(|w| !flash(&w[0]) && flash(&w[1])).map(|w| w[1].at).collect();
    let beeps: Vec<_> = ticks.iter().filter_map(|tick| tick.beep).collect();
    assert!(flashes.len() >= at_least, "{flashes:?}");
    let apart = |flash: &MediaTime| beeps.iter().map(|beep| flash.since(*beep).max(beep.since(*flash))).min();
    let inner = &flashes[1..flashes.len() - 1];
    let mut all: Vec<_> = inner.iter().map(|flash| apart(flash).unwrap_or(Duration::MAX)).collect();
    all.sort();
    // A busy machine may be late with one picture of a long run.
    let worst = all[all.len() - 1 - usize::from(all.len() > 10)];
    println!("sound and picture are at most {worst:?} apart");
    assert!(worst <= LIP_SYNC, "{worst:?}: flashes {flashes:?}, beeps {beeps:?}");
}

/// The longest stretch without a fresh picture, in ticks.
fn longest_still(ticks: &[Tick]) -> usize {
    let (mut longest, mut still) = (0, 0);
    for tick in ticks {
        still = if tick.outcome == Outcome::OnTime { 0 } else { still + 1 };
        longest = longest.max(still);
    }
    longest
}

/// The numbers of one clip's pictures, in the order they were shown.
fn numbers(ticks: &[Tick], clip: u8) -> Vec<u32> {
    let fresh = ticks.iter().filter(|tick| tick.outcome == Outcome::OnTime);
    fresh.filter_map(|tick| tick.code).filter(|code| code.clip == clip).map(|code| code.frame).collect()
}

fn assert_no_slate(ticks: &[Tick], bench: &Bench) {
    let slates = ticks.iter().filter(|tick| tick.outcome == Outcome::Slate).count();
    assert_eq!(slates, 0, "of {}: {:?}", ticks.len(), bench.feed.health());
}

/// A window of `length` one-second segments of a playlist that lives, `ahead` of them there at its start.
fn window(now: Duration, ahead: u64, length: u64, last: u64, name: impl Fn(u64) -> String) -> String {
    let end = (ahead + now.as_secs()).min(last);
    let first = end.saturating_sub(length);
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:{first}\n");
    (first..end).for_each(|n| text.push_str(&format!("#EXTINF:1.0,\n{}\n", name(n))));
    text
}

#[test]
fn advertisements_of_other_size_pids_and_codec_parameters_come_and_go_without_a_slate() {
    let game = segmented(&clip(1, (320, 180), 240), "game/", &["-bf", "2"]);
    let pids = ["-mpegts_start_pid", "0x300", "-profile:v", "baseline", "-ar", "44100", "-ac", "1"];
    let advertisement = segmented(&clip(2, (256, 144), 120), "ad/", &pids);
    let mut list = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n".to_owned();
    // Two seconds of the game, one of an advertisement: the game's clock runs on, the advertisement's is its own.
    for n in 0..4 {
        let (a, b) = (2 * n, 2 * n + 1);
        list.push_str(&format!("#EXTINF:1.0,\ngame/{a}.ts\n#EXTINF:1.0,\ngame/{b}.ts\n#EXT-X-DISCONTINUITY\n"));
        list.push_str(&format!("#EXTINF:1.0,\nad/{n}.ts\n#EXT-X-DISCONTINUITY\n"));
    }
    list.push_str("#EXT-X-ENDLIST\n");
    let mut files = game;
    files.extend(advertisement);
    files.insert("list.m3u8".into(), list.into_bytes());
    let mut bench = Bench::lockstep(&format!("{}/list.m3u8", serve_files(files)));
    bench.until_live();
    let ticks = bench.ticks(11);
    assert_no_slate(&ticks, &bench);
    assert!(longest_still(&ticks) < 15, "{} ticks without a fresh picture", longest_still(&ticks));
    let (game, advertisement) = (numbers(&ticks, 1), numbers(&ticks, 2));
    assert!(game.is_sorted() && advertisement.is_sorted(), "{game:?} {advertisement:?}");
    assert!(game.len() >= 200 && advertisement.len() >= 90, "{} and {}", game.len(), advertisement.len());
    let mut widths: Vec<_> = ticks.iter().map(|tick| tick.width).collect();
    widths.dedup();
    assert!(widths.len() >= 7, "{widths:?}");
    assert_eq!(bench.feed.health().reconnects, 0);
    assert_lip_sync(&ticks, 9);
}

/// The sound of a clip in ADTS frames, packed: a segment a second, its time in front (RFC 8216, 3.4). FFmpeg makes none.
fn packed_sound(source: &Path) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.aac");
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(source)
        .args(["-vn", "-c:a", "aac", "-f", "adts"])
        .arg(&path)
        .status();
    assert!(made.unwrap().success());
    let bytes = std::fs::read(path).unwrap();
    let (mut files, mut list) = (Files::new(), "#EXTM3U\n#EXT-X-TARGETDURATION:2\n".to_owned());
    let (mut at, mut frame) = (0, 0u64);
    while at < bytes.len() {
        let name = format!("s{}.aac", files.len());
        // FFmpeg's muxer begins transport streams of pictures at 1.4 s; the encoder's first frame is its priming.
        let ticks = 126_000 + frame * 1920 - 1920;
        let owner = b"com.apple.streaming.transportStreamTimestamp\0";
        let payload = [owner.as_slice(), &ticks.to_be_bytes()].concat();
        let tag = [b"PRIV".as_slice(), &(payload.len() as u32).to_be_bytes(), &[0, 0], &payload].concat();
        let mut segment = [b"ID3\x04\0\0\0\0\0".as_slice(), &[tag.len() as u8], &tag].concat();
        let begun = frame;
        while at < bytes.len() && frame < begun + 47 {
            let head = &bytes[at..at + 7];
            let length = usize::from(head[3] & 3) << 11 | usize::from(head[4]) << 3 | usize::from(head[5] >> 5);
            segment.extend_from_slice(&bytes[at..at + length]);
            at += length;
            frame += 1;
        }
        list.push_str(&format!("#EXTINF:{:.3},\n{name}\n", (frame - begun) as f64 * 1024.0 / 48_000.0));
        files.insert(name, segment);
    }
    files.insert("sound.m3u8".into(), (list + "#EXT-X-ENDLIST\n").into_bytes());
    files
}

/// The sound of a clip as FFmpeg segments it.
fn segmented_sound(source: &Path, output: &[&str]) -> Files {
    let folder = tempfile::tempdir().unwrap();
    let made = std::process::Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(source)
        .args(["-vn", "-c:a", "aac", "-f", "hls", "-hls_time", "1", "-hls_list_size", "0", "-hls_playlist_type", "vod"])
        .args(output)
        .arg("sound.m3u8")
        .current_dir(folder.path())
        .status();
    assert!(made.unwrap().success());
    read_folder(folder.path(), "")
}

fn sound_keeps_step(kind: &str, sound: impl Fn(&Path) -> Files, output: &[&str]) {
    let whole = clip(1, (320, 180), 240);
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("clip.mp4");
    whole.write(&source);
    let mut files = segmented(&whole, "", &[&["-an"], output].concat());
    files.extend(sound(&source));
    let master = "#EXTM3U\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"x\",DEFAULT=YES,URI=\"sound.m3u8\"\n\
         #EXT-X-STREAM-INF:BANDWIDTH=900000,RESOLUTION=320x180,AUDIO=\"a\"\nlist.m3u8\n";
    files.insert("master.m3u8".into(), master.into());
    let mut bench = Bench::lockstep(&format!("{}/master.m3u8", serve_files(files)));
    bench.until_live();
    let ticks = bench.ticks(7);
    assert_no_slate(&ticks, &bench);
    println!("{kind}");
    assert_lip_sync(&ticks, 5);
    assert_eq!(bench.feed.health().reconnects, 0, "{kind}");
}

#[test]
fn sound_of_its_own_transport_streams_keeps_step() {
    sound_keeps_step("transport stream", |source| segmented_sound(source, &["-hls_segment_filename", "s%d.ts"]), &[]);
}

#[test]
fn sound_of_its_own_fragments_keeps_step() {
    let fragments =
        ["-hls_segment_type", "fmp4", "-hls_fmp4_init_filename", "sinit.mp4", "-hls_segment_filename", "s%d.m4s"];
    sound_keeps_step("fragments", |source| segmented_sound(source, &fragments), &["-hls_segment_type", "fmp4"]);
}

#[test]
fn packed_sound_of_its_own_keeps_step() {
    sound_keeps_step("packed", packed_sound, &[]);
}

#[test]
fn fragments_and_encrypted_segments_play_in_step() {
    let whole = clip(1, (320, 180), 180);
    let fragments = segmented(&whole, "", &["-bf", "2", "-hls_segment_type", "fmp4"]);
    let folder = tempfile::tempdir().unwrap();
    let (key, info) = (folder.path().join("key"), folder.path().join("info"));
    std::fs::write(&key, [7; 16]).unwrap();
    std::fs::write(&info, format!("key\n{}\n", key.display())).unwrap();
    let mut encrypted = segmented(&whole, "", &["-hls_key_info_file", info.to_str().unwrap()]);
    encrypted.insert("key".into(), vec![7; 16]);
    assert!(String::from_utf8_lossy(&encrypted["list.m3u8"]).contains("METHOD=AES-128"));
    for (kind, files) in [("fragments", fragments), ("encrypted", encrypted)] {
        let mut bench = Bench::lockstep(&format!("{}/list.m3u8", serve_files(files)));
        bench.until_live();
        let ticks = bench.ticks(5);
        assert_no_slate(&ticks, &bench);
        let shown = numbers(&ticks, 1);
        assert!(shown.windows(2).all(|w| w[1] == w[0] + 1), "{kind}: {shown:?}");
        println!("{kind}");
        assert_lip_sync(&ticks, 4);
    }
}

#[test]
fn a_loop_is_seamless_and_without_it_a_presentation_is_shown_once_then_the_next_source() {
    let mut files = segmented(&clip(1, (320, 180), 90), "one/", &[]);
    files.extend(segmented(&clip(2, (320, 180), 600), "two/", &[]));
    let address = serve_files(files);
    let mut bench = Bench::lockstep(&format!("{address}/one/list.m3u8?loop=1"));
    let first = bench.until_live();
    let ticks = bench.ticks(10);
    assert_no_slate(&ticks, &bench);
    let shown = numbers(&ticks, 1);
    let begun = first.code.unwrap().frame;
    let expected: Vec<_> = (1..=shown.len() as u32).map(|n| (begun + n) % 90).collect();
    assert_eq!(shown, expected);
    assert_eq!(shown.len(), 300);
    drop(bench);
    let mut bench = Bench::new(&[format!("{address}/one/list.m3u8"), format!("{address}/two/list.m3u8")], false);
    bench.until_live();
    let ticks = bench.until("the next source", Duration::from_secs(60), |t| t.code.is_some_and(|code| code.clip == 2));
    assert!(numbers(&ticks, 1).is_sorted(), "shown once");
    // The second source is long: nothing of the first comes again.
    let ticks = bench.ticks(5);
    assert!(numbers(&ticks, 1).is_empty(), "{:?}", numbers(&ticks, 1));
}

#[test]
fn a_file_over_http_is_shown_once_and_again_only_where_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    clip(1, (320, 180), 90).write(&folder.path().join("film.ts"));
    let address = serve_files(read_folder(folder.path(), ""));
    let mut bench = Bench::lockstep(&format!("{address}/film.ts"));
    bench.until_live();
    bench.until("its end", Duration::from_secs(30), |tick| tick.outcome == Outcome::Slate);
    // It is asked for again, less and less often, and found to be what was shown.
    let begun = Instant::now();
    while bench.feed.health().reconnects < 4 {
        assert_eq!(bench.tick().outcome, Outcome::Slate);
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", bench.feed.health());
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(bench.feed.health().reason, Some(feed::Reason::Ended));
    drop(bench);
    let mut bench = Bench::lockstep(&format!("{address}/film.ts?loop=1"));
    bench.until_live();
    assert_no_slate(&bench.ticks(10), &bench);
}

#[test]
fn a_master_playlist_with_three_variants_stays_live_without_a_hole() {
    let mut files = Files::new();
    for (name, size, number) in [("a", (192, 108), 1), ("b", (320, 180), 2), ("c", (256, 144), 3)] {
        files.extend(segmented(&clip(number, size, 900), &format!("{name}/"), &["-crf", "30"]));
    }
    let variant = |name: &str, size: &str, bits: u32| {
        format!("#EXT-X-STREAM-INF:BANDWIDTH={bits},RESOLUTION={size}\n{name}/live.m3u8\n")
    };
    let master = [
        "#EXTM3U\n".into(),
        variant("a", "192x108", 300_000),
        variant("b", "320x180", 900_000),
        variant("c", "256x144", 600_000),
    ];
    files.insert("master.m3u8".into(), master.concat().into_bytes());
    let address = serve(move |path, now| match path.strip_suffix("live.m3u8") {
        Some(_) => Some(window(now, 6, 6, 30, |n| format!("{n}.ts")).into_bytes()),
        None => files.get(path).cloned(),
    });
    let mut bench = Bench::live(&format!("{address}/master.m3u8"));
    bench.until_live();
    let ticks = bench.ticks(18);
    assert_no_slate(&ticks, &bench);
    assert!(longest_still(&ticks) < 15, "{} ticks", longest_still(&ticks));
    // One variant, the best, all the time.
    assert!(ticks.iter().all(|tick| tick.code.is_none_or(|code| code.clip == 2)));
    let shown = numbers(&ticks, 2);
    assert!(shown.is_sorted() && shown.last().unwrap() - shown[0] >= 530, "{shown:?}");
    assert_lip_sync(&ticks, 16);
    assert_eq!(bench.feed.health().reconnects, 0);
}

#[test]
fn segments_that_are_missing_for_twelve_seconds_are_shown_as_soon_as_they_come() {
    let files = segmented(&clip(1, (192, 108), 1200), "", &["-crf", "30"]);
    let begun = Instant::now();
    let address = serve(move |path, now| match path {
        "live.m3u8" => Some(window(now, 6, 6, 40, |n| format!("{n}.ts")).into_bytes()),
        _ if now < Duration::from_secs(12) => None,
        path => files.get(path).cloned(),
    });
    let mut bench = Bench::live(&format!("{address}/live.m3u8"));
    bench.until_live();
    assert!(begun.elapsed() < Duration::from_secs(18), "{:?}", begun.elapsed());
    let ticks = bench.ticks(6);
    assert_no_slate(&ticks, &bench);
    assert!(longest_still(&ticks) < 15, "{} ticks", longest_still(&ticks));
}

#[test]
fn a_game_that_ends_is_played_to_its_end_and_never_again() {
    let files = segmented(&clip(1, (192, 108), 360), "", &["-crf", "30"]);
    let address = serve(move |path, now| match path {
        "live.m3u8" => {
            let end = if now.as_secs() >= 6 { "#EXT-X-ENDLIST\n" } else { "" };
            Some((window(now, 6, 10, 12, |n| format!("{n}.ts")) + end).into_bytes())
        }
        path => files.get(path).cloned(),
    });
    let mut bench = Bench::live(&format!("{address}/live.m3u8"));
    bench.until_live();
    let ticks = bench.until("a slate", Duration::from_secs(25), |tick| tick.outcome == Outcome::Slate);
    let last = *numbers(&ticks, 1).last().unwrap();
    assert!(last >= 355, "the last picture shown is {last} of 360");
    // Tried again, several times by now: ended is ended.
    let ticks = bench.ticks(6);
    assert!(ticks.iter().all(|tick| tick.outcome == Outcome::Slate), "{:?}", numbers(&ticks, 1));
    let health = bench.feed.health();
    assert!(health.reconnects >= 2, "{health:?}");
    assert_eq!(health.last_error.as_deref(), Some("the source ended"));
}

#[test]
fn an_encoder_that_begins_anew_is_followed() {
    let mut files = segmented(&clip(1, (192, 108), 600), "first/", &["-crf", "30"]);
    files.extend(segmented(&clip(2, (256, 144), 600), "second/", &["-crf", "30"]));
    let address = serve(move |path, now| match path {
        "live.m3u8" if now < Duration::from_secs(7) => {
            Some(window(now, 6, 6, 20, |n| format!("first/{n}.ts")).into_bytes())
        }
        // Numbers and timestamps from 0, no tag that says so.
        "live.m3u8" => Some(window(now - Duration::from_secs(7), 1, 6, 20, |n| format!("second/{n}.ts")).into_bytes()),
        path => files.get(path).cloned(),
    });
    let mut bench = Bench::live(&format!("{address}/live.m3u8"));
    bench.until_live();
    let ticks = bench.until("the second", Duration::from_secs(20), |t| t.code.is_some_and(|code| code.clip == 2));
    assert!(numbers(&ticks, 1).is_sorted());
    let ticks = bench.ticks(5);
    assert!(numbers(&ticks, 1).is_empty(), "{:?}", numbers(&ticks, 1));
    assert!(numbers(&ticks, 2).len() >= 120, "{:?}", bench.feed.health());
    assert_eq!(bench.feed.health().reconnects, 0);
}
