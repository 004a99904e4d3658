//! The child's end of what its parent does of the network: in a network of the child's own it stands for the server that is called, or for
//! those who call.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use url::Url;

use super::line::{Kind, Line, Packet};
use super::outside::{CHUNK_BYTES, MOST_PEERS};
use super::{own_network, resolver, thread};
use crate::config::{SrtMode, SrtSource};
use crate::feed::called::RTMP_PORT;
use crate::feed::source::{Push, Source};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// Where SRT listens in here: its callers are told by whoever listens outside.
const SRT_PORT: u16 = 9000;
/// How often whoever waits for datagrams looks whether its peer was given up.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A socket that cannot be read from is left alone for so long: who is called may not listen yet.
const PAUSE: Duration = Duration::from_millis(20);

/// What stands for the world.
pub struct Relay {
    line: Arc<Line>,
    entry: Entry,
    source: Source,
}

enum Entry {
    /// The server that is called.
    Server(TcpListener),
    /// The one that sends and receives datagrams.
    Peer(UdpSocket),
    /// Those who call.
    Callers,
}

impl Relay {
    /// Moves the process into a network of its own, where the source at `url` is what `line` leads to; `None` where the system forbids it.
    /// To be called before there are other threads, and before rights are given up.
    ///
    /// # Errors
    /// It is in a network in which it can do nothing.
    pub fn enter(url: &str, line: OwnedFd) -> io::Result<Option<Self>> {
        let wrong = || io::Error::from(io::ErrorKind::InvalidInput);
        let source = Source::parse(&Url::parse(url).map_err(|_| wrong())?).map_err(|_| wrong())?;
        let line = Arc::new(Line::of(line));
        let (entry, source) = match source {
            Source::Pushed(Push::Rtmp { uri }) => {
                let url = Url::parse(&uri).map_err(|_| wrong())?;
                let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
                // A number is called as it is, and a name as whatever it is found to be: what the server is told is what was written.
                let at = host.parse().unwrap_or(HERE);
                if !own_network::enter(at)? {
                    return Ok(None);
                }
                let listener = TcpListener::bind((at, url.port().unwrap_or(RTMP_PORT)))?;
                (Entry::Server(listener), Source::Pushed(Push::Rtmp { uri }))
            }
            Source::Pushed(Push::Srt(srt)) => {
                if !own_network::enter(HERE)? {
                    return Ok(None);
                }
                let (entry, port) = match srt.mode {
                    SrtMode::Caller => {
                        let socket = UdpSocket::bind((HERE, 0))?;
                        let port = socket.local_addr()?.port();
                        (Entry::Peer(socket), port)
                    }
                    SrtMode::Listener => (Entry::Callers, SRT_PORT),
                };
                let host = HERE.to_string();
                let inside = SrtSource { host, port, local_address: None, local_port: None, ..srt };
                (entry, Source::Pushed(Push::Srt(inside)))
            }
            _ => return Err(wrong()),
        };
        Ok(Some(Self { line, entry, source }))
    }

    /// Begins to hand on; returns the source as it is found in here.
    ///
    /// # Errors
    /// No threads.
    pub fn start(self) -> io::Result<Source> {
        let Self { line, entry, source } = self;
        match entry {
            Entry::Server(listener) => {
                resolver::find_all_here();
                let called = Arc::new(Called::default());
                let (to, calls) = (Arc::clone(&line), Arc::clone(&called));
                thread("relay-out", move || serve(&listener, &to, &calls))?;
                thread("relay-in", move || called.hear(&line))?;
            }
            Entry::Peer(socket) => {
                let peer = Arc::new(Peer { socket, inside: Mutex::default() });
                line.send(Kind::Open, 0, &[])?;
                let (to, from) = (Arc::clone(&line), Arc::clone(&peer));
                thread("relay-out", move || from.listen(&to, 0))?;
                thread("relay-in", move || {
                    let mut packet = Packet::new();
                    while let Ok(Some((_, _, bytes))) = line.receive(&mut packet) {
                        peer.tell(bytes);
                    }
                })?;
            }
            Entry::Callers => {
                line.send(Kind::Open, 0, &[])?;
                thread("relay-in", move || Callers::default().hear(&line))?;
            }
        }
        Ok(source)
    }
}

