//! Bridges: a session's segment that begins as one mosaic's and goes on as another's, whichever engines make them. What both show in
//! the same place goes on as it is; of everything else see [`TileBlock::bridged`].

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use super::art::{ArtKey, ArtTiles};
use super::over;
use super::plans::{Plans, SlicedRung, TileSize};
use super::stills::{Stills, idr_pic_id};
use super::tile::TileKey;
use crate::frame::AccessUnit;
use crate::mosaic::engine::{Coded, Crossing, Side};
use crate::mosaic::spec::EngineKind;
use crate::stitch::{Place, Plan, Slices, StitchError, Stitched, TileBlock, TileShape};
use crate::timeline::{GopPicture, Grid, PartNumber, PictureKind};
use crate::track::{Block, Position};

/// What lies in a place of the canvas, to know it again in another mosaic.
#[derive(PartialEq, Eq)]
enum Content {
    Tile(TileKey),
    Art(ArtKey),
    Background([u8; 3]),
    /// A canvas that was drawn for its mosaic alone.
    Canvas,
}

/// A place of the canvas, with what there is of it: its blocks from part 0 on.
struct Input {
    content: Content,
    place: Place,
    shape: TileShape,
    parts: Vec<Arc<TileBlock>>,
}

/// A mosaic, ready to be put together.
struct Scene {
    plan: Arc<Plan>,
    inputs: Vec<Input>,
}

/// What bridges are made with.
pub(super) struct Bridges<'a> {
    pub grid: Grid,
    pub rungs: &'a [SlicedRung],
    pub plans: &'a Plans,
    pub stills: &'a Stills,
    pub art: &'a ArtTiles,
}

