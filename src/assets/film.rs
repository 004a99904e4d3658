//! Short clips of video. Who decodes them is told to this room: bytes that nobody vouches for are for a process that has nothing else in it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::check::{Read, check_size};
use super::draws::Stop;
use super::moving::LONGEST;
use super::{AssetError, AssetId, AssetType, Assets};
use crate::frame::Picture;

/// Most pictures of a clip, and pixels of all of them: 30 s of 1080p60.
const MOST_PICTURES: u32 = 1800;
const MOST_PIXELS: u64 = 1920 * 1080 * 1800;

/// By how much one that is as long as it may be says that it is longer.
const ROUNDED: Duration = Duration::from_millis(50);

/// Bytes of a file's head in which WebM says that it is that.
const HEAD: usize = 64;

/// Bytes of a packet of a transport stream, and of its first byte (ISO/IEC 13818-1, 2.4.3.2).
const PACKET: usize = 188;
const SYNC: u8 = 0x47;

/// In what clips' pictures may be coded, as feeds call it and as people do. What is told of it is made of this, and what is not here is refused.
const CODECS: [(&str, &str); 7] = [
    ("h264", "H.264"),
    ("hevc", "HEVC"),
    ("vp8", "VP8"),
    ("vp9", "VP9"),
    ("av1", "AV1"),
    ("mpeg2", "MPEG-2"),
    ("mpeg4", "MPEG-4 Part 2"),
];

/// What a file of video turned out to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilmFacts {
    /// In what its pictures are coded, as feeds call it; `None` where nothing says so.
    pub codec: Option<String>,
    pub has_sound: bool,
}

/// Why what moves is not shown to its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct NotShown {
    pub why: String,
    pub fault: Fault,
}

/// Whose fault that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Its file's: it would be the same again.
    File,
    /// Nobody knows: what decodes it ended, or brought nothing more. It is not the file's where that was decoded before.
    Unknown,
    /// This moment's: there is no process for it, no processor, no disk.
    Moment,
}

impl NotShown {
    pub fn of_file(why: impl Into<String>) -> Self {
        Self { why: why.into(), fault: Fault::File }
    }

    pub fn of_moment(why: impl Into<String>) -> Self {
        Self { why: why.into(), fault: Fault::Moment }
    }

    /// Of a file that was decoded to its end when it was taken: whether it may be otherwise another time.
    pub fn may_pass(&self) -> bool {
        self.fault != Fault::File
    }
}

impl From<AssetError> for NotShown {
    fn from(error: AssetError) -> Self {
        let fault = if error.may_pass() { Fault::Moment } else { Fault::File };
        Self { why: error.to_string(), fault }
    }
}

/// Shown one after the other, with the time at which each is due, counted from the first.
pub type EachPicture<'a> = dyn FnMut(Duration, &Picture) -> ControlFlow<()> + 'a;

/// What shows the pictures of files of video.
pub trait Films: Send + Sync {
    /// Shows `each` the pictures of the file at that path until it ends, or `each` has seen enough; `again`: it begins again behind its last one. Takes its
    /// time.
    ///
    /// # Errors
    /// Why no picture, or no more of them, can be decoded.
    fn show(&self, file: &Path, again: bool, each: &mut EachPicture<'_>) -> Result<FilmFacts, NotShown>;

    /// `picture` in the middle of `size`, both even, on `background`, in the canvas's colours.
    fn draw(&self, picture: &Picture, size: (u32, u32), background: [u8; 3]) -> Option<Picture>;
}

/// A picture of a clip, and who draws it.
#[derive(Clone)]
pub struct FilmPicture {
    pub picture: Picture,
    pub films: Arc<dyn Films>,
}

impl FilmPicture {
    /// As it is shown: pixels need not be square.
    pub fn size(&self) -> (u32, u32) {
        let Picture { width, height, pixel_aspect: (across, down), .. } = self.picture;
        let wide = u64::from(width) * u64::from(across.max(1)) / u64::from(down.max(1));
        (u32::try_from(wide.max(2)).unwrap_or(u32::MAX), height)
    }

    pub fn drawn(&self, size: (u32, u32), background: [u8; 3]) -> Result<Picture, AssetError> {
        let unreadable = || AssetError::Unreadable(format!("no picture of {}x{}", size.0, size.1));
        self.films.draw(&self.picture, size, background).ok_or_else(unreadable)
    }
}

/// What a clip was found to be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Found {
    pub size: (u32, u32),
    pub length: Duration,
    pub pictures: u32,
    pub has_sound: bool,
}

/// What kind of clip it is, by its first bytes.
pub(super) fn kind_of(bytes: &[u8]) -> Option<AssetType> {
    if bytes.get(4..8) == Some(b"ftyp") {
        return Some(AssetType::Mp4);
    }
    let head = &bytes[..bytes.len().min(HEAD)];
    if head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3]) && head.windows(4).any(|word| word == b"webm") {
        return Some(AssetType::WebM);
    }
    let is_packet = |nth: usize| bytes.get(nth * PACKET) == Some(&SYNC);
    (0..3).all(is_packet).then_some(AssetType::Ts)
}

