//! One encoder of pictures at work: a bounded queue of canvases, a thread with an encoder, a track for its blocks. Nothing an
//! encoding does can hold up the tick or another encoding.
//!
//! An encoder looks ahead, so that what is given now comes out some pictures later: the segment that is being filled is not the one that
//! is coming out. A segment that was begun gets all its blocks, each when its last picture has come out or cannot come any more.
//!
//! Lock order: none is held while another is taken.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use parking_lot::Mutex;

use super::failing::{FailedAt, Failing, Watched};
use super::{Appended, Block, LEAD_IN_SEGMENTS, MemoryShelf, Position, Runs, Track};
use crate::encode::{Libraries, PictureEncoder, PictureEncoders, encode_still};
use crate::frame::{AccessUnit, Picture};
use crate::ladder::{ParameterSets, VideoSettings};
use crate::metrics::Metrics;
use crate::timeline::{Clock, FrameNumber, Grid, PartNumber, SegmentNumber};
use crate::work::{InHand, Input as Queue, Mended, Piece, Retry, SystemThreads, Threads, Worker, thread_cpu_time};

/// Canvases that may wait for an encoder. At this bound the newest is dropped and counted: an encoder that cannot keep up
/// loses pictures, never time.
const QUEUE_FRAMES: usize = 8;

/// What is lost in one go is made good for by holding the last picture as long as it is no longer than this. Held pictures are
/// cheap to encode, but everybody is behind at once when the tick was held up, so that a longer loss stays a hole.
const MOST_HELD: Duration = Duration::from_secs(4);

/// What all encodings share.
pub struct EncodingShared {
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    /// Where blocks are put down.
    pub shelf: Arc<MemoryShelf>,
    pub failing: Arc<Failing>,
    /// Canvases that wait for an encoder or are with one.
    pub in_hand: InHand,
    encoders: Arc<dyn PictureEncoders>,
    threads: Arc<dyn Threads>,
    /// Processor seconds to encode one picture, by [`EncodingSpec::label`], as a running average.
    costs: Mutex<HashMap<String, f64>>,
}

impl EncodingShared {
    pub fn new(clock: Arc<dyn Clock>, metrics: Arc<Metrics>, shelf: Arc<MemoryShelf>) -> Self {
        Self {
            clock,
            failing: Failing::new(metrics.clone()),
            metrics,
            shelf,
            in_hand: InHand::default(),
            encoders: Arc::new(Libraries),
            threads: Arc::new(SystemThreads),
            costs: Mutex::default(),
        }
    }

    /// Counts what encoders have in hand with what others count there.
    pub fn counted_in(self, in_hand: InHand) -> Self {
        Self { in_hand, ..self }
    }

    /// With other encoders and threads than the libraries' and the system's.
    pub fn made_of(self, encoders: Arc<dyn PictureEncoders>, threads: Arc<dyn Threads>) -> Self {
        Self { encoders, threads, ..self }
    }

    pub fn encoders(&self) -> &dyn PictureEncoders {
        &*self.encoders
    }

    /// Processor seconds to encode one picture of `label`, if any was.
    pub fn cost_per_frame(&self, label: &str) -> Option<f64> {
        self.costs.lock().get(label).copied()
    }

    fn measured(&self, label: &str, seconds: f64) {
        let mut costs = self.costs.lock();
        match costs.get_mut(label) {
            // About two seconds' worth of pictures, so that a hard scene shows without one picture deciding.
            Some(cost) => *cost += (seconds - *cost) / 64.0,
            None => {
                costs.insert(label.to_owned(), seconds);
            }
        }
    }
}

/// A canvas on its way to an encoder.
type Due = (FrameNumber, Picture);

/// Where canvases go in.
pub struct Input {
    queue: Option<Queue<Due>>,
    shared: Arc<EncodingShared>,
}

impl Input {
    /// Hands a canvas over. It never waits: a full queue drops the canvas and counts it.
    pub fn give(&self, frame: FrameNumber, picture: Picture) {
        let Some(queue) = &self.queue else { return };
        if queue.give((frame, picture)).is_err() {
            self.shared.metrics.frames.with_label_values(&["dropped"]).inc();
        }
    }
}

/// Makes a block of a part's access units, in the order of coding: fewer than it has pictures, or none, where the encoder failed. `None` (with
/// the reason logged) loses the rest of the segment.
pub type Pack = Box<dyn Fn(Position, &[AccessUnit]) -> Option<Block> + Send + Sync>;

