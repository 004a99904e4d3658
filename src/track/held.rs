//! What there is of a track, or of all the tracks of something.

use super::{Position, Runs};
use crate::timeline::Grid;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The segments that are there from end to end.
    pub whole: Runs,
    /// How far it has come.
    pub come_to: Option<Position>,
}

impl Held {
    /// What both have.
    pub fn and(&self, other: &Self) -> Self {
        // Nothing is less than anything.
        Self { whole: self.whole.and(&other.whole), come_to: self.come_to.min(other.come_to) }
    }

    /// What there is of it up to `at`, which is part of it; `None`: nothing.
    pub fn up_to(&self, grid: &Grid, at: Option<Position>) -> Self {
        let whole =
            at.and_then(|at| if at.part + 1 < grid.parts() { at.segment.checked_sub(1) } else { Some(at.segment) });
        let whole = whole.map(|last| Runs::from(0..=last)).unwrap_or_default();
        self.and(&Self { whole, come_to: at })
    }
}
