//! What stitching costs and what it saves, in this process, all in one run: `name value unit` a line. Where tiles' encoders are
//! left out of a figure, its name says so.
//!
//! Mosaics of eight games (four generated clips, the real one, and three of them again from their middle) at 1080p30, 6 Mb/s.

#[path = "stitch/clips.rs"]
mod clips;
#[path = "stitch/hevc.rs"]
mod hevc;
#[path = "stitch/rate.rs"]
mod rate;
#[path = "stitch/slots.rs"]
mod slots;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use quadrille::assets::Assets;
use quadrille::compositor::{Compositor, CpuCompositor, Job};
use quadrille::frame::Picture;
use quadrille::ladder::{RenditionSpec, Rung, VideoCodec};
use quadrille::layout::Layouts;
use quadrille::metrics::Metrics;
use quadrille::mosaic::{
    Engine, GameKey, MosaicId, MosaicSpec, RenderEngine, RenderSettings, StitchEngine, StitchSettings, Tick, Trial,
    gather_segment, open_ladder, package_segment, process_cpu_time,
};
use quadrille::timeline::{Grid, MediaTime, SegmentNumber, SimulatedClock};
use quadrille::track::{EncodingShared, MemoryShelf};

const GAMES: usize = 8;
const PRESET: &str = "veryfast";
const LOOKAHEAD_FRAMES: u32 = 10;

/// The segment that everything begins with.
const FIRST_SEGMENT: SegmentNumber = 45_000_000;

struct Bench {
    grid: Grid,
    layouts: Arc<Layouts>,
    rungs: Arc<[Rung]>,
    compositor: Arc<dyn Compositor>,
    games: Vec<(GameKey, Vec<Picture>)>,
}

fn main() {
    let bench = Bench::new();
    if std::env::args().any(|arg| arg == "rate") {
        return rate::overhead(&bench.rungs[0], &*bench.compositor);
    }
    if std::env::args().any(|arg| arg == "hevc") {
        return hevc::saving(&bench.rungs[0], &*bench.compositor);
    }
    if std::env::args().any(|arg| arg == "slots") {
        return slots::seen();
    }
    let Stitched { tiles_s, mosaic_s } = stitched(&bench);
    let render_s = rendered(&bench);
    // Of one mosaic more, tiles running anyway; and of all there are, tiles and all.
    println!("stitch_without_tiles_vs_render_ratio {:.0} ratio", render_s / mosaic_s);
    println!("stitch_pays_from_mosaics {:.0} mosaics", (tiles_s / (render_s - mosaic_s)).ceil());
    rate::overhead(&bench.rungs[0], &*bench.compositor);
    hevc::saving(&bench.rungs[0], &*bench.compositor);
    slots::seen();
}

impl Bench {
    fn new() -> Self {
        let grid = Grid::new("30".parse().expect("a rate"), 60);
        let layouts = Arc::new(Layouts::bundled());
        let rendition = RenditionSpec {
            name: "1080p".into(),
            width: 1920,
            height: 1080,
            bitrate_bps: 6_000_000,
            codec: VideoCodec::H264,
        };
        let rungs =
            open_ladder(grid, &[rendition], PRESET, LOOKAHEAD_FRAMES, Some(&layouts)).expect("x264 takes it").into();
        let compositor = Arc::new(CpuCompositor::new(2).expect("threads start"));
        let games = (0..GAMES).map(|n| (format!("g{n}").into(), clips::pictures(n))).collect();
        Self { grid, layouts, rungs, compositor, games }
    }

    fn shared(&self) -> Arc<EncodingShared> {
        let clock = Arc::new(SimulatedClock::new(MediaTime::from_millis(FIRST_SEGMENT * 2000)));
        let shelf = Arc::new(MemoryShelf::new(self.grid, 4));
        Arc::new(EncodingShared::new(clock, Arc::new(Metrics::new().expect("metrics")), shelf))
    }

    fn trial(&self) -> Trial {
        Trial { compose: 0.0, encode: vec![0.0] }
    }

    fn spec(&self, layout: &str, games: impl IntoIterator<Item = usize>) -> (MosaicId, MosaicSpec) {
        let games: Vec<usize> = games.into_iter().collect();
        let layout = self.layouts.get(layout).expect("a bundled layout");
        let id = MosaicId(format!("{}-{games:?}", layout.id).into());
        let games = games.into_iter().map(|n| self.games[n].0.clone()).collect();
        (id, MosaicSpec { layout, games, art: Vec::new() })
    }

