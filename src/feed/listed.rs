//! Sources on HTTP: one that turns out to be a playlist is fetched here and goes in at the pipeline's doors; anything else is
//! left to the pipeline's own elements.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use crossbeam_channel::{RecvTimeoutError, bounded};
use gstreamer as gst;
use parking_lot::Mutex;
use url::Url;

use super::error::SourceError;
use super::facts::Facts;
use super::fetch::Fetcher;
use super::health::Reason;
use super::pipeline::{Doors, Entry, Fed, Takes};
use super::playlist::{
    Client, Container, Found, Known, OpenError, Outcome, PlaylistError, Refused, Said, Setting, Shown, Sink, Stretch,
    Track, Wishes, open, setting,
};
use super::room::Decoding;
use super::texts::TextOrigin;
use crate::cadence::SourceNanos;
use crate::captions::Text;
use crate::frame::SoundTrack;

/// How often whoever waits here gives way to the watchdog.
const POLL: Duration = Duration::from_millis(50);
const LOOK_AFTER: Duration = Duration::from_millis(250);
/// Pipelines know no time before zero, and the sound of a first segment may begin before its pictures do.
const BASE_NANOS: i64 = 3_600_000_000_000;

/// What earlier runs of a source leave to later ones.
#[derive(Debug, Default)]
pub(super) struct History {
    shown: Shown,
    cues: Known,
    /// Variants that brought bytes and no picture, by their paths: tried last.
    dark: Vec<String>,
    /// The variant that was handed over last.
    last: Option<String>,
    /// Of what is no playlist: the version that plays, and the one that was played to its end.
    version: Option<String>,
    ended: Option<String>,
}

impl History {
    /// More than a playlist may list are no use.
    const MOST_DARK: usize = 200;

    /// A run is over by `error`; `pictures` of it were shown.
    pub fn run_ended(&mut self, error: &SourceError, pictures: u64) {
        if let (SourceError::Ended, 1.., Some(version)) = (error, pictures, self.version.take()) {
            self.ended = Some(version);
        }
        if let (0, Some(last)) = (pictures, self.last.take())
            && self.dark.len() < Self::MOST_DARK
            && !self.dark.contains(&last)
        {
            self.dark.push(last);
        }
    }
}

/// What is found behind a source's URL, when it is a playlist.
pub(super) struct Listing {
    pub entry: Entry,
    /// The sound comes from a playlist that was chosen already.
    pub own_sound: bool,
}

/// Looks what is behind `url`, on a thread of its own; `None` for anything but a playlist. Gives up when `check` says so.
///
/// # Errors
/// Why there is nothing to be had, or nothing to be played.
pub(super) fn look(
    url: &Url,
    wishes: &Wishes,
    history: &Arc<Mutex<History>>,
    facts: &Arc<Mutex<Facts>>,
    decoding: &Decoding,
    check: &mut dyn FnMut() -> Option<SourceError>,
) -> Result<Option<Listing>, SourceError> {
    let fetcher = Arc::new(Fetcher::new(url, &decoding.reach).counting(Arc::clone(&decoding.fetches)));
    let found = match found(&fetcher, url, check)? {
        Found::Playlist(found) => found,
        Found::Other(version) => {
            let mut history = history.lock();
            // A file that was shown whole is not shown again, unless it has become another one.
            if version.is_some() && version == history.ended && !wishes.looped {
                return Err(SourceError::Ended);
            }
            history.version = version;
            return Ok(None);
        }
    };
    let refused = |error: OpenError| source_error(&error);
    let shown = history.lock().shown.clone();
    let mut setting = setting(found, url, wishes, shown, &decodes).map_err(refused)?;
    {
        let history = history.lock();
        setting.known = Arc::clone(&history.cues);
        setting.choices.sort_by_key(|choice| history.dark.iter().any(|dark| dark == choice.picture.path()));
    }
    {
        let mut facts = facts.lock();
        facts.captions = std::mem::take(&mut setting.captions);
        facts.listed_language = setting.choices.first().and_then(|choice| choice.language.clone());
    }
    let own_sound = setting.choices.iter().any(|choice| choice.sound.is_some());
    let (history, facts) = (Arc::clone(history), Arc::clone(facts));
    let feeder = move |doors: Doors| {
        let told = doors.clone();
        let attend = move || attend(&doors, fetcher, setting, &history, &facts);
        if let Err(error) = std::thread::Builder::new().name("hls-watch".into()).spawn(attend) {
            told.fail(SourceError::Pipeline(format!("no thread: {error}")));
        }
    };
    Ok(Some(Listing { entry: Entry::Fed(Box::new(feeder)), own_sound }))
}

