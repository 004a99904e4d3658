//! How much work may go into a tile: it is encoded once for everybody, so a slower preset is affordable where the machine
//! has room for it.

use std::collections::HashSet;

use super::plans::{Plans, SlicedRung, TileSize};
use crate::encode::{VideoEncodeError, VideoEncoder};
use crate::frame::{MACROBLOCK, Rect};
use crate::ladder::Rung;
use crate::layout::Layouts;
use crate::mosaic::trial::moving_picture;
use crate::work::thread_cpu_time;

/// Presets to try, the slowest first.
const PRESETS: [&str; 4] = ["medium", "fast", "faster", "veryfast"];

/// Share of the usable cores, in percent, that the tiles of all games may take.
const TILES_PERCENT: f64 = 50.0;

/// Pictures of a measurement.
const PICTURES: u32 = 12;

/// The tile that is measured, in macroblocks: a quarter of 540p.
const MEASURED: TileSize =
    TileSize { width_mbs: 30, height_mbs: 17, inside: Rect { x: 0, y: 0, width: 480, height: 270 }, whole: false };

/// The slowest preset with which every tile of `games` games takes no more than half of `usable_cores`, and the cores that
/// they take; the quickest one if none does. Takes about a second.
pub fn slowest_tile_preset(
    rungs: &[Rung],
    layouts: &Layouts,
    games: usize,
    usable_cores: f64,
) -> Result<(&'static str, f64), VideoEncodeError> {
    // Whatever cannot be read cannot be stitched either, which the self-test says better.
    let rungs: Vec<SlicedRung> = rungs.iter().filter_map(|rung| SlicedRung::new(rung).ok()).collect();
    let Some(rung) = rungs.first() else { return Ok((PRESETS[PRESETS.len() - 1], 0.0)) };
    let fps = rung.settings.grid.fps();
    let macroblocks = games as f64 * f64::from(macroblocks(&rungs, layouts));
    let mut last = (PRESETS[PRESETS.len() - 1], 0.0);
    for preset in PRESETS {
        let each_s = seconds_per_macroblock(rung, preset)?;
        let cores = macroblocks * each_s * f64::from(fps.num()) / f64::from(fps.den());
        last = (preset, cores);
        if cores <= usable_cores * TILES_PERCENT / 100.0 {
            break;
        }
    }
    Ok(last)
}

/// Macroblocks of one game's tiles, all sizes and renditions together.
fn macroblocks(rungs: &[SlicedRung], layouts: &Layouts) -> u32 {
    let plans = Plans::new();
    let mut sizes = HashSet::new();
    // Tiles of layouts with art run when somebody asks for them.
    for layout in layouts.iter().filter(|layout| layout.art.is_empty()) {
        for (rendition, plan) in plans.of(layout, rungs).iter().flat_map(|plans| plans.iter()).enumerate() {
            sizes.extend(plan.tiles.iter().map(|(size, _)| (rendition, *size)));
        }
    }
    sizes.into_iter().map(|(_, size)| size.width_mbs * size.height_mbs).sum()
}

fn seconds_per_macroblock(rung: &SlicedRung, preset: &str) -> Result<f64, VideoEncodeError> {
    let mut encoder = VideoEncoder::on_one_thread(&rung.tile_settings(MEASURED, rung.settings.grid, preset))?;
    let (width, height) = (MEASURED.width_mbs * MACROBLOCK, MEASURED.height_mbs * MACROBLOCK);
    let mut seconds = 0.0;
    for n in 0..PICTURES {
        let Some(picture) = moving_picture(width, height, n) else { continue };
        let before = thread_cpu_time();
        encoder.encode(&picture, n.into())?;
        seconds += thread_cpu_time().saturating_sub(before).as_secs_f64();
    }
    // What the encoder looked ahead at is to be coded, too.
    let before = thread_cpu_time();
    while encoder.drain()?.is_some() {}
    seconds += thread_cpu_time().saturating_sub(before).as_secs_f64();
    Ok(seconds / f64::from(PICTURES * MEASURED.width_mbs * MEASURED.height_mbs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ladder::{RenditionSpec, VideoCodec};
    use crate::mosaic::opening::open_ladder;
    use crate::timeline::Grid;

    #[test]
    fn room_decides() {
        let grid = Grid::new("30".parse().unwrap(), 60);
        let rendition = RenditionSpec {
            name: "540p".into(),
            width: 960,
            height: 540,
            bitrate_bps: 1_600_000,
            codec: VideoCodec::H264,
        };
        let layouts = Layouts::bundled();
        let rungs = open_ladder(grid, &[rendition], "veryfast", 10, Some(&layouts)).unwrap();
        let (slowest, cores) = slowest_tile_preset(&rungs, &layouts, 8, 1e6).unwrap();
        assert_eq!(slowest, "medium");
        assert!(cores > 0.0);
        let (quickest, _) = slowest_tile_preset(&rungs, &layouts, 8, 0.0).unwrap();
        assert_eq!(quickest, "veryfast");
    }
}
