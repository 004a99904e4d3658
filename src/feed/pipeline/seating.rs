//! Which pad has which branch: pads come, go, change their codec and wait for a place.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use parking_lot::{Mutex, MutexGuard};

use super::branch::{self, Head, Life, Tail, Trigger, next_wait};
use super::clean_point::Gate;
use super::picture_size::Pace;
use super::shift;
use super::stage::{DRAIN_PATIENCE, Joint, Stage, State, index};
use super::tables::{language_tag, same_language};
use crate::cadence::Stream;
use crate::feed::as_came::{SharedTap, Tap};
use crate::feed::facts::{AudioFacts, VideoFacts, name_of};
use crate::feed::wanted::AudioWish;
use crate::timeline::MediaTime;

impl Stage {
    /// A demuxer shows a stream of ours. It takes its branch, or is parked.
    pub fn offer(self: &Arc<Self>, pad: &gst::Pad, caps: &gst::Caps, stream: Stream, joint: usize) {
        if !self.takes(joint, stream) {
            return self.park(pad, stream, joint);
        }
        if let Some(zero) = self.zero(joint) {
            shift::shift(pad, zero[index(stream)]);
        }
        if stream == Stream::Sound {
            let picked = || self.known_beside(pad).filter(|_| self.is_picked(joint));
            if let Some(track) = self.beside_of(joint).or_else(picked) {
                return self.take_beside(pad, caps, joint, Some(track));
            }
        }
        // Behind a programme that was picked there is one sound, the one that was asked for.
        let ordinal = {
            let picked = self.is_picked(joint);
            let mut state = self.state.lock();
            state.sounds_seen += usize::from(stream == Stream::Sound);
            (!picked).then_some(state.sounds_seen)
        };
        let wished = self.is_wished(pad, stream, ordinal);
        self.usher(pad, stream, ordinal);
        if !(wished && self.take(pad, caps, stream)) {
            match stream {
                Stream::Picture => self.park(pad, stream, joint),
                Stream::Sound => {
                    self.state.lock().parked_sounds += 1;
                    self.take_beside(pad, caps, joint, None);
                }
            }
            self.call(stream);
        }
    }

    fn is_picked(&self, joint: usize) -> bool {
        self.state.lock().joints.get(joint).is_some_and(|joint| joint.picked)
    }

