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

/// The time of day that a picture's time code tells, in ns.
///
/// A drop-frame code counts pictures (SMPTE ST 12-1); any other is read as it stands. Without a rate the pictures of a second
/// cannot be told apart, and the code is worth nothing.
pub(super) fn time_code_of(buffer: &gst::BufferRef) -> Option<i64> {
    let code = buffer.meta::<gst_video::VideoTimeCodeMeta>()?.tc();
    let fps = code.fps();
    let (num, den) = (i64::from(fps.numer()), i64::from(fps.denom()));
    if num <= 0 || den <= 0 || code.hours() > 23 || code.minutes() > 59 || code.seconds() > 59 {
        return None;
    }
    if code.flags().contains(VideoTimeCodeFlags::DROP_FRAME)
        && let Ok(code) = gst_video::ValidVideoTimeCode::try_from(code.clone())
    {
        return i64::try_from(code.time_since_daily_jam().nseconds()).ok();
    }
    let seconds = i64::from(code.hours()) * 3600 + i64::from(code.minutes()) * 60 + i64::from(code.seconds());
    Some(seconds * 1_000_000_000 + i64::from(code.frames()) * 1_000_000_000 * den / num)
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
}
