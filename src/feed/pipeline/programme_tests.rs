use super::*;
use crate::feed::pipeline::tables::Assembler;

/// A transport stream, written by hand.
#[derive(Default)]
struct Writer {
    bytes: Vec<u8>,
    counters: BTreeMap<u16, u8>,
}

/// (stream type, identifier, descriptors)
type Es<'a> = (u8, u16, &'a [u8]);

impl Writer {
    fn packet(&mut self, pid: u16, begins: bool, payload: &[u8]) {
        let counter = self.counters.entry(pid).or_default();
        let head = [SYNC, u8::from(begins) << 6 | (pid >> 8) as u8, pid as u8, 0x10 | *counter];
        *counter = (*counter + 1) % 16;
        self.bytes.extend(head);
        self.bytes.extend(payload);
        self.bytes.extend(std::iter::repeat_n(0xff, PACKET - 4 - payload.len()));
    }

    fn section(&mut self, pid: u16, mut section: Vec<u8>) {
        let length = section.len() + 1;
        section[1] = 0xb0 | (length >> 8) as u8;
        section[2] = length as u8;
        section.extend(crc32(&section).to_be_bytes());
        section.insert(0, 0);
        for (i, part) in section.chunks(PACKET - 4).enumerate() {
            self.packet(pid, i == 0, part);
        }
    }

    fn pat(&mut self, programmes: &[(u16, u16)]) -> &mut Self {
        let mut section = vec![0, 0, 0, 0, 1, 0xc1, 0, 0];
        for (number, pid) in programmes {
            section.extend(number.to_be_bytes());
            section.extend((0xe000 | pid).to_be_bytes());
        }
        self.section(0, section);
        self
    }

    fn pmt(&mut self, pid: u16, number: u16, clock: u16, version: u8, streams: &[Es]) -> &mut Self {
        let mut section = vec![2, 0, 0, (number >> 8) as u8, number as u8, 0xc1 | version << 1, 0, 0];
        section.extend((0xe000 | clock).to_be_bytes());
        section.extend([0xf0, 0]);
        for (kind, pid, descriptors) in streams {
            section.push(*kind);
            section.extend((0xe000 | pid).to_be_bytes());
            section.extend([0xf0, descriptors.len() as u8]);
            section.extend(*descriptors);
        }
        self.section(pid, section);
        self
    }

    fn media(&mut self, pid: u16, mark: u8) -> &mut Self {
        self.packet(pid, true, &[mark; 20]);
        self
    }

    fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}

/// What a demuxer would see.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    /// Picture's type, sound's type and identifier.
    Table(Option<u8>, Option<(u8, u16)>),
    Picture(u8),
    Sound(u8),
    Clock,
    Fresh,
}

fn seen(steps: Vec<Step>) -> Vec<Seen> {
    let (mut seen, mut assembler) = (Vec::new(), Assembler::default());
    for step in steps {
        let Step::Bytes(bytes) = step else {
            seen.push(Seen::Fresh);
            continue;
        };
        for packet in bytes.chunks(PACKET) {
            let pid = u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]);
            match pid {
                0 => {}
                PMT_PID => seen.extend(assembler.take(packet).iter().filter_map(|s| Pmt::parse(s)).map(|pmt| {
                    let sound = pmt.streams.iter().find(|s| s.kind == Kind::Sound);
                    Seen::Table(pmt.picture().map(|s| s.stream_type), sound.map(|s| (s.stream_type, s.pid)))
                })),
                PICTURE_PID => seen.push(Seen::Picture(packet[4])),
                CLOCK_PID => seen.push(Seen::Clock),
                _ => seen.push(Seen::Sound(packet[4])),
            }
        }
    }
    seen
}

const H264: u8 = 0x1b;
const AAC: u8 = 0x0f;
const AC3: u8 = 0x81;
const ENGLISH: &[u8] = &[0x0a, 4, b'e', b'n', b'g', 0];
const GERMAN: &[u8] = &[0x0a, 4, b'g', b'e', b'r', 0];

fn programme(query: &str) -> Programme {
    let url = url::Url::parse(&format!("udp://h:1?{query}")).unwrap();
    Programme::new(Wanted::split(&url).unwrap().1, false)
}

