//! What a source writes beside its pictures, until the feed's owner takes it with the picture that it belongs to.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::cadence::SourceNanos;
use crate::captions::{Text, TrackInfo};
use crate::timeline::MediaTime;

/// Writings that wait for their picture: a minute of caption data at 60 pictures a second. The oldest goes first.
const MOST: usize = 3600;

/// A text of a source, as far as it tells its own apart: a page of teletext, a rendition of a playlist.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TextOrigin {
    pub track: TrackInfo,
    /// What tells it from others of the same language and kind.
    pub name: Arc<str>,
}

/// Something written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// The `cc_data()` of a picture (ATSC A/53 part 4, 6.2.3.1).
    Captions(Vec<u8>),
    /// Data of a page of teletext (ETSI EN 300 472), and which page.
    Teletext { origin: Arc<TextOrigin>, page: u16, data: Vec<u8> },
    /// A whole cue.
    Cue { origin: Arc<TextOrigin>, text: Text, until: MediaTime },
}

/// What waits to be written.
#[derive(Clone, Debug)]
pub(super) enum Writing {
    Captions(Vec<u8>),
    Teletext { origin: Arc<TextOrigin>, page: u16, data: Vec<u8> },
    Cue { origin: Arc<TextOrigin>, text: Text, until: SourceNanos },
}

/// What was written with the pictures up to one, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FeedTexts {
    /// Another number is another run of a source: nothing of the one before goes on.
    pub run: u64,
    /// What the source lists, told once: there before anything is written in it.
    pub listed: Vec<Arc<TextOrigin>>,
    /// When each shows. A cue that is late has begun before.
    pub written: Vec<(MediaTime, Written)>,
}

#[derive(Default)]
pub(super) struct Texts {
    run: u64,
    listed: Vec<Arc<TextOrigin>>,
    /// In the order of the source's time.
    waiting: VecDeque<(SourceNanos, Writing)>,
}

impl Texts {
    /// Another run begins.
    pub fn restart(&mut self) {
        self.run += 1;
        self.waiting.clear();
        self.listed.clear();
    }

    /// What the run that began lists of texts.
    pub fn list(&mut self, texts: Vec<Arc<TextOrigin>>) {
        self.listed = texts;
    }

    pub fn push(&mut self, at: SourceNanos, writing: Writing) {
        if self.waiting.len() == MOST {
            self.waiting.pop_front();
        }
        let after = self.waiting.partition_point(|(other, _)| *other <= at);
        self.waiting.insert(after, (at, writing));
    }

    /// What belongs to pictures up to source time `until`. `due` says when a source time shows.
    pub fn take(&mut self, until: SourceNanos, due: impl Fn(SourceNanos) -> Option<MediaTime>) -> FeedTexts {
        let count = self.waiting.partition_point(|(at, _)| *at <= until);
        let placed = |(at, writing): (SourceNanos, Writing)| {
            let written = match writing {
                Writing::Captions(data) => Written::Captions(data),
                Writing::Teletext { origin, page, data } => Written::Teletext { origin, page, data },
                Writing::Cue { origin, text, until } => Written::Cue { origin, text, until: due(until)? },
            };
            Some((due(at)?, written))
        };
        let written = self.waiting.drain(..count).filter_map(placed).collect();
        FeedTexts { run: self.run, listed: std::mem::take(&mut self.listed), written }
    }

    /// Before there is a picture: what is listed.
    pub fn take_listed(&mut self) -> FeedTexts {
        FeedTexts { run: self.run, listed: std::mem::take(&mut self.listed), written: Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_is_told_once_and_before_a_picture() {
        let mut texts = Texts::default();
        let track = TrackInfo { language: "en".into(), kind: crate::captions::Kind::Subtitles };
        let origin = Arc::new(TextOrigin { track, name: "English".into() });
        texts.list(vec![Arc::clone(&origin)]);
        assert_eq!(texts.take_listed().listed, [Arc::clone(&origin)]);
        assert_eq!(texts.take_listed().listed, []);
        texts.list(vec![Arc::clone(&origin)]);
        assert_eq!(texts.take(0, |_| None).listed, [Arc::clone(&origin)]);
        texts.list(vec![origin]);
        texts.restart();
        assert_eq!(texts.take_listed().listed, []);
    }

    #[test]
    fn what_is_written_waits_for_its_picture() {
        let mut texts = Texts::default();
        // In the order of coding.
        for (at, byte) in [(0, 0), (90, 3), (30, 1), (60, 2)] {
            texts.push(at, Writing::Captions(vec![byte]));
        }
        let due = |at: SourceNanos| u64::try_from(1000 + at).ok().map(MediaTime::from_nanos);
        let written = |texts: FeedTexts| {
            texts.written.into_iter().map(|(at, written)| (at.as_nanos(), written)).collect::<Vec<_>>()
        };
        let captions = |byte| Written::Captions(vec![byte]);
        assert_eq!(written(texts.take(-1, due)), []);
        assert_eq!(written(texts.take(65, due)), [(1000, captions(0)), (1030, captions(1)), (1060, captions(2))]);
        let before = texts.take_listed().run;
        texts.restart();
        assert_eq!((texts.take(1000, due).written, texts.take_listed().run), (Vec::new(), before + 1));
        (0..MOST as i64 + 7).for_each(|at| texts.push(at, Writing::Captions(Vec::new())));
        assert_eq!(texts.take(i64::MAX, due).written.len(), MOST);
    }
}
