//! What a track's segments came to, from which playlists say what a line must carry.

use std::collections::VecDeque;

use crate::timeline::SegmentNumber;

/// Segments that are remembered: three minutes of two seconds each.
const REMEMBERED: usize = 90;

/// Bytes of a track's newest segments, of those that an encoder made from end to end: what stands in for others says nothing of what will come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Ascending.
    bytes: VecDeque<(SegmentNumber, u32)>,
}

impl Sizes {
    /// Notes that segment `n`, newer than all before, came to `bytes`.
    pub fn note(&mut self, n: SegmentNumber, bytes: usize) {
        if self.bytes.len() >= REMEMBERED {
            self.bytes.pop_front();
        }
        self.bytes.push_back((n, u32::try_from(bytes).unwrap_or(u32::MAX)));
    }

    /// Bytes of segment `n`.
    pub fn of(&self, n: SegmentNumber) -> Option<u64> {
        let at = self.bytes.binary_search_by_key(&n, |(known, _)| *known).ok()?;
        self.bytes.get(at).map(|(_, bytes)| u64::from(*bytes))
    }

    /// Bytes of the segments that all of `tracks` have, added up.
    pub fn together(tracks: &[Sizes]) -> Vec<(SegmentNumber, u64)> {
        let Some((first, others)) = tracks.split_first() else { return Vec::new() };
        let sum = |&(n, bytes): &(SegmentNumber, u32)| {
            let others: Option<u64> = others.iter().map(|sizes| sizes.of(n)).sum();
            Some((n, u64::from(bytes) + others?))
        };
        first.bytes.iter().filter_map(sum).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_of_the_newest_segments_and_add_up_where_all_have_them() {
        let of = |numbers: std::ops::Range<u64>, bytes: usize| {
            let mut sizes = Sizes::default();
            numbers.for_each(|n| sizes.note(n, bytes + n as usize));
            sizes
        };
        let long = of(0..200, 0);
        assert_eq!((long.of(109), long.of(110), long.of(199), long.of(200)), (None, Some(110), Some(199), None));
        assert_eq!(Sizes::together(&[of(3..6, 100), of(4..9, 1000)]), [(4, 1108), (5, 1110)]);
        assert!(Sizes::together(&[]).is_empty() && Sizes::together(&[of(0..3, 1), of(5..6, 1)]).is_empty());
    }
}
