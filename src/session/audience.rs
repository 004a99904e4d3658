//! What sessions show at present.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Audience;
use super::registry::{Entry, Sessions};
use super::rights::Rights;
use crate::assets::AssetId;

impl Sessions {
    /// What the active sessions of `tenant`'s viewers show: a walk over all that this process holds.
    pub fn audience(&self, tenant: &str) -> Audience {
        let mut audience = Audience::default();
        for entry in self.entries() {
            if &*entry.tenant != tenant || entry.place.is_output {
                continue;
            }
            let session = entry.session.lock();
            if !session.state.is_active() {
                continue;
            }
            audience.sessions += 1;
            let games: BTreeSet<String> = session.show.game_ids().into_iter().collect();
            for game in games {
                *audience.by_game.entry(game).or_default() += 1;
            }
        }
        audience
    }

    /// Active sessions of `tenant` that show an asset: a walk over all that this process holds.
    pub fn showing(&self, tenant: &str, asset: &AssetId) -> usize {
        let since = self.running().saturating_sub(2);
        let in_break = |rights: &Rights| {
            let rules = self.rules(tenant, rights);
            let skin = rules.market().and_then(|market| market.breaks.skin.clone());
            skin.is_some_and(|id| self.break_art.has(tenant, &id, asset, since))
        };
        let shows = |entry: &Arc<Entry>| {
            let (skin, rights) = {
                let session = entry.session.lock();
                if !session.state.is_active() {
                    return false;
                }
                (session.show.skin.clone(), session.is_on_detour().then(|| session.rights.clone()))
            };
            let is_own = skin.is_some_and(|skin| skin.art.values().any(|shown| shown == asset));
            is_own || rights.is_some_and(|rights| in_break(&rights))
        };
        self.entries().iter().filter(|entry| &*entry.tenant == tenant && shows(entry)).count()
    }
}
