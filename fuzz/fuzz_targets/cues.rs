//! What sources signal of breaks, from their bytes to the lines of our playlists.
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

use std::collections::HashMap;
use std::time::Duration;

use arbitrary::Arbitrary;
use cues::daterange::{OlderTag, SourceRange};
use cues::scte35::{PTS_MODULUS, SpliceInfo, crc32};
use cues::track::{BeginBreak, CueState, CueTrack, Policy, Signal, Source};
use cues::ts::{CueReader, PtsReference};
use feed::playlist::text::{Attributes, Variables};
use feed::signal_checks::{Step, Waiting};
use libfuzzer_sys::fuzz_target;
#[allow(unused_imports)]
use rooms::frame;
use timeline::MediaTime;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    few: bool,
    live: bool,
    steps: Vec<(u16, Do<'a>)>,
}

#[derive(Arbitrary, Debug)]
enum Do<'a> {
    Section(Section<'a>, Option<i32>),
    Packets(Section<'a>, u8, bool),
    Range(Vec<(Name, Value<'a>)>, Option<i32>, Option<i32>),
    Older(u8, Value<'a>),
    Wait(Step),
    Later(u32),
    Begin(Option<u8>, f64),
    End(u8),
    Operate(&'a str, Option<f64>),
}

/// A section of SCTE 35. Its lengths and its checksum are right, unless it is raw.
#[derive(Arbitrary, Debug)]
enum Section<'a> {
    Raw(&'a [u8]),
    Sealed(&'a [u8]),
    Made { adjusted: u64, tier: u16, unsaid: bool, command: Command<'a>, descriptors: Vec<Descriptor<'a>> },
}

#[derive(Arbitrary, Debug)]
enum Command<'a> {
    Insert {
        id: u8,
        cancel: bool,
        out: bool,
        immediate: bool,
        pts: Option<u64>,
        duration: Option<(bool, u64)>,
        components: Option<Vec<(u8, Option<u64>)>>,
    },
    TimeSignal(Option<u64>),
    Other(u8, &'a [u8]),
}

#[derive(Arbitrary, Debug)]
enum Descriptor<'a> {
    Segmentation {
        id: u8,
        cancel: bool,
        kind: u8,
        duration: Option<u64>,
        upid: (u8, &'a [u8]),
        numbers: [u8; 2],
        delivery: Option<u8>,
        sub: bool,
    },
    Cuei(u8, &'a [u8]),
    Raw(u8, &'a [u8]),
}

#[derive(Arbitrary, Debug)]
enum Name {
    Id,
    Class,
    Start,
    End,
    Duration,
    Planned,
    OnNext,
    Cmd,
    Out,
    In,
    Client,
}

impl Name {
    fn text(&self) -> &'static str {
        match self {
            Name::Id => "ID",
            Name::Class => "CLASS",
            Name::Start => "START-DATE",
            Name::End => "END-DATE",
            Name::Duration => "DURATION",
            Name::Planned => "PLANNED-DURATION",
            Name::OnNext => "END-ON-NEXT",
            Name::Cmd => "SCTE35-CMD",
            Name::Out => "SCTE35-OUT",
            Name::In => "SCTE35-IN",
            Name::Client => "X-ANY",
        }
    }
}

#[derive(Arbitrary, Debug)]
enum Value<'a> {
    Text(&'a str),
    Seconds(f64),
    Date(u32),
    Hex(Section<'a>),
    Yes,
}

impl Value<'_> {
    fn text(&self) -> String {
        match self {
            Value::Text(text) => (*text).to_owned(),
            Value::Seconds(seconds) => seconds.to_string(),
            Value::Date(seconds) => {
                jiff::Timestamp::from_second(1_704_067_200 + i64::from(*seconds)).unwrap().to_string()
            }
            Value::Hex(section) => format!("0x{}", hex::encode(section.bytes())),
            Value::Yes => "YES".to_owned(),
        }
    }
}

/// Bits as they come, most significant first.
#[derive(Default)]
struct Bits(Vec<bool>);

impl Bits {
    fn put(&mut self, count: u32, value: impl Into<u64>) {
        let value = value.into();
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.put(8, *byte));
    }

    fn time(&mut self, pts: Option<u64>) {
        self.put(1, u64::from(pts.is_some()));
        self.put(6 + if pts.is_some() { 0 } else { 1 }, 0x7fu8);
        if let Some(pts) = pts {
            self.put(33, pts % PTS_MODULUS);
        }
    }

    fn done(self) -> Vec<u8> {
        assert_eq!(self.0.len() % 8, 0);
        self.0.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect()
    }
}

fn sealed(body: &[u8]) -> Vec<u8> {
    let body = &body[..body.len().min(4000)];
    let length = body.len() + 4;
    let mut section = vec![0xfc, 0x30 | (length >> 8) as u8, length as u8];
    section.extend_from_slice(body);
    section.extend(crc32(&section).to_be_bytes());
    section
}

impl Section<'_> {
    fn bytes(&self) -> Vec<u8> {
        match self {
            Section::Raw(bytes) => bytes.to_vec(),
            Section::Sealed(body) => sealed(body),
            Section::Made { adjusted, tier, unsaid, command, descriptors } => {
                let (kind, command) = command.bytes();
                let mut bits = Bits::default();
                bits.put(16, 0u8);
                // The adjustment's highest bit is one of those zeros.
                bits.put(32, adjusted & 0xffff_ffff);
                bits.put(8, 0u8);
                bits.put(12, tier & 0xfff);
                bits.put(12, if *unsaid { 0xfff } else { command.len().min(0xffe) as u64 });
                bits.put(8, kind);
                bits.bytes(&command);
                let list: Vec<u8> = descriptors.iter().flat_map(Descriptor::bytes).collect();
                bits.put(16, list.len() as u64 & 0xffff);
                bits.bytes(&list);
                sealed(&bits.done())
            }
        }
    }
}

impl Command<'_> {
    fn bytes(&self) -> (u8, Vec<u8>) {
        let mut bits = Bits::default();
        let kind = match self {
            Command::Insert { id, cancel, out, immediate, pts, duration, components } => {
                bits.put(32, u32::from(id % 4));
                bits.put(1, u8::from(*cancel));
                bits.put(7, 0x7fu8);
                if !*cancel {
                    bits.put(1, u8::from(*out));
                    bits.put(1, u8::from(components.is_none()));
                    bits.put(1, u8::from(duration.is_some()));
                    bits.put(1, u8::from(*immediate));
                    bits.put(4, 0xfu8);
                    match components {
                        None if !*immediate => bits.time(*pts),
                        None => {}
                        Some(list) => {
                            let list = &list[..list.len().min(255)];
                            bits.put(8, list.len() as u64);
                            for (tag, pts) in list {
                                bits.put(8, *tag);
                                if !*immediate {
                                    bits.time(*pts);
                                }
                            }
                        }
                    }
                    if let Some((auto, ticks)) = duration {
                        bits.put(1, u8::from(*auto));
                        bits.put(6, 0x3fu8);
                        bits.put(33, ticks % PTS_MODULUS);
                    }
                    bits.put(32, 0u8);
                }
                5
            }
            Command::TimeSignal(pts) => {
                bits.time(*pts);
                6
            }
            Command::Other(kind, bytes) => {
                bits.bytes(bytes);
                *kind
            }
        };
        (kind, bits.done())
    }
}

impl Descriptor<'_> {
    fn bytes(&self) -> Vec<u8> {
        let (tag, body) = match self {
            Descriptor::Segmentation { id, cancel, kind, duration, upid, numbers, delivery, sub } => {
                let mut bits = Bits::default();
                bits.bytes(b"CUEI");
                bits.put(32, u32::from(id % 4));
                bits.put(1, u8::from(*cancel));
                bits.put(7, 0x7fu8);
                if !*cancel {
                    bits.put(1, 1u8);
                    bits.put(1, u8::from(duration.is_some()));
                    bits.put(1, u8::from(delivery.is_none()));
                    bits.put(5, delivery.unwrap_or(31) & 31);
                    if let Some(ticks) = duration {
                        bits.put(40, ticks & 0xff_ffff_ffff);
                    }
                    let text = &upid.1[..upid.1.len().min(150)];
                    bits.put(8, upid.0 % 0x14);
                    bits.put(8, text.len() as u64);
                    bits.bytes(text);
                    // The types that there are lie in 0x10 to 0x51.
                    bits.put(8, if *kind < 0xf0 { 0x10 + kind % 0x42 } else { *kind });
                    bits.bytes(numbers);
                    if *sub {
                        bits.bytes(numbers);
                    }
                }
                (2, bits.done())
            }
            Descriptor::Cuei(tag, body) => (*tag, [&b"CUEI"[..], body].concat()),
            Descriptor::Raw(tag, body) => (*tag, body.to_vec()),
        };
        let body = &body[..body.len().min(255)];
        [&[tag, body.len() as u8], body].concat()
    }
}

/// The track under test, and what was seen of it.
struct Watched {
    track: CueTrack,
    most: usize,
    waiting: Waiting,
    reader: CueReader,
    counter: u8,
    now: MediaTime,
    listed: HashMap<String, Vec<String>>,
    ended: HashMap<String, Option<String>>,
}

/// A day.
const START: MediaTime = MediaTime::from_secs(86_400);

impl Watched {
    fn new(few: bool, live: bool) -> Self {
        let most = if few { 4 } else { 4096 };
        let grid = timeline::Grid::new("30".parse().unwrap(), 30);
        let policy = Policy { max_events: most, ..Policy::new(grid) };
        Self {
            track: CueTrack::new("game", policy),
            most,
            waiting: Waiting::new(live),
            reader: CueReader::new(),
            counter: 0,
            now: START,
            listed: HashMap::new(),
            ended: HashMap::new(),
        }
    }

    fn near(&self, ms: i32) -> MediaTime {
        let ms = i64::from(ms % 100_000);
        MediaTime::from_nanos(self.now.as_nanos().saturating_add_signed(ms * 1_000_000))
    }

    fn section(&mut self, bytes: &[u8], at: Option<i32>) {
        let Ok(info) = SpliceInfo::parse(bytes) else { return };
        // The bytes that it gives are a section, and the same one.
        assert_eq!(SpliceInfo::parse(info.section()).as_ref(), Ok(&info));
        assert!(bytes.starts_with(info.section()));
        assert!(info.splice_pts().is_none_or(|pts| pts < PTS_MODULUS));
        let at = at.map(|ms| self.near(ms));
        self.track.feed(self.now, at, &Signal::Section(info), Source::Ts);
    }

    fn packets(&mut self, section: &[u8], pointer: u8, lost: bool) {
        let reference = PtsReference { pts: 900_000, at: self.now };
        let mut rest = [&[pointer][..], &vec![0xff; pointer.into()], section].concat();
        rest.resize(rest.len().next_multiple_of(184), 0xff);
        for (n, payload) in rest.chunks(184).enumerate() {
            self.counter = self.counter.wrapping_add(1 + u8::from(lost && n == 1));
            let head = [0x47, if n == 0 { 0x41 } else { 1 }, 0, 0x10 | self.counter & 15];
            for timed in self.reader.take(&[&head, payload].concat(), |pts| reference.media_time(pts)) {
                let Ok(timed) = timed else { continue };
                self.track.feed(self.now, timed.at, &Signal::Section(timed.info), Source::Ts);
            }
        }
    }

    fn range(&mut self, attributes: &[(Name, Value<'_>)], start: Option<i32>, end: Option<i32>) {
        let texts: Vec<(&str, String)> = attributes.iter().map(|(name, value)| (name.text(), value.text())).collect();
        let Ok(range) = SourceRange::read(texts.iter().map(|(name, value)| (*name, value.as_str()))) else { return };
        assert!(!range.id.is_empty() && range.start_us.or(range.end_us).is_some() && range.client.len() <= 32);
        assert_eq!(range.clone().or(&range), range);
        let _ = range.ends_us();
        if attributes.len() % 2 == 0 {
            let (start, end) = (start.map(|ms| self.near(ms)), end.map(|ms| self.near(ms)));
            let signal = Signal::Range { range: Box::new(range), start, end };
            self.track.feed(self.now, None, &signal, Source::Hls);
        } else {
            let signal = Signal::Range { range: Box::new(range), start: None, end: None };
            let source = |at: Option<i32>| at.map(|ms| i64::from(ms) * 1_000_000);
            self.waiting.push(signal, Source::Hls, self.now, source(start), source(end));
        }
    }

    fn older(&mut self, which: u8, value: &str) {
        const TAGS: [&str; 6] = [
            "#EXT-X-CUE-OUT",
            "#EXT-X-CUE-OUT-CONT",
            "#EXT-X-CUE-IN",
            "#EXT-OATCLS-SCTE35",
            "#EXT-X-SCTE35",
            "#EXT-X-SPLICEPOINT-SCTE35",
        ];
        if let Some(Ok(tag)) = OlderTag::read(TAGS[usize::from(which % 6)], value) {
            self.track.feed(self.now, Some(self.now), &Signal::Older(tag), Source::Hls);
        }
    }

    fn take(&mut self, step: &Do<'_>) {
        match step {
            Do::Section(section, at) => self.section(&section.bytes(), *at),
            Do::Packets(section, pointer, lost) => self.packets(&section.bytes(), *pointer, *lost),
            Do::Range(attributes, start, end) => self.range(attributes, *start, *end),
            Do::Older(which, value) => self.older(*which, &value.text()),
            Do::Wait(step) => {
                for told in self.waiting.step(step, self.now) {
                    self.track.feed(told.arrived, Some(told.at), &told.signal, told.source);
                }
            }
            Do::Later(seconds) => self.now = self.now + Duration::from_secs(u64::from(seconds % 90_000)),
            Do::Begin(id, seconds) => self.begin(id.map(|id| format!("o{}", id % 4)), Some(*seconds)),
            Do::Operate(id, seconds) => self.begin(Some((*id).to_owned()), *seconds),
            Do::End(id) => drop(self.track.end_break(self.now, &format!("o{}", id % 4))),
        }
        self.track.advance(self.now);
    }

    fn begin(&mut self, id: Option<String>, duration_s: Option<f64>) {
        let Ok(event) = self.track.begin_break(self.now, &BeginBreak { duration_s, id, ..BeginBreak::default() })
        else {
            return;
        };
        // One of less than a frame has ended as soon as it began.
        assert!(event.state != CueState::Ended || duration_s.is_some_and(|seconds| seconds < 0.04));
    }

    /// Lines stay as they were given, are read by our own reader, and come in one line each.
    fn check(&mut self) {
        let all = MediaTime::ZERO..MediaTime::from_nanos(u64::MAX);
        let mut now_listed: HashMap<String, Vec<String>> = HashMap::new();
        for line in self.track.date_ranges(all.clone()) {
            let value = line.text.strip_prefix("#EXT-X-DATERANGE:").unwrap();
            assert!(!value.contains(|c: char| c.is_control()) && value.matches('"').count() % 2 == 0, "{value}");
            let attributes = Attributes::read(value, &Variables::default()).unwrap();
            let read = SourceRange::read(attributes.iter()).unwrap();
            assert_eq!(read.id, line.id);
            assert!(read.end_us.is_none_or(|end| read.start_us.is_some_and(|start| start <= end)), "{value}");
            let told = read.duration.map(|duration| duration.as_micros() as i64);
            // Two weeks is what a reader takes a duration for.
            assert!(told.is_none_or(|told| read.end_us == read.start_us.map(|start| start + told)), "{value}");
            now_listed.entry(line.id).or_default().push(line.text);
        }
        for (id, lines) in now_listed {
            let before = self.listed.entry(id).or_default();
            assert!(lines.len() <= 2 && lines.starts_with(before), "{before:?}\n{lines:?}");
            *before = lines;
        }
        let events = self.track.events(all);
        assert!(events.len() <= self.most);
        for event in events {
            assert!(event.upid.as_ref().is_none_or(|upid| upid.len() <= 4096));
            let is_ended = event.state == CueState::Ended;
            if let Some(end) = self.ended.get(&event.id) {
                assert!(is_ended && *end == event.ends_at, "{event:?}");
            } else if is_ended {
                self.ended.insert(event.id, event.ends_at);
            }
        }
        let running = self.track.in_break(self.now);
        assert!(running.is_none_or(|b| b.since <= self.now && b.until.is_none_or(|until| until > self.now)));
        let _ = self.track.is_off_air(self.now);
    }
}

fuzz_target!(|input: Input<'_>| {
    let mut watched = Watched::new(input.few, input.live);
    for (millis, step) in input.steps.iter().take(64) {
        watched.now = watched.now + Duration::from_millis(u64::from(*millis));
        watched.take(step);
        watched.check();
    }
    // Silence ends everything.
    for days in 1..=2 {
        watched.track.advance(watched.now + Duration::from_secs(days * 30 * 3600));
    }
    assert!(watched.track.events(MediaTime::ZERO..MediaTime::from_nanos(u64::MAX)).is_empty());
});
