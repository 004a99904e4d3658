//! What a session is to show: checked against games, layouts and slots, and changed.

use std::collections::BTreeSet;
use std::sync::Arc;

use tracing::Instrument;
use tracing::field::Empty;

use super::model::{Coming, Pick, Session, Show, shows_at, split_audio};
use super::registry::{Entry, Sessions, begins};
use super::rights::{Rights, Rules};
use super::stand_ins::STILL_WAIT;
use super::state::Trigger;
use super::turns::Turn;
use super::{ChangeSession, MosaicWish, NamedMosaic, SessionError, SessionView};
use crate::layout::{Layout, Misfit};
use crate::mosaic::{EngineChoice, EngineKind, MosaicId, Placement};
use crate::spans::span;
use crate::timeline::SegmentNumber;
use crate::track::{Held, Position};

/// A viewer watches one to four games.
const GAMES: std::ops::RangeInclusive<usize> = 1..=4;

/// What waits for something that is yet to be made is expected so many segments from now.
const PUT_OFF: SegmentNumber = 2;

impl Sessions {
    /// A request for something to show, checked in the order of the contract's refusals.
    pub(super) fn show(
        &self,
        tenant: &str,
        games: Vec<String>,
        layout: Option<String>,
        audio: Option<String>,
        engine: EngineChoice,
    ) -> Result<Show, SessionError> {
        if !GAMES.contains(&games.len()) {
            return Err(SessionError::GamesCount { given: games.len() });
        }
        let find = |id: String| match self.games.find(tenant, &id) {
            Some(info) => Ok(Pick { id: info.id, key: info.key }),
            None => Err(SessionError::GameUnknown { id }),
        };
        let games = games.into_iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let layout = self.layout_for(layout.as_deref(), games.len())?;
        check_engine(&layout, engine)?;
        let is_chosen = audio.is_some();
        let audio = match audio {
            Some(audio) => self.checked_audio(tenant, &games, &audio)?,
            None => games[0].id.clone(),
        };
        Ok(Show { layout, games, audio, engine, skin: None, is_chosen })
    }

    /// What a mosaic would be called, and what it is made of, without making it: the past of one that nobody watches has a name, too.
    pub fn named(&self, tenant: &str, wish: MosaicWish) -> Result<NamedMosaic, SessionError> {
        let MosaicWish { games, layout, audio, engine } = wish;
        let show = self.show(tenant, games, layout, audio, engine)?;
        let (id, engine) = self.mosaics.name(&show.spec(), engine)?;
        let sound = show.sound_key();
        Ok(NamedMosaic { id, engine, layout: show.layout.id.clone(), games: show.game_ids(), audio: show.audio, sound })
    }

    /// What `request` makes of `old`, as far as `rules` go: what it does not name stays.
    fn changed(
        &self,
        tenant: &str,
        old: &Show,
        request: &ChangeSession,
        (rights, rules): (&Rights, &Rules),
    ) -> Result<Show, SessionError> {
        let mut show = old.clone();
        show.engine = request.engine.unwrap_or(old.engine);
        if let Some(games) = &request.games {
            let layout = Some(request.layout.clone().unwrap_or_else(|| old.layout.id.clone()));
            show = self.show(tenant, games.clone(), layout, None, show.engine)?;
            // What it shows already and may no longer be shown has its card, and keeps nobody from changing the rest.
            let fresh: Vec<_> = show.games.iter().filter(|pick| !old.games.contains(pick)).cloned().collect();
            self.check_games(&fresh, rights, rules)?;
            show.audio = self.following_audio(tenant, old, &show.games, rules);
            show.is_chosen = old.is_chosen;
        } else if let Some(id) = &request.layout {
            // The games stay, and so do their keys, even if one is no longer registered.
            show.layout = self.layout_for(Some(id), show.games.len())?;
        }
        show.skin = request.skin.clone().unwrap_or_else(|| old.skin.clone());
        check_engine(&show.layout, show.engine)?;
        if let Some(audio) = &request.audio {
            show.audio = self.checked_audio(tenant, &show.games, audio)?;
            show.is_chosen = true;
        }
        Ok(show)
    }

    /// `audio` as it is told: a game's main sound by the game's id alone.
    fn checked_audio(&self, tenant: &str, games: &[Pick], audio: &str) -> Result<String, SessionError> {
        let unknown = || SessionError::AudioUnknown { id: audio.to_owned(), there: self.sounds_of(tenant, games) };
        let (id, track) = split_audio(audio);
        let game = games.iter().find(|game| game.id == id).ok_or_else(unknown)?;
        match track {
            None => Ok(game.id.clone()),
            Some(track) if self.has_sound(tenant, game, track) => Ok(audio.to_owned()),
            Some(_) => Err(unknown()),
        }
    }

