//! Subtitle pages of teletext (ETSI EN 300 706), in PES packets of DVB (ETSI EN 300 472).
//!
//! Level 1 of it: text in boxes, its colours, the national subsets of Latin letters. Enhancements (packets X/26 to X/29: accents that a subset
//! has not, other alphabets) are not read.

use super::block::{Geometry, SAFE, texts};
use super::memory::{Cell, Memory};
use super::{Rgba, Screen, Style, Text};
use crate::timeline::MediaTime;

const ROWS: usize = 25;
const COLUMNS: usize = 40;

const GEOMETRY: Geometry = Geometry {
    left: SAFE,
    top: SAFE,
    column: (100.0 - 2.0 * SAFE) / COLUMNS as f64,
    row: (100.0 - 2.0 * SAFE) / ROWS as f64,
    gap: 2,
    justify: None,
};

/// The places of G0 that a national subset has its own letters in (EN 300 706, table 36), and these letters, by C14, C13 and C12 (table 32).
const NATIONAL: [u8; 13] = [0x23, 0x24, 0x40, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f, 0x60, 0x7b, 0x7c, 0x7d, 0x7e];
const SUBSETS: [&str; 8] = [
    "£$@←½→↑#—¼‖¾÷",
    "éïàëêùî#èâôûç",
    "#¤ÉÄÖÅÜ_éäöåü",
    "#ůčťžýířéáěúš",
    "#$§ÄÖÜ^_°äöüß",
    "ç$¡áéíóú¿üñèà",
    "£$é°ç→↑#ùàòèì",
    "£$@←½→↑#—¼‖¾÷",
];

/// Reads one page of a stream.
#[derive(Debug)]
pub struct Decoder {
    /// Magazine, 1 to 8, and page within it, as two digits of hexadecimal.
    magazine: u8,
    page: u8,
    memory: Memory,
    /// Whether rows that come are the page's.
    receiving: bool,
    subset: usize,
    shown: Vec<Text>,
    seen: bool,
}

impl Decoder {
    /// `page` as its descriptor has it: magazine 1 to 8 (0 is 8) and number, in hexadecimal digits: `0x888`.
    pub fn new(page: u16) -> Self {
        Self {
            magazine: magazine((page >> 8) as u8),
            page: page as u8,
            memory: Memory::new(ROWS, COLUMNS),
            receiving: false,
            subset: 0,
            shown: Vec::new(),
            seen: false,
        }
    }

    /// Whether the page has shown text so far.
    pub fn has_text(&self) -> bool {
        self.seen
    }

    /// Takes in the data of the PES packet that is due at `at` (after the PES header), and tells what the page shows from then on, where that
    /// is something else.
    ///
    /// The end of a packet counts as the page's: one that goes on in the next packet is told twice, rather than a packet later.
    pub fn push(&mut self, at: MediaTime, data: &[u8]) -> Option<Screen> {
        // EN 300 472, 4.3: the data identifier of teletext.
        let (0x10..=0x1f, mut rest) = data.split_first()? else { return None };
        while let [id, length, after @ ..] = rest {
            let (unit, after) = after.split_at(after.len().min(usize::from(*length)));
            rest = after;
            // Teletext and its subtitles; a line's place, a framing code, then the packet, whose bits come lowest first (4.4).
            if let (0x02 | 0x03, [_, _, packet @ ..]) = (*id, unit)
                && let Some(packet) = packet.first_chunk::<42>()
            {
                self.packet(&packet.map(u8::reverse_bits));
            }
        }
        let texts = texts(&self.memory, &GEOMETRY);
        if texts == self.shown {
            return None;
        }
        self.seen |= !texts.is_empty();
        self.shown.clone_from(&texts);
        Some(Screen { at, texts })
    }

    fn packet(&mut self, packet: &[u8; 42]) {
        let [first, second, data @ ..] = packet;
        let (Some(first), Some(second)) = (nibble(*first), nibble(*second)) else { return };
        let its = magazine(first & 7);
        let row = usize::from(second << 1 | first >> 3);
        if row == 0 {
            self.header(its, data);
        } else if its == self.magazine && self.receiving && row < ROWS {
            self.row(row, data);
        }
    }

    /// A page's header (EN 300 706, 9.3.1).
    fn header(&mut self, its: u8, data: &[u8; 40]) {
        let mut nibbles = [0; 8];
        for (to, from) in nibbles.iter_mut().zip(data) {
            let Some(nibble) = nibble(*from) else { return };
            *to = nibble;
        }
        let [units, tens, _, second, _, _, _, control] = nibbles;
        // C11: headers of all magazines end a page, not only those of its own.
        let serial = control & 1 != 0;
        if its != self.magazine || tens << 4 | units != self.page {
            self.receiving &= its != self.magazine && !serial;
            return;
        }
        self.receiving = true;
        self.subset = usize::from(control >> 1);
        // C4: what was there goes.
        if second & 8 != 0 {
            self.memory.clear();
        }
    }

