//! CTA-608-E: a field of line 21 with its two channels.

use std::time::Duration;

use cea608_types::tables::{Channel as Number, Code, Color, Control, MidRow, PreambleAddressCode, PreambleType};

use super::{Effect, Service};
use crate::captions::block::{Geometry, SAFE, texts};
use crate::captions::memory::{Cell, Memory};
use crate::captions::{Rgba, Style, Text};
use crate::timeline::MediaTime;

/// Rows and columns of the screen (CTA-608-E).
const ROWS: usize = 15;
const COLUMNS: usize = 32;

const GEOMETRY: Geometry = Geometry {
    left: SAFE,
    top: SAFE,
    column: (100.0 - 2.0 * SAFE) / COLUMNS as f64,
    row: (100.0 - 2.0 * SAFE) / ROWS as f64,
    gap: 1,
    justify: None,
};

/// What a channel's text does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Nothing said so yet, or text that is none of captions (text mode): it is not shown.
    None,
    PopOn,
    RollUp(usize),
    PaintOn,
}

/// A field: pairs of bytes, one a frame.
#[derive(Debug)]
pub(super) struct Field {
    second: bool,
    channels: [Channel; 2],
    /// Whose text comes: the one that the last control code was for.
    current: Option<usize>,
    /// The control code that came last, if the pair before this one was one: its double is no second one.
    doubled: Option<[u8; 2]>,
    /// Within a packet of XDS (field 2 alone; CTA-608-E).
    xds: bool,
    heard: MediaTime,
}

impl Field {
    pub fn new(second: bool) -> Self {
        let channels = [Channel::new(), Channel::new()];
        Self { second, channels, current: None, doubled: None, xds: false, heard: MediaTime::ZERO }
    }

    /// Takes in a pair, with parity.
    pub fn push(&mut self, now: MediaTime, pair: [u8; 2]) {
        let good = pair.map(|byte| byte.count_ones() % 2 == 1);
        let bare = pair.map(|byte| byte & 0x7f);
        let control = matches!(bare[0], 0x10..=0x1f);
        // A control code with a wrong bit is not obeyed, and its double stands for it (CTA-608-E).
        if control && good != [true, true] {
            self.doubled = None;
            return;
        }
        if good.contains(&true) {
            self.heard = now;
        }
        if control {
            if self.doubled.take() == Some(pair) {
                return;
            }
            self.doubled = Some(pair);
            self.xds = false;
            self.control(pair);
            return;
        }
        self.doubled = None;
        if self.second && good[0] && matches!(bare[0], 0x01..=0x0f) {
            // 0x0f closes the packet, all others begin or continue one.
            self.xds = bare[0] != 0x0f;
            return;
        }
        if !self.xds {
            self.text(pair, good);
        }
    }

    fn text(&mut self, pair: [u8; 2], good: [bool; 2]) {
        let Some(channel) = self.current.and_then(|current| self.channels.get_mut(current)) else { return };
        for (byte, good) in pair.into_iter().zip(good) {
            // What came damaged is shown as a full block (CTA-608-E), which has the code 0x7f, and right parity.
            let byte = if good { byte } else { 0x7f };
            if byte & 0x7f < 0x20 {
                continue;
            }
            let char = Code::from_data([byte, 0x80]).ok().and_then(|[code, _]| code.char());
            if let Some(char) = char {
                channel.char(char);
            }
        }
    }

