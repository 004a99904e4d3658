//! Single byte ranges of bodies whose length is known (RFC 9110, section 14).

use std::ops::Range;

use axum::http::{HeaderMap, HeaderValue, header};

/// What a request wants of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    All,
    Part(Range<usize>),
    /// Nothing that the body has: `416`.
    Nothing,
}

/// Whether a range may be answered with: `If-Range`, where there is one, has to say `tag` (13.1.5; the strong comparison). Dates say nothing here.
pub fn holds(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    headers.get(header::IF_RANGE).is_none_or(|asked| asked == tag)
}

/// Reads `Range` against a body of `length` bytes. Several ranges, other units and malformed ranges are answered with the
/// whole body, as RFC 9110, 14.2 allows.
pub fn wanted(headers: &HeaderMap, length: usize) -> Wanted {
    let spec = headers.get(header::RANGE).and_then(|v| v.to_str().ok()).and_then(|v| v.split_once('='));
    // The names of units know no case (14.1).
    let spec = spec.filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes")).map(|(_, spec)| spec);
    match spec {
        Some(spec) => parse(spec, length).unwrap_or(Wanted::All),
        None => Wanted::All,
    }
}

fn parse(spec: &str, length: usize) -> Option<Wanted> {
    // A list of one, perhaps with empty elements beside it (5.6.1.2).
    let mut ranges = spec.split(',').map(str::trim).filter(|range| !range.is_empty());
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return None };
    let (first, last) = range.split_once('-')?;
    if first.is_empty() {
        let suffix = number(last)?;
        // A suffix longer than the body is the whole body; an empty suffix can be satisfied by nothing.
        let start = length.saturating_sub(suffix);
        return Some(if suffix == 0 || length == 0 { Wanted::Nothing } else { Wanted::Part(start..length) });
    }
    let first = number(first)?;
    let end = if last.is_empty() { length } else { number(last)?.saturating_add(1).min(length) };
    if !last.is_empty() && number(last)? < first {
        return None;
    }
    Some(if first >= length { Wanted::Nothing } else { Wanted::Part(first..end) })
}

/// Decimal digits only: `parse` alone would take a sign. Beyond `usize` is as far as one can ask.
fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(range: &str, length: usize) -> Wanted {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        wanted(&headers, length)
    }

    #[test]
    fn single_ranges_as_rfc_9110_14_1_2_gives_them() {
        assert_eq!(of("bytes=0-499", 10_000), Wanted::Part(0..500));
        assert_eq!(of("bytes=500-999", 10_000), Wanted::Part(500..1000));
        assert_eq!(of("bytes=-500", 10_000), Wanted::Part(9500..10_000));
        assert_eq!(of("bytes=9500-", 10_000), Wanted::Part(9500..10_000));
        assert_eq!(of("bytes=9999-20000", 10_000), Wanted::Part(9999..10_000));
        assert_eq!(of("bytes=-99999999999999999999999", 10), Wanted::Part(0..10));
        assert_eq!(of("Bytes= 0-4 ,", 10), Wanted::Part(0..5));
    }

    #[test]
    fn what_cannot_be_satisfied_and_what_is_ignored() {
        for nothing in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(of(nothing, 10), Wanted::Nothing, "{nothing}");
        }
        for ignored in ["bytes=5-2", "bytes=0-1,3-4", "lines=0-1", "bytes=", "bytes=a-b", "bytes=+1-2", "bytes=--1"] {
            assert_eq!(of(ignored, 10), Wanted::All, "{ignored}");
        }
    }

    #[test]
    fn a_range_of_something_else_is_answered_with_the_whole() {
        let asked = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_RANGE, value.parse().unwrap());
            holds(&headers, &HeaderValue::from_static("\"7\""))
        };
        assert!(holds(&HeaderMap::new(), &HeaderValue::from_static("\"7\"")) && asked("\"7\""));
        assert!(!asked("\"8\"") && !asked("W/\"7\"") && !asked("Thu, 26 Nov 2026 12:00:00 GMT"));
    }

    proptest! {
        #[test]
        fn any_text_stays_inside_the_body(text in "[0-9,=a-z-]{0,40}", length in 0usize..50) {
            if let Wanted::Part(range) = of(&format!("bytes={text}"), length) {
                prop_assert!(range.start < range.end && range.end <= length);
            }
        }
    }
}
