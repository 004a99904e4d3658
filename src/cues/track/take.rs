//! How messages find their events.

use std::sync::Arc;
use std::time::Duration;

use super::super::daterange::quoted;
use super::super::scte35::Role;
use super::event::{EndedBy, Event, Key, Outcome, Source, State, Trigger};
use super::message::{Message, What};
use super::{CueTrack, Echo, MAX_ECHOES, budget};
use crate::timeline::MediaTime;

/// What a nameless break is said to begin at differs by less where it is told from behind its beginning.
const ROUGHLY: Duration = Duration::from_secs(1);
/// Nothing is announced further ahead: presentation times wrap after 26 hours.
const FURTHEST_AHEAD: Duration = Duration::from_secs(26 * 3600);

impl CueTrack {
    pub(super) fn take(&mut self, mut message: Message, source: Source) -> Outcome {
        if self.is_echo(&message) {
            return Outcome::Repeated;
        }
        let at = self.policy.on_grid(message.at.unwrap_or(self.now));
        if at < self.now.saturating_sub(self.policy.history) || at > self.now + FURTHEST_AHEAD {
            return Outcome::Ignored;
        }
        let is_large = message.hex.as_ref().is_some_and(|hex| hex.len() > self.policy.max_hex);
        if is_large {
            message.hex = None;
        }
        let outcome = match message.what {
            What::Start { .. } => self.start(message, at, source),
            What::End => self.end(message, at, source),
            What::Cancel => self.cancel(&message.key),
            What::Mark => self.mark(message, at, source),
        };
        if is_large && outcome >= Outcome::Changed {
            self.budget.shorten(self.now);
        }
        outcome
    }

    /// Whether the same bytes came a moment ago. Only of messages without a time: with one, repeats find their event.
    fn is_echo(&mut self, message: &Message) -> bool {
        let (None, Some(hex)) = (message.at, &message.hex) else { return false };
        let now = self.now;
        let same = |echo: &&mut Echo| echo.key == message.key && echo.hex == *hex;
        if let Some(echo) = self.echoes.iter_mut().find(same) {
            echo.seen = now;
            return true;
        }
        if self.echoes.len() == MAX_ECHOES {
            self.echoes.pop_front();
        }
        self.echoes.push_back(Echo { key: message.key.clone(), hex: hex.clone(), seen: now });
        false
    }

    fn newest(&self, key: &Key) -> Option<usize> {
        let is = |event: &Event| event.key == *key && event.state != State::Cancelled && !event.orphan;
        self.events.iter().rposition(is)
    }

    fn start(&mut self, message: Message, at: MediaTime, source: Source) -> Outcome {
        self.end_on_next(&message, at);
        if let Some(outcome) = self.join(&message, at, source) {
            return outcome;
        }
        let What::Start { planned, auto_return } = message.what else { return Outcome::Ignored };
        let Some(i) = self.newest(&message.key) else { return self.create(message, at, source, false) };
        let (policy, now) = (self.policy, self.now);
        // The one before it of the same name, which it must not overlap.
        let (before, from) = self.events.split_at_mut(i);
        let event = &mut from[0];
        let last = before.iter_mut().rev().find(|e| e.key == message.key && e.state != State::Cancelled && !e.orphan);
        let trigger = Trigger::Start { at, planned, auto_return };
        match event.state {
            State::Ended { at: end, .. } if at < end || policy.is_same_of(&event.key, at, event.starts_at) => {
                Outcome::Repeated
            }
            State::Ended { .. } | State::Cancelled => self.create(message, at, source, false),
            State::Pending | State::Announced if last.as_ref().is_some_and(|last| !last.ends_for(at)) => {
                Outcome::Ignored
            }
            State::Pending | State::Announced => {
                let is_same = policy.is_same(at, event.starts_at);
                // What was listed and is moved is listed anew.
                let is_listed_anew = event.state == State::Announced && !is_same;
                if is_listed_anew && !self.budget.pays(budget::line(&self.game, &event.key), now, &policy) {
                    return Outcome::Refused;
                }
                let fits = is_same && event.ends.is_none_or(|(end, _)| end > at);
                if event.state == State::Pending && event.source == source && fits {
                    // Nothing is listed yet, and who says a time again knows it better by now.
                    event.starts_at = at;
                }
                let outcome = event.on(trigger, now, &policy);
                if outcome == Outcome::Changed {
                    self.budget.replace(&mut event.hex, message.hex, now, &policy);
                    self.budget.replace(&mut event.upid, message.upid, now, &policy);
                }
                if let Some((end, EndedBy::Replaced)) = last.and_then(|last| last.ends.as_mut()) {
                    *end = event.starts_at;
                }
                outcome
            }
            State::Open => {
                let said_so = message.hex.is_some() && message.hex == event.hex;
                let known = message.at.is_none() || said_so || matches!(event.key, Key::Range(_));
                if known || policy.is_same(at, event.starts_at) {
                    return event.on(trigger, now, &policy);
                }
                if at < event.starts_at {
                    return Outcome::Ignored;
                }
                // One that cannot be listed does not end what is.
                if !self.budget.admits(&self.game, &message, now, &policy) {
                    return Outcome::Refused;
                }
                // Only one of a name can run (10.3.3.1): the next one's beginning is this one's end.
                if event.ends.is_none_or(|(end, _)| end > at) {
                    event.on(Trigger::End { at, by: EndedBy::Replaced }, now, &policy);
                }
                self.settle();
                self.create_paid(message, at, source, false)
            }
        }
    }

