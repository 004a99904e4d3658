//! Feeds: games, decoded and put on our timeline.
//!
//! A [`Feed`] runs a game's sources, primary first, one at a time, and answers every tick with exactly one picture and
//! exactly the sound asked for. Whatever happens to a source shows as a slate and silence, never as an error or a wait: the
//! feed's supervisor thread keeps trying. The only user of GStreamer's decoding.

mod ahead;
mod apart;
mod as_came;
#[cfg(test)]
mod as_came_tests;
#[cfg(test)]
mod awkward_tests;
mod beside;
#[cfg(test)]
mod beside_tests;
mod called;
mod catch_up;
#[cfg(test)]
mod clock_tests;
mod dates;
mod delivery;
mod downmix;
mod entering;
mod error;
mod facts;
mod fetch;
mod film;
#[cfg(test)]
mod hdr_tests;
mod health;
#[cfg(test)]
mod hostile_tests;
mod intake;
mod intake_aside;
mod listed;
mod on_hold;
mod outlet;
mod pen;
mod pipeline;
mod playlist;
mod reading;
mod room;
mod running;
mod samples;
mod signals;
mod slate;
mod sockets;
mod source;
mod srt;
mod starts;
#[cfg(test)]
mod starts_tests;
mod supervisor;
#[cfg(test)]
mod sync_tests;
mod synthetic;
#[cfg(test)]
mod tests;
mod texts;
mod trouble;
mod visit;
mod wanted;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gstreamer as gst;
use parking_lot::{Condvar, Mutex};
use url::Url;

use crate::cadence::SoundNews;
pub use crate::cadence::SoundTrouble;
use crate::config::{mask_text, masked};
use crate::frame::{CodedSound, Colour, Picture, Sound, SoundTrack};
use crate::sync::Latency;
use crate::timeline::{Clock, FrameNumber, Grid, MediaTime};
use ahead::Ahead;
pub use apart::{Apart, ChildHealth, Ended, Wall, child};
pub use error::{FeedError, SourceError};
pub use facts::{AudioFacts, Facts, VideoFacts};
pub use fetch::FetchCounts;
pub use film::{Blame, Film, FilmError};
pub use health::{FeedHealth, Reason};
use intake::Intake;
pub use on_hold::OnHold;
pub use pipeline::{Abandoned, abandoned};
pub use room::{DecodeCosts, DecodeRoom, Decoding, Refused, SOURCE_CORES};
pub use signals::FeedSignal;
pub use slate::{BREAK, draw as slate};
pub use starts::{Starts, StartsOf};
use supervisor::{Report, Supervisor};
pub use texts::{FeedTexts, TextOrigin, Written};
pub use visit::{VisitError, Visited, tell, visit};

/// The last picture is shown this long after its source fell silent, then the slate.
const HOLD: Duration = Duration::from_millis(700);
/// A feed nobody ticks is judged by whether a picture arrived this recently.
const RECENTLY: Duration = Duration::from_secs(1);
/// Pictures of which one comes so seldom as this take next to nothing.
const LATELY: Duration = Duration::from_secs(3);
/// Frames of sound as it came are put in their places so much later than decoded sound is read: the one that belongs to a place may begin after it.
pub const CODED_LAG_SAMPLES: u64 = 4800;
const STOP_PATIENCE: Duration = Duration::from_secs(1);

/// A game to be run. `Debug` has the sources masked.
#[derive(Clone, PartialEq, Eq)]
pub struct FeedSpec {
    /// The game's name inside the service.
    pub key: Arc<str>,
    pub title: String,
    /// Primary first. Schemes `file http https srt udp rtp rtmp test`; [`check_source`] says whether one is usable.
    pub sources: Vec<Url>,
}

impl fmt::Debug for FeedSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sources: Vec<String> = self.sources.iter().map(|url| masked(url.as_str())).collect();
        f.debug_struct("FeedSpec")
            .field("key", &self.key)
            .field("title", &self.title)
            .field("sources", &sources)
            .finish()
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeedStatus {
    /// Its pictures are shown.
    Live,
    /// Its slate is shown; its sources are being tried.
    Slate,
    /// It was stopped.
    Off,
}

