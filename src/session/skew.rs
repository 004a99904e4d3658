//! How far the games of sessions are apart, as far as their sources tell.

use std::collections::BTreeSet;

use super::registry::{Entry, Sessions};
use super::rights::Rights;
use super::view::{SessionView, ViewState};
use crate::market::Restriction;
use crate::mosaic::GameKey;
use crate::sync::{millis, skews};

impl Sessions {
    /// The session as it is now.
    pub(super) fn view_of(&self, entry: &Entry) -> SessionView {
        let (view, games, rights) = {
            let session = entry.session.lock();
            (session.view(&self.grid), session.show.game_keys(), session.rights.clone())
        };
        // Feeds are asked outside of the session's lock: their media threads hold theirs.
        self.told(self.with_games(view, entry, &games, &rights))
    }

    /// With what its games, one for each slot, and their sources tell.
    pub(super) fn with_games(
        &self,
        mut view: SessionView,
        entry: &Entry,
        games: &[GameKey],
        rights: &Rights,
    ) -> SessionView {
        if view.state == ViewState::Active {
            let (rules, now_ms) = (self.rules(&entry.tenant, rights), self.now_ms());
            for (slot, key) in view.slots.iter_mut().zip(games) {
                let why = self.restriction((&slot.game, key), rights, &rules, now_ms);
                // A market that is gone withdraws nothing.
                slot.restricted = why.filter(|why| *why != Restriction::MarketGone).map(Restriction::name);
            }
        }
        self.with_skew(view, games)
    }

    /// With what the sources of `games`, one for each slot, tell of how far they are apart.
    fn with_skew(&self, mut view: SessionView, games: &[GameKey]) -> SessionView {
        if view.state != ViewState::Active {
            return view;
        }
        let skews = skews(&self.games.latencies(games));
        for (slot, skew) in view.slots.iter_mut().zip(&skews) {
            slot.skew_ms = skew.map(millis);
        }
        // The latest has none: what is earliest is as far away as any.
        view.skew_ms = skews.into_iter().flatten().min().map(|skew| millis(-skew));
        view
    }

    /// The games that active sessions show together, each set once.
    pub fn shown_together(&self) -> BTreeSet<Vec<GameKey>> {
        let mut shown = BTreeSet::new();
        for entry in self.entries() {
            let session = entry.session.lock();
            if session.state.is_active() {
                let games: BTreeSet<GameKey> = session.show.game_keys().into_iter().collect();
                shown.insert(games.into_iter().collect());
            }
        }
        shown
    }
}
