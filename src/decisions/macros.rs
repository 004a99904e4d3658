//! What stands in brackets in an address (VAST 4.3, 6): filled in where it is known, and said to be unknown where it is not (pure).

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

/// RFC 3986, 2.3.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What VAST says for a value that nobody knows.
const UNKNOWN: &str = "-1";

/// Longest name of a macro.
const MAX_NAME: usize = 40;

/// Macros of VAST that have no value here: there is no device, and no page. What else stands in brackets is the address's own.
const NOT_KNOWN: [&str; 37] = [
    "ADCATEGORIES",
    "ADPLAYHEAD",
    "ADSERVINGID",
    "ADTYPE",
    "APIFRAMEWORKS",
    "APPBUNDLE",
    "BLOCKEDADCATEGORIES",
    "BREAKMAXADLENGTH",
    "BREAKMAXADS",
    "BREAKMINADLENGTH",
    "BREAKMINDURATION",
    "CLICKPOS",
    "CLICKTYPE",
    "CLIENTUA",
    "CONTENTCAT",
    "CONTENTID",
    "CONTENTURI",
    "DEVICEIP",
    "DEVICEUA",
    "DOMAIN",
    "EXTENSIONS",
    "GDPRCONSENT",
    "IFA",
    "IFATYPE",
    "INVENTORYSTATE",
    "LATLONG",
    "MEDIAMIME",
    "OMIDPARTNER",
    "PAGEURL",
    "PLACEMENTTYPE",
    "PLAYERCAPABILITIES",
    "PLAYERSIZE",
    "PLAYERSTATE",
    "PODSEQUENCE",
    "REGULATIONS",
    "UNIVERSALADID",
    "VERIFICATIONVENDORS",
];

/// What macros stand for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    /// Unix time.
    pub now_ms: i64,
    /// So that no cache answers: any number, another each time.
    pub chance: u32,
    /// The same for all that belongs to one decision.
    pub transaction: String,
    pub break_ms: Option<u64>,
    pub asset: Option<String>,
    /// Where in the creative it is, milliseconds.
    pub playhead_ms: Option<u64>,
    /// VAST's code of what went wrong.
    pub error: Option<u16>,
}

impl Values {
    /// The same with another number for chance, which is that of `id`: what is told of two things is told under two addresses.
    pub fn of_chance(&self, id: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (id, self.chance, self.now_ms).hash(&mut hasher);
        Self { chance: (hasher.finish() >> 32) as u32, ..self.clone() }
    }

    /// `url` with its macros replaced. Each is replaced once: what a value looks like changes nothing.
    pub fn fill(&self, url: &str) -> String {
        let mut filled = String::with_capacity(url.len());
        let mut rest = url;
        while let Some((before, name, after)) = next_macro(rest) {
            filled.push_str(before);
            match self.value(name) {
                Some(value) => filled.extend(utf8_percent_encode(&value, ESCAPED)),
                None => filled.push_str(&rest[before.len()..rest.len() - after.len()]),
            }
            rest = after;
        }
        filled.push_str(rest);
        filled
    }

    /// `None` for what is no macro of VAST.
    fn value(&self, name: &str) -> Option<String> {
        let or_unknown = |value: Option<String>| value.unwrap_or_else(|| UNKNOWN.to_owned());
        Some(match name {
            "CACHEBUSTING" => format!("{:08}", self.chance % 100_000_000),
            "TIMESTAMP" => format!("{:.3}", jiff::Timestamp::from_millisecond(self.now_ms).unwrap_or_default()),
            "TRANSACTIONID" => self.transaction.clone(),
            "BREAKMAXDURATION" => or_unknown(self.break_ms.map(|ms| (ms / 1000).to_string())),
            // In the middle of what it belongs to.
            "BREAKPOSITION" => "2".to_owned(),
            "ASSETURI" => or_unknown(self.asset.clone()),
            "MEDIAPLAYHEAD" | "CONTENTPLAYHEAD" | "ADPLAYHEAD" => or_unknown(self.playhead_ms.map(clock)),
            "ERRORCODE" => self.error.unwrap_or(900).to_string(),
            // A server asks and tells on behalf of the client.
            "SERVERSIDE" => "1".to_owned(),
            "VASTVERSIONS" => "2,3,5,6,7,8,11,12,13,14".to_owned(),
            "LIMITADTRACKING" => "1".to_owned(),
            "SERVERUA" => concat!("quadrille/", env!("CARGO_PKG_VERSION")).to_owned(),
            _ if NOT_KNOWN.contains(&name) => UNKNOWN.to_owned(),
            _ => return None,
        })
    }
}

