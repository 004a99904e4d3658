//! How layouts are stitched, rendition by rendition: worked out once for each layout and kept. Clauses are those of ITU-T
//! H.264.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::encode::{ParameterSets, TileSettings, VideoSettings};
use crate::frame::Rect;
use crate::layout::{Layout, Layouts, MACROBLOCK};
use crate::mosaic::contract::RenditionSpec;
use crate::mosaic::ladder;
use crate::stitch::{Format, Place, Plan, Pps, Slices, Sps, StitchError, TileShape, level};
use crate::timeline::Grid;

/// Macroblocks of guard on every side of a tile. Motion vectors reach up to 27 pixels over a tile's edge; with less than
/// two whole macroblocks the row that holds both guard and picture would ring into those pixels.
pub(super) const GUARD_MBS: u32 = 2;

/// The smallest tile: its guard, and as much picture as guard across.
const LEAST_TILE_MBS: u32 = 3 * GUARD_MBS;

/// The highest level that stitching may ask for, where the rendition does not ask for more itself: what every set-top box
/// of the last ten years decodes.
const HIGHEST_LEVEL_IDC: u8 = 41;

/// A rung of the ladder, and how its slices are read.
pub(super) struct Rung {
    pub spec: RenditionSpec,
    pub settings: VideoSettings,
    pub sets: ParameterSets,
    pub format: Format,
}

impl Rung {
    pub fn new(rung: &ladder::Rung) -> Result<Self, StitchError> {
        let ladder::Rung { spec, settings, sets } = rung.clone();
        let format = Format::new(Sps::parse(&sets.sps)?, Pps::parse(&sets.pps)?)?;
        Ok(Self { spec, settings, sets, format })
    }

    /// Whether slices of an encoder with these parameter sets can stand on the rendition's canvas.
    pub fn accepts(&self, sets: &ParameterSets) -> Result<(), StitchError> {
        self.format.accepts(&Sps::parse(&sets.sps)?, &Pps::parse(&sets.pps)?)
    }

    /// Slices that a picture may have (A.3.3).
    fn max_slices(&self) -> u32 {
        let fps = self.settings.grid.fps();
        level::max_slices(self.settings.level_idc, fps.num(), fps.den()).unwrap_or(0)
    }

    /// Settings for a tile of this size. Its share of the rendition's rate is its share of the canvas.
    pub fn tile_settings(&self, size: TileSize, grid: Grid, preset: &str) -> VideoSettings {
        if size.whole {
            return VideoSettings { preset: preset.to_owned(), ..self.settings.clone() };
        }
        let canvas = u64::from(self.format.width_mbs()) * u64::from(self.format.height_mbs());
        let tile = u64::from(size.width_mbs) * u64::from(size.height_mbs);
        let share = u64::from(self.spec.bitrate_bps) * tile / canvas.max(1);
        VideoSettings {
            width: size.width_mbs * MACROBLOCK,
            height: size.height_mbs * MACROBLOCK,
            grid,
            bitrate_bps: u32::try_from(share).unwrap_or(u32::MAX).max(1000),
            preset: preset.to_owned(),
            level_idc: self.settings.level_idc,
            tile: Some(TileSettings { guard_mbs: GUARD_MBS }),
        }
    }
}

/// Size of a tile in macroblocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TileSize {
    pub width_mbs: u32,
    pub height_mbs: u32,
    /// The tile is a whole canvas: it has no guard, and one slice a picture.
    pub whole: bool,
}

impl TileSize {
    pub fn shape(self) -> TileShape {
        let slices = if self.whole { Slices::Whole } else { Slices::PerRow };
        TileShape { width_mbs: self.width_mbs, height_mbs: self.height_mbs, slices }
    }

    /// What a tile's canvas shows the picture in, in pixels of the tile.
    pub fn inside_guard(self) -> Rect {
        let guard = GUARD_MBS * MACROBLOCK;
        let inner = |mbs: u32| (mbs * MACROBLOCK).saturating_sub(2 * guard);
        Rect { x: guard, y: guard, width: inner(self.width_mbs), height: inner(self.height_mbs) }
    }
}

