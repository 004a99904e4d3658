//! What a run tells: for people, and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Serialize;

use super::across::Role;
use super::finding::{Finding, shown};
use super::rule::Level;

/// The number of the JSON form; it grows when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// Everything that a run found.
#[derive(Clone, Debug)]
pub struct Report {
    pub url: String,
    pub seconds: f64,
    pub requests: u64,
    pub bytes: u64,
    pub playlists: Vec<PlaylistFacts>,
    pub findings: Vec<Finding>,
    /// Findings beyond five of a rule in a playlist, which are counted only.
    pub left_out: usize,
}

/// One media playlist that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct PlaylistFacts {
    pub uri: String,
    pub kind: Role,
    pub live: bool,
    pub segments: usize,
    pub segments_checked: usize,
    pub peak_bps: Option<u64>,
}

#[derive(Serialize)]
struct Json<'a> {
    schema: u32,
    url: &'a str,
    ok: bool,
    errors: usize,
    warnings: usize,
    notes: usize,
    left_out: usize,
    seconds: f64,
    requests: u64,
    bytes: u64,
    playlists: &'a [PlaylistFacts],
    findings: &'a [Finding],
}

impl Report {
    pub fn count(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level).count()
    }

    /// Whether nothing fails: no errors, and with `strict` no warnings.
    pub fn is_ok(&self, strict: bool) -> bool {
        self.count(Level::Error) == 0 && !(strict && self.count(Level::Warning) > 0)
    }

    /// For programs. The fields are in docs/lint.md.
    ///
    /// # Errors
    /// What serde says; there is no text that it cannot write.
    pub fn json(&self, strict: bool) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(&Json {
            schema: SCHEMA,
            url: &self.url,
            ok: self.is_ok(strict),
            errors: self.count(Level::Error),
            warnings: self.count(Level::Warning),
            notes: self.count(Level::Note),
            left_out: self.left_out,
            seconds: self.seconds,
            requests: self.requests,
            bytes: self.bytes,
            playlists: &self.playlists,
            findings: &self.findings,
        })
    }

    /// For people: by playlist, the worst first, then a line that sums up.
    pub fn text(&self) -> String {
        let mut made = String::new();
        let mut groups: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
        for finding in &self.findings {
            groups.entry(&finding.playlist).or_default().push(finding);
        }
        // The playlist that was asked for comes first, then the others as they were loaded.
        let order = std::iter::once(self.url.as_str()).chain(self.playlists.iter().map(|facts| facts.uri.as_str()));
        for playlist in order {
            let Some(mut findings) = groups.remove(playlist) else { continue };
            findings.sort_by_key(|finding| (std::cmp::Reverse(finding.level), finding.line));
            let _ = writeln!(made, "{}", shown(playlist));
            for finding in findings {
                line(&mut made, finding);
            }
            made.push('\n');
        }
        let checked: usize = self.playlists.iter().map(|facts| facts.segments_checked).sum();
        let _ = writeln!(
            made,
            "{}, {}, {}; {}, {} in {:.1} s",
            many(self.count(Level::Error), "error"),
            many(self.count(Level::Warning), "warning"),
            many(self.count(Level::Note), "note"),
            many(self.playlists.len(), "media playlist"),
            many(checked, "segment"),
            self.seconds,
        );
        if self.left_out > 0 {
            let _ = writeln!(made, "{} more of the same are left out", self.left_out);
        }
        made
    }
}

fn line(made: &mut String, finding: &Finding) {
    let line = finding.line.map_or(String::new(), |line| format!("line {line}: "));
    let Finding { rule, level, clause, found, allowed, .. } = finding;
    let _ = writeln!(made, "  {:7} {line}{found}; allowed: {}  [{}, {clause}]", level.name(), shown(allowed), rule.id);
    if finding.uri != finding.playlist {
        let _ = writeln!(made, "          in {}", shown(&finding.uri));
    }
}

fn many(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
