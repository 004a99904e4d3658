//! Art that moves: animated PNG and WebP, and clips. Its pictures are decoded one after the other, and never held together.

use std::io::Cursor;
use std::ops::ControlFlow;
use std::time::Duration;

use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, Frame, Frames, ImageDecoder};

use super::check::{Read, check_size, limits, unreadable};
use super::draws::{self, Art, Begins, Each, Moment};
use super::film::{FilmPicture, NotShown};
use super::{AssetError, AssetId, AssetType, Assets, Piece, condition};
use crate::frame::Picture;

/// Most pictures of an animation, and pixels of all of them.
const MOST_PICTURES: usize = 600;
const MOST_PIXELS: u64 = 1920 * 1080 * 300;

/// Longest animation, and longest clip.
pub(super) const LONGEST: Duration = Duration::from_secs(30);

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
        _ => None,
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

/// Shows `each` the pictures of an animation as large as fits into each of `sizes`, over and over, for as long as it wants more.
pub(super) fn shown(art: Art<'_>, sizes: &[(u32, u32)], begins: Begins<'_>, each: Each<'_>) -> Result<(), AssetError> {
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
            let read = Read::Pixels(frame.into_buffer());
            let reads = sizes.iter().map(|size| condition::fitted(&read, *size)).collect::<Result<_, _>>()?;
            if !each(Moment { reads, lasts, is_last }) {
                return Ok(());
            }
        }
    }
}

/// What comes of what moves before its end.
type Shown = Result<(), NotShown>;

/// Shows pieces of what moves at instants that are `step` apart, `count` of them.
struct Player<'a, F> {
    pieces: &'a [Piece],
    /// Of the whole, each once.
    sizes: Vec<(u32, u32)>,
    length: u128,
    step: Duration,
    count: u64,
    nth: u64,
    each: F,
}

/// One time through an animation.
#[derive(Default)]
struct Lap {
    begins: u128,
    /// Its picture is shown until then.
    until: u128,
    /// Instants before it.
    before: u64,
}

impl<F: FnMut(usize, &Picture) -> Shown> Player<'_, F> {
    fn is_over(&self) -> bool {
        self.nth >= self.count
    }

    /// In the middle of its time, so that rounding makes no other picture of it.
    fn at(&self) -> u128 {
        (self.step * u32::try_from(self.nth).unwrap_or(u32::MAX) + self.step / 2).as_nanos()
    }

    /// This is what is to be seen until then: what was read, for each of the sizes.
    fn hold<'r>(&mut self, read: impl Fn(usize) -> Option<&'r Read>, until: u128) -> Shown {
        if self.is_over() || self.at() >= until {
            return Ok(());
        }
        // Pieces of one size are cut out of one picture.
        let mut wholes: Vec<((u32, u32), [u8; 3], Picture)> = Vec::new();
        let mut shown = Vec::with_capacity(self.pieces.len());
        for piece in self.pieces {
            let (size, background) = ((piece.whole.width, piece.whole.height), piece.background);
            let known = wholes.iter().find(|(its, under, _)| (*its, *under) == (size, background));
            let whole = match known {
                Some((_, _, whole)) => whole.clone(),
                None => {
                    let nth = self.sizes.iter().position(|its| *its == size);
                    let read = nth.and_then(&read).ok_or_else(|| NotShown::of_file("it was not read at its size"))?;
                    let whole = condition::laid(read, size, background)?;
                    wholes.push((size, background, whole.clone()));
                    whole
                }
            };
            shown.push(condition::cut(&whole, piece).ok_or_else(|| NotShown::of_file("it has no such piece"))?);
        }
        while !self.is_over() && self.at() < until {
            for (nth, picture) in shown.iter().enumerate() {
                (self.each)(nth, picture)?;
            }
            self.nth += 1;
        }
        Ok(())
    }

    /// Shows a picture of an animation, and says whether another is wanted.
    fn take(&mut self, moment: &Moment, lap: &mut Lap) -> Result<bool, NotShown> {
        // The last one is there until the next time.
        let lasts = moment.lasts.max(SHORTEST_PICTURE).as_nanos();
        lap.until = if moment.is_last { lap.begins + self.length } else { lap.until + lasts };
        self.hold(|nth| moment.reads.get(nth), lap.until)?;
        if moment.is_last {
            if self.nth == lap.before {
                return Err(NotShown::of_file("it ends before it begins"));
            }
            let begins = self.at() / self.length * self.length;
            *lap = Lap { begins, until: begins, before: self.nth };
        }
        Ok(!self.is_over())
    }
}

