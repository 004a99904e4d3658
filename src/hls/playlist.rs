//! Playlists as data, rendered purely. Clauses are of RFC 8216 unless "bis" (draft-pantos-hls-rfc8216bis) is said.
//!
//! Strings that come from operators (titles, languages) are made harmless here: a playlist is always well-formed.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt::{self, Write};
use std::time::Duration;

pub use super::as_came::AsCame;
use super::texts::TextRendition;
pub use super::variant::{VideoRange, VideoVariant};
pub(super) use crate::cues::daterange::quoted;
use crate::package::AUDIO_CODEC;
use crate::timeline::{AAC_FRAME_SAMPLES, Grid, MediaTime, PartNumber, SAMPLE_RATE_HZ, SegmentNumber};

/// The MIME type of every playlist (4).
pub const CONTENT_TYPE: &str = "application/vnd.apple.mpegurl";

/// EXT-X-MAP without EXT-X-I-FRAMES-ONLY asks for version 6 (7).
const VERSION: u8 = 6;
/// EXT-X-GAP is of bis, whose first version is 8. Said only where it is needed: old boxes refuse what they don't know.
const VERSION_WITH_GAP: u8 = 8;
/// EXT-X-SKIP asks for version 9 (bis 8): only clients that asked for it get it.
const VERSION_WITH_SKIP: u8 = 9;

/// Whole segments at a playlist's end whose parts are listed, too. Older parts serve nobody: no client begins there (bis 4.4.4.9).
const SEGMENTS_WITH_PARTS: usize = 2;

const AUDIO_GROUP: &str = "sound";

/// A multivariant playlist: every rendition of the picture, and the sound of every game.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Multivariant {
    /// Best first: players without a measurement begin with the first.
    pub renditions: Vec<VideoVariant>,
    pub audio: Vec<AudioRendition>,
    pub texts: Vec<TextRendition>,
    /// What is listed of each rendition once more, with another sound.
    pub as_came: Option<AsCame>,
    /// What the sounds of the first group have, bits per second.
    pub audio_bitrate_bps: u32,
}

/// The sound of one game.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioRendition {
    pub uri: String,
    /// What the viewer reads: the game's title, any text.
    pub name: String,
    /// RFC 5646 tag; left out of the playlist if it cannot be one.
    pub language: Option<String>,
    /// The session's choice. Of several, the first counts.
    pub default: bool,
    /// What it is for beside being heard (4.3.4.1), as `public.accessibility.describes-video`.
    pub characteristics: Option<&'static str>,
}

/// The most bits per second that any segment can hold: `video_bitrate_bps` is the rate the encoder's buffer drains at, and
/// a full buffer of `vbv_buffer_bits` may come on top of it within one segment. Sound and box headers are counted in.
pub fn peak_bandwidth_bps(grid: &Grid, video_bitrate_bps: u32, vbv_buffer_bits: u32, audio_bitrate_bps: u32) -> u32 {
    // 12 bytes a sample and some 200 a segment, for both tracks, doubled.
    let overhead_bits = u64::from(grid.segment_frames()) * 12 * 16 + 200 * 16;
    let burst_bits = u64::from(vbv_buffer_bits) + overhead_bits;
    let burst_bps =
        burst_bits * u64::from(grid.fps().num()) / (u64::from(grid.segment_frames()) * u64::from(grid.fps().den()));
    // The AAC encoder's rate is held over a reservoir, not over a frame: a tenth of room.
    let audio_bps = u64::from(audio_bitrate_bps) * 11 / 10;
    u32::try_from(u64::from(video_bitrate_bps) + burst_bps + audio_bps).unwrap_or(u32::MAX)
}

impl Multivariant {
    pub fn render(&self) -> String {
        self.to_string()
    }

