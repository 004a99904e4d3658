//! Segments of fragmented MP4 (8216bis 3.1.2).

use super::super::rules::segment as rules;
use super::boxes::{Atom, be32, be64, boxes, first};
use super::init::{Init, Track, TrackKind};
use super::{Facts, Span};

/// Of tfhd and trun (ISO 14496-12, 8.8.7 and 8.8.8).
const BASE_DATA_OFFSET: u32 = 0x1;
const DEFAULT_DURATION: u32 = 0x8;
const DEFAULT_SIZE: u32 = 0x10;
const DEFAULT_FLAGS: u32 = 0x20;
const DESCRIPTION: u32 = 0x2;
const DATA_OFFSET: u32 = 0x1;
const FIRST_FLAGS: u32 = 0x4;
const SAMPLE_DURATION: u32 = 0x100;
const SAMPLE_SIZE: u32 = 0x200;
const SAMPLE_FLAGS: u32 = 0x400;
const SAMPLE_OFFSET: u32 = 0x800;
/// `sample_is_non_sync_sample`.
const NOT_SYNC: u32 = 0x1_0000;
/// Samples of one run that are added up.
const MAX_SAMPLES: u32 = 200_000;

/// Times of one track as they add up over the fragments of a segment.
struct Sum {
    track: u32,
    begin: u64,
    end: u64,
    longest: u64,
    first_flags: Option<u32>,
}

/// Reads a segment with its init section, if there is one.
pub fn read(bytes: &[u8], init: Option<&Init>) -> Facts {
    let mut facts = Facts::default();
    let (list, broken) = boxes(bytes);
    if broken {
        facts.fault(&rules::BOX_BROKEN, "a box reaches past the end of the segment", "whole boxes");
    }
    let first_of = |kind: &[u8; 4]| list.iter().position(|atom| atom.kind == *kind);
    match (first_of(b"moof"), first_of(b"mdat")) {
        (Some(moof), Some(mdat)) if moof < mdat => {}
        _ if broken => {}
        _ => {
            let names: Vec<String> = list.iter().take(8).map(Atom::name).collect();
            facts.fault(&rules::FRAGMENT_FORM, format!("boxes {}", names.join(" ")), "moof, then mdat");
        }
    }
    if first_of(b"moov").is_some() && init.is_some() {
        facts.fault(&rules::SEGMENT_MOOV, "moov in a segment", "moov in the init section alone");
    }
    let mut sums: Vec<Sum> = Vec::new();
    for moof in list.iter().filter(|atom| atom.kind == *b"moof") {
        for traf in boxes(moof.body).0.iter().filter(|atom| atom.kind == *b"traf") {
            fragment(traf.body, init, &mut sums, &mut facts);
        }
    }
    for track in init.map(|init| &init.tracks[..]).unwrap_or_default() {
        facts.codecs.push(track.codec.clone());
        let Some(sum) = sums.iter().find(|sum| sum.track == track.id) else { continue };
        let scale = f64::from(track.timescale.max(1));
        let is_video = track.kind == TrackKind::Video;
        let begin_s = sum.begin as f64 / scale;
        let span = Span {
            track: track.id,
            is_video,
            begin_s,
            end_s: sum.end as f64 / scale,
            sample_s: sum.longest as f64 / scale,
        };
        facts.spans.push(span);
        if is_video {
            facts.starts_sync = sum.first_flags.map(|flags| flags & NOT_SYNC == 0);
        }
    }
    facts
}

fn fragment(traf: &[u8], init: Option<&Init>, sums: &mut Vec<Sum>, facts: &mut Facts) {
    let Some(tfhd) = first(traf, b"tfhd") else {
        return facts.fault(&rules::FRAGMENT_FORM, "a track fragment without tfhd", "tfhd");
    };
    let flags = be32(tfhd, 0).unwrap_or(0) & 0xff_ffff;
    let id = be32(tfhd, 4).unwrap_or(0);
    if flags & BASE_DATA_OFFSET != 0 {
        facts.fault(&rules::FRAGMENT_ADDRESSING, "base-data-offset in tfhd", "default-base-is-moof");
    }
    let track = init.and_then(|init| init.tracks.iter().find(|track| track.id == id));
    if let (Some(init), None) = (init, track)
        && !init.tracks.is_empty()
    {
        let allowed = "a track of the init section";
        return facts.fault(&rules::FRAGMENT_TRACK, format!("track {id}"), allowed);
    }
    let Some(tfdt) = first(traf, b"tfdt") else {
        return facts.fault(&rules::FRAGMENT_TFDT, format!("a fragment of track {id} without tfdt"), "tfdt");
    };
    let begin = if tfdt.first() == Some(&1) { be64(tfdt, 4) } else { be32(tfdt, 4).map(u64::from) };
    let begin = begin.unwrap_or(0);
    let defaults = defaults(tfhd, flags, track);
    let mut at = sums.iter().position(|sum| sum.track == id).unwrap_or_else(|| {
        sums.push(Sum { track: id, begin, end: begin, longest: 0, first_flags: None });
        sums.len() - 1
    });
    at = at.min(sums.len().saturating_sub(1));
    let Some(sum) = sums.get_mut(at) else { return };
    // A hole between fragments shows as a span that is longer than its samples.
    sum.end = sum.end.max(begin);
    for trun in boxes(traf).0.iter().filter(|atom| atom.kind == *b"trun") {
        run(trun.body, defaults, sum);
    }
}

/// Duration and flags of samples that say nothing themselves.
fn defaults(tfhd: &[u8], flags: u32, track: Option<&Track>) -> (u32, u32) {
    let mut at = 8;
    let mut field = |flag: u32, size: usize| {
        let here = (flags & flag != 0).then_some(at);
        at += if here.is_some() { size } else { 0 };
        here.and_then(|at| be32(tfhd, at))
    };
    field(BASE_DATA_OFFSET, 8);
    field(DESCRIPTION, 4);
    let duration = field(DEFAULT_DURATION, 4);
    field(DEFAULT_SIZE, 4);
    let sample_flags = field(DEFAULT_FLAGS, 4);
    (
        duration.unwrap_or(track.map_or(0, |track| track.default_duration)),
        sample_flags.unwrap_or(track.map_or(0, |track| track.default_flags)),
    )
}

fn run(trun: &[u8], (duration, sample_flags): (u32, u32), sum: &mut Sum) {
    let flags = be32(trun, 0).unwrap_or(0) & 0xff_ffff;
    let count = be32(trun, 4).unwrap_or(0).min(MAX_SAMPLES);
    let mut at = 8;
    let mut take = |present: bool| {
        let value = present.then(|| be32(trun, at)).flatten();
        at += if present { 4 } else { 0 };
        value
    };
    take(flags & DATA_OFFSET != 0);
    let first_flags = take(flags & FIRST_FLAGS != 0);
    for index in 0..count {
        let own_duration = take(flags & SAMPLE_DURATION != 0);
        take(flags & SAMPLE_SIZE != 0);
        let own_flags = take(flags & SAMPLE_FLAGS != 0);
        take(flags & SAMPLE_OFFSET != 0);
        // A run that is shorter than its count ends where its bytes do.
        if flags & SAMPLE_DURATION != 0 && own_duration.is_none() {
            return;
        }
        if sum.first_flags.is_none() {
            let first = if index == 0 { first_flags } else { None };
            sum.first_flags = Some(first.or(own_flags).unwrap_or(sample_flags));
        }
        let lasts = u64::from(own_duration.unwrap_or(duration));
        sum.end = sum.end.saturating_add(lasts);
        sum.longest = sum.longest.max(lasts);
    }
}
