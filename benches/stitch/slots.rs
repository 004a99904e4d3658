//! What a viewer sees in a slot: the mosaic as it is served, decoded, cropped to the slot's picture and scaled to the source's
//! size, against the source. Both engines, at the same bits.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{PixelType, ResizeAlg, ResizeOptions, Resizer};
use quadrille::assets::Assets;
use quadrille::compositor::{Compositor, CpuCompositor, fit};
use quadrille::encode::{Decoder, decode};
use quadrille::frame::{CodedSize, Colour, MACROBLOCK, Picture, Rect};
use quadrille::ladder::{RenditionSpec, VideoCodec};
use quadrille::layout::Layouts;
use quadrille::metrics::Metrics;
use quadrille::mosaic::{
    Coded, Engine, EngineKind, GameKey, MosaicId, MosaicSpec, RenderEngine, RenderSettings, StitchEngine,
    StitchSettings, Tick, Trial, gather_segment, open_ladder,
};
use quadrille::timeline::{Grid, MediaTime, SegmentNumber, SimulatedClock};
use quadrille::track::{EncodingShared, MemoryShelf};

use crate::clips::{self, HEIGHT, WIDTH};
use crate::rate::ssim;

const PRESET: &str = "veryfast";
const LOOKAHEAD_FRAMES: u32 = 10;
const FIRST_SEGMENT: SegmentNumber = 45_000_000;

/// Rungs that are looked at.
const CANVASES: [(&str, u32, u32); 2] = [("1080p", 1920, 1080), ("540p", 960, 540)];

/// Bits a pixel of the canvas and picture, in thousandths.
const MILLIBITS: [u32; 3] = [60, 100, 150];

/// One picture in so many is compared.
const EVERY: usize = 3;

pub fn seen() {
    let sets = clips::looked_at();
    for ladder in [&[("1080p", 1920, 1080), ("540p", 960, 540)], &[("720p", 1280, 720), ("360p", 640, 360)]] {
        for first in 0..ladder.len() {
            let mut sizes: Vec<(u32, u32)> = ladder.iter().map(|(_, width, height)| (*width, *height)).collect();
            sizes.swap(0, first);
            let (width, height) = sizes[0];
            let visible = |slot| {
                let shown = picture_of(EngineKind::Stitch, slot, &sizes);
                shown.width * shown.height
            };
            let least = (0..4).map(visible).min().expect("four slots");
            let share = f64::from(least) / f64::from((width / 2) * (height / 2));
            println!("slot_area_{}_percent {:.1} %", ladder[first].0, 100.0 * share);
        }
    }
    for (canvas, width, height) in CANVASES {
        for (clip, games) in &sets {
            for millibits in MILLIBITS {
                let bitrate_bps = (f64::from(millibits) * f64::from(width * height) * 30.0 / 1000.0) as u32;
                for kind in [EngineKind::Stitch, EngineKind::Render] {
                    let mosaic = mosaic(
                        kind,
                        RenditionSpec { name: canvas.into(), width, height, bitrate_bps, codec: VideoCodec::H264 },
                        games,
                    );
                    let db = quality(kind, &mosaic, games);
                    let engine = if kind == EngineKind::Stitch { "stitch" } else { "render" };
                    println!("slot_ssim_{engine}_{canvas}_{clip}_{millibits}_db {db:.2} dB");
                }
            }
        }
    }
}

