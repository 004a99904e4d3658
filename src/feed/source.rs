//! Source URIs: which kind of source each is, and what its query says.

use std::path::PathBuf;

use url::Url;

use super::error::SourceError;
use super::synthetic::SyntheticSpec;
use super::wanted::Wanted;
use crate::config::{SrtMode, SrtSource, masked};

/// A source, ready to be run.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// Drawn here, on the grid.
    Synthetic(SyntheticSpec),
    /// Delivers when asked: a file, played over and over, or whatever HTTP has.
    Pulled { uri: String, looped: bool },
    /// Sends by its own clock.
    Pushed(Push),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Push {
    /// MPEG-TS in UDP datagrams.
    Udp {
        address: String,
        port: u16,
        interface: Option<String>,
    },
    /// MPEG-TS in RTP (RFC 2250).
    Rtp {
        address: String,
        port: u16,
        interface: Option<String>,
    },
    Srt(SrtSource),
    Rtmp {
        uri: String,
    },
}

impl Source {
    /// The source behind `url`.
    ///
    /// # Errors
    /// [`SourceError::Scheme`] and [`SourceError::Uri`]. Nothing is opened: a missing file is no error here.
    pub fn parse(url: &Url) -> Result<Self, SourceError> {
        let (url, wanted) = &Wanted::split(url)?;
        match url.scheme() {
            "test" => SyntheticSpec::parse(url).map(Source::Synthetic),
            "file" => {
                let path: PathBuf =
                    url.to_file_path().map_err(|()| bad(url, "not the absolute path of a local file"))?;
                let mut plain = Url::from_file_path(&path).map_err(|()| bad(url, "not an absolute path"))?;
                plain.set_query(None);
                Ok(Source::Pulled { uri: plain.into(), looped: true })
            }
            "http" | "https" => Ok(Source::Pulled { uri: url.as_str().to_owned(), looped: wanted.looped }),
            "srt" => {
                let srt = SrtSource::of(url).map_err(|error| bad(url, &error.to_string()))?;
                Ok(Source::Pushed(Push::Srt(srt)))
            }
            "udp" => {
                let (address, port, interface) = socket(url)?;
                Ok(Source::Pushed(Push::Udp { address, port, interface }))
            }
            "rtp" => {
                let (address, port, interface) = socket(url)?;
                Ok(Source::Pushed(Push::Rtp { address, port, interface }))
            }
            "rtmp" => Ok(Source::Pushed(Push::Rtmp { uri: url.as_str().to_owned() })),
            scheme => Err(SourceError::Scheme { scheme: scheme.to_owned() }),
        }
    }

    /// Whether it sends by its own clock.
    pub fn is_pushed(&self) -> bool {
        matches!(self, Source::Pushed(_))
    }

    /// Its address, if it is to be asked for by HTTP.
    pub fn on_http(&self) -> Option<Url> {
        match self {
            Source::Pulled { uri, .. } => Url::parse(uri).ok().filter(|url| matches!(url.scheme(), "http" | "https")),
            Source::Pushed(_) | Source::Synthetic(_) => None,
        }
    }

    /// Whether it begins again when it has ended.
    pub fn is_looped(&self) -> bool {
        matches!(self, Source::Pulled { looped: true, .. })
    }

    /// The same, over when it has ended.
    pub fn once(self) -> Self {
        match self {
            Source::Pulled { uri, .. } => Source::Pulled { uri, looped: false },
            other @ (Source::Synthetic(_) | Source::Pushed(_)) => other,
        }
    }

    /// Whether there is nobody to be polite to: we only listen, so trying again costs nothing.
    pub fn only_listens(&self) -> bool {
        matches!(
            self,
            Source::Pushed(Push::Udp { .. } | Push::Rtp { .. } | Push::Srt(SrtSource { mode: SrtMode::Listener, .. }))
                | Source::Synthetic(_)
        )
    }
}

fn bad(url: &Url, problem: &str) -> SourceError {
    SourceError::Uri { uri: masked(url.as_str()), problem: problem.to_owned() }
}

fn port(url: &Url) -> Result<u16, SourceError> {
    url.port().filter(|p| *p != 0).ok_or_else(|| bad(url, "a port is needed"))
}

/// Address (any, where the URI has none: `udp://@:5000` and `udp://:5000` are in use), port and multicast interface.
fn socket(url: &Url) -> Result<(String, u16, Option<String>), SourceError> {
    let host = url.host_str().filter(|h| !h.is_empty()).unwrap_or("0.0.0.0");
    let address = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let interface =
        url.query_pairs().find(|(k, _)| k == "interface" || k == "multicast-iface").map(|(_, v)| v.into_owned());
    Ok((address, port(url)?, interface))
}
