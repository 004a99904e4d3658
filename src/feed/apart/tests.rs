//! Sources in processes of their own: what decodes well, what dies, what hangs, what lies.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rustix::process::{Pid, Signal, kill_process};
use url::Url;

use super::message::{PictureHead, Place, Up, plain_error};
use super::shared::{PLACE_BYTES, PLACES};
use super::*;
use crate::cadence::{Placed, Step};
use crate::feed::error::SourceError;
use crate::feed::tests::{CLIP, Clip, grid, url_of};
use crate::feed::{Decoding, Feed, FeedSpec, Outcome, Pace, Pick, Reason};
use crate::frame::{Picture, Sound};
use crate::reach::Denied;
use crate::timeline::{Clock, FrameNumber, Grid, MediaTime, SimulatedClock};
use crate::work;

const START: MediaTime = MediaTime::from_secs(91_000_000);
/// Ticks of a second.
const SECOND: usize = 30;

pub(super) fn is_child() -> bool {
    let stat = rustix::fs::fstat(std::io::stdin()).unwrap();
    rustix::fs::FileType::from_raw_mode(stat.st_mode) == rustix::fs::FileType::Socket
}

#[test]
fn no_words_of_a_child_are_told_as_they_are() {
    let long = "a\n\"".repeat(4000);
    let denied = [
        Denied::Scheme { scheme: long.clone(), allowed: long.clone() },
        Denied::Address { host: long.clone(), kind: long.clone().into() },
        Denied::Host { host: long.clone() },
        Denied::Itself { host: long.clone() },
        Denied::Name { host: long.clone() },
        Denied::Unreadable(long.clone()),
    ];
    let told = denied.map(SourceError::Denied).into_iter().chain([
        SourceError::TooLarge(long.clone()),
        SourceError::Unsupported(long.clone()),
        SourceError::Pipeline(long.clone()),
        SourceError::Element { reason: Reason::Failed, text: long.clone() },
    ]);
    for error in told {
        let text = plain_error(error).to_string();
        assert!(text.len() < 1200 && !text.contains(['\n', '"']), "{text}");
    }
}

/// The child of the tests in this file: this very program, of which it is the only test that runs.
#[test]
fn plays_the_child() {
    if is_child() {
        child();
        std::process::exit(0);
    }
}

#[test]
fn a_child_has_nothing_of_what_its_parent_left_open() {
    assert!(work::lets_go(|| parent::spawn(&apart()).unwrap()));
}

/// What goes wrong in a child's own thread of pictures when it has brought thirty.
static PLANTED: AtomicU8 = AtomicU8::new(0);
const LOOPS: u8 = 1;
const GROWS: u8 = 2;

pub(super) fn planted(pictures: u64) {
    match PLANTED.load(Ordering::Relaxed) {
        LOOPS if pictures >= 30 => loop {
            std::hint::spin_loop();
        },
        // Its pictures go on meanwhile.
        GROWS if pictures == 30 => {
            std::thread::spawn(|| {
                let mut kept = Vec::new();
                loop {
                    kept.push(vec![1_u8; 4 << 20]);
                    std::thread::sleep(Duration::from_millis(10));
                }
            });
        }
        _ => {}
    }
}

#[test]
fn plays_a_child_that_loops() {
    if is_child() {
        PLANTED.store(LOOPS, Ordering::Relaxed);
        child();
        std::process::exit(0);
    }
}

#[test]
fn plays_a_child_that_grows() {
    if is_child() {
        PLANTED.store(GROWS, Ordering::Relaxed);
        child();
        std::process::exit(0);
    }
}

#[test]
fn plays_a_child_that_minds_what_libraries_complain_of() {
    if is_child() {
        gstreamer::glib::log_set_always_fatal(gstreamer::glib::LogLevels::LEVEL_CRITICAL);
        child();
        std::process::exit(0);
    }
}

/// Children that never decode anything: what they say, in turn.
type Nonsense = fn(&mut UnixStream);

pub(super) fn frame(head: &Up, tail: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    message::send(&mut bytes, head, tail).unwrap();
    bytes
}