/// Refuses parameter sets that an encoding's segments could not be decoded with, saying why.
pub type CheckSets = Box<dyn Fn(&ParameterSets) -> Result<(), String> + Send + Sync>;

/// What an encoding is to do.
pub struct EncodingSpec {
    /// What the encoder is counted as: `render` or `tile`.
    pub kind: &'static str,
    /// For the log.
    pub name: String,
    /// For metrics and measured costs; one of few.
    pub label: String,
    pub settings: VideoSettings,
    pub check: CheckSets,
    pub pack: Pack,
    pub from: SegmentNumber,
}

/// See the module.
pub struct Encoding {
    worker: Worker<Due>,
    shared: Arc<EncodingShared>,
    watched: Arc<Watched>,
}

impl Encoding {
    /// An encoding of segments `spec.from ..` onto `track`, which may have earlier ones. It has no thread before
    /// [`Encoding::mend`], so that it can be made anywhere.
    pub fn new(spec: EncodingSpec, track: Arc<Track>, shared: &Arc<EncodingShared>) -> Self {
        let watched = Arc::new(shared.failing.watch(spec.kind, spec.name.clone()));
        let (spec, its, watched_too) = (Arc::new(spec), shared.clone(), watched.clone());
        let run = move |canvases: &Receiver<Piece<Due>>| {
            Work {
                grid: spec.settings.grid,
                spec: spec.clone(),
                track: track.clone(),
                shared: its.clone(),
                watched: watched_too.clone(),
                segment: spec.from,
                given: None,
                coming: VecDeque::new(),
                encoder: None,
                retry: Retry::default(),
                last: None,
            }
            .run(canvases);
        };
        let worker = Worker::new("encoder", QUEUE_FRAMES, shared.in_hand.clone(), Arc::new(run));
        Self { worker, shared: shared.clone(), watched }
    }

    /// Sees to it that there is a thread that encodes. Waits for the system: not for the tick, nor with a lock that it takes.
    pub fn mend(&self) {
        match self.worker.mend(&*self.shared.threads, self.shared.clock.now()) {
            Mended::Nothing | Mended::Started => {}
            Mended::Replaced => self.watched.failed(FailedAt::Thread, "its thread died"),
            Mended::Failed(error) => self.watched.failed(FailedAt::Thread, &error.to_string()),
        }
    }

    pub fn input(&self) -> Input {
        Input { queue: self.worker.input(), shared: self.shared.clone() }
    }

    /// Lets the encoder go once its queue is empty.
    pub fn close(&self) {
        self.worker.close();
    }
}

/// The segments that all of `tracks` have from end to end.
pub fn in_all<'a>(tracks: impl IntoIterator<Item = &'a Arc<Track>>) -> Runs {
    let runs = tracks.into_iter().map(|track| track.runs());
    runs.reduce(|all, own| all.and(&own)).unwrap_or_default()
}

/// What an encoding's thread does.
struct Work {
    grid: Grid,
    spec: Arc<EncodingSpec>,
    track: Arc<Track>,
    shared: Arc<EncodingShared>,
    watched: Arc<Watched>,
    /// The segment being filled, and how many of its frames were; `None` before the first.
    segment: SegmentNumber,
    given: Option<u64>,
    /// Segments that were begun and are not finished, in order; the last one may still be filled.
    coming: VecDeque<Coming>,
    /// `None` before the first picture, and from a failure to the next segment.
    encoder: Option<Box<dyn PictureEncoder>>,
    retry: Retry,
    /// What was encoded last: it stands for what never came.
    last: Option<Picture>,
}

/// A segment on its way out of the encoder.
struct Coming {
    segment: SegmentNumber,
    units: Vec<AccessUnit>,
    /// Its blocks that are put down, and their bytes.
    published: PartNumber,
    bytes: usize,
    /// Whether all its frames were given.
    is_filled: bool,
}

impl Work {
    fn run(mut self, canvases: &Receiver<Piece<Due>>) {
        self.open_if_due();
        let _counted = Counted::in_gauge(self.shared.metrics.encoders.with_label_values(&[self.spec.kind]));
        for canvas in canvases {
            let (frame, picture) = &canvas.work;
            self.take(*frame, picture);
        }
        self.drain();
    }

    /// Encoders begin with an IDR picture, so one that failed is replaced where a segment begins.
    fn open_if_due(&mut self) {
        if self.encoder.is_some() || !self.retry.is_due(self.shared.clock.now()) {
            return;
        }
        match self.open() {
            Ok(encoder) => self.encoder = Some(encoder),
            Err(error) => self.fail(FailedAt::Open, &error),
        }
    }

