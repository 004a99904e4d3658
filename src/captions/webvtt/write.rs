//! Writing: the text of one segment (RFC 8216bis, 3.1.4).

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use super::{SegmentForm, markup, settings};
use crate::captions::Piece;
use crate::timeline::MediaTime;

/// The text of the segment that begins at `from`: always the same bytes for the same pieces.
///
/// A segment without cues is still a text with its map: players need the clock of every segment, and a hole would stall them.
pub fn write_segment(from: MediaTime, form: &SegmentForm, pieces: &[Piece]) -> String {
    let (zero, ticks) = form.zero_of(from);
    let mut out = format!("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{ticks},LOCAL:00:00:00.000\n\n");
    let spans = pieces.iter().flat_map(|piece| &piece.text.lines).flat_map(|line| line.spans());
    let colours = spans
        .flat_map(|span| [span.style.colour.map(|its| (its, false)), span.style.background.map(|its| (its, true))]);
    // In the order of their colours, not of their coming.
    let rules: BTreeSet<String> = colours
        .flatten()
        .filter(|_| form.own_colours)
        .filter_map(|(colour, ground)| markup::rule_of(colour, ground))
        .collect();
    if !rules.is_empty() {
        out.push_str("STYLE\n");
        rules.iter().for_each(|rule| writeln(&mut out, rule));
        out.push('\n');
    }
    for piece in pieces {
        // To the nearest millisecond, for both ends of a boundary alike: pieces that meet still do.
        let ms = |at: MediaTime| ((at + Duration::from_micros(500)).since(zero).as_millis()) as u64;
        let (start, end) = (ms(piece.start), ms(piece.end));
        // What is shorter than that would be no cue (W3C WebVTT, 4.1: the end is greater than the start).
        if end <= start {
            continue;
        }
        writeln(&mut out, &piece.id);
        write_time(&mut out, start);
        out.push_str(" --> ");
        write_time(&mut out, end);
        settings::write(&mut out, &piece.text.placement);
        out.push('\n');
        for line in &piece.text.lines {
            markup::write(&mut out, line, form.own_colours);
            out.push('\n');
        }
        out.push('\n');
    }
    out
}

fn writeln(out: &mut String, line: &str) {
    out.push_str(line);
    out.push('\n');
}

fn write_time(out: &mut String, ms: u64) {
    let (seconds, ms) = (ms / 1000, ms % 1000);
    // A String takes whatever is written.
    let _ = write!(out, "{:02}:{:02}:{:02}.{ms:03}", seconds / 3600, seconds / 60 % 60, seconds % 60);
}
