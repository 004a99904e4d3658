//! Art over games: a tile of a game with a skin's art on it, for those mosaics that show both. It costs an encoder as every tile does, so there are so many at
//! most; beyond that a mosaic is rendered.

use std::collections::HashSet;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::plans::{LayoutPlan, SlicedRung, TileSize};
use super::tile::TileKey;
use crate::assets::Piece;
use crate::frame::{MACROBLOCK, Rect};
use crate::layout::meeting;
use crate::mosaic::spec::{GameKey, MosaicSpec};
use crate::stitch::Place;
use crate::track::is_stand_in;

/// A piece of art on a tile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct OverPiece {
    /// In pixels of the canvas.
    pub piece: Piece,
    /// Where on the tile.
    pub to: Rect,
}

/// What lies over a game, in the order of drawing. `None`: nothing.
pub(super) type Over = Option<Arc<[OverPiece]>>;

/// What tells a tile with `over` from others in its track's name.
pub(super) fn digest_of(over: &Over) -> String {
    let digest = |over: &Arc<[OverPiece]>| hex::encode(&Sha256::digest(format!("{over:?}"))[..8]);
    over.as_ref().map(digest).unwrap_or_default()
}

/// The keys of the tiles of games in `spec`, in the order of slots.
pub(super) fn keys(spec: &MosaicSpec, rendition: usize, plan: &LayoutPlan, rung: &SlicedRung) -> Vec<TileKey> {
    let tiles = plan.tiles.iter().zip(&spec.games);
    let key = |((size, place), game): (&(TileSize, Place), &GameKey)| TileKey {
        game: game.clone(),
        rendition,
        size: *size,
        colour: spec.layout.background,
        over: over(spec, game, *size, *place, rung),
    };
    tiles.map(key).collect()
}

/// What lies over the tile of `game` at `place`. What stands in for a game is made beforehand, and stands alone.
fn over(spec: &MosaicSpec, game: &GameKey, size: TileSize, place: Place, rung: &SlicedRung) -> Over {
    if spec.art.is_empty() || is_stand_in(game) {
        return None;
    }
    let (layout, width, height) = (&spec.layout, rung.spec.width, rung.spec.height);
    let tile = Rect {
        x: place.x_mb * MACROBLOCK,
        y: place.y_mb * MACROBLOCK,
        width: size.width_mbs * MACROBLOCK,
        height: size.height_mbs * MACROBLOCK,
    };
    let piece = |slot: usize| {
        let asset = spec.art_in(slot)?;
        let part = meeting(layout.art_on(slot, width, height), tile)?;
        let whole = layout.art_picture_on(slot, width, height);
        let to = Rect { x: part.x - tile.x, y: part.y - tile.y, ..part };
        Some(OverPiece { piece: Piece { asset, whole, part, background: layout.background }, to })
    };
    let pieces: Arc<[OverPiece]> = layout.art_slots(true).filter_map(piece).collect();
    (!pieces.is_empty()).then_some(pieces)
}

/// A game with what lies over it.
pub(super) type Skinned = (GameKey, Arc<[OverPiece]>);

/// The skinned games among `keys` of the best rendition; each is as many tiles as there are renditions.
pub(super) fn skinned(keys: impl IntoIterator<Item = TileKey>) -> HashSet<Skinned> {
    let of_best = keys.into_iter().filter(|key| key.rendition == 0);
    of_best.filter_map(|key| Some((key.game, key.over?))).collect()
}
