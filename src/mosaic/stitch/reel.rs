//! Reels: pictures that are known beforehand, encoded once at a tile's size and put down wherever they are to show. Every segment is a closed group of
//! pictures, so segment `k` of a reel can be any segment of the grid: only the number that tells neighbouring IDR pictures apart is written anew.

use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use sha2::{Digest as _, Sha256};

use super::card::CardMaker;
use super::plans::{SlicedRung, TileSize};
use super::stills::{Stills, idr_pic_id};
use super::{StitchSettings, StitchUnsafe};
use crate::compositor::{Canvas, Draw, draw_now, fit};
use crate::encode::{PictureEncoder, VideoEncodeError};
use crate::frame::{AccessUnit, Picture};
use crate::ladder::VideoSettings;
use crate::stitch::{StitchError, TileBlock};
use crate::timeline::{FrameNumber, Grid};
use crate::track::{Block, EncodingShared, Position, TileName};

/// Why there is no reel, or no block of it.
#[derive(Debug, thiserror::Error)]
pub enum ReelError {
    #[error("there is no rendition {0:?} to encode for")]
    Rung(String),
    #[error(transparent)]
    Encode(#[from] VideoEncodeError),
    #[error("its encoder has other parameter sets: {0}")]
    Sets(StitchError),
    #[error(transparent)]
    Stitch(#[from] StitchError),
    #[error("{0}")]
    Still(String),
    #[error("a picture cannot be drawn")]
    Drawing,
    #[error("it has no segment {0}")]
    Segment(usize),
    #[error("its encoder made {got} pictures of {expected}")]
    Count { got: usize, expected: usize },
}

/// Access units of whole segments, in the order of coding. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Reel {
    /// Of one segment after the other.
    units: Arc<[Bytes]>,
    segment_frames: usize,
    bytes: usize,
}

impl Reel {
    /// Segments that it lasts.
    pub fn segments(&self) -> usize {
        self.units.len() / self.segment_frames.max(1)
    }

    /// Memory it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How it lies on a disk: units with their lengths (32 bits, big-endian) in front.
    pub fn to_bytes(&self) -> Vec<u8> {
        bytes_of_units(&self.units)
    }
}

/// Access units with their lengths (32 bits, big-endian) in front.
pub(super) fn bytes_of_units(units: &[Bytes]) -> Vec<u8> {
    let mut out = Vec::with_capacity(units.iter().map(|unit| unit.len() + 4).sum());
    for unit in units {
        // Those of an encoder are shorter by far.
        out.extend_from_slice(&u32::try_from(unit.len()).unwrap_or(u32::MAX).to_be_bytes());
        out.extend_from_slice(unit);
    }
    out
}

/// Those that [`bytes_of_units`] wrote; `None`: these are not whole ones.
pub(super) fn units_of_bytes(mut bytes: Bytes) -> Option<Vec<Bytes>> {
    let mut units = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok().filter(|length| *length <= rest.len())?;
        units.push(Bytes::copy_from_slice(&rest[..length]));
        bytes.advance(4 + length);
    }
    Some(units)
}

/// A picture that stands still: the first block of a segment of it, by the parity of the segment's number.
#[derive(Clone, Debug)]
pub struct StillReel([Arc<TileBlock>; 2]);

/// Makes reels for the tiles of a ladder.
pub struct ReelMaker {
    grid: Grid,
    rungs: Arc<Vec<SlicedRung>>,
    stills: Stills,
    shared: Arc<EncodingShared>,
    preset: String,
}

/// A reel in the making.
pub struct ReelWriter {
    encoder: Box<dyn PictureEncoder>,
    grid: Grid,
    size: (u32, u32),
    tile: TileName,
    /// Grid frames from 0 on: which segments they will be does not matter yet.
    next: FrameNumber,
    last: Option<Picture>,
    units: Vec<AccessUnit>,
}

