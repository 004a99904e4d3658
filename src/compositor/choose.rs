//! Which compositor to use: by measuring, since a software Vulkan looks like a GPU and is slower than the CPU's vectors.

use std::fmt;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::{Canvas, Compositor, CompositorError, CpuCompositor, Draw, GpuCompositor, Job, Kind, Shared};
use crate::frame::{Colour, Picture, Rect};

/// Ticks that are drawn before the measured ones, so that memory is mapped and pipelines are compiled.
const WARM_UP_TICKS: usize = 2;
/// Ticks that are measured; the fastest counts, since everything else on the machine can only make them slower.
const MEASURED_TICKS: usize = 5;
/// So many times slower than the rival cannot be made good by more ticks.
const HOPELESS: f64 = 4.0;
/// Canvases in a measured tick.
const CANVASES: usize = 4;
/// A tick that takes longer is not waited for: that compositor is of no use.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the configuration asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// Both are measured, the faster is taken.
    #[default]
    Auto,
    Gpu,
    Cpu,
}

/// The compositor and why it is this one.
pub struct Chosen {
    pub compositor: Shared,
    pub report: Report,
}

/// What was found and measured. Displays as one line for the log.
#[derive(Clone, Debug)]
pub struct Report {
    pub chosen: Kind,
    /// What the chosen one runs on.
    pub description: String,
    /// Milliseconds per canvas of 1920x1080 with four pictures of 1280x720 on it, several canvases a tick.
    pub cpu_ms: Option<f64>,
    pub gpu_ms: Option<f64>,
    /// The Vulkan adapter, if one was opened.
    pub gpu_adapter: Option<String>,
    /// Why the GPU could not be used, if that was found out.
    pub gpu_error: Option<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "compositor {} ({})", self.chosen.name(), self.description)?;
        if let Some(ms) = self.cpu_ms {
            write!(f, "; cpu {ms:.2} ms per canvas")?;
        }
        match (&self.gpu_adapter, self.gpu_ms) {
            (Some(adapter), Some(ms)) => write!(f, "; gpu {ms:.2} ms per canvas on {adapter}")?,
            (Some(adapter), None) if self.chosen == Kind::Cpu => write!(f, "; gpu {adapter} not used")?,
            _ => {}
        }
        if let Some(error) = &self.gpu_error {
            write!(f, "; no gpu: {error}")?;
        }
        Ok(())
    }
}

/// Opens the compositor that `choice` asks for, with `workers` threads where it draws on the CPU. `Auto` takes a second or two
/// for measuring, and takes the CPU where there is no Vulkan; `Gpu` fails there.
pub fn new(choice: Choice, workers: usize) -> Result<Chosen, CompositorError> {
    match choice {
        Choice::Cpu => Ok(only(Arc::new(CpuCompositor::new(workers)?), None)),
        Choice::Gpu => {
            let gpu = GpuCompositor::new(workers)?;
            let adapter = gpu.adapter();
            Ok(only(Arc::new(gpu), Some(adapter)))
        }
        Choice::Auto => faster(workers),
    }
}

fn only(compositor: Shared, gpu_adapter: Option<String>) -> Chosen {
    let (chosen, description) = (compositor.kind(), compositor.describe());
    let report = Report { chosen, description, cpu_ms: None, gpu_ms: None, gpu_adapter, gpu_error: None };
    Chosen { compositor, report }
}

fn faster(workers: usize) -> Result<Chosen, CompositorError> {
    let mut chosen = only(Arc::new(CpuCompositor::new(workers)?), None);
    let tick = MeasuredTick::new();
    chosen.report.cpu_ms = tick.measure(&*chosen.compositor, None);
    let gpu = match GpuCompositor::new(workers) {
        Ok(gpu) => gpu,
        Err(error) => {
            chosen.report.gpu_error = Some(error.to_string());
            return Ok(chosen);
        }
    };
    chosen.report.gpu_adapter = Some(gpu.adapter());
    chosen.report.gpu_ms = tick.measure(&gpu, chosen.report.cpu_ms);
    let wins = match (chosen.report.gpu_ms, chosen.report.cpu_ms) {
        (Some(gpu), Some(cpu)) => gpu < cpu,
        (gpu, _) => gpu.is_some(),
    };
    if wins {
        chosen.compositor = Arc::new(gpu);
        chosen.report.chosen = Kind::Gpu;
        chosen.report.description = chosen.compositor.describe();
    }
    Ok(chosen)
}

/// The work that both are measured with: four feeds whose pictures are new in every tick.
struct MeasuredTick {
    /// Sets of pictures in turn, so that nothing can be used again from the tick before.
    pictures: [Vec<Picture>; 3],
}

impl MeasuredTick {
    fn new() -> Self {
        let picture = |seed: usize| {
            let plane = |len: usize| (0..len).map(|i| (i * 7 + i / 1280 * 13 + seed * 31) as u8).collect::<Vec<_>>();
            Picture::from_planes(1280, 720, Colour::CANVAS, [plane(1280 * 720), plane(640 * 360), plane(640 * 360)])
        };
        Self { pictures: [0, 4, 8].map(|set| (set..set + 4).filter_map(picture).collect()) }
    }

    /// Milliseconds per canvas at the best of a few ticks; `None` when a tick was not finished in time. One that is
    /// hopelessly slower than `rival_ms` is not measured further, so that a software Vulkan does not hold up the start.
    fn measure(&self, compositor: &dyn Compositor, rival_ms: Option<f64>) -> Option<f64> {
        let mut best: Option<f64> = None;
        for number in 0..WARM_UP_TICKS + MEASURED_TICKS {
            let begin = Instant::now();
            self.draw(compositor, &self.pictures[number % 3])?;
            let ms = begin.elapsed().as_secs_f64() * 1000.0 / CANVASES as f64;
            if number + 1 >= WARM_UP_TICKS && rival_ms.is_some_and(|rival| ms > HOPELESS * rival) {
                return Some(ms);
            }
            if number >= WARM_UP_TICKS {
                best = Some(best.map_or(ms, |b: f64| b.min(ms)));
            }
        }
        best
    }

    fn draw(&self, compositor: &dyn Compositor, pictures: &[Picture]) -> Option<()> {
        let (finished, results) = mpsc::channel();
        // Each canvas has the pictures in another order, as mosaics of the same games do.
        let jobs = (0..CANVASES).map(|canvas| {
            let rect = |slot: u32| Rect { x: slot % 2 * 960, y: slot / 2 * 540, width: 960, height: 540 };
            let draws = (0..4).map(|slot| Draw {
                picture: pictures[(slot as usize + canvas) % pictures.len()].clone(),
                rect: rect(slot),
            });
            let finished = Mutex::new(finished.clone());
            Job {
                affinity: canvas as u64,
                colour: Colour::CANVAS,
                canvas: Canvas { width: 1920, height: 1080, background: [0; 3], draws: draws.collect() },
                smaller: Vec::new(),
                deliver: Box::new(move |pictures| {
                    let finished = finished.into_inner().unwrap_or_else(|e| e.into_inner());
                    // Nobody listens any more when patience ran out.
                    let _ = finished.send(pictures);
                }),
            }
        });
        let refused = compositor.submit(jobs.collect());
        drop(finished);
        let deadline = Instant::now() + PATIENCE;
        for _ in refused.len()..CANVASES {
            results.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()?;
        }
        refused.is_empty().then_some(())
    }
}
