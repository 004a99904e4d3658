use std::time::Duration;

use cea708_types::tables::{Anchor, Code, DefineWindowArgs, SetPenAttributesArgs, SetPenLocationArgs, WindowBits};
use cea708_types::{CCDataWriter, DTVCCPacket, Framerate, Service as Block};
use proptest::prelude::*;

use super::*;
use crate::captions::{Align, Cue, Kind, Limits, Line, LinePosition, Percent, Rgba, TextTrack, TrackInfo};

const CC1: Service = Service::Line21(1);

/// Where tests begin: not at zero, where silence and "never" could be mistaken for each other.
const START: MediaTime = MediaTime::from_secs(1_000_000);

fn track() -> TextTrack {
    TextTrack::new(TrackInfo { language: "en".to_owned(), kind: Kind::Captions }, Limits::default())
}

fn odd(byte: u8) -> u8 {
    if byte.count_ones().is_multiple_of(2) { byte | 0x80 } else { byte }
}

/// `cc_data()` of pairs of a field: 0 or 1.
fn cc_data(field: u8, pairs: &[[u8; 2]]) -> Vec<u8> {
    let mut out = vec![0xc0 | pairs.len() as u8, 0xff];
    pairs.iter().for_each(|[first, second]| out.extend([0xfc | field, *first, *second]));
    out
}

/// A decoder, and the pictures that it got: one every 33 ms.
struct Show {
    decoder: Decoder,
    now: MediaTime,
    track: TextTrack,
    service: Service,
    changes: Vec<Change>,
}

impl Show {
    fn new(growth: Growth, service: Service) -> Self {
        let decoder = Decoder::new(growth, Aspect::Wide);
        Self { decoder, now: START, track: track(), service, changes: Vec::new() }
    }

    fn push(&mut self, cc_data: &[u8]) {
        let changes = self.decoder.push(self.now, cc_data);
        changes.iter().filter(|its| its.service == self.service).for_each(|its| self.track.show(&its.screen));
        self.changes.extend(changes);
        self.now = self.now + Duration::from_millis(33);
    }

    /// Pairs without parity, one a picture; controls twice.
    fn pairs(&mut self, field: u8, pairs: &[[u8; 2]]) {
        for pair in pairs {
            let times = if (0x10..0x20).contains(&pair[0]) { 2 } else { 1 };
            (0..times).for_each(|_| self.push(&cc_data(field, &[pair.map(odd)])));
        }
    }

    fn text(&mut self, field: u8, text: &str) {
        for pair in text.as_bytes().chunks(2) {
            self.pairs(field, &[[pair[0], pair.get(1).copied().unwrap_or(0)]]);
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.push(&[]);
        }
    }

    /// What is on the screen.
    fn shown(&self) -> Vec<String> {
        self.cues().iter().filter(|cue| cue.end.is_none()).map(|cue| cue.text.text()).collect()
    }

    fn cues(&self) -> Vec<Cue> {
        self.track.cues_in(MediaTime::ZERO, MediaTime::from_nanos(u64::MAX)).cloned().collect()
    }
}

const RCL: [u8; 2] = [0x14, 0x20];
const BS: [u8; 2] = [0x14, 0x21];
const DER: [u8; 2] = [0x14, 0x24];
const RU2: [u8; 2] = [0x14, 0x25];
const RDC: [u8; 2] = [0x14, 0x29];
const TR: [u8; 2] = [0x14, 0x2a];
const EDM: [u8; 2] = [0x14, 0x2c];
const CR: [u8; 2] = [0x14, 0x2d];
const ENM: [u8; 2] = [0x14, 0x2e];
const EOC: [u8; 2] = [0x14, 0x2f];
/// Row 15, column 0.
const PAC15: [u8; 2] = [0x14, 0x70];

/// An event of a subtitle file: milliseconds and text.
type Event = (u64, u64, String);

fn events_of_srt(srt: &str) -> Vec<Event> {
    let ms = |text: &str| {
        let digits: Vec<u64> = text.split([':', ',']).map(|part| part.trim().parse().unwrap()).collect();
        ((digits[0] * 60 + digits[1]) * 60 + digits[2]) * 1000 + digits[3]
    };
    let event = |block: &str| {
        let mut lines = block.lines().skip(1);
        let (start, end) = lines.next().unwrap().split_once(" --> ").unwrap();
        let mut text = lines.collect::<Vec<_>>().join("\n").replace("{\\an7}", "").replace("\\h", " ");
        while let Some((before, rest)) = text.split_once('<') {
            text = format!("{before}{}", rest.split_once('>').unwrap().1);
        }
        (ms(start), ms(end), text)
    };
    srt.split("\n\n").filter(|block| !block.trim().is_empty()).map(event).collect()
}

