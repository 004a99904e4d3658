//! The shelf on the disk: what has been played, for those who begin later or go back.
//!
//! Blocks lie there as they are, a record a segment, in files of ten minutes for each track: `<key>/<number>.qdvr`, where the key is a digest of
//! the track's name and of whatever decides how its bytes are read. So what another set-up left is never found, and goes when its time is over.
//!
//! One thread writes. Who makes blocks hands them over and waits for nothing: where the disk does not keep up, segments are lost and
//! counted. Who reads does so on threads that may wait. What is there is known in memory, found at start by a walk over the files.
//!
//! Lock order: the index alone, never over a read or a write.

mod file;
mod files;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use self::files::{Files, Key, Spot};
use super::{Block, Keeper, Position, Runs, TrackName};
use crate::metrics::Metrics;
use crate::stitch::Format;
use crate::timeline::{Clock, Grid, SegmentNumber};
use crate::work::{InHand, Mended, Piece, SystemThreads, Worker};

/// Segments that may wait for the disk, and their bytes: what a disk that stands still for some seconds costs in memory.
const QUEUE_SEGMENTS: usize = 4096;
const QUEUE_BYTES: u64 = 128 << 20;

/// Nothing lost for so long, and all is well again: one track may fail beside many that do not.
const WELL_AFTER: Duration = Duration::from_secs(30);

/// What the shelf is told.
pub struct DiskSettings {
    /// Of its own: what else lies there and looks like its files goes with them.
    pub dir: PathBuf,
    pub grid: Grid,
    /// Whatever decides how bytes are read, besides the tracks' names.
    pub set_up: String,
    /// The canvases that tiles stand on, by rung.
    pub formats: HashMap<Arc<str>, Format>,
    /// Segments of each track that are kept.
    pub segments: u64,
    /// Bytes of all files together.
    pub bytes: u64,
}

/// See the module.
pub struct DiskShelf {
    lying: Arc<Lying>,
    writer: Worker<Task>,
    clock: Arc<dyn Clock>,
}

/// What the writer's thread and the readers share.
struct Lying {
    settings: DiskSettings,
    files: Files,
    metrics: Arc<Metrics>,
    /// Bytes that wait for the writer.
    waiting: AtomicU64,
    is_failing: AtomicBool,
    lost_at: Mutex<Option<Instant>>,
}

enum Task {
    Write {
        track: TrackName,
        segment: SegmentNumber,
        blocks: Vec<Block>,
        bytes: u64,
    },
    /// The segment that runs.
    Forget(SegmentNumber),
}

/// Why a segment is not on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lost {
    /// The disk does not keep up.
    Queue,
    /// There is no room for it.
    Room,
    /// The disk failed.
    Disk,
}

impl Lost {
    const fn name(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Room => "room",
            Self::Disk => "disk",
        }
    }
}

impl DiskShelf {
    /// Opens the shelf and walks over what is there; half a record at a file's end is cut off. `in_hand` counts what waits to be written. Waits for
    /// the disk.
    ///
    /// # Errors
    /// Where the folder cannot be made or read.
    pub fn open(
        settings: DiskSettings,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        in_hand: InHand,
    ) -> io::Result<Arc<Self>> {
        let files = Files::open(&settings.dir, &settings.grid)?;
        metrics.shelf_bytes.set(i64::try_from(files.bytes()).unwrap_or(i64::MAX));
        let lying = Arc::new(Lying {
            settings,
            files,
            metrics,
            waiting: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
            lost_at: Mutex::default(),
        });
        let of_writer = lying.clone();
        let run = Arc::new(move |tasks: &crossbeam_channel::Receiver<Piece<Task>>| {
            tasks.iter().for_each(|piece| of_writer.take(piece.work));
        });
        let shelf = Arc::new(Self { lying, writer: Worker::new("shelf", QUEUE_SEGMENTS, in_hand, run), clock });
        shelf.mend();
        Ok(shelf)
    }

    /// Starts the writer's thread where it is missing. Call about once a second.
    pub fn mend(&self) {
        match self.writer.mend(&SystemThreads, self.clock.now()) {
            Mended::Nothing | Mended::Started => {}
            Mended::Replaced => tracing::error!("the thread that writes the start-over window died; there is another"),
            Mended::Failed(error) => tracing::error!(%error, "no thread to write the start-over window"),
        }
    }

    /// Lets go what is too old when segment `now` runs. Quick: the writer does it.
    pub fn forget(&self, now: SegmentNumber) {
        if let Some(input) = self.writer.input() {
            // Where there is no room, the next call comes in a second.
            let _ = input.give(Task::Forget(now));
        }
    }

    /// The segments of a track that are there.
    pub fn runs(&self, track: &TrackName) -> Runs {
        self.lying.files.runs(&self.lying.key(track))
    }

    /// Whether segment `n` was there when this process began: no other bytes of it count.
    pub fn had(&self, track: &TrackName, n: SegmentNumber) -> bool {
        self.lying.files.had(&self.lying.key(track), n)
    }

    /// The blocks of a segment, if they are there and undamaged. Damaged ones are found here, told, and are gone from then on.
    pub async fn segment(&self, track: &TrackName, n: SegmentNumber) -> Option<Vec<Block>> {
        let spot = self.lying.files.find(&self.lying.key(track), n)?;
        let (lying, track) = (self.lying.clone(), track.clone());
        tokio::task::spawn_blocking(move || lying.read(&track, n, &spot)).await.ok()?
    }

