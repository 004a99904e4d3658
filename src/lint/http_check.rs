//! How the server answers.

use super::fetch::Answer;
use super::finding::Notes;
use super::rules::http as rules;
use super::segment::Format;

/// Playlists that are smaller gain nothing from gzip.
const GZIP_FROM_BYTES: usize = 4096;

/// The media type alone, in lower case.
fn media_type(answer: &Answer) -> Option<String> {
    let value = answer.header("content-type")?;
    Some(value.split(';').next().unwrap_or("").trim().to_ascii_lowercase())
}

fn is_playlist_type(kind: &str) -> bool {
    matches!(kind, "application/vnd.apple.mpegurl" | "audio/mpegurl" | "application/x-mpegurl" | "audio/x-mpegurl")
}

/// What holds for every answer with a body.
pub fn body(answer: &Answer, notes: &mut Notes) {
    let packed = answer.header("content-encoding").is_some_and(|coding| coding != "identity");
    let said = answer.header("content-length").and_then(|length| length.parse::<usize>().ok()).filter(|_| !packed);
    if answer.too_large {
        notes.add(&rules::TOO_LARGE, None, format!("more than {} bytes", answer.body.len()), "less");
    } else if answer.truncated || said.is_some_and(|said| said > answer.body.len()) {
        let found =
            format!("{} bytes of {}", answer.body.len(), said.map_or("more".to_owned(), |said| said.to_string()));
        notes.add(&rules::TRUNCATED, None, found, "all of them");
    }
}

/// `fresh_s`: for how long a copy may be kept, for a playlist that changes.
pub fn playlist(answer: &Answer, fresh_s: Option<f64>, notes: &mut Notes) {
    if !answer.is_http() {
        return;
    }
    let kind = media_type(answer).unwrap_or_default();
    let path = answer.url.path().to_ascii_lowercase();
    let by_path = path.ends_with(".m3u8") || path.ends_with(".m3u");
    let found = format!("Content-Type {kind:?}");
    if !by_path && !is_playlist_type(&kind) {
        notes.add(&rules::UNIDENTIFIABLE, None, found, "application/vnd.apple.mpegurl");
    } else if !is_playlist_type(&kind) {
        notes.add(&rules::PLAYLIST_MIME, None, found, "application/vnd.apple.mpegurl or audio/mpegurl");
    }
    // ureq unpacks gzip and takes Content-Encoding and Content-Length away: only where a length is left is it sure that nothing
    // was unpacked.
    let plain = answer.header("content-encoding").is_none() && answer.header("content-length").is_some();
    if answer.body.len() > GZIP_FROM_BYTES && plain {
        notes.add(&rules::GZIP_MISSING, None, format!("{} bytes, not compressed", answer.body.len()), "gzip");
    }
    if answer.header("access-control-allow-origin").is_none() {
        notes.add(&rules::CORS, None, "no Access-Control-Allow-Origin", "* for players on other pages");
    }
    if let (Some(fresh_s), Some(age_s)) = (fresh_s, max_age_s(answer))
        && age_s > fresh_s
    {
        notes.add(&rules::CACHED_LONG, None, format!("kept for {age_s} s"), &format!("{fresh_s} s"));
    }
}

/// For how long a shared cache keeps it (RFC 9111, 5.2.2).
fn max_age_s(answer: &Answer) -> Option<f64> {
    let control = answer.header("cache-control")?.to_ascii_lowercase();
    if control.contains("no-store") || control.contains("no-cache") {
        return None;
    }
    let value = |name: &str| control.split(',').find_map(|part| part.trim().strip_prefix(name)?.parse::<f64>().ok());
    value("s-maxage=").or(value("max-age="))
}

pub fn segment(answer: &Answer, format: Option<Format>, notes: &mut Notes) {
    if !answer.is_http() {
        return;
    }
    if let (Some(format), Some(kind)) = (format, media_type(answer)) {
        let good = match format {
            Format::Ts => kind == "video/mp2t",
            Format::Fmp4 => matches!(
                kind.as_str(),
                "video/mp4" | "audio/mp4" | "video/iso.segment" | "audio/iso.segment" | "application/mp4"
            ),
            Format::Packed => kind.starts_with("audio/"),
            Format::WebVtt => kind == "text/vtt",
        };
        if !good {
            notes.add(&rules::SEGMENT_MIME, None, format!("{kind:?} for {format:?}"), "the type of the format");
        }
    }
    if format != Some(Format::WebVtt) && answer.header("content-encoding").is_some_and(|coding| coding.contains("gzip"))
    {
        notes.add(&rules::SEGMENT_GZIP, None, "gzip", "no Content-Encoding");
    }
    if answer
        .header("cache-control")
        .is_some_and(|control| control.contains("no-store") || control.contains("no-cache"))
    {
        notes.add(&rules::UNCACHEABLE, None, "Cache-Control forbids to keep it", "a max-age");
    }
}
