//! Loading segments, within bounds.

use std::rc::Rc;

use url::Url;

use super::across::Role;
use super::fetch::Answer;
use super::http_check;
use super::linter::Linter;
use super::media::{Key, Map, Segment};
use super::options::SegmentChoice;
use super::rules::{http as http_rules, segment as rules};
use super::segment::init::{self, Init};
use super::segment::{decrypt, format};
use super::segment_check::{self, Before, Context};

/// A live stream's newest segments are those that are surely still there.
const LIVE_FROM_END: u64 = 2;
/// Within which EXT-X-BITRATE must be right (4.4.4.8).
const BITRATE_SLACK: f64 = 0.1;

impl Linter<'_> {
    /// Looks at the segments of a track that are due by the options.
    pub(super) fn segments(&mut self, index: usize) {
        let choice = self.options.segments;
        let track = &self.tracks[index];
        let Some(playlist) = track.playlist.as_ref().filter(|_| choice != SegmentChoice::None) else { return };
        if playlist.segments.is_empty() {
            return;
        }
        let (first, next) = (playlist.first_sequence(), playlist.next_sequence());
        let wanted: Vec<u64> = match (choice, track.looked_to) {
            (_, Some(to)) => (to.max(first.saturating_sub(1)) + 1..next).collect(),
            (SegmentChoice::All, None) => (first..next).collect(),
            (_, None) if playlist.lives() => (next.saturating_sub(LIVE_FROM_END).max(first)..next).collect(),
            (_, None) => {
                let mut wanted: Vec<u64> = [first, first + 1, next - 1].into_iter().filter(|n| *n < next).collect();
                wanted.dedup();
                wanted
            }
        };
        for sequence in wanted {
            let Some(segment) = self.tracks[index].playlist.as_ref().and_then(|p| p.segment(sequence)).cloned() else {
                continue;
            };
            if self.bytes >= self.options.limits.total_bytes {
                let found = format!("{} bytes loaded", self.bytes);
                let uri = self.tracks[index].uri.clone();
                self.findings.of(&uri).add(&http_rules::NOT_ALL, None, found, "less");
                break;
            }
            self.segment(index, &segment);
        }
        self.tracks[index].looked_to = Some(next - 1);
    }

    fn segment(&mut self, index: usize, segment: &Segment) {
        // 4.4.4.7: there are no bytes for it.
        if segment.gap {
            return;
        }
        let track = &self.tracks[index];
        if track.role == Role::Images || track.playlist.as_ref().is_some_and(|playlist| playlist.images_only) {
            return self.image(index, segment);
        }
        let Some(answer) = self.resource(index, segment.line, &segment.url, segment.range) else { return };
        self.tracks[index].measure(segment.sequence, answer.body.len(), segment.duration_s);
        self.bitrate(index, segment, answer.body.len());
        if answer.too_large || answer.truncated {
            return;
        }
        let Some(bytes) = self.clear(index, segment.line, segment.key.as_deref(), segment.sequence, &answer) else {
            return;
        };
        let init = segment.map.clone().and_then(|map| self.init(index, &map, segment.sequence));
        let format = format(&bytes, segment.url.path());
        let track = &self.tracks[index];
        let (playlist_uri, uri) = (track.uri.clone(), segment.url.to_string());
        let variants = self.multivariant.as_ref().map(|playlist| &playlist.variants[..]).unwrap_or_default();
        let variants: Vec<_> = track.variants.iter().filter_map(|index| variants.get(*index)).collect();
        let Some(playlist) = &track.playlist else { return };
        let context = Context {
            independent: playlist.independent || self.multivariant.as_ref().is_some_and(|m| m.independent),
            iframes_only: playlist.iframes_only,
            subtitles: track.role == Role::Subtitles,
            variants: &variants,
            before: track.before.as_ref(),
        };
        let mut of_playlist = self.findings.of(&playlist_uri);
        let mut notes = of_playlist.about(&uri);
        http_check::segment(&answer, format, &mut notes);
        let Some(format) = format else {
            if !context.iframes_only {
                let head: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
                let found = format!("{} bytes that begin with {}", bytes.len(), head.join(" "));
                notes.add(&rules::FORMAT, segment.line, found, "MPEG-TS, MP4, packed audio or WebVTT");
            }
            return;
        };
        let spans = segment_check::check(segment, format, &bytes, init.as_deref(), context, &mut notes);
        let main = spans.iter().find(|span| span.is_video).or(spans.first()).copied();
        let zero_us = segment.date.zip(main).map(|(date, span)| date.us as f64 - span.begin_s * 1e6);
        let track = &mut self.tracks[index];
        // One timeline only: past a discontinuity timestamps may begin anew.
        track.zero_us = track.zero_us.or(zero_us.filter(|_| segment.discontinuity_sequence == 0));
        track.before = Some(Before { sequence: segment.sequence, format, spans });
    }

    /// EXT-X-BITRATE against what came.
    fn bitrate(&mut self, index: usize, segment: &Segment, bytes: usize) {
        let Some(said) = segment.bitrate_kbps.filter(|_| segment.duration_s > 0.0) else { return };
        let own = bytes as f64 * 8.0 / 1000.0 / segment.duration_s;
        if (said as f64) < own * (1.0 - BITRATE_SLACK) || said as f64 > own * (1.0 + BITRATE_SLACK) {
            let uri = self.tracks[index].uri.clone();
            let found = format!("EXT-X-BITRATE {said}, the segment has {own:.0} kb/s");
            self.findings.of(&uri).add(&rules::BITRATE, segment.line, found, "within 10 %");
        }
    }

    /// Loads something that a playlist names; says what is wrong with the answer.
    pub(super) fn resource(&mut self, index: usize, line: u32, url: &Url, range: Option<(u64, u64)>) -> Option<Answer> {
        let limit = self.options.limits.segment_bytes;
        // A server that knows no ranges sends everything.
        let answer = self.get(url, range, limit);
        let (playlist_uri, uri) = (self.tracks[index].uri.clone(), url.to_string());
        let mut of_playlist = self.findings.of(&playlist_uri);
        let mut notes = of_playlist.about(&uri);
        let mut answer = match answer {
            Ok(answer) if answer.is_success() => answer,
            Ok(answer) if answer.status == 416 && range.is_some() => {
                notes.add(&rules::RANGE_OUTSIDE, line, format!("status 416 for {range:?}"), "within the resource");
                return None;
            }
            Ok(answer) => {
                notes.add(&rules::UNAVAILABLE, line, format!("status {}", answer.status), "status 200");
                return None;
            }
            Err(error) => {
                notes.add(&rules::UNAVAILABLE, line, error.to_string(), "status 200");
                return None;
            }
        };
        http_check::body(&answer, &mut notes);
        if let Some((offset, length)) = range {
            let (offset, length) = (usize::try_from(offset).ok()?, usize::try_from(length).ok()?);
            if answer.status == 200 {
                notes.add(&rules::RANGE_IGNORED, line, "status 200 for a range", "status 206");
                let end = offset.saturating_add(length).min(answer.body.len());
                answer.body = answer.body.slice(offset.min(end)..end);
            }
            if answer.body.len() < length && !answer.too_large && !answer.truncated {
                let found = format!("{} bytes of {length}", answer.body.len());
                notes.add(&rules::RANGE_OUTSIDE, line, found, "within the resource");
                return None;
            }
        }
        Some(answer)
    }

    /// The bytes in the clear; `None` where they cannot be looked at.
    fn clear(&mut self, index: usize, line: u32, key: Option<&Key>, sequence: u64, answer: &Answer) -> Option<Vec<u8>> {
        let Some(key) = key else { return Some(answer.body.to_vec()) };
        match key.method.as_str() {
            // Samples alone are encrypted: the wrapping can be read.
            "SAMPLE-AES" | "SAMPLE-AES-CTR" => return Some(answer.body.to_vec()),
            "AES-128" if key.format == "identity" => {}
            _ => return None,
        }
        let secret = self.key(index, key)?;
        // 5.2: without IV it is the media sequence number.
        let clear = decrypt::decrypt(&answer.body, &secret, key.iv.unwrap_or(u128::from(sequence)));
        if clear.is_none() {
            let uri = self.tracks[index].uri.clone();
            let found = "the padding is wrong after decryption";
            self.findings.of(&uri).add(&rules::DECRYPT, line, found, "AES-128-CBC with PKCS #7 padding");
        }
        clear
    }

    fn key(&mut self, index: usize, key: &Key) -> Option<[u8; 16]> {
        let url = key.url.clone()?;
        if let Some(known) = self.keys.get(&url) {
            return *known;
        }
        let answer = self.get(&url, None, 4096);
        let (playlist_uri, uri) = (self.tracks[index].uri.clone(), url.to_string());
        let mut of_playlist = self.findings.of(&playlist_uri);
        let mut notes = of_playlist.about(&uri);
        let secret = match answer {
            Ok(answer) if answer.is_success() => {
                let secret: Option<[u8; 16]> = answer.body[..].try_into().ok();
                if secret.is_none() {
                    notes.add(&rules::KEY_LENGTH, key.line, format!("{} bytes", answer.body.len()), "16 bytes");
                }
                secret
            }
            Ok(answer) => {
                notes.add(&rules::KEY_UNAVAILABLE, key.line, format!("status {}", answer.status), "status 200");
                None
            }
            Err(error) => {
                notes.add(&rules::KEY_UNAVAILABLE, key.line, error.to_string(), "status 200");
                None
            }
        };
        self.keys.insert(url, secret);
        secret
    }

    /// The init section, loaded and checked once.
    fn init(&mut self, index: usize, map: &Map, sequence: u64) -> Option<Rc<Init>> {
        let name = (map.url.to_string(), map.range);
        if let Some(known) = self.tracks[index].inits.get(&name) {
            return known.clone();
        }
        let answer = self.resource(index, map.line, &map.url, map.range);
        let bytes = answer.and_then(|answer| self.clear(index, map.line, map.key.as_deref(), sequence, &answer));
        // Tables of a transport stream may be an init section, too (3.1.1).
        let read = bytes.filter(|bytes| bytes.first() != Some(&0x47)).map(|bytes| Rc::new(init::read(&bytes)));
        if let Some(init) = &read {
            let uri = self.tracks[index].uri.clone();
            let mut of_playlist = self.findings.of(&uri);
            let mut notes = of_playlist.about(&name.0);
            for (rule, found, allowed) in &init.faults {
                notes.add(rule, map.line, found, allowed);
            }
        }
        self.tracks[index].inits.insert(name, read.clone());
        read
    }
}
