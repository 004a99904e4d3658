//! What this process does of the network for a child's source: reads its file, calls its server, listens for its callers. The child has a
//! pair of sockets to here and no others.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use url::Url;

use super::asked::Answering;
use super::line::{Kind, Line, Packet};
use super::message::Lie;
use super::parent::Link;
use super::thread;
use super::watched::Ended;
use crate::config::{SrtMode, SrtSource};
use crate::feed::called::{RTMP_PORT, called};
use crate::feed::error::SourceError;
use crate::feed::fetch::Fetcher;
use crate::feed::health::Reason;
use crate::feed::room::Decoding;
use crate::feed::sockets;
use crate::feed::source::{Push, Source};
use crate::reach::Reach;

/// Bytes of a connection in one packet.
pub const CHUNK_BYTES: usize = 32 << 10;
/// Those who call a listener that are known at once. A game has one; others knock, and are turned away.
pub const MOST_PEERS: usize = 16;
/// Who was silent for so long makes room for another.
const PEER_PATIENCE: Duration = Duration::from_secs(5);
/// Connections of one run: a login takes three.
const MOST_CALLS: u32 = 8;
const CONNECT_PATIENCE: Duration = Duration::from_secs(4);
/// A server that takes nothing for so long is gone.
const WRITE_PATIENCE: Duration = Duration::from_secs(5);
/// How often whoever waits for datagrams looks whether the run is over.
const LOOK_EVERY: Duration = Duration::from_millis(250);

const PAUSE: Duration = Duration::from_millis(20);

/// What is to be done, once the child is there.
pub enum Outside {
    /// A file on HTTP.
    Reads(UnixStream, Url),
    Calls(Line, Url),
    Srt(Line, SrtSource),
}

impl Outside {
    /// What `source` takes of it, and the end that its child gets.
    ///
    /// # Errors
    /// No sockets.
    pub fn of(source: &Source) -> io::Result<Option<(Self, OwnedFd)>> {
        if let Some(url) = source.on_http() {
            let (ours, theirs) = UnixStream::pair()?;
            return Ok(Some((Self::Reads(ours, url), theirs.into())));
        }
        Ok(match source {
            Source::Pushed(Push::Rtmp { uri }) => {
                let url = Url::parse(uri).map_err(io::Error::other)?;
                let (ours, theirs) = Line::pair()?;
                Some((Self::Calls(ours, url), theirs))
            }
            Source::Pushed(Push::Srt(srt)) => {
                let (ours, theirs) = Line::pair()?;
                Some((Self::Srt(ours, srt.clone()), theirs))
            }
            _ => None,
        })
    }

    /// Begins to do it, on threads that end with what is returned.
    ///
    /// # Errors
    /// No thread.
    pub fn start(self, link: &Arc<Link>, decoding: &Decoding) -> io::Result<Outgoing> {
        let link = Arc::clone(link);
        match self {
            Self::Reads(line, url) => {
                let fetcher = Fetcher::new(&url, &decoding.reach).counting(Arc::clone(&decoding.fetches));
                let fetcher = Arc::new(fetcher);
                let outgoing = Outgoing::Reads(line.try_clone()?, Arc::clone(&fetcher));
                let answering = Answering { line, url, fetcher, link };
                thread("feed-http", move || answering.work())?;
                Ok(outgoing)
            }
            Self::Calls(line, url) => {
                let line = Arc::new(line);
                let outgoing = Outgoing::Line(Arc::clone(&line));
                let mut calls = Calls { line, url, reach: decoding.reach.clone(), link, number: 0, server: None };
                thread("feed-calls", move || calls.work())?;
                Ok(outgoing)
            }
            Self::Srt(line, srt) => {
                let line = Arc::new(line);
                let outgoing = Outgoing::Line(Arc::clone(&line));
                let reach = decoding.reach.clone();
                thread("feed-srt", move || datagrams(&line, &srt, &reach, &link))?;
                Ok(outgoing)
            }
        }
    }
}

/// What is done for a child. It ends with this.
pub enum Outgoing {
    Reads(UnixStream, Arc<Fetcher>),
    Line(Arc<Line>),
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        match self {
            Self::Reads(line, fetcher) => {
                fetcher.stop();
                // It fails where the other end is gone.
                let _ = line.shutdown(Shutdown::Both);
            }
            Self::Line(line) => line.end(),
        }
    }
}

