//! The meter of one session, as a pure value: times in, whole seconds out.
//!
//! A session is billed from the first media playlist served to it that lists a segment (segments are shared and may come
//! from a cache, so playlists are what tells who watches) until it ends or goes idle, in grid time. While nobody polls, no
//! more than one target duration after the last poll is billed. The next poll makes the rest of the stretch certain if it
//! comes soon; if not, the client was paused, and of the pause no more is billed than the playlist lists: all of that could be
//! fetched with it. So what is billed never has to be taken back. Nor does the end of a session take anything away: what was listed is billed for a target
//! duration at least. So nobody sees more beyond what is billed than the first playlist lists, which is what a player begins with, and a pause.
//!
//! Seconds are whole from the start: minute by minute, a line holds the difference of the running total rounded down. The
//! lines of a session therefore always add up to its total exactly. A second with a slate in it is told by the same
//! differences, so slate seconds are always some of the billable ones.

use serde::{Deserialize, Serialize};

use super::slate::{Slate, SlateTimes};

const MINUTE_MS: i64 = 60_000;

/// Lines of closed spans that wait for the store at most: a day and an hour. At the bound the oldest go, and are not billed.
const MAX_OWED: usize = 1500;

/// What a meter must know of the session's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeterTerms {
    /// What is billed at most after the last poll: one target duration, in milliseconds.
    pub grace_ms: i64,
    /// A stretch without polls longer than this is a pause, of which the grace and what is listed after it are billed, in milliseconds.
    pub pause_ms: i64,
}

/// Whole seconds of one minute, so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MinuteSeconds {
    /// A multiple of 60,000: milliseconds of Unix time.
    pub minute_start_ms: i64,
    /// Billable ones, 0 to 60.
    pub seconds: u32,
    /// Of them, those with at least one of the mosaic's games off.
    #[serde(default)]
    pub slate_seconds: u32,
    /// Of those, the ones with every game off.
    #[serde(default)]
    pub slate_all_seconds: u32,
}

/// What a booking covered; handed back to [`Meter::booked`] once it is on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Booking {
    /// Each minute's seconds in full, not the difference to the booking before.
    pub minutes: Vec<MinuteSeconds>,
    /// The instant up to which the open span was billed.
    pub until_ms: i64,
    /// The session's whole seconds when the booking was drawn up.
    pub total_seconds: u64,
}

/// The meter. All times are milliseconds of Unix time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meter {
    /// Length of the spans that are closed.
    closed_ms: i64,
    span: Option<Span>,
    /// Whole seconds that closed spans left in the minute the last of them ended in.
    carried: Option<MinuteSeconds>,
    /// Lines of closed spans that no booking has covered yet.
    #[serde(skip)]
    owed: Vec<MinuteSeconds>,
    #[serde(skip)]
    booked_until_ms: i64,
    /// What the minutes that are not wholly booked need to know.
    #[serde(default)]
    slates: SlateTimes,
    stopped: bool,
}

/// A stretch of watching without a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Span {
    start_ms: i64,
    /// Billed so far: never goes back.
    until_ms: i64,
    last_poll_ms: i64,
}

impl Meter {
    /// Whether nothing was asked for before `now_ms` for longer than a player waits.
    pub fn is_paused(&self, now_ms: i64, terms: MeterTerms) -> bool {
        self.span.is_some_and(|span| now_ms - span.last_poll_ms > terms.pause_ms)
    }

    /// A media playlist was served at `now_ms`. Where it ends a pause, `lists_ms` is how much of that can be had now, in milliseconds.
    pub fn listed(&mut self, now_ms: i64, lists_ms: i64, terms: MeterTerms) {
        if self.stopped {
            return;
        }
        let mut start_ms = now_ms;
        if self.is_paused(now_ms, terms) {
            let paused_ms = self.close(terms);
            start_ms = (now_ms - lists_ms.max(0)).max(paused_ms).min(now_ms);
        }
        let span = self.span.get_or_insert(Span { start_ms, until_ms: now_ms, last_poll_ms: now_ms });
        span.last_poll_ms = span.last_poll_ms.max(now_ms);
        span.until_ms = span.until_ms.max(now_ms);
    }

    /// Time has come to `now_ms`.
    pub fn advance(&mut self, now_ms: i64, terms: MeterTerms) {
        if self.stopped {
            return;
        }
        if let Some(span) = &mut self.span {
            span.until_ms = span.until_ms.max(now_ms.min(span.last_poll_ms + terms.grace_ms));
        }
    }

    /// From `now_ms` on, `slate` of the mosaic is slate.
    pub fn note_slate(&mut self, now_ms: i64, slate: Slate) {
        if !self.stopped {
            self.slates.note(now_ms, slate);
        }
    }

