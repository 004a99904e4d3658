//! The way in for bytes that Rust code fetches: a door for each track, with a demuxer of its own behind it.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::entry::broken;
use super::stage::Stage;
use crate::captions::Text;
use crate::feed::apart::{FarDoors, FarFed};
use crate::feed::error::SourceError;
use crate::feed::intake::Gone;
use crate::feed::playlist::Said;
use crate::feed::texts::TextOrigin;
use crate::frame::SoundTrack;
use crate::sync::ClockKind;

/// A door takes in so much that its demuxer has not read yet, then whoever pushes waits.
const ROOM_BYTES: u64 = 1 << 20;
/// Tells the joint behind a door that what follows is for a fresh demuxer.
const FRESH: &str = "quadrille-fresh";

/// Where a fresh demuxer's zero is due, for pictures and for sound.
const ZERO: [&str; 2] = ["picture", "sound"];

/// What of a track is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::feed) enum Takes {
    Both,
    Picture,
    Sound,
}

/// A running pipeline, to be fed.
#[derive(Clone)]
pub(in crate::feed) struct Doors(Way);

/// Where it runs.
#[derive(Clone)]
enum Way {
    Here(Arc<Stage>),
    /// In a process of its own.
    Apart(FarDoors),
}

impl Doors {
    pub(super) fn new(stage: Arc<Stage>) -> Self {
        Self(Way::Here(stage))
    }

    pub fn far(doors: FarDoors) -> Self {
        Self(Way::Apart(doors))
    }

    /// The stage of one that runs here.
    #[cfg(test)]
    pub(super) fn stage(&self) -> &Arc<Stage> {
        match &self.0 {
            Way::Here(stage) => stage,
            Way::Apart(_) => panic!("it runs in another process"),
        }
    }

    /// Opens another door. With `timed`, pushes say when their first byte is due, and what is behind several doors keeps step;
    /// else each track begins at its own beginning.
    ///
    /// # Errors
    /// [`SourceError::Pipeline`]; the run is of no use then.
    pub fn open(&self, takes: Takes, timed: bool) -> Result<Fed, SourceError> {
        self.open_for(takes, timed, None)
    }

    /// The same for a sound beside the main one.
    ///
    /// # Errors
    /// [`SourceError::Pipeline`].
    pub fn open_beside(&self, beside: SoundTrack, timed: bool) -> Result<Fed, SourceError> {
        self.open_for(Takes::Sound, timed, Some(beside))
    }

    fn open_for(&self, takes: Takes, timed: bool, beside: Option<SoundTrack>) -> Result<Fed, SourceError> {
        match &self.0 {
            Way::Here(stage) => open_here(stage, takes, timed, beside),
            Way::Apart(doors) => doors.open(takes, timed, beside.as_ref()).map(|fed| Fed(Threshold::Apart(fed))),
        }
    }

    /// There will be sound: what is late of it is worth waiting for.
    pub fn expect_sound(&self) {
        match &self.0 {
            Way::Here(stage) => stage.expect_sound(true),
            Way::Apart(doors) => doors.expect_sound(),
        }
    }

    /// A cue of a text of the source's own, by the time at which demuxers' zeros are told (ns).
    pub fn text(&self, origin: &Arc<TextOrigin>, text: Text, stands: Range<i64>) {
        match &self.0 {
            Way::Here(stage) => stage.delivery.text(origin, text, stands),
            Way::Apart(doors) => doors.text(origin, text, stands),
        }
    }

    /// What the source says of its breaks, by times that are due `base` (ns) later.
    pub fn cue(&self, said: Said, base: i64) {
        match &self.0 {
            Way::Here(stage) => stage.delivery.cue(said, base),
            Way::Apart(doors) => doors.cue(said, base),
        }
    }

    /// A picture that is due at `raw` ns was captured at `unix_us`.
    pub fn date(&self, raw: i64, unix_us: i64) {
        match &self.0 {
            Way::Here(stage) => stage.delivery.date(ClockKind::Pdt, raw, unix_us),
            Way::Apart(doors) => doors.date(raw, unix_us),
        }
    }

    /// Ends the run: the source is lost, and this is why.
    pub fn fail(&self, error: SourceError) {
        match &self.0 {
            Way::Here(stage) => stage.fail(error),
            Way::Apart(doors) => doors.fail(error),
        }
    }

    /// Waits until the run is over, `patience` at most; true when it is.
    pub fn over_within(&self, patience: Duration) -> bool {
        match &self.0 {
            Way::Here(stage) => stage.over_within(patience),
            Way::Apart(doors) => doors.over_within(patience),
        }
    }
}

