//! Pictures that are late, and go on being late: what is given up for those who watch, and when it is begun again. Pure: time is handed in.
//! The load that others put on the machine does not show in this process's; that pictures are late does.

use std::time::Duration;

use crate::timeline::MediaTime;

/// So many looks in a row, a second apart, must find that pictures were late: feeds that start, or a neighbour, make a hiccup.
const LASTING: u32 = 3;

/// Work ahead of demand that was given up is not begun again for so long; twice as long each time that it was in the way again.
const FIRST_REST: Duration = Duration::from_secs(60);
const LONGEST_REST: Duration = Duration::from_secs(16 * 60);

/// Work that went on for so long was not in the way: rests begin anew.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30 * 60);

/// What is left to be given up for those who watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pressure {
    /// Pictures go on being late, and nothing runs any more that nobody watches.
    pub short: bool,
    /// When pictures were last late.
    pub late_at: Option<MediaTime>,
}

/// While it lasts, sources are let in this seldom: there is time to see what each does.
const SOURCE_EVERY: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug, Default)]
pub struct Overload {
    late_at: Option<MediaTime>,
    /// Pictures were late since the last look.
    fresh: bool,
    looks: u32,
    /// Those of them in a row that found nothing to give up.
    bare_looks: u32,
    rest: Duration,
    ahead_from: MediaTime,
    source_at: Option<MediaTime>,
}

impl Overload {
    /// Pictures were late at `now`.
    pub fn late(&mut self, now: MediaTime) {
        self.late_at = Some(now);
        self.fresh = true;
    }

    /// When pictures were last late.
    pub fn late_at(&self) -> Option<MediaTime> {
        self.late_at
    }

    /// To be called about once a second: whether work that nobody watches is to be given up now.
    pub fn look(&mut self) -> bool {
        self.looks = if std::mem::take(&mut self.fresh) { self.looks + 1 } else { 0 };
        self.bare_looks = if self.lasts() { self.bare_looks } else { 0 };
        self.lasts()
    }

    /// Pictures go on being late.
    pub fn lasts(&self) -> bool {
        self.looks >= LASTING
    }

    /// `cores` of work ahead of demand were given up at `now`; for how long it rests, where that was anything.
    pub fn gave_up(&mut self, now: MediaTime, cores: f64) -> Option<Duration> {
        if cores <= 0.0 {
            self.bare_looks += 1;
            return None;
        }
        self.bare_looks = 0;
        // Within a rest that is what was left of the same work.
        if now >= self.ahead_from {
            let is_new = self.rest.is_zero() || now.since(self.ahead_from) > FORGOTTEN_AFTER;
            self.rest = if is_new { FIRST_REST } else { (self.rest * 2).min(LONGEST_REST) };
        }
        self.ahead_from = now + self.rest;
        Some(self.rest)
    }

    /// What was given up takes as long to be felt as what was in the way took to be noticed.
    pub fn pressure(&self) -> Pressure {
        Pressure { short: self.bare_looks >= LASTING, late_at: self.late_at }
    }

    /// Whether work ahead of demand may be begun at `now`.
    pub fn allows_ahead(&self, now: MediaTime) -> bool {
        now >= self.ahead_from
    }

    /// Whether one more source may be decoded from `now` on.
    pub fn allows_source(&self, now: MediaTime) -> bool {
        !self.lasts() || self.source_at.is_none_or(|at| now.since(at) >= SOURCE_EVERY)
    }

    /// One more source is decoded.
    pub fn took_source(&mut self, now: MediaTime) {
        self.source_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> MediaTime {
        MediaTime::from_secs(s)
    }

    /// What a look each second finds while pictures are late.
    fn late_for(overload: &mut Overload, seconds: std::ops::Range<u64>) -> Vec<bool> {
        seconds
            .map(|second| {
                overload.late(at(second));
                overload.look()
            })
            .collect()
    }

    #[test]
    fn a_hiccup_costs_nothing_and_what_lasts_does() {
        let mut overload = Overload::default();
        assert_eq!(late_for(&mut overload, 100..102), [false, false]);
        assert!(!overload.look() && overload.allows_ahead(at(102)));
        assert_eq!(late_for(&mut overload, 110..115), [false, false, true, true, true]);
        assert!(!overload.look(), "it is over");
        assert_eq!(overload.late_at(), Some(at(114)));
    }

    #[test]
    fn work_that_is_in_the_way_again_and_again_rests_longer_and_longer() {
        let mut overload = Overload::default();
        let mut now = 1000;
        let mut rests = Vec::new();
        for _ in 0..7 {
            // In parts, second after second: one rest, which begins with the last of them.
            overload.gave_up(at(now), 0.5);
            rests.push(overload.gave_up(at(now + 1), 0.1).unwrap().as_secs());
            assert!(!overload.allows_ahead(at(now + rests.last().unwrap())));
            now += 1 + rests.last().unwrap();
            assert!(overload.allows_ahead(at(now)));
        }
        assert_eq!(rests, [60, 120, 240, 480, 960, 960, 960]);
        assert_eq!(overload.gave_up(at(now + 2000), 0.5).map(|rest| rest.as_secs()), Some(60));
    }

    #[test]
    fn a_machine_is_short_once_nothing_is_left_to_give_up_and_it_lasts_all_the_same() {
        let mut overload = Overload::default();
        let mut second = 100;
        let mut look = |overload: &mut Overload, cores: f64| {
            overload.late(at(second));
            if overload.look() {
                overload.gave_up(at(second), cores);
            }
            second += 1;
            overload.pressure().short
        };
        assert!((0..10).all(|_| !look(&mut overload, 0.5)), "there is work that can be given up");
        assert_eq!([0.0; 4].map(|cores| look(&mut overload, cores)), [false, false, true, true]);
        assert!(!look(&mut overload, 0.1), "something was found after all");
        assert_eq!([0.0; 3].map(|cores| look(&mut overload, cores)), [false, false, true]);
        overload.look();
        assert_eq!(overload.pressure(), Pressure { short: false, late_at: Some(at(117)) }, "it is over");
    }

    #[test]
    fn while_it_lasts_sources_are_let_in_one_after_another() {
        let mut overload = Overload::default();
        let mut taken = Vec::new();
        for second in 0..30 {
            overload.late(at(second));
            overload.look();
            // As many ask as like to.
            for _ in 0..3 {
                if overload.allows_source(at(second)) {
                    overload.took_source(at(second));
                    taken.push(second);
                }
            }
        }
        assert_eq!(taken, [0, 0, 0, 1, 1, 1, 11, 21]);
        overload.look();
        assert!(overload.allows_source(at(30)));
    }
}
