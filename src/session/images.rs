//! Pictures of a session's stream for scrubbing: its playlist of images, and what is on each of them.
//!
//! A live playlist has a picture for each of its segments, in step with all others. One that begins where the client asked may be hours long: there an
//! image is a sprite, of a run of segments that begins at a whole multiple of its length. So its place is known from the grid alone, whatever the window
//! has lost or the session has changed within it: which mosaic's pictures it has follows from the splices. It is listed when it is whole. Nothing is listed
//! from before the rights of what is shown began: there the first segment has an image of its own, so that the playlist is never empty, and the next one is
//! what is left of its run.

use std::collections::BTreeSet;

use super::SessionError;
use super::follow::{Playlist, Reload};
use super::model::rfc_3339_ms;
use super::paths::Addresses;
use super::registry::{Entry, Sessions};
use super::splice::{Listed, Splices};
use super::tickets::Player;
use crate::hls::images::{ImageStream, Images, Tiles};
use crate::hls::playlist::{HOLD_BACK_TARGETS, MediaSegment, SegmentDuration, target_duration_s};
use crate::ladder::{RenditionSpec, smallest};
use crate::mosaic::{Image, MosaicId, SPRITE_COLUMNS, SPRITE_ROWS, SPRITE_SEGMENTS, image_size};
use crate::timeline::SegmentNumber;

/// Images that a playlist lists at least, so that it is never empty, nor shorter than RFC 8216 allows (6.2.2).
const FEWEST: u64 = 3;

/// No JPEG of ours has more bits a pixel, noise included.
const MOST_BITS_PER_PIXEL: u64 = 5;

/// A sprite's place in a playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sprite {
    /// In the playlist it is numbered as this run is.
    run: u64,
    first: SegmentNumber,
    /// Fewer than a run has where the session ended within it, or may not list all of it.
    segments: u64,
    /// Nothing of it was kept.
    gap: bool,
}

impl Sessions {
    /// The line of a multivariant playlist that names the playlist of images, which lies under `prefix`; `start_ms` as that was asked.
    pub fn image_stream(&self, (token, prefix): (&str, &str), start_ms: Option<i64>) -> Result<String, SessionError> {
        self.entry_of_token(token)?;
        let (width, height) = self.image_size();
        let bits = u64::from(width) * u64::from(height) * MOST_BITS_PER_PIXEL;
        let per_second = bits as f64 / self.grid.segment_duration().as_secs_f64();
        let query = start_ms.map(|ms| format!("?start={}", rfc_3339_ms(ms))).unwrap_or_default();
        let uri = format!("{prefix}images.m3u8{query}");
        Ok(ImageStream { uri, bandwidth_bps: per_second.ceil() as u32, width, height }.to_string())
    }

    /// Text of the playlist of images. It waits for the first segment, and for no other.
    pub async fn images_playlist(&self, token: &str, reload: Reload) -> Result<String, SessionError> {
        let entry = self.entry_of_token(token)?;
        let asked = reload.start_ms.filter(|_| self.settings.start_over.is_some());
        let images = match asked {
            Some(start_ms) => self.sprites(&entry, start_ms, reload.player).await?,
            None => self.pictures(&entry).await?,
        };
        Ok(images.render())
    }

    /// What is on the sprite of `segments` segments from `first` on, if this service gave `signature` to the session for it. Asking for one is watching.
    pub fn sprite(&self, token: &str, signature: &str, first: SegmentNumber, segments: u64) -> Option<Image> {
        let is_of_a_run = segments > 0 && segments <= SPRITE_SEGMENTS - first % SPRITE_SEGMENTS;
        if !is_of_a_run {
            return None;
        }
        let entry = self.entry_of_token(token).ok()?;
        let shown = self.shown_since(&entry, first);
        let mosaics = shown.mosaics(first, segments);
        let is_ours = self.paths.signed_sprite(&entry.token, &mosaics, first, signature);
        (is_ours && self.may_have(None, Some(token))).then(|| Image::Sprite { first, mosaics: mosaics.into() })
    }

