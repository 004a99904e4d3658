//! What must hold of what a pipeline reads in front of its demuxers and decoders.

use arbitrary::Arbitrary;

use super::clean_point::{Coding, Gate};
use super::picture_size::{Pace, UNREADABLE, declared};
use super::tables::{Assembler, Kind, Pat, Pmt, Stream, crc32};

/// A packet of 188 bytes: as it came, or with the head that its parts say.
#[derive(Arbitrary, Debug)]
pub struct Packet {
    begins: bool,
    /// How many packets are lost before it: mostly none.
    skipped: u8,
    adaptation: Option<u8>,
    payload: Payload,
    /// How often it comes again.
    again: u8,
}

#[derive(Arbitrary, Debug)]
enum Payload {
    Bytes(Vec<u8>),
    /// Bytes again and again.
    Repeated([u8; 3]),
    /// Whole sections behind a pointer, each with its checksum.
    Sections(u8, Vec<(u8, Vec<u8>)>),
}

/// A section of that table around `body`.
fn sealed(table: u8, body: &[u8]) -> Vec<u8> {
    let length = body.len() + 4;
    let mut section = vec![table, 0xb0 | (length >> 8) as u8 & 0x0f, length as u8];
    section.extend_from_slice(body);
    section.extend(crc32(&section).to_be_bytes());
    section
}

impl Packet {
    fn bytes(&self, counter: u8) -> [u8; 188] {
        let (begins, counter) = (u8::from(self.begins) << 6, counter & 0x0f);
        let mut bytes = vec![0x47, begins, 0, 0x10 | counter];
        if let Some(length) = self.adaptation {
            bytes[3] |= 0x20;
            bytes.push(length);
            bytes.extend(std::iter::repeat_n(0, usize::from(length)));
        }
        match &self.payload {
            Payload::Bytes(payload) => bytes.extend(payload),
            Payload::Repeated(payload) => bytes.extend(payload.iter().cycle().take(188)),
            Payload::Sections(pointer, sections) => {
                bytes.push(*pointer);
                sections.iter().for_each(|(table, body)| bytes.extend(sealed(*table, body)));
            }
        }
        bytes.resize(188, 0xff);
        bytes.try_into().unwrap()
    }
}

/// What is put together is whole, its checksum is right, and no more is held than a section and a packet have.
pub fn packets(packets: &[Packet]) {
    let (mut assembler, mut counter) = (Assembler::default(), 0u8);
    // A stream goes on for long: what grows shows.
    for packet in packets.iter().take(32).flat_map(|packet| std::iter::repeat_n(packet, 1 + usize::from(packet.again)))
    {
        counter = counter.wrapping_add(1).wrapping_add(packet.skipped.saturating_sub(0xf0));
        for section in assembler.take(&packet.bytes(counter)) {
            assert!(section.len() >= 4 && section.len() <= 1024 && crc32(&section) == 0);
            let _ = Pat::parse(&section).map(|pat| assert!(pat.programmes.len() <= 253));
            if let Some(pmt) = Pmt::parse(&section) {
                pmt.streams.iter().for_each(told);
                assert_eq!(pmt.picture().is_some(), pmt.streams.iter().any(|stream| stream.kind == Kind::Picture));
            }
        }
    }
    // A byte is told in three letters at least.
    assert!(format!("{assembler:?}").matches(", ").count() <= 1024 + 2 * 188);
}

fn told(stream: &Stream) {
    let (language, _) = (stream.language(), stream.role());
    assert!(language.is_none_or(|code| code.len() == 3 && stream.speaks(code)));
    assert!(stream.is_as(stream));
}

/// A programme's table.
#[derive(Arbitrary, Debug)]
pub struct Programme {
    number: u16,
    clock_pid: u16,
    descriptors: Vec<(u8, Vec<u8>)>,
    streams: Vec<(u8, u16, Vec<(u8, Vec<u8>)>)>,
}

fn descriptors(list: &[(u8, Vec<u8>)], room: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (tag, body) in list {
        let body = &body[..body.len().min(255)];
        if bytes.len() + 2 + body.len() <= room {
            bytes.extend([*tag, body.len() as u8]);
            bytes.extend_from_slice(body);
        }
    }
    bytes
}

