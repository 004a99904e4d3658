//! When pictures were captured, as far as a source dates them: the dates of a playlist, the time codes in the pictures.

use std::collections::VecDeque;

use gstreamer as gst;
use gstreamer_video as gst_video;
use gstreamer_video::VideoTimeCodeFlags;

use crate::sync::Claim;

/// Dates that are kept: of more segments than are fetched ahead.
const MOST: usize = 64;
/// Timestamps are rounded, and demuxers are off by as much.
const ROUNDING_NANOS: i64 = 50_000_000;
/// A date says nothing of what comes so long after it: segments are shorter.
const REACH_NANOS: i64 = 120_000_000_000;

/// The dates of a source, by its own time.
#[derive(Default)]
pub(super) struct Dates {
    known: VecDeque<(i64, Claim)>,
}

impl Dates {
    /// What is stamped `raw` was captured then, and what follows counts on from there.
    pub fn put(&mut self, raw: i64, claim: Claim) {
        // A source that begins anew takes the place of what it said before.
        while self.known.pop_back_if(|(at, _)| *at >= raw).is_some() {}
        if self.known.len() == MOST {
            self.known.pop_front();
        }
        self.known.push_back((raw, claim));
    }

    /// What they claim of a picture that is stamped `raw`.
    pub fn of(&self, raw: i64) -> Option<Claim> {
        let (at, claim) = self.known.iter().rev().find(|(at, _)| *at <= raw + ROUNDING_NANOS)?;
        (raw - at <= REACH_NANOS).then(|| claim.after(raw - at))
    }
}

/// A time code as it stands in a picture.
#[derive(Clone, Copy, Debug)]
struct TimeCode {
    hours: u32,
    minutes: u32,
    seconds: u32,
    pictures: u32,
    /// Pictures a second, as a fraction.
    fps: (u32, u32),
    drops: bool,
}

impl TimeCode {
    /// The time of day, in ns; `None` for one that is none.
    ///
    /// A drop-frame code leaves out numbers, so that its pictures are counted (SMPTE ST 12-1); any other is read as it stands.
    /// Without a rate the pictures of a second cannot be told apart, and the code is worth nothing.
    fn of_day(self) -> Option<i64> {
        let (num, den) = (i64::from(self.fps.0), i64::from(self.fps.1));
        if num == 0 || den == 0 || self.hours > 23 || self.minutes > 59 || self.seconds > 59 {
            return None;
        }
        let nominal = (num + den / 2) / den;
        let [minutes, seconds] = [self.minutes, self.seconds].map(i64::from);
        let minutes = i64::from(self.hours) * 60 + minutes;
        let pictures = i64::from(self.pictures);
        if pictures >= nominal {
            return None;
        }
        let nanos =
            |pictures: i64| i64::try_from(i128::from(pictures) * i128::from(den) * 1_000_000_000 / i128::from(num));
        if self.drops && nominal % 30 == 0 {
            // Two numbers of each minute but every tenth, of thirty a second.
            let dropped = nominal / 15 * (minutes - minutes / 10);
            return nanos((minutes * 60 + seconds) * nominal + pictures - dropped).ok();
        }
        Some((minutes * 60 + seconds) * 1_000_000_000 + nanos(pictures).ok()?)
    }
}

/// The time of day that a picture's time code tells, in ns.
pub(super) fn time_code_of(buffer: &gst::BufferRef) -> Option<i64> {
    let code = buffer.meta::<gst_video::VideoTimeCodeMeta>()?.tc();
    // SAFETY: the code is alive, and these are plain numbers of it. Its own method makes a fraction of them and panics where a
    // stream says that its rate is so many by zero.
    let fps = unsafe { ((*code.as_ptr()).config.fps_n, (*code.as_ptr()).config.fps_d) };
    let drops = code.flags().contains(VideoTimeCodeFlags::DROP_FRAME);
    let (hours, minutes, seconds, pictures) = (code.hours(), code.minutes(), code.seconds(), code.frames());
    TimeCode { hours, minutes, seconds, pictures, fps, drops }.of_day()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::ClockKind;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_picture_has_the_date_of_the_segment_it_lies_in() {
        let mut dates = Dates::default();
        let claim = |s: i64| Claim { clock: ClockKind::Pdt, captured: s * SECOND };
        assert_eq!(dates.of(0), None);
        dates.put(10 * SECOND, claim(1000));
        dates.put(12 * SECOND, claim(1005));
        let of = |dates: &Dates, ms: i64| dates.of(ms * 1_000_000).map(|claim| claim.captured / 1_000_000);
        assert_eq!(
            [9_000, 9_960, 11_000, 12_500].map(|ms| of(&dates, ms)),
            [None, Some(999_960), Some(1_001_000), Some(1_005_500)]
        );
        assert_eq!(of(&dates, 133_000), None);
        // Another one for the same place, or from farther back.
        dates.put(11 * SECOND, claim(2000));
        assert_eq!((of(&dates, 12_500), of(&dates, 10_500)), (Some(2_001_500), Some(1_000_500)));
        (0..1000).for_each(|n| dates.put((20 + n) * SECOND, claim(n)));
        assert_eq!((dates.known.len(), of(&dates, 11_000)), (MOST, None));
    }

    #[test]
    fn a_time_code_is_a_time_of_day_or_nothing() {
        let code = |hours, minutes, seconds, pictures, fps, drops| {
            TimeCode { hours, minutes, seconds, pictures, fps, drops }.of_day()
        };
        assert_eq!(code(1, 2, 3, 10, (25, 1), false), Some(3_723_400_000_000));
        // An hour of drop-frame is an hour but for a few milliseconds, and the number after 00:00:59:29 is 00:01:00:02.
        let hour = code(1, 0, 0, 0, (30_000, 1001), true).unwrap();
        assert!((hour - 3600 * SECOND).abs() < 4_000_000, "{hour}");
        let step = code(0, 1, 0, 2, (30_000, 1001), true).unwrap() - code(0, 0, 59, 29, (30_000, 1001), true).unwrap();
        assert!((step - 33_366_667).abs() <= 1, "{step}");
        assert!((code(1, 0, 0, 0, (60_000, 1001), true).unwrap() - hour).abs() < 4_000_000);
        for wrong in [
            code(24, 0, 0, 0, (25, 1), false),
            code(0, 60, 0, 0, (25, 1), false),
            code(0, 0, 0, 25, (25, 1), false),
            code(0, 0, 0, 0, (0, 1), false),
            code(0, 0, 0, 0, (25, 0), true),
        ] {
            assert_eq!(wrong, None);
        }
        let _ = code(23, 59, 59, u32::MAX - 1, (u32::MAX, 1), true);
    }
}
