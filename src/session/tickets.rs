//! The addresses that a session's playlists are asked for by. Its own token stands in none that is good by itself: with it comes for what it was given out and
//! when, signed. A playback URL begins playing for a while, and every answer of the API has a fresh one. What it leads to are the addresses of one player, which
//! are good as long as the session is and that player goes on: nobody's address changes while it plays.

use std::sync::Arc;

use super::SessionError;
use super::paths::{Own, Paths};
use super::registry::{Entry, Sessions};
use super::ticket::Ticket;

/// A player that has asked for no playlist this long is gone: three of the longest segments, and then some.
const PLAYER_GONE_MS: i64 = 40_000;

/// Players that a session remembers.
const MOST_PLAYERS: usize = 64;

/// A playback URL stays the same for this share of its time, so that who asks twice is not given two.
const STEPS: i64 = 24;

/// The players of a session, and what of its addresses was taken back. A player is an opening of the playback URL, known by the addresses that it was led to.
/// Where it asks from, and as what, is no part of it: that changes with those who do nothing wrong, and is copied by those who do.
#[derive(Clone, Debug, Default)]
pub(super) struct Players {
    /// Playback URLs that were given out before are good for nothing.
    pub urls_from_ms: i64,
    /// Players that began before are not let on.
    pub players_from_ms: i64,
    /// When each began and when it asked last; newest first.
    playing: Vec<(i64, i64)>,
}

impl Players {
    /// As the row of a session has them: who plays comes again by itself.
    pub fn taken_up((urls_from_ms, players_from_ms): (i64, i64)) -> Self {
        Self { urls_from_ms, players_from_ms, playing: Vec::new() }
    }

    /// Whether the player that began at `began_ms` goes on at `now_ms`, where no more than `most` may play at once: the newest do.
    fn lets_on(&mut self, began_ms: i64, now_ms: i64, most: usize) -> bool {
        self.playing.retain(|(began, seen_ms)| *began != began_ms && now_ms - seen_ms < PLAYER_GONE_MS);
        let newer = self.playing.iter().filter(|(began, _)| *began > began_ms).count();
        if newer >= most {
            return false;
        }
        self.playing.insert(newer, (began_ms, now_ms));
        self.playing.truncate(MOST_PLAYERS);
        true
    }
}

/// Who has come by an address.
#[derive(Debug)]
pub struct Admitted {
    /// The session's own token.
    pub token: Arc<str>,
    /// What the addresses of its player lie under, as seen from the multivariant playlist.
    pub prefix: String,
}

/// The opening of a playback URL that somebody asks by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Player(Ticket);

impl Player {
    /// Older than all others.
    pub const FIRST: Self = Self(Ticket::Begin(0));
}

impl Default for Player {
    fn default() -> Self {
        Self::FIRST
    }
}

/// Who is let on.
#[derive(Debug)]
pub struct Followed {
    /// The session's own token.
    pub token: Arc<str>,
    pub player: Player,
}

impl Sessions {
    /// The playback URL of a session, as it is given out now.
    pub(super) fn playback(&self, token: &str) -> String {
        let now_ms = self.now_ms();
        let at_ms = match self.settings.url_valid {
            Some(valid) => {
                let step_ms = i64::try_from(valid.as_millis()).unwrap_or(i64::MAX) / STEPS;
                now_ms - now_ms.rem_euclid(step_ms.max(1))
            }
            None => 0,
        };
        let urls_from_ms = self.entry_of_token(token).map_or(0, |entry| entry.session.lock().players.urls_from_ms);
        Paths::playback(&self.element(token, Ticket::Begin(at_ms.max(urls_from_ms))))
    }

    fn element(&self, token: &str, ticket: Ticket) -> String {
        self.paths.ticket(token, &ticket.text())
    }

