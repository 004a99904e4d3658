//! What the threads of one run share: its branches, the joints in front of them, and who may take which pad.
//!
//! One lock, and none is held around a call into GStreamer, which may block or call back.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use parking_lot::{Condvar, Mutex};

use super::beside::Chain;
use super::branch::{Head, Life, Tail, Trigger};
use super::cue_tap::CueTap;
use super::doors::Takes;
use super::letting_go::{Loose, bury};
use super::parts::make;
use super::seating::running_time_of;
use super::share::Sharing;
use crate::cadence::Stream;
use crate::feed::delivery::Delivery;
use crate::feed::error::SourceError;
use crate::feed::facts::Facts;
use crate::feed::fetch::Fetcher;
use crate::feed::outlet::Outlet;
use crate::feed::room::Decoding;
use crate::feed::wanted::Wanted;
use crate::frame::SoundTrack;
use crate::sync::ClockKind;
use crate::timeline::Clock;

/// Nothing drains for so long, and nothing waits for room either: the old head is given up.
pub(super) const DRAIN_PATIENCE: Duration = Duration::from_secs(3);
/// Sound that arrives and never decodes is called so after this long.
const DEAF_PATIENCE: Duration = Duration::from_secs(3);
/// Another sound than the one that was asked for is taken after so long, and a picture that cannot be decoded is given up.
const CHOICE_PATIENCE: Duration = Duration::from_secs(1);

/// What the run's own thread is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Lap,
    Leave,
}

#[derive(Default)]
pub(super) struct Branch {
    pub life: Option<Life>,
    pub pad: Option<gst::Pad>,
    pub head: Option<Head>,
    pub tail: Option<Tail>,
    /// What came to the head when it was last looked at, and since when nothing came out.
    fed_before: u64,
    deaf_since: Option<Instant>,
}

impl Branch {
    pub fn life(&self) -> Life {
        self.life.unwrap_or(Life::Empty)
    }

    pub fn on(&mut self, trigger: Trigger) -> bool {
        let next = self.life().after(trigger);
        if next.is_some() {
            self.life = next;
        }
        next.is_some()
    }
}

/// Where the elements of a run can be exchanged from: everything of a joint goes together.
pub(super) struct Joint {
    pub parent: Option<usize>,
    pub elements: Vec<gst::Element>,
    /// Whether bytes are pushed through it, and their end was not seen yet.
    pub open: bool,
    pub takes: Takes,
    /// What comes through it is this sound beside the main one.
    pub beside: Option<SoundTrack>,
    /// Whether what comes through it was picked already.
    pub picked: bool,
    /// When a demuxer's own zero is due, of pictures and of sound, where whoever feeds it knows.
    pub zero: Option<[i64; 2]>,
}

#[derive(Default)]
pub(super) struct State {
    pub branches: [Branch; 2],
    pub joints: Vec<Joint>,
    /// The chains of the sounds beside the main one.
    pub besides: Vec<Chain>,
    order: Option<Order>,
    /// The end was acted upon. Two branches may see it at once, and it is one end all the same.
    pub ended: bool,
    burials: Vec<Loose>,
    /// How many sounds the container has shown, and whether the wish for a certain one was given up.
    pub sounds_seen: usize,
    pub wish_waived: bool,
    pub parked_sounds: usize,
    /// Since when a picture is known to be undecodable.
    pub dark_since: Option<Instant>,
    unmet_since: Option<Instant>,
}

pub(super) struct Stage {
    pub pipeline: gst::Pipeline,
    pub wanted: Wanted,
    pub facts: Arc<Mutex<Facts>>,
    pub intake: Arc<dyn Outlet>,
    run: u64,
    pub delivery: Arc<Delivery>,
    pub fields: &'static str,
    /// What it listens at, where that was opened elsewhere.
    pub sockets: Vec<OwnedFd>,
    pub clock: Arc<dyn Clock>,
    pub decoding: Decoding,
    pub sharing: Sharing,
    pub cues: CueTap,
    /// The sounds beside the main one of the programme that was picked, by the packet identifiers that its demuxer sees.
    pub tracks: Mutex<BTreeMap<u16, SoundTrack>>,
    /// The file that is read; its element knows it by its number.
    pub file: Mutex<Option<File>>,
    /// What reads by HTTP for an element.
    pub fetcher: Mutex<Option<Arc<Fetcher>>>,
    looped: bool,
    pub live: bool,
    failures: Sender<SourceError>,
    over: AtomicBool,
    /// A parked pad may find its branch free: pads look at the branches when they next carry something.
    pub attention: [AtomicBool; 2],
    pub fed: [AtomicU64; 2],
    pub delivered: [AtomicU64; 2],
    pub state: Mutex<State>,
    pub changed: Condvar,
}

/// What a stage is made for.
pub(super) struct Setting {
    pub wanted: Wanted,
    pub looped: bool,
    /// Whether it sends by its own clock.
    pub live: bool,
    pub fields: &'static str,
    pub sockets: Vec<OwnedFd>,
    pub facts: Arc<Mutex<Facts>>,
    pub intake: Arc<dyn Outlet>,
    pub run: u64,
    pub delivery: Arc<Delivery>,
    pub failures: Sender<SourceError>,
    pub clock: Arc<dyn Clock>,
    pub decoding: Decoding,
}

