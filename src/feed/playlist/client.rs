//! A source that is a playlist, at work: per track one thread that fetches and one that hands over.
//!
//! Everything that decides is pure and elsewhere ([`Follower`], [`Stretches`], [`choices`]). Lock order: `state`, then a
//! queue's; `cues` alone; no lock is held while something is fetched or handed over.

mod handing;
mod resources;
mod texts;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::{Condvar, Mutex};
use url::Url;

use super::choice::Choice;
use super::cues::{Known, PlaylistCues, Said};
use super::follower::{Begin, Failed, Follower, Job, Lost, Shown, Step};
use super::media::{Init, MediaPlaylist};
use super::queue::{Item, Queue};
use super::stamp::{Container, InitInfo, Stamp, stamp};
use super::stretches::{Stamped, Stretches, Track};
use super::text::Variables;
use super::{MAX_PLAYLIST_BYTES, Sink, Stretch};
use crate::cadence::SourceNanos;
use crate::captions::cea::Described;
use crate::feed::fetch::{Fetched, Fetcher, Request};
use crate::feed::texts::TextOrigin;
use crate::frame::SoundTrack;

const MAX_SEGMENT_BYTES: usize = 64 << 20;
const MAX_INIT_BYTES: usize = 4 << 20;
const MAX_KEY_BYTES: usize = 256;
const KEYS_KEPT: usize = 8;
const PLAYLIST_TIME: Duration = Duration::from_secs(6);
/// Within its time a segment may be silent for so long; a third of it leaves room for another try.
const LEAST_SILENCE: Duration = Duration::from_secs(2);
/// Sound waits so long for the picture to say where a new stretch begins.
const PICTURE_FIRST: Duration = Duration::from_secs(2);
/// A sound playlist that was given up is tried again after so long; the picture goes on.
const SOUND_RETRY: Duration = Duration::from_secs(5);
/// Nobody sleeps longer without looking whether to stop.
const NAP: Duration = Duration::from_secs(1);

/// How a run of a playlist came to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Everything was handed over, and no more will come.
    Ended,
    Lost(String),
}

/// What a client plays.
pub struct Setting {
    /// Best first, never empty.
    pub choices: Vec<Choice>,
    /// The sounds beside the main one, as [`Choice::beside`] has their playlists.
    pub beside: Vec<SoundTrack>,
    pub variables: Variables,
    /// The first choice's playlist, where it was read already.
    pub first: Option<Fetched>,
    pub looped: bool,
    pub shown: Shown,
    /// What the captions within the pictures are written in.
    pub captions: Vec<Described>,
    /// What is known of the source's cues.
    pub known: Known,
}

struct State {
    stretches: Stretches,
    /// Which choice is played, and how often that has changed.
    choice: usize,
    changes: u64,
    leaps: u32,
    first: Option<Fetched>,
    /// Texts that have something to be fetched.
    texts: Vec<Arc<TextOrigin>>,
    shown: Shown,
    outcome: Option<Outcome>,
    /// What went wrong last, for the operator.
    problem: Option<String>,
    /// Until when silence is no reason to give up.
    patient_until: Duration,
}

struct Shared {
    fetcher: Arc<Fetcher>,
    sink: Arc<dyn Sink>,
    choices: Vec<Choice>,
    variables: Variables,
    looped: bool,
    /// The sounds beside the main one.
    beside: Vec<Track>,
    begun: Instant,
    stopped: AtomicBool,
    state: Mutex<State>,
    changed: Condvar,
    queues: [Queue; Track::MOST],
    /// Tracks of which a segment was cut: their demuxers have to begin anew.
    cut: [AtomicBool; Track::MOST],
    cues: Mutex<PlaylistCues>,
}

/// A running client; dropping it ends it.
pub struct Client {
    shared: Arc<Shared>,
}

