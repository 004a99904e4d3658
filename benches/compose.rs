//! How long a canvas takes: one `name value unit` line per figure.
//!
//! Without arguments both compositors draw 1920x1080 canvases of four 1280x720 pictures (layout 4E), one canvas at a time, new
//! pictures each time, on one thread; then the same of four 1920x1080 pictures of ten bits, as they are and tone-mapped; then HDR canvases. With `--gpu` the best Vulkan adapter is named and saturated, and what held it back
//! is said. Needs nothing but the binary, so it can be carried to another machine.

use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use quadrille::compositor::{Canvas, Compositor, CpuCompositor, Draw, GpuCompositor, Job};
use quadrille::frame::{Colour, Depth, Matrix, Peak, Picture, Primaries, Rect, Transfer};

/// Different pictures per feed, shown in turn: real feeds never show one twice running.
const PICTURES_PER_FEED: usize = 4;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|a| a == name);
    if has("--gpu") {
        return saturate();
    }
    match CpuCompositor::new(1) {
        Ok(cpu) => {
            one_by_one("compose_cpu_ms", &cpu, &Feeds::new(4), 300);
            one_by_one("deep_compose_ms", &cpu, &Feeds::deep(4, Colour::CANVAS), 100);
            one_by_one("hdr_compose_ms", &cpu, &Feeds::deep(4, hdr(Transfer::Pq(Peak::Cd1000))), 100);
            one_by_one("hlg_compose_ms", &cpu, &Feeds::deep(4, hdr(Transfer::Hlg)), 100);
            one_by_one("sdr_in_hdr_compose_ms", &cpu, &Feeds::new(4).in_hdr(), 60);
            one_by_one("pq_in_hdr_compose_ms", &cpu, &Feeds::deep(4, hdr(Transfer::Pq(Peak::Cd1000))).in_hdr(), 60);
        }
        Err(error) => eprintln!("no CPU compositor: {error}"),
    }
    if has("--cpu-only") {
        return;
    }
    match GpuCompositor::new(1) {
        Ok(gpu) => {
            eprintln!("gpu: {}", gpu.describe());
            one_by_one("compose_gpu_ms", &gpu, &Feeds::new(4), 60);
        }
        Err(error) => eprintln!("no GPU compositor: {error}"),
    }
}

/// Prints the median and the 99th percentile from submission to delivery of single canvases.
fn one_by_one(name: &str, compositor: &dyn Compositor, feeds: &Feeds, canvases: usize) {
    let mut times_ms = Vec::with_capacity(canvases);
    for tick in 0..canvases + 10 {
        let (sender, receiver) = mpsc::channel();
        let begin = Instant::now();
        let refused = compositor.submit(vec![feeds.job(0, tick, &sender)]);
        drop(sender);
        assert!(refused.is_empty() && receiver.recv().is_ok(), "a canvas was lost");
        if tick >= 10 {
            times_ms.push(begin.elapsed().as_secs_f64() * 1000.0);
        }
    }
    times_ms.sort_by(f64::total_cmp);
    println!("{name}_p50 {:.3} ms", times_ms[times_ms.len() / 2]);
    println!("{name}_p99 {:.3} ms", times_ms[times_ms.len() * 99 / 100]);
}

/// Canvases a second when the queue is never empty, for several ways of loading the machine.
fn saturate() {
    let gpu = match GpuCompositor::new(1) {
        Ok(gpu) => gpu,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(1);
        }
    };
    println!("gpu_adapter {}", gpu.adapter().replace(' ', "_"));
    one_by_one("compose_gpu_ms", &gpu, &Feeds::new(4), 100);
    one_by_one("hdr_compose_gpu_ms", &gpu, &Feeds::deep(4, hdr(Transfer::Pq(Peak::Cd1000))), 100);
    one_by_one("sdr_in_hdr_compose_gpu_ms", &gpu, &Feeds::new(4).in_hdr(), 100);
    one_by_one("pq_in_hdr_compose_gpu_ms", &gpu, &Feeds::deep(4, hdr(Transfer::Pq(Peak::Cd1000))).in_hdr(), 100);
    let feeds = Feeds::new(16);
    // New pictures every tick, then held ones (nothing is uploaded), then tiny canvases (next to nothing is read back).
    let fresh = rate(&gpu, &feeds, Load { canvases: 32, held: false, read_back: true });
    let held = rate(&gpu, &feeds, Load { canvases: 32, held: true, read_back: true });
    let shaded = rate(&gpu, &feeds, Load { canvases: 32, held: true, read_back: false });
    println!("gpu_canvases_per_s {fresh:.0} 1/s");
    println!("gpu_canvases_held_pictures_per_s {held:.0} 1/s");
    println!("gpu_canvases_not_read_back_per_s {shaded:.0} 1/s");
    println!("gpu_readback_gb_per_s {:.2} GB/s", fresh * 3.1104e6 / 1e9);
    let limit = match () {
        () if held > 1.25 * fresh => "upload",
        () if shaded > 1.25 * held => "readback",
        () => "shading",
    };
    println!("gpu_limit {limit}");
}

