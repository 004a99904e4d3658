//! A feed's supervisor thread: runs one source after the other, waits between attempts, makes thumbnails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use url::Url;

use super::ahead::{Ahead, Shortage};
use super::apart::ChildHealth;
use super::entering::{Start, no_room_patience};
use super::error::SourceError;
use super::facts::Facts;
use super::health::Reason;
use super::intake::{Intake, Timing};
use super::listed::{self, History};
use super::on_hold::OnHold;
use super::playlist::{Limit, Wishes};
use super::room::{ASK_EVERY, DecodeRoom, Decoding};
use super::running::{Around, Running};
use super::source::Source;
use super::wanted::AudioWish;
use super::wanted::Wanted;
use super::{FeedSpec, pipeline, slate, synthetic};
use crate::config::{mask_text, mask_text_about};
use crate::frame::Picture;
use crate::jpeg;
use crate::timeline::{Clock, Grid, MediaTime};

const FIRST_BACK_OFF: Duration = Duration::from_millis(500);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);
const BRIEF: Duration = Duration::from_secs(2);
/// The wait after a process that hung: what is short of processors has them for others meanwhile. It doubles where the next one hangs, too.
const FIRST_HUNG: Duration = Duration::from_secs(2);
/// A run that went on for so long says nothing of the one before it.
const LONG: Duration = Duration::from_secs(60);
/// How much later than others a picture of a pushing source may arrive, where its address does not say.
const JITTER: Duration = Duration::from_millis(400);
/// Without a first picture for so long, or another one, a source is given up; so is one that brings pictures of which none is shown.
/// Listening costs nothing: it gets longer.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const LISTEN_PATIENCE: Duration = Duration::from_secs(20);
/// No variant with more lines is taken where one with fewer is to be had: the largest rendition there is.
const MOST_LINES: u32 = 1080;
/// A playlist that says that it has nothing for the moment gives itself up long before.
const PAUSE_PATIENCE: Duration = Duration::from_secs(120);
const STALL_PATIENCE: Duration = Duration::from_secs(3);
/// A source that sends, and nothing to begin with yet: groups of pictures of 12 s are in use.
const CLEAN_POINT_PATIENCE: Duration = Duration::from_secs(30);
/// A clock that a test cranks leaps; a source gets at least so much real time.
const LEAST_REAL_PATIENCE: Duration = Duration::from_secs(1);
const THUMBNAIL_EVERY: Duration = Duration::from_secs(5);

/// What the supervisor reports and others read.
#[derive(Clone, Debug, Default)]
pub(super) struct Report {
    pub source_index: usize,
    /// Why there is no picture now; `None` once pictures come.
    pub failure: Option<Reason>,
    /// It stays when pictures come again. Nothing in it is secret.
    pub last_error: Option<String>,
    pub reconnects: u64,
    pub thumbnail: Option<Bytes>,
    /// What is shown while the source that failed last is one that is not taken.
    pub refusal: Option<Picture>,
    /// What the source that runs turned out to be.
    pub facts: Arc<Mutex<Facts>>,
    /// How the process is that decodes it, where one does.
    pub child: Arc<Mutex<ChildHealth>>,
    /// This feed gives way.
    pub on_hold: Option<OnHold>,
}

impl Report {
    /// The feed cannot run at all.
    pub fn fail(&mut self, error: String) {
        self.failure = Some(Reason::Failed);
        self.last_error = Some(error);
    }
}

pub(super) struct Supervisor {
    pub spec: FeedSpec,
    pub grid: Grid,
    pub clock: Arc<dyn Clock>,
    pub intake: Arc<Intake>,
    pub report: Arc<Mutex<Report>>,
    /// Its room is the one below.
    pub decoding: Decoding,
    pub room: Arc<Ahead>,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// Nothing was shown.
    Dark,
    /// Pictures, for less than [`BRIEF`]: a source that shows one and dies must not be tried in a circle.
    Brief,
    Shown,
    /// Its process hung, whatever was shown.
    Hung,
    /// Nothing was started: there is no room for it.
    NoRoom,
}

