//! The texts of a presentation in its multivariant playlist. Clauses are of RFC 8216 unless "bis" is said.

use std::fmt;

use super::playlist::{is_language_tag, quoted_uri};

pub(super) const TEXT_GROUP: &str = "text";

/// What describes sounds as well as speech, for those who do not hear (bis 4.4.6.1).
const FOR_DEAF: &str = "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound";

/// A rendition of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRendition {
    pub uri: String,
    /// What the viewer reads: any text.
    pub name: String,
    /// RFC 5646 tag; left out of the playlist if it cannot be one.
    pub language: Option<String>,
    /// Whether a player may choose it by itself, by its language.
    pub autoselect: bool,
    /// Whether it is shown where nobody has chosen; such a one is of `autoselect`.
    pub default: bool,
    /// What must be read by everybody (4.3.4.1).
    pub forced: bool,
    /// Whether sounds are described.
    pub for_deaf: bool,
}

impl TextRendition {
    /// `name` is its own, made distinct within the group.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        write!(f, "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"{TEXT_GROUP}\",NAME=\"{name}\"")?;
        if let Some(language) = self.language.as_deref().filter(|l| is_language_tag(l)) {
            write!(f, ",LANGUAGE=\"{language}\"")?;
        }
        let yes_no = |is: bool| if is { "YES" } else { "NO" };
        let (default, autoselect) = (yes_no(self.default), yes_no(self.autoselect));
        write!(f, ",DEFAULT={default},AUTOSELECT={autoselect},FORCED={}", yes_no(self.forced))?;
        if self.for_deaf {
            write!(f, ",CHARACTERISTICS=\"{FOR_DEAF}\"")?;
        }
        writeln!(f, ",URI=\"{}\"", quoted_uri(&self.uri))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hls::playlist::{Multivariant, VideoRange, VideoVariant};

    #[test]
    fn texts_are_a_group_of_their_own_and_nobody_gets_one_unasked() {
        let text = |name: &str, language: Option<&str>, autoselect| TextRendition {
            uri: "text/main-en.m3u8".into(),
            name: name.into(),
            language: language.map(str::to_owned),
            autoselect,
            default: false,
            forced: false,
            for_deaf: autoselect,
        };
        let variant = VideoVariant {
            uri: "v.m3u8".into(),
            key_pictures_uri: "k.m3u8".into(),
            bandwidth_bps: 2,
            average_bandwidth_bps: 1,
            width: 640,
            height: 360,
            fps: "30".parse().unwrap(),
            video_codec: "avc1.640028".into(),
            range: VideoRange::Sdr,
            score: None,
        };
        let texts = vec![
            text("Main (en)", Some("en"), true),
            TextRendition { forced: true, ..text("\"A\"", Some("e\"n"), false) },
            text("Main (en)", None, false),
        ];
        let playlist = Multivariant { renditions: vec![variant], texts, ..Multivariant::default() }.render();
        let media: Vec<&str> = playlist.lines().filter(|line| line.starts_with("#EXT-X-MEDIA")).collect();
        assert_eq!(
            media[0],
            "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"text\",NAME=\"Main (en)\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,\
             CHARACTERISTICS=\"public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound\",\
             URI=\"text/main-en.m3u8\""
        );
        assert!(media[1].contains("NAME=\"'A'\",DEFAULT=NO,AUTOSELECT=NO,FORCED=YES,URI="), "{}", media[1]);
        assert!(media[2].contains("NAME=\"Main (en) (2)\",DEFAULT=NO"), "{}", media[2]);
        assert!(playlist.contains(",VIDEO-RANGE=SDR,SUBTITLES=\"text\",CLOSED-CAPTIONS=NONE\n"), "{playlist}");
    }
}
