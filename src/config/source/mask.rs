//! Addresses without what opens them: for answers, logs and reports. A secret may stand in the user's place, in a parameter,
//! in a path; so what is known to be harmless is shown, and everything else is not.

use url::Url;

/// Stands for what is not shown.
pub const MASK: &str = "…";

/// Parameters whose values tell nobody anything that opens a door, by scheme.
const HARMLESS: [(&[&str], &[&str]); 3] = [
    (
        &["srt"],
        &[
            "mode",
            "latency",
            "rcvlatency",
            "peerlatency",
            "conntimeo",
            "connect_timeout",
            "timeout",
            "peeridletimeo",
            "pbkeylen",
            "localaddress",
            "adapter",
            "localport",
            "pkt_size",
            "payload_size",
            "payloadsize",
            "transtype",
        ],
    ),
    (&["udp", "rtp"], &["interface", "multicast-iface"]),
    (&["test"], &["fps", "size", "tone", "label", "flash", "barcode", "captions"]),
];

/// What an address says to us and not to its origin stands in the query of these, among the others, and in a fragment of all.
const OWN: [&str; 5] = ["program", "audio", "loop", "variant", "jitter"];
const OWN_IN_QUERY: [&str; 4] = ["srt", "udp", "rtp", "file"];

/// A name in a path that is so long and has letters and digits is more likely a token than a name.
const TOKEN_LENGTH: usize = 24;

/// `text` with every address in it masked. Whatever comes from elsewhere (an element's error, a refused body) goes through
/// here before anybody reads it.
pub fn mask_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let start = rest[..at]
            .rfind(|c: char| !is_scheme_character(c))
            .map_or(0, |p| p + rest[p..].chars().next().map_or(1, char::len_utf8));
        let before = rest[..start].chars().next_back();
        let end = at + 3 + address_length(&rest[at + 3..], before);
        out.push_str(&rest[..start]);
        out.push_str(&masked(&rest[start..end]));
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// Like [`mask_text`], and without the secrets of `source` wherever else they stand: an element may tell a stream's name or a
/// host's answer without the address around it.
pub fn mask_text_about(source: &Url, text: &str) -> String {
    let mut out = mask_text(text);
    for secret in secrets(source) {
        out = out.replace(&secret, MASK);
    }
    out
}

fn is_scheme_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')
}

/// How long the address goes on behind its `://`: to the quote or bracket that closes what `before` opened, or to the first
/// space. A comma or full stop at its end is the sentence's.
fn address_length(rest: &str, before: Option<char>) -> usize {
    let closer = match before {
        Some(quote @ ('"' | '\'' | '`')) => Some(quote),
        Some('<') => Some('>'),
        Some('(') => Some(')'),
        _ => None,
    };
    if let Some(end) = closer.and_then(|closer| rest.find(closer)) {
        return end;
    }
    let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
    rest[..end].trim_end_matches([',', '.', ';', ')', '"', '\'']).len()
}

/// One address, masked. What needs no mask stays as it was written.
pub fn masked(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://") else { return MASK.to_owned() };
    let kind = scheme.to_ascii_lowercase();
    // SRT's stream ids begin with a `#` that is no fragment's.
    let (rest, fragment) = if kind == "srt" { (rest, None) } else { parted(rest, '#') };
    let (place, query) = parted(rest, '?');
    let (user, host, path) = placed(place);
    let mut out = format!("{scheme}://");
    if let Some(user) = user {
        // `udp://@239.1.1.1:5000` names nobody.
        out.push_str(if user.is_empty() { "" } else { MASK });
        out.push('@');
    }
    out.push_str(host);
    out.push_str(&masked_path(&kind, path));
    if let Some(query) = query {
        out.push('?');
        out.push_str(&masked_query(&kind, query));
    }
    if let Some(fragment) = fragment {
        out.push('#');
        out.push_str(&masked_fragment(fragment));
    }
    out
}

