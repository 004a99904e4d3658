//! The network side: what the service is called outside, whom it believes, which pages may ask it, what connections may take.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;
use url::Url;

use super::reader::Table;

/// Proxies and origins that a configuration may name.
const MOST_NAMED: usize = 64;

/// How the service meets those who ask it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// Scheme and authority that clients reach it at, without a slash at the end; `None`: what they asked for.
    pub public_base_url: Option<String>,
    /// Who is believed about whom it asks for.
    pub trusted_proxies: Vec<IpNet>,
    /// Pages that may use the API from elsewhere.
    pub cors_origins: CorsOrigins,
    /// Where metrics and health are, and then nowhere else.
    pub admin_listen: Option<SocketAddr>,
    pub connections: Connections,
}

/// Origins whose pages may read the API's answers. What plays is open to all in any case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsOrigins {
    Any,
    /// As browsers send them: `https://tv.example`.
    These(Vec<String>),
}

impl Default for CorsOrigins {
    fn default() -> Self {
        Self::These(Vec::new())
    }
}

/// What connections may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Open at once; more wait until one is closed.
    pub max: u32,
    /// Of one address (of IPv6: one network of 64 bits); more are refused. The machine's own and trusted proxies' do not count.
    pub max_per_address: u32,
    /// A request's head has come this long after the connection waits for one.
    pub head_timeout: Duration,
    /// Closed where nothing moves for so long.
    pub idle_timeout: Duration,
    /// Closed where an answer gets no further for so long.
    pub write_timeout: Duration,
    /// Requests at once on a connection of HTTP/2.
    pub max_streams: u32,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            max: 16_384,
            // A mobile network has hundreds of viewers behind one address, and a player up to six connections.
            max_per_address: 1_024,
            // Players ask at least once a target duration (10 s at most); idle ones may be closed.
            head_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            max_streams: 64,
        }
    }
}

pub(super) fn read(root: &mut Table) -> Network {
    let public_base_url = root.optional("public_base_url").and_then(|v| v.parsed(BASE_ALLOWED, base));
    let trusted_proxies = read_proxies(root);
    let cors_origins = read_origins(root);
    let admin_listen = root
        .optional("admin_listen")
        .and_then(|v| v.parsed("ADDRESS:PORT is allowed, as in \"127.0.0.1:9090\" or \"[::1]:9090\"", str::parse));
    let connections = read_connections(root);
    Network { public_base_url, trusted_proxies, cors_origins, admin_listen, connections }
}

const BASE_ALLOWED: &str =
    "scheme, host and port are allowed, as in \"https://tv.example\" or \"https://tv.example:8443\"";

/// What stands before every path: `https://tv.example`.
fn base(text: &str) -> Result<String, String> {
    let url = Url::parse(text).map_err(|error| format!("{text:?} is no address: {error}"))?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let is_nobodys = url.username().is_empty() && url.password().is_none();
    if !(is_web && is_bare && is_nobodys) {
        return Err(format!("{text:?} says more or less than that"));
    }
    // As browsers write it: default ports left out, names in ASCII.
    Ok(url.origin().ascii_serialization())
}

fn read_proxies(root: &mut Table) -> Vec<IpNet> {
    const ALLOWED: &str = "addresses and networks are allowed, as in \"10.0.0.7\" or \"10.20.0.0/16\"";
    let items = root.items("trusted_proxies", "write [\"10.20.0.0/16\"]");
    if let Some(first_beyond) = items.get(MOST_NAMED) {
        first_beyond.refuse(format!("there are more than {MOST_NAMED}"), "name a network that has them all");
    }
    let network = |text: &str| match text.parse::<IpNet>() {
        Ok(network) => Ok(network.trunc()),
        Err(_) => text.parse::<IpAddr>().map(IpNet::from).map_err(|_| format!("{text:?} is neither")),
    };
    items.iter().filter_map(|item| item.parsed(ALLOWED, network)).collect()
}

fn read_origins(root: &mut Table) -> CorsOrigins {
    const ALLOWED: &str = "origins as browsers send them are allowed, as in \"https://tv.example\", or \"*\" for all";
    let items = root.items("cors_origins", "write [\"https://tv.example\"]");
    if let Some(first_beyond) = items.get(MOST_NAMED) {
        first_beyond.refuse(format!("there are more than {MOST_NAMED}"), "up to 64 are allowed, or \"*\" for all");
    }
    // A page in a file, and many a box's own, has the origin `null`.
    let origin = |text: &str| if matches!(text, "*" | "null") { Ok(text.to_owned()) } else { base(text) };
    let origins: Vec<String> = items.iter().filter_map(|item| item.parsed(ALLOWED, origin)).collect();
    if origins.iter().any(|origin| origin == "*") { CorsOrigins::Any } else { CorsOrigins::These(origins) }
}