/// The wait before the next attempt: none for a backup that was not tried yet, else doubling for as long as nothing is shown. Where there was no room for any
/// of them, nothing was started: room is asked for again soon.
struct BackOff {
    next: Duration,
    hung: Duration,
    failures_in_row: usize,
    /// Something was started since the last wait.
    started: bool,
}

impl BackOff {
    fn new() -> Self {
        Self { next: FIRST_BACK_OFF, hung: FIRST_HUNG, failures_in_row: 0, started: false }
    }

    fn after(&mut self, attempt: Attempt, sources: usize, only_listens: bool) -> Duration {
        match attempt {
            Attempt::Shown => *self = Self::new(),
            // The others are tried in turn all the same.
            Attempt::Brief => self.next = FIRST_BACK_OFF,
            Attempt::Dark | Attempt::Hung | Attempt::NoRoom => {}
        }
        self.failures_in_row += 1;
        self.started |= attempt != Attempt::NoRoom;
        let hung = self.hung;
        self.hung = if attempt == Attempt::Hung { (hung * 2).min(LONGEST_BACK_OFF) } else { FIRST_HUNG };
        if !self.failures_in_row.is_multiple_of(sources.max(1)) {
            return Duration::ZERO;
        }
        if !std::mem::take(&mut self.started) {
            return ASK_EVERY;
        }
        let wait = self.next;
        self.next = if only_listens { FIRST_BACK_OFF } else { (self.next * 2).min(LONGEST_BACK_OFF) };
        if attempt == Attempt::Hung { wait.max(hung) } else { wait }
    }
}

/// What a run of a source came to.
struct Ran {
    attempt: Attempt,
    /// Its game was shown by it.
    was_shown: bool,
    lasted: Duration,
}

/// What is known of a source from its earlier runs.
#[derive(Default)]
struct Before {
    history: Arc<Mutex<History>>,
    shortage: Option<Shortage>,
}

impl Supervisor {
    /// Runs until the feed is stopped.
    pub fn run(self) {
        let mut back_off = BackOff::new();
        let (mut index, mut was_shown) = (0, false);
        let mut before: Vec<Before> = self.spec.sources.iter().map(|_| Before::default()).collect();
        while !self.intake.is_stopped() {
            if let Some(why) = self.on_hold() {
                self.room.over();
                self.stay_on_hold(why);
                continue;
            }
            let (Some(url), Some(known)) = (self.spec.sources.get(index), before.get_mut(index)) else {
                self.note_failure(index, &SourceError::NoSource);
                self.intake.end();
                while !self.intake.stopped_within(Duration::from_secs(60)) {}
                return;
            };
            if !self.has_room(known.shortage.as_ref(), index) {
                index = (index + 1) % self.spec.sources.len();
                self.wait(back_off.after(Attempt::NoRoom, self.spec.sources.len(), false));
                continue;
            }
            let source = Source::parse(url).and_then(|source| Ok((source, Wanted::split(url)?.1)));
            let only_listens = source.as_ref().is_ok_and(|(source, _)| source.only_listens());
            // What is drawn here takes nothing to start, and what cannot be read is not started.
            let starts = source.as_ref().is_ok_and(|(source, _)| !matches!(source, Source::Synthetic(_)));
            let turn = if starts { self.await_turn(was_shown) } else { None };
            if starts && turn.is_none() {
                continue;
            }
            let start = Start::of(turn, self.clock.now(), only_listens);
            let Some(ran) = self.attempt(index, url, source, known, start) else { continue };
            was_shown = ran.was_shown;
            if ran.lasted >= LONG {
                back_off = BackOff::new();
            }
            index = (index + 1) % self.spec.sources.len();
            self.wait(back_off.after(ran.attempt, self.spec.sources.len(), only_listens));
        }
        self.room.over();
    }