fn found(
    fetcher: &Arc<Fetcher>,
    url: &Url,
    check: &mut dyn FnMut() -> Option<SourceError>,
) -> Result<Found, SourceError> {
    let (sender, receiver) = bounded(1);
    let (asking, asked) = (Arc::clone(fetcher), url.clone());
    let look = move || {
        // Who asked may have given up.
        let _ = sender.send(open(&asking, &asked));
    };
    let thread = std::thread::Builder::new().name("hls-look".into()).spawn(look);
    thread.map_err(|error| SourceError::Pipeline(format!("no thread: {error}")))?;
    loop {
        match receiver.recv_timeout(POLL) {
            Ok(found) => return found.map_err(|error| source_error(&error)),
            Err(RecvTimeoutError::Disconnected) => return Err(SourceError::Pipeline("the source was not read".into())),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if let Some(reason) = check() {
            fetcher.stop();
            return Err(reason);
        }
    }
}

/// Looks after a client for as long as its run lasts.
fn attend(doors: &Doors, fetcher: Arc<Fetcher>, setting: Setting, history: &Mutex<History>, facts: &Mutex<Facts>) {
    let beside = setting.beside.clone();
    let sink = Arc::new(Hall { doors: doors.clone(), beside, tracks: Mutex::default(), used: AtomicBool::new(false) });
    if setting.choices.first().is_some_and(|choice| choice.sound.is_some()) {
        doors.expect_sound();
    }
    let client = Client::start(fetcher, Arc::clone(&sink) as Arc<dyn Sink>, setting);
    let mut told = false;
    loop {
        let over = doors.over_within(LOOK_AFTER);
        let (choice, used) = (client.choice(), sink.used.load(Ordering::Relaxed));
        {
            let mut history = history.lock();
            history.shown = client.shown();
            history.last = choice.as_ref().filter(|_| used).map(|choice| choice.picture.path().to_owned());
        }
        if over {
            // Frees its threads; those that wait for room are freed by the pipeline's end.
            return;
        }
        {
            let mut facts = facts.lock();
            facts.pauses = client.is_patient();
            facts.lives = client.shown().lived();
            facts.texts = client.texts();
            facts.listed_language = choice.as_ref().and_then(|choice| choice.language.clone());
            facts.variant = choice.map(|choice| choice.label);
            facts.fetch_trouble = client.problem();
        }
        if told {
            continue;
        }
        match client.outcome() {
            Some(Outcome::Lost(reason)) => doors.fail(SourceError::Pipeline(reason)),
            // Nothing was new: there is no pipeline to drain.
            Some(Outcome::Ended) if !used => doors.fail(match client.problem() {
                Some(problem) => SourceError::Pipeline(format!("it ended, and nothing of it could be had: {problem}")),
                None => SourceError::Ended,
            }),
            _ => continue,
        }
        told = true;
    }
}

/// Whether a codec, as RFC 6381 has it, finds a decoder here; one that nobody knows is tried.
fn decodes(codec: &str) -> bool {
    let kind = codec.split('.').next().unwrap_or(codec);
    let media = match kind {
        "avc1" | "avc2" | "avc3" | "avc4" => "video/x-h264",
        "hvc1" | "hev1" | "dvh1" | "dvhe" => "video/x-h265",
        "av01" | "dav1" => "video/x-av1",
        "vp08" => "video/x-vp8",
        "vp09" => "video/x-vp9",
        _ => return true,
    };
    let caps = gst::Caps::new_empty_simple(media);
    let decoders = gst::ElementFactory::factories_with_type(gst::ElementFactoryType::DECODER, gst::Rank::MARGINAL);
    decoders.iter().any(|factory| factory.can_sink_any_caps(&caps))
}

/// A track's way in.
struct Way {
    door: Arc<Fed>,
    takes: Takes,
    timed: bool,
    /// When the next byte is due, where the door wants to be told.
    due: Option<Duration>,
}

/// Where a client hands over: a door for each track, opened when the track begins.
struct Hall {
    doors: Doors,
    /// What [`Track::Beside`] is, by its number.
    beside: Vec<SoundTrack>,
    tracks: Mutex<[Option<Way>; Track::MOST]>,
    /// Whether anything was handed over.
    used: AtomicBool,
}

impl Hall {
    /// The track's door, if it takes what comes now; an old one that does not is closed behind the new one.
    fn door(&self, track: Track, takes: Takes, timed: bool) -> Result<Arc<Fed>, Refused> {
        let old = self.tracks.lock()[track.index()].take();
        if let Some(way) = &old
            && (way.takes, way.timed) == (takes, timed)
        {
            return Ok(Arc::clone(&way.door));
        }
        let opened = match track {
            Track::Picture | Track::Sound => self.doors.open(takes, timed),
            Track::Beside(n) => match self.beside.get(usize::from(n)) {
                Some(beside) => self.doors.open_beside(beside.clone(), timed),
                None => return Err(Refused),
            },
        };
        // Only now: a run of which every door is closed has ended.
        if let Some(way) = old {
            way.door.end();
        }
        match opened {
            Ok(door) => Ok(Arc::new(door)),
            Err(error) => {
                self.doors.fail(error);
                Err(Refused)
            }
        }
    }

    fn push(&self, track: Track, bytes: Bytes) -> Result<(), Refused> {
        self.used.store(true, Ordering::Relaxed);
        let (door, due) = {
            let mut tracks = self.tracks.lock();
            let way = tracks[track.index()].as_mut().ok_or(Refused)?;
            (Arc::clone(&way.door), way.due.take())
        };
        door.push(bytes, due).map_err(|_| Refused)
    }
}

impl Sink for Hall {
    fn begin(&self, track: Track, stretch: Stretch) -> Result<(), Refused> {
        let takes = match (track, stretch.own_sound) {
            (Track::Sound | Track::Beside(_), _) => Takes::Sound,
            (Track::Picture, true) => Takes::Picture,
            (Track::Picture, false) => Takes::Both,
        };
        let zero_at = stretch.zero_at.map(|at| at.saturating_add(BASE_NANOS));
        // Packed sound has no demuxer whose time could be moved: its parser counts from what it is told.
        let timed = stretch.container == Container::PackedAudio;
        let door = self.door(track, takes, timed)?;
        door.fresh((!timed).then_some(zero_at));
        let due = timed.then(|| Duration::from_nanos(zero_at[1].max(0).unsigned_abs()));
        self.tracks.lock()[track.index()] = Some(Way { door, takes, timed, due });
        match stretch.init {
            Some(init) => self.push(track, init),
            None => Ok(()),
        }
    }

    fn data(&self, track: Track, bytes: Bytes) -> Result<(), Refused> {
        self.push(track, bytes)
    }

    fn text(&self, origin: &Arc<TextOrigin>, text: Text, stands: Range<SourceNanos>) {
        let Range { start, end } = stands;
        self.doors.text(origin, text, start.saturating_add(BASE_NANOS)..end.saturating_add(BASE_NANOS));
    }

    fn cue(&self, said: Said) {
        self.doors.cue(said, BASE_NANOS);
    }

    fn date(&self, at: SourceNanos, unix_us: i64) {
        self.doors.date(at.saturating_add(BASE_NANOS), unix_us);
    }

    fn end(&self, track: Track) {
        if let Some(way) = self.tracks.lock()[track.index()].take() {
            way.door.end();
        }
    }
}

/// A source that could not be opened, and what kind of trouble that is.
fn source_error(error: &OpenError) -> SourceError {
    match error {
        OpenError::Fetch(error) => error.source_error(),
        OpenError::Playlist { error: PlaylistError::TooLarge { .. } | PlaylistError::TooMany { .. }, .. } => {
            SourceError::TooLarge(error.to_string())
        }
        OpenError::Playlist { .. } => SourceError::Element { reason: Reason::Failed, text: error.to_string() },
    }
}
