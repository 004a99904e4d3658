//! Control groups (cgroup v2) of feeds' processes, where the service may make some: memory of all kinds and threads are then bounded by the kernel,
//! whatever a process does.
//!
//! It may where its group was delegated to it (systemd's `Delegate=yes`) or is the root of a container that may write there. A group that has controllers
//! in those below it may have no processes itself: the service moves into one of its own first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where the service is then.
const OWN: &str = "service";
/// What is bounded.
const CONTROLLERS: &str = "+memory +pids";
/// Threads of a child: GStreamer has a few for each stream, FFmpeg some for each decoder.
const MOST_THREADS: u32 = 256;
/// Of processor time, where others want it, too: the least that there is. What is not said otherwise has a hundred times as much.
const LEAST_WEIGHT: &str = "1";
/// What a process has beside what is counted as its own, and grows by before it is seen: the kernel ends it by then.
const SPARE_BYTES: u64 = 64 << 20;

/// The group of the service, below which each child has one.
#[derive(Debug)]
pub struct Groups {
    base: PathBuf,
}

/// The group of one child, which goes with it.
#[derive(Debug)]
pub struct Group(PathBuf);

/// Why feeds' processes have none.
#[derive(Debug, thiserror::Error)]
pub enum NoGroups {
    #[error("this system has none that this process is in (cgroup v2)")]
    Unknown,
    #[error("the service's own was not delegated to it")]
    NotDelegated,
    #[error("the service's own cannot be made ready: {0}")]
    Refused(#[from] io::Error),
}

impl Groups {
    /// The service's group, made ready.
    ///
    /// # Errors
    /// [`NoGroups`]: there is none that it may use.
    pub fn found() -> Result<Self, NoGroups> {
        let read = |path| fs::read_to_string(path).map_err(|_| NoGroups::Unknown);
        Self::of(&read("/proc/self/mountinfo")?, &read("/proc/self/cgroup")?, std::process::id())
    }

    /// That of `process`, by what `/proc` says of mounts and of its group.
    fn of(mounts: &str, groups: &str, process: u32) -> Result<Self, NoGroups> {
        let base = own_group(mounts, groups).ok_or(NoGroups::Unknown)?;
        if !is_delegated(&base) {
            return Err(NoGroups::NotDelegated);
        }
        Ok(Self::ready(base, process)?)
    }

    /// Moves the process out of `base` and lets groups below it be bounded.
    fn ready(base: PathBuf, process: u32) -> io::Result<Self> {
        let control = base.join("cgroup.subtree_control");
        let enabled = fs::read_to_string(&control)?;
        if !["memory", "pids"].iter().all(|name| enabled.split_whitespace().any(|is| is == *name)) {
            let own = base.join(OWN);
            match fs::create_dir(&own) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => fs::write(own.join("cgroup.procs"), process.to_string())?,
            }
            if let Err(error) = fs::write(&control, CONTROLLERS) {
                // Others are in it, too: everything is as it was.
                fs::write(base.join("cgroup.procs"), process.to_string())?;
                let _ = fs::remove_dir(own);
                return Err(error);
            }
        }
        Ok(Self { base })
    }

    /// Puts a process that has done nothing yet into a group of its own.
    pub fn adopt(&self, process: u32, memory_bytes: u64) -> io::Result<Group> {
        let group = Group(self.base.join(format!("feed-{process}")));
        // Left by one of the same number, if it is there and empty.
        let _ = fs::remove_dir(&group.0);
        fs::create_dir(&group.0)?;
        let write = |name: &str, value: String| fs::write(group.0.join(name), value);
        write("memory.max", memory_bytes.saturating_add(SPARE_BYTES).to_string())?;
        write("pids.max", MOST_THREADS.to_string())?;
        // A kernel may lack these.
        let _ = write("memory.swap.max", "0".into());
        let _ = write("memory.oom.group", "1".into());
        // Where groups are given processor time as such, it is theirs and not their threads' priority that counts.
        let _ = write("cpu.weight", LEAST_WEIGHT.into());
        write("cgroup.procs", process.to_string())?;
        Ok(group)
    }
}

impl Group {
    /// Whether the kernel ended it because it wanted too much memory.
    pub fn ran_out(&self) -> bool {
        let events = fs::read_to_string(self.0.join("memory.events")).unwrap_or_default();
        let killed = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        killed.and_then(|count| count.trim().parse::<u64>().ok()).is_some_and(|count| count > 0)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its process is gone, or does not die: then its group stays, too.
        let _ = fs::remove_dir(&self.0);
    }
}

/// The folder of this process's group, by `/proc/self/mountinfo` and `/proc/self/cgroup`.
fn own_group(mounts: &str, groups: &str) -> Option<PathBuf> {
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    mounts.lines().find_map(|line| {
        // proc(5): root and mount point are the fourth and fifth field, the type is behind " - ".
        let (fields, kind) = line.split_once(" - ")?;
        let mut fields = fields.split(' ').skip(3);
        let (root, point) = (fields.next()?, fields.next()?);
        let below = Path::new("/").join(path);
        let below = below.strip_prefix(root).ok()?;
        (kind.split(' ').next() == Some("cgroup2")).then(|| Path::new(point).join(below))
    })
}