/// What was written is read.
pub fn programme(programme: &Programme) {
    let number = programme.number.to_be_bytes();
    let clock = (programme.clock_pid & 0x1fff).to_be_bytes();
    let own = descriptors(&programme.descriptors, 200);
    let mut body = vec![number[0], number[1], 0xc1, 0, 0, 0xe0 | clock[0], clock[1], 0xf0, own.len() as u8];
    body.extend_from_slice(&own);
    let mut written = Vec::new();
    for (stream_type, pid, list) in &programme.streams {
        let its = descriptors(list, 255);
        if body.len() + 5 + its.len() > 1000 {
            break;
        }
        let pid = pid & 0x1fff;
        body.extend([*stream_type, 0xe0 | (pid >> 8) as u8, pid as u8, 0xf0, its.len() as u8]);
        body.extend_from_slice(&its);
        written.push((*stream_type, pid, its));
    }
    let pmt = Pmt::parse(&sealed(2, &body)).unwrap();
    assert_eq!((pmt.number, pmt.clock_pid, &pmt.descriptors), (programme.number, programme.clock_pid & 0x1fff, &own));
    let read: Vec<_> = pmt.streams.iter().map(|s| (s.stream_type, s.pid, s.descriptors.clone())).collect();
    assert_eq!(read, written);
    pmt.streams.iter().for_each(told);
}

/// Bits, written.
#[derive(Default)]
struct Written(Vec<bool>);

impl Written {
    fn bits(&mut self, value: u32, count: u32) {
        self.0.extend((0..count).rev().map(|n| value >> n & 1 == 1));
    }

    fn ue(&mut self, value: u32) {
        let length = 32 - (value + 1).leading_zeros();
        self.bits(0, length - 1);
        self.bits(value + 1, length);
    }

    fn nal(mut self, head: &[u8]) -> Vec<u8> {
        self.0.push(true);
        let bytes = self
            .0
            .chunks(8)
            .map(|byte| byte.iter().enumerate().fold(0u8, |sum, (n, bit)| sum | u8::from(*bit) << (7 - n)));
        let mut nal = [&[0, 0, 1], head].concat();
        for byte in bytes {
            if nal.ends_with(&[0, 0]) && byte <= 3 {
                nal.push(3);
            }
            nal.push(byte);
        }
        nal
    }
}

/// A sequence parameter set, as far as the size.
#[derive(Arbitrary, Debug)]
pub struct H264 {
    profile: u8,
    chroma: u8,
    lists: Option<[Option<Vec<u8>>; 12]>,
    order: u8,
    cycle: Vec<u16>,
    width: u16,
    height: u16,
}

/// What is declared is what was written.
pub fn h264(sps: &H264, frames: bool) {
    const PROFILES: [u32; 8] = [66, 77, 88, 100, 110, 122, 244, 44];
    let profile = PROFILES[usize::from(sps.profile % 8)];
    let mut bits = Written::default();
    bits.bits(profile, 8);
    bits.bits(52, 16);
    bits.ue(u32::from(sps.profile >> 3));
    if profile >= 100 || profile == 44 {
        let chroma = u32::from(sps.chroma % 4);
        bits.ue(chroma);
        if chroma == 3 {
            bits.bits(0, 1);
        }
        bits.ue(0);
        bits.ue(0);
        bits.bits(0, 1);
        bits.bits(u32::from(sps.lists.is_some()), 1);
        let there = if chroma == 3 { 12 } else { 8 };
        for (n, list) in sps.lists.iter().flatten().take(there).enumerate() {
            bits.bits(u32::from(list.is_some()), 1);
            let Some(list) = list else { continue };
            let (mut last, size) = (8i64, if n < 6 { 16 } else { 64 });
            for at in 0..size {
                // Scales of 1 to 255; what is missing is left to be repeated.
                let next = list.get(at).map_or(0, |scale| i64::from((*scale).max(1)));
                let delta = (next - last + 128).rem_euclid(256) - 128;
                bits.ue(if delta > 0 { 2 * delta - 1 } else { -2 * delta } as u32);
                if next == 0 {
                    break;
                }
                last = next;
            }
        }
    }
    bits.ue(4);
    let order = u32::from(sps.order % 3);
    bits.ue(order);
    match order {
        0 => bits.ue(3),
        1 => {
            bits.bits(1, 1);
            bits.ue(5);
            bits.ue(6);
            let cycle = &sps.cycle[..sps.cycle.len().min(255)];
            bits.ue(cycle.len() as u32);
            cycle.iter().for_each(|offset| bits.ue((*offset).into()));
        }
        _ => {}
    }
    bits.ue(1);
    bits.bits(0, 1);
    bits.ue(sps.width.into());
    bits.ue(sps.height.into());
    bits.bits(u32::from(frames), 1);
    bits.bits(0, 3);
    let size = ((u32::from(sps.width) + 1) * 16, (u32::from(sps.height) + 1) * if frames { 16 } else { 32 });
    let unit = [bits.nal(&[0x67]), vec![0, 0, 1, 0x65, 0x88, 0x80]].concat();
    assert_eq!(declared(Coding::H264, "h264", &unit), Some(size));
}

