//! From a source's bytes to streams: heads of sources, what kind of container comes, and its demuxer.
//!
//! A joint is a pad behind which everything can be exchanged while the run goes on: another programme, another initialisation,
//! another container. The branches stay, and drain before the new demuxer begins.

use std::os::fd::AsRawFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use parking_lot::Mutex;

use super::cue_tap::Told;
use super::doors::Takes;
use super::hold::hold;
use super::parts::{self, Calls};
use super::programme::{Programme, Step};
use super::reports;
use super::stage::{Joint, Stage};
use crate::cadence::Stream;
use crate::feed::called::called;
use crate::feed::error::SourceError;
use crate::feed::facts::name_of;
use crate::feed::sockets;
use crate::feed::source::Source;
use crate::frame::SoundTrack;

fn too_many_streams(most: u32) -> SourceError {
    SourceError::TooLarge(format!("a programme or a container has more than {most} streams"))
}

pub(in crate::feed) fn broken(error: glib::BoolError) -> SourceError {
    SourceError::Pipeline(error.to_string())
}

impl Stage {
    /// Puts a source's elements into the pipeline; what is behind them follows when it is known what comes.
    pub fn open(self: &Arc<Self>, source: &Source) -> Result<(), SourceError> {
        let joint = self.add_joint(None, false);
        match source {
            Source::Synthetic(_) => Err(SourceError::Pipeline("synthetic sources need no pipeline".into())),
            Source::Pushed(push) => {
                let push = &called(push, &self.decoding.reach)?;
                // In a process of its own they were opened before.
                let opened =
                    if self.sockets.is_empty() { sockets::open(push, self.wanted.reports)? } else { Vec::new() };
                let sockets = if self.sockets.is_empty() { &opened } else { &self.sockets };
                let head = parts::head_of(push, sockets.first())?;
                let last = self.chain(&head, joint).map_err(broken)?;
                head.last().map_or(Ok(()), |queue| hold(queue, self)).map_err(broken)?;
                if let Some(socket) = sockets.get(1) {
                    reports::listen(self, socket, &head, joint)?;
                }
                self.take_apart(&last, &parts::caps_of(push), joint).map_err(broken)?;
                head.iter().rev().try_for_each(|e| e.sync_state_with_parent()).map_err(broken)
            }
            Source::Pulled { uri, .. } => {
                let src = self.opened(uri)?;
                let typefind = parts::make("typefind").map_err(broken)?;
                self.chain(&[src.clone(), typefind.clone()], joint).map_err(broken)?;
                self.connect_typefind(&typefind, joint);
                typefind.sync_state_with_parent().and_then(|()| src.sync_state_with_parent()).map_err(broken)
            }
        }
    }

    /// The element that reads `uri`.
    fn opened(self: &Arc<Self>, uri: &str) -> Result<gst::Element, SourceError> {
        let url = url::Url::parse(uri).map_err(|error| SourceError::Pipeline(error.to_string()))?;
        let Some(path) = url.to_file_path().ok().filter(|_| url.scheme() == "file") else {
            return self.read_by_http(&url);
        };
        let pass = self.decoding.reach.of(&url);
        pass.scheme(url.scheme())?;
        let file = pass.open_file(&path)?;
        // Not by its name: what that leads to may be another file by now.
        let location = format!("/proc/self/fd/{}", file.as_raw_fd());
        let element = gst::ElementFactory::make("filesrc").property("location", location).build().map_err(broken)?;
        *self.file.lock() = Some(file);
        Ok(element)
    }

    /// Adds elements in a row; returns the pad they end in.
    fn chain(&self, elements: &[gst::Element], joint: usize) -> Result<gst::Pad, glib::BoolError> {
        for element in elements {
            self.add(element, joint)?;
        }
        gst::Element::link_many(elements)?;
        let last = elements.last().and_then(|e| e.static_pad("src"));
        last.ok_or_else(|| glib::bool_error!("a source without a pad"))
    }

    pub fn add_joint(&self, parent: Option<usize>, open: bool) -> usize {
        let mut state = self.state.lock();
        state.joints.push(Joint {
            parent,
            elements: Vec::new(),
            open,
            takes: Takes::Both,
            beside: None,
            picked: false,
            zero: None,
        });
        state.joints.len() - 1
    }

    pub fn set_takes(&self, joint: usize, takes: Takes, beside: Option<SoundTrack>) {
        if let Some(joint) = self.state.lock().joints.get_mut(joint) {
            (joint.takes, joint.beside) = (takes, beside);
        }
    }

