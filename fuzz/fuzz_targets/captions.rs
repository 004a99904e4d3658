//! Text of any source, and what is written of it again.
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
use captions::webvtt::{self, Anchor, SegmentForm};
use captions::{
    Cue, Kind, Limits, Piece, SlotOnCanvas, Text, TextBlock, TextTrack, Told, TrackInfo, cea, mosaic_text, teletext,
    ttml,
};
use feed::playlist::boxed::{TextForm, samples};
use libfuzzer_sys::fuzz_target;
use rooms::frame;
use timeline::MediaTime;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    own_colours: bool,
    lines: bool,
    narrow: bool,
    sources: Vec<(u16, Source<'a>)>,
    slot: (u8, u8),
    /// Where the segment that is written begins and how long it is, in ms.
    segment: (u16, u16),
}

#[derive(Arbitrary, Debug)]
enum Source<'a> {
    /// `cc_data()` as it came.
    CcData(&'a [u8]),
    Line21(bool, Vec<Pair>),
    Dtvcc(u8, u8, Vec<Code<'a>>),
    Reset,
    Teletext(&'a [u8]),
    Page(u8, Vec<(u8, &'a [u8])>),
    Vtt(&'a str),
    VttParts(Vec<Block<'a>>),
    Ttml(&'a str),
    TtmlParts(Vec<Node<'a>>, u8),
    Boxed(Vec<Sample<'a>>, &'a str, &'a [u8]),
}

/// A pair of bytes of line 21, parity put in.
#[derive(Arbitrary, Debug)]
enum Pair {
    Control(u8, u8),
    Chars(u8, u8),
    Raw([u8; 2]),
}

/// Codes of a service of DTVCC.
#[derive(Arbitrary, Debug)]
enum Code<'a> {
    Text(&'a str),
    /// CW0 to CW7, CLW to DLC, with a mask of windows or a delay.
    C1(u8, [u8; 6]),
    Define(u8, [u8; 6]),
    C0(u8),
    Raw(&'a [u8]),
}

#[derive(Arbitrary, Debug)]
enum Block<'a> {
    Cue { id: &'a str, start: u16, length: u16, settings: Vec<(u8, u8, u8)>, text: Vec<Markup<'a>> },
    Style(Vec<(u8, &'a str)>),
    Region(u8, u8, u8, u8),
    Map(u64, u16),
    Raw(&'a str),
}

/// Text and tags.
#[derive(Arbitrary, Debug)]
enum Markup<'a> {
    Text(&'a str),
    Open(u8, u8),
    Close(u8),
    Entity(u8, u32),
    Break,
}

#[derive(Arbitrary, Debug)]
struct Node<'a> {
    kind: u8,
    begin: Option<u16>,
    end: Option<u16>,
    region: bool,
    style: u8,
    text: &'a str,
    inner: Vec<Node<'a>>,
    again: u8,
}

#[derive(Arbitrary, Debug)]
struct Sample<'a> {
    lasts: u32,
    id: &'a str,
    settings: &'a str,
    text: &'a str,
    again: u8,
}

impl Pair {
    fn bytes(&self) -> [u8; 2] {
        let parity = |byte: u8| if (byte & 0x7f).count_ones() % 2 == 1 { byte & 0x7f } else { byte | 0x80 };
        match *self {
            Pair::Control(first, second) => [parity(0x10 | first & 15), parity(0x20 | second & 0x5f)],
            Pair::Chars(first, second) => [first, second].map(|byte| parity(0x20 + (byte & 0x7f) % 0x60)),
            Pair::Raw(bytes) => bytes,
        }
    }
}

impl Code<'_> {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Code::Text(text) => out.extend(text.bytes()),
            Code::C1(code, arguments) => {
                let code = 0x80 + code % 0x20;
                let count = match code {
                    0x88..=0x8d => 1,
                    0x90 | 0x92 => 2,
                    0x91 => 3,
                    0x97 => 4,
                    0x98.. => 6,
                    _ => 0,
                };
                out.push(code);
                out.extend(&arguments[..count]);
            }
            // Visible, at a place within the screen.
            Code::Define(window, [a, b, c, d, e, f]) => {
                out.extend([0x98 + window % 8, 0x20 | a & 0x1f, b & 0x7f, *c, d & 0x0f | 0x90, e & 0x3f, *f]);
            }
            Code::C0(code) => out.push(code & 0x1f),
            Code::Raw(bytes) => out.extend_from_slice(bytes),
        }
    }
}

fn cc_data(triples: &[[u8; 3]]) -> Vec<Vec<u8>> {
    triples.chunks(31).map(|chunk| [&[0x40 | chunk.len() as u8, 0xff], chunk.as_flattened()].concat()).collect()
}

/// Packets of DTVCC with a block for each 31 bytes of the service's.
fn dtvcc(sequence: u8, service: u8, codes: &[Code<'_>]) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    codes.iter().for_each(|code| code.put(&mut bytes));
    let mut triples = Vec::new();
    for (n, block) in bytes.chunks(31).enumerate() {
        let service = 1 + service % 8;
        let mut packet = vec![0];
        match service {
            7.. => packet.extend([7 << 5 | block.len() as u8, service]),
            _ => packet.push(service << 5 | block.len() as u8),
        }
        packet.extend_from_slice(block);
        if packet.len() % 2 == 1 {
            packet.push(0);
        }
        packet[0] = sequence.wrapping_add(n as u8) << 6 | (packet.len() / 2) as u8 & 0x3f;
        for (n, pair) in packet.chunks(2).enumerate() {
            triples.push([if n == 0 { 0xff } else { 0xfe }, pair[0], pair[1]]);
        }
    }
    cc_data(&triples)
}

/// EN 300 706, 8.2: the four bits of a nibble and those that protect them.
fn hamming(value: u8) -> u8 {
    let [a, b, c, d] = [value & 1, value >> 1 & 1, value >> 2 & 1, value >> 3 & 1];
    (1 ^ a ^ c ^ d)
        | a << 1
        | (1 ^ a ^ b ^ d) << 2
        | b << 3
        | (1 ^ a ^ b ^ c) << 4
        | c << 5
        | (1 ^ b ^ c ^ d) << 6
        | d << 7
}

fn page(control: u8, rows: &[(u8, &[u8])]) -> Vec<u8> {
    let mut data = vec![0x10];
    let head: &[u8] = &[8, 8, 0, control & 8, 0, 0, 0, control & 15].map(hamming);
    for (row, text) in std::iter::once((0, head)).chain(rows.iter().map(|(row, text)| (row % 32, *text))) {
        let mut packet = [0x20u8; 42];
        (packet[0], packet[1]) = (hamming((row & 1) << 3), hamming(row >> 1));
        for (to, from) in packet[2..].iter_mut().zip(text) {
            *to = *from;
        }
        if row != 0 {
            // Odd parity, and a box about all of it.
            (packet[2], packet[3]) = (0x0b, 0x0b);
            packet[2..].iter_mut().for_each(|byte| *byte = *byte & 0x7f | u8::from(byte.count_ones() % 2 == 0) << 7);
        }
        data.extend([3, 44, 0xe7, 0xe4]);
        data.extend(packet.map(u8::reverse_bits));
    }
    data
}

fn vtt(blocks: &[Block<'_>]) -> String {
    const TAGS: [&str; 8] = ["c", "i", "b", "u", "v", "lang", "ruby", "rt"];
    const CLASSES: [&str; 6] = ["", ".red", ".bg_blue", ".x", ".x.red", " Ann"];
    const SETTINGS: [&str; 6] = ["line", "position", "size", "align", "vertical", "region"];
    const EDGES: [&str; 8] = ["", ",start", ",center", ",end", ",line-left", "%", "%,end", ",auto"];
    const WORDS: [&str; 8] = ["start", "center", "end", "left", "right", "rl", "lr", "r1"];
    let mut out = String::from("WEBVTT\n\n");
    for block in blocks {
        match block {
            Block::Cue { id, start, length, settings, text } => {
                let time = |ms: u32| format!("{:02}:{:02}.{:03}", ms / 60_000, ms / 1000 % 60, ms % 1000);
                let (start, end) = (u32::from(*start), u32::from(*start) + u32::from(*length));
                let _ = write!(out, "{id}\n{} --> {}", time(start), time(end));
                for (name, value, edge) in settings {
                    let name = SETTINGS[usize::from(name % 6)];
                    let _ = match name {
                        "align" | "vertical" | "region" => write!(out, " {name}:{}", WORDS[usize::from(value % 8)]),
                        _ => write!(out, " {name}:{value}{}", EDGES[usize::from(edge % 8)]),
                    };
                }
                out.push('\n');
                for piece in text {
                    match piece {
                        Markup::Text(text) => out.push_str(text),
                        Markup::Open(tag, class) => {
                            let _ = write!(out, "<{}{}>", TAGS[usize::from(tag % 8)], CLASSES[usize::from(class % 6)]);
                        }
                        Markup::Close(tag) => {
                            let _ = write!(out, "</{}>", TAGS[usize::from(tag % 8)]);
                        }
                        Markup::Entity(name, number) => {
                            let names = ["&lt;", "&gt;", "&amp;", "&nbsp;", "&rlm;"];
                            match names.get(usize::from(name % 8)) {
                                Some(name) => out.push_str(name),
                                None => drop(write!(out, "&#{number};")),
                            }
                        }
                        Markup::Break => out.push('\n'),
                    }
                }
                out.push_str("\n\n");
            }
            Block::Style(rules) => {
                out.push_str("STYLE\n");
                for (selector, body) in rules {
                    let selectors =
                        ["::cue", "::cue(b)", "::cue(.x)", "::cue(c.red)", "::cue(#a)", "::cue(i), ::cue(u)"];
                    let _ =
                        writeln!(out, "{} {{ color: #{}; {body} }}", selectors[usize::from(selector % 6)], selector);
                }
                out.push('\n');
            }
            Block::Region(width, lines, x, y) => {
                let _ = write!(
                    out,
                    "REGION\nid:r1\nwidth:{width}%\nlines:{lines}\nregionanchor:{x}%,{y}%\nviewportanchor:{y}%,{x}%\n\n"
                );
            }
            Block::Map(mpegts, local) => {
                let _ = write!(out, "X-TIMESTAMP-MAP=MPEGTS:{mpegts},LOCAL:00:{:02}.000\n\n", local % 60);
            }
            Block::Raw(text) => {
                out.push_str(text);
                out.push_str("\n\n");
            }
        }
    }
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn node(out: &mut String, its: &Node<'_>, depth: u8, left: &mut u32) {
    const KINDS: [&str; 6] = ["p", "span", "div", "br", "p", "metadata"];
    const STYLES: [&str; 6] = [
        "",
        " tts:color=\"red\" tts:fontStyle=\"italic\"",
        " xml:space=\"preserve\"",
        " timeContainer=\"seq\"",
        " tts:textAlign=\"end\" tts:backgroundColor=\"#01020304\"",
        " itts:forcedDisplay=\"true\" style=\"s\"",
    ];
    for n in 0..=its.again {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let kind = KINDS[usize::from(its.kind % 6)];
        let _ = write!(out, "<{kind}");
        if let Some(begin) = its.begin {
            let _ = write!(out, " begin=\"{}ms\"", u32::from(begin) + u32::from(n) * 40);
        }
        if let Some(end) = its.end {
            let _ = write!(out, " end=\"{}f\"", end);
        }
        if its.region {
            out.push_str(" region=\"r1\"");
        }
        let _ = write!(out, "{}>{}", STYLES[usize::from(its.style % 6)], escaped(its.text));
        if depth < 40 {
            its.inner.iter().for_each(|inner| node(out, inner, depth + 1, left));
        }
        let _ = write!(out, "</{kind}>");
    }
}

fn ttml(nodes: &[Node<'_>], rate: u8) -> String {
    let mut out = format!(
        "<tt xmlns=\"http://www.w3.org/ns/ttml\" xmlns:tts=\"http://www.w3.org/ns/ttml#styling\" \
         xmlns:ttp=\"http://www.w3.org/ns/ttml#parameter\" xmlns:itts=\"http://www.w3.org/ns/ttml/profile/imsc1#styling\" \
         ttp:frameRate=\"{rate}\"><head><styling><style xml:id=\"s\" style=\"s\" tts:fontWeight=\"bold\"/></styling><layout>\
         <region xml:id=\"r1\" tts:origin=\"10% {rate}%\" tts:extent=\"80% 20%\" tts:displayAlign=\"after\"/></layout></head><body>"
    );
    let mut left = 3000;
    nodes.iter().for_each(|its| node(&mut out, its, 0, &mut left));
    out.push_str("</body></tt>");
    out
}

fn boxed(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

/// An init section and a segment of WebVTT in boxes.
fn fragment(list: &[Sample<'_>], header: &str) -> (Vec<u8>, Vec<u8>) {
    let mdhd = [&[0; 12][..], &1000u32.to_be_bytes(), &[0; 8]].concat();
    let header = format!("WEBVTT\n\n{header}");
    let entry = boxed(b"wvtt", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &boxed(b"vttC", header.as_bytes())].concat());
    let stsd = boxed(b"stsd", &[&[0, 0, 0, 0, 0, 0, 0, 1][..], &entry].concat());
    let minf = boxed(b"minf", &boxed(b"stbl", &stsd));
    let trak = boxed(b"trak", &boxed(b"mdia", &[boxed(b"mdhd", &mdhd), minf].concat()));
    let init = boxed(b"moov", &trak);
    let mut media = Vec::new();
    let mut trun = [&[0, 0, 3, 0][..], &(list.len() as u32).to_be_bytes()].concat();
    for its in list {
        let inner = [
            boxed(b"iden", its.id.as_bytes()),
            boxed(b"sttg", its.settings.as_bytes()),
            boxed(b"payl", its.text.as_bytes()),
        ];
        let sample = boxed(b"vttc", &inner.concat()).repeat(1 + usize::from(its.again));
        trun.extend([its.lasts, sample.len() as u32].map(u32::to_be_bytes).concat());
        media.extend(sample);
    }
    let tfhd = boxed(b"tfhd", &[0, 0, 0, 0, 0, 0, 0, 1]);
    let moof = boxed(b"moof", &boxed(b"traf", &[tfhd, boxed(b"trun", &trun)].concat()));
    (init, [moof, boxed(b"mdat", &media)].concat())
}

/// Cues of one segment that are taken, as their fetcher has it.
const MOST_CUES: usize = 4096;
/// The time at which everything begins.
const START: MediaTime = MediaTime::from_secs(7200);

struct World {
    captions: cea::Decoder,
    page: teletext::Decoder,
    /// Of captions, of the page, of whole cues.
    tracks: [TextTrack; 3],
    now: MediaTime,
}

impl World {
    fn new(input: &Input<'_>) -> Self {
        let growth = if input.lines { cea::Growth::Lines } else { cea::Growth::default() };
        let aspect = if input.narrow { cea::Aspect::FourToThree } else { cea::Aspect::Wide };
        let track = || {
            let info = TrackInfo { language: "en".into(), kind: Kind::Captions };
            TextTrack::new(info, Limits { cues: 64, ..Limits::default() })
        };
        Self {
            captions: cea::Decoder::new(growth, aspect),
            page: teletext::Decoder::new(0x888),
            tracks: [track(), track(), track()],
            now: START,
        }
    }

    fn captions(&mut self, data: &[u8]) {
        let changes = self.captions.push(self.now, data);
        self.changed(changes);
    }

    fn changed(&mut self, changes: Vec<cea::Change>) {
        for change in changes {
            assert!(change.screen.at <= self.now && change.screen.texts.len() <= 64);
            change.screen.texts.iter().for_each(|text| assert!(!text.is_blank() && text.lines.len() <= 25));
            self.tracks[0].show(&change.screen);
        }
        assert!(self.captions.services().len() <= 4 + 63);
    }

    fn page(&mut self, data: &[u8]) {
        if let Some(screen) = self.page.push(self.now, data) {
            self.tracks[1].show(&screen);
        }
    }

    fn whole(&mut self, cues: Vec<Cue>) {
        for cue in cues {
            self.tracks[2].push(cue);
        }
    }

    fn vtt(&mut self, text: &str) {
        let Ok(document) = webvtt::read(text) else { return };
        assert!(document.cues.iter().all(|cue| cue.end_ms > cue.start_ms && !cue.text.is_blank()));
        self.whole(document.cues_by(Anchor { mpegts: 900_000, at: self.now }));
        self.whole(document.cues_from(self.now));
    }

    fn ttml(&mut self, text: &str) {
        let Ok(document) = ttml::read(text) else { return };
        // What comes of a document is in a measure to it, and in order.
        assert!(document.cues.is_sorted_by_key(|cue| cue.start));
        assert!(document.cues.len() <= MOST_CUES);
        let all: usize = document.cues.iter().map(|cue| cue.text.text().len()).sum();
        assert!(all <= 4 << 20, "{all} bytes of {}", text.len());
        self.whole(document.cues_on(Duration::ZERO, self.now, Some(self.now + Duration::from_secs(9))));
    }

    fn boxed(&mut self, init: &[u8], segment: &[u8]) {
        let form = TextForm::read(init);
        let samples = samples(segment, form.as_ref());
        assert!(samples.iter().map(|sample| sample.bytes.len()).sum::<usize>() <= segment.len());
        let Some(cues) = form.as_ref().and_then(|form| form.webvtt(&samples)) else { return };
        assert!(cues.len() <= MOST_CUES, "{} cues", cues.len());
        let at = |ns: i64| MediaTime::from_nanos(START.as_nanos().saturating_add_signed(ns));
        let cue = |cue: feed::playlist::boxed::BoxedCue| Cue {
            start: at(cue.start),
            end: Some(at(cue.end)),
            told: Told::Whole,
            text: cue.text,
        };
        self.whole(cues.into_iter().map(cue).collect());
    }

    fn take(&mut self, from: &Source<'_>) {
        match from {
            Source::CcData(data) => self.captions(data),
            Source::Line21(second, pairs) => {
                let triple = |pair: &Pair| {
                    let [first, last] = pair.bytes();
                    [0xfc | u8::from(*second), first, last]
                };
                cc_data(&pairs.iter().map(triple).collect::<Vec<_>>()).iter().for_each(|data| self.captions(data));
            }
            Source::Dtvcc(sequence, service, codes) => {
                dtvcc(*sequence, *service, codes).iter().for_each(|data| self.captions(data));
            }
            Source::Reset => {
                let changes = self.captions.reset(self.now);
                self.changed(changes);
                self.tracks.iter_mut().for_each(|track| track.end_all(self.now));
            }
            Source::Teletext(data) => self.page(data),
            Source::Page(control, rows) => self.page(&page(*control, rows)),
            Source::Vtt(text) => self.vtt(&format!("WEBVTT\n\n{text}")),
            Source::VttParts(blocks) => self.vtt(&vtt(blocks)),
            Source::Ttml(text) => self.ttml(text),
            Source::TtmlParts(nodes, rate) => self.ttml(&ttml(nodes, *rate)),
            Source::Boxed(samples, header, raw) => {
                let (init, segment) = fragment(samples, header);
                self.boxed(&init, &segment);
                self.boxed(&init, &[&boxed(b"styp", &[]), *raw].concat());
                self.boxed(raw, &segment);
            }
        }
    }
}

/// What is written keeps to the grammar of segments (W3C WebVTT, 4.1): a header, then blocks that are styles or cues.
fn check_grammar(text: &str, cues: usize) {
    let mut lines = text.split('\n');
    assert_eq!(lines.next(), Some("WEBVTT"));
    assert!(lines.next().unwrap().starts_with("X-TIMESTAMP-MAP=MPEGTS:"));
    assert_eq!(lines.next(), Some(""));
    assert!(!text.contains(|c: char| c != '\n' && c.is_control()), "{text:?}");
    let mut seen = 0;
    while let Some(first) = lines.next().filter(|line| !line.is_empty()) {
        let mut block = vec![first];
        block.extend(lines.by_ref().take_while(|line| !line.is_empty()));
        if first == "STYLE" {
            assert_eq!(seen, 0);
            assert!(block[1..].iter().all(|rule| rule.starts_with("::cue(.") && rule.ends_with(" }")));
            continue;
        }
        seen += 1;
        let arrows = block.iter().filter(|line| line.contains("-->")).count();
        assert!(arrows == 1 && block[1].contains(" --> ") && block.len() > 2, "{block:?}");
        assert!(first.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-'), "{first:?}");
    }
    assert_eq!((seen, lines.next()), (cues, None), "{text}");
}

/// What is written is read again as what was meant.
fn check_written(form: &SegmentForm, pieces: &[Piece], text: &str) {
    let seen = |piece: &&Piece| {
        let ms = |at: MediaTime| (at + Duration::from_micros(500)).as_nanos() / 1_000_000;
        ms(piece.end) > ms(piece.start)
    };
    let pieces: Vec<&Piece> = pieces.iter().filter(seen).collect();
    check_grammar(text, pieces.len());
    let read = webvtt::read(text).unwrap();
    let blank = |text: &Text| text.text().replace('\u{a0}', " ").trim().is_empty();
    let meant: Vec<&&Piece> = pieces.iter().filter(|piece| !blank(&piece.text)).collect();
    let there: Vec<_> = read.cues.iter().filter(|cue| !blank(&cue.text)).collect();
    assert_eq!(there.len(), meant.len(), "{text}");
    for (timed, piece) in there.iter().zip(&meant) {
        assert_eq!(timed.id, piece.id);
        let lines = |text: &Text| -> Vec<String> {
            let mut lines: Vec<String> = text.lines.iter().map(|line| line.text().replace('\u{a0}', "")).collect();
            while lines.last().is_some_and(String::is_empty) {
                lines.pop();
            }
            lines
        };
        assert_eq!(lines(&timed.text), lines(&piece.text), "{text}");
        if form.own_colours {
            assert_eq!(timed.text.placement, piece.text.placement, "{text}");
        }
    }
}

fuzz_target!(|input: Input<'_>| {
    let mut world = World::new(&input);
    for (later_ms, from) in input.sources.iter().take(64) {
        world.now = world.now + Duration::from_millis(u64::from(*later_ms));
        world.take(from);
    }
    let form = SegmentForm { own_colours: input.own_colours, ..SegmentForm::default() };
    let from = START + Duration::from_millis(u64::from(input.segment.0));
    let to = from + Duration::from_millis(1 + u64::from(input.segment.1));
    for track in &world.tracks {
        let pieces = track.told_in(from, to);
        let text = track.segment_text(from, to, &form);
        check_written(&form, &pieces, &text);
        // A screen is fifteen lines or so: a segment that blows up is a segment that no viewer can be sent.
        assert!(text.len() <= 1000 + pieces.len() * 256 * 1024, "{} bytes of {} cues", text.len(), pieces.len());
        let block = track.block(from, to);
        assert_eq!(TextBlock::from_bytes(&block.to_bytes()).as_ref(), Ok(&block));
    }
    let side = |half: u8| 320 + u32::from(half) * 8;
    let rect = frame::Rect { x: 16, y: 32, width: side(input.slot.0), height: side(input.slot.1) };
    let canvas = if input.narrow { (rect.width + 16, rect.height + 32) } else { (3840, 2400) };
    let slot = SlotOnCanvas { rect, canvas };
    let whole = SlotOnCanvas { rect: frame::Rect { x: 0, y: 0, width: canvas.0, height: canvas.1 }, canvas };
    let [captions, page, cues] = &world.tracks;
    let text = mosaic_text(from, to, &form, &[(slot, captions), (slot, page), (whole, cues)]);
    let written = text.matches(" --> ").count();
    check_grammar(&text, written);
});
