//! Sources that are called, or listened to, by GStreamer's own elements: their names are looked up here, and the elements are told
//! numbers.

use url::Url;

use super::error::SourceError;
use super::source::Push;
use crate::config::SrtSource;
use crate::reach::{Denied, Reach};

pub(super) const RTMP_PORT: u16 = 1935;

/// `push` with an address that may be used in place of a name. Waits for the system's resolver.
///
/// # Errors
/// [`SourceError::Denied`].
pub(super) fn called(push: &Push, reach: &Reach) -> Result<Push, SourceError> {
    Ok(match push {
        Push::Udp { address, port, interface } => {
            Push::Udp { address: number(reach, "udp", address, *port)?, port: *port, interface: interface.clone() }
        }
        Push::Rtp { address, port, interface } => {
            Push::Rtp { address: number(reach, "rtp", address, *port)?, port: *port, interface: interface.clone() }
        }
        Push::Srt(srt) => {
            let host = number(reach, "srt", &srt.host, srt.port)?;
            Push::Srt(SrtSource { host, ..srt.clone() })
        }
        Push::Rtmp { uri } => {
            let broken = |_| SourceError::Pipeline("the address cannot be read".into());
            let mut url = Url::parse(uri).map_err(broken)?;
            let host = url.host_str().unwrap_or_default().to_owned();
            let number = number(reach, "rtmp", &host, url.port().unwrap_or(RTMP_PORT))?;
            if number != host {
                let number = if number.contains(':') { format!("[{number}]") } else { number };
                url.set_host(Some(&number)).map_err(broken)?;
            }
            Push::Rtmp { uri: url.into() }
        }
    })
}

/// What of `host` may be used. A name that the machine's owner wrote stays one.
fn number(reach: &Reach, scheme: &str, host: &str, port: u16) -> Result<String, Denied> {
    let pass = reach.naming(host);
    pass.scheme(scheme)?;
    if pass.is_named(host) {
        return Ok(host.to_owned());
    }
    let first = pass.addresses(host, port)?.into_iter().next();
    first.map(|address| address.ip().to_string()).ok_or(Denied::Name { host: host.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::{Own, Rules};

    #[test]
    fn elements_are_told_numbers_that_were_judged() {
        let strict = Reach::new(Rules::default(), Own::default());
        let local =
            Rules { networks: vec!["127.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()], ..Rules::default() };
        let local = Reach::new(local, Own::default());
        let rtmp = Push::Rtmp { uri: "rtmp://localhost/live/a".into() };
        let srt = |host: &str| Push::Srt(SrtSource { host: host.into(), port: 9000, ..SrtSource::default() });
        let udp = Push::Udp { address: "localhost".into(), port: 5000, interface: None };
        for push in [rtmp.clone(), srt("localhost"), srt("127.1"), srt("2130706433"), udp] {
            let denied = called(&push, &strict);
            assert!(matches!(denied, Err(SourceError::Denied(Denied::Address { .. }))), "{push:?}: {denied:?}");
            assert!(!format!("{:?}", called(&push, &local).unwrap()).contains("localhost"), "{push:?}");
        }
        assert_eq!(called(&rtmp, &Reach::of_ones_own()), Ok(rtmp), "the owner's name is what the server is told");
    }
}
