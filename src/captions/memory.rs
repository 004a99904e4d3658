//! Cells of a caption screen: a memory of line 21, a window of DTVCC.

use super::Style;

/// A character on the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub char: char,
    pub style: Style,
}

/// Rows of cells; one without a character shows the picture. Places outside are not there: writing to them does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Memory {
    columns: usize,
    rows: Vec<Vec<Option<Cell>>>,
}

impl Memory {
    pub fn new(rows: usize, columns: usize) -> Self {
        Self { columns, rows: vec![vec![None; columns]; rows] }
    }

    pub fn rows(&self) -> &[Vec<Option<Cell>>] {
        &self.rows
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    pub fn is_empty(&self) -> bool {
        self.rows.iter().flatten().all(Option::is_none)
    }

    pub fn put(&mut self, row: usize, column: usize, cell: Option<Cell>) {
        if let Some(place) = self.rows.get_mut(row).and_then(|row| row.get_mut(column)) {
            *place = cell;
        }
    }

    pub fn clear(&mut self) {
        self.rows.iter_mut().flatten().for_each(|cell| *cell = None);
    }

    /// Clears a row from `column` to its end.
    pub fn clear_row(&mut self, row: usize, column: usize) {
        self.rows.get_mut(row).into_iter().flatten().skip(column).for_each(|cell| *cell = None);
    }

    /// Moves rows `top..=bottom` up by one; the lowest is empty then.
    pub fn roll_up(&mut self, top: usize, bottom: usize) {
        if let Some(rows) = self.rows.get_mut(top..=bottom) {
            rows.rotate_left(1);
            self.clear_row(bottom, 0);
        }
    }

    /// Moves rows `top..=bottom` down by one; the highest is empty then.
    pub fn roll_down(&mut self, top: usize, bottom: usize) {
        if let Some(rows) = self.rows.get_mut(top..=bottom) {
            rows.rotate_right(1);
            self.clear_row(top, 0);
        }
    }

    /// Keeps rows `top..=bottom`, moved so that `bottom` becomes `to`; all others are empty then.
    pub fn move_rows(&mut self, top: usize, bottom: usize, to: usize) {
        let old = std::mem::replace(self, Self::new(self.rows.len(), self.columns));
        for (row, cells) in old.rows.into_iter().enumerate().take(bottom + 1).skip(top) {
            let new = (row + to).checked_sub(bottom).and_then(|row| self.rows.get_mut(row));
            if let Some(new) = new {
                *new = cells;
            }
        }
    }

    /// With so many rows and columns; what lies outside goes.
    pub fn resize(&mut self, rows: usize, columns: usize) {
        self.columns = columns;
        self.rows.resize(rows, vec![None; columns]);
        self.rows.iter_mut().for_each(|row| row.resize(columns, None));
    }
}