#[test]
fn tables_that_move_streams_are_hidden_and_only_another_picture_asks_for_a_fresh_demuxer() {
    let mut of = programme("");
    let mut w = Writer::default();
    w.pat(&[(1, 0x1000)]).pmt(0x1000, 1, 0x100, 0, &[(H264, 0x100, &[]), (AAC, 0x101, &[])]);
    let first = w.media(0x100, 1).media(0x101, 2).media(0x555, 3).take();
    let table = Seen::Table(Some(H264), Some((AAC, 0x111)));
    assert_eq!(seen(of.take(&first)), [table, Seen::Picture(1), Seen::Sound(2)]);
    // A new version and the clock elsewhere: nothing to tell.
    w.pmt(0x1000, 1, 0x1ff, 1, &[(H264, 0x100, &[]), (AAC, 0x101, &[]), (0x86, 0x300, &[])]);
    assert_eq!(seen(of.take(&w.media(0x100, 4).take())), [Seen::Picture(4)]);
    // The sound moves and is another codec: it goes, it comes, the picture does not notice.
    w.pmt(0x1000, 1, 0x1ff, 2, &[(H264, 0x100, &[]), (AC3, 0x102, &[])]);
    let moved = seen(of.take(&w.media(0x101, 5).media(0x102, 6).take()));
    let tables = [Seen::Table(Some(H264), None), Seen::Table(Some(H264), Some((AC3, 0x112)))];
    assert_eq!(moved[..2], tables);
    assert_eq!(moved[2..], [Seen::Sound(6)]);
    // The picture moves.
    w.pmt(0x1000, 1, 0x200, 3, &[(H264, 0x200, &[]), (AC3, 0x102, &[])]);
    let fresh = seen(of.take(&w.media(0x100, 7).media(0x200, 8).take()));
    assert_eq!(fresh, [Seen::Fresh, Seen::Table(Some(H264), Some((AC3, 0x112))), Seen::Picture(8)]);
    // The sound vanishes and comes to life again.
    w.pmt(0x1000, 1, 0x200, 4, &[(H264, 0x200, &[])]);
    assert_eq!(seen(of.take(&w.take())), [Seen::Table(Some(H264), None)]);
    w.pmt(0x1000, 1, 0x200, 5, &[(H264, 0x200, &[]), (AC3, 0x102, &[])]);
    assert_eq!(seen(of.take(&w.take())), [Seen::Table(Some(H264), Some((AC3, 0x113)))]);
}

#[test]
fn the_first_programme_with_a_picture_is_shown_unless_another_is_asked_for() {
    let radio = |w: &mut Writer| _ = w.pmt(0x1001, 1, 0x101, 0, &[(AAC, 0x101, &[])]);
    let two = |w: &mut Writer| _ = w.pmt(0x1002, 2, 0x200, 0, &[(H264, 0x200, &[])]).media(0x200, 2);
    let three = |w: &mut Writer| _ = w.pmt(0x1003, 3, 0x300, 0, &[(H264, 0x300, &[])]).media(0x300, 3);
    let programmes = [(1, 0x1001), (2, 0x1002), (3, 0x1003)];
    let mut w = Writer::default();
    w.pat(&programmes);
    three(&mut w);
    radio(&mut w);
    two(&mut w);
    let bytes = w.take();
    let table = || Seen::Table(Some(H264), None);
    assert_eq!(seen(programme("").take(&bytes)), [table(), Seen::Picture(2)], "in the order of the list");
    assert_eq!(seen(programme("program=3").take(&bytes)), [table(), Seen::Picture(3)]);
    let mut missing = programme("program=9");
    assert_eq!(seen(missing.take(&bytes)), []);
    assert_eq!(missing.trouble(), Some("there is no programme 9: there are 1, 2, 3"));
    let mut dark = programme("program=1");
    assert_eq!(seen(dark.take(&bytes)), []);
    assert_eq!(dark.trouble(), Some("programme 1 has no picture"));
    // The second one is off the air: its table never comes.
    let mut patient = programme("");
    for _ in 0..LISTS_WITHOUT_TABLE {
        w.pat(&programmes);
        radio(&mut w);
        three(&mut w);
        assert_eq!(seen(patient.take(&w.take())), []);
    }
    w.pat(&programmes);
    three(&mut w);
    assert_eq!(seen(patient.take(&w.take())), [table(), Seen::Picture(3)]);
    // It comes on the air: one that is shown stays.
    two(&mut w);
    assert_eq!(seen(patient.take(&w.take())), []);
    // It goes off the air.
    w.pat(&programmes[..2]);
    radio(&mut w);
    two(&mut w);
    assert_eq!(seen(patient.take(&w.take())), [Seen::Fresh, table(), Seen::Picture(2)]);
}

