//! Where a source may lead: which schemes, hosts, addresses, ports and files (pure, but for files that are opened here).
//!
//! A source is an address that somebody else wrote down, and what is behind it leads on: redirects, playlists, keys. So nothing is
//! judged by its name. The address that is connected to is the one that was judged, and the file that is read is the one that was opened.

mod claim;
mod files;
mod host;
mod special;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use url::{Host, Url};

pub use claim::{Claim, Claims, Taken};
pub use host::{HostPattern, HostPatternError};
pub use special::special;

/// Schemes of sources.
pub const SCHEMES: [&str; 8] = ["file", "http", "https", "srt", "udp", "rtp", "rtmp", "test"];

/// What one owner's sources may lead to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Of [`SCHEMES`]. Judged before a source is handed to another process, which is not told.
    #[serde(skip, default = "schemes")]
    pub schemes: Vec<&'static str>,
    /// Any, where there is none.
    pub hosts: Vec<HostPattern>,
    /// Networks that may be reached though they are not public.
    pub networks: Vec<IpNet>,
    /// Any, where there is none.
    pub ports: Vec<RangeInclusive<u16>>,
    /// Folders whose files may be shown.
    pub media_dirs: Vec<PathBuf>,
}

fn schemes() -> Vec<&'static str> {
    SCHEMES.to_vec()
}

impl Default for Rules {
    fn default() -> Self {
        Self { schemes: schemes(), hosts: Vec::new(), networks: Vec::new(), ports: Vec::new(), media_dirs: Vec::new() }
    }
}

/// Why a source may not lead somewhere. It names nothing of the machine's own network or disk that was not in the source already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Denied {
    #[error("the scheme {scheme} is not allowed for sources here; allowed: {allowed}")]
    Scheme { scheme: String, allowed: String },
    #[error("the host {host} is not allowed for sources here")]
    Host { host: String },
    #[error("port {port} is not allowed for sources here")]
    Port { port: u16 },
    #[error("{host} is or leads to an address that is {kind}, which is not allowed for sources here")]
    Address { host: String, kind: Cow<'static, str> },
    #[error("{host} is this service itself: a game cannot show what it is shown in")]
    Itself { host: String },
    #[error("the file does not lie in a folder of media that is allowed for sources here")]
    Folder,
    #[error("it is no regular file")]
    NoFile,
    #[error("the file cannot be opened: {0}")]
    Unreadable(String),
    #[error("the name {host} is not known")]
    Name { host: String },
}

impl Denied {
    /// In words for what is no source, and may lead where sources may.
    pub fn of_others(&self) -> String {
        match self {
            Self::Itself { host } => format!("{host} is this service itself"),
            other => other.to_string().replace(" for sources here", " here"),
        }
    }
}

/// Where the service itself listens: for everybody, and for metrics and health where that is apart.
pub type Own = [Option<SocketAddr>; 2];

/// What an owner's sources may lead to, in a running service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Reach {
    rules: Arc<Rules>,
    /// The hosts and files that sources name are trusted; what they lead to is not.
    trusts_names: bool,
    own: Own,
}

impl Reach {
    /// For sources that come from elsewhere.
    pub fn new(rules: Rules, own: Own) -> Self {
        Self { rules: Arc::new(rules), trusts_names: false, own }
    }

    /// For sources that the machine's owner wrote: the hosts and files that they name are trusted, whatever they are.
    pub fn trusting(rules: Rules, own: Own) -> Self {
        Self { trusts_names: true, ..Self::new(rules, own) }
    }

    /// Everything the sources themselves name: for tests, and for work offline.
    pub fn of_ones_own() -> Self {
        Self::trusting(Rules::default(), Own::default())
    }

    /// What the source at `url` may lead to.
    pub fn of(&self, url: &Url) -> Pass {
        let named = self.trusts_names.then(|| url.host_str().map(bare)).flatten().map(str::to_owned);
        Pass { reach: self.clone(), named }
    }

    /// What a source that names `host` may lead to.
    pub fn naming(&self, host: &str) -> Pass {
        Pass { reach: self.clone(), named: self.trusts_names.then(|| bare(host).to_owned()) }
    }

