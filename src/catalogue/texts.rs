//! The texts of a game: what its source writes, as tracks on the grid that lie on the shelf beside its sound.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::captions::cea::{self, Service};
use crate::captions::{Cue, Kind, Limits, Screen, TextBlock, TextInfo, TextTrack, Told, TrackInfo, teletext};
use crate::feed::{FeedTexts, TextOrigin, Written};
use crate::mosaic::GameKey;
use crate::timeline::{FrameNumber, Grid, MediaTime, PartNumber, SegmentNumber};
use crate::track::{Appended, Block, LayeredShelf, MemoryShelf, Position, Shelf, Track, TrackName};

/// Texts of one game.
const MOST_TEXTS: usize = 8;

/// Pages of teletext that are read in one run of a source.
const MOST_PAGES: usize = 32;

/// Whole cues of one text that stand at one time: each is written into every segment that it stands in, and placed beside the others.
const MOST_AT_ONCE: usize = 64;

/// Pairs of services: line 21 has four channels, and what comes twice, as CC1 and as SERVICE1, is one text.
const PAIRS: usize = 4;

/// Whose text it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Origin {
    Captions(usize),
    Told(Arc<TextOrigin>),
}

struct Kept {
    info: TextInfo,
    /// `None` from one run of a source to the next: whatever is of the same language goes on with it.
    origin: Option<Origin>,
    text: TextTrack,
    track: Arc<Track>,
}

/// See the module.
pub(super) struct GameTexts {
    key: GameKey,
    grid: Grid,
    shelf: Arc<MemoryShelf>,
    run: u64,
    captions: cea::Decoder,
    /// Of each pair of services, whether DTVCC has shown something: it is the same text, with more to it.
    digital: [bool; PAIRS],
    pages: HashMap<Arc<TextOrigin>, teletext::Decoder>,
    texts: Vec<Kept>,
    /// The part that is to be put down next.
    next: Option<Position>,
}

/// What a source's tables say of its captions.
pub(super) type Languages<'a> = &'a dyn Fn(Service) -> Option<String>;

impl GameTexts {
    pub fn new(key: GameKey, grid: Grid, shelf: Arc<MemoryShelf>) -> Self {
        Self {
            key,
            grid,
            shelf,
            run: 0,
            captions: cea::Decoder::new(cea::Growth::default(), cea::Aspect::default()),
            digital: [false; PAIRS],
            pages: HashMap::new(),
            texts: Vec::new(),
            next: None,
        }
    }

    /// Those that their source lists, and others that have shown something.
    pub fn infos(&self) -> Vec<TextInfo> {
        self.texts.iter().map(|kept| kept.info.clone()).collect()
    }

    /// Takes in what was written with the picture of `frame`, and puts down the part that ends with it. `shows` is false where the source's picture
    /// is not shown: its text is not, either.
    pub fn tick(&mut self, frame: FrameNumber, texts: FeedTexts, shows: bool, languages: Languages<'_>) {
        let at = self.grid.frame_time(frame);
        self.catch_up(frame);
        if texts.run != self.run || !shows {
            self.begin_anew(at, texts.run);
        }
        // Players read once which texts there are: what a source lists is there before it says anything.
        for origin in texts.listed {
            let track = origin.track.clone();
            self.kept(Origin::Told(origin), &track);
        }
        for (due, written) in texts.written.into_iter().filter(|_| shows) {
            self.take(at, due, written, languages);
        }
        if shows {
            let changes = self.captions.push(at, &[]);
            self.show(changes, languages);
        }
        if self.part_of(frame + 1) != self.part_of(frame) {
            self.put_down(self.part_of(frame));
        }
    }

    fn part_of(&self, frame: FrameNumber) -> Position {
        let segment = self.grid.segment_of(frame);
        let within = frame - self.grid.first_frame(segment);
        // Fewer than a segment has frames.
        Position::new(segment, (within / u64::from(self.grid.part_frames())) as u32)
    }

