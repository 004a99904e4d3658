//! What stands for pictures in HEVC that no encoder made: a picture that shows the one before.
//!
//! It cannot be written bit by bit, as that of H.264 is (`stitch/still.rs`): HEVC has no other slices than those of its arithmetic coder. So it is
//! cut out of a segment that libx265 makes of a plain grey beforehand, with the settings of all: each picture of that skips all its blocks, with
//! vectors of zero and nothing left over, and as no encoder predicts vectors from other pictures (`x265_shim.c`), it does that wherever
//! it stands.

use bytes::Bytes;

use crate::compositor::solid_in;
use crate::encode::{PictureEncoders, encode_still};
use crate::frame::{AccessUnit, Depth, Picture};
use crate::ladder::{ParameterSets, VideoSettings};
use crate::timeline::Grid;

/// The grey that coding comes to by itself, with nothing left over.
const GREY: u8 = 128;

/// Pictures of a rendition that skip all they have.
pub(super) struct Standstill {
    settings: VideoSettings,
    sets: ParameterSets,
    /// Of a segment, in the order of coding.
    units: Vec<Bytes>,
}

impl Standstill {
    /// Makes them, by an encoder of its own. Takes as long as a second for large pictures.
    ///
    /// # Errors
    /// Why there are none, in words.
    pub fn new(encoders: &dyn PictureEncoders, settings: &VideoSettings, sets: &ParameterSets) -> Result<Self, String> {
        let (width, height) = (settings.width, settings.height);
        let luma = width as usize * height as usize;
        let colour = settings.codec.canvas();
        let planes = [luma, luma / 4, luma / 4].map(|samples| match colour.depth {
            Depth::Eight => vec![GREY; samples],
            Depth::Ten => (u16::from(GREY) << 2).to_le_bytes().repeat(samples),
        });
        let grey = Picture::from_planes(width, height, colour, planes).ok_or("no picture of its size")?;
        let mut encoder = encoders.open(settings).map_err(|e| e.to_string())?;
        check(sets, encoder.parameter_sets())?;
        let frames = settings.grid.segment_frames();
        let mut units = Vec::with_capacity(frames as usize);
        for frame in 0..u64::from(frames) {
            units.extend(encoder.encode(&grey, frame).map_err(|e| e.to_string())?);
        }
        while let Some(unit) = encoder.drain().map_err(|e| e.to_string())? {
            units.push(unit);
        }
        let gop = settings.grid.gop();
        let shown = gop.pictures().iter().map(|picture| u64::from(picture.shown));
        if !shown.eq(units.iter().map(|unit| unit.frame)) {
            return Err("its pictures come in another order".to_owned());
        }
        let units = units.into_iter().map(|unit| unit.data).collect();
        Ok(Self { settings: settings.clone(), sets: sets.clone(), units })
    }

    /// Appends the pictures of a segment's part that `units` lacks. The one that opens the segment shows `background`, any other what was before.
    ///
    /// # Errors
    /// Why there is none to open it, in words.
    pub fn fill(
        &self,
        encoders: &dyn PictureEncoders,
        (grid, segment, part): (&Grid, u64, u32),
        background: [u8; 3],
        units: &mut Vec<AccessUnit>,
    ) -> Result<(), String> {
        let (first, run) = (grid.first_frame(segment), grid.part_pictures(part));
        let gop = grid.part_gop(part);
        for (nth, picture) in gop.pictures().iter().enumerate().skip(units.len()) {
            let frame = first + u64::from(picture.shown);
            let unit = match self.units.get(run.start + nth) {
                Some(data) if picture.shown > 0 => AccessUnit { frame, sync: false, data: data.clone() },
                _ => AccessUnit { frame, ..self.opening(encoders, background)? },
            };
            units.push(unit);
        }
        Ok(())
    }

    fn opening(&self, encoders: &dyn PictureEncoders, background: [u8; 3]) -> Result<AccessUnit, String> {
        let VideoSettings { codec, width, height, .. } = self.settings;
        let picture = solid_in(codec.canvas(), width, height, background).ok_or("no picture of its size")?;
        encode_still(encoders, &self.settings, |sets| check(&self.sets, sets), &picture)
    }
}

