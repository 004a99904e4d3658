//! Tiles of art that moves: a closed loop of whole segments, encoded once on a thread that stands back, and shown again and again, in step with the grid.
//! Until it is made, and in segments that were asked for before it was, its first picture stands: within a segment nothing else begins. An asset is decoded
//! once for all of its loops that wait, and what was made is kept on the disk. What fails for a reason that may pass is tried again for as long as somebody
//! wants it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use lru::LruCache;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::art::ArtKey;
use super::plans::SlicedRung;
use super::reel::{bytes_of_units, units_of_bytes};
use super::stills::idr_pic_id;
use crate::assets::{AssetId, AssetLoops, Assets, NotShown, Piece};
use crate::encode::PictureEncoder;
use crate::frame::AccessUnit;
use crate::stitch::{StitchError, TileBlock};
use crate::timeline::{Grid, MediaTime, PartNumber, SegmentNumber};
use crate::track::{EncodingShared, Position};
use crate::work::lower_priority;

/// Loops that wait to be made: what is more is asked for again.
const MOST_WAITING: usize = 64;

/// Loops that are encoded at once, of one asset: an encoder each, and all at once would take gigabytes.
const ENCODED_AT_ONCE: usize = 8;

/// What failed is tried again after so long, and after twice as long each time, but after so long at the latest.
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_WAIT: Duration = Duration::from_secs(300);

/// How often it is looked whether something is to be tried again, where anything is.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Where no skin has an asset, whoever has asked for it so long ago is still there.
const WANTED_FOR: Duration = Duration::from_secs(60);

/// Pictures after which it is told how far loops are.
const TOLD_EVERY: u64 = 15;

/// Tiles of which it is known whether they move.
const MOST_KNOWN: usize = 4096;

/// Bytes of loops that are kept; what was asked for longest ago goes first, and is made again when it is asked for.
const KEPT_BYTES: usize = 128 << 20;

/// Longest loop, in segments, and how much faster or slower than it is an animation may be shown for a shorter one.
const MOST_SEGMENTS: u32 = 16;
const APART: f64 = 0.03;

/// A segment's pictures for each part, by the segment's place in the loop and its parity.
type Blocks = HashMap<(usize, PartNumber, u64), Arc<TileBlock>>;

struct Made {
    /// The first segment that shows it.
    from: SegmentNumber,
    /// Of one segment after the other, in the order of coding.
    units: Arc<[Bytes]>,
    blocks: Blocks,
    bytes: usize,
}

enum State {
    Still,
    Moves(Box<Moving>),
}

/// A tile that moves.
struct Moving {
    length: Duration,
    newest_asked: SegmentNumber,
    /// When somebody asked for it last.
    asked_at: MediaTime,
    /// Its loop waits to be made, or is being made.
    is_asked: bool,
    made: Option<Made>,
    /// How often it failed in a row, and when it is tried again.
    failures: u32,
    again_at: Option<MediaTime>,
}

impl Moving {
    /// It cannot be made now, and may be later.
    fn put_off(&mut self, now: MediaTime) {
        (self.is_asked, self.again_at) = (false, Some(now + wait_after(self.failures)));
    }

    /// Whether it is neither there nor on its way, and never was.
    fn is_missing(&self) -> bool {
        self.made.is_none() && !self.is_asked && self.failures == 0 && self.again_at.is_none()
    }
}

/// How long something is left alone that failed so often.
fn wait_after(failures: u32) -> Duration {
    (FIRST_WAIT * (1u32 << failures.saturating_sub(1).min(10))).min(LONGEST_WAIT)
}

struct Known {
    tiles: LruCache<ArtKey, State>,
    bytes: usize,
}

/// What loops are made with.
#[derive(Clone)]
pub(super) struct LoopTools {
    pub grid: Grid,
    pub preset: String,
    pub assets: Arc<Assets>,
    pub rungs: Arc<Vec<SlicedRung>>,
    pub shared: Arc<EncodingShared>,
}

