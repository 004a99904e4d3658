//! Processor time of processes, from `/proc`.

use std::time::Duration;

/// What all threads of `processes` have used, in nanoseconds' resolution (the first field of `schedstat`).
pub fn cpu(processes: &[u32]) -> Duration {
    let mut used_ns = 0u64;
    for process in processes {
        let threads = std::fs::read_dir(format!("/proc/{process}/task")).expect("the process lives");
        for thread in threads.flatten() {
            // A thread may end while the list is read.
            let Ok(stat) = std::fs::read_to_string(thread.path().join("schedstat")) else { continue };
            used_ns += stat.split(' ').next().and_then(|ns| ns.parse::<u64>().ok()).expect("schedstat is there");
        }
    }
    Duration::from_nanos(used_ns)
}

/// The processes that `process` started.
pub fn children(process: u32) -> Vec<u32> {
    let list = std::fs::read_to_string(format!("/proc/{process}/task/{process}/children")).expect("the process lives");
    list.split_whitespace().map(|id| id.parse().expect("a number")).collect()
}
