//! Media playlists as data (8216bis 4.4.3 to 4.4.5). Numbers of lines are kept: a finding says where.

use std::rc::Rc;

use url::Url;

use super::date::{self, Date};
use super::finding::Notes;
use super::images::Tiles;
use super::rules::{low_latency as low, media as rules, text as text_rules};
use super::text::{self, Entry, Tag, Text};

/// Segments that are looked at; the rest of a longer playlist is read over, and said.
pub const MAX_SEGMENTS: usize = 50_000;
/// Numbers from here on are not taken: sums with them would not fit. No stream gets there.
const FAR: u64 = 1 << 60;
/// A duration past this is no duration.
const LONGEST_S: f64 = 1e7;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaylistType {
    Event,
    Vod,
}

/// EXT-X-KEY, or EXT-X-SESSION-KEY.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub line: u32,
    pub method: String,
    pub url: Option<Url>,
    pub iv: Option<u128>,
    pub format: String,
    pub versions: String,
}

impl Key {
    pub fn read(tag: &Tag, base: &Url) -> Self {
        Self {
            line: tag.line,
            method: tag.text("METHOD").unwrap_or("NONE").to_owned(),
            url: tag.text("URI").and_then(|uri| base.join(uri).ok()),
            iv: tag.text("IV").and_then(text::hex).and_then(|digits| u128::from_str_radix(digits, 16).ok()),
            format: tag.text("KEYFORMAT").unwrap_or("identity").to_owned(),
            versions: tag.text("KEYFORMATVERSIONS").unwrap_or("1").to_owned(),
        }
    }
}

/// EXT-X-MAP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Map {
    pub line: u32,
    pub url: Url,
    /// Offset and length.
    pub range: Option<(u64, u64)>,
    pub key: Option<Rc<Key>>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    pub line: u32,
    pub uri: String,
    pub duration_s: f64,
    pub independent: bool,
    pub gap: bool,
}

#[derive(Clone, Debug)]
pub struct Segment {
    /// Of its URI.
    pub line: u32,
    pub sequence: u64,
    pub discontinuity_sequence: u64,
    pub uri: String,
    pub url: Url,
    /// Offset and length.
    pub range: Option<(u64, u64)>,
    pub duration_s: f64,
    pub discontinuity: bool,
    pub gap: bool,
    /// Kilobits per second.
    pub bitrate_kbps: Option<u64>,
    pub date: Option<Date>,
    pub key: Option<Rc<Key>>,
    pub map: Option<Rc<Map>>,
    /// How an image is made of tiles.
    pub tiles: Option<Tiles>,
    pub parts: Vec<Part>,
}

#[derive(Clone, Debug)]
pub struct MediaPlaylist {
    pub text: Text,
    pub target_s: Option<u64>,
    pub media_sequence: u64,
    pub discontinuity_sequence: u64,
    pub ended: bool,
    pub kind: Option<PlaylistType>,
    pub iframes_only: bool,
    /// Of pictures for scrubbing (EXT-X-IMAGES-ONLY): no media at all.
    pub images_only: bool,
    pub independent: bool,
    pub part_target_s: Option<f64>,
    pub part_hold_back_s: Option<f64>,
    pub hold_back_s: Option<f64>,
    pub skip_until_s: Option<f64>,
    pub can_block: bool,
    /// EXT-X-SKIP: segments that are left out.
    pub skipped: Option<u64>,
    pub segments: Vec<Segment>,
    /// Parts of the segment that is still growing.
    pub growing: Vec<Part>,
    /// More segments than are looked at.
    pub cut: bool,
}

impl MediaPlaylist {
    /// The number of the segment after the last.
    pub fn next_sequence(&self) -> u64 {
        self.first_sequence().saturating_add(self.segments.len() as u64)
    }

    /// The number of the first segment that is listed and not skipped.
    pub fn first_sequence(&self) -> u64 {
        self.media_sequence.saturating_add(self.skipped.unwrap_or(0))
    }

    pub fn segment(&self, sequence: u64) -> Option<&Segment> {
        let index = sequence.checked_sub(self.first_sequence())?;
        self.segments.get(usize::try_from(index).ok()?)
    }