impl ReelMaker {
    /// With the encoders and the ladder of the engine that is made with `settings`.
    ///
    /// # Errors
    /// Where that ladder cannot be stitched.
    pub fn new(settings: &StitchSettings) -> Result<Self, StitchUnsafe> {
        let rungs = settings.rungs.iter().map(SlicedRung::new).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            grid: settings.grid,
            rungs: Arc::new(rungs),
            stills: Stills::new(settings.grid),
            shared: settings.shared.clone(),
            preset: settings.tile_preset.clone(),
        })
    }

    pub fn grid(&self) -> Grid {
        self.grid
    }

    /// Begins a reel for `tile`, whichever game that names.
    ///
    /// # Errors
    /// [`ReelError`].
    pub fn open(&self, tile: &TileName) -> Result<ReelWriter, ReelError> {
        let (_, rung, size) = self.place(tile)?;
        let settings = rung.tile_settings(size, self.grid, &self.preset);
        let VideoSettings { width, height, .. } = settings;
        let encoder = self.shared.encoders().open(&settings)?;
        rung.accepts(encoder.parameter_sets()).map_err(ReelError::Sets)?;
        let (grid, tile) = (self.grid, tile.clone());
        Ok(ReelWriter { encoder, grid, size: (width, height), tile, next: 0, last: None, units: Vec::new() })
    }

    /// The reel that [`Reel::to_bytes`] made, of the same grid; `None`: these are not whole segments of one.
    pub fn reel(&self, bytes: Bytes) -> Option<Reel> {
        let segment_frames = self.grid.segment_frames() as usize;
        let units = units_of_bytes(bytes)?;
        let bytes = units.iter().map(Bytes::len).sum();
        let is_whole = units.len().is_multiple_of(segment_frames.max(1));
        is_whole.then(|| Reel { units: units.into(), segment_frames, bytes })
    }

    /// What decides whether a reel that another process made can be put down in the track of `tile`, as 40 hexadecimal digits: whatever it is encoded with
    /// but what only decides how well.
    ///
    /// # Errors
    /// [`ReelError::Rung`].
    pub fn fingerprint(&self, tile: &TileName) -> Result<String, ReelError> {
        let (_, rung, size) = self.place(tile)?;
        // What was measured on this machine, as presets are, is no part of it.
        let settings = rung.tile_settings(size, self.grid, "");
        let of_any_game = TileName { game: "".into(), ..tile.clone() };
        let all = format!("{} {:?}", env!("CARGO_PKG_VERSION"), (settings, &rung.sets, of_any_game));
        Ok(hex::encode(&Sha256::digest(all)[..20]))
    }

    /// A picture that stands still, for `tile`.
    ///
    /// # Errors
    /// [`ReelError`].
    pub fn still(&self, tile: &TileName, face: &Picture) -> Result<StillReel, ReelError> {
        let (rendition, rung, size) = self.place(tile)?;
        let VideoSettings { width, height, .. } = rung.tile_settings(size, self.grid, &self.preset);
        let picture = drawn(tile, (width, height), face)?;
        let maker = CardMaker {
            grid: self.grid,
            rungs: &self.rungs,
            stills: &self.stills,
            encoders: self.shared.encoders(),
            preset: &self.preset,
        };
        let made = maker.encoded(rendition, size, tile.colour, &picture);
        made.map(StillReel).map_err(|error| ReelError::Still(error.to_string()))
    }

    /// Part `at` of segment `nth` of `reel`, as it is put down in the track of `tile`.
    ///
    /// # Errors
    /// [`ReelError`].
    pub fn block(&self, tile: &TileName, reel: &Reel, nth: usize, at: Position) -> Result<Block, ReelError> {
        let (_, rung, size) = self.place(tile)?;
        let first = nth * reel.segment_frames;
        let units = reel.units.get(first..first + reel.segment_frames).ok_or(ReelError::Segment(nth))?;
        let (units, gop) = (&units[self.grid.part_pictures(at.part)], self.grid.part_gop(at.part));
        let block = TileBlock::index(&rung.format, size.shape(), idr_pic_id(at.segment), units, &gop, None)?;
        Ok(Block::Tile(Arc::new(block)))
    }

    /// Part `at` of a segment that shows `still`, likewise.
    ///
    /// # Errors
    /// [`ReelError`].
    pub fn still_block(&self, tile: &TileName, still: &StillReel, at: Position) -> Result<Block, ReelError> {
        if at.part == 0 {
            return Ok(Block::Tile(still.0[usize::from(idr_pic_id(at.segment))].clone()));
        }
        let (rendition, _, size) = self.place(tile)?;
        let (rungs, colour) = (&self.rungs, tile.colour);
        Ok(Block::Tile(match size.whole {
            true => self.stills.whole(rungs, rendition, colour, at)?,
            // One row can stand anywhere and at any height.
            false => self.stills.of(rungs, rendition, size.width_mbs, colour, at)?,
        }))
    }

    fn place(&self, tile: &TileName) -> Result<(usize, &SlicedRung, TileSize), ReelError> {
        let named = |rung: &&SlicedRung| *rung.spec.name == *tile.rung;
        let rendition = self.rungs.iter().position(|rung| named(&rung));
        let rendition = rendition.ok_or_else(|| ReelError::Rung(tile.rung.to_string()))?;
        let TileName { width_mbs, height_mbs, inside, whole, .. } = *tile;
        Ok((rendition, &self.rungs[rendition], TileSize { width_mbs, height_mbs, inside, whole }))
    }
}

