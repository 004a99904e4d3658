//! The tables of a transport stream that say what is in it (ISO/IEC 13818-1, 2.4.4).

pub(in crate::feed) use crate::cues::scte35::crc32;
use crate::frame::SoundRole;

/// What a stream is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Picture,
    Sound,
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub stream_type: u8,
    pub pid: u16,
    pub kind: Kind,
    pub descriptors: Vec<u8>,
}

/// The programmes there are, and where each one's table is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Pat {
    pub programmes: Vec<(u16, u16)>,
}

/// A programme's streams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pmt {
    pub number: u16,
    pub clock_pid: u16,
    pub descriptors: Vec<u8>,
    pub streams: Vec<Stream>,
}

/// A section is at most this long (2.4.4.10).
const LONGEST_SECTION: usize = 1024;

/// Puts sections together from packets.
#[derive(Clone, Debug, Default)]
pub(super) struct Assembler {
    section: Vec<u8>,
    counter: Option<u8>,
}

impl Assembler {
    /// The sections that this packet completes.
    pub fn take(&mut self, packet: &[u8]) -> Vec<Vec<u8>> {
        let control = packet[3] >> 4 & 3;
        let begin = if control & 2 != 0 { 5 + usize::from(packet[4]) } else { 4 };
        let (begins, counter) = (packet[1] & 0x40 != 0, packet[3] & 0x0f);
        let payload = match packet.get(begin..) {
            Some(payload) if control & 1 != 0 && !payload.is_empty() => payload,
            _ => return Vec::new(),
        };
        let in_order = self.counter.is_none_or(|last| (last + 1) % 16 == counter);
        self.counter = Some(counter);
        if !in_order {
            self.section.clear();
        }
        let mut done = Vec::new();
        if !begins {
            self.go_on(payload, &mut done);
            return done;
        }
        let (before, after) = payload[1..].split_at(usize::from(payload[0]).min(payload.len() - 1));
        self.go_on(before, &mut done);
        self.section = after.to_vec();
        while self.complete(&mut done) {}
        done
    }

    /// What belongs to a section that has begun. Another one begins in a packet that says so alone (2.4.4.2): what is behind the end is stuffing, and
    /// kept it would grow with every packet.
    fn go_on(&mut self, payload: &[u8], done: &mut Vec<Vec<u8>>) {
        if self.section.is_empty() {
            return;
        }
        self.section.extend_from_slice(payload);
        if self.complete(done) {
            self.section.clear();
        }
    }

    fn complete(&mut self, done: &mut Vec<Vec<u8>>) -> bool {
        let whole = match self.section[..] {
            // Stuffing (2.4.4): nothing more in this packet.
            [] | [0xff, ..] => {
                self.section.clear();
                return false;
            }
            [_, high, low, ..] => 3 + (usize::from(high & 0x0f) << 8 | usize::from(low)),
            _ => return false,
        };
        if whole > LONGEST_SECTION {
            self.section.clear();
            return false;
        }
        if self.section.len() < whole {
            return false;
        }
        let rest = self.section.split_off(whole);
        let section = std::mem::replace(&mut self.section, rest);
        if crc32(&section) == 0 {
            done.push(section);
        }
        true
    }
}

fn pid(bytes: &[u8]) -> u16 {
    u16::from(bytes[0] & 0x1f) << 8 | u16::from(bytes[1])
}

fn length(bytes: &[u8]) -> usize {
    usize::from(bytes[0] & 0x0f) << 8 | usize::from(bytes[1])
}

impl Pat {
    /// The list in a section that is in force; `None` for other tables and lists that are yet to come.
    pub fn parse(section: &[u8]) -> Option<Self> {
        if section.len() < 12 || section[0] != 0 || section[5] & 1 == 0 {
            return None;
        }
        let entries = section[8..section.len() - 4].chunks_exact(4);
        let programmes = entries.map(|e| (u16::from_be_bytes([e[0], e[1]]), pid(&e[2..])));
        // Programme 0 is the network's table.
        Some(Self { programmes: programmes.filter(|(number, _)| *number != 0).collect() })
    }
}

impl Pmt {
    pub fn parse(section: &[u8]) -> Option<Self> {
        if section.len() < 16 || section[0] != 2 || section[5] & 1 == 0 {
            return None;
        }
        let end = section.len() - 4;
        let descriptors = section.get(12..12 + length(&section[10..]))?.to_vec();
        let bluray = registration(&descriptors) == Some(b"HDMV");
        let mut at = 12 + descriptors.len();
        let mut streams = Vec::new();
        while at + 5 <= end {
            let own = section.get(at + 5..at + 5 + length(&section[at + 3..]))?;
            let stream_type = section[at];
            let kind = kind_of(stream_type, own, bluray);
            streams.push(Stream { stream_type, pid: pid(&section[at + 1..]), kind, descriptors: own.to_vec() });
            at += 5 + own.len();
        }
        let number = u16::from_be_bytes([section[3], section[4]]);
        Some(Self { number, clock_pid: pid(&section[8..]), descriptors, streams })
    }

