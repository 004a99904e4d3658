//! A server and a clock by script: answers depend on the time alone, and edits plant faults in them.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use url::Url;

use super::super::{Answer, Clock, Fetch, FetchError, LintOptions, Linter, Report, Request, SegmentChoice};
use super::bytes;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Base {
    /// On demand: two rates, sound, subtitles, I-frames; fMP4 and WebVTT.
    Vod,
    /// On demand: one playlist of MPEG-TS.
    Ts,
    /// On demand: one playlist of packed audio.
    Aac,
    /// Low latency: pictures and sound.
    Live,
}

#[derive(Clone)]
pub enum Change {
    Replace(String, String),
    Bytes(fn(Vec<u8>) -> Vec<u8>),
    Status(u16),
    Header(&'static str, Option<&'static str>),
    Error(FetchError),
    TooLarge,
    /// A live playlist stays as it was at the edit's time.
    Frozen,
}

#[derive(Clone)]
pub struct Edit {
    pub path: &'static str,
    /// Seconds of the script from when on it holds.
    pub from_s: f64,
    pub change: Change,
}

pub fn rep(path: &'static str, from: &str, to: &str) -> Edit {
    Edit { path, from_s: 0.0, change: Change::Replace(from.to_owned(), to.to_owned()) }
}

pub fn body(path: &'static str, change: fn(Vec<u8>) -> Vec<u8>) -> Edit {
    Edit { path, from_s: 0.0, change: Change::Bytes(change) }
}

pub fn with(path: &'static str, change: Change) -> Edit {
    Edit { path, from_s: 0.0, change }
}

/// The same from a time on: the live script begins at 100 s.
pub fn from(from_s: f64, edit: Edit) -> Edit {
    Edit { from_s, ..edit }
}

#[derive(Clone)]
pub struct Time(Rc<Cell<Duration>>);

impl Clock for Time {
    fn now(&self) -> Duration {
        self.0.get()
    }

    fn sleep(&self, time: Duration) {
        self.0.set(self.0.get() + time);
    }
}

pub struct World {
    pub base: Base,
    pub edits: Vec<Edit>,
    pub used: RefCell<BTreeSet<usize>>,
    pub time: Time,
    pub asked: Vec<String>,
}

pub const START_S: f64 = 100.0;
const PART_S: f64 = 0.5;
/// 2026-11-27T00:00:00Z
const EPOCH_S: f64 = 1_795_737_600.0;

impl World {
    pub fn new(base: Base, edits: Vec<Edit>) -> Self {
        let time = Time(Rc::new(Cell::new(Duration::from_secs_f64(START_S + 0.1))));
        Self { base, edits, used: RefCell::default(), time, asked: Vec::new() }
    }

    pub fn root(&self) -> Url {
        let name = match self.base {
            Base::Ts | Base::Aac => "v1.m3u8",
            Base::Vod | Base::Live => "multi.m3u8",
        };
        Url::parse(&format!("http://tv.test/game/{name}?token=t")).unwrap()
    }

    pub fn lint(&mut self, options: &LintOptions) -> Result<Report, String> {
        let (root, time) = (self.root(), self.time.clone());
        Linter::new(root, self, &time, options).run()
    }

    pub fn report(&mut self) -> Report {
        let options = LintOptions {
            segments: SegmentChoice::All,
            watch: Some(Duration::from_secs(14)),
            ..LintOptions::default()
        };
        self.lint(&options).unwrap()
    }

    fn clean(&self, name: &str, query: &str) -> Option<(&'static str, Vec<u8>)> {
        let mpegurl = |text: String| Some(("application/vnd.apple.mpegurl", text.into_bytes()));
        let number = || name.split(['-', '.']).nth(1).and_then(|n| n.parse::<u64>().ok()).filter(|n| *n < 1_000_000);
        let live = self.base == Base::Live;
        match name {
            "multi.m3u8" => mpegurl(multivariant(live)),
            "v1.m3u8" | "v2.m3u8" | "a.m3u8" | "s.m3u8" if !live => mpegurl(self.vod(name)),
            "i.m3u8" if !live => mpegurl(IFRAMES.to_owned()),
            "t.m3u8" if !live => mpegurl(IMAGES.to_owned()),
            _ if name.ends_with(".jpg") => Some(("image/jpeg", JPEG.to_vec())),
            "v1.m3u8" | "a.m3u8" => self.live(name, query).and_then(mpegurl),
            "vi.mp4" => Some(("video/mp4", bytes::init(true, (640, 360), 1))),
            "ai.mp4" => Some(("audio/mp4", bytes::init(false, (0, 0), 1))),
            "key" => Some(("application/octet-stream", vec![7; 16])),
            _ if name.ends_with(".vtt") => Some(("text/vtt", bytes::vtt())),
            _ if name.ends_with(".ts") => Some(("video/mp2t", bytes::ts(number()? * 4, 0x65))),
            // 31 frames of 1024 samples at 8 kHz.
            _ if name.ends_with(".aac") => Some(("audio/aac", bytes::packed(number()? * 31 * 11_520))),
            _ if name.ends_with(".mp4") => {
                let lasts_ms = if live { 2000 } else { 4000 };
                let kind = if name.starts_with('a') { "audio/mp4" } else { "video/mp4" };
                Some((kind, bytes::segment(number()? * u64::from(lasts_ms), lasts_ms, 0, 10_000)))
            }
            _ => None,
        }
    }

