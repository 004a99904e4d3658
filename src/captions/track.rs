//! The text of a game in one language, on the grid.

use std::collections::VecDeque;
use std::time::Duration;

use super::webvtt::{SegmentForm, write_segment};
use super::{Cue, Screen, Text, TextBlock, Told, TrackInfo};
use crate::timeline::MediaTime;

/// How much of its text a track keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Cues; past it the oldest that have ended go.
    pub cues: usize,
    /// Of one text; a longer one is not taken.
    pub text_bytes: usize,
    /// Likewise. An empty line has no bytes, and is written all the same.
    pub lines: usize,
    /// Texts at once: of a screen the first so many are taken.
    pub at_once: usize,
}

impl Default for Limits {
    /// An hour of a cue a second; a screen full of characters of four bytes; more lines than any screen has; the windows of a service
    /// (CTA-708-E, 8.4: eight).
    fn default() -> Self {
        Self { cues: 4096, text_bytes: 15 * 42 * 4, lines: 64, at_once: 16 }
    }
}

/// The cues of a game in one language. Bounded: see [`Limits`].
#[derive(Clone, Debug)]
pub struct TextTrack {
    info: TrackInfo,
    limits: Limits,
    /// In order of their beginning, then of their coming.
    cues: VecDeque<Cue>,
    /// What a screen showed last stands until this is later.
    shown_at: MediaTime,
}

impl TextTrack {
    pub fn new(info: TrackInfo, limits: Limits) -> Self {
        Self { info, limits, cues: VecDeque::new(), shown_at: MediaTime::ZERO }
    }

    pub fn info(&self) -> &TrackInfo {
        &self.info
    }

    pub fn len(&self) -> usize {
        self.cues.len()
    }

    pub fn is_empty(&self) -> bool {
        self.cues.is_empty()
    }

    /// Takes in a cue that a source told whole. One that is here already, as it came in the segment before, is the same cue; where the two
    /// disagree about the end, the later word counts. Gives whether anything is new.
    pub fn push(&mut self, cue: Cue) -> bool {
        let bytes: usize = cue.text.lines.iter().flat_map(|line| line.spans()).map(|span| span.text.len()).sum();
        let fits = bytes <= self.limits.text_bytes && cue.text.lines.len() <= self.limits.lines;
        if !fits || cue.text.is_blank() || cue.end.is_some_and(|end| end <= cue.start) {
            return false;
        }
        let after = self.cues.partition_point(|other| other.start <= cue.start);
        let same = self.cues.range_mut(..after).rev().take_while(|other| other.start == cue.start);
        if let Some(same) = same.into_iter().find(|other| other.text == cue.text && other.told == cue.told) {
            let news = cue.end.is_some() && same.end != cue.end;
            if news {
                same.end = cue.end;
            }
            return news;
        }
        self.cues.insert(after, cue);
        self.make_room();
        true
    }

    /// Takes in what a service shows from now on: cues that are no longer there end, those that stay go on, others begin. What was there for no
    /// time at all never was. Screens come in order of time; one from before the last is taken as if it came with that.
    pub fn show(&mut self, screen: &Screen) {
        let at = screen.at.max(self.shown_at);
        self.shown_at = at;
        let texts = &screen.texts[..screen.texts.len().min(self.limits.at_once)];
        let mut new: Vec<&Text> = texts.iter().collect();
        for cue in self.cues.iter_mut().filter(|cue| cue.told == Told::AsItGoes && cue.end.is_none()) {
            match new.iter().position(|text| **text == cue.text) {
                Some(stays) => drop(new.remove(stays)),
                None => cue.end = Some(at),
            }
        }
        self.cues.retain(|cue| cue.end.is_none_or(|end| end > cue.start));
        for text in new {
            self.push(Cue { start: at, end: None, told: Told::AsItGoes, text: text.clone() });
        }
    }

    /// Takes in the next block of a shelf, whose part begins at `from`: the other way of [`TextTrack::block`]. A cue that would stand and is not in it
    /// ended with the part before. Blocks come in order and without holes; over a hole what was open ends where the next one begins.
    pub fn take_block(&mut self, from: MediaTime, block: &TextBlock) {
        let goes_on = |cue: &Cue| block.cues.iter().any(|its| its.start == cue.start && its.text == cue.text);
        let stands = self.cues.iter_mut().filter(|cue| cue.start < from && cue.end.is_none_or(|end| end > from));
        stands.filter(|cue| !goes_on(cue)).for_each(|cue| cue.end = Some(from));
        for cue in &block.cues {
            self.push(cue.clone());
        }
    }