pub(super) fn picture_head(number: u64, width: u32, height: u32) -> PictureHead {
    let place = Place::of(Placed { at: 0, raw: 0, step: Step::Follows });
    let (luma, half) = (u64::from(width).saturating_mul(height.into()) >> 1 << 1, width / 2);
    let planes = [(0, width), (luma, half), (luma.saturating_add(luma / 4), half)];
    PictureHead { number, width, height, colour: [0; 5], pixel_aspect: (1, 1), fps: None, sent_us: 0, planes, place }
}

const NONSENSE: [(&str, Nonsense); 8] = [
    ("random bytes", |pipe| {
        let mut bytes = vec![0; 1 << 20];
        getrandom::fill(&mut bytes).unwrap();
        let _ = pipe.write_all(&bytes);
    }),
    ("a message without end", |pipe| {
        let _ = pipe.write_all(&u32::MAX.to_le_bytes());
    }),
    ("a picture out of turn", |pipe| {
        let _ = pipe.write_all(&frame(&Up::Picture(picture_head(7, 320, 180)), &[]));
    }),
    ("a picture larger than its place", |pipe| {
        let _ = pipe.write_all(&frame(&Up::Picture(picture_head(0, u32::MAX - 1, u32::MAX - 1)), &[]));
    }),
    ("a picture beyond what both have", |pipe| {
        let mut head = picture_head(0, 320, 180);
        head.planes[2].0 = (PLACES * PLACE_BYTES) as u64 - 1;
        let _ = pipe.write_all(&frame(&Up::Picture(head), &[]));
    }),
    ("more pictures than may be on their way", |pipe| {
        for number in 0..500 {
            if pipe.write_all(&frame(&Up::Picture(picture_head(number, 320, 180)), &[])).is_err() {
                return;
            }
        }
    }),
    ("times at the end of time", |pipe| {
        let place = Place::of(Placed { at: i64::MIN, raw: i64::MAX, step: Step::Hole(i64::MIN) });
        let _ = pipe.write_all(&frame(&Up::Sound(place), &[0; 4096]));
    }),
    ("a flood", |pipe| {
        let beat = frame(&Up::Beat, &[]).repeat(1000);
        while pipe.write_all(&beat).is_ok() {}
    }),
];

/// The name of a nonsense is its place, in the address that the child is told.
#[test]
fn plays_a_liar() {
    if !is_child() {
        return;
    }
    use std::os::fd::AsFd as _;
    let mut pipe = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let _memory = passing::receive(&pipe).unwrap();
    let mut buffer = Vec::new();
    message::receive(&mut pipe, &mut buffer).unwrap();
    let (message::Down::Begin(begin), _) = message::parse(&buffer).unwrap() else { panic!() };
    let which = Url::parse(&begin.url.unwrap()).unwrap().port().unwrap() - 40_000;
    let _ = pipe.write_all(&frame(&Up::Ready { missing: Vec::new() }, &[]));
    NONSENSE[usize::from(which)].1(&mut pipe);
    // It would stay for ever.
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let _ = pipe.write_all(&frame(&Up::Beat, &[]));
    }
}

pub(super) fn played_by(test: &str) -> Arc<Apart> {
    let arguments = [&format!("feed::apart::{test}"), "--exact", "--nocapture", "--test-threads=1"];
    Arc::new(Apart::new(std::env::current_exe().unwrap(), arguments.map(OsString::from).into()))
}

pub(in crate::feed) fn apart() -> Arc<Apart> {
    played_by("tests::plays_the_child")
}

/// A feed on a clock that is cranked, decoded inside or apart.
pub(super) struct Bench {
    pub feed: Arc<Feed>,
    clock: Arc<SimulatedClock>,
    grid: Grid,
    frame: FrameNumber,
}

impl Bench {
    pub fn new(source: &str, apart: Option<Arc<Apart>>) -> Self {
        Self::paced(source, apart, Pace::Lockstep)
    }