    /// An encoder whose segments fit with all others of the rendition; one that differs would break players at the next
    /// swap, so it is refused.
    fn open(&self) -> Result<Box<dyn PictureEncoder>, String> {
        let encoder = self.shared.encoders.open(&self.spec.settings).map_err(|e| e.to_string())?;
        (self.spec.check)(encoder.parameter_sets())?;
        Ok(encoder)
    }

    /// What was still in the encoder is lost with it.
    fn fail(&mut self, at: FailedAt, error: &str) {
        self.encoder = None;
        self.retry.fail(self.shared.clock.now());
        self.watched.failed(at, error);
        self.publish();
    }

    fn take(&mut self, frame: FrameNumber, picture: &Picture) {
        let segment = self.grid.segment_of(frame);
        if segment < self.segment {
            return;
        }
        if segment > self.segment {
            self.catch_up(segment);
        }
        if self.last.is_none() && !self.lead_in(picture) {
            return;
        }
        self.begin();
        // Where nothing came before, this picture stands for the frames that it is late for.
        let held = self.last.replace(picture.clone()).unwrap_or_else(|| picture.clone());
        self.hold(&held, frame);
        self.encode(frame, picture, true);
        if self.grid.opens_segment(frame + 1) {
            self.finish();
        }
    }

    /// Makes the track whole up to the segment that begins with `picture`: what was there before is held to the end of its segment, and the last
    /// segments before this one stand still, so that who comes now has enough to begin with. False where somebody else began this segment: it can
    /// not go on with another encoder's pictures, and the next one is the first.
    fn lead_in(&mut self, picture: &Picture) -> bool {
        let come_to = self.track.position();
        let next = come_to.map_or(0, |come_to| come_to.segment + 1);
        if next > self.segment {
            self.segment = next;
            return false;
        }
        let oldest = self.segment.saturating_sub(LEAD_IN_SEGMENTS);
        if let Some(broken) = come_to.filter(|come_to| come_to.segment >= oldest) {
            self.stand_still(broken.segment, broken.part + 1, &[]);
        }
        // Where it fails, the background or the tile's card will do.
        let still = encode_still(self.shared.encoders(), &self.spec.settings, &self.spec.check, picture)
            .inspect_err(|error| tracing::debug!(encoder = self.spec.name, error, "no still to begin with"))
            .ok();
        for segment in oldest.max(next)..self.segment {
            let frame = self.grid.first_frame(segment);
            let still: Vec<AccessUnit> = still.iter().map(|unit| AccessUnit { frame, ..unit.clone() }).collect();
            self.stand_still(segment, 0, &still);
        }
        true
    }

    /// Puts down the parts of a segment from `part` on, of which there is no more than `units`.
    fn stand_still(&self, segment: SegmentNumber, part: PartNumber, units: &[AccessUnit]) {
        for part in part..self.grid.parts() {
            let at = Position::new(segment, part);
            let units = if part == 0 { units } else { &[] };
            let Some(block) = (self.spec.pack)(at, units) else { return };
            self.track.append(at, block);
        }
    }

    /// The frames up to `segment` never came. A segment that was begun gets the rest of its frames; those that were lost whole
    /// are made of the last picture if they are few, else they are holes.
    fn catch_up(&mut self, segment: SegmentNumber) {
        if let Some(held) = self.last.clone() {
            if self.given.is_some() {
                self.hold(&held, self.grid.first_frame(self.segment + 1));
                self.finish();
            }
            let lost = self.grid.segment_time(segment).since(self.grid.segment_time(self.segment));
            while self.segment < segment && lost <= MOST_HELD {
                self.begin();
                self.hold(&held, self.grid.first_frame(self.segment + 1));
                self.finish();
            }
        }
        self.segment = segment;
    }

    fn begin(&mut self) {
        if self.given.is_none() {
            self.given = Some(0);
            self.open_if_due();
            self.coming.push_back(Coming {
                segment: self.segment,
                units: Vec::new(),
                published: 0,
                bytes: 0,
                is_filled: false,
            });
        }
    }

    /// Gives `held` for every frame of the segment before `until` that has none.
    fn hold(&mut self, held: &Picture, until: FrameNumber) {
        for frame in self.grid.first_frame(self.segment) + self.given.unwrap_or(0)..until {
            self.encode(frame, held, false);
        }
    }

