//! Slates for breaks that were before a session began: who goes back further than it is old may not see there what its market does not show. What others saw
//! then may be advertisements, which were theirs.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Breaks, FORGOTTEN_AFTER_MS, name_of, stands_in};
use crate::frame::Picture;
use crate::mosaic::GameKey;
use crate::session::BygoneAsk;
use crate::track::{TileName, TrackName};

/// What could not be made is tried again after so long: who goes back asks for it many times a second.
const TRIED_AGAIN_AFTER_MS: i64 = 5_000;

/// A slate, of any segment that somebody looks at.
pub struct Bygone {
    face: Picture,
    tiles: HashMap<TileName, Making>,
    asked_ms: i64,
}

/// How far a slate's tile is.
#[derive(Clone, Copy, PartialEq)]
enum Making {
    Asked,
    Made,
    /// Not made, at this time.
    Failed(i64),
}

impl Breaks {
    /// The slate of a game, and whether it is made as it was asked for. What is not is being made.
    pub(super) fn bygone(self: &Arc<Self>, ask: &BygoneAsk) -> (GameKey, bool) {
        let (id, game) = ask.game;
        let title = self.title_of(ask.tenant, id);
        let key = name_of(ask.tenant, "bygone", &[game, &title]);
        let tiles = self.settings.registry.tiles_of(&stands_in(ask.spec, game, &key), &key);
        let mut state = self.state.lock();
        if !state.bygones.contains_key(&key) {
            let Some(face) = Self::face(&title) else { return (key, false) };
            state.bygones.insert(key.clone(), Bygone { face, tiles: HashMap::new(), asked_ms: 0 });
        }
        let Some(its) = state.bygones.get_mut(&key) else { return (key, false) };
        let now_ms = self.now_ms();
        its.asked_ms = now_ms;
        let is_due = |tile: &&TileName| match its.tiles.get(*tile) {
            None => true,
            Some(Making::Failed(at_ms)) => now_ms - at_ms >= TRIED_AGAIN_AFTER_MS,
            Some(Making::Asked | Making::Made) => false,
        };
        let fresh: Vec<TileName> = tiles.iter().filter(is_due).cloned().collect();
        its.tiles.extend(fresh.iter().map(|tile| (tile.clone(), Making::Asked)));
        let is_made = tiles.iter().all(|tile| its.tiles.get(tile) == Some(&Making::Made));
        let face = its.face.clone();
        drop(state);
        for tile in fresh {
            self.make_bygone(&key, tile, face.clone());
        }
        (key, is_made)
    }

    fn make_bygone(&self, key: &GameKey, tile: TileName, face: Picture) {
        let (state, standing) = (self.state.clone(), self.settings.shelf.standing().clone());
        let (of, its_tile, now_ms) = (key.clone(), tile.clone(), self.now_ms());
        let is_taken = self.workshop.still(move |tools| {
            let still = tools.maker.still(&its_tile, &face);
            let making = if still.is_ok() { Making::Made } else { Making::Failed(now_ms) };
            match still {
                Ok(still) => {
                    let (maker, of_tile) = (tools.maker.clone(), its_tile.clone());
                    let block = move |at| maker.still_block(&of_tile, &still, at).ok();
                    standing.put(TrackName::Tile(its_tile.clone()), Arc::new(block));
                }
                Err(error) => tracing::error!(rung = %its_tile.rung, %error, "no slate for a break of the past"),
            }
            let mut state = state.lock();
            if let Some(its) = state.bygones.get_mut(&of) {
                its.tiles.insert(its_tile, making);
            }
        });
        if !is_taken && let Some(its) = self.state.lock().bygones.get_mut(key) {
            its.tiles.remove(&tile);
        }
    }

    /// Lets go what nobody has gone back to for as long as playlists that name it are good.
    pub(super) fn forget_bygones(&self, bygones: &mut HashMap<GameKey, Bygone>) {
        let now_ms = self.now_ms();
        let known = bygones.len();
        bygones.retain(|_, its| now_ms - its.asked_ms < FORGOTTEN_AFTER_MS);
        if bygones.len() < known {
            let is_known = |track: &TrackName| match track {
                TrackName::Tile(tile) => bygones.contains_key(&tile.game),
                TrackName::Canvas { .. } | TrackName::Sound { .. } | TrackName::Text { .. } => false,
            };
            self.settings.shelf.standing().retain(is_known);
        }
    }
}