impl ReelWriter {
    /// The next picture, of the grid's rate. May take as long as an encoder does.
    ///
    /// # Errors
    /// [`ReelError`].
    pub fn push(&mut self, picture: &Picture) -> Result<(), ReelError> {
        let drawn = drawn(&self.tile, self.size, picture)?;
        self.encode(&drawn)?;
        self.last = Some(drawn);
        Ok(())
    }

    fn encode(&mut self, drawn: &Picture) -> Result<(), ReelError> {
        self.units.extend(self.encoder.encode(drawn, self.next)?);
        self.next += 1;
        Ok(())
    }

    /// The reel: the last picture stands until its segment is over.
    ///
    /// # Errors
    /// [`ReelError`].
    pub fn finish(mut self) -> Result<Reel, ReelError> {
        let segment_frames = self.grid.segment_frames();
        while let Some(last) = self.last.take().filter(|_| !self.next.is_multiple_of(u64::from(segment_frames))) {
            self.encode(&last)?;
            self.last = Some(last);
        }
        while let Some(unit) = self.encoder.drain()? {
            self.units.push(unit);
        }
        let (got, expected) = (self.units.len(), usize::try_from(self.next).unwrap_or(usize::MAX));
        if got != expected {
            return Err(ReelError::Count { got, expected });
        }
        // In a buffer of its own each: what an encoder gives may be a view of a larger one.
        let units: Arc<[Bytes]> = self.units.iter().map(|unit| Bytes::copy_from_slice(&unit.data)).collect();
        let bytes = units.iter().map(Bytes::len).sum();
        Ok(Reel { units, segment_frames: segment_frames as usize, bytes })
    }
}

/// `picture` as a tile shows it.
fn drawn(tile: &TileName, (width, height): (u32, u32), picture: &Picture) -> Result<Picture, ReelError> {
    let rect = fit(picture.width, picture.height, picture.pixel_aspect, tile.inside);
    let draws = vec![Draw { picture: picture.clone(), rect }];
    draw_now(&Canvas { width, height, background: tile.colour, draws }).ok_or(ReelError::Drawing)
}

