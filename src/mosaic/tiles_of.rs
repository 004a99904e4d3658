//! Which tiles a game has in a mosaic: for whoever puts their blocks down.

use super::contract::Mosaics;
use super::registry::MosaicRegistry;
use super::spec::{EngineChoice, GameKey, MosaicSpec};
use crate::track::{TileName, TrackName};

impl MosaicRegistry {
    /// The tiles of `game` in all renditions of `spec`, each once; none where it is not stitched.
    pub fn tiles_of(&self, spec: &MosaicSpec, game: &GameKey) -> Vec<TileName> {
        let Ok((id, _)) = self.name(spec, EngineChoice::Auto) else { return Vec::new() };
        let Some(known) = self.read(&id) else { return Vec::new() };
        let mut tiles: Vec<TileName> = Vec::new();
        for track in known.tracks.iter().flatten() {
            if let TrackName::Tile(tile) = track
                && tile.game == *game
                && !tiles.contains(tile)
            {
                tiles.push(tile.clone());
            }
        }
        tiles
    }
}