impl Assets {
    /// How long the animation of an asset is; `None`: it stands still, or is not there.
    pub fn length(&self, asset: &AssetId) -> Option<Duration> {
        let known = self.known.read();
        let found = known.assets.iter().find(|((_, id), _)| id == asset).map(|(_, asset)| asset.duration_s)?;
        Duration::try_from_secs_f64(found).ok().filter(|length| !length.is_zero())
    }

    /// Shows `each` what an asset of that length shows in each of `pieces`, which are of it, at instants that are `step` apart, `count` of them, over and
    /// over: it is decoded once for all of them. Takes its time.
    ///
    /// # Errors
    /// Where it cannot be read, or `each` fails.
    pub fn play(
        &self,
        pieces: &[Piece],
        (length, step, count): (Duration, Duration, u64),
        each: impl FnMut(usize, &Picture) -> Shown,
    ) -> Shown {
        let Some(asset) = pieces.first().map(|piece| piece.asset).filter(|_| count > 0) else { return Ok(()) };
        let (tenant, kind) = self.holder(&asset).ok_or(AssetError::Unknown(asset))?;
        let mut sizes: Vec<(u32, u32)> = Vec::new();
        for size in pieces.iter().map(|piece| (piece.whole.width, piece.whole.height)) {
            if !sizes.contains(&size) {
                sizes.push(size);
            }
        }
        let mut player = Player { pieces, sizes, length: length.as_nanos().max(1), step, count, nth: 0, each };
        if kind.is_clip() {
            return self.play_clip((&tenant, &asset), &mut player);
        }
        let bytes = self.folder().and_then(|folder| Ok(folder.read(&tenant, &asset)?))?;
        self.play_animation(Art { kind, bytes: &bytes }, &mut player)
    }

    fn play_animation<F: FnMut(usize, &Picture) -> Shown>(&self, art: Art<'_>, player: &mut Player<'_, F>) -> Shown {
        let (mut lap, mut failed) = (Lap::default(), Ok(()));
        let sizes = player.sizes.clone();
        let shown = self.draws.moving(art, &sizes, &mut |moment| {
            player.take(&moment, &mut lap).unwrap_or_else(|why| {
                failed = Err(why);
                false
            })
        });
        shown.map_err(NotShown::from).and(failed)
    }

    fn play_clip<F: FnMut(usize, &Picture) -> Shown>(
        &self,
        (tenant, asset): (&str, &AssetId),
        player: &mut Player<'_, F>,
    ) -> Shown {
        let films = self.films()?.clone();
        let pictures = self.get(tenant, asset).map_or(0, |asset| asset.pictures) as usize;
        let file = self.folder().and_then(|folder| Ok(folder.path(tenant, asset)?))?;
        // When the pictures of its first time are due: those of others are as many later as it is long.
        let (mut due, mut nth, mut failed) = (Vec::with_capacity(pictures), 0, None);
        let mut held: Option<Read> = None;
        let shown = films.show(&file, true, &mut |at, picture| {
            if nth < pictures {
                due.push(at.as_nanos().min(player.length));
            }
            let lap = (nth / pictures.max(1)) as u128;
            let from = lap * player.length + due.get(nth % pictures.max(1)).copied().unwrap_or(0);
            nth += 1;
            let before = held.replace(Read::Film(FilmPicture { picture: picture.clone(), films: films.clone() }));
            failed = before.and_then(|before| player.hold(|_| Some(&before), from).err());
            if failed.is_some() || player.is_over() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        match (failed, shown) {
            (Some(failed), _) => Err(failed),
            (None, Err(why)) => Err(why),
            (None, Ok(_)) if player.is_over() => Ok(()),
            (None, Ok(_)) => Err(NotShown::of_file("it ended though it goes round")),
        }
    }
}