impl FeedStatus {
    /// As in `/v1/games` and in the label of `quadrille_feeds`.
    pub const fn name(self) -> &'static str {
        match self {
            FeedStatus::Live => "live",
            FeedStatus::Slate => "slate",
            FeedStatus::Off => "off",
        }
    }
}

/// Who sets the pace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// The clock does: what is not there at its tick is held or replaced by the slate. Never waits.
    Realtime,
    /// The source does (tests, offline work): a tick waits, up to 10 s of real time, for a pulled source to deliver.
    Lockstep,
}

/// Where a tick's picture came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// A picture that was not shown before.
    OnTime,
    /// The last tick's picture again: the source is slower than the grid, late or gone.
    Held,
    /// No picture for 0.7 s.
    Slate,
}

/// A tick's picture.
#[derive(Clone, Debug)]
pub struct Pick {
    pub picture: Picture,
    pub outcome: Outcome,
    /// Pictures passed over since the last tick: the source is faster than the grid, or was late.
    pub dropped: u32,
}

/// Says whether `url` can be a source. Nothing is opened.
///
/// # Errors
/// [`SourceError::Scheme`] and [`SourceError::Uri`].
pub fn check_source(url: &Url) -> Result<(), SourceError> {
    source::Source::parse(url).map(|_| ())
}

/// Starts GStreamer, once, and sees to it that everything feeds are made of is installed.
///
/// # Errors
/// [`FeedError::GStreamer`]; [`FeedError::ElementMissing`] names the Debian package to install.
pub fn init() -> Result<(), FeedError> {
    const CORE: &str = "libgstreamer1.0-0";
    const BASE: &str = "gstreamer1.0-plugins-base";
    const GOOD: &str = "gstreamer1.0-plugins-good";
    const BAD: &str = "gstreamer1.0-plugins-bad";
    const LIBAV: &str = "gstreamer1.0-libav";
    const NEEDED: [(&str, &str); 20] = [
        ("typefind", CORE),
        ("queue", CORE),
        ("errorignore", BAD),
        ("appsink", BASE),
        ("videoconvert", BASE),
        ("audioconvert", BASE),
        ("audioresample", BASE),
        ("deinterlace", GOOD),
        ("qtdemux", GOOD),
        ("appsrc", BASE),
        ("udpsrc", GOOD),
        ("rtpjitterbuffer", GOOD),
        ("rtpmp2tdepay", GOOD),
        ("flvdemux", GOOD),
        ("tsdemux", BAD),
        ("h264parse", BAD),
        ("srtsrc", BAD),
        ("rtmp2src", BAD),
        ("avdec_h264", LIBAV),
        ("avdec_aac", LIBAV),
    ];
    gst::init()?;
    for (element, package) in NEEDED {
        if gst::ElementFactory::find(element).is_none() {
            return Err(FeedError::ElementMissing { element, package });
        }
    }
    Ok(())
}

/// What the ticks remember of each other.
struct Ticks {
    /// The slate of a feed that never had a picture; given up at the first one.
    connecting: Option<Picture>,
    /// The last fresh picture and when it was picked.
    good: Option<(Picture, MediaTime)>,
    last: Option<(MediaTime, Outcome)>,
    /// Since when the slate is shown, or is not.
    since: MediaTime,
    colour: Option<Colour>,
}

/// A running feed. Lock order: `ticks`, then the report's or the intake's.
pub struct Feed {
    spec: FeedSpec,
    grid: Grid,
    clock: Arc<dyn Clock>,
    slate: Picture,
    card: Picture,
    intake: Arc<Intake>,
    report: Arc<Mutex<Report>>,
    ticks: Mutex<Ticks>,
    finished: Arc<(Mutex<bool>, Condvar)>,
    told_reconnects: AtomicU64,
    fetches: Arc<FetchCounts>,
    /// Whether its sources are decoded in processes of their own.
    is_apart: bool,
}

impl Feed {
    /// Starts a game's feed. Never fails: trouble shows as a slate and in [`Feed::health`].
    /// What it decodes is not limited; [`Feed::start_within`] is.
    pub fn start(spec: FeedSpec, grid: Grid, clock: Arc<dyn Clock>, pace: Pace) -> Arc<Feed> {
        Self::start_within(spec, grid, clock, pace, Decoding::unlimited())
    }

