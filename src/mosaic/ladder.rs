//! The ladder: what all encoders of a rendition share, whoever runs them, so that a player can go from one mosaic to the next
//! under one init segment.

use super::contract::RenditionSpec;
use super::stitch::level_for;
use crate::encode::{ParameterSets, VideoEncodeError, VideoEncoder, VideoSettings, lowest_level_idc};
use crate::layout::Layouts;
use crate::timeline::Grid;

/// One rung: a rendition and its canvases' encoder.
#[derive(Clone, Debug)]
pub struct Rung {
    pub spec: RenditionSpec,
    /// For whole canvases.
    pub settings: VideoSettings,
    /// SPS and PPS, the same for all mosaics.
    pub sets: ParameterSets,
}

/// The rungs of `renditions`, best first. With `stitched`, levels allow as many slices as these layouts have when stitched.
pub fn ladder(
    grid: Grid,
    renditions: &[RenditionSpec],
    preset: &str,
    stitched: Option<&Layouts>,
) -> Result<Vec<Rung>, VideoEncodeError> {
    let rung = |spec: &RenditionSpec| {
        let (width, height, bitrate_bps) = (spec.width, spec.height, spec.bitrate_bps);
        let level_idc = lowest_level_idc(width, height, grid, bitrate_bps);
        let settings =
            VideoSettings { width, height, grid, bitrate_bps, preset: preset.to_owned(), level_idc, tile: None };
        let rung = open(spec, settings)?;
        let Some(layouts) = stitched else { return Ok(rung) };
        let level_idc = level_for(&rung, layouts);
        if level_idc == rung.settings.level_idc {
            Ok(rung)
        } else {
            open(spec, VideoSettings { level_idc, ..rung.settings })
        }
    };
    renditions.iter().map(rung).collect()
}

fn open(spec: &RenditionSpec, settings: VideoSettings) -> Result<Rung, VideoEncodeError> {
    let sets = VideoEncoder::new(&settings)?.parameter_sets().clone();
    Ok(Rung { spec: spec.clone(), settings, sets })
}
