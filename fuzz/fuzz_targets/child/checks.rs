//! A child that says anything, and what must hold of its parent.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;
use parking_lot::Mutex;

use super::doors::FarDoors;
use super::lanes::{Lanes, Target};
use super::message::{self, Down, Form, Origin, PictureHead, Place, Track, Up};
use super::parent::Link;
use super::reader::{Reader, Told};
use super::shared::{MOST_LENT, PLACE_BYTES, PLACES, Shared};
use super::watched::Wall;
use crate::cadence::{Placed, Step};
use crate::captions::cea::{Described, Service};
use crate::captions::{Kind, Text, TrackInfo};
use crate::cues::daterange::OlderTag;
use crate::feed::Pace;
use crate::feed::error::SourceError;
use crate::feed::facts::{AudioFacts, Facts, VideoFacts};
use crate::feed::intake::{Intake, Timing};
use crate::feed::pipeline;
use crate::feed::playlist::Said;
use crate::feed::room::Decoding;
use crate::feed::texts::TextOrigin;
use crate::frame::{Picture, SoundRole, SoundTrack};
use crate::timeline::{Clock, Grid, MediaTime, SAMPLE_RATE_HZ, SimulatedClock};

/// What a child says, or what its parent does meanwhile.
#[derive(Arbitrary, Debug)]
pub enum Do<'a> {
    Picture(Head, At),
    Sound(At, u8),
    Beside(u8, At, u8),
    Simple(u8),
    ExpectSound(bool),
    Claim(At, u8, i64),
    Section(Option<i64>, &'a [u8]),
    Captions(i64, &'a [u8]),
    Teletext(i64, &'a str, u8, u16, &'a [u8]),
    Stands(u8, i64, i64),
    CueStands(u8, Option<i64>, Option<i64>),
    Coded(Option<(u8, u8)>, i64, &'a [u8]),
    SoundBeside(&'a str, &'a str, u32),
    Admit(f64),
    Costs(Vec<(u8, f64)>),
    Door(u8, Option<&'a str>),
    DoorTook(u8, u32),
    Facts(&'a str, &'a str, Vec<(u8, &'a str)>, (u32, u32, Option<(u32, u32)>)),
    Failed(u8, &'a str),
    /// A message of any bytes, and bytes that are none.
    Message(&'a [u8]),
    Stream(&'a [u8]),
    /// Of the parent.
    Text(&'a str),
    Tag(u8),
}

/// The head of a picture.
#[derive(Arbitrary, Debug)]
pub struct Head {
    skipped: u8,
    width: u32,
    height: u32,
    small: bool,
    colour: [u8; 5],
    aspect: (u32, u32),
    fps: Option<(u32, u32)>,
    /// Where its planes lie, counted from the front or from the end, and what their rows have beside pixels.
    planes: [(u32, u16, bool); 3],
}

/// Where something belongs: as far as the last of its kind said, or anywhere.
#[derive(Arbitrary, Debug)]
pub enum At {
    Later(u16),
    Anywhere(i64, i64),
    Hole(u16, i64),
    Jump(i64),
}

/// What is looked at with every message.
#[derive(Arbitrary, Debug)]
pub struct Tick {
    later_ms: u16,
    delay: Option<i32>,
}

impl Head {
    fn of(&self, number: u64, place: Place) -> PictureHead {
        let side = |side: u32| if self.small { 2 + side % 32 * 2 } else { side };
        let colour = if self.small { self.colour.map(|code| code % 2) } else { self.colour };
        PictureHead {
            number: number + u64::from(self.skipped.saturating_sub(0xf8)),
            width: side(self.width),
            height: side(self.height),
            colour,
            pixel_aspect: self.aspect,
            fps: self.fps,
            sent_us: 0,
            planes: std::array::from_fn(|plane| {
                let (at, more, from_end) = self.planes[plane];
                let at = if from_end { BYTES.saturating_sub(at.into()) } else { u64::from(at) };
                // As bytes of the depth that the last code says.
                let width = (side(self.width) >> u32::from(plane > 0)) << u32::from(colour[4] == 1);
                (at, width.saturating_add(more.into()))
            }),
            place,
        }
    }
}

const BYTES: u64 = (PLACES * PLACE_BYTES) as u64;

/// What is taken is as large as was said, and every row of it is there.
pub fn picture(head: &PictureHead, picture: &Picture) {
    assert_eq!((picture.width, picture.height), (head.width, head.height));
    assert!(picture.pixel_aspect.0 > 0 && picture.pixel_aspect.1 > 0);
    let mut bytes = 0;
    for plane in 0..3 {
        let (width, rows) = (picture.row_bytes(plane), picture.plane_size(plane).1);
        assert!((0..rows).all(|row| picture.row(plane, row).len() == width));
        bytes += width * rows;
    }
    assert!(bytes <= PLACE_BYTES);
}

/// Any heads, and memory that the child writes to.
pub fn pictures(heads: &[(Head, u8)], writes: &[(u32, &[u8])]) {
    let mut shared = Shared::new().unwrap();
    for (at, bytes) in writes {
        // What would lie beyond the end is not written.
        let _ = rustix::io::pwrite(shared.memory(), bytes, u64::from(*at) % BYTES);
    }
    // What is sealed has the size that it has.
    let resized = |size| rustix::fs::ftruncate(shared.memory(), size);
    assert!(resized(BYTES - 1).is_err() && resized(BYTES + 1).is_err());
    let (mut taken, mut returned) = (0, Vec::new());
    let mut kept = Vec::new();
    for (head, keep) in heads {
        let head = head.of(taken, Place::of(Placed::from(0)));
        if let Ok(its) = shared.take(&head) {
            assert_eq!(head.number, taken);
            picture(&head, &its);
            // The bytes are those that lie there.
            let mut luma = [0u8; 2];
            rustix::io::pread(shared.memory(), &mut luma, head.planes[0].0).unwrap();
            assert_eq!(its.row(0, 0)[..2], luma);
            taken += 1;
            // Some are shown for a while.
            if keep % 3 == 0 {
                kept.push(its);
            } else if keep % 3 == 1 && !kept.is_empty() {
                kept.swap_remove(usize::from(*keep) % kept.len());
            }
            kept.truncate(MOST_LENT + 8);
        }
        returned.extend(shared.lent().returned());
    }
    drop(kept);
    returned.extend(shared.lent().returned());
    // Each is given back once.
    let count = returned.len();
    returned.sort_unstable();
    returned.dedup();
    assert_eq!(count, returned.len());
    assert!((0..taken).all(|number| returned.binary_search(&number).is_ok()));
}

/// Cut wherever it is cut, a stream has the same messages.
fn split(stream: &[u8], cuts: u8) {
    struct Cut<'a>(&'a [u8], usize);
    impl Read for Cut<'_> {
        fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
            let count = self.1.min(to.len());
            self.0.read(&mut to[..count])
        }
    }
    let messages = |mut from: &mut dyn Read| {
        let (mut all, mut buffer) = (Vec::new(), Vec::new());
        while let Ok(Some(())) = message::receive(&mut from, &mut buffer) {
            assert!(buffer.len() <= message::MOST_BYTES);
            all.push(buffer.clone());
        }
        all
    };
    let whole = messages(&mut &stream[..]);
    assert_eq!(whole, messages(&mut Cut(stream, 1 + usize::from(cuts % 7))));
    for bytes in whole {
        // What can be read can be said, and is read the same.
        let Ok((up, tail)) = message::parse::<Up>(&bytes) else { continue };
        let mut again = Vec::new();
        message::send(&mut again, &up, tail).unwrap();
        let (up_again, tail_again) = message::parse::<Up>(&again[4..]).unwrap();
        assert_eq!((format!("{up:?}"), tail), (format!("{up_again:?}"), tail_again));
    }
}

/// What the child has said so far.
struct Child {
    stream: Vec<u8>,
    pictures: u64,
    at: i64,
}

impl Child {
    fn place(&mut self, at: &At) -> Place {
        let (at, raw, step) = match *at {
            At::Later(ms) => (self.at.saturating_add(i64::from(ms) * 100_000), self.at, Step::Follows),
            At::Anywhere(at, raw) => (at, raw, Step::Follows),
            At::Hole(ms, from) => (self.at.saturating_add(i64::from(ms) * 1_000_000), self.at, Step::Hole(from)),
            At::Jump(at) => (at, at, Step::Jump),
        };
        self.at = at % (1 << 59);
        Place::of(Placed { at, raw, step })
    }

    fn say(&mut self, up: &Up, tail: &[u8]) {
        let _ = message::send(&mut self.stream, up, tail);
    }

    fn take(&mut self, step: &Do<'_>) {
        let samples = |count: u8| vec![count; usize::from(count) * 16];
        let (up, tail) = match step {
            Do::Picture(head, at) => {
                let place = self.place(at);
                let head = head.of(self.pictures, place);
                self.pictures += 1;
                (Up::Picture(head), Vec::new())
            }
            Do::Sound(at, count) => (Up::Sound(self.place(at)), samples(*count)),
            Do::Beside(index, at, count) => {
                (Up::Beside { index: u32::from(index % 4), place: self.place(at) }, samples(*count))
            }
            Do::Simple(which) => {
                let up = match which % 5 {
                    0 => Up::RealignSound,
                    1 => Up::RealignBesides,
                    2 => Up::RealignBeside(u32::from(*which >> 4)),
                    3 => Up::Ready { missing: vec![Wall::OwnNetwork, Wall::Landlock, Wall::OwnNetwork] },
                    _ => Up::Beat,
                };
                (up, Vec::new())
            }
            Do::ExpectSound(expected) => (Up::ExpectSound(*expected), Vec::new()),
            Do::Claim(at, clock, captured) => {
                let place = self.place(at);
                let none = *clock > 0xf0;
                (
                    if none { Up::NoClaim(place) } else { Up::Claim { place, clock: clock % 4, captured: *captured } },
                    Vec::new(),
                )
            }
            Do::Section(at, bytes) => {
                let mut body = vec![0xfc, 0x30, (bytes.len().min(200) + 4) as u8];
                body.extend_from_slice(&bytes[..bytes.len().min(200)]);
                body.extend(crate::cues::scte35::crc32(&body).to_be_bytes());
                (Up::Section { at: *at }, body)
            }
            Do::Captions(at, data) => (Up::Captions { at: *at }, data.to_vec()),
            Do::Teletext(at, name, kind, page, data) => {
                let track = TrackInfo {
                    language: (*name).to_owned(),
                    kind: [Kind::Subtitles, Kind::Forced][usize::from(kind % 2)],
                };
                let origin = Origin::of(&TextOrigin { track, name: (*name).into() });
                (Up::Teletext { at: *at, origin, page: *page }, data.to_vec())
            }
            Do::Stands(number, at, until) => {
                (Up::TextStands { number: u64::from(number % 8), at: *at, until: *until }, Vec::new())
            }
            Do::CueStands(number, at, ends) => {
                (Up::CueStands { number: u64::from(number % 8), at: *at, ends: *ends }, Vec::new())
            }
            Do::Coded(aac, at, data) => {
                let form = aac.map_or(Form::A52, |(object, channels)| Form::Aac { object, channels });
                (Up::Coded { form, at: *at }, data.to_vec())
            }
            Do::SoundBeside(id, label, most) => {
                let track = SoundTrack {
                    id: (*id).into(),
                    language: Some((*label).to_owned()),
                    role: SoundRole::Programme,
                    label: (*label).to_owned(),
                };
                (Up::SoundBeside { track: Track::of(&track), most: *most }, Vec::new())
            }
            Do::Admit(cores) => (Up::Admit(*cores), Vec::new()),
            Do::Costs(costs) => {
                let codecs = ["h264", "hevc", "mpeg2", "any"];
                let costs = costs.iter().map(|(codec, cost)| (codecs[usize::from(codec % 4)].to_owned(), *cost));
                (Up::Costs(costs.collect()), Vec::new())
            }
            Do::Door(door, error) => {
                let error = error.map(|text| SourceError::Pipeline(text.to_owned()));
                (Up::DoorOpened { door: u32::from(*door % 4), error }, Vec::new())
            }
            Do::DoorTook(door, bytes) => (Up::DoorTook { door: u32::from(*door % 4), bytes: *bytes }, Vec::new()),
            Do::Facts(text, language, captions, (width, height, fps)) => (
                Up::Facts {
                    facts: Box::new(facts(text, language, captions, (*width, *height, *fps))),
                    warned: Some(SourceError::Unsupported((*text).to_owned())),
                },
                Vec::new(),
            ),
            Do::Failed(which, text) => {
                let text = (*text).to_owned();
                let error = match which % 4 {
                    0 => SourceError::Uri { uri: text.clone(), problem: text },
                    1 => SourceError::Scheme { scheme: text },
                    2 => SourceError::Denied(crate::reach::Denied::Unreadable(text)),
                    _ => SourceError::Stalled { seconds: u64::from(*which) },
                };
                (Up::Failed(error), Vec::new())
            }
            Do::Message(bytes) => {
                self.stream.extend((bytes.len() as u32).to_le_bytes());
                self.stream.extend_from_slice(bytes);
                return;
            }
            Do::Stream(bytes) => {
                self.stream.extend_from_slice(bytes);
                return;
            }
            Do::Text(_) | Do::Tag(_) => return,
        };
        self.say(&up, &tail);
    }
}

fn facts(text: &str, language: &str, captions: &[(u8, &str)], video: (u32, u32, Option<(u32, u32)>)) -> Facts {
    let text = || Some(text.to_owned());
    let described = |(number, language): &(u8, &str)| Described {
        service: if number % 2 == 0 { Service::Line21(*number) } else { Service::Dtvcc(*number) },
        language: (*language).to_owned(),
        easy_reader: false,
        wide: true,
    };
    Facts {
        container: text(),
        video: Some(VideoFacts {
            codec: text().unwrap_or_default(),
            profile: text(),
            width: video.0,
            height: video.1,
            fps: video.2,
            interlaced: false,
        }),
        audio: Some(AudioFacts { codec: text().unwrap_or_default(), channels: video.0, sample_rate_hz: video.1 }),
        language: Some(language.to_owned()),
        listed_language: text(),
        captions: captions.iter().map(described).collect(),
        dark_because: text(),
        stream_trouble: text(),
        variant: text(),
        fetch_trouble: text(),
        no_room: text(),
        thinned_because: text(),
        sound_note: text(),
        silent_because: text(),
        ..Facts::default()
    }
}

/// Text for people, which ends no line and no quotation, and a bounded piece of it.
fn is_plain(text: &str) -> bool {
    !text.contains(|c: char| c.is_control() || c == '"') && text.chars().count() <= 500
}

fn check_facts(facts: &Facts) {
    let texts = [
        &facts.container,
        &facts.dark_because,
        &facts.stream_trouble,
        &facts.no_room,
        &facts.thinned_because,
        &facts.sound_note,
        &facts.silent_because,
        &facts.language,
    ];
    assert!(texts.into_iter().flatten().all(|text| is_plain(text)));
    // What only the parent can know no child tells.
    assert!(facts.variant.is_none() && facts.fetch_trouble.is_none() && facts.listed_language.is_none());
    assert!(facts.captions.len() <= 64);
    let video = facts.video.iter().flat_map(|video| std::iter::once(&video.codec).chain(&video.profile));
    assert!(video.chain(facts.audio.iter().map(|audio| &audio.codec)).all(|text| is_plain(text)));
}

/// A second.
const SECOND: u64 = 1_000_000_000;

/// A tick of the grid: everything that is asked of an intake with one.
fn tick(intake: &Intake, now: MediaTime) {
    let picked = intake.pick(now);
    assert!(picked.is_none_or(|picked| picked.picture.width > 0));
    let first = now.as_nanos() / 1000 * u64::from(SAMPLE_RATE_HZ) / 1_000_000;
    let samples = first..first + 1600;
    let (sound, _) = intake.sound(samples.clone());
    assert_eq!(sound.interleaved.len(), 3200);
    for track in intake.sounds_beside() {
        assert!(SoundTrack::is_id(&track.id) && is_plain(&track.label));
        assert_eq!(intake.beside(&track.id, samples.clone()).interleaved.len(), 3200);
    }
    assert!(intake.sounds_beside().len() <= 3);
    if let Some(form) = intake.coded_form() {
        assert!(form.frame_samples() > 0);
        for (number, _) in intake.coded(form, &samples) {
            assert!(samples.contains(&(number * form.frame_samples())));
        }
    }
    assert!(intake.take_texts(now).written.len() <= 3600);
    assert!(intake.take_signals(now).len() <= 512);
    let _ = (intake.latency(), intake.delay(), intake.av_offset_ms(), intake.sound_trouble(), intake.shape());
    let _ = intake.held_for(now, now + Duration::from_secs(1));
}

/// What a child says, in order, and what goes by meanwhile.
pub fn pipe(live: bool, steps: &[Do<'_>], ticks: Vec<Tick>, cuts: u8) {
    let mut child = Child { stream: Vec::new(), pictures: 0, at: 0 };
    steps.iter().take(64).for_each(|step| child.take(step));
    split(&child.stream, cuts);
    let grid = Grid::new("30".parse().unwrap(), 30);
    let clock = Arc::new(SimulatedClock::new(MediaTime::from_secs(86_400)));
    let intake = Arc::new(Intake::new(&grid, Pace::Realtime));
    // What is pulled waits for room, and nobody makes any.
    let run = intake.begin(if live { Timing::Live(Duration::from_millis(500)) } else { Timing::Live(Duration::ZERO) });
    let heard = {
        let (intake, clock, ticks) = (Arc::clone(&intake), Arc::clone(&clock), Mutex::new(ticks.into_iter()));
        Box::new(move || {
            if let Some(Tick { later_ms, delay }) = ticks.lock().next() {
                clock.advance(Duration::from_millis(u64::from(later_ms)));
                if let Some(ms) = delay {
                    intake.delay_to(i64::from(ms % 60_000) * 1_000_000, ms % 2 == 0);
                }
                tick(&intake, clock.now());
            }
        })
    };
    let link = Arc::new(Link::new(heard));
    let doors = FarDoors::new(Arc::clone(&link));
    for step in steps {
        match step {
            Do::Text(text) => {
                let track = TrackInfo { language: "en".into(), kind: Kind::Subtitles };
                let origin = Arc::new(TextOrigin { track, name: "a".into() });
                doors.text(&origin, Text::plain(text), 0..SECOND as i64);
            }
            Do::Tag(_) => doors.cue(Said::Tag { tag: OlderTag::In, at: 7 }, 0),
            _ => {}
        }
    }
    let target = || Target { intake: Arc::clone(&intake), run, clock: Arc::clone(&clock) as Arc<dyn Clock> };
    let facts = Arc::new(Mutex::new(Facts::default()));
    let told = Arc::new(Mutex::new(Told::default()));
    let shared = Mutex::new(Shared::new().unwrap());
    let lanes = Lanes { target: target(), link: Arc::clone(&link), shared, besides: Mutex::default() };
    let reader = Reader {
        link: Arc::clone(&link),
        lanes,
        target: target(),
        facts: Arc::clone(&facts),
        told: Arc::clone(&told),
        decoding: Decoding::unlimited(),
        feeder: Some(Box::new(|_: pipeline::Doors| {})),
        granted: 0.0,
    };
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    theirs.set_nonblocking(true).unwrap();
    // As much as the socket holds.
    let _ = theirs.write_all(&child.stream);
    drop(theirs);
    reader.work(ours);
    assert!(link.is_over());
    check_facts(&facts.lock());
    assert!(told.lock().warned.as_ref().is_none_or(|error| !error.to_string().contains(char::is_control)));
    assert!(link.failed.lock().iter().all(|(_, error)| !error.to_string().contains(char::is_control)));
    assert!(link.lied.lock().as_ref().is_none_or(|lie| !lie.contains(char::is_control)));
    for _ in 0..3 {
        clock.advance(Duration::from_millis(700));
        tick(&intake, clock.now());
    }
    let _ = Down::Over;
}
