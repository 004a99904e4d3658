//! The sounds beside the main one: each has a chain of its own that hangs on its demuxer's pad and goes with it. What fails in a chain costs
//! that sound alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use parking_lot::Mutex;

use super::branch;
use super::seating::language_of;
use super::stage::Stage;
use super::tables::{language_in_three, language_name, language_tag};
use crate::cadence::Stream;
use crate::feed::beside::Number;
use crate::feed::downmix::Downmix;
use crate::frame::{SoundRole, SoundTrack};

/// From a pad to the feed.
pub(super) struct Chain {
    pad: gst::Pad,
    pub joint: usize,
    sink: gst::Pad,
    bins: [gst::Bin; 2],
    number: Number,
    /// The language that it was counted by.
    code: Option<String>,
    /// Its pad is gone: it goes when it has handed over what it holds.
    leaves: bool,
    /// It has handed over everything, or fails.
    ended: Arc<AtomicBool>,
}

impl Chain {
    pub fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

impl Stage {
    /// The sound that a pad of a picked programme carries, if it is one beside the main one.
    pub fn known_beside(&self, pad: &gst::Pad) -> Option<SoundTrack> {
        // As audio_0_0110: the packet identifier is the last of it.
        let pid = u16::from_str_radix(pad.name().rsplit('_').next()?, 16).ok()?;
        self.tracks.lock().get(&pid).cloned()
    }

    /// Decodes what `pad` carries beside the main sound, as long as there is room; else it runs into nothing. What sound it is its tags tell, where it
    /// is not `known`.
    pub fn take_beside(self: &Arc<Self>, pad: &gst::Pad, caps: &gst::Caps, joint: usize, known: Option<SoundTrack>) {
        let most = self.decoding.max_sounds.saturating_sub(1);
        let has_room = self.state.lock().besides.iter().filter(|chain| !chain.leaves).count() < most;
        let number: Number = Arc::new(OnceLock::new());
        let is_wanted = has_room
            && match known {
                Some(track) => number.get_or_init(|| self.delivery.sound_beside(track, most)).is_some(),
                None => true,
            };
        if is_wanted && self.hang_beside(pad, caps, joint, &number).inspect_err(failed).is_ok() {
            return;
        }
        if let Err(error) = self.swallow(pad, joint) {
            failed(&error);
        }
    }

    fn hang_beside(
        self: &Arc<Self>,
        pad: &gst::Pad,
        caps: &gst::Caps,
        joint: usize,
        number: &Number,
    ) -> Result<(), glib::BoolError> {
        let head = branch::head(Stream::Sound, caps)?;
        let (delivery, known) = (Arc::clone(&self.delivery), Arc::clone(number));
        let downmix = Mutex::new(Downmix::default());
        let tail = branch::tail(Stream::Sound, self.fields, move |sample| match known.get() {
            Some(Some(number)) => delivery.deliver_beside(*number, &sample, &mut downmix.lock()),
            _ => Ok(gst::FlowSuccess::Ok),
        })?;
        self.leave_to_next(number);
        let ended = Arc::new(AtomicBool::new(false));
        self.await_beside_end(&tail.end, &ended);
        // Known before it can fail, as what is one sound's alone.
        let bins = [head.bin.clone(), tail.bin.clone()];
        self.state.lock().besides.push(Chain {
            pad: pad.clone(),
            joint,
            sink: head.sink.clone(),
            bins: bins.clone(),
            number: Arc::clone(number),
            code: None,
            leaves: false,
            ended,
        });
        let hung = bins.iter().try_for_each(|bin| self.add(bin.upcast_ref(), joint)).and_then(|()| {
            head.src.link(&tail.sink).map_err(|error| glib::bool_error!("{error}"))?;
            bins.iter().rev().try_for_each(|bin| bin.sync_state_with_parent())?;
            pad.link(&head.sink).map(drop).map_err(|error| glib::bool_error!("{error}"))
        });
        if hung.is_err() {
            self.drop_beside(pad);
            return hung;
        }
        if number.get().is_none() {
            self.tell_beside(pad, number);
        }
        Ok(())
    }

    /// Keeps the end of a chain from its sink, and tells of it.
    fn await_beside_end(self: &Arc<Self>, end: &gst::Pad, ended: &Arc<AtomicBool>) {
        let (stage, ended) = (Arc::downgrade(self), Arc::clone(ended));
        end.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |_, info| match &info.data {
            Some(gst::PadProbeData::Event(event)) if event.type_() == gst::EventType::Eos => {
                ended.store(true, Ordering::Release);
                if let Some(stage) = stage.upgrade() {
                    stage.changed.notify_all();
                    stage.end_if_drained();
                }
                gst::PadProbeReturn::Handled
            }
            _ => gst::PadProbeReturn::Ok,
        });
    }

