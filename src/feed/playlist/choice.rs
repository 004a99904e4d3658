//! Which variant to play, and with which sound.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use url::Url;

use super::master::{AudioRendition, MasterPlaylist, TextRendition, Variant};
use super::stretches::Track;
use super::text::PlaylistError;
use crate::captions::{Kind, TrackInfo};
use crate::feed::pipeline::tables::language_in_three;
use crate::feed::texts::TextOrigin;
use crate::frame::{SoundRole, SoundTrack};

/// Below this many lines nothing is left out for being larger than needed, if there is anything so large.
const LEAST_LIMIT_LINES: u32 = 720;
/// A rate this much above the limit is still the same one: 59.94 and 60, 29.97 and 30.
const RATE_SLACK: f64 = 1.05;

/// A variant that does not tell its rate is taken to have this one.
const USUAL_FPS: f64 = 30.0;

/// What a source's parameters ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum VariantWish {
    /// The best within the limit.
    #[default]
    Best,
    /// The best of at most so many lines.
    Lines(u32),
    /// The best of at most so many bits a second.
    Bandwidth(u64),
    /// By its place in the playlist, from 0.
    Index(usize),
}

impl VariantWish {
    /// `best`, `720p`, `3000k`, `3000000`, `#2` or `index:2`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "best" {
            Some(Self::Best)
        } else if let Some(lines) = text.strip_suffix('p') {
            lines.parse().ok().map(Self::Lines)
        } else if let Some(kilobits) = text.strip_suffix('k') {
            kilobits.parse::<u64>().ok().map(|k| Self::Bandwidth(k.saturating_mul(1000)))
        } else if let Some(index) = text.strip_prefix("index:").or_else(|| text.strip_prefix('#')) {
            index.parse().ok().map(Self::Index)
        } else {
            text.parse().ok().map(Self::Bandwidth)
        }
    }
}

/// What is of use at all: more lines or pictures a second would be decoded and thrown away.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit {
    pub lines: u32,
    pub fps: f64,
    /// What the machine has room to decode.
    pub pixels_per_s: f64,
}

/// Picture and sound to be played together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    pub picture: Url,
    /// A playlist of its own; `None` where the sound is in the picture's segments.
    pub sound: Option<Url>,
    /// What is spoken in it (RFC 5646), where the playlist says so.
    pub language: Option<String>,
    /// Its texts, as the playlist lists them.
    pub texts: Vec<TextChoice>,
    /// Of each sound beside that one that the source has, in the order of [`sounds_beside`]: its playlist, where this variant has it.
    pub beside: Vec<Option<Url>>,
    /// For the operator: size, rate and bit rate.
    pub label: String,
}

/// A rendition of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextChoice {
    pub url: Url,
    pub origin: Arc<TextOrigin>,
}

/// Texts of a source that are read.
const MOST_TEXTS: usize = 4;

/// All choices of `playlist`, best first: who cannot play one goes on to the next. `decodes` says whether a codec (as
/// RFC 6381 has it) can be decoded here.
///
/// # Errors
/// [`PlaylistError::NoVariant`].
pub fn choices(
    playlist: &MasterPlaylist,
    wish: VariantWish,
    language: Option<&str>,
    limit: Limit,
    decodes: &dyn Fn(&str) -> bool,
) -> Result<Vec<Choice>, PlaylistError> {
    let playable =
        |variant: &Variant| has_pictures(variant) && variant.codecs.iter().all(|c| is_sound(c) || decodes(c));
    let mut order: Vec<(usize, &Variant)> =
        playlist.variants.iter().enumerate().filter(|(_, variant)| playable(variant)).collect();
    // Stable: redundant variants, which differ in their URI alone, stay in the order of the playlist.
    order.sort_by_key(|(index, variant)| rank(*index, variant, wish, limit));
    let made: Vec<_> = order.into_iter().map(|(_, variant)| choice(playlist, variant, language)).collect();
    if made.is_empty() { Err(PlaylistError::NoVariant) } else { Ok(made) }
}

