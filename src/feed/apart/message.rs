//! What a feed's process and its parent say to each other: bounded, and read by total functions.
//!
//! A message is a length of four bytes (little endian), a head (postcard's form of [`Up`] or [`Down`]), and what is left of the
//! length: samples of sound, a coded frame, bytes of a source. Nothing that a child says is taken at its word: numbers
//! are bounded here, what has a grammar is read again by its own reader, and what goes into playlists is cleaned.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::watched::Wall;
use crate::cadence::{Placed, SourceNanos, Step};
use crate::captions::{Kind, TrackInfo};
use crate::config::PictureLimits;
use crate::feed::error::SourceError;
use crate::feed::facts::Facts;
use crate::feed::pipeline::tables::is_language;
use crate::feed::room::Refused;
use crate::feed::texts::TextOrigin;
use crate::feed::wanted::Wanted;
use crate::frame::{
    Aac, AacObject, CodedSound, Colour, Depth, Matrix, Peak, Primaries, Range8, SoundRole, SoundTrack, Transfer,
};
use crate::reach::{Denied, Reach};
use crate::sync::{Claim, ClockKind};

/// Longest message, in bytes: five seconds of sound.
pub const MOST_BYTES: usize = 1 << 20;
/// Source times farther from zero are lies: eighteen years. So far from the ends of an `i64` no sum overflows.
const FARTHEST: SourceNanos = 1 << 59;
/// Longest text for people.
const MOST_TEXT: usize = 500;
/// Descriptions of captions that are listened to.
const MOST_CAPTIONS: usize = 64;

/// From the child to its parent.
#[derive(Debug, Serialize, Deserialize)]
pub enum Up {
    /// It has locked itself in, and what it could not do for that.
    Ready {
        missing: Vec<Wall>,
    },
    /// It is alive.
    Beat,
    Facts {
        facts: Box<Facts>,
        warned: Option<SourceError>,
    },
    /// The source is lost.
    Failed(SourceError),
    /// A picture lies in the memory that both have.
    Picture(PictureHead),
    /// Interleaved stereo follows.
    Sound(Place),
    /// Of the sound of that number.
    Beside {
        index: u32,
        place: Place,
    },
    RealignSound,
    RealignBesides,
    RealignBeside(u32),
    ExpectSound(bool),
    Claim {
        place: Place,
        clock: u8,
        captured: i64,
    },
    NoClaim(Place),
    /// A section of SCTE 35 follows.
    Section {
        at: Option<SourceNanos>,
    },
    /// `cc_data()` follows.
    Captions {
        at: SourceNanos,
    },
    /// Data of a page follow.
    Teletext {
        at: SourceNanos,
        origin: Origin,
        page: u16,
    },
    /// The cue of that number stands so.
    TextStands {
        number: u64,
        at: SourceNanos,
        until: SourceNanos,
    },
    /// What the playlist said under that number is due so.
    CueStands {
        number: u64,
        at: Option<SourceNanos>,
        ends: Option<SourceNanos>,
    },
    /// A frame of coded sound follows.
    Coded {
        form: Form,
        at: SourceNanos,
    },
    /// There is a sound beside the main one; to be answered.
    SoundBeside {
        track: Track,
        most: u32,
    },
    /// So many cores are asked for; to be answered.
    Admit(f64),
    /// Processor seconds that a pixel takes.
    Costs(Vec<(String, f64)>),
    /// A door was opened, or could not be.
    DoorOpened {
        door: u32,
        error: Option<SourceError>,
    },
    /// A door has taken in so many bytes.
    DoorTook {
        door: u32,
        bytes: u32,
    },
}

/// From the parent to its child.
#[derive(Debug, Serialize, Deserialize)]
pub enum Down {
    Begin(Box<Begin>),
    /// Time on the parent's clock (ns), the feed's delay (ns), cores that are left.
    Beat {
        now: u64,
        delay: i64,
        left: f64,
        /// Pictures that nobody looks at any more.
        returned: Vec<u64>,
    },
    /// So much of that lane was taken in; what comes next may follow it.
    Credit {
        lane: Lane,
        count: u32,
        resettle: bool,
        returned: Vec<u64>,
    },
    SoundBeside(Option<u32>),
    Admitted(Result<(), Refused>),
    Open {
        door: u32,
        takes: Takes,
        timed: bool,
        beside: Option<Track>,
    },
    /// Bytes follow.
    Push {
        door: u32,
        at_ns: Option<u64>,
    },
    Fresh {
        door: u32,
        zero: Option<[i64; 2]>,
    },
    End {
        door: u32,
    },
    ExpectSound,
    Text {
        number: u64,
        start: i64,
        end: i64,
    },
    Cue {
        number: u64,
        start: Option<i64>,
        end: Option<i64>,
        base: i64,
    },
    Date {
        raw: i64,
        unix_us: i64,
    },
    Over,
}

