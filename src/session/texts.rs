//! The texts of a session: which there are, and their playlists. They list what the picture's lists, and follow its slots.

use std::collections::HashSet;

use super::follow::Reload;
use super::handed::Of;
use super::model::Sound;
use super::paths::Addresses;
use super::play::{Entries, query};
use super::registry::{Offer, Sessions};
use super::{GameInfo, SessionError};
use crate::captions::{Kind, TextInfo};
use crate::hls::playlist::{MediaSegment, Part, video_part_duration};
use crate::hls::texts::TextRendition;
use crate::market::speaks;
use crate::mosaic::MosaicId;
use crate::timeline::SegmentNumber;
use crate::track::split_sound_key;

/// Languages that a session offers of what its games are written in.
const MOST_TEXTS: usize = 4;

/// Letters of a text's name.
const MOST_NAME: usize = 40;

/// Whose text is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextOf {
    /// All games, each in its slot.
    All,
    /// The game that is heard.
    Main,
    Slot(usize),
}

/// What a text's address says, beside its mosaic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextWish {
    /// `None`: of no game that is shown, which is nothing.
    pub slots: Option<TextOf>,
    /// As [`TextInfo::id`] has it.
    pub text: String,
}

impl TextOf {
    /// As it stands in front of a text's name.
    fn named(self) -> String {
        match self {
            Self::All => "all".into(),
            Self::Main => "main".into(),
            Self::Slot(slot) => slot.to_string(),
        }
    }

    fn read(text: &str) -> Option<Self> {
        match text {
            "all" => Some(Self::All),
            "main" => Some(Self::Main),
            _ => text.parse().ok().filter(|slot: &usize| slot.to_string() == text).map(Self::Slot),
        }
    }
}

impl TextWish {
    /// `all-en`, `0-en`, `none-en`: see [`TextWish::read`].
    fn written(&self) -> String {
        format!("{}-{}", self.slots.map_or_else(|| "none".into(), TextOf::named), self.text)
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let (slots, text) = text.split_once('-')?;
        let slots = match slots {
            "none" => None,
            slots => Some(TextOf::read(slots)?),
        };
        // As texts are named: what nobody can have named is not signed, either.
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=MOST_NAME).contains(&text.len()) && text.bytes().all(is_plain);
        is_name.then(|| Self { slots, text: text.to_owned() })
    }
}

/// The texts that a session offers: what its games have first, then what others have that it may come to show. Most players read the list once. That in the
/// language `wanted` is shown where nobody chooses.
pub(super) fn renditions(
    shown: &[&GameInfo],
    all: &[GameInfo],
    wanted: Option<&str>,
    query: &str,
) -> Vec<TextRendition> {
    let mut seen = HashSet::new();
    let is_wanted = |text: &TextInfo| {
        let is_said = text.track.kind != Kind::Forced;
        is_said && wanted.is_some_and(|wanted| speaks(wanted, &text.track.language))
    };
    let mut offered: Vec<&TextInfo> = shown
        .iter()
        .copied()
        .chain(all)
        .flat_map(|game| &game.texts)
        .filter(|text| seen.insert(text.id.clone()))
        .collect();
    offered.sort_by_key(|text| !is_wanted(text));
    offered.truncate(MOST_TEXTS);
    // Of one language, what a viewer means who asks for it comes first.
    offered.sort_by_key(|text| text.track.kind == Kind::Forced);
    // One of a group alone may be the default (RFC 8216, 4.3.4.1.1).
    let default = offered.iter().find(|text| is_wanted(text)).map(|text| text.id.clone());
    let mut renditions = Vec::new();
    for text in offered {
        let rendition = |of: TextOf, whose: &str| {
            let is_known = text.track.language != "und";
            let language = is_known.then(|| text.track.language.clone());
            let is_forced = text.track.kind == Kind::Forced;
            let said = [language.as_deref(), is_forced.then_some("forced")].into_iter().flatten().collect::<Vec<_>>();
            let name = if said.is_empty() { whose.to_owned() } else { format!("{whose} ({})", said.join(", ")) };
            TextRendition {
                uri: format!("text/{}-{}.m3u8{query}", of.named(), text.id),
                name,
                language,
                // One of each language: a player that chooses by language takes what is heard.
                autoselect: of == TextOf::Main,
                default: of == TextOf::Main && default.as_ref() == Some(&text.id),
                forced: is_forced,
                for_deaf: text.track.kind == Kind::Captions,
            }
        };
        renditions.push(rendition(TextOf::Main, "Main"));
        renditions.push(rendition(TextOf::All, "All games"));
        let has = |game: &GameInfo| game.texts.iter().any(|its| its.id == text.id);
        let with_it = shown.iter().enumerate().filter(|(_, game)| has(game));
        renditions.extend(with_it.map(|(slot, game)| rendition(TextOf::Slot(slot), &game.title)));
    }
    renditions
}

