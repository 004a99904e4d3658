//! What feeds take of the processors, which of them gives way when the machine is short, and when it comes back. Pure: time, lateness and room are handed in.
//!
//! It is one of the tenant that is most above its [share](Takers): one that nobody watches if there is any, and of those the one that was added last, since
//! those that were there before it are owed what they had. At most half of the feeds are on hold at once for pictures that are late: where they are late all
//! the same, decoding is not what is in the way. Where somebody picks a game that is on hold, one that nobody watches takes its place.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use crate::feed::{OnHold, SOURCE_CORES};
use crate::mosaic::{Beyond, KeptBy, Shares, Standing, Taker, Takers};
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

/// Cores are sums of measurements: two that differ by less are the same.
const SAME_CORES: f64 = 1e-6;

/// Which of the feeds that a key has had is meant: an earlier one is given nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn(u64);

#[derive(Debug)]
struct Known {
    /// Of two feeds, that with the higher number was added later.
    number: u64,
    turn: Turn,
    /// `None`: of the configuration, and no tenant's share.
    tenant: Option<Arc<str>>,
    /// Cores that its source was given.
    granted: f64,
    /// Those that it would take, also while it rests.
    wants: f64,
    /// Why it was not given what it wants.
    refused: Option<Beyond>,
    /// It is on somebody's picture.
    is_watched: bool,
    /// Until when it rests, where it is on hold, and why.
    held: Option<(MediaTime, OnHold)>,
    /// Its last rest, and when it was taken up from it, or is to be.
    rest: Duration,
    taken_up: MediaTime,
}

