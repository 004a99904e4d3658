//! What a session's media playlists list, and waiting for it.

use std::sync::Arc;
use std::time::Duration;

use super::SessionError;
use super::model::{Lists, Session, Sound, Sounding};
use super::numbering::Numbering;
use super::registry::{Entry, Sessions, newest_to_begin_with};
use super::splice::{Splices, Window};
use super::state::Trigger;
use super::tickets::Player;
use crate::hls::playlist::target_duration_s;
use crate::mosaic::{GameKey, MosaicId};
use crate::timeline::{PartNumber, SegmentNumber};
use crate::track::{Held, Position, SoundKey};

/// What a client asks of a media playlist (RFC 8216bis, 6.2.5): `_HLS_msn`, `_HLS_part` and `_HLS_skip`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reload {
    /// The answer waits until this media sequence number is listed whole, or the part of it.
    pub msn: Option<u64>,
    pub part: Option<PartNumber>,
    /// What the client has already may be left out.
    pub skip: bool,
    /// Whether parts are listed, with all that belongs to them.
    pub parts: bool,
    /// What was played is listed from this instant on (milliseconds of Unix time), as far as it is there.
    pub start_ms: Option<i64>,
    /// Whose addresses those are that the playlist lists of the session's own.
    pub player: Player,
}

/// Segments after the newest that a client may wait for (6.2.5.2).
const MOST_AHEAD: u64 = 2;

/// Target durations that a reload waits at most (6.2.5.2).
const PATIENCE_TARGETS: u32 = 3;

/// What a media playlist is made from.
pub(super) struct Playlist {
    pub lists: Lists,
    /// The mosaic of its init segment.
    pub map_mosaic: Arc<str>,
    pub numbering: Numbering,
    /// The mosaic of the part after the newest.
    pub next_mosaic: Option<Arc<str>>,
    /// Slots of what it shows.
    pub slots: usize,
    /// Of a sound, the game that is heard in each segment.
    pub sounding: Option<Splices>,
    /// Of each mosaic that it may list, the games whose signals it tells.
    pub signalled: Vec<(Arc<str>, Vec<GameKey>)>,
    /// It begins where the client asked for, or as near as there is something.
    pub is_started: bool,
}

/// What a media playlist lists now.
enum Now {
    Lists(Playlist),
    Waits(Awaited),
}

/// What has to come before there is an answer.
enum Awaited {
    Picture(MosaicId, Position),
    Sound(SoundKey, Position),
}

impl Sessions {
    /// What a media playlist lists: the picture's, or that of `sound`. Waits for the first segment of both, and for what
    /// `reload` says.
    pub(super) async fn listing(
        &self,
        entry: &Entry,
        sound: Option<&Sound>,
        reload: Reload,
    ) -> Result<Playlist, SessionError> {
        let patience = match reload.msn {
            Some(_) => Duration::from_secs(u64::from(PATIENCE_TARGETS * target_duration_s(&self.grid))),
            None => self.settings.first_segment_wait,
        };
        let deadline = tokio::time::Instant::now() + patience;
        let mut in_hurry = false;
        loop {
            let awaited = match self.listing_now(entry, sound, reload, in_hurry).await? {
                Now::Lists(playlist) => return Ok(playlist),
                Now::Waits(awaited) => awaited,
            };
            let comes = async {
                match &awaited {
                    Awaited::Picture(id, at) => self.mosaics.wait(id, *at).await,
                    Awaited::Sound(game, at) => self.games.wait(game, *at).await,
                }
            };
            // What is there and is not listed all the same would be asked for again and again.
            if tokio::time::timeout_at(deadline, comes).await.is_ok() && tokio::time::Instant::now() < deadline {
                continue;
            }
            if std::mem::replace(&mut in_hurry, true) {
                let segment_s = self.grid.segment_duration().as_secs_f64().ceil() as u32;
                return Err(SessionError::NotReady { retry_after_s: segment_s.max(1) });
            }
        }
    }