    fn control(&mut self, pair: [u8; 2]) {
        let Ok([Code::Control(code), _]) = Code::from_data(pair) else { return };
        let current = usize::from(code.channel() == Number::TWO);
        self.current = Some(current);
        let channel = &mut self.channels[current];
        match code.code() {
            Control::ResumeCaptionLoading => channel.mode = Mode::PopOn,
            Control::ResumeDirectionCaptioning => channel.mode = Mode::PaintOn,
            Control::RollUp2 => channel.roll_up(2),
            Control::RollUp3 => channel.roll_up(3),
            Control::RollUp4 => channel.roll_up(4),
            Control::TextRestart | Control::ResumeTextDisplay => channel.mode = Mode::None,
            Control::EraseDisplayedMemory => channel.erase_shown(),
            Control::EraseNonDisplayedMemory => channel.hidden.clear(),
            Control::EndOfCaption => channel.end_of_caption(),
            Control::CarriageReturn => channel.carriage_return(),
            Control::Backspace => channel.backspace(),
            Control::DeleteToEndOfRow => channel.delete_to_end(),
            Control::TabOffset1 => channel.tab(1),
            Control::TabOffset2 => channel.tab(2),
            Control::TabOffset3 => channel.tab(3),
            Control::PreambleAddress(preamble) => channel.preamble(preamble),
            Control::MidRow(change) => channel.mid_row(change),
            // It takes a cell; that what follows blinks is not told: no text format of HLS knows it.
            Control::FlashOn => channel.char(' '),
            Control::AlarmOn | Control::AlarmOff => {}
            Control::TransparentSpace => channel.put(None),
            Control::Unknown([first, second]) => channel.optional(first & !0x08, second),
            _ => {
                let Some(char) = Code::Control(code).char() else { return };
                // Extended characters come after one of the basic set that stands for them where they are not known (CTA-608-E, 6.4.2).
                if Code::Control(code).needs_backspace() {
                    channel.backspace();
                }
                channel.char(char);
            }
        }
    }

    /// Erases what a silent field shows.
    pub fn tick(&mut self, now: MediaTime, silence: Duration) {
        if now.since(self.heard) >= silence {
            self.channels.iter_mut().for_each(Channel::erase_shown);
        }
    }

    /// What has happened to the screens since the last call. The field's channels are numbered from `first`.
    pub fn effects(&mut self, first: u8) -> Vec<(Service, Effect)> {
        let numbered = self.channels.iter_mut().zip(first..);
        let effects = numbered.map(|(channel, number)| (Service::Line21(number), std::mem::take(&mut channel.effect)));
        effects.filter(|(_, effect)| *effect != Effect::None).collect()
    }

    /// What channel 0 or 1 of the field shows.
    pub fn shown(&self, channel: u8) -> Vec<Text> {
        self.channels.get(usize::from(channel)).map(|channel| texts(&channel.shown, &GEOMETRY)).unwrap_or_default()
    }
}

#[derive(Debug)]
struct Channel {
    mode: Mode,
    shown: Memory,
    hidden: Memory,
    row: usize,
    /// `COLUMNS` after a character in the last one, where the next takes its place (CTA-608-E).
    column: usize,
    /// The lowest row of a roll-up.
    base: usize,
    pen: Style,
    effect: Effect,
}

impl Channel {
    fn new() -> Self {
        let memory = Memory::new(ROWS, COLUMNS);
        let base = ROWS - 1;
        let pen = Style::default();
        Self {
            mode: Mode::None,
            shown: memory.clone(),
            hidden: memory,
            row: base,
            column: 0,
            base,
            pen,
            effect: Effect::None,
        }
    }

    fn did(&mut self, effect: Effect) {
        self.effect = self.effect.max(effect);
    }

    fn target(&mut self) -> Option<&mut Memory> {
        match self.mode {
            Mode::None => None,
            Mode::PopOn => Some(&mut self.hidden),
            Mode::RollUp(_) | Mode::PaintOn => Some(&mut self.shown),
        }
    }

    /// Something came to the memory that text goes to.
    fn wrote(&mut self) {
        if matches!(self.mode, Mode::RollUp(_) | Mode::PaintOn) {
            self.did(Effect::Grew);
        }
    }

    fn char(&mut self, char: char) {
        self.put(Some(Cell { char, style: self.pen }));
    }

    fn put(&mut self, cell: Option<Cell>) {
        let (row, column) = (self.row, self.column.min(COLUMNS - 1));
        let Some(memory) = self.target() else { return };
        memory.put(row, column, cell);
        self.column = column + 1;
        self.wrote();
    }

    fn backspace(&mut self) {
        let (row, Some(column)) = (self.row, self.column.checked_sub(1)) else { return };
        let Some(memory) = self.target() else { return };
        memory.put(row, column, None);
        self.column = column;
        self.wrote();
    }

    fn delete_to_end(&mut self) {
        let (row, column) = (self.row, self.column.min(COLUMNS - 1));
        let Some(memory) = self.target() else { return };
        memory.clear_row(row, column);
        self.wrote();
    }

    fn tab(&mut self, columns: usize) {
        self.column = (self.column + columns).min(COLUMNS - 1);
    }

    fn erase_shown(&mut self) {
        if !self.shown.is_empty() {
            self.shown.clear();
            self.did(Effect::Changed);
        }
    }

