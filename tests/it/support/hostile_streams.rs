//! Streams that say of themselves what nobody should believe, byte by byte (ISO/IEC 13818-1, ITU-T H.264 and H.265).

use super::signalled::sealed;

const PACKET: usize = 188;
const PMT_PID: u16 = 0x1000;
const PICTURE_PID: u16 = 0x100;
const H264: u8 = 0x1b;
const HEVC: u8 = 0x24;
const AAC: u8 = 0x0f;
/// Ticks of a picture, at 25 a second.
const PICTURE_TICKS: u64 = 3600;

/// Bits, the first one highest.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
}

impl Bits {
    fn u(mut self, bits: u32, value: u64) -> Self {
        for bit in (0..bits).rev() {
            if self.count.is_multiple_of(8) {
                self.bytes.push(0);
            }
            let at = self.count / 8;
            self.bytes[at] |= ((value >> bit & 1) as u8) << (7 - self.count % 8);
            self.count += 1;
        }
        self
    }

    /// Exp-Golomb.
    fn ue(self, value: u64) -> Self {
        let length = 64 - (value + 1).leading_zeros();
        self.u(length - 1, 0).u(length, value + 1)
    }

    fn all(self, values: &[u64]) -> Self {
        values.iter().fold(self, |bits, value| bits.ue(*value))
    }

    /// A NAL unit with a start code, behind `header`.
    fn nal(self, header: &[u8]) -> Vec<u8> {
        let mut nal = vec![0, 0, 0, 1];
        nal.extend(header);
        let mut zeros = 0;
        for byte in self.u(1, 1).bytes {
            if zeros >= 2 && byte <= 3 {
                nal.push(3);
                zeros = 0;
            }
            zeros = if byte == 0 { zeros + 1 } else { 0 };
            nal.push(byte);
        }
        nal
    }
}

/// Bytes without a pattern.
fn noise(count: usize) -> Vec<u8> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    (0..count).map(|_| random.next() as u8 | 1).collect()
}

/// Two seconds of H.264 in a transport stream, whose pictures say that they are of so many pixels and hold nothing that could be decoded.
pub fn h264_of(width: u64, height: u64) -> Vec<u8> {
    let sps = Bits::default()
        .u(8, 77)
        .u(8, 0)
        .u(8, 62)
        .all(&[0, 0, 2, 16])
        .u(1, 0)
        .all(&[width.div_ceil(16) - 1, height.div_ceil(16) - 1])
        .u(4, 0b1100);
    let pps = Bits::default().all(&[0, 0]).u(2, 0).all(&[0, 0, 0]).u(3, 0).all(&[0, 0, 0]).u(3, 0);
    let slice = Bits::default().all(&[0, 7, 0]).u(4, 0).ue(0).u(2, 0).ue(0);
    let unit = [Bits::default().u(3, 0).nal(&[9]), sps.nal(&[0x67]), pps.nal(&[0x68]), slice.nal(&[0x65]), noise(400)];
    stream(H264, &vec![unit.concat(); 50])
}

/// Two seconds of HEVC of 4096x2304 that asks its decoder to hold `pictures` back.
pub fn hevc_holding(pictures: u64) -> Vec<u8> {
    let profile = |bits: Bits| bits.u(8, 1).u(32, 0x6000_0000).u(4, 0b1001).u(44, 0).u(8, 186);
    let vps = profile(Bits::default().u(4, 0).u(2, 3).u(6, 0).u(3, 0).u(1, 1).u(16, 0xffff))
        .u(1, 1)
        .all(&[pictures - 1, pictures - 1, 0])
        .u(6, 0)
        .ue(0)
        .u(2, 0);
    let sps = profile(Bits::default().u(4, 0).u(3, 0).u(1, 1))
        .all(&[0, 1, 4096, 2304])
        .u(1, 0)
        .all(&[0, 0, 4])
        .u(1, 1)
        .all(&[pictures - 1, pictures - 1, 0, 0, 3, 0, 3, 0, 0])
        .u(4, 0)
        .ue(0)
        .u(5, 0);
    let pps = Bits::default().all(&[0, 0]).u(7, 0).all(&[0, 0, 0]).u(3, 0).all(&[0, 0]).u(10, 0).ue(0).u(2, 0);
    let unit = [
        vps.nal(&[0x40, 1]),
        sps.nal(&[0x42, 1]),
        pps.nal(&[0x44, 1]),
        Bits::default().u(2, 0b10).ue(0).ue(2).nal(&[0x26, 1]),
        noise(400),
    ];
    stream(HEVC, &vec![unit.concat(); 50])
}

/// A programme whose table lists so many streams, in as many sections as that takes.
pub fn programme_of(streams: usize) -> Vec<u8> {
    let pids: Vec<u16> = (0x20..0x1fff).filter(|pid| *pid != PMT_PID).take(streams).collect();
    assert_eq!(pids.len(), streams, "there are no more PIDs");
    let listed: Vec<(u8, u16)> = pids.iter().map(|pid| (if *pid == PICTURE_PID { H264 } else { AAC }, *pid)).collect();
    let mut out = Packets::default();
    for _ in 0..20 {
        out.tables(&listed);
        for pid in pids.iter().take(200) {
            out.section_or_unit(*pid, &pes(0, &noise(100)), None);
        }
    }
    out.bytes
}

fn stream(kind: u8, units: &[Vec<u8>]) -> Vec<u8> {
    let mut out = Packets::default();
    for (n, unit) in (0u64..).zip(units) {
        if n % 10 == 0 {
            out.tables(&[(kind, PICTURE_PID)]);
        }
        let pts = 90_000 + n * PICTURE_TICKS;
        out.section_or_unit(PICTURE_PID, &pes(pts, unit), Some(pts - 9000));
    }
    out.bytes
}

