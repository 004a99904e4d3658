//! What is put down is found again, whatever happens to the disk between; what cannot be read as it was written is not there.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::frame::SoundUnit;
use crate::timeline::{MediaTime, SimulatedClock};

const FIRST: u64 = 45_664_200;

/// A second a segment, three parts.
fn grid() -> Grid {
    Grid::new("30".parse().unwrap(), 30)
}

fn track(game: &str) -> TrackName {
    TrackName::sound(game)
}

/// `bytes` in each AAC frame.
fn blocks(n: u64, bytes: usize) -> Vec<Block> {
    let part = |part| {
        let unit = |aac_frame| SoundUnit { aac_frame, data: vec![aac_frame as u8; bytes].into() };
        Block::Sound(grid().part_aac_frames(n, part).map(unit).collect())
    };
    (0..grid().parts()).map(part).collect()
}

struct Disk {
    dir: tempfile::TempDir,
    metrics: Arc<Metrics>,
    in_hand: InHand,
}

impl Disk {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir, metrics: Arc::new(Metrics::new().unwrap()), in_hand: InHand::default() }
    }

    fn open_as(&self, set_up: &str, segments: u64, bytes: u64) -> Arc<DiskShelf> {
        let settings = DiskSettings {
            dir: self.dir.path().to_owned(),
            grid: grid(),
            set_up: set_up.to_owned(),
            formats: HashMap::new(),
            segments,
            bytes,
        };
        let clock = Arc::new(SimulatedClock::new(MediaTime::ZERO));
        DiskShelf::open(settings, clock, self.metrics.clone(), self.in_hand.clone()).unwrap()
    }

    fn open(&self) -> Arc<DiskShelf> {
        self.open_as("", 14_400, u64::MAX)
    }

    /// Until all is written that was handed over.
    fn settle(&self) {
        while self.in_hand.count() > 0 {
            std::thread::yield_now();
        }
    }

    fn lost(&self, why: Lost) -> u64 {
        self.metrics.shelf_lost.with_label_values(&[why.name()]).get()
    }

    /// The files, in the order of their segments.
    fn files(&self) -> Vec<PathBuf> {
        let within =
            |dir: &Path| std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        let mut files: Vec<PathBuf> = within(self.dir.path()).iter().flat_map(|dir| within(dir)).collect();
        files.sort();
        files
    }
}

fn read(shelf: &DiskShelf, game: &str, n: u64) -> Option<Vec<Block>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(shelf.segment(&track(game), n))
}

#[test]
fn what_was_played_is_there_after_a_restart_and_stays_as_it_was() {
    let disk = Disk::new();
    let shelf = disk.open();
    let numbers = [FIRST, FIRST + 1, FIRST + 4, FIRST + 700];
    for n in numbers {
        shelf.keep(&track("a"), n, &blocks(n, 20));
        shelf.keep(&track("b"), n, &blocks(n, 30));
    }
    disk.settle();
    assert_eq!(shelf.runs(&track("a")).iter().collect::<Vec<_>>(), numbers);
    assert!(!shelf.had(&track("a"), FIRST), "it is this process's own");
    drop(shelf);
    let shelf = disk.open();
    // The first segments after a start come again, and stand still.
    shelf.keep(&track("a"), FIRST + 700, &blocks(FIRST + 700, 1));
    shelf.keep(&track("a"), FIRST + 701, &blocks(FIRST + 701, 20));
    disk.settle();
    for n in numbers {
        assert_eq!(read(&shelf, "a", n), Some(blocks(n, 20)), "{n}");
        assert_eq!(read(&shelf, "b", n), Some(blocks(n, 30)), "{n}");
        assert!(shelf.had(&track("a"), n));
    }
    assert!(shelf.runs(&track("a")).contains(FIRST + 701) && !shelf.had(&track("a"), FIRST + 701));
    assert_eq!((read(&shelf, "a", FIRST + 2), read(&shelf, "c", FIRST)), (None, None));
    let size: u64 = disk.files().iter().map(|file| file.metadata().unwrap().len()).sum();
    assert_eq!(disk.metrics.shelf_bytes.get() as u64, size);
}

