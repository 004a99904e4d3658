//! Where a feed's source and its ticks meet: bounded queues of pictures and sound, and the clock between them.
//!
//! One lock. The source's threads push and, if they are pulled, wait for room; the tick thread picks and (in
//! [`Pace::Realtime`]) never waits. Nothing is called outwards under the lock.

// Fuzzing takes this file out of its room, where a path is needed.
#[path = "intake/idle.rs"]
mod idle;

use std::ops::Range;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use idle::Unseen;

use super::Pace;
use super::as_came::AsCame;
use super::beside::Besides;
use super::catch_up::CatchUp;
use super::signals::Signals;
use super::texts::Texts;
use crate::cadence::{
    PickedPicture, PictureQueue, Placed, SoundBuffer, SoundNews, SoundTrouble, SoundWatch, SourceClock, SourceNanos,
    Step,
};
use crate::frame::{Picture, Sound};
use crate::sync::{Claim, Estimator, Latency};
use crate::timeline::{Grid, MediaTime, SAMPLE_RATE_HZ};

/// A picture is held this long past its time, then the slate is shown.
const HOLD_NANOS: i64 = 700_000_000;
/// Ticks this far apart are no cadence: nobody looked at the feed in between.
const UNWATCHED: Duration = Duration::from_secs(1);
/// A pulled source this late is anchored anew: it would be late for ever.
const HOPELESS_NANOS: i64 = 1_000_000_000;
/// Sound nobody asked for is kept this long.
const SOUND_KEPT_NANOS: i64 = 1_500_000_000;
/// Sound of a pulled source is decoded this far ahead.
pub(super) const SOUND_AHEAD: usize = 2 * SAMPLE_RATE_HZ as usize;
/// Sound of any source is kept at most so far ahead (2.3 MB): a pulled one's where its pictures have a hole, because the
/// demuxer must get past the sound to what comes after it; a live one's that is stamped ahead of its pictures.
pub(super) const SOUND_CAPACITY: usize = 12 * SAMPLE_RATE_HZ as usize;
/// A hole in both streams of a pulled source is passed over where more than this of it is left.
const WORTH_SKIPPING_NANOS: i64 = 200_000_000;
/// Sound that starts within this is as good as there.
const NEARLY_NANOS: i64 = 250_000_000;
/// A pulled source's clock starts when so many pictures are there.
const PULLED_START: usize = 4;
/// How long [`Pace::Lockstep`] waits for a picture, and for sound.
const LOCKSTEP_PATIENCE: Duration = Duration::from_secs(10);
pub(super) const LOCKSTEP_SOUND_PATIENCE: Duration = Duration::from_secs(2);

/// How a run of a source is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timing {
    /// Its source time is ours.
    OnGrid,
    Pulled,
    /// Arrives so long before it is due.
    Live(Duration),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// No source runs; the next one is tried later.
    Down,
    Running,
    Stopped,
}

/// What a source's stream looks like, as far as it is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shape {
    pub width: u32,
    pub height: u32,
    pub fps: Option<(u32, u32)>,
}

/// A picture in the queue.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    picture: Picture,
    /// As the source stamped it.
    raw: i64,
    step: Step,
}

pub(super) struct State {
    pub phase: Phase,
    pub run: u64,
    timing: Timing,
    pub clock: SourceClock,
    pub pictures: PictureQueue<Waiting>,
    sound: SoundBuffer,
    pub besides: Besides,
    pub as_came: AsCame,
    watch: SoundWatch,
    /// The sound is to be placed anew: where it was put it is never heard.
    resettle: bool,
    /// Whether this run's source has sound at all, and whether more is to come in this lap.
    sound_expected: bool,
    /// [`Pace::Lockstep`] waits for the next picture, which may lie behind any amount of sound.
    picture_awaited: bool,
    shape: Shape,
    last_tick: Option<MediaTime>,
    /// When the newest picture arrived, in real time and in ours.
    last_arrival: Option<(Instant, MediaTime)>,
    unseen: Unseen,
    pictures_in_run: u64,
    pub signals: Signals,
    pub texts: Texts,
    pub catch_up: CatchUp,
    estimator: Estimator,
}

impl State {
    /// Whether a pulled source has delivered enough sound for now.
    pub fn sound_has_to_wait(&self) -> bool {
        let has_much = self.sound.len() >= SOUND_AHEAD;
        !self.clock.is_live()
            && has_much
            && (!self.wants_pictures() || (self.clock.is_anchored() && self.sound.is_full()))
    }