    /// What may be chosen to be heard.
    fn sounds_of(&self, tenant: &str, games: &[Pick]) -> Vec<String> {
        let beside = |game: &Pick| {
            let info = self.games.find(tenant, &game.id).filter(|info| info.key == game.key);
            let sounds = info.into_iter().flat_map(|info| info.sounds);
            sounds.map(|sound| format!("{}/{}", game.id, sound.id)).collect::<Vec<_>>()
        };
        // A game may be in two slots.
        let mut seen = BTreeSet::new();
        let once = games.iter().filter(|game| seen.insert(&game.id));
        once.flat_map(|game| [game.id.clone()].into_iter().chain(beside(game))).collect()
    }

    fn has_sound(&self, tenant: &str, game: &Pick, track: &str) -> bool {
        let info = self.games.find(tenant, &game.id).filter(|info| info.key == game.key);
        info.is_some_and(|info| info.sounds.iter().any(|sound| &*sound.id == track))
    }

    /// The sound after a swap that names none: it stays while its game is on the picture, else it goes with the slot, and to the same of the new game's
    /// sounds, where that has it. Where the viewer has chosen none it is what the market says.
    fn following_audio(&self, tenant: &str, old: &Show, games: &[Pick], rules: &Rules) -> String {
        let (id, track) = split_audio(&old.audio);
        if games.iter().any(|game| game.id == id) {
            return old.audio.clone();
        }
        let slot = old.games.iter().position(|game| game.id == id).unwrap_or(0);
        let Some(game) = games.get(slot).or(games.first()) else { return String::new() };
        if !old.is_chosen {
            return self.heard_by_default(tenant, game, rules);
        }
        match track.filter(|track| self.has_sound(tenant, game, track)) {
            Some(track) => format!("{}/{track}", game.id),
            None => game.id.clone(),
        }
    }

    /// Changes what a session shows, from the first part on that was not yet listed to it. A refusal changes nothing.
    pub async fn change(&self, tenant: &str, id: &str, request: ChangeSession) -> Result<SessionView, SessionError> {
        let span = span!(
            "session.change",
            quadrille.tenant = tenant,
            quadrille.session = Empty,
            quadrille.effective_segment = Empty,
            otel.status_code = Empty
        );
        let changed = self.change_once(tenant, id, request).instrument(span.clone()).await;
        match &changed {
            Ok(view) => {
                span.record("quadrille.session", view.id.as_str());
                span.record("quadrille.effective_segment", view.effective_segment);
            }
            // As where it was made; an id that no session has may be anything.
            Err(_) => {
                span.record("otel.status_code", "ERROR");
            }
        }
        changed
    }

    async fn change_once(&self, tenant: &str, id: &str, request: ChangeSession) -> Result<SessionView, SessionError> {
        let entry = self.entry_to_change(tenant, id).await?;
        let turn = entry.turns.take().await;
        let (old, rights) = {
            let mut session = entry.session.lock();
            session.step(Trigger::Changed)?;
            if request.if_match.as_ref().is_some_and(|seen| !seen.contains(&session.revision)) {
                return Err(SessionError::RevisionStale { current: session.revision });
            }
            (session.show.clone(), session.rights.clone())
        };
        let rules = self.rules(tenant, &rights);
        if request.games.is_some() {
            rules.check_region(&rights)?;
        }
        let show = self.changed(tenant, &old, &request, (&rights, &rules))?;
        if show == (Show { is_chosen: show.is_chosen, ..old.clone() }) {
            if show.is_chosen != old.is_chosen {
                // The viewer means what the market had chosen: it stays so through swaps.
                let mut session = entry.session.lock();
                (session.show.is_chosen, session.unsaved) = (true, true);
            }
            drop(turn);
            return self.get(tenant, id).await;
        }
        let aired = self.aired_soon(&entry, &turn, &show).await;
        // The new mosaic first: where there is no room for it, the old one goes on.
        let placement = if show.spec() == old.spec() && show.engine == old.engine {
            None
        } else {
            let placement = match &aired {
                Some(aired) => self.want_for(&entry, aired)?,
                // What it shows goes on for a while.
                None => self.mosaics.want_for(tenant, None, &show.spec(), show.engine)?,
            };
            let running = self.segment_at(self.now_ms());
            self.come_first(&entry, &turn, &placement, running).await;
            let held = self.mosaics.held(&placement.id).await;
            Some((placement, held, running))
        };
        let (now_ms, terms) = (self.now_ms(), self.terms());
        {
            let mut session = entry.session.lock();
            // It may have ended meanwhile.
            session.step(Trigger::Changed)?;
            session.advance_meter(now_ms, terms);
            match &aired {
                Some(aired) => self.apply(&mut session, (show, aired), placement),
                None => self.put_off(&mut session, show, placement.map(|(placement, ..)| placement))?,
            }
            session.revision += 1;
            session.unsaved = true;
        }
        self.direct(&entry);
        drop(turn);
        let _ = self.persist(&entry).await;
        Ok(self.view_of(&entry))
    }

