//! What a source signals beside its pictures and sound, until the feed's owner takes it.

use std::collections::VecDeque;
use std::time::Duration;

use crate::cadence::{SourceClock, SourceNanos};
use crate::cues::track::{Signal, Source};
use crate::timeline::MediaTime;

/// Signals that wait to be taken, and signals about what is yet to come. The oldest goes first.
const MOST: usize = 256;
/// What is due so much sooner or later than was told is told again: half a frame of the fastest pictures.
const MOVED: Duration = Duration::from_millis(8);

/// A signal, and when it is due in unbroken source time; `None`: when it arrived.
#[derive(Clone, Debug)]
pub(super) struct Signalled {
    /// Of a range, the times are left out: they are `at` and `ends`.
    pub signal: Signal,
    pub source: Source,
    pub arrived: MediaTime,
    pub at: Option<SourceNanos>,
    pub ends: Option<SourceNanos>,
}

/// A signal on our time line.
#[derive(Clone, Debug, PartialEq)]
pub struct FeedSignal {
    pub signal: Signal,
    pub source: Source,
    pub arrived: MediaTime,
    /// When what it is about shows, or begins to.
    pub at: MediaTime,
}

/// A signal that was taken, and the times that it was told with.
struct Told {
    signalled: Signalled,
    at: Option<MediaTime>,
    ends: Option<MediaTime>,
}

#[derive(Default)]
pub(super) struct Signals {
    waiting: VecDeque<Signalled>,
    /// What is yet to come: where a source is held up, its pictures are due later than was thought, and so is that.
    told: VecDeque<Told>,
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
        self.told.clear();
    }

    /// All that waits, and what is due at another time than it was told with, by a clock that knows when pictures are due;
    /// nothing before it does.
    pub fn take(&mut self, clock: &SourceClock, now: MediaTime) -> Vec<FeedSignal> {
        if (self.waiting.is_empty() && self.told.is_empty()) || !clock.is_anchored() {
            return Vec::new();
        }
        let mut list = Vec::new();
        self.told.retain_mut(|told| {
            if told.moves(clock, now) {
                list.push(told.signal());
            }
            told.is_to_come(now)
        });
        for signalled in std::mem::take(&mut self.waiting) {
            let due = |at: Option<SourceNanos>| at.and_then(|at| clock.due_at(at));
            let told = Told { at: due(signalled.at), ends: due(signalled.ends), signalled };
            list.push(told.signal());
            // A range that is told anew is known better than before.
            self.told.retain(|before| !is_same_range(&before.signalled.signal, &told.signalled.signal));
            if told.is_to_come(now) {
                if self.told.len() == MOST {
                    self.told.pop_front();
                }
                self.told.push_back(told);
            }
        }
        list
    }
}

fn is_same_range(one: &Signal, other: &Signal) -> bool {
    matches!((one, other), (Signal::Range { range, .. }, Signal::Range { range: other, .. }) if range.id == other.id)
}

impl Told {
    fn is_to_come(&self, now: MediaTime) -> bool {
        self.at.max(self.ends).is_some_and(|at| at > now)
    }

    /// Looks at the clock again; whether a time that is yet to come has moved. What has been stays.
    fn moves(&mut self, clock: &SourceClock, now: MediaTime) -> bool {
        let look = |time: &mut Option<MediaTime>, source: Option<SourceNanos>| {
            let (Some(told), Some(due)) = (*time, source.and_then(|at| clock.due_at(at))) else { return false };
            let moved = told > now && told.max(due).since(told.min(due)) > MOVED;
            if moved {
                *time = Some(due);
            }
            moved
        };
        // Both, always.
        look(&mut self.at, self.signalled.at) | look(&mut self.ends, self.signalled.ends)
    }

    fn signal(&self) -> FeedSignal {
        let Signalled { signal, source, arrived, .. } = self.signalled.clone();
        let at = self.at.unwrap_or(arrived);
        let signal = match signal {
            Signal::Range { range, .. } => Signal::Range { range, start: self.at, end: self.ends },
            other => other,
        };
        FeedSignal { signal, source, arrived, at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cues::daterange::{OlderTag, SourceRange};

    fn s(seconds: u64) -> MediaTime {
        MediaTime::from_secs(seconds)
    }

    fn nanos(seconds: i64) -> SourceNanos {
        seconds * 1_000_000_000
    }

    fn tag(at: Option<i64>) -> Signalled {
        let at = at.map(nanos);
        Signalled { signal: Signal::Older(OlderTag::In), source: Source::Hls, arrived: s(1000), at, ends: None }
    }

    #[test]
    fn signals_wait_for_a_clock_and_what_names_no_time_is_of_its_arrival() {
        let (mut signals, mut clock) = (Signals::default(), SourceClock::pulled());
        signals.push(tag(Some(7)));
        signals.push(tag(None));
        assert_eq!(signals.take(&clock, s(1000)), []);
        clock.anchor(nanos(5), s(1001));
        let times: Vec<_> = signals.take(&clock, s(1001)).iter().map(|signal| signal.at).collect();
        assert_eq!(times, [s(1003), s(1000)]);
        assert_eq!(signals.take(&clock, s(1001)), []);
    }

    #[test]
    fn what_is_to_come_moves_with_the_pictures_and_what_has_been_stays() {
        let (mut signals, mut clock) = (Signals::default(), SourceClock::pulled());
        clock.anchor(0, s(1000));
        let range = Box::new(SourceRange { id: "r".into(), ..SourceRange::default() });
        let signal = Signal::Range { range, start: None, end: None };
        let (at, ends) = (Some(nanos(4)), Some(nanos(20)));
        signals.push(Signalled { signal, source: Source::Hls, arrived: s(1000), at, ends });
        let times = |list: Vec<FeedSignal>| -> Vec<_> {
            let of = |signal| match signal {
                Signal::Range { start, end, .. } => (start, end),
                other => panic!("{other:?}"),
            };
            list.into_iter().map(|signal| of(signal.signal)).collect()
        };
        assert_eq!(times(signals.take(&clock, s(1000))), [(Some(s(1004)), Some(s(1020)))]);
        // Held up by three seconds before its beginning, by two more behind it.
        clock.anchor(nanos(2), s(1005));
        assert_eq!(times(signals.take(&clock, s(1002))), [(Some(s(1007)), Some(s(1023)))]);
        clock.anchor(nanos(10), s(1015));
        assert_eq!(times(signals.take(&clock, s(1015))), [(Some(s(1007)), Some(s(1025)))]);
        assert_eq!(signals.take(&clock, s(1015)), []);
        clock.release();
        assert_eq!(signals.take(&clock, s(1016)), [], "nobody knows when it is due");
        clock.anchor(nanos(10), s(1016));
        assert_eq!(signals.take(&clock, s(1030)), []);
        assert!(signals.told.is_empty());
    }
}
