//! Instants as requests say them.

use crate::timeline::MediaTime;

/// What is allowed, for refusals.
pub(super) const ALLOWED: &str = "as 2026-11-27T19:30:00Z is allowed";

/// Reads an instant (RFC 3339). Those before the media epoch are taken for it.
pub(super) fn read(text: &str) -> Option<MediaTime> {
    // A plus sign in a query stands for a space.
    let instant = text.replace(' ', "+").parse::<jiff::Timestamp>().ok()?;
    u128::try_from(instant.as_nanosecond()).ok().map(MediaTime::from_unix_nanos)
}