fn clock(ms: u64) -> String {
    let s = ms / 1000;
    format!("{:02}:{:02}:{:02}.{:03}", s / 3600, s / 60 % 60, s % 60, ms % 1000)
}

/// What stands before the next name in brackets, the name, and what comes after. Brackets may be escaped.
fn next_macro(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let (at, opening) = [rest.find('[').map(|at| (at, 1)), rest.find("%5B").map(|at| (at, 3))]
            .into_iter()
            .flatten()
            .chain(rest.find("%5b").map(|at| (at, 3)))
            .min()?;
        let inner = &rest[at + opening..];
        let length =
            inner.bytes().take(MAX_NAME + 1).take_while(|b| b.is_ascii_uppercase() || b.is_ascii_digit()).count();
        let closing =
            [("]", 1), ("%5D", 3), ("%5d", 3)].into_iter().find(|(closing, _)| inner[length..].starts_with(closing));
        if let Some((_, closing)) = closing.filter(|_| (1..=MAX_NAME).contains(&length)) {
            return Some((&text[..from + at], &inner[..length], &inner[length + closing..]));
        }
        from += at + opening;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn macros_are_filled_once_and_escaped_and_what_is_none_stays() {
        let values = Values {
            now_ms: 1_795_363_200_000,
            chance: 4_000_000_042,
            transaction: "t/1".into(),
            break_ms: Some(30_500),
            asset: Some("http://c/[ERRORCODE]?a=1&b".into()),
            playhead_ms: Some(3_723_004),
            error: Some(303),
        };
        for (url, filled) in [
            ("http://t/?c=[CACHEBUSTING]", "http://t/?c=00000042"),
            ("http://t/?t=[TIMESTAMP]&x", "http://t/?t=2026-11-22T16%3A00%3A00.000Z&x"),
            ("http://t/?e=%5BERRORCODE%5D", "http://t/?e=303"),
            ("http://t/?a=[ASSETURI]", "http://t/?a=http%3A%2F%2Fc%2F%5BERRORCODE%5D%3Fa%3D1%26b"),
            ("http://t/?i=[TRANSACTIONID][SERVERSIDE]", "http://t/?i=t%2F11"),
            ("http://t/?d=[BREAKMAXDURATION]&p=[MEDIAPLAYHEAD]", "http://t/?d=30&p=01%3A02%3A03.004"),
            ("http://t/?ip=[DEVICEIP]", "http://t/?ip=-1"),
            ("http://t/?a[0]=1&[mine]&[MYOWN]&[", "http://t/?a[0]=1&[mine]&[MYOWN]&["),
            ("http://[2001:db8::1]/[[ERRORCODE]]", "http://[2001:db8::1]/[303]"),
            ("", ""),
        ] {
            assert_eq!(values.fill(url), filled, "{url}");
        }
    }

    #[test]
    fn what_is_told_of_two_things_has_two_addresses_and_of_one_thing_one() {
        let values = Values { now_ms: 5, chance: 7, transaction: "t".into(), ..Values::default() };
        let url = |id: &str| values.of_chance(id).fill("http://t/?c=[CACHEBUSTING]&t=[TRANSACTIONID]");
        assert_eq!(url("session-1/impression"), url("session-1/impression"));
        let all: std::collections::HashSet<String> = (0..100).map(|n| url(&format!("session-{n}"))).collect();
        assert!(all.len() == 100 && all.iter().all(|url| url.ends_with("&t=t")), "{all:?}");
    }

    proptest! {
        #[test]
        fn no_address_makes_more_than_its_macros_or_panics(url in "(\\[|\\]|%5B|%5D|%|é|ERRORCODE|CACHEBUSTING|[A-Z0-9a-z/?=]){0,40}") {
            let filled = Values::default().fill(&url);
            prop_assert!(filled.len() <= url.len() + 40 * 24, "{url}");
        }
    }
}
