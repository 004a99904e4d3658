//! Art: pictures that operators upload for the slots of layouts that show no game, and skins, which say what is in which. What is uploaded is checked
//! before it is believed, kept under its SHA-256, and made a picture of the canvas, once for each size at which it is shown.
//!
//! Lock order: a change or a turn to decode, then the list or the pictures, which are never held around a file.

mod apart;
mod check;
mod condition;
mod draws;
mod files;
mod film;
mod keep;
mod line;
mod made;
mod moving;
mod overlay;
mod skins;
mod svg;

#[cfg(test)]
mod film_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

pub use self::apart::{ArtApart, child};
use self::condition::Conditioned;
use self::draws::{Draws, Inside, Refused};
pub use self::draws::{Stop, StopOnDrop};
use self::files::Folder;
pub use self::film::{EachPicture, Fault, FilmFacts, Films, NotShown};
pub use self::line::{Line, Place};
pub use self::made::AssetLoops;
pub use self::overlay::{Overlay, lay_over};
pub use self::skins::{Skin, SkinOrigin};
use crate::frame::{Picture, Rect};
use crate::layout::Layout;

/// Assets and skins of one tenant.
const MOST_ASSETS: usize = 1000;
const MOST_SKINS: usize = 1000;

/// Of one tenant, who wait to be drawn. The operators' page asks for previews of all that it lists.
const UPLOADS_IN_LINE: usize = 16;
const PREVIEWS_IN_LINE: usize = 64;

/// What a file is known by: the SHA-256 of its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AssetId(pub [u8; 32]);

impl AssetId {
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for AssetId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

/// A text that names no asset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no asset's id; 64 hexadecimal digits are")]
pub struct AssetIdError(String);

impl FromStr for AssetId {
    type Err = AssetIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut id = [0; 32];
        let shown = || AssetIdError(text.chars().take(80).collect());
        hex::decode_to_slice(text, &mut id).map_err(|_| shown())?;
        Ok(Self(id))
    }
}

impl Serialize for AssetId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AssetId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What kind of file an asset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum AssetType {
    #[serde(rename = "image/png")]
    Png,
    #[serde(rename = "image/jpeg")]
    Jpeg,
    #[serde(rename = "image/svg+xml")]
    Svg,
    #[serde(rename = "image/webp")]
    WebP,
    #[serde(rename = "video/mp4")]
    Mp4,
    #[serde(rename = "video/webm")]
    WebM,
    #[serde(rename = "video/mp2t")]
    Ts,
}

impl AssetType {
    pub const ALL: [Self; 7] = [Self::Png, Self::Jpeg, Self::Svg, Self::WebP, Self::Mp4, Self::WebM, Self::Ts];

    /// As in `Content-Type`.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Png => "image/png",
            Self::Jpeg => "image/jpeg",
            Self::Svg => "image/svg+xml",
            Self::WebP => "image/webp",
            Self::Mp4 => "video/mp4",
            Self::WebM => "video/webm",
            Self::Ts => "video/mp2t",
        }
    }

    /// Whether it is a clip of video.
    pub const fn is_clip(self) -> bool {
        matches!(self, Self::Mp4 | Self::WebM | Self::Ts)
    }
}

/// How an asset is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum AssetState {
    /// It was read whole, and can be shown.
    Ready,
}

/// An asset, as the API shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Asset {
    /// SHA-256 of the file, in hexadecimal: the same file has the same id.
    #[schema(value_type = String)]
    pub id: AssetId,
    #[serde(rename = "type")]
    pub kind: AssetType,
    /// In pixels; of an SVG, what it says of itself, rounded up.
    pub width: u32,
    pub height: u32,
    /// Of the file.
    pub bytes: u64,
    /// Of an animation or a clip; 0: a still.
    pub duration_s: f64,
    /// Of a clip; 0 of everything else.
    #[serde(default)]
    pub pictures: u32,
    /// A clip's file has sound, which nobody hears: art has none.
    #[serde(default)]
    pub has_sound: bool,
    pub state: AssetState,
    /// How far its loops are, where it moves and any were asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub loops: Option<AssetLoops>,
}