    pub fn target(&self) -> f64 {
        self.target_s.unwrap_or(6).clamp(1, 3600) as f64
    }

    pub fn duration_s(&self) -> f64 {
        self.segments.iter().map(|segment| segment.duration_s).sum()
    }

    pub fn has_parts(&self) -> bool {
        !self.growing.is_empty() || self.segments.iter().any(|segment| !segment.parts.is_empty())
    }

    /// Segments may still come.
    pub fn lives(&self) -> bool {
        !self.ended && self.kind != Some(PlaylistType::Vod)
    }

    pub fn tags<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Tag> {
        self.text.tags().filter(move |tag| tag.name == name)
    }

    /// When each segment begins, in microseconds since 1970: by its own date, or by the last one before it.
    pub fn dates_us(&self) -> Vec<Option<i64>> {
        let mut at: Option<f64> = None;
        let dates = self.segments.iter().map(|segment| {
            at = match (segment.date, segment.discontinuity) {
                (Some(date), _) => Some(date.us as f64),
                (None, true) => None,
                (None, false) => at,
            };
            let begin = at.map(|us| us as i64);
            at = at.map(|us| us + segment.duration_s * 1e6);
            begin
        });
        dates.collect()
    }
}

/// What applies to the segments to come.
#[derive(Default)]
struct Pending {
    extinf: Option<(u32, f64)>,
    range: Option<(u32, u64, Option<u64>)>,
    discontinuity: bool,
    gap: bool,
    date: Option<Date>,
    tiles: Option<Tiles>,
    parts: Vec<Part>,
    /// The next byte of the last part's resource.
    part_end: Option<(String, u64)>,
}

struct Reader<'r, 'n, 'f> {
    made: MediaPlaylist,
    base: &'r Url,
    pending: Pending,
    bitrate_kbps: Option<u64>,
    key: Option<Rc<Key>>,
    map: Option<Rc<Map>>,
    discontinuities: u64,
    notes: &'n mut Notes<'f>,
}

/// Takes a media playlist apart; what cannot be right in itself is noted.
pub fn read(text: Text, base: &Url, notes: &mut Notes) -> MediaPlaylist {
    let entries = text.entries.clone();
    let made = MediaPlaylist {
        text,
        target_s: None,
        media_sequence: 0,
        discontinuity_sequence: 0,
        ended: false,
        kind: None,
        iframes_only: false,
        images_only: false,
        independent: false,
        part_target_s: None,
        part_hold_back_s: None,
        hold_back_s: None,
        skip_until_s: None,
        can_block: false,
        skipped: None,
        segments: Vec::new(),
        growing: Vec::new(),
        cut: false,
    };
    let pending = Pending::default();
    let mut reader =
        Reader { made, base, pending, bitrate_kbps: None, key: None, map: None, discontinuities: 0, notes };
    for entry in &entries {
        match entry {
            Entry::Tag(tag) => reader.tag(tag),
            Entry::Uri { line, text } => reader.segment(*line, text),
        }
    }
    reader.ended()
}

