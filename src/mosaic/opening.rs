//! The ladder is opened: what the configuration says of renditions, and what the encoders make of it.

use super::stitch::levels_for;
use crate::encode::{Libraries, PictureEncoders, VideoEncodeError};
use crate::frame::Colour;
use crate::ladder::{Codec, RenditionSpec, Rung, VideoCodec, VideoSettings, lowest_level_idc};
use crate::layout::Layouts;
use crate::timeline::Grid;

/// The rungs of `renditions`, H.264 before HEVC and each best first, with a preset and so many frames of look-ahead. With `stitched`, levels of
/// H.264 allow as many slices as these layouts have when stitched.
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
            codec: spec.codec,
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
    for (rung, level_idc) in levels_for(of_h264(&rungs), layouts).into_iter().enumerate() {
        let Rung { spec, settings, .. } = &rungs[rung];
        if level_idc != settings.level_idc {
            rungs[rung] = open(spec, VideoSettings { level_idc, ..settings.clone() })?;
        }
    }
    Ok(rungs)
}

fn open(spec: &RenditionSpec, settings: VideoSettings) -> Result<Rung, VideoEncodeError> {
    let sets = Libraries.open(&settings)?.parameter_sets().clone();
    let codec = match settings.codec {
        VideoCodec::H264 => Codec::H264(sets),
        VideoCodec::Hevc => Codec::Hevc(sets),
        VideoCodec::HevcPq => Codec::HevcPq(sets),
        VideoCodec::HevcHlg => Codec::HevcHlg(sets),
    };
    Ok(Rung { spec: spec.clone(), settings, codec })
}

/// The canvases of one kind that a ladder needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Canvases {
    /// [`Colour::CANVAS`], or one of those in HDR.
    pub colour: Colour,
    /// Each once: the widest, on which everything is drawn, then the others.
    pub sizes: Vec<(u32, u32)>,
    /// Renditions by their places in the ladder, and which of the sizes each takes.
    pub takers: Vec<(usize, usize)>,
}

/// The canvases of a ladder, those in HDR last.
pub(super) fn canvases<'a>(ladder: impl Iterator<Item = &'a RenditionSpec>) -> Vec<Canvases> {
    let mut all: Vec<Canvases> = Vec::new();
    for (rendition, RenditionSpec { width, height, codec, .. }) in ladder.enumerate() {
        let (colour, size) = (codec.canvas(), (*width, *height));
        let at = all.iter().position(|its| its.colour == colour).unwrap_or(all.len());
        if at == all.len() {
            all.push(Canvases { colour, sizes: Vec::new(), takers: Vec::new() });
        }
        let its = &mut all[at];
        let taken = its.sizes.iter().position(|known| *known == size).unwrap_or(its.sizes.len());
        if taken == its.sizes.len() {
            its.sizes.push(size);
        }
        its.takers.push((rendition, taken));
    }
    all
}

/// The rungs in H.264: those that are stitched. They come first, so that each has the same place here and in the whole ladder.
pub fn of_h264(rungs: &[Rung]) -> &[Rung] {
    let end = rungs.iter().position(|rung| rung.codec.h264().is_none()).unwrap_or(rungs.len());
    &rungs[..end]
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
            let codec = VideoCodec::H264;
            let spec = RenditionSpec { name: "r".into(), width, height, bitrate_bps: 1_000_000, codec };
            let rungs = open_ladder(grid, &[spec], "ultrafast", 0, Some(&Layouts::bundled())).unwrap();
            let sets = rungs[0].codec.sets();
            let crop = Sps::parse(&sets.sps).unwrap().crop.unwrap_or_default();
            let units = [crop.left, crop.top, crop.right, crop.bottom];
            assert_eq!(units, [0, 0, right, bottom], "{width}x{height}");
        }
    }
}
