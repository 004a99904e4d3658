//! Dates as playlists have them (ISO 8601; 8216bis 4.4.4.6).

use jiff::civil::DateTime;
use jiff::tz::Offset;

/// An instant, and how exactly it was said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    /// Microseconds since 1970.
    pub us: i64,
    /// Without one it counts as UTC.
    pub has_zone: bool,
    /// Fractions of seconds are written, three digits at least.
    pub has_milliseconds: bool,
}

/// Reads a date with a time, with or without a zone.
pub fn parse(text: &str) -> Option<Date> {
    let (_, time) = text.split_once(['T', 't'])?;
    let digits = time.split_once(['.', ',']).map_or(0, |(_, rest)| rest.bytes().take_while(u8::is_ascii_digit).count());
    let has_milliseconds = digits >= 3;
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Some(Date { us: at.as_microsecond(), has_zone: true, has_milliseconds });
    }
    if time.contains(['Z', 'z', '+', '-']) {
        return None;
    }
    let at = text.parse::<DateTime>().ok()?;
    let us = Offset::UTC.to_timestamp(at).ok()?.as_microsecond();
    Some(Date { us, has_zone: false, has_milliseconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_and_fractions_are_told_apart() {
        let z = parse("2026-11-27T00:00:00.000Z").unwrap();
        assert!(z.has_zone && z.has_milliseconds);
        assert_eq!(parse("2026-11-27T01:00:00.000+01:00").map(|d| d.us), Some(z.us));
        let bare = parse("2026-11-27T00:00:00").unwrap();
        assert_eq!((bare.us, bare.has_zone, bare.has_milliseconds), (z.us, false, false));
        assert_eq!(parse("2026-11-27"), None);
        assert_eq!(parse("yesterday"), None);
        // Packagers write zones without a colon, which ISO 8601 allows.
        assert_eq!(parse("2026-11-27T01:00:00.000+0100").map(|d| d.us), Some(z.us));
    }
}
