//! One media playlist at two times. 6.2.1 lists what a server may change; all else is a fault.

use super::daterange;
use super::finding::Notes;
use super::media::{MediaPlaylist, PlaylistType, Segment};
use super::rules::{live as rules, low_latency as low};

/// The same decimal, written differently.
const SLACK_S: f64 = 0.000_6;
/// Dates that are computed anew may be off by rounding.
const SLACK_US: u64 = 1_500;

/// Compares a playlist with what it was before.
pub fn check(before: &MediaPlaylist, now: &MediaPlaylist, notes: &mut Notes) {
    header(before, now, notes);
    if before.ended || before.kind == Some(PlaylistType::Vod) {
        final_one(before, now, notes);
        return;
    }
    if before.kind == Some(PlaylistType::Event) && now.media_sequence > before.media_sequence {
        let found = format!("the first segment was {}, is {}", before.media_sequence, now.media_sequence);
        notes.add(&rules::EVENT_REMOVED, None, found, "the first segment stays");
        return;
    }
    if now.media_sequence < before.media_sequence {
        let found = format!("it was {}, is {}", before.media_sequence, now.media_sequence);
        notes.add(&rules::SEQUENCE_BACK, None, found, "the same or more");
        return;
    }
    if now.next_sequence() < before.next_sequence() {
        let found = format!("the last segment was {}, is {}", last(before), last(now));
        notes.add(&rules::VANISHED, None, found, "the same or later");
        return;
    }
    if now.first_sequence() >= before.next_sequence() && !before.segments.is_empty() {
        let found = format!("the last segment was {}, the first one is {}", last(before), now.first_sequence());
        notes.add(&rules::SEQUENCE_JUMP, None, found, "segments in common");
        return;
    }
    if segments(before, now, notes) {
        discontinuities(before, now, notes);
        dates(before, now, notes);
        parts(before, now, notes);
    }
    ranges(before, now, notes);
}

fn last(playlist: &MediaPlaylist) -> u64 {
    playlist.next_sequence().saturating_sub(1)
}

fn header(before: &MediaPlaylist, now: &MediaPlaylist, notes: &mut Notes) {
    if let (Some(was), Some(is)) = (before.target_s, now.target_s)
        && was != is
    {
        notes.add(&rules::TARGET_CHANGED, None, format!("it was {was}, is {is}"), "the same");
    }
    if before.kind != now.kind {
        let found = format!("it was {:?}, is {:?}", before.kind, now.kind);
        notes.add(&rules::TYPE_CHANGED, None, found, "the same");
    }
    let differs = |was: Option<f64>, is: Option<f64>| match (was, is) {
        (Some(was), Some(is)) => (was - is).abs() > SLACK_S,
        (was, is) => was.is_some() != is.is_some(),
    };
    // A playlist that ends may drop what is for the live edge alone.
    if !now.ended && differs(before.part_target_s, now.part_target_s) {
        let found = format!("it was {:?}, is {:?}", before.part_target_s, now.part_target_s);
        notes.add(&rules::PART_TARGET_CHANGED, None, found, "the same");
    }
    for (name, was, is) in [
        ("HOLD-BACK", before.hold_back_s, now.hold_back_s),
        ("PART-HOLD-BACK", before.part_hold_back_s, now.part_hold_back_s),
    ] {
        if !now.ended && differs(was, is) {
            let found = format!("{name} was {was:?}, is {is:?}");
            notes.add(&rules::HOLD_BACK_CHANGED, None, found, "the same");
        }
    }
}

fn final_one(before: &MediaPlaylist, now: &MediaPlaylist, notes: &mut Notes) {
    if before.ended && !now.ended {
        notes.add(&rules::ENDLIST_GONE, None, "#EXT-X-ENDLIST was there, and is not", "it stays");
        return;
    }
    let uris = |playlist: &MediaPlaylist| playlist.segments.iter().map(|s| s.uri.clone()).collect::<Vec<_>>();
    let (was, is) = (uris(before), uris(now));
    if before.kind == Some(PlaylistType::Vod) && was != is {
        let found = format!("{} segments, then {}", was.len(), is.len());
        notes.add(&rules::VOD_CHANGED, None, found, "the same segments");
    } else if before.ended && now.next_sequence() > before.next_sequence() {
        let found = format!("{} segments after the end", now.next_sequence() - before.next_sequence());
        notes.add(&rules::ENDED_CHANGED, None, found, "none");
    }
}

/// Pairs of what has the same number in both.
fn common<'a>(before: &'a MediaPlaylist, now: &'a MediaPlaylist) -> impl Iterator<Item = (&'a Segment, &'a Segment)> {
    now.segments.iter().filter_map(|is| before.segment(is.sequence).map(|was| (was, is)))
}

/// The name alone: what stands behind it may be a token that is new in every answer.
fn name(segment: &Segment) -> (&str, Option<(u64, u64)>) {
    (segment.uri.split(['?', '#']).next().unwrap_or_default(), segment.range)
}