impl Reader<'_, '_, '_> {
    fn tag(&mut self, tag: &Tag) {
        let number = || tag.value.parse::<u64>().ok().filter(|number| *number < FAR);
        match tag.name.as_str() {
            "EXT-X-TARGETDURATION" => self.made.target_s = number(),
            "EXT-X-MEDIA-SEQUENCE" => {
                if !self.made.segments.is_empty() {
                    self.notes.add(&rules::MEDIA_SEQUENCE_LATE, tag.line, &tag.value, "before the first segment");
                    return;
                }
                self.made.media_sequence = number().unwrap_or(0);
            }
            "EXT-X-DISCONTINUITY-SEQUENCE" => {
                if !self.made.segments.is_empty() || self.pending.discontinuity {
                    let allowed = "before the first segment and EXT-X-DISCONTINUITY";
                    self.notes.add(&rules::DISCONTINUITY_SEQUENCE_LATE, tag.line, &tag.value, allowed);
                    return;
                }
                self.made.discontinuity_sequence = number().unwrap_or(0);
            }
            "EXT-X-ENDLIST" => self.made.ended = true,
            "EXT-X-PLAYLIST-TYPE" => {
                self.made.kind = match tag.value.as_str() {
                    "VOD" => Some(PlaylistType::Vod),
                    "EVENT" => Some(PlaylistType::Event),
                    _ => None,
                }
            }
            "EXT-X-I-FRAMES-ONLY" => self.made.iframes_only = true,
            "EXT-X-IMAGES-ONLY" => self.made.images_only = true,
            "EXT-X-INDEPENDENT-SEGMENTS" => self.made.independent = true,
            "EXT-X-PART-INF" => self.made.part_target_s = tag.seconds("PART-TARGET"),
            "EXT-X-SERVER-CONTROL" => {
                self.made.part_hold_back_s = tag.seconds("PART-HOLD-BACK");
                self.made.hold_back_s = tag.seconds("HOLD-BACK");
                self.made.skip_until_s = tag.seconds("CAN-SKIP-UNTIL");
                self.made.can_block = tag.is_yes("CAN-BLOCK-RELOAD");
            }
            "EXT-X-SKIP" => {
                self.made.skipped = Some(tag.number("SKIPPED-SEGMENTS").filter(|number| *number < FAR).unwrap_or(0))
            }
            _ => self.segment_tag(tag),
        }
    }

    fn segment_tag(&mut self, tag: &Tag) {
        match tag.name.as_str() {
            "EXTINF" => self.extinf(tag),
            "EXT-X-BYTERANGE" => {
                self.pending.range = text::range(&tag.value).map(|(length, offset)| (tag.line, length, offset));
            }
            "EXT-X-DISCONTINUITY" => {
                self.first_part_has_gone(tag);
                self.pending.discontinuity = true;
            }
            "EXT-X-GAP" => self.pending.gap = true,
            "EXT-X-BITRATE" => self.bitrate_kbps = tag.value.parse().ok(),
            "EXT-X-PROGRAM-DATE-TIME" => {
                self.first_part_has_gone(tag);
                self.pending.date = date::parse(&tag.value);
            }
            "EXT-X-KEY" => {
                self.first_part_has_gone(tag);
                let key = Key::read(tag, self.base);
                // Several keys of different formats may apply at once; the identity one is the one that can be tried.
                let keeps = self.key.as_ref().is_some_and(|held| held.format == "identity" && key.format != "identity");
                if key.method == "NONE" {
                    self.key = None;
                } else if !keeps {
                    self.key = Some(Rc::new(key));
                }
            }
            "EXT-X-MAP" => {
                self.first_part_has_gone(tag);
                let range = tag.text("BYTERANGE").and_then(text::range);
                let range = range.map(|(length, offset)| (offset.unwrap_or(0), length));
                let url = tag.text("URI").and_then(|uri| self.resolve(tag.line, uri));
                let key = self.key.clone();
                self.map = url.map(|url| Rc::new(Map { line: tag.line, url, range, key }));
            }
            "EXT-X-PART" => self.part(tag),
            "EXT-X-TILES" => self.pending.tiles = Tiles::read(tag),
            _ => {}
        }
    }

    fn extinf(&mut self, tag: &Tag) {
        let (duration, title) = match tag.value.split_once(',') {
            Some((duration, title)) => (duration, Some(title)),
            None => (tag.value.as_str(), None),
        };
        if title.is_none() {
            self.notes.add(&rules::EXTINF_COMMA, tag.line, format!("#EXTINF:{}", tag.value), "<duration>,[<title>]");
        }
        let duration_s = duration.trim().parse::<f64>().ok().filter(|s| (0.0..LONGEST_S).contains(s));
        if let Some((line, _)) = self.pending.extinf.replace((tag.line, duration_s.unwrap_or(0.0))) {
            self.notes.add(&rules::SEGMENT_TAG_DANGLING, line, "#EXTINF without a URI", "a URI behind it");
        }
    }

    /// 4.4.4.9: these belong to the first part, too.
    fn first_part_has_gone(&mut self, tag: &Tag) {
        if !self.pending.parts.is_empty() {
            self.notes.add(&low::PART_LATE, tag.line, format!("#{}", tag.name), "before the segment's first part");
        }
    }

    fn part(&mut self, tag: &Tag) {
        let uri = tag.text("URI").unwrap_or_default().to_owned();
        if let Some((length, offset)) = tag.text("BYTERANGE").and_then(text::range) {
            let before = self.pending.part_end.take().filter(|(resource, _)| *resource == uri).map(|(_, end)| end);
            if offset.is_none() && before.is_none() {
                self.notes.add(&low::PART_RANGE, tag.line, format!("{length} bytes of {uri}"), "<n>@<o>");
            }
            let begin = offset.or(before).unwrap_or(0);
            self.pending.part_end = Some((uri.clone(), begin.saturating_add(length)));
        }
        self.pending.parts.push(Part {
            line: tag.line,
            uri,
            duration_s: tag.seconds("DURATION").unwrap_or(0.0),
            independent: tag.is_yes("INDEPENDENT"),
            gap: tag.is_yes("GAP"),
        });
    }

    fn resolve(&mut self, line: u32, uri: &str) -> Option<Url> {
        match self.base.join(uri) {
            Ok(url) => Some(url),
            Err(error) => {
                self.notes.add(&text_rules::URI_INVALID, line, format!("{uri}: {error}"), "a URI (RFC 3986)");
                None
            }
        }
    }

    fn segment(&mut self, line: u32, uri: &str) {
        let pending = std::mem::take(&mut self.pending);
        if self.made.segments.len() >= MAX_SEGMENTS {
            self.made.cut = true;
            return;
        }
        if pending.extinf.is_none() && !self.made.images_only {
            self.notes.add(&rules::EXTINF_MISSING, line, uri, "#EXTINF before the URI");
        }
        // Its number is taken even if nothing can be made of its address.
        let url = self.resolve(line, uri).unwrap_or_else(|| self.base.clone());
        let range = pending.range.map(|(at, length, offset)| (self.begin_of(at, &url, offset), length));
        self.discontinuities += u64::from(pending.discontinuity);
        self.made.segments.push(Segment {
            line,
            sequence: self.made.next_sequence(),
            discontinuity_sequence: self.made.discontinuity_sequence.saturating_add(self.discontinuities),
            uri: uri.to_owned(),
            url,
            range,
            duration_s: pending.extinf.map_or(0.0, |(_, duration_s)| duration_s),
            discontinuity: pending.discontinuity,
            gap: pending.gap,
            bitrate_kbps: self.bitrate_kbps.filter(|_| pending.range.is_none()),
            date: pending.date,
            key: self.key.clone(),
            map: self.map.clone(),
            tiles: pending.tiles,
            parts: pending.parts,
        });
    }

    /// 4.4.4.2: without an offset the range begins where the one before ends, in the same resource.
    fn begin_of(&mut self, line: u32, url: &Url, offset: Option<u64>) -> u64 {
        let before = self.made.segments.last().filter(|before| before.url == *url).and_then(|before| before.range);
        match (offset, before) {
            (Some(offset), _) => offset,
            (None, Some((begin, length))) => begin.saturating_add(length),
            // What was skipped may have been the range before.
            (None, None) if self.made.skipped.is_some() => 0,
            (None, None) => {
                self.notes.add(&rules::BYTERANGE_START, line, "no offset", "<n>@<o>");
                0
            }
        }
    }

    fn ended(mut self) -> MediaPlaylist {
        if let Some((line, _)) = self.pending.extinf {
            self.notes.add(&rules::SEGMENT_TAG_DANGLING, line, "#EXTINF without a URI", "a URI behind it");
        } else if let Some((line, ..)) = self.pending.range {
            self.notes.add(&rules::SEGMENT_TAG_DANGLING, line, "#EXT-X-BYTERANGE without a URI", "a URI behind it");
        }
        self.made.growing = self.pending.parts;
        self.made
    }
}
