use proptest::prelude::*;

use super::*;
use crate::captions::{
    Align, Kind, Limits, Line, LineAlign, LinePosition, Percent, Placement, PositionAlign, Rgba, Style, TextTrack,
    TrackInfo, Writing,
};

fn style() -> impl Strategy<Value = Style> {
    let colour = || {
        let any_one = (any::<[u8; 4]>()).prop_map(|[r, g, b, a]| Rgba { r, g, b, a });
        prop::option::of(prop_oneof![any_one, prop::sample::select(css::CLASSES.map(|(_, colour)| colour).to_vec())])
    };
    (any::<[bool; 3]>(), colour(), colour()).prop_map(|([italic, bold, underline], colour, background)| Style {
        italic,
        bold,
        underline,
        colour,
        background,
    })
}

fn line() -> impl Strategy<Value = Line> {
    let text = prop_oneof!["[a-zA-Z<>&;#/. -]{1,12}", "\\PC{1,8}", Just("-->".to_owned()), Just("&amp;".to_owned())];
    prop::collection::vec((text, style()), 1..4).prop_map(|spans| {
        let mut line = Line::default();
        spans.iter().for_each(|(text, style)| line.push(text, *style));
        line
    })
}

fn percent() -> impl Strategy<Value = Percent> {
    (0u16..=10_000).prop_map(Percent::new)
}

fn placement() -> impl Strategy<Value = Placement> {
    let line = prop_oneof![
        (-20i16..40).prop_map(LinePosition::Row),
        percent().prop_map(LinePosition::At),
        Just(LinePosition::Auto)
    ];
    let edges = prop::sample::select(vec![LineAlign::Start, LineAlign::Center, LineAlign::End]);
    let points = prop::sample::select(vec![
        PositionAlign::Auto,
        PositionAlign::LineLeft,
        PositionAlign::Center,
        PositionAlign::LineRight,
    ]);
    let aligns = prop::sample::select(vec![Align::Start, Align::Center, Align::End, Align::Left, Align::Right]);
    let writings =
        prop::sample::select(vec![Writing::Horizontal, Writing::VerticalLeftToRight, Writing::VerticalRightToLeft]);
    (line, edges, prop::option::of(percent()), points, percent(), aligns, writings).prop_map(
        |(line, line_align, position, position_align, size, align, writing)| Placement {
            line,
            // An edge of nothing cannot be written.
            line_align: if line == LinePosition::Auto { LineAlign::Start } else { line_align },
            position,
            position_align: if position.is_none() { PositionAlign::Auto } else { position_align },
            size,
            align,
            writing,
        },
    )
}

pub fn text() -> impl Strategy<Value = Text> {
    (placement(), prop::collection::vec(line(), 1..4))
        .prop_map(|(placement, lines)| Text { placement, lines })
        .prop_filter("blank cues are none", |text| !text.is_blank() && !text.lines.iter().any(Line::is_blank))
}

/// Whole milliseconds of three hours around some day.
pub fn cue() -> impl Strategy<Value = Cue> {
    let start = 90_000_000_000u64..90_000_000_000 + 3 * 3_600_000;
    (start, 1u64..60_000, any::<bool>(), text()).prop_map(|(start_ms, length_ms, whole, text)| Cue {
        start: MediaTime::from_millis(start_ms),
        end: Some(MediaTime::from_millis(start_ms + length_ms)),
        told: if whole { Told::Whole } else { Told::AsItGoes },
        text,
    })
}

pub fn track() -> TextTrack {
    TextTrack::new(TrackInfo { language: "en".to_owned(), kind: Kind::Captions }, Limits::default())
}

/// What the clock of pictures on the grid says.
fn anchor(at: MediaTime) -> Anchor {
    Anchor { mpegts: (u128::from(at.as_nanos()) * 9 / 100_000 % (1 << 33)) as u64, at }
}

