//! What goes between a network of a child's own and the world: packets on a pair of sockets, one end of them in each process.
//!
//! A packet is a byte that says what it is, the number of whom it concerns (four bytes, little endian), and what is sent. The system keeps
//! packets apart, and whoever sends waits for room.

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;

use rustix::io::retry_on_intr;
use rustix::net::{AddressFamily, SendAncillaryBuffer, SendFlags, SocketFlags, SocketType};

const HEAD_BYTES: usize = 5;
/// What one packet carries at most: any datagram.
pub const MOST_BYTES: usize = 1 << 16;

/// What a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A connection begins; of datagrams: the child is ready for them.
    Open,
    /// Bytes of a connection, or a datagram.
    Data,
    /// A connection has ended.
    Close,
}

impl Kind {
    const ALL: [Kind; 3] = [Kind::Open, Kind::Data, Kind::Close];
}

/// One end.
#[derive(Debug)]
pub struct Line(OwnedFd);

/// Where a packet is received to.
pub struct Packet(Vec<u8>);

impl Packet {
    pub fn new() -> Self {
        // A byte more than any may have: what fills it was too long.
        Self(vec![0; HEAD_BYTES + MOST_BYTES + 1])
    }
}

impl Line {
    /// Both ends; the second for the child.
    ///
    /// # Errors
    /// The system's.
    pub fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        Ok((Self(ours), theirs))
    }

    /// The child's, as it was received.
    pub fn of(end: OwnedFd) -> Self {
        Self(end)
    }

    /// # Errors
    /// The other end is gone.
    pub fn send(&self, kind: Kind, number: u32, bytes: &[u8]) -> io::Result<()> {
        let mut head = [kind as u8, 0, 0, 0, 0];
        head[1..].copy_from_slice(&number.to_le_bytes());
        let parts = [IoSlice::new(&head), IoSlice::new(bytes)];
        let send = || rustix::net::sendmsg(&self.0, &parts, &mut SendAncillaryBuffer::default(), SendFlags::NOSIGNAL);
        retry_on_intr(send)?;
        Ok(())
    }

    /// The next packet; `None` when there are no more.
    ///
    /// # Errors
    /// The socket's, and one of kind `InvalidData` for what is no packet.
    pub fn receive<'a>(&self, packet: &'a mut Packet) -> io::Result<Option<(Kind, u32, &'a [u8])>> {
        let count = retry_on_intr(|| rustix::io::read(&self.0, packet.0.as_mut_slice()))?;
        if count == 0 {
            return Ok(None);
        }
        let wrong = || io::Error::from(io::ErrorKind::InvalidData);
        let (head, bytes) = packet.0[..count].split_at_checked(HEAD_BYTES).ok_or_else(wrong)?;
        let (kind, number) = head.split_first_chunk::<1>().ok_or_else(wrong)?;
        let kind = Kind::ALL.into_iter().find(|known| *known as u8 == kind[0]).ok_or_else(wrong)?;
        let number = number.try_into().map(u32::from_le_bytes).map_err(|_| wrong())?;
        if bytes.len() > MOST_BYTES { Err(wrong()) } else { Ok(Some((kind, number, bytes))) }
    }

    /// Nobody waits at either end any more.
    pub fn end(&self) {
        // It fails where it has ended.
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }
}
