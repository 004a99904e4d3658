//! Breaks by hand, which are kept: a game that must not be shown is not shown after a restart either.

use std::time::Duration;

use super::{Catalogue, Game};
use crate::cues::track::{BeginBreak, BreakError, ByHand, CueEvent, Policy};
use crate::store::{BreakRow, StoreError};
use crate::timeline::MediaTime;

impl Catalogue {
    /// Goes on with those that the process before began.
    pub(super) async fn resume_breaks(&self) -> Result<(), StoreError> {
        let (now, policy) = (self.settings.clock.now(), Policy::new(self.sound.grid));
        let oldest = now.saturating_sub(policy.history + policy.max_break);
        if let Err(error) = self.settings.store.forget_breaks(nanos(oldest)).await {
            tracing::warn!(%error, "breaks by hand of long ago are kept");
        }
        for row in self.settings.store.breaks_by_hand().await? {
            // The game may be gone from the configuration.
            let Some(game) = self.by_key(&row.game.as_str().into()) else { continue };
            let mut cues = game.cues.lock();
            cues.resume(now, &by_hand(row));
            let in_break = cues.in_break(now);
            drop(cues);
            self.told.knows(&game.key, in_break);
        }
        Ok(())
    }

    pub(super) async fn begin_by_hand(
        &self,
        tenant: &str,
        id: &str,
        asked: &BeginBreak,
    ) -> Option<Result<CueEvent, BreakError>> {
        let game = self.by_id(tenant, id)?;
        if self.is_also_others(&game, tenant) {
            return Some(Err(BreakError::Shared { game: id.to_owned() }));
        }
        let begun = game.cues.lock().begin_break(self.settings.clock.now(), asked);
        self.keep(&game, begun.as_ref().ok()).await;
        Some(begun)
    }

    pub(super) async fn end_by_hand(&self, tenant: &str, id: &str, of: &str) -> Option<Result<CueEvent, BreakError>> {
        let game = self.by_id(tenant, id)?;
        if self.is_also_others(&game, tenant) {
            return Some(Err(BreakError::Shared { game: id.to_owned() }));
        }
        let ended = game.cues.lock().end_break(self.settings.clock.now(), of);
        self.keep(&game, ended.as_ref().ok()).await;
        Some(ended)
    }

    /// Whether others may show `game`, too: a break hides it from them, and that is not one tenant's to say.
    fn is_also_others(&self, game: &Game, tenant: &str) -> bool {
        match (&game.owner, &game.tenants[..]) {
            (Some(_), _) => false,
            (None, []) => self.settings.decoding_limits.tenants().count() > 1,
            (None, its) => its.iter().any(|other| other != tenant),
        }
    }

    /// Keeps what is known of a break by hand. A disk that is full does not undo it: whoever began it wanted the game hidden now.
    async fn keep(&self, game: &Game, event: Option<&CueEvent>) {
        let Some(kept) = event.and_then(|event| game.cues.lock().by_hand(&event.id)) else { return };
        let (is_cancelled, row) = (kept.is_cancelled, row(&game.key, kept));
        let store = &self.settings.store;
        let done = if is_cancelled { store.remove_break(row).await } else { store.put_break(row).await };
        if let Err(error) = done {
            tracing::error!(game = &*game.key, %error, "a break by hand is not kept: a process that begins anew does not know of it");
        }
    }

    /// Those of a game that is removed are no other's of its name.
    pub(super) async fn forget_breaks(&self, game: &Game) {
        if let Err(error) = self.settings.store.forget_breaks_of(&game.key).await {
            tracing::warn!(game = &*game.key, %error, "breaks of a game that is removed are kept");
        }
    }
}

fn nanos(at: MediaTime) -> i64 {
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)
}

fn media_time(nanos: i64) -> MediaTime {
    MediaTime::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

fn row(game: &str, kept: ByHand) -> BreakRow {
    BreakRow {
        game: game.to_owned(),
        name: kept.name,
        starts_ns: nanos(kept.starts_at),
        planned_ns: kept.planned.map(|planned| i64::try_from(planned.as_nanos()).unwrap_or(i64::MAX)),
        ends_ns: kept.ends_at.map(nanos),
    }
}

fn by_hand(row: BreakRow) -> ByHand {
    ByHand {
        name: row.name,
        starts_at: media_time(row.starts_ns),
        planned: row.planned_ns.map(|planned| Duration::from_nanos(u64::try_from(planned).unwrap_or(0))),
        ends_at: row.ends_ns.map(media_time),
        is_cancelled: false,
    }
}
