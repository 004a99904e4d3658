//! What feeds take of the processors, which of them gives way when the machine is short, and when it comes back. Pure: time, lateness and room are handed in.
//!
//! It is one of the tenant that is most above its [share](Takers): one that nobody watches if there is any, and of those the one that was added last, since
//! those that were there before it are owed what they had. At most half of the feeds are on hold at once for pictures that are late: where they are late all
//! the same, decoding is not what is in the way. Where somebody picks a game that is on hold, one that nobody watches takes its place.
//!
//! Only a feed that decodes goes on hold: a game without a source takes nothing, and would stand in front of those that do.
//!
//! Games of the configuration come before all that tenants register, and go on hold where nothing else is left. So one that somebody watches has its place
//! back before newcomers get any: as long as it is on hold, or waits because pictures are late, no tenant's feed begins. Where one runs nevertheless, the rest
//! is over once the machine is calm: should both be too much, it is the other one that goes.

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

/// A feed that is refused asks again every few seconds: one that was not for so long does not want to begin any more.
const ASKS_WITHIN: Duration = Duration::from_secs(5);

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
    /// When it was refused last because pictures were late.
    waited_at: Option<MediaTime>,
    /// It is on somebody's picture.
    is_watched: bool,
    /// Its pictures come at present.
    decodes: bool,
    /// Until when it rests, where it is on hold, and why.
    held: Option<(MediaTime, OnHold)>,
    /// Its last rest, and when it was taken up from it, or is to be.
    rest: Duration,
    taken_up: MediaTime,
}

impl Known {
    /// Of the configuration, watched, and kept from its picture at `now` by what the machine has to do.
    fn comes_first(&self, now: MediaTime) -> bool {
        let waits = self.waited_at.is_some_and(|at| now.since(at) <= ASKS_WITHIN);
        self.tenant.is_none() && self.is_watched && (self.held.is_some() || waits)
    }

    /// What it takes, reckoned with at least so much as long as it decodes.
    fn taker<'a, K>(&'a self, key: &'a K, least: f64) -> Taker<'a, K> {
        let least = if self.decodes { least } else { 0.0 };
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
            waited_at: None,
            is_watched: false,
            decodes: false,
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

    /// Whether a feed that asks is a newcomer that has to wait for a game that comes first.
    pub fn yields(&self, key: &K, now: MediaTime) -> bool {
        let is_new = |feed: &Known| feed.tenant.is_some() && feed.granted <= SAME_CORES;
        self.feeds.get(key).is_some_and(is_new) && self.feeds.values().any(|feed| feed.comes_first(now))
    }

    /// It was refused what it asked for because pictures are late.
    pub fn has_to_wait(&mut self, key: &K, turn: Turn, now: MediaTime) {
        if let Some(feed) = self.runs(key, turn) {
            feed.waited_at = Some(now);
        }
    }

    /// It has them.
    pub fn granted(&mut self, key: &K, turn: Turn, more: f64) {
        if let Some(feed) = self.runs(key, turn) {
            feed.granted += more;
            feed.waited_at = None;
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

    /// Which feeds are on somebody's picture, and of which pictures come.
    pub fn are_seen(&mut self, watched: &HashSet<K>, decoding: &HashSet<K>) {
        for (key, feed) in &mut self.feeds {
            (feed.is_watched, feed.decodes) = (watched.contains(key), decoding.contains(key));
        }
    }

    /// Whether a feed decodes, so that the machine has more where it does not.
    fn decodes(&self, key: &K) -> bool {
        self.feeds.get(key).is_some_and(|feed| feed.decodes && feed.held.is_none())
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
        let (held, decoding) = (self.held(), self.feeds.keys().filter(|key| self.decodes(key)).count());
        if held >= (held + decoding) / 2 {
            return None;
        }
        let first = self.takers(SOURCE_CORES, kept).first_to_go(|key| self.decodes(key))?;
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
        let lower_runs = self.feeds.iter().any(|(key, feed)| feed.tenant.is_some() && self.decodes(key));
        let is_over = |feed: &Known, until| now >= until || (lower_runs && feed.comes_first(now));
        let is_rested = |key: &K| {
            let held = self.feeds.get(key).and_then(|feed| Some((feed, feed.held?)));
            held.is_some_and(|(feed, (until, _))| is_over(feed, until))
        };
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
            let is_idle = feed.decodes && feed.held.is_none() && !feed.is_watched;
            is_idle && feed.tenant == back.tenant && takes >= back.wants
        };
        let newest = self.feeds.iter().filter(|(_, feed)| may_go(feed)).max_by_key(|(_, feed)| feed.number)?;
        Some(newest.0.clone())
    }
}

#[cfg(test)]
mod tests;