    /// A row of text with its spacing attributes (EN 300 706, 12.2). What is outside boxes belongs to no subtitle.
    fn row(&mut self, row: usize, data: &[u8; 40]) {
        self.memory.clear_row(row, 0);
        let (mut boxed, mut mosaic) = (false, false);
        let mut style = Style::default();
        for (column, byte) in data.iter().enumerate() {
            // A character with a wrong bit is not known: a space.
            let code = if byte.count_ones() % 2 == 1 { byte & 0x7f } else { 0x20 };
            let mut char = ' ';
            match code {
                0x00..=0x07 => (mosaic, style.colour) = (false, colour(code)),
                0x10..=0x17 => mosaic = true,
                0x0a => boxed = false,
                0x0b => boxed = true,
                0x1c => style.background = None,
                // The ground becomes what the letters are now.
                0x1d => style.background = Some(style.colour.unwrap_or(Rgba::opaque(255, 255, 255))),
                0x20..=0x7f if !mosaic => char = self.char(code),
                // Mosaics have capitals among them.
                0x40..=0x5f => char = self.char(code),
                _ => {}
            }
            if boxed {
                self.memory.put(row, column, Some(Cell { char, style }));
            }
        }
    }

    fn char(&self, code: u8) -> char {
        let national = NATIONAL.iter().position(|place| *place == code);
        let subset = SUBSETS.get(self.subset).copied().unwrap_or_default();
        match (national, code) {
            (Some(at), _) => subset.chars().nth(at).unwrap_or(' '),
            (None, 0x7f) => '■',
            (None, code) => char::from(code),
        }
    }
}

/// Colours of letters by their code. White is what players show by themselves.
fn colour(code: u8) -> Option<Rgba> {
    let part = |bit: u8| if code & bit != 0 { 255 } else { 0 };
    (code & 7 != 7).then(|| Rgba::opaque(part(1), part(2), part(4)))
}

const fn magazine(number: u8) -> u8 {
    if number & 7 == 0 { 8 } else { number & 7 }
}

/// The byte that stands for four bits (EN 300 706, 8.2: Hamming 8/4).
const fn hamming(nibble: u8) -> u8 {
    let (d1, d2, d3, d4) = (nibble & 1, nibble >> 1 & 1, nibble >> 2 & 1, nibble >> 3 & 1);
    let (p1, p2, p3) = (1 ^ d1 ^ d3 ^ d4, 1 ^ d1 ^ d2 ^ d4, 1 ^ d1 ^ d2 ^ d3);
    let p4 = 1 ^ p1 ^ d1 ^ p2 ^ d2 ^ p3 ^ d3 ^ d4;
    p1 | d1 << 1 | p2 << 2 | d2 << 3 | p3 << 4 | d3 << 5 | p4 << 6 | d4 << 7
}

