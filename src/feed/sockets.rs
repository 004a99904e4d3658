//! The sockets that datagrams of a source come to. They are opened here, by numbers that were judged, and handed to the elements that read them: in a
//! process of its own, too, which then needs no right to open any.

use std::ffi::c_int;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::os::fd::{AsRawFd, OwnedFd};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::glib::translate::from_glib_full;
use gstreamer::prelude::*;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use super::error::SourceError;
use super::source::Push;

/// What the system keeps of what was not read yet, in bytes, where it may: a quarter of a second of 64 Mb/s.
const BUFFER_BYTES: usize = 2 << 20;

/// Opens what `push` listens at: the socket of its datagrams, and that of its reports where they are wanted, which come to the
/// port after it. None for what is called, or listens by itself.
///
/// # Errors
/// It cannot be listened there.
pub(super) fn open(push: &Push, reports: bool) -> Result<Vec<OwnedFd>, SourceError> {
    let (address, port, interface, reports) = match push {
        Push::Udp { address, port, interface } => (address, *port, interface, false),
        Push::Rtp { address, port, interface } => (address, *port, interface, reports),
        Push::Srt(_) | Push::Rtmp { .. } => return Ok(Vec::new()),
    };
    let ports = [Some(port), port.checked_add(1).filter(|_| reports)];
    let opened = ports.into_iter().flatten().map(|port| {
        listen(address, port, interface.as_deref())
            .map_err(|error| SourceError::Pipeline(format!("cannot listen at {address}, port {port}: {error}")))
    });
    opened.collect()
}

/// A socket of datagrams, without blocking.
///
/// # Errors
/// It cannot be listened there.
pub(super) fn listen(address: &str, port: u16, interface: Option<&str>) -> io::Result<OwnedFd> {
    let at = (address, port).to_socket_addrs()?.next().ok_or(io::ErrorKind::AddrNotAvailable)?;
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(family, SocketType::DGRAM, flags, None)?;
    // Several programmes of one multicast group may be games.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    // What the system does not grant is not to be had.
    let _ = sockopt::set_socket_recv_buffer_size(&socket, BUFFER_BYTES);
    rustix::net::bind(&socket, &at)?;
    join(&socket, at, interface)?;
    Ok(socket)
}

fn join(socket: &OwnedFd, at: SocketAddr, interface: Option<&str>) -> io::Result<()> {
    if !at.ip().is_multicast() {
        return Ok(());
    }
    let index = interface.map_or(Ok(0), |name| rustix::net::netdevice::name_to_index(socket, name))?;
    match at.ip() {
        IpAddr::V4(group) => {
            let any = std::net::Ipv4Addr::UNSPECIFIED;
            sockopt::set_ip_add_membership_with_ifindex(socket, &group, &any, index)?;
        }
        IpAddr::V6(group) => sockopt::set_ipv6_add_membership(socket, &group, index)?,
    }
    Ok(())
}

/// The element that reads `socket`, which is kept open for as long as it is read.
pub(super) fn element(socket: &OwnedFd, caps: &gst::Caps) -> Result<gst::Element, SourceError> {
    let broken = |error: glib::Error| SourceError::Pipeline(error.to_string());
    let element = gst::ElementFactory::make("udpsrc")
        .property("auto-multicast", false)
        .property("close-socket", true)
        .property("caps", caps)
        .build()
        .map_err(|error| SourceError::Pipeline(error.to_string()))?;
    let own = socket.try_clone().map_err(|error| SourceError::Pipeline(error.to_string()))?;
    element.set_property("socket", read_by_glib(own).map_err(broken)?);
    Ok(element)
}

/// GLib's object of a socket, which closes it.
fn read_by_glib(socket: OwnedFd) -> Result<glib::Object, glib::Error> {
    let mut error = std::ptr::null_mut();
    let number: c_int = socket.as_raw_fd();
    // SAFETY: a socket that is open; what comes back is an object of our own, or none and an error.
    unsafe {
        let made = gio_sys::g_socket_new_from_fd(number, &mut error);
        if made.is_null() {
            return Err(from_glib_full(error));
        }
        // The object has it now, and closes it in its end.
        std::mem::forget(socket);
        Ok(from_glib_full(made.cast::<glib::gobject_ffi::GObject>()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;
    use std::time::Duration;

    use super::*;

    /// What comes to a group is heard by each who listens there, on the interface that was named.
    #[test]
    fn two_listen_to_one_group() {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let listen = || {
            let push = Push::Udp { address: "239.255.7.7".into(), port, interface: Some("lo".into()) };
            open(&push, false).unwrap().remove(0)
        };
        let heard = [listen(), listen()].map(UdpSocket::from);
        let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
        sockopt::set_ip_multicast_if(&sender, &[127, 0, 0, 1].into()).unwrap();
        sender.send_to(b"ants", ("239.255.7.7", port)).unwrap();
        for socket in heard {
            socket.set_nonblocking(false).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut bytes = [0; 16];
            assert_eq!(socket.recv(&mut bytes).unwrap(), 4);
            assert_eq!(&bytes[..4], b"ants");
        }
    }

    #[test]
    fn a_place_where_nobody_can_listen_is_named() {
        let push = Push::Rtp { address: "192.0.2.1".into(), port: 5000, interface: None };
        let error = open(&push, true).unwrap_err().to_string();
        assert!(error.contains("192.0.2.1, port 5000"), "{error}");
        let nowhere = Push::Udp { address: "239.255.7.7".into(), port: 5000, interface: Some("none0".into()) };
        assert!(open(&nowhere, false).is_err());
    }
}
