use super::*;
use crate::captions::{SlotOnCanvas, Text, mosaic_text, webvtt::SegmentForm};
use crate::frame::Rect;

/// Three parts of ten frames a segment.
fn grid() -> Grid {
    Grid::new("30".parse().unwrap(), 30)
}

const FIRST: SegmentNumber = 1000;

struct Bench {
    texts: GameTexts,
    shelf: Arc<MemoryShelf>,
    frame: FrameNumber,
    /// Told with the next frame.
    listed: Vec<Arc<TextOrigin>>,
}

impl Bench {
    /// Begins with frame `within` of segment [`FIRST`].
    fn new(within: u64) -> Self {
        let shelf = Arc::new(MemoryShelf::new(grid(), 12));
        let texts = GameTexts::new("acme/a".into(), grid(), shelf.clone());
        Self { texts, shelf, frame: grid().first_frame(FIRST) + within, listed: Vec::new() }
    }

    fn tick(&mut self, run: u64, written: Vec<Written>) {
        let at = grid().frame_time(self.frame);
        let written = written.into_iter().map(|its| (at, its)).collect();
        let languages = |service: Service| (service == Service::Line21(3)).then(|| "es".to_owned());
        self.texts.tick(
            self.frame,
            FeedTexts { run, listed: self.listed.drain(..).collect(), written },
            true,
            &languages,
        );
        self.frame += 1;
    }

    fn ticks(&mut self, run: u64, count: u64) {
        (0..count).for_each(|_| self.tick(run, Vec::new()));
    }

    fn ids(&self) -> Vec<String> {
        self.texts.infos().iter().map(|info| info.id.to_string()).collect()
    }

    /// The cues of a segment: frames from the segment's first one, and text.
    fn cues(&self, text: &str, segment: SegmentNumber) -> Vec<(i64, i64, String)> {
        let name = TrackName::Text { game: "acme/a".into(), text: text.into() };
        let shelf = LayeredShelf::new(self.shelf.clone(), None);
        let track = pollster::block_on(read_back(&shelf, &grid(), &name, segment, None));
        let (from, to) = (grid().segment_time(segment), grid().segment_time(segment + 1));
        let frames = |at: MediaTime| {
            let first = i64::try_from(grid().first_frame(segment)).unwrap();
            i64::try_from(grid().frame_at(at + grid().frame_duration() / 2)).unwrap() - first
        };
        track
            .told_in(from, to)
            .into_iter()
            .map(|piece| (frames(piece.start), frames(piece.end), piece.text.text()))
            .collect()
    }
}

fn odd(byte: u8) -> u8 {
    byte | ((byte.count_ones() as u8 + 1) & 1) << 7
}

/// The `cc_data()` of pairs of a field of line 21, all with one picture.
fn line_21(field: u8, pairs: &[[u8; 2]]) -> Written {
    let mut data = vec![0x40 | pairs.len() as u8, 0xff];
    pairs.iter().for_each(|[a, b]| data.extend([0xfc | field, odd(*a), odd(*b)]));
    Written::Captions(data)
}

/// Pop-on: loads `text` and shows it.
fn shows(field: u8, text: &str) -> Written {
    let mut pairs = vec![[0x14, 0x20], [0x14, 0x2e], [0x14, 0x70]];
    pairs.extend(text.as_bytes().chunks(2).map(|two| [two[0], two.get(1).copied().unwrap_or(0)]));
    pairs.push([0x14, 0x2f]);
    line_21(field, &pairs)
}

fn told(language: &str, kind: Kind, name: &str) -> Arc<TextOrigin> {
    Arc::new(TextOrigin { track: TrackInfo { language: language.into(), kind }, name: name.into() })
}

fn cue(origin: &Arc<TextOrigin>, text: &str, until: MediaTime) -> Written {
    Written::Cue { origin: origin.clone(), text: Text::plain(text), until }
}

#[test]
fn captions_are_on_the_shelf_part_by_part_and_go_over_boundaries() {
    let mut bench = Bench::new(4);
    assert!(bench.ids().is_empty());
    bench.tick(1, vec![shows(0, "HELLO")]);
    bench.ticks(1, 30);
    // Erase what is displayed.
    bench.tick(1, vec![line_21(0, &[[0x14, 0x2c]])]);
    bench.ticks(1, 24);
    assert_eq!(bench.ids(), ["und"]);
    assert_eq!(bench.cues("und", FIRST), [(4, 30, "HELLO".to_owned())]);
    assert_eq!(bench.cues("und", FIRST + 1), [(0, 5, "HELLO".to_owned())]);
    let track = bench.shelf.find(&TrackName::Text { game: "acme/a".into(), text: "und".into() }).unwrap();
    assert_eq!(
        track.runs().iter().collect::<Vec<_>>(),
        [FIRST, FIRST + 1],
        "whole from its first part on, though it came later"
    );
    // A second language is another text.
    bench.tick(1, vec![shows(1, "HOLA")]);
    assert_eq!(bench.ids(), ["und", "es"]);
    // What is asked for of a text that is not there is nothing.
    assert_eq!(bench.cues("fr", FIRST), []);
}