fn pes(pts: u64, unit: &[u8]) -> Vec<u8> {
    let mut pes = vec![0, 0, 1, 0xe0, 0, 0, 0x80, 0x80, 5];
    let part = |shift: u32| (pts >> shift) as u8;
    pes.extend([0x21 | part(29) & 0x0e, part(22), part(14) | 1, part(7), part(0) << 1 | 1]);
    pes.extend(unit);
    pes
}

#[derive(Default)]
struct Packets {
    bytes: Vec<u8>,
    counters: std::collections::HashMap<u16, u8>,
}

impl Packets {
    fn tables(&mut self, streams: &[(u8, u16)]) {
        let pat = sealed(vec![0, 0xb0, 13, 0, 1, 0xc1, 0, 0, 0, 1, 0xe0 | (PMT_PID >> 8) as u8, PMT_PID as u8]);
        self.section_or_unit(0, &[&[0], &pat[..]].concat(), None);
        let sections: Vec<_> = streams.chunks(200).collect();
        for (n, streams) in sections.iter().enumerate() {
            let mut pmt = vec![2, 0, 0, 0, 1, 0xc1, n as u8, (sections.len() - 1) as u8];
            pmt.extend([0xe0 | (PICTURE_PID >> 8) as u8, PICTURE_PID as u8, 0xf0, 0]);
            for (kind, pid) in *streams {
                pmt.extend([*kind, 0xe0 | (pid >> 8) as u8, *pid as u8, 0xf0, 0]);
            }
            let length = pmt.len() + 4 - 3;
            (pmt[1], pmt[2]) = (0xb0 | (length >> 8) as u8, length as u8);
            self.section_or_unit(PMT_PID, &[&[0], &sealed(pmt)[..]].concat(), None);
        }
    }

    /// One after another, the last one filled up.
    fn section_or_unit(&mut self, pid: u16, payload: &[u8], pcr: Option<u64>) {
        let mut rest = payload;
        let mut first = true;
        while !rest.is_empty() {
            let pcr = pcr.filter(|_| first);
            let is_table = pid == 0 || pid == PMT_PID;
            let mut field = Vec::new();
            if let Some(pcr) = pcr {
                field.extend([7, 0x10]);
                field.extend([(pcr >> 25) as u8, (pcr >> 17) as u8, (pcr >> 9) as u8, (pcr >> 1) as u8]);
                field.extend([(pcr << 7) as u8 | 0x7e, 0]);
            }
            let room = PACKET - 4 - field.len();
            if rest.len() < room && !is_table {
                let short = room - rest.len();
                match field.first_mut() {
                    Some(length) => *length += short as u8,
                    None => {
                        field.push((short - 1) as u8);
                        field.extend((short > 1).then_some(0));
                    }
                }
                field.resize(PACKET - 4 - rest.len(), 0xff);
            }
            let taken = rest.len().min(PACKET - 4 - field.len());
            let counter = self.counters.entry(pid).or_insert(0);
            let control = if field.is_empty() { 0x10 } else { 0x30 } | *counter;
            *counter = (*counter + 1) % 16;
            let begins = if first { 0x40 } else { 0 };
            let from = self.bytes.len();
            self.bytes.extend([0x47, begins | (pid >> 8) as u8, pid as u8, control]);
            self.bytes.extend(field);
            self.bytes.extend(&rest[..taken]);
            self.bytes.resize(from + PACKET, 0xff);
            (rest, first) = (&rest[taken..], false);
        }
    }
}

/// A still image of so many pixels each way, of which it says the size and holds nothing.
pub fn png_of(side: u32) -> Vec<u8> {
    let mut header = b"IHDR".to_vec();
    header.extend(side.to_be_bytes());
    header.extend(side.to_be_bytes());
    header.extend([1, 0, 0, 0, 0]);
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend(&header);
    png.extend(crc32fast::hash(&header).to_be_bytes());
    png.extend([0; 4096]);
    png
}

/// The same numbers for the same seed, everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// `stream` with a few things wrong in it: bytes that are others, lengths beyond all bounds, pieces missing, doubled or out of place.
pub fn mutated(stream: &[u8], seed: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut out = stream.to_vec();
    for _ in 0..1 + random.below(24) {
        // Half of what is wrong is wrong where a file begins: there are its tables.
        let reach = if random.next().is_multiple_of(2) { out.len().min(2048) } else { out.len() };
        let at = random.below(reach);
        let length = (1 + random.below(600)).min(out.len() - at);
        match random.below(6) {
            0 => out[at] = random.next() as u8,
            1 => out[at..(at + 4).min(stream.len()).max(at)].fill(0xff),
            2 => out[at..at + length].fill(random.next() as u8),
            3 => _ = out.drain(at..at + length),
            4 => {
                let piece = out[at..at + length].to_vec();
                let to = random.below(out.len());
                out.splice(to..to, piece);
            }
            _ => out.truncate(out.len() - out.len() / 16),
        }
        if out.len() < 64 {
            return out;
        }
    }
    out
}

#[test]
fn the_same_seed_makes_the_same_mess() {
    let stream: Vec<u8> = (0..20_000u32).map(|n| n as u8).collect();
    let made: Vec<_> = (0..50).map(|seed| mutated(&stream, seed)).collect();
    assert!(made.iter().enumerate().all(|(seed, mess)| *mess == mutated(&stream, seed as u64) && *mess != stream));
    assert!(h264_of(16_384, 16_384).len().is_multiple_of(PACKET) && programme_of(8000).len().is_multiple_of(PACKET));
}
