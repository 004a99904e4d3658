//! What is the operator's to say about cues.

use std::time::Duration;

use super::super::scte35::Role;
use super::event::Key;
use crate::timeline::{Grid, MediaTime};

const HOUR: Duration = Duration::from_secs(3600);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Where everything lands.
    pub grid: Grid,
    /// How long before its beginning an event is listed; from then on its line stays. RFC 8216bis 4.4.5.1.1 wants it with the
    /// last segment before the splice, or earlier.
    pub announce_lead: Duration,
    /// How long ended events are kept.
    pub history: Duration,
    /// Events that are kept. The oldest ended one makes room; where none has ended, the oldest open one is ended.
    pub max_events: usize,
    /// Bytes of lines that are kept, by the same rule. Every playlist has what lies in it, and each viewer asks for it again
    /// and again.
    pub max_bytes: usize,
    /// Of those, what has not ended: past that the oldest open event of a source is ended. Less than `max_bytes`, so that what
    /// ended stays listed for a while with its end.
    pub max_live_bytes: usize,
    /// Bytes of lines that a game's sources may say at once, after they said less for a while.
    pub bytes_at_once: usize,
    /// Bytes that they may say each second in the long run: several times what a pod of breaks with all its segments takes.
    pub bytes_per_s: usize,
    /// Digits of a section beyond which its event is listed without it.
    pub max_hex: usize,
    /// What was to last on when its game gets another source may last so much longer.
    pub source_grace: Duration,
    /// A break whose end nobody says is ended after this.
    pub max_break: Duration,
    /// A programme, a chapter, and whatever else is no break.
    pub max_stretch: Duration,
    /// How late the end of what has a planned one may come.
    pub overrun: Duration,
    /// The same bytes without a time are the same message for so long.
    pub repeat_within: Duration,
    /// Times this close together are one: sources round, and two of them measure differently.
    pub same_time: Duration,
}

impl Policy {
    pub fn new(grid: Grid) -> Self {
        Self {
            grid,
            announce_lead: Duration::from_secs(8),
            history: 6 * HOUR,
            max_events: 4096,
            max_bytes: 512 << 10,
            max_live_bytes: 384 << 10,
            bytes_at_once: 64 << 10,
            bytes_per_s: 1536,
            // Of a kilobyte, and its 0x.
            max_hex: 2 + 2 * 1024,
            source_grace: Duration::from_secs(300),
            max_break: HOUR / 2,
            max_stretch: 24 * HOUR,
            overrun: Duration::from_secs(2),
            repeat_within: Duration::from_secs(10),
            same_time: Duration::from_millis(500),
        }
    }

    pub(super) fn cap(&self, role: Role) -> Duration {
        match role {
            Role::Break | Role::Overlay => self.max_break,
            Role::Programme | Role::Chapter | Role::Network | Role::Other => self.max_stretch,
        }
    }

    /// The instant of the nearest frame; the error is half a frame at most.
    pub fn on_grid(&self, at: MediaTime) -> MediaTime {
        let before = self.grid.frame_at(at);
        let (earlier, later) = (self.grid.frame_time(before), self.grid.frame_time(before + 1));
        if at.since(earlier) <= later.since(at) { earlier } else { later }
    }

    /// Whether two times that one event of `key` was said to begin at are one. A range's ID is its own, and where its date lies
    /// on our grid is found anew whenever its source comes back, or a backup takes its place.
    pub(super) fn is_same_of(&self, key: &Key, one: MediaTime, other: MediaTime) -> bool {
        let apart = one.max(other).since(one.min(other));
        apart <= if matches!(key, Key::Range(_)) { self.repeat_within } else { self.same_time }
    }

    pub(super) fn is_same(&self, one: MediaTime, other: MediaTime) -> bool {
        one.max(other).since(one.min(other)) <= self.same_time
    }
}