    /// Ends whatever stands: the source is gone, or another one speaks from now on.
    pub fn end_all(&mut self, at: MediaTime) {
        self.show(&Screen { at, texts: Vec::new() });
        for cue in self.cues.iter_mut().filter(|cue| cue.end.is_none_or(|end| end > at)) {
            cue.end = Some(at.max(cue.start + Duration::from_nanos(1)));
        }
    }

    /// Forgets what ended at `before` or earlier.
    pub fn forget(&mut self, before: MediaTime) {
        self.cues.retain(|cue| cue.end.is_none_or(|end| end > before));
    }

    /// Over the bound the oldest cue that has ended goes, and if none has, the oldest.
    fn make_room(&mut self) {
        while self.cues.len() > self.limits.cues.max(1) {
            let ended = self.cues.iter().position(|cue| cue.end.is_some()).unwrap_or(0);
            self.cues.remove(ended);
        }
    }

    /// The cues that stand at some instant of `from..to`, in order of their beginning.
    pub fn cues_in(&self, from: MediaTime, to: MediaTime) -> impl Iterator<Item = &Cue> {
        self.cues.iter().take_while(move |cue| cue.start < to).filter(move |cue| cue.stands_in(from, to))
    }

    /// What a segment or part `from..to` tells of the track's cues. Once its time is past it is the same for ever: see [`Told::AsItGoes`].
    pub fn told_in(&self, from: MediaTime, to: MediaTime) -> Vec<Piece> {
        self.cues_in(from, to).filter_map(|cue| Piece::of(cue, from, to)).collect()
    }

    /// The text of segment or part `from..to`.
    pub fn segment_text(&self, from: MediaTime, to: MediaTime, form: &SegmentForm) -> String {
        write_segment(from, form, &self.told_in(from, to))
    }

    /// The track's units of `from..to`, to be put on a shelf.
    pub fn block(&self, from: MediaTime, to: MediaTime) -> TextBlock {
        let mut cues: Vec<Cue> = self.cues_in(from, to).cloned().collect();
        // What happened at `to` or after it is not of this block: it is the same whenever it is asked for.
        for cue in cues.iter_mut().filter(|cue| cue.told == Told::AsItGoes && cue.end.is_some_and(|end| end >= to)) {
            cue.end = None;
        }
        TextBlock { cues }
    }
}

/// What one segment tells of a cue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    pub id: String,
    pub start: MediaTime,
    pub end: MediaTime,
    pub text: Text,
}

