//! Reports as text, written as their rows come: JSON, CSV (RFC 4180) and FOCUS.

use std::borrow::Cow;

use bytes::Bytes;
use serde::Serialize;
use tokio::sync::mpsc;

use super::focus;
use super::period::{Period, UsageError};
use super::pricing::{month_start, next_month};
use super::report::{GroupBy, Head, Totals, UsageRow};
use super::reports::{Part, Question, Reports};

/// Bytes that are handed on together.
const CHUNK_BYTES: usize = 32 * 1024;

/// Chunks that wait for whoever reads them.
const CHUNKS_AHEAD: usize = 4;

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Json,
    /// A header line, CRLF, quotes where needed. Totals are left to the reader: a sum among the rows would be counted twice.
    Csv,
    /// CSV with the columns of FOCUS 1.2 (FinOps Open Cost and Usage Specification) and, as `x_…`, our own.
    Focus,
}

impl Format {
    pub const OFFERED: [&str; 3] = ["json", "csv", "focus"];

    /// From the query's text.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "json" => Self::Json,
            "csv" => Self::Csv,
            "focus" => Self::Focus,
            _ => return None,
        })
    }

    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Csv | Self::Focus => "text/csv; charset=utf-8; header=present",
        }
    }

    /// The ending of a file's name.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Csv | Self::Focus => "csv",
        }
    }
}

impl Reports {
    /// Writes a report. Chunks come as fast as they are taken; memory does not grow with the ledger. An error that comes after the
    /// first chunk means that what was written is not whole.
    pub fn write(&self, question: Question, format: Format) -> mpsc::Receiver<Result<Bytes, UsageError>> {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD);
        let reports = self.clone();
        tokio::spawn(async move {
            let mut out = Out { buffer: Vec::with_capacity(CHUNK_BYTES + 4096), sender };
            let written = match format {
                Format::Json => reports.write_json(question, &mut out).await,
                Format::Csv => reports.write_csv(question, &mut out).await,
                Format::Focus => reports.write_focus(question, &mut out).await,
            };
            match written {
                Ok(()) => out.flush().await,
                Err(error) => {
                    let _ = out.sender.send(Err(error)).await;
                }
            }
        });
        chunks
    }

    async fn write_json(&self, question: Question, out: &mut Out) -> Result<(), UsageError> {
        let mut parts = self.parts(question);
        let mut rows = 0;
        while let Some(part) = parts.recv().await {
            match part? {
                Part::Head(head) => out.json_head(&head),
                Part::Row(row) => {
                    out.buffer.extend_from_slice(if rows == 0 { b"" } else { b"," });
                    out.json(&row);
                    rows += 1;
                }
                Part::Totals(totals) => out.json_totals(&totals),
            }
            if !out.flush_if_full().await {
                break;
            }
        }
        Ok(())
    }

    async fn write_csv(&self, question: Question, out: &mut Out) -> Result<(), UsageError> {
        let group_by = question.group_by.clone();
        let mut parts = self.parts(question);
        while let Some(part) = parts.recv().await {
            match part? {
                Part::Head(_) => out.record(columns(&group_by)),
                Part::Row(row) => out.record(fields(&group_by, &row)),
                Part::Totals(_) => {}
            }
            if !out.flush_if_full().await {
                break;
            }
        }
        Ok(())
    }

    /// A charge belongs to one billing period: a report over several months has each month's rows.
    async fn write_focus(&self, question: Question, out: &mut Out) -> Result<(), UsageError> {
        let Period { from, to } = question.period;
        let (mut begin_ms, to_ms) = (from.as_millisecond(), to.as_millisecond());
        // An empty period has a header as well.
        out.record(focus::COLUMNS);
        // From one month with entries to the next: a period may be centuries long.
        while let Some(entry) = self.ledger.entries(&question.tenant, begin_ms, to_ms, None, 1).await?.first() {
            begin_ms = begin_ms.max(month_start(entry.at_ms));
            let end_ms = to_ms.min(next_month(begin_ms));
            let of_month = Question { period: Period::of(begin_ms, end_ms), ..question.clone() };
            let mut parts = self.parts(of_month.clone());
            while let Some(part) = parts.recv().await {
                match part? {
                    Part::Row(row) => out.record(focus::fields(&of_month, &self.provider, &row)),
                    Part::Head(_) | Part::Totals(_) => {}
                }
                if !out.flush_if_full().await {
                    return Ok(());
                }
            }
            begin_ms = end_ms;
        }
        Ok(())
    }
}

struct Out {
    buffer: Vec<u8>,
    sender: mpsc::Sender<Result<Bytes, UsageError>>,
}

impl Out {
    /// Whether somebody still reads.
    async fn flush_if_full(&mut self) -> bool {
        if self.buffer.len() >= CHUNK_BYTES {
            self.flush().await;
        }
        !self.sender.is_closed()
    }

