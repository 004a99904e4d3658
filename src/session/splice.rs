//! A session's picture over time: which mosaic's segments it shows from which segment on, and which of them a playlist
//! may list.
//!
//! A swap is nothing but a new entry here. All mosaics share one grid, one init segment and one set of encoder
//! parameters, so segment `n + 1` of one mosaic follows segment `n` of another as if one encoder had made both. A segment of which parts were
//! listed before the swap is a bridge: it begins as one mosaic's and goes on as the other's.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::timeline::{PartNumber, SegmentNumber};
use crate::track::{Held, Position};

/// A segment that is missing is waited for until a segment this much newer is finished; then it will never come.
const PATIENCE_SEGMENTS: u64 = 2;

/// Splices that a session keeps. Who changes more often within a start-over window finds, going back beyond them, what the oldest of them shows.
const MOST_KEPT: usize = 256;

/// From segment `from` on, the session shows `mosaic`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Splice {
    pub from: SegmentNumber,
    pub mosaic: Arc<str>,
    /// Of a bridge, which is a mosaic of one segment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<Bridge>,
}

/// What a segment shows that is another mosaic's from part `begins` on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bridge {
    pub before: Arc<str>,
    pub begins: PartNumber,
}

impl Splice {
    fn of(from: SegmentNumber, mosaic: Arc<str>) -> Self {
        Self { from, mosaic, bridge: None }
    }

