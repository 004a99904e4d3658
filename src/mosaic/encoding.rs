//! One rendition of one mosaic being encoded: a bounded queue of canvases, a thread with an encoder, a window of finished
//! segments. Nothing an encoding does can hold up the tick or another encoding.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::admission::thread_cpu_time;
use super::contract::MosaicId;
use crate::encode::{ParameterSets, VideoEncoder, VideoSettings};
use crate::frame::{AccessUnit, Picture};
use crate::hls::window::Window;
use crate::metrics::Metrics;
use crate::timeline::{Clock, FrameNumber, Grid, SegmentNumber};

/// Canvases that may wait for an encoder. At this bound the newest is dropped and counted: an encoder that cannot keep up
/// loses pictures, never time.
const QUEUE_FRAMES: usize = 8;

/// Finished segments of one rendition.
pub type SegmentWindow = Arc<Mutex<Window<Arc<[AccessUnit]>>>>;

/// What all encodings share.
pub struct EncodingShared {
    pub clock: Arc<dyn Clock>,
    pub metrics: Arc<Metrics>,
    /// Counts up whenever a segment is finished anywhere.
    pub finished: watch::Sender<u64>,
    /// Segments that a rendition keeps.
    pub window_segments: usize,
    /// Wait for room in an encoder's queue rather than drop (clocks that are cranked, nobody watching live).
    pub lockstep: bool,
    /// Processor seconds to draw one mosaic's canvases, as the trial said.
    compose_cost: f64,
    /// Processor seconds to encode one picture, by rendition, as a running average.
    costs: Mutex<HashMap<String, f64>>,
}

impl EncodingShared {
    pub fn new(
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
        finished: watch::Sender<u64>,
        window_segments: usize,
        lockstep: bool,
        compose_cost: f64,
    ) -> Self {
        Self { clock, metrics, finished, window_segments, lockstep, compose_cost, costs: Mutex::default() }
    }

    /// Processor seconds that one mosaic takes per frame, drawn and encoded in each of `renditions`, if all were measured.
    pub fn cost_per_frame<'a>(&self, renditions: impl Iterator<Item = &'a str>) -> Option<f64> {
        let costs = self.costs.lock();
        let encode: Option<f64> = renditions.map(|name| costs.get(name).copied()).sum();
        encode.map(|encode| encode + self.compose_cost)
    }

    fn measured(&self, rendition: &str, seconds: f64) {
        let mut costs = self.costs.lock();
        match costs.get_mut(rendition) {
            // About two seconds' worth of pictures, so that a hard scene shows without one picture deciding.
            Some(cost) => *cost += (seconds - *cost) / 64.0,
            None => {
                costs.insert(rendition.to_owned(), seconds);
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

/// See the module.
pub struct Encoding {
    queue: Option<Sender<(FrameNumber, Picture)>>,
    window: SegmentWindow,
    shared: Arc<EncodingShared>,
}

impl Encoding {
    /// Starts a thread that encodes segments `from ..`. `expected` are the parameter sets that every encoder of this
    /// rendition must have; one that differs would break players at the next swap, so it is refused.
    pub fn open(
        id: &MosaicId,
        rendition: &str,
        settings: VideoSettings,
        expected: ParameterSets,
        from: SegmentNumber,
        shared: &Arc<EncodingShared>,
    ) -> Self {
        let window = Arc::new(Mutex::new(Window::new(shared.window_segments)));
        let (queue, canvases) = bounded(QUEUE_FRAMES);
        let worker = Worker {
            name: format!("{id}/{rendition}"),
            rendition: rendition.to_owned(),
            grid: settings.grid,
            window: window.clone(),
            shared: shared.clone(),
            segment: from,
            units: Vec::new(),
        };
        let spawned = thread::Builder::new().name(format!("enc-{rendition}")).spawn(move || {
            worker.run(&settings, &expected, &canvases);
        });
        if let Err(e) = spawned {
            tracing::error!(mosaic = %id, rendition, error = %e, "cannot start an encoder thread");
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

    pub fn into_window(self) -> SegmentWindow {
        self.window
    }

    pub fn finished(&self) -> Option<RangeInclusive<SegmentNumber>> {
        self.window.lock().range()
    }

    pub fn segment(&self, segment: SegmentNumber) -> Option<Arc<[AccessUnit]>> {
        self.window.lock().get(segment).cloned()
    }
}

struct Worker {
    name: String,
    rendition: String,
    grid: Grid,
    window: SegmentWindow,
    shared: Arc<EncodingShared>,
    /// The segment being filled.
    segment: SegmentNumber,
    units: Vec<AccessUnit>,
}

impl Worker {
    fn run(mut self, settings: &VideoSettings, expected: &ParameterSets, canvases: &Receiver<(FrameNumber, Picture)>) {
        let mut encoder = match VideoEncoder::new(settings) {
            Ok(encoder) if encoder.parameter_sets() == expected => encoder,
            Ok(_) => {
                tracing::error!(
                    encoding = self.name,
                    "encoder refused: its parameter sets differ from the rendition's"
                );
                return;
            }
            Err(e) => {
                tracing::error!(encoding = self.name, error = %e, "cannot open an encoder");
                return;
            }
        };
        let encoders = self.shared.metrics.encoders.with_label_values(&["render"]);
        encoders.inc();
        while let Ok((frame, picture)) = canvases.recv() {
            if let Err(e) = self.encode(&mut encoder, frame, &picture) {
                tracing::error!(encoding = self.name, frame, error = %e, "encoder failed");
                break;
            }
        }
        encoders.dec();
    }

    fn encode(
        &mut self,
        encoder: &mut VideoEncoder,
        frame: FrameNumber,
        picture: &Picture,
    ) -> Result<(), crate::encode::VideoEncodeError> {
        let segment = self.grid.segment_of(frame);
        if segment < self.segment {
            return Ok(());
        }
        if segment > self.segment {
            // The last frames of the segment were dropped; what is there is shown for longer.
            self.finish();
            self.segment = segment;
        }
        let opens = self.units.is_empty();
        // Were the first frames dropped, this one stands for them: a segment always begins on its boundary, with an IDR.
        let shown_from = if opens { self.grid.first_frame(segment) } else { frame };
        let (started, cpu) = (Instant::now(), thread_cpu_time());
        let unit = encoder.encode(picture, shown_from, opens)?;
        self.shared.measured(&self.rendition, thread_cpu_time().saturating_sub(cpu).as_secs_f64());
        self.shared
            .metrics
            .encode_seconds
            .with_label_values(&[&self.rendition])
            .observe(started.elapsed().as_secs_f64());
        self.units.push(unit);
        if self.grid.opens_segment(frame + 1) {
            self.finish();
            self.segment = segment + 1;
        }
        Ok(())
    }

    /// Publishes the segment being filled, if it holds anything.
    fn finish(&mut self) {
        if self.units.is_empty() {
            return;
        }
        let units: Arc<[AccessUnit]> = std::mem::take(&mut self.units).into();
        self.window.lock().push(self.segment, units);
        let due = self.grid.segment_time(self.segment + 1);
        let lag = self.shared.clock.now().since(due);
        self.shared.metrics.publish_lag_seconds.observe(lag.as_secs_f64());
        if lag > self.grid.segment_duration() {
            self.shared.metrics.late_segments.inc();
        }
        self.shared.finished.send_modify(|count| *count += 1);
    }
}
