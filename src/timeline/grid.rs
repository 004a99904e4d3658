//! The epoch grid: frame, segment, sample and AAC-frame numbers, and the instants they stand for.

use std::fmt;
use std::ops::{Add, Range, Sub};
use std::str::FromStr;
use std::time::Duration;

use super::gop::{Gop, PictureKind};

/// The media epoch, 2024-01-01T00:00:00Z, in seconds of Unix time.
pub const MEDIA_EPOCH_UNIX_S: u64 = 1_704_067_200;

/// Sample rate of all sound inside the service, in hertz.
pub const SAMPLE_RATE_HZ: u32 = 48_000;

/// Samples in one AAC-LC access unit (ISO/IEC 14496-3, 4.5.2.1: frame length 1024).
pub const AAC_FRAME_SAMPLES: u64 = 1024;

/// Number of an output frame on the epoch grid.
pub type FrameNumber = u64;

/// Number of a segment on the epoch grid.
pub type SegmentNumber = u64;

/// Number of a part within its segment, from 0.
pub type PartNumber = u32;

/// An instant: nanoseconds since the media epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaTime(u64);

impl MediaTime {
    pub const ZERO: MediaTime = MediaTime(0);

    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    pub const fn from_millis(millis: u64) -> Self {
        Self(millis * 1_000_000)
    }

    pub const fn from_secs(secs: u64) -> Self {
        Self(secs * 1_000_000_000)
    }

    /// The instant `unix_nanos` after 1970; instants before the media epoch are clamped to it.
    pub fn from_unix_nanos(unix_nanos: u128) -> Self {
        let epoch = u128::from(MEDIA_EPOCH_UNIX_S) * 1_000_000_000;
        Self(u64::try_from(unix_nanos.saturating_sub(epoch)).unwrap_or(u64::MAX))
    }

    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole milliseconds of Unix time, rounded down.
    pub const fn unix_millis(self) -> i64 {
        (MEDIA_EPOCH_UNIX_S * 1000 + self.0 / 1_000_000) as i64
    }

    /// Time since `earlier`, or zero if `earlier` is later.
    pub fn since(self, earlier: MediaTime) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    pub fn saturating_sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(by)))
    }
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for MediaTime {
    type Output = MediaTime;
    fn add(self, by: Duration) -> MediaTime {
        MediaTime(self.0.saturating_add(nanos(by)))
    }
}

impl Sub<Duration> for MediaTime {
    type Output = MediaTime;
    fn sub(self, by: Duration) -> MediaTime {
        self.saturating_sub(by)
    }
}

/// RFC 3339, UTC, milliseconds: `2026-11-22T16:31:03.250Z`.
impl fmt::Display for MediaTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.unix_millis()) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => f.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

/// Output frame rate, an exact fraction in lowest terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fps {
    num: u32,
    den: u32,
}

/// What is wrong with a frame rate; the message says what is allowed.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("frame rate {0:?} is not one of 25, 30, 50, 60, 24, 24000/1001, 30000/1001, 60000/1001")]
pub struct FpsError(String);

impl Fps {
    /// The output rates on offer. All give a whole number of timescale ticks a frame.
    const ALLOWED: [(u32, u32); 8] =
        [(24, 1), (25, 1), (30, 1), (50, 1), (60, 1), (24_000, 1001), (30_000, 1001), (60_000, 1001)];

    pub fn new(num: u32, den: u32) -> Result<Self, FpsError> {
        if Self::ALLOWED.contains(&(num, den)) { Ok(Self { num, den }) } else { Err(FpsError(format!("{num}/{den}"))) }
    }

    pub const fn num(self) -> u32 {
        self.num
    }

    pub const fn den(self) -> u32 {
        self.den
    }
}

impl FromStr for Fps {
    type Err = FpsError;
    fn from_str(s: &str) -> Result<Self, FpsError> {
        let bad = || FpsError(s.to_owned());
        let (num, den) = s.split_once('/').unwrap_or((s, "1"));
        Self::new(num.trim().parse().map_err(|_| bad())?, den.trim().parse().map_err(|_| bad())?).map_err(|_| bad())
    }
}

impl fmt::Display for Fps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.den == 1 { write!(f, "{}", self.num) } else { write!(f, "{}/{}", self.num, self.den) }
    }
}

/// The epoch grid of one deployment: a frame rate, the number of frames in a segment and in a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grid {
    fps: Fps,
    segment_frames: u32,
    part_frames: u32,
}

