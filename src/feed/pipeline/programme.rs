//! One programme of a transport stream, under packet identifiers of our own.
//!
//! What comes may hold many programmes, name others tomorrow, move its streams from table to table, show and hide them. A
//! demuxer that follows all that starts anew at every change. This stands in front of it: it picks the programme, one picture
//! and its sounds, and lets the demuxer see a stream whose tables hardly ever change. A sound that moves or changes its codec
//! is one that goes and one that comes; clock references stand on an identifier of their own. Only where the picture is
//! another one a fresh demuxer is asked for.
//!
//! Pure: bytes in, bytes out (ISO/IEC 13818-1; the numbers in brackets are its clauses).

use std::collections::BTreeMap;

use super::cue_tap::{Aside, Told, picture_in};
use super::tables::{Assembler, Kind, Pat, Pmt, Stream, crc32, language_in_three, language_name, language_tag};
use super::teletext::{Page, PesReader, pages_of};
use crate::captions::cea::{Described, services_of_descriptor};
use crate::cues::ts::{CueReader, is_cue_stream};
use crate::feed::wanted::{AudioWish, Wanted};
use crate::frame::{SoundRole, SoundTrack};

pub(super) const PACKET: usize = 188;
const SYNC: u8 = 0x47;
/// Packets as they are, behind a time code (Blu-ray, AVCHD) and in front of a checksum (ATSC, DVB-ASI).
const STRIDES: [(usize, usize); 3] = [(188, 0), (192, 4), (204, 0)];
/// So many packets in a row must begin as packets do.
const SURE: usize = 4;

const PMT_PID: u16 = 0x20;
const PICTURE_PID: u16 = 0x100;
const CLOCK_PID: u16 = 0x1f0;
const FIRST_SOUND_PID: u16 = 0x110;
const SOUND_PIDS: u16 = 16;
const FIRST_BESIDE_PID: u16 = 0x120;
const BESIDE_PIDS: u16 = 0xd0;
const NO_PID: u16 = 0x1fff;
/// References are at most 0.1 s apart (2.7.2), and seldom more than a second where they are not.
const STEP_TICKS: u64 = 90_000;
/// The type of H.266 pictures, which no demuxer here knows.
const NEWEST: u8 = 0x33;
/// A programme whose table has not come when the list of programmes came so many times more has none.
const LISTS_WITHOUT_TABLE: u32 = 4;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Whole packets for the demuxer.
    Bytes(Vec<u8>),
    /// What follows is another picture: it wants a fresh demuxer.
    Fresh,
}

#[derive(Clone, Debug)]
struct Chosen {
    table: Pmt,
    picture: Stream,
    sound: Option<Stream>,
    /// The sounds beside that one.
    besides: Vec<Beside>,
}

/// A sound beside the main one, and the identifier that the demuxer sees.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Beside {
    stream: Stream,
    ours: u16,
    track: SoundTrack,
}

pub(super) struct Programme {
    wanted: Wanted,
    stride: Option<(usize, usize)>,
    rest: Vec<u8>,
    lists: Assembler,
    pat: Pat,
    /// How often the list came since it was another one.
    lists_seen: u32,
    assemblers: BTreeMap<u16, Assembler>,
    tables: BTreeMap<u16, Pmt>,
    chosen: Option<Chosen>,
    sound_pid: u16,
    /// Sounds beside the main one that are let through, and how many identifiers they had so far.
    most_beside: usize,
    beside_pids: u16,
    /// They are others than when somebody asked last.
    has_other_tracks: bool,
    version: u8,
    counters: [u8; 2],
    /// Whether the source sends by a clock of its own; the last reference, in ticks of 90 kHz.
    live: bool,
    clock: Option<u64>,
    scrambled: bool,
    trouble: Option<String>,
    /// What is signalled beside it, by packet identifier.
    cues: BTreeMap<u16, CueReader>,
    /// Teletext beside it, likewise.
    teletext: BTreeMap<u16, Pages>,
    told: Vec<Told>,
    /// When what comes was sent, in microseconds since 1970, where the source tells.
    sent_us: Option<i64>,
}

/// A stream of teletext.
#[derive(Default)]
struct Pages {
    reader: PesReader,
    pages: Vec<Page>,
}

/// Streams of teletext of one programme that are read.
const MOST_TELETEXT_STREAMS: usize = 4;
/// caption_service_descriptor (ATSC A/65, 6.9.2).
const CAPTION_SERVICES: u8 = 0x86;

/// Streams of signals of one programme.
const MOST_CUE_STREAMS: usize = 8;

