//! Who stands at the door: whom the service believes about whom a request is from, and what it is called outside.

use std::net::IpAddr;

use axum::http::uri::Authority;
use axum::http::{Extensions, HeaderMap, HeaderName, Uri, header};
use ipnet::IpNet;

use super::cors::Cors;
use super::server::{Peer, Secure};
use crate::config::Network;

/// What a configuration says of who asks.
#[derive(Debug, Default)]
pub struct Door {
    /// Scheme and authority (`https://tv.example`) that clients reach this service at; `None`: what they ask for.
    public_base: Option<String>,
    /// Proxies that say for whom they ask.
    trusted: Vec<IpNet>,
    pub(super) cors: Cors,
    /// Metrics and health have a listener of their own.
    pub(super) admin_apart: bool,
}

impl Door {
    pub fn new(network: &Network) -> Self {
        Self {
            public_base: network.public_base_url.clone(),
            trusted: network.trusted_proxies.clone(),
            cors: Cors::new(&network.cors_origins),
            admin_apart: network.admin_listen.is_some(),
        }
    }

    pub(super) fn public_base(&self) -> Option<&str> {
        self.public_base.as_deref()
    }

    /// Scheme and authority before a path, without a slash at the end: the configured ones, else those that the client asked for, else nothing. Whoever lies
    /// about what they asked deceives themselves: the answer goes to nobody else and is kept by no shared cache.
    pub(super) fn base(&self, uri: &Uri, headers: &HeaderMap, extensions: &Extensions) -> Option<String> {
        if let Some(public) = &self.public_base {
            return Some(public.clone());
        }
        let told = self.told(headers, extensions);
        let scheme = match told.scheme.as_deref() {
            Some("https") => "https",
            None if extensions.get::<Secure>().is_some() => "https",
            _ => "http",
        };
        // HTTP/2 has :authority, which hyper puts into the URI; HTTP/1.1 has Host.
        let host = || headers.get(header::HOST).and_then(|value| value.to_str().ok().map(str::to_owned));
        let host = told.host.or_else(|| uri.authority().map(Authority::to_string)).or_else(host)?;
        let authority: Authority = host.parse().ok()?;
        (!authority.as_str().contains('@')).then(|| format!("{scheme}://{authority}"))
    }

    /// The address of who asks: the connection's, or the one that trusted proxies ask for. `None` where there is no connection.
    pub(super) fn client(&self, headers: &HeaderMap, extensions: &Extensions) -> Option<IpAddr> {
        self.told(headers, extensions).client
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|net| net.contains(&address))
    }

    /// What is believed. Whatever a proxy got from a client that said it was a proxy lies further left than what the proxy says itself, so lists are read from
    /// the right, one for each proxy that is trusted.
    fn told(&self, headers: &HeaderMap, extensions: &Extensions) -> Told {
        let Some(Peer(peer)) = extensions.get::<Peer>().copied() else { return Told::default() };
        if !self.trusts(peer) {
            return Told { client: Some(peer), ..Told::default() };
        }
        let Lists { clients, hosts, schemes } = Lists::read(headers);
        let (mut client, mut proxies) = (peer, 1);
        for told in clients.iter().rev() {
            // A name that is no address is where it ends that we know.
            let Some(address) = told else { break };
            client = *address;
            if !self.trusts(client) {
                break;
            }
            proxies += 1;
        }
        Told { client: Some(client), host: from_right(hosts, proxies), scheme: from_right(schemes, proxies) }
    }
}

/// Who asked for what, as far as it is believed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    client: Option<IpAddr>,
    host: Option<String>,
    scheme: Option<String>,
}

/// What proxies say, the nearest last.
#[derive(Debug, Default)]
struct Lists {
    clients: Vec<Option<IpAddr>>,
    hosts: Vec<Option<String>>,
    schemes: Vec<Option<String>>,
}

impl Lists {
    /// `Forwarded` (RFC 7239) where it is there, else the fields that were there before it.
    fn read(headers: &HeaderMap) -> Self {
        let mut lists = Self::default();
        let elements = split(headers, &header::FORWARDED);
        for element in &elements {
            let of = |wanted: &str| {
                parts(element, ';').into_iter().find_map(|pair| {
                    let (name, value) = pair.split_once('=')?;
                    name.trim().eq_ignore_ascii_case(wanted).then(|| unquoted(value.trim()))
                })
            };
            lists.clients.push(of("for").as_deref().and_then(node));
            lists.hosts.push(of("host"));
            lists.schemes.push(of("proto").map(|scheme| scheme.to_ascii_lowercase()));
        }
        if elements.is_empty() {
            let texts = |name| split(headers, &HeaderName::from_static(name));
            lists.clients = texts("x-forwarded-for").iter().map(|text| node(text)).collect();
            lists.hosts = texts("x-forwarded-host").into_iter().map(Some).collect();
            lists.schemes =
                texts("x-forwarded-proto").into_iter().map(|scheme| Some(scheme.to_ascii_lowercase())).collect();
        }
        lists
    }
}

/// The `nth` from the right, or the leftmost where there are fewer: some proxies write a list, others what they were told alone.
fn from_right(mut list: Vec<Option<String>>, nth: usize) -> Option<String> {
    let at = list.len().saturating_sub(nth);
    if at < list.len() { list.swap_remove(at) } else { None }
}

/// The elements of a list that may stand in several lines of a head.
fn split(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let lines = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    let elements = lines.flat_map(|line| parts(line, ','));
    elements.map(|element| element.trim().to_owned()).filter(|element| !element.is_empty()).collect()
}