    /// One break that is said in two ways. Tags of HLS have no name: they are about the break that is there. And a section
    /// gives the nameless break of the same instant its name.
    fn join(&mut self, message: &Message, at: MediaTime, source: Source) -> Option<Outcome> {
        let What::Start { planned, auto_return } = message.what else { return None };
        let (policy, now) = (self.policy, self.now);
        let is_break =
            |event: &&mut Event| event.role == Role::Break && event.state != State::Cancelled && !event.orphan;
        let near = |event: &Event| event.starts_at.max(at).since(event.starts_at.min(at)) <= policy.repeat_within;
        // A name that is in use is not given again before that is over.
        let of_name = self.events.iter().filter(|e| e.key == message.key && e.state != State::Cancelled && !e.orphan);
        let unfree = of_name.map(|event| event.ended_at().unwrap_or(MediaTime::from_nanos(u64::MAX))).max();
        let last_end = self.events.iter().filter(|e| e.key == Key::Cue).filter_map(Event::ended_at).max();
        let mut breaks = self.events.iter_mut().rev().filter(is_break);
        if message.key == Key::Cue {
            let event = breaks.find(|event| event.covers(at) || near(event))?;
            // Its pictures were held up before they were shown.
            let own = event.key == Key::Cue && event.source == source && last_end.is_none_or(|end| end <= at);
            let apart = event.starts_at.max(at).since(event.starts_at.min(at));
            if own && matches!(event.state, State::Pending | State::Announced) && apart > ROUGHLY {
                let is_listed = event.state == State::Announced;
                if is_listed && !self.budget.pays(budget::line(&self.game, &event.key), now, &policy) {
                    return Some(Outcome::Refused);
                }
                let planned = planned.or(event.planned);
                return Some(event.on(Trigger::Start { at, planned, auto_return }, now, &policy));
            }
            let unplanned = event.planned.is_none() && event.is_live();
            let trigger = Trigger::Start { at: event.starts_at, planned, auto_return };
            return Some(if unplanned { event.on(trigger, now, &policy) } else { Outcome::Repeated });
        }
        if message.role != Role::Break || matches!(message.key, Key::Operator(_) | Key::Range(_)) {
            return None;
        }
        let nameless = |event: &Event| event.key == Key::Cue && event.is_live() && near(event);
        let free = |event: &Event| unfree.is_none_or(|until| event.starts_at >= until);
        let i = self.events.iter().rposition(|event| nameless(event) && free(event))?;
        // Last, as the newest of its name.
        let mut event = self.events.remove(i);
        event.key = message.key.clone();
        (event.type_id, event.name) = (message.type_id, message.name);
        self.budget.replace(&mut event.hex, message.hex.clone(), now, &policy);
        self.budget.replace(&mut event.upid, message.upid.clone(), now, &policy);
        event.on(Trigger::Start { at: event.starts_at, planned, auto_return }, now, &policy);
        self.events.push(event);
        Some(Outcome::Changed)
    }