impl Bridges<'_> {
    /// The pictures of part `at` of a bridge, which is none before the one that it goes over in.
    pub fn bridged(&self, rendition: usize, at: Position, crossing: &Crossing<'_>) -> Result<Coded, StitchError> {
        let Crossing { begins, from, to } = crossing;
        let pictures = self.grid.part_pictures(at.part);
        let anchor = self.grid.anchor_of(*begins).ok_or(StitchError::Hold { why: "no reference picture is in it" })?;
        let (from, to) = (self.scene(rendition, at, from)?, self.scene(rendition, at, to)?);
        let goes_over = pictures.start.max(anchor);
        let mut units = Vec::with_capacity(pictures.len());
        if pictures.start < goes_over {
            let run = 0..goes_over - pictures.start;
            let placed = from.inputs.iter().map(|input| {
                let Place { x_mb, y_mb, height_mbs, .. } = input.place;
                input.part(at.part)?.cut(run.clone(), false)?.placed(x_mb, y_mb, height_mbs)
            });
            self.append(&mut units, at, pictures.start, &Stitched::new(&from.plan, placed.collect::<Result<_, _>>()?)?);
        }
        let run = goes_over..pictures.end;
        let placed = to.inputs.iter().map(|input| {
            let Place { x_mb, y_mb, height_mbs, .. } = input.place;
            let same = |other: &&Input| other.content == input.content && other.place == input.place;
            let block = match from.inputs.iter().find(same).filter(|_| input.content != Content::Canvas) {
                Some(goes_on) => {
                    let within = run.start - pictures.start..run.end - pictures.start;
                    goes_on.part(at.part)?.cut(within, goes_over == anchor)?
                }
                None => TileBlock::bridged(&self.grid.gop(), run.clone(), anchor, input.shape, &input.parts)?,
            };
            block.placed(x_mb, y_mb, height_mbs)
        });
        self.append(&mut units, at, run.start, &Stitched::new(&to.plan, placed.collect::<Result<_, _>>()?)?);
        Ok(Coded::Units(units.into()))
    }

    /// Takes `stitched` apart into access units, the first of which is picture `first` of its segment in the order of coding.
    fn append(&self, units: &mut Vec<AccessUnit>, at: Position, first: usize, stitched: &Stitched) {
        let mut bytes = Vec::with_capacity(stitched.total());
        stitched.append_to(&mut bytes);
        let mut bytes = Bytes::from(bytes);
        let gop = self.grid.gop();
        let begins = self.grid.first_frame(at.segment);
        let unit = |(picture, size): (&GopPicture, u32)| AccessUnit {
            frame: begins + u64::from(picture.shown),
            sync: picture.kind == PictureKind::Idr,
            data: bytes.split_to(size as usize),
        };
        units.extend(gop.pictures()[first..].iter().zip(stitched.sizes()).map(unit));
    }

    /// What a side shows in the parts up to `at`'s.
    fn scene(&self, rendition: usize, at: Position, side: &Side<'_>) -> Result<Scene, StitchError> {
        let rung = self.rungs.get(rendition).ok_or(StitchError::InputCount { got: 0, expected: 1 })?;
        match side.engine {
            EngineKind::Render => self.canvas(rung, at, side),
            EngineKind::Stitch => self.tiles(rendition, at, side),
        }
    }

    fn canvas(&self, rung: &SlicedRung, at: Position, side: &Side<'_>) -> Result<Scene, StitchError> {
        let (width_mbs, height_mbs) = (rung.format.width_mbs(), rung.format.height_mbs());
        let place = Place { x_mb: 0, y_mb: 0, width_mbs, height_mbs };
        let shape = TileShape { width_mbs, height_mbs, slices: Slices::Whole };
        let mut parts = Vec::new();
        for (part, block) in parts_to(at).zip(side.blocks.first().into_iter().flatten()) {
            let Block::Pictures(units) = block else { continue };
            let units: Vec<Bytes> = units.iter().map(|unit| unit.data.clone()).collect();
            let gop = self.grid.part_gop(part);
            parts.push(Arc::new(TileBlock::index(&rung.format, shape, idr_pic_id(at.segment), &units, &gop, None)?));
        }
        let plan = Arc::new(Plan::new(&rung.format, &[place], Slices::Whole, u32::MAX)?);
        Ok(Scene { plan, inputs: vec![Input { content: Content::Canvas, place, shape, parts }] })
    }

    fn tiles(&self, rendition: usize, at: Position, side: &Side<'_>) -> Result<Scene, StitchError> {
        let plans = self.plans.of(&side.spec.layout, self.rungs);
        let plan = plans.as_ref().and_then(|plans| plans.get(rendition));
        let plan = plan.ok_or(StitchError::InputCount { got: 0, expected: side.blocks.len() })?;
        let colour = side.spec.layout.background;
        let mut inputs = Vec::with_capacity(plan.plan.inputs().len());
        let rung = self.rungs.get(rendition).ok_or(StitchError::InputCount { got: 0, expected: side.blocks.len() })?;
        let keys = over::keys(side.spec, rendition, plan, rung);
        for ((key, (size, place)), blocks) in keys.into_iter().zip(&plan.tiles).zip(side.blocks) {
            let (size, place): (TileSize, Place) = (*size, *place);
            let tile = |block: &Block| if let Block::Tile(tile) = block { Some(tile.clone()) } else { None };
            let parts = blocks.iter().zip(parts_to(at)).filter_map(|(block, _)| tile(block)).collect();
            inputs.push(Input { content: Content::Tile(key), place, shape: size.shape(), parts });
        }
        for (key, place) in self.art.keys(side.spec, rendition, plan) {
            let block = |part| self.art.block(&key, Position { part, ..at });
            let parts = parts_to(at).map(block).collect::<Result<Vec<_>, _>>()?;
            let shape = key.size.shape();
            inputs.push(Input { content: Content::Art(key), place, shape, parts });
        }
        for place in plan.plan.fillers() {
            let still = |part| self.stills.of(self.rungs, rendition, place.width_mbs, colour, Position { part, ..at });
            let parts = parts_to(at).map(still).collect::<Result<Vec<_>, _>>()?;
            let shape = TileShape { width_mbs: place.width_mbs, height_mbs: 1, slices: Slices::PerRow };
            inputs.push(Input { content: Content::Background(colour), place: *place, shape, parts });
        }
        Ok(Scene { plan: plan.plan.clone(), inputs })
    }
}

