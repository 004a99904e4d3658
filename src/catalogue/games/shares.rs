//! How many games there may be, and how many of each tenant; what decoding them may take.

use super::Catalogue;
use crate::catalogue::CatalogueError;
use crate::feed::SOURCE_CORES;
use crate::mosaic::{Beyond, Standing};

impl Catalogue {
    /// Whether `tenant` may register one more game. Those of the configuration are there in any case, and no tenant's share.
    pub(super) fn check_room(&self, tenant: &str) -> Result<(), CatalogueError> {
        let limit = self.settings.max_games;
        let games = self.games.read();
        if games.running.len() >= limit {
            return Err(CatalogueError::Capacity { limit });
        }
        self.check_decoding(tenant)?;
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

    /// A tenant whose games take all that it may have for decoding gets no further one: it would be a slate.
    fn check_decoding(&self, tenant: &str) -> Result<(), CatalogueError> {
        let (Standing { taken, limit, .. }, _) = self.decoding_of(tenant);
        let Some(limit) = limit.filter(|limit| taken + SOURCE_CORES > *limit) else { return Ok(()) };
        let reason = "tenant_decoding";
        self.settings.metrics.admission_refused.with_label_values(&[reason]).inc();
        let detail = format!("its games take {taken:.2} cores to decode, and {limit} is its limit");
        Err(CatalogueError::Tenant { detail, reason })
    }

    /// What a tenant has of the processors for decoding, and how many of its games are on hold.
    pub(super) fn decoding_of(&self, tenant: &str) -> (Standing, usize) {
        let registry = &self.settings.registry;
        let (free, kept) = (registry.left_for_decoding(), registry.encoding_by_tenant());
        self.room.holding.lock().standing(tenant, free, &kept)
    }
}
