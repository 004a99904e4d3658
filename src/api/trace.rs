//! What a request is called: `X-Request-Id`, the client's or ours, and the trace that it belongs to (W3C Trace Context). Both stand in every line of the log
//! that the request causes, and the first in its answer.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::http::{HeaderMap, HeaderName, HeaderValue};

use crate::spans::Parent;

pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Characters of a request's id that is taken over.
const LONGEST: usize = 128;

/// The id of a request: its own where it has one that may stand in a log, else a new one.
pub fn request_id(headers: &HeaderMap) -> String {
    let is_plain = |text: &&str| {
        (1..=LONGEST).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~:/+=@".contains(&b))
    };
    let given = single(headers, &REQUEST_ID).filter(is_plain);
    given.map_or_else(new_id, str::to_owned)
}

/// The span that a request says it belongs to.
pub fn parent(headers: &HeaderMap) -> Option<Parent<'_>> {
    let parts: Vec<&str> = single(headers, &TRACEPARENT)?.split('-').collect();
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let is_something = |text: &str| text.bytes().any(|b| b != b'0');
    match parts.as_slice() {
        // A later version may have more behind; the first has these four alone, and none is ever called ff.
        [version, trace_id, span_id, flags, more @ ..] => {
            let is_known = is_hex(version, 2) && *version != "ff" && (*version != "00" || more.is_empty());
            let is_whole = is_hex(trace_id, 32) && is_hex(span_id, 16) && is_hex(flags, 2);
            let is_right = is_known && is_whole && is_something(trace_id) && is_something(span_id);
            // The last bit says that it is sampled.
            let is_sampled = u8::from_str_radix(flags, 16).is_ok_and(|flags| flags & 1 == 1);
            is_right.then_some(Parent { trace_id, span_id, is_sampled })
        }
        _ => None,
    }
}

/// The value of a header that stands there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value: &HeaderValue = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

/// Unique among all processes, by chance, and within this one, by counting: no request waits for random bytes.
fn new_id() -> String {
    static PROCESS: OnceLock<String> = OnceLock::new();
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let process = PROCESS.get_or_init(|| {
        let mut bytes = [0; 8];
        // Without random bytes, its number and its birth tell processes apart.
        if getrandom::fill(&mut bytes).is_err() {
            let born = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            bytes = (born.as_nanos() as u64 ^ (u64::from(std::process::id()) << 40)).to_be_bytes();
        }
        hex::encode(bytes)
    });
    format!("{process}{:08x}", COUNT.fetch_add(1, Ordering::Relaxed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &HeaderName, values: &[&str]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_str(value).unwrap())).fold(
            HeaderMap::new(),
            |mut headers, (name, value)| {
                headers.append(name, value);
                headers
            },
        )
    }

    #[test]
    fn an_id_is_taken_over_where_it_may_stand_in_a_log() {
        let id = |values: &[&str]| request_id(&with(&REQUEST_ID, values));
        assert_eq!(id(&["7f3a-9"]), "7f3a-9");
        let longest = "x".repeat(128);
        assert_eq!(id(&[&longest]), longest);
        let too_long = "x".repeat(129);
        for bad in [&[][..], &[""], &["a b"], &["a\"b"], &["a", "b"], &[too_long.as_str()]] {
            let made = id(bad);
            assert!(made.len() >= 24 && made.bytes().all(|b| b.is_ascii_hexdigit()), "{bad:?}: {made}");
        }
        assert_ne!(id(&[]), id(&[]));
    }

    #[test]
    fn traces_are_read_as_w3c_trace_context_has_them() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let trace = |value: &str| {
            let headers = with(&TRACEPARENT, &[value]);
            parent(&headers).map(|parent| (parent.trace_id.to_owned(), parent.span_id.to_owned(), parent.is_sampled))
        };
        let told = |is_sampled| Some((id.to_owned(), "00f067aa0ba902b7".to_owned(), is_sampled));
        assert_eq!(trace(&format!("00-{id}-00f067aa0ba902b7-01")), told(true));
        assert_eq!(trace(&format!("00-{id}-00f067aa0ba902b7-02")), told(false));
        assert_eq!(trace(&format!("cc-{id}-00f067aa0ba902b7-03-what-comes")), told(true));
        for bad in [
            format!("00-{id}-00f067aa0ba902b7-01-more"),
            format!("ff-{id}-00f067aa0ba902b7-01"),
            format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
            format!("00-{id}-0000000000000000-01"),
            format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()),
            format!("00-{id}-00f067aa0ba902b7"),
            "nonsense".to_owned(),
        ] {
            assert_eq!(trace(&bad), None, "{bad}");
        }
        let once = format!("00-{id}-00f067aa0ba902b7-01");
        assert_eq!(parent(&with(&TRACEPARENT, &[&once, &once])), None);
    }
}