    /// All that it names lies under `prefix`, as seen from where it stands.
    pub fn lie_under(&mut self, prefix: &str) {
        let renditions = self.renditions.iter_mut().flat_map(|its| [&mut its.uri, &mut its.key_pictures_uri]);
        let audio = self.audio.iter_mut().map(|its| &mut its.uri).chain(self.as_came.as_mut().map(|its| &mut its.uri));
        let texts = self.texts.iter_mut().map(|its| &mut its.uri);
        renditions.chain(audio).chain(texts).for_each(|uri| uri.insert_str(0, prefix));
    }
}

impl fmt::Display for Multivariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n")?;
        let names = distinct_names(self.audio.iter().map(|a| a.name.as_str()));
        // 4.3.4.1.1: a group has at most one member with DEFAULT=YES.
        let default = self.audio.iter().position(|a| a.default);
        for (i, (audio, name)) in self.audio.iter().zip(&names).enumerate() {
            write!(f, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{AUDIO_GROUP}\",NAME=\"{name}\"")?;
            if let Some(language) = audio.language.as_deref().filter(|l| is_language_tag(l)) {
                write!(f, ",LANGUAGE=\"{language}\"")?;
            }
            // 4.3.4.1: AUTOSELECT must be YES where DEFAULT is. Nowhere else: a player that picks by language would else
            // pick another game's commentary.
            let yes_no = if default == Some(i) { "YES" } else { "NO" };
            write!(f, ",DEFAULT={yes_no},AUTOSELECT={yes_no}")?;
            if let Some(characteristics) = audio.characteristics {
                write!(f, ",CHARACTERISTICS=\"{characteristics}\"")?;
            }
            writeln!(f, ",CHANNELS=\"2\",URI=\"{}\"", quoted_uri(&audio.uri))?;
        }
        let names = distinct_names(self.texts.iter().map(|text| text.name.as_str()));
        self.texts.iter().zip(&names).try_for_each(|(text, name)| text.write(f, name))?;
        if let Some(came) = &self.as_came {
            came.write(f)?;
        }
        let sound = (!self.audio.is_empty()).then_some((AUDIO_CODEC, AUDIO_GROUP));
        let with_text = !self.texts.is_empty();
        self.renditions.iter().try_for_each(|variant| variant.write(f, sound, with_text))?;
        if let Some(came) = &self.as_came {
            came.write_variants(f, &self.renditions, self.audio_bitrate_bps, with_text)?;
        }
        self.renditions.iter().try_for_each(|variant| variant.write_key_pictures(f))
    }
}

/// A media playlist: the listed segments of one rendition or one game's sound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// The same number over the playlist's whole life and in every playlist of a session: [`target_duration_s`].
    pub target_duration_s: u32,
    /// The init segment of the first listed segment; text has none.
    pub map_uri: Option<String>,
    /// In order. Their numbers are the media sequence numbers, so a playlist has no hole: of segments with a hole between
    /// them, only those after the last hole are rendered.
    pub segments: Vec<MediaSegment>,
    /// No segment will ever be added.
    pub ended: bool,
    /// Discontinuities that have left the window since the playlist began (4.3.3.3).
    pub discontinuity_sequence: u64,
    /// Where players begin, from the first segment on, where a client asked for that; `None`: near the end, or at the beginning of an ended one.
    pub start: Option<Duration>,
    /// Whole EXT-X-DATERANGE lines (bis 4.4.5.1), without their ends.
    pub date_ranges: Vec<String>,
    /// Whether its segments are single pictures, each shown until the next (4.3.3.6).
    pub key_pictures: bool,
    /// Whether delta updates are offered: the same over the playlist's whole life (bis 4.4.3.8).
    pub can_skip: bool,
    /// Whether the client asked for one (bis 6.2.5.1) and gets it.
    pub skips: bool,
    /// What is for clients that follow closely; `None` for others.
    pub low_latency: Option<LowLatency>,
}

/// The tags of bis, section 4.4, for clients that follow closely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowLatency {
    /// Longer than any part, and the same over the playlist's whole life (bis 4.4.3.7): [`part_target`].
    pub part_target: SegmentDuration,
    /// What comes after the last whole segment; `None` where nothing does any more.
    pub coming: Option<Coming>,
}