    /// Runs a source until it is lost; `None` where nothing was wrong with it: the feed gives way, or is to stop.
    fn attempt(
        &self,
        index: usize,
        url: &Url,
        source: Result<(Source, Wanted), SourceError>,
        known: &mut Before,
        start: Start,
    ) -> Option<Ran> {
        self.report.lock().source_index = index;
        let begun = Instant::now();
        let (error, run) = source.map_or_else(
            |error| (error, None),
            |(source, wanted)| self.run_source(source, wanted, &known.history, url, start),
        );
        let (error, shortage) = self.judged(error, known.shortage.as_ref());
        known.shortage = shortage;
        let gives_way = matches!(error, SourceError::OnHold(_));
        // Reported first: who sees the slate finds the reason.
        if !self.intake.is_stopped() && !gives_way {
            self.note_failure(index, &error);
        }
        // Before the pipeline goes: its threads may be waiting for room here.
        let pictures = self.intake.end();
        known.history.lock().run_ended(&error, pictures);
        if let Some(run) = run {
            run.let_go(&self.spec.key);
        }
        self.room.over();
        if gives_way || self.intake.is_stopped() {
            return None;
        }
        let lasted = begun.elapsed();
        let shown = match pictures {
            0 => Attempt::Dark,
            _ if lasted < BRIEF => Attempt::Brief,
            _ => Attempt::Shown,
        };
        let attempt = if error == SourceError::Hangs { Attempt::Hung } else { shown };
        Some(Ran { attempt, was_shown: shown == Attempt::Shown, lasted })
    }

    /// Runs `source` until it is lost; returns why, and what is to be let go of.
    fn run_source(
        &self,
        source: Source,
        mut wanted: Wanted,
        history: &Arc<Mutex<History>>,
        url: &Url,
        start: Start,
    ) -> (SourceError, Option<Running>) {
        let timing = match &source {
            Source::Synthetic(_) => Timing::OnGrid,
            _ if source.is_pushed() => Timing::Live(wanted.jitter.unwrap_or(JITTER)),
            _ => Timing::Pulled,
        };
        let run = self.intake.begin(timing);
        let facts = Arc::clone(&self.report.lock().facts);
        *facts.lock() = Facts::default();
        let first = if source.only_listens() { LISTEN_PATIENCE } else { CONNECT_PATIENCE };
        let mut watch = Watch {
            supervisor: self,
            run,
            listed: 0,
            started: (Instant::now(), self.clock.now()),
            first,
            start,
            no_room_patience: no_room_patience(source.is_pushed()),
            no_room_since: None,
            seen: 0,
            drawn: None,
        };
        let mut check = || watch.check();
        if let Source::Synthetic(spec) = &source {
            if let Err(error) = self.asks_for_pattern(spec.demand(), &facts) {
                return (error, None);
            }
            let by = (self.clock.as_ref(), &*self.decoding.costs);
            return (synthetic::run(spec, &self.spec.title, &self.intake, run, by, &mut check), None);
        }
        let listing = match source.on_http() {
            Some(url) => listed::look(&url, &self.wishes(&wanted), history, &facts, &self.decoding, &mut check),
            None => Ok(None),
        };
        let entry = match listing {
            Ok(Some(listing)) => {
                if listing.own_sound {
                    wanted.audio = AudioWish::First;
                }
                listing.entry
            }
            Ok(None) => pipeline::Entry::Source(source, Vec::new()),
            Err(error) => return (error, None),
        };
        match self.start(url, entry, wanted, run, &facts) {
            Ok(mut run) => (run.watch(&mut check), Some(run)),
            Err(error) => (error, None),
        }
    }

    /// Starts what decodes: here, or in a process of its own.
    fn start(
        &self,
        url: &Url,
        entry: pipeline::Entry,
        wanted: Wanted,
        run: u64,
        facts: &Arc<Mutex<Facts>>,
    ) -> Result<Running, SourceError> {
        let Self { grid, clock, intake, decoding, report, .. } = self;
        let health = Arc::clone(&report.lock().child);
        let around = Around { grid, clock, intake, run, facts, decoding, health: &health };
        Running::start(url, entry, wanted, &around)
    }

    fn wishes(&self, wanted: &Wanted) -> Wishes {
        let language = match &wanted.audio {
            AudioWish::Language(language) => Some(language.clone()),
            AudioWish::First | AudioWish::Index(_) | AudioWish::Pid(_) => None,
        };
        let fps = self.grid.fps();
        let Decoding { room, costs, max_sounds, .. } = &self.decoding;
        let limit = Limit {
            lines: MOST_LINES,
            fps: f64::from(fps.num()) / f64::from(fps.den()),
            // A playlist's variants mostly differ in their size alone.
            pixels_per_s: costs.pixels_per_s("h264", room.left()),
        };
        let beside = max_sounds.saturating_sub(1);
        Wishes { variant: wanted.variant, language, beside, looped: wanted.looped, limit }
    }