#[test]
fn another_set_up_finds_nothing_and_leaves_nothing_behind_when_its_time_is_over() {
    let disk = Disk::new();
    let shelf = disk.open_as("30 fps", 3600, u64::MAX);
    shelf.keep(&track("a"), FIRST, &blocks(FIRST, 20));
    disk.settle();
    drop(shelf);
    let shelf = disk.open_as("60 fps", 3600, u64::MAX);
    assert!(shelf.runs(&track("a")).is_empty());
    shelf.forget(FIRST + 3600);
    disk.settle();
    assert_eq!(disk.files().len(), 1, "it lies in the window yet, with others of its file");
    shelf.forget(FIRST + 3600 + 600);
    disk.settle();
    assert_eq!((disk.files().len(), disk.metrics.shelf_bytes.get()), (0, 0));
}

#[test]
fn a_clock_that_went_back_leaves_no_future() {
    let disk = Disk::new();
    let shelf = disk.open();
    shelf.keep(&track("a"), FIRST + 90_000, &blocks(FIRST + 90_000, 20));
    shelf.forget(FIRST);
    disk.settle();
    assert!(disk.files().is_empty());
    shelf.keep(&track("a"), FIRST, &blocks(FIRST, 20));
    disk.settle();
    assert_eq!(read(&shelf, "a", FIRST), Some(blocks(FIRST, 20)));
}

#[test]
fn the_oldest_goes_where_bytes_are_short_and_what_is_written_now_never_does() {
    let disk = Disk::new();
    // A segment takes about 48 frames of 100 bytes.
    let shelf = disk.open_as("", 14_400, 60_000);
    for n in (0..20).map(|file| FIRST + 600 * file) {
        shelf.keep(&track("a"), n, &blocks(n, 100));
        shelf.keep(&track("b"), n, &blocks(n, 100));
        disk.settle();
        assert!(disk.metrics.shelf_bytes.get() <= 60_000);
    }
    let left = shelf.runs(&track("a"));
    assert!(left.newest() == Some(FIRST + 600 * 19) && left.oldest() > Some(FIRST + 600 * 10), "{left:?}");
    for n in left.iter() {
        assert_eq!(read(&shelf, "a", n), Some(blocks(n, 100)));
    }
    assert_eq!(disk.lost(Lost::Room), 0);
    // Nothing older is left to make room.
    for n in (1..40).map(|n| FIRST + 600 * 19 + n) {
        shelf.keep(&track("a"), n, &blocks(n, 100));
    }
    disk.settle();
    assert!(disk.lost(Lost::Room) > 20 && shelf.trouble().is_some());
    assert!(disk.metrics.shelf_bytes.get() <= 60_000);
    // And goes on by itself; that all is well is said when nothing was lost for a while.
    shelf.keep(&track("a"), FIRST + 600 * 21, &blocks(FIRST + 600 * 21, 100));
    *shelf.lying.lost_at.lock() = None;
    shelf.keep(&track("a"), FIRST + 600 * 21 + 1, &blocks(FIRST + 600 * 21 + 1, 100));
    disk.settle();
    assert_eq!(shelf.trouble(), None);
}

#[test]
fn a_disk_that_fails_costs_what_it_failed_at() {
    let disk = Disk::new();
    let shelf = disk.open();
    shelf.keep(&track("a"), FIRST, &blocks(FIRST, 20));
    disk.settle();
    // The file is none any more.
    let file = disk.files().remove(0);
    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    shelf.keep(&track("a"), FIRST + 1, &blocks(FIRST + 1, 20));
    disk.settle();
    assert_eq!((disk.lost(Lost::Disk), shelf.trouble().is_some()), (1, true));
    assert_eq!(read(&shelf, "a", FIRST), None);
    assert_eq!(disk.metrics.shelf_damaged.get(), 1);
    assert!(shelf.runs(&track("a")).is_empty(), "a gap from then on");
    shelf.keep(&track("a"), FIRST + 600, &blocks(FIRST + 600, 20));
    disk.settle();
    assert_eq!(read(&shelf, "a", FIRST + 600), Some(blocks(FIRST + 600, 20)));
    // Somebody removes the folder: what comes then is kept.
    std::fs::remove_dir_all(file.parent().unwrap()).unwrap();
    shelf.keep(&track("a"), FIRST + 601, &blocks(FIRST + 601, 20));
    disk.settle();
    assert_eq!(read(&shelf, "a", FIRST + 601), Some(blocks(FIRST + 601, 20)));
    assert_eq!(read(&shelf, "a", FIRST + 600), None);
}