    /// Segments that each track keeps.
    pub fn capacity(&self) -> u64 {
        self.lying.settings.segments
    }

    /// Whether the last write failed, in words.
    pub fn trouble(&self) -> Option<String> {
        let is_failing = self.lying.is_failing.load(Ordering::Relaxed);
        is_failing.then(|| "what is played is not kept for start-over: is the disk full?".to_owned())
    }
}

impl Keeper for DiskShelf {
    fn keep(&self, track: &TrackName, segment: SegmentNumber, blocks: &[Block]) {
        let bytes: u64 = blocks.iter().map(|block| block.payload_bytes() as u64).sum();
        let waiting = self.lying.waiting.fetch_add(bytes, Ordering::Relaxed);
        let task = Task::Write { track: track.clone(), segment, blocks: blocks.to_vec(), bytes };
        let is_given = waiting < QUEUE_BYTES && self.writer.input().is_some_and(|input| input.give(task).is_ok());
        if !is_given {
            self.lying.waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.lying.lost(Lost::Queue, track, None);
        }
    }
}

impl Lying {
    fn key(&self, track: &TrackName) -> Key {
        Key::of(&self.settings.set_up, &track.to_string())
    }

    fn take(&self, task: Task) {
        match task {
            Task::Write { track, segment, blocks, bytes } => {
                self.write(&track, segment, &blocks);
                self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            }
            Task::Forget(now) => {
                let oldest = (now + 1).saturating_sub(self.settings.segments);
                self.files.forget(oldest, now);
            }
        }
        self.metrics.shelf_bytes.set(i64::try_from(self.files.bytes()).unwrap_or(i64::MAX));
    }

    fn write(&self, track: &TrackName, segment: SegmentNumber, blocks: &[Block]) {
        let key = self.key(track);
        // What was put down stays: after a restart the first segments come again, as stills.
        if self.files.runs(&key).newest() >= Some(segment) {
            return;
        }
        let grid = &self.settings.grid;
        let bytes: Vec<Bytes> =
            (0..).zip(blocks).map(|(part, block)| block.to_bytes(grid, Position::new(segment, part))).collect();
        let Some(record) = file::record_of(segment, &bytes) else { return self.lost(Lost::Room, track, None) };
        let head = file::head_of(&track.to_string());
        loop {
            if self.files.bytes() + (head.len() + record.len()) as u64 > self.settings.bytes {
                if self.files.drop_oldest(segment) {
                    continue;
                }
                return self.lost(Lost::Room, track, None);
            }
            match self.files.append(&key, segment, &head, &record) {
                Ok(()) => break,
                // Others fill the disk, too: what is oldest makes room.
                Err(error) if error.kind() == io::ErrorKind::StorageFull && self.files.drop_oldest(segment) => {}
                Err(error) => return self.lost(Lost::Disk, track, Some(error)),
            }
        }
        let is_well = self.lost_at.lock().is_none_or(|at| at.elapsed() >= WELL_AFTER);
        if is_well && self.is_failing.swap(false, Ordering::Relaxed) {
            tracing::info!("what is played is kept for start-over again");
        }
    }

    fn read(&self, track: &TrackName, n: SegmentNumber, spot: &Spot) -> Option<Vec<Block>> {
        let blocks = read_at(spot).and_then(|record| {
            let damaged = || io::Error::new(io::ErrorKind::InvalidData, "the lengths of its blocks do not add up");
            let bytes = file::blocks_in(record).ok_or_else(damaged)?;
            if bytes.len() != self.settings.grid.parts() as usize {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "it has another number of blocks"));
            }
            let format = match track {
                TrackName::Tile(tile) => self.settings.formats.get(&tile.rung),
                TrackName::Canvas { .. } | TrackName::Sound { .. } | TrackName::Text { .. } => None,
            };
            let block = |(part, bytes): (u32, &Bytes)| {
                Block::from_bytes(&self.settings.grid, Position::new(n, part), format, bytes)
            };
            let blocks: Result<Vec<Block>, _> = (0..).zip(&bytes).map(block).collect();
            blocks.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
        });
        match blocks {
            Ok(blocks) => Some(blocks),
            Err(error) => {
                // The file may have gone meanwhile, as the oldest do.
                if self.files.remove(&self.key(track), n, spot) {
                    self.metrics.shelf_damaged.inc();
                    tracing::error!(%track, segment = n, file = %spot.path.display(), %error, "a segment of the start-over window is damaged: a gap");
                }
                None
            }
        }
    }

    fn lost(&self, why: Lost, track: &TrackName, error: Option<io::Error>) {
        self.metrics.shelf_lost.with_label_values(&[why.name()]).inc();
        *self.lost_at.lock() = Some(Instant::now());
        // Once: every track would say the same, again and again.
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            let error = error.map(|error| error.to_string());
            tracing::error!(%track, reason = why.name(), error, "what is played is not kept for start-over");
        }
    }
}

fn read_at(spot: &Spot) -> io::Result<Bytes> {
    let mut record = vec![0; spot.record.bytes as usize];
    files::opened(&spot.path)?.read_exact_at(&mut record, spot.record.offset)?;
    Ok(record.into())
}
