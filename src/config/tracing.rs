//! Where spans go.

use super::names::check_title;
use super::outbound::{Endpoint, Secret};
use super::reader::{Table, Value};

/// Where collectors take spans below their address (OTLP 1.0, "OTLP/HTTP request").
const TRACES: &str = "/v1/traces";

/// Most headers that are sent.
const MOST_HEADERS: usize = 16;

/// Headers that the message itself has.
const OURS: [&str; 6] =
    ["content-type", "content-length", "content-encoding", "host", "transfer-encoding", "user-agent"];

/// A collector of OpenTelemetry, and what it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracing {
    /// Where spans are posted to: with the path of traces.
    pub otlp_endpoint: Endpoint,
    /// Sent with each request; names in small letters.
    pub headers: Vec<(String, Secret)>,
    /// One trace in so many is exported.
    pub sample_one_in: u32,
    /// What spans say whose they are.
    pub service_name: String,
}

/// `None` where the file has no such section: nothing is exported.
pub(super) fn read(root: &mut Table) -> Option<Tracing> {
    let mut table = root.table("tracing")?;
    let endpoint = table
        .required("otlp_endpoint", Endpoint::ALLOWED)
        .and_then(|v| v.parsed(Endpoint::ALLOWED, |text| text.parse::<Endpoint>().and_then(|base| base.below(TRACES))));
    let headers = table.optional("headers").map(|v| read_headers(&v)).unwrap_or_default();
    let sample_one_in = table.optional("sample_one_in").and_then(|v| v.whole(1..=1_000_000, "traces")).unwrap_or(1);
    let service_name = table
        .optional("service_name")
        .and_then(|v| v.parsed("1 to 120 characters are allowed", |text| check_title(text).map(|()| text.to_owned())));
    table.finish();
    let service_name = service_name.unwrap_or_else(|| "quadrille".to_owned());
    endpoint.map(|otlp_endpoint| Tracing { otlp_endpoint, headers, sample_one_in, service_name })
}

fn read_headers(list: &Value) -> Vec<(String, Secret)> {
    const ALLOWED: &str = "visible ASCII characters, with single spaces between them, are allowed, up to 4096";
    let Some(inner) = list.table() else { return Vec::new() };
    let entries = inner.entries();
    if entries.len() > MOST_HEADERS {
        list.refuse(format!("there are {}", entries.len()), &format!("up to {MOST_HEADERS} are allowed"));
    }
    let mut headers = Vec::new();
    for (name, value) in entries.into_iter().take(MOST_HEADERS) {
        let name = name.to_ascii_lowercase();
        if !is_token(&name) {
            value.refuse("that is no name of a header", "letters, digits and any of !#$%&'*+-.^_`|~ are allowed");
        } else if OURS.contains(&name.as_str()) {
            value.refuse("the request has one of its own", "any other header is allowed");
        } else if let Some(secret) = value.parsed(ALLOWED, Secret::of_header) {
            headers.push((name, secret));
        }
    }
    headers
}

/// Whether a header may be called so (RFC 9110, 5.6.2).
fn is_token(name: &str) -> bool {
    let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    (1..=100).contains(&name.len()) && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{Config, ConfigErrors};

    fn parse(table: &str) -> Result<Option<Tracing>, ConfigErrors> {
        let text = format!("[[tenants]]\nid = \"acme\"\ndevice_keys = [\"d\"]\n{table}");
        Config::parse(&text, Path::new("test.toml")).map(|config| config.tracing)
    }

    #[test]
    fn a_collector_is_its_address_and_what_it_is_sent() {
        assert_eq!(parse("").unwrap(), None);
        let at = |address: &str| {
            let tracing = parse(&format!("[tracing]\notlp_endpoint = {address:?}\n")).unwrap().unwrap();
            assert_eq!((tracing.sample_one_in, &*tracing.service_name, tracing.headers.len()), (1, "quadrille", 0));
            tracing.otlp_endpoint.url().to_string()
        };
        assert_eq!(at("http://localhost:4318"), "http://localhost:4318/v1/traces");
        assert_eq!(at("https://c.example/otlp/"), "https://c.example/otlp/v1/traces");
        assert_eq!(at("https://c.example/otlp/v1/traces"), "https://c.example/otlp/v1/traces");
        let all = "[tracing]\notlp_endpoint = \"http://c/\"\nsample_one_in = 100\nservice_name = \"Quadrille, west\"\n\
                   headers = { Authorization = \"Bearer s3cret\", x-team = \"tv\" }\n";
        let all = parse(all).unwrap().unwrap();
        assert_eq!((all.sample_one_in, &*all.service_name), (100, "Quadrille, west"));
        let headers: Vec<_> = all.headers.iter().map(|(name, value)| (name.as_str(), value.reveal())).collect();
        assert_eq!(headers, [("authorization", "Bearer s3cret"), ("x-team", "tv")]);
        assert!(!format!("{all:?}").contains("s3cret"));
    }

    #[test]
    fn what_is_wrong_with_a_collector_is_told_with_its_key() {
        for (table, key, allowed) in [
            ("sample_one_in = 1", "tracing.otlp_endpoint", "http://HOST"),
            ("otlp_endpoint = \"grpc://c:4317\"", "tracing.otlp_endpoint", "http://HOST"),
            ("otlp_endpoint = \"http://c\"\nsample_one_in = 0", "tracing.sample_one_in", "1 to 1000000"),
            ("otlp_endpoint = \"http://c\"\nservice_name = \"\"", "tracing.service_name", "1 to 120"),
            ("otlp_endpoint = \"http://c\"\nheaders = { Host = \"x\" }", "tracing.headers.Host", "any other header"),
            ("otlp_endpoint = \"http://c\"\nheaders = { \"a b\" = \"x\" }", "tracing.headers.a b", "letters"),
            ("otlp_endpoint = \"http://c\"\nheaders = { a = \" s3cret\" }", "tracing.headers.a", "visible ASCII"),
            ("otlp_endpoint = \"http://c\"\nendpoint = \"x\"", "tracing.endpoint", "`otlp_endpoint`"),
        ] {
            let mistakes = parse(&format!("[tracing]\n{table}\n")).unwrap_err().mistakes;
            let told = |m: &crate::config::Mistake| m.key == key && m.allowed.contains(allowed);
            assert!(mistakes.len() == 1 && told(&mistakes[0]), "{table}: {mistakes:?}");
            assert!(!format!("{mistakes:?}").contains("s3cret"), "{mistakes:?}");
        }
    }
}
