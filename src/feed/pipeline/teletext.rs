//! Pages of teletext beside a programme, as they lie in its packets (ETSI EN 300 472; ISO/IEC 13818-1).

use std::sync::Arc;

use super::tables::{Stream, language_tag};
use crate::captions::{Kind, TrackInfo};
use crate::feed::texts::TextOrigin;

/// teletext_descriptor (ETSI EN 300 468, 6.2.43).
const TELETEXT: u8 = 0x56;
/// Subtitles, and those for the hard of hearing (EN 300 468, table 104).
const SUBTITLES: u8 = 2;
const FOR_DEAF: u8 = 5;
/// Pages of a stream that are read.
const MOST_PAGES: usize = 8;
/// A PES packet of teletext is far smaller (EN 300 472, 4.2: some 1.3 kB for each field).
const LONGEST_PACKET: usize = 64 << 10;

/// A page of subtitles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::feed) struct Page {
    pub origin: Arc<TextOrigin>,
    /// Magazine and number, in hexadecimal digits.
    pub number: u16,
}

/// The pages of subtitles that a stream's descriptors name.
pub(super) fn pages_of(stream: &Stream) -> Vec<Page> {
    let bodies = stream.descriptors_of(TELETEXT);
    let entries = bodies.flat_map(|body| body.as_chunks::<5>().0);
    let page = |entry: &[u8; 5]| {
        let [a, b, c, kind, number] = *entry;
        let kind = match kind >> 3 {
            SUBTITLES => Kind::Subtitles,
            FOR_DEAF => Kind::Captions,
            _ => return None,
        };
        let magazine = u16::from(entry[3] & 7);
        let number = magazine << 8 | u16::from(number);
        let letters: String = [a, b, c].iter().map(|letter| char::from(*letter)).collect();
        let known = letters.bytes().all(|letter| letter.is_ascii_alphabetic());
        let language = if known { language_tag(&letters) } else { "und".into() };
        let origin = TextOrigin { track: TrackInfo { language, kind }, name: format!("teletext {number:03x}").into() };
        Some(Page { origin: Arc::new(origin), number })
    };
    entries.filter_map(page).take(MOST_PAGES).collect()
}

/// Puts PES packets together.
#[derive(Debug, Default)]
pub(super) struct PesReader {
    packet: Vec<u8>,
    counter: Option<u8>,
}

/// A PES packet's presentation time, where it has one, and its data.
pub(super) type Pes = (Option<u64>, Vec<u8>);

impl PesReader {
    /// The packets that this one of the transport stream completes.
    pub fn take(&mut self, packet: &[u8]) -> Vec<Pes> {
        let (begins, control, counter) = (packet[1] & 0x40 != 0, packet[3] >> 4 & 3, packet[3] & 0x0f);
        let begin = if control & 2 != 0 { 5 + usize::from(packet[4]) } else { 4 };
        let payload = match packet.get(begin..) {
            Some(payload) if control & 1 != 0 => payload,
            _ => return Vec::new(),
        };
        let in_order = self.counter.replace(counter).is_none_or(|last| (last + 1) % 16 == counter);
        let mut done = Vec::new();
        if begins {
            // Where it had no length it ends with the next.
            done.extend(pes_of(&std::mem::take(&mut self.packet)));
        } else if !in_order || self.packet.is_empty() || self.packet.len() + payload.len() > LONGEST_PACKET {
            self.packet.clear();
            return done;
        }
        self.packet.extend_from_slice(payload);
        let is_whole = match self.packet[..] {
            [_, _, _, _, high, low, ..] => {
                let length = usize::from(high) << 8 | usize::from(low);
                length > 0 && self.packet.len() >= 6 + length
            }
            _ => false,
        };
        if is_whole {
            done.extend(pes_of(&std::mem::take(&mut self.packet)));
        }
        done
    }
}

