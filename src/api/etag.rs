//! Entity tags (RFC 9110, 8.8.3) and the preconditions made of them (13.1).

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use sha2::{Digest, Sha256};

use super::problem::Problem;

/// Strong tag of a numbered revision: `"7"`.
pub fn of_number(revision: u64) -> HeaderValue {
    quoted(&revision.to_string())
}

/// Strong tag of these bytes.
pub fn of_bytes(bytes: &[u8]) -> HeaderValue {
    quoted(&hex::encode(&Sha256::digest(bytes)[..12]))
}

/// Strong tag that says `text`, which has no quotes.
pub fn of_text(text: &str) -> HeaderValue {
    quoted(text)
}

/// Weak tag of a text that may be sent with other codings.
pub fn weak_of(text: &str) -> HeaderValue {
    let digest = hex::encode(&Sha256::digest(text)[..12]);
    HeaderValue::from_str(&format!("W/\"{digest}\"")).unwrap_or(HeaderValue::from_static("W/\"0\""))
}

fn quoted(text: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{text}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// What `If-Match` asks of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// No header, or `*`: any revision will do.
    Any,
    /// One of these; of none where no tag can ever be ours.
    OneOf(Vec<u64>),
}

/// Reads `If-Match` (RFC 9110, 13.1.1): it holds when any of its tags is the session's. The comparison is the strong one
/// (8.8.3.2), so that a weak tag never matches.
pub fn if_match(headers: &HeaderMap) -> Result<IfMatch, Problem> {
    let tags = tags(headers, &header::IF_MATCH).ok_or_else(malformed)?;
    Ok(match tags {
        Tags::None | Tags::Any => IfMatch::Any,
        Tags::List(tags) => {
            IfMatch::OneOf(tags.into_iter().filter(|tag| !tag.weak).filter_map(|tag| revision(tag.opaque)).collect())
        }
    })
}

/// Whether `If-None-Match` names `tag` (RFC 9110, 13.1.2; the weak comparison). One that cannot be read names nothing.
pub fn matches_none(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let Some((ours, "")) = tag.to_str().ok().and_then(one_tag) else { return false };
    match tags(headers, &header::IF_NONE_MATCH) {
        Some(Tags::Any) => true,
        Some(Tags::List(tags)) => tags.iter().any(|tag| tag.opaque == ours.opaque),
        Some(Tags::None) | None => false,
    }
}

/// An entity tag: `W/"7"` is weak, and what stands between its quotes is opaque.
#[derive(Clone, Copy)]
struct Tag<'a> {
    weak: bool,
    opaque: &'a str,
}

enum Tags<'a> {
    /// There is no such header.
    None,
    /// `*`.
    Any,
    List(Vec<Tag<'a>>),
}

/// The tags of a header's lines, which are one list (RFC 9110, 5.3); `None` when they are no list of tags. A `*` stands alone.
fn tags<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Tags<'a>> {
    let lines: Vec<&str> = headers.get_all(name).iter().map(|value| value.to_str().ok()).collect::<Option<_>>()?;
    match lines.as_slice() {
        [] => return Some(Tags::None),
        [line] if line.trim() == "*" => return Some(Tags::Any),
        _ => {}
    }
    let mut found = Vec::new();
    for line in lines {
        let mut rest = line.trim();
        while !rest.is_empty() {
            // Empty elements are to be read over (5.6.1.2).
            if let Some(after) = rest.strip_prefix(',') {
                rest = after.trim_start();
                continue;
            }
            let (tag, after) = one_tag(rest)?;
            found.push(tag);
            let after = after.trim_start();
            if !after.is_empty() && !after.starts_with(',') {
                return None;
            }
            rest = after;
        }
    }
    (!found.is_empty()).then_some(Tags::List(found))
}

/// The tag that `text` begins with, and the rest. A comma may be inside of it (8.8.3).
fn one_tag(text: &str) -> Option<(Tag<'_>, &str)> {
    let (weak, quoted) = text.strip_prefix("W/").map_or((false, text), |quoted| (true, quoted));
    let (opaque, rest) = quoted.strip_prefix('"')?.split_once('"')?;
    Some((Tag { weak, opaque }, rest))
}

/// A revision as we print it: no sign, no leading zeros.
fn revision(text: &str) -> Option<u64> {
    text.parse().ok().filter(|n: &u64| n.to_string() == text)
}

fn malformed() -> Problem {
    Problem::parameter("If-Match", "If-Match must be entity tags as ETag gave them (\"7\"), or *.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &HeaderName, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for v in values {
            headers.append(name, v.parse().unwrap());
        }
        headers
    }

    #[test]
    fn if_match_as_rfc_9110_13_1_1_has_it() {
        let read = |values: &[&str]| if_match(&with(&header::IF_MATCH, values)).ok();
        let one_of = |revisions: &[u64]| Some(IfMatch::OneOf(revisions.to_vec()));
        assert_eq!(read(&[]), Some(IfMatch::Any));
        assert_eq!(read(&[" * "]), Some(IfMatch::Any));
        assert_eq!(read(&["\"7\""]), one_of(&[7]));
        assert_eq!(read(&["\"3\", \"7\"", "\"5\""]), one_of(&[3, 7, 5]));
        assert_eq!(read(&[",\"3\",, W/\"4\",\"a,b\" ,\"7\","]), one_of(&[3, 7]), "weak tags never match");
        assert_eq!(read(&["W/\"7\""]), one_of(&[]));
        for never in ["\"xyz\"", "\"7 8\"", "\"+7\"", "\"07\"", "\"\""] {
            assert_eq!(read(&[never]), one_of(&[]), "{never}");
        }
        for bad in ["7", "\"7", "\"7\" \"8\"", "", ",", "w/\"7\"", "*, \"7\"", "\"7\", *"] {
            assert_eq!(read(&[bad]), None, "{bad}");
        }
        assert_eq!(read(&["*", "\"7\""]), None);
    }

    #[test]
    fn if_none_match_compares_weakly_and_reads_lists() {
        let named = |values: &[&str], tag: &str| matches_none(&with(&header::IF_NONE_MATCH, values), &quoted(tag));
        assert!(named(&["\"a\", W/\"b\""], "b") && !named(&["\"a\", W/\"b\""], "c"));
        assert!(named(&["\"a\"", "\"b\""], "b") && named(&["*"], "b") && !named(&[], "b"));
        assert!(named(&["\"x,y\",\"b\""], "b") && !named(&["\"x,\"b\""], "b"));
    }
}
