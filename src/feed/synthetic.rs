//! `test://` sources: pictures and a tone made here, straight on the grid.
//!
//! Made here rather than by GStreamer's videotestsrc for two reasons. What they show is exact: the clock on the picture is
//! the instant on the grid, the flash and the beep fall on whole seconds of it. And they are cheap (a copy of a drawn
//! background, a few moving things), so that a demo's six games leave the cores to the encoders.

use std::f32::consts::TAU;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use url::Url;

use super::error::SourceError;
use super::intake::Intake;
use super::pen::{DigitSet, Stencil};
use super::room::{DecodeCosts, Demand, PATTERN};
use super::texts::{TextOrigin, Writing};
use super::{Pace, SourceError as Ending};
use crate::captions::{Kind, Text, TrackInfo};
use crate::frame::{Colour, Picture, PlaneMemory};
use crate::timeline::{Clock, MediaTime, SAMPLE_RATE_HZ};
use crate::work::thread_cpu_time;

/// What is in a `test://` URI: `test://PATTERN?fps=30&size=1280x720&tone=440&label=…&flash=1&barcode=1`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct SyntheticSpec {
    pattern: Pattern,
    fps: (u32, u32),
    width: usize,
    height: usize,
    /// Hertz; 0 is silence.
    tone_hz: u32,
    label: Option<String>,
    /// White flash and a beep at every whole second, nothing between: measures lip-sync.
    flash: bool,
    /// The frame's number in blocks along the upper edge: lets a test tell frames apart.
    barcode: bool,
    /// What is written with it is said to be in this language: the second that runs.
    captions: Option<Arc<TextOrigin>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    Ball,
    Smpte,
    Snow,
    ZonePlate,
    Pinwheel,
    Black,
}

const PATTERNS: [(&str, Pattern); 6] = [
    ("ball", Pattern::Ball),
    ("smpte", Pattern::Smpte),
    ("snow", Pattern::Snow),
    ("zone-plate", Pattern::ZonePlate),
    ("pinwheel", Pattern::Pinwheel),
    ("black", Pattern::Black),
];

/// Bits of the barcode, most significant first, after the four marker blocks 1010.
const BARCODE_BITS: usize = 24;
const BEEP_SAMPLES: u64 = SAMPLE_RATE_HZ as u64 / 20;
const FLASH_NANOS: u64 = 50_000_000;

impl SyntheticSpec {
    pub fn demand(&self) -> Demand {
        Demand { width: self.width as u32, height: self.height as u32, fps: Some(self.fps) }
    }

    /// # Errors
    /// [`SourceError::Uri`] for an unknown pattern or parameter, or a value out of range.
    pub fn parse(url: &Url) -> Result<Self, SourceError> {
        let bad = |problem: String| SourceError::Uri { uri: url.to_string(), problem };
        let name = url.host_str().unwrap_or_default();
        let Some((_, pattern)) = PATTERNS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = PATTERNS.iter().map(|(name, _)| *name).collect();
            return Err(bad(format!("pattern {name:?} is not one of {}", known.join(", "))));
        };
        let mut spec = Self {
            pattern: *pattern,
            fps: (30, 1),
            width: 1280,
            height: 720,
            tone_hz: 440,
            label: None,
            flash: false,
            barcode: false,
            captions: None,
        };
        for (key, value) in url.query_pairs() {
            let wrong = |allowed: &str| bad(format!("{key}={value}: {allowed}"));
            match key.as_ref() {
                "fps" => spec.fps = rate(&value).ok_or_else(|| wrong("1 to 120, or a fraction like 30000/1001"))?,
                "size" => {
                    (spec.width, spec.height) =
                        size(&value).ok_or_else(|| wrong("WIDTHxHEIGHT, both even, 64x36 to 3840x2160"))?;
                }
                "tone" => {
                    let hz = value.parse().ok().filter(|hz| *hz <= SAMPLE_RATE_HZ / 2);
                    spec.tone_hz = hz.ok_or_else(|| wrong("whole hertz, 0 to 24000"))?;
                }
                "label" => spec.label = Some(value.chars().take(80).collect()),
                "flash" => spec.flash = switch(&value).ok_or_else(|| wrong("0 or 1"))?,
                "barcode" => spec.barcode = switch(&value).ok_or_else(|| wrong("0 or 1"))?,
                "captions" => {
                    let wrong = || wrong("a language of two or three letters");
                    spec.captions = Some(Arc::new(captions_in(&value).ok_or_else(wrong)?));
                }
                _ => return Err(bad(format!("{key} is not one of fps, size, tone, label, flash, barcode, captions"))),
            }
        }
        Ok(spec)
    }
}

