//! What is asked of a segment's bytes, in its place in the playlist.

use super::finding::Notes;
use super::media::Segment;
use super::multivariant::Variant;
use super::multivariant_check::is_video;
use super::rules::segment as rules;
use super::segment::init::{Init, TrackKind};
use super::segment::{Facts, Format, Span, fmp4, packed, ts, webvtt};

/// Past this, players see a break (or sound is lost); what is less is a hole.
const BREAK_S: f64 = 0.1;
/// Rounding of timescales.
const GAP_S: f64 = 0.002;
/// EXTINF is rounded by many to the tenth of a second.
const DURATION_SLACK_S: f64 = 0.1;
/// The 33 bits of MPEG-2 timestamps begin again.
const TS_PERIOD_S: f64 = 8_589_934_592.0 / 90_000.0;

/// What is remembered of the segment before.
#[derive(Clone, Debug)]
pub struct Before {
    pub sequence: u64,
    pub format: Format,
    pub spans: Vec<Span>,
}

/// What the playlists say that bears on a segment.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub independent: bool,
    pub iframes_only: bool,
    pub subtitles: bool,
    /// Variants that it belongs to.
    pub variants: &'a [&'a Variant],
    pub before: Option<&'a Before>,
}

/// Reads and checks a segment in the clear; tells its spans.
pub fn check(
    segment: &Segment,
    format: Format,
    bytes: &[u8],
    init: Option<&Init>,
    context: Context,
    notes: &mut Notes,
) -> Vec<Span> {
    let line = segment.line;
    let has_map = segment.map.is_some();
    // A range of an I-frame is a piece of a segment: it need not be whole in itself.
    if context.iframes_only {
        return Vec::new();
    }
    let facts = match format {
        Format::Ts => ts::read(bytes, has_map),
        Format::Fmp4 => fmp4::read(bytes, init),
        Format::Packed => packed::read(bytes),
        Format::WebVtt => webvtt::read(bytes),
    };
    for (rule, found, allowed) in &facts.faults {
        notes.add(rule, line, found, allowed);
    }
    if format == Format::Fmp4 && !has_map {
        notes.add(&rules::MAP_MISSING, line, "fragmented MP4 without #EXT-X-MAP", "#EXT-X-MAP");
    }
    if context.subtitles && format == Format::Fmp4 {
        notes.add(&rules::SUBTITLES_MP4, line, "subtitles in MP4", "WebVTT");
    }
    if let Some(before) = context.before.filter(|before| before.format != format && !segment.discontinuity) {
        let found = format!("{format:?} after {:?}", before.format);
        notes.add(&rules::FORMAT_CHANGED, line, found, "the same, or #EXT-X-DISCONTINUITY");
    }
    if context.independent && facts.starts_sync == Some(false) {
        notes.add(&rules::NOT_INDEPENDENT, line, "the first picture needs others", "an IDR picture");
    }
    times(segment, format, &facts, context.before, notes);
    codecs(line, &facts, init, context.variants, notes);
    facts.spans
}

