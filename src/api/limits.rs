//! Bounds of what clients may send, each checked before anything is kept.

use std::collections::BTreeMap;

use super::problem::Problem;
use crate::config::{MAX_HEIGHT, check_id, check_region};

pub const LABELS: usize = 20;
pub const LABEL_KEY_CHARS: usize = 64;
/// What the service's own labels begin with: a viewer who set one would pay another price.
pub const RESERVED: &str = "quadrille:";
pub const LABEL_VALUE_CHARS: usize = 256;
pub const DEVICE_ID_CHARS: usize = 200;
pub const IDEMPOTENCY_KEY_CHARS: usize = 255;
pub const PAGE_DEFAULT: u32 = 100;
pub const PAGE_MOST: u32 = 1000;

/// Labels: few, short, of printable characters.
pub fn labels(labels: &BTreeMap<String, String>) -> Result<(), Problem> {
    if labels.len() > LABELS {
        let detail = format!("There may be at most {LABELS} labels; {} were given.", labels.len());
        return Err(Problem::field("labels", detail).with("limit", LABELS));
    }
    for (key, value) in labels {
        if key.starts_with(RESERVED) {
            let detail = format!("Names that begin with {RESERVED:?} are the service's own.");
            return Err(Problem::field(&format!("labels.{key}"), detail));
        }
        text("labels", key, 1, LABEL_KEY_CHARS)?;
        text(&format!("labels.{key}"), value, 0, LABEL_VALUE_CHARS)?;
    }
    Ok(())
}

pub fn device_id(id: Option<&str>) -> Result<(), Problem> {
    id.map_or(Ok(()), |id| text("device_id", id, 1, DEVICE_ID_CHARS))
}

/// The code of a country.
pub fn region(code: Option<&str>) -> Result<(), Problem> {
    let checked = code.map_or(Ok(()), check_region);
    checked.map_err(|error| Problem::field("region", format!("{error}.")))
}

/// What a session is watched on, as the operator calls it.
pub fn device_class(class: Option<&str>) -> Result<(), Problem> {
    class.map_or(Ok(()), check_id).map_err(|error| Problem::field("device_class", format!("{error}.")))
}

/// Rows of pixels that a rendition may have at most.
pub fn height(height: Option<u32>) -> Result<(), Problem> {
    let Some(height) = height.filter(|height| *height > MAX_HEIGHT) else { return Ok(()) };
    let detail = format!("{height} is not allowed: {MAX_HEIGHT} rows are the most.");
    Err(Problem::field("max_height", detail).with("limit", MAX_HEIGHT))
}

/// Text of `least..=most` characters, none of them a control character.
pub fn text(field: &str, value: &str, least: usize, most: usize) -> Result<(), Problem> {
    let count = value.chars().count();
    if count < least || count > most {
        let detail = format!("Texts here have {least} to {most} characters; this one has {count}.");
        return Err(Problem::field(field, detail).with("limit", most));
    }
    if value.chars().any(char::is_control) {
        return Err(Problem::field(field, "Control characters are not allowed."));
    }
    Ok(())
}

pub fn idempotency_key(key: &str) -> Result<&str, Problem> {
    let sound = (1..=IDEMPOTENCY_KEY_CHARS).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    if sound {
        return Ok(key);
    }
    let detail = format!("An Idempotency-Key has 1 to {IDEMPOTENCY_KEY_CHARS} visible ASCII characters.");
    Err(Problem::parameter("Idempotency-Key", detail))
}

/// Rows of a page.
pub fn page(limit: Option<u32>) -> Result<u32, Problem> {
    match limit.unwrap_or(PAGE_DEFAULT) {
        n @ 1..=PAGE_MOST => Ok(n),
        n => Err(Problem::parameter("limit", format!("A page has 1 to {PAGE_MOST} rows, not {n}."))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_few_short_and_printable() {
        let of = |k: &str, v: &str| BTreeMap::from([(k.to_owned(), v.to_owned())]);
        assert!(labels(&of("region", "north")).is_ok() && labels(&of("é", "")).is_ok());
        for bad in [
            of("", "x"),
            of(&"k".repeat(65), "x"),
            of("k", &"v".repeat(257)),
            of("k", "a\nb"),
            of("quadrille:output", "a"),
        ] {
            assert!(labels(&bad).is_err(), "{bad:?}");
        }
        let many = (0..21).map(|n| (n.to_string(), String::new())).collect();
        assert!(labels(&many).is_err());
    }

    #[test]
    fn pages_and_keys_are_bounded() {
        assert_eq!(page(None).unwrap(), 100);
        assert!(page(Some(0)).is_err() && page(Some(1001)).is_err() && page(Some(1000)).is_ok());
        assert!(idempotency_key("").is_err() && idempotency_key("a b").is_err() && idempotency_key("a-b").is_ok());
    }
}
