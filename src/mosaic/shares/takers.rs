//! Who gives way where the processors are short: what is taken of them can be taken back of the tenant that is most above its share. What nobody watches goes
//! first, and of that the newest.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{SAME, level};

/// Who takes so many times less than another frees little.
const LITTLE: f64 = 4.0;

/// Something that takes some of a room, and can be made to give way.
#[derive(Clone, Copy, Debug)]
pub struct Taker<'a, K> {
    pub key: &'a K,
    /// `None`: it is no tenant's share, and comes before all that are.
    pub tenant: Option<&'a str>,
    pub takes: f64,
    /// What it would take if it could.
    pub wants: f64,
    /// Of two, that with the higher number came later.
    pub number: u64,
    /// It is on somebody's picture.
    pub is_watched: bool,
}

impl<K> Taker<'_, K> {
    /// Of two of the same tenant, that with the higher rank gives way first and comes back last.
    fn rank(&self) -> (bool, u64) {
        (!self.is_watched, self.number)
    }
}

/// What a tenant has of a room that stays taken, and that and what it would take more.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Kept {
    pub takes: f64,
    pub wants: f64,
}

/// What tenants have that stays taken.
pub type KeptBy = BTreeMap<Arc<str>, Kept>;

/// All that take some of a room.
#[derive(Clone, Debug)]
pub struct Takers<'a, K> {
    pub takers: Vec<Taker<'a, K>>,
    /// What is no taker's.
    pub kept: &'a KeptBy,
}

impl<'a, K: Clone> Takers<'a, K> {
    /// By tenants; what is no tenant's is left out.
    fn sums(&self, of_taker: fn(&Taker<'a, K>) -> f64, of_kept: fn(&Kept) -> f64) -> BTreeMap<&'a str, f64> {
        let mut sums: BTreeMap<&'a str, f64> =
            self.kept.iter().map(|(tenant, kept)| (&**tenant, of_kept(kept))).collect();
        for taker in &self.takers {
            if let Some(tenant) = taker.tenant {
                *sums.entry(tenant).or_default() += of_taker(taker);
            }
        }
        sums
    }

    fn taken(&self) -> BTreeMap<&'a str, f64> {
        self.sums(|taker| taker.takes, |kept| kept.takes)
    }

    fn wanted(&self) -> BTreeMap<&'a str, f64> {
        self.sums(|taker| taker.wants, |kept| kept.wants)
    }

    /// What each tenant may take in all where nobody takes `free`, `tenant` wanting so much more than is known.
    fn level(&self, tenant: Option<&'a str>, more: f64, free: f64) -> f64 {
        let mut wants = self.wanted();
        if let Some(tenant) = tenant {
            *wants.entry(tenant).or_default() += more;
        }
        level(free + self.taken().into_values().sum::<f64>(), wants.into_values())
    }

    /// What `tenant` has in all.
    pub fn taken_by(&self, tenant: &str) -> f64 {
        self.taken().get(tenant).copied().unwrap_or(0.0)
    }

    /// What `tenant` may have in all where nobody takes `free`, if it wants all that it can get.
    pub fn share(&self, tenant: &'a str, free: f64) -> f64 {
        self.level(Some(tenant), f64::INFINITY, free)
    }

    /// Who gives way so that a taker of `tenant`'s may take `more`, where nobody takes `free`; its wants are among those that are known. `None`: nobody, it
    /// would be above its share, or what others have above theirs stays taken.
    pub fn make_room(&self, tenant: Option<&'a str>, more: f64, free: f64) -> Option<Vec<K>> {
        match tenant {
            Some(tenant) => self.make_room_for(tenant, more, 0.0, free),
            // What is no tenant's makes the room smaller for all of them.
            None => self.above(self.level(None, 0.0, free - more), more - free, None),
        }
    }

    /// The same for what `tenant` needs for something else, and `wants` beyond what is known.
    pub fn make_room_for(&self, tenant: &'a str, more: f64, wants: f64, free: f64) -> Option<Vec<K>> {
        let level = self.level(Some(tenant), wants, free);
        let is_within = self.taken_by(tenant) + more <= level + SAME;
        is_within.then(|| self.above(level, more - free, Some(tenant)))?
    }

    /// What of `free` is kept from `tenant`, which would have so much in all: what others have too little, as far as it is within their shares.
    pub fn kept_from(&self, tenant: &'a str, all: f64, free: f64) -> f64 {
        let (taken, wanted) = (self.taken(), self.wanted());
        let has = |of: &str, sums: &BTreeMap<&str, f64>| sums.get(of).copied().unwrap_or(0.0);
        let level = self.level(Some(tenant), all - has(tenant, &wanted), free);
        if all <= level + SAME {
            return 0.0;
        }
        let others = wanted.iter().filter(|(other, _)| **other != tenant);
        others.map(|(other, wants)| (wants.min(level) - has(other, &taken)).max(0.0)).sum()
    }

