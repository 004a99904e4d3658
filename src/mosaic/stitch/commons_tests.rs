//! What skins of a match have in common, and that each of them is what it is when it is put together by itself.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use super::super::self_test::noise;
use super::super::stills::idr_pic_id;
use super::super::{StitchEngine, StitchSettings, TilePicture};
use super::*;
use crate::assets::testing::{apng, png};
use crate::assets::{AssetId, AssetLimits, Assets};
use crate::encode::VideoEncoder;
use crate::frame::AccessUnit;
use crate::ladder::{RenditionSpec, VideoCodec};
use crate::layout::{Layout, Layouts};
use crate::metrics::Metrics;
use crate::mosaic::engine::{Coded, Engine, package_key_picture, package_part, package_segment};
use crate::mosaic::opening::open_ladder;
use crate::mosaic::spec::MosaicSpec;
use crate::mosaic::trial::Trial;
use crate::package::Packaged;
use crate::stitch::Stitched;
use crate::timeline::{Grid, MediaTime, SegmentNumber, SimulatedClock};
use crate::track::{Block, EncodingShared, MemoryShelf};

/// As many as a match of a tournament has.
const SKINS: u8 = 25;

const SEGMENT: SegmentNumber = 1000;

/// Six pictures in two parts.
fn grid() -> Grid {
    Grid::new("30".parse().unwrap(), 6).with_part_frames(4)
}

/// One in a frame, of which one side is called by another name.
fn layout() -> Layout {
    let text = include_str!("../../../layouts/1F.toml").replace("\"1F\"", "\"two\"");
    let side = "{ x = 0, y = 96, width = 192, height = 864, kind = \"art\", name = \"";
    let two = text.replace(&format!("{side}frame"), &format!("{side}bar"));
    let layout = Layout::parse(&two, "two").unwrap();
    assert_eq!((layout.art.len(), layout.art_names()), (4, vec!["frame", "bar"]));
    layout
}

/// A match in a frame, whose edges lie on macroblocks.
struct Match {
    engine: StitchEngine,
    metrics: Arc<Metrics>,
    assets: Arc<Assets>,
    layout: Arc<Layout>,
    _dir: tempfile::TempDir,
}