    pub fn picture(&self) -> Option<&Stream> {
        self.streams.iter().find(|stream| stream.kind == Kind::Picture)
    }
}

impl Stream {
    /// Whether a decoder of the one goes on with the other.
    pub fn is_as(&self, other: &Self) -> bool {
        (self.pid, self.stream_type, self.kind) == (other.pid, other.stream_type, other.kind)
            && (self.stream_type != 6 || self.descriptors == other.descriptors)
    }

    /// The bodies of its descriptors of a tag.
    pub fn descriptors_of(&self, wanted: u8) -> impl Iterator<Item = &[u8]> {
        descriptors(&self.descriptors).filter(move |(tag, _)| *tag == wanted).map(|(_, body)| body)
    }

    /// The language that it tells (ISO_639_language_descriptor, 2.6.18); none where it says that it is undetermined or nothing in particular.
    pub fn language(&self) -> Option<&str> {
        let body = descriptors(&self.descriptors).find(|(tag, body)| *tag == 0x0a && body.len() >= 4)?.1;
        let code = std::str::from_utf8(&body[..3]).ok()?;
        let is_code = code.bytes().all(|byte| byte.is_ascii_alphabetic());
        let says_nothing = matches!(&*code.to_ascii_lowercase(), "und" | "mis" | "mul" | "qaa" | "zxx");
        (is_code && !says_nothing).then_some(code)
    }

    /// What it is for: by the type in its language descriptor (2.6.19), or by its supplementary audio descriptor (ETSI EN 300 468, 6.4.10).
    pub fn role(&self) -> SoundRole {
        let told = descriptors(&self.descriptors).find_map(|(tag, body)| match (tag, body) {
            (0x0a, [_, _, _, kind, ..]) => match kind {
                1 => Some(SoundRole::Clean),
                2 => Some(SoundRole::HearingImpaired),
                3 => Some(SoundRole::Description),
                _ => None,
            },
            (0x7f, [0x06, about, ..]) => match about >> 2 & 0x1f {
                0x01 => Some(SoundRole::Description),
                0x02 => Some(SoundRole::HearingImpaired),
                _ => None,
            },
            _ => None,
        });
        told.unwrap_or_default()
    }

    /// Whether its language (ISO_639_language_descriptor, 2.6.18) is this one, of two letters or three.
    pub fn speaks(&self, language: &str) -> bool {
        descriptors(&self.descriptors).filter(|(tag, _)| *tag == 0x0a).any(|(_, body)| {
            body.chunks_exact(4)
                .any(|entry| std::str::from_utf8(&entry[..3]).is_ok_and(|is| same_language(is, language)))
        })
    }
}

/// Languages by ISO 639-1 and ISO 639-2 (T, and B where it differs), and what they are called.
const LANGUAGES: [(&str, &str, &str, &str); 30] = [
    ("ar", "ara", "", "Arabic"),
    ("bg", "bul", "", "Bulgarian"),
    ("ca", "cat", "", "Catalan"),
    ("cs", "ces", "cze", "Czech"),
    ("da", "dan", "", "Danish"),
    ("de", "deu", "ger", "German"),
    ("el", "ell", "gre", "Greek"),
    ("en", "eng", "", "English"),
    ("es", "spa", "", "Spanish"),
    ("et", "est", "", "Estonian"),
    ("fi", "fin", "", "Finnish"),
    ("fr", "fra", "fre", "French"),
    ("he", "heb", "", "Hebrew"),
    ("hi", "hin", "", "Hindi"),
    ("hr", "hrv", "scr", "Croatian"),
    ("hu", "hun", "", "Hungarian"),
    ("it", "ita", "", "Italian"),
    ("ja", "jpn", "", "Japanese"),
    ("ko", "kor", "", "Korean"),
    ("nl", "nld", "dut", "Dutch"),
    ("no", "nor", "", "Norwegian"),
    ("pl", "pol", "", "Polish"),
    ("pt", "por", "", "Portuguese"),
    ("ro", "ron", "rum", "Romanian"),
    ("ru", "rus", "", "Russian"),
    ("sv", "swe", "", "Swedish"),
    ("th", "tha", "", "Thai"),
    ("tr", "tur", "", "Turkish"),
    ("uk", "ukr", "", "Ukrainian"),
    ("zh", "zho", "chi", "Chinese"),
];