    /// The first to go of whoever is most above `level`, one after another until `short` is free; `None` where that is not to be had.
    fn above(&self, level: f64, mut short: f64, but: Option<&str>) -> Option<Vec<K>> {
        let mut taken = self.taken();
        let mut running: Vec<_> = self.takers.iter().filter(|taker| taker.takes > SAME).collect();
        running.sort_by_key(|taker| taker.rank());
        let mut give_way = Vec::new();
        while short > SAME {
            let above = taken.iter().filter(|(tenant, taken)| {
                let has_any = running.iter().any(|taker| taker.tenant == Some(**tenant));
                has_any && but != Some(**tenant) && **taken > level + SAME
            });
            let most = *above.max_by(|one, other| one.1.total_cmp(other.1))?.0;
            let first = running.remove(running.iter().rposition(|taker| taker.tenant == Some(most))?);
            short -= first.takes;
            *taken.entry(most).or_default() -= first.takes;
            give_way.push(first.key.clone());
        }
        Some(give_way)
    }

    /// How much its tenant has, so that it can be compared: least where it is no tenant's. Shares being alike, who has most is most above its own.
    fn weight(&self, taken: &BTreeMap<&str, f64>, tenant: Option<&str>) -> i64 {
        // Sums in another order differ by less.
        tenant.map_or(-1, |tenant| (taken.get(tenant).copied().unwrap_or(0.0) / SAME).round() as i64)
    }

