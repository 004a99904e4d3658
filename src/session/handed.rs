//! What sessions are handed under addresses of their own, and how fast: their past is hours, and who had all of it at once would have watched it for nothing.

use super::SessionError;
use super::registry::Sessions;
use crate::timeline::SegmentNumber;

/// So much of its past a session may be handed beyond [`TIMES_BILLED`]: players seek about, and read ahead each time.
const AHEAD_MS: i64 = 600_000;

/// A player may show it at twice its speed.
const TIMES_BILLED: i64 = 2;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Of {
    Segment(SegmentNumber),
    /// Of a segment, something that does not make up for it: its first picture, its text.
    Beside(SegmentNumber),
}

impl Sessions {
    /// Everybody's addresses are good for what playlists without a beginning list; a session's own as long as it is there, and asking for one is
    /// watching: who has hours in one playlist needs none to go on.
    pub(super) fn may_have(&self, of: Option<Of>, token: Option<&str>) -> bool {
        let Some(token) = token else {
            // Two windows are promised, and a little more.
            let oldest = self.running().saturating_sub(4 * self.settings.window_segments as u64);
            let is_old = |(Of::Segment(n) | Of::Beside(n))| n < oldest;
            return self.settings.start_over.is_none() || !of.is_some_and(is_old);
        };
        let Ok(entry) = self.entry_of_token(token) else { return false };
        let (now_ms, terms) = (self.now_ms(), self.terms());
        let mut session = entry.session.lock();
        if !session.was_served() {
            return false;
        }
        session.watched(now_ms, self.ends_pause_ms(now_ms), self.segment_at(now_ms), terms);
        match of {
            None => true,
            Some(Of::Segment(n)) => session.may_have(n),
            Some(Of::Beside(n)) => session.may_look(n),
        }
    }

    /// Waits until segment `n` may be handed to the session `token`: no more of its past than [`TIMES_BILLED`] of what is billed and [`AHEAD_MS`].
    ///
    /// # Errors
    /// [`SessionError::Ahead`] where that takes too long.
    pub async fn keeps_pace(&self, n: SegmentNumber, token: Option<&str>) -> Result<(), SessionError> {
        // Whose session is gone is told so where it is looked for.
        let Some(Ok(entry)) = token.map(|token| self.entry_of_token(token)) else { return Ok(()) };
        let deadline = tokio::time::Instant::now() + self.settings.first_segment_wait;
        loop {
            {
                let (now_ms, terms) = (self.now_ms(), self.terms());
                let mut session = entry.session.lock();
                if !session.was_served() || !session.is_ahead(n, self.segment_ms(), (TIMES_BILLED, AHEAD_MS)) {
                    return Ok(());
                }
                // Who waits is billed, or would wait forever.
                session.watched(now_ms, self.ends_pause_ms(now_ms), self.segment_at(now_ms), terms);
            }
            if tokio::time::Instant::now() >= deadline {
                let segment_s = self.grid.segment_duration().as_secs_f64().ceil() as u32;
                return Err(SessionError::Ahead { retry_after_s: segment_s.max(1) });
            }
            tokio::time::sleep(self.grid.segment_duration() / 2).await;
        }
    }

    /// Where an address of its own ends a pause, that can be watched now as far as a playlist can list it.
    fn ends_pause_ms(&self, now_ms: i64) -> i64 {
        let window_ms = self.segment_ms() * i64::try_from(self.settings.window_segments).unwrap_or(i64::MAX);
        window_ms.min(self.up_ms(now_ms))
    }
}