    /// Starts a game's feed, which decodes what there is room for.
    pub fn start_within(
        spec: FeedSpec,
        grid: Grid,
        clock: Arc<dyn Clock>,
        pace: Pace,
        decoding: Decoding,
    ) -> Arc<Feed> {
        let fetches = Arc::<FetchCounts>::default();
        let room = Arc::new(Ahead::of(decoding.room.clone()));
        let decoding = Decoding { fetches: Arc::clone(&fetches), room: room.clone(), ..decoding };
        let intake = Arc::new(Intake::new(&grid, pace));
        let is_apart = decoding.apart.is_some();
        let report = Arc::new(Mutex::new(Report::default()));
        let finished = Arc::new((Mutex::new(false), Condvar::new()));
        let supervisor = Supervisor {
            spec: spec.clone(),
            grid,
            clock: Arc::clone(&clock),
            intake: Arc::clone(&intake),
            report: Arc::clone(&report),
            decoding,
            room,
        };
        let name: String = format!("feed-{}", spec.key).chars().take(15).collect();
        let done = Arc::clone(&finished);
        let spawned = std::thread::Builder::new().name(name).spawn(move || {
            match init() {
                Ok(()) => supervisor.run(),
                Err(error) => {
                    tracing::error!(feed = %supervisor.spec.key, %error, "the feed cannot run");
                    supervisor.report.lock().fail(error.to_string());
                    supervisor.intake.end();
                }
            }
            *done.0.lock() = true;
            done.1.notify_all();
        });
        if let Err(error) = spawned {
            tracing::error!(feed = %spec.key, %error, "no thread for the feed");
            report.lock().fail(format!("no thread: {error}"));
            intake.end();
            *finished.0.lock() = true;
        }
        let slate = slate::draw(&spec.title, slate::RECONNECTING).unwrap_or_else(black);
        let connecting = slate::draw(&spec.title, slate::CONNECTING);
        let card = slate::draw(&spec.title, slate::ONE_MOMENT).unwrap_or_else(black);
        let ticks = Mutex::new(Ticks { connecting, good: None, last: None, since: clock.now(), colour: None });
        let told_reconnects = AtomicU64::new(0);
        Arc::new(Feed {
            spec,
            grid,
            clock,
            slate,
            card,
            intake,
            report,
            ticks,
            finished,
            told_reconnects,
            fetches,
            is_apart,
        })
    }

    /// What its source signalled since it was asked last, and what was signalled before and is due at another time now: its
    /// pictures were held up. Quick.
    pub fn take_signals(&self) -> Vec<FeedSignal> {
        self.intake.take_signals(self.clock.now())
    }

    /// What was written with the pictures up to that of `frame`, since it was asked last: to be asked after [`Feed::picture_at`]. Quick.
    pub fn take_texts(&self, frame: FrameNumber) -> FeedTexts {
        self.intake.take_texts(self.grid.frame_time(frame))
    }

    pub fn spec(&self) -> &FeedSpec {
        &self.spec
    }

    /// What stands for it where its pictures cannot be shown though they may be there.
    pub fn card(&self) -> &Picture {
        &self.card
    }

    /// Requests by HTTP of its sources, those of them that failed, and bytes, since it was asked last.
    pub fn take_fetches(&self) -> [u64; 3] {
        self.fetches.take()
    }

    /// The picture for `frame`. To be called once a tick, frames ascending; quick, unless the pace is
    /// [`Pace::Lockstep`].
    pub fn picture_at(&self, frame: FrameNumber) -> Pick {
        let at = self.grid.frame_time(frame);
        let mut ticks = self.ticks.lock();
        let picked = self.intake.pick(at);
        let dropped = picked.as_ref().map_or(0, |p| p.dropped);
        let (picture, outcome) = match picked {
            Some(picked) if picked.fresh => {
                ticks.connecting = None;
                ticks.colour = Some(picked.picture.colour);
                ticks.good = Some((picked.picture.clone(), at));
                (picked.picture, Outcome::OnTime)
            }
            // Held on purpose: a feed that became later at once.
            Some(picked) if picked.age < 0 => {
                ticks.good = Some((picked.picture.clone(), at));
                (picked.picture, Outcome::Held)
            }
            // Between two sources, too, the last picture stays for a moment: a backup may be there before it is missed.
            _ => match &ticks.good {
                Some((picture, since)) if at.since(*since) <= HOLD => (picture.clone(), Outcome::Held),
                _ => {
                    ticks.good = None;
                    let refusal = self.report.lock().refusal.clone();
                    let usual = || ticks.connecting.as_ref().unwrap_or(&self.slate).clone();
                    (refusal.unwrap_or_else(usual), Outcome::Slate)
                }
            },
        };
        // A feed begins with its slate.
        let before = ticks.last.map_or(Outcome::Slate, |(_, outcome)| outcome);
        if (before == Outcome::Slate) != (outcome == Outcome::Slate) {
            ticks.since = at;
        }
        ticks.last = Some((at, outcome));
        Pick { picture, outcome, dropped }
    }

