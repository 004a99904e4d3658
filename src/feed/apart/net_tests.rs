//! What children have of the network, which is nothing: files on HTTP, SRT and RTMP all the same.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use proptest::prelude::*;
use url::Url;

use super::asked::Ask;
use super::line::{Kind, Line, MOST_BYTES, Packet};
use super::message::Up;
use super::tests::{apart, descriptors, frame, is_child, played_by};
use super::*;
use crate::feed::fetch::tests::{head, reach, served};
use crate::feed::hostile_tests::{bench, file_server, refused};
use crate::feed::tests::{CLIP, Clip, grid, middle};
use crate::feed::{Decoding, Feed, FeedSpec, Outcome, Pace, Reason};
use crate::timeline::{Clock, FrameNumber, Grid, SystemClock};

/// What the tests' servers are at, judged as for an operator over REST.
const SERVERS: &str = "127.0.0.0/8";

fn decoding(apart: Arc<Apart>) -> Decoding {
    Decoding { apart: Some(apart), reach: reach(&[SERVERS]), ..Decoding::unlimited() }
}

fn pid(feed: &Feed) -> u32 {
    feed.health().child.and_then(|child| child.pid).expect("a child")
}

/// Sockets of the Internet's in this process's network that process `pid` has.
fn sockets(pid: u32) -> BTreeSet<String> {
    let links = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let links = links.filter_map(|link| Some(std::fs::read_link(link.path()).ok()?.to_str()?.to_owned()));
    let numbers: BTreeSet<_> =
        links.filter_map(|link| Some(link.strip_prefix("socket:[")?.trim_end_matches(']').to_owned())).collect();
    let tables = ["tcp", "tcp6", "udp", "udp6", "raw", "raw6", "packet"];
    let known = tables.iter().filter_map(|table| std::fs::read_to_string(format!("/proc/self/net/{table}")).ok());
    let known: BTreeSet<String> =
        known.flat_map(|table| table.split_whitespace().map(str::to_owned).collect::<Vec<_>>()).collect();
    numbers.intersection(&known).cloned().collect()
}

/// Whether threads of process `pid` are in another network than this one.
fn has_own_network(pid: u32) -> bool {
    let network = |path: String| std::fs::read_link(path).ok();
    let own = network("/proc/self/ns/net".into());
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
    tasks.filter_map(|task| network(format!("{}/ns/net", task.path().display()))).any(|theirs| Some(theirs) != own)
}

/// Whether the system lets processes have networks of their own.
fn can_be_had() -> bool {
    let there = std::thread::spawn(|| own_network::enter(IpAddr::from([127, 0, 0, 1])).is_ok_and(|entered| entered));
    let there = there.join().unwrap();
    if !there {
        eprintln!("LEFT OUT: the system forbids networks of one's own");
    }
    there
}

#[test]
fn a_file_on_http_is_read_for_a_child_that_has_no_network() {
    let folder = tempfile::tempdir().unwrap();
    let end = Clip { name: "end.mp4", ..CLIP };
    let begin = Clip { name: "begin.mp4", sound: (CLIP.sound.0, "-c:a aac -movflags +faststart"), ..CLIP };
    for (clip, ranged) in [(end, true), (begin, false)] {
        let body = std::fs::read(clip.make(folder.path())).unwrap();
        let body = if ranged { with_room_before_its_index(body) } else { body };
        let mut bench = bench(&file_server(body, ranged), decoding(apart()));
        let first = bench.until_live(3000);
        assert!(middle(&first.picture).abs_diff(40) <= 3, "{}", clip.name);
        assert_eq!(sockets(pid(&bench.feed)), BTreeSet::new());
        // The last three may be on their way when the file ends.
        for n in 1..25 {
            let (pick, _) = bench.tick();
            assert!(middle(&pick.picture).abs_diff(40 + 5 * n) <= 3, "{} {n}: {:?}", clip.name, bench.feed.health());
        }
        // The look whether it is a playlist, and the file; more where it jumped.
        let [asked, failed, bytes] = bench.feed.take_fetches();
        assert!(asked >= if ranged { 3 } else { 2 } && failed == 0 && bytes > 0, "{asked} {failed} {bytes}");
    }
}

/// More media than a demuxer reads over to get to the index.
fn with_room_before_its_index(mut body: Vec<u8>) -> Vec<u8> {
    let room = 16 << 20;
    let at = body.windows(4).position(|window| window == b"mdat").unwrap() - 4;
    let size = u32::from_be_bytes(body[at..at + 4].try_into().unwrap());
    body[at..at + 4].copy_from_slice(&(size + room).to_be_bytes());
    let end = at + size as usize;
    body.splice(end..end, vec![0; room as usize]);
    body
}