impl Match {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let assets = Assets::open(dir.path().to_owned(), AssetLimits::default()).unwrap();
        let layouts = Arc::new(Layouts::bundled());
        let (name, codec) = ("360p".to_owned(), VideoCodec::H264);
        let rendition = RenditionSpec { name, width: 640, height: 360, bitrate_bps: 800_000, codec };
        let rungs = open_ladder(grid(), &[rendition], "veryfast", 10, Some(&layouts)).unwrap();
        let clock = Arc::new(SimulatedClock::new(MediaTime::from_millis(0)));
        let metrics = Arc::new(Metrics::new().unwrap());
        let shelf = Arc::new(MemoryShelf::new(grid(), 4));
        let settings = StitchSettings {
            grid: grid(),
            rungs: rungs.into(),
            tile_preset: "veryfast".into(),
            shared: Arc::new(EncodingShared::new(clock, metrics.clone(), shelf)),
            trial: Trial { compose: 0.0, encode: vec![0.0] },
            layouts: layouts.clone(),
            keep_warm: Some(false),
            recorded: Vec::new(),
            assets: assets.clone(),
            max_skinned_tiles: 0,
        };
        let engine = StitchEngine::new(settings, 0).unwrap();
        Self { engine, metrics, assets, layout: Arc::new(layout()), _dir: dir }
    }

    fn with_art(&self, frame: AssetId, bar: AssetId) -> MosaicSpec {
        MosaicSpec { layout: self.layout.clone(), games: vec!["match".into()], art: vec![Some(frame), Some(bar)] }
    }

    fn still(&self, n: u8) -> AssetId {
        self.assets.add("acme", &png(64, 36, |x, y| [n * 9, (x * 3) as u8, (y * 5) as u8 + n]), None).unwrap().0.id
    }

    /// Skin `n`, another one all around.
    fn skin(&self, n: u8) -> MosaicSpec {
        self.with_art(self.still(n), self.still(n))
    }

    /// Until an asset's loop is made and shown from the next segment on. However long that takes: on a machine that others have for themselves, a thread
    /// that stands back may wait for minutes.
    fn wait_for_loop(&self, asset: AssetId) {
        loop {
            let loops = self.assets.get("acme", &asset).unwrap().loops.unwrap_or_default();
            assert_eq!(loops.failed, 0, "no loop can be made");
            if loops.made > 0 {
                return;
            }
            std::thread::yield_now();
        }
    }

    /// A game's blocks of a segment, part by part: which game `picture` says.
    fn blocks(&self, picture: usize, segment: SegmentNumber) -> Vec<Block> {
        let rung = &self.engine.rungs[0];
        let plans = self.engine.plans.of(&self.layout, &self.engine.rungs).unwrap();
        let size = plans[0].tiles[0].0;
        let settings = rung.tile_settings(size, grid(), "veryfast");
        let mut encoder = VideoEncoder::new(&settings).unwrap();
        let mut units = Vec::new();
        for frame in 0..6 {
            let of = TilePicture { tile: picture, frame, width: settings.width, height: settings.height };
            units.extend(encoder.encode(&noise(of).unwrap(), frame).unwrap());
        }
        units.extend(std::iter::from_fn(|| encoder.drain().unwrap()));
        let units: Vec<Bytes> = units.into_iter().map(|unit| unit.data).collect();
        let block = |part| {
            let (units, gop) = (&units[grid().part_pictures(part)], grid().part_gop(part));
            let block = TileBlock::index(&rung.format, size.shape(), idr_pic_id(segment), units, &gop, None);
            Block::Tile(Arc::new(block.unwrap()))
        };
        (0..grid().parts()).map(block).collect()
    }

    /// What the engine makes of a segment.
    fn made(&self, spec: &MosaicSpec, segment: SegmentNumber, blocks: &[Block]) -> Vec<Coded> {
        let part =
            |(part, block)| self.engine.gather(spec, 0, Position::new(segment, part), std::slice::from_ref(block));
        (0..).zip(blocks).map(|of| part(of).unwrap()).collect()
    }

    /// The same with nothing in common with anybody.
    fn alone(&self, spec: &MosaicSpec, segment: SegmentNumber, blocks: &[Block]) -> Vec<Coded> {
        let engine = &self.engine;
        let plans = engine.plans.of(&spec.layout, &engine.rungs).unwrap();
        let part = |(part, block): (u32, &Block)| {
            let (at, Block::Tile(game)) = (Position::new(segment, part), block) else { panic!("a tile's") };
            let art = engine.art.keys(spec, 0, &plans[0]);
            let art: Vec<_> = art.iter().map(|(key, _)| engine.art.block(key, at).unwrap()).collect();
            let inputs = engine.inputs(&plans[0], spec, 0, at, std::iter::once(game).chain(&art)).unwrap();
            Coded::Stitched(Arc::new(Stitched::new(&plans[0].plan, inputs).unwrap()))
        };
        (0..).zip(blocks).map(part).collect()
    }

    /// Whether the engine makes what it is alone; gives what it made.
    fn holds(&self, spec: &MosaicSpec, segment: SegmentNumber, blocks: &[Block]) -> Vec<Coded> {
        let made = self.made(spec, segment, blocks);
        assert!(units(&made) == units(&self.alone(spec, segment, blocks)), "segment {segment}");
        made
    }
}

fn units(parts: &[Coded]) -> Vec<Bytes> {
    parts.iter().flat_map(Coded::units).collect()
}

/// What a part has in common; `None` where it is a mosaic's own.
fn common(part: &Coded) -> Option<&Arc<Common>> {
    if let Coded::Shared { common, .. } = part { Some(common) } else { None }
}

fn lies(file: &Packaged) -> Vec<(*const u8, usize)> {
    file.pieces().iter().map(|piece| (piece.as_ptr(), piece.len())).collect()
}