#[test]
fn a_sound_is_named_by_number_identifier_or_language() {
    let streams: [Es; 4] = [(H264, 0x100, &[]), (AAC, 0x101, ENGLISH), (AC3, 0x102, GERMAN), (AAC, 0x103, ENGLISH)];
    let heard = |query: &str| {
        let mut w = Writer::default();
        w.pat(&[(1, 0x1000)]).pmt(0x1000, 1, 0x100, 0, &streams);
        let bytes = w.media(0x101, 1).media(0x102, 2).media(0x103, 3).take();
        let seen = seen(programme(query).take(&bytes));
        seen.into_iter().filter_map(|s| if let Seen::Sound(mark) = s { Some(mark) } else { None }).collect::<Vec<_>>()
    };
    let cases = [("", 1), ("audio=2", 2), ("audio=0x103", 3), ("audio=de", 2), ("audio=deu", 2), ("audio=eng", 1)];
    for (query, mark) in cases.into_iter().chain([("audio=fra", 1), ("audio=7", 1)]) {
        assert_eq!(heard(query), [mark], "{query}");
    }
}

#[test]
fn the_clock_stands_on_an_identifier_of_its_own() {
    let mut w = Writer::default();
    w.pat(&[(1, 0x1000)]).pmt(0x1000, 1, 0x100, 0, &[(H264, 0x100, &[])]);
    let mut with_clock = w.media(0x100, 8).media(0x100, 9).take();
    let at = with_clock.len() - PACKET;
    // An adaptation field with a clock reference and a discontinuity in front of the payload.
    with_clock[at + 3] |= 0x20;
    with_clock[at + 4..at + 12].copy_from_slice(&[7, 0x90, 1, 2, 3, 4, 0x7e, 5]);
    let steps = programme("").take(&with_clock);
    let Some(Step::Bytes(bytes)) = steps.last() else { panic!("{steps:?}") };
    let clock = bytes.chunks(PACKET).find(|p| p[1..3] == [0x01, 0xf0]).unwrap();
    assert_eq!(clock[3..12], [0x20, 183, 0x90, 1, 2, 3, 4, 0x7e, 5]);
}

#[test]
fn packets_are_found_whatever_stands_between_them() {
    let mut w = Writer::default();
    w.pat(&[(1, 0x1000)]).pmt(0x1000, 1, 0x100, 0, &[(H264, 0x100, &[])]);
    let plain = (0..20).fold(&mut w, |w, mark| w.media(0x100, mark)).take();
    let expected = seen(programme("").take(&plain));
    assert_eq!(expected.len(), 21);
    let packets = plain.chunks(PACKET);
    let timed: Vec<u8> = packets.clone().flat_map(|p| [&[9, 9, 9, 9], p].concat()).collect();
    let checked: Vec<u8> = packets.flat_map(|p| [p, &[7; 16]].concat()).collect();
    for bytes in [plain.clone(), timed, checked, [vec![1, 2, SYNC, 3], plain.clone()].concat()] {
        assert_eq!(seen(programme("").take(&bytes)), expected);
        // In whatever pieces it comes.
        let mut of = programme("");
        let steps = bytes.chunks(61).flat_map(|piece| of.take(piece)).collect();
        assert_eq!(seen(steps), expected);
    }
    // Bytes that are missing cost a packet or so.
    let (mut of, cut) = (programme(""), [&plain[..1000], &plain[1100..]].concat());
    assert!(seen(of.take(&cut)).len() >= 18);
    // A table that a fault has changed is none.
    let mut faulty = plain;
    faulty[PACKET + 20] ^= 1;
    assert_eq!(seen(programme("").take(&faulty)), []);
}

#[test]
fn hostile_bytes_do_no_harm() {
    let noise = |seed: u32| (0..4096u32).map(move |n| (n.wrapping_mul(2_654_435_761).wrapping_add(seed) >> 13) as u8);
    let mut of = programme("");
    for seed in 0..64 {
        of.take(&noise(seed).collect::<Vec<_>>());
        let mut packet: Vec<u8> = noise(seed * 7).take(PACKET * 8).collect();
        for (i, p) in packet.chunks_mut(PACKET).enumerate() {
            p[..3].copy_from_slice(&[SYNC, if i % 2 == 0 { 0x40 } else { 0 }, 0]);
            p[3] = p[3] & 0xf0 | i as u8;
        }
        of.take(&packet);
    }
    assert!(of.rest.len() <= 4096);
}

