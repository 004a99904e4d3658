//! What markets show in breaks, put together.

use std::net::SocketAddr;
use std::sync::Arc;

use super::StartError;
use super::makers::Makers;
use crate::assets::Assets;
use crate::breaks::{BreakSettings, Breaks, BreaksOfSessions, Fills};
use crate::catalogue::{Borders, Catalogue};
use crate::decisions::Bounds;
use crate::mosaic::{MosaicRegistry, ReelMaker};
use crate::session::Sessions;
use crate::store::SqliteStore;
use crate::track::LayeredShelf;

impl Makers<'_> {
    /// What stands in for games in breaks, which sessions are told of, and what it comes to; `None` where nothing is stitched: there is the programme.
    pub fn breaks(
        &self,
        maker: Option<Arc<ReelMaker>>,
        (sessions, registry, catalogue): (&Arc<Sessions>, &Arc<MosaicRegistry>, &Arc<Catalogue>),
        (assets, shelf): (&Arc<Assets>, &LayeredShelf),
        (sqlite, own): (&Arc<SqliteStore>, SocketAddr),
    ) -> Result<(Arc<Fills>, Option<Arc<Breaks>>), StartError> {
        let fills = Arc::new(Fills::new(sqlite.clone(), self.config.output.grid));
        let Some(maker) = maker else { return Ok((fills, None)) };
        let borders = Borders::new(self.config, Some(own));
        let dir = self.config.data_dir.join("creatives");
        let settings = BreakSettings {
            maker,
            clock: self.options.clock.clone(),
            metrics: self.metrics.clone(),
            shelf: shelf.memory().clone(),
            registry: registry.clone(),
            games: catalogue.clone(),
            assets: assets.clone(),
            beacons: sqlite.clone(),
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