fn switch(value: &str) -> Option<bool> {
    match value {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

fn captions_in(language: &str) -> Option<TextOrigin> {
    let is_code = (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_lowercase());
    let track = TrackInfo { language: language.to_owned(), kind: Kind::Captions };
    is_code.then(|| TextOrigin { track, name: "captions".into() })
}

fn rate(value: &str) -> Option<(u32, u32)> {
    let (num, den) = value.split_once('/').unwrap_or((value, "1"));
    let (num, den): (u32, u32) = (num.parse().ok()?, den.parse().ok()?);
    (den > 0 && num >= den && num / den <= 120).then_some((num, den))
}

fn size(value: &str) -> Option<(usize, usize)> {
    let (w, h) = value.split_once('x')?;
    let (w, h): (usize, usize) = (w.parse().ok()?, h.parse().ok()?);
    ((64..=3840).contains(&w) && (36..=2160).contains(&h) && w % 2 == 0 && h % 2 == 0).then_some((w, h))
}

type Planes = [Vec<u8>; 3];

/// Plane buffers that go round: a megabyte fresh from the system costs more than drawing on it.
#[derive(Default)]
struct Pool(Mutex<Vec<Planes>>);

struct PooledPlanes {
    planes: Planes,
    pool: Arc<Pool>,
}

impl PlaneMemory for PooledPlanes {
    fn plane(&self, plane: usize) -> &[u8] {
        &self.planes[plane]
    }
}

impl Drop for PooledPlanes {
    fn drop(&mut self) {
        let mut free = self.pool.0.lock();
        if free.len() < 4 {
            free.push(std::mem::take(&mut self.planes));
        }
    }
}

/// Draws a synthetic game's frames.
struct Painter {
    spec: SyntheticSpec,
    background: Planes,
    /// A byte of phase for every pixel of the moving patterns.
    phases: Vec<u8>,
    digits: DigitSet,
    pool: Arc<Pool>,
}

impl Painter {
    fn new(spec: &SyntheticSpec, title: &str) -> Self {
        let (w, h) = (spec.width, spec.height);
        // Games are told apart by colour too: the title decides.
        let hash = title.bytes().fold(7u32, |hash, b| hash.wrapping_mul(31).wrapping_add(u32::from(b)));
        // Titles that differ by little hash to neighbours; the golden ratio spreads them.
        let hue = ((u64::from(hash.wrapping_mul(0x9e37_79b9)) * 360) >> 32) as u32;
        let mut background = match spec.pattern {
            Pattern::Smpte => bars(w, h),
            Pattern::Ball => pitch(w, h, hue),
            Pattern::ZonePlate | Pattern::Pinwheel => tinted(w, h, 128, hue, 22.0),
            Pattern::Snow => tinted(w, h, 128, hue, 0.0),
            Pattern::Black => tinted(w, h, 16, hue, 0.0),
        };
        let phases = match spec.pattern {
            Pattern::ZonePlate => phases(w, h, |x, y| (x * x + y * y) / (2.2 * w as f32)),
            Pattern::Pinwheel => phases(w, h, |x, y| y.atan2(x) / TAU * 8.0 * 256.0),
            _ => Vec::new(),
        };
        let label_px = h as f32 / 12.0;
        if spec.phases_free() {
            label(&mut background, spec, title, label_px);
        }
        Self { spec: spec.clone(), background, phases, digits: DigitSet::new(h as f32 / 16.0), pool: Arc::default() }
    }

    /// The picture of frame `number` (of the source's own rate, since the media epoch), at instant `at`.
    fn paint(&self, number: u64, at: MediaTime, title: &str) -> Option<Picture> {
        let spec = &self.spec;
        let (w, h) = (spec.width, spec.height);
        let mut planes = self.pool.0.lock().pop().unwrap_or_else(|| self.background.clone());
        let seconds = at.as_nanos() as f64 / 1e9;
        let flashing = spec.flash && at.as_nanos() % 1_000_000_000 < FLASH_NANOS;
        match spec.pattern {
            Pattern::Snow => snow(&mut planes[0], number),
            Pattern::ZonePlate | Pattern::Pinwheel => self.waves(&mut planes[0], seconds),
            _ => {
                for (plane, background) in planes.iter_mut().zip(&self.background) {
                    plane.copy_from_slice(background);
                }
            }
        }
        if !self.spec.phases_free() {
            label(&mut planes, spec, title, h as f32 / 12.0);
        }
        match spec.pattern {
            Pattern::Ball => ball(&mut planes, w, h, seconds),
            Pattern::Smpte => sweep(&mut planes[0], w, h, seconds),
            _ => {}
        }
        if flashing {
            planes[0].fill(235);
            planes[1].fill(128);
            planes[2].fill(128);
        }
        self.clock_and_number(&mut planes, number, at);
        if spec.barcode {
            barcode(&mut planes, w, h, number);
        }
        let memory = Arc::new(PooledPlanes { planes, pool: Arc::clone(&self.pool) });
        Picture::new(w as u32, h as u32, [w, w / 2, w / 2], Colour::CANVAS, (1, 1), memory)
    }

    fn waves(&self, luma: &mut [u8], seconds: f64) {
        let shift = (seconds.fract() * 256.0) as u8;
        let table: [u8; 256] = std::array::from_fn(|i| {
            let phase = f32::from((i as u8).wrapping_sub(shift)) / 256.0;
            (126.0 + 90.0 * (phase * TAU).cos()) as u8
        });
        for (pixel, phase) in luma.iter_mut().zip(&self.phases) {
            *pixel = table[usize::from(*phase)];
        }
    }

    /// `20:15:07.33 #041` in the lower left corner: the time of day (UTC) and the frame within the second.
    fn clock_and_number(&self, planes: &mut Planes, number: u64, at: MediaTime) {
        let (w, h) = (self.spec.width, self.spec.height);
        // Rounded to the middle of the frame, so that 14.9999 s is not shown as 14.
        let millis = (at.as_nanos() + 500_000) / 1_000_000;
        let s = millis / 1000;
        let text = format!("{:02}:{:02}:{:02}.{:03} #{}", s / 3600 % 24, s / 60 % 60, s % 60, millis % 1000, number);
        let height = h / 16;
        let (x, y) = ((w / 40) & !1, (h - height - h / 20) & !1);
        let width = (self.digits.width(&text) + 16).min(w - x) & !1;
        darken(planes, w, (x, y, width, height & !1));
        self.digits.blend(&text, &mut planes[0], w, x + 8, y, 226);
    }
}

impl SyntheticSpec {
    /// Whether the background stands still, so that the label can be drawn on it once.
    fn phases_free(&self) -> bool {
        !matches!(self.pattern, Pattern::Snow | Pattern::ZonePlate | Pattern::Pinwheel)
    }
}

fn label(planes: &mut Planes, spec: &SyntheticSpec, title: &str, size_px: f32) {
    let (w, h) = (spec.width, spec.height);
    let text = Stencil::text(spec.label.as_deref().unwrap_or(title), size_px, w * 9 / 10);
    let (x, y) = ((w / 40) & !1, (h / 10) & !1);
    darken(planes, w, (x, y, (text.width + 16).min(w - x) & !1, (text.height + 1) & !1));
    text.blend(&mut planes[0], w, x + 8, y, 235);
}

/// A dark, colourless box (x, y, width, height, all even) for text to stand on.
fn darken(planes: &mut Planes, w: usize, (x, y, width, height): (usize, usize, usize, usize)) {
    for row in y..y + height {
        planes[0][row * w + x..row * w + x + width].fill(28);
    }
    for plane in &mut planes[1..] {
        for row in y / 2..(y + height) / 2 {
            plane[row * w / 2 + x / 2..row * w / 2 + (x + width) / 2].fill(128);
        }
    }
}

fn chroma(hue: u32, strength: f32) -> (u8, u8) {
    let angle = hue as f32 / 360.0 * TAU;
    ((128.0 + strength * angle.cos()) as u8, (128.0 + strength * angle.sin()) as u8)
}

fn tinted(w: usize, h: usize, luma: u8, hue: u32, strength: f32) -> Planes {
    let (cb, cr) = chroma(hue, strength);
    [vec![luma; w * h], vec![cb; w * h / 4], vec![cr; w * h / 4]]
}

/// A playing field seen from above: mown stripes, lines, a centre circle.
fn pitch(w: usize, h: usize, hue: u32) -> Planes {
    let mut planes = tinted(w, h, 90, hue, 38.0);
    let (cx, cy, radius) = (w as f32 / 2.0, h as f32 / 2.0, h as f32 / 6.0);
    let line = (h as f32 / 180.0).max(1.0);
    for y in 0..h {
        for x in 0..w {
            let stripe = if (x * 12 / w).is_multiple_of(2) { 84 } else { 98 };
            let (dx, dy) = (x as f32 - cx, y as f32 - cy);
            let border = (dx.abs() - cx * 0.95).abs() < line && dy.abs() <= cy * 0.9
                || (dy.abs() - cy * 0.9).abs() < line && dx.abs() <= cx * 0.95;
            let marked =
                border || dx.abs() < line && dy.abs() <= cy * 0.9 || ((dx * dx + dy * dy).sqrt() - radius).abs() < line;
            planes[0][y * w + x] = if marked { 200 } else { stripe };
        }
    }
    planes
}

/// Seven bars of 75 % colour (BT.709, limited range), white to blue.
fn bars(w: usize, h: usize) -> Planes {
    const BARS: [(u8, u8, u8); 7] = [
        (180, 128, 128),
        (168, 44, 136),
        (145, 147, 44),
        (133, 63, 52),
        (63, 193, 204),
        (51, 109, 212),
        (28, 212, 120),
    ];
    let mut planes = tinted(w, h, 16, 0, 0.0);
    for (i, pixel) in planes[0].iter_mut().enumerate() {
        *pixel = BARS[i % w * 7 / w].0;
    }
    for i in 0..w * h / 4 {
        let (_, cb, cr) = BARS[i % (w / 2) * 7 / (w / 2)];
        planes[1][i] = cb;
        planes[2][i] = cr;
    }
    planes
}

fn phases(w: usize, h: usize, phase: impl Fn(f32, f32) -> f32) -> Vec<u8> {
    let (cx, cy) = (w as f32 / 2.0, h as f32 / 2.0);
    (0..w * h).map(|i| (phase((i % w) as f32 - cx, (i / w) as f32 - cy) as i64).rem_euclid(256) as u8).collect()
}

fn snow(luma: &mut [u8], number: u64) {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for pixels in luma.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        for (pixel, noise) in pixels.iter_mut().zip(state.to_le_bytes()) {
            *pixel = 16 + noise / 8 * 6;
        }
    }
}

/// A white ball on a path that takes 8 s across and 5 s down.
fn ball(planes: &mut Planes, w: usize, h: usize, seconds: f64) {
    let bounce = |period: f64| {
        let t = (seconds / period).fract() as f32;
        1.0 - (2.0 * t - 1.0).abs()
    };
    let radius = h as f32 / 14.0;
    let cx = radius + bounce(8.0) * (w as f32 - 2.0 * radius);
    let cy = radius + bounce(5.0) * (h as f32 - 2.0 * radius);
    for y in (cy - radius).max(0.0) as usize..((cy + radius) as usize + 1).min(h) {
        let dy = y as f32 - cy;
        let half = (radius * radius - dy * dy).max(0.0).sqrt();
        let (from, to) = ((cx - half).max(0.0) as usize, ((cx + half) as usize).min(w));
        if from < to {
            planes[0][y * w + from..y * w + to].fill(226);
            for plane in &mut planes[1..] {
                plane[y / 2 * (w / 2) + from / 2..y / 2 * (w / 2) + to / 2].fill(128);
            }
        }
    }
}

/// A bright line that crosses the bars every four seconds.
fn sweep(luma: &mut [u8], w: usize, h: usize, seconds: f64) {
    let x = ((seconds / 4.0).fract() * w as f64) as usize;
    let to = (x + w / 80).min(w);
    for row in 0..h {
        luma[row * w + x..row * w + to].fill(235);
    }
}

/// 28 blocks over the full width, an eighteenth of the height: 1010, then the low 24 bits of `number`.
fn barcode(planes: &mut Planes, w: usize, h: usize, number: u64) {
    let blocks = BARCODE_BITS + 4;
    let code = 0b1010 << BARCODE_BITS | (number & ((1 << BARCODE_BITS) - 1));
    let height = (h / 18) & !1;
    darken(planes, w, (0, 0, w, height));
    for block in 0..blocks {
        let luma = if code >> (blocks - 1 - block) & 1 == 1 { 235 } else { 16 };
        let (from, to) = (block * w / blocks, (block + 1) * w / blocks);
        for row in 0..height {
            planes[0][row * w + from..row * w + to].fill(luma);
        }
    }
}

/// A second of a sine at -20 dBFS: with whole hertz, sample `s` of for ever is entry `s % 48000`.
fn tone_second(hz: u32) -> Vec<i16> {
    let rate = SAMPLE_RATE_HZ;
    (0..rate)
        .map(|s| {
            let phase = (u64::from(s) * u64::from(hz) % u64::from(rate)) as f32 / rate as f32;
            ((phase * TAU).sin() * 3277.0) as i16
        })
        .collect()
}

/// Runs until the feed stops or `check` gives up; returns the reason.
pub(super) fn run(
    spec: &SyntheticSpec,
    title: &str,
    intake: &Intake,
    run: u64,
    (clock, costs): (&dyn Clock, &DecodeCosts),
    check: &mut dyn FnMut() -> Option<Ending>,
) -> Ending {
    let painter = Painter::new(spec, title);
    let tone = tone_second(spec.tone_hz);
    intake.expect_sound(run, true);
    intake.list_texts(run, spec.captions.iter().cloned().collect());
    let rate = SourceGrid(spec.fps);
    let first = match intake.pace() {
        Pace::Realtime => None,
        Pace::Lockstep => intake.await_tick(Duration::from_secs(10)),
    };
    let mut number = rate.frame_at(first.unwrap_or_else(|| clock.now()));
    let mut sample = rate.time(number).sample();
    loop {
        // Whoever looks again after a pause wants the present, not what was missed.
        if let Some(tick) = intake.last_tick()
            && (rate.frame_at(tick) > number + u64::from(rate.0.0 / rate.0.1).max(1))
        {
            number = rate.frame_at(tick);
            sample = rate.time(number).sample();
            intake.realign_sound(run);
        }
        let (at, next) = (rate.time(number), rate.time(number + 1));
        let sound: Vec<i16> = (sample..next.sample())
            .flat_map(|s| {
                let in_second = s % u64::from(SAMPLE_RATE_HZ);
                let heard = !spec.flash || in_second < BEEP_SAMPLES;
                [if heard { tone[in_second as usize] } else { 0 }; 2]
            })
            .collect();
        let sound_at = nanos(MediaTime::of_sample(sample));
        sample = next.sample().max(sample);
        let before = thread_cpu_time();
        let Some(picture) = painter.paint(number, at, title) else { return Ending::NoPicture };
        let took = thread_cpu_time().saturating_sub(before);
        costs.measured(PATTERN, spec.width as u64 * spec.height as u64, took.as_secs_f64());
        if let Some(origin) = &spec.captions {
            say_the_time(intake, run, origin, at..next, title);
        }
        let pushed = intake
            .push_sound(run, sound_at, &sound)
            .and_then(|()| intake.push_picture(run, nanos(at), picture, Some(spec.fps), clock.now()));
        if let Some(reason) = check() {
            return reason;
        }
        if pushed.is_err() {
            return Ending::Ended;
        }
        number += 1;
    }
}

/// With the first picture of every other second, a caption of its time, which stands for a second and a half.
fn say_the_time(intake: &Intake, run: u64, origin: &Arc<TextOrigin>, picture: Range<MediaTime>, title: &str) {
    const EVERY_NANOS: u64 = 2_000_000_000;
    const STANDS_NANOS: i64 = 1_500_000_000;
    let begins = picture.start.as_nanos().div_ceil(EVERY_NANOS) * EVERY_NANOS;
    if begins >= picture.end.as_nanos() {
        return;
    }
    let s = begins / 1_000_000_000;
    let text = format!("{title}\nIt is {:02}:{:02}:{:02}", s / 3600 % 24, s / 60 % 60, s % 60);
    let at = nanos(picture.start);
    let writing = Writing::Cue { origin: Arc::clone(origin), text: Text::plain(&text), until: at + STANDS_NANOS };
    intake.write(run, at, writing);
}

fn nanos(at: MediaTime) -> i64 {
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)
}

/// The source's own frames on the epoch grid, of any rate.
struct SourceGrid((u32, u32));

impl SourceGrid {
    fn time(&self, number: u64) -> MediaTime {
        let (num, den) = self.0;
        let nanos = u128::from(number) * u128::from(den) * 1_000_000_000 / u128::from(num);
        MediaTime::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn frame_at(&self, at: MediaTime) -> u64 {
        let (num, den) = self.0;
        let number = u128::from(at.as_nanos()) * u128::from(num) / (u128::from(den) * 1_000_000_000);
        u64::try_from(number).unwrap_or(u64::MAX)
    }
}