/// The connection to the server that is under way: its number, and its end in here. There is one at a time, and of those that a login
/// takes one after another.
#[derive(Default)]
struct Called(Mutex<Option<(u32, TcpStream)>>);

/// Hands on what the server is sent, connection after connection.
fn serve(listener: &TcpListener, line: &Line, called: &Called) {
    let mut buffer = vec![0; CHUNK_BYTES];
    for (number, accepted) in (1..).zip(listener.incoming()) {
        let Ok(mut stream) = accepted else { return };
        let Ok(own) = stream.try_clone() else { continue };
        *called.0.lock() = Some((number, own));
        if line.send(Kind::Open, number, &[]).is_err() {
            return;
        }
        while let Ok(count @ 1..) = stream.read(&mut buffer) {
            if line.send(Kind::Data, number, &buffer[..count]).is_err() {
                return;
            }
        }
        called.0.lock().take_if(|(at, _)| *at == number);
        if line.send(Kind::Close, number, &[]).is_err() {
            return;
        }
    }
}

impl Called {
    /// Hands on what the server says.
    fn hear(&self, line: &Line) {
        let mut packet = Packet::new();
        while let Ok(Some((kind, number, bytes))) = line.receive(&mut packet) {
            let known = self.0.lock().as_ref().filter(|(at, _)| *at == number).map(|(_, stream)| stream.try_clone());
            let Some(Ok(mut stream)) = known else { continue };
            let done = match kind {
                Kind::Data => stream.write_all(bytes),
                Kind::Open | Kind::Close => Err(io::ErrorKind::UnexpectedEof.into()),
            };
            if done.is_err() {
                // Whoever reads from it finds the end.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
        if let Some((_, stream)) = self.0.lock().take() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Somebody outside, as they are in here: a socket of their own.
struct Peer {
    socket: UdpSocket,
    /// Who talks to them.
    inside: Mutex<Option<SocketAddr>>,
}

impl Peer {
    /// Hands on what they are told, until they are given up or the line is gone.
    fn listen(self: &Arc<Self>, line: &Line, number: u32) {
        let mut buffer = vec![0; 1 << 16];
        let _ = self.socket.set_read_timeout(Some(LOOK_EVERY));
        // One who was given up is known here alone.
        while Arc::strong_count(self) > 1 {
            match self.socket.recv_from(&mut buffer) {
                Ok((count, from)) => {
                    *self.inside.lock() = Some(from);
                    if line.send(Kind::Data, number, &buffer[..count]).is_err() {
                        return;
                    }
                }
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
                Err(_) => std::thread::sleep(PAUSE),
            }
        }
    }

    /// What is told before anybody asked is lost, as it would be outside.
    fn tell(&self, bytes: &[u8]) {
        if let Some(inside) = *self.inside.lock() {
            let _ = self.socket.send_to(bytes, inside);
        }
    }
}

/// Those who call a listener, by the parent's numbers.
#[derive(Default)]
struct Callers(BTreeMap<u32, (Arc<Peer>, Instant)>);

impl Callers {
    fn hear(&mut self, line: &Arc<Line>) {
        let mut packet = Packet::new();
        while let Ok(Some((_, number, bytes))) = line.receive(&mut packet) {
            if let Some(peer) = self.peer(number, line) {
                peer.tell(bytes);
            }
        }
    }

    fn peer(&mut self, number: u32, line: &Arc<Line>) -> Option<Arc<Peer>> {
        if let Some((peer, heard)) = self.0.get_mut(&number) {
            *heard = Instant::now();
            return Some(Arc::clone(peer));
        }
        // The parent has as many, and gives up who was silent longest.
        if self.0.len() >= MOST_PEERS {
            let oldest = self.0.iter().min_by_key(|(_, (_, heard))| *heard).map(|(number, _)| *number)?;
            self.0.remove(&oldest);
        }
        let socket = UdpSocket::bind((HERE, 0)).ok()?;
        let peer = Arc::new(Peer { socket, inside: Mutex::new(Some((HERE, SRT_PORT).into())) });
        let (to, own) = (Arc::clone(line), Arc::clone(&peer));
        thread("relay-out", move || own.listen(&to, number)).ok()?;
        self.0.insert(number, (Arc::clone(&peer), Instant::now()));
        Some(peer)
    }
}
