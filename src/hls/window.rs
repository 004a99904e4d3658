//! A bounded window of finished segments, held in memory.

use std::collections::VecDeque;
use std::ops::RangeInclusive;

use crate::timeline::SegmentNumber;

/// The newest finished segments of one track, numbered on the epoch grid without a hole. Never more than its capacity: the
/// oldest goes when a new one comes.
#[derive(Clone, Debug)]
pub struct Window<T> {
    capacity: usize,
    first: SegmentNumber,
    held: VecDeque<T>,
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
    /// Segments between the newest one and it never came: everything older was let go, since a window has no hole.
    Restarted,
    /// It is not newer than what is held, and was dropped: a finished segment never changes.
    Refused,
}

impl<T> Window<T> {
    /// `capacity` in segments, at least 1.
    pub fn new(capacity: usize) -> Self {
        let capacity = capacity.max(1);
        Self { capacity, first: 0, held: VecDeque::with_capacity(capacity) }
    }

    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    pub fn push(&mut self, n: SegmentNumber, segment: T) -> Pushed {
        let pushed = match self.newest() {
            None => Pushed::Appended,
            Some(newest) if n <= newest => return Pushed::Refused,
            Some(newest) if n == newest + 1 => Pushed::Appended,
            Some(_) => {
                self.held.clear();
                Pushed::Restarted
            }
        };
        if self.held.is_empty() {
            self.first = n;
        }
        if self.held.len() == self.capacity {
            self.held.pop_front();
            self.first += 1;
        }
        self.held.push_back(segment);
        pushed
    }

    /// Numbers of the segments held; `None` when there are none.
    pub fn range(&self) -> Option<RangeInclusive<SegmentNumber>> {
        self.newest().map(|newest| self.first..=newest)
    }

    pub fn newest(&self) -> Option<SegmentNumber> {
        Some(self.first + (self.held.len() as u64).checked_sub(1)?)
    }

    pub fn get(&self, n: SegmentNumber) -> Option<&T> {
        self.held.get(usize::try_from(n.checked_sub(self.first)?).ok()?)
    }

    pub fn iter(&self) -> impl Iterator<Item = (SegmentNumber, &T)> {
        (self.first..).zip(&self.held)
    }

    /// Lets everything go.
    pub fn clear(&mut self) {
        self.held.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_oldest_goes_when_a_new_one_comes() {
        let mut window = Window::new(3);
        assert_eq!((window.range(), window.get(0)), (None, None));
        for n in 100..105 {
            assert_eq!(window.push(n, n * 10), Pushed::Appended);
        }
        assert_eq!(window.range(), Some(102..=104));
        assert_eq!(
            (window.get(101), window.get(102), window.get(104), window.get(105)),
            (None, Some(&1020), Some(&1040), None)
        );
        assert_eq!(window.iter().map(|(n, v)| n * 10 - v).sum::<u64>(), 0);
    }

    #[test]
    fn a_hole_restarts_the_window_and_an_old_segment_is_refused() {
        let mut window = Window::new(3);
        window.push(7, 'a');
        assert_eq!(window.push(7, 'b'), Pushed::Refused);
        assert_eq!(window.get(7), Some(&'a'));
        assert_eq!(window.push(9, 'c'), Pushed::Restarted);
        assert_eq!((window.range(), window.get(7)), (Some(9..=9), None));
        window.clear();
        assert_eq!(window.range(), None);
        assert_eq!(window.push(2, 'd'), Pushed::Appended);
        assert_eq!(window.range(), Some(2..=2));
    }

    proptest! {
        #[test]
        fn it_is_bounded_and_every_number_of_its_range_is_held(
            capacity in 1usize..6,
            pushes in prop::collection::vec(0u64..12, 0..40),
        ) {
            let mut window = Window::new(capacity);
            for n in pushes {
                window.push(n, n);
                let range = window.range().unwrap();
                prop_assert!(range.clone().count() <= capacity);
                for held in range {
                    prop_assert_eq!(window.get(held), Some(&held));
                }
            }
        }
    }
}
