//! The sound of one feed that was decoded and not played yet, read at the pace of the source clock.

use std::collections::VecDeque;

use super::SourceNanos;
use crate::timeline::SAMPLE_RATE_HZ;

/// Timestamps within this of where the samples before them end are taken as contiguous: 20 ms.
const CONTIGUOUS_SAMPLES: f64 = 960.0;
/// A reader within this of where the clock wants it walks there; farther away it jumps.
const WALK_SAMPLES: f64 = 960.0;
/// Within this of the wanted place, samples are copied as they are.
const EXACT_SAMPLES: f64 = 0.5;
/// How much faster or slower a walking reader goes than the samples: the clock's slew and a little for catching up.
const MAX_PACE: f64 = 0.006;
/// Length of every fade: 5 ms.
const FADE_SAMPLES: u32 = 240;
/// How slowly the sample count follows the timestamps' drift, per push.
const FOLLOW: f64 = 0.02;

/// Stereo, 48 kHz. Samples are counted as they come; timestamps only tell, smoothed, which source time a count stands for:
/// a source whose timestamps jitter still plays without a seam.
#[derive(Clone, Debug)]
pub struct SoundBuffer {
    samples: VecDeque<[i16; 2]>,
    /// Count of the first sample in `samples`.
    start: i64,
    /// Source time, in samples, of count 0.
    origin: f64,
    placed: bool,
    /// The next push goes exactly where its timestamp says.
    realign: bool,
    capacity: usize,
    /// Where the reader stands, as a count.
    position: Option<f64>,
    fade: Fade,
}

/// Bridges a seam: what was heard last dies away while what comes next grows.
#[derive(Clone, Copy, Debug, Default)]
struct Fade {
    left: u32,
    from: [f32; 2],
    last: [f32; 2],
    playing: bool,
}

impl Fade {
    fn begin(&mut self) {
        self.from = self.last;
        self.left = FADE_SAMPLES;
    }

    fn apply(&mut self, sample: Option<[f32; 2]>) -> [i16; 2] {
        if sample.is_some() != self.playing {
            self.playing = sample.is_some();
            self.begin();
        }
        let mut out = sample.unwrap_or([0.0; 2]);
        if self.left > 0 {
            let old = self.left as f32 / FADE_SAMPLES as f32;
            for (value, from) in out.iter_mut().zip(self.from) {
                *value = *value * (1.0 - old) + from * old;
            }
            self.left -= 1;
        }
        self.last = out;
        // A float-to-integer cast saturates: a cubic's overshoot clips.
        out.map(|v| v.round() as i16)
    }
}

fn as_samples(at: SourceNanos) -> f64 {
    at as f64 * f64::from(SAMPLE_RATE_HZ) / 1e9
}

impl SoundBuffer {
    /// Holds no more than `capacity` samples.
    pub fn new(capacity: usize) -> Self {
        Self {
            samples: VecDeque::new(),
            start: 0,
            origin: 0.0,
            placed: false,
            realign: false,
            capacity,
            position: None,
            fade: Fade::default(),
        }
    }

    /// A new run of the source. What was heard last still fades out.
    pub fn restart(&mut self) {
        self.samples.clear();
        self.placed = false;
        self.position = None;
    }

    /// The source jumped or began a new lap: the next push is placed by its timestamp, whatever came before.
    pub fn realign(&mut self) {
        self.realign = true;
    }

    pub fn is_full(&self) -> bool {
        self.samples.len() >= self.capacity
    }

    fn end(&self) -> i64 {
        self.start + self.samples.len() as i64
    }

    /// Whether everything up to source time `at` is there (and three samples more, for interpolation).
    pub fn reaches(&self, at: SourceNanos) -> bool {
        self.placed && self.end() as f64 - 3.0 >= (as_samples(at) - self.origin).ceil()
    }

    /// Adds interleaved stereo whose first sample has source time `at`. Past the capacity the oldest samples go.
    pub fn push(&mut self, at: SourceNanos, interleaved: &[i16]) {
        if !self.placed {
            self.origin = as_samples(at) - self.end() as f64;
            self.placed = true;
            self.realign = false;
        }
        let deviation = as_samples(at) - self.origin - self.end() as f64;
        let seam = std::mem::take(&mut self.realign) || deviation.abs() > CONTIGUOUS_SAMPLES;
        let late = if seam { self.move_end(deviation) } else { 0 };
        if !seam {
            self.origin += deviation * FOLLOW;
        }
        let first = self.samples.len();
        self.samples.extend(interleaved.chunks_exact(2).skip(late).map(|s| [s[0], s[1]]));
        if seam {
            self.smooth_seam(first);
        }
        self.drop_first(self.samples.len().saturating_sub(self.capacity.max(interleaved.len() / 2)));
    }

