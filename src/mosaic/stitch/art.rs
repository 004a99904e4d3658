//! Tiles of art: a picture that stands still, encoded once for its size when it is first asked for. A segment of it is one IDR picture, and then pictures
//! that are skipped, so that there is no encoder and no track, and any segment has it, also one of hours ago.

use std::sync::Arc;

use lru::LruCache;
use parking_lot::Mutex;

use super::card::CardMaker;
use super::loops::{LoopTools, Loops};
use super::plans::{LayoutPlan, SlicedRung, TileSize};
use super::stills::{Stills, idr_pic_id};
use crate::assets::{Assets, Piece, Skin};
use crate::frame::{MACROBLOCK, Rect};
use crate::layout::Layout;
use crate::mosaic::spec::MosaicSpec;
use crate::stitch::{Place, StitchError, TileBlock};
use crate::timeline::Grid;
use crate::track::{EncodingShared, Position};

/// Bytes of coded art that are kept; what was asked for longest ago goes first, and is made again when it is asked for.
const KEPT_BYTES: usize = 128 << 20;

/// What a tile of art shows, and how large.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ArtKey {
    pub rendition: usize,
    pub size: TileSize,
    /// `None`: nothing but the background.
    pub piece: Option<Piece>,
    pub colour: [u8; 3],
}

/// Its first block in a segment, by the parity of the segment's number.
type Made = [Arc<TileBlock>; 2];

struct Kept {
    tiles: LruCache<ArtKey, Made>,
    bytes: usize,
}

/// See the module.
pub(super) struct ArtTiles {
    grid: Grid,
    assets: Arc<Assets>,
    rungs: Arc<Vec<SlicedRung>>,
    stills: Arc<Stills>,
    shared: Arc<EncodingShared>,
    preset: String,
    loops: Loops,
    kept: Mutex<Kept>,
    /// One is made at a time: many viewers who come at once must not take all cores.
    turn: Mutex<()>,
}

impl ArtTiles {
    pub fn new(
        (grid, preset): (Grid, String),
        assets: Arc<Assets>,
        rungs: Arc<Vec<SlicedRung>>,
        stills: Arc<Stills>,
        shared: Arc<EncodingShared>,
    ) -> Self {
        let kept = Mutex::new(Kept { tiles: LruCache::unbounded(), bytes: 0 });
        let tools = LoopTools {
            grid,
            preset: preset.clone(),
            assets: assets.clone(),
            rungs: rungs.clone(),
            shared: shared.clone(),
        };
        let loops = Loops::new(tools);
        Self { grid, assets, rungs, stills, shared, preset, loops, kept, turn: Mutex::new(()) }
    }

    /// With encoders of its own.
    #[cfg(test)]
    pub fn alone(grid: Grid, assets: Arc<Assets>, rungs: Arc<Vec<SlicedRung>>, stills: Arc<Stills>) -> Self {
        let clock = Arc::new(crate::timeline::SimulatedClock::new(crate::timeline::MediaTime::from_millis(0)));
        let shelf = Arc::new(crate::track::MemoryShelf::new(grid, 4));
        let metrics = Arc::new(crate::metrics::Metrics::new().unwrap());
        let shared = Arc::new(EncodingShared::new(clock, metrics, shelf));
        Self::new((grid, "veryfast".to_owned()), assets, rungs, stills, shared)
    }

    /// The tiles of art of `spec`, which lie behind those of games in `plan`, and where each is.
    pub fn keys(&self, spec: &MosaicSpec, rendition: usize, plan: &LayoutPlan) -> Vec<(ArtKey, Place)> {
        let Some(rung) = self.rungs.get(rendition) else { return Vec::new() };
        let (layout, width, height) = (&spec.layout, rung.spec.width, rung.spec.height);
        let tiles = layout.art_slots(false).zip(plan.tiles.iter().skip(layout.slots.len()));
        let key = |(slot, (size, place)): (usize, &(TileSize, Place))| {
            let piece = spec.art_in(slot).map(|asset| Piece {
                asset,
                whole: layout.art_picture_on(slot, width, height),
                part: Rect {
                    x: place.x_mb * MACROBLOCK,
                    y: place.y_mb * MACROBLOCK,
                    width: place.width_mbs * MACROBLOCK,
                    height: place.height_mbs * MACROBLOCK,
                },
                background: layout.background,
            });
            (ArtKey { rendition, size: *size, piece, colour: layout.background }, *place)
        };
        tiles.map(key).collect()
    }