/// What comes after the last whole segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coming {
    /// The parts that are there, and when they begin.
    pub running: Vec<Part>,
    pub running_begins: MediaTime,
    /// The part that comes next.
    pub hint_uri: String,
    /// The session's other playlists, all of which have come as far.
    pub report_uris: Vec<String>,
    /// How far that is: a media sequence number and a part.
    pub come_to: (u64, PartNumber),
}

/// A part of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    pub uri: String,
    pub duration: SegmentDuration,
    /// It begins with a picture or sample that needs no other.
    pub independent: bool,
}

/// One entry of a media playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaSegment {
    pub number: SegmentNumber,
    pub uri: String,
    /// Exact length: ticks over ticks per second.
    pub duration: SegmentDuration,
    /// The instant of its first picture or sample.
    pub program_date_time: MediaTime,
    pub discontinuity: bool,
    /// There are no bytes for it; a player must not ask.
    pub gap: bool,
    /// The init segment from here on, where it differs from the one before.
    pub new_map_uri: Option<String>,
    /// Its parts, which are rendered near the playlist's end alone.
    pub parts: Vec<Part>,
}

/// A length as an exact fraction of a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentDuration {
    pub ticks: u64,
    /// Ticks per second, not 0.
    pub timescale: u32,
}

impl SegmentDuration {
    fn as_secs(self) -> f64 {
        self.ticks as f64 / f64::from(self.timescale.max(1))
    }

    fn micros_up(self) -> u128 {
        (u128::from(self.ticks) * 1_000_000).div_ceil(u128::from(self.timescale.max(1)))
    }

    /// Rounded to the nearest.
    fn micros(self) -> u128 {
        let timescale = u128::from(self.timescale.max(1));
        (u128::from(self.ticks) * 1_000_000 + timescale / 2) / timescale
    }

    /// Seconds, rounded to the nearest: what 4.3.3.1 compares with the target duration.
    pub fn rounded_s(self) -> u32 {
        let timescale = u64::from(self.timescale.max(1));
        u32::try_from((self.ticks + timescale / 2) / timescale).unwrap_or(u32::MAX)
    }
}

/// Seconds with six decimals, rounded to the nearest microsecond.
impl fmt::Display for SegmentDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Seconds { micros: self.micros() }.fmt(f)
    }
}

struct Seconds {
    micros: u128,
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.micros / 1_000_000, self.micros % 1_000_000)
    }
}

impl MediaSegment {
    /// Segment `n` of a rendition.
    pub fn video(grid: &Grid, n: SegmentNumber, uri: String) -> Self {
        let ticks = u64::from(grid.segment_frames()) * u64::from(grid.frame_ticks());
        Self::plain(n, uri, SegmentDuration { ticks, timescale: grid.video_timescale() }, grid.segment_time(n))
    }

    /// Segment `n` of a game's sound: as long as its AAC frames are, from the instant of its first sample.
    pub fn audio(grid: &Grid, n: SegmentNumber, uri: String) -> Self {
        let (first, end) = (grid.first_aac_frame(n), grid.first_aac_frame(n + 1));
        let duration = SegmentDuration { ticks: (end - first) * AAC_FRAME_SAMPLES, timescale: SAMPLE_RATE_HZ };
        Self::plain(n, uri, duration, MediaTime::of_sample(first * AAC_FRAME_SAMPLES))
    }

    /// The same of a sound as it came, whose frames have `frame_samples`.
    pub fn coded(grid: &Grid, n: SegmentNumber, frame_samples: u64, uri: String) -> Self {
        let (first, end) = (grid.first_coded_frame(n, frame_samples), grid.first_coded_frame(n + 1, frame_samples));
        let duration = SegmentDuration { ticks: (end - first) * frame_samples, timescale: SAMPLE_RATE_HZ };
        Self::plain(n, uri, duration, MediaTime::of_sample(first * frame_samples))
    }