#[derive(Arbitrary, Debug)]
pub struct Hevc {
    layers: u8,
    present: u16,
    profile: [u32; 3],
    chroma: u8,
    width: u16,
    height: u16,
}

pub fn hevc(sps: &Hevc) {
    let mut bits = Written::default();
    let layers = u32::from(sps.layers % 7);
    bits.bits(0, 4);
    bits.bits(layers, 3);
    bits.bits(1, 1);
    sps.profile.iter().for_each(|word| bits.bits(*word, 32));
    let present = |layer: u32| u32::from(sps.present >> (2 * layer) & 3);
    (0..layers).for_each(|layer| bits.bits(present(layer), 2));
    if layers > 0 {
        bits.bits(0, 2 * (8 - layers));
    }
    for layer in 0..layers {
        let (profile, level) = (present(layer) >> 1, present(layer) & 1);
        (0..11 * profile + level).for_each(|_| bits.bits(0xa5, 8));
    }
    bits.ue(0);
    let chroma = u32::from(sps.chroma % 4);
    bits.ue(chroma);
    if chroma == 3 {
        bits.bits(0, 1);
    }
    bits.ue(sps.width.into());
    bits.ue(sps.height.into());
    let unit = bits.nal(&[33 << 1, 1]);
    assert_eq!(declared(Coding::Hevc, "hevc", &unit), Some((sps.width.into(), sps.height.into())));
}

/// Access units of any bytes: a gate that has once opened by itself stays so, and what is small is not told as large.
pub fn units(coding: u8, units: &[(&[u8], Option<i64>, bool)]) {
    const CODINGS: [(Coding, &str); 5] = [
        (Coding::H264, "h264"),
        (Coding::Hevc, "hevc"),
        (Coding::Mpeg12, "mpeg2"),
        (Coding::Flagged, "vp8"),
        (Coding::Flagged, "vp9"),
    ];
    let (coding, codec) = CODINGS[usize::from(coding % 5)];
    let (mut gate, mut pace) = (Gate::new(coding), Pace::default());
    gate.set_fields(units.len() % 2 == 1);
    for (bytes, at, flagged) in units {
        let at = at.map(|at| at % (1 << 59));
        let unit = [&[0, 0, 1][..], bytes].concat();
        for bytes in [&unit[..], bytes] {
            let size = declared(coding, codec, bytes);
            // Exp-Golomb codes here have 41 bits at most: in macroblocks a side has 21.
            assert!(size.is_none_or(|size| size == UNREADABLE || size.0.max(size.1) <= 1 << 26));
            let was_waiting = gate.is_waiting();
            let passes = gate.passes_unit(bytes, at, *flagged);
            assert!(was_waiting || !gate.is_waiting());
            assert!(!passes || !gate.is_waiting());
            let _ = (gate.refers(bytes), gate.shows(at), gate.is_open_entry());
        }
        let _ = pace.exceeds(at, 120);
    }
}
