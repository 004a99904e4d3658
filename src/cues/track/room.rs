//! How much is kept of a game, and what makes room.

use super::CueTrack;
use super::budget::{self, Troubles};
use super::event::{EndedBy, Event, Source, State, Trigger};
use super::lines;
use crate::timeline::MediaTime;

impl CueTrack {
    /// What became of cues that were too many, since this was asked last.
    pub fn take_troubles(&mut self) -> Troubles {
        self.budget.take_troubles()
    }

    /// The game has another source from `now` on, which knows nothing of what the one before began. What runs ends where it was
    /// said or planned to, if that is soon, or now; what is yet to come is called off. Breaks by hand are the operator's, and
    /// go on.
    pub fn change_source(&mut self, now: MediaTime) {
        self.advance(now);
        let (policy, now) = (self.policy, self.now);
        for event in self.events.iter_mut().filter(|event| is_of_source(event) && event.is_live()) {
            if event.state != State::Open {
                event.on(Trigger::Cancel { by: EndedBy::Cap }, now, &policy);
                continue;
            }
            let at = policy.on_grid(now).max(event.starts_at);
            let planned = event.planned.map(|planned| policy.on_grid(event.starts_at + planned));
            // The same stream at another address may be in the midst of it.
            let soon = planned.filter(|end| *end > at && *end <= at + policy.source_grace);
            let (at, by) = soon.map_or((at, EndedBy::Cap), |end| (end, EndedBy::PlannedEnd));
            if event.ends.is_none_or(|(end, _)| end > at) {
                event.on(Trigger::End { at, by }, now, &policy);
            }
        }
        self.echoes.clear();
        self.budget.begin_anew();
        self.settle();
    }

    /// Makes room for a new event of `bytes` at `at`; whether there is some. No break by hand gives way to a source.
    pub(super) fn make_room(&mut self, bytes: usize, at: MediaTime, source: Source) -> bool {
        // What an operator hides is hidden, whatever is to come.
        let at = if source == Source::Operator { MediaTime::ZERO } else { at };
        let live = |event: &&Event| event.is_live() && is_of_source(event);
        while source != Source::Operator && self.bytes_of(live) + bytes > self.policy.max_live_bytes {
            let Some(i) = self.gives_way(at) else { return false };
            self.cut(i);
        }
        while self.events.len() >= self.policy.max_events || self.bytes_of(|_| true) + bytes > self.policy.max_bytes {
            let oldest = self.oldest_that_is_over().or_else(|| self.gives_way(at).inspect(|i| self.cut(*i)));
            let Some(i) = oldest else { return false };
            self.forget(i);
        }
        true
    }

    /// Ends bring their sections with them.
    pub(super) fn trim(&mut self) {
        while self.bytes_of(|_| true) > self.policy.max_bytes {
            let Some(i) = self.oldest_that_is_over() else { return };
            self.forget(i);
        }
    }

    pub(super) fn bytes_of(&self, is_meant: impl FnMut(&&Event) -> bool) -> usize {
        self.events.iter().filter(is_meant).map(|event| budget::bytes(&self.game, event)).sum()
    }

    /// Which event of a source gives way to one at `at`: the oldest that runs; where what is to come has half of the room, or
    /// nothing runs, what lies furthest ahead, if that is further than `at`.
    fn gives_way(&self, at: MediaTime) -> Option<usize> {
        let is_open = |event: &Event| event.state == State::Open && is_of_source(event);
        let is_ahead = |event: &Event| matches!(event.state, State::Pending | State::Announced) && is_of_source(event);
        let events = || self.events.iter().enumerate();
        let ahead = self.bytes_of(|event| is_ahead(event));
        let oldest = events().filter(|(_, event)| is_open(event)).min_by_key(|(_, event)| event.starts_at);
        if let Some((i, _)) = oldest.filter(|_| ahead <= self.policy.max_live_bytes / 2) {
            return Some(i);
        }
        let furthest = events().filter(|(_, event)| is_ahead(event)).max_by_key(|(_, event)| event.starts_at);
        furthest.filter(|(_, event)| event.starts_at > at).map(|(i, _)| i)
    }

    fn cut(&mut self, i: usize) {
        let event = &mut self.events[i];
        event.on(Trigger::Cancel { by: EndedBy::Cap }, self.now, &self.policy);
        lines::write(event, &self.game);
        self.budget.end(self.now);
    }

    /// What was called off is in no playlist; of breaks by hand more may hang than of others.
    fn oldest_that_is_over(&self) -> Option<usize> {
        let rank = |event: &Event| match event.state {
            _ if event.is_live() => None,
            _ if !is_of_source(event) => Some(2),
            State::Cancelled => Some(0),
            _ => Some(1),
        };
        let over = self.events.iter().enumerate().filter_map(|(i, event)| Some((rank(event)?, event.starts_at, i)));
        over.min().map(|(_, _, i)| i)
    }

    fn forget(&mut self, i: usize) {
        let event = self.events.remove(i);
        self.removed += 1;
        let last_said = event.starts_at.max(event.first_said);
        self.last_id = self.last_id.max(last_said);
        if event.state != State::Cancelled {
            // Never ahead of now: whoever said one of tomorrow would lock out all of today.
            self.forgotten = self.forgotten.max(last_said.min(self.now));
        }
    }
}

fn is_of_source(event: &Event) -> bool {
    event.source != Source::Operator
}