/// Smallest first: outside what was asked for or what is of use; then by lines, rate and bit rate.
fn rank(
    index: usize,
    variant: &Variant,
    wish: VariantWish,
    limit: Limit,
) -> (bool, bool, Reverse<i64>, Reverse<i64>, Reverse<i64>) {
    let lines = variant.resolution.map_or(0, |(width, height)| width.min(height));
    let rate = variant.frame_rate.unwrap_or(0.0);
    let bandwidth = i64::try_from(variant.bandwidth_bps).unwrap_or(i64::MAX);
    let outside = match wish {
        VariantWish::Best => lines > limit.lines.max(LEAST_LIMIT_LINES) || pixels_per_s(variant) > limit.pixels_per_s,
        VariantWish::Lines(most) => lines > most,
        VariantWish::Bandwidth(most) => variant.bandwidth_bps > most,
        VariantWish::Index(wanted) => index != wanted,
    };
    let too_fast = matches!(wish, VariantWish::Best | VariantWish::Lines(_)) && rate > limit.fps * RATE_SLACK;
    let best_first =
        |value: i64| Reverse(if outside && !matches!(wish, VariantWish::Index(_)) { -value } else { value });
    let by_bandwidth = matches!(wish, VariantWish::Bandwidth(_));
    let size = if by_bandwidth { bandwidth } else { i64::from(lines) };
    (outside, too_fast, best_first(size), best_first((rate * 1000.0) as i64), best_first(bandwidth))
}

/// What decoding a variant takes, as far as the playlist tells.
fn pixels_per_s(variant: &Variant) -> f64 {
    let (width, height) = variant.resolution.unwrap_or_default();
    f64::from(width) * f64::from(height) * variant.frame_rate.unwrap_or(USUAL_FPS)
}

fn choice(playlist: &MasterPlaylist, variant: &Variant, language: Option<&str>) -> Choice {
    let of_group = group_of(playlist, variant);
    let speaks = |spoken: Option<&str>| matches!((language, spoken), (Some(a), Some(b)) if primary(a) == primary(b));
    let sound = of_group.into_iter().min_by_key(|r| (!speaks(r.language.as_deref()), !r.default, !r.autoselect));
    let size = variant.resolution.map_or_else(|| "size unknown".to_owned(), |(w, h)| format!("{w}x{h}"));
    let rate = variant.frame_rate.map_or_else(String::new, |fps| format!(", {fps} fps"));
    Choice {
        picture: variant.url.clone(),
        sound: sound.and_then(|rendition| rendition.url.clone()),
        language: sound.and_then(|rendition| rendition.language.as_deref()).map(language_tag),
        texts: texts(playlist, variant),
        beside: Vec::new(),
        label: format!("{size}{rate}, {} kb/s", variant.bandwidth_bps / 1000),
    }
}

/// The texts of a variant's group.
fn texts(playlist: &MasterPlaylist, variant: &Variant) -> Vec<TextChoice> {
    let group = variant.subtitles.as_deref();
    let of_group = playlist.texts.iter().filter(|text| Some(text.group.as_str()) == group);
    let choice = |text: &TextRendition| {
        let kind = match (text.forced, text.for_deaf) {
            (true, _) => Kind::Forced,
            (false, true) => Kind::Captions,
            (false, false) => Kind::Subtitles,
        };
        let language = text.language.as_deref().map_or_else(|| "und".to_owned(), language_tag);
        let origin = TextOrigin { track: TrackInfo { language, kind }, name: text.name.as_str().into() };
        TextChoice { url: text.url.clone(), origin: Arc::new(origin) }
    };
    of_group.map(choice).take(MOST_TEXTS).collect()
}

/// A language tag with two letters where there are some for three.
pub(super) fn language_tag(tag: &str) -> String {
    let rest = tag.split_once(['-', '_']).map_or(String::new(), |(_, rest)| format!("-{}", rest.to_ascii_lowercase()));
    format!("{}{rest}", primary(tag))
}

fn group_of<'a>(playlist: &'a MasterPlaylist, variant: &Variant) -> Vec<&'a AudioRendition> {
    let group = variant.audio.as_deref();
    playlist.audio.iter().filter(|rendition| Some(rendition.group.as_str()) == group).collect()
}