#[test]
fn a_text_ends_with_its_source_and_goes_on_with_the_next_of_its_language() {
    let mut bench = Bench::new(0);
    let (first, second) = (told("en", Kind::Subtitles, "main"), told("en", Kind::Subtitles, "backup"));
    let far = grid().segment_time(FIRST + 10);
    bench.tick(1, vec![cue(&first, "before", far)]);
    bench.ticks(1, 9);
    bench.tick(2, vec![cue(&second, "after", far)]);
    bench.ticks(2, 19);
    assert_eq!(bench.ids(), ["en"]);
    assert_eq!(bench.cues("en", FIRST), [(0, 10, "before".to_owned()), (10, 300, "after".to_owned())]);
    // Two at once are two, and forced ones are called so.
    let (third, forced) = (told("en", Kind::Subtitles, "third"), told("en", Kind::Forced, "signs"));
    bench.tick(2, vec![cue(&third, "beside", far), cue(&forced, "EXIT", far)]);
    assert_eq!(bench.ids(), ["en", "en-2", "en-forced"]);
    // A cue that its playlist tells again is the same.
    bench.ticks(2, 4);
    bench.tick(2, vec![cue(&second, "after", far)]);
    bench.ticks(2, 24);
    assert_eq!(bench.cues("en", FIRST + 1).len(), 1);
    // Where the source's pictures are not shown nothing stands.
    bench.texts.tick(bench.frame, FeedTexts { run: 2, ..FeedTexts::default() }, false, &|_| None);
    bench.frame += 1;
    bench.ticks(2, 29);
    assert_eq!(bench.cues("en", FIRST + 2), []);
}

#[test]
fn a_text_that_a_source_lists_is_there_before_it_says_anything() {
    let mut bench = Bench::new(0);
    let (english, spanish) = (told("en", Kind::Subtitles, "main"), told("es", Kind::Subtitles, "main"));
    bench.listed = vec![Arc::clone(&english), Arc::clone(&spanish)];
    bench.ticks(1, 10);
    assert_eq!(bench.ids(), ["en", "es"]);
    // What it says is said there, and what another run lists goes on with it.
    let far = grid().segment_time(FIRST + 10);
    bench.tick(1, vec![cue(&english, "first", far)]);
    bench.listed = vec![told("en", Kind::Subtitles, "another name")];
    bench.ticks(2, 19);
    assert_eq!(bench.ids(), ["en", "es"]);
    assert_eq!(bench.cues("en", FIRST), [(10, 11, "first".to_owned())]);
    assert_eq!(bench.cues("es", FIRST), []);
}

#[test]
fn a_game_has_so_many_texts_and_no_more() {
    let mut bench = Bench::new(0);
    let far = grid().segment_time(FIRST + 3);
    let all: Vec<_> =
        (0..2 * MOST_TEXTS).map(|n| cue(&told(&format!("x{n}"), Kind::Subtitles, ""), "x", far)).collect();
    bench.tick(1, all);
    assert_eq!(bench.ids().len(), MOST_TEXTS);
    // A language that is none becomes a name that is one.
    let mut bench = Bench::new(0);
    bench.tick(1, vec![cue(&told("../é", Kind::Subtitles, ""), "x", far)]);
    assert_eq!(bench.ids(), ["und"]);
}

#[test]
fn what_is_put_in_a_slot_is_the_same_whenever_it_is_asked_for() {
    let mut bench = Bench::new(0);
    let origin = told("en", Kind::Subtitles, "");
    for n in 0..8 {
        let until = grid().segment_time(FIRST + n + 2);
        bench.tick(1, vec![cue(&origin, &format!("cue {n}"), until)]);
        bench.ticks(1, 29);
    }
    let slot = SlotOnCanvas { rect: Rect { x: 0, y: 0, width: 960, height: 540 }, canvas: (1920, 1080) };
    let text = |bench: &Bench, n: SegmentNumber| {
        let name = TrackName::Text { game: "acme/a".into(), text: "en".into() };
        let shelf = LayeredShelf::new(bench.shelf.clone(), None);
        let track = pollster::block_on(read_back(&shelf, &grid(), &name, n, None));
        mosaic_text(grid().segment_time(n), grid().segment_time(n + 1), &SegmentForm::default(), &[(slot, &track)])
    };
    let before = text(&bench, FIRST + 6);
    assert!(before.contains("cue 5") && before.contains("cue 6") && !before.contains("cue 4"), "{before}");
    // Older segments leave the shelf.
    bench.ticks(1, 30 * 6);
    assert_eq!(text(&bench, FIRST + 6), before);
}

#[test]
fn pages_and_cues_without_end_are_bounded() {
    let mut bench = Bench::new(0);
    let origin = |n: usize| {
        let track = TrackInfo { language: "de".into(), kind: Kind::Subtitles };
        Arc::new(TextOrigin { track, name: format!("{n}").into() })
    };
    let page = |n: usize| Written::Teletext { origin: origin(n), page: 0x888, data: vec![0x10] };
    bench.tick(1, (0..1000).map(page).collect());
    assert_eq!(bench.texts.pages.len(), MOST_PAGES);
    let until = grid().segment_time(FIRST + 9);
    let cue = |n: usize| Written::Cue { origin: origin(0), text: Text::plain(&format!("{n}")), until };
    bench.tick(1, (0..1000).map(cue).collect());
    bench.ticks(1, 40);
    assert_eq!(bench.cues("de", FIRST).len(), MOST_AT_ONCE);
}