/// Plays a file of one pair a line; FFmpeg takes a frame for 33 ms.
fn play_scc(scc: &str, growth: Growth) -> Vec<Cue> {
    let mut decoder = Decoder::new(growth, Aspect::Wide);
    let mut track = track();
    let mut shown_to = 0;
    for line in scc.lines().filter(|line| line.contains('\t')) {
        let (time, pair) = line.split_once('\t').unwrap();
        let parts: Vec<u64> = time.split(':').map(|part| part.parse().unwrap()).collect();
        let ms = ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000 + parts[3] * 33;
        // Pictures without captions lie between.
        while shown_to + 33 < ms {
            shown_to += 33;
            let changes = decoder.push(START + Duration::from_millis(shown_to), &[]);
            changes.iter().for_each(|change| track.show(&change.screen));
        }
        shown_to = ms;
        let pair = u16::from_str_radix(pair, 16).unwrap().to_be_bytes();
        for change in decoder.push(START + Duration::from_millis(ms), &cc_data(0, &[pair])) {
            track.show(&change.screen);
        }
    }
    assert_eq!(decoder.services(), [CC1]);
    track.cues_in(MediaTime::ZERO, MediaTime::from_nanos(u64::MAX)).cloned().collect()
}

fn ms(at: MediaTime) -> u64 {
    at.since(START).as_millis() as u64
}

/// All that stands at an instant, in rows from the top.
fn standing(cues: &[Cue], at_ms: u64) -> String {
    let at = START + Duration::from_millis(at_ms);
    let mut there: Vec<&Cue> = cues.iter().filter(|cue| cue.stands_in(at, at + Duration::from_nanos(1))).collect();
    there.sort_by_key(|cue| match cue.text.placement.line {
        LinePosition::At(at) => at,
        _ => Percent::WHOLE,
    });
    there.iter().map(|cue| cue.text.text()).collect::<Vec<_>>().join("\n")
}

/// Files and what FFmpeg 5.1.9's `cc_dec` made of them: see `make_scc.py`.
#[test]
fn pop_on_captions_are_those_of_ffmpeg() {
    let cues = play_scc(include_str!("../testdata/popon.scc"), Growth::default());
    let ours: Vec<Event> =
        cues.iter().map(|cue| (ms(cue.start), ms(cue.end.unwrap()), cue.text.text().replace("  ", " "))).collect();
    let theirs = events_of_srt(include_str!("../testdata/popon.srt"));
    let theirs: Vec<Event> =
        theirs.into_iter().map(|(start, end, text)| (start, end, text.replace("  ", " "))).collect();
    assert_eq!(ours, theirs);
    // What the file of FFmpeg does not tell: colours and places.
    let green = cues.last().unwrap();
    assert_eq!(green.text.lines[0].spans()[0].style.colour, Some(Rgba::opaque(0, 255, 0)));
    let placement = cues[0].text.placement;
    assert_eq!(
        (placement.line, placement.align),
        (LinePosition::At(Percent::of(10.0 + 80.0 / 15.0 * 13.0)), Align::Start)
    );
    assert_eq!((placement.position, placement.size), (Some(Percent::of(20.0)), Percent::of(70.0)));
}

/// Sixty of them, by chance; runs of spaces count as one.
#[test]
fn captions_of_all_characters_places_and_colours_are_those_of_ffmpeg() {
    let cues = play_scc(include_str!("../testdata/random.scc"), Growth::default());
    let events = events_of_srt(include_str!("../testdata/random.srt"));
    assert_eq!(events.len(), 60);
    let same = |text: &str| {
        let lines = text.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
        lines.collect::<Vec<_>>().join("\n")
    };
    for (start, end, text) in events {
        let there = standing(&cues, start);
        assert_eq!(same(&there), same(&text), "at {start}");
        assert_eq!(standing(&cues, end - 1), there);
        assert!(start == 0 || standing(&cues, start - 1) != there);
    }
}

