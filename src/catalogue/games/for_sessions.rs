//! What sessions ask of the catalogue.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::sounds::info;
use super::{Catalogue, GameStatus, game_key};
use crate::cues::track::{Break, RangeLine};
use crate::market::{GameRights, Restriction};
use crate::mosaic::GameKey;
use crate::session;
use crate::sync::Latency;
use crate::timeline::MediaTime;
use crate::track::{Held, Pending, Position, SoundKey};

impl session::Games for Catalogue {
    fn find(&self, tenant: &str, id: &str) -> Option<session::GameInfo> {
        self.by_id(tenant, id).map(|g| info(&g))
    }

    fn all(&self, tenant: &str) -> Vec<session::GameInfo> {
        self.visible(tenant).iter().map(|g| info(g)).collect()
    }

    fn sound_held(&self, key: &SoundKey) -> Held {
        self.held_of(key)
    }

    fn wait<'a>(&'a self, key: &'a SoundKey, at: Position) -> Pending<'a, ()> {
        Box::pin(self.comes(key, at))
    }

    fn date_ranges(&self, key: &GameKey, span: Range<MediaTime>) -> Vec<RangeLine> {
        // Those of a game that is gone are gone with it.
        self.by_key(key).map(|game| game.cues.lock().date_ranges(span)).unwrap_or_default()
    }

    fn breaks(&self, key: &GameKey, span: Range<MediaTime>) -> Vec<Break> {
        self.by_key(key).map(|game| game.breaks(self.settings.clock.now(), span)).unwrap_or_default()
    }

    fn rights(&self, key: &GameKey) -> Option<Arc<GameRights>> {
        self.games.read().running.get(key).and_then(|game| game.rights.clone())
    }

    fn limited(&self) -> HashMap<GameKey, Arc<GameRights>> {
        let games = self.games.read();
        let limited = games.running.iter().filter_map(|(key, game)| Some((key.clone(), game.rights.clone()?)));
        limited.collect()
    }

    fn card(&self, key: &GameKey, why: Restriction) -> GameKey {
        self.card_of(key, why)
    }

    fn latencies(&self, games: &[GameKey]) -> Vec<Option<Latency>> {
        games.iter().map(|key| self.latency_of(key)).collect()
    }

    fn removed_sound(&self, tenant: &str, id: &str) -> Option<GameKey> {
        let key = game_key(Some(tenant), id);
        self.games.read().removed.iter().find(|gone| gone.key == key).map(|gone| gone.key.clone())
    }

    fn sound_bitrate_bps(&self) -> u32 {
        self.sound.bitrate_bps
    }

    fn live(&self) -> HashSet<GameKey> {
        let games = self.games.read();
        let live = games.running.iter().filter(|(_, game)| game.status() == GameStatus::Live);
        live.map(|(key, _)| key.clone()).collect()
    }
}