    /// `in_hurry` takes a playlist that is too short to begin with, too.
    async fn listing_now(
        &self,
        entry: &Entry,
        sound: Option<&Sound>,
        reload: Reload,
        in_hurry: bool,
    ) -> Result<Now, SessionError> {
        self.begin_late(entry).await;
        self.direct_first(entry).await;
        let window = self.window(entry, reload);
        let oldest = match window {
            Window::Since(since) => {
                self.reach_back(entry, since).await;
                since
            }
            Window::Newest(segments) => self.running().saturating_sub(2 * segments as u64),
        };
        // Mosaics are asked between two holds of the session's lock, and not within one.
        let (mosaics, sounding) = {
            let session = entry.session.lock();
            let sounding = sound.map(|sound| session.sounding(sound).reaching_back(oldest));
            (session.mosaics_since(oldest), sounding)
        };
        let mut held = Vec::with_capacity(mosaics.len());
        for id in mosaics {
            let its = self.mosaics.held(&MosaicId(id.clone())).await;
            held.push((id, its));
        }
        let sound = sounding.map(|games| {
            let held = games.mosaics_since(0).into_iter().map(|key| (key.clone(), self.sound_lit(&key)));
            Sounding { held: held.collect(), games }
        });
        let (now_ms, terms) = (self.now_ms(), self.terms());
        let mut session = entry.session.lock();
        session.step(Trigger::Polled)?;
        session.seen(now_ms);
        let lists = session.lists(window, &held, sound.as_ref());
        let running = self.segment_at(now_ms);
        let comes = lists.comes_at_once(running).filter(|_| !in_hurry).map(|n| session.numbering().sequence(n));
        let reload = Reload { msn: reload.msn.or(comes), ..reload };
        let ends = session.last_segment().filter(|last| *last < running && !lists.ended && !in_hurry);
        if let Some(awaited) = self.awaited(&session, &lists, &held, sound.as_ref(), reload, ends)? {
            return Ok(Now::Waits(awaited));
        }
        let come_to = lists.come_to(self.grid.parts());
        let next = come_to.map(|come_to| come_to.next(&self.grid));
        // Where no parts are listed, whole segments are.
        let newest = lists.listing.segments.last().map(|newest| Position::new(newest.number + 1, 0));
        let free_from = if reload.parts { next } else { newest };
        let missed_ms = if session.is_paused(now_ms, terms) {
            // Whatever track is asked for first, the others can be had now, too.
            let picture = sound.is_some().then(|| session.lists(window, &held, None));
            let missed = [Some(&lists), picture.as_ref()].into_iter().flatten();
            missed.map(|lists| self.missed_ms(lists, session.listed_to())).max().unwrap_or(0).min(self.up_ms(now_ms))
        } else {
            0
        };
        let first = lists.listing.segments.first().map(|first| first.number);
        session.listed(first, free_from.unwrap_or(Position::new(0, 0)), reload.parts);
        // What lies behind a beginning that was asked for is had when it is asked for.
        if let (Window::Newest(_), Some((first, last))) =
            (window, lists.listing.segments.first().zip(lists.listing.segments.last()))
        {
            session.had(first.number..=last.number);
        }
        session.watched(now_ms, missed_ms, running, terms);
        Ok(Now::Lists(Playlist {
            signalled: session.signalled(),
            is_started: reload.start_ms.is_some() && self.settings.start_over.is_some(),
            map_mosaic: session.map_mosaic().clone(),
            numbering: session.numbering().clone(),
            next_mosaic: next.and_then(|next| session.mosaic_of(next).cloned()),
            slots: session.show.games.len(),
            sounding: sound.map(|sound| sound.games),
            lists,
        }))
    }

    /// How much a playlist lists from segment `since` on, as far as the live window reaches, in milliseconds: of what lies further back each segment is
    /// metered when it is asked for.
    fn missed_ms(&self, lists: &Lists, since: SegmentNumber) -> i64 {
        let segments = lists.listing.segments.iter().rev().take(self.settings.window_segments);
        let missed = segments.take_while(|listed| listed.number >= since).filter(|listed| !listed.gap).count();
        let running = lists.listing.running.as_ref().map_or(0, |running| i64::from(running.parts));
        let part_ms = self.segment_ms() / i64::from(self.grid.parts().max(1));
        i64::try_from(missed).unwrap_or(i64::MAX).saturating_mul(self.segment_ms()) + running * part_ms
    }