    pub fn vod(&self, name: &str) -> String {
        let (map, extension, lasts) = match (self.base, name) {
            (Base::Ts, _) => ("", "ts", "4.0"),
            (Base::Aac, _) => ("", "aac", "3.968"),
            (_, "s.m3u8") => ("", "vtt", "4.0"),
            (_, "a.m3u8") => ("#EXT-X-MAP:URI=\"ai.mp4\"\n", "mp4", "4.0"),
            _ => ("#EXT-X-MAP:URI=\"vi.mp4\"\n", "mp4", "4.0"),
        };
        let track = name.trim_end_matches(".m3u8");
        let independent = if self.base == Base::Ts { "#EXT-X-INDEPENDENT-SEGMENTS\n" } else { "" };
        let mut made = format!("#EXTM3U\n#EXT-X-VERSION:7\n{independent}#EXT-X-TARGETDURATION:4\n");
        let _ = write!(made, "#EXT-X-PLAYLIST-TYPE:VOD\n{map}#EXT-X-PROGRAM-DATE-TIME:2026-11-27T00:00:00.000Z\n");
        for n in 0..4 {
            let _ = write!(made, "#EXTINF:{lasts},\n{track}-{n}.{extension}\n");
        }
        made + "#EXT-X-ENDLIST\n"
    }

    /// What is there at this time. `None`: status 400.
    fn live(&self, name: &str, query: &str) -> Option<String> {
        let directive =
            |key: &str| query.split('&').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')).map(str::to_owned);
        if let Some(msn) = directive("_HLS_msn").and_then(|n| n.parse::<u64>().ok()) {
            let part = directive("_HLS_part").and_then(|n| n.parse::<u64>().ok());
            let wanted_s = (msn * 4 + part.map_or(4, |part| part + 1)) as f64 * PART_S;
            if wanted_s > self.time.now().as_secs_f64() + 6.0 {
                return None;
            }
            let now = self.time.now().max(Duration::from_secs_f64(wanted_s));
            self.time.0.set(now);
        }
        let now_s = self.time.now().as_secs_f64();
        let frozen = self.edits.iter().find(|edit| edit.path == name && matches!(edit.change, Change::Frozen));
        let now_s = frozen.map_or(now_s, |edit| now_s.min(edit.from_s));
        let parts = (now_s / PART_S) as u64;
        let (whole, growing) = (parts / 4, parts % 4);
        let (track, other) = if name == "a.m3u8" { ("a", "v1") } else { ("v", "a") };
        let first = whole - 8;
        let skips = directive("_HLS_skip").is_some();
        let mut made = format!("#EXTM3U\n#EXT-X-VERSION:{}\n#EXT-X-TARGETDURATION:2\n", if skips { 9 } else { 6 });
        let _ = write!(made, "#EXT-X-MEDIA-SEQUENCE:{first}\n#EXT-X-PART-INF:PART-TARGET=0.5\n");
        made += "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,HOLD-BACK=6.0,PART-HOLD-BACK=1.5\n";
        if skips {
            made += "#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n";
        } else {
            let _ = writeln!(made, "#EXT-X-MAP:URI=\"{track}i.mp4\"");
        }
        for n in first + if skips { 2 } else { 0 }..=whole {
            let us = ((EPOCH_S + n as f64 * 2.0) * 1e6) as i64;
            let date = jiff::Timestamp::from_microsecond(us).unwrap();
            let _ = writeln!(made, "#EXT-X-PROGRAM-DATE-TIME:{date:.3}");
            let listed = if n == whole { growing } else { 4 };
            for part in (0..listed).filter(|_| n + 2 >= whole) {
                let first = if part == 0 { ",INDEPENDENT=YES" } else { "" };
                let _ = writeln!(made, "#EXT-X-PART:DURATION=0.5,URI=\"{track}-{n}.{part}.mp4\"{first}");
            }
            if n < whole {
                let _ = write!(made, "#EXTINF:2.0,\n{track}-{n}.mp4\n");
            }
        }
        let _ = writeln!(made, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{track}-{whole}.{growing}.mp4\"");
        let (msn, part) = if growing == 0 { (whole - 1, 3) } else { (whole, growing - 1) };
        let _ = writeln!(made, "#EXT-X-RENDITION-REPORT:URI=\"{other}.m3u8\",LAST-MSN={msn},LAST-PART={part}");
        Some(made)
    }

