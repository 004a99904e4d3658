//! A feed's supervisor thread: runs one source after the other, waits between attempts, makes thumbnails.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use super::error::SourceError;
use super::health::Reason;
use super::intake::{Intake, Timing};
use super::source::Source;
use super::{FeedSpec, pipeline, synthetic, thumbnail};
use crate::config::{mask_text, mask_text_about};
use crate::timeline::{Clock, Grid, MediaTime};

const FIRST_BACK_OFF: Duration = Duration::from_millis(500);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(30);
/// A run that showed pictures for so long was good: the next failure starts with the shortest wait.
const GOOD_RUN: Duration = Duration::from_secs(10);
/// Without a first picture for so long, or another one, a source is given up. Listening costs nothing: it gets longer.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
const LISTEN_PATIENCE: Duration = Duration::from_secs(20);
const STALL_PATIENCE: Duration = Duration::from_secs(3);
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
}

/// The wait before the next attempt: none for a backup that was not tried yet, else doubling.
struct BackOff {
    next: Duration,
    failures_in_row: usize,
}

impl BackOff {
    fn new() -> Self {
        Self { next: FIRST_BACK_OFF, failures_in_row: 0 }
    }

    fn after_failure(&mut self, sources: usize, good_run: bool, only_listens: bool) -> Duration {
        if good_run {
            *self = Self::new();
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
        while !self.intake.is_stopped() {
            let Some(url) = self.spec.sources.get(index) else {
                self.note_failure(index, &SourceError::NoSource);
                self.intake.end();
                while !self.intake.stopped_within(Duration::from_secs(60)) {}
                return;
            };
            self.report.lock().source_index = index;
            let begun = Instant::now();
            let source = Source::parse(url);
            let only_listens = source.as_ref().is_ok_and(Source::only_listens);
            let error = source.map_or_else(|error| error, |source| self.run_source(&source));
            if self.intake.is_stopped() {
                return;
            }
            // Reported first: who sees the slate finds the reason.
            self.note_failure(index, &error);
            let pictures = self.intake.end();
            let good = pictures > 0 && begun.elapsed() >= GOOD_RUN;
            index = (index + 1) % self.spec.sources.len();
            self.wait(back_off.after_failure(self.spec.sources.len(), good, only_listens));
        }
    }

    fn run_source(&self, source: &Source) -> SourceError {
        let timing = match (source, source.target_lead()) {
            (Source::Synthetic(_), _) => Timing::OnGrid,
            (_, Some(lead)) => Timing::Live(lead),
            (_, None) => Timing::Pulled,
        };
        let run = self.intake.begin(timing);
        let first = if source.only_listens() { LISTEN_PATIENCE } else { CONNECT_PATIENCE };
        let mut watch =
            Watch { supervisor: self, started: (Instant::now(), self.clock.now()), first, seen: 0, drawn: None };
        let mut check = || watch.check();
        match source {
            Source::Synthetic(spec) => {
                synthetic::run(spec, &self.spec.title, &self.intake, run, self.clock.as_ref(), &mut check)
            }
            _ => pipeline::run(source, &self.grid, &self.intake, run, &self.clock, &mut check),
        }
    }

    /// The one place where a source's trouble is told, to the log and to operators: nothing secret gets past it.
    fn note_failure(&self, index: usize, error: &SourceError) {
        let text = error.to_string();
        let text = self.spec.sources.get(index).map_or_else(|| mask_text(&text), |url| mask_text_about(url, &text));
        let mut report = self.report.lock();
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
            if self.intake.stopped_within(left) {
                return;
            }
        }
    }
}

/// Looks after a running source: is the feed to stop, does the source stall, is a thumbnail due?
struct Watch<'a> {
    supervisor: &'a Supervisor,
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
        let pictures = intake.pictures_in_run();
        if pictures > 0 && self.seen == 0 {
            let mut report = report.lock();
            if report.reconnects > 0 {
                tracing::info!(feed = %spec.key, source = report.source_index, "source is back");
            }
            report.failure = None;
        }
        self.seen = pictures;
        if self.drawn.is_none_or(|at| at.elapsed() >= THUMBNAIL_EVERY)
            && let Some(picture) = intake.any_picture()
        {
            self.drawn = Some(Instant::now());
            let jpeg = thumbnail::jpeg_of(&picture);
            report.lock().thumbnail = jpeg;
        }
        let patience = if pictures == 0 { self.first } else { STALL_PATIENCE };
        let (real, media) = intake.idle_since(self.started, clock.now());
        (media >= patience && real >= LEAST_REAL_PATIENCE)
            .then_some(SourceError::Stalled { seconds: patience.as_secs() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_are_tried_at_once_then_the_waits_double_to_half_a_minute() {
        let mut one = BackOff::new();
        let waits: Vec<_> = (0..9).map(|_| one.after_failure(1, false, false).as_millis()).collect();
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
        assert_eq!(one.after_failure(1, true, false).as_millis(), 500);
        let mut two = BackOff::new();
        let waits: Vec<_> = (0..4).map(|_| two.after_failure(2, false, false).as_millis()).collect();
        assert_eq!(waits, [0, 500, 0, 1000]);
        let mut listening = BackOff::new();
        assert!((0..9).all(|_| listening.after_failure(1, false, true).as_millis() == 500));
    }
}