    fn paced(source: &str, apart: Option<Arc<Apart>>, pace: Pace) -> Self {
        crate::feed::init().unwrap();
        let grid = grid("30");
        let clock = Arc::new(SimulatedClock::new(START));
        let sources = vec![Url::parse(source).unwrap()];
        let spec = FeedSpec { key: "a".into(), title: "Ants at Bees".into(), sources };
        let decoding = Decoding { apart, ..Decoding::unlimited() };
        let feed = Feed::start_within(spec, grid, clock.clone() as Arc<dyn Clock>, pace, decoding);
        Self { feed, clock, grid, frame: grid.frame_at(START) }
    }

    pub fn tick(&mut self) -> (Pick, Sound) {
        self.clock.advance_to(self.grid.frame_time(self.frame));
        let pick = self.feed.picture_at(self.frame);
        let samples = self.grid.sample_at_frame(self.frame)..self.grid.sample_at_frame(self.frame + 1);
        let sound = self.feed.sound_at(samples);
        self.frame += 1;
        (pick, sound)
    }

    /// Ticks until `there`, with a little real time between; how many ticks that took.
    fn until(&mut self, limit: usize, mut there: impl FnMut(&Self, &Pick) -> bool) -> usize {
        for n in 1..=limit {
            let (pick, _) = self.tick();
            if there(self, &pick) {
                return n;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("not within {limit} ticks: {:?}", self.feed.health());
    }

    fn until_live(&mut self) {
        self.until(3000, |_, pick| pick.outcome == Outcome::OnTime);
    }

    fn pid(&self) -> Pid {
        let pid = self.feed.health().child.and_then(|child| child.pid).expect("a child");
        Pid::from_raw(pid as i32).unwrap()
    }

    fn why(&self) -> Option<Ended> {
        self.feed.health().child.and_then(|child| child.ended)
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.feed.stop();
    }
}

pub(super) fn bytes(picture: &Picture) -> Vec<u8> {
    let rows = |plane| (0..picture.plane_size(plane).1).flat_map(move |row| picture.row(plane, row));
    (0..3).flat_map(rows).copied().collect()
}

fn clip(folder: &Path) -> String {
    url_of(&CLIP.make(folder))
}

#[test]
fn a_file_gives_the_same_pictures_and_sound_apart_as_inside() {
    let folder = tempfile::tempdir().unwrap();
    let odd = Clip { name: "odd.mp4", size: (162, 98), ..CLIP };
    for source in [clip(folder.path()), url_of(&odd.make(folder.path()))] {
        let (mut inside, mut other) = (Bench::new(&source, None), Bench::new(&source, Some(apart())));
        // Three laps.
        for n in 0..95 {
            let ((one, heard), (two, heard_apart)) = (inside.tick(), other.tick());
            assert_eq!(two.outcome, one.outcome, "tick {n}: {:?}", other.feed.health());
            assert!(bytes(&one.picture) == bytes(&two.picture), "tick {n}");
            assert_eq!(one.picture.colour, two.picture.colour);
            assert!(heard == heard_apart, "sound of tick {n}");
            // Its header says two of the one channel there is, and says it anew in each lap.
            let channels = inside.feed.facts().audio.map(|sound| sound.channels);
            assert!(n < 30 || channels == Some(1), "tick {n}: {channels:?}");
        }
        // A process tells what it knows a little later.
        let known = |bench: &Bench| {
            let health = bench.feed.health();
            (health.width, health.height, health.fps, health.facts)
        };
        other.until(300, |other, _| known(&inside) == known(other));
        let (one, two) = (inside.feed.health(), other.feed.health());
        assert!(one.child.is_none() && two.child.is_some_and(|child| child.pid.is_some()));
    }
}

/// What its process's end costs a feed, and nobody else.
fn costs_its_own_slot(source: &str, harm: impl Fn(Pid), why: Ended) {
    let apart = apart();
    let mut one = Bench::paced(source, Some(apart.clone()), Pace::Realtime);
    let mut other = Bench::new(source, Some(apart.clone()));
    one.until_live();
    other.until_live();
    harm(one.pid());
    let outcomes: Vec<_> = (0..3 * SECOND)
        .map(|n| {
            assert_eq!(other.tick().0.outcome, Outcome::OnTime, "tick {n} of the other");
            one.tick().0.outcome
        })
        .collect();
    // What was decoded is still shown; then nothing stands still for a second.
    let slate = outcomes.iter().position(|outcome| *outcome == Outcome::Slate).expect("a slate");
    let shown = outcomes[..slate].iter().rposition(|outcome| *outcome == Outcome::OnTime).map_or(0, |at| at + 1);
    assert!(shown < SECOND && slate - shown < SECOND, "{outcomes:?}");
    one.until(3000, |one, _| one.why().is_some());
    assert_eq!(one.why(), Some(why), "{:?}", one.feed.health());
    one.until_live();
    assert_eq!(one.feed.health().child.unwrap().restarts, 1);
    assert_eq!(other.feed.health().child.unwrap().restarts, 0);
    assert!(apart.ended().contains(&(why, 1)), "{:?}", apart.ended());
}

#[test]
fn a_child_that_is_killed_costs_its_own_slot_a_slate_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    costs_its_own_slot(&clip(folder.path()), |pid| kill_process(pid, Signal::KILL).unwrap(), Ended::Died);
}

#[test]
fn a_child_that_is_stopped_costs_its_own_slot_a_slate_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    costs_its_own_slot(&clip(folder.path()), |pid| kill_process(pid, Signal::STOP).unwrap(), Ended::Hung);
}

