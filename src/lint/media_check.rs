//! What is asked of one media playlist, seen by itself.

use super::date;
use super::finding::Notes;
use super::images;
use super::media::{MediaPlaylist, PlaylistType};
use super::rules::{low_latency as low, media as rules, text as text_rules};
use super::text::{self, Tag};

/// Dates may be off by this much: clocks of encoders are read to a frame.
const DATE_SLACK_US: f64 = 100_000.0;

/// `asked_to_skip`: the request had `_HLS_skip`.
pub fn check(playlist: &MediaPlaylist, asked_to_skip: bool, notes: &mut Notes) {
    if playlist.images_only {
        images::check(playlist, notes);
    }
    versions(playlist, notes);
    durations(playlist, notes);
    start(playlist, notes);
    keys(playlist, notes);
    dates(playlist, notes);
    if playlist.skipped.is_some() && !asked_to_skip {
        let line = playlist.tags("EXT-X-SKIP").next().map(|tag| tag.line);
        notes.add(&low::SKIP_UNASKED, line, "#EXT-X-SKIP", "all segments");
    }
}

/// The version that a playlist's tags ask for (8), and which tag does.
pub fn needed_version<'a>(tags: impl Iterator<Item = &'a Tag>) -> (u64, String) {
    let tags: Vec<&Tag> = tags.collect();
    let has = |name: &str| tags.iter().any(|tag| tag.name == name);
    let iframes_only = has("EXT-X-I-FRAMES-ONLY");
    let mut needed = (1, String::new());
    for tag in &tags {
        let set = |name: &str| tag.text(name).is_some();
        let version = match tag.name.as_str() {
            "EXT-X-KEY" | "EXT-X-SESSION-KEY" if set("KEYFORMAT") || set("KEYFORMATVERSIONS") => 5,
            "EXT-X-KEY" | "EXT-X-SESSION-KEY" if tag.text("METHOD") == Some("SAMPLE-AES") => 5,
            "EXT-X-KEY" | "EXT-X-SESSION-KEY" if set("IV") => 2,
            "EXTINF" if tag.value.split(',').next().is_some_and(|duration| duration.contains('.')) => 3,
            "EXT-X-BYTERANGE" | "EXT-X-I-FRAMES-ONLY" => 4,
            "EXT-X-MAP" if iframes_only => 5,
            "EXT-X-MAP" => 6,
            "EXT-X-MEDIA" if tag.text("INSTREAM-ID").is_some_and(|id| id.starts_with("SERVICE")) => 7,
            "EXT-X-MEDIA" if set("INSTREAM-ID") && tag.text("TYPE") != Some("CLOSED-CAPTIONS") => 13,
            "EXT-X-DEFINE" if set("QUERYPARAM") => 11,
            "EXT-X-DEFINE" => 8,
            "EXT-X-SKIP" if set("RECENTLY-REMOVED-DATERANGES") => 10,
            "EXT-X-SKIP" => 9,
            _ if tag.list.iter().any(|attribute| attribute.name.starts_with("REQ-")) => 12,
            _ => 1,
        };
        if version > needed.0 {
            needed = (version, format!("#{} of line {}", tag.name, tag.line));
        }
    }
    needed
}

/// Notes a version that is lower than what is used.
pub fn version<'a>(tags: impl Iterator<Item = &'a Tag> + Clone, notes: &mut Notes) {
    let tag = tags.clone().find(|tag| tag.name == "EXT-X-VERSION");
    let said = tag.and_then(|tag| tag.value.parse::<u64>().ok()).unwrap_or(1);
    let (needed, by) = needed_version(tags);
    if said < needed {
        let found = format!("version {said}, and {by}");
        notes.add(&text_rules::VERSION_TOO_LOW, tag.map(|tag| tag.line), found, &format!("version {needed}"));
    }
}

fn versions(playlist: &MediaPlaylist, notes: &mut Notes) {
    version(playlist.text.tags(), notes);
}

fn durations(playlist: &MediaPlaylist, notes: &mut Notes) {
    let Some(target) = playlist.target_s else {
        // A value that cannot be read has been noted.
        if playlist.tags("EXT-X-TARGETDURATION").next().is_none() {
            notes.add(&rules::TARGET_MISSING, None, "no #EXT-X-TARGETDURATION", "one");
        }
        return;
    };
    for segment in &playlist.segments {
        // I-frame playlists have the time to the next I-frame here; the same bound holds.
        if segment.duration_s.round() > target as f64 {
            let found = format!("{} s", segment.duration_s);
            notes.add(&rules::TARGET_EXCEEDED, segment.line, found, &format!("{target} s, rounded"));
        }
    }
    if playlist.kind == Some(PlaylistType::Vod) && !playlist.ended {
        notes.add(&rules::VOD_OPEN, None, "no #EXT-X-ENDLIST", "#EXT-X-ENDLIST");
    }
    // A number above 0 tells that segments have gone; a stream that has just begun may be short.
    let has_let_go = playlist.media_sequence > 0 && playlist.kind.is_none() && playlist.skipped.is_none();
    let least_s = 3.0 * target as f64;
    if playlist.lives() && has_let_go && !playlist.iframes_only && playlist.duration_s() < least_s * 0.99 {
        // 6.2.2 bounds the removal by the target duration; segments that are shorter than it are the usual cause.
        let found = format!("{:.3} s in {} segments", playlist.duration_s(), playlist.segments.len());
        notes.add(&rules::LIVE_SHORT, None, found, &format!("{least_s} s"));
    }
}

