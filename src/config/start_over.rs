//! The start-over window: what is kept on the disk of what was played, and for whom.

use std::path::PathBuf;

use super::reader::Table;

/// Longest window, in seconds.
const LONGEST_S: u32 = 4 * 3600;

/// Most of a disk that may be given to it, in gigabytes.
const MOST_GB: u32 = 1_000_000;

const GIGABYTE: u64 = 1_000_000_000;

/// What viewers may go back to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartOver {
    /// How far back, in seconds.
    pub window_s: u32,
    /// Bytes on the disk at most; the oldest go first.
    pub bytes: u64,
    /// Where they lie; beside the database when absent.
    pub dir: Option<PathBuf>,
    /// Layouts whose tiles are made of every game all the time, so that each of their mosaics has a past, also one that nobody watched. Of the others there is
    /// what somebody watched.
    pub layouts: Vec<String>,
    /// A session that asks for no playlist this long ends, in seconds: longer than without a window, for pauses.
    pub pause_s: u32,
    /// How long a session can be played again after its end, in seconds.
    pub linger_s: u32,
    /// Bytes of all clips together, beside the window's.
    pub clip_bytes: u64,
}

impl Default for StartOver {
    fn default() -> Self {
        Self {
            window_s: LONGEST_S,
            bytes: 100 * GIGABYTE,
            dir: None,
            layouts: Vec::new(),
            pause_s: 900,
            linger_s: 3600,
            clip_bytes: 20 * GIGABYTE,
        }
    }
}

/// `None` where the file has no such section: nothing is kept.
pub(super) fn read(root: &mut Table) -> Option<StartOver> {
    let mut start_over = StartOver::default();
    let mut table = root.table("start_over")?;
    let mut read = |key, range, unit, to: &mut u32| {
        if let Some(number) = table.optional(key).and_then(|v| v.whole(range, unit)) {
            *to = number;
        }
    };
    read("window_s", 60..=LONGEST_S, "seconds", &mut start_over.window_s);
    read("pause_s", 10..=LONGEST_S, "seconds", &mut start_over.pause_s);
    read("linger_s", 0..=LONGEST_S, "seconds", &mut start_over.linger_s);
    let (mut gigabytes, mut of_clips) = (100, 20);
    read("gigabytes", 1..=MOST_GB, "gigabytes", &mut gigabytes);
    read("clip_gigabytes", 0..=MOST_GB, "gigabytes", &mut of_clips);
    start_over.bytes = u64::from(gigabytes) * GIGABYTE;
    start_over.clip_bytes = u64::from(of_clips) * GIGABYTE;
    start_over.dir = super::read_path(&mut table, "dir");
    let allowed = "ids of layouts are allowed, as in [\"4E\", \"2EH\"]";
    let layouts = table.items("layouts", allowed);
    start_over.layouts = layouts.iter().filter_map(|layout| layout.text(allowed)).map(str::to_owned).collect();
    table.finish();
    Some(start_over)
}