#[test]
fn a_child_that_goes_round_in_circles_is_ended_when_its_pictures_stall() {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(folder.path());
    let mut bench = Bench::paced(&source, Some(played_by("tests::plays_a_child_that_loops")), Pace::Realtime);
    let mut other = Bench::new(&source, Some(apart()));
    bench.until_live();
    other.until_live();
    let pid = bench.pid();
    bench.until(400, |_, pick| pick.outcome == Outcome::Slate);
    bench.until(400, |bench, _| {
        bench.feed.health().reason == Some(Reason::Stalled) && bench.feed.health().reconnects > 0
    });
    bench.until(400, |_, _| rustix::process::test_kill_process(pid).is_err());
    (0..SECOND).for_each(|_| assert_eq!(other.tick().0.outcome, Outcome::OnTime));
    bench.until_live();
}

#[test]
fn what_asks_the_service_to_end_leaves_a_childs_pictures_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let mut bench = Bench::new(&clip(folder.path()), Some(apart()));
    bench.until_live();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP] {
        kill_process(bench.pid(), signal).unwrap();
        (0..SECOND).for_each(|n| assert_eq!(bench.tick().0.outcome, Outcome::OnTime, "{signal:?} {n}"));
    }
    assert_eq!((bench.why(), bench.feed.health().reconnects), (None, 0));
}

#[test]
fn libraries_find_in_a_child_what_they_take() {
    let folder = tempfile::tempdir().unwrap();
    let strict = played_by("tests::plays_a_child_that_minds_what_libraries_complain_of");
    let mut bench = Bench::new(&clip(folder.path()), Some(strict));
    bench.until_live();
    // Two laps: pools are made and given back.
    (0..2 * SECOND).for_each(|n| assert_eq!(bench.tick().0.outcome, Outcome::OnTime, "{n}: {:?}", bench.feed.health()));
    assert_eq!((bench.why(), bench.feed.health().reconnects), (None, 0));
}

#[test]
fn a_child_that_grows_without_end_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let mut grows =
        Apart::new(std::env::current_exe().unwrap(), played_by("tests::plays_a_child_that_grows").arguments.clone());
    grows.memory_bytes = 256 << 20;
    let mut bench = Bench::paced(&clip(folder.path()), Some(Arc::new(grows)), Pace::Realtime);
    bench.until_live();
    bench.until(3000, |bench, _| bench.why().is_some());
    assert_eq!(bench.why(), Some(Ended::Grew), "{:?}", bench.feed.health());
    let said = bench.feed.health().last_error.unwrap();
    assert!(said.contains("MiB of memory"), "{said}");
}