/// What a child begins with.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begin {
    /// The source's address; `None`: it comes through doors.
    pub url: Option<String>,
    pub wanted: Wanted,
    /// Pictures a second of the grid.
    pub fps: (u32, u32),
    pub live: bool,
    pub max_sounds: u32,
    pub costs: Vec<(String, f64)>,
    /// The parent's clock, ns.
    pub now: u64,
    /// What it has to connect by itself, where it has no network of its own.
    pub network: Network,
    /// Whether it is to have one: what leads out of it is the last of the descriptors.
    pub own_network: bool,
    /// Whether its file is among the descriptors, behind the memory for pictures; sockets follow.
    pub has_file: bool,
    /// Whether its file is over at its end. Those of feeds begin again.
    pub once: bool,
    /// Bytes of memory that it may write to.
    pub memory_bytes: u64,
    /// Where it may connect to, what it leads to included.
    pub reach: Reach,
    pub limits: PictureLimits,
}

/// What a process may open towards others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Network {
    None,
    /// Sockets of datagrams: SRT is made of those.
    Datagrams,
    Any,
    /// Whatever it likes, in a network that has nobody else.
    Own,
}

/// What is waited for apart from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lane {
    Picture,
    Sound,
    Beside(u32),
}

/// What of a track is taken.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Takes {
    Both,
    Picture,
    Sound,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PictureHead {
    /// Pictures before it.
    pub number: u64,
    pub width: u32,
    pub height: u32,
    /// Matrix, range, primaries, transfer, depth.
    pub colour: [u8; 5],
    pub pixel_aspect: (u32, u32),
    pub fps: Option<(u32, u32)>,
    /// When it was on its way, by the clock that all processes of a machine have (`CLOCK_MONOTONIC`, microseconds).
    pub sent_us: u64,
    /// Of each plane, where it lies and the bytes from one row to the next.
    pub planes: [(u64, u32); 3],
    pub place: Place,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Place {
    at: SourceNanos,
    raw: i64,
    step: Stride,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Stride {
    Follows,
    Hole(SourceNanos),
    Jump,
}

/// How coded sound is read: AC-3 and E-AC-3 say it themselves.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub enum Form {
    A52,
    Aac { object: u8, channels: u8 },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Track {
    id: String,
    language: Option<String>,
    role: u8,
    label: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Origin {
    language: String,
    kind: u8,
    name: String,
}

/// A child says what cannot be.
#[derive(Debug, thiserror::Error)]
pub enum Lie {
    #[error("a message of {0} bytes")]
    Length(usize),
    #[error("a message that cannot be read")]
    Malformed,
    #[error("{0} that cannot be")]
    Value(&'static str),
    #[error("more {0} than it has room for")]
    Flood(&'static str),
    #[error("a picture out of turn")]
    Turn,
}

/// Reads the next message into `buffer`; `None` at the end of what is said.
///
/// # Errors
/// The pipe's, and one of kind `InvalidData` where the message is longer than any may be.
pub fn receive(from: &mut impl Read, buffer: &mut Vec<u8>) -> io::Result<Option<()>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidData, Lie::Length(length)));
    }
    buffer.resize(length, 0);
    from.read_exact(buffer).map(Some)
}

/// The message in `bytes`, and what follows it.
///
/// # Errors
/// [`Lie::Malformed`].
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, &[u8]), Lie> {
    postcard::take_from_bytes(bytes).map_err(|_| Lie::Malformed)
}

/// Writes a message and what follows it.
///
/// # Errors
/// The pipe's; `InvalidInput` for a message that is too long.
pub fn send<T: Serialize>(to: &mut impl Write, message: &T, tail: &[u8]) -> io::Result<()> {
    let mut bytes = Vec::new();
    append(&mut bytes, message, tail)?;
    to.write_all(&bytes)
}

/// Appends a message as it goes through the pipe. One that is too long is `InvalidInput`, and `bytes` is as it was.
pub fn append<T: Serialize>(bytes: &mut Vec<u8>, message: &T, tail: &[u8]) -> io::Result<()> {
    let mut one = postcard::to_extend(message, vec![0; 4]).map_err(io::Error::other)?;
    let length = one.len() - 4 + tail.len();
    if length > MOST_BYTES {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a message is too long"));
    }
    one[..4].copy_from_slice(&(length as u32).to_le_bytes());
    bytes.extend_from_slice(&one);
    bytes.extend_from_slice(tail);
    Ok(())
}

/// A source time that can be.
pub fn time(at: i64) -> Result<i64, Lie> {
    if (-FARTHEST..=FARTHEST).contains(&at) { Ok(at) } else { Err(Lie::Value("a time")) }
}

