//! Creatives: the files that a decision names, fetched once, decoded like any hostile source, and made reels and sound of: one reel for each tile that shows
//! them, however many sessions and breaks do.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::kept;
use crate::decisions::MediaFile;
use crate::encode::SoundEncoders;
use crate::frame::Sound;
use crate::mosaic::{Reel, ReelError, ReelMaker};
use crate::package;
use crate::timeline::{AAC_FRAME_SAMPLES, Grid, MediaTime, SegmentNumber};
use crate::track::{Block, Position, TileName, silent_unit};

/// Longest advertisement.
pub const MOST_MS: u64 = 180_000;

/// What is longer than whole segments by no more than this is cut rather than given another segment.
const CUT_MS: u64 = 250;

/// Samples that an encoder of sound is behind at most.
const FLUSHED_SAMPLES: u64 = 8 * AAC_FRAME_SAMPLES;

/// How far a creative has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is being fetched, or waits for that.
    Fetching,
    /// Its file is there.
    There,
    /// It cannot be shown: why, and VAST's code of it.
    Failed { why: String, code: u16 },
}

/// A tile's reel.
enum Making {
    Asked,
    Made(Made),
    Failed,
}

/// Which block of a reel: of which segment and part, by the parity of the segment that it is put down as.
type Nth = (usize, u32, u64);

struct Made {
    reel: Reel,
    /// Blocks of it: whoever shows the creative shares them.
    blocks: HashMap<Nth, Block>,
    bytes: usize,
}

struct State {
    stage: Stage,
    file: Option<PathBuf>,
    /// By tile, whichever game that names.
    reels: HashMap<TileName, Making>,
    /// Interleaved stereo from its first picture on.
    sound: Option<Arc<[i16]>>,
    /// AAC frames from a segment's first one on, by how that lies to the segment's first picture.
    coded: HashMap<i64, Arc<[Bytes]>>,
    used_ms: i64,
}

/// How long it is, by who names it and by its file.
#[derive(Clone, Copy)]
struct Lasts {
    segments: u64,
    /// Pictures of the grid until its last one is over, where its file says so.
    pictures: Option<u64>,
    /// The same until all of it is over, its sound too.
    frames: Option<u64>,
}

/// See the module.
pub struct Creative {
    pub media: MediaFile,
    /// What it is kept under.
    pub name: String,
    lasts: Mutex<Lasts>,
    state: Mutex<State>,
}

/// A tile without the game that it is of.
fn any_game(tile: &TileName) -> TileName {
    TileName { game: "".into(), ..tile.clone() }
}

/// Segments that `ms` fill.
pub fn segments_of(grid: &Grid, ms: u64) -> u64 {
    let segment_ms = u64::try_from(grid.segment_duration().as_millis()).unwrap_or(u64::MAX).max(1);
    ms.min(MOST_MS).saturating_sub(CUT_MS.min(segment_ms / 4)).div_ceil(segment_ms).max(1)
}

impl Creative {
    pub fn new(tenant: &str, media: MediaFile, declared_ms: u64, grid: &Grid, now_ms: i64) -> Self {
        let state = State {
            stage: Stage::Fetching,
            file: None,
            reels: HashMap::new(),
            sound: None,
            coded: HashMap::new(),
            used_ms: now_ms,
        };
        let name = kept::name_of(tenant, &media.url);
        let lasts = Lasts { segments: segments_of(grid, declared_ms), pictures: None, frames: None };
        Self { media, name, lasts: Mutex::new(lasts), state: Mutex::new(state) }
    }

    pub fn stage(&self) -> Stage {
        self.state.lock().stage.clone()
    }

    pub fn segments(&self) -> u64 {
        self.lasts.lock().segments
    }

    /// Pictures of the grid until its last one is over, where its file says so.
    pub fn pictures(&self) -> Option<u64> {
        self.lasts.lock().pictures
    }

    /// The same until all of it is over, its sound too.
    pub fn frames(&self) -> Option<u64> {
        self.lasts.lock().frames
    }

    pub fn used(&self, now_ms: i64) {
        let mut state = self.state.lock();
        state.used_ms = state.used_ms.max(now_ms);
    }