impl Programme {
    pub fn new(wanted: Wanted, live: bool) -> Self {
        Self {
            wanted,
            stride: None,
            rest: Vec::new(),
            lists: Assembler::default(),
            pat: Pat::default(),
            lists_seen: 0,
            assemblers: BTreeMap::new(),
            tables: BTreeMap::new(),
            chosen: None,
            sound_pid: FIRST_SOUND_PID,
            most_beside: 0,
            beside_pids: 0,
            has_other_tracks: false,
            version: 0,
            counters: [0; 2],
            live,
            clock: None,
            scrambled: false,
            trouble: Some("no programme table so far".into()),
            cues: BTreeMap::new(),
            teletext: BTreeMap::new(),
            told: Vec::new(),
            sent_us: None,
        }
    }

    /// Lets so many sounds beside the main one through.
    pub fn with_sounds_beside(self, most: usize) -> Self {
        Self { most_beside: most, ..self }
    }

    /// The sounds beside the main one, by the identifiers that the demuxer sees, where they are others than when this was asked last.
    pub fn take_tracks(&mut self) -> Option<BTreeMap<u16, SoundTrack>> {
        let chosen = self.chosen.as_ref().filter(|_| std::mem::take(&mut self.has_other_tracks))?;
        Some(chosen.besides.iter().map(|beside| (beside.ours, beside.track.clone())).collect())
    }

    /// What was found beside the stream since it was asked for last, in order; nothing where the programme signals nothing.
    pub fn take_told(&mut self) -> Vec<Told> {
        std::mem::take(&mut self.told)
    }

    /// What comes next was sent then, in microseconds since 1970.
    pub fn sent(&mut self, at_us: Option<i64>) {
        self.sent_us = at_us;
    }

    /// Streams of the programme that has most of them.
    pub fn most_streams(&self) -> usize {
        self.tables.values().map(|table| table.streams.len()).max().unwrap_or(0)
    }

