//! What a source claims of when a picture was captured, and what such a claim is worth.

use serde::Serialize;
use utoipa::ToSchema;

use crate::timeline::{MEDIA_EPOCH_UNIX_S, MediaTime};

const SECOND: i64 = 1_000_000_000;
const DAY: i64 = 86_400 * SECOND;
/// A picture that was captured so much later than it is shown was not: somebody's clock is wrong.
const FUTURE: i64 = 10 * SECOND;
/// A dated claim older than this is of a recording, or of a clock that was never set.
const OLDEST: i64 = 3600 * SECOND;
/// A time code has no date and no zone. Zones are whole half hours away from UTC, but for three that hardly anybody lives in:
/// what is left within a half hour is its latency. Codes that run freely from some beginning come to anything in it, so that only
/// a short stretch of it is believed.
const ZONE_STEP: i64 = 1800 * SECOND;
const OLDEST_CODE: i64 = 60 * SECOND;

/// What tells when pictures were captured. Only claims of one kind are compared: what stands between the camera and the stamp
/// differs from kind to kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClockKind {
    /// The EXT-X-PROGRAM-DATE-TIME of an HLS playlist (RFC 8216, 4.3.2.6).
    Pdt,
    /// NTP time of RTCP sender reports (RFC 3550, 6.4.1).
    Rtcp,
    /// Time codes in the pictures: SEI messages of H.264 (ITU-T H.264, D.1.3) and HEVC (ITU-T H.265, D.2.27).
    Sei,
}

impl ClockKind {
    pub const ALL: [ClockKind; 3] = [ClockKind::Pdt, ClockKind::Rtcp, ClockKind::Sei];

    /// As in the API and in labels of metrics.
    pub const fn name(self) -> &'static str {
        match self {
            ClockKind::Pdt => "pdt",
            ClockKind::Rtcp => "rtcp",
            ClockKind::Sei => "sei",
        }
    }
}

/// A picture was captured at this instant, in ns since the media epoch, by a clock of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub clock: ClockKind,
    pub captured: i64,
}

impl Claim {
    /// Of a date. `None` for one that no nanoseconds can count.
    pub fn dated(clock: ClockKind, unix_us: i64) -> Option<Self> {
        let epoch = i64::try_from(MEDIA_EPOCH_UNIX_S).ok()? * 1_000_000;
        let captured = unix_us.checked_sub(epoch)?.checked_mul(1000)?;
        Some(Self { clock, captured })
    }

    /// Of a time of day, in ns, that was read at `now`: of the day that brings it nearest.
    pub fn of_day(clock: ClockKind, time: i64, now: MediaTime) -> Self {
        let now = since_epoch(now);
        let apart = (time - now + DAY / 2).rem_euclid(DAY) - DAY / 2;
        Self { clock, captured: now + apart }
    }

    /// The claim for what comes `later` ns after it.
    #[must_use]
    pub fn after(self, later: i64) -> Self {
        Self { captured: self.captured.saturating_add(later), ..self }
    }
}

pub(super) fn since_epoch(at: MediaTime) -> i64 {
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)
}

/// Nanoseconds to whole milliseconds, rounded: as people are told them.
pub fn millis(ns: i64) -> i64 {
    (ns as f64 / 1e6).round() as i64
}

/// How long ago what is shown was captured, by a clock of this kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latency {
    pub clock: ClockKind,
    pub ns: i64,
}

impl Latency {
    /// Where the operator says that pictures are captured `offset_ms` later than claimed; `None` where that cannot be: in the
    /// future, or too long ago to be live.
    pub fn corrected(self, offset_ms: i32) -> Option<Self> {
        let ns = self.ns.checked_sub(i64::from(offset_ms) * 1_000_000)?;
        let (ns, oldest) = match self.clock {
            ClockKind::Sei => (ns.checked_add(FUTURE)?.rem_euclid(ZONE_STEP) - FUTURE, OLDEST_CODE),
            ClockKind::Pdt | ClockKind::Rtcp => (ns, OLDEST),
        };
        (-FUTURE..=oldest).contains(&ns).then_some(Self { ns, ..self })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_counted_from_the_media_epoch_and_absurd_ones_are_none() {
        let epoch_us = MEDIA_EPOCH_UNIX_S as i64 * 1_000_000;
        let dated = |us| Claim::dated(ClockKind::Pdt, us).map(|claim| claim.captured);
        assert_eq!(dated(epoch_us + 1_500_000), Some(1_500_000_000));
        assert_eq!(dated(epoch_us - 1), Some(-1000));
        assert_eq!((dated(i64::MAX), dated(i64::MIN)), (None, None));
    }

    #[test]
    fn a_claim_that_cannot_be_tells_nothing_unless_the_operator_explains_it() {
        let told = |clock, s: f64, offset_ms| {
            Latency { clock, ns: (s * 1e9) as i64 }.corrected(offset_ms).map(|latency| latency.ns as f64 / 1e9)
        };
        assert_eq!(told(ClockKind::Pdt, 8.0, 0), Some(8.0));
        assert_eq!(told(ClockKind::Pdt, 8.0, 1500), Some(6.5));
        assert_eq!(told(ClockKind::Pdt, 8.0, -1500), Some(9.5));
        assert_eq!((told(ClockKind::Pdt, -12.0, 0), told(ClockKind::Rtcp, 4000.0, 0)), (None, None));
        assert_eq!(told(ClockKind::Pdt, 7208.0, 7_200_000), Some(8.0));
        // Half past in Delhi.
        assert_eq!(told(ClockKind::Sei, 3.0 - 5.5 * 3600.0, 0), Some(3.0));
        assert_eq!((told(ClockKind::Sei, -0.5, 0), told(ClockKind::Sei, 1000.0, 0)), (Some(-0.5), None));
    }

    proptest! {
        /// A time code read a little after it was made is of the right day, over midnight too.
        #[test]
        fn a_time_of_day_is_of_the_day_that_fits(made in 0i64..1000 * DAY, late in -3600i64..40_000) {
            let now = made + late * SECOND;
            prop_assume!(now >= 0);
            let claim = Claim::of_day(ClockKind::Sei, made.rem_euclid(DAY), MediaTime::from_nanos(now as u64));
            prop_assert_eq!(claim.captured, made);
        }
    }
}
