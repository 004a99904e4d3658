use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

use super::*;
use crate::encode::{AudioEncodeError, Libraries};
use crate::timeline::SimulatedClock;
use crate::track::Runs;
use crate::work::SystemThreads;

/// Real time that anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// What encoders are told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Work,
    RefuseToOpen,
    StandStillAtOpen,
    Fail,
}

/// Encoders that make an access unit of every 1024 samples, or do not.
struct Told {
    order: Mutex<Order>,
    ordered: Condvar,
    opened: AtomicUsize,
}

struct ToldEncoder {
    told: Arc<Told>,
    next_sample: u64,
    next_unit: u64,
}

struct Encoders(Arc<Told>);

impl SoundEncoders for Encoders {
    fn open(&self, first_aac_frame: u64, _: u32) -> Result<Box<dyn SoundEncoder>, AudioEncodeError> {
        let mut order = self.0.order.lock();
        while *order == Order::StandStillAtOpen {
            self.0.ordered.wait(&mut order);
        }
        self.0.opened.fetch_add(1, Ordering::Relaxed);
        if *order == Order::RefuseToOpen {
            return Err(AudioEncodeError::Unavailable("it was told to".into()));
        }
        let next_sample = first_aac_frame * AAC_FRAME_SAMPLES;
        Ok(Box::new(ToldEncoder { told: self.0.clone(), next_sample, next_unit: first_aac_frame }))
    }
}

impl SoundEncoder for ToldEncoder {
    fn next_sample(&self) -> u64 {
        self.next_sample
    }

    fn push(&mut self, sound: &Sound) -> Result<Vec<SoundUnit>, AudioEncodeError> {
        assert_eq!(sound.samples.start, self.next_sample);
        assert_eq!(sound.interleaved.len() as u64, 2 * (sound.samples.end - sound.samples.start));
        if *self.told.order.lock() == Order::Fail {
            return Err(AudioEncodeError::Stopped("it was told to".into()));
        }
        self.next_sample = sound.samples.end;
        let units = self.next_unit..self.next_sample / AAC_FRAME_SAMPLES;
        self.next_unit = units.end;
        Ok(units.map(|aac_frame| SoundUnit { aac_frame, data: Bytes::from_static(b"sound") }).collect())
    }
}

struct NoThreads;

impl Threads for NoThreads {
    fn start(&self, _: &str, _: Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>> {
        Err(io::Error::other("no more threads"))
    }
}

struct House {
    settings: Arc<SoundSettings>,
    clock: Arc<SimulatedClock>,
    told: Arc<Told>,
}

impl House {
    /// Segments of a second.
    fn new() -> Self {
        let told =
            Arc::new(Told { order: Mutex::new(Order::Work), ordered: Condvar::new(), opened: AtomicUsize::new(0) });
        Self::with(Arc::new(Encoders(told.clone())), Arc::new(SystemThreads), told)
    }

    fn with(encoders: Arc<dyn SoundEncoders>, threads: Arc<dyn Threads>, told: Arc<Told>) -> Self {
        let clock = Arc::new(SimulatedClock::new(MediaTime::from_secs(999)));
        let metrics = Arc::new(Metrics::new().unwrap());
        let grid = Grid::new("30".parse().unwrap(), 30);
        let settings = SoundSettings {
            grid,
            clock: clock.clone(),
            metrics: metrics.clone(),
            bitrate_bps: 128_000,
            shelf: Arc::new(MemoryShelf::new(grid, 20)),
            failing: Failing::new(metrics),
            in_hand: InHand::default(),
            encoders,
            threads,
        };
        Self { settings: Arc::new(settings), clock, told }
    }

    fn order(&self, order: Order) {
        *self.told.order.lock() = order;
        self.told.ordered.notify_all();
    }

    fn track(&self, game: &str) -> SoundEncoding {
        let track = SoundEncoding::new(self.settings.clone(), game, 1000);
        track.mend();
        track
    }

    fn tick_only(&self, track: &SoundEncoding, frame: u64) {
        let grid = self.settings.grid;
        self.clock.advance_to(grid.frame_time(frame));
        track.push(silence(grid.sample_at_frame(frame)..grid.sample_at_frame(frame + 1)));
    }

    fn tick(&self, track: &SoundEncoding, frames: Range<u64>) {
        for frame in frames {
            self.tick_only(track, frame);
            until("sound is encoded", || self.settings.in_hand.count() == 0);
        }
    }

    fn failures(&self, at: &str) -> u64 {
        self.settings.metrics.encoder_failures.with_label_values(&["audio", at]).get()
    }
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not so: {what}");
        std::thread::yield_now();
    }
}

fn runs(numbers: impl IntoIterator<Item = u64>) -> Runs {
    numbers.into_iter().collect()
}

