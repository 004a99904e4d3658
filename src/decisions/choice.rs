//! Which of a creative's files is taken (pure).

use std::cmp::Reverse;

use super::vast::MediaFile;

/// What a file is wanted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Rows of pixels of the largest place it is shown at.
    pub height: u32,
    /// Types that can be read: `video/mp4`.
    pub media_types: Vec<String>,
    /// What codecs begin with that can be decoded (RFC 6381): `avc1`. A file that says none is taken at its type's word.
    pub codecs: Vec<String>,
}

impl Wanted {
    /// Of `media` the lowest that is no lower than wanted, else the highest; of equal ones that of most bits.
    pub fn choose<'m>(&self, media: &'m [MediaFile]) -> Option<&'m MediaFile> {
        let fits = media.iter().filter(|file| self.can_be_read(file));
        fits.min_by_key(|file| {
            let (is_low, apart) = (file.height < self.height, file.height.abs_diff(self.height));
            (is_low, apart, Reverse(file.bitrate_kbps))
        })
    }

    fn can_be_read(&self, file: &MediaFile) -> bool {
        let begins = |codec: &str, with: &String| {
            codec.get(..with.len()).is_some_and(|begins| begins.eq_ignore_ascii_case(with))
        };
        // One file of several tracks names them all.
        let is_known = |codec: &str| self.codecs.iter().any(|with| begins(codec.trim(), with));
        let codecs = file.codec.as_deref().filter(|codec| !codec.is_empty());
        self.media_types.contains(&file.media_type) && codecs.is_none_or(|codecs| codecs.split(',').any(is_known))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(height: u32, bitrate_kbps: u32, media_type: &str, codec: Option<&str>) -> MediaFile {
        MediaFile {
            url: format!("http://c.example/{height}-{bitrate_kbps}"),
            media_type: media_type.into(),
            width: height * 16 / 9,
            height,
            bitrate_kbps,
            codec: codec.map(str::to_owned),
        }
    }

    #[test]
    fn the_file_nearest_from_above_is_taken_and_no_other_type() {
        let wanted = |height| Wanted {
            height,
            media_types: vec!["video/mp4".into()],
            codecs: vec!["avc1".into(), "mp4a".into()],
        };
        let media = [
            file(360, 800, "video/mp4", Some("avc1.42e01e")),
            file(720, 2000, "video/mp4", Some("AVC1.64001f, mp4a.40.2")),
            file(720, 3000, "video/mp4", None),
            file(1080, 6000, "video/mp4", Some("avc1.640028")),
            file(540, 1500, "video/webm", Some("vp9")),
            file(540, 1500, "video/mp4", Some("hvc1.1.6.L93")),
        ];
        let chosen = |height| wanted(height).choose(&media).map(|file| (file.height, file.bitrate_kbps));
        assert_eq!(chosen(540), Some((720, 3000)));
        assert_eq!(chosen(100), Some((360, 800)));
        assert_eq!(chosen(1080), Some((1080, 6000)));
        assert_eq!(chosen(2160), Some((1080, 6000)));
        assert_eq!(wanted(540).choose(&media[4..]), None);
    }
}
