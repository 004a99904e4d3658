//! Which feed gives way when the machine is short, and when it comes back. Pure: time, lateness and room are handed in.
//!
//! Of all feeds it is the one that was added last: those that were there before it are owed what they had. At most half of the
//! feeds are on hold at once: where pictures are late all the same, decoding is not what is in the way.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::timeline::MediaTime;

/// After a change the next one waits for so long: what it does must show first.
const SETTLES: Duration = Duration::from_secs(10);

/// A feed is on hold for so long at least; twice as long each time that it was in the way again.
const FIRST_REST: Duration = Duration::from_secs(60);
const LONGEST_REST: Duration = Duration::from_secs(16 * 60);

/// A feed that went on for so long was not in the way: its rests begin anew.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30 * 60);

/// No feed is taken up unless pictures have been in time for so long.
const CALM: Duration = Duration::from_secs(10);

/// What is to be done with a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change<K> {
    /// To be put on hold, for `rest` at least.
    Hold {
        key: K,
        rest: Duration,
    },
    TakeUp {
        key: K,
    },
}

#[derive(Debug)]
struct Known {
    /// Of two feeds, that with the higher number was added later.
    number: u64,
    /// Until when it rests, where it is on hold.
    held_until: Option<MediaTime>,
    /// Its last rest, and when it was taken up from it, or is to be.
    rest: Duration,
    taken_up: MediaTime,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Holding<K> {
    feeds: HashMap<K, Known>,
    next: u64,
    settled_at: MediaTime,
}

impl<K> Default for Holding<K> {
    fn default() -> Self {
        Self { feeds: HashMap::new(), next: 0, settled_at: MediaTime::ZERO }
    }
}

impl<K: Clone + Eq + Hash> Holding<K> {
    /// A feed begins: a new one, which is the newest by that, or the next of one that is known, which keeps its place. It runs.
    pub fn came(&mut self, key: &K) {
        let next = self.next;
        let fresh = || Known { number: next, held_until: None, rest: Duration::ZERO, taken_up: MediaTime::ZERO };
        self.feeds.entry(key.clone()).or_insert_with(fresh).held_until = None;
        self.next += 1;
    }

    /// A feed is gone, or comes from other sources now.
    pub fn forget(&mut self, key: &K) {
        self.feeds.remove(key);
    }

    /// How many are on hold.
    pub fn held(&self) -> usize {
        self.feeds.values().filter(|feed| feed.held_until.is_some()).count()
    }

    /// What is to be done at `now`: `short` is whether pictures go on being late with nothing else left to give up, `late_at` when they
    /// were last late, `has_room` whether anything more may be decoded. To be called about once a second.
    pub fn look(
        &mut self,
        now: MediaTime,
        short: bool,
        late_at: Option<MediaTime>,
        has_room: bool,
    ) -> Option<Change<K>> {
        if now < self.settled_at {
            return None;
        }
        let calm = late_at.is_none_or(|at| now.since(at) >= CALM);
        let change = match (short, calm && has_room) {
            (true, _) => self.hold(now),
            (false, true) => self.take_up(now),
            (false, false) => None,
        };
        if change.is_some() {
            self.settled_at = now + SETTLES;
        }
        change
    }

    fn hold(&mut self, now: MediaTime) -> Option<Change<K>> {
        if self.held() >= self.feeds.len() / 2 {
            return None;
        }
        let running = self.feeds.iter_mut().filter(|(_, feed)| feed.held_until.is_none());
        let (key, feed) = running.max_by_key(|(_, feed)| feed.number)?;
        let is_new = feed.rest.is_zero() || now.since(feed.taken_up) > FORGOTTEN_AFTER;
        feed.rest = if is_new { FIRST_REST } else { (feed.rest * 2).min(LONGEST_REST) };
        (feed.held_until, feed.taken_up) = (Some(now + feed.rest), now + feed.rest);
        Some(Change::Hold { key: key.clone(), rest: feed.rest })
    }