impl Input {
    fn part(&self, part: PartNumber) -> Result<&TileBlock, StitchError> {
        let missing = StitchError::UnitCount { got: self.parts.len(), expected: part as usize + 1 };
        self.parts.get(part as usize).map(|block| &**block).ok_or(missing)
    }
}

/// The parts of a segment up to `at`'s.
fn parts_to(at: Position) -> Range<PartNumber> {
    0..at.part + 1
}

#[cfg(test)]
mod tests {
    use super::super::self_test::noise;
    use super::super::{TilePicture, plans::LayoutPlan};
    use super::*;
    use crate::assets::testing::png;
    use crate::assets::{AssetLimits, Assets};
    use crate::encode::{Decoder, VideoEncoder, decode};
    use crate::frame::Picture;
    use crate::layout::Layouts;
    use crate::mosaic::opening::open_ladder;
    use crate::mosaic::spec::MosaicSpec;
    use crate::mosaic::testing::renditions;

    /// Twenty pictures in six parts, the last of which ends the pattern early.
    fn grid() -> Grid {
        Grid::new("30".parse().unwrap(), 20).with_part_frames(4)
    }

    struct House {
        rungs: Arc<Vec<SlicedRung>>,
        plans: Plans,
        stills: Arc<Stills>,
        art: ArtTiles,
    }

    impl House {
        fn new() -> Self {
            Self::showing(Assets::none())
        }

        fn showing(assets: Arc<Assets>) -> Self {
            let rungs = open_ladder(grid(), &renditions(), "veryfast", 10, Some(&Layouts::bundled())).unwrap();
            let rungs: Arc<Vec<_>> = Arc::new(rungs.iter().map(|rung| SlicedRung::new(rung).unwrap()).collect());
            let stills = Arc::new(Stills::new(grid()));
            let art = ArtTiles::alone(grid(), assets, rungs.clone(), stills.clone());
            Self { rungs, plans: Plans::new(), stills, art }
        }

        fn bridges(&self) -> Bridges<'_> {
            Bridges { grid: grid(), rungs: &self.rungs, plans: &self.plans, stills: &self.stills, art: &self.art }
        }

        fn spec(&self, layout: &str, games: &[&str]) -> MosaicSpec {
            let layout = Layouts::bundled().get(layout).unwrap();
            MosaicSpec { layout, games: games.iter().map(|game| (*game).into()).collect(), art: Vec::new() }
        }

        fn plan(&self, spec: &MosaicSpec) -> (Arc<[LayoutPlan]>, usize) {
            (self.plans.of(&spec.layout, &self.rungs).unwrap(), spec.games.len())
        }

        /// A segment by libx264, one access unit a picture: what moves is told by the game's name.
        fn encoded(&self, game: &str, size: Option<TileSize>) -> Vec<AccessUnit> {
            let rung = &self.rungs[0];
            let settings = match size {
                Some(size) => rung.tile_settings(size, grid(), "veryfast"),
                None => rung.settings.clone(),
            };
            let mut encoder = VideoEncoder::new(&settings).unwrap();
            let tile = game.bytes().map(usize::from).sum();
            let mut units = Vec::new();
            for frame in 0..u64::from(grid().segment_frames()) {
                let picture = TilePicture { tile, frame, width: settings.width, height: settings.height };
                units.extend(encoder.encode(&noise(picture).unwrap(), frame).unwrap());
            }
            units.extend(std::iter::from_fn(|| encoder.drain().unwrap()));
            units
        }

