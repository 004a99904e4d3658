//! Who may start: a source that is connected to and looked into takes more of the machine than one that runs, so few do so at once, and tenants take
//! turns. A game that was shown comes before those that never were, and does not wait for them; nor does a source that is tried.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use parking_lot::Mutex;

/// Whose it is; `None`: of the configuration.
type Tenant = Option<Arc<str>>;

/// A feed that would start a source.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Who {
    tenant: Tenant,
    /// Its game was shown, and lost its picture; or somebody waits to be told what it is.
    is_urgent: bool,
}

/// Those that start and those that wait, by their numbers: of two, that with the higher came later. Pure.
#[derive(Debug)]
struct Line {
    /// That are urgent, and that are not: so many of each at once.
    most: usize,
    /// Pictures are late: of those that are not urgent one at a time.
    is_late: bool,
    next: u64,
    starting: BTreeMap<u64, Who>,
    waiting: BTreeMap<u64, Who>,
    /// Which number each tenant that is here was let in with last, counted anew for that.
    let_in: HashMap<Tenant, u64>,
    entries: u64,
}

impl Line {
    fn new(most: usize) -> Self {
        Self {
            most: most.max(1),
            is_late: false,
            next: 0,
            starting: BTreeMap::new(),
            waiting: BTreeMap::new(),
            let_in: HashMap::new(),
            entries: 0,
        }
    }

    fn come(&mut self, who: Who) -> u64 {
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, who);
        self.let_in();
        number
    }

    /// It has started, or does not want to any more.
    fn leave(&mut self, number: u64) {
        let left = self.starting.remove(&number).or_else(|| self.waiting.remove(&number));
        let Some(Who { tenant, .. }) = left else { return };
        let is_here = self.starting.values().chain(self.waiting.values()).any(|who| who.tenant == tenant);
        if !is_here {
            self.let_in.remove(&tenant);
        }
        self.let_in();
    }

    fn starting_of(&self, tenant: &Tenant) -> usize {
        self.starting.values().filter(|who| who.tenant == *tenant).count()
    }

    /// Whether there is a place for it: one of the few, or the only one of its tenant's.
    fn has_place(&self, who: &Who) -> bool {
        let most = if self.is_late && !who.is_urgent { 1 } else { self.most };
        let like_it = self.starting.values().filter(|other| other.is_urgent == who.is_urgent).count();
        like_it < most || self.starting_of(&who.tenant) == 0
    }

    /// Lets in whom there is a place for: what is urgent first, then by how many of their tenant's start, by whose tenant was let in longest ago,
    /// by who came first.
    fn let_in(&mut self) {
        loop {
            let rank = |(number, who): &(&u64, &Who)| {
                let last = self.let_in.get(&who.tenant).copied();
                (!who.is_urgent, self.starting_of(&who.tenant), last, **number)
            };
            let next = self.waiting.iter().filter(|(_, who)| self.has_place(who)).min_by_key(rank);
            let Some((number, _)) = next.map(|(number, who)| (*number, who.clone())) else { return };
            if let Some(who) = self.waiting.remove(&number) {
                self.entries += 1;
                self.let_in.insert(who.tenant.clone(), self.entries);
                self.starting.insert(number, who);
            }
        }
    }

    fn has_come(&mut self, number: u64, is_late: bool) -> bool {
        if std::mem::replace(&mut self.is_late, is_late) && !is_late {
            self.let_in();
        }
        self.starting.contains_key(&number)
    }
}

/// The starts of one machine.
#[derive(Debug)]
pub struct Starts(Mutex<Line>);

impl Starts {
    /// At most `most` at once that are not urgent, and as many that are; one of each tenant's in any case.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Line::new(most))))
    }

    /// As many as come.
    pub fn unlimited() -> Arc<Self> {
        Self::new(usize::MAX)
    }

    /// Where the games of `tenant` come in.
    pub fn of(self: &Arc<Self>, tenant: Option<&str>) -> StartsOf {
        StartsOf { starts: Arc::clone(self), tenant: tenant.map(Arc::from), is_waited_for: false }
    }

    /// How many start, and how many wait.
    pub fn count(&self) -> (usize, usize) {
        let line = self.0.lock();
        (line.starting.len(), line.waiting.len())
    }
}

/// See [`Starts::of`].
#[derive(Clone, Debug)]
pub struct StartsOf {
    starts: Arc<Starts>,
    tenant: Tenant,
    is_waited_for: bool,
}

impl StartsOf {
    /// For a source that somebody tries, and waits for.
    pub fn waited_for(self) -> Self {
        Self { is_waited_for: true, ..self }
    }

    /// Gets in line.
    pub(super) fn come(&self, was_shown: bool) -> Turn {
        let who = Who { tenant: self.tenant.clone(), is_urgent: was_shown || self.is_waited_for };
        let number = self.starts.0.lock().come(who);
        Turn { starts: Arc::clone(&self.starts), number }
    }
}

/// A place in the line or among those that start, until it is dropped.
pub(super) struct Turn {
    starts: Arc<Starts>,
    number: u64,
}