    /// Whether sound is taken in beyond what is enough for now, for the picture behind it.
    pub fn wants_pictures(&self) -> bool {
        self.pictures.is_empty() || self.picture_awaited
    }

    /// Where a pulled source goes on, if both its pictures and its sound have a hole at `want`: nobody has to wait it out.
    /// A hole in one of them is left as it is, because the other one plays.
    fn end_of_hole(&self, want: SourceNanos) -> Option<SourceNanos> {
        let (at, next) = self.pictures.peek()?;
        let Step::Hole(began) = next.step else { return None };
        if self.timing != Timing::Pulled || want < began {
            return None;
        }
        let resume = match self.sound.next_from(want) {
            Some(sound) => at.min(sound),
            None if !self.sound_expected => at,
            // Not heard of yet: it may only be late.
            None if want < began + HOLD_NANOS => return None,
            None => at,
        };
        (resume > want + WORTH_SKIPPING_NANOS).then_some(resume)
    }

    fn sound_plays(&self, want: SourceNanos) -> bool {
        self.sound.next_from(want).is_some_and(|at| at <= want + NEARLY_NANOS)
    }

    /// Whether the clock stands where the source no longer is. Not while there is sound to hear at `want`: then pictures have
    /// a hole, and come back in place.
    fn has_lost_its_place(&self, want: SourceNanos, overdue: bool, picked: &PickedPicture<Waiting>) -> bool {
        let starved = overdue && self.pictures.is_empty() && !self.sound_plays(want);
        let hopeless = picked.fresh && picked.age > HOPELESS_NANOS && self.timing == Timing::Pulled;
        (starved || hopeless) && self.timing != Timing::OnGrid
    }
}

pub(super) struct Intake {
    pub(super) state: Mutex<State>,
    pub(super) changed: Condvar,
    pub(super) pace: Pace,
}

/// The run was ended or replaced: whoever pushes is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gone;

/// Pictures decoded ahead: enough to cover the seek of a loop, few enough that four feeds stay small.
fn pulled_capacity(picture_bytes: usize) -> usize {
    (40_000_000 / picture_bytes.max(1)).clamp(4, 10)
}

/// A live source's queue holds its target lead and as much jitter again.
fn live_capacity(picture_bytes: usize) -> usize {
    (100_000_000 / picture_bytes.max(1)).clamp(8, 64)
}

impl Intake {
    pub fn new(grid: &Grid, pace: Pace) -> Self {
        let tick_nanos = i64::try_from(grid.frame_duration().as_nanos()).unwrap_or(i64::MAX);
        Self {
            state: Mutex::new(State {
                phase: Phase::Running,
                run: 0,
                timing: Timing::Pulled,
                clock: SourceClock::pulled(),
                pictures: PictureQueue::new(tick_nanos, 10),
                sound: SoundBuffer::new(SOUND_CAPACITY),
                besides: Besides::default(),
                as_came: AsCame::default(),
                watch: SoundWatch::new(),
                resettle: false,
                sound_expected: false,
                picture_awaited: false,
                shape: Shape::default(),
                last_tick: None,
                last_arrival: None,
                unseen: Unseen::default(),
                pictures_in_run: 0,
                signals: Signals::default(),
                texts: Texts::default(),
                catch_up: CatchUp::default(),
                estimator: Estimator::new(),
            }),
            changed: Condvar::new(),
            pace,
        }
    }

    pub fn pace(&self) -> Pace {
        self.pace
    }

    /// Opens the doors for a new run and returns its number; what the last run left is given up.
    pub fn begin(&self, timing: Timing) -> u64 {
        let mut state = self.state.lock();
        if state.phase != Phase::Stopped {
            state.phase = Phase::Running;
        }
        state.run += 1;
        state.timing = timing;
        // Another source of the game is as late as the others are.
        let delay = state.clock.delay();
        state.clock = match timing {
            Timing::OnGrid => {
                let mut clock = SourceClock::pulled();
                clock.anchor(0, MediaTime::ZERO);
                clock
            }
            Timing::Pulled => SourceClock::pulled().with_delay(delay),
            Timing::Live(lead) => SourceClock::live(lead).with_delay(delay),
        };
        state.estimator.restart();
        state.pictures.restart();
        state.sound.restart();
        state.besides.restart();
        state.as_came.restart();
        state.watch.restart();
        state.resettle = false;
        state.sound_expected = false;
        state.unseen = Unseen::default();
        state.pictures_in_run = 0;
        state.signals.clear();
        state.texts.restart();
        state.catch_up.restart();
        self.changed.notify_all();
        state.run
    }