    /// Why nothing comes out, or not what was asked for.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// What the demuxer is to get for these bytes.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Step> {
        self.rest.extend_from_slice(bytes);
        let rest = std::mem::take(&mut self.rest);
        let mut out = Out::default();
        let mut at = 0;
        loop {
            let Some((stride, lead)) = self.stride else {
                match find_stride(&rest[at..]) {
                    Some((skip, stride)) => {
                        at += skip;
                        self.stride = Some(stride);
                        continue;
                    }
                    None => {
                        // What may still become packets is kept.
                        at = at.max(rest.len().saturating_sub(SURE * 204 * 2));
                        break;
                    }
                }
            };
            let Some(packet) = rest.get(at + lead..at + lead + PACKET) else { break };
            if packet[0] != SYNC {
                self.stride = None;
                continue;
            }
            self.packet(packet, &mut out);
            at += stride;
        }
        self.rest = rest.get(at..).unwrap_or_default().to_vec();
        out.steps()
    }

    fn packet(&mut self, packet: &[u8], out: &mut Out) {
        let pid = u16::from(packet[1] & 0x1f) << 8 | u16::from(packet[2]);
        // An uncorrectable packet (2.4.3.3) is worse than a missing one.
        if packet[1] & 0x80 != 0 {
            return;
        }
        if pid == 0 {
            for section in self.lists.take(packet) {
                if let Some(pat) = Pat::parse(&section) {
                    self.listed(pat, out);
                }
            }
            return;
        }
        if let Some(assembler) = self.assemblers.get_mut(&pid) {
            let tables: Vec<_> = assembler.take(packet).iter().filter_map(|section| Pmt::parse(section)).collect();
            let changed = tables.into_iter().fold(false, |changed, pmt| {
                changed | (self.tables.insert(pmt.number, pmt.clone()).as_ref() != Some(&pmt))
            });
            if changed {
                self.choose(out);
            }
        }
        let Some(chosen) = &self.chosen else { return };
        if pid == chosen.table.clock_pid
            && pid != NO_PID
            && let Some(clock) = clock_packet(packet)
        {
            self.clock_came(&clock, out);
            out.packets.extend(clock);
        }
        if let Some(reader) = self.cues.get_mut(&pid) {
            for found in reader.take(packet, |_| None) {
                match found {
                    Ok(timed) => self.told.push(Told::Aside(Aside::Signal(timed.info))),
                    Err(error) => tracing::debug!(pid, %error, "a signal beside the programme cannot be read"),
                }
            }
            return;
        }
        if let Some(stream) = self.teletext.get_mut(&pid) {
            for (pts, data) in stream.reader.take(packet) {
                let of = |page: &Page| Told::Aside(Aside::Teletext { page: page.clone(), pts, data: data.clone() });
                self.told.extend(stream.pages.iter().map(of));
            }
            return;
        }
        let Some(chosen) = &self.chosen else { return };
        if pid == chosen.picture.pid
            && !(self.cues.is_empty() && self.teletext.is_empty() && self.sent_us.is_none())
            && let Some((pts, prefix)) = picture_in(packet)
        {
            self.told.push(Told::Picture { pts, prefix });
        }
        let ours = if pid == chosen.picture.pid {
            PICTURE_PID
        } else if chosen.sound.as_ref().is_some_and(|sound| sound.pid == pid) {
            self.sound_pid
        } else if let Some(beside) = chosen.besides.iter().find(|beside| beside.stream.pid == pid) {
            beside.ours
        } else {
            return;
        };
        if pid == chosen.picture.pid && packet[3] & 0xc0 != 0 && !self.scrambled {
            self.scrambled = true;
            self.trouble = Some("the picture is scrambled".into());
        }
        let begin = out.packets.len();
        out.packets.extend_from_slice(packet);
        out.packets[begin + 1] = packet[1] & 0xe0 | (ours >> 8) as u8;
        out.packets[begin + 2] = ours as u8;
    }

    /// A source without a clock of its own plays on over a step in its time: what comes is another stretch.
    fn clock_came(&mut self, packet: &[u8; PACKET], out: &mut Out) {
        let field = &packet[6..12];
        let base =
            u64::from(u32::from_be_bytes([field[0], field[1], field[2], field[3]])) << 1 | u64::from(field[4] >> 7);
        let before = self.clock.replace(base);
        // In 33 bits (2.4.2.2), which wrap.
        let step = before.map_or(0, |before| base.wrapping_sub(before) & ((1 << 33) - 1));
        if step > STEP_TICKS && !self.live {
            self.told.push(Told::Fresh);
            out.fresh();
            self.announce(out);
        }
        if let Some(sent_us) = self.sent_us {
            self.told.push(Told::Clock { pcr: base, sent_us });
        }
    }

    fn listed(&mut self, pat: Pat, out: &mut Out) {
        if pat == self.pat {
            self.lists_seen += 1;
        } else {
            self.lists_seen = 0;
            self.assemblers = pat.programmes.iter().map(|(_, pid)| (*pid, Assembler::default())).collect();
            self.tables.retain(|number, _| pat.programmes.iter().any(|(listed, _)| listed == number));
            self.pat = pat;
        }
        if self.lists_seen <= LISTS_WITHOUT_TABLE {
            self.choose(out);
        }
    }

    /// The programme to be shown, by its table.
    fn best(&mut self) -> Option<Pmt> {
        let with_picture = |pmt: &&Pmt| pmt.picture().is_some();
        if let Some(number) = self.wanted.program {
            let there: Vec<_> = self.pat.programmes.iter().map(|(number, _)| number.to_string()).collect();
            let found = self.tables.get(&number).filter(with_picture);
            self.trouble = match (found, there.contains(&number.to_string())) {
                (Some(_), _) => None,
                (None, true) => Some(format!("programme {number} has no picture")),
                (None, false) => Some(format!("there is no programme {number}: there are {}", there.join(", "))),
            };
            return found.cloned();
        }
        let current =
            self.chosen.as_ref().and_then(|chosen| self.tables.get(&chosen.table.number)).filter(with_picture);
        if let Some(pmt) = current {
            return Some(pmt.clone());
        }
        let patient = self.lists_seen < LISTS_WITHOUT_TABLE;
        for (number, _) in &self.pat.programmes {
            match self.tables.get(number) {
                Some(pmt) if pmt.picture().is_some() => {
                    self.trouble = None;
                    return Some(pmt.clone());
                }
                Some(_) => {}
                None if patient => return None,
                None => {}
            }
        }
        if !self.pat.programmes.is_empty() {
            self.trouble = Some("no programme has a picture".into());
        }
        None
    }

    fn choose(&mut self, out: &mut Out) {
        let Some(pmt) = self.best() else { return };
        let Some(first) = pmt.picture().cloned() else { return };
        let before = self.chosen.take();
        let kept = before.as_ref().and_then(|b| pmt.streams.iter().find(|s| s.is_as(&b.picture))).cloned();
        let picture = kept.unwrap_or(first);
        let heard = before.as_ref().and_then(|b| b.sound.as_ref());
        let sound = self.sound_of(&pmt, heard);
        if picture.stream_type == NEWEST {
            self.trouble = Some("the picture is H.266, which cannot be decoded".into());
        }
        self.listen_beside(&pmt, &picture);
        let others = before.as_ref().map_or(&[][..], |b| &b.besides);
        let besides = self.besides_of(&pmt, sound.as_ref(), others);
        let same_besides = besides == others;
        self.has_other_tracks |= !same_besides;
        let chosen = Chosen { table: pmt, picture, sound, besides };
        let same_picture = before.as_ref().is_some_and(|b| b.picture.is_as(&chosen.picture));
        let same_programme = before.as_ref().is_some_and(|b| b.table.number == chosen.table.number);
        let same_sound = match (heard, &chosen.sound) {
            (Some(heard), Some(sound)) => heard.is_as(sound),
            (None, None) => true,
            _ => false,
        };
        if before.is_some() && !(same_picture && same_programme) {
            self.scrambled = false;
            self.clock = None;
            self.told.push(Told::Fresh);
            out.fresh();
        } else if before.is_some() && same_sound && same_besides {
            self.chosen = Some(chosen);
            return;
        } else if !same_sound && heard.is_some() && chosen.sound.is_some() {
            // The old sound goes before the new one comes, or the new one would find its place taken.
            self.chosen = Some(Chosen { sound: None, ..chosen.clone() });
            self.announce(out);
        }
        if !same_sound && chosen.sound.is_some() {
            self.sound_pid = FIRST_SOUND_PID + (self.sound_pid - FIRST_SOUND_PID + 1) % SOUND_PIDS;
        }
        self.chosen = Some(chosen);
        self.announce(out);
    }

    /// Readers of what lies beside the picture in `pmt`: those that were there go on.
    fn listen_beside(&mut self, pmt: &Pmt, picture: &Stream) {
        let services: Vec<Described> = picture
            .descriptors_of(CAPTION_SERVICES)
            .flat_map(services_of_descriptor)
            .map(|its| Described { language: language_tag(&its.language), ..its })
            .collect();
        self.told.push(Told::Services(services));
        let mut before = std::mem::take(&mut self.teletext);
        let with_pages = pmt.streams.iter().map(|s| (s.pid, pages_of(s))).filter(|(_, pages)| !pages.is_empty());
        let reading = with_pages.take(MOST_TELETEXT_STREAMS);
        self.teletext =
            reading.map(|(pid, pages)| (pid, Pages { pages, ..before.remove(&pid).unwrap_or_default() })).collect();
        let is_cues = |s: &&Stream| is_cue_stream(s.stream_type, &pmt.descriptors, &s.descriptors);
        let mut before = std::mem::take(&mut self.cues);
        let pids = pmt.streams.iter().filter(is_cues).map(|s| s.pid).take(MOST_CUE_STREAMS);
        self.cues = pids.map(|pid| (pid, before.remove(&pid).unwrap_or_default())).collect();
    }

    /// The sound that was asked for, where it is there; the one that is heard already, or else the first.
    fn sound_of(&self, pmt: &Pmt, heard: Option<&Stream>) -> Option<Stream> {
        let mut sounds = pmt.streams.iter().filter(|s| s.kind == Kind::Sound);
        let wished = match &self.wanted.audio {
            AudioWish::First => None,
            AudioWish::Index(n) => sounds.clone().nth(usize::from(*n) - 1),
            AudioWish::Pid(pid) => sounds.clone().find(|s| s.pid == *pid),
            AudioWish::Language(language) => sounds.clone().find(|s| s.speaks(language)),
        };
        let same = heard.and_then(|heard| sounds.clone().find(|s| s.is_as(heard)));
        wished.or(same).or_else(|| sounds.next()).cloned()
    }

    /// The sounds of `pmt` beside `main`, each under an identifier of ours: those that were there keep theirs.
    fn besides_of(&mut self, pmt: &Pmt, main: Option<&Stream>, before: &[Beside]) -> Vec<Beside> {
        let mut counted: BTreeMap<(Option<String>, SoundRole), usize> = BTreeMap::new();
        let sounds = pmt.streams.iter().filter(|s| s.kind == Kind::Sound && main.is_none_or(|main| main.pid != s.pid));
        let mut besides = Vec::new();
        for stream in sounds.take(self.most_beside) {
            let (told, role) = (stream.language(), stream.role());
            let code = told.map(language_in_three);
            let nth = counted.entry((code.clone(), role)).or_default();
            *nth += 1;
            let name = told.and_then(language_name);
            let track = SoundTrack::new(code.as_deref(), told.map(language_tag), role, *nth, name);
            let same = before.iter().find(|b| b.stream.is_as(stream) && b.track.id == track.id);
            let ours = same.map_or_else(
                || {
                    self.beside_pids = (self.beside_pids + 1) % BESIDE_PIDS;
                    FIRST_BESIDE_PID + self.beside_pids
                },
                |same| same.ours,
            );
            besides.push(Beside { stream: stream.clone(), ours, track });
        }
        besides
    }

    /// Our own tables (2.4.4): one programme, its picture, its sounds.
    fn announce(&mut self, out: &mut Out) {
        let Some(chosen) = &self.chosen else { return };
        self.version = (self.version + 1) % 32;
        let version = 0xc1 | self.version << 1;
        let pid = |pid: u16| [0xe0 | (pid >> 8) as u8, pid as u8];
        let mut pat = vec![0, 0xb0, 0, 0, 1, version, 0, 0, 0, 1];
        pat.extend(pid(PMT_PID));
        let clock = if chosen.table.clock_pid == NO_PID { NO_PID } else { CLOCK_PID };
        let mut table = vec![2, 0xb0, 0, 0, 1, version, 0, 0];
        table.extend(pid(clock));
        let length = |bytes: &[u8]| [0xf0 | (bytes.len() >> 8) as u8, bytes.len() as u8];
        table.extend(length(&chosen.table.descriptors));
        table.extend(&chosen.table.descriptors);
        let streams = [(PICTURE_PID, Some(&chosen.picture)), (self.sound_pid, chosen.sound.as_ref())];
        let streams = streams.into_iter().filter_map(|(ours, stream)| Some((ours, stream?)));
        let besides = chosen.besides.iter().map(|beside| (beside.ours, &beside.stream));
        for (ours, stream) in streams.chain(besides) {
            table.push(stream.stream_type);
            table.extend(pid(ours));
            table.extend(length(&stream.descriptors));
            table.extend(&stream.descriptors);
        }
        let [lists, tables] = &mut self.counters;
        out.section(0, pat, lists);
        out.section(PMT_PID, table, tables);
    }
}