/// FFmpeg tells a line as of its beginning, which only a decoder that waits for its end can; ours shows it grow. So what is compared is the
/// screen at the end of each of FFmpeg's events, and when it ended.
#[test]
fn roll_up_and_paint_on_captions_end_as_those_of_ffmpeg() {
    let files = [
        (include_str!("../testdata/rollup.scc"), include_str!("../testdata/rollup.srt")),
        (include_str!("../testdata/painton.scc"), include_str!("../testdata/painton.srt")),
    ];
    for (scc, srt) in files {
        for growth in [Growth::default(), Growth::Steps(Duration::ZERO)] {
            let cues = play_scc(scc, growth);
            for (_, end, text) in events_of_srt(srt) {
                assert_eq!(standing(&cues, end - 1), text, "{growth:?} before {end}");
            }
            // What erases is told at once, whatever grew before.
            let erased: Vec<u64> =
                events_of_srt(srt).into_iter().map(|(_, end, _)| end).filter(|end| end % 1000 == 0).collect();
            assert!(erased.iter().filter(|end| standing(&cues, **end).is_empty()).count() >= 2);
        }
    }
}

#[test]
fn text_that_grows_is_told_in_steps_or_in_lines() {
    let count = |growth| {
        let mut show = Show::new(growth, CC1);
        show.pairs(0, &[RU2, CR, PAC15]);
        show.text(0, "THE FIRST LINE OF TEXT");
        show.pairs(0, &[CR]);
        show.text(0, "AND THE SECOND");
        show.pairs(0, &[EDM]);
        // No more than one picture after the code that erased.
        assert_eq!(show.cues().last().unwrap().end, Some(show.now - Duration::from_millis(66)));
        show.cues().len()
    };
    let lines = count(Growth::Lines);
    let steps = count(Growth::Steps(Duration::from_millis(200)));
    let all = count(Growth::Steps(Duration::ZERO));
    assert_eq!((lines, all), (1, 19));
    assert!((3..8).contains(&steps), "{steps}");
    // What grew last is told, too, though nothing follows it.
    let mut show = Show::new(Growth::default(), CC1);
    show.pairs(0, &[RDC, PAC15]);
    show.text(0, "ABCDEF");
    show.wait(Duration::from_millis(400));
    assert_eq!(show.shown(), ["ABCDEF"]);
}

#[test]
fn codes_that_change_what_was_written_are_obeyed() {
    let mut show = Show::new(Growth::Steps(Duration::ZERO), CC1);
    show.pairs(0, &[RDC, PAC15]);
    show.text(0, "ABCD");
    show.pairs(0, &[BS]);
    assert_eq!(show.shown(), ["ABC"]);
    // An extended character takes the place of the one before it; a special one does not.
    show.pairs(0, &[[0x12, 0x20], [0x11, 0x37]]);
    assert_eq!(show.shown(), ["ABÁ♪"]);
    // Back to column 0, on by three and by one, and away with the rest.
    show.pairs(0, &[PAC15, [0x17, 0x23], DER]);
    assert_eq!(show.shown(), ["ABÁ"]);
    // A background takes the place of the space before it.
    show.text(0, "X ");
    show.pairs(0, &[[0x10, 0x28]]);
    show.text(0, "Y");
    assert_eq!(show.shown(), ["ABÁX Y"]);
    let last = show.cues().pop().unwrap();
    assert_eq!(last.text.lines[0].spans().last().unwrap().style.background, Some(Rgba::opaque(255, 0, 0)));
    // Text mode is none of captions.
    show.pairs(0, &[TR]);
    show.text(0, "WEATHER");
    assert_eq!(show.shown(), ["ABÁX Y"]);
    // 32 columns, and no more: what comes then is written over the last one.
    show.pairs(0, &[RDC, EDM, PAC15]);
    show.text(0, &"0123456789".repeat(4));
    assert_eq!(show.shown(), ["01234567890123456789012345678909"]);
}

