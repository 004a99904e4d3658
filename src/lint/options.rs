//! What is asked of a run.

use std::time::Duration;

/// Which segments are loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SegmentChoice {
    All,
    /// The first two, the last one, and those that come while a live stream is watched.
    #[default]
    Some,
    None,
}

/// What `quadrille lint` was told.
#[derive(Clone, Debug, Default)]
pub struct LintOptions {
    /// http, https, or the path of a file.
    pub url: String,
    /// How long a live stream is watched; without it, four target durations.
    pub watch: Option<Duration>,
    pub segments: SegmentChoice,
    /// Headers for the stream's own server.
    pub headers: Vec<(String, String)>,
    /// Output for programs.
    pub json: bool,
    /// Warnings fail, too.
    pub strict: bool,
    pub limits: Limits,
}

/// What a hostile server cannot make it take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of one playlist.
    pub playlist_bytes: usize,
    /// Bytes of one segment.
    pub segment_bytes: usize,
    /// Bytes of all segments.
    pub total_bytes: u64,
    /// Media playlists.
    pub playlists: usize,
    /// Requests of all kinds.
    pub requests: u64,
    /// Time of one request.
    pub request_time: Duration,
    /// Time of a run beyond `watch`.
    pub run_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            playlist_bytes: 8 << 20,
            segment_bytes: 64 << 20,
            total_bytes: 512 << 20,
            playlists: 100,
            requests: 20_000,
            request_time: Duration::from_secs(20),
            run_time: Duration::from_secs(600),
        }
    }
}