    pub fn used_ms(&self) -> i64 {
        self.state.lock().used_ms
    }

    pub fn fail(&self, why: String, code: u16) {
        self.state.lock().stage = Stage::Failed { why, code };
    }

    /// It lasts no longer than its file says, of which these are the bytes.
    ///
    /// # Errors
    /// Where not all of the file is there.
    pub fn lasts(&self, bytes: &[u8], grid: &Grid) -> Result<(), String> {
        let package::Length { ms, pictures_ms, is_cut_off } = package::Length::of(bytes);
        if is_cut_off {
            return Err("its file is cut off: it ends before what it says that is in it".to_owned());
        }
        let frames = |ms: u64| {
            // The frame that begins nearest to there.
            grid.frame_at(MediaTime::ZERO + Duration::from_millis(ms.min(MOST_MS)) + grid.frame_duration() / 2).max(1)
        };
        let mut lasts = self.lasts.lock();
        lasts.segments = ms.map_or(lasts.segments, |ms| lasts.segments.min(segments_of(grid, ms)));
        (lasts.pictures, lasts.frames) = (pictures_ms.map(frames), ms.map(frames));
        Ok(())
    }

    /// Its file is there.
    pub fn fetched(&self, file: PathBuf) {
        let mut state = self.state.lock();
        (state.file, state.stage) = (Some(file), Stage::There);
    }

    pub fn file(&self) -> Option<PathBuf> {
        self.state.lock().file.clone()
    }

    /// Of `tiles` those that nobody has asked for: they are asked for from now on.
    pub fn ask(&self, tiles: &[TileName]) -> Vec<TileName> {
        let mut state = self.state.lock();
        if state.stage != Stage::There {
            return Vec::new();
        }
        let is_new = |tile: &TileName| !state.reels.contains_key(tile);
        let mut asked: Vec<TileName> = tiles.iter().map(any_game).filter(is_new).collect();
        asked.dedup();
        state.reels.extend(asked.iter().map(|tile| (tile.clone(), Making::Asked)));
        asked
    }

    /// Those that were asked for and are not to be made after all are as if nobody had asked.
    pub fn unasked(&self, tiles: &[TileName]) {
        self.state.lock().reels.retain(|tile, making| !matches!(making, Making::Asked) || !tiles.contains(tile));
    }

    pub fn made(&self, tile: &TileName, reel: Option<Reel>) {
        let making = reel.map_or(Making::Failed, |reel| {
            let bytes = reel.bytes();
            Making::Made(Made { reel, blocks: HashMap::new(), bytes })
        });
        self.state.lock().reels.insert(any_game(tile), making);
    }

    /// Interleaved stereo from its first picture on.
    pub fn heard(&self, sound: Arc<[i16]>) {
        self.state.lock().sound = Some(sound);
    }

    pub fn has_sound(&self) -> bool {
        self.state.lock().sound.is_some()
    }

    /// Whether all is made that can be made for `tiles`, and its sound is known, which comes by itself: from the disk, or with the first reel.
    pub fn is_made(&self, tiles: &[TileName]) -> bool {
        let state = self.state.lock();
        let made = |tile: &TileName| matches!(state.reels.get(&any_game(tile)), Some(Making::Made(_) | Making::Failed));
        state.stage == Stage::There && state.sound.is_some() && tiles.iter().all(made)
    }

    /// Whether it can be put down in the track of `tile`.
    pub fn is_reeled(&self, tile: &TileName) -> bool {
        matches!(self.state.lock().reels.get(&any_game(tile)), Some(Making::Made(_)))
    }

    /// Part `at` of its segment `nth`, as it is put down in the track of `tile`; `None` where that is not made.
    ///
    /// # Errors
    /// Where what was made cannot be put down.
    pub fn block(
        &self,
        maker: &ReelMaker,
        tile: &TileName,
        nth: u64,
        at: Position,
    ) -> Result<Option<Block>, ReelError> {
        let mut state = self.state.lock();
        let Some(Making::Made(made)) = state.reels.get_mut(&any_game(tile)) else { return Ok(None) };
        let Ok(nth) = usize::try_from(nth) else { return Ok(None) };
        let key = (nth, at.part, at.segment % 2);
        if let Some(block) = made.blocks.get(&key) {
            return Ok(Some(block.clone()));
        }
        let block = maker.block(tile, &made.reel, nth, at)?;
        made.bytes += block.payload_bytes();
        made.blocks.insert(key, block.clone());
        Ok(Some(block))
    }

