//! Before a source is started: it gets the room that it was refused the last time, and waits for its turn.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use super::ahead::Shortage;
use super::error::SourceError;
use super::facts::{Facts, VideoFacts};
use super::health::Reason;
use super::room::{Decoding, Demand, PATTERN, Ration, Refused};
use super::slate;
use super::starts::Turn;
use super::supervisor::{Report, Supervisor};
use crate::timeline::MediaTime;

/// How often one that waits for its turn looks whether it has come.
const LOOK: Duration = Duration::from_millis(20);
/// Whoever waits longer says so: to draw a slate takes as long as some wait.
const SAID_AFTER: Duration = Duration::from_millis(300);
/// A start has this long: what has shown nothing by then waits for its source, which takes little.
const LONGEST_START: Duration = Duration::from_secs(5);
/// One that listens waits from when its process is there.
const LISTENS_AFTER: Duration = Duration::from_secs(1);
/// A source that there is no room for asks once or twice more, for a part of what it takes, and then waits with nothing that runs. One that is pulled is read as fast as can be
/// meanwhile.
const NO_ROOM_PATIENCE: Duration = Duration::from_millis(2500);
const PUSHED_NO_ROOM_PATIENCE: Duration = Duration::from_secs(5);

/// A pattern of no more pixels a second (1080p30) begins unasked, whatever the machine does at the moment and was measured to take: those of a demo or a trial.
const UNASKED_PIXELS_PER_S: f64 = 1920.0 * 1080.0 * 30.0;

/// How long a source's process asks for room.
pub(super) const fn no_room_patience(is_pushed: bool) -> Duration {
    if is_pushed { PUSHED_NO_ROOM_PATIENCE } else { NO_ROOM_PATIENCE }
}

/// A source's start, which is over when it shows something or is known to wait.
pub(super) struct Start {
    turn: Option<Turn>,
    began: (Instant, MediaTime),
    longest: Duration,
}

impl Start {
    pub fn of(turn: Option<Turn>, now: MediaTime, only_listens: bool) -> Self {
        let longest = if only_listens { LISTENS_AFTER } else { LONGEST_START };
        Self { turn, began: (Instant::now(), now), longest }
    }

    /// Lets the next one have its turn, where this one is over. A clock that a test cranks leaps: both times must have passed.
    pub fn look(&mut self, is_over: bool, now: MediaTime) {
        let (real, media) = (self.began.0.elapsed(), now.since(self.began.1));
        if is_over || real.min(media) >= self.longest {
            self.turn = None;
        }
    }
}

impl Report {
    /// It is not started yet, for another reason than its source's.
    fn waits(&mut self, reason: Reason, text: String) {
        (self.failure, self.last_error) = (Some(reason), Some(text));
    }
}

impl Supervisor {
    /// Waits until a source may be started; `None` where the feed is to stop, or to give way.
    pub(super) fn await_turn(&self, was_shown: bool) -> Option<Turn> {
        let turn = self.decoding.starts.come(was_shown);
        let since = Instant::now();
        let mut is_said = false;
        while !turn.has_come(self.decoding.room.is_late()) {
            if self.intake.stopped_within(LOOK) || self.on_hold().is_some() {
                return None;
            }
            if !is_said && since.elapsed() >= SAID_AFTER {
                is_said = true;
                self.say_it_waits();
            }
        }
        let mut report = self.report.lock();
        if report.failure == Some(Reason::Waiting) {
            (report.failure, report.refusal, report.last_error) = (None, None, None);
        }
        Some(turn)
    }

    /// What was wrong with its source before says more.
    fn say_it_waits(&self) {
        if self.report.lock().failure.is_some() {
            return;
        }
        let card = slate::refusal(Reason::Waiting).and_then(|note| slate::draw(&self.spec.title, note));
        let mut report = self.report.lock();
        report.waits(Reason::Waiting, "waits for its turn to start: other sources are being started".to_owned());
        report.refusal = card;
    }

    /// Whether a source that there was no room for may be started. Nothing of it runs meanwhile.
    pub(super) fn has_room(&self, shortage: Option<&Shortage>, index: usize) -> bool {
        let Some((shortage, cores)) = shortage.and_then(|known| Some((known, known.asks(self.clock.now())?))) else {
            return true;
        };
        let Err(why) = self.room.has(cores) else {
            // It waits for nothing but its turn any more.
            let facts = Arc::clone(&self.report.lock().facts);
            facts.lock().no_room = None;
            let mut report = self.report.lock();
            (report.failure, report.refusal) = (None, None);
            return true;
        };
        self.say_there_is_no_room(index, shortage, why);
        false
    }

    /// Whether a pattern may be drawn: a large one asks for room as what is decoded does.
    pub(super) fn asks_for_pattern(&self, demand: Demand, facts: &Mutex<Facts>) -> Result<(), SourceError> {
        if demand.pixels_per_s() <= UNASKED_PIXELS_PER_S {
            return Ok(());
        }
        let Decoding { room, costs, .. } = &self.decoding;
        let mut ration = Ration::new(room.clone(), costs.clone(), PATTERN);
        ration.demands(demand);
        if ration.passes(None, self.clock.now()) {
            return Ok(());
        }
        let told = ration.shortage().unwrap_or_default();
        let Demand { width, height, fps } = demand;
        let video = VideoFacts { codec: PATTERN.into(), profile: None, width, height, fps, interlaced: false };
        let mut facts = facts.lock();
        (facts.video, facts.no_room) = (Some(video), Some(told.clone()));
        Err(SourceError::NoRoom(told))
    }

    fn say_there_is_no_room(&self, index: usize, shortage: &Shortage, why: Refused) {
        let told = shortage.told(why);
        let is_new = self.report.lock().failure != Some(Reason::NoRoom);
        let note = slate::refusal(Reason::NoRoom).filter(|_| is_new);
        let card = note.and_then(|note| slate::draw(&self.spec.title, note));
        let mut report = self.report.lock();
        report.waits(Reason::NoRoom, told.clone());
        (report.source_index, report.refusal) = (index, card.or(report.refusal.take()));
        let facts = Arc::clone(&report.facts);
        drop(report);
        facts.lock().no_room = Some(told);
    }

    /// What a run that showed nothing came to, where it was for lack of room; and what is known of that then.
    pub(super) fn judged(&self, error: SourceError, before: Option<&Shortage>) -> (SourceError, Option<Shortage>) {
        let lack = self.room.take_lack();
        if matches!(error, SourceError::OnHold(_)) || self.intake.is_stopped() {
            return (error, before.cloned());
        }
        let facts = Arc::clone(&self.report.lock().facts);
        let facts = facts.lock();
        // What was shown before more of it came than its headers had said is not started again either.
        let told = facts.no_room.clone();
        let Some((lack, told)) = lack.zip(told) else { return (error, None) };
        let shortage = Shortage::after(before, lack, &facts, self.clock.now());
        (SourceError::NoRoom(told), Some(shortage))
    }
}