    /// The sound of `samples` (48 kHz, counted from the media epoch): always all of it, silence where there is none. Calls
    /// are to be ascending and contiguous.
    pub fn sound_at(&self, samples: Range<u64>) -> Sound {
        let (sound, news) = self.intake.sound(samples);
        match news {
            Some(SoundNews::Trouble(trouble)) => {
                tracing::warn!(feed = %self.spec.key, %trouble, "the sound is not right")
            }
            Some(SoundNews::Well) => tracing::info!(feed = %self.spec.key, "the sound is right again"),
            None => {}
        }
        sound
    }

    /// The sounds beside the main one that its sources have, or had once: what is known stays known. Quick.
    pub fn sounds_beside(&self) -> Vec<SoundTrack> {
        self.intake.sounds_beside()
    }

    /// The sound `id` of [`Feed::sounds_beside`], as [`Feed::sound_at`]: silence where there is none. Any other is silent.
    pub fn sound_beside_at(&self, id: &str, samples: Range<u64>) -> Sound {
        self.intake.beside(id, samples)
    }

    /// How the main sound of its source is coded, where that can be handed on as it comes; the last one there was.
    pub fn coded_form(&self) -> Option<CodedSound> {
        self.intake.coded_form()
    }

    /// The frames of `form` that begin within `samples` (48 kHz, counted from the media epoch), by their numbers since the media epoch; none where there is
    /// nothing for a place. Calls for the same form are to be ascending and contiguous, and behind those of [`Feed::sound_at`] by [`CODED_LAG_SAMPLES`].
    pub fn coded_at(&self, form: CodedSound, samples: &Range<u64>) -> Vec<(u64, Option<Bytes>)> {
        self.intake.coded(form, samples)
    }

    /// How much later than its picture sound is heard, in ms, by the source's own stamps of what was shown and heard in the
    /// last four seconds: 0 is right. `None` without a picture or without sound.
    pub fn av_offset_ms(&self) -> Option<f64> {
        self.intake.av_offset_ms()
    }

    /// What is wrong with the sound of a source that has some.
    pub fn sound_trouble(&self) -> Option<SoundTrouble> {
        self.intake.sound_trouble()
    }

    /// How often sound was lost, for three seconds or more, while pictures went on.
    pub fn sound_losses(&self) -> u64 {
        self.intake.sound_losses()
    }

    /// How long before the last tick what it showed was captured, where the source tells.
    pub fn latency(&self) -> Option<Latency> {
        self.intake.latency()
    }

    /// How much later than its source would have it the feed is shown at present, in ns.
    pub fn delay(&self) -> i64 {
        self.intake.delay()
    }

    /// Makes it so: unheard, at half a percent of the time that passes, or `at_once`.
    pub fn delay_to(&self, ns: i64, at_once: bool) {
        self.intake.delay_to(ns, at_once);
    }

    pub fn status(&self) -> FeedStatus {
        if self.intake.is_stopped() {
            return FeedStatus::Off;
        }
        let now = self.clock.now();
        let live = match self.ticks.lock().last {
            Some((at, outcome)) if now.since(at) <= RECENTLY => outcome != Outcome::Slate,
            _ => self.intake.is_fed(now, RECENTLY),
        };
        if live { FeedStatus::Live } else { FeedStatus::Slate }
    }

