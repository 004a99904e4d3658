//! The renditions of the picture in a multivariant playlist. Clauses are of RFC 8216 unless "bis" is said.

use std::fmt;

use super::playlist::{line_uri, quoted, quoted_uri};
use super::texts::TEXT_GROUP;
use crate::timeline::Fps;

/// How light stands in pictures (bis 4.4.6.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum VideoRange {
    #[default]
    Sdr,
    Pq,
    Hlg,
}

impl fmt::Display for VideoRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sdr => "SDR",
            Self::Pq => "PQ",
            Self::Hlg => "HLG",
        })
    }
}

/// One rung of the ladder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoVariant {
    pub uri: String,
    /// Of the playlist of the pictures that open its segments.
    pub key_pictures_uri: String,
    /// Peak over any segment, picture and sound, in bits per second (4.3.4.2); see [`peak_bandwidth_bps`](super::playlist::peak_bandwidth_bps).
    pub bandwidth_bps: u32,
    /// The same on average.
    pub average_bandwidth_bps: u32,
    /// Picture size in pixels.
    pub width: u32,
    pub height: u32,
    pub fps: Fps,
    /// RFC 6381 string of the picture alone, `avc1.640028`; the sound's is added.
    pub video_codec: String,
    pub range: VideoRange,
    /// How good it looks beside the others (bis 4.4.6.2): of those that a player can decode it takes the highest. All have one, or none has.
    pub score: Option<u32>,
}

impl VideoVariant {
    /// `sound` is its codec and its group.
    pub(super) fn write(
        &self,
        f: &mut fmt::Formatter<'_>,
        sound: Option<(&str, &str)>,
        with_text: bool,
    ) -> fmt::Result {
        let Self { bandwidth_bps, average_bandwidth_bps, width, height, .. } = self;
        write!(f, "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth_bps},AVERAGE-BANDWIDTH={average_bandwidth_bps}")?;
        write!(f, ",CODECS=\"{}", quoted(&self.video_codec))?;
        if let Some((codec, _)) = sound {
            write!(f, ",{}", quoted(codec))?;
        }
        // 4.3.4.2: FRAME-RATE is rounded to three decimal places.
        let (num, den) = (u64::from(self.fps.num()), u64::from(self.fps.den()));
        let millihertz = (num * 1000 + den / 2) / den;
        write!(f, "\",RESOLUTION={width}x{height},FRAME-RATE={}.{:03}", millihertz / 1000, millihertz % 1000)?;
        write!(f, ",VIDEO-RANGE={}", self.range)?;
        self.write_score(f)?;
        if let Some((_, group)) = sound {
            write!(f, ",AUDIO=\"{group}\"")?;
        }
        if with_text {
            write!(f, ",SUBTITLES=\"{TEXT_GROUP}\"")?;
        }
        writeln!(f, ",CLOSED-CAPTIONS=NONE\n{}", line_uri(&self.uri))
    }

    /// 4.3.4.3. What opens a segment is no larger than the segment.
    pub(super) fn write_key_pictures(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bandwidth_bps, width, height, .. } = self;
        write!(f, "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={bandwidth_bps},CODECS=\"{}\"", quoted(&self.video_codec))?;
        let uri = quoted_uri(&self.key_pictures_uri);
        write!(f, ",RESOLUTION={width}x{height},VIDEO-RANGE={}", self.range)?;
        self.write_score(f)?;
        writeln!(f, ",URI=\"{uri}\"")
    }

    fn write_score(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.score.map_or(Ok(()), |score| write!(f, ",SCORE={score}"))
    }
}