impl Sessions {
    /// Text of the playlist of a text: `main-en`, `all-en`, `0-en`.
    pub async fn text_playlist(&self, token: &str, name: &str, reload: Reload) -> Result<String, SessionError> {
        let unknown = || SessionError::TextUnknown { name: name.to_owned() };
        let wish = TextWish::read(name).ok_or_else(unknown)?;
        let of = wish.slots.ok_or_else(unknown)?;
        let entry = self.entry_of_token(token)?;
        let reload = self.within_tier(&entry, reload);
        // A text that no game has any more is still listed, and empty: a player that follows it must not stop.
        let playlist = self.listing(&entry, None, reload).await?;
        let (heard, offer) = {
            let session = entry.session.lock();
            (session.sounding(&Sound::Main), Offer::of(&session))
        };
        let (own, query) = (self.own(&entry, reload), query(true, reload.start_ms));
        let slots = |n: SegmentNumber, mosaic: &str| match of {
            TextOf::Main => {
                let (game, _) = split_sound_key(heard.mosaic_at(n).unwrap_or(heard.newest()));
                let shows = self.mosaics.shows(&MosaicId(mosaic.into()));
                shows.and_then(|spec| spec.games.iter().position(|its| **its == *game)).map(TextOf::Slot)
            }
            of => Some(of),
        };
        let addresses = |n, mosaic: &str| -> Addresses<'_> {
            let wish = TextWish { slots: slots(n, mosaic), text: wish.text.clone() };
            self.paths.text(mosaic, &wish.written()).of_session(own.as_ref())
        };
        let grid = &self.grid;
        let media = Entries {
            map_uri: None,
            segment: &|n, mosaic| MediaSegment::video(grid, n, addresses(n, mosaic).text_segment(n)),
            part: &|at, mosaic| Part {
                uri: addresses(at.segment, mosaic).text_part(at),
                duration: video_part_duration(grid, at.part),
                independent: true,
            },
            report_uris: self.offered(offer).map(|r| format!("../video/{}.m3u8{query}", r.name)).collect(),
        };
        Ok(self.render(&playlist, media, reload))
    }

    /// What the element of an address of a text of `mosaic` says, if this service signed it for segment `n`. `token`: of a session's own address.
    pub fn text_of(&self, mosaic: &str, element: &str, n: SegmentNumber, token: Option<&str>) -> Option<TextWish> {
        let wish = TextWish::read(self.paths.text_of(mosaic, element, n, token)?)?;
        self.may_have(Some(Of::Beside(n)), token).then_some(wish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::captions::TrackInfo;

    fn game(id: &str, texts: &[(&str, &str, Kind)]) -> GameInfo {
        let text = |(id, language, kind): &(&str, &str, Kind)| TextInfo {
            id: (*id).into(),
            track: TrackInfo { language: (*language).into(), kind: *kind },
        };
        GameInfo {
            key: id.into(),
            id: id.into(),
            title: format!("Game {id}"),
            language: None,
            sounds: Vec::new(),
            as_came: None,
            texts: texts.iter().map(text).collect(),
        }
    }

    #[test]
    fn a_session_offers_what_its_games_are_written_in_then_what_others_are() {
        let a = game("a", &[("en", "en", Kind::Captions), ("und", "und", Kind::Subtitles)]);
        let b = game("b", &[("en", "en", Kind::Captions)]);
        let others = ["es", "fr", "de"].map(|id| game(id, &[(id, id, Kind::Subtitles)]));
        let all: Vec<GameInfo> = [a.clone(), b.clone()].into_iter().chain(others).collect();
        let offered = renditions(&[&a, &b], &all, None, "?x");
        let names: Vec<_> = offered.iter().map(|its| (&*its.name, &*its.uri)).collect();
        assert_eq!(
            names[..6],
            [
                ("Main (en)", "text/main-en.m3u8?x"),
                ("All games (en)", "text/all-en.m3u8?x"),
                ("Game a (en)", "text/0-en.m3u8?x"),
                ("Game b (en)", "text/1-en.m3u8?x"),
                ("Main", "text/main-und.m3u8?x"),
                ("All games", "text/all-und.m3u8?x"),
            ]
        );
        let languages: HashSet<_> = offered.iter().filter_map(|its| its.language.clone()).collect();
        assert_eq!(languages, ["en", "es", "fr"].map(str::to_owned).into(), "four at most");
        assert!(offered.iter().all(|its| its.autoselect == its.name.starts_with("Main")));
        assert!(offered[0].for_deaf && offered[4].language.is_none() && !offered[4].for_deaf);
        assert_eq!(renditions(&[], &[], Some("en"), ""), []);
    }

    #[test]
    fn forced_text_is_named_as_that_and_comes_after_the_text_of_the_same_language() {
        let a = game("a", &[("en-forced", "en", Kind::Forced), ("en", "en", Kind::Captions)]);
        let offered = renditions(&[&a], &[], None, "");
        let names: Vec<_> = offered.iter().map(|its| (&*its.name, its.forced)).collect();
        assert_eq!(names[..2], [("Main (en)", false), ("All games (en)", false)]);
        assert_eq!((names[3], names.len()), (("Main (en, forced)", true), 6));
    }

    #[test]
    fn names_of_texts_are_read_in_one_spelling() {
        for text in ["all-en", "main-und", "3-pt-br-2", "none-en"] {
            assert_eq!(TextWish::read(text).map(|wish| wish.written()).as_deref(), Some(text));
        }
        for bad in [
            "",
            "en",
            "all-",
            "03-en",
            "+1-en",
            "-en",
            "slot-en",
            "all-EN",
            "all-../x",
            "0-e n",
            &format!("0-{}", "x".repeat(41)),
        ] {
            assert_eq!(TextWish::read(bad), None, "{bad}");
        }
    }
}