fn too_long() -> AssetError {
    AssetError::Clip(format!(
        "is too long: {} s, {MOST_PICTURES} pictures and {MOST_PIXELS} pixels of all of them are allowed",
        LONGEST.as_secs()
    ))
}

/// `H.264, HEVC or VP8`.
pub(super) fn codecs_told() -> String {
    let [others @ .., last] = CODECS.map(|(_, told)| told);
    format!("{} or {last}", others.join(", "))
}

fn not_decoded(why: &NotShown) -> AssetError {
    let text: String = why.why.chars().take(200).collect();
    match why.fault {
        Fault::Moment => AssetError::NotNow(text),
        Fault::File | Fault::Unknown => AssetError::Clip(format!(
            "cannot be decoded: {text}; MP4, WebM and MPEG-TS with {} are allowed",
            codecs_told()
        )),
    }
}

fn no_picture() -> AssetError {
    not_decoded(&NotShown::of_file("it has no picture"))
}

/// Refuses what is decoded here, and nobody is told of.
fn check_codec(facts: &FilmFacts) -> Result<(), AssetError> {
    match &facts.codec {
        Some(codec) if CODECS.iter().all(|(known, _)| *known != codec.as_str()) => {
            Err(not_decoded(&NotShown::of_file(format!("its pictures are coded in {codec}"))))
        }
        _ => Ok(()),
    }
}

/// To the microsecond.
fn rounded(length: Duration) -> Duration {
    Duration::from_micros(u64::try_from((length.as_nanos() + 500) / 1000).unwrap_or(u64::MAX))
}

/// What is seen of a clip while it is looked at.
#[derive(Default)]
struct Seen {
    size: Option<(u32, u32)>,
    pictures: u32,
    pixels: u64,
    last: Duration,
}

impl Seen {
    fn take(&mut self, at: Duration, picture: &FilmPicture) -> Result<(), AssetError> {
        let (width, height) = picture.size();
        check_size(width.into(), height.into())?;
        check_size(picture.picture.width.into(), picture.picture.height.into())?;
        self.size.get_or_insert((width, height));
        let pixels = u64::from(picture.picture.width) * u64::from(picture.picture.height);
        (self.pictures, self.pixels, self.last) = (self.pictures + 1, self.pixels + pixels, at);
        let is_within = self.pictures <= MOST_PICTURES && self.pixels <= MOST_PIXELS && at < LONGEST;
        if is_within { Ok(()) } else { Err(too_long()) }
    }

    fn found(&self, facts: &FilmFacts) -> Result<Found, AssetError> {
        check_codec(facts)?;
        let few = || AssetError::Clip("has one picture; two are needed, or send a PNG or JPEG".to_owned());
        let size = self.size.ok_or_else(no_picture)?;
        let between = self.pictures.checked_sub(1).filter(|between| *between > 0).ok_or_else(few)?;
        // The last one is there for as long as the others are, as a mean. Times of pictures are rounded, and two seconds are to be two.
        let length = rounded(self.last + self.last / between);
        let length_is_known = !length.is_zero();
        if !length_is_known {
            return Err(AssetError::Clip("has pictures that all are due at once".to_owned()));
        }
        if length > LONGEST + ROUNDED {
            return Err(too_long());
        }
        Ok(Found { size, length: length.min(LONGEST), pictures: self.pictures, has_sound: facts.has_sound })
    }
}

/// Looks at all of the clip at `file`, until `stop`.
pub(super) fn look(films: &Arc<dyn Films>, file: &Path, stop: &Stop) -> Result<Found, AssetError> {
    if stop.is_stopped() {
        return Err(AssetError::Gone);
    }
    let (mut seen, mut refused) = (Seen::default(), None);
    let facts = films.show(file, false, &mut |at, picture| {
        let picture = FilmPicture { picture: picture.clone(), films: films.clone() };
        let taken = if stop.is_stopped() { Err(AssetError::Gone) } else { seen.take(at, &picture) };
        match taken {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                refused = Some(error);
                ControlFlow::Break(())
            }
        }
    });
    match refused {
        Some(refused) => Err(refused),
        None if stop.is_stopped() => Err(AssetError::Gone),
        None => seen.found(&facts.map_err(|why| not_decoded(&why))?),
    }
}

/// The first picture of the clip at `file`.
pub(super) fn first(films: &Arc<dyn Films>, file: &Path, stop: &Stop) -> Result<Read, AssetError> {
    if stop.is_stopped() {
        return Err(AssetError::Gone);
    }
    let mut first = None;
    let shown = films.show(file, false, &mut |_, picture| {
        first = Some(FilmPicture { picture: picture.clone(), films: films.clone() });
        ControlFlow::Break(())
    });
    shown.map_err(|why| not_decoded(&why))?;
    first.map(Read::Film).ok_or_else(no_picture)
}

impl Assets {
    pub(super) fn films(&self) -> Result<&Arc<dyn Films>, AssetError> {
        self.films.as_ref().ok_or_else(|| AssetError::Clip("cannot be decoded: nothing here decodes clips".to_owned()))
    }

    /// What of its file a reader of pictures reads: of a clip its first one.
    pub(super) fn first_of_clip(&self, tenant: &str, id: &AssetId, stop: &Stop) -> Result<Read, AssetError> {
        first(self.films()?, &self.folder()?.path(tenant, id)?, stop)
    }
}
