//! EXT-X-DATERANGE of sources. Lenient, as players are: what makes no sense is left out, and only a range that says nothing
//! is an error.

use std::time::Duration;

use super::super::scte35::SpliceInfo;

/// More client attributes than this are left out: no source needs them.
const MAX_CLIENT: usize = 32;
/// A value past this is left out.
const MAX_VALUE_BYTES: usize = 8 << 10;
/// Two weeks: nothing on the air is longer.
const LONGEST_S: f64 = 14.0 * 86_400.0;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DateRangeError {
    #[error("EXT-X-DATERANGE has no ID")]
    NoId,
    #[error("EXT-X-DATERANGE {id:?} says neither START-DATE nor an end")]
    NoDate { id: String },
}

/// A section that an attribute carries, with what it says where that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Carried {
    pub bytes: Vec<u8>,
    pub info: Option<SpliceInfo>,
}

/// A date range of a source. Dates are the source's own, in microseconds since 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceRange {
    pub id: String,
    pub class: Option<String>,
    pub start_us: Option<i64>,
    pub end_us: Option<i64>,
    pub duration: Option<Duration>,
    pub planned_duration: Option<Duration>,
    pub end_on_next: bool,
    pub cmd: Option<Carried>,
    pub out: Option<Carried>,
    pub back_in: Option<Carried>,
    /// X- attributes as they stand.
    pub client: Vec<(String, String)>,
}

impl SourceRange {
    /// Reads an attribute list, its quotes and variables undone. Where a name comes twice, the first counts.
    ///
    /// # Errors
    /// [`DateRangeError`].
    pub fn read<'a>(attributes: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, DateRangeError> {
        let mut range = Self::default();
        for (name, value) in attributes {
            if value.len() <= MAX_VALUE_BYTES {
                range.take(name, value);
            }
        }
        if range.id.is_empty() {
            return Err(DateRangeError::NoId);
        }
        if range.start_us.or(range.end_us).is_none() {
            return Err(DateRangeError::NoDate { id: range.id.chars().take(40).collect() });
        }
        Ok(range)
    }

    fn take(&mut self, name: &str, value: &str) {
        fn first<T>(slot: &mut Option<T>, value: Option<T>) {
            if slot.is_none() {
                *slot = value;
            }
        }
        match name {
            "ID" if self.id.is_empty() => value.clone_into(&mut self.id),
            "CLASS" => first(&mut self.class, Some(value.to_owned())),
            "START-DATE" => first(&mut self.start_us, date_us(value)),
            "END-DATE" => first(&mut self.end_us, date_us(value)),
            "DURATION" => first(&mut self.duration, duration(value)),
            "PLANNED-DURATION" => first(&mut self.planned_duration, duration(value)),
            "END-ON-NEXT" => self.end_on_next |= value == "YES",
            "SCTE35-CMD" => first(&mut self.cmd, Carried::hex(value)),
            "SCTE35-OUT" => first(&mut self.out, Carried::hex(value)),
            "SCTE35-IN" => first(&mut self.back_in, Carried::hex(value)),
            _ if name.starts_with("X-") && self.client.len() < MAX_CLIENT => {
                self.client.push((name.to_owned(), value.to_owned()));
            }
            _ => {}
        }
    }

    /// What two lines, or two readings, say of one range: "If a Playlist contains two EXT-X-DATERANGE tags with the same ID
    /// attribute value, then any AttributeName that appears in both tags MUST have the same value" (4.4.5.1). Where that
    /// is not so, `self` counts.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            class: self.class.or_else(|| other.class.clone()),
            start_us: self.start_us.or(other.start_us),
            end_us: self.end_us.or(other.end_us),
            duration: self.duration.or(other.duration),
            planned_duration: self.planned_duration.or(other.planned_duration),
            end_on_next: self.end_on_next || other.end_on_next,
            cmd: self.cmd.or_else(|| other.cmd.clone()),
            out: self.out.or_else(|| other.out.clone()),
            back_in: self.back_in.or_else(|| other.back_in.clone()),
            ..self
        }
    }

    /// When it ends, in microseconds since 1970, where it says so. END-DATE counts before DURATION.
    pub fn ends_us(&self) -> Option<i64> {
        let after = |duration: Duration| i64::try_from(duration.as_micros()).ok();
        self.end_us.or_else(|| self.start_us?.checked_add(after(self.duration?)?))
    }
}

impl Carried {
    fn hex(text: &str) -> Option<Self> {
        let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
        hex::decode(digits).ok().filter(|bytes| !bytes.is_empty()).map(Self::bytes)
    }

    fn bytes(bytes: Vec<u8>) -> Self {
        let info = SpliceInfo::parse(&bytes).ok();
        Self { bytes, info }
    }
}

fn date_us(text: &str) -> Option<i64> {
    text.trim().parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond)
}

/// Seconds; out of range is taken for absent.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let seconds: f64 = text.trim().parse().ok()?;
    (0.0..=LONGEST_S).contains(&seconds).then(|| Duration::from_secs_f64(seconds))
}