fn unreachable(what: &str, error: &io::Error) -> SourceError {
    SourceError::Element { reason: Reason::Unreachable, text: format!("{what}: {error}") }
}

/// What a child says over a line that is none of a line's packets ends it.
fn heard<'a>(line: &Line, packet: &'a mut Packet, link: &Link) -> Option<(Kind, u32, &'a [u8])> {
    line.receive(packet).unwrap_or_else(|error| {
        if error.kind() == io::ErrorKind::InvalidData {
            link.lied(&Lie::Malformed);
        }
        None
    })
}

/// The server that a child calls, connection after connection.
struct Calls {
    line: Arc<Line>,
    url: Url,
    reach: Reach,
    link: Arc<Link>,
    /// Of the connection that is under way.
    number: u32,
    server: Option<TcpStream>,
}

impl Calls {
    fn work(&mut self) {
        // What may not be called is not waited for: an element may have its own reasons not to call it.
        if let Err(error) = self.addresses() {
            self.link.fail(Ended::Source, error);
            return self.line.end();
        }
        let (line, link, mut packet, mut calls) = (Arc::clone(&self.line), Arc::clone(&self.link), Packet::new(), 0);
        while let Some((kind, number, bytes)) = heard(&line, &mut packet, &link) {
            match kind {
                Kind::Open if calls >= MOST_CALLS => {
                    link.lied(&Lie::Flood("connections"));
                    break;
                }
                Kind::Open => {
                    calls += 1;
                    if let Err(error) = self.call(number) {
                        // Our word comes before the element's, which knows less.
                        link.fail(Ended::Source, error);
                        break;
                    }
                }
                Kind::Data if number == self.number => {
                    // That it failed is found by whoever reads from it.
                    let _ = self.server.as_mut().map_or(Ok(()), |server| server.write_all(bytes));
                }
                Kind::Close if number == self.number => self.hang_up(),
                // Of a connection that was closed meanwhile.
                Kind::Data | Kind::Close => {}
            }
        }
        self.hang_up();
        line.end();
    }

    fn hang_up(&mut self) {
        if let Some(server) = self.server.take() {
            let _ = server.shutdown(Shutdown::Both);
        }
    }

    /// Where the server is, looked up and judged now.
    fn addresses(&self) -> Result<Vec<SocketAddr>, SourceError> {
        let host = self.url.host_str().unwrap_or_default();
        let pass = self.reach.naming(host);
        pass.scheme(self.url.scheme())?;
        Ok(pass.addresses(host, self.url.port().unwrap_or(RTMP_PORT))?)
    }

    /// Connects to the server.
    fn call(&mut self, number: u32) -> Result<(), SourceError> {
        self.hang_up();
        let broken = |error: io::Error| unreachable("the server cannot be called", &error);
        let server = connected(&self.addresses()?).map_err(broken)?;
        server.set_write_timeout(Some(WRITE_PATIENCE)).map_err(broken)?;
        let mut from = server.try_clone().map_err(broken)?;
        let line = Arc::clone(&self.line);
        let hand_on = move || {
            let mut buffer = vec![0; CHUNK_BYTES];
            while let Ok(count @ 1..) = from.read(&mut buffer) {
                if line.send(Kind::Data, number, &buffer[..count]).is_err() {
                    return;
                }
            }
            // The child may be gone.
            let _ = line.send(Kind::Close, number, &[]);
        };
        thread("feed-server", hand_on).map_err(broken)?;
        (self.number, self.server) = (number, Some(server));
        Ok(())
    }
}