impl Grid {
    /// `segment_frames` must be at least 1. Parts are a third of a second, to the nearest frame.
    pub fn new(fps: Fps, segment_frames: u32) -> Self {
        let third = (fps.num + fps.den * 3 / 2) / (fps.den * 3);
        Self { fps, segment_frames: segment_frames.max(1), part_frames: third }.with_part_frames(third)
    }

    /// With parts of so many frames; at least one, at most a segment's.
    pub fn with_part_frames(self, part_frames: u32) -> Self {
        Self { part_frames: part_frames.clamp(1, self.segment_frames), ..self }
    }

    /// Frames in a part; the last one of a segment may have fewer.
    pub const fn part_frames(&self) -> u32 {
        self.part_frames
    }

    /// Parts of a segment.
    pub const fn parts(&self) -> PartNumber {
        self.segment_frames.div_ceil(self.part_frames)
    }

    /// The pictures of a part, counted from the segment's first in the order of coding, which is also when they are decoded.
    pub fn part_pictures(&self, part: PartNumber) -> Range<usize> {
        let end = |parts: u32| parts.saturating_mul(self.part_frames).min(self.segment_frames) as usize;
        end(part)..end(part.saturating_add(1))
    }

    /// The pictures of a part.
    pub fn part_gop(&self, part: PartNumber) -> Gop {
        self.gop().run(self.part_pictures(part))
    }

    /// The first reference picture of a part that is not a segment's first, counted as [`Grid::part_pictures`] counts: where a picture may change
    /// within a segment. `None` in the part that opens a segment, and in one without.
    pub fn anchor_of(&self, part: PartNumber) -> Option<usize> {
        let pictures = self.part_pictures(part);
        let gop = self.gop();
        let is_anchor = |at: &usize| gop.pictures().get(*at).is_some_and(|picture| picture.kind == PictureKind::P);
        pictures.filter(|at| *at > 0 && part > 0).find(is_anchor)
    }

    /// The AAC frames of a part of segment `segment`, which begins at the boundary nearest the grid's, as segments do.
    pub fn part_aac_frames(&self, segment: SegmentNumber, part: PartNumber) -> Range<u64> {
        self.part_coded_frames(segment, part, AAC_FRAME_SAMPLES)
    }

    /// The same of sound whose frames have `frame_samples`, not 0.
    pub fn part_coded_frames(&self, segment: SegmentNumber, part: PartNumber, frame_samples: u64) -> Range<u64> {
        let at = |frames: usize| self.coded_frame_at(self.first_frame(segment) + frames as u64, frame_samples);
        let Range { start, end } = self.part_pictures(part);
        at(start)..at(end)
    }

    pub const fn fps(&self) -> Fps {
        self.fps
    }

    pub const fn segment_frames(&self) -> u32 {
        self.segment_frames
    }

    /// Ticks per second of the video track: a multiple of the frame rate's numerator, at least 24,000.
    pub const fn video_timescale(&self) -> u32 {
        if self.fps.den == 1 { self.fps.num * 1000 } else { self.fps.num }
    }

    /// Length of a frame in ticks of [`Grid::video_timescale`]; exact.
    pub const fn frame_ticks(&self) -> u32 {
        if self.fps.den == 1 { 1000 } else { self.fps.den }
    }

    /// `tfdt` of a frame in ticks of [`Grid::video_timescale`]; exact.
    pub const fn video_ticks(&self, frame: FrameNumber) -> u64 {
        frame * self.frame_ticks() as u64
    }

    /// The instant frame `k` shows, rounded down to the nanosecond.
    pub const fn frame_time(&self, frame: FrameNumber) -> MediaTime {
        MediaTime((frame as u128 * self.fps.den as u128 * 1_000_000_000 / self.fps.num as u128) as u64)
    }

    /// The last frame whose instant (as [`Grid::frame_time`] gives it) is not after `at`.
    pub const fn frame_at(&self, at: MediaTime) -> FrameNumber {
        // frame_time rounds down, so the frame due within the same nanosecond counts as reached: hence at + 1 ns, exclusive.
        let den = self.fps.den as u128 * 1_000_000_000;
        let scaled = (at.0 as u128 + 1) * self.fps.num as u128;
        (scaled.div_ceil(den) - 1) as u64
    }

    /// Length of a frame, rounded down to the nanosecond.
    pub const fn frame_duration(&self) -> Duration {
        Duration::from_nanos(1_000_000_000 * self.fps.den as u64 / self.fps.num as u64)
    }