pub(super) fn index(stream: Stream) -> usize {
    usize::from(stream == Stream::Sound)
}

impl Stage {
    pub fn new(setting: Setting) -> Arc<Self> {
        Arc::new(Self {
            pipeline: gst::Pipeline::new(),
            wanted: setting.wanted,
            facts: setting.facts,
            intake: setting.intake,
            run: setting.run,
            delivery: setting.delivery,
            fields: setting.fields,
            sockets: setting.sockets,
            clock: setting.clock,
            decoding: setting.decoding,
            sharing: Sharing::default(),
            cues: CueTap::default(),
            tracks: Mutex::default(),
            file: Mutex::default(),
            fetcher: Mutex::default(),
            looped: setting.looped,
            live: setting.live,
            failures: setting.failures,
            over: AtomicBool::new(false),
            attention: Default::default(),
            fed: Default::default(),
            delivered: Default::default(),
            state: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    pub fn fail(&self, error: SourceError) {
        // The supervisor may have left.
        let _ = self.failures.send(error);
    }

    /// The source is one that is not taken: it is lost, and nothing of it is shown from now on.
    pub fn refuse(&self, error: SourceError) {
        self.fail(error);
        self.leave();
    }

    /// The run is over: nobody waits for anything here any more.
    pub fn leave(&self) {
        self.over.store(true, Ordering::Release);
        if let Some(fetcher) = self.fetcher.lock().as_ref() {
            fetcher.stop();
        }
        self.state.lock().order = Some(Order::Leave);
        self.changed.notify_all();
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Waits until the run is over, `patience` at most.
    pub fn over_within(&self, patience: Duration) -> bool {
        let mut state = self.state.lock();
        let until = Instant::now() + patience;
        while !self.is_over() && !self.changed.wait_until(&mut state, until).timed_out() {}
        self.is_over()
    }

    /// Waits for an order, `patience` at most.
    pub fn order_within(&self, patience: Duration) -> Option<Order> {
        let mut state = self.state.lock();
        if state.order.is_none() {
            self.changed.wait_for(&mut state, patience);
        }
        // An order to leave stands.
        if state.order == Some(Order::Leave) { state.order } else { state.order.take() }
    }

    /// What comes next follows what came, whatever time it tells.
    pub fn begin_lap(&self) {
        self.delivery.begin_lap();
    }

    /// Another stretch of the source begins, in a demuxer that knows nothing of the one before. Of a source that runs by its
    /// own clock the time of arrival goes on.
    pub fn begin_stretch(&self) {
        if !self.live {
            self.begin_lap();
        }
    }

    /// Looks whether a picture that left a demuxer says when a signal is due that waits, and hands it on. `pad` has the segment that
    /// it is timed by; without one its timestamp is its time.
    pub fn place_cues(&self, pad: Option<&gst::Pad>, buffer: &gst::BufferRef) {
        let of_itself = || buffer.pts().and_then(|pts| i64::try_from(pts.nseconds()).ok());
        let raw = pad.map_or_else(of_itself, |pad| running_time_of(pad, buffer));
        let (Some(raw), Ok(bytes)) = (raw, buffer.map_readable()) else { return };
        for stamped in self.cues.demuxed(&bytes, raw) {
            self.delivery.beside(stamped);
        }
        if let Some((raw, unix_us)) = self.cues.take_date() {
            self.delivery.date(ClockKind::Rtcp, raw, unix_us);
        }
    }

    pub fn expect_sound(&self, expected: bool) {
        self.intake.expect_sound(self.run, expected);
    }

    /// Adds an element that goes with `joint`.
    pub fn add(&self, element: &gst::Element, joint: usize) -> Result<(), glib::BoolError> {
        self.pipeline.add(element)?;
        if let Some(joint) = self.state.lock().joints.get_mut(joint) {
            joint.elements.push(element.clone());
        }
        Ok(())
    }

    pub fn make(&self, name: &str, joint: usize) -> Result<gst::Element, glib::BoolError> {
        let element = make(name)?;
        self.add(&element, joint)?;
        Ok(element)
    }

    pub fn on(&self, stream: Stream, trigger: Trigger) {
        if self.state.lock().branches[index(stream)].on(trigger) {
            self.call(stream);
        }
        self.changed.notify_all();
        self.end_if_drained();
    }

    /// Pads of this kind are to look whether the branch is theirs now.
    pub fn call(&self, stream: Stream) {
        self.attention[index(stream)].store(true, Ordering::Release);
    }

    /// The source has ended when nothing is under way and nothing more can come.
    pub fn end_if_drained(&self) {
        let mut state = self.state.lock();
        let busy = state.branches.iter().any(|branch| branch.life().is_under_way())
            || state.besides.iter().any(|chain| !chain.has_ended());
        let open = state.joints.iter().any(|joint| joint.open);
        let begun = state.branches.iter().any(|branch| branch.life() != Life::Empty);
        let pushed = state.joints.iter().any(|joint| joint.parent.is_some());
        if busy || open || !(begun || pushed) || state.ended {
            return;
        }
        state.ended = true;
        if self.delivery.pictures() == 0 {
            drop(state);
            let facts = self.facts.lock().clone();
            self.fail(
                facts.dark_because.or(facts.stream_trouble).map_or(SourceError::NoPicture, SourceError::Pipeline),
            );
        } else if self.looped {
            // An order to leave stands.
            state.order.get_or_insert(Order::Lap);
            self.changed.notify_all();
        } else {
            drop(state);
            self.fail(SourceError::Ended);
        }
    }

    /// Something posted an error. In the sound it costs the sound; anywhere else it ends the run.
    pub fn broke(&self, source: Option<&gst::Object>, error: SourceError) {
        if source.is_some_and(|source| self.beside_broke(source)) {
            return tracing::debug!(%error, "a sound beside the main one fails");
        }
        let owner = source.and_then(|source| self.owner_of(source));
        if owner != Some(Stream::Sound) {
            return self.fail(error);
        }
        let text = error.to_string();
        tracing::debug!(%text, "the sound fails");
        let codec = {
            let mut state = self.state.lock();
            let codec = state.branches[1].head.as_ref().map(|head| head.codec.clone());
            state.branches[1].on(Trigger::Broke(Instant::now()));
            codec.unwrap_or_default()
        };
        self.facts.lock().silent_because = Some(format!("the sound ({codec}) fails: {text}"));
        self.expect_sound(false);
        self.changed.notify_all();
        self.end_if_drained();
    }

    fn owner_of(&self, source: &gst::Object) -> Option<Stream> {
        let bins: Vec<_> = {
            let state = self.state.lock();
            let of = |stream: Stream| {
                let branch = &state.branches[index(stream)];
                let head = branch.head.iter().map(|head| head.bin.clone());
                head.chain(branch.tail.iter().map(|tail| tail.bin.clone())).map(move |bin| (stream, bin))
            };
            of(Stream::Picture).chain(of(Stream::Sound)).collect()
        };
        bins.into_iter().find(|(_, bin)| source == bin || source.has_as_ancestor(bin)).map(|(stream, _)| stream)
    }

    pub fn bury(&self, elements: Vec<gst::Element>) {
        if let Some(loose) = bury(elements) {
            let mut state = self.state.lock();
            state.burials.retain(|loose| !loose.has_ended());
            state.burials.push(loose);
        }
    }

    /// What was taken out and is still being torn down.
    pub fn take_burials(&self) -> Vec<Loose> {
        std::mem::take(&mut self.state.lock().burials)
    }

    /// Looks after what no event tells: to be called some times a second.
    pub fn look_after(&self) {
        self.clear_besides();
        let now = Instant::now();
        let fed = self.fed[1].load(Ordering::Relaxed);
        let delivered = self.delivered[1].swap(0, Ordering::Relaxed);
        let pictures = self.delivered[0].load(Ordering::Relaxed);
        let mut state = self.state.lock();
        let sound = &mut state.branches[1];
        let arrives = fed > sound.fed_before && sound.life() == Life::Flowing;
        sound.fed_before = fed;
        let codec = sound.head.as_ref().map(|head| head.codec.clone()).unwrap_or_default();
        if delivered > 0 || sound.life() != Life::Flowing {
            sound.deaf_since = None;
        } else if arrives {
            sound.deaf_since.get_or_insert(now);
        }
        let deaf = sound.deaf_since.is_some_and(|since| now.duration_since(since) >= DEAF_PATIENCE);
        let due = matches!(sound.life(), Life::Failed { retry_at, .. } if retry_at <= now);
        let unmet = sound.life() == Life::Empty && state.parked_sounds > 0 && !state.wish_waived && pictures > 0;
        let unmet_since = *state.unmet_since.get_or_insert(now);
        let waive = unmet && now.duration_since(unmet_since) >= CHOICE_PATIENCE;
        if !unmet {
            state.unmet_since = None;
        }
        state.wish_waived |= waive;
        let known = state.dark_since.is_some_and(|since| now.duration_since(since) >= CHOICE_PATIENCE);
        let dark = known && state.branches[0].life() == Life::Empty;
        drop(state);
        if due || unmet {
            self.call(Stream::Sound);
        }
        let mut facts = self.facts.lock();
        if deaf {
            facts.silent_because = Some(format!("sound arrives and does not decode ({codec})"));
        } else if delivered > 0 {
            facts.silent_because = None;
        }
        if waive {
            facts.sound_note = Some("the sound that was asked for is not there: the first one is taken".into());
        }
        if let Some(reason) = facts.dark_because.clone().filter(|_| dark) {
            drop(facts);
            self.fail(SourceError::Pipeline(reason));
        }
        if deaf {
            self.expect_sound(false);
        }
    }
}
