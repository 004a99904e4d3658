//! What must hold of queries, cursors and headers.

use arbitrary::Arbitrary;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::etag::{self, IfMatch};
use super::multiview::wish::Wish;
use super::operator::sessions::filter::Filter;
use super::playback::asked::{Following, Listed, start_ms, written};
use super::range::{self, Wanted};
use super::{bearer, instant, limits, refusals, trace};
use crate::config::check_id;
use crate::session::SessionsWanted;
use crate::store::EntryCursor;
use crate::timeline::MediaTime;
use crate::usage::{Period, read_cursor, write_cursor};

/// 2026-11-22T16:00:00Z
const NOW_MS: i64 = 1_795_363_200_000;

#[derive(Arbitrary, Debug)]
pub enum Asked<'a> {
    /// Of which route, and its query.
    Query(u8, Vec<Pair<'a>>),
    Text(u8, &'a str),
    Period(Option<Value<'a>>, Option<Value<'a>>),
    Cursor(&'a str),
    Entry {
        at_ms: i64,
        session: u64,
        minute_start_ms: i64,
        corrected: bool,
    },
    Range(&'a str, u16),
    Tags(Vec<(u64, bool)>, &'a str),
    Headers(&'a str, &'a str),
}

#[derive(Arbitrary, Debug)]
pub struct Pair<'a> {
    name: u8,
    other: Option<&'a str>,
    value: Value<'a>,
    /// Letters of both are escaped.
    is_escaped: bool,
}

#[derive(Arbitrary, Debug)]
pub enum Value<'a> {
    Text(&'a str),
    Word(u8),
    Whole(i64),
    Number(f64),
    /// An instant so many milliseconds from now.
    Instant(i64),
}

const NAMES: [&str; 26] = [
    "_HLS_msn",
    "_HLS_part",
    "_HLS_skip",
    "low_latency",
    "start",
    "sounds",
    "all_sounds",
    "images",
    "games",
    "layout",
    "audio",
    "engine",
    "max_height",
    "skin",
    "market",
    "region",
    "device_class",
    "device_id",
    "key",
    "state",
    "q",
    "game",
    "label",
    "from",
    "to",
    "limit",
];
const WORDS: [&str; 18] = [
    "true",
    "false",
    "YES",
    "v2",
    "own",
    "main",
    "as_came",
    "all",
    "a,b",
    "a,,b,",
    "4E",
    "auto",
    "stitch",
    "GB",
    "tv",
    "active",
    "plan=gold",
    "2026-11-22",
];

impl Value<'_> {
    fn written(&self) -> String {
        match self {
            Value::Text(text) => (*text).to_owned(),
            Value::Word(of) => WORDS[usize::from(*of) % WORDS.len()].to_owned(),
            Value::Whole(number) => number.to_string(),
            Value::Number(number) => number.to_string(),
            Value::Instant(from_now_ms) => written(NOW_MS.saturating_add(from_now_ms % (1 << 48))),
        }
    }
}

impl Pair<'_> {
    fn written(&self) -> String {
        let name = self.other.unwrap_or(NAMES[usize::from(self.name) % NAMES.len()]);
        let letters = |text: &str| {
            let letter = |byte: u8| {
                let is_plain = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
                if is_plain && !self.is_escaped { char::from(byte).to_string() } else { format!("%{byte:02X}") }
            };
            text.bytes().map(letter).collect::<String>()
        };
        format!("{}={}", letters(name), letters(&self.value.written()))
    }
}

pub fn asked(asked: &Asked) {
    match asked {
        Asked::Query(of, pairs) => {
            let query: Vec<String> = pairs.iter().map(Pair::written).collect();
            read(*of, &query.join("&"));
        }
        Asked::Text(of, text) => read(*of, text),
        Asked::Period(from, to) => period(from.as_ref(), to.as_ref()),
        Asked::Cursor(text) => {
            if let Some(cursor) = read_cursor(text) {
                assert_eq!(write_cursor(&cursor), *text, "a cursor has one spelling");
            }
        }
        Asked::Entry { at_ms, session, minute_start_ms, corrected } => {
            let reason = if *corrected { "late_booking" } else { "" }.to_owned();
            let session_id = format!("{session:032x}");
            let cursor = EntryCursor { at_ms: *at_ms, session_id, minute_start_ms: *minute_start_ms, reason };
            assert_eq!(read_cursor(&write_cursor(&cursor)), Some(cursor));
        }
        Asked::Range(text, length) => part(text, (*length).into()),
        Asked::Tags(tags, text) => matches(tags, text),
        Asked::Headers(id, parent) => named(id, parent),
    }
}

fn read(of: u8, query: &str) {
    match of % 4 {
        0 => {
            if let Some(read) = refusals::query::<Following>("/v1/play/x/video/720p.m3u8", query) {
                let _ = read.and_then(followed).map_err(refusals::holds);
            }
        }
        1 => {
            if let Some(read) = refusals::query::<Listed>("/v1/play/x/index.m3u8", query) {
                let _ = read.map(|listed| listed.sounds()).map_err(refusals::holds);
            }
        }
        2 => {
            let path = "/v1/multiview.m3u8";
            let Some(read) = refusals::query::<Wish>(path, query) else { return };
            let _ = read.and_then(|wish| wished(&wish, &format!("{path}?{query}"))).map_err(refusals::holds);
        }
        _ => {
            let Some(read) = refusals::query::<Filter>("/v1/operator/sessions", query) else { return };
            let looked = read.and_then(|filter| Ok((limits::page(filter.limit)?, filter.wanted()?)));
            let _ = looked.map(|(limit, wanted)| looked_for(limit, &wanted)).map_err(refusals::holds);
        }
    }
}

fn followed(following: Following) -> Result<(), super::problem::Problem> {
    let reload = following.reload()?;
    assert!(reload.part.is_none() || reload.msn.is_some());
    if let Some(ms) = reload.start_ms {
        // Playlists say it again, and are asked by it: it stays what it is, to the millisecond.
        assert_eq!(start_ms(&written(ms), None).unwrap(), ms);
    }
    Ok(())
}

fn wished(wish: &Wish, address: &str) -> Result<(), super::problem::Problem> {
    // Whose requests are counted is whoever's session is made.
    assert_eq!(bearer::in_query(&address.parse().unwrap()), wish.key);
    let games = wish.games();
    assert_eq!(games.join(","), wish.games.clone().unwrap_or_default());
    if let Some(text) = &wish.start {
        let ms = start_ms(text, Some(NOW_MS))?;
        let is_back = (NOW_MS - 86_400_000..=NOW_MS).contains(&ms);
        assert!(is_back || instant::read(text).is_some_and(|at| at.unix_millis() == ms), "{text:?}");
    }
    wish.check()?;
    assert!(wish.region.as_ref().is_none_or(|code| code.len() == 2));
    assert!(wish.device_class.as_ref().is_none_or(|class| check_id(class).is_ok()));
    assert!(wish.device_id.as_ref().is_none_or(|id| (1..=limits::DEVICE_ID_CHARS).contains(&id.chars().count())));
    Ok(())
}

fn looked_for(limit: u32, wanted: &SessionsWanted) {
    assert!((1..=limits::PAGE_MOST).contains(&limit));
    let texts = [&wanted.text, &wanted.device_id, &wanted.game];
    assert!(texts.into_iter().flatten().all(|text| (1..=400).contains(&text.chars().count())));
    assert!(wanted.label.as_ref().is_none_or(|(name, _)| !name.contains('=')));
}

/// A period is whole and goes forward, also in whole hours.
fn period(from: Option<&Value>, to: Option<&Value>) {
    let (from, to) = (from.map(Value::written), to.map(Value::written));
    let now = MediaTime::from_unix_nanos(NOW_MS as u128 * 1_000_000);
    match Period::parse(from.as_deref(), to.as_deref(), now) {
        Ok(period) => {
            let hours = period.whole_hours();
            assert!(period.from <= period.to && hours.from <= period.from && period.to <= hours.to);
            assert!(hours.to.as_second() - period.to.as_second() <= 3600, "{hours:?}");
            let again = Period::parse(Some(&period.from.to_string()), Some(&period.to.to_string()), now);
            assert_eq!(again, Ok(period));
        }
        Err(error) => assert!(error.to_string().len() < 600 && error.status() == 422),
    }
}

fn with(name: HeaderName, text: &str) -> Option<HeaderMap> {
    Some(HeaderMap::from_iter([(name, HeaderValue::from_str(text).ok()?)]))
}

fn part(text: &str, length: usize) {
    for text in [text.to_owned(), format!("bytes={text}")] {
        let Some(headers) = with(header::RANGE, &text) else { continue };
        if let Wanted::Part(part) = range::wanted(&headers, length) {
            assert!(part.start < part.end && part.end <= length, "{part:?}");
        }
    }
}

/// A list of tags is read as it was written, and no other text names a revision that is not in it.
fn matches(tags: &[(u64, bool)], text: &str) {
    if !tags.is_empty() {
        let list: Vec<String> =
            tags.iter().map(|(n, weak)| format!("{}\"{n}\"", if *weak { "W/" } else { "" })).collect();
        let headers = with(header::IF_MATCH, &list.join(", ")).unwrap();
        let strong: Vec<u64> = tags.iter().filter(|(_, weak)| !weak).map(|(n, _)| *n).collect();
        assert_eq!(etag::if_match(&headers).unwrap(), IfMatch::OneOf(strong));
        let headers = with(header::IF_NONE_MATCH, &list.join(",")).unwrap();
        assert!(tags.iter().all(|(n, _)| etag::matches_none(&headers, &etag::of_number(*n))));
    }
    let Some(headers) = with(header::IF_MATCH, text) else { return };
    match etag::if_match(&headers) {
        Ok(IfMatch::OneOf(revisions)) => {
            assert!(revisions.iter().all(|n| text.contains(&format!("\"{n}\""))), "{text:?}");
        }
        Ok(IfMatch::Any) => assert_eq!(text.trim(), "*"),
        Err(problem) => assert_eq!(refusals::holds(problem)["parameter"], "If-Match"),
    }
}

/// What goes into a log is what may stand there.
fn named(id: &str, parent: &str) {
    if let Some(headers) = with(trace::REQUEST_ID, id) {
        let id = trace::request_id(&headers);
        assert!((1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\'));
    }
    if let Some(headers) = with(trace::TRACEPARENT, parent) {
        let is_hex = |id: &str, length| id.len() == length && id.bytes().all(|b| b.is_ascii_hexdigit());
        let parent = trace::parent(&headers);
        assert!(parent.is_none_or(|parent| is_hex(parent.trace_id, 32) && is_hex(parent.span_id, 16)));
    }
    if let Ok(value) = HeaderValue::from_str(parent) {
        let key = bearer::in_header(&value);
        assert!(key.is_none_or(|key| key.trim() == key && parent.contains(key)));
    }
    let key = limits::idempotency_key(id).map_err(refusals::holds);
    assert!(key.is_err() || (1..=255).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic()));
}