    fn end_of_caption(&mut self) {
        std::mem::swap(&mut self.shown, &mut self.hidden);
        self.mode = Mode::PopOn;
        self.did(Effect::Changed);
    }

    /// CTA-608-E: from another way of captioning both memories are erased, and the base is the lowest row.
    fn roll_up(&mut self, rows: usize) {
        if matches!(self.mode, Mode::RollUp(_)) {
            // Fewer rows than before: those above go.
            if self.base + 1 > rows {
                self.shown.move_rows(self.base + 1 - rows, self.base, self.base);
                self.did(Effect::Changed);
            }
        } else {
            self.erase_shown();
            self.hidden.clear();
            self.base = ROWS - 1;
        }
        self.mode = Mode::RollUp(rows);
        self.base = self.base.max(rows - 1);
        (self.row, self.column, self.pen) = (self.base, 0, Style::default());
    }

    fn carriage_return(&mut self) {
        let Mode::RollUp(rows) = self.mode else { return };
        self.shown.roll_up(self.base + 1 - rows.min(self.base + 1), self.base);
        (self.row, self.column, self.pen) = (self.base, 0, Style::default());
        self.did(Effect::Line);
    }

    fn preamble(&mut self, preamble: PreambleAddressCode) {
        let row = usize::from(preamble.row());
        match self.mode {
            // The roll-up moves as a whole to its new base (CTA-608-E).
            Mode::RollUp(rows) => {
                let base = row.max(rows - 1).min(ROWS - 1);
                if base != self.base {
                    self.shown.move_rows(self.base + 1 - rows, self.base, base);
                    self.base = base;
                    self.did(Effect::Changed);
                }
                self.row = base;
            }
            Mode::PaintOn if row != self.row => {
                self.row = row;
                self.did(Effect::Line);
            }
            Mode::PaintOn | Mode::PopOn | Mode::None => self.row = row,
        }
        self.column = usize::from(preamble.column());
        let colour = match preamble.code() {
            PreambleType::Color(colour) => colour_of(colour),
            _ => None,
        };
        self.pen = Style { colour, italic: preamble.italics(), underline: preamble.underline(), ..Style::default() };
    }

    /// A mid-row code takes a cell. A colour ends italics; italics keep the colour (CTA-608-E).
    fn mid_row(&mut self, change: MidRow) {
        self.pen.underline = false;
        self.char(' ');
        self.pen.underline = change.underline();
        self.pen.italic = change.italics();
        if let Some(colour) = change.color() {
            self.pen.colour = colour_of(colour);
        }
    }

    /// Background and foreground attributes (CTA-608-E, 6.2): each takes the place of the space before it.
    fn optional(&mut self, first: u8, second: u8) {
        const BLACK: Rgba = Rgba::opaque(0, 0, 0);
        match (first, second) {
            (0x10, 0x20..=0x2f) => {
                let colour = match second & 0x0e {
                    0x00 => Rgba::opaque(255, 255, 255),
                    0x02 => Rgba::opaque(0, 255, 0),
                    0x04 => Rgba::opaque(0, 0, 255),
                    0x06 => Rgba::opaque(0, 255, 255),
                    0x08 => Rgba::opaque(255, 0, 0),
                    0x0a => Rgba::opaque(255, 255, 0),
                    0x0c => Rgba::opaque(255, 0, 255),
                    _ => BLACK,
                };
                let alpha = if second & 1 == 1 { 128 } else { 255 };
                self.pen.background = Some(Rgba { a: alpha, ..colour });
            }
            (0x17, 0x2d) => self.pen.background = Some(Rgba { a: 0, ..BLACK }),
            (0x17, 0x2e | 0x2f) => {
                self.pen.colour = Some(BLACK);
                self.pen.underline = second == 0x2f;
            }
            _ => return,
        }
        self.backspace();
        self.char(' ');
    }
}

/// White is what players show by themselves.
fn colour_of(colour: Color) -> Option<Rgba> {
    Some(match colour {
        Color::White => return None,
        Color::Green => Rgba::opaque(0, 255, 0),
        Color::Blue => Rgba::opaque(0, 0, 255),
        Color::Cyan => Rgba::opaque(0, 255, 255),
        Color::Red => Rgba::opaque(255, 0, 0),
        Color::Yellow => Rgba::opaque(255, 255, 0),
        Color::Magenta => Rgba::opaque(255, 0, 255),
    })
}