        /// Of each of the mosaic's tracks, its blocks.
        fn blocks(&self, engine: EngineKind, spec: &MosaicSpec) -> Vec<Vec<Block>> {
            let parts = |units: &[AccessUnit], block: &dyn Fn(PartNumber, &[AccessUnit]) -> Block| {
                (0..grid().parts()).map(|part| block(part, &units[grid().part_pictures(part)])).collect()
            };
            if engine == EngineKind::Render {
                return vec![parts(&self.encoded(&spec.games[0], None), &|_, units| Block::Pictures(units.into()))];
            }
            let (plans, _) = self.plan(spec);
            let tiles = plans[0].tiles.iter().zip(&spec.games);
            let of_tile = |((size, _), game): (&(TileSize, Place), &crate::mosaic::GameKey)| {
                let format = &self.rungs[0].format;
                parts(&self.encoded(game, Some(*size)), &|part, units| {
                    let data: Vec<Bytes> = units.iter().map(|unit| unit.data.clone()).collect();
                    let block = TileBlock::index(format, size.shape(), 1, &data, &grid().part_gop(part), None);
                    Block::Tile(Arc::new(block.unwrap()))
                })
            };
            tiles.map(of_tile).collect()
        }
    }

    /// A bridge from one mosaic to another, decoded, and what each of the two decodes to by itself.
    struct Seen {
        from: Vec<Picture>,
        to: Vec<Picture>,
        seen: Vec<Picture>,
        /// The frame of the anchor.
        anchor: usize,
    }

    /// A segment number of the parity that blocks are indexed with.
    const SEGMENT: u64 = 1;

    fn cross(
        house: &House,
        decoder: Decoder,
        from: (EngineKind, &MosaicSpec),
        to: (EngineKind, &MosaicSpec),
        begins: PartNumber,
    ) -> Seen {
        let bridges = house.bridges();
        let blocks = [from, to].map(|(engine, spec)| house.blocks(engine, spec));
        let [before, after] =
            [(from, &blocks[0]), (to, &blocks[1])].map(|((engine, spec), blocks)| Side { engine, spec, blocks });
        let whole = |side: &Side<'_>, parts: Range<PartNumber>| -> Vec<Bytes> {
            let mut units = Vec::new();
            for at in parts.map(|part| Position::new(SEGMENT, part)) {
                let scene = bridges.scene(0, at, side).unwrap();
                let placed = scene.inputs.iter().map(|input| {
                    let Place { x_mb, y_mb, height_mbs, .. } = input.place;
                    input.part(at.part).unwrap().placed(x_mb, y_mb, height_mbs).unwrap()
                });
                let stitched = Stitched::new(&scene.plan, placed.collect()).unwrap();
                bridges.append(&mut units, at, grid().part_pictures(at.part).start, &stitched);
            }
            units.into_iter().map(|unit: AccessUnit| unit.data).collect()
        };
        let sets = &house.rungs[0].sets;
        let decoded = |units: &[Bytes]| decode(decoder, sets, units).unwrap();
        let [from_whole, to_whole] = [&before, &after].map(|side| decoded(&whole(side, 0..grid().parts())));
        let mut units = whole(&before, 0..begins);
        let crossing = Crossing { begins, from: before, to: after };
        for part in begins..grid().parts() {
            let coded = bridges.bridged(0, Position::new(SEGMENT, part), &crossing).unwrap();
            let Coded::Units(made) = coded else { panic!("a bridge is access units") };
            units.extend(made.iter().map(|unit| unit.data.clone()));
        }
        Seen {
            from: from_whole,
            to: to_whole,
            seen: decoded(&units),
            anchor: grid().gop().pictures()[grid().anchor_of(begins).unwrap()].shown as usize,
        }
    }

    /// Whether `a` and `b` have the same samples within the place, which all of the canvas has.
    fn equal(a: &Picture, b: &Picture, place: Option<Place>) -> bool {
        (0..3).all(|plane| {
            let (width, height) = a.plane_size(plane);
            let halves = if plane == 0 { 1 } else { 2 };
            let at = |mbs: u32| (mbs * 16 / halves) as usize;
            let (x, y) = place.map_or((0..width, 0..height), |place| {
                let right = at(place.x_mb + place.width_mbs).min(width);
                (at(place.x_mb)..right, at(place.y_mb)..at(place.y_mb + place.height_mbs).min(height))
            });
            y.into_iter().all(|row| a.row(plane, row)[x.clone()] == b.row(plane, row)[x.clone()])
        })
    }

    /// Who comes in plays its segment from the beginning.
    fn assert_goes_over(crossing: &Seen, place: Option<Place>) {
        let Seen { from, to, seen, anchor } = crossing;
        assert_eq!((seen.len(), from.len(), to.len()), (20, 20, 20));
        for (frame, picture) in seen.iter().enumerate() {
            // The pattern's last two pictures stand; those between the one before the anchor and the anchor fade.
            let source = frame.checked_sub(*anchor).map(|late| if frame > 18 { 18 - anchor } else { late });
            match source {
                None if frame + 3 <= *anchor => {
                    assert!(equal(picture, &from[frame], place), "frame {frame} is the old one")
                }
                None => assert!(!equal(picture, &from[frame], place), "frame {frame} fades"),
                Some(source) => assert!(equal(picture, &to[source], place), "frame {frame} is the new one's {source}"),
            }
        }
    }

    #[test]
    fn a_game_that_comes_into_a_slot_plays_from_its_segment_s_first_picture_and_the_others_go_on() {
        let house = House::new();
        let (from, to) = (house.spec("4E", &["a", "b", "c", "d"]), house.spec("4E", &["a", "e", "c", "d"]));
        let (plans, slots) = house.plan(&from);
        for decoder in [Decoder::Ffmpeg, Decoder::OpenH264] {
            for begins in 1..5 {
                let crossing = cross(&house, decoder, (EngineKind::Stitch, &from), (EngineKind::Stitch, &to), begins);
                for slot in 0..slots {
                    let place = plans[0].tiles[slot].1;
                    if slot == 1 {
                        assert_goes_over(&crossing, Some(place));
                    } else {
                        let same = |(a, b): (&Picture, &Picture)| equal(a, b, Some(place));
                        assert!(crossing.seen.iter().zip(&crossing.from).all(same), "slot {slot}");
                    }
                }
            }
        }
    }

    #[test]
    fn art_comes_into_its_slot_like_a_game_and_goes_on_where_it_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let assets = Assets::open(dir.path().to_owned(), AssetLimits::default()).unwrap();
        let [red, blue] = [[200, 30, 30], [30, 30, 200]].map(|rgb| {
            let striped = |x: u32, _| if (x / 40).is_multiple_of(2) { rgb } else { [90, 90, 90] };
            Some(assets.add("acme", &png(960, 108, striped), None).unwrap().0.id)
        });
        let house = House::showing(assets);
        let spec = |game: &str, art| MosaicSpec { art: vec![art], ..house.spec("1B", &[game]) };
        let (plans, _) = house.plan(&spec("a", red));
        let [game, banner] = [0, 1].map(|slot| Some(plans[0].tiles[slot].1));
        let same = |seen: &Seen, place| seen.seen.iter().zip(&seen.from).all(|(a, b)| equal(a, b, place));
        for decoder in [Decoder::Ffmpeg, Decoder::OpenH264] {
            let stitched = |from: &MosaicSpec, to: &MosaicSpec| {
                cross(&house, decoder, (EngineKind::Stitch, from), (EngineKind::Stitch, to), 2)
            };
            for (before, after) in [(red, blue), (None, red)] {
                let changed = stitched(&spec("a", before), &spec("a", after));
                assert_goes_over(&changed, banner);
                assert!(same(&changed, game), "the game goes on");
            }
            let swapped = stitched(&spec("a", red), &spec("b", red));
            assert_goes_over(&swapped, game);
            assert!(same(&swapped, banner), "the art goes on");
        }
    }

    #[test]
    fn another_layout_and_another_engine_come_in_like_another_game() {
        let house = House::new();
        let four = house.spec("4E", &["a", "b", "c", "d"]);
        let [two, one, drawn] = [house.spec("2EH", &["a", "e"]), house.spec("1", &["e"]), house.spec("4E", &["f"; 4])];
        use EngineKind::{Render, Stitch};
        for (from, to) in [
            ((Stitch, &four), (Stitch, &two)),
            ((Stitch, &two), (Stitch, &four)),
            ((Stitch, &four), (Stitch, &one)),
            ((Render, &drawn), (Stitch, &four)),
            ((Stitch, &one), (Render, &drawn)),
            ((Render, &drawn), (Render, &four)),
        ] {
            for decoder in [Decoder::Ffmpeg, Decoder::OpenH264] {
                assert_goes_over(&cross(&house, decoder, from, to, 2), None);
            }
        }
    }
}
