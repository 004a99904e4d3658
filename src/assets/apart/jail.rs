//! What a process that draws takes from itself before it reads the first byte: files, networks, other processes, and time and memory without end.

use std::collections::BTreeMap;
use std::time::Duration;

use landlock::{ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, Scope};
use rustix::process::{Resource, Rlimit};
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// Its pipe, and what it was started with.
const MOST_DESCRIPTORS: u64 = 16;

/// Seconds of a processor for all that it does: its steps have less.
const MOST_CPU_S: u64 = 600;

/// # Errors
/// A wall that the system has does not stand.
pub fn lock_in(memory_bytes: u64) -> Result<(), String> {
    let limits = [
        (Resource::Data, memory_bytes),
        (Resource::Cpu, MOST_CPU_S),
        (Resource::Nofile, MOST_DESCRIPTORS),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
    ];
    for (resource, most) in limits {
        let most = rustix::process::getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
        rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
            .map_err(|error| format!("limits: {error}"))?;
    }
    fence().map_err(|error| format!("Landlock: {error}"))?;
    filter().map_err(|error| format!("seccomp: {error}"))
}

/// From here on it may take so much of a processor; then it ends.
pub fn allow(most: Duration) {
    let value = libc::timeval {
        tv_sec: most.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_usec: most.subsec_micros().into(),
    };
    let never = libc::timeval { tv_sec: 0, tv_usec: 0 };
    let timer = libc::itimerval { it_interval: never, it_value: value };
    // SAFETY: the timer is read while it is called, and none is written. What SIGPROF does is end the process.
    let failed = unsafe { libc::setitimer(libc::ITIMER_PROF, &raw const timer, std::ptr::null_mut()) } != 0;
    if failed {
        // What cannot be bounded is not begun.
        std::process::exit(1);
    }
}

/// No file at all: libraries are in memory by now. Where the system has no Landlock, the calls that open files are missing all the same.
fn fence() -> Result<(), landlock::RulesetError> {
    let abi = ABI::V6;
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))?
        .handle_access(AccessNet::from_all(abi))?
        .scope(Scope::from_all(abi))?
        .create()?
        .restrict_self()?;
    Ok(())
}

/// What drawing takes: memory, its pipe, time, and an end. No descriptor can be had beside those that are there.
const CALLS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_setitimer,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

fn filter() -> Result<(), seccompiler::Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let calls: BTreeMap<i64, Vec<_>> = CALLS.iter().map(|call| (*call, Vec::new())).collect();
    let otherwise = SeccompAction::Errno(libc::EPERM as u32);
    let program: BpfProgram = SeccompFilter::new(calls, otherwise, SeccompAction::Allow, arch)?.try_into()?;
    seccompiler::apply_filter_all_threads(&program)
}
