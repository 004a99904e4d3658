//! A tenant's sessions as its operators look for them, ended ones too.

use super::model::operated_row;
use super::registry::{Entry, Sessions};
use super::{ListSessions, OperatedSession, SessionError, SessionPage, ViewState};
use crate::store::{SessionFilter, SessionRow, SessionsWanted};

/// Sessions that one page of a search looks through at most: half a second's work, whatever is looked for.
const LOOKED_THROUGH: u32 = if cfg!(test) { 3 } else { 20_000 };

impl Sessions {
    /// A page of a tenant's sessions, newest first. One that looks for something may have fewer than were asked for, or none, and a next page all the same.
    pub async fn list(&self, tenant: &str, request: ListSessions) -> Result<SessionPage, SessionError> {
        let ListSessions { state, cursor, limit, wanted } = request;
        let limit = limit.clamp(1, 1000);
        if cursor.as_ref().is_some_and(|c| c.len() != 32 || !c.bytes().all(|b| b.is_ascii_hexdigit())) {
            return Err(SessionError::CursorInvalid);
        }
        // Ids begin with when their sessions did: what began later needs no looking through.
        let latest = wanted.to_ms.map(|ms| format!("{:012x}", ms.max(0)));
        let before_id = match (cursor, latest) {
            (Some(cursor), Some(latest)) => Some(cursor.min(latest)),
            (cursor, latest) => cursor.or(latest),
        };
        let looks = wanted != SessionsWanted::default();
        let from_id =
            if looks { self.store.session_after(tenant, before_id.clone(), LOOKED_THROUGH - 1).await? } else { None };
        // One more than asked for tells whether there is a next page.
        let filter = SessionFilter {
            active: state.map(|state| state == ViewState::Active),
            before_id,
            from_id: from_id.clone(),
            limit: limit + 1,
            wanted,
        };
        let mut rows = self.store.sessions(tenant, filter).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let next_cursor = rows.last().filter(|_| more).map(|row| row.id.clone()).or(from_id);
        let active_sessions = self.audience(tenant).sessions;
        let sessions = rows.into_iter().map(|row| self.operated_of(tenant, row)).collect();
        Ok(SessionPage { sessions, next_cursor, active_sessions })
    }

    /// A session as its operator sees it.
    ///
    /// # Errors
    /// [`SessionError::SessionUnknown`].
    pub async fn operated(&self, tenant: &str, id: &str) -> Result<OperatedSession, SessionError> {
        let row = self.store.session(tenant, id).await?.ok_or(SessionError::SessionUnknown)?;
        Ok(self.operated_of(tenant, row))
    }

    /// What the registry holds is newer than its row by up to a booking.
    fn operated_of(&self, tenant: &str, row: SessionRow) -> OperatedSession {
        let operated = match self.entry(tenant, &row.id) {
            Some(entry) => self.fresh_operated(&entry),
            None => {
                let layout = self.layouts.get(&row.layout);
                operated_row(row, layout.as_deref(), &self.grid)
            }
        };
        OperatedSession { session: self.told(operated.session), ..operated }
    }

    fn fresh_operated(&self, entry: &Entry) -> OperatedSession {
        let mut session = entry.session.lock();
        session.advance_meter(self.now_ms(), self.terms());
        let (operated, games) = (session.operated(&self.grid), session.show.game_keys());
        let rights = session.rights.clone();
        drop(session);
        OperatedSession { session: self.with_games(operated.session, entry, &games, &rights), ..operated }
    }
}