#[test]
fn whatever_a_child_says_costs_its_own_slot_alone() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = Bench::new(&clip(folder.path()), Some(apart()));
    other.until_live();
    for (n, (what, _)) in NONSENSE.iter().enumerate() {
        let source = format!("udp://127.0.0.1:{}", 40_000 + n);
        let mut bench = Bench::paced(&source, Some(played_by("tests::plays_a_liar")), Pace::Realtime);
        bench.until(2000, |bench, pick| {
            assert!(pick.outcome == Outcome::Slate || n == 4, "{what}");
            bench.why().is_some()
        });
        assert_eq!(bench.why(), Some(Ended::Lied), "{what}: {:?}", bench.feed.health());
        assert_eq!(other.tick().0.outcome, Outcome::OnTime, "beside {what}");
    }
}

pub(super) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn children() -> BTreeSet<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
    tasks.flat_map(|task| of(task).split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn nothing_is_left_of_children_that_went() {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(folder.path());
    let run = |harm: bool| {
        let mut bench = Bench::new(&source, Some(apart()));
        bench.until_live();
        if harm {
            kill_process(bench.pid(), Signal::KILL).unwrap();
            bench.until(300, |bench, _| bench.why().is_some());
            bench.until_live();
        }
    };
    // What is opened once and kept.
    run(false);
    let (before, threads) = (descriptors(), children());
    run(true);
    run(false);
    let until = Instant::now() + Duration::from_secs(10);
    while (descriptors() > before || children() != threads) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    // Of what was open before something may have been on its way out.
    let left = descriptors();
    assert!(
        left <= before && children() == threads,
        "{left} descriptors, {before} before; {:?}, {threads:?} before",
        children()
    );
}

#[test]
fn a_child_knows_no_secret_and_can_do_little() {
    let folder = tempfile::tempdir().unwrap();
    // As in a service: keys in the environment are nobody's business.
    let mut bench = Bench::new(&clip(folder.path()), Some(apart()));
    bench.until_live();
    let about = |what: &str| std::fs::read(format!("/proc/{}/{what}", bench.pid().as_raw_nonzero())).unwrap();
    let environment = String::from_utf8(about("environ")).unwrap();
    let names: Vec<_> = environment.split_terminator('\0').filter_map(|pair| pair.split('=').next()).collect();
    assert!(!names.is_empty());
    let ours = |name: &&str| parent::INHERITED.contains(name) || parent::PLAIN.iter().any(|(plain, _)| plain == name);
    assert!(names.iter().all(ours), "{names:?}");
    let status = String::from_utf8(about("status")).unwrap();
    let value = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert_eq!(
        (value("NoNewPrivs:"), value("Seccomp:"), value("Seccomp_filters:")),
        ("1".into(), "2".into(), "2".into())
    );
    // Whoever runs it, but for the thread of the test's own that was there before.
    let pid = bench.pid().as_raw_nonzero().to_string();
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    let tasks = tasks.filter(|task| task.file_name().to_str() != Some(&pid));
    let rights: Vec<_> = tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("status")).ok())
        .filter_map(|status| Some(status.lines().find(|line| line.starts_with("CapPrm:"))?.to_owned()))
        .collect();
    assert!(rights.len() > 2 && rights.iter().all(|line| line.ends_with("\t0000000000000000")), "{rights:?}");
    let limits = String::from_utf8(about("limits")).unwrap();
    assert!(
        limits.lines().any(|line| line.starts_with("Max data size") && line.contains(&(2 * MEMORY_BYTES).to_string()))
    );
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange_to_be_read_as_a_message(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut from = bytes.as_slice();
        let mut buffer = Vec::new();
        while let Ok(Some(())) = message::receive(&mut from, &mut buffer) {}
        if let Ok((message, tail)) = message::parse::<Up>(&bytes) {
            match message {
                Up::Sound(place) => _ = place.checked().map(|_| message::samples_of(tail)),
                Up::SoundBeside { track, .. } => _ = track.checked(),
                Up::Teletext { origin, .. } => _ = origin.checked(),
                Up::Coded { form, .. } => _ = form.checked(tail),
                Up::Facts { facts, .. } => message::take_facts(&mut Default::default(), *facts),
                _ => {}
            }
        }
    }
}