/// User, host with port, and path.
fn placed(place: &str) -> (Option<&str>, &str, &str) {
    let (authority, path) = place.find('/').map_or((place, ""), |at| place.split_at(at));
    let numbered = authority.rsplit_once(':').is_none_or(|(_, port)| port.bytes().all(|b| b.is_ascii_digit()));
    match (authority.rsplit_once('@'), place.rsplit_once('@')) {
        (Some((user, host)), _) => (Some(user), host, path),
        // A password with a slash in it: no good address, and none to show either.
        (None, Some((user, rest))) if !numbered && !authority.ends_with(']') => {
            let (host, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            (Some(user), host, path)
        }
        (None, _) => (None, authority, path),
    }
}

fn parted(text: &str, at: char) -> (&str, Option<&str>) {
    text.split_once(at).map_or((text, None), |(head, tail)| (head, Some(tail)))
}

fn masked_path(kind: &str, path: &str) -> String {
    match kind {
        "file" | "test" => path.to_owned(),
        // Whoever knows a stream's name in RTMP may play it, and often publish to it.
        "rtmp" | "rtmps" => match path.char_indices().filter(|(_, c)| *c == '/').nth(1) {
            Some((at, _)) if at + 1 < path.len() => format!("{}/{MASK}", &path[..at]),
            _ => path.to_owned(),
        },
        _ => path.split('/').map(|part| if is_token(part) { MASK } else { part }).collect::<Vec<_>>().join("/"),
    }
}

/// Whether a part of a path is likelier a token than a name: it assigns something, or is long, of letters and digits, and
/// ends in nothing like `.m3u8`.
fn is_token(part: &str) -> bool {
    let has = |is: fn(&u8) -> bool| part.bytes().any(|b| is(&b));
    let named = part.rsplit_once('.').is_some_and(|(_, end)| (1..=5).contains(&end.len()));
    let long = part.len() >= TOKEN_LENGTH && has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    part.contains('=') || (long && !named)
}

fn masked_query(kind: &str, query: &str) -> String {
    let listed = |key: &str| HARMLESS.iter().any(|(kinds, keys)| kinds.contains(&kind) && keys.contains(&key));
    let own = |key: &str| key == "loop" || (OWN_IN_QUERY.contains(&kind) && OWN.contains(&key));
    masked_pairs(query, |key| listed(key) || own(key))
}

fn masked_fragment(fragment: &str) -> String {
    masked_pairs(fragment, |key| OWN.contains(&key))
}

fn masked_pairs(pairs: &str, harmless: impl Fn(&str) -> bool) -> String {
    let pair = |pair: &str| match pair.split_once('=') {
        Some((key, value)) if value.is_empty() || harmless(key) => pair.to_owned(),
        Some((key, _)) => format!("{key}={MASK}"),
        None if pair.is_empty() => String::new(),
        None => MASK.to_owned(),
    };
    pairs.split('&').map(pair).collect::<Vec<_>>().join("&")
}

/// Whether something in `address` is a mask, where its own value should be. Names of files and labels may have an ellipsis.
pub fn is_masked(address: &str) -> bool {
    let plain = address.replace("%E2%80%A6", MASK);
    let stands = |part: &str| part == MASK || part.strip_suffix(MASK).is_some_and(|head| head.ends_with('='));
    !plain.starts_with("file:") && !plain.starts_with("test:") && plain.split(['/', '?', '&', '#', '@']).any(stands)
}

/// What is secret in `source`, as it is written and as it is meant, the longest first. Texts of three characters and fewer
/// are everywhere, and none is a secret.
fn secrets(source: &Url) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    found.extend([source.username(), source.password().unwrap_or_default()].map(str::to_owned));
    let kind = source.scheme();
    let query = source.query().unwrap_or_default().split('&').map(|item| (item, masked_query(kind, item)));
    let fragment = source.fragment().unwrap_or_default().split('&').map(|item| (item, masked_fragment(item)));
    for (item, shown) in query.chain(fragment) {
        if shown != item {
            found.push(item.split_once('=').map_or(item, |(_, value)| value).to_owned());
        }
    }
    if matches!(kind, "rtmp" | "rtmps") {
        let path: Vec<&str> = source.path().splitn(3, '/').collect();
        found.extend(path.get(2).map(|&stream| stream.to_owned()));
    } else if kind != "file" {
        let tokens = source.path().split('/').filter(|part| is_token(part));
        found.extend(
            tokens.flat_map(|part| [part, part.split_once('=').map_or("", |(_, value)| value)]).map(str::to_owned),
        );
    }
    let decoded: Vec<String> = found.iter().map(|text| super::srt::decoded(text).into_owned()).collect();
    found.extend(decoded);
    found.retain(|text| text.len() > 3);
    found.sort_by_key(|text| std::cmp::Reverse(text.len()));
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::super::{SourceError, SourceUri};
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_opens_a_source_is_masked_and_the_rest_is_as_it_was_written() {
        for (given, shown) in [
            (
                "https://bob:hunter2@Origin.example/a.m3u8?token=hunter2&x=",
                "https://…@Origin.example/a.m3u8?token=…&x=",
            ),
            ("http://o.example/a.m3u8?hunter2#hunter2", "http://o.example/a.m3u8?…#…"),
            ("http://o.example/hls/exp=1~hmac=ab/a.m3u8", "http://o.example/hls/…/a.m3u8"),
            ("http://o.example/9f86d081884c7d659a2feaa0c55ad015/a.m3u8", "http://o.example/…/a.m3u8"),
            (
                "http://o.example/2026-11-25_nyk-at-bos_1080p60.m3u8",
                "http://o.example/2026-11-25_nyk-at-bos_1080p60.m3u8",
            ),
            ("http://bob:hun/ter2@o.example/a", "http://…@o.example/a"),
            (
                "srt://h:1?streamid=#!::r=hunter2,m=request&latency=200&passphrase=hunter2&mode=caller",
                "srt://h:1?streamid=…&latency=200&passphrase=…&mode=caller",
            ),
            ("srt://:9000", "srt://:9000"),
            ("udp://@239.1.1.1:5000?interface=eth0", "udp://@239.1.1.1:5000?interface=eth0"),
            ("rtmp://o.example/live/hunter2/x?auth=hunter2", "rtmp://o.example/live/…?auth=…"),
            (
                "http://o.example/a.m3u8?audio=1&loop=1#program=2&t=1",
                "http://o.example/a.m3u8?audio=…&loop=1#program=2&t=…",
            ),
            ("udp://239.1.1.1:5000?program=2&x=1", "udp://239.1.1.1:5000?program=2&x=…"),
            ("http://o.example/by@us/a.m3u8", "http://o.example/by@us/a.m3u8"),
            ("file:///clips/2026/a%20b….mp4", "file:///clips/2026/a%20b….mp4"),
            ("test://ball?label=Hawks&tone=440", "test://ball?label=Hawks&tone=440"),
        ] {
            assert_eq!(masked(given), shown);
            assert_eq!(masked(shown), shown, "a mask is masked as itself");
            assert_eq!(is_masked(shown), shown != given, "{shown}");
            assert!(!is_masked(given), "{given}");
        }
    }

    #[test]
    fn addresses_in_a_text_are_found_wherever_they_stand() {
        for (text, shown) in [
            (
                "Not Found (404), URL: http://bob:hunter2@h/a?t=hunter2, Redirect to: (NULL)",
                "Not Found (404), URL: http://…@h/a?t=…, Redirect to: (NULL)",
            ),
            (
                "invalid type: string \"srt://h:1?passphrase=hun ter2\", expected",
                "invalid type: string \"srt://h:1?passphrase=…\", expected",
            ),
            ("(https://u:hunter2@a/b) and <rtmp://a/live/hunter2>.", "(https://…@a/b) and <rtmp://a/live/…>."),
            ("no address here: a/b?c=d", "no address here: a/b?c=d"),
            ("é://hunter2@h ://x@y", "é://…@h ://…@y"),
        ] {
            assert_eq!(mask_text(text), shown);
        }
        let source = Url::parse("rtmp://bob:hunt%65r2@h/live/stream-key?auth=sesame").unwrap();
        let told = mask_text_about(&source, "stream-key of live: no hunter2, no hunt%65r2, no sesame; bob");
        assert_eq!(told, "… of live: no …, no …, no …; bob");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]
        #[test]
        fn no_secret_of_an_address_is_in_any_text_about_it(
            secret in "[A-Za-z0-9!$*_~.-]{0,9}7Q[A-Za-z0-9]{4,20}",
            shape in 0usize..11,
            tail in prop::sample::select(vec!["", ",", ".", "\"", ") and more", " https://x/y"]),
        ) {
            let address = [
                format!("http://{secret}:pw@h.example/a.m3u8"),
                format!("https://u:{secret}@h.example:8443/a.m3u8?x=1"),
                format!("http://h.example/a.m3u8?token={secret}&b=2"),
                format!("http://h.example/a.m3u8?{secret}"),
                format!("http://h.example/a.m3u8#{secret}"),
                format!("http://h.example/t={secret}/a.m3u8"),
                format!("srt://h.example:9000?passphrase={secret}&latency=200"),
                format!("srt://h.example:9000?latency=200&streamid=#!::u={secret},m=request"),
                format!("srt://u:{secret}@h.example:9000?mode=wrong"),
                format!("rtmp://h.example/live/{secret}"),
                format!("gopher://u:{secret}@h.example/"),
            ][shape].clone();
            let mut told = vec![masked(&address), mask_text(&format!("could not open {address}{tail}"))];
            told.push(mask_text(&format!("invalid \"{address}\"{tail}")));
            match address.parse::<SourceUri>() {
                Ok(uri) => {
                    told.push(format!("{uri} {uri:?}"));
                    told.push(mask_text(&format!("{}: gone", uri.url())));
                    // Of a stream id only the whole is looked for: its parts are words such as `request`.
                    let alone = if shape == 7 { "nothing" } else { &secret };
                    told.push(mask_text_about(uri.url(), &format!("no {alone} there ({})", uri.url())));
                }
                Err(error) => {
                    prop_assert!(!matches!(error, SourceError::Length(_)));
                    told.push(format!("{error} {error:?}"));
                }
            }
            for text in told {
                prop_assert!(!text.contains(&secret), "{address}: {text}");
            }
        }
    }
}
