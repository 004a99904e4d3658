//! A session's picture over time: which mosaic's segments it shows from which segment on, and which of them a playlist
//! may list.
//!
//! A swap is nothing but a new entry here. All mosaics share one grid, one init segment and one set of encoder
//! parameters, so segment `n + 1` of one mosaic follows segment `n` of another as if one encoder had made both.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::timeline::SegmentNumber;

/// A segment that is missing is waited for until a segment this much newer is finished; then it will never come.
const PATIENCE_SEGMENTS: u64 = 2;

/// From segment `from` on, the session shows `mosaic`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splice {
    pub from: SegmentNumber,
    pub mosaic: Arc<str>,
}

/// A session's splices, ordered, without repetition. Its length is bounded by the segments of the window plus those ahead
/// of it, if [`Splices::prune`] is called as the window moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Splice>", into = "Vec<Splice>")]
pub struct Splices {
    // Never empty; `from` strictly rises; neighbours differ in mosaic.
    entries: Vec<Splice>,
}

/// Splices read back from a store are not splices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    #[error("a session's splices are empty")]
    Empty,
    #[error("a session's splices are not in order at segment {0}")]
    Disordered(SegmentNumber),
}

impl Splices {
    /// A session that shows `mosaic` from segment `first` on.
    pub fn new(first: SegmentNumber, mosaic: Arc<str>) -> Self {
        Self { entries: vec![Splice { from: first, mosaic }] }
    }

    pub fn entries(&self) -> &[Splice] {
        &self.entries
    }

    /// The mosaic shown last: what the session has come to.
    pub fn newest(&self) -> &Arc<str> {
        // Never empty: every way to make or change the entries leaves one.
        &self.entries[self.entries.len() - 1].mosaic
    }

    /// The segment from which it is shown.
    pub fn newest_from(&self) -> SegmentNumber {
        self.entries[self.entries.len() - 1].from
    }

    /// The mosaic shown in segment `n`; before the first splice there is none.
    pub fn mosaic_at(&self, n: SegmentNumber) -> Option<&Arc<str>> {
        let after = self.entries.partition_point(|s| s.from <= n);
        Some(&self.entries[after.checked_sub(1)?].mosaic)
    }

    /// From segment `from` on, shows `mosaic`; whatever was planned for then or later is forgotten. `from` must not be
    /// listed yet ([`next_unlisted`]), or a player and the playlist disagree about what is in a segment.
    pub fn push(&mut self, from: SegmentNumber, mosaic: Arc<str>) {
        let kept = self.entries.partition_point(|s| s.from < from);
        self.entries.truncate(kept);
        if self.entries.last().is_none_or(|last| last.mosaic != mosaic) {
            self.entries.push(Splice { from, mosaic });
        }
    }

    /// Forgets what ended before segment `oldest`, the oldest one that may still be listed.
    pub fn prune(&mut self, oldest: SegmentNumber) {
        let after = self.entries.partition_point(|s| s.from <= oldest);
        self.entries.drain(..after.saturating_sub(1));
    }

    /// Mosaics shown in segment `oldest` or later, each once: those that must be kept running or readable.
    pub fn mosaics_since(&self, oldest: SegmentNumber) -> Vec<Arc<str>> {
        let after = self.entries.partition_point(|s| s.from <= oldest);
        let mut mosaics: Vec<Arc<str>> = Vec::new();
        for splice in &self.entries[after.saturating_sub(1)..] {
            if !mosaics.contains(&splice.mosaic) {
                mosaics.push(splice.mosaic.clone());
            }
        }
        mosaics
    }

