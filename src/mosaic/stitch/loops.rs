//! Tiles of art that moves: a closed loop of whole segments, encoded once on a thread that stands back, and shown again and again, in step with the grid.
//! Until it is made, and in segments that were asked for before it was, its first picture stands: within a segment nothing else begins. An asset is decoded
//! once for all of its loops that wait, and what was made is kept on the disk.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{Receiver, Sender, bounded};
use lru::LruCache;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};

use super::art::ArtKey;
use super::plans::SlicedRung;
use super::reel::{bytes_of_units, units_of_bytes};
use super::stills::idr_pic_id;
use crate::assets::{AssetId, AssetLoops, Assets, Piece};
use crate::encode::PictureEncoder;
use crate::frame::AccessUnit;
use crate::stitch::{StitchError, TileBlock};
use crate::timeline::{Grid, PartNumber, SegmentNumber};
use crate::track::{EncodingShared, Position};
use crate::work::lower_priority;

/// Loops that wait to be made: what is more is asked for again.
const MOST_WAITING: usize = 64;

/// Loops that are encoded at once, of one asset: an encoder each, and all at once would take gigabytes.
const ENCODED_AT_ONCE: usize = 8;

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
    /// It moves, and no loop of it can be made.
    Failed,
    Moves {
        length: Duration,
        newest_asked: SegmentNumber,
        is_asked: bool,
        made: Option<Made>,
    },
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
            while let Some(key) = queue.pop_front().or_else(|| waiting.recv().ok()) {
                let room = MOST_WAITING.saturating_sub(queue.len());
                queue.extend(waiting.try_iter().take(room));
                works.make_all(key, &mut queue, &its);
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
        if let State::Moves { is_asked, made: None, .. } = known.state(&self.tools, key, piece) {
            *is_asked = *is_asked || self.asks.try_send(key.clone()).is_ok();
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
        let State::Moves { newest_asked, is_asked, made, .. } = known.state(&self.tools, key, piece) else {
            return Ok(None);
        };
        *newest_asked = at.segment.max(*newest_asked);
        let Some(made) = made else {
            *is_asked = *is_asked || self.asks.try_send(key.clone()).is_ok();
            return Ok(None);
        };
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
        let Some(State::Moves { made: Some(made), .. }) = known.tiles.peek(key) else { return None };
        let segments = made.units.len() / self.tools.grid.segment_frames().max(1) as usize;
        Some(made.units.iter().map(Bytes::len).sum::<usize>() / segments.max(1))
    }
}

