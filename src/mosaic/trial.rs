//! A trial encode at start: what a rendition costs on this machine, so that the first admission is measured and not guessed.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use super::opening::{Canvases, canvases};
use crate::compositor::{Canvas, Compositor, Draw, Job};
use crate::encode::{HevcEncoder, PictureEncoder, VideoEncodeError, VideoEncoder};
use crate::frame::{Colour, Picture, Rect};
use crate::ladder::{RenditionSpec, VideoCodec, VideoSettings, lowest_level_idc};
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

/// Measures drawing and encoding of moving, detailed pictures. Takes a second or two; in HEVC some more.
pub fn trial_costs(
    grid: Grid,
    renditions: &[RenditionSpec],
    preset: &str,
    lookahead_frames: u32,
    compositor: &Arc<dyn Compositor>,
) -> Result<Trial, TrialError> {
    let sources: Vec<Picture> =
        (0..6).map(|n| moving_picture(SOURCE.0, SOURCE.1, n)).collect::<Option<_>>().ok_or(TrialError::Picture)?;
    let settings = |r: &RenditionSpec| VideoSettings {
        codec: r.codec,
        width: r.width,
        height: r.height,
        grid,
        bitrate_bps: r.bitrate_bps,
        preset: preset.to_owned(),
        level_idc: lowest_level_idc(r.width, r.height, grid, r.bitrate_bps),
        lookahead_frames,
        is_tile: false,
    };
    let mut trial = Trial { compose: 0.0, encode: vec![0.0; renditions.len()] };
    // One codec after the other: libx265 goes on between calls, and drawing is told by the whole process's time.
    for codec in VideoCodec::ALL {
        let of_codec = |r: &RenditionSpec| (r.codec == codec).then(|| settings(r));
        let of_codec: Vec<Option<VideoSettings>> = renditions.iter().map(of_codec).collect();
        if of_codec.iter().all(Option::is_none) {
            continue;
        }
        let drawn = measured(renditions, of_codec, &sources, compositor, &mut trial.encode)?;
        match codec {
            VideoCodec::H264 => trial.compose += typical(drawn),
            // On the same canvas.
            VideoCodec::Hevc => {}
            // Each on canvases of their own.
            VideoCodec::HevcPq | VideoCodec::HevcHlg => trial.compose += typical(drawn),
        }
    }
    Ok(trial)
}

/// Draws and encodes those `renditions` that have settings: adds what each picture of them took to `encode`, and gives what drawing took.
fn measured(
    renditions: &[RenditionSpec],
    settings: Vec<Option<VideoSettings>>,
    sources: &[Picture],
    compositor: &Arc<dyn Compositor>,
    encode: &mut [f64],
) -> Result<Vec<f64>, TrialError> {
    let mut encoders = Vec::new();
    for (at, settings) in settings.into_iter().enumerate() {
        if let Some(settings) = settings {
            encoders.push((at, open(settings)?));
        }
    }
    let is_taken = |its: &Canvases| its.takers.iter().any(|(taker, _)| encoders.iter().any(|(at, _)| at == taker));
    let Some(its) = canvases(renditions.iter()).into_iter().find(is_taken) else { return Ok(Vec::new()) };
    let mut drawn = Vec::new();
    for n in 0..PICTURES {
        let before = process_cpu_time();
        let pictures = draw(compositor, &its, sources, n)?;
        drawn.push(process_cpu_time().saturating_sub(before).as_secs_f64());
        for (at, encoder) in &mut encoders {
            let size = its.takers.iter().find(|(taker, _)| taker == at).map(|(_, size)| *size);
            let picture = size.and_then(|size| pictures.get(size)).ok_or(TrialError::Picture)?;
            let before = taken(&**encoder);
            encoder.encode(picture, u64::from(n))?;
            encode[*at] += taken(&**encoder).saturating_sub(before).as_secs_f64() / f64::from(PICTURES);
        }
    }
    // What the encoders looked ahead at is to be coded, too.
    for (at, encoder) in &mut encoders {
        let before = taken(&**encoder);
        while encoder.drain()?.is_some() {}
        encode[*at] += taken(&**encoder).saturating_sub(before).as_secs_f64() / f64::from(PICTURES);
    }
    Ok(drawn)
}

/// An encoder whose cost is seen whole: libx264 on the calling thread, and libx265 on those that it always has.
fn open(settings: VideoSettings) -> Result<Box<dyn PictureEncoder>, VideoEncodeError> {
    Ok(match settings.codec {
        VideoCodec::H264 => Box::new(VideoEncoder::on_one_thread(&settings)?),
        VideoCodec::Hevc | VideoCodec::HevcPq | VideoCodec::HevcHlg => Box::new(HevcEncoder::new(&settings)?),
    })
}

/// Processor time that an encoder has taken, on a clock that begins anywhere.
fn taken(encoder: &dyn PictureEncoder) -> Duration {
    thread_cpu_time() + encoder.threads_cpu_time()
}

/// The middle one. Drawing is told by the whole process's time, and what else goes on in it at start (a driver that translates shaders) falls on
/// a few of the pictures: their mean would refuse every mosaic for as long as none runs that corrects it.
fn typical(mut costs: Vec<f64>) -> f64 {
    let middle = costs.len() / 2;
    if costs.is_empty() { 0.0 } else { *costs.select_nth_unstable_by(middle, f64::total_cmp).1 }
}

fn draw(
    compositor: &Arc<dyn Compositor>,
    canvases: &Canvases,
    sources: &[Picture],
    n: u32,
) -> Result<Vec<Picture>, TrialError> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let Some((&(width, height), smaller)) = canvases.sizes.split_first() else { return Ok(Vec::new()) };
    let (half_width, half_height) = (width / 4 * 2, height / 4 * 2);
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
        colour: canvases.colour,
        canvas: Canvas { width, height, background: [0; 3], draws },
        smaller: smaller.to_vec(),
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