    /// Gives a mosaic that has only just begun a moment, where that lets it show sooner; not where another change waits.
    async fn come_first(&self, entry: &Entry, turn: &Turn<'_>, placement: &Placement, running: SegmentNumber) {
        let to_come = || entry.session.lock().to_come_first(placement, running);
        let comes = async {
            let mut waited_for = None;
            // While it comes to where the session was, the session may have gone on.
            while let Some(first) = to_come().filter(|first| Some(*first) > waited_for) {
                self.mosaics.wait(&placement.id, first).await;
                waited_for = Some(first);
            }
        };
        tokio::select! {
            () = comes => {}
            () = turn.is_awaited() => {}
            () = tokio::time::sleep(self.settings.change_wait) => {}
        }
    }

    /// Wants what `entry`'s session is to show. Where nobody else watches what it showed, that is given up for it.
    fn want_for(&self, entry: &Entry, show: &Show) -> Result<Placement, SessionError> {
        let left = entry.session.lock().newest_mosaic().clone();
        let others = self.entries().into_iter().any(|other| {
            let session = other.session.lock();
            session.id != entry.id && session.state.is_active() && *session.newest_mosaic() == left
        });
        let left = (!others).then_some(MosaicId(left));
        Ok(self.mosaics.want_for(&entry.tenant, left.as_ref(), &show.spec(), show.engine)?)
    }

    /// With `placement` comes what is there of it, and the segment that ran when it was wanted.
    fn apply(
        &self,
        session: &mut Session,
        (show, aired): (Show, &Show),
        placement: Option<(Placement, Held, SegmentNumber)>,
    ) {
        // Now, with the session's lock held: who asks next sees the change, and what was listed to those who asked before is known.
        let now_ms = self.now_ms();
        match placement {
            Some((placement, held, running)) => {
                // Where nothing was listed it is made anew, now.
                let coming = Coming {
                    placement: &placement,
                    begins: begins(&placement, &held, running).max(self.lit_from(&aired.game_keys())),
                    reached: held.come_to.map_or(Position::new(0, 0), |come_to| come_to.next(&self.grid)),
                    bridge: &|from, begins| self.mosaics.bridge(&MosaicId(from.clone()), &placement.id, begins),
                };
                // What has gone by was told as it was.
                let time_ms = |at| shows_at(&self.grid, at).unix_millis().max(now_ms);
                session.splice((show, aired), &coming, running, time_ms);
            }
            None => session.hear(show, aired),
        }
    }

    /// `show` as it is on the air. A picture that stands still is made in a moment, and there is one; not where another change waits.
    async fn aired_soon(&self, entry: &Entry, turn: &Turn<'_>, show: &Show) -> Option<Show> {
        let made = async {
            loop {
                if let Some(aired) = self.aired(entry, show) {
                    return aired;
                }
                tokio::time::sleep(STILL_WAIT).await;
            }
        };
        tokio::select! {
            biased;
            aired = made => Some(aired),
            () = turn.is_awaited() => None,
            () = tokio::time::sleep(self.settings.change_wait) => None,
        }
    }

    /// Shows `show` once what is to stand in for its games is made. Until then the session goes on with what it shows: the games may not be shown.
    fn put_off(&self, session: &mut Session, show: Show, placement: Option<Placement>) -> Result<(), SessionError> {
        let (home, engine) = match placement {
            Some(Placement { id, engine, .. }) => (id, engine),
            None => self.mosaics.name(&show.spec(), show.engine)?,
        };
        let from = session.free_to_plan(self.running()).max(self.running() + PUT_OFF);
        let at_ms = shows_at(&self.grid, Position::new(from, 0)).unix_millis().max(self.now_ms());
        session.hold_back(show, (&home, engine), from, at_ms);
        Ok(())
    }

    /// The layout called `id`, or the one for so many games.
    fn layout_for(&self, id: Option<&str>, games: usize) -> Result<Arc<Layout>, SessionError> {
        self.layouts.pick(id, games).map_err(|misfit| {
            let fitting = self.layouts.fitting(games);
            match misfit {
                Misfit::Unknown => {
                    SessionError::LayoutUnknown { id: id.unwrap_or_default().to_owned(), games, fitting }
                }
                Misfit::Slots { layout, slots } => SessionError::LayoutMismatch { layout, slots, games, fitting },
            }
        })
    }
}

/// Slices of tiles lie side by side: stitching cannot put one over another. Art over a game is on the game's tile.
fn check_engine(layout: &Layout, engine: EngineChoice) -> Result<(), SessionError> {
    if engine == EngineChoice::Only(EngineKind::Stitch) && layout.is_only_rendered() {
        return Err(SessionError::EngineUnsuited { engine: EngineKind::Stitch, layout: layout.id.clone() });
    }
    Ok(())
}
