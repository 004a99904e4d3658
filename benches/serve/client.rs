//! The client of both servers: a few kept-alive connections, each asking for the same segment again as soon as it has it.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};

/// Connections at once.
const CONNECTIONS: usize = 4;

/// What to ask whom for.
#[derive(Clone)]
pub struct Target {
    /// Host and port.
    pub address: String,
    pub path: String,
    /// Bytes of its body.
    pub length: usize,
}

/// Fetches until `bytes` of bodies have come, all of them whole; how many they were.
pub fn fetch(target: &Target, bytes: u64) -> u64 {
    let left = AtomicU64::new(bytes.div_ceil(target.length as u64));
    let whole = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut connection = Connection::open(target);
                while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                    connection.get();
                    whole.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    whole.into_inner() * target.length as u64
}

/// The body of `target`.
pub fn body(target: &Target) -> Vec<u8> {
    let mut stream = TcpStream::connect(&target.address).expect("the server accepts connections");
    let request = format!("GET {} HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n", target.path);
    stream.write_all(request.as_bytes()).expect("the server reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("the server answers");
    answer.split_off(head_length(&answer).expect("a head"))
}

struct Connection<'a> {
    stream: TcpStream,
    request: String,
    target: &'a Target,
    buffer: Vec<u8>,
}

impl<'a> Connection<'a> {
    fn open(target: &'a Target) -> Self {
        let stream = TcpStream::connect(&target.address).expect("the server accepts connections");
        stream.set_nodelay(true).expect("a socket takes its options");
        let request = format!("GET {} HTTP/1.1\r\nHost: bench\r\n\r\n", target.path);
        Self { stream, request, target, buffer: vec![0; 256 * 1024] }
    }

    fn get(&mut self) {
        self.stream.write_all(self.request.as_bytes()).expect("the server reads");
        let mut read = self.stream.read(&mut self.buffer).expect("the server answers");
        let head = head_length(&self.buffer[..read]).expect("a head comes in one piece");
        assert!(self.buffer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&self.buffer[..head]));
        let whole = head + self.target.length;
        while read < whole {
            let more = self.stream.read(&mut self.buffer).expect("the server goes on");
            assert!(more > 0, "the server broke off");
            read += more;
        }
        assert_eq!(read, whole, "the body has another length");
    }
}

fn head_length(answer: &[u8]) -> Option<usize> {
    answer.windows(4).position(|w| w == b"\r\n\r\n").map(|at| at + 4)
}
