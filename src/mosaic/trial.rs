//! A trial encode at start: what a rendition costs on this machine, so that the first admission is measured and not guessed.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use crate::compositor::{Canvas, Compositor, Draw, Job};
use crate::encode::{VideoEncodeError, VideoEncoder};
use crate::frame::{Colour, Picture, Rect};
use crate::ladder::{RenditionSpec, VideoSettings, lowest_level_idc};
use crate::timeline::Grid;
use crate::work::{process_cpu_time, thread_cpu_time};

/// Pictures of a trial: one IDR and enough others to see their cost.
const PICTURES: u32 = 24;

/// Sources of the trial's mosaic: four of the commonest size.
const SOURCE: (u32, u32) = (1280, 720);

#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error(transparent)]
    Encode(#[from] VideoEncodeError),
    #[error("the compositor gave no picture within {0:?}")]
    Compositor(Duration),
    #[error("a trial picture could not be made")]
    Picture,
}

/// Processor seconds per picture, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// To draw one canvas of the best rendition from four sources, and the smaller ones from it.
    pub compose: f64,
    /// To encode one picture, per rendition.
    pub encode: Vec<f64>,
}

impl Trial {
    /// Cores that one mosaic takes with the renditions that `take` picks (by index).
    pub fn mosaic_cores(&self, grid: Grid, take: impl Fn(usize) -> bool) -> f64 {
        let encode: f64 = self.encode.iter().enumerate().filter(|(at, _)| take(*at)).map(|(_, cost)| cost).sum();
        (self.compose + encode) * f64::from(grid.fps().num()) / f64::from(grid.fps().den())
    }
}

/// Measures drawing and encoding of moving, detailed pictures. Takes a second or two.
pub fn trial_costs(
    grid: Grid,
    renditions: &[RenditionSpec],
    preset: &str,
    lookahead_frames: u32,
    compositor: &Arc<dyn Compositor>,
) -> Result<Trial, TrialError> {
    let sources: Vec<Picture> =
        (0..6).map(|n| moving_picture(SOURCE.0, SOURCE.1, n)).collect::<Option<_>>().ok_or(TrialError::Picture)?;
    let Some(best) = renditions.first() else { return Ok(Trial { compose: 0.0, encode: Vec::new() }) };
    let mut encoders = renditions
        .iter()
        .map(|r| {
            VideoEncoder::on_one_thread(&VideoSettings {
                width: r.width,
                height: r.height,
                grid,
                bitrate_bps: r.bitrate_bps,
                preset: preset.to_owned(),
                level_idc: lowest_level_idc(r.width, r.height, grid, r.bitrate_bps),
                lookahead_frames,
                is_tile: false,
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    let mut encode = vec![0.0; renditions.len()];
    let mut compose = Vec::new();
    for n in 0..PICTURES {
        let before = process_cpu_time();
        let pictures = draw(compositor, best, &renditions[1..], &sources, n)?;
        compose.push(process_cpu_time().saturating_sub(before).as_secs_f64());
        for (at, (encoder, picture)) in encoders.iter_mut().zip(&pictures).enumerate() {
            let before = thread_cpu_time();
            encoder.encode(picture, u64::from(n))?;
            encode[at] += thread_cpu_time().saturating_sub(before).as_secs_f64();
        }
    }
    // What the encoders looked ahead at is to be coded, too.
    for (encoder, encode) in encoders.iter_mut().zip(&mut encode) {
        let before = thread_cpu_time();
        while encoder.drain()?.is_some() {}
        *encode += thread_cpu_time().saturating_sub(before).as_secs_f64();
    }
    let each = |total: f64| total / f64::from(PICTURES);
    Ok(Trial { compose: typical(compose), encode: encode.into_iter().map(each).collect() })
}

/// The middle one. Drawing is told by the whole process's time, and what else goes on in it at start (a driver that translates shaders) falls on
/// a few of the pictures: their mean would refuse every mosaic for as long as none runs that corrects it.
fn typical(mut costs: Vec<f64>) -> f64 {
    let middle = costs.len() / 2;
    if costs.is_empty() { 0.0 } else { *costs.select_nth_unstable_by(middle, f64::total_cmp).1 }
}

fn draw(
    compositor: &Arc<dyn Compositor>,
    best: &RenditionSpec,
    smaller: &[RenditionSpec],
    sources: &[Picture],
    n: u32,
) -> Result<Vec<Picture>, TrialError> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let (half_width, half_height) = (best.width / 4 * 2, best.height / 4 * 2);
    let draws = (0..4)
        .map(|slot| Draw {
            picture: sources[(slot + n as usize) % sources.len()].clone(),
            rect: Rect {
                x: slot as u32 % 2 * half_width,
                y: slot as u32 / 2 * half_height,
                width: half_width,
                height: half_height,
            },
        })
        .collect();
    let (give, take) = mpsc::channel();
    let job = Job {
        affinity: 0,
        canvas: Canvas { width: best.width, height: best.height, background: [0; 3], draws },
        smaller: smaller.iter().map(|r| (r.width, r.height)).collect(),
        deliver: Box::new(move |pictures| {
            // The receiver waits below; if it gave up, the picture is of no use.
            let _ = give.send(pictures);
        }),
    };
    if !compositor.submit(vec![job]).is_empty() {
        return Err(TrialError::Picture);
    }
    take.recv_timeout(PATIENCE).map_err(|_| TrialError::Compositor(PATIENCE))
}

/// Detail that pans: bars and noise at a level that a sports picture has.
pub(super) fn moving_picture(width: u32, height: u32, n: u32) -> Option<Picture> {
    let mut noise = 0x9e37_79b9_7f4a_7c15_u64;
    let luma = (0..height)
        .flat_map(|y| (0..width).map(move |x| (x, y)))
        .map(|(x, y)| {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            let bars = ((x + 5 * n) / 24 + y / 18) % 7 * 24;
            (48 + bars + (noise >> 60) as u32) as u8
        })
        .collect();
    let chroma = |shift: u32| {
        (0..height / 2)
            .flat_map(|y| (0..width / 2).map(move |x| (96 + ((x + 2 * n) / 40 * shift + y / 30 * 5) % 64) as u8))
            .collect()
    };
    Picture::from_planes(width, height, Colour::CANVAS, [luma, chroma(7), chroma(11)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_else_the_process_did_meanwhile_is_not_in_what_drawing_costs() {
        let costs = (0..PICTURES).map(|n| if n % 6 == 0 { 0.9 } else { 0.002 + f64::from(n) * 1e-5 }).collect();
        let cost = typical(costs);
        assert!((0.002..0.0023).contains(&cost), "{cost}");
        assert!(typical(Vec::new()).abs() < f64::EPSILON);
    }
}