    fn plain(number: SegmentNumber, uri: String, duration: SegmentDuration, program_date_time: MediaTime) -> Self {
        Self {
            number,
            uri,
            duration,
            program_date_time,
            discontinuity: false,
            gap: false,
            new_map_uri: None,
            parts: Vec::new(),
        }
    }
}

/// The target duration of every media playlist on this grid, picture and sound alike (bis 6.2.4 wants them equal): the
/// longest segment there can be, rounded. A sound segment is less than one AAC frame longer than the grid's.
pub fn target_duration_s(grid: &Grid) -> u32 {
    let (num, den) = (u64::from(grid.fps().num()), u64::from(grid.fps().den()));
    let samples = (u64::from(grid.segment_frames()) * den * u64::from(SAMPLE_RATE_HZ)).div_ceil(num);
    let longest = SegmentDuration { ticks: samples + AAC_FRAME_SAMPLES - 1, timescale: SAMPLE_RATE_HZ };
    longest.rounded_s().max(1)
}

/// The part target of every media playlist on this grid, picture and sound alike: the longest part there can be. A part of sound is less
/// than one AAC frame longer than the grid's.
pub fn part_target(grid: &Grid) -> SegmentDuration {
    let (num, den) = (u64::from(grid.fps().num()), u64::from(grid.fps().den()));
    let samples = (u64::from(grid.part_frames()) * den * u64::from(SAMPLE_RATE_HZ)).div_ceil(num);
    SegmentDuration { ticks: (samples.div_ceil(AAC_FRAME_SAMPLES)) * AAC_FRAME_SAMPLES, timescale: SAMPLE_RATE_HZ }
}

/// The length of part `part` of every segment of pictures.
pub fn video_part_duration(grid: &Grid, part: PartNumber) -> SegmentDuration {
    let ticks = grid.part_pictures(part).len() as u64 * u64::from(grid.frame_ticks());
    SegmentDuration { ticks, timescale: grid.video_timescale() }
}

/// The length of part `part` of segment `n` of sound.
pub fn audio_part_duration(grid: &Grid, n: SegmentNumber, part: PartNumber) -> SegmentDuration {
    let frames = grid.part_aac_frames(n, part);
    SegmentDuration { ticks: (frames.end - frames.start) * AAC_FRAME_SAMPLES, timescale: SAMPLE_RATE_HZ }
}

/// Target durations from the end that players stay: the fewest that are allowed (bis 4.4.3.8).
pub(crate) const HOLD_BACK_TARGETS: u32 = 3;

/// Target durations from the end that a delta update may begin at: the fewest that are allowed (bis 4.4.3.8).
const SKIP_UNTIL_TARGETS: u32 = 6;

impl Media {
    pub fn render(&self) -> String {
        self.to_string()
    }

    /// The segments after the last hole in the numbers.
    fn unbroken(&self) -> &[MediaSegment] {
        let hole = self.segments.windows(2).rposition(|pair| pair[0].number + 1 != pair[1].number);
        &self.segments[hole.map_or(0, |at| at + 1)..]
    }

    /// Segments at the front that a delta update leaves out: those that lie further than the skip boundary from the end.
    fn skipped(&self, segments: &[MediaSegment], target_s: u32) -> usize {
        if !(self.can_skip && self.skips) {
            return 0;
        }
        let boundary_s = f64::from(SKIP_UNTIL_TARGETS * target_s);
        let mut from_end_s = 0.0;
        let near = segments.iter().rev().take_while(|segment| {
            from_end_s += segment.duration.as_secs();
            from_end_s <= boundary_s
        });
        segments.len() - near.count()
    }

