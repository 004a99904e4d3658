//! EXT-X-DATERANGE (8216bis 4.4.5.1).

use std::collections::BTreeMap;

use super::date;
use super::finding::Notes;
use super::media::MediaPlaylist;
use super::rules::media as rules;
use super::text::{self, Attribute, Tag};

/// Dates have milliseconds.
const SLACK_US: f64 = 1_500.0;
/// `table_id` of a splice_info_section (SCTE 35, 9.6).
const SPLICE_TABLE: &str = "fc";

/// All tags of one ID together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DateRange {
    pub line: u32,
    pub attributes: BTreeMap<String, String>,
}

impl DateRange {
    fn date(&self, name: &str) -> Option<i64> {
        self.attributes.get(name).and_then(|text| date::parse(text)).map(|date| date.us)
    }

    fn seconds(&self, name: &str) -> Option<f64> {
        self.attributes.get(name)?.parse::<f64>().ok().filter(|seconds| seconds.is_finite())
    }

    fn has(&self, name: &str) -> bool {
        self.attributes.contains_key(name)
    }

    fn end_us(&self) -> Option<f64> {
        let start = self.date("START-DATE")? as f64;
        let end = self.date("END-DATE").map(|us| us as f64);
        end.or(self.seconds("DURATION").map(|seconds| start + seconds * 1e6))
    }
}

/// The date ranges of a playlist by ID, as their tags add up. The first value of an attribute counts.
pub fn ranges(playlist: &MediaPlaylist) -> BTreeMap<String, DateRange> {
    let mut made: BTreeMap<String, DateRange> = BTreeMap::new();
    for tag in playlist.tags("EXT-X-DATERANGE") {
        let Some(id) = tag.text("ID") else { continue };
        let range = made.entry(id.to_owned()).or_insert_with(|| DateRange { line: tag.line, ..DateRange::default() });
        for Attribute { name, value, .. } in &tag.list {
            range.attributes.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
    made
}

pub fn check(playlist: &MediaPlaylist, notes: &mut Notes) {
    let ranges = ranges(playlist);
    let Some(first) = playlist.tags("EXT-X-DATERANGE").next() else { return };
    // In a delta update the date may have been left out.
    if playlist.tags("EXT-X-PROGRAM-DATE-TIME").next().is_none() && playlist.skipped.is_none() {
        notes.add(&rules::DATERANGE_NO_CLOCK, first.line, "no #EXT-X-PROGRAM-DATE-TIME", "one at least");
    }
    for tag in playlist.tags("EXT-X-DATERANGE") {
        one_tag(tag, notes);
        let Some(range) = tag.text("ID").and_then(|id| ranges.get(id)) else { continue };
        for Attribute { name, value, .. } in &tag.list {
            if range.attributes.get(name) != Some(value) {
                let found = format!("{name}={value} here, {} in line {}", range.attributes[name], range.line);
                notes.add(&rules::DATERANGE_CONFLICT, tag.line, found, "one value");
            }
        }
    }
    for range in ranges.values() {
        whole(range, notes);
    }
    overlaps(&ranges, notes);
}

fn one_tag(tag: &Tag, notes: &mut Notes) {
    for name in ["START-DATE", "END-DATE"] {
        let Some(text) = tag.text(name) else { continue };
        match date::parse(text) {
            None => {
                notes.add(&rules::DATERANGE_DATE, tag.line, format!("{name}={text}"), "an ISO 8601 date with a time")
            }
            Some(date) if !date.has_zone => {
                notes.add(&rules::DATERANGE_ZONE, tag.line, format!("{name}={text}"), "Z, or an offset");
            }
            Some(_) => {}
        }
    }
    for name in ["DURATION", "PLANNED-DURATION"] {
        if let Some(seconds) = tag.seconds(name).filter(|seconds| *seconds < 0.0) {
            notes.add(&rules::DATERANGE_NEGATIVE, tag.line, format!("{name}={seconds}"), "0 or more");
        }
    }
    if let Some(cue) = tag.text("CUE") {
        let cues: Vec<&str> = cue.split(',').collect();
        let both = cues.contains(&"PRE") && cues.contains(&"POST");
        if both || cues.iter().any(|cue| !matches!(*cue, "PRE" | "POST" | "ONCE")) {
            notes.add(&rules::DATERANGE_CUE, tag.line, format!("CUE={cue}"), "PRE or POST, and ONCE");
        }
    }
    for attribute in tag.list.iter().filter(|attribute| attribute.name.starts_with("SCTE35-")) {
        let Attribute { name, value, quoted } = attribute;
        let whole = text::hex(value).is_some_and(|digits| {
            digits.len() % 2 == 0 && digits.get(..2).is_some_and(|table| table.eq_ignore_ascii_case(SPLICE_TABLE))
        });
        if *quoted || !whole {
            notes.add(&rules::SCTE35, tag.line, format!("{name}={value}"), "0xFC and whole bytes, without quotes");
        }
    }
}

fn whole(range: &DateRange, notes: &mut Notes) {
    if !range.has("START-DATE") {
        notes.add(&rules::DATERANGE_START, range.line, "no START-DATE", "START-DATE in the first tag of an ID");
    }
    if let (Some(start), Some(end)) = (range.date("START-DATE"), range.date("END-DATE")) {
        if end < start {
            notes.add(&rules::DATERANGE_END, range.line, "END-DATE is before START-DATE", "START-DATE or later");
        } else if let Some(duration_s) = range.seconds("DURATION")
            && (end as f64 - start as f64 - duration_s * 1e6).abs() > SLACK_US
        {
            let found = format!("{:.3} s between the dates, DURATION={duration_s}", (end - start) as f64 / 1e6);
            notes.add(&rules::DATERANGE_SUM, range.line, found, "the same length");
        }
    }
    if range.has("END-ON-NEXT") {
        if !range.has("CLASS") {
            notes.add(&rules::DATERANGE_NEXT_CLASS, range.line, "END-ON-NEXT without CLASS", "CLASS");
        }
        if range.has("DURATION") || range.has("END-DATE") {
            let found = "END-ON-NEXT with DURATION or END-DATE";
            notes.add(&rules::DATERANGE_NEXT_END, range.line, found, "neither");
        }
    }
}

/// Where one range of a class ends on the next, no two of the class may overlap.
fn overlaps(ranges: &BTreeMap<String, DateRange>, notes: &mut Notes) {
    let mut classes: BTreeMap<&str, Vec<&DateRange>> = BTreeMap::new();
    for range in ranges.values() {
        if let Some(class) = range.attributes.get("CLASS") {
            classes.entry(class).or_default().push(range);
        }
    }
    for (class, mut members) in classes {
        if !members.iter().any(|range| range.has("END-ON-NEXT")) {
            continue;
        }
        members.sort_by_key(|range| range.date("START-DATE"));
        for pair in members.windows(2) {
            let (Some(end), Some(next)) = (pair[0].end_us(), pair[1].date("START-DATE")) else { continue };
            if end > next as f64 + SLACK_US {
                let found = format!("ranges of class {class} in lines {} and {} overlap", pair[0].line, pair[1].line);
                notes.add(&rules::DATERANGE_OVERLAP, pair[1].line, found, "one after the other");
            }
        }
    }
}