/// The four bits that a byte stands for; one wrong bit is righted, two are found.
fn nibble(byte: u8) -> Option<u8> {
    (0..16).find(|nibble| (hamming(*nibble) ^ byte).count_ones() <= 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::captions::{Align, LinePosition, Percent};

    fn unit(packet: &[u8]) -> Vec<u8> {
        let bits = packet.iter().map(|byte| byte.reverse_bits());
        [0x03, 0x2c, 0xe8, 0xe4].into_iter().chain(bits).collect()
    }

    fn odd(byte: u8) -> u8 {
        if byte.count_ones().is_multiple_of(2) { byte | 0x80 } else { byte }
    }

    fn address(magazine: u8, row: u8) -> [u8; 2] {
        [hamming(magazine & 7 | (row & 1) << 3), hamming(row >> 1)]
    }

    fn header(page: u16, erase: bool, control: u8) -> Vec<u8> {
        let nibbles = [page as u8 & 15, page as u8 >> 4, 0, if erase { 8 } else { 0 }, 0, 8, 0, control];
        let mut packet = address((page >> 8) as u8, 0).to_vec();
        packet.extend(nibbles.map(hamming));
        packet.resize(42, odd(b' '));
        unit(&packet)
    }

    fn row(magazine: u8, row: u8, text: &[u8]) -> Vec<u8> {
        let mut packet = address(magazine, row).to_vec();
        packet.extend(text.iter().map(|byte| odd(*byte)));
        packet.resize(42, odd(b' '));
        unit(&packet)
    }

    fn pes(units: &[Vec<u8>]) -> Vec<u8> {
        [&[0x10][..], &units.concat()].concat()
    }

    #[test]
    fn a_subtitle_page_is_shown_with_its_colours_and_erased() {
        let mut decoder = Decoder::new(0x888);
        // German (C14), serial.
        let upper = [&[b'X', 0x0d, 0x0b, 0x0b][..], b"Tor f}r", &[0x06], b"Kln!", &[0x0a, 0x0a], b"Y"].concat();
        let lower = [&[b' ', 0x0d, 0x03, 0x0b, 0x0b][..], b"  Ja!", &[0x0a]].concat();
        let data = pes(&[header(0x888, true, 9), row(0, 20, &upper), row(0, 22, &lower), row(1, 23, b"\x0b\x0bother")]);
        let at = MediaTime::from_secs(5);
        let screen = decoder.push(at, &data).unwrap();
        assert_eq!(screen.at, at);
        assert_eq!(screen.texts.iter().map(Text::text).collect::<Vec<_>>(), ["Tor für Kln!", "Ja!"]);
        let spans = screen.texts[0].lines[0].spans();
        assert_eq!((spans[0].style.colour, spans[1].style.colour), (None, Some(Rgba::opaque(0, 255, 255))));
        assert_eq!(screen.texts[1].lines[0].spans()[0].style.colour, Some(Rgba::opaque(255, 255, 0)));
        assert_eq!(screen.texts[0].placement.line, LinePosition::At(Percent::new(7400)));
        // The same again is no news; another page's header ends it, so its rows are not ours.
        assert_eq!(decoder.push(at, &data), None);
        let other = pes(&[header(0x8ff, true, 9), row(0, 20, b"\x0b\x0bclock")]);
        assert_eq!(decoder.push(at, &other), None);
        assert!(decoder.push(at, &pes(&[header(0x888, true, 9)])).unwrap().texts.is_empty());
        assert!(decoder.has_text());
    }

    /// A page in each subset, and what FFmpeg made of it with libzvbi: see `make_teletext.py`.
    #[test]
    fn letters_of_all_subsets_are_those_of_ffmpeg() {
        let mut decoder = Decoder::new(0x888);
        let mut ours = Vec::new();
        for line in include_str!("testdata/teletext.txt").lines() {
            let (seconds, hex) = line.split_once(' ').unwrap();
            let byte = |hex: &[u8]| u8::from_str_radix(str::from_utf8(hex).unwrap(), 16).unwrap();
            let data: Vec<u8> = hex.as_bytes().chunks(2).map(byte).collect();
            let screen = decoder.push(MediaTime::from_secs(seconds.parse().unwrap()), &data).unwrap();
            if !screen.texts.is_empty() {
                let text = screen.texts.iter().map(Text::text).collect::<Vec<_>>().join("\n");
                ours.push(format!("00:00:{:02},000 {text}", screen.at.as_nanos() / 1_000_000_000));
            }
        }
        let srt = include_str!("testdata/teletext.srt").replace('\r', "");
        let theirs = srt.trim().split("\n\n").map(|block| {
            let lines: Vec<&str> = block.lines().map(str::trim).collect();
            format!("{} {}", lines[1].split_once(' ').unwrap().0, lines[2..].join("\n"))
        });
        let theirs: Vec<String> = theirs.collect();
        assert_eq!((ours.len(), theirs.len()), (7, 7));
        // Libzvbi takes pages for South European ones where nothing is said, which have Turkish letters in the place of Czech ones.
        let same = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours == theirs).count();
        assert!(same == 6 && ours[3] != theirs[3], "{ours:#?} {theirs:#?}");
    }

    #[test]
    fn rows_about_one_middle_are_one_text() {
        let mut decoder = Decoder::new(0x199);
        let rows = [row(1, 20, b"\x0d   \x0b\x0bA LONGER ROW"), row(1, 22, b"\x0d      \x0b\x0bSHORT")];
        let screen =
            decoder.push(MediaTime::ZERO, &pes(&[vec![header(0x199, true, 0)], rows.to_vec()].concat())).unwrap();
        assert_eq!((screen.texts.len(), screen.texts[0].placement.align), (1, Align::Center));
    }

    #[test]
    fn one_wrong_bit_is_righted_and_two_are_found() {
        for value in 0..16 {
            for bit in 0..8 {
                assert_eq!(nibble(hamming(value) ^ 1 << bit), Some(value));
            }
            assert_eq!(nibble(hamming(value) ^ 3), None);
        }
        assert_eq!([0, 1, 15].map(hamming), [0x15, 0x02, 0xea]);
    }

    proptest! {
        #[test]
        fn any_data_is_borne(junk in prop::collection::vec(any::<u8>(), 0..200), rows in prop::collection::vec((0u8..32, prop::collection::vec(0u8..128, 0..40)), 0..8), control in 0u8..16) {
            let mut decoder = Decoder::new(0x888);
            decoder.push(MediaTime::ZERO, &junk);
            let rows = rows.iter().map(|(number, text)| row(0, *number, text));
            let units: Vec<Vec<u8>> = std::iter::once(header(0x888, true, control)).chain(rows).collect();
            decoder.push(MediaTime::ZERO, &pes(&units));
            decoder.push(MediaTime::ZERO, &[&pes(&units)[..], &junk].concat());
        }
    }
}
