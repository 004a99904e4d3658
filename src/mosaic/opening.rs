//! The ladder is opened: what the configuration says of renditions, and what libx264 makes of it.

use super::stitch::levels_for;
use crate::encode::{VideoEncodeError, VideoEncoder};
use crate::ladder::{Codec, RenditionSpec, Rung, VideoSettings, lowest_level_idc};
use crate::layout::Layouts;
use crate::timeline::Grid;

/// The rungs of `renditions`, best first, with an x264 preset and so many frames of look-ahead. With `stitched`, levels allow as many
/// slices as these layouts have when stitched.
pub fn open_ladder(
    grid: Grid,
    renditions: &[RenditionSpec],
    preset: &str,
    lookahead_frames: u32,
    stitched: Option<&Layouts>,
) -> Result<Vec<Rung>, VideoEncodeError> {
    let rung = |spec: &RenditionSpec| {
        let (width, height, bitrate_bps) = (spec.width, spec.height, spec.bitrate_bps);
        let level_idc = lowest_level_idc(width, height, grid, bitrate_bps);
        let settings = VideoSettings {
            width,
            height,
            grid,
            bitrate_bps,
            preset: preset.to_owned(),
            level_idc,
            lookahead_frames,
            is_tile: false,
        };
        open(spec, settings)
    };
    let mut rungs = renditions.iter().map(rung).collect::<Result<Vec<_>, _>>()?;
    let Some(layouts) = stitched else { return Ok(rungs) };
    for (rung, level_idc) in levels_for(&rungs, layouts).into_iter().enumerate() {
        let Rung { spec, settings, .. } = &rungs[rung];
        if level_idc != settings.level_idc {
            rungs[rung] = open(spec, VideoSettings { level_idc, ..settings.clone() })?;
        }
    }
    Ok(rungs)
}

fn open(spec: &RenditionSpec, settings: VideoSettings) -> Result<Rung, VideoEncodeError> {
    let codec = Codec::H264(VideoEncoder::new(&settings)?.parameter_sets().clone());
    Ok(Rung { spec: spec.clone(), settings, codec })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stitch::Sps;

    #[test]
    fn canvases_are_cropped_at_the_right_and_below_alone() {
        let sizes =
            [(1920, 1080, [0, 4]), (960, 540, [0, 2]), (640, 360, [0, 4]), (854, 480, [5, 0]), (1280, 720, [0, 0])];
        let grid = Grid::new("30".parse().unwrap(), 60);
        for (width, height, [right, bottom]) in sizes {
            let spec = RenditionSpec { name: "r".into(), width, height, bitrate_bps: 1_000_000 };
            let rungs = open_ladder(grid, &[spec], "ultrafast", 0, Some(&Layouts::bundled())).unwrap();
            let Codec::H264(sets) = &rungs[0].codec;
            let crop = Sps::parse(&sets.sps).unwrap().crop.unwrap_or_default();
            let units = [crop.left, crop.top, crop.right, crop.bottom];
            assert_eq!(units, [0, 0, right, bottom], "{width}x{height}");
        }
    }
}