#[derive(Clone, Copy)]
struct Load {
    canvases: usize,
    held: bool,
    read_back: bool,
}

fn rate(gpu: &GpuCompositor, feeds: &Feeds, load: Load) -> f64 {
    gpu.read_back(load.read_back);
    let (sender, receiver) = mpsc::channel();
    let (mut sent, mut received, mut counted) = (0, 0, 0);
    let begin = Instant::now();
    let warm = Duration::from_secs(1);
    let end = warm + Duration::from_secs(4);
    while begin.elapsed() < end {
        let tick = if load.held { 0 } else { sent / load.canvases };
        let jobs = (0..load.canvases).map(|canvas| feeds.job(canvas, tick, &sender)).collect();
        let refused = gpu.submit(jobs);
        sent += load.canvases - refused.len();
        let before = received;
        // Three ticks are on their way at any time.
        while sent - received > 2 * load.canvases && receiver.recv_timeout(Duration::from_secs(10)).is_ok() {
            received += 1;
        }
        if begin.elapsed() > warm {
            counted += received - before;
        }
    }
    let rate = counted as f64 / (begin.elapsed() - warm).as_secs_f64();
    while received < sent && receiver.recv_timeout(Duration::from_secs(10)).is_ok() {
        received += 1;
    }
    gpu.read_back(true);
    rate
}

struct Feeds {
    pictures: Vec<[Picture; PICTURES_PER_FEED]>,
    /// What canvases of them are made in.
    canvas: Colour,
}

/// What HDR sources are: ITU-R BT.2100, ten bits.
fn hdr(transfer: Transfer) -> Colour {
    Colour { matrix: Matrix::Bt2020, primaries: Primaries::Bt2020, transfer, ..Colour::CANVAS }
}

impl Feeds {
    fn new(count: usize) -> Self {
        Self::of(count, (1280, 720), Colour::CANVAS)
    }

    /// Of ten bits.
    fn deep(count: usize, colour: Colour) -> Self {
        Self::of(count, (1920, 1080), Colour { depth: Depth::Ten, ..colour })
    }

    /// On HDR canvases.
    fn in_hdr(self) -> Self {
        Self { canvas: Colour::PQ_CANVAS, ..self }
    }

    fn of(count: usize, (width, height): (usize, usize), colour: Colour) -> Self {
        let bytes = width * height * colour.depth.bytes();
        let picture = |seed: usize| {
            let plane = |len: usize| {
                let noise = move |i: usize| (i.wrapping_mul(0x9e37_79b9).wrapping_add(seed * 7919) >> 13) as u8;
                // The high byte of a sample of ten bits has two of them.
                let most = |i: usize| if colour.depth == Depth::Ten && i % 2 == 1 { 3 } else { u8::MAX };
                (0..len).map(|i| noise(i) & most(i)).collect::<Vec<_>>()
            };
            let planes = [plane(bytes), plane(bytes / 4), plane(bytes / 4)];
            Picture::from_planes(width as u32, height as u32, colour, planes).expect("sound planes")
        };
        let pictures = (0..count).map(|feed| std::array::from_fn(|i| picture(feed * PICTURES_PER_FEED + i))).collect();
        Self { pictures, canvas: Colour::CANVAS }
    }

    /// Canvas number `canvas` of a tick: four feeds, chosen and ordered by the number.
    fn job(&self, canvas: usize, tick: usize, done: &Sender<()>) -> Job {
        let draws = (0..4u32).map(|slot| {
            let feed = (canvas * 5 + slot as usize * (1 + canvas % 3)) % self.pictures.len();
            Draw {
                picture: self.pictures[feed][tick % PICTURES_PER_FEED].clone(),
                rect: Rect { x: slot % 2 * 960, y: slot / 2 * 540, width: 960, height: 540 },
            }
        });
        let done = done.clone();
        Job {
            affinity: canvas as u64,
            colour: self.canvas,
            canvas: Canvas { width: 1920, height: 1080, background: [0; 3], draws: draws.collect() },
            smaller: Vec::new(),
            deliver: Box::new(move |pictures| {
                std::hint::black_box(pictures);
                let _ = done.send(());
            }),
        }
    }
}
