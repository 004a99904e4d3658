//! A network of a process's own, in which there is nobody but itself: what calls from there calls whoever listens there.
//!
//! It takes a network namespace, to which every user has a right within a user namespace of their own, unless the system forbids that:
//! containers often do.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use rustix::thread::UnshareFlags;

const LOOPBACK: &[u8] = b"lo";
/// Another address of it (netdevice(7): an alias, as older tools name them).
const ALIAS: &[u8] = b"lo:1";

#[cfg(test)]
pub static FORBIDDEN: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// Moves this thread, and those that it makes, into a network of their own, where `address` is this process's; false where the system
/// forbids it. To be called before there are other threads, and before rights are given up.
///
/// # Errors
/// It is in there, and cannot be reached at `address`.
pub fn enter(address: IpAddr) -> io::Result<bool> {
    #[cfg(test)]
    if FORBIDDEN.load(std::sync::atomic::Ordering::Relaxed) {
        return Ok(false);
    }
    let (network, rights) = (UnshareFlags::NEWNET, UnshareFlags::NEWUSER);
    // SAFETY: descriptors stay shared with all threads.
    let entered = unsafe { rustix::thread::unshare_unsafe(network) };
    // SAFETY: as above.
    if entered.or_else(|_| unsafe { rustix::thread::unshare_unsafe(network | rights) }).is_err() {
        return Ok(false);
    }
    let socket = socket(AddressFamily::INET)?;
    let mut up = request(LOOPBACK);
    up.ifr_ifru.ifru_flags = libc::IFF_UP as libc::c_short;
    change(&socket, libc::SIOCSIFFLAGS, &raw const up)?;
    match address {
        address if address.is_loopback() || address.is_unspecified() => {}
        IpAddr::V4(address) => add_v4(&socket, address)?,
        IpAddr::V6(address) => add_v6(address)?,
    }
    Ok(true)
}

fn add_v4(socket: &OwnedFd, address: Ipv4Addr) -> io::Result<()> {
    let mut alias = request(ALIAS);
    let told = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: u32::from(address).to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: the two are of one size, and any address is a socket's (sockaddr(3type)).
    alias.ifr_ifru.ifru_addr = unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(told) };
    change(socket, libc::SIOCSIFADDR, &raw const alias)
}

fn add_v6(address: Ipv6Addr) -> io::Result<()> {
    let socket = socket(AddressFamily::INET6)?;
    let index = rustix::net::netdevice::name_to_index(&socket, "lo")?;
    let added = libc::in6_ifreq {
        ifr6_addr: libc::in6_addr { s6_addr: address.octets() },
        ifr6_prefixlen: 128,
        ifr6_ifindex: i32::try_from(index).map_err(io::Error::other)?,
    };
    change(&socket, libc::SIOCSIFADDR, &raw const added)
}

fn socket(family: AddressFamily) -> io::Result<OwnedFd> {
    Ok(rustix::net::socket_with(family, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?)
}

fn request(device: &[u8]) -> libc::ifreq {
    let mut name = [0; libc::IFNAMSIZ];
    for (to, from) in name.iter_mut().zip(device) {
        *to = *from as libc::c_char;
    }
    // SAFETY: numbers and addresses may all be zero.
    let ifr_ifru = unsafe { std::mem::zeroed() };
    libc::ifreq { ifr_name: name, ifr_ifru }
}

/// Changes something of a device, as `wanted` says, which is what `what` takes.
fn change<T>(socket: &OwnedFd, what: libc::Ioctl, wanted: *const T) -> io::Result<()> {
    // SAFETY: each of these requests reads what it is given here, and writes nothing.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), what, wanted) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
