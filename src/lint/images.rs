//! What is asked of playlists of images for scrubbing: those of the Image Media Playlist specification (Disney, Roku and WarnerMedia, version 0.4), and what
//! Shaka makes of them, which takes sizes from the multivariant playlist and the layout of the first image for all.

use super::finding::{Findings, Notes};
use super::linter::Linter;
use super::media::{MediaPlaylist, Segment};
use super::multivariant::{Multivariant, Variant};
use super::rules::images as rules;
use super::text::Tag;
use super::track::Track;

/// Durations are rounded, each for itself.
const SLACK_S: f64 = 0.01;
/// A live stream's BANDWIDTH is an estimate.
const LIVE_SLACK: f64 = 1.1;

/// EXT-X-TILES.
#[derive(Clone, Debug, PartialEq)]
pub struct Tiles {
    pub line: u32,
    /// Of one tile, pixels.
    pub size: (u64, u64),
    /// Columns and rows.
    pub layout: (u64, u64),
    pub duration_s: f64,
}

impl Tiles {
    /// `None` where a value cannot be read, which has been noted.
    pub fn read(tag: &Tag) -> Option<Self> {
        let pair = |name: &str| -> Option<(u64, u64)> {
            let (a, b) = tag.text(name)?.split_once('x')?;
            Some((a.parse::<u32>().ok()?.into(), b.parse::<u32>().ok()?.into()))
        };
        let duration_s = tag.seconds("DURATION")?;
        Some(Self { line: tag.line, size: pair("RESOLUTION")?, layout: pair("LAYOUT")?, duration_s })
    }
}

/// A playlist of images by itself.
pub fn check(playlist: &MediaPlaylist, notes: &mut Notes) {
    if let Some(tag) = playlist.tags("EXT-X-MAP").next() {
        notes.add(&rules::MAP, tag.line, "#EXT-X-MAP", "none");
    }
    let mut first: Option<&Tiles> = None;
    for segment in &playlist.segments {
        let Some(tiles) = &segment.tiles else { continue };
        let (columns, rows) = tiles.layout;
        if columns * rows * tiles.size.0 * tiles.size.1 == 0 {
            notes.add(
                &rules::LAYOUT_EMPTY,
                tiles.line,
                format!("{:?} of {:?}", tiles.layout, tiles.size),
                "1 at least",
            );
            continue;
        }
        let all_s = (columns * rows) as f64 * tiles.duration_s;
        if segment.duration_s > all_s + SLACK_S {
            let found = format!("{} s, and {columns}x{rows} tiles of {} s", segment.duration_s, tiles.duration_s);
            notes.add(&rules::TILES_SHORT, segment.line, found, &format!("{all_s} s"));
        }
        let first = *first.get_or_insert(tiles);
        if tiles.layout != first.layout {
            let (was_columns, was_rows) = first.layout;
            let found = format!("{columns}x{rows} after {was_columns}x{was_rows}");
            notes.add(&rules::LAYOUT_CHANGES, tiles.line, found, "the same");
        }
    }
    if !playlist.segments.is_empty() && playlist.segments.iter().all(|segment| segment.gap) {
        notes.add(&rules::GAPS_ALONE, None, "gaps alone", "an image");
    }
}

/// EXT-X-IMAGE-STREAM-INF by itself.
pub fn stream(stream: &Variant, notes: &mut Notes) {
    let codecs = stream.codecs();
    if codecs.is_empty() || codecs.iter().any(|codec| codec.contains('.')) {
        let found = stream.tag.text("CODECS").map_or("no CODECS".to_owned(), |codecs| format!("CODECS={codecs:?}"));
        notes.add(&rules::CODECS, stream.tag.line, found, "jpeg");
    }
    if stream.tag.text("RESOLUTION").is_none() {
        notes.add(&rules::NO_RESOLUTION, stream.tag.line, "no RESOLUTION", "that of a tile");
    }
}