proptest! {
    #[test]
    fn what_was_written_is_read(cues in prop::collection::vec(cue(), 1..5), zero in any::<u64>()) {
        let (from, to) = (MediaTime::from_secs(90_003_600), MediaTime::from_secs(90_007_200));
        let mut track = track();
        cues.into_iter().for_each(|cue| { track.push(cue); });
        let pieces = track.told_in(from, to);
        let form = SegmentForm { mpegts_at_epoch: zero, own_colours: true };
        let text = track.segment_text(from, to, &form);
        prop_assert_eq!(&track.segment_text(from, to, &form), &text);
        let document = read(&text).unwrap();
        let seen = Anchor { mpegts: (u128::from(anchor(from).mpegts) + u128::from(zero)) as u64 % (1 << 33), at: from };
        let back = document.cues_by(seen);
        prop_assert_eq!(back.len(), pieces.len());
        for ((cue, timed), piece) in back.iter().zip(&document.cues).zip(&pieces) {
            prop_assert_eq!(&timed.id, &piece.id);
            prop_assert_eq!((cue.start, cue.end), (piece.start, Some(piece.end)), "{}", text);
            prop_assert_eq!(&cue.text, &piece.text, "{}", text);
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}", lines in prop::collection::vec("[-><:0-9a-z.%, /&;#{}()*]{0,40}", 0..20)) {
        let _ = read(&text);
        let _ = read(&format!("WEBVTT\n{text}"));
        let text = format!("WEBVTT\n\n{}", lines.join("\n"));
        if let Ok(document) = read(&text) {
            document.cues_by(Anchor { mpegts: u64::MAX, at: MediaTime::ZERO });
            document.cues_from(MediaTime::from_nanos(u64::MAX));
        }
    }

    #[test]
    fn pieces_of_a_cue_told_as_it_went_meet_and_do_not_change(cue in cue(), length_ms in 333u64..7000) {
        let mut open = track();
        let mut ended = track();
        ended.push(Cue { told: Told::AsItGoes, ..cue.clone() });
        open.push(Cue { told: Told::AsItGoes, end: None, ..cue.clone() });
        let end = cue.end.unwrap();
        let mut at = MediaTime::from_millis(cue.start.as_nanos() / 1_000_000 / length_ms * length_ms);
        let mut reached = cue.start;
        while at < end {
            let next = at + Duration::from_millis(length_ms);
            let pieces = ended.told_in(at, next);
            prop_assert_eq!(pieces.len(), 1);
            prop_assert_eq!(pieces[0].start, reached);
            prop_assert_eq!(&pieces[0].id, &cue.id());
            reached = pieces[0].end;
            if next <= end {
                let form = SegmentForm::default();
                prop_assert_eq!(open.segment_text(at, next, &form), ended.segment_text(at, next, &form));
                prop_assert_eq!(open.block(at, next).to_bytes(), ended.block(at, next).to_bytes());
            }
            at = next;
        }
        prop_assert_eq!(reached, end);
    }
}

const FULL: &str = "\u{feff}WEBVTT - a remark\r\nX-TIMESTAMP-MAP=LOCAL:00:00:10.000,MPEGTS:900000\r\n\r\n\
STYLE\r\n::cue { color: #ff0 }\r\n/* } */ ::cue(.loud), ::cue(i.quiet) { font-weight: bold; text-decoration: underline }\r\n\r\n\
REGION\r\nid:low\r\nwidth:40%\r\nlines:2\r\nregionanchor:0%,100%\r\nviewportanchor:10%,90%\r\nscroll:up\r\n\r\n\
NOTE nothing --- to see\r\nhere\r\n\r\n\
one\r\n00:11.000 --> 00:12.500 line:-1 align:left position:10%,line-left size:35.5%\r\n<v Ann>Fish &amp; chips</v>, <c.loud>loud</c>\r\n<00:11.500><i>second</i> line &lt;3 &#x2764; &nope;\r\n\r\n\
00:00:12.500 --> 00:00:14.000 region:low align:start\r\n<ruby>漢<rt>kan</rt></ruby> <lang en>ok</lang> <c.cyan.bg_blue>c</c>\r\n00:00:15.000 --> 00:00:16.000 vertical:rl line:0\r\n<b><u>deep</b></u> end</u>\r\n\r\n\
00:00:17.000 --> 00:00:16.000\r\nbackwards\r\n\r\n\
00:00:18.000 --> 00:00:19.000 line:101% size:-1% align:top\r\nlast";

#[test]
fn a_text_with_everything_is_read() {
    let document = read(FULL).unwrap();
    assert_eq!(document.map, Some((900_000, 10_000)));
    let cues = &document.cues;
    assert_eq!(
        cues.iter().map(|cue| (cue.start_ms, cue.end_ms)).collect::<Vec<_>>(),
        [(11_000, 12_500), (12_500, 14_000), (15_000, 16_000), (18_000, 19_000)]
    );
    let yellow = Style { colour: Some(Rgba::opaque(255, 255, 0)), ..Style::default() };
    assert_eq!(cues[0].id, "one");
    assert_eq!(cues[0].text.text(), "Fish & chips, loud\nsecond line <3 ❤ &nope;");
    let mut first = Line::default();
    first.push("Fish & chips, ", yellow);
    first.push("loud", Style { bold: true, underline: true, ..yellow });
    assert_eq!(cues[0].text.lines[0], first);
    assert!(cues[0].text.lines[1].spans()[0].style.italic);
    let placement = cues[0].text.placement;
    assert_eq!((placement.line, placement.align), (LinePosition::Row(-1), Align::Left));
    assert_eq!((placement.position, placement.size), (Some(Percent::new(1000)), Percent::new(3550)));
    // In the region: its lower edge, its left edge, its width.
    assert_eq!(cues[1].text.text(), "漢(kan) ok c");
    let placement = cues[1].text.placement;
    assert_eq!((placement.line, placement.line_align), (LinePosition::At(Percent::new(9000)), LineAlign::End));
    assert_eq!((placement.position, placement.size), (Some(Percent::new(1000)), Percent::new(4000)));
    let coloured = cues[1].text.lines[0].spans().last().unwrap().style;
    assert_eq!(
        (coloured.colour, coloured.background),
        (Some(Rgba::opaque(0, 255, 255)), Some(Rgba::opaque(0, 0, 255)))
    );
    // An end tag that is not of the innermost is none.
    assert_eq!(cues[2].text.placement.writing, Writing::VerticalRightToLeft);
    let spans = cues[2].text.lines[0].spans();
    assert!(spans[0].text == "deep" && spans[0].style.bold && spans[0].style.underline);
    assert!(spans[1].text == " end" && spans[1].style.bold && !spans[1].style.underline);
    assert_eq!(cues[3].text.placement, Placement::default());
}

#[test]
fn other_texts_are_refused() {
    for text in ["", "WEBVT", "WEBVTTX\n", "1\n00:00:01,000 --> 00:00:02,000\nsrt"] {
        assert_eq!(read(text), Err(VttError::NoSignature));
    }
    assert_eq!(read("WEBVTT").unwrap(), Document::default());
}

#[test]
fn the_clock_that_begins_again_is_followed() {
    let document =
        read("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:8589930000,LOCAL:00:00:00.000\n\n00:00.000 --> 00:01.000\na").unwrap();
    // The clock ends 4592 ticks after the map's; the anchor is 88,408 after it began again: one second and 33 ms later in all.
    let cues = document.cues_by(Anchor { mpegts: 88_408, at: MediaTime::from_secs(100) });
    assert_eq!(cues[0].start, MediaTime::from_nanos(100_000_000_000 - 93_000 * 100_000 / 9));
    // The other way round: a map after the beginning, an anchor before it.
    let document =
        read("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:90000,LOCAL:00:00:00.000\n\n00:00.000 --> 00:01.000\na").unwrap();
    let cues = document.cues_by(Anchor { mpegts: (1 << 33) - 90_000, at: MediaTime::from_secs(100) });
    assert_eq!((cues[0].start, cues[0].end), (MediaTime::from_secs(102), Some(MediaTime::from_secs(103))));
    // Without a map the text's zero is the clock's.
    let document = read("WEBVTT\n\n00:10.000 --> 00:11.000\na").unwrap();
    assert_eq!(document.cues_by(Anchor { mpegts: 0, at: MediaTime::from_secs(5) })[0].start, MediaTime::from_secs(15));
    assert_eq!(document.cues_from(MediaTime::from_secs(7))[0].start, MediaTime::from_secs(17));
}

#[test]
fn a_cue_of_lines_without_a_letter_is_not_taken() {
    let cue = |lines: usize| format!("WEBVTT\n\n00:01.000 --> 00:05.000\n{}end", "<b></b>\n".repeat(lines));
    let mut track = track();
    let mut is_taken = |lines: usize| {
        let cues = read(&cue(lines)).unwrap().cues_from(MediaTime::ZERO);
        cues.into_iter().all(|cue| track.push(cue))
    };
    assert_eq!((is_taken(63), is_taken(64), is_taken(100_000)), (true, false, false));
    assert!(track.segment_text(MediaTime::ZERO, MediaTime::from_secs(9), &SegmentForm::default()).len() < 1000);
}

#[test]
fn a_tag_of_very_many_classes_has_the_first_of_them() {
    let many = ".x".repeat(20);
    let text = |style: &str, tag: &str| {
        let text = format!("WEBVTT\n\nSTYLE\n::cue({style}) {{ color: red }}\n\n00:01.000 --> 00:05.000\n<c{tag}>a");
        read(&text).unwrap().cues[0].text.lines[0].spans()[0].style.colour
    };
    let red = Some(Rgba::opaque(255, 0, 0));
    assert_eq!((text(".y", ".x.y"), text(".y", &format!("{many}.y"))), (red, None));
    // A rule that asks for so many is none.
    assert_eq!((text(".x.y", ".y.x"), text(&format!("{many}.y"), ".x.y")), (red, None));
}

#[test]
fn cues_that_come_again_with_the_next_segment_are_one() {
    let mut track = track();
    let segments = [
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n1\n00:01.000 --> 00:05.000\nlong\n",
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:360000,LOCAL:00:00:00.000\n\n1\n00:00.000 --> 00:01.000\nnext\n",
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n1\n00:01.000 --> 00:05.000\nlong\n",
    ];
    let news: Vec<usize> = segments
        .iter()
        .map(|text| {
            let cues = read(text).unwrap().cues_by(Anchor { mpegts: 0, at: MediaTime::from_secs(1000) });
            cues.into_iter().filter(|cue| track.push(cue.clone())).count()
        })
        .collect();
    assert_eq!(news, [1, 1, 0]);
    let text = track.segment_text(MediaTime::from_secs(1004), MediaTime::from_secs(1006), &SegmentForm::default());
    assert_eq!(
        text,
        "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n\
         f4628-1fff49ab\n00:16:41.000 --> 00:16:45.000\nlong\n\nf51e0-2047f0ff\n00:16:44.000 --> 00:16:45.000\nnext\n\n"
    );
}

/// What FFmpeg 5.1.9 reads in a text of ours: `ffmpeg -i written.vtt written.srt`.
#[test]
fn what_was_written_is_what_ffmpeg_reads() {
    let mut track = track();
    let cue = |start_ms: u64, end_ms: u64, text: Text| Cue {
        start: MediaTime::from_millis(start_ms),
        end: Some(MediaTime::from_millis(end_ms)),
        told: Told::Whole,
        text,
    };
    let mut styled = Line::plain("Fish & <chips> ");
    styled.push("sind", Style { italic: true, ..Style::default() });
    styled.push(" gut", Style { bold: true, underline: true, ..Style::default() });
    let mut coloured = Line::default();
    coloured.push("rot", Style { colour: Some(Rgba::opaque(255, 0, 0)), ..Style::default() });
    coloured.push(" bunt", Style { colour: Some(Rgba::opaque(1, 2, 3)), ..Style::default() });
    let placement = Placement {
        line: LinePosition::At(Percent::new(8450)),
        position: Some(Percent::new(1005)),
        align: Align::Start,
        size: Percent::new(4000),
        ..Placement::default()
    };
    track.push(cue(1000, 3456, Text { placement, lines: vec![styled, Line::plain("--> zweite Zeile")] }));
    track.push(cue(2000, 7500, Text { placement: Placement::default(), lines: vec![coloured] }));
    track.push(cue(6999, 8000, Text::plain("Äpfel ♪")));
    let written = track.segment_text(MediaTime::ZERO, MediaTime::from_secs(8), &SegmentForm::default());
    assert_eq!(written, include_str!("../testdata/written.vtt"));
    let own = SegmentForm { own_colours: true, ..SegmentForm::default() };
    let own = track.segment_text(MediaTime::ZERO, MediaTime::from_secs(8), &own);
    let rule = "STYLE\n::cue(.c010203) { color: #010203 }\n\n";
    assert_eq!(own.replace(rule, "").replace("c010203", "black"), written);
    assert_ne!(own.len(), written.len());
    let srt = include_str!("../testdata/written.srt").replace('\r', "");
    let blocks: Vec<&str> = srt.trim().split("\n\n").collect();
    assert_eq!(
        blocks,
        [
            "1\n00:00:01,000 --> 00:00:03,456\nFish & <chips> <i>sind</i><b><u> gut</u></b>\n--> zweite Zeile",
            "2\n00:00:02,000 --> 00:00:07,500\nrot bunt",
            "3\n00:00:06,999 --> 00:00:08,000\nÄpfel ♪",
        ]
    );
}
