//! What was found, where, and what is allowed there.

use std::collections::HashMap;

use serde::Serialize;

use super::rule::{Level, Rule};

/// Findings of one rule in one place that are kept; the rest is counted. A fault in every segment is one fault.
const KEPT_PER_PLACE: usize = 5;
/// Findings that are kept at all: a hostile stream has no end of them.
const KEPT: usize = 2000;
/// Characters of a foreign text that are shown.
const SHOWN_CHARS: usize = 200;

/// One breach of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    #[serde(serialize_with = "as_id")]
    pub rule: &'static Rule,
    pub level: Level,
    pub clause: &'static str,
    /// The playlist that it belongs to.
    pub playlist: String,
    /// What it is about: the playlist itself, or a segment, a key, an init section.
    pub uri: String,
    /// Line of the playlist, from 1.
    pub line: Option<u32>,
    pub found: String,
    pub allowed: String,
}

fn as_id<S: serde::Serializer>(rule: &&'static Rule, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(rule.id)
}

/// All findings of a run, bounded.
#[derive(Debug, Default)]
pub struct Findings {
    kept: Vec<Finding>,
    counts: HashMap<(&'static str, String), usize>,
    left_out: usize,
}

impl Findings {
    /// A pen for one playlist.
    pub fn of<'a>(&'a mut self, playlist: &'a str) -> Notes<'a> {
        Notes { findings: self, playlist, uri: playlist }
    }

    pub fn all(&self) -> &[Finding] {
        &self.kept
    }

    /// Findings beyond the bounds.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    fn add(&mut self, finding: Finding) {
        // A live playlist is read again and again: what was said of it once is not said again.
        if self.kept.iter().rev().take(200).any(|known| same(known, &finding)) {
            return;
        }
        let count = self.counts.entry((finding.rule.id, finding.playlist.clone())).or_default();
        *count += 1;
        if *count > KEPT_PER_PLACE || self.kept.len() >= KEPT {
            self.left_out += 1;
            return;
        }
        self.kept.push(finding);
    }
}

fn same(a: &Finding, b: &Finding) -> bool {
    a.rule == b.rule && a.playlist == b.playlist && a.uri == b.uri && a.found == b.found
}

/// Notes down findings of one playlist.
pub struct Notes<'a> {
    findings: &'a mut Findings,
    playlist: &'a str,
    uri: &'a str,
}

impl Notes<'_> {
    /// The same pen for something that the playlist names.
    pub fn about<'b>(&'b mut self, uri: &'b str) -> Notes<'b> {
        Notes { findings: self.findings, playlist: self.playlist, uri }
    }

    pub fn add(&mut self, rule: &'static Rule, line: impl Into<Option<u32>>, found: impl AsRef<str>, allowed: &str) {
        self.findings.add(Finding {
            rule,
            level: rule.level,
            clause: rule.clause,
            playlist: self.playlist.to_owned(),
            uri: self.uri.to_owned(),
            line: line.into(),
            found: shown(found.as_ref()),
            allowed: allowed.to_owned(),
        });
    }
}

/// A foreign text as it may stand on a terminal: no control characters, not without end.
pub fn shown(text: &str) -> String {
    let mut made: String = text.chars().take(SHOWN_CHARS).map(harmless).collect();
    if text.chars().nth(SHOWN_CHARS).is_some() {
        made.push('…');
    }
    made
}

fn harmless(c: char) -> char {
    // Direction marks can make a terminal show another text than the one that is there.
    let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}');
    if c.is_control() || turns { '\u{fffd}' } else { c }
}