    async fn flush(&mut self) {
        let chunk = Bytes::from(std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK_BYTES + 4096)));
        if !chunk.is_empty() {
            // Who does not read on wants no more.
            let _ = self.sender.send(Ok(chunk)).await;
        }
    }

    /// Plain data into memory: this cannot fail.
    fn json<T: Serialize>(&mut self, value: &T) {
        let _ = serde_json::to_writer(&mut self.buffer, value);
    }

    fn json_head(&mut self, head: &Head) {
        self.json(head);
        self.buffer.pop();
        self.buffer.extend_from_slice(b",\"rows\":[");
    }

    fn json_totals(&mut self, totals: &Totals) {
        self.buffer.extend_from_slice(b"],\"total_billable_seconds\":");
        self.json(&totals.billable_seconds);
        self.buffer.extend_from_slice(b",\"total_billed_minutes\":");
        self.json(&totals.billed_minutes);
        self.buffer.extend_from_slice(b",\"costs\":");
        self.json(&totals.costs());
        self.buffer.push(b'}');
    }

    fn record<I: IntoIterator<Item = T>, T: AsRef<str>>(&mut self, fields: I) {
        let mut csv = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(&mut self.buffer);
        // Into memory, and each record by itself: neither can fail.
        for field in fields {
            let _ = csv.write_field(cell(field.as_ref()).as_bytes());
        }
        let _ = csv.write_record(None::<&[u8]>);
    }
}

/// A cell of a table. Devices choose labels, and whoever opens the table has a spreadsheet take what begins like a formula for one, in which
/// addresses are asked and programs called: an apostrophe before it makes it text (OWASP, CSV Injection). Numbers, negative ones too,
/// and all other texts are as they are.
fn cell(text: &str) -> Cow<'_, str> {
    let is_passed_over = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '\u{feff}' | '\u{200b}');
    let begins = text.trim_start_matches(is_passed_over).starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠']);
    // A sign alone stands for nothing that could be computed.
    if begins && !is_number(text) && text.chars().count() > 1 { format!("'{text}").into() } else { text.into() }
}

/// A sign, digits and one decimal point.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, part].iter().all(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn columns(group_by: &GroupBy) -> Vec<&'static str> {
    let mut columns: Vec<&'static str> = match group_by {
        GroupBy::Session => vec!["session_id", "first_minute", "last_minute"],
        GroupBy::Day | GroupBy::Hour | GroupBy::Market => vec![group_by.key_name(), "sessions"],
        GroupBy::Minute => {
            vec![
                "session_id",
                "minute_start",
                "engine",
                "layout",
                "tier",
                "game_count",
                "games",
                "labels",
                "correction",
            ]
        }
        GroupBy::Game | GroupBy::Layout | GroupBy::Tier | GroupBy::Output | GroupBy::Label(_) => {
            vec![group_by.key_name()]
        }
    };
    columns.extend([
        "state",
        "billable_seconds",
        "slate_seconds",
        "slate_all_seconds",
        "billed_minutes",
        "cost",
        "currency",
    ]);
    columns
}

fn fields(group_by: &GroupBy, row: &UsageRow) -> Vec<String> {
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let mut fields = match (group_by, &row.minute) {
        (GroupBy::Minute, Some(minute)) => vec![
            text(&row.session_id),
            minute.minute_start.clone(),
            minute.engine.clone(),
            minute.layout.clone(),
            minute.tier.clone(),
            minute.games.len().to_string(),
            json(&minute.games),
            json(&minute.labels),
            text(&minute.correction),
        ],
        (GroupBy::Session, _) => vec![text(&row.session_id), text(&row.first_minute), text(&row.last_minute)],
        (GroupBy::Day | GroupBy::Hour | GroupBy::Market, _) => {
            vec![row.key().to_owned(), row.sessions.unwrap_or(0).to_string()]
        }
        _ => vec![row.key().to_owned()],
    };
    fields.push(if row.state == super::ReportState::Final { "final" } else { "draft" }.to_owned());
    let figures = [row.billable_seconds, row.slate_seconds, row.slate_all_seconds, row.billed_minutes];
    fields.extend(figures.map(|figure| figure.to_string()));
    fields.push(row.cost.map(|cost| cost.to_string()).unwrap_or_default());
    fields.push(text(&row.currency));
    fields
}

/// Lists and maps in one field of a table.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_never_a_formula_and_else_as_it_was() {
        for formula in
            ["=HYPERLINK(\"http://x\")", "+1+1", "-2+3", "@SUM(A1)", "\t=1", " =1", "\r\n+1+1", "＝1+1", "-1.", "--1"]
        {
            assert_eq!(cell(formula), format!("'{formula}"));
        }
        for ordinary in [
            "",
            "-",
            "-30",
            "+49123",
            "-0.04",
            "12.5",
            "a=b",
            "s1",
            "'quoted",
            "[\"=a\"]",
            "2026-11-22T16:00:00Z",
            "ü-x",
        ] {
            assert_eq!(cell(ordinary), ordinary);
        }
    }
}
