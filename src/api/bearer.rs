//! Where a request has its key or token: in `Authorization` (RFC 6750, 2.1), and on a few routes in the query.

use axum::http::{HeaderValue, Uri};

/// Routes that take a key in the query as well, for clients that can only open a URL.
const WITH_KEY_IN_QUERY: [&str; 2] = ["/v1/multiview.m3u8", "/v1/out/"];

/// What stands behind `Bearer` in a header.
pub(super) fn in_header(value: &HeaderValue) -> Option<&str> {
    let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(key.trim())
}

/// The key in a query, where the route takes one there, read as the route itself reads it: names may be escaped, too.
pub(super) fn in_query(uri: &Uri) -> Option<String> {
    if !WITH_KEY_IN_QUERY.iter().any(|start| uri.path().starts_with(start)) {
        return None;
    }
    let mut pairs = url::form_urlencoded::parse(uri.query()?.as_bytes());
    pairs.find(|(name, _)| name == "key").map(|(_, key)| key.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_in_addresses_count_where_they_are_taken() {
        let of = |uri: &str| in_query(&uri.parse().unwrap());
        assert_eq!(of("/v1/multiview.m3u8?games=a&key=dev%2D1").as_deref(), Some("dev-1"));
        assert_eq!(of("/v1/out/a/red/index.m3u8?key=k").as_deref(), Some("k"));
        assert_eq!((of("/v1/games?key=k"), of("/v1/multiview.m3u8")), (None, None));
    }

    #[test]
    fn a_name_that_is_escaped_is_the_same_name() {
        let of = |query: &str| in_query(&format!("/v1/multiview.m3u8?{query}").parse().unwrap());
        for query in ["%6Bey=dev-1", "games=a&k%65y=dev%2d1", "&&key=dev-1", "keys=x&key=dev-1"] {
            assert_eq!(of(query).as_deref(), Some("dev-1"), "{query}");
        }
        assert_eq!(of("key=a+b").as_deref(), Some("a b"));
    }

    #[test]
    fn a_header_says_bearer_and_a_key() {
        let of = |value: &'static str| in_header(&HeaderValue::from_static(value)).map(str::to_owned);
        assert_eq!(of("Bearer dev-1").as_deref(), Some("dev-1"));
        assert_eq!(of("bEARER  dev-1 ").as_deref(), Some("dev-1"));
        for other in ["", "Bearer", "dev-1", "Basic dev-1", "Bearer\tdev-1"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