    /// Puts down what ended while nobody ticked. After a long while what was is left as it is.
    fn catch_up(&mut self, frame: FrameNumber) {
        let now = self.part_of(frame);
        let next = *self.next.get_or_insert(now);
        if next.segment + 1 < now.segment {
            self.next = Some(now);
            return;
        }
        while self.next.is_some_and(|next| next < now) {
            self.put_down(self.next.unwrap_or(now));
        }
    }

    fn begin_anew(&mut self, at: MediaTime, run: u64) {
        if self.run != run {
            self.run = run;
            self.texts.iter_mut().for_each(|kept| kept.origin = None);
        }
        self.captions.reset(at);
        self.pages.clear();
        self.digital = [false; PAIRS];
        self.texts.iter_mut().for_each(|kept| kept.text.end_all(at));
    }

    fn take(&mut self, at: MediaTime, due: MediaTime, written: Written, languages: Languages<'_>) {
        match written {
            Written::Captions(data) => {
                let changes = self.captions.push(at, &data);
                self.show(changes, languages);
            }
            Written::Teletext { origin, page, data } => {
                if self.pages.len() >= MOST_PAGES && !self.pages.contains_key(&origin) {
                    return;
                }
                let decoder = self.pages.entry(origin.clone()).or_insert_with(|| teletext::Decoder::new(page));
                if let Some(screen) = decoder.push(at, &data) {
                    self.show_one(Origin::Told(origin.clone()), origin.track.clone(), &screen);
                }
            }
            Written::Cue { origin, text, until } => {
                // On the frame with which it shows.
                let start = self.grid.frame_time(self.grid.frame_at(due + self.grid.frame_duration() / 2));
                let cue = Cue { start, end: Some(until), told: Told::Whole, text };
                if let Some(kept) = self.kept(Origin::Told(origin.clone()), &origin.track) {
                    // Playlists repeat a cue in every segment that it stands in.
                    let is_there = kept.text.cues_in(start, until).any(|other| other.text == cue.text);
                    let beside = kept.text.cues_in(start, start + Duration::from_nanos(1)).count();
                    if !is_there && beside < MOST_AT_ONCE {
                        kept.text.push(cue);
                    }
                }
            }
        }
    }

    fn show(&mut self, changes: Vec<cea::Change>, languages: Languages<'_>) {
        for cea::Change { service, screen } in changes {
            let (pair, is_digital) = match service {
                // The second language of line 21 is mostly its third channel, that of DTVCC the second service.
                Service::Line21(channel) => ([0, 2, 1, 3].get(usize::from(channel).wrapping_sub(1)).copied(), false),
                Service::Dtvcc(number) => (Some(usize::from(number).wrapping_sub(1)), true),
            };
            let Some(pair) = pair.filter(|pair| *pair < PAIRS) else { continue };
            if is_digital && !self.digital[pair] && !screen.texts.is_empty() {
                self.digital[pair] = true;
            } else if is_digital != self.digital[pair] {
                continue;
            }
            let told = languages(service).or_else(|| languages(Service::Dtvcc(pair as u8 + 1)));
            let language = told.unwrap_or_else(|| "und".into());
            self.show_one(Origin::Captions(pair), TrackInfo { language, kind: Kind::Captions }, &screen);
        }
    }

    fn show_one(&mut self, origin: Origin, track: TrackInfo, screen: &Screen) {
        let is_known = self.texts.iter().any(|kept| kept.origin.as_ref() == Some(&origin));
        // Of captions and pages, one is there once it has shown something: tables announce many that never do.
        if (is_known || !screen.texts.is_empty())
            && let Some(kept) = self.kept(origin, &track)
        {
            kept.text.show(screen);
        }
    }

