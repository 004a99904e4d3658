//! The sound of one feed that was decoded and not played yet, read at the pace of the source clock.

use std::collections::VecDeque;

use super::{Placed, SourceNanos};
use crate::timeline::SAMPLE_RATE_HZ;

/// Timestamps within this of where the samples before them end are taken as contiguous: 20 ms.
const CONTIGUOUS_SAMPLES: f64 = 960.0;
/// A reader within this of where the clock wants it walks there; farther away it jumps.
const WALK_SAMPLES: f64 = 960.0;
/// Within this of the wanted place, samples are copied as they are.
const EXACT_SAMPLES: f64 = 0.5;
/// How much faster or slower a walking reader goes than the samples: the clock's slew, its delay's, and a little for catching
/// up.
const MAX_PACE: f64 = 0.011;
/// Length of every fade: 5 ms.
const FADE_SAMPLES: u32 = 240;
/// How slowly the sample count follows the timestamps' drift, per push.
const FOLLOW: f64 = 0.02;

/// Stereo, 48 kHz. Samples are counted as they come; timestamps only tell, smoothed, which source time a count stands for:
/// a source whose timestamps jitter still plays without a seam. Between two runs of samples there is a hole, which takes
/// no room however long it is.
#[derive(Clone, Debug)]
pub struct SoundBuffer {
    runs: VecDeque<Run>,
    /// Samples in all runs.
    held: usize,
    /// Count behind the newest sample.
    end: i64,
    /// Source time, in samples, of count 0.
    origin: f64,
    placed: bool,
    /// The next push goes exactly where its timestamp says.
    realign: bool,
    capacity: usize,
    /// Where the reader stands, as a count.
    position: Option<f64>,
    /// What the source stamped the sample of a count, one for each push, the older ones up to the reader's gone.
    stamps: VecDeque<(i64, i64)>,
    fade: Fade,
}

/// Samples without a hole.
#[derive(Clone, Debug)]
struct Run {
    /// Count of the first.
    start: i64,
    samples: VecDeque<[i16; 2]>,
}

impl Run {
    fn end(&self) -> i64 {
        self.start + self.samples.len() as i64
    }
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

fn as_nanos(samples: f64) -> SourceNanos {
    (samples * 1e9 / f64::from(SAMPLE_RATE_HZ)).round() as i64
}

impl SoundBuffer {
    /// Holds no more than `capacity` samples.
    pub fn new(capacity: usize) -> Self {
        Self {
            runs: VecDeque::new(),
            held: 0,
            end: 0,
            origin: 0.0,
            placed: false,
            realign: false,
            capacity,
            position: None,
            stamps: VecDeque::new(),
            fade: Fade::default(),
        }
    }

    /// A new run of the source. What was heard last still fades out.
    pub fn restart(&mut self) {
        self.runs.clear();
        self.stamps.clear();
        self.held = 0;
        self.placed = false;
        self.position = None;
    }

    /// The source jumped or began a new lap: the next push is placed by its timestamp, whatever came before.
    pub fn realign(&mut self) {
        self.realign = true;
    }

    /// Samples that are held.
    pub fn len(&self) -> usize {
        self.held
    }

    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    pub fn is_full(&self) -> bool {
        self.held >= self.capacity
    }

    /// Whether everything up to source time `at` is there (and three samples more, for interpolation), or known to be a
    /// hole.
    pub fn reaches(&self, at: SourceNanos) -> bool {
        self.placed && self.end as f64 - 3.0 >= (as_samples(at) - self.origin).ceil()
    }

    /// Source time of the first sample at `at` or later: `at` itself if there is sound then.
    pub fn next_from(&self, at: SourceNanos) -> Option<SourceNanos> {
        let count = (as_samples(at) - self.origin).ceil();
        let run = self.runs.iter().find(|run| run.end() as f64 > count)?;
        Some(if run.start as f64 <= count { at } else { as_nanos(run.start as f64 + self.origin) })
    }

    /// Adds interleaved stereo whose first sample belongs at `place`. Past the capacity the oldest samples go.
    pub fn push(&mut self, place: impl Into<Placed>, interleaved: &[i16]) {
        let Placed { at, raw, .. } = place.into();
        if !self.placed {
            self.origin = as_samples(at) - self.end as f64;
            self.placed = true;
            self.realign = false;
        }
        let deviation = as_samples(at) - self.origin - self.end as f64;
        let seam = std::mem::take(&mut self.realign) || deviation.abs() > CONTIGUOUS_SAMPLES;
        let late = if seam { self.move_end(deviation) } else { 0 };
        if !seam {
            self.origin += deviation * FOLLOW;
        }
        let samples = interleaved.chunks_exact(2).skip(late).map(|s| [s[0], s[1]]);
        let count = samples.len();
        if count == 0 {
            // All of it was late, and how late says nothing of the next.
            self.realign = true;
            return;
        }
        self.stamps.push_back((self.end - late as i64, raw));
        match self.runs.back_mut().filter(|run| run.end() == self.end) {
            Some(run) => {
                let first = run.samples.len();
                run.samples.extend(samples);
                if seam {
                    smooth_seam(&mut run.samples, first);
                }
            }
            None => self.runs.push_back(Run { start: self.end, samples: samples.collect() }),
        }
        self.held += count;
        self.end += count as i64;
        let room = self.capacity.max(count);
        while let Some(oldest) = self.runs.front().filter(|_| self.held > room) {
            let until = oldest.start + (self.held - room).min(oldest.samples.len()) as i64;
            self.drop_until(until);
        }
    }

