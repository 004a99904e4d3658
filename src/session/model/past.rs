//! What a session lists that goes back beyond its own beginning: what it showed first, as if it had always shown it, but in its market's breaks what its market
//! shows. It is in no row: whoever takes the session up finds it anew.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Pick, Session, Span, Wanted};
use crate::mosaic::{EngineChoice, GameKey, MosaicSpec};
use crate::session::splice::{Splice, Splices};
use crate::timeline::SegmentNumber;
use crate::track::{SoundKey, is_rights_card, is_stand_in, sound_key, split_sound_key};

/// What a session was asked for when it began, whatever stood in for it.
pub(in crate::session) struct Home {
    pub spec: MosaicSpec,
    pub engine: EngineChoice,
    pub sound: SoundKey,
}

/// See the module.
#[derive(Default)]
pub(in crate::session) struct Past {
    /// Pictures and sound, up to where the session's own begin; `None` where they are what it showed first.
    shown: Option<(Splices, Splices)>,
    wanted: Vec<Wanted>,
    spans: Vec<Span>,
    /// The games that something stands for in it.
    pub replaced: Vec<Pick>,
}

impl Home {
    /// Segments from `since` on, `replaced` being the games that something stands for from segment to segment, with what that is; ascending and not over one
    /// another for each game. `named` is a mosaic's name.
    pub fn past(
        &self,
        since: SegmentNumber,
        replaced: Vec<(Pick, Span)>,
        named: impl Fn(&MosaicSpec) -> Option<Arc<str>>,
    ) -> Option<Past> {
        let mut from: Vec<SegmentNumber> =
            replaced.iter().flat_map(|(_, span)| [Some(span.from), span.until]).flatten().collect();
        from.push(since);
        from.retain(|n| *n >= since);
        from.sort_unstable();
        from.dedup();
        let mut past = Past::default();
        for from in from {
            let stands = |game: &GameKey| {
                let span = replaced.iter().map(|(_, span)| span).find(|span| span.game == *game && span.covers(from));
                span.map_or_else(|| game.clone(), |span| span.stand_in.clone())
            };
            let spec = MosaicSpec { games: self.spec.games.iter().map(stands).collect(), ..self.spec.clone() };
            let mosaic = named(&spec)?;
            let (game, track) = split_sound_key(&self.sound);
            let sound = sound_key(&stands(&game.into()), track);
            match &mut past.shown {
                Some((pictures, sounds)) => {
                    pictures.push(from, mosaic.clone());
                    sounds.push(from, sound);
                }
                None => past.shown = Some((Splices::new(from, mosaic.clone()), Splices::new(from, sound))),
            }
            if !past.wanted.iter().any(|wanted| wanted.mosaic == mosaic) {
                past.wanted.push(Wanted { mosaic, spec, engine: self.engine, signalled: self.spec.games.clone() });
            }
        }
        for (pick, span) in replaced {
            if !past.replaced.contains(&pick) {
                past.replaced.push(pick);
            }
            past.spans.push(span);
        }
        past.spans.sort_by_key(|span| span.from);
        Some(past)
    }
}

impl Past {
    /// `own`, and before it what is of the past.
    pub fn before<'a>(&self, own: &'a Splices) -> Cow<'a, Splices> {
        self.shown.as_ref().map_or(Cow::Borrowed(own), |(pictures, _)| Cow::Owned(own.behind(pictures)))
    }

    /// The same of sounds.
    pub fn sounds_before<'a>(&self, own: &'a Splices) -> Cow<'a, Splices> {
        self.shown.as_ref().map_or(Cow::Borrowed(own), |(_, sounds)| Cow::Owned(own.behind(sounds)))
    }

    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    pub fn prune(&mut self, oldest: SegmentNumber) {
        let Some((pictures, sounds)) = &mut self.shown else { return };
        pictures.prune(oldest);
        sounds.prune(oldest);
        self.spans.retain(|span| span.until.is_none_or(|until| until > oldest));
        let kept = pictures.mosaics_since(oldest);
        self.wanted.retain(|wanted| kept.contains(&wanted.mosaic));
    }
}

impl Session {
    /// The mosaics that it shows or showed, those of the past, too.
    pub(super) fn all_wanted(&self) -> impl Iterator<Item = &Wanted> {
        self.wanted.iter().chain(&self.past.wanted)
    }

    /// The mosaic that it showed first of those that are known.
    pub(in crate::session) fn first_mosaic(&self) -> &Arc<str> {
        self.splices.entries().first().map_or(self.splices.newest(), Splice::opens_with)
    }

    /// The segment from which on it shows that, and what was asked for then, `shows` being what it shows.
    pub(in crate::session) fn first_shown(&self, shows: MosaicSpec) -> Option<(SegmentNumber, Home)> {
        let first = self.splices.entries().first()?;
        let wanted = self.wanted.iter().find(|wanted| wanted.mosaic == *first.opens_with());
        let spec = wanted.map_or(shows, |wanted| wanted.spec.clone());
        // Of one that was taken up it is not known any more what stood in for which game: as a rule it shows the same ones still.
        let home_of = |(slot, game): (usize, &GameKey)| {
            let home = self.detour.home_of(game, first.from);
            let is_known = !is_stand_in(home) && !is_rights_card(home);
            let now = self.show.games.get(slot).filter(|_| !is_known && self.show.games.len() == spec.games.len());
            now.map_or(home, |pick| &pick.key).clone()
        };
        let games: Vec<GameKey> = spec.games.iter().enumerate().map(home_of).collect();
        let sound = self.sounds.entries().first().map_or(self.sounds.newest(), |first| &first.mosaic);
        let (heard, track) = split_sound_key(sound);
        let heard = spec.games.iter().position(|game| **game == *heard).and_then(|slot| games.get(slot));
        let sound = heard.map_or_else(|| sound.clone(), |game| sound_key(game, track));
        let engine = wanted.map_or(self.show.engine, |wanted| wanted.engine);
        Some((first.from, Home { spec: MosaicSpec { games, ..spec }, engine, sound }))
    }

    /// Whether what it lists from segment `since` on is known.
    pub(in crate::session) fn reaches(&self, since: SegmentNumber) -> bool {
        self.past.before(&self.splices).entries().first().is_some_and(|first| first.from <= since)
    }

    pub(in crate::session) fn take_past(&mut self, past: Past) {
        self.past = past;
    }

    /// The games that something stands for in what was before it began.
    pub(in crate::session) fn replaced_before(&self) -> &[Pick] {
        &self.past.replaced
    }
}