/// The parts of a text between separators that stand in no quotes.
fn parts(text: &str, separator: char) -> Vec<&str> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    text.split(move |c: char| {
        let was_escaped = is_escaped;
        is_escaped = is_quoted && !was_escaped && c == '\\';
        if c == '"' && !was_escaped {
            is_quoted = !is_quoted;
        }
        c == separator && !is_quoted
    })
    .collect()
}

fn unquoted(value: &str) -> String {
    match value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        Some(inner) => inner.replace('\\', ""),
        None => value.to_owned(),
    }
}

/// The address of a node (RFC 7239, 6): with or without a port, of IPv6 in brackets. Hidden and unknown ones have none.
fn node(text: &str) -> Option<IpAddr> {
    let address = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next().and_then(|inner| inner.parse().ok()),
        None => text.parse().ok().or_else(|| text.rsplit_once(':').and_then(|(host, _)| host.parse().ok())),
    };
    address.map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::Request;

    /// What is made of a request by `peer` where 10.0.0.0/8 is trusted.
    fn told(peer: &str, headers: &[(&str, &str)]) -> (Option<String>, String) {
        let door = Door { trusted: vec!["10.0.0.0/8".parse().unwrap()], ..Door::default() };
        let mut request = Request::builder().uri("/v1/games");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut parts = request.body(()).unwrap().into_parts().0;
        parts.extensions.insert(Peer(peer.parse().unwrap()));
        let base = door.base(&parts.uri, &parts.headers, &parts.extensions);
        (base, door.client(&parts.headers, &parts.extensions).unwrap().to_string())
    }

    fn base(peer: &str, headers: &[(&str, &str)]) -> String {
        told(peer, headers).0.unwrap_or_default()
    }

    const PROXY: &str = "10.0.0.1";
    const STRANGER: &str = "192.0.2.1";

    #[test]
    fn the_base_is_what_the_client_asked() {
        for peer in [PROXY, STRANGER] {
            assert_eq!(base(peer, &[("host", "tv.example:8080")]), "http://tv.example:8080");
            for unusable in [&[][..], &[("host", "a b")], &[("host", "user@tv.example")], &[("host", "a/b")]] {
                assert_eq!(base(peer, unusable), "", "{unusable:?}");
            }
        }
    }

    #[test]
    fn a_proxy_is_believed_where_it_is_trusted_and_nobody_else() {
        let old = [
            ("host", "10.0.0.9"),
            ("x-forwarded-host", "tv.example"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-for", "198.51.100.7"),
        ];
        let new = [("host", "10.0.0.9"), ("forwarded", "for=198.51.100.7;host=tv.example;proto=https")];
        for headers in [&old[..], &new] {
            let (base, client) = told(PROXY, headers);
            assert_eq!((base.as_deref(), client.as_str()), (Some("https://tv.example"), "198.51.100.7"));
            let (base, client) = told(STRANGER, headers);
            assert_eq!((base.as_deref(), client.as_str()), (Some("http://10.0.0.9"), STRANGER));
        }
    }

    #[test]
    fn what_a_client_says_of_itself_is_left_of_what_proxies_say() {
        let lied = [
            ("x-forwarded-for", "10.9.9.9, 203.0.113.5"),
            ("x-forwarded-for", "198.51.100.7, 10.0.0.2"),
            ("x-forwarded-host", "evil.example, tv.example, inner.example"),
            ("x-forwarded-proto", "http, https, http"),
        ];
        let (base, client) = told(PROXY, &lied);
        assert_eq!((base.as_deref(), client.as_str()), (Some("https://tv.example"), "198.51.100.7"));
        let lied =
            [("forwarded", "for=203.0.113.5;host=evil.example, for=198.51.100.7;host=\"tv.example:8443\";Proto=HTTPS")];
        let (base, client) = told(PROXY, &lied);
        assert_eq!((base.as_deref(), client.as_str()), (Some("https://tv.example:8443"), "198.51.100.7"));
        // All that is told is trusted: the furthest of it.
        assert_eq!(told(PROXY, &[("x-forwarded-for", "10.0.0.4, 10.0.0.3")]).1, "10.0.0.4");
        assert_eq!(told(PROXY, &[("x-forwarded-for", "unknown, 10.0.0.3")]).1, "10.0.0.3");
    }

    #[test]
    fn nodes_have_ports_brackets_and_names_that_say_nothing() {
        for (text, address) in [
            ("192.0.2.43", Some("192.0.2.43")),
            ("192.0.2.43:4711", Some("192.0.2.43")),
            ("2001:db8::17", Some("2001:db8::17")),
            ("[2001:db8::17]:4711", Some("2001:db8::17")),
            ("::ffff:192.0.2.43", Some("192.0.2.43")),
            ("_hidden", None),
            ("unknown", None),
            ("", None),
            ("[", None),
        ] {
            assert_eq!(node(text).map(|a| a.to_string()).as_deref(), address, "{text}");
        }
        let quoted = "for=\"[2001:db8::17]:47\";host=\"a,b;c\\\"d\", for=x";
        assert_eq!(parts(quoted, ',').len(), 2);
        assert_eq!(parts(parts(quoted, ',')[0], ';').len(), 2);
    }

    #[test]
    fn a_configured_base_stands_above_all() {
        let door = Door { public_base: Some("https://tv.example".into()), ..Door::default() };
        let parts = Request::builder().uri("/").header("host", "other.example").body(()).unwrap().into_parts().0;
        assert_eq!(door.base(&parts.uri, &parts.headers, &parts.extensions).as_deref(), Some("https://tv.example"));
        assert_eq!(door.client(&parts.headers, &parts.extensions), None);
    }
}
