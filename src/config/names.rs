//! What ids, titles and labels may be: one rule for configuration and API.

use std::collections::BTreeMap;

use crate::market::is_region;

/// Most labels of a game or a session.
pub const MAX_LABELS: usize = 16;

/// Why a name is refused. The message says what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    #[error("{0:?} is no id; 1 to 64 letters, digits, `.`, `_` and `-` are allowed, the first a letter or digit")]
    Id(String),
    #[error("a title has 1 to 120 characters, and none of them is a control character")]
    Title,
    #[error("{0:?} is no language; a tag of RFC 5646 is allowed, as `de`, `pt-BR`")]
    Language(String),
    #[error("{0:?} is no region; the code of a country is allowed, two capital letters of ISO 3166-1, as `GB`")]
    Region(String),
    #[error("there are {0} labels; up to {MAX_LABELS} are allowed")]
    LabelCount(usize),
    #[error("the label {0:?} is not allowed; its name is made like an id, its value has up to 256 characters")]
    Label(String),
}

/// Ids of games, tenants and renditions stand in URLs as they are, so they are made of characters that need no escape.
/// A slash is never one of them: it parts tenant and game in a game's key.
pub fn check_id(id: &str) -> Result<(), NameError> {
    let first = id.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let rest = id.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    if first && rest && id.len() <= 64 { Ok(()) } else { Err(NameError::Id(id.chars().take(80).collect())) }
}

/// Titles are drawn on slates and stand in playlists (`NAME`, a quoted string, RFC 8216 4.2: no line feed, no quote; the
/// playlist writer sees to quotes).
pub fn check_title(title: &str) -> Result<(), NameError> {
    let sound = !title.trim().is_empty() && title.chars().count() <= 120 && !title.chars().any(char::is_control);
    if sound { Ok(()) } else { Err(NameError::Title) }
}

/// Tags of languages (RFC 5646, 2.1), by their form: what is registered changes from month to month.
pub fn check_language(tag: &str) -> Result<(), NameError> {
    let mut subtags = tag.split('-');
    let is_alpha = |text: &str| (2..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphabetic());
    let is_subtag = |text: &str| (1..=8).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric());
    let sound = tag.len() <= 35 && subtags.next().is_some_and(is_alpha) && subtags.all(is_subtag);
    if sound { Ok(()) } else { Err(NameError::Language(tag.chars().take(40).collect())) }
}

/// Regions are countries: their codes of ISO 3166-1.
pub fn check_region(code: &str) -> Result<(), NameError> {
    if is_region(code) { Ok(()) } else { Err(NameError::Region(code.chars().take(40).collect())) }
}

pub fn check_labels(labels: &BTreeMap<String, String>) -> Result<(), NameError> {
    if labels.len() > MAX_LABELS {
        return Err(NameError::LabelCount(labels.len()));
    }
    let unsound = |(name, value): &(&String, &String)| {
        check_id(name).is_err() || value.chars().count() > 256 || value.chars().any(char::is_control)
    };
    match labels.iter().find(unsound) {
        Some((name, _)) => Err(NameError::Label(name.chars().take(80).collect())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_need_no_escape_in_a_url() {
        for id in ["nyk-bos", "A", "7", "1080p", "a.b_c-d"] {
            assert_eq!(check_id(id), Ok(()), "{id}");
        }
        for id in ["", "-a", ".", "..", "a/b", "a b", "é", "a?b", "a%2Fb", &"x".repeat(65)] {
            assert!(check_id(id).is_err(), "{id}");
        }
    }

    #[test]
    fn languages_have_the_form_of_tags() {
        for tag in ["de", "pt-BR", "sr-Latn-RS", "ENG"] {
            assert_eq!(check_language(tag), Ok(()), "{tag}");
        }
        for tag in ["", "d", "de_AT", "de-", "-de", "de AT", "d3", "\"", &"de-".repeat(20), "german-ish-language"] {
            let is_tag = tag == "german-ish-language";
            assert_eq!(check_language(tag).is_ok(), is_tag, "{tag}");
        }
    }

    #[test]
    fn titles_and_labels_are_bounded() {
        assert_eq!(check_title("Knicks at Celtics – Game 7 🏀"), Ok(()));
        assert!(check_title(" ").is_err() && check_title("a\nb").is_err() && check_title(&"x".repeat(121)).is_err());
        let labels = |n: usize| (0..n).map(|i| (format!("l{i}"), "v".to_owned())).collect::<BTreeMap<_, _>>();
        assert_eq!(check_labels(&labels(16)), Ok(()));
        assert_eq!(check_labels(&labels(17)), Err(NameError::LabelCount(17)));
        assert!(check_labels(&BTreeMap::from([("a b".to_owned(), String::new())])).is_err());
    }
}