    /// The one place where a source's trouble is told, to the log and to operators: nothing secret gets past it.
    fn note_failure(&self, index: usize, error: &SourceError) {
        let text = error.to_string();
        let text = self.spec.sources.get(index).map_or_else(|| mask_text(&text), |url| mask_text_about(url, &text));
        let refusal = slate::refusal(error.reason()).and_then(|note| slate::draw(&self.spec.title, note));
        let mut report = self.report.lock();
        report.refusal = refusal;
        // A source that stays away says the same every 30 s: once in the log is enough.
        if report.failure.is_none() || report.last_error.as_deref() != Some(&text) {
            tracing::warn!(feed = %self.spec.key, source = index, error = %text, "source lost");
        }
        report.failure = Some(error.reason());
        report.last_error = Some(text);
        report.reconnects += 1;
    }

    /// Waits out the back-off on the feed's clock, so that a test can crank it; gives way to a stop.
    fn wait(&self, back_off: Duration) {
        let until = self.clock.now() + back_off;
        while self.clock.now() < until {
            let left = until.since(self.clock.now()).min(Duration::from_millis(20));
            if self.intake.stopped_within(left) || self.on_hold().is_some() {
                return;
            }
        }
    }
}

/// Looks after a running source: is the feed to stop, does the source stall, is a thumbnail due?
struct Watch<'a> {
    supervisor: &'a Supervisor,
    run: u64,
    /// Texts that were told of.
    listed: usize,
    started: (Instant, MediaTime),
    first: Duration,
    start: Start,
    no_room_patience: Duration,
    /// Since when there is no room for it.
    no_room_since: Option<(Instant, MediaTime)>,
    seen: u64,
    drawn: Option<Instant>,
}

