//! What a child is handed with its beginning: what it is to do, and what of files and sockets it may use.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use url::Url;

use super::message::{Begin, Network};
use super::outside::Outside;
use super::parent::Surroundings;
use super::shared::Shared;
use crate::feed::called::called;
use crate::feed::error::SourceError;
use crate::feed::sockets;
use crate::feed::source::{Push, Source};
use crate::feed::wanted::Wanted;
use crate::reach::Reach;

pub struct Handed {
    pub begin: Begin,
    file: Option<OwnedFd>,
    sockets: Vec<OwnedFd>,
    /// What is done for it meanwhile.
    pub outside: Option<Outside>,
}

impl Handed {
    /// For the source at `url`, if a source it is and no doors.
    ///
    /// # Errors
    /// It may not be connected to, cannot be read, or cannot be listened to.
    pub fn of(url: &Url, source: Option<&Source>, wanted: Wanted, around: &Surroundings) -> Result<Self, SourceError> {
        let Surroundings { apart, grid, clock, intake, decoding, .. } = *around;
        if source.is_some() {
            decoding.reach.of(url).scheme(url.scheme())?;
        }
        let file = source.map_or(Ok(None), |source| file_of(source, &decoding.reach))?;
        let mut sockets = source.map_or(Ok(Vec::new()), |source| sockets_of(source, &wanted, &decoding.reach))?;
        let no_pair = |error| SourceError::Pipeline(format!("no sockets: {error}"));
        let outside = source.map_or(Ok(None), Outside::of).map_err(no_pair)?.map(|(outside, end)| {
            sockets.push(end);
            outside
        });
        // A file was judged when it was opened; the child has it by another name.
        let reach = if file.is_some() { Reach::of_ones_own() } else { decoding.reach.clone() };
        let begin = Begin {
            url: source.map(|source| told(url, source)),
            wanted,
            fps: (grid.fps().num(), grid.fps().den()),
            live: intake.is_live(),
            max_sounds: decoding.max_sounds as u32,
            costs: decoding.costs.known(),
            now: clock.now().as_nanos(),
            network: source.map_or(Network::None, network_of),
            own_network: matches!(outside, Some(Outside::Calls(..) | Outside::Srt(..))),
            has_file: file.is_some(),
            once: file.is_some() && !source.is_some_and(Source::is_looped),
            memory_bytes: apart.memory_bytes,
            reach,
            limits: decoding.limits,
        };
        Ok(Self { begin, file, sockets, outside })
    }

    /// In the order in which the child takes them.
    pub fn descriptors<'a>(&'a self, shared: &'a Shared) -> Vec<BorrowedFd<'a>> {
        [shared.memory()].into_iter().chain(self.file.iter().chain(&self.sockets).map(AsFd::as_fd)).collect()
    }
}

/// The file that a source is, opened. What would block on opening is refused.
fn file_of(source: &Source, reach: &Reach) -> Result<Option<OwnedFd>, SourceError> {
    let Source::Pulled { uri, .. } = source else { return Ok(None) };
    let Some(url) = Url::parse(uri).ok().filter(|url| url.scheme() == "file") else { return Ok(None) };
    let Ok(path) = url.to_file_path() else { return Ok(None) };
    Ok(Some(reach.of(&url).open_file(&path)?.into()))
}

/// The sockets that a source listens at, opened. Names are looked up here: its process gets what it needs of them.
fn sockets_of(source: &Source, wanted: &Wanted, reach: &Reach) -> Result<Vec<OwnedFd>, SourceError> {
    match source {
        Source::Pushed(push @ (Push::Udp { .. } | Push::Rtp { .. })) => {
            sockets::open(&called(push, reach)?, wanted.reports)
        }
        _ => Ok(Vec::new()),
    }
}

/// The address of a source, as its child is told. What is read for it by HTTP it knows nothing of: there may be a password in it.
fn told(url: &Url, source: &Source) -> String {
    match source.on_http() {
        Some(_) if source.is_looped() => "http://elsewhere/#loop=1".into(),
        Some(_) => "http://elsewhere/".into(),
        None => url.to_string(),
    }
}

/// What a source takes of the network that nobody opens for it, where its child has none of its own.
fn network_of(source: &Source) -> Network {
    match source {
        Source::Pushed(Push::Udp { .. } | Push::Rtp { .. }) | Source::Synthetic(_) => Network::None,
        Source::Pushed(Push::Srt(_)) => Network::Datagrams,
        Source::Pulled { .. } => Network::None,
        Source::Pushed(Push::Rtmp { .. }) => Network::Any,
    }
}