impl Known {
    /// What it takes, reckoned with at least so much as long as it runs.
    fn taker<'a, K>(&'a self, key: &'a K, least: f64) -> Taker<'a, K> {
        let takes = if self.held.is_some() { 0.0 } else { self.granted.max(least) };
        let (tenant, wants) = (self.tenant.as_deref(), self.wants.max(takes));
        Taker { key, tenant, takes, wants, number: self.number, is_watched: self.is_watched }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Holding<K> {
    feeds: HashMap<K, Known>,
    /// What tenants may take at most.
    limits: Shares,
    next: u64,
    settled_at: MediaTime,
}

impl<K: Clone + Eq + Hash> Holding<K> {
    pub fn new(limits: Shares) -> Self {
        Self { feeds: HashMap::new(), limits, next: 0, settled_at: MediaTime::ZERO }
    }

    /// A feed begins: a new one, which is the newest by that, or the next of one that is known, which keeps its place. It runs.
    pub fn came(&mut self, key: &K, tenant: Option<&str>) -> Turn {
        let (number, turn) = (self.next, Turn(self.next));
        self.next += 1;
        let fresh = || Known {
            number,
            turn,
            tenant: tenant.map(Arc::from),
            granted: 0.0,
            wants: 0.0,
            refused: None,
            is_watched: false,
            held: None,
            rest: Duration::ZERO,
            taken_up: MediaTime::ZERO,
        };
        let feed = self.feeds.entry(key.clone()).or_insert_with(fresh);
        (feed.turn, feed.granted, feed.wants, feed.refused, feed.held) = (turn, 0.0, 0.0, None, None);
        turn
    }

    /// A feed is gone, or comes from other sources now.
    pub fn forget(&mut self, key: &K) {
        self.feeds.remove(key);
    }

    /// How many are on hold.
    pub fn held(&self) -> usize {
        self.feeds.values().filter(|feed| feed.held.is_some()).count()
    }

    /// Why a feed is on hold, and for how long at least; `None` where it is not.
    pub fn on_hold(&self, key: &K) -> Option<(OnHold, Duration)> {
        let feed = self.feeds.get(key)?;
        feed.held.map(|(_, why)| (why, feed.rest))
    }

    /// All feeds, beside what tenants keep for something else.
    fn takers<'a>(&'a self, least: f64, kept: &'a KeptBy) -> Takers<'a, K> {
        Takers { takers: self.feeds.iter().map(|(key, feed)| feed.taker(key, least)).collect(), kept }
    }

    /// Cores that `tenant`'s feeds were given.
    fn taken_by(&self, tenant: &str) -> f64 {
        self.feeds.values().filter(|feed| feed.tenant.as_deref() == Some(tenant)).map(|feed| feed.granted).sum()
    }

    /// The feed of this turn, where it runs.
    fn runs(&mut self, key: &K, turn: Turn) -> Option<&mut Known> {
        self.feeds.get_mut(key).filter(|feed| feed.turn == turn && feed.held.is_none())
    }

    /// A feed asks for `more` cores than it has: whether it may have them as far as its tenant's own limit is concerned.
    pub fn asks(&mut self, key: &K, turn: Turn, more: f64) -> bool {
        let Some(feed) = self.runs(key, turn) else { return false };
        feed.wants = feed.wants.max(feed.granted + more);
        let Some((tenant, limit)) = feed.tenant.clone().and_then(|of| Some((of.clone(), self.limits.limit(&of)?)))
        else {
            return true;
        };
        let is_within = self.taken_by(&tenant) + more <= limit + SAME_CORES;
        if let Some(feed) = self.feeds.get_mut(key).filter(|_| !is_within) {
            feed.refused = Some(Beyond::Limit(limit));
        }
        is_within
    }

    /// It has them.
    pub fn granted(&mut self, key: &K, turn: Turn, more: f64) {
        if let Some(feed) = self.runs(key, turn) {
            feed.granted += more;
            if feed.granted + SAME_CORES >= feed.wants {
                feed.refused = None;
            }
        }
    }

    /// Where nobody takes more than `free`, tenants keep what they keep and a feed asked for `more`: puts others on hold so that it may have them, and says
    /// how many cores those had. `None`: its tenant would be above its share.
    pub fn make_room(&mut self, now: MediaTime, key: &K, more: f64, free: f64, kept: &KeptBy) -> Option<f64> {
        let feed = self.feeds.get(key)?;
        let give_way = self.takers(0.0, kept).make_room(feed.tenant.as_deref(), more, free);
        if give_way.is_none()
            && let Some(feed) = self.feeds.get_mut(key)
        {
            feed.refused = Some(Beyond::Share);
        }
        Some(self.give_way(now, &give_way?))
    }

    /// The same for `more` cores that `tenant` needs for something else, of which its own feeds give nothing.
    pub fn make_room_for(&mut self, now: MediaTime, tenant: &str, more: f64, free: f64, kept: &KeptBy) -> Option<f64> {
        let give_way = self.takers(0.0, kept).make_room_for(tenant, more, more, free)?;
        Some(self.give_way(now, &give_way))
    }

    fn give_way(&mut self, now: MediaTime, keys: &[K]) -> f64 {
        keys.iter().map(|key| self.put_on_hold(now, key, OnHold::Share)).sum()
    }

    /// Nothing of a feed is decoded any more. One on hold wants to be back; why one was refused stays until it is given what it asks for.
    pub fn over(&mut self, key: &K, turn: Turn) {
        if let Some(feed) = self.runs(key, turn) {
            (feed.granted, feed.wants) = (0.0, 0.0);
        }
    }

    /// Cores that a feed may have on top of what its tenant takes, where nobody takes `free`.
    pub fn left(&self, key: &K, free: f64, kept: &KeptBy) -> f64 {
        let (all, tenant) = (self.takers(0.0, kept), self.feeds.get(key).and_then(|feed| feed.tenant.as_deref()));
        let Some(tenant) = tenant else { return free + self.taken().into_values().sum::<f64>() };
        let left = free.max(all.share(tenant, free) - all.taken_by(tenant));
        self.limits.limit(tenant).map_or(left, |limit| left.min(limit - self.taken_by(tenant)))
    }

    /// Why a feed was not given all that it wants: what its tenant takes, and what it may not go beyond.
    pub fn refused(&self, key: &K) -> Option<(f64, Beyond)> {
        let feed = self.feeds.get(key)?;
        Some((self.taken_by(feed.tenant.as_deref()?), feed.refused?))
    }

    /// What `tenant` has for decoding, its share being that of all processors, and how many of its feeds are on hold.
    pub fn standing(&self, tenant: &str, free: f64, kept: &KeptBy) -> (Standing, usize) {
        let share = Some(self.takers(0.0, kept).share(tenant, free)).filter(|share| share.is_finite());
        let own = || self.feeds.values().filter(|feed| feed.tenant.as_deref() == Some(tenant));
        let wanted = own().map(|feed| feed.wants.max(feed.granted)).sum();
        let (taken, limit) = (self.taken_by(tenant), self.limits.limit(tenant));
        (Standing { taken, wanted, share, limit }, own().filter(|feed| feed.held.is_some()).count())
    }

    /// What feeds take and want, by tenants.
    pub fn sums(&self) -> KeptBy {
        let mut sums = KeptBy::new();
        for feed in self.feeds.values() {
            if let Some(tenant) = &feed.tenant {
                let sum = sums.entry(tenant.clone()).or_default();
                sum.takes += feed.granted;
                sum.wants += feed.wants.max(feed.granted);
            }
        }
        sums
    }

    /// What each tenant takes.
    pub fn taken(&self) -> BTreeMap<Arc<str>, f64> {
        let mut taken: BTreeMap<_, _> = self.limits.tenants().map(|tenant| (tenant.clone(), 0.0)).collect();
        for feed in self.feeds.values() {
            if let Some(tenant) = &feed.tenant {
                *taken.entry(tenant.clone()).or_default() += feed.granted;
            }
        }
        taken
    }

    /// Which feeds are on somebody's picture.
    pub fn are_watched(&mut self, watched: &HashSet<K>) {
        for (key, feed) in &mut self.feeds {
            feed.is_watched = watched.contains(key);
        }
    }

    /// Puts feeds on hold and takes them up again: `short` is whether pictures go on being late with nothing else left to give up, `late_at` when they
    /// were last late, `has_room` whether anything more may be decoded. To be called about once a second.
    pub fn look(&mut self, now: MediaTime, short: bool, late_at: Option<MediaTime>, has_room: bool, kept: &KeptBy) {
        if now < self.settled_at {
            return;
        }
        let calm = late_at.is_none_or(|at| now.since(at) >= CALM);
        let changed = match (short, calm && has_room) {
            (true, _) => self.hold(now, kept),
            (false, true) => self.take_up(now, kept),
            (false, false) => None,
        };
        let changed = changed.or_else(|| self.exchange(now, kept));
        if changed.is_some() {
            self.settled_at = now + SETTLES;
        }
    }

    fn hold(&mut self, now: MediaTime, kept: &KeptBy) -> Option<()> {
        if self.held() >= self.feeds.len() / 2 {
            return None;
        }
        let first = self.takers(SOURCE_CORES, kept).first_to_go()?;
        self.put_on_hold(now, &first, OnHold::Late);
        Some(())
    }

    /// The cores that it had.
    fn put_on_hold(&mut self, now: MediaTime, key: &K, why: OnHold) -> f64 {
        let Some(feed) = self.feeds.get(key) else { return 0.0 };
        let is_new = feed.rest.is_zero() || now.since(feed.taken_up) > FORGOTTEN_AFTER;
        let rest = if is_new { FIRST_REST } else { (feed.rest * 2).min(LONGEST_REST) };
        self.rests(now, key, why, rest)
    }

    fn rests(&mut self, now: MediaTime, key: &K, why: OnHold, rest: Duration) -> f64 {
        let Some(feed) = self.feeds.get_mut(key) else { return 0.0 };
        (feed.rest, feed.held, feed.taken_up) = (rest, Some((now + rest, why)), now + rest);
        std::mem::take(&mut feed.granted)
    }

    /// Of those whose rest is over, the one that was added first, of the tenant that takes least.
    fn take_up(&mut self, now: MediaTime, kept: &KeptBy) -> Option<()> {
        let is_rested = |key: &K| self.feeds.get(key).and_then(|feed| feed.held).is_some_and(|(until, _)| now >= until);
        let first = self.takers(SOURCE_CORES, kept).first_to_come_back(is_rested)?;
        self.runs_again(now, &first);
        Some(())
    }

    fn runs_again(&mut self, now: MediaTime, key: &K) {
        if let Some(feed) = self.feeds.get_mut(key) {
            (feed.held, feed.taken_up, feed.refused) = (None, now, None);
        }
    }

    /// A game on hold that somebody watches runs in place of one of its tenant's that nobody does and that takes as much.
    fn exchange(&mut self, now: MediaTime, kept: &KeptBy) -> Option<()> {
        let back = self.takers(SOURCE_CORES, kept).first_to_come_back(|key| self.exchanged_for(key).is_some())?;
        let gone = self.exchanged_for(&back)?;
        let (_, why) = self.feeds.get(&back)?.held?;
        // It was in nobody's way: how long it rests does not grow.
        let rest = self.feeds.get(&gone)?.rest.max(FIRST_REST);
        self.rests(now, &gone, why, rest);
        self.runs_again(now, &back);
        Some(())
    }

    /// Which feed goes so that this one may come back; `None` as well where it runs, or nobody watches it.
    fn exchanged_for(&self, key: &K) -> Option<K> {
        let back = self.feeds.get(key).filter(|feed| feed.is_watched && feed.held.is_some())?;
        let may_go = |feed: &Known| {
            let takes = feed.granted.max(SOURCE_CORES) + SAME_CORES;
            let is_idle = feed.held.is_none() && !feed.is_watched;
            is_idle && feed.tenant == back.tenant && takes >= back.wants
        };
        let newest = self.feeds.iter().filter(|(_, feed)| may_go(feed)).max_by_key(|(_, feed)| feed.number)?;
        Some(newest.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(s: u64) -> MediaTime {
        MediaTime::from_secs(s)
    }

    /// Feeds of one tenant.
    fn of(names: &[&'static str]) -> Holding<&'static str> {
        let mut holding = Holding::new(Shares::default());
        for name in names {
            holding.came(name, Some("acme"));
        }
        holding
    }

    fn on_hold(holding: &Holding<&'static str>) -> BTreeMap<&'static str, (OnHold, u64)> {
        let held = holding.feeds.keys().filter_map(|key| Some((*key, holding.on_hold(key)?)));
        held.map(|(key, (why, rest))| (key, (why, rest.as_secs()))).collect()
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
            let before = on_hold(holding);
            holding.look(at(second), late, late_at, true, &KeptBy::new());
            let now = on_hold(holding);
            let gone = now.iter().filter(|(key, _)| !before.contains_key(*key));
            done.extend(gone.map(|(key, (_, rest))| (second, format!("{key} rests {rest}"))));
            let back = before.keys().filter(|key| !now.contains_key(*key));
            done.extend(back.map(|key| (second, format!("{key} is back"))));
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
        holding.look(at(100), true, Some(at(100)), true, &KeptBy::new());
        (101..1000).for_each(|second| holding.look(at(second), false, Some(at(100)), false, &KeptBy::new()));
        assert_eq!(holding.held(), 1, "where there is no room nobody is taken up");
        holding.look(at(1000), false, Some(at(100)), true, &KeptBy::new());
        assert_eq!(holding.held(), 0);
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
        holding.came(&"b", Some("acme"));
        assert_eq!(said(&run(&mut holding, 100..101, |_, _| true)), [(100, "d rests 60")]);
        // Its title was changed: a feed that runs.
        holding.came(&"d", Some("acme"));
        assert_eq!(holding.held(), 0);
        holding.forget(&"a");
        holding.came(&"a", Some("acme"));
        let done = run(&mut holding, 200..220, |_, _| true);
        assert_eq!(said(&done), [(200, "a rests 60"), (210, "d rests 120")]);
    }

    /// Feeds of `greedy`, and then one of `other`; each of the first takes so many cores.
    fn two(greedy: &[(&'static str, f64)], limits: Shares) -> (Holding<&'static str>, Turn) {
        let mut holding = Holding::new(limits);
        for (name, cores) in greedy {
            let turn = holding.came(name, Some("greedy"));
            assert!(holding.asks(name, turn, *cores));
            holding.granted(name, turn, *cores);
        }
        let turn = holding.came(&"other", Some("other"));
        (holding, turn)
    }

    #[test]
    fn a_feed_of_a_tenant_below_its_share_is_given_room_by_the_newest_of_the_one_above() {
        let (mut holding, turn) = two(&[("a", 0.8), ("b", 0.4), ("c", 0.4)], Shares::default());
        assert!(holding.asks(&"other", turn, 0.5));
        assert!((holding.left(&"other", 0.1, &KeptBy::new()) - 0.85).abs() < 1e-9, "half of 1.7");
        let freed = holding.make_room(at(100), &"other", 0.5, 0.1, &KeptBy::new()).unwrap();
        assert!((freed - 0.4).abs() < 1e-9);
        holding.granted(&"other", turn, 0.5);
        assert_eq!(on_hold(&holding), BTreeMap::from([("c", (OnHold::Share, 60))]));
        let (standing, held) = holding.standing("greedy", 0.0, &KeptBy::new());
        assert!((standing.taken - 1.2).abs() < 1e-9 && (standing.wanted - 1.6).abs() < 1e-9 && held == 1);
        // It rests, and what it asks for meanwhile it is not given. Back, it takes what is free and nothing of the other's.
        let again = holding.came(&"c", Some("greedy"));
        assert!(holding.asks(&"c", again, 0.4));
        assert_eq!(holding.make_room(at(200), &"c", 0.4, 0.0, &KeptBy::new()), None);
        assert_eq!(holding.refused(&"c").map(|(_, why)| why), Some(Beyond::Share));
        holding.over(&"other", turn);
        assert_eq!(holding.taken(), BTreeMap::from([("greedy".into(), 0.8 + 0.4), ("other".into(), 0.0)]));
        holding.granted(&"c", again, 0.4);
        assert_eq!(holding.refused(&"c"), None);
    }

    #[test]
    fn what_an_earlier_feed_of_a_game_or_one_on_hold_asks_for_is_not_given() {
        let (mut holding, turn) = two(&[("a", 1.0)], Shares::default());
        let next = holding.came(&"other", Some("other"));
        assert!(!holding.asks(&"other", turn, 0.1));
        holding.granted(&"other", turn, 0.1);
        assert!(holding.asks(&"other", next, 0.1));
        holding.granted(&"other", next, 0.1);
        holding.over(&"other", turn);
        assert_eq!(holding.taken()["other"], 0.1, "it is the other's that is over");
        holding.put_on_hold(at(1), &"other", OnHold::Late);
        assert!(!holding.asks(&"other", next, 0.1));
        holding.over(&"other", next);
        assert_eq!((holding.taken()["other"], holding.standing("other", 0.0, &KeptBy::new()).0.wanted), (0.0, 0.1));
    }

    #[test]
    fn a_tenant_has_its_limit_however_much_is_free() {
        let limits = Shares::new([("greedy".into(), Some(1.0)), ("other".into(), None)]);
        let (mut holding, _) = two(&[("a", 0.8)], limits);
        let turn = holding.came(&"b", Some("greedy"));
        assert!(!holding.asks(&"b", turn, 0.3));
        assert_eq!(holding.refused(&"b"), Some((0.8, Beyond::Limit(1.0))));
        assert!((holding.left(&"b", 9.0, &KeptBy::new()) - 0.2).abs() < 1e-9);
        assert!(holding.asks(&"b", turn, 0.2), "a part of it, thinned");
        let mut shared = Holding::new(Shares::default());
        let turn = shared.came(&"shared", None);
        assert!(shared.asks(&"shared", turn, 99.0), "of the configuration: no tenant's");
    }

    #[test]
    fn pictures_that_are_late_cost_the_tenant_that_has_most() {
        let mut holding = Holding::new(Shares::default());
        holding.came(&"shared", None);
        for name in ["a", "b", "c", "d"] {
            holding.came(&name, Some("greedy"));
        }
        // Newest of all.
        holding.came(&"other", Some("other"));
        let done = run(&mut holding, 100..200, |_, _| true);
        assert_eq!(said(&done), [(100, "d rests 60"), (110, "c rests 60"), (120, "b rests 60")]);
        assert!(on_hold(&holding).values().all(|(why, _)| *why == OnHold::Late));
        let back = run(&mut holding, 200..400, |_, _| false);
        assert_eq!(back.first().map(|(_, what)| what.as_str()), Some("b is back"), "{back:?}");
    }

    /// Pictures are late for the first so many seconds from 100 on.
    fn look_on(
        holding: &mut Holding<&'static str>,
        watched: &[&'static str],
        seconds: std::ops::Range<u64>,
        late: bool,
    ) -> String {
        holding.are_watched(&watched.iter().copied().collect());
        let late_at = Some(at(if late { seconds.end } else { seconds.start.min(100) }));
        seconds.for_each(|second| holding.look(at(second), late, late_at, true, &KeptBy::new()));
        on_hold(holding).into_keys().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn what_nobody_watches_goes_first_and_gives_its_place_to_what_somebody_picks() {
        let mut holding = of(&["a", "b", "c", "d", "e", "f"]);
        assert_eq!(look_on(&mut holding, &["d", "e", "f"], 100..125, true), "a b c", "the newest of them first");
        assert_eq!(look_on(&mut holding, &["d", "e"], 125..126, false), "a b c", "nobody asks for them");
        // Its rest is not over, and it is what is wanted; one of the three that run is not.
        assert_eq!(look_on(&mut holding, &["a", "d", "e"], 130..131, false), "b c f");
        assert_eq!(look_on(&mut holding, &["a", "b", "c"], 131..140, true), "b c f", "what was done shows first");
        assert_eq!(look_on(&mut holding, &["a", "b", "c"], 140..141, true), "c e f", "while pictures are late, too");
        assert_eq!(look_on(&mut holding, &["a", "b", "c"], 150..151, true), "d e f");
        assert_eq!(look_on(&mut holding, &["a", "b", "c", "d"], 160..161, true), "d e f", "all that run are watched");
        assert!(on_hold(&holding).values().all(|(why, rest)| (*why, *rest) == (OnHold::Late, 60)));
        assert_eq!(look_on(&mut holding, &["f"], 231..232, false), "d e", "what is wanted comes back first");
    }

    #[test]
    fn a_game_is_exchanged_for_one_of_its_own_tenant_that_takes_as_much() {
        let (mut holding, turn) = two(&[("a", 0.2), ("b", 0.4)], Shares::default());
        assert!(holding.asks(&"other", turn, 0.4));
        holding.granted(&"other", turn, 0.4);
        holding.put_on_hold(at(100), &"b", OnHold::Late);
        assert_eq!(look_on(&mut holding, &["b"], 100..105, false), "b", "one takes less, the other is another's");
        let turn = holding.came(&"c", Some("greedy"));
        assert!(holding.asks(&"c", turn, 0.5));
        holding.granted(&"c", turn, 0.5);
        assert_eq!(look_on(&mut holding, &["b"], 105..106, false), "c");
        assert_eq!(holding.taken()["greedy"], 0.2, "until it asks");
    }
}
