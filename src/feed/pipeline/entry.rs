//! From a source's bytes to streams: heads of sources, what kind of container comes, and its demuxer.
//!
//! A joint is a pad behind which everything can be exchanged while the run goes on: another programme, another initialisation,
//! another container. The branches stay, and drain before the new demuxer begins.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

use super::parts::{self, Calls};
use super::stage::{Joint, Stage};
use crate::feed::error::SourceError;
use crate::feed::facts::name_of;
use crate::feed::source::Source;

fn broken(error: glib::BoolError) -> SourceError {
    SourceError::Pipeline(error.to_string())
}

impl Stage {
    /// Puts a source's elements into the pipeline; what is behind them follows when it is known what comes.
    pub fn open(self: &Arc<Self>, source: &Source) -> Result<(), SourceError> {
        let joint = self.add_joint(None, false);
        match source {
            Source::Synthetic(_) => Err(SourceError::Pipeline("synthetic sources need no pipeline".into())),
            Source::Pushed(push) => {
                let head = parts::head_of(push).map_err(broken)?;
                let last = self.chain(&head, joint).map_err(broken)?;
                self.take_apart(&last, &parts::caps_of(push), joint).map_err(broken)?;
                head.iter().rev().try_for_each(|e| e.sync_state_with_parent()).map_err(broken)
            }
            Source::Pulled { uri, .. } => {
                let src = opened(uri)?;
                let typefind = parts::make("typefind").map_err(broken)?;
                self.chain(&[src.clone(), typefind.clone()], joint).map_err(broken)?;
                self.connect_typefind(&typefind, joint);
                typefind.sync_state_with_parent().and_then(|()| src.sync_state_with_parent()).map_err(broken)
            }
        }
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
        state.joints.push(Joint { parent, elements: Vec::new(), open });
        state.joints.len() - 1
    }

    /// Takes everything of the entry down, for another lap.
    pub fn close(&self) {
        let joints = std::mem::take(&mut self.state.lock().joints);
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
            Calls::Typefind => {
                let typefind = self.make("typefind", joint)?;
                self.connect_typefind(&typefind, joint);
                link(pad, &typefind)
            }
            Calls::Nothing => self.swallow(pad, joint),
        }
    }

    fn note_container(&self, caps: &gst::CapsRef) {
        let name = name_of(caps);
        let mut facts = self.facts.lock();
        // Of a container in a list (HLS) both are told.
        facts.container = match facts.container.take() {
            Some(outer) if outer == "hls" && name != "hls" => Some(format!("hls, {name}")),
            Some(outer) if outer.ends_with(&name) => Some(outer),
            _ => Some(name),
        };
    }

    fn take_transport_stream(self: &Arc<Self>, pad: &gst::Pad, joint: usize) -> Result<(), glib::BoolError> {
        let inner = self.add_joint(Some(joint), true);
        let queue = gst::ElementFactory::make("queue")
            .property("max-size-buffers", 0u32)
            .property("max-size-bytes", 1u32 << 20)
            .property("max-size-time", 0u64)
            .build()?;
        self.add(&queue, joint)?;
        let demuxer = self.make("tsdemux", inner)?;
        self.connect_demuxer(&demuxer, inner);
        queue.link(&demuxer)?;
        self.watch_end(&queue, inner);
        demuxer.sync_state_with_parent()?;
        link(pad, &queue)
    }

    /// Behind this element nothing comes once its end was passed on.
    fn watch_end(self: &Arc<Self>, last: &gst::Element, joint: usize) {
        let Some(pad) = last.static_pad("src") else { return };
        let stage = Arc::downgrade(self);
        pad.add_probe(gst::PadProbeType::EVENT_DOWNSTREAM, move |pad, info| {
            let is_end = matches!(&info.data, Some(gst::PadProbeData::Event(e)) if e.type_() == gst::EventType::Eos);
            let (Some(stage), true) = (stage.upgrade(), is_end) else { return gst::PadProbeReturn::Ok };
            // The demuxer drains on it, in this very call.
            if let Some(peer) = pad.peer() {
                peer.send_event(gst::event::Eos::new());
            }
            if let Some(joint) = stage.state.lock().joints.get_mut(joint) {
                joint.open = false;
            }
            stage.end_if_drained();
            gst::PadProbeReturn::Drop
        });
    }

    fn connect_demuxer(self: &Arc<Self>, demuxer: &gst::Element, joint: usize) {
        let stage = Arc::downgrade(self);
        demuxer.connect_pad_added(move |_, pad| {
            let Some(stage) = stage.upgrade() else { return };
            if pad.direction() != gst::PadDirection::Src {
                return;
            }
            let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
            if let Err(error) = stage.take_apart(pad, &caps, joint) {
                tracing::debug!(%error, "a stream of the source is left out");
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

fn link(pad: &gst::Pad, element: &gst::Element) -> Result<(), glib::BoolError> {
    let sink = element.static_pad("sink").ok_or_else(|| glib::bool_error!("{} has no sink", element.name()))?;
    pad.link(&sink).map_err(|error| glib::bool_error!("{error}"))?;
    element.sync_state_with_parent()
}

/// The element that reads `uri`. What would block on opening is refused: a pipe that nobody writes to, a device.
fn opened(uri: &str) -> Result<gst::Element, SourceError> {
    let Some(path) = url::Url::parse(uri).ok().filter(|u| u.scheme() == "file").and_then(|u| u.to_file_path().ok())
    else {
        return gst::ElementFactory::make("souphttpsrc").property("location", uri).build().map_err(broken);
    };
    let about = std::fs::metadata(&path)
        .map_err(|error| SourceError::Pipeline(format!("the file {}: {error}", path.display())))?;
    if !about.is_file() {
        return Err(SourceError::Pipeline(format!("{} is no regular file", path.display())));
    }
    gst::ElementFactory::make("filesrc").property("location", &path).build().map_err(broken)
}