impl Piece {
    /// `None` where the cue does not stand in `from..to`.
    ///
    /// A cue told whole is repeated in every segment it stands in, with the same times (RFC 8216bis, 3.1.4). Of a cue that was told as it went
    /// each segment has the piece within it, under the cue's name: pieces meet at the boundary, so no player shows two of them at once, and the
    /// segment's bytes are the same before and after the end was known.
    pub fn of(cue: &Cue, from: MediaTime, to: MediaTime) -> Option<Self> {
        if !cue.stands_in(from, to) {
            return None;
        }
        let (start, end) = match (cue.told, cue.end) {
            (Told::Whole, Some(end)) => (cue.start, end),
            (Told::Whole, None) | (Told::AsItGoes, _) => (cue.start.max(from), cue.end.unwrap_or(to).min(to)),
        };
        Some(Self { id: cue.id(), start, end, text: cue.text.clone() })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::captions::webvtt::tests::track;

    proptest! {
        /// A machine that has a track's blocks alone tells the same of it.
        #[test]
        fn a_track_is_made_again_of_its_blocks(screens in prop::collection::vec((0u64..900, prop::collection::vec("[a-c]", 0..3)), 0..20), part_ms in 100u64..2000) {
            let mut told = track();
            let mut now = 0;
            for (later_ms, texts) in screens {
                now += later_ms;
                let texts = texts.iter().map(|text| Text::plain(text)).collect();
                told.show(&Screen { at: MediaTime::from_millis(now), texts });
            }
            let mut again = track();
            let ms = MediaTime::from_millis;
            for part in 0..=now / part_ms {
                let block = TextBlock::from_bytes(&told.block(ms(part * part_ms), ms((part + 1) * part_ms)).to_bytes()).unwrap();
                again.take_block(ms(part * part_ms), &block);
            }
            let form = SegmentForm::default();
            for segment in 0..=now / (4 * part_ms) {
                let (from, to) = (ms(segment * 4 * part_ms), ms(((segment + 1) * 4 * part_ms).min((now / part_ms + 1) * part_ms)));
                prop_assert_eq!(again.segment_text(from, to, &form), told.segment_text(from, to, &form));
            }
        }
    }

    const fn at(secs: u64) -> MediaTime {
        MediaTime::from_secs(secs)
    }

    fn screen(secs: u64, texts: &[&str]) -> Screen {
        Screen { at: at(secs), texts: texts.iter().map(|text| Text::plain(text)).collect() }
    }

    fn whole(start: u64, end: Option<u64>, text: &str) -> Cue {
        Cue { start: at(start), end: end.map(at), told: Told::Whole, text: Text::plain(text) }
    }

    fn all(track: &TextTrack) -> Vec<(MediaTime, Option<MediaTime>, String)> {
        track
            .cues_in(MediaTime::ZERO, MediaTime::from_nanos(u64::MAX))
            .map(|cue| (cue.start, cue.end, cue.text.text()))
            .collect()
    }

    #[test]
    fn what_stays_on_the_screen_is_one_cue() {
        let mut track = track();
        track.show(&screen(1, &["a"]));
        track.show(&screen(2, &["a", "b"]));
        track.show(&screen(3, &["b", "c", "c"]));
        // At once replaced: it never was.
        track.show(&screen(4, &["flash"]));
        track.show(&screen(4, &["d", " "]));
        // From before the last: as if it came with that.
        track.show(&screen(2, &[]));
        let cue = |start: u64, end: u64, text: &str| (at(start), Some(at(end)), text.to_owned());
        assert_eq!(all(&track), [cue(1, 3, "a"), cue(2, 4, "b"), cue(3, 4, "c")]);
        assert!(track.cues_in(at(1), at(2)).count() == 1 && track.cues_in(at(3), at(4)).count() == 2);
    }

    #[test]
    fn a_cue_that_comes_again_is_the_same() {
        let mut track = track();
        assert!(track.push(whole(1, None, "a")));
        assert!(!track.push(whole(1, None, "a")));
        assert!(track.push(whole(1, Some(5), "a")));
        assert!(!track.push(whole(1, Some(5), "a")) && !track.push(whole(1, None, "a")));
        assert!(track.push(whole(1, Some(5), "b")));
        assert!(!track.push(whole(5, Some(5), "empty time")) && !track.push(whole(5, Some(6), " \n ")));
        assert!(!track.push(whole(5, Some(6), &"long".repeat(2000))));
        assert_eq!(track.len(), 2);
        track.push(whole(2, None, "open"));
        track.end_all(at(7));
        assert_eq!(all(&track)[2], (at(2), Some(at(7)), "open".to_owned()));
        track.forget(at(5));
        assert_eq!(track.len(), 1);
    }

    #[test]
    fn a_track_is_bounded() {
        let info = track().info().clone();
        let mut track = TextTrack::new(info, Limits { cues: 3, at_once: 2, ..Limits::default() });
        track.push(whole(1, None, "open"));
        (2..9).for_each(|n| assert!(track.push(whole(n, Some(n + 1), "x"))));
        assert_eq!(all(&track).iter().map(|(start, ..)| *start).collect::<Vec<_>>(), [at(1), at(7), at(8)]);
        track.show(&screen(20, &["a", "b", "c"]));
        assert_eq!(all(&track).iter().map(|(.., text)| text.as_str()).collect::<Vec<_>>(), ["open", "a", "b"]);
        assert_eq!(track.len(), 3);
    }

    #[test]
    fn a_cue_told_whole_is_the_same_in_every_segment() {
        let mut track = track();
        track.push(whole(3, Some(9), "a"));
        for from in [2, 4, 6, 8] {
            let pieces = track.told_in(at(from), at(from + 2));
            assert_eq!((pieces[0].start, pieces[0].end, pieces.len()), (at(3), at(9), 1));
        }
        assert!(track.told_in(at(0), at(3)).is_empty() && track.told_in(at(9), at(11)).is_empty());
        let block = track.block(at(4), at(6));
        assert_eq!(TextBlock::from_bytes(&block.to_bytes()), Ok(block));
    }
}