#[test]
fn skins_of_a_match_have_all_but_the_picture_that_opens_a_segment_in_common() {
    let its = Match::new();
    let blocks = its.blocks(0, SEGMENT);
    let skins: Vec<_> = (0..SKINS).map(|n| its.skin(n)).collect();
    // All at once, as they are polled.
    let made: Vec<Vec<Coded>> = std::thread::scope(|scope| {
        let each = skins.iter().map(|skin| scope.spawn(|| its.made(skin, SEGMENT, &blocks))).collect::<Vec<_>>();
        each.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut openings = HashSet::new();
    let [mut segments, mut parts] = [HashSet::new(), HashSet::new()];
    for (skin, made) in skins.iter().zip(&made) {
        let alone = its.alone(skin, SEGMENT, &blocks);
        let (own, seen) = (units(&alone), units(made));
        assert!(seen == own && seen.len() == 6);
        openings.insert(seen[0].clone());
        for (part, coded) in (0..).zip(made) {
            let Coded::Shared { opening, .. } = coded else { panic!("it has something in common") };
            assert_eq!(opening.is_some(), part == 0);
            let file = package_part(&grid(), Position::new(SEGMENT, part), coded).unwrap();
            let plain = package_part(&grid(), Position::new(SEGMENT, part), &alone[part as usize]).unwrap();
            assert!(file.whole() == plain.whole() && plain.pieces().len() == 1);
            parts.insert(lies(&file)[1..].to_vec());
        }
        let file = package_segment(&grid(), SEGMENT, made).unwrap();
        assert!(file.whole() == package_segment(&grid(), SEGMENT, &alone).unwrap().whole());
        segments.insert(lies(&file)[1..].to_vec());
        let [key, plain] =
            [&made[0], &alone[0]].map(|part| package_key_picture(&grid(), SEGMENT, part).unwrap().whole());
        assert!(key == plain);
    }
    assert_eq!(openings.len(), usize::from(SKINS), "each opens with another picture");
    // Gathered once, each of its two parts, and lying where it was put.
    assert_eq!((segments.len(), parts.len()), (1, 2));
    let shared: usize = segments.iter().flatten().map(|(_, bytes)| bytes).sum();
    let all: usize = units(&made[0]).iter().map(Bytes::len).sum();
    assert_eq!(shared, all - units(&made[0])[0].len());
}

#[test]
fn who_comes_while_they_are_gathered_waits_for_them() {
    let its = Match::new();
    let blocks = its.blocks(0, SEGMENT);
    let Block::Tile(game) = &blocks[1] else { panic!("a tile's") };
    let plans = its.engine.plans.of(&its.layout, &its.engine.rungs).unwrap();
    let Coded::Stitched(stitched) = its.alone(&its.skin(0), SEGMENT, &blocks).remove(1) else { panic!("its own") };
    let (commons, gathered) = (Commons::default(), AtomicUsize::new(0));
    let of = |at| {
        commons.of(&plans[0].plan, at, &[game], || {
            gathered.fetch_add(1, Ordering::Relaxed);
            Ok(Common::of(&stitched))
        })
    };
    let at = Position::new(SEGMENT, 1);
    let all: Vec<Arc<Common>> = std::thread::scope(|scope| {
        let each = (0..SKINS).map(|_| scope.spawn(|| of(at).unwrap())).collect::<Vec<_>>();
        each.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(all.iter().all(|common| Arc::ptr_eq(common, &all[0])));
    assert_eq!(gathered.load(Ordering::Relaxed), 1);
    // Nobody has them any more: they are gathered anew. One that failed is tried again.
    drop(all);
    let failed = commons.of(&plans[0].plan, at, &[game], || Err(StitchError::Hold { why: "a try" }));
    assert!(failed.is_err());
    assert!(of(at).is_ok() && of(Position::new(SEGMENT + 1, 1)).is_ok());
    assert_eq!(gathered.load(Ordering::Relaxed), 3);
}

#[test]
fn art_that_moves_is_a_mosaics_own() {
    let its = Match::new();
    let moving = its.assets.add("acme", &apng(64, 36, &[40, 100, 160, 220], 100), None).unwrap().0.id;
    // One side moves, the others stand.
    let spec = its.with_art(its.still(1), moving);
    let plans = its.engine.plans.of(&spec.layout, &its.engine.rungs).unwrap();
    let sides = its.engine.art.keys(&spec, 0, &plans[0]);
    assert_eq!(sides.iter().filter(|(key, _)| key.piece.as_ref().unwrap().asset == moving).count(), 1);
    let blocks = [0, 1].map(|n| its.blocks(0, SEGMENT + n));
    // Until its loop is made it stands, and so does all of the segments that were asked for by then.
    assert!(its.holds(&spec, SEGMENT, &blocks[0]).iter().all(|part| common(part).is_some()));
    its.wait_for_loop(moving);
    assert_eq!(its.metrics.art_encoded.get(), 4 + 1, "its sides, and the loop of one of them");
    assert!(its.holds(&spec, SEGMENT, &blocks[0]).iter().all(|part| common(part).is_some()));
    let moves = its.holds(&spec, SEGMENT + 1, &blocks[1]);
    assert!(moves.iter().all(|part| common(part).is_none()));
    // Those who stand still have the segment in common all the same, and it is another one.
    let [one, other] = [2, 3].map(|n| its.holds(&its.skin(n), SEGMENT + 1, &blocks[1]));
    assert!((0..2).all(|part| Arc::ptr_eq(common(&one[part]).unwrap(), common(&other[part]).unwrap())));
    assert!(units(&one)[1..] != units(&moves)[1..], "it moves");
}

#[test]
fn another_skin_another_game_and_a_track_begun_anew_are_what_they_are() {
    let its = Match::new();
    let skins = [0, 1].map(|n| its.skin(n));
    let segments = SEGMENT..SEGMENT + 4;
    let games: Vec<[Vec<Block>; 2]> = segments.clone().map(|n| [0, 1].map(|game| its.blocks(game, n))).collect();
    let mut before: Vec<Arc<Common>> = Vec::new();
    for (n, games) in segments.zip(&games) {
        // The match's skin changes with each segment, and in the third there is a break: something else is in the slot.
        let (skin, game) = (&skins[(n % 2) as usize], &games[usize::from(n == SEGMENT + 2)]);
        let made = its.holds(skin, n, game);
        let its_own: Vec<_> = made.iter().filter_map(common).cloned().collect();
        assert_eq!(its_own.len(), 2);
        assert!(its_own.iter().all(|one| before.iter().all(|other| !Arc::ptr_eq(one, other))));
        // Whoever shows the game meanwhile sees it.
        let goes_on = its.holds(skin, n, &games[0]);
        let same = Arc::ptr_eq(common(&goes_on[1]).unwrap(), &its_own[1]);
        assert_eq!(same, n != SEGMENT + 2);
        before.extend(its_own);
    }
    // The same name and place, and other blocks.
    let anew = its.blocks(1, SEGMENT);
    let [first, second] = [&games[0][0], &anew].map(|blocks| its.holds(&skins[0], SEGMENT, blocks));
    assert!(!Arc::ptr_eq(common(&first[0]).unwrap(), common(&second[0]).unwrap()));
    // A slot without art, and a game of which nothing came.
    let mut bare = skins[0].clone();
    bare.art.clear();
    its.holds(&bare, SEGMENT, &games[0][0]);
    assert!(its.engine.gather(&skins[0], 0, Position::new(SEGMENT, 0), &[]).is_none());
}

/// A bridge begins as one of them and goes on by itself.
#[test]
fn what_goes_on_otherwise_is_one_piece() {
    let its = Match::new();
    let (skin, blocks) = (its.skin(0), its.blocks(0, SEGMENT));
    let mut parts = its.made(&skin, SEGMENT, &blocks);
    let alone = its.alone(&skin, SEGMENT, &blocks);
    let gop = grid().part_gop(1);
    let unit = |(data, picture): (Bytes, &crate::timeline::GopPicture)| AccessUnit {
        frame: grid().first_frame(SEGMENT) + u64::from(picture.shown),
        sync: false,
        data,
    };
    parts[1] = Coded::Units(alone[1].units().into_iter().zip(gop.pictures()).map(unit).collect());
    let file = package_segment(&grid(), SEGMENT, &parts).unwrap();
    assert_eq!(file.pieces().len(), 1);
    assert!(file.whole() == package_segment(&grid(), SEGMENT, &alone).unwrap().whole());
}

#[test]
fn they_are_there_as_long_as_anybody_has_them_and_no_longer() {
    let its = Match::new();
    let skins = [0, 1].map(|n| its.skin(n));
    let blocks = [0, 1].map(|n| its.blocks(0, SEGMENT + n));
    let made = its.made(&skins[0], SEGMENT, &blocks[0]);
    let file = package_segment(&grid(), SEGMENT, &made).unwrap();
    let is_there = Arc::downgrade(common(&made[1]).unwrap());
    drop(made);
    // A segment that is kept, or a range of it on its way, is enough.
    let way = file.slice(file.len() - 1..file.len());
    drop(file);
    let again = its.made(&skins[1], SEGMENT, &blocks[0]);
    assert!(std::ptr::eq(Arc::as_ptr(common(&again[1]).unwrap()), is_there.as_ptr()));
    drop(again);
    assert!(is_there.upgrade().is_some());
    drop(way);
    assert!(is_there.upgrade().is_none());
    // Hours of segments that nobody keeps leave nothing behind, and those that somebody keeps stay known.
    let kept = its.made(&skins[0], SEGMENT, &blocks[0]);
    for n in 2..202 {
        its.made(&skins[0], SEGMENT + n, &blocks[(n % 2) as usize]);
        assert!(its.engine.commons.known() <= LOOKED_THROUGH_FROM + 2);
    }
    let other = its.made(&skins[1], SEGMENT, &blocks[0]);
    assert!((0..2).all(|part| Arc::ptr_eq(common(&kept[part]).unwrap(), common(&other[part]).unwrap())));
}