    /// How far from the end players are to stay, and how they may ask. The same over the playlist's whole life: AVPlayer gives up on one where it
    /// is not.
    fn write_control(&self, f: &mut fmt::Formatter<'_>, target_s: u32) -> fmt::Result {
        // bis 4.4.3.8: HOLD-BACK is at least three target durations, PART-HOLD-BACK should be three part targets at least.
        let hold_back = HOLD_BACK_TARGETS * target_s;
        let until = SKIP_UNTIL_TARGETS * target_s;
        let Some(low) = &self.low_latency else {
            // Where nothing is said HOLD-BACK is the same three target durations, and parsers take the tag for low latency: it stands where it
            // spares a client hours of lines alone.
            return if self.can_skip { writeln!(f, "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL={until}.0") } else { Ok(()) };
        };
        // Rounded up: a part may end a microsecond later than it is long.
        let part_target = Seconds { micros: low.part_target.micros_up() };
        let part_hold_back = Seconds { micros: 3 * part_target.micros };
        writeln!(
            f,
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={until}.0,HOLD-BACK={hold_back}.0,PART-HOLD-BACK={part_hold_back}"
        )?;
        writeln!(f, "#EXT-X-PART-INF:PART-TARGET={part_target}")
    }

    /// Where players begin (4.3.5.2): where the client asked for, or else, for those that do not know of hold-backs, near the end. Those that follow
    /// closely know, and an ended playlist is played from its beginning.
    fn write_start(&self, f: &mut fmt::Formatter<'_>, target_s: u32) -> fmt::Result {
        if let Some(start) = self.start {
            return writeln!(f, "#EXT-X-START:TIME-OFFSET={:.3},PRECISE=YES", start.as_secs_f64());
        }
        if self.ended || self.low_latency.is_some() {
            return Ok(());
        }
        writeln!(f, "#EXT-X-START:TIME-OFFSET=-{}.0", HOLD_BACK_TARGETS * target_s)
    }

    /// What comes after the last whole segment.
    fn write_coming(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(coming) = self.low_latency.as_ref().and_then(|low| low.coming.as_ref()) else { return Ok(()) };
        if !coming.running.is_empty() {
            writeln!(f, "#EXT-X-PROGRAM-DATE-TIME:{}", coming.running_begins)?;
        }
        write_parts(f, &coming.running)?;
        writeln!(f, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{}\"", quoted_uri(&coming.hint_uri))?;
        let (last_msn, last_part) = coming.come_to;
        for uri in &coming.report_uris {
            let uri = quoted_uri(uri);
            writeln!(f, "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={last_msn},LAST-PART={last_part}")?;
        }
        Ok(())
    }

    /// The init segment of the first segment of `unbroken`, which may have changed before it.
    fn first_map(&self, unbroken: &[MediaSegment]) -> Option<&str> {
        let before = &self.segments[..self.segments.len() - unbroken.len()];
        before.iter().rev().find_map(|s| s.new_map_uri.as_deref()).or(self.map_uri.as_deref())
    }
}

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let segments = self.unbroken();
        // 4.3.3.1: no segment's duration, rounded, is above the target duration.
        let longest = segments.iter().map(|s| s.duration.rounded_s()).max().unwrap_or(0);
        let target = self.target_duration_s.max(longest);
        let skipped = self.skipped(segments, target);
        let version = match segments.iter().any(|s| s.gap) {
            _ if skipped > 0 => VERSION_WITH_SKIP,
            true => VERSION_WITH_GAP,
            false => VERSION,
        };
        write!(f, "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{target}\n")?;
        self.write_control(f, target)?;
        writeln!(f, "#EXT-X-MEDIA-SEQUENCE:{}", segments.first().map_or(0, |s| s.number))?;
        // 4.3.3.3: before the first segment, and before any EXT-X-DISCONTINUITY.
        let left_out = &self.segments[..self.segments.len() - segments.len()];
        let left = self.discontinuity_sequence + left_out.iter().filter(|s| s.discontinuity).count() as u64;
        if left > 0 || segments.iter().any(|s| s.discontinuity) {
            writeln!(f, "#EXT-X-DISCONTINUITY-SEQUENCE:{left}")?;
        }
        f.write_str("#EXT-X-INDEPENDENT-SEGMENTS\n")?;
        if self.key_pictures {
            f.write_str("#EXT-X-I-FRAMES-ONLY\n")?;
        }
        self.write_start(f, target)?;
        if skipped > 0 {
            writeln!(f, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")?;
        }
        self.date_ranges.iter().try_for_each(|line| writeln!(f, "{line}"))?;
        let mut map = self.first_map(segments);
        let with_parts = segments.len().saturating_sub(SEGMENTS_WITH_PARTS);
        for (i, segment) in segments.iter().enumerate() {
            if i < skipped {
                map = segment.new_map_uri.as_deref().or(map);
                continue;
            }
            if segment.discontinuity {
                f.write_str("#EXT-X-DISCONTINUITY\n")?;
            }
            let new_map = segment.new_map_uri.as_deref().filter(|new| Some(*new) != map);
            map = new_map.or(map);
            if let Some(map) = map.filter(|_| i == skipped || new_map.is_some()) {
                writeln!(f, "#EXT-X-MAP:URI=\"{}\"", quoted_uri(map))?;
            }
            segment.write(f, i >= with_parts)?;
        }
        self.write_coming(f)?;
        // 4.3.3.4: nothing follows.
        if self.ended { f.write_str("#EXT-X-ENDLIST\n") } else { Ok(()) }
    }
}

