//! Many games at once: few of them are started at a time, and what there is no room for waits with nothing that runs.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::AtomicUsize;

use super::tests::{CLIP, Clip, grid, url_of};
use super::*;
use crate::timeline::SimulatedClock;

const START: MediaTime = MediaTime::from_secs(91_000_000);
const MOST: usize = 2;

/// A server that answers nobody until it is told to, and then that there is nothing.
#[derive(Default)]
struct Silent {
    answers: Mutex<bool>,
    told: Condvar,
    asked: AtomicUsize,
    asking: AtomicUsize,
    most_asking: AtomicUsize,
}

impl Silent {
    fn start() -> (Arc<Self>, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let this = Arc::new(Self::default());
        let server = this.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (server, stream) = (server.clone(), stream.unwrap());
                std::thread::spawn(move || server.serve(stream));
            }
        });
        (this, port)
    }

    fn serve(&self, mut stream: TcpStream) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let asking = self.asking.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_asking.fetch_max(asking, Ordering::SeqCst);
        let _ = stream.read(&mut [0; 4096]);
        let mut answers = self.answers.lock();
        while !*answers {
            self.told.wait(&mut answers);
        }
        drop(answers);
        self.asking.fetch_sub(1, Ordering::SeqCst);
        let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    }

    fn answer(&self) {
        *self.answers.lock() = true;
        self.told.notify_all();
    }
}

/// Feeds on a clock that stands still: nothing is given up, and nothing tried again.
struct Bench {
    grid: Grid,
    clock: Arc<SimulatedClock>,
    starts: Arc<Starts>,
}

impl Bench {
    fn new() -> Self {
        init().unwrap();
        Self { grid: grid("30"), clock: Arc::new(SimulatedClock::new(START)), starts: Starts::new(MOST) }
    }

    fn feed(&self, tenant: &str, name: &str, source: &str, decoding: Decoding, pace: Pace) -> Arc<Feed> {
        let spec = FeedSpec { key: name.into(), title: name.to_owned(), sources: vec![Url::parse(source).unwrap()] };
        let decoding = Decoding { starts: self.starts.of(Some(tenant)), ..decoding };
        Feed::start_within(spec, self.grid, self.clock.clone(), pace, decoding)
    }
}

