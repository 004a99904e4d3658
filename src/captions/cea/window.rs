//! A window of a DTVCC service (CTA-708-E, 8.4).

use cea708_types::tables::{
    Anchor, Color, ColorValue, DefineWindowArgs, Direction, Justify, Opacity, SetPenAttributesArgs, SetPenColorArgs,
    SetPenLocationArgs, SetWindowAttributesArgs, TextTag,
};

use super::Aspect;
use crate::captions::block::{Geometry, SAFE, texts};
use crate::captions::memory::{Cell, Memory};
use crate::captions::{Align, Rgba, Style, Text};

/// Most rows and columns of a window (CTA-708-E, 8.4).
const MAX_ROWS: usize = 15;
const MAX_COLUMNS: usize = 42;

#[derive(Debug)]
pub(super) struct Window {
    defined: DefineWindowArgs,
    attributes: SetWindowAttributesArgs,
    pen: SetPenAttributesArgs,
    colour: SetPenColorArgs,
    memory: Memory,
    row: usize,
    column: usize,
    pub visible: bool,
}

/// What a code did to a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Did {
    Nothing,
    Text,
    Line,
}

fn size_of(args: &DefineWindowArgs) -> (usize, usize) {
    // Counts are one less than what they count.
    ((usize::from(args.row_count) + 1).min(MAX_ROWS), (usize::from(args.column_count) + 1).min(MAX_COLUMNS))
}

impl Window {
    pub fn new(args: DefineWindowArgs) -> Self {
        let (rows, columns) = size_of(&args);
        Self {
            defined: args,
            attributes: args.window_attributes(),
            pen: args.pen_attributes(),
            colour: args.pen_color(),
            memory: Memory::new(rows, columns),
            row: 0,
            column: 0,
            visible: args.visible,
        }
    }

    /// Defined again: text and pen stay, and styles where none are named (style 0: CTA-708-E, 8.10.5).
    pub fn redefine(&mut self, args: DefineWindowArgs) {
        if args.window_style_id != 0 {
            self.attributes = args.window_attributes();
        }
        if args.pen_style_id != 0 {
            (self.pen, self.colour) = (args.pen_attributes(), args.pen_color());
        }
        let (rows, columns) = size_of(&args);
        self.memory.resize(rows, columns);
        self.visible = args.visible;
        self.defined = args;
        (self.row, self.column) = (self.row.min(rows - 1), self.column.min(columns));
    }

    pub fn set_attributes(&mut self, attributes: SetWindowAttributesArgs) {
        self.attributes = attributes;
    }

    pub fn set_pen(&mut self, pen: SetPenAttributesArgs) {
        self.pen = pen;
    }

    pub fn set_colour(&mut self, colour: SetPenColorArgs) {
        self.colour = colour;
    }

    pub fn set_location(&mut self, location: SetPenLocationArgs) {
        let (rows, columns) = size_of(&self.defined);
        self.row = usize::from(location.row).min(rows - 1);
        self.column = usize::from(location.column).min(columns - 1);
    }

    pub fn is_empty(&self) -> bool {
        self.memory.is_empty()
    }

    pub fn clear(&mut self) {
        self.memory.clear();
    }

    /// FF: erases, and begins anew.
    pub fn form_feed(&mut self) {
        self.memory.clear();
        (self.row, self.column) = (0, 0);
    }

    pub fn horizontal_return(&mut self) -> Did {
        self.memory.clear_row(self.row, 0);
        self.column = 0;
        Did::Text
    }

    /// CR: the next row; past the last one rows move, in the direction that the window scrolls.
    pub fn carriage_return(&mut self) -> Did {
        let last = self.memory.rows().len() - 1;
        self.column = 0;
        match self.attributes.scroll_direction {
            Direction::TopToBottom if self.row > 0 => self.row -= 1,
            Direction::TopToBottom => self.memory.roll_down(0, last),
            _ if self.row < last => self.row += 1,
            _ => self.memory.roll_up(0, last),
        }
        Did::Line
    }