    /// Gives one frame of the segment being filled to the encoder; a failure costs the rest of the segment, and what has not come out. What
    /// pictures cost is measured on those that are `fresh`: to hold one costs next to nothing.
    fn encode(&mut self, frame: FrameNumber, picture: &Picture, fresh: bool) {
        self.given = Some(frame + 1 - self.grid.first_frame(self.segment));
        let Some(encoder) = &mut self.encoder else { return self.publish() };
        let cpu_time = |encoder: &dyn PictureEncoder| thread_cpu_time() + encoder.threads_cpu_time();
        let (started, before) = (Instant::now(), cpu_time(&**encoder));
        let out = encoder.encode(picture, frame);
        let cpu = cpu_time(&**encoder).saturating_sub(before);
        match out {
            // Nothing comes out before the encoder has looked ahead: that costs less.
            Ok(None) => return,
            Ok(Some(unit)) => self.came(unit),
            Err(error) => return self.fail(FailedAt::Encode, &error.to_string()),
        }
        if fresh {
            self.shared.measured(&self.spec.label, cpu.as_secs_f64());
        }
        let seconds = started.elapsed().as_secs_f64();
        self.shared.metrics.encode_seconds.with_label_values(&[&self.spec.label]).observe(seconds);
    }

    /// Takes in what came out of the encoder.
    fn came(&mut self, unit: AccessUnit) {
        let segment = self.grid.segment_of(unit.frame);
        if let Some(coming) = self.coming.iter_mut().find(|coming| coming.segment == segment) {
            coming.units.push(unit);
        }
        self.publish();
    }

    /// All frames of the segment being filled were given.
    fn finish(&mut self) {
        if let Some(last) = self.coming.back_mut() {
            last.is_filled = true;
        }
        self.segment += 1;
        self.given = None;
        self.publish();
    }

    /// No canvas comes any more: what was given for whole segments comes out.
    fn drain(&mut self) {
        while self.coming.iter().any(|coming| coming.is_filled) {
            match self.encoder.as_mut().map(|encoder| encoder.drain()) {
                Some(Ok(Some(unit))) => self.came(unit),
                Some(Ok(None) | Err(_)) | None => {
                    self.encoder = None;
                    return self.publish();
                }
            }
        }
    }

    /// Puts down the blocks that nothing more comes of: they are whole, or the encoder that had the rest is gone.
    fn publish(&mut self) {
        while let Some(first) = self.coming.front_mut() {
            let at = Position::new(first.segment, first.published);
            let pictures = self.grid.part_pictures(at.part);
            let is_whole = first.units.len() >= pictures.end;
            // An encoder that opens later has nothing of it.
            let given = if first.segment == self.segment { self.given.unwrap_or(0) } else { 0 };
            let is_lost = self.encoder.is_none() && (first.is_filled || given >= pictures.end as u64);
            if !is_whole && !is_lost {
                break;
            }
            let came = first.units.len();
            let units = &first.units[pictures.start.min(came)..pictures.end.min(came)];
            let block = (self.spec.pack)(at, units);
            first.published += 1;
            first.bytes += block.as_ref().map_or(0, Block::coded_bytes);
            let (bytes, is_done) = (first.bytes, first.published == self.grid.parts());
            if is_done {
                if came == self.grid.segment_frames() as usize {
                    self.track.measured(at.segment, bytes);
                    self.retry.clear();
                    self.watched.well();
                }
                self.coming.pop_front();
            }
            let is_there = block.is_some_and(|block| self.track.append(at, block) == Appended::Taken);
            if is_done && is_there {
                self.tell_lag(at.segment);
            }
        }
    }

    /// How long after its last frame a segment is there.
    fn tell_lag(&self, segment: SegmentNumber) {
        let lag = self.shared.clock.now().since(self.grid.segment_time(segment + 1));
        self.shared.metrics.publish_lag_seconds.observe(lag.as_secs_f64());
        if lag > self.grid.segment_duration() {
            self.shared.metrics.late_segments.inc();
        }
    }
}

/// One more in a gauge, for as long as it lives: a thread that panics is counted out, too.
struct Counted(prometheus::IntGauge);

impl Counted {
    fn in_gauge(gauge: prometheus::IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// [`CheckSets`] for encodings that must have exactly `expected`.
pub fn equal_to(expected: ParameterSets) -> CheckSets {
    Box::new(
        move |sets| {
            if *sets == expected { Ok(()) } else { Err("its parameter sets differ from the rendition's".into()) }
        },
    )
}