    /// Whether anything of `skin` moves in `layout`.
    pub fn moves(&self, skin: &Skin, layout: &Layout) -> bool {
        skin.art_of(layout).iter().flatten().any(|asset| self.assets.length(asset).is_some())
    }

    /// Has made ahead what of `skin` moves in `layout`, of which these are the plans.
    pub fn ahead(&self, skin: &Skin, layout: &Arc<Layout>, plans: &[LayoutPlan]) {
        let spec = MosaicSpec { layout: layout.clone(), games: Vec::new(), art: skin.art_of(layout) };
        for (rendition, plan) in plans.iter().enumerate() {
            self.keys(&spec, rendition, plan).iter().for_each(|(key, _)| self.loops.ahead(key));
        }
    }

    /// The block of a tile for part `at`: of the picture where a segment begins, and then of nothing that changes.
    pub fn block(&self, key: &ArtKey, at: Position) -> Result<Arc<TileBlock>, StitchError> {
        match self.moving(key, at)? {
            Some(moves) => Ok(moves),
            None => self.still(key, at),
        }
    }

    /// The block of a tile that moves in the segment of `at`. It is to be asked for even where it stands still: from that it is known that it is shown.
    pub fn moving(&self, key: &ArtKey, at: Position) -> Result<Option<Arc<TileBlock>>, StitchError> {
        self.loops.block(key, at)
    }

    /// The block of a tile that stands still.
    pub fn still(&self, key: &ArtKey, at: Position) -> Result<Arc<TileBlock>, StitchError> {
        if at.part == 0
            && let Some(first) = self.first(key, at)
        {
            return Ok(first);
        }
        self.row(key, at)
    }

    /// One row of a tile that stands still, which can stand anywhere and at any height. All pictures of [`ArtTiles::still`] but one that opens a segment
    /// are made of it, whatever the tile shows.
    pub fn row(&self, key: &ArtKey, at: Position) -> Result<Arc<TileBlock>, StitchError> {
        self.stills.of(&self.rungs, key.rendition, key.size.width_mbs, key.colour, at)
    }

    /// Bytes of what is made of a mosaic's art, which each of its segments has.
    pub fn bytes(&self, spec: &MosaicSpec, rendition: usize, plan: &LayoutPlan) -> usize {
        let at = Position::new(0, 0);
        let of_still = |key: &ArtKey| self.kept(key, at).map_or(0, |block| block.coded_bytes());
        let keys = self.keys(spec, rendition, plan).into_iter();
        keys.map(|(key, _)| self.loops.bytes(&key).unwrap_or_else(|| of_still(&key))).sum()
    }

    fn kept(&self, key: &ArtKey, at: Position) -> Option<Arc<TileBlock>> {
        let mut kept = self.kept.lock();
        kept.tiles.get(key).map(|pair| pair[usize::from(idr_pic_id(at.segment))].clone())
    }

    /// The first block of a segment. `None` where there is no such art, or no encoder for it: the background is there without.
    fn first(&self, key: &ArtKey, at: Position) -> Option<Arc<TileBlock>> {
        let piece = key.piece.as_ref()?;
        if let Some(known) = self.kept(key, at) {
            return Some(known);
        }
        let _turn = self.turn.lock();
        if let Some(known) = self.kept(key, at) {
            return Some(known);
        }
        let picture = self.assets.picture(piece)?;
        let maker = CardMaker {
            grid: self.grid,
            rungs: &self.rungs,
            stills: &self.stills,
            encoders: self.shared.encoders(),
            preset: &self.preset,
        };
        let made = match maker.encoded(key.rendition, key.size, key.colour, &picture) {
            Ok(made) => made,
            Err(error) => {
                tracing::error!(asset = %piece.asset, %error, "no tile of art");
                return None;
            }
        };
        self.keep(key.clone(), made.clone());
        let [even, odd] = made;
        Some(if idr_pic_id(at.segment) == 0 { even } else { odd })
    }