/// Whether numbers still mean the same segments.
fn segments(before: &MediaPlaylist, now: &MediaPlaylist, notes: &mut Notes) -> bool {
    let pairs: Vec<_> = common(before, now).collect();
    let moved = pairs.iter().find(|(was, is)| name(was) != name(is));
    if let Some((was, is)) = moved {
        // Where the segment is still listed under another number, the number is what is wrong.
        let elsewhere = now.segments.iter().find(|other| name(other) == name(was));
        match elsewhere {
            Some(other) if !name(was).0.is_empty() => {
                let found = format!("{} was number {}, is {}", was.uri, was.sequence, other.sequence);
                notes.add(&rules::SEQUENCE_WRONG, other.line, found, "the same number");
            }
            _ => {
                let found = format!("number {} was {}, is {}", was.sequence, was.uri, is.uri);
                notes.add(&rules::SEGMENT_CHANGED, is.line, found, "the same segment");
            }
        }
        return false;
    }
    for (was, is) in pairs {
        let changed = if (was.duration_s - is.duration_s).abs() > SLACK_S {
            format!("its duration was {}, is {}", was.duration_s, is.duration_s)
        } else if was.map.as_ref().map(|map| &map.url) != is.map.as_ref().map(|map| &map.url) && now.skipped.is_none() {
            "its init section is another one".to_owned()
        } else if was.gap && !is.gap {
            "it was a gap, and is none".to_owned()
        } else {
            continue;
        };
        notes.add(&rules::SEGMENT_CHANGED, is.line, format!("{}: {changed}", is.uri), "the same segment");
    }
    true
}

/// 6.2.2: the number of a segment's discontinuity does not depend on what has left the playlist. The flag of the first segment
/// is part of it: when only the tag is dropped and the sequence raised, nothing has changed.
fn discontinuities(before: &MediaPlaylist, now: &MediaPlaylist, notes: &mut Notes) {
    if let Some((was, is)) =
        common(before, now).find(|(was, is)| was.discontinuity_sequence != is.discontinuity_sequence)
    {
        let (was_n, is_n) = (was.discontinuity_sequence, is.discontinuity_sequence);
        let found = format!("segment {} was of discontinuity {was_n}, is of {is_n}", was.sequence);
        notes.add(&rules::DISCONTINUITY_SEQUENCE, is.line, found, "the same");
    }
}

fn dates(before: &MediaPlaylist, now: &MediaPlaylist, notes: &mut Notes) {
    let (was, is) = (before.dates_us(), now.dates_us());
    for (index, segment) in now.segments.iter().enumerate() {
        let Some(held) = segment.sequence.checked_sub(before.first_sequence()) else { continue };
        let old = usize::try_from(held).ok().and_then(|held| was.get(held).copied().flatten());
        let (Some(old), Some(new)) = (old, is[index]) else { continue };
        if old.abs_diff(new) > SLACK_US {
            let found = format!("the date of segment {} moved by {:.3} s", segment.sequence, (new - old) as f64 / 1e6);
            notes.add(&rules::CLOCK_CHANGED, segment.line, found, "the same date");
            return;
        }
    }
}

fn parts(before: &MediaPlaylist, now: &MediaPlaylist, notes: &mut Notes) {
    let grown = now.segment(before.next_sequence());
    // What was growing may be a whole segment by now, whose parts may be listed no more.
    let growing = match grown {
        Some(segment) if segment.parts.is_empty() => &[][..],
        Some(segment) => &segment.parts[..],
        None => &now.growing[..],
    };
    for (was, is) in before.growing.iter().zip(growing) {
        if was.uri != is.uri || (was.duration_s - is.duration_s).abs() > SLACK_S {
            let found = format!("it was {} of {} s, is {} of {} s", was.uri, was.duration_s, is.uri, is.duration_s);
            notes.add(&rules::PART_CHANGED, is.line, found, "the same part");
            return;
        }
    }
    let hint = before.tags("EXT-X-PRELOAD-HINT").find(|tag| tag.text("TYPE") == Some("PART"));
    let first = |next: u64| now.segment(next).map_or(now.growing.first(), |segment| segment.parts.first());
    // What comes next in the same segment; or, where that is whole, the first part of the next one.
    let next = growing.get(before.growing.len()).or_else(|| {
        let whole = grown.is_some() && !growing.is_empty();
        whole.then(|| first(before.next_sequence() + 1)).flatten()
    });
    if let (Some(hint), Some(part)) = (hint, next)
        && hint.text("URI") != Some(&part.uri)
    {
        let found = format!("{} was hinted at, {} came", hint.text("URI").unwrap_or_default(), part.uri);
        notes.add(&low::HINT_BROKEN, part.line, found, "the hinted URI");
    }
}

fn ranges(before: &MediaPlaylist, now: &MediaPlaylist, notes: &mut Notes) {
    if now.skipped.is_some() {
        return;
    }
    let (was, is) = (daterange::ranges(before), daterange::ranges(now));
    for (id, new) in &is {
        let Some(old) = was.get(id) else { continue };
        let changed = old.attributes.iter().find(|(name, value)| new.attributes.get(*name) != Some(value));
        if let Some((name, value)) = changed {
            let found = format!("{name} of {id:?} was {value}, is {:?}", new.attributes.get(name));
            notes.add(&rules::DATERANGE_CHANGED, new.line, found, "the same value");
        }
    }
}

/// A delta update and a full playlist of about the same time: what both have is the same (6.2.5.1).
pub fn delta(full: &MediaPlaylist, delta: &MediaPlaylist, notes: &mut Notes) {
    let line = delta.tags("EXT-X-SKIP").next().map(|tag| tag.line);
    let differs =
        common(full, delta).find(|(was, is)| name(was) != name(is) || (was.duration_s - is.duration_s).abs() > SLACK_S);
    if let Some((was, is)) = differs {
        let found = format!("segment {} is {} in full, {} here", was.sequence, was.uri, is.uri);
        notes.add(&low::DELTA_WRONG, is.line, found, "the same segment");
    } else if delta.first_sequence() > full.next_sequence() || delta.media_sequence < full.media_sequence {
        let found = format!("{} segments skipped from {}", delta.skipped.unwrap_or(0), delta.media_sequence);
        notes.add(&low::DELTA_WRONG, line, found, "an update that joins the full playlist");
    }
}
