//! How the media playlists of one presentation fit together (8216bis 6.2.4).

use serde::Serialize;

use super::finding::Findings;
use super::media::{MediaPlaylist, PlaylistType};
use super::rules::multivariant as rules;

/// What a media playlist is to its presentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    Video,
    Audio,
    Subtitles,
    #[serde(rename = "i-frames")]
    IFrames,
    /// For scrubbing.
    Images,
}

/// One of the playlists.
pub struct Member<'a> {
    pub uri: &'a str,
    pub role: Role,
    pub playlist: &'a MediaPlaylist,
    /// Date of a media timestamp of 0, in microseconds since 1970, by the segments that were looked at.
    pub zero_us: Option<f64>,
    /// When it was loaded, in seconds: what moves is compared only if loaded close together.
    pub loaded_s: f64,
}

/// Dates and media timestamps may be off by this much between renditions: a frame of sound and one of pictures.
const CLOCK_SLACK_US: f64 = 100_000.0;

/// Compares all with the first.
pub fn check(members: &[Member], findings: &mut Findings) {
    let Some((first, others)) = members.split_first() else { return };
    for other in others {
        // Images stand in no variant, and an image may show more than a segment.
        if other.role == Role::Images || first.playlist.images_only {
            continue;
        }
        headers(first, other, findings);
        clocks(first, other, findings);
        if other.role != Role::IFrames {
            aligned(first, other, findings);
            discontinuities(first, other, findings);
            lengths(first, other, findings);
        }
    }
}

fn headers(first: &Member, other: &Member, findings: &mut Findings) {
    let mut notes = findings.of(other.uri);
    let (a, b) = (first.playlist, other.playlist);
    let on_demand = b.kind == Some(PlaylistType::Vod) || b.ended;
    let excused = on_demand && matches!(other.role, Role::Subtitles | Role::IFrames);
    if let (Some(was), Some(is)) = (a.target_s, b.target_s)
        && was != is
        && !excused
    {
        let line = b.tags("EXT-X-TARGETDURATION").next().map(|tag| tag.line);
        notes.add(&rules::TARGET_DIFFERS, line, format!("{is}, and {was} in {}", first.uri), "the same");
    }
    if a.kind != b.kind {
        let line = b.tags("EXT-X-PLAYLIST-TYPE").next().map(|tag| tag.line);
        notes.add(&rules::TYPE_DIFFERS, line, format!("{:?}, and {:?} in {}", b.kind, a.kind, first.uri), "the same");
    }
}

fn clocks(first: &Member, other: &Member, findings: &mut Findings) {
    let mut notes = findings.of(other.uri);
    let dated = |playlist: &MediaPlaylist| playlist.tags("EXT-X-PROGRAM-DATE-TIME").next().is_some();
    let (a, b) = (dated(first.playlist), dated(other.playlist));
    if a != b {
        let (with, without) = if a { (first.uri, other.uri) } else { (other.uri, first.uri) };
        notes.add(&rules::CLOCK_PARTIAL, None, format!("{with} has dates, {without} has none"), "all or none");
    }
    if let (Some(a), Some(b)) = (first.zero_us, other.zero_us)
        && (a - b).abs() > CLOCK_SLACK_US
        && other.role != Role::IFrames
    {
        let found = format!("dates are {:+.3} s off those of {}", (b - a) / 1e6, first.uri);
        notes.add(&rules::CLOCK_DIFFERS, None, found, "the same date for the same timestamp");
    }
}

/// Segments of the same number in pictures of several rates: players that switch by number need them alike.
fn aligned(first: &Member, other: &Member, findings: &mut Findings) {
    if first.role != Role::Video || other.role != Role::Video {
        return;
    }
    let (a, b) = (first.playlist, other.playlist);
    let (dates_a, dates_b) = (a.dates_us(), b.dates_us());
    for (index, segment) in b.segments.iter().enumerate() {
        let Some(twin) = a.segment(segment.sequence) else { continue };
        let at = usize::try_from(twin.sequence - a.first_sequence()).unwrap_or(usize::MAX);
        let (Some(Some(date_a)), Some(date_b)) = (dates_a.get(at), dates_b[index]) else { continue };
        if date_a.abs_diff(date_b) as f64 > CLOCK_SLACK_US {
            let off_s = (date_b - date_a) as f64 / 1e6;
            let found = format!("segment {} begins {off_s:+.3} s from that of {}", segment.sequence, first.uri);
            let allowed = "the same time";
            findings.of(other.uri).add(&rules::SEQUENCE_UNALIGNED, segment.line, found, allowed);
            return;
        }
    }
}

/// When segments begin and end on a common clock: dates, or, on demand, from the beginning.
fn spans(playlist: &MediaPlaylist, by_date: bool) -> Vec<(f64, f64, u64, u32)> {
    let mut at_s = 0.0;
    let dates = playlist.dates_us();
    let spans = playlist.segments.iter().zip(dates).filter_map(|(segment, date)| {
        let begin_s = if by_date { date? as f64 / 1e6 } else { at_s };
        at_s += segment.duration_s;
        Some((begin_s, begin_s + segment.duration_s, segment.discontinuity_sequence, segment.line))
    });
    spans.collect()
}

fn discontinuities(first: &Member, other: &Member, findings: &mut Findings) {
    let dated = |playlist: &MediaPlaylist| playlist.tags("EXT-X-PROGRAM-DATE-TIME").next().is_some();
    let (a, b) = (first.playlist, other.playlist);
    let by_date = dated(a) && dated(b);
    let from_the_beginning = a.ended && b.ended && a.media_sequence == 0 && b.media_sequence == 0;
    if !by_date && !from_the_beginning {
        return;
    }
    let reference = spans(a, by_date);
    for (begin_s, end_s, number, line) in spans(b, by_date) {
        // The middle: edges of sound and pictures are a frame apart.
        let middle_s = f64::midpoint(begin_s, end_s);
        let at = reference.partition_point(|(_, end_s, ..)| *end_s <= middle_s);
        let Some((begin, _, theirs, _)) = reference.get(at) else { continue };
        if *begin <= middle_s && *theirs != number {
            let found = format!("discontinuity {number} where {} has {theirs}", first.uri);
            findings.of(other.uri).add(&rules::DISCONTINUITY_DIFFERS, line, found, "the same number");
            return;
        }
    }
}

fn lengths(first: &Member, other: &Member, findings: &mut Findings) {
    let (a, b) = (first.playlist, other.playlist);
    let mut notes = findings.of(other.uri);
    // Loaded in one go; what ended between two loads is no fault.
    let together = (first.loaded_s - other.loaded_s).abs() < a.target();
    if a.ended != b.ended && together {
        let (with, without) = if a.ended { (first.uri, other.uri) } else { (other.uri, first.uri) };
        notes.add(&rules::ENDLIST_PARTIAL, None, format!("{with} has ended, {without} has not"), "both");
    } else if a.ended && b.ended && a.media_sequence == 0 && b.media_sequence == 0 {
        let (a_s, b_s) = (a.duration_s(), b.duration_s());
        let most_s = a.target().max(b.target());
        // Subtitles end with their last cue in many real streams; the clause binds them all the same.
        if (a_s - b_s).abs() > most_s {
            let found = format!("{b_s:.3} s, and {a_s:.3} s in {}", first.uri);
            notes.add(&rules::LENGTH_DIFFERS, None, found, &format!("{most_s} s apart at most"));
        }
    }
}
