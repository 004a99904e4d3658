//! `quadrille lint`: checks any HLS stream against draft-pantos-hls-rfc8216bis ("8216bis") and against what devices are known
//! to need.
//!
//! Walk: [`linter`] loads playlists ([`fetch`]); [`text`] takes lines apart by [`schema`]; [`media`] and [`multivariant`] make
//! data of them; the `…_check` rooms look at one playlist, [`reload`] at two versions of it, [`across`] at all of a presentation;
//! [`segment`] reads bytes. Whatever breaks a [`rule`] becomes a [`finding`]; [`report`] tells. Everything is bounded
//! ([`Limits`]).

mod across;
mod bandwidth;
mod date;
mod daterange;
mod fetch;
mod finding;
mod http_check;
mod images;
mod linter;
mod low_latency;
mod media;
mod media_check;
mod multivariant;
mod multivariant_check;
mod options;
mod reload;
mod report;
mod rule;
mod rules;
mod schema;
mod segment;
mod segment_check;
mod segments;
mod text;
mod track;
mod watch;

#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::Path;

use url::Url;

pub use across::Role;
pub use fetch::{Answer, Clock, Fetch, FetchError, HttpFetch, Request, SystemClock};
pub use finding::Finding;
pub use linter::Linter;
pub use options::{Limits, LintOptions, SegmentChoice};
pub use report::{PlaylistFacts, Report};
pub use rule::{Level, Rule};
pub use rules::rules;

/// How a run ended; the number is the program's exit status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitStatus {
    /// No errors.
    Clean = 0,
    /// Errors; with `strict`, warnings.
    Faulty = 1,
    /// The stream could not be had, or the command line makes no sense.
    Unusable = 2,
}

impl ExitStatus {
    pub const fn code(self) -> u8 {
        self as u8
    }
}

/// Checks the stream that `options` name and writes what was found.
///
/// # Errors
/// When `out` cannot be written.
pub fn run(options: &LintOptions, out: &mut dyn Write) -> std::io::Result<ExitStatus> {
    let Some(root) = address(&options.url) else {
        return unusable(options, "neither an http or https address nor a file", out);
    };
    let mut fetch = HttpFetch::new(&root, options.headers.clone());
    run_with(options, root, &mut fetch, &SystemClock::default(), out)
}

/// The same with other ways to get things and time.
///
/// # Errors
/// When `out` cannot be written.
pub fn run_with(
    options: &LintOptions,
    root: Url,
    fetch: &mut dyn Fetch,
    clock: &dyn Clock,
    out: &mut dyn Write,
) -> std::io::Result<ExitStatus> {
    match Linter::new(root, fetch, clock, options).run() {
        Err(why) => unusable(options, &why, out),
        Ok(report) => {
            if options.json {
                writeln!(out, "{}", report.json(options.strict)?)?;
            } else {
                out.write_all(report.text().as_bytes())?;
            }
            Ok(if report.is_ok(options.strict) { ExitStatus::Clean } else { ExitStatus::Faulty })
        }
    }
}

fn unusable(options: &LintOptions, why: &str, out: &mut dyn Write) -> std::io::Result<ExitStatus> {
    let (url, why) = (finding::shown(&options.url), finding::shown(why));
    if options.json {
        let error = serde_json::json!({ "schema": report::SCHEMA, "url": url, "ok": false, "error": why });
        writeln!(out, "{error:#}")?;
    } else {
        writeln!(out, "{url} cannot be checked: {why}")?;
    }
    Ok(ExitStatus::Unusable)
}

/// The address of what is to be checked: a URL, or a path.
pub fn address(text: &str) -> Option<Url> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https" | "file") => Some(url),
        // A drive letter would be a scheme elsewhere; here it is none.
        _ => Url::from_file_path(std::fs::canonicalize(Path::new(text)).ok()?).ok(),
    }
}
