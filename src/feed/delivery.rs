//! From decoded samples to the intake: one source time for pictures and sound, whatever the source's timestamps do.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use gstreamer as gst;
use parking_lot::Mutex;

use super::dates::{self, Dates};
use super::downmix::Downmix;
use super::intake::Gone;
use super::outlet::Outlet;
use super::pipeline::{Aside, Page, Stamped};
use super::playlist::Said;
use super::samples::{captions_of, picture_of, timing_of};
use super::signals::Signalled;
use super::texts::{TextOrigin, Writing};
use crate::cadence::{Continuity, SourceNanos, Step, Stream};
use crate::captions::Text;
use crate::cues::track::{Signal, Source};
use crate::frame::{CodedFrame, SoundTrack};
use crate::sync::{Claim, ClockKind};
use crate::timeline::{Clock, MediaTime};

/// What a pipeline's streaming threads share: where to push, and the one time of picture and sound. No lock is held while
/// another one is taken.
pub(super) struct Delivery {
    intake: Arc<dyn Outlet>,
    run: u64,
    clock: Arc<dyn Clock>,
    /// Whether arrival times say anything: the source sends by its own clock.
    live: bool,
    continuity: Mutex<Continuity>,
    downmix: Mutex<Downmix>,
    opening: Mutex<Opening>,
    dates: Mutex<Dates>,
    /// Cues that came before the first picture.
    early: Mutex<Vec<EarlyText>>,
}

/// A cue, and from which picture to which it stands, by their stamps.
type EarlyText = (Arc<TextOrigin>, Text, Range<i64>);

/// Cues that wait for the first picture at most: ten seconds of text and far more.
const MOST_EARLY: usize = 1024;

/// The first picture of a lap waits for the second. Demuxers (GStreamer 1.22's for Matroska, for one) may open a stream with
/// a segment that they correct right after the first picture; timed by the first segment it would be off.
enum Opening {
    Awaited,
    First(gst::Sample),
    Over,
}

impl Delivery {
    pub fn new(intake: Arc<dyn Outlet>, run: u64, clock: Arc<dyn Clock>) -> Self {
        let live = intake.is_live();
        Self {
            intake,
            run,
            clock,
            live,
            continuity: Mutex::new(Continuity::new()),
            downmix: Mutex::new(Downmix::default()),
            opening: Mutex::new(Opening::Awaited),
            dates: Mutex::default(),
            early: Mutex::default(),
        }
    }

    /// Where pictures are best put by who makes them.
    pub fn picture_pool(&self) -> Option<gst::BufferPool> {
        self.intake.picture_pool()
    }

    /// Pictures that this run has brought.
    pub fn pictures(&self) -> u64 {
        self.intake.pictures_in_run()
    }

    /// The source signals or writes something, due when a picture stamped so is.
    pub fn beside(&self, Stamped { what, raw }: Stamped) {
        let at = self.settled(raw);
        match what {
            Aside::Signal(info) => self.tell(Signal::Section(info), Source::Ts, Some(at), None),
            Aside::Teletext { page: Page { origin, number }, data, .. } => {
                self.intake.write(self.run, at, Writing::Teletext { origin, page: number, data });
            }
        }
    }

    /// What the source's playlist says, by times that are due `base` (ns) later.
    pub fn cue(&self, said: Said, base: i64) {
        let due = |at: SourceNanos| self.settled(at.saturating_add(base));
        match said {
            Said::Tag { tag, at } => self.tell(Signal::Older(tag), Source::Hls, Some(due(at)), None),
            Said::Range { range, start, end } => {
                let signal = Signal::Range { range, start: None, end: None };
                self.tell(signal, Source::Hls, start.map(due), end.map(due));
            }
        }
    }

    /// A cue that the source tells whole: from the picture stamped `stands.start` to that stamped `stands.end`.
    pub fn text(&self, origin: &Arc<TextOrigin>, text: Text, stands: Range<i64>) {
        {
            let mut early = self.early.lock();
            if early.len() >= MOST_EARLY {
                early.remove(0);
            }
            early.push((Arc::clone(origin), text, stands));
        }
        // Where times belong is known once a picture has its place.
        if self.pictures() > 0 {
            self.place_texts();
        }
    }

    fn place_texts(&self) {
        for (origin, text, stands) in std::mem::take(&mut *self.early.lock()) {
            let (at, until) = (self.settled(stands.start), self.settled(stands.end));
            self.intake.write(self.run, at, Writing::Cue { origin, text, until });
        }
    }

    fn settled(&self, raw: i64) -> SourceNanos {
        self.continuity.lock().settled(Stream::Picture, raw)
    }

    fn tell(&self, signal: Signal, source: Source, at: Option<SourceNanos>, ends: Option<SourceNanos>) {
        self.intake.signal(self.run, Signalled { signal, source, arrived: self.clock.now(), at, ends });
    }

    /// A picture stamped `raw` was captured at `unix_us` by that clock, and what follows counts on from there.
    pub fn date(&self, clock: ClockKind, raw: i64, unix_us: i64) {
        if let Some(claim) = Claim::dated(clock, unix_us) {
            self.dates.lock().put(raw, claim);
        }
    }