    /// A session that was made a while ago and asks for its first playlist begins now: of what came since it would have all for nothing.
    async fn begin_late(&self, entry: &Entry) {
        let (now_ms, terms) = (self.now_ms(), self.terms());
        let running = self.segment_at(now_ms);
        let mosaic = {
            let session = entry.session.lock();
            if session.has_begun() {
                return;
            }
            session.mosaic_at(running).unwrap_or(session.newest_mosaic()).clone()
        };
        let first = newest_to_begin_with(&self.mosaics.held(&MosaicId(mosaic)).await, running);
        entry.session.lock().asked_first(now_ms, first, terms);
    }

    /// What a playlist lists: the live window, or more where more was asked for and may be had.
    fn window(&self, entry: &Entry, reload: Reload) -> Window {
        let live = self.settings.window_segments;
        let (Some(right), Some(start_ms)) = (self.settings.start_over, reload.start_ms) else {
            return Window::Newest(live);
        };
        let running = self.running();
        let since = self.segment_at(start_ms).max(running.saturating_sub(right.segments));
        // Of a session that was made a moment ago the live window does not reach as far back as it is long.
        let lists_from = entry.session.lock().lists_from();
        if since < lists_from || since + (live as u64) < running {
            Window::Since(since.max(self.past_from(entry)))
        } else {
            Window::Newest(live)
        }
    }

    /// What is missing of an answer, if anything is.
    fn awaited(
        &self,
        session: &Session,
        lists: &Lists,
        held: &[(Arc<str>, Held)],
        sound: Option<&Sounding>,
        reload: Reload,
        ends: Option<SegmentNumber>,
    ) -> Result<Option<Awaited>, SessionError> {
        if lists.ended || !session.state.is_active() && ends.is_none() {
            return Ok(None);
        }
        let parts = self.grid.parts();
        let of = |mosaic: &str| held.iter().find(|(id, _)| &**id == mosaic).map(|(_, held)| held);
        let at = match (ends, lists.listing.segments.last(), reload.msn) {
            // Who ends a session finds that it has ended: what is made in this moment is its last segment.
            (Some(last), ..) => Position::end_of(&self.grid, last),
            (None, Some(_), None) => return Ok(None),
            (None, Some(newest), Some(msn)) => {
                let numbering = session.numbering();
                let newest_msn = numbering.sequence(newest.number);
                if msn > newest_msn + MOST_AHEAD {
                    return Err(SessionError::ReloadTooFar { asked: msn, newest: newest_msn });
                }
                // A part that the segment has not is the first of the next (6.2.5.2).
                let (msn, part) = match reload.part {
                    Some(part) if part >= parts => (msn + 1, 0),
                    Some(part) => (msn, part),
                    None => (msn, parts - 1),
                };
                let Some(segment) = numbering.segment(msn) else { return Ok(None) };
                let at = Position::new(segment, part);
                if lists.come_to(parts) >= Some(at) {
                    return Ok(None);
                }
                at
            }
            (None, None, _) => {
                let (mosaic, from) = session.newest_splice();
                let newest = |held: Option<&Held>| held.and_then(|held| held.whole.newest());
                let next = newest(of(mosaic)).map_or(from, |newest| from.max(newest + 1));
                if let Some(sound) = sound.filter(|_| newest(of(mosaic)).is_some_and(|newest| newest >= from)) {
                    let heard = newest(of(mosaic)).unwrap_or(from);
                    let next = newest(sound.held_in(heard)).map_or(from, |newest| from.max(newest + 1));
                    let game = sound.games.mosaic_at(heard).unwrap_or(sound.games.newest());
                    return Ok(Some(Awaited::Sound(game.clone(), Position::end_of(&self.grid, next))));
                }
                Position::end_of(&self.grid, next)
            }
        };
        let mosaic = session.mosaic_at(at.segment).unwrap_or(session.newest_splice().0);
        // Who is there already and is listed no further waits for the other, or for a hole to be sure of: for what comes next.
        let still = |held: Option<&Held>| {
            let come_to = held.and_then(|held| held.come_to).filter(|come_to| *come_to >= at);
            come_to.map_or(at, |come_to| come_to.next(&self.grid))
        };
        let picture = still(of(mosaic));
        Ok(Some(match sound {
            Some(sound) if picture > at && sound.held_in(at.segment).and_then(|held| held.come_to) < Some(at) => {
                Awaited::Sound(sound.games.mosaic_at(at.segment).unwrap_or(sound.games.newest()).clone(), at)
            }
            _ => Awaited::Picture(MosaicId(mosaic.clone()), picture),
        }))
    }
}
