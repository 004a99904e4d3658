//! What a player has ahead of it: seconds fetched less seconds played. Times come in, so that a test can crank them.

use std::time::{Duration, Instant};

/// Segments that a player fetches before it begins to play: three, the least that may lie behind the live edge (RFC 8216, 6.3.3).
pub const START_SEGMENTS: u32 = 3;

/// How a player fared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Playing {
    pub stalls: u64,
    /// Time without a picture, all stalls together.
    pub stalled: Duration,
    /// The least that was left when a segment came, or at the end; `None` where it never began to play.
    pub least: Option<Duration>,
}

/// The buffer of one player. It stalls when it runs dry, and goes on with the next segment.
pub struct Buffer {
    segment: Duration,
    /// Fetched before it began to play.
    waiting: u32,
    /// When it runs dry; `None` before it plays.
    dry_at: Option<Instant>,
    playing: Playing,
}

impl Buffer {
    pub fn new(segment: Duration) -> Self {
        Self { segment, waiting: 0, dry_at: None, playing: Playing::default() }
    }

    /// A whole segment has come.
    pub fn fetched(&mut self, now: Instant) {
        match self.dry_at {
            Some(_) => {
                let dry_at = self.look(now);
                self.dry_at = Some(dry_at.max(now) + self.segment);
            }
            None => {
                self.waiting += 1;
                if self.waiting == START_SEGMENTS {
                    self.dry_at = Some(now + self.segment * self.waiting);
                }
            }
        }
    }

    /// The player is closed; a stall that lasts counts up to now.
    pub fn end(mut self, now: Instant) -> Playing {
        if self.dry_at.is_some() {
            self.look(now);
        }
        self.playing
    }

    /// Notes what is left, or how long it has been dry.
    fn look(&mut self, now: Instant) -> Instant {
        let dry_at = self.dry_at.unwrap_or(now);
        let left = dry_at.saturating_duration_since(now);
        self.playing.least = Some(self.playing.least.map_or(left, |least| least.min(left)));
        if now > dry_at {
            self.playing.stalls += 1;
            self.playing.stalled += now - dry_at;
        }
        dry_at
    }
}
