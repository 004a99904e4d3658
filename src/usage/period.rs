//! Periods of reports, and what can be wrong with a question.

use super::chain::HOUR_MS;
use crate::store::StoreError;
use crate::timeline::MediaTime;

/// Why there is no report.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UsageError {
    /// `of` is what was to be one: `from`.
    #[error("{given:?} is not a time: RFC 3339 (2026-11-22T16:00:00Z) or a day (2026-11-22) is allowed")]
    TimeInvalid { of: &'static str, given: String },
    #[error("the period ends before it begins")]
    PeriodInvalid,
    #[error("the cursor is not one that this listing gave")]
    CursorInvalid,
    #[error("the report would have more than {limit} rows: ask for a shorter period")]
    TooLarge { limit: u32 },
    #[error("nothing has a price: no tariff is valid at that time")]
    TariffMissing,
    /// `field` is its path: `items[0].games`; `allowed` lists what would do, where that can be listed.
    #[error("{detail}")]
    QuoteInvalid { field: String, detail: String, allowed: Vec<String> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl UsageError {
    /// The stable code of this refusal.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::TimeInvalid { .. } => "time_invalid",
            Self::PeriodInvalid => "period_invalid",
            Self::CursorInvalid => "cursor_invalid",
            Self::TooLarge { .. } => "report_too_large",
            Self::TariffMissing => "tariff_missing",
            Self::QuoteInvalid { .. } => "quote_invalid",
            Self::Store(_) => "store_unavailable",
        }
    }

    /// The HTTP status that belongs to the code.
    pub const fn status(&self) -> u16 {
        match self {
            Self::Store(_) => 503,
            _ => 422,
        }
    }
}

/// A stretch of time, `from` included and `to` not. A meter line belongs to it by the start of its minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub from: jiff::Timestamp,
    pub to: jiff::Timestamp,
}

const DEFAULT_PERIOD_DAYS: i64 = 30;

impl Period {
    /// From milliseconds of Unix time.
    pub fn of(from_ms: i64, to_ms: i64) -> Self {
        Self { from: timestamp(from_ms), to: timestamp(to_ms) }
    }

    /// The whole hours (UTC) that it touches.
    #[must_use]
    pub fn whole_hours(self) -> Self {
        let (from_ms, to_ms) = (self.from.as_millisecond(), self.to.as_millisecond());
        Self::of(from_ms - from_ms.rem_euclid(HOUR_MS), to_ms + (-to_ms).rem_euclid(HOUR_MS))
    }

    /// From the query's texts: RFC 3339 or days (`2026-11-22` is its start in UTC). Without `to` it is `now`; without `from`
    /// it is 30 days before the end.
    pub fn parse(from: Option<&str>, to: Option<&str>, now: MediaTime) -> Result<Self, UsageError> {
        let to = match to {
            Some(text) => instant("to", text)?,
            None => timestamp(now.unix_millis()),
        };
        let from = match from {
            Some(text) => instant("from", text)?,
            None => to
                .checked_sub(jiff::SignedDuration::from_hours(24 * DEFAULT_PERIOD_DAYS))
                .map_err(|_| UsageError::PeriodInvalid)?,
        };
        if from > to { Err(UsageError::PeriodInvalid) } else { Ok(Self { from, to }) }
    }
}

/// The instant that `text` says; `of` is the parameter or field that it stands in.
///
/// # Errors
/// [`UsageError::TimeInvalid`].
pub fn instant(of: &'static str, text: &str) -> Result<jiff::Timestamp, UsageError> {
    let day = |text: &str| {
        let day: jiff::civil::Date = text.parse().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    // A date and time without an offset would be read in somebody's zone: it is refused.
    text.parse()
        .ok()
        .or_else(|| day(text).filter(|_| text.len() == 10))
        .ok_or_else(|| UsageError::TimeInvalid { of, given: text.chars().take(64).collect() })
}

pub(super) fn timestamp(unix_ms: i64) -> jiff::Timestamp {
    let beyond = if unix_ms < 0 { jiff::Timestamp::MIN } else { jiff::Timestamp::MAX };
    jiff::Timestamp::from_millisecond(unix_ms).unwrap_or(beyond)
}

/// RFC 3339, to the second.
pub(super) fn rfc_3339(unix_ms: i64) -> String {
    format!("{:.0}", timestamp(unix_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T16:00:00Z
    const HOUR_MS: i64 = 1_795_363_200_000;

    #[test]
    fn a_period_is_read_strictly_and_has_defaults() {
        let now = MediaTime::from_unix_nanos(HOUR_MS as u128 * 1_000_000);
        let default = Period::parse(None, None, now).unwrap();
        assert_eq!(default.to.to_string(), "2026-11-22T16:00:00Z");
        assert_eq!(default.from.to_string(), "2026-10-23T16:00:00Z");
        for bad in ["", "yesterday", "2026-13-01", "2026-11-22T16:00:00", "1795363200"] {
            let refused = Period::parse(Some(bad), None, now).unwrap_err();
            assert_eq!(refused, UsageError::TimeInvalid { of: "from", given: bad.into() });
            assert!(refused.to_string().contains("2026-11-22T16:00:00Z"), "{refused}");
        }
        assert_eq!(Period::parse(Some("2026-11-23"), Some("2026-11-22"), now), Err(UsageError::PeriodInvalid));
        let first = Period::parse(Some("-009999-01-02T01:59:59Z"), None, now).unwrap().whole_hours();
        assert!(first.from < first.to, "the hour before it begins before time does: {first:?}");
        // The earliest time there is, less thirty days, is before time begins.
        assert!(Period::parse(None, Some("-009999-01-02T01:59:59Z"), now).is_err());
    }
}
