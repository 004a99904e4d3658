//! What of this machine's own a source takes: the port, or the group at a port, that it listens at. Two feeds that listen at the same
//! take each other's datagrams, or show each other's pictures.

use std::net::IpAddr;

use url::Url;

/// Where a source listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Any, where it is unspecified.
    pub address: IpAddr,
    pub port: u16,
}

impl Claim {
    /// Where the source at `url` listens. Of a name nobody knows yet what it will be: it counts as any address.
    pub fn of(url: &Url) -> Vec<Self> {
        let asked = |key: &str| url.query_pairs().find(|(name, _)| name == key).map(|(_, value)| value.into_owned());
        let at = |host: Option<&str>, port: Option<u16>| {
            let any = IpAddr::from([0, 0, 0, 0]);
            let address = host.and_then(|host| super::bare(host).parse().ok()).unwrap_or(any);
            port.map(|port| Self { address, port })
        };
        let own = at(url.host_str(), url.port());
        match url.scheme() {
            "udp" => own.into_iter().collect(),
            // The sender's reports come to the port after it.
            "rtp" if asked("rtcp").is_some() => {
                let reports = at(url.host_str(), url.port().and_then(|port| port.checked_add(1)));
                own.into_iter().chain(reports).collect()
            }
            "rtp" => own.into_iter().collect(),
            "srt" if asked("mode").as_deref() == Some("listener") => own.into_iter().collect(),
            // A caller may call from a port of its choice.
            "srt" => {
                let port = asked("localport").and_then(|port| port.parse().ok());
                at(asked("localaddress").or(asked("adapter")).as_deref(), port).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn meets(&self, other: &Self) -> bool {
        let any = self.address.is_unspecified() || other.address.is_unspecified();
        self.port == other.port && (any || self.address == other.address)
    }

    /// Of a multicast group each who has joined it gets a copy.
    fn is_shareable(&self, other: &Self) -> bool {
        self.address.is_multicast() && self.address == other.address
    }
}

/// Somebody has it already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// The game that has it, where it is the asker's own.
    pub by: Option<String>,
}

/// What is claimed, by whom and for which game. An owner is a tenant, or with `None` the machine's owner.
#[derive(Debug, Default)]
pub struct Claims(Vec<(Option<String>, String, Claim)>);

impl Claims {
    /// Notes what the sources of a game claim, whoever else has it.
    pub fn add<'a>(&mut self, owner: Option<&str>, game: &str, sources: impl IntoIterator<Item = &'a Url>) {
        let claims = sources.into_iter().flat_map(Claim::of);
        self.0.extend(claims.map(|claim| (owner.map(str::to_owned), game.to_owned(), claim)));
    }

    /// Whether `url` may be a source of this game: a group may have several games of one owner, as a transport stream has several programmes.
    ///
    /// # Errors
    /// [`Taken`].
    pub fn check(&self, owner: Option<&str>, game: &str, url: &Url) -> Result<(), Taken> {
        for wanted in Claim::of(url) {
            for (whose, by, claim) in &self.0 {
                let own = whose.as_deref() == owner;
                if claim.meets(&wanted) && !(own && (by == game || claim.is_shareable(&wanted))) {
                    return Err(Taken { by: own.then(|| by.clone()) });
                }
            }
        }
        Ok(())
    }
}