    /// Of those whose rest is over, the one that was added first.
    fn take_up(&mut self, now: MediaTime) -> Option<Change<K>> {
        let rested = self.feeds.iter_mut().filter(|(_, feed)| feed.held_until.is_some_and(|until| now >= until));
        let (key, feed) = rested.min_by_key(|(_, feed)| feed.number)?;
        (feed.held_until, feed.taken_up) = (None, now);
        Some(Change::TakeUp { key: key.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> MediaTime {
        MediaTime::from_secs(s)
    }

    fn of(names: &[&'static str]) -> Holding<&'static str> {
        let mut holding = Holding::default();
        names.iter().for_each(|name| holding.came(name));
        holding
    }

    /// A machine that is late for as long as `is_late` says, looked at every second: what was done, and when.
    fn run(
        holding: &mut Holding<&'static str>,
        seconds: std::ops::Range<u64>,
        is_late: impl Fn(u64, &Holding<&'static str>) -> bool,
    ) -> Vec<(u64, String)> {
        let (mut done, mut late_at) = (Vec::new(), None);
        for second in seconds {
            let late = is_late(second, holding);
            late_at = if late { Some(at(second)) } else { late_at };
            match holding.look(at(second), late, late_at, true) {
                Some(Change::Hold { key, rest }) => done.push((second, format!("{key} rests {}", rest.as_secs()))),
                Some(Change::TakeUp { key }) => done.push((second, format!("{key} is back"))),
                None => {}
            }
        }
        done
    }

    fn said(done: &[(u64, String)]) -> Vec<(u64, &str)> {
        done.iter().map(|(second, what)| (*second, what.as_str())).collect()
    }

    #[test]
    fn the_newest_gives_way_one_after_another_and_never_more_than_half() {
        let mut holding = of(&["a", "b", "c", "d", "e"]);
        let done = run(&mut holding, 100..200, |_, _| true);
        assert_eq!(said(&done), [(100, "e rests 60"), (110, "d rests 60")]);
        assert_eq!(holding.held(), 2);
        let mut one = of(&["a"]);
        assert_eq!(run(&mut one, 100..200, |_, _| true), [], "the only one is not what is too much");
    }

    #[test]
    fn those_on_hold_come_back_oldest_first_once_pictures_are_in_time() {
        let mut holding = of(&["a", "b", "c", "d", "e"]);
        let done = run(&mut holding, 100..300, |second, _| second < 180);
        let expected = [(100, "e rests 60"), (110, "d rests 60"), (189, "d is back"), (199, "e is back")];
        assert_eq!(said(&done), expected);
        assert_eq!(holding.held(), 0);
        let mut holding = of(&["a", "b"]);
        holding.look(at(100), true, Some(at(100)), true);
        let no_room = (101..1000).filter_map(|second| holding.look(at(second), false, Some(at(100)), false));
        assert_eq!(no_room.count(), 0, "where there is no room nobody is taken up");
        assert!(holding.look(at(1000), false, Some(at(100)), true).is_some());
    }

    #[test]
    fn a_feed_that_is_in_the_way_again_and_again_rests_longer_and_longer() {
        let mut holding = of(&["a", "b"]);
        // With both of them it is too much.
        let done = run(&mut holding, 1000..3800, |_, holding| holding.held() == 0);
        let rests: Vec<_> =
            done.iter().filter(|(_, what)| what.contains("rests")).map(|(_, what)| what.as_str()).collect();
        assert_eq!(rests, ["b rests 60", "b rests 120", "b rests 240", "b rests 480", "b rests 960", "b rests 960"]);
        let back = done.iter().filter(|(_, what)| what.contains("back")).count();
        assert_eq!(back, 5, "{done:?}");
        let mut patient = of(&["a", "b"]);
        run(&mut patient, 1000..1100, |second, _| second == 1000);
        assert_eq!(said(&run(&mut patient, 4000..4001, |_, _| true)), [(4000, "b rests 60")], "that was long ago");
    }

    #[test]
    fn what_is_changed_or_registered_again_is_new_and_a_feed_that_is_replaced_keeps_its_place() {
        let mut holding = of(&["a", "b", "c", "d"]);
        holding.came(&"b");
        assert_eq!(said(&run(&mut holding, 100..101, |_, _| true)), [(100, "d rests 60")]);
        // Its title was changed: a feed that runs.
        holding.came(&"d");
        assert_eq!(holding.held(), 0);
        holding.forget(&"a");
        holding.came(&"a");
        let done = run(&mut holding, 200..220, |_, _| true);
        assert_eq!(said(&done), [(200, "a rests 60"), (210, "d rests 120")]);
    }
}