#[test]
fn damage_and_doubles_are_borne() {
    let mut show = Show::new(Growth::Steps(Duration::ZERO), CC1);
    show.pairs(0, &[RDC, PAC15]);
    // A wrong bit in text shows as a block, in a control code stops it; its double is obeyed.
    show.push(&cc_data(0, &[[odd(b'A') ^ 0x80, odd(b'B')]]));
    assert_eq!(show.shown(), ["█B"]);
    show.push(&cc_data(0, &[[odd(0x14), odd(0x2c) ^ 0x80]]));
    assert_eq!(show.shown(), ["█B"]);
    show.push(&cc_data(0, &[[odd(0x14), odd(0x2c)]]));
    assert!(show.shown().is_empty());
    // Three times is twice: the third is no double.
    show.pairs(0, &[PAC15]);
    show.text(0, "ABCD");
    let back = cc_data(0, &[BS.map(odd)]);
    (0..3).for_each(|_| show.push(&back));
    assert_eq!(show.shown(), ["AB"]);
    // A field without valid data is erased; one with padding is not.
    show.track.end_all(show.now);
    let mut show = Show::new(Growth::Steps(Duration::ZERO), CC1);
    show.pairs(0, &[RDC, PAC15]);
    show.text(0, "STAYS");
    for _ in 0..600 {
        show.push(&cc_data(0, &[[0x80, 0x80]]));
    }
    assert_eq!(show.shown(), ["STAYS"]);
    show.wait(Duration::from_secs(17));
    assert!(show.shown().is_empty());
}

#[test]
fn the_second_field_has_channels_of_its_own_and_xds_between() {
    let mut show = Show::new(Growth::Steps(Duration::ZERO), Service::Line21(3));
    // In field 2 the control codes of 0x14 are those of 0x15.
    show.pairs(1, &[[0x15, 0x20], [0x15, 0x2e], PAC15]);
    show.text(1, "HO");
    show.pairs(1, &[[0x01, 0x03]]);
    show.text(1, "PROGRAMME");
    show.pairs(1, &[[0x0f, 0x1d]]);
    show.text(1, "LA");
    show.pairs(1, &[[0x01, 0x03]]);
    show.text(1, "XX");
    show.pairs(1, &[[0x15, 0x2f]]);
    assert_eq!(show.shown(), ["HOLA"]);
    assert_eq!(show.decoder.services(), [Service::Line21(3)]);
    // Channel 2 of the first field, at the same time.
    show.pairs(0, &[[0x1c, 0x29], [0x1c, 0x70]]);
    show.text(0, "DOS");
    assert_eq!(show.decoder.services(), [Service::Line21(2), Service::Line21(3)]);
    assert_eq!(show.decoder.services().iter().map(Service::to_string).collect::<Vec<_>>(), ["CC2", "CC3"]);
    let ended = show.decoder.reset(show.now);
    assert!(ended.len() == 2 && ended.iter().all(|change| change.screen.texts.is_empty()));
    assert_eq!(show.decoder.services().len(), 2);
}

#[test]
fn speakers_who_stand_apart_stay_apart() {
    let mut show = Show::new(Growth::default(), CC1);
    // Row 14 at column 0 and row 15 at column 16; then three rows about one middle.
    show.pairs(0, &[RCL, ENM, [0x14, 0x50]]);
    show.text(0, "LEFT");
    show.pairs(0, &[[0x14, 0x78]]);
    show.text(0, "RIGHT");
    show.pairs(0, &[EOC]);
    assert_eq!(show.shown(), ["LEFT", "RIGHT"]);
    show.pairs(0, &[RCL, ENM, [0x14, 0x54]]);
    show.text(0, "LONGER LINE");
    show.pairs(0, &[[0x14, 0x76]]);
    show.text(0, "LINE");
    show.pairs(0, &[EOC]);
    let cue = show.cues().pop().unwrap();
    assert_eq!((cue.text.text().as_str(), cue.text.placement.align), ("LONGER LINE\nLINE", Align::Center));
}

/// `cc_data()` of the codes of a service, by another's writer.
fn dtvcc(service: u8, sequence: u8, codes: &[Code]) -> Vec<u8> {
    let mut block = Block::new(service);
    codes.iter().for_each(|code| block.push_code(code).unwrap());
    let mut packet = DTVCCPacket::new(sequence & 3);
    packet.push_service(block).unwrap();
    let mut writer = CCDataWriter::default();
    writer.push_packet(packet);
    let mut out = Vec::new();
    writer.write(Framerate::new(30, 1), &mut out).unwrap();
    out
}

fn chars(text: &str) -> Vec<Code> {
    text.chars().map(|char| Code::from_char(char).unwrap()).collect()
}

fn define(id: u8, anchor: Anchor, vertical: u8, horizontal: u8, rows: u8, columns: u8, visible: bool) -> Code {
    Code::DefineWindow(DefineWindowArgs::new(
        id,
        0,
        anchor,
        false,
        vertical,
        horizontal,
        rows - 1,
        columns - 1,
        true,
        true,
        visible,
        1,
        1,
    ))
}

