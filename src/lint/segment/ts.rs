//! MPEG-2 transport streams (8216bis 3.1.1; ISO 13818-1).

use std::collections::BTreeMap;

use super::super::rules::segment as rules;
use super::{Facts, Span};

const PACKET: usize = 188;
const PTS_HZ: f64 = 90_000.0;
/// Of 33 bits.
const PTS_PERIOD: i64 = 1 << 33;
const NULL_PID: u16 = 0x1fff;
/// Bytes at a picture's beginning that are searched for its first slice.
const SEARCHED: usize = 64 << 10;

#[derive(Default)]
struct Stream {
    kind: u8,
    first_pts: Option<i64>,
    least: i64,
    most: i64,
    count: u32,
    begun: bool,
    /// The beginning of the first picture.
    head: Vec<u8>,
}

/// Reads a segment. `has_map`: EXT-X-MAP may hold the tables.
pub fn read(bytes: &[u8], has_map: bool) -> Facts {
    let mut facts = Facts::default();
    if !bytes.len().is_multiple_of(PACKET) || bytes.chunks(PACKET).any(|packet| packet.first() != Some(&0x47)) {
        let found = format!("{} bytes, not all in packets that begin with 0x47", bytes.len());
        facts.fault(&rules::TS_SYNC, found, "packets of 188 bytes");
    }
    let (mut pmt_pid, mut programs) = (None, 0);
    let mut streams: BTreeMap<u16, Stream> = BTreeMap::new();
    let mut early = false;
    for packet in bytes.chunks_exact(PACKET).filter(|packet| packet[0] == 0x47) {
        let pid = u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]);
        let starts = packet[1] & 0x40 != 0;
        let Some(payload) = payload(packet) else { continue };
        if pid == 0 && starts && pmt_pid.is_none() {
            (pmt_pid, programs) = pat(payload);
        } else if Some(pid) == pmt_pid && starts && streams.values().all(|stream| !stream.begun) {
            pmt(payload, &mut streams);
        } else if let Some(stream) = streams.get_mut(&pid) {
            media(stream, payload, starts);
        } else if pid != 0 && pid > 0x1f && pid != NULL_PID && streams.is_empty() && starts && is_pes(payload) {
            early = true;
        }
    }
    if (pmt_pid.is_none() || streams.is_empty() || early) && !has_map {
        let found = if early { "media before PAT and PMT" } else { "no PAT and PMT" };
        facts.fault(&rules::TS_TABLES, found, "PAT and PMT first");
    }
    if programs > 1 {
        facts.fault(&rules::TS_PROGRAMS, format!("{programs} programmes"), "one");
    }
    for (pid, stream) in &streams {
        tell(*pid, stream, &mut facts);
    }
    facts
}

fn payload(packet: &[u8]) -> Option<&[u8]> {
    match packet[3] >> 4 & 3 {
        1 => packet.get(4..),
        3 => packet.get(5 + usize::from(packet[4])..),
        _ => None,
    }
}

/// The body of a table's section, behind `fields` bytes of it and without its check sum.
fn section(payload: &[u8]) -> Option<&[u8]> {
    let begin = 1 + usize::from(*payload.first()?);
    let table = payload.get(begin..)?;
    let length = usize::from(table.get(1)? & 0x0f) << 8 | usize::from(*table.get(2)?);
    // A table that goes on in the next packet is read as far as this one has it.
    table.get(..(3 + length).min(table.len()))
}

/// The PID of the first programme's map, and how many programmes there are.
fn pat(payload: &[u8]) -> (Option<u16>, usize) {
    let Some(table) = section(payload) else { return (None, 0) };
    let end = table.len().saturating_sub(4);
    let entries = table.get(8..end).unwrap_or_default().chunks_exact(4);
    // Number 0 is the network table.
    let pids: Vec<u16> = entries
        .filter(|entry| entry[0] != 0 || entry[1] != 0)
        .map(|entry| u16::from(entry[2] & 0x1f) << 8 | u16::from(entry[3]))
        .collect();
    (pids.first().copied(), pids.len())
}