    /// What the source of `run` claims of the picture at `place`.
    pub fn claim(&self, run: u64, place: Placed, claim: Option<Claim>) {
        let mut state = self.state.lock();
        if state.run == run {
            if place.step == Step::Jump {
                state.estimator.restart();
            }
            if let Some(claim) = claim {
                state.estimator.observe(place.at, claim);
            }
        }
    }

    /// How long before the last tick what it showed was captured, where the source tells.
    pub fn latency(&self) -> Option<Latency> {
        let state = self.state.lock();
        let tick = state.last_tick?;
        let claim = state.estimator.captured(state.clock.source_at(tick)?)?;
        let tick = i64::try_from(tick.as_nanos()).unwrap_or(i64::MAX);
        Some(Latency { clock: claim.clock, ns: tick.saturating_sub(claim.captured) })
    }

    /// How much later the feed is than its source would have it, in ns, at the last tick.
    pub fn delay(&self) -> i64 {
        let state = self.state.lock();
        state.last_tick.map_or(0, |tick| state.clock.delay_at(tick))
    }

    /// From the last tick on the feed goes to be later than its source would have it by `target` ns: unheard, or `at_once`, which holds a
    /// picture or leaves some out. What is drawn on the grid is never late.
    pub fn delay_to(&self, target: i64, at_once: bool) {
        let mut state = self.state.lock();
        let Some(tick) = state.last_tick.filter(|_| state.timing != Timing::OnGrid) else { return };
        let before = state.clock.delay_at(tick);
        if target == if at_once { before } else { state.clock.delay().target() } {
            return;
        }
        state.clock.delay_to(target, tick, at_once);
        // A live source is held for as long as it has become later: that is no silence.
        let longer = Duration::from_nanos((state.clock.delay_at(tick) - before).max(0).unsigned_abs());
        if let Some((real, media)) = &mut state.last_arrival {
            *real += longer;
            *media = *media + longer;
        }
        self.changed.notify_all();
    }

    /// How long something that arrived at `arrived` is still to be held at `now`.
    pub fn held_for(&self, arrived: MediaTime, now: MediaTime) -> Duration {
        let delay = self.state.lock().clock.delay_at(now);
        Duration::from_nanos(delay.max(0).unsigned_abs()).saturating_sub(now.since(arrived))
    }

    /// The run is over; returns how many pictures it brought. What was decoded is still shown.
    pub fn end(&self) -> u64 {
        let mut state = self.state.lock();
        state.run += 1;
        if state.phase == Phase::Running {
            state.phase = Phase::Down;
        }
        self.changed.notify_all();
        std::mem::take(&mut state.pictures_in_run)
    }

    /// For good: frees whoever waits.
    pub fn stop(&self) {
        let mut state = self.state.lock();
        state.phase = Phase::Stopped;
        state.run += 1;
        state.pictures.restart();
        state.sound.restart();
        state.besides.restart();
        state.as_came.restart();
        self.changed.notify_all();
    }

    pub fn is_stopped(&self) -> bool {
        self.state.lock().phase == Phase::Stopped
    }

