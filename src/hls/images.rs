//! Playlists of images for scrubbing, after the Image Media Playlist specification of Disney, Roku and WarnerMedia (version 0.4). RFC 8216 knows nothing of
//! them, and asks players to pass over what they do not know (6.3.1).

use std::fmt;
use std::time::Duration;

use super::playlist::{MediaSegment, SegmentDuration, line_uri, quoted_uri};

/// Images may be left out by EXT-X-GAP (bis 8).
const VERSION: u8 = 8;

/// An EXT-X-IMAGE-STREAM-INF line of a multivariant playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageStream {
    pub uri: String,
    /// Peak, in bits per second.
    pub bandwidth_bps: u32,
    /// Of a tile, or of an image without tiles; pixels.
    pub width: u32,
    pub height: u32,
}

impl fmt::Display for ImageStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { uri, bandwidth_bps, width, height } = self;
        let uri = quoted_uri(uri);
        writeln!(
            f,
            "#EXT-X-IMAGE-STREAM-INF:BANDWIDTH={bandwidth_bps},RESOLUTION={width}x{height},CODECS=\"jpeg\",URI=\"{uri}\""
        )
    }
}

/// How each image of a playlist is made of tiles: in reading order, those behind its last one empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Of one tile, pixels.
    pub width: u32,
    pub height: u32,
    pub columns: u32,
    pub rows: u32,
    /// For how long one tile stands.
    pub duration: SegmentDuration,
}

/// A playlist of images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Images {
    /// Of every image; `None`: each is one picture.
    pub tiles: Option<Tiles>,
    pub target_duration_s: u32,
    /// Discontinuities that have left the window since the playlist began.
    pub discontinuity_sequence: u64,
    /// Where players begin, from the first segment of pictures on; `None`: near the end, or at the beginning of an ended one.
    pub start: Option<Duration>,
    /// How far from the end players begin otherwise.
    pub hold_back_s: u32,
    /// In order, without a hole. Their numbers are the media sequence numbers.
    pub images: Vec<MediaSegment>,
    pub ended: bool,
}

impl Images {
    pub fn render(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Images {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target = self.target_duration_s;
        write!(f, "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n")?;
        writeln!(f, "#EXT-X-MEDIA-SEQUENCE:{}", self.images.first().map_or(0, |image| image.number))?;
        if self.discontinuity_sequence > 0 || self.images.iter().any(|image| image.discontinuity) {
            writeln!(f, "#EXT-X-DISCONTINUITY-SEQUENCE:{}", self.discontinuity_sequence)?;
        }
        f.write_str("#EXT-X-IMAGES-ONLY\n")?;
        // Shaka takes where to begin from the first playlist that it reads, which is this one, and counts from where its pictures begin.
        match self.start {
            Some(start) => writeln!(f, "#EXT-X-START:TIME-OFFSET={:.3},PRECISE=YES", start.as_secs_f64())?,
            None if self.ended => {}
            None => writeln!(f, "#EXT-X-START:TIME-OFFSET=-{}.0", self.hold_back_s)?,
        }
        for image in &self.images {
            if image.discontinuity {
                f.write_str("#EXT-X-DISCONTINUITY\n")?;
            }
            writeln!(f, "#EXT-X-PROGRAM-DATE-TIME:{}", image.program_date_time)?;
            if image.gap {
                f.write_str("#EXT-X-GAP\n")?;
            }
            if let Some(Tiles { width, height, columns, rows, duration }) = self.tiles {
                writeln!(f, "#EXT-X-TILES:RESOLUTION={width}x{height},LAYOUT={columns}x{rows},DURATION={duration}")?;
            }
            writeln!(f, "#EXTINF:{},\n{}", image.duration, line_uri(&image.uri))?;
        }
        if self.ended { f.write_str("#EXT-X-ENDLIST\n") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timeline::MediaTime;

    const SECOND: SegmentDuration = SegmentDuration { ticks: 30, timescale: 30 };

    fn image(number: u64) -> MediaSegment {
        MediaSegment {
            number,
            uri: format!("{number}.jpg"),
            duration: SegmentDuration { ticks: 60, ..SECOND },
            program_date_time: MediaTime::from_secs(2 * number),
            discontinuity: number == 8,
            gap: number == 9,
            new_map_uri: None,
            parts: Vec::new(),
        }
    }

    #[test]
    fn every_sprite_says_what_it_is_made_of() {
        let tiles = Tiles { width: 320, height: 180, columns: 2, rows: 1, duration: SECOND };
        let playlist = Images {
            tiles: Some(tiles),
            target_duration_s: 2,
            discontinuity_sequence: 0,
            start: Some(Duration::from_millis(1500)),
            hold_back_s: 6,
            images: (7..10).map(image).collect(),
            ended: true,
        };
        let tiles = "#EXT-X-TILES:RESOLUTION=320x180,LAYOUT=2x1,DURATION=1.000000\n#EXTINF:2.000000,\n";
        let date = "#EXT-X-PROGRAM-DATE-TIME:2024-01-01T00:00";
        assert_eq!(
            playlist.render(),
            format!(
                "#EXTM3U\n#EXT-X-VERSION:8\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:0\n\
                 #EXT-X-IMAGES-ONLY\n#EXT-X-START:TIME-OFFSET=1.500,PRECISE=YES\n\
                 {date}:14.000Z\n{tiles}7.jpg\n#EXT-X-DISCONTINUITY\n{date}:16.000Z\n{tiles}8.jpg\n\
                 {date}:18.000Z\n#EXT-X-GAP\n{tiles}9.jpg\n#EXT-X-ENDLIST\n"
            )
        );
        let single = Images { tiles: None, start: None, images: vec![image(7)], ended: false, ..playlist };
        let text = single.render();
        assert!(!text.contains("TILES") && text.contains("#EXT-X-START:TIME-OFFSET=-6.0\n"), "{text}");
    }

    #[test]
    fn an_address_cannot_break_out_of_its_line() {
        let stream = ImageStream { uri: "a\"\nb.m3u8".into(), bandwidth_bps: 9, width: 2, height: 3 };
        assert_eq!(
            stream.to_string(),
            "#EXT-X-IMAGE-STREAM-INF:BANDWIDTH=9,RESOLUTION=2x3,CODECS=\"jpeg\",URI=\"a%22%0Ab.m3u8\"\n"
        );
    }
}
