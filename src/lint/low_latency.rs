//! Low latency, as far as one playlist tells (8216bis 4.4.3.7, 4.4.3.8, 4.4.4.9, 4.4.5.3, 4.4.5.4; appendix B.1).

use super::finding::Notes;
use super::media::{MediaPlaylist, Part};
use super::rules::low_latency as rules;

/// Decimals are rounded by those who write them.
const SLACK_S: f64 = 0.000_6;
/// 4.4.4.9.
const SHORTEST: f64 = 0.85;
/// Durations of parts are rounded, and there may be twenty of them.
const SUM_SLACK_S: f64 = 0.02;

pub fn check(playlist: &MediaPlaylist, notes: &mut Notes) {
    control(playlist, notes);
    hints(playlist, notes);
    for tag in playlist.tags("EXT-X-RENDITION-REPORT") {
        if let Some(uri) = tag.text("URI").filter(|uri| url::Url::parse(uri).is_ok()) {
            notes.add(&rules::REPORT_ABSOLUTE, tag.line, uri, "a relative URI");
        }
    }
    if !playlist.has_parts() {
        return;
    }
    let line = playlist.tags("EXT-X-PART").next().map(|tag| tag.line);
    if playlist.iframes_only {
        notes.add(&rules::PARTS_IFRAMES, line, "#EXT-X-PART in a playlist of I-frames", "none");
    }
    if playlist.tags("EXT-X-PART-INF").next().is_none() {
        notes.add(&rules::PART_INF, line, "no #EXT-X-PART-INF", "one");
    }
    if playlist.lives() && !playlist.can_block {
        notes.add(&rules::BLOCK_MISSING, None, "no CAN-BLOCK-RELOAD=YES", "CAN-BLOCK-RELOAD=YES");
    }
    if playlist.lives() && playlist.tags("EXT-X-PROGRAM-DATE-TIME").next().is_none() {
        notes.add(&rules::CLOCK_MISSING, None, "no #EXT-X-PROGRAM-DATE-TIME", "one");
    }
    if playlist.lives() && playlist.tags("EXT-X-PRELOAD-HINT").next().is_none() {
        notes.add(&rules::HINT_MISSING, None, "no #EXT-X-PRELOAD-HINT", "one for the next part");
    }
    parts(playlist, notes);
}

fn control(playlist: &MediaPlaylist, notes: &mut Notes) {
    let tag = playlist.tags("EXT-X-SERVER-CONTROL").next();
    let line = tag.map(|tag| tag.line);
    let target_s = playlist.target();
    let mut at_least = |rule, name: &str, value: Option<f64>, least_s: f64| {
        if let Some(value) = value.filter(|value| *value + SLACK_S < least_s) {
            notes.add(rule, line, format!("{name}={value}"), &format!("{least_s:.3} or more"));
            return false;
        }
        true
    };
    at_least(&rules::HOLD_BACK_SHORT, "HOLD-BACK", playlist.hold_back_s, 3.0 * target_s);
    at_least(&rules::SKIP_UNTIL_SHORT, "CAN-SKIP-UNTIL", playlist.skip_until_s, 6.0 * target_s);
    let part_s = playlist.part_target_s.unwrap_or(0.0);
    let held = playlist.part_hold_back_s;
    if at_least(&rules::PART_HOLD_BACK_SHORT, "PART-HOLD-BACK", held, 2.0 * part_s) {
        at_least(&rules::PART_HOLD_BACK_TIGHT, "PART-HOLD-BACK", held, 3.0 * part_s);
    }
    if playlist.part_target_s.is_some() && held.is_none() {
        notes.add(&rules::PART_HOLD_BACK, line, "EXT-X-PART-INF, and no PART-HOLD-BACK", "PART-HOLD-BACK");
    }
    if tag.is_some_and(|tag| tag.is_yes("CAN-SKIP-DATERANGES")) && playlist.skip_until_s.is_none() {
        notes.add(&rules::SKIP_DATERANGES, line, "CAN-SKIP-DATERANGES without CAN-SKIP-UNTIL", "both");
    }
}

fn hints(playlist: &MediaPlaylist, notes: &mut Notes) {
    let mut seen = Vec::new();
    for tag in playlist.tags("EXT-X-PRELOAD-HINT") {
        let kind = tag.text("TYPE").unwrap_or_default();
        if playlist.ended {
            notes.add(&rules::HINT_ENDED, tag.line, "#EXT-X-PRELOAD-HINT with #EXT-X-ENDLIST", "none");
        }
        if seen.contains(&kind) {
            notes.add(&rules::HINT_TWICE, tag.line, format!("another hint of TYPE={kind}"), "one");
        }
        seen.push(kind);
    }
}

fn parts(playlist: &MediaPlaylist, notes: &mut Notes) {
    let target_s = playlist.target();
    let mut from_end_s: f64 = playlist.growing.iter().map(|part| part.duration_s).sum();
    sizes(playlist, &playlist.growing, None, notes);
    for (index, segment) in playlist.segments.iter().enumerate().rev() {
        let last = segment.parts.last();
        let next = playlist.segments.get(index + 1).map_or(playlist.growing.first(), |next| next.parts.first());
        sizes(playlist, &segment.parts, last.map(|_| next), notes);
        let sum_s: f64 = segment.parts.iter().map(|part| part.duration_s).sum();
        if last.is_some() && (sum_s - segment.duration_s).abs() > SUM_SLACK_S {
            let found = format!("parts of {sum_s:.3} s in a segment of {} s", segment.duration_s);
            notes.add(&rules::PART_SUM, segment.line, found, "the same length");
        }
        // A segment's parts may stay while its beginning is within the bound; one segment of slack for what is between.
        if let Some(part) = last.filter(|_| from_end_s > 4.0 * target_s + SLACK_S) {
            let found = format!("a part {from_end_s:.1} s from the end");
            notes.add(&rules::PARTS_OLD, part.line, found, &format!("{:.1} s", 3.0 * target_s));
        }
        from_end_s += segment.duration_s;
    }
}

/// `after` is what follows the last part, where the segment is whole; `None`: it is still growing.
fn sizes(playlist: &MediaPlaylist, parts: &[Part], after: Option<Option<&Part>>, notes: &mut Notes) {
    let Some(target_s) = playlist.part_target_s else { return };
    for (index, part) in parts.iter().enumerate() {
        let next = parts.get(index + 1).or(after.flatten());
        // The last part listed of a growing segment may turn out to be its final one.
        let is_final = index + 1 == parts.len();
        if part.duration_s > target_s + SLACK_S {
            notes.add(&rules::PART_LONG, part.line, format!("{} s", part.duration_s), &format!("{target_s} s"));
        }
        let excused = part.independent || part.gap || is_final || next.is_some_and(|next| next.gap);
        if !excused && part.duration_s + SLACK_S < SHORTEST * target_s {
            let allowed = format!("{:.3} s or more", SHORTEST * target_s);
            notes.add(&rules::PART_SHORT, part.line, format!("{} s", part.duration_s), &allowed);
        }
    }
}