fn is_delegated(base: &Path) -> bool {
    // How systemd says so (its CGROUP_DELEGATION document).
    let says = |name: &str| {
        let mut value = [0_u8; 8];
        rustix::fs::getxattr(base, name, &mut value).is_ok_and(|length| value.get(..length) == Some(b"1".as_slice()))
    };
    if says("user.delegate") || says("trusted.delegate") {
        return true;
    }
    // The root of a container's view is a group like others, and has a type; that of the machine has none.
    let is_root = base.parent().is_none_or(|parent| !parent.join("cgroup.procs").exists());
    is_root && base.join("cgroup.type").exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_is_found_below_its_mount() {
        let mounts = "31 24 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n\
                      36 24 0:32 / /dev/hugepages rw - hugetlbfs hugetlbfs rw";
        let at = |groups: &str| own_group(mounts, groups);
        assert_eq!(at("0::/system.slice/q.service\n"), Some("/sys/fs/cgroup/system.slice/q.service".into()));
        assert_eq!(at("0::/"), Some("/sys/fs/cgroup/".into()));
        assert_eq!(at("4:memory:/a\n0::/b\n"), Some("/sys/fs/cgroup/b".into()));
        assert_eq!(at("4:memory:/a\n"), None);
        let bound = "31 24 0:27 /box /groups rw - cgroup2 cgroup2 rw";
        assert_eq!(own_group(bound, "0::/box/inner\n"), Some("/groups/inner".into()));
        assert_eq!(own_group(bound, "0::/elsewhere\n"), None, "not in sight");
    }

    /// A folder that looks like a group. What the kernel would answer nobody does here.
    fn looks_like_a_group(enabled: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cgroup.subtree_control"), enabled).unwrap();
        folder
    }

    #[test]
    fn the_service_moves_aside_and_each_process_is_bounded() {
        let folder = looks_like_a_group("cpu\n");
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let groups = Groups::ready(folder.path().into(), 41).unwrap();
        assert_eq!((read("service/cgroup.procs"), read("cgroup.subtree_control")), ("41".into(), CONTROLLERS.into()));
        let group = groups.adopt(77, 1 << 30).unwrap();
        assert_eq!(read("feed-77/memory.max"), ((1_u64 << 30) + SPARE_BYTES).to_string());
        assert_eq!((read("feed-77/pids.max"), read("feed-77/cgroup.procs")), ("256".into(), "77".into()));
        let more = ["memory.swap.max", "memory.oom.group", "cpu.weight"].map(|name| read(&format!("feed-77/{name}")));
        assert_eq!(more, ["0", "1", "1"]);
        assert!(!group.ran_out());
        fs::write(folder.path().join("feed-77/memory.events"), "oom 1\noom_kill 1\n").unwrap();
        assert!(group.ran_out());
        assert!(groups.adopt(77, 1).is_err(), "there is one");
    }

    #[test]
    fn a_group_that_is_ready_is_left_as_it_is() {
        let folder = looks_like_a_group("cpu memory pids\n");
        Groups::ready(folder.path().into(), 41).unwrap();
        assert!(!folder.path().join(OWN).exists());
    }

    #[test]
    fn a_group_that_may_not_be_used_is_none_and_it_is_said_why() {
        let folder = looks_like_a_group("");
        let mounts = format!("31 24 0:27 / {} rw - cgroup2 cgroup2 rw", folder.path().display());
        let of = |mounts: &str, groups: &str| Groups::of(mounts, groups, 41);
        let why = |found: Result<Groups, NoGroups>| found.unwrap_err().to_string();
        assert!(matches!(of(&mounts, "4:memory:/a\n"), Err(NoGroups::Unknown)));
        assert!(why(of("", "0::/\n")).contains("cgroup v2"));
        assert!(why(of(&mounts, "0::/\n")).contains("delegated"));
        // As a container sees its own.
        fs::write(folder.path().join("cgroup.type"), "domain\n").unwrap();
        fs::remove_file(folder.path().join("cgroup.subtree_control")).unwrap();
        assert!(why(of(&mounts, "0::/\n")).contains("made ready"));
        fs::write(folder.path().join("cgroup.subtree_control"), "").unwrap();
        let groups = of(&mounts, "0::/\n").unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("service/cgroup.procs")).unwrap(), "41");
        drop(groups.adopt(78, 1 << 20).unwrap());
        // Below another it is as that one's owner says.
        let below = format!("31 24 0:27 / {} rw - cgroup2 cgroup2 rw", folder.path().join("service").display());
        fs::write(folder.path().join("cgroup.procs"), "").unwrap();
        fs::write(folder.path().join("service/cgroup.type"), "domain\n").unwrap();
        assert!(matches!(of(&below, "0::/\n"), Err(NoGroups::NotDelegated)));
    }
}