fn start(playlist: &MediaPlaylist, notes: &mut Notes) {
    let Some(tag) = playlist.tags("EXT-X-START").next() else { return };
    let Some(offset_s) = tag.seconds("TIME-OFFSET") else { return };
    let whole_s = playlist.duration_s();
    let found = format!("TIME-OFFSET={offset_s}");
    if playlist.skipped.is_some() || playlist.segments.is_empty() {
    } else if offset_s.abs() > whole_s {
        notes.add(&text_rules::START_OUTSIDE, tag.line, found, &format!("{whole_s:.3} s"));
    } else {
        let from_end_s = if offset_s < 0.0 { -offset_s } else { whole_s - offset_s };
        let least_s = 3.0 * playlist.target();
        if playlist.lives() && from_end_s < least_s {
            notes.add(&text_rules::START_NEAR_END, tag.line, found, &format!("{least_s} s from the end"));
        }
    }
}

/// EXT-X-KEY, and EXT-X-MAP under it.
fn keys(playlist: &MediaPlaylist, notes: &mut Notes) {
    for tag in playlist.tags("EXT-X-KEY") {
        key(tag, notes);
    }
    for tag in playlist.tags("EXT-X-MAP") {
        if let Some(range) = tag.text("BYTERANGE")
            && text::range(range).is_none_or(|(_, offset)| offset.is_none())
        {
            notes.add(&rules::MAP_BYTERANGE, tag.line, range, "<n>@<o>");
        }
    }
    let maps = playlist.segments.iter().filter_map(|segment| segment.map.as_ref());
    for map in maps {
        if map.key.as_ref().is_some_and(|key| key.method == "AES-128" && key.iv.is_none()) {
            notes.add(&rules::MAP_IV, map.line, "a key without IV", "IV");
        }
    }
}

/// What holds for EXT-X-KEY and EXT-X-SESSION-KEY alike (4.4.4.4).
pub fn key(tag: &Tag, notes: &mut Notes) {
    let Some(method) = tag.text("METHOD") else { return };
    if method == "NONE" {
        if tag.list.len() > 1 {
            notes.add(&rules::KEY_NONE, tag.line, &tag.value, "METHOD=NONE alone");
        }
        return;
    }
    match tag.text("URI") {
        None => notes.add(&rules::KEY_URI, tag.line, format!("METHOD={method} without URI"), "a URI"),
        Some(uri) if uri.starts_with("http:") => notes.add(&rules::KEY_INSECURE, tag.line, uri, "https"),
        Some(_) => {}
    }
    if let Some(iv) = tag.text("IV") {
        if matches!(method, "AES-256-GCM" | "SAMPLE-AES-CTR") {
            notes.add(&rules::KEY_IV, tag.line, format!("IV with {method}"), "none");
        } else if text::hex(iv).is_some_and(|digits| digits.len() > 32) {
            notes.add(&rules::KEY_IV, tag.line, iv, "128 bits");
        }
    }
    let versions = tag.text("KEYFORMATVERSIONS").unwrap_or("1");
    if !versions.split('/').all(|number| text::is_integer(number) && number != "0") {
        notes.add(&rules::KEY_FORMAT_VERSIONS, tag.line, versions, "such as 1/2");
    }
}

/// EXT-X-PROGRAM-DATE-TIME.
fn dates(playlist: &MediaPlaylist, notes: &mut Notes) {
    for tag in playlist.tags("EXT-X-PROGRAM-DATE-TIME") {
        let Some(date) = date::parse(&tag.value) else { continue };
        if !date.has_zone {
            notes.add(&rules::PDT_ZONE, tag.line, &tag.value, "Z, or an offset");
        }
        if !date.has_milliseconds {
            notes.add(&rules::PDT_MILLISECONDS, tag.line, &tag.value, "such as 12:00:00.000Z");
        }
    }
    let mut at: Option<f64> = None;
    for segment in &playlist.segments {
        if let (Some(date), Some(expected), false) = (segment.date, at, segment.discontinuity) {
            let off_us = date.us as f64 - expected;
            if off_us.abs() > DATE_SLACK_US {
                let found = format!("{:+.3} s from where the segments before end", off_us / 1e6);
                notes.add(&rules::PDT_DRIFT, segment.line, found, "0.1 s, or a discontinuity");
            }
        }
        let begins = segment.date.map(|date| date.us as f64).or(at.filter(|_| !segment.discontinuity));
        at = begins.map(|us| us + segment.duration_s * 1e6);
    }
}
