//! Entity tags (RFC 9110, 8.8.3) and the preconditions made of them (13.1).

use axum::http::{HeaderMap, HeaderValue, header};
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

fn quoted(text: &str) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{text}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

/// What `If-Match` asks of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// No header, or `*`: any revision will do.
    Any,
    Revision(u64),
    /// Tags that can never be ours: the precondition fails whatever the revision is.
    Never,
}

/// Reads `If-Match` (RFC 9110, 13.1.1). A weak tag (`W/"7"`) counts as its strong one: intermediaries weaken tags when they
/// compress, and a revision is the same revision then. Of several tags the newest decides.
pub fn if_match(headers: &HeaderMap) -> Result<IfMatch, Problem> {
    let mut newest = None;
    let mut given = false;
    for value in headers.get_all(header::IF_MATCH) {
        let text = value.to_str().map_err(|_| malformed())?.trim();
        if text == "*" {
            return Ok(IfMatch::Any);
        }
        given = true;
        for tag in text.split(',') {
            newest = newest.max(revision(opaque(tag.trim()).ok_or_else(malformed)?));
        }
    }
    Ok(match newest {
        Some(revision) => IfMatch::Revision(revision),
        None if given => IfMatch::Never,
        None => IfMatch::Any,
    })
}

/// Whether `If-None-Match` names `tag` (RFC 9110, 13.1.2; the weak comparison).
pub fn matches_none(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let Some(tag) = tag.to_str().ok().and_then(opaque) else { return false };
    let lists = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|v| v.to_str().ok());
    lists.flat_map(|l| l.split(',')).map(str::trim).any(|t| t == "*" || opaque(t) == Some(tag))
}

/// What stands between the quotes of an entity tag.
fn opaque(tag: &str) -> Option<&str> {
    let inner = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
    (!inner.contains('"')).then_some(inner)
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

    fn read(values: &[&str]) -> Option<IfMatch> {
        let mut headers = HeaderMap::new();
        for v in values {
            headers.append(header::IF_MATCH, v.parse().unwrap());
        }
        if_match(&headers).ok()
    }

    #[test]
    fn if_match_as_rfc_9110_13_1_1_has_it() {
        assert_eq!(read(&[]), Some(IfMatch::Any));
        assert_eq!(read(&["*"]), Some(IfMatch::Any));
        assert_eq!(read(&["\"7\""]), Some(IfMatch::Revision(7)));
        assert_eq!(read(&["W/\"7\""]), Some(IfMatch::Revision(7)));
        assert_eq!(read(&["\"3\", \"7\"", "\"5\""]), Some(IfMatch::Revision(7)));
        assert_eq!(read(&["\"xyz\""]), Some(IfMatch::Never));
        assert_eq!(read(&["\"+7\""]), Some(IfMatch::Never));
        for bad in ["7", "\"7", "\"7\" \"8\"", "", "w/\"7\""] {
            assert_eq!(read(&[bad]), None, "{bad}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, "\"a\", W/\"b\"".parse().unwrap());
        assert!(matches_none(&headers, &quoted("b")) && !matches_none(&headers, &quoted("c")));
    }
}