    /// Which of those that `may` gives way first where there is not enough for all that run: of the tenant that has most; what is no tenant's where there is
    /// nothing else. What frees little beside others that would have gone with it goes after them: many of those would stand in front of what is in the way.
    pub fn first_to_go(&self, may: impl Fn(&K) -> bool) -> Option<K> {
        let taken = self.taken();
        let running: Vec<_> = self.takers.iter().filter(|taker| taker.takes > 0.0 && may(taker.key)).collect();
        let is_like =
            |one: &Taker<'a, K>, other: &Taker<'a, K>| one.tenant == other.tenant && one.is_watched == other.is_watched;
        let frees_little = |taker: &Taker<'a, K>| {
            let like = running.iter().filter(|other| is_like(taker, other));
            like.map(|other| other.takes).fold(0.0, f64::max) > taker.takes * LITTLE + SAME
        };
        let worth = running.iter().filter(|taker| !frees_little(taker));
        let first = worth.max_by_key(|taker| (self.weight(&taken, taker.tenant), taker.rank()))?;
        Some(first.key.clone())
    }

    /// Which of those that `may` comes back first: what is no tenant's, then of the tenant that has least.
    pub fn first_to_come_back(&self, may: impl Fn(&K) -> bool) -> Option<K> {
        let taken = self.taken();
        let waiting = self.takers.iter().filter(|taker| may(taker.key));
        let first = waiting.min_by_key(|taker| (self.weight(&taken, taker.tenant), taker.rank()))?;
        Some(first.key.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A feed of one of three tenants, or of none, that takes so many tenths of a core.
    #[derive(Clone, Debug)]
    struct Feed {
        name: usize,
        tenant: Option<&'static str>,
        takes: u32,
        wants: u32,
    }

    static NOTHING: KeptBy = KeptBy::new();

    fn takers(feeds: &[Feed]) -> Takers<'_, usize> {
        beside(feeds, &NOTHING)
    }

    fn beside<'a>(feeds: &'a [Feed], kept: &'a KeptBy) -> Takers<'a, usize> {
        let tenths = |tenths: u32| f64::from(tenths) / 10.0;
        let all = feeds.iter().enumerate().map(|(n, feed)| Taker {
            key: &feed.name,
            tenant: feed.tenant,
            takes: tenths(feed.takes),
            wants: tenths(feed.wants),
            number: n as u64,
            is_watched: false,
        });
        Takers { takers: all.collect(), kept }
    }

    fn feed(name: usize, tenant: &'static str, takes: u32, wants: u32) -> Feed {
        Feed { name, tenant: (!tenant.is_empty()).then_some(tenant), takes, wants }
    }

    #[test]
    fn who_is_below_its_share_is_given_room_by_the_newest_of_who_is_most_above() {
        // Ten of the room's twelve are the greedy's, two are free.
        let greedy = [feed(0, "a", 4, 4), feed(1, "a", 4, 4), feed(2, "a", 2, 2)];
        let with = |one: Feed| [&greedy[..], &[one]].concat();
        let asks = with(feed(3, "b", 0, 3));
        assert_eq!(takers(&asks).make_room(Some("b"), 0.3, 0.2), Some(vec![2]));
        let asks = with(feed(3, "b", 0, 6));
        assert_eq!(takers(&asks).make_room(Some("b"), 0.6, 0.2), Some(vec![2, 1]));
        let asks = with(feed(3, "b", 0, 7));
        assert_eq!(takers(&asks).make_room(Some("b"), 0.7, 0.2), None, "half of twelve is its share");
        let asks = with(feed(3, "a", 0, 1));
        assert_eq!(takers(&asks).make_room(Some("a"), 0.3, 0.2), None, "nobody is above but itself");
        let asks = with(feed(3, "", 0, 8));
        assert_eq!(takers(&asks).make_room(None, 0.8, 0.2), Some(vec![2, 1]), "what is no tenant's comes first");
        assert_eq!(takers(&greedy).make_room_for("b", 0.3, 0.3, 0.2), Some(vec![2]), "for its tiles");
        assert_eq!(takers(&greedy).make_room_for("a", 0.3, 0.3, 0.2), None, "not for its own");
    }

    #[test]
    fn a_share_grows_with_what_the_others_leave() {
        let feeds = [feed(0, "a", 9, 9), feed(1, "b", 1, 1), feed(2, "", 5, 5)];
        let all = takers(&feeds);
        let share = |tenant| (all.share(tenant, 0.2) * 100.0).round();
        assert_eq!([share("a"), share("b"), share("c")], [110.0, 60.0, 55.0]);
        assert_eq!((all.taken_by("a"), all.wanted()["b"], all.taken_by("c")), (0.9, 0.1, 0.0));
    }

    #[test]
    fn what_stays_taken_counts_and_does_not_give_way() {
        let kept = |takes, wants| Kept { takes, wants };
        // Of seventeen, the greedy's tiles have twelve and its feeds five.
        let tiles = KeptBy::from([("a".into(), kept(1.2, 1.2))]);
        let feeds = [feed(0, "a", 3, 3), feed(1, "a", 2, 2), feed(2, "b", 0, 6)];
        let all = beside(&feeds, &tiles);
        assert!((all.share("b", 0.0) - 0.85).abs() < SAME);
        assert_eq!(all.make_room(Some("b"), 0.4, 0.0), Some(vec![1, 0]));
        assert_eq!(all.make_room(Some("b"), 0.6, 0.0), None, "viewers watch the rest");
        let third = [feeds.to_vec(), vec![feed(3, "c", 2, 2)]].concat();
        assert_eq!(beside(&third, &tiles).make_room(Some("b"), 0.6, 0.0), None, "who is within its share gives none");
        // What the other wants is kept for it.
        assert!((all.kept_from("a", 1.8, 0.0) - 0.6).abs() < SAME);
        assert_eq!(all.kept_from("b", 0.6, 0.0), 0.0, "from nobody within its share");
        let tiles = KeptBy::from([("a".into(), kept(1.2, 1.2)), ("b".into(), kept(0.1, 0.9))]);
        let all = beside(&feeds[..2], &tiles);
        assert!((all.kept_from("a", 1.8, 0.4) - 0.8).abs() < SAME, "{}", all.kept_from("a", 1.8, 0.4));
    }

    #[test]
    fn where_there_is_not_enough_the_newest_of_who_has_most_goes_and_who_has_least_comes_back() {
        let feeds = [feed(0, "", 9, 9), feed(1, "a", 2, 2), feed(2, "a", 2, 2), feed(3, "b", 3, 3), feed(4, "c", 0, 9)];
        assert_eq!(takers(&feeds).first_to_go(|_| true), Some(2));
        assert_eq!(takers(&feeds).first_to_go(|key| *key != 2), Some(1), "one that would free nothing stays");
        assert_eq!(takers(&feeds[..1]).first_to_go(|_| true), Some(0), "there is nothing else");
        assert_eq!(takers(&feeds[4..]).first_to_go(|_| true), None, "it does not run");
        let even = [feed(1, "a", 2, 2), feed(2, "b", 2, 2)];
        assert_eq!(takers(&even).first_to_go(|_| true), Some(2), "the newest of all where they have the same");
        let back = |may: &[usize]| takers(&feeds).first_to_come_back(|key| may.contains(key));
        assert_eq!([back(&[1, 2, 3]), back(&[3, 4]), back(&[0, 4]), back(&[])], [Some(3), Some(4), Some(0), None]);
    }

    #[test]
    fn small_ones_do_not_stand_in_front_of_what_is_in_the_way() {
        let feeds =
            [feed(0, "a", 9, 9), feed(1, "a", 8, 8), feed(2, "a", 3, 3), feed(3, "a", 2, 2), feed(4, "a", 1, 1)];
        let mut left = feeds.to_vec();
        let order: Vec<_> = std::iter::from_fn(|| {
            let first = takers(&left).first_to_go(|_| true)?;
            left.retain(|feed| feed.name != first);
            Some(first)
        })
        .collect();
        assert_eq!(order, [2, 1, 0, 4, 3]);
        // Nobody watches the small ones: they go before what is watched.
        let mut all = takers(&feeds);
        all.takers.iter_mut().for_each(|taker| taker.is_watched = *taker.key < 3);
        assert_eq!(all.first_to_go(|_| true), Some(4));
    }

    #[test]
    fn what_is_watched_goes_last_of_its_tenants_and_comes_back_first() {
        let feeds = [feed(0, "a", 2, 2), feed(1, "a", 2, 2), feed(2, "a", 2, 2), feed(3, "b", 3, 3)];
        let watched = |watched: &[usize]| {
            let mut all = takers(&feeds);
            all.takers.iter_mut().for_each(|taker| taker.is_watched = watched.contains(taker.key));
            all
        };
        let first = |names: &[usize]| watched(names).first_to_go(|_| true);
        assert_eq!([first(&[]), first(&[2]), first(&[1, 2]), first(&[0, 1, 2])], [Some(2), Some(1), Some(0), Some(2)]);
        assert_eq!(watched(&[2]).make_room(Some("b"), 0.4, 0.0), None, "it has its share");
        assert_eq!(watched(&[2]).make_room_for("c", 0.3, 0.3, 0.0), Some(vec![1, 0]));
        let back = |names: &[usize]| watched(names).first_to_come_back(|key| *key < 3);
        assert_eq!([back(&[]), back(&[2]), back(&[1, 2])], [Some(0), Some(2), Some(1)]);
    }

    const TENANTS: [Option<&str>; 4] = [None, Some("a"), Some("b"), Some("c")];

    proptest! {
        /// Feeds come, ask for more, and go, as they like. Room that is there is given to whoever asks; who is within its share is never made to give way and
        /// always gets what it asks for; and no more is taken than there is.
        #[test]
        fn nobody_within_its_share_gives_way_and_nothing_is_left_idle(
            room in 1_u32..60,
            moves in proptest::collection::vec((0_usize..4, 0_usize..12, 0_u32..30), 0..120),
        ) {
            let mut feeds: Vec<Feed> = Vec::new();
            for (tenant, name, wants) in moves {
                let tenant = TENANTS[tenant];
                feeds.retain(|feed| feed.name != name);
                if wants == 0 {
                    continue;
                }
                feeds.push(Feed { name, tenant, takes: 0, wants });
                let free = room - feeds.iter().map(|feed| feed.takes).sum::<u32>();
                let all = takers(&feeds);
                let total = f64::from(room) / 10.0;
                let others: f64 = all.takers.iter().filter(|taker| taker.tenant.is_none()).map(|taker| taker.takes).sum();
                let newcomer = if tenant.is_none() { f64::from(wants) / 10.0 } else { 0.0 };
                let level = level(total - others - newcomer, all.wanted().into_values());
                let given = all.make_room(tenant, f64::from(wants) / 10.0, f64::from(free) / 10.0);
                if let Some(tenant) = tenant {
                    let is_within = all.taken_by(tenant) + f64::from(wants) / 10.0 <= level + SAME;
                    prop_assert_eq!(given.is_some(), is_within, "{:?}", feeds);
                }
                let given = if wants <= free { Some(Vec::new()) } else { given };
                let Some(given) = given else { continue };
                let mut now = feeds.clone();
                for (n, gone) in given.iter().enumerate() {
                    let at = now.iter().position(|feed| feed.name == *gone).unwrap();
                    let (of, newest) = (now[at].tenant, now.iter().rposition(|f| f.tenant == now[at].tenant && f.takes > 0));
                    prop_assert!(of.is_some() && of != tenant && newest == Some(at));
                    let taken = |of| takers(&now).taken_by(of);
                    prop_assert!(taken(of.unwrap()) > level, "{:?} is within its share", of);
                    prop_assert!(TENANTS[1..].iter().flatten().all(|other| taken(other) <= taken(of.unwrap()) + SAME));
                    let so_far: u32 = given[..n].iter().map(|gone| feeds.iter().find(|f| f.name == *gone).unwrap().takes).sum();
                    prop_assert!(free + so_far < wants, "more than is needed gives way");
                    now[at].takes = 0;
                }
                now.last_mut().unwrap().takes = wants;
                prop_assert!(now.iter().map(|feed| feed.takes).sum::<u32>() <= room);
                feeds = now;
            }
        }
    }
}
