//! WebVTT segments (8216bis 3.1.4).

use super::super::rules::segment as rules;
use super::Facts;

const MAX_CUES: usize = 20_000;

pub fn read(bytes: &[u8]) -> Facts {
    let mut facts = Facts::default();
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = text.lines();
    let header = lines.next().unwrap_or("");
    if !header.strip_prefix("WEBVTT").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t'])) {
        facts.fault(&rules::VTT_HEADER, format!("{header:?}"), "WEBVTT");
    }
    let mut map = None;
    for line in lines.by_ref().take_while(|line| !line.trim().is_empty()) {
        map = map.or(line.strip_prefix("X-TIMESTAMP-MAP="));
    }
    match map {
        None => facts.fault(&rules::VTT_MAP, "no X-TIMESTAMP-MAP", "X-TIMESTAMP-MAP=LOCAL:…,MPEGTS:…"),
        Some(map) if !is_map(map) => {
            facts.fault(&rules::VTT_MAP_FORM, format!("X-TIMESTAMP-MAP={map}"), "LOCAL:<cue time>,MPEGTS:<90 kHz>");
        }
        Some(_) => {}
    }
    for line in lines.filter(|line| line.contains("-->")).take(MAX_CUES) {
        let (begin, rest) = line.split_once("-->").unwrap_or((line, ""));
        let end = rest.split_whitespace().next().and_then(time_ms);
        match (time_ms(begin.trim()), end) {
            (Some(begin), Some(end)) if begin < end => {}
            _ => facts.fault(&rules::VTT_CUE, format!("{line:?}"), "hh:mm:ss.ttt --> hh:mm:ss.ttt"),
        }
    }
    facts
}

fn is_map(text: &str) -> bool {
    let mut parts: Vec<&str> = text.trim().split(',').map(str::trim).collect();
    parts.sort_unstable();
    let [local, mpegts] = parts[..] else { return false };
    let local = local.strip_prefix("LOCAL:").is_some_and(|time| time_ms(time).is_some());
    local && mpegts.strip_prefix("MPEGTS:").is_some_and(|ticks| ticks.parse::<u64>().is_ok())
}

/// `[hh:]mm:ss.ttt`.
fn time_ms(text: &str) -> Option<u64> {
    let (clock, thousandths) = text.split_once('.')?;
    let thousandths = (thousandths.len() == 3).then(|| thousandths.parse::<u64>().ok()).flatten()?;
    let parts: Vec<u64> = clock.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let seconds = match parts[..] {
        [minutes, seconds] if minutes < 60 && seconds < 60 => minutes * 60 + seconds,
        [hours, minutes, seconds] if minutes < 60 && seconds < 60 => {
            hours.checked_mul(3600)?.checked_add(minutes * 60 + seconds)?
        }
        _ => return None,
    };
    seconds.checked_mul(1000)?.checked_add(thousandths)
}
