//! Fair shares of a room that tenants take from. Pure: what is taken is handed in.
//!
//! What is taken of most rooms (sessions, games, rendered mosaics) stays taken: somebody watches. Half of such a room is all tenants' alike, the other
//! half is whoever's comes first. So one that takes all it can leaves to each other a share of half the room, and one alone on a quiet machine is hardly held up.
//!
//! Of the processors nothing is kept for who does not want it: anybody may have all of them, and where they are short all of them are shared out alike
//! among those that want any ([`level`]). What is above is taken back of feeds ([`Takers`]), and not given any more where viewers have it.

mod takers;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use takers::{Kept, KeptBy, Taker, Takers};

/// How much of a room is shared out alike.
const SHARED_OUT: f64 = 0.5;

/// Sums of measurements: two that differ by less are the same.
pub(super) const SAME: f64 = 1e-9;

/// The tenants that there are, each with a limit of its own if it has one. Empty: nobody is held up.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shares(BTreeMap<Arc<str>, Option<f64>>);

/// What each tenant that wants some of a room of `total` has for itself, where nothing is kept for those that want none: as much as it wants, up to a level
/// that is the same for all and leaves nothing of the room. Without end where there is enough for all.
pub fn level(total: f64, wants: impl IntoIterator<Item = f64>) -> f64 {
    let mut wants: Vec<f64> = wants.into_iter().filter(|want| *want > SAME).collect();
    wants.sort_by(f64::total_cmp);
    let (mut left, count) = (total.max(0.0), wants.len());
    for (n, want) in wants.into_iter().enumerate() {
        let each = left / (count - n) as f64;
        if want > each + SAME {
            return each;
        }
        left -= want;
    }
    f64::INFINITY
}

/// What a tenant has of a room, and may have.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Standing {
    pub taken: f64,
    /// That, and what it asked for and was not given.
    pub wanted: f64,
    /// What it may take as things are, however much the others want; `None`: as much as it likes.
    pub share: Option<f64>,
    /// Its own limit.
    pub limit: Option<f64>,
}

/// Why a tenant gets no more.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Beyond {
    /// Its own limit.
    Limit(f64),
    /// What is left is other tenants'.
    Share,
}

impl Beyond {
    /// Stable name for clients and metrics; `own` names the limit.
    pub const fn reason(self, own: &'static str) -> &'static str {
        match self {
            Self::Limit(_) => own,
            Self::Share => "share",
        }
    }
}

impl Shares {
    pub fn new(tenants: impl IntoIterator<Item = (Arc<str>, Option<f64>)>) -> Self {
        Self(tenants.into_iter().collect())
    }

    /// The same tenants, none with a limit of its own.
    pub fn without_limits(&self) -> Self {
        Self(self.0.keys().map(|tenant| (tenant.clone(), None)).collect())
    }

    pub fn tenants(&self) -> impl Iterator<Item = &Arc<str>> {
        self.0.keys()
    }

    /// The limit that `tenant` has of its own.
    pub fn limit(&self, tenant: &str) -> Option<f64> {
        self.0.get(tenant).copied().flatten()
    }

    /// What `tenant` has for itself of a room of `total`, whatever the others do.
    pub fn of(&self, total: f64, tenant: &str) -> f64 {
        let alike = if self.0.len() > 1 { total * SHARED_OUT / self.0.len() as f64 } else { total };
        match self.0.get(tenant) {
            Some(limit) => limit.map_or(alike, |limit| alike.min(limit)),
            None => 0.0,
        }
    }