    /// Length of a segment, rounded down to the nanosecond.
    pub const fn segment_duration(&self) -> Duration {
        Duration::from_nanos(1_000_000_000 * self.fps.den as u64 * self.segment_frames as u64 / self.fps.num as u64)
    }

    /// The pictures of every segment.
    pub fn gop(&self) -> Gop {
        Gop::new(self.segment_frames)
    }

    /// What the picture of `frame` is coded from.
    pub const fn kind_of(&self, frame: FrameNumber) -> PictureKind {
        Gop::kind_of((frame % self.segment_frames as u64) as u32, self.segment_frames)
    }

    pub const fn segment_of(&self, frame: FrameNumber) -> SegmentNumber {
        frame / self.segment_frames as u64
    }

    pub const fn first_frame(&self, segment: SegmentNumber) -> FrameNumber {
        segment * self.segment_frames as u64
    }

    /// Whether `frame` opens a segment, and so must be an IDR picture.
    pub const fn opens_segment(&self, frame: FrameNumber) -> bool {
        frame.is_multiple_of(self.segment_frames as u64)
    }

    pub const fn segment_time(&self, segment: SegmentNumber) -> MediaTime {
        self.frame_time(self.first_frame(segment))
    }

    pub const fn segment_at(&self, at: MediaTime) -> SegmentNumber {
        self.segment_of(self.frame_at(at))
    }

    /// Number of the sound sample (48 kHz, counted from the media epoch) nearest the start of `frame`.
    pub const fn sample_at_frame(&self, frame: FrameNumber) -> u64 {
        let num = frame as u128 * self.fps.den as u128 * SAMPLE_RATE_HZ as u128;
        let den = self.fps.num as u128;
        ((num * 2 + den) / (den * 2)) as u64
    }

    /// First AAC frame of segment `n`: frame `j` covers samples `j*1024 .. (j+1)*1024` since the media epoch, and a segment
    /// begins at the AAC frame boundary nearest the grid's. Segment `n`'s sound is AAC frames `first_aac_frame(n) ..
    /// first_aac_frame(n + 1)`.
    pub const fn first_aac_frame(&self, segment: SegmentNumber) -> u64 {
        self.first_coded_frame(segment, AAC_FRAME_SAMPLES)
    }

    /// The same of sound whose frames have `frame_samples`, not 0.
    pub const fn first_coded_frame(&self, segment: SegmentNumber, frame_samples: u64) -> u64 {
        self.coded_frame_at(self.first_frame(segment), frame_samples)
    }

    /// The segment that frame `number` of such sound belongs to.
    pub fn segment_of_coded(&self, number: u64, frame_samples: u64) -> SegmentNumber {
        let near = self.segment_at(MediaTime::of_sample(number * frame_samples));
        // Its boundaries lie half a frame from the grid's at most.
        (near.saturating_sub(1)..=near + 1)
            .rev()
            .find(|n| self.first_coded_frame(*n, frame_samples) <= number)
            .unwrap_or(near)
    }

    /// The frame of sound whose start is nearest the start of `frame`.
    const fn coded_frame_at(&self, frame: FrameNumber, frame_samples: u64) -> u64 {
        let sample = self.sample_at_frame(frame);
        (sample + frame_samples / 2) / frame_samples
    }
}

/// Number of the sound sample at or just before `at`, counted at 48 kHz from the media epoch.
impl MediaTime {
    pub const fn sample(self) -> u64 {
        (self.0 as u128 * SAMPLE_RATE_HZ as u128 / 1_000_000_000) as u64
    }

