//! How long a thread goes on while others wait for its processor. Neither the standard library nor rustix tells Linux.

use std::io;
use std::mem::size_of;
use std::time::Duration;

use libc::{SCHED_FLAG_KEEP_POLICY, SYS_sched_setattr, sched_attr};

/// Gives the calling thread `turn`, and `nice` with it, which the call takes together. Zero is the system's usual turn.
///
/// # Errors
/// The system's, also where a sandbox allows no such call.
pub fn set(nice: i32, turn: Duration) -> io::Result<()> {
    let attr = sched_attr {
        size: size_of::<sched_attr>() as u32,
        // Whoever started the process has said what kind of turns it has.
        sched_flags: SCHED_FLAG_KEEP_POLICY as u64,
        sched_nice: nice,
        // Of threads that have no deadline, what Linux calls their slice.
        sched_runtime: u64::try_from(turn.as_nanos()).unwrap_or(u64::MAX),
        ..none()
    };
    // SAFETY: the kernel reads `size` bytes of `attr`, which outlives the call, and keeps nothing of it.
    let failed = unsafe { libc::syscall(SYS_sched_setattr, 0, &raw const attr, 0) } != 0;
    if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn none() -> sched_attr {
    // Not `Default` in the crate that has it.
    sched_attr {
        size: 0,
        sched_policy: 0,
        sched_flags: 0,
        sched_nice: 0,
        sched_priority: 0,
        sched_runtime: 0,
        sched_deadline: 0,
        sched_period: 0,
    }
}

/// The calling thread's.
#[cfg(test)]
pub fn get() -> io::Result<Duration> {
    let mut attr = none();
    let size = size_of::<sched_attr>();
    // SAFETY: the kernel writes at most `size` bytes, which `attr` has.
    let failed = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attr, size, 0) } != 0;
    if failed { Err(io::Error::last_os_error()) } else { Ok(Duration::from_nanos(attr.sched_runtime)) }
}
