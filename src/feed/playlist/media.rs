//! Media playlists, read (RFC 8216, 4.3.2 and 4.3.3).

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::ranges::Ranges;
use super::text::{Attributes, Line, PlaylistError, Variables, lines, resolve, seconds};
use crate::cues::daterange::{OlderTag, SourceRange};

/// A day of two-second segments has more; no playlist of 1 MiB can.
pub const MAX_SEGMENTS: usize = 20_000;
/// Addresses of a playlist together: variables and a long base make much of few lines.
const MAX_ADDRESS_BYTES: usize = 8 << 20;
/// Key formats of one time, and letters of one; more are left out. A segment has a key for each system that its players may have.
const MAX_KEYS: usize = 16;
const MAX_FORMAT: usize = 120;
/// In front of one segment stand a break's end and another's beginning at most, each said in several ways.
const MAX_CUES: usize = 8;
/// Without EXT-X-TARGETDURATION, which real servers forget, and as a floor: nobody is asked more often than this.
const LEAST_TARGET: Duration = Duration::from_millis(500);
const LONGEST_TARGET: Duration = Duration::from_secs(120);

/// Bytes `offset .. offset + length` of a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    pub offset: u64,
    pub length: u64,
}

/// How something is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    Clear,
    /// The whole resource in AES-128-CBC with PKCS #7 padding. Without an `iv` the media sequence number is it.
    Aes128 {
        key: Arc<Url>,
        iv: Option<[u8; 16]>,
    },
    /// What it says cannot be undone here.
    Refused {
        method: Arc<str>,
    },
}

/// What a demuxer needs before the first byte of a segment (EXT-X-MAP).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Init {
    pub url: Url,
    pub range: Option<ByteRange>,
    pub protection: Protection,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub sequence: u64,
    /// How many discontinuities came before it since the playlist began.
    pub discontinuity: u64,
    pub url: Url,
    pub range: Option<ByteRange>,
    pub duration: Duration,
    pub init: Option<Arc<Init>>,
    pub protection: Protection,
    /// The server does not have it (EXT-X-GAP).
    pub gap: bool,
    /// When its first picture was taken, in microseconds since 1970, where the playlist says so.
    pub programme_us: Option<i64>,
    /// What tags of older kinds say in front of it; at most [`MAX_CUES`].
    pub cues: Vec<OlderTag>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Old segments leave, new ones come.
    Live,
    /// Nothing leaves, new ones come.
    Event,
    /// Nothing changes.
    Vod,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MediaPlaylist {
    pub target: Duration,
    pub kind: Kind,
    /// EXT-X-ENDLIST: no more will come.
    pub ended: bool,
    pub segments: Vec<Segment>,
    /// EXT-X-DATERANGE, one for each ID.
    pub ranges: Vec<SourceRange>,
    /// EXT-X-START, in seconds from the beginning, or from the end where negative.
    pub start_s: Option<f64>,
}

impl MediaPlaylist {
    /// Reads the playlist that was found at `url`; `imported` are its master playlist's variables.
    ///
    /// # Errors
    /// [`PlaylistError`]. A live playlist without segments is none: they may come.
    pub fn read(text: &str, url: &Url, imported: &Variables) -> Result<Self, PlaylistError> {
        let mut reader = Reader::new(url, imported);
        let mut header = false;
        for line in lines(text) {
            match line {
                Line::Tag { name: "#EXTM3U", .. } => header = true,
                _ if !header => return Err(PlaylistError::NoHeader),
                Line::Tag { name, value } => reader.tag(name, value)?,
                Line::Uri(uri) => reader.segment(uri)?,
            }
        }
        if !header {
            return Err(PlaylistError::NoHeader);
        }
        Ok(reader.playlist())
    }

    pub fn first_sequence(&self) -> Option<u64> {
        self.segments.first().map(|segment| segment.sequence)
    }

    /// The number the next segment will have.
    pub fn next_sequence(&self) -> Option<u64> {
        self.segments.last().map(|segment| segment.sequence.saturating_add(1))
    }

    pub fn duration(&self) -> Duration {
        self.segments.iter().map(|segment| segment.duration).sum()
    }

    /// Which playlist this is, wherever it is found: tokens in the URLs of two readings may differ.
    pub fn mark(&self) -> Option<Mark> {
        let last = self.segments.last()?;
        Some(Mark { path: last.url.path().to_owned(), sequence: last.sequence, duration: last.duration })
    }
}

/// The end of a playlist, by which it is known again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    path: String,
    sequence: u64,
    duration: Duration,
}