    /// Looks at the source at `url` as far as that can be done without asking anybody.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn check(&self, url: &Url) -> Result<(), Denied> {
        let pass = self.of(url);
        pass.scheme(url.scheme())?;
        match url.scheme() {
            "test" => return Ok(()),
            "file" => return url.to_file_path().map_err(|()| Denied::NoFile).and_then(|path| pass.folder(&path)),
            _ => {}
        }
        let host = url.host_str().map(bare).unwrap_or_default();
        let port = url.port_or_known_default().or((url.scheme() == "rtmp").then_some(1935)).unwrap_or(0);
        pass.host(host, port)?;
        let literal = match url.host() {
            Some(Host::Ipv4(v4)) => Some(IpAddr::V4(v4)),
            Some(Host::Ipv6(v6)) => Some(IpAddr::V6(v6)),
            // Schemes that the URL standard does not know keep numbers as they are written.
            Some(Host::Domain(name)) => name.parse().ok(),
            None => None,
        };
        literal.map_or(Ok(()), |ip| pass.address(host, SocketAddr::new(ip, port)))
    }
}

/// What one source may lead to.
#[derive(Clone, Debug)]
pub struct Pass {
    reach: Reach,
    /// The host that the source names, where that is trusted.
    named: Option<String>,
}

impl Pass {
    /// # Errors
    /// [`Denied::Scheme`].
    pub fn scheme(&self, scheme: &str) -> Result<(), Denied> {
        let schemes = &self.reach.rules.schemes;
        if self.reach.trusts_names || schemes.contains(&scheme) {
            return Ok(());
        }
        Err(Denied::Scheme { scheme: scheme.to_owned(), allowed: schemes.join(", ") })
    }

    /// Before a name is looked up.
    ///
    /// # Errors
    /// [`Denied::Host`], [`Denied::Port`].
    pub fn host(&self, host: &str, port: u16) -> Result<(), Denied> {
        let host = bare(host);
        let Rules { hosts, ports, .. } = &*self.reach.rules;
        if self.is_named(host) {
            return Ok(());
        }
        if !hosts.is_empty() && !hosts.iter().any(|pattern| pattern.fits(host)) {
            return Err(Denied::Host { host: host.to_owned() });
        }
        if !ports.is_empty() && !ports.iter().any(|range| range.contains(&port)) {
            return Err(Denied::Port { port });
        }
        Ok(())
    }

    /// An address that `host` was found at, before it is connected to.
    ///
    /// # Errors
    /// [`Denied::Address`], [`Denied::Itself`].
    pub fn address(&self, host: &str, address: SocketAddr) -> Result<(), Denied> {
        let host = bare(host);
        if self.is_itself(address) {
            return Err(Denied::Itself { host: host.to_owned() });
        }
        let kind = special(address.ip());
        let networks = &self.reach.rules.networks;
        match kind {
            Some(kind) if !self.is_named(host) && !networks.iter().any(|net| net.contains(&address.ip())) => {
                Err(Denied::Address { host: host.to_owned(), kind: kind.into() })
            }
            _ => Ok(()),
        }
    }

    /// The addresses of `host` that may be used, looked up now; asks the system's resolver, and waits for it.
    ///
    /// # Errors
    /// [`Denied`], where none of them may.
    pub fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Denied> {
        let host = bare(host);
        self.host(host, port)?;
        let unknown = || Denied::Name { host: host.to_owned() };
        let found = std::net::ToSocketAddrs::to_socket_addrs(&(host, port)).map_err(|_| unknown())?;
        self.allowed(host, found)
    }

    /// Those of `found` that may be used.
    ///
    /// # Errors
    /// [`Denied`], where none of them may.
    pub fn allowed(&self, host: &str, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Denied> {
        let mut denied = None;
        let mut allowed = Vec::new();
        for address in found {
            match self.address(host, address) {
                Ok(()) => allowed.push(address),
                Err(error) => denied = denied.or(Some(error)),
            }
        }
        if allowed.is_empty() {
            Err(denied.unwrap_or(Denied::Name { host: bare(host).to_owned() }))
        } else {
            Ok(allowed)
        }
    }

    /// Whether the source names this host itself, and that is trusted.
    pub fn is_named(&self, host: &str) -> bool {
        self.named.as_deref().is_some_and(|named| named.eq_ignore_ascii_case(bare(host)))
    }

    /// Whether it is this service that listens there.
    fn is_itself(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let is = |own: SocketAddr| {
            if !own.ip().is_unspecified() {
                return ip == own.ip() || (own.ip().is_loopback() && ip.is_loopback()) || ip.is_unspecified();
            }
            // Only an address of this machine can be bound to.
            ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
        };
        self.reach.own.into_iter().flatten().filter(|own| own.port() == address.port()).any(is)
    }
}

/// A host without the brackets of an IPv6 address and without the root's dot.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches([']', '.'])
}