    fn edited(&self, name: &str, answer: &mut Answer) -> Result<(), FetchError> {
        for (index, edit) in self.edits.iter().enumerate() {
            if edit.path != name || self.time.now().as_secs_f64() < edit.from_s {
                continue;
            }
            match &edit.change {
                Change::Replace(from, to) => {
                    let Ok(text) = std::str::from_utf8(&answer.body) else { continue };
                    if !text.contains(from.as_str()) {
                        continue;
                    }
                    answer.body = text.replacen(from.as_str(), to, 1).into_bytes().into();
                }
                Change::Bytes(change) => answer.body = change(answer.body.to_vec()).into(),
                Change::Status(status) => answer.status = *status,
                Change::Header(name, value) => {
                    answer.headers.retain(|(known, _)| known != name);
                    answer.headers.extend(value.map(|value| ((*name).to_owned(), value.to_owned())));
                }
                Change::Error(error) => {
                    self.used.borrow_mut().insert(index);
                    return Err(error.clone());
                }
                Change::Frozen => {}
                Change::TooLarge => answer.too_large = true,
            }
            self.used.borrow_mut().insert(index);
        }
        Ok(())
    }
}

impl Fetch for World {
    fn fetch(&mut self, request: &Request) -> Result<Answer, FetchError> {
        self.asked.push(request.url.to_string());
        // A request takes a moment, so that no two happen at once.
        self.time.sleep(Duration::from_millis(1));
        let name = request.url.path().rsplit('/').next().unwrap_or("").to_owned();
        let found = self.clean(&name, request.url.query().unwrap_or(""));
        let is_live = self.base == Base::Live && name.ends_with(".m3u8");
        let status = if found.is_some() { 200 } else { if is_live { 400 } else { 404 } };
        let (kind, body) = found.unwrap_or(("text/plain", Vec::new()));
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut answer = Answer {
            url: request.url.clone(),
            status,
            headers: vec![header("content-type", kind), header("access-control-allow-origin", "*")],
            body: body.into(),
            truncated: false,
            too_large: false,
        };
        if let Some((offset, length)) = request.range {
            let end = ((offset + length) as usize).min(answer.body.len());
            answer.body = answer.body.slice((offset as usize).min(end)..end);
            answer.status = 206;
        }
        self.edited(&name, &mut answer)?;
        Ok(answer)
    }
}

fn multivariant(live: bool) -> String {
    let audio = "TYPE=AUDIO,GROUP-ID=\"snd\",NAME=\"Hawks\",LANGUAGE=\"en\",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"2\",URI=\"a.m3u8\"";
    let stream = "AVERAGE-BANDWIDTH=90000,CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION=640x360,FRAME-RATE=25.000,VIDEO-RANGE=SDR,AUDIO=\"snd\"";
    let mut made = format!("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MEDIA:{audio}\n");
    if live {
        let _ = write!(made, "#EXT-X-STREAM-INF:BANDWIDTH=100000,{stream},CLOSED-CAPTIONS=NONE\nv1.m3u8\n");
        return made;
    }
    made +=
        "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"sub\",NAME=\"English\",LANGUAGE=\"en\",AUTOSELECT=YES,URI=\"s.m3u8\"\n";
    for (name, bps) in [("v1", 100_000), ("v2", 100_001)] {
        let _ = write!(
            made,
            "#EXT-X-STREAM-INF:BANDWIDTH={bps},{stream},SUBTITLES=\"sub\",CLOSED-CAPTIONS=NONE\n{name}.m3u8\n"
        );
    }
    made += "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=50000,CODECS=\"avc1.64001f\",RESOLUTION=640x360,URI=\"i.m3u8\"\n";
    made + "#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=9000,CODECS=\"jpeg\",RESOLUTION=64x36,URI=\"t.m3u8\"\n"
}

const IFRAMES: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-I-FRAMES-ONLY\n\
#EXT-X-MAP:URI=\"vi.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:2026-11-27T00:00:00.000Z\n#EXTINF:4.0,\n#EXT-X-BYTERANGE:500@0\nv1-0.mp4\n\
#EXTINF:4.0,\n#EXT-X-BYTERANGE:500@0\nv1-1.mp4\n#EXT-X-ENDLIST\n";

const IMAGES: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:8\n#EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-IMAGES-ONLY\n\
#EXT-X-PROGRAM-DATE-TIME:2026-11-27T00:00:00.000Z\n\
#EXT-X-TILES:RESOLUTION=64x36,LAYOUT=2x1,DURATION=4.0\n#EXTINF:8.0,\nt-0.jpg\n\
#EXT-X-TILES:RESOLUTION=64x36,LAYOUT=2x1,DURATION=4.0\n#EXTINF:8.0,\nt-1.jpg\n#EXT-X-ENDLIST\n";

/// As much of one of 128x36 as is looked at.
const JPEG: &[u8] = b"\xff\xd8\xff\xc0\0\x0b\x08\0\x24\0\x80\x01\x01\x11\0\xff\xd9";