/// See the module.
pub(super) struct Loops {
    tools: LoopTools,
    known: Arc<Mutex<Known>>,
    asks: Sender<ArtKey>,
}

/// How many segments a loop of an animation of `length` has, and how often that is shown in them.
fn fitted(grid: &Grid, length: Duration) -> (u32, u32) {
    let segment_s = grid.segment_duration().as_secs_f64();
    let tries = (1..=MOST_SEGMENTS).map(|segments| {
        let times = (f64::from(segments) * segment_s / length.as_secs_f64()).round().max(1.0);
        let apart = (times * length.as_secs_f64() / (f64::from(segments) * segment_s) - 1.0).abs();
        (segments, times as u32, apart)
    });
    let mut best = (1, 1, f64::INFINITY);
    for found in tries {
        if found.2 < best.2 {
            best = found;
        }
        if best.2 <= APART {
            break;
        }
    }
    (best.0, best.1)
}

impl Loops {
    pub fn new(tools: LoopTools) -> Self {
        let known = Arc::new(Mutex::new(Known { tiles: LruCache::unbounded(), bytes: 0 }));
        let (asks, waiting): (_, Receiver<ArtKey>) = bounded(MOST_WAITING);
        let (its, works) = (known.clone(), tools.clone());
        let spawned = std::thread::Builder::new().name("art-loops".to_owned()).spawn(move || {
            lower_priority();
            let mut queue: VecDeque<ArtKey> = VecDeque::new();
            loop {
                let room = |queue: &VecDeque<ArtKey>| MOST_WAITING.saturating_sub(queue.len());
                let (due, is_any) = its.lock().due(&works, room(&queue));
                queue.extend(due);
                if queue.is_empty() {
                    // Nobody wakes it for what is to be tried again.
                    let asked = match is_any {
                        true => waiting.recv_timeout(LOOK_EVERY),
                        false => waiting.recv().map_err(RecvTimeoutError::from),
                    };
                    match asked {
                        Ok(key) => queue.push_back(key),
                        Err(RecvTimeoutError::Timeout) => continue,
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
                let room = room(&queue);
                queue.extend(waiting.try_iter().take(room));
                if let Some(key) = queue.pop_front() {
                    works.make_all(key, &mut queue, &its);
                }
            }
        });
        if let Err(error) = spawned {
            tracing::error!(%error, "art that moves stands still");
        }
        Self { tools, known, asks }
    }

    /// Has the loop of a tile made that nobody has asked for yet.
    pub fn ahead(&self, key: &ArtKey) {
        let Some(piece) = &key.piece else { return };
        let mut known = self.known.lock();
        known.trim(key);
        if let State::Moves(moving) = known.state(&self.tools, key, piece) {
            self.ask(key, moving);
        }
    }

    /// Somebody wants a tile.
    fn ask(&self, key: &ArtKey, moving: &mut Moving) {
        moving.asked_at = self.tools.shared.clock.now();
        if !moving.is_missing() {
            return;
        }
        match self.asks.try_send(key.clone()) {
            Ok(()) => moving.is_asked = true,
            Err(_) => moving.put_off(moving.asked_at),
        }
    }

    /// The block of a tile for part `at`; `None` where it stands still.
    ///
    /// # Errors
    /// Where what was made cannot be put together.
    pub fn block(&self, key: &ArtKey, at: Position) -> Result<Option<Arc<TileBlock>>, StitchError> {
        let Some(piece) = &key.piece else { return Ok(None) };
        let mut known = self.known.lock();
        known.trim(key);
        let State::Moves(moving) = known.state(&self.tools, key, piece) else { return Ok(None) };
        moving.newest_asked = at.segment.max(moving.newest_asked);
        self.ask(key, moving);
        let Some(made) = &mut moving.made else { return Ok(None) };
        if at.segment < made.from {
            return Ok(None);
        }
        let frames = self.tools.grid.segment_frames() as usize;
        let segments = (made.units.len() / frames.max(1)).max(1);
        let nth = usize::try_from(at.segment % segments as u64).unwrap_or(0);
        let place = (nth, at.part, at.segment % 2);
        if let Some(block) = made.blocks.get(&place) {
            return Ok(Some(block.clone()));
        }
        let units = made.units.get(nth * frames..(nth + 1) * frames).unwrap_or_default();
        let units = units.get(self.tools.grid.part_pictures(at.part)).unwrap_or_default();
        let Some(rung) = self.tools.rungs.get(key.rendition) else { return Ok(None) };
        let gop = self.tools.grid.part_gop(at.part);
        let block = TileBlock::index(&rung.format, key.size.shape(), idr_pic_id(at.segment), units, &gop, None)?;
        let block = Arc::new(block);
        made.bytes += block.coded_bytes();
        made.blocks.insert(place, block.clone());
        known.bytes += block.coded_bytes();
        known.trim(key);
        Ok(Some(block))
    }

    /// Bytes of a segment of it, as a mean; `None` where it stands still.
    pub fn bytes(&self, key: &ArtKey) -> Option<usize> {
        let known = self.known.lock();
        let made = known.tiles.peek(key).and_then(State::made)?;
        let segments = made.units.len() / self.tools.grid.segment_frames().max(1) as usize;
        Some(made.units.iter().map(Bytes::len).sum::<usize>() / segments.max(1))
    }
}

impl State {
    fn made(&self) -> Option<&Made> {
        match self {
            Self::Moves(moving) => moving.made.as_ref(),
            Self::Still => None,
        }
    }
}

impl Known {
    /// At most `most` of those that are to be tried again now, since somebody wants them; and whether there are others that may be.
    fn due(&mut self, tools: &LoopTools, most: usize) -> (Vec<ArtKey>, bool) {
        let now = tools.shared.clock.now();
        let (mut due, mut gone, mut is_any) = (Vec::new(), Vec::new(), false);
        for (key, state) in &mut self.tiles {
            let (State::Moves(moving), Some(piece)) = (state, &key.piece) else { continue };
            let Some(at) = moving.again_at else { continue };
            is_any = true;
            if at > now || due.len() >= most {
                continue;
            }
            if tools.assets.length(&piece.asset).is_none() {
                gone.push(key.clone());
            } else if now.since(moving.asked_at) < WANTED_FOR || tools.assets.is_in_a_skin(&piece.asset) {
                (moving.is_asked, moving.again_at) = (true, None);
                due.push(key.clone());
            }
        }
        gone.iter().for_each(|key| drop(self.tiles.pop(key)));
        (due, is_any)
    }

    fn state(&mut self, tools: &LoopTools, key: &ArtKey, piece: &Piece) -> &mut State {
        self.tiles.get_or_insert_mut(key.clone(), || match tools.assets.length(&piece.asset) {
            Some(length) => State::Moves(Box::new(Moving {
                length,
                newest_asked: 0,
                asked_at: tools.shared.clock.now(),
                is_asked: false,
                made: None,
                failures: 0,
                again_at: None,
            })),
            None => State::Still,
        })
    }

    /// How far the loops of an asset are, `under_way` of which are done to that share.
    fn progress(&self, asset: AssetId, under_way: u32, done: f64) -> AssetLoops {
        let mut loops = AssetLoops::default();
        for (key, state) in &self.tiles {
            if key.piece.as_ref().is_none_or(|piece| piece.asset != asset) {
                continue;
            }
            let State::Moves(moving) = state else { continue };
            let is_to_come = moving.is_asked || moving.again_at.is_some();
            let is_failed = moving.made.is_none() && moving.failures > 0;
            loops.wanted += u32::from(moving.made.is_some() || is_to_come || is_failed);
            loops.made += u32::from(moving.made.is_some());
            loops.failed += u32::from(is_failed);
            loops.retried += u32::from(is_failed && is_to_come);
        }
        let over = loops.made + loops.failed - loops.retried;
        let done = f64::from(over) + f64::from(under_way) * done;
        // What is encoded is not shown yet.
        let most = if over < loops.wanted { 99.0 } else { 100.0 };
        loops.percent = (100.0 * done / f64::from(loops.wanted.max(1))).clamp(0.0, most) as u32;
        loops
    }

    /// Those asked for longest ago go until the rest has room, but `except`.
    fn trim(&mut self, except: &ArtKey) {
        while self.tiles.len() > MOST_KNOWN {
            let Some((_, oldest)) = self.tiles.pop_lru() else { break };
            self.bytes -= oldest.made().map_or(0, |made| made.bytes);
        }
        while self.bytes > KEPT_BYTES {
            let of = |(key, state): (&ArtKey, &State)| state.made().is_some() && key != except;
            let Some((oldest, _)) = self.tiles.iter().rev().find(|its| of(*its)) else { return };
            let oldest = oldest.clone();
            self.bytes -= self.tiles.pop(&oldest).as_ref().and_then(State::made).map_or(0, |made| made.bytes);
        }
    }
}

impl LoopTools {
    /// Makes the loop of `key` and those of the same asset that wait.
    fn make_all(&self, key: ArtKey, queue: &mut VecDeque<ArtKey>, known: &Mutex<Known>) {
        let Some(asset) = key.piece.as_ref().map(|piece| piece.asset) else { return };
        let mut keys = vec![key];
        queue.retain(|key| {
            let is_its = key.piece.as_ref().is_some_and(|piece| piece.asset == asset);
            let is_taken = is_its && keys.len() < ENCODED_AT_ONCE;
            if is_taken {
                keys.push(key.clone());
            }
            !is_taken
        });
        let mut length = None;
        keys.retain(|key| match known.lock().tiles.peek(key) {
            Some(State::Moves(moving)) if moving.made.is_none() => {
                length = Some(moving.length);
                true
            }
            _ => false,
        });
        let Some(length) = length else { return };
        let tell = |done: f64| {
            let under_way = u32::try_from(keys.len()).unwrap_or(0);
            self.assets.loops_are(asset, known.lock().progress(asset, under_way, done));
        };
        tell(0.0);
        let mut missing = Vec::new();
        for key in &keys {
            match self.kept(asset, key, length) {
                Some(units) => self.made(key, known, units),
                None => missing.push(key),
            }
        }
        if !missing.is_empty() {
            match self.encoded(&missing, length, &tell) {
                Ok(all) => {
                    for (key, units) in missing.into_iter().zip(all) {
                        if let Some(name) = self.name_of(key, length) {
                            self.assets.keep_made(&asset, &name, &bytes_of_units(&units));
                        }
                        self.made(key, known, units);
                        // It is shown by then.
                        self.shared.metrics.art_encoded.inc();
                    }
                }
                Err(why) => self.failed(&missing, known, &why),
            }
        }
        self.assets.loops_are(asset, known.lock().progress(asset, 0, 0.0));
    }

    /// A loop is there.
    fn made(&self, key: &ArtKey, known: &Mutex<Known>, units: Arc<[Bytes]>) {
        let mut known = known.lock();
        // Else nobody knows of it any more.
        let Some(State::Moves(moving)) = known.tiles.peek_mut(key) else { return };
        let bytes = units.iter().map(Bytes::len).sum();
        moving.made = Some(Made { from: moving.newest_asked + 1, units, blocks: Blocks::new(), bytes });
        moving.failures = 0;
        known.bytes += bytes;
        known.trim(key);
    }

    /// Loops of one asset could not be made.
    fn failed(&self, keys: &[&ArtKey], known: &Mutex<Known>, why: &NotShown) {
        let (mut known, now) = (known.lock(), self.shared.clock.now());
        let mut waits = None;
        for key in keys {
            let Some(State::Moves(moving)) = known.tiles.peek_mut(*key) else { continue };
            (moving.failures, moving.is_asked) = (moving.failures.saturating_add(1), false);
            if why.may_pass() {
                moving.put_off(now);
                waits = Some(wait_after(moving.failures).as_secs());
            }
        }
        drop(known);
        let asset = keys.first().and_then(|key| key.piece.as_ref()).map(|piece| piece.asset.to_string());
        match waits {
            Some(again_in_s) => tracing::warn!(asset, %why, again_in_s, "art that moves stands still for now"),
            None => tracing::error!(asset, %why, "art that moves stands still"),
        }
    }

    /// What decides a loop's bytes, but what only decides how well it is encoded.
    fn name_of(&self, key: &ArtKey, length: Duration) -> Option<String> {
        let rung = self.rungs.get(key.rendition)?;
        let settings = rung.tile_settings(key.size, self.grid, "");
        let all = format!("{} {:?}", env!("CARGO_PKG_VERSION"), (settings, &rung.sets, key, length));
        Some(format!("{}.loop", hex::encode(&Sha256::digest(all)[..20])))
    }

    /// The loop that was kept.
    fn kept(&self, asset: AssetId, key: &ArtKey, length: Duration) -> Option<Arc<[Bytes]>> {
        let units = units_of_bytes(self.assets.made(&asset, &self.name_of(key, length)?)?)?;
        let (segments, _) = fitted(&self.grid, length);
        let is_whole = units.len() as u64 == u64::from(segments) * u64::from(self.grid.segment_frames());
        is_whole.then(|| units.into())
    }

    fn encoder(&self, key: &ArtKey) -> Result<Box<dyn PictureEncoder>, NotShown> {
        let rung = self.rungs.get(key.rendition).ok_or_else(|| NotShown::of_file("there is no such rendition"))?;
        let settings = rung.tile_settings(key.size, self.grid, &self.preset);
        let encoder = self.shared.encoders().open(&settings).map_err(not_the_file_s)?;
        rung.accepts(encoder.parameter_sets()).map_err(not_the_file_s)?;
        Ok(encoder)
    }

    /// The loops of `keys`, which are of one asset of that length; `tell` is told how much of them is done.
    fn encoded(&self, keys: &[&ArtKey], length: Duration, tell: &dyn Fn(f64)) -> Result<Vec<Arc<[Bytes]>>, NotShown> {
        let pieces: Vec<Piece> = keys.iter().filter_map(|key| key.piece.clone()).collect();
        let mut encoders = keys.iter().map(|key| self.encoder(key)).collect::<Result<Vec<_>, _>>()?;
        let (segments, times) = fitted(&self.grid, length);
        let count = u64::from(segments) * u64::from(self.grid.segment_frames());
        let step = Duration::from_secs_f64(length.as_secs_f64() * f64::from(times) / count as f64);
        let mut units: Vec<Vec<AccessUnit>> = vec![Vec::new(); keys.len()];
        let mut next = vec![0u64; keys.len()];
        self.assets.play(&pieces, (length, step, count), |nth, picture| {
            let encoded = encoders[nth].encode(picture, next[nth]).map_err(not_the_file_s)?;
            units[nth].extend(encoded);
            next[nth] += 1;
            if nth == 0 && next[0].is_multiple_of(TOLD_EVERY) {
                tell(next[0] as f64 / count as f64);
            }
            Ok(())
        })?;
        for (encoder, units) in encoders.iter_mut().zip(&mut units) {
            while let Some(unit) = encoder.drain().map_err(not_the_file_s)? {
                units.push(unit);
            }
            if units.len() as u64 != count {
                return Err(not_the_file_s(format!("its encoder made {} pictures of {count}", units.len())));
            }
        }
        // In a buffer of its own each: what an encoder gives may be a view of a larger one.
        let owned = |units: Vec<AccessUnit>| units.iter().map(|unit| Bytes::copy_from_slice(&unit.data)).collect();
        Ok(units.into_iter().map(owned).collect())
    }
}

/// What an encoder cannot do now it may do later.
fn not_the_file_s(error: impl std::fmt::Display) -> NotShown {
    NotShown::of_moment(error.to_string())
}

#[cfg(test)]
#[path = "loops_tests.rs"]
mod tests;