/// What was made so far of the bytes at hand.
#[derive(Default)]
struct Out {
    done: Vec<Step>,
    packets: Vec<u8>,
}

impl Out {
    fn flush(&mut self) {
        if !self.packets.is_empty() {
            self.done.push(Step::Bytes(std::mem::take(&mut self.packets)));
        }
    }

    fn fresh(&mut self) {
        self.flush();
        self.done.push(Step::Fresh);
    }

    fn steps(mut self) -> Vec<Step> {
        self.flush();
        self.done
    }

    /// Closes a section with its length and checksum and puts it into packets.
    fn section(&mut self, pid: u16, mut section: Vec<u8>, counter: &mut u8) {
        let length = section.len() - 3 + 4;
        section[1] |= (length >> 8) as u8;
        section[2] = length as u8;
        section.extend(crc32(&section).to_be_bytes());
        // The pointer field: the section begins at once.
        section.insert(0, 0);
        for (i, part) in section.chunks(PACKET - 4).enumerate() {
            let begins = if i == 0 { 0x40 } else { 0 };
            self.packets.extend([SYNC, begins | (pid >> 8) as u8, pid as u8, 0x10 | *counter]);
            self.packets.extend_from_slice(part);
            self.packets.extend(std::iter::repeat_n(0xff, PACKET - 4 - part.len()));
            *counter = (*counter + 1) % 16;
        }
    }
}

