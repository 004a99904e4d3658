//! What a feed's process takes from itself before it reads the first byte of a source.
//!
//! Six walls, each of which stands by itself: no rights beyond its user's, also as root; limits of memory, descriptors and file sizes; no files but libraries and its own
//! source (Landlock); no system calls but those that decoding takes (seccomp); no network, or one of its own where elements connect
//! ([`own_network`](super::own_network)); and an end with its parent's. Where the system
//! has one of them not, the parent is told, and the others stand.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, PathBeneath, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope, path_beneath_rules,
};
use rustix::process::{Resource, Rlimit};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};

use super::message::{Begin, Network};
use super::watched::Wall;

/// Descriptors: GStreamer has a few for each of its threads.
const MOST_DESCRIPTORS: u64 = 256;
/// Of memory that is a file: compiled code of GStreamer's.
const MOST_FILE_BYTES: u64 = 1 << 20;
/// Libraries and what finds them.
const LIBRARIES: [&str; 7] =
    ["/usr/lib", "/usr/lib64", "/lib", "/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/sys/devices/system/cpu"];
/// What finds a host and trusts it.
const NAMES: [&str; 9] = [
    "/usr/share/glib-2.0/schemas",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ssl/certs",
    "/usr/share/ca-certificates",
];
const DEVICES: [&str; 2] = ["/dev/urandom", "/dev/null"];

/// What asks the service to end, as a terminal and an init system do of all processes at once, does not end the process: its pictures are shown until the service
/// has ended, and it ends with that.
pub fn outlast_requests() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: no handler is called: nothing is done.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Locks the process in; returns which walls there are not. `file` is the one it may read.
///
/// # Errors
/// A wall that the system has does not stand.
pub fn lock_in(begin: &Begin, file: Option<&OwnedFd>) -> Result<Vec<Wall>, String> {
    limit(begin.memory_bytes);
    let mut missing = Vec::new();
    if !fence(begin.network, file).map_err(|error| format!("Landlock: {error}"))? {
        missing.push(Wall::Landlock);
    }
    filter(begin.network).map_err(|error| format!("seccomp: {error}"))?;
    Ok(missing)
}

fn limit(memory_bytes: u64) {
    let limits = [
        // What a process writes to, and nobody else has: not libraries, not address space that is only set aside. Twice what it
        // may: the parent sees it grow first, and can say why it ended.
        (Resource::Data, memory_bytes.saturating_mul(2)),
        (Resource::Nofile, MOST_DESCRIPTORS),
        (Resource::Core, 0),
        // What it writes to as to a file: none of what it shares.
        (Resource::Fsize, MOST_FILE_BYTES),
    ];
    for (resource, most) in limits {
        let most = rustix::process::getrlimit(resource).maximum.map_or(most, |maximum| maximum.min(most));
        // Lower than it was needs no right.
        let _ = rustix::process::setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) });
    }
}

/// Whether there is a fence at all.
fn fence(network: Network, file: Option<&OwnedFd>) -> Result<bool, landlock::RulesetError> {
    let abi = ABI::V6;
    let read = AccessFs::from_read(abi);
    let ruleset =
        Ruleset::default().set_compatibility(CompatLevel::BestEffort).handle_access(AccessFs::from_all(abi))?;
    // Landlock knows of TCP alone.
    let connects = matches!(network, Network::Any | Network::Own);
    let ruleset = if connects { ruleset } else { ruleset.handle_access(AccessNet::from_all(abi))? };
    let mut ruleset = ruleset
        .scope(Scope::from_all(abi))?
        .create()?
        .add_rules(path_beneath_rules(LIBRARIES, read))?
        .add_rules(path_beneath_rules(DEVICES, BitFlags::from(AccessFs::ReadFile)))?;
    // In a network of its own there are no names to be found.
    if matches!(network, Network::Any | Network::Datagrams) {
        ruleset = ruleset.add_rules(path_beneath_rules(NAMES, read))?;
    }
    if let Some(file) = file {
        ruleset = ruleset.add_rule(PathBeneath::new(file, AccessFs::ReadFile))?;
    }
    Ok(ruleset.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
}

/// What decoding takes.
const CALLS: &[i64] = &[
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_fstatfs,
    libc::SYS_lseek,
    libc::SYS_openat,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_fadvise64,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_mmap,
    libc::SYS_mprotect,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_membarrier,
    libc::SYS_memfd_create,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_clone3,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_getpriority,
    libc::SYS_setpriority,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_getrusage,
    libc::SYS_getrandom,
    libc::SYS_prctl,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_recvmsg,
    libc::SYS_recvfrom,
    libc::SYS_sendto,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    // Of sockets that it was given: there are no others where it may not connect.
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_recvmmsg,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_select,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_pipe,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
];

/// What connecting takes on top of it.
const NETWORK_CALLS: &[i64] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_sendmsg,
    libc::SYS_sendmmsg,
];

