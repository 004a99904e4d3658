//! What there is of a track, or of all the tracks of something.

use super::{Position, Runs};

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
}
