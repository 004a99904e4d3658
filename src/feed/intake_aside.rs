//! What goes through an intake beside pictures and sound: signals and texts, which wait there for the pictures that they belong to.

use std::sync::Arc;

use super::intake::{Intake, State};
use super::signals::{FeedSignal, Signalled};
use super::texts::{FeedTexts, TextOrigin, Writing};
use crate::cadence::SourceNanos;
use crate::timeline::MediaTime;

impl Intake {
    /// Takes in what the source of `run` signals.
    pub fn signal(&self, run: u64, signalled: Signalled) {
        let mut state = self.state.lock();
        if state.run == run {
            state.signals.push(signalled);
        }
    }

    /// Takes in what the source of `run` writes with the picture at `at`.
    pub fn write(&self, run: u64, at: SourceNanos, writing: Writing) {
        let mut state = self.state.lock();
        if state.run == run {
            state.texts.push(at, writing);
        }
    }

    /// Whether the source of `run` is a playlist that goes on: what is late of it is made up for.
    pub fn set_lives(&self, run: u64, lives: bool) {
        let mut state = self.state.lock();
        if state.run == run {
            state.catch_up.set_lives(lives);
        }
    }

    /// What the source of `run` has of texts, before anything is written in them.
    pub fn list_texts(&self, run: u64, texts: Vec<Arc<TextOrigin>>) {
        let mut state = self.state.lock();
        if state.run == run {
            state.texts.list(texts);
        }
    }

    /// What was written with the pictures up to the one that `tick` shows, and what is listed.
    pub fn take_texts(&self, tick: MediaTime) -> FeedTexts {
        let mut state = self.state.lock();
        let State { texts, clock, pictures, .. } = &mut *state;
        match clock.source_at(tick) {
            Some(want) => texts.take(pictures.horizon(want), |at| clock.due_at(at)),
            None => texts.take_listed(),
        }
    }

    /// What was signalled since it was asked for last, on our time line, where it is `now`.
    pub fn take_signals(&self, now: MediaTime) -> Vec<FeedSignal> {
        let mut state = self.state.lock();
        let State { signals, clock, .. } = &mut *state;
        signals.take(clock, now)
    }
}