    /// Moves the end by `deviation` samples: silence for a gap, a cut for an overlap. Returns how many of the samples to
    /// come are late, because what they overlap has been played.
    fn move_end(&mut self, deviation: f64) -> usize {
        let by = deviation.round() as i64;
        let mut late = 0;
        if by.unsigned_abs() > self.capacity as u64 {
            // Nothing here will be heard next to what comes: start over, counting on.
            self.drop_first(self.samples.len());
            self.origin += deviation;
        } else if by >= 0 {
            let last = self.samples.back().copied().unwrap_or_default();
            self.samples.extend((0..by).map(|i| last.map(|v| faded(i32::from(v), i))));
            self.origin += deviation - by as f64;
        } else {
            let cut = usize::try_from(-by).unwrap_or(usize::MAX).min(self.samples.len());
            self.samples.truncate(self.samples.len() - cut);
            late = usize::try_from(-by).unwrap_or(usize::MAX) - cut;
            self.origin += deviation - by as f64;
        }
        late
    }

    /// Lets the step between sample `first - 1` and `first` die away over a fade.
    fn smooth_seam(&mut self, first: usize) {
        let before = first.checked_sub(1).and_then(|i| self.samples.get(i)).copied();
        let (Some(before), Some(after)) = (before, self.samples.get(first).copied()) else { return };
        let step = [0, 1].map(|c| i32::from(before[c]) - i32::from(after[c]));
        for (i, sample) in self.samples.range_mut(first..).take(FADE_SAMPLES as usize).enumerate() {
            for (value, step) in sample.iter_mut().zip(step) {
                *value = value.saturating_add(faded(step, i as i64));
            }
        }
    }

    fn drop_first(&mut self, count: usize) {
        let count = count.min(self.samples.len());
        self.samples.drain(..count);
        self.start += count as i64;
    }

    /// Gives up what was due before `at`.
    pub fn drop_before(&mut self, at: SourceNanos) {
        let count = as_samples(at) - self.origin - self.start as f64;
        if self.placed && count > 0.0 {
            self.drop_first(count as usize);
        }
    }

    /// `count` interleaved stereo samples for the instants at which source times `from` up to `to` are due; silence where
    /// there is nothing. Successive calls are to be contiguous.
    pub fn read(&mut self, count: usize, from: SourceNanos, to: SourceNanos, out: &mut Vec<i16>) {
        let (from, to) = (as_samples(from) - self.origin, as_samples(to) - self.origin);
        let mut position = match self.position {
            Some(position) if (position - from).abs() <= WALK_SAMPLES => position,
            _ => {
                self.fade.begin();
                from.round()
            }
        };
        let error = to - (position + count as f64);
        let pace = if error.abs() <= EXACT_SAMPLES {
            1.0
        } else {
            1.0 + (error / count.max(1) as f64).clamp(-MAX_PACE, MAX_PACE)
        };
        for i in 0..count {
            let sample = self.sample_at(position + i as f64 * pace);
            out.extend(self.fade.apply(sample));
        }
        position += count as f64 * pace;
        self.position = Some(position);
        // Interpolation looks one sample back.
        let played = position.floor() as i64 - 2 - self.start;
        self.drop_first(usize::try_from(played).unwrap_or(0));
    }

    /// `count` samples of silence: there is no source time to speak of. What was heard last fades out.
    pub fn read_silence(&mut self, count: usize, out: &mut Vec<i16>) {
        self.position = None;
        for _ in 0..count {
            out.extend(self.fade.apply(None));
        }
    }

    /// The sample at a fractional count, by a Catmull-Rom cubic through its four neighbours.
    fn sample_at(&self, position: f64) -> Option<[f32; 2]> {
        let whole = position.floor();
        let t = (position - whole) as f32;
        let index = usize::try_from(whole as i64 - self.start).ok()?;
        let here = *self.samples.get(index)?;
        if t < 1e-3 {
            return Some(here.map(f32::from));
        }
        let next = *self.samples.get(index + 1)?;
        let before = index.checked_sub(1).and_then(|i| self.samples.get(i)).copied().unwrap_or(here);
        let after = self.samples.get(index + 2).copied().unwrap_or(next);
        Some([0, 1].map(|c| {
            let [a, b, c, d] = [before[c], here[c], next[c], after[c]].map(f32::from);
            b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
        }))
    }
}

/// `value`, `i` samples into a linear fade-out.
fn faded(value: i32, i: i64) -> i16 {
    let left = (i64::from(FADE_SAMPLES) - i).max(0);
    (i64::from(value) * left / i64::from(FADE_SAMPLES)).clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16
}