/// Why a file is not taken, or an asset or a skin is not to be had or not let go.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssetError {
    #[error("the file is no PNG, JPEG, SVG, WebP, MP4, WebM or MPEG-TS")]
    Type,
    #[error("the file is {}, and was sent as {given:?}", .found.media_type())]
    OtherType { found: AssetType, given: String },
    #[error("the file has {bytes} bytes; {limit} are allowed")]
    TooLarge { bytes: u64, limit: u64 },
    #[error("the picture is {width}x{height}; 1x1 to {most}x{most} and {pixels} pixels are allowed")]
    Pixels { width: u64, height: u64, most: u32, pixels: u64 },
    #[error(
        "the animation is too long; {pictures} pictures, {pixels} pixels of all of them and {seconds} s are allowed"
    )]
    Animation { pictures: usize, pixels: u64, seconds: u64 },
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    #[error("the SVG {0}")]
    Svg(String),
    #[error("the clip {0}")]
    Clip(String),
    #[error("too many of the tenant's files wait to be drawn")]
    Busy,
    #[error("no process could be started to draw it")]
    NoProcess,
    #[error("the file cannot be decoded now: {0}")]
    NotNow(String),
    #[error("whoever sent the file has gone")]
    Gone,
    #[error("there is no asset {0}")]
    Unknown(AssetId),
    #[error("the asset is shown by {0}")]
    InUse(String),
    #[error("there are {count} {what} of {limit}: delete some")]
    Count { what: &'static str, count: usize, limit: usize },
    #[error("assets take {bytes} bytes of {limit}: delete some")]
    Full { bytes: u64, limit: u64 },
    #[error("there is no skin {0:?}")]
    SkinUnknown(String),
    #[error("skin {0:?} is defined in the configuration")]
    SkinReadOnly(String),
    #[error("the folder of assets: {0}")]
    Disk(String),
}

impl AssetError {
    /// Whether it has to do with this moment, and not with the file.
    pub const fn may_pass(&self) -> bool {
        matches!(self, Self::Busy | Self::NoProcess | Self::NotNow(_) | Self::Disk(_))
    }
}

impl From<io::Error> for AssetError {
    fn from(error: io::Error) -> Self {
        Self::Disk(error.to_string())
    }
}

/// What files are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AssetLimits {
    /// Bytes of a file.
    pub file_bytes: u64,
    /// Bytes of all files of a tenant.
    pub tenant_bytes: u64,
}

impl Default for AssetLimits {
    fn default() -> Self {
        Self { file_bytes: 10_000_000, tenant_bytes: 1_000_000_000 }
    }
}

/// A piece of an asset on a canvas, all in pixels of the canvas and even.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Piece {
    pub asset: AssetId,
    /// Where the whole asset lies. It keeps its shape and is in the middle.
    pub whole: Rect,
    /// What is wanted. What of it is beyond `whole` has the background's colour.
    pub part: Rect,
    /// What is seen where nothing of the asset is, or through it; 8-bit R, G, B.
    pub background: [u8; 3],
}

/// Who is told of a skin.
type Follower = Box<dyn Fn(&Skin) + Send + Sync>;

/// A tenant, and what it calls a skin.
type SkinKey = (Arc<str>, String);

/// See the module.
pub struct Assets {
    /// `None`: nothing is kept.
    folder: Option<Folder>,
    limits: AssetLimits,
    /// What decodes clips; `None`: none can be taken.
    films: Option<Arc<dyn Films>>,
    known: RwLock<Known>,
    /// Who is told of skins as they are made.
    followers: Mutex<Vec<Follower>>,
    loops: Mutex<BTreeMap<AssetId, AssetLoops>>,
    conditioned: Mutex<Conditioned>,
    draws: Box<dyn Draws>,
    refused: Mutex<Refused>,
    /// One file is decoded at a time: each may take as much memory as its pixels. What is uploaded or looked at beforehand has lines of its own, and nobody who
    /// watches waits for it.
    turn: Mutex<()>,
    pub uploads: Line,
    pub previews: Line,
    /// One change of what is kept at a time, on the disk and in the list.
    changing: Mutex<()>,
}

#[derive(Default)]
struct Known {
    assets: BTreeMap<(Arc<str>, AssetId), Asset>,
    skins: BTreeMap<SkinKey, Arc<Skin>>,
}

impl Assets {
    /// None at all, and none can be added.
    pub fn none() -> Arc<Self> {
        Arc::new(Self::with((None, None), AssetLimits::default(), Known::default(), Box::new(Inside)))
    }

    /// Takes up what is in `dir`, which is made where it is not there. Draws in this process: for files that are one's own.
    ///
    /// # Errors
    /// Where it cannot be made or read. A file in it that cannot be read is left out, and the log says so.
    pub fn open(dir: PathBuf, limits: AssetLimits) -> io::Result<Arc<Self>> {
        Self::open_as(dir, limits, Box::new(Inside), None)
    }