impl Watch<'_> {
    fn check(&mut self) -> Option<SourceError> {
        let Supervisor { intake, clock, report, spec, .. } = self.supervisor;
        if intake.is_stopped() {
            return Some(SourceError::Ended);
        }
        if let Some(why) = report.lock().on_hold {
            return Some(SourceError::OnHold(why));
        }
        let pictures = intake.pictures_in_run();
        if pictures > 0 && self.seen == 0 {
            let mut report = report.lock();
            if report.reconnects > 0 {
                tracing::info!(feed = %spec.key, source = report.source_index, "source is back");
            }
            (report.failure, report.refusal) = (None, None);
        }
        self.seen = pictures;
        if self.drawn.is_none_or(|at| at.elapsed() >= THUMBNAIL_EVERY)
            && let Some(picture) = intake.any_picture()
        {
            self.drawn = Some(Instant::now());
            let jpeg = jpeg::thumbnail(&picture);
            report.lock().thumbnail = jpeg;
        }
        if let Some(error) = self.lacks_room(pictures) {
            return Some(error);
        }
        let facts = Arc::clone(&report.lock().facts);
        let (awaits, pauses, trouble) = {
            let facts = facts.lock();
            let trouble = [&facts.no_room, &facts.stream_trouble, &facts.dark_because, &facts.fetch_trouble];
            intake.set_lives(self.run, facts.lives);
            if facts.texts.len() != self.listed {
                self.listed = facts.texts.len();
                intake.list_texts(self.run, facts.texts.clone());
            }
            (facts.awaits_clean_point, facts.pauses, trouble.into_iter().flatten().next().cloned())
        };
        let patience = match pictures {
            _ if pauses => PAUSE_PATIENCE,
            _ if awaits => CLEAN_POINT_PATIENCE,
            0 => self.first,
            _ => STALL_PATIENCE,
        };
        let (now, seconds) = (clock.now(), patience.as_secs());
        let is_over = |(real, media): (Duration, Duration)| media >= patience && real >= LEAST_REAL_PATIENCE;
        (is_over(intake.idle_since(self.started, now)) || is_over(intake.unseen_for(now))).then(|| match trouble {
            Some(trouble) => SourceError::Pipeline(format!("no picture for {seconds} s: {trouble}")),
            None => SourceError::Stalled { seconds },
        })
    }

    /// Ends a source's start, and one that there is no room for: it goes on asking with nothing that runs.
    fn lacks_room(&mut self, pictures: u64) -> Option<SourceError> {
        let now = self.supervisor.clock.now();
        let facts = Arc::clone(&self.supervisor.report.lock().facts);
        let told = facts.lock().no_room.clone().filter(|_| pictures == 0);
        self.start.look(pictures > 0 || told.is_some(), now);
        let since = told.as_ref().map(|_| self.no_room_since.unwrap_or((Instant::now(), now)));
        self.no_room_since = since;
        let (real, media) = since.map(|(real, media)| (real.elapsed(), now.since(media)))?;
        told.filter(|_| media >= self.no_room_patience && real >= LEAST_REAL_PATIENCE).map(SourceError::NoRoom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_are_tried_at_once_then_the_waits_double_to_half_a_minute() {
        let mut one = BackOff::new();
        let waits: Vec<_> = (0..9).map(|_| one.after(Attempt::Dark, 1, false).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        let mut two = BackOff::new();
        let waits: Vec<_> = (0..4).map(|_| two.after(Attempt::Dark, 2, false).as_millis()).collect();
        assert_eq!(waits, [0, 500, 0, 1000]);
        let mut listening = BackOff::new();
        assert!((0..9).all(|_| listening.after(Attempt::Dark, 1, true).as_millis() == 500));
    }

    #[test]
    fn after_a_process_that_hung_the_wait_is_longer_and_doubles_while_they_hang() {
        let mut one = BackOff::new();
        let waits: Vec<_> = (0..6).map(|_| one.after(Attempt::Hung, 1, false).as_secs()).collect();
        assert_eq!(waits, [2, 4, 8, 16, 30, 30]);
        assert_eq!(one.after(Attempt::Shown, 1, false).as_millis(), 500);
        assert_eq!(one.after(Attempt::Hung, 1, true).as_secs(), 2);
        let mut two = BackOff::new();
        assert_eq!(two.after(Attempt::Hung, 2, false), Duration::ZERO, "a backup is there at once");
    }

    #[test]
    fn room_is_asked_for_again_soon_where_nothing_was_started_and_what_was_started_in_vain_waits_longer() {
        let mut one = BackOff::new();
        let mut after = |attempt| one.after(attempt, 1, false).as_millis();
        let waits = [after(Attempt::Dark), after(Attempt::NoRoom), after(Attempt::NoRoom), after(Attempt::Dark)];
        assert_eq!(waits, [500, 2000, 2000, 1000]);
        assert_eq!((after(Attempt::NoRoom), after(Attempt::Dark), after(Attempt::Shown)), (2000, 2000, 500));
        // A backup that cannot be reached is not tried in a circle because there is no room for the other.
        let mut two = BackOff::new();
        let waits: Vec<_> = [Attempt::NoRoom, Attempt::Dark].repeat(3);
        let waits: Vec<_> = waits.into_iter().map(|attempt| two.after(attempt, 2, false).as_millis()).collect();
        assert_eq!(waits, [0, 500, 0, 1000, 0, 2000]);
    }

    #[test]
    fn only_attempts_that_showed_nothing_make_the_waits_longer() {
        let mut one = BackOff::new();
        for _ in 0..6 {
            one.after(Attempt::Dark, 1, false);
        }
        assert_eq!(one.after(Attempt::Shown, 1, false).as_millis(), 500);
        // An advertisement every six seconds, each of them a loss.
        assert!((0..9).all(|_| one.after(Attempt::Shown, 1, false).as_millis() == 500));
        // One picture and gone: never at once, and the others get their turn.
        assert!((0..9).all(|_| one.after(Attempt::Brief, 1, false).as_millis() == 500));
        let mut two = BackOff::new();
        let waits: Vec<_> = (0..6).map(|_| two.after(Attempt::Brief, 2, false).as_millis()).collect();
        assert_eq!(waits, [0, 500, 0, 500, 0, 500]);
    }
}
