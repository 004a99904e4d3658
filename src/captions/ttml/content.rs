//! The body: times of its elements, and what is seen when (TTML2, 11 and 12).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use roxmltree::Node;

use super::Timed;
use super::style::{Head, Local, Properties, attribute};
use super::time::Rates;
use crate::captions::{Align, Line, Style, Text};

/// Elements within elements; no writer comes near.
const MAX_DEPTH: usize = 32;

/// Runs of text of a region at one time; more are not seen. It bounds what a document of overlapping texts can grow to.
const MAX_AT_ONCE: usize = 256;

/// Their text together, in bytes; a run that does not fit is not seen.
const MAX_BYTES_AT_ONCE: usize = 32 << 10;

/// Cues of a document, and bytes of their text: whatever changes tells again all that is seen, so that few bytes could be made many.
const MAX_CUES: usize = 4096;
const MAX_BYTES: usize = 16 << 20;

/// Bytes that a run takes beside its text.
const RUN_BYTES: usize = 64;

/// Nanoseconds, from and to.
type Interval = (u64, u64);

const OPEN: u64 = u64::MAX;

/// A run of text, or a break of a line.
#[derive(Clone, Debug)]
struct Run {
    interval: Interval,
    paragraph: usize,
    /// `None` for a break.
    text: Option<String>,
    style: Style,
    preserve: bool,
    forced: bool,
    align: Option<Align>,
}

struct Walk<'a, 'input> {
    head: Head<'a, 'input>,
    rates: Rates,
    /// By the region's name; that of text without one is empty.
    runs: BTreeMap<&'a str, Vec<Run>>,
    paragraphs: usize,
}

/// What is handed down.
#[derive(Clone)]
struct Context<'a> {
    interval: Interval,
    region: &'a str,
    properties: Properties,
    paragraph: Option<usize>,
}

pub(super) fn cues(root: Node<'_, '_>) -> Vec<Timed> {
    let parameter = |name: &str| attribute(root, "parameter", name);
    let rates = Rates::new(
        parameter("frameRate"),
        parameter("frameRateMultiplier"),
        parameter("subFrameRate"),
        parameter("tickRate"),
    );
    let mut walk = Walk { head: Head::new(root), rates, runs: BTreeMap::new(), paragraphs: 0 };
    let mut properties = Properties::default();
    walk.head.apply(root, &mut properties);
    let context = Context { interval: (0, OPEN), region: "", properties, paragraph: None };
    if let Some(body) = root.children().find(|node| node.has_tag_name_local("body")) {
        walk.element(body, &context, 0, 0);
    }
    let runs = std::mem::take(&mut walk.runs);
    let mut room = Room { cues: MAX_CUES, bytes: MAX_BYTES };
    let mut cues: Vec<Timed> = runs.iter().flat_map(|(region, runs)| walk.seen(region, runs, &mut room)).collect();
    cues.sort_by_key(|cue| (cue.start, cue.end.unwrap_or(Duration::MAX)));
    cues
}

/// What else a document's cues may take.
struct Room {
    cues: usize,
    bytes: usize,
}

impl Room {
    /// Whether there was any for a cue of `bytes`.
    fn take(&mut self, bytes: usize) -> bool {
        let left = self.cues.checked_sub(1).zip(self.bytes.checked_sub(bytes));
        if let Some((cues, bytes)) = left {
            *self = Self { cues, bytes };
        }
        left.is_some()
    }
}

impl Run {
    fn bytes(&self) -> usize {
        RUN_BYTES + self.text.as_ref().map_or(0, String::len)
    }
}

impl<'a, 'input> Walk<'a, 'input> {
    /// Takes in an element that begins at `from` at the earliest, and gives when it ends.
    fn element(&mut self, node: Node<'a, 'input>, outer: &Context<'a>, from: u64, depth: usize) -> u64 {
        let interval = self.times(node, outer.interval, from);
        if depth >= MAX_DEPTH || interval.1 <= interval.0 {
            return interval.1;
        }
        let mut context = Context { interval, ..outer.clone() };
        if let Some(region) = node.attribute("region").filter(|id| self.head.has_region(id)) {
            // A region's styles are below those of all that is in it (TTML2, 10.4), so they come first, and then the elements around.
            context.properties = self.head.region(region);
            let around: Vec<_> = node.ancestors().skip(1).take(MAX_DEPTH).filter(Node::is_element).collect();
            around.into_iter().rev().for_each(|its| self.head.apply(its, &mut context.properties));
            context.region = region;
        }
        self.head.apply(node, &mut context.properties);
        if context.properties.hidden {
            return interval.1;
        }
        match node.tag_name().name() {
            "p" => {
                context.paragraph = Some(self.paragraphs);
                self.paragraphs += 1;
            }
            "br" => {
                self.run(&context, None);
                return interval.1;
            }
            "body" | "div" | "span" => {}
            // Metadata, animation, pictures.
            _ => return interval.1,
        }
        let in_turn = node.attribute("timeContainer") == Some("seq");
        let mut next = interval.0;
        for child in node.children() {
            if let (Some(text), true) = (child.text(), child.is_text()) {
                if context.paragraph.is_some() && !in_turn {
                    self.run(&context, Some(text));
                }
            } else if child.is_element() {
                let end = self.element(child, &context, next, depth + 1);
                if in_turn {
                    next = end;
                }
            }
        }
        // What stands in a sequence, and says no end itself, ends with the last of its children.
        if in_turn && interval.1 == OPEN { next } else { interval.1 }
    }

