//! Whether the machine has little room for more, told once each time that it comes to that.

use std::time::Duration;

use crate::events::LowReason;
use crate::timeline::MediaTime;

/// Shares that are left, in percent: below the one it is low, and above the other it was so once.
const LOW_PERCENT: f64 = 10.0;
const ENOUGH_PERCENT: f64 = 20.0;

/// A burst, as of a mosaic that begins, is not told.
const LASTS: Duration = Duration::from_secs(5);

/// How much room there is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Room {
    /// Cores that may be used, and how many of them are left. Infinite where nothing is known of any.
    pub cores: f64,
    pub cores_left: f64,
    pub sessions: u64,
    pub max_sessions: u64,
    /// Who was refused for lack of it so far.
    pub refused: u64,
}

impl Room {
    fn low(&self, refused_before: u64, percent: f64) -> Option<LowReason> {
        let is_short = |left: f64, of: f64| of.is_finite() && left <= of * percent / 100.0;
        let sessions_left = self.max_sessions.saturating_sub(self.sessions);
        if self.refused > refused_before {
            Some(LowReason::Refused)
        } else if is_short(sessions_left as f64, self.max_sessions as f64) {
            Some(LowReason::Sessions)
        } else if is_short(self.cores_left, self.cores) {
            Some(LowReason::Cores)
        } else {
            None
        }
    }
}

/// Looks again and again. Pure: time and figures are handed in.
#[derive(Debug, Default)]
pub(super) struct CapacityWatch {
    refused: u64,
    /// Since when it is low.
    low_since: Option<MediaTime>,
    is_told: bool,
}

impl CapacityWatch {
    /// What is to be told at `now`, if anything is.
    pub fn look(&mut self, now: MediaTime, room: Room) -> Option<LowReason> {
        let low = room.low(self.refused, LOW_PERCENT);
        let is_enough = room.low(self.refused, ENOUGH_PERCENT).is_none();
        self.refused = room.refused;
        let Some(reason) = low else {
            self.low_since = None;
            self.is_told &= !is_enough;
            return None;
        };
        let since = *self.low_since.get_or_insert(now);
        // Who was refused was refused.
        let lasts = reason != LowReason::Cores || now.since(since) >= LASTS;
        let is_news = lasts && !self.is_told;
        self.is_told |= lasts;
        is_news.then_some(reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EASY: Room = Room { cores: 2.0, cores_left: 1.0, sessions: 0, max_sessions: 10, refused: 0 };

    fn at(s: u64) -> MediaTime {
        MediaTime::from_secs(s)
    }

    #[test]
    fn processors_that_stay_short_are_told_once_until_there_is_room_again() {
        let mut watch = CapacityWatch::default();
        let short = Room { cores_left: 0.1, ..EASY };
        assert_eq!((watch.look(at(0), EASY), watch.look(at(1), short)), (None, None));
        assert_eq!((watch.look(at(3), EASY), watch.look(at(4), short)), (None, None), "a burst");
        assert_eq!((watch.look(at(8), short), watch.look(at(9), short)), (None, Some(LowReason::Cores)));
        assert_eq!(watch.look(at(100), short), None);
        // Between the two it is neither.
        watch.look(at(101), Room { cores_left: 0.3, ..EASY });
        watch.look(at(102), short);
        assert_eq!(watch.look(at(110), short), None);
        watch.look(at(111), EASY);
        watch.look(at(112), short);
        assert_eq!(watch.look(at(117), short), Some(LowReason::Cores));
        let unknown = Room { cores: f64::INFINITY, cores_left: f64::INFINITY, ..EASY };
        assert_eq!(CapacityWatch::default().look(at(0), unknown), None);
    }

    #[test]
    fn sessions_and_refusals_are_told_at_once() {
        let mut watch = CapacityWatch::default();
        assert_eq!(watch.look(at(0), Room { sessions: 8, ..EASY }), None);
        assert_eq!(watch.look(at(1), Room { sessions: 9, ..EASY }), Some(LowReason::Sessions));
        assert_eq!(watch.look(at(2), Room { sessions: 10, refused: 3, ..EASY }), None, "it is told");
        watch.look(at(3), Room { refused: 3, ..EASY });
        assert_eq!(watch.look(at(4), Room { refused: 4, ..EASY }), Some(LowReason::Refused));
        assert_eq!(watch.look(at(5), Room { refused: 4, ..EASY }), None);
    }
}
