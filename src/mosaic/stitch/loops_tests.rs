use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use super::super::plans::Plans;
use super::*;
use crate::assets::{ArtApart, AssetLimits, EachPicture, Fault, FilmFacts, Films, Skin, SkinOrigin};
use crate::frame::{Colour, MACROBLOCK, Picture, Rect};
use crate::ladder::{RenditionSpec, VideoCodec};
use crate::layout::Layouts;
use crate::metrics::Metrics;
use crate::mosaic::opening::open_ladder;
use crate::timeline::{Clock, SimulatedClock};
use crate::track::MemoryShelf;

#[test]
fn an_animation_is_shown_at_its_pace_or_nearly() {
    // Segments of two seconds.
    let grid = Grid::new("30".parse().unwrap(), 60);
    let of = |ms| fitted(&grid, Duration::from_millis(ms));
    assert_eq!([2_000, 1_000, 500, 4_000, 6_000].map(of), [(1, 1), (1, 2), (1, 4), (2, 1), (3, 1)]);
    assert_eq!(of(1_300), (2, 3));
    assert_eq!(of(10), (1, 200));
    assert_eq!(of(30_000), (15, 1));
    for ms in (100..30_000).step_by(70) {
        let (segments, times) = of(ms);
        let pace = f64::from(times) * ms as f64 / (f64::from(segments) * 2_000.0);
        assert!((0.9..=1.1).contains(&pace), "{ms} ms: {segments} segments, {times} times");
    }
}

/// Two greys, a tenth of a second each; but first it fails, for one reason after the other.
#[derive(Default)]
struct Moody {
    fails: Mutex<VecDeque<NotShown>>,
    shows: AtomicU32,
}

fn grey(level: u8, (width, height): (u32, u32)) -> Option<Picture> {
    let luma = (width * height) as usize;
    Picture::from_planes(width, height, Colour::CANVAS, [vec![level; luma], vec![128; luma / 4], vec![128; luma / 4]])
}

impl Films for Moody {
    fn show(&self, _: &Path, again: bool, each: &mut EachPicture<'_>) -> Result<FilmFacts, NotShown> {
        self.shows.fetch_add(1, Ordering::Relaxed);
        if let Some(failed) = self.fails.lock().pop_front() {
            return Err(failed);
        }
        let mut shown = 0..if again { u32::MAX } else { 2 };
        let each = |nth: u32| {
            let picture = grey(if nth.is_multiple_of(2) { 60 } else { 180 }, (64, 36)).unwrap();
            each(Duration::from_millis(100) * nth, &picture).is_break()
        };
        shown.any(each);
        Ok(FilmFacts::default())
    }

    fn draw(&self, picture: &Picture, size: (u32, u32), _: [u8; 3]) -> Option<Picture> {
        grey(picture.row(0, 0)[0], size)
    }
}

/// Loops of a clip in a banner, on a clock that is cranked.
struct Stage {
    _dir: tempfile::TempDir,
    films: Arc<Moody>,
    clock: Arc<SimulatedClock>,
    loops: Loops,
    asset: AssetId,
    key: ArtKey,
}

fn why(fault: Fault) -> NotShown {
    NotShown { why: "no reason".to_owned(), fault }
}

impl Stage {
    /// Where the clip fails so when its loop is made.
    fn new(fails: &[Fault]) -> Self {
        let grid = Grid::new("30".parse().unwrap(), 6).with_part_frames(4);
        let (dir, films, layouts) = (tempfile::tempdir().unwrap(), Arc::<Moody>::default(), Layouts::bundled());
        let drawn = ArtApart::new("/nonexistent".into(), Vec::new());
        let assets = Assets::open_apart(dir.path().to_owned(), AssetLimits::default(), drawn, films.clone()).unwrap();
        let asset = assets.add("acme", b"\0\0\0\x10ftypisom\0\0\0\0", None).unwrap().0.id;
        films.fails.lock().extend(fails.iter().copied().map(why));
        let spec = RenditionSpec {
            name: "360p".into(),
            width: 640,
            height: 360,
            bitrate_bps: 800_000,
            codec: VideoCodec::H264,
        };
        let rungs = open_ladder(grid, &[spec], "veryfast", 10, Some(&layouts)).unwrap();
        let rungs: Arc<Vec<SlicedRung>> = Arc::new(rungs.iter().map(|rung| SlicedRung::new(rung).unwrap()).collect());
        let layout = layouts.get("1B").unwrap();
        let (size, place) = Plans::new().of(&layout, &rungs).unwrap()[0].tiles[layout.slots.len()];
        let part = [place.x_mb, place.y_mb, place.width_mbs, place.height_mbs].map(|mbs| mbs * MACROBLOCK);
        let part = Rect { x: part[0], y: part[1], width: part[2], height: part[3] };
        let whole = layout.art_picture_on(0, 640, 360);
        let piece = Some(Piece { asset, whole, part, background: layout.background });
        let key = ArtKey { rendition: 0, size, piece, colour: layout.background };
        let clock = Arc::new(SimulatedClock::new(MediaTime::from_secs(1_000)));
        let (metrics, shelf) = (Arc::new(Metrics::new().unwrap()), Arc::new(MemoryShelf::new(grid, 4)));
        let shared = Arc::new(EncodingShared::new(clock.clone(), metrics, shelf));
        let loops = Loops::new(LoopTools { grid, preset: "veryfast".to_owned(), assets, rungs, shared });
        Self { _dir: dir, films, clock, loops, asset, key }
    }

