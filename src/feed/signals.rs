//! What a source signals beside its pictures and sound, until the feed's owner takes it.

use std::collections::VecDeque;

use crate::cadence::{SourceClock, SourceNanos};
use crate::cues::scte35::SpliceInfo;
use crate::timeline::MediaTime;

/// Signals that wait to be taken. The oldest goes first.
const MOST: usize = 64;

/// A signal, and when it is due in unbroken source time; `None`: when it arrived.
#[derive(Clone, Debug)]
pub(super) struct Signalled {
    pub info: SpliceInfo,
    pub arrived: MediaTime,
    pub at: Option<SourceNanos>,
}

/// A signal on our time line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedSignal {
    pub info: SpliceInfo,
    pub arrived: MediaTime,
    /// When what it is about shows.
    pub at: MediaTime,
}

#[derive(Default)]
pub(super) struct Signals {
    waiting: VecDeque<Signalled>,
}

impl Signals {
    pub fn push(&mut self, signalled: Signalled) {
        if self.waiting.len() == MOST {
            self.waiting.pop_front();
        }
        self.waiting.push_back(signalled);
    }

    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// All that waits, by a clock that knows when pictures are due; nothing before it does.
    pub fn take(&mut self, clock: &SourceClock) -> Vec<FeedSignal> {
        if self.waiting.is_empty() || !clock.is_anchored() {
            return Vec::new();
        }
        let placed = |Signalled { info, arrived, at }| {
            let at = at.and_then(|at| clock.due_at(at)).unwrap_or(arrived);
            FeedSignal { info, arrived, at }
        };
        std::mem::take(&mut self.waiting).into_iter().map(placed).collect()
    }
}