#[test]
fn windows_are_shown_moved_and_deleted() {
    let mut show = Show::new(Growth::Steps(Duration::ZERO), Service::Dtvcc(1));
    let mut sequence = 0;
    let mut send = |show: &mut Show, codes: &[Code]| {
        show.push(&dtvcc(1, sequence, codes));
        sequence += 1;
    };
    // Hidden while it is written.
    send(&mut show, &[define(0, Anchor::BottomLeft, 74, 20, 2, 32, false)]);
    send(&mut show, &chars("FIRST ROW"));
    send(&mut show, &[&[Code::CR], &chars("é½…—♪".replace('—', "-").as_str())[..]].concat());
    assert!(show.decoder.services().is_empty() && show.shown().is_empty());
    send(&mut show, &[Code::DisplayWindows(WindowBits::ZERO)]);
    assert_eq!(show.shown(), ["FIRST ROW\né½…-♪"]);
    assert_eq!(show.decoder.services(), [Service::Dtvcc(1)]);
    let placement = show.cues()[0].text.placement;
    let column = 80.0 / 42.0;
    // The anchor is its lower left corner, in the 210 by 75 cells of the safe area.
    let top = 10.0 + 74.0 / 75.0 * 80.0 - 2.0 * 80.0 / 15.0;
    assert_eq!(placement.line, LinePosition::At(Percent::of(top)));
    assert_eq!(placement.position, Some(Percent::of(10.0 + 20.0 / 5.0 * column)));
    // The rows roll.
    send(&mut show, &[&[Code::CR], &chars("THIRD")[..]].concat());
    assert_eq!(show.shown(), ["é½…-♪\nTHIRD"]);
    // Italics, a place for the pen, backspace.
    let pen = SetPenAttributesArgs { italics: true, ..SetPenAttributesArgs::from([0x05, 0x00]) };
    let codes = [Code::SetPenAttributes(pen), Code::SetPenLocation(SetPenLocationArgs::new(1, 6))];
    send(&mut show, &[&codes[..], &chars("IT"), &[Code::BS]].concat());
    assert_eq!(show.shown(), ["é½…-♪\nTHIRD I"]);
    let cues = show.cues();
    assert!(cues.last().unwrap().text.lines[1].spans()[1].style.italic);
    // A second window; then both are toggled, cleared, deleted.
    send(&mut show, &[&[define(1, Anchor::TopMiddle, 0, 105, 1, 20, true)], &chars("ABOVE")[..]].concat());
    assert_eq!(show.shown().len(), 2);
    send(&mut show, &[Code::ToggleWindows(WindowBits::ZERO)]);
    assert_eq!(show.shown(), ["ABOVE"]);
    send(&mut show, &[Code::ToggleWindows(WindowBits::ZERO), Code::ClearWindows(WindowBits::ONE)]);
    assert_eq!(show.shown(), ["é½…-♪\nTHIRD I"]);
    send(&mut show, &[Code::DeleteWindows(WindowBits::ZERO)]);
    assert!(show.shown().is_empty());
    // Nobody writes to a window that was deleted; FF erases one that is there.
    send(&mut show, &[&[Code::SetCurrentWindow0], &chars("X")[..]].concat());
    assert_eq!(show.shown(), ["X"], "the current window is still the second");
    send(&mut show, &[&[Code::FF], &chars("Y")[..]].concat());
    assert_eq!(show.shown(), ["Y"]);
    send(&mut show, &[Code::Reset]);
    assert!(show.shown().is_empty());
}

#[test]
fn delays_hold_a_service_back_until_they_end() {
    let mut show = Show::new(Growth::Steps(Duration::ZERO), Service::Dtvcc(2));
    let window = define(0, Anchor::TopLeft, 0, 0, 1, 32, true);
    let delay = Code::Unknown(vec![0x8d, 10]);
    show.push(&dtvcc(2, 0, &[&[window, delay.clone()], &chars("LATER")[..]].concat()));
    assert!(show.shown().is_empty());
    show.wait(Duration::from_millis(900));
    assert!(show.shown().is_empty());
    show.wait(Duration::from_millis(132));
    assert_eq!(show.shown(), ["LATER"]);
    // Cancelled; and ended by more than can wait.
    show.push(&dtvcc(2, 1, &[&[delay.clone()][..], &chars("!")].concat()));
    assert_eq!(show.shown(), ["LATER"]);
    show.push(&dtvcc(2, 2, &[Code::DelayCancel]));
    assert_eq!(show.shown(), ["LATER!"]);
    show.push(&dtvcc(2, 3, &[&[delay, Code::FF], &chars("A")[..]].concat()));
    for sequence in 4..10 {
        show.push(&dtvcc(2, sequence, &chars("0123456789012345678901234")));
    }
    assert!(show.shown()[0] != "LATER!");
}