    /// Watches what a pad carries: it may change its codec, or its branch may have become free.
    fn usher(self: &Arc<Self>, pad: &gst::Pad, stream: Stream, ordinal: Option<usize>) {
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
                _ if stage.attention[index(stream)].load(Ordering::Acquire) => stage.look_again(pad, stream, ordinal),
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
    fn look_again(self: &Arc<Self>, pad: &gst::Pad, stream: Stream, ordinal: Option<usize>) {
        let now = Instant::now();
        let free = {
            let state = self.state.lock();
            let branch = &state.branches[index(stream)];
            let mine = branch.pad.as_ref() == Some(pad);
            let free = match branch.life() {
                Life::Empty => true,
                Life::Drained => !mine,
                Life::Failed { retry_at, .. } => !mine || retry_at <= now,
                Life::Linking | Life::Flowing | Life::Draining => false,
            };
            if branch.life() == Life::Flowing {
                self.attention[index(stream)].store(false, Ordering::Release);
            }
            free && (mine || state.wish_waived || self.is_wished(pad, stream, ordinal))
        };
        if let (true, Some(caps)) = (free, pad.current_caps()) {
            self.take(pad, &caps, stream);
        }
    }

    /// Whether this is what the source's address asks for. Its language is told by tags, which come before the first buffer.
    fn is_wished(&self, pad: &gst::Pad, stream: Stream, ordinal: Option<usize>) -> bool {
        let Some(ordinal) = ordinal.filter(|_| stream == Stream::Sound) else { return true };
        match &self.wanted.audio {
            AudioWish::First | AudioWish::Pid(_) => true,
            AudioWish::Index(n) => ordinal == usize::from(*n),
            AudioWish::Language(wanted) => language_of(pad).is_some_and(|is| same_language(&is, wanted)),
        }
    }

    /// Gives the branch to `pad` if it is free, after what it still holds was handed over; false when it is taken.
    fn take(self: &Arc<Self>, pad: &gst::Pad, caps: &gst::Caps, stream: Stream) -> bool {
        let mut patience = Patience::new();
        let (head, tail, wait, old) = {
            let mut state = self.state.lock();
            self.drained_within(&mut state, stream, &mut patience);
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
            state.ended = false;
            let branch = &mut state.branches[index(stream)];
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

    /// Lets the branches that `elements` feed hand over what they have, and waits for that.
    pub fn drain(&self, elements: &[gst::Element]) {
        let mut patience = Patience::new();
        for stream in [Stream::Picture, Stream::Sound] {
            let (pad, head) = {
                let state = self.state.lock();
                let branch = &state.branches[index(stream)];
                (branch.pad.clone(), branch.head.clone())
            };
            let theirs = |pad: &gst::Pad| pad.parent_element().is_some_and(|parent| elements.contains(&parent));
            if let (Some(pad), Some(head)) = (pad.filter(theirs), head) {
                self.gone(&pad, &head, stream);
            }
        }
        let mut state = self.state.lock();
        for stream in [Stream::Picture, Stream::Sound] {
            self.drained_within(&mut state, stream, &mut patience);
        }
    }

    /// Waits until the end that was sent into a joint has come through the queues of those that hang on it: before that their
    /// demuxers still have something to say.
    pub fn await_end(&self, joint: usize) {
        let mut patience = Patience::new();
        let mut state = self.state.lock();
        while (hanging(&state.joints, joint).any(|joint| joint.open) || has_besides(&state, joint))
            && patience.lasts(self)
        {
            self.changed.wait_for(&mut state, Duration::from_millis(20));
        }
    }

    /// Waits until the branch is drained.
    fn drained_within(&self, state: &mut MutexGuard<'_, State>, stream: Stream, patience: &mut Patience) {
        while state.branches[index(stream)].life() == Life::Draining && !self.is_over() {
            if !patience.lasts(self) {
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
        self.drop_beside(pad);
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
                old.gate.lock().close();
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
            state.branches[index(stream)].life =
                Some(Life::Failed { retry_at: retry_at - next + longer, wait: longer });
        }
        drop(state);
        self.changed.notify_all();
        let mut facts = self.facts.lock();
        match (stream, reason) {
            (Stream::Picture, reason) => facts.dark_because = reason,
            (Stream::Sound, Some(reason)) => facts.silent_because = Some(reason),
            (Stream::Sound, None) => {
                let header = AudioFacts::of(caps);
                // A header knows less than the sound has told of itself, perhaps by now, or a lap ago.
                if facts.audio.as_ref().is_none_or(|known| known.codec != header.codec) {
                    facts.audio = Some(header);
                }
                drop(facts);
                self.delivery.expect_sound();
            }
        }
    }

    fn add_tail(self: &Arc<Self>, stream: Stream) -> Result<Tail, glib::BoolError> {
        let delivery = Arc::clone(&self.delivery);
        let tail = branch::tail(stream, self.fields, move |sample| delivery.deliver(stream, sample))?;
        if stream == Stream::Picture {
            let delivery = Arc::clone(&self.delivery);
            branch::offer_memory(&tail.end, move || delivery.picture_pool());
        }
        let stage = Arc::downgrade(self);
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM | gst::PadProbeType::EVENT_FLUSH;
        tail.end.add_probe(mask, move |_, info| {
            let Some(stage) = stage.upgrade() else { return gst::PadProbeReturn::Ok };
            match &info.data {
                Some(gst::PadProbeData::Event(event)) => match event.type_() {
                    gst::EventType::Eos => {
                        stage.on(stream, Trigger::EndReached);
                        gst::PadProbeReturn::Handled
                    }
                    gst::EventType::FlushStart | gst::EventType::FlushStop => gst::PadProbeReturn::Handled,
                    _ => gst::PadProbeReturn::Ok,
                },
                _ => {
                    stage.delivered[index(stream)].fetch_add(1, Ordering::Relaxed);
                    if stream == Stream::Picture {
                        stage.note_cost();
                    }
                    gst::PadProbeReturn::Ok
                }
            }
        });
        self.pipeline.add(&tail.bin)?;
        tail.bin.sync_state_with_parent()?;
        self.state.lock().branches[index(stream)].tail = Some(tail.clone());
        Ok(tail)
    }

    /// Reads from a parser's caps what comes, and holds back what is not whole.
    fn watch_head(self: &Arc<Self>, head: &Head, stream: Stream) {
        if stream == Stream::Sound {
            // Another stream, perhaps, which may say nothing of it.
            self.facts.lock().language = None;
        }
        let tap = (stream == Stream::Sound).then(SharedTap::default);
        if let Some(tap) = tap.clone() {
            head.src.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| {
                if let Some(gst::PadProbeData::Event(event)) = &info.data
                    && let gst::EventView::Caps(caps) = event.view()
                {
                    tap.lock().decodes(caps.caps());
                }
                gst::PadProbeReturn::Ok
            });
        }
        let (stage, gate, pace) = (Arc::downgrade(self), Arc::clone(&head.gate), Mutex::<Pace>::default());
        head.parsed.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
            let Some(stage) = stage.upgrade() else { return gst::PadProbeReturn::Ok };
            match &info.data {
                Some(gst::PadProbeData::Event(event)) => {
                    match event.view() {
                        gst::EventView::Caps(caps) => {
                            if let Some(tap) = &tap {
                                tap.lock().parsed(caps.caps());
                            }
                            if !stage.note_caps(stream, caps.caps(), &gate) {
                                return gst::PadProbeReturn::Handled;
                            }
                        }
                        gst::EventView::Tag(tag) if stream == Stream::Sound => {
                            if let Some(code) = tag.tag().get::<gst::tags::LanguageCode>() {
                                stage.facts.lock().language = Some(language_tag(code.get()));
                            }
                        }
                        _ => {}
                    }
                    gst::PadProbeReturn::Ok
                }
                Some(gst::PadProbeData::Buffer(buffer)) => {
                    if let Some(tap) = &tap {
                        stage.hand_on(pad, buffer, &tap.lock());
                    }
                    if stream == Stream::Picture && !stage.bears(buffer, &gate, &mut pace.lock()) {
                        return gst::PadProbeReturn::Handled;
                    }
                    stage.pass_unit(stream, buffer, &gate)
                }
                _ => gst::PadProbeReturn::Ok,
            }
        });
        let stage = Arc::downgrade(self);
        head.sink.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            if let Some(stage) = stage.upgrade() {
                stage.fed[index(stream)].fetch_add(1, Ordering::Relaxed);
            }
            gst::PadProbeReturn::Ok
        });
        let gate = Arc::clone(&head.gate);
        if stream == Stream::Picture {
            head.src.add_probe(gst::PadProbeType::BUFFER, move |_, info| match info.buffer() {
                Some(buffer) if !gate.lock().shows(time_of(buffer)) => gst::PadProbeReturn::Handled,
                _ => gst::PadProbeReturn::Ok,
            });
        }
    }

    /// Takes a coded frame of the main sound on its way to the decoder, where it can be handed on as it is.
    fn hand_on(&self, pad: &gst::Pad, buffer: &gst::BufferRef, tap: &Tap) {
        let (Some(raw), Ok(bytes)) = (running_time_of(pad, buffer), buffer.map_readable()) else { return };
        if let Some(frame) = tap.frame(&bytes) {
            self.delivery.deliver_coded(frame, raw);
        }
    }

    /// False for what is not decoded.
    fn note_caps(&self, stream: Stream, caps: &gst::CapsRef, gate: &Mutex<Gate>) -> bool {
        match stream {
            Stream::Picture => {
                let video = VideoFacts::of(caps);
                if !self.bears_size(video.width, video.height) {
                    return false;
                }
                gate.lock().set_fields(video.interlaced);
                self.note_demand(&video);
                self.facts.lock().video = Some(video);
            }
            Stream::Sound => self.facts.lock().audio = Some(AudioFacts::of(caps)),
        }
        true
    }

    fn pass_unit(&self, stream: Stream, buffer: &gst::BufferRef, gate: &Mutex<Gate>) -> gst::PadProbeReturn {
        self.note_rate(stream, buffer, time_of(buffer));
        if stream == Stream::Sound {
            return gst::PadProbeReturn::Ok;
        }
        let Ok(bytes) = buffer.map_readable() else { return gst::PadProbeReturn::Ok };
        if self.withholds(&bytes, gate) {
            return gst::PadProbeReturn::Handled;
        }
        let mut gate = gate.lock();
        let waited = gate.is_waiting();
        let passes = gate.passes_unit(&bytes, time_of(buffer), !buffer.flags().contains(gst::BufferFlags::DELTA_UNIT));
        let by_frames = waited && passes && gate.is_open_entry();
        drop(gate);
        if by_frames {
            let head = self.state.lock().branches[index(stream)].head.clone();
            if let Some(Err(error)) = head.map(|head| head.decode_by_frames()) {
                tracing::debug!(%error, "the decoder stays as it is");
            }
        }
        if waited {
            // Told only while it matters: the watchdog gives a source that sends more time.
            self.facts.lock().awaits_clean_point = !passes;
        }
        if passes { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Handled }
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

    /// A demuxer takes a pad away.
    pub fn pad_gone(&self, pad: &gst::Pad) {
        self.beside_gone(pad);
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

    pub fn gone(&self, pad: &gst::Pad, head: &Head, stream: Stream) {
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
        self.call(stream);
        self.changed.notify_all();
    }
}

/// The language that a pad's tags tell, as they tell it.
pub(super) fn language_of(pad: &gst::Pad) -> Option<String> {
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

/// When a buffer is due, as what is decoded of it will be timed.
pub(super) fn running_time_of(pad: &gst::Pad, buffer: &gst::BufferRef) -> Option<i64> {
    let segment = pad.sticky_event::<gst::event::Segment>(0)?;
    let segment = segment.segment().downcast_ref::<gst::ClockTime>()?;
    Some(i64::try_from(segment.to_running_time(buffer.pts()?)?.nseconds()).unwrap_or(i64::MAX))
}

/// When a picture is shown, or else decoded, in the stream's own time.
fn time_of(buffer: &gst::BufferRef) -> Option<i64> {
    buffer.pts().or(buffer.dts()).and_then(|at| i64::try_from(at.nseconds()).ok())
}

/// How long what drains is waited for: as long as pictures come out, or the feed has no room for them.
struct Patience {
    begun: Instant,
    until: Instant,
    delivered: u64,
}

impl Patience {
    fn new() -> Self {
        let begun = Instant::now();
        Self { begun, until: begun + DRAIN_PATIENCE, delivered: 0 }
    }

    fn lasts(&mut self, stage: &Stage) -> bool {
        let delivered = stage.delivered[index(Stream::Picture)].load(Ordering::Relaxed);
        let idle = stage.intake.idle_since((self.begun, MediaTime::ZERO), MediaTime::ZERO).0;
        if idle.is_zero() || delivered != self.delivered {
            (self.until, self.delivered) = (Instant::now() + DRAIN_PATIENCE, delivered);
        }
        !stage.is_over() && Instant::now() < self.until
    }
}

/// Whether a sound beside the main one that hangs on `joint` still has something to hand over.
fn has_besides(state: &State, joint: usize) -> bool {
    let mut chains = state.besides.iter().filter(|chain| !chain.has_ended());
    chains.any(|chain| chain.joint == joint || hangs(&state.joints, chain.joint, joint))
}

/// The joints that hang on `joint`, itself left out.
fn hanging(joints: &[Joint], joint: usize) -> impl Iterator<Item = &Joint> {
    (0..joints.len()).filter(move |at| hangs(joints, *at, joint)).filter_map(|at| joints.get(at))
}

fn hangs(joints: &[Joint], at: usize, joint: usize) -> bool {
    let mut parent = joints.get(at).and_then(|at| at.parent);
    while let Some(at) = parent.filter(|parent| *parent != joint) {
        parent = joints.get(at).and_then(|joint| joint.parent);
    }
    parent.is_some()
}