    /// END-ON-NEXT (RFC 8216bis, 4.4.5.1): a range ends where the next of its class begins.
    fn end_on_next(&mut self, message: &Message, at: MediaTime) {
        let Some(class) = &message.class else { return };
        let waits = |event: &&mut Event| {
            let waits = event.ends_on_next_of.as_ref() == Some(class) && event.is_live();
            waits && event.key != message.key && event.starts_at < at
        };
        for event in self.events.iter_mut().filter(waits) {
            if event.ends.is_none_or(|(end, _)| at < end) {
                event.on(Trigger::End { at, by: EndedBy::Signal }, self.now, &self.policy);
            }
        }
    }

    fn end(&mut self, message: Message, at: MediaTime, source: Source) -> Outcome {
        let (policy, now) = (self.policy, self.now);
        if self.budget.was_refused(&message.key) && !self.events.iter().any(|e| e.key == message.key && e.is_live()) {
            // It would end another's.
            return Outcome::Refused;
        }
        if let Some(i) = self.ends_which(&message.key, at) {
            let event = &mut self.events[i];
            let outcome = event.on(Trigger::End { at, by: EndedBy::Signal }, now, &policy);
            if outcome == Outcome::Changed {
                // The end itself costs nothing: whoever may begin may end.
                self.budget.replace(&mut event.end_hex, message.hex, now, &policy);
            } else if outcome == Outcome::Repeated && event.source == source && event.is_live() {
                // The same end, known better by now.
                event.ends = event.ends.map(|(_, by)| (at, by));
            }
            return outcome;
        }
        if self.newest(&message.key).is_some() {
            return Outcome::Repeated;
        }
        match message.key {
            Key::Splice(_) | Key::Segment { .. } => {}
            _ => return Outcome::Ignored,
        }
        let mut orphans = self.events.iter_mut().filter(|event| event.orphan && event.key == message.key);
        let known = orphans.find(|orphan| orphan.is_live() || policy.is_same(orphan.starts_at, at));
        match known {
            Some(orphan) => orphan.on(Trigger::Start { at, planned: None, auto_return: false }, now, &policy),
            None => self.create(message, at, source, true),
        }
    }

    /// The running event that an end at `at` ends. Some senders give the way back of a splice another name, and HLS's tag
    /// has none: then it is the newest splice, or break, that is running.
    fn ends_which(&self, key: &Key, at: MediaTime) -> Option<usize> {
        let running = |event: &Event| event.is_live() && event.starts_at <= at && !event.orphan;
        let own = self.events.iter().rposition(|event| event.key == *key && running(event));
        own.or_else(|| {
            let stands_in = |event: &Event| match key {
                Key::Splice(_) => matches!(event.key, Key::Splice(_) | Key::Cue),
                Key::Cue => event.role == Role::Break && !matches!(event.key, Key::Operator(_)),
                _ => false,
            };
            // The end of one that has ended is no other's.
            let ended = |event: &Event| event.key == *key && event.ended_at().is_some_and(|end| at <= end);
            if self.events.iter().any(ended) {
                return None;
            }
            self.events.iter().rposition(|event| stands_in(event) && running(event))
        })
    }

    /// splice_event_cancel_indicator names a splice, segmentation_event_cancel_indicator every segment of an event (10.3.3.1).
    fn cancel(&mut self, key: &Key) -> Outcome {
        let (policy, now) = (self.policy, self.now);
        let is_meant = |event: &Event| match (key, &event.key) {
            (Key::Segment { event_id, .. }, Key::Segment { event_id: its, .. }) => event_id == its,
            (one, other) => one == other,
        };
        let (meant, others): (Vec<_>, Vec<_>) = self.events.iter_mut().partition(|event| is_meant(event));
        drop(others);
        let mut outcome = Outcome::Ignored;
        let mut undone = Vec::new();
        // The newest that has not ended is the one that is meant, and what it would have replaced runs on.
        for event in meant.into_iter().rev() {
            if undone.contains(&event.key) {
                if event.state == State::Open && event.ends.is_some_and(|(_, by)| by == EndedBy::Replaced) {
                    event.ends = None;
                }
                continue;
            }
            let answer = event.on(Trigger::Cancel { by: EndedBy::Cancelled }, now, &policy);
            if answer == Outcome::Changed {
                undone.push(event.key.clone());
            }
            outcome = outcome.max(answer);
        }
        outcome
    }