    /// The sound beside the main one that what hangs on this joint is.
    pub fn beside_of(&self, joint: usize) -> Option<SoundTrack> {
        let state = self.state.lock();
        let mut joint = state.joints.get(joint);
        while let Some(at) = joint {
            if at.beside.is_some() {
                return at.beside.clone();
            }
            joint = at.parent.and_then(|parent| state.joints.get(parent));
        }
        None
    }

    pub fn set_zero(&self, joint: usize, zero: Option<[i64; 2]>) {
        if let Some(joint) = self.state.lock().joints.get_mut(joint) {
            joint.zero = zero;
        }
    }

    /// The next demuxer on this joint counts from a place of its own.
    fn forget_zero(&self, joint: usize) {
        let mut state = self.state.lock();
        let mut at = Some(joint);
        while let Some(joint) = at.and_then(|at| state.joints.get_mut(at)) {
            joint.zero = None;
            at = joint.parent;
        }
    }

    /// When the zero of a demuxer on this joint is due.
    pub fn zero(&self, joint: usize) -> Option<[i64; 2]> {
        let state = self.state.lock();
        let mut joint = state.joints.get(joint);
        while let Some(at) = joint {
            if at.zero.is_some() {
                return at.zero;
            }
            joint = at.parent.and_then(|parent| state.joints.get(parent));
        }
        None
    }

    /// Whether what hangs on this joint may take the branch.
    pub fn takes(&self, joint: usize, stream: Stream) -> bool {
        let state = self.state.lock();
        let mut joint = state.joints.get(joint);
        while let Some(at) = joint {
            match (at.takes, stream) {
                (Takes::Picture, Stream::Sound) | (Takes::Sound, Stream::Picture) => return false,
                _ => joint = at.parent.and_then(|parent| state.joints.get(parent)),
            }
        }
        true
    }

    /// Whether what hangs on this joint is the source as a whole.
    fn is_all(&self, joint: usize) -> bool {
        self.state.lock().joints.get(joint).is_some_and(|joint| joint.parent.is_none())
    }

    /// Takes everything of the entry down, for another lap.
    pub fn close(&self) {
        let joints = {
            let mut state = self.state.lock();
            state.besides.clear();
            std::mem::take(&mut state.joints)
        };
        for element in joints.into_iter().flat_map(|joint| joint.elements) {
            // Why an element does not go to Null is on the bus already.
            let _ = element.set_state(gst::State::Null);
            let _ = self.pipeline.remove(&element);
        }
    }

    fn connect_typefind(self: &Arc<Self>, typefind: &gst::Element, joint: usize) {
        let stage = Arc::downgrade(self);
        typefind.connect("have-type", false, move |values| {
            let stage = stage.upgrade()?;
            let typefind = values.first()?.get::<gst::Element>().ok()?;
            let caps = values.get(2)?.get::<gst::Caps>().ok()?;
            let pad = typefind.static_pad("src")?;
            if let Err(error) = stage.take_apart(&pad, &caps, joint) {
                stage.fail(broken(error));
            }
            None
        });
    }

    /// Does with a pad what its caps call for.
    fn take_apart(self: &Arc<Self>, pad: &gst::Pad, caps: &gst::Caps, joint: usize) -> Result<(), glib::BoolError> {
        match parts::calls_for(caps) {
            Calls::Stream(stream) => {
                self.offer(pad, caps, stream, joint);
                Ok(())
            }
            Calls::Container(factory) => {
                self.note_container(caps);
                if name_of(caps) == "mpeg-ts" {
                    return self.take_transport_stream(pad, joint);
                }
                let demuxer = factory.create().build()?;
                self.add(&demuxer, joint)?;
                self.connect_demuxer(&demuxer, joint);
                link(pad, &demuxer)
            }
            Calls::Typefind => self.add_typefind(pad, joint),
            // Within a container that is text or tables; alone it is all there is.
            Calls::Nothing if self.is_all(joint) => {
                let is = name_of(caps);
                self.fail(SourceError::Unsupported(format!(
                    "it is {is}: no picture and no sound of a kind that is decoded here"
                )));
                Ok(())
            }
            Calls::Nothing => self.swallow(pad, joint),
            Calls::List => {
                self.fail(SourceError::Unsupported(
                    "it is a playlist that is not read from here: HLS is, over http:// or https://".into(),
                ));
                Ok(())
            }
        }
    }

    fn note_container(&self, caps: &gst::CapsRef) {
        self.facts.lock().container = Some(name_of(caps));
    }