#[test]
fn segments_come_whole_from_the_first_boundary_on() {
    let told = House::new().told;
    let house = House::with(Arc::new(Libraries), Arc::new(SystemThreads), told);
    let track = house.track("g");
    // Ticks begin in the middle of segment 999.
    house.tick(&track, 29_985..30_130);
    assert_eq!(track.track().runs(), runs(999 - LEAD_IN_SEGMENTS..=1003), "what is before the boundary is silent");
    let grid = house.settings.grid;
    let blocks = track.track().segment(1001).unwrap();
    assert_eq!(blocks.len(), 3);
    for (part, block) in (0..).zip(blocks) {
        let Block::Sound(units) = block else { panic!("it is sound") };
        assert!(units.iter().map(|unit| unit.aac_frame).eq(grid.part_aac_frames(1001, part)));
        assert!(units.iter().all(|unit| !unit.data.is_empty()));
    }
}

#[test]
fn lost_ticks_are_silent_and_cost_no_segment() {
    let house = House::new();
    let track = house.track("g");
    house.tick(&track, 30_000..30_040);
    // Two seconds are lost.
    house.tick(&track, 30_100..30_130);
    assert_eq!(track.track().runs(), runs(1000 - LEAD_IN_SEGMENTS..=1003));
}

#[test]
fn after_a_long_loss_the_sound_begins_anew_where_its_segment_does_and_what_was_finished_stays() {
    let house = House::new();
    let mut settings = Arc::into_inner(house.settings).unwrap();
    settings.shelf = Arc::new(MemoryShelf::new(settings.grid, 40));
    let house = House { settings: Arc::new(settings), ..house };
    let track = house.track("g");
    house.tick(&track, 30_000..30_040);
    // Half a minute and a bit.
    house.tick(&track, 30_950..31_065);
    assert_eq!(track.track().runs(), runs((1000 - LEAD_IN_SEGMENTS..=1001).chain(1031 - LEAD_IN_SEGMENTS..=1034)));
    assert_eq!(house.settings.failing.report(), Ok(()));
    assert_eq!(house.failures("encode"), 0, "nothing failed");
}

#[test]
fn an_encoder_that_fails_costs_the_rest_of_a_segment_which_is_silent() {
    let house = House::new();
    let track = house.track("g");
    house.tick(&track, 30_000..30_075);
    house.order(Order::Fail);
    house.tick(&track, 30_075..30_076);
    house.order(Order::Work);
    house.tick(&track, 30_076..30_160);
    assert_eq!(track.track().runs(), runs(1000 - LEAD_IN_SEGMENTS..=1004));
    let Some(Block::Sound(units)) = track.track().get(Position::new(1002, 2)) else { panic!("it is there") };
    assert!(units.iter().all(|unit| *unit == silent_unit(unit.aac_frame)));
    assert_eq!(house.failures("encode"), 1);
}

#[test]
fn an_encoder_that_does_not_open_is_tried_again_with_patience() {
    let house = House::new();
    house.order(Order::RefuseToOpen);
    let track = house.track("g");
    // Sixteen boundaries; attempts at once, with the next, then one, two, four and eight seconds later.
    house.tick(&track, 29_999..30_451);
    assert_eq!((house.failures("open"), house.told.opened.load(Ordering::Relaxed)), (5, 5));
    assert!(house.settings.failing.report().unwrap_err().contains("g/sound"));
    house.order(Order::Work);
    // A little more than the segment's pictures: its last AAC frame ends after them.
    house.tick(&track, 30_451..30_602);
    assert_eq!(track.track().runs().newest(), Some(1019));
    assert_eq!(house.settings.failing.report(), Ok(()));
}

#[test]
fn the_tick_and_all_other_sound_go_on_while_an_encoder_never_opens() {
    let house = House::new();
    let other = house.track("other");
    house.tick(&other, 29_999..30_001);
    house.order(Order::StandStillAtOpen);
    let stuck = house.track("stuck");
    for frame in 30_001..30_331 {
        house.tick_only(&stuck, frame);
        house.tick_only(&other, frame);
        let bound = QUEUE_TICKS + 1;
        until("the other's sound is encoded", || house.settings.in_hand.count() <= bound);
    }
    until("the other finishes its segments", || other.track().runs().newest() == Some(1010));
    // Nothing but the silence before it, which its own thread lays down.
    until("the other's silence", || stuck.track().runs().newest() == Some(1000));
    assert!(house.settings.metrics.frames.with_label_values(&["dropped"]).get() > 0);
    // At last: what was dropped is silent.
    house.order(Order::Work);
    until("the queue is empty", || house.settings.in_hand.count() == 0);
    house.tick(&stuck, 30_331..30_400);
    assert_eq!(stuck.track().runs().newest(), Some(1012));
}

#[test]
fn a_track_without_a_thread_says_so_and_waits_for_nobody() {
    let told = House::new().told;
    let house = House::with(Arc::new(Encoders(told.clone())), Arc::new(NoThreads), told);
    let track = house.track("g");
    (30_000..31_000).for_each(|frame| house.tick_only(&track, frame));
    track.mend();
    assert_eq!(house.failures("thread"), 2);
    assert!(house.settings.failing.report().is_err());
    drop(track);
    assert_eq!(house.settings.failing.report(), Ok(()), "a game that is gone fails no more");
}