/// Found by somebody who put such things there: a link to a system's file was emptied, and a folder kept the service from starting.
#[test]
fn what_is_none_of_ours_is_left_alone() {
    let disk = Disk::new();
    let shelf = disk.open();
    shelf.keep(&track("a"), FIRST, &blocks(FIRST, 20));
    disk.settle();
    drop(shelf);
    let folder = disk.files().remove(0).parent().unwrap().to_owned();
    let (victim, number) = (disk.dir.path().join("victim"), FIRST / 600);
    std::fs::write(&victim, "somebody's").unwrap();
    let named = |n: u64| folder.join(format!("{n}.qdvr"));
    // One that is there at start, the one that comes next, a folder, and a file of somebody's.
    std::os::unix::fs::symlink(&victim, named(number - 1)).unwrap();
    std::os::unix::fs::symlink(&victim, named(number + 1)).unwrap();
    std::fs::create_dir(named(number - 2)).unwrap();
    std::fs::write(named(number - 3), "somebody else's").unwrap();
    let shelf = disk.open();
    shelf.keep(&track("a"), FIRST + 600, &blocks(FIRST + 600, 20));
    shelf.keep(&track("a"), FIRST + 1200, &blocks(FIRST + 1200, 20));
    disk.settle();
    assert_eq!(disk.lost(Lost::Disk), 1);
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "somebody's");
    assert_eq!(std::fs::read_to_string(named(number - 3)).unwrap(), "somebody else's");
    assert_eq!(shelf.runs(&track("a")).iter().collect::<Vec<_>>(), [FIRST, FIRST + 1200]);
}

#[test]
fn who_hands_over_more_than_the_disk_takes_does_not_wait() {
    let disk = Disk::new();
    let shelf = disk.open();
    // No thread takes anything: all of it waits.
    shelf.writer.close();
    shelf.keep(&track("a"), FIRST, &blocks(FIRST, 20));
    assert_eq!(disk.lost(Lost::Queue), 1);
    assert_eq!(shelf.lying.waiting.load(Ordering::Relaxed), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A process that is killed, a disk that loses or turns bits: each segment is there as it was, or not at all, and the file can be written on.
    #[test]
    fn no_damage_becomes_another_picture(cut in 0.0f64..1.0, flips in prop::collection::vec((0.0f64..1.0, 0u32..8), 0..4), cuts in any::<bool>()) {
        let disk = Disk::new();
        let shelf = disk.open();
        let numbers = FIRST..FIRST + 8;
        for n in numbers.clone() {
            shelf.keep(&track("a"), n, &blocks(n, 3));
        }
        disk.settle();
        drop(shelf);
        let file = disk.files().remove(0);
        let mut bytes = std::fs::read(&file).unwrap();
        if cuts {
            bytes.truncate((bytes.len() as f64 * cut) as usize);
        }
        for (at, bit) in &flips {
            // What does not even begin as ours does is somebody's.
            let at = 4 + (bytes.len().saturating_sub(4) as f64 * at) as usize;
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << bit;
            }
        }
        std::fs::write(&file, &bytes).unwrap();
        let shelf = disk.open();
        let mut whole = 0;
        for n in numbers.clone() {
            if let Some(found) = read(&shelf, "a", n) {
                prop_assert_eq!(found, blocks(n, 3));
                whole += 1;
            }
        }
        prop_assert!(cuts || whole + flips.len() >= 8, "{} of 8 after {} flips", whole, flips.len());
        shelf.keep(&track("a"), FIRST + 8, &blocks(FIRST + 8, 3));
        disk.settle();
        prop_assert_eq!(read(&shelf, "a", FIRST + 8), Some(blocks(FIRST + 8, 3)));
        drop(shelf);
        prop_assert_eq!(read(&disk.open(), "a", FIRST + 8), Some(blocks(FIRST + 8, 3)));
    }
}
