//! A cue: text that stands on the picture from one instant to another.

use std::sync::Arc;

use crate::timeline::MediaTime;

/// A part of a hundred, in hundredths: 0 to 10,000. Whole numbers, so that cues compare and their bytes are the same everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u16);

impl Percent {
    pub const WHOLE: Percent = Percent(10_000);

    /// `hundredths` of a percent; more than the whole is the whole.
    pub const fn new(hundredths: u16) -> Self {
        Self(if hundredths > 10_000 { 10_000 } else { hundredths })
    }

    /// The nearest one to `percent`, within 0 to 100. What is no number is 0.
    pub fn of(percent: f64) -> Self {
        // A float that does not fit saturates, and NaN is 0.
        Self::new((percent * 100.0).round().clamp(0.0, 10_000.0) as u16)
    }

    pub const fn hundredths(self) -> u16 {
        self.0
    }

    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

/// A colour of 8 bits each; `a` is 255 where nothing shines through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rgba {
    pub r: u8,
    pub g: u8,
    pub b: u8,
    pub a: u8,
}

impl Rgba {
    pub const fn opaque(r: u8, g: u8, b: u8) -> Self {
        Self { r, g, b, a: 255 }
    }
}

/// How a span looks. `None` is what the player does by itself: white on a dark ground.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Style {
    pub italic: bool,
    pub bold: bool,
    pub underline: bool,
    pub colour: Option<Rgba>,
    pub background: Option<Rgba>,
}

/// A run of text of one style.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    pub text: String,
    pub style: Style,
}

/// One line of a cue. No span is empty, and neighbours differ in style: see [`Line::push`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Line(Vec<Span>);

impl Line {
    /// A line in the plain style.
    pub fn plain(text: &str) -> Self {
        let mut line = Self::default();
        line.push(text, Style::default());
        line
    }

    /// Adds text; what has the style of the text before it joins that. A line is one line: breaks become spaces, other controls go.
    pub fn push(&mut self, text: &str, style: Style) {
        text.chars().for_each(|char| self.push_char(char, style));
    }

    /// As [`Line::push`].
    pub fn push_char(&mut self, char: char, style: Style) {
        let char = match char {
            '\n' | '\r' | '\t' | '\u{c}' => ' ',
            char if char.is_control() => return,
            char => char,
        };
        match self.0.last_mut() {
            Some(last) if last.style == style => last.text.push(char),
            _ => self.0.push(Span { text: char.into(), style }),
        }
    }

    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    /// Its characters, each with its style.
    pub fn chars(&self) -> impl Iterator<Item = (char, Style)> {
        self.0.iter().flat_map(|span| span.text.chars().map(|char| (char, span.style)))
    }

    pub fn text(&self) -> String {
        self.0.iter().map(|span| span.text.as_str()).collect()
    }

    /// Whether nothing of it is seen.
    pub fn is_blank(&self) -> bool {
        self.0.iter().all(|span| span.text.trim().is_empty())
    }

    /// Without white space at its ends, and with single spaces within where `collapse` says so.
    pub fn trimmed(&self, collapse: bool) -> Self {
        let mut out = Self::default();
        let mut spaces: Vec<(char, Style)> = Vec::new();
        for (char, style) in self.chars() {
            if char == ' ' {
                spaces.push((char, style));
                continue;
            }
            let keep = if out.0.is_empty() {
                0
            } else if collapse {
                1
            } else {
                spaces.len()
            };
            spaces.drain(..).take(keep).for_each(|(space, its)| out.push_char(space, its));
            out.push_char(char, style);
        }
        out
    }
}

/// Where the first line stands, measured along the lines' stacking (WebVTT, 3.1, "line").
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LinePosition {
    #[default]
    Auto,
    /// Lines from the top, or, below zero, from the bottom (-1 is the lowest).
    Row(i16),
    At(Percent),
}

/// Which edge of the cue's box [`LinePosition::At`] means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum LineAlign {
    #[default]
    Start,
    Center,
    End,
}

/// Which point of the cue's box its position means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum PositionAlign {
    #[default]
    Auto,
    LineLeft,
    Center,
    LineRight,
}

/// How lines stand in the cue's box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Align {
    Start,
    #[default]
    Center,
    End,
    Left,
    Right,
}

/// Which way lines run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Writing {
    #[default]
    Horizontal,
    /// Lines run downward, the next one to the left.
    VerticalRightToLeft,
    /// Lines run downward, the next one to the right.
    VerticalLeftToRight,
}

/// Where a cue stands on the picture. A region of the source (WebVTT, TTML) is resolved into it on reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Placement {
    pub line: LinePosition,
    pub line_align: LineAlign,
    pub position: Option<Percent>,
    pub position_align: PositionAlign,
    pub size: Percent,
    pub align: Align,
    pub writing: Writing,
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            line: LinePosition::default(),
            line_align: LineAlign::default(),
            position: None,
            position_align: PositionAlign::default(),
            size: Percent::WHOLE,
            align: Align::default(),
            writing: Writing::default(),
        }
    }
}

/// What a cue shows, and where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Text {
    pub placement: Placement,
    pub lines: Vec<Line>,
}

impl Text {
    /// At the player's own place.
    pub fn plain(text: &str) -> Self {
        Self { placement: Placement::default(), lines: text.lines().map(Line::plain).collect() }
    }

    /// Its lines, one under the other.
    pub fn text(&self) -> String {
        self.lines.iter().map(Line::text).collect::<Vec<_>>().join("\n")
    }

    pub fn is_blank(&self) -> bool {
        self.lines.iter().all(Line::is_blank)
    }
}

/// When a source tells a cue's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// With its beginning: the cue is the same in every segment that it stands in.
    Whole,
    /// When it is there. A segment tells as much of it as lies in that segment: its bytes must not depend on when they were made.
    AsItGoes,
}

/// Text on the picture from `start` to, but not at, `end`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cue {
    pub start: MediaTime,
    /// `None` while nobody knows it.
    pub end: Option<MediaTime>,
    pub told: Told,
    pub text: Text,
}

impl Cue {
    /// Whether it stands at some instant of `from..to`.
    pub fn stands_in(&self, from: MediaTime, to: MediaTime) -> bool {
        self.start < to && self.end.is_none_or(|end| end > from)
    }

    /// Its name in a segment's text. Made of where it begins and what it shows: the same on every node, in every segment, whether its end is
    /// known or not, without anybody counting.
    pub fn id(&self) -> String {
        let mut bytes = Vec::new();
        super::bytes::write_text(&mut bytes, &self.text);
        format!("{:x}-{:08x}", self.start.as_nanos() / 1_000_000, crc32fast::hash(&bytes))
    }
}

/// All that a service shows from an instant on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Screen {
    pub at: MediaTime,
    pub texts: Vec<Text>,
}

/// What a track of text is for: with `forced`, as `EXT-X-MEDIA` tells it (RFC 8216bis, 4.4.6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// What is said, for those who hear.
    Subtitles,
    /// What is heard, for those who do not.
    Captions,
    /// What must be read by everybody.
    Forced,
}

/// Which track of a game's text it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrackInfo {
    /// RFC 5646; `und` where nobody knows.
    pub language: String,
    pub kind: Kind,
}

/// A text of a game.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TextInfo {
    /// Its name among the game's texts: `en`, `es-2`, `und`. Small letters, digits and hyphens.
    pub id: Arc<str>,
    pub track: TrackInfo,
}