    /// The instant sound sample `sample` is due, rounded down to the nanosecond.
    pub const fn of_sample(sample: u64) -> Self {
        Self((sample as u128 * 1_000_000_000 / SAMPLE_RATE_HZ as u128) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn grids() -> impl Strategy<Value = Grid> {
        (0..Fps::ALLOWED.len(), 1u32..600).prop_map(|(i, f)| {
            let (num, den) = Fps::ALLOWED[i];
            Grid::new(Fps { num, den }, f)
        })
    }

    // A hundred years of 60 fps frames.
    const MAX_FRAME: u64 = 100 * 366 * 86_400 * 60;

    proptest! {
        #[test]
        fn a_frame_is_found_again_at_its_own_instant(grid in grids(), k in 0..MAX_FRAME) {
            prop_assert_eq!(grid.frame_at(grid.frame_time(k)), k);
            if k > 0 {
                prop_assert_eq!(grid.frame_at(MediaTime(grid.frame_time(k).0 - 1)), k - 1);
            }
        }

        #[test]
        fn walking_a_thousand_frames_never_drifts(grid in grids(), start in 0..MAX_FRAME) {
            let den = u128::from(grid.fps.den);
            let num = u128::from(grid.fps.num);
            for k in start..start + 1000 {
                // |time - k*den/num| < 1 ns, in exact arithmetic.
                let exact = u128::from(k) * den * 1_000_000_000;
                let got = u128::from(grid.frame_time(k).0) * num;
                prop_assert!(got <= exact && exact - got < num);
                prop_assert_eq!(grid.video_ticks(k + 1) - grid.video_ticks(k), u64::from(grid.frame_ticks()));
            }
        }

        #[test]
        fn segments_tile_the_frames(grid in grids(), k in 0..MAX_FRAME) {
            let n = grid.segment_of(k);
            prop_assert!(grid.first_frame(n) <= k && k < grid.first_frame(n + 1));
            prop_assert_eq!(grid.opens_segment(k), grid.first_frame(n) == k);
        }

        #[test]
        fn a_sound_segment_begins_within_half_an_aac_frame_of_its_picture(grid in grids(), k in 0..MAX_FRAME) {
            let n = grid.segment_of(k);
            let picture = grid.sample_at_frame(grid.first_frame(n)) as i64;
            let sound = (grid.first_aac_frame(n) * AAC_FRAME_SAMPLES) as i64;
            prop_assert!((picture - sound).abs() <= AAC_FRAME_SAMPLES as i64 / 2);
            prop_assert!(grid.first_aac_frame(n) <= grid.first_aac_frame(n + 1));
        }

        #[test]
        fn parts_are_a_segment_s_pictures_and_sound_in_order(grid in grids(), part_frames in 0u32..99, n in 0..MAX_FRAME / 600) {
            let grid = grid.with_part_frames(part_frames);
            let gop = grid.gop();
            let (mut pictures, mut at) = (Vec::new(), grid.first_aac_frame(n));
            for part in 0..grid.parts() {
                let its = grid.part_gop(part);
                prop_assert!(!its.pictures().is_empty() && its.pictures().len() <= grid.part_frames() as usize);
                pictures.extend_from_slice(its.pictures());
                let sound = grid.part_aac_frames(n, part);
                prop_assert_eq!(sound.start, at);
                at = sound.end;
            }
            prop_assert_eq!(&pictures[..], gop.pictures());
            prop_assert_eq!(at, grid.first_aac_frame(n + 1));
            prop_assert!(grid.part_gop(grid.parts()).pictures().is_empty());
        }

        #[test]
        fn samples_and_instants_agree(sample in 0u64..48_000 * 86_400 * 36_600) {
            let at = MediaTime::of_sample(sample);
            prop_assert!(at.sample() == sample || at.sample() + 1 == sample);
        }
    }

    #[test]
    fn an_ntsc_day_has_the_exact_number_of_frames() {
        let grid = Grid::new("30000/1001".parse().unwrap(), 60);
        // 1001 seconds hold exactly 30,000 frames, so 1001 days hold 30,000 * 86,400.
        assert_eq!(grid.frame_at(MediaTime::from_secs(1001 * 86_400)), 30_000 * 86_400);
        assert_eq!(grid.frame_time(30_000 * 86_400), MediaTime::from_secs(1001 * 86_400));
    }

    #[test]
    fn a_rate_that_is_not_offered_is_refused_with_the_list() {
        let err = "29.97".parse::<Fps>().unwrap_err().to_string();
        assert!(err.contains("29.97") && err.contains("30000/1001"), "{err}");
        assert!("0".parse::<Fps>().is_err() && "30/0".parse::<Fps>().is_err());
        assert_eq!("60000/1001".parse::<Fps>().unwrap().to_string(), "60000/1001");
    }

    #[test]
    fn parts_are_a_third_of_a_second_to_the_nearest_frame() {
        let frames = |fps: &str| Grid::new(fps.parse().unwrap(), 120).part_frames();
        assert_eq!(["24", "25", "30", "50", "60"].map(frames), [8, 8, 10, 17, 20]);
        assert_eq!(["24000/1001", "30000/1001", "60000/1001"].map(frames), [8, 10, 20]);
        assert_eq!(Grid::new("30".parse().unwrap(), 6).parts(), 1);
    }

    #[test]
    fn media_time_prints_as_rfc_3339() {
        assert_eq!(MediaTime::ZERO.to_string(), "2024-01-01T00:00:00.000Z");
        assert_eq!(MediaTime::from_millis(86_400_250).to_string(), "2024-01-02T00:00:00.250Z");
    }
}