/// ISO/IEC 13818-1, 2.4.3.6.
fn pes_of(packet: &[u8]) -> Option<Pes> {
    let [0, 0, 1, 0xbd, high, low, flags, has, head, rest @ ..] = packet else { return None };
    if flags & 0xc0 != 0x80 {
        return None;
    }
    let length = usize::from(*high) << 8 | usize::from(*low);
    let end = if length > 0 { length.saturating_sub(3).min(rest.len()) } else { rest.len() };
    let data = rest.get(usize::from(*head)..end)?;
    let pts = (has & 0x80 != 0).then(|| rest.first_chunk::<5>()).flatten().map(|[a, b, c, d, e]| {
        u64::from(a >> 1 & 7) << 30
            | u64::from(*b) << 22
            | u64::from(c >> 1) << 15
            | u64::from(*d) << 7
            | u64::from(e >> 1)
    });
    Some((pts, data.to_vec()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tables::Kind as StreamKind;
    use super::*;

    #[test]
    fn pages_of_subtitles_are_named_with_their_language() {
        let descriptors = [&[0x56, 15][..], b"deu\x09\x00", b"deu\x15\x50", b"fre\x28\x88", &[0x0a, 4], b"eng\0"];
        let stream = Stream { stream_type: 6, pid: 100, kind: StreamKind::Other, descriptors: descriptors.concat() };
        let pages = pages_of(&stream);
        let told: Vec<_> =
            pages.iter().map(|page| (&*page.origin.track.language, page.origin.track.kind, page.number)).collect();
        assert_eq!(told, [("de", Kind::Subtitles, 0x550), ("fr", Kind::Captions, 0x088)]);
    }

    fn packet(begins: bool, counter: u8, payload: &[u8]) -> Vec<u8> {
        let stuffing = 184 - payload.len();
        let mut packet = vec![0x47, u8::from(begins) << 6, 100, if stuffing > 0 { 0x30 } else { 0x10 } | counter];
        if stuffing > 0 {
            packet.push((stuffing - 1) as u8);
            packet.extend(std::iter::repeat_n(0xff, stuffing - 1));
        }
        packet.extend(payload);
        packet
    }

    #[test]
    fn packets_are_put_together_and_one_with_a_hole_is_left_out() {
        let data: Vec<u8> = (0..300).map(|n| n as u8).collect();
        let pts = 0x1_2345_6789_u64;
        let mut pes = vec![0, 0, 1, 0xbd, 1, 0x34, 0x80, 0x80, 5];
        pes.extend([
            0x21 | (pts >> 29) as u8 & 0x0e,
            (pts >> 22) as u8,
            (pts >> 14) as u8 | 1,
            (pts >> 7) as u8,
            (pts << 1) as u8 | 1,
        ]);
        pes.extend(&data);
        let mut reader = PesReader::default();
        assert_eq!(reader.take(&packet(true, 3, &pes[..184])), []);
        assert_eq!(reader.take(&packet(false, 4, &pes[184..])), [(Some(pts), data.clone())]);
        assert_eq!(reader.take(&packet(true, 5, &pes[..184])), []);
        assert_eq!(reader.take(&packet(false, 7, &pes[184..])), [], "one is missing");
        // Without a length it ends where the next begins.
        (pes[4], pes[5]) = (0, 0);
        reader.take(&packet(true, 8, &pes[..184]));
        assert_eq!(reader.take(&packet(false, 9, &pes[184..])), []);
        assert_eq!(reader.take(&packet(true, 10, &pes[..184])), [(Some(pts), data)]);
    }

    proptest! {
        #[test]
        fn any_packets_are_borne(packets in prop::collection::vec(prop::collection::vec(prop_oneof![Just(0u8), Just(1), Just(0xbd), any::<u8>()], 188), 0..20)) {
            let mut reader = PesReader::default();
            for packet in packets {
                reader.take(&packet);
                prop_assert!(reader.packet.len() <= LONGEST_PACKET);
            }
        }
    }
}
