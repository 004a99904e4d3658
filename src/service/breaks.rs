//! What markets show in breaks, put together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::StartError;
use super::makers::Makers;
use crate::assets::Assets;
use crate::breaks::{BreakSettings, Breaks, BreaksOfSessions, Fills, check_decision_url};
use crate::catalogue::{Borders, Catalogue};
use crate::config::Config;
use crate::decisions::Bounds;
use crate::mosaic::{MosaicRegistry, ReelMaker};
use crate::reach::Own;
use crate::session::Sessions;
use crate::store::{SqliteStore, StoreError};
use crate::track::LayeredShelf;

/// Whether the servers that decide for the markets of `config` may be asked. Those that operators made were checked when they came, and all are when they
/// are asked.
pub(super) fn check_decision_urls(config: &Config, borders: &Borders) -> Result<(), StartError> {
    for (tenant, market) in &config.markets {
        let refused = |why| StartError::MarketDecisions { id: market.id.clone(), why };
        check_decision_url(market, borders.of(Some(tenant))).map_err(refused)?;
    }
    Ok(())
}

/// A start waits so long for what stands in for games in breaks. It is a still for each tile: a fraction of a second each.
const TAKEN_UP_WITHIN: Duration = Duration::from_secs(5);
const LOOKED_AT_EVERY: Duration = Duration::from_millis(10);

/// Sessions of the last run that were in a break are in it when they are served again: games that may not be shown are not shown for a moment either.
async fn take_up_breaks(breaks: &Arc<Breaks>, sessions: &Arc<Sessions>) -> Result<(), StoreError> {
    breaks.take_up().await?;
    let until = Instant::now() + TAKEN_UP_WITHIN;
    loop {
        let its = sessions.clone();
        // A panic there is in the log.
        let is_coming = tokio::task::spawn_blocking(move || its.direct_taken_up()).await.unwrap_or(false);
        if !is_coming || Instant::now() >= until {
            return Ok(());
        }
        tokio::time::sleep(LOOKED_AT_EVERY).await;
    }
}

impl Makers<'_> {
    /// The rules of sessions, and for those of the last run the breaks that these rules know.
    pub async fn rules_and_breaks(
        &self,
        sessions: &Arc<Sessions>,
        (store, own): (Arc<SqliteStore>, Own),
        breaks: Option<&Arc<Breaks>>,
    ) -> Result<(), StartError> {
        self.rules(sessions, (store, own)).await?;
        match breaks {
            Some(breaks) => Ok(take_up_breaks(breaks, sessions).await?),
            None => Ok(()),
        }
    }

    /// What stands in for games in breaks, which sessions are told of, and what it comes to; `None` where nothing is stitched: there is the programme.
    pub fn breaks(
        &self,
        maker: Option<Arc<ReelMaker>>,
        (sessions, registry, catalogue): (&Arc<Sessions>, &Arc<MosaicRegistry>, &Arc<Catalogue>),
        (assets, shelf): (&Arc<Assets>, &LayeredShelf),
        (sqlite, own): (&Arc<SqliteStore>, Own),
    ) -> Result<(Arc<Fills>, Option<Arc<Breaks>>), StartError> {
        let fills = Arc::new(Fills::new(sqlite.clone(), self.config.output.grid));
        let Some(maker) = maker else { return Ok((fills, None)) };
        let borders = Borders::new(self.config, own);
        let dir = self.config.data_dir.join("creatives");
        let settings = BreakSettings {
            maker,
            clock: self.options.clock.clone(),
            metrics: self.metrics.clone(),
            shelf: shelf.clone(),
            registry: registry.clone(),
            games: catalogue.clone(),
            assets: assets.clone(),
            beacons: sqlite.clone(),
            lineups: sqlite.clone(),
            fills: fills.clone(),
            reach_of: Arc::new(move |tenant| borders.of(Some(tenant)).clone()),
            dir: dir.clone(),
            apart: self.apart(),
            bounds: Bounds::default(),
        };
        let breaks = Breaks::start(settings).map_err(|source| StartError::Breaks { dir, source })?;
        sessions.set_stand_ins(Arc::new(BreaksOfSessions(breaks.clone())));
        Ok((fills, Some(breaks)))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_configuration_whose_markets_ask_where_sources_may_not_lead_does_not_start() {
        let checked = |sources: &str| {
            let text = format!(
                "[[tenants]]\nid = \"acme\"\ndevice_keys = [\"d\"]\n{sources}\n[[markets]]\ntenant = \"acme\"\nid = \"de\"\n\
                title = \"Germany\"\n[markets.breaks]\npolicy = \"advertisement\"\ndecision_url = \"http://10.0.0.1/\"\n"
            );
            let config = Config::parse(&text, Path::new("q.toml")).unwrap();
            check_decision_urls(&config, &Borders::new(&config, Own::default())).map_err(|error| error.to_string())
        };
        let said = checked("").unwrap_err();
        assert!(said.starts_with("markets: \"de\": `breaks.decision_url`: 10.0.0.1 is"), "{said}");
        assert!(said.contains("private") && said.ends_with("`networks`"), "{said}");
        assert_eq!(checked("[tenants.sources]\nnetworks = [\"10.0.0.0/8\"]"), Ok(()));
    }
}