impl Place {
    pub fn of(place: Placed) -> Self {
        let step = match place.step {
            Step::Follows => Stride::Follows,
            Step::Hole(at) => Stride::Hole(at),
            Step::Jump => Stride::Jump,
        };
        Self { at: place.at, raw: place.raw, step }
    }

    pub fn checked(self) -> Result<Placed, Lie> {
        let step = match self.step {
            Stride::Follows => Step::Follows,
            Stride::Hole(at) => Step::Hole(time(at)?),
            Stride::Jump => Step::Jump,
        };
        Ok(Placed { at: time(self.at)?, raw: time(self.raw)?, step })
    }
}

const MATRICES: [Matrix; 3] = [Matrix::Bt601, Matrix::Bt709, Matrix::Bt2020];
const RANGES: [Range8; 2] = [Range8::Limited, Range8::Full];
const PRIMARIES: [Primaries; 4] = [Primaries::Bt709, Primaries::Bt601_525, Primaries::Bt601_625, Primaries::Bt2020];
const TRANSFERS: [Transfer; 8] = [
    Transfer::Bt709,
    Transfer::Srgb,
    Transfer::Hlg,
    Transfer::Pq(Peak::Cd600),
    Transfer::Pq(Peak::Cd1000),
    Transfer::Pq(Peak::Cd2000),
    Transfer::Pq(Peak::Cd4000),
    Transfer::Pq(Peak::Cd10000),
];
const DEPTHS: [Depth; 2] = [Depth::Eight, Depth::Ten];
const ROLES: [SoundRole; 4] =
    [SoundRole::Programme, SoundRole::Description, SoundRole::HearingImpaired, SoundRole::Clean];
const KINDS: [Kind; 3] = [Kind::Subtitles, Kind::Captions, Kind::Forced];
const OBJECTS: [AacObject; 3] = [AacObject::Lc, AacObject::He, AacObject::HeV2];

/// A thing's place in its list.
fn code<T: PartialEq>(list: &[T], thing: &T) -> u8 {
    list.iter().position(|other| other == thing).and_then(|at| u8::try_from(at).ok()).unwrap_or(u8::MAX)
}

fn decode<T: Copy>(list: &[T], code: u8, what: &'static str) -> Result<T, Lie> {
    list.get(usize::from(code)).copied().ok_or(Lie::Value(what))
}

pub fn colour_code(colour: Colour) -> [u8; 5] {
    let Colour { matrix, range, primaries, transfer, depth } = colour;
    let (primaries, transfer) = (code(&PRIMARIES, &primaries), code(&TRANSFERS, &transfer));
    [code(&MATRICES, &matrix), code(&RANGES, &range), primaries, transfer, code(&DEPTHS, &depth)]
}

pub fn colour_of([matrix, range, primaries, transfer, depth]: [u8; 5]) -> Result<Colour, Lie> {
    Ok(Colour {
        matrix: decode(&MATRICES, matrix, "a matrix")?,
        range: decode(&RANGES, range, "a range")?,
        primaries: decode(&PRIMARIES, primaries, "primaries")?,
        transfer: decode(&TRANSFERS, transfer, "a transfer")?,
        depth: decode(&DEPTHS, depth, "a depth")?,
    })
}

pub fn claim_code(claim: Claim) -> (u8, i64) {
    (code(&ClockKind::ALL, &claim.clock), claim.captured)
}

pub fn claim_of(clock: u8, captured: i64) -> Result<Claim, Lie> {
    Ok(Claim { clock: decode(&ClockKind::ALL, clock, "a clock")?, captured: time(captured)? })
}

impl Form {
    pub fn of(form: CodedSound) -> Self {
        match form {
            CodedSound::Ac3(_) | CodedSound::Eac3(_) => Self::A52,
            CodedSound::Aac(Aac { object, channels }) => Self::Aac { object: code(&OBJECTS, &object), channels },
        }
    }

    /// The form of the frame in `data`.
    pub fn checked(self, data: &[u8]) -> Result<CodedSound, Lie> {
        const WRONG: Lie = Lie::Value("a frame of sound");
        match self {
            Self::A52 => CodedSound::a52_frame(data).map(|frame| frame.form).ok_or(WRONG),
            Self::Aac { object, channels: channels @ 1..=7 } => {
                Ok(CodedSound::Aac(Aac { object: decode(&OBJECTS, object, "an AAC")?, channels }))
            }
            Self::Aac { .. } => Err(WRONG),
        }
    }
}

impl Track {
    pub fn of(track: &SoundTrack) -> Self {
        Self {
            id: track.id.to_string(),
            language: track.language.clone(),
            role: code(&ROLES, &track.role),
            label: track.label.clone(),
        }
    }