fn open_here(stage: &Arc<Stage>, takes: Takes, timed: bool, beside: Option<SoundTrack>) -> Result<Fed, SourceError> {
    let app = gst_app::AppSrc::builder()
        .format(if timed { gst::Format::Time } else { gst::Format::Bytes })
        .block(true)
        .max_bytes(ROOM_BYTES)
        .build();
    let joint = stage.add_joint(None, true);
    stage.set_takes(joint, takes, beside);
    stage.add(app.upcast_ref(), joint).map_err(broken)?;
    let pad = app.static_pad("src").ok_or_else(|| SourceError::Pipeline("an appsrc without a pad".into()))?;
    let behind = stage.add_joint(Some(joint), true);
    stage.add_typefind(&pad, behind).map_err(broken)?;
    let running = Arc::downgrade(stage);
    let used = AtomicBool::new(false);
    let mask = gst::PadProbeType::BUFFER | gst::PadProbeType::EVENT_DOWNSTREAM;
    pad.add_probe(mask, move |pad, info| {
        let (Some(stage), Some(gst::PadProbeData::Event(event))) = (running.upgrade(), &info.data) else {
            used.store(true, Ordering::Relaxed);
            return gst::PadProbeReturn::Ok;
        };
        if event.type_() == gst::EventType::Eos {
            stage.end_joint(pad, behind);
            stage.end_joint(pad, joint);
            return gst::PadProbeReturn::Handled;
        }
        if let Some(fresh) = event.structure().filter(|s| s.name() == FRESH) {
            let told = |field| fresh.get::<i64>(field).ok();
            stage.set_zero(behind, told(ZERO[0]).zip(told(ZERO[1])).map(Into::into));
            // What was put there and never used is fresh; an end would be an error to it.
            if used.swap(false, Ordering::Relaxed) {
                stage.exchange(pad, behind, |stage| stage.add_typefind(pad, behind));
            }
            return gst::PadProbeReturn::Handled;
        }
        gst::PadProbeReturn::Ok
    });
    app.sync_state_with_parent().map_err(broken)?;
    Ok(Fed(Threshold::Here { app, stage: Arc::clone(stage) }))
}

/// A track's door. Dropping it does not end the track.
pub(in crate::feed) struct Fed(Threshold);

/// Where a door leads.
enum Threshold {
    Here { app: gst_app::AppSrc, stage: Arc<Stage> },
    Apart(FarFed),
}

impl Fed {
    /// Hands bytes in; waits for room. `at` is when the first of them is due, where the door is timed.
    ///
    /// # Errors
    /// [`Gone`]: the run is over.
    pub fn push(&self, bytes: Bytes, at: Option<Duration>) -> Result<(), Gone> {
        let (app, stage) = match &self.0 {
            Threshold::Here { app, stage } => (app, stage),
            Threshold::Apart(fed) => return fed.push(bytes, at),
        };
        let mut buffer = gst::Buffer::from_slice(bytes);
        if let (Some(buffer), Some(at)) = (buffer.get_mut(), at) {
            let at = gst::ClockTime::try_from(at).unwrap_or(gst::ClockTime::ZERO);
            buffer.set_pts(at);
            buffer.set_dts(at);
        }
        if stage.is_over() {
            return Err(Gone);
        }
        app.push_buffer(buffer).map(drop).map_err(|_| Gone)
    }

    /// What follows has nothing to do with what came: another initialisation, another container, a jump. What came is shown to
    /// its end, and what follows is shown right after it. With `zero`, the times (ns) at which the fresh demuxer's own zero is
    /// due, of pictures and of sound, it stands exactly there instead.
    pub fn fresh(&self, zero: Option<[i64; 2]>) {
        let app = match &self.0 {
            Threshold::Here { app, .. } => app,
            Threshold::Apart(fed) => return fed.fresh(zero),
        };
        let mut structure = gst::Structure::new_empty(FRESH);
        for (field, at) in ZERO.into_iter().zip(zero.into_iter().flatten()) {
            structure.set(field, at);
        }
        app.send_event(gst::event::CustomDownstream::new(structure));
    }

    /// Nothing follows. The run ends when every door has ended and everything was shown.
    pub fn end(&self) {
        match &self.0 {
            // It fails only where the run is over.
            Threshold::Here { app, .. } => _ = app.end_of_stream(),
            Threshold::Apart(fed) => fed.end(),
        }
    }
}
