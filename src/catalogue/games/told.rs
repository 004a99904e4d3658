//! What tenants are told of games as it happens: that one has pictures or none, that a break begins or ends. Looked at once a second: what comes and goes in
//! between is not told.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::{Catalogue, Game};
use crate::cues::track::InBreak;
use crate::events::{BreakTold, EventKind, Events, GameTold};
use crate::mosaic::GameKey;
use crate::timeline::MediaTime;

/// A game that has had no picture yet may be about to have one.
const COMING_UP: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Default)]
pub(super) struct Told {
    events: OnceLock<Arc<Events>>,
    of_games: Mutex<HashMap<GameKey, Known>>,
}

/// What was told of a game last.
#[derive(Debug, Default)]
struct Known {
    is_live: Option<bool>,
    in_break: Option<InBreak>,
}

/// What there is to tell.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Live,
    Slate,
    BreakStarted(InBreak),
    BreakEnded(InBreak),
}

impl Told {
    /// A break that the process before began was told by it.
    pub fn knows(&self, game: &GameKey, in_break: Option<InBreak>) {
        self.of_games.lock().entry(game.clone()).or_default().in_break = in_break;
    }
}

impl Known {
    /// Compares with what was told; `dark` is how long the game has had no picture, if it has none.
    fn look(&mut self, dark: Option<Duration>, in_break: Option<InBreak>) -> Vec<Change> {
        let mut changes = Vec::new();
        match (self.is_live, dark) {
            (None | Some(false), None) => {
                self.is_live = Some(true);
                changes.push(Change::Live);
            }
            (None, Some(dark)) if dark < COMING_UP => {}
            (None | Some(true), Some(_)) => {
                self.is_live = Some(false);
                changes.push(Change::Slate);
            }
            (Some(true), None) | (Some(false), Some(_)) => {}
        }
        let is_same = |one: &InBreak, other: &InBreak| one.id == other.id && one.since == other.since;
        let goes_on = self.in_break.as_ref().zip(in_break.as_ref()).is_some_and(|(one, other)| is_same(one, other));
        if !goes_on {
            changes.extend(self.in_break.take().map(Change::BreakEnded));
            changes.extend(in_break.clone().map(Change::BreakStarted));
        }
        self.in_break = in_break;
        changes
    }
}

impl Catalogue {
    /// Says where to tell what happens.
    pub fn set_events(&self, events: Arc<Events>) {
        // Once: those who were told before are told on.
        let _ = self.told.events.set(events);
    }

    /// Tells what has changed since this was called last. Call about once a second, after [`Catalogue::sweep`].
    pub fn tell(&self) {
        let Some(events) = self.told.events.get() else { return };
        let running: Vec<Arc<Game>> = self.games.read().running.values().cloned().collect();
        let now = self.settings.clock.now();
        let mut of_games = self.told.of_games.lock();
        of_games.retain(|key, _| running.iter().any(|game| game.key == *key));
        for game in &running {
            let health = game.feed.health();
            let is_live = health.status == crate::feed::FeedStatus::Live;
            let dark = (!is_live).then(|| now.since(health.since));
            let in_break = game.cues.lock().in_break(now);
            for change in of_games.entry(game.key.clone()).or_default().look(dark, in_break) {
                self.tell_change(events, game, change, now);
            }
        }
    }

    fn tell_change(&self, events: &Events, game: &Game, change: Change, now: MediaTime) {
        let spec = &game.spec;
        // A game that its tenant's own hides is none of that tenant's.
        let for_whom = |tenant: &str| self.by_id(tenant, &spec.id).is_some_and(|theirs| theirs.key == game.key);
        let at_ms = now.unix_millis();
        let of_break = |one: &InBreak, ends_at: Option<MediaTime>| BreakTold {
            game: spec.id.clone(),
            title: spec.title.clone(),
            break_id: one.id.clone(),
            starts_at: one.since.to_string(),
            ends_at: ends_at.map(|at| at.to_string()),
        };
        let of_game = || {
            let health = game.feed.health();
            let reason = health.reason.and_then(|reason| serde_json::to_value(reason).ok());
            GameTold {
                game: spec.id.clone(),
                title: spec.title.clone(),
                status: health.status.name().to_owned(),
                reason: reason.and_then(|reason| reason.as_str().map(str::to_owned)),
                since: health.since.to_string(),
            }
        };
        match change {
            Change::Live => events.tell_all(for_whom, EventKind::GameLive, at_ms, of_game),
            Change::Slate => events.tell_all(for_whom, EventKind::GameSlate, at_ms, of_game),
            Change::BreakStarted(one) => {
                events.tell_all(for_whom, EventKind::BreakStarted, at_ms, || of_break(&one, one.until));
            }
            Change::BreakEnded(one) => {
                // It is found within a second or so; one that was called off has no end of its own.
                let breaks = game.cues.lock().breaks(one.since..now);
                let ended = breaks.iter().find(|its| its.starts_at == one.since).and_then(|its| its.ends_at);
                let ends_at = ended.map_or(now, |at| at.min(now));
                events.tell_all(for_whom, EventKind::BreakEnded, at_ms, || of_break(&one, Some(ends_at)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DARK: Option<Duration> = Some(Duration::from_secs(1));

    #[test]
    fn a_game_is_told_when_it_comes_and_when_it_goes_dark() {
        let mut known = Known::default();
        assert_eq!(known.look(DARK, None), [], "it may come up yet");
        assert_eq!(known.look(None, None), [Change::Live]);
        assert_eq!(known.look(None, None), []);
        assert_eq!(known.look(DARK, None), [Change::Slate]);
        assert_eq!(known.look(DARK, None), []);
        assert_eq!(known.look(None, None), [Change::Live]);
        let mut known = Known::default();
        assert_eq!(known.look(Some(COMING_UP), None), [Change::Slate], "it does not come up");
        assert_eq!(known.look(Some(2 * COMING_UP), None), []);
    }

    #[test]
    fn a_break_is_told_when_it_begins_and_when_it_ends_whatever_is_learnt_of_its_end_meanwhile() {
        let one = |id: &str, until: Option<u64>| InBreak {
            id: id.into(),
            since: MediaTime::from_secs(5),
            until: until.map(MediaTime::from_secs),
        };
        let mut known = Known { is_live: Some(true), in_break: None };
        assert_eq!(known.look(None, Some(one("a", None))), [Change::BreakStarted(one("a", None))]);
        assert_eq!(known.look(None, Some(one("a", Some(9)))), []);
        let next = known.look(None, Some(one("b", None)));
        assert_eq!(next, [Change::BreakEnded(one("a", Some(9))), Change::BreakStarted(one("b", None))]);
        assert_eq!(known.look(None, None), [Change::BreakEnded(one("b", None))]);
        assert_eq!(known.look(None, None), []);
    }
}