/// What the multivariant playlist and its playlists of images say of each other, and the images that were measured.
pub fn together(multivariant: Option<&Multivariant>, tracks: &[Track], findings: &mut Findings) {
    for stream in multivariant.iter().flat_map(|multivariant| &multivariant.images) {
        let track = tracks.iter().find(|track| track.url == stream.url);
        let Some((track, playlist)) = track.and_then(|track| Some((track, track.playlist.as_ref()?))) else { continue };
        let mut notes = findings.of(&track.uri);
        if !playlist.images_only {
            notes.add(&rules::KIND, None, "no #EXT-X-IMAGES-ONLY", "#EXT-X-IMAGES-ONLY");
        }
        let said = stream.tag.text("RESOLUTION");
        let differs = |tiles: &&Tiles| said.is_some_and(|said| said != format!("{}x{}", tiles.size.0, tiles.size.1));
        if let Some(tiles) = playlist.segments.iter().filter_map(|segment| segment.tiles.as_ref()).find(differs) {
            let found =
                format!("{}x{}, and {} in the multivariant playlist", tiles.size.0, tiles.size.1, said.unwrap_or(""));
            notes.add(&rules::RESOLUTION_DIFFERS, tiles.line, found, "the same");
        }
        if let Some((said, peak)) = stream.bandwidth_bps().zip(track.peak_bps())
            && peak > said as f64 * if track.lives() { LIVE_SLACK } else { 1.0 }
        {
            let found = format!("{peak:.0} b/s at peak, BANDWIDTH={said}");
            notes.add(&rules::BANDWIDTH, stream.tag.line, found, "the peak or more");
        }
    }
}

impl Linter<'_> {
    /// Loads an image and looks at it.
    pub(super) fn image(&mut self, index: usize, segment: &Segment) {
        let Some(answer) = self.resource(index, segment.line, &segment.url, segment.range) else { return };
        self.tracks[index].measure(segment.sequence, answer.body.len(), segment.duration_s);
        if answer.too_large || answer.truncated {
            return;
        }
        let uri = self.tracks[index].uri.clone();
        let mut of_playlist = self.findings.of(&uri);
        let mut notes = of_playlist.about(segment.url.as_str());
        let bytes = &answer.body[..];
        if !is_image(bytes) {
            let head: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            let found = format!("{} bytes that begin with {}", bytes.len(), head.join(" "));
            notes.add(&rules::FORMAT, segment.line, found, "JPEG, PNG, GIF, WebP or AVIF");
            return;
        }
        let Some((tiles, (width, height))) = segment.tiles.as_ref().zip(jpeg_size(bytes)) else { return };
        let meant = (tiles.size.0 * tiles.layout.0, tiles.size.1 * tiles.layout.1);
        if (width, height) != meant {
            notes.add(&rules::SIZE, segment.line, format!("{width}x{height}"), &format!("{}x{}", meant.0, meant.1));
        }
    }
}

/// By its first bytes.
fn is_image(bytes: &[u8]) -> bool {
    let at = |place: usize, wanted: &[u8]| bytes.get(place..place + wanted.len()) == Some(wanted);
    at(0, b"\xff\xd8\xff")
        || at(0, b"\x89PNG\r\n\x1a\n")
        || at(0, b"GIF8")
        || (at(0, b"RIFF") && at(8, b"WEBP"))
        || at(4, b"ftypavif")
}

/// Width and height of a JPEG (ITU-T T.81, B.2.2): they stand in its frame header.
fn jpeg_size(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut rest = bytes.strip_prefix(b"\xff\xd8")?;
    loop {
        let ([0xff, marker], after) = rest.split_first_chunk::<2>()? else { return None };
        let (length, _) = after.split_first_chunk::<2>()?;
        let segment = after.get(..usize::from(u16::from_be_bytes(*length)))?;
        // SOF0 to SOF15, less DHT, JPG and DAC, which have numbers among them.
        if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
            let [a, b, c, d] = *segment.get(3..)?.first_chunk::<4>()?;
            return Some((u16::from_be_bytes([c, d]).into(), u16::from_be_bytes([a, b]).into()));
        }
        rest = after.get(segment.len().max(2)..)?;
    }
}