    /// Its sound as it is put down from segment `from` on.
    pub fn coded(&self, grid: &Grid, from: SegmentNumber) -> Option<Arc<[Bytes]>> {
        self.state.lock().coded.get(&lies(grid, from)).cloned()
    }

    /// Encodes its sound for segment `from`. May take a second.
    ///
    /// # Errors
    /// Where there is no encoder, or it fails.
    pub fn encode_sound(
        &self,
        encoders: &dyn SoundEncoders,
        grid: &Grid,
        from: SegmentNumber,
        bitrate_bps: u32,
    ) -> Result<(), String> {
        let Some(sound) = self.state.lock().sound.clone() else { return Ok(()) };
        let units = encoded(encoders, grid, &sound, from..from + self.segments(), bitrate_bps)?;
        self.state.lock().coded.insert(lies(grid, from), units);
        Ok(())
    }

    /// Memory it takes.
    pub fn bytes(&self) -> usize {
        let state = self.state.lock();
        let reels = state.reels.values().map(|making| if let Making::Made(made) = making { made.bytes } else { 0 });
        let coded = state.coded.values().flat_map(|units| units.iter()).map(Bytes::len);
        reels.sum::<usize>() + coded.sum::<usize>() + state.sound.as_ref().map_or(0, |sound| 2 * sound.len())
    }
}

/// Samples by which a segment's first AAC frame lies behind its first picture.
fn lies(grid: &Grid, segment: SegmentNumber) -> i64 {
    let frame = grid.first_aac_frame(segment) * AAC_FRAME_SAMPLES;
    i64::try_from(frame).unwrap_or(0) - i64::try_from(grid.sample_at_frame(grid.first_frame(segment))).unwrap_or(0)
}

/// The AAC frames of `segments`, of which `sound` begins with the first one's first picture.
fn encoded(
    encoders: &dyn SoundEncoders,
    grid: &Grid,
    sound: &[i16],
    segments: std::ops::Range<SegmentNumber>,
    bitrate_bps: u32,
) -> Result<Arc<[Bytes]>, String> {
    let frames = grid.first_aac_frame(segments.start)..grid.first_aac_frame(segments.end);
    let begins = grid.sample_at_frame(grid.first_frame(segments.start));
    let mut encoder = encoders.open(frames.start, bitrate_bps).map_err(|error| error.to_string())?;
    let mut units: Vec<Option<Bytes>> = vec![None; usize::try_from(frames.end - frames.start).unwrap_or(0)];
    let end = frames.end * AAC_FRAME_SAMPLES + FLUSHED_SAMPLES;
    while encoder.next_sample() < end {
        let from = encoder.next_sample();
        let samples = from..from + AAC_FRAME_SAMPLES;
        let at = |sample: u64, channel: u64| {
            let nth = sample.checked_sub(begins).map(|nth| usize::try_from(2 * nth + channel).unwrap_or(usize::MAX));
            nth.and_then(|nth| sound.get(nth)).copied().unwrap_or(0)
        };
        let interleaved = samples.clone().flat_map(|sample| [at(sample, 0), at(sample, 1)]).collect();
        for unit in encoder.push(&Sound { samples, interleaved }).map_err(|error| error.to_string())? {
            let nth = unit.aac_frame.checked_sub(frames.start).and_then(|nth| usize::try_from(nth).ok());
            if let Some(place) = nth.and_then(|nth| units.get_mut(nth)) {
                *place = Some(unit.data);
            }
        }
    }
    let silent = |nth: usize| silent_unit(frames.start + nth as u64).data;
    Ok(units.into_iter().enumerate().map(|(nth, unit)| unit.unwrap_or_else(|| silent(nth))).collect())
}