/// Waits for threads in real time: how long they take is not what is looked at.
fn until(what: &str, reached: impl Fn() -> bool) {
    let begun = Instant::now();
    while !reached() {
        assert!(begun.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn of_forty_games_of_a_tenant_two_start_at_once_and_another_tenants_one_before_the_rest() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let (server, port) = Silent::start();
    let source = format!("http://127.0.0.1:{port}/hd.mp4");
    let forty: Vec<_> = (0..40)
        .map(|n| bench.feed("evil", &format!("evil/{n}"), &source, Decoding::unlimited(), Pace::Realtime))
        .collect();
    let waiting = || forty.iter().filter(|feed| feed.health().reason == Some(Reason::Waiting)).count();
    until("two are asked for, and all others wait", || {
        server.asked.load(Ordering::SeqCst) == MOST && waiting() == 40 - MOST
    });
    assert_eq!(bench.starts.count(), (MOST, 40 - MOST));
    let told = forty.iter().filter_map(|feed| feed.health().last_error).collect::<Vec<_>>();
    assert!(told.len() == 40 - MOST && told.iter().all(|text| text.starts_with("waits for its turn")), "{told:?}");

    let one = bench.feed("acme", "acme/1", &url_of(&CLIP.make(folder.path())), Decoding::unlimited(), Pace::Lockstep);
    let frame = bench.grid.frame_at(START);
    assert_eq!(one.picture_at(frame).outcome, Outcome::OnTime, "{:?}", one.health());
    // It has started, and keeps nobody from it any more.
    until("its place is free", || bench.starts.count() == (MOST, 40 - MOST));
    let card = forty.iter().find(|feed| feed.health().reason == Some(Reason::Waiting)).unwrap().picture_at(frame);
    assert_eq!(card.outcome, Outcome::Slate);
    let connecting = slate("evil/0", slate::CONNECTING).unwrap();
    assert!(card.picture.plane(0) != connecting.plane(0));

    // What fails makes room for the next.
    server.answer();
    until("all have had their turn", || forty.iter().all(|feed| feed.health().reason == Some(Reason::NotFound)));
    assert_eq!((server.asked.load(Ordering::SeqCst), server.most_asking.load(Ordering::SeqCst)), (40, MOST));
    until("nobody is left", || bench.starts.count() == (0, 0));
    forty.iter().for_each(|feed| feed.stop());
    one.stop();
}

#[test]
fn a_game_that_goes_gives_its_place_away_and_one_that_waits_goes_at_once() {
    let bench = Bench::new();
    let (server, port) = Silent::start();
    let source = format!("http://127.0.0.1:{port}/hd.mp4");
    let games: Vec<_> = (0..4)
        .map(|n| bench.feed("evil", &format!("evil/{n}"), &source, Decoding::unlimited(), Pace::Realtime))
        .collect();
    until("two wait", || games.iter().filter(|feed| feed.health().reason == Some(Reason::Waiting)).count() == 2);
    let (waiting, starting): (Vec<_>, Vec<_>) =
        games.iter().partition(|feed| feed.health().reason == Some(Reason::Waiting));
    waiting[0].stop();
    assert_eq!(bench.starts.count(), (2, 1));
    starting[0].stop();
    until("the other has its turn", || server.asked.load(Ordering::SeqCst) == 3);
    assert_eq!(bench.starts.count(), (2, 0));
    server.answer();
    games.iter().for_each(|feed| feed.stop());
}

/// So many cores, and how often some were asked for.
struct Counted(Mutex<(f64, usize)>);

impl DecodeRoom for Counted {
    fn admit(&self, cores: f64) -> Result<(), Refused> {
        let mut room = self.0.lock();
        room.1 += 1;
        if cores <= room.0 { Ok(()) } else { Err(Refused::Left(room.0)) }
    }

    fn left(&self) -> f64 {
        self.0.lock().0
    }
}

#[test]
fn a_large_pattern_asks_for_room_as_any_source_does_and_a_usual_one_does_not() {
    let bench = Bench::new();
    let room = Arc::new(Counted(Mutex::new((0.0, 0))));
    let show = |source: &str| {
        let decoding = Decoding { room: room.clone(), ..Decoding::unlimited() };
        bench.feed("own", source, source, decoding, Pace::Realtime)
    };
    let usual = show("test://ball?size=1920x1080");
    until("it is shown", || usual.status() == FeedStatus::Live);
    assert_eq!(room.0.lock().1, 0, "nobody was asked");
    let large = show("test://ball?size=3840x2160&fps=120");
    until("it was refused", || large.health().reason == Some(Reason::NoRoom));
    let said = large.health().last_error.unwrap();
    assert!(said.starts_with("no room: 3840x2160 at 120 takes about") && said.ends_with("0.00 are left"), "{said}");
    assert_eq!(large.status(), FeedStatus::Slate);
    room.0.lock().0 = 100.0;
    until("it is shown, too", || {
        bench.clock.advance(Duration::from_millis(5));
        large.status() == FeedStatus::Live
    });
    for feed in [usual, large] {
        feed.stop();
    }
}

#[test]
fn what_there_is_no_room_for_waits_with_nothing_that_runs_and_comes_when_there_is() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let source = url_of(&Clip { name: "large.mp4", ..CLIP }.make(folder.path()));
    let room = Arc::new(Counted(Mutex::new((0.000_001, 0))));
    let apart = apart::apart();
    let decoding = Decoding { room: room.clone(), apart: Some(apart.clone()), ..Decoding::unlimited() };
    let feed = bench.feed("evil", "evil/1", &source, decoding, Pace::Realtime);
    until("it was looked into once", || feed.health().reconnects == 1);
    let health = feed.health();
    assert_eq!(health.reason, Some(Reason::NoRoom), "{health:?}");
    let said = health.last_error.unwrap();
    assert!(said.starts_with("no room: 160x96 at 30 takes about") && said.ends_with("0.00 are left"), "{said}");
    // No faster than real time by much: a machine that is busy is not to be taken for a minute that passes.
    let first = room.0.lock().1;
    until("room is asked for", || {
        bench.clock.advance(Duration::from_millis(10));
        room.0.lock().1 >= first + 4
    });
    let (health, load) = (feed.health(), apart.load());
    assert_eq!((health.reconnects, load.0, bench.starts.count()), (1, 0, (0, 0)), "{health:?}");
    assert_eq!((health.reason, health.child.and_then(|child| child.pid)), (Some(Reason::NoRoom), None));
    room.0.lock().0 = 1.0;
    until("it is decoded", || {
        bench.clock.advance(Duration::from_millis(5));
        feed.status() == FeedStatus::Live
    });
    assert_eq!(feed.health().reconnects, 1);
    assert_eq!(apart.ended().iter().map(|(_, count)| count).sum::<u64>(), 1, "one process that looked, and this one");
    feed.stop();
}
