//! Reading (W3C WebVTT, 6.1; `X-TIMESTAMP-MAP` as in RFC 8216bis, 3.1.4).

use super::css::Rules;
use super::settings::Region;
use super::{Document, Timed, VttError, markup, settings};
use crate::captions::Text;

/// Regions of a text; more are not there.
const MAX_REGIONS: usize = 64;

/// What a text says.
///
/// # Errors
/// When it does not begin as one. Whatever is wrong further on is left out.
pub fn read(text: &str) -> Result<Document, VttError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}");
    let header = text.strip_prefix("WEBVTT").ok_or(VttError::NoSignature)?;
    if !header.is_empty() && !header.starts_with([' ', '\t', '\n']) {
        return Err(VttError::NoSignature);
    }
    let mut reader = Reader::default();
    // The rest of the first line is a remark.
    let mut lines = header.split('\n').skip(1).peekable();
    while lines.peek().is_some() {
        let block: Vec<&str> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
        reader.block(&block);
    }
    Ok(reader.document)
}

#[derive(Default)]
struct Reader {
    document: Document,
    rules: Rules,
    regions: Vec<Region>,
}

impl Reader {
    fn block(&mut self, lines: &[&str]) {
        let Some(first) = lines.first() else { return };
        // Where it belongs is the header, but some packagers leave an empty line before it.
        for line in lines.iter().take_while(|line| !line.contains("-->")) {
            if let Some(map) = line.strip_prefix("X-TIMESTAMP-MAP=") {
                self.document.map = self.document.map.or_else(|| timestamp_map(map));
            }
        }
        // Some leave none after the header: a cue begins where its times are, and the line before them may be its name. Times in a cue's text
        // begin another cue (6.1).
        let starts: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].contains("-->")).collect();
        for (n, start) in starts.iter().enumerate() {
            let named = start.checked_sub(1).filter(|_| n == 0).and_then(|before| lines.get(before));
            let end = starts.get(n + 1).copied().unwrap_or(lines.len());
            self.cue(named.copied().unwrap_or_default(), lines[*start], &lines[start + 1..end]);
        }
        if !starts.is_empty() {
            return;
        }
        // Styles and regions after the first cue are not there (4.1).
        if !self.document.cues.is_empty() {
            return;
        }
        match first.trim_end() {
            "STYLE" => self.rules.add(&lines[1..].join("\n")),
            "REGION" if self.regions.len() < MAX_REGIONS => self.regions.push(Region::read(&lines[1..].join(" "))),
            _ => {}
        }
    }

    fn cue(&mut self, id: &str, timing: &str, lines: &[&str]) {
        let Some((start_ms, end_ms, placed)) = times(timing) else { return };
        let placement = settings::read(placed, &self.regions);
        let text = Text { placement, lines: markup::read(&lines.join("\n"), id, &self.rules) };
        if end_ms > start_ms && !text.is_blank() {
            self.document.cues.push(Timed { id: id.to_owned(), start_ms, end_ms, text });
        }
    }
}

/// `MPEGTS:900000,LOCAL:00:00:00.000`, in either order.
fn timestamp_map(text: &str) -> Option<(u64, u64)> {
    let (mut mpegts, mut local) = (None, None);
    for part in text.split(',') {
        match part.trim().split_once(':')? {
            ("MPEGTS", ticks) => mpegts = ticks.trim().parse().ok(),
            ("LOCAL", time) => local = time_ms(time.trim()),
            _ => {}
        }
    }
    Some((mpegts?, local?))
}

/// A line of times: beginning, end, settings.
fn times(line: &str) -> Option<(u64, u64, &str)> {
    let (start, rest) = line.split_once("-->")?;
    let rest = rest.trim_start();
    let (end, settings) = rest.split_once([' ', '\t']).unwrap_or((rest, ""));
    Some((time_ms(start.trim())?, time_ms(end)?, settings))
}

/// `[hours:]minutes:seconds.milliseconds` (W3C WebVTT, 4.1). A comma for the point is read, too: texts made from SRT have it.
fn time_ms(text: &str) -> Option<u64> {
    let (clock, millis) = text.split_once(['.', ','])?;
    let number = |text: &str| {
        let all_digits = !text.is_empty() && text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
        if all_digits { text.parse::<u64>().ok() } else { None }
    };
    let mut parts = clock.rsplit(':');
    let (seconds, minutes) = (number(parts.next()?)?, number(parts.next()?)?);
    let hours = parts.next().map_or(Some(0), number)?;
    if parts.next().is_some() || seconds > 59 || minutes > 59 || millis.len() != 3 {
        return None;
    }
    Some(((hours * 60 + minutes) * 60 + seconds) * 1000 + number(millis)?)
}
