//! The mapping from our instants to a source's time: anchored once for sources we pull, slewed for sources that push.

use std::time::Duration;

use super::{Delay, SourceNanos};
use crate::timeline::MediaTime;

/// Fastest change of the mapping, in parts per billion: half a percent is under a tenth of a semitone.
pub const MAX_SLEW_PPB: i64 = 5_000_000;

/// A lead this far from its target is no drift: the source jumped, and so do we.
const JUMP_NANOS: i64 = 1_000_000_000;
/// Time constant of the average lead.
const SMOOTHING_NANOS: i64 = 4_000_000_000;
/// An error of the average lead is worked off over this long: with the smoothing above, a damped loop (ratio 1.1).
const RECOVERY_NANOS: i64 = 20_000_000_000;
/// After an anchor, the freshest picture rules for this long: what had piled up on the way arrives in one burst.
const SETTLING_NANOS: i64 = 1_000_000_000;
const SETTLING_TOLERANCE_NANOS: i64 = 100_000_000;

/// Maps instants to source time: `source = instant - offset`, the offset a line that is bent a little at every observation.
///
/// *Lead* is how long before its due instant a picture arrives. Of a live source it is kept at a target, the room that
/// network jitter may take; of a pulled source nothing is observed, and the line stays straight.
///
/// All of this is on a line of the clock's own, which runs behind our instants by its [`Delay`]. A live source's data must
/// be held for as long on their way here: the clock then sees them arrive as if there were no delay.
#[derive(Clone, Debug)]
pub struct SourceClock {
    target_lead: Option<i64>,
    line: Option<Line>,
    delay: Delay,
}

#[derive(Clone, Copy, Debug)]
struct Line {
    from: i64,
    offset: i64,
    slew_ppb: i64,
    average_lead: i64,
    observed_at: i64,
    anchored_at: i64,
}

impl Line {
    fn new(at: i64, offset: i64, lead: i64) -> Self {
        Self { from: at, offset, slew_ppb: 0, average_lead: lead, observed_at: at, anchored_at: at }
    }

    fn offset_at(&self, at: i64) -> i64 {
        let bend = (i128::from(at) - i128::from(self.from)) * i128::from(self.slew_ppb) / 1_000_000_000;
        self.offset.saturating_add(bend as i64)
    }
}

fn nanos(at: MediaTime) -> i64 {
    i64::try_from(at.as_nanos()).unwrap_or(i64::MAX)
}

impl SourceClock {
    /// For a source that delivers when asked: it follows our clock, so its anchor holds for good.
    pub const fn pulled() -> Self {
        Self { target_lead: None, line: None, delay: Delay::NONE }
    }

    /// For a source that sends by its own clock; its pictures are to arrive `target_lead` before they are due.
    pub fn live(target_lead: Duration) -> Self {
        Self { target_lead: Some(i64::try_from(target_lead.as_nanos()).unwrap_or(0)), line: None, delay: Delay::NONE }
    }

    /// As late as `delay` says.
    #[must_use]
    pub fn with_delay(self, delay: Delay) -> Self {
        Self { delay, ..self }
    }

    pub const fn delay(&self) -> Delay {
        self.delay
    }

    /// From `at` on it goes to be late by `target` ns, at a pace that nobody hears, or `at_once`.
    pub fn delay_to(&mut self, target: i64, at: MediaTime, at_once: bool) {
        if at_once {
            self.delay.leap_to(target, nanos(at));
        } else {
            self.delay.walk_to(target, nanos(at));
        }
    }

    /// How late it is at `at`, in ns.
    pub fn delay_at(&self, at: MediaTime) -> i64 {
        self.delay.at(nanos(at))
    }

    /// `at` on the clock's own line.
    fn own(&self, at: MediaTime) -> i64 {
        nanos(at) - self.delay_at(at)
    }

    pub const fn is_live(&self) -> bool {
        self.target_lead.is_some()
    }

    pub const fn is_anchored(&self) -> bool {
        self.line.is_some()
    }

    /// From here on, `source` is due at `at`.
    pub fn anchor(&mut self, source: SourceNanos, at: MediaTime) {
        let at = self.own(at);
        self.line = Some(Line::new(at, at - source, self.target_lead.unwrap_or(0)));
    }

    /// Forgets the mapping: after starvation the next picture makes a new one.
    pub fn release(&mut self) {
        self.line = None;
    }

    /// The source time that is due at `at`; `None` before there is an anchor.
    pub fn source_at(&self, at: MediaTime) -> Option<SourceNanos> {
        let at = self.own(at);
        self.line.map(|line| at - line.offset_at(at))
    }

    /// When `source` is due; `None` before there is an anchor. As long as the line is not bent anew.
    pub fn due_at(&self, source: SourceNanos) -> Option<MediaTime> {
        let line = self.line?;
        // The offset changes by half a percent of the time that passes at most: the second step is off by nanoseconds.
        // What a source says of times to come may be anything.
        let mut at = source.saturating_add(line.offset);
        for _ in 0..3 {
            at = source.saturating_add(line.offset_at(at));
        }
        u64::try_from(self.delay.instant_of(at)).ok().map(MediaTime::from_nanos)
    }

    /// Present slew, in parts per billion: positive when the source is played slower than it claims to run.
    pub fn slew_ppb(&self) -> i64 {
        self.line.map_or(0, |line| line.slew_ppb)
    }

    /// A picture of a live source with time `source` arrived at `arrival`: anchors, jumps, or bends the line a little.
    /// Does nothing for a pulled source.
    pub fn observe(&mut self, source: SourceNanos, arrival: MediaTime) {
        let Some(target) = self.target_lead else { return };
        let now = self.own(arrival);
        let fresh_anchor = Line::new(now, now + target - source, target);
        let Some(line) = &mut self.line else {
            self.line = Some(fresh_anchor);
            return;
        };
        let offset = line.offset_at(now);
        let lead = source + offset - now;
        let settling = now - line.anchored_at < SETTLING_NANOS;
        if settling && lead > target + SETTLING_TOLERANCE_NANOS {
            self.line = Some(Line { anchored_at: line.anchored_at, ..fresh_anchor });
            return;
        }
        let step = (now - line.observed_at).clamp(0, SMOOTHING_NANOS);
        let change = i128::from(lead - line.average_lead) * i128::from(step) / i128::from(SMOOTHING_NANOS);
        line.average_lead += change as i64;
        if (line.average_lead - target).abs() > JUMP_NANOS || (lead - target).abs() > 3 * JUMP_NANOS {
            self.line = Some(fresh_anchor);
            return;
        }
        let error = i128::from(target - line.average_lead);
        let slew = (error * 1_000_000_000 / i128::from(RECOVERY_NANOS)) as i64;
        line.slew_ppb = slew.clamp(-MAX_SLEW_PPB, MAX_SLEW_PPB);
        line.offset = offset;
        line.from = now;
        line.observed_at = line.observed_at.max(now);
    }
}
