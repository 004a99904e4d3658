//! How many games there may be, and how many of each tenant.

use super::Catalogue;
use crate::catalogue::CatalogueError;
use crate::mosaic::Beyond;

impl Catalogue {
    /// Whether `tenant` may register one more game. Those of the configuration are there in any case, and no tenant's share.
    pub(super) fn check_room(&self, tenant: &str) -> Result<(), CatalogueError> {
        let limit = self.settings.max_games;
        let games = self.games.read();
        if games.running.len() >= limit {
            return Err(CatalogueError::Capacity { limit });
        }
        let of = |of: &str| games.running.values().filter(|game| game.owner.as_deref() == Some(of)).count() as f64;
        let configured = games.running.values().filter(|game| game.owner.is_none()).count();
        let room = (limit - configured) as f64;
        self.settings.shares.allow(room, tenant, 1.0, of).map_err(|beyond| {
            let detail = match beyond {
                Beyond::Limit(limit) => format!("it has {limit}, which is its limit"),
                Beyond::Share => format!("what is left of the {limit} of this machine is kept for other tenants"),
            };
            let reason = beyond.reason("tenant_games");
            self.settings.metrics.admission_refused.with_label_values(&[reason]).inc();
            CatalogueError::Tenant { detail, reason }
        })
    }
}
