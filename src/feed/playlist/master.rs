//! Master playlists, read (RFC 8216, 4.3.4).

use url::Url;

use super::text::{Attributes, Line, PlaylistError, Variables, lines, resolve};
use crate::feed::pipeline::tables::is_language;
use crate::frame::SoundRole;

pub const MAX_VARIANTS: usize = 200;
const MAX_RENDITIONS: usize = 200;
/// Letters of a name that are taken.
const MOST_NAME: usize = 120;

/// One way to see the whole presentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    pub url: Url,
    pub bandwidth_bps: u64,
    /// Width and height in pixels.
    pub resolution: Option<(u32, u32)>,
    pub frame_rate: Option<f64>,
    /// As RFC 6381 has them; empty where the playlist does not say.
    pub codecs: Vec<String>,
    /// The group of sound renditions that belongs to it.
    pub audio: Option<String>,
    /// The group of texts that belongs to it.
    pub subtitles: Option<String>,
}

/// A text, told by EXT-X-MEDIA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextRendition {
    pub group: String,
    pub name: String,
    pub language: Option<String>,
    pub forced: bool,
    /// It describes sounds, for those who do not hear.
    pub for_deaf: bool,
    pub url: Url,
}

/// Captions within the pictures, told by EXT-X-MEDIA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClosedCaptions {
    /// `CC1` to `CC4`, `SERVICE1` to `SERVICE63`.
    pub instream_id: String,
    pub language: String,
}

/// A sound track, told by EXT-X-MEDIA.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioRendition {
    pub group: String,
    pub name: String,
    pub language: Option<String>,
    pub default: bool,
    pub autoselect: bool,
    pub role: SoundRole,
    /// `None`: it is in the variant's own segments.
    pub url: Option<Url>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct MasterPlaylist {
    /// In the order of the playlist.
    pub variants: Vec<Variant>,
    pub audio: Vec<AudioRendition>,
    pub texts: Vec<TextRendition>,
    pub closed_captions: Vec<ClosedCaptions>,
    pub variables: Variables,
}

impl MasterPlaylist {
    /// Reads the playlist that was found at `url`; `None` when it is a media playlist.
    ///
    /// # Errors
    /// [`PlaylistError`].
    pub fn read(text: &str, url: &Url) -> Result<Option<Self>, PlaylistError> {
        let mut playlist = Self::default();
        // The attributes of a variant whose URI comes on the next line.
        let mut announced: Option<&str> = None;
        let mut header = false;
        for line in lines(text) {
            match line {
                Line::Tag { name: "#EXTM3U", .. } => header = true,
                _ if !header => return Err(PlaylistError::NoHeader),
                Line::Tag { name: "#EXTINF" | "#EXT-X-TARGETDURATION" | "#EXT-X-MEDIA-SEQUENCE", .. } => {
                    return Ok(None);
                }
                Line::Tag { name: "#EXT-X-STREAM-INF", value } => announced = Some(value),
                Line::Tag { name: "#EXT-X-MEDIA", value } => playlist.media(value, url)?,
                Line::Tag { name: "#EXT-X-DEFINE", value } => {
                    playlist.variables.define(value, &Variables::default(), url)?;
                }
                Line::Uri(uri) => {
                    if let Some(value) = announced.take() {
                        playlist.variant(value, uri, url)?;
                    }
                }
                Line::Tag { .. } => {}
            }
        }
        match (header, playlist.variants.is_empty()) {
            (false, _) => Err(PlaylistError::NoHeader),
            (true, true) if playlist.audio.is_empty() => Ok(None),
            (true, true) => Err(PlaylistError::Empty),
            (true, false) => Ok(Some(playlist)),
        }
    }

