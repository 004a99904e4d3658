//! The date ranges of a playlist, read: one for each ID, a bounded number of them.

use std::collections::VecDeque;

use super::text::{Attributes, Variables};
use crate::cues::daterange::SourceRange;

/// The newest of a playlist that are kept. Those of hours before are of nothing that is to be played.
pub const MAX_RANGES: usize = 256;
/// An ID longer than this is refused.
const MAX_ID_BYTES: usize = 256;

#[derive(Default)]
pub struct Ranges(VecDeque<SourceRange>);

impl Ranges {
    /// Takes in what stands behind the tag. What makes no sense is left out, as players do.
    pub fn take(&mut self, value: &str, variables: &Variables) {
        let Ok(attributes) = Attributes::read(value, variables) else { return };
        let mut range = match SourceRange::read(attributes.iter()) {
            Ok(range) if range.id.len() <= MAX_ID_BYTES => range,
            Ok(_) => return,
            Err(error) => return tracing::debug!(%error, "a date range makes no sense"),
        };
        // Nobody here asks for them, and they may be large.
        range.client = Vec::new();
        if let Some(known) = self.0.iter_mut().find(|known| known.id == range.id) {
            *known = std::mem::take(known).or(&range);
            return;
        }
        if self.0.len() == MAX_RANGES {
            self.0.pop_front();
        }
        self.0.push_back(range);
    }

    pub fn into_list(self) -> Vec<SourceRange> {
        self.0.into()
    }
}
