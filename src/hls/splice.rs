//! A session's picture over time: which mosaic's segments it shows from which segment on, and which of them a playlist
//! may list.
//!
//! A swap is nothing but a new entry here. All mosaics share one grid, one init segment and one set of encoder
//! parameters, so segment `n + 1` of one mosaic follows segment `n` of another as if one encoder had made both.

use std::ops::RangeInclusive;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::runs::Runs;
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

    /// The segments a media playlist lists now, oldest first: at most `window_segments`, their numbers without a hole.
    ///
    /// `finished` gives the finished segments of a mosaic that are still to be had. `said` is what the session's playlists have
    /// said so far, of which nothing is taken back: segments leave at the front only (RFC 8216, 6.2.2), and a gap stays one. The
    /// answer is empty where there is nothing that may be listed now.
    ///
    /// A segment that is missing while a newer one is finished holds the playlist's end back, since it may come any moment,
    /// until one [`PATIENCE_SEGMENTS`] newer is there or its mosaic has gone past it. Then it is a hole: listed as a gap, so that
    /// what stands before it stays listed. A session that has listed nothing yet begins after it.
    pub fn listed(&self, said: &Said, window_segments: usize, finished: impl Fn(&str) -> Runs) -> Vec<Listed> {
        let spans: Vec<Span> = self.spans(finished);
        let Some(newest) = spans.iter().filter_map(Span::newest).max() else { return Vec::new() };
        let end = spans_end(&spans, newest, said.last());
        if said.last().is_some_and(|last| end < last) {
            return Vec::new();
        }
        let oldest = (end + 1).saturating_sub(window_segments as u64);
        let from = oldest.max(self.entries[0].from).max(said.first().unwrap_or(0));
        let mut listed: Vec<Listed> = (from..=end)
            .filter_map(|n| {
                let gap = said.is_gap(n) || !spans.iter().any(|s| s.has(n));
                Some(Listed { number: n, mosaic: self.mosaic_at(n)?.clone(), gap })
            })
            .collect();
        while listed.last().is_some_and(|end| end.gap && said.last().is_none_or(|last| end.number > last)) {
            listed.pop();
        }
        let begin = match said.last() {
            Some(_) => listed.iter().position(|l| !l.gap).unwrap_or(listed.len()),
            None => listed.iter().rposition(|l| l.gap).map_or(0, |gap| gap + 1),
        };
        listed.drain(..begin);
        listed
    }

    fn spans(&self, finished: impl Fn(&str) -> Runs) -> Vec<Span<'_>> {
        let ends = self.entries.iter().skip(1).map(|next| next.from).chain([SegmentNumber::MAX]);
        self.entries
            .iter()
            .zip(ends)
            .map(|(entry, end)| Span { entry, end, finished: finished(&entry.mosaic) })
            .collect()
    }
}

/// One entry of a session's playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub number: SegmentNumber,
    pub mosaic: Arc<str>,
    /// It never came, and there are no bytes for it.
    pub gap: bool,
}

/// What the playlists of a session have said: no later one takes it back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// First and last segment of the newest listing.
    listed: Option<RangeInclusive<SegmentNumber>>,
    /// Those of them that were said to be gaps: one that comes after all is not listed any more.
    gaps: Vec<SegmentNumber>,
}

impl Said {
    /// All that is remembered is `last`, the newest segment listed.
    pub fn up_to(last: SegmentNumber) -> Self {
        Self { listed: Some(last..=last), gaps: Vec::new() }
    }

    /// Takes note of a listing, which is not empty and was made with what was said before it.
    pub fn note(&mut self, listing: &[Listed]) {
        let (Some(first), Some(last)) = (listing.first(), listing.last()) else { return };
        self.listed = Some(first.number..=last.number);
        self.gaps = listing.iter().filter(|l| l.gap).map(|l| l.number).collect();
    }

    pub fn first(&self) -> Option<SegmentNumber> {
        self.listed.as_ref().map(|listed| *listed.start())
    }

    pub fn last(&self) -> Option<SegmentNumber> {
        self.listed.as_ref().map(|listed| *listed.end())
    }

    pub fn is_gap(&self, n: SegmentNumber) -> bool {
        self.gaps.contains(&n)
    }

    /// The segments of the newest listing.
    pub fn numbers(&self) -> impl Iterator<Item = SegmentNumber> {
        self.listed.clone().into_iter().flatten()
    }
}

/// What the playlist of another track lists beside `listing`, `there` being that track's finished segments: the same segments,
/// those that never came as gaps, without those that may still come.
pub fn beside(listing: Vec<Listed>, there: &Runs) -> Vec<Listed> {
    let Some(newest) = there.newest() else { return Vec::new() };
    let mut beside: Vec<Listed> = listing
        .into_iter()
        .filter(|l| l.number <= newest)
        .map(|l| Listed { gap: !there.contains(l.number), ..l })
        .skip_while(|l| l.gap)
        .collect();
    while beside.last().is_some_and(|l| l.gap) {
        beside.pop();
    }
    beside
}

/// The first segment that a change may still touch: the one after the last listed, or the session's first.
pub fn next_unlisted(last_listed: Option<SegmentNumber>, first_of_session: SegmentNumber) -> SegmentNumber {
    last_listed.map_or(first_of_session, |last| first_of_session.max(last + 1))
}

/// One splice until the next, and what is finished of its mosaic.
struct Span<'a> {
    entry: &'a Splice,
    /// First segment of the next splice.
    end: SegmentNumber,
    finished: Runs,
}

impl Span<'_> {
    fn covers(&self, n: SegmentNumber) -> bool {
        self.entry.from <= n && n < self.end
    }

    fn has(&self, n: SegmentNumber) -> bool {
        self.covers(n) && self.finished.contains(n)
    }

    fn newest(&self) -> Option<SegmentNumber> {
        self.finished.iter().filter(|n| self.covers(*n)).last()
    }

    /// Whether segment `n`, which is not there, may still come: its mosaic has not gone past it.
    fn may_come(&self, n: SegmentNumber) -> bool {
        self.covers(n) && self.finished.newest().is_none_or(|newest| n > newest)
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
