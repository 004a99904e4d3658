//! Art that moves: animated PNG and WebP. Its pictures are decoded one after the other, and never held together.

use std::io::Cursor;
use std::time::Duration;

use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, Frame, Frames, ImageDecoder};

use super::check::{Read, check_size, limits, unreadable};
use super::draws::{self, Art, Begins, Each, Moment};
use super::{AssetError, AssetId, AssetType, Assets, Piece, condition};
use crate::frame::Picture;

/// Most pictures of an animation, and pixels of all of them.
const MOST_PICTURES: usize = 600;
const MOST_PIXELS: u64 = 1920 * 1080 * 300;

/// Longest animation.
const LONGEST: Duration = Duration::from_secs(30);

/// A picture that says that it is shown for no time at all is shown for as long as browsers do.
const SHORTEST_PICTURE: Duration = Duration::from_millis(10);

/// The pictures of an animation; `None`: it stands still.
fn frames(kind: AssetType, bytes: &[u8]) -> Result<Option<Frames<'_>>, AssetError> {
    Ok(match kind {
        AssetType::Png => {
            let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits()).map_err(unreadable)?;
            let is_animated = decoder.is_apng().map_err(unreadable)?;
            if is_animated { Some(decoder.apng().map_err(unreadable)?.into_frames()) } else { None }
        }
        AssetType::WebP => {
            let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(unreadable)?;
            let (width, height) = decoder.dimensions();
            check_size(width.into(), height.into())?;
            decoder.set_limits(limits()).map_err(unreadable)?;
            if decoder.has_animation() { Some(decoder.into_frames()) } else { None }
        }
        AssetType::Jpeg | AssetType::Svg => None,
    })
}

/// The first picture of an animation; `None`: it stands still.
pub(super) fn first(kind: AssetType, bytes: &[u8]) -> Result<Option<Read>, AssetError> {
    let Some(mut frames) = frames(kind, bytes)? else { return Ok(None) };
    let first = frames.next().ok_or_else(|| AssetError::Unreadable("it has no picture".to_owned()))?;
    Ok(Some(Read::Pixels(first.map_err(unreadable)?.into_buffer())))
}

fn length_of(frame: &Frame) -> Duration {
    Duration::from(frame.delay()).max(SHORTEST_PICTURE)
}

/// How long an animation is, all of which is read; nothing for a still.
pub(super) fn length(kind: AssetType, bytes: &[u8]) -> Result<Duration, AssetError> {
    let Some(frames) = frames(kind, bytes)? else { return Ok(Duration::ZERO) };
    let (mut length, mut pixels) = (Duration::ZERO, 0);
    for (n, frame) in frames.enumerate() {
        let frame = frame.map_err(unreadable)?;
        let (width, height) = frame.buffer().dimensions();
        (length, pixels) = (length + length_of(&frame), pixels + u64::from(width) * u64::from(height));
        if n >= MOST_PICTURES || pixels > MOST_PIXELS || length > LONGEST {
            return Err(too_long());
        }
    }
    Ok(length)
}

pub(super) fn too_long() -> AssetError {
    AssetError::Animation { pictures: MOST_PICTURES, pixels: MOST_PIXELS, seconds: LONGEST.as_secs() }
}

/// Shows `each` the pictures of an animation as large as fits into `size`, over and over, for as long as it wants more.
pub(super) fn shown(art: Art<'_>, size: (u32, u32), begins: Begins<'_>, each: Each<'_>) -> Result<(), AssetError> {
    loop {
        draws::next_moment(begins);
        let still = || AssetError::Unreadable("it stands still".to_owned());
        let mut frames = frames(art.kind, art.bytes)?.ok_or_else(still)?.peekable();
        if frames.peek().is_none() {
            return Err(AssetError::Unreadable("it has no picture".to_owned()));
        }
        while let Some(frame) = frames.next() {
            let frame = frame.map_err(unreadable)?;
            // The last one is known by what comes behind it.
            draws::next_moment(begins);
            let (lasts, is_last) = (length_of(&frame), frames.peek().is_none());
            let read = condition::fitted(&Read::Pixels(frame.into_buffer()), size)?;
            if !each(Moment { read, lasts, is_last }) {
                return Ok(());
            }
        }
    }
}

/// What comes of an animation before its end.
type Shown = Result<(), String>;

impl Assets {
    /// How long the animation of an asset is; `None`: it stands still, or is not there.
    pub fn length(&self, asset: &AssetId) -> Option<Duration> {
        let known = self.known.read();
        let found = known.assets.iter().find(|((_, id), _)| id == asset).map(|(_, asset)| asset.duration_s)?;
        Duration::try_from_secs_f64(found).ok().filter(|length| !length.is_zero())
    }

    /// Shows `each` what an animation of that length shows in `piece` at instants that are `step` apart, `count` of them, over and over. Takes its time.
    ///
    /// # Errors
    /// Where it cannot be read, or `each` fails.
    pub fn play(
        &self,
        piece: &Piece,
        (length, step, count): (Duration, Duration, u64),
        mut each: impl FnMut(&Picture) -> Shown,
    ) -> Shown {
        let (tenant, kind) = self.holder(&piece.asset).ok_or("there is no such asset")?;
        let bytes = self.folder().and_then(|folder| Ok(folder.read(&tenant, &piece.asset)?));
        let bytes = bytes.map_err(|error| error.to_string())?;
        // In the middle of its time, so that rounding makes no other picture of it.
        let at = |nth: u64| (step * u32::try_from(nth).unwrap_or(u32::MAX) + step / 2).as_nanos();
        let (length, size) = (length.as_nanos().max(1), (piece.whole.width, piece.whole.height));
        if count == 0 {
            return Ok(());
        }
        let mut failed = Ok(());
        // When this time through begins, until when its picture is shown, and how many came before.
        let (mut nth, mut begins, mut until, mut before) = (0, 0, 0, 0);
        let mut show = |moment: Moment| -> Result<bool, String> {
            // The last one is there until the next time.
            until = if moment.is_last { begins + length } else { until + moment.lasts.as_nanos() };
            let mut picture = None;
            while nth < count && at(nth) < until {
                if picture.is_none() {
                    let whole = condition::laid(&moment.read, size, piece.background);
                    picture = condition::cut(&whole.map_err(|error| error.to_string())?, piece);
                }
                each(picture.as_ref().ok_or("it has no such piece")?)?;
                nth += 1;
            }
            if moment.is_last {
                if nth == before {
                    return Err("it ends before it begins".to_owned());
                }
                begins = at(nth) / length * length;
                (until, before) = (begins, nth);
            }
            Ok(nth < count)
        };
        let shown = self.draws.moving(Art { kind, bytes: &bytes }, size, &mut |moment| match show(moment) {
            Ok(wants_more) => wants_more,
            Err(why) => {
                failed = Err(why);
                false
            }
        });
        shown.map_err(|error| error.to_string()).and(failed)
    }
}