    fn mark(&mut self, message: Message, at: MediaTime, source: Source) -> Outcome {
        let Some(i) = self.newest(&message.key) else { return self.create(message, at, source, false) };
        let (policy, now) = (self.policy, self.now);
        let event = &mut self.events[i];
        // Marks without a number of their own are told apart by their bytes.
        let numbered = matches!(event.key, Key::Segment { .. } | Key::Range(_));
        let same = policy.is_same_of(&event.key, at, event.starts_at) && (numbered || event.hex == message.hex);
        match event.state {
            _ if same => Outcome::Repeated,
            State::Announced if numbered && !self.budget.pays(budget::line(&self.game, &event.key), now, &policy) => {
                Outcome::Refused
            }
            State::Pending | State::Announced if numbered => {
                event.on(Trigger::Start { at, planned: None, auto_return: false }, now, &policy)
            }
            State::Pending | State::Announced | State::Open | State::Ended { .. } | State::Cancelled => {
                self.create(message, at, source, false)
            }
        }
    }

    pub(super) fn create(&mut self, message: Message, at: MediaTime, source: Source, orphan: bool) -> Outcome {
        // It may be one that had to make room, which must not come again. Nobody else begins an operator's.
        if source != Source::Operator {
            if at <= self.forgotten {
                return Outcome::Ignored;
            }
            if !self.budget.admits(&self.game, &message, self.now, &self.policy) {
                return Outcome::Refused;
            }
        }
        self.create_paid(message, at, source, orphan)
    }

    fn create_paid(&mut self, message: Message, at: MediaTime, source: Source, orphan: bool) -> Outcome {
        if !self.make_room(budget::cost(&self.game, &message), at, source) {
            self.budget.refuse(&message.key, self.now);
            return Outcome::Refused;
        }
        self.budget.forgive(&message.key);
        let (planned, auto_return) = match message.what {
            What::Start { planned, auto_return } => (planned, auto_return),
            What::End | What::Cancel | What::Mark => (None, false),
        };
        let instant = orphan || message.what == What::Mark;
        let mut event = Event {
            id: self.new_id(&message.key, at, orphan),
            key: message.key,
            role: message.role,
            type_id: message.type_id,
            name: message.name,
            source,
            instant,
            orphan,
            upid: message.upid,
            hex: message.hex,
            end_hex: None,
            ends_on_next_of: message.class.filter(|_| message.ends_on_next),
            starts_at: at,
            first_said: at,
            planned,
            auto_return,
            ends: None,
            state: State::Pending,
            moves: 0,
            opening: None,
            closing: None,
        };
        if !instant {
            self.adopt_orphan(&mut event);
        }
        self.events.push(event);
        Outcome::New
    }

    /// An end that came before its beginning.
    fn adopt_orphan(&mut self, event: &mut Event) {
        let its = |e: &Event| e.orphan && e.key == event.key && e.starts_at > event.starts_at;
        if let Some(i) = self.events.iter().position(its) {
            let orphan = self.events.remove(i);
            event.ends = Some((orphan.starts_at, EndedBy::Signal));
            event.end_hex = orphan.hex;
        }
    }

    /// Names are used again and again, so an id has its event's first beginning in it (RFC 8216bis, 4.4.5.1.1: "the ID
    /// attribute value MUST include disambiguation, such as a date").
    fn new_id(&self, key: &Key, at: MediaTime, orphan: bool) -> String {
        let game: &Arc<str> = &self.game;
        let of = match key {
            Key::Splice(id) => format!("splice-{id}"),
            Key::Segment { event_id, type_id } => format!("segment-{event_id}-{type_id:02x}"),
            Key::TimeSignal => "signal".into(),
            Key::Schedule => "schedule".into(),
            Key::Private(identifier) => format!("private-{identifier:08x}"),
            // As playlists have it: names that differ in nothing that can be written there would be one range to players.
            Key::Range(id) => format!("range-{}", quoted(id)),
            Key::Cue => "break".into(),
            Key::Operator(id) => format!("operator-{id}"),
        };
        let way = if orphan { "-in" } else { "" };
        let id = format!("{game}-{of}{way}-{}", at.unix_millis());
        // One that made room may have had the same.
        let id = if at > self.last_id { id } else { format!("{id}.r{}", self.removed) };
        let taken = |id: &str| self.events.iter().any(|event| event.id == id);
        if !taken(&id) {
            return id;
        }
        // Ends: there are fewer events than numbers.
        (2..=self.events.len() + 2).map(|n| format!("{id}.{n}")).find(|id| !taken(id)).unwrap_or(id)
    }
}
