//! How HLS sources said it before date ranges, and still do. No standard rules these; packagers' manuals do.

use std::time::Duration;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};

use super::super::scte35::{ScteError, SpliceInfo};
use super::read::duration;

/// Padding is often forgotten.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A tag that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OlderError {
    #[error("{tag} carries no base64")]
    Base64 { tag: String },
    #[error("{tag} carries no section: {error}")]
    Section { tag: String, error: ScteError },
}

/// What such a tag says of the segment that follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OlderTag {
    /// A break begins with it.
    Out { duration: Option<Duration> },
    /// It lies within a break, so far from its beginning.
    Continues { elapsed: Option<Duration>, duration: Option<Duration> },
    /// The programme goes on with it.
    In,
    /// A section, which says the rest itself.
    Section(SpliceInfo),
}

impl OlderTag {
    /// Reads a line that was taken apart at its first colon; `None` for tags that are about something else.
    ///
    /// # Errors
    /// [`OlderError`].
    pub fn read(name: &str, value: &str) -> Option<Result<Self, OlderError>> {
        let attributes = Attributes(value);
        Some(match name {
            "#EXT-X-CUE-OUT" => {
                Ok(Self::Out { duration: attributes.duration("DURATION").or_else(|| duration(first(value))) })
            }
            "#EXT-X-CUE-OUT-CONT" => Ok(continues(&attributes)),
            "#EXT-X-CUE-IN" => Ok(Self::In),
            "#EXT-OATCLS-SCTE35" | "#EXT-X-SPLICEPOINT-SCTE35" => section(name, first(value)),
            "#EXT-X-SCTE35" if attributes.text("CUE-OUT").is_some_and(|v| v.eq_ignore_ascii_case("cont")) => {
                Ok(continues(&attributes))
            }
            "#EXT-X-SCTE35" => section(name, attributes.text("CUE").unwrap_or_default()),
            _ => return None,
        })
    }
}

/// What stands before the first comma, quotes undone.
fn first(value: &str) -> &str {
    value.split(',').next().unwrap_or_default().trim().trim_matches('"')
}

/// `8.844/60`, or `ElapsedTime=8.844,Duration=60`.
fn continues(attributes: &Attributes<'_>) -> OlderTag {
    if let Some((elapsed, planned)) = first(attributes.0).split_once('/') {
        return OlderTag::Continues { elapsed: duration(elapsed), duration: duration(planned) };
    }
    let elapsed = attributes.duration("ELAPSEDTIME").or_else(|| attributes.duration("ELAPSED"));
    OlderTag::Continues {
        elapsed: elapsed.or_else(|| duration(first(attributes.0))),
        duration: attributes.duration("DURATION"),
    }
}

fn section(tag: &str, base64: &str) -> Result<OlderTag, OlderError> {
    // Some write 0x and hex instead.
    let bytes = match base64.strip_prefix("0x") {
        Some(digits) => hex::decode(digits).ok(),
        None => BASE64.decode(base64).ok(),
    };
    let bytes = bytes.filter(|b| !b.is_empty()).ok_or_else(|| OlderError::Base64 { tag: tag.to_owned() })?;
    SpliceInfo::parse(&bytes).map(OlderTag::Section).map_err(|error| OlderError::Section { tag: tag.to_owned(), error })
}

/// An attribute list whose names come in any case.
struct Attributes<'a>(&'a str);

impl<'a> Attributes<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.0;
        while !rest.is_empty() {
            let quote = rest.find('"').unwrap_or(rest.len());
            let comma = rest.find(',').unwrap_or(rest.len());
            // A quoted value may hold commas.
            let end = if quote < comma {
                let close = rest[quote + 1..].find('"').map_or(rest.len(), |at| quote + 1 + at);
                rest[close..].find(',').map_or(rest.len(), |at| close + at)
            } else {
                comma
            };
            if let Some((is, value)) = rest[..end].split_once('=')
                && is.trim().eq_ignore_ascii_case(name)
            {
                return Some(value.trim().trim_matches('"'));
            }
            rest = rest.get(end + 1..).unwrap_or("");
        }
        None
    }

    fn duration(&self, name: &str) -> Option<Duration> {
        duration(self.text(name)?)
    }
}