    fn variant(&mut self, value: &str, uri: &str, base: &Url) -> Result<(), PlaylistError> {
        if self.variants.len() >= MAX_VARIANTS {
            return Err(PlaylistError::TooMany { what: "variants", limit: MAX_VARIANTS });
        }
        let attributes = Attributes::read(value, &self.variables)?;
        let uri = self.variables.put_into(uri)?;
        let Some(url) = resolve(base, &uri) else { return Ok(()) };
        let resolution = attributes.text("RESOLUTION").and_then(|text| {
            let (width, height) = text.split_once(['x', 'X'])?;
            Some((width.trim().parse().ok()?, height.trim().parse().ok()?))
        });
        let codecs = attributes.text("CODECS").unwrap_or_default();
        let codecs = codecs.split(',').map(|codec| codec.trim().to_ascii_lowercase());
        self.variants.push(Variant {
            url,
            bandwidth_bps: attributes.number("BANDWIDTH").or(attributes.number("AVERAGE-BANDWIDTH")).unwrap_or(0),
            resolution: resolution.filter(|(width, height)| *width > 0 && *height > 0),
            frame_rate: attributes.number::<f64>("FRAME-RATE").filter(|fps| fps.is_finite() && *fps > 0.0),
            codecs: codecs.filter(|codec| !codec.is_empty()).collect(),
            audio: attributes.text("AUDIO").map(str::to_owned),
            subtitles: attributes.text("SUBTITLES").map(str::to_owned),
        });
        Ok(())
    }

    fn media(&mut self, value: &str, base: &Url) -> Result<(), PlaylistError> {
        let attributes = Attributes::read(value, &self.variables)?;
        if self.audio.len() + self.texts.len() + self.closed_captions.len() >= MAX_RENDITIONS {
            return Err(PlaylistError::TooMany { what: "renditions", limit: MAX_RENDITIONS });
        }
        match attributes.text("TYPE") {
            Some("AUDIO") => {}
            Some("SUBTITLES") => {
                self.texts.extend(text_rendition(&attributes, base));
                return Ok(());
            }
            Some("CLOSED-CAPTIONS") => {
                let told = attributes.text("INSTREAM-ID").zip(attributes.text("LANGUAGE"));
                self.closed_captions.extend(told.and_then(|(id, language)| {
                    Some(ClosedCaptions { instream_id: id.to_ascii_uppercase(), language: language_of(language)? })
                }));
                return Ok(());
            }
            _ => return Ok(()),
        }
        let url = match attributes.text("URI") {
            Some(uri) => match resolve(base, uri) {
                Some(url) => Some(url),
                None => return Ok(()),
            },
            None => None,
        };
        self.audio.push(AudioRendition {
            group: attributes.text("GROUP-ID").unwrap_or_default().to_owned(),
            name: attributes.text("NAME").unwrap_or_default().chars().take(MOST_NAME).collect(),
            language: attributes.text("LANGUAGE").and_then(language_of),
            default: attributes.is_yes("DEFAULT"),
            autoselect: attributes.is_yes("AUTOSELECT"),
            role: role_of(attributes.text("CHARACTERISTICS").unwrap_or_default()),
            url,
        });
        Ok(())
    }
}

/// A language tag in small letters; `None` for what is none.
fn language_of(text: &str) -> Option<String> {
    is_language(text).then(|| text.to_ascii_lowercase())
}

/// `None` for one without an address.
fn text_rendition(attributes: &Attributes, base: &Url) -> Option<TextRendition> {
    let characteristics = attributes.text("CHARACTERISTICS").unwrap_or_default();
    Some(TextRendition {
        group: attributes.text("GROUP-ID").unwrap_or_default().to_owned(),
        name: attributes.text("NAME").unwrap_or_default().chars().take(MOST_NAME).collect(),
        language: attributes.text("LANGUAGE").and_then(language_of),
        forced: attributes.is_yes("FORCED"),
        for_deaf: characteristics.contains("public.accessibility.describes-music-and-sound"),
        url: resolve(base, attributes.text("URI")?)?,
    })
}

/// What a sound is for, by its media characteristics (RFC 8216, 4.3.4.1).
fn role_of(characteristics: &str) -> SoundRole {
    let roles = [SoundRole::Description, SoundRole::HearingImpaired];
    let told = |role: &SoundRole| characteristics.split(',').any(|told| Some(told.trim()) == role.characteristic());
    roles.into_iter().find(told).unwrap_or_default()
}