impl Client {
    /// Begins to fetch. Without a thread to be had, the outcome says so.
    pub fn start(fetcher: Arc<Fetcher>, sink: Arc<dyn Sink>, setting: Setting) -> Self {
        let with_sound = setting.choices.iter().any(|choice| choice.sound.is_some());
        let beside: Vec<_> = (0..Track::MOST_BESIDE as u8).take(setting.beside.len()).map(Track::Beside).collect();
        let shared = Arc::new(Shared {
            beside: beside.clone(),
            fetcher,
            sink,
            choices: setting.choices,
            variables: setting.variables,
            looped: setting.looped,
            begun: Instant::now(),
            stopped: AtomicBool::new(false),
            state: Mutex::new(State {
                stretches: Stretches::default(),
                choice: 0,
                changes: 0,
                leaps: 0,
                first: setting.first,
                texts: Vec::new(),
                shown: setting.shown,
                outcome: None,
                problem: None,
                patient_until: PLAYLIST_TIME,
            }),
            changed: Condvar::new(),
            queues: Default::default(),
            cut: Default::default(),
            cues: Mutex::new(PlaylistCues::new(setting.known)),
        });
        let sound = with_sound.then_some(Track::Sound);
        for track in [Track::Picture].into_iter().chain(sound).chain(beside) {
            let fetching = Arc::clone(&shared);
            let handing = Arc::clone(&shared);
            let name = |what: &str| std::thread::Builder::new().name(format!("hls-{what}"));
            let spawned = name("fetch")
                .spawn(move || Fetching { shared: &fetching, track }.run())
                .and_then(|_| name("hand-over").spawn(move || handing.hand_over(track)));
            if let Err(error) = spawned {
                shared.finish(Outcome::Lost(format!("no thread: {error}")));
            }
        }
        texts::start(&shared);
        Self { shared }
    }

    /// How it ended, if it did.
    pub fn outcome(&self) -> Option<Outcome> {
        self.shared.state.lock().outcome.clone()
    }

    /// Whether pictures may well be late: a segment is left out, or the playlist is about to go on.
    pub fn is_patient(&self) -> bool {
        self.shared.now() < self.shared.state.lock().patient_until
    }

    /// What goes wrong while it goes on.
    pub fn problem(&self) -> Option<String> {
        self.shared.state.lock().problem.clone()
    }

    /// For the next run of the same source.
    pub fn shown(&self) -> Shown {
        self.shared.state.lock().shown.clone()
    }

    /// Texts whose playlists were read and list something, in the order in which that was found.
    pub fn texts(&self) -> Vec<Arc<TextOrigin>> {
        self.shared.state.lock().texts.clone()
    }

    /// The choice that is played.
    pub fn choice(&self) -> Option<Choice> {
        let choice = self.shared.state.lock().choice;
        self.shared.choices.get(choice).cloned()
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.stop();
    }
}

impl Shared {
    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }

    fn stop(&self) {
        // Under the lock: who is about to wait has not looked yet, or is woken.
        let state = self.state.lock();
        self.stopped.store(true, Ordering::Release);
        self.changed.notify_all();
        drop(state);
        self.fetcher.stop();
        self.queues.iter().for_each(Queue::close);
    }

    fn finish(&self, outcome: Outcome) {
        self.state.lock().outcome.get_or_insert(outcome);
    }

    fn wait_until(&self, until: Duration) {
        let mut state = self.state.lock();
        let left = until.saturating_sub(self.now()).min(NAP);
        if !self.is_stopped() && !left.is_zero() {
            self.changed.wait_for(&mut state, left);
        }
    }

    fn queue(&self, track: Track) -> &Queue {
        &self.queues[track.index()]
    }

    fn say(&self, said: Vec<Said>) {
        said.into_iter().for_each(|said| self.sink.cue(said));
    }

    /// A choice that cannot be played gives way to the next; false when there is none.
    fn next_choice(&self, reason: &str) -> bool {
        let mut state = self.state.lock();
        state.problem = Some(reason.to_owned());
        if state.choice + 1 >= self.choices.len() {
            return false;
        }
        state.choice += 1;
        state.changes += 1;
        self.changed.notify_all();
        true
    }
}

/// A track's thread that fetches.
struct Fetching<'a> {
    shared: &'a Shared,
    track: Track,
}

/// What one playlist has brought so far.
struct Reading {
    url: Url,
    keys: Vec<(Arc<Url>, Bytes)>,
    init: Option<(Arc<Init>, Bytes, InitInfo)>,
    /// What the demuxer in use was begun with.
    begun: Option<(Container, Option<Bytes>)>,
    /// Nothing of this playlist was handed over yet.
    new: bool,
    own_sound: bool,
    /// Of the last segment.
    usual_bytes: usize,
    problem: String,
}

impl Reading {
    fn new(url: Url) -> Self {
        let (keys, problem) = (Vec::new(), String::new());
        Self { url, keys, init: None, begun: None, new: true, own_sound: false, usual_bytes: 0, problem }
    }
}

/// Why a playlist is left.
enum Left {
    Stopped,
    /// Another choice is played now.
    Changed,
    Ended,
    Lost(Lost),
}