    pub fn checked(self) -> Result<SoundTrack, Lie> {
        if !SoundTrack::is_id(&self.id) {
            return Err(Lie::Value("a sound's name"));
        }
        Ok(SoundTrack {
            id: self.id.into(),
            language: self.language.filter(|language| is_language(language)),
            role: decode(&ROLES, self.role, "a sound's role")?,
            label: plain(&self.label),
        })
    }
}

impl Origin {
    pub fn of(origin: &TextOrigin) -> Self {
        let TextOrigin { track: TrackInfo { language, kind }, name } = origin;
        Self { language: language.clone(), kind: code(&KINDS, kind), name: name.to_string() }
    }

    pub fn checked(self) -> Result<TextOrigin, Lie> {
        let language = if is_language(&self.language) { self.language } else { "und".to_owned() };
        let kind = decode(&KINDS, self.kind, "a kind of text")?;
        Ok(TextOrigin { track: TrackInfo { language, kind }, name: plain(&self.name).into() })
    }
}

/// Text for people, without what could end a line or a quotation.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() && *c != '"').take(MOST_TEXT).collect()
}

/// An error as it may be shown.
pub fn plain_error(error: SourceError) -> SourceError {
    match error {
        SourceError::Element { reason, text } => SourceError::Element { reason, text: plain(&text) },
        SourceError::Pipeline(text) => SourceError::Pipeline(plain(&text)),
        SourceError::TooLarge(text) => SourceError::TooLarge(plain(&text)),
        SourceError::Unsupported(text) => SourceError::Unsupported(plain(&text)),
        SourceError::Uri { uri, problem } => SourceError::Uri { uri: plain(&uri), problem: plain(&problem) },
        SourceError::Scheme { scheme } => SourceError::Scheme { scheme: plain(&scheme) },
        SourceError::Denied(denied) => SourceError::Denied(plain_denied(denied)),
        // Not for it to say.
        SourceError::OnHold(_) | SourceError::NoRoom(_) | SourceError::Hangs => SourceError::Ended,
        // No words of the child's.
        without @ (SourceError::Ended
        | SourceError::Stalled { .. }
        | SourceError::NoPicture
        | SourceError::NoSource
        | SourceError::WrongPassphrase
        | SourceError::OneSidedEncryption
        | SourceError::OtherStreamId) => without,
    }
}

fn plain_denied(denied: Denied) -> Denied {
    match denied {
        Denied::Scheme { scheme, allowed } => Denied::Scheme { scheme: plain(&scheme), allowed: plain(&allowed) },
        Denied::Host { host } => Denied::Host { host: plain(&host) },
        Denied::Address { host, kind } => Denied::Address { host: plain(&host), kind: plain(&kind).into() },
        Denied::Itself { host } => Denied::Itself { host: plain(&host) },
        Denied::Name { host } => Denied::Name { host: plain(&host) },
        Denied::Unreadable(why) => Denied::Unreadable(plain(&why)),
        without @ (Denied::Port { .. } | Denied::Folder | Denied::NoFile) => without,
    }
}

/// Takes what a child found out into what the parent knows, which keeps what only it can know.
pub fn take_facts(known: &mut Facts, told: Facts) {
    let clean = |text: Option<String>| text.map(|text| plain(&text));
    let mut captions = told.captions;
    captions.retain(|described| is_language(&described.language));
    captions.truncate(MOST_CAPTIONS);
    *known = Facts {
        container: clean(told.container),
        video: told.video.map(|mut video| {
            (video.codec, video.profile) = (plain(&video.codec), clean(video.profile));
            video
        }),
        audio: told.audio.map(|mut audio| {
            audio.codec = plain(&audio.codec);
            audio
        }),
        language: told.language.filter(|language| is_language(language)),
        listed_language: known.listed_language.take(),
        captions: if captions.is_empty() { std::mem::take(&mut known.captions) } else { captions },
        awaits_clean_point: told.awaits_clean_point,
        dark_because: clean(told.dark_because),
        stream_trouble: clean(told.stream_trouble),
        variant: known.variant.take(),
        fetch_trouble: known.fetch_trouble.take(),
        pauses: known.pauses,
        lives: known.lives,
        texts: std::mem::take(&mut known.texts),
        no_room: clean(told.no_room),
        thinned_because: clean(told.thinned_because),
        bitrate_bps: told.bitrate_bps,
        sound_note: clean(told.sound_note),
        silent_because: clean(told.silent_because),
    };
}

/// Interleaved stereo of whole samples.
pub fn samples_of(bytes: &[u8]) -> Result<Vec<i16>, Lie> {
    if !bytes.len().is_multiple_of(4) {
        return Err(Lie::Value("sound"));
    }
    Ok(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect())
}

pub fn bytes_of(interleaved: &[i16]) -> Vec<u8> {
    interleaved.iter().flat_map(|value| value.to_le_bytes()).collect()
}
