//! What a session showed when: each minute of its meter is told by what it showed last within it.

use crate::mosaic::EngineKind;

/// Changes remembered at most; at the bound the oldest goes, and its minutes are told by the next one.
const MAX_CHANGES: usize = 32;

/// A layout with its games, and what made it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    pub engine: EngineKind,
    pub layout: String,
    /// Game ids in slot order.
    pub games: Vec<String>,
}

/// What was shown from when on. Times are milliseconds of Unix time, ascending.
pub(super) struct ShownTimes {
    first: Shown,
    changes: Vec<(i64, Shown)>,
}

impl ShownTimes {
    pub fn new(first: Shown) -> Self {
        Self { first, changes: Vec::new() }
    }

    /// From `from_ms` on it is `shown`. Changes that had not begun by then never show.
    pub fn change(&mut self, from_ms: i64, shown: Shown) {
        self.changes.retain(|(since_ms, _)| *since_ms < from_ms);
        self.changes.push((from_ms, shown));
        if self.changes.len() > MAX_CHANGES {
            self.first = self.changes.remove(0).1;
        }
    }

    /// What was shown at `at_ms`.
    pub fn at(&self, at_ms: i64) -> &Shown {
        self.changes.iter().rev().find(|(since_ms, _)| *since_ms <= at_ms).map_or(&self.first, |(_, shown)| shown)
    }

    /// Forgets what only instants before `from_ms` need.
    pub fn forget_before(&mut self, from_ms: i64) {
        let over = self.changes.iter().take_while(|(since_ms, _)| *since_ms <= from_ms).count();
        if let Some((_, newest)) = self.changes.drain(..over).next_back() {
            self.first = newest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(layout: &str) -> Shown {
        Shown { engine: EngineKind::Render, layout: layout.into(), games: Vec::new() }
    }

    #[test]
    fn an_instant_is_told_by_the_change_before_it() {
        let mut times = ShownTimes::new(shown("first"));
        times.change(100, shown("overtaken"));
        times.change(90, shown("second"));
        times.change(200, shown("third"));
        let at = |times: &ShownTimes| [0, 89, 90, 199, 200].map(|at| times.at(at).layout.clone());
        assert_eq!(at(&times), ["first", "first", "second", "second", "third"]);
        times.forget_before(150);
        assert_eq!(at(&times)[3..], ["second", "third"]);
        for n in 0..100 {
            times.change(300 + n, shown(&n.to_string()));
        }
        assert_eq!((times.changes.len(), &*times.at(399).layout), (MAX_CHANGES, "99"));
    }
}