    /// Waits out `patience` of real time, or less if the feed is stopped; true when it is.
    pub fn stopped_within(&self, patience: Duration) -> bool {
        let mut state = self.state.lock();
        let until = Instant::now() + patience;
        while state.phase != Phase::Stopped {
            if self.changed.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        state.phase == Phase::Stopped
    }

    pub fn expect_sound(&self, run: u64, expected: bool) {
        let mut state = self.state.lock();
        if state.run == run {
            state.sound_expected = expected;
            self.changed.notify_all();
        }
    }

    /// The next sound of this run belongs exactly where its timestamp says.
    pub fn realign_sound(&self, run: u64) {
        let mut state = self.state.lock();
        if state.run == run {
            state.sound.realign();
        }
    }

    /// Whether the run sends by its own clock.
    pub fn is_live(&self) -> bool {
        self.state.lock().clock.is_live()
    }

    /// Whether the next sound of this run is to be placed as if it were its first. Answers once.
    pub fn take_resettling(&self, run: u64) -> bool {
        let mut state = self.state.lock();
        state.run == run && std::mem::take(&mut state.resettle)
    }

    /// Takes a picture in that arrived at `now`. Waits for room if the run is pulled; a live run's oldest picture gives way.
    pub fn push_picture(
        &self,
        run: u64,
        place: impl Into<Placed>,
        picture: Picture,
        fps: Option<(u32, u32)>,
        now: MediaTime,
    ) -> Result<(), Gone> {
        let Placed { at, raw, step } = place.into();
        let mut state = self.state.lock();
        let bytes = picture.bytes();
        let capacity = match state.timing {
            Timing::Live(_) => live_capacity(bytes),
            Timing::OnGrid | Timing::Pulled => pulled_capacity(bytes),
        };
        state.pictures.set_capacity(capacity);
        while state.run == run && state.pictures.is_full() && !state.clock.is_live() {
            self.changed.wait(&mut state);
        }
        if state.run != run {
            return Err(Gone);
        }
        state.clock.observe(at, now);
        state.pictures.drop_oldest();
        state.shape = Shape { width: picture.width, height: picture.height, fps };
        state.pictures.push(at, Waiting { picture, raw, step });
        // One that was under way when the source became later still comes at once: the next are held all the same.
        let (real, media) = state.last_arrival.unwrap_or((Instant::now(), now));
        state.last_arrival = Some((real.max(Instant::now()), media.max(now)));
        state.pictures_in_run += 1;
        self.changed.notify_all();
        Ok(())
    }

    /// Takes interleaved stereo in. A pulled run waits for room; while its pictures are missing only when there is much
    /// sound and it is being played, for the demuxer may have to get past this sound to reach them.
    pub fn push_sound(&self, run: u64, place: impl Into<Placed>, interleaved: &[i16]) -> Result<(), Gone> {
        let mut state = self.state.lock();
        while state.run == run && state.sound_has_to_wait() {
            self.changed.wait(&mut state);
        }
        if state.run != run {
            return Err(Gone);
        }
        state.sound_expected = true;
        state.watch.arrived(interleaved.len() / 2);
        state.sound.push(place, interleaved);
        self.changed.notify_all();
        Ok(())
    }

    /// The picture for the tick at `tick`; `None` when only the slate is left to show.
    pub fn pick(&self, tick: MediaTime) -> Option<PickedPicture<Picture>> {
        let mut state = self.state.lock();
        let passed = state.last_tick.map_or(Duration::ZERO, |last| tick.since(last));
        let unwatched = passed > UNWATCHED;
        state.last_tick = Some(tick);
        if !unwatched && state.pictures_in_run > 0 {
            state.unseen.passes(passed);
        }
        self.changed.notify_all();
        if unwatched && state.timing == Timing::Pulled && !state.catch_up.lives() {
            state.clock.release();
        }
        if self.pace == Pace::Lockstep {
            self.wait_for_picture(&mut state, tick);
        }
        let enough = if self.pace == Pace::Lockstep { 1 } else { PULLED_START };
        if state.timing == Timing::Pulled
            && !state.clock.is_anchored()
            && state.pictures.len() >= enough
            && let Some(next) = state.pictures.next_at()
        {
            state.clock.anchor(next, tick);
        }
        let mut want = state.clock.source_at(tick)?;
        if let Some(resume) = state.end_of_hole(want) {
            state.clock.anchor(resume, tick);
            want = resume;
        }
        let picked = state.pictures.pick(want)?;
        if picked.fresh {
            state.watch.shown(tick, picked.picture.raw);
        }
        if picked.fresh || state.is_in_a_hole(want) {
            state.unseen = Unseen::default();
        }
        state.sound.drop_before(want - SOUND_KEPT_NANOS);
        state.besides.drop_before(want - SOUND_KEPT_NANOS);
        let waits = state.catch_up.waits(tick, picked.age, HOPELESS_NANOS, picked.fresh);
        let overdue = !picked.fresh && picked.age > HOLD_NANOS && !waits;
        if !waits && state.has_lost_its_place(want, overdue, &picked) {
            state.clock.release();
        }
        let PickedPicture { picture, fresh, age, dropped } = picked;
        (!overdue).then_some(PickedPicture { picture: picture.picture, fresh, age, dropped })
    }

    /// The next picture of `run` and its source time, for who goes by the pictures and hears nothing; waits for it. `None`: it was the last.
    pub fn next_picture(&self, run: u64) -> Option<(SourceNanos, Picture)> {
        let mut state = self.state.lock();
        loop {
            // Else it would hold up the demuxer.
            state.sound.restart();
            self.changed.notify_all();
            if let Some((at, waiting)) = state.pictures.take_next() {
                return Some((at, waiting.picture));
            }
            if state.run != run {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    fn wait_for_picture(&self, state: &mut MutexGuard<'_, State>, tick: MediaTime) {
        let until = Instant::now() + LOCKSTEP_PATIENCE;
        while state.phase == Phase::Running
            && !state.clock.is_live()
            && !state.pictures.is_full()
            && !state.sound.is_full()
            && !state.besides.is_any_full()
        {
            let there = match state.clock.source_at(tick) {
                Some(want) => state.pictures.newest_at().is_some_and(|at| at > state.pictures.horizon(want)),
                None => !state.pictures.is_empty(),
            };
            if there {
                break;
            }
            state.picture_awaited = true;
            self.changed.notify_all();
            if self.changed.wait_until(state, until).timed_out() {
                break;
            }
        }
        state.picture_awaited = false;
    }

    /// The sound due at `samples`, silence where there is none, and what there is to say about it.
    pub fn sound(&self, samples: Range<u64>) -> (Sound, Option<SoundNews>) {
        let count = usize::try_from(samples.end.saturating_sub(samples.start)).unwrap_or(0);
        let (start, end) = (MediaTime::of_sample(samples.start), MediaTime::of_sample(samples.end));
        let mut interleaved = Vec::with_capacity(count * 2);
        let mut state = self.state.lock();
        if self.pace == Pace::Lockstep {
            self.wait_for_sound(&mut state, end);
        }
        let stamp = match (state.clock.source_at(start), state.clock.source_at(end)) {
            (Some(from), Some(to)) => {
                state.pictures.drop_before(from - SOUND_KEPT_NANOS);
                state.sound.read(count, from, to, &mut interleaved)
            }
            _ => {
                state.sound.read_silence(count, &mut interleaved);
                None
            }
        };
        let news = state.watch.read(end, stamp);
        // Sound that is far ahead and pushed out again by newer sound is as lost as sound that is late.
        let overflows = state.clock.is_live() && state.sound.is_full();
        let ahead = !state.sound.is_empty() && !overflows;
        // What is made up for comes in its place by itself.
        state.resettle |= !state.catch_up.is_under_way() && state.watch.is_hopeless(ahead);
        self.changed.notify_all();
        (Sound { samples, interleaved }, news)
    }

    /// How late sound is against its picture, in ms.
    pub fn av_offset_ms(&self) -> Option<f64> {
        self.state.lock().watch.offset_ms()
    }

    pub fn sound_trouble(&self) -> Option<SoundTrouble> {
        self.state.lock().watch.trouble()
    }

    pub fn sound_losses(&self) -> u64 {
        self.state.lock().watch.losses()
    }

    fn wait_for_sound(&self, state: &mut MutexGuard<'_, State>, end: MediaTime) {
        let until = Instant::now() + LOCKSTEP_SOUND_PATIENCE;
        while state.phase == Phase::Running && !state.clock.is_live() && state.sound_expected {
            let Some(to) = state.clock.source_at(end) else { break };
            if state.sound.reaches(to) {
                break;
            }
            if self.changed.wait_until(state, until).timed_out() {
                // A hole, or the end of it: waited for once, not at every tick. The next sound that comes says otherwise.
                state.sound_expected = false;
            }
        }
    }

    pub fn pictures_in_run(&self) -> u64 {
        self.state.lock().pictures_in_run
    }

    /// The last tick that was asked for.
    pub fn last_tick(&self) -> Option<MediaTime> {
        self.state.lock().last_tick
    }

    /// Waits for the first tick, up to `patience` of real time.
    pub fn await_tick(&self, patience: Duration) -> Option<MediaTime> {
        let mut state = self.state.lock();
        let until = Instant::now() + patience;
        while state.last_tick.is_none() && state.phase == Phase::Running {
            if self.changed.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        state.last_tick
    }

    /// A picture for a thumbnail: what is shown, or would be next.
    pub fn any_picture(&self) -> Option<Picture> {
        self.state.lock().pictures.any().map(|waiting| waiting.picture.clone())
    }

    pub fn shape(&self) -> Shape {
        self.state.lock().shape
    }
}