    /// One programme of a transport stream is picked before a demuxer sees it.
    fn take_transport_stream(self: &Arc<Self>, pad: &gst::Pad, joint: usize) -> Result<(), glib::BoolError> {
        let inner = self.add_joint(Some(joint), true);
        if let Some(joint) = self.state.lock().joints.get_mut(inner) {
            joint.picked = true;
        }
        // Without a queue a demuxer would pull from a file, past whoever stands in between.
        let queue = gst::ElementFactory::make("queue")
            .property("max-size-buffers", 0u32)
            .property("max-size-bytes", 1u32 << 20)
            .property("max-size-time", 0u64)
            .build()?;
        self.add(&queue, joint)?;
        let out = queue.static_pad("src").ok_or_else(|| glib::bool_error!("a queue without a pad"))?;
        self.add_transport_demuxer(&out, inner)?;
        // A door for sound alone gets streams without a picture, of which there is nothing to be picked.
        let picks = self.takes(joint, Stream::Picture);
        let most = self.decoding.max_sounds.saturating_sub(1);
        let programme =
            picks.then(|| Mutex::new(Programme::new(self.wanted.clone(), self.live).with_sounds_beside(most)));
        let most_streams = self.decoding.limits.streams as usize;
        self.cues.told(Told::Fresh);
        let stage = Arc::downgrade(self);
        let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
        out.add_probe(mask, move |pad, info| {
            let Some(stage) = stage.upgrade() else { return gst::PadProbeReturn::Handled };
            match info.data.take() {
                Some(gst::PadProbeData::Buffer(buffer)) => {
                    let picked = match &programme {
                        Some(programme) => {
                            let mut programme = programme.lock();
                            let picked = stage.pick_programme(pad, &buffer, &mut programme, inner);
                            if programme.most_streams() > most_streams {
                                stage.refuse(too_many_streams(stage.decoding.limits.streams));
                                return gst::PadProbeReturn::Handled;
                            }
                            picked
                        }
                        None => Some(buffer.clone()),
                    };
                    let returned =
                        if picked.is_some() { gst::PadProbeReturn::Ok } else { gst::PadProbeReturn::Handled };
                    info.data = Some(gst::PadProbeData::Buffer(picked.unwrap_or(buffer)));
                    returned
                }
                Some(gst::PadProbeData::Event(event)) => {
                    let is_end = event.type_() == gst::EventType::Eos;
                    info.data = Some(gst::PadProbeData::Event(event));
                    if is_end {
                        stage.end_joint(pad, inner);
                        return gst::PadProbeReturn::Handled;
                    }
                    gst::PadProbeReturn::Ok
                }
                other => {
                    info.data = other;
                    gst::PadProbeReturn::Ok
                }
            }
        });
        link(pad, &queue)
    }

    /// What the demuxer is to get for `buffer`; a fresh demuxer is put behind `pad` where one is due.
    fn pick_programme(
        self: &Arc<Self>,
        pad: &gst::Pad,
        buffer: &gst::BufferRef,
        programme: &mut Programme,
        joint: usize,
    ) -> Option<gst::Buffer> {
        let bytes = buffer.map_readable().ok()?;
        programme.sent(reports::sent_us(buffer));
        let steps = programme.take(&bytes);
        for told in programme.take_told() {
            match told {
                // What a playlist said of them stays where the stream says nothing.
                Told::Services(services) if services.is_empty() => {}
                Told::Services(services) => self.facts.lock().captions = services,
                told => self.cues.told(told),
            }
        }
        if let Some(tracks) = programme.take_tracks() {
            *self.tracks.lock() = tracks;
        }
        let trouble = programme.trouble().map(str::to_owned);
        {
            let mut facts = self.facts.lock();
            if facts.stream_trouble != trouble {
                facts.stream_trouble = trouble;
            }
        }
        let mut last = None;
        for step in steps {
            match step {
                Step::Bytes(bytes) => {
                    let mut own = gst::Buffer::from_mut_slice(bytes);
                    if let Some(own) = own.get_mut() {
                        // Errors of a copy that has no memory to copy do not exist.
                        let _ = buffer.copy_into(own, gst::BUFFER_COPY_METADATA, ..);
                    }
                    last = Some(own);
                }
                Step::Fresh => {
                    if let (Some(before), Some(peer)) = (last.take(), pad.peer()) {
                        // How that went the next push tells.
                        let _ = peer.chain(before);
                    }
                    self.forget_zero(joint);
                    self.exchange(pad, joint, |stage| stage.add_transport_demuxer(pad, joint));
                }
            }
        }
        last
    }