fn check(expected: &ParameterSets, sets: &ParameterSets) -> Result<(), String> {
    if sets == expected { Ok(()) } else { Err("its parameter sets differ from the rendition's".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::{Decoder, Libraries, decode};
    use crate::frame::Colour;
    use crate::ladder::VideoCodec;
    use crate::mosaic::trial::moving_picture;

    const SIZE: (u32, u32) = (416, 240);

    fn settings(preset: &str) -> VideoSettings {
        VideoSettings {
            codec: VideoCodec::Hevc,
            width: SIZE.0,
            height: SIZE.1,
            grid: Grid::new("30".parse().unwrap(), 30),
            bitrate_bps: 800_000,
            preset: preset.into(),
            level_idc: 30,
            lookahead_frames: 4,
            is_tile: false,
        }
    }

    fn planes(picture: &Picture) -> [Vec<u8>; 3] {
        [0, 1, 2].map(|plane| {
            let (width, height) = if plane == 0 { SIZE } else { (SIZE.0 / 2, SIZE.1 / 2) };
            let (stride, width) = (picture.strides[plane], width as usize);
            picture.plane(plane).chunks(stride).take(height as usize).flat_map(|row| row[..width].to_vec()).collect()
        })
    }

    #[test]
    fn what_was_not_made_shows_the_picture_before_to_the_bit() {
        for preset in ["ultrafast", "veryfast", "medium"] {
            let settings = settings(preset);
            let grid = settings.grid;
            let mut encoder = Libraries.open(&settings).unwrap();
            let sets = encoder.parameter_sets().clone();
            let mut made = Vec::new();
            for n in 0..30 {
                let picture = moving_picture(SIZE.0, SIZE.1, 3 * n).unwrap();
                made.extend(encoder.encode(&picture, n.into()).unwrap());
            }
            made.extend(std::iter::from_fn(|| encoder.drain().unwrap()));
            let standstill = Standstill::new(&Libraries, &settings, &sets).unwrap();
            // It broke off after the opening picture, and after a reference picture and the B pictures before it.
            for there in [1, 4, 7] {
                let mut units: Vec<AccessUnit> = Vec::new();
                for part in 0..grid.parts() {
                    let run = grid.part_pictures(part);
                    let mut of_part = made[run.start.min(there)..run.end.min(there)].to_vec();
                    standstill.fill(&Libraries, (&grid, 0, part), [0; 3], &mut of_part).unwrap();
                    units.extend(of_part);
                }
                let frames: Vec<u64> = units.iter().map(|unit| unit.frame).collect();
                assert_eq!(frames, made.iter().map(|unit| unit.frame).collect::<Vec<_>>());
                let data: Vec<Bytes> = units.into_iter().map(|unit| unit.data).collect();
                let pictures = decode(Decoder::FfmpegHevc, &sets, &data).unwrap();
                let held = planes(&pictures[there - 1]);
                for (n, picture) in pictures.iter().enumerate().skip(there) {
                    assert!(planes(picture) == held, "{preset}: picture {n} differs from {}", there - 1);
                }
            }
        }
    }

    #[test]
    fn in_ten_bits_it_is_the_same() {
        for (codec, canvas) in [(VideoCodec::HevcPq, Colour::PQ_CANVAS), (VideoCodec::HevcHlg, Colour::HLG_CANVAS)] {
            in_ten_bits(codec, canvas);
        }
    }

    fn in_ten_bits(codec: VideoCodec, canvas: Colour) {
        let settings = VideoSettings { codec, ..settings("superfast") };
        let sets = Libraries.open(&settings).unwrap().parameter_sets().clone();
        let standstill = Standstill::new(&Libraries, &settings, &sets).unwrap();
        let opening = standstill.opening(&Libraries, [0, 90, 200]).unwrap();
        let mut units = vec![opening];
        for part in 0..settings.grid.parts() {
            let mut of_part = if part == 0 { std::mem::take(&mut units) } else { Vec::new() };
            standstill.fill(&Libraries, (&settings.grid, 0, part), [0; 3], &mut of_part).unwrap();
            units.extend(of_part);
        }
        let data: Vec<Bytes> = units.into_iter().map(|unit| unit.data).collect();
        let pictures = decode(Decoder::FfmpegHevc, &sets, &data).unwrap();
        assert_eq!((pictures.len(), pictures[0].colour.depth), (30, canvas.depth));
        for plane in 0..3 {
            let [first, last] = [&pictures[0], &pictures[29]].map(|its| its.samples(plane, 9).collect::<Vec<_>>());
            assert_eq!(first, last);
            let wanted = solid_in(canvas, SIZE.0, SIZE.1, [0, 90, 200]).unwrap();
            let wanted = wanted.samples(plane, 9).next().unwrap();
            assert!(first.iter().all(|code| code.abs_diff(wanted) <= 8), "plane {plane}: {wanted}");
        }
    }

    #[test]
    fn a_segment_that_was_not_made_at_all_shows_the_background() {
        let settings = settings("veryfast");
        let sets = Libraries.open(&settings).unwrap().parameter_sets().clone();
        let standstill = Standstill::new(&Libraries, &settings, &sets).unwrap();
        let mut units = Vec::new();
        for part in 0..settings.grid.parts() {
            let mut of_part = Vec::new();
            standstill.fill(&Libraries, (&settings.grid, 7, part), [200, 30, 90], &mut of_part).unwrap();
            units.extend(of_part);
        }
        assert!(units[0].sync && units[0].frame == 210 && units[1..].iter().all(|unit| !unit.sync));
        let data: Vec<Bytes> = units.into_iter().map(|unit| unit.data).collect();
        let pictures = decode(Decoder::FfmpegHevc, &sets, &data).unwrap();
        assert_eq!(pictures.len(), 30);
        let wanted = crate::compositor::canvas_colour([200, 30, 90]);
        for picture in pictures {
            for (plane, wanted) in planes(&picture).iter().zip(wanted) {
                assert!(plane.iter().all(|code| code.abs_diff(wanted) <= 2), "{wanted}");
            }
        }
    }
}