    /// Whether its source brings pictures at present, shown or not: what decodes nothing takes next to nothing.
    pub fn brings_pictures(&self) -> bool {
        self.intake.has_lately(self.clock.now(), LATELY)
    }

    /// Since when it is what it is, live or a slate.
    pub fn since(&self) -> MediaTime {
        self.ticks.lock().since
    }

    pub fn health(&self) -> FeedHealth {
        let status = self.status();
        let shape = self.intake.shape();
        let av_offset_ms = self.intake.av_offset_ms();
        let sound = self.sound_trouble().map(|trouble| match trouble {
            SoundTrouble::Silent { .. } => Reason::NoSound,
            SoundTrouble::OffPicture { .. } => Reason::SoundOffPicture,
        });
        let (since, colour) = {
            let ticks = self.ticks.lock();
            (ticks.since, ticks.colour)
        };
        let facts = self.facts();
        let report = self.report.lock();
        let reason = match (status, report.failure) {
            (FeedStatus::Off, _) => None,
            (FeedStatus::Live, _) if facts.silent_because.is_some() => Some(Reason::NoSound),
            (FeedStatus::Live, _) => sound.or(facts.thinned_because.is_some().then_some(Reason::Thinned)),
            (FeedStatus::Slate, _) if facts.no_room.is_some() => Some(Reason::NoRoom),
            (FeedStatus::Slate, Some(reason)) => Some(reason),
            // It was there, and its watchdog has not given it up yet.
            (FeedStatus::Slate, None) if shape.width > 0 => Some(Reason::Stalled),
            (FeedStatus::Slate, None) => Some(Reason::Connecting),
        };
        FeedHealth {
            status,
            reason,
            since,
            source_index: report.source_index,
            // What is wrong now says more than what was wrong last.
            last_error: facts.trouble().map(mask_text).or_else(|| report.last_error.clone()),
            reconnects: report.reconnects,
            width: shape.width,
            height: shape.height,
            fps: shape.fps,
            colour,
            av_offset_ms,
            child: self.is_apart.then(|| report.child.lock().clone()),
            facts,
        }
    }

    /// Reconnects since this was asked last, for a counter that outlives the feed.
    pub fn untold_reconnects(&self) -> u64 {
        let reconnects = self.report.lock().reconnects;
        reconnects.saturating_sub(self.told_reconnects.swap(reconnects, Ordering::AcqRel))
    }

    /// What is spoken in the source that runs (RFC 5646), where it says so.
    pub fn language(&self) -> Option<String> {
        let facts = Arc::clone(&self.report.lock().facts);
        let facts = facts.lock();
        facts.listed_language.clone().or_else(|| facts.language.clone())
    }

    /// What the source that runs turned out to be, and why something of it is missing.
    pub fn facts(&self) -> Facts {
        let facts = Arc::clone(&self.report.lock().facts);
        let facts = facts.lock();
        facts.clone()
    }

    /// A JPEG of the last picture, at most 320 wide, at most about 5 s old while the feed is live; `None` before the first.
    pub fn thumbnail(&self) -> Option<Bytes> {
        self.report.lock().thumbnail.clone()
    }

    /// Ends the feed. Waits up to a second for its source to be torn down; one that takes longer finishes by itself.
    pub fn stop(&self) {
        self.intake.stop();
        {
            let mut ticks = self.ticks.lock();
            ticks.good = None;
            ticks.since = self.clock.now();
        }
        let until = Instant::now() + STOP_PATIENCE;
        let mut finished = self.finished.0.lock();
        while !*finished {
            if self.finished.1.wait_until(&mut finished, until).timed_out() {
                tracing::warn!(feed = %self.spec.key, "the source takes long to stop");
                return;
            }
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        // The supervisor must not outlive its feed; whoever wants to wait for it calls `stop`.
        self.intake.stop();
    }
}

/// A small black picture, for the case that a slate could not be drawn.
fn black() -> Picture {
    const SIZE: (u32, u32) = (16, 16);
    let planes = [vec![16; 256], vec![128; 64], vec![128; 64]];
    match Picture::from_planes(SIZE.0, SIZE.1, Colour::CANVAS, planes) {
        Some(picture) => picture,
        None => unreachable!("256 + 64 + 64 bytes are a 16x16 picture"),
    }
}