    /// Puts something fresh behind `pad` once everything that the old demuxer had was handed over.
    pub fn exchange(
        self: &Arc<Self>,
        pad: &gst::Pad,
        joint: usize,
        add: impl FnOnce(&Arc<Self>) -> Result<(), glib::BoolError>,
    ) {
        if let Some(peer) = pad.peer() {
            // The demuxer drains on it, in this very call.
            peer.send_event(gst::event::Eos::new());
            let _ = pad.unlink(&peer);
        }
        self.await_end(joint);
        let elements = self.take_elements(joint);
        self.drain(&elements);
        for element in &elements {
            let _ = self.pipeline.remove(element);
        }
        self.bury(elements);
        if self.is_over() {
            return;
        }
        // What says when it is due does not have to be joined.
        if self.zero(joint).is_none() && self.beside_of(joint).is_none() {
            self.begin_stretch();
        }
        if let Err(error) = add(self) {
            self.fail(broken(error));
        }
    }

    /// The elements of a joint and of all that hang on it.
    fn take_elements(&self, joint: usize) -> Vec<gst::Element> {
        let mut state = self.state.lock();
        let mut elements = Vec::new();
        let mut theirs = vec![joint];
        for at in joint..state.joints.len() {
            let own = &mut state.joints[at];
            if at == joint || own.parent.is_some_and(|parent| theirs.contains(&parent)) {
                theirs.push(at);
                elements.append(&mut own.elements);
                // Nothing comes through what is taken away.
                own.open &= at == joint;
            }
        }
        state.besides.retain(|chain| !theirs.contains(&chain.joint));
        elements
    }

    pub fn add_typefind(self: &Arc<Self>, pad: &gst::Pad, joint: usize) -> Result<(), glib::BoolError> {
        let typefind = self.make("typefind", joint)?;
        self.connect_typefind(&typefind, joint);
        link(pad, &typefind)
    }

    fn add_transport_demuxer(self: &Arc<Self>, pad: &gst::Pad, joint: usize) -> Result<(), glib::BoolError> {
        let demuxer = self.make("tsdemux", joint)?;
        self.connect_demuxer(&demuxer, joint);
        link(pad, &demuxer)
    }

    /// Behind this pad nothing comes any more.
    pub fn end_joint(&self, pad: &gst::Pad, joint: usize) {
        if let Some(peer) = pad.peer() {
            peer.send_event(gst::event::Eos::new());
        }
        if let Some(joint) = self.state.lock().joints.get_mut(joint) {
            joint.open = false;
        }
        self.end_if_drained();
    }

    fn connect_demuxer(self: &Arc<Self>, demuxer: &gst::Element, joint: usize) {
        let stage = Arc::downgrade(self);
        let (most, streams) = (self.decoding.limits.streams, AtomicU32::new(0));
        demuxer.connect_pad_added(move |_, pad| {
            let Some(stage) = stage.upgrade() else { return };
            if pad.direction() != gst::PadDirection::Src {
                return;
            }
            if streams.fetch_add(1, Ordering::Relaxed) >= most {
                return stage.refuse(too_many_streams(most));
            }
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            if let Err(error) = stage.take_apart(pad, &caps, joint) {
                tracing::debug!(%error, "a stream of the source is left out");
            }
            // After whatever moves its timestamps.
            if caps.structure(0).is_some_and(|s| s.name().starts_with("video/")) {
                listen_to_pictures(pad, &stage, stage.zero(joint).is_some());
            }
        });
        let stage = Arc::downgrade(self);
        demuxer.connect_pad_removed(move |_, pad| {
            if let Some(stage) = stage.upgrade() {
                stage.pad_gone(pad);
            }
        });
    }
}

/// Lets the pictures that leave a demuxer say when signals are due. `shifted`: their timestamps are their running time, whatever
/// segment the pad remembers.
fn listen_to_pictures(pad: &gst::Pad, stage: &Arc<Stage>, shifted: bool) {
    let stage = Arc::downgrade(stage);
    let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST;
    pad.add_probe(mask, move |pad, info| {
        let Some(stage) = stage.upgrade().filter(|stage| stage.cues.waits()) else { return gst::PadProbeReturn::Ok };
        let pad = (!shifted).then_some(pad);
        match &info.data {
            Some(gst::PadProbeData::Buffer(buffer)) => stage.place_cues(pad, buffer),
            Some(gst::PadProbeData::BufferList(list)) => list.iter().for_each(|buffer| stage.place_cues(pad, buffer)),
            _ => {}
        }
        gst::PadProbeReturn::Ok
    });
}

fn link(pad: &gst::Pad, element: &gst::Element) -> Result<(), glib::BoolError> {
    let sink = element.static_pad("sink").ok_or_else(|| glib::bool_error!("{} has no sink", element.name()))?;
    pad.link(&sink).map_err(|error| glib::bool_error!("{error}"))?;
    element.sync_state_with_parent()
}