    /// Whether `tenant` may take `more` of a room of `total`, of which each has taken `taken`. That there is so much at all is another's to see.
    ///
    /// # Errors
    /// Why not.
    pub fn allow(&self, total: f64, tenant: &str, more: f64, taken: impl Fn(&str) -> f64) -> Result<(), Beyond> {
        let own = taken(tenant) + more;
        if let Some(Some(limit)) = self.0.get(tenant)
            && own > limit + SAME
        {
            return Err(Beyond::Limit(*limit));
        }
        if self.0.len() <= 1 || own <= self.of(total, tenant) + SAME {
            return Ok(());
        }
        // What the others have taken, or may yet take whatever happens.
        let others = self.0.keys().filter(|other| &***other != tenant);
        let kept: f64 = others.map(|other| taken(other).max(self.of(total, other))).sum();
        if own + kept <= total + SAME { Ok(()) } else { Err(Beyond::Share) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shares(limits: &[Option<f64>]) -> Shares {
        Shares::new(limits.iter().enumerate().map(|(n, limit)| (Arc::from(n.to_string()), *limit)))
    }

    /// How much `tenant` gets, one by one, where the others hold what they hold.
    fn gets(shares: &Shares, total: f64, tenant: &str, others: &[(&str, f64)]) -> f64 {
        let mut own = 0.0;
        let taken = |own: f64| {
            let others: BTreeMap<&str, f64> = others.iter().copied().collect();
            let tenant = tenant.to_owned();
            move |of: &str| if of == tenant { own } else { others.get(of).copied().unwrap_or(0.0) }
        };
        while own < total && shares.allow(total, tenant, 1.0, taken(own)).is_ok() {
            own += 1.0;
        }
        own
    }

    #[test]
    fn one_that_takes_all_it_can_leaves_the_others_their_shares() {
        let two = shares(&[None, None]);
        assert_eq!(gets(&two, 100.0, "0", &[]), 75.0);
        assert_eq!(gets(&two, 100.0, "1", &[("0", 75.0)]), 25.0);
        let ten = shares(&[None; 10]);
        assert_eq!(gets(&ten, 100.0, "3", &[]), 55.0);
        assert_eq!(gets(&ten, 100.0, "4", &[("3", 55.0)]), 5.0);
    }

    #[test]
    fn one_alone_has_all_of_it_up_to_its_own_limit() {
        assert_eq!(gets(&shares(&[None]), 100.0, "0", &[]), 100.0);
        assert_eq!(gets(&shares(&[Some(7.0)]), 100.0, "0", &[]), 7.0);
        assert_eq!(gets(&Shares::default(), 100.0, "whoever", &[]), 100.0);
    }

    #[test]
    fn nothing_is_kept_for_who_may_not_take_it() {
        let limited = shares(&[None, Some(3.0), Some(90.0)]);
        assert_eq!(gets(&limited, 90.0, "0", &[]), 72.0, "3 and 15 are kept");
        assert_eq!(gets(&limited, 90.0, "1", &[]), 3.0);
        let refused = limited.allow(90.0, "1", 1.0, |of| if of == "1" { 3.0 } else { 0.0 });
        assert_eq!((refused, refused.unwrap_err().reason("tenant_games")), (Err(Beyond::Limit(3.0)), "tenant_games"));
    }

    #[test]
    fn a_room_without_end_is_everybody_s() {
        let endless = shares(&[None, None]).allow(f64::INFINITY, "0", 5.0, |_| 1e12);
        assert_eq!(endless, Ok(()));
    }

    #[test]
    fn of_what_is_short_those_that_want_some_have_alike_and_who_wants_less_leaves_the_rest() {
        assert_eq!(level(6.0, [1.0, 5.0]), f64::INFINITY, "there is enough");
        assert_eq!(level(6.0, [1.0, 9.0]), 5.0);
        assert_eq!(level(6.0, [4.0, 9.0, 0.0, 0.0]), 3.0, "nothing is kept for who wants nothing");
        assert_eq!(level(7.0, [1.0, 2.0, 9.0, 9.0]), 2.0);
        assert_eq!(level(6.0, [f64::INFINITY]), 6.0);
        assert_eq!((level(-1.0, [2.0]), level(6.0, [])), (0.0, f64::INFINITY));
        assert_eq!(level(f64::INFINITY, [2.0, f64::INFINITY]), f64::INFINITY);
    }

    proptest! {
        /// However tenants come and go, each can always have its share: what is taken and what is kept never exceed the room.
        #[test]
        fn each_gets_its_share_whatever_came_before(
            limits in proptest::collection::vec(proptest::option::of(0_u32..40), 2..6),
            total in 1_u32..60,
            moves in proptest::collection::vec((0_usize..6, any::<bool>()), 0..200),
        ) {
            let shares = shares(&limits.iter().map(|limit| limit.map(f64::from)).collect::<Vec<_>>());
            let total = f64::from(total);
            let mut taken = vec![0.0; limits.len()];
            for (who, comes) in moves {
                let who = who % limits.len();
                let held = |of: &str| taken[of.parse::<usize>().unwrap()];
                let all: f64 = taken.iter().sum();
                if comes && all < total && shares.allow(total, &who.to_string(), 1.0, held).is_ok() {
                    taken[who] += 1.0;
                } else if !comes && taken[who] > 0.0 {
                    taken[who] -= 1.0;
                }
                for (n, limit) in limits.iter().enumerate() {
                    prop_assert!(limit.is_none_or(|limit| taken[n] <= f64::from(limit)));
                    let mut then = taken.clone();
                    // Whole places of its share that it has not taken are to be had, one after the other.
                    while then[n] + 1.0 <= shares.of(total, &n.to_string()) {
                        let held = |of: &str| then[of.parse::<usize>().unwrap()];
                        prop_assert!(then.iter().sum::<f64>() + 1.0 <= total);
                        prop_assert_eq!(shares.allow(total, &n.to_string(), 1.0, held), Ok(()));
                        then[n] += 1.0;
                    }
                }
            }
        }
    }
}