/// What the lines so far say of the next segment.
struct Reader<'a> {
    url: &'a Url,
    imported: &'a Variables,
    variables: Variables,
    target: Option<Duration>,
    kind: Kind,
    ended: bool,
    start_s: Option<f64>,
    segments: Vec<Segment>,
    sequence: u64,
    discontinuity: u64,
    duration: Option<Duration>,
    range: Option<(u64, Option<u64>)>,
    /// Where the last byte range ended, and of what.
    ranged: Option<(Url, u64)>,
    init: Option<Arc<Init>>,
    /// The keys in force: one a KEYFORMAT.
    keys: Vec<(String, Protection)>,
    gap: bool,
    programme_us: Option<i64>,
    cues: Vec<OlderTag>,
    ranges: Ranges,
    address_bytes: usize,
}

impl<'a> Reader<'a> {
    fn new(url: &'a Url, imported: &'a Variables) -> Self {
        Self {
            url,
            imported,
            variables: Variables::default(),
            target: None,
            kind: Kind::Live,
            ended: false,
            start_s: None,
            segments: Vec::new(),
            sequence: 0,
            discontinuity: 0,
            duration: None,
            range: None,
            ranged: None,
            init: None,
            keys: Vec::new(),
            gap: false,
            programme_us: None,
            cues: Vec::new(),
            ranges: Ranges::default(),
            address_bytes: 0,
        }
    }

    /// `uri` as seen from the playlist, where it can be fetched.
    fn address(&mut self, uri: &str) -> Result<Option<Url>, PlaylistError> {
        let url = resolve(self.url, uri);
        self.address_bytes += url.as_ref().unwrap_or(self.url).as_str().len();
        if self.address_bytes > MAX_ADDRESS_BYTES {
            return Err(PlaylistError::TooMany { what: "bytes of addresses", limit: MAX_ADDRESS_BYTES });
        }
        Ok(url)
    }

