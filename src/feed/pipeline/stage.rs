//! What the threads of one run share: its branches, the joints in front of them, and who may take which pad.
//!
//! One lock, and none is held around a call into GStreamer, which may block or call back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use crossbeam_channel::Sender;
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use parking_lot::{Condvar, Mutex};

use super::branch::{self, Head, Life, Tail, Trigger, next_wait};
use super::letting_go::{Loose, bury};
use super::parts::make;
use crate::cadence::Stream;
use crate::feed::delivery::Delivery;
use crate::feed::error::SourceError;
use crate::feed::facts::{AudioFacts, Facts, VideoFacts, name_of};
use crate::feed::intake::Intake;
use crate::feed::wanted::{AudioWish, Wanted};

/// Nothing drains for so long, and nothing waits for room either: the old head is given up.
const DRAIN_PATIENCE: Duration = Duration::from_secs(3);
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
    life: Option<Life>,
    pad: Option<gst::Pad>,
    head: Option<Head>,
    tail: Option<Tail>,
    /// What came to the head when it was last looked at, and since when nothing came out.
    fed_before: u64,
    deaf_since: Option<Instant>,
}

impl Branch {
    pub fn life(&self) -> Life {
        self.life.unwrap_or(Life::Empty)
    }

    fn on(&mut self, trigger: Trigger) -> bool {
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
}

#[derive(Default)]
pub(super) struct State {
    branches: [Branch; 2],
    pub joints: Vec<Joint>,
    order: Option<Order>,
    burials: Vec<Loose>,
    /// How many sounds the container has shown, and whether the wish for a certain one was given up.
    sounds_seen: usize,
    wish_waived: bool,
    parked_sounds: usize,
    dark_since: Option<Instant>,
}

pub(super) struct Stage {
    pub pipeline: gst::Pipeline,
    pub wanted: Wanted,
    pub facts: Arc<Mutex<Facts>>,
    intake: Arc<Intake>,
    run: u64,
    delivery: Arc<Delivery>,
    fields: &'static str,
    looped: bool,
    failures: Sender<SourceError>,
    over: AtomicBool,
    /// A parked pad may find its branch free: pads look at the branches when they next carry something.
    attention: AtomicBool,
    fed: [AtomicU64; 2],
    delivered: [AtomicU64; 2],
    pub state: Mutex<State>,
    changed: Condvar,
}

/// What a stage is made for.
pub(super) struct Setting {
    pub wanted: Wanted,
    pub looped: bool,
    pub fields: &'static str,
    pub facts: Arc<Mutex<Facts>>,
    pub intake: Arc<Intake>,
    pub run: u64,
    pub delivery: Arc<Delivery>,
    pub failures: Sender<SourceError>,
}

fn index(stream: Stream) -> usize {
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
            looped: setting.looped,
            failures: setting.failures,
            over: AtomicBool::new(false),
            attention: AtomicBool::new(false),
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

    /// The run is over: nobody waits for anything here any more.
    pub fn leave(&self) {
        self.over.store(true, Ordering::Release);
        self.state.lock().order = Some(Order::Leave);
        self.changed.notify_all();
    }

    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
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

    pub fn begin_lap(&self) {
        self.delivery.begin_lap();
    }

    pub fn expect_sound(&self, expected: bool) {
        self.intake.expect_sound(self.run, expected);
    }

    // ---- pads ----

    /// A demuxer shows a stream of ours. It takes its branch, or is parked.
    pub fn offer(self: &Arc<Self>, pad: &gst::Pad, caps: &gst::Caps, stream: Stream, joint: usize) {
        let ordinal = {
            let mut state = self.state.lock();
            state.sounds_seen += usize::from(stream == Stream::Sound);
            state.sounds_seen
        };
        let wished = stream == Stream::Picture
            || match &self.wanted.audio {
                AudioWish::First | AudioWish::Pid(_) => true,
                AudioWish::Index(n) => ordinal == usize::from(*n),
                // Its language is told by tags, which come before the first buffer.
                AudioWish::Language(_) => false,
            };
        self.usher(pad, stream, ordinal);
        if !(wished && self.take(pad, caps, stream)) {
            self.park(pad, stream, joint);
        }
    }

    /// Watches what a pad carries: it may change its codec, or its branch may have become free.
    fn usher(self: &Arc<Self>, pad: &gst::Pad, stream: Stream, ordinal: usize) {
        let stage = Arc::downgrade(self);
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST | gst::PadProbeType::EVENT_DOWNSTREAM;
        pad.add_probe(mask, move |pad, info| {
            let Some(stage) = stage.upgrade() else { return gst::PadProbeReturn::Ok };
            match &info.data {
                Some(gst::PadProbeData::Event(event)) => {
                    if let gst::EventView::Caps(caps) = event.view() {
                        stage.caps_changed(pad, &caps.caps_owned(), stream);
                    }
                }
                _ if stage.attention.load(Ordering::Acquire) => stage.look_again(pad, stream, ordinal),
                _ => {}
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// The pad that has the branch goes on with another codec.
    fn caps_changed(self: &Arc<Self>, pad: &gst::Pad, caps: &gst::Caps, stream: Stream) {
        let head = {
            let state = self.state.lock();
            let branch = &state.branches[index(stream)];
            let mine = branch.pad.as_ref() == Some(pad) && branch.life() == Life::Flowing;
            branch.head.clone().filter(|head| mine && head.codec != name_of(caps))
        };
        if let Some(head) = head {
            // What is in the old decoder is shown first.
            self.gone(pad, &head, stream);
            if !self.take(pad, caps, stream) {
                tracing::debug!("a stream that changed its codec was not taken again");
            }
        }
    }

    /// Something became free or is due: is it for this pad?
    fn look_again(self: &Arc<Self>, pad: &gst::Pad, stream: Stream, ordinal: usize) {
        let now = Instant::now();
        let (free, mine) = {
            let state = self.state.lock();
            let branch = &state.branches[index(stream)];
            let mine = branch.pad.as_ref() == Some(pad);
            let free = match branch.life() {
                Life::Empty => true,
                Life::Drained => !mine,
                Life::Failed { retry_at, .. } => !mine || retry_at <= now,
                Life::Linking | Life::Flowing | Life::Draining => false,
            };
            let wished = stream == Stream::Picture || state.wish_waived || self.is_wished(pad, ordinal);
            (free && (wished || mine), mine)
        };
        if !free {
            return;
        }
        if let Some(caps) = pad.current_caps() {
            self.take(pad, &caps, stream);
        }
        if mine {
            self.attention.store(false, Ordering::Release);
        }
    }

    fn is_wished(&self, pad: &gst::Pad, ordinal: usize) -> bool {
        match &self.wanted.audio {
            AudioWish::First | AudioWish::Pid(_) => true,
            AudioWish::Index(n) => ordinal == usize::from(*n),
            AudioWish::Language(wanted) => language_of(pad).is_some_and(|is| same_language(&is, wanted)),
        }
    }

    /// Gives the branch to `pad` if it is free, after what it still holds was handed over; false when it is taken.
    fn take(self: &Arc<Self>, pad: &gst::Pad, caps: &gst::Caps, stream: Stream) -> bool {
        let until = Instant::now() + DRAIN_PATIENCE;
        let (head, tail, wait, old) = {
            let mut state = self.state.lock();
            self.drained_within(&mut state, stream, until);
            let branch = &mut state.branches[index(stream)];
            let wait = match branch.life() {
                Life::Failed { wait, .. } => Some(wait),
                _ => None,
            };
            let fresh = branch.life() == Life::Empty;
            if self.is_over() || !branch.on(Trigger::Claimed) {
                return false;
            }
            let old = branch.pad.replace(pad.clone()).filter(|old| old != pad);
            // A head whose elements failed serves nobody again.
            let head = branch.head.clone().map(|head| (head, wait.is_none() && !fresh));
            (head, branch.tail.clone(), wait, old)
        };
        if let (Some(old), Some((head, _))) = (&old, &head) {
            let _ = old.unlink(&head.sink);
        }
        let seated = self.seat(pad, caps, stream, head, tail);
        self.seated(stream, caps, seated, wait);
        true
    }

    /// Waits until the branch is drained; while the feed has no room for what is decoded, that takes as long as it takes.
    fn drained_within(&self, state: &mut parking_lot::MutexGuard<'_, State>, stream: Stream, mut until: Instant) {
        let begun = (Instant::now(), crate::timeline::MediaTime::ZERO);
        while state.branches[index(stream)].life() == Life::Draining && !self.is_over() {
            let idle = self.intake.idle_since(begun, crate::timeline::MediaTime::ZERO).0;
            if idle.is_zero() {
                until = Instant::now() + DRAIN_PATIENCE;
            }
            if Instant::now() >= until {
                state.branches[index(stream)].on(Trigger::EndReached);
                return;
            }
            self.changed.wait_for(state, Duration::from_millis(20));
        }
    }

    /// Puts head and tail behind `pad`.
    fn seat(
        self: &Arc<Self>,
        pad: &gst::Pad,
        caps: &gst::Caps,
        stream: Stream,
        old: Option<(Head, bool)>,
        tail: Option<Tail>,
    ) -> Result<(), glib::BoolError> {
        if let Some(peer) = pad.peer() {
            // It was parked; the fakesink goes with the demuxer.
            pad.unlink(&peer)?;
        }
        let tail = match tail {
            Some(tail) => tail,
            None => self.add_tail(stream)?,
        };
        if let Some((old, sound)) = old {
            if sound && old.codec == name_of(caps) {
                branch::reopen(&old.sink);
                pad.link(&old.sink).map_err(|e| glib::bool_error!("{e}"))?;
                return Ok(());
            }
            let _ = old.src.unlink(&tail.sink);
            let _ = self.pipeline.remove(&old.bin);
            self.bury(vec![old.bin.upcast()]);
            self.state.lock().branches[index(stream)].head = None;
            branch::reopen(&tail.sink);
        }
        let head = branch::head(stream, caps)?;
        self.watch_head(&head, stream);
        // Known before it can fail: an error is matched with its branch by the head it comes from.
        self.state.lock().branches[index(stream)].head = Some(head.clone());
        self.pipeline.add(&head.bin)?;
        head.src.link(&tail.sink).map_err(|e| glib::bool_error!("{e}"))?;
        head.bin.sync_state_with_parent()?;
        pad.link(&head.sink).map_err(|e| glib::bool_error!("{e}"))?;
        Ok(())
    }

    fn seated(&self, stream: Stream, caps: &gst::Caps, result: Result<(), glib::BoolError>, wait: Option<Duration>) {
        let now = Instant::now();
        let reason = result.err().map(|error| {
            tracing::debug!(%error, "a stream was not taken");
            let what = if stream == Stream::Picture { "picture" } else { "sound" };
            format!("the {what} is {}, which cannot be decoded: {error}", name_of(caps))
        });
        let mut state = self.state.lock();
        match (&reason, stream) {
            (None, _) => {
                state.branches[index(stream)].on(Trigger::Linked);
            }
            (Some(_), Stream::Picture) => {
                // The next picture may be better.
                state.branches[0].life = Some(Life::Empty);
                state.branches[0].pad = None;
                state.dark_since = Some(now);
            }
            (Some(_), Stream::Sound) => {
                state.branches[1].on(Trigger::Broke(now));
            }
        }
        // Tried again in vain: the wait doubles.
        if let (Life::Failed { retry_at, wait: next }, Some(wait)) = (state.branches[index(stream)].life(), wait) {
            let longer = next_wait(wait);
            state.branches[index(stream)].life = Some(Life::Failed { retry_at: retry_at - next + longer, wait: longer });
        }
        drop(state);
        self.changed.notify_all();
        let mut facts = self.facts.lock();
        match (stream, reason) {
            (Stream::Picture, reason) => facts.dark_because = reason,
            (Stream::Sound, Some(reason)) => facts.silent_because = Some(reason),
            (Stream::Sound, None) => {
                facts.audio = Some(AudioFacts::of(caps));
                drop(facts);
                self.delivery.expect_sound();
            }
        }
    }

    fn add_tail(self: &Arc<Self>, stream: Stream) -> Result<Tail, glib::BoolError> {
        let tail = branch::tail(stream, self.fields, &self.delivery)?;
        let stage = Arc::downgrade(self);
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
        tail.end.add_probe(mask, move |_, info| {
            let Some(stage) = stage.upgrade() else { return gst::PadProbeReturn::Ok };
            match &info.data {
                Some(gst::PadProbeData::Event(event)) => match event.type_() {
                    gst::EventType::Eos => {
                        stage.on(stream, Trigger::EndReached);
                        gst::PadProbeReturn::Drop
                    }
                    gst::EventType::FlushStart | gst::EventType::FlushStop => gst::PadProbeReturn::Drop,
                    _ => gst::PadProbeReturn::Ok,
                },
                _ => {
                    stage.delivered[index(stream)].fetch_add(1, Ordering::Relaxed);
                    gst::PadProbeReturn::Ok
                }
            }
        });
        self.pipeline.add(&tail.bin)?;
        tail.bin.sync_state_with_parent()?;
        self.state.lock().branches[index(stream)].tail = Some(tail.clone());
        Ok(tail)
    }

    /// Counts what comes to a head and reads from its parser's caps what it is.
    fn watch_head(self: &Arc<Self>, head: &Head, stream: Stream) {
        let stage = Arc::downgrade(self);
        head.parsed.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
            let Some(stage) = stage.upgrade() else { return gst::PadProbeReturn::Ok };
            match &info.data {
                Some(gst::PadProbeData::Event(event)) => {
                    if let gst::EventView::Caps(caps) = event.view() {
                        let mut facts = stage.facts.lock();
                        match stream {
                            Stream::Picture => facts.video = Some(VideoFacts::of(caps.caps())),
                            Stream::Sound => facts.audio = Some(AudioFacts::of(caps.caps())),
                        }
                    }
                }
                _ => {
                    stage.fed[index(stream)].fetch_add(1, Ordering::Relaxed);
                }
            }
            gst::PadProbeReturn::Ok
        });
    }

    /// Nobody takes what this pad carries, for now.
    pub fn park(&self, pad: &gst::Pad, stream: Stream, joint: usize) {
        self.state.lock().parked_sounds += usize::from(stream == Stream::Sound);
        if let Err(error) = self.swallow(pad, joint) {
            tracing::debug!(%error, "a stream that nobody takes has nowhere to go");
        }
    }

    /// Lets what comes from `pad` run into nothing: a demuxer that nobody listens to would stop.
    pub fn swallow(&self, pad: &gst::Pad, joint: usize) -> Result<(), glib::BoolError> {
        let sink = gst::ElementFactory::make("fakesink").property("sync", false).property("async", false).build()?;
        self.add(&sink, joint)?;
        let target = sink.static_pad("sink").ok_or_else(|| glib::bool_error!("a fakesink without a pad"))?;
        pad.link(&target).map_err(|e| glib::bool_error!("{e}"))?;
        sink.sync_state_with_parent()
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

    /// A demuxer takes a pad away.
    pub fn pad_gone(&self, pad: &gst::Pad) {
        for stream in [Stream::Picture, Stream::Sound] {
            let head = {
                let state = self.state.lock();
                let branch = &state.branches[index(stream)];
                branch.head.clone().filter(|_| branch.pad.as_ref() == Some(pad))
            };
            if let Some(head) = head {
                self.gone(pad, &head, stream);
            }
        }
    }

    fn gone(&self, pad: &gst::Pad, head: &Head, stream: Stream) {
        let drains = {
            let mut state = self.state.lock();
            let branch = &mut state.branches[index(stream)];
            branch.pad = None;
            branch.on(Trigger::PadGone);
            branch.life() == Life::Draining
        };
        let _ = pad.unlink(&head.sink);
        if drains {
            head.sink.send_event(gst::event::Eos::new());
        }
        self.attention.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    // ---- what happens to branches ----

    pub fn on(&self, stream: Stream, trigger: Trigger) {
        if self.state.lock().branches[index(stream)].on(trigger) {
            self.attention.store(true, Ordering::Release);
        }
        self.changed.notify_all();
        self.end_if_drained();
    }

    /// The source has ended when nothing is under way and nothing more can come.
    pub fn end_if_drained(&self) {
        let mut state = self.state.lock();
        let busy = state.branches.iter().any(|branch| branch.life().is_under_way());
        let open = state.joints.iter().any(|joint| joint.open);
        let begun = state.branches.iter().any(|branch| branch.life() != Life::Empty);
        let pushed = state.joints.iter().any(|joint| joint.parent.is_some());
        if busy || open || !(begun || pushed) || state.order.is_some() {
            return;
        }
        if self.delivery.pictures() == 0 {
            drop(state);
            let dark = self.facts.lock().dark_because.clone();
            self.fail(dark.map_or(SourceError::NoPicture, SourceError::Pipeline));
        } else if self.looped {
            state.order = Some(Order::Lap);
            self.changed.notify_all();
        } else {
            drop(state);
            self.fail(SourceError::Ended);
        }
    }

    /// Something posted an error. In the sound it costs the sound; anywhere else it ends the run.
    pub fn broke(&self, source: Option<&gst::Object>, text: String) {
        let owner = source.and_then(|source| self.owner_of(source));
        if owner != Some(Stream::Sound) {
            return self.fail(SourceError::Pipeline(text));
        }
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

    fn bury(&self, elements: Vec<gst::Element>) {
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
        let choosing = *state.dark_since.get_or_insert(now);
        let waive = unmet && now.duration_since(choosing) >= CHOICE_PATIENCE;
        state.wish_waived |= waive;
        let dark = state.branches[0].life() == Life::Empty && now.duration_since(choosing) >= CHOICE_PATIENCE;
        drop(state);
        if due || unmet {
            self.attention.store(true, Ordering::Release);
        }
        let mut facts = self.facts.lock();
        if deaf {
            facts.silent_because = Some(format!("sound arrives and does not decode ({codec})"));
        } else if delivered > 0 && !self.is_waived() {
            facts.silent_because = None;
        } else if waive {
            facts.silent_because = Some("the sound that was asked for is not there: the first one is taken".into());
        }
        if let Some(reason) = facts.dark_because.clone().filter(|_| dark) {
            drop(facts);
            self.fail(SourceError::Pipeline(reason));
        }
        if deaf {
            self.expect_sound(false);
        }
    }

    fn is_waived(&self) -> bool {
        self.state.lock().wish_waived
    }
}

/// The language that a pad's tags tell, as they tell it.
fn language_of(pad: &gst::Pad) -> Option<String> {
    let mut language = None;
    pad.sticky_events_foreach(|event| {
        if let gst::EventView::Tag(tag) = event.view()
            && let Some(code) = tag.tag().get::<gst::tags::LanguageCode>()
        {
            language = Some(code.get().to_owned());
        }
        std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
    });
    language
}

/// Whether two codes name one language, two letters or three, as far as the first letters tell.
fn same_language(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

pub(super) type WeakStage = Weak<Stage>;
