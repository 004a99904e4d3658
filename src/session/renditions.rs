//! The sounds that a multivariant playlist lists, and what the addresses of their playlists say.

use std::collections::HashSet;

use super::model::{Pick, split_audio};
use super::{GameInfo, Sounds};
use crate::frame::SoundTrack;
use crate::hls::playlist::{AsCame, AudioRendition};

/// What viewers read of the sound that a session has chosen.
const MAIN: &str = "Main";

/// Parts a game or a slot and one of its sounds beside the main one in the address of a playlist. No id has it.
const BESIDE: char = '~';

/// The game or slot of a playlist's address, and which of its sounds, `None` being the main one; `None` where nothing is called so.
pub(super) fn split_address(stem: &str) -> Option<(&str, Option<&str>)> {
    match stem.split_once(BESIDE) {
        None => Some((stem, None)),
        Some((of, track)) => (SoundTrack::is_id(track) && track != SoundTrack::MAIN).then_some((of, Some(track))),
    }
}

/// The sounds of a session that shows `picks` and has chosen `chosen`; `all` are the tenant's games.
pub(super) fn audio_renditions(sounds: Sounds, picks: &[Pick], chosen: &str, all: &[GameInfo]) -> Vec<AudioRendition> {
    let info = |id: &str| all.iter().find(|game| game.id == id);
    if sounds == Sounds::All {
        let mut ids: Vec<&str> = picks.iter().map(|pick| &*pick.id).chain(all.iter().map(|game| &*game.id)).collect();
        let mut seen = HashSet::new();
        ids.retain(|id| seen.insert(*id));
        let mut audio: Vec<_> = ids
            .into_iter()
            .flat_map(|id| of_game(&format!("audio/{id}"), id, info(id), |track| *chosen == named(id, track)))
            .collect();
        // Players that know no DEFAULT take the first.
        audio.sort_by_key(|audio| !audio.default);
        return audio;
    }
    let (id, track) = split_audio(chosen);
    let heard = track.and_then(|track| info(id)?.sounds.iter().find(|sound| &*sound.id == track));
    let main = AudioRendition {
        uri: "sound/main.m3u8".into(),
        name: MAIN.into(),
        language: track.map_or_else(|| info(id)?.language.clone(), |_| heard?.language.clone()),
        default: true,
        characteristics: heard.and_then(|heard| heard.role.characteristic()),
    };
    let shown = if sounds == Sounds::Own { picks } else { &[][..] };
    let of_slot = |(slot, pick): (usize, &Pick)| of_game(&format!("sound/{slot}"), &pick.id, info(&pick.id), |_| false);
    [main].into_iter().chain(shown.iter().enumerate().flat_map(of_slot)).collect()
}

/// The second group, of the main sound that a session has chosen, as it came. `dolby`: whether that may be AC-3 or E-AC-3.
pub(super) fn as_came(sounds: Sounds, chosen: &str, all: &[GameInfo], dolby: bool) -> Option<AsCame> {
    let (id, track) = split_audio(chosen);
    let info = all.iter().find(|game| game.id == id).filter(|_| sounds == Sounds::AsCame && track.is_none())?;
    let form = info.as_came.filter(|form| dolby || !form.is_dolby())?;
    Some(AsCame {
        uri: format!("audio/{id}{BESIDE}{form}.m3u8"),
        // Groups have the same members (RFC 8216bis, 4.4.6.1.1).
        name: MAIN.into(),
        language: info.language.clone(),
        codec: form.codec(),
        channels: form.told_channels(),
        bitrate_bps: form.bitrate_bps(),
    })
}

/// A sound as viewers name it.
fn named(id: &str, track: Option<&str>) -> String {
    track.map_or_else(|| id.to_owned(), |track| format!("{id}/{track}"))
}