    /// The mosaic that it opens with.
    pub fn opens_with(&self) -> &Arc<str> {
        self.bridge.as_ref().map_or(&self.mosaic, |bridge| &bridge.before)
    }
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
        Self { entries: vec![Splice::of(first, mosaic)] }
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
        Some(&self.splice_at(n)?.mosaic)
    }

    /// The mosaic that part `at` is of.
    pub fn mosaic_of(&self, at: Position) -> Option<&Arc<str>> {
        let entry = self.splice_at(at.segment)?;
        Some(
            entry
                .bridge
                .as_ref()
                .filter(|bridge| at.part < bridge.begins)
                .map_or(&entry.mosaic, |bridge| &bridge.before),
        )
    }

    /// The splice that segment `n` is of.
    pub fn splice_at(&self, n: SegmentNumber) -> Option<&Splice> {
        let after = self.entries.partition_point(|s| s.from <= n);
        self.entries.get(after.checked_sub(1)?)
    }

    /// From segment `from` on, shows `mosaic`; whatever was planned for then or later is forgotten. `from` must not be
    /// listed yet, not even in part, or a player and the playlist disagree about what is in a segment.
    pub fn push(&mut self, from: SegmentNumber, mosaic: Arc<str>) {
        let kept = self.entries.partition_point(|s| s.from < from);
        self.entries.truncate(kept);
        if self.entries.last().is_none_or(|last| last.mosaic != mosaic) {
            self.entries.push(Splice::of(from, mosaic));
        }
    }

    /// Shows `mosaic` from segment `from + 1` on, and in `from` the bridge to it that is called `name`. Nothing of `from` may be listed from
    /// part `bridge.begins` on.
    pub fn push_bridge(&mut self, from: SegmentNumber, name: Arc<str>, bridge: Bridge, mosaic: Arc<str>) {
        let kept = self.entries.partition_point(|s| s.from < from);
        self.entries.truncate(kept);
        self.entries.push(Splice { from, mosaic: name, bridge: Some(bridge) });
        self.entries.push(Splice::of(from + 1, mosaic));
    }

    /// Forgets what ended before segment `oldest`, the oldest one that may still be listed.
    pub fn prune(&mut self, oldest: SegmentNumber) {
        let after = self.entries.partition_point(|s| s.from <= oldest);
        let past = after.saturating_sub(1).max(self.entries.len().saturating_sub(MOST_KEPT));
        // Never the last one: the most that are kept are more than one.
        self.entries.drain(..past);
    }

    /// Forgets what is shown before segment `first`.
    pub fn begin_with(&mut self, first: SegmentNumber) {
        self.prune(first);
        if let Some(entry) = self.entries.first_mut() {
            entry.from = entry.from.max(first);
        }
    }

    /// The same, but before it begins it shows what `past` shows.
    pub fn behind(&self, past: &Self) -> Self {
        let first = self.entries[0].from;
        let older = past.entries.iter().filter(|splice| splice.from < first);
        let mut entries: Vec<Splice> = older.cloned().collect();
        let goes_on = |last: &Splice| self.entries[0].bridge.is_none() && last.mosaic == self.entries[0].mosaic;
        let own = usize::from(entries.last().is_some_and(goes_on));
        entries.extend_from_slice(&self.entries[own..]);
        Self { entries }
    }

    /// The same, but what it shows first it has shown since segment `since`: who goes back further than the session is old sees that.
    pub fn reaching_back(&self, since: SegmentNumber) -> Self {
        let mut entries = self.entries.clone();
        if let Some(first) = entries.first_mut().filter(|first| since < first.from) {
            match &first.bridge {
                // It is of one segment, and before it there was what it opens with.
                Some(bridge) => {
                    let before = Splice::of(since, bridge.before.clone());
                    entries.insert(0, before);
                }
                None => first.from = since,
            }
        }
        Self { entries }
    }

    /// Mosaics shown in segment `oldest` or later, each once: those that must be kept running or readable. Bridges are among them, and what
    /// they begin with.
    pub fn mosaics_since(&self, oldest: SegmentNumber) -> Vec<Arc<str>> {
        let after = self.entries.partition_point(|s| s.from <= oldest);
        let mut mosaics: Vec<Arc<str>> = Vec::new();
        for splice in &self.entries[after.saturating_sub(1)..] {
            for mosaic in [splice.opens_with(), &splice.mosaic] {
                if !mosaics.contains(mosaic) {
                    mosaics.push(mosaic.clone());
                }
            }
        }
        mosaics
    }

    /// What playlists list, `held` being what is there of a mosaic. It follows from the splices and from how far the mosaics have come alone,
    /// so that whoever asks, and whichever process is asked, sees the same: a playlist has no memory.
    ///
    /// The segments of `window`, their numbers without a hole. What was listed once is not taken back: mosaics only go
    /// forward, a segment that is missing behind a newer one never comes, and splices are set where nothing is listed yet.
    ///
    /// A segment that is missing while a newer one is finished holds the playlist's end back, since it may come any moment,
    /// until one [`PATIENCE_SEGMENTS`] newer is there or its mosaic has gone past it. Then it is a hole: listed as a gap, so that
    /// what stands before it stays listed.
    pub fn listing(&self, window: Window, held: impl Fn(&str) -> Held) -> Listing {
        let spans = self.spans(held);
        let Some(newest) = spans.iter().filter_map(Span::newest).max() else { return Listing::default() };
        let end = spans_end(&spans, newest);
        let oldest = match window {
            Window::Newest(segments) => (end + 1).saturating_sub(segments as u64),
            Window::Since(segment) => segment,
        };
        let has = |n: SegmentNumber| spans.iter().any(|span| span.has(n));
        let mut segments: Vec<Listed> = (oldest.max(self.entries[0].from)..=end)
            .filter_map(|n| {
                let entry = self.splice_at(n)?;
                Some(Listed { number: n, mosaic: entry.mosaic.clone(), bridge: entry.bridge.clone(), gap: !has(n) })
            })
            .skip_while(|listed| listed.gap)
            .collect();
        // It may yet be followed by more of them, which then say at once that they are gaps.
        while segments.last().is_some_and(|last| last.gap) {
            segments.pop();
        }
        Listing { segments, running: self.running(&spans, end) }
    }

    /// The segment after `end`, if some of its parts are there.
    fn running(&self, spans: &[Span], end: SegmentNumber) -> Option<Running> {
        let number = end + 1;
        let span = spans.iter().find(|span| span.covers(number))?;
        let come_to = span.held.come_to.filter(|come_to| come_to.segment == number)?;
        let Splice { mosaic, bridge, .. } = span.entry.clone();
        Some(Running { number, mosaic, bridge, parts: come_to.part + 1 })
    }

    /// The first segment from `n` on that is there: where playlists go on that broke off before `n`.
    pub fn first_from(&self, n: SegmentNumber, held: impl Fn(&str) -> Held) -> Option<SegmentNumber> {
        let spans = self.spans(held);
        let first = |span: &Span| span.held.whole.oldest_from(n.max(span.entry.from)).filter(|m| span.covers(*m));
        spans.iter().filter_map(first).min()
    }

    fn spans(&self, held: impl Fn(&str) -> Held) -> Vec<Span<'_>> {
        let ends = self.entries.iter().skip(1).map(|next| next.from).chain([SegmentNumber::MAX]);
        let span = |(entry, end): (_, _)| -> Span<'_> {
            let entry: &Splice = entry;
            let mut its = held(&entry.mosaic);
            if let Some(Bridge { before, begins }) = &entry.bridge {
                // Before it goes over it is the one's alone, however far the other has come.
                let alone = Position::new(entry.from, begins.saturating_sub(1));
                its.come_to = its.come_to.max(held(before).come_to.min(Some(alone)));
            }
            Span { entry, end, held: its }
        };
        self.entries.iter().zip(ends).map(span).collect()
    }
}

