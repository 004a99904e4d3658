//! What a mosaic is: its layout and games, the engine that makes it, and its name.

use std::fmt;
use std::sync::Arc;

use crate::assets::AssetId;
use crate::layout::Layout;

/// Name of a game inside the service, unique over all tenants (a tenant's own game is `tenant/id`, a shared one `id`).
pub type GameKey = Arc<str>;

/// A layout with a game in each slot, and art where it has slots of that: the identity of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MosaicSpec {
    pub layout: Arc<Layout>,
    /// One game for each slot of the layout, in slot order; a game may come twice.
    pub games: Vec<GameKey>,
    /// What is in the layout's slots of art: one for each of their names, where a skin has it. Empty: nothing is.
    pub art: Vec<Option<AssetId>>,
}

impl MosaicSpec {
    /// What is in slot `slot` of art.
    pub fn art_in(&self, slot: usize) -> Option<AssetId> {
        let name = self.layout.art.get(slot)?.name.as_str();
        let at = self.layout.art_names().iter().position(|known| *known == name)?;
        *self.art.get(at)?
    }
}

/// A mosaic's name in URLs: everything that decides its bytes, signed. Stable over restarts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct MosaicId(pub Arc<str>);

impl fmt::Display for MosaicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What makes a mosaic's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, utoipa::ToSchema)]
#[schema(rename_all = "snake_case", as = Engine)]
pub enum EngineKind {
    /// Drawn and encoded as one picture.
    Render,
    /// Gathered from the slices of tiles.
    Stitch,
}

impl EngineKind {
    pub const fn name(self) -> &'static str {
        match self {
            EngineKind::Render => "render",
            EngineKind::Stitch => "stitch",
        }
    }
}

/// What a session asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EngineChoice {
    #[default]
    Auto,
    Only(EngineKind),
}
