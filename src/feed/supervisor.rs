//! A feed's supervisor thread: runs one source after the other, waits between attempts, makes thumbnails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use url::Url;

use super::apart::ChildHealth;
use super::error::SourceError;
use super::facts::Facts;
use super::health::Reason;
use super::intake::{Intake, Timing};
use super::listed::{self, History};
use super::on_hold::OnHold;
use super::playlist::{Limit, Wishes};
use super::room::Decoding;
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
/// How much later than others a picture of a pushing source may arrive, where its address does not say.
const JITTER: Duration = Duration::from_millis(400);
/// Without a first picture for so long, or another one, a source is given up. Listening costs nothing: it gets longer.
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
    pub decoding: Decoding,
}

/// What an attempt came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// Nothing was shown.
    Dark,
    /// Pictures, for less than [`BRIEF`]: a source that shows one and dies must not be tried in a circle.
    Brief,
    Shown,
}

/// The wait before the next attempt: none for a backup that was not tried yet, else doubling for as long as nothing is shown.
struct BackOff {
    next: Duration,
    failures_in_row: usize,
}

impl BackOff {
    fn new() -> Self {
        Self { next: FIRST_BACK_OFF, failures_in_row: 0 }
    }

    fn after(&mut self, attempt: Attempt, sources: usize, only_listens: bool) -> Duration {
        match attempt {
            Attempt::Shown => *self = Self::new(),
            // The others are tried in turn all the same.
            Attempt::Brief => self.next = FIRST_BACK_OFF,
            Attempt::Dark => {}
        }
        self.failures_in_row += 1;
        if !self.failures_in_row.is_multiple_of(sources.max(1)) {
            return Duration::ZERO;
        }
        let wait = self.next;
        self.next = if only_listens { FIRST_BACK_OFF } else { (self.next * 2).min(LONGEST_BACK_OFF) };
        wait
    }
}

impl Supervisor {
    /// Runs until the feed is stopped.
    pub fn run(self) {
        let mut back_off = BackOff::new();
        let mut index = 0;
        let histories: Vec<Arc<Mutex<History>>> = self.spec.sources.iter().map(|_| Arc::default()).collect();
        while !self.intake.is_stopped() {
            if let Some(why) = self.on_hold() {
                self.stay_on_hold(why);
                continue;
            }
            let (Some(url), Some(history)) = (self.spec.sources.get(index), histories.get(index)) else {
                self.note_failure(index, &SourceError::NoSource);
                self.intake.end();
                while !self.intake.stopped_within(Duration::from_secs(60)) {}
                return;
            };
            self.report.lock().source_index = index;
            let begun = Instant::now();
            let source = Source::parse(url).and_then(|source| Ok((source, Wanted::split(url)?.1)));
            let only_listens = source.as_ref().is_ok_and(|(source, _)| source.only_listens());
            let (error, run) = source
                .map_or_else(|error| (error, None), |(source, wanted)| self.run_source(source, wanted, history, url));
            // Reported first: who sees the slate finds the reason.
            if !self.intake.is_stopped() && !matches!(error, SourceError::OnHold(_)) {
                self.note_failure(index, &error);
            }
            // Before the pipeline goes: its threads may be waiting for room here.
            let pictures = self.intake.end();
            history.lock().run_ended(&error, pictures);
            if let Some(run) = run {
                run.let_go(&self.spec.key);
            }
            self.decoding.room.over();
            if self.intake.is_stopped() {
                return;
            }
            // Nothing was wrong with the source: it is the one to go on with.
            if matches!(error, SourceError::OnHold(_)) {
                continue;
            }
            let attempt = match pictures {
                0 => Attempt::Dark,
                _ if begun.elapsed() < BRIEF => Attempt::Brief,
                _ => Attempt::Shown,
            };
            index = (index + 1) % self.spec.sources.len();
            self.wait(back_off.after(attempt, self.spec.sources.len(), only_listens));
        }
    }

    /// Runs `source` until it is lost; returns why, and what is to be let go of.
    fn run_source(
        &self,
        source: Source,
        mut wanted: Wanted,
        history: &Arc<Mutex<History>>,
        url: &Url,
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
            seen: 0,
            drawn: None,
        };
        let mut check = || watch.check();
        if let Source::Synthetic(spec) = &source {
            let clock = self.clock.as_ref();
            return (synthetic::run(spec, &self.spec.title, &self.intake, run, clock, &mut check), None);
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
        let (real, media) = intake.idle_since(self.started, clock.now());
        let seconds = patience.as_secs();
        (media >= patience && real >= LEAST_REAL_PATIENCE).then(|| match trouble {
            Some(trouble) => SourceError::Pipeline(format!("no picture for {seconds} s: {trouble}")),
            None => SourceError::Stalled { seconds },
        })
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
