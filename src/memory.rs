//! What the process keeps of memory that is free. Only glibc's malloc is told; another one goes by its own rules.

#[cfg(target_env = "gnu")]
pub use glibc::{give_back, spare};

#[cfg(not(target_env = "gnu"))]
pub fn spare() {}

#[cfg(not(target_env = "gnu"))]
pub fn give_back() {}

#[cfg(target_env = "gnu")]
mod glibc {
    use std::ops::RangeInclusive;
    use std::thread;
    use std::time::{Duration, Instant};

    /// What is larger than a picture or a segment has pages of its own, which go when it goes. To ask the system for pages for every
    /// segment that somebody watches would cost more than to make it.
    const OWN_PAGES_FROM: i32 = 4 << 20;

    /// Free memory at a heap's end beyond this goes back at once.
    const KEPT_AT_THE_END: i32 = 16 << 20;

    /// Fewer heaps than this, and threads wait for each other.
    const LEAST_HEAPS: i32 = 4;

    /// How often memory that is free, but not at a heap's end, is looked for.
    const GIVE_BACK_EVERY: Duration = Duration::from_secs(10);

    /// What was left the last time may have come free by then.
    const TRIED_AGAIN_AFTER: Duration = Duration::from_secs(60);

    /// So much of it may stay, a quarter of what is in use within these bounds: to take pages from the heaps and to fill them again
    /// costs time, and other threads wait for it.
    const FREE_KEPT: RangeInclusive<usize> = 32 << 20..=128 << 20;

    /// Keeps malloc's heaps few and their bounds where they are. Left alone, glibc makes up to eight heaps for each core, each as large
    /// as it ever was, and moves its bounds with the largest block that was freed: thirty sessions over eight tiles and four renders
    /// then come to 595 MB and go on rising, instead of 565. To be called before there are other threads.
    pub fn spare() {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let heaps = i32::try_from(cores).unwrap_or(i32::MAX).max(LEAST_HEAPS);
        for (what, value) in [
            (libc::M_ARENA_MAX, heaps),
            (libc::M_MMAP_THRESHOLD, OWN_PAGES_FROM),
            (libc::M_TRIM_THRESHOLD, KEPT_AT_THE_END),
        ] {
            // SAFETY: mallopt(3) takes two numbers, and no other thread runs yet. What it does not know it leaves as it was.
            unsafe { libc::mallopt(what, value) };
        }
    }

    /// From now on gives free memory back, for as long as the process runs. A hundred games that came and went left a gigabyte of it,
    /// between blocks that stayed.
    pub fn give_back() {
        let look = || {
            // What the last time left: pages of others than malloc, and what stood too close to what was used.
            let (mut left, mut at) = (0, Instant::now());
            loop {
                thread::sleep(GIVE_BACK_EVERY);
                let used = in_use();
                let free = resident().saturating_sub(used);
                left = if at.elapsed() < TRIED_AGAIN_AFTER { free.min(left) } else { 0 };
                if free - left > (used / 4).clamp(*FREE_KEPT.start(), *FREE_KEPT.end()) {
                    // SAFETY: malloc_trim(3) takes a number, and nothing that anybody uses.
                    unsafe { libc::malloc_trim(0) };
                    (left, at) = (resident().saturating_sub(in_use()), Instant::now());
                    tracing::debug!(free, left, "free memory was given back");
                }
            }
        };
        if let Err(error) = thread::Builder::new().name("memory".into()).spawn(look) {
            tracing::warn!(%error, "free memory is not given back");
        }
    }

    /// Bytes of memory of the process's own; 0 where the system does not say.
    fn resident() -> usize {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib =
            status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.split_whitespace().next()?.parse().ok());
        kib.unwrap_or(0_usize) << 10
    }

    /// Bytes that were asked of malloc and not freed.
    fn in_use() -> usize {
        // SAFETY: mallinfo2(3) takes nothing and returns numbers.
        let heaps = unsafe { libc::mallinfo2() };
        heaps.uordblks + heaps.hblkhd
    }
}