    fn put_in_a_skin(&self) {
        let art = BTreeMap::from([("banner".to_owned(), self.asset)]);
        let skin = Skin { id: "moves".into(), art, origin: SkinOrigin::Operator };
        self.loops.tools.assets.put_skin("acme", skin).unwrap();
    }

    fn pass(&self, ms: u64) {
        self.clock.advance_to(self.clock.now() + Duration::from_millis(ms));
    }

    /// What is due now, which the thread does not take because there is none of it.
    fn due(&self) -> (usize, bool) {
        let (due, is_any) = self.loops.known.lock().due(&self.loops.tools, MOST_WAITING);
        (due.len(), is_any)
    }

    fn failures(&self) -> (u32, bool) {
        match self.loops.known.lock().tiles.peek(&self.key) {
            Some(State::Moves(moving)) => (moving.failures, moving.is_asked),
            _ => (0, false),
        }
    }

    fn told(&self) -> Option<AssetLoops> {
        self.loops.tools.assets.get("acme", &self.asset).unwrap().loops
    }

    fn until(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let began = Instant::now();
        while !is(self) {
            assert!(began.elapsed() < Duration::from_secs(60), "{what}: {:?} {:?}", self.told(), self.failures());
            std::thread::yield_now();
        }
    }

    fn shows(&self) -> u32 {
        self.films.shows.load(Ordering::Relaxed)
    }
}

const FAILED: AssetLoops = AssetLoops { wanted: 1, made: 0, failed: 1, retried: 0, percent: 100 };
const RETRIED: AssetLoops = AssetLoops { wanted: 1, made: 0, failed: 1, retried: 1, percent: 0 };
const MADE: AssetLoops = AssetLoops { wanted: 1, made: 1, failed: 0, retried: 0, percent: 100 };

#[test]
fn what_failed_for_a_reason_that_may_pass_is_made_when_it_has_passed() {
    let stage = Stage::new(&[Fault::Moment, Fault::Unknown]);
    stage.put_in_a_skin();
    stage.loops.ahead(&stage.key);
    stage.until("the first failure", |stage| stage.told() == Some(RETRIED));
    // Nobody asks for it any more, but a skin has it.
    stage.pass(4_900);
    assert_eq!(stage.due(), (0, true));
    stage.pass(100);
    stage.until("the second failure", |stage| stage.failures() == (2, false));
    stage.pass(9_900);
    assert_eq!((stage.due(), stage.shows()), ((0, true), 3));
    stage.pass(100);
    stage.until("a loop", |stage| stage.told() == Some(MADE));
    assert_eq!((stage.due(), stage.shows()), ((0, false), 4));
    let block = |segment| stage.loops.block(&stage.key, Position::new(segment, 0)).unwrap();
    assert!(block(7).is_some() && block(8).is_some());
}

#[test]
fn what_failed_for_itself_is_not_tried_again() {
    let stage = Stage::new(&[Fault::File]);
    stage.put_in_a_skin();
    stage.loops.ahead(&stage.key);
    stage.until("the failure", |stage| stage.told() == Some(FAILED));
    stage.pass(3_600_000);
    stage.loops.ahead(&stage.key);
    assert!(stage.loops.block(&stage.key, Position::new(9, 0)).unwrap().is_none());
    assert_eq!((stage.due(), stage.failures(), stage.shows()), ((0, false), (1, false), 2));
}

#[test]
fn what_nobody_wants_any_more_is_tried_again_when_somebody_does() {
    let stage = Stage::new(&[Fault::Moment]);
    stage.loops.ahead(&stage.key);
    stage.until("the failure", |stage| stage.told() == Some(RETRIED));
    // In one go: who asked is gone by the time that it is due.
    stage.pass(61_000);
    assert_eq!((stage.due(), stage.failures(), stage.shows()), ((0, true), (1, false), 2));
    assert!(stage.loops.block(&stage.key, Position::new(9, 0)).unwrap().is_none());
    stage.until("a loop", |stage| stage.told() == Some(MADE));
    // Of an asset that is gone nothing is tried.
    let stage = Stage::new(&[Fault::Moment]);
    stage.loops.ahead(&stage.key);
    stage.until("the failure", |stage| stage.told() == Some(RETRIED));
    stage.loops.tools.assets.delete("acme", &stage.asset).unwrap();
    stage.pass(5_000);
    stage.until("it to be forgotten", |stage| stage.due() == (0, false));
    assert_eq!(stage.shows(), 2);
}

#[test]
fn what_fails_again_and_again_is_left_alone_for_longer_each_time() {
    let waits = [1, 2, 3, 4, 5, 6, 7, 8, u32::MAX].map(|failures| wait_after(failures).as_secs());
    assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
}