/// The main sound of the game that is called `id`, at `address`, and those beside it.
fn of_game(
    address: &str,
    id: &str,
    info: Option<&GameInfo>,
    default: impl Fn(Option<&str>) -> bool,
) -> Vec<AudioRendition> {
    let title = info.map_or(id, |info| &info.title);
    let main = AudioRendition {
        uri: format!("{address}.m3u8"),
        name: title.to_owned(),
        language: info.and_then(|info| info.language.clone()),
        default: default(None),
        characteristics: None,
    };
    let beside = info.into_iter().flat_map(|info| &info.sounds).map(|sound| AudioRendition {
        uri: format!("{address}{BESIDE}{}.m3u8", sound.id),
        name: format!("{title}: {}", sound.label),
        language: sound.language.clone(),
        default: default(Some(&sound.id)),
        characteristics: sound.role.characteristic(),
    });
    [main].into_iter().chain(beside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::SoundRole;

    fn games() -> Vec<GameInfo> {
        let ad = SoundTrack::new(Some("eng"), Some("en".into()), SoundRole::Description, 1, Some("English"));
        let deu = SoundTrack::new(Some("deu"), Some("de".into()), SoundRole::Programme, 1, Some("German"));
        let game = |id: &str, sounds| GameInfo {
            key: id.into(),
            id: id.into(),
            title: format!("Game {id}"),
            texts: Vec::new(),
            language: Some("en".into()),
            sounds,
            as_came: (id == "a").then(|| "came-aac-5-2".parse().unwrap()),
        };
        vec![game("a", vec![ad, deu]), game("b", Vec::new())]
    }

    fn listed(sounds: Sounds, chosen: &str) -> Vec<(String, String, Option<String>, bool)> {
        let picks = ["b", "a"].map(|id| Pick { id: id.into(), key: id.into() });
        let audio = audio_renditions(sounds, &picks, chosen, &games());
        audio.into_iter().map(|a| (a.uri, a.name, a.language, a.default)).collect()
    }

    #[test]
    fn each_slot_lists_the_sounds_of_its_game_and_the_chosen_one_comes_first() {
        let own = listed(Sounds::Own, "a/deu");
        let uris: Vec<_> = own.iter().map(|(uri, ..)| uri.as_str()).collect();
        let slots = ["sound/0.m3u8", "sound/1.m3u8", "sound/1~eng-ad.m3u8", "sound/1~deu.m3u8"];
        assert_eq!(uris, [&["sound/main.m3u8"][..], &slots].concat());
        assert_eq!((own[0].2.as_deref(), own[0].3), (Some("de"), true), "what was chosen is German");
        assert_eq!((own[3].1.as_str(), own[3].2.as_deref()), ("Game a: English, audio description", Some("en")));

        let all = listed(Sounds::All, "a/deu");
        assert_eq!((all[0].0.as_str(), all[0].3), ("audio/a~deu.m3u8", true));
        assert_eq!(all.iter().filter(|(.., default)| *default).count(), 1);
        assert_eq!(all.len(), 4);
        assert_eq!(listed(Sounds::Main, "a").len(), 1);
        assert_eq!(listed(Sounds::AsCame, "a"), listed(Sounds::Main, "a"));
    }

    #[test]
    fn the_second_group_is_of_the_game_that_is_heard_and_of_its_main_sound() {
        let came = as_came(Sounds::AsCame, "a", &games(), false).unwrap();
        assert_eq!((came.uri.as_str(), came.codec.as_str()), ("audio/a~came-aac-5-2.m3u8", "mp4a.40.5"));
        for (sounds, chosen) in
            [(Sounds::AsCame, "b"), (Sounds::AsCame, "a/deu"), (Sounds::Own, "a"), (Sounds::All, "a")]
        {
            assert_eq!(as_came(sounds, chosen, &games(), true), None, "{sounds:?} {chosen}");
        }
    }

    #[test]
    fn an_address_names_a_sound_in_one_way() {
        assert_eq!(split_address("nyk-bos"), Some(("nyk-bos", None)));
        assert_eq!(split_address("nyk-bos~eng-ad"), Some(("nyk-bos", Some("eng-ad"))));
        for wrong in ["a~", "a~main", "a~b~c", "a~B", "a~#"] {
            assert_eq!(split_address(wrong), None, "{wrong}");
        }
    }
}