    /// The segments a media playlist lists now, oldest first: at most `window_segments`, without a hole, each finished.
    ///
    /// `finished` gives the finished segments of a mosaic that are still to be had. `last_listed` is the newest segment any
    /// playlist of the session has listed: a playlist never takes it back (RFC 8216, 6.2.2, segments leave at the front
    /// only). The answer is empty where there is nothing that may be listed now.
    ///
    /// A segment that is missing while a newer one is finished holds the playlist's end back, since it may come any moment,
    /// until one [`PATIENCE_SEGMENTS`] newer is there or its mosaic has gone past it. Then it is a hole, and the playlist
    /// begins after it: numbers are the grid's and are never given out anew.
    pub fn listed(
        &self,
        last_listed: Option<SegmentNumber>,
        window_segments: usize,
        finished: impl Fn(&str) -> Option<RangeInclusive<SegmentNumber>>,
    ) -> Vec<(SegmentNumber, Arc<str>)> {
        let spans: Vec<Span> = self.spans(finished);
        let Some(newest) = spans.iter().filter_map(Span::newest).max() else { return Vec::new() };
        let end = spans_end(&spans, newest, last_listed);
        if last_listed.is_some_and(|last| end < last) {
            return Vec::new();
        }
        let mut run: Vec<_> = (0..=end)
            .rev()
            .take(window_segments)
            .map_while(|n| spans.iter().find(|s| s.has(n)).map(|s| (n, s.mosaic.clone())))
            .collect();
        run.reverse();
        run
    }

    fn spans(&self, finished: impl Fn(&str) -> Option<RangeInclusive<SegmentNumber>>) -> Vec<Span<'_>> {
        let ends = self.entries.iter().skip(1).map(|next| next.from).chain([SegmentNumber::MAX]);
        self.entries
            .iter()
            .zip(ends)
            .map(|(entry, end)| Span {
                mosaic: &entry.mosaic,
                from: entry.from,
                end,
                finished: finished(&entry.mosaic),
            })
            .collect()
    }
}

/// The first segment that a change may still touch: the one after the last listed, or the session's first.
pub fn next_unlisted(last_listed: Option<SegmentNumber>, first_of_session: SegmentNumber) -> SegmentNumber {
    last_listed.map_or(first_of_session, |last| first_of_session.max(last + 1))
}

/// One splice until the next, and what is finished of its mosaic.
struct Span<'a> {
    mosaic: &'a Arc<str>,
    from: SegmentNumber,
    /// First segment of the next splice.
    end: SegmentNumber,
    finished: Option<RangeInclusive<SegmentNumber>>,
}

impl Span<'_> {
    fn covers(&self, n: SegmentNumber) -> bool {
        self.from <= n && n < self.end
    }

    fn has(&self, n: SegmentNumber) -> bool {
        self.covers(n) && self.finished.as_ref().is_some_and(|f| f.contains(&n))
    }

    fn newest(&self) -> Option<SegmentNumber> {
        let finished = self.finished.as_ref()?;
        let newest = (*finished.end()).min(self.end.checked_sub(1)?);
        (newest >= self.from && newest >= *finished.start()).then_some(newest)
    }

    /// Whether segment `n`, which is not there, may still come: its mosaic has not gone past it.
    fn may_come(&self, n: SegmentNumber) -> bool {
        self.covers(n) && self.finished.as_ref().is_none_or(|f| n > *f.end())
    }
}

/// The newest segment that may be listed, `newest` being the newest finished one.
fn spans_end(spans: &[Span], newest: SegmentNumber, last_listed: Option<SegmentNumber>) -> SegmentNumber {
    // What was listed was finished: it cannot come again.
    let unlisted = last_listed.map_or(0, |last| last + 1);
    let from = unlisted.max((newest + 1).saturating_sub(PATIENCE_SEGMENTS));
    let awaited = (from..newest).find(|&n| spans.iter().any(|s| s.may_come(n)));
    awaited.map_or(newest, |n| n.saturating_sub(1))
}

impl TryFrom<Vec<Splice>> for Splices {
    type Error = SpliceError;

    fn try_from(entries: Vec<Splice>) -> Result<Self, SpliceError> {
        let Some(first) = entries.first() else { return Err(SpliceError::Empty) };
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].from >= pair[1].from) {
            return Err(SpliceError::Disordered(pair[1].from));
        }
        let mut splices = Self::new(first.from, first.mosaic.clone());
        for Splice { from, mosaic } in entries.into_iter().skip(1) {
            splices.push(from, mosaic);
        }
        Ok(splices)
    }
}

impl From<Splices> for Vec<Splice> {
    fn from(splices: Splices) -> Self {
        splices.entries
    }
}

#[cfg(test)]
#[path = "splice_tests.rs"]
mod tests;
