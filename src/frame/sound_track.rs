//! The sounds of a game beside its main one, and what is known of them.

use std::sync::Arc;

/// What a sound is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SoundRole {
    /// The programme, in whatever language.
    #[default]
    Programme,
    /// It also says what is to be seen.
    Description,
    /// Made clearer for those who hear badly.
    HearingImpaired,
    /// The place's own sound, without commentary.
    Clean,
}

impl SoundRole {
    /// What an id ends in.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Programme => "",
            Self::Description => "-ad",
            Self::HearingImpaired => "-hi",
            Self::Clean => "-clean",
        }
    }

    /// For people.
    pub const fn words(self) -> Option<&'static str> {
        match self {
            Self::Programme => None,
            Self::Description => Some("audio description"),
            Self::HearingImpaired => Some("clear speech"),
            Self::Clean => Some("without commentary"),
        }
    }

    /// The media characteristic of it (RFC 8216, 4.3.4.1).
    pub const fn characteristic(self) -> Option<&'static str> {
        match self {
            Self::Description => Some("public.accessibility.describes-video"),
            Self::HearingImpaired => Some("public.accessibility.enhances-speech-intelligibility"),
            Self::Programme | Self::Clean => None,
        }
    }
}

/// A sound of a game beside its main one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoundTrack {
    /// The same whenever a source has such a sound: `deu`, `eng-ad`, `eng-2`; see [`SoundTrack::is_id`].
    pub id: Arc<str>,
    /// RFC 5646; `None` where the source does not say.
    pub language: Option<String>,
    pub role: SoundRole,
    /// For people.
    pub label: String,
}

/// Longest id.
const MAX_ID: usize = 32;

impl SoundTrack {
    /// The `nth` sound (from 1) of this language and role in its source: `code` is the language in three letters, `name` what people call it.
    pub fn new(code: Option<&str>, language: Option<String>, role: SoundRole, nth: usize, name: Option<&str>) -> Self {
        let plain = |code: &&str| Self::is_id(code) && !code.contains('-') && *code != Self::MAIN;
        let code = code.filter(plain).unwrap_or("und");
        let number = if nth > 1 { format!("-{nth}") } else { String::new() };
        let id: Arc<str> = format!("{code}{}{number}", role.suffix()).into();
        let name = name.map(str::trim).filter(|name| !name.is_empty());
        let name = name.or(language.as_deref()).unwrap_or("Sound").to_owned();
        let label = [Some(name.as_str()), role.words()].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let label = if nth > 1 { format!("{label} {nth}") } else { label };
        Self { id, language, role, label }
    }

    /// What the main sound of a game is called.
    pub const MAIN: &str = "main";

    /// Whether a text may be an id: it stands in URLs and keys as it is.
    pub fn is_id(text: &str) -> bool {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=MAX_ID).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_say_language_and_role_and_no_source_can_make_one_that_is_none() {
        let of = |code, role, nth| SoundTrack::new(code, code.map(str::to_owned), role, nth, None);
        assert_eq!(&*of(Some("deu"), SoundRole::Programme, 1).id, "deu");
        assert_eq!(&*of(Some("eng"), SoundRole::Description, 2).id, "eng-ad-2");
        assert_eq!(of(Some("eng"), SoundRole::Description, 2).label, "eng, audio description 2");
        for strange in ["", "main", "E", "a/b", "a#b", "de-at", &"x".repeat(40)] {
            assert_eq!(&*of(Some(strange), SoundRole::Clean, 1).id, "und-clean", "{strange}");
        }
        assert_eq!(SoundTrack::new(None, None, SoundRole::Programme, 1, Some(" Kommentar ")).label, "Kommentar");
        assert!(SoundTrack::is_id("eng-ad-2") && !SoundTrack::is_id("eng~ad") && !SoundTrack::is_id("-ad"));
    }
}
