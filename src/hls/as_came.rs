//! The second group of a multivariant playlist: a sound as its source codes it, and the renditions listed once more with it. Clauses are of RFC 8216
//! unless "bis" is said.

use std::fmt;

use super::playlist::{VideoVariant, distinct_names, is_language_tag, quoted, quoted_uri};

/// Players show it to viewers.
const GROUP: &str = "sound as it came";

/// A sound as its source codes it, in a group of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsCame {
    pub uri: String,
    pub name: String,
    pub language: Option<String>,
    /// RFC 6381.
    pub codec: String,
    /// As bis 4.4.6.1 has them: `6`, `16/JOC`.
    pub channels: String,
    pub bitrate_bps: u32,
}

impl AsCame {
    /// Alone in its group: AUTOSELECT must be YES where DEFAULT is (4.3.4.1).
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = distinct_names([self.name.as_str()].into_iter()).pop().unwrap_or_default();
        write!(f, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{GROUP}\",NAME=\"{name}\"")?;
        if let Some(language) = self.language.as_deref().filter(|l| is_language_tag(l)) {
            write!(f, ",LANGUAGE=\"{language}\"")?;
        }
        let (channels, uri) = (quoted(&self.channels), quoted_uri(&self.uri));
        writeln!(f, ",DEFAULT=YES,AUTOSELECT=YES,CHANNELS=\"{channels}\",URI=\"{uri}\"")
    }

    /// `variants` once more with this sound, after all others: who chooses by codecs finds them, and who takes what comes first can play it. Theirs has
    /// `audio_bitrate_bps`.
    pub(super) fn write_variants(
        &self,
        f: &mut fmt::Formatter<'_>,
        variants: &[VideoVariant],
        audio_bitrate_bps: u32,
        with_text: bool,
    ) -> fmt::Result {
        let more = |bps: u32| bps.saturating_sub(audio_bitrate_bps).saturating_add(self.bitrate_bps);
        variants.iter().try_for_each(|variant| {
            let variant = VideoVariant {
                bandwidth_bps: more(variant.bandwidth_bps),
                average_bandwidth_bps: more(variant.average_bandwidth_bps),
                ..variant.clone()
            };
            variant.write(f, Some((&self.codec, GROUP)), with_text)
        })
    }
}