fn pmt(payload: &[u8], streams: &mut BTreeMap<u16, Stream>) {
    let Some(table) = section(payload) else { return };
    let Some([high, low]) = table.get(10..12) else { return };
    let mut at = 12 + (usize::from(high & 0x0f) << 8 | usize::from(*low));
    let end = table.len().saturating_sub(4);
    while let Some(&[kind, pid_high, pid_low, info_high, info_low]) = table.get(at..at + 5).filter(|_| at + 5 <= end) {
        let pid = u16::from(pid_high & 0x1f) << 8 | u16::from(pid_low);
        streams.entry(pid).or_insert_with(|| Stream { kind, ..Stream::default() });
        at += 5 + (usize::from(info_high & 0x0f) << 8 | usize::from(info_low));
    }
}

fn is_pes(payload: &[u8]) -> bool {
    payload.starts_with(&[0, 0, 1])
}

fn media(stream: &mut Stream, payload: &[u8], starts: bool) {
    if !starts {
        if stream.count <= 1 && stream.begun && stream.head.len() < SEARCHED {
            stream.head.extend_from_slice(payload);
        }
        return;
    }
    if !is_pes(payload) {
        return;
    }
    stream.begun = true;
    let Some(pts) = pts(payload) else { return };
    let first = *stream.first_pts.get_or_insert(pts);
    // Over the turn of the 33 bits, times go on.
    let mut apart = (pts - first).rem_euclid(PTS_PERIOD);
    if apart > PTS_PERIOD / 2 {
        apart -= PTS_PERIOD;
    }
    stream.least = stream.least.min(apart);
    stream.most = stream.most.max(apart);
    if stream.count == 0 {
        let header = 9 + usize::from(payload.get(8).copied().unwrap_or(0));
        stream.head.extend_from_slice(payload.get(header..).unwrap_or_default());
    }
    stream.count += 1;
}

fn pts(payload: &[u8]) -> Option<i64> {
    if payload.get(7)? & 0x80 == 0 {
        return None;
    }
    let b = payload.get(9..14)?;
    let part = |byte: u8, shift: u32| i64::from(byte) << shift;
    Some(part(b[0] >> 1 & 7, 30) | part(b[1], 22) | part(b[2] >> 1, 15) | part(b[3], 7) | part(b[4] >> 1, 0))
}

/// Four letters of CODECS for a stream type; `None` for what is no sound and no pictures.
fn codec(kind: u8) -> Option<(&'static str, bool)> {
    match kind {
        0x1b | 0xdb => Some(("avc1", true)),
        0x24 => Some(("hvc1", true)),
        0x0f | 0xcf => Some(("mp4a", false)),
        0x03 | 0x04 => Some(("mp4a", false)),
        0x81 | 0xc1 => Some(("ac-3", false)),
        0x87 | 0xc2 => Some(("ec-3", false)),
        _ => None,
    }
}

fn tell(pid: u16, stream: &Stream, facts: &mut Facts) {
    let Some((codec, is_video)) = codec(stream.kind) else { return };
    facts.codecs.push(codec.to_owned());
    let Some(first) = stream.first_pts else {
        // A stream that is announced may be silent for a segment; one that has media must say when.
        if stream.begun {
            facts.fault(&rules::TS_PTS, format!("stream {pid} without PTS"), "PTS");
        }
        return;
    };
    let lasts = (stream.most - stream.least) as f64 / PTS_HZ;
    // A packet of sound may hold many frames: how long its last one lasts is a guess, good to a packet.
    let sample_s = if stream.count > 1 { lasts / f64::from(stream.count - 1) } else { 0.0 };
    let begin_s = (first + stream.least) as f64 / PTS_HZ;
    facts.spans.push(Span { track: u32::from(pid), is_video, begin_s, end_s: begin_s + lasts + sample_s, sample_s });
    // Sample encryption leaves NAL headers alone, so this holds for it, too.
    if is_video && matches!(stream.kind, 0x1b | 0xdb) {
        facts.starts_sync = first_slice(&stream.head).map(|kind| kind == 5);
    }
}

/// The type of the first H.264 slice.
fn first_slice(bytes: &[u8]) -> Option<u8> {
    bytes.windows(4).filter(|w| w[..3] == [0, 0, 1]).map(|w| w[3] & 0x1f).find(|kind| matches!(kind, 1 | 2 | 5))
}