/// The decoded pictures of the second segment of a mosaic of four, whose rates have settled.
fn mosaic(kind: EngineKind, rendition: RenditionSpec, games: &[Vec<Picture>; 4]) -> Vec<Picture> {
    let grid = Grid::new("30".parse().expect("a rate"), 60);
    let layouts = Arc::new(Layouts::bundled());
    let rungs: Arc<[_]> =
        open_ladder(grid, &[rendition], PRESET, LOOKAHEAD_FRAMES, Some(&layouts)).expect("x264 takes it").into();
    let sets = rungs[0].codec.sets().clone();
    let compositor = CpuCompositor::new(2).expect("threads start");
    let clock = Arc::new(SimulatedClock::new(MediaTime::from_millis(FIRST_SEGMENT * 2000)));
    let shelf = Arc::new(MemoryShelf::new(grid, 4));
    let shared = Arc::new(EncodingShared::new(clock, Arc::new(Metrics::new().expect("metrics")), shelf));
    let trial = Trial { compose: 0.0, encode: vec![0.0] };
    let next_frame = grid.first_frame(FIRST_SEGMENT) - 3;
    let engine: Box<dyn Engine> = match kind {
        EngineKind::Render => Box::new(RenderEngine::new(
            RenderSettings { grid, rungs, shared: shared.clone(), trial, assets: Assets::none() },
            next_frame,
        )),
        EngineKind::Stitch => {
            let settings = StitchSettings {
                grid,
                rungs,
                tile_preset: PRESET.into(),
                shared: shared.clone(),
                trial,
                layouts: layouts.clone(),
                keep_warm: Some(false),
                recorded: Vec::new(),
                max_skinned_tiles: 0,
                assets: Assets::none(),
            };
            Box::new(StitchEngine::new(settings, next_frame).expect("stitching works"))
        }
    };
    let keys: Vec<GameKey> = (0..4).map(|n| format!("g{n}").into()).collect();
    let spec =
        MosaicSpec { layout: layouts.get("4E").expect("a bundled layout"), games: keys.clone(), art: Vec::new() };
    let id = MosaicId("slots".into());
    engine.start(&id, &spec).expect("a mosaic starts");
    engine.mend();
    let wanted = FIRST_SEGMENT + 1;
    // A segment more: encoders look ahead.
    for frame in grid.first_frame(FIRST_SEGMENT)..grid.first_frame(wanted + 2) {
        let picture = |n: usize| games[n][frame as usize % games[n].len()].clone();
        let pictures: HashMap<_, _> = keys.iter().enumerate().map(|(n, key)| (key.clone(), picture(n))).collect();
        let mut jobs = engine.jobs(&Tick { frame, pictures, removed: HashMap::new(), cards: HashMap::new() });
        while !jobs.is_empty() {
            jobs = compositor.submit(jobs);
        }
        while frame % 4 == 3 && (compositor.queued() > 0 || shared.in_hand.count() > 0) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    while engine.finished(&id).newest() < Some(wanted) {
        std::thread::sleep(Duration::from_millis(5));
    }
    let tracks = engine.tracks(&id, &spec, 0);
    let blocks: Option<Vec<_>> = tracks.iter().map(|name| shared.shelf.find(name)?.segment(wanted)).collect();
    let parts = gather_segment(&*engine, &spec, 0, &grid, wanted, &blocks.expect("it is finished")).expect("tiles fit");
    let units: Vec<Bytes> = parts.iter().flat_map(Coded::units).collect();
    decode(Decoder::Ffmpeg, &sets, &units).expect("it decodes")
}

/// Where the picture of slot `slot` of 4E is on the canvas that viewers see. `ladder` are all canvases there are, of which the first is
/// meant.
fn picture_of(kind: EngineKind, slot: usize, ladder: &[(u32, u32)]) -> Rect {
    let layout = Layouts::bundled().get("4E").expect("a bundled layout");
    let (width, height) = ladder[0];
    if kind == EngineKind::Render {
        return fit(WIDTH, HEIGHT, (1, 1), layout.picture_on(slot, width, height));
    }
    let canvases: Vec<CodedSize> = ladder.iter().map(|(width, height)| CodedSize::of(*width, *height)).collect();
    let tile = layout.tiles_on(&canvases).expect("it can be stitched")[0][slot];
    let inside = fit(WIDTH, HEIGHT, (1, 1), tile.size.inside);
    Rect { x: tile.x_mb * MACROBLOCK + inside.x, y: tile.y_mb * MACROBLOCK + inside.y, ..inside }
}

/// Mean luma SSIM of all four slots, in decibels.
fn quality(kind: EngineKind, mosaic: &[Picture], games: &[Vec<Picture>; 4]) -> f64 {
    let (width, height) = (mosaic[0].width, mosaic[0].height);
    let (mut sum, mut count) = (0.0, 0u32);
    for (slot, game) in games.iter().enumerate() {
        let shown = picture_of(kind, slot, &[(width, height)]);
        for (n, source) in game.iter().enumerate().step_by(EVERY) {
            sum += ssim(source, &scaled(&mosaic[n % mosaic.len()], shown));
            count += 1;
        }
    }
    -10.0 * (1.0 - sum / f64::from(count)).log10()
}

/// The luma of `shown` of a canvas, as large as the source.
fn scaled(canvas: &Picture, shown: Rect) -> Picture {
    let cut: Vec<u8> = (0..shown.height)
        .flat_map(|y| {
            let row = canvas.row(0, (shown.y + y) as usize);
            row[shown.x as usize..(shown.x + shown.width) as usize].iter().copied()
        })
        .collect();
    let from = ImageRef::new(shown.width, shown.height, &cut, PixelType::U8).expect("its size is right");
    let mut to = Image::new(WIDTH, HEIGHT, PixelType::U8);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(fast_image_resize::FilterType::CatmullRom));
    Resizer::new().resize(&from, &mut to, &options).expect("it scales");
    let chroma = vec![128; (WIDTH * HEIGHT / 4) as usize];
    Picture::from_planes(WIDTH, HEIGHT, Colour::CANVAS, [to.into_vec(), chroma.clone(), chroma]).expect("an even size")
}