    /// Each segment's first picture.
    async fn pictures(&self, entry: &Entry) -> Result<Images, SessionError> {
        let playlist = self.listing(entry, None, Reload::default()).await?;
        let smallest = self.smallest().map_or("", |rendition| &rendition.name);
        let mut known: Option<(&str, Addresses<'_>)> = None;
        let mut images = Vec::new();
        for listed in &playlist.lists.listing.segments {
            if known.as_ref().is_none_or(|(mosaic, _)| *mosaic != &*listed.mosaic) {
                known = Some((&listed.mosaic, self.paths.rung(&listed.mosaic, smallest)));
            }
            let Some((_, addresses)) = &known else { continue };
            images.push(MediaSegment {
                number: playlist.numbering.sequence(listed.number),
                discontinuity: playlist.lists.resumed == Some(listed.number),
                gap: listed.gap,
                ..MediaSegment::video(&self.grid, listed.number, addresses.image(listed.number))
            });
        }
        let first = playlist.lists.listing.segments.first().map(|first| first.number);
        Ok(Images {
            tiles: None,
            target_duration_s: target_duration_s(&self.grid),
            discontinuity_sequence: breaks_before(&playlist, first),
            start: None,
            hold_back_s: HOLD_BACK_TARGETS * target_duration_s(&self.grid),
            images,
            ended: playlist.lists.ended,
        })
    }

    async fn sprites(&self, entry: &Entry, start_ms: i64, player: Player) -> Result<Images, SessionError> {
        let running = self.running();
        let reach = self.settings.start_over.map_or(0, |right| right.segments);
        // What has left the window leaves in whole runs.
        let oldest = running.saturating_sub(reach).div_ceil(SPRITE_SEGMENTS);
        let since = (self.segment_at(start_ms) / SPRITE_SEGMENTS).max(oldest).min(running / SPRITE_SEGMENTS);
        let from = since.min((running / SPRITE_SEGMENTS).saturating_sub(FEWEST)) * SPRITE_SEGMENTS;
        let from_ms = self.grid.segment_time(from).unix_millis();
        let reload = Reload { start_ms: Some(from_ms), ..Reload::default() };
        let playlist = self.listing(entry, None, reload).await?;
        let ended = playlist.lists.ended;
        let sprites = sprites_of(&playlist.lists.listing.segments, (since, self.past_from(entry)), ended);
        let first = sprites.first().map_or(from, |sprite| sprite.first);
        let shown = self.shown_since(entry, first);
        let one = MediaSegment::video(&self.grid, first, String::new()).duration;
        let own = self.own_of(&entry.token, player);
        let image = |sprite: &Sprite| {
            let Sprite { run, first, segments, gap } = *sprite;
            let uri = self.paths.sprite(&own, &shown.mosaics(first, segments), first);
            let resumed = playlist.lists.resumed;
            MediaSegment {
                number: playlist.numbering.sequence(run * SPRITE_SEGMENTS) / SPRITE_SEGMENTS,
                duration: times(one, segments),
                discontinuity: resumed.is_some_and(|at| (first..first + segments).contains(&at)),
                gap,
                ..MediaSegment::video(&self.grid, first, uri)
            }
        };
        let (width, height) = self.image_size();
        let tiles = Tiles { width, height, columns: SPRITE_COLUMNS, rows: SPRITE_ROWS, duration: one };
        let pictures = self.listing(entry, None, Reload { start_ms: Some(start_ms), ..Reload::default() }).await?;
        Ok(Images {
            tiles: Some(tiles),
            target_duration_s: times(one, SPRITE_SEGMENTS).rounded_s().max(1),
            discontinuity_sequence: breaks_before(&playlist, Some(first)),
            start: self.asked_start(&pictures.lists.listing, start_ms),
            hold_back_s: HOLD_BACK_TARGETS * target_duration_s(&self.grid),
            images: sprites.iter().map(image).collect(),
            ended,
        })
    }

    /// The rendition that images are made of.
    fn smallest(&self) -> Option<&RenditionSpec> {
        let renditions = self.mosaics.renditions();
        renditions.get(smallest(renditions)?)
    }

    fn image_size(&self) -> (u32, u32) {
        self.smallest().map_or((2, 2), image_size)
    }

    fn shown_since(&self, entry: &Entry, first: SegmentNumber) -> Shown {
        let past_from = self.past_from(entry);
        let session = entry.session.lock();
        let nothing_before = session.numbering().newest_break().unwrap_or(0).max(past_from);
        Shown { splices: session.splices_since(first), nothing_before }
    }
}

/// What a session showed from an instant on.
struct Shown {
    splices: Splices,
    /// What is older is another set-up's, or another time's, or may not be shown.
    nothing_before: SegmentNumber,
}

impl Shown {
    fn mosaics(&self, first: SegmentNumber, segments: u64) -> Vec<Option<MosaicId>> {
        let mosaic = |n: SegmentNumber| {
            let mosaic = self.splices.mosaic_at(n).filter(|_| n >= self.nothing_before)?;
            Some(MosaicId(mosaic.clone()))
        };
        (first..first + segments).map(mosaic).collect()
    }
}

/// The sprites that a playlist lists which begins with run `since`, of what the session's others list: those that are whole, and the last one of a session
/// that has ended. There are [`FEWEST`] at least; those before the first with a picture are black, and not gaps, since some players take no playlist of
/// gaps alone. But none begins before `lit`, the oldest segment that may be listed: that has an image of its own, and is all that there is at first.
fn sprites_of(listed: &[Listed], (since, lit): (u64, SegmentNumber), ended: bool) -> Vec<Sprite> {
    let Some(last) = listed.last() else { return Vec::new() };
    let (whole, rest) = ((last.number + 1) / SPRITE_SEGMENTS, (last.number + 1) % SPRITE_SEGMENTS);
    let kept: BTreeSet<u64> = listed.iter().filter(|one| !one.gap).map(|one| one.number / SPRITE_SEGMENTS).collect();
    let last = if ended && rest > 0 { whole } else { whole.saturating_sub(1) };
    let fewest_from = (last + 1).saturating_sub(FEWEST);
    // Where nothing is kept from there on yet, all that is listed stands before it.
    let begins = kept.range(since..).next().copied().unwrap_or(last + 1);
    let sprite = |run: u64| Sprite {
        run,
        first: run * SPRITE_SEGMENTS,
        segments: if run == whole { rest } else { SPRITE_SEGMENTS },
        gap: run > begins && !kept.contains(&run),
    };
    let from = begins.min(fewest_from);
    let cut = lit / SPRITE_SEGMENTS;
    if lit == 0 || from > cut {
        return (from..=last).map(sprite).collect();
    }
    // The run that it is in is cut in two, which take its number and that of the run before it.
    let is_last_of_run = (lit + 1).is_multiple_of(SPRITE_SEGMENTS);
    let alone =
        Sprite { run: if is_last_of_run { cut } else { cut.saturating_sub(1) }, first: lit, segments: 1, gap: false };
    let rest = (cut..=last).map(sprite).map(|one| {
        let first = one.first.max(lit + 1);
        Sprite { first, segments: (one.first + one.segments).saturating_sub(first), ..one }
    });
    std::iter::once(alone).chain(rest.filter(|sprite| sprite.segments > 0)).collect()
}

fn breaks_before(playlist: &Playlist, first: Option<SegmentNumber>) -> u64 {
    first.map_or(0, |first| playlist.numbering.breaks_before(first, playlist.lists.resumed))
}

fn times(one: SegmentDuration, segments: u64) -> SegmentDuration {
    SegmentDuration { ticks: one.ticks * segments, ..one }
}

#[cfg(test)]
#[path = "images_tests.rs"]
mod tests;
