//! Which segments there are: numbers on the epoch grid, with the holes between them.

use std::ops::RangeInclusive;

use crate::timeline::SegmentNumber;

/// A set of segment numbers as its unbroken runs. As a rule there is one; each hole makes one more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    // Ascending; none empty; at least one number is missing between neighbours.
    runs: Vec<RangeInclusive<SegmentNumber>>,
}

impl Runs {
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub fn contains(&self, n: SegmentNumber) -> bool {
        self.runs.iter().rev().any(|run| run.contains(&n))
    }

    pub fn oldest(&self) -> Option<SegmentNumber> {
        self.runs.first().map(|run| *run.start())
    }

    pub fn newest(&self) -> Option<SegmentNumber> {
        self.runs.last().map(|run| *run.end())
    }

    /// The newest unbroken run: where somebody who comes now begins.
    pub fn newest_run(&self) -> Option<RangeInclusive<SegmentNumber>> {
        self.runs.last().cloned()
    }

    /// The newest `most` of its unbroken runs.
    pub fn newest_runs(mut self, most: usize) -> Self {
        let over = self.runs.len().saturating_sub(most);
        self.runs.drain(..over);
        self
    }

    /// The numbers, ascending.
    pub fn iter(&self) -> impl Iterator<Item = SegmentNumber> {
        self.runs.iter().cloned().flatten()
    }

    /// The runs, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<SegmentNumber>> {
        self.runs.iter().cloned()
    }

    /// The newest number below `end`.
    pub fn newest_before(&self, end: SegmentNumber) -> Option<SegmentNumber> {
        let last = end.checked_sub(1)?;
        let run = self.runs.iter().rev().find(|run| *run.start() <= last)?;
        Some(*run.end().min(&last))
    }

    /// The oldest number from `from` on.
    pub fn oldest_from(&self, from: SegmentNumber) -> Option<SegmentNumber> {
        let run = self.runs.iter().find(|run| *run.end() >= from)?;
        Some(*run.start().max(&from))
    }

    /// Adds a number newer than all; another changes nothing.
    pub fn push(&mut self, n: SegmentNumber) {
        match self.runs.last_mut() {
            Some(run) if n <= *run.end() => {}
            Some(run) if n == *run.end() + 1 => *run = *run.start()..=n,
            Some(_) | None => self.runs.push(n..=n),
        }
    }

    /// The numbers that one of the two has.
    pub fn or(&self, other: &Self) -> Self {
        let mut all: Vec<_> = self.runs.iter().chain(&other.runs).cloned().collect();
        all.sort_unstable_by_key(|run| *run.start());
        let mut runs: Vec<RangeInclusive<SegmentNumber>> = Vec::with_capacity(all.len());
        for run in all {
            match runs.last_mut() {
                // Neighbours without a hole between them are one.
                Some(last) if *run.start() <= last.end().saturating_add(1) => {
                    *last = *last.start()..=*last.end().max(run.end());
                }
                Some(_) | None => runs.push(run),
            }
        }
        Self { runs }
    }

    /// All but `range`.
    pub fn without(&self, range: &RangeInclusive<SegmentNumber>) -> Self {
        let below = range.start().checked_sub(1).map(|end| Self::from(0..=end)).unwrap_or_default();
        let above = range.end().checked_add(1).map(|from| Self::from(from..=SegmentNumber::MAX)).unwrap_or_default();
        self.and(&below.or(&above))
    }

    /// The numbers that both have.
    pub fn and(&self, other: &Self) -> Self {
        let mut runs = Vec::new();
        for a in &self.runs {
            for b in &other.runs {
                let both = *a.start().max(b.start())..=*a.end().min(b.end());
                if !both.is_empty() {
                    runs.push(both);
                }
            }
        }
        Self { runs }
    }
}

impl From<RangeInclusive<SegmentNumber>> for Runs {
    fn from(run: RangeInclusive<SegmentNumber>) -> Self {
        Self { runs: if run.is_empty() { Vec::new() } else { vec![run] } }
    }
}

/// From ascending numbers; one that does not ascend is left out.
impl FromIterator<SegmentNumber> for Runs {
    fn from_iter<I: IntoIterator<Item = SegmentNumber>>(numbers: I) -> Self {
        let mut runs = Self::default();
        numbers.into_iter().for_each(|n| runs.push(n));
        runs
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn runs_are_what_lies_between_holes() {
        let runs: Runs = [3, 4, 5, 7, 9, 10].into_iter().collect();
        assert_eq!((runs.oldest(), runs.newest(), runs.newest_run()), (Some(3), Some(10), Some(9..=10)));
        assert!(runs.contains(7) && !runs.contains(6) && !runs.contains(11));
        #[expect(clippy::reversed_empty_ranges, reason = "a range that holds nothing is no run")]
        let nothing = Runs::from(5..=4);
        assert!(nothing.is_empty() && nothing.newest_run().is_none());
    }

    proptest! {
        #[test]
        fn they_are_the_sets_they_were_made_of(
            a in prop::collection::btree_set(0u64..30, 0..20),
            b in prop::collection::btree_set(0u64..30, 0..20),
        ) {
            let runs = |set: &BTreeSet<u64>| set.iter().copied().collect::<Runs>();
            prop_assert_eq!(runs(&a).iter().collect::<BTreeSet<_>>(), a.clone());
            // Equal sets are equal runs, however they came to be.
            prop_assert_eq!(runs(&a).and(&runs(&b)), runs(&a.intersection(&b).copied().collect()));
            prop_assert_eq!(runs(&a).or(&runs(&b)), runs(&a.union(&b).copied().collect()));
            for n in 0..32 {
                prop_assert_eq!(runs(&a).newest_before(n), a.range(..n).next_back().copied());
                prop_assert_eq!(runs(&a).oldest_from(n), a.range(n..).next().copied());
                let left = a.iter().copied().filter(|m| !(n..=n + 3).contains(m)).collect();
                prop_assert_eq!(runs(&a).without(&(n..=n + 3)), runs(&left));
            }
        }
    }
}
