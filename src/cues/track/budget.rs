//! What sources may have listed of a game. Every playlist of every session that shows it carries what lies in it, so a source
//! that says ten cues a frame would stop the service for everybody.
//!
//! An event pays both its lines when it becomes known: its end, which must come when it is said, costs no more than the text of
//! the section that says it, and is listed without that where nothing is left.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::event::{Event, Key};
use super::message::{Message, What};
use super::policy::Policy;
use crate::timeline::MediaTime;

/// A line without the names of its game and its source, and without its section: the longest is shorter.
const LINE_BYTES: usize = 288;
/// Names of events that were refused last, whose ends are not taken for other events'.
const MAX_REFUSED: usize = 256;
/// A flood that pauses for less is one, and said once.
const QUIET: Duration = Duration::from_secs(600);

/// What became of cues that were too many, since it was asked for last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Troubles {
    /// Messages that were refused.
    pub refused: u64,
    /// Texts, sections mostly, that were left out of an event.
    pub shortened: u64,
    /// Events that were ended, or called off, to make room.
    pub ended: u64,
    /// Whether there was no trouble for a while before: it is worth a word.
    pub is_news: bool,
}

/// See the module.
#[derive(Clone, Debug, Default)]
pub(super) struct Budget {
    /// All until then is spent. It is never ahead of now, and counts as no further behind than what may be said at once.
    spent_to: MediaTime,
    refused: VecDeque<Key>,
    troubles: Troubles,
    last_trouble: Option<MediaTime>,
}

impl Budget {
    /// Takes what `message` costs as a new event; where that is not there, it is refused.
    pub fn admits(&mut self, game: &str, message: &Message, now: MediaTime, policy: &Policy) -> bool {
        let paid = self.takes(cost(game, message), now, policy);
        if !paid {
            self.refuse(&message.key, now);
        }
        paid
    }

    /// Takes `bytes` for a change; where they are not there, it is refused.
    pub fn pays(&mut self, bytes: usize, now: MediaTime, policy: &Policy) -> bool {
        let paid = self.takes(bytes, now, policy);
        if !paid {
            self.trouble(now).refused += 1;
        }
        paid
    }

    /// Puts what was said in place of what was said before. Where that cannot be paid there is neither: the old text is of
    /// something else.
    pub fn replace<T: AsRef<str> + PartialEq>(
        &mut self,
        known: &mut Option<T>,
        said: Option<T>,
        now: MediaTime,
        policy: &Policy,
    ) {
        let Some(said) = said.filter(|said| known.as_ref() != Some(said)) else { return };
        let paid = self.takes(said.as_ref().len(), now, policy);
        if !paid {
            self.shorten(now);
        }
        *known = paid.then_some(said);
    }

    fn takes(&mut self, bytes: usize, now: MediaTime, policy: &Policy) -> bool {
        let refilled = now.saturating_sub(time_of(policy.bytes_at_once, policy));
        let spent_to = self.spent_to.max(refilled) + time_of(bytes, policy);
        let is_there = spent_to <= now;
        if is_there {
            self.spent_to = spent_to;
        }
        is_there
    }

    pub fn refuse(&mut self, key: &Key, now: MediaTime) {
        self.trouble(now).refused += 1;
        if self.was_refused(key) {
            return;
        }
        if self.refused.len() == MAX_REFUSED {
            self.refused.pop_front();
        }
        self.refused.push_back(key.clone());
    }

    pub fn was_refused(&self, key: &Key) -> bool {
        self.refused.contains(key)
    }

    /// An event of this name is known now.
    pub fn forgive(&mut self, key: &Key) {
        self.refused.retain(|refused| refused != key);
    }

    pub fn shorten(&mut self, now: MediaTime) {
        self.trouble(now).shortened += 1;
    }

    pub fn end(&mut self, now: MediaTime) {
        self.trouble(now).ended += 1;
    }

    fn trouble(&mut self, now: MediaTime) -> &mut Troubles {
        self.troubles.is_news |= self.last_trouble.is_none_or(|last| last + QUIET < now);
        self.last_trouble = Some(now);
        &mut self.troubles
    }

    pub fn take_troubles(&mut self) -> Troubles {
        std::mem::take(&mut self.troubles)
    }

    /// Another source has nothing to do with what this one said.
    pub fn begin_anew(&mut self) {
        *self = Self { troubles: self.troubles, ..Self::default() };
    }
}

/// How long it takes until so many bytes may be said again.
fn time_of(bytes: usize, policy: &Policy) -> Duration {
    let nanos = bytes as u64 * 1_000_000_000 / policy.bytes_per_s.max(1) as u64;
    Duration::from_nanos(nanos)
}

/// What a line of an event costs, without its section.
pub(super) fn line(game: &str, key: &Key) -> usize {
    let name = match key {
        Key::Range(id) | Key::Operator(id) => id.len(),
        Key::Splice(_) | Key::Segment { .. } | Key::TimeSignal | Key::Schedule | Key::Private(_) | Key::Cue => 0,
    };
    // The game is named by ID, CLASS and X-COM-QUADRILLE-GAME.
    LINE_BYTES + name + 3 * game.len()
}

/// What a message costs as a new event: both its lines and its texts.
pub(super) fn cost(game: &str, message: &Message) -> usize {
    let lines = if message.what == What::Mark { 1 } else { 2 };
    let class = message.class.as_ref().filter(|_| message.ends_on_next);
    lines * line(game, &message.key) + texts([&message.hex, &None, &class.cloned()], message.upid.as_ref())
}

/// What an event costs with all that is known of it.
pub(super) fn bytes(game: &str, event: &Event) -> usize {
    let lines = if event.instant { 1 } else { 2 };
    lines * line(game, &event.key) + texts([&event.hex, &event.end_hex, &event.ends_on_next_of], event.upid.as_ref())
}

fn texts(texts: [&Option<Arc<str>>; 3], upid: Option<&String>) -> usize {
    texts.into_iter().flatten().map(|text| text.len()).sum::<usize>() + upid.map_or(0, String::len)
}
