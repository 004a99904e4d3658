//! The stitch engine: whether it is used, what runs ahead of demand, how much work goes into a tile.

use super::output::Preset;
use super::reader::Table;

/// Each takes an encoder for each rendition.
const MOST_SKINNED: u32 = 10_000;

/// What the stitch engine is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stitch {
    /// Whether mosaics are stitched at all, where their layout allows it.
    pub enabled: bool,
    /// Whether tiles run that nobody watches yet, as far as the machine has room, so that every new mosaic begins with a full
    /// window; `None`: where there are up to eight games.
    pub keep_warm: Option<bool>,
    /// Preset of tiles, which are encoded once for everybody; `None`: the slowest that leaves the machine room, measured at
    /// start.
    pub tile_preset: Option<Preset>,
    /// Games that have tiles with a skin's art over them at once; what is more is rendered.
    pub max_skinned_tiles: u32,
}

impl Default for Stitch {
    fn default() -> Self {
        Self { enabled: true, keep_warm: None, tile_preset: None, max_skinned_tiles: 8 }
    }
}

pub(super) fn read(root: &mut Table) -> Stitch {
    let mut stitch = Stitch::default();
    let Some(mut table) = root.table("stitch") else { return stitch };
    if let Some(enabled) = table.optional("enabled").and_then(|v| v.boolean()) {
        stitch.enabled = enabled;
    }
    stitch.keep_warm = table.optional("keep_warm").and_then(|v| v.boolean());
    let allowed = format!("{} and \"auto\" are allowed", Preset::ALL.map(Preset::name).join(", "));
    let preset = table.optional("tile_preset").and_then(|v| {
        let parse = |text: &str| if text == "auto" { Ok(None) } else { text.parse().map(Some) };
        v.parsed(&allowed, parse)
    });
    stitch.tile_preset = preset.flatten();
    if let Some(most) = table.optional("max_skinned_tiles").and_then(|v| v.whole(0..=MOST_SKINNED, "games")) {
        stitch.max_skinned_tiles = most;
    }
    table.finish();
    stitch
}