    /// The text of `origin`; `None` where there are too many.
    fn kept(&mut self, origin: Origin, track: &TrackInfo) -> Option<&mut Kept> {
        let same = self.texts.iter().position(|kept| kept.origin.as_ref() == Some(&origin));
        let free = || self.texts.iter().position(|kept| kept.origin.is_none() && kept.info.track == *track);
        if let Some(at) = same.or_else(free) {
            let kept = self.texts.get_mut(at)?;
            kept.origin = Some(origin);
            return Some(kept);
        }
        if self.texts.len() >= MOST_TEXTS {
            return None;
        }
        let id = self.free_id(track);
        let name = TrackName::Text { game: self.key.clone(), text: id.clone() };
        self.texts.push(Kept {
            info: TextInfo { id, track: track.clone() },
            origin: Some(origin),
            text: TextTrack::new(track.clone(), Limits::default()),
            track: self.shelf.track(&name),
        });
        self.texts.last_mut()
    }

    fn free_id(&self, track: &TrackInfo) -> Arc<str> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let language: String = track.language.chars().filter(|c| is_plain(*c)).take(16).collect();
        let language = if language.is_empty() { "und".to_owned() } else { language.to_ascii_lowercase() };
        let forced = if track.kind == Kind::Forced { "-forced" } else { "" };
        let named = |n: usize| if n == 1 { format!("{language}{forced}") } else { format!("{language}{forced}-{n}") };
        let is_free = |id: &String| self.texts.iter().all(|kept| *kept.info.id != **id);
        // More than there are texts.
        (1..=MOST_TEXTS + 1).map(named).find(is_free).unwrap_or(language).into()
    }

    fn put_down(&mut self, at: Position) {
        let grid = self.grid;
        let (from, to) = (part_begins(&grid, at), part_begins(&grid, at.next(&grid)));
        for kept in &mut self.texts {
            let block = Block::Text(Arc::new(kept.text.block(from, to)));
            if kept.track.append(at, block.clone()) == Appended::Refused {
                // It begins within a segment: what came before is empty.
                for part in 0..at.part {
                    kept.track.append(Position::new(at.segment, part), Block::Text(Arc::new(TextBlock::default())));
                }
                kept.track.append(at, block);
            }
            kept.text.forget(from);
        }
        self.next = Some(at.next(&grid));
    }
}

/// Segments before the wanted one that are read with it: what stood there when a cue came has a say in where that stands. As many as are there whenever a segment
/// is asked for, so that it is always the same: a window has three at least, and the shelf twice as many.
const LOOK_BACK_SEGMENTS: u64 = 3;

/// A text as it lies on `shelf`, up to the end of a segment, or of its part `part`.
pub(super) async fn read_back(
    shelf: &LayeredShelf,
    grid: &Grid,
    name: &TrackName,
    segment: SegmentNumber,
    part: Option<PartNumber>,
) -> TextTrack {
    // What a text is called does not stand in its segments.
    let mut text = TextTrack::new(TrackInfo { language: String::new(), kind: Kind::Subtitles }, Limits::default());
    for n in segment.saturating_sub(LOOK_BACK_SEGMENTS)..=segment {
        let last = part.filter(|_| n == segment).unwrap_or(grid.parts() - 1);
        let mut blocks = Vec::new();
        match shelf.segment(name, n).await {
            Some(whole) => blocks = whole,
            None => {
                for part in 0..=last {
                    blocks.extend(shelf.get(name, Position::new(n, part)).await);
                }
            }
        }
        for (part, block) in (0..=last).zip(&blocks) {
            if let Block::Text(block) = block {
                text.take_block(part_begins(grid, Position::new(n, part)), block);
            }
        }
    }
    text
}

fn part_begins(grid: &Grid, at: Position) -> MediaTime {
    grid.frame_time(grid.first_frame(at.segment) + u64::from(at.part) * u64::from(grid.part_frames()))
}

#[cfg(test)]
#[path = "texts_tests.rs"]
mod tests;
