//! One encoder at work: a bounded queue of canvases, a thread with an encoder, a window of finished segments. Nothing an
//! encoding does can hold up the tick or another encoding.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::admission::thread_cpu_time;
use crate::encode::{ParameterSets, VideoEncoder, VideoSettings};
use crate::frame::{AccessUnit, Picture};
use crate::hls::window::Window;
use crate::metrics::Metrics;
use crate::timeline::{Clock, FrameNumber, SegmentNumber};

/// Canvases that may wait for an encoder. At this bound the newest is dropped and counted: an encoder that cannot keep up
/// loses pictures, never time.
const QUEUE_FRAMES: usize = 8;

/// Finished segments of one encoding.
pub type SegmentWindow<S> = Arc<Mutex<Window<S>>>;

/// What all encodings share.
pub struct EncodingShared {
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    /// Counts up whenever a segment is finished anywhere.
    pub finished: watch::Sender<u64>,
    /// Segments that an encoding keeps.
    pub window_segments: usize,
    /// Wait for room in an encoder's queue rather than drop (clocks that are cranked, nobody watching live).
    pub lockstep: bool,
    /// Processor seconds to encode one picture, by [`EncodingSpec::label`], as a running average.
    costs: Mutex<HashMap<String, f64>>,
}

impl EncodingShared {
    pub fn new(
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        finished: watch::Sender<u64>,
        window_segments: usize,
        lockstep: bool,
    ) -> Self {
        Self { clock, metrics, finished, window_segments, lockstep, costs: Mutex::default() }
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

/// Where canvases go in.
pub struct Input {
    queue: Option<Sender<(FrameNumber, Picture)>>,
    shared: Arc<EncodingShared>,
}

impl Input {
    /// Hands a canvas over. In service it never waits: a full queue drops the canvas and counts it.
    pub fn give(&self, frame: FrameNumber, picture: Picture) {
        let Some(queue) = &self.queue else { return };
        if self.shared.lockstep {
            // An encoder that is gone has logged why; its queue is closed.
            let _ = queue.send((frame, picture));
        } else if let Err(TrySendError::Full(_)) = queue.try_send((frame, picture)) {
            self.shared.metrics.frames.with_label_values(&["dropped"]).inc();
        }
    }
}

/// Makes of a segment's access units what is kept of it; `None` (with the reason logged) loses the segment.
pub type Pack<S> = Box<dyn Fn(SegmentNumber, Vec<AccessUnit>) -> Option<S> + Send>;

/// Refuses parameter sets that an encoding's segments could not be decoded with, saying why.
pub type CheckSets = Box<dyn Fn(&ParameterSets) -> Result<(), String> + Send>;

/// What an encoding is to do.
pub struct EncodingSpec<S> {
    /// What the encoder is counted as: `render` or `tile`.
    pub kind: &'static str,
    /// For the log.
    pub name: String,
    /// For metrics and measured costs; one of few.
    pub label: String,
    pub settings: VideoSettings,
    pub check: CheckSets,
    pub pack: Pack<S>,
    /// Every frame of a segment is encoded, those that were dropped by showing the one before for longer: what is to be
    /// stitched needs as many pictures as its neighbours have.
    pub every_frame: bool,
    pub from: SegmentNumber,
}

/// See the module.
pub struct Encoding<S> {
    queue: Option<Sender<(FrameNumber, Picture)>>,
    window: SegmentWindow<S>,
    shared: Arc<EncodingShared>,
}

impl<S: Clone + Send + 'static> Encoding<S> {
    /// Starts a thread that encodes segments `spec.from ..`.
    pub fn open(spec: EncodingSpec<S>, shared: &Arc<EncodingShared>) -> Self {
        let window = Arc::new(Mutex::new(Window::new(shared.window_segments)));
        let (queue, canvases) = bounded(QUEUE_FRAMES);
        let name = spec.name.clone();
        let worker = Worker {
            window: window.clone(),
            shared: shared.clone(),
            segment: spec.from,
            units: Vec::new(),
            encoder: None,
            last: None,
            spec,
        };
        let spawned = thread::Builder::new().name("encoder".into()).spawn(move || worker.run(&canvases));
        if let Err(e) = spawned {
            tracing::error!(encoding = name, error = %e, "cannot start an encoder thread");
        }
        Self { queue: Some(queue), window, shared: shared.clone() }
    }

    pub fn input(&self) -> Input {
        Input { queue: self.queue.clone(), shared: self.shared.clone() }
    }

    /// Lets the encoder go once its queue is empty.
    pub fn close(&mut self) {
        self.queue = None;
    }

    pub fn into_window(self) -> SegmentWindow<S> {
        self.window
    }

    pub fn finished(&self) -> Option<RangeInclusive<SegmentNumber>> {
        self.window.lock().range()
    }

    pub fn segment(&self, segment: SegmentNumber) -> Option<S> {
        self.window.lock().get(segment).cloned()
    }
}

struct Worker<S> {
    spec: EncodingSpec<S>,
    window: SegmentWindow<S>,
    shared: Arc<EncodingShared>,
    /// The segment being filled.
    segment: SegmentNumber,
    units: Vec<AccessUnit>,
    /// `None` before the first picture, and from a failure to the next segment.
    encoder: Option<VideoEncoder>,
    /// What was encoded last, where every frame counts.
    last: Option<Picture>,
}

impl<S: Clone> Worker<S> {
    fn run(mut self, canvases: &Receiver<(FrameNumber, Picture)>) {
        match self.open_encoder() {
            Ok(encoder) => self.encoder = Some(encoder),
            Err(e) => {
                tracing::error!(encoding = self.spec.name, error = e, "cannot open an encoder");
                return;
            }
        }
        let encoders = self.shared.metrics.encoders.with_label_values(&[self.spec.kind]);
        encoders.inc();
        while let Ok((frame, picture)) = canvases.recv() {
            self.take(frame, picture);
        }
        encoders.dec();
    }