    /// The session was ended at `now_ms`: billed until then, unless it was paused, and until one target duration after its last poll at least: what that
    /// listed can be fetched after the end.
    pub fn stop(&mut self, now_ms: i64, terms: MeterTerms) {
        if let Some(span) =
            self.span.as_mut().filter(|span| !self.stopped && now_ms - span.last_poll_ms <= terms.pause_ms)
        {
            span.until_ms = span.until_ms.max(now_ms);
        }
        self.stop_idle(terms);
    }

    /// The session went idle: billed until one target duration after its last poll.
    pub fn stop_idle(&mut self, terms: MeterTerms) {
        if let Some(span) = self.span.as_mut().filter(|_| !self.stopped) {
            span.until_ms = span.until_ms.max(span.last_poll_ms + terms.grace_ms);
        }
        self.stopped = true;
    }

    /// The instant up to which the open stretch is billed; `None` before anything was.
    pub fn billed_until_ms(&self) -> Option<i64> {
        self.span.map(|span| span.until_ms)
    }

    /// Whole seconds to bill so far.
    pub fn billable_seconds(&self) -> u64 {
        seconds(self.closed_ms + self.span.map_or(0, |span| span.until_ms - span.start_ms))
    }

    /// What the disk does not know yet; `None` when it knows all.
    pub fn unbooked(&self) -> Option<Booking> {
        let mut minutes = self.owed.clone();
        let until_ms = self.span.map_or(self.booked_until_ms, |span| span.until_ms);
        minutes.extend(self.span.iter().flat_map(|span| self.minutes_of(*span)));
        if minutes.is_empty() {
            return None;
        }
        Some(Booking { minutes, until_ms, total_seconds: self.billable_seconds() })
    }

    /// `booking` is on the disk.
    pub fn booked(&mut self, booking: &Booking) {
        self.booked_until_ms = self.booked_until_ms.max(booking.until_ms);
        self.owed.retain(|line| !booking.minutes.contains(line));
        self.slates.forget_before(self.booked_until_ms - self.booked_until_ms.rem_euclid(MINUTE_MS));
    }

    /// A meter read back from the disk, where its lines are as well: they were written together.
    pub fn restored(mut self) -> Self {
        self.booked_until_ms = self.span.map_or(0, |span| span.until_ms);
        self
    }

    /// Seconds of each minute of `span` that no booking covers in full, with what earlier spans left in it.
    fn minutes_of(&self, span: Span) -> Vec<MinuteSeconds> {
        let from_ms = span.start_ms.max(self.booked_until_ms);
        if from_ms >= span.until_ms {
            return Vec::new();
        }
        // Total at an instant of this span, rounded down: differences of it add up without a remainder.
        let total_at = |at_ms: i64| seconds(self.closed_ms + at_ms - span.start_ms);
        let mut minutes = Vec::new();
        let mut minute_start_ms = from_ms - from_ms.rem_euclid(MINUTE_MS);
        while minute_start_ms < span.until_ms {
            let begin = minute_start_ms.max(span.start_ms);
            let end = (minute_start_ms + MINUTE_MS).min(span.until_ms);
            let whole = |begin, end| u32::try_from(total_at(end) - total_at(begin)).unwrap_or(u32::MAX);
            let mut minute = self.carried.filter(|c| c.minute_start_ms == minute_start_ms).unwrap_or_default();
            minute.minute_start_ms = minute_start_ms;
            minute.seconds = minute.seconds.saturating_add(whole(begin, end)).min(60);
            for (begin, end, slate) in self.slates.within(begin, end) {
                minute.slate_seconds += whole(begin, end);
                minute.slate_all_seconds += if slate == Slate::All { whole(begin, end) } else { 0 };
            }
            minute.slate_seconds = minute.slate_seconds.min(minute.seconds);
            minute.slate_all_seconds = minute.slate_all_seconds.min(minute.slate_seconds);
            minutes.push(minute);
            minute_start_ms += MINUTE_MS;
        }
        minutes
    }

    /// Closes the span at the end of its grace, which is returned: milliseconds of Unix time.
    fn close(&mut self, terms: MeterTerms) -> i64 {
        let Some(mut span) = self.span.take() else { return i64::MIN };
        span.until_ms = span.until_ms.max(span.last_poll_ms + terms.grace_ms);
        for line in self.minutes_of(span) {
            // A minute has one line, however many spans ended in it.
            self.owed.retain(|owed| owed.minute_start_ms != line.minute_start_ms);
            self.owed.push(line);
        }
        self.owed.drain(..self.owed.len().saturating_sub(MAX_OWED));
        // The last minute in full, whatever was booked of it: a span that opens in the same minute adds to it.
        let tail = Meter { booked_until_ms: span.until_ms - 1, ..self.clone() }.minutes_of(span);
        self.carried = tail.last().copied().or(self.carried);
        self.closed_ms += span.until_ms - span.start_ms;
        self.booked_until_ms = self.booked_until_ms.max(span.until_ms);
        span.until_ms
    }
}

fn seconds(ms: i64) -> u64 {
    u64::try_from(ms / 1000).unwrap_or(0)
}

#[cfg(test)]
#[path = "meter_tests.rs"]
mod tests;
