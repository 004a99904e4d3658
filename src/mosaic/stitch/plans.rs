//! How layouts are stitched, rendition by rendition: worked out once for each layout and kept. Clauses are those of ITU-T
//! H.264.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::frame::{CodedSize, MACROBLOCK, Rect};
use crate::ladder::{ParameterSets, RenditionSpec, Rung, VideoSettings};
use crate::layout::{Layout, Layouts, SlotTile};
use crate::stitch::{Format, Place, Plan, Pps, Slices, Sps, StitchError, TileShape, level};
use crate::timeline::Grid;

/// The highest level that stitching may ask for, where the rendition does not ask for more itself: what every set-top box
/// of the last ten years decodes.
const HIGHEST_LEVEL_IDC: u8 = 41;

/// A rung of the ladder, and how its slices are read.
pub(super) struct SlicedRung {
    pub spec: RenditionSpec,
    pub settings: VideoSettings,
    pub sets: ParameterSets,
    pub format: Format,
}

impl SlicedRung {
    pub fn new(rung: &Rung) -> Result<Self, StitchError> {
        let Rung { spec, settings, codec } = rung.clone();
        let sets = codec.sets().clone();
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
            is_tile: true,
            ..self.settings.clone()
        }
    }
}

/// What makes a tile of a rendition: its size, and where its picture is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct TileSize {
    pub width_mbs: u32,
    pub height_mbs: u32,
    /// What the tile shows its picture in, in pixels of its canvas.
    pub inside: Rect,
    /// The tile is a whole canvas, in one slice a picture.
    pub whole: bool,
}

impl TileSize {
    pub fn shape(self) -> TileShape {
        let slices = if self.whole { Slices::Whole } else { Slices::PerRow };
        TileShape { width_mbs: self.width_mbs, height_mbs: self.height_mbs, slices }
    }

    fn of(tile: &SlotTile) -> (Self, Place) {
        let (width_mbs, height_mbs) = (tile.size.width_mbs, tile.size.height_mbs);
        let place = Place { x_mb: tile.x_mb, y_mb: tile.y_mb, width_mbs, height_mbs };
        (Self { width_mbs, height_mbs, inside: tile.size.inside, whole: false }, place)
    }

    fn canvas(coded: CodedSize) -> (Self, Place) {
        let CodedSize { width, height, width_mbs, height_mbs, .. } = coded;
        let inside = Rect { x: 0, y: 0, width, height };
        let size = Self { width_mbs, height_mbs, inside, whole: true };
        (size, Place { x_mb: 0, y_mb: 0, width_mbs, height_mbs })
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

    /// How `layout` is stitched in each of `rungs`; `None` when it cannot be: its slots overlap, or are smaller than a macroblock in
    /// some rendition. Layouts of one id must be equal.
    pub fn of(&self, layout: &Layout, rungs: &[SlicedRung]) -> Option<Arc<[LayoutPlan]>> {
        let mut known = self.known.lock();
        if let Some(plans) = known.get(&layout.id) {
            return plans.clone();
        }
        let coded: Vec<CodedSize> = rungs.iter().map(|rung| rung.settings.coded()).collect();
        let plans = tiles(layout, &coded)
            .and_then(|tiles| rungs.iter().zip(tiles).map(|(rung, tiles)| plan(layout, rung, tiles)).collect());
        known.insert(layout.id.clone(), plans.clone());
        plans
    }
}

/// Every slot's tile on each of the ladder's canvases.
fn tiles(layout: &Layout, coded: &[CodedSize]) -> Option<Vec<Vec<(TileSize, Place)>>> {
    if layout.is_whole() {
        return Some(coded.iter().map(|coded| vec![TileSize::canvas(*coded)]).collect());
    }
    let tiles = layout.tiles_on(coded)?;
    Some(tiles.iter().map(|of_rung| of_rung.iter().map(TileSize::of).collect()).collect())
}

fn plan_of(tiles: &[(TileSize, Place)], format: &Format, max_slices: u32) -> Result<Plan, StitchError> {
    let places: Vec<Place> = tiles.iter().map(|(_, place)| *place).collect();
    let slices = tiles.first().map_or(Slices::PerRow, |(size, _)| size.shape().slices);
    Plan::new(format, &places, slices, max_slices)
}

fn plan(layout: &Layout, rung: &SlicedRung, tiles: Vec<(TileSize, Place)>) -> Option<LayoutPlan> {
    match plan_of(&tiles, &rung.format, rung.max_slices()) {
        Ok(plan) => Some(LayoutPlan { plan: Arc::new(plan), tiles }),
        Err(error) => {
            tracing::warn!(layout = layout.id, rendition = rung.spec.name, %error, "this layout is not stitched");
            None
        }
    }
}

/// The levels that renditions need for `layouts` to be stitched (A.3.3 bounds the slices of a picture): those of their encoders, or
/// higher ones, within reason.
pub fn levels_for(rungs: &[Rung], layouts: &Layouts) -> Vec<u8> {
    let coded: Vec<CodedSize> = rungs.iter().map(|rung| rung.settings.coded()).collect();
    let tiles: Vec<_> = layouts.iter().filter_map(|layout| Some((layout.is_whole(), tiles(layout, &coded)?))).collect();
    let level = |(n, rung): (usize, &Rung)| {
        let own = rung.settings.level_idc;
        let Ok(SlicedRung { format, .. }) = SlicedRung::new(rung) else { return own };
        let fps = rung.settings.grid.fps();
        let pictures = level::Pictures {
            width_mbs: format.width_mbs(),
            height_mbs: format.height_mbs(),
            fps_num: fps.num(),
            fps_den: fps.den(),
        };
        let needed = tiles.iter().filter_map(|(is_whole, of_rungs)| {
            let plan = plan_of(&of_rungs[n], &format, u32::MAX).ok()?;
            let slices = if *is_whole { 1 } else { u32::try_from(plan.slices_per_picture()).ok()? };
            level::at_least(own, pictures, slices).ok().filter(|level| *level <= HIGHEST_LEVEL_IDC.max(own))
        });
        needed.max().unwrap_or(own)
    };
    rungs.iter().enumerate().map(level).collect()
}