fn read_connections(root: &mut Table) -> Connections {
    let mut connections = Connections::default();
    let Some(mut table) = root.table("connections") else { return connections };
    let mut read = |key, range, unit| table.optional(key).and_then(|v| v.whole(range, unit));
    let seconds = |s: u32| Duration::from_secs(s.into());
    connections.max = read("max", 16..=1_000_000, "").unwrap_or(connections.max);
    connections.max_per_address = read("max_per_address", 1..=1_000_000, "").unwrap_or(connections.max_per_address);
    let head = read("head_timeout_s", 1..=300, "seconds").map(seconds);
    let idle = read("idle_timeout_s", 5..=600, "seconds").map(seconds);
    let write = read("write_timeout_s", 5..=600, "seconds").map(seconds);
    connections.max_streams = read("max_streams", 1..=1_000, "").unwrap_or(connections.max_streams);
    table.finish();
    connections.head_timeout = head.unwrap_or(connections.head_timeout);
    connections.idle_timeout = idle.unwrap_or(connections.idle_timeout);
    connections.write_timeout = write.unwrap_or(connections.write_timeout);
    connections
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;

    const TENANT: &str = "[[tenants]]\nid = \"acme\"\noperator_keys = [\"op\"]\n";

    fn read(head: &str, tail: &str) -> Result<Network, String> {
        let text = format!("{head}\n{TENANT}{tail}");
        Config::parse(&text, Path::new("t.toml")).map(|config| config.network).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_not_said_is_closed() {
        let network = read("", "").unwrap();
        assert_eq!(network, Network::default());
        assert!(network.trusted_proxies.is_empty() && network.public_base_url.is_none());
        assert_eq!(network.cors_origins, CorsOrigins::These(Vec::new()));
    }

    #[test]
    fn a_base_is_written_as_browsers_write_origins() {
        let base = |text: &str| read(&format!("public_base_url = {text:?}"), "").map(|n| n.public_base_url.unwrap());
        assert_eq!(base("https://TV.example:443/").unwrap(), "https://tv.example");
        assert_eq!(base("http://[::1]:8080").unwrap(), "http://[::1]:8080");
        for bad in [
            "tv.example",
            "ftp://tv.example",
            "https://tv.example/tv",
            "https://u@tv.example",
            "https://tv.example?a",
            "",
        ] {
            let said = base(bad).unwrap_err();
            assert!(said.contains("public_base_url") && said.contains("https://tv.example"), "{said}");
        }
    }

    #[test]
    fn proxies_are_addresses_or_networks() {
        let network = read("trusted_proxies = [\"10.0.0.7\", \"10.20.1.2/16\", \"fd00::/8\"]", "").unwrap();
        let told: Vec<_> = network.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(told, ["10.0.0.7/32", "10.20.0.0/16", "fd00::/8"]);
        let said = read("trusted_proxies = [\"proxy.example\"]", "").unwrap_err();
        assert!(said.contains("trusted_proxies[0]") && said.contains("10.20.0.0/16"), "{said}");
    }

    #[test]
    fn origins_are_a_list_or_all() {
        let origins = |text: &str| read(&format!("cors_origins = {text}"), "").map(|network| network.cors_origins);
        let these = CorsOrigins::These(vec!["https://tv.example".into(), "null".into()]);
        assert_eq!(origins("[\"https://tv.example/\", \"null\"]").unwrap(), these);
        assert_eq!(origins("[\"https://tv.example\", \"*\"]").unwrap(), CorsOrigins::Any);
        assert!(origins("[\"tv.example\"]").unwrap_err().contains("cors_origins[0]"));
    }

    #[test]
    fn limits_of_connections_have_bounds() {
        let network = read("", "[connections]\nmax = 100\nwrite_timeout_s = 7\nmax_streams = 3\n").unwrap();
        let expected =
            Connections { max: 100, write_timeout: Duration::from_secs(7), max_streams: 3, ..Connections::default() };
        assert_eq!(network.connections, expected);
        for bad in [
            "max = 0",
            "max_per_address = 0",
            "head_timeout_s = 0",
            "idle_timeout_s = 601",
            "max_streams = 0",
            "nope = 1",
        ] {
            assert!(read("", &format!("[connections]\n{bad}\n")).unwrap_err().contains("connections."), "{bad}");
        }
    }
}