    /// The same, where others' files are read and drawn: pictures in processes of their own, and clips by `films`.
    ///
    /// # Errors
    /// As [`Assets::open`].
    pub fn open_apart(
        dir: PathBuf,
        limits: AssetLimits,
        apart: ArtApart,
        films: Arc<dyn Films>,
    ) -> io::Result<Arc<Self>> {
        Self::open_as(dir, limits, Box::new(apart), Some(films))
    }

    fn open_as(
        dir: PathBuf,
        limits: AssetLimits,
        draws: Box<dyn Draws>,
        films: Option<Arc<dyn Films>>,
    ) -> io::Result<Arc<Self>> {
        let folder = Folder::open(dir)?;
        let known = Known::read(&folder)?;
        Ok(Arc::new(Self::with((Some(folder), films), limits, known, draws)))
    }

    fn with(
        (folder, films): (Option<Folder>, Option<Arc<dyn Films>>),
        limits: AssetLimits,
        known: Known,
        draws: Box<dyn Draws>,
    ) -> Self {
        let [turn, changing] = [const { Mutex::new(()) }; 2];
        Self {
            folder,
            limits,
            films,
            known: RwLock::new(known),
            followers: Mutex::default(),
            loops: Mutex::default(),
            conditioned: Mutex::default(),
            draws,
            refused: Mutex::default(),
            turn,
            uploads: Line::new(UPLOADS_IN_LINE),
            previews: Line::new(PREVIEWS_IN_LINE),
            changing,
        }
    }

    pub fn limits(&self) -> AssetLimits {
        self.limits
    }

    fn folder(&self) -> Result<&Folder, AssetError> {
        self.folder.as_ref().ok_or_else(|| AssetError::Disk("there is none".to_owned()))
    }

    /// The picture of `piece`; `None` where there is no such asset. Takes as long as decoding, where it was not asked for in that size before.
    pub fn picture(&self, piece: &Piece) -> Option<Picture> {
        let whole = self.conditioned(piece, Some(&self.turn), &Stop::default()).ok()?;
        condition::cut(&whole, piece)
    }

    /// How a tenant's asset looks in the slots of `layout` that are called `name`, on a canvas of 640 pixels' width; `None` where there is none of them.
    ///
    /// # Errors
    /// [`AssetError::Unknown`]; why it cannot be drawn, though it could be read when it came: at each size that takes another time.
    pub fn preview(
        &self,
        tenant: &str,
        asset: &AssetId,
        layout: &Layout,
        name: &str,
        stop: &Stop,
    ) -> Result<Option<Picture>, AssetError> {
        self.get(tenant, asset).ok_or(AssetError::Unknown(*asset))?;
        let width = 640;
        let height = (width * layout.canvas.1 / layout.canvas.0).next_multiple_of(2);
        let mut canvas = condition::Sheet::new(width, height, layout.background);
        let slots = (0..layout.art.len()).filter(|slot| layout.art[*slot].name == name);
        for slot in slots.clone() {
            let (whole, part) = (layout.art_picture_on(slot, width, height), layout.art_on(slot, width, height));
            let piece = Piece { asset: *asset, whole, part, background: layout.background };
            let whole = self.conditioned(&piece, None, stop)?;
            let Some(picture) = condition::cut(&whole, &piece) else { return Ok(None) };
            canvas.put(&picture, part);
        }
        Ok(if slots.count() > 0 { canvas.picture() } else { None })
    }

    /// The whole asset at its size; who draws it waits for `turn`.
    fn conditioned(&self, piece: &Piece, turn: Option<&Mutex<()>>, stop: &Stop) -> Result<Picture, AssetError> {
        let (size, background) = ((piece.whole.width, piece.whole.height), piece.background);
        let key = (piece.asset, size, background);
        if let Some(known) = self.conditioned.lock().get(&key) {
            return Ok(known);
        }
        let _turn = turn.map(Mutex::lock);
        // Somebody else may have made it meanwhile.
        if let Some(known) = self.conditioned.lock().get(&key) {
            return Ok(known);
        }
        let read = self.drawn(&piece.asset, size, stop)?;
        let report = |error: &AssetError| tracing::error!(asset = %piece.asset, %error, "an asset cannot be shown");
        let picture = condition::laid(&read, size, background).inspect_err(report)?;
        self.conditioned.lock().put(key, picture.clone());
        Ok(picture)
    }

    /// A tenant that has the file. Whose it is does not matter here: it is the same for all.
    fn holder(&self, id: &AssetId) -> Option<(Arc<str>, AssetType)> {
        let known = self.known.read();
        let mut holders = known.assets.iter();
        holders.find(|((_, asset), _)| asset == id).map(|((tenant, _), asset)| (tenant.clone(), asset.kind))
    }
}