impl Known {
    fn state(&mut self, tools: &LoopTools, key: &ArtKey, piece: &Piece) -> &mut State {
        self.tiles.get_or_insert_mut(key.clone(), || match tools.assets.length(&piece.asset) {
            Some(length) => State::Moves { length, newest_asked: 0, is_asked: false, made: None },
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
            match state {
                State::Moves { made: Some(_), .. } => (loops.wanted, loops.made) = (loops.wanted + 1, loops.made + 1),
                State::Moves { is_asked: true, .. } => loops.wanted += 1,
                State::Failed => (loops.wanted, loops.failed) = (loops.wanted + 1, loops.failed + 1),
                State::Moves { .. } | State::Still => {}
            }
        }
        let over = loops.made + loops.failed;
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
            if let State::Moves { made: Some(made), .. } = oldest {
                self.bytes -= made.bytes;
            }
        }
        while self.bytes > KEPT_BYTES {
            let of =
                |(key, state): (&ArtKey, &State)| matches!(state, State::Moves { made: Some(_), .. }) && key != except;
            let Some((oldest, _)) = self.tiles.iter().rev().find(|its| of(*its)) else { return };
            let oldest = oldest.clone();
            if let Some(State::Moves { made: Some(made), .. }) = self.tiles.pop(&oldest) {
                self.bytes -= made.bytes;
            }
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
            Some(State::Moves { length: its, made: None, .. }) => {
                length = Some(*its);
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
                Some(units) => self.made(key, known, Ok(units)),
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
                        self.made(key, known, Ok(units));
                        // It is shown by then.
                        self.shared.metrics.art_encoded.inc();
                    }
                }
                Err(why) => missing.into_iter().for_each(|key| self.made(key, known, Err(&why))),
            }
        }
        self.assets.loops_are(asset, known.lock().progress(asset, 0, 0.0));
    }

    /// A loop is there, or cannot be made.
    fn made(&self, key: &ArtKey, known: &Mutex<Known>, made: Result<Arc<[Bytes]>, &str>) {
        let mut known = known.lock();
        match (made, known.tiles.peek_mut(key)) {
            (Ok(units), Some(State::Moves { newest_asked, made, .. })) => {
                let bytes = units.iter().map(Bytes::len).sum();
                *made = Some(Made { from: *newest_asked + 1, units, blocks: Blocks::new(), bytes });
                known.bytes += bytes;
                known.trim(key);
            }
            // Nobody knows of it any more.
            (Ok(_), _) => {}
            (Err(why), state) => {
                tracing::error!(why, "art that moves stands still");
                if let Some(state) = state {
                    *state = State::Failed;
                }
            }
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

    fn encoder(&self, key: &ArtKey) -> Result<Box<dyn PictureEncoder>, String> {
        let rung = self.rungs.get(key.rendition).ok_or("there is no such rendition")?;
        let settings = rung.tile_settings(key.size, self.grid, &self.preset);
        let encoder = self.shared.encoders().open(&settings).map_err(|error| error.to_string())?;
        rung.accepts(encoder.parameter_sets()).map_err(|error| error.to_string())?;
        Ok(encoder)
    }

    /// The loops of `keys`, which are of one asset of that length; `tell` is told how much of them is done.
    fn encoded(&self, keys: &[&ArtKey], length: Duration, tell: &dyn Fn(f64)) -> Result<Vec<Arc<[Bytes]>>, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let pieces: Vec<Piece> = keys.iter().filter_map(|key| key.piece.clone()).collect();
        let mut encoders = keys.iter().map(|key| self.encoder(key)).collect::<Result<Vec<_>, String>>()?;
        let (segments, times) = fitted(&self.grid, length);
        let count = u64::from(segments) * u64::from(self.grid.segment_frames());
        let step = Duration::from_secs_f64(length.as_secs_f64() * f64::from(times) / count as f64);
        let mut units: Vec<Vec<AccessUnit>> = vec![Vec::new(); keys.len()];
        let mut next = vec![0u64; keys.len()];
        self.assets.play(&pieces, (length, step, count), |nth, picture| {
            let encoded = encoders[nth].encode(picture, next[nth]).map_err(|error| text(&error))?;
            units[nth].extend(encoded);
            next[nth] += 1;
            if nth == 0 && next[0].is_multiple_of(TOLD_EVERY) {
                tell(next[0] as f64 / count as f64);
            }
            Ok(())
        })?;
        for (encoder, units) in encoders.iter_mut().zip(&mut units) {
            while let Some(unit) = encoder.drain().map_err(|error| text(&error))? {
                units.push(unit);
            }
            if units.len() as u64 != count {
                return Err(format!("its encoder made {} pictures of {count}", units.len()));
            }
        }
        // In a buffer of its own each: what an encoder gives may be a view of a larger one.
        let owned = |units: Vec<AccessUnit>| units.iter().map(|unit| Bytes::copy_from_slice(&unit.data)).collect();
        Ok(units.into_iter().map(owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_animation_is_shown_at_its_pace_or_nearly() {
        // Segments of two seconds.
        let grid = Grid::new("30".parse().unwrap(), 60);
        let of = |ms| fitted(&grid, Duration::from_millis(ms));
        assert_eq!([2_000, 1_000, 500, 4_000, 6_000].map(of), [(1, 1), (1, 2), (1, 4), (2, 1), (3, 1)]);
        assert_eq!(of(1_300), (2, 3));
        assert_eq!(of(10), (1, 200));
        assert_eq!(of(30_000), (15, 1));
        for ms in (100..30_000).step_by(70) {
            let (segments, times) = of(ms);
            let pace = f64::from(times) * ms as f64 / (f64::from(segments) * 2_000.0);
            assert!((0.9..=1.1).contains(&pace), "{ms} ms: {segments} segments, {times} times");
        }
    }
}