    fn run(&mut self, context: &Context<'a>, text: Option<&str>) {
        let Some(paragraph) = context.paragraph else { return };
        let Properties { style, align, preserve, forced, .. } = context.properties;
        let run = Run {
            interval: context.interval,
            paragraph,
            text: text.map(str::to_owned),
            style,
            preserve,
            forced,
            align,
        };
        self.runs.entry(context.region).or_default().push(run);
    }

    /// What a region shows from change to change, as far as there is room.
    fn seen(&self, region: &str, runs: &[Run], room: &mut Room) -> Vec<Timed> {
        let changes: BTreeSet<u64> = runs.iter().flat_map(|run| [run.interval.0, run.interval.1]).collect();
        let mut by_start: Vec<usize> = (0..runs.len()).collect();
        by_start.sort_by_key(|at| runs[*at].interval.0);
        let mut coming = by_start.into_iter().peekable();
        // In the order of the document.
        let mut now: BTreeSet<usize> = BTreeSet::new();
        let mut out: Vec<Timed> = Vec::new();
        for (at, until) in changes.iter().zip(changes.iter().skip(1)) {
            now.retain(|run| runs[*run].interval.1 > *at);
            let mut bytes: usize = now.iter().map(|run| runs[*run].bytes()).sum();
            while let Some(run) = coming.next_if(|run| runs[*run].interval.0 <= *at) {
                let fits = now.len() < MAX_AT_ONCE && bytes + runs[run].bytes() <= MAX_BYTES_AT_ONCE;
                if fits && runs[run].interval.1 > *at {
                    bytes += runs[run].bytes();
                    now.insert(run);
                }
            }
            let Some(first) = now.first().map(|run| &runs[*run]) else { continue };
            let lines = lines_of(now.iter().map(|run| &runs[*run]));
            let placement = if region.is_empty() {
                Properties::free_placement(first.align)
            } else {
                self.head.region(region).placement(first.align)
            };
            let text = Text { placement, lines };
            if text.is_blank() {
                continue;
            }
            let (start, end) = (Duration::from_nanos(*at), (*until != OPEN).then(|| Duration::from_nanos(*until)));
            match out.last_mut() {
                // A change that changes nothing: one text followed by the same one.
                Some(last) if last.end == Some(start) && last.text == text => last.end = end,
                _ if !room.take(bytes) => break,
                _ => out.push(Timed { start, end, forced: now.iter().any(|run| runs[*run].forced), text }),
            }
        }
        out
    }

    fn times(&self, node: Node<'a, 'input>, outer: Interval, from: u64) -> Interval {
        let time = |name: &str| node.attribute(name).and_then(|text| self.rates.nanos(text));
        let start = from.saturating_add(time("begin").unwrap_or(0));
        // Of an end and a length the earlier one counts (TTML2, 12.2); an end is told from where the element might begin.
        let end = time("end").map_or(OPEN, |end| from.saturating_add(end));
        let length = time("dur").map_or(OPEN, |length| start.saturating_add(length));
        (start, end.min(length).min(outer.1))
    }
}

/// Lines of runs that are seen together: paragraphs and breaks begin new ones. White space is one space, and none at the ends of lines, but
/// where `xml:space` keeps it (TTML2, 8).
fn lines_of<'r>(runs: impl Iterator<Item = &'r Run>) -> Vec<Line> {
    let mut lines: Vec<(Line, bool)> = Vec::new();
    let mut paragraph = None;
    for run in runs {
        if paragraph != Some(run.paragraph) {
            paragraph = Some(run.paragraph);
            lines.push((Line::default(), false));
        }
        let Some(text) = &run.text else {
            lines.push((Line::default(), false));
            continue;
        };
        for (n, part) in text.split('\n').enumerate() {
            if n > 0 && run.preserve {
                lines.push((Line::default(), false));
            }
            let Some((line, preserved)) = lines.last_mut() else { continue };
            *preserved |= run.preserve;
            if n > 0 && !run.preserve {
                line.push_char(' ', run.style);
            }
            line.push(part, run.style);
        }
    }
    let trimmed = lines.into_iter().map(|(line, preserved)| if preserved { line } else { line.trimmed(true) });
    let mut lines: Vec<Line> = trimmed.collect();
    while lines.last().is_some_and(Line::is_blank) {
        lines.pop();
    }
    let blank = lines.iter().take_while(|line| line.is_blank()).count();
    lines.drain(..blank);
    lines
}