    pub fn backspace(&mut self) -> Did {
        let Some(column) = self.column.checked_sub(1) else { return Did::Nothing };
        self.column = column;
        self.memory.put(self.row, column, None);
        Did::Text
    }

    pub fn char(&mut self, char: char) -> Did {
        // Text that says something about itself (CTA-708-E).
        if self.pen.text_tag == TextTag::TextNotToBeDisplayed {
            return Did::Nothing;
        }
        let mut did = Did::Text;
        // More than a row holds goes to the next one rather than being lost.
        if self.column >= self.memory.columns() {
            did = self.carriage_return();
        }
        self.memory.put(self.row, self.column, Some(Cell { char, style: self.style() }));
        self.column += 1;
        did
    }

    fn style(&self) -> Style {
        const WHITE: Rgba = Rgba::opaque(255, 255, 255);
        const BLACK: Rgba = Rgba::opaque(0, 0, 0);
        let foreground = rgba(self.colour.foreground_color, self.colour.foreground_opacity);
        let background = rgba(self.colour.background_color, self.colour.background_opacity);
        Style {
            italic: self.pen.italics,
            bold: false,
            underline: self.pen.underline,
            // White on black is what players show by themselves.
            colour: Some(foreground).filter(|colour| *colour != WHITE && colour.a > 0),
            background: Some(background).filter(|colour| *colour != BLACK),
        }
    }

    pub fn texts(&self, aspect: Aspect) -> Vec<Text> {
        texts(&self.memory, &self.geometry(aspect))
    }

    /// Where the window lies. Its anchor stands on a grid of 75 by 210 cells (160 in 4:3), or on one of hundredths, over the safe area
    /// (CTA-708-E, 8.4); its rows are a fifteenth of that high, its columns a 42nd wide (a 32nd in 4:3).
    fn geometry(&self, aspect: Aspect) -> Geometry {
        let safe = 100.0 - 2.0 * SAFE;
        let (columns, cells) = match aspect {
            Aspect::Wide => (42.0, 210.0),
            Aspect::FourToThree => (32.0, 160.0),
        };
        let (column, row) = (safe / columns, safe / 15.0);
        let defined = &self.defined;
        let (x, y) = (f64::from(defined.anchor_horizontal), f64::from(defined.anchor_vertical));
        let (x, y) = if defined.relative_positioning { (x / 100.0, y / 100.0) } else { (x / cells, y / 75.0) };
        let width = column * self.memory.columns() as f64;
        let height = row * self.memory.rows().len() as f64;
        let (right, down) = match defined.anchor_point {
            Anchor::TopMiddle => (0.5, 0.0),
            Anchor::TopRight => (1.0, 0.0),
            Anchor::CenterLeft => (0.0, 0.5),
            Anchor::CenterMiddle => (0.5, 0.5),
            Anchor::CenterRight => (1.0, 0.5),
            Anchor::BottomLeft => (0.0, 1.0),
            Anchor::BottomMiddle => (0.5, 1.0),
            Anchor::BottomRight => (1.0, 1.0),
            _ => (0.0, 0.0),
        };
        let justify = match self.attributes.justify {
            // Where the pen was put counts: rows may begin anywhere.
            Justify::Left | Justify::Full => None,
            Justify::Right => Some(Align::End),
            Justify::Center => Some(Align::Center),
        };
        // A window that reaches over the safe area is moved into it.
        let place = |at: f64, length: f64| at.min(100.0 - SAFE - length).max(SAFE);
        Geometry {
            left: place(SAFE + x * safe - right * width, width),
            top: place(SAFE + y * safe - down * height, height),
            column,
            row,
            gap: 1,
            justify,
        }
    }
}

fn rgba(colour: Color, opacity: Opacity) -> Rgba {
    let part = |value: ColorValue| u8::from(value) * 85;
    let a = match opacity {
        Opacity::Solid | Opacity::Flash => 255,
        Opacity::Translucent => 128,
        Opacity::Transparent => 0,
    };
    Rgba { r: part(colour.r), g: part(colour.g), b: part(colour.b), a }
}