    /// What the source claims of when this picture was captured. A date says more than a time of day.
    fn claim_of(&self, sample: &gst::Sample, raw: i64, now: MediaTime) -> Option<Claim> {
        let dated = self.dates.lock().of(raw);
        dated.or_else(|| {
            let time = sample.buffer().and_then(dates::time_code_of)?;
            Some(Claim::of_day(ClockKind::Sei, time, now))
        })
    }

    /// The source has a sound stream: what is late of it is worth waiting for.
    pub fn expect_sound(&self) {
        self.intake.expect_sound(self.run, true);
    }

    /// The source starts again from its beginning.
    pub fn begin_lap(&self) {
        *self.opening.lock() = Opening::Awaited;
        self.continuity.lock().begin_lap();
        self.intake.realign_sound(self.run);
        self.intake.realign_besides(self.run);
    }

    /// Takes a decoded sample in; may wait for room.
    pub fn deliver(&self, stream: Stream, sample: gst::Sample) -> Result<gst::FlowSuccess, gst::FlowError> {
        let delivered = match stream {
            Stream::Sound => self.deliver_sound(&sample),
            Stream::Picture => {
                let opening = {
                    let mut opening = self.opening.lock();
                    match std::mem::replace(&mut *opening, Opening::Over) {
                        Opening::Awaited => {
                            *opening = Opening::First(sample);
                            return Ok(gst::FlowSuccess::Ok);
                        }
                        Opening::First(first) => Some(first),
                        Opening::Over => None,
                    }
                };
                let first = opening.map_or(Ok(()), |first| {
                    let segment = sample.segment().filter(|s| corrects(s, first.segment()));
                    self.deliver_picture(&first, segment.or(first.segment()))
                });
                first.and_then(|()| self.deliver_picture(&sample, sample.segment()))
            }
        };
        delivered.map(|()| gst::FlowSuccess::Ok).map_err(|Gone| gst::FlowError::Eos)
    }

    fn deliver_picture(&self, sample: &gst::Sample, segment: Option<&gst::Segment>) -> Result<(), Gone> {
        // A sample without a timestamp has no place on the grid.
        let Some((raw, duration)) = timing_of(sample, segment) else { return Ok(()) };
        let Some((picture, fps)) = picture_of(sample) else { return Ok(()) };
        let now = self.clock.now();
        let place = self.continuity.lock().place(Stream::Picture, raw, duration, self.live.then_some(now));
        for captions in captions_of(sample) {
            self.intake.write(self.run, place.at, Writing::Captions(captions));
        }
        self.intake.claim(self.run, place, self.claim_of(sample, raw, now));
        self.intake.push_picture(self.run, place, picture, fps, now)?;
        self.place_texts();
        Ok(())
    }

    fn deliver_sound(&self, sample: &gst::Sample) -> Result<(), Gone> {
        let Some((raw, duration)) = timing_of(sample, sample.segment()) else { return Ok(()) };
        let Some(interleaved) = self.downmix.lock().stereo_of(sample) else { return Ok(()) };
        let resettle = self.intake.take_resettling(self.run);
        let arrived = self.live.then(|| self.clock.now());
        let place = {
            let mut continuity = self.continuity.lock();
            if resettle {
                continuity.resettle(Stream::Sound, raw);
            }
            continuity.place(Stream::Sound, raw, duration, arrived)
        };
        if resettle || place.step == Step::Jump {
            self.intake.realign_sound(self.run);
        }
        self.intake.push_sound(self.run, place, &interleaved)
    }
}

impl Delivery {
    /// The number of a sound beside the main one; `None`: nobody takes it. There are `most` at most.
    pub fn sound_beside(&self, track: SoundTrack, most: usize) -> Option<usize> {
        self.intake.sound_beside(self.run, track, most)
    }

    /// Takes in a frame of the main sound as it came, stamped `raw`.
    pub fn deliver_coded(&self, frame: CodedFrame, raw: i64) {
        let at = self.continuity.lock().settled(Stream::Sound, raw);
        self.intake.push_coded(self.run, frame.form, at, Bytes::copy_from_slice(frame.data));
    }

    /// Takes in a decoded sample of the sound of this number, which `downmix` is for; may wait for room.
    pub fn deliver_beside(
        &self,
        number: usize,
        sample: &gst::Sample,
        downmix: &mut Downmix,
    ) -> Result<gst::FlowSuccess, gst::FlowError> {
        let Some((raw, duration)) = timing_of(sample, sample.segment()) else { return Ok(gst::FlowSuccess::Ok) };
        let Some(interleaved) = downmix.stereo_of(sample) else { return Ok(gst::FlowSuccess::Ok) };
        let arrived = self.live.then(|| self.clock.now());
        let place = self.continuity.lock().place_beside(number, raw, duration, arrived);
        if place.step == Step::Jump {
            self.intake.realign_beside(self.run, number);
        }
        let pushed = self.intake.push_beside(self.run, number, place, &interleaved);
        pushed.map(|()| gst::FlowSuccess::Ok).map_err(|Gone| gst::FlowError::Eos)
    }
}

/// Whether `later` is the same stretch of running time as `first`, told anew.
fn corrects(later: &gst::Segment, first: Option<&gst::Segment>) -> bool {
    first.is_some_and(|first| later.base() == first.base() && later.start() != first.start())
}