/// A packet in pieces over pictures, padding between, and a code in two blocks.
#[test]
fn packets_and_codes_in_pieces_are_put_together() {
    let window: [u8; 6] = match define(0, Anchor::TopLeft, 0, 0, 1, 32, true) {
        Code::DefineWindow(args) => args.into(),
        _ => unreachable!(),
    };
    let mut show = Show::new(Growth::Steps(Duration::ZERO), Service::Dtvcc(9));
    // Service 9 has an extended number. The window's code is cut after its third byte.
    let first = [0x03, 0xe3, 9, 0x98, window[0], window[1]];
    let second = [0x45, 0xe6, 9, window[2], window[3], window[4], window[5], b'O', b'K', 0];
    for packet in [&first[..], &second[..]] {
        for (at, pair) in packet.chunks(2).enumerate() {
            let kind = if at == 0 { 0xff } else { 0xfe };
            show.push(&[0xc2, 0xff, kind, pair[0], pair[1], 0xfa, 0, 0]);
        }
    }
    assert_eq!(show.shown(), ["OK"]);
    assert_eq!(show.decoder.services(), [Service::Dtvcc(9)]);
    // A packet is lost: the half of a code before it is not joined to what comes after.
    show.push(&[0xc2, 0xff, 0xff, 0x82, 0xe2, 0xfe, 9, 0x98]);
    show.push(&[0xc3, 0xff, 0xff, 0x03, 0xe2, 0xfe, 9, b'!', 0xfe, b'!', 0]);
    assert_eq!(show.shown(), ["OK!!"]);
}

/// SEI messages of a stream that FFmpeg read, too: see `make_sei.py`.
#[test]
fn captions_of_sei_messages_are_those_of_ffmpeg() {
    let mut decoder = Decoder::new(Growth::default(), Aspect::Wide);
    let mut track = track();
    for line in include_str!("../testdata/sei.txt").lines() {
        let (frame, nal) = line.split_once(' ').unwrap();
        let at = START + Duration::from_nanos(frame.parse::<u64>().unwrap() * 1_000_000_000 / 30);
        let nal: Vec<u8> =
            nal.as_bytes().chunks(2).map(|hex| u8::from_str_radix(str::from_utf8(hex).unwrap(), 16).unwrap()).collect();
        for data in cc_data_of_h264(&nal) {
            decoder.push(at, &data).iter().for_each(|change| track.show(&change.screen));
        }
    }
    let rounded = |at: MediaTime| (at.since(START).as_micros() as u64 + 500) / 1000;
    let cues: Vec<Cue> = track.cues_in(MediaTime::ZERO, MediaTime::from_nanos(u64::MAX)).cloned().collect();
    let ours =
        cues.iter().map(|cue| (rounded(cue.start), rounded(cue.end.unwrap()), cue.text.text().replace("  ", " ")));
    let theirs = events_of_srt(include_str!("../testdata/sei.srt")).into_iter();
    assert_eq!(
        ours.collect::<Vec<Event>>(),
        theirs.map(|(start, end, text)| (start, end, text.replace("  ", " "))).collect::<Vec<_>>()
    );
}

#[test]
fn languages_of_services_are_told_by_their_descriptor() {
    let descriptor = [0xc2, b'e', b'n', b'g', 0xc1, 0xff, 0xff, b's', b'p', b'a', 0x7e, 0x3f, 0xff];
    let told: Vec<_> =
        services_of_descriptor(&descriptor).iter().map(|its| (its.service, its.language.clone())).collect();
    assert_eq!(told, [(Service::Dtvcc(1), "eng".to_owned()), (Service::Line21(1), "spa".to_owned())]);
    let services = services_of_descriptor(&descriptor);
    assert!(services[0].easy_reader && services[0].wide && !services[1].easy_reader);
    assert!(services_of_descriptor(&descriptor[..9]).len() == 1 && services_of_descriptor(&[]).is_empty());
}