    fn keep(&self, key: ArtKey, made: Made) {
        let bytes = |made: &Made| made.iter().map(|block| block.coded_bytes()).sum::<usize>();
        let mut kept = self.kept.lock();
        kept.bytes += bytes(&made);
        if let Some(before) = kept.tiles.put(key, made) {
            kept.bytes -= bytes(&before);
        }
        while kept.bytes > KEPT_BYTES {
            let Some((_, oldest)) = kept.tiles.pop_lru() else { break };
            kept.bytes -= bytes(&oldest);
        }
        self.shared.metrics.art_tiles.set(i64::try_from(kept.tiles.len()).unwrap_or(i64::MAX));
        self.shared.metrics.art_encoded.inc();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::plans::Plans;
    use super::*;
    use crate::assets::testing::{apng, png};
    use crate::assets::{AssetLimits, SkinOrigin};
    use crate::compositor::canvas_colour;
    use crate::encode::{Decoder, decode};
    use crate::frame::Picture;
    use crate::ladder::{RenditionSpec, VideoCodec};
    use crate::layout::Layouts;
    use crate::metrics::Metrics;
    use crate::mosaic::opening::open_ladder;
    use crate::stitch::Stitched;
    use crate::timeline::{MediaTime, SimulatedClock};
    use crate::track::MemoryShelf;

    fn grid() -> Grid {
        Grid::new("30".parse().unwrap(), 6).with_part_frames(4)
    }

    /// On which the edges of bundled art lie on macroblocks.
    fn renditions() -> Vec<RenditionSpec> {
        let rung = |name: &str, width, height, bitrate_bps| RenditionSpec {
            name: name.into(),
            width,
            height,
            bitrate_bps,
            codec: VideoCodec::H264,
        };
        vec![rung("720p", 1280, 720, 3_500_000), rung("360p", 640, 360, 800_000)]
    }

    /// A picture with a gradient and an edge, 1920x1080.
    fn asset(assets: &Assets) -> Skin {
        let pixel = |x: u32, y: u32| [(x / 8) as u8, (y / 5) as u8, if x > 900 { 200 } else { 40 }];
        let id = assets.add("acme", &png(1920, 1080, pixel), None).unwrap().0.id;
        let art = ["frame", "bar", "banner", "strip"].map(|name| (name.to_owned(), id));
        Skin { id: "red".into(), art: BTreeMap::from(art), origin: SkinOrigin::Operator }
    }

    fn shared() -> Arc<EncodingShared> {
        let clock = Arc::new(SimulatedClock::new(MediaTime::from_millis(0)));
        let shelf = Arc::new(MemoryShelf::new(grid(), 4));
        Arc::new(EncodingShared::new(clock, Arc::new(Metrics::new().unwrap()), shelf))
    }

    /// By how much two pictures differ in `rect`, as a mean over samples of luma.
    fn differs(a: &Picture, b: &Picture, rect: Rect) -> f64 {
        let (x, width) = (rect.x as usize, rect.width as usize);
        let rows = rect.y as usize..(rect.y + rect.height) as usize;
        let of_row = |y: usize| {
            let rows = a.row(0, y)[x..x + width].iter().zip(&b.row(0, y)[x..x + width]);
            rows.map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>()
        };
        rows.map(of_row).sum::<f64>() / f64::from(rect.width * rect.height)
    }

    /// A segment's access units with art and nothing else, and what its art comes to.
    fn gathered(tiles: &ArtTiles, spec: &MosaicSpec, plan: &LayoutPlan, segment: u64) -> (Vec<bytes::Bytes>, usize) {
        let (mut units, mut bytes_of_art) = (Vec::new(), 0);
        for part in 0..grid().parts() {
            let at = Position::new(segment, part);
            let row = |width_mbs| tiles.stills.of(&tiles.rungs, 0, width_mbs, spec.layout.background, at).unwrap();
            let place = |block: Arc<TileBlock>, to: &Place| block.placed(to.x_mb, to.y_mb, to.height_mbs).unwrap();
            let games = plan.tiles[..spec.layout.slots.len()].iter();
            let games = games.map(|(size, to)| place(row(size.width_mbs), to));
            let art = tiles.keys(spec, 0, plan);
            let blocks: Vec<_> = art.iter().map(|(key, to)| (tiles.block(key, at).unwrap(), to)).collect();
            if part == 0 {
                bytes_of_art = blocks.iter().map(|(block, _)| block.coded_bytes()).sum();
            }
            let art = blocks.into_iter().map(|(block, to)| place(block, to));
            let fillers = plan.plan.fillers().iter().map(|to| place(row(to.width_mbs), to));
            let stitched = Stitched::new(&plan.plan, games.chain(art).chain(fillers).collect()).unwrap();
            let mut bytes = Vec::new();
            stitched.append_to(&mut bytes);
            let mut bytes = bytes::Bytes::from(bytes);
            units.extend(stitched.sizes().map(|size| bytes.split_to(size as usize)));
        }
        (units, bytes_of_art)
    }

    #[test]
    fn art_is_seen_in_its_slots_and_the_games_are_as_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let assets = Assets::open(dir.path().to_owned(), AssetLimits::default()).unwrap();
        let (skin, layouts, shared) = (asset(&assets), Layouts::bundled(), shared());
        let rungs = open_ladder(grid(), &renditions(), "veryfast", 10, Some(&layouts)).unwrap();
        let rungs: Arc<Vec<SlicedRung>> = Arc::new(rungs.iter().map(|rung| SlicedRung::new(rung).unwrap()).collect());
        let stills = Arc::new(Stills::new(grid()));
        let tiles =
            ArtTiles::new((grid(), "veryfast".into()), assets.clone(), rungs.clone(), stills.clone(), shared.clone());
        for id in ["1F", "1L", "1B", "4ES"] {
            let layout = layouts.get(id).unwrap();
            let spec = MosaicSpec { layout: layout.clone(), games: Vec::new(), art: skin.art_of(&layout) };
            let plans = Plans::new().of(&layout, &rungs).unwrap();
            for segment in [0, 1] {
                let (units, bytes_of_art) = gathered(&tiles, &spec, &plans[0], segment);
                let shown = decode(Decoder::Ffmpeg, &rungs[0].sets, &units).unwrap();
                let (width, height) = (rungs[0].spec.width, rungs[0].spec.height);
                assert_eq!(shown.len(), 6);
                for slot in 0..layout.art.len() {
                    let (rect, whole) =
                        (layout.art_on(slot, width, height), layout.art_picture_on(slot, width, height));
                    let canvas = Rect { x: 0, y: 0, width, height };
                    let asset = spec.art_in(slot).unwrap();
                    let piece = Piece { asset, whole, part: canvas, background: layout.background };
                    let wanted = assets.picture(&piece).unwrap();
                    for picture in &shown {
                        let apart = differs(picture, &wanted, rect);
                        assert!(apart < 2.0, "{id} slot {slot} {rect:?}: {apart}");
                    }
                }
                // What each segment has beside its tracks.
                assert_eq!(tiles.bytes(&spec, 0, &plans[0]), bytes_of_art);
                assert!(bytes_of_art > 1000);
                let [luma, ..] = canvas_colour(layout.background);
                for slot in 0..layout.slots.len() {
                    let Rect { x, y, width, height } = layout.picture_on(slot, width, height);
                    let black = |y: u32| shown[0].row(0, y as usize)[x as usize..(x + width) as usize].iter();
                    assert!((y..y + height).all(|y| black(y).all(|sample| *sample == luma)), "{id} slot {slot}");
                }
            }
        }
        let encoded = shared.metrics.art_encoded.get();
        // A banner and a strip of one asset are the same tile.
        assert_eq!(encoded, 4 + 2 + 1, "each piece once, however often it is asked for");
        assert_eq!(shared.metrics.art_tiles.get(), 7);
        assert_eq!(shared.metrics.encoders.with_label_values(&["tile"]).get(), 0);
    }