    /// Moves the end by `deviation` samples: forward it leaves a hole, backward it gives up what is overlapped. Returns how
    /// many of the samples to come are late, because what they overlap has been played.
    fn move_end(&mut self, deviation: f64) -> usize {
        let end = self.end + deviation.round() as i64;
        self.origin += deviation - deviation.round();
        self.truncate(end);
        let played = self.position.map_or(i64::MIN, |position| position.floor() as i64);
        let late = played.saturating_sub(end).max(0);
        self.end = end + late;
        usize::try_from(late).unwrap_or(usize::MAX)
    }

    /// Gives up what has count `end` or a later one.
    fn truncate(&mut self, end: i64) {
        while let Some(run) = self.runs.back_mut().filter(|run| run.end() > end) {
            let left = usize::try_from(end - run.start).unwrap_or(0);
            self.held -= run.samples.len() - left;
            run.samples.truncate(left);
            if left == 0 {
                self.runs.pop_back();
            }
        }
        while self.stamps.pop_back_if(|(count, _)| *count >= end).is_some() {}
    }

    /// Gives up what has a count below `until`.
    fn drop_until(&mut self, until: i64) {
        while let Some(run) = self.runs.front_mut().filter(|run| run.start < until) {
            let count = usize::try_from(until - run.start).unwrap_or(usize::MAX).min(run.samples.len());
            run.samples.drain(..count);
            run.start += count as i64;
            self.held -= count;
            if run.samples.is_empty() {
                self.runs.pop_front();
            }
        }
        // The last one before the oldest sample still says what its successors were stamped.
        let oldest = self.runs.front().map_or(self.end, |run| run.start);
        while self.stamps.get(1).is_some_and(|(count, _)| *count <= oldest) {
            self.stamps.pop_front();
        }
    }

    /// Gives up what was due before `at`.
    pub fn drop_before(&mut self, at: SourceNanos) {
        if self.placed {
            self.drop_until((as_samples(at) - self.origin) as i64);
        }
    }

    /// `count` interleaved stereo samples for the instants at which source times `from` up to `to` are due; silence where
    /// there is nothing. Successive calls are to be contiguous. Returns what the source's own stamp of the instant `to` is,
    /// by what was really read; `None` if the last sample was silence for want of any.
    pub fn read(&mut self, count: usize, from: SourceNanos, to: SourceNanos, out: &mut Vec<i16>) -> Option<i64> {
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
        let mut heard = false;
        for i in 0..count {
            let sample = self.sample_at(position + i as f64 * pace);
            heard = sample.is_some();
            out.extend(self.fade.apply(sample));
        }
        position += count as f64 * pace;
        self.position = Some(position);
        let stamp = heard.then(|| self.stamp_of(position)).flatten();
        // Interpolation looks one sample back.
        self.drop_until(position.floor() as i64 - 2);
        stamp
    }

    /// `count` samples of silence: there is no source time to speak of. What was heard last fades out.
    pub fn read_silence(&mut self, count: usize, out: &mut Vec<i16>) {
        self.position = None;
        for _ in 0..count {
            out.extend(self.fade.apply(None));
        }
    }

    /// What the source stamped the sample with this count.
    fn stamp_of(&self, position: f64) -> Option<i64> {
        let stamp = self.stamps.iter().rev().find(|(count, _)| *count as f64 <= position)?;
        Some(stamp.1 + as_nanos(position - stamp.0 as f64))
    }

    /// The sample with this count.
    fn at(&self, count: i64) -> Option<[i16; 2]> {
        let run = self.runs.iter().find(|run| run.end() > count)?;
        usize::try_from(count - run.start).ok().and_then(|index| run.samples.get(index)).copied()
    }

    /// The sample at a fractional count, by a Catmull-Rom cubic through its four neighbours.
    fn sample_at(&self, position: f64) -> Option<[f32; 2]> {
        let whole = position.floor();
        let t = (position - whole) as f32;
        let index = whole as i64;
        let here = self.at(index)?;
        if t < 1e-3 {
            return Some(here.map(f32::from));
        }
        let next = self.at(index + 1)?;
        let before = self.at(index - 1).unwrap_or(here);
        let after = self.at(index + 2).unwrap_or(next);
        Some([0, 1].map(|c| {
            let [a, b, c, d] = [before[c], here[c], next[c], after[c]].map(f32::from);
            b + 0.5 * t * (c - a + t * (2.0 * a - 5.0 * b + 4.0 * c - d + t * (3.0 * (b - c) + d - a)))
        }))
    }
}

/// Lets the step between sample `first - 1` and `first` die away over a fade.
fn smooth_seam(samples: &mut VecDeque<[i16; 2]>, first: usize) {
    let before = first.checked_sub(1).and_then(|i| samples.get(i)).copied();
    let (Some(before), Some(after)) = (before, samples.get(first).copied()) else { return };
    let step = [0, 1].map(|c| i32::from(before[c]) - i32::from(after[c]));
    for (i, sample) in samples.range_mut(first..).take(FADE_SAMPLES as usize).enumerate() {
        for (value, step) in sample.iter_mut().zip(step) {
            *value = value.saturating_add(faded(step, i as i64));
        }
    }
}

/// `value`, `i` samples into a linear fade-out.
fn faded(value: i32, i: i64) -> i16 {
    let left = (i64::from(FADE_SAMPLES) - i).max(0);
    (i64::from(value) * left / i64::from(FADE_SAMPLES)).clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16
}
