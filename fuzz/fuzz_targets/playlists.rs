//! Playlists and the first bytes of segments, as any server may send them, and what is done with them one after the other.
#![no_main]

#[allow(dead_code, unused_imports)]
#[path = "../../src/cadence/mod.rs"]
mod cadence;
#[allow(dead_code, unused_imports)]
#[path = "../../src/captions/mod.rs"]
mod captions;
#[allow(dead_code, unused_imports)]
#[path = "../../src/cues/mod.rs"]
mod cues;
#[allow(dead_code, unused_imports, private_interfaces)]
mod feed;
#[allow(dead_code, unused_imports)]
#[path = "../../src"]
mod rooms {
    pub mod frame;
}
#[allow(dead_code, unused_imports)]
#[path = "../../src/timeline/mod.rs"]
mod timeline;

use std::fmt::Write;
use std::time::Duration;

use arbitrary::Arbitrary;
use feed::playlist::choice::{Limit, VariantWish, choices, sounds_beside};
use feed::playlist::cues::{Known, PlaylistCues, Said};
use feed::playlist::follower::{Begin, Era, Failed, Follower, Job, Shown, Step};
use feed::playlist::master::MasterPlaylist;
use feed::playlist::media::MediaPlaylist;
use feed::playlist::stamp::{InitInfo, Stamp, stamp};
use feed::playlist::stretches::{Stamped, Stretches, Track};
use feed::playlist::text::{Variables, is_playlist};
use libfuzzer_sys::fuzz_target;
#[allow(unused_imports)]
use rooms::frame;
use url::Url;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Text(&'a [u8]),
    Master { lines: Vec<Line<'a>>, wish: &'a str, language: &'a str, limit: (u16, u8) },
    Follow { looped: bool, readings: Vec<(u16, Vec<Line<'a>>)>, media: Vec<Media<'a>>, at: Option<(u8, u32)> },
    Segment(Vec<Part<'a>>, Vec<Part<'a>>),
}

/// A line of a playlist, or several like it.
#[derive(Arbitrary, Debug)]
enum Line<'a> {
    Segments { first: u8, count: u8, ms: u32 },
    Inf(f64),
    Uri(Value<'a>),
    Number(u8, u64),
    Word(u8),
    Date(i64),
    Tag(u8, Vec<(u8, Value<'a>)>),
    Repeated(u8, u8, u8),
    Raw(&'a str),
}

#[derive(Arbitrary, Debug)]
enum Value<'a> {
    Quoted(&'a str),
    Bare(&'a str),
    Variable(u8),
    Word(u8),
    Number(f64),
    Date(i64),
    Size(u16, u16),
}

impl Value<'_> {
    fn text(&self) -> String {
        const WORDS: [&str; 22] = [
            "YES",
            "NO",
            "AUDIO",
            "SUBTITLES",
            "CLOSED-CAPTIONS",
            "AES-128",
            "SAMPLE-AES",
            "NONE",
            "\"identity\"",
            "\"k\"",
            "\"v0\"",
            "\"v1\"",
            "\"a.m3u8\"",
            "\"g\"",
            "\"en\"",
            "\"CC1\"",
            "\"avc1.64001f,mp4a.40.2\"",
            "\"hvc1\"",
            "0xFC30",
            "\"http://h/x\"",
            "\"token\"",
            "\"public.accessibility.describes-video\"",
        ];
        match self {
            Value::Quoted(text) => format!("\"{text}\""),
            Value::Bare(text) => (*text).to_owned(),
            Value::Variable(n) => format!("\"{{$v{}}}{{$v0}}\"", n % 4),
            Value::Word(n) => WORDS[usize::from(n % 22)].to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Date(seconds) => format!("\"{}\"", date(*seconds)),
            Value::Size(width, height) => format!("{width}x{height}"),
        }
    }
}

/// Near today, mostly.
fn date(ms: i64) -> String {
    let ms = if ms % 8 == 0 { ms } else { 1_795_000_000_000 + ms % 100_000_000 };
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| "9999-12-31T23:59:59Z".to_owned(), |date| date.to_string())
}

const TAGS: [&str; 11] = [
    "#EXT-X-STREAM-INF",
    "#EXT-X-MEDIA",
    "#EXT-X-DEFINE",
    "#EXT-X-KEY",
    "#EXT-X-MAP",
    "#EXT-X-DATERANGE",
    "#EXT-X-START",
    "#EXT-X-BYTERANGE",
    "#EXT-X-CUE-OUT",
    "#EXT-X-CUE-OUT-CONT",
    "#EXT-X-CUE-IN",
];
const NAMES: [&str; 33] = [
    "BANDWIDTH",
    "RESOLUTION",
    "FRAME-RATE",
    "CODECS",
    "AUDIO",
    "SUBTITLES",
    "TYPE",
    "GROUP-ID",
    "NAME",
    "LANGUAGE",
    "DEFAULT",
    "AUTOSELECT",
    "FORCED",
    "CHARACTERISTICS",
    "URI",
    "INSTREAM-ID",
    "VALUE",
    "IMPORT",
    "QUERYPARAM",
    "METHOD",
    "KEYFORMAT",
    "IV",
    "BYTERANGE",
    "ID",
    "CLASS",
    "START-DATE",
    "END-DATE",
    "DURATION",
    "PLANNED-DURATION",
    "END-ON-NEXT",
    "SCTE35-OUT",
    "TIME-OFFSET",
    "X-A",
];
const WORDS: [&str; 7] = [
    "#EXT-X-DISCONTINUITY",
    "#EXT-X-GAP",
    "#EXT-X-ENDLIST",
    "#EXT-X-PLAYLIST-TYPE:VOD",
    "#EXT-X-PLAYLIST-TYPE:EVENT",
    "#EXT-X-KEY:METHOD=NONE",
    "#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"",
];
const NUMBERS: [&str; 3] = ["#EXT-X-MEDIA-SEQUENCE", "#EXT-X-DISCONTINUITY-SEQUENCE", "#EXT-X-TARGETDURATION"];

fn text(lines: &[Line<'_>]) -> String {
    let mut out = String::from("#EXTM3U\n");
    for line in lines.iter().take(200) {
        let _ = match line {
            Line::Segments { first, count, ms } => (0..count % 32).try_for_each(|n| {
                writeln!(out, "#EXTINF:{},\ns{}.ts", f64::from(ms % 100_000) / 1000.0, u32::from(*first) + u32::from(n))
            }),
            Line::Inf(seconds) => writeln!(out, "#EXTINF:{seconds},"),
            Line::Uri(value) => writeln!(out, "{}", value.text().trim_matches('"')),
            // Small, mostly: a playlist goes on.
            Line::Number(name, n) => {
                writeln!(out, "{}:{}", NUMBERS[usize::from(name % 3)], if n % 8 == 0 { *n } else { n % 64 })
            }
            Line::Word(word) => writeln!(out, "{}", WORDS[usize::from(word % 7)]),
            Line::Date(ms) => writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", date(*ms)),
            Line::Tag(tag, attributes) => {
                let _ = write!(out, "{}:", TAGS[usize::from(tag % 11)]);
                for (name, value) in attributes {
                    let _ = write!(out, "{}={},", NAMES[usize::from(name % 33)], value.text());
                }
                writeln!(out)
            }
            Line::Repeated(tag, name, count) => {
                let attribute = format!("{}={{$v0}},", NAMES[usize::from(name % 33)]);
                writeln!(out, "{}:{}", TAGS[usize::from(tag % 11)], attribute.repeat(usize::from(*count)))
            }
            Line::Raw(text) => writeln!(out, "{text}"),
        };
    }
    out
}

fn url() -> Url {
    Url::parse("http://h/a/b.m3u8?token=t").unwrap()
}

fn master(text: &str) -> Option<MasterPlaylist> {
    let master = MasterPlaylist::read(text, &url()).ok()??;
    assert!(!master.variants.is_empty() && master.variants.len() <= 200);
    assert!(master.audio.len() + master.texts.len() + master.closed_captions.len() <= 200);
    assert!(master.variants.iter().all(|variant| variant.url.scheme().starts_with("http")));
    Some(master)
}

fn media(text: &str, variables: &Variables) -> Option<MediaPlaylist> {
    let playlist = MediaPlaylist::read(text, &url(), variables).ok()?;
    for pair in playlist.segments.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.saturating_add(1));
        assert!(pair[1].discontinuity >= pair[0].discontinuity);
    }
    assert!(
        playlist.segments.iter().all(|segment| segment.url.scheme().starts_with("http") && segment.cues.len() <= 8)
    );
    assert!(playlist.segments.len() <= 20_000 && playlist.ranges.len() <= 256);
    assert!(playlist.target >= Duration::from_millis(500) && playlist.target <= Duration::from_secs(120));
    assert_eq!(playlist.mark().is_some(), !playlist.segments.is_empty());
    Some(playlist)
}

fn choose(text: &str, wish: &str, language: &str, limit: (u16, u8)) {
    let Some(master) = master(text) else { return };
    let limit = Limit { lines: limit.0.into(), fps: limit.1.into(), pixels_per_s: f64::from(limit.0) * 1e5 };
    let wish = VariantWish::parse(wish).unwrap_or_default();
    let language = (!language.is_empty()).then_some(language);
    let Ok(mut choices) = choices(&master, wish, language, limit, &|codec| !codec.starts_with("hvc1")) else { return };
    assert!(!choices.is_empty() && choices.len() <= master.variants.len());
    let beside = sounds_beside(&master, &mut choices, 3);
    assert!(beside.len() <= 3);
    for choice in &choices {
        assert!(choice.texts.len() <= 4 && choice.beside.len() == beside.len());
        assert!(choice.label.len() < 1000);
    }
}

/// What is fetched of a segment.
#[derive(Arbitrary, Debug)]
enum Media<'a> {
    Fails(bool),
    Stamped { first: Option<i64>, wraps: bool, measured: Option<i64>, track: u8 },
    Bytes(Vec<Part<'a>>),
}

/// A client that is driven by hand.
struct Client {
    follower: Follower,
    stretches: Stretches,
    cues: PlaylistCues,
    now: Duration,
    /// The last segment that was fetched, and in which numbering.
    last: Option<(Era, u64)>,
    steps: usize,
}

impl Client {
    fn told(&self, said: &[Said]) {
        assert!(said.len() <= 256 + 16);
    }

    fn fetched(&mut self, job: &Job, media: &Media<'_>) {
        let segment = &job.segment;
        assert!(!segment.gap);
        if let Some((era, sequence)) = self.last
            && (era.restarts, era.laps) == (job.era.restarts, job.era.laps)
        {
            assert!(segment.sequence >= sequence, "{sequence} {}", segment.sequence);
        }
        let (first, wraps, measured, track) = match media {
            Media::Fails(for_good) => {
                self.follower.fetch_failed(if *for_good { Failed::ForGood } else { Failed::Now }, self.now);
                return;
            }
            Media::Stamped { first, wraps, measured, track } => (*first, *wraps, *measured, *track),
            Media::Bytes(parts) => match stamped(&bytes(parts), None) {
                Some(stamp) => (stamp.first, stamp.container.wraps(), stamp.measured, 0),
                None => (None, true, None, 0),
            },
        };
        let track = match track % 8 {
            1 => Track::Sound,
            2 => Track::Beside(track),
            _ => Track::Picture,
        };
        let stamped = Stamped {
            era: job.era,
            discontinuity: segment.discontinuity,
            first: if wraps { first.map(|first| first.rem_euclid(1 << 46)) } else { first },
            wraps,
            measured,
            duration: segment.duration,
            hole: job.hole,
            takes_over: self.last.is_none(),
        };
        if let Some(place) = self.stretches.place(track, &stamped) {
            assert!(self.stretches.has_begun() && self.stretches.knows(job.era, segment.discontinuity) || !place.fresh);
            assert!(place.from >= place.at);
            let said = self.cues.placed(segment, job.era, place.at);
            self.told(&said);
            let _ = self.stretches.source_of(job.era, segment.discontinuity, stamped.first.unwrap_or(0));
        }
        self.last = Some((job.era, segment.sequence));
        self.follower.fetched(self.now);
    }

    /// What is to be done until the next reading.
    fn work(&mut self, until: Duration, media: &[Media<'_>]) -> bool {
        for _ in 0..100 {
            self.steps += 1;
            match self.follower.next(self.now) {
                Step::Load => return true,
                Step::Fetch(job) => match media.get(self.steps % media.len().max(1)) {
                    Some(media) => self.fetched(&job, media),
                    None => self.follower.fetched(self.now),
                },
                Step::Wait(next) => {
                    // Or whoever waits would ask again at once, and for ever.
                    assert!(next > self.now, "{next:?} at {:?}", self.now);
                    if next > until {
                        return true;
                    }
                    self.now = next;
                }
                Step::End | Step::Fail(_) => return false,
            }
        }
        true
    }
}

fn follow(looped: bool, readings: &[(u16, Vec<Line<'_>>)], media_of: &[Media<'_>], at: Option<(u8, u32)>) {
    let begin = match at {
        Some((sequence, ms)) => Begin::At { sequence: sequence.into(), played: Duration::from_millis(u64::from(ms)) },
        None => Begin::Anew(Shown::default()),
    };
    let mut client = Client {
        follower: Follower::new(begin, looped, Era::default(), Duration::ZERO),
        stretches: Stretches::default(),
        cues: PlaylistCues::new(Known::default()),
        now: Duration::ZERO,
        last: None,
        steps: 0,
    };
    for (later_ms, lines) in readings.iter().take(16) {
        let until = client.now + Duration::from_millis(u64::from(*later_ms));
        client.follower.loading(client.now);
        match media(&text(lines), &Variables::default()) {
            Some(playlist) => {
                let said = client.cues.loaded(&playlist);
                client.told(&said);
                client.follower.loaded(playlist, client.now);
            }
            None => client.follower.load_failed(Failed::Now, client.now),
        }
        if later_ms % 16 == 7 {
            client.follower.leap_to(1 + u32::from(later_ms % 5));
        }
        if !client.work(until, media_of) {
            let _ = (client.follower.left_off(), client.follower.shown(), client.follower.patience());
            return;
        }
        client.now = client.now.max(until);
    }
}

/// Of a segment or its init section.
#[derive(Arbitrary, Debug)]
enum Part<'a> {
    Raw(&'a [u8]),
    Packet {
        kind: u8,
        pts: u64,
        clock: Option<u64>,
        begins: bool,
    },
    Id3(u64),
    Box(u8, Vec<Part<'a>>),
    /// Version, flags and numbers.
    Full(u8, u8, u16, Vec<u32>),
}

const BOXES: [&[u8; 4]; 19] = [
    b"moov", b"trak", b"mdia", b"mdhd", b"hdlr", b"tkhd", b"edts", b"elst", b"mvhd", b"mvex", b"trex", b"moof",
    b"traf", b"tfhd", b"tfdt", b"trun", b"styp", b"mdat", b"minf",
];

fn bytes(parts: &[Part<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        match part {
            Part::Raw(bytes) => out.extend_from_slice(bytes),
            Part::Packet { kind, pts, clock, begins } => {
                let mut packet = vec![0x47, u8::from(*begins) << 6 | 1, 0, 0x10];
                if let Some(clock) = clock {
                    packet[3] = 0x30;
                    packet.extend([7, 0x10]);
                    packet.extend(((clock & 0x1_ffff_ffff) << 15).to_be_bytes()[2..].iter());
                }
                let p = |shift: u32| (pts >> shift) as u8;
                packet.extend([0, 0, 1, if kind % 4 == 0 { *kind } else { 0xe0 | kind & 0x1f }, 0, 0, 0x80, 0x80, 5]);
                packet.extend([0x21 | p(29) & 0x0e, p(22), p(14) | 1, p(7), p(0) << 1 | 1]);
                packet.resize(188, 0xff);
                out.extend(packet);
            }
            Part::Id3(ticks) => {
                let owner = b"com.apple.streaming.transportStreamTimestamp\0";
                let frame = [&owner[..], &ticks.to_be_bytes()].concat();
                out.extend([b'I', b'D', b'3', 4, 0, 0, 0, 0, 0, frame.len() as u8]);
                out.extend(frame);
            }
            Part::Box(kind, inner) => {
                let inner = bytes(inner);
                out.extend((inner.len() as u32 + 8).to_be_bytes());
                out.extend(BOXES[usize::from(kind % 19)]);
                out.extend(inner);
            }
            Part::Full(kind, version, flags, numbers) => {
                out.extend((numbers.len() as u32 * 4 + 12).to_be_bytes());
                out.extend(BOXES[usize::from(kind % 19)]);
                out.extend([version & 1, 0]);
                out.extend(flags.to_be_bytes());
                numbers.iter().for_each(|number| out.extend(number.to_be_bytes()));
            }
        }
    }
    out
}

fn stamped(segment: &[u8], init: Option<&InitInfo>) -> Option<Stamp> {
    let stamp = stamp(segment, init)?;
    assert!(stamp.skip <= segment.len());
    assert!(stamp.measured.is_none_or(|length| length >= 0));
    if stamp.container.wraps() {
        // 26.5 hours.
        assert!(stamp.first.is_none_or(|first| (0..=95_443_717_688_889).contains(&first)), "{stamp:?}");
    }
    Some(stamp)
}

fuzz_target!(|input: Input<'_>| match input {
    Input::Text(text) => {
        let _ = is_playlist(text);
        let text = format!("#EXTM3U\n{}", String::from_utf8_lossy(text));
        let variables = master(&text).map_or_else(Variables::default, |master| master.variables);
        let _ = media(&text, &variables);
    }
    Input::Master { lines, wish, language, limit } => choose(&text(&lines), wish, language, limit),
    Input::Follow { looped, readings, media, at } => follow(looped, &readings, &media, at),
    Input::Segment(init, segment) => {
        let info = InitInfo::read(&bytes(&init));
        let segment = bytes(&segment);
        for init in [None, Some(&info)] {
            let _ = stamped(&segment, init);
        }
    }
});
