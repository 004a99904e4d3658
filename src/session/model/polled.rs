//! What players ask of a session: when, and what they were told.

use std::ops::RangeInclusive;

use super::Session;
use crate::timeline::SegmentNumber;
use crate::track::Position;
use crate::usage::MeterTerms;

impl Session {
    /// A playlist was asked for at `now_ms`.
    pub(in crate::session) fn seen(&mut self, now_ms: i64) {
        self.last_seen_ms = self.last_seen_ms.max(now_ms);
        self.idle_ms = 0;
    }

    /// A media playlist was served at `now_ms`, when `segment` ran: the meter runs. Where it ends a pause, `lists_ms` of that can be had now.
    pub(in crate::session) fn watched(
        &mut self,
        now_ms: i64,
        lists_ms: i64,
        segment: SegmentNumber,
        terms: MeterTerms,
    ) {
        if self.state.is_active() {
            self.seen(now_ms);
            self.listed_by = self.listed_by.max(Some(segment));
            self.meter.listed(now_ms, lists_ms, terms);
        }
    }

    /// Whether it has asked for nothing for longer than a player does.
    pub(in crate::session) fn is_paused(&self, now_ms: i64, terms: MeterTerms) -> bool {
        self.meter.is_paused(now_ms, terms)
    }

    /// The first segment that no playlist has listed whole.
    pub(in crate::session) fn listed_to(&self) -> SegmentNumber {
        self.free_from.segment
    }

    /// A playlist lists `segments` under addresses that are good by themselves.
    pub(in crate::session) fn had(&mut self, segments: RangeInclusive<SegmentNumber>) {
        if self.state.is_active() {
            self.had.take(segments);
        }
    }

    /// Segment `n` was asked for under the session's own address; whether it may have it: when it has ended, what it had before.
    pub(in crate::session) fn may_have(&mut self, n: SegmentNumber) -> bool {
        if self.state.is_active() && !self.had.contains(n) {
            self.handed += 1;
        }
        self.had(n..=n);
        self.may_look(n)
    }

    /// The same of something of segment `n` that does not make up for it.
    pub(in crate::session) fn may_look(&self, n: SegmentNumber) -> bool {
        self.state.is_active() || self.had.contains(n)
    }

    /// Whether with segment `n`, of `segment_ms`, it would have been handed more of its past than so many times what is billed and so many milliseconds.
    pub(in crate::session) fn is_ahead(
        &self,
        n: SegmentNumber,
        segment_ms: i64,
        (times, ahead_ms): (i64, i64),
    ) -> bool {
        if !self.state.is_active() || self.had.contains(n) {
            return false;
        }
        let ms = |count: u64, each_ms: i64| i64::try_from(count).unwrap_or(i64::MAX).saturating_mul(each_ms);
        ms(self.handed + 1, segment_ms) > ms(self.meter.billable_seconds(), 1000 * times).saturating_add(ahead_ms)
    }

    /// The playlist that is served lists segments from `first` on, and nothing from `free_from` on.
    pub(in crate::session) fn listed(&mut self, first: Option<SegmentNumber>, free_from: Position, with_parts: bool) {
        if let Some(first) = first.filter(|first| *first > self.free_from.segment) {
            self.detour.was_away(first);
        }
        self.free_from = self.free_from.max(free_from);
        if with_parts {
            self.parts_of = self.parts_of.max(Some(free_from.segment));
        }
    }

    /// The service has run from `since_ms` to `now_ms`; whether nobody has asked for a playlist for longer than `idle_ms` of
    /// such time.
    pub(in crate::session) fn is_idle(&mut self, since_ms: i64, now_ms: i64, idle_ms: i64) -> bool {
        self.idle_ms = self.idle_ms.saturating_add((now_ms - since_ms.max(self.last_seen_ms)).max(0));
        self.state.is_active() && self.idle_ms > idle_ms
    }

    /// Whether a playlist of it was served.
    pub(in crate::session) fn was_served(&self) -> bool {
        self.listed_by.is_some()
    }

    /// The same, or none will be.
    pub(in crate::session) fn has_begun(&self) -> bool {
        !self.state.is_active() || self.was_served()
    }

    /// Its first playlist is asked for at `now_ms`, when a player would begin with segment `first`; `None`: nothing is there yet. If nobody has asked for as
    /// long as a pause, it lists nothing that is older.
    pub(in crate::session) fn asked_first(&mut self, now_ms: i64, first: Option<SegmentNumber>, terms: MeterTerms) {
        let Some(first) = first else {
            self.asked_ms = now_ms;
            return;
        };
        if !self.has_begun() && now_ms - self.asked_ms > terms.pause_ms && self.lists_from() < first {
            self.begin_with(first);
            self.detour.was_away(first);
        }
    }
}
