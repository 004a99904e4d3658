//! Pictures of mosaics for scrubbing, as JPEG: the picture that opens a segment, alone, or those of a run of segments as the tiles of a sprite.
//!
//! They are made when somebody asks, and kept while they are hot. To make one takes a decoder and tens of milliseconds: it is done by threads that
//! stand back behind what answers requests, of which a few run at once; whoever asks for more waits.

use std::sync::Arc;

use bytes::Bytes;

use super::cache::ByteCache;
use super::engine::opening_unit;
use super::known::{Known, Lying};
use super::opening::of_h264;
use super::registry::MosaicRegistry;
use super::spec::MosaicId;
use crate::encode::{Decoder, decode};
use crate::frame::Picture;
use crate::jpeg;
use crate::ladder::{ParameterSets, RenditionSpec};
use crate::timeline::SegmentNumber;
use crate::work::{SystemThreads, Threads};

/// Tiles of a sprite, side by side and one below the other.
pub const SPRITE_COLUMNS: u32 = 5;
pub const SPRITE_ROWS: u32 = 2;

/// Segments of a sprite: one for each tile.
pub const SPRITE_SEGMENTS: u64 = (SPRITE_COLUMNS * SPRITE_ROWS) as u64;

/// Bytes that are kept: three hundred sprites or so, an hour and a half of one mosaic. Apart from packaged segments: who scrubs through hours must not
/// push out what all others watch, and a sprite is dearer than a segment.
const KEPT_BYTES: usize = 32 << 20;

/// Of so many cores one may make images.
const CORES_EACH: usize = 4;
const MOST_MAKERS: usize = 4;

/// What an image shows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Image {
    /// The picture that opens a segment.
    Single(MosaicId, SegmentNumber),
    /// Those that open the segments from `first` on, of the mosaic that is named for each; black where none is, or where it was not kept.
    Sprite { first: SegmentNumber, mosaics: Arc<[Option<MosaicId>]> },
}

impl Image {
    fn tiles(&self) -> Vec<(Option<&MosaicId>, SegmentNumber)> {
        match self {
            Self::Single(mosaic, segment) => vec![(Some(mosaic), *segment)],
            Self::Sprite { first, mosaics } => mosaics.iter().map(Option::as_ref).zip(*first..).collect(),
        }
    }
}

/// The size of a tile, and of an image that is not one of many, of a ladder whose smallest rendition is `smallest`.
pub fn image_size(smallest: &RenditionSpec) -> (u32, u32) {
    jpeg::thumbnail_size(smallest.width, smallest.height)
}

/// The images that are kept, and the right to make more.
pub(super) struct Images {
    kept: Arc<ByteCache<Image, Bytes>>,
    /// Who makes an image holds one of these: each image is one's by chance, so that who comes second for it waits and finds it.
    makers: Vec<Arc<tokio::sync::Mutex<()>>>,
}

impl Default for Images {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let makers = (cores / CORES_EACH).clamp(1, MOST_MAKERS);
        Self { kept: Arc::new(ByteCache::new(KEPT_BYTES)), makers: (0..makers).map(|_| Arc::default()).collect() }
    }
}

impl Images {
    fn maker(&self, image: &Image) -> &Arc<tokio::sync::Mutex<()>> {
        use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(image);
        &self.makers[hash as usize % self.makers.len()]
    }
}

impl MosaicRegistry {
    /// An image, as it was made before, or made now.
    pub(super) async fn image_of(&self, image: &Image) -> Option<Bytes> {
        let images = &self.images;
        if let Some(bytes) = images.kept.get(image) {
            return Some(bytes);
        }
        let making = images.maker(image).clone().lock_owned().await;
        if let Some(bytes) = images.kept.get(image) {
            return Some(bytes);
        }
        let (smallest, rung) = of_h264(&self.settings.rungs).iter().enumerate().next_back()?;
        let mut tiles = Vec::new();
        for (mosaic, segment) in image.tiles() {
            let lying = match mosaic {
                Some(mosaic) => self.opening(mosaic, smallest, segment).await,
                None => None,
            };
            tiles.push((segment, lying));
        }
        let is_single = matches!(image, Image::Single(..));
        if is_single && tiles.iter().all(|(_, lying)| lying.is_none()) {
            return None;
        }
        let work = Work { sets: rung.codec.sets().clone(), size: image_size(&rung.spec), is_single, tiles };
        let (kept, image) = (images.kept.clone(), image.clone());
        let (give, take) = tokio::sync::oneshot::channel();
        let make = move || {
            let made = work.make();
            if let Some(bytes) = &made {
                kept.put(image, bytes.clone());
            }
            // Whoever asked may have gone: it was made, and is there for the next. Until here nobody else makes one.
            drop(making);
            let _ = give.send(made);
        };
        if let Err(error) = SystemThreads.start("image", Box::new(make)) {
            tracing::warn!(%error, "no thread to make an image");
            return None;
        }
        take.await.ok()?
    }

    /// What lies on the shelf of the first part of segment `n`.
    async fn opening(&self, id: &MosaicId, rendition: usize, n: SegmentNumber) -> Option<(Arc<Known>, Lying)> {
        let known = self.read(id)?;
        let lying = known.lying(&*self.shelf, rendition, n, Some(0)).await?;
        Some((known, lying))
    }
}

/// What a mosaic's name says, and what lies on the shelf of the part that opens one of its segments.
type Opening = (Arc<Known>, Lying);

/// What an image is made of.
struct Work {
    sets: ParameterSets,
    size: (u32, u32),
    is_single: bool,
    tiles: Vec<(SegmentNumber, Option<Opening>)>,
}

impl Work {
    fn make(self) -> Option<Bytes> {
        let gathered = |tile: &Option<(Arc<Known>, Lying)>| -> Option<Bytes> {
            let (known, lying) = tile.as_ref()?;
            Some(opening_unit(&known.gather(lying, 0)?))
        };
        let units: Vec<Option<Bytes>> = self.tiles.iter().map(|(_, tile)| gathered(tile)).collect();
        let pictures = self.decoded(&units);
        if self.is_single {
            return jpeg::sheet(&pictures, self.size, 1, 1).filter(|_| pictures.iter().any(Option::is_some));
        }
        jpeg::sheet(&pictures, self.size, SPRITE_COLUMNS as usize, SPRITE_ROWS as usize)
    }

    /// The pictures of `units`; none for one that no decoder takes.
    fn decoded(&self, units: &[Option<Bytes>]) -> Vec<Option<Picture>> {
        let there: Vec<Bytes> = units.iter().flatten().cloned().collect();
        if there.is_empty() {
            return vec![None; units.len()];
        }
        let pictures = match decode(Decoder::Ffmpeg, &self.sets, &there) {
            Ok(pictures) => pictures.into_iter().map(Some).collect(),
            Err(error) => {
                let first = self.tiles.first().map(|(first, _)| *first);
                tracing::warn!(?first, %error, "the pictures of an image cannot be decoded together");
                // Each by itself: one that is damaged must not take the others with it.
                let alone = |unit: &Bytes| decode(Decoder::Ffmpeg, &self.sets, std::slice::from_ref(unit)).ok()?.pop();
                there.iter().map(alone).collect::<Vec<_>>()
            }
        };
        let mut pictures = pictures.into_iter();
        units.iter().map(|unit| unit.as_ref().and_then(|_| pictures.next().flatten())).collect()
    }
}