/// The clock reference of `packet`, if it has one, alone in a packet (2.4.3.4).
fn clock_packet(packet: &[u8]) -> Option<[u8; PACKET]> {
    let (has_field, length, flags) = (packet[3] & 0x20 != 0, packet[4], packet[5]);
    if !has_field || length < 7 || flags & 0x10 == 0 {
        return None;
    }
    let mut own = [0xff; PACKET];
    own[..4].copy_from_slice(&[SYNC, (CLOCK_PID >> 8) as u8, CLOCK_PID as u8, 0x20]);
    // The discontinuity indicator belongs to the clock.
    own[4..6].copy_from_slice(&[(PACKET - 5) as u8, flags & 0x80 | 0x10]);
    own[6..12].copy_from_slice(&packet[6..12]);
    Some(own)
}

/// Where packets begin, and how far they are apart.
fn find_stride(bytes: &[u8]) -> Option<(usize, (usize, usize))> {
    (0..bytes.len()).find_map(|skip| {
        let fits =
            |(stride, lead): &(usize, usize)| (0..SURE).all(|n| bytes.get(skip + lead + n * stride) == Some(&SYNC));
        STRIDES.into_iter().find(fits).map(|stride| (skip, stride))
    })
}

#[cfg(test)]
#[path = "programme_tests.rs"]
mod tests;