/// A layout in one rendition.
pub(super) struct LayoutPlan {
    pub plan: Arc<Plan>,
    /// One for each slot.
    pub tiles: Vec<(TileSize, Place)>,
}

/// The plans of all layouts that were asked for.
pub(super) struct Plans {
    known: Mutex<HashMap<String, Option<Arc<[LayoutPlan]>>>>,
}

impl Plans {
    pub fn new() -> Self {
        Self { known: Mutex::default() }
    }

    /// How `layout` is stitched in each of `rungs`; `None` when it cannot be: its slots overlap, or are too small for a guard
    /// in some rendition. Layouts of one id must be equal.
    pub fn of(&self, layout: &Layout, rungs: &[Rung]) -> Option<Arc<[LayoutPlan]>> {
        let mut known = self.known.lock();
        if let Some(plans) = known.get(&layout.id) {
            return plans.clone();
        }
        let plans = if layout.overlap { None } else { rungs.iter().map(|rung| plan(layout, rung)).collect() };
        known.insert(layout.id.clone(), plans.clone());
        plans
    }
}

/// Every slot's tile, if each is large enough for a guard.
fn tiles(layout: &Layout, format: &Format) -> Option<Vec<(TileSize, Place)>> {
    let tile = |slot| {
        let Rect { x, y, width, height } = layout.tile_on(slot, format.width_mbs(), format.height_mbs());
        let size = TileSize { width_mbs: width, height_mbs: height, whole: layout.is_whole() };
        (size, Place { x_mb: x, y_mb: y, width_mbs: width, height_mbs: height })
    };
    let large_enough = |size: TileSize| size.whole || size.width_mbs.min(size.height_mbs) >= LEAST_TILE_MBS;
    let tiles: Vec<_> = (0..layout.slots.len()).map(tile).collect();
    tiles.iter().all(|(size, _)| large_enough(*size)).then_some(tiles)
}

fn plan_of(tiles: &[(TileSize, Place)], format: &Format, max_slices: u32) -> Result<Plan, StitchError> {
    let places: Vec<Place> = tiles.iter().map(|(_, place)| *place).collect();
    let slices = tiles.first().map_or(Slices::PerRow, |(size, _)| size.shape().slices);
    Plan::new(format, &places, slices, max_slices)
}

fn plan(layout: &Layout, rung: &Rung) -> Option<LayoutPlan> {
    let tiles = tiles(layout, &rung.format)?;
    match plan_of(&tiles, &rung.format, rung.max_slices()) {
        Ok(plan) => Some(LayoutPlan { plan: Arc::new(plan), tiles }),
        Err(error) => {
            tracing::warn!(layout = layout.id, rendition = rung.spec.name, %error, "this layout is not stitched");
            None
        }
    }
}

/// The level that a rendition needs for `layouts` to be stitched (A.3.3 bounds the slices of a picture): that of its encoder,
/// or a higher one, within reason.
pub fn level_for(rung: &ladder::Rung, layouts: &Layouts) -> u8 {
    let own = rung.settings.level_idc;
    let Ok(Rung { format, .. }) = Rung::new(rung) else { return own };
    let fps = rung.settings.grid.fps();
    let pictures = level::Pictures {
        width_mbs: format.width_mbs(),
        height_mbs: format.height_mbs(),
        fps_num: fps.num(),
        fps_den: fps.den(),
    };
    let needed = layouts.iter().filter(|layout| !layout.overlap).filter_map(|layout| {
        let plan = plan_of(&tiles(layout, &format)?, &format, u32::MAX).ok()?;
        let slices = if layout.is_whole() { 1 } else { u32::try_from(plan.slices_per_picture()).ok()? };
        level::at_least(own, pictures, slices).ok().filter(|level| *level <= HIGHEST_LEVEL_IDC.max(own))
    });
    needed.max().unwrap_or(own)
}