    /// What still hands over the sound of this number goes at once: two would mix.
    fn leave_to_next(&self, number: &Number) {
        let Some(Some(number)) = number.get() else { return };
        let same = |chain: &&Chain| chain.leaves && chain.number.get() == Some(&Some(*number));
        let pads: Vec<_> = self.state.lock().besides.iter().filter(same).map(|chain| chain.pad.clone()).collect();
        pads.iter().for_each(|pad| self.drop_beside(pad));
    }

    /// The pad of a chain is gone.
    pub fn beside_gone(&self, pad: &gst::Pad) {
        let sink = {
            let mut state = self.state.lock();
            let Some(chain) = state.besides.iter_mut().find(|chain| chain.pad == *pad && !chain.leaves) else { return };
            chain.leaves = true;
            chain.sink.clone()
        };
        let _ = pad.unlink(&sink);
        sink.send_event(gst::event::Eos::new());
    }

    /// Takes out the chains that have nothing to do any more.
    pub fn clear_besides(&self) {
        let over = |chain: &&Chain| chain.leaves && chain.has_ended();
        let pads: Vec<_> = self.state.lock().besides.iter().filter(over).map(|chain| chain.pad.clone()).collect();
        pads.iter().for_each(|pad| self.drop_beside(pad));
    }

    /// Says what sound it is when the first of it comes: its tags are there by then.
    fn tell_beside(self: &Arc<Self>, pad: &gst::Pad, number: &Number) {
        let (stage, number) = (Arc::downgrade(self), Arc::clone(number));
        pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |pad, _| {
            let Some(stage) = stage.upgrade() else { return gst::PadProbeReturn::Remove };
            let told = language_of(pad).filter(|code| code != "und");
            let code = told.as_deref().map(language_in_three);
            let nth = {
                let mut state = stage.state.lock();
                let nth = state.besides.iter().filter(|chain| chain.code.is_some() && chain.code == code).count() + 1;
                match state.besides.iter_mut().find(|chain| chain.pad == *pad) {
                    Some(chain) => chain.code.clone_from(&code),
                    // It has become the main sound meanwhile.
                    None => return gst::PadProbeReturn::Remove,
                }
                nth
            };
            let name = title_of(pad).or_else(|| told.as_deref().and_then(language_name).map(str::to_owned));
            let language = told.as_deref().map(language_tag);
            let track = SoundTrack::new(code.as_deref(), language, SoundRole::Programme, nth, name.as_deref());
            let most = stage.decoding.max_sounds.saturating_sub(1);
            number.get_or_init(|| stage.delivery.sound_beside(track, most));
            gst::PadProbeReturn::Remove
        });
    }

    /// The chain of `pad` has to go, if there is one.
    pub fn drop_beside(&self, pad: &gst::Pad) {
        let bins = {
            let mut state = self.state.lock();
            let Some(at) = state.besides.iter().position(|chain| chain.pad == *pad) else { return };
            let chain = state.besides.swap_remove(at);
            let elements: Vec<gst::Element> = chain.bins.into_iter().map(|bin| bin.upcast()).collect();
            if let Some(joint) = state.joints.get_mut(chain.joint) {
                joint.elements.retain(|element| !elements.contains(element));
            }
            elements
        };
        if let Some(peer) = pad.peer() {
            let _ = pad.unlink(&peer);
        }
        for bin in &bins {
            let _ = self.pipeline.remove(bin);
        }
        self.bury(bins);
    }

    /// Whether what posted an error is part of a chain; it is over then.
    pub fn beside_broke(&self, source: &gst::Object) -> bool {
        let chains: Vec<_> = {
            let state = self.state.lock();
            state.besides.iter().map(|chain| (chain.bins.clone(), Arc::clone(&chain.ended))).collect()
        };
        let is_of = |bins: &[gst::Bin; 2]| bins.iter().any(|bin| source == bin || source.has_as_ancestor(bin));
        let Some((_, ended)) = chains.into_iter().find(|(bins, _)| is_of(bins)) else { return false };
        ended.store(true, Ordering::Release);
        self.changed.notify_all();
        self.end_if_drained();
        true
    }
}

fn failed(error: &glib::BoolError) {
    tracing::debug!(%error, "a sound beside the main one is left out");
}

/// What a pad's tags call its stream.
fn title_of(pad: &gst::Pad) -> Option<String> {
    let mut title = None;
    pad.sticky_events_foreach(|event| {
        if let gst::EventView::Tag(tag) = event.view()
            && tag.tag().scope() == gst::TagScope::Stream
            && let Some(told) = tag.tag().get::<gst::tags::Title>()
        {
            title = Some(told.get().chars().filter(|c| !c.is_control()).take(64).collect());
        }
        std::ops::ControlFlow::Continue(gst::EventForeachAction::Keep)
    });
    title
}
