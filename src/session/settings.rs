//! The bounds of sessions, and what they may do beyond the present.

use std::num::NonZeroUsize;
use std::time::Duration;

use crate::timeline::Grid;

/// As long as an encoder takes to open, and then some; less than a player has in hand that plays part by part.
const CHANGE_WAIT: Duration = Duration::from_millis(700);

/// Ended sessions are kept this long where nothing else is said.
const KEEP_ENDED: Duration = Duration::from_secs(30 * 24 * 3600);

/// Outputs that are polled at once, where nothing else is said.
const MAX_OUTPUTS: usize = 10_000;

/// The bounds of sessions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionSettings {
    /// A session without a playlist request for this long ends.
    pub idle: Duration,
    /// Segments in a media playlist; at least 1.
    pub window_segments: usize,
    /// Active sessions at once.
    pub max_sessions: usize,
    /// Outputs that are polled at once.
    pub max_outputs: usize,
    /// How long a playlist request waits for the first segment of a mosaic that has none yet.
    pub first_segment_wait: Duration,
    /// How long a change waits for a mosaic that has only just begun, if it can then show at once.
    pub change_wait: Duration,
    /// How long ended sessions can still be looked up.
    pub keep_ended: Duration,
    /// How often time has gone back: goes into the names of sounds, as into those of mosaics.
    pub era: u64,
    /// What viewers may go back to, and how; `None`: to nothing.
    pub start_over: Option<StartOverRight>,
    /// How long a playback URL can begin playing; `None`: as long as its session is there.
    pub url_valid: Option<Duration>,
    /// Players of a session that may play at once; `None`: any number.
    pub max_players: Option<NonZeroUsize>,
}

/// That viewers may go back to what was played, and pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartOverRight {
    /// How far, in segments.
    pub segments: u64,
    /// Instead of [`SessionSettings::idle`].
    pub pause: Duration,
    /// How long an ended session can be played again.
    pub linger: Duration,
}

impl SessionSettings {
    /// Settings for `grid`: playlists `window` long, and as much patience as a new mosaic needs to make its first segment.
    pub fn new(grid: &Grid, idle: Duration, window: Duration, max_sessions: usize) -> Self {
        let segment = grid.segment_duration();
        // A player needs three segments to start from (RFC 8216, 6.3.3).
        let window_segments = (window.as_nanos() / segment.as_nanos().max(1)).clamp(3, 3600) as usize;
        let first_segment_wait = segment * 2 + Duration::from_secs(2);
        Self {
            idle,
            window_segments,
            max_sessions,
            max_outputs: MAX_OUTPUTS,
            first_segment_wait,
            change_wait: CHANGE_WAIT,
            keep_ended: KEEP_ENDED,
            era: 0,
            start_over: None,
            url_valid: None,
            max_players: None,
        }
    }
}