#[cfg(test)]
mod tests {
    use super::super::plans::{LayoutPlan, Plans};
    use super::super::tile::TileKey;
    use super::*;
    use crate::encode::{Decoder, decode};
    use crate::frame::{Colour, Rect};
    use crate::layout::Layouts;
    use crate::mosaic::opening::open_ladder;
    use crate::mosaic::testing::renditions;
    use crate::stitch::Stitched;
    use crate::timeline::{MediaTime, SegmentNumber, SimulatedClock};
    use crate::track::{MemoryShelf, TrackName};

    fn grid() -> Grid {
        Grid::new("30".parse().unwrap(), 6).with_part_frames(4)
    }

    /// A bright bar on grey that moves with the number of the picture.
    fn picture(n: usize) -> Picture {
        let (width, height) = (320, 180);
        let bar = 8 + 16 * n..24 + 16 * n;
        let luma = |at: usize| if bar.contains(&(at % width)) { 200 } else { 60 };
        let planes =
            [(0..width * height).map(luma).collect(), vec![128; width * height / 4], vec![128; width * height / 4]];
        Picture::from_planes(320, 180, Colour::CANVAS, planes).unwrap()
    }

    fn maker(layouts: &Layouts) -> (ReelMaker, Arc<Vec<SlicedRung>>) {
        let rungs = open_ladder(grid(), &renditions(), "veryfast", 10, Some(layouts)).unwrap();
        let rungs: Arc<Vec<SlicedRung>> = Arc::new(rungs.iter().map(|rung| SlicedRung::new(rung).unwrap()).collect());
        let clock = Arc::new(SimulatedClock::new(MediaTime::from_millis(0)));
        let shelf = Arc::new(MemoryShelf::new(grid(), 4));
        let metrics = Arc::new(crate::metrics::Metrics::new().unwrap());
        let shared = Arc::new(EncodingShared::new(clock, metrics, shelf));
        let maker = ReelMaker {
            grid: grid(),
            rungs: rungs.clone(),
            stills: Stills::new(grid()),
            shared,
            preset: "veryfast".into(),
        };
        (maker, rungs)
    }

    fn tile(rungs: &[SlicedRung], plan: &LayoutPlan, colour: [u8; 3]) -> TileName {
        let key = TileKey { game: "~acme/ad".into(), rendition: 0, size: plan.tiles[0].0, colour, over: None };
        match key.track_name(&rungs[0].spec.name) {
            TrackName::Tile(tile) => tile,
            other => panic!("{other:?}"),
        }
    }

    /// Where the bar is in each picture of a segment of which the first slot has `blocks`; the other slots show nothing.
    fn bars(
        maker: &ReelMaker,
        plan: &LayoutPlan,
        colour: [u8; 3],
        segment: SegmentNumber,
        blocks: impl Fn(Position) -> Block,
    ) -> Vec<Option<u32>> {
        let mut units = Vec::new();
        for part in 0..grid().parts() {
            let at = Position::new(segment, part);
            let row = |width_mbs| maker.stills.of(&maker.rungs, 0, width_mbs, colour, at).unwrap();
            let (size, place) = &plan.tiles[0];
            let Block::Tile(first) = blocks(at) else { panic!("it is a tile's") };
            let mut inputs = vec![first.placed(place.x_mb, place.y_mb, place.height_mbs).unwrap()];
            assert_eq!(first.shape().width_mbs, size.width_mbs);
            let rest = plan.tiles[1..].iter().map(|(_, place)| place).chain(plan.plan.fillers());
            inputs.extend(rest.map(|to| row(to.width_mbs).placed(to.x_mb, to.y_mb, to.height_mbs).unwrap()));
            let stitched = Stitched::new(&plan.plan, inputs).unwrap();
            let mut bytes = Vec::new();
            stitched.append_to(&mut bytes);
            let mut bytes = Bytes::from(bytes);
            units.extend(stitched.sizes().map(|size| bytes.split_to(size as usize)));
        }
        let shown = decode(Decoder::Ffmpeg, &maker.rungs[0].sets, &units).unwrap();
        let (size, place) = plan.tiles[0];
        let inside = fit(320, 180, (1, 1), size.inside);
        let Rect { x, y, width, height } = inside;
        let (left, row) = (x + place.x_mb * 16, y + place.y_mb * 16 + height / 2);
        let bar = |picture: &Picture| {
            let row = &picture.row(0, row as usize)[left as usize..(left + width) as usize];
            let bright: Vec<usize> = (0..row.len()).filter(|at| row[*at] > 130).collect();
            let middle = (bright.first()? + bright.last()?) as u32 / 2;
            Some((middle * 320 / width).saturating_sub(8) / 16)
        };
        shown.iter().map(bar).collect()
    }