impl MediaSegment {
    fn write(&self, f: &mut fmt::Formatter<'_>, with_parts: bool) -> fmt::Result {
        writeln!(f, "#EXT-X-PROGRAM-DATE-TIME:{}", self.program_date_time)?;
        if self.gap {
            f.write_str("#EXT-X-GAP\n")?;
        }
        if with_parts {
            write_parts(f, &self.parts)?;
        }
        writeln!(f, "#EXTINF:{},\n{}", self.duration, line_uri(&self.uri))
    }
}

/// The parts of a segment, from its first one on. Durations add up: each ends at the microsecond nearest to where it ends, so that a player that
/// adds them is where the segment ends. One that finds a difference (Shaka) resets its decoder there.
fn write_parts(f: &mut fmt::Formatter<'_>, parts: &[Part]) -> fmt::Result {
    let mut ticks = 0;
    for part in parts {
        let begins = SegmentDuration { ticks, ..part.duration }.micros();
        ticks += part.duration.ticks;
        let micros = SegmentDuration { ticks, ..part.duration }.micros() - begins;
        let independent = if part.independent { ",INDEPENDENT=YES" } else { "" };
        let uri = quoted_uri(&part.uri);
        writeln!(f, "#EXT-X-PART:DURATION={},URI=\"{uri}\"{independent}", Seconds { micros })?;
    }
    Ok(())
}

/// A URI for a quoted string: what cannot stand in a URI (RFC 3986, 2) or in a quoted string is percent-encoded.
pub(super) fn quoted_uri(uri: &str) -> Cow<'_, str> {
    let good =
        |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}');
    if uri.bytes().all(good) {
        return Cow::Borrowed(uri);
    }
    let mut out = String::with_capacity(uri.len() + 16);
    for b in uri.bytes() {
        if good(b) {
            out.push(char::from(b));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{b:02X}");
        }
    }
    Cow::Owned(out)
}

/// A URI for a line of its own: 4.1 takes a line that begins with `#` for a comment or a tag.
pub(super) fn line_uri(uri: &str) -> Cow<'_, str> {
    match quoted_uri(uri) {
        uri if uri.starts_with('#') => Cow::Owned(format!("./{uri}")),
        uri => uri,
    }
}

pub(super) fn is_language_tag(tag: &str) -> bool {
    tag.len() <= 35
        && tag.split('-').all(|part| (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_alphanumeric()))
}

/// 4.3.4.1.1: the members of a group have different names. A name that came before gets a number.
pub(super) fn distinct_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut taken = HashSet::new();
    names
        .map(|name| {
            let name = quoted(name.trim());
            let name = if name.trim().is_empty() { Cow::Borrowed("Sound") } else { name };
            let mut distinct = name.to_string();
            let mut copy = 1;
            while !taken.insert(distinct.clone()) {
                copy += 1;
                distinct = format!("{name} ({copy})");
            }
            distinct
        })
        .collect()
}

#[cfg(test)]
#[path = "playlist_tests.rs"]
mod tests;
