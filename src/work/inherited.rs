//! What a process that is locked in has from its parent: its standard streams, and what it is handed later.

use std::os::fd::RawFd;

/// The first one that is no standard stream.
const FIRST: RawFd = 3;

/// Closes whatever else this process inherited. Libraries of the parent's open descriptors that outlive a start (GStreamer's pairs of sockets do): they lead back
/// into the parent, past all walls. To be called first of all, before anything is opened here: nobody owns what is closed.
pub fn close_inherited() {
    // SAFETY: numbers in, nothing in memory; of what is closed nothing in this process knows.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, FIRST, RawFd::MAX, 0) };
    if closed == 0 {
        return;
    }
    // Kernels before Linux 5.9, and containers that know no call so new. The list is one of them itself, and closed by then.
    let listed = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let open: Vec<RawFd> = listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for descriptor in open.into_iter().filter(|descriptor| *descriptor >= FIRST) {
        // SAFETY: as above.
        unsafe { libc::close(descriptor) };
    }
}

/// Whether a process that `spawn` begins, and that waits for its parent's word, lets go of a descriptor that it inherits.
#[cfg(test)]
pub fn lets_go<T>(spawn: impl FnOnce() -> T) -> bool {
    use std::io::Read as _;

    let (mut ours, inherited) = std::os::unix::net::UnixStream::pair().unwrap();
    rustix::io::fcntl_setfd(&inherited, rustix::io::FdFlags::empty()).unwrap();
    let child = spawn();
    drop(inherited);
    ours.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    // The end comes once nobody has the other side any more.
    let is_over = ours.read(&mut [0]).is_ok_and(|count| count == 0);
    drop(child);
    is_over
}
