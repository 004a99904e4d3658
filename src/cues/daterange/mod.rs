//! Date ranges of HLS, ours written and others' read (RFC 8216bis, 4.4.5.1).

mod older;
mod read;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use crate::timeline::MediaTime;

pub use older::{OlderError, OlderTag};
pub use read::{Carried, DateRangeError, SourceRange};

/// A client-defined attribute (4.4.5.1: X-<extension-attribute>).
#[derive(Clone, Debug, PartialEq)]
pub enum ClientValue {
    Text(String),
    Hex(Vec<u8>),
    Number(f64),
}

/// Which attribute carries a splice_info_section (4.4.5.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scte35Attribute {
    /// It neither leaves the programme nor comes back.
    Cmd,
    Out,
    In,
}

impl Scte35Attribute {
    pub fn name(self) -> &'static str {
        match self {
            Self::Cmd => "SCTE35-CMD",
            Self::Out => "SCTE35-OUT",
            Self::In => "SCTE35-IN",
        }
    }
}

/// One EXT-X-DATERANGE line. It is always well-formed: what the clause forbids beside something else is left out.
#[derive(Clone, Debug, PartialEq)]
pub struct DateRange {
    pub id: String,
    pub class: Option<String>,
    pub start: MediaTime,
    /// Where it ended, once that is known.
    pub end: Option<MediaTime>,
    pub planned_duration: Option<Duration>,
    pub end_on_next: bool,
    /// A section as a hexadecimal-sequence, `0xFC…`.
    pub scte35: Option<(Scte35Attribute, String)>,
    /// Names with their `X-`.
    pub client: Vec<(String, ClientValue)>,
}

impl DateRange {
    pub fn new(id: impl Into<String>, start: MediaTime) -> Self {
        Self {
            id: id.into(),
            class: None,
            start,
            end: None,
            planned_duration: None,
            end_on_next: false,
            scte35: None,
            client: Vec::new(),
        }
    }
}

/// The line without its end.
impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#EXT-X-DATERANGE:ID=\"{}\"", quoted(&self.id))?;
        if let Some(class) = &self.class {
            write!(f, ",CLASS=\"{}\"", quoted(class))?;
        }
        write!(f, ",START-DATE=\"{}\"", self.start)?;
        // "If a Date Range contains both a DURATION attribute and an END-DATE attribute, the value of the END-DATE attribute
        // MUST be equal to the value of the START-DATE attribute plus the value of the DURATION": dates are whole milliseconds
        // rounded down, so the duration is what lies between them as they are written.
        if let Some(end) = self.end.filter(|end| *end >= self.start) {
            let millis = end.unix_millis().abs_diff(self.start.unix_millis());
            write!(f, ",END-DATE=\"{end}\",DURATION={}", Seconds(millis))?;
        }
        if let Some(planned) = self.planned_duration {
            // To the nearest millisecond.
            let millis = (planned.as_micros() + 500) / 1000;
            write!(f, ",PLANNED-DURATION={}", Seconds(u64::try_from(millis).unwrap_or(u64::MAX)))?;
        }
        for (name, value) in &self.client {
            if is_client_name(name) {
                write!(f, ",{name}={value}")?;
            }
        }
        if let Some((attribute, hex)) = self.scte35.as_ref().filter(|(_, hex)| is_hex(hex)) {
            write!(f, ",{}={hex}", attribute.name())?;
        }
        // "A Date Range with an END-ON-NEXT=YES MUST have a CLASS attribute" and "MUST NOT contain DURATION or END-DATE".
        if self.end_on_next && self.class.is_some() && self.end.is_none() {
            f.write_str(",END-ON-NEXT=YES")?;
        }
        Ok(())
    }
}

impl fmt::Display for ClientValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "\"{}\"", quoted(text)),
            Self::Hex(bytes) => write!(f, "0x{}", hex::encode_upper(bytes)),
            // 4.2 knows no exponent, no infinity.
            Self::Number(number) if number.is_finite() && number.abs() < 1e15 => write!(f, "{number:.3}"),
            Self::Number(_) => f.write_str("0"),
        }
    }
}

/// Milliseconds as a decimal-floating-point (4.2).
struct Seconds(u64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// 4.2: an AttributeName is of A..Z, 0..9 and hyphen.
fn is_client_name(name: &str) -> bool {
    let good = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-';
    name.len() > 2 && name.starts_with("X-") && name.bytes().all(good)
}

fn is_hex(text: &str) -> bool {
    text.strip_prefix("0x").is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// What ends a line for some reader, or turns the direction of what follows: a line is to be read as it was written.
fn is_unfit(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// `text` as it may stand in a quoted string of a playlist (RFC 8216, 4.1: no control characters; 4.2: no double quotes).
pub fn quoted(text: &str) -> Cow<'_, str> {
    if !text.contains(|c| c == '"' || is_unfit(c)) {
        return Cow::Borrowed(text);
    }
    let clean = |c: char| match c {
        '"' => '\'',
        c if is_unfit(c) => ' ',
        c => c,
    };
    Cow::Owned(text.chars().map(clean).collect())
}