    /// Ticks segments until the last of them is finished in all of `wanted`; the processor seconds that took.
    fn run(
        &self,
        engine: &dyn Engine,
        shared: &EncodingShared,
        wanted: &[&MosaicId],
        segments: std::ops::RangeInclusive<SegmentNumber>,
    ) -> f64 {
        let before = process_cpu_time();
        // Encoders look ahead: the last segment comes out when the next is begun.
        let end = self.grid.first_frame(*segments.end() + 1) + u64::from(self.rungs[0].settings.delay_frames());
        for frame in self.grid.first_frame(*segments.start())..end {
            let pictures: HashMap<GameKey, Picture> = self
                .games
                .iter()
                .map(|(key, pictures)| (key.clone(), pictures[frame as usize % pictures.len()].clone()))
                .collect();
            let mut jobs: Vec<Job> =
                engine.jobs(&Tick { frame, pictures, removed: HashMap::new(), cards: HashMap::new() });
            while !jobs.is_empty() {
                jobs = self.compositor.submit(jobs);
                if !jobs.is_empty() {
                    std::thread::sleep(Duration::from_millis(1));
                }
            }
            // Fewer frames than any queue holds, so that nothing is dropped however slow the machine is.
            while frame % 4 == 3 && (self.compositor.queued() > 0 || shared.in_hand.count() > 0) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        let has = |id: &&MosaicId| engine.finished(id).newest() >= Some(*segments.end());
        while !wanted.iter().all(has) {
            std::thread::sleep(Duration::from_millis(5));
        }
        (process_cpu_time() - before).as_secs_f64()
    }
}

/// Processor seconds per second.
struct Stitched {
    /// Of the encoders of all games' tiles for 4E.
    tiles_s: f64,
    /// Of one mosaic, those not counted.
    mosaic_s: f64,
}

fn stitched(bench: &Bench) -> Stitched {
    let shared = bench.shared();
    let settings = StitchSettings {
        grid: bench.grid,
        rungs: bench.rungs.clone(),
        tile_preset: PRESET.into(),
        shared: shared.clone(),
        trial: bench.trial(),
        layouts: bench.layouts.clone(),
        keep_warm: Some(false),
        max_skinned_tiles: 0,
        recorded: Vec::new(),
        assets: Assets::none(),
    };
    let first = bench.grid.first_frame(FIRST_SEGMENT);
    let engine = StitchEngine::new(settings, first - 3).expect("stitching works");
    let ordered = |n: usize| [n / 512 % 8, n / 64 % 8, n / 8 % 8, n % 8];
    let mosaics: Vec<_> = (0..GAMES.pow(4)).map(|n| bench.spec("4E", ordered(n))).collect();
    for (id, spec) in mosaics.iter().chain([&bench.spec("4PL", 0..4), &bench.spec("1", [0])]) {
        engine.start(id, spec).expect("a mosaic starts");
    }
    engine.mend();
    // Two mosaics hold all eight games.
    let whole = [&mosaics[0o0123].0, &mosaics[0o4567].0];
    bench.run(&engine, &shared, &whole, FIRST_SEGMENT..=FIRST_SEGMENT + 1);
    let tile_s = |size: &str| 30.0 * shared.cost_per_frame(&format!("1080p/{size}")).expect("it was encoded");
    for (size, label) in [("960x544", "half"), ("1280x736", "primary"), ("640x368", "third"), ("1920x1088", "whole")] {
        println!("tile_{label}_{size}_cpu_s_per_s {:.3} s/s", tile_s(size));
    }
    // The second segment: rates have settled.
    let segment = FIRST_SEGMENT + 1;
    let before = process_cpu_time();
    let mut bytes = 0;
    for (id, spec) in &mosaics {
        let tracks = engine.tracks(id, spec, 0);
        let blocks: Option<Vec<_>> = tracks.iter().map(|name| shared.shelf.find(name)?.segment(segment)).collect();
        let blocks = blocks.expect("it is finished");
        let parts = gather_segment(&engine, spec, 0, &bench.grid, segment, &blocks).expect("tiles fit");
        bytes += package_segment(&bench.grid, segment, &parts).expect("it can be packaged").len();
    }
    let each_s = (process_cpu_time() - before).as_secs_f64() / mosaics.len() as f64;
    let duration_s = bench.grid.segment_duration().as_secs_f64();
    println!("stitch_segment_bytes {} B", bytes / mosaics.len());
    println!("stitch_mosaics_per_core {:.0} mosaics", duration_s / each_s);
    Stitched { tiles_s: GAMES as f64 * tile_s("960x544"), mosaic_s: each_s / duration_s }
}

/// Processor seconds per second of a rendered mosaic: drawn and encoded.
fn rendered(bench: &Bench) -> f64 {
    let shared = bench.shared();
    let settings = RenderSettings {
        grid: bench.grid,
        rungs: bench.rungs.clone(),
        shared: shared.clone(),
        trial: bench.trial(),
        assets: Assets::none(),
    };
    let engine = RenderEngine::new(settings, bench.grid.first_frame(FIRST_SEGMENT) - 3);
    let (id, spec) = bench.spec("4E", 0..4);
    engine.start(&id, &spec).expect("a mosaic starts");
    engine.mend();
    let cpu_s = bench.run(&engine, &shared, &[&id], FIRST_SEGMENT..=FIRST_SEGMENT + 2);
    cpu_s / (3.0 * bench.grid.segment_duration().as_secs_f64())
}