fn times(segment: &Segment, format: Format, facts: &Facts, before: Option<&Before>, notes: &mut Notes) {
    let Some(main) = facts.main() else { return };
    let lasts_s = main.end_s - main.begin_s;
    let slack_s = DURATION_SLACK_S.max(main.sample_s);
    // What a transport stream's last packet lasts is a guess, so a packet more or less is no fault.
    let slack_s = if format == Format::Ts { slack_s + main.sample_s } else { slack_s };
    if (lasts_s - segment.duration_s).abs() > slack_s {
        let found = format!("EXTINF {} s, samples of {lasts_s:.3} s", segment.duration_s);
        notes.add(&rules::DURATION_OFF, segment.line, found, "what the samples last");
    }
    let follows = |before: &&Before| before.sequence + 1 == segment.sequence && before.format == format;
    let Some(before) = before.filter(follows).filter(|_| !segment.discontinuity) else { return };
    let (mut worst, mut named) = (0.0f64, "");
    for span in &facts.spans {
        let Some(old) = before.spans.iter().find(|old| old.track == span.track) else { continue };
        let mut off_s = span.begin_s - old.end_s;
        if matches!(format, Format::Ts | Format::Packed) && off_s < -TS_PERIOD_S / 2.0 {
            off_s += TS_PERIOD_S;
        }
        // The end before is a guess in transport streams; a packet of sound may hold many frames.
        if format == Format::Ts && off_s.abs() <= 2.0 * old.sample_s.max(span.sample_s) {
            continue;
        }
        if off_s.abs() > worst.abs() {
            (worst, named) = (off_s, if span.is_video { "pictures" } else { "sound" });
        }
    }
    let found = format!("{named} begin {worst:+.3} s from where segment {} ended", before.sequence);
    if worst.abs() > BREAK_S {
        notes.add(&rules::TIMELINE_BREAK, segment.line, found, "where it ended, or #EXT-X-DISCONTINUITY");
    } else if worst.abs() > GAP_S {
        notes.add(&rules::TIMELINE_GAP, segment.line, found, "where it ended");
    }
}

/// Formats that are written under two names are the same to a list of codecs.
fn family(codec: &str) -> &str {
    match codec.split('.').next().unwrap_or("") {
        "avc3" => "avc1",
        "hev1" => "hvc1",
        format => format,
    }
}

/// Profile and level of `avc1.PPCCLL` and `hvc1.PP.FF.TLL.CC`. What flags stand beside them differs from encoder to encoder.
fn profile_and_level(codec: &str) -> Option<(&str, &str)> {
    if let Some(bytes) = codec.strip_prefix("avc1.").or(codec.strip_prefix("avc3.")) {
        return Some((bytes.get(..2)?, bytes.get(4..6)?));
    }
    let mut fields = codec.strip_prefix("hvc1.").or(codec.strip_prefix("hev1."))?.split('.');
    Some((fields.next()?, fields.nth(1)?))
}

fn codecs(line: u32, facts: &Facts, init: Option<&Init>, variants: &[&Variant], notes: &mut Notes) {
    for variant in variants {
        let listed: Vec<String> = variant.codecs().iter().map(|codec| codec.to_ascii_lowercase()).collect();
        if listed.is_empty() {
            continue;
        }
        for codec in facts.codecs.iter().map(|codec| codec.to_ascii_lowercase()) {
            let alike: Vec<&String> = listed.iter().filter(|known| family(known) == family(&codec)).collect();
            let list = listed.join(",");
            if alike.is_empty() && !family(&codec).is_empty() {
                let found = format!("{codec} in the segment, CODECS={list:?}");
                notes.add(&rules::CODEC_UNLISTED, line, found, "every sample format");
            } else if let Some(own) = profile_and_level(&codec)
                && alike.iter().all(|known| profile_and_level(known).is_some_and(|known| known != own))
            {
                notes.add(&rules::CODEC_DIFFERS, line, format!("{codec} in the segment, CODECS={list:?}"), "the same");
            }
        }
        let Some(video) = init.and_then(|init| init.tracks.iter().find(|track| track.kind == TrackKind::Video)) else {
            continue;
        };
        let said = variant.tag.text("RESOLUTION").and_then(super::text::resolution);
        if let (Some((width, height)), Some((w, h))) = (said, video.size)
            && (width, height) != (w, h)
            && variant.codecs().iter().any(|codec| is_video(codec))
        {
            let found = format!("pictures of {w}x{h}, RESOLUTION={width}x{height}");
            notes.add(&rules::RESOLUTION_DIFFERS, line, found, "the same");
        }
        let range = variant.tag.text("VIDEO-RANGE").unwrap_or("SDR");
        // 4.4.6.2: code points of H.273.
        let own = match video.transfer {
            Some(18) => "HLG",
            Some(16) => "PQ",
            Some(1 | 6 | 13 | 14 | 15) => "SDR",
            _ => continue,
        };
        if own != range {
            notes.add(&rules::VIDEO_RANGE, line, format!("{own} pictures, VIDEO-RANGE={range}"), own);
        }
    }
}
