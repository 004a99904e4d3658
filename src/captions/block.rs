//! From cells to texts that stand where the cells do.

use super::memory::{Cell, Memory};
use super::{Align, Line, LineAlign, LinePosition, Percent, Placement, PositionAlign, Style, Text, Writing};

/// Where a memory's cells lie on the picture, in percent of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    pub left: f64,
    pub top: f64,
    pub column: f64,
    pub row: f64,
    /// How far apart rows may be that follow each other: 2 where a character may be two rows high.
    pub gap: usize,
    /// How rows stand in it; with `None` where their cells are.
    pub justify: Option<Align>,
}

/// The edge of what is safe to write on: 10 percent on each side (CTA-608-E; CTA-708-E, 8.2).
pub(super) const SAFE: f64 = 10.0;

/// A row's text, and its first and last column.
struct Row {
    number: usize,
    first: usize,
    last: usize,
    line: Line,
}

/// The texts of a memory: rows that follow each other and begin at one column, or have one middle, are one text. Others are texts of their own:
/// two speakers stand apart, and a player's font is not as wide as cells are, so no spaces can hold them in place.
pub(super) fn texts(memory: &Memory, geometry: &Geometry) -> Vec<Text> {
    let mut out = Vec::new();
    let mut block: Vec<Row> = Vec::new();
    for row in memory.rows().iter().enumerate().filter_map(|(number, cells)| row_of(number, cells)) {
        let joins = block.last().is_some_and(|last| {
            row.number - last.number <= geometry.gap
                && (geometry.justify.is_some() || align_of(&block, Some(&row)).is_some())
        });
        if !joins && !block.is_empty() {
            out.push(text_of(std::mem::take(&mut block), geometry, memory.columns()));
        }
        block.push(row);
    }
    if !block.is_empty() {
        out.push(text_of(block, geometry, memory.columns()));
    }
    out
}

fn row_of(number: usize, cells: &[Option<Cell>]) -> Option<Row> {
    let seen = |cell: &Option<Cell>| cell.is_some_and(|cell| !cell.char.is_whitespace() && !cell.char.is_control());
    let (first, last) = (cells.iter().position(seen)?, cells.iter().rposition(seen)?);
    let mut line = Line::default();
    let mut style = Style::default();
    for cell in &cells[first..=last] {
        style = cell.map_or(style, |cell| cell.style);
        line.push_char(cell.map_or(' ', |cell| cell.char), style);
    }
    Some(Row { number, first, last, line })
}

/// How rows stand to each other: at one column, or about one middle (to half a cell).
fn align_of(rows: &[Row], more: Option<&Row>) -> Option<Align> {
    let all = || rows.iter().chain(more);
    let first = all().next()?;
    if all().all(|row| row.first == first.first) {
        return Some(Align::Start);
    }
    let (least, most) = all()
        .map(|row| row.first + row.last)
        .fold((usize::MAX, 0), |(least, most), middle| (least.min(middle), most.max(middle)));
    (most - least <= 1).then_some(Align::Center)
}

fn text_of(rows: Vec<Row>, geometry: &Geometry, columns: usize) -> Text {
    let top = rows.first().map_or(0, |row| row.number);
    let align = geometry.justify.or_else(|| align_of(&rows, None)).unwrap_or(Align::Start);
    let at = |column: f64| geometry.left + column * geometry.column;
    let (position, size) = match align {
        Align::Start | Align::Left => {
            // From there to the safe edge: a font wider than cells must not be broken too soon.
            let first = if geometry.justify.is_some() { 0 } else { rows.first().map_or(0, |row| row.first) };
            let left = at(first as f64);
            (left, 100.0 - SAFE - left)
        }
        Align::End | Align::Right => {
            let right = at(columns as f64);
            (right, right - SAFE)
        }
        Align::Center => {
            let middle = match (geometry.justify, rows.first()) {
                (None, Some(row)) => at((row.first + row.last + 1) as f64 / 2.0),
                _ => at(columns as f64 / 2.0),
            };
            (middle, 2.0 * (middle - SAFE).min(100.0 - SAFE - middle))
        }
    };
    // Windows may lie at an edge, or beyond.
    let size = size.max(20.0);
    let placement = Placement {
        line: LinePosition::At(Percent::of(geometry.top + top as f64 * geometry.row)),
        line_align: LineAlign::Start,
        position: Some(Percent::of(position)),
        position_align: PositionAlign::Auto,
        size: Percent::of(size),
        align,
        writing: Writing::Horizontal,
    };
    Text { placement, lines: rows.into_iter().map(|row| row.line).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_in_which_nothing_is_seen_are_no_text() {
        let geometry = Geometry { left: SAFE, top: SAFE, column: 2.0, row: 5.0, gap: 1, justify: None };
        let written = |char: char| {
            let mut memory = Memory::new(2, 4);
            memory.put(1, 1, Some(Cell { char, style: Style::default() }));
            texts(&memory, &geometry).len()
        };
        assert_eq!([' ', '\u{a0}', '\u{3000}', '\u{85}', '\n', '\0'].map(written), [0; 6]);
        assert_eq!(written('a'), 1);
    }
}
