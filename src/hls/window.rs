//! A bounded window of finished segments, held in memory.

use std::collections::VecDeque;

use super::runs::Runs;
use crate::timeline::SegmentNumber;

/// The newest finished segments of one track, numbered on the epoch grid. A segment that never came is a hole and nothing more:
/// what was finished before it stays for its time. What is held spans no more numbers than the capacity says: a segment goes when
/// one that much newer comes.
#[derive(Clone, Debug)]
pub struct Window<T> {
    capacity: usize,
    /// Ascending.
    held: VecDeque<(SegmentNumber, T)>,
}

/// Segments to hold where playlists list `listed_segments`: one that leaves a playlist must be there for its own length and
/// the length of the longest playlist it was in (RFC 8216, 6.2.2), so a playlist's worth and one more come on top.
pub const fn capacity_for(listed_segments: usize) -> usize {
    2 * listed_segments + 1
}

/// What became of a pushed segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// It follows the newest one, or is the first.
    Appended,
    /// Segments between the newest one and it never came.
    AfterHole,
    /// It is not newer than what is held, and was dropped: a finished segment never changes, and a hole is never filled.
    Refused,
}

impl<T> Window<T> {
    /// `capacity` in segments, at least 1.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { capacity, held: VecDeque::with_capacity(capacity) }
    }

    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    pub fn push(&mut self, n: SegmentNumber, segment: T) -> Pushed {
        let pushed = match self.newest() {
            None => Pushed::Appended,
            Some(newest) if n <= newest => return Pushed::Refused,
            Some(newest) if n == newest + 1 => Pushed::Appended,
            Some(_) => Pushed::AfterHole,
        };
        let oldest = (n + 1).saturating_sub(self.capacity as u64);
        while self.held.front().is_some_and(|(held, _)| *held < oldest) {
            self.held.pop_front();
        }
        self.held.push_back((n, segment));
        pushed
    }

    /// Numbers of the segments held.
    pub fn runs(&self) -> Runs {
        self.held.iter().map(|(n, _)| *n).collect()
    }

    pub fn newest(&self) -> Option<SegmentNumber> {
        self.held.back().map(|(n, _)| *n)
    }

    pub fn get(&self, n: SegmentNumber) -> Option<&T> {
        let at = self.held.binary_search_by_key(&n, |(held, _)| *held).ok()?;
        self.held.get(at).map(|(_, segment)| segment)
    }

    pub fn iter(&self) -> impl Iterator<Item = (SegmentNumber, &T)> {
        self.held.iter().map(|(n, segment)| (*n, segment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_oldest_goes_when_a_new_one_comes() {
        let mut window = Window::new(3);
        assert!(window.runs().is_empty() && window.get(0).is_none());
        for n in 100..105 {
            assert_eq!(window.push(n, n * 10), Pushed::Appended);
        }
        assert_eq!(window.runs(), Runs::from(102..=104));
        assert_eq!(
            (window.get(101), window.get(102), window.get(104), window.get(105)),
            (None, Some(&1020), Some(&1040), None)
        );
        assert_eq!(window.iter().map(|(n, v)| n * 10 - v).sum::<u64>(), 0);
    }

    #[test]
    fn a_hole_takes_nothing_away_and_what_is_older_goes_in_its_own_time() {
        let mut window = Window::new(4);
        window.push(7, 'a');
        assert_eq!(window.push(7, 'b'), Pushed::Refused);
        assert_eq!(window.get(7), Some(&'a'));
        assert_eq!(window.push(9, 'c'), Pushed::AfterHole);
        assert_eq!((window.get(7), window.get(8), window.get(9)), (Some(&'a'), None, Some(&'c')));
        assert_eq!(window.push(8, 'd'), Pushed::Refused, "a playlist may have said that there is none");
        window.push(10, 'e');
        assert!(window.get(7).is_some(), "7 to 10 are four numbers");
        window.push(11, 'f');
        assert!(window.get(7).is_none());
        window.push(100, 'g');
        assert_eq!(
            window.runs(),
            Runs::from(100..=100),
            "a hole that is longer than the window leaves nothing of its time"
        );
    }

    proptest! {
        #[test]
        fn it_spans_its_capacity_and_loses_nothing_within(
            capacity in 1usize..6,
            pushes in prop::collection::vec(0u64..30, 0..40),
        ) {
            let mut window = Window::new(capacity);
            let mut taken = Vec::new();
            for n in pushes {
                if window.push(n, n) != Pushed::Refused {
                    taken.push(n);
                }
                let newest = window.newest().unwrap();
                for n in 0..=newest {
                    let expected = taken.contains(&n) && n + capacity as u64 > newest;
                    prop_assert_eq!(window.get(n).is_some(), expected);
                    prop_assert_eq!(window.runs().contains(n), expected);
                }
            }
        }
    }
}