/// Which segments a playlist lists of those that there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// So many at most.
    Newest(usize),
    /// This one and what came after it.
    Since(SegmentNumber),
}

/// What the playlists of a session list at an instant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// Oldest first.
    pub segments: Vec<Listed>,
    /// What comes after them.
    pub running: Option<Running>,
}

/// One entry of a session's playlist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    pub number: SegmentNumber,
    pub mosaic: Arc<str>,
    /// Set where it is a bridge.
    pub bridge: Option<Bridge>,
    /// It never came, and there are no bytes for it.
    pub gap: bool,
}

/// A segment of which some parts are there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Running {
    pub number: SegmentNumber,
    pub mosaic: Arc<str>,
    pub bridge: Option<Bridge>,
    pub parts: PartNumber,
}

impl Listing {
    /// What the playlist of another track lists beside this one, `there` being what is there of what that track shows in a segment: the same
    /// segments, those that never came as gaps, without those that may still come.
    pub fn beside(self, there: impl Fn(SegmentNumber) -> Held) -> Self {
        let end = self.segments.last().map(|last| last.number);
        let mut segments: Vec<Listed> = Vec::with_capacity(self.segments.len());
        for listed in self.segments {
            let there = there(listed.number).whole;
            if there.newest() < Some(listed.number) {
                break;
            }
            let gap = !there.contains(listed.number);
            if !gap || !segments.is_empty() {
                segments.push(Listed { gap, ..listed });
            }
        }
        while segments.last().is_some_and(|last| last.gap) {
            segments.pop();
        }
        let is_level = segments.last().map(|last| last.number) == end;
        let running = self.running.filter(|_| is_level).and_then(|running| {
            let come_to = there(running.number).come_to.filter(|come_to| come_to.segment >= running.number)?;
            let parts = if come_to.segment > running.number { running.parts } else { come_to.part + 1 };
            Some(Running { parts: running.parts.min(parts), ..running })
        });
        Self { segments, running }
    }

    /// What is left of it when the session ends with segment `last`, and whether that is all there will be. Where nothing is listed by then,
    /// nothing was promised.
    pub fn until(mut self, last: SegmentNumber) -> (Self, bool) {
        let is_all = self.segments.last().is_none_or(|newest| newest.number >= last);
        self.segments.retain(|listed| listed.number <= last);
        while self.segments.last().is_some_and(|last| last.gap) {
            self.segments.pop();
        }
        let running = self.running.filter(|running| running.number <= last);
        (Self { segments: self.segments, running }, is_all)
    }
}

/// One splice until the next, and what is finished of its mosaic.
struct Span<'a> {
    entry: &'a Splice,
    /// First segment of the next splice.
    end: SegmentNumber,
    held: Held,
}

impl Span<'_> {
    fn covers(&self, n: SegmentNumber) -> bool {
        self.entry.from <= n && n < self.end
    }

    fn has(&self, n: SegmentNumber) -> bool {
        self.covers(n) && self.held.whole.contains(n)
    }

    fn newest(&self) -> Option<SegmentNumber> {
        self.held.whole.newest_before(self.end).filter(|n| self.covers(*n))
    }

    /// Whether segment `n`, which is not there, may still come: its mosaic has not gone past it.
    fn may_come(&self, n: SegmentNumber) -> bool {
        self.covers(n) && self.held.whole.newest().is_none_or(|newest| n > newest)
    }
}

/// The newest segment that may be listed, `newest` being the newest finished one.
fn spans_end(spans: &[Span], newest: SegmentNumber) -> SegmentNumber {
    let from = (newest + 1).saturating_sub(PATIENCE_SEGMENTS);
    let awaited = (from..newest).find(|&n| spans.iter().any(|s| !s.has(n) && s.may_come(n)));
    awaited.map_or(newest, |n| n.saturating_sub(1))
}

impl TryFrom<Vec<Splice>> for Splices {
    type Error = SpliceError;

    fn try_from(entries: Vec<Splice>) -> Result<Self, SpliceError> {
        if entries.is_empty() {
            return Err(SpliceError::Empty);
        }
        if let Some(pair) = entries.windows(2).find(|pair| pair[0].from >= pair[1].from) {
            return Err(SpliceError::Disordered(pair[1].from));
        }
        let mut splices: Vec<Splice> = Vec::with_capacity(entries.len());
        for splice in entries {
            if splices.last().is_none_or(|last| last.mosaic != splice.mosaic) {
                splices.push(splice);
            }
        }
        Ok(Self { entries: splices })
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