fn filter(network: Network) -> Result<(), seccompiler::Error> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    // Its flags lie in memory, where no filter sees them: who finds that it is not there takes the older call.
    let newer = [(libc::SYS_clone3, Vec::new())].into_iter().collect();
    let no_clone3 = program(newer, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32), arch)?;
    let connecting = NETWORK_CALLS.iter().filter(|_| network != Network::None);
    let mut calls: BTreeMap<i64, Vec<SeccompRule>> =
        CALLS.iter().chain(connecting).map(|call| (*call, Vec::new())).collect();
    // Threads and no processes.
    let thread = libc::CLONE_THREAD as u64;
    let is_thread = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(thread), thread)?;
    calls.insert(libc::SYS_clone, vec![SeccompRule::new(vec![is_thread])?]);
    if network == Network::Datagrams {
        // The type's lower four bits are the type, the rest are flags (socket(2)).
        let (kind, datagrams) = (SeccompCmpOp::MaskedEq(0xf), libc::SOCK_DGRAM as u64);
        let is_datagrams = SeccompCondition::new(1, SeccompCmpArgLen::Dword, kind, datagrams)?;
        calls.insert(libc::SYS_socket, vec![SeccompRule::new(vec![is_datagrams])?]);
    }
    if network == Network::None {
        // GStreamer's pools and clocks wake their waiters with a pair of sockets: it leads to nobody else.
        let (family, stream) = (libc::AF_UNIX as u64, libc::SOCK_STREAM as u64);
        let here = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, family)?;
        let streams = SeccompCondition::new(1, SeccompCmpArgLen::Dword, SeccompCmpOp::MaskedEq(0xf), stream)?;
        calls.insert(libc::SYS_socketpair, vec![SeccompRule::new(vec![here, streams])?]);
        // To nobody but whoever is at the other end: a socket that datagrams come to could send some anywhere.
        let to_nobody = SeccompCondition::new(4, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
        calls.insert(libc::SYS_sendto, vec![SeccompRule::new(vec![to_nobody])?]);
    }
    if network == Network::Own {
        let of = |family: i32| SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, family as u64);
        let families = [SeccompRule::new(vec![of(libc::AF_INET)?])?, SeccompRule::new(vec![of(libc::AF_INET6)?])?];
        calls.insert(libc::SYS_socket, families.into());
    }
    // Of its own limits, to be read.
    let read_only = SeccompCondition::new(2, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, 0)?;
    calls.insert(libc::SYS_prlimit64, vec![SeccompRule::new(vec![read_only])?]);
    let calls = program(calls, SeccompAction::Errno(libc::EPERM as u32), SeccompAction::Allow, arch)?;
    seccompiler::apply_filter_all_threads(&no_clone3)?;
    seccompiler::apply_filter_all_threads(&calls)
}

fn program(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    matched: SeccompAction,
    arch: TargetArch,
) -> Result<BpfProgram, seccompiler::Error> {
    Ok(SeccompFilter::new(rules, otherwise, matched, arch)?.try_into()?)
}