    /// An encoder whose segments fit with all others of the rendition; one that differs would break players at the next
    /// swap, so it is refused.
    fn open_encoder(&self) -> Result<VideoEncoder, String> {
        let encoder = VideoEncoder::new(&self.spec.settings).map_err(|e| e.to_string())?;
        (self.spec.check)(encoder.parameter_sets())?;
        Ok(encoder)
    }

    fn take(&mut self, frame: FrameNumber, picture: Picture) {
        let grid = self.spec.settings.grid;
        let segment = grid.segment_of(frame);
        if segment < self.segment {
            return;
        }
        if segment > self.segment {
            // The last frames of the segment were dropped; what is there is shown for longer.
            self.finish();
            self.segment = segment;
        }
        if self.units.is_empty() && self.encoder.is_none() {
            // Encoders begin with an IDR picture, so one that failed is replaced where a segment begins.
            match grid.opens_segment(frame).then(|| self.open_encoder()) {
                Some(Ok(encoder)) => self.encoder = Some(encoder),
                Some(Err(error)) => tracing::error!(encoding = self.spec.name, error, "cannot open an encoder again"),
                None => {}
            }
        }
        self.fill(frame, &picture);
        self.encode(frame, &picture);
        if self.spec.every_frame {
            self.last = Some(picture);
        }
        if grid.opens_segment(frame + 1) {
            self.finish();
            self.segment = segment + 1;
        }
    }

    /// Encodes the frames of the segment before `until` that never came: as the picture before, or as this one where none
    /// was.
    fn fill(&mut self, until: FrameNumber, picture: &Picture) {
        if !self.spec.every_frame {
            return;
        }
        let first = self.spec.settings.grid.first_frame(self.segment);
        for frame in first + self.units.len() as u64..until {
            let held = self.last.clone().unwrap_or_else(|| picture.clone());
            self.encode(frame, &held);
        }
    }

    /// Encodes one frame of the segment being filled; a failure costs the rest of the segment.
    fn encode(&mut self, frame: FrameNumber, picture: &Picture) {
        let Some(encoder) = &mut self.encoder else { return };
        let opens = self.units.is_empty();
        // Were the first frames dropped, this one stands for them: a segment always begins on its boundary, with an IDR.
        let shown_from = if opens { self.spec.settings.grid.first_frame(self.segment) } else { frame };
        let (started, cpu) = (Instant::now(), thread_cpu_time());
        match encoder.encode(picture, shown_from, opens) {
            Ok(unit) => self.units.push(unit),
            Err(e) => {
                tracing::error!(encoding = self.spec.name, frame, error = %e, "encoder failed; the next segment gets a new one");
                self.encoder = None;
                return;
            }
        }
        self.shared.measured(&self.spec.label, thread_cpu_time().saturating_sub(cpu).as_secs_f64());
        let seconds = started.elapsed().as_secs_f64();
        self.shared.metrics.encode_seconds.with_label_values(&[&self.spec.label]).observe(seconds);
    }

    /// Publishes the segment being filled, if it holds anything.
    fn finish(&mut self) {
        let grid = self.spec.settings.grid;
        if let Some(last) = self.last.clone().filter(|_| !self.units.is_empty()) {
            self.fill(grid.first_frame(self.segment + 1), &last);
        }
        let units = std::mem::take(&mut self.units);
        if units.is_empty() {
            return;
        }
        let Some(packed) = (self.spec.pack)(self.segment, units) else { return };
        self.window.lock().push(self.segment, packed);
        let due = grid.segment_time(self.segment + 1);
        let lag = self.shared.clock.now().since(due);
        self.shared.metrics.publish_lag_seconds.observe(lag.as_secs_f64());
        if lag > grid.segment_duration() {
            self.shared.metrics.late_segments.inc();
        }
        self.shared.finished.send_modify(|count| *count += 1);
    }
}

/// A render encoding's finished segment: nothing is done to it.
pub fn as_units(_: SegmentNumber, units: Vec<AccessUnit>) -> Option<Arc<[AccessUnit]>> {
    Some(units.into())
}

/// [`CheckSets`] for encodings that must have exactly `expected`.
pub fn equal_to(expected: ParameterSets) -> CheckSets {
    Box::new(
        move |sets| {
            if *sets == expected { Ok(()) } else { Err("its parameter sets differ from the rendition's".into()) }
        },
    )
}