    fn tag(&mut self, name: &str, value: &str) -> Result<(), PlaylistError> {
        match name {
            "#EXTINF" => self.duration = seconds(value.split(',').next().unwrap_or_default()),
            "#EXT-X-TARGETDURATION" => self.target = seconds(value),
            "#EXT-X-MEDIA-SEQUENCE" if self.segments.is_empty() => self.sequence = value.parse().unwrap_or(0),
            "#EXT-X-DISCONTINUITY-SEQUENCE" if self.segments.is_empty() => {
                self.discontinuity = value.parse().unwrap_or(0);
            }
            "#EXT-X-DISCONTINUITY" => {
                self.discontinuity = self.discontinuity.saturating_add(1);
                self.programme_us = None;
            }
            "#EXT-X-BYTERANGE" => self.range = range(value),
            "#EXT-X-MAP" => self.map(value)?,
            "#EXT-X-KEY" => self.key(value)?,
            "#EXT-X-GAP" => self.gap = true,
            "#EXT-X-ENDLIST" => self.ended = true,
            "#EXT-X-PROGRAM-DATE-TIME" => {
                self.programme_us = value.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_microsecond);
            }
            "#EXT-X-PLAYLIST-TYPE" => match value {
                "EVENT" => self.kind = Kind::Event,
                "VOD" => self.kind = Kind::Vod,
                _ => {}
            },
            "#EXT-X-START" => {
                let offset = Attributes::read(value, &self.variables)?.number::<f64>("TIME-OFFSET");
                self.start_s = offset.filter(|seconds| seconds.is_finite());
            }
            "#EXT-X-DEFINE" => self.variables.define(value, self.imported, self.url)?,
            "#EXT-X-DATERANGE" => self.ranges.take(value, &self.variables),
            _ => self.older_tag(name, value),
        }
        Ok(())
    }

    fn older_tag(&mut self, name: &str, value: &str) {
        match OlderTag::read(name, value) {
            Some(Ok(tag)) if self.cues.len() < MAX_CUES && !self.cues.contains(&tag) => self.cues.push(tag),
            Some(Err(error)) => tracing::debug!(%error, "a cue of a playlist makes no sense"),
            Some(Ok(_)) | None => {}
        }
    }

    fn key(&mut self, value: &str) -> Result<(), PlaylistError> {
        let attributes = Attributes::read(value, &self.variables)?;
        let format = attributes.text("KEYFORMAT").unwrap_or("identity");
        let format: String = format.chars().take(MAX_FORMAT).collect();
        let method = attributes.text("METHOD").unwrap_or_default();
        if method == "NONE" {
            self.keys.clear();
            return Ok(());
        }
        let url = attributes.text("URI").map_or(Ok(None), |uri| self.address(uri))?;
        let protection = match (method, format.as_str(), url) {
            ("AES-128", "identity", Some(url)) => {
                Protection::Aes128 { key: Arc::new(url), iv: attributes.text("IV").and_then(iv) }
            }
            _ => Protection::Refused { method: method.chars().take(40).collect::<String>().into() },
        };
        self.keys.retain(|(other, _)| *other != format);
        if self.keys.len() < MAX_KEYS {
            self.keys.push((format, protection));
        }
        Ok(())
    }

    /// One key that can be used is enough.
    fn protection(&self) -> Protection {
        let usable = self.keys.iter().find(|(_, key)| matches!(key, Protection::Aes128 { .. }));
        usable.or(self.keys.first()).map_or(Protection::Clear, |(_, key)| key.clone())
    }

    fn map(&mut self, value: &str) -> Result<(), PlaylistError> {
        let attributes = Attributes::read(value, &self.variables)?;
        let Some(uri) = attributes.text("URI") else { return Ok(()) };
        let Some(url) = self.address(uri)? else { return Ok(()) };
        let range = attributes.text("BYTERANGE").and_then(range);
        let range = range.map(|(length, offset)| ByteRange { offset: offset.unwrap_or(0), length });
        let init = Init { url, range, protection: self.protection() };
        // The same map said again, as before every segment, is no change.
        if self.init.as_deref() != Some(&init) {
            self.init = Some(Arc::new(init));
        }
        Ok(())
    }

    fn segment(&mut self, uri: &str) -> Result<(), PlaylistError> {
        if self.segments.len() >= MAX_SEGMENTS {
            return Err(PlaylistError::TooMany { what: "segments", limit: MAX_SEGMENTS });
        }
        let uri = self.variables.put_into(uri)?;
        let (duration, range, gap) = (self.duration.take(), self.range.take(), std::mem::take(&mut self.gap));
        let programme_us = self.programme_us;
        let duration = duration.unwrap_or_else(|| self.target());
        let after = i64::try_from(duration.as_micros()).unwrap_or(0);
        self.programme_us = programme_us.map(|us| us.saturating_add(after));
        let sequence = self.sequence;
        self.sequence = sequence.saturating_add(1);
        // A URI that cannot be fetched leaves a hole of its length: the numbers after it must not move.
        let (url, usable) = self.address(&uri)?.map_or_else(|| (self.url.clone(), false), |url| (url, true));
        let range = range.map(|(length, offset)| {
            let continued = self.ranged.as_ref().filter(|(of, _)| *of == url).map_or(0, |(_, end)| *end);
            ByteRange { offset: offset.unwrap_or(continued), length }
        });
        self.ranged = range.map(|range| (url.clone(), range.offset.saturating_add(range.length)));
        self.segments.push(Segment {
            sequence,
            discontinuity: self.discontinuity,
            url,
            range,
            duration,
            init: self.init.clone(),
            protection: self.protection(),
            gap: gap || !usable,
            programme_us,
            cues: std::mem::take(&mut self.cues),
        });
        Ok(())
    }

    fn target(&self) -> Duration {
        let longest = self.segments.iter().map(|segment| segment.duration).max();
        self.target.or(longest).unwrap_or(Duration::from_secs(6)).clamp(LEAST_TARGET, LONGEST_TARGET)
    }

    fn playlist(mut self) -> MediaPlaylist {
        date_backwards(&mut self.segments);
        MediaPlaylist {
            target: self.target(),
            // What the end is known of is no live stream, whatever it calls itself; whether it was one, its reader knows.
            kind: self.kind,
            ended: self.ended || self.kind == Kind::Vod,
            segments: self.segments,
            ranges: self.ranges.into_list(),
            start_s: self.start_s,
        }
    }
}

/// Segments before the first date of their discontinuity have theirs by their durations.
fn date_backwards(segments: &mut [Segment]) {
    let mut after: Option<(u64, i64)> = None;
    for segment in segments.iter_mut().rev() {
        let length = i64::try_from(segment.duration.as_micros()).unwrap_or(0);
        let of_next = after.filter(|(discontinuity, _)| *discontinuity == segment.discontinuity);
        segment.programme_us = segment.programme_us.or(of_next.map(|(_, us)| us.saturating_sub(length)));
        after = segment.programme_us.map(|us| (segment.discontinuity, us));
    }
}

/// `n[@o]`: a length and, where it is said, where it begins.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (length, offset) = text.split_once('@').map_or((text, None), |(length, offset)| (length, Some(offset)));
    let offset = offset.map(|offset| offset.trim().parse()).transpose().ok()?;
    let length: u64 = length.trim().parse().ok()?;
    (length > 0).then_some((length, offset))
}

/// `0x…`, 128 bits; shorter ones are filled up with zeroes in front.
fn iv(text: &str) -> Option<[u8; 16]> {
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    Some(u128::from_str_radix(digits, 16).ok()?.to_be_bytes())
}