#[test]
fn caption_data_is_found_among_sei_messages() {
    let data = [0xc1, 0xff, 0xfc, 0x94, 0x2c, 0xff];
    let user = [&[0xb5, 0x00, 0x31][..], b"GA94\x03", &data].concat();
    // A buffering period with zeros that need escaping before it, and the stop bit after it.
    let mut nal = vec![0x06, 0x00, 0x04, 0x00, 0x00, 0x03, 0x00, 0x01, 0x04, user.len() as u8];
    nal.extend_from_slice(&user);
    nal.push(0x80);
    assert_eq!(cc_data_of_h264(&nal), [data.to_vec()]);
    let mut h265 = vec![39 << 1, 1];
    h265.extend_from_slice(&nal[1..]);
    assert_eq!(cc_data_of_h265(&h265), [data.to_vec()]);
    nal[0] = 0x65;
    assert!(cc_data_of_h264(&nal).is_empty() && cc_data_of_h264(&[]).is_empty() && cc_data_of_h265(&[78]).is_empty());
}

proptest! {
    #[test]
    fn any_sei_is_read(bytes in prop::collection::vec(prop_oneof![Just(0u8), Just(4), Just(0xff), Just(0xb5), any::<u8>()], 0..200)) {
        cc_data_of_h264(&[&[6], &bytes[..]].concat());
        cc_data_of_h265(&[&[78, 1], &bytes[..]].concat());
    }

    #[test]
    fn any_caption_data_is_borne(pictures in prop::collection::vec((0u64..40, prop::collection::vec(any::<[u8; 3]>(), 0..31)), 0..60), lines in any::<bool>()) {
        let growth = if lines { Growth::Lines } else { Growth::default() };
        let mut decoder = Decoder::new(growth, Aspect::FourToThree);
        let mut at = START;
        let mut track = track();
        for (seconds, triples) in pictures {
            at = at + Duration::from_secs(seconds);
            let mut data = vec![0xc0 | triples.len() as u8, 0xff];
            data.extend(triples.iter().flatten());
            for change in decoder.push(at, &data) {
                prop_assert_eq!(change.screen.at, at);
                track.show(&change.screen);
            }
        }
        track.end_all(at);
        prop_assert!(track.cues_in(MediaTime::ZERO, MediaTime::from_nanos(u64::MAX)).all(|cue| cue.end.is_some()));
    }

    /// What is valid on the outside reaches all codes of services.
    #[test]
    fn any_codes_of_services_are_borne(blocks in prop::collection::vec((1u8..8, prop::collection::vec(prop_oneof![0x80u8..0xa0, any::<u8>()], 1..30)), 1..40)) {
        let mut decoder = Decoder::new(Growth::Steps(Duration::ZERO), Aspect::Wide);
        for (n, (service, block)) in blocks.into_iter().enumerate() {
            let mut packet = vec![0, service << 5 | block.len() as u8];
            if service == 7 {
                packet.push(7 + n as u8 % 57);
            }
            packet.extend(block);
            packet.resize(packet.len().next_multiple_of(2), 0);
            packet[0] = (n as u8) << 6 | (packet.len() / 2) as u8;
            let mut data = vec![0xc0 | (packet.len() / 2) as u8, 0xff];
            for (at, pair) in packet.chunks(2).enumerate() {
                data.extend([if at == 0 { 0xff } else { 0xfe }, pair[0], pair[1]]);
            }
            decoder.push(START + Duration::from_millis(33 * n as u64), &data);
        }
    }

    /// The same of line 21, with parity, so that everything is obeyed.
    #[test]
    fn any_codes_of_line_21_are_borne(pairs in prop::collection::vec((0u8..2, prop_oneof![0x10u8..0x20, 0u8..0x80], 0x20u8..0x80), 0..400)) {
        let mut decoder = Decoder::new(Growth::Steps(Duration::ZERO), Aspect::Wide);
        for (n, (field, first, second)) in pairs.into_iter().enumerate() {
            for change in decoder.push(START + Duration::from_millis(33 * n as u64), &cc_data(field, &[[odd(first), odd(second)]])) {
                prop_assert!(change.screen.texts.iter().all(|text| !text.is_blank()));
                prop_assert!(change.screen.texts.iter().flat_map(|text| &text.lines).all(|line: &Line| line.chars().count() <= 32));
            }
        }
    }
}
