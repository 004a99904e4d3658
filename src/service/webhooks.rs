//! Whom tenants want to be told what happens, put together.

use std::sync::Arc;

use super::StartError;
use super::makers::Makers;
use crate::catalogue::{Borders, Catalogue};
use crate::events::Events;
use crate::outbound::{WebhookParts, Webhooks};
use crate::reach::Own;
use crate::session::Sessions;
use crate::store::SqliteStore;

impl Makers<'_> {
    /// Webhooks, and the board from which they are told. They may lead where a tenant's sources may.
    pub async fn webhooks(
        &self,
        sqlite: &Arc<SqliteStore>,
        (sessions, catalogue): (&Sessions, &Catalogue),
        own: Own,
    ) -> Result<(Arc<Events>, Arc<Webhooks>), StartError> {
        let events = Arc::<Events>::default();
        let borders = Borders::new(self.config, own);
        let parts = WebhookParts {
            rows: sqlite.clone(),
            events: events.clone(),
            clock: self.options.clock.clone(),
            metrics: self.metrics.clone(),
            reach_of: Arc::new(move |tenant| borders.of(Some(tenant)).clone()),
            root: self.store.secret("webhooks").await?,
        };
        let webhooks = Webhooks::open(self.config, parts).await?;
        // Now that it is known who wants to know.
        sessions.set_events(events.clone());
        catalogue.set_events(events.clone());
        Ok((events, webhooks))
    }
}
