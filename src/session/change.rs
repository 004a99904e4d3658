//! What a session is to show: checked against games, layouts and slots, and changed.

use super::model::{Pick, Session, Show};
use super::registry::{Entry, Sessions};
use super::state::Trigger;
use super::{ChangeSession, SessionError, SessionView};
use crate::layout::Layout;
use crate::mosaic::{EngineChoice, EngineKind, MosaicId, Placement};

/// A viewer watches one to four games.
const GAMES: std::ops::RangeInclusive<usize> = 1..=4;

/// Another change of the same session may come in between; then the change is worked out anew, this often.
const ATTEMPTS: usize = 8;

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
        let found = match &layout {
            Some(id) => self.layouts.get(id),
            None => self.layouts.default_for(games.len()),
        };
        let layout = found.ok_or_else(|| SessionError::LayoutUnknown { id: layout.unwrap_or_default() })?;
        check_fit(&layout, games.len(), engine)?;
        let audio = audio.unwrap_or_else(|| games[0].id.clone());
        check_audio(&games, &audio)?;
        Ok(Show { layout, games, audio, engine })
    }

    /// What `request` makes of `old`: what it does not name stays.
    fn changed(&self, tenant: &str, old: &Show, request: &ChangeSession) -> Result<Show, SessionError> {
        let mut show = old.clone();
        if let Some(games) = &request.games {
            let layout = Some(request.layout.clone().unwrap_or_else(|| old.layout.id.clone()));
            show = self.show(tenant, games.clone(), layout, None, old.engine)?;
            show.audio = following_audio(old, &show.games);
        } else if let Some(id) = &request.layout {
            // The games stay, and so do their keys, even if one is no longer registered.
            show.layout = self.layouts.get(id).ok_or_else(|| SessionError::LayoutUnknown { id: id.clone() })?;
            check_fit(&show.layout, show.games.len(), show.engine)?;
        }
        if let Some(audio) = &request.audio {
            check_audio(&show.games, audio)?;
            show.audio.clone_from(audio);
        }
        Ok(show)
    }

    /// Changes what a session shows, from the first segment on that was not yet listed to it. A refusal changes nothing.
    pub async fn change(&self, tenant: &str, id: &str, request: ChangeSession) -> Result<SessionView, SessionError> {
        let entry = self.entry_to_change(tenant, id).await?;
        for _ in 0..ATTEMPTS {
            let (old, revision) = {
                let mut session = entry.session.lock();
                session.step(Trigger::Changed)?;
                if request.if_match.as_ref().is_some_and(|seen| !seen.contains(&session.revision)) {
                    return Err(SessionError::RevisionStale { current: session.revision });
                }
                (session.show.clone(), session.revision)
            };
            let show = self.changed(tenant, &old, &request)?;
            if show == old {
                return self.get(tenant, id).await;
            }
            // The new mosaic first: where there is no room for it, the old one goes on.
            let placement = if show.spec() == old.spec() { None } else { Some(self.want_for(&entry, &show)?) };
            let now_ms = self.now_ms();
            let terms = self.terms();
            let done = {
                let mut session = entry.session.lock();
                session.step(Trigger::Changed)?;
                if session.revision == revision {
                    session.advance_meter(now_ms, terms);
                    self.apply(&mut session, show, placement);
                    true
                } else {
                    false
                }
            };
            if done {
                let _ = self.persist(&entry).await;
                return Ok(entry.session.lock().view());
            }
        }
        let current = entry.session.lock().revision;
        Err(SessionError::RevisionStale { current })
    }

    /// Wants what `entry`'s session is to show. Where nobody else watches what it showed, that is given up for it.
    fn want_for(&self, entry: &Entry, show: &Show) -> Result<Placement, SessionError> {
        let left = entry.session.lock().newest_mosaic().clone();
        let others = self.entries().into_iter().any(|other| {
            let session = other.session.lock();
            session.id != entry.id && session.state.is_active() && *session.newest_mosaic() == left
        });
        let placement = if others {
            self.mosaics.want(&show.spec(), show.engine)
        } else {
            self.mosaics.want_instead(&MosaicId(left), &show.spec(), show.engine)
        };
        Ok(placement?)
    }

    fn apply(&self, session: &mut Session, show: Show, placement: Option<Placement>) {
        match placement {
            Some(placement) => session.splice(show, &placement, |n| self.grid.segment_time(n).unix_millis()),
            None => session.show = show,
        }
        session.revision += 1;
        session.unsaved = true;
    }
}

fn check_fit(layout: &Layout, games: usize, engine: EngineChoice) -> Result<(), SessionError> {
    if layout.slots.len() != games {
        return Err(SessionError::LayoutMismatch { layout: layout.id.clone(), slots: layout.slots.len(), games });
    }
    // Slices of tiles lie side by side: stitching cannot put one over another.
    if engine == EngineChoice::Only(EngineKind::Stitch) && layout.overlap {
        return Err(SessionError::EngineUnsuited { engine: EngineKind::Stitch, layout: layout.id.clone() });
    }
    Ok(())
}

fn check_audio(games: &[Pick], audio: &str) -> Result<(), SessionError> {
    if games.iter().any(|game| game.id == audio) {
        Ok(())
    } else {
        Err(SessionError::AudioUnknown { id: audio.to_owned() })
    }
}

/// The sound after a swap that names none: it stays while its game is on the picture, else it goes with the slot.
fn following_audio(old: &Show, games: &[Pick]) -> String {
    if games.iter().any(|game| game.id == old.audio) {
        return old.audio.clone();
    }
    let slot = old.games.iter().position(|game| game.id == old.audio).unwrap_or(0);
    games.get(slot).or(games.first()).map(|game| game.id.clone()).unwrap_or_default()
}
