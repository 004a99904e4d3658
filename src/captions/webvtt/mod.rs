//! WebVTT (W3C), as segments of an HLS rendition have it (RFC 8216bis, 3.1.4): reading those of sources, writing ours.

mod css;
mod markup;
mod read;
mod settings;
#[cfg(test)]
pub(super) mod tests;
mod write;

use std::time::Duration;

pub use css::colour;
pub use read::read;
pub use write::write_segment;

pub(super) use settings::usual_position;

use super::{Cue, Text, Told};
use crate::timeline::MediaTime;

/// Ticks of MPEG-2 timestamps in a millisecond, and after how many ticks they begin again (ISO/IEC 13818-1, 2.4.2.2: 90 kHz, 33 bits).
const TICKS_PER_MS: i128 = 90;
const WRAP: i128 = 1 << 33;

/// Why a text is no WebVTT. Whatever is wrong inside one is skipped, as the standard has it (4.1: the parser never fails on a block).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VttError {
    #[error("a text that does not begin with WEBVTT")]
    NoSignature,
}

/// How segments of a stream are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentForm {
    /// What the stream's clock says at the media epoch, in 90 kHz ticks: 0 where pictures have the grid's own times.
    pub mpegts_at_epoch: u64,
    /// Whether colours that have no class of their own are defined in a `STYLE` block. Without, the nearest of the eight that have one stands for
    /// them: old players do not skip such a block (FFmpeg 5.1 reads no cue after one), and a colour is not worth the text.
    pub own_colours: bool,
}

/// What the source's clock said at an instant of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// 90 kHz; only the lower 33 bits count.
    pub mpegts: u64,
    pub at: MediaTime,
}

/// A cue with the times of its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    pub id: String,
    pub start_ms: u64,
    pub end_ms: u64,
    pub text: Text,
}

/// What a text said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// `X-TIMESTAMP-MAP`: MPEG-2 time in 90 kHz ticks, and the text's time in milliseconds that it goes with.
    pub map: Option<(u64, u64)>,
    pub cues: Vec<Timed>,
}

impl Document {
    /// Its cues on our time, by way of the clock that it shares with the stream's pictures.
    ///
    /// MPEG-2 time begins again every 26.5 hours: of all the instants meant the one nearest the anchor's is taken. A text without a map means
    /// by its time 0 the clock's 0 (RFC 8216bis, 3.1.4).
    pub fn cues_by(&self, anchor: Anchor) -> Vec<Cue> {
        let (mpegts, local_ms) = self.map.unwrap_or_default();
        self.cues_with(|start_ms| {
            let ticks = i128::from(mpegts) + (i128::from(start_ms) - i128::from(local_ms)) * TICKS_PER_MS;
            let apart = (ticks - i128::from(anchor.mpegts) + WRAP / 2).rem_euclid(WRAP) - WRAP / 2;
            i128::from(anchor.at.as_nanos()) + apart * 100_000 / 9
        })
    }

    /// Its cues on our time, where its time 0 is `zero`: a text that stands alone.
    pub fn cues_from(&self, zero: MediaTime) -> Vec<Cue> {
        self.cues_with(|start_ms| i128::from(zero.as_nanos()) + i128::from(start_ms) * 1_000_000)
    }

    fn cues_with(&self, nanos_of: impl Fn(u64) -> i128) -> Vec<Cue> {
        let on_grid = |timed: &Timed| {
            let start = nanos_of(timed.start_ms);
            // Of a cue from before the epoch the rest is left, if any.
            let end = start + i128::from(timed.end_ms.saturating_sub(timed.start_ms)) * 1_000_000;
            let start = MediaTime::from_nanos(u64::try_from(start.max(0)).ok()?);
            let end = MediaTime::from_nanos(u64::try_from(end).ok()?);
            (end > start).then(|| Cue { start, end: Some(end), told: Told::Whole, text: timed.text.clone() })
        };
        self.cues.iter().filter_map(on_grid).collect()
    }
}

impl SegmentForm {
    /// The zero of a segment's text, and what the stream's clock says then.
    ///
    /// Cue times are told from the hour before the one that `from` lies in: short numbers, the same in all segments of an hour, and room for
    /// cues that began up to an hour ago. An hour is a whole number of ticks and of milliseconds, so nothing is rounded twice.
    fn zero_of(&self, from: MediaTime) -> (MediaTime, u64) {
        const HOUR: Duration = Duration::from_secs(3600);
        let hours = (from.as_nanos() / HOUR.as_nanos() as u64).saturating_sub(1);
        let zero = MediaTime::from_secs(hours * HOUR.as_secs());
        let ticks =
            (u128::from(self.mpegts_at_epoch) + u128::from(hours) * u128::from(HOUR.as_secs()) * 90_000) % (1 << 33);
        (zero, ticks as u64)
    }
}