#[test]
fn a_step_of_the_clock_is_another_stretch_unless_the_source_has_a_clock_of_its_own() {
    let mut w = Writer::default();
    let mut bytes = w.pat(&[(1, 0x1000)]).pmt(0x1000, 1, 0x100, 0, &[(H264, 0x100, &[])]).take();
    // The base is 33 bits: it wraps between the second and the third.
    let clocks: [u64; 5] = [(1 << 33) - 90_000, (1 << 33) - 45_000, 1000, 500_000, 90_000];
    for (mark, base) in clocks.into_iter().enumerate() {
        let mut packet = w.media(0x100, mark as u8).take();
        packet[3] |= 0x20;
        packet[4..12].copy_from_slice(&[
            7,
            0x10,
            (base >> 25) as u8,
            (base >> 17) as u8,
            (base >> 9) as u8,
            (base >> 1) as u8,
            (base as u8 & 1) << 7,
            0,
        ]);
        bytes.extend(packet);
    }
    let fresh = |live: bool| {
        let steps = Programme::new(Wanted::default(), live).take(&bytes);
        seen(steps).iter().filter(|s| **s == Seen::Fresh).count()
    };
    assert_eq!((fresh(false), fresh(true)), (2, 0));
}

/// What the demuxer sees of sounds: identifier and descriptors, table by table.
fn sound_tables(steps: Vec<Step>) -> Vec<Vec<(u16, Vec<u8>)>> {
    let mut assembler = Assembler::default();
    let mut tables = Vec::new();
    for step in steps {
        let Step::Bytes(bytes) = step else { continue };
        for packet in bytes.chunks(PACKET).filter(|p| u16::from(p[1] & 0x1f) << 8 | u16::from(p[2]) == PMT_PID) {
            for pmt in assembler.take(packet).iter().filter_map(|section| Pmt::parse(section)) {
                let sounds = pmt.streams.into_iter().filter(|s| s.kind == Kind::Sound);
                tables.push(sounds.map(|s| (s.pid, s.descriptors)).collect());
            }
        }
    }
    tables
}

#[test]
fn sounds_beside_the_main_one_keep_their_names_and_identifiers_when_the_table_moves_them() {
    const DESCRIBED: &[u8] = &[0x0a, 4, b'e', b'n', b'g', 3];
    let mut of = programme("").with_sounds_beside(2);
    let mut w = Writer::default();
    let streams: [Es; 5] = [
        (H264, 0x100, &[]),
        (AAC, 0x101, ENGLISH),
        (AC3, 0x102, GERMAN),
        (AAC, 0x103, DESCRIBED),
        (AAC, 0x104, GERMAN),
    ];
    let bytes = w.pat(&[(1, 0x1000)]).pmt(0x1000, 1, 0x100, 0, &streams).media(0x100, 7).media(0x102, 7).take();
    let steps = of.take(&bytes);
    let ids = |of: &mut Programme| {
        let tracks = of.take_tracks()?;
        Some(tracks.into_iter().map(|(pid, track)| (pid, track.id.to_string())).collect::<Vec<_>>())
    };
    let first = ids(&mut of).unwrap();
    assert_eq!(first.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>(), ["deu", "eng-ad"], "no more than two");
    let tables = sound_tables(steps);
    assert_eq!(tables[0].len(), 3);
    assert_eq!(tables[0][1..].iter().map(|(pid, _)| *pid).collect::<Vec<_>>(), [first[0].0, first[1].0]);

    // The same in another order, without the German one's twin: nothing changes for the demuxer but the order.
    let moved: [Es; 4] = [(H264, 0x100, &[]), (AAC, 0x101, ENGLISH), (AAC, 0x103, DESCRIBED), (AC3, 0x102, GERMAN)];
    of.take(&w.pmt(0x1000, 1, 0x100, 1, &moved).take());
    assert_eq!(ids(&mut of).map(|now| now == first), Some(true));
    // One goes, and comes back as another codec: it has its name, and a fresh identifier.
    of.take(&w.pmt(0x1000, 1, 0x100, 2, &moved[..3]).take());
    assert_eq!(ids(&mut of).unwrap(), [first[1].clone()]);
    let back: [Es; 4] = [moved[0], moved[1], moved[2], (AAC, 0x102, GERMAN)];
    of.take(&w.pmt(0x1000, 1, 0x100, 3, &back).take());
    let now = ids(&mut of).unwrap();
    let german = now.iter().find(|(_, id)| id == "deu").unwrap();
    assert_ne!(german.0, first[0].0);
    assert!(now.contains(&first[1]));
}

#[test]
fn a_table_with_very_many_streams_is_told_before_a_demuxer_sees_it() {
    let streams: Vec<Es> = (0..190).map(|n| (0x0f, 0x200 + n, &[][..])).collect();
    let mut writer = Writer::default();
    let bytes = writer.pat(&[(1, 0x100)]).pmt(0x100, 1, 0x200, 0, &streams).take();
    let mut programme = Programme::new(Wanted::default(), false);
    assert_eq!(programme.most_streams(), 0);
    programme.take(&bytes);
    assert_eq!(programme.most_streams(), 190);
}