#[test]
fn nothing_is_left_of_what_was_done_for_children() {
    let folder = tempfile::tempdir().unwrap();
    let file = file_server(std::fs::read(CLIP.make(folder.path())).unwrap(), true);
    let run = || {
        bench(&file, decoding(apart())).until_live(3000);
        let (reason, _) = refused(&format!("rtmp://127.0.0.1:{}/live/a", free_port()), decoding(apart()));
        assert_eq!(reason, Reason::Unreachable);
    };
    run();
    let before = descriptors();
    (0..3).for_each(|_| run());
    let until = Instant::now() + Duration::from_secs(10);
    while descriptors() > before && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(descriptors() <= before, "{} and {before}", descriptors());
}

#[test]
fn a_stream_on_http_without_a_length_is_read_for_a_child() {
    let folder = tempfile::tempdir().unwrap();
    let body = std::fs::read(Clip { name: "a.ts", frames: 90, luma: |n| 40 + n as u8, ..CLIP }.make(folder.path()));
    let body = body.unwrap();
    let (address, _) = served("127.0.0.2", move |_, mut stream| {
        let _ = stream.write_all(head(200, "").as_bytes()).and_then(|()| stream.write_all(&body));
    });
    let mut bench = bench(&format!("http://{address}/a.ts#loop=1"), decoding(apart()));
    bench.until_live(3000);
    // Two laps: the second is asked for anew.
    for n in 0..200 {
        let (pick, _) = bench.tick();
        assert_eq!(pick.outcome, Outcome::OnTime, "{n}: {:?}", bench.feed.health());
    }
}