impl Turn {
    /// Whether it may start; `is_late` is whether pictures of the machine are.
    pub fn has_come(&self, is_late: bool) -> bool {
        self.starts.0.lock().has_come(self.number, is_late)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.starts.0.lock().leave(self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn come(starts: &Arc<Starts>, tenant: &str, n: usize) -> Vec<Turn> {
        (0..n).map(|_| starts.of(Some(tenant)).come(false)).collect()
    }

    fn started(turns: &[Turn]) -> Vec<usize> {
        (0..turns.len()).filter(|n| turns[*n].has_come(false)).collect()
    }

    #[test]
    fn few_start_at_once_in_the_order_of_coming() {
        let starts = Starts::new(2);
        let mut turns = come(&starts, "evil", 5);
        assert_eq!((started(&turns), starts.count()), (vec![0, 1], (2, 3)));
        // One that failed, or was dropped, and one that waited and wants no more.
        turns.remove(0);
        assert_eq!((started(&turns), starts.count()), (vec![0, 1], (2, 2)));
        turns.remove(2);
        assert_eq!((started(&turns), starts.count()), (vec![0, 1], (2, 1)));
        turns.drain(..2);
        assert_eq!((started(&turns), starts.count()), (vec![0], (1, 0)));
        drop(turns);
        assert_eq!(starts.count(), (0, 0));
        assert!(starts.0.lock().let_in.is_empty(), "nothing is kept of who is gone");
    }

    #[test]
    fn a_tenant_with_one_game_does_not_wait_behind_anothers_forty() {
        let starts = Starts::new(2);
        let _forty = come(&starts, "evil", 40);
        let one = starts.of(Some("acme")).come(false);
        assert!(one.has_come(false), "one of each tenant's in any case");
        let second = starts.of(Some("acme")).come(false);
        assert!(!second.has_come(false));
        let configured = starts.of(None).come(false);
        assert!(configured.has_come(false));
        assert_eq!(starts.count(), (4, 39));
    }

    #[test]
    fn tenants_take_turns() {
        let starts = Starts::new(1);
        let mut evil = come(&starts, "evil", 6);
        let mut acme = come(&starts, "acme", 3);
        let mut order = String::new();
        while let Some(which) = [(&mut evil, 'e'), (&mut acme, 'a')].into_iter().find(|(all, _)| all.len() > 1) {
            let (all, name) = which;
            drop(all.remove(0));
            order.push(name);
            assert!(all[0].has_come(false), "the next of the same is its tenant's only one: {order}");
        }
        assert_eq!(order.len(), 7);
        // With more places than tenants they are shared out alike.
        let starts = Starts::new(4);
        let (evil, acme) = (come(&starts, "evil", 9), come(&starts, "acme", 9));
        assert_eq!((started(&evil).len(), started(&acme).len()), (4, 1));
        let mut evil = evil;
        evil.drain(..3);
        assert_eq!((started(&evil).len(), started(&acme).len()), (2, 2));
    }

    #[test]
    fn a_game_that_was_shown_comes_before_those_that_never_were_and_waits_for_none_of_them() {
        let starts = Starts::new(1);
        let new = come(&starts, "acme", 3);
        let shown: Vec<_> = (0..2).map(|_| starts.of(Some("acme")).come(true)).collect();
        assert_eq!((started(&new), started(&shown)), (vec![0], vec![0]));
        drop(shown);
        assert_eq!(started(&new), [0], "its place is for others like it");
        let newer = starts.of(Some("acme")).come(true);
        assert!(newer.has_come(false));
    }

    #[test]
    fn a_source_that_is_tried_does_not_wait_behind_its_own_tenants_forty() {
        let starts = Starts::new(2);
        let forty = come(&starts, "acme", 40);
        assert_eq!(started(&forty), [0, 1]);
        let tried = starts.of(Some("acme")).waited_for().come(false);
        assert!(tried.has_come(false) && tried.has_come(true));
    }

    #[test]
    fn while_pictures_are_late_what_was_never_shown_comes_one_by_one() {
        let starts = Starts::new(3);
        let mut turns = vec![starts.of(Some("evil")).come(false)];
        assert!(turns[0].has_come(true));
        turns.extend(come(&starts, "evil", 4));
        assert_eq!((0..5).filter(|n| turns[*n].has_come(true)).count(), 1);
        let other = starts.of(Some("acme")).come(false);
        assert!(other.has_come(true));
        assert_eq!(started(&turns), [0, 1], "three in all");
    }

    proptest! {
        /// Whoever comes and goes in whatever order: never too many, nobody is left out, and a tenant that waits has one that starts.
        #[test]
        fn bounds_hold_whoever_comes_and_goes(
            most in 1_usize..4,
            steps in prop::collection::vec((0_usize..4, any::<bool>(), 0_usize..8), 1..80),
        ) {
            let starts = Starts::new(most);
            let mut turns: Vec<Turn> = Vec::new();
            for (tenant, was_shown, at) in steps {
                if at < turns.len() {
                    turns.swap_remove(at);
                } else {
                    turns.push(starts.of(["", "a", "b", "c"].get(tenant).copied().filter(|name| !name.is_empty())).come(was_shown));
                }
                let line = starts.0.lock();
                for is_urgent in [false, true] {
                    let of_kind = line.starting.values().filter(|who| who.is_urgent == is_urgent).count();
                    prop_assert!(of_kind <= most + 4);
                }
                prop_assert!(line.starting.len() <= 2 * most + 4);
                for who in line.waiting.values() {
                    prop_assert!(line.starting_of(&who.tenant) > 0, "a tenant waits and has none");
                    let like_it = line.starting.values().filter(|other| other.is_urgent == who.is_urgent).count();
                    prop_assert!(like_it >= most, "there is a place for it");
                }
                prop_assert_eq!(line.starting.len() + line.waiting.len(), turns.len());
            }
            drop(turns);
            prop_assert_eq!(starts.count(), (0, 0));
        }
    }
}