impl Fetching<'_> {
    fn run(&self) {
        let mut begin = Begin::Anew(self.shared.state.lock().shown.clone());
        let mut era = super::follower::Era::default();
        loop {
            let (choice, changes) = {
                let state = self.shared.state.lock();
                (&self.shared.choices[state.choice], state.changes)
            };
            let own_sound = choice.sound.is_some();
            let url = match self.track {
                Track::Picture => Some(choice.picture.clone()),
                Track::Sound => choice.sound.clone(),
                Track::Beside(n) => choice.beside.get(usize::from(n)).cloned().flatten(),
            };
            let Some(url) = url else {
                // This choice has its sound in its pictures' segments, or not at all.
                if self.until_changed(changes, Duration::MAX) {
                    continue;
                }
                return;
            };
            let mut follower = Follower::new(begin.clone(), self.shared.looped, era, self.shared.now());
            let mut reading = Reading { own_sound, ..Reading::new(url) };
            let left = self.follow(&mut follower, &mut reading, changes);
            begin = follower.left_off();
            era = follower.era();
            match left {
                Left::Stopped => return,
                Left::Changed => {}
                Left::Ended => {
                    self.shared.queue(self.track).put(Item::End(follower.shown()));
                    return;
                }
                Left::Lost(lost) => {
                    let reason = if reading.problem.is_empty() {
                        lost.to_string()
                    } else {
                        format!("{lost}: {}", reading.problem)
                    };
                    if self.track != Track::Picture {
                        self.shared.state.lock().problem = Some(format!("sound: {reason}"));
                        begin = Begin::Anew(Shown::default());
                        if !self.until_changed(changes, SOUND_RETRY) && self.shared.is_stopped() {
                            return;
                        }
                    } else if !self.shared.next_choice(&reason) {
                        self.shared.finish(Outcome::Lost(reason));
                        return;
                    }
                }
            }
        }
    }

    /// Waits for another choice; false when there was none in time.
    fn until_changed(&self, changes: u64, patience: Duration) -> bool {
        let begun = Instant::now();
        while !self.shared.is_stopped() && begun.elapsed() < patience {
            let mut state = self.shared.state.lock();
            if state.changes != changes {
                return true;
            }
            self.shared.changed.wait_for(&mut state, NAP);
        }
        false
    }

    fn follow(&self, follower: &mut Follower, reading: &mut Reading, changes: u64) -> Left {
        loop {
            {
                let mut state = self.shared.state.lock();
                if self.shared.is_stopped() {
                    return Left::Stopped;
                }
                if state.changes != changes {
                    return Left::Changed;
                }
                state.leaps = state.leaps.max(follower.era().leaps);
                follower.leap_to(state.leaps);
            }
            match follower.next(self.shared.now()) {
                Step::Load => self.load(follower, reading),
                Step::Fetch(job) => self.fetch(follower, reading, &job),
                Step::Wait(until) => self.shared.wait_until(until),
                Step::End => return Left::Ended,
                Step::Fail(lost) => return Left::Lost(lost),
            }
        }
    }

    fn load(&self, follower: &mut Follower, reading: &mut Reading) {
        follower.loading(self.shared.now());
        let held = if self.track == Track::Picture { self.shared.state.lock().first.take() } else { None };
        let fetched = held.filter(|held| !held.bytes.is_empty()).map_or_else(
            || {
                let request = Request {
                    url: &reading.url,
                    range: None,
                    limit: MAX_PLAYLIST_BYTES,
                    time: PLAYLIST_TIME,
                    silence: PLAYLIST_TIME,
                };
                self.shared.fetcher.get(&request).map_err(|error| (error.problem.is_final(), error.to_string()))
            },
            Ok,
        );
        let read = fetched.and_then(|fetched| {
            let text = String::from_utf8_lossy(&fetched.bytes);
            MediaPlaylist::read(&text, &fetched.url, &self.shared.variables).map_err(|error| (true, error.to_string()))
        });
        match read {
            Ok(playlist) => {
                if self.track == Track::Picture {
                    let said = self.shared.cues.lock().loaded(&playlist);
                    self.shared.say(said);
                }
                follower.loaded(playlist, self.shared.now());
                self.be_patient(follower.patience());
            }
            Err((is_final, problem)) => {
                reading.problem = problem;
                follower.load_failed(if is_final { Failed::ForGood } else { Failed::Now }, self.shared.now());
            }
        }
    }

    fn be_patient(&self, patience: Duration) {
        if self.track == Track::Picture {
            let until = self.shared.now() + patience;
            let mut state = self.shared.state.lock();
            state.patient_until = state.patient_until.max(until);
        }
    }

    fn fetch(&self, follower: &mut Follower, reading: &mut Reading, job: &Job) {
        // As large as the last one, most likely.
        self.shared.fetcher.await_room(reading.usual_bytes, job.time);
        match self.segment(reading, job) {
            Ok((stamp, bytes)) => {
                reading.usual_bytes = bytes.len();
                let placed = self.place(reading, job, &stamp);
                follower.fetched(self.shared.now());
                if let Some(Placed { begin, at }) = placed {
                    // Waits while the feed has no room.
                    let bytes = bytes.slice(stamp.skip..);
                    let dated = job.segment.programme_us.map(|us| (at, us));
                    let item = Item::Segment { stretch: begin, dated, bytes, shown: follower.shown() };
                    self.shared.queue(self.track).put(item);
                    self.be_patient(follower.patience());
                }
            }
            Err((failed, problem)) => {
                tracing::debug!(%problem, "a segment could not be had");
                if self.track == Track::Picture {
                    self.shared.state.lock().problem = Some(problem.clone());
                }
                reading.problem = problem;
                follower.fetch_failed(failed, self.shared.now());
            }
        }
    }

    /// The segment's bytes, in the clear, and what they are.
    fn segment(&self, reading: &mut Reading, job: &Job) -> Result<(Stamp, Bytes), (Failed, String)> {
        let segment = &job.segment;
        let init = match &segment.init {
            Some(init) => Some(self.init(reading, init, segment.sequence, job.time)?),
            None => None,
        };
        let body = self.resource(&segment.url, segment.range, MAX_SEGMENT_BYTES, job.time)?;
        let bytes = self.clear(reading, &segment.protection, segment.sequence, body, job.time)?;
        let stamp = stamp(&bytes, init.as_ref()).ok_or_else(|| {
            // An error page, a login form, a wrong key: it may be another thing next time.
            (Failed::Now, "a segment is neither MPEG-TS, fragmented MP4 nor packed audio".to_owned())
        })?;
        Ok((stamp, bytes))
    }

    fn init(
        &self,
        reading: &mut Reading,
        init: &Arc<Init>,
        sequence: u64,
        time: Duration,
    ) -> Result<InitInfo, (Failed, String)> {
        if let Some((known, _, info)) = &reading.init
            && known == init
        {
            return Ok(info.clone());
        }
        let body = self.resource(&init.url, init.range, MAX_INIT_BYTES, time)?;
        let bytes = self.clear(reading, &init.protection, sequence, body, time)?;
        let info = InitInfo::read(&bytes);
        reading.init = Some((Arc::clone(init), bytes, info.clone()));
        Ok(info)
    }

    /// Where the segment lies on the run's timeline; `None` for one that was there already.
    fn place(&self, reading: &mut Reading, job: &Job, stamp: &Stamp) -> Option<Placed> {
        let segment = &job.segment;
        let stamped = Stamped {
            era: job.era,
            discontinuity: segment.discontinuity,
            first: stamp.first,
            wraps: stamp.container.wraps(),
            measured: stamp.measured,
            duration: segment.duration,
            hole: job.hole,
            takes_over: reading.new,
        };
        if self.track != Track::Picture {
            self.let_picture_begin(&stamped);
        }
        let place = self.shared.state.lock().stretches.place(self.track, &stamped)?;
        if self.track == Track::Picture {
            let first = place.at.saturating_add(stamp.shown_after);
            let said = self.shared.cues.lock().placed(segment, job.era, first);
            self.shared.say(said);
        }
        let init = segment.init.as_ref().and_then(|_| reading.init.as_ref().map(|(_, bytes, _)| bytes.clone()));
        let form = Some((stamp.container, init.clone()));
        let cut = self.shared.cut[self.track.index()].swap(false, Ordering::AcqRel);
        let begin = (cut || place.fresh || reading.begun != form).then(|| Stretch {
            container: stamp.container,
            init,
            zero_at: place.zero_at(stamp),
            from: place.from,
            own_sound: reading.own_sound,
            programme_us: segment.programme_us,
        });
        reading.new = false;
        reading.begun = form;
        Some(Placed { begin, at: place.at })
    }

    /// A stretch begins where its pictures do: they are not to wait or to be cut by the few milliseconds by which sound, whose
    /// frames have another length, is off.
    fn let_picture_begin(&self, stamped: &Stamped) {
        let until = self.shared.now() + PICTURE_FIRST;
        while !self.shared.is_stopped() && self.shared.now() < until {
            if self.shared.state.lock().stretches.knows(stamped.era, stamped.discontinuity) {
                return;
            }
            self.shared.wait_until(self.shared.now() + Duration::from_millis(20));
        }
    }
}

struct Placed {
    begin: Option<Stretch>,
    /// When its first timestamp is due.
    at: SourceNanos,
}