#[test]
fn what_may_not_be_reached_is_not_read_for_a_child_either() {
    let (inner, asked) = served("127.0.0.1", |_, mut stream| _ = stream.write_all(head(200, "").as_bytes()));
    let location = format!("Location: http://{inner}/film.mp4\r\n");
    // The look whether it is a playlist is not what is to find out.
    let looks = std::sync::atomic::AtomicUsize::new(0);
    let (redirecting, _) = served("127.0.0.2", move |_, mut stream| {
        let answer = match looks.fetch_add(1, Ordering::SeqCst) % 2 {
            0 => head(200, "Content-Length: 4\r\n") + "\0\0\0\x14",
            _ => head(302, &location),
        };
        let _ = stream.write_all(answer.as_bytes());
    });
    let decoding = || Decoding { reach: reach(&["127.0.0.2/32"]), ..decoding(apart()) };
    for source in [
        format!("http://{redirecting}/a.mp4"),
        format!("rtmp://127.1:{}/live/a", inner.port()),
        format!("srt://127.1:{}", inner.port()),
        format!("srt://127.0.0.1:{}?mode=listener", inner.port()),
    ] {
        let (reason, text) = refused(&source, decoding());
        assert_eq!(reason, Reason::Forbidden, "{source}: {text}");
        assert!(text.contains("loopback"), "{source}: {text}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

/// What a child that means no good asks for.
type Asks = fn(&mut UnixStream);

fn say(line: &mut UnixStream, asks: &[Ask]) {
    for ask in asks {
        let mut bytes = Vec::new();
        message::send(&mut bytes, ask, &[]).unwrap();
        let _ = line.write_all(&bytes);
    }
}

const ASKS: [(&str, Asks); 6] = [
    ("random bytes", |line| _ = line.write_all(&[&[6, 0, 0, 0][..], &[0xff; 6]].concat())),
    ("a question without end", |line| _ = line.write_all(&u32::MAX.to_le_bytes())),
    ("a place before there is a file", |line| say(line, &[Ask::Read { at: 0 }])),
    ("a place behind its end", |line| say(line, &[Ask::Open, Ask::Read { at: u64::MAX }])),
    ("something with its question", |line| {
        let mut bytes = Vec::new();
        message::send(&mut bytes, &Ask::Open, b"tail").unwrap();
        let _ = line.write_all(&bytes);
    }),
    ("more jumps than a server is to bear", |line| {
        let (mut from, mut buffer) = (line.try_clone().unwrap(), Vec::new());
        for n in 0..2000 {
            say(line, &[if n == 0 { Ask::Open } else { Ask::Read { at: n % 2 } }]);
            if !matches!(message::receive(&mut from, &mut buffer), Ok(Some(()))) {
                return;
            }
        }
    }),
];

/// Which it is the number of sounds says, which is all that such a child is told.
#[test]
fn plays_one_that_asks() {
    if !is_child() {
        return;
    }
    let mut pipe = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let mut handed = passing::receive(&pipe).unwrap().into_iter();
    let mut buffer = Vec::new();
    message::receive(&mut pipe, &mut buffer).unwrap();
    let (message::Down::Begin(begin), _) = message::parse(&buffer).unwrap() else { panic!() };
    assert_eq!((begin.network, begin.url.as_deref()), (message::Network::None, Some("http://elsewhere/")));
    let _ = pipe.write_all(&frame(&Up::Ready { missing: Vec::new() }, &[]));
    let mut line = UnixStream::from(handed.nth(1).unwrap());
    ASKS[begin.max_sounds as usize].1(&mut line);
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let _ = pipe.write_all(&frame(&Up::Beat, &[]));
    }
}

#[test]
fn a_child_that_asks_for_what_cannot_be_is_ended() {
    let file = file_server(vec![7; 4096], true);
    for (n, (what, _)) in ASKS.iter().enumerate() {
        let decoding = Decoding { max_sounds: n, ..decoding(played_by("net_tests::plays_one_that_asks")) };
        let mut bench = bench(&file, decoding);
        let until = Instant::now() + Duration::from_secs(30);
        let why = |bench: &crate::feed::tests::Bench| bench.feed.health().child.and_then(|child| child.ended);
        while why(&bench).is_none() && Instant::now() < until {
            assert_eq!(bench.tick().0.outcome, Outcome::Slate, "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(why(&bench), Some(Ended::Lied), "{what}: {:?}", bench.feed.health());
    }
}

/// A feed in real time, as of sources that send by their own clock.
struct Live {
    feed: Arc<Feed>,
    clock: Arc<dyn Clock>,
    grid: Grid,
    frame: FrameNumber,
}

impl Live {
    fn new(source: &str, decoding: Decoding) -> Self {
        crate::feed::init().unwrap();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let grid = grid("30");
        let sources = vec![Url::parse(source).unwrap()];
        let spec = FeedSpec { key: "l".into(), title: "L".into(), sources };
        let feed = Feed::start_within(spec, grid, Arc::clone(&clock), Pace::Realtime, decoding);
        let frame = grid.frame_at(clock.now()) + 1;
        Self { feed, clock, grid, frame }
    }

    fn until_live(&mut self) {
        let until = Instant::now() + Duration::from_secs(30);
        while Instant::now() < until {
            self.clock.wait_until(self.grid.frame_time(self.frame), Duration::from_secs(1));
            let pick = self.feed.picture_at(self.frame);
            self.feed.sound_at(self.grid.sample_at_frame(self.frame)..self.grid.sample_at_frame(self.frame + 1));
            self.frame += 1;
            if pick.outcome == Outcome::OnTime {
                return;
            }
        }
        panic!("no picture: {:?}", self.feed.health());
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.feed.stop();
    }
}

/// FFmpeg sends a clip, over and over.
struct Peer(Child);

impl Peer {
    fn start(clip: &Path, to: &str) -> Self {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-re", "-stream_loop", "-1", "-i"]).arg(clip).args(["-c", "copy", "-f", "mpegts"]);
        Self(command.arg(to).stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn sent(folder: &Path) -> PathBuf {
    Clip { name: "sent.ts", frames: 150, luma: |n| 40 + n as u8, ..CLIP }.make(folder)
}

#[test]
fn srt_is_called_and_listened_to_for_a_child_in_a_network_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let clip = sent(folder.path());
    let there = can_be_had();
    let secret = "passphrase=correct-horse-1";
    for (ours, theirs) in [("caller", "listener"), ("listener", "caller")] {
        let port = free_port();
        let peer = || Peer::start(&clip, &format!("srt://127.0.0.1:{port}?mode={theirs}&{secret}"));
        let first = (theirs == "listener").then(peer);
        let mut live = Live::new(&format!("srt://127.0.0.1:{port}?mode={ours}&{secret}"), decoding(apart()));
        let _peer = first.unwrap_or_else(|| {
            std::thread::sleep(Duration::from_secs(1));
            peer()
        });
        live.until_live();
        assert_eq!(has_own_network(pid(&live.feed)), there, "{ours}");
        assert!(!there || sockets(pid(&live.feed)).is_empty(), "{ours}");
    }
}

#[test]
fn plays_a_child_without_a_network_of_its_own() {
    if is_child() {
        own_network::FORBIDDEN.store(true, Ordering::Relaxed);
        child();
        std::process::exit(0);
    }
}

#[test]
fn where_the_system_forbids_networks_of_ones_own_a_child_calls_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let (clip, port) = (sent(folder.path()), free_port());
    let forbidden = played_by("net_tests::plays_a_child_without_a_network_of_its_own");
    let _peer = Peer::start(&clip, &format!("srt://127.0.0.1:{port}?mode=listener"));
    let mut live = Live::new(&format!("srt://127.1:{port}"), decoding(forbidden));
    live.until_live();
    assert!(!has_own_network(pid(&live.feed)) && !sockets(pid(&live.feed)).is_empty());
}

#[test]
fn rtmp_is_played_by_a_child_in_a_network_of_its_own_and_its_server_is_told_the_name() {
    let folder = tempfile::tempdir().unwrap();
    let clip = Clip { name: "sent.flv", frames: 300, luma: |n| 40 + (n / 2) as u8, ..CLIP }.make(folder.path());
    let media = std::fs::read(clip).unwrap();
    let there = can_be_had();
    let local = ("127.0.0.2".to_owned(), IpAddr::from([127, 0, 0, 2]));
    for (host, at) in [Some(local), number_of_ones_own(), name_of_ones_own()].into_iter().flatten() {
        let (server, told) = rtmp_server(at, media.clone());
        let reach = reach(&[&ipnet::IpNet::from(at).to_string()]);
        let source = format!("rtmp://{host}:{}/live/ants", server.port());
        let mut live = Live::new(&source, Decoding { reach, ..decoding(apart()) });
        live.until_live();
        assert_eq!(has_own_network(pid(&live.feed)), there, "{host}");
        assert!(!there || sockets(pid(&live.feed)).is_empty(), "{host}");
        let called = told.recv_timeout(Duration::from_secs(1)).unwrap();
        // Without a network of its own an element is told the number that was judged.
        let name = if there { host } else { SocketAddr::new(at, 0).to_string().trim_end_matches(":0").to_owned() };
        assert_eq!(called, format!("rtmp://{name}:{}/live", server.port()));
    }
}

/// A name of this machine, and where it is found, if it has one that is not known to whoever looks up names.
fn name_of_ones_own() -> Option<(String, IpAddr)> {
    let own = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    let found = [own, "ip6-localhost".to_owned()].into_iter().find_map(|name| {
        let ip = std::net::ToSocketAddrs::to_socket_addrs(&(name.as_str(), 0)).ok()?.next()?.ip();
        TcpListener::bind((ip, 0)).is_ok().then_some((name, ip))
    });
    if found.is_none() {
        eprintln!("LEFT OUT: this machine has no name");
    }
    found
}

/// An address of this machine that others know it by, if it has one.
fn number_of_ones_own() -> Option<(String, IpAddr)> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    // Nothing is sent.
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback() && !ip.is_unspecified()).then(|| (ip.to_string(), ip))
}

/// A server of RTMP that plays `media` (FLV) to whoever comes; where it is, and what it was called.
fn rtmp_server(at: IpAddr, media: Vec<u8>) -> (SocketAddr, crossbeam_channel::Receiver<String>) {
    let listener = TcpListener::bind((at, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let (told, calls) = crossbeam_channel::unbounded();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (media, told) = (media.clone(), told.clone());
            // Who hangs up is of no concern.
            std::thread::spawn(move || _ = play(stream, &media, &told));
        }
    });
    (address, calls)
}

/// A message of RTMP (1.0, 5.3.1.1: the long head), in one chunk.
fn rtmp(kind: u8, stream: u8, at_ms: u32, body: &[u8]) -> Vec<u8> {
    let (at, length) = (at_ms.to_be_bytes(), (body.len() as u32).to_be_bytes());
    [&[3][..], &at[1..], &length[1..], &[kind, stream, 0, 0, 0], body].concat()
}

fn amf_text(text: &str) -> Vec<u8> {
    [&[2][..], &(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

fn amf_number(number: f64) -> Vec<u8> {
    [&[0][..], &number.to_be_bytes()[..]].concat()
}

fn amf_status(code: &str) -> Vec<u8> {
    let pair = |name: &str, value: &str| [&amf_text(name)[1..], &amf_text(value)].concat();
    [&[3][..], &pair("level", "status"), &pair("code", code), &[0, 0, 9]].concat()
}

fn play(mut stream: TcpStream, media: &[u8], told: &Sender<String>) -> std::io::Result<()> {
    let mut hello = vec![0; 1537];
    stream.read_exact(&mut hello)?;
    stream.write_all(&[&hello[..1], &[0; 1536], &hello[1..]].concat())?;
    stream.read_exact(&mut hello[1..])?;
    let mut heard = Vec::new();
    let find = |heard: &[u8], wanted: &[u8]| heard.windows(wanted.len()).position(|window| window == wanted);
    // Until `command` and its number are there.
    let mut await_command = |stream: &mut TcpStream, command: &str, more: usize| -> std::io::Result<Vec<u8>> {
        let mut buffer = [0; 4096];
        loop {
            if let Some(at) = find(&heard, &amf_text(command)).filter(|at| heard.len() >= at + more) {
                return Ok(heard.split_off(at));
            }
            match stream.read(&mut buffer)? {
                0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
                count => heard.extend_from_slice(&buffer[..count]),
            }
        }
    };
    // Chunks are as long as may be from here on, both windows too.
    stream.write_all(&rtmp(1, 0, 0, &0x00ff_ffff_u32.to_be_bytes()))?;
    let connect = await_command(&mut stream, "connect", 120)?;
    // Each 128 bytes of a message end with a head of one byte; what comes before the command is one of twelve.
    let plain: Vec<u8> = connect.chunks(129).flat_map(|chunk| chunk.iter().take(128).copied()).collect();
    let at = find(&plain, b"tcUrl\x02").unwrap() + 6;
    let length = usize::from(u16::from_be_bytes([plain[at], plain[at + 1]]));
    let _ = told.send(String::from_utf8_lossy(&plain[at + 2..at + 2 + length]).into_owned());
    let done = |number: f64, what: &[u8]| {
        rtmp(20, 0, 0, &[&amf_text("_result")[..], &amf_number(number), &[5], what].concat())
    };
    stream.write_all(&done(1.0, &amf_status("NetConnection.Connect.Success")))?;
    let number = await_command(&mut stream, "createStream", 3 + 12 + 9)?;
    let number = f64::from_be_bytes(number[3 + 12 + 1..][..8].try_into().unwrap());
    stream.write_all(&done(number, &amf_number(1.0)))?;
    await_command(&mut stream, "play", 16)?;
    let begins = [&amf_text("onStatus")[..], &amf_number(0.0), &[5], &amf_status("NetStream.Play.Start")].concat();
    stream.write_all(&rtmp(20, 1, 0, &begins))?;
    // FLV's own messages, each with eleven bytes in front and four behind.
    let (mut rest, begun) = (&media[13..], Instant::now());
    while let Some((tag, more)) = rest.split_at_checked(11) {
        let length = u32::from_be_bytes([0, tag[1], tag[2], tag[3]]) as usize;
        let at_ms = u32::from_be_bytes([tag[7], tag[4], tag[5], tag[6]]);
        std::thread::sleep(Duration::from_millis(at_ms.into()).saturating_sub(begun.elapsed()));
        stream.write_all(&rtmp(tag[0], 1, at_ms, &more[..length]))?;
        rest = &more[length + 4..];
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_packet_is_too_strange_to_be_read(bytes in prop::collection::vec(any::<u8>(), 1..40)) {
        let (line, end) = Line::pair().unwrap();
        rustix::io::write(&end, &bytes).unwrap();
        let mut packet = Packet::new();
        let read = line.receive(&mut packet);
        match read {
            Ok(Some((kind, _, rest))) => {
                prop_assert!(bytes.len() >= 5 && bytes[0] == kind as u8 && rest == &bytes[5..]);
            }
            Ok(None) => prop_assert!(false, "it is there"),
            Err(error) => {
                prop_assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
                prop_assert!(bytes.len() < 5 || bytes[0] > Kind::Close as u8);
            }
        }
    }
}

#[test]
fn packets_are_kept_apart_and_none_is_longer_than_may_be() {
    let (line, end) = Line::pair().unwrap();
    let (end, mut packet) = (Line::of(end), Packet::new());
    for (kind, number, bytes) in [(Kind::Open, 1, 0), (Kind::Data, 7, MOST_BYTES), (Kind::Close, u32::MAX, 3)] {
        line.send(kind, number, &vec![5; bytes]).unwrap();
        let (got, at, rest) = end.receive(&mut packet).unwrap().unwrap();
        assert_eq!((got, at, rest), (kind, number, &vec![5; bytes][..]));
    }
    line.send(Kind::Data, 1, &vec![5; MOST_BYTES + 1]).unwrap();
    assert_eq!(end.receive(&mut packet).unwrap_err().kind(), std::io::ErrorKind::InvalidData);
    line.end();
    assert!(end.receive(&mut packet).unwrap().is_none());
}