/// Whether two codes name one language.
pub(super) fn same_language(one: &str, other: &str) -> bool {
    let (one, other) = (one.to_ascii_lowercase(), other.to_ascii_lowercase());
    one == other || known_language(&one).is_some_and(|known| Some(known) == known_language(&other))
}

/// Bytes of a language tag; the longest that RFC 5646 (4.4.1) reckons with has 35.
const MOST_TAG: usize = 35;

/// Whether a text can be a language tag (RFC 5646, 2.1: subtags of one to eight letters and digits); some write them with low lines.
pub fn is_language(text: &str) -> bool {
    let is_subtag = |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= MOST_TAG && text.split(['-', '_']).all(is_subtag)
}

/// A code of broadcasts as RFC 5646 wants it: the shortest there is.
pub(super) fn language_tag(code: &str) -> String {
    let code = code.to_ascii_lowercase();
    known_language(&code).map_or(code.clone(), |(short, ..)| (*short).to_owned())
}

/// The code of a language in three letters (ISO 639-2/T), whichever of its codes this is.
pub(in crate::feed) fn language_in_three(code: &str) -> String {
    let code = code.to_ascii_lowercase();
    known_language(&code).map_or(code.clone(), |(_, three, ..)| (*three).to_owned())
}

/// What a language is called.
pub(in crate::feed) fn language_name(code: &str) -> Option<&'static str> {
    known_language(&code.to_ascii_lowercase()).map(|(.., name)| *name)
}

fn known_language(code: &str) -> Option<&'static (&'static str, &'static str, &'static str, &'static str)> {
    LANGUAGES.iter().find(|(a, b, c, _)| code == *a || code == *b || (code == *c && !c.is_empty()))
}

/// Descriptors (2.6) by tag.
fn descriptors(bytes: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let [tag, size, ..] = *rest else { return None };
        let body = rest.get(2..2 + usize::from(size))?;
        rest = &rest[2 + usize::from(size)..];
        Some((tag, body))
    })
}

fn registration(bytes: &[u8]) -> Option<&[u8]> {
    descriptors(bytes).find(|(tag, body)| *tag == 5 && body.len() >= 4).map(|(_, body)| &body[..4])
}

/// What a stream is, by its type (2.4.4.9; above 0x7f as ATSC A/53 and Blu-ray assign them) and its descriptors.
fn kind_of(stream_type: u8, own: &[u8], bluray: bool) -> Kind {
    match stream_type {
        0x01 | 0x02 | 0x10 | 0x1b | 0x20 | 0x21 | 0x24 | 0x33 | 0x42 | 0xd1 | 0xd2 | 0xea => Kind::Picture,
        0x03 | 0x04 | 0x0f | 0x11 | 0x1c | 0x2d | 0x81 | 0x84 | 0x87 | 0x8a => Kind::Sound,
        0x80 | 0x82 | 0x83 | 0x85 | 0x86 if bluray => Kind::Sound,
        0x80 => Kind::Picture,
        // Private data: its descriptors tell (ETSI EN 300 468, annex D; SMPTE registrations).
        0x06 => {
            let by_tag = descriptors(own).any(|(tag, body)| match tag {
                0x6a | 0x7a | 0x7b | 0x7c => true,
                0x7f => matches!(body.first(), Some(0x0e | 0x15 | 0x80)),
                _ => false,
            });
            match registration(own) {
                Some(b"HEVC" | b"AV01" | b"VC-1" | b"drac" | b"VVC ") => Kind::Picture,
                Some(b"AC-3" | b"EAC3" | b"BSSD" | b"Opus" | b"DTS1" | b"DTS2" | b"DTS3" | b"AC-4") => Kind::Sound,
                _ if by_tag => Kind::Sound,
                _ => Kind::Other,
            }
        }
        _ => Kind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_behind_a_section_in_a_packet_that_begins_none_is_not_kept() {
        let packet = |begins: u8, counter: u8| {
            let mut packet = vec![0x47, begins << 6, 0, 0x10 | counter & 15];
            packet.resize(188, 0);
            packet
        };
        let mut assembler = Assembler::default();
        // Sections without a byte: a pointer, 61 of them, and what is left is too short to be one.
        assembler.take(&packet(1, 0)[..187]);
        assert_eq!(assembler.section.len(), 2);
        for counter in 1..100 {
            assembler.take(&packet(0, counter));
            assert!(assembler.section.len() <= LONGEST_SECTION, "{}", assembler.section.len());
        }
    }
}
