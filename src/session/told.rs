//! What tenants are told of sessions as it happens. Outputs come and go as caches ask: nobody is told of those.

use std::collections::HashSet;
use std::sync::Arc;

use super::OperatedSession;
use super::model::{Pick, Session, offer_of, operated_row, rfc_3339_ms};
use super::registry::{Entry, Sessions};
use crate::events::{EventKind, Events, GameRestricted, SessionEnded, SessionStarted};
use crate::store::SessionRow;

impl Sessions {
    /// Says where to tell what happens. Sessions of the last run that could not be taken up are told at once.
    pub fn set_events(&self, events: Arc<Events>) {
        let unrestored = std::mem::take(&mut *self.unrestored.lock());
        for row in unrestored {
            let at_ms = row.ended_ms.unwrap_or_else(|| self.now_ms());
            let (tenant, layout) = (row.tenant.clone(), self.layouts.get(&row.layout));
            let ended = || ended(operated_row(row, layout.as_deref(), &self.grid));
            events.tell(&tenant, EventKind::SessionEnded, at_ms, ended);
        }
        // Once: those who were told before are told on.
        let _ = self.events.set(events);
    }

    pub(super) fn tell_started(&self, entry: &Entry) {
        let Some(events) = self.events.get().filter(|_| !entry.place.is_output) else { return };
        events.tell(&entry.tenant, EventKind::SessionStarted, self.now_ms(), || {
            let OperatedSession { session, device_id, labels, .. } = entry.session.lock().operated(&self.grid);
            SessionStarted {
                session_id: session.id,
                games: session.games,
                layout: session.layout,
                market: session.market,
                region: session.region,
                device_id,
                labels,
                created_at: session.created_at,
            }
        });
    }

    /// `session` is the entry's, which has just ended.
    pub(super) fn tell_ended(&self, entry: &Entry, session: &Session) {
        let Some(events) = self.events.get().filter(|_| !entry.place.is_output) else { return };
        events.tell(&entry.tenant, EventKind::SessionEnded, self.now_ms(), || ended(session.operated(&self.grid)));
    }

    /// Counts the cards that stand for games, and tells of those that stand nowhere else since the last sweep.
    pub(super) fn tell_restricted(&self, entries: &[Arc<Entry>]) {
        let (mut slots, mut restricted) = (0, HashSet::new());
        let mut told = self.restricted.lock();
        for entry in entries {
            let (barred, rights) = {
                let session = entry.session.lock();
                (session.barred(), session.rights.clone())
            };
            slots += barred.len();
            for Pick { id, key } in barred {
                let one = (entry.tenant.clone(), id.clone(), rights.market.clone());
                if !restricted.insert(one.clone()) || told.contains(&one) {
                    continue;
                }
                let (rules, now_ms) = (self.rules(&entry.tenant, &rights), self.now_ms());
                let why = self.restriction((&id, &key), &rights, &rules, now_ms);
                let (Some(events), Some(why)) = (self.events.get(), why) else { continue };
                events.game_restricted(&entry.tenant, now_ms, || GameRestricted {
                    title: self.games.find(&entry.tenant, &id).map_or_else(|| id.clone(), |info| info.title),
                    game: id,
                    reason: why.name().to_owned(),
                    market: rights.market.clone(),
                    since: rfc_3339_ms(now_ms),
                });
            }
        }
        *told = restricted;
        self.metrics.restricted_slots.set(i64::try_from(slots).unwrap_or(i64::MAX));
    }

    /// A session of the last run has ended because it cannot go on.
    pub(super) fn note_unrestored(&self, row: SessionRow) {
        if offer_of(&row).1.output.is_none() {
            self.unrestored.lock().push(row);
        }
    }
}

fn ended(operated: OperatedSession) -> SessionEnded {
    let OperatedSession { session, device_id, labels, ended_at, .. } = operated;
    SessionEnded {
        session_id: session.id,
        reason: session.end_reason.unwrap_or_default(),
        market: session.market,
        device_id,
        labels,
        ended_at: ended_at.unwrap_or_else(|| session.created_at.clone()),
        created_at: session.created_at,
        billable_seconds: session.billable_seconds,
    }
}
