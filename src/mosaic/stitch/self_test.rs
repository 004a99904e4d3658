//! Proof at start that this machine's encoder makes tiles that can be stitched: noise, panned towards the neighbours, is encoded as four
//! tiles from edge to edge, starved to rich; stitched and decoded, every pixel must be the one of its tile decoded alone.

use bytes::Bytes;

use super::plans::{Plans, SlicedRung, TileSize};
use super::stills::{Stills, idr_pic_id};
use crate::encode::{DecodeError, Decoder, VideoEncodeError, VideoEncoder, decode};
use crate::frame::{AccessUnit, Colour, MACROBLOCK, Picture};
use crate::ladder::{Rung, VideoSettings};
use crate::layout::{Layout, Layouts};
use crate::stitch::{Place, StitchError, Stitched, TileBlock};
use crate::timeline::Grid;
use crate::track::Position;

/// Pictures of the test: one IDR picture and enough others for the rate control to be at its end.
const PICTURES: u32 = 24;

/// The tiles' shares of their usual rate, in percent: from so little that x264 throws away all it may, to more than it needs.
const PERCENTS: [u32; 4] = [10, 40, 120, 300];

/// Why tiles of this machine's encoder must not be stitched.
#[derive(Debug, thiserror::Error)]
pub enum SelfTestError {
    #[error(transparent)]
    Encode(#[from] VideoEncodeError),
    #[error(transparent)]
    Stitch(#[from] StitchError),
    #[error(transparent)]
    Decode(#[from] DecodeError),
    #[error("no rendition is large enough for four tiles")]
    TooSmall,
    #[error("frame {frame}: tile {tile} decodes to other pixels on the mosaic than alone ({pixels} differ)")]
    Differs { frame: u64, tile: usize, pixels: usize },
}

/// One picture to be encoded as a tile.
#[derive(Clone, Copy, Debug)]
pub struct TilePicture {
    /// Its slot.
    pub tile: usize,
    pub frame: u64,
    /// Size in pixels.
    pub width: u32,
    pub height: u32,
}

/// What is to be proved: that tiles of these pictures, at these rates, can be stitched.
pub struct Proof<'a> {
    pub layout: &'a Layout,
    /// One segment at a time is encoded, stitched, decoded and compared.
    pub grid: Grid,
    pub segments: u64,
    pub preset: &'a str,
    /// A slot's share of its tile's usual rate, in percent.
    pub rate_percent: &'a dyn Fn(usize) -> u32,
    /// Each must see on the mosaic what it sees in the tiles alone.
    pub decoders: &'a [Decoder],
    /// Draws a tile; `None` where it cannot be drawn.
    pub draw: &'a dyn Fn(TilePicture) -> Option<Picture>,
}

/// Tests the smallest rendition that holds four tiles. Takes about a second.
pub fn self_test(rungs: &[Rung], grid: Grid, preset: &str) -> Result<(), SelfTestError> {
    let layout = Layouts::bundled().default_for(4).ok_or(SelfTestError::TooSmall)?;
    let proof = Proof {
        layout: &layout,
        // The length of a segment decides nothing but how much there is to compare.
        grid: Grid::new(grid.fps(), PICTURES),
        segments: 1,
        preset,
        rate_percent: &|tile| PERCENTS[tile % PERCENTS.len()],
        decoders: &[Decoder::Ffmpeg],
        draw: &noise,
    };
    let proved =
        rungs.iter().rev().map(|rung| prove(rung, &proof)).find(|p| !matches!(p, Err(SelfTestError::TooSmall)));
    proved.unwrap_or(Err(SelfTestError::TooSmall)).map(|_| ())
}

/// Encodes, stitches, decodes and compares; the first pixel that differs is an error. Gives how many slices others stood in for, as in
/// [`Stitched::merged_slices`].
pub fn prove(rung: &Rung, proof: &Proof) -> Result<usize, SelfTestError> {
    let rungs = [SlicedRung::new(rung)?];
    let plans = Plans::new().of(proof.layout, &rungs).ok_or(SelfTestError::TooSmall)?;
    let (rung, plan) = (&rungs[0], &plans[0]);
    let stills = Stills::new(proof.grid);
    let mut tiles = plan
        .tiles
        .iter()
        .enumerate()
        .map(|(tile, (size, place))| TileUnderTest::new(rung, proof, tile, *size, *place))
        .collect::<Result<Vec<_>, _>>()?;
    let mut merged = 0;
    for segment in 0..proof.segments {
        let alone = tiles.iter_mut().map(|tile| tile.encode(proof, segment)).collect::<Result<Vec<_>, _>>()?;
        let mut units = Vec::new();
        for part in 0..proof.grid.parts() {
            let mut inputs = Vec::new();
            let (pictures, gop) = (proof.grid.part_pictures(part), proof.grid.part_gop(part));
            for (tile, units) in tiles.iter().zip(&alone) {
                let (shape, units) = (tile.size.shape(), &units[pictures.clone()]);
                let indexed = TileBlock::index(&rung.format, shape, idr_pic_id(segment), units, &gop, None)?;
                inputs.push(indexed.placed(tile.place.x_mb, tile.place.y_mb, tile.place.height_mbs)?);
            }
            for place in plan.plan.fillers() {
                let at = Position::new(segment, part);
                let still = stills.of(&rungs, 0, place.width_mbs, proof.layout.background, at)?;
                inputs.push(still.placed(place.x_mb, place.y_mb, place.height_mbs)?);
            }
            let stitched = Stitched::new(&plan.plan, inputs)?;
            merged += stitched.merged_slices();
            units.extend(units_of(&stitched));
        }
        for decoder in proof.decoders {
            let mosaic = decode(*decoder, &rung.sets, &units)?;
            let alone = tiles.iter().zip(&alone);
            let alone: Vec<Vec<Picture>> = alone
                .map(|(tile, units)| decode(*decoder, tile.encoder.parameter_sets(), units))
                .collect::<Result<_, _>>()?;
            compare(&mosaic, &alone, &tiles, proof.grid.first_frame(segment))?;
        }
    }
    Ok(merged)
}

struct TileUnderTest {
    tile: usize,
    size: TileSize,
    place: Place,
    width: u32,
    height: u32,
    encoder: VideoEncoder,
    /// The next frame to be taken in.
    next: u64,
    /// What came out of the encoder and belongs to segments to come.
    ahead: Vec<AccessUnit>,
}

impl TileUnderTest {
    fn new(rung: &SlicedRung, proof: &Proof, tile: usize, size: TileSize, place: Place) -> Result<Self, SelfTestError> {
        let usual = rung.tile_settings(size, proof.grid, proof.preset);
        let bitrate_bps = (usual.bitrate_bps / 100 * (proof.rate_percent)(tile)).max(1000);
        let encoder = VideoEncoder::new(&VideoSettings { bitrate_bps, ..usual.clone() })?;
        rung.accepts(encoder.parameter_sets())?;
        Ok(Self { tile, size, place, width: usual.width, height: usual.height, encoder, next: 0, ahead: Vec::new() })
    }

    /// The access units of `segment`, in the order of coding. Some pictures of the next one are taken in for that.
    fn encode(&mut self, proof: &Proof, segment: u64) -> Result<Vec<Bytes>, SelfTestError> {
        let end = proof.grid.first_frame(segment + 1);
        let is_done = |ahead: &[AccessUnit]| {
            ahead.iter().filter(|unit| unit.frame < end).count() as u64 == u64::from(proof.grid.segment_frames())
        };
        while !is_done(&self.ahead) {
            let frame = self.next;
            if frame >= proof.grid.first_frame(proof.segments) {
                self.ahead.extend(self.encoder.drain()?);
                continue;
            }
            let picture = TilePicture { tile: self.tile, frame, width: self.width, height: self.height };
            let picture = (proof.draw)(picture).ok_or(SelfTestError::TooSmall)?;
            self.ahead.extend(self.encoder.encode(&picture, frame)?);
            self.next += 1;
        }
        let later = self.ahead.split_off(proof.grid.segment_frames() as usize);
        Ok(std::mem::replace(&mut self.ahead, later).into_iter().map(|unit| unit.data).collect())
    }
}

fn compare(
    mosaic: &[Picture],
    alone: &[Vec<Picture>],
    tiles: &[TileUnderTest],
    first_frame: u64,
) -> Result<(), SelfTestError> {
    for (tile, pictures) in tiles.iter().zip(alone) {
        for ((whole, own), frame) in mosaic.iter().zip(pictures).zip(first_frame..) {
            let pixels = differing(whole, own, tile.place);
            if pixels > 0 {
                return Err(SelfTestError::Differs { frame, tile: tile.tile, pixels });
            }
        }
    }
    Ok(())
}

/// Access units of a stitched segment, each by itself.
fn units_of(stitched: &Stitched) -> Vec<Bytes> {
    let mut all = Vec::with_capacity(stitched.total());
    stitched.append_to(&mut all);
    let mut all = Bytes::from(all);
    stitched.sizes().map(|size| all.split_to(size as usize)).collect()
}

/// Coarse noise, moved from frame to frame in a direction of the tile's own.
pub(super) fn noise(TilePicture { tile, frame: n, width, height }: TilePicture) -> Option<Picture> {
    // Fast enough to reach over the edge from one picture to the next.
    const STEPS: [(i64, i64); 4] = [(23, 0), (-23, 7), (0, 19), (9, -21)];
    let (dx, dy) = STEPS[tile % STEPS.len()];
    let seed = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(tile as u64 + 1);
    let value = |x: i64, y: i64| {
        let cell = ((x.div_euclid(3) as u64) << 32) ^ (y.div_euclid(3) as u64 & 0xffff_ffff);
        let mixed = (cell ^ seed).wrapping_mul(0xff51_afd7_ed55_8ccd);
        ((mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53) >> 56) as u8
    };
    let planes = [0, 1, 2].map(|plane| {
        let halves = if plane == 0 { 1 } else { 2 };
        let moved = |at: u32, step: i64| i64::from(at) + step * n as i64 / i64::from(halves);
        let row = |y: u32| (0..width / halves).map(move |x| value(moved(x, dx) + i64::from(plane * 911), moved(y, dy)));
        (0..height / halves).flat_map(row).collect()
    });
    Picture::from_planes(width, height, Colour::CANVAS, planes)
}

/// Samples of `tile` that are others where it stands on `mosaic`, of which some below and at the right are cropped.
fn differing(mosaic: &Picture, tile: &Picture, place: Place) -> usize {
    let differing_rows = |plane: usize| {
        let halves = if plane == 0 { 1 } else { 2 };
        let (x, y) = ((place.x_mb * MACROBLOCK / halves) as usize, (place.y_mb * MACROBLOCK / halves) as usize);
        let ((seen_width, seen_height), (width, height)) = (mosaic.plane_size(plane), tile.plane_size(plane));
        let (width, height) = (seen_width.saturating_sub(x).min(width), seen_height.saturating_sub(y).min(height));
        (0..height)
            .map(|row| {
                let here = &mosaic.row(plane, y + row)[x..x + width];
                here.iter().zip(tile.row(plane, row)).filter(|(a, b)| a != b).count()
            })
            .sum::<usize>()
    };
    (0..3).map(differing_rows).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ladder::{RenditionSpec, VideoCodec};
    use crate::mosaic::opening::open_ladder;

    #[test]
    fn this_machine_s_encoder_is_fit_to_be_stitched() {
        let grid = Grid::new("30".parse().unwrap(), 60);
        let rendition = RenditionSpec {
            name: "540p".into(),
            width: 960,
            height: 540,
            bitrate_bps: 1_600_000,
            codec: VideoCodec::H264,
        };
        let rungs = open_ladder(grid, &[rendition], "veryfast", 10, Some(&Layouts::bundled())).unwrap();
        self_test(&rungs, grid, "veryfast").unwrap();
    }
}