    #[test]
    fn a_reel_shows_its_pictures_wherever_it_is_put_down_and_its_last_one_to_the_end() {
        let layouts = Layouts::bundled();
        let (maker, rungs) = maker(&layouts);
        for id in ["2EH", "1"] {
            let layout = layouts.get(id).unwrap();
            let plans = Plans::new().of(&layout, &rungs).unwrap();
            let tile = tile(&rungs, &plans[0], layout.background);
            let mut writer = maker.open(&tile).unwrap();
            (0..9).for_each(|n| writer.push(&picture(n)).unwrap());
            let reel = writer.finish().unwrap();
            assert_eq!((reel.segments(), reel.bytes() > 500), (2, true));
            for segment in [70, 71] {
                let of = |nth| {
                    let block = |at| maker.block(&tile, &reel, nth, at).unwrap();
                    bars(&maker, &plans[0], layout.background, segment, block)
                };
                assert_eq!(of(0), (0..6).map(Some).collect::<Vec<_>>(), "{id} {segment}");
                assert_eq!(of(1), [6, 7, 8, 8, 8, 8].map(Some), "{id} {segment}");
            }
            // As it lies on a disk it is the same; cut short it is none.
            let lies = Bytes::from(reel.to_bytes());
            let again = maker.reel(lies.clone()).unwrap();
            assert_eq!((&again.units, again.bytes()), (&reel.units, reel.bytes()));
            for cut in [1, 3, 4, lies.len() / 2, lies.len() - 1] {
                assert!(maker.reel(lies.slice(..cut)).is_none(), "{cut}");
            }
            assert!(matches!(maker.block(&tile, &reel, 2, Position::new(7, 0)), Err(ReelError::Segment(2))));
            let still = maker.still(&tile, &picture(5)).unwrap();
            for segment in [70, 71] {
                let block = |at| maker.still_block(&tile, &still, at).unwrap();
                assert_eq!(bars(&maker, &plans[0], layout.background, segment, block), [Some(5); 6], "{id}");
            }
        }
        // What a reel fits is told by its size and place, and not by the game.
        let of = |id: &str| {
            let layout = layouts.get(id).unwrap();
            tile(&rungs, &Plans::new().of(&layout, &rungs).unwrap()[0], layout.background)
        };
        let print = |tile: &TileName| maker.fingerprint(tile).unwrap();
        let half = of("2EH");
        assert_eq!(print(&half), print(&TileName { game: "~acme/other".into(), ..half.clone() }));
        assert!(print(&half) != print(&of("1")) && print(&half) != print(&TileName { colour: [1; 3], ..half.clone() }));
        // One that nothing was put in is none, and a tile of another ladder has none.
        let layout = layouts.get("1").unwrap();
        let plans = Plans::new().of(&layout, &rungs).unwrap();
        let whole = tile(&rungs, &plans[0], layout.background);
        assert_eq!(maker.open(&whole).unwrap().finish().unwrap().segments(), 0);
        let other = TileName { rung: "8k".into(), ..whole };
        assert!(matches!(maker.open(&other).err(), Some(ReelError::Rung(rung)) if rung == "8k"));
    }
}