/// The sounds beside the one that `choices` of `playlist` have, in playlists of their own: `most` of them. Each choice is told where it finds them.
pub fn sounds_beside(playlist: &MasterPlaylist, choices: &mut [Choice], most: usize) -> Vec<SoundTrack> {
    let of = |choice: &Choice| {
        let variant = playlist.variants.iter().find(|variant| variant.url == choice.picture);
        let renditions = variant.map(|variant| group_of(playlist, variant)).unwrap_or_default();
        let main = choice.sound.clone();
        renditions.into_iter().filter(move |rendition| rendition.url.is_some() && rendition.url != main)
    };
    let Some(first) = choices.first() else { return Vec::new() };
    let known: Vec<&AudioRendition> = of(first).take(most.min(Track::MOST_BESIDE)).collect();
    let same = |one: &AudioRendition, other: &AudioRendition| {
        (&one.name, &one.language, one.role) == (&other.name, &other.language, other.role)
    };
    for choice in choices.iter_mut() {
        let there: Vec<&AudioRendition> = of(choice).collect();
        let found = |known: &&AudioRendition| there.iter().find(|there| same(there, known))?.url.clone();
        choice.beside = known.iter().map(found).collect();
    }
    let mut counted: BTreeMap<(Option<String>, SoundRole), usize> = BTreeMap::new();
    let track = |rendition: &&AudioRendition| {
        let primary = rendition.language.as_deref().map(|tag| tag.split(['-', '_']).next().unwrap_or(tag));
        let code = primary.filter(|code| *code != "und").map(language_in_three);
        let nth = counted.entry((code.clone(), rendition.role)).or_default();
        *nth += 1;
        SoundTrack::new(code.as_deref(), rendition.language.clone(), rendition.role, *nth, Some(&rendition.name))
    };
    known.iter().map(track).collect()
}

/// The first part of a language tag. Three letters (ISO 639-2), which people know from broadcasts, are as good as two.
fn primary(tag: &str) -> String {
    const LETTERS: [(&str, &str); 36] = [
        ("ara", "ar"),
        ("bul", "bg"),
        ("ces", "cs"),
        ("chi", "zh"),
        ("cze", "cs"),
        ("dan", "da"),
        ("deu", "de"),
        ("dut", "nl"),
        ("ell", "el"),
        ("eng", "en"),
        ("fin", "fi"),
        ("fra", "fr"),
        ("fre", "fr"),
        ("ger", "de"),
        ("gre", "el"),
        ("heb", "he"),
        ("hin", "hi"),
        ("hrv", "hr"),
        ("hun", "hu"),
        ("ita", "it"),
        ("jpn", "ja"),
        ("kor", "ko"),
        ("nld", "nl"),
        ("nor", "no"),
        ("pol", "pl"),
        ("por", "pt"),
        ("ron", "ro"),
        ("rum", "ro"),
        ("rus", "ru"),
        ("spa", "es"),
        ("srp", "sr"),
        ("swe", "sv"),
        ("tur", "tr"),
        ("ukr", "uk"),
        ("zho", "zh"),
        ("slk", "sk"),
    ];
    let first = tag.split(['-', '_']).next().unwrap_or(tag).to_ascii_lowercase();
    LETTERS.iter().find(|(three, _)| *three == first).map_or(first, |(_, two)| (*two).to_owned())
}

/// Sound alone is no variant for us. One that tells neither size nor codecs may have pictures.
fn has_pictures(variant: &Variant) -> bool {
    variant.resolution.is_some() || variant.codecs.is_empty() || variant.codecs.iter().any(|codec| !is_sound(codec))
}

fn is_sound(codec: &str) -> bool {
    const SOUND: [&str; 14] = [
        "mp4a", "ac-3", "ec-3", "ac-4", "opus", "flac", "alac", "mp3", "dtsc", "dtsh", "dtse", "vorbis", "usac", "wvtt",
    ];
    let kind = codec.split('.').next().unwrap_or(codec);
    SOUND.contains(&kind) || kind == "stpp"
}