    /// What a session's own addresses have that `player` is given: they are good for as long as it is let on.
    pub(super) fn own_of<'a>(&self, token: &'a str, player: Player) -> Own<'a> {
        Own { token, element: self.element(token, player.0) }
    }

    fn read_ticket(&self, element: &str) -> Result<(Arc<Entry>, Ticket), SessionError> {
        let (token, text) = self.paths.ticketed(element).ok_or(SessionError::SessionUnknown)?;
        let ticket = Ticket::read(text).ok_or(SessionError::SessionUnknown)?;
        Ok((self.entry_of_token(token)?, ticket))
    }

    /// Lets somebody begin to play who has come by a playback URL.
    ///
    /// # Errors
    /// [`SessionError::SessionUnknown`], also where nobody was given such an address; [`SessionError::TokenExpired`].
    pub fn admit(&self, element: &str) -> Result<Admitted, SessionError> {
        let (entry, ticket) = self.read_ticket(element)?;
        let prefix = match ticket {
            Ticket::Begin(at_ms) => {
                self.check_age(&entry, at_ms)?;
                format!("../{}/", self.element(&entry.token, Ticket::Player(self.now_ms())))
            }
            Ticket::Player(began_ms) => {
                self.check_player(&entry, began_ms)?;
                String::new()
            }
        };
        Ok(Admitted { token: entry.token.clone(), prefix })
    }

    /// Lets a player go on that asks for one of its playlists, or by one of its session's own addresses; who has come by the playback URL alone is one that is older than all.
    ///
    /// # Errors
    /// [`SessionError::SessionUnknown`], [`SessionError::TokenExpired`]; [`SessionError::PlayedElsewhere`] where as many newer ones play as may.
    pub fn follow(&self, element: &str) -> Result<Followed, SessionError> {
        let (entry, ticket) = self.read_ticket(element)?;
        let began_ms = match ticket {
            Ticket::Begin(at_ms) => {
                self.check_age(&entry, at_ms)?;
                0
            }
            Ticket::Player(began_ms) => {
                self.check_player(&entry, began_ms)?;
                began_ms
            }
        };
        if let Some(most) = self.settings.max_players {
            let mut session = entry.session.lock();
            if session.state.is_active() && !session.players.lets_on(began_ms, self.now_ms(), most.get()) {
                return Err(SessionError::PlayedElsewhere { most: most.get() });
            }
        }
        Ok(Followed { token: entry.token.clone(), player: Player(ticket) })
    }

    fn check_age(&self, entry: &Entry, at_ms: i64) -> Result<(), SessionError> {
        let is_old = self.settings.url_valid.is_some_and(|valid| {
            let valid_ms = i64::try_from(valid.as_millis()).unwrap_or(i64::MAX);
            self.now_ms().saturating_sub(at_ms) >= valid_ms
        });
        let is_withdrawn = at_ms < entry.session.lock().players.urls_from_ms;
        if is_old || is_withdrawn { Err(SessionError::TokenExpired) } else { Ok(()) }
    }

    fn check_player(&self, entry: &Entry, began_ms: i64) -> Result<(), SessionError> {
        let is_withdrawn = began_ms < entry.session.lock().players.players_from_ms;
        if is_withdrawn { Err(SessionError::TokenExpired) } else { Ok(()) }
    }

    /// Takes back every playback URL of a session that was given out so far; with `players`, also what plays is let on no further. The session goes on.
    ///
    /// # Errors
    /// [`SessionError::SessionUnknown`], [`SessionError::SessionEnded`].
    pub async fn renew_playback(
        &self,
        tenant: &str,
        id: &str,
        players: bool,
    ) -> Result<super::SessionView, SessionError> {
        let entry = self.entry_to_change(tenant, id).await?;
        let now_ms = self.now_ms();
        {
            let mut session = entry.session.lock();
            session.step(super::state::Trigger::Changed)?;
            // What is given out in the same millisecond is given out before.
            let before_ms = session.players.urls_from_ms.max(now_ms) + 1;
            session.players.urls_from_ms = before_ms;
            if players {
                session.players.players_from_ms = before_ms;
            }
            session.unsaved = true;
        }
        let _ = self.persist(&entry).await;
        Ok(self.view_of(&entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_players_go_on() {
        let mut players = Players::default();
        assert!(players.lets_on(100, 1_000, 1) && players.lets_on(100, 3_000, 1));
        assert!(players.lets_on(200, 4_000, 1), "a newer one takes over");
        assert!(!players.lets_on(100, 5_000, 1), "and the older one does not come back");
        assert!(players.lets_on(200, 6_000, 1));
        assert!(players.lets_on(100, 6_000 + PLAYER_GONE_MS, 1), "until the newer one is gone");
        assert!(players.lets_on(300, 50_000, 2) && players.lets_on(200, 50_000, 2) && !players.lets_on(100, 50_000, 2));
        for began_ms in 1_000..2_000 {
            assert!(players.lets_on(began_ms, 60_000, 1));
        }
        assert!(players.playing.len() <= MOST_PLAYERS);
    }
}
