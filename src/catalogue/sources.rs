//! A game's sources as operators send them: what they were shown masked stays what it is, and the rest is checked.

use super::contract::{CatalogueError, GameSpec};
use crate::config::{SourceUri, mask_text, masked};
use crate::feed::check_source;

impl GameSpec {
    /// The sources as an answer may tell them.
    pub fn masked_sources(&self) -> Vec<String> {
        self.sources.iter().map(|source| masked(source)).collect()
    }

    /// Puts the sources of `before` where this one has them masked, so that a game that was read can be sent back.
    ///
    /// # Errors
    /// [`CatalogueError::SourceInvalid`] where two sources look the same masked and one of them is gone: which is meant
    /// nobody knows.
    pub fn keep_masked(&mut self, before: &GameSpec) -> Result<(), CatalogueError> {
        let given = self.sources.clone();
        for (index, text) in given.iter().enumerate() {
            let alike: Vec<&String> = before.sources.iter().filter(|source| masked(source) == *text).collect();
            let so_far = given[..index].iter().filter(|other| *other == text).count();
            let in_all = given.iter().filter(|other| *other == text).count();
            let kept = match alike.as_slice() {
                [] => continue,
                [first, rest @ ..] if rest.iter().all(|other| other == first) => first,
                all if all.len() == in_all => all[so_far],
                all => {
                    let detail =
                        format!("{} of the game's sources look like this when masked: write it in full", all.len());
                    return Err(CatalogueError::SourceInvalid { index, detail, allowed: &[] });
                }
            };
            self.sources[index].clone_from(kept);
        }
        Ok(())
    }

    /// The sources, checked.
    ///
    /// # Errors
    /// [`CatalogueError::SourceInvalid`] with the first that cannot be used.
    pub fn checked_sources(&self) -> Result<Vec<SourceUri>, CatalogueError> {
        let check = |(index, uri): (usize, &String)| {
            let invalid = |detail: String, allowed| CatalogueError::SourceInvalid { index, detail, allowed };
            let source = uri.parse::<SourceUri>().map_err(|e| invalid(e.to_string(), e.allowed()))?;
            // What an address says to the feed (`program`, `audio`, `variant`, `loop`), the feed checks.
            check_source(source.url()).map_err(|e| invalid(mask_text(&e.to_string()), &[]))?;
            Ok(source)
        };
        self.sources.iter().enumerate().map(check).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn game(sources: &[&str]) -> GameSpec {
        let sources = sources.iter().map(|&source| source.to_owned()).collect();
        GameSpec {
            id: "g".into(),
            title: "G".into(),
            sources,
            labels: BTreeMap::new(),
            break_policy: None,
            offset_ms: 0,
            rights: crate::market::GameRights::default(),
        }
    }

    fn kept(sent: &[&str], before: &GameSpec) -> Result<Vec<String>, CatalogueError> {
        let mut sent = game(sent);
        sent.keep_masked(before).map(|()| sent.sources)
    }

    #[test]
    fn what_an_address_says_to_the_feed_is_checked_before_it_is_taken() {
        for (wrong, says) in [
            ("udp://239.1.1.1:5000?program=x", "1 to 65535"),
            ("https://h/a.m3u8?t=hunter2#variant=hd", "`best`"),
            ("file:///a.ts?audio=english", "language of two or three letters"),
        ] {
            let CatalogueError::SourceInvalid { index: 1, detail, .. } =
                game(&["test://ball", wrong]).checked_sources().unwrap_err()
            else {
                panic!("{wrong}");
            };
            assert!(detail.contains(says) && !detail.contains("hunter2"), "{wrong}: {detail}");
        }
        let right = ["udp://239.1.1.1:5000?program=2&audio=eng", "https://h/a.m3u8?program=x#variant=720p"];
        assert_eq!(game(&right).checked_sources().map(|sources| sources.len()), Ok(2));
    }

    #[test]
    fn a_source_that_comes_back_as_it_was_shown_stays_what_it_is() {
        let (srt, http) = ("srt://h:1?streamid=#!::r=a&passphrase=hunter2hunter2", "https://u:hunter2@h/a.m3u8?t=1");
        let before = game(&[srt, http, "test://ball"]);
        let shown = before.masked_sources();
        assert!(shown.iter().all(|source| !source.contains("hunter2")), "{shown:?}");
        let shown: Vec<&str> = shown.iter().map(String::as_str).collect();
        assert_eq!(kept(&shown, &before).unwrap(), before.sources);
        assert_eq!(kept(&[shown[1], "test://snow", shown[0]], &before).unwrap(), [http, "test://snow", srt]);
        assert_eq!(kept(&[http], &before).unwrap(), [http]);
    }

    #[test]
    fn a_mask_without_its_source_is_refused_and_told() {
        let before = game(&["srt://h:1?passphrase=hunter2hunter2"]);
        let mut moved = game(&["test://ball", "srt://h:2?passphrase=…"]);
        moved.keep_masked(&before).unwrap();
        let refused = moved.checked_sources().unwrap_err();
        assert!(matches!(refused, CatalogueError::SourceInvalid { index: 1, .. }), "{refused}");
        assert!(refused.to_string().contains("in full"), "{refused}");
    }

    #[test]
    fn of_two_that_look_alike_both_stay_and_one_alone_is_asked_about() {
        let before = game(&["srt://h:1?streamid=a", "srt://h:1?streamid=b"]);
        let shown = "srt://h:1?streamid=…";
        assert_eq!(kept(&[shown, shown], &before).unwrap(), before.sources);
        assert!(matches!(kept(&["test://ball", shown], &before), Err(CatalogueError::SourceInvalid { index: 1, .. })));
        let twice = game(&["srt://h:1?streamid=a", "srt://h:1?streamid=a"]);
        assert_eq!(kept(&[shown], &twice).unwrap(), ["srt://h:1?streamid=a"]);
    }

    #[test]
    fn no_secret_is_in_what_is_printed_of_a_game() {
        let spec = game(&["srt://h:1?passphrase=hunter2", "rtmp://h/live/hunter2"]);
        assert!(!format!("{spec:?} {}", spec.checked_sources().unwrap_err()).contains("hunter2"));
    }
}