fn connected(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses.iter().take(3) {
        match TcpStream::connect_timeout(address, CONNECT_PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Those who call a listener: where each is, its number for the child, and when it was heard last.
#[derive(Default)]
struct Peers {
    known: BTreeMap<SocketAddr, (u32, Instant)>,
    last: u32,
}

impl Peers {
    /// The number of whoever is at `from`; `None` where there is no room for another.
    fn heard(&mut self, from: SocketAddr) -> Option<u32> {
        let now = Instant::now();
        if let Some((number, heard)) = self.known.get_mut(&from) {
            *heard = now;
            return Some(*number);
        }
        if self.known.len() >= MOST_PEERS {
            let (oldest, (_, heard)) = self.known.iter().min_by_key(|(_, (_, heard))| *heard)?;
            if now.duration_since(*heard) < PEER_PATIENCE {
                return None;
            }
            let oldest = *oldest;
            self.known.remove(&oldest);
        }
        self.last = self.last.wrapping_add(1);
        self.known.insert(from, (self.last, now));
        Some(self.last)
    }

    fn at(&self, number: u32) -> Option<SocketAddr> {
        self.known.iter().find(|(_, (known, _))| *known == number).map(|(at, _)| *at)
    }
}

/// Hands on the datagrams of SRT, from when the child is ready for them.
fn datagrams(line: &Arc<Line>, srt: &SrtSource, reach: &Reach, link: &Arc<Link>) {
    let mut packet = Packet::new();
    // A child that has no network of its own does it by itself.
    if heard(line, &mut packet, link).is_none() {
        return;
    }
    let listens = srt.mode == SrtMode::Listener;
    let (socket, peers) = match opened(srt, reach) {
        Ok(socket) => (Arc::new(socket), Arc::new(Mutex::new(Peers::default()))),
        Err(error) => {
            link.fail(Ended::Source, error);
            return line.end();
        }
    };
    let (to, from, known, told) = (Arc::clone(line), Arc::clone(&socket), Arc::clone(&peers), Arc::clone(link));
    let listen = move || {
        let mut buffer = vec![0; 1 << 16];
        while !told.is_over() {
            let (count, from) = match from.recv_from(&mut buffer) {
                Ok(got) => got,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => continue,
                // As of a peer that does not listen yet: it may come.
                Err(_) => {
                    std::thread::sleep(PAUSE);
                    continue;
                }
            };
            let number = if listens { known.lock().heard(from) } else { Some(0) };
            let Some(number) = number else { continue };
            if to.send(Kind::Data, number, &buffer[..count]).is_err() {
                return;
            }
        }
    };
    if let Err(error) = thread("feed-datagrams", listen) {
        link.fail(Ended::Source, unreachable("no thread", &error));
        return line.end();
    }
    while let Some((_, number, bytes)) = heard(line, &mut packet, link) {
        // What does not get there is what SRT is for.
        if !listens {
            let _ = socket.send(bytes);
        } else if let Some(peer) = peers.lock().at(number) {
            let _ = socket.send_to(bytes, peer);
        }
    }
    line.end();
}

/// The socket that SRT calls from, or is called at.
fn opened(srt: &SrtSource, reach: &Reach) -> Result<UdpSocket, SourceError> {
    let broken = |error: io::Error| unreachable("no datagrams", &error);
    let cannot = |address: &str, port: u16, error: &io::Error| {
        SourceError::Pipeline(format!("cannot listen at {address}, port {port}: {error}"))
    };
    let socket = if srt.mode == SrtMode::Listener {
        let Push::Srt(judged) = called(&Push::Srt(srt.clone()), reach)? else {
            return Err(SourceError::Pipeline("no address".into()));
        };
        let SrtSource { host, port, .. } = judged;
        UdpSocket::from(sockets::listen(&host, port, None).map_err(|error| cannot(&host, port, &error))?)
    } else {
        let pass = reach.naming(&srt.host);
        pass.scheme("srt")?;
        let peer = pass.addresses(&srt.host, srt.port)?.into_iter().next();
        let peer = peer.ok_or_else(|| broken(io::ErrorKind::AddrNotAvailable.into()))?;
        let any = if peer.is_ipv4() { "0.0.0.0" } else { "::" };
        let from = srt.local_address.map_or_else(|| any.to_owned(), |address| address.to_string());
        let port = srt.local_port.unwrap_or(0);
        let socket = UdpSocket::from(sockets::listen(&from, port, None).map_err(|error| cannot(&from, port, &error))?);
        // Nobody else is heard from now on.
        socket.connect(peer).map_err(broken)?;
        socket
    };
    socket.set_nonblocking(false).and_then(|()| socket.set_read_timeout(Some(LOOK_EVERY))).map_err(broken)?;
    Ok(socket)
}
