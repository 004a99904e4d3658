//! What is in a segment: format, times, samples. Every reader takes any bytes and ends.

pub mod boxes;
pub mod decrypt;
pub mod fmp4;
pub mod init;
pub mod packed;
pub mod ts;
pub mod webvtt;

use super::rule::Rule;

/// A breach found by a reader: the rule, what was found, what is allowed.
pub type Fault = (&'static Rule, String, &'static str);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Ts,
    Fmp4,
    Packed,
    WebVtt,
}

/// The media of one track in one segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span {
    pub track: u32,
    pub is_video: bool,
    pub begin_s: f64,
    pub end_s: f64,
    /// How long the longest sample lasts, as far as known.
    pub sample_s: f64,
}

/// What is told by a segment's bytes.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    pub spans: Vec<Span>,
    /// Whether the pictures begin with one that needs no other, where that can be told.
    pub starts_sync: Option<bool>,
    /// Four-letter sample formats, and whole RFC 6381 strings where they are known.
    pub codecs: Vec<String>,
    pub faults: Vec<Fault>,
}

impl Facts {
    pub fn fault(&mut self, rule: &'static Rule, found: impl Into<String>, allowed: &'static str) {
        // One of a kind tells enough of a segment.
        if !self.faults.iter().any(|(known, ..)| *known == rule) {
            self.faults.push((rule, found.into(), allowed));
        }
    }

    /// How long it lasts: pictures count where there are any.
    pub fn main(&self) -> Option<Span> {
        self.spans.iter().find(|span| span.is_video).or(self.spans.first()).copied()
    }
}

const BOXES: &[&[u8]] =
    &[b"ftyp", b"styp", b"moof", b"sidx", b"emsg", b"moov", b"mdat", b"prft", b"free", b"skip", b"uuid", b"ssix"];

/// The format by the first bytes; by the name where they tell nothing.
pub fn format(bytes: &[u8], path: &str) -> Option<Format> {
    let bare = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if bare.starts_with(b"WEBVTT") {
        return Some(Format::WebVtt);
    }
    if bytes.starts_with(b"ID3")
        || matches!(bytes, [0xff, second, ..] if second & 0xe0 == 0xe0)
        || bytes.starts_with(b"\x0b\x77")
    {
        return Some(Format::Packed);
    }
    if bytes.get(4..8).is_some_and(|kind| BOXES.contains(&kind)) {
        return Some(Format::Fmp4);
    }
    if bytes.first() == Some(&0x47) && bytes.get(188).is_none_or(|byte| *byte == 0x47) {
        return Some(Format::Ts);
    }
    match path.rsplit('.').next().unwrap_or("") {
        "ts" | "m2ts" => Some(Format::Ts),
        "vtt" | "webvtt" => Some(Format::WebVtt),
        _ => None,
    }
}