    #[test]
    fn art_that_moves_goes_round_in_step_with_the_grid_once_it_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let assets = Assets::open(dir.path().to_owned(), AssetLimits::default()).unwrap();
        let (layouts, shared, levels) = (Layouts::bundled(), shared(), [40u8, 100, 160, 220]);
        // Two segments of a fifth of a second.
        let id = assets.add("acme", &apng(192, 22, &levels, 100), None).unwrap().0.id;
        let rungs = open_ladder(grid(), &renditions(), "veryfast", 10, Some(&layouts)).unwrap();
        let rungs: Arc<Vec<SlicedRung>> = Arc::new(rungs.iter().map(|rung| SlicedRung::new(rung).unwrap()).collect());
        let stills = Arc::new(Stills::new(grid()));
        let tiles = ArtTiles::new((grid(), "veryfast".into()), assets, rungs.clone(), stills, shared.clone());
        let layout = layouts.get("1B").unwrap();
        let spec = MosaicSpec { layout: layout.clone(), games: Vec::new(), art: vec![Some(id)] };
        let plans = Plans::new().of(&layout, &rungs).unwrap();
        let rect = layout.art_on(0, 1280, 720);
        let shown = |segment: u64| -> Vec<u8> {
            let (units, _) = gathered(&tiles, &spec, &plans[0], segment);
            let pictures = decode(Decoder::Ffmpeg, &rungs[0].sets, &units).unwrap();
            let middle =
                |picture: &Picture| picture.row(0, (rect.y + rect.height / 2) as usize)[rect.width as usize / 2];
            pictures.iter().map(middle).collect()
        };
        let luma = |level: u8| (16.0 + 219.0 * f32::from(level) / 255.0).round() as i32;
        let is = |seen: &[u8], wanted: [usize; 6]| {
            let near = |(seen, wanted): (&u8, usize)| (i32::from(*seen) - luma(levels[wanted])).abs() <= 6;
            assert!(seen.len() == 6 && seen.iter().zip(wanted).all(near), "{seen:?} {wanted:?}");
        };
        // It is asked for, and stands meanwhile.
        is(&shown(10), [0; 6]);
        let began = std::time::Instant::now();
        while shared.metrics.art_encoded.get() < 2 {
            assert!(began.elapsed() < std::time::Duration::from_secs(60), "no loop is made");
            std::thread::yield_now();
        }
        is(&shown(10), [0; 6]);
        for segment in [12, 14, 700] {
            is(&shown(segment), [0, 0, 0, 1, 1, 1]);
            is(&shown(segment + 1), [2, 2, 2, 3, 3, 3]);
        }
        assert!(tiles.bytes(&spec, 0, &plans[0]) > 100);
        assert_eq!(shared.metrics.encoders.with_label_values(&["tile"]).get(), 0, "no encoder goes on");
    }

    #[test]
    fn a_slot_without_art_shows_the_background() {
        let (layouts, stills) = (Layouts::bundled(), Arc::new(Stills::new(grid())));
        let rungs = open_ladder(grid(), &renditions(), "veryfast", 10, Some(&layouts)).unwrap();
        let rungs: Arc<Vec<SlicedRung>> = Arc::new(rungs.iter().map(|rung| SlicedRung::new(rung).unwrap()).collect());
        let tiles = ArtTiles::alone(grid(), Assets::none(), rungs.clone(), stills.clone());
        let layout = layouts.get("1B").unwrap();
        let plans = Plans::new().of(&layout, &rungs).unwrap();
        let gone = Some(crate::assets::AssetId([3; 32]));
        for art in [Vec::new(), vec![None], vec![gone]] {
            let spec = MosaicSpec { layout: layout.clone(), games: Vec::new(), art };
            let (key, _) = tiles.keys(&spec, 0, &plans[0]).remove(0);
            for part in 0..grid().parts() {
                let at = Position::new(7, part);
                let row = stills.of(&rungs, 0, key.size.width_mbs, layout.background, at).unwrap();
                assert!(Arc::ptr_eq(&tiles.block(&key, at).unwrap(), &row));
            }
        }
    }
}
